-- SPDX-License-Identifier: ISC
-- Mail of these senders leaves only for domains that enforce MTA-STS: functions for
-- Exim's expansions. The setting "rules" names this file; exim-mtasts(8) tells more.
-- An ACL refuses while the client waits. In that of the recipient command, before
-- what accepts:
--   deny message = this domain does not promise TLS, and this mail needs it
--     domains = MTASTS_DOMAINS
--     condition = ${dlfunc{MTASTS_MODULE}{mtasts_call}{lacks_tls}\
--       {$sender_address}{$domain}}
-- What is sent on this machine passes no such ACL, and policies end while mail is in
-- the queue. So a router refuses, too; between mtasts_lookup and mtasts_enforce:
--   judge:
--     driver = redirect
--     domains = MTASTS_DOMAINS
--     no_verify
--     allow_fail
--     data = ${dlfunc{MTASTS_MODULE}{mtasts_call}{judge}\
--       {$sender_address}{$domain}}
local mtasts = require 'mtasts'
local exim = require 'mtasts.exim'

local confidential = { ['payroll@a.example'] = true } -- in lower case

local function lacks_tls(sender, domain)
  if not confidential[sender:lower()] then return false end
  local answer, err = mtasts.lookup(domain, { depth = 'policy' })
  if not answer then return exim.defer(err.message) end
  local unsure = answer.refresh_error -- bad weather: DNS or the policy host
  if answer.mode ~= 'enforce' and unsure and unsure.temporary then return exim.defer(unsure.message) end
  return answer.mode ~= 'enforce'
end
exim.provide('lacks_tls', lacks_tls)

exim.provide('judge', function(sender, domain)
  local lacks = lacks_tls(sender, domain)
  if lacks == true then return ':fail: ' .. domain .. ' does not promise TLS, and this mail needs it' end
  return lacks or '' -- mail waits, or goes on to the next router
end)
