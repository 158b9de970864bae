-- SPDX-License-Identifier: ISC
-- What may stand at the cursor: names of Lua and mtasts, fields, options, domains, commands. Runs no code of the user's: fields of tables
-- are read raw, and only views of ours are asked.
local api = require 'mtasts.api'
local show = require 'mtasts.repl_print'

local complete = {}

local SHOWN_MOST <const> = 60

local keywords = {}
for word in ('and break do else elseif end false for function goto if in local nil not or repeat return then true until while')
  :gmatch '%a+' do keywords[#keywords + 1] = word end

-- ---- where the cursor is ----

-- The quote that is open at the end of the line and where its string begins, and the brackets that are open, by position.
local function scan(line)
  local i, quote, from, brackets = 1, nil, nil, {}
  while i <= #line do
    local c = line:sub(i, i)
    if quote then
      if c == '\\' then i = i + 1 elseif c == quote then quote = nil end
    elseif c == '"' or c == "'" then
      quote, from = c, i + 1
    elseif c == '-' and line:sub(i, i + 1) == '--' then
      return nil, nil, {}
    elseif c:find '[({[]' then
      brackets[#brackets + 1] = i
    elseif c:find '[])}]' then
      brackets[#brackets] = nil
    end
    i = i + 1
  end
  return quote, from, brackets
end

-- The function that is called with what begins at this position: 'mtasts.lookup' of "x = mtasts.lookup('a.test', {".
local function callee(line, at) return line:sub(1, at - 1):match '([%a_][%w_.:]*)%s*$' end

local function callee_of(line, brackets, from)
  local name = from and callee(line, from - 1)
  for i = #brackets, 1, -1 do
    if name then break end
    name = callee(line, brackets[i])
  end
  return name
end

local entries = { mtasts = api.functions, osmtpd = api.osmtpd, exim = api.exim }

-- What mtasts.api says of a function; world:dns and help too.
local function entry_of(name)
  local module, rest = (name or ''):match '([%a_]+)[.:]([%a_]+)$'
  if module and entries[module] then return entries[module][rest] end
  return rest and api.world[rest]
end

-- ---- candidates ----

local function keys_of_map(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  return keys
end

local function is_name(key) return type(key) == 'string' and key:find '^[%a_][%w_]*$' ~= nil end

-- The fields of a value, with those that mtasts.api knows of its kind.
local function fields_of(value)
  local names = {}
  local kind = show.kind(value)
  if kind == 'world' then
    names = keys_of_map(api.world)
    names[#names + 1] = 'now'
  elseif kind and api.fields[kind] then
    names = keys_of_map(api.fields[kind])
  end
  local count = 0
  local function collect(from)
    for key in next, from do
      count = count + 1
      if count > 5000 then return end
      if is_name(key) then names[#names + 1] = key end
    end
  end
  if type(value) == 'table' then collect(value) end
  local meta = debug.getmetatable(value)
  local index = type(meta) == 'table' and rawget(meta, '__index')
  if type(index) == 'table' then collect(index) end
  return names
end

local function member(value, key)
  if type(value) == 'table' then
    local found = rawget(value, key)
    if found ~= nil then return found end
    if math.tointeger(key) and show.kind(value) then return value[math.tointeger(key)] end
  end
  local meta = debug.getmetatable(value)
  local index = type(meta) == 'table' and rawget(meta, '__index')
  return type(index) == 'table' and rawget(index, key) or nil
end

-- 'a.b[1].c' -> the value, without running anything; nil: not known
local function value_of(path, globals)
  local value = globals
  for part in path:gmatch '[^.:[%]]+' do
    value = member(value, math.tointeger(tonumber(part)) or part)
    if value == nil then return nil end
  end
  return value
end

-- Fields of what a function returns: "mtasts.lookup('a.test')." -> answer
local function fields_of_call(before)
  local name = before:match '([%a_][%w_.]*)%s*%b()$' or before:match "([%a_][%w_.]*)%s*'[^']*'$" or before:match '([%a_][%w_.]*)%s*"[^"]*"$'
  local entry = name and entry_of(name)
  local kind = entry and entry.returns[1] and entry.returns[1][2]
  return kind and api.fields[kind] and keys_of_map(api.fields[kind]) or {}
end

local function options_of(entry)
  local names = {}
  for _, arg in ipairs(entry and entry.args or {}) do
    names[#names + 1] = arg[1]:match '^%l+%.([%l_]+)$' -- opts.depth
  end
  return names
end

-- The strings that an option or argument may be.
local function words_of(entry, argument)
  for _, arg in ipairs(entry and entry.args or {}) do
    if arg[1]:match '[%l_]+$' == argument then return arg.choices or {} end
  end
  return {}
end

-- And a field of any kind: "answer.mode == '".
local function words_of_field(field)
  local words = {}
  for _, fields in pairs(api.fields) do
    local choices = fields[field] and fields[field].choices or {}
    table.move(choices, 1, #choices, #words + 1, words)
  end
  return words
end

-- Within a string: by the function that gets it.
local function in_string(line, from, brackets, known)
  local compared = line:sub(1, from - 2):match '%.([%l_]+)%s*[=~]=%s*$'
  if compared then return words_of_field(compared) end
  local name = callee_of(line, brackets, from)
  if name == 'help' then return known.help() end
  if name == 'require' then return { 'mtasts', 'mtasts.osmtpd', 'mtasts.exim' } end
  local last = name and name:match '[%a_]+$'
  local option = line:sub(1, from - 2):match '[^%w_.]([%l_]+)%s*=%s*$'
  if option then return words_of(entry_of(name), option) end
  if last == 'on' and name:find '^osmtpd' then return words_of(api.osmtpd.on, 'phase') end
  if last == 'on' then return keys_of_map(api.hooks) end
  if last == 'treat_as' then return words_of(api.functions.treat_as, 'mode') end
  if last == 'lookup' or last == 'all' or last == 'parse_destination' or last == 'record_session' then return known.domains() end
  if last == 'probe' or last == 'mx_matches' then return known.hosts() end
  return {}
end

-- ---- commands ----

local function command_words(line, known)
  local name, argument = line:match '^%s*:(%l+)%s+(.*)$'
  if not name then return line:match '^%s*:(%l*)$', known.commands(), ' ' end
  if name == 'set' and not argument:find '=' then return argument, known.settings(), '=' end
  if name == 'settings' then return argument, known.settings(), '' end
  if name == 'trace' or name == 'time' then return argument, { 'on', 'off' }, '' end
  if name == 'help' then return argument, known.commands(), '' end
  return argument, {}, ''
end

-- ---- all together ----

-- The word at the cursor, what it may become, and what follows a word that is complete.
local function choose(line, known)
  if line:find '^%s*:' then return command_words(line, known) end
  if line:find '^%s*=%l*$' then return line:match '(%l*)$', { 'json', 'fields' }, ' ' end
  local quote, from, brackets = scan(line)
  if quote then return line:sub(from), in_string(line, from, brackets, known), quote end
  local before, mark, word = line:match '^(.-)([.:])([%a_]?[%w_]*)$'
  if before and before:find '[%w_%]]$' and line:find '[%a_][%w_.:%[%]]*$' then
    local path = before:match '[%a_][%w_.:%[%]]*$'
    local value = path and value_of(path, known.globals)
    local names = fields_of(value)
    if mark == ':' then
      local callable = {}
      for _, name in ipairs(names) do
        local found = member(value, name)
        if type(found) == 'function' or show.kind(value) == 'world' and api.world[name] then callable[#callable + 1] = name end
      end
      names = callable
    end
    return word, names, ''
  elseif before and mark == '.' and before:find "[)'\"]%s*$" then
    return word, fields_of_call(before), ''
  end
  word = line:match '[%a_][%w_]*$' or ''
  local bracket = brackets[#brackets]
  local inside = bracket and line:sub(bracket + 1, -#word - 1)
  if inside and line:sub(bracket, bracket) == '{' and (inside:find '^%s*$' or inside:find ',%s*$') then
    local name = callee_of(line, brackets)
    if name == 'mtasts.configure' then return word, known.settings(), ' = ' end
    if name == 'mtasts.fake' then return word, { 'dns', 'https', 'smtp', 'now' }, ' = ' end
    local names = options_of(entry_of(name))
    if #names > 0 then return word, names, ' = ' end
  end
  local names = fields_of(known.globals)
  table.move(keywords, 1, #keywords, #names + 1, names)
  return word, names, ''
end

local function fitting(word, names)
  local found, seen = {}, {}
  for _, name in ipairs(names) do
    if name:sub(1, #word) == word and not seen[name] then
      seen[name] = true
      found[#found + 1] = name
    end
  end
  table.sort(found)
  return found
end

local function common_start(names)
  local start = names[1]
  for i = 2, #names do
    while names[i]:sub(1, #start) ~= start do start = start:sub(1, -2) end
  end
  return start
end

-- Names in columns, as many as fit.
function complete.columns(names, width)
  local widest = 0
  local count = math.min(#names, SHOWN_MOST)
  for i = 1, count do widest = math.max(widest, #names[i]) end
  local across = math.max(1, width // (widest + 2))
  local down = (count + across - 1) // across
  local lines = {}
  for row = 1, down do
    local line = {}
    for column = 0, across - 1 do
      local name = row + column * down <= count and names[row + column * down]
      if name then line[#line + 1] = name .. (' '):rep(widest + 2 - #name) end
    end
    lines[row] = table.concat(line):gsub(' +$', '')
  end
  if #names > count then lines[#lines + 1] = ('… %d more'):format(#names - count) end
  return table.concat(lines, '\n')
end

-- known: globals, and functions that list domains, hosts, commands, settings and what help knows. Returns what to insert behind the line,
-- which ends at the cursor, and what to show below it; both may be nil.
function complete.line(line, known, width)
  if line:find '^%s*$' then return '  ', nil end -- as pasted lines begin
  local word, names, behind = choose(line, known)
  if not word then return nil, nil end
  local found = fitting(word, names)
  if #found == 0 then return nil, nil end
  if #found == 1 then return found[1]:sub(#word + 1) .. behind, nil end
  local start = common_start(found)
  if #start > #word then return start:sub(#word + 1), nil end
  return nil, complete.columns(found, width)
end

return complete
