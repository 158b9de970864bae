-- SPDX-License-Identifier: ISC
-- mtasts.api: what rules are asked and may say. Hooks of mtasts.on, and the modules 'mtasts.osmtpd' and 'mtasts.exim'. Keys: api.lua.
local RULE <const> = 'a rule has a coroutine of its own, and its lookup waits with it'

local hooks = {
  {
    name = 'policy', signature = 'fn(answer) -> opinion or nil', may_wait = true, yields = true, context = RULE,
    text = 'Asked when it is known which policy applies, before the MX hosts are looked at: action and hosts are not known yet. '
      .. 'nil: no opinion.',
    args = { { 'answer', 'answer', 'so far' } },
    results = 'what mtasts.treat_as returns, or nil', returns = { { 'opinion', 'opinion', optional = true } },
  },
  {
    name = 'verdict', signature = 'fn(answer) -> opinion or nil', may_wait = true, yields = true, context = RULE,
    text = 'Asked when the whole answer is known and no rule "policy" had an opinion. nil: no opinion.',
    args = { { 'answer', 'answer', 'as it would be returned' } },
    results = 'what mtasts.treat_as returns, or nil', returns = { { 'opinion', 'opinion', optional = true } },
  },
  {
    name = 'alarm', signature = 'fn(domain, info)', source = 'RFC 8461 10.2', may_wait = true, yields = true,
    context = 'it has a coroutine of its own, and nobody waits for it',
    text = 'Told when the refresh of a policy that applies keeps failing, well before it expires, once a day for a domain.',
    args = { { 'domain', 'string', 'the policy domain' }, { 'info', 'alarm', 'until when, since when, and why' } },
    results = 'nothing that counts',
  },
  {
    name = 'session', signature = 'fn(session)', source = 'RFC 8460 4.3', may_wait = true, yields = true,
    context = 'it has a coroutine of its own, and nobody waits for it',
    text = 'Told of each session with a mail host after it was counted in the store: by filter-mtasts, by the module for Exim, or by '
      .. 'mtasts.record_session in this program, but not of what such a hook records itself.',
    args = { { 'session', 'counted', 'how it went' } },
    results = 'nothing that counts',
  },
}

-- ---- the module 'mtasts.osmtpd' ----

local SMTPD <const> = "in rules; in programs other than filter-mtasts the hooks are never asked"
local PHASES <const> = { 'connect', 'helo', 'ehlo', 'mail-from', 'rcpt-to', 'data', 'commit', 'quit' }
local REFUSAL <const> = {
  { 'code', 'integer', 'reply code, 400 to 599 (RFC 5321 4.2)' },
  { 'status', 'string', 'enhanced status of the same class, "5.7.1" (RFC 3463)' },
  { 'text', 'string', 'for the sender; what is not printable ASCII is written as \\xNN, and at most 490 bytes are sent' },
}
local DECISION <const> = { { 'decision', 'decision' } }

local osmtpd = {
  {
    name = 'on', signature = 'on(phase, fn)', context = SMTPD .. '; only while the rules are loaded',
    text = "Adds a hook to a phase of the sessions of smtpd's clients. It is called as fn(session, value) and returns a decision, or nil: "
      .. 'no opinion. Hooks are asked in the order they were added and the first decision wins; without one smtpd proceeds. A hook may '
      .. 'wait for lookups and probes: its session waits with it, others go on, and after mail_deadline_ms it is ended and smtpd '
      .. 'proceeds. One that fails, runs more than 50 million instructions or takes more than 64 MB of memory is logged with a '
      .. 'traceback and counts as no opinion.',
    args = {
      { 'phase', 'string', '"connect" (value: the client\'s address), "helo", "ehlo" (the name it gives), "mail-from" (the sender, "" '
        .. 'is the empty one), "rcpt-to" (the recipient), "data", "commit", "quit" (nil)', choices = PHASES },
      { 'fn', 'function', 'the hook', editor = 'fun(session: mtasts.session, value: string?): mtasts.decision?' },
    },
    results = 'nothing',
    errors = 'raises: an unknown phase (the nearest known one is named), no function, rules that are loaded already',
    source = 'smtpd-filters(7)',
  },
  {
    name = 'proceed', signature = 'proceed()', context = SMTPD,
    text = 'A decision: go on, and ask no further hook.', results = 'a decision', returns = DECISION,
  },
  {
    name = 'junk', signature = 'junk()', context = SMTPD,
    text = 'A decision: go on, and mark the message as junk (smtpd adds "X-Spam: yes").', results = 'a decision', returns = DECISION,
  },
  {
    name = 'reject', signature = 'reject(code, status, text)', context = SMTPD, args = REFUSAL,
    text = 'A decision: refuse this command.', results = 'a decision', returns = DECISION,
    errors = 'raises: a code that refuses nothing, a status of another class, no text',
  },
  {
    name = 'disconnect', signature = 'disconnect(code, status, text)', context = SMTPD, args = REFUSAL,
    text = 'A decision: refuse this command and close the session.', results = 'a decision', returns = DECISION,
    errors = 'raises: a code that refuses nothing, a status of another class, no text',
  },
}

-- ---- the module 'mtasts.exim' ----

local EXIM <const> = 'in rules; in programs other than Exim the functions are never called'

local exim = {
  {
    name = 'provide', signature = 'provide(name, fn)', context = EXIM,
    text = "Makes a function known to Exim's expansions: ${dlfunc{FILE}{mtasts_call}{NAME}{ARGUMENT}...} calls fn(argument, ...) with at "
      .. 'most six strings. They come from mail and may hold anything. Each call has a process and a Lua state of its own, in which the '
      .. 'rules are loaded anew: nothing is kept from one call to the next. It may wait for lookups and probes, mail_deadline_ms in all. '
      .. 'What it returns is the expansion: a string of at most 65536 bytes; a number or boolean as a text; nil is the empty text; nil and '
      .. 'an error, or what exim.defer returns, make the expansion fail. So does a function that raises an error, runs more than 50 '
      .. 'million instructions, takes more than 64 MB of memory or kills its process; the log then says why. A text that repeats an '
      .. 'argument which is no plain domain name is tainted, as the argument is.',
    args = {
      { 'name', 'string', 'letters, digits, _ . and -, beginning with a letter or _' },
      { 'fn', 'function', 'fn(argument, ...) -> result',
        editor = 'fun(...: string): string|number|boolean|mtasts.deferral|nil, mtasts.error|string|nil' },
    },
    results = 'nothing', errors = 'raises: another name, no function, a name that is provided already',
    source = "Exim's manual, string expansions, dlfunc",
  },
  {
    name = 'defer', signature = 'defer(text)', context = EXIM,
    text = 'What a provided function returns to make the expansion fail: in address_data, the data of a router or an ACL mail is then '
      .. 'deferred, with this text in the log. Other options of Exim do not defer when their expansion fails; a router with such a '
      .. 'condition is skipped. See exim-mtasts(8).',
    args = { { 'text', 'string', 'why; what is not printable ASCII is written as \\xNN' } },
    results = 'a deferral, to be returned', returns = { { 'deferral', 'deferral' } }, errors = 'raises: no text',
  },
}

return { hooks = hooks, osmtpd = osmtpd, exim = exim }
