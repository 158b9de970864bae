-- SPDX-License-Identifier: ISC
-- Writes what is new in the Lua API into the table of its present level: mtasts run tests/lua/write_level.lua
local root = arg[0]:match '^(.*)/tests/lua/[^/]*$' or '.'
package.path = package.path .. ';' .. root .. '/tests/lua/?.lua'
local api = require 'mtasts.api'
local core = require 'mtasts.core'
local level = require 'api_level'

local now = level.of(api, core.errors(), core.settings())
local stored = level.stored(root)[core.api] or { given_up = {}, api = {} }
local broken = level.broken(stored.api, now)
if #broken > 0 then
  for _, found in ipairs(broken) do io.stderr:write(found[1], ' ', found[2], '\n') end
  io.stderr:write(('Level %d promises otherwise, and is left as it is. Was it never released? Then remove %s first. Else raise MTS_API in '
    .. 'core/mtasts.h.\n'):format(core.api, level.path('.', core.api):sub(3)))
  os.exit(1, true)
end
local file = assert(io.open(level.path(root, core.api), 'w'))
assert(file:write(level.text(core.api, stored.given_up, now)))
assert(file:close())
