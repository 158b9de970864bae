-- SPDX-License-Identifier: ISC
-- Every check finds what it is for, and nothing where nothing is wrong. The cases stand in checks/, by group.
local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local told = require 'checks.told'
local rows = require 'mtasts.check_rows'
local mtasts = require 'mtasts'

local IDS <const> = [[in.domain in.subdomain
txt.lookup txt.cname txt.unrelated txt.count txt.version txt.prefixws txt.id txt.dupid txt.ext txt.ascii txt.location txt.old txt.ttl
txt.idfresh txt.dnssec
host.resolve host.addr host.connect host.timeout host.tlsver host.chain host.name host.expiry host.key host.sni
http.status http.redirect http.ua http.ctype http.size http.cache http.apexpath
pol.empty pol.html pol.encoding pol.eol pol.blank pol.leadws pol.trailws pol.comment pol.line pol.keycase pol.version pol.order pol.mode
pol.mode.testing pol.mode.none pol.maxage pol.maxage.big pol.maxage.short pol.dup pol.mx.present pol.mx.syntax pol.mx.ip pol.mx.dup
pol.mx.wide pol.mx.placeholder pol.ext
mx.lookup mx.target mx.dup mx.match mx.unused mx.dnssec
smtp.connect smtp.banner smtp.starttls smtp.tlsver smtp.chain smtp.name smtp.expiry smtp.key smtp.samecert smtp.nosni smtp.inject
dane.tlsa
rpt.lookup rpt.version rpt.rua rpt.uri rpt.many rpt.mxdest rpt.samefate rpt.ext rpt.old rpt.nopolicy
sum.senders]]

local cases = {}
for _, file in ipairs { 'txt', 'https', 'policy', 'mail', 'tlsrpt' } do
  for _, case in ipairs(require('checks.' .. file)) do cases[#cases + 1] = case end
end

local function holds(list, wanted)
  for _, value in ipairs(list) do
    if value == wanted then return true end
  end
  return false
end

local function all_of(result)
  local lines = {}
  for i, finding in ipairs(result.findings) do
    lines[i] = ('%s %s %s: %s'):format(finding.severity, finding.id, finding.subject or '', finding.seen)
  end
  return '\n' .. table.concat(lines, '\n')
end

local function fits(finding, case)
  return finding.id == case[1] and (not case.severity or finding.severity == case.severity)
    and (not case.says or finding.seen:find(case.says, 1, true)) and (not case.fix or finding.fix:find(case.fix, 1, true))
    and (not case.subject or finding.subject == case.subject)
end

describe('a check', function()
  for _, case in ipairs(cases) do
    it(('%s: %s%s'):format(case[1], case[2], case.quiet and ' is fine' or ''), function()
      local result = told.check(case[3])
      if case.quiet then
        assert(holds(result.passed, case[1]), case[1] .. ' did not pass' .. all_of(result))
        return
      end
      for _, finding in ipairs(result.findings) do
        if fits(finding, case) then return end
      end
      error(case[1] .. ' did not find it' .. all_of(result))
    end)
  end
end)

describe('the list of checks', function()
  it('has every id of the list, and no other', function()
    local wanted, count = {}, 0
    for id in IDS:gmatch '%S+' do wanted[id], count = true, count + 1 end
    assert.equal(89, count)
    assert.equal(89, #rows.list)
    for _, row in ipairs(rows.list) do assert.is_true(wanted[row.id], row.id) end
  end)

  it('has for each a world in which it finds something, and one in which it does not', function()
    local fires, quiet = {}, {}
    for _, id in ipairs(told.check().passed) do quiet[id] = true end
    for _, case in ipairs(cases) do (case.quiet and quiet or fires)[case[1]] = true end
    for _, row in ipairs(rows.list) do
      assert.is_true(fires[row.id], row.id .. ' never finds anything')
      assert.is_true(quiet[row.id], row.id .. ' always finds something')
    end
  end)

  it('says of each what is wanted, where it is written and how to mend it', function()
    local severities = { error = true, warn = true, info = true }
    for _, row in ipairs(rows.list) do
      assert.is_true(severities[row.severity], row.id)
      assert.truthy(row.ref:find '^RFC %d%d%d%d %d' or row.ref:find '^RFC %d%d%d%d$' or row.ref:find '^CVE', row.id .. ': ' .. row.ref)
      assert.truthy(#row.title > 10 and #row.title < 80, row.id)
      assert.truthy(row.fix:find '^[%u"].*%.$', row.id .. ': ' .. row.fix)
    end
  end)
end)

describe('a domain that has everything', function()
  local result = told.check()
  it('gets no errors, no warnings and no notes', function()
    assert.same({ error = 0, warn = 0, info = 0, unknown = 0 }, result.counts, all_of(result))
  end)
  it('is told what senders do', function()
    assert.equal('deliver', result.hosts[1].would)
    assert.equal('deliver', result.hosts[2].would)
    assert.equal('fetches the policy, then delivers over verified TLS to mx1.a.test, in.mail.a.test', result.senders.without_cache)
    assert.truthy(result.senders.with_cache:find('kept for 30 d', 1, true))
  end)
  it('has the days of each certificate', function()
    assert.same({ policy_host = 60, ['mx1.a.test'] = 60, ['in.mail.a.test'] = 60 }, result.days_left)
  end)
  it('has what was seen', function()
    assert.equal('v=STSv1; id=20260101;', result.record)
    assert.equal(told.POLICY, result.policy)
    assert.equal('20260101 enforce 2592000', ('%s %s %d'):format(result.id, result.mode, result.max_age))
  end)
  it('is asked all at once: it takes as long as its slowest server', function()
    local world = told.perfect()
    world.smtp['mx1.a.test'], world.smtp['in.mail.a.test'] = { delay_ms = 3000 }, { delay_ms = 4000 }
    world.https[told.HOST] = { body = told.POLICY, delay_ms = 5000 }
    world.dns[told.RPT].delay_ms = 3000
    local open <close> = mtasts.fake(world)
    local before = open.now
    local without_dane = mtasts.check('a.test', { skip = 'dane' })
    assert.equal(0, without_dane.counts.error)
    -- A mail host is first spoken to the usual way, then once more in others.
    assert.is_true(open.now - before <= 8, tostring(open.now - before))
  end)
end)
