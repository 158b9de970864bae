-- SPDX-License-Identifier: ISC
-- Cases of the checks of input and record: {id, what, change[, {severity, says, subject}]}; quiet = true: it finds nothing.
local told = require 'checks.told'

local TXT <const> = told.TXT
local function record(...) return told.dns(TXT, ...) end

return {
  { 'in.domain', 'a mail address', function(_, o) o.domain = 'Postmaster@A.test' end, severity = 'info', says = 'behind @' },
  { 'in.domain', 'a URL', function(_, o) o.domain = 'https://a.test/x' end, says = 'URL' },
  { 'in.domain', 'a dot at the end', function(_, o) o.domain = 'a.test.' end, says = 'dot' },
  { 'in.domain', 'U-labels', function(_, o) o.domain = 'bücher.test' end, says = 'bücher.test is xn--bcher-kva.test' },
  { 'in.domain', 'the policy host', function(_, o) o.domain = 'mta-sts.a.test' end, says = 'beside the domain' },

  { 'in.subdomain', 'the parent has a record', function(_, o) o.domain = 'sub.a.test' end, severity = 'info', says = 'a.test has MTA-STS' },
  { 'in.subdomain', 'the parent has none', function(w, o)
    o.domain = 'sub.a.test'
    w.dns[TXT] = nil
  end, quiet = true },

  { 'txt.lookup', 'no such name', function(w) w.dns[TXT], w.https = nil, nil end, severity = 'info',
    says = 'no MTA-STS: the name does not exist (NXDOMAIN)' },
  { 'txt.lookup', 'no such record', function(w) w.dns[TXT], w.https = {}, nil end, severity = 'info', says = 'NODATA' },
  { 'txt.lookup', 'SERVFAIL', function(w) w.dns[TXT] = 'servfail' end, severity = 'error', says = 'dns-servfail' },
  { 'txt.lookup', 'timeout', function(w) w.dns[TXT] = 'timeout' end, severity = 'error', says = 'dns-timeout' },
  { 'txt.lookup', 'DNSSEC is broken', function(w) w.dns[TXT] = 'bogus' end, severity = 'error', fix = 'DNSSEC' },
  { 'txt.lookup', 'a policy without record', record('v=spf1 -all'), severity = 'warn', says = 'no sender looks at the policy' },
  { 'txt.lookup', 'nobody answers', function(w)
    w.dns, w.https, w.smtp = { [TXT] = 'network', ['a.test MX'] = 'network' }, nil, nil
  end, severity = 'unknown' },

  { 'txt.cname', 'an alias that leads nowhere', function(w) w.dns[TXT], w.dns['_mta-sts.a.test CNAME'] = nil, 'gone.test' end,
    severity = 'error', says = 'leads nowhere: gone.test' },
  { 'txt.cname', 'aliases without end', function(w)
    w.dns[TXT], w.dns['_mta-sts.a.test CNAME'], w.dns['b.test CNAME'] = nil, 'b.test', '_mta-sts.a.test'
  end, severity = 'error', says = 'never end' },
  { 'txt.cname', 'an alias', function(w)
    w.dns['_mta-sts.a.test CNAME'], w.dns['x.provider.test TXT'] = 'x.provider.test', w.dns[TXT]
    w.dns[TXT] = nil
  end, severity = 'info', says = 'x.provider.test' },

  { 'txt.unrelated', 'SPF answers, too', record('v=STSv1; id=1;', 'v=spf1 -all'), severity = 'warn', says = 'SPF' },
  { 'txt.unrelated', 'others', record('v=STSv1; id=1;', 'hello'), says = '"hello"' },
  { 'txt.count', 'two records', record('v=STSv1; id=1;', 'v=STSv1; id=2;'), severity = 'error', says = '2 records' },
  { 'txt.version', 'another version', record('v=STSv2; id=1;'), severity = 'error' },
  { 'txt.version', 'another case', record('v=stsv1; id=1;'), severity = 'error' },
  { 'txt.version', 'quotation marks', record('"v=STSv1; id=1;"'), severity = 'error' },
  { 'txt.version', 'beside a good one', record('v=STSv1; id=1;', 'v=STSV1; id=2;'), severity = 'warn' },
  { 'txt.prefixws', 'a blank', record('v=STSv1 ; id=1;'), severity = 'warn' },
  { 'txt.prefixws', 'two records that begin right are none of its business', record('v=STSv1; id=1;', 'v=STSv1; id=2;'), quiet = true },

  { 'txt.id', 'a hyphen', record('v=STSv1; id=2026-01-01;'), severity = 'error', says = 'column 17' },
  { 'txt.id', 'a plus', record('v=STSv1; id=2026+01;'), severity = 'error' },
  { 'txt.id', 'too long', record('v=STSv1; id=' .. ('1'):rep(33) .. ';'), severity = 'error', says = '33 characters' },
  { 'txt.id', '32 is enough', record('v=STSv1; id=' .. ('1'):rep(32) .. ';'), quiet = true },
  { 'txt.id', 'none', record('v=STSv1;'), severity = 'error', says = 'no id' },
  { 'txt.id', 'in the second of two records that count', record('v=STSv1; id=a-b;', 'v=STSv1; id=2;'), severity = 'error' },
  { 'txt.dupid', 'two', record('v=STSv1; id=1; id=2;'), severity = 'warn' },
  { 'txt.ext', 'unknown', record('v=STSv1; id=1; colour=red;'), severity = 'info', says = 'colour' },
  { 'txt.ext', 'malformed', record('v=STSv1; id=1; colour;'), severity = 'error', says = 'has no "="' },
  { 'txt.ext', 'empty', record('v=STSv1; id=1;;'), severity = 'error' },
  { 'txt.ascii', 'a no-break space', record('v=STSv1;\xc2\xa0id=1;'), severity = 'error', says = 'byte 0xc2' },

  { 'txt.location', 'at the domain', told.dns('a.test TXT', 'v=spf1 -all', 'v=STSv1; id=1;'), severity = 'warn', says = 'a.test:' },
  { 'txt.location', 'with an underscore', told.dns('_mta_sts.a.test TXT', 'v=STSv1; id=1;'), says = '_mta_sts.a.test' },
  { 'txt.location', 'at the policy host', told.dns('mta-sts.a.test TXT', 'v=STSv1; id=1;'), says = 'mta-sts.a.test' },
  { 'txt.location', 'SPF at the domain is fine', told.dns('a.test TXT', 'v=spf1 -all'), quiet = true },
  { 'txt.old', 'v=STS1', record('v=STS1; id=1;'), severity = 'warn', says = 'v=STS1' },
  { 'txt.old', '_smtp_sts', told.dns('_smtp_sts.a.test TXT', 'v=STS1; m=report'), severity = 'warn', says = '_smtp_sts' },
  { 'txt.ttl', 'two days', told.dns(TXT, { 'v=STSv1; id=1;', ttl = 172800 }), severity = 'info', says = '2 d' },
  { 'txt.ttl', 'just a day', told.dns(TXT, { 'v=STSv1; id=1;', ttl = 86400 }), quiet = true },
  { 'txt.idfresh', 'the known id', function(_, o) o.given = { known_id = '20260101' } end, severity = 'warn', says = 'still 20260101' },
  { 'txt.idfresh', 'a new id', function(_, o) o.given = { known_id = '20250101' } end, quiet = true },
  { 'txt.dnssec', 'not signed', told.dns(TXT, { 'v=STSv1; id=1;', dnssec = 'insecure' }), severity = 'info' },
}
