-- SPDX-License-Identifier: ISC
-- Checks of the TXT record _mta-sts: what it says, and what is said beside it.
local read = require 'mtasts.check_read'
local dns = require 'mtasts.check_dns'
local text = require 'mtasts.text'

local quote = read.quote
local DAY <const> = 86400

-- Where the parser's note on a field points: at the id, or at another.
local function is_of_id(record, note)
  return record:sub(note.column):find '^[iI][dD][ \t=]' ~= nil or note.code == 'record-id'
end

-- The notes on the record's fields; that on the version is told elsewhere.
local function field_notes(seen)
  local notes = {}
  for _, note in ipairs(seen.record.notes) do
    if note.column > 1 and note.code ~= 'record-repeated-field' then notes[#notes + 1] = note end
  end
  return notes
end

local function alike(a, b)
  if a.mode ~= b.mode or a.max_age ~= b.max_age or #a.mx ~= #b.patterns then return false end
  local has = {}
  for _, mx in ipairs(a.mx) do has[mx] = true end
  for _, mx in ipairs(b.patterns) do
    if not has[mx] then return false end
  end
  return true
end

return {
  {
    id = 'txt.id', severity = 'error', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'the record has an id of 1 to 32 letters and digits',
    fix = 'Write an id of 1 to 32 letters and digits, such as the date and time of the last change: "id=20260102T0304;".',
    check = function(seen, say)
      if not seen.record.present then return false end
      for _, note in ipairs(field_notes(seen)) do
        if is_of_id(seen.record.text, note) then say(('column %d: %s'):format(note.column, note.message)) end
      end
    end,
  },
  {
    id = 'txt.dupid', severity = 'warn', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'the id stands once',
    fix = 'Remove the second id: only the first one counts.',
    check = function(seen, say)
      if not seen.record.present then return false end
      for _, note in ipairs(seen.record.notes) do
        if note.code == 'record-repeated-field' then say(('column %d: %s'):format(note.column, note.message)) end
      end
    end,
  },
  {
    id = 'txt.ext', severity = 'error', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'other fields are well formed',
    fix = 'Remove the field: senders ignore a record with a field that is malformed.',
    check = function(seen, say)
      if not seen.record.present then return false end
      for _, note in ipairs(field_notes(seen)) do
        if not is_of_id(seen.record.text, note) then say(('column %d: %s'):format(note.column, note.message)) end
      end
      local unknown = {}
      for _, field in ipairs(seen.record.fields) do
        if field.name:lower() ~= 'id' then unknown[#unknown + 1] = field.name end
      end
      if #unknown > 0 then
        say('fields that no sender knows: ' .. read.names(unknown),
          { severity = 'info', fix = 'Remove them unless you know who reads them.' })
      end
    end,
  },
  {
    id = 'txt.ascii', severity = 'error', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'the record is US-ASCII, whatever its strings',
    fix = 'Write the record anew by hand, in plain letters: what was pasted has other characters, or strings that do not fit together.',
    check = function(seen, say)
      local record = seen.record
      if not record.present then return false end
      local at = record.text:find '[^\t\x20-\x7e]'
      if at then
        say(('column %d: byte 0x%02x is not allowed'):format(at, record.text:byte(at)))
      elseif not record.value and seen.txt then
        for _, each in ipairs(seen.txt.records) do
          if each.text == record.text and (each.strings or 1) > 1 then
            say(('%d strings, which senders join without a blank: %s'):format(each.strings, quote(each.text)))
          end
        end
      end
    end,
  },
  {
    id = 'txt.location', severity = 'warn', ref = 'RFC 8461 3.1', needs = 'places',
    title = 'the record stands at _mta-sts, and nowhere else',
    fix = 'Move it to _mta-sts.{domain}: nobody looks for it elsewhere.',
    check = function(seen, say)
      for _, stray in ipairs(dns.strays(seen.places, '^%s*[vV]%s*=%s*[sS][tT][sS]')) do say(stray.shown) end
    end,
  },
  {
    id = 'txt.old', severity = 'warn', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'no record of an early draft is left',
    fix = 'Delete what the drafts asked for (v=STS1, _smtp_sts); RFC 8461 wants "v=STSv1;" at _mta-sts.{domain}.',
    check = function(seen, say)
      for _, record in ipairs(seen.record.near) do
        if record:find '^%s*[vV]%s*=%s*[sS][tT][sS]1' then say(quote(record)) end
      end
      for _, stray in ipairs(dns.strays(seen.old_places or {}, '^%s*[vV]%s*=%s*[sS][tT][sS]')) do say(stray.shown) end
    end,
  },
  {
    id = 'txt.ttl', severity = 'info', ref = 'RFC 8461 8.1', needs = 'txt',
    title = 'the TTL lets a change be seen within a day',
    fix = 'Lower the TTL of _mta-sts.{domain} to an hour or so: senders learn of a new policy no sooner.',
    check = function(seen, say)
      if not seen.txt.ttl or seen.txt.error then return false end
      if seen.txt.ttl > DAY then say('the TTL is ' .. text.span(seen.txt.ttl)) end
    end,
  },
  {
    id = 'txt.idfresh', severity = 'warn', ref = 'RFC 8461 3.3', needs = 'record', looks = 'stored',
    title = 'the id changes with the policy',
    fix = 'Publish a new id now: senders that have cached the policy fetch it again only when the id differs.',
    check = function(seen, say)
      local id, known, stored = seen.record.value and seen.record.value.id, seen.options.known_id, seen.stored
      if not id or not (known or stored and stored.mode and seen.policy) then return false end
      if known and known == id then say('the id is still ' .. id) end
      if stored and stored.mode and seen.policy and stored.id == id and not alike(seen.policy, stored) then
        say(('the policy differs from the one that this machine has stored, but the id is still %s'):format(id))
      end
    end,
  },
  {
    id = 'txt.dnssec', severity = 'info', ref = 'RFC 8461 10.2', needs = 'txt',
    title = 'DNSSEC secures the record',
    fix = 'Sign the zone with DNSSEC, so that nobody on the way can hide the record from senders that see it first.',
    check = function(seen, say) return dns.check_secured(seen.txt, say, 'the record') end,
  },
}
