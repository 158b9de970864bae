-- SPDX-License-Identifier: ISC
-- Exceptions that a file of rules declares: for these domains this mode, for this reason, until this day.
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local rules = require 'mtasts.rules'

local exceptions = {}

local fields <const> = { 'domain', 'mode', 'reason', 'until_' }

local function wrong(format, ...)
  error("bad argument #1 to 'exception' (" .. format:format(...) .. ')', 0)
end

-- Normalised; "*." stands for exactly one label.
local function normal(domain)
  if type(domain) ~= 'string' then wrong("'domain' is a domain or a list of them, not a %s", type(domain)) end
  local star, rest = domain:match '^(%*%.)(.+)$'
  local destination = core.parse_destination(rest or domain)
  if not destination or not destination.domain then wrong("'%s' is no domain", domain) end
  return (star or '') .. destination.domain
end

local function read_domains(told)
  local list = type(told) == 'table' and told or { told }
  if #list == 0 then wrong "'domain' is missing" end
  local domains = {}
  for i, domain in ipairs(list) do domains[i] = normal(domain) end
  return domains
end

function exceptions.over(exception) return exception.ends > 0 and exception.ends <= core.now() end

function exceptions.last_day(ends) return dates.write((ends - 1) // 86400) end

-- Once, or the log would have it with each mail.
local function tell_over(exception, domain)
  if exception.told then return end
  exception.told = true
  core.log('warning', domain, ("the exception '%s' (treat as %s) for %s ended on %s and no longer counts"):format(exception.reason,
    exception.mode, table.concat(exception.domains, ', '), exceptions.last_day(exception.ends)))
end

-- What mtasts.exception does: a rule "policy" among the others. opine: makes an opinion, and raises what is wrong with it.
function exceptions.declare(told, opine, on)
  if type(told) ~= 'table' then wrong('table expected, got %s', type(told)) end
  for key in pairs(told) do
    local known = false
    for _, field in ipairs(fields) do known = known or key == field end
    if not known then
      local near = type(key) == 'string' and core.nearest(key, fields)
      wrong("unknown field '%s'%s", tostring(key), near and ("; did you mean '" .. near .. "'?") or '')
    end
  end
  local exception = { domains = read_domains(told.domain), mode = told.mode, reason = told.reason }
  local opinion
  opinion, exception.ends = opine(told.mode, told.reason, told.until_)
  local meant = {}
  for _, domain in ipairs(exception.domains) do meant[domain] = true end
  table.insert(rules.exceptions, exception)
  on('policy', function(answer)
    local over = exception.ends > 0 and exceptions.over(exception)
    local fits = meant[answer.domain] or meant['*.' .. (answer.domain:match '^[^.]+%.(.+)$' or '')]
    if over and (fits or not exception.quiet) then tell_over(exception, fits and answer.domain or nil) end
    if fits and not over then return opinion end
  end)
end

-- For who has just loaded rules. quiet: a process that does so for each mail speaks of what is over only where it would have counted.
function exceptions.tell_at_load(quiet)
  for _, exception in ipairs(rules.exceptions) do
    exception.quiet = quiet
    if not quiet and exceptions.over(exception) then tell_over(exception) end
  end
end

-- One for each domain, in the order of the file.
function exceptions.list()
  local list = {}
  for _, exception in ipairs(rules.exceptions) do
    for _, domain in ipairs(exception.domains) do
      list[#list + 1] = { domain = domain, mode = exception.mode, reason = exception.reason,
        ends = exception.ends > 0 and exception.ends or nil, over = exceptions.over(exception) }
    end
  end
  return list
end

return exceptions
