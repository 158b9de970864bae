-- SPDX-License-Identifier: ISC
-- A store for one test, in a folder that nobody else can write.
local private = {}

function private.store()
  local pipe = assert(io.popen 'mktemp -d')
  local folder = assert(pipe:read 'l')
  pipe:close()
  return folder .. '/mtasts.db'
end

function private.remove(store)
  for _, suffix in ipairs { '', '-wal', '-shm' } do os.remove(store .. suffix) end
  assert(os.remove((store:gsub('/[^/]*$', ''))))
end

return private
