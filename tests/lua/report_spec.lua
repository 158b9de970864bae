-- SPDX-License-Identifier: ISC
-- mtasts.parse_report, and what the commands make of reports: sums, words, pages, merged reports.
local core = require 'mtasts.core'
local mtasts = require 'mtasts'
local chart = require 'mtasts.report_chart'
local merge = require 'mtasts.report_merge'
local show = require 'mtasts.report_show'
local sum = require 'mtasts.report_sum'
local words = require 'mtasts.report_words'

local JSON <const> = [==[{"organization-name": "A", "contact-info": "tls@a.test", "report-id": "1",
"date-range": {"start-datetime": "2026-01-02T00:00:00Z", "end-datetime": "2026-01-02T23:59:59Z"},
"policies": [{"policy": {"policy-type": "sts", "policy-domain": "B.test.", "policy-string": ["mode: enforce"], "mx-host": ["*.B.test"]},
"summary": {"total-successful-session-count": 5, "total-failure-session-count": 2},
"failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "2001:DB8::0001",
"receiving-mx-hostname": "MX.b.test", "receiving-ip": "192.0.2.2", "failed-session-count": 2}]}]}]==]

describe('mtasts.parse_report', function()
  it('makes a table of a report, with names and addresses in one form', function()
    local report, err, findings = mtasts.parse_report(JSON)
    assert.is_nil(err)
    assert.is_true(findings.strict)
    assert.same({
      organization = 'A', contact = 'tls@a.test', id = '1', begins_at = 1767312000, ends_at = 1767398399,
      policies = { {
        policy_type = 'sts', domain = 'b.test', policy = { 'mode: enforce' }, patterns = { '*.b.test' }, successful = 5, failed = 2,
        failures = { { result = 'certificate-expired', source = '2001:db8::1', mx = 'mx.b.test', address = '192.0.2.2', count = 2 } },
      } },
    }, report)
  end)

  it('leaves out what a report does not tell', function()
    local report, _, findings = mtasts.parse_report '{"policies": [{}]}'
    assert.same({ policies = { { policy = {}, patterns = {}, failures = {} } } }, report)
    assert.is_false(findings.strict)
  end)

  it('refuses by default what could be misread, and strictly what breaks a rule', function()
    local sloppy = JSON:gsub('"B.test."', 'null')
    assert.is_truthy(mtasts.parse_report(sloppy))
    local report, err, findings = mtasts.parse_report(sloppy, { strict = true })
    assert.is_nil(report)
    assert.equal('report-fields', err.code)
    assert.equal('report', err.stage)
    assert.equal('policies[0].policy.policy-domain', findings[1].path)
    assert.equal('RFC 8460 4.4', findings[1].clause)
    assert.equal(3, findings[1].line)
    report, err = mtasts.parse_report((JSON:gsub(': 5', ': -5')))
    assert.is_nil(report)
    assert.equal('report-count', err.code)
  end)

  it('raises on arguments that are none', function()
    assert.has_error(function() mtasts.parse_report() end)
    assert.has_error(function() mtasts.parse_report(5) end)
    assert.has_error(function() mtasts.parse_report(JSON, { strickt = true }) end)
  end)
end)

local function source(json)
  local report, err, findings = mtasts.parse_report(json)
  return { report = report, err = err, findings = findings, name = 'a' }
end

describe('a sum of reports', function()
  it('counts equal reports once, and adds others of the same policy', function()
    local total = sum.up { source(JSON), source(JSON), source((JSON:gsub('%-02T', '-03T'))), source 'x' }
    assert.equal(2, total.reports)
    assert.equal(1, total.twice)
    assert.equal(1, #total.policies)
    assert.equal(10, total.policies[1].successful)
    assert.equal(4, total.policies[1].failures[1].count)
    assert.same({ '2001:db8::1' }, total.policies[1].failures[1].sources)
    assert.same({ { day = '2026-01-02', successful = 5, failed = 2 }, { day = '2026-01-03', successful = 5, failed = 2 } },
      total.policies[1].days)
  end)

  it('keeps apart what was seen under other policies', function()
    local total = sum.up { source(JSON), source((JSON:gsub('enforce', 'testing'))), source((JSON:gsub('"sts"', '"tlsa"'))) }
    assert.equal(3, #total.policies)
  end)

  it('counts the details where there is no sum, and says that a count is missing', function()
    local total = sum.up { source((JSON:gsub(', "total%-failure%-session%-count": 2', ''))) }
    assert.equal(2, total.policies[1].failed)
    assert.is_true(total.policies[1].uncounted)
  end)

  it('has no number beyond those that every program reads', function()
    assert.equal(sum.MOST, sum.add(sum.MOST, 1))
    assert.equal(3, sum.add(nil, 3))
  end)
end)

describe('words of a report', function()
  it('say of each result type of RFC 8460 what it is and how to mend it', function()
    for _, err in ipairs(core.errors()) do
      if err.result_type then
        assert.is_nil(words.result(err.result_type):find(err.result_type, 1, true), err.result_type)
        assert.is_nil(words.mend(err.result_type, 'mx.b.test', 'b.test'):find 'knows no such', err.result_type)
      end
    end
    assert.truthy(words.mend('sts-policy-fetch-error', nil, 'b.test'):find('https://mta-sts.b.test/', 1, true))
    assert.truthy(words.mend('certificate-expired', 'mx%1.test', 'b%2.test'):find('mx%1.test', 1, true))
    assert.truthy(words.result 'new-type':find('new-type', 1, true))
    assert.truthy(words.mend('new-type', 'a'):find('ask the reporter', 1, true))
  end)

  it('tell days without the second that is the next', function()
    assert.equal('2026-01-02', show.span(1767312000, 1767398399))
    assert.equal('2026-01-02', show.span(1767312000, 1767398400))
    assert.equal('2026-01-02 to 2026-01-03', show.span(1767312000, 1767398401))
    assert.equal('? to 2026-01-02', show.span(nil, 1767312001))
    assert.equal('at an unknown time', show.span())
  end)
end)

describe('a chart', function()
  it('escapes what others wrote', function()
    assert.equal('&lt;a&gt;&amp;&quot;&#39;??', chart.escape '<a>&"\'\27\226\128\174')
    assert.equal('?', chart.escape '\255')
    assert.is_nil(chart.rows('<b>', { { name = '<i>"', count = 1 } }):find '<[bi]>')
  end)

  it('has a bar for each day, those without sessions as well', function()
    local days = { { day = '2026-01-02', successful = 5, failed = 0 }, { day = '2026-01-05', successful = 0, failed = 1 } }
    local picture, step = chart.days(days)
    assert.equal(1, step)
    assert.equal(2, select(2, picture:gsub('<rect', '')))
    assert.equal(4, select(2, picture:gsub('<title>', '')))
    assert.truthy(picture:find('2026-01-03: 0 went well, 0 failed', 1, true))
    assert.equal('', (chart.days {}))
  end)

  it('gathers days where they are very many', function()
    local far = { { day = '1970-01-01', successful = 1, failed = 1 }, { day = '9999-12-31', successful = 1, failed = 1 } }
    local picture, step = chart.days(far)
    assert.is_true(step > 10000)
    assert.is_true(select(2, picture:gsub('<title>', '')) <= 60)
  end)

  it('groups digits', function()
    assert.equal('0', chart.number(0))
    assert.equal('999', chart.number(999))
    assert.equal('1,234,567', chart.number(1234567))
    assert.equal('100,000', chart.number(100000))
  end)
end)

describe('policies that are merged', function()
  it('sum counts, and failures that are alike in all but the count', function()
    local one, two = source(JSON).report, source((JSON:gsub('192.0.2.2', '192.0.2.3'))).report
    local list = merge.policies { one, one, two }
    assert.equal(1, #list)
    assert.equal(15, list[1].summary['total-successful-session-count'])
    local counts = {}
    for i, failure in ipairs(list[1]['failure-details']) do counts[i] = failure['failed-session-count'] end
    assert.same({ 4, 2 }, counts)
  end)

  it('have the patterns of the policy where the reporter left them out', function()
    local report = source(JSON:gsub('"mode: enforce"', '"mode: enforce", "mx: mx.b.test"'):gsub(', "mx%-host": %["[^"]*"%]', '')).report
    assert.same({ 'mx.b.test' }, { table.unpack(merge.policies({ report })[1].policy['mx-host']) })
  end)

  it('count the details where there is no sum', function()
    local report = source((JSON:gsub(', "total%-failure%-session%-count": 2', ''))).report
    assert.equal(2, merge.policies({ report })[1].summary['total-failure-session-count'])
  end)
end)
