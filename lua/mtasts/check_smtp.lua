-- SPDX-License-Identifier: ISC
-- Checks of the mail hosts: does each take mail over TLS as MTA-STS wants it.
local addresses = require 'mtasts.check_addresses'
local cert = require 'mtasts.check_cert'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

-- One finding for all addresses of a host that have the same. Without MTA-STS a sender delivers all the same.
local function each(seen, say, at, more)
  local asked = 0
  local unasked = seen.record and not seen.record.present
  local function milder(words, told)
    if unasked and not told.severity then told.severity = 'warn' end
    say(words, told)
  end
  for _, host in ipairs(seen.hosts) do
    asked = asked + cert.together(host.tries or {}, host.name, milder, function(try) return at(try, host) end, more)
  end
  if asked == 0 then return false end
end

local old_says = { ['tls-handshake'] = true, ['smtp-protocol'] = true }

-- TLS before 1.2 is all there is.
local function only_old(try)
  return cert.is_old(try.see.tls) or try.old and try.old.tls and try.see.error and old_says[try.see.error.code] == true
end

-- Mail goes to another address of the host meanwhile.
local function some_connect(host)
  for _, try in ipairs(host.tries) do
    if not addresses.unconnected(try.see) then return true end
  end
  return false
end

local verified_problem = function(see) return see.tls and see.tls.error or see.error end

return {
  {
    id = 'smtp.connect', severity = 'error', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'every address of every MX host answers on port 25',
    fix = 'Let the mail server listen on this address, or remove the address from DNS.',
    check = function(seen, say)
      if #seen.tries == 0 then return false end
      if addresses.is_blocked(seen.hosts) then
        say(('port 25 cannot be reached from here, on no address of any MX host: %s'):format(text.problem(seen.tries[1].see.error)),
          { severity = 'unknown', fix = 'Check again from a machine that may connect to port 25 of others; many providers block it.' })
        return
      end
      local no_six = addresses.no_six(seen)
      return each(seen, say, function(try, host)
        if not addresses.unconnected(try.see) then return false end
        if no_six and addresses.is_six(try.address) then
          return 'not tried: this machine has no IPv6', { severity = 'info', fix = 'Check again from a machine with IPv6.' }
        end
        return text.problem(try.see.error), { severity = some_connect(host) and 'warn' or nil }
      end)
    end,
  },
  {
    id = 'smtp.banner', severity = 'error', ref = 'RFC 5321 3.1', needs = 'tries',
    title = 'it greets with 220 and answers EHLO',
    fix = 'See why the mail server turns clients away: its log, its limits, a filter in front of it.',
    check = function(seen, say)
      if addresses.is_blocked(seen.hosts) then return false end
      return each(seen, say, function(try)
        local see = try.see
        if addresses.unconnected(see) then return nil end
        if see.banner_code and see.banner_code ~= 220 then return 'it greets with ' .. read.quote(see.banner or see.banner_code) end
        if see.ehlo_code and see.ehlo_code ~= 250 then return ('it answers EHLO with %d'):format(see.ehlo_code) end
        if see.error and not see.ehlo_code and not see.tls then
          if see.error.code == 'smtp-protocol' or see.error.code == 'smtp-timeout' then return text.problem(see.error) end
          return nil
        end
        return false
      end)
    end,
  },
  {
    id = 'smtp.starttls', severity = 'error', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'it offers STARTTLS, and TLS begins',
    fix = 'Enable STARTTLS in the mail server, with a certificate and key that it can read.',
    check = function(seen, say)
      return each(seen, say, function(try)
        local see = try.see
        local err = see.error
        if addresses.unconnected(see) or only_old(try) then return nil end
        if err and (err.code:find '^starttls%-' or err.code == 'tls-handshake') then
          return text.problem(err) .. (see.starttls_reply and see.starttls_code ~= 220 and ': ' .. read.quote(see.starttls_reply) or '')
        end
        if see.tls then return false end
        return nil
      end)
    end,
  },
  {
    id = 'smtp.tlsver', severity = 'error', ref = 'RFC 8461 7.2', needs = 'tries',
    title = 'it speaks TLS 1.2 or newer, and nothing older',
    fix = 'Enable TLS 1.2 and 1.3 in the mail server.',
    check = function(seen, say)
      return each(seen, say, function(try)
        if only_old(try) then return 'it speaks only ' .. (try.see.tls or try.old.tls).protocol end
        if not try.see.tls then return nil end
        if try.old and cert.is_old(try.old.tls) then
          return ('it speaks %s, too'):format(try.old.tls.protocol), { severity = 'info', ref = 'RFC 8996 2',
            fix = 'Disable TLS 1.0 and 1.1 when no mail comes over them any more.' }
        end
        return false
      end)
    end,
  },
  {
    id = 'smtp.chain', severity = 'error', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'its certificate is valid and leads to a trusted root',
    fix = 'Install a current certificate of a public authority together with its intermediate certificates (the "full chain").',
    check = function(seen, say)
      return each(seen, say, function(try) return cert.chain_problem(try.see.tls, seen.at) end)
    end,
  },
  {
    id = 'smtp.name', severity = 'error', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'its certificate is for the name in the MX record',
    fix = "Get a certificate that lists the MX host's own name among its alternative names (DNS); the mail domain's name is not enough.",
    check = function(seen, say)
      return each(seen, say, function(try, host) return cert.other_names(try.see.tls, host.name) end)
    end,
  },
  {
    id = 'smtp.expiry', severity = 'warn', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'its certificate does not end soon',
    fix = 'Renew the certificate now, see why it was not renewed by itself, and let the mail server load it.',
    check = function(seen, say)
      return each(seen, say, function(try)
        local words, severity = cert.expiry(try.see.tls, seen.at)
        return words, { severity = severity }
      end)
    end,
  },
  {
    id = 'smtp.key', severity = 'warn', ref = 'RFC 9325 4', needs = 'tries',
    title = 'its key and signatures are strong',
    fix = 'Get a new certificate with an RSA key of 2048 bits or more, or one on P-256, signed with SHA-256.',
    check = function(seen, say)
      return each(seen, say, function(try) return cert.weak(try.see.tls) end)
    end,
  },
  {
    id = 'smtp.samecert', severity = 'warn', ref = 'RFC 8461 4.2', needs = 'tries',
    title = 'all addresses of a host have a valid certificate',
    fix = 'Install the same certificate on every server behind this name: which address a sender takes is chance.',
    check = function(seen, say)
      local compared = false
      for _, host in ipairs(seen.hosts) do
        local good, bad = {}, {}
        for _, try in ipairs(host.tries or {}) do
          if try.see.tls then table.insert(try.see.tls.error and bad or good, try.address) end
        end
        compared = compared or #good + #bad > 1
        if #good > 0 and #bad > 0 then
          say(('valid at %s, not at %s'):format(read.names(good), read.names(bad)), { subject = host.name })
        end
      end
      return compared
    end,
  },
  {
    id = 'smtp.nosni', severity = 'warn', ref = 'RFC 8461 7.1', needs = 'tries',
    title = 'it shows a valid certificate without SNI as well',
    fix = 'Let the default certificate of the mail server be the one for this name: many senders send no SNI.',
    check = function(seen, say)
      return each(seen, say, function(try)
        local without = try.nosni
        if not without or not try.see.tls or try.see.tls.error then return nil end
        local err = verified_problem(without)
        if not err then return false end
        if not (err.code:find '^cert%-' or err.code == 'tls-handshake') then return nil end
        return 'without SNI: ' .. text.problem(err)
      end)
    end,
  },
  {
    id = 'smtp.inject', severity = 'warn', ref = 'CVE-2011-0411', needs = 'tries',
    title = 'it drops what was sent in plain text behind STARTTLS',
    fix = 'Update the mail server, or switch off the filter in front of it: commands of an attacker are taken for those of the sender.',
    check = function(seen, say)
      return each(seen, say, function(try)
        if not try.inject or try.inject.injected == nil then return nil end
        return try.inject.injected and 'it answers, within TLS, a command that came before TLS'
      end)
    end,
  },
}
