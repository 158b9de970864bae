-- SPDX-License-Identifier: ISC
-- Reports of TLS (RFC 8460) about one domain, summed up: what counts is what senders saw under its MTA-STS policy.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local files = require 'mtasts.publish_files'

local reports = {}

local FILE_MOST <const> = 16 << 20 -- of one report, unpacked; receivers take ten megabytes (RFC 8460 5.2)
local COUNT_MOST <const> = 1 << 53
local DAY <const> = 86400

-- RFC 3339 5.6 -> Unix seconds, or nil
local function time_of(words)
  if type(words) ~= 'string' then return nil end
  local y, m, d, h, min, s, rest = words:match '^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(.*)$'
  local day = y and dates.day(y, m, d)
  local sign, oh, om = (rest or ''):gsub('^%.%d+', ''):match '^([-+])(%d%d):(%d%d)$'
  local zulu = rest and rest:gsub('^%.%d+', ''):match '^[Zz]$'
  if not day or not (sign or zulu) then return nil end
  local offset = sign and (tonumber(oh) * 60 + tonumber(om)) * (sign == '-' and -60 or 60) or 0
  return math.tointeger(day * DAY + tonumber(h) * 3600 + tonumber(min) * 60 + tonumber(s) - offset)
end

local function count_of(value)
  return math.type(value) == 'integer' and value >= 0 and value <= COUNT_MOST and value or nil
end

local function field(value, key) return type(value) == 'table' and value[key] or nil end

local function read_file(path)
  local file, why = io.open(path, 'rb')
  if not file then return nil, why end
  local content
  content, why = file:read(FILE_MOST + 1)
  file:close()
  if why then return nil, ('%s: %s'):format(path, why) end
  if #(content or '') > FILE_MOST then return nil, ('%s: longer than %d bytes'):format(path, FILE_MOST) end
  if content and content:sub(1, 2) == '\31\139' then
    content, why = files.c().gunzip(content, FILE_MOST)
    if not content then return nil, ('%s: %s'):format(path, why) end
  end
  return content or ''
end

local function add_failures(sum, policy, failed)
  local named = 0
  for _, detail in ipairs(type(policy['failure-details']) == 'table' and policy['failure-details'] or {}) do
    local kind, count = field(detail, 'result-type'), count_of(field(detail, 'failed-session-count'))
    if type(kind) == 'string' and count and count > 0 then
      sum.types[kind] = (sum.types[kind] or 0) + count
      named = named + count
    end
  end
  if named == 0 then sum.types['unspecified'] = (sum.types['unspecified'] or 0) + failed end
  return named
end

-- One policy of a report: what was seen under our domain's.
local function add_policy(sum, domain, policy, from, to)
  local told = field(policy, 'policy')
  local name = field(told, 'policy-domain')
  if field(told, 'policy-type') ~= 'sts' or type(name) ~= 'string' or core.normalise(name) ~= domain then return false end
  local good = count_of(field(policy.summary, 'total-successful-session-count')) or 0
  local failed = count_of(field(policy.summary, 'total-failure-session-count')) or 0
  local details = policy['failure-details']
  if failed > 0 or type(details) == 'table' and #details > 0 then failed = math.max(failed, add_failures(sum, policy, failed)) end
  sum.good, sum.failed = sum.good + good, sum.failed + failed
  sum.first = math.min(sum.first or from, from)
  sum.last = math.max(sum.last or to, to)
  if failed > 0 then sum.last_failure = math.max(sum.last_failure or to, to) end
  return true
end

-- A report that reached us twice, by mail and by HTTPS, counts once.
local function add_report(sum, domain, report, seen)
  local range = field(report, 'date-range')
  local from, to = time_of(field(range, 'start-datetime')), time_of(field(range, 'end-datetime'))
  local policies = field(report, 'policies')
  if not from or not to or to < from or type(policies) ~= 'table' then return nil, 'no report of TLS (RFC 8460 4.4)' end
  if from > core.now() then return nil, 'it is of the future' end
  local key = ('%s\0%s\0%d'):format(tostring(field(report, 'organization-name')), tostring(field(report, 'report-id')), from)
  if seen[key] then return true end
  seen[key] = true
  local ours = false
  for _, policy in ipairs(policies) do
    if type(policy) == 'table' and add_policy(sum, domain, policy, from, math.min(to, core.now())) then ours = true end
  end
  if ours then sum.reports = sum.reports + 1 end
  return true
end

local function paths_of(name, cli)
  local names, why = files.c().list(name)
  if why then cli.refuse('publish: --reports %s', why) end
  if not names then return { name } end
  table.sort(names)
  local paths = {}
  for _, leaf in ipairs(names) do
    if leaf:find '%.json$' or leaf:find '%.json%.gz$' then paths[#paths + 1] = name .. '/' .. leaf end
  end
  return paths
end

-- Files and folders with them, summed up: reports, good, failed, types = {result type = count}, first, last and last_failure (times).
function reports.read(names, domain, warn, cli)
  local sum, seen = { reports = 0, good = 0, failed = 0, types = {} }, {}
  for _, name in ipairs(names) do
    for _, path in ipairs(paths_of(name, cli)) do
      local content, why = read_file(path)
      if not content and path == name then cli.refuse('publish: --reports %s', why) end
      local report
      if content then
        report, why = core.json_decode(content)
        if report ~= nil then _, why = add_report(sum, domain, report, seen) else why = 'no JSON: ' .. why end
        why = why and ('%s: %s'):format(path, why)
      end
      if why then warn(why .. '; left out') end
    end
  end
  return sum
end

return reports
