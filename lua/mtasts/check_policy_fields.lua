-- SPDX-License-Identifier: ISC
-- Checks of what a policy says: its fields and their values.
local core = require 'mtasts.core'
local mx = require 'mtasts.check_patterns'
local notes = require 'mtasts.check_notes'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local DAY <const>, WEEK <const> = 86400, 604800
local LONGEST <const> = 31557600

local meant = {
  report = 'testing', test = 'testing', monitor = 'testing', live = 'enforce', production = 'enforce', on = 'enforce', enabled = 'enforce',
  strict = 'enforce', enforcing = 'enforce', enforced = 'enforce', off = 'none', disabled = 'none', disable = 'none',
}

local function mode_of(seen) return seen.policy and seen.policy.mode or seen.first.mode end

-- The number, also of a policy that is refused for something else.
local function age_of(seen)
  if seen.policy then return seen.policy.max_age end
  return math.tointeger(tonumber((seen.first.max_age or ''):match '^%d+$'))
end

local function commented(seen, note)
  return (seen.lines[note.line] or ''):find '%s#' ~= nil or (seen.lines[note.line] or ''):find '%s//' ~= nil
end

-- A row whose findings are the parser's notes of these codes.
local function noted(id, severity, title, fix, codes, but)
  local wanted = {}
  for _, code in ipairs(codes) do wanted[code] = true end
  return {
    id = id, severity = severity, ref = 'RFC 8461 3.2', needs = 'lines', title = title, fix = fix,
    check = function(seen, say)
      notes.say(seen, say, function(note) return wanted[note.code] and not (but and but(seen, note)) end)
    end,
  }
end

return {
  noted('pol.version', 'error', 'the version is STSv1', 'Let the first line be "version: STSv1", exactly so.',
    { 'policy-version', 'policy-version-missing' }),
  {
    id = 'pol.order', severity = 'info', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'the version is the first field',
    fix = 'Put the version first, as the RFC writes it; senders take any order.',
    check = function(seen, say)
      local first = seen.fields[1]
      if not seen.first.version or not first then return false end
      if first.name ~= 'version' then say('the first field is ' .. read.quote(first.name)) end
    end,
  },
  {
    id = 'pol.mode', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'the mode is enforce, testing or none',
    fix = 'Write "mode: testing" while you watch the reports, "mode: enforce" for protection, or "mode: none" to end it.',
    check = function(seen, say)
      notes.say(seen, say, function(note) return note.code == 'policy-mode' or note.code == 'policy-mode-missing' end, function()
        local word = (seen.first.mode or ''):lower():match '%a+'
        local near = word and (meant[word] or core.nearest(word, { 'enforce', 'testing', 'none' }))
        return near and ('Write "mode: %s".'):format(near)
      end)
    end,
  },
  {
    id = 'pol.mode.testing', severity = 'warn', ref = 'RFC 8461 5', needs = 'lines',
    title = 'the mode protects: it is not testing',
    fix = 'Change to "mode: enforce" with a new id once the reports show no failures.',
    check = function(seen, say)
      if not mode_of(seen) then return false end
      if mode_of(seen) == 'testing' then say 'mode testing: mail is delivered even when TLS fails; failures are only reported' end
    end,
  },
  {
    id = 'pol.mode.none', severity = 'warn', ref = 'RFC 8461 8.3', needs = 'lines',
    title = 'the mode protects: it is not none',
    fix = 'Remove record and policy once the old max_age is over, or change the mode if mail shall be protected.',
    check = function(seen, say)
      if not mode_of(seen) then return false end
      if mode_of(seen) == 'none' then say 'mode none: mail goes as without MTA-STS' end
    end,
  },
  noted('pol.maxage', 'error', 'max_age is a number of seconds', 'Write digits alone, such as "max_age: 1209600" (two weeks).',
    { 'policy-max-age', 'policy-max-age-missing' },
    function(seen, note) return note.code == 'policy-max-age' and commented(seen, note) end),
  noted('pol.maxage.big', 'error', 'max_age is at most ' .. LONGEST, 'Write at most "max_age: 31557600" (a year).',
    { 'policy-max-age-clamped' }),
  {
    id = 'pol.maxage.short', severity = 'warn', ref = 'RFC 8461 10.2', needs = 'lines',
    title = 'max_age is long enough to protect',
    fix = 'Raise max_age to weeks or months, such as "max_age: 2592000": it is how long an attacker would have to hide the policy.',
    check = function(seen, say)
      local age, mode = age_of(seen), mode_of(seen)
      if not age or mode == 'none' then return false end
      if age == 0 then
        say('max_age is 0: the policy is never kept', { severity = 'error' })
      elseif age < DAY then
        say(('max_age is %d (%s), less than a day'):format(age, text.span(age)))
      elseif mode == 'enforce' and age < 2 * WEEK then
        say(('max_age is %d (%s), less than %s'):format(age, text.span(age), age < WEEK and 'a week' or 'two weeks'), { severity = 'info' })
      end
    end,
  },
  noted('pol.dup', 'warn', 'version, mode and max_age stand once', 'Remove the second one: only the first counts.',
    { 'policy-repeated-field' }),
  noted('pol.mx.present', 'error', 'the policy names the MX hosts', 'Add a line "mx: HOST" for each MX host of the domain.',
    { 'policy-mx-missing' }),
  {
    id = 'pol.mx.syntax', severity = 'error', ref = 'RFC 8461 4.1', needs = 'lines',
    title = 'each mx is one host name, or "*." and a domain',
    fix = 'Write one host name in each mx line, as DNS has it in the MX record, without anything else.',
    check = function(seen, say)
      notes.say(seen, say, function(note)
        return (note.code == 'policy-mx-unusable' or note.code == 'policy-mx-trailing-dot') and not mx.address(mx.value(seen, note))
          and not commented(seen, note)
      end, function(note) return mx.fix(mx.value(seen, note)) end)
    end,
  },
  {
    id = 'pol.mx.ip', severity = 'error', ref = 'RFC 8461 4.1', needs = 'lines',
    title = 'an mx is a name, not an address',
    fix = 'Write the name of the host, as it stands in the MX record and in its certificate.',
    check = function(seen, say)
      notes.say(seen, say, function(note) return note.code == 'policy-mx-unusable' and mx.address(mx.value(seen, note)) end)
    end,
  },
  noted('pol.mx.dup', 'info', 'each mx stands once', 'Remove the second line; perhaps another host was meant.', { 'policy-mx-repeated' }),
  {
    id = 'pol.mx.wide', severity = 'warn', ref = 'RFC 8461 10.4', needs = 'lines',
    title = 'wildcards cover your own hosts only',
    fix = 'Name the hosts one by one: under the wildcard lie the hosts of every customer of the provider.',
    check = function(seen, say)
      for _, pattern in ipairs(mx.values(seen)) do
        if mx.is_wide(pattern) then say('mx ' .. read.quote(pattern)) end
      end
    end,
  },
  {
    id = 'pol.mx.placeholder', severity = 'error', ref = 'RFC 2606 3', needs = 'lines',
    title = 'no mx is left over from an example',
    fix = "Write the names of your own MX hosts in place of the example's.",
    check = function(seen, say)
      for _, pattern in ipairs(mx.values(seen)) do
        if mx.is_placeholder(pattern, seen.domain) then say('mx ' .. read.quote(pattern)) end
      end
    end,
  },
}
