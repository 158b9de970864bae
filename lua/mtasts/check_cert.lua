-- SPDX-License-Identifier: ISC
-- What a certificate is worth, for policy hosts and mail hosts alike; and findings of several addresses, each told once.
local core = require 'mtasts.core'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local cert = {}

local DAY <const> = 86400

-- Says what at(each) finds wrong, once for all that have the same. label: of all of them together.
function cert.together(list, label, say, at, more)
  local words_of, order, asked = {}, {}, 0
  for _, each in ipairs(list) do
    local words, own = at(each)
    if words ~= nil then asked = asked + 1 end
    if words then
      local group = words_of[words]
      if not group then
        group = { words = words, more = own, addresses = {} }
        words_of[words], order[#order + 1] = group, group
      end
      group.addresses[#group.addresses + 1] = each.address
    end
  end
  for _, group in ipairs(order) do
    local all = #group.addresses == #list
    local told = { subject = all and label or ('%s [%s]'):format(label, table.concat(group.addresses, ', ')) }
    for key, value in pairs(more or {}) do told[key] = value end
    for key, value in pairs(group.more or {}) do told[key] = value end
    say(group.words, told)
  end
  return asked
end

function cert.leaf(tls) return tls and tls.chain and tls.chain[1] end

-- The code of what is wrong, the same for both kinds of hosts.
function cert.code(tls)
  return tls and tls.error and (tls.error.code:gsub('^https%-', ''))
end

local function matches(leaf, host)
  for _, name in ipairs(leaf.names or {}) do
    if not name:find '%z' and core.mx_matches(name, host) then return true end
  end
  return false
end

-- The names of a certificate that lacks the host's; false: it has it; nil: there is none.
function cert.other_names(tls, host)
  local leaf = cert.leaf(tls)
  if not leaf then return nil end
  if cert.code(tls) ~= 'cert-name' and matches(leaf, host) then return false end
  local names = leaf.names or {}
  if #names == 0 then
    return ('the certificate names no host at all (its subject, %s, does not count)'):format(text.clean(leaf.subject or ''))
  end
  return ('the certificate is for %s, not for %s'):format(read.names(names, 4), host)
end

-- What is wrong with the chain; false: nothing; nil: there is none.
function cert.chain_problem(tls, now)
  local leaf = cert.leaf(tls)
  local code = cert.code(tls)
  if not leaf then return nil end
  if leaf.not_after and leaf.not_after <= now then return 'the certificate expired ' .. text.ago(leaf.not_after, now) end
  if leaf.not_before and leaf.not_before > now then
    return 'the certificate is not valid yet: it begins ' .. text.ago(leaf.not_before, now)
  end
  if not code or code == 'cert-name' then return false end
  if code == 'cert-untrusted' and #tls.chain == 1 then
    return leaf.self_issued and 'the certificate is signed by itself, not by an authority that senders trust'
      or ('only the certificate is sent, without that of its issuer, %s: senders cannot build the chain'):format(
        text.clean(leaf.issuer or '?'))
  end
  return text.problem(tls.error)
end

-- Days until the certificate ends; nil: there is none.
function cert.days_left(tls, now)
  local leaf = cert.leaf(tls)
  return leaf and leaf.not_after and (leaf.not_after - now) // DAY
end

-- Renewal of short-lived certificates is automatic, and late earlier.
local function early_days(leaf)
  local life = leaf.not_before and (leaf.not_after - leaf.not_before) // DAY or 365
  if life > 100 then return 14 end
  return life >= 60 and 21 or life // 3
end

-- What to say of its end, and the severity; false: nothing.
function cert.expiry(tls, now)
  local leaf = cert.leaf(tls)
  if not leaf or not leaf.not_after then return nil end
  local days = cert.days_left(tls, now)
  if leaf.not_after <= now then return 'the certificate has expired', 'error' end
  if days < early_days(leaf) then
    return ('the certificate ends in %s, on %s'):format(text.span(leaf.not_after - now), os.date('!%Y-%m-%d', leaf.not_after)), 'warn'
  end
  return false
end

local BAD_CURVES <const> = { ['P-192'] = true, ['P-224'] = true, secp192r1 = true, prime192v1 = true, secp224r1 = true, secp160r1 = true }

-- What is weak in the chain, by RFC 9325 4.2 and 4.3; false: nothing.
function cert.weak(tls)
  if not cert.leaf(tls) then return nil end
  for place, one in ipairs(tls.chain) do
    local which = place == 1 and 'the certificate' or ('certificate %d of the chain'):format(place)
    local signature = (one.signature or ''):lower()
    local bits = one.key_bits
    if one.key == 'RSA' and bits and bits < 2048 then return ('%s has an RSA key of %d bits'):format(which, bits) end
    if one.key == 'DSA' then return which .. ' has a DSA key' end
    if one.key == 'EC' and (bits and bits < 224 or BAD_CURVES[one.curve or '']) then
      return ('%s has a key on a weak curve (%s)'):format(which, text.clean(one.curve or bits))
    end
    local root = place > 1 and one.self_issued -- nobody checks the signature of a root
    if not root and (signature:find('sha1', 1, true) or signature:find('md5', 1, true)) then
      return ('%s is signed with %s'):format(which, text.clean(one.signature))
    end
  end
  return false
end

local old_protocols = { SSLv2 = true, SSLv3 = true, TLSv1 = true, ['TLSv1.0'] = true, ['TLSv1.1'] = true }
function cert.is_old(tls) return tls ~= nil and old_protocols[tls.protocol or ''] == true end

return cert
