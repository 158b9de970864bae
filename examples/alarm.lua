-- SPDX-License-Identifier: ISC
-- A line for each policy that cannot be fetched anew for long. Where cron runs
-- mtasts store refresh --rules alarm.lua
-- it sends the line to you.
local mtasts = require 'mtasts'

mtasts.on('alarm', function(domain, info)
  local days = (info.expires_at - mtasts.now()) // 86400
  io.stderr:write(('%s: its policy ends in %d days, and cannot be fetched since %s: %s\n'):format(domain, days,
    os.date('!%Y-%m-%d', info.failing_since), info.error))
end)
