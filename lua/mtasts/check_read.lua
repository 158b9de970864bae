-- SPDX-License-Identifier: ISC
-- What the checks look at in texts: what the parsers say of them, and the parts as they were written.
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local read = {}

local QUOTE_MAX <const> = 60

local function cut(words)
  return #words > QUOTE_MAX and words:sub(1, utf8.offset(words, 0, QUOTE_MAX - 2) - 1) .. '...' or words
end

-- What others wrote, short and fit to be shown.
function read.quote(words) return '"' .. cut(text.clean(words)) .. '"' end

-- The same for names, which stand without quotation marks.
function read.names(list, most)
  local shown = {}
  for i, name in ipairs(list) do
    if i > (most or 6) then
      shown[#shown + 1] = ('%d more'):format(#list - i + 1)
      break
    end
    shown[#shown + 1] = cut(text.clean(name))
  end
  return table.concat(shown, ', ')
end

-- "1 record", "2 records"
function read.count(number, word) return ('%d %s%s'):format(number, word, number == 1 and '' or 's') end

-- The fields of a record behind its version, as written.
local function fields(record)
  local list = {}
  for part in record:match('^[^;]*;?(.*)$'):gmatch '[^;]+' do
    local name, value = part:match '^%s*([^=]-)%s*=%s*(.-)%s*$'
    if name then list[#list + 1] = { name = name, value = value } end
  end
  return list
end

-- What TXT records of one name are: those that count, those that are meant to, and others.
local function sorted(texts, version, meant)
  local kept, spaced, near, other = {}, {}, {}, {}
  for _, record in ipairs(texts) do
    if record:sub(1, #version + 1) == version .. ';' then
      kept[#kept + 1] = record
    elseif record:find('^' .. version .. '[ \t]+;') then
      spaced[#spaced + 1] = record
    elseif record:lower():gsub('[^%w=]', ''):find(meant) then
      near[#near + 1] = record
    else
      other[#other + 1] = record
    end
  end
  return { texts = texts, kept = kept, spaced = spaced, near = near, other = other }
end

local function judged(set, parse)
  local count = math.min(#set.texts, 256) -- as many as the parser takes
  set.value, set.error, set.notes = parse { table.unpack(set.texts, 1, count) }
  set.text = set.kept[1] or set.spaced[1] or set.near[1]
  set.fields = set.text and fields(set.text) or {}
  set.present = set.text ~= nil
  -- A choice between several says nothing of what is wrong within one.
  if #set.kept > 1 or not set.value and set.text and set.error.code == 'record-none' then
    local _, _, notes = parse(set.text)
    set.notes = notes
  end
  return set
end

function read.record(texts) return judged(sorted(texts, 'v=STSv1', '^v=?sts'), core.parse_record) end
function read.tlsrpt(texts) return judged(sorted(texts, 'v=TLSRPTv1', '^v=?tlsr'), core.parse_tlsrpt) end

-- What is no policy at all, whatever it is.
local function foreign(body)
  local start = body:match '^%s*(.*)':sub(1, 300)
  local lower = start:lower()
  if lower:find '^<' or lower:find('<html', 1, true) or lower:find('<body', 1, true) then return 'HTML or XML' end
  if lower:find '^{\\rtf' or lower:find('\\fonttbl', 1, true) then return 'a rich text document (RTF)' end
  if start:find '^%%PDF' then return 'a PDF document' end
  if start:find '^PK\3\4' then return 'a ZIP or office document' end
  if start:find '^[{%[]%s*["%]}{%[]' then return 'JSON' end
end

-- A policy as served: what the parser says, its lines, and its fields as they were written.
function read.policy(body)
  local seen = { body = body }
  seen.policy, seen.policy_error, seen.notes = core.parse_policy(body)
  seen.strict = seen.policy ~= nil and seen.notes.strict
  seen.foreign = foreign(body)
  seen.wide = body:find '^\xff\xfe' or body:find '^\xfe\xff' or body:find '^.%z.%z' or body:find '^%z.%z.'
  seen.empty = not body:gsub('^\xef\xbb\xbf', ''):find '%S'
  if seen.foreign or seen.wide or seen.empty then return seen end
  seen.lines, seen.fields, seen.first = {}, {}, {}
  for line in (body:gsub('^\xef\xbb\xbf', '') .. '\n'):gmatch '(.-)\r?\n' do
    seen.lines[#seen.lines + 1] = line
    local name, value = line:match '^[ \t]*([^:#]-)[ \t]*:[ \t]*(.-)[ \t]*$'
    if name then
      local field = { name = name, value = value, line = #seen.lines }
      seen.fields[#seen.fields + 1] = field
      seen.first[name] = seen.first[name] or value
    end
  end
  if seen.lines[#seen.lines] == '' then seen.lines[#seen.lines] = nil end
  return seen
end

return read
