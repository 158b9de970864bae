-- SPDX-License-Identifier: ISC
-- What a sender that honours MTA-STS would do now, host by host and in a sentence, with and without a cached policy.
local core = require 'mtasts.core'
local addresses = require 'mtasts.check_addresses'
local cert = require 'mtasts.check_cert'
local dns = require 'mtasts.check_dns'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local senders = {}

-- Whether senders learn and use the policy now. false: why, and whether that is our doubt.
function senders.usable(seen)
  local record, got = seen.record, seen.got
  if not record then return false, 'DNS was not asked', true end
  local err = seen.txt and seen.txt.error
  if err and not dns.absent(err) then
    return false, 'the record: ' .. dns.trouble(err), dns.severity(seen, err) == 'unknown'
  end
  if not record.present then return false, 'there is no record' end
  if not record.value then return false, 'the record: ' .. text.problem(record.error) end
  if not got then
    local host = seen.host
    return false, host and #host.addresses == 0 and 'the policy host has no address' or 'the policy was not fetched', seen.gets == nil
  end
  if addresses.unconnected(got) then return false, text.problem(got.error), addresses.no_way(got.error) end
  local problem = got.tls and got.tls.error or got.error
  if problem then return false, text.problem(problem) end
  if cert.is_old(got.tls) then return false, 'the policy host speaks only ' .. got.tls.protocol end
  if got.status ~= 200 then return false, ('the policy host answers with status %d'):format(got.status or 0) end
  if not seen.policy then return false, text.problem(seen.policy_error) end
  return true
end

-- Whether TLS with this host is as MTA-STS wants it: true; false, why; nil, why it cannot be told.
local function verified(seen, host)
  local tries = host.tries or {}
  if #tries == 0 then
    return nil, host.wrong and 'no host name' or host.beyond and 'not looked at' or #host.addresses == 0 and 'no address'
      or 'TLS was not tried'
  end
  local problem
  for _, try in ipairs(tries) do
    local err = try.see.tls and try.see.tls.error or try.see.error
    if not err and try.see.tls and not cert.is_old(try.see.tls) then
      local days = cert.days_left(try.see.tls, seen.at)
      return true, ('%s, certificate valid%s'):format(try.see.tls.protocol or 'TLS', days and (' for %d d'):format(days) or '')
    end
    problem = problem or err
  end
  if addresses.is_blocked(seen.hosts) then return nil, 'port 25 cannot be reached from here' end
  return false, problem and text.problem(problem) or 'TLS is too old'
end

function senders.permits(policy, name)
  if not policy or policy.mode == 'none' then return true end
  for _, pattern in ipairs(policy.mx) do
    if core.mx_matches(pattern, name) then return true end
  end
  return false
end

local function would(seen, host, policy)
  local ok, why = verified(seen, host)
  local gone = #host.addresses == 0 and #(host.tries or {}) == 0 and seen.looked_smtp and not host.beyond
  if host.wrong or gone then return 'refuse', why end
  if not policy or policy.mode == 'none' then return 'deliver-unprotected', 'no policy asks for TLS' end
  local permitted = senders.permits(policy, host.name)
  if policy.mode == 'enforce' then
    if not permitted then return 'refuse', 'not in the policy' end
    if ok == nil then return 'unknown', why end
    return ok and 'deliver' or 'refuse', why
  end
  if not permitted then return 'deliver-unprotected', 'testing; not in the policy' end
  if ok then return 'deliver', why end
  return 'deliver-unprotected', 'testing; ' .. why
end

-- One entry for each MX host.
function senders.hosts(seen)
  local list = {}
  local policy = senders.usable(seen) and seen.policy or nil
  for i, host in ipairs(seen.hosts or {}) do
    local will, why = would(seen, host, policy)
    list[i] = { name = text.clean(host.name), preference = host.preference,
      permitted = not host.wrong and senders.permits(seen.policy, host.name), addresses = { table.unpack(host.addresses) },
      would = will, why = why }
  end
  return list
end

local function by_decision(hosts)
  local names = {}
  for _, host in ipairs(hosts) do
    names[host.would] = names[host.would] or {}
    table.insert(names[host.would], host.name)
  end
  return names
end

local function enforced(hosts)
  local names = by_decision(hosts)
  local parts = {}
  if names.deliver then parts[#parts + 1] = 'delivers over verified TLS to ' .. read.names(names.deliver) end
  if names.refuse then parts[#parts + 1] = 'refuses ' .. read.names(names.refuse) end
  if names.unknown then
    parts[#parts + 1] = 'delivers to ' .. read.names(names.unknown) .. ' only over valid TLS, which was not seen'
  end
  if #parts == 0 then return 'has no host to deliver to' end
  if not names.deliver and not names.unknown then parts[#parts + 1] = 'so that mail waits, and is returned in the end' end
  return table.concat(parts, ', ')
end

local function cached_otherwise(seen)
  local stored = seen.stored
  if stored and stored.mode and stored.expires_at and stored.expires_at > seen.at then
    return ('goes on with the policy that it has cached; the one stored here (%s, id %s) %s'):format(stored.mode,
      text.clean(stored.id or '?'), text.ends(stored.expires_at, seen.at))
  end
  return 'goes on with the policy that it has cached, until that expires'
end

-- Who does not use the policy although others do.
local function reservation(seen)
  local kind = seen.got.headers and seen.got.headers['content-type'] or ''
  if kind:lower():match '^%s*([^;%s]*)' ~= 'text/plain' then
    return '; one that checks the type of the policy, as mtasts does, finds none, and delivers unprotected'
  end
  return seen.strict and '' or '; one that reads the policy strictly finds none, and delivers unprotected'
end

-- Two sentences without their subject.
function senders.sentences(seen, hosts)
  local usable, why = senders.usable(seen)
  if not usable then
    if seen.record and not seen.record.present and not (seen.txt and seen.txt.error and not dns.absent(seen.txt.error)) then
      return { without_cache = 'delivers as usual: the domain has no MTA-STS', with_cache = cached_otherwise(seen) }
    end
    return { without_cache = 'delivers unprotected, as without MTA-STS: ' .. why, with_cache = cached_otherwise(seen) }
  end
  local policy = seen.policy
  local age = text.span(policy.max_age)
  if policy.mode == 'none' then
    return { without_cache = 'delivers as without MTA-STS: the mode is none',
      with_cache = 'drops what it has cached once it sees this id, and delivers as without MTA-STS' }
  end
  local kept = (' (the policy is kept for %s)'):format(age)
  if policy.mode == 'testing' then
    local words = 'delivers to every host, whatever its TLS, and reports what fails'
    return { without_cache = 'fetches the policy, then ' .. words .. reservation(seen), with_cache = words .. kept }
  end
  local words = enforced(hosts)
  return { without_cache = 'fetches the policy, then ' .. words .. reservation(seen), with_cache = words .. kept }
end

return senders
