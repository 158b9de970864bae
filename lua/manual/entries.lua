-- SPDX-License-Identifier: ISC
-- What the writers ask of the table mtasts.api: its entries in order, and parameters as a function has them.
local entries = {}

-- Of functions, methods or hooks, in the order in which they were told.
function entries.sorted(list)
  local sorted = {}
  for _, entry in pairs(list) do sorted[#sorted + 1] = entry end
  table.sort(sorted, function(a, b) return a.place < b.place end)
  return sorted
end

function entries.names(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The parameters: {name, type, meaning, optional, ...}; a table with fields has them in fields, {name = argument}.
function entries.parameters(entry)
  local parameters, tables = {}, {}
  for _, arg in ipairs(entry.args) do
    local whole, field = arg[1]:match '^(.-)%.(.+)$'
    if not field then
      parameters[#parameters + 1] = arg
    else
      if not tables[whole] then
        local optional = entry.signature:find('[, ' .. whole .. ']', 1, true) ~= nil
        tables[whole] = { whole, 'table', '', optional = optional, fields = {}, order = {} }
        parameters[#parameters + 1] = tables[whole]
      end
      tables[whole].fields[field] = arg
      table.insert(tables[whole].order, field)
    end
  end
  return parameters
end

-- "string or integer, Unix seconds" -> { "string", "integer" }
function entries.alternatives(type_words)
  local alternatives = {}
  for word in (type_words:match '^[^,]+' .. ' or '):gmatch '(.-) or ' do alternatives[#alternatives + 1] = word end
  return alternatives
end

return entries
