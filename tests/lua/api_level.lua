-- SPDX-License-Identifier: ISC
-- What programs that use the Lua API can rely on, as a flat table: [what] = {kind, type, ...}. Of it the files in api_levels/ are made,
-- one for each level (MTS_API), and with them a later API is compared.
local level = {}

local function copy(list)
  return list and table.move(list, 1, #list, 1, {})
end

-- "number, seconds" -> { "number" }, "seconds"
local function read_type(words)
  local types, unit = words:match '^([^,]+), (.*)$'
  local alternatives = {}
  for word in ((types or words) .. ' or '):gmatch '(.-) or ' do alternatives[#alternatives + 1] = word end
  return alternatives, unit or ''
end

local function add_function(to, name, entry)
  to[name] = { kind = 'function', waits = entry.yields, fails = entry.fails }
  local positions = 0
  for _, arg in ipairs(entry.args) do
    local place
    if not arg[1]:find('.', 1, true) then
      positions = positions + 1
      place = positions
    end
    to[name .. ' ' .. arg[1]] = {
      kind = 'argument', of = name, place = place, type = arg[2], optional = arg.optional, choices = copy(arg.choices),
    }
  end
  for i, result in ipairs(entry.returns) do
    to[('%s result %d'):format(name, i)] = { kind = 'result', type = result[1], optional = result.optional or false }
  end
end

-- What a rule is asked is given to it, and what it returns is taken from it.
local function add_hook(to, name, entry)
  to[name] = { kind = 'function', waits = entry.yields, fails = entry.fails }
  for i, arg in ipairs(entry.args) do
    to[name .. ' ' .. arg[1]] = { kind = 'passed', place = i, type = arg[2], optional = arg.optional }
  end
  for i, result in ipairs(entry.returns) do
    to[('%s result %d'):format(name, i)] = {
      kind = 'argument', of = name, place = i, type = result[1], optional = result.optional or false,
    }
  end
end

-- The API as it is: the table mtasts.api, and what core.errors and core.settings return.
function level.of(api, errors, settings)
  local all = {}
  for list, prefix in pairs { functions = 'mtasts.', world = 'world:', osmtpd = 'osmtpd.', exim = 'exim.' } do
    for name, entry in pairs(api[list]) do add_function(all, prefix .. name, entry) end
  end
  for name, entry in pairs(api.hooks) do add_hook(all, 'hook ' .. name, entry) end
  for name, constant in pairs(api.constants) do all['mtasts.' .. name] = { kind = 'constant', type = constant.type } end
  for kind, fields in pairs(api.fields) do
    for name, field in pairs(fields) do
      all[kind .. '.' .. name] = { kind = 'field', type = field[1], optional = field.optional, choices = copy(field.choices) }
    end
  end
  for name, field in pairs(api.world_fields) do all['world.' .. name] = { kind = 'field', type = field[1], optional = false } end
  for _, err in ipairs(errors) do
    all['error ' .. err.code] = { kind = 'error', temporary = err.temporary, result_type = err.result_type }
  end
  for name, setting in pairs(settings) do all['setting ' .. name] = { kind = 'setting', type = setting.type } end
  return all
end

-- ---- comparing ----

local function holds(list, wanted)
  for _, word in ipairs(list) do
    if word == wanted then return true end
  end
  return false
end

-- The first word that is in one list and not in the other.
local function missing(wanted, list)
  for _, word in ipairs(wanted) do
    if not holds(list, word) then return word end
  end
end

local judge = {}

-- A function may take more than before, never less.
function judge.argument(old, new)
  local old_types, old_unit = read_type(old.type)
  local new_types, new_unit = read_type(new.type)
  local lost = missing(old_types, new_types)
  if lost then return ('takes no %s any more'):format(lost) end
  if old_unit ~= new_unit then return ("is '%s', and was '%s'"):format(new.type, old.type) end
  if old.place ~= new.place then return 'has another place' end
  if old.optional and not new.optional then return 'must be given now' end
  if new.choices and not old.choices then return 'takes only some strings now' end
  lost = new.choices and missing(old.choices, new.choices)
  if lost then return ("takes no '%s' any more"):format(lost) end
end

-- What it gives may be less than before in kind, never more.
local function given(old, new)
  local old_types, old_unit = read_type(old.type)
  local new_types, new_unit = read_type(new.type)
  if missing(new_types, old_types) or old_unit ~= new_unit then return ("is '%s', and was '%s'"):format(new.type, old.type) end
  if new.optional and not old.optional then return 'may be absent now' end
  local lost = old.choices and missing(old.choices, new.choices or old.choices)
  if lost then return ("is never '%s' any more"):format(lost) end
end
judge.result, judge.field, judge.constant, judge.setting = given, given, given, given

function judge.passed(old, new)
  return given(old, new) or old.place ~= new.place and 'has another place' or nil
end

judge['function'] = function(old, new)
  if new.waits and not old.waits then return 'may wait now' end
  if new.fails and not old.fails then return 'may return nil and an error now' end
end

function judge.error(old, new)
  if old.temporary ~= new.temporary then return ('is %stemporary now'):format(new.temporary and '' or 'not ') end
  if old.result_type ~= new.result_type then return 'has another result type' end
end

-- What breaks programs that were written for the old one: a sorted list of {what, why}.
function level.broken(old, new)
  local found = {}
  for what, was in pairs(old) do
    local is = new[what]
    local why
    if not is then
      why = 'is gone'
    elseif is.kind ~= was.kind then
      why = ('is a %s, and was a %s'):format(is.kind, was.kind)
    else
      why = judge[was.kind](was, is)
    end
    if why then found[#found + 1] = { what, why } end
  end
  for what, is in pairs(new) do
    if not old[what] and is.kind == 'argument' and old[is.of] and not is.optional then found[#found + 1] = { what, 'must be given now' } end
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  return found
end

-- ---- files ----

local function sorted(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function literal(value)
  if type(value) == 'table' then
    local words = {}
    for i, word in ipairs(value) do words[i] = ("'%s'"):format(word) end
    return '{ ' .. table.concat(words, ', ') .. ' }'
  end
  return type(value) == 'string' and ("'%s'"):format(value) or tostring(value)
end

local function add_table(lines, name, list, one_line)
  lines[#lines + 1] = ('  %s = {'):format(name)
  for _, what in ipairs(sorted(list)) do lines[#lines + 1] = ("    ['%s'] = %s,"):format(what, one_line(list[what])) end
  lines[#lines + 1] = '  },'
end

-- given_up: [what] = why, of what earlier levels had and this one has not, or otherwise.
function level.text(number, given_up, all)
  local lines = {
    '-- SPDX-License-Identifier: ISC',
    ('-- Level %d of the Lua API, written by "./build.sh api". What was given up at this level is written by hand.'):format(number),
    '-- luacheck: no max line length',
    'return {',
  }
  add_table(lines, 'given_up', given_up, literal)
  add_table(lines, 'api', all, function(item)
    local words = {}
    for i, key in ipairs(sorted(item)) do words[i] = ('%s = %s'):format(key, literal(item[key])) end
    return '{ ' .. table.concat(words, ', ') .. ' }'
  end)
  lines[#lines + 1] = '}'
  return table.concat(lines, '\n') .. '\n'
end

function level.path(root, number) return ('%s/tests/lua/api_levels/%d.lua'):format(root, number) end

-- Levels 1 to the last that is stored: {[number] = {given_up, api}}
function level.stored(root)
  local levels = {}
  repeat
    local chunk = loadfile(level.path(root, #levels + 1), 't', {})
    levels[#levels + 1] = chunk and chunk()
  until not chunk
  return levels
end

return level
