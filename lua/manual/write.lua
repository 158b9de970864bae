-- SPDX-License-Identifier: ISC
-- Writes the manual pages and definitions for editors that are made of lua/mtasts/api*.lua: mtasts run lua/manual/write.lua
local root = arg[0]:match '^(.*)/lua/manual/[^/]*$' or '.'
package.path = package.path .. ';' .. root .. '/lua/?.lua'

for path, text in pairs(require 'manual.files'(root)) do
  local file = assert(io.open(root .. '/' .. path, 'w'))
  assert(file:write(text))
  assert(file:close())
end
