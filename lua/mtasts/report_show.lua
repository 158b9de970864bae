-- SPDX-License-Identifier: ISC
-- mtasts report show FILE...: what reports say, summed up, for people, as JSON or as a page.
local core = require 'mtasts.core'
local input = require 'mtasts.report_input'
local sum = require 'mtasts.report_sum'
local text = require 'mtasts.text'
local words = require 'mtasts.report_words'

local show = {}

local WIDTH <const> = 80
local NAMED_MOST <const>, KINDS_MOST <const>, ENTRIES_MOST <const> = 5, 50, 1000

function show.options(command)
  input.arguments(command)
  command:flag('--html', 'One page for a browser, on standard output.')
end

-- ---- as text ----

local function several(count, thing) return ('%d %s%s'):format(count, thing, count == 1 and '' or 's') end

-- 'a, b and 3 more'
local function named(list, most)
  most = most or NAMED_MOST
  local names = {}
  for i = 1, math.min(#list, most) do names[i] = text.clean(list[i]) end
  return table.concat(names, ', ') .. (#list > most and (' and %d more'):format(#list - most) or '')
end

-- 'since DAY to DAY'
function show.span(begins_at, ends_at)
  if not begins_at and not ends_at then return 'at an unknown time' end
  local first = begins_at and os.date('!%Y-%m-%d', begins_at) or '?'
  -- 00:00 of the next day ends the day before.
  local last = ends_at and os.date('!%Y-%m-%d', ends_at - (ends_at > (begins_at or 0) and ends_at % 86400 == 0 and 1 or 0)) or '?'
  return first == last and first or first .. ' to ' .. last
end

function show.share(entry)
  local all = entry.successful + entry.failed
  if all == 0 or entry.failed == 0 then return '' end
  local percent = 100 * entry.failed / all
  return percent < 0.1 and ' (less than 0.1%)' or (' (%.1f%%)'):format(percent)
end

local function mode_of(entry)
  for _, line in ipairs(entry.policy) do
    local mode = line:match '^mode:%s*(%S+)'
    if mode then return ' (' .. text.clean(mode) .. ')' end
  end
  return ''
end

function show.title(entry)
  return (entry.domain and text.clean(entry.domain) or 'a domain that is not named') .. ', ' .. text.clean(words.policy(entry.policy_type))
    .. mode_of(entry)
end

local function print_failure(entry, kind)
  local where = kind.mx and ' at ' .. text.clean(kind.mx) or ''
  if #kind.addresses > 0 then where = where .. ' [' .. named(kind.addresses) .. ']' end
  local what = text.clean(words.result(kind.result))
  local head = ('  %s %s%s %s%s'):format(text.paint('bad', '✗'), kind.count, kind.uncounted and '+' or '', what, where)
  local rest = (' (%s), %s'):format(text.clean(kind.result or 'no result-type'), show.span(kind.begins_at, kind.ends_at))
  if #kind.reporters > 0 then rest = rest .. ', from ' .. named(kind.reporters) end
  if #kind.sources > 0 then rest = rest .. ' [' .. named(kind.sources) .. ']' end
  if #kind.reasons > 0 then rest = rest .. ': ' .. named(kind.reasons) end
  print(text.wrap(head .. rest, '      ', WIDTH))
  for i = 1, math.min(#kind.info, NAMED_MOST) do print('      ' .. (text.clean(kind.info[i]):match '^(.-)%s*$')) end
  print(text.wrap('      ' .. text.clean(words.mend(kind.result, kind.mx, entry.domain)), '      ', WIDTH))
end

local function print_entry(entry)
  local good = ('%d session%s went well'):format(entry.successful, entry.successful == 1 and '' or 's')
  local bad = entry.failed == 0 and 'none failed' or ('%d failed%s'):format(entry.failed, show.share(entry))
  local line = ('%s: %s, %s'):format(show.title(entry), good, bad)
  if entry.uncounted then line = line .. '; some counts are not told' end
  print(text.wrap(line, '  ', WIDTH))
  local from = ('  %s, %s'):format(several(entry.reports, 'report'), show.span(entry.begins_at, entry.ends_at))
  if #entry.reporters > 0 then from = from .. ', from ' .. named(entry.reporters) end
  print(text.wrap(from, '  ', WIDTH))
  for i = 1, math.min(#entry.failures, KINDS_MOST) do print_failure(entry, entry.failures[i]) end
  if #entry.failures > KINDS_MOST then print(('  and %d more kinds of failures: --json shows all'):format(#entry.failures - KINDS_MOST)) end
  if entry.failed > 0 and #entry.failures == 0 then print '  ! the reports do not say why sessions failed: ask the reporter' end
end

local function print_unread(unread)
  for _, source in ipairs(unread) do
    io.stderr:write(text.wrap(('mtasts: %s: %s'):format(text.clean(source.name), text.problem(source.err)), '  ', WIDTH), '\n')
  end
end

local function print_all(total)
  local names, line = {}, several(total.reports, 'report')
  for i, reporter in ipairs(total.reporters) do names[i] = reporter.organization or reporter.contact or 'somebody' end
  if #names > 0 then line = line .. ' from ' .. named(names) end
  if total.reports > 0 then line = line .. ', ' .. show.span(total.begins_at, total.ends_at) end
  if total.twice > 0 then line = line .. ('; %d more came twice and do not count'):format(total.twice) end
  print(text.wrap(line, '  ', WIDTH))
  for i = 1, math.min(#total.policies, ENTRIES_MOST) do
    print ''
    print_entry(total.policies[i])
  end
  if #total.policies > ENTRIES_MOST then print(('\nand %d more policies: --json shows all'):format(#total.policies - ENTRIES_MOST)) end
end

-- ---- as JSON ----

local lists <const> = { 'addresses', 'sources', 'reasons', 'info', 'reporters', 'policy', 'patterns', 'failures', 'days', 'policies' }

-- Lists are arrays even when they are empty.
local function arrays(value)
  for _, name in ipairs(lists) do
    if value[name] then core.json_array(value[name]) end
  end
  for _, name in ipairs { 'failures', 'policies' } do
    for _, item in ipairs(value[name] or {}) do arrays(item) end
  end
  return value
end

local function as_json(total, unread)
  local result = arrays(total)
  result.unread = core.json_array {}
  for i, source in ipairs(unread) do
    local err = source.err
    result.unread[i] = { file = source.name, error = { code = err.code, message = err.message, detail = err.detail, temporary = false } }
  end
  for _, entry in ipairs(total.policies) do
    for _, kind in ipairs(entry.failures) do
      kind.meaning, kind.mend = words.result(kind.result), words.mend(kind.result, kind.mx, entry.domain)
    end
  end
  return core.json_encode(result)
end

-- ---- the command ----

local function has_failures(total)
  for _, entry in ipairs(total.policies) do
    if entry.failed > 0 or #entry.failures > 0 then return true end
  end
  return false
end

function show.main(args, cli)
  local sources = input.read(args.files, cli)
  local unread = {}
  for _, source in ipairs(sources) do
    if not source.report then unread[#unread + 1] = source end
  end
  local total = sum.up(sources)
  local code = #unread > 0 and cli.exit.errors or has_failures(total) and cli.exit.warnings or cli.exit.good
  if args.html then
    io.stdout:write(require('mtasts.report_html').page(total, unread))
  elseif args.json then
    print(as_json(total, unread))
  else
    print_all(total)
  end
  if not args.json then print_unread(unread) end
  return code
end

return show
