-- SPDX-License-Identifier: ISC
-- mtasts.api: the functions of the module 'mtasts', and of the worlds that mtasts.fake makes. What the keys mean: api.lua.
local OUTSIDE <const> = 'anywhere but in a finalizer'
local FIRST <const> = OUTSIDE .. '; in filter-mtasts and table-mtasts only while the rules are loaded'
local NEAREST <const> = ' (the nearest known one is named)'
local OPTION <const> = 'an argument of a wrong type, an unknown option' .. NEAREST
local DESTINATION <const> = '"a.example", "User@a.example", "[smart.host]:25", U-labels'
local WORLD <const> = 'while the world is open'

local functions, world = {}, {}
local group
local function fn(entry)
  entry.group = group
  functions[#functions + 1] = entry
end
local function method(entry)
  entry.group, entry.context = 'Worlds that are told', WORLD
  entry.errors = (entry.errors and entry.errors .. '; ' or 'raises: ') .. 'a world that is closed'
  world[#world + 1] = entry
end

group = 'Settings and lookups'

fn {
  name = 'configure', signature = 'configure{name = value, ...}', context = FIRST,
  text = 'Changes settings, all of them or none; those that are not named stay. What is under way ends as cancelled, so call it first. '
    .. 'Settings: mtasts(1).',
  args = {
    { 'settings', 'table', 'names and values; each may be a text as in a settings file, a list also a list of strings, a number a '
      .. 'number, and a bool a boolean', editor = 'mtasts.settings' },
  },
  results = 'nothing',
  errors = 'raises: an unknown name' .. NEAREST .. ' or a value that does not fit; too late: the rules are loaded',
}
fn {
  name = 'lookup', signature = 'lookup(domain[, opts])', yields = true, context = OUTSIDE .. '; within a rule it asks no rules',
  text = 'What a sender does for this destination now, and why.',
  args = {
    { 'domain', 'string', 'a destination as mail servers write it: ' .. DESTINATION },
    { 'opts.depth', 'string', '"policy", "hosts" (default: and its MX hosts) or "tls" (and what each answers to STARTTLS)',
      choices = { 'policy', 'hosts', 'tls' } },
    { 'opts.freshness', 'string', '"cached" (default: an unexpired policy answers at once), "due" (checks that are due come first), '
      .. '"always" (ask DNS and fetch now), "cache-only" (never touch the network)',
      choices = { 'cached', 'due', 'always', 'cache-only' } },
    { 'opts.timeout', 'number, seconds', 'more than 0, at most 3600; default: setting mail_deadline_ms, and with depth "tls" '
      .. 'probe_deadline_ms more' },
    { 'opts.rules', 'boolean', 'false: the answer of the RFC, without rules' },
    { 'opts.trace', 'boolean', 'false: no trace, for rules neither; quicker, for what is asked often' },
  },
  results = 'answer, or nil and an error. Bad weather is no error: the answer says what to do and refresh_error what went wrong',
  returns = { { 'answer', 'answer' } }, fails = true,
  errors = 'returns name-empty, name-syntax, name-long, name-literal, cancelled, no-memory; raises: ' .. OPTION,
  source = 'RFC 8461 3, 4, 5',
}
fn {
  name = 'probe', signature = 'probe(host[, opts])', yields = true, context = OUTSIDE,
  text = 'STARTTLS and certificate of one mail host, as a sender that honours MTA-STS sees them. No message is sent.',
  args = {
    { 'host', 'string', 'name of a mail host; it is also SNI and the name the certificate must bear' },
    { 'opts.port', 'integer', '1 to 65535; default: setting smtp_port' },
    { 'opts.timeout', 'number, seconds', 'of the probe, after DNS has answered: more than 0, at most 3600; default: setting '
      .. 'probe_deadline_ms' },
  },
  results = 'tls (a host that fails is a result too: ok is false, error says why), or nil and an error',
  returns = { { 'tls', 'tls' } }, fails = true,
  errors = 'returns name-*, dns-*, mx-address (no address), net-module, cancelled, no-memory; raises: ' .. OPTION,
  source = 'RFC 8461 4.2',
}
fn {
  name = 'all', signature = 'all{domain or function, ...}', yields = true, context = OUTSIDE,
  text = 'Several at once: looks domains up, calls functions, each of which may wait. Equal lookups share one question and one fetch.',
  args = { { 'list', 'list', 'of domains (strings) and functions without arguments', editor = '(string|fun(): any)[]' } },
  results = 'a list in the same order; each element is the list of results (n says how many): {answer} or {nil, err, n = 2}',
  returns = { { 'list of tables', 'results' } },
  errors = 'raises: an element of a wrong type; and, once all have ended, the first error raised by a function',
}
fn {
  name = 'now', signature = 'now()',
  text = 'The time of the world that is in force: the real one or that of mtasts.fake.',
  results = 'integer, Unix seconds', returns = { { 'integer', 'now' } },
}

group = 'Pure functions'

fn {
  name = 'parse_record', signature = 'parse_record(text or {text, ...})',
  text = 'Reads the TXT record of _mta-sts, or chooses it from all TXT records of that name.',
  args = { { 'text', 'string or list of strings', 'the strings of a TXT record joined; a list: all TXT records, at most 256' } },
  results = 'record or nil; an error or nil; findings',
  returns = { { 'record', 'record', optional = true }, { 'error', 'err', optional = true }, { 'findings', 'findings' } },
  errors = 'returns record-none, record-several (of a list), record-syntax; raises: an argument of a wrong type, too many records',
  source = 'RFC 8461 3.1',
}
fn {
  name = 'parse_policy', signature = 'parse_policy(body[, opts])',
  text = 'Reads a policy as the policy host serves it.',
  args = {
    { 'body', 'string', 'at most 65536 bytes' },
    { 'opts.strict', 'boolean', 'true: refuses what deviates from the ABNF; default: forgives what cannot be misread' },
  },
  results = 'policy or nil; an error or nil; findings',
  returns = { { 'policy', 'policy', optional = true }, { 'error', 'err', optional = true }, { 'findings', 'findings' } },
  errors = 'returns policy-*, no-memory; raises: ' .. OPTION,
  source = 'RFC 8461 3.2',
}
fn {
  name = 'parse_tlsrpt', signature = 'parse_tlsrpt(text or {text, ...})',
  text = 'Reads the TXT record of _smtp._tls, or chooses it from all TXT records of that name.',
  args = { { 'text', 'string or list of strings', 'as with parse_record' } },
  results = 'tlsrpt or nil; an error or nil; findings',
  returns = { { 'tlsrpt', 'tlsrpt', optional = true }, { 'error', 'err', optional = true }, { 'findings', 'findings' } },
  errors = 'returns record-none, record-several (of a list), tlsrpt-syntax, no-memory; raises: an argument of a wrong type, too many '
    .. 'records',
  source = 'RFC 8460 3',
}
fn {
  name = 'parse_report', signature = 'parse_report(bytes[, opts])',
  text = 'Reads a TLS report that somebody sent: JSON, or that in gzip form. What cannot be misread is taken, be it ever so '
    .. 'incomplete, and each departure from the RFC is told. The text has at most 64 MiB, and '
    .. 'beyond 1 MiB at most 200 times the size of its gzip form.',
  args = {
    { 'bytes', 'string', 'as they came' },
    { 'opts.strict', 'boolean', 'true: refuses what breaks a rule of the RFC; default: forgives what cannot be misread' },
  },
  results = 'report or nil; an error or nil; findings',
  returns = { { 'report', 'report', optional = true }, { 'error', 'err', optional = true }, { 'findings', 'findings' } },
  errors = 'returns report-*, no-memory; raises: ' .. OPTION,
  source = 'RFC 8460 4.4',
}
fn {
  name = 'parse_destination', signature = 'parse_destination(text)',
  text = 'Normalises a destination: A-labels, lower case, no trailing dot.',
  args = { { 'text', 'string', 'a destination as mail servers write it: ' .. DESTINATION .. ', an address literal' } },
  results = 'destination, or nil and an error', returns = { { 'destination', 'destination' } }, fails = true,
  errors = 'returns name-empty, name-syntax, name-long, no-memory; raises: an argument of a wrong type',
  source = 'RFC 8461 3.4',
}
fn {
  name = 'mx_matches', signature = 'mx_matches(pattern, host)',
  text = 'Does a host match a pattern of a policy? "*." stands for exactly one label.',
  args = { { 'pattern', 'string', 'A-labels; one with U-labels never matches' }, { 'host', 'string', 'name of an MX host' } },
  results = 'boolean', returns = { { 'boolean', 'matches' } },
  errors = 'raises: an argument of a wrong type, a zero byte in a name',
  source = 'RFC 8461 4.1',
}

group = 'Sessions'

fn {
  name = 'record_session', signature = 'record_session{domain = ..., type = ..., ...}', context = OUTSIDE,
  text = 'Counts one session with a mail host, for TLS reporting: adds one to the counter of today (UTC) for sessions like this one, in '
    .. 'the store. Exact, however many programs count. If the type is "sts", the text of the policy is that of the domain in the store. '
    .. 'Of a session that went well only domain, policy and mx are kept. "mtasts store sessions" shows the counters.',
  args = {
    { 'session.domain', 'string', 'the destination, as mail servers write it', optional = false },
    { 'session.type', 'string', 'which policy applied: "sts", "tlsa" or "no-policy-found" (default)',
      choices = { 'sts', 'tlsa', 'no-policy-found' } },
    { 'session.result', 'string', 'the code of the error that ended it, one with a result_type ("cert-expired"); nil: it went well',
      editor = 'mtasts.code' },
    { 'session.mx', 'string', 'name of the MX host' },
    { 'session.address', 'string', 'IP address of the MX host' },
    { 'session.source', 'string', 'our IP address' },
    { 'session.helo', 'string', 'what the MX host calls itself in its greeting; its first 255 bytes are kept' },
    { 'session.reason', 'string', 'more on the failure, one line; its first 159 bytes are kept' },
  },
  results = 'true, or nil and an error', returns = { { 'boolean', 'counted' } }, fails = true,
  errors = 'returns name-*, argument (an error without result_type), store-* (store-none: the setting store is "none"), no-memory; '
    .. 'raises: no table, no domain, an unknown field, a field of a wrong type, an unknown type of policy, a code that is none',
  source = 'RFC 8460 4.3, 4.4',
}

group = 'Rules'

fn {
  name = 'on', signature = "on('policy' | 'verdict' | 'alarm' | 'session', fn)",
  text = 'Adds a rule. Rules are asked in the order they were added and the first opinion wins; none can be taken back. '
    .. 'A rule that fails, runs more than 50 million instructions or takes more than 64 MB of memory in one call is logged with a '
    .. 'traceback and counts as no opinion.',
  args = {
    { 'kind', 'string', 'the hook: "policy", "verdict", "alarm" or "session"',
      choices = { 'policy', 'verdict', 'alarm', 'session' } },
    { 'fn', 'function', 'the rule; what it gets and returns depends on the hook' },
  },
  results = 'nothing',
  errors = 'raises: an unknown kind' .. NEAREST .. ', no function',
}
fn {
  name = 'treat_as', signature = 'treat_as(mode, reason[, until])',
  text = 'An opinion, to be returned by a rule: treat the domain as if its policy had this mode. Past its end it no longer counts and the '
    .. 'log says so; an end in the past is no error. "enforce" for a domain without a policy has no patterns: every MX is permitted, and '
    .. 'delivery still requires verified TLS.',
  args = {
    { 'mode', 'string', '"none", "testing" or "enforce"', choices = { 'none', 'testing', 'enforce' } },
    { 'reason', 'string', 'for who reads the log; its first 159 bytes are kept' },
    { 'until', 'string or integer, Unix seconds', 'as a string "YYYY-MM-DD", a day, which counts to its end in UTC; default: open end',
      optional = true },
  },
  results = 'an opinion', returns = { { 'opinion', 'opinion' } },
  errors = 'raises: an unknown mode, no reason, an end that is no day and no time',
}

fn {
  name = 'exception', signature = 'exception{domain = ..., mode = ..., reason = ..., until_ = ...}',
  text = 'Declares in a file of rules what mtasts.treat_as would say for these domains: a rule "policy" that is asked in its turn. When '
    .. 'it is over it no longer counts, and the log says so, once. "mtasts store list --exceptions" lists them.',
  args = {
    { 'told.domain', 'string or list of strings', 'the domains; "*.a.test" stands for names with one label more', optional = false },
    { 'told.mode', 'string', '"none", "testing" or "enforce"', choices = { 'none', 'testing', 'enforce' }, optional = false },
    { 'told.reason', 'string', 'for who reads the log; its first 159 bytes are kept', optional = false },
    { 'told.until_', 'string or integer, Unix seconds',
      'as a string "YYYY-MM-DD", a day, which counts to its end in UTC; default: open end' },
  },
  results = 'nothing',
  errors = 'raises: no domain, an unknown mode or field' .. NEAREST .. ', no reason, an end that is no day and no time',
}

group = 'Worlds that are told'

fn {
  name = 'fake', signature = 'fake{dns = ..., https = ..., smtp = ..., now = ...}', context = FIRST .. '; for tests of rules',
  text = 'From here on lookups happen in a world that is told, with its own clock and without a store, until world:close(). Keep the world '
    .. 'in a variable: one that nobody holds is closed. What is not told does not exist. Time stands still but for waiting. Mail '
    .. 'servers are not served with rules that leave one open. What tls is, of a host of https or smtp: {protocol = "TLSv1.3", cipher =, '
    .. 'error = code of verification ("cert-expired"), chain = {certificate, ...}}, a certificate {subject =, issuer =, names = {name, '
    .. '...}, not_before =, not_after = Unix seconds, key = "RSA"|"EC"|"ED25519", key_bits =, curve = "P-256", signature = '
    .. '"sha256WithRSAEncryption", self_issued =, fingerprint =, spki =}; no_sni: what verification says, or "tls-handshake", '
    .. 'when the host is not named. What of this is not told is as it should be, with 60 days left.',
  args = {
    { 'told.dns', 'table', '["NAME TYPE"] = {record, ..., ttl = seconds, dnssec = "secure"|"insecure"|"unknown", delay_ms = number, '
      .. 'error = code}, or a code ("servfail"), or {} for no record; types A, AAAA, MX, TXT, TLSA, CNAME (one name)',
      editor = 'table<string, string|table>' },
    { 'told.https', 'table', '[HOST] = body, or a code ("https-cert-name"), or {status =, type =, body =, delay_ms =, error =, headers = '
      .. '{[NAME] = value}, tls =, no_sni = code, by_address =, by_path =, by_agent =}; the last three are tables of such values, for who '
      .. 'asks at one address ("192.0.2.1"), for another path than that of the policy ("/mta-sts.txt") or with one user agent',
      editor = 'table<string, string|table>' },
    { 'told.smtp', 'table', '[HOST] = "ok", or a code ("cert-expired"), or {error =, delay_ms =, banner = line, banner_code =, ehlo = '
      .. '{line, ...} without codes, ehlo_code =, starttls_code =, tls =, no_sni = code, old_tls = true (speaks TLS 1.1, too), inject = '
      .. 'true (obeys what stands in plain text behind STARTTLS), by_address =}', editor = 'table<string, string|table>' },
    { 'told.now', 'string or integer, Unix seconds', 'where its clock begins, as a string "YYYY-MM-DDThh:mm:ssZ"; default: now' },
  },
  results = 'a world; its field now is its time in Unix seconds', returns = { { 'world', 'world' } },
  errors = 'raises: an unknown part' .. NEAREST .. ' or field, what cannot be read, a world that is open already; too late: '
    .. 'the rules are loaded',
}

local AS_TOLD <const> = 'string or table'
method {
  name = 'dns', signature = 'world:dns(key, value)', text = 'Tells one question of DNS anew.',
  args = { { 'key', 'string', '"NAME TYPE"' }, { 'value', AS_TOLD, 'what DNS says from now on, as in fake' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'https', signature = 'world:https(host, value)', text = 'Tells anew what a policy host answers.',
  args = { { 'host', 'string', 'name of the policy host' }, { 'value', AS_TOLD, 'what it answers from now on, as in fake' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'smtp', signature = 'world:smtp(host, value)', text = 'Tells anew what a mail host answers to a probe.',
  args = { { 'host', 'string', 'name of the mail host' }, { 'value', AS_TOLD, 'what it answers from now on, as in fake' } },
  results = 'nothing', errors = 'raises: what cannot be read',
}
method {
  name = 'count', signature = 'world:count(what)', text = 'How often something was asked for since the world was made.',
  args = { { 'what', 'string', '"TXT NAME", "MX NAME", ... (a type of DNS), "GET HOST", "SMTP HOST"; "GET", "SMTP": all of them; "DNS": '
    .. 'all questions of DNS' } },
  results = 'integer', returns = { { 'integer', 'count' } }, errors = 'raises: anything else',
}
method {
  name = 'advance', signature = 'world:advance(seconds)', text = 'Lets time pass.',
  args = { { 'seconds', 'number, seconds', 'not negative' } },
  results = 'nothing', errors = 'raises: no number, a negative one',
}
method {
  name = 'close', signature = 'world:close()',
  text = 'Ends the told world; the real one and the settings from before it are in force again. What is under way ends as cancelled. '
    .. 'Twice is fine. A variable that is declared <close> does it by itself.',
  results = 'nothing',
}
world[#world].context, world[#world].errors = OUTSIDE, nil

return { functions = functions, world = world }
