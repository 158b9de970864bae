-- SPDX-License-Identifier: ISC
-- mtasts probe HOST[:PORT]
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local probe = {}

function probe.options(command)
  command:argument('host', 'Mail host.'):argname 'HOST[:PORT]'
  command:option('--timeout', 'Longest wait in seconds.'):argname 'S':convert(tonumber)
end

-- What a probe found, or the error, for people.
function probe.describe(host, tls, err, width)
  local problem = err or tls.error
  local words = problem and text.paint('bad', '✗ ' .. text.problem(problem)) or text.paint('good', '✓ STARTTLS, certificate verified')
  local lines = { text.wrap((host and text.clean(host) .. ': ' or '') .. words, '  ', width) }
  for _, key in ipairs { 'address', 'banner', 'protocol', 'cipher', 'subject', 'issuer', 'names', 'fingerprint' } do
    if tls and tls[key] then lines[#lines + 1] = text.wrap(('  %-12s %s'):format(key, tls[key]), (' '):rep(15), width) end
  end
  if tls and tls.not_after then lines[#lines + 1] = '  certificate  ' .. text.ends(tls.not_after, core.now()) end
  return table.concat(lines, '\n')
end

function probe.main(args, cli)
  local host, port = args.host:match '^(.-):(%d+)$'
  host = host or args.host
  port = port and tonumber(port)
  if port and (port < 1 or port > 65535) then cli.refuse('%s: a port is a number from 1 to 65535', args.host) end
  if args.timeout and not (args.timeout > 0 and args.timeout <= 3600) then cli.refuse '--timeout wants seconds, at most 3600' end
  local tls, err = core.probe(host, { port = port, timeout = args.timeout })
  local problem = err or tls.error
  if args.json then
    local result = { host = host, error = problem and { code = problem.code, message = problem.message,
      temporary = problem.temporary, detail = problem.detail } or nil }
    for key, value in pairs(tls or {}) do
      if key ~= 'error' then result[key] = value end
    end
    print(core.json_encode(result))
  else
    print(probe.describe(host, tls, err, 80))
  end
  if err then return err.stage == 'name' and cli.exit.usage or cli.exit.unknown end
  return tls.ok and cli.exit.good or cli.exit.errors
end

return probe
