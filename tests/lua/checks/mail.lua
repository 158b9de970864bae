-- SPDX-License-Identifier: ISC
-- Cases of the checks of MX records, mail hosts, DANE and the summary. Form: txt.lua.
local told = require 'checks.told'

local NOW <const>, DAY <const> = 1767225600, 86400
local MX <const> = told.MX
local mailer = told.mailer
local LEAF <const> = { subject = 'CN=x', issuer = 'CN=CA', names = { 'mx1.a.test' }, not_before = NOW - 300 * DAY,
  not_after = NOW + 60 * DAY, key = 'RSA', key_bits = 2048, signature = 'sha256WithRSAEncryption' }

local function certificate(changes, err)
  local one = {}
  for key, value in pairs(LEAF) do one[key] = value end
  for key, value in pairs(changes) do one[key] = value end
  return mailer { tls = { error = err, chain = { one } } }
end

local function hosts(...)
  local list = { dnssec = 'secure', ... }
  return function(w) w.dns[MX] = list end
end

local TLSA <const> = '_25._tcp.mx1.a.test TLSA'

return {
  { 'mx.lookup', 'SERVFAIL', function(w) w.dns[MX] = 'servfail' end, severity = 'error', says = 'dns-servfail' },
  { 'mx.lookup', 'no such domain', function(w) w.dns[MX] = 'nxdomain' end, severity = 'error', says = 'does not exist' },
  { 'mx.lookup', 'none, an address', function(w) w.dns[MX], w.dns['a.test A'], w.smtp['a.test'] = {}, { '192.0.2.9' }, 'ok' end,
    severity = 'info', says = 'implicit MX' },
  { 'mx.lookup', 'none, no address', function(w) w.dns[MX] = {} end, severity = 'error' },
  { 'mx.lookup', 'null MX', hosts '0 .', severity = 'warn', says = 'null MX' },
  { 'mx.target', 'it leads nowhere', hosts('10 mx1.a.test', '20 gone.mail.a.test'), severity = 'error', subject = 'gone.mail.a.test' },
  { 'mx.target', 'an alias', function(w)
    w.dns['mx1.a.test A'], w.dns['mx1.a.test AAAA'] = nil, nil
    w.dns['mx1.a.test CNAME'], w.dns['real.test A'], w.dns['real.test AAAA'] = 'real.test', { '192.0.2.1' }, {}
  end, severity = 'warn', says = 'real.test', subject = 'mx1.a.test' },
  { 'mx.target', 'SERVFAIL', function(w) w.dns['in.mail.a.test A'], w.dns['in.mail.a.test AAAA'] = 'servfail', 'servfail' end,
    severity = 'error', says = 'dns-servfail' },
  { 'mx.target', 'an address', hosts('10 mx1.a.test', '20 192.0.2.3'), severity = 'error', says = 'an address', subject = '192.0.2.3' },
  { 'mx.target', 'more than are looked at', function(w)
    local list = { dnssec = 'secure' }
    for n = 1, 20 do
      list[n] = ('%d m%d.mail.a.test'):format(n, n)
      w.smtp[('m%d.mail.a.test'):format(n)] = 'ok'
    end
    w.dns[MX] = list
  end, severity = 'info', says = 'the last 4 are matched, but not looked at' },
  { 'mx.target', 'more addresses than are looked at', function(w)
    local list = {}
    for n = 1, 11 do list[n] = '192.0.2.' .. n end
    w.dns['mx1.a.test A'], w.dns['mx1.a.test AAAA'] = list, {}
  end, severity = 'info', says = '3 are not looked at', subject = 'mx1.a.test' },
  { 'mx.dup', 'twice', hosts('10 mx1.a.test', '20 mx1.a.test'), severity = 'info', subject = 'mx1.a.test' },
  { 'mx.match', 'none', hosts '10 mx.other.test', severity = 'error', subject = 'mx.other.test' },
  { 'mx.match', 'some', hosts('10 mx1.a.test', '20 mx.other.test'), severity = 'warn', subject = 'mx.other.test' },
  { 'mx.match', 'a star is one label', hosts('10 mx1.a.test', '20 x.y.mail.a.test'), severity = 'warn', says = 'exactly one label' },
  { 'mx.match', 'testing', function(w)
    hosts '10 mx.other.test'(w)
    told.served('enforce', 'testing')(w)
  end, severity = 'warn' },
  { 'mx.unused', 'a pattern', hosts '10 mx1.a.test', severity = 'info', says = '*.mail.a.test' },
  { 'mx.dnssec', 'not signed', told.dns(MX, { '10 mx1.a.test', dnssec = 'insecure' }), severity = 'info' },

  { 'smtp.connect', 'one host', mailer 'smtp-connect', severity = 'error', subject = 'mx1.a.test' },
  { 'smtp.connect', 'one address', mailer { by_address = { ['2001:db8::1'] = 'smtp-connect' } }, severity = 'warn',
    subject = 'mx1.a.test [2001:db8::1]' },
  { 'smtp.connect', 'none at all: it may be us', function(w)
    w.smtp['mx1.a.test'], w.smtp['in.mail.a.test'] = 'smtp-timeout', 'smtp-timeout'
  end, severity = 'unknown', says = 'port 25' },
  { 'smtp.banner', '554', mailer { banner_code = 554, banner = '554 go away' }, severity = 'error', says = '554 go away' },
  { 'smtp.banner', 'EHLO', mailer { ehlo_code = 502 }, severity = 'error', says = 'EHLO with 502' },
  { 'smtp.starttls', 'missing', mailer 'starttls-missing', severity = 'error', says = 'starttls-missing' },
  { 'smtp.starttls', 'refused', mailer { starttls_code = 454 }, severity = 'error', says = '454' },
  { 'smtp.starttls', 'no handshake', mailer 'tls-handshake', severity = 'error' },
  { 'smtp.tlsver', 'only old', mailer { tls = { protocol = 'TLSv1.1' } }, severity = 'error', says = 'only TLSv1.1' },
  { 'smtp.tlsver', 'old, too', mailer { old_tls = true }, severity = 'info', says = 'TLSv1.1, too' },
  { 'smtp.chain', 'expired', mailer 'cert-expired', severity = 'error' },
  { 'smtp.chain', 'self-signed', mailer 'cert-untrusted', severity = 'error', says = 'by itself' },
  { 'smtp.chain', 'without MTA-STS', function(w)
    w.dns[told.TXT], w.https[told.HOST], w.smtp['mx1.a.test'] = nil, nil, 'cert-untrusted'
  end, severity = 'warn' },
  { 'smtp.name', 'the domain', certificate({ names = { 'a.test' } }, 'cert-name'), severity = 'error',
    says = 'for a.test, not for mx1.a.test' },
  { 'smtp.name', 'a wildcard', certificate { names = { '*.a.test' } }, quiet = true },
  { 'smtp.expiry', '5 days', certificate { not_after = NOW + 5 * DAY }, severity = 'warn' },
  { 'smtp.expiry', 'over', certificate({ not_after = NOW - DAY }, 'cert-expired'), severity = 'error' },
  { 'smtp.key', 'RSA 1024', certificate { key_bits = 1024 }, severity = 'warn' },
  { 'smtp.key', 'SHA-1', certificate { signature = 'ecdsa-with-SHA1' }, severity = 'warn' },
  { 'smtp.key', 'P-256', certificate { key = 'EC', key_bits = 256, curve = 'P-256' }, quiet = true },
  { 'smtp.samecert', 'one of two', mailer { by_address = { ['2001:db8::1'] = { tls = { error = 'cert-name' } } } }, severity = 'warn',
    says = 'valid at 192.0.2.1, not at 2001:db8::1', subject = 'mx1.a.test' },
  { 'smtp.nosni', 'another certificate', mailer { no_sni = 'cert-name' }, severity = 'warn', says = 'without SNI' },
  { 'smtp.nosni', 'no handshake', mailer { no_sni = 'tls-handshake' }, severity = 'warn' },
  { 'smtp.inject', 'it obeys', function(w, o)
    mailer { inject = true }(w)
    o.given = { inject = true }
  end, severity = 'warn' },
  { 'smtp.inject', 'it does not', function(_, o) o.given = { inject = true } end, quiet = true },

  { 'dane.tlsa', 'none', function(w)
    w.dns[TLSA], w.dns['_25._tcp.in.mail.a.test TLSA'] = nil, nil
  end, severity = 'info' },
  { 'dane.tlsa', 'it does not fit', certificate { spki = ('cd'):rep(32) }, severity = 'error', says = 'no TLSA record fits' },
  { 'dane.tlsa', 'at one address', mailer { tls = { chain = { { spki = ('ab'):rep(32) } } },
    by_address = { ['2001:db8::1'] = { tls = { chain = { { spki = ('cd'):rep(32) } } } } } }, subject = 'mx1.a.test [2001:db8::1]' },
  { 'dane.tlsa', 'the old key and the new one',
    told.dns(TLSA, { '3 1 1 ' .. ('cd'):rep(32), '3 1 1 ' .. ('ab'):rep(32), dnssec = 'secure' }), quiet = true },
  { 'dane.tlsa', 'the whole certificate', function(w)
    w.dns[TLSA] = { '3 0 1 ' .. ('ef'):rep(32), dnssec = 'secure' }
    certificate { fingerprint = ('ef'):rep(32) }(w)
  end, quiet = true },
  { 'dane.tlsa', 'the authority, which the host is not', told.dns(TLSA, { '2 1 1 ' .. ('ab'):rep(32), dnssec = 'secure' }),
    severity = 'error' },
  { 'dane.tlsa', 'SHA-512 fits', function(w)
    w.dns[TLSA], w.smtp['mx1.a.test'] = { '3 1 2 ' .. ('ab'):rep(64), dnssec = 'secure' }, 'ok'
  end, quiet = true },
  { 'dane.tlsa', 'SHA-512 does not', function(w)
    w.dns[TLSA], w.smtp['mx1.a.test'] = { '3 1 2 ' .. ('ab'):rep(64), dnssec = 'secure' }, 'tlsa-invalid'
  end, severity = 'error', says = 'tlsa-invalid' },
  { 'dane.tlsa', 'SERVFAIL', function(w) w.dns[TLSA] = 'servfail' end, severity = 'error', subject = 'mx1.a.test' },
  { 'dane.tlsa', 'not signed', told.dns(TLSA, { '3 1 1 ' .. ('ab'):rep(32), dnssec = 'insecure' }), severity = 'warn' },
  { 'dane.tlsa', 'of no use', told.dns(TLSA, { '1 1 1 ' .. ('ab'):rep(32), dnssec = 'secure' }), severity = 'warn' },

  { 'sum.senders', 'no usable record', told.dns(told.TXT, 'v=STSv1; id=a-b;'), severity = 'error', says = 'senders use no policy' },
  { 'sum.senders', 'no usable certificate', told.site { tls = { error = 'cert-expired' } }, severity = 'error' },
  { 'sum.senders', 'no host', hosts '10 mx.other.test', severity = 'error', says = 'no MX host' },
  { 'sum.senders', 'not all hosts', mailer 'cert-expired', severity = 'warn', says = 'do not deliver to mx1.a.test' },
}
