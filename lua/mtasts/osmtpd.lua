-- SPDX-License-Identifier: ISC
-- Rules for the sessions of OpenSMTPD. filter-mtasts asks them; in every other program they may be set and are never asked.
local core = require 'mtasts.core'
local rules = require 'mtasts.rules'

local osmtpd = {}

local phases = { 'connect', 'helo', 'ehlo', 'mail-from', 'rcpt-to', 'data', 'commit', 'quit' }
local hooks, asked = {}, false -- asked: smtpd was told which phases have hooks
for _, phase in ipairs(phases) do hooks[phase] = {} end

function osmtpd.on(phase, fn)
  if not hooks[phase] then
    local near = type(phase) == 'string' and core.nearest(phase, phases)
    error(("bad argument #1 to 'on' (a phase expected: %s%s)"):format(table.concat(phases, ', '),
      near and ("; did you mean '" .. near .. "'?") or ''), 2)
  end
  if type(fn) ~= 'function' then error(("bad argument #2 to 'on' (function expected, got %s)"):format(type(fn)), 2) end
  if asked then error("too late: the rules are loaded, and smtpd has been told which phases have hooks", 2) end
  table.insert(hooks[phase], fn)
end

-- ---- decisions ----

local Decision = { __name = 'mtasts.decision', __metatable = false }
local decisions = setmetatable({}, { __mode = 'k' }) -- decision -> what smtpd is told
local PROCEED, JUNK = setmetatable({}, Decision), setmetatable({}, Decision)
decisions[PROCEED] = { 'proceed' }
decisions[JUNK] = { 'junk' }

function osmtpd.proceed() return PROCEED end
function osmtpd.junk() return JUNK end

-- RFC 5321 4.2, RFC 3463: the class of the status is the first digit of the code.
local function refusal(word, code, status, text)
  code = math.tointeger(code)
  if not code or code < 400 or code > 599 then
    error(("bad argument #1 to '%s' (a reply code from 400 to 599 expected)"):format(word), 3)
  end
  local class = type(status) == 'string' and status:match '^([45])%.%d%d?%d?%.%d%d?%d?$'
  if not class or tonumber(class) ~= code // 100 then
    error(("bad argument #2 to '%s' (a status such as '%d.7.1' expected)"):format(word, code // 100), 3)
  end
  if type(text) ~= 'string' or not text:find '%S' then
    error(("bad argument #3 to '%s' (a text expected: the sender will read it)"):format(word), 3)
  end
  local decision = setmetatable({}, Decision)
  decisions[decision] = { word, ('%d %s %s'):format(code, status, text) }
  return decision
end

function osmtpd.reject(code, status, text) return refusal('reject', code, status, text) end
function osmtpd.disconnect(code, status, text) return refusal('disconnect', code, status, text) end

-- ---- asking ----

-- What a hook did counts as no opinion: result is what it returned, or the error.
local function complain(phase, number, session, ok, result)
  local hook = ("session %s: hook '%s' number %d"):format(session.id, phase, number)
  if ok then
    rules.complain(nil, hook .. ' counts as no opinion',
      ('it returned a %s, not nil or what osmtpd.proceed, junk, reject or disconnect return'):format(type(result)))
  else
    rules.complain(nil, hook .. ' failed and counts as no opinion', result)
  end
end

-- For filter-mtasts, which asks them: the hooks by phase, what each decision means, a message handler, and whom to tell of failures.
function osmtpd._hooks()
  asked = true
  return hooks, decisions, rules.trace, complain
end

return osmtpd
