-- SPDX-License-Identifier: ISC
-- Rules for tests with a real smtpd, for the filter and for the table: what is asked of them stands in addresses and names.
local mtasts = require 'mtasts'
local osmtpd = require 'mtasts.osmtpd'

print 'a rule that prints harms nobody'

mtasts.on('policy', function(answer)
  if answer.domain == 'excepted.test' then return mtasts.treat_as('none', 'their MX moved, their postmaster knows', '2100-01-31') end
end)

osmtpd.on('connect', function(session, address)
  session.began = address
  if address == '127.0.0.66' then return osmtpd.reject(550, '5.7.1', 'go away') end
end)

osmtpd.on('ehlo', function(_, name)
  if name == 'refused.client.test' then return osmtpd.reject(550, '5.7.1', 'not you') end
  if name == 'left.client.test' then return osmtpd.disconnect(421, '4.7.0', 'bye') end
end)

osmtpd.on('helo', function(_, name)
  if name == 'refused.client.test' then return osmtpd.reject(550, '5.7.1', 'nor you') end
end)

osmtpd.on('mail-from', function(_, sender)
  if sender == 'refused@client.test' then return osmtpd.reject(550, '5.7.1', 'no mail from them') end
end)

local recipients = {}
function recipients.refused() return osmtpd.reject(450, '4.7.1', 'a | b\nc') end
function recipients.junk() return osmtpd.junk() end
function recipients.fail() error 'oh dear' end
function recipients.loop() while true do end end
function recipients.hoard()
  local all = {}
  while true do all[#all + 1] = ('x'):rep(1000) .. #all end
end
function recipients.exit() os.exit(1) end
function recipients.wait(_, to)
  local answer = mtasts.lookup(to, { timeout = 2 })
  return osmtpd.reject(450, '4.7.1', 'looked up: ' .. answer.action)
end
function recipients.probe(_, to)
  local found = mtasts.lookup(to, { depth = 'tls' })
  return osmtpd.reject(450, '4.7.1', found.hosts[1].tls.ok and 'TLS is fine' or found.hosts[1].tls.error.code)
end
function recipients.known(session)
  return osmtpd.reject(450, '4.7.1', ('%s %s %s %s %s %s'):format(session.began, session.rdns, session.fcrdns, session.helo,
    session.sender, session.listener))
end
osmtpd.on('rcpt-to', function(session, to)
  local rule = recipients[to:match '^(%l+)@']
  return rule and rule(session, to)
end)

osmtpd.on('data', function(session)
  if session.sender == 'nodata@client.test' then return osmtpd.reject(554, '5.7.1', 'no data') end
end)

osmtpd.on('commit', function(session)
  if #session.recipients > 1 then return osmtpd.reject(554, '5.7.1', 'one at a time: ' .. table.concat(session.recipients, ' ')) end
end)

osmtpd.on('quit', function() error 'nobody cares' end)
