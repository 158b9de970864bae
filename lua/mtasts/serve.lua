-- SPDX-License-Identifier: ISC
-- mtasts serve: its options become settings of the server, a program of its own that takes the place of this one.
local programs = require 'mtasts.programs'

local serve = { uses = 'own rules' }

local ENOENT <const> = 2

local sockets <const> = {
  { 'socketmap', 'Answers Postfix; unix:/PATH, inet:ADDRESS:PORT; may be repeated, as the next ones.' },
  { 'lines', "Answers lines, for Exim's ${readsocket}." },
  { 'json', 'Answers a JSON object per line.' },
  { 'metrics', 'Tells Prometheus over HTTP.' },
}

-- The file that the server reads; nil: there is none. One that cannot be read is its error, not a reason to do without.
local function settings_file(named)
  if named then return named == 'none' and '/dev/null' or named end
  local path = require 'mtasts.system'.settings
  local file, _, code = io.open(path)
  if file then file:close() end
  return (file or code ~= ENOENT) and path or nil
end

function serve.options(command)
  for _, socket in ipairs(sockets) do command:option('--' .. socket[1], socket[2]):argname 'WHERE':count '*' end
  command:flag('--check', 'Only say whether settings and rules are good.')
end

function serve.main(args, cli)
  local words = {}
  local function set(name, value)
    words[#words + 1] = '-s'
    words[#words + 1] = name .. '=' .. value
  end
  if args.check then words[1] = '-n' end
  for _, name in ipairs { 'store', 'ca_file', 'rules' } do
    if args[name] then set(name, args[name]) end
  end
  if args.nameserver and #args.nameserver > 0 then set('nameservers', table.concat(args.nameserver, ' ')) end
  if (args.verbose or 0) > 0 then set('log_level', args.verbose > 1 and 'debug' or 'info') end
  for _, socket in ipairs(sockets) do
    local list = args[socket[1]]
    if list and #list > 0 then set('serve_' .. socket[1], table.concat(list, ' ')) end
  end
  for _, pair in ipairs(args.set or {}) do
    words[#words + 1] = '-s'
    words[#words + 1] = pair
  end
  words[#words + 1] = settings_file(args.settings)
  local program = programs.serve() .. '/mtasts-serve'
  cli.refuse('serve: %s: %s; is mtasts installed completely?', program, programs.exec(program, table.unpack(words)))
end

return serve
