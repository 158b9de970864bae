-- SPDX-License-Identifier: ISC
-- The way out (RFC 8461 8.3): mode none for as long as any sender may keep an older policy, then no record, then no policy.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local plan = require 'mtasts.publish_plan'
local refusal = require 'mtasts.publish_refusal'
local text = require 'mtasts.text'

local DAY <const> = 86400
local YEAR <const> = 31557600

local function day_of(at) return dates.write((at + DAY - 1) // DAY) end

-- When the last sender forgets what was published before; what was served until (nil: now) counts from then.
-- Older policies may have had a larger max_age than the last.
local function forgotten(history, found, previous, now, since)
  local ends, longest = 0, 0
  local function served(max_age, last)
    ends, longest = math.max(ends, last + max_age), math.max(longest, max_age)
  end
  local last_none
  for i, entry in ipairs(history) do
    local after = history[i + 1]
    if entry.mode ~= 'none' then served(entry.max_age, after and after.at or now) end
    if entry.id == found.id and entry.mode == 'none' then last_none = i end
  end
  while last_none and history[last_none - 1] and history[last_none - 1].mode == 'none' do last_none = last_none - 1 end
  since = since or last_none and history[last_none].at
  if not found.error and found.mode ~= 'none' and found.max_age then served(found.max_age, now) end
  if previous then served(previous, since or now) end
  return ends, longest, since
end

local function add_date(step, at, what) step.dates[#step.dates + 1] = { day = day_of(at), at = at, what = what } end

-- A day more for senders that look once a day, and for the time to live of the record.
local function name_dates(step, ends, domain)
  local record = ends + DAY
  add_date(step, record, ('remove the record _mta-sts.%s'):format(domain))
  add_date(step, record + 2 * DAY, ('remove the policy, and mta-sts.%s'):format(domain))
  return record
end

local function begin(step, found, ends, longest, now, domain)
  step.name, step.mode, step.max_age, step.patterns = 'none', 'none', plan.usual.none, {}
  step.words = 'publish mode none, and leave it there until the last sender has forgotten what was before'
  if found.error then step.why[1] = 'the live policy cannot be learned: ' .. text.problem(found.error) end
  step.why[#step.why + 1] = ('a policy that was served before may be kept for %s'):format(text.span(longest))
  name_dates(step, math.max(ends, now + plan.usual.none), domain)
  return step
end

local function ends_of_none(step, ends, now, domain)
  local record = name_dates(step, ends, domain)
  if now < record then
    refusal.unsafe(('the record must not go before %s: senders may still have an older policy of %s'):format(day_of(record), domain),
      ('leave mode none as it is until %s, then remove the record, and on %s the policy'):format(step.dates[1].day, step.dates[2].day))
  end
  step.name, step.words = 'remove', 'every older policy is forgotten: remove the record now, and the policy two days later'
  step.dates = {}
  add_date(step, now, ('remove the record _mta-sts.%s'):format(domain))
  add_date(step, now + 2 * DAY, ('remove the policy, and mta-sts.%s'):format(domain))
  return step
end

local function without_record(step, ends, longest, now, domain)
  if ends + DAY > now and longest > 0 then
    refusal.unsafe(('the record of %s is gone, but senders may keep a policy until %s'):format(domain, day_of(ends + DAY)),
      ('publish mode none with a record until then: mtasts publish %s --mode none'):format(domain))
  end
  step.name, step.code = 'done', 0
  step.words = longest > 0 and 'it is done: nothing is published, and every older policy is forgotten'
    or 'nothing is published'
  if longest == 0 then
    step.why[1] = 'if there was a policy before, senders may keep it: --previous-max-age and --since tell of it'
  end
  return step
end

return function(args, found, history, _, cli, domain)
  local now = core.now()
  local step = { why = {}, mend = {}, dates = {}, code = 0 }
  if found.record == 'unknown' then
    refusal.unknown('DNS cannot say now what is published: ' .. text.problem(found.error), 'try again later')
  end
  local ends, longest, since = forgotten(history, found, args.previous_max_age, now, plan.since(args, cli))
  if found.record == 'none' then return without_record(step, ends, longest, now, domain) end
  if found.error or found.mode ~= 'none' then
    if longest == 0 then ends, longest = now + YEAR, YEAR end -- nobody can say; this is the most there is
    return begin(step, found, ends, longest, now, domain)
  end
  step.why[1] = ('live: mode none, max_age %d, id %s'):format(found.max_age, found.id)
  if longest == 0 or not since then
    refusal.unsafe('mode none is published, but nothing says since when, and how long senders may keep what was before',
      'say --since YYYY-MM-DD, the day since which it is served, and --previous-max-age, the longest of the policies before; it is '
      .. 'at most a year')
  end
  -- What is kept of mode none itself holds no mail.
  return ends_of_none(step, ends, now, domain)
end
