-- SPDX-License-Identifier: ISC
-- Functions for Exim's expansions: ${dlfunc{exim-mtasts.so}{mtasts_call}{NAME}{ARGUMENT}...}. In every other program they may be provided
-- and are never called.
local exim = {}

local provided = {}

function exim.provide(name, fn)
  if type(name) ~= 'string' or not name:find '^[%a_][%w_.-]*$' then
    error("bad argument #1 to 'provide' (a name of letters, digits, _ . - expected)", 2)
  end
  if type(fn) ~= 'function' then error(("bad argument #2 to 'provide' (function expected, got %s)"):format(type(fn)), 2) end
  if provided[name] then error(("'%s' is provided already"):format(name), 2) end
  provided[name] = fn
end

local Deferral = { __name = 'mtasts.deferral', __metatable = false }
local deferrals = setmetatable({}, { __mode = 'k' }) -- deferral -> text

function exim.defer(text)
  if type(text) ~= 'string' or not text:find '%S' then
    error("bad argument #1 to 'defer' (a text expected: it will stand in Exim's log)", 2)
  end
  local deferral = setmetatable({}, Deferral)
  deferrals[deferral] = text
  return deferral
end

local LONGEST <const> = 65536 -- bytes

local function worded(name, result, why)
  local kind = type(result)
  if result == nil then
    if why ~= nil then return false, tostring(why) end
    return true, ''
  elseif deferrals[result] then
    return false, deferrals[result]
  elseif kind == 'string' or kind == 'number' or kind == 'boolean' then
    local text = tostring(result)
    if #text > LONGEST then error(("'%s' returned %d bytes, more than %d"):format(name, #text, LONGEST), 0) end
    if text:find '\0' then error(("'%s' returned a text with a NUL"):format(name), 0) end
    return true, text
  end
  error(("'%s' returned a %s, not a string, number, boolean, nil or what exim.defer returns"):format(name, kind), 0)
end

-- For exim-mtasts.so: whether the expansion succeeds, and the text.
function exim._call(name, ...)
  local fn = provided[name]
  if not fn then
    local names = {}
    for known in pairs(provided) do names[#names + 1] = known end
    table.sort(names)
    local near = require('mtasts.core').nearest(name, names)
    return false, ("the rules provide no '%s'%s"):format(name, near and ("; did you mean '" .. near .. "'?") or '')
  end
  return worded(name, fn(...))
end

return exim
