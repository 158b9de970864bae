-- SPDX-License-Identifier: ISC
-- Errors of what was typed, without what lies below it: the program's own frames tell a user nothing.
local core = require 'mtasts.core'
local show = require 'mtasts.repl_print'

local errors = {}

local WIDTH <const> = 80

-- The frames between an error and the chunk, innermost first; none when the message says it all.
local function frames(chunk)
  local lines, level = {}, 4 -- behind this function, the handler and what guards calls it
  while #lines < 12 do
    local info = debug.getinfo(level, 'Slnf')
    if not info or info.func == chunk or info.func == core.guarded then break end
    -- error and assert themselves tell nothing.
    if info.func ~= error and info.func ~= assert then
      local name = info.name and "'" .. info.name .. "'" or 'a function'
      lines[#lines + 1] = ('  in %s (%s)'):format(name, info.currentline > 0 and info.short_src .. ':' .. info.currentline or 'C')
    end
    level = level + 1
  end
  return #lines > 1 and lines or {}
end

-- A message handler for core.guarded: an error of this chunk in lines for people.
function errors.handler(chunk)
  return function(problem)
    if show.is_error(problem) then return show.problem(problem) end
    local words = problem
    if type(problem) ~= 'string' then
      local meta = debug.getmetatable(problem)
      local named = type(meta) == 'table' and rawget(meta, '__tostring')
      words = named and tostring(problem) or 'an error that is no text: ' .. show.fields(problem, WIDTH)
    end
    return table.concat({ tostring(words), table.unpack(frames(chunk)) }, '\n')
  end
end

-- A traceback of Lua's without our own end of it.
function errors.trim(trace)
  local lines = {}
  for line in trace:gmatch '[^\n]+' do
    if line:find "in function 'xpcall'$" or line:find 'core%.guarded' then break end
    if not line:find '%[C%]: in %?$' and not line:find "%[C%]: in function 'error'$" then lines[#lines + 1] = line end
  end
  -- One frame is that of the message itself.
  if #lines <= 3 and lines[2] == 'stack traceback:' then return lines[1] end
  return table.concat(lines, '\n')
end

return errors
