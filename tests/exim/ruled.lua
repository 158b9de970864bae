-- SPDX-License-Identifier: ISC
-- Rules for tests with a real Exim, which asks for them by name.
local mtasts = require 'mtasts'
local exim = require 'mtasts.exim'
require 'example' -- examples/exim.lua

mtasts.on('policy', function(answer)
  if answer.domain == 'excepted.test' then return mtasts.treat_as('none', 'their MX moved, their postmaster knows', '2100-01-31') end
end)

exim.provide('held', function(user, domain)
  return user == 'held' and domain == 'ruled.test' and 'yes' or 'no'
end)

exim.provide('refused', function(sender, recipient)
  if sender == 'refused@client.test' then return 'no mail for ' .. recipient .. ' from you' end
end)

exim.provide('later', function()
  return exim.defer 'not now'
end)

exim.provide('mode', function(domain)
  local answer = mtasts.lookup(domain)
  return answer and answer.mode
end)

exim.provide('fails', function()
  error 'oh dear'
end)

exim.provide('loops', function()
  while true do end
end)

exim.provide('crashes', function()
  os.execute('kill -SEGV ' .. io.open('/proc/self/stat'):read 'a':match '%d+')
end)

exim.provide('echo', function(...)
  return table.concat { ... }
end)
