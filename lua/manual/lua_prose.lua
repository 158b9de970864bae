-- SPDX-License-Identifier: ISC
-- mtasts-lua(3): what no table of functions tells.
local prose = {}

function prose.description(page)
  page:text [[These modules for Lua 5.4 look mail domains up, probe mail hosts, read records and policies, and let rules of yours
    decide. They are there in scripts that are run with mtasts run, in rules, and in a stock lua5.4, which finds them where they were
    installed.]]
  page:paragraph()
  page:text [[A function that may fail for reasons that lie outside returns nil and an error, a table: assert(mtasts.lookup(domain))
    is enough for a script. A wrong argument raises an error, for it is the caller's to correct; so does an option that is not known.
    Times of day are Unix seconds, and units stand in names (_ms) or below.]]
  page:paragraph()
  page:text [[In a stock lua5.4 all settings have their defaults, and no file of settings is read: mtasts.configure changes them. The
    settings of mtasts run come from its options; rules get those of the program that asks them.]]
end

function prose.budgets(page)
  page:section 'BUDGETS, WAITING, AND RULES THAT FAIL'
  page:part 'Waiting'
  page:text [[A function that may wait looks the same everywhere: it returns when it has its result. Called by a rule, or by a
    function that mtasts.all was given, it lets others go on meanwhile. Elsewhere, as in the main part of a script, it runs what is
    under way itself until the result is there.]]
  page:paragraph()
  page:text [[In filter-mtasts and table-mtasts only the rule itself may wait, once the rules are loaded. A coroutine that the rule
    made may not, nor a function that Lua calls back, as table.sort and string.gsub do: there it raises an error. pcall is no
    obstacle. coroutine.yield has nobody to yield to in a rule, and ends it.]]
  page:paragraph()
  page:text [[How long a rule may wait depends on who asks. In a lookup nothing ends it: each lookup and probe that it waits for has a
    deadline of its own. In filter-mtasts a hook is ended after mail_deadline_ms, and smtpd proceeds. A function for Exim is ended
    after mail_deadline_ms, and the expansion fails.]]
  page:part 'Budgets'
  page:text [[The rules of one hook that are asked in one go may run 50 million instructions, about a second, and take 64 MB of memory
    more than before. Who takes more is stopped, and pcall does not help: each further instruction fails. What waits costs nothing.
    Functions that a rule gives to mtasts.all, and coroutines that it makes, share its budget. So does a finalizer (__gc) that runs
    meanwhile, if its metatable had it when setmetatable was called; at other times it has a budget of its own.
    In filter-mtasts the first moment of a hook, 10 to 20 ms, is not counted, unless the rules load a module that is written in C.
    While filter-mtasts, table-mtasts or mtasts serve loads a file of rules, the file may run as many instructions. There is no budget
    for scripts, nor while a command or Exim's module loads a file. The Lua state of a program of mtasts itself takes at most 512
    MB in all.]]
  page:paragraph()
  page:text [[Functions of Lua that loop by themselves take from the same budget: a pattern of string.find, match, gmatch or gsub as
    many instructions as it takes steps on this text, table.concat, insert, move, remove and sort one for each element, and load eight
    for each byte of source. Whatever else takes long in the processor is counted as well: five seconds are a whole budget. So any
    pattern may be used on what comes from mail, and one that would run for hours is not even begun.]]
  page:part 'Rules that fail'
  page:text [[A rule fails when it raises an error, when it returns what is no opinion or decision, or when it is stopped. It then
    counts as no opinion: mail goes on as without it. The log has a line at level error, with file, line and traceback, for each place
    in the files of rules once a minute: the next line tells how many were held back. The next rule of the hook is asked, unless this
    one was stopped. A rule "alarm" and a finalizer are logged likewise. A function for Exim that fails makes the expansion fail, and
    since each call has a process of its own each failure is logged.]]
  page:paragraph()
  page:text [[A file of rules that cannot be loaded stops filter-mtasts and table-mtasts at their start, and ends a command with exit
    code 64. Exim's module logs it and looks up without rules; mtasts_call fails.]]
  page:part 'What rules cannot do'
  page:text [[Rules run with the rights of their program and may open files. These functions raise an error in rules, in all programs,
    until the setting rules_allow of mtasts(1) names the word:]]
  page:raw '.Bl -tag -width "execute"'
  page:raw '.It execute'
  page:text 'os.execute'
  page:raw '.It popen'
  page:text 'io.popen'
  page:raw '.It loadlib'
  page:text 'package.loadlib'
  page:raw '.It debug'
  page:text [[The library debug, but debug.traceback, which is always there; and binary chunks for load. Who has debug can reach all else,
    too.]]
  page:raw '.It all'
  page:text 'All of these.'
  page:raw '.El'
  page:paragraph()
  page:text [[os.exit is never there in programs that a mail server starts. Rules have a table of globals and loaded modules of their
    own, and modules that they require see the same. Modules written in C may be required, as Debian has them: their code can do what it
    likes, so rules_allow says nothing about them. Scripts that are run with mtasts run keep everything, and so does what is typed into
    mtasts repl.]]
end

function prose.files(page)
  page:section 'FILES'
  page:raw '.Bl -tag -width Ds'
  page:raw '.It Pa /usr/local/share/lua/5.4/mtasts.lua , mtasts/'
  page:text 'The modules; below another prefix likewise. mtasts.api holds the table of which this page is made.'
  page:raw '.It Pa /usr/local/share/mtasts/library'
  page:text [[Definitions for editors (LuaCATS). With lua-language-server, put this into the file .luarc.json of a folder with rules:]]
  page:code '{ "runtime.version": "Lua 5.4", "workspace.library": ["/usr/local/share/mtasts/library"] }\n'
  page:raw '.El'
end

function prose.ending(page)
  page:section 'SEE ALSO'
  page:see('lua', 1, ',')
  page:see('mtasts', 1, ',')
  page:see('mtasts-errors', 7, ',')
  page:see('exim-mtasts', 8, ',')
  page:see('filter-mtasts', 8, ',')
  page:see('table-mtasts', 8)
  page:section 'STANDARDS'
  page:text 'RFC 8461 (MTA-STS), RFC 8460 (TLS reporting), RFC 7672 (DANE for SMTP).'
  page:section 'CAVEATS'
  page:text [[A rule cannot be taken back, and a file of rules is read once: start the mail server anew after a change. Exim's
    processes read it each time.]]
  page:paragraph()
  page:text [[What stands in answers, and what hooks and functions are given, comes from DNS, from web servers or from mail, and may
    be anybody's: hand it to no shell.]]
end

return prose
