-- SPDX-License-Identifier: ISC
-- One line for each command, for help.
return {
  lookup = 'What a sender does for a domain now, and why.',
  check = 'Looks for what is wrong with the MTA-STS of a domain, and says how to mend it.',
  probe = 'STARTTLS and certificate of a mail host as a sender sees them.',
  match = 'Does an MX host match patterns of a policy? Exit 0 or 1.',
  parse = 'Judges a record, a policy, a report or a destination.',
  publish = 'Writes the policy, records and web server of your own domain.',
  store = 'Shows and clears what is stored.',
  report = 'TLS reports: shows, judges, merges, writes, sends them.',
  serve = 'Answers Postfix, Exim, scripts and monitoring on sockets.',
  query = 'Asks a running mtasts serve, as lookup asks DNS.',
  setup = 'Prints what a mail server needs in its configuration.',
  exim = 'What Exim is told, for those without dlfunc and for you.',
  replay = 'Plays a recorded session of OpenSMTPD again, with rules.',
  run = 'Runs a Lua script with mtasts.',
  repl = 'Lua, line by line: ask, look, try rules.',
}
