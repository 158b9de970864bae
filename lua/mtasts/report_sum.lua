-- SPDX-License-Identifier: ISC
-- Several reports together: per domain and policy what went well and what failed, where, since when, from whom.
local core = require 'mtasts.core'

local sum = {}

sum.MOST = (1 << 53) - 1 -- RFC 7493 2.2; a sum stops there

function sum.add(a, b) return math.min((a or 0) + (b or 0), sum.MOST) end

-- How many sessions failed: what the details say where the sum is not told.
function sum.failed(policy)
  if policy.failed then return policy.failed end
  local count = 0
  for _, failure in ipairs(policy.failures) do count = sum.add(count, failure.count) end
  return count
end

local DAY <const> = 86400

local function earlier(a, b) return a and b and math.min(a, b) or a or b end
local function later(a, b) return a and b and math.max(a, b) or a or b end

-- The values of a table by their keys, sorted.
function sum.sorted(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- The same report that came twice, in two files or mails, counts once (RFC 8460 5.3); one of the same name with other content does not.
function sum.distinct(sources)
  local firsts, seen, list, twice = {}, {}, {}, 0
  -- What it says is only looked at when its name comes again.
  local function is_again(report)
    local first = report.id and firsts[report.id]
    if not first then
      if report.id then firsts[report.id] = report end
      return false
    end
    seen[core.json_encode(first)] = true
    local key = core.json_encode(report)
    local again = seen[key]
    seen[key] = true
    return again
  end
  for _, source in ipairs(sources) do
    local report = source.report
    if report and is_again(report) then
      twice = twice + 1
    elseif report then
      list[#list + 1] = report
    end
  end
  return list, twice
end

-- Reports of one policy: what it says makes it, not who tells it.
local function entry_of(groups, order, policy)
  local key = table.concat({ policy.domain or '', policy.policy_type or '', table.concat(policy.policy, '\n') }, '\0')
  local entry = groups[key]
  if not entry then
    entry = {
      domain = policy.domain, policy_type = policy.policy_type, policy = policy.policy, patterns = policy.patterns,
      successful = 0, failed = 0, reporters = {}, failures = {}, days = {}, reports = 0,
    }
    groups[key] = entry
    order[#order + 1] = entry
  end
  return entry
end

local function failure_of(entry, failure)
  local key = (failure.result or '') .. '\0' .. (failure.mx or '')
  local kind = entry.failures[key]
  if not kind then
    kind = { result = failure.result, mx = failure.mx, count = 0, addresses = {}, sources = {}, reasons = {}, info = {}, reporters = {} }
    entry.failures[key] = kind
  end
  return kind
end

local function add_failure(entry, failure, report)
  local kind = failure_of(entry, failure)
  kind.count = sum.add(kind.count, failure.count)
  if not failure.count then kind.uncounted = true end
  kind.begins_at, kind.ends_at = earlier(kind.begins_at, report.begins_at), later(kind.ends_at, report.ends_at)
  for set, value in pairs { addresses = failure.address, sources = failure.source, reasons = failure.reason, info = failure.info,
    reporters = report.organization } do
    kind[set][value] = true
  end
end

-- A report tells no more than sums: one of several days counts for the first.
local function add_policy(groups, order, policy, report)
  local entry = entry_of(groups, order, policy)
  entry.reports = entry.reports + 1
  entry.successful = sum.add(entry.successful, policy.successful)
  local failed = sum.failed(policy)
  entry.failed = sum.add(entry.failed, failed)
  if not (policy.successful and policy.failed) then entry.uncounted = true end
  entry.begins_at, entry.ends_at = earlier(entry.begins_at, report.begins_at), later(entry.ends_at, report.ends_at)
  if report.organization then entry.reporters[report.organization] = true end
  if report.begins_at then
    local day = report.begins_at // DAY
    local of_day = entry.days[day] or { successful = 0, failed = 0 }
    entry.days[day] = of_day
    of_day.successful, of_day.failed = sum.add(of_day.successful, policy.successful), sum.add(of_day.failed, failed)
  end
  for _, failure in ipairs(policy.failures) do add_failure(entry, failure, report) end
end

-- The sets of a failure as lists.
local function listed(kind)
  for _, set in ipairs { 'addresses', 'sources', 'reasons', 'info', 'reporters' } do kind[set] = sum.sorted(kind[set]) end
  return kind
end

local function by_count(a, b)
  if a.count ~= b.count then return a.count > b.count end
  return (a.result or '') .. '\0' .. (a.mx or '') < (b.result or '') .. '\0' .. (b.mx or '')
end

local function close(entry)
  local failures, days = {}, {}
  for _, kind in pairs(entry.failures) do failures[#failures + 1] = listed(kind) end
  table.sort(failures, by_count)
  for _, day in ipairs(sum.sorted(entry.days)) do
    days[#days + 1] = { day = os.date('!%Y-%m-%d', day * DAY), successful = entry.days[day].successful, failed = entry.days[day].failed }
  end
  entry.failures, entry.days, entry.reporters = failures, days, sum.sorted(entry.reporters)
end

-- {reports, twice, begins_at, ends_at, reporters = {{organization, contact, reports}, ...}, policies = {entry, ...}}
function sum.up(sources)
  local reports, twice = sum.distinct(sources)
  local total = { reports = #reports, twice = twice, reporters = {}, policies = {} }
  local groups, known = {}, {}
  for _, report in ipairs(reports) do
    total.begins_at, total.ends_at = earlier(total.begins_at, report.begins_at), later(total.ends_at, report.ends_at)
    local name = (report.organization or '') .. '\0' .. (report.contact or '')
    local reporter = known[name]
    if not reporter then
      reporter = { organization = report.organization, contact = report.contact, reports = 0 }
      known[name] = reporter
      total.reporters[#total.reporters + 1] = reporter
    end
    reporter.reports = reporter.reports + 1
    for _, policy in ipairs(report.policies) do add_policy(groups, total.policies, policy, report) end
  end
  for _, entry in ipairs(total.policies) do close(entry) end
  -- The policies of a domain stand together; those with failures first.
  table.sort(total.policies, function(a, b)
    local left, right = a.domain or '', b.domain or ''
    if left ~= right then return left < right end
    if a.failed ~= b.failed then return a.failed > b.failed end
    return (a.policy_type or '') .. table.concat(a.policy, '\n') < (b.policy_type or '') .. table.concat(b.policy, '\n')
  end)
  return total
end

return sum
