-- SPDX-License-Identifier: ISC
-- Checks of the MX records, and of how they and the policy fit together.
local core = require 'mtasts.core'
local dns = require 'mtasts.check_dns'
local patterns = require 'mtasts.check_patterns'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local MANY <const> = 'Nothing must be mended; try the others with "mtasts probe HOST".'

-- The answers for the addresses of a host, of which the worst failure counts; nil: it has an address.
local function failure(host)
  local worst
  for _, answer in ipairs(host.answers) do
    if not answer.error then return nil end
    if not worst or not dns.absent(answer.error) then worst = answer.error end
  end
  return worst
end

local function is_covered(seen, name)
  for _, pattern in ipairs(seen.policy.mx) do
    if core.mx_matches(pattern, name) then return true end
  end
  return false
end

-- Why a host is not matched, where a pattern comes near.
local function hint(seen, name)
  for _, pattern in ipairs(seen.policy.mx) do
    local rest = pattern:match '^%*(%..+)$'
    if rest and (name:sub(-#rest) == rest or '.' .. name == rest) then
      return (': the star of %s stands for exactly one label'):format(pattern)
    end
  end
  return ''
end

return {
  {
    id = 'mx.lookup', severity = 'error', ref = 'RFC 5321 5.1', needs = 'mx',
    title = 'the domain has MX records',
    fix = 'Publish MX records for {domain}, naming the hosts that take its mail.',
    check = function(seen, say)
      local err = seen.mx.error
      if err and not dns.absent(err) then
        say('MX: ' .. dns.trouble(err), { severity = dns.severity(seen, err), fix = dns.fix(err) })
      elseif err and err.code == 'dns-nxdomain' then
        say('the domain does not exist (NXDOMAIN)')
      elseif seen.null_mx and seen.record and seen.record.present and not (seen.policy and seen.policy.mode == 'none') then
        say('the null MX says that the domain takes no mail, and still there is MTA-STS', { severity = 'warn', ref = 'RFC 7505 3',
          fix = 'Change the policy to mode none, or remove it, if {domain} takes no mail.' })
      elseif err and #seen.hosts > 0 then
        say(('no MX record: mail goes to %s itself (implicit MX)'):format(seen.domain), { severity = 'info',
          fix = 'Publish an MX record that names {domain}, so that it is meant and not left out.' })
      elseif err then
        say 'no MX record, and no address: mail cannot be delivered'
      end
    end,
  },
  {
    id = 'mx.target', severity = 'error', ref = 'RFC 5321 5.1', needs = 'mx hosts',
    title = 'each MX names a host that has addresses',
    fix = 'Let the MX record name a host that has an A or AAAA record, or remove it.',
    check = function(seen, say)
      if #seen.hosts == 0 then return false end
      local beyond = 0
      for _, host in ipairs(seen.hosts) do
        if host.beyond then beyond = beyond + 1 end
        if host.more then
          say(('it has many addresses, of which %d are not looked at'):format(host.more),
            { subject = host.name, severity = 'info', fix = MANY })
        end
        if host.wrong then
          local is_address = patterns.address((host.name:gsub('%.$', '')))
          say(is_address and 'an address, where a host name belongs' or 'no host name', { subject = text.clean(host.name) })
        else
          local err = failure(host)
          local alias = host.answers[1] and host.answers[1].cnames or {}
          if err then
            say(dns.trouble(err), { subject = host.name, severity = not dns.absent(err) and dns.severity(seen, err) or nil,
              fix = not dns.absent(err) and dns.fix(err) or nil })
          elseif #alias > 0 then
            say('it is an alias (CNAME) of ' .. text.clean(alias[#alias]), { subject = host.name, severity = 'warn', ref = 'RFC 2181 10.3',
              fix = 'Let the MX record name the host itself: not every sender follows an alias here.' })
          end
        end
      end
      if beyond > 0 then
        say(('there are many MX hosts, of which the last %d are matched, but not looked at'):format(beyond),
          { severity = 'info', fix = MANY })
      end
    end,
  },
  {
    id = 'mx.dup', severity = 'info', ref = 'RFC 5321 5.1', needs = 'mx',
    title = 'each MX host stands once',
    fix = 'Remove one of the MX records; perhaps another host was meant.',
    check = function(seen, say)
      if seen.mx.error then return false end
      local times = {}
      for _, record in ipairs(seen.mx.records) do
        local host = record.host ~= '' and record.host or record.raw or '?'
        times[host] = (times[host] or 0) + 1
        if times[host] == 2 then say('two MX records name it', { subject = text.clean(host) }) end
      end
    end,
  },
  {
    id = 'mx.match', severity = 'error', ref = 'RFC 8461 4.1', needs = 'mx hosts policy',
    title = 'the policy permits every MX host',
    fix = 'Add a line "mx: HOST" for the host to the policy and publish a new id, before mail for it is lost.',
    check = function(seen, say)
      if #seen.hosts == 0 or seen.policy.mode == 'none' then return false end
      local outside = {}
      for _, host in ipairs(seen.hosts) do
        if host.wrong or not is_covered(seen, host.name) then outside[#outside + 1] = host.name end
      end
      local all = #outside == #seen.hosts
      local severity = all and seen.policy.mode == 'enforce' and 'error' or 'warn'
      for _, name in ipairs(outside) do
        say('no mx of the policy matches' .. hint(seen, name), { subject = text.clean(name), severity = severity })
      end
    end,
  },
  {
    id = 'mx.unused', severity = 'info', ref = 'RFC 8461 8.3', needs = 'mx hosts policy',
    title = 'every mx of the policy is in use',
    fix = 'Remove the line if the host is gone for good; keep it while you move to it.',
    check = function(seen, say)
      if #seen.hosts == 0 or #seen.policy.mx == 0 then return false end
      local unused = {}
      for _, pattern in ipairs(seen.policy.mx) do
        local used = false
        for _, host in ipairs(seen.hosts) do used = used or not host.wrong and core.mx_matches(pattern, host.name) end
        if not used then unused[#unused + 1] = pattern end
      end
      if #unused > 0 then say('no MX host matches ' .. read.names(unused)) end
    end,
  },
  {
    id = 'mx.dnssec', severity = 'info', ref = 'RFC 8461 10.2', needs = 'mx',
    title = 'DNSSEC secures the MX records',
    fix = 'Sign the zone with DNSSEC: then the MX records cannot be forged either.',
    check = function(seen, say) return dns.check_secured(seen.mx, say, 'the answer') end,
  },
}
