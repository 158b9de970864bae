-- SPDX-License-Identifier: ISC
-- Asks an Exim what it can do and how it is configured, and names what works against MTA-STS. Exim itself reads its configuration:
-- macros, conditions and included files count as for mail.
local machine = require 'mtasts.machine'
local programs = require 'mtasts.programs'

local USUAL <const> = { '/usr/sbin/exim4', '/usr/sbin/exim' }
local OLDEST <const>, OLDEST_LIGHT <const> = 494, 496 -- before, a domain that others chose may not be used as it is; is not one word
local OURS <const> = 'remote_smtp_mtasts'

local function run(path, words, config)
  local command = programs.quoted(path) .. (config and ' -C ' .. programs.quoted(config) or '') .. ' ' .. words
  local pipe = io.popen('exec </dev/null; ' .. command .. ' 2>&1', 'r')
  local said = pipe:read 'a'
  return pipe:close() == true, said
end

-- What -bP prints of routers and transports: a list of { kind, name, OPTION = VALUE }, in order; and the options of the main part.
local function blocks(printed)
  local list, main, block = {}, {}, nil
  for line in printed:gmatch '[^\n]+' do
    local name, kind = line:match '^(%S+) (%l+):$'
    local option, value = line:match '^([%l%d_]+) = ?(.*)$'
    if kind == 'router' or kind == 'transport' then
      block = { kind = kind, name = name, options = {} }
      list[#list + 1] = block
    elseif option then
      (block and block.options or main)[option] = value
      if option == 'dns_dnssec_ok' then main[option] = value end
    elseif block and line:find '^[%l%d_]+$' then
      block.options[line:match '^no_(.*)' or line] = line:find '^no_' == nil
    end
  end
  return list, main
end

local look = {}

-- What kind of Exim there is, or nil. Fields: path, version, number (496 is 4.96), dlfunc, dane, event, config (the file that it reads),
-- error (why it does not), parts (routers and transports, in order), main (options)
function look.at(path, config)
  for _, candidate in ipairs(path and { path } or USUAL) do
    if machine.is_there(candidate) then
      local good, said = run(candidate, '-bV', config)
      local version, major, minor = said:match 'Exim version ((%d+)%.(%d+)%S*)'
      if version then
        local support = ' ' .. (said:match '\nSupport for:([^\n]*)' or '') .. ' '
        local function has(word) return support:find(' ' .. word .. ' ', 1, true) ~= nil end
        local exim = {
          path = candidate, version = version, number = tonumber(major) * 100 + tonumber(minor), dlfunc = has 'Expand_dlfunc',
          dane = has 'DANE', event = has 'Event', config = config or said:match '\nConfiguration file is (/[^\n]*)', parts = {}, main = {},
        }
        if not good then
          exim.error = said:match '(Exim configuration error.*)' or said:match '([^\n]+)%s*$' or 'it does not say why'
          exim.error = exim.error:gsub('%s+', ' '):gsub(' $', '')
        else
          local _, printed = run(candidate, '-bP routers transports dns_dnssec_ok', config)
          exim.parts, exim.main = blocks(printed)
        end
        return exim
      end
    end
  end
end

local function build(exim, light, warn)
  if exim.number < OLDEST then warn('Exim %s is too old: use 4.94 or later', exim.version) end
  if light and exim.number < OLDEST_LIGHT then
    warn('Exim %s without ${dlfunc: what a mail host says could become several arguments of ${run; use 4.96 or later', exim.version)
  end
  if not exim.event then warn 'this Exim has no events (event_action): leave those lines out; sessions are not counted' end
  if not exim.dane then warn 'this Exim does no DANE: TLSA records of mail hosts do not count, where policies and they differ' end
end

-- A transport of ours that somebody has changed.
local function judge_ours(options, warn)
  local function want(name, good)
    local value = options[name]
    if value ~= nil and value ~= good then
      warn('transport %s: %s is not what enforcing needs; wanted: %s', OURS, name,
        type(good) == 'boolean' and (good and name or 'no_' .. name) or ('%s = %s'):format(name, good))
    end
  end
  want('hosts_require_tls', '*')
  want('hosts_avoid_tls', '')
  want('tls_tempfail_tryclear', false)
  want('tls_verify_hosts', '*')
  want('tls_verify_cert_hostnames', '*')
  want('tls_sni', '$host')
  want('multi_domain', false)
  want('connection_max_messages', '1')
  if options.tls_verify_certificates == '' then warn('transport %s: tls_verify_certificates is empty: nothing is verified', OURS) end
end

local function judge_transport(name, options, there, warn)
  local event = options.event_action or ''
  local counted = event:find('mtasts', 1, true)
  if event ~= '' and not counted then
    warn('transport %s has an event_action already: append ours to it in one line, else its sessions are not counted', name)
  elseif there and event == '' then
    warn('transport %s has no event_action: its sessions are not counted', name)
  end
  if options.hosts_avoid_tls ~= '' and options.hosts_avoid_tls then
    warn('transport %s: hosts_avoid_tls = %s: no TLS with these hosts, whatever a policy in mode testing says', name,
      options.hosts_avoid_tls)
  end
  if options.hosts_try_dane and options.hosts_try_dane ~= '*' and options.hosts_require_dane ~= '*' then
    warn('transport %s: hosts_try_dane = %s: no DANE with other hosts', name, options.hosts_try_dane)
  end
  if options.multi_domain and counted then
    warn('transport %s: multi_domain: events of a message to several domains have no domain; set multi_domain = false', name)
  end
end

-- Texts: what is wrong with this Exim, and with its configuration.
function look.warnings(exim, light)
  local list = {}
  local function warn(format, ...) list[#list + 1] = format:format(...) end
  build(exim, light, warn)
  if exim.error then warn('Exim cannot read its configuration: %s', exim.error) end
  local transports, routers, remote, smarthost = {}, {}, {}, nil
  for _, part in ipairs(exim.parts) do
    if part.kind == 'transport' then transports[part.name] = part.options end
    if part.kind == 'router' then
      routers[part.name] = part
      routers[#routers + 1] = part
    end
  end
  local there = routers.mtasts_enforce ~= nil
  local looked
  for _, part in ipairs(routers) do
    local options = part.options
    local transport = transports[options.transport or '']
    local sends = transport and transport.driver == 'smtp'
    if part.name == 'mtasts_lookup' then
      looked = true
    elseif looked and options.address_data and options.address_data ~= '' then
      warn('router %s sets address_data, which the routers and transports below read as the policy', part.name)
    end
    if sends and options.driver == 'dnslookup' then
      remote[options.transport] = true
      if there and not looked then warn('router %s stands before mtasts_lookup: mail that it takes goes by no policy', part.name) end
    elseif sends and options.driver == 'manualroute' and ((options.domains or '!'):find '^%s*!' or options.domains == '') then
      smarthost = part.name -- not just some domains
    end
  end
  if there and not routers.mtasts_no_mx then
    warn 'there is mtasts_enforce, but no mtasts_no_mx: where no host is permitted, mail goes to those that are not'
  end
  for name, options in pairs(transports) do
    if name == OURS then judge_ours(options, warn) elseif remote[name] then judge_transport(name, options, there, warn) end
  end
  if smarthost and not next(remote) then
    warn("router %s hands all mail to another host: the recipients' policies are that host's business (RFC 8461 3.4). Have TLS with it "
      .. 'verified: hosts_require_tls = * and tls_verify_hosts = * in its transport', smarthost)
  end
  if exim.main.dns_dnssec_ok == '0' and exim.dane then warn 'dns_dnssec_ok = 0: no answer is secured by DNSSEC, so DANE is never tried' end
  local cut = ('\n' .. (exim.config and machine.content_of(exim.config) or '')):find '\n[^#\n]*cutthrough_delivery'
  if cut and not (there and routers.mtasts_enforce.options.verify_recipient) then
    warn('cutthrough_delivery: what is handed on while it comes in goes past routers with no_verify, so by no policy; where it is used '
      .. 'write no_verify_sender in the routers of ours')
  end
  table.sort(list)
  return list
end

return look
