-- SPDX-License-Identifier: ISC
-- Checks of the policy host: its name, its addresses, its TLS.
local addresses = require 'mtasts.check_addresses'
local cert = require 'mtasts.check_cert'
local dns = require 'mtasts.check_dns'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local SLOW_MS <const>, LIMIT_MS <const> = 10000, 60000

-- One finding for all addresses of the policy host that have the same.
local function each(seen, say, at, more)
  if #seen.gets == 0 then return false end
  local asked = cert.together(seen.gets, seen.host.name, say, at, more)
  if asked == 0 then return false end
end

local function expiry(get, now)
  local words, severity = cert.expiry(get.see.tls, now)
  return words, { severity = severity }
end

return {
  {
    id = 'host.resolve', severity = 'error', ref = 'RFC 8461 3.3', needs = 'host',
    title = 'the policy host mta-sts.{domain} has an address',
    fix = 'Publish an A or AAAA record (or a CNAME) for mta-sts.{domain}, where the policy is served.',
    check = function(seen, say)
      local host = seen.host
      local found = false
      for _, answer in ipairs(host.answers) do found = found or not answer.error end
      local first = host.answers[1]
      if not found then
        local worst = first
        for _, answer in ipairs(host.answers) do
          if not dns.absent(answer.error) then worst = answer end
        end
        if worst.loop or #(worst.cnames or {}) > 0 and dns.absent(worst.error) then
          dns.check_aliases(worst, say)
        else
          local absent = dns.absent(worst.error)
          say(('%s: %s'):format(host.name, dns.trouble(worst.error)), { severity = not absent and dns.severity(seen, worst.error) or nil,
            fix = not absent and dns.fix(worst.error) or nil })
        end
      elseif #(first.cnames or {}) > 0 then
        say('an alias (CNAME): ' .. host.name .. ' -> ' .. text.clean(table.concat(first.cnames, ' -> ')),
          { severity = 'info', fix = 'Nothing to mend; the certificate must still name mta-sts.{domain}.' })
      end
    end,
  },
  {
    id = 'host.addr', severity = 'warn', ref = 'RFC 8461 10.3', needs = 'host',
    title = 'the policy host has public addresses',
    fix = 'Remove the private address from public DNS: senders cannot reach it, or refuse to try.',
    check = function(seen, say)
      if #seen.host.addresses == 0 or seen.options.allow_private then return false end
      for _, address in ipairs(seen.host.addresses) do
        local kind = addresses.private(address)
        if kind then say(('%s is %s'):format(address, kind), { subject = seen.host.name }) end
      end
    end,
  },
  {
    id = 'host.connect', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'every address answers on port 443',
    fix = 'Let the web server listen on port 443 of every address that DNS has for mta-sts.{domain}, or remove the address.',
    check = function(seen, say)
      local failed, ways = 0, 0
      for _, get in ipairs(seen.gets) do
        if addresses.unconnected(get.see) then failed = failed + 1 end
        if addresses.unconnected(get.see) and addresses.no_way(get.see.error) then ways = ways + 1 end
      end
      local all, no_six = failed == #seen.gets, addresses.no_six(seen)
      return each(seen, say, function(get)
        if not addresses.unconnected(get.see) then return false end
        if ways == #seen.gets then
          return 'not tried: this machine has no way there: ' .. text.problem(get.see.error), { severity = 'unknown',
            fix = "Look at this machine's own network." }
        elseif no_six and addresses.is_six(get.address) then
          return 'not tried: this machine has no IPv6', { severity = 'info', fix = 'Check again from a machine with IPv6.' }
        end
        return text.problem(get.see.error), { severity = all and 'error' or 'warn' }
      end)
    end,
  },
  {
    id = 'host.timeout', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'the whole policy comes within 60 seconds',
    fix = 'Find out why the web server is slow: the policy is a small static file, and mail waits for it.',
    check = function(seen, say)
      return each(seen, say, function(get)
        local see = get.see
        if addresses.unconnected(see) then return nil end
        if see.error and see.error.code == 'https-deadline' or (see.ms or 0) > LIMIT_MS then
          return ('no whole answer after %s (connected after %d ms)'):format(text.span((see.ms or 0) / 1000), see.connect_ms or 0)
        elseif (see.ms or 0) > SLOW_MS then
          return 'the answer took ' .. text.span(see.ms / 1000), { severity = 'warn' }
        end
        return false
      end)
    end,
  },
  {
    id = 'host.tlsver', severity = 'error', ref = 'RFC 8461 7.2', needs = 'gets',
    title = 'the policy host speaks TLS 1.2 or newer',
    fix = 'Enable TLS 1.2 and 1.3 in the web server.',
    check = function(seen, say)
      return each(seen, say, function(get)
        local see = get.see
        if cert.is_old(see.tls) then return 'it speaks ' .. see.tls.protocol end
        if see.error and see.error.code == 'https-tls' then return text.problem(see.error) end
        if not see.tls then return nil end
        return false
      end)
    end,
  },
  {
    id = 'host.chain', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'its certificate is valid and leads to a trusted root',
    fix = 'Install a current certificate of a public authority together with its intermediate certificates (the "full chain").',
    check = function(seen, say)
      return each(seen, say, function(get) return cert.chain_problem(get.see.tls, seen.at) end)
    end,
  },
  {
    id = 'host.name', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'its certificate is for mta-sts.{domain}',
    fix = 'Get a certificate that lists mta-sts.{domain} among its alternative names (DNS), and install it for that name.',
    check = function(seen, say)
      return each(seen, say, function(get) return cert.other_names(get.see.tls, seen.host.name) end)
    end,
  },
  {
    id = 'host.expiry', severity = 'warn', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'its certificate does not end soon',
    fix = 'Renew the certificate now, and see why it was not renewed by itself.',
    check = function(seen, say)
      return each(seen, say, function(get) return expiry(get, seen.at) end)
    end,
  },
  {
    id = 'host.key', severity = 'warn', ref = 'RFC 9325 4',
    needs = 'gets', title = 'its key and signatures are strong',
    fix = 'Get a new certificate with an RSA key of 2048 bits or more, or one on P-256, signed with SHA-256.',
    check = function(seen, say)
      return each(seen, say, function(get) return cert.weak(get.see.tls) end)
    end,
  },
  {
    id = 'host.sni', severity = 'info', ref = 'RFC 8461 7.1', needs = 'nosni',
    title = 'it answers without SNI as well',
    fix = 'Nothing to mend: senders send SNI. A default certificate for mta-sts.{domain} would serve old ones, too.',
    check = function(seen, say)
      local without, got = seen.nosni, seen.got
      if not got or not got.tls or got.tls.error or addresses.unconnected(without) then return false end
      local problem = without.tls and without.tls.error or without.error
      if problem then say('without SNI: ' .. text.problem(problem), { subject = read.names { seen.host.name } }) end
    end,
  },
}
