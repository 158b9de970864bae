-- SPDX-License-Identifier: ISC
-- The module mtasts in a told world.
local mtasts = require 'mtasts'

local POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n'

local function told()
  return mtasts.fake {
    now = '2026-01-01T00:00:00Z',
    dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;', ttl = 300 }, ['a.test MX'] = { '10 mx1.a.test', '20 mx2.a.test' } },
    https = { ['mta-sts.a.test'] = POLICY },
    smtp = { ['mx1.a.test'] = 'ok', ['mx2.a.test'] = 'ok' },
  }
end

-- Rules cannot be taken back; this one acts only while a test wants it.
local rule
mtasts.on('policy', function(answer) if rule then return rule(answer) end end)

describe('pure functions', function()
  it('parse_record gives the id, or nil and an error', function()
    assert.equal('1', mtasts.parse_record('v=STSv1; id=1;').id)
    local record, err, findings = mtasts.parse_record('v=STSv1')
    assert.is_nil(record)
    assert.equal('record-syntax', err.code)
    assert.is_table(findings)
  end)
  it('a star matches exactly one label', function()
    assert.is_true(mtasts.mx_matches('*.a.test', 'mx.a.test'))
    assert.is_false(mtasts.mx_matches('*.a.test', 'x.mx.a.test'))
  end)
  it('a wrong argument raises', function()
    for name, fn in pairs(mtasts) do
      if type(fn) == 'function' and name ~= 'now' and name ~= 'fake' then assert.has_error(function() fn(false, false) end) end
    end
  end)
  it('an unknown setting raises and names the nearest', function()
    local ok, why = pcall(mtasts.configure, { stor = 'x' })
    assert.is_false(ok)
    assert.truthy(why:find('store', 1, true))
  end)
end)

describe('lookup in a told world', function()
  local world
  before_each(function() world = told() end)
  after_each(function()
    rule = nil
    world:close()
  end)

  it('enforce permits only the hosts of the policy', function()
    local answer = assert(mtasts.lookup 'a.test')
    assert.equal('require', answer.action)
    assert.is_true(answer.hosts[1].permitted)
    assert.is_false(answer.hosts[2].permitted)
    assert.equal(1, world:count 'GET mta-sts.a.test')
  end)
  it('an answer is read-only, its parts too', function()
    local answer = assert(mtasts.lookup 'a.test')
    assert.has_error(function() answer.mode = 'none' end)
    assert.has_error(function() answer.hosts[1].permitted = false end)
  end)
  it('answers without trace that say the same may be one object, and one that changed says so', function()
    local quick = { depth = 'policy', trace = false, rules = false }
    assert(mtasts.lookup('a.test', quick))
    local first = assert(mtasts.lookup('a.test', quick))
    assert.equal('memory', first.from)
    assert.is_true(rawequal(first, assert(mtasts.lookup('a.test', quick))))
    assert.is_false(rawequal(first, assert(mtasts.lookup('[a.test]', quick))))
    rawset(first, 'mode', 'none') -- for who does so only
    assert.equal('enforce', assert(mtasts.lookup('a.test', quick)).mode)
    world:dns('_mta-sts.a.test TXT', { error = 'servfail' })
    world:advance(3600)
    assert(mtasts.lookup('a.test', { depth = 'policy', freshness = 'due' }))
    local failing = assert(mtasts.lookup('a.test', quick))
    assert.equal('dns-servfail', failing.refresh_error.code)
    assert.truthy(tostring(failing.refresh_error):find('the name server answered SERVFAIL', 1, true), tostring(failing.refresh_error))
    assert.equal('enforce', failing.mode)
    world:dns('_mta-sts.a.test TXT', { 'v=STSv1; id=2;' })
    world:https('mta-sts.a.test', (POLICY:gsub('enforce', 'testing')))
    world:advance(3600)
    assert(mtasts.lookup('a.test', { freshness = 'always' }))
    local changed = assert(mtasts.lookup('a.test', quick))
    assert.equal('testing 2', changed.mode .. ' ' .. changed.id)
    assert.is_nil(changed.refresh_error)
    assert.equal('dns-servfail', failing.refresh_error.code) -- what was said stays said
  end)
  it('many domains have each their own answer', function()
    local quick = { depth = 'policy', trace = false, rules = false }
    for round = 1, 3 do
      for n = 1, 1500 do
        local domain = ('d%d.test'):format(n)
        assert.equal(domain, assert(mtasts.lookup(domain, quick)).domain, round)
      end
    end
  end)
  it('a rule is shown what holds now, and its opinion is not what the next one is shown', function()
    local quick, seen = { depth = 'policy', trace = false }, {}
    rule = function(answer)
      seen[#seen + 1] = ('%s %s %s %d'):format(answer.mode, answer.id, answer.from, #answer.trace)
      return #seen == 3 and mtasts.treat_as('none', 'a friend') or nil
    end
    assert(mtasts.lookup('a.test', quick))
    assert.equal('enforce', assert(mtasts.lookup('a.test', quick)).mode)
    assert.equal('none', assert(mtasts.lookup('a.test', quick)).mode)
    assert.equal('enforce', assert(mtasts.lookup('a.test', quick)).mode)
    world:dns('_mta-sts.a.test TXT', { 'v=STSv1; id=2;' })
    world:https('mta-sts.a.test', (POLICY:gsub('enforce', 'testing')))
    assert(mtasts.lookup('a.test', { depth = 'policy', freshness = 'always', trace = false }))
    assert.equal('testing', assert(mtasts.lookup('a.test', quick)).mode)
    assert.same({ 'enforce 1 network 0', 'enforce 1 memory 0', 'enforce 1 memory 0', 'enforce 1 memory 0', 'testing 2 network 0',
      'testing 2 memory 0' }, seen)
  end)
  it('an answer outlives its world', function()
    local answer = assert(mtasts.lookup('a.test', { depth = 'policy', trace = false, rules = false }))
    world:close()
    collectgarbage()
    assert.equal('mx1.a.test', answer.patterns[1])
    world = told()
  end)
  it('a finalizer that runs while an answer is made may look up, too', function()
    local quick = { depth = 'policy', trace = false, rules = false }
    local ran, wrong = 0, 0
    local function check(domain)
      if assert(mtasts.lookup(domain, quick)).domain ~= domain then wrong = wrong + 1 end
    end
    local closing = { __gc = function(self) ran = ran + 1 check(self.domain) end }
    local pause, multiplier = collectgarbage('setpause', 0), collectgarbage('setstepmul', 1000)
    local running = collectgarbage 'isrunning'
    collectgarbage('incremental', 0, 1000, 8) -- steps every 256 bytes
    collectgarbage 'restart'
    for n = 1, 3000 do
      setmetatable({ domain = ('f%d.test'):format(n % 700) }, closing)
      check(('f%d.test'):format(n * 7 % 700))
    end
    collectgarbage('incremental', pause, multiplier, 13)
    if not running then collectgarbage 'stop' end
    assert.is_true(ran > 100)
    assert.equal(0, wrong)
  end)
  it('options may be inherited', function()
    local answer = assert(mtasts.lookup('a.test', setmetatable({ trace = false }, { __index = { depth = 'policy' } })))
    assert.is_false(answer.hosts_known)
    assert.has_error(function() mtasts.lookup('a.test', setmetatable({}, { __index = { depth = 'deep' } })) end)
  end)
  it('a wrong name is nil and an error', function()
    local answer, err = mtasts.lookup 'a..b'
    assert.is_nil(answer)
    assert.equal('name-syntax', err.code)
    assert.equal('a..b: not a domain name', tostring(err))
  end)
  it('a foreign coroutine waits and gets the same', function()
    local answer = coroutine.wrap(function() return mtasts.lookup 'a.test' end)()
    assert.equal('enforce', answer.mode)
  end)
  it('all keeps the order, and equal lookups share one fetch', function()
    local list = {}
    for i = 1, 200 do list[i] = i % 2 == 0 and 'a.test' or function() return mtasts.lookup 'a.test' end end
    local results = mtasts.all(list)
    assert.equal(200, #results)
    for i = 1, 200 do assert.equal('enforce', results[i][1].mode) end
    assert.equal(1, world:count 'GET mta-sts.a.test')
  end)
  it('a rule may wait, and its opinion wins', function()
    rule = function(answer)
      assert(mtasts.lookup('b.' .. answer.domain))
      return mtasts.treat_as('testing', 'a migration', '2026-02-01')
    end
    local answer = assert(mtasts.lookup 'a.test')
    assert.equal('testing', answer.mode)
    assert.equal('rule', answer.from)
    assert.equal('a migration', answer.reason)
    assert.equal(1769990400, answer.exception_until)
  end)
  it('a rule may check the domain, and waits for it', function()
    local checked
    rule = function(answer)
      checked = assert(mtasts.check(answer.domain, { only = 'pol,smtp' }))
      return mtasts.treat_as('testing', 'as checked')
    end
    assert.equal('testing', assert(mtasts.lookup 'a.test').mode)
    assert.equal('enforce', checked.mode)
    assert.equal(0, checked.counts.error)
  end)
  it('an exception that ended does not count', function()
    rule = function() return mtasts.treat_as('none', 'old', '2025-12-31') end
    mtasts.configure { log = 'none' }
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it('a rule that fails or yields to nobody is no opinion', function()
    mtasts.configure { log = 'none' }
    rule = function() error 'broken' end
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
    rule = function() coroutine.yield() end
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it('coroutines that wait may be closed in any order', function()
    local coroutines = {}
    local ok = pcall(mtasts.all, (function()
      local list = {}
      for i = 1, 200 do
        list[i] = function()
          coroutines[i] = coroutine.running()
          return mtasts.lookup('d' .. i .. '.test')
        end
      end
      list[201] = function()
        for i = 1, 200 do coroutine.close(coroutines[i * 77 % 200 + 1]) end
        coroutines = {}
        collectgarbage()
      end
      return list
    end)())
    assert.is_false(ok)
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
end)
