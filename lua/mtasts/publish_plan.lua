-- SPDX-License-Identifier: ISC
-- What is to be published: mode, max_age, patterns, id, checked against the RFC and against what is live.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local live = require 'mtasts.publish_live'
local refusal = require 'mtasts.publish_refusal'

local plan = {}

local DAY <const> = 86400
local MAX_AGE_MOST <const> = 31557600 -- RFC 8461 3.2
plan.usual = { testing = DAY, enforce = 7 * DAY, none = DAY }

local units <const> = { s = 1, h = 3600, d = DAY, w = 7 * DAY }

-- '86400', '1d', '2w' -> seconds
function plan.seconds(option, words, cli)
  local number, unit = words:match '^(%d%d?%d?%d?%d?%d?%d?%d?%d?%d?)(%a?)$'
  local factor = units[unit == '' and 's' or unit]
  local seconds = number and factor and math.tointeger(tonumber(number)) * factor
  if not seconds then cli.refuse('publish: %s %s: wants seconds, or a number with s, h, d or w, as in 2w', option, words) end
  if seconds > MAX_AGE_MOST then
    cli.refuse('publish: %s %s: the most is %d seconds, a year (RFC 8461 3.2)', option, words, MAX_AGE_MOST)
  end
  return seconds
end

-- The day of --since, as its begin in UTC.
function plan.since(args, cli)
  if not args.since then return nil end
  local day = dates.read(args.since)
  if not day then cli.refuse('publish: --since %s: wants a day, YYYY-MM-DD', args.since) end
  if day * DAY > core.now() then cli.refuse('publish: --since %s: that day is yet to come', args.since) end
  return day * DAY
end

function plan.domain(words, cli)
  local domain, err = core.normalise(words)
  if not domain then cli.refuse("publish: '%s': %s", words, err.message) end
  for _, prefix in ipairs { 'mta-sts.', '_smtp._tls.' } do
    if not core.normalise(prefix .. domain) then
      refusal.unsafe(('%s is too long a name: %s%s would have more than 253 bytes'):format(domain, prefix, domain),
        'MTA-STS cannot be had for this domain')
    end
  end
  return domain
end

-- A pattern of a policy, in A-labels; nil and why it is none.
local function pattern_of(words)
  local star, rest = words:match '^(%*%.)(.*)$'
  local name = core.normalise(rest or words)
  local whole = name and (star or '') .. name
  local value, _, findings
  if whole then value, _, findings = core.parse_policy(('version: STSv1\nmode: testing\nmx: %s\nmax_age: 1\n'):format(whole)) end
  if value and findings.strict then return whole end
  local why = 'it is no host name'
  if words:find '^%[' or words:find '^[%d.]+$' or words:find '^[%x:]*:[%x:.]+$' then
    why = 'it is an address, and certificates name hosts (RFC 5321 5.1)'
  elseif words:find '*' then why = '* stands for one whole label, the first: *.a.example'
  elseif words:find '_' then why = 'no _ may stand in it (RFC 8461 3.2, RFC 5321 4.1.2)' end
  return nil, why
end

local function add(list, seen, pattern)
  if not seen[pattern] then list[#list + 1] = pattern end
  seen[pattern] = true
end

local function patterns_given(words)
  local list, seen = {}, {}
  for _, word in ipairs(words) do
    for part in (word .. ','):gmatch '%s*([^,]-)%s*,' do
      local pattern, why = pattern_of(part)
      if not pattern then
        refusal.unsafe(("--mx '%s' cannot stand in a policy: %s"):format(part, why), 'name the MX host, as its certificate does')
      end
      add(list, seen, pattern)
    end
  end
  return list
end

-- The pattern for an MX host; nil and why there is none.
function plan.of_host(host)
  local pattern, why = pattern_of(live.name(host))
  if pattern then return pattern end
  return nil, ('the MX %s cannot stand in a policy: %s'):format(live.name(host), why)
end

local function patterns_of_dns(found)
  local list, seen = {}, {}
  for _, host in ipairs(found.hosts) do
    local pattern, why = plan.of_host(host)
    if not pattern then refusal.unsafe(why, 'let the MX record name a host that has the address') end
    add(list, seen, pattern)
  end
  return list
end

local function dns_problem(domain, found)
  if found.mx == 'null' then
    refusal.unsafe(domain .. ' accepts no mail (null MX, RFC 7505): there is nothing to protect',
      'publish no MTA-STS for it, or an MX first')
  elseif found.mx == 'unknown' then
    return ('DNS cannot say now which MX hosts %s has: %s'):format(domain, found.mx_error.message)
  elseif found.mx == 'none' then
    return domain .. ' has no MX record'
  end
end

-- The patterns that a policy in this mode has; kept: those of a policy whose patterns may go on.
function plan.patterns(args, domain, mode, found, warn, kept)
  local given = #args.mx > 0 and patterns_given(args.mx) or nil
  if mode == 'none' then return core.json_array(given or {}) end
  local problem = dns_problem(domain, found)
  local stop = found.mx == 'unknown' and refusal.unknown or refusal.unsafe
  if problem and (mode == 'enforce' or not given) then
    stop(problem, found.mx == 'unknown' and 'try again later'
      or 'publish an MX record first' .. (given and '' or ', or name the hosts with --mx'))
  end
  if problem then warn(problem .. '; the policy is for the hosts that --mx names') end
  local patterns = given or kept or patterns_of_dns(found)
  local outside, names = live.outside(found, patterns)
  if #outside > 0 and not problem then
    local words = ('of the MX hosts of %s no pattern permits: %s'):format(domain, names)
    if mode == 'enforce' then refusal.unsafe(words, 'add --mx for each, or mail to them stops; or remove these MX records') end
    warn(words .. '; in mode enforce no mail would reach them')
  end
  return core.json_array(patterns)
end

-- Sorts by time, and is like none of taken (a set).
local function fresh_id(now, microseconds, taken)
  local second = os.date('!%Y%m%dT%H%M%S', now)
  for step = microseconds, microseconds + 999999 do
    local id = ('%s%06dZ'):format(second, step % 1000000)
    if not taken[id] then return id end
  end
end

-- taken: ids that were published before, a set.
function plan.id(args, found, taken, warn, cli)
  if args.id and not args.id:find '^%w+$' or args.id and #args.id > 32 then
    cli.refuse('publish: --id %s: wants 1 to 32 letters and digits (RFC 8461 3.1)', args.id)
  end
  if found.id then taken[found.id] = true end
  if not args.id then return fresh_id(core.now(), require('mtasts.publish_files').c().microseconds(), taken) end
  if taken[args.id] then
    refusal.unsafe(('--id %s is or was in use: no sender would see that the policy is new'):format(args.id), 'choose another, or none')
  end
  if found.id_error then warn(('DNS cannot say now which id is live, which must be another: %s'):format(found.id_error.message)) end
  return args.id
end

-- The text of the TLSRPT record, or nil.
function plan.tlsrpt(args, cli)
  if #args.tlsrpt == 0 then return nil end
  local words = 'v=TLSRPTv1; rua=' .. table.concat(args.tlsrpt, ',')
  local value, err, findings = core.parse_tlsrpt(words)
  if not value or not findings.strict or #value.usable < #value.rua then
    cli.refuse('publish: --tlsrpt %s: %s', table.concat(args.tlsrpt, ','), findings[1] and findings[1].message or err and err.message)
  end
  return words
end

-- What is odd about it, though the RFC has it.
function plan.remarks(made, warn)
  local age = made.max_age
  if made.mode == 'enforce' and age < DAY then
    warn(('max_age %d is short: somebody on the line only has to wait so long; days to weeks are usual (RFC 8461 3.2)'):format(age))
  elseif made.mode == 'none' and age > 7 * DAY then
    warn(('max_age %d is long for mode none, a day is enough (RFC 8461 8.3)'):format(age))
  end
end

return plan
