-- SPDX-License-Identifier: ISC
-- mtasts publish DOMAIN: the policy, both records and the web server of a domain that publishes MTA-STS.
local core = require 'mtasts.core'
local files = require 'mtasts.publish_files'
local live = require 'mtasts.publish_live'
local plan = require 'mtasts.publish_plan'
local publish_text = require 'mtasts.publish_text'
local refusal = require 'mtasts.publish_refusal'
local servers = require 'mtasts.publish_servers'
local text = require 'mtasts.text'

local publish = {}

local WIDTH <const> = 80
local POLICY <const> = '.well-known/mta-sts.txt'

function publish.options(command)
  command:argument('domain', 'The mail domain.'):argname 'DOMAIN'
  command:option('--mode', 'testing, enforce or none.'):argname 'MODE':choices { 'testing', 'enforce', 'none' }
  command:option('--max-age', 'How long senders keep the policy: seconds, or 12h, 1d, 2w.'):argname 'AGE'
  command:option('--mx', 'A pattern for MX hosts instead of those in DNS; may be repeated.'):argname 'PATTERN':count '*'
  command:option('--tlsrpt', 'Where reports go: mailto: or https: URIs.'):argname 'URI[,URI]':count '*'
  command:option('--id', 'The id of the record; a fresh one is made.'):argname 'ID'
  command:option('--server', 'Web server: nginx, caddy, apache, all or none.'):argname 'SERVER'
    :choices { 'nginx', 'caddy', 'apache', 'all', 'none' }:default 'all'
  command:option('--output', 'Write files into this folder.'):argname 'DIR'
  command:flag('--force', 'Replace files that are not of mtasts.')
  command:flag('--next', 'Look at what is live and propose the next safe step.')
  command:flag('--leave', 'Propose the next step of the way out of MTA-STS.')
  command:option('--reports', 'For --next: reports of TLS (RFC 8460), or mails with them.'):argname 'FILE|DIR':count '*'
  command:option('--since', 'For --next, --leave: since which day the live policy is served.'):argname 'DATE'
  command:option('--previous-max-age', 'For --leave: the longest max_age that was served before.'):argname 'AGE'
end

-- What is to be published, from what was asked for and what is live. step: see publish_next.lua.
local function make(args, domain, found, output, warn, cli, step)
  local mode = step and step.mode or args.mode or 'testing'
  local made = { domain = domain, mode = mode, tlsrpt = plan.tlsrpt(args, cli) }
  made.max_age = step and step.max_age or args.max_age or plan.usual[mode]
  made.mx = plan.patterns(args, domain, mode, found, warn, step and step.patterns)
  made.id = plan.id(args, found, output and output:ids() or {}, warn, cli)
  plan.remarks(made, warn)
  made.policy = publish_text.policy(made)
  made.records = publish_text.records(made)
  made.zone = publish_text.zone(made)
  return made
end

local function add_servers(made, args)
  local root = args.output and files.c().whole(args.output)
  made.servers = {}
  for _, name in ipairs(servers.chosen(args.server)) do made.servers[name] = servers.snippet(name, made.domain, root) end
end

local function write(output, made)
  local list = {}
  for _, name in ipairs(servers.names) do
    if made.servers[name] then list[#list + 1] = { name = servers.files[name], content = made.servers[name] } end
  end
  list[#list + 1] = { name = made.domain .. '.zone', content = made.zone }
  list[#list + 1] = { name = POLICY, content = made.policy }
  output:write(list, made)
  local names = core.json_array {}
  for i, file in ipairs(list) do names[i] = output.path .. '/' .. file.name end
  return names
end

local function show_pages(made)
  local number = 0
  local function part(words, content)
    io.write('\n', text.wrap(('# %d. %s'):format(number, words), '# ', WIDTH), '\n', content)
  end
  io.write(('# MTA-STS for %s, mode %s, max_age %d (%s)\n'):format(made.domain, made.mode, made.max_age, text.span(made.max_age)))
  number = 1
  part(('The policy, https://mta-sts.%s/%s'):format(made.domain, POLICY), (made.policy:gsub('\r', '')))
  number = next(made.servers) and 2 or 1
  for _, name in ipairs(servers.names) do
    if made.servers[name] then part('The web server that serves it, for ' .. servers.titles[name], made.servers[name]) end
  end
  number = number + 1
  part('The zone', made.zone)
end

local function show_files(made, names)
  print(('%s: mode %s, max_age %d (%s), id %s'):format(made.domain, made.mode, made.max_age, text.span(made.max_age), made.id))
  for _, name in ipairs(names) do print('  written: ' .. text.clean(name)) end
  print('  Have the policy served first, then change the zone:')
  for _, record in ipairs(made.records) do print('    ' .. record.line) end
end

local function show_step(step)
  local function add(head, words) print((text.wrap(head .. text.clean(words), '#   ', WIDTH))) end
  add('# ', step.words)
  for _, why in ipairs(step.why) do add('# - ', why) end
  for _, mend in ipairs(step.mend) do add('# ! ', mend) end
  for _, date in ipairs(step.dates) do add('# ' .. date.day .. ': ', date.what) end
  if step.mode then print '' end
end

local function as_json(domain, made, step, names, warnings)
  local result = { domain = domain, warnings = core.json_array(warnings), step = step and {
    name = step.name, words = step.words, why = core.json_array(step.why), mend = core.json_array(step.mend),
    dates = core.json_array(step.dates), reports = step.reports } }
  for _, key in ipairs { 'mode', 'max_age', 'mx', 'id', 'policy', 'records', 'zone', 'servers' } do result[key] = made and made[key] end
  result.files = names
  return core.json_encode(result)
end

local function check_options(args, cli)
  if args.leave and args.mode then cli.refuse 'publish: --leave knows its mode itself, leave --mode out' end
  if args.leave and args.max_age then cli.refuse 'publish: --leave knows its max_age itself, leave --max-age out' end
  if #args.reports > 0 and not args.next then cli.refuse 'publish: --reports is for --next' end
  if args.since and not (args.next or args.leave) then cli.refuse 'publish: --since is for --next and --leave' end
  if args.next and args.leave then cli.refuse 'publish: --next and --leave are two ways, choose one' end
  if args.previous_max_age and not args.leave then cli.refuse 'publish: --previous-max-age is for --leave' end
  if args.force and not args.output then cli.refuse 'publish: --force is for --output' end
  if args.output == '' then cli.refuse 'publish: --output wants a folder' end
  args.max_age = args.max_age and plan.seconds('--max-age', args.max_age, cli)
  args.previous_max_age = args.previous_max_age and plan.seconds('--previous-max-age', args.previous_max_age, cli)
end

local function run(args, cli, warn, warnings)
  local domain = plan.domain(args.domain, cli)
  plan.tlsrpt(args, cli)
  -- One that is not there yet is made when there is something to write.
  local output = args.output and files.c().whole(args.output) and files.open(args.output, domain, args.force)
  local found = (args.next or args.leave) and live.look(domain, args.next) or live.ask(domain)
  if found.alias then
    warn(('_mta-sts.%s is an alias of %s: whoever has that publishes the policy (RFC 8461 8.2)'):format(domain, found.alias))
  end
  local step
  if args.next or args.leave then
    local decide = require('mtasts.publish_' .. (args.next and 'next' or 'leave'))
    step = decide(args, found, output and output:history() or {}, warn, cli, domain)
  end
  local made = (not step or step.mode) and make(args, domain, found, output, warn, cli, step) or nil
  if made and args.output and not output then output = files.open(args.output, domain, args.force) end
  if made then add_servers(made, args) end
  local names = output and made and write(output, made) or nil
  if output then output:close() end
  if args.json then
    print(as_json(domain, made, step, names, warnings))
  else
    if step then show_step(step) end
    if made then (names and show_files or show_pages)(made, names) end
  end
  return cli.worse(step and step.code or cli.exit.good, #warnings > 0 and cli.exit.warnings or cli.exit.good)
end

function publish.main(args, cli)
  check_options(args, cli)
  local warnings = {}
  local function warn(words)
    warnings[#warnings + 1] = words
    io.stderr:write('mtasts: publish: ', text.clean(words), '\n')
  end
  local ok, result = xpcall(run, function(problem)
    if type(problem) == 'table' then return problem end
    return debug.traceback(problem, 2)
  end, args, cli, warn, warnings)
  if ok then return result end
  if not refusal.is_one(result) then error(result, 0) end
  if args.json then
    print(core.json_encode { domain = args.domain, refused = result.why, todo = result.todo, warnings = core.json_array(warnings) })
  end
  io.stderr:write('mtasts: publish: ', text.clean(result.why), '\n', 'mtasts: publish: instead: ', text.clean(result.todo), '\n')
  return result.code
end

return publish
