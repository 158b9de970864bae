-- SPDX-License-Identifier: ISC
-- mtasts report ACTION ...: TLS reporting (RFC 8460). Each action is a module of its own: options(command), main(args, cli), and uses, as a
-- command has it, where that is not 'nothing'.
local report = {}

-- In the order of the help.
local actions <const> = {
  { 'show', 'What reports of others say, and what to do about it.' },
  { 'validate', 'Names each departure from RFC 8460.' },
  { 'merge', 'Makes one report of several.' },
  { 'write', 'Reports of what was counted here on a day.' },
  { 'send', 'Sends reports to the domains that ask for them.' },
}

local function module_of(name) return require('mtasts.report_' .. name) end

function report.options(command)
  command:require_command(true):command_target 'action'
  for _, action in ipairs(actions) do
    local one = command:command(action[1], action[2])
    one:add_help '-h --help'
    module_of(action[1]).options(one)
  end
end

function report.uses(args) return module_of(args.action).uses or 'nothing' end

function report.main(args, cli)
  return module_of(args.action).main(args, cli)
end

return report
