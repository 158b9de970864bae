-- SPDX-License-Identifier: ISC
-- The parts of mtasts repl that need no terminal: splitting input, showing values, completion, help.
local complete = require 'mtasts.repl_complete'
local core = require 'mtasts.core'
local help = require 'mtasts.repl_help'
local input = require 'mtasts.repl_input'
local mtasts = require 'mtasts'
local show = require 'mtasts.repl_print'

local function told()
  return mtasts.fake {
    now = '2026-01-01T00:00:00Z',
    dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' } },
    https = { ['mta-sts.a.test'] = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n' },
    smtp = { ['mx1.a.test'] = 'ok' },
  }
end

describe('input', function()
  local function is(expected, text)
    local chunk, kind = input.compile(text, 'x', 1)
    assert.equal(expected, chunk and 'whole' or kind, text)
  end
  it('is whole, goes on, or is wrong', function()
    for _, text in ipairs { '', '1', 'x = 1', '-- a', 'return 1', 'f()', '=1', '=json 1',
      "'a'", '[[\n]]', 'do end', 'json = 1', '= {\n}' } do
      is('whole', text)
    end
    for _, text in ipairs { 'f(', 'x =', '1 +', 'function f()', 'for', 'if x then', '{', '[[', '--[[', '=json {', "mtasts.lookup('a', {",
      'x = {\n1,' } do
      is('incomplete', text)
    end
    for _, text in ipairs { 'a b', ')', "'a", 'x = = 1', '=json )', '1 1', 'end' } do is('wrong', text) end
  end)
  it('counts lines from the first', function()
    local _, _, why = input.compile('x = = 1', 'stdin', 7)
    assert.equal("stdin:7: unexpected symbol near '='", why)
    local _, kind, at_end = input.compile('f(\n1', 'stdin', 7)
    assert.equal('incomplete', kind)
    assert.equal("stdin:8: ')' expected (to close '(' at line 7) near <eof>", at_end)
    local ok, message = pcall((input.compile("\nerror 'x'", 'stdin', 7)))
    assert.is_false(ok)
    assert.equal('stdin:8: x', message)
  end)
  it('names what an expression lacks, not what its statement lacks', function()
    assert.equal("x:1: unexpected symbol near '*'", select(3, input.compile('1 + * 2', 'x', 1)))
  end)
  it('tells commands from Lua', function()
    assert.same({ 'set', 'a=b' }, { input.command ' :set  a=b ' })
    assert.same({ '', '' }, { input.command ':' })
    assert.is_nil((input.command 'a:b()'))
  end)
  it('keeps entries of several lines apart in the history', function()
    local entries = { 'one', 'two\nlines', 'with\n\tits tab', 'a\n\nb' }
    local text = ''
    for _, entry in ipairs(entries) do text = text .. input.encode(entry) end
    assert.same(entries, input.decode(text))
    assert.same({ 'x' }, input.decode '\tlost\nx\n')
  end)
end)

describe('a value is shown', function()
  local function is(expected, value, width) assert.equal(expected, show.value(value, width or 80)) end
  it('as Lua reads it', function()
    is('nil', nil)
    is('1', 1)
    is('1.5', 1.5)
    is('true', true)
    is([["a\"\\\n\t"]], 'a"\\\n\t')
    is('{}', {})
    is('{ 1, "a", { x = 1 } }', { 1, 'a', { x = 1 } })
    is('{ [2.5] = 1, a = 4, ["a b"] = 2, ["end"] = 3, z = 5 }', { z = 5, a = 4, ['end'] = 3, ['a b'] = 2, [2.5] = 1 })
    is('function mtasts.lookup(domain[, opts])', mtasts.lookup)
    is('{ f = <function of C> }', { f = print })
  end)
  it('without what a terminal obeys', function()
    is([["\x1b[31m\x07\x7f"]], '\27[31m\7\127')
    is([["\x9b\xff"]], '\155\255')
    is([["\u{9B}\u{202E}\u{200B}ü"]], '\u{9B}\u{202E}\u{200B}ü')
    is([[{ ["\x1b"] = "\x1b" }]], { ['\27'] = '\27' })
    is('<?[1m>', setmetatable({}, { __tostring = function() return '\27[1m' end }))
    is('<a table that cannot be shown>', setmetatable({}, { __tostring = function() error 'no' end }))
  end)
  it('within bounds', function()
    local long = {}
    for i = 1, 1000 do long[i] = i end
    local text = show.value(long, 80)
    assert.truthy(text:find('… 960 more', 1, true))
    local deep = {}
    for _ = 1, 1000 do deep = { deep } end
    is('{ { { { { { {…} } } } } } }', deep)
    local cycle = {}
    cycle.self = cycle
    is('{ self = <cycle> }', cycle)
    local shared = {}
    is('{ {}, {} }', { shared, shared })
    assert.is_true(#show.value(('x'):rep(1e6), 80) < 5000)
    assert.truthy(show.value(('ü'):rep(3000), 80):find('"ü', 1, true))
    local wide = {}
    for i = 1, 40 do
      wide[i] = {}
      for j = 1, 40 do wide[i][j] = { {}, {}, {}, {} } end
    end
    assert.is_true(#show.value(wide, 80) < 100000)
  end)
  it('without running code of its own', function()
    local function no() error 'ran' end
    is('{ a = 1 }', setmetatable({ a = 1 }, { __index = no, __pairs = no, __len = no }))
  end)
  it('fitting the width', function()
    is('{\n  a = "aaaaaaaaaa",\n  b = "bbbbbbbbbb",\n}', { a = 'aaaaaaaaaa', b = 'bbbbbbbbbb' }, 30)
  end)
  it('as an answer, and with all its fields', function()
    local world <close> = told()
    local answer = assert(mtasts.lookup 'a.test')
    local described = show.value(answer, 80)
    assert.truthy(described:find('^a%.test: enforce — deliver only to the 1 permitted MX host'), described)
    local fields = show.fields(answer, 80)
    assert.truthy(fields:find('expires_at = 1767830400,  -- 2026-01-08 00:00:00 UTC, in 7 d', 1, true))
    assert.truthy(fields:find('name = "mx1.a.test"', 1, true))
    is('{ <answer: a.test, enforce, require> }', { answer })
    is('<mtasts.world, its clock says 2026-01-01 00:00:00 UTC>', world)
  end)
  it('as results: nil and an error are one line, and nil before findings says nothing', function()
    assert.equal('error: a..b: not a domain name [name-syntax]', show.results(table.pack(mtasts.lookup 'a..b'), 80))
    assert.equal('{ id = "1" }\n✓ fits the RFC to the letter', show.results(table.pack(mtasts.parse_record 'v=STSv1; id=1;'), 80))
    assert.equal('1\nnil\n2', show.results({ 1, nil, 2, n = 3 }, 80))
    assert.equal('nil', show.results({ n = 1 }, 80))
  end)
  it('as JSON', function()
    assert.equal('[1,null,"a"]', show.json { 1, nil, 'a', n = 3 })
    assert.equal('{"a":{"b":[1,2]},"c":false}', show.json { { a = { b = { 1, 2 } }, c = false }, n = 1 })
    assert.equal('name-syntax', core.json_decode(show.json(table.pack(mtasts.lookup 'a..b'))).error.code)
    assert.has_error(function() show.json { { [5] = 1 }, n = 1 } end)
  end)
end)

describe('completion', function()
  local known = {
    globals = { mtasts = mtasts, string = string, alpha = { beta = { gamma = 1, gamble = 2 } } },
    commands = function() return { 'reload', 'set', 'settings' } end,
    settings = function() return { 'smtp_port', 'store', 'strict' } end,
    domains = function() return { 'a.test', 'b.test' } end,
    hosts = function() return { 'mx.a.test' } end,
    help = help.names,
  }
  local function is(line, insert, listed)
    local inserted, shown = complete.line(line, known, 80)
    assert.equal(insert, inserted, line)
    if listed then assert.truthy((shown or ''):find(listed), line .. ': ' .. tostring(shown)) end
  end
  it('knows globals, words of Lua and fields', function()
    is('mtas', 'ts')
    is('x = alp', 'ha')
    is('func', 'tion')
    is('alpha.be', 'ta')
    is('alpha.beta.ga', 'm')
    is('alpha.beta.gam', nil, 'gamble  gamma')
    is('mtasts.lo', 'okup')
    is('f(mtasts.pro', 'be')
    is('nothing.here.x', nil)
  end)
  it('knows fields of answers, and offers those that are absent, too', function()
    local world <close> = told()
    known.globals.answer, known.globals.world = assert(mtasts.lookup 'a.test'), world
    is('answer.pat', 'terns')
    is('answer.refresh_', 'error')
    is('answer.hosts[1].pref', 'erence')
    is('world:adv', 'ance')
    is("mtasts.lookup('a.test').hosts_k", 'nown')
    is("mtasts.lookup 'a.test'.hosts_k", 'nown')
  end)
  it('knows what strings mean to who gets them', function()
    is("mtasts.lookup 'a", ".test'")
    is('mtasts.lookup("b', '.test"')
    is("mtasts.all { 'a.test', 'b", ".test'")
    is("mtasts.probe('mx", ".a.test'")
    is("mtasts.on('ver", "dict'")
    is("osmtpd.on('rc", "pt-to'")
    is("mtasts.treat_as('enf", "orce'")
    is("require 'mtasts.os", "mtpd'")
    is("help 'mtasts.parse_tl", "srpt'")
    is("print 'a", nil)
  end)
  it('knows options and their values', function()
    is("mtasts.lookup('a.test', { fresh", 'ness = ')
    is("mtasts.lookup('a.test', { trace = false, dep", 'th = ')
    is("mtasts.lookup('a.test', { depth = 'pol", "icy'")
    is("if answer.mode == 'enf", "orce'")
    is("mtasts.record_session { type = 'tl", "sa'")
    is('mtasts.configure { smtp', '_port = ')
    is('mtasts.fake { sm', 'tp = ')
  end)
  it('knows commands', function()
    is(':re', 'load ')
    is(':se', 't')
    is(':set', nil, 'set')
    is(':set smtp', '_port=')
    is(':trace o', nil, 'off  on')
    is('=js', 'on ')
  end)
  it('lists in columns that fit', function()
    local names = {}
    for i = 1, 100 do names[i] = ('name%03d'):format(i) end
    local text = complete.columns(names, 40)
    for line in text:gmatch '[^\n]+' do assert.is_true(#line <= 40) end
    assert.truthy(text:find('… 40 more', 1, true))
  end)
  it('indents an empty line, as pasted ones begin', function() is('', '  ') end)
end)

describe('help', function()
  it('has a text for all that mtasts.api describes', function()
    local api = require 'mtasts.api'
    for _, list in ipairs { api.functions, api.world, api.osmtpd, api.exim, api.hooks, api.fields, api.constants,
      api.opaque, api.errors, api.kinds } do
      for name in pairs(list) do assert.is_true(select(2, help.text(name, 80)), name) end
    end
    for _, name in ipairs(help.names()) do assert.is_true(select(2, help.text(name, 80)), name) end
  end)
  it('fits the width, words longer than it apart', function()
    for _, width in ipairs { 24, 40, 80, 200 } do
      for _, name in ipairs(help.names()) do
        for line in help.text(name, width):gmatch '[^\n]+' do
          local longest = 0
          for word in line:gmatch '%S+' do longest = math.max(longest, #word) end
          assert.is_true(utf8.len(line) <= width or longest > width - 12, line)
        end
      end
    end
  end)
  it('names the nearest', function()
    local text, found = help.text('mtasts.lokup', 80)
    assert.is_false(found)
    assert.truthy(text:find("did you mean 'mtasts.lookup'?", 1, true))
    assert.is_false(select(2, help.text('\27[31m', 80)))
    assert.is_nil((help.text('\27[31m', 80):find '\27'))
  end)
  it('knows values, too', function()
    assert.equal('mtasts.lookup', help.name_of(mtasts.lookup))
    assert.equal('mtasts', help.name_of(mtasts))
    assert.equal('name-syntax', help.name_of(select(2, mtasts.lookup 'a..b')))
    assert.is_nil(help.name_of(42))
  end)
end)
