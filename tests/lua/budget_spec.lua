-- SPDX-License-Identifier: ISC
-- A rule that fails, loops or eats memory counts as no opinion: the RFC's verdict stands.
local mtasts = require 'mtasts'

local rule
mtasts.on('policy', function(answer) if rule then return rule(answer) end end)

local function told()
  mtasts.configure { log = 'none' }
  return mtasts.fake {
    dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' } },
    https = { ['mta-sts.a.test'] = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n' },
    smtp = { ['mx1.a.test'] = 'ok' },
  }
end

local function stands(bad)
  local world = told()
  rule = bad
  local began = os.clock()
  local answer = assert(mtasts.lookup 'a.test')
  local took = os.clock() - began
  rule = nil
  world:close()
  assert.equal('require', answer.action)
  assert.equal('network', answer.from)
  assert.is_true(took < 60, 'it took ' .. took .. ' s')
end

describe('a rule that', function()
  it('loops for ever is stopped', function()
    stands(function() while true do end end)
  end)
  it('loops for ever and catches its errors is stopped', function()
    stands(function() while true do pcall(function() while true do end end) end end)
  end)
  it('loops in a coroutine of its own is stopped', function()
    stands(function() coroutine.wrap(function() while true do end end)() end)
  end)
  it('begins many that each take long is stopped', function()
    local began, ended = 0, 0
    local function long()
      began = began + 1
      for _ = 1, 5000000 do end
      ended = ended + 1
    end
    stands(function()
      local many = {}
      for n = 1, 200 do many[n] = long end
      while true do mtasts.all(many) end
    end)
    assert.is_true(began > ended and ended < 30, ('%d of %d'):format(ended, began))
  end)
  it('fills the memory is stopped', function()
    stands(function()
      local hoard = {}
      while true do hoard[#hoard + 1] = ('x'):rep(1000) .. #hoard end
    end)
  end)
  it('works hard but within its budget is heard', function()
    local world = told()
    rule = function()
      local sum = 0
      for i = 1, 1000000 do sum = sum + i end
      return mtasts.treat_as('none', 'the sum is ' .. sum)
    end
    local answer = assert(mtasts.lookup 'a.test')
    rule = nil
    world:close()
    assert.equal('rule', answer.from)
    assert.equal('the sum is 500000500000', answer.reason)
  end)
  it('was stopped harms no later one', function()
    stands(function() while true do end end)
    local world = told()
    rule = function() return mtasts.treat_as('none', 'all is well') end
    assert.equal('rule', assert(mtasts.lookup 'a.test').from)
    rule = nil
    world:close()
  end)
end)
