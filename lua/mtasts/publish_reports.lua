-- SPDX-License-Identifier: ISC
-- Reports of TLS (RFC 8460) about one domain, summed up: what counts is what senders saw under its MTA-STS policy.
local core = require 'mtasts.core'
local input = require 'mtasts.report_input'
local text = require 'mtasts.text'

local reports = {}

local function add_failures(sum, policy, failed)
  local named = 0
  for _, failure in ipairs(policy.failures) do
    if failure.result and failure.count and failure.count > 0 then
      sum.types[failure.result] = (sum.types[failure.result] or 0) + failure.count
      named = named + failure.count
    end
  end
  if named == 0 then sum.types['unspecified'] = (sum.types['unspecified'] or 0) + failed end
  return named
end

-- One policy of a report: what was seen under our domain's.
local function add_policy(sum, domain, policy, from, to)
  if policy.policy_type ~= 'sts' or not policy.domain or core.normalise(policy.domain) ~= domain then return false end
  local good, failed = policy.successful or 0, policy.failed or 0
  if failed > 0 or #policy.failures > 0 then failed = math.max(failed, add_failures(sum, policy, failed)) end
  sum.good, sum.failed = sum.good + good, sum.failed + failed
  sum.first = math.min(sum.first or from, from)
  sum.last = math.max(sum.last or to, to)
  if failed > 0 then sum.last_failure = math.max(sum.last_failure or to, to) end
  return true
end

-- A report that reached us twice, by mail and by HTTPS, counts once. Returns why it is left out, if it is.
local function add_report(sum, domain, report, seen)
  local from, to = report.begins_at, report.ends_at
  if not from or not to or to < from then return 'it does not say which time it is about' end
  if from > core.now() then return 'it is of the future' end
  local key = ('%s\0%s\0%d'):format(report.organization, report.id, from)
  if seen[key] then return end
  seen[key] = true
  local ours = false
  for _, policy in ipairs(report.policies) do
    if add_policy(sum, domain, policy, from, math.min(to, core.now())) then ours = true end
  end
  if ours then sum.reports = sum.reports + 1 end
end

-- Files, mails and folders with them, summed up: reports, good, failed, types = {result type = count}; first, last, last_failure: times.
function reports.read(names, domain, warn, cli)
  local sum, seen = { reports = 0, good = 0, failed = 0, types = {} }, {}
  if #names == 0 then return sum end
  for _, source in ipairs(input.read(names, cli)) do
    local why = source.err and text.problem(source.err) or add_report(sum, domain, source.report, seen)
    if why then warn(('%s: %s; left out'):format(source.name, why)) end
  end
  return sum
end

return reports
