-- SPDX-License-Identifier: ISC
-- Checks of the TXT record _mta-sts: is it there, and is it one. Those of its text alone are used by mtasts parse, too.
local read = require 'mtasts.check_read'
local dns = require 'mtasts.check_dns'

local quote, count = read.quote, read.count

local function kinds_of(texts)
  for _, record in ipairs(texts) do
    if record:lower():find('v=spf1', 1, true) then return ' (SPF: a wildcard TXT record answers here)' end
  end
  return ''
end

return {
  {
    id = 'txt.lookup', severity = 'error', ref = 'RFC 8461 3.1', needs = 'txt',
    title = '_mta-sts has a TXT record, and DNS says so',
    fix = 'Publish one TXT record at _mta-sts.{domain}: "v=STSv1; id=1;" (with a new id at each change of the policy).',
    check = function(seen, say)
      local err = seen.txt.error
      if err and not dns.absent(err) then
        say(dns.trouble(err), { severity = dns.severity(seen, err), fix = dns.fix(err) })
      elseif seen.record.present then
        return
      elseif seen.got and seen.got.status == 200 and seen.policy then
        say('there is no record, so no sender looks at the policy that is served', { severity = 'warn' })
      else
        say('no MTA-STS: ' .. (err and dns.trouble(err) or 'no TXT record there begins with "v=STSv1;"'), { severity = 'info' })
      end
    end,
  },
  {
    id = 'txt.cname', severity = 'error', ref = 'RFC 8461 8.2', needs = 'txt',
    title = 'aliases of _mta-sts lead to a record',
    fix = 'Let the CNAME of _mta-sts.{domain} point at a name that has the TXT record, or publish the record itself there.',
    check = function(seen, say) dns.check_aliases(seen.txt, say) end,
  },
  {
    id = 'txt.unrelated', severity = 'warn', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'only records of MTA-STS stand at _mta-sts',
    fix = 'Remove the other TXT records from _mta-sts.{domain}; a wildcard TXT record should not answer there.',
    check = function(seen, say)
      local other = seen.record.other
      if #other > 0 then
        say(count(#other, 'record') .. ' that MTA-STS does not know: ' .. quote(other[1]) .. (#other > 1 and ' and others' or '')
          .. kinds_of(other))
      end
    end,
  },
  {
    id = 'txt.count', severity = 'error', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'exactly one record counts',
    fix = 'Keep one TXT record that begins with "v=STSv1;" and delete the others: senders take several for none.',
    check = function(seen, say)
      if not seen.record.present then return false end
      local kept = seen.record.kept
      if #kept > 1 then say(('%d records begin with "v=STSv1;": %s, %s'):format(#kept, quote(kept[1]), quote(kept[2]))) end
    end,
  },
  {
    id = 'txt.version', severity = 'error', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'the record begins with v=STSv1;',
    fix = 'Let the record begin with "v=STSv1;", in exactly these letters and without anything before it.',
    check = function(seen, say)
      local record = seen.record
      if not record.present then return false end
      for _, near in ipairs(record.near) do
        say(quote(near) .. ' does not begin with "v=STSv1;", and is not looked at',
          { severity = #record.kept + #record.spaced > 0 and 'warn' or nil })
      end
    end,
  },
  {
    id = 'txt.prefixws', severity = 'warn', ref = 'RFC 8461 3.1', needs = 'record',
    title = 'no blank stands between v=STSv1 and its semicolon',
    fix = 'Write "v=STSv1;" without a blank before the semicolon: senders drop the record when there are others beside it.',
    check = function(seen, say)
      if not seen.record.present then return false end
      for _, record in ipairs(seen.record.spaced) do say(quote(record) .. ' has a blank before the first ";"') end
    end,
  },
}
