-- SPDX-License-Identifier: ISC
-- What is published now, and the MX hosts, as a sender sees them that knows nothing yet.
local core = require 'mtasts.core'
local refusal = require 'mtasts.publish_refusal'
local text = require 'mtasts.text'

local live = {}

local absent <const> = { ['record-none'] = true, ['dns-nxdomain'] = true, ['dns-nodata'] = true }
local broken_record <const> = { ['record-several'] = true, ['record-syntax'] = true }

-- 'none', 'broken', 'unknown' (for now), or 'there': then the policy may still be at fault.
local function state_of_record(err)
  if not err then return 'there' end
  if absent[err.code] then return 'none' end
  if broken_record[err.code] then return 'broken' end
  return (err.stage == 'dns' or err.stage == 'net' or err.code == 'deadline') and 'unknown' or 'there'
end

-- 'there', 'null', 'none' (a domain without MX is its own mail host, but nobody said so), or 'unknown' (for now).
local function state_of_mx(answer)
  if answer.error then return absent[answer.error.code] and 'none' or 'unknown' end
  for _, record in ipairs(answer.records) do
    if record.host ~= '.' then return 'there' end
  end
  return #answer.records > 0 and 'null' or 'none'
end

local function texts_of(answer)
  local texts = {}
  for i, record in ipairs(answer.records) do texts[i] = record.text end
  return texts
end

function live.name(host) return host.name or host.raw end

-- The MX hosts by preference, as DNS has no order; one that is no host name has no name, but raw.
local function hosts_of(answer)
  local hosts = {}
  for _, record in ipairs(answer.records) do
    if record.host ~= '.' then hosts[#hosts + 1] = { name = record.host, raw = record.raw, preference = record.preference } end
  end
  table.sort(hosts, function(a, b)
    if a.preference ~= b.preference then return a.preference < b.preference end
    return live.name(a) < live.name(b)
  end)
  return hosts
end

-- Asks DNS alone.
function live.ask(domain)
  local txt, mx = core.see_dns('_mta-sts.' .. domain, 'TXT'), core.see_dns(domain, 'MX')
  local record = core.parse_record(texts_of(txt))
  local failed = txt.error and not absent[txt.error.code]
  return { id = record and record.id, id_error = failed and txt.error or nil, alias = txt.cnames[#txt.cnames],
    mx = state_of_mx(mx), mx_error = mx.error, hosts = hosts_of(mx) }
end

-- Whether somebody asks for reports on the domain.
function live.reported(domain)
  return core.parse_tlsrpt(texts_of(core.see_dns('_smtp._tls.' .. domain, 'TXT'))) ~= nil
end

-- The policy as well, as a sender learns it; tried: STARTTLS with each host.
function live.look(domain, tried)
  core.configure { store = 'none' } -- what this machine has learned before says nothing of today
  local found = live.ask(domain)
  local answer, err = core.lookup(domain, { depth = tried and 'tls' or 'policy', freshness = 'always', rules = false, trace = false })
  if not answer then refusal.unknown(('%s: %s'):format(domain, text.problem(err)), 'try again later') end
  found.error = answer.refresh_error
  found.record = state_of_record(found.error)
  if not found.error then
    found.id, found.mode, found.max_age, found.patterns = answer.id, answer.mode, answer.max_age, { table.unpack(answer.patterns) }
  end
  if not tried then return found end
  local known = {}
  for _, host in ipairs(answer.hosts) do
    if host.name then known[host.name] = host end
  end
  for _, host in ipairs(found.hosts) do
    local looked = known[host.name] or {}
    host.tls, host.error = looked.tls, looked.error
    -- A lookup tries no more hosts than a sender would; here the others count, too.
    if host.name and not host.tls and (not host.error or host.error.code == 'mx-unmatched') then
      host.tls, host.error = core.probe(host.name)
    end
  end
  return found
end

-- What mtasts check finds wrong, as a list of words; and how much it warns of. Who gets reports holds no mail.
function live.examine(domain)
  local run = require 'mtasts.check_run'
  local result, err = run.check(domain, run.options { skip = 'tlsrpt' })
  if not result then return { text.problem(err) }, 0 end
  local errors = {}
  for _, finding in ipairs(result.findings) do
    if finding.severity == 'error' then
      local subject = finding.subject and finding.subject .. ': ' or ''
      errors[#errors + 1] = ('%s%s: %s; %s'):format(subject, finding.id, finding.seen, finding.fix)
    end
  end
  return errors, result.counts.warn
end

local function permitted(patterns, name)
  for _, pattern in ipairs(patterns) do
    if core.mx_matches(pattern, name) then return true end
  end
  return false
end

-- The MX hosts that none of these patterns permits, and their names as text.
function live.outside(found, patterns)
  local hosts, names = {}, {}
  for _, host in ipairs(found.hosts) do
    if not host.name or not permitted(patterns, host.name) then
      hosts[#hosts + 1], names[#names + 1] = host, live.name(host)
    end
  end
  return hosts, table.concat(names, ', ')
end

-- These say more of the way from here than of the host.
local unsure <const> = { ['smtp-connect'] = true, ['smtp-timeout'] = true, deadline = true, cancelled = true }

-- Why a sender cannot deliver to hosts over verified TLS: a list of {host =, words =, certain =}.
function live.faults(found)
  local faults = {}
  for _, host in ipairs(found.hosts) do
    local err = host.tls and host.tls.error or not (host.tls and host.tls.ok) and host.error or nil
    if err and err.code ~= 'mx-unmatched' then
      faults[#faults + 1] = { host = host.name, words = ('%s: %s'):format(live.name(host), text.problem(err)),
        certain = not (unsure[err.code] or err.stage == 'dns' or err.stage == 'net') }
    end
  end
  return faults
end

return live
