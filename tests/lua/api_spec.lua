-- SPDX-License-Identifier: ISC
-- mtasts.api documents what there is: all of it, and nothing else.
local mtasts = require 'mtasts'
local api = require 'mtasts.api'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local private = require 'private'

local POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n'
local REPORT = [==[{"organization-name": "A", "contact-info": "tls@a.test", "report-id": 1,
"date-range": {"start-datetime": "2026-01-02T00:00:00Z", "end-datetime": "2026-01-02T23:59:59Z"},
"policies": [{"policy": {"policy-type": "sts", "policy-domain": "b.test", "policy-string": ["mode: none"], "mx-host": ["mx.b.test"]},
"summary": {"total-successful-session-count": 1, "total-failure-session-count": 2},
"failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "192.0.2.1", "receiving-mx-hostname": "mx.b.test",
"receiving-mx-helo": "mx", "receiving-ip": "192.0.2.2", "failed-session-count": 2, "additional-information": "https://a.test/",
"failure-reason-code": "late"}]}]}]==]

-- What was seen: kind -> field -> true
local seen = {}

local function see(kind, value, nested)
  seen[kind] = seen[kind] or {}
  for field, inside in pairs(value) do
    if type(field) == 'string' then
      assert.is_truthy(api.fields[kind][field], ("%s.%s is not in mtasts/api.lua"):format(kind, tostring(field)))
      seen[kind][field] = true
      local type_of = api.fields[kind][field][1]
      local basic = type_of:match '^(%l+)'
      if basic == 'integer' then
        assert.equal('integer', math.type(inside), kind .. '.' .. field)
      elseif basic == 'string' or basic == 'boolean' then
        assert.equal(basic, type(inside), kind .. '.' .. field)
      else
        assert.equal('table', type(inside), kind .. '.' .. field)
      end
      if nested and nested[field] then nested[field](inside) end
      local choices = api.fields[kind][field].choices
      if choices then
        local known = {}
        for _, choice in ipairs(choices) do known[choice] = true end
        assert.is_true(known[inside], ('%s.%s is "%s", which is not among its choices'):format(kind, field, inside))
      end
    end
  end
  for field, entry in pairs(api.fields[kind]) do
    assert(entry.optional or value[field] ~= nil, ('%s.%s is absent, which mtasts.api does not tell'):format(kind, field))
  end
end

local function see_error(err) see('error', err) end
local function see_tls(tls) see('tls', tls, { error = see_error }) end
local function see_answer(answer)
  see('answer', answer, { refresh_error = see_error, hosts_error = see_error })
  for _, host in ipairs(answer.hosts) do see('host', host, { error = see_error, tls = see_tls }) end
  for _, step in ipairs(answer.trace) do see('step', step) end
end
local function see_findings(findings)
  see('findings', findings)
  for _, finding in ipairs(findings) do see('finding', finding) end
end

local rule
mtasts.on('policy', function(answer) if rule then return rule(answer) end end)
local alarms = {}
mtasts.on('alarm', function(domain, info) alarms[#alarms + 1] = { domain, info } end)

local counted = {}
mtasts.on('session', function(session) counted[#counted + 1] = session end)

local function source(file)
  local handle = assert(io.open(ROOT .. '/' .. file))
  local text = handle:read 'a'
  handle:close()
  return text
end

-- Types are words that the writers of manual and definitions understand.
local plain = { string = true, integer = true, number = true, boolean = true, table = true, list = true, ['function'] = true, world = true }
local function check_type(words, where)
  for word in (words:match '^[^,]+' .. ' or '):gmatch '(.-) or ' do
    local element = word:match '^list of (.*)$' or word
    local known = plain[element] or plain[element:match '^(.*)s$'] or api.fields[element] or api.opaque[element]
    assert.is_truthy(known, ('%s: what is a %s?'):format(where, word))
  end
end

local function check_choices(choices, text, where)
  for _, choice in ipairs(choices or {}) do
    assert.truthy(text:find('"' .. choice .. '"', 1, true), ('%s: "%s" is not in its text'):format(where, choice))
  end
end

describe('mtasts.api', function()
  it('names every function and constant of the module, and no other', function()
    for name, value in pairs(mtasts) do
      local list = type(value) == 'function' and api.functions or api.constants
      assert.is_truthy(list[name], name .. ' is not in mtasts/api.lua')
    end
    for name in pairs(api.functions) do assert.equal('function', type(mtasts[name]), name .. ' is documented, but is not there') end
    for name in pairs(api.constants) do assert.is_not_nil(mtasts[name], name .. ' is documented, but is not there') end
    assert.equal(api.version, mtasts.version)
  end)

  it('names every method of a world, and no other', function()
    local text = source 'lua/mtasts.lua'
    local found = {}
    for name in text:gmatch 'function World%.([%w_]+)' do
      found[name] = true
      assert.is_truthy(api.world[name], name .. ' is not in mtasts/api.lua')
    end
    for name in pairs(api.world) do assert.is_true(found[name], name .. ' is documented, but is not there') end
  end)

  for server, own in pairs { osmtpd = '_hooks', exim = '_call' } do
    it('names every function of mtasts.' .. server .. ', and no other', function()
      local module = require('mtasts.' .. server)
      for name in pairs(module) do
        assert.is_truthy(api[server][name] or name == own, name .. ' is not in mtasts/api.lua')
      end
      for name in pairs(api[server]) do assert.equal('function', type(module[name]), name .. ' is documented, but is not there') end
    end)
  end

  it('names every field of a session, and no other', function()
    local known = { id = true, recipients = true }
    for name in source('filters/opensmtpd/sessions.h'):match('SESSION_FIELDS%(X%)(.-)\n/%*'):gmatch 'X%([%u]+, "(%l+)"%)' do
      known[name] = true
      assert.is_truthy(api.fields.session[name], name .. ' is not in mtasts/api.lua')
    end
    for name in pairs(api.fields.session) do assert.is_true(known[name], name .. ' is documented, but is not there') end
  end)

  it('names every hook, and no other', function()
    for kind in pairs(api.hooks) do assert.has_no_error(function() mtasts.on(kind, function() end) end) end
    for _, kind in ipairs { 'sessions', 'answer', 'hosts' } do
      assert.has_error(function() mtasts.on(kind, function() end) end)
      assert.is_nil(api.hooks[kind])
    end
  end)

  it('each entry is complete', function()
    local places = {}
    for _, list in ipairs { api.functions, api.world, api.osmtpd, api.exim, api.hooks } do
      for name, entry in pairs(list) do
        assert.is_nil(places[entry.place], name)
        places[entry.place] = true
        assert.equal('boolean', type(entry.fails), name)
        for _, key in ipairs { 'signature', 'text', 'results', 'since', 'context' } do
          assert.equal('string', type(entry[key]), name .. ' has no ' .. key)
        end
        assert.equal('boolean', type(entry.yields), name)
        assert.truthy(list == api.hooks or entry.signature:find(name, 1, true), name)
        assert.truthy(entry.since:find '^%d+%.%d+%.%d+$', name)
        for _, arg in ipairs(entry.args) do
          assert.equal(3, #arg, name .. ': name, type and meaning of an argument')
          assert.equal('boolean', type(arg.optional), name)
          check_type(arg[2], name)
          check_choices(arg.choices, arg[3], name .. ' ' .. arg[1])
        end
        for _, result in ipairs(entry.returns) do check_type(result[1], name) end
        assert.equal(#entry.returns == 0, entry.results:find '^nothing' ~= nil, name .. ': results and returns')
        assert.equal(entry.fails, entry.results:find 'or nil and an error' ~= nil, name .. ': results and fails')
      end
    end
    for kind, list in pairs(api.fields) do
      assert.equal('string', type(api.kinds[kind].text), kind)
      for field, entry in pairs(list) do
        assert.equal(2, #entry, kind .. '.' .. field)
        check_type(entry[1], kind .. '.' .. field)
        check_choices(entry.choices, entry[2], kind .. '.' .. field)
      end
    end
    for kind in pairs(api.kinds) do assert.is_truthy(api.fields[kind], kind) end
  end)

  it('the arguments are those of the signature', function()
    for _, list in ipairs { api.functions, api.world, api.osmtpd, api.exim, api.hooks } do
      for name, entry in pairs(list) do
        local words = entry.signature:match '%((.*)%)'
        if words and not words:find "['{]" then
          local required, optional = words:match '^(.-)%[?,? ?([%w_]*)%]?$'
          if not words:find '%[' then required, optional = words, '' end
          local found = {}
          for parameter in required:gmatch '[%w_]+' do found[parameter] = 'needed' end
          if optional ~= '' then found[optional] = 'optional' end
          for _, arg in ipairs(entry.args) do
            local whole = arg[1]:match '^[^.]+'
            assert.is_truthy(found[whole], ('%s: %s is not in the signature'):format(name, whole))
            if whole == arg[1] then assert.equal(found[whole] == 'optional', arg.optional, name .. ' ' .. whole) end
            if found[whole] ~= 'seen' and whole == arg[1] then found[whole] = 'seen' end
          end
          for parameter, how in pairs(found) do
            assert.is_true(how == 'seen' or parameter == 'opts', ('%s: %s is not told'):format(name, parameter))
          end
        end
      end
    end
  end)

  it('names only codes of errors that there are', function()
    local codes = {}
    for _, err in ipairs(require('mtasts.core').errors()) do codes[#codes + 1] = err.code end
    local all = ' ' .. table.concat(codes, ' ') .. ' '
    for _, list in ipairs { api.functions, api.world, api.osmtpd, api.exim } do
      for name, entry in pairs(list) do
        local returned = entry.errors and entry.errors:match '^returns ([^;]*)'
        assert.equal(entry.fails or entry.returns[2] ~= nil, returned ~= nil, name .. ' returns errors, or does not')
        for code, star in (returned or ''):gsub('%b()', ''):gmatch '(%l[%l-]+)(%*?)' do
          assert.truthy(all:find(' ' .. code .. (star == '' and ' ' or ''), 1, true), ('%s: no error is named %s'):format(name, code))
        end
      end
    end
  end)

  it('says which functions wait: those a coroutine of ours yields in', function()
    local waits = {}
    local text = source 'lua/mtasts.lua'
    for name in pairs(api.functions) do
      -- In C a function that waits ends in wait_for; all awaits.
      local body = ''
      for _, file in ipairs { 'bind_answer', 'bind_probe', 'bind_pure', 'bind_context' } do
        body = body .. (source('lua/' .. file .. '.c'):match('\nstatic int l_' .. name .. '%(.-\n}') or '')
      end
      body = body .. (text:match('\nfunction mtasts%.' .. name .. '%(.-\nend') or '')
      waits[name] = body:find 'wait_for%(' ~= nil or body:find 'core%.await' ~= nil
      assert.equal(waits[name], api.functions[name].yields, name)
    end
    assert.is_true(waits.lookup and waits.probe and waits.all)
  end)

  it('names every field that the C code sets, and no other', function()
    local kinds = {
      answer = { 'lua/bind_answer.c', 'void push_answer' }, host = { 'lua/bind_answer.c', 'static void push_host' },
      step = { 'lua/bind_answer.c', 'static void push_trace' }, tls = { 'lua/bind_probe.c', 'void push_tls' },
      counted = { 'lua/bind_hook.c', 'static int make_counted' },
      error = { 'lua/bind_values.c', 'void push_error' }, alarm = { 'lua/bind_hook.c', 'static int make_alarm' },
    }
    local elsewhere = { answer = { max_age = true }, error = { at = true } }
    for kind, where in pairs(kinds) do
      local body = source(where[1]):match('\n' .. where[2] .. '%(.-\n}')
      assert.is_truthy(body, where[2])
      local found = elsewhere[kind] or {}
      for field in body:gmatch 'set_%l+%(L, "([%w_]+)"' do
        if not (kind == 'answer' and field == 'at') then found[field] = true end
      end
      for field in body:gmatch 'lua_setfield%(L, %-2, "([%l][%w_]*)"%)' do found[field] = true end
      for field in pairs(found) do
        assert.is_truthy(api.fields[kind][field], ('%s.%s is not in mtasts/api.lua'):format(kind, field))
      end
      for field in pairs(api.fields[kind]) do
        assert.is_true(found[field], ('%s.%s is documented, but nothing sets it'):format(kind, field))
      end
    end
  end)

  it('names every field of a session that was counted', function()
    local store = private.store()
    local world <close> = mtasts.fake {
      dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' } }, https = { ['mta-sts.a.test'] = POLICY },
    }
    mtasts.configure { store = store, log = 'none' }
    assert.is_truthy(mtasts.lookup('a.test', { depth = 'policy' }))
    assert.is_true(mtasts.record_session {
      domain = 'a.test', type = 'sts', mx = 'mx1.a.test', address = '192.0.2.1', source = '192.0.2.2', helo = 'mx1.a.test',
      result = 'cert-expired', reason = 'it has expired',
    })
    mtasts.configure { store = 'none' }
    private.remove(store)
    assert.equal(1, #counted)
    see('counted', counted[1])
    assert.is_true(world ~= nil)
  end)

  it('names every field that answers, probes, findings and alarms really have', function()
    mtasts.configure { log = 'none' }
    local world <close> = mtasts.fake {
      now = '2026-01-01T00:00:00Z',
      dns = {
        ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test', '20 mx2.a.test', dnssec = 'secure' },
        ['null.test MX'] = { '0 .' }, ['_mta-sts.bad.test TXT'] = { 'v=STSv1; id=2;' },
      },
      https = { ['mta-sts.a.test'] = POLICY, ['mta-sts.bad.test'] = 'https-cert-name' },
      smtp = { ['mx1.a.test'] = 'cert-expired', ['mx2.a.test'] = 'ok' },
    }
    for _, domain in ipairs { 'a.test', 'null.test', 'bad.test', '[a.test]' } do
      see_answer(assert(mtasts.lookup(domain, { depth = 'tls', freshness = 'due' })))
    end
    rule = function() return mtasts.treat_as('testing', 'a test', '2030-01-01') end
    see_answer(assert(mtasts.lookup 'a.test'))
    rule = nil
    see_tls(assert(mtasts.probe 'mx1.a.test'))
    see_tls(assert(mtasts.probe 'mx2.a.test'))
    see_error(select(2, mtasts.lookup 'a..b'))
    see_findings(select(3, mtasts.parse_policy '\n'))
    see('record', (mtasts.parse_record 'v=STSv1; id=1;'))
    see('policy', (mtasts.parse_policy(POLICY)))
    local report, _, departures = mtasts.parse_report(REPORT)
    see_findings(departures)
    see('report', report)
    see('report_policy', report.policies[1])
    see('report_failure', report.policies[1].failures[1])
    see('tlsrpt', (mtasts.parse_tlsrpt 'v=TLSRPTv1; rua=mailto:a@a.test'))
    for _, text in ipairs { 'a.test:25', '[a.test]', '[192.0.2.1]' } do see('destination', assert(mtasts.parse_destination(text))) end
    -- a refresh that keeps failing
    world:https('mta-sts.a.test', 'https-connect')
    for _ = 1, 6 do
      world:advance(86400)
      see_answer(assert(mtasts.lookup('a.test', { freshness = 'due' })))
    end
    assert.is_true(#alarms > 0)
    for _, alarm in ipairs(alarms) do see('alarm', alarm[2], { error = see_error }) end
    -- What a told world has none of: real certificates, and details of real failures.
    local unseen = { tls = { address = true, protocol = true, cipher = true, subject = true, issuer = true, names = true, not_before = true,
      not_after = true, fingerprint = true, banner = true } }
    for kind, list in pairs(api.fields) do
      for field in pairs(kind ~= 'session' and list or {}) do
        if not (unseen[kind] and unseen[kind][field]) then
          assert.is_true(seen[kind] and seen[kind][field], ('%s.%s never came'):format(kind, field))
        end
      end
    end
  end)
end)
