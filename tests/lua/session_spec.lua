-- SPDX-License-Identifier: ISC
-- Sessions for TLS reporting: what is recorded, what is read back, and what is no session.
local mtasts = require 'mtasts'
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local private = require 'private'

local POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800'

describe('sessions', function()
  local file, world
  before_each(function()
    file = private.store()
    world = mtasts.fake {
      now = '2026-01-01T23:59:58Z',
      dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' } },
      https = { ['mta-sts.a.test'] = POLICY .. '\n' },
    }
    mtasts.configure { store = file, log = 'none' }
  end)
  after_each(function()
    world:close()
    private.remove(file)
  end)

  local function today() return core.now() // 86400 end
  local function all() return assert(core.store_sessions { first = today() - 1, last = today() }) end

  it('are counted with the policy of the store and read back with every field', function()
    assert(mtasts.lookup 'a.test')
    for _ = 1, 3 do
      assert.is_true(mtasts.record_session {
        domain = 'User@A.test', type = 'sts', mx = 'mx1.a.test', address = '192.0.2.1', source = '2001:db8::1', helo = 'mx1',
        result = 'cert-expired', reason = 'yesterday',
      })
    end
    assert.same({ {
      day = today(), domain = 'a.test', policy_type = 'sts', policy = POLICY, result = 'certificate-expired', mx = 'mx1.a.test',
      address = '192.0.2.1', source = '2001:db8::1', helo = 'mx1', reason = 'yesterday', count = 3,
      first_at = world.now, last_at = world.now,
    } }, all())
  end)

  it('that went well keep domain, policy and mx; without a policy in the store there is no text of it', function()
    assert.is_true(mtasts.record_session { domain = 'b.test', type = 'sts', mx = 'mx.b.test', address = '192.0.2.1', helo = 'mx' })
    assert.is_true(mtasts.record_session { domain = 'c.test' })
    local rows = all()
    assert.equal(2, #rows)
    assert.same({ 'b.test', 'sts', 'mx.b.test' }, { rows[1].domain, rows[1].policy_type, rows[1].mx })
    assert.is_nil(rows[1].policy or rows[1].address or rows[1].helo or rows[1].result)
    assert.same({ 'c.test', 'no-policy-found' }, { rows[2].domain, rows[2].policy_type })
  end)

  it('belong to a day in UTC, and are read by day and domain', function()
    assert(mtasts.record_session { domain = 'a.test' })
    world:advance(2)
    assert(mtasts.record_session { domain = 'a.test' })
    assert(mtasts.record_session { domain = 'b.test' })
    assert.equal(3, #all())
    assert.equal(2, #assert(core.store_sessions { first = today(), last = today() }))
    assert.equal(2, #assert(core.store_sessions { first = 0, last = today(), domain = 'a.test' }))
    assert.equal(0, #assert(core.store_sessions { first = today() + 1, last = today() + 9 }))
  end)

  it('are refused as values when the destination or the error is none that can be reported', function()
    local cases = { ['a..b'] = 'name-syntax', [''] = 'name-empty', ['[192.0.2.1]'] = 'name-literal', ['a.test\0.b'] = 'name-syntax' }
    for domain, code in pairs(cases) do
      local ok, err = mtasts.record_session { domain = domain }
      assert.is_nil(ok)
      assert.equal(code, err.code, domain)
    end
    local ok, err = mtasts.record_session { domain = 'a.test', result = 'smtp-timeout' }
    assert.is_nil(ok)
    assert.equal('argument', err.code)
    assert.truthy(tostring(err):find('result type', 1, true))
    assert.equal(0, #all())
  end)

  it('raise when what is told is no session', function()
    for why, session in pairs {
      ["unknown option 'mxx'; did you mean 'mx'"] = { domain = 'a.test', mxx = 'a' },
      ["'type' is one of"] = { domain = 'a.test', type = 'STS' },
      ["'result' is the code of an error"] = { domain = 'a.test', result = 'certificate-expired' },
      ["'reason' is a number"] = { domain = 'a.test', reason = 7 },
      ["'domain' is a boolean"] = { domain = true },
      ["'domain' is missing"] = { mx = 'a.test' },
    } do
      local ok, message = pcall(mtasts.record_session, session)
      assert.is_false(ok)
      assert.truthy(message:find(why, 1, true), message)
    end
    assert.has_error(function() mtasts.record_session() end)
    assert.has_error(function() mtasts.record_session 'a.test' end)
    assert.has_error(function() core.store_sessions { first = 'x', last = 1 } end)
  end)

  it('without a store, or with one that cannot be opened, are nil and an error', function()
    for store, code in pairs { none = '^store%-none$', ['/nonexistent/folder/s.db'] = '^store%-' } do
      mtasts.configure { store = store }
      for _, call in ipairs {
        function() return mtasts.record_session { domain = 'a.test' } end,
        function() return core.store_sessions { first = 0, last = 1 } end,
      } do
        local ok, err = call()
        assert.is_nil(ok)
        assert.truthy(err.code:find(code), err.code)
      end
    end
  end)
end)

describe('dates', function()
  it('read and write agree, and a day that does not exist is none', function()
    for _, day in ipairs { -719528, -1, 0, 59, 11016, 20454, 24837 } do assert.equal(day, dates.read(dates.write(day)) or day) end
    assert.equal(0, dates.read '1970-01-01')
    assert.equal(20454, dates.read '2026-01-01')
    assert.equal('2024-02-29', dates.write(dates.read '2024-02-29'))
    for _, bad in ipairs { '2026-02-29', '2026-13-01', '2026-00-10', '2026-01-00', '2026-1-1', 'today', '', '2026-01-01 ' } do
      assert.is_nil(dates.read(bad), bad)
    end
  end)
end)
