-- SPDX-License-Identifier: ISC
-- Cases of the checks of the policy host. Form: txt.lua.
local told = require 'checks.told'

local HOST <const> = told.HOST
local NOW <const>, DAY <const> = 1767225600, 86400
local site = told.site

local function leaf(changes)
  local one = { subject = 'CN=x', issuer = 'CN=CA', names = { HOST }, not_before = NOW - 300 * DAY, not_after = NOW + 60 * DAY, key = 'RSA',
    key_bits = 2048, signature = 'sha256WithRSAEncryption' }
  for key, value in pairs(changes) do one[key] = value end
  return one
end

local function certificate(changes, err, second) return site { tls = { error = err, chain = { leaf(changes), second } } } end

return {
  { 'host.resolve', 'no address', function(w) w.dns['mta-sts.a.test A'], w.dns['mta-sts.a.test AAAA'] = 'nxdomain', 'nxdomain' end,
    severity = 'error', says = 'NXDOMAIN' },
  { 'host.resolve', 'SERVFAIL', function(w) w.dns['mta-sts.a.test A'], w.dns['mta-sts.a.test AAAA'] = 'servfail', 'servfail' end,
    severity = 'error', fix = 'name servers' },
  { 'host.resolve', 'an alias', function(w)
    w.dns['mta-sts.a.test CNAME'], w.dns['p.test A'] = 'p.test', { '192.0.2.80' }
    w.dns['mta-sts.a.test A'], w.dns['mta-sts.a.test AAAA'] = nil, nil
  end, severity = 'info', says = 'p.test' },
  { 'host.addr', 'private', told.dns('mta-sts.a.test A', '10.0.0.1'), severity = 'warn', says = '10.0.0.1 is a private address' },
  { 'host.addr', 'loopback', told.dns('mta-sts.a.test AAAA', '::1'), severity = 'warn', says = 'loopback' },
  { 'host.addr', 'just outside 172.16/12', told.dns('mta-sts.a.test A', '172.32.0.1'), quiet = true },
  { 'host.connect', 'one address', site { by_address = { ['2001:db8::80'] = 'https-connect' } }, severity = 'warn',
    subject = 'mta-sts.a.test [2001:db8::80]' },
  { 'host.connect', 'none', site { error = 'https-connect' }, severity = 'error', subject = HOST },
  { 'host.timeout', 'no whole answer', site { error = 'https-deadline' }, severity = 'error' },
  { 'host.timeout', 'slow', site { delay_ms = 15000 }, severity = 'warn', says = '15 s' },
  { 'host.timeout', 'a second', site { delay_ms = 1000 }, quiet = true },
  { 'host.tlsver', 'no handshake', site { error = 'https-tls' }, severity = 'error' },
  { 'host.tlsver', 'TLS 1.1', site { tls = { protocol = 'TLSv1.1' } }, severity = 'error', says = 'TLSv1.1' },
  { 'host.tlsver', 'TLS 1.2', site { tls = { protocol = 'TLSv1.2' } }, quiet = true },
  { 'host.chain', 'expired', site { tls = { error = 'cert-expired' } }, severity = 'error', says = 'expired' },
  { 'host.chain', 'self-signed', site { tls = { error = 'cert-untrusted' } }, severity = 'error', says = 'by itself' },
  { 'host.chain', 'without intermediate', certificate({}, 'cert-untrusted'), severity = 'error', says = 'only the certificate is sent' },
  { 'host.chain', 'not yet', certificate({ not_before = NOW + DAY, not_after = NOW + 90 * DAY }, 'cert-invalid'), says = 'not valid yet' },
  { 'host.chain', 'another name is not its business', site { tls = { error = 'cert-name' } }, quiet = true },
  { 'host.name', 'another', site { tls = { error = 'cert-name' } }, severity = 'error',
    says = 'for other.invalid, not for mta-sts.a.test' },
  { 'host.name', 'beside expiry', certificate({ names = { 'a.test' }, not_after = NOW - DAY }, 'cert-expired'), says = 'for a.test' },
  { 'host.name', 'a wildcard', certificate { names = { '*.a.test' } }, quiet = true },
  { 'host.expiry', 'expired', site { tls = { error = 'cert-expired' } }, severity = 'error' },
  { 'host.expiry', '13 days', certificate { not_after = NOW + 13 * DAY }, severity = 'warn', says = '2026-01-14' },
  { 'host.expiry', '14 days', certificate { not_after = NOW + 14 * DAY }, quiet = true },
  { 'host.expiry', '20 days of 90', certificate { not_before = NOW - 70 * DAY, not_after = NOW + 20 * DAY }, severity = 'warn' },
  { 'host.expiry', '4 days of 6', certificate { not_before = NOW - 2 * DAY, not_after = NOW + 4 * DAY }, quiet = true },
  { 'host.key', 'RSA 1024', certificate { key_bits = 1024 }, severity = 'warn', says = '1024 bits' },
  { 'host.key', 'SHA-1', certificate { signature = 'sha1WithRSAEncryption' }, says = 'sha1' },
  { 'host.key', 'SHA-1 of a root', certificate({}, nil, leaf { self_issued = true, signature = 'sha1WithRSAEncryption' }), quiet = true },
  { 'host.key', 'an intermediate', certificate({}, nil, leaf { key_bits = 1024 }), says = 'certificate 2' },
  { 'host.sni', 'another certificate', site { no_sni = 'cert-name' }, severity = 'info', says = 'without SNI' },

  { 'http.status', '404', site { status = 404 }, severity = 'error', says = 'status 404' },
  { 'http.status', '500 at one address', site { by_address = { ['192.0.2.80'] = { status = 500 } } },
    subject = 'mta-sts.a.test [192.0.2.80]' },
  { 'http.redirect', '301', site { status = 301, headers = { Location = 'https://www.a.test/' } }, severity = 'error',
    says = 'www.a.test' },
  { 'http.redirect', 'as a word', told.body 'https-redirect', severity = 'error' },
  { 'http.ua', 'another program is let in', site { status = 403, by_agent = { ['Go-http-client/1.1'] = told.POLICY } }, severity = 'warn',
    says = 'as "mtasts": status 403' },
  { 'http.ua', 'another program is turned away', site { by_agent = { ['Go-http-client/1.1'] = { status = 503 } } }, severity = 'warn',
    says = 'another program: status 503' },
  { 'http.ua', 'a filter', site { status = 403, type = 'text/html', body = '<title>Just a moment...</title>' }, says = 'just a moment' },
  { 'http.ctype', 'HTML', site { type = 'text/html' }, severity = 'warn', says = 'text/html' },
  { 'http.ctype', 'none', site { type = '' }, severity = 'warn', says = 'no Content-Type' },
  { 'http.ctype', 'a charset', site { type = 'text/plain; charset=iso-8859-1' }, severity = 'info', says = 'iso-8859-1' },
  { 'http.ctype', 'UTF-8', site { type = 'Text/Plain;charset="UTF-8"' }, quiet = true },
  { 'http.size', '70 000 bytes', told.body(told.POLICY .. ('x-y: z\n'):rep(10000)), severity = 'error', says = '64 KiB' },
  { 'http.size', '5000 bytes', told.body(told.POLICY .. ('x-y: z\n'):rep(700)), severity = 'warn' },
  { 'http.cache', 'two policies', site { by_address = { ['2001:db8::80'] = (told.POLICY:gsub('enforce', 'testing')) } }, severity = 'warn',
    says = 'another policy than 192.0.2.80' },
  { 'http.cache', 'an old copy', site { headers = { Age = '200000' } }, severity = 'warn', says = '2 d' },
  { 'http.cache', 'a young copy', site { headers = { Age = '600' } }, quiet = true },
  { 'http.apexpath', 'at the domain', function(w)
    w.https[HOST], w.https['a.test'], w.dns['a.test A'] = { status = 404 }, told.POLICY, { '192.0.2.81' }
  end, severity = 'info', says = 'https://a.test/.well-known/mta-sts.txt' },
  { 'http.apexpath', 'at the root', site { status = 404, by_path = { ['/mta-sts.txt'] = told.POLICY } }, says = '/mta-sts.txt' },
  { 'http.apexpath', 'nowhere', site { status = 404 }, quiet = true },
}
