-- SPDX-License-Identifier: ISC
-- Our other programs: where they lie, and how a shell is told of them.
local place = require 'mtasts.place'

local programs = { built = place.built, own = place.folder .. '/mtasts' }

-- A folder of what is ours: beside this program as built, else where it is installed.
local function folder(installed)
  if place.built then return place.folder end
  if installed:sub(1, 1) == '/' then return installed end
  local path, count = place.folder .. '/' .. installed
  repeat path, count = path:gsub('/[^/]+/%.%.', '', 1) until count == 0
  return path
end

-- The folder of those that OpenSMTPD starts.
function programs.opensmtpd() return folder(place.opensmtpd) end

-- The folder of the module that Exim loads.
function programs.exim() return folder(place.exim) end

-- The folder of the server.
function programs.serve() return folder(place.serve) end

-- Becomes another program of ours; returns why it cannot.
programs.exec = place.exec

-- A word for a shell.
function programs.quoted(word)
  if word ~= '' and not word:find '[^%w/._+@=,-]' then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

return programs
