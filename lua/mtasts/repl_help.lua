-- SPDX-License-Identifier: ISC
-- help 'name': what mtasts.api and the settings say of a function, hook, field or setting, wrapped to the terminal.
local api = require 'mtasts.api'
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local help = {}

local modules <const> = {
  { name = 'mtasts', prefix = 'mtasts.', list = api.functions, text = 'lookups, parsers, rules, the told world' },
  { name = 'mtasts.osmtpd', prefix = 'osmtpd.', list = api.osmtpd, text = "rules for the sessions of OpenSMTPD's clients" },
  { name = 'mtasts.exim', prefix = 'exim.', list = api.exim, text = "functions for Exim's expansions" },
}

local function sorted(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function first_sentence(words) return (words:match '^(.-[.:])%f[%s\0]' or words):gsub('[.:]$', '') end

-- ---- pages: lists of lines ----

local Page = {}
Page.__index = Page

function Page:add(words, indent) self[#self + 1] = text.wrap((indent or '') .. words, indent or '', self.width) end
function Page:gap() self[#self + 1] = '' end
function Page:title(words) self[#self + 1] = text.paint('bold', text.wrap(words, '    ', self.width)) end

-- A word and its meaning beside it, or below it where the terminal is narrow.
function Page:item(word, meaning, column)
  local head = '  ' .. word
  if self.width < column + 30 then
    self:add(word, '  ')
    self:add(meaning, '      ')
    return
  end
  if #head + 2 > column then
    self[#self + 1] = head
    head = ''
  end
  self[#self + 1] = text.beside(head .. (' '):rep(column - #head), meaning, self.width)
end

function Page:items(rows)
  local column = 0
  for _, row in ipairs(rows) do column = math.max(column, math.min(24, #row[1] + 4)) end
  for _, row in ipairs(rows) do self:item(row[1], row[2], column) end
end

local function new_page(width) return setmetatable({ width = math.max(20, width) }, Page) end

-- ---- what there is ----

-- name -> function(page); the same for each short form. Made once.
local topics, order

local function function_page(prefix, entry)
  return function(page)
    page:title(prefix .. entry.signature)
    page:add(entry.text, '  ')
    if entry.args and #entry.args > 0 then
      page:gap()
      local rows = {}
      for i, arg in ipairs(entry.args) do rows[i] = { arg[1], arg[2] .. ' — ' .. arg[3] } end
      page:items(rows)
    end
    page:gap()
    local rows = {}
    if entry.results then rows[#rows + 1] = { 'results', entry.results } end
    if entry.errors then rows[#rows + 1] = { 'errors', entry.errors } end
    if entry.context then rows[#rows + 1] = { 'where', entry.context } end
    if entry.yields or entry.may_wait then
      rows[#rows + 1] = { 'waits', entry.yields and 'it may; others go on meanwhile' or 'it may call what waits' }
    end
    if entry.source then rows[#rows + 1] = { 'source', entry.source } end
    rows[#rows + 1] = { 'since', entry.since }
    page:items(rows)
  end
end

local function module_page(module)
  return function(page)
    page:title(module.name .. ': ' .. module.text)
    if module.name ~= 'mtasts' then page:add(("local %s = require '%s'"):format(module.prefix:sub(1, -2), module.name), '  ') end
    page:gap()
    local rows = {}
    for _, name in ipairs(sorted(module.list)) do
      local entry = module.list[name]
      rows[#rows + 1] = { module.prefix .. name, first_sentence(entry.text) }
    end
    page:items(rows)
  end
end

local function kind_page(kind)
  return function(page)
    page:title(kind .. ': its fields')
    if api.kinds[kind] then page:add(api.kinds[kind].text, '  ') end
    page:gap()
    local rows = {}
    for _, field in ipairs(sorted(api.fields[kind])) do
      local entry = api.fields[kind][field]
      rows[#rows + 1] = { field, entry[1] .. ' — ' .. entry[2] }
    end
    page:items(rows)
  end
end

local function field_page(kind, field)
  return function(page)
    local entry = api.fields[kind][field]
    page:title(('%s.%s: %s'):format(kind, field, entry[1]))
    page:add(entry[2], '  ')
    local of = entry[1]:match '%l+$'
    if api.fields[of] then page:add(("its fields: help '%s'"):format(of), '  ') end
  end
end

local function setting_page(name)
  return function(page)
    local setting = core.settings()[name]
    page:title(('setting %s: %s'):format(name, setting.type))
    page:add(setting.meaning, '  ')
    page:gap()
    local function said(value) return value == '' and 'empty' or text.clean(value) end
    page:items { { 'now', said(setting.value) }, { 'default', said(setting.default) }, { 'change', (':set %s=VALUE'):format(name) } }
  end
end

local function error_page(code)
  return function(page)
    page:title('error ' .. code)
    for _, err in ipairs(core.errors()) do
      if err.code == code then page:add(err.message .. (err.temporary and ' (may pass by itself)' or ''), '  ') end
    end
    page:gap()
    page:items { { 'do', api.errors[code] } }
  end
end

local function opaque_page(kind)
  return function(page)
    page:title(kind .. ': only passed on')
    page:add(api.opaque[kind], '  ')
  end
end

local function constant_page(name)
  local constant = api.constants[name]
  return function(page)
    page:title(('mtasts.%s: %s'):format(name, constant.type))
    page:add(constant.text, '  ')
    page:items { { 'since', constant.since } }
  end
end

-- Everything has one full name, under which it is listed, and short ones, which may mean several things.
local function topic(page, full, ...)
  order[#order + 1] = full
  for _, name in ipairs { full, ... } do
    topics[name] = topics[name] or {}
    table.insert(topics[name], page)
  end
end

local function prepare()
  if topics then return end
  topics, order = {}, {}
  for _, module in ipairs(modules) do
    topic(module_page(module), module.name, module.name ~= 'mtasts' and module.prefix:sub(1, -2) or nil)
    for _, name in ipairs(sorted(module.list)) do
      local long = module.name ~= 'mtasts' and module.name .. '.' .. name or nil
      topic(function_page(module.prefix, module.list[name]), module.prefix .. name, name, long)
    end
  end
  for _, name in ipairs(sorted(api.constants)) do topic(constant_page(name), 'mtasts.' .. name, name) end
  topic(function(page)
    page:title 'world: what mtasts.fake returns'
    local rows = {}
    for _, name in ipairs(sorted(api.world_fields)) do
      local field = api.world_fields[name]
      rows[#rows + 1] = { 'world.' .. name, field[1] .. ' — ' .. field[2] }
    end
    for _, name in ipairs(sorted(api.world)) do rows[#rows + 1] = { 'world:' .. name, first_sentence(api.world[name].text) } end
    page:items(rows)
  end, 'world')
  for _, name in ipairs(sorted(api.world)) do topic(function_page('', api.world[name]), 'world:' .. name, name, 'world.' .. name) end
  for _, name in ipairs(sorted(api.hooks)) do
    topic(function_page("mtasts.on('" .. name .. "', fn), fn: ", api.hooks[name]), 'hook ' .. name, name)
  end
  for _, kind in ipairs(sorted(api.fields)) do
    topic(kind_page(kind), kind)
    for _, field in ipairs(sorted(api.fields[kind])) do topic(field_page(kind, field), kind .. '.' .. field, field) end
  end
  for _, kind in ipairs(sorted(api.opaque)) do topic(opaque_page(kind), kind) end
  for _, code in ipairs(sorted(api.errors)) do topic(error_page(code), 'error ' .. code, code) end
  for _, name in ipairs(sorted(core.settings())) do topic(setting_page(name), 'setting ' .. name, name) end
end

-- Names for completion.
function help.names()
  prepare()
  return order
end

-- core.nearest looks at 64 names at most.
function help.nearest(word, names)
  local best = {}
  for from = 1, #names, 64 do
    best[#best + 1] = core.nearest(word, { table.unpack(names, from, math.min(#names, from + 63)) })
  end
  return core.nearest(word, best)
end

local function overview(page)
  page:title "help 'NAME' tells more of each of these"
  page:gap()
  for _, module in ipairs(modules) do
    local names = sorted(module.list)
    for i, name in ipairs(names) do names[i] = module.prefix .. name end
    page:add(module.name .. ': ' .. module.text)
    page:add(table.concat(names, ', '), '  ')
  end
  page:add 'hooks, for mtasts.on'
  page:add(table.concat(sorted(api.hooks), ', '), '  ')
  page:add 'what functions return, and its fields'
  page:add(table.concat(sorted(api.fields), ', ') .. ', world', '  ')
  page:add "errors, and what to do about them"
  page:add("help 'CODE', or help(err)", '  ')
  page:add 'settings'
  page:add(table.concat(sorted(core.settings()), ', '), '  ')
  page:gap()
  page:add ':help lists the commands of this prompt.'
end

-- The text, and whether there is something of this name.
function help.text(name, width)
  prepare()
  local page = new_page(width)
  if name == nil then
    overview(page)
    return table.concat(page, '\n'), true
  end
  local found = topics[name] or topics[name:gsub('%(.*$', '')]
  if found then
    for i, write in ipairs(found) do
      if i > 1 then page:gap() end
      write(page)
    end
    return table.concat(page, '\n'), true
  end
  local names = sorted(topics)
  local near = help.nearest(name, names)
  page:add(("there is no help on '%s'%s; help() lists what there is"):format(text.clean(name),
    near and (" (did you mean '" .. near .. "'?)") or ''))
  return table.concat(page, '\n'), false
end

-- The name of a value that help was called with.
function help.name_of(value)
  for _, module in ipairs(modules) do
    local loaded = package.loaded[module.name]
    if loaded and value == loaded then return module.name end
    for name in pairs(loaded and module.list or {}) do
      if loaded[name] == value then return module.prefix .. name end
    end
  end
  local show = require 'mtasts.repl_print'
  return show.is_error(value) and value.code or show.kind(value)
end

return help
