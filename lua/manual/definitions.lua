-- SPDX-License-Identifier: ISC
-- Definitions for editors in the form of LuaCATS, which lua-language-server and others read: one file for each module.
local entries = require 'manual.entries'
local api = require 'mtasts.api'

local WIDTH <const> = 140

local basic <const> = {
  string = 'string', integer = 'integer', number = 'number', boolean = 'boolean', table = 'table', list = 'table',
  ['function'] = 'function',
}

local function class_of(kind)
  assert(api.fields[kind] or api.opaque[kind] or kind == 'world', kind)
  return 'mtasts.' .. kind
end

local function one_type(word)
  local element = word:match '^list of (.*)$'
  if element then
    local plain = basic[element:match '^(%l+)s$']
    return (plain or class_of(element)) .. '[]'
  end
  return basic[word] or class_of(word)
end

-- The type of an arg or a field.
local function type_of(item)
  if item.editor then return item.editor end
  if item.choices then
    local words = {}
    for i, choice in ipairs(item.choices) do words[i] = '"' .. choice .. '"' end
    return table.concat(words, '|')
  end
  local types = {}
  for i, word in ipairs(entries.alternatives(item[1] and item[2] or item.type)) do types[i] = one_type(word) end
  return table.concat(types, '|')
end

-- Fields have no name of their own in front.
local function field_type(field)
  return type_of { '', field[1], choices = field.choices, editor = field.editor }
end

local reserved <const> = { ['until'] = 'until_' }
local function variable(name) return reserved[name] or name end

-- ---- lines ----

local File = {}
File.__index = File

function File:line(line) self[#self + 1] = line or '' end

-- Words as a comment, behind what begins the first line.
function File:words(words, first)
  local line = first or '---'
  local empty = line
  for word in words:gmatch '%S+' do
    if #line + 1 + #word > WIDTH and line ~= empty then
      self:line(line)
      line, empty = '---', '---'
    end
    line = (line == '---' and line or line .. ' ') .. word
  end
  self:line(line)
end

local function new(module)
  local file = setmetatable({}, File)
  file:line('---@meta ' .. module)
  file:line '-- SPDX-License-Identifier: ISC'
  file:line '-- Definitions for editors (LuaCATS), written by lua/manual/write.lua of lua/mtasts/api*.lua. No program loads this file.'
  file:line '-- luacheck: ignore 212 241'
  file:line()
  return file
end

function File:class(name, text, fields, list_of)
  self:words(text)
  self:line('---@class ' .. name)
  for _, field in ipairs(fields) do
    self:words(field.text)
    self:line(('---@field %s%s %s'):format(field.name, field.optional and '?' or '', field.type))
  end
  if list_of then self:line('---@field [integer] ' .. list_of) end
end

local function unit_of(type_words)
  local unit = type_words:match ', (.*)$'
  return unit and ' (' .. unit .. ')' or ''
end

local function options_class(entry, parameter) return ('mtasts.%s_%s'):format(entry.name, parameter[1]) end

local function parameter_type(entry, parameter)
  return parameter.fields and options_class(entry, parameter) or type_of(parameter)
end

local function signature(entry)
  local words = {}
  for i, parameter in ipairs(entries.parameters(entry)) do
    words[i] = ('%s%s: %s'):format(variable(parameter[1]), parameter.optional and '?' or '', parameter_type(entry, parameter))
  end
  return 'fun(' .. table.concat(words, ', ') .. ')'
end

-- The tables of options of a function, as classes.
function File:options(entry)
  for _, parameter in ipairs(entries.parameters(entry)) do
    if parameter.fields then
      local fields = {}
      for i, name in ipairs(parameter.order) do
        local arg = parameter.fields[name]
        fields[i] = { name = name, optional = arg.optional, type = type_of(arg), text = arg[3] .. unit_of(arg[2]) }
      end
      self:class(options_class(entry, parameter), ('What %s is given.'):format(entry.name), fields)
      self:line()
    end
  end
end

local function hook_overloads(file)
  for _, hook in ipairs(entries.sorted(api.hooks)) do
    local back = hook.returns[1] and ': ' .. class_of(hook.returns[1][1]) .. '?' or ''
    file:line(('---@overload fun(kind: "%s", fn: %s%s)'):format(hook.name, signature(hook), back))
  end
end

function File:fn(owner, entry, separator)
  self:words(entry.text)
  self:line '---'
  local notes = { entry.yields and 'It may wait.' or 'It never waits.' }
  if entry.errors then notes[#notes + 1] = 'Errors: ' .. entry.errors .. '.' end
  notes[#notes + 1] = 'Context: ' .. entry.context .. '. Since ' .. entry.since .. '.'
  if entry.source then notes[#notes + 1] = 'Source: ' .. entry.source .. '.' end
  self:words(table.concat(notes, ' '))
  local names = {}
  for i, parameter in ipairs(entries.parameters(entry)) do
    names[i] = variable(parameter[1])
    local head = ('---@param %s%s %s'):format(names[i], parameter.optional and '?' or '', parameter_type(entry, parameter))
    if parameter[3] == '' then self:line(head) else self:words(parameter[3] .. unit_of(parameter[2]), head .. ' #') end
  end
  for _, value in ipairs(entry.returns) do
    local absent = (value.optional or entry.fails) and '?' or ''
    self:line(('---@return %s%s %s'):format(type_of { '', value[1] }, absent, value[2]))
  end
  if entry.fails then
    self:line '---@return mtasts.error? err'
    self:line(('---@overload %s: nil, mtasts.error'):format(signature(entry)))
  end
  if owner == 'mtasts' and entry.name == 'on' then hook_overloads(self) end
  self:line(('function %s%s%s(%s) end'):format(owner, separator or '.', entry.name, table.concat(names, ', ')))
  self:line()
end

-- ---- the module 'mtasts' ----

local function codes(file, core)
  file:line '---The code of an error, see mtasts-errors(7).'
  file:line '---@alias mtasts.code'
  for _, err in ipairs(core.errors()) do file:line(('---| "%s" # %s'):format(err.code, err.message)) end
  file:line()
end

local setting_types <const> = {
  text = 'string', choice = 'string', list = 'string|string[]', number = 'integer|string', bool = 'boolean|"yes"|"no"',
}

local function settings(file, core)
  local known, fields = core.settings(), {}
  for i, name in ipairs(entries.names(known)) do
    fields[i] = { name = name, optional = true, type = setting_types[known[name].type], text = known[name].meaning }
  end
  file:class('mtasts.settings', 'What mtasts.configure is given, see mtasts(1).', fields)
  file:line()
end

local function kinds(file)
  for _, kind in ipairs(entries.sorted(api.kinds)) do
    local fields = {}
    for i, name in ipairs(entries.names(api.fields[kind.name])) do
      local field = api.fields[kind.name][name]
      fields[i] = { name = name, optional = field.optional, type = field_type(field), text = field[2] .. unit_of(field[1]) }
    end
    file:class(class_of(kind.name), kind.text, fields, kind.list_of and class_of(kind.list_of))
    file:line()
  end
  for _, name in ipairs(entries.names(api.opaque)) do
    file:class(class_of(name), api.opaque[name], {})
    file:line()
  end
end

local function main(core)
  local file = new 'mtasts'
  codes(file, core)
  settings(file, core)
  kinds(file)
  for _, entry in ipairs(entries.sorted(api.functions)) do file:options(entry) end
  local now = api.world_fields.now
  file:class('mtasts.world', 'What mtasts.fake returns.', { { name = 'now', type = field_type(now), text = now[2] .. unit_of(now[1]) } })
  file:line 'local world = {}'
  file:line()
  for _, entry in ipairs(entries.sorted(api.world)) do file:fn('world', entry, ':') end
  local constants = {}
  for i, name in ipairs(entries.names(api.constants)) do
    constants[i] = { name = name, type = api.constants[name].type, text = api.constants[name].text }
  end
  file:class('mtasts', 'MTA-STS (RFC 8461) for Lua, see mtasts-lua(3).', constants)
  file:line 'local mtasts = {}'
  file:line()
  for _, entry in ipairs(entries.sorted(api.functions)) do file:fn('mtasts', entry) end
  file:line 'return mtasts'
  return table.concat(file, '\n') .. '\n'
end

local function server(name, text)
  local file = new('mtasts.' .. name)
  file:class('mtasts.' .. name, text, {})
  file:line(('local %s = {}'):format(name))
  file:line()
  for _, entry in ipairs(entries.sorted(api[name])) do file:fn(name, entry) end
  file:line('return ' .. name)
  return table.concat(file, '\n') .. '\n'
end

-- The files: [path below the folder of definitions] = text
return function(core)
  return {
    ['mtasts.lua'] = main(core),
    ['mtasts/osmtpd.lua'] = server('osmtpd', "Rules for the sessions of OpenSMTPD's clients, see mtasts-lua(3)."),
    ['mtasts/exim.lua'] = server('exim', "Functions for Exim's expansions, see mtasts-lua(3)."),
  }
end
