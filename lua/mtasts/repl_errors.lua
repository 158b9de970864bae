-- SPDX-License-Identifier: ISC
-- Errors of what was typed, without what lies below it: the program's own frames tell a user nothing.
local core = require 'mtasts.core'
local show = require 'mtasts.repl_print'
local text = require 'mtasts.text'

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

-- What a beginner may have meant, or nil. why: of an error; nil: there was none.
function errors.hint(piece, why)
  local functions = require('mtasts.api').functions
  if piece:find '^%s*[eq][xu]it%s*%(?%)?%s*$' then return ':quit leaves; so does Ctrl-D' end
  if not why then return nil end
  local word, rest = piece:match '^%s*([%l_]+)%s+([%w.@:%[%]-]+)%s*$'
  if functions[word or ''] then return ("try: mtasts.%s '%s'"):format(word, text.clean(rest)) end
  word, rest = piece:match '^%s*mtasts[%s.]+([%l_]+)%s+([%w.@:%[%]-]+)%s*$'
  if functions[word or ''] then return ("try: mtasts.%s '%s'"):format(word, text.clean(rest)) end
  word = why:match "call a nil value %(global '([%w_]+)'%)"
  if functions[word or ''] then return ("did you mean mtasts.%s?"):format(word) end
  word = why:match "call a nil value %(field '([%w_]+)'%)"
  local names = {}
  for name in pairs(functions) do names[#names + 1] = name end
  local near = word and piece:find('mtasts.' .. word, 1, true) and core.nearest(word, names)
  return near and ("did you mean mtasts.%s?"):format(near) or nil
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
