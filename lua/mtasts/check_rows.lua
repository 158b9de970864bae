-- SPDX-License-Identifier: ISC
-- The list of checks. Each is a row: id, severity (the worst that it says), ref, title (what is wanted), fix, needs (what must have been
-- seen, else it is skipped), perhaps looks (what is to be looked at that needs does not tell: smtp, dane, stored) and check(seen, say): a
-- pure function of what was seen. It calls say(words[, {severity, subject, fix, ref}]) for each thing that is wrong, and returns false when
-- it could not be made. A new check is a new row in the file of its group.
local core = require 'mtasts.core'

local rows = { list = {}, by_id = {}, groups = { 'input', 'txt', 'https', 'policy', 'mx', 'smtp', 'dane', 'tlsrpt', 'summary' } }

local files = {
  { 'input', 'check_input' }, { 'txt', 'check_txt' }, { 'txt', 'check_txt_more' }, { 'https', 'check_host' }, { 'https', 'check_http' },
  { 'policy', 'check_policy' }, { 'policy', 'check_policy_fields' }, { 'mx', 'check_mx' }, { 'smtp', 'check_smtp' },
  { 'dane', 'check_dane' }, { 'tlsrpt', 'check_tlsrpt' }, { 'summary', 'check_summary' },
}

for _, file in ipairs(files) do
  for _, row in ipairs(require('mtasts.' .. file[2])) do
    row.group = file[1]
    rows.list[#rows.list + 1] = row
    rows.by_id[row.id] = row
  end
end

-- What a word of --only or --skip stands for: an id, a group, or what ids begin with before a dot.
local function stands_for(word, row)
  if rows.by_id[word] then return row.id == word end
  return row.group == word or row.id:sub(1, #word + 1) == word .. '.'
end

-- The ids that the words name, as a set; or nil, the word that names none, and the nearest that does.
function rows.named(words)
  local set = {}
  for _, word in ipairs(words) do
    local found = false
    for _, row in ipairs(rows.list) do
      if stands_for(word, row) then set[row.id], found = true, true end
    end
    if not found then
      local known = { table.unpack(rows.groups) }
      for _, row in ipairs(rows.list) do known[#known + 1] = row.id end
      return nil, word, core.nearest(word, known)
    end
  end
  return set
end

-- Words of a row, with the domain that they are about.
function rows.about(words, seen)
  return (words:gsub('{domain}', function() return seen.domain or 'DOMAIN' end))
end

-- Makes a check. Returns its findings, or nil when it was skipped.
function rows.make(row, seen, shown)
  for need in (row.needs or ''):gmatch '%S+' do
    if seen[need] == nil then return nil end
  end
  local found = {}
  local function say(words, more)
    more = more or {}
    found[#found + 1] = { id = row.id, group = row.group, severity = more.severity or row.severity, subject = more.subject,
      seen = shown(words), ref = more.ref or row.ref, title = rows.about(row.title, seen), line = more.line, column = more.column,
      fix = rows.about(more.fix or row.fix, seen) }
  end
  if row.check(seen, say) == false and #found == 0 then return nil end
  return found
end

return rows
