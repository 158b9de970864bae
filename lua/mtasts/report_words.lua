-- SPDX-License-Identifier: ISC
-- What a report's words mean, and what to do (RFC 8460 4.3): [result type] = {in words, how to mend it}.
-- %s is the mail host, DOMAIN the policy domain.
local words = {}

local results <const> = {
  ['starttls-not-supported'] = { 'no STARTTLS offered',
    'Let %s offer STARTTLS on port 25 to everybody; if it does, something on the way to it takes the offer out.' },
  ['certificate-host-mismatch'] = { 'the certificate is for another name',
    'Give %s a certificate that has this very name in its list of names.' },
  ['certificate-expired'] = { 'the certificate has expired',
    'Renew the certificate of %s, and see that the mail server loads the new one by itself.' },
  ['certificate-not-trusted'] = { 'the certificate is not trusted',
    'Let %s send a certificate of a public authority, with the whole chain.' },
  ['validation-failure'] = { 'TLS failed',
    'Look at the reason, and try %s with "mtasts probe"; ask the reporter if it works from here.' },
  ['tlsa-invalid'] = { 'the certificate does not fit the TLSA records',
    'Publish TLSA records that fit the certificate of %s, and new ones before each change of its key.' },
  ['dnssec-invalid'] = { 'DNSSEC is broken',
    'Mend DNSSEC of the zone of %s: signatures that have expired, or a DS record that does not fit.' },
  ['dane-required'] = { 'the sender wants DANE, and there is none',
    'Publish TLSA records for %s in a zone with DNSSEC, or ask the reporter why they want them.' },
  ['sts-policy-fetch-error'] = { 'the policy could not be fetched',
    'See that https://mta-sts.DOMAIN/.well-known/mta-sts.txt answers from everywhere, with status 200 and without a redirect.' },
  ['sts-policy-invalid'] = { 'the policy is not valid',
    'Let "mtasts parse policy" read what https://mta-sts.DOMAIN/.well-known/mta-sts.txt serves, and mend what it names.' },
  ['sts-webpki-invalid'] = { "the policy host's certificate is not valid",
    'Give mta-sts.DOMAIN a valid certificate of a public authority, with this name in it.' },
}

function words.result(result)
  local known = results[result or '']
  return known and known[1] or result and ('the reporter calls it ' .. result) or 'the reporter does not say what'
end

function words.mend(result, mx, domain)
  local known = results[result or '']
  if not known then return 'RFC 8460 knows no such result type: ask the reporter what it means.' end
  local values = { ['%s'] = mx or 'the mail host', DOMAIN = domain or 'DOMAIN' }
  return (known[2]:gsub('%%s', values):gsub('DOMAIN', values))
end

words.types = { sts = 'MTA-STS', tlsa = 'DANE', ['no-policy-found'] = 'no policy' }

function words.policy(policy_type) return words.types[policy_type or ''] or policy_type or 'no policy type' end

return words
