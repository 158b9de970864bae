-- SPDX-License-Identifier: ISC
-- mtasts replay LOG: a recorded session of OpenSMTPD once more. filter-mtasts plays it, as it would serve smtpd; here its decisions
-- are shown.
local core = require 'mtasts.core'
local programs = require 'mtasts.programs'
local system = require 'mtasts.system'
local text = require 'mtasts.text'

-- The rules are the filter's to load.
local replay = { uses = 'own rules' }

function replay.options(command)
  command:argument('log', 'File that the setting record named, or -.'):argname 'LOG'
  command:flag('--changed', 'Only decisions that are others than recorded.')
end

local function command_line(args)
  local words = { programs.opensmtpd() .. '/filter-mtasts', '-r', args.log }
  local function set(name, value)
    words[#words + 1] = '-s'
    words[#words + 1] = name .. '=' .. value
  end
  -- What was recorded needs no other machine, and a command line is no place for a password.
  local function is_wanted(name, value)
    return name ~= 'rules' and not name:find '^shared_' and not (name == 'store' and value:find '^%a+://')
  end
  for name, setting in pairs(core.settings()) do
    if setting.value ~= setting.default and is_wanted(name, setting.value) then set(name, setting.value) end
  end
  set('rules', system.rules_file() or 'none')
  for i, word in ipairs(words) do words[i] = programs.quoted(word) end
  return table.concat(words, ' ')
end

local names <const> = {
  'time', 'session', 'phase', 'value', 'decision', 'reply', 'hook', 'went_wrong', 'domain', 'action', 'ms', 'recorded',
}
local outgoing_names <const> = { 'outgoing', 'domain', 'type', 'result', 'mx', 'address', 'reason' }

local function read(line)
  local fields, i, outgoing = {}, 0, line:find '^outgoing\t' ~= nil
  for field in (line .. '\t'):gmatch '([^\t]*)\t' do
    i = i + 1
    local name = (outgoing and outgoing_names or names)[i]
    if name and field ~= '' then fields[name] = field end
  end
  if outgoing then
    fields.outgoing = nil
    return fields, true
  end
  for _, name in ipairs { 'time', 'hook', 'ms' } do fields[name] = tonumber(fields[name]) or 0 end
  if not (fields.time >= 0 and fields.time < 1 << 40) then fields.time = 0 end -- the log may be anybody's
  if fields.phase == 'connect' and fields.value then fields.client, fields.value = fields.value:match '^([^|]*)|(.*)$' end
  local said = fields.decision .. (fields.reply and '|' .. fields.reply or '')
  fields.changed = fields.recorded ~= nil and fields.recorded ~= said
  return fields, false
end

local colours <const> = { junk = 'warning', reject = 'bad', disconnect = 'bad' }

local function show(fields, seen)
  if not seen[fields.session] then
    seen[fields.session] = true
    print(('session %s%s'):format(fields.session, fields.client and ' from ' .. fields.client or ''))
  end
  local time = os.date('!%H:%M:%S', math.tointeger(fields.time // 1))
  local said = fields.decision .. (fields.reply and ' ' .. fields.reply or '')
  if fields.hook > 0 then said = ('%s (hook %d)'):format(said, fields.hook) end
  local head = ('  %s  %-9s  %s'):format(time, fields.phase, fields.value or '')
  local paint = colours[fields.decision] or 'good'
  if #head + 2 + #said <= 80 and not fields.reply then
    print(('%-50s  %s'):format(head, text.paint(paint, said)))
  else
    print(head)
    print(text.paint(paint, text.wrap('    ' .. said, '      ', 80)))
  end
  if fields.went_wrong == 'failed' then print(text.paint('bad', '    a hook failed: why stands above')) end
  if fields.went_wrong == 'overdue' then print(text.paint('bad', '    the deadline passed')) end
  if fields.domain then print(text.paint('dim', ('    %s: %s, after %d ms'):format(fields.domain, fields.action, fields.ms))) end
  if fields.changed then print(text.paint('warning', text.wrap('    recorded was: ' .. fields.recorded, '      ', 80))) end
end

local function show_outgoing(fields)
  local how = fields.result == 'ok' and text.paint('good', 'ok') or text.paint('bad', fields.result)
  print(('outgoing session for %s with %s [%s]: %s%s'):format(fields.domain, fields.mx or '?', fields.address or '?', how,
    fields.reason and ' (' .. fields.reason .. ')' or ''))
end

local function plain(fields)
  fields.failed, fields.overdue = fields.went_wrong == 'failed', fields.went_wrong == 'overdue'
  fields.went_wrong = nil
  fields.hook = fields.hook ~= 0 and fields.hook or nil
  return fields
end

local function summary(counts, total, changed, wrong)
  local words = {}
  for _, decision in ipairs { 'proceed', 'junk', 'reject', 'disconnect' } do
    if counts[decision] then words[#words + 1] = ('%d %s'):format(counts[decision], decision) end
  end
  print(('%d decision%s%s%s; %d other than recorded%s'):format(total, total == 1 and '' or 's', total > 0 and ': ' or '',
    table.concat(words, ', '), changed, wrong > 0 and (', %d where a hook failed or was late'):format(wrong) or ''))
end

function replay.main(args, cli)
  if args.log ~= '-' then
    local file, why = io.open(args.log)
    if not file then cli.refuse('replay: %s', why) end
    file:close()
  end
  local program = programs.opensmtpd() .. '/filter-mtasts'
  local there = io.open(program)
  if not there then cli.refuse('replay: %s is not there; is mtasts installed completely?', program) end
  there:close()
  local pipe = assert(io.popen(command_line(args), 'r'))
  local counts, seen, missing, total, changed, wrong, lines = {}, {}, {}, 0, 0, 0, 0
  for line in pipe:lines() do
    local phase = line:match '^missing\t(.*)'
    local fields, outgoing
    if phase then
      missing[#missing + 1] = phase
      goto continue
    end
    fields, outgoing = read(line)
    lines = lines + 1
    if not outgoing then
      total = total + 1
      counts[fields.decision] = (counts[fields.decision] or 0) + 1
      if fields.changed then changed = changed + 1 end
      if fields.went_wrong then wrong = wrong + 1 end
    end
    if not args.changed or fields.changed then
      if args.json then
        print(core.json_encode(outgoing and { outgoing = fields } or plain(fields)))
      elseif outgoing then
        show_outgoing(fields)
      else
        show(fields, seen)
      end
    end
    ::continue::
  end
  if not pipe:close() then return cli.exit.errors end -- it has said why
  if lines == 0 then
    io.stderr:write('mtasts: replay: no session of smtpd in ', text.clean(args.log), '\n')
    return cli.exit.errors
  end
  if not args.json then summary(counts, total, changed, wrong) end
  if #missing > 0 then
    io.stderr:write(text.wrap(('mtasts: replay: hooks for %s were not asked: the log has no such lines; record again, '
      .. 'the filter then hears of all phases'):format(table.concat(missing, ', ')), '  ', 80), '\n')
  end
  return (wrong > 0 or #missing > 0) and cli.exit.warnings or cli.exit.good
end

return replay
