-- SPDX-License-Identifier: ISC
-- TLS is required of partners, though they publish no policy, or one that is not
-- in mode enforce: mail to them goes over verified TLS, or waits. Ask them first,
-- for mail also waits when their certificate has expired.
-- A policy names the mail hosts, too. A rule cannot: without a policy any host
-- counts that DNS names, once it proves its own name.
local mtasts = require 'mtasts'

local partners = { -- and why, for who reads the log
  ['bank.example'] = 'contract of 2029, section 7',
  ['clinic.example'] = 'agreed with their postmaster',
}

mtasts.on('policy', function(answer)
  local why = partners[answer.domain]
  if why and answer.mode ~= 'enforce' then return mtasts.treat_as('enforce', why) end
end)
