-- SPDX-License-Identifier: ISC
-- Fills the store STORE with policies for COUNT domains, cached0.test and so on: two of three in mode enforce.
local mtasts = require 'mtasts'

local count = tonumber(os.getenv 'COUNT')
local dns, https = {}, {}
for n = 0, count - 1 do
  local domain = ('cached%d.test'):format(n)
  dns[('_mta-sts.%s TXT'):format(domain)] = { 'v=STSv1; id=1;' }
  dns[domain .. ' MX'] = { '10 mx.' .. domain }
  local mode = n % 3 == 2 and 'testing' or 'enforce'
  https['mta-sts.' .. domain] = ('version: STSv1\nmode: %s\nmx: mx.%s\nmax_age: 604800\n'):format(mode, domain)
end
local world = mtasts.fake { now = os.time(), dns = dns, https = https }
_G.world = world -- a world that nobody holds is closed
mtasts.configure { store = os.getenv 'STORE', log = 'none' }
for n = 0, count - 1 do
  local answer, err = mtasts.lookup(('cached%d.test'):format(n))
  if not answer or answer.id ~= '1' then error(('cached%d.test: %s'):format(n, err or 'not found')) end
end
