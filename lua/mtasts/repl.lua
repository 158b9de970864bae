-- SPDX-License-Identifier: ISC
-- mtasts repl: Lua, line by line, for people at a terminal and for scripts.
local commands = require 'mtasts.repl_commands'
local core = require 'mtasts.core'
local errors = require 'mtasts.repl_errors'
local help = require 'mtasts.repl_help'
local input = require 'mtasts.repl_input'
local show = require 'mtasts.repl_print'
local text = require 'mtasts.text'

-- Rules are loaded here, so that they can be loaded anew.
local repl = { uses = 'own rules' }

local SLOW_MS <const> = 10
local WIDTH <const> = 80

function repl.options(command)
  command:option('-e --eval', 'Show this and end; may be repeated.'):argname 'EXPR':count '*'
end

-- ---- the session: what the commands change ----

local function new_session(args)
  local session = { trace = false, time = false, over = false, json = args.json, terminal = false, domains = {}, hosts = {} }
  function session.width() return math.max(20, session.terminal and core.terminal_width() or WIDTH) end
  function session.say(words) io.stdout:write(words, '\n') end
  -- What went wrong, in lines; what the user sees on the terminal comes in order.
  function session.complain(words)
    io.stdout:flush()
    io.stderr:write(session.terminal and text.paint('bad', 'error: ') or 'mtasts: ', show.clean(words), '\n')
  end
  function session.help(name)
    local words, found = help.text(name, session.width())
    if found then session.say(words) else session.complain(words) end
    return found
  end
  return session
end

-- Remembers which world is open, so that it stays open, and what it was told.
local function watch_worlds(session)
  local handle, told = nil, {}
  local open, close, dns = core.fake_open, core.fake_close, core.fake_dns
  function core.fake_open(now)
    local opened = open(now)
    handle, told = opened, {}
    return opened
  end
  function core.fake_close(closed)
    if closed == handle then handle = nil end
    return close(closed)
  end
  function core.fake_dns(world, name, kind, ...)
    local domain = kind == 'TXT' and name:match '^_mta%-sts%.(.+)$' or kind == 'MX' and name
    if domain then told[domain:lower()] = true end
    return dns(world, name, kind, ...)
  end
  function session.in_world() return handle ~= nil end
  function session.leave_world()
    local was = handle
    if was then core.fake_close(was) end
    return was ~= nil
  end
  function session.told_domains()
    local domains = {}
    for domain in pairs(handle and told or {}) do domains[#domains + 1] = domain end
    table.sort(domains)
    return domains
  end
end

-- Lookups, once more with their steps; those of rules and of mtasts.all, too.
local function watch_lookups(session)
  local lookup = core.lookup
  local function note(answer)
    session.domains[answer.domain] = true
    for _, host in ipairs(answer.hosts) do session.hosts[host.name] = true end
  end
  session.note = note
  local function traced(...)
    local results = table.pack(pcall(lookup, ...))
    if not results[1] then error(results[2], 2) end
    local answer = results[2]
    if answer and #answer.trace > 0 then
      session.say(text.paint('dim', 'steps of ' .. answer.domain .. ':'))
      session.say(require('mtasts.lookup').steps(answer, session.width()))
    end
    return table.unpack(results, 2, results.n)
  end
  function session.trace_lookups(on)
    core.lookup = on and traced or lookup
    require('mtasts').lookup = core.lookup
  end
end

-- ---- one chunk ----

local function show_results(session, results, form)
  local first, second = results[1], results[2]
  if show.kind(first) == 'answer' then session.note(first) end
  if form == 'json' or session.json and form == nil then
    session.say(show.json(results))
  elseif form == 'fields' then
    for i = 1, results.n do session.say(show.fields(results[i], session.width())) end
  else
    session.say(show.results(results, session.width()))
  end
  if first == nil and show.is_error(second) then first = second end
  _G._ = first
end

local function tell_time(session, took)
  if session.time or session.terminal and took > SLOW_MS then session.say(text.paint('dim', ('(%d ms)'):format(took))) end
end

-- Runs and shows. Returns whether it went well.
local function evaluate(session, chunk, form)
  local began = core.elapsed()
  local results = table.pack(core.guarded(chunk, errors.handler(chunk)))
  local took = core.elapsed() - began
  local stopped, ok, why = results[1], results[2], results[3]
  if stopped then session.say '' end -- the terminal has written ^C
  if ok and results.n > 2 then
    local count = results.n - 2
    results = table.move(results, 3, results.n, 1, { n = count })
    stopped, ok, why = core.guarded(show_results, errors.handler(show_results), session, results, form)
    if not ok then why = 'it cannot be shown: ' .. why end
  end
  if not ok then session.complain(stopped and 'stopped' or why) end
  tell_time(session, took)
  io.stdout:flush()
  return ok, why
end

local function hint(session, words)
  if words and session.terminal then session.say(text.paint('dim', (text.wrap('(' .. words .. ')', ' ', session.width())))) end
end

-- A whole piece of input, a command or a chunk. Returns whether it went well; nil: it goes on in the next line.
local function take(session, piece, name, line)
  local command, argument = input.command(piece)
  if command then return commands.run(session, command, argument) end
  local topic = piece:match '^%s*help%s+([%a_][%w_.:]*)%s*$' -- which is no Lua
  if topic then return session.help(topic) end
  local chunk, form, why = input.compile(piece, name, line)
  if form == 'incomplete' then return nil, why end
  local ok = false
  if chunk then ok, why = evaluate(session, chunk, form) else session.complain(why) end
  hint(session, errors.hint(piece, not ok and why or nil))
  return ok
end

-- ---- from a file or pipe ----

local function run_lines(session, name, lines)
  local number, from, piece, good = 0, 1, nil, true
  local why
  for line in lines do
    number = number + 1
    if number == 1 and line:sub(1, 1) == '#' then line = '' end
    if not piece then from = number end
    piece = piece and piece .. '\n' .. line or line
    local ok
    ok, why = take(session, piece, name, from)
    if ok ~= nil then piece = nil end
    good = good and ok ~= false
    if session.over then return good end
  end
  if piece then session.complain(why) end
  return good and not piece
end

-- ---- at a terminal ----

local function banner(session)
  local stats, err = core.store_stats()
  local store = stats and ('%s (%d domain%s)'):format(text.clean(stats.file), stats.domains, stats.domains == 1 and '' or 's')
    or err.code == 'store-none' and 'none, memory only' or 'none: ' .. text.problem(err)
  local width = session.width()
  session.say(text.paint('bold', 'mtasts ' .. core.version) .. ', ' .. _VERSION)
  session.say((text.wrap('  store  ' .. store, '         ', width)))
  session.say((text.wrap('  rules  ' .. commands.rules_in_words(), '         ', width)))
  local tries = {
    { "mtasts.lookup 'gmail.com'", 'what a sender does now, and why' }, { "help 'lookup'", 'or help() for all there is; TAB completes' },
    { ':help', 'commands such as :trace on; Ctrl-D leaves' },
  }
  session.say 'Try:'
  for _, try in ipairs(tries) do
    if width >= 76 then session.say(('  %-28s %s'):format(try[1], try[2])) else session.say('  ' .. try[1]) end
  end
end

-- print, without what a terminal would obey.
local function print_cleanly(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  io.stdout:write(show.clean(table.concat(words, '  ')), '\n')
end

local told_of_locals = false

local function explain_local(session, piece)
  if told_of_locals or not piece:find '^%s*local%s' or piece:find '[\n;]' then return end
  told_of_locals = true
  hint(session, 'a local ends with its line; without "local" it stays')
end

local function run_terminal(session)
  local terminal = require('mtasts.repl_terminal').open(session)
  banner(session)
  local number, from, piece = 0, 1, nil
  while not session.over do
    local prompt = piece and (' '):rep(session.in_world() and 4 or 5) .. '>> ' or session.in_world() and 'world> ' or 'mtasts> '
    local line, why = terminal.read(prompt)
    if line then
      number = number + 1
      if not piece then from = number end
      piece = piece and piece .. '\n' .. line or line
      local whole = piece
      if not piece:find '%S' or take(session, piece, 'stdin', from) ~= nil then piece = nil end
      if not piece then
        terminal.remember(whole)
        explain_local(session, whole)
      end
    elseif why == 'stopped' then
      piece = nil
    else
      session.say ''
      session.over = true
    end
  end
  terminal.close()
end

-- ---- the command ----

local function prepare(session, cli)
  commands.path = package.path
  watch_worlds(session)
  watch_lookups(session)
  _G.mtasts = require 'mtasts'
  function _G.help(name)
    if name ~= nil and type(name) ~= 'string' then name = help.name_of(name) or type(name) end
    session.help(name)
  end
  local ok, trace = commands.load_rules()
  if not ok then cli.refuse_rules(trace) end
end

function repl.main(args, cli)
  local session = new_session(args)
  prepare(session, cli)
  local chunks = args.eval or {}
  local good = true
  if #chunks > 0 then
    for _, chunk in ipairs(chunks) do
      local ok, why = take(session, chunk, '-e', 1)
      if ok == nil then session.complain(why) end
      good = good and ok == true
      if session.over then break end
    end
  elseif core.is_terminal(0) and core.is_terminal(1) then
    session.terminal = true
    _G.print = print_cleanly
    core.heed_interrupts()
    run_terminal(session)
  else
    good = run_lines(session, 'stdin', io.lines())
  end
  return good and cli.exit.good or cli.exit.warnings
end

return repl
