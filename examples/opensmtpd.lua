-- SPDX-License-Identifier: ISC
-- Rules for OpenSMTPD's sessions, asked by filter-mtasts: the setting "rules" of
-- its settings file names this one. Try them on a recorded session, without a
-- mail server: mtasts replay RECORD --rules opensmtpd.lua
local mtasts = require 'mtasts'
local osmtpd = require 'mtasts.osmtpd'

-- Mail of these senders leaves only for domains that enforce MTA-STS: where it
-- goes over verified TLS or not at all.
local confidential = { -- in lower case
  ['payroll@relay.test'] = true,
  ['board@relay.test'] = true,
}

local only_policy = { depth = 'policy', trace = false } -- quick: neither hosts nor steps are wanted

osmtpd.on('rcpt-to', function(session, recipient)
  if not confidential[(session.sender or ''):lower()] then return end
  local answer, err = mtasts.lookup(recipient, only_policy)
  local unsure = answer and answer.refresh_error -- bad weather: DNS or the policy host
  if not answer or answer.mode ~= 'enforce' and unsure and unsure.temporary then
    return osmtpd.reject(451, '4.7.10', 'cannot tell whether TLS is certain: ' .. (err or unsure).message)
  elseif answer.mode ~= 'enforce' then
    return osmtpd.reject(550, '5.7.10', answer.domain .. ' does not promise TLS, and this mail needs it')
  end
end)

-- A client that greets with our own name is none of ours.
osmtpd.on('ehlo', function(session, name)
  if name:lower() == 'relay.test' and session.address ~= '127.0.0.1' then
    return osmtpd.disconnect(550, '5.7.1', 'that is my name')
  end
end)
