-- SPDX-License-Identifier: ISC
-- mtasts lookup DOMAIN...
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local lookup = { uses = 'rules' }

local WIDTH <const> = 80

function lookup.options(command)
  command:argument('domains', 'Domains, or destinations as mail servers write them.'):argname 'DOMAIN':args '+'
  command:flag('--trace', 'Show each step and how long it took.')
  command:mutex(command:flag('--no-cache', 'Ask DNS and fetch now.'), command:flag('--cached', 'Never touch the network.'))
  command:mutex(command:flag('--policy-only', 'Do not look at the MX hosts.'), command:flag('--probe', 'Try STARTTLS with each MX host.'))
  command:option('--timeout', 'Longest wait in seconds.'):argname 'S':convert(tonumber)
end

local function plain(err)
  return err and { code = err.code, message = err.message, temporary = err.temporary, detail = err.detail, at = err.at } or nil
end

-- The answer as JSON wants it.
function lookup.as_json(answer, with_trace)
  local result = {}
  for key, value in pairs(answer) do
    if key ~= 'trace' or with_trace then result[key] = value end
  end
  result.refresh_error, result.hosts_error = plain(answer.refresh_error), plain(answer.hosts_error)
  result.patterns = core.json_array { table.unpack(answer.patterns) }
  result.hosts = core.json_array {}
  for i, host in ipairs(answer.hosts) do
    local copy = {}
    for key, value in pairs(host) do copy[key] = value end
    copy.error = plain(host.error)
    copy.addresses = core.json_array { table.unpack(host.addresses) }
    result.hosts[i] = copy
  end
  if with_trace then result.trace = core.json_array { table.unpack(answer.trace) } end
  return result
end

local function is_dns(err)
  return err.stage == 'dns' or err.stage == 'net' or err.code == 'deadline' or err.code == 'cancelled'
end

local not_found = { ['dns-nxdomain'] = true, ['dns-nodata'] = true, ['record-none'] = true }

local function usable_hosts(answer)
  local count = 0
  for _, host in ipairs(answer.hosts) do
    if host.permitted and not host.error then count = count + 1 end
  end
  return count
end

local function code_of(answer, depth, exit)
  local err = answer.refresh_error
  local missing = err and not_found[err.code]
  if not answer.mode then
    if err and not missing then return is_dns(err) and exit.unknown or exit.errors end
    if not err and not answer.checked_at then return exit.unknown end
    return exit.none
  end
  if answer.action == 'defer' then return exit.errors end
  if answer.hosts_error and answer.hosts_error.code ~= 'mx-none' and depth ~= 'policy' then return exit.unknown end
  if answer.mode == 'none' then return exit.none end
  if err or answer.hosts_error or usable_hosts(answer) < #answer.hosts then return exit.warnings end
  return exit.good
end

local function decision(answer)
  local count = usable_hosts(answer)
  local known = answer.hosts_known and #answer.hosts > 0
  if answer.action == 'require' then
    if not known then return 'good', 'enforce — deliver only to permitted MX hosts over verified TLS' end
    return 'good', ('enforce — deliver only to the %d permitted MX host%s over verified TLS'):format(count, count == 1 and '' or 's')
  elseif answer.action == 'defer' then
    return 'bad', answer.mode == 'enforce' and 'enforce — hold the mail: no MX host may be used now'
      or 'hold the mail: DNS cannot say now whether there is a policy'
  elseif answer.action == 'record' then
    return 'warning', 'testing — deliver as without MTA-STS and report failures'
  elseif answer.mode == 'none' then
    return 'warning', 'none — the domain asks for no MTA-STS; deliver as usual'
  elseif answer.refresh_error and not not_found[answer.refresh_error.code] then
    return 'warning', 'no policy could be learned; deliver as without MTA-STS'
  elseif not answer.refresh_error and not answer.checked_at then
    return 'warning', 'nothing known yet; deliver as without MTA-STS'
  end
  return 'warning', 'no MTA-STS; deliver as usual'
end

local function add_host(lines, host, name_width, width)
  local good = host.permitted and not host.error
  local words
  if good then
    words = host.tls and 'permitted, TLS verified' or 'permitted'
    if host.guard == 'dane' then words = words .. ', guarded by DANE' end
  else
    words = host.error and text.problem(host.error) or 'not permitted by the policy'
  end
  local mark = text.paint(good and 'good' or 'bad', good and '✓' or '✗')
  local head = ('%5d  %-' .. name_width .. 's  '):format(host.preference, host.name)
  if #head + 4 + #words <= width then
    lines[#lines + 1] = '  ' .. mark .. head .. words
  else
    lines[#lines + 1] = '  ' .. mark .. head:match '^(.-)%s*$'
    lines[#lines + 1] = text.wrap((' '):rep(10) .. words, (' '):rep(10), width)
  end
end

-- The steps of an answer, one line each or more.
function lookup.steps(answer, width)
  local lines = {}
  for _, step in ipairs(answer.trace) do
    lines[#lines + 1] = text.beside(('  %6d ms  %-9s '):format(step.at_ms, step.what), step.outcome or '', width)
  end
  return table.concat(lines, '\n')
end

-- An answer for people.
function lookup.describe(answer, width)
  local now = core.now()
  local lines = {}
  local function add(words, indent) lines[#lines + 1] = text.wrap(words, indent, width) end
  local colour, words = decision(answer)
  add(answer.domain .. ': ' .. text.paint(colour, words), '  ')
  if answer.id then
    local times = answer.fetched_at and 'fetched ' .. text.ago(answer.fetched_at, now) .. ', ' .. text.ends(answer.expires_at, now) or ''
    add(('  id %s, %s'):format(answer.id, times), '  ')
  end
  if answer.reason then
    add('  a rule decided: ' .. answer.reason .. (answer.exception_until and ' (' .. text.ends(answer.exception_until, now) .. ')' or ''),
      '  ')
  end
  local err = answer.refresh_error
  if err then add('  ' .. text.paint(not_found[err.code] and 'dim' or 'warning', '! ' .. text.problem(err)), '    ') end
  if answer.hosts_error then add('  ' .. text.paint('warning', '! MX: ' .. text.problem(answer.hosts_error)), '    ') end
  local name_width = 0
  for _, host in ipairs(answer.hosts) do name_width = math.max(name_width, #host.name) end
  for _, host in ipairs(answer.hosts) do add_host(lines, host, name_width, width) end
  return table.concat(lines, '\n')
end

-- Prints an answer, or the error that came instead; the exit code. exit: the codes by name.
function lookup.show(domain, answer, err, depth, args, exit)
  if args.json then
    print(core.json_encode(answer and lookup.as_json(answer, args.trace) or { domain = domain, error = plain(err) }))
  elseif answer then
    print(lookup.describe(answer, WIDTH))
    if args.trace then
      print '  steps:'
      if #answer.trace > 0 then print(lookup.steps(answer, WIDTH)) end
    end
  else
    io.stderr:write(('mtasts: %s: %s\n'):format(text.clean(domain), text.problem(err)))
  end
  if answer then return code_of(answer, depth, exit) end
  return err.stage == 'name' and exit.usage or exit.unknown
end

function lookup.main(args, cli)
  if args.timeout and not (args.timeout > 0 and args.timeout <= 3600) then cli.refuse '--timeout wants seconds, at most 3600' end
  local depth = args.policy_only and 'policy' or args.probe and 'tls' or 'hosts'
  local freshness = args.no_cache and 'always' or args.cached and 'cache-only' or 'due'
  local options = { depth = depth, freshness = freshness, timeout = args.timeout }
  local tasks, worst = {}, cli.exit.good
  for i, domain in ipairs(args.domains) do tasks[i] = core.spawn(core.lookup, domain, options) end
  for i, domain in ipairs(args.domains) do
    local ok, answer, err = core.await(tasks[i])
    if not ok then error(answer, 0) end
    worst = cli.worse(worst, lookup.show(domain, answer, err, depth, args, cli.exit))
  end
  return worst
end

return lookup
