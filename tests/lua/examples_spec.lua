-- SPDX-License-Identifier: ISC
-- The examples, which mtasts-lua(3) shows, do what they say.
local mtasts = require 'mtasts'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'

-- Runs an example; what it prints and writes to standard error comes back as a list. Its files, if any, are the one at opened.
local opened
local function run(name, ...)
  local path = ROOT .. '/examples/' .. name
  local said = {}
  local function say(...) said[#said + 1] = table.concat({ ... }, '\t') end
  local function open(_, mode) return io.open(opened, mode) end
  local outside = { arg = { [0] = path, ... }, print = say, io = { stderr = { write = function(_, ...) say(...) end }, open = open } }
  local chunk = assert(loadfile(path, 't', setmetatable(outside, { __index = _G })))
  chunk(...)
  return said
end

local function fresh(module)
  package.loaded[module] = nil
  return require(module)
end

local ENFORCE <const> = 'version: STSv1\nmode: enforce\nmx: mx.safe.test\nmax_age: 604800\n'

local function told()
  return mtasts.fake {
    now = '2026-01-01T00:00:00Z',
    dns = {
      ['_mta-sts.safe.test TXT'] = { 'v=STSv1; id=1;' }, ['safe.test MX'] = { '10 mx.safe.test' },
      ['mx.safe.test A'] = { '192.0.2.2' },
      ['plain.test MX'] = { '10 mx.plain.test' },
      ['_mta-sts.dark.test TXT'] = 'servfail',
    },
    https = { ['mta-sts.safe.test'] = ENFORCE },
  }
end

describe('the examples', function()
  mtasts.configure { log = 'none' }

  -- Each has no rules but its own.
  local rules = require 'mtasts.rules'
  local before
  before_each(function()
    before, rules.hooks = rules.hooks, { policy = {}, verdict = {}, alarm = {} }
  end)
  after_each(function() rules.hooks = before end)

  it('survey.lua tells of each domain, good and bad', function()
    local world <close> = told()
    assert.same({ 'safe.test\trequire\tenforce', 'plain.test\tdeliver\tno policy', 'a..b\tname-syntax\tnot a domain name' },
      run('survey.lua', 'safe.test', 'plain.test', 'a..b'))
    assert.equal(1, world:count 'GET mta-sts.safe.test')
  end)

  it('told.lua tests exception.lua', function()
    assert.same({ 'exception.lua is right' }, run 'told.lua')
  end)

  it('alarm.lua tells of a policy before it ends', function()
    local world <close> = told()
    local said = run 'alarm.lua'
    assert(mtasts.lookup 'safe.test')
    world:https('mta-sts.safe.test', 'https-connect')
    for _ = 1, 6 do
      world:advance(86400)
      assert(mtasts.lookup('safe.test', { freshness = 'due' }))
    end
    assert.is_true(#said > 0)
    assert.equal('safe.test: its policy ends in 5 days, and cannot be fetched since 2026-01-02: safe.test: the policy host cannot be '
      .. 'reached (fake world: the policy host cannot be reached)\n', said[1])
  end)

  it('partners.lua requires TLS of those who publish nothing, or only test', function()
    run 'partners.lua'
    local world <close> = told()
    world:dns('bank.example MX', { '10 mx.bank.example' })
    world:dns('mx.bank.example A', { '192.0.2.3' })
    world:dns('_mta-sts.clinic.example TXT', { 'v=STSv1; id=1;' })
    world:https('mta-sts.clinic.example', 'version: STSv1\nmode: testing\nmx: mx.clinic.example\nmax_age: 604800\n')
    local bank, clinic = mtasts.lookup 'bank.example', mtasts.lookup('clinic.example', { depth = 'policy' })
    assert.same({ 'require', 'enforce', 'rule', 'contract of 2029, section 7' }, { bank.action, bank.mode, bank.from, bank.reason })
    assert.is_nil(bank.hosts[1].error)
    assert.same({ 'enforce', 'agreed with their postmaster' }, { clinic.mode, clinic.reason })
    assert.equal('deliver', mtasts.lookup 'plain.test'.action)
    assert.is_nil(mtasts.lookup 'safe.test'.reason)
    -- Where nothing is known of their hosts it is required all the same.
    world:dns('bank.example MX', 'servfail')
    world:advance(3600)
    bank = mtasts.lookup 'bank.example'
    assert.same({ 'require', false }, { bank.action, bank.hosts_known })
  end)

  it('trial.lua only records, until its end', function()
    run 'trial.lua'
    local world <close> = told()
    local answer = mtasts.lookup 'safe.test'
    assert.same({ 'record', 'testing', 'trial until 2030-01-31' }, { answer.action, answer.mode, answer.reason })
    assert.equal('deliver', mtasts.lookup 'plain.test'.action)
    world:advance(answer.exception_until - 1 - world.now)
    assert.equal('record', mtasts.lookup 'safe.test'.action)
    world:advance(1)
    assert.equal('require', mtasts.lookup 'safe.test'.action)
  end)

  it('decisions.lua writes a line of JSON for each, which nobody far away can break', function()
    local core = require 'mtasts.core'
    opened = os.tmpname()
    assert.same({}, run 'decisions.lua')
    local world <close> = told()
    local function lines()
      local list = {}
      for line in io.lines(opened) do list[#list + 1] = line end
      return list
    end
    assert(mtasts.lookup 'safe.test')
    world:https('mta-sts.bad.test', { body = 'x', type = 'text/\27[31mhtml"\\\n\155' })
    world:dns('_mta-sts.bad.test TXT', { 'v=STSv1; id=1;' })
    world:dns('bad.test MX', { '10 mx.bad.test' })
    assert(mtasts.lookup 'bad.test')
    local written = lines()
    assert.equal('{"domain":"safe.test","action":"require","mode":"enforce","id":"1","from":"network","at":1767225600,'
      .. '"hosts":[{"name":"mx.safe.test","guard":"sts","permitted":true}]}', written[1])
    local bad = core.json_decode(written[2])
    assert.same({ 'bad.test', 'deliver', 'https-type', nil }, { bad.domain, bad.action, bad.refresh_error.code, bad.mode })
    assert.is_nil(written[2]:find '[^ -~]')
    assert.equal(2, #written)
    -- As logrotate does it: copytruncate.
    assert(io.open(opened, 'w')):close()
    assert(mtasts.lookup 'plain.test')
    assert.equal('plain.test', core.json_decode(lines()[1]).domain)
    os.remove(opened)
    -- Without its file mail goes on, and somebody is told.
    opened = '/nonexistent/decisions.jsonl'
    assert.same({ 'no decisions are logged: \t/nonexistent/decisions.jsonl: No such file or directory\t\n' }, run 'decisions.lua')
    opened = nil
  end)

  it('opensmtpd.lua keeps confidential mail from who does not promise TLS', function()
    local osmtpd = fresh 'mtasts.osmtpd'
    run 'opensmtpd.lua'
    local hooks, decisions = osmtpd._hooks()
    -- As filter-mtasts asks them: the first decision wins.
    local function decide(phase, session, value)
      for _, hook in ipairs(hooks[phase]) do
        local decision = decisions[hook(session, value) or 0]
        if decision then return decision[1], decision[2] end
      end
    end
    local phases = {}
    for phase, list in pairs(hooks) do phases[#phases + 1] = #list > 0 and phase or nil end
    table.sort(phases)
    assert.same({ 'ehlo', 'rcpt-to' }, phases)
    local world <close> = told()
    local payroll, ann = { id = '1', sender = 'payroll@relay.test' }, { id = '2', sender = 'ann@relay.test' }
    assert.is_nil((decide('rcpt-to', payroll, 'bob@safe.test')))
    assert.is_nil((decide('rcpt-to', ann, 'bob@plain.test')))
    assert.is_nil((decide('rcpt-to', { id = '4' }, 'bob@plain.test'))) -- the empty sender
    assert.equal('reject', (decide('rcpt-to', { id = '5', sender = 'Payroll@Relay.test' }, 'bob@plain.test')))
    assert.equal('550 5.7.10 plain.test does not promise TLS, and this mail needs it',
      (select(2, decide('rcpt-to', payroll, 'bob@plain.test'))))
    assert.equal('451 4.7.10 cannot tell whether TLS is certain: the name server answered SERVFAIL',
      (select(2, decide('rcpt-to', payroll, 'bob@dark.test'))))
    assert.equal('disconnect', (decide('ehlo', { id = '3', address = '192.0.2.1' }, 'relay.test')))
    assert.is_nil((decide('ehlo', { id = '3', address = '127.0.0.1' }, 'relay.test')))
    assert.equal(0, world:count 'GET mta-sts.plain.test')
    fresh 'mtasts.osmtpd'
  end)

  it('exim.lua judges mail of the same kind for an ACL', function()
    local exim = fresh 'mtasts.exim'
    run 'exim.lua'
    local world <close> = told()
    local function call(...) return table.concat({ tostring((exim._call(...))), (select(2, exim._call(...))) }, ' ') end
    assert.equal('true false', call('lacks_tls', 'payroll@a.example', 'safe.test'))
    assert.equal('true true', call('lacks_tls', 'payroll@a.example', 'plain.test'))
    assert.equal('true false', call('lacks_tls', 'ann@a.example', 'plain.test'))
    assert.equal('false the name server answered SERVFAIL', call('lacks_tls', 'payroll@a.example', 'dark.test'))
    assert.equal('false not a domain name', call('lacks_tls', 'payroll@a.example', 'a..b'))
    assert.equal('true true', call('lacks_tls', 'Payroll@A.example', 'plain.test'))
    assert.equal('true ', call('judge', 'payroll@a.example', 'safe.test'))
    assert.equal('true :fail: plain.test does not promise TLS, and this mail needs it', call('judge', 'Payroll@a.example', 'plain.test'))
    assert.equal('true ', call('judge', '', 'plain.test'))
    assert.equal('false the name server answered SERVFAIL', call('judge', 'payroll@a.example', 'dark.test'))
    assert.equal(0, world:count 'SMTP')
    fresh 'mtasts.exim'
  end)

  it('are all shown by mtasts-lua(3)', function()
    local handle = assert(io.open(ROOT .. '/lua/mtasts-lua.3'))
    local page = handle:read('a'):gsub('\\%-', '-'):gsub('\\%(aq', "'")
    handle:close()
    for _, name in ipairs { 'survey', 'exception', 'partners', 'told', 'alarm', 'opensmtpd', 'exim' } do
      local file = assert(io.open(ROOT .. '/examples/' .. name .. '.lua'))
      local last
      for line in file:lines() do last = line ~= 'end)' and line ~= 'end' and line ~= '}' and line or last end
      file:close()
      assert.truthy(page:find(last, 1, true), name)
    end
  end)
end)
