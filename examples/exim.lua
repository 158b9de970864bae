-- SPDX-License-Identifier: ISC
-- A function for an ACL of Exim's: mail of these senders leaves only for domains
-- that enforce MTA-STS. The setting "rules" names this file; exim-mtasts(8) has
-- the lines for Exim's configuration.
local mtasts = require 'mtasts'
local exim = require 'mtasts.exim'

local confidential = { ['payroll@a.example'] = true }

exim.provide('lacks_tls', function(sender, domain)
  if not confidential[sender] then return false end
  local answer, err = mtasts.lookup(domain, { depth = 'policy' })
  if not answer then return exim.defer(err.message) end
  local unsure = answer.refresh_error -- bad weather: DNS or the policy host
  if answer.mode ~= 'enforce' and unsure and unsure.temporary then return exim.defer(unsure.message) end
  return answer.mode ~= 'enforce'
end)
