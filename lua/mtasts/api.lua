-- SPDX-License-Identifier: ISC
-- The public Lua API as one table: what help and the manual are made of. A test compares it with what the module really has.
--
-- Each function: name, signature, text, args (name, type and unit, meaning), results, errors (what it raises, which codes it returns),
-- since, yields (may it wait: in a coroutine of mtasts it yields, elsewhere it drives the loop itself; the shape is the same),
-- context (where it may be called), source (clause of an RFC, where there is one).

-- api.osmtpd is the module 'mtasts.osmtpd', api.exim the module 'mtasts.exim'.
local api = { version = '0.1.0', functions = {}, constants = {}, world = {}, hooks = {}, osmtpd = {}, exim = {}, fields = {} }

local ANYWHERE <const> = 'anywhere'
local OUTSIDE <const> = 'anywhere but in a finalizer'

local function entry(list, item)
  item.since = item.since or '0.1.0'
  item.yields = item.yields or false
  item.context = item.context or ANYWHERE
  item.args = item.args or {}
  list[item.name] = item
end

local function fn(item) entry(api.functions, item) end
local function method(item) entry(api.world, item) end
local function osmtpd(item) entry(api.osmtpd, item) end
local function exim(item) entry(api.exim, item) end

-- ---- constants ----

api.constants.version = { type = 'string', text = 'The version of mtasts, "0.1.0".', since = '0.1.0' }
api.constants.api = { type = 'integer', text = 'Grows by one with each change of this API.', since = '0.1.0' }

-- ---- settings and lookups ----

fn {
  name = 'configure', signature = 'configure{name = value, ...}', context = OUTSIDE,
  text = 'Changes settings, all of them or none. What is under way ends as cancelled, so call it first. Settings: mtasts(1).',
  args = { { 'settings', 'table', 'names and values; a list of strings, a number or a boolean where the setting is one' } },
  results = 'nothing',
  errors = 'raises: an unknown name (the nearest known one is named) or a value that does not fit',
}
fn {
  name = 'lookup', signature = 'lookup(domain[, opts])', yields = true, context = OUTSIDE .. '; within a rule it asks no rules',
  text = 'What a sender does for this destination now, and why.',
  args = {
    { 'domain', 'string', 'a destination as mail servers write it: "a.example", "User@a.example", "[smart.host]:25", U-labels' },
    { 'opts.depth', 'string', '"policy", "hosts" (default: and its MX hosts) or "tls" (and what each answers to STARTTLS)' },
    { 'opts.freshness', 'string', '"cached" (default: an unexpired policy answers at once), "due" (checks that are due come first), '
      .. '"always" (ask DNS and fetch now), "cache-only" (never touch the network)' },
    { 'opts.timeout', 'number, seconds', 'more than 0, at most 3600; default: setting mail_deadline_ms' },
    { 'opts.rules', 'boolean', 'false: the answer of the RFC, without rules' },
    { 'opts.trace', 'boolean', 'false: the trace may be empty; quicker, for rules that are asked often' },
  },
  results = 'answer, or nil and an error. Bad weather is no error: the answer says what to do and refresh_error what went wrong',
  errors = 'returns name-empty, name-syntax, name-long, name-literal, cancelled, no-memory; raises: an argument of a wrong type, an '
    .. 'unknown option',
  source = 'RFC 8461 3, 4, 5',
}
fn {
  name = 'probe', signature = 'probe(host[, opts])', yields = true, context = OUTSIDE,
  text = 'STARTTLS and certificate of one mail host, as a sender that honours MTA-STS sees them.',
  args = {
    { 'host', 'string', 'name of a mail host; it is also SNI and the name the certificate must bear' },
    { 'opts.port', 'integer', '1 to 65535; default: setting smtp_port' },
    { 'opts.timeout', 'number, seconds', 'more than 0, at most 3600; default: setting probe_deadline_ms' },
  },
  results = 'tls (a host that fails is a result too: ok is false, error says why), or nil and an error',
  errors = 'returns name-*, dns-*, cancelled; raises: an argument of a wrong type, an unknown option',
  source = 'RFC 8461 4.2',
}
fn {
  name = 'all', signature = 'all{domain or function, ...}', yields = true, context = OUTSIDE,
  text = 'Several at once: looks domains up, calls functions, each of which may wait. Equal lookups share one question and one fetch.',
  args = { { 'list', 'list', 'of domains (strings) and functions without arguments' } },
  results = 'a list in the same order; each element is the list of results (n says how many): {answer} or {nil, err, n = 2}',
  errors = 'raises: an element of a wrong type; and, once all have ended, the first error raised by a function',
}
fn {
  name = 'now', signature = 'now()',
  text = 'The time of the world that is in force: the real one or that of mtasts.fake.',
  results = 'integer, Unix seconds',
}

-- ---- pure functions ----

fn {
  name = 'parse_record', signature = 'parse_record(text or {text, ...})',
  text = 'Reads the TXT record of _mta-sts, or chooses it from all TXT records of that name.',
  args = { { 'text', 'string or list of strings', 'the strings of a TXT record joined; a list: all TXT records, at most 256' } },
  results = '{id = string} or nil; an error or nil; findings',
  errors = 'returns record-none, record-several (of a list), record-syntax; raises: an argument of a wrong type',
  source = 'RFC 8461 3.1',
}
fn {
  name = 'parse_policy', signature = 'parse_policy(body[, opts])',
  text = 'Reads a policy as the policy host serves it.',
  args = {
    { 'body', 'string', 'at most 65536 bytes' },
    { 'opts.strict', 'boolean', 'true: refuses what deviates from the ABNF; default: forgives what cannot be misread' },
  },
  results = '{mode = string, max_age = seconds, mx = list of patterns} or nil; an error or nil; findings',
  errors = 'returns policy-*; raises: an argument of a wrong type, an unknown option',
  source = 'RFC 8461 3.2',
}
fn {
  name = 'parse_tlsrpt', signature = 'parse_tlsrpt(text or {text, ...})',
  text = 'Reads the TXT record of _smtp._tls, or chooses it from all TXT records of that name.',
  args = { { 'text', 'string or list of strings', 'as with parse_record' } },
  results = '{rua = list as published, usable = those of them that a report can be sent to} or nil; an error or nil; findings',
  errors = 'returns tlsrpt-syntax; raises: an argument of a wrong type',
  source = 'RFC 8460 3',
}
fn {
  name = 'parse_destination', signature = 'parse_destination(text)',
  text = 'Normalises a destination: A-labels, lower case, no trailing dot.',
  args = { { 'text', 'string', 'a destination as mail servers write it' } },
  results = '{kind = "domain", "smarthost" or "literal", domain = string (not of a literal), port = integer (if given)}, or nil and '
    .. 'an error',
  errors = 'returns name-empty, name-syntax, name-long; raises: an argument of a wrong type',
  source = 'RFC 8461 3.4',
}
fn {
  name = 'mx_matches', signature = 'mx_matches(pattern, host)',
  text = 'Does a host match a pattern of a policy? "*." stands for exactly one label.',
  args = { { 'pattern', 'string', 'A-labels; one with U-labels never matches' }, { 'host', 'string', 'name of an MX host' } },
  results = 'boolean',
  errors = 'raises: an argument of a wrong type, a zero byte in a name',
  source = 'RFC 8461 4.1',
}

-- ---- sessions ----

fn {
  name = 'record_session', signature = 'record_session{domain = ..., type = ..., ...}', context = OUTSIDE,
  text = 'Counts one session with a mail host, for TLS reporting: adds one to the counter of today (UTC) for sessions like this one, in '
    .. 'the store. Exact, however many programs count. If the type is "sts", the text of the policy is that of the domain in the store. '
    .. 'Of a session that went well only domain, policy and mx are kept. "mtasts store sessions" shows the counters.',
  args = {
    { 'session.domain', 'string', 'the destination, as mail servers write it' },
    { 'session.type', 'string', 'which policy applied: "sts", "tlsa" or "no-policy-found" (default)' },
    { 'session.result', 'string', 'the code of the error that ended it, one with a result_type ("cert-expired"); nil: it went well' },
    { 'session.mx', 'string', 'name of the MX host' },
    { 'session.address', 'string', 'IP address of the MX host' },
    { 'session.source', 'string', 'our IP address' },
    { 'session.helo', 'string', 'what the MX host calls itself in its greeting; its first 255 bytes are kept' },
    { 'session.reason', 'string', 'more on the failure, one line; its first 159 bytes are kept' },
  },
  results = 'true, or nil and an error',
  errors = 'returns name-*, argument (an error without result_type), store-* (store-none: the setting store is "none"), no-memory; '
    .. 'raises: no table, an unknown field, a field of a wrong type, an unknown type of policy, a code that is none',
  source = 'RFC 8460 4.3, 4.4',
}

-- ---- rules ----

fn {
  name = 'on', signature = "on('policy' | 'verdict' | 'alarm', fn)",
  text = 'Adds a rule. Rules are asked in the order they were added and the first opinion wins; none can be taken back. '
    .. 'A rule that fails, runs more than 50 million instructions or takes more than 64 MB of memory in one call is logged with a '
    .. 'traceback and counts as no opinion.',
  args = { { 'kind', 'string', 'see hooks' }, { 'fn', 'function', 'see hooks' } },
  results = 'nothing',
  errors = 'raises: an unknown kind (the nearest known one is named), no function',
}
fn {
  name = 'treat_as', signature = 'treat_as(mode, reason[, until])',
  text = 'An opinion, to be returned by a rule: treat the domain as if its policy had this mode. Past its end it no longer counts and the '
    .. 'log says so; an end in the past is no error. "enforce" for a domain without a policy has no patterns: every MX is permitted, and '
    .. 'delivery still requires verified TLS.',
  args = {
    { 'mode', 'string', '"none", "testing" or "enforce"' },
    { 'reason', 'string', 'for who reads the log; its first 159 bytes are kept' },
    { 'until', "'YYYY-MM-DD' or integer, Unix seconds", 'a day counts to its end in UTC; default: open end' },
  },
  results = 'an opinion',
  errors = 'raises: an unknown mode, no reason, an end that is no day and no time',
}

-- ---- the told world ----

fn {
  name = 'fake', signature = 'fake{dns = ..., https = ..., smtp = ..., now = ...}', context = OUTSIDE .. '; for tests of rules',
  text = 'From here on lookups happen in a world that is told, with its own clock and without a store, until world:close(). Keep the world '
    .. 'in a variable: one that nobody holds is closed. What is not told does not exist. Time stands still but for waiting.',
  args = {
    { 'dns', 'table', '["NAME TYPE"] = {record, ..., ttl = seconds, dnssec = "secure"|"insecure"|"unknown", delay_ms = number, '
      .. 'error = code}, or a code ("servfail"), or {} for no record; types A, AAAA, MX, TXT, TLSA, CNAME (one name)' },
    { 'https', 'table', '[HOST] = body, or a code ("https-cert-name"), or {status =, type =, body =, delay_ms =, error =}' },
    { 'smtp', 'table', '[HOST] = "ok", or a code ("cert-expired"), or {error =, delay_ms =}' },
    { 'now', "integer, Unix seconds, or 'YYYY-MM-DDThh:mm:ssZ'", 'where its clock begins; default: now' },
  },
  results = 'a world; its field now is its time in Unix seconds',
  errors = 'raises: an unknown part or field, what cannot be read, a world that is open already',
}
method {
  name = 'dns', signature = 'world:dns(key, value)', text = 'Tells one question of DNS anew.',
  args = { { 'key', 'string', '"NAME TYPE"' }, { 'value', 'as in fake', 'what DNS says from now on' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'https', signature = 'world:https(host, value)', text = 'Tells anew what a policy host answers.',
  args = { { 'host', 'string', 'name of the policy host' }, { 'value', 'as in fake', 'what it answers from now on' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'smtp', signature = 'world:smtp(host, value)', text = 'Tells anew what a mail host answers to a probe.',
  args = { { 'host', 'string', 'name of the mail host' }, { 'value', 'as in fake', 'what it answers from now on' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'count', signature = 'world:count(what)', text = 'How often something was asked for since the world was made.',
  args = { { 'what', 'string', '"TXT NAME", "MX NAME", … (a type of DNS), "GET HOST", "SMTP HOST"; "DNS", "GET", "SMTP": all of them' } },
  results = 'integer', errors = 'raises: anything else',
}
method {
  name = 'advance', signature = 'world:advance(seconds)', text = 'Lets time pass.',
  args = { { 'seconds', 'number, seconds', 'not negative' } },
  results = 'nothing', errors = 'raises: no number, a negative one',
}
method {
  name = 'close', signature = 'world:close()',
  text = 'Ends the told world; the real one and the settings from before it are in force again. What is under way ends as cancelled. '
    .. 'Twice is fine.',
  results = 'nothing',
}

-- ---- hooks ----

api.hooks = {
  policy = {
    signature = 'fn(answer) -> opinion or nil', since = '0.1.0', may_wait = true,
    text = 'Asked when it is known which policy applies, before the MX hosts are looked at. nil: no opinion.',
  },
  verdict = {
    signature = 'fn(answer) -> opinion or nil', since = '0.1.0', may_wait = true,
    text = 'Asked when the whole answer is known and no rule "policy" had an opinion. nil: no opinion.',
  },
  alarm = {
    signature = 'fn(domain, info)', since = '0.1.0', may_wait = true, source = 'RFC 8461 10.2',
    text = 'Told when the refresh of a policy that applies keeps failing, well before it expires, once a day for a domain.',
  },
}

-- ---- the module 'mtasts.osmtpd' ----

local RULES <const> = "in rules; in programs other than filter-mtasts the hooks are never asked"
local REFUSAL <const> = {
  { 'code', 'integer', 'reply code, 400 to 599 (RFC 5321 4.2)' },
  { 'status', 'string', "enhanced status of the same class, '5.7.1' (RFC 3463)" },
  { 'text', 'string', 'for the sender; what is not printable ASCII is written as \\xNN, and at most 490 bytes are sent' },
}

osmtpd {
  name = 'on', signature = 'on(phase, fn)', context = RULES .. '; only while the rules are loaded',
  text = 'Adds a hook to a phase of the sessions of smtpd\'s clients. It is called as fn(session, value) and returns a decision, or nil: '
    .. 'no opinion. Hooks are asked in the order they were added and the first decision wins; without one smtpd proceeds. A hook may '
    .. 'wait for lookups and probes: its session waits with it, others go on, and after mail_deadline_ms it is ended and smtpd '
    .. 'proceeds. One that fails, runs more than 50 million instructions or takes more than 64 MB of memory is logged with a '
    .. 'traceback and counts as no opinion.',
  args = {
    { 'phase', 'string', '"connect" (value: the client\'s address), "helo", "ehlo" (the name it gives), "mail-from" (the sender, "" is the '
      .. 'empty one), "rcpt-to" (the recipient), "data", "commit", "quit" (nil)' },
    { 'fn', 'function', 'the hook' },
  },
  results = 'nothing',
  errors = 'raises: an unknown phase (the nearest known one is named), no function, rules that are loaded already',
  source = 'smtpd-filters(7)',
}
osmtpd {
  name = 'proceed', signature = 'proceed()', context = RULES,
  text = 'A decision: go on, and ask no further hook.', results = 'a decision',
}
osmtpd {
  name = 'junk', signature = 'junk()', context = RULES,
  text = 'A decision: go on, and mark the message as junk (smtpd adds "X-Spam: yes").', results = 'a decision',
}
osmtpd {
  name = 'reject', signature = 'reject(code, status, text)', context = RULES, args = REFUSAL,
  text = 'A decision: refuse this command.', results = 'a decision',
  errors = 'raises: a code that refuses nothing, a status of another class, no text',
}
osmtpd {
  name = 'disconnect', signature = 'disconnect(code, status, text)', context = RULES, args = REFUSAL,
  text = 'A decision: refuse this command and close the session.', results = 'a decision',
  errors = 'raises: as reject',
}

-- ---- the module 'mtasts.exim' ----

local FOR_EXIM <const> = 'in rules; in programs other than Exim the functions are never called'

exim {
  name = 'provide', signature = 'provide(name, fn)', context = FOR_EXIM,
  text = "Makes a function known to Exim's expansions: ${dlfunc{FILE}{mtasts_call}{NAME}{ARGUMENT}...} calls fn(argument, ...) with at "
    .. 'most six strings. They come from mail and may hold anything. Each call has a process and a Lua state of its own, in which the '
    .. 'rules are loaded anew: nothing is kept from one call to the next. It may wait for lookups and probes, mail_deadline_ms in all. '
    .. 'What it returns is the expansion: a string; a number or boolean as a text; nil is the empty text; nil and an error, or what '
    .. 'exim.defer returns, make the expansion fail. So does a function that raises an error, runs more than 50 million instructions, '
    .. 'takes more than 64 MB of memory or kills its process; the log then says why. A text that repeats an argument which is no plain '
    .. 'domain name is tainted, as the argument is.',
  args = {
    { 'name', 'string', 'letters, digits, _ . and -, beginning with a letter or _' },
    { 'fn', 'function', 'fn(argument, ...) -> result' },
  },
  results = 'nothing', errors = 'raises: another name, no function, a name that is provided already',
  source = "Exim's manual, string expansions, dlfunc",
}
exim {
  name = 'defer', signature = 'defer(text)', context = FOR_EXIM,
  text = "What a provided function returns to make the expansion fail: in address_data, the data of a router or an ACL mail is then "
    .. 'deferred, with this text in the log. Other options of Exim do not defer when their expansion fails; a router with such a '
    .. 'condition is skipped. See exim-mtasts(8).',
  args = { { 'text', 'string', 'why; what is not printable ASCII is written as \\xNN' } },
  results = 'a deferral, to be returned', errors = 'raises: no text',
}

-- ---- what the functions return ----
-- [field] = {type and unit, meaning}. "absent" is nil: the field is not there.

local fields = api.fields

fields.answer = {
  domain = { 'string', 'the policy domain, normalised' },
  smarthost = { 'boolean', 'a smart host in brackets: its own name is the policy domain, without MX' },
  action = { 'string', '"deliver" (as without it), "record" (testing: deliver and report), "require" (only to hosts that are permitted '
    .. 'and verified, in MX order), "defer" (temporary failure)' },
  mode = { 'string', '"none", "testing" or "enforce"; absent: no policy applies' },
  id = { 'string', 'of the policy; absent: none applies' },
  max_age = { 'integer, seconds', 'of the policy; absent: none applies' },
  patterns = { 'list of strings', 'mx patterns of the policy; empty: none applies' },
  from = { 'string', '"network", "store", "memory", "rule" or "nothing"' },
  fetched_at = { 'integer, Unix seconds', 'the last GET of this policy' },
  expires_at = { 'integer, Unix seconds', 'fetched_at + max_age' },
  checked_at = { 'integer, Unix seconds', 'the last answer of DNS for the record; absent: never' },
  refresh_error = { 'error', 'the last failure to learn the live policy, with at; absent: the last attempt went well' },
  reason = { 'string', "a rule's; absent: no rule decided" },
  exception_until = { 'integer, Unix seconds', "the end of a rule's exception; absent: open end" },
  dnssec = { 'string', 'of the MX answer: "secure", "insecure" or "unknown"' },
  dane = { 'string', 'which hosts DANE guards: "all", "some", "none" or "unknown"' },
  hosts_known = { 'boolean', 'DNS answered for the MX hosts; there may still be none' },
  hosts_error = { 'error', 'why the MX hosts are not known, or that there are none' },
  hosts = { 'list of host', 'in the order of DNS preference' },
  trace = { 'list of step', 'how the answer came about' },
}
fields.host = {
  name = { 'string', 'A-labels, lower case' },
  preference = { 'integer', 'of the MX record' },
  permitted = { 'boolean', 'by the policy that applies; true when none applies' },
  guard = { 'string', '"none", "sts", "dane" (usable TLSA records come first, RFC 8461 2) or "unknown"' },
  dnssec = { 'string', 'of its addresses: "secure", "insecure" or "unknown"' },
  addresses = { 'list of strings', 'if they were asked for' },
  error = { 'error', 'why this host cannot be used; absent: nothing speaks against it' },
  tls = { 'tls', 'what a probe found; absent: not probed' },
}
fields.tls = {
  ok = { 'boolean', 'STARTTLS, and a certificate that satisfies the guard' },
  error = { 'error', 'why not; absent: ok' },
  address = { 'string', 'that was tried last' },
  protocol = { 'string', '"TLSv1.3"' },
  cipher = { 'string', "OpenSSL's name of it" },
  subject = { 'string', 'of the certificate' },
  issuer = { 'string', 'of the certificate' },
  names = { 'string', 'DNS names of the certificate, separated by blanks' },
  not_before = { 'integer, Unix seconds', 'the certificate is valid from then' },
  not_after = { 'integer, Unix seconds', 'the certificate is valid until then' },
  fingerprint = { 'string', 'SHA-256 of the certificate, hexadecimal' },
  banner = { 'string', 'first line of the mail host' },
  ms = { 'integer, milliseconds', 'the probe took' },
}
fields.error = {
  code = { 'string', 'stable, "https-cert-name"' },
  message = { 'string', 'one line for people' },
  temporary = { 'boolean', 'may pass by itself' },
  stage = { 'string', '"name", "dns", "record", "https", "policy", "tlsrpt", "mx", "smtp", "tls", "store", "net" or "mtasts"' },
  domain = { 'string', 'what it is about; may be absent' },
  detail = { 'string', 'more, printable ASCII; may be absent' },
  result_type = { 'string', 'RFC 8460 4.3; absent: not reportable' },
  at = { 'integer, Unix seconds', 'when; only of refresh_error' },
}
fields.step = {
  what = { 'string', '"store", "txt", "record", "address", "https", "policy", "mx", "tlsa", "probe", "rule", "verdict" …' },
  outcome = { 'string', 'one line for people' },
  code = { 'string', "of an error; absent: it went well" },
  at_ms = { 'integer, milliseconds', 'since the lookup began' },
  ms = { 'integer, milliseconds', 'it took' },
}
fields.findings = {
  strict = { 'boolean', "the text fits the RFC's syntax to the letter" },
  dropped = { 'integer', 'deviations beyond the 256 that are kept' },
}
fields.finding = {
  code = { 'string', 'stable, "policy-blank-line"' },
  line = { 'integer', 'from 1' },
  column = { 'integer, bytes', 'from 1' },
  strict_refuses = { 'boolean', 'the ABNF does not allow it' },
  message = { 'string', 'one line for people, printable ASCII' },
}
-- What a hook of mtasts.osmtpd gets. All fields but id are absent as long as smtpd has not reported them. A rule may keep fields of its
-- own in a session, under other names: they stay as long as the session.
fields.session = {
  id = { 'string', 'that smtpd gave it' },
  rdns = { 'string', "the client's name by reverse DNS" },
  fcrdns = { 'string', '"pass", "fail" or "error": does that name lead back to the address?' },
  address = { 'string', 'of the client, without port; "unix:…" for a local socket' },
  listener = { 'string', 'address and port that the client connected to' },
  helo = { 'string', 'the name it gave with HELO or EHLO' },
  tls = { 'string', 'protocol, cipher and bits, "TLSv1.3:TLS_AES_256_GCM_SHA384:256"; absent: no TLS' },
  user = { 'string', 'as which it has authenticated' },
  message = { 'string', "smtpd's number of the message" },
  sender = { 'string', 'of the message, once accepted; absent for the empty one' },
  recipients = { 'list of strings', 'of the message, accepted so far; a new list each time' },
}
fields.alarm = {
  expires_at = { 'integer, Unix seconds', 'the end of the cached policy' },
  failing_since = { 'integer, Unix seconds', 'the first failure of this row' },
  error = { 'error', 'the last failure' },
}

return api
