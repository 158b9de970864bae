-- SPDX-License-Identifier: ISC
-- What was typed, as a chunk: an expression or statements, whole or not yet.
local input = {}

-- In front of an expression: how its value is shown.
local forms <const> = { json = true, fields = true }

-- '=json EXPR' -> 'EXPR', 'json'
local function split_form(text)
  local rest = text:match '^%s*=(.*)$'
  if not rest then return text, nil end
  local word, behind = rest:match '^%s*(%l+)%s+(.*)$'
  if forms[word] then return behind, word end
  return rest, 'value'
end

local function incomplete(why) return why:find '<eof>$' ~= nil end

-- What is wrong if nothing more comes, with the number of the last line that did.
local function at_end(words, name) return select(2, load(words, '=' .. name, 't')) end

-- Of two complaints the one that tells more: that of the statements, unless they end at their very first word.
local function better(as_expression, as_statements)
  local early = as_statements:find ': unexpected symbol near' and not as_expression:find ': <eof> expected'
  return early and as_expression or as_statements
end

-- text: lines. line: the number of the first one, for error messages. Returns a function and the form ('json', 'fields', 'value' or nil),
-- or nil and 'incomplete', or nil, 'wrong' and why.
function input.compile(text, name, line)
  local words, form = split_form(text)
  -- A newline behind a string that does not end: no further line will end it.
  local lines = ('\n'):rep(line - 1)
  local chunk, as_expression = load(lines .. 'return ' .. words .. '\n', '=' .. name, 't')
  if chunk then return chunk, form end
  if form then
    if incomplete(as_expression) then return nil, 'incomplete', at_end(lines .. 'return ' .. words, name) end
    return nil, 'wrong', as_expression
  end
  local as_statements
  chunk, as_statements = load(lines .. words .. '\n', '=' .. name, 't')
  if chunk then return chunk, nil end
  if incomplete(as_statements) then return nil, 'incomplete', at_end(lines .. words, name) end
  if incomplete(as_expression) then return nil, 'incomplete', at_end(lines .. 'return ' .. words, name) end
  return nil, 'wrong', better(as_expression, as_statements)
end

-- ':set a=b ' -> 'set', 'a=b'; nil: no command
function input.command(text)
  local name, rest = text:match '^%s*:([%w?]*)%s*(.-)%s*$'
  return name, rest
end

-- ---- history: entries of one line or more in a file of lines; further lines of an entry begin with a tab ----

function input.encode(entry)
  return (entry:gsub('^%s+', ''):gsub('%s+$', ''):gsub('\n', '\n\t')) .. '\n'
end

function input.decode(content)
  local entries = {}
  for line in content:gmatch '[^\n]+' do
    local further = line:match '^\t(.*)$'
    if further and #entries > 0 then
      entries[#entries] = entries[#entries] .. '\n' .. further
    elseif not further then
      entries[#entries + 1] = line
    end
  end
  return entries
end

return input
