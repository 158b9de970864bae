-- SPDX-License-Identifier: ISC
-- A domain that has everything as it should be, in a told world; cases of checks change one thing in it.
local mtasts = require 'mtasts'
local run = require 'mtasts.check_run'

local told = {}

told.POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmx: *.mail.a.test\nmax_age: 2592000\n'
told.TXT, told.MX, told.RPT = '_mta-sts.a.test TXT', 'a.test MX', '_smtp._tls.a.test TXT'
told.HOST = 'mta-sts.a.test'

-- A mail host whose key TLSA fits; more: of its certificate.
function told.mailer_of(more)
  local leaf = { spki = ('ab'):rep(32) }
  for key, value in pairs(more) do leaf[key] = value end
  return { tls = { chain = { leaf } } }
end

local TLSA <const> = '3 1 1 ' .. ('ab'):rep(32)

function told.perfect()
  return {
    now = '2026-01-01T00:00:00Z',
    dns = {
      [told.TXT] = { 'v=STSv1; id=20260101;', ttl = 3600, dnssec = 'secure' },
      [told.MX] = { '10 mx1.a.test', '20 in.mail.a.test', dnssec = 'secure' },
      [told.RPT] = { 'v=TLSRPTv1; rua=mailto:tlsrpt@reports.test' },
      ['reports.test MX'] = { '10 mx.reports.test' },
      ['mta-sts.a.test A'] = { '192.0.2.80' }, ['mta-sts.a.test AAAA'] = { '2001:db8::80' },
      ['mx1.a.test A'] = { '192.0.2.1', dnssec = 'secure' }, ['mx1.a.test AAAA'] = { '2001:db8::1', dnssec = 'secure' },
      ['in.mail.a.test A'] = { '192.0.2.2', dnssec = 'secure' },
      ['_25._tcp.mx1.a.test TLSA'] = { TLSA, dnssec = 'secure' }, ['_25._tcp.in.mail.a.test TLSA'] = { TLSA, dnssec = 'secure' },
    },
    https = { [told.HOST] = told.POLICY },
    smtp = { ['mx1.a.test'] = told.mailer_of {}, ['in.mail.a.test'] = told.mailer_of {} },
  }
end

-- The result of a check in the world as changed, and what was seen.
function told.check(change, domain)
  local world, options = told.perfect(), {}
  if change then change(world, options) end
  local _ <close> = mtasts.fake(world)
  local result, err, seen = run.check(domain or options.domain or 'a.test', run.options(options.given))
  assert(result, err)
  return result, seen
end

-- The policy with one text in place of another.
function told.served(from, to)
  return function(world)
    local at, last = told.POLICY:find(from, 1, true)
    world.https[told.HOST] = told.POLICY:sub(1, at - 1) .. to .. told.POLICY:sub(last + 1)
  end
end

function told.body(body) return function(world) world.https[told.HOST] = body end end

-- The records of a name.
function told.dns(key, ...)
  local records = { ... }
  return function(world) world.dns[key] = #records == 1 and type(records[1]) ~= 'string' and records[1] or records end
end

function told.site(site)
  return function(world)
    local whole = { body = told.POLICY, type = 'text/plain' }
    for key, value in pairs(site) do whole[key] = value end
    world.https[told.HOST] = whole
  end
end

function told.mailer(mailer, host) return function(world) world.smtp[host or 'mx1.a.test'] = mailer end end

return told
