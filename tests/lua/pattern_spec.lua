-- SPDX-License-Identifier: ISC
-- string.find and its like give in a rule, where their steps are counted before, what they give elsewhere: whatever the pattern.
local mtasts = require 'mtasts'
local core = require 'mtasts.core'

local plain = { find = string.find, match = string.match, gsub = string.gsub, gmatch = string.gmatch, rep = string.rep }
core.guard()

local hook
mtasts.on('policy', function() if hook then return hook() end end)

local pieces <const> = {
  'a', 'b', 'ab', '.', '%a', '%W', '%%', '%d', '[ab]', '[^a]', '[a-c]', '[%w_-]', '[]]', '[^]]', '[a-]', '*', '+', '-', '?', '(', ')', '()',
  '^', '$', '%b()', '%f[%w]', '%f[^a]', '%1', '%2', '[', '%', ']', '\0', '%b', '%f', '[%', '[a', '[^', '%9',
}

local function text(next_number, from, most)
  local parts = {}
  for i = 1, next_number(most) do parts[i] = from[next_number(#from)] end
  return table.concat(parts)
end

describe('in a rule', function()
  it('patterns of any form match, fail and raise as ever', function()
    local seed, differ, asked = 4711, {}, 0
    local function number(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return (seed >> 8) % n + 1
    end
    local function compare(name, ...)
      local expected, got = table.pack(pcall(plain[name], ...)), table.pack(pcall(string[name], ...))
      asked = asked + 1
      for i = 1, math.max(expected.n, got.n) do
        if expected[i] ~= got[i] then differ[#differ + 1] = name .. ' ' .. table.concat({ ... }, ' | ') end
      end
    end
    local function all_of(gmatch, ...)
      local found = {}
      for a, b in gmatch(...) do found[#found + 1] = tostring(a) .. ',' .. tostring(b) end
      return table.concat(found, ';')
    end
    local function some()
      for _ = 1, 500 do
        local subject = text(number, { 'a', 'b', 'c', '(', ')', ' ', '-', '\0', '\255', ']' }, 20)
        local pattern = text(number, pieces, 6)
        compare('find', subject, pattern)
        compare('find', subject, pattern, number(25) - 12, number(2) == 1)
        compare('match', subject, pattern, number(25) - 12)
        compare('gsub', subject, pattern, 'x')
        compare('gsub', subject, pattern, '%0', number(3))
        local ok, expected = pcall(all_of, plain.gmatch, subject, pattern)
        local also, got = pcall(all_of, string.gmatch, subject, pattern)
        if ok ~= also or expected:gsub('^.-:%d+: ', '') ~= got:gsub('^.-:%d+: ', '') then differ[#differ + 1] = 'gmatch ' .. pattern end
      end
    end
    mtasts.configure { log = 'none', store = 'none' }
    hook = some
    for _ = 1, 10 do
      local world <close> = mtasts.fake { dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' } } }
      mtasts.lookup('a.test', { depth = 'policy' })
      assert(world.now)
    end
    hook = nil
    assert.same({}, differ)
    assert.equal(25000, asked)
  end)
end)
