-- SPDX-License-Identifier: ISC
-- Results of checks for programs: JSON, a line for monitoring plugins, metrics; and the list of checks.
local core = require 'mtasts.core'
local rows = require 'mtasts.check_rows'
local text = require 'mtasts.text'

local export = {}

-- ---- JSON ----

-- JSON is UTF-8; what is none is shown as text.
local function json_text(bytes) return bytes and (utf8.len(bytes) and bytes or bytes:gsub('[^\r\n]+', text.clean)) end

function export.as_json(result)
  local copy = {}
  for key, value in pairs(result) do copy[key] = value end
  copy.record, copy.policy, copy.asked = json_text(result.record), json_text(result.policy), json_text(result.asked)
  for _, key in ipairs { 'mx', 'findings', 'passed', 'skipped', 'hosts' } do
    copy[key] = core.json_array { table.unpack(result[key]) }
  end
  for i, host in ipairs(copy.hosts) do
    local own = {}
    for key, value in pairs(host) do own[key] = value end
    own.addresses = core.json_array { table.unpack(host.addresses) }
    copy.hosts[i] = own
  end
  return copy
end

function export.json()
  return {
    add = function(domain, result, err)
      print(core.json_encode(result and export.as_json(result)
        or { domain = json_text(domain), error = { code = err.code, message = err.message, temporary = err.temporary } }))
    end,
  }
end

-- ---- the list ----

function export.list(as_json)
  local about = { domain = 'DOMAIN' }
  local group
  for _, row in ipairs(rows.list) do
    if as_json then
      print(core.json_encode { id = row.id, group = row.group, severity = row.severity, ref = row.ref, title = rows.about(row.title, about),
        fix = rows.about(row.fix, about) })
    else
      if row.group ~= group then print((group and '\n' or '') .. text.paint('bold', row.group)) end
      group = row.group
      print(text.beside(('  %-18s %-5s  '):format(row.id, row.severity), rows.about(row.title, about) .. ' (' .. row.ref .. ')', 80))
    end
  end
end

-- ---- monitoring plugins ----

local states <const> = { [0] = 'OK', 'WARNING', 'CRITICAL', 'UNKNOWN' }

-- https://www.monitoring-plugins.org/doc/guidelines.html: no | in the words; a label in quotation marks.
local function words_for_plugin(words) return (text.clean(words):gsub('|', '/')) end

local function first_finding(result)
  for _, severity in ipairs { 'error', 'unknown', 'warn' } do
    for _, finding in ipairs(result.findings) do
      if finding.severity == severity then
        return (' - %s: %s%s'):format(finding.id, finding.subject and finding.subject .. ': ' or '', finding.seen)
      end
    end
  end
  return ''
end

local function plugin_words(result)
  local mode = result.mode or result.present and 'no policy' or 'no MTA-STS'
  return ('%s: %s, %d errors, %d warnings%s'):format(result.domain, mode, result.counts.error, result.counts.warn, first_finding(result))
end

function export.nagios()
  local words, data, count = {}, {}, 0
  local totals = { error = 0, warn = 0, unknown = 0 }
  return {
    add = function(domain, result, err)
      count = count + 1
      if not result then
        words[#words + 1] = words_for_plugin(domain .. ': ' .. err.message)
        return
      end
      words[#words + 1] = words_for_plugin(plugin_words(result))
      for severity in pairs(totals) do totals[severity] = totals[severity] + result.counts[severity] end
      local names = {}
      for name in pairs(result.days_left) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do
        local label = name == 'policy_host' and 'mta-sts.' .. result.domain or name
        data[#data + 1] = ("'days_%s'=%d;14:;0:"):format((label:gsub("['=|%s]", '')), result.days_left[name])
      end
    end,
    finish = function(worst, exit)
      local state = ({ [exit.good] = 0, [exit.warnings] = 1, [exit.errors] = 2, [exit.none] = 2, [exit.unknown] = 3 })[worst] or 3
      -- What monitoring starts must say that it does not know, whatever the reason.
      print(('MTASTS %s - %s | errors=%d;;0 warnings=%d;0 unknown=%d%s'):format(states[state], table.concat(words, '; '),
        totals.error, totals.warn, totals.unknown, #data > 0 and ' ' .. table.concat(data, ' ') or ''))
      return state
    end,
  }
end

-- ---- metrics ----

-- https://prometheus.io/docs/instrumenting/exposition_formats/
local function label(value) return (text.clean(value):gsub('[\\"]', '\\%0'):gsub('\n', '\\n')) end

local metrics <const> = {
  { 'up', 'Whether the domain was checked (1), or is no name that could be (0).' },
  { 'present', 'Whether the domain has a record of MTA-STS.' },
  { 'findings', 'Findings of the last check, by severity.' },
  { 'certificate_days_left', 'Days until the certificate of a host ends.' },
  { 'policy_max_age_seconds', 'max_age of the policy.' },
  { 'policy_age_seconds', 'Time since the policy was last modified, as its server says.' },
  { 'policy_mode', 'The mode of the policy: 1 for the one in force.' },
  { 'duration_seconds', 'How long the check took.' },
  { 'timestamp_seconds', 'When the check was made.' },
}

local function samples_of(result, add)
  local domain = { 'domain', result.domain }
  add('up', { domain }, 1)
  add('present', { domain }, result.present and 1 or 0)
  for _, severity in ipairs { 'error', 'warn', 'info', 'unknown' } do
    add('findings', { domain, { 'severity', severity } }, result.counts[severity])
  end
  local names = {}
  for name in pairs(result.days_left) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local policy_host = name == 'policy_host'
    add('certificate_days_left', { domain, { 'host', policy_host and 'mta-sts.' .. result.domain or name },
      { 'role', policy_host and 'policy' or 'mx' } }, result.days_left[name])
  end
  if result.max_age then add('policy_max_age_seconds', { domain }, result.max_age) end
  if result.policy_age then add('policy_age_seconds', { domain }, result.policy_age) end
  for _, mode in ipairs(result.mode and { 'none', 'testing', 'enforce' } or {}) do
    add('policy_mode', { domain, { 'mode', mode } }, mode == result.mode and 1 or 0)
  end
  add('duration_seconds', { domain }, result.ms / 1000)
  add('timestamp_seconds', { domain }, result.at)
end

function export.prometheus()
  local samples, had = {}, {}
  local function add(name, labels, value)
    local parts = {}
    for i, pair in ipairs(labels) do parts[i] = ('%s="%s"'):format(pair[1], label(pair[2])) end
    local series = ('mtasts_check_%s{%s}'):format(name, table.concat(parts, ','))
    if had[series] then return end -- a domain that was named twice
    had[series] = true
    samples[name] = samples[name] or {}
    table.insert(samples[name], series .. ' ' .. tostring(value))
  end
  return {
    add = function(domain, result)
      if result then
        samples_of(result, add)
      else
        add('up', { { 'domain', domain } }, 0)
      end
    end,
    finish = function(worst)
      for _, metric in ipairs(metrics) do
        if samples[metric[1]] then
          print(('# HELP mtasts_check_%s %s\n# TYPE mtasts_check_%s gauge'):format(metric[1], metric[2], metric[1]))
          print(table.concat(samples[metric[1]], '\n'))
        end
      end
      return worst
    end,
  }
end

return export
