-- SPDX-License-Identifier: ISC
-- Lines of a manual page in mdoc(7): what stands in a text or an argument shows as it is.
local WIDTH <const> = 79

local Page = {}
Page.__index = Page

function Page.new(name, section, what)
  local page = setmetatable({}, Page)
  page:raw '.\\" SPDX-License-Identifier: ISC'
  page:raw '.\\" Written by lua/manual/write.lua; change lua/mtasts/api*.lua or lua/manual/ instead.'
  page:raw '.Dd November 28, 2026'
  page:raw('.Dt ' .. name:upper() .. ' ' .. section)
  page:raw '.Os'
  page:section 'NAME'
  page:raw('.Nm ' .. name)
  page:raw('.Nd ' .. what)
  return page
end

local signs = { ['\\'] = '\\e', ['…'] = '...', ['—'] = '\\(em' }

local function escaped(words)
  words = words:gsub('\\', signs):gsub('…', signs):gsub('—', signs)
  local odd = words:match '[\128-\255]+'
  if odd then error(('a manual page has no "%s": %s'):format(odd, words)) end
  return words
end

function Page:raw(line) self[#self + 1] = line end
function Page:section(title) self:raw('.Sh ' .. title) end
function Page:part(title) self:raw('.Ss ' .. title) end
function Page:paragraph() self:raw '.Pp' end

-- A line of text; at its beginning these two would make a macro of it.
local function line_of(words) return (words:gsub('^[.\']', '\\&%0')) end

-- Each sentence begins a line of its own: then mdoc knows where it ends.
function Page:text(words)
  words = escaped(words)
  words = words:gsub('(%f[%w]%l+)%-(%f[%l*])', '%1\\-%2') -- a code is not divided
  local sentences = words:gsub('([%l%d%)"\']%.) +(%u)', '%1\n%2')
  for sentence in sentences:gmatch '[^\n]+' do
    local line = ''
    for word in sentence:gmatch '%S+' do
      if line ~= '' and #line + 1 + #word > WIDTH then
        self:raw(line_of(line))
        line = ''
      end
      line = line == '' and word or line .. ' ' .. word
    end
    self:raw(line_of(line))
  end
end

-- One argument of a macro.
function Page.argument(words) return '"' .. escaped(words):gsub('"', '\\(dq') .. '"' end

-- A reference: page:see('mtasts', 1, ',')
function Page:see(name, section, behind) self:raw(('.Xr %s %d%s'):format(name, section, behind and ' ' .. behind or '')) end

function Page:code(text)
  self:raw '.Bd -literal -offset indent'
  for line in text:gmatch '([^\n]*)\n' do
    -- Quotes shall stay what they are, for who copies them.
    line = escaped(line):gsub("'", '\\(aq'):gsub('`', '\\(ga'):gsub('%-', '\\-')
    self:raw(line_of(line))
  end
  self:raw '.Ed'
end

function Page:list(width) self:raw('.Bl -tag -width ' .. (width or 'Ds')) end
function Page:compact_list(width) self:raw('.Bl -tag -compact -width ' .. width) end
function Page:ends() self:raw '.El' end

function Page:source() return table.concat(self, '\n') .. '\n' end

return Page
