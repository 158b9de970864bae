-- SPDX-License-Identifier: ISC
-- mtasts query DOMAIN...: what a running mtasts serve answers, printed as mtasts lookup does.
local core = require 'mtasts.core'
local lookup = require 'mtasts.lookup'
local text = require 'mtasts.text'

local query = {}

local USUAL <const> = 'unix:/run/mtasts/json'
local TIMEOUT_S <const> = 60

function query.options(command)
  command:argument('domains', 'Domains, or destinations as mail servers write them.'):argname 'DOMAIN':args '+'
  command:option('--socket', 'The JSON socket of the server; default: the first of serve_json, else ' .. USUAL .. '.'):argname 'WHERE'
  command:flag('--trace', 'Show each step and how long it took.')
  command:mutex(command:flag('--policy-only', 'Do not look at the MX hosts.'), command:flag('--probe', 'Try STARTTLS with each MX host.'))
  command:option('--timeout', 'Longest wait in seconds, 60 unless said.'):argname 'S':convert(tonumber)
end

-- The C module lies beside our Lua files, wherever those are.
local function client()
  local own = package.searchpath('mtasts.query', package.path)
  local path = own:gsub('share/lua/5%.4/mtasts/query%.lua$', 'lib/lua/5.4/mtasts/client.so')
  local open, why = package.loadlib(path, 'luaopen_mtasts_client')
  if not open then error(why, 0) end
  return open()
end

local function connect(where, cli)
  local path = where:match '^unix:(/.+)$'
  local address, port = where:match '^inet:%[?(.-)%]?:(%d+)$'
  if address == 'localhost' then address = '127.0.0.1' end
  if not path and not address then cli.refuse('query: %s is none of unix:/PATH, inet:ADDRESS:PORT, inet:[ADDRESS]:PORT', where) end
  local made, why
  if path then made, why = client().unix(path) else made, why = client().inet(address, port) end
  if not made then
    io.stderr:write(('mtasts: %s: %s; does mtasts serve run, and may this user ask it?\n'):format(text.clean(where), why))
  end
  return made
end

-- The station of a lookup, which JSON leaves out: the first word of the code tells.
local function with_stage(err)
  if type(err) == 'table' and type(err.code) == 'string' then err.stage = err.code:match '^[^-]+' end
end

-- The reply to each request by its number, as they come; stops at the first that is missing.
local function ask(server, args, replies)
  local lines = {}
  for i, domain in ipairs(args.domains) do
    local request = { id = i, domain = domain, trace = args.trace or nil, probe = args.probe or nil }
    if args.policy_only then request.depth = 'policy' end
    lines[i] = core.json_encode(request) .. '\n'
  end
  local ok, why = server:send(table.concat(lines))
  local pending, open = '', #lines
  while ok and open > 0 do
    local some
    some, why = server:receive(args.timeout or TIMEOUT_S)
    if not some then return nil, why end
    if some == '' then return nil, 'the server closed the connection' end
    pending = pending .. some
    local from = 1
    for line, after in pending:gmatch '([^\n]*)\n()' do
      local reply = core.json_decode(line)
      if type(reply) ~= 'table' or not args.domains[reply.id] then return nil, 'what answers there is no mtasts serve' end
      replies[reply.id] = reply
      with_stage(reply.error)
      if type(reply.answer) == 'table' then
        with_stage(reply.answer.refresh_error)
        with_stage(reply.answer.hosts_error)
      end
      open, from = open - 1, after
    end
    pending = pending:sub(from)
  end
  return ok, why
end

function query.main(args, cli)
  if args.timeout and not (args.timeout > 0 and args.timeout <= 3600) then cli.refuse '--timeout wants seconds, at most 3600' end
  local named = core.settings().serve_json.value
  if type(named) == 'table' then named = named[1] or '' end
  local where = args.socket or named:match '[^%s,]+' or USUAL
  local server = connect(where, cli)
  if not server then return cli.exit.unknown end
  local replies, worst = {}, cli.exit.good
  local ok, why = ask(server, args, replies)
  server:close()
  local depth = args.policy_only and 'policy' or args.probe and 'tls' or 'hosts'
  for i, domain in ipairs(args.domains) do
    local reply = replies[i]
    if reply then worst = cli.worse(worst, lookup.show(domain, reply.answer, reply.error, depth, args, cli.exit)) end
  end
  if not ok then
    io.stderr:write(('mtasts: %s: %s\n'):format(text.clean(where), why))
    return cli.worse(worst, cli.exit.unknown)
  end
  return worst
end

return query
