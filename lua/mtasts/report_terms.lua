-- SPDX-License-Identifier: ISC
-- What writing and sending reports have in common: their options, days and domains.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local text = require 'mtasts.text'

local terms = {}

function terms.options(command)
  command:option('--day', 'The day in UTC.'):argname 'YYYY-MM-DD'
  command:option('--domain', 'Of this domain alone; may be repeated.'):argname 'DOMAIN':count '*'
  command:option('--organization', 'Who sends the report.'):argname 'NAME'
  command:option('--contact', 'Address for questions.'):argname 'ADDRESS'
end

function terms.today() return core.now() // 86400 end

-- The day that is asked for, or nil.
function terms.day(args, cli)
  if not args.day then return nil end
  return dates.read(args.day) or cli.refuse('--day %s: wants YYYY-MM-DD', args.day)
end

-- organization and contact; what has no place in a report is refused before anything is done.
function terms.who(args, cli)
  local settings = core.settings()
  local who = { organization = args.organization or settings.report_organization.value,
    contact = args.contact or settings.report_contact.value }
  if who.organization == '' then cli.refuse 'who sends reports? Give --organization NAME, or the setting report_organization' end
  if who.contact == '' then cli.refuse 'whom to ask about reports? Give --contact ADDRESS, or the setting report_contact' end
  local name = core.report_name { organization = who.organization, contact = who.contact, domain = 'a.example', day = 0 }
  if not name then
    cli.refuse("an organization has 1 to 200 bytes without control characters, a contact is LOCAL@DOMAIN; these are '%s' and '%s'",
      who.organization, who.contact)
  end
  return who
end

function terms.of(who, domain, day)
  return { organization = who.organization, contact = who.contact, domain = domain, day = day }
end

-- The domains that are named, normalised; nil: all.
function terms.named(args, cli)
  if #args.domain == 0 then return nil end
  local list, seen = {}, {}
  for _, domain in ipairs(args.domain) do
    local destination, err = core.parse_destination(domain)
    if not destination or not destination.domain then
      cli.refuse('%s: %s', domain, err and err.message or 'an address has no reports')
    end
    if not seen[destination.domain] then list[#list + 1] = destination.domain end
    seen[destination.domain] = true
  end
  return list
end

-- Those of the day that were counted, and of them the named ones alone; or nil and an error.
function terms.domains(day, named)
  local all, err = core.report_domains(day)
  if not all or not named then return all, err end
  local counted, list = {}, {}
  for _, domain in ipairs(all) do counted[domain] = true end
  for _, domain in ipairs(named) do
    if counted[domain] then list[#list + 1] = domain end
  end
  return list
end

function terms.failed(what, err, cli)
  io.stderr:write('mtasts: report ', what, ': ', text.problem(err), '\n')
  return err.code == 'store-none' and cli.exit.none or cli.exit.errors
end

return terms
