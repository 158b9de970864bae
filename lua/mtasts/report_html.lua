-- SPDX-License-Identifier: ISC
-- What reports say as one page: no script, nothing from elsewhere, well formed as XML, too.
local chart = require 'mtasts.report_chart'
local show = require 'mtasts.report_show'
local sum = require 'mtasts.report_sum'
local text = require 'mtasts.text'
local words = require 'mtasts.report_words'

local html = {}

local escape, number = chart.escape, chart.number
local ENTRIES_MOST <const>, FAILURES_MOST <const>, NAMED_MOST <const> = 500, 50, 8

local STYLE <const> = [[
:root { color-scheme: light dark; --back: #ffffff; --fore: #1c1c1c; --soft: #5a5a5a; --line: #d8d8d8; --card: #f6f6f4; --good: #2f7d4f;
  --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181a; --fore: #ececec; --soft: #a8a8a8; --line: #3a3d40; --card: #1f2224; --good: #62b984; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--back); color: var(--fore);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
p, ul, dl { margin: 0 0 .5rem; }
ul { padding-left: 1.2rem; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
.numbers { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
.numbers div { flex: 1 1 7rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.numbers b { display: block; font-size: 1.4rem; line-height: 1.2; }
.good { color: var(--good); fill: var(--good); }
.bad { color: var(--bad); fill: var(--bad); }
figure { margin: 0 0 1rem; }
svg { display: block; width: 100%; max-width: 30rem; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--fore); }
.axis { stroke: var(--soft); }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; margin: 0 0 .75rem; }
.mend { border-left: .25rem solid var(--bad); padding-left: .5rem; }
code { font-size: .875rem; }
]]

local Page = {}
Page.__index = Page

function Page:add(format, ...) self[#self + 1] = select('#', ...) > 0 and format:format(...) or format end

local function named(list)
  local names = {}
  for i = 1, math.min(#list, NAMED_MOST) do names[i] = escape(list[i]) end
  return table.concat(names, ', ') .. (#list > NAMED_MOST and (' and %d more'):format(#list - NAMED_MOST) or '')
end

local function totals(total)
  local good, bad, days, order = 0, 0, {}, {}
  for _, entry in ipairs(total.policies) do
    good, bad = sum.add(good, entry.successful), sum.add(bad, entry.failed)
    for _, day in ipairs(entry.days) do
      local of_day = days[day.day] or { day = day.day, successful = 0, failed = 0 }
      days[day.day] = of_day
      of_day.successful, of_day.failed = sum.add(of_day.successful, day.successful), sum.add(of_day.failed, day.failed)
    end
  end
  for i, day in ipairs(sum.sorted(days)) do order[i] = days[day] end
  return good, bad, order
end

-- Failures of all policies by what name makes of each.
local function rows_by(total, name)
  local counts, rows = {}, {}
  for _, entry in ipairs(total.policies) do
    for _, kind in ipairs(entry.failures) do
      local key = name(kind)
      counts[key] = sum.add(counts[key], kind.count)
    end
  end
  for key, count in pairs(counts) do rows[#rows + 1] = { name = key, count = count } end
  table.sort(rows, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.name < b.name
  end)
  return rows
end

local function add_figure(page, caption, picture)
  if picture ~= '' then page:add('<figure><figcaption>%s</figcaption>\n%s</figure>\n', caption, picture) end
end

local function add_charts(page, total, days)
  page:add '<h2>Sessions</h2>\n'
  local picture, step = chart.days(days)
  add_figure(page, (step > 1 and ('%d days a bar'):format(step) or 'A bar for each day') .. ' (UTC): <span class="good">below those that '
    .. 'went well</span>, <span class="bad">on top those that failed</span>', picture)
  local by_type = rows_by(total, function(kind) return words.result(kind.result) end)
  if #by_type == 0 then return end
  page:add '<h2>Failures</h2>\n'
  add_figure(page, 'By what failed', chart.rows('Failures by type', by_type))
  local by_mx = rows_by(total, function(kind) return kind.mx or 'no mail host named' end)
  add_figure(page, 'By mail host', chart.rows('Failures by mail host', by_mx))
end

local function add_failure(page, entry, kind)
  page:add('<h3 class="bad">✗ %s%s %s%s</h3>\n', number(kind.count), kind.uncounted and '+' or '', escape(words.result(kind.result)),
    kind.mx and ' at ' .. escape(kind.mx) or '')
  local facts = { '<code>' .. escape(kind.result or 'no result-type') .. '</code>', show.span(kind.begins_at, kind.ends_at) }
  if #kind.addresses > 0 then facts[#facts + 1] = 'to ' .. named(kind.addresses) end
  if #kind.reporters > 0 then facts[#facts + 1] = 'seen by ' .. named(kind.reporters) end
  if #kind.sources > 0 then facts[#facts + 1] = 'from ' .. named(kind.sources) end
  page:add('<p class="soft">%s</p>\n', table.concat(facts, '; '))
  if #kind.reasons > 0 then page:add('<p class="soft">Reason: %s</p>\n', named(kind.reasons)) end
  -- Where a link leads is the reporter's word: it is shown, not made.
  if #kind.info > 0 then page:add('<p class="soft">More: %s</p>\n', named(kind.info)) end
  page:add('<p class="mend">%s</p>\n', escape(words.mend(kind.result, kind.mx, entry.domain)))
end

local function add_entry(page, entry)
  page:add('<article>\n<h3>%s</h3>\n', escape(show.title(entry)))
  page:add('<p><span class="good">✓ %s went well</span>, <span class="%s">%s failed%s</span>%s</p>\n', number(entry.successful),
    entry.failed > 0 and 'bad' or 'soft', number(entry.failed), show.share(entry), entry.uncounted and '; some counts are not told' or '')
  page:add('<p class="soft">%d report%s, %s%s</p>\n', entry.reports, entry.reports == 1 and '' or 's',
    show.span(entry.begins_at, entry.ends_at), #entry.reporters > 0 and ', from ' .. named(entry.reporters) or '')
  for i = 1, math.min(#entry.failures, FAILURES_MOST) do add_failure(page, entry, entry.failures[i]) end
  if #entry.failures > FAILURES_MOST then page:add('<p>and %d more kinds of failures</p>\n', #entry.failures - FAILURES_MOST) end
  if entry.failed > 0 and #entry.failures == 0 then page:add '<p>The reports do not say why sessions failed: ask the reporter.</p>\n' end
  page:add '</article>\n'
end

local function add_reporters(page, total)
  page:add '<h2>Reporters</h2>\n<ul>\n'
  for i = 1, math.min(#total.reporters, ENTRIES_MOST) do
    local reporter = total.reporters[i]
    page:add('<li>%s%s: %d report%s</li>\n', escape(reporter.organization or 'no name'),
      reporter.contact and ', ' .. escape(reporter.contact) or '', reporter.reports, reporter.reports == 1 and '' or 's')
  end
  page:add '</ul>\n'
end

local function add_unread(page, unread)
  if #unread == 0 then return end
  page:add '<h2>Not read</h2>\n<ul>\n'
  for i = 1, math.min(#unread, ENTRIES_MOST) do
    page:add('<li>%s: %s</li>\n', escape(unread[i].name), escape(text.problem(unread[i].err)))
  end
  page:add '</ul>\n'
end

function html.page(total, unread)
  local page = setmetatable({}, Page)
  local good, bad, days = totals(total)
  local span = total.reports > 0 and show.span(total.begins_at, total.ends_at) or 'none'
  page:add '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8"/>\n'
  page:add '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
  page:add [[<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>]]
  page:add('\n<title>TLS reports, %s</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>TLS reports</h1>\n', span, STYLE)
  page:add('<p class="soft">%s. What other mail servers saw of TLS when they sent mail here (RFC 8460).</p>\n', span)
  page:add('<div class="numbers">\n<div><b>%s</b>reports%s</div>\n<div><b class="good">%s</b>sessions went well</div>\n',
    number(total.reports), total.twice > 0 and (' (%d more came twice)'):format(total.twice) or '', number(good))
  page:add('<div><b class="%s">%s</b>sessions failed</div>\n</div>\n', bad > 0 and 'bad' or 'good', number(bad))
  if #total.policies > 0 then add_charts(page, total, days) end
  if #total.policies > 0 then page:add '<h2>Domains and policies</h2>\n' end
  for i = 1, math.min(#total.policies, ENTRIES_MOST) do add_entry(page, total.policies[i]) end
  if #total.policies > ENTRIES_MOST then page:add('<p>and %d more</p>\n', #total.policies - ENTRIES_MOST) end
  if #total.reporters > 0 then add_reporters(page, total) end
  add_unread(page, unread)
  page:add '</body>\n</html>\n'
  return table.concat(page)
end

return html
