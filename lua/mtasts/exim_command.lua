-- SPDX-License-Identifier: ISC
-- mtasts exim FUNCTION ARGUMENT...: what Exim would be told. The module that Exim loads is loaded here, so the answers are the same.
local core = require 'mtasts.core'
local programs = require 'mtasts.programs'

local exim = {}

-- function -> arguments, at least and at most
local functions <const> = { policy = { 1, 1 }, event = { 1, 7 }, cert = { 3, 3 }, call = { 1, 7 } }
local usage <const> = [=[
Usage: mtasts exim [--settings FILE] [--json] [--] FUNCTION ARGUMENT...
  policy DOMAIN
  event NAME [DATA [ERRNO [DOMAIN [HOST [ADDRESS [INFO]]]]]]
  cert DEPTH CERTIFICATE HOST
  call NAME [ARGUMENT...]
Exit code 0: the expansion succeeds; 4: it fails, and policy prints mode=defer.]=]

function exim.options(command)
  command:argument('function', 'policy, event, cert or call.'):argname 'FUNCTION'
  command:argument('arguments', 'Its arguments.'):args '*'
  command:option('--settings', 'Settings file; default: the one that Exim uses.'):argname 'FILE'
end

local function read(words, cli)
  local args, i = {}, 2
  while words[i] and words[i]:sub(1, 1) == '-' do
    local word, value = words[i]:match '^(%-%-?[%w]+)=?(.*)$'
    if words[i] == '--' then
      i = i + 1
      break
    elseif word == '--json' then
      args.json = true
    elseif word == '--help' or word == '-h' then
      args.help = true
      return args
    elseif word == '--settings' then
      if words[i] == word then
        i = i + 1
        value = words[i] or cli.refuse '--settings wants a value'
      end
      args.settings = value
    else
      local near = core.nearest(words[i], { '--settings', '--json', '--help' })
      cli.refuse("exim: unknown option '%s'%s; its settings are those of the file, see --settings", words[i],
        near and (" (did you mean '" .. near .. "'?)") or '')
    end
    i = i + 1
  end
  args.name = words[i]
  args.rest = table.pack(table.unpack(words, i + 1))
  if args.rest[1] == '--' then table.remove(args.rest, 1) end -- before a domain, which may begin with anything
  args.rest.n = #args.rest
  return args
end

local function check(args, cli)
  if not args.name then cli.refuse 'exim: which function? mtasts exim policy|event|cert|call ARGUMENT...' end
  local counts = functions[args.name]
  if not counts then
    local near = core.nearest(args.name, { 'policy', 'event', 'cert', 'call' })
    cli.refuse("exim: there is no function '%s'%s; there are: policy, event, cert, call", args.name,
      near and (" (did you mean '" .. near .. "'?)") or '')
  end
  if args.rest.n < counts[1] or args.rest.n > counts[2] then
    cli.refuse('exim: %s wants %s, not %d; try: mtasts exim --help', args.name,
      counts[1] == counts[2] and ('%d argument%s'):format(counts[1], counts[1] == 1 and '' or 's')
      or ('%d to %d arguments'):format(counts[1], counts[2]), args.rest.n)
  end
end

function exim.main(words, cli)
  local args = read(words, cli)
  if args.help then
    print(usage)
    return 0
  end
  check(args, cli)
  local path = programs.exim() .. '/exim-mtasts.so'
  local call, why = package.loadlib(path, 'mtasts_lua')
  if not call then cli.refuse('exim: %s; is mtasts installed completely?', why) end
  local good, text = call(args.settings, args.name, table.unpack(args.rest, 1, args.rest.n))
  if args.json then
    print(core.json_encode { ok = good, text = text })
  elseif good then
    if args.name ~= 'event' then io.write(text, core.stdout_is_terminal() and '\n' or '') end -- Exim would compare the line end, too
  else
    if args.name == 'policy' then io.write('mode=defer', core.stdout_is_terminal() and '\n' or '') end
    io.stderr:write('mtasts: ', require('mtasts.text').clean(text), '\n')
  end
  return good and cli.exit.good or cli.exit.unknown
end

return exim
