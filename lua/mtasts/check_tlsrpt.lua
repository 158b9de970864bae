-- SPDX-License-Identifier: ISC
-- Checks of the TXT record _smtp._tls, which says where senders report failures (RFC 8460).
local addresses = require 'mtasts.check_addresses'
local dns = require 'mtasts.check_dns'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local quote = read.quote

-- The first rua as written, even where the record is refused.
local function rua_of(seen)
  for _, field in ipairs(seen.tlsrpt.fields) do
    if field.name == 'rua' then return field.value end
  end
end

local function place(note) return ('column %d: %s'):format(note.column, note.message) end

local function fix_uri(uri)
  if uri:find '^mailto=' then return 'Write ":" behind mailto, as in "rua=mailto:tlsrpt@{domain}".' end
  if uri:find '%s' then return 'Separate several URIs with commas, and encode what does not belong into a URI as %XX.' end
  if uri:find '^https?:/?[^/]' or uri:find '^http:' then
    return 'Write a whole address that begins with "https://": reports are not sent without TLS.'
  end
  if uri:find '^[^:]+@[^:]+$' then return 'Write "mailto:" before the address.' end
end

local function check_aliases(seen, say)
  if seen.tlsrpt_txt.loop or seen.tlsrpt_txt.error then dns.check_aliases(seen.tlsrpt_txt, say) end
end

return {
  {
    id = 'rpt.lookup', severity = 'warn', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'there is one TXT record at _smtp._tls',
    fix = 'Publish a TXT record at _smtp._tls.{domain}: "v=TLSRPTv1; rua=mailto:tlsrpt@{domain}"; without it you learn of no failure.',
    check = function(seen, say)
      local set = seen.tlsrpt
      local err = seen.tlsrpt_txt and seen.tlsrpt_txt.error
      if err and not dns.absent(err) then
        say(dns.trouble(err), { severity = dns.severity(seen, err), fix = dns.fix(err) })
      elseif err and (seen.tlsrpt_txt.loop or #(seen.tlsrpt_txt.cnames or {}) > 0) then
        check_aliases(seen, function(words, more)
          say(words, { severity = more and more.severity or 'error' })
        end)
      elseif not set.present then
        say('no TLS reporting: ' .. (err and dns.trouble(err) or 'no record there begins with "v=TLSRPTv1;"'))
      end
      if #set.kept > 1 then
        say(('%d records begin with "v=TLSRPTv1;"'):format(#set.kept),
          { severity = 'error', fix = 'Keep one of them: several count as none.' })
      end
      if #set.other > 0 and set.present then
        say(read.count(#set.other, 'record') .. ' that TLS reporting does not know: ' .. quote(set.other[1]),
          { fix = 'Remove the other TXT records from _smtp._tls.{domain}.' })
      end
    end,
  },
  {
    id = 'rpt.version', severity = 'error', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'the record begins with v=TLSRPTv1;',
    fix = 'Let the record begin with "v=TLSRPTv1;", in exactly these letters and without anything before it.',
    check = function(seen, say)
      if not seen.tlsrpt.present then return false end
      for _, near in ipairs(seen.tlsrpt.near) do say(quote(near) .. ' does not begin with "v=TLSRPTv1;"') end
      for _, spaced in ipairs(seen.tlsrpt.spaced) do
        say(quote(spaced) .. ' has a blank before the first ";"', { severity = 'warn' })
      end
    end,
  },
  {
    id = 'rpt.rua', severity = 'error', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'rua stands once and names where reports go',
    fix = 'Write one "rua=mailto:tlsrpt@{domain}" (or an https address), several separated by commas.',
    check = function(seen, say)
      if not seen.tlsrpt.present then return false end
      for _, note in ipairs(seen.tlsrpt.notes) do
        if note.code == 'tlsrpt-rua-missing' or note.code == 'tlsrpt-uri' and note.message:find '^"" ' then say(place(note)) end
        if note.code == 'tlsrpt-repeated-field' then say(place(note), { severity = 'warn', fix = 'Write all URIs into one rua.' }) end
      end
      if #seen.tlsrpt.near > 0 and not rua_of(seen) then say 'no rua' end
    end,
  },
  {
    id = 'rpt.uri', severity = 'error', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'each URI of rua is mailto: with one address, or https:',
    fix = 'Write "mailto:USER@DOMAIN" or "https://HOST/PATH", with "!", "," and ";" as %21, %2C and %3B.',
    check = function(seen, say)
      local rua = seen.tlsrpt.present and rua_of(seen)
      if not rua or rua == '' then return false end
      for _, note in ipairs(seen.tlsrpt.notes) do
        if (note.code == 'tlsrpt-uri' or note.code == 'tlsrpt-uri-unusable') and not note.message:find '^"" ' then
          local uri = seen.tlsrpt.text:sub(note.column):match '^[^,;]*'
          say(place(note), { fix = fix_uri(note.message:find('byte', 1, true) and rua or uri) })
        end
      end
    end,
  },
  {
    id = 'rpt.many', severity = 'info', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'there is one place for reports',
    fix = 'Nothing must be mended; if one place must get all reports, name that one alone.',
    check = function(seen, say)
      local value = seen.tlsrpt.value
      if not value then return false end
      if #value.rua > 1 then say(('%d URIs: a sender must use only one of them'):format(#value.rua)) end
    end,
  },
  {
    id = 'rpt.mxdest', severity = 'warn', ref = 'RFC 8460 3', needs = 'rua',
    title = 'reports can be delivered',
    fix = 'Name a mailbox whose domain takes mail, or an https address that answers with a valid certificate.',
    check = function(seen, say)
      if #seen.rua == 0 then return false end
      for _, to in ipairs(seen.rua) do
        local subject = text.clean(to.uri)
        if to.kind == 'mailto' then
          if to.null_mx then
            say(('%s takes no mail (null MX)'):format(to.domain), { subject = subject })
          elseif to.error then
            say(('%s: %s'):format(to.domain, dns.trouble(to.error)), { subject = subject,
              severity = not dns.absent(to.error) and dns.severity(seen, to.error) == 'unknown' and 'unknown' or nil })
          end
        else
          local err = to.see.error or to.see.tls and to.see.tls.error
          if err and not addresses.no_way(err) then say(text.problem(err), { subject = subject }) end
        end
      end
    end,
  },
  {
    id = 'rpt.samefate', severity = 'info', ref = 'RFC 8460 5.3', needs = 'tlsrpt domain',
    title = 'reports go to another domain than the one they are about',
    fix = 'Let one rua name a mailbox of another domain, or https: reports on a broken mail server may get lost in it.',
    check = function(seen, say)
      local value = seen.tlsrpt.value
      if not value then return false end
      local own, other = nil, false
      for _, uri in ipairs(value.usable) do
        local domain = uri:lower():match '^mailto:.*@([^?]+)'
        if domain and domain:gsub('%.$', '') == seen.domain then own = own or uri else other = true end
      end
      if own and not other then say(quote(own) .. ' is in the domain itself') end
    end,
  },
  {
    id = 'rpt.ext', severity = 'info', ref = 'RFC 8460 3', needs = 'tlsrpt',
    title = 'there are only fields that senders know',
    fix = 'Remove the field; only v and rua mean something here.',
    check = function(seen, say)
      if not seen.tlsrpt.present then return false end
      local unknown = {}
      for _, field in ipairs(seen.tlsrpt.fields) do
        if field.name ~= 'rua' then unknown[#unknown + 1] = field.name end
      end
      if #unknown > 0 then say('fields that no sender knows: ' .. read.names(unknown)) end
      for _, note in ipairs(seen.tlsrpt.notes) do
        if note.code == 'tlsrpt-syntax' and note.column > 1 then
          say(place(note), { severity = 'error', fix = 'Correct or remove the field: senders ignore the record as it is.' })
        end
      end
    end,
  },
  {
    id = 'rpt.old', severity = 'warn', ref = 'RFC 8460 3', needs = 'tlsrpt_old',
    title = 'no record of an early draft is left',
    fix = 'Move the record to _smtp._tls.{domain} and delete the old one: nobody looks there any more.',
    check = function(seen, say)
      for _, stray in ipairs(dns.strays(seen.tlsrpt_old, '^%s*[vV]%s*=%s*[tT][lL][sS]')) do say(stray.shown) end
    end,
  },
  {
    id = 'rpt.nopolicy', severity = 'warn', ref = 'RFC 8461 5', needs = 'tlsrpt policy',
    title = 'mode testing has TLS reporting beside it',
    fix = 'Publish _smtp._tls.{domain}: without reports, testing tells nobody anything.',
    check = function(seen, say)
      if seen.policy.mode ~= 'testing' then return false end
      if not seen.tlsrpt.value and seen.tlsrpt_txt and not (seen.tlsrpt_txt.error and not dns.absent(seen.tlsrpt_txt.error)) then
        say 'mode testing, and no TLS reporting'
      end
    end,
  },
}
