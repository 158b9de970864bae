-- SPDX-License-Identifier: ISC
-- mtasts parse record|policy|tlsrpt|report|destination [--set] [FILE|-]
local core = require 'mtasts.core'
local text = require 'mtasts.text'

local parse = { uses = 'nothing' }

local INPUT_MAX <const>, REPORT_MAX <const> = 1 << 20, 64 << 20

function parse.options(command)
  command:argument('kind', 'What to parse.'):choices { 'record', 'policy', 'tlsrpt', 'report', 'destination' }
  command:argument('file', 'File, or - for standard input.'):argname 'FILE':args '?'
  command:flag('--set', 'The input is a JSON array of TXT records, each an array of strings.'):target 'whole_set'
end

local function read(name, most, cli)
  local file, why = io.stdin, nil
  if name ~= '-' then file, why = io.open(name, 'rb') end
  if not file then cli.refuse('%s', why) end
  local content, problem = file:read(most + 1)
  if name ~= '-' then file:close() end
  if not content and problem then cli.refuse('%s: %s', name, problem) end
  content = content or ''
  -- Half an input would be judged as if it were the whole.
  if #content > most then cli.refuse('%s: longer than %d bytes, which is the limit here', name, most) end
  return content
end

local function read_set(content, cli)
  local value, why, line, column = core.json_decode(content)
  if why then cli.refuse('the input is no JSON: %s (line %d, column %d)', why, line, column) end
  local texts = {}
  for i, record in ipairs(type(value) == 'table' and value or cli.refuse '--set wants an array of arrays of strings') do
    if type(record) ~= 'table' then cli.refuse('--set: record %d is no array of strings', i) end
    for j, part in ipairs(record) do
      if type(part) ~= 'string' then cli.refuse('--set: string %d of record %d is no string', j, i) end
    end
    texts[i] = table.concat(record)
  end
  return texts
end

local function destination(input, args)
  local value, err = core.parse_destination(input)
  local result = value or { kind = 'invalid', error = { code = err.code, message = err.message, temporary = false } }
  -- The RFC knows one way to read a name; both profiles judge alike.
  result.strict = value and 'accept' or 'reject'
  result.default, result.deviations = result.strict, core.json_array {}
  if args.json then
    print(core.json_encode(result))
  elseif value then
    print(value.kind .. (value.domain and ' ' .. value.domain or '') .. (value.port and ' port ' .. value.port or ''))
  else
    print('invalid: ' .. text.problem(err))
  end
  return value and 0 or 2
end

local function show(kind, result, err)
  local verdict = result.default == 'reject' and text.paint('bad', '✗ refused')
    or result.strict == 'accept' and text.paint('good', '✓ fits the RFC to the letter')
    or text.paint('warning', '! usable, but deviates from the RFC')
  print(text.wrap(kind .. ': ' .. verdict .. (err and ': ' .. text.problem(err) or ''), '  ', 80))
  for _, name in ipairs { 'id', 'mode', 'max_age' } do
    if result[name] then print(('  %-8s %s'):format(name, result[name])) end
  end
  for _, mx in ipairs(result.mx or {}) do print('  mx       ' .. mx) end
  for _, uri in ipairs(result.rua or {}) do print('  rua      ' .. text.clean(uri)) end
  for _, deviation in ipairs(result.deviations) do
    local place = text.place(deviation)
    print(text.wrap(('  %s%s [%s]'):format(place ~= '' and place .. ': ' or '', deviation.message, deviation.code), '    ', 80))
  end
end

-- The lists of a report are arrays even when they are empty.
local function arrays(report)
  core.json_array(report.policies)
  for _, policy in ipairs(report.policies) do
    for _, name in ipairs { 'policy', 'patterns', 'failures' } do core.json_array(policy[name]) end
  end
  return report
end

function parse.main(args, cli)
  local input = read(args.file or '-', args.kind == 'report' and REPORT_MAX or INPUT_MAX, cli)
  if args.whole_set then
    if args.kind ~= 'record' and args.kind ~= 'tlsrpt' then cli.refuse('--set goes with record and tlsrpt, not with %s', args.kind) end
    input = read_set(input, cli)
  elseif args.kind ~= 'policy' and args.kind ~= 'report' then
    -- The end of the line belongs to the file, not to the record.
    input = input:gsub('\r?\n$', '')
  end
  if args.kind == 'destination' then return destination(input, args) end
  local value, err, findings = core['parse_' .. args.kind](input)
  local result = {
    default = value and 'accept' or 'reject',
    strict = value and findings.strict and 'accept' or 'reject',
    deviations = core.json_array {},
    error = err and { code = err.code, message = err.message, temporary = err.temporary } or nil,
  }
  for i, finding in ipairs(findings) do
    result.deviations[i] = { code = finding.code, line = finding.line, column = finding.column, message = finding.message,
      path = finding.path, clause = finding.clause }
  end
  if args.kind == 'report' then
    result.report = value and arrays(value)
  else
    for key, field in pairs(value or {}) do result[key] = type(field) == 'table' and core.json_array(field) or field end
  end
  if args.json then
    print(core.json_encode(result))
  else
    show(args.kind, result, err)
  end
  return not value and 2 or result.strict == 'accept' and 0 or 1
end

return parse
