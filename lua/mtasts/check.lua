-- SPDX-License-Identifier: ISC
-- mtasts check DOMAIN...
local core = require 'mtasts.core'
local dns = require 'mtasts.check_dns'
local run = require 'mtasts.check_run'
local text = require 'mtasts.text'

local check = {}

local AT_ONCE <const> = 8
local FILE_MAX <const> = 1 << 22

local fail_levels <const> = { 'error', 'unknown', 'warn', 'info', 'never' }

function check.options(command)
  command:argument('domains', 'Domains, or destinations as mail servers write them.'):argname 'DOMAIN':args '*'
  command:option('-f --file', 'Domains of this file too, one a line; - for standard input.'):argname 'FILE':count '*'
  command:option('--only', 'Only these checks or groups.'):argname 'IDS':count '*'
  command:option('--skip', 'Not these checks or groups.'):argname 'IDS':count '*'
  command:mutex(command:flag('-4', 'IPv4 only.'):target 'four', command:flag('-6', 'IPv6 only.'):target 'six')
  command:flag('--no-smtp', 'Do not speak to mail hosts.')
  command:flag('--inject', 'Also try whether mail hosts obey what is sent before TLS.')
  command:option('--known-id', 'The id from before the policy was changed.'):argname 'ID'
  command:option('--timeout', 'Longest wait for one server, in seconds.'):argname 'S':convert(tonumber)
  command:option('--fail-on', 'From what on the exit code is not 0: error, unknown, warn, info, never.'):argname 'LEVEL'
  command:mutex(command:flag('--nagios', 'One line for a monitoring plugin.'),
    command:flag('--prometheus', 'Metrics in text, for node_exporter.'), command:flag('--list', 'Show all checks, and end.'))
end

-- The domains of a file: one a line, what stands behind # is a comment.
local function read_file(name, domains, cli)
  local file, why = io.stdin, nil
  if name ~= '-' then file, why = io.open(name, 'rb') end
  if not file then cli.refuse('%s', why) end
  local content, problem = file:read(FILE_MAX + 1)
  if name ~= '-' then file:close() end
  if problem then cli.refuse('%s: %s', name, problem) end
  content = content or ''
  if #content > FILE_MAX then cli.refuse('%s: longer than %d bytes, which is the limit here', name, FILE_MAX) end
  for line in content:gmatch '[^\r\n]+' do
    local domain = line:gsub('#.*', ''):match '^%s*(.-)%s*$'
    if domain ~= '' then domains[#domains + 1] = domain end
  end
end

local function all_domains(args, cli)
  local domains = { table.unpack(args.domains) }
  for _, name in ipairs(args.file or {}) do read_file(name, domains, cli) end
  if #domains == 0 then cli.refuse 'check: which domain? Try: mtasts check --help' end
  return domains
end

-- One line that is written over, on a terminal alone.
local function progress_of(args)
  local shown = core.is_terminal(2) and not args.quiet
  local line = { done = 0, begun = 0 }
  function line.clear()
    if shown and line.written then io.stderr:write '\r\27[K' end
    line.written = nil
  end
  -- For one domain: its numbers are added to those of the others.
  function line.of()
    local done, begun = 0, 0
    return function(now_done, now_begun)
      line.done, line.begun = line.done + now_done - done, line.begun + now_begun - begun
      done, begun = now_done, now_begun
      if not shown then return end
      io.stderr:write(('\r\27[K%d of %d answers'):format(line.done, line.begun))
      io.stderr:flush()
      line.written = true
    end
  end
  return line
end

local worst_first <const> = { 'error', 'unknown', 'warn', 'info' }

-- What is worst, if it counts; nil: nothing does.
local function worst_of(result, from)
  local limit = #worst_first
  for i, severity in ipairs(fail_levels) do
    if severity == from then limit = from == 'never' and 0 or i end
  end
  for i = 1, limit do
    if result.counts[worst_first[i]] > 0 then return worst_first[i] end
  end
end

function check.code_of(result, seen, from, exit)
  local worst = worst_of(result, from)
  if worst == 'error' then return exit.errors end
  if worst == 'unknown' then return exit.unknown end
  if from == 'never' then return exit.good end
  if not result.present and (not seen.txt.error or dns.absent(seen.txt.error)) then return exit.none end
  return worst and exit.warnings or exit.good
end

local function options_of(args, cli)
  local options = { timeout = args.timeout, smtp = not args.no_smtp, family = args.four and 4 or args.six and 6 or nil,
    only = #(args.only or {}) > 0 and args.only or nil, skip = args.skip, known_id = args.known_id, inject = args.inject or nil }
  local ok, checked = pcall(run.options, options)
  if not ok then cli.refuse('--%s', (tostring(checked):match '%((.*)%)$' or tostring(checked):gsub('^.-: ', ''))) end
  return checked
end

local function each_domain(domains, options, progress, show)
  local tasks = {}
  local function start(i)
    if not domains[i] then return end
    local own = {}
    for key, value in pairs(options) do own[key] = value end
    own.progress = progress.of()
    tasks[i] = core.spawn(run.check, domains[i], own)
  end
  for i = 1, AT_ONCE do start(i) end
  for i = 1, #domains do
    local ok, result, err, seen = core.await(tasks[i])
    tasks[i] = nil
    if not ok then error(result, 0) end
    start(i + AT_ONCE)
    progress.clear()
    show(domains[i], result, err, seen)
  end
end

function check.main(args, cli)
  local export = require 'mtasts.check_export'
  if args.list then
    export.list(args.json)
    return cli.exit.good
  end
  if args.json and (args.nagios or args.prometheus) then cli.refuse 'check: choose one of --json, --nagios and --prometheus' end
  local from = args.fail_on or 'warn'
  local known = false
  for _, level in ipairs(fail_levels) do known = known or level == from end
  if not known then
    local near = core.nearest(from, fail_levels)
    cli.refuse("--fail-on %s: error, unknown, warn, info or never%s", from, near and (", did you mean '" .. near .. "'?") or '')
  end
  local options, domains = options_of(args, cli), all_domains(args, cli)
  local printer = args.nagios and export.nagios() or args.prometheus and export.prometheus() or args.json and export.json()
    or require('mtasts.check_print').printer((args.verbose or 0) > 0)
  local worst = cli.exit.good
  each_domain(domains, options, progress_of(args), function(domain, result, err, seen)
    if result then
      worst = cli.worse(worst, check.code_of(result, seen, from, cli.exit))
    else
      worst = cli.worse(worst, cli.exit.usage)
      if not args.nagios and not args.json then
        io.stderr:write(('mtasts: %s: %s\n'):format(text.clean(domain), text.problem(err)))
      end
    end
    printer.add(domain, result, err, seen)
  end)
  return printer.finish and printer.finish(worst, cli.exit) or worst
end

return check
