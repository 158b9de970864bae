-- SPDX-License-Identifier: ISC
-- Where a domain wants its reports (RFC 8460 3): its URIs, as far as we follow them. Whoever owns a domain writes what he likes into them.
local core = require 'mtasts.core'

local uri = {}

local URI_MOST <const> = 1024
local LOCAL_PART_MOST <const> = 64

-- Not all that RFC 5322 allows: what some mail server takes for a program, a file, an option or another route is left out.
local SAFE_LOCAL_PART <const> = "^[%w_][%w_.+=~&'^#$*-]*$"

local function mail(rest)
  local address = rest:match '^[^?]*' -- RFC 6068: header fields behind "?" would be ours to write
  address = address:gsub('%%(%x%x)', function(digits) return string.char(tonumber(digits, 16)) end)
  local user, domain = address:match '^([^@]*)@([^@]*)$'
  if not user then return nil, 'it names no one address' end
  if #user > LOCAL_PART_MOST or not user:find(SAFE_LOCAL_PART) or user:find('..', 1, true) or user:find '%.$' then
    return nil, 'what stands before the @ is more than letters, digits and a few signs'
  end
  local name = core.parse_destination(domain)
  if not name or name.kind ~= 'domain' or name.port or not name.domain:find('.', 1, true) then
    return nil, 'what stands behind the @ is no domain'
  end
  return { kind = 'mail', address = user .. '@' .. name.domain }
end

local function https(rest)
  local authority, path = rest:match '^//([^/?#]*)([^#]*)'
  if not authority then return nil, 'it names no host' end
  local host, port = authority:match '^([^:@%[%]]+):?(%d*)$'
  local name = host and core.parse_destination(host)
  if not name or name.kind ~= 'domain' then return nil, 'its host is no name' end
  port = port ~= '' and math.tointeger(tonumber(port)) or nil
  -- Another service of somebody must not be made to hear of us.
  if port and port ~= 443 and (port < 1024 or port > 65535) then return nil, 'its port is neither 443 nor beyond 1023' end
  if path:sub(1, 1) ~= '/' then path = '/' .. path end
  return { kind = 'https', host = name.domain, port = port, path = path }
end

local kinds <const> = { mailto = mail, https = https }

-- { kind = 'mail', address } or { kind = 'https', host, port, path }; nil and why: it is not followed.
function uri.read(text)
  if #text > URI_MOST then return nil, 'it is too long' end
  if text:find '[^\33-\126]' then return nil, 'it is no URI' end
  local scheme, rest = text:match '^(%a+):(.*)$'
  local kind = scheme and kinds[scheme:lower()]
  if not kind then return nil, 'it is neither mailto: nor https:' end
  return kind(rest)
end

return uri
