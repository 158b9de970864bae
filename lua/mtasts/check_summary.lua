-- SPDX-License-Identifier: ISC
-- What a sender would do now: a row like the others, made of check_senders.
local dns = require 'mtasts.check_dns'
local senders = require 'mtasts.check_senders'
local read = require 'mtasts.check_read'

return {
  {
    id = 'sum.senders', severity = 'error', ref = 'RFC 8461 5', needs = 'record hosts gets', looks = 'smtp',
    title = 'senders protect the mail, and deliver it',
    fix = 'Repair what is named here: until then senders without a cached policy deliver unprotected.',
    check = function(seen, say)
      if not seen.record.present and (not seen.txt.error or dns.absent(seen.txt.error)) then return false end
      local usable, why, doubt = senders.usable(seen)
      if not usable then
        say('senders use no policy: ' .. why, { severity = doubt and 'unknown' or nil })
        return
      end
      if seen.policy.mode ~= 'enforce' then return end
      local refused, hosts = {}, senders.hosts(seen)
      for _, host in ipairs(hosts) do
        if host.would == 'refuse' then refused[#refused + 1] = host.name end
      end
      if #refused == 0 then return end
      local all = #refused == #hosts
      say(all and 'senders that honour the policy deliver to no MX host: mail waits, and is returned in the end'
        or 'senders that honour the policy do not deliver to ' .. read.names(refused), { severity = all and 'error' or 'warn',
        fix = all and 'Repair the hosts or the policy at once, and publish a new id; mode testing lets mail through meanwhile.'
          or 'See what is said of these hosts: mail goes to the others as long as they are up.' })
    end,
  },
}
