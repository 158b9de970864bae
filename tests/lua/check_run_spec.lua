-- SPDX-License-Identifier: ISC
-- mtasts.check as a whole: arguments, what is looked at, and what no told world can show (eyes of plain Lua).
local mtasts = require 'mtasts'
local core = require 'mtasts.core'
local cert = require 'mtasts.check_cert'
local run = require 'mtasts.check_run'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local told = require 'checks.told'

local function first(result, id)
  for _, finding in ipairs(result.findings) do
    if finding.id == id then return finding end
  end
end

-- Sees what told worlds see, but for what change(kind, observation, arguments) makes of it; counts.
local function checked(change, options, domain)
  local _ <close> = mtasts.fake(told.perfect())
  local count = {}
  local eyes = {
    dane = function(name) return (core.lookup(name, { depth = 'tls' })) end,
    stored = function() return change 'stored' end,
  }
  for _, kind in ipairs { 'dns', 'https', 'smtp' } do
    eyes[kind] = function(...)
      count[kind] = (count[kind] or 0) + 1
      local see = core['see_' .. kind](...)
      return change(kind, see, ...) or see
    end
  end
  return assert(run.check(domain or 'a.test', run.options(options), eyes)), count
end

local function nothing() end

describe('mtasts.check', function()
  it('raises for wrong arguments and names the nearest right one', function()
    local function says(words, ...)
      local ok, why = pcall(mtasts.check, ...)
      assert.is_false(ok)
      assert.truthy(why:find(words, 1, true), why)
    end
    says("bad argument #1 to 'check'", 7)
    says("bad argument #2 to 'check'", 'a.test', 'x')
    says("did you mean 'timeout'", 'a.test', { timout = 1 })
    says("did you mean 'txt.count'", 'a.test', { only = 'txt.cuont' })
    says("did you mean 'policy'", 'a.test', { skip = { 'txt', 'polcy' } })
    says('timeout: number expected', 'a.test', { timeout = 'soon' })
    says('at most 3600', 'a.test', { timeout = 0 })
    says('4 or 6', 'a.test', { family = 5 })
  end)
  it('returns nil and an error for what is no name', function()
    local _ <close> = mtasts.fake {}
    for _, domain in ipairs { 'a..test', '', '[192.0.2.1]', 'x y' } do
      local result, err = mtasts.check(domain)
      assert.is_nil(result)
      assert.equal('name', err.stage)
    end
  end)
  it('works in coroutines, side by side', function()
    local _ <close> = mtasts.fake(told.perfect())
    local jobs = {}
    for i = 1, 20 do jobs[i] = function() return mtasts.check 'a.test' end end
    for _, one in ipairs(mtasts.all(jobs)) do assert.equal(0, one[1].counts.error) end
    assert.equal('a.test', coroutine.wrap(function() return mtasts.check 'a.test' end)().domain)
  end)
  it('takes about as long as its slowest server, however many are slow', function()
    local told_world = told.perfect()
    told_world.smtp['mx1.a.test'].delay_ms, told_world.smtp['in.mail.a.test'].delay_ms = 3000, 3000
    told_world.https[told.HOST] = { body = told.POLICY, type = 'text/plain', delay_ms = 3000 }
    local _ <close> = mtasts.fake(told_world)
    local began = mtasts.now()
    assert(mtasts.check 'a.test')
    local took = mtasts.now() - began
    assert.is_true(took >= 3 and took <= 4, ('%d s'):format(took))
  end)
  it('counts findings, and every check is found, passed or skipped', function()
    local result = checked(nothing, { only = { 'txt', 'pol.mode' } })
    local all = #result.passed + #result.skipped
    local ids = {}
    for _, finding in ipairs(result.findings) do ids[finding.id] = true end
    for _ in pairs(ids) do all = all + 1 end
    assert.equal(89, all)
    for _, id in ipairs(result.passed) do assert.truthy(id:find '^txt%.' or id == 'pol.mode', id) end
  end)
end)

describe('what is looked at', function()
  it('is only what the wanted checks need', function()
    local _, count = checked(nothing, { only = 'txt' })
    assert.is_nil(count.https)
    assert.is_nil(count.smtp)
    _, count = checked(nothing, { only = 'policy,mx' })
    assert.is_truthy(count.https)
    assert.is_nil(count.smtp)
    _, count = checked(nothing, { smtp = false })
    assert.is_nil(count.smtp)
    _, count = checked(nothing, { skip = { 'smtp', 'dane', 'summary' } })
    assert.is_nil(count.smtp)
  end)
  it('is of one family', function()
    local asked = {}
    checked(function(kind, _, what)
      if kind == 'smtp' or kind == 'https' and what.address then asked[what.address] = true end
    end, { family = 6 })
    assert.is_true(asked['2001:db8::80'] and asked['2001:db8::1'])
    for address in pairs(asked) do assert.truthy(address:find(':', 1, true), address) end
  end)
  it('is each mail host the usual way and in others', function()
    local ways = {}
    checked(function(kind, _, what)
      if kind == 'smtp' and what.address == '192.0.2.1' then
        ways[#ways + 1] = what.tls and 'old' or what.sni == false and 'no sni' or what.inject and 'inject' or 'usual'
      end
    end, { inject = true })
    table.sort(ways)
    assert.same({ 'inject', 'no sni', 'old', 'usual' }, ways)
  end)
  it('is a mail host once more that counts connections and turned the usual way away', function()
    local usual = 0
    local result = checked(function(kind, _, what)
      if kind ~= 'smtp' or what.address ~= '192.0.2.1' or what.tls or what.sni == false then return end
      usual = usual + 1
      if usual > 1 then return end
      return { host = what.host, address = what.address, port = 25, connected = true, banner_code = 421, banner = 'too many connections',
        error = { code = 'smtp-refused', message = 'x' } }
    end)
    assert.equal(2, usual)
    for _, finding in ipairs(result.findings) do assert.is_nil(finding.id:find '^smtp', finding.id) end
  end)
  it('is not a host again that does not answer', function()
    local dead = {}
    local result = checked(function(kind, _, what)
      if kind == 'smtp' and what.host == 'mx1.a.test' then
        local way = what.address .. tostring(what.tls) .. tostring(what.sni)
        assert.is_nil(dead[way], way)
        dead[way] = true
        return { host = what.host, address = what.address, port = 25, error = { code = 'smtp-connect', message = 'x' } }
      end
    end)
    assert.equal('error', first(result, 'smtp.connect').severity)
  end)
  it('is told to who shows progress', function()
    local last, most = 0, 0
    checked(nothing, { progress = function(done, begun) last, most = done, begun end })
    assert.equal(most, last)
    assert.is_true(last > 20)
  end)
end)

describe('what no told world can show', function()
  local function fails(code, detail, ms)
    return function(kind, _, what)
      if kind ~= 'smtp' then return end
      return { host = what.host, address = what.address, port = 25, ms = ms, error = { code = code, message = 'cannot be reached',
        detail = detail, temporary = true } }
    end
  end
  it('port 25 is blocked here: nothing is known of the hosts', function()
    for _, see in ipairs { fails('smtp-timeout', '', 15000), fails('smtp-connect', 'Connection refused', 0),
      fails('smtp-connect', 'Network is unreachable', 0) } do
      local result = checked(see)
      assert.equal('unknown', first(result, 'smtp.connect').severity)
      assert.equal(0, result.counts.error)
      assert.equal('unknown', result.hosts[1].would)
    end
  end)
  it('hosts that refuse by themselves are down', function()
    local result = checked(fails('smtp-connect', 'Connection refused', 40))
    assert.equal('error', first(result, 'smtp.connect').severity)
    assert.equal('refuse', result.hosts[1].would)
  end)
  it('somebody on the way takes all connections to port 25 and says nothing', function()
    local result = checked(function(kind, _, what)
      if kind ~= 'smtp' then return end
      return { host = what.host, address = what.address, port = 25, connect_ms = 0, ms = 15000,
        error = { code = 'smtp-timeout', message = 'no answer in time', temporary = true } }
    end)
    assert.equal('unknown', first(result, 'smtp.connect').severity)
    assert.is_nil(first(result, 'smtp.banner'))
    assert.equal(0, result.counts.error)
  end)
  it('no IPv6 here is a note', function()
    local function see(kind, _, what)
      if (kind == 'smtp' or kind == 'https') and (what.address or ''):find(':', 1, true) then
        return { host = what.host, address = what.address, ms = 0, error = { code = kind .. '-connect', message = 'cannot be reached',
          detail = kind == 'https' and 'Network is unreachable' or '' } } -- one that says so is enough
      end
    end
    local result = checked(see)
    assert.equal('info', first(result, 'smtp.connect').severity)
    assert.equal('info', first(result, 'host.connect').severity)
    assert.same({ 0, 0, 0 }, { result.counts.error, result.counts.warn, result.counts.unknown })
  end)
  it('no network at all is no fault of the domain', function()
    local function see(kind, _, what)
      if kind == 'https' then
        return { host = what.host, address = what.address,
          error = { code = 'https-connect', message = 'x', detail = 'Network is unreachable' } }
      end
    end
    local result = checked(see)
    assert.equal('unknown', first(result, 'host.connect').severity)
    assert.equal('unknown', first(result, 'sum.senders').severity)
    assert.equal(0, result.counts.error)
  end)
  it('a host whose only TLS is old', function()
    local result = checked(function(kind, see, what)
      if kind ~= 'smtp' or what.host ~= 'mx1.a.test' then return end
      if what.tls then return { starttls_code = 220, tls = { protocol = 'TLSv1', chain = see.tls and see.tls.chain or {} } } end
      return { banner_code = 220, ehlo_code = 250, starttls_code = 220, error = { code = 'tls-handshake', message = 'no protocol' } }
    end)
    assert.equal('it speaks only TLSv1', first(result, 'smtp.tlsver').seen)
    assert.is_nil(first(result, 'smtp.starttls'))
  end)
  it('a policy that changed without its id', function()
    local stored = { mode = 'testing', id = '20260101', max_age = 2592000, patterns = { 'mx1.a.test', '*.mail.a.test' },
      expires_at = 9000000000 }
    local function see(kind) return kind == 'stored' and stored or nil end
    assert.truthy(first(checked(see), 'txt.idfresh').seen:find('still 20260101', 1, true))
    stored.mode = 'enforce'
    assert.is_nil(first(checked(see), 'txt.idfresh'))
    stored.patterns = { 'mx1.a.test', 'other.a.test' }
    assert.is_truthy(first(checked(see), 'txt.idfresh'))
    stored.id = 'old'
    assert.is_nil(first(checked(see), 'txt.idfresh'))
  end)
  it('a certificate without names', function()
    local words = cert.other_names({ chain = { { subject = 'CN=mx.a.test', names = {} } } }, 'mx.a.test')
    assert.truthy(words:find('names no host at all', 1, true))
  end)
  it('the age of the policy, as its server says', function()
    local result = checked(function(kind, see)
      if kind == 'https' then see.headers['last-modified'] = 'Wed, 31 Dec 2025 23:00:00 GMT' end
    end)
    assert.equal(3600, result.policy_age)
  end)
  it('strings that do not fit together', function()
    local result = checked(function(kind, see, name)
      if kind == 'dns' and name == '_mta-sts.a.test' then see.records = { { text = 'v=STSv1; id=1;id', strings = 2 } } end
    end)
    assert.truthy(first(result, 'txt.ascii').seen:find('2 strings', 1, true))
  end)
end)

describe('what others wrote', function()
  local EVIL <const> = '\27[31m\27]0;x\7\155\194\155\226\128\174'
  it('has no control characters in findings', function()
    local _ <close> = mtasts.fake {
      dns = {
        ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=' .. EVIL, EVIL, 'v=STSv1' .. EVIL }, ['a.test MX'] = { '10 mx1.a.test' },
        ['_smtp._tls.a.test TXT'] = { 'v=TLSRPTv1; rua=mailto:' .. EVIL .. '@x.test; ' .. EVIL }, ['a.test TXT'] = { 'v=STSv1;' .. EVIL },
      },
      https = { ['mta-sts.a.test'] = { type = 'text/' .. EVIL, body = ('version: %s\n%s: x\nmx: %s'):format(EVIL, EVIL, EVIL) } },
      smtp = { ['mx1.a.test'] = { banner = '220 ' .. EVIL, starttls_code = 454 } },
    }
    local result = mtasts.check 'a.test'
    assert.is_true(#result.findings > 5)
    for _, finding in ipairs(result.findings) do
      for _, key in ipairs { 'seen', 'fix', 'subject' } do
        local words = finding[key] or ''
        assert.is_nil(words:find '%c', finding.id)
        assert.is_truthy(utf8.len(words), finding.id)
        assert.is_nil(words:find('\194\155', 1, true) or words:find('\226\128\174', 1, true), finding.id)
      end
    end
  end)
end)

describe('a text that was bent', function()
  local seed = 7
  local function random(most)
    seed = seed * 1103515245 + 12345 & 0x7fffffff
    return (seed >> 8) % most + 1
  end
  local parts = { '\r', '\n', '\n\n', ':', ': ', '=', ';', ' ', '\t', '#', '//', '*', '*.', '.', '%', '\0', '\xef\xbb\xbf', '\xff', '\xc3',
    'ü', ',', '_', '[', '"', '\\', 'mx', 'mode', 'id', 'rua',
    'v=STSv1', 'mailto:', 'https://', '{', '<', ('9'):rep(30), ('x'):rep(300), '' }
  local wholes = { policy = told.POLICY, record = 'v=STSv1; id=20260101;', tlsrpt = 'v=TLSRPTv1; rua=mailto:a@b.test,https://c.test/d' }
  for kind, whole in pairs(wholes) do
    it('is judged whatever it is: ' .. kind, function()
      for _ = 1, 1500 do
        local text = whole
        for _ = 1, random(4) do
          local at = random(#text + 1)
          text = text:sub(1, at - 1) .. parts[random(#parts)] .. text:sub(at + random(3) - 1)
        end
        local result = run.text(kind, text)
        local accepted = core['parse_' .. kind](text)
        assert(accepted or result.counts.error > 0, ('%q is refused, and no finding says why'):format(text))
        for _, finding in ipairs(result.findings) do
          assert(utf8.len(finding.seen) and not finding.seen:find '%c' and not finding.fix:find '%c', ('%q'):format(text))
        end
      end
    end)
  end
end)

describe('a domain that gets no mail', function()
  it('needs no TLS reporting', function()
    for _, mx in ipairs { 'nxdomain', { '0 .' } } do
      local result = told.check(function(w) w.dns[told.MX], w.dns[told.RPT] = mx, nil end)
      assert.is_nil(first(result, 'rpt.lookup'))
    end
  end)
end)

describe('a name in A-labels', function()
  local punycode = require 'mtasts.punycode'
  it('is shown with U-labels', function()
    for shown, name in pairs { ['bücher.test'] = 'xn--bcher-kva.test', ['他们为什么不说中文.test'] = 'xn--ihqwcrb4cv8a8dqg056pqjye.test',
      ['почемужеонинеговорятпорусски.test'] = 'xn--b1abfaaepdrnnbgefbadotcwatmq2g4l.test', ['a.ä.ö'] = 'a.xn--4ca.xn--nda' } do
      assert.equal(core.normalise(shown), name)
      assert.equal(shown, punycode.shown(name))
    end
  end)
  it('but not where these lead elsewhere, or are none', function()
    for _, name in ipairs { 'a.test', 'xn--.test', 'xn--a.test', 'xn--99999999999999.test', 'xn--bcher-kv!.test', 'xn--a-.test' } do
      assert.is_nil(punycode.shown(name))
    end
  end)
end)

describe('senders', function()
  local function said(change)
    local result = told.check(change)
    return result.senders.without_cache, result.senders.with_cache, result
  end
  it('testing delivers all the same', function()
    local without, _, result = said(function(w)
      told.served('enforce', 'testing')(w)
      w.smtp['mx1.a.test'] = 'cert-expired'
    end)
    assert.truthy(without:find('whatever its TLS', 1, true))
    assert.equal('deliver-unprotected', result.hosts[1].would)
    assert.equal('deliver', result.hosts[2].would)
  end)
  it('enforce refuses what does not fit', function()
    local without, _, result = said(function(w) w.smtp['mx1.a.test'] = 'cert-expired' end)
    assert.truthy(without:find('refuses mx1.a.test', 1, true))
    assert.equal('refuse', result.hosts[1].would)
    without = said(function(w) w.dns['a.test MX'] = { '10 x.test' } end)
    assert.truthy(without:find('mail waits', 1, true))
  end)
  it('not all of them use a policy that is not served or written as it should be', function()
    local without = said(told.site { type = 'text/html' })
    assert.truthy(without:find('one that checks the type', 1, true))
    without = said(told.body(told.POLICY .. '\n'))
    assert.truthy(without:find('one that reads the policy strictly', 1, true))
  end)
  it('without a usable policy a cached one goes on', function()
    local without, with = said(told.site { tls = { error = 'cert-expired' } })
    assert.truthy(without:find('unprotected', 1, true))
    assert.truthy(with:find('goes on with the policy that it has cached', 1, true))
  end)
  it('without MTA-STS all is as usual', function()
    local without = said(function(w) w.dns[told.TXT], w.https = nil, nil end)
    assert.truthy(without:find('no MTA-STS', 1, true))
  end)
  it('mode none drops what is cached', function()
    local _, with = said(told.served('enforce', 'none'))
    assert.truthy(with:find('drops what it has cached', 1, true))
  end)
end)

describe('a text', function()
  local function ids(kind, text)
    local found = {}
    for _, finding in ipairs(run.text(kind, text).findings) do found[#found + 1] = finding.id end
    return table.concat(found, ' ')
  end
  it('gets the same findings as one that is published', function()
    assert.equal('', ids('policy', told.POLICY))
    assert.equal('pol.blank pol.mode', ids('policy', 'version: STSv1\n\nmode: live\nmx: a.test\nmax_age: 2592000\n'))
    assert.equal('', ids('record', 'v=STSv1; id=1;'))
    assert.equal('txt.version', ids('record', 'hello'))
    assert.equal('txt.version', ids('record', ''))
    assert.equal('txt.unrelated txt.count', ids('record', { 'v=STSv1; id=1;', 'v=STSv1; id=2;', 'x' }))
    assert.equal('', ids('tlsrpt', 'v=TLSRPTv1; rua=mailto:a@b.test'))
    assert.equal('rpt.uri', ids('tlsrpt', 'v=TLSRPTv1; rua=a@b.test'))
    assert.equal('http.size', ids('policy', told.POLICY .. ('x-y: z\n'):rep(10000)):match '^http.size')
  end)
end)
