-- SPDX-License-Identifier: ISC
-- Text for people: times, colour, what an answer means in words.

local text = {}

local colours = { good = '32', warning = '33', bad = '31', dim = '2', bold = '1' }
local coloured = false

function text.use_colour(on) coloured = on end

function text.paint(colour, words)
  if not coloured then return words end
  return ('\27[%sm%s\27[0m'):format(colours[colour], words)
end

-- 93784 -> "1 d 2 h"
function text.span(seconds)
  seconds = math.max(0, math.floor(seconds))
  local units = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'min' }, { 1, 's' } }
  for i, unit in ipairs(units) do
    local count = seconds // unit[1]
    if count > 0 or i == #units then
      local rest = units[i + 1] and i < 3 and (seconds - count * unit[1]) // units[i + 1][1] or 0
      return ('%d %s'):format(count, unit[2]) .. (rest > 0 and (' %d %s'):format(rest, units[i + 1][2]) or '')
    end
  end
end

function text.ago(at, now)
  return at > now and 'in ' .. text.span(at - now) or text.span(now - at) .. ' ago'
end

function text.ends(at, now)
  return at > now and 'expires in ' .. text.span(at - now) or 'expired ' .. text.span(now - at) .. ' ago'
end

-- Lines of at most width bytes, further ones indented. Blanks between words stay as they are, but not where a line breaks.
function text.wrap(words, indent, width)
  local lines, line, empty = {}, '', true
  for gap, word in words:gmatch '(%s*)(%S+)' do
    if not empty and #line + #gap + #word > width then
      lines[#lines + 1] = line
      line = indent .. word
    else
      line = line .. gap .. word
    end
    empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, '\n')
end

-- head, then words in a column beside it.
function text.beside(head, words, width)
  local column = (' '):rep(#head)
  return head .. text.wrap(column .. words, column, width):sub(#head + 1)
end

-- What others wrote, for a terminal: no control characters, none that turn the direction of writing, and nothing that is no UTF-8.
function text.clean(words)
  if not utf8.len(words) then words = words:gsub('[\128-\255]', '?') end
  return (words:gsub('[%c\127]', '?'):gsub('\xC2[\x80-\x9F]', '?')
    :gsub('\xE2\x80[\x8E\x8F\xA8-\xAE]', '?'):gsub('\xE2\x81[\xA6-\xA9]', '?'))
end

-- Where a finding is.
function text.place(finding)
  local words = finding.line > 0 and ('line %d, column %d'):format(finding.line, finding.column) or ''
  if not finding.path then return words end
  return text.clean(finding.path) .. (words ~= '' and ' (' .. words .. ')' or '')
end

function text.problem(err)
  local words = err.message
  if err.detail and err.detail ~= '' and err.detail ~= err.message then words = words .. ': ' .. err.detail end
  return words .. ' [' .. err.code .. ']'
end

return text
