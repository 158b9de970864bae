-- SPDX-License-Identifier: ISC
-- A told world for the tests of mtasts check; given as --rules.
local mtasts = require 'mtasts'

local NOW <const>, DAY <const> = 1767225600, 86400
local EVIL <const> = '\27[31m\27]0;owned\7\155\194\155\226\128\174'
local dns, https, smtp = {}, {}, {}

-- A domain that has everything; more: what else its policy says.
local function domain(name, mode, more)
  local policy = ('version: STSv1\nmode: %s\nmx: mx1.%s\nmx: mx2.%s\nmax_age: 2592000\n'):format(mode, name, name) .. (more or '')
  dns['_mta-sts.' .. name .. ' TXT'] = { 'v=STSv1; id=1;', ttl = 300 }
  dns[name .. ' MX'] = { '10 mx1.' .. name, '20 mx2.' .. name }
  dns['_smtp._tls.' .. name .. ' TXT'] = { 'v=TLSRPTv1; rua=mailto:tlsrpt@reports.test' }
  dns['mta-sts.' .. name .. ' A'] = { '192.0.2.80' }
  dns['mx1.' .. name .. ' A'], dns['mx2.' .. name .. ' A'] = { '192.0.2.1' }, { '192.0.2.2' }
  https['mta-sts.' .. name] = policy
  smtp['mx1.' .. name], smtp['mx2.' .. name] = 'ok', 'ok'
end

dns['reports.test MX'] = { '10 mx.reports.test' }
domain('good.test', 'enforce')
domain('testing.test', 'testing')
domain('broken.test', 'enforce', 'mode: testing\n\n')
smtp['mx2.broken.test'] = { no_sni = 'cert-name', tls = { error = 'cert-expired', chain = { { subject = 'CN="a\\b"', issuer = 'CN=x',
  names = { 'mx2.broken.test' }, not_before = NOW - 90 * DAY, not_after = NOW - 3 * DAY, key = 'RSA', key_bits = 2048,
  signature = 'sha256WithRSAEncryption' } } } }
domain('blocked.test', 'enforce')
smtp['mx1.blocked.test'], smtp['mx2.blocked.test'] = 'smtp-timeout', 'smtp-timeout'
domain('xn--bcher-kva.test', 'enforce')
dns['plain.test MX'], smtp['mx.plain.test'] = { '10 mx.plain.test' }, 'ok'
for _, kind in ipairs { 'TXT', 'MX' } do
  for _, name in ipairs { 'lost.test', '_mta-sts.lost.test', '_smtp._tls.lost.test' } do dns[name .. ' ' .. kind] = 'servfail' end
end
domain('evil.test', 'enforce', EVIL .. ': ' .. EVIL .. '\n')
dns['_mta-sts.evil.test TXT'] = { 'v=STSv1; id=' .. EVIL .. ';', EVIL }
dns['_smtp._tls.evil.test TXT'] = { 'v=TLSRPTv1; rua=' .. EVIL }
smtp['mx1.evil.test'] = { banner = '554 ' .. EVIL, banner_code = 554 }
-- Long words, which nothing breaks.
domain('long.test', 'enforce', 'x: ' .. ('y'):rep(5000) .. '\n')
dns['_mta-sts.long.test TXT'] = { 'v=STSv1; id=1; ' .. ('z'):rep(300) .. '=' .. ('w'):rep(300), ('v'):rep(500) }
local LONG <const> = ('m'):rep(60) .. '.' .. ('n'):rep(60) .. '.' .. ('o'):rep(60) .. '.test'
dns['long.test MX'] = { '10 ' .. LONG }

_G.world = mtasts.fake { now = NOW, dns = dns, https = https, smtp = smtp } -- a world that nobody holds is closed
mtasts.configure { store = 'none', log = 'none' }
