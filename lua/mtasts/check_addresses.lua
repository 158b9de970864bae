-- SPDX-License-Identifier: ISC
-- Addresses: which are not for the public, and whether a failure to connect is ours.
local addresses = {}

function addresses.is_six(address) return address:find(':', 1, true) ~= nil end

-- In words what an address is that is not public; nil: it is public. Networks for documentation count as public.
function addresses.private(address)
  local a, b = address:match '^(%d+)%.(%d+)%.%d+%.%d+$'
  if not a then
    local mapped = address:lower():match '^::ffff:(%d+%.%d+%.%d+%.%d+)$'
    if mapped then return addresses.private(mapped) end
    local six = address:lower()
    if six == '::1' then return 'a loopback address' end
    if six == '::' then return 'the unspecified address' end
    if six:find '^fe[89ab]%x:' then return 'a link-local address' end
    if six:find '^f[cd]%x%x:' then return 'a private address' end
    return nil
  end
  a, b = tonumber(a), tonumber(b)
  if a == 127 then return 'a loopback address' end
  if a == 0 then return 'the unspecified address' end
  if a == 10 or a == 172 and b >= 16 and b <= 31 or a == 192 and b == 168 then return 'a private address' end
  if a == 100 and b >= 64 and b <= 127 then return 'an address of a provider-wide NAT' end
  if a == 169 and b == 254 then return 'a link-local address' end
  if a >= 224 then return 'no address of a host' end
end

local never = { ['https-connect'] = true, ['https-forbidden'] = true, ['smtp-connect'] = true, ['cancelled'] = true }

-- An observation that never got a connection.
function addresses.unconnected(see)
  local err = see.error
  if not err then return false end
  return never[err.code] == true or (err.code == 'https-deadline' or err.code == 'smtp-timeout') and see.connect_ms == nil
end

-- A failure that never left this machine, or its network.
function addresses.no_way(err)
  local words = ((err and err.detail) or ''):lower()
  return words:find('unreachable', 1, true) ~= nil or words:find('no route', 1, true) ~= nil or words:find('permission', 1, true) ~= nil
    or words:find('not permitted', 1, true) ~= nil or words:find('cannot assign', 1, true) ~= nil
    or words:find('family not supported', 1, true) ~= nil
end

-- Whether this machine has no IPv6: nothing came through, and once it was clear that there is no way.
function addresses.no_six(seen)
  local told = false
  local function went(address, see)
    if not addresses.is_six(address) then return false end
    told = told or addresses.unconnected(see) and addresses.no_way(see.error)
    return not addresses.unconnected(see)
  end
  for _, get in ipairs(seen.gets or {}) do
    if went(get.address, get.see) then return false end
  end
  for _, try in ipairs(seen.tries or {}) do
    if went(try.address, try.see) then return false end
  end
  return told
end

-- Nobody is there, or somebody on the way holds the connection and says nothing.
local function is_silent(see)
  return addresses.unconnected(see) or see.error ~= nil and see.error.code == 'smtp-timeout' and not see.banner_code
end

-- Whether nothing of ours gets through to port 25: to no host, and none refused by itself.
function addresses.is_blocked(hosts)
  local count, refused_here = 0, 0
  for _, host in ipairs(hosts) do
    for _, try in ipairs(host.tries or {}) do
      local see = try.see
      if not is_silent(see) then return false end
      count = count + 1
      if ((see.error.detail or '') .. see.error.message):lower():find('refused', 1, true) then
        -- What comes back at once from far away was refused on this side; one alone may be near.
        if (see.ms or 0) > 2 or addresses.private(try.address) then return false end
        refused_here = refused_here + 1
      end
    end
  end
  return count > 0 and not (count == 1 and refused_here == 1)
end

return addresses
