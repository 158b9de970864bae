-- SPDX-License-Identifier: ISC
-- A publication as text: the policy as it is served, the records as a zone file has them.
local core = require 'mtasts.core'

local publish_text = {}

local STRING_MOST <const> = 255 -- of one string of a TXT record
local TTL <const> = 3600

-- RFC 8461 3.2 speaks of lines that end in CRLF; its syntax takes LF as well.
function publish_text.policy(plan)
  local lines = { 'version: STSv1', 'mode: ' .. plan.mode }
  for _, pattern in ipairs(plan.mx) do lines[#lines + 1] = 'mx: ' .. pattern end
  lines[#lines + 1] = ('max_age: %d'):format(plan.max_age)
  return table.concat(lines, '\r\n') .. '\r\n'
end

-- The text of a TXT record as a zone file has it.
function publish_text.quoted(words)
  local strings = {}
  for from = 1, #words, STRING_MOST do
    strings[#strings + 1] = '"' .. words:sub(from, from + STRING_MOST - 1):gsub('["\\]', '\\%0') .. '"'
  end
  return table.concat(strings, ' ')
end

local function record(name, words)
  return { name = name, type = 'TXT', ttl = TTL, text = words, line = ('%s. %d IN TXT %s'):format(name, TTL, publish_text.quoted(words)) }
end

function publish_text.records(plan)
  local records = { record('_mta-sts.' .. plan.domain, ('v=STSv1; id=%s;'):format(plan.id)) }
  if plan.tlsrpt then records[2] = record('_smtp._tls.' .. plan.domain, plan.tlsrpt) end
  return core.json_array(records)
end

function publish_text.zone(plan)
  local lines = {
    ('; MTA-STS of %s, mode %s'):format(plan.domain, plan.mode),
    '; The policy comes first, then this (RFC 8461 8.1). Of its web server an A or',
    ('; AAAA record is needed as well: mta-sts.%s.'):format(plan.domain),
  }
  for _, entry in ipairs(publish_text.records(plan)) do lines[#lines + 1] = entry.line end
  return table.concat(lines, '\n') .. '\n'
end

return publish_text
