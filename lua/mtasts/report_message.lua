-- SPDX-License-Identifier: ISC
-- A report as a mail (RFC 8460 5.3). Lines end in LF, as sendmail takes them.

local mail = {}

local LINE <const> = 76 -- RFC 2045 6.8
local alphabet <const> = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

local function base64(bytes)
  local out, signs = {}, {}
  for i = 0, 63 do signs[i] = alphabet:sub(i + 1, i + 1) end
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local word = a << 16 | (b or 0) << 8 | (c or 0)
    out[#out + 1] = signs[word >> 18] .. signs[word >> 12 & 63] .. (b and signs[word >> 6 & 63] or '=')
      .. (c and signs[word & 63] or '=')
  end
  local text, lines = table.concat(out), {}
  for i = 1, #text, LINE do lines[#lines + 1] = text:sub(i, i + LINE - 1) end
  return table.concat(lines, '\n')
end

local names <const> = { day = { 'Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat' },
  month = { 'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec' } }

-- RFC 5322 3.3, whatever the locale.
local function date(now)
  local t = os.date('!*t', now)
  return ('%s, %d %s %04d %02d:%02d:%02d +0000'):format(names.day[t.wday], t.day, names.month[t.month], t.year, t.hour, t.min, t.sec)
end

-- report: of core.report_write; domain: whom it is about; to: one address of letters and signs that need no quotes. Nothing in the header
-- comes from elsewhere, so that no line of it can be another's. The Message-ID is the same for each try.
function mail.message(report, domain, to, now)
  local id = ('<%s@%s>'):format(report.id, report.submitter)
  local boundary = '=_report_' .. report.id:match '^[%w-]+%.(%x+)'
  return table.concat({
    'From: <' .. report.contact .. '>',
    'To: <' .. to .. '>',
    'Date: ' .. date(now),
    'Message-ID: ' .. id,
    'Subject: Report Domain: ' .. domain,
    ' Submitter: ' .. report.submitter,
    ' Report-ID: ' .. id,
    'TLS-Report-Domain: ' .. domain,
    'TLS-Report-Submitter: ' .. report.submitter,
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type="tlsrpt";',
    ' boundary="' .. boundary .. '"',
    '',
    'This is a multipart message in MIME format.',
    '',
    '--' .. boundary,
    'Content-Type: text/plain; charset="us-ascii"',
    'Content-Transfer-Encoding: 7bit',
    '',
    'This is an aggregate TLS report about ' .. domain,
    'from ' .. report.submitter .. ' (RFC 8460).',
    '',
    ('Sessions with TLS as wanted: %d'):format(report.successful),
    ('Sessions that failed, and failed fetches of the policy: %d'):format(report.failed),
    '',
    '--' .. boundary,
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment;',
    ' filename="' .. report.file .. '.gz"',
    '',
    base64(report.gzip),
    '--' .. boundary .. '--',
    '',
  }, '\n')
end

return mail
