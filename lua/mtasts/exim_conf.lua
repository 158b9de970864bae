-- SPDX-License-Identifier: ISC
-- The lines of an Exim configuration that honour MTA-STS, each part with its comments.
local Page = require 'mtasts.page'

-- The separator is a semicolon, for the sake of IPv6 addresses.
local LOOPBACK <const> = '0.0.0.0 ; 127.0.0.0/8 ; ::1'
-- As Debian's router dnslookup has it.
local PRIVATE <const> = '0.0.0.0 ; 127.0.0.0/8 ; 192.168.0.0/16 ; 172.16.0.0/12 ; \\\n  10.0.0.0/8 ; 169.254.0.0/16 ; 255.255.255.255 ; '
  .. '::/128 ; ::1/128 ; \\\n  fc00::/7 ; fe80::/10 ; 100::/64'
-- What Debian's transport remote_smtp lets an administrator set with macros, but for TLS, where ours knows better.
local DEBIAN_MACROS <const> = {
  { 'headers_rewrite', 'REMOTE_SMTP_HEADERS_REWRITE' }, { 'return_path', 'REMOTE_SMTP_RETURN_PATH' },
  { 'helo_data', 'REMOTE_SMTP_HELO_DATA' },
  { 'interface', 'REMOTE_SMTP_INTERFACE' }, { 'dkim_domain', 'DKIM_DOMAIN' }, { 'dkim_identity', 'DKIM_IDENTITY' },
  { 'dkim_selector', 'DKIM_SELECTOR' }, { 'dkim_private_key', 'DKIM_PRIVATE_KEY' }, { 'dkim_canon', 'DKIM_CANON' },
  { 'dkim_strict', 'DKIM_STRICT' }, { 'dkim_sign_headers', 'DKIM_SIGN_HEADERS' }, { 'dkim_timestamps', 'DKIM_TIMESTAMPS' },
  { 'tls_dh_min_bits', 'TLS_DH_MIN_BITS' }, { 'tls_certificate', 'REMOTE_SMTP_TLS_CERTIFICATE' },
  { 'tls_privatekey', 'REMOTE_SMTP_PRIVATEKEY' }, { 'headers_remove', 'REMOTE_SMTP_TRANSPORTS_HEADERS_REMOVE' },
  { 'message_linelength_limit', 'IGNORE_SMTP_LINE_LENGTH_LIMIT', '1G' },
}

-- A macro that is defined already, before, stays as it is.
local function macro(page, name, value)
  page:line('.ifndef ' .. name)
  page:lines(name .. ' = ' .. value)
  page:line '.endif'
end

-- What calls us. In single quotes a word for ${run} is split off first and expanded then: nothing that others wrote adds a word.
local function policy(facts)
  if facts.light then
    -- One line; with ${run what goes to stderr comes along, and could say anything.
    return ('${run{%s exim policy -- $domain}\\\n    {${if match{$value}{\\N^mode=.*$\\N}{$value}{mode=defer}}}\\\n    {mode=defer}}'
      ):format(facts.program)
  end
  return '${dlfunc{MTASTS_MODULE}{mtasts_policy}{$domain}}'
end

-- By its sender a TLS report of ours is known. One with blanks is none, and could say what is not so.
local SENDER <const> = 'sender=${if !match{$sender_address}{\\N\\s\\N}{$sender_address}}'

local function no_mx(facts)
  if facts.light then
    return ("${run{%s exim event -- sts:no-mx '' '' \\\n    '$domain' '' '' \\\n    '%s'}{}{}}"):format(facts.program, SENDER)
  end
  return '${dlfunc{MTASTS_MODULE}{mtasts_event}{sts:no-mx}{}{}{$domain}\\\n    {}{}{' .. SENDER .. '}}'
end

local function event(facts)
  local info = ('dane=%s cv=$tls_out_certificate_verified cipher=$tls_out_cipher \\\n  '):format(facts.dane and '$tls_out_dane' or 'no')
    .. 'cert=${if eq{$event_name}{tls:cert}{${base64:$tls_out_peercert}}} \\\n  source=$sending_ip_address \\\n'
    .. '  ' .. SENDER .. ' \\\n  mode=${extract{mode}{$address_data}}'
  if facts.light then
    -- Each is a program that starts: only those that tell something.
    return ("${if match{$event_name}{^(tcp:|smtp:ehlo|tls:|dane:)}{\\\n  ${run{%s exim event -- \\\n  '$event_name' '$event_data' "
      .. "'$event_defer_errno' '$domain' '$host' \\\n  '$host_address' \\\n  '%s'}{}{}}}}"):format(facts.program, info)
  end
  return '${dlfunc{MTASTS_MODULE}{mtasts_event}{$event_name}{$event_data}\\\n  {$event_defer_errno}{$domain}{$host}{$host_address}{'
    .. '\\\n  ' .. info .. '}}'
end

local function main(facts)
  local page = Page.new()
  if not facts.light then
    page:note 'The module. (A name of your own for it must be a long one: Exim replaces it wherever it stands.)'
    macro(page, 'MTASTS_MODULE', facts.module)
  end
  page:note(facts.debian and 'Whose policies count: domains of others. Of those that you relay for you know the hosts; take '
    .. '": ! +relay_to_domains" away to hold them to their policy, too.' or "Whose policies count: domains of others.")
  macro(page, 'MTASTS_DOMAINS', facts.debian and '! +local_domains : ! +relay_to_domains' or '! +local_domains')
  page:note('Addresses that the DNS of others has no business to name, separated by semicolons. (Where a policy is enforced none is '
    .. 'exempt: the certificate decides.)')
  macro(page, 'MTASTS_IGNORE', facts.debian and PRIVATE or LOOPBACK)
  page:note 'Tells what happens with a mail host, for "mtasts store sessions" and TLS reports. It is always empty, and stops no mail.'
  macro(page, 'MTASTS_EVENT', event(facts))
  return page:text()
end

local function router(page, name, driver)
  page:line(name .. ':')
  page:line('  driver = ' .. driver)
  page:line '  domains = MTASTS_DOMAINS'
  page:line '  no_verify'
end

local function mode(page, name) page:line(('  condition = ${if eq{${extract{mode}{$address_data}}}{%s}}'):format(name)) end

local function routers(facts)
  local page = Page.new()
  if facts.debian then
    page:note 'Only for a host that sends by itself. Where a smart host does ("smarthost", "satellite"), the policies are its business.'
    page:line '.ifdef DCconfig_internet'
  end
  page:note('Looks the policy up, once for each recipient, and takes no mail itself. Where that fails mail waits, and the log says why. '
    .. 'The routers below, and the transports, find the answer in $address_data.')
  router(page, 'mtasts_lookup', 'redirect')
  page:line('  address_data = ' .. policy(facts))
  page:line '  data ='
  if facts.light then
    page:line()
    page:note 'It cannot be told now which policy there is.'
    router(page, 'mtasts_wait', 'redirect')
    mode(page, 'defer')
    page:line '  allow_defer'
    page:line '  data = :defer: MTA-STS: the policy of $domain cannot be told now'
  end
  page:line()
  page:note("Policy enforced: the domain's hosts without those that the policy does not permit. The list that Exim ignores ends in *: "
    .. 'everything but the hosts before it.')
  router(page, 'mtasts_enforce', 'dnslookup')
  mode(page, 'enforce')
  page:line '  ignore_target_hosts = ${extract{ignore}{$address_data}{$value}{*}}'
  page:line '  self = defer'
  page:line '  dnssec_request_domains = *'
  page:line '  transport = remote_smtp_mtasts'
  page:line()
  page:note 'No host is left: mail waits. Without this router the next one would send it to the hosts that are not permitted.'
  router(page, 'mtasts_no_mx', 'redirect')
  mode(page, 'enforce')
  page:line '  allow_defer'
  page:line('  data = ' .. no_mx(facts) .. '\\\n    :defer: MTA-STS: the policy of $domain permits none of its mail hosts')
  page:line()
  page:note(('Policy in mode testing: sent as ever, and counted. It has a router of its own since yours may copy routes%s, and then '
    .. 'forgets the policy.'):format(facts.debian and ' (same_domain_copy_routing)' or ''))
  router(page, 'mtasts_testing', 'dnslookup')
  mode(page, 'testing')
  page:line '  ignore_target_hosts = <; MTASTS_IGNORE'
  page:line '  dnssec_request_domains = *'
  page:line '  transport = remote_smtp'
  if facts.debian then page:line '.endif' end
  return page:text()
end

local function transport(facts)
  local page = Page.new()
  page:note('Policy enforced: only over TLS, only with a certificate that the system trusts, for the name of the host; else the next '
    .. 'host, or mail waits. Never let one of these lines depend on ${dlfunc or a lookup: where that fails Exim goes on without the line.')
  page:line 'remote_smtp_mtasts:'
  page:line '  driver = smtp'
  page:note 'One domain, one message a connection: another one may have another policy.'
  page:lines '  multi_domain = false\n  connection_max_messages = 1'
  page:lines '  hosts_require_tls = *\n  hosts_avoid_tls =\n  tls_tempfail_tryclear = false'
  page:lines '  tls_verify_certificates = system\n  tls_verify_hosts = *\n  tls_verify_cert_hostnames = *'
  page:line '  tls_sni = $host'
  if facts.dane then
    page:note 'TLSA records come first, where DNSSEC secures them.'
    page:line '  hosts_try_dane = *'
  end
  page:note('RFC 8461 4.2 wants the name in the subjectAltName of the certificate; where there is none, GnuTLS takes that of its subject. '
    .. 'With TLSA records the name does not matter.')
  page:lines('  event_action = MTASTS_EVENT\\\n    ${if and{{eq{$event_name}{tls:cert}}{eq{$event_data}{0}}\\\n'
    .. '    {eq{}{${certextract{subj_altname,dns}{$tls_out_peercert}{$value}{}}}}\\\n'
    .. '    {eq{}{${lookup dnsdb{defer_never,dnssec_strict,tlsa=_25._tcp.$host}}}}}\\\n    {the certificate names no host}}')
  page:note('Exim keeps by host, port and interface which one failed: with an interface that is any, what fails here holds no mail of '
    .. 'domains that do not enforce.')
  if facts.debian then page:line '.ifndef REMOTE_SMTP_INTERFACE' end
  page:line '  interface = <; 0.0.0.0 ; ::0'
  if facts.debian then page:line '.endif' end
  if facts.debian then
    page:note "What you may have set for Debian's remote_smtp counts here, too."
    for _, option in ipairs(DEBIAN_MACROS) do
      page:line('.ifdef ' .. option[2])
      page:line(('  %s = %s'):format(option[1], option[3] or option[2]))
      page:line '.endif'
    end
  end
  return page:text()
end

local function remote(facts)
  local page = Page.new()
  page:lines '  multi_domain = false\n  tls_verify_certificates = system\n  tls_try_verify_hosts = *\n  tls_verify_cert_hostnames = *'
  page:line '  tls_sni = $host'
  if facts.dane then page:line '  hosts_try_dane = *' end
  page:line '  event_action = MTASTS_EVENT'
  return page:text()
end

-- facts: light, dane, debian (its macros), module, program
return function(facts)
  return { main = main(facts), routers = routers(facts), transports = transport(facts), remote_smtp = remote(facts) }
end
