-- SPDX-License-Identifier: ISC
-- The check of DANE, which comes before MTA-STS where both are there.
local dns = require 'mtasts.check_dns'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

-- RFC 7672 3.1: only these count for mail; a digest has its length.
local function is_usable(record)
  local lengths = { [1] = 64, [2] = 128 }
  if record.usage ~= 2 and record.usage ~= 3 or record.selector ~= 0 and record.selector ~= 1 then return false end
  local length = lengths[record.matching]
  return record.matching == 0 or length ~= nil and #(record.data or '') == length
end

-- What the sender's own walk found out about this host.
local function verdict(seen, name)
  for _, host in ipairs(seen.dane and seen.dane.hosts or {}) do
    if host.name == name then return host end
  end
end

local function check_host(seen, host, say)
  local tlsa = host.tlsa
  local more = { subject = host.name }
  if tlsa.error then
    more.fix = 'Let the name servers answer for _25._tcp.' .. host.name .. ': senders with DANE hold the mail as long as they fail.'
    say('TLSA: ' .. dns.trouble(tlsa.error), { subject = more.subject, fix = more.fix, severity = dns.severity(seen, tlsa.error) })
    return
  end
  local usable = 0
  for _, record in ipairs(tlsa.records) do usable = usable + (is_usable(record) and 1 or 0) end
  if usable == 0 then
    more.severity, more.fix = 'warn', 'Publish TLSA records with usage 3 (or 2), selector 1, matching type 1, and the digest of the key.'
    say(('%s, none of a kind that counts for mail'):format(read.count(#tlsa.records, 'TLSA record')), more)
  elseif tlsa.dnssec == 'insecure' then
    more.severity, more.fix = 'warn', 'Sign the zone with DNSSEC, or remove the TLSA records: without it no sender heeds them.'
    say('TLSA records that DNSSEC does not secure', more)
  else
    local found = verdict(seen, host.name)
    if found and found.error and found.error.code == 'tlsa-invalid' then
      say(text.problem(found.error), more)
    elseif tlsa.dnssec == 'secure' then
      if found and found.tls and found.tls.ok then return end
      more.severity, more.fix = 'info', 'Nothing to mend; publish the TLSA record of a new key before you use it.'
      say('DANE guards it: senders that know DANE heed it instead of MTA-STS; whether it fits was not seen', more)
    else
      more.severity, more.fix = 'info', 'Check again through a resolver that validates DNSSEC, on this machine.'
      say('TLSA records; whether DNSSEC secures them cannot be seen through this resolver', more)
    end
  end
end

return {
  {
    id = 'dane.tlsa', severity = 'error', ref = 'RFC 7672 3.1', needs = 'hosts tlsa',
    title = 'TLSA records of the MX hosts fit, where there are any',
    fix = 'Publish TLSA records that fit the certificate in use, or remove them: senders with DANE hold the mail.',
    check = function(seen, say)
      local asked, present = 0, 0
      for _, host in ipairs(seen.hosts) do
        if host.tlsa then
          asked = asked + 1
          if not dns.absent(host.tlsa.error) then
            present = present + 1
            check_host(seen, host, say)
          end
        end
      end
      if asked == 0 then return false end
      if present == 0 then
        say('no MX host has TLSA records', { severity = 'info', fix = 'Nothing to mend; where the zones are signed, DANE protects from the '
          .. 'first mail on.' })
      end
    end,
  },
}
