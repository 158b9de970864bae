-- SPDX-License-Identifier: ISC
-- Charts for a page, as SVG within it. Texts are handed in as they are, and escaped here.
local text = require 'mtasts.text'

local chart = {}

local WIDTH <const> = 360 -- that of a phone: there nothing is made smaller
local BARS_MOST <const> = 60
local DAY <const> = 86400

local entities <const> = { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;', ["'"] = '&#39;' }

-- What others wrote, for HTML and XML.
function chart.escape(words)
  return (text.clean(tostring(words)):gsub('\xEF\xBF[\xBE\xBF]', '?'):gsub('[&<>"\']', entities))
end
local escape = chart.escape

-- At most so many characters.
local function short(words, most)
  words = text.clean(words)
  if utf8.len(words) <= most then return words end
  return words:sub(1, utf8.offset(words, most) - 1) .. '…'
end

-- 1234567 -> "1,234,567"
function chart.number(count)
  local digits = ('%d'):format(count):reverse():gsub('(%d%d%d)', '%1,')
  return (digits:reverse():gsub('^,', ''))
end

local function svg(height, label, body)
  return ('<svg viewBox="0 0 %d %d" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg">\n%s</svg>\n'):format(
    WIDTH, height, escape(label), body)
end

-- Of days {day = 'YYYY-MM-DD', successful, failed} the bars: one a day without gaps, or of several days where they are very many.
local function bars_of(days, at_of)
  local first, last = at_of(days[1].day), at_of(days[#days].day)
  local step = (last - first) // BARS_MOST + 1
  local bars = {}
  for i = 1, (last - first) // step + 1 do
    local from = first + (i - 1) * step
    bars[i] = { from = from, to = from + step - 1, successful = 0, failed = 0 }
  end
  for _, day in ipairs(days) do
    local bar = bars[(at_of(day.day) - first) // step + 1]
    bar.successful, bar.failed = bar.successful + day.successful, bar.failed + day.failed
  end
  return bars
end

local function date(day) return os.date('!%Y-%m-%d', day * DAY) end

-- Heights of what is not nothing can be seen.
local function height_of(count, most, room)
  if count == 0 then return 0 end
  return math.max(2, count / most * room)
end

-- Sessions of each day, those that failed on top; and how many days a bar has.
function chart.days(days)
  if #days == 0 then return '', 1 end
  local dates = require 'mtasts.dates'
  local bars, most, body = bars_of(days, dates.read), 1, {}
  for _, bar in ipairs(bars) do most = math.max(most, bar.successful + bar.failed) end
  local room <const>, left <const>, base <const> = 120, 4, 140
  local pitch = (WIDTH - 2 * left) / #bars
  for i, bar in ipairs(bars) do
    local x, width = left + (i - 1) * pitch, math.min(40, pitch * 0.8)
    local good, bad = height_of(bar.successful, most, room), height_of(bar.failed, most, room)
    local name = bar.to > bar.from and date(bar.from) .. ' to ' .. date(bar.to) or date(bar.from)
    body[#body + 1] = ('<g><title>%s: %d went well, %d failed</title>'):format(name, bar.successful, bar.failed)
    if good > 0 then
      body[#body + 1] = ('<rect class="good" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'):format(x, base - good, width, good)
    end
    if bad > 0 then
      body[#body + 1] = ('<rect class="bad" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'):format(x, base - good - bad, width, bad)
    end
    body[#body + 1] = '</g>\n'
  end
  body[#body + 1] = ('<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>\n'):format(left, base, WIDTH - left, base)
  body[#body + 1] = ('<text x="%d" y="12">%s</text>\n'):format(left, 'most: ' .. chart.number(most))
  body[#body + 1] = ('<text x="%d" y="%d">%s</text>\n'):format(left, base + 14, date(bars[1].from))
  if #bars > 1 then
    body[#body + 1] = ('<text x="%d" y="%d" text-anchor="end">%s</text>\n'):format(WIDTH - left, base + 14, date(bars[#bars].from))
  end
  return svg(base + 20, 'Sessions over time', table.concat(body)), bars[1].to - bars[1].from + 1
end

local ROWS_MOST <const>, ROW <const> = 12, 34

-- Rows {name, count}, the largest first.
function chart.rows(label, rows)
  local most, body = 1, {}
  for _, row in ipairs(rows) do most = math.max(most, row.count) end
  local shown = math.min(#rows, ROWS_MOST)
  for i = 1, shown do
    local row, y = rows[i], (i - 1) * ROW
    local width = math.max(2, row.count / most * (WIDTH - 8))
    body[#body + 1] = ('<g><title>%s: %d</title><text x="4" y="%d">%s</text><text x="%d" y="%d" text-anchor="end">%s</text>'):format(
      escape(row.name), row.count, y + 12, escape(short(row.name, 44)), WIDTH - 4, y + 12, chart.number(row.count))
    body[#body + 1] = ('<rect class="bad" x="4" y="%d" width="%.1f" height="10"/></g>\n'):format(y + 17, width)
  end
  local height = shown * ROW
  if #rows > shown then
    body[#body + 1] = ('<text x="4" y="%d">and %d more</text>\n'):format(height + 12, #rows - shown)
    height = height + 20
  end
  return svg(height, label, table.concat(body))
end

return chart
