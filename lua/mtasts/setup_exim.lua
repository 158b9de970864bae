-- SPDX-License-Identifier: ISC
-- What an Exim's configuration needs, with the paths of this machine, and what has to be done around it.
local conf = require 'mtasts.exim_conf'
local core = require 'mtasts.core'
local look = require 'mtasts.exim_look'
local machine = require 'mtasts.machine'
local Page = require 'mtasts.page'
local programs = require 'mtasts.programs'
local system = require 'mtasts.system'

local CA <const> = '/etc/ssl/certs/ca-certificates.crt'
-- Debian puts a split configuration together in this order. Macros of the administrator's own come first, then ours; our routers before
-- Debian's (200); what is in no driver's block goes on with the one before: with remote_smtp.
local SPLIT <const> = {
  main = 'main/005_mtasts', routers = 'router/190_mtasts', remote_smtp = 'transport/30_exim4-config_remote_smtp-mtasts',
  transports = 'transport/31_mtasts',
}

-- Debian's own settings of its configuration.
local function debian(folder)
  local content = machine.content_of(folder .. '/update-exim4.conf.conf')
  if not content then return {} end
  local function value(name) return ('\n' .. content):match('.*\n' .. name .. "=['\"]?([^'\"\n]*)") end
  return { kind = value 'dc_eximconfig_configtype', split = value 'dc_use_split_config' }
end

local function survey(args)
  local exim = look.at(args.exim, args.config)
  local user, user_known = machine.user_among { 'Debian-exim', 'exim', 'mailnull' }
  local given = args.store and args.store:sub(1, 1) == '/' and args.store or nil
  local store = machine.store_in(system.settings)
  return {
    exim = exim, user = user, user_known = user_known, module = programs.exim() .. '/exim-mtasts.so', program = programs.own,
    light = args.light or exim ~= nil and not exim.dlfunc, dane = not exim or exim.dane, given_store = given ~= store and given or nil,
    store = store or given or machine.store, split = args.split, folder = args.folder, debian = debian(args.folder), built = programs.built,
  }
end

-- Without our macros Exim would take their names for domains, and find that no mail is meant. What is no configuration stops it at once.
local function guard(page, missing)
  page:line '.ifndef MTASTS_EVENT'
  page:line('MTA-STS: ' .. missing)
  page:line '.endif'
end

local function split_files(facts, parts)
  local list = {}
  local function add(part, about)
    local page = Page.new()
    page:note(about .. (' Printed by: mtasts setup exim --split (mtasts %s)'):format(core.version))
    if part ~= 'main' then guard(page, SPLIT.main .. ' is missing') end
    list[#list + 1] = { path = ('%s/conf.d/%s'):format(facts.folder, SPLIT[part]), content = page:text() .. parts[part] }
  end
  add('main', 'MTA-STS: what its other files use. Values of your own: in main/000_localmacros.')
  add('routers', "MTA-STS: routers. They come before Debian's dnslookup, which sends what they leave.")
  add('remote_smtp', "MTA-STS: these lines belong to remote_smtp: the file of this transport stands just before this one.")
  add('transports', 'MTA-STS: the transport where a policy is enforced.')
  return list
end

-- What the settings that are there do to mail, and whether Exim's user has the store to itself.
local function warn_of_installed(facts, warn)
  local installed = machine.is_there(system.settings)
  local good, why = system.take_settings()
  if not good then warn('%s: until that is mended mtasts_policy fails, and all mail waits', why) end
  local folder = machine.folder_of(facts.store)
  local owner = machine.owner_of(folder)
  if owner and owner ~= facts.user then
    warn('%s is owned by %s, and Exim runs as %s: it could keep no policies; as root: chown -R %s: %s', folder, owner, facts.user,
      facts.user, folder)
  elseif installed and not owner then
    warn('%s is missing: policies are forgotten when a process ends; step 1 makes it', folder)
  end
end

local function find_warnings(facts, args, files)
  local list = {}
  local function warn(format, ...) list[#list + 1] = format:format(...) end
  local exim = facts.exim
  if not exim then
    warn(args.exim and '%s: this is no Exim, or it cannot be run'
      or 'no Exim was found here: install it first (on Debian: apt-get install exim4-daemon-heavy), then run this again', args.exim)
  elseif facts.light and not args.light then
    warn('Exim %s has no ${dlfunc: what is printed starts a program for each recipient and event. Better on Debian: '
      .. 'apt-get install exim4-daemon-heavy', exim.version)
  end
  if not facts.light and not machine.is_there(facts.module) then warn('%s is missing; is mtasts installed as a whole?', facts.module) end
  for _, path in ipairs { facts.light and facts.program or facts.module } do
    if path:find '[^%w/._+@=,-]' then warn('%s: Exim reads this name in its own way; install mtasts elsewhere', path) end
  end
  if not machine.is_there(CA) and machine.is_there '/etc/debian_version' then
    warn('%s is missing: no policy can be fetched, and no certificate verified (package ca-certificates)', CA)
  end
  warn_of_installed(facts, warn)
  if args.split then
    if facts.debian.split == 'false' then
      warn("%s/update-exim4.conf.conf: dc_use_split_config is 'false', so the files do not count yet: dpkg-reconfigure exim4-config, "
        .. 'say yes to split; what you changed in exim4.conf.template does not move by itself', facts.folder)
    end
    if facts.debian.kind and facts.debian.kind ~= 'internet' then
      warn("%s/update-exim4.conf.conf: dc_eximconfig_configtype is '%s', not 'internet': the routers do nothing", facts.folder,
        facts.debian.kind)
    end
    for _, file in ipairs(files) do
      local there = machine.content_of(file.path)
      if there and there ~= file.content then
        warn('%s is there, and differs: it is left as it is; for what is printed here remove it first', file.path)
      end
    end
  end
  if exim then
    local found = look.warnings(exim, facts.light)
    table.move(found, 1, #found, #list + 1, list)
  end
  return list
end

-- A file that a shell writes, unless it is there; whole, or not at all.
local function write(list, path, content)
  list[#list + 1] = ("[ -s %s ] || cat >%s.new <<'END_OF_FILE'"):format(path, path)
  for line in content:gsub('\n$', ''):gmatch '[^\n]*' do list[#list + 1] = line end
  list[#list + 1] = 'END_OF_FILE'
  list[#list + 1] = ('[ ! -s %s.new ] || mv %s.new %s'):format(path, path, path)
end

local function enforces(exim)
  for _, part in ipairs(exim.parts) do
    if part.kind == 'router' and part.name == 'mtasts_enforce' then return true end
  end
  return false
end

local function refresh_unit(facts, command)
  return ([[
[Unit]
Description=Refresh cached MTA-STS policies
Documentation=man:mtasts(1)
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=oneshot
User=%s
Group=%s
UMask=0027
ExecStart=%s
# Some domain could not be refreshed; the log says which.
SuccessExitStatus=1
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
ReadWritePaths=%s
]]):format(facts.user, facts.user, command, machine.folder_of(facts.store))
end

local REFRESH_TIMER <const> = [[
[Unit]
Description=Refresh cached MTA-STS policies every hour
Documentation=man:mtasts(1)

[Timer]
OnCalendar=hourly
RandomizedDelaySec=20min
Persistent=true

[Install]
WantedBy=timers.target
]]

local function find_commands(facts, files)
  local list = {}
  local function add(about, ...)
    list[#list + 1] = '# ' .. about
    for _, command in ipairs { ... } do list[#list + 1] = command end
  end
  local folder = machine.folder_of(facts.store)
  local make = ('install -d -o %s -g %s -m 0750 %s'):format(facts.user, facts.user, programs.quoted(folder))
  if facts.store == machine.store then
    add('policies are kept here; Exim runs as ' .. facts.user, make, ('chown -R %s:%s %s'):format(facts.user, facts.user, folder))
  elseif folder ~= '' then
    add(('policies are kept here; the folder must be owned by %s'):format(facts.user),
      ('[ -d %s ] || %s'):format(programs.quoted(folder), make))
  end
  add('the settings; so the log shows each session', '[ -d /etc/mtasts ] || install -d -m 755 /etc/mtasts',
    ('[ -s %s ] ||'):format(machine.settings), ('  echo "log_level = info" >%s'):format(machine.settings), 'chmod 644 ' .. machine.settings)
  local command = programs.quoted(facts.program) .. ' store refresh'
    .. (facts.store == machine.store and '' or ' --store ' .. programs.quoted(facts.store))
  add('policies are fetched again before they run out, mail or not', 'if [ -d /run/systemd/system ]; then')
  write(list, '/etc/systemd/system/mtasts-refresh.service', refresh_unit(facts, command))
  write(list, '/etc/systemd/system/mtasts-refresh.timer', REFRESH_TIMER)
  list[#list + 1] = 'systemctl daemon-reload\nsystemctl enable --now mtasts-refresh.timer\nelif [ -d /etc/cron.d ]; then'
  write(list, '/etc/cron.d/mtasts-refresh', ('17 * * * * %s %s >/dev/null'):format(facts.user, command))
  list[#list + 1] = 'fi'
  if files then
    add "Debian's split configuration; a file that is there stays as it is"
    for _, file in ipairs(files) do write(list, file.path, file.content) end
  end
  local lines = {}
  for line in table.concat(list, '\n'):gmatch '[^\n]*' do lines[#lines + 1] = line end
  return lines
end

local function begin(page, facts, warnings)
  local exim = facts.exim
  page:note(('For an Exim that honours MTA-STS (RFC 8461) when it sends mail. Printed by: mtasts setup exim%s (mtasts %s)'):format(
    facts.split and ' --split' or '', core.version))
  page:note(exim and ('Found Exim %s: %s'):format(exim.version, exim.path) or 'No Exim was found here: the paths are those of Debian.')
  if exim and not exim.error then
    page:note(enforces(exim) and 'As it is now, policies are enforced: it has the router mtasts_enforce.'
      or 'As it is now, no policy is enforced: it has no router mtasts_enforce.')
  end
  if #warnings > 0 then page:line '#' end
  for _, warning in ipairs(warnings) do page:note('WARNING: ' .. warning) end
  if facts.built and not facts.light then
    page:line '#'
    page:note "This is mtasts as built, not installed: Exim's user must be able to reach its folder. Better: ./build.sh install"
  end
end

local function steps(page, facts)
  local options = (facts.split and ' --split' or '') .. (facts.light and ' --light' or '')
  page:line '#'
  page:note(('1. As root, once: mtasts setup exim%s --commands | sh -eux'):format(options))
  page:note(('That makes the folder of the store (%s, owned by %s), the settings (%s) and a timer that keeps policies fresh%s.'
    ):format(machine.folder_of(facts.store), facts.user, machine.settings,
      facts.split and ', and writes the files below, unless they are there' or ''))
  if not facts.user_known then page:note(("There is no user of Exim yet: %s is Debian's."):format(facts.user)) end
  if facts.given_store then page:note(('And in %s: store = %s'):format(machine.settings, facts.given_store)) end
  page:line '#'
  if facts.split then
    page:note '2. update-exim4.conf && systemctl restart exim4'
  else
    page:note('2. Take the parts below over into your configuration, and restart Exim. On Debian use "mtasts setup exim --split" instead: '
      .. "it keeps to Debian's files. Check with: exim -bV")
  end
  page:line '#'
  page:note('3. To see it work: "exim -bt postmaster@gmail.com" names the router mtasts_enforce. "mtasts store sessions" shows how TLS '
    .. 'with mail hosts went.')
  page:line '#'
  page:note 'Good to know:'
  page:item('Mail that goes to a smart host is not judged: policies of its recipients are its business. Have TLS with it verified: '
    .. (facts.split
      and 'REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS = * and REMOTE_SMTP_SMARTHOST_TLS_VERIFY_HOSTS = * in main/000_localmacros.'
      or 'hosts_require_tls = * and tls_verify_hosts = * in its transport.'))
  page:item('control = cutthrough_delivery goes past routers with no_verify. Where you use it, write no_verify_sender in all of these.')
  page:item("DANE wants a resolver on this machine that validates, and 'options trust-ad' in /etc/resolv.conf: else Exim hears no DNSSEC.")
  page:item('exim-mtasts(8) explains each line.')
end

local function plain_parts(page, parts)
  page:line()
  page:note '---- Main part: near the top, before the first "begin".'
  page:lines(parts.main)
  page:note '---- Behind "begin routers": before your router that sends to other hosts (driver = dnslookup), which stays as it is.'
  guard(page, 'the macros are missing in the main part')
  page:lines(parts.routers)
  page:note('---- Behind "begin transports". Take over what your remote_smtp has for itself: dkim_..., helo_data, port. '
    .. 'About interface see exim-mtasts(8).')
  page:lines(parts.transports)
  page:note('---- Add these lines to your transport remote_smtp. Another name? Then use it in the router mtasts_testing, too.')
  page[#page + 1] = parts.remote_smtp:gsub('\n$', '')
end

return function(args)
  local facts = survey(args)
  local parts = conf { light = facts.light, dane = facts.dane, debian = facts.split, module = facts.module, program = facts.program }
  local files = facts.split and split_files(facts, parts) or nil
  local warnings, commands = find_warnings(facts, args, files or {}), find_commands(facts, files)
  local page = Page.new()
  begin(page, facts, warnings)
  steps(page, facts)
  if files then
    for _, file in ipairs(files) do
      page:line()
      page:note('==== ' .. file.path)
      page:lines((file.content:gsub('\n$', '')))
    end
  else
    plain_parts(page, parts)
  end
  local exim = facts.exim or {}
  return {
    fragment = page:text(), parts = parts, files = files, commands = commands, warnings = warnings, user = facts.user,
    version = exim.version, light = facts.light, paths = { module = facts.module, program = facts.program, exim = exim.path,
      settings = machine.settings, store = facts.store, ca_file = CA, config = exim.config },
  }
end
