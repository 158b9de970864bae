-- SPDX-License-Identifier: ISC
-- What this machine's mail servers go by, for the command line: the settings file and the rules in /etc/mtasts.
local core = require 'mtasts.core'

local folder = os.getenv 'MTASTS_ETC'
if folder == '' then folder = nil end

local system = {
  settings = folder and folder .. '/mtasts.conf' or core.conf_file,
  rules = folder and folder .. '/rules.lua' or core.rules_file,
}

local ENOENT <const>, ENOTDIR <const> = 2, 20

-- 'readable', 'missing' or 'hidden': it may be there, but not for this user.
local function look(path)
  local file, _, code = io.open(path, 'rb')
  if file then
    file:close()
    return 'readable'
  end
  return (code == ENOENT or code == ENOTDIR) and 'missing' or 'hidden'
end

local function blocked(path, option)
  io.stderr:write(("mtasts: %s counts for the mail server, but cannot be read by this user; %s none: without it\n"):format(path, option))
end

-- Those of a program that stays, and where the messages of one go, which has no terminal.
local of_servers <const> = { 'log', 'log_level', 'background', 'record' }

local LINE_MOST <const> = 4095

local function set_line(line)
  local words = line:match '^[ \t\r]*(.-)[ \t\r]*$'
  if #line > LINE_MOST or line:find '\0' then return nil, 'the line is too long, or holds a NUL' end
  if words == '' or words:sub(1, 1) == '#' then return true end
  local name, value = words:match '^([^=]-)[ \t]*=[ \t]*(.*)$'
  if not name then return nil, 'a line is NAME = VALUE' end
  return pcall(core.configure, { [name] = value })
end

local function read(path)
  local file, why = io.open(path, 'rb')
  if not file then return nil, why end
  local content
  content, why = file:read 'a'
  file:close()
  if not content then return nil, ('%s: %s'):format(path, why) end
  local kept, number = {}, 0
  for _, name in ipairs(of_servers) do kept[name] = core.setting(name) end
  for line in content:gmatch '([^\n]*)\n?' do
    number = number + 1
    local ok
    ok, why = set_line(line)
    if not ok then return nil, ('%s:%d: %s'):format(path, number, why) end
  end
  core.configure(kept)
  return true
end

-- Takes the settings of the file, 'none', or with nil of the one that the mail server reads. Returns true, or nil and why.
function system.take_settings(path)
  if path == 'none' then return true end
  if path then return read(path) end
  local found = look(system.settings)
  if found == 'readable' then return read(system.settings) end
  if found == 'hidden' then blocked(system.settings, '--settings') end
  return true
end

-- The file of rules that counts, if one does, and whether no setting names it.
function system.rules_file()
  local named = core.setting 'rules'
  if named == 'none' then return nil, false end
  if named ~= '' then return named, false end
  local found = look(system.rules)
  if found == 'hidden' then blocked(system.rules, '--rules') end
  if found == 'readable' then return system.rules, true end
  return nil, false
end

return system
