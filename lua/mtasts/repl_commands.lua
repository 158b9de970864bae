-- SPDX-License-Identifier: ISC
-- The commands of the prompt, which begin with a colon. Each gets the session and its argument, and returns whether it went well.
local core = require 'mtasts.core'
local errors = require 'mtasts.repl_errors'
local help = require 'mtasts.repl_help'
local rules = require 'mtasts.rules'
local show = require 'mtasts.repl_print'
local system = require 'mtasts.system'
local text = require 'mtasts.text'

local commands = {}

-- Those with an argument say which.
local list <const> = {
  { name = 'help', argument = '[NAME]', text = 'These commands; with a name the same as help \'NAME\'.' },
  { name = 'trace', argument = 'on|off', text = 'Show the steps of each lookup.' },
  { name = 'time', argument = 'on|off', text = 'Show how long each line took; off: only from 10 ms on.' },
  { name = 'reload', argument = '', text = 'Load the rules anew. If they do not load the old ones stay.' },
  { name = 'world', argument = '[FILE]', text = 'Go to a world that a Lua file tells, without network and store; without FILE: back.' },
  { name = 'set', argument = 'NAME=VALUE', text = 'Change a setting.' },
  { name = 'settings', argument = '[NAME]', text = 'Show the settings, or one of them.' },
  { name = 'quit', argument = '', text = 'Leave; so does Ctrl-D.' },
}

local run = {}

function commands.names()
  local names = {}
  for i, command in ipairs(list) do names[i] = command.name end
  return names
end

-- ---- help ----

function run.help(session, name)
  if name ~= '' and not run[name:gsub('^:', '')] then return session.help(name) end
  local column = session.width() >= 60 and 22 or 0
  for _, command in ipairs(list) do
    local head = '  :' .. command.name .. ' ' .. command.argument
    if name == '' or name:gsub('^:', '') == command.name then
      if column > 0 then
        session.say(text.beside(head .. (' '):rep(column - #head), command.text, session.width()))
      else
        session.say(head)
        session.say((text.wrap('    ' .. command.text, '    ', session.width())))
      end
    end
  end
  if name == '' then
    session.say(text.wrap("Everything else is Lua: expressions are shown, _ is the last result, '=json EXPR' shows JSON and "
      .. "'=fields EXPR' all fields. Ctrl-C stops what is under way. help() lists functions, fields and settings.", '', session.width()))
  end
  return true
end

-- ---- switches ----

local function switch(session, name, argument)
  if argument == 'on' or argument == 'off' then
    session[name] = argument == 'on'
    return true
  elseif argument == '' then
    session.say((':%s is %s'):format(name, session[name] and 'on' or 'off'))
    return true
  end
  session.complain((':%s wants on or off'):format(name))
  return false
end

function run.trace(session, argument)
  local ok = switch(session, 'trace', argument)
  session.trace_lookups(session.trace)
  return ok
end

function run.time(session, argument) return switch(session, 'time', argument) end

function run.quit(session)
  session.over = true
  return true
end

-- ---- rules ----

-- What rules have loaded by require, to be loaded anew with them.
local loaded_before

local function forget_modules()
  local gone = {}
  for name, module in pairs(package.loaded) do
    if not loaded_before[name] and not name:find '^mtasts%.repl' then gone[name] = module end
  end
  for name in pairs(gone) do package.loaded[name] = nil end
  return gone
end

-- Loads the rules that the settings name, in place of those that are loaded. Returns true, or nil and why; then nothing has changed.
function commands.load_rules()
  local file = system.rules_file()
  local path = package.path
  if not loaded_before then
    loaded_before = {}
    for name in pairs(package.loaded) do loaded_before[name] = true end
  end
  local gone = forget_modules()
  local before = rules.take_out()
  if not file then return true end
  local stopped, _, ok, why = core.guarded(rules.load, rules.trace, file)
  package.path = path
  if ok and not stopped then
    -- What they require later is looked for beside them, too.
    package.path = (file:match '^(.*)/[^/]*$' or '.') .. '/?.lua;' .. commands.path
    setmetatable(_G, { __index = rules.globals }) -- what rules keep in globals can be looked at
    return true
  end
  rules.put_back(before)
  forget_modules()
  for name, module in pairs(gone) do package.loaded[name] = module end
  return nil, stopped and 'stopped' or errors.trim(why)
end

function run.reload(session)
  local file = system.rules_file()
  if not file then
    session.complain 'there are no rules to load; :set rules=FILE names some'
    return false
  end
  local ok, why = commands.load_rules()
  if not ok then
    session.complain('the rules do not load, the old ones stay: ' .. why)
    return false
  end
  session.say('rules loaded: ' .. commands.rules_in_words())
  return true
end

-- 'FILE (2 policy, 1 alarm)'
function commands.rules_in_words()
  local file = system.rules_file()
  local counts = {}
  for _, kind in ipairs { 'policy', 'verdict', 'alarm', 'session' } do
    if #rules.hooks[kind] > 0 then counts[#counts + 1] = ('%d %s'):format(#rules.hooks[kind], kind) end
  end
  if not file then return 'none' end
  return text.clean(file) .. (#counts > 0 and ' (' .. table.concat(counts, ', ') .. ')' or '')
end

-- ---- the told world ----

function run.world(session, file)
  local was = session.leave_world()
  if file == '' then
    session.say(was and 'back in the real world' or 'this is the real world; :world FILE goes to a told one')
    return true
  end
  local function failed(why)
    session.leave_world()
    session.complain(why .. (was and '\nthe world before it is closed, too' or ''))
    return false
  end
  local chunk, why = loadfile(file)
  if not chunk then return failed(why) end
  local stopped, ok, told = core.guarded(chunk, errors.handler(chunk), file)
  if stopped then return failed 'stopped' end
  if ok and type(told) == 'table' and show.kind(told) ~= 'world' then
    ok, told = pcall(require('mtasts').fake, told)
  end
  if not ok then return failed(tostring(told)) end
  if not session.in_world() then return failed(text.clean(file) .. ': it tells no world: return a table such as mtasts.fake wants') end
  session.say('now in the world that ' .. text.clean(file) .. ' tells; :world goes back')
  session.say('its clock says ' .. os.date('!%Y-%m-%d %H:%M:%S UTC', core.now()))
  local domains = session.told_domains()
  if #domains > 0 then
    local some = table.concat(domains, ', ', 1, math.min(10, #domains)) .. (#domains > 10 and ' …' or '')
    session.say((text.wrap('it knows of ' .. text.clean(some), '  ', session.width())))
  end
  return true
end

-- ---- settings ----

local function names_of_settings()
  local names = {}
  for name in pairs(core.settings()) do names[#names + 1] = name end
  table.sort(names)
  return names
end
commands.settings_names = names_of_settings

function run.set(session, pair)
  local name, value = pair:match '^([^=%s]+)%s*=%s*(.*)$'
  if not name then
    session.complain ':set wants NAME=VALUE; :settings shows them'
    return false
  end
  local rules_before = core.settings().rules.value
  local ok, why = pcall(core.configure, { [name] = value })
  if not ok then
    session.complain(tostring(why))
    return false
  end
  if name ~= 'rules' then return true end
  local loaded, trace = commands.load_rules()
  if loaded then
    session.say('rules loaded: ' .. commands.rules_in_words())
    return true
  end
  core.configure { rules = rules_before }
  session.complain('the rules do not load, the old ones stay: ' .. trace)
  return false
end

function run.settings(session, name)
  local settings = core.settings()
  if name ~= '' then
    if settings[name] then return session.help('setting ' .. name) end
    local near = help.nearest(name, names_of_settings())
    session.complain(("there is no setting '%s'%s"):format(name, near and (" (did you mean '" .. near .. "'?)") or ''))
    return false
  end
  for _, each in ipairs(names_of_settings()) do
    local setting = settings[each]
    local value = setting.value == '' and text.paint('dim', 'empty') or text.clean(setting.value)
    session.say(('%s %-18s %s'):format(setting.value ~= setting.default and '*' or ' ', each, value))
  end
  session.say(text.paint('dim', '* is not the default; :settings NAME tells more'))
  return true
end

-- ---- one line ----

function commands.run(session, name, argument)
  if name == 'q' or name == 'exit' then name = 'quit' elseif name == '?' or name == '' then name = 'help' end
  if run[name] then return run[name](session, argument) end
  local near = help.nearest(name, commands.names())
  session.complain(("there is no command ':%s'%s; :help lists them"):format(name, near and (" (did you mean ':" .. near .. "'?)") or ''))
  return false
end

return commands
