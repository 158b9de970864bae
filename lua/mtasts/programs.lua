-- SPDX-License-Identifier: ISC
-- Our other programs: where they lie, and how a shell is told of them.
local place = require 'mtasts.place'

local programs = { built = place.built }

-- The folder of those that OpenSMTPD starts: beside this one as built, else where they are installed.
function programs.opensmtpd()
  if place.built then return place.folder end
  if place.opensmtpd:sub(1, 1) == '/' then return place.opensmtpd end
  local path, count = place.folder .. '/' .. place.opensmtpd
  repeat path, count = path:gsub('/[^/]+/%.%.', '', 1) until count == 0
  return path
end

-- A word for a shell.
function programs.quoted(word)
  if word ~= '' and not word:find '[^%w/._+@=,-]' then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

return programs
