-- SPDX-License-Identifier: ISC
-- The module 'mtasts': MTA-STS (RFC 8461) for Lua. Results are values or nil, err; wrong arguments raise.

local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local exceptions = require 'mtasts.exceptions'
local rules = require 'mtasts.rules'

local mtasts = {
  version = core.version,
  api = core.api,
  configure = core.configure,
  lookup = core.lookup,
  probe = core.probe,
  now = core.now,
  parse_record = core.parse_record,
  parse_policy = core.parse_policy,
  parse_tlsrpt = core.parse_tlsrpt,
  parse_report = core.parse_report,
  parse_destination = core.parse_destination,
  mx_matches = core.mx_matches,
  record_session = core.record_session,
}

-- ---- several at once ----

local function protected(fn)
  return fn()
end

function mtasts.all(list)
  if type(list) ~= 'table' then error("bad argument #1 to 'all' (a list of domains or functions expected)", 2) end
  for i = 1, #list do
    local kind = type(list[i])
    if kind ~= 'string' and kind ~= 'function' then
      error(("bad argument #1 to 'all' (element %d is a %s, not a domain or a function)"):format(i, kind), 2)
    end
  end
  local tasks, results = {}, {}
  for i = 1, #list do
    local item = list[i]
    if type(item) == 'string' then
      tasks[i] = core.spawn(core.lookup, item)
    else
      tasks[i] = core.spawn(protected, item)
    end
  end
  local failure
  for i = 1, #tasks do
    local result = table.pack(core.await(tasks[i]))
    if not result[1] and failure == nil then failure = { result[2] } end
    results[i] = table.pack(table.unpack(result, 2, result.n))
  end
  -- An error in a function is an error here, once all have ended.
  if failure then error(failure[1], 0) end
  return results
end

-- ---- the checks of a domain ----

-- What is seldom asked for is loaded when it is.
function mtasts.check(domain, opts)
  if type(domain) ~= 'string' then error(("bad argument #1 to 'check' (string expected, got %s)"):format(type(domain)), 2) end
  local run = require 'mtasts.check_run'
  local ok, options = pcall(run.options, opts)
  if not ok then error(options, 2) end
  local result, err = run.check(domain, options)
  return result, err
end

-- ---- exceptions and rules ----

local Opinion = { __name = 'mtasts.opinion' }
Opinion.__index = Opinion
Opinion.__metatable = false
local opinions = setmetatable({}, { __mode = 'k' })

-- 'YYYY-MM-DDThh:mm:ssZ' or Unix seconds
local function read_time(value)
  if type(value) == 'number' then return math.tointeger(value) end
  if type(value) ~= 'string' then return nil end
  local year, month, day, hour, minute, second = value:match '^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)Z$'
  local start = year and dates.day(year, month, day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not start or hour > 23 or minute > 59 or second > 60 then return nil end
  return math.tointeger(start * 86400 + hour * 3600 + minute * 60 + second)
end

-- 'YYYY-MM-DD' is the end of that day in UTC.
local function read_until(value)
  if type(value) == 'string' then
    local year, month, day = value:match '^(%d%d%d%d)%-(%d%d)%-(%d%d)$'
    local start = year and dates.day(year, month, day)
    return start and (start + 1) * 86400 or nil
  end
  return type(value) == 'number' and math.tointeger(value) or nil
end

local modes = { none = true, testing = true, enforce = true }

-- The opinion, and its end; 0: open. What is wrong is raised with the name of the function at this level.
local function opine(name, level, mode, reason, until_)
  if not modes[mode] then
    local near = type(mode) == 'string' and core.nearest(mode, { 'none', 'testing', 'enforce' })
    error(("bad argument #1 to '%s' ('none', 'testing' or 'enforce' expected%s)"):format(
      name, near and (", did you mean '" .. near .. "'?") or ''), level)
  end
  if type(reason) ~= 'string' or not reason:find '%S' then
    error(("bad argument #%d to '%s' (a reason expected: who reads the log will want it)"):format(level == 0 and 1 or 2, name), level)
  end
  local ends = 0
  if until_ ~= nil then
    ends = read_until(until_)
    if not ends or ends <= 0 then
      error(("bad argument #%d to '%s' ('YYYY-MM-DD' or Unix seconds expected)"):format(level == 0 and 1 or 3, name), level)
    end
  end
  local opinion = setmetatable({}, Opinion)
  opinions[opinion] = { mode = mode, reason = reason, ends = ends }
  return opinion, ends
end

function mtasts.treat_as(mode, reason, until_) return (opine('treat_as', 3, mode, reason, until_)) end

local trace <const> = rules.trace

-- What a rule returned, or why it failed: mode, reason and end of an opinion that counts, or nothing.
local function judge_of(kind)
  return function(number, ok, answer, value)
    if not ok then
      rules.complain(answer.domain, ("rule '%s' number %d failed and counts as no opinion"):format(kind, number), value)
      return
    end
    local opinion = type(value) == 'table' and opinions[value]
    if not opinion then
      rules.complain(answer.domain, ("rule '%s' number %d counts as no opinion"):format(kind, number),
        ('it returned a %s, not nil or what mtasts.treat_as returns'):format(type(value)))
    elseif opinion.ends > 0 and opinion.ends <= core.now() then
      core.log('warning', answer.domain, ("the exception '%s' (treat as %s) ended and no longer counts"):format(
        opinion.reason, opinion.mode))
    else
      return opinion.mode, opinion.reason, opinion.ends
    end
  end
end

local function alarm(domain, info)
  for i, fn in ipairs(rules.hooks.alarm) do
    local ok, message = xpcall(fn, trace, domain, info)
    if not ok then rules.complain(domain, ("hook 'alarm' number %d failed"):format(i), message) end
  end
end

local function counted(session)
  for i, fn in ipairs(rules.hooks.session) do
    local ok, message = xpcall(fn, trace, session)
    if not ok then rules.complain(session.domain, ("hook 'session' number %d failed"):format(i), message) end
  end
end

local askers <const> = {
  policy = core.asker(rules, 'policy', trace, judge_of 'policy'),
  verdict = core.asker(rules, 'verdict', trace, judge_of 'verdict'),
  alarm = alarm,
  session = counted,
}

function mtasts.on(kind, fn)
  if not rules.hooks[kind] then
    local near = type(kind) == 'string' and core.nearest(kind, { 'policy', 'verdict', 'alarm', 'session' })
    error(("bad argument #1 to 'on' ('policy', 'verdict', 'alarm' or 'session' expected%s)"):format(
      near and (", did you mean '" .. near .. "'?") or ''), 2)
  end
  if type(fn) ~= 'function' then error(("bad argument #2 to 'on' (function expected, got %s)"):format(type(fn)), 2) end
  table.insert(rules.hooks[kind], fn)
  if #rules.hooks[kind] == 1 then core.set_hook(kind, askers[kind]) end
end

function mtasts.exception(told)
  local ok, why = pcall(exceptions.declare, told, function(...) return opine('exception', 0, ...) end, mtasts.on)
  if not ok then error(why, 2) end
end

-- ---- the told world ----

local World = {}

local function split_key(key)
  local name, kind
  if type(key) == 'string' then name, kind = key:match '^(%S+)%s+(%S+)$' end
  if not name then error(("fake dns: a key is 'NAME TYPE', not '%s'"):format(tostring(key)), 4) end
  return name, kind:upper()
end

local function known(value, what, names)
  for key in pairs(value) do
    if not names[key] and math.type(key) ~= 'integer' then
      error(("fake %s: unknown field '%s'"):format(what, tostring(key)), 4)
    end
  end
end

local function tell_dns(handle, key, value)
  local name, kind = split_key(key)
  if kind == 'CNAME' then
    core.fake_cname(handle, name, type(value) == 'table' and value[1] or value)
  elseif type(value) == 'table' then
    known(value, 'dns', { ttl = true, dnssec = true, delay_ms = true, error = true })
    core.fake_dns(handle, name, kind, value.error or value, value.ttl, value.dnssec, value.delay_ms)
  else
    core.fake_dns(handle, name, kind, value)
  end
end

local function tell_https(handle, host, value) core.fake_https(handle, host, value) end
local function tell_smtp(handle, host, value) core.fake_smtp(handle, host, value) end

local handles = setmetatable({}, { __mode = 'k' })

local function handle_of(world)
  local handle = handles[world]
  if not handle then error('a world expected: call its functions with a colon, world:advance(5)', 3) end
  return handle
end

function World.dns(world, key, value) tell_dns(handle_of(world), key, value) end
function World.https(world, host, value) tell_https(handle_of(world), host, value) end
function World.smtp(world, host, value) tell_smtp(handle_of(world), host, value) end
function World.advance(world, seconds) core.fake_advance(handle_of(world), seconds) end
function World.close(world) core.fake_close(handle_of(world)) end

function World.count(world, what)
  local handle = handle_of(world)
  if type(what) ~= 'string' then error("bad argument #1 to 'count' (string expected)", 2) end
  local kind, name = what:match '^(%S+)%s*(%S*)$'
  kind = kind and kind:upper()
  if name == '' then name = nil end
  local all = kind == 'GET' or kind == 'SMTP' or kind == 'DNS'
  if not kind or not name and not all or name and kind == 'DNS' then
    error("count wants 'TXT name', 'GET host', 'SMTP host', or 'DNS', 'GET', 'SMTP' for all of them", 2)
  end
  return core.fake_count(handle, kind == 'DNS' and 'TXT' or kind, name)
end

local world_meta = {
  __name = 'mtasts.world',
  __index = function(world, key)
    if key == 'now' then return core.fake_now(handle_of(world)) end
    return World[key]
  end,
  __newindex = function(_, key) error(("a world has no field '%s' to set"):format(tostring(key)), 2) end,
  __close = function(world) World.close(world) end,
}

function mtasts.fake(told)
  if told == nil then told = {} end
  if type(told) ~= 'table' then error(("bad argument #1 to 'fake' (table expected, got %s)"):format(type(told)), 2) end
  local parts = { dns = tell_dns, https = tell_https, smtp = tell_smtp }
  for key, value in pairs(told) do
    if key ~= 'now' and not parts[key] then
      local near = type(key) == 'string' and core.nearest(key, { 'dns', 'https', 'smtp', 'now' })
      error(("bad argument #1 to 'fake' (unknown part '%s'%s)"):format(tostring(key),
        near and ("; did you mean '" .. near .. "'?") or ''), 2)
    elseif key ~= 'now' and type(value) ~= 'table' then
      error(("bad argument #1 to 'fake' (part '%s' is a %s, not a table)"):format(key, type(value)), 2)
    end
  end
  local now = told.now == nil and os.time() or read_time(told.now)
  if not now then error("bad argument #1 to 'fake' ('now' is Unix seconds or 'YYYY-MM-DDThh:mm:ssZ')", 2) end
  local handle = core.fake_open(now)
  local world = setmetatable({}, world_meta)
  handles[world] = handle
  local ok, message = pcall(function()
    for part, tell in pairs(parts) do
      for key, value in pairs(told[part] or {}) do tell(handle, key, value) end
    end
  end)
  if not ok then
    core.fake_close(handle)
    error(message, 0)
  end
  return world
end

return mtasts
