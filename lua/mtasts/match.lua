-- SPDX-License-Identifier: ISC
-- mtasts match PATTERN[,PATTERN] HOST
local core = require 'mtasts.core'

local match = { uses = 'nothing' }

function match.options(command)
  command:argument('patterns', 'Patterns, separated by commas.'):argname 'PATTERN[,PATTERN]'
  command:argument('host', 'Name of an MX host.'):argname 'HOST'
end

function match.main(args, cli)
  local function normal(what, name)
    local result, err = core.normalise(name)
    if not result then cli.refuse("%s '%s': %s", what, name, err.message) end
    return result
  end
  local host, found = normal('host', args.host), nil
  for pattern in (args.patterns .. ','):gmatch '([^,]*),' do
    local star, rest = pattern:match '^(%*?%.?)(.*)$'
    if star ~= '' and star ~= '*.' then cli.refuse("pattern '%s': only *. may stand in front", pattern) end
    local whole = star .. normal('pattern', rest)
    if not found and core.mx_matches(whole, host) then found = whole end
  end
  if args.json then
    print(core.json_encode { host = host, matches = found ~= nil, pattern = found })
  else
    print(found and ('%s matches %s'):format(host, found) or ('%s matches none of the patterns'):format(host))
  end
  return found and 0 or 1
end

return match
