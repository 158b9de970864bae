-- SPDX-License-Identifier: ISC
-- Values for people: answers as "mtasts lookup" shows them, tables with sorted keys, strings that no terminal obeys. Bounded in depth and
-- length, whatever the value.
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local show = {}

local DEEPEST <const> = 6
local LONGEST <const> = 40 -- entries of one table
local MOST <const> = 1500 -- entries of all
local KEYS_MOST <const> = 10000 -- beyond, keys are neither sorted nor counted
local STRING_MOST <const> = 4000
local INNER_STRING_MOST <const> = 300

-- ---- strings ----

local function hex(byte) return ('\\x%02x'):format(byte:byte()) end
local function code_point(bytes) return ('\\u{%X}'):format(utf8.codepoint(bytes)) end

-- A string as Lua reads it, without what a terminal would obey.
function show.quote(words, most)
  local rest = #words - (most or STRING_MOST)
  if rest > 0 then
    words = words:sub(1, most or STRING_MOST)
    while #words > 0 and not utf8.len(words) and utf8.len(words, 1, -4, true) do words = words:sub(1, -2) end
  end
  local quoted = words:gsub('[\\"]', '\\%0'):gsub('\n', '\\n'):gsub('\t', '\\t'):gsub('\r', '\\r'):gsub('[%c\127]', hex)
  if utf8.len(words) then
    quoted = quoted:gsub('\xC2[\x80-\x9F]', code_point):gsub('\xE2\x80[\x8B-\x8F\xA8-\xAE]', code_point)
      :gsub('\xE2\x81[\xA0-\xA9]', code_point):gsub('\xD8\x9C', code_point):gsub('\xEF\xBB\xBF', code_point)
  else
    quoted = quoted:gsub('[\128-\255]', hex)
  end
  return '"' .. quoted .. '"' .. (rest > 0 and (' … %d bytes more'):format(rest) or '')
end

-- Lines of others, each cleaned, without blanks at their ends.
function show.clean(lines)
  local clean = {}
  for line in (lines .. '\n'):gmatch '([^\n]*)\n' do clean[#clean + 1] = text.clean((line:gsub('\t', '  '))) end
  return table.concat(clean, '\n')
end

-- ---- kinds of values ----

-- The name of a value of ours: 'mtasts.answer', …
function show.kind(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == 'table' and rawget(meta, '__name')
  return type(value) ~= 'string' and type(name) == 'string' and name:match '^mtasts%.([%l_]+)$' or nil
end

local signatures

local function signature_of(fn)
  if not signatures then
    signatures = {}
    local api = require 'mtasts.api'
    local modules = { mtasts = api.functions, ['mtasts.osmtpd'] = api.osmtpd, ['mtasts.exim'] = api.exim }
    for module, list in pairs(modules) do
      for name, entry in pairs(list) do
        local member = package.loaded[module] and package.loaded[module][name]
        if member then signatures[member] = module:gsub('^mtasts%.', '') .. '.' .. entry.signature end
      end
    end
  end
  return signatures[fn]
end

local function function_text(fn)
  local signature = signature_of(fn)
  if signature then return 'function ' .. signature end
  local info = debug.getinfo(fn, 'S')
  if info.what == 'C' then return 'function of C' end
  return text.clean(('function at %s:%d'):format(info.short_src, info.linedefined))
end

local function number_text(number)
  return math.type(number) == 'integer' and tostring(number) or ('%.14g'):format(number)
end

local function scalar(value, most)
  local kind = type(value)
  if kind == 'string' then return show.quote(value, most) end
  if kind == 'number' then return number_text(value) end
  if kind == 'nil' or kind == 'boolean' then return tostring(value) end
  if kind == 'function' then return '<' .. function_text(value) .. '>' end
  local name = show.kind(value)
  if name then return '<mtasts.' .. name .. '>' end
  return '<' .. kind .. '>'
end

-- ---- tables ----

local TIMES <const> = { not_before = true, not_after = true, exception_until = true, failing_since = true, oldest_fetch = true,
  next_expiry = true, now = true }

local function note_on(key, value)
  if type(key) ~= 'string' or math.type(value) ~= 'integer' or value < 1e8 or value > 1e11 then return nil end
  if not TIMES[key] and not key:find '_at$' then return nil end
  return os.date('!%Y-%m-%d %H:%M:%S UTC, ', value) .. text.ago(value, core.now())
end

local rank = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local rank_a, rank_b = rank[type(a)] or 4, rank[type(b)] or 4
  if rank_a ~= rank_b then return rank_a < rank_b end
  if rank_a < 3 then return a < b end
  return tostring(a) < tostring(b)
end

-- The keys behind the list part, sorted. Only views of ours are asked what they hold: other tables might run code.
local function keys_of(value, length)
  local keys, count = {}, 0
  local iterate, state = next, value
  if show.kind(value) then iterate, state = pairs(value) end
  for key in iterate, state do
    local listed = math.type(key) == 'integer' and key >= 1 and key <= length
    if not listed then keys[#keys + 1] = key end
    count = count + 1
    if count >= KEYS_MOST then break end
  end
  table.sort(keys, before)
  return keys
end

local words_of_lua = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
  while]]):gmatch '%a+' do words_of_lua[word] = true end

local function key_text(key)
  if type(key) == 'string' and key:find '^[%a_][%w_]*$' and not words_of_lua[key] then return key .. ' = ' end
  return '[' .. scalar(key, 60) .. '] = '
end

local build

-- An entry of a table; false when there have been enough.
local function add(node, key, value, budget)
  budget.left = budget.left - 1
  if budget.left < 0 or #node >= LONGEST then return false end
  node[#node + 1] = { key = key and key_text(key) or '', value = build(value, budget), note = key and note_on(key, value) }
  return true
end

-- A bounded tree of what is to be shown: strings, and lists of {key, value, note} with the number of entries left out.
function build(value, budget)
  if type(value) ~= 'table' then return scalar(value, INNER_STRING_MOST) end
  if budget.above[value] then return '<cycle>' end
  local meta, kind = debug.getmetatable(value), show.kind(value)
  if kind == 'world' or kind == 'opinion' or kind == 'decision' or kind == 'deferral' then return '<mtasts.' .. kind .. '>' end
  if type(meta) == 'table' and rawget(meta, '__tostring') and not kind then
    local ok, words = pcall(tostring, value)
    return '<' .. (ok and text.clean(words) or 'a table that cannot be shown') .. '>'
  end
  if kind == 'answer' and budget.depth > 0 then
    return text.clean(('<answer: %s, %s, %s>'):format(value.domain, value.mode or 'no policy', value.action))
  end
  if budget.depth >= DEEPEST then return '{…}' end
  budget.above[value] = true
  budget.depth = budget.depth + 1
  local node = { more = 0 }
  local length = kind and #value or rawlen(value)
  for i = 1, length do
    local item
    if kind then item = value[i] else item = rawget(value, i) end
    if not add(node, nil, item, budget) then
      node.more = length - i + 1
      break
    end
  end
  local keys = keys_of(value, length)
  for i, key in ipairs(keys) do
    local item
    if kind then item = value[key] else item = rawget(value, key) end
    if not add(node, key, item, budget) then
      node.more = node.more + #keys - i + 1
      break
    end
  end
  budget.depth = budget.depth - 1
  budget.above[value] = nil
  return node
end

local function more_text(node) return ('… %d more'):format(node.more) end

-- In one line, or nil if it is longer than room.
local function flat(node, room)
  if type(node) == 'string' then return #node <= room and node or nil end
  if #node == 0 and node.more == 0 then return '{}' end
  local parts, length = {}, 4
  for i, entry in ipairs(node) do
    local value = not entry.note and flat(entry.value, room - length)
    if not value then return nil end
    parts[i] = entry.key .. value
    length = length + #parts[i] + 2
    if length - 2 > room then return nil end
  end
  if node.more > 0 then parts[#parts + 1] = more_text(node) end
  local line = '{ ' .. table.concat(parts, ', ') .. ' }'
  return #line <= room and line or nil
end

local function layout(lines, node, head, tail, indent, width)
  local line = flat(node, math.max(10, width - #indent - #head - #tail))
  if line or type(node) == 'string' then
    lines[#lines + 1] = indent .. head .. (line or node) .. tail
    return
  end
  lines[#lines + 1] = indent .. head .. '{'
  local inner = indent .. '  '
  for _, entry in ipairs(node) do
    layout(lines, entry.value, entry.key, ',' .. (entry.note and text.paint('dim', '  -- ' .. entry.note) or ''), inner, width)
  end
  if node.more > 0 then lines[#lines + 1] = inner .. more_text(node) end
  lines[#lines + 1] = indent .. '}' .. tail
end

-- Any value, in lines.
function show.fields(value, width)
  if type(value) ~= 'table' then return scalar(value) end
  local lines = {}
  layout(lines, build(value, { left = MOST, depth = 0, above = {} }), '', '', '', width)
  return table.concat(lines, '\n')
end

-- ---- results ----

-- One line with the code.
function show.problem(err)
  local about = type(err.domain) == 'string' and err.domain .. ': ' or ''
  local later = err.temporary == true and ' (may pass by itself)' or ''
  return text.clean(about .. text.problem(err) .. later)
end

function show.error(err) return text.paint('bad', 'error: ') .. show.problem(err) end

function show.is_error(value)
  return show.kind(value) == 'error' and type(value.code) == 'string' and type(value.message) == 'string'
end

local function is_findings(value)
  return type(value) == 'table' and rawget(value, 'strict') ~= nil and rawget(value, 'dropped') ~= nil
end

local function findings_text(findings, width)
  local head = findings.strict and text.paint('good', '✓ fits the RFC to the letter')
    or text.paint('warning', '! deviates from the letter of the RFC')
  local lines = { head }
  for i, finding in ipairs(findings) do
    if i > LONGEST then
      lines[#lines + 1] = ('  … %d more'):format(#findings - LONGEST)
      break
    end
    lines[#lines + 1] = text.beside('  ' .. text.place(finding) .. '  ',
      text.clean(finding.message) .. ' [' .. text.clean(finding.code) .. ']', width)
  end
  return table.concat(lines, '\n')
end

function show.value(value, width)
  local kind = show.kind(value)
  if kind == 'answer' then return require('mtasts.lookup').describe(value, width) end
  if kind == 'tls' then return require('mtasts.probe').describe(nil, value, nil, width) end
  if kind == 'world' then
    local open, now = pcall(function() return value.now end)
    return open and '<mtasts.world, its clock says ' .. os.date('!%Y-%m-%d %H:%M:%S UTC>', now) or '<mtasts.world, closed>'
  end
  if show.is_error(value) then return show.error(value) end
  if is_findings(value) then return findings_text(value, width) end
  if type(value) == 'function' then return function_text(value) end
  return show.fields(value, width)
end

-- What mtasts.all returns: a list of lists of results.
local function is_list_of_results(value)
  if type(value) ~= 'table' or debug.getmetatable(value) or rawlen(value) == 0 then return false end
  for i = 1, rawlen(value) do
    local results = rawget(value, i)
    local whole = type(results) == 'table' and math.type(rawget(results, 'n')) == 'integer'
    if not whole or not (show.kind(results[1]) == 'answer' or results[1] == nil and show.is_error(results[2])) then return false end
  end
  return true
end

-- All results of an expression. nil and an error: the error alone; value, nil, findings (of the parsers): the nil tells nothing.
function show.results(results, width)
  local parts = {}
  for i = 1, results.n do
    local value = results[i]
    local silent = value == nil and (show.is_error(results[i + 1]) or i > 1 and is_findings(results[i + 1]))
    if is_list_of_results(value) then
      for j = 1, math.min(#value, LONGEST) do parts[#parts + 1] = show.results(value[j], width) end
      if #value > LONGEST then parts[#parts + 1] = ('… %d more'):format(#value - LONGEST) end
    elseif not silent then
      parts[#parts + 1] = show.value(value, width)
    end
  end
  return table.concat(parts, '\n')
end

-- ---- JSON ----

local null

local function plain(value, depth)
  local kind = show.kind(value)
  if value == nil then
    null = null or core.json_decode('[null]')[1]
    return null
  end
  if kind == 'answer' then return require('mtasts.lookup').as_json(value, true) end
  if type(value) ~= 'table' then
    if type(value) == 'string' or type(value) == 'number' or type(value) == 'boolean' then return value end
    return scalar(value)
  end
  if depth > DEEPEST * 2 then error('nested too deep for JSON, or in a cycle', 0) end
  local copy = {}
  for key, item in pairs(value) do copy[type(key) == 'number' and key or tostring(key)] = plain(item, depth + 1) end
  local length = kind and #value or rawlen(value)
  for key in pairs(copy) do
    if type(key) == 'number' and length == 0 then error('a table with these keys has no form in JSON', 0) end
  end
  return length > 0 and core.json_array(copy) or copy
end

-- One line: the value, several as an array, nil and an error as {"error": ...}.
function show.json(results)
  if results.n == 2 and results[1] == nil and show.is_error(results[2]) then
    return core.json_encode { error = plain(results[2], 0) }
  end
  local list = core.json_array {}
  for i = 1, results.n do list[i] = plain(results[i], 0) end
  local line = core.json_encode(list)
  return results.n == 1 and line:sub(2, -2) or line
end

return show
