-- SPDX-License-Identifier: ISC
-- mtasts report merge FILE...: one report, as RFC 8460 4.4 has it, out of those of several machines or days.
local core = require 'mtasts.core'
local input = require 'mtasts.report_input'
local sum = require 'mtasts.report_sum'
local text = require 'mtasts.text'
local validate = require 'mtasts.report_validate'

local merge = {}

function merge.options(command)
  input.arguments(command)
  command:option('--organization', 'Name of who reports; needed where the reports name several.'):argname 'NAME'
  command:option('--contact', 'Mail address of who reports; likewise.'):argname 'ADDRESS'
  command:option('--id', 'The new report-id; default: made of those of the reports.'):argname 'ID'
end

-- The value that all reports have in common, or the option.
local function common(reports, field, option, given, cli)
  if given then return given end
  local value
  for _, report in ipairs(reports) do
    if value and report[field] and report[field] ~= value then
      cli.refuse('the reports have several values of %s (%s, %s): choose with %s', field, value, report[field], option)
    end
    value = value or report[field]
  end
  return value or cli.refuse('no report tells its %s: name it with %s', field, option)
end

-- The same reports make the same id, in whatever order they come.
local function id_of(reports, day, contact)
  local names = {}
  for i, report in ipairs(reports) do names[i] = core.json_encode(report) end
  table.sort(names)
  local hash = 0xcbf29ce484222325 -- FNV-1a
  for byte in table.concat(names, '\n'):gmatch '.' do hash = (hash ~ byte:byte()) * 0x100000001b3 end
  return ('%s.%016x@%s'):format(day, hash, contact:match '@([^@]*)$' or contact)
end

local function rfc3339(at) return os.date('!%Y-%m-%dT%H:%M:%SZ', at) end

local function range_of(reports, cli)
  local begins_at, ends_at
  for _, report in ipairs(reports) do
    if report.begins_at and report.ends_at and report.begins_at <= report.ends_at then
      begins_at, ends_at = math.min(begins_at or report.begins_at, report.begins_at), math.max(ends_at or report.ends_at, report.ends_at)
    end
  end
  if not begins_at then cli.refuse 'no report tells which time it is about' end
  -- 00:00 of the next day is the end of this one (RFC 8460 4.1).
  if ends_at > begins_at and ends_at % 86400 == 0 then ends_at = ends_at - 1 end
  return { ['start-datetime'] = rfc3339(begins_at), ['end-datetime'] = rfc3339(ends_at) }
end

local names <const> = {
  result = 'result-type', source = 'sending-mta-ip', mx = 'receiving-mx-hostname', helo = 'receiving-mx-helo', address = 'receiving-ip',
  info = 'additional-information', reason = 'failure-reason-code',
}
local kinds <const> = { 'result', 'source', 'mx', 'helo', 'address', 'info', 'reason' }

local function add_failure(entry, failure)
  local key = {}
  for i, kind in ipairs(kinds) do key[i] = failure[kind] or '' end
  key = table.concat(key, '\0')
  local merged = entry.by_kind[key]
  if not merged then
    merged = { ['failed-session-count'] = 0 }
    for kind, name in pairs(names) do merged[name] = failure[kind] end
    entry.by_kind[key] = merged
    table.insert(entry['failure-details'], merged)
  end
  merged['failed-session-count'] = sum.add(merged['failed-session-count'], failure.count)
end

-- mx-host is what the policy has, where the reporter left it out (RFC 8460 4.4).
local function patterns_of(policy)
  local list = core.json_array {}
  for i, pattern in ipairs(policy.patterns) do list[i] = pattern end
  if #list > 0 or policy.policy_type ~= 'sts' then return list end
  for _, line in ipairs(policy.policy) do list[#list + 1] = line:match '^mx:%s*(%S+)%s*$' end
  return list
end

local function entry_of(groups, list, policy)
  local patterns = patterns_of(policy)
  local parts = { policy.domain or '', policy.policy_type or '', table.concat(policy.policy, '\n'), table.concat(patterns, '\n') }
  local key = table.concat(parts, '\0')
  local entry = groups[key]
  if entry then return entry end
  local lines = core.json_array { table.unpack(policy.policy) }
  entry = {
    policy = { ['policy-type'] = policy.policy_type, ['policy-domain'] = policy.domain,
      ['policy-string'] = #lines > 0 and lines or nil, ['mx-host'] = #patterns > 0 and patterns or nil },
    summary = { ['total-successful-session-count'] = 0, ['total-failure-session-count'] = 0 },
    ['failure-details'] = core.json_array {}, by_kind = {},
  }
  groups[key] = entry
  list[#list + 1] = entry
  return entry
end

-- {policy entries} of reports, counts summed.
function merge.policies(reports)
  local groups, list = {}, core.json_array {}
  for _, report in ipairs(reports) do
    for _, policy in ipairs(report.policies) do
      local entry = entry_of(groups, list, policy)
      local summary = entry.summary
      summary['total-successful-session-count'] = sum.add(summary['total-successful-session-count'], policy.successful)
      summary['total-failure-session-count'] = sum.add(summary['total-failure-session-count'], sum.failed(policy))
      for _, failure in ipairs(policy.failures) do add_failure(entry, failure) end
    end
  end
  for _, entry in ipairs(list) do entry.by_kind = nil end
  return list
end

-- What the result still lacks, since no report tells it: it is judged like any other.
local function judge(line)
  local _, _, findings = core.parse_report(line)
  for _, finding in ipairs(findings) do
    if finding.strict_refuses then io.stderr:write('mtasts: the merged report: ', validate.finding(finding):gsub('^%s+', ''), '\n') end
  end
  return findings.strict
end

function merge.main(args, cli)
  local sources = input.read(args.files, cli)
  for _, source in ipairs(sources) do
    if not source.report then
      io.stderr:write(text.wrap(('mtasts: %s: %s'):format(text.clean(source.name), text.problem(source.err)), '  ', 80), '\n')
      return cli.exit.errors
    end
  end
  local reports, twice = sum.distinct(sources)
  if twice > 0 then io.stderr:write(('mtasts: %d report(s) came twice and count once\n'):format(twice)) end
  local contact = common(reports, 'contact', '--contact', args.contact, cli)
  local range = range_of(reports, cli)
  local result = {
    ['organization-name'] = common(reports, 'organization', '--organization', args.organization, cli), ['contact-info'] = contact,
    ['report-id'] = args.id or id_of(reports, range['start-datetime']:match '^[%d-]+', contact), ['date-range'] = range,
    policies = merge.policies(reports),
  }
  local line = core.json_encode(result)
  print(line)
  return judge(line) and cli.exit.good or cli.exit.warnings
end

return merge
