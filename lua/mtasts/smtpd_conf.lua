-- SPDX-License-Identifier: ISC
-- Reads an smtpd.conf as far as it can be told from single lines, and names what works against MTA-STS.

-- Logical lines: comments left out, lines that end in a backslash joined; each a list of words with its number.
local function statements(content)
  local list, words, word, number, first, quote = {}, {}, nil, 1, 1, nil
  local function end_word()
    if word then words[#words + 1] = word end
    word = nil
  end
  local function end_line()
    end_word()
    words.line = first
    if #words > 0 then list[#list + 1] = words end
    words, first = {}, number + 1
  end
  local i, n = 1, #content
  while i <= n do
    local c = content:sub(i, i)
    if c == '\\' and content:sub(i + 1, i + 1) == '\n' then
      number, i = number + 1, i + 1
    elseif quote then
      if c == quote then quote = nil elseif c == '\n' then end_line(); quote, number = nil, number + 1 else word = word .. c end
    elseif c == '"' or c == "'" then
      word, quote = word or '', c
    elseif c == '#' then
      i = (content:find('\n', i, true) or n + 1) - 1
    elseif c == '\n' then
      end_line()
      number = number + 1
    elseif c:find '[%s,{}()=]' then
      end_word()
    else
      word = (word or '') .. c
    end
    i = i + 1
  end
  end_line()
  return list
end

local function behind(words, name)
  for i, word in ipairs(words) do if word == name then return words[i + 1] or '', i end end
end

-- A first walk: which tables and filters are ours, and what the actions do.
local function survey(list)
  local found = { tables = {}, filters = {}, actions = {} }
  for _, words in ipairs(list) do
    local kind, name = words[1], words[2]
    if kind == 'table' and (words[3] or ''):find '^mtasts:' then
      found.tables['<' .. name .. '>'] = true
    elseif kind == 'filter' and table.concat(words, ' '):find('filter-mtasts', 1, true) then
      found.filters[name] = true
    elseif kind == 'action' then
      found.actions[name or ''] = { relay = words[3] == 'relay', line = words.line, words = words }
    end
  end
  return found
end

-- Returns texts: 'FILE:LINE: what is wrong'.
return function(name, content)
  local list = statements(content)
  local found, warnings = survey(list), {}
  local function warn(line, format, ...) warnings[#warnings + 1] = ('%s:%d: '):format(name, line) .. format:format(...) end
  for _, words in ipairs(list) do
    if words[1] == 'action' and words[3] == 'relay' then
      if behind(words, 'no-verify') then
        warn(words.line, 'no-verify: smtpd 7 lets other sessions to the same host go unverified, too, unless helo, src, ca or pki differ')
      end
      if next(found.filters) and not behind(words, 'filter') then
        warn(words.line, 'action "%s" relays without the filter, which then hears nothing of its deliveries', words[2])
      end
    end
  end
  -- The first rule that fits decides. Only "for any" is sure to fit what a later rule for our table would take.
  local takers = {}
  for _, words in ipairs(list) do
    if words[1] == 'match' then
      local to, at = behind(words, 'for')
      local action = found.actions[behind(words, 'action') or '']
      if to == 'any' and action and action.relay then takers[#takers + 1] = words.line end
      if to == 'domain' and found.tables[words[at + 2]] then
        for _, line in ipairs(takers) do
          warn(line, 'this rule relays before the one for %s in line %d is asked', words[at + 2], words.line)
        end
        takers = {}
      end
    end
  end
  return warnings
end
