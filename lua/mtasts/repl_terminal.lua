-- SPDX-License-Identifier: ISC
-- Lines from a person: with libedit, or plain where it is not installed or the terminal cannot do it. The history is a file of the user's.
local commands = require 'mtasts.repl_commands'
local complete = require 'mtasts.repl_complete'
local core = require 'mtasts.core'
local help = require 'mtasts.repl_help'
local input = require 'mtasts.repl_input'
local text = require 'mtasts.text'

local terminal = {}

local HISTORY_MOST <const> = 1000
local HISTORY_BYTES_MOST <const> = 1 << 20
local STORE_KEPT_MS <const> = 10000

-- ---- completion ----

local function keys_of(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  return keys
end

local function known_to(session)
  local known = { globals = _G, commands = commands.names, settings = commands.settings_names, help = help.names }
  local listed, listed_at
  function known.domains()
    local domains = keys_of(session.domains)
    local more = session.told_domains()
    if not session.in_world() then
      -- A large store is not read at each key.
      if not listed or core.elapsed() - listed_at > STORE_KEPT_MS then
        listed, listed_at = {}, core.elapsed()
        for i, entry in ipairs(core.store_list() or {}) do listed[i] = entry.domain end
      end
      more = listed
    end
    return table.move(more, 1, #more, #domains + 1, domains)
  end
  function known.hosts() return keys_of(session.hosts) end
  return known
end

-- ---- history ----

local function history_file()
  local state, home = os.getenv 'XDG_STATE_HOME', os.getenv 'HOME'
  if state and state:sub(1, 1) == '/' then return state .. '/mtasts/history' end
  return home and home:sub(1, 1) == '/' and home .. '/.local/state/mtasts/history' or nil
end

-- The newest entries; a file that has grown too long is written anew.
local function read_history(edit, path)
  local file = io.open(path, 'rb')
  if not file then return {} end
  local size = file:seek 'end'
  file:seek('set', math.max(0, size - HISTORY_BYTES_MOST))
  local entries = input.decode(file:read 'a' or '')
  file:close()
  if #entries <= HISTORY_MOST and size <= HISTORY_BYTES_MOST then return entries end
  entries = table.move(entries, math.max(1, #entries - HISTORY_MOST // 2 + 1), #entries, 1, {})
  local fresh = edit.private_file(path .. '.new', 'w')
  if fresh then
    for _, entry in ipairs(entries) do fresh:write(input.encode(entry)) end
    if fresh:close() then os.rename(path .. '.new', path) end
  end
  return entries
end

-- ---- with libedit ----

local function load_edit()
  -- It lies beside our Lua files, wherever those are.
  local own = package.searchpath('mtasts.repl_terminal', package.path)
  local path = own:gsub('share/lua/5%.4/mtasts/repl_terminal%.lua$', 'lib/lua/5.4/mtasts/edit.so')
  local open, why = package.loadlib(path, 'luaopen_mtasts_edit')
  if not open then return nil, why end
  return open()
end

local function with_libedit(session, edit, editor)
  local known = known_to(session)
  local function complete_line(line) return complete.line(line, known, session.width()) end
  local path = history_file()
  for _, entry in ipairs(path and read_history(edit, path) or {}) do editor:remember(entry) end
  local last
  local function remember(piece)
    if piece == last or not piece:find '^%S' then return end -- a line that begins with a blank is not kept
    last = piece
    editor:remember(piece)
    local file = path and edit.private_file(path, 'a')
    if not file then return end
    file:write(input.encode(piece))
    file:close()
  end
  return {
    read = function(prompt) return editor:read(prompt, complete_line) end,
    remember = remember,
    close = function() editor:close() end,
  }
end

-- ---- without ----

local function plain()
  local function ask(prompt)
    io.stdout:write(prompt)
    io.stdout:flush()
    return io.read()
  end
  local function read(prompt)
    local stopped, ok, line = core.guarded(ask, tostring, prompt)
    if stopped then
      io.stdout:write '\n'
      return nil, 'stopped'
    end
    return ok and line or nil, 'end'
  end
  return { read = read, remember = function() end, close = function() end }
end

function terminal.open(session)
  local kind = os.getenv 'TERM' or ''
  if kind == '' or kind == 'dumb' then return plain() end
  local edit, why = load_edit()
  local editor
  if edit then editor, why = edit.open() end
  if editor then return with_libedit(session, edit, editor) end
  io.stderr:write('mtasts: no line editing, completion or history: ', text.clean(tostring(why)), '\n')
  return plain()
end

return terminal
