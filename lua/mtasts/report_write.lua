-- SPDX-License-Identifier: ISC
-- mtasts report write
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local terms = require 'mtasts.report_terms'

local write = { uses = 'settings' }

function write.options(command)
  terms.options(command)
  command:option('--output', 'Write files into this folder.'):argname 'DIR'
  command:flag('--plain', 'Files that are not compressed.')
end

-- Whole or not at all: who collects the files takes no half of one.
local function write_file(folder, name, bytes)
  local path = folder .. '/' .. name
  local partial = path .. '.partial'
  local file, why = io.open(partial, 'wb')
  if not file then return nil, why end
  local ok, problem = file:write(bytes)
  local closed, more = file:close()
  if ok and closed then ok, problem = os.rename(partial, path) end
  if ok and closed then return path end
  os.remove(partial)
  return nil, problem or more
end

local function show(report, day, domain, args)
  if args.output then
    local path, why = write_file(args.output, report.file .. (args.plain and '' or '.gz'), args.plain and report.json or report.gzip)
    if not path then return nil, why end
    print(args.json and core.json_encode { day = dates.write(day), domain = domain, id = report.id, file = path,
      successful = report.successful, failed = report.failed, policies = report.policies, details = report.details,
      folded = report.folded } or path)
  elseif args.json then
    print(core.json_encode((core.json_decode(report.json))))
  else
    io.stdout:write(report.json)
  end
  return true
end

function write.main(args, cli)
  local who, named = terms.who(args, cli), terms.named(args, cli)
  local day = terms.day(args, cli) or terms.today() - 1
  local moved, problem = core.report_move()
  if not moved then return terms.failed('write', problem, cli) end
  local domains, err = terms.domains(day, named)
  if not domains then return terms.failed('write', err, cli) end
  for _, domain in ipairs(domains) do
    local report
    report, err = core.report_write(terms.of(who, domain, day))
    if not report then return terms.failed('write', err, cli) end
    local ok, why = show(report, day, domain, args)
    if not ok then
      io.stderr:write('mtasts: report write: ', why, '\n')
      return cli.exit.errors
    end
  end
  if #domains > 0 then return cli.exit.good end
  if not args.json then io.stderr:write(('mtasts: report write: nothing was counted on %s\n'):format(dates.write(day))) end
  return cli.exit.none
end

return write
