-- SPDX-License-Identifier: ISC
-- What answers of DNS have in common, in words.
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local dns = {}

local missing = { ['dns-nxdomain'] = 'the name does not exist (NXDOMAIN)', ['dns-nodata'] = 'the name has no such record (NODATA)' }

-- DNS said that there is nothing; that is an answer.
function dns.absent(err) return err ~= nil and missing[err.code] ~= nil end

function dns.trouble(err) return missing[err.code] or text.problem(err) end

-- Of a question that got no answer: ours is the trouble when nobody answers.
function dns.severity(seen, err)
  return (err.code == 'dns-network' or seen.deaf) and 'unknown' or 'error'
end

function dns.fix(err)
  if err.code == 'dns-network' then return "Look at this machine's resolver and network: it got no answer from DNS." end
  if err.code == 'dns-bogus' then
    return 'Repair DNSSEC of the zone: signatures or DS record do not fit, so validating resolvers see nothing.'
  end
  return 'Repair the name servers of the zone: senders cannot tell a failing DNS from an attack, and keep what they have cached.'
end

function dns.check_aliases(answer, say)
  local chain = table.concat(answer.cnames or {}, ' -> ')
  chain = text.clean(chain)
  if answer.loop then
    say('the aliases never end: ' .. chain)
  elseif chain ~= '' and answer.error and dns.absent(answer.error) then
    say(('an alias leads nowhere: %s: %s'):format(chain, dns.trouble(answer.error)))
  elseif chain ~= '' then
    say('an alias (CNAME): ' .. chain, { severity = 'info',
      fix = 'Nothing to mend, as long as whoever runs the target publishes what you want.' })
  end
end

-- Says that an answer is not secured; false when nobody could tell.
function dns.check_secured(answer, say, what)
  if answer.error or answer.dnssec == 'unknown' or not answer.dnssec then return false end
  if answer.dnssec ~= 'secure' then say(what .. ' is not secured by DNSSEC') end
end

-- What the old names and wrong places hold: names in order, those with a text that looks so.
function dns.strays(answers, pattern)
  local found = {}
  for _, answer in ipairs(answers) do
    for _, record in ipairs(answer.records or {}) do
      if record.text and record.text:find(pattern) then
        found[#found + 1] = { name = answer.name, text = record.text, shown = ('%s: %s'):format(answer.name, read.quote(record.text)) }
        break
      end
    end
  end
  return found
end

return dns
