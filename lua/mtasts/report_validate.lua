-- SPDX-License-Identifier: ISC
-- mtasts report validate FILE...: each departure from RFC 8460, where it is and which clause it breaks.
local core = require 'mtasts.core'
local input = require 'mtasts.report_input'
local text = require 'mtasts.text'

local validate = {}

function validate.options(command)
  input.arguments(command)
end

-- Exit codes of one report: 0 it fits, 1 it is read but breaks a rule, 2 it is refused.
function validate.code_of(source) return not source.report and 2 or source.findings.strict and 0 or 1 end

local verdicts <const> = {
  [0] = { 'good', '✓ fits RFC 8460 to the letter' }, [1] = { 'warning', '! is read, but breaks rules of RFC 8460' },
  [2] = { 'bad', '✗ refused' },
}

-- One line a finding, in words: what is no more than worth knowing is a note.
function validate.finding(finding)
  local place = text.place(finding)
  local source = finding.clause and ', ' .. finding.clause or ''
  local head = '  ' .. (finding.strict_refuses and '' or 'note: ') .. (place ~= '' and place .. ': ' or '')
  return text.wrap(('%s%s [%s%s]'):format(head, text.clean(finding.message), finding.code, source), '      ', 80)
end

local function print_source(source)
  local verdict = verdicts[validate.code_of(source)]
  local why = source.err and ': ' .. text.problem(source.err) or ''
  print(text.wrap(text.clean(source.name) .. ': ' .. text.paint(verdict[1], verdict[2]) .. why, '  ', 80))
  for _, finding in ipairs(source.findings) do print(validate.finding(finding)) end
  if source.findings.dropped > 0 then print(('  and %d more'):format(source.findings.dropped)) end
end

function validate.deviations(findings)
  local list = core.json_array {}
  for i, finding in ipairs(findings) do
    list[i] = {
      code = finding.code, message = finding.message, path = finding.path, clause = finding.clause, strict_refuses = finding.strict_refuses,
      line = finding.line > 0 and finding.line or nil, column = finding.column > 0 and finding.column or nil,
    }
  end
  return list
end

local function as_json(source)
  local err = source.err
  return core.json_encode {
    file = source.name, default = source.report and 'accept' or 'reject', strict = source.findings.strict and 'accept' or 'reject',
    deviations = validate.deviations(source.findings), dropped = source.findings.dropped, mail = source.mail,
    error = err and { code = err.code, message = err.message, detail = err.detail, temporary = false } or nil,
  }
end

function validate.main(args, cli)
  local worst = 0
  for _, source in ipairs(input.read(args.files, cli)) do
    if args.json then print(as_json(source)) else print_source(source) end
    worst = math.max(worst, validate.code_of(source))
  end
  return worst
end

return validate
