-- SPDX-License-Identifier: ISC
-- What all hooks share: how a file with rules is loaded, and what becomes of a rule that fails.
local core = require 'mtasts.core'
local sandbox = require 'mtasts.sandbox'

-- hooks: the rules that were set, by kind; exceptions: those that were declared, which are rules as well; globals: those of the file that
-- was loaded last.
local rules = {}

-- Takes all rules away, and returns them for put_back: for whoever loads rules anew.
function rules.take_out()
  local before = { hooks = rules.hooks, exceptions = rules.exceptions }
  rules.hooks, rules.exceptions = { policy = {}, verdict = {}, alarm = {}, session = {} }, {}
  return before
end
rules.take_out()

function rules.put_back(before) rules.hooks, rules.exceptions = before.hooks, before.exceptions end

-- A message handler for xpcall.
function rules.trace(message)
  if type(message) ~= 'string' then
    message = getmetatable(message) and tostring(message) or ('error of type ' .. type(message))
  end
  return debug.traceback(message, 2)
end

-- An error of a rule becomes one line of the log, its traceback included; once a minute for each place in a file, or else for what it says.
function rules.complain(domain, what, text)
  core.complain(domain, what:gsub('^session %x+: ', ''), what .. ': ' .. text:gsub('%s*\n%s*', ' | '))
end

-- Runs a file with rules; what it requires is looked for beside it first. Returns true, or nil and why (lines). quiet: see exceptions.lua.
function rules.load(path, quiet)
  local folder = path:match '^(.*)/[^/]*$' or '.'
  local before = package.path
  package.path = folder .. '/?.lua;' .. before
  local globals = sandbox.globals()
  local chunk, why = loadfile(path, nil, globals)
  if not chunk then
    package.path = before
    return nil, why
  end
  local ok, trace = xpcall(chunk, rules.trace, path)
  if not ok then return nil, trace end
  require 'mtasts.exceptions'.tell_at_load(quiet)
  rules.globals = globals
  return true
end

return rules
