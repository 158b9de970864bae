-- SPDX-License-Identifier: ISC
-- mtasts report write|send

local report = {}

local parts <const> = {
  { name = 'write', summary = 'Reports of what was counted on a day, as RFC 8460 has them.' },
  { name = 'send', summary = 'Sends to each domain that asks for it the report of yesterday.' },
}

local function part(name) return require('mtasts.report_' .. name) end

function report.options(command)
  command:require_command(true):command_target 'what'
  for _, each in ipairs(parts) do
    local sub = command:command(each.name, each.summary)
    part(each.name).options(sub)
    sub.error = function(_, message) command:error(message) end
  end
end

function report.main(args, cli) return part(args.what).main(args, cli) end

return report
