-- SPDX-License-Identifier: ISC
-- The specs once more, with a collector that never rests: mtasts run tests/lua/collecting.lua MODE N SPEC... N: instructions between two
-- whole collections, which come beside what the mode does with each allocation. What C keeps without an anchor is found by that.
local mode, every = table.remove(arg, 1), math.tointeger(table.remove(arg, 1))
if mode == 'generational' then collectgarbage(mode, 1, 1) else collectgarbage(mode, 1, 1000, 1) end
debug.sethook(function() collectgarbage() end, '', every) -- coroutines inherit it
package.path = package.path .. ';/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua'
require 'busted.runner' { standalone = false }
