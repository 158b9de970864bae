-- SPDX-License-Identifier: ISC
-- Asks a Postfix how it is configured, and names what works against MTA-STS. Its own postconf reads the configuration.
local machine = require 'mtasts.machine'
local programs = require 'mtasts.programs'

local USUAL <const> = { '/usr/sbin/postconf', '/usr/local/sbin/postconf' }
local OLDEST <const> = 304 -- before, no entry of a table may say which server name (SNI) is sent
local ASKED <const> = {
  'mail_owner', 'config_directory', 'daemon_directory', 'shlib_directory', 'smtp_tls_per_site',
  'smtp_tls_security_level', 'smtp_dns_support_level', 'smtp_host_lookup', 'smtp_tls_CAfile', 'smtp_tls_CApath', 'smtp_fallback_relay',
  'relayhost', 'smtp_tlsrpt_enable', 'smtp_tls_enforce_sts_mx_patterns',
}
-- What an entry of master.cf must not say otherwise.
local OURS <const> = { smtp_tls_policy_maps = true, smtp_tls_security_level = true, smtp_dns_support_level = true, smtp_host_lookup = true,
  smtp_tls_CAfile = true, smtp_tls_CApath = true }
-- Levels of smtp_tls_security_level that ask for more than "dane" does where there is no policy.
local STRICT <const> = { encrypt = true, ['dane-only'] = true, fingerprint = true, verify = true, secure = true }

local function run(path, folder, words)
  local command = programs.quoted(path) .. (folder and ' -c ' .. programs.quoted(folder) or '') .. ' ' .. words
  local pipe = io.popen('exec </dev/null; ' .. command .. ' 2>/dev/null', 'r')
  local said = pipe:read 'a'
  return pipe:close() == true, said
end

-- NAME = VALUE a line.
local function values(said)
  local found = {}
  for name, value in said:gmatch '([^\n=]-) =[ \t]*([^\n]*)' do found[name] = value end
  return found
end

-- Services of master.cf that send mail: name -> true where they are chrooted, else false.
local function senders(said)
  local found = {}
  for line in said:gmatch '[^\n]+' do
    local name, kind, chroot, command = line:match '^(%S+)%s+(%S+)%s+%S+%s+%S+%s+(%S+)%s+%S+%s+%S+%s+(%S+)'
    if kind == 'unix' and command == 'smtp' then found[name] = chroot == 'y' end
  end
  return found
end

local function number_of(version)
  local major, minor = (version or ''):match '^(%d+)%.(%d+)'
  return major and tonumber(major) * 100 + tonumber(minor) or 0
end

-- What can send reports of TLS is linked with this library, if it was built so.
local function knows_tlsrpt(main)
  local smtp = machine.content_of((main.daemon_directory or '') .. '/smtp') or ''
  local tls = machine.content_of((main.shlib_directory or '') .. '/libpostfix-tls.so') or ''
  return (smtp .. tls):find('libtlsrpt.so', 1, true) ~= nil
end

local look = { strict = STRICT }

-- The Postfix that there is, or nil. Fields: path (of postconf), version, number (307 is 3.7), main (NAME = VALUE), senders, overrides
-- (lists of service, name, value), tables (smtp_tls_policy_maps, as it is written), chroot (some sender is), proxied (proxymap may ask
-- our table), attributes (it makes use of those for reports), error (why its configuration cannot be read).
function look.at(path, folder)
  for _, candidate in ipairs(path and { path } or USUAL) do
    if machine.is_there(candidate) then
      local version = values(select(2, run(candidate, nil, '-d mail_version'))).mail_version
      if not version then return nil end
      local postfix = { path = candidate, version = version, number = number_of(version), main = {}, senders = {}, overrides = {} }
      local good, said = run(candidate, folder, '-x ' .. table.concat(ASKED, ' '))
      if not good then
        postfix.error = ('it cannot read %s'):format(folder or 'its configuration')
        return postfix
      end
      postfix.main = values(said)
      local raw = values(select(2, run(candidate, folder, 'smtp_tls_policy_maps proxy_read_maps')))
      postfix.tables = raw.smtp_tls_policy_maps or ''
      postfix.proxied = (raw.proxy_read_maps or ''):find('$smtp_tls_policy_maps', 1, true) ~= nil
      postfix.senders = senders(select(2, run(candidate, folder, '-M')))
      for service, name, value in select(2, run(candidate, folder, '-P')):gmatch '([^\n/]+)/unix/([%w_]+) =[ \t]*([^\n]*)' do
        if postfix.senders[service] ~= nil and OURS[name] then
          postfix.overrides[#postfix.overrides + 1] = { service = service, name = name, value = value }
        end
      end
      for _, chroot in pairs(postfix.senders) do postfix.chroot = postfix.chroot or chroot end
      -- With what is for reports it matches MX hosts with the policy itself; or it just reports.
      postfix.attributes = postfix.main.smtp_tls_enforce_sts_mx_patterns == 'yes'
        or postfix.main.smtp_tlsrpt_enable == 'yes' and knows_tlsrpt(postfix.main)
      return postfix
    end
  end
end

-- The tables of smtp_tls_policy_maps without ours: a list; and where ours stood, if it did. What stands in braces is one word.
function look.tables(value, ours)
  local list, place, depth, word = {}, nil, 0, ''
  for char in (value .. ','):gmatch '.' do
    depth = depth + (char == '{' and 1 or char == '}' and -1 or 0)
    if depth > 0 or not char:find '[%s,]' then
      word = word .. char
    elseif word ~= '' then
      if word:find(ours, 1, true) then place = place or #list + 1 else list[#list + 1] = word end
      word = ''
    end
  end
  return list, place
end

-- Why the server does not answer, when Postfix's own program asks it; nil: it does, or there is no such program.
local function silent(postfix, socket)
  local postmap = machine.folder_of(postfix.path) .. '/postmap'
  if not machine.is_there(postmap) then return nil end
  local pipe = io.popen(('exec </dev/null; %s -q .mtasts %s 2>&1'):format(programs.quoted(postmap),
    programs.quoted(('socketmap:%s:policy'):format(socket))), 'r')
  local said = pipe:read 'a'
  pipe:close()
  local fatal = said:match 'fatal: ([^\n]+)'
  return fatal and (said:match 'warning: (connect to [^\n]+)' or fatal)
end

-- Texts: what is wrong with this Postfix, and with its configuration. facts: tables and place, as look.tables says; proxy: whether ours
-- needs it; socket: of the server.
function look.warnings(postfix, facts)
  local list, main = {}, postfix.main
  local function warn(format, ...) list[#list + 1] = format:format(...) end
  if postfix.number < OLDEST then
    warn('Postfix %s is too old: it cannot send the server name that RFC 8461 asks for; use 3.4 or later', postfix.version)
  end
  if postfix.error then
    warn('Postfix: %s', postfix.error)
    return list
  end
  local why = facts.place and silent(postfix, facts.socket)
  if why then warn('ALL mail waits now, for mtasts serve does not answer at %s: %s', facts.socket, why) end
  for _, word in ipairs(facts.tables) do
    if word:find('socketmap:', 1, true) then
      warn('smtp_tls_policy_maps: %s answers, too; if it is another program for MTA-STS, take it out', word)
    end
  end
  for _, override in ipairs(postfix.overrides) do
    warn('master.cf: service %s has -o %s=%s, which counts there instead of what is printed', override.service, override.name,
      override.value)
  end
  if not (main.smtp_host_lookup or ''):find 'dns' then
    warn('smtp_host_lookup = %s: without dns there is no DANE, and mail to domains that have it waits', main.smtp_host_lookup or '')
  end
  if (main.relayhost or '') ~= '' then
    warn('relayhost = %s takes all mail: the policies of the recipients are its business (RFC 8461 3.4); only the policy of that host '
      .. 'itself counts', main.relayhost)
  end
  if (main.smtp_fallback_relay or '') ~= '' then
    warn('smtp_fallback_relay = %s gets mail that no host may take, too: TLS with it is as secure as its own policy',
      main.smtp_fallback_relay)
  end
  if (main.smtp_tls_per_site or '') ~= '' then warn('smtp_tls_per_site is obsolete, and does not count beside smtp_tls_policy_maps') end
  if facts.proxy and not postfix.proxied then
    warn 'proxy_read_maps is without $smtp_tls_policy_maps: Postfix asks no table through proxy: that is not there, and sends no mail'
  end
  return list
end

return look
