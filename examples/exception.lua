-- SPDX-License-Identifier: ISC
-- An exception for one domain: its mail moved to hosts that its policy does not
-- name yet. With a reason, and an end, after which it no longer counts.
local mtasts = require 'mtasts'

mtasts.on('verdict', function(answer)
  if answer.domain == 'moved.test' then
    return mtasts.treat_as('testing', 'their MX moved, their postmaster knows', '2030-01-31')
  end
end)
