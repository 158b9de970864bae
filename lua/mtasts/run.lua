-- SPDX-License-Identifier: ISC
-- mtasts run SCRIPT [ARG...]
local run = {}

function run.options(command)
  command:argument('script', 'Lua file.'):argname 'SCRIPT'
  command:argument('arguments', 'Its arguments.'):args '*'
end

local core = require 'mtasts.core'

local valued = { ['--store'] = 'store', ['--ca-file'] = 'ca_file', ['--rules'] = 'rules', ['--set'] = 'set',
  ['--settings'] = 'settings',  ['--nameserver'] = 'nameserver' }
local known = { '--store', '--ca-file', '--rules', '--set', '--settings', '--nameserver', '--json', '--verbose', '--help' }

local function unknown(word, cli)
  local near = core.nearest(word, known)
  cli.refuse("run: unknown option '%s'%s; the script's own options stand behind its name", word,
    near and (" (did you mean '" .. near .. "'?)") or '')
end

-- Everything behind SCRIPT is the script's; so this command reads its options itself.
function run.main(words, cli, configure)
  local args, i = { set = {}, nameserver = {}, verbose = 0 }, 2
  while words[i] and words[i]:sub(1, 1) == '-' and words[i] ~= '-' do
    local word = words[i]
    if word == '-h' or word == '--help' then
      print 'Usage: mtasts run [OPTION...] SCRIPT [ARG...]'
      return 0
    elseif word == '--verbose' or word:find '^%-v+$' then
      args.verbose = args.verbose + (word == '--verbose' and 1 or #word - 1)
    elseif word ~= '--json' then
      local name, value = word:match '^(%-%-[^=]+)=(.*)$'
      local key = valued[name or word]
      if not key then unknown(word, cli) end
      if not name then
        i = i + 1
        value = words[i] or cli.refuse('%s wants a value', word)
      end
      if type(args[key]) == 'table' then table.insert(args[key], value) else args[key] = value end
    end
    i = i + 1
  end
  local script = words[i]
  if not script then cli.refuse 'run: which script? mtasts run SCRIPT [ARG...]' end
  configure(args, 'rules')
  local own = { [0] = script, [-1] = 'mtasts' }
  table.move(words, i + 1, #words, 1, own)
  _G.arg = own
  local chunk, why = loadfile(script ~= '-' and script or nil)
  if not chunk then
    io.stderr:write('mtasts: ', why, '\n')
    return 1
  end
  local ok, trace = xpcall(chunk, function(message)
    return debug.traceback(type(message) == 'string' and message or tostring(message), 2)
  end, table.unpack(own))
  if ok then return 0 end
  io.stderr:write('mtasts: ', trace, '\n')
  return 1
end

return run
