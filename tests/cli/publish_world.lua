-- SPDX-License-Identifier: ISC
-- A told world that a test has written as JSON into the file TOLD; given as --rules.
local core = require 'mtasts.core'
local mtasts = require 'mtasts'

local file = assert(io.open(os.getenv 'TOLD', 'rb'))
local told = assert(core.json_decode(file:read 'a'))
file:close()
_G.world = mtasts.fake(told) -- a world that nobody holds is closed
mtasts.configure { store = 'none', log = 'none' }
