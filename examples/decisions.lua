-- SPDX-License-Identifier: ISC
-- A line of JSON for each decision. Let it be the first of your rules: a rule
-- "verdict" is not asked once another one had an opinion. So it tells what the RFC
-- says; exceptions by rules "policy" it never sees, and mtasts' own log has them.
-- The file belongs to the user as whom the mail server asks. It is opened once and
-- appended to, so logrotate has to copy it, and what comes during that is lost:
--   /var/log/mtasts/decisions.jsonl {
--     weekly
--     rotate 8
--     copytruncate
--   }
local mtasts = require 'mtasts'

local PATH <const> = '/var/log/mtasts/decisions.jsonl'

local log, why = io.open(PATH, 'a')
if not log then -- mail is more than its log
  io.stderr:write('no decisions are logged: ', why, '\n')
  return
end
log:setvbuf('full', 65536) -- a line is written in one go: others may write, too

-- Names and errors come from afar: nothing but printable ASCII gets through.
local function quoted(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(c) return ('\\u%04x'):format(c:byte()) end) .. '"'
end

-- The texts among these fields, as an object without its end.
local function texts(from, names)
  local list = {}
  for _, name in ipairs(names) do
    if from[name] then list[#list + 1] = quoted(name) .. ':' .. quoted(from[name]) end
  end
  return '{' .. table.concat(list, ',')
end

mtasts.on('verdict', function(answer)
  local line, hosts = texts(answer, { 'domain', 'action', 'mode', 'id', 'from' }), {}
  for _, name in ipairs { 'refresh_error', 'hosts_error' } do
    if answer[name] then line = line .. ',"' .. name .. '":' .. texts(answer[name], { 'code', 'detail' }) .. '}' end
  end
  for i, host in ipairs(answer.hosts) do
    hosts[i] = texts(host, { 'name', 'guard' }) .. ',"permitted":' .. tostring(host.permitted) .. '}'
  end
  log:write(line, ',"at":', mtasts.now(), ',"hosts":[', table.concat(hosts, ','), ']}\n')
  log:flush()
end)
