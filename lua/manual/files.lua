-- SPDX-License-Identifier: ISC
-- All that is written of mtasts.api: [path in the source] = text. root: the source, for its examples.
local core = require 'mtasts.core'

return function(root)
  local function example(name)
    local file = assert(io.open(root .. '/examples/' .. name))
    local text = file:read 'a'
    file:close()
    return text
  end
  local files = {
    ['lua/mtasts-lua.3'] = require 'manual.lua_page'(core, example),
    ['lua/mtasts-errors.7'] = require 'manual.errors_page'(core),
  }
  for path, text in pairs(require 'manual.definitions'(core)) do files['lua/library/' .. path] = text end
  return files
end
