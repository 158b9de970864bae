-- SPDX-License-Identifier: ISC
-- What the parser noted on a policy, as findings.
local notes = {}

local MOST <const> = 5

local known = { version = true, mode = true, max_age = true, mx = true }
function notes.known(line) return known[line:match '^%s*([^%s:]+)%s*:' or ''] == true end

function notes.of(seen, ...)
  local wanted, found = {}, {}
  for _, code in ipairs { ... } do wanted[code] = true end
  for _, note in ipairs(seen.policy_notes) do
    if wanted[note.code] then found[#found + 1] = note end
  end
  return found
end

function notes.place(note) return ('line %d, column %d: %s'):format(note.line, note.column, note.message) end

-- Says the notes that are wanted; of many like ones the first. better(note) may have a better fix.
function notes.say(seen, say, wanted, better, severity)
  local count = 0
  for _, note in ipairs(seen.policy_notes) do
    if wanted(note) then
      count = count + 1
      if count <= MOST then
        say(notes.place(note), { line = note.line, column = note.column, fix = better and better(note) or nil, severity = severity })
      end
    end
  end
  if count > MOST then say(('and %d more like these'):format(count - MOST), { severity = severity }) end
end

return notes
