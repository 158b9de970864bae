-- SPDX-License-Identifier: ISC
-- Looks: the shape of what they tell, in told worlds; they wait as all else does, and raise for wrong arguments alone.
local mtasts = require 'mtasts'
local core = require 'mtasts.core'

local POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n'
local NOW = 1767225600 -- 2026-01-01T00:00:00Z
local DAY = 86400

local world
local function open(parts)
  mtasts.configure { log = 'none', allow_private = false }
  parts = parts or {}
  parts.now = NOW
  world = mtasts.fake(parts)
  return world
end
after_each(function() if world then world:close() end world = nil end)

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return table.concat(keys, ' ')
end

describe('see_dns', function()
  it('tells records of each type', function()
    open { dns = {
      ['a.test TXT'] = { 'v=STSv1; id=1;', ('x'):rep(300), ttl = 77, dnssec = 'secure' },
      ['a.test MX'] = { '10 MX1.a.test', '0 .', '5 bad!name' }, ['a.test A'] = { '192.0.2.1' }, ['a.test AAAA'] = { '2001:db8::1' },
      ['_25._tcp.mx1.a.test TLSA'] = { '3 1 1 ab cd' } } }
    local txt = core.see_dns('A.test.', 'TXT')
    assert.equal('canonical cnames dnssec ms name records ttl type', sorted_keys(txt))
    assert.same({ { text = 'v=STSv1; id=1;', strings = 1 }, { text = ('x'):rep(300), strings = 2 } }, txt.records)
    assert.same({ 'A.test.', 'TXT', 77, 'secure', 'a.test', {} }, { txt.name, txt.type, txt.ttl, txt.dnssec, txt.canonical, txt.cnames })
    assert.same({ { preference = 10, host = 'mx1.a.test' }, { preference = 0, host = '.' }, { preference = 5, raw = 'bad!name' } },
      core.see_dns('a.test', 'MX').records)
    assert.same({ { address = '192.0.2.1' } }, core.see_dns('a.test', 'A').records)
    assert.same({ { address = '2001:db8::1' } }, core.see_dns('a.test', 'AAAA').records)
    assert.same({ { usage = 3, selector = 1, matching = 1, data = 'abcd' } }, core.see_dns('_25._tcp.mx1.a.test', 'TLSA').records)
  end)

  it('tells failures apart', function()
    open { dns = { ['servfail.test A'] = 'servfail', ['timeout.test A'] = 'timeout', ['bogus.test A'] = 'bogus',
      ['nodata.test MX'] = { '10 x.test' } } }
    local seen = {}
    for _, name in ipairs { 'servfail', 'timeout', 'bogus', 'nodata', 'nxdomain' } do
      local look = core.see_dns(name .. '.test', 'A', { timeout = 2 })
      assert.same({}, look.records)
      seen[name] = look.error.code .. ' ' .. look.dnssec .. (look.ttl and ' ttl' or '')
    end
    assert.same({ servfail = 'dns-servfail unknown', timeout = 'dns-timeout unknown', bogus = 'dns-bogus bogus',
      nodata = 'dns-nodata unknown ttl', nxdomain = 'dns-nxdomain unknown ttl' }, seen)
    assert.equal(2001, core.see_dns('timeout.test', 'A', { timeout = 2 }).ms)
  end)

  it('tells each hop of a chain, one that dangles and one that never ends', function()
    open { dns = { ['a.test CNAME'] = 'b.test', ['b.test CNAME'] = 'c.test', ['c.test TXT'] = { 'x' }, ['d.test CNAME'] = 'gone.test',
      ['l.test CNAME'] = 'm.test', ['m.test CNAME'] = 'n.test', ['n.test CNAME'] = 'm.test', ['self.test CNAME'] = 'self.test' } }
    local chain = core.see_dns('a.test', 'TXT')
    assert.same({ { 'b.test', 'c.test' }, 'c.test' }, { chain.cnames, chain.canonical })
    assert.is_nil(chain.loop)
    local dangling = core.see_dns('d.test', 'TXT')
    assert.same({ { 'gone.test' }, 'gone.test', 'dns-nxdomain' }, { dangling.cnames, dangling.canonical, dangling.error.code })
    local loop = core.see_dns('l.test', 'TXT')
    assert.same({ true, { 'm.test', 'n.test' }, 'dns-limit' }, { loop.loop, loop.cnames, loop.error.code })
    assert.same({}, core.see_dns('self.test', 'TXT').cnames)
    assert.is_true(core.see_dns('self.test', 'TXT').loop)
  end)

  it('a name that is none is an error in the table', function()
    open()
    for _, name in ipairs { 'a..b', '', 'a\0b', ('x'):rep(300), '[192.0.2.1]' } do
      local look = core.see_dns(name, 'A')
      assert.equal('name', look.error.stage, name)
      assert.same({ {}, {} }, { look.records, look.cnames })
    end
  end)
end)

describe('see_https', function()
  it('tells the policy and all about it', function()
    open { https = { ['mta-sts.a.test'] = { body = POLICY, headers = { ETag = '"1"' }, delay_ms = 30 } } }
    local look = core.see_https { host = 'mta-sts.a.test' }
    assert.equal('address body connect_ms first_byte_ms headers host ms port size status tls tls_ms', sorted_keys(look))
    assert.same({ 200, POLICY, #POLICY, 443, 30 }, { look.status, look.body, look.size, look.port, look.ms })
    assert.same({ ['content-type'] = 'text/plain', etag = '"1"' }, look.headers)
    assert.same({ 'TLSv1.3', true, 1 }, { look.tls.protocol, look.tls.verified, #look.tls.chain })
    local cert = look.tls.chain[1]
    assert.equal('fingerprint issuer key key_bits names not_after not_before self_issued signature spki subject', sorted_keys(cert))
    assert.same({ { 'mta-sts.a.test' }, 'RSA', 2048, 'sha256WithRSAEncryption', NOW + 60 * DAY, false },
      { cert.names, cert.key, cert.key_bits, cert.signature, cert.not_after, cert.self_issued })
  end)

  it('goes on where a fetch ends', function()
    open { https = {
      ['redirect.test'] = { status = 301, body = 'moved', headers = { Location = 'https://x.test/' } },
      ['gone.test'] = { status = 404, body = 'no' },
      ['html.test'] = { type = 'text/html', body = '<p>' }, ['expired.test'] = { body = POLICY, tls = { error = 'cert-expired' } },
      ['name.test'] = 'https-cert-name', ['long.test'] = { body = ('x'):rep(70000) } } }
    local function see(host) return core.see_https { host = host } end
    local redirect = see 'redirect.test'
    assert.same({ 301, 'moved', 'https://x.test/' }, { redirect.status, redirect.body, redirect.headers.location })
    assert.same({ 404, 'no' }, { see('gone.test').status, see('gone.test').body })
    assert.equal('text/html', see('html.test').headers['content-type'])
    local expired = see 'expired.test'
    assert.same({ 200, POLICY, 'cert-expired', false }, { expired.status, expired.body, expired.tls.error.code, expired.tls.verified })
    assert.is_nil(expired.error)
    assert.truthy(expired.tls.error.message:find('policy host', 1, true))
    assert.is_true(expired.tls.chain[1].not_after < NOW)
    local name = see 'name.test'
    assert.same({ 200, 'cert-name', { 'other.invalid' } }, { name.status, name.tls.error.code, name.tls.chain[1].names })
    local long = see 'long.test'
    assert.same({ true, 65537, 70000 }, { long.truncated, #long.body, long.size })
    assert.equal(10, #core.see_https { host = 'long.test', max_bytes = 10 }.body)
  end)

  it('tells what kept it from an answer', function()
    open { https = { ['refuses.test'] = 'https-connect', ['old.test'] = 'https-tls', ['slow.test'] = { body = POLICY, delay_ms = 5000 } },
      dns = { ['private.test A'] = { '10.0.0.1' } } }
    local codes = {}
    for _, host in ipairs { 'refuses', 'old', 'slow', 'private', 'nowhere' } do
      local look = core.see_https { host = host .. '.test', timeout = 2 }
      assert.same({ '', {} }, { look.body, look.headers })
      assert.is_nil(look.status)
      assert.is_nil(look.tls)
      codes[host] = look.error.code
    end
    assert.same({ refuses = 'https-connect', old = 'https-tls', slow = 'https-deadline', private = 'https-forbidden',
      nowhere = 'https-address' }, codes)
    assert.equal('https-forbidden', core.see_https { host = 'refuses.test', address = '127.0.0.1' }.error.code)
    assert.equal('name', core.see_https { host = 'a..b' }.error.stage)
    assert.equal('name', core.see_https { host = 'a\0b' }.error.stage)
  end)

  it('asks as it is told: address, path, user agent, method, without SNI', function()
    open { https = { ['mta-sts.a.test'] = { body = POLICY, no_sni = 'cert-name',
      by_address = { ['2001:4860::01'] = { body = 'stale', headers = { Age = '9' } }, ['8.8.4.4'] = 'https-connect' },
      by_path = { ['/mta-sts.txt'] = 'here' }, by_agent = { ['Mozilla/5.0'] = { status = 403, type = 'text/html' } } } } }
    local function see(how)
      how.host = 'mta-sts.a.test'
      return core.see_https(how)
    end
    assert.equal('stale', see { address = '2001:4860::1' }.body)
    assert.equal('2001:4860::1', see { address = '2001:4860::1' }.address)
    assert.equal('https-connect', see { address = '8.8.4.4' }.error.code)
    assert.equal(POLICY, see { address = '8.8.8.8', port = 8443 }.body)
    assert.equal(8443, see { address = '8.8.8.8', port = 8443 }.port)
    assert.equal('here', see { path = '/mta-sts.txt' }.body)
    assert.equal(404, see { path = '/other' }.status)
    assert.equal(403, see { user_agent = 'Mozilla/5.0' }.status)
    assert.equal(200, see { user_agent = 'curl' }.status)
    assert.same({ 200, '', 0 }, { see { method = 'HEAD' }.status, see { method = 'HEAD' }.body, see { method = 'HEAD' }.size })
    assert.equal('cert-name', see { sni = false }.tls.error.code)
    assert.is_nil(see { sni = true }.tls.error)
  end)

  it('ordinary requests meet the same world', function()
    open { dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' } },
      https = { ['mta-sts.a.test'] = { body = POLICY, tls = { error = 'cert-expired' } } },
      smtp = { ['mx1.a.test'] = { banner_code = 554 } } }
    local answer = assert(mtasts.lookup('a.test', { depth = 'policy', freshness = 'always' }))
    assert.equal('https-cert-expired', answer.refresh_error.code)
    world:https('mta-sts.a.test', POLICY)
    assert.equal('enforce', assert(mtasts.lookup('a.test', { depth = 'policy', freshness = 'always' })).mode)
    for told, code in pairs { [{ banner_code = 554 }] = 'smtp-protocol', [{ ehlo = { 'SIZE' } }] = 'starttls-missing',
      [{ starttls_code = 454 }] = 'starttls-refused', [{ tls = { error = 'cert-name' } }] = 'cert-name' } do
      world:smtp('mx1.a.test', told)
      assert.equal(code, assert(mtasts.probe 'mx1.a.test').error.code)
    end
  end)
end)

describe('see_smtp', function()
  it('tells every reply and the certificate', function()
    open { smtp = { ['mx1.a.test'] = 'ok' } }
    local look = core.see_smtp { host = 'mx1.a.test' }
    assert.equal('address banner banner_code connect_ms ehlo ehlo_code host ms port starttls_code starttls_reply tls', sorted_keys(look))
    assert.same({ '220 mx1.a.test ESMTP', 220, 250, 220, 25 },
      { look.banner, look.banner_code, look.ehlo_code, look.starttls_code, look.port })
    assert.same({ 'PIPELINING', 'SIZE 52428800', 'STARTTLS', '8BITMIME' }, look.ehlo)
    assert.same({ { 'mx1.a.test' }, true }, { look.tls.chain[1].names, look.tls.verified })
  end)

  it('shows where each failure arises', function()
    local told = { connect = 'smtp-connect', timeout = 'smtp-timeout', refuses = { banner = '554 go away', banner_code = 554 },
      missing = 'starttls-missing', none = { ehlo = { 'SIZE 1' } }, later = { starttls_code = 454 }, tls = 'tls-handshake',
      expired = 'cert-expired', untrusted = { tls = { error = 'cert-untrusted' } }, busy = { ehlo_code = 421 }, protocol = 'smtp-protocol' }
    local smtp = {}
    for name, value in pairs(told) do smtp[name .. '.test'] = value end
    open { smtp = smtp }
    local seen = {}
    for name in pairs(told) do
      local look = core.see_smtp { host = name .. '.test', timeout = 3 }
      seen[name] = table.concat({ look.error and look.error.code or 'ok', look.banner_code or '-', look.ehlo_code or '-', #look.ehlo,
        look.starttls_code or '-', look.tls and (look.tls.error and look.tls.error.code or 'verified') or '-' }, ' ')
    end
    assert.same({ connect = 'smtp-connect - - 0 - -', timeout = 'smtp-timeout - - 0 - -', refuses = 'smtp-protocol 554 - 0 - -',
      missing = 'starttls-missing 220 250 3 - -', none = 'starttls-missing 220 250 1 - -', later = 'starttls-refused 220 250 4 454 -',
      tls = 'tls-handshake 220 250 4 220 -', expired = 'ok 220 250 4 220 cert-expired', untrusted = 'ok 220 250 4 220 cert-untrusted',
      busy = 'smtp-protocol 220 421 0 - -', protocol = 'smtp-protocol 554 - 0 - -' }, seen)
    assert.equal('554 go away', core.see_smtp { host = 'refuses.test' }.banner)
    assert.equal('mx-address', core.see_smtp { host = 'nowhere.test' }.error.code)
  end)

  it('asks as it is told: address, old TLS, injection, without SNI', function()
    open { smtp = { ['old.test'] = { old_tls = true, inject = true, no_sni = 'cert-name' }, ['new.test'] = 'ok',
      ['strict.test'] = { no_sni = 'tls-handshake', by_address = { ['192.0.2.2'] = { tls = { error = 'cert-expired' } } } } } }
    local old = core.see_smtp { host = 'old.test', tls = '1.1', inject = true }
    assert.same({ 'TLSv1.1', true }, { old.tls.protocol, old.injected })
    assert.equal('tls-handshake', core.see_smtp { host = 'new.test', tls = '1.1' }.error.code)
    assert.equal('TLSv1.2', core.see_smtp { host = 'new.test', tls = '1.2' }.tls.protocol)
    assert.is_false(core.see_smtp { host = 'new.test', inject = true }.injected)
    assert.is_nil(core.see_smtp { host = 'old.test' }.injected)
    assert.equal('cert-name', core.see_smtp { host = 'old.test', sni = false }.tls.error.code)
    assert.equal('tls-handshake', core.see_smtp { host = 'strict.test', sni = false }.error.code)
    assert.is_nil(core.see_smtp { host = 'strict.test' }.error)
    assert.equal('cert-expired', core.see_smtp { host = 'strict.test', address = '192.0.2.2' }.tls.error.code)
  end)

  it('shows a chain as it was told', function()
    open { smtp = { ['mx.test'] = { tls = { protocol = 'TLSv1.2', cipher = 'X', chain = {
      { names = { 'mx.test', '*.mx.test' }, key = 'EC', curve = 'P-384', key_bits = 384, signature = 'ecdsa-with-SHA1',
        not_after = NOW + 5 * DAY },
      { subject = 'CN=Root', issuer = 'CN=Root', key_bits = 1024 } } } } } }
    local tls = core.see_smtp { host = 'mx.test' }.tls
    assert.same({ 'TLSv1.2', 'X', 2 }, { tls.protocol, tls.cipher, #tls.chain })
    local leaf, root = tls.chain[1], tls.chain[2]
    assert.same({ { 'mx.test', '*.mx.test' }, 'EC', 'P-384', 384, 'ecdsa-with-SHA1', NOW + 5 * DAY },
      { leaf.names, leaf.key, leaf.curve, leaf.key_bits, leaf.signature, leaf.not_after })
    assert.same({ 'CN=Root', true, 'RSA', 1024 }, { root.subject, root.self_issued, root.key, root.key_bits })
  end)
end)

describe('looks', function()
  local functions = { function() return core.see_dns('slow.test', 'TXT') end, function() return core.see_https { host = 'slow.test' } end,
    function() return core.see_smtp { host = 'slow.test' } end }
  local function slow()
    return open { dns = { ['slow.test TXT'] = { 'x', delay_ms = 500 } }, https = { ['slow.test'] = { body = 'x', delay_ms = 500 } },
      smtp = { ['slow.test'] = { delay_ms = 500 } } }
  end

  it('wait side by side', function()
    slow()
    local results = mtasts.all { functions[1], functions[2], functions[3], functions[1] }
    for i = 1, 4 do
      assert.is_nil(results[i][1].error)
      assert.equal(500, results[i][1].ms)
    end
    assert.equal(NOW, world.now) -- half a second for all of them
  end)

  it('fail as cancelled when their world is closed', function()
    for i = 1, 3 do
      slow()
      local results = mtasts.all { functions[i], function() world:close() end }
      world = nil
      assert.equal('cancelled', results[1][1].error.code)
      assert.is_nil(results[1][1].tls)
    end
  end)

  it('end with the coroutine that waits', function()
    for i = 1, 3 do
      slow()
      local waiting, went_on
      local ok = pcall(mtasts.all, {
        function()
          waiting = coroutine.running()
          functions[i]()
          went_on = true
        end,
        function()
          core.see_dns('nothing.test', 'A')
          assert(coroutine.close(waiting))
          collectgarbage()
          functions[i % 3 + 1]()
        end })
      assert.is_false(ok)
      assert.is_nil(went_on)
      collectgarbage()
      assert.is_nil(functions[i]().error)
      world:close()
    end
  end)

  it('raise for arguments that are none, and for nothing else', function()
    open()
    for _, bad in ipairs { {}, { 'a.test' }, { 'a.test', 'SRV' }, { 'a.test', 'A', { tmieout = 1 } }, { 'a.test', 'A', { timeout = 0 } },
      { 'a.test', 'A', 1 }, { 1, 'A' }, { {}, 'A' } } do
      assert.has_error(function() core.see_dns(table.unpack(bad, 1, 3)) end)
    end
    for _, bad in ipairs { { host = 1 }, { hots = 'a.test' }, { host = 'a.test', address = 'x' }, { host = 'a.test', address = 1 },
      { host = 'a.test', path = 'x' }, { host = 'a.test', path = '/a b' }, { host = 'a.test', path = '/a\nb' },
      { host = 'a.test', path = '' },
      { host = 'a.test', path = '/' .. ('x'):rep(2000) }, { host = 'a.test', user_agent = 'x\r\nY: z' }, { host = 'a.test', port = 0 },
      { host = 'a.test', port = 65536 }, { host = 'a.test', port = 1.5 }, { host = 'a.test', method = 'POST' },
      { host = 'a.test', sni = 1 },
      { host = 'a.test', max_bytes = 0 }, { host = 'a.test', max_bytes = 1 << 30 }, { host = 'a.test', timeout = -1 },
      { host = 'a.test', timeout = 'x' } } do
      assert.has_error(function() core.see_https(bad) end)
    end
    for _, bad in ipairs { {}, { host = 'a.test', tls = '1.4' }, { host = 'a.test', tls = 1.1 }, { host = 'a.test', inject = 'yes' },
      { host = 'a.test', path = '/' }, { host = 'a.test', address = '[::1]' } } do
      assert.has_error(function() core.see_smtp(bad) end)
    end
    local ok, why = pcall(core.see_https, { hots = 'a.test' })
    assert.is_false(ok)
    assert.truthy(why:find("unknown option 'hots'; did you mean 'host'?", 1, true), why)
  end)
end)

describe('what a world is told of hosts', function()
  it('names the nearest field it knows', function()
    for _, case in ipairs {
      { { https = { ['a.test'] = { bdoy = 'x' } } }, "unknown field 'bdoy'; did you mean 'body'?" },
      { { https = { ['a.test'] = { tls = { eror = 'x' } } } }, "unknown field 'eror' in tls; did you mean 'error'?" },
      { { https = { ['a.test'] = { tls = { chain = { { nmaes = {} } } } } } },
        "unknown field 'nmaes' in a certificate; did you mean 'names'?" },
      { { smtp = { ['a.test'] = { banner_cod = 1 } } }, "unknown field 'banner_cod'; did you mean 'banner_code'?" },
      { { smtp = { ['a.test'] = { [1] = 'ok' } } }, "unknown field 'number'" } } do
      local ok, why = pcall(mtasts.fake, case[1])
      assert.is_false(ok)
      assert.truthy(why:find(case[2], 1, true), why)
    end
  end)

  it('raises for what cannot be, and leaves no world behind', function()
    for _, value in ipairs { { tls = 1 }, { tls = { error = 'dns-timeout' } }, { tls = { error = 'cert-nope' } },
      { tls = { chain = { 1 } } }, { tls = { chain = { { names = 'x' } } } }, { tls = { chain = { { names = { 'a b' } } } } },
      { tls = { chain = { { key_bits = -1 } } } },
      { tls = { chain = { {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {} } } }, { no_sni = 'smtp-connect' }, { by_address = { ['x'] = 'ok' } },
      { by_address = { 'ok' } }, { by_address = { ['192.0.2.1'] = { by_address = {} } } }, { delay_ms = -1 }, { delay_ms = 'x' } } do
      assert.has_error(function() mtasts.fake { https = { ['a.test'] = value } } end)
      assert.has_error(function() mtasts.fake { smtp = { ['a.test'] = value } } end)
    end
    for _, value in ipairs { { status = 99 }, { status = 600 }, { headers = 1 }, { headers = { [1] = 'x' } }, { headers = { x = 1 } },
      { headers = { x = ('y'):rep(2000) } }, { headers = { ['x\0'] = 'y' } }, { body = 1 }, { type = ('x'):rep(200) },
      { by_path = { ['x'] = 'y' } }, { by_path = { ['/'] = { status = 1 } } }, { by_agent = { [''] = 'x' } },
      { error = 'smtp-connect' } } do
      assert.has_error(function() mtasts.fake { https = { ['a.test'] = value } } end)
    end
    for _, value in ipairs { { banner = 1 }, { banner = ('x'):rep(600) }, { banner_code = 100 }, { ehlo_code = 600 }, { starttls_code = 1 },
      { ehlo = 'STARTTLS' }, { ehlo = { 1 } }, { ehlo = { 'a\0b' } }, { old_tls = 1 }, { inject = 'yes' },
      { error = 'https-connect' }, 1, true } do
      assert.has_error(function() mtasts.fake { smtp = { ['a.test'] = value } } end)
    end
    open { https = { ['a.test'] = { tls = { chain = { {}, {}, {}, {}, {}, {}, {}, {}, {}, {} } } } } }
    assert.equal(10, #core.see_https { host = 'a.test' }.tls.chain)
  end)
end)
