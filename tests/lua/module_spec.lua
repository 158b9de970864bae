-- SPDX-License-Identifier: ISC
-- The corners of the module: probes, alarms, JSON, the store, worlds, and arguments that are none.
local mtasts = require 'mtasts'
local core = require 'mtasts.core'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local private = require 'private'

local POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n'

local function told(more)
  local parts = {
    now = '2026-01-01T00:00:00Z',
    dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;', ttl = 300 }, ['a.test MX'] = { '10 mx1.a.test' },
      ['plain.test MX'] = { '10 mx1.plain.test', '20 mx2.plain.test' } },
    https = { ['mta-sts.a.test'] = POLICY },
    smtp = { ['mx1.a.test'] = 'ok', ['mx1.plain.test'] = 'ok', ['mx2.plain.test'] = 'cert-untrusted' },
  }
  for key, value in pairs(more or {}) do parts[key] = value end
  return mtasts.fake(parts)
end

-- Rules cannot be taken back; these act only while a test wants them.
local rule, verdict, alarm
mtasts.on('policy', function(answer) if rule then return rule(answer) end end)
mtasts.on('verdict', function(answer) if verdict then return verdict(answer) end end)
mtasts.on('alarm', function(domain, info) if alarm then alarm(domain, info) end end)

local world
local function open(more) world = told(more) end
local function close()
  rule, verdict, alarm = nil, nil, nil
  if world then world:close() end
end

describe('probe', function()
  before_each(open)
  after_each(close)

  it('gives what a mail host answers', function()
    local tls = assert(mtasts.probe 'mx1.a.test')
    assert.is_true(tls.ok)
    assert.is_nil(tls.error)
    assert.equal('mx1.a.test', tls.names)
    assert.equal(1, world:count 'SMTP mx1.a.test')
  end)
  it('a host that fails is a result, with its error', function()
    local tls = assert(mtasts.probe('mx2.plain.test', { port = 587, timeout = 1.5 }))
    assert.is_false(tls.ok)
    assert.equal('cert-untrusted', tls.error.code)
    assert.equal('certificate-not-trusted', tls.error.result_type)
    assert.has_error(function() tls.ok = true end)
  end)
  it('a host that does not exist, or a name that is none, is nil and an error', function()
    for _, host in ipairs { 'nowhere.test', 'a..b', '', 'a\0b' } do
      local tls, err = mtasts.probe(host)
      assert.is_nil(tls)
      assert.equal('string', type(err.code))
    end
  end)
  it('options out of range raise', function()
    for _, opts in ipairs { { port = 0 }, { port = 65536 }, { port = 1.5 }, { port = 'x' }, { timeout = 0 }, { timeout = 3601 },
      { timeout = 0 / 0 }, { timeout = {} }, { prot = 25 }, { 25 } } do
      assert.has_error(function() mtasts.probe('mx1.a.test', opts) end)
    end
  end)
  it('several wait at the same time', function()
    world:smtp('mx1.a.test', { delay_ms = 5000 })
    world:smtp('mx1.plain.test', { delay_ms = 5000 })
    local before = world.now
    local function probe(host) return function() return mtasts.probe(host) end end
    local results = mtasts.all { probe 'mx1.a.test', probe 'mx1.plain.test', 'a.test' }
    assert.is_true(results[1][1].ok and results[2][1].ok)
    assert.equal('enforce', results[3][1].mode)
    assert.is_true(world.now - before < 9)
  end)
end)

describe('alarm', function()
  before_each(open)
  after_each(close)

  it('comes when the refresh keeps failing, well before the policy ends, with what is known, and may wait', function()
    mtasts.configure { log = 'none' }
    local told_of = {}
    alarm = function(domain, info)
      told_of[#told_of + 1] = info
      assert(mtasts.lookup('waits.' .. domain))
    end
    local start = world.now
    assert(mtasts.lookup('a.test', { freshness = 'due' }))
    world:https('mta-sts.a.test', 'https-connect')
    while world.now < start + 5 * 86400 do
      world:advance(6 * 3600)
      assert.equal('enforce', assert(mtasts.lookup('a.test', { freshness = 'due' })).mode)
    end
    assert.is_true(#told_of >= 2 and #told_of <= 5)
    local info = told_of[1]
    assert.equal(start + 604800, info.expires_at)
    assert.is_true(info.failing_since > start and info.failing_since < start + 2 * 86400)
    assert.equal('https-connect', info.error.code)
  end)
  it('is told before the lookup that raised it returns', function()
    mtasts.configure { log = 'none' }
    local calls = 0
    alarm = function() calls = calls + 1 end
    assert(mtasts.lookup('a.test', { freshness = 'due' }))
    world:https('mta-sts.a.test', 'https-connect')
    world:advance(2 * 86400)
    assert(mtasts.lookup('a.test', { freshness = 'always', depth = 'policy', rules = false }))
    world:advance(2 * 86400)
    assert.equal(0, calls)
    assert(mtasts.lookup('a.test', { freshness = 'always', depth = 'policy', rules = false }))
    assert.equal(1, calls)
  end)
  it('one that fails changes no answer', function()
    mtasts.configure { log = 'none' }
    local calls = 0
    alarm = function()
      calls = calls + 1
      error { 'no text' }
    end
    assert(mtasts.lookup('a.test', { freshness = 'due' }))
    world:https('mta-sts.a.test', 'https-status')
    for _ = 1, 4 do
      world:advance(86400)
      assert.equal('require', assert(mtasts.lookup('a.test', { freshness = 'due' })).action)
    end
    assert.is_true(calls > 0)
  end)
end)

describe('treat_as', function()
  before_each(open)
  after_each(close)

  it("'enforce' without a policy permits every MX and still requires verified TLS", function()
    rule = function() return mtasts.treat_as('enforce', 'agreed with them') end
    local answer = assert(mtasts.lookup('plain.test', { depth = 'tls' }))
    assert.equal('require', answer.action)
    assert.equal('enforce', answer.mode)
    assert.equal('rule', answer.from)
    assert.equal(0, #answer.patterns)
    assert.is_nil(answer.exception_until)
    assert.is_true(answer.hosts[1].permitted and answer.hosts[2].permitted)
    assert.is_nil(answer.hosts[1].error)
    assert.equal('cert-untrusted', answer.hosts[2].error.code)
    world:smtp('mx1.plain.test', 'starttls-missing')
    assert.equal('defer', assert(mtasts.lookup('plain.test', { depth = 'tls' })).action)
  end)
  it('an end in the past is no error and does not count', function()
    mtasts.configure { log = 'none' }
    for _, ends in ipairs { '2025-12-31', 1, world.now } do
      rule = function() return mtasts.treat_as('none', 'over', ends) end
      assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
    end
    local ends = world.now + 1
    rule = function() return mtasts.treat_as('none', 'still', ends) end
    assert.equal('none', assert(mtasts.lookup 'a.test').mode)
    world:advance(2)
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it("a verdict's opinion counts too, but that of the policy comes first", function()
    verdict = function() return mtasts.treat_as('testing', 'the verdict') end
    assert.equal('the verdict', assert(mtasts.lookup 'a.test').reason)
    rule = function() return mtasts.treat_as('none', 'the policy') end
    assert.equal('the policy', assert(mtasts.lookup 'a.test').reason)
  end)
  it('a reason is cleaned and cut', function()
    rule = function() return mtasts.treat_as('none', '\27[31m' .. ('x'):rep(1000)) end
    local reason = assert(mtasts.lookup 'a.test').reason
    assert.is_nil(reason:find '%c')
    assert.is_true(#reason < 160)
  end)
  it('what is no day, mode or reason raises', function()
    for _, args in ipairs { { 'Enforce', 'x' }, { nil, 'x' }, { 'none' }, { 'none', ' ' }, { 'none', 7 }, { 'none', 'x', '2026-02-30' },
      { 'none', 'x', '2026-13-01' }, { 'none', 'x', 'tomorrow' }, { 'none', 'x', 0 }, { 'none', 'x', -1 }, { 'none', 'x', 1.5 },
      { 'none', 'x', {} }, { 'none', 'x', '2100-02-29' } } do
      assert.has_error(function() mtasts.treat_as(args[1], args[2], args[3]) end)
    end
    assert.has_no_error(function() mtasts.treat_as('none', 'x', '2028-02-29') end)
  end)
  it('what a rule invents is no opinion', function()
    mtasts.configure { log = 'none' }
    for _, value in ipairs { 'none', true, 1, {}, setmetatable({}, { __index = { mode = 'none' } }) } do
      rule = function() return value end
      assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
    end
  end)
end)

describe('json', function()
  local function round(value) return core.json_decode(core.json_encode(value)) end

  it('a round trip keeps values', function()
    local value = { text = 'ä\n"\\\u{1F600}\0x', int = math.maxinteger, low = math.mininteger, real = 0.1, yes = true, no = false,
      list = { 1, { 2 }, {} }, empty = core.json_array {}, object = { a = { b = { c = 1 } } } }
    local back = round(value)
    assert.same(value.object, back.object)
    for _, key in ipairs { 'text', 'int', 'low', 'real', 'yes', 'no' } do assert.equal(value[key], back[key], key) end
    assert.equal('integer', math.type(back.int))
    assert.equal(2, back.list[2][1])
    assert.equal('[]', core.json_encode(back.empty))
    assert.equal('{"a":[],"b":{}}', core.json_encode { b = {}, a = core.json_array {} })
  end)
  it('is ASCII, sorted, one line', function()
    assert.equal('{"a":"\\u00E4\\n\\u001B\\u007F","b":"?"}', core.json_encode { b = '\xff', a = 'ä\n\27\127' })
  end)
  it('null is a value that goes both ways', function()
    local back = core.json_decode '{"a":null,"b":[null]}'
    assert.equal('{"a":null,"b":[null]}', core.json_encode(back))
  end)
  it('answers, which are read-only, can be encoded', function()
    open()
    local answer = assert(mtasts.lookup 'a.test')
    local back = core.json_decode(core.json_encode(answer))
    close()
    assert.equal('a.test', back.domain)
    assert.equal('mx1.a.test', back.hosts[1].name)
    assert.equal(#answer.trace, #back.trace)
  end)
  it('what has no form in JSON raises', function()
    local loop = {}
    loop.loop = loop
    for _, value in ipairs { loop, { f = print }, { n = 1 / 0 }, { n = 0 / 0 }, { [true] = 1 }, { [1.5] = 1 }, { ['a\0b'] = 1 },
      { t = coroutine.create(print) }, { ['\xff'] = 1 }, { a = { 1, io.stdout } } } do
      assert.has_error(function() core.json_encode(value) end)
    end
  end)
  it('what is no JSON is nil, a message and its place', function()
    for _, text in ipairs { '', '{', '{"a":1,"a":2}', '[1,]', '"a', '[1e999]', '[99999999999999999999]', '["\xff"]', ('['):rep(100000),
      '{"a\\u0000b":1}', 'nul', '[1] x' } do
      local value, message, line, column = core.json_decode(text)
      assert.is_nil(value, text:sub(1, 20))
      assert.equal('string', type(message))
      assert.equal('integer', math.type(line))
      assert.equal('integer', math.type(column))
    end
  end)
  it('depth has a limit both ways', function()
    local deep = {}
    for _ = 1, 30 do deep = { deep } end
    assert.equal('string', type(core.json_encode(deep)))
    for _ = 1, 100 do deep = { deep } end
    assert.has_error(function() core.json_encode(deep) end)
    assert.is_table(core.json_decode(('['):rep(1000) .. (']'):rep(1000)))
  end)
end)

describe('store functions', function()
  local file
  before_each(function()
    file = private.store()
    open()
    mtasts.configure { store = file, log = 'none' }
  end)
  after_each(function()
    close()
    private.remove(file)
  end)

  it('list, get, stats and flush agree with each other', function()
    assert(mtasts.lookup 'a.test')
    assert(mtasts.lookup 'plain.test')
    local list = assert(core.store_list())
    assert.equal(2, #list)
    assert.equal('a.test', list[1].domain)
    assert.same({ 'mx1.a.test' }, list[1].patterns)
    assert.same(list[1], assert(core.store_get 'a.test'))
    assert.equal('record-none', list[2].refresh_error.code)
    local stats = assert(core.store_stats())
    assert.equal(2, stats.domains)
    assert.equal(1, stats.enforce)
    assert.equal(file, stats.file)
    assert.equal(1, assert(core.store_flush 'a.test'))
    assert.equal(0, assert(core.store_flush 'a.test'))
    assert.equal(1, assert(core.store_flush()))
    assert.equal(0, #assert(core.store_list()))
  end)
  it('an answer of the store is used, and refresh fetches what is due', function()
    assert(mtasts.lookup 'a.test')
    mtasts.configure { log = 'none' } -- another context: nothing is in memory
    assert.equal('store', assert(mtasts.lookup 'a.test').from)
    assert.equal(1, world:count 'GET mta-sts.a.test')
    assert.equal(0, assert(core.store_refresh(0)))
    world:advance(2 * 86400)
    assert.equal(1, assert(core.store_refresh(0)))
    assert.equal(2, world:count 'GET mta-sts.a.test')
    assert.equal(world.now, assert(core.store_get 'a.test').fetched_at)
  end)
  it('a refresh tells alarms, which may wait, before it returns', function()
    local calls = 0
    alarm = function(domain)
      assert(mtasts.lookup('waits.' .. domain))
      calls = calls + 1
    end
    assert(mtasts.lookup 'a.test')
    world:https('mta-sts.a.test', 'https-connect')
    for _ = 1, 4 do
      world:advance(86400 + 3600)
      core.store_refresh(0)
    end
    assert.is_true(calls >= 1)
  end)
  it('nothing there, no store, or one that cannot be opened is nil and an error', function()
    local entry, err = core.store_get 'nix.test'
    assert.is_nil(entry)
    assert.equal('store-none', err.code)
    for _, case in ipairs { { 'none', 'store-none' }, { '/nonexistent/folder/s.db', 'store-' }, { '/', 'store-' } } do
      mtasts.configure { store = case[1] }
      for _, name in ipairs { 'store_list', 'store_stats' } do
        local value, why = core[name]()
        assert.is_nil(value)
        assert.equal(1, why.code:find(case[2], 1, true))
      end
    end
  end)
end)

describe('a told world', function()
  after_each(close)

  it('dns, https and smtp tell anew', function()
    open()
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
    world:dns('_mta-sts.a.test TXT', { 'v=STSv1; id=2;' })
    world:https('mta-sts.a.test', (POLICY:gsub('enforce', 'testing')))
    world:smtp('mx1.a.test', 'starttls-missing')
    world:advance(86400)
    local answer = assert(mtasts.lookup('a.test', { freshness = 'due', depth = 'tls' }))
    assert.equal('testing', answer.mode)
    assert.equal('2', answer.id)
    assert.equal('starttls-missing', answer.hosts[1].error.code)
  end)
  it('errors may be told with and without options', function()
    open { dns = { ['_mta-sts.x.test TXT'] = 'servfail', ['_mta-sts.y.test TXT'] = { error = 'dns-timeout', delay_ms = 10 } } }
    assert.equal('dns-servfail', assert(mtasts.lookup 'x.test').refresh_error.code)
    assert.equal('dns-timeout', assert(mtasts.lookup 'y.test').refresh_error.code)
    world:dns('_mta-sts.x.test TXT', {})
    world:advance(3600)
    assert.equal('record-none', assert(mtasts.lookup('x.test', { freshness = 'due' })).refresh_error.code)
  end)
  it('a CNAME is followed', function()
    open { dns = { ['_mta-sts.a.test CNAME'] = { 'there.test' }, ['there.test TXT'] = { 'v=STSv1; id=9;' } } }
    assert.equal('9', assert(mtasts.lookup 'a.test').id)
  end)
  it('count counts a question, a kind, and all', function()
    open()
    assert(mtasts.lookup('a.test', { depth = 'tls' }))
    assert.equal(1, world:count 'TXT _mta-sts.a.test')
    assert.equal(1, world:count 'txt _mta-sts.A.test')
    assert.is_true(world:count 'DNS' >= 4)
    assert.equal(1, world:count 'GET')
    assert.equal(1, world:count 'SMTP')
    assert.equal(0, world:count 'GET other.test')
    for _, what in ipairs { '', ' ', 'TXT', 'NOPE', 'NOPE a.test', 'DNS a.test', {}, false, 7 } do
      assert.has_error(function() world:count(what) end)
    end
  end)
  it('time goes forward only, and only when told', function()
    open { now = 1000 }
    assert.equal(1000, mtasts.now())
    world:advance(5)
    assert.equal(1005, world.now)
    assert.equal(1005, mtasts.now())
    for _, value in ipairs { -1, 'x', {}, 1e300, 0 / 0 } do assert.has_error(function() world:advance(value) end) end
    assert.has_error(function() world.now = 5 end)
  end)
  it('one at a time; closing brings the settings back and is fine twice', function()
    mtasts.configure { on_dns_failure = 'deliver' }
    open()
    assert.has_error(told)
    mtasts.configure { on_dns_failure = 'defer' }
    world:close()
    world:close()
    assert.equal('deliver', core.settings().on_dns_failure.value)
    assert.has_error(function() world:advance(1) end)
    assert.has_error(function() return world.now end)
    open()
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it('closing while a lookup waits cancels it', function()
    open { dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;', delay_ms = 1000 } } }
    local results = mtasts.all { 'a.test', function() world:close() end }
    assert.is_nil(results[1][1])
    assert.equal('cancelled', results[1][2].code)
  end)
  it('what cannot be read raises and leaves no world behind', function()
    for _, parts in ipairs { { dsn = {} }, { dns = 1 }, { dns = { ['a.test'] = { 'x' } } }, { dns = { ['a.test SRV'] = { 'x' } } },
      { dns = { ['a.test MX'] = { 'no number' } } }, { dns = { ['a.test A'] = { '1.2.3' } } }, { dns = { ['a.test A'] = { 7 } } },
      { dns = { ['a.test A'] = 'nope' } }, { dns = { ['a.test A'] = { '192.0.2.1', tll = 1 } } },
      { dns = { ['a.test A'] = { ttl = -1 } } },
      { dns = { ['a.test TXT'] = { 'x', dnssec = 'maybe' } } }, { https = { [1] = 'x' } }, { https = { ['a.test'] = { status = 'x' } } },
      { https = { ['a.test'] = 'https-nope' } }, { https = { ['a.test'] = { bdy = 'x' } } }, { smtp = { ['a.test'] = 'nope' } },
      { smtp = { ['b..test'] = 'ok' } }, { now = 'yesterday' }, { now = -1 }, { now = '2026-02-30T00:00:00Z' }, 7, 'x' } do
      assert.has_error(function() mtasts.fake(parts) end)
    end
    open()
  end)
end)

describe('arguments that are none', function()
  local garbage = { false, true, 0, -1, 1.5, 0 / 0, 2 ^ 63, '', '\0', 'a\0b', ('x'):rep(1 << 20), ('a.'):rep(100000), '\xff\xfe', '%s%n',
    {}, { {} }, { [1] = false }, { x = 1 }, rawlen, io.stdout, coroutine.create(rawlen),
    setmetatable({}, { __index = function() error 'index' end, __len = function() return 1 << 40 end }), function() error 'called' end }
  before_each(open)
  after_each(close)

  -- Whatever comes, it is a result or an error with a text, in time; nothing crashes, and the module works afterwards.
  local function try(name, fn, ...)
    local ok, why = pcall(fn, ...)
    if not ok then assert.is_not_nil(why, name) end
  end

  it('harm no function of the module', function()
    mtasts.configure { log = 'none' }
    for name, fn in pairs(mtasts) do
      if type(fn) == 'function' and name ~= 'on' and name ~= 'fake' then
        try(name, fn)
        for i = 1, #garbage do
          try(name, fn, garbage[i])
          for k = 1, #garbage do try(name, fn, garbage[i], garbage[k]) end
          try(name, fn, 'a.test', garbage[i])
          try(name, fn, 'none', 'x', garbage[i])
        end
      end
    end
    world:close()
    for i = 1, #garbage do
      local ok, made = pcall(mtasts.fake, garbage[i])
      if ok then made:close() end
      assert.has_error(function() mtasts.on(garbage[i], print) end)
      if type(garbage[i]) ~= 'function' then assert.has_error(function() mtasts.on('policy', garbage[i]) end) end
    end
    open()
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it('harm no method of a world', function()
    for _, name in ipairs { 'dns', 'https', 'smtp', 'advance', 'count' } do
      local method = world[name]
      for i = 1, #garbage do
        try(name, method, garbage[i])
        try(name, method, world, garbage[i])
        for k = 1, #garbage do
          try(name, method, world, garbage[i], garbage[k])
          try(name, method, world, 'x.test TXT', garbage[k])
        end
      end
    end
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
  it('harm no function of the core', function()
    for name, fn in pairs(core) do
      -- These are handed functions of ours, or end the world that this test needs.
      if type(fn) == 'function' and name ~= 'set_hook' and name ~= 'configure' then
        for i = 1, #garbage do
          try(name, fn, garbage[i])
          for k = 1, #garbage do try(name, fn, garbage[i], garbage[k]) end
        end
      end
    end
    collectgarbage()
    assert.equal('enforce', assert(mtasts.lookup 'a.test').mode)
  end)
end)
