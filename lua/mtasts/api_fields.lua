-- SPDX-License-Identifier: ISC
-- mtasts.api: what functions return and rules get. [field] = {type and unit, meaning}, and optional (it may be absent: nil), choices (the
-- strings it may be), editor (its type as an editor knows it).
local STAGES <const> = { 'name', 'dns', 'record', 'https', 'policy', 'tlsrpt', 'mx', 'smtp', 'tls', 'store', 'net', 'report',
  'mtasts' }

-- In the order of a manual.
local kinds = {
  answer = { place = 1, text = 'What mtasts.lookup returns, and what rules are asked about. It is read-only.' },
  host = { place = 2, text = 'One MX host of an answer. It is read-only.' },
  tls = { place = 3, text = 'What mtasts.probe returns, and what a lookup of depth "tls" finds out about a host. It is read-only.' },
  step = { place = 4, text = 'One step of a lookup, in the trace of an answer.' },
  error = {
    place = 5, text = 'The second result of a function whose first is nil, and what is wrong with an answer, a host or a probe. tostring '
      .. 'makes one line of it. mtasts-errors(7) lists the codes.',
  },
  alarm = { place = 6, text = 'What the hook "alarm" is told.' },
  counted = { place = 14, text = 'What the hook "session" is told: how a session with a mail host went. It is read-only.' },
  session = {
    place = 7, text = 'What a hook of mtasts.osmtpd gets. All fields but id and recipients are absent as long as smtpd has not reported '
      .. 'them. A rule may keep fields of its own in a session, under other names: they stay as long as the session.',
  },
  record = { place = 8, text = 'What mtasts.parse_record reads.' },
  policy = { place = 9, text = 'What mtasts.parse_policy reads.' },
  tlsrpt = { place = 10, text = 'What mtasts.parse_tlsrpt reads.' },
  destination = { place = 11, text = 'What mtasts.parse_destination reads.' },
  report = { place = 15, text = 'What mtasts.parse_report reads: what one reporter saw of TLS, mostly in one day (RFC 8460 4.4). Texts are '
    .. 'UTF-8 without control characters: those, and bytes that are no UTF-8, stand as \\xNN.' },
  report_policy = { place = 16, text = 'One entry of a report: a policy, and the sessions under it. Names are normalised and addresses in '
    .. 'the form of RFC 5952 where they are such; else they are as the report has them.' },
  report_failure = { place = 17, text = 'Failures of one kind, in an entry of a report.' },
  findings = { place = 12, text = 'What deviates from the syntax: a list of finding, and these fields.', list_of = 'finding' },
  finding = { place = 13, text = 'One deviation.' },
}

-- Values that are only passed on.
local opaque = {
  opinion = 'What mtasts.treat_as makes, and a rule returns.',
  decision = 'What osmtpd.proceed, junk, reject and disconnect make, and a hook returns.',
  deferral = 'What exim.defer makes, and a provided function returns.',
}

local world = {
  now = { 'integer, Unix seconds', 'the time in this world' },
}

local fields = {}

fields.answer = {
  domain = { 'string', 'the policy domain, normalised' },
  smarthost = { 'boolean', 'a smart host in brackets: its own name is the policy domain, without MX' },
  action = { 'string', '"deliver" (as without it), "record" (testing: deliver and report), "require" (only to hosts that are permitted '
    .. 'and verified, in MX order), "defer" (temporary failure)', choices = { 'deliver', 'record', 'require', 'defer' } },
  mode = { 'string', '"none", "testing" or "enforce"; absent: no policy applies', choices = { 'none', 'testing', 'enforce' },
    optional = true },
  id = { 'string', 'of the policy; absent: none applies', optional = true },
  max_age = { 'integer, seconds', 'of the policy; absent: none applies', optional = true },
  patterns = { 'list of strings', 'mx patterns of the policy; empty: none applies' },
  from = { 'string', '"network", "store", "memory", "rule" or "nothing"', choices = { 'network', 'store', 'memory', 'rule', 'nothing' } },
  fetched_at = { 'integer, Unix seconds', 'the last GET of this policy', optional = true },
  expires_at = { 'integer, Unix seconds', 'fetched_at + max_age', optional = true },
  checked_at = { 'integer, Unix seconds', 'the last answer of DNS for the record; absent: never', optional = true },
  refresh_error = { 'error', 'the last failure to learn the live policy, with at; absent: the last attempt went well', optional = true },
  reason = { 'string', "a rule's; absent: no rule decided", optional = true },
  exception_until = { 'integer, Unix seconds', "the end of a rule's exception; absent: open end", optional = true },
  dnssec = { 'string', 'of the MX answer: "secure", "insecure" or "unknown"', choices = { 'secure', 'insecure', 'unknown' } },
  dane = { 'string', 'which hosts DANE guards: "all", "some", "none" or "unknown"', choices = { 'all', 'some', 'none', 'unknown' } },
  hosts_known = { 'boolean', 'DNS answered for the MX hosts; there may still be none' },
  hosts_error = { 'error', 'why the MX hosts are not known, or that there are none', optional = true },
  hosts = { 'list of host', 'in the order of DNS preference' },
  trace = { 'list of step', 'how the answer came about' },
}
fields.host = {
  name = { 'string', 'A-labels, lower case' },
  preference = { 'integer', 'of the MX record' },
  permitted = { 'boolean', 'by the policy that applies; true when none applies' },
  guard = { 'string', '"none", "sts", "dane" (usable TLSA records come first, RFC 8461 2) or "unknown"',
    choices = { 'none', 'sts', 'dane', 'unknown' } },
  dnssec = { 'string', 'of its addresses: "secure", "insecure" or "unknown"', choices = { 'secure', 'insecure', 'unknown' } },
  addresses = { 'list of strings', 'if they were asked for' },
  error = { 'error', 'why this host cannot be used; absent: nothing speaks against it', optional = true },
  tls = { 'tls', 'what a probe found; absent: not probed', optional = true },
}
fields.tls = {
  ok = { 'boolean', 'STARTTLS, and a certificate that satisfies the guard' },
  error = { 'error', 'why not; absent: ok', optional = true },
  address = { 'string', 'that was tried last', optional = true },
  protocol = { 'string', '"TLSv1.3"', optional = true },
  cipher = { 'string', "OpenSSL's name of it", optional = true },
  subject = { 'string', 'of the certificate', optional = true },
  issuer = { 'string', 'of the certificate', optional = true },
  names = { 'string', 'DNS names of the certificate, separated by blanks', optional = true },
  not_before = { 'integer, Unix seconds', 'the certificate is valid from then', optional = true },
  not_after = { 'integer, Unix seconds', 'the certificate is valid until then', optional = true },
  fingerprint = { 'string', 'SHA-256 of the certificate, hexadecimal', optional = true },
  banner = { 'string', 'first line of the mail host', optional = true },
  ms = { 'integer, milliseconds', 'the probe took' },
}
fields.error = {
  code = { 'string', 'stable, "https-cert-name"', editor = 'mtasts.code' },
  message = { 'string', 'one line for people' },
  temporary = { 'boolean', 'may pass by itself' },
  stage = { 'string', '"name", "dns", "record", "https", "policy", "tlsrpt", "mx", "smtp", "tls", "store", "net", "report" or "mtasts"',
    choices = STAGES },
  domain = { 'string', 'what it is about; may be absent', optional = true },
  detail = { 'string', 'more, printable ASCII; may be absent', optional = true },
  result_type = { 'string', 'RFC 8460 4.3; absent: not reportable', optional = true },
  at = { 'integer, Unix seconds', 'when; only of refresh_error', optional = true },
}
fields.step = {
  what = { 'string', '"store", "txt", "record", "address", "https", "policy", "mx", "tlsa", "probe", "rule", "verdict" and others' },
  outcome = { 'string', 'one line for people' },
  code = { 'string', "of an error; absent: it went well", optional = true, editor = 'mtasts.code' },
  at_ms = { 'integer, milliseconds', 'since the lookup began' },
  ms = { 'integer, milliseconds', 'it took' },
}
fields.findings = {
  strict = { 'boolean', "the text fits the RFC's syntax to the letter" },
  dropped = { 'integer', 'deviations beyond the 256 that are kept' },
}
fields.finding = {
  code = { 'string', 'stable, "policy-blank-line"' },
  line = { 'integer', 'from 1; 0: not known' },
  column = { 'integer, bytes', 'from 1; 0: not known' },
  path = { 'string', 'of a report, the value it is about: "policies[0].summary", counted from 0', optional = true },
  clause = { 'string', 'of a report, the clause of an RFC that has the rule', optional = true },
  strict_refuses = { 'boolean', 'the ABNF does not allow it' },
  message = { 'string', 'one line for people, printable ASCII' },
}
fields.session = {
  id = { 'string', 'that smtpd gave it' },
  rdns = { 'string', "the client's name by reverse DNS", optional = true },
  fcrdns = { 'string', '"pass", "fail" or "error": does that name lead back to the address?',
    choices = { 'pass', 'fail', 'error' }, optional = true },
  address = { 'string', 'of the client, without port; "unix:..." for a local socket', optional = true },
  listener = { 'string', 'address and port that the client connected to', optional = true },
  helo = { 'string', 'the name it gave with HELO or EHLO', optional = true },
  tls = { 'string', 'protocol, cipher and bits, "TLSv1.3:TLS_AES_256_GCM_SHA384:256"; absent: no TLS', optional = true },
  user = { 'string', 'as which it has authenticated', optional = true },
  message = { 'string', "smtpd's number of the message", optional = true },
  sender = { 'string', 'of the message, once accepted; absent for the empty one', optional = true },
  recipients = { 'list of strings', 'of the message, accepted so far; a new list each time' },
}
fields.alarm = {
  expires_at = { 'integer, Unix seconds', 'the end of the cached policy' },
  failing_since = { 'integer, Unix seconds', 'the first failure of this row' },
  error = { 'error', 'the last failure' },
}
fields.counted = {
  domain = { 'string', 'the policy domain' },
  policy_type = { 'string', '"sts", "tlsa" or "no-policy-found" (RFC 8460 4.4)', choices = { 'sts', 'tlsa', 'no-policy-found' } },
  mode = { 'string', 'of the MTA-STS policy, where one applied: "none", "testing" or "enforce"',
    choices = { 'none', 'testing', 'enforce' }, optional = true },
  ok = { 'boolean', 'TLS was as the policy wants it' },
  result = { 'string', 'result type of RFC 8460 4.3, where it was not', optional = true },
  reason = { 'string', 'what went wrong, in one line', optional = true },
  mx = { 'string', 'the mail host, if it is known', optional = true },
  address = { 'string', 'its address', optional = true },
  helo = { 'string', 'the name it gave', optional = true },
  source = { 'string', 'the address of the sender', optional = true },
  time = { 'integer, Unix seconds', 'when it was counted' },
}
fields.record = {
  id = { 'string', 'of the policy, 1 to 32 letters and digits' },
}
fields.policy = {
  mode = { 'string', '"none", "testing" or "enforce"', choices = { 'none', 'testing', 'enforce' } },
  max_age = { 'integer, seconds', 'how long it may be kept, at most 31557600' },
  mx = { 'list of strings', 'its patterns, A-labels in lower case; in mode none there may be none' },
}
fields.tlsrpt = {
  rua = { 'list of strings', 'where reports go, as published' },
  usable = { 'list of strings', 'those of them that a report can be sent to' },
}
fields.report = {
  organization = { 'string', 'who reports', optional = true },
  contact = { 'string', 'a mail address of theirs', optional = true },
  id = { 'string', 'of this report', optional = true },
  begins_at = { 'integer, Unix seconds', 'the start of what it is about', optional = true },
  ends_at = { 'integer, Unix seconds', 'and its end', optional = true },
  policies = { 'list of report_policy', 'in the order of the report' },
}
fields.report_policy = {
  policy_type = { 'string', '"sts", "tlsa", "no-policy-found", or what else stands there', optional = true },
  domain = { 'string', 'the policy domain', optional = true },
  policy = { 'list of strings', 'the policy, a string for each line or TLSA record' },
  patterns = { 'list of strings', 'the mx patterns of the policy' },
  successful = { 'integer', 'sessions that went well; absent: the report does not tell', optional = true },
  failed = { 'integer', 'and those that did not', optional = true },
  failures = { 'list of report_failure', 'what failed' },
}
fields.report_failure = {
  result = { 'string', 'the result type, "certificate-expired" (RFC 8460 4.3)', optional = true },
  source = { 'string', 'the address of the sending server', optional = true },
  mx = { 'string', 'the mail host', optional = true },
  helo = { 'string', 'the name it gave itself', optional = true },
  address = { 'string', 'its address', optional = true },
  count = { 'integer', 'of failed sessions', optional = true },
  info = { 'string', 'a URI with more about it', optional = true },
  reason = { 'string', 'an error code or message', optional = true },
}
fields.destination = {
  kind = { 'string', '"domain", "smarthost" or "literal"', choices = { 'domain', 'smarthost', 'literal' } },
  domain = { 'string', 'the policy domain; absent: a literal has none', optional = true },
  port = { 'integer', 'absent: none was given', optional = true },
}

return { fields = fields, kinds = kinds, opaque = opaque, world = world }
