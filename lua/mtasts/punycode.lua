-- SPDX-License-Identifier: ISC
-- A-labels as they are read by people (RFC 3492). For showing alone: names are compared as A-labels.
local core = require 'mtasts.core'

local punycode = {}

local BASE <const>, T_MIN <const>, T_MAX <const>, SKEW <const>, DAMP <const> = 36, 1, 26, 38, 700

local function adapt(delta, count, first)
  delta = first and delta // DAMP or delta // 2
  delta = delta + delta // count
  local k = 0
  while delta > (BASE - T_MIN) * T_MAX // 2 do
    delta, k = delta // (BASE - T_MIN), k + BASE
  end
  return k + (BASE - T_MIN + 1) * delta // (delta + SKEW)
end

local function digit_of(byte)
  if byte and byte >= 0x61 and byte <= 0x7a then return byte - 0x61 end
  return byte and byte >= 0x30 and byte <= 0x39 and byte - 0x30 + 26 or nil
end

-- What is behind xn--, or nil.
local function decode(text)
  local plain, rest = text:match '^(.*)%-(.-)$'
  if not plain then plain, rest = '', text end
  local letters = { plain:byte(1, -1) }
  local n, i, bias, at = 128, 0, 72, 1
  while at <= #rest do
    local old, weight, k = i, 1, BASE
    while true do
      local digit = digit_of(rest:byte(at))
      if not digit then return nil end
      at, i = at + 1, i + digit * weight
      local t = math.max(T_MIN, math.min(T_MAX, k - bias))
      if digit < t then break end
      weight, k = weight * (BASE - t), k + BASE
    end
    local count = #letters + 1
    bias, n, i = adapt(i - old, count, old == 0), n + i // count, i % count
    if n > 0x10ffff then return nil end
    table.insert(letters, i + 1, n)
    i = i + 1
  end
  return utf8.char(table.unpack(letters))
end

-- A name with U-labels; nil where it has none, or where they do not lead back to the same name.
function punycode.shown(name)
  local labels, found = {}, false
  for label in name:gmatch '[^.]+' do
    local unicode = label:match '^xn%-%-(.+)$'
    unicode = unicode and decode(unicode)
    found = found or unicode ~= nil
    labels[#labels + 1] = unicode or label
  end
  local shown = table.concat(labels, '.')
  return found and core.normalise(shown) == name and shown or nil
end

return punycode
