-- SPDX-License-Identifier: ISC
-- Who waits is resumed once and in his own coroutine, or dropped: whatever was closed, cancelled or collected meanwhile.
local mtasts = require 'mtasts'

local function told(count, delay_ms)
  local dns = {}
  for i = 1, count do dns[('_mta-sts.d%d.test TXT'):format(i)] = { 'v=STSv1; id=1;', delay_ms = delay_ms } end
  mtasts.configure { log = 'none', store = 'none', dns_deadline_ms = 60000, mail_deadline_ms = 60000 }
  return mtasts.fake { dns = dns }
end

-- Numbers from 1 to n, each once, in an order that looks like none.
local function shuffled(n, seed)
  local order = {}
  for i = 1, n do order[i] = i end
  for i = n, 2, -1 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    local j = seed % i + 1
    order[i], order[j] = order[j], order[i]
  end
  return order
end

describe('two hundred coroutines that wait', function()
  local COUNT <const> = 200

  it('are each resumed once, with what they asked for', function()
    local world = told(COUNT, 50)
    local resumed, list = {}, {}
    for i, n in ipairs(shuffled(COUNT, 1)) do
      list[i] = function()
        local name = ('d%d.test'):format(n)
        local answer = assert(mtasts.lookup(name, { depth = 'policy' }))
        assert(answer.domain == name)
        resumed[n] = (resumed[n] or 0) + 1
      end
    end
    mtasts.all(list)
    for n = 1, COUNT do assert.equal(1, resumed[n]) end
    world:close()
  end)

  for _, seed in ipairs { 3, 17, 4711 } do
    it('are closed in any order while they wait, and never go on: ' .. seed, function()
      local world = told(COUNT + 1, 1000)
      local waiting, went_on, closed = {}, 0, 0
      local list = {}
      for n = 1, COUNT do
        list[n] = function()
          local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
          waiting[n] = coroutine.running()
          mtasts.lookup(('d%d.test'):format(n), { depth = 'policy' })
          went_on = went_on + 1
        end
      end
      list[COUNT + 1] = function()
        mtasts.lookup('nothing.test', { depth = 'policy' }) -- by now all others wait
        for _, n in ipairs(shuffled(COUNT, seed)) do
          assert(coroutine.close(waiting[n]))
          if n % 50 == 0 then collectgarbage() end
        end
      end
      local ok, why = pcall(mtasts.all, list)
      assert.is_false(ok)
      assert.truthy(tostring(why):find('closed or resumed by somebody else', 1, true), why)
      assert.same({ 0, COUNT }, { went_on, closed })
      assert.equal('d201.test', assert(mtasts.lookup('d201.test', { depth = 'policy' })).domain)
      world:close()
    end)
  end

  it('are told when the world they wait in is closed', function()
    local world = told(COUNT, 1000)
    local codes, list = {}, {}
    for n = 1, COUNT do
      list[n] = function()
        local _, err = mtasts.lookup(('d%d.test'):format(n), { depth = 'policy' })
        codes[err and err.code or '?'] = (codes[err and err.code or '?'] or 0) + 1
      end
    end
    list[COUNT + 1] = function()
      mtasts.lookup('nothing.test', { depth = 'policy' })
      world:close()
    end
    mtasts.all(list)
    assert.same({ cancelled = COUNT }, codes)
  end)

  it('may be resumed by others, which harms nobody', function()
    local world = told(COUNT, 1000)
    local waiting, list = {}, {}
    for n = 1, COUNT do
      list[n] = function()
        waiting[n] = coroutine.running()
        return mtasts.lookup(('d%d.test'):format(n), { depth = 'policy' })
      end
    end
    list[COUNT + 1] = function()
      mtasts.lookup('nothing.test', { depth = 'policy' })
      for _, n in ipairs(shuffled(COUNT, 5)) do coroutine.resume(waiting[n], 'not', 'an', 'answer') end
    end
    pcall(mtasts.all, list)
    assert.equal('d7.test', assert(mtasts.lookup('d7.test', { depth = 'policy' })).domain)
    world:close()
  end)
end)

describe('a rule that waits', function()
  local hook
  mtasts.on('policy', function(answer) if hook then return hook(answer) end end)

  it('and whose world is closed by another is heard by nobody', function()
    local world = told(3, 1000)
    local code
    hook = function(answer)
      if answer.domain ~= 'd1.test' then return end
      local _, err = mtasts.lookup('d2.test', { depth = 'policy' })
      code = err and err.code
      return mtasts.treat_as('enforce', 'too late')
    end
    local results = mtasts.all {
      function() return mtasts.lookup('d1.test', { depth = 'policy' }) end,
      function()
        mtasts.lookup('nothing.test', { depth = 'policy' })
        world:advance(2)
        mtasts.lookup('nowhere.test', { depth = 'policy' })
        world:close()
      end,
    }
    hook = nil
    assert.is_nil(results[1][1])
    assert.equal('cancelled', results[1][2].code)
    assert.is_true(code == nil or code == 'cancelled')
    assert.is_not_nil(mtasts.now())
  end)

  it('is dropped when its lookup ends before it, and what it held is collected', function()
    local world = told(3, 5000)
    local seen = setmetatable({}, { __mode = 'k' })
    hook = function(answer)
      if answer.domain ~= 'nothing.test' then return end
      local held = {}
      seen[held] = true
      mtasts.lookup('d1.test', { depth = 'policy' })
      seen[held] = 'still'
      return mtasts.treat_as('enforce', 'a partner')
    end
    local answer = mtasts.lookup('nothing.test', { depth = 'policy', timeout = 1 })
    hook = nil
    assert.is_true(answer == nil or answer.domain == 'nothing.test')
    world:close()
    for _ = 1, 4 do collectgarbage() end
    assert.is_nil(next(seen))
  end)
end)
