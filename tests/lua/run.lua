-- SPDX-License-Identifier: ISC
-- busted in our own host: mtasts run tests/lua/run.lua SPEC...
package.path = package.path .. ';/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua'
require 'busted.runner' { standalone = false }
