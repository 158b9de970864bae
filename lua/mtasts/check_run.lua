-- SPDX-License-Identifier: ISC
-- mtasts.check: looks at a domain, makes the checks of what was seen, and puts together what came of them.
local core = require 'mtasts.core'
local cert = require 'mtasts.check_cert'
local look = require 'mtasts.check_look'
local read = require 'mtasts.check_read'
local rows = require 'mtasts.check_rows'
local senders = require 'mtasts.check_senders'
local text = require 'mtasts.text'

local run = {}

local known_options <const> = { 'timeout', 'smtp', 'family', 'only', 'skip', 'known_id', 'inject', 'progress' }

local function wrong(format, ...) error(("bad argument #2 to 'check' (%s)"):format(format:format(...)), 0) end

local function words_of(value, name)
  if value == nil then return nil end
  local list = type(value) == 'string' and { value } or value
  if type(list) ~= 'table' then wrong('%s is a %s, not a list of ids', name, type(value)) end
  local words = {}
  for _, entry in ipairs(list) do
    if type(entry) ~= 'string' then wrong('%s has a %s, not an id', name, type(entry)) end
    for word in entry:gmatch '[^%s,]+' do words[#words + 1] = word end
  end
  local set, unknown, near = rows.named(words)
  if not set then wrong("%s: there is no check '%s'%s", name, unknown, near and (", did you mean '" .. near .. "'?") or '') end
  return set
end

local types <const> = { timeout = 'number', smtp = 'boolean', family = 'number', known_id = 'string', inject = 'boolean',
  progress = 'function' }

-- The options, checked; raises.
function run.options(options)
  if options ~= nil and type(options) ~= 'table' then wrong('table expected, got %s', type(options)) end
  local result = {}
  for key, value in pairs(options or {}) do
    local known = false
    for _, name in ipairs(known_options) do known = known or name == key end
    if not known then
      local near = type(key) == 'string' and core.nearest(key, known_options)
      wrong("unknown option '%s'%s", tostring(key), near and (", did you mean '" .. near .. "'?") or '')
    end
    if types[key] and type(value) ~= types[key] then wrong('%s: %s expected, got %s', key, types[key], type(value)) end
    result[key] = value
  end
  if result.timeout and not (result.timeout > 0 and result.timeout <= 3600) then wrong 'timeout: more than 0 and at most 3600 seconds' end
  if result.family and result.family ~= 4 and result.family ~= 6 then wrong 'family: 4 or 6' end
  result.only, result.skip = words_of(result.only, 'only'), words_of(result.skip, 'skip')
  return result
end

local by_https = { host = true, gets = true, again = true, nosni = true, elsewhere = true, body = true, lines = true, policy = true }

-- Which checks are wanted, and what must be looked at for them (DNS always is).
local function plan(options)
  local list, wants = {}, {}
  for _, row in ipairs(rows.list) do
    if (not options.only or options.only[row.id]) and not (options.skip and options.skip[row.id]) then
      list[row.id] = true
      for need in (row.needs or ''):gmatch '%S+' do
        wants.https = wants.https or by_https[need]
        wants.smtp = wants.smtp or need == 'tries'
      end
      for look_at in (row.looks or ''):gmatch '%S+' do wants[look_at] = true end
    end
  end
  if options.smtp == false then wants.smtp, wants.dane = nil, nil end
  return list, wants
end

-- Makes the checks that are wanted of what was seen: findings, passed, skipped, counts.
function run.judge(seen, wanted, groups)
  local result = { findings = {}, passed = {}, skipped = {}, counts = { error = 0, warn = 0, info = 0, unknown = 0 } }
  for _, row in ipairs(rows.list) do
    if not groups or groups[row.group] or groups[row.id] then
      local found = (not wanted or wanted[row.id]) and rows.make(row, seen, text.clean) or nil
      if not found then
        table.insert(result.skipped, row.id)
      elseif #found == 0 then
        table.insert(result.passed, row.id)
      else
        for _, finding in ipairs(found) do
          table.insert(result.findings, finding)
          result.counts[finding.severity] = result.counts[finding.severity] + 1
        end
      end
    end
  end
  return result
end

local function days_left(seen)
  local days = {}
  local function least(key, tls)
    local left = cert.days_left(tls, seen.at)
    if left and (not days[key] or left < days[key]) then days[key] = left end
  end
  for _, get in ipairs(seen.gets or {}) do least('policy_host', get.see.tls) end
  for _, host in ipairs(seen.hosts or {}) do
    for _, try in ipairs(host.tries or {}) do least(host.name, try.see.tls) end
  end
  return days
end

-- Since when the policy is as it is, as far as its server says.
local months <const> = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }
local function policy_age(seen)
  local modified = seen.got and seen.got.headers and seen.got.headers['last-modified'] or ''
  local day, month, year, hour, minute, second = modified:match '^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$'
  local first = day and months[month] and require('mtasts.dates').day(year, months[month], day)
  if not first then return nil end
  local age = seen.at - (first * 86400 + hour * 3600 + minute * 60 + second)
  return age >= 0 and math.tointeger(age) or nil
end

-- The result of a check.
function run.result(seen, wanted)
  local result = run.judge(seen, wanted)
  result.domain, result.unicode, result.asked, result.at = seen.domain, seen.unicode, seen.asked, seen.at
  result.api = core.api
  result.record = seen.record and seen.record.text
  result.id = seen.record and seen.record.value and seen.record.value.id
  result.policy = seen.body
  if seen.policy then result.mode, result.max_age = seen.policy.mode, seen.policy.max_age end
  result.mx = seen.policy and seen.policy.mx or {}
  result.policy_age = policy_age(seen)
  result.hosts = senders.hosts(seen)
  result.senders = wanted['sum.senders'] and senders.sentences(seen, result.hosts) or {}
  if not wanted['sum.senders'] then -- what was left out would be taken for what is missing
    for _, host in ipairs(result.hosts) do host.would, host.why = 'unknown', 'not looked at' end
  end
  result.days_left = days_left(seen)
  result.present = seen.record ~= nil and seen.record.present
  return result
end

local yes <const> = { yes = true, ['true'] = true, on = true, ['1'] = true }

-- domain, options as run.options gives them -> result | nil, err. eyes: who looks, for tests.
function run.check(domain, options, eyes)
  local known, err = look.domain(domain)
  if not known then return nil, err end
  local wanted, wants = plan(options)
  local started = core.elapsed()
  local seen = { asked = domain, domain = known.domain, unicode = known.unicode, forms = known.forms, at = core.now() }
  local more = { allow_private = yes[core.settings().allow_private.value:lower()] }
  for key, value in pairs(options) do more[key] = value end
  look.at(seen, more, wants, eyes)
  local result = run.result(seen, wanted)
  result.ms = core.elapsed() - started
  return result, nil, seen
end

-- What is given as a record is meant as one, whatever it is.
local function meant(set)
  if not set.present and #set.texts > 0 then
    set.near, set.other, set.present, set.text = set.texts, {}, true, set.texts[1]
  end
  return set
end

local function list_of(input) return type(input) == 'table' and input or { input } end

-- The same checks on a text: a record, a policy or a record of TLS reporting.
local kinds = {
  record = function(input) return { record = meant(read.record(list_of(input))) }, { txt = true } end,
  tlsrpt = function(input) return { tlsrpt = meant(read.tlsrpt(list_of(input))) }, { tlsrpt = true } end,
  policy = function(input)
    local seen = read.policy(input)
    seen.policy_notes = seen.notes
    return seen, { policy = true, ['http.size'] = true }
  end,
}

function run.text(kind, input)
  local seen, groups = kinds[kind](input)
  seen.at, seen.options = core.now(), {}
  return run.judge(seen, nil, groups)
end

return run
