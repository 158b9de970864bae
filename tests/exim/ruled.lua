-- SPDX-License-Identifier: ISC
-- Rules for tests with a real Exim, which asks for them by name.

function held(user, domain)
  return user == 'held' and domain == 'ruled.test' and 'yes' or 'no'
end

function refused(sender, recipient)
  if sender == 'refused@client.test' then return 'no mail for ' .. recipient .. ' from you' end
end

function fails()
  error 'oh dear'
end
