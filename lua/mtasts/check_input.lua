-- SPDX-License-Identifier: ISC
-- Checks of the domain as it was given.
return {
  {
    id = 'in.domain', severity = 'info', ref = 'RFC 5890 2.3', needs = 'asked domain',
    title = 'the domain is a DNS name, given plainly',
    fix = 'Nothing to mend: {domain} is what was checked.',
    check = function(seen, say)
      for _, form in ipairs(seen.forms) do say(form) end
      if seen.unicode then say(('U-labels: %s is %s in DNS'):format(seen.unicode, seen.domain)) end
      local rest = seen.domain:match '^mta%-sts%.(.+)$' or seen.domain:match '^_mta%-sts%.(.+)$'
      if rest then
        say(('this is a name beside the domain, not a domain that gets mail'):format(), { fix = 'Check ' .. rest .. ' instead.' })
      end
    end,
  },
  {
    id = 'in.subdomain', severity = 'info', ref = 'RFC 8461 3.4', needs = 'txt',
    title = 'a policy is for one exact domain',
    fix = 'Publish a record at _mta-sts.{domain} and a policy at mta-sts.{domain}, if mail to {domain} shall be protected.',
    check = function(seen, say)
      if not seen.parent then return false end
      if seen.parent.present then
        say(('%s has MTA-STS, but its policy does not hold for %s'):format(seen.parent.domain, seen.domain))
      end
    end,
  },
}
