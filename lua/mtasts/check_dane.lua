-- SPDX-License-Identifier: ISC
-- The check of DANE, which comes before MTA-STS where both are there.
local cert = require 'mtasts.check_cert'
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

-- Whether a record is for a certificate of the chain; nil: the digests that were seen do not tell.
local function is_for(record, chain)
  if record.matching ~= 1 then return nil end
  for place, one in ipairs(chain) do
    local digest = record.selector == 1 and one.spki or record.selector == 0 and one.fingerprint
    if not digest then return nil end
    -- RFC 7672 3.1: usage 3 is the host's own certificate, usage 2 one above it.
    if (record.usage == 3) == (place == 1) and digest == record.data then return true end
  end
  return false
end

-- Whether the set fits what one address shows: one record that does is enough.
local function fits(records, tls)
  local doubt = false
  for _, record in ipairs(records) do
    if is_usable(record) then
      local is = is_for(record, tls.chain or {})
      if is then return true end
      doubt = doubt or is == nil
    end
  end
  if doubt then return nil end
  return false
end

-- The same for all addresses. What digests do not tell, the sender's own walk does.
local function fits_host(seen, host, say, more)
  local known = true
  cert.together(host.tries or {}, host.name, say, function(try)
    if not try.see.tls then return nil end
    local is = fits(host.tlsa.records, try.see.tls)
    if is == nil then known = false end
    return is == false and 'no TLSA record fits the certificate that it shows'
  end, more)
  if known then return #(host.tries or {}) > 0 end
  for _, walked in ipairs(seen.dane and seen.dane.hosts or {}) do
    if walked.name == host.name and walked.error and walked.error.code == 'tlsa-invalid' then
      say(text.problem(walked.error), more)
      return true
    end
    if walked.name == host.name and walked.tls and walked.tls.ok then return true end
  end
  return false
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
    local known = fits_host(seen, host, say, tlsa.dnssec ~= 'secure' and { severity = 'warn' } or nil)
    if tlsa.dnssec == 'secure' then
      if known then return end
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
    id = 'dane.tlsa', severity = 'error', ref = 'RFC 7672 3.1', needs = 'hosts tlsa', looks = 'smtp dane',
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
