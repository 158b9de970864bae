-- SPDX-License-Identifier: ISC
-- Results of checks for people: what was found on top, then what is wrong with it, then what senders do. Each sign has its word beside it.
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local show = {}

local WIDTH <const> = 80
local POLICY_MOST <const> = 24

local kinds <const> = {
  error = { '✗', 'error', 'bad' }, unknown = { '?', 'unknown', 'warning' }, warn = { '!', 'warning', 'warning' },
  info = { 'i', 'note', 'dim' }, good = { '✓', 'good', 'good' },
}
local decisions <const> = {
  deliver = { '✓', 'deliver', 'good' }, refuse = { '✗', 'refuse', 'bad' }, unknown = { '?', 'unknown', 'warning' },
  ['deliver-unprotected'] = { '!', 'unprotected', 'warning' },
}

local function width_of(words) return utf8.len(words) or #words end

-- Pieces of at most width columns.
local function pieces(word, width, list)
  while width_of(word) > width do
    local cut = utf8.offset(word, width + 1)
    list[#list + 1] = word:sub(1, cut - 1)
    word = word:sub(cut)
  end
  list[#list + 1] = word
end

-- Lines of at most width columns; words that are longer are cut.
function show.fold(words, width)
  local list, lines, line = {}, {}, ''
  for word in words:gmatch '%S+' do pieces(word, width, list) end
  for _, word in ipairs(list) do
    if line ~= '' and width_of(line) + 1 + width_of(word) > width then
      lines[#lines + 1] = line
      line = word
    else
      line = line == '' and word or line .. ' ' .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

-- head, which is so many columns wide, then words in a column beside it.
local function beside(head, columns, words)
  local lines = show.fold(words, WIDTH - columns)
  print((head .. lines[1]):match '^(.-)%s*$')
  for i = 2, #lines do print((' '):rep(columns) .. lines[i]) end
end

local function counted(count, one, many) return ('%d %s'):format(count, count == 1 and one or many) end

local function totals(result)
  local parts = {}
  local function add(severity, one, many, colour)
    local count = result.counts[severity]
    if count > 0 then parts[#parts + 1] = text.paint(colour, counted(count, one, many)) end
  end
  add('error', 'error', 'errors', 'bad')
  add('unknown', 'unknown', 'unknown', 'warning')
  add('warn', 'warning', 'warnings', 'warning')
  if #parts == 0 then parts[1] = text.paint('good', result.present and 'all is well' or 'no MTA-STS') end
  add('info', 'note', 'notes', 'dim')
  return table.concat(parts, ', ')
end

local function show_texts(result, seen)
  if result.record then
    local ttl = seen.txt and seen.txt.ttl and (' (TTL %s)'):format(text.span(seen.txt.ttl)) or ''
    beside('  record   ', 11, text.clean(result.record) .. ttl)
  end
  if seen.tlsrpt and seen.tlsrpt.text then beside('  reports  ', 11, text.clean(seen.tlsrpt.text)) end
  if not result.policy then return end
  local from = seen.got and seen.got.address and (' (%s, %d ms)'):format(seen.got.address, seen.got.ms or 0) or ''
  beside('  policy   ', 11, 'https://mta-sts.' .. result.domain .. '/.well-known/mta-sts.txt' .. from)
  local lines, most = 0, seen.foreign and 4 or POLICY_MOST
  for line in (result.policy:gsub('\r?\n$', '') .. '\n'):gmatch '(.-)\r?\n' do
    lines = lines + 1
    if lines <= most then
      local shown = text.clean(line)
      if width_of(shown) > WIDTH - 11 then shown = shown:sub(1, utf8.offset(shown, WIDTH - 13) - 1) .. '...' end
      print(((' '):rep(11) .. shown):match '^(.-)%s*$')
    end
  end
  if lines > most then print((' '):rep(11) .. ('(and %s)'):format(counted(lines - most, 'more line', 'more lines'))) end
end

local function certificate(tls)
  local leaf = tls and tls.chain and tls.chain[1]
  if not leaf then return tls and tls.protocol or 'no TLS' end
  return ('%s, certificate of %s for %s until %s'):format(tls.protocol or 'TLS', text.clean(leaf.issuer or '?'),
    read.names(leaf.names or {}, 4), os.date('!%Y-%m-%d', leaf.not_after or 0))
end

-- Each address that was spoken to, and how long what took.
local function show_addresses(seen)
  for _, get in ipairs(seen.gets or {}) do
    local see = get.see
    beside('  https    ', 11, ('%s: %s%s'):format(get.address, see.status and 'status ' .. see.status .. ', ' or '',
      see.error and text.problem(see.error) or ('connected after %d ms, TLS %d ms, first byte %d ms, all %d ms; %s'):format(
        see.connect_ms or 0, see.tls_ms or 0, see.first_byte_ms or 0, see.ms or 0, certificate(see.tls))))
  end
  for _, host in ipairs(seen.hosts or {}) do
    for _, try in ipairs(host.tries or {}) do
      local see = try.see
      beside('  smtp     ', 11, ('%s [%s]: %s'):format(host.name, try.address, see.error and text.problem(see.error)
        or ('connected after %d ms, all %d ms; %s; %s'):format(see.connect_ms or 0, see.ms or 0, read.quote(see.banner or ''),
          certificate(see.tls))))
    end
  end
end

local function row(kind, id, words)
  local head = ('  %s %-8s '):format(kind[1], kind[2])
  local lines = show.fold(id .. words, WIDTH - 13)
  local first = lines[1]
  if id ~= '' and first:sub(1, #id) == id then first = text.paint('bold', id) .. first:sub(#id + 1) end
  print(text.paint(kind[3], head:match '^(.-)%s*$') .. (' '):rep(13 - width_of(head:match '^(.-)%s*$')) .. first)
  for i = 2, #lines do print((' '):rep(13) .. lines[i]) end
end

-- What to do about a finding, and where it is written.
function show.fix(finding)
  beside((' '):rep(13), 13, ('%s%s [%s]'):format(finding.fix:find '^Nothing' and '' or 'Mend: ', finding.fix, finding.ref))
end

-- The worst first.
function show.findings(result)
  for _, severity in ipairs { 'error', 'unknown', 'warn', 'info' } do
    for _, finding in ipairs(result.findings) do
      if finding.severity == severity then
        row(kinds[severity], finding.id, ' ' .. (finding.subject and text.clean(finding.subject) .. ': ' or '') .. finding.seen)
        show.fix(finding)
      end
    end
  end
end

local function show_rest(result, all)
  row(kinds.good, '', counted(#result.passed, 'check', 'checks') .. ' found nothing wrong'
    .. (all and #result.passed > 0 and ': ' .. table.concat(result.passed, ', ') or ''))
  if #result.skipped > 0 then
    beside('  - skipped  ', 13, counted(#result.skipped, 'check', 'checks') .. ' that did not apply, or had nothing to look at'
      .. (all and ': ' .. table.concat(result.skipped, ', ') or ''))
  end
end

local function show_senders(result)
  print '\n  What a sender does now:'
  local name_width = 0
  for _, host in ipairs(result.hosts) do name_width = math.max(name_width, math.min(width_of(host.name), 30)) end
  for _, host in ipairs(result.hosts) do
    local kind = decisions[host.would]
    local place = ('%5d %s'):format(host.preference, host.name)
    local head = ('  %s %-11s'):format(kind[1], kind[2])
    local left = 15 + 7 + name_width + 1
    if width_of(host.name) > name_width then
      beside(text.paint(kind[3], head) .. place:sub(1, 6), 21, host.name)
      beside((' '):rep(21), 21, host.why)
    else
      beside(text.paint(kind[3], head) .. place .. (' '):rep(left - 15 - width_of(place)), left, host.why)
    end
  end
  beside('  - no cache ', 13, 'A sender without a cached policy ' .. result.senders.without_cache .. '.')
  beside('  - cached   ', 13, 'A sender that has cached a policy ' .. result.senders.with_cache .. '.')
end

function show.result(result, seen, all)
  local name = result.domain .. (result.unicode and ' (' .. text.clean(result.unicode) .. ')' or '')
  local mode = result.mode and ', mode ' .. result.mode or ''
  local lines = show.fold(name .. ':', WIDTH)
  for i, line in ipairs(lines) do
    local last = i == #lines
    print(text.paint('bold', line) .. (last and width_of(line) < 36 and ' ' .. totals(result) .. mode or ''))
    if last and width_of(line) >= 36 then print('  ' .. totals(result) .. mode) end
  end
  show_texts(result, seen)
  if all then show_addresses(seen) end
  print()
  show.findings(result)
  show_rest(result, all)
  if result.senders.with_cache then show_senders(result) end
end

-- For the command: one domain after the other.
function show.printer(all)
  local count = 0
  return {
    add = function(_, result, _, seen)
      if not result then return end
      count = count + 1
      if count > 1 then print() end
      show.result(result, seen, all)
    end,
  }
end

return show
