-- SPDX-License-Identifier: ISC
-- What is made of mtasts.api: manual pages and definitions for editors, in the source as they would be written now, and complete.
local api = require 'mtasts.api'
local core = require 'mtasts.core'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/lua/?.lua'
local entries = require 'manual.entries'
local files = require 'manual.files'(ROOT)

local function read(path)
  local handle = assert(io.open(ROOT .. '/' .. path))
  local text = handle:read 'a'
  handle:close()
  return text
end

-- What a page shows: without the macros, in one line.
local function shown(path)
  local text = read(path):gsub('\n%.%a%a ', '\n'):gsub('\\%(dq', '"'):gsub('\\%(aq', "'"):gsub('\\%-', '-'):gsub('\\&', '')
  return (text:gsub('\\e', '\\'):gsub('%s+', ' '))
end

local function holds(text, words, what)
  assert.truthy(text:find(words:gsub('%s+', ' '), 1, true), what .. ' lacks: ' .. words)
end

describe('what is made of mtasts.api', function()
  for path, text in pairs(files) do
    it(path .. ' is as it would be written now', function()
      assert.is_true(read(path) == text, path .. ' is not what lua/manual writes: run ./build.sh api')
    end)
  end
end)

describe('mtasts-lua(3)', function()
  local page = shown 'lua/mtasts-lua.3'

  it('tells all of each function and hook', function()
    for _, list in ipairs { api.functions, api.world, api.osmtpd, api.exim, api.hooks } do
      for name, entry in pairs(list) do
        for _, key in ipairs { 'signature', 'text', 'results', 'errors', 'context', 'since', 'source' } do
          if entry[key] then holds(page, entry[key], name) end
        end
        for _, arg in ipairs(entry.args) do
          holds(page, ('%s Pq %s%s %s'):format(arg[1], arg[2], arg.optional and ', optional' or '', arg[3]), name)
        end
      end
    end
  end)

  it('tells every field, value and constant', function()
    for kind, list in pairs(api.fields) do
      holds(page, kind .. ' ' .. api.kinds[kind].text, kind)
      for name, field in pairs(list) do
        holds(page, ('%s Pq %s%s %s'):format(name, field[1], field.optional and ', may be absent' or '', field[2]), kind)
      end
    end
    for name, text in pairs(api.opaque) do holds(page, ('%s %s'):format(name, text), name) end
    for name, constant in pairs(api.constants) do holds(page, ('mtasts.%s Pq %s %s'):format(name, constant.type, constant.text), name) end
  end)

  it('lists all codes of errors', function()
    for _, err in ipairs(core.errors()) do holds(page, ('%s %s'):format(err.code, err.message), 'the list of errors') end
  end)

  it('gives the budget that a rule has', function()
    local source = read 'lua/budget.c'
    assert.truthy(source:find('#define MOST 50000000 ', 1, true) and source:find('#define MOST_MS 5000 ', 1, true))
    assert.truthy(source:find('#define MOST_MEMORY_KB (64 << 10)', 1, true))
    holds(page, 'may run 50 million instructions', 'BUDGETS')
    assert.truthy(read('lua/host.h'):find('HOST_MEMORY_MOST ((size_t)512 << 20)', 1, true))
    holds(page, 'at most 512 MB', 'BUDGETS')
  end)
end)

describe('mtasts-errors(7)', function()
  local page = shown 'lua/mtasts-errors.7'

  it('says of each error what it means, whether it may pass, how it is reported and what to do', function()
    for _, err in ipairs(core.errors()) do
      local words = ('%s %s. %semporary. '):format(err.code, err.message:gsub('^%l', string.upper), err.temporary and 'T' or 'Not t')
      if err.result_type then words = words .. 'Result type: ' .. err.result_type .. '. ' end
      holds(page, words .. '.Pp ' .. api.errors[err.code], 'the page')
    end
  end)
end)

describe('the advice on errors', function()
  it('is there for each code, and for no other', function()
    local known = {}
    for _, err in ipairs(core.errors()) do
      known[err.code] = true
      assert(api.errors[err.code], err.code .. ': lua/mtasts/api_errors.lua must say what to do about it')
    end
    for code in pairs(api.errors) do assert(known[code], code .. ' is advised on, but is no code in core/mtasts.h') end
  end)

  it('is one sentence', function()
    for code, words in pairs(api.errors) do
      assert.truthy(words:find '^%u' and words:find '%.$', code)
      assert.is_nil(words:find '%. ', code)
    end
  end)
end)

-- ---- definitions for editors ----

local modules <const> = { mtasts = 'functions', ['mtasts/osmtpd'] = 'osmtpd', ['mtasts/exim'] = 'exim' }

-- The classes of a file: [name] = {[field] = its type, '?' in front when it may be absent}
local function classes(text)
  local all, current = {}, nil
  for line in text:gmatch '[^\n]+' do
    local name = line:match '^%-%-%-@class ([%w_.]+)'
    local field, mark, kind = line:match '^%-%-%-@field ([%w_%[%]]+)(%??) (.+)$'
    if name then
      assert.is_nil(all[name], name .. ' is there twice')
      all[name], current = {}, name
    elseif field then
      all[current][field] = mark .. kind
    end
  end
  return all
end

local function same_names(wanted, found, what)
  for name in pairs(wanted) do assert(found[name] ~= nil, ('%s lacks %s'):format(what, name)) end
  for name in pairs(found) do assert(wanted[name] ~= nil, ('%s has %s, which is not in mtasts.api'):format(what, name)) end
end

describe('definitions for editors', function()
  local all = classes(read 'lua/library/mtasts.lua')

  for path, list in pairs(modules) do
    it('of ' .. path .. ' have each function and no other, with its parameters', function()
      local text = read('lua/library/' .. path .. '.lua')
      local module = assert(load(text, '@' .. path, 't', {}))()
      same_names(api[list], module, path)
      for name, fn in pairs(module) do
        local parameters = entries.parameters(api[list][name])
        local info = debug.getinfo(fn, 'u')
        assert.equal(#parameters, info.nparams, name)
        for i, parameter in ipairs(parameters) do
          assert.equal(parameter[1]:gsub('^until$', 'until_'), debug.getlocal(fn, i), name)
        end
      end
    end)
  end

  it('have each method of a world', function()
    local found = {}
    for name in read('lua/library/mtasts.lua'):gmatch '\nfunction world:([%w_]+)%(' do found[name] = true end
    same_names(api.world, found, 'mtasts.world')
    same_names(api.world_fields, all['mtasts.world'], 'mtasts.world')
  end)

  it('have each field, and say which may be absent', function()
    for kind, list in pairs(api.fields) do
      local class = assert(all['mtasts.' .. kind], kind)
      local element = class['[integer]']
      assert.equal(api.kinds[kind].list_of and 'mtasts.' .. api.kinds[kind].list_of, element)
      class['[integer]'] = nil
      same_names(list, class, kind)
      for name, field in pairs(list) do assert.equal(field.optional, class[name]:sub(1, 1) == '?', kind .. '.' .. name) end
    end
    for kind in pairs(api.opaque) do assert.same({}, all['mtasts.' .. kind], kind) end
    same_names(api.constants, all.mtasts, 'mtasts')
  end)

  it('have each option and setting', function()
    for name, entry in pairs(api.functions) do
      for _, parameter in ipairs(entries.parameters(entry)) do
        if parameter.fields then same_names(parameter.fields, all[('mtasts.%s_%s'):format(name, parameter[1])], name) end
      end
    end
    same_names(core.settings(), all['mtasts.settings'], 'mtasts.settings')
  end)

  it('name no class that is not there', function()
    for path in pairs(modules) do
      local text = read('lua/library/' .. path .. '.lua')
      for tag, line in text:gmatch '\n%-%-%-@(%l+)([^\n]*)' do
        local types = tag ~= 'class' and tag ~= 'alias' and line:gsub(' # .*', '') or ''
        for name in types:gmatch 'mtasts%.[%w_.]+' do assert(all[name] or name == 'mtasts.code', line) end
      end
    end
  end)

  it('tell of nil and an error where a function may fail', function()
    local text = read 'lua/library/mtasts.lua'
    for name, entry in pairs(api.functions) do
      local before = text:match('\n\n([^\n][^\f]-)\nfunction mtasts%.' .. name .. '%('):match '.*\n\n(.*)$'
        or text:match('\n\n([^\n][^\f]-)\nfunction mtasts%.' .. name .. '%(')
      assert.equal(entry.fails, before:find(': nil, mtasts.error', 1, true) ~= nil, name)
    end
  end)

  it('list all codes of errors', function()
    local found, wanted = {}, {}
    for code in read('lua/library/mtasts.lua'):gmatch '\n%-%-%-| "([^"]+)"' do found[code] = true end
    for _, err in ipairs(core.errors()) do wanted[err.code] = true end
    same_names(wanted, found, 'mtasts.code')
  end)
end)
