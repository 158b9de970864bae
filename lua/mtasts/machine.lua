-- SPDX-License-Identifier: ISC
-- What this machine has: files, users, and where settings put the store.
local programs = require 'mtasts.programs'

local machine = { store = '/var/lib/mtasts/mtasts.db', settings = '/etc/mtasts/mtasts.conf' }

local READ_MAX <const> = 1 << 24

function machine.content_of(path)
  local file = io.open(path, 'rb')
  local content = file and file:read(READ_MAX)
  if file then file:close() end
  return content
end

function machine.is_there(path)
  local file = io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

function machine.folder_of(path) return path:match '^(.*)/[^/]*$' end

-- The user who owns it; nil: it is not there, or cannot be seen.
function machine.owner_of(path)
  local pipe = io.popen('exec stat -L -c %U -- ' .. programs.quoted(path) .. ' 2>/dev/null')
  local owner = pipe:read 'l'
  pipe:close()
  return owner
end

-- The first of these users that exists; if none does, the first, and false.
function machine.user_among(names)
  local passwd = '\n' .. (machine.content_of '/etc/passwd' or '')
  for _, name in ipairs(names) do
    if passwd:find('\n' .. name .. ':', 1, true) then return name, true end
  end
  return names[1], false
end

-- The value that a file of settings gives this one, or nil.
function machine.value_in(settings, name)
  return ('\n' .. (machine.content_of(settings) or '')):match('.*\n[ \t]*' .. name .. '[ \t]*=[ \t]*([^\n]-)[ \t\r]*%f[\n\0]')
end

-- What it says of the store.
function machine.store_in(settings)
  local store = machine.value_in(settings, 'store')
  return store and store:sub(1, 1) == '/' and store or nil
end

return machine
