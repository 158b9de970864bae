-- SPDX-License-Identifier: ISC
-- Cases of the checks of TLS reporting. Form: txt.lua.
local told = require 'checks.told'

local RPT <const> = told.RPT
local function record(...) return told.dns(RPT, ...) end
local function rua(value) return record('v=TLSRPTv1; rua=' .. value) end

return {
  { 'rpt.lookup', 'none', record(nil), severity = 'warn', says = 'no TLS reporting' },
  { 'rpt.lookup', 'two', record('v=TLSRPTv1; rua=mailto:a@reports.test', 'v=TLSRPTv1; rua=mailto:b@reports.test'), severity = 'error',
    says = '2 records' },
  { 'rpt.lookup', 'others', record('v=TLSRPTv1; rua=mailto:a@reports.test', 'v=spf1 -all'), severity = 'warn', says = 'spf1' },
  { 'rpt.lookup', 'SERVFAIL', function(w) w.dns[RPT] = 'servfail' end, severity = 'error' },
  { 'rpt.lookup', 'an alias that leads nowhere', function(w) w.dns[RPT], w.dns['_smtp._tls.a.test CNAME'] = nil, 'gone.test' end,
    severity = 'error', says = 'gone.test' },
  { 'rpt.version', 'v=TLSRPT1', record('v=TLSRPT1; rua=mailto:a@reports.test'), severity = 'error' },
  { 'rpt.version', 'another case', record('v=tlsrptv1; rua=mailto:a@reports.test'), severity = 'error' },
  { 'rpt.rua', 'missing', record('v=TLSRPTv1;'), severity = 'error' },
  { 'rpt.rua', 'empty', rua '', severity = 'error' },
  { 'rpt.rua', 'twice', rua 'mailto:a@reports.test; rua=mailto:b@reports.test', severity = 'warn' },
  { 'rpt.uri', 'a bare address', rua 'a@reports.test', severity = 'error', fix = 'mailto:' },
  { 'rpt.uri', 'http', rua 'http://reports.test/', severity = 'error', fix = 'https://' },
  { 'rpt.uri', 'mailto=', rua 'mailto=a@reports.test', severity = 'error', fix = '":" behind mailto' },
  { 'rpt.uri', 'separated by a blank', rua 'mailto:a@reports.test mailto:b@reports.test', severity = 'error', fix = 'commas' },
  { 'rpt.uri', 'an exclamation mark', rua 'mailto:a@reports.test!10m', severity = 'error' },
  { 'rpt.uri', 'no domain', rua 'mailto:a', severity = 'error' },
  { 'rpt.many', 'two', rua 'mailto:a@reports.test,mailto:b@reports.test', severity = 'info', says = '2 URIs' },
  { 'rpt.mxdest', 'no such domain', rua 'mailto:a@gone.test', severity = 'warn', says = 'gone.test' },
  { 'rpt.mxdest', 'null MX', function(w)
    w.dns['reports.test MX'] = { '0 .' }
  end, severity = 'warn', says = 'null MX' },
  { 'rpt.mxdest', 'an address instead of MX', function(w) w.dns['reports.test MX'], w.dns['reports.test A'] = {}, { '192.0.2.7' } end,
    quiet = true },
  { 'rpt.mxdest', 'https with a bad certificate', function(w)
    rua 'https://up.test/tlsrpt'(w)
    w.dns['up.test A'], w.https['up.test'] = { '192.0.2.8' }, { status = 405, tls = { error = 'cert-expired' } }
  end, severity = 'warn', says = 'cert-expired' },
  { 'rpt.mxdest', 'https', function(w)
    rua 'https://up.test/tlsrpt'(w)
    w.dns['up.test A'], w.https['up.test'] = { '192.0.2.8' }, { status = 405 }
  end, quiet = true },
  { 'rpt.samefate', 'the domain itself', rua 'mailto:tlsrpt@a.test', severity = 'info' },
  { 'rpt.samefate', 'another, too', rua 'mailto:tlsrpt@a.test,mailto:a@reports.test', quiet = true },
  { 'rpt.ext', 'ruf', rua 'mailto:a@reports.test; ruf=mailto:b@reports.test', severity = 'info', says = 'ruf' },
  { 'rpt.ext', 'malformed', rua 'mailto:a@reports.test; ruf', severity = 'error' },
  { 'rpt.old', 'a draft', told.dns('_smtp-tlsrpt.a.test TXT', 'v=TLSRPTv1; rua=mailto:a@reports.test'), severity = 'warn' },
  { 'rpt.nopolicy', 'testing without reports', function(w)
    record(nil)(w)
    told.served('enforce', 'testing')(w)
  end, severity = 'warn' },
  { 'rpt.nopolicy', 'testing with reports', told.served('enforce', 'testing'), quiet = true },
}
