-- SPDX-License-Identifier: ISC
-- The command line: options, which command, exit codes. Commands are loaded when they are asked for.

local core = require 'mtasts.core'
local text = require 'mtasts.text'

local GOOD, USAGE = 0, 64

local commands = { 'lookup', 'check', 'probe', 'match', 'parse', 'publish', 'report', 'store', 'serve', 'query', 'setup', 'exim',
  'replay', 'run', 'repl' }

local cli = { exit = { good = GOOD, warnings = 1, errors = 2, none = 3, unknown = 4, usage = USAGE, internal = 70 } }

-- Ends the command with one clear line.
local Refusal = { __tostring = function(refusal) return refusal.text end }
function cli.refuse(format, ...)
  local words = select('#', ...) > 0 and format:format(...) or format
  error(setmetatable({ text = text.clean(words) }, Refusal), 0)
end
-- The same with lines, of a rule that failed.
function cli.refuse_rules(trace)
  local lines = {}
  for line in tostring(trace):gmatch '[^\n]+' do lines[#lines + 1] = text.clean((line:gsub('\t', '  '))) end
  error(setmetatable({ text = 'rules ' .. table.concat(lines, '\n') }, Refusal), 0)
end

-- Ends the command well.
local Done = {}

-- The most serious of several exit codes.
local order = {}
for rank, code in ipairs { 0, 3, 1, 4, 2, 64, 70 } do order[code] = rank end
function cli.worse(a, b) return order[a] >= order[b] and a or b end

-- The name of an unknown option or command in what argparse says, and the nearest known one.
local function with_nearest(parser, message)
  local word = message:match "unknown option '(%-%-?[^']+)'"
  local known = {}
  if word then
    local function collect(of)
      for _, option in ipairs(of._options) do
        for _, alias in ipairs(option._aliases) do known[#known + 1] = alias end
      end
    end
    collect(parser)
    for _, command in ipairs(parser._commands) do
      collect(command)
    end
  else
    word = message:match "unknown command '([^']+)'"
    known = commands
  end
  local near = word and not message:find 'Did you mean' and core.nearest(word, known)
  return message:gsub('\n', ' ') .. (near and (" (did you mean '" .. near .. "'?)") or '')
end

-- mtasts.exim is what rules require.
local function command_of(name) return require('mtasts.' .. (name == 'exim' and 'exim_command' or name)) end

-- These read a settings file in their own way.
local command_of_own <const> = { setup = true, exim = true }

local function build(chosen)
  local argparse = require 'argparse'
  local parser = argparse('mtasts', 'Makes mail servers honour MTA-STS (RFC 8461) when they send mail.')
  parser:add_help '-h --help'
  parser:help_max_width(80)
  parser:require_command(true):command_target 'command'
  parser.chosen = chosen
  parser:flag('--version', 'Show the version.'):action(function()
    print('mtasts ' .. core.version)
    error(Done, 0)
  end)
  local function global(of)
    if not (command_of_own[chosen]) then of:option('--settings', 'Settings file, or none.'):argname 'FILE' end
    of:option('--store', 'File of the store, or none.'):argname 'FILE'
    of:option('--nameserver', 'Address of a DNS resolver; may be repeated.'):argname 'ADDR':count '*'
    of:option('--ca-file', 'File with trusted certificates (PEM).'):argname 'FILE'
    if chosen ~= 'parse' then of:option('--set', 'Any setting.'):argname 'NAME=VALUE':count '*' end
    if chosen ~= 'serve' then of:flag('--json', 'One JSON object per line.') end
    of:flag('-v --verbose', 'Say more; twice: everything.'):count '*'
    of:option('--rules', 'Lua file with rules, or none.'):argname 'FILE'
  end
  -- Without the others, which would only cost time, where one is chosen.
  for _, name in ipairs(chosen and { chosen } or commands) do
    local command = parser:command(name, require 'mtasts.summaries'[name])
    if chosen then
      command_of(name).options(command)
      global(command)
    end
  end
  if not chosen then global(parser) end
  function parser.error(_, message)
    cli.refuse('%s; try: mtasts --help', with_nearest(parser, message))
  end
  for _, command in ipairs(parser._commands) do command.error = parser.error end
  return parser
end

local function set_options(args)
  local settings = {}
  for _, pair in ipairs(args.set or {}) do
    if type(pair) == 'string' then
      local name, value = pair:match '^([^=]+)=(.*)$'
      if not name then cli.refuse("--set %s: wants NAME=VALUE", pair) end
      settings[name] = value
    end
  end
  settings.store = args.store or settings.store
  settings.ca_file = args.ca_file or settings.ca_file
  settings.rules = args.rules or settings.rules
  if args.nameserver and #args.nameserver > 0 then settings.nameservers = args.nameserver end
  local verbose = args.verbose or 0
  if verbose > 0 then settings.log_level = verbose > 1 and 'debug' or 'info' end
  if settings.ca_file and settings.ca_file ~= '' then
    local file, why = io.open(settings.ca_file)
    if not file then cli.refuse('--ca-file %s', why) end
    file:close()
  end
  local ok, why = pcall(core.configure, settings)
  if not ok then cli.refuse('%s', why) end
  return settings.rules ~= nil
end

-- uses: what a command goes by: 'nothing' of what is in /etc/mtasts, 'settings', 'rules' as well, or 'own rules', which it loads itself.
local function configure(args, uses)
  local system = require 'mtasts.system'
  if uses ~= 'nothing' then
    local ok, why = system.take_settings(args.settings)
    if not ok then cli.refuse('%s', why) end
  end
  local named = set_options(args)
  if uses == 'own rules' or uses ~= 'rules' and not named then return end
  local file, unnamed = system.rules_file()
  if unnamed and (args.trace or (args.verbose or 0) > 0) then
    io.stderr:write(('mtasts: the rules in %s count; --rules none: without them\n'):format(file))
  end
  if file then
    local done, trace = require('mtasts.rules').load(file, args.exceptions)
    if not done then cli.refuse_rules(trace) end
  end
end

-- Global options may stand before the command; argparse gets them behind it.
local valued = { ['--store'] = true, ['--nameserver'] = true, ['--ca-file'] = true, ['--set'] = true, ['--rules'] = true,
  ['--settings'] = true }
local function reorder(words)
  local before, i = {}, 1
  while words[i] and words[i]:sub(1, 1) == '-' and words[i] ~= '-' do
    if words[i] == '-h' or words[i] == '--help' or words[i] == '--version' then return words, nil end
    before[#before + 1] = words[i]
    if valued[words[i]] then
      i = i + 1
      before[#before + 1] = words[i]
    end
    i = i + 1
  end
  local chosen = words[i]
  if not chosen then return words, nil end
  local result = { chosen }
  table.move(before, 1, #before, 2, result)
  table.move(words, i + 1, #words, #result + 1, result)
  return result, chosen
end

local function main(words)
  local chosen
  words, chosen = reorder(words)
  local known = false
  for _, name in ipairs(commands) do known = known or name == chosen end
  if chosen and not known then
    local near = core.nearest(chosen, commands)
    cli.refuse("there is no command '%s'%s; try: mtasts --help", chosen, near and (", did you mean '" .. near .. "'?") or '')
  end
  if chosen == 'run' or chosen == 'exim' then -- what stands behind their first words is not ours to read
    collectgarbage 'restart'
    return command_of(chosen).main(words, cli, configure)
  end
  local args = build(chosen):parse(words)
  collectgarbage 'restart'
  local uses = command_of(chosen).uses or 'settings'
  configure(args, type(uses) == 'function' and uses(args) or uses)
  -- no-color.org: set and not empty.
  local plain = (os.getenv 'NO_COLOR' or '') ~= '' or os.getenv 'TERM' == 'dumb'
  if not args.json and not plain then text.use_colour(core.stdout_is_terminal()) end
  return command_of(chosen).main(args, cli)
end

return function(words)
  local ok, result = xpcall(main, function(problem)
    if problem == Done or getmetatable(problem) == Refusal then return problem end
    return debug.traceback(tostring(problem), 2)
  end, words)
  if ok then return result end
  if result == Done then return GOOD end
  if getmetatable(result) == Refusal then
    io.stderr:write('mtasts: ', result.text, '\n')
    return USAGE
  end
  error(result, 0)
end
