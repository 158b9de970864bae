-- SPDX-License-Identifier: ISC
-- The manual page names what there is.
local core = require 'mtasts.core'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'

local function read(file)
  local handle = assert(io.open(ROOT .. '/' .. file))
  local text = handle:read 'a'
  handle:close()
  return text
end

local page = read 'lua/mtasts.1'

describe('the manual pages', function()
  it('refer to each other, and to no page of ours that is not there', function()
    local pages = {
      ['mtasts 1'] = 'lua/mtasts.1', ['mtasts-lua 3'] = 'lua/mtasts-lua.3', ['mtasts-errors 7'] = 'lua/mtasts-errors.7',
      ['exim-mtasts 8'] = 'filters/exim/exim-mtasts.8', ['filter-mtasts 8'] = 'filters/opensmtpd/filter-mtasts.8',
      ['table-mtasts 8'] = 'filters/opensmtpd/table-mtasts.8', ['mtasts-serve 8'] = 'filters/serve/mtasts-serve.8',
      ['postfix-mtasts 8'] = 'docs/postfix-mtasts.8',
    }
    for name, path in pairs(pages) do
      local text = read(path)
      local seen = text:match '\n%.Sh SEE ALSO\n(.-)\n%.Sh'
      for _, other in ipairs { 'mtasts 1', 'mtasts-lua 3', 'mtasts-errors 7' } do
        assert.truthy(other == name or seen:find('.Xr ' .. other, 1, true), path .. ' does not refer to ' .. other)
      end
      for other in text:gmatch '\n%.Xr (%S*mtasts%S* %d)' do assert(pages[other], path .. ' refers to ' .. other) end
    end
  end)
end)

describe('mtasts(1)', function()
  it('names every setting with its type and default, and no other', function()
    local known = core.settings()
    for name, setting in pairs(known) do
      local default = setting.default == '' and 'empty' or setting.default
      local line = ('\n.It Ic %s Pq %s, default: %s\n'):format(name, setting.type, default)
      assert.truthy(page:find(line, 1, true), 'not in the page:' .. line)
    end
    for name in page:gmatch '\n%.It Ic ([%w_]+) Pq' do assert.is_truthy(known[name], name .. ' is no setting') end
  end)

  it('tells the meaning of each setting as the program does', function()
    local plain = page:gsub('%s+', ' '):lower()
    for name, setting in pairs(core.settings()) do
      local meaning = setting.meaning:gsub('"none"', 'none'):gsub('%s+', ' '):lower()
      assert.truthy(plain:find(meaning, 1, true), name)
    end
  end)

  it('names every command, option and argument', function()
    local summaries = require 'mtasts.summaries'
    for name in pairs(summaries) do
      assert.truthy(page:find('\n.It Cm ' .. name, 1, true), name .. ' is not in the page')
    end
    local files = { 'cli' }
    for name in pairs(summaries) do files[#files + 1] = name end
    for _, name in ipairs(files) do
      local source = read('lua/mtasts/' .. name .. '.lua')
      for words in source:gmatch "[:]%l+%('(%-[^']+)'" do
        for option in words:gmatch '%S+' do
          assert.truthy(page:find('Fl ' .. option:sub(2), 1, true), option .. ' is not in the page')
        end
      end
      local choices = source:match ':choices (%b{})' or ''
      for choice in choices:gmatch "'(%l+)'" do assert.truthy(page:find('%f[%w]' .. choice .. '%f[%W]'), choice) end
    end
  end)

  it('names every exit code', function()
    for code in read('lua/mtasts/cli.lua'):match('cli = { exit = (%b{})'):gsub('GOOD', '0'):gsub('USAGE', '64'):gmatch '%d+' do
      assert.truthy(page:find('\n.It ' .. code .. '\n', 1, true), code)
    end
  end)

  it('names every field that --json shows', function()
    local api = require 'mtasts.api'
    for _, kind in ipairs { 'answer', 'host', 'tls', 'step' } do
      for field in pairs(api.fields[kind]) do
        assert.truthy(page:find('\n.Va ' .. field .. '%f[\n ]'), kind .. '.' .. field)
      end
    end
    for field in read('lua/bind_store.c'):gmatch 'FIELD%((%l+)%);' do assert.truthy(page:find('.Va ' .. field, 1, true), field) end
    for field in read('lua/bind_session.c'):match('void push_session.-\n}'):gmatch 'set_%l+%(L, "([%l_]+)"' do
      assert.truthy(page:find('\n.Va ' .. field, 1, true), field)
    end
    for field in read('lua/bind_store.c'):match('void push_entry.-\n}'):gmatch 'set_%l+%(L, "([%l_]+)"' do
      assert.truthy(page:find('.Va ' .. field, 1, true), field)
    end
  end)
end)
