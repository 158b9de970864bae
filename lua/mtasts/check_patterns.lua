-- SPDX-License-Identifier: ISC
-- The mx of a policy, as written: what is wrong with one, and which are not one's own.
local core = require 'mtasts.core'

local patterns = {}

-- What a line of mx has, for a note of the parser.
function patterns.value(seen, note)
  return (seen.lines[note.line] or ''):match '^[^:]*:[ \t]*(.-)[ \t]*$' or ''
end

-- All of them, each once, in lower case.
function patterns.values(seen)
  local list, had = {}, {}
  for _, field in ipairs(seen.fields) do
    local value = field.value:lower()
    if field.name == 'mx' and not had[value] then
      had[value] = true
      list[#list + 1] = value
    end
  end
  return list
end

function patterns.address(value)
  local inner = value:match '^%[?(.-)%]?$':gsub('^[iI][pP][vV]6:', '')
  return inner:find '^%d+%.%d+%.%d+%.%d+$' ~= nil or inner:find '^[%x:.]*$' ~= nil and inner:find ':.*:' ~= nil
end

-- The first that fits is said.
local slips = {
  { '^%.$', 'Name the MX hosts; a domain without mail needs mode none, or no policy.' },
  { '^%*%.?$', 'Name the hosts, or write "*." and your domain.' },
  { '://', 'Write the host name alone, without "https://" or the like.' },
  { '[Pp]riority', 'Write the host name alone; the priority belongs into the MX record.' },
  { '^%d+%s+%S', 'Write the host name alone; the preference belongs into the MX record.' },
  { '[,;]', 'Write a line "mx: HOST" for each host.' },
  { '%S%s+%S', 'Write a line "mx: HOST" for each host, and nothing behind the name.' },
  { '["\'<>%[%]{}]', 'Remove quotation marks and brackets around the name.' },
  { '@', 'Write the name of the mail host, not a mail address.' },
  { ':%d+$', 'Remove the port.' },
  { '_', 'Write the name of the MX host: host names have no underscore.' },
  { '^%.', 'Write "*" before the dot: that is how a wildcard looks since the drafts.' },
  { '%.$', 'Remove the dot at the end.' },
  { '^.+%*', 'A star may only be the whole first label: "*.a.example".' },
  { '^%*[^.]', 'A star may only be the whole first label: "*.a.example".' },
  { '\\', 'Remove the backslash; it is left over from a rich text document.' },
}

function patterns.fix(value)
  if value:find '[\x80-\xff]' then
    local star, rest = value:match '^(%*?%.?)(.*)$'
    local ascii = core.normalise(rest)
    if ascii then return ('Write the A-labels that DNS has: "%s".'):format(star .. ascii) end
  end
  for _, slip in ipairs(slips) do
    if value:find(slip[1]) then return slip[2] end
  end
end

local shared = {}
for name in ([[mail.protection.outlook.com protection.outlook.com outlook.com mx.microsoft google.com googlemail.com l.google.com
  aspmx.l.google.com amazonaws.com pphosted.com mimecast.com messagelabs.com barracudanetworks.com iphmx.com secureserver.net mailgun.org
  sendgrid.net mx.cloudflare.net zoho.com zoho.eu ovh.net kasserver.com emailsrvr.com hornetsecurity.com antispamcloud.com
  spamexperts.com mailspamprotection.com azure.com windows.net]]):gmatch '%S+' do shared[name] = true end

function patterns.is_wide(pattern)
  local rest = pattern:match '^%*%.(.-)%.?$'
  if not rest or rest == '' then return false end
  -- *.com, *.co.uk
  return shared[rest] or not rest:find('.', 1, true) or rest:find '^co%.%a%a$' ~= nil or rest:find '^com%.%a%a$' ~= nil
    or rest:match '%.(mail%.protection%.outlook%.com)$' ~= nil
end

local examples = { '^example%.%a+$', '%.example%.com$', '%.example%.net$', '%.example%.org$', 'your.?domain', 'my.?domain', 'your.?server',
  'domain%.tld', '%.tld$', '%.domain%.com$', 'domain%.example$', 'change.?me', 'placeholder' }

function patterns.is_placeholder(pattern, domain)
  local name = pattern:gsub('^%*%.', ''):match '^[^%s#]*':gsub('%.$', '')
  -- Whoever really has such a domain may name its hosts.
  if domain and (name == domain or name:sub(-#domain - 1) == '.' .. domain) then return false end
  for _, example in ipairs(examples) do
    if name:find(example) then return true end
  end
  return false
end

return patterns
