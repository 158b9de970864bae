-- SPDX-License-Identifier: ISC
-- A mail with a report (RFC 8460 5.1, 5.3): its parts, and whether what stands around the report agrees with it.
local core = require 'mtasts.core'

local mail = {}

local function load_module()
  -- It lies beside our Lua files, wherever those are.
  local own = package.searchpath('mtasts.report_mail', package.path)
  local path = own:gsub('share/lua/5%.4/mtasts/report_mail%.lua$', 'lib/lua/5.4/mtasts/mail.so')
  local open, why = package.loadlib(path, 'luaopen_mtasts_mail')
  if not open then return nil, why end
  return open()
end

local module, missing

-- The parts that may be reports, or nil and 'none', 'limit', or 'module' and why no mail can be read here.
function mail.parts(bytes)
  if not module then module, missing = load_module() end
  if not module then return nil, 'module', missing end
  return module.parts(bytes)
end

local function normal(name) return name and (core.normalise(name) or name:lower()) end

local function domain_of(contact) return contact and normal(contact:match '@([^@]*)$') end

-- What is in doubt is what stands around: RFC 8460 5.6, the report counts.
local function note(source, path, code, strict_refuses, clause, format, ...)
  local findings = source.findings
  if strict_refuses then findings.strict = false end
  local words = select('#', ...) > 0 and format:format(...) or format
  findings[#findings + 1] = {
    code = code, line = 0, column = 0, path = path, clause = clause, strict_refuses = strict_refuses,
    message = words:gsub('[^\32-\126]', '?'):sub(1, 160),
  }
end

local function has_domain(report, name)
  for _, policy in ipairs(report.policies) do
    -- RFC 8460 1.1: with DANE it is that of the MX host.
    if normal(policy.domain) == name or policy.type == 'tlsa' then return true end
  end
  return false
end

local function judge_type(part, source)
  local gzip = part.bytes:sub(1, 2) == '\x1f\x8b'
  local right = gzip and 'application/tlsrpt+gzip' or 'application/tlsrpt+json'
  if part.type ~= right then
    note(source, 'Content-Type', 'mail-type', true, 'RFC 8460 5.3', 'the part is labelled %s, not %s', part.type or 'with no type', right)
  end
  if not part.message.is_report then
    note(source, 'Content-Type', 'mail-report-type', true, 'RFC 8460 5.3', 'the mail is no multipart/report with report-type=tlsrpt')
  end
  if not part.message.signed then
    note(source, 'DKIM-Signature', 'mail-unsigned', true, 'RFC 8460 3', 'the mail has no DKIM signature: such reports must be ignored')
  end
end

local function judge_fields(part, source)
  local report, message = source.report, part.message
  local submitter = domain_of(report.contact)
  if not message.domain then
    note(source, 'TLS-Report-Domain', 'mail-domain', true, 'RFC 8460 5.3', 'the field is missing')
  elseif not has_domain(report, normal(message.domain)) then
    note(source, 'TLS-Report-Domain', 'mail-domain', true, 'RFC 8460 5.3', '"%s" is no policy-domain of the report', message.domain)
  end
  if not message.submitter then
    note(source, 'TLS-Report-Submitter', 'mail-submitter', true, 'RFC 8460 5.3', 'the field is missing')
  elseif submitter and normal(message.submitter) ~= submitter then
    note(source, 'TLS-Report-Submitter', 'mail-submitter', true, 'RFC 8460 5.3', '"%s" is not the domain of contact-info, %s',
      message.submitter, submitter)
  end
end

-- sender!policy-domain!begin!end[!unique-id].json[.gz]
local function judge_filename(part, source)
  local report, name = source.report, part.filename
  if not name then return note(source, 'filename', 'mail-filename', false, 'RFC 8460 5.1', 'the part has no file name') end
  local sender, domain, begins, ends, rest = name:match '^([^!]+)!([^!]+)!(%d+)!(%d+)(.*)$'
  if not sender or not (rest:find '^!%w+%.json$' or rest:find '^!%w+%.json%.gz$' or rest == '.json' or rest == '.json.gz') then
    return note(source, 'filename', 'mail-filename', false, 'RFC 8460 5.1', '"%s" is not SENDER!DOMAIN!BEGIN!END[!ID].json[.gz]', name)
  end
  local function differs(what, named, told)
    if told and named ~= told then
      note(source, 'filename', 'mail-filename-differs', false, 'RFC 8460 5.6', '%s is %s in the name, %s in the report', what, named, told)
    end
  end
  differs('the sender', normal(sender), domain_of(report.contact))
  if not has_domain(report, normal(domain)) then
    differs('the policy domain', normal(domain), report.policies[1] and report.policies[1].domain or 'none')
  end
  differs('the begin', math.tointeger(tonumber(begins)) or begins, report.begins_at)
  differs('the end', math.tointeger(tonumber(ends)) or ends, report.ends_at)
  if (rest:sub(-3) == '.gz') ~= (part.bytes:sub(1, 2) == '\x1f\x8b') then
    note(source, 'filename', 'mail-filename', false, 'RFC 8460 5.1', 'the extension is not that of the content')
  end
end

local function judge_subject(part, source)
  local report, subject = source.report, part.message.subject or ''
  local domain, submitter, id = subject:match '^Report%s+Domain:%s+(%S+)%s+Submitter:%s+(%S+)%s+Report%-ID:%s+<([^<>@%s]+@[^<>@%s]+)>%s*$'
  if not domain then
    return note(source, 'Subject', 'mail-subject', false, 'RFC 8460 5.3',
      'it is not "Report Domain: DOMAIN Submitter: DOMAIN Report-ID: <LEFT@RIGHT>"')
  end
  local told = domain_of(report.contact)
  if not has_domain(report, normal(domain)) or told and normal(submitter) ~= told then
    note(source, 'Subject', 'mail-subject-differs', false, 'RFC 8460 5.6', 'domain or submitter (%s, %s) are not those of the report',
      domain, submitter)
  end
  if report.id and id ~= report.id and id:match '^[^@]*' ~= report.id then
    note(source, 'Subject', 'mail-subject-differs', false, 'RFC 8460 5.6', 'Report-ID %s, report-id %s', id, report.id)
  end
end

-- Adds to the findings of the source; tells what the mail says.
function mail.judge(part, source)
  local message = part.message
  source.mail = {
    domain = message.domain, submitter = message.submitter, from = message.from, subject = message.subject, signed = message.signed,
    filename = part.filename, type = part.type, found = part.found,
  }
  judge_type(part, source)
  if not source.report then return end
  judge_fields(part, source)
  judge_filename(part, source)
  judge_subject(part, source)
end

return mail
