-- SPDX-License-Identifier: ISC
-- A told world for the tests of the command line; given as --rules. Its store is a real file when STORE says so.
local mtasts = require 'mtasts'

local function policy(mode, mx)
  return ('version: STSv1\nmode: %s\n%smax_age: 604800\n'):format(mode, mx and 'mx: ' .. mx .. '\n' or '')
end

local world = mtasts.fake {
  now = tonumber(os.getenv 'NOW'),
  dns = {
    ['_mta-sts.enforce.test TXT'] = { 'v=STSv1; id=e1;' }, ['enforce.test MX'] = { '10 mx1.enforce.test', '20 mx2.enforce.test' },
    ['_mta-sts.testing.test TXT'] = { 'v=STSv1; id=t1;' }, ['testing.test MX'] = { '10 mx1.testing.test' },
    ['_mta-sts.none.test TXT'] = { 'v=STSv1; id=n1;' }, ['none.test MX'] = { '10 mx1.none.test' },
    ['plain.test MX'] = { '10 mx1.plain.test' },
    ['_mta-sts.moved.test TXT'] = { 'v=STSv1; id=m1;' }, ['moved.test MX'] = { '10 mx.elsewhere.test' },
    ['_mta-sts.ruled.test TXT'] = { 'v=STSv1; id=r1;' }, ['ruled.test MX'] = { '10 mx.elsewhere.test' },
    ['_mta-sts.broken.test TXT'] = { 'v=STSv1; id=b1;' }, ['broken.test MX'] = { '10 mx1.broken.test' },
    ['_mta-sts.lost.test TXT'] = 'servfail', ['lost.test MX'] = 'servfail',
    ['_mta-sts.evil.test TXT'] = { 'v=STSv1; id=\27[31m\27]0;owned\7;' }, ['evil.test MX'] = { '10 mx1.plain.test' },
    ['_mta-sts.evil2.test TXT'] = { 'v=STSv1; id=x1;' }, ['evil2.test MX'] = { '10 mx1.plain.test' },
    ['_mta-sts.evil3.test TXT'] = { 'v=STSv1; id=x1;' }, ['evil3.test MX'] = { '10 mx1.plain.test' },
  },
  https = {
    ['mta-sts.enforce.test'] = policy('enforce', '*.enforce.test'),
    ['mta-sts.testing.test'] = policy('testing', 'mx1.testing.test'),
    ['mta-sts.none.test'] = policy 'none',
    ['mta-sts.moved.test'] = policy('enforce', 'mx.moved.test'),
    ['mta-sts.ruled.test'] = policy('enforce', 'mx.ruled.test'),
    ['mta-sts.broken.test'] = 'https-cert-expired',
    ['mta-sts.evil2.test'] = { body = policy('enforce', 'mx1.plain.test'), type = 'text/\27[31mhtml' },
    ['mta-sts.evil3.test'] = 'version: STSv1\nmode: \27[31menforce\155\nmx: \27]0;x\7\nmax_age: 1\n',
  },
  smtp = {
    ['mx1.enforce.test'] = 'ok', ['mx2.enforce.test'] = 'cert-expired', ['mx1.testing.test'] = 'starttls-missing',
    ['mx1.none.test'] = 'ok', ['mx1.plain.test'] = 'ok', ['mx.elsewhere.test'] = 'ok', ['mx1.broken.test'] = 'ok',
  },
}
_G.world = world -- a world that nobody holds is closed
mtasts.configure { store = os.getenv 'STORE' or 'none', log = 'none' }
world:advance(tonumber(os.getenv 'LATER' or 0))
if os.getenv 'DOWN' then world:https('mta-sts.enforce.test', 'https-connect') end

mtasts.on('verdict', function(answer)
  if answer.domain == 'ruled.test' then
    return mtasts.treat_as('testing', 'their MX moved, their postmaster knows; \27[31mcall them', '2026-02-01')
  end
end)
