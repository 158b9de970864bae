-- SPDX-License-Identifier: ISC
-- A told world, to try lookups and rules in without a network: in "mtasts repl"
-- the command  :world world.lua  goes there. What is not told does not exist.
local function policy(mode, mx)
  return ('version: STSv1\nmode: %s\nmx: %s\nmax_age: 604800\n'):format(mode, mx)
end

return {
  now = '2026-01-01T00:00:00Z',
  dns = {
    ['_mta-sts.strict.example TXT'] = { 'v=STSv1; id=20260101;' },
    ['strict.example MX'] = { '10 mx1.strict.example', '20 mx2.strict.example' },
    ['_mta-sts.moved.example TXT'] = { 'v=STSv1; id=7;' },
    ['moved.example MX'] = { '10 mx.elsewhere.example' }, -- not in its policy
    ['_mta-sts.broken.example TXT'] = { 'v=STSv1; id=3;' },
    ['broken.example MX'] = { '10 mx.broken.example' },
    ['plain.example MX'] = { '10 mx.plain.example' },
  },
  https = {
    ['mta-sts.strict.example'] = policy('enforce', '*.strict.example'),
    ['mta-sts.moved.example'] = policy('enforce', 'mx.moved.example'),
    ['mta-sts.broken.example'] = 'https-cert-expired',
  },
  smtp = {
    ['mx1.strict.example'] = 'ok',
    ['mx2.strict.example'] = 'cert-expired',
    ['mx.elsewhere.example'] = 'ok',
    ['mx.broken.example'] = 'ok',
    ['mx.plain.example'] = 'starttls-missing',
  },
}
