-- SPDX-License-Identifier: ISC
-- What is published now, and the MX hosts, as a sender sees them that knows nothing yet.
local core = require 'mtasts.core'
local refusal = require 'mtasts.publish_refusal'
local text = require 'mtasts.text'

local live = {}

local absent <const> = { ['record-none'] = true, ['dns-nxdomain'] = true, ['dns-nodata'] = true }
local broken_record <const> = { ['record-several'] = true, ['record-syntax'] = true }

local function outcome_of(answer, what)
  for _, step in ipairs(answer.trace) do
    if step.what == what and step.outcome then return step.outcome end
  end
  return ''
end

-- 'none', 'broken', 'unknown' (for now), or 'there': then the policy may still be at fault.
local function state_of_record(err)
  if not err then return 'there' end
  if absent[err.code] then return 'none' end
  if broken_record[err.code] then return 'broken' end
  return (err.stage == 'dns' or err.stage == 'net' or err.code == 'deadline') and 'unknown' or 'there'
end

local function state_of_mx(answer)
  local err = answer.hosts_error
  if err and err.code == 'mx-none' then return 'null' end
  if err then return absent[err.code] and 'none' or 'unknown' end
  -- A domain without MX is its own mail host: senders deliver, but nobody said so.
  if #answer.hosts == 0 or outcome_of(answer, 'mx'):find '^no MX' then return 'none' end
  return 'there'
end

-- A lookup tries no more hosts than a sender would; here the others count, too.
local function hosts_of(answer, depth)
  local hosts = {}
  for i, host in ipairs(answer.hosts) do
    local tls, err = host.tls, host.error
    if depth == 'tls' and host.name and not tls and (not err or err.code == 'mx-unmatched') then
      tls, err = core.probe(host.name)
    end
    hosts[i] = { name = host.name, preference = host.preference, tls = tls, error = err }
  end
  return hosts
end

-- depth: 'hosts', or 'tls': each host is tried, too.
function live.look(domain, depth)
  core.configure { store = 'none' } -- what this machine has learned before says nothing of today
  local answer, err = core.lookup(domain, { depth = depth, freshness = 'always', rules = false })
  if not answer then refusal.unknown(('%s: %s'):format(domain, text.problem(err)), 'try again later') end
  local found = { record = state_of_record(answer.refresh_error), error = answer.refresh_error, mx = state_of_mx(answer),
    mx_error = answer.hosts_error, hosts = hosts_of(answer, depth) }
  if found.record == 'there' then found.id = answer.id end
  if not found.error then
    found.mode, found.max_age, found.patterns = answer.mode, answer.max_age, { table.unpack(answer.patterns) }
  else
    -- Its policy cannot be had, but its id is taken all the same.
    found.id = outcome_of(answer, 'record'):match '^id (%w+)$'
  end
  return found
end

local function permitted(patterns, name)
  for _, pattern in ipairs(patterns) do
    if core.mx_matches(pattern, name) then return true end
  end
  return false
end

function live.name(host) return host.name or ('that of preference %d, which is no host name'):format(host.preference) end

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
