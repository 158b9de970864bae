-- SPDX-License-Identifier: ISC
-- A test of rules, with no network, for busted (Debian: lua-busted). Copy it beside
-- your rules, and run it there after each change:
--   busted --lua=/usr/bin/lua5.4 rules_spec.lua
--   mtasts run /usr/bin/busted rules_spec.lua
local mtasts = require 'mtasts'

-- The rules, in the order in which they are asked; they cannot be taken back.
local folder = debug.getinfo(1, 'S').source:match '^@(.*/)' or ''
dofile(folder .. 'partners.lua')
dofile(folder .. 'exception.lua')

local function policy(mode, mx) return ('version: STSv1\nmode: %s\nmx: %s\nmax_age: 31557600\n'):format(mode, mx) end

describe('my rules', function()
  local world

  before_each(function() -- what is not told does not exist
    mtasts.configure { log = 'none' }
    world = mtasts.fake {
      now = '2030-01-01T12:00:00Z',
      dns = {
        ['bank.example MX'] = { '10 mx.bank.example' },
        ['mx.bank.example A'] = { '192.0.2.1' },
        ['plain.example MX'] = { '10 mx.plain.example' },
        ['_mta-sts.clinic.example TXT'] = { 'v=STSv1; id=1;' },
        ['clinic.example MX'] = { '10 mx.clinic.example', '20 stray.example' },
        ['mx.clinic.example A'] = { '192.0.2.2' },
        ['stray.example A'] = { '192.0.2.3' },
        ['_mta-sts.moved.test TXT'] = { 'v=STSv1; id=1;' },
        ['moved.test MX'] = { '10 new.moved.test' },
      },
      https = {
        ['mta-sts.clinic.example'] = policy('testing', 'mx.clinic.example'),
        ['mta-sts.moved.test'] = policy('enforce', 'old.moved.test'),
      },
      smtp = { ['mx.bank.example'] = 'cert-expired' },
    }
  end)

  after_each(function() world:close() end)

  it('require TLS of a partner that publishes nothing', function()
    local answer = assert(mtasts.lookup 'bank.example')
    assert.equal('require', answer.action)
    assert.equal('contract of 2029, section 7', answer.reason)
    assert.is_true(answer.hosts[1].permitted)
  end)

  it('let mail to it wait when its certificate has expired', function()
    local answer = assert(mtasts.lookup('bank.example', { depth = 'tls' }))
    assert.equal('cert-expired', answer.hosts[1].error.code)
  end)

  it('keep to the hosts of a policy in mode testing, if there is one', function()
    local answer = assert(mtasts.lookup 'clinic.example')
    assert.equal('require', answer.action)
    assert.is_false(answer.hosts[2].permitted)
  end)

  it('leave others alone', function()
    assert.equal('deliver', assert(mtasts.lookup 'plain.example').action)
  end)

  it('make an exception, which ends', function()
    assert.equal('record', assert(mtasts.lookup 'moved.test').action)
    world:advance(31 * 86400)
    assert.equal('defer', assert(mtasts.lookup 'moved.test').action)
  end)

  it('need none where the RFC decides', function()
    assert.equal('defer', assert(mtasts.lookup('moved.test', { rules = false })).action)
  end)
end)
