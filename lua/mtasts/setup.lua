-- SPDX-License-Identifier: ISC
-- mtasts setup SERVER: what a mail server's configuration needs, to paste. One module for each server: setup_SERVER.lua.
local core = require 'mtasts.core'
local machine = require 'mtasts.machine'
local text = require 'mtasts.text'

local setup = { uses = 'nothing' }

local servers <const> = { 'opensmtpd', 'exim', 'postfix' }
-- Which option is for which server alone.
local only <const> = { smtpd = 'opensmtpd', settings = 'opensmtpd', exim = 'exim', split = 'exim', light = 'exim', folder = 'exim',
  postconf = 'postfix' }
local DEBIAN <const> = '/etc/exim4'

function setup.options(command)
  command:argument('what', 'Mail server: opensmtpd, exim or postfix.'):argname 'WHAT'
  command:option('--config', "The server's configuration, to look for traps."):argname 'FILE'
  command:flag('--commands', 'Only the commands that root runs once.')
  command:option('--settings', 'opensmtpd: settings file of the programs.'):argname 'FILE'
  command:option('--smtpd', 'opensmtpd: the program smtpd, if it lies in no usual folder.'):argname 'FILE'
  command:option('--exim', 'exim: the program Exim, if it lies in no usual folder.'):argname 'FILE'
  command:flag('--split', "exim: as files of Debian's split configuration.")
  command:option('--folder', "exim: where Debian's configuration lies; /etc/exim4."):argname 'DIR'
  command:option('--postconf', 'postfix: the program postconf, if it lies in no usual folder.'):argname 'FILE'
  command:flag('--light', 'exim: for an Exim without ${dlfunc.')
end

-- These names stand in commands and configurations that shells read, too.
local function plain(option, path, cli)
  if path:sub(1, 1) ~= '/' then cli.refuse("setup: %s %s: a whole path is needed, from '/' on", option, path) end
  if path:find '[^%w/._+@=,-]' then cli.refuse('setup: %s %s: letters, digits and / . _ + @ = , - only: shells read it', option, path) end
end

function setup.main(args, cli)
  local known = false
  for _, name in ipairs(servers) do known = known or name == args.what end
  if not known then
    local near = core.nearest(args.what, servers)
    cli.refuse("setup: there is none for '%s'%s; there is: %s", args.what, near and (" (did you mean '" .. near .. "'?)") or '',
      table.concat(servers, ', '))
  end
  for option, server in pairs(only) do
    if args[option] and server ~= args.what then cli.refuse('setup: --%s is for %s alone', option, server) end
  end
  if args.folder and not args.split then cli.refuse 'setup: --folder is for --split alone' end
  args.settings = args.settings or machine.settings
  args.folder = args.folder or DEBIAN
  plain('--settings', args.settings, cli)
  plain('--folder', args.folder, cli)
  if args.exim then plain('--exim', args.exim, cli) end
  if args.postconf then plain('--postconf', args.postconf, cli) end
  if args.store and args.store ~= '' and args.store ~= 'none' then plain('--store', args.store, cli) end
  for _, option in ipairs { 'config', 'smtpd', 'exim', 'postconf' } do
    local file, why = io.open(args[option] or '/dev/null', 'rb')
    if not file then cli.refuse('setup: --%s %s', option, why) end
    file:close()
  end
  local result = require('mtasts.setup_' .. args.what)(args)
  if args.json then
    core.json_array(result.commands)
    core.json_array(result.warnings)
    if result.files then core.json_array(result.files) end
    print(core.json_encode(result))
  else
    io.write(args.commands and table.concat(result.commands, '\n') .. '\n' or result.fragment)
    for _, warning in ipairs(result.warnings) do io.stderr:write('mtasts: setup: ', text.clean(warning), '\n') end
  end
  return #result.warnings > 0 and cli.exit.warnings or cli.exit.good
end

return setup
