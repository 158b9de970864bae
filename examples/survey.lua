-- SPDX-License-Identifier: ISC
-- What happens to mail for these domains, all looked up at the same time:
-- mtasts run survey.lua DOMAIN...
local mtasts = require 'mtasts'

local domains = { ... }
for i, result in ipairs(mtasts.all(domains)) do
  local answer, err = result[1], result[2]
  if answer then
    print(domains[i], answer.action, answer.mode or 'no policy')
  else
    print(domains[i], err.code, err.message)
  end
end
