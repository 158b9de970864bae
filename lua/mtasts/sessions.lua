-- SPDX-License-Identifier: ISC
-- mtasts store sessions: the counters for TLS reporting (RFC 8460). Remote servers wrote most of what is printed here.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local text = require 'mtasts.text'

local sessions = {}

-- One object per counter, its policy as the array of lines that RFC 8460 4.4 calls policy-string.
local function print_json(row)
  local lines = core.json_array {}
  for line in (row.policy or ''):gmatch '[^\n]+' do lines[#lines + 1] = line end
  row.policy = row.policy and lines
  row.day = dates.write(row.day)
  print(core.json_encode(row))
end

local function print_failure(row)
  local words = ('%d %s'):format(row.count, row.result)
  if row.mx then words = words .. ' ' .. row.mx end
  if row.address then words = words .. ' [' .. row.address .. ']' end
  words = words .. ' (' .. row.policy_type .. ')'
  if row.reason then words = words .. ': ' .. row.reason end
  print('  ' .. text.paint('bad', '✗') .. ' ' .. text.wrap(text.clean(words), '    ', 76))
end

-- The counters of one day and domain: what went well by type of policy, then each failure.
local function print_group(rows)
  print(text.paint('bold', dates.write(rows[1].day) .. ' ' .. text.clean(rows[1].domain)))
  local good = {}
  for _, row in ipairs(rows) do
    if not row.result then good[row.policy_type] = (good[row.policy_type] or 0) + row.count end
  end
  for _, kind in ipairs { 'sts', 'tlsa', 'no-policy-found' } do
    if good[kind] then
      print(('  %s %d went well (%s)'):format(text.paint('good', '✓'), good[kind], kind))
    end
  end
  for _, row in ipairs(rows) do
    if row.result then print_failure(row) end
  end
end

-- Of one day: prints, and returns how many counters there are.
local function print_day(day, domain, as_json)
  local rows, err = core.store_sessions { first = day, last = day, domain = domain }
  if not rows then return nil, err end
  local group = {}
  for i, row in ipairs(rows) do
    if as_json then
      print_json(row)
    else
      group[#group + 1] = row
      local following = rows[i + 1]
      if not following or following.domain ~= row.domain then
        print_group(group)
        group = {}
      end
    end
  end
  return #rows
end

-- Today and yesterday in UTC, or the one day that is asked for.
local function days(args, cli)
  if args.day then
    local day = dates.read(args.day) or cli.refuse("--day %s: wants YYYY-MM-DD", args.day)
    return day, day
  end
  local today = core.now() // 86400
  return today - 1, today
end

-- domains: normalised; none: all. Returns the exit code, or nil and an error.
function sessions.main(args, domains, cli)
  local first, last = days(args, cli)
  local total = 0
  for day = first, last do
    for i = 1, math.max(1, #domains) do
      local count, err = print_day(day, domains[i], args.json)
      if not count then return nil, err end
      total = total + count
    end
  end
  if total > 0 then return cli.exit.good end
  if not args.json then io.stderr:write 'mtasts: store sessions: none were recorded\n' end
  return cli.exit.none
end

return sessions
