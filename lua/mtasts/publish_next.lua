-- SPDX-License-Identifier: ISC
-- The next safe step: nothing -> testing -> enforce for a week -> enforce for weeks. What is live, the MX hosts as they answer now, and
-- what senders reported decide.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local live = require 'mtasts.publish_live'
local plan = require 'mtasts.publish_plan'
local refusal = require 'mtasts.publish_refusal'
local reports = require 'mtasts.publish_reports'
local text = require 'mtasts.text'

local DAY <const> = 86400
local WEEK <const> = 7 * DAY
local TESTING_LEAST <const> = 14 * DAY -- without a failure, before mail may be held
local ENFORCE_LEAST <const> = 7 * DAY  -- before senders keep it for longer
local REPORTS_OLD <const> = 7 * DAY
local LADDER <const> = { WEEK, 2 * WEEK, 4 * WEEK } -- max_age of mode enforce
local FIRST_MOST <const> = 2 * WEEK                 -- of the first policy that enforces
local JUMP <const> = 4                              -- times the max_age before

local function day_of(at) return dates.write(at // DAY) end

-- Since when the live policy has its mode, by what was written here: the last entries of the same mode, up to the live id.
local function since_in_history(history, found)
  local last
  for i, entry in ipairs(history) do
    if entry.id == found.id then last = i end
  end
  if not last or history[last].mode ~= found.mode then return nil end
  local first = last
  while history[first - 1] and history[first - 1].mode == found.mode do first = first - 1 end
  return history[first].at
end

local function types_in_words(types)
  local names, words = {}, {}
  for name in pairs(types) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do words[i] = ('%s %d'):format(name, types[name]) end
  return table.concat(words, ', ')
end

local function told_by_reports(sum, step)
  if sum.reports == 0 then
    step.why[#step.why + 1] = 'the reports hold nothing on MTA-STS of this domain'
    return
  end
  step.why[#step.why + 1] = ('reports: %d, %s to %s; sessions under MTA-STS: %d good, %d failed%s'):format(sum.reports,
    day_of(sum.first), day_of(math.max(sum.first, sum.last - 1)), sum.good, sum.failed,
    sum.failed > 0 and ' (' .. types_in_words(sum.types) .. ')' or '')
  step.reports = { reports = sum.reports, good = sum.good, failed = sum.failed, types = sum.types, first = sum.first, last = sum.last,
    last_failure = sum.last_failure }
end

-- Since when all went well, as far as we are told: --since, what was written here, or the first report. nil: nobody says.
local function clean_since(facts, step)
  local sum, since, basis = facts.reports, facts.since, '--since'
  if not since then
    since, basis = since_in_history(facts.history, facts.found), 'what was written here'
  end
  if not since and sum.first then
    since, basis = sum.first, 'the first report'
  end
  if not since then return nil end
  if sum.last_failure and sum.last_failure > since then
    since, basis = sum.last_failure, 'the last failure in a report'
  end
  step.why[#step.why + 1] = ('without a failure for %s, since %s by %s'):format(text.span(math.max(0, facts.now - since)),
    day_of(since), basis)
  return since
end

-- Is it time? Else says in step what is missing.
local function ripe(facts, step, least)
  local sum, since = facts.reports, clean_since(facts, step)
  local function lacks(format, ...)
    step.mend[#step.mend + 1] = format:format(...)
    return false
  end
  if not since then
    return lacks 'nothing says since when this policy is live: give --reports, or --since YYYY-MM-DD, or write with --output'
  end
  if sum.reports > 0 and sum.last < facts.now - REPORTS_OLD then
    return lacks('the newest report ends %s; get those of the days since', day_of(sum.last))
  end
  if sum.reports > 0 and sum.good == 0 then return lacks 'no sender reported a session that went well' end
  if facts.now - since < least then
    return lacks('wait until %s: %s without a failure', day_of(since + least + DAY - 1), text.span(least))
  end
  return true
end

local function stay(step, code, words)
  step.name, step.words, step.code = 'stay', words, code
  return step
end

-- Goes on with what is live, with all MX hosts in it.
local function complete(step, found, outside, names)
  local list = { table.unpack(found.patterns) }
  step.mend[#step.mend + 1] = 'no pattern of the policy permits: ' .. names
  for _, host in ipairs(outside) do
    local pattern, why = plan.of_host(host)
    if not pattern then
      step.mend[#step.mend + 1] = why
      return stay(step, 2, ('stay in mode %s: senders that enforce could not deliver to every MX host'):format(found.mode))
    end
    list[#list + 1] = pattern
  end
  step.name, step.mode, step.max_age, step.patterns, step.code = 'complete', found.mode, found.max_age, list, 1
  step.words = ('stay in mode %s, with every MX host in the policy'):format(found.mode)
  return step
end

local function propose(step, name, mode, max_age, patterns, words)
  step.name, step.mode, step.max_age, step.patterns, step.words = name, mode, max_age, patterns, words
  return step
end

-- Hosts that fail hold mail once the policy enforces. nil: none does.
local function with_faults(step, facts)
  local certain = false
  for _, fault in ipairs(facts.faults) do
    step.mend[#step.mend + 1] = fault.words
    certain = certain or fault.certain
  end
  if #facts.faults == 0 then return nil end
  local mode = facts.found.mode
  if not certain then
    return stay(step, 4, ('stay in mode %s: not every MX host could be looked at from here'):format(mode))
  end
  if mode == 'enforce' then
    step.mend[#step.mend + 1] = 'senders hold the mail for these hosts now; if it cannot be mended soon, go back: --next --mode testing'
  end
  return stay(step, 2, ('stay in mode %s: senders that enforce could not deliver to every MX host'):format(mode))
end

local function from_testing(step, facts)
  local found = facts.found
  if not ripe(facts, step, TESTING_LEAST) then return stay(step, 1, 'stay in mode testing') end
  if facts.reports.reports == 0 then
    facts.warn 'no report was looked at: this goes by what is seen from here alone'
  end
  return propose(step, 'enforce', 'enforce', WEEK, found.patterns, 'testing went well: enforce, for a week at first')
end

local function from_enforce(step, facts)
  local found, higher = facts.found, nil
  for i = #LADDER, 1, -1 do
    if LADDER[i] > found.max_age then higher = LADDER[i] end
  end
  if not higher then
    step.name, step.words = 'done', ('nothing to do: it enforces, and senders keep it for %s'):format(text.span(found.max_age))
    return step
  end
  if not ripe(facts, step, ENFORCE_LEAST) then return stay(step, 1, 'stay in mode enforce, with this max_age') end
  return propose(step, 'raise', 'enforce', higher, found.patterns, 'enforcing went well: senders may keep the policy for longer')
end

-- The whole list of checks, before a step that can hold mail. nil: nothing is wrong.
local function examined(step, facts)
  local errors, warnings = live.examine(facts.domain)
  if warnings > 0 then
    step.why[#step.why + 1] = ('mtasts check %s warns of %d thing%s'):format(facts.domain, warnings, warnings == 1 and '' or 's')
  end
  if #errors == 0 then return nil end
  table.move(errors, 1, #errors, #step.mend + 1, step.mend)
  return stay(step, 2, ('stay in mode %s: mtasts check finds errors'):format(facts.found.mode))
end

local function decide(facts)
  local found = facts.found
  local step = { why = {}, mend = {}, dates = {}, code = 0 }
  if found.record == 'unknown' then return stay(step, 4, 'DNS cannot say now what is published: ' .. text.problem(found.error)) end
  if found.record == 'none' or not found.error and found.mode == 'none' then
    if not facts.reported then step.why[1] = 'nobody is asked for reports: --tlsrpt, or failures at senders are not seen' end
    for _, fault in ipairs(facts.faults) do step.mend[#step.mend + 1] = 'before it can enforce: ' .. fault.words end
    return propose(step, 'testing', 'testing', plan.usual.testing, nil,
      (found.record == 'none' and 'nothing' or 'mode none') .. ' is published: begin with mode testing')
  end
  if found.error then
    step.mend[1] = text.problem(found.error)
    return stay(step, 2, 'senders cannot learn the policy that the record announces')
  end
  step.why[1] = ('live: mode %s, max_age %d (%s), id %s'):format(found.mode, found.max_age, text.span(found.max_age), found.id)
  if facts.given then told_by_reports(facts.reports, step) end
  if found.mx == 'unknown' then
    return stay(step, 4, 'DNS cannot say now which MX hosts there are: ' .. text.problem(found.mx_error))
  end
  local outside, names = live.outside(found, found.patterns)
  local bad = with_faults(step, facts)
  if #outside > 0 and not (bad and found.mode == 'enforce') then return complete(step, found, outside, names) end
  bad = bad or examined(step, facts)
  if bad then return bad end
  return (found.mode == 'testing' and from_testing or from_enforce)(step, facts)
end

local function reasons(step)
  local list = { step.words, table.unpack(step.mend) }
  return table.concat(list, '; ')
end

local function heed_mode(step, mode, found, live_mode, age)
  if mode == 'none' then refusal.unsafe('mode none is the way out, which has an order of its own', 'say --leave instead of --next') end
  if mode == 'testing' and live_mode == 'enforce' then
    step.code = 0
    propose(step, 'back', 'testing', age or plan.usual.testing, found.patterns, 'back to mode testing')
  elseif mode == 'testing' and step.mode == 'enforce' then
    propose(step, 'testing', 'testing', age or found.max_age, found.patterns, 'stay in mode testing, as asked for')
  elseif mode == 'enforce' and step.mode ~= 'enforce' and not (live_mode == 'enforce' and step.name ~= 'stay') then
    refusal.unsafe('not safe yet: mode enforce; ' .. reasons(step),
      step.mode and ('publish mode %s first'):format(step.mode) or 'mend that first')
  end
end

-- What was asked for, within what is safe.
local function heed(step, args, found)
  local age, live_mode = args.max_age, not found.error and found.mode or 'none'
  if args.mode then heed_mode(step, args.mode, found, live_mode, age) end
  if not age or step.name == 'done' and age == found.max_age then return step end
  if live_mode == 'enforce' and age < found.max_age and (step.mode == 'enforce' or step.name == 'done') then
    return propose(step, 'lower', 'enforce', age, step.patterns or found.patterns, 'enforce, with a shorter max_age')
  end
  local most = live_mode == 'enforce' and math.max(found.max_age * JUMP, step.max_age or 0) or FIRST_MOST
  if step.name == 'done' then propose(step, 'raise', 'enforce', age, found.patterns, 'senders may keep the policy for longer') end
  if not step.mode then refusal.unsafe('not safe yet: another max_age; ' .. reasons(step), 'mend that first') end
  if step.mode == 'enforce' and age > most then
    refusal.unsafe(('max_age %d is too large a step: what is wrong with it, senders keep for %s'):format(age, text.span(age)),
      ('at most --max-age %d now'):format(most))
  end
  step.max_age = age
  return step
end

-- args, what is live, what was written here -> {name, words, mode, max_age, patterns, why, mend, dates, code}; without mode there is
-- nothing to publish.
return function(args, found, history, warn, cli, domain)
  local facts = { domain = domain, found = found, history = history, warn = warn, now = core.now(), faults = live.faults(found) }
  facts.reported = #args.tlsrpt > 0 or live.reported(domain)
  facts.since, facts.given = plan.since(args, cli), #args.reports > 0
  facts.reports = reports.read(args.reports, domain, warn, cli)
  return heed(decide(facts), args, found)
end
