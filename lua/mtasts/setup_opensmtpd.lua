-- SPDX-License-Identifier: ISC
-- A whole smtpd.conf with the paths of this machine, and what has to be done around it.
local core = require 'mtasts.core'
local machine = require 'mtasts.machine'
local Page = require 'mtasts.page'
local programs = require 'mtasts.programs'
local text = require 'mtasts.text'

local DEFAULT_FOLDER <const> = '/usr/libexec/opensmtpd' -- Debian, Fedora
local DEFAULT_CA <const> = '/etc/ssl/certs/ca-certificates.crt'
local content_of, is_there, folder_of = machine.content_of, machine.is_there, machine.folder_of

-- What is compiled into smtpd stands there as text: nothing of it needs to be run.
local function look_at_smtpd(path)
  local usual = { '/usr/sbin/smtpd', '/usr/local/sbin/smtpd', '/sbin/smtpd', '/usr/bin/smtpd', '/opt/opensmtpd/sbin/smtpd' }
  for _, candidate in ipairs(path and { path } or usual) do
    local program = content_of(candidate)
    -- Other servers have an smtpd as well.
    if program and program:find('OpenSMTPD', 1, true) then
      local version = program:match 'OpenSMTPD (%d+%.%d+[%w.-]*)'
      return {
        path = candidate, version = version and version:gsub('%-portable$', '') or nil,
        folder = program:match '%z(/[%w/._-]+)/table%-%%s%z',
        ca = program:match '%z(/[%w/._-]+%.crt)%z' or program:match '%z(/[%w/._-]+%.pem)%z',
      }
    end
  end
  return {}
end

local function survey(args)
  local smtpd = look_at_smtpd(args.smtpd)
  local user, user_known = machine.user_among { 'opensmtpd', '_smtpd', 'smtpd' } -- who smtpd starts tables and filters as
  local own = programs.opensmtpd()
  local given = args.store and args.store:sub(1, 1) == '/' and args.store or nil
  return {
    smtpd = smtpd.path, version = smtpd.version, libexec = smtpd.folder or DEFAULT_FOLDER, libexec_known = smtpd.folder ~= nil,
    ca = smtpd.ca or DEFAULT_CA, user = user, user_known = user_known, own = own, table = own .. '/table-mtasts',
    filter = own .. '/filter-mtasts', settings = args.settings, store = machine.store_in(args.settings) or given or machine.store,
    given_store = given, config = args.config or '/etc/smtpd.conf', built = programs.built,
  }
end

local function old(version)
  local major = tonumber(version and version:match '^%d+')
  return major and major < 7
end

local function find_warnings(facts)
  local list = {}
  local function warn(format, ...) list[#list + 1] = format:format(...) end
  for _, path in ipairs { facts.table, facts.filter } do
    if not is_there(path) then warn('%s is missing; is mtasts installed as a whole?', path) end
  end
  if facts.own:find '[^%w/._+@=,-]' then warn('%s: smtpd starts programs with a shell, which reads this name in its own way', facts.own) end
  if old(facts.version) then
    warn('OpenSMTPD %s sends no server name (SNI), which RFC 8461 7.1 asks for: mail to some hosts will wait; use 7.4 or later',
      facts.version)
  end
  if not facts.smtpd then
    warn 'no OpenSMTPD was found here: install it first (on Debian: apt-get install opensmtpd), then run this again'
  end
  if not is_there(facts.ca) then
    warn('%s is missing: no policy can be fetched, and smtpd 7 does not start without it (package ca-certificates)', facts.ca)
  end
  if is_there(facts.settings) and is_there(facts.table) then
    local check = io.popen(programs.quoted(facts.table) .. ' -n ' .. programs.quoted(facts.settings) .. ' 2>&1', 'r')
    local said = check:read 'a'
    if not check:close() then warn('smtpd will not start: %s', (said:gsub('%s+', ' '))) end
  end
  local content = content_of(facts.config)
  if content then table.move(require 'mtasts.smtpd_conf'(facts.config, content), 1, 100, #list + 1, list) end
  return list
end

local function find_commands(facts)
  local list = {}
  local function add(about, ...)
    list[#list + 1] = '# ' .. about
    for _, command in ipairs { ... } do list[#list + 1] = command end
  end
  if facts.own ~= facts.libexec then
    add('smtpd looks for tables in one folder only', ('ln -sf %s %s/'):format(programs.quoted(facts.table), facts.libexec))
  end
  local folder = folder_of(facts.store)
  local make = ('install -d -o %s -g %s -m 2770 %s'):format(facts.user, facts.user, programs.quoted(folder))
  if facts.store == machine.store then
    -- It is for mtasts alone. smtpd starts filters with one group only: what is another's in there they could not use.
    add("policies are kept here; smtpd's programs run as " .. facts.user, make,
      ('chown -R %s:%s %s'):format(facts.user, facts.user, folder))
  elseif folder ~= '' then
    add(('policies are kept here; %s must be able to write there'):format(facts.user),
      ('[ -d %s ] || %s'):format(programs.quoted(folder), make))
  end
  local settings = folder_of(facts.settings)
  add('the settings of both programs; so the log shows each decision', ('[ -s %s ] ||'):format(facts.settings),
    ('  echo "log_level = info" >%s'):format(facts.settings), 'chmod 644 ' .. facts.settings)
  if settings ~= '' then table.insert(list, #list - 2, ('[ -d %s ] || install -d -m 755 %s'):format(settings, settings)) end
  return list
end

local function begin(page, facts, warnings)
  page:note(('smtpd.conf for OpenSMTPD that honours MTA-STS (RFC 8461) when it sends mail. Printed by: mtasts setup opensmtpd (mtasts %s)'
    ):format(core.version))
  page:note(facts.version and ('Found OpenSMTPD %s: %s'):format(facts.version, facts.smtpd) or facts.smtpd and
    ('Found an OpenSMTPD, but not its version: %s'):format(facts.smtpd) or 'No OpenSMTPD was found here: the paths are those of Debian.')
  if #warnings > 0 then
    page:line '#'
    for _, warning in ipairs(warnings) do page:note('WARNING: ' .. warning) end
  end
end

local function steps(page, facts, commands)
  page:line '#'
  page:note '1. As root, once. "mtasts setup opensmtpd --commands" prints these alone.'
  if facts.built then
    page:note "This is mtasts as built, not installed: smtpd's user must be able to reach its folder. Better: ./build.sh install"
  end
  if not facts.user_known then page:note(("There is no user of smtpd yet: %s is Debian's, elsewhere it is _smtpd."):format(facts.user)) end
  if facts.smtpd and not facts.libexec_known then page:note('Which folder it looks in could not be told; this is the usual one.') end
  page:line '#'
  for _, command in ipairs(commands) do page:line('#   ' .. text.clean(command)) end
  page:line '#'
  page:note(('2. In %s, if you like:'):format(facts.settings))
  page:line '#'
  for _, line in ipairs {
    '# each decision in the log', 'log_level = info',
    '# only where a resolver runs on this machine; else /etc/resolv.conf counts', '# nameservers = 127.0.0.1',
  } do page:line('#   ' .. line) end
  if facts.given_store then page:line('#   # where policies are kept\n#   store = ' .. facts.given_store) end
  page:line '#'
  page:note(('3. Save all this as /etc/smtpd.conf, or take its lines over into yours. There, too, the rule for <stsdom> must stand before '
    .. 'every rule that relays to other domains. Check with "smtpd -n", then restart smtpd.'))
  page:line '#'
  page:note '4. To see it work: "mtasts lookup gmail.com"; or with log_level = info mail there, which the log calls "gmail.com: enforce".'
end

local function remarks(page, facts)
  page:line '#'
  page:note 'Good to know:'
  if not facts.version then
    page:item('OpenSMTPD 6.8 and older send no server name (SNI), which RFC 8461 7.1 asks for: mail to some hosts will wait. '
      .. 'Use 7.4 or later.')
  end
  page:item('Never use "relay tls no-verify" beside "relay tls": smtpd 7 mixes their sessions, unless helo, src, ca or pki differ.')
  page:item(('smtpd 7 does not start when a relay action has no "ca" and %s is missing.'):format(facts.ca))
end

local function rules(page, facts)
  page:line()
  page:note('Two tables, one program: for which domains a policy must be enforced, and which of their hosts to use. '
    .. "(The name mx is taken: it is a word of smtpd's own.)")
  page:rule(('table stsdom "mtasts:%s"'):format(facts.settings))
  page:rule(('table stsmx "mtasts:%s"'):format(facts.settings))
  page:line()
  page:note 'Looks the policy up when a recipient is named, so that only this client waits; the tables then find it.'
  page:rule('filter "sts" proc-exec', ('"%s %s"'):format(facts.filter, facts.settings))
  page:line()
  page:note('Where mail comes in: port 25 of this machine only, and the command sendmail. '
    .. 'For other machines: listen on ADDRESS filter "sts"')
  page:rule 'listen on localhost filter "sts"'
  page:rule 'listen on socket filter "sts"'
  page:line()
  page:note "Mail for this machine's own users goes to their mailboxes."
  page:rule 'action "local" mbox'
  page:note 'Policy enforced: verified TLS, only to a host that the policy permits; until then the mail waits.'
  page:rule 'action "sts_enforce" relay tls domain <stsmx> filter "sts"'
  page:note 'All other domains: as smtpd always does it. The filter is told of deliveries only where the action names it, too.'
  page:rule 'action "default" relay filter "sts"'
  page:line()
  page:note 'The first rule that fits decides. <stsdom> stands before every other rule that relays.'
  page:rule 'match from local for local action "local"'
  page:rule 'match from local for domain <stsdom> action "sts_enforce"'
  page:rule 'match from local for any action "default"'
end

return function(args)
  local facts = survey(args)
  local warnings, commands = find_warnings(facts), find_commands(facts)
  local page = Page.new()
  begin(page, facts, warnings)
  steps(page, facts, commands)
  remarks(page, facts)
  rules(page, facts)
  return {
    fragment = page:text(), commands = commands, warnings = warnings, user = facts.user, version = facts.version,
    paths = { table = facts.table, filter = facts.filter, libexec = facts.libexec, smtpd = facts.smtpd, settings = facts.settings,
      store = facts.store, ca_file = facts.ca, config = facts.config },
  }
end
