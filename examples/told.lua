-- SPDX-License-Identifier: ISC
-- A test of exception.lua, with no network: mtasts run told.lua
local mtasts = require 'mtasts'
dofile((arg[0]:match '^.*/' or '') .. 'exception.lua')

local world <close> = mtasts.fake {
  now = '2030-01-01T12:00:00Z',
  dns = {
    ['_mta-sts.moved.test TXT'] = { 'v=STSv1; id=1;' },
    ['moved.test MX'] = { '10 new.moved.test' },
  },
  https = {
    ['mta-sts.moved.test'] = 'version: STSv1\nmode: enforce\n'
      .. 'mx: old.moved.test\nmax_age: 31557600\n',
  },
}

-- The RFC says: no mail to a host that the policy does not name.
assert(mtasts.lookup('moved.test', { rules = false }).action == 'defer')

-- The rule says: for now, deliver, and record what is wrong.
local answer = mtasts.lookup 'moved.test'
assert(answer.action == 'record' and answer.from == 'rule', answer.action)

-- It ends by itself.
world:advance(31 * 86400)
assert(mtasts.lookup 'moved.test'.action == 'defer')
print 'exception.lua is right'
