-- SPDX-License-Identifier: ISC
-- A configuration that is printed: lines, and comments that fit a terminal.
local text = require 'mtasts.text'

local WIDTH <const> = 79

local Page = {}
Page.__index = Page

function Page.new() return setmetatable({}, Page) end
function Page:line(line) self[#self + 1] = line or '' end
function Page:lines(several) for line in several:gmatch '[^\n]*' do self:line(line) end end
function Page:note(words) self:line((text.wrap('# ' .. text.clean(words), '# ', WIDTH))) end
function Page:item(words) self:line((text.wrap('# - ' .. text.clean(words), '#   ', WIDTH))) end
-- A line of the configuration; one too long goes on in the next.
function Page:rule(first, second)
  local whole = second and first .. ' ' .. second or first
  self:line(#whole <= WIDTH and whole or first .. ' \\\n  ' .. second)
end
function Page:text() return table.concat(self, '\n') .. '\n' end

return Page
