-- SPDX-License-Identifier: ISC
-- The globals that rules see: a table of their own, in which what could harm a mail server is off unless the setting rules_allow names it.
-- Scripts, our own modules and what a person types at the prompt keep Lua's own.
local core = require 'mtasts.core'

local sandbox = {}

-- As they are before anything of the operator's runs.
local error, ipairs, load, loadfile, pairs = error, ipairs, load, loadfile, pairs
local select, type = select, type
local count_all = core.count_all
local lua, require, spend, loadlib, searchpath = _G, require, core.spend, package.loadlib, package.searchpath
local byte, concat, format, gsub, match = string.byte, table.concat, string.format, string.gsub, string.match

-- Of our modules these are the same for all. Others are loaded as if they were the rules' own, so that nothing off comes back through them.
local shared <const> = { mtasts = true, ['mtasts.core'] = true, ['mtasts.api'] = true, ['mtasts.exim'] = true, ['mtasts.osmtpd'] = true }

local BYTE <const> = 8 -- of source: so many instructions, for the compiler takes its time

-- ---- what is off ----

local function allowed()
  local words = {}
  for word in core.settings().rules_allow.value:gmatch '[^%s,]+' do words[word] = true end
  if words.all then return { debug = true, execute = true, loadlib = true, popen = true } end
  return words
end

local function off(name, word)
  local text <const> = format('%s is off in rules; the setting rules_allow = %s allows it', name, word)
  return function() error(text, 2) end
end

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

local function debug_library(may)
  if may.debug then return copy(lua.debug) end
  local library = {}
  for name, value in pairs(lua.debug) do library[name] = name == 'traceback' and value or off('debug.' .. name, 'debug') end
  return library
end

-- ---- source becomes a function ----

local BINARY <const> = 'a binary chunk is off in rules; the setting rules_allow = debug allows it'

local function counted(reader)
  return function()
    local piece = reader()
    if type(piece) == 'string' then spend(BYTE * #piece) end
    return piece
  end
end

local function add_loaders(globals, may)
  local function text_only(mode)
    if may.debug then return mode end
    return 't'
  end

  function globals.load(chunk, name, mode, ...)
    local env = globals
    if select('#', ...) > 0 then env = ... end
    if type(chunk) == 'string' then
      if not may.debug and (byte(chunk) == 27 or mode == 'b') then return nil, BINARY end
      spend(BYTE * #chunk)
    elseif type(chunk) == 'function' then
      chunk = counted(chunk)
    end
    return load(chunk, name, text_only(mode), env)
  end

  function globals.loadfile(path, mode, ...)
    local env = globals
    if select('#', ...) > 0 then env = ... end
    return loadfile(path, text_only(mode), env)
  end

  function globals.dofile(path)
    local chunk, why = loadfile(path, text_only(), globals)
    if not chunk then error(why, 0) end
    return chunk()
  end
end

-- ---- modules ----

-- Those of Lua are looked for as ever, and see what the rules see. Those in C are code of the system's that no table of ours can hold.
local function searchers_of(own, globals)
  local function in_c(name, file_of)
    local path, why = searchpath(file_of, own.cpath)
    if not path then return why end
    local symbol = gsub(match(name, '^[^-]*%-(.*)$') or name, '%.', '_')
    local open, trouble, where = loadlib(path, 'luaopen_' .. symbol)
    if open then
      count_all()
      return open, path
    end
    if where == 'init' and file_of ~= name then return format("no module '%s' in file '%s'", name, path) end
    error(format("error loading module '%s' from file '%s':\n\t%s", name, path, trouble), 0)
  end
  return {
    function(name)
      if shared[name] then return function() return require(name) end, ':mtasts:' end
      local loader = own.preload[name]
      if loader == nil then return format("no field package.preload['%s']", name) end
      return loader, ':preload:'
    end,
    function(name)
      local path, why = searchpath(name, own.path)
      if not path then return why end
      local chunk, trouble = loadfile(path, nil, globals)
      if chunk then return chunk, path end
      error(format("error loading module '%s' from file '%s':\n\t%s", name, path, trouble), 0)
    end,
    function(name) return in_c(name, name) end,
    function(name)
      local root = match(name, '^([^.]+)%.')
      if root then return in_c(name, root) end
    end,
  }
end

local function add_modules(globals, may)
  local own = {
    config = lua.package.config, cpath = lua.package.cpath, loaded = { _G = globals }, path = lua.package.path,
    preload = {}, searchpath = searchpath,
  }
  if may.loadlib then
    function own.loadlib(...)
      count_all()
      return loadlib(...)
    end
  else
    own.loadlib = off('package.loadlib', 'loadlib')
  end
  own.searchers = searchers_of(own, globals)
  globals.package = own
  for name in pairs(lua.package.loaded) do
    if type(globals[name]) == 'table' then own.loaded[name] = globals[name] end
  end

  function globals.require(name)
    if type(name) ~= 'string' then error(format("bad argument #1 to 'require' (string expected, got %s)", type(name)), 2) end
    if own.loaded[name] then return own.loaded[name] end
    local tried = {}
    for _, searcher in ipairs(own.searchers) do
      local loader, data = searcher(name)
      if type(loader) == 'function' then
        local value = loader(name, data)
        if value ~= nil then own.loaded[name] = value elseif own.loaded[name] == nil then own.loaded[name] = true end
        return own.loaded[name], data
      elseif type(loader) == 'string' then
        tried[#tried + 1] = '\n\t' .. loader
      end
    end
    error(format("module '%s' not found:%s", name, concat(tried)), 2)
  end
end

-- ---- all of it ----

-- string stays the table that s:find() looks into.
local plain <const> = {
  'assert', 'collectgarbage', 'error', 'getmetatable', 'ipairs', 'next', 'pairs', 'pcall', 'rawequal', 'rawget', 'rawlen', 'rawset',
  'select', 'string', 'tonumber', 'tostring', 'type', 'warn', 'xpcall', '_VERSION',
}

-- New globals for a file with rules, as the settings are now.
function sandbox.globals()
  core.guard()
  local may, globals = allowed(), {}
  for _, name in ipairs(plain) do globals[name] = lua[name] end
  for _, name in ipairs { 'coroutine', 'io', 'math', 'os', 'table', 'utf8' } do globals[name] = copy(lua[name]) end
  globals._G = globals
  globals.setmetatable = core.setmetatable_of(lua.setmetatable)
  globals.debug = debug_library(may)
  if not may.execute then globals.os.execute = off('os.execute', 'execute') end
  if not may.popen then globals.io.popen = off('io.popen', 'popen') end
  function globals.print(...) lua.print(...) end -- a terminal has one of its own
  add_loaders(globals, may)
  add_modules(globals, may)
  return globals
end

return sandbox
