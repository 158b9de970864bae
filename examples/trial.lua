-- SPDX-License-Identifier: ISC
-- The first week after installation: what is to be enforced is only recorded, as
-- in mode testing. Mail goes as ever; mtasts store sessions, and lookups, show what
-- will be held up. Then policies are enforced, whether or not anybody remembers.
-- The end is a day of yours. "A week since a domain was first seen" would help
-- whoever listens today, and rules are not told when that was.
local mtasts = require 'mtasts'

local ENDS <const> = os.time { year = 2030, month = 1, day = 31, hour = 12 } -- local time
local REASON <const> = os.date('trial until %Y-%m-%d', ENDS)

mtasts.on('policy', function(answer)
  if answer.mode == 'enforce' and mtasts.now() < ENDS then return mtasts.treat_as('testing', REASON, ENDS) end
end)
