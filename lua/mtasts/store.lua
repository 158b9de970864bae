-- SPDX-License-Identifier: ISC
-- mtasts store list|show|flush|refresh|stats|sessions
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local store = {}

-- Rules may have a say in what is refreshed, and are told of alarms.
function store.uses(args) return (args.what == 'refresh' or args.exceptions) and 'rules' or 'settings' end

function store.options(command)
  command:argument('what', 'What to do.'):choices { 'list', 'show', 'flush', 'refresh', 'stats', 'sessions' }
  command:argument('domains', 'Domains, for show, flush, refresh and sessions.'):argname 'DOMAIN':args '*'
  command:flag('--all', 'flush: forget every domain.')
  command:flag('--exceptions', 'list: the exceptions that rules declare, instead.')
  command:option('--day', 'sessions: this day in UTC.'):argname 'YYYY-MM-DD'
end

local function failed(err, cli)
  io.stderr:write('mtasts: store: ', text.problem(err), '\n')
  return err.code == 'store-none' and cli.exit.none or cli.exit.errors
end

local function print_entry(entry, args)
  local err = entry.refresh_error
  if args.json then
    entry.patterns = core.json_array(entry.patterns or {})
    entry.refresh_error = err and { code = err.code, message = err.message, temporary = err.temporary, detail = err.detail, at = err.at }
    print(core.json_encode(entry))
    return
  end
  local now = core.now()
  print(entry.domain .. ': ' .. (entry.mode and ('%s, id %s, %s'):format(entry.mode, entry.id or '?',
    text.ends(entry.expires_at or 0, now)) or 'no policy'))
  if args.what == 'show' then
    if entry.fetched_at then print('  fetched ' .. text.ago(entry.fetched_at, now)) end
    if entry.checked_at then print('  checked ' .. text.ago(entry.checked_at, now)) end
    for _, mx in ipairs(entry.patterns or {}) do print('  mx ' .. mx) end
  end
  if err then print(text.wrap('  ! ' .. text.problem(err), '    ', 80)) end
end

local actions = {}

-- They stand in the file of rules, which is the truth.
local function list_exceptions(args, cli)
  local exceptions = require 'mtasts.exceptions'
  local list = exceptions.list()
  local widths = { 0, 0 }
  for _, each in ipairs(list) do widths = { math.max(widths[1], #each.domain), math.max(widths[2], #each.mode) } end
  for _, each in ipairs(list) do
    if args.json then
      print(core.json_encode { domain = each.domain, mode = each.mode, reason = each.reason, ['until'] = each.ends, over = each.over })
    else
      local last = each.ends and exceptions.last_day(each.ends)
      local ends = each.over and text.paint('warning', 'over since ' .. last) or last and 'until ' .. last or 'no end'
      print(('%-' .. widths[1] .. 's  %-' .. widths[2] .. 's  %s: %s'):format(each.domain, each.mode, ends, text.clean(each.reason)))
    end
  end
  if #list == 0 and not args.json then io.stderr:write 'mtasts: the rules declare no exceptions\n' end
  return cli.exit.good
end

function actions.list(args, cli)
  if args.exceptions then return list_exceptions(args, cli) end
  local entries, err = core.store_list()
  if not entries then return failed(err, cli) end
  for _, entry in ipairs(entries) do print_entry(entry, args) end
  if #entries == 0 and not args.json then io.stderr:write('mtasts: no domain is in the store yet\n') end
  return cli.exit.good
end

local function normal(domain, cli)
  local destination, err = core.parse_destination(domain)
  if not destination or not destination.domain then cli.refuse('%s: %s', domain, err and err.message or 'an address has no policy') end
  return destination.domain
end

function actions.show(args, cli)
  if #args.domains == 0 then cli.refuse 'store show: which domain?' end
  local worst = cli.exit.good
  for _, domain in ipairs(args.domains) do
    local entry, err = core.store_get(normal(domain, cli))
    if entry then
      print_entry(entry, args)
    else
      io.stderr:write(('mtasts: %s: %s\n'):format(text.clean(domain), text.problem(err)))
      worst = cli.worse(worst, err.code == 'store-none' and cli.exit.none or cli.exit.errors)
    end
  end
  return worst
end

function actions.flush(args, cli)
  if (#args.domains == 0) == (not args.all) then cli.refuse 'store flush: either domains or --all' end
  local total, not_shared = 0, nil
  for _, domain in ipairs(args.all and { false } or args.domains) do
    local removed, err, of_shared = core.store_flush(domain and normal(domain, cli) or nil)
    if not removed then return failed(err, cli) end
    total, not_shared = total + removed, not_shared or of_shared
  end
  print(args.json and core.json_encode { removed = total } or ('%d domain%s forgotten'):format(total, total == 1 and '' or 's'))
  if not not_shared then return cli.exit.good end
  io.stderr:write('mtasts: store: forgotten on this machine alone, and learned again from the others: ', text.problem(not_shared), '\n')
  return cli.exit.errors
end

-- All that are due, a bounded number at a time. What fails is not due again for a while, so this ends; twice the number of
-- domains is a bound for a store that cannot be written.
local function refresh_due(entries)
  local total = 0
  repeat
    local started, err = core.store_refresh(0)
    if not started then return nil, err end
    total = total + started
  until started == 0 or total > 2 * #entries
  return total
end

-- Whether due or not. Returns how many, and which of them.
local function refresh_named(domains, cli)
  local tasks, named = {}, {}
  for i, domain in ipairs(domains) do
    local name = normal(domain, cli)
    named[name] = true
    tasks[i] = core.spawn(core.lookup, name, { depth = 'policy', freshness = 'always' })
  end
  -- What could not be learned now, though nothing may be known to be kept of it.
  local unsure = {}
  for i, task in ipairs(tasks) do
    local ok, answer = core.await(task)
    local err = ok and answer and answer.refresh_error
    if err and err.temporary and not answer.mode then unsure[#unsure + 1] = { domain = domains[i], refresh_error = err } end
  end
  return #domains, named, unsure
end

-- The domains (only those named, if any are) with a policy whose live one could not be learned since that time.
local function failing_since(from, named)
  local list = {}
  for _, entry in ipairs(core.store_list() or {}) do
    local err = entry.refresh_error
    if err and entry.mode and err.at and err.at >= from and (not named or named[entry.domain]) then list[#list + 1] = entry end
  end
  return list
end

function actions.refresh(args, cli)
  local began = core.now()
  local entries, err = core.store_list()
  if not entries then return failed(err, cli) end
  local total, named, unsure
  if #args.domains > 0 then
    total, named, unsure = refresh_named(args.domains, cli)
  else
    total, err = refresh_due(entries)
    if not total then return failed(err, cli) end
  end
  local failing = failing_since(began, named)
  table.move(unsure or {}, 1, #(unsure or {}), #failing + 1, failing)
  if args.json then
    local names = core.json_array {}
    for i, entry in ipairs(failing) do names[i] = entry.domain end
    print(core.json_encode { refreshed = total, failing = names })
  else
    print(('%d domain%s looked at anew, %d failed'):format(total, total == 1 and '' or 's', #failing))
    for _, entry in ipairs(failing) do
      local ends = entry.expires_at and '; its policy ' .. text.ends(entry.expires_at, core.now()) or ''
      print(text.wrap(('  %s: %s%s'):format(text.clean(entry.domain), text.problem(entry.refresh_error), ends), '    ', 80))
    end
  end
  return #failing > 0 and cli.exit.warnings or cli.exit.good
end

function actions.stats(args, cli)
  local stats, err = core.store_stats()
  if not stats then return failed(err, cli) end
  if args.json then
    print(core.json_encode(stats))
    return cli.exit.good
  end
  local keys = { 'file', 'bytes', 'domains', 'policies', 'enforce', 'testing', 'none', 'expired', 'failing', 'absent', 'leases', 'hosts' }
  for _, key in ipairs(keys) do
    print(('%-10s %s'):format(key, stats[key]))
  end
  return cli.exit.good
end

function actions.sessions(args, cli)
  local domains = {}
  for i, domain in ipairs(args.domains) do domains[i] = normal(domain, cli) end
  local code, err = require('mtasts.sessions').main(args, domains, cli)
  return code or failed(err, cli)
end

function store.main(args, cli)
  return actions[args.what](args, cli)
end

return store
