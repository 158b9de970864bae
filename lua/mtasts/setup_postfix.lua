-- SPDX-License-Identifier: ISC
-- What main.cf needs, with the paths of this machine, and what has to be done around it.
local core = require 'mtasts.core'
local look = require 'mtasts.postfix_look'
local machine = require 'mtasts.machine'
local Page = require 'mtasts.page'
local system = require 'mtasts.system'

local CA <const> = '/etc/ssl/certs/ca-certificates.crt'
local SOCKET <const> = 'unix:/run/mtasts/socketmap'
local USER <const> = 'mtasts' -- of mtasts serve

-- Where the server listens for Postfix: the first place that the settings name.
local function socket_of(settings) return (machine.value_in(settings, 'serve_socketmap') or ''):match '^[^%s,]+' or SOCKET end

local function survey(args)
  local folder = args.config and args.config:gsub('/main%.cf$', '') or nil
  local postfix = look.at(args.postconf, folder)
  local main = postfix and postfix.main or {}
  local socket, store = socket_of(system.settings), machine.store_in(system.settings) or machine.store
  local tables, place = look.tables(postfix and postfix.tables or '', 'socketmap:' .. socket .. ':')
  return {
    postfix = postfix, main = main, tables = tables, place = place, owner = main.mail_owner or 'postfix',
    proxy = socket:find '^unix:' ~= nil and (not postfix or postfix.error ~= nil or postfix.chroot),
    socket = socket, store = store, store_owner = machine.owner_of(machine.folder_of(store)),
  }
end

-- Postfix's own level for who has no policy: DANE where there is DANE, unless more is asked for already.
local function level_of(main) return look.strict[main.smtp_tls_security_level] and main.smtp_tls_security_level or 'dane' end

local function policy_map(facts)
  local name = facts.postfix and facts.postfix.attributes and 'policy-tlsrpt' or 'policy'
  local map = ('%ssocketmap:%s:%s'):format(facts.proxy and 'proxy:' or '', facts.socket, name)
  local list = table.move(facts.tables, 1, #facts.tables, 1, {})
  table.insert(list, facts.place or #list + 1, map)
  return list, map
end

-- NAME, VALUE, why; in the order of main.cf.
local function settings_of(facts)
  local maps = policy_map(facts)
  local main, list = facts.main, {}
  local function add(name, value, why) list[#list + 1] = { name = name, value = value, why = why } end
  add('smtp_tls_policy_maps', table.concat(maps, ', '), facts.proxy
    and 'Where mtasts serve answers. proxy: because smtp runs in a chroot, from where that socket cannot be seen.'
    or 'Where mtasts serve answers.')
  local level = level_of(main)
  add('smtp_tls_security_level', level, 'Where there is no policy: ' .. (level == 'dane'
    and 'DANE where a domain has it, else TLS where it is offered.' or 'as it is now.'))
  add('smtp_dns_support_level', 'dnssec', 'Without it there is no DANE.')
  if (main.smtp_tls_CAfile or '') == '' and (main.smtp_tls_CApath or '') == '' then
    add('smtp_tls_CAfile', CA, 'Who may sign certificates of mail hosts.')
  elseif main.smtp_tls_CAfile ~= '' then
    add('smtp_tls_CAfile', main.smtp_tls_CAfile, 'Who may sign certificates of mail hosts: as it is now.')
  end
  return list
end

-- Whether this machine itself is the one that is asked, so that what DNSSEC secures is believed.
local function asks_itself()
  local content = machine.content_of '/etc/resolv.conf' or ''
  local any = false
  for server in ('\n' .. content):gmatch '\n[ \t]*nameserver[ \t]+(%S+)' do
    any = true
    if not server:find '^127%.' and server ~= '::1' then return false end
  end
  return any
end

local function find_warnings(facts, args)
  local list = {}
  local function warn(format, ...) list[#list + 1] = format:format(...) end
  if not facts.postfix then
    warn(args.postconf and '%s: this is no postconf of Postfix, or it cannot be run'
      or 'no Postfix was found here: install it first, then run this again', args.postconf)
  end
  local file = facts.main.smtp_tls_CAfile
  file = file and file ~= '' and file or CA
  if not machine.is_there(file) and (facts.postfix or machine.is_there '/etc/debian_version') then
    warn('%s is missing: no certificate is verified, and mail to domains that enforce waits (package ca-certificates)', file)
  end
  local good, why = system.take_settings()
  if not good then warn('%s: mtasts serve does not start until that is mended', why) end
  local owner = facts.store_owner
  if owner and owner ~= USER and (owner ~= 'root' or facts.store ~= machine.store) then
    warn('%s is owned by %s: mtasts serve, as user %s, could keep no policies there; give it a store of its own, or run it as %s',
      machine.folder_of(facts.store), owner, USER, owner)
  end
  if not asks_itself() then
    warn('/etc/resolv.conf: the resolver is not this machine: what it says of DNSSEC can be forged on the way, and mtasts does not believe '
      .. 'it, so that a certificate counts where DANE should; run one here that validates (unbound), and ask it: nameserver 127.0.0.1')
  end
  if facts.postfix then
    local found = look.warnings(facts.postfix, facts)
    table.move(found, 1, #found, #list + 1, list)
  end
  return list
end

local function find_commands(facts)
  local folder = machine.folder_of(facts.store)
  local list = {}
  local function add(about, ...)
    list[#list + 1] = '# ' .. about
    for _, command in ipairs { ... } do list[#list + 1] = command end
  end
  add('who mtasts serve runs as',
    ('getent passwd %s >/dev/null || useradd --system --user-group --no-create-home --home-dir %s --shell /usr/sbin/nologin %s'):format(
      USER, folder, USER))
  add("Postfix's processes may ask it", ('usermod -a -G %s %s'):format(USER, facts.owner))
  local make = ('install -d -o %s -g %s -m 2770 %s'):format(USER, USER, folder)
  if facts.store_owner and facts.store_owner ~= 'root' and facts.store_owner ~= USER then
    add(('policies are kept here, but %s owns it: it stays as it is'):format(facts.store_owner), ('[ -d %s ]'):format(folder))
  elseif facts.store == machine.store then
    add('policies are kept here', make, ('chown -R %s:%s %s'):format(USER, USER, folder))
  else
    add('policies are kept here', ('[ -d %s ] || %s'):format(folder, make))
  end
  add('the settings; so the log shows what is fetched', '[ -d /etc/mtasts ] || install -d -m 755 /etc/mtasts',
    ('[ -s %s ] || echo "log_level = info" >%s'):format(machine.settings, machine.settings), 'chmod 644 ' .. machine.settings)
  return list
end

local function begin(page, facts, warnings)
  local postfix = facts.postfix
  page:note(('For a Postfix that honours MTA-STS (RFC 8461) when it sends mail. Printed by: mtasts setup postfix (mtasts %s)'):format(
    core.version))
  page:note(postfix and ('Found Postfix %s%s'):format(postfix.version,
    facts.main.config_directory and ', configured in ' .. facts.main.config_directory or '')
    or "No Postfix was found here: what is printed fits Debian's.")
  if postfix and not postfix.error then
    page:note(facts.place and 'As it is now, it asks mtasts serve.' or 'As it is now, it does not ask mtasts serve.')
  end
  if #warnings > 0 then page:line '#' end
  for _, warning in ipairs(warnings) do page:note('WARNING: ' .. warning) end
end

local function steps(page, facts)
  local _, map = policy_map(facts)
  page:line '#'
  page:note '1. As root, once: mtasts setup postfix --commands | sh -eux'
  page:note(('That makes the user %s, whose group %s joins, the folder of the store (%s) and the settings (%s).'):format(USER, facts.owner,
    machine.folder_of(facts.store), machine.settings))
  page:line '#'
  page:note '2. Start mtasts serve, and see that it starts with the machine: mtasts-serve(8).'
  page:note(('It must answer before Postfix asks it: while it does not, ALL mail waits. Try: postmap -q gmail.com %s'):format(
    (map:gsub('^proxy:', ''))))
  page:line '#'
  page:note '3. Take the lines below over into main.cf (or type: postconf -e "NAME = VALUE"), then: postfix reload'
  page:line '#'
  page:note 'Good to know:'
  page:item 'Mail that waits for its policy or its hosts says in the log "client TLS configuration problem", and the line before it why.'
  page:item 'The socket must be open to the group of Postfix; "postfix reload" lets its processes know of a new group.'
  page:item 'postfix-mtasts(8) explains each line.'
end

return function(args)
  local facts = survey(args)
  local list, warnings, commands = settings_of(facts), find_warnings(facts, args), find_commands(facts)
  local page = Page.new()
  begin(page, facts, warnings)
  steps(page, facts)
  page:line()
  local lines = {}
  for _, setting in ipairs(list) do
    lines[#lines + 1] = ('%s = %s\n'):format(setting.name, setting.value)
    page:note(setting.why)
    page:line(('%s = %s'):format(setting.name, setting.value))
  end
  local postfix = facts.postfix or {}
  return {
    fragment = page:text(), parts = { main = table.concat(lines) }, commands = commands, warnings = warnings, user = USER,
    version = postfix.version,
    paths = { postconf = postfix.path, socket = facts.socket, settings = machine.settings, store = facts.store, ca_file = CA,
      config = facts.main.config_directory },
  }
end
