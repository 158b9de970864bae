-- SPDX-License-Identifier: ISC
-- Looks at a domain: all that the checks need, asked side by side. What is asked of one server waits for nothing else.
local core = require 'mtasts.core'
local punycode = require 'mtasts.punycode'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local look = {}

local HOSTS_MOST <const>, ADDRESSES_MOST <const>, URIS_MOST <const>, PARENTS_MOST <const> = 16, 8, 4, 4
-- As a sender written in Go may call itself; what matters is that it is not ours.
local OTHER_PROGRAM <const> = 'Go-http-client/1.1'

-- Who looks. Tests let others look.
look.eyes = {
  dns = function(...) return core.see_dns(...) end,
  https = function(...) return core.see_https(...) end,
  smtp = function(...) return core.see_smtp(...) end,
  dane = function(domain) return (core.lookup(domain, { depth = 'tls', freshness = 'due', rules = false, trace = false })) end,
  stored = function(domain) return (core.store_get(domain)) end,
}

-- All at once; an error in one is an error here, when all have ended.
local function at_once(jobs)
  local tasks, failure = {}, nil
  for i, job in ipairs(jobs) do tasks[i] = core.spawn(job) end
  for _, task in ipairs(tasks) do
    local ok, err = core.await(task)
    if not ok and not failure then failure = { err } end
  end
  if failure then error(failure[1], 0) end
end

local Look = {}
Look.__index = Look

-- One question, counted for who shows progress.
function Look:ask(kind, ...)
  self.begun = self.begun + 1
  local result = self.eyes[kind](...)
  self.done = self.done + 1
  if self.options.progress then self.options.progress(self.done, self.begun) end
  return result
end

function Look:dns(name, kind)
  local answer = self:ask('dns', name, kind, { timeout = self.options.timeout })
  local code = answer.error and answer.error.code
  if code ~= 'dns-timeout' and code ~= 'dns-network' then self.heard = true end
  return answer
end

-- The TXT records of several names, in their order.
function Look:texts(names)
  local answers, jobs = {}, {}
  for i, name in ipairs(names) do jobs[i] = function() answers[i] = self:dns(name, 'TXT') end end
  at_once(jobs)
  return answers
end

local function texts_of(answer)
  local list = {}
  for i, record in ipairs(answer.records or {}) do list[i] = record.text end
  return list
end

-- The addresses of a host, IPv4 first.
function Look:addresses(name)
  local answers, found, jobs = {}, {}, {}
  local kinds = self.options.family == 4 and { 'A' } or self.options.family == 6 and { 'AAAA' } or { 'A', 'AAAA' }
  for i, kind in ipairs(kinds) do jobs[i] = function() answers[i] = self:dns(name, kind) end end
  at_once(jobs)
  for _, answer in ipairs(answers) do
    for _, record in ipairs(answer.records or {}) do found[#found + 1] = record.address end
  end
  local beyond = #found - ADDRESSES_MOST
  for i = #found, ADDRESSES_MOST + 1, -1 do found[i] = nil end
  return found, answers, beyond > 0 and beyond or nil
end

-- ---- the record ----

function Look:record()
  local seen, domain = self.seen, self.seen.domain
  seen.txt = self:dns('_mta-sts.' .. domain, 'TXT')
  seen.record = read.record(texts_of(seen.txt))
  if not seen.record.present then self:parents() end
end

-- The domains above, the nearest first, whose policy some take for this one's, too.
function Look:parents()
  local above, names = {}, {}
  local rest = self.seen.domain:match '^[^.]+%.(.+%..+)$'
  while rest and #above < PARENTS_MOST do
    above[#above + 1], names[#names + 1] = rest, '_mta-sts.' .. rest
    rest = rest:match '^[^.]+%.(.+%..+)$'
  end
  for i, answer in ipairs(self:texts(names)) do
    local parent = { domain = above[i], present = #read.record(texts_of(answer)).kept > 0 }
    if parent.present or not self.seen.parent then self.seen.parent = parent end
    if parent.present then return end
  end
end

function Look:places()
  local domain = self.seen.domain
  self.seen.places = self:texts { domain, '_mta_sts.' .. domain, 'mta-sts.' .. domain, 'www.' .. domain }
end

function Look:old_places()
  local domain = self.seen.domain
  self.seen.old_places = self:texts { '_smtp_sts.' .. domain, '_smtp-sts.' .. domain }
end

-- ---- the policy host ----

function Look:get(host, address, more)
  local wanted = { host = host, address = address, timeout = self.options.timeout }
  for key, value in pairs(more or {}) do wanted[key] = value end
  return self:ask('https', wanted)
end

local function is_whole(see) return see.status == 200 and not see.error and not (see.tls and see.tls.error) end

-- The answer that a sender would go by.
local function best(gets)
  local with_status
  for _, get in ipairs(gets) do
    if is_whole(get.see) then return get.see end
    if get.see.status and not with_status then with_status = get.see end
  end
  return with_status or gets[1] and gets[1].see
end

function Look:elsewhere()
  local seen, places, jobs = self.seen, {}, {}
  local paths = { { seen.domain, '/.well-known/mta-sts.txt' }, { seen.domain, '/mta-sts.txt' } }
  if #seen.host.addresses > 0 then paths[#paths + 1] = { seen.host.name, '/mta-sts.txt' } end
  for i, path in ipairs(paths) do
    jobs[i] = function()
      places[i] = { url = 'https://' .. path[1] .. path[2], see = self:get(path[1], nil, { path = path[2] }) }
    end
  end
  at_once(jobs)
  seen.elsewhere = places
end

function Look:policy_host()
  local seen = self.seen
  local name = 'mta-sts.' .. seen.domain
  local found, answers = self:addresses(name)
  seen.host = { name = name, addresses = found, answers = answers }
  if not self.wants.https then return end
  seen.gets, seen.elsewhere = {}, {}
  local jobs = {}
  for i, address in ipairs(found) do
    jobs[#jobs + 1] = function() seen.gets[i] = { address = address, see = self:get(name, address) } end
  end
  if found[1] then
    jobs[#jobs + 1] = function() seen.again = self:get(name, found[1], { user_agent = OTHER_PROGRAM }) end
    jobs[#jobs + 1] = function() seen.nosni = self:get(name, found[1], { sni = false }) end
  end
  at_once(jobs)
  seen.got = best(seen.gets)
  if seen.got and seen.got.status == 200 and seen.got.body then
    for key, value in pairs(read.policy(seen.got.body)) do seen[key] = value end
    seen.policy_notes = seen.notes
  elseif not seen.got or (seen.got.status or 0) >= 400 then
    self:elsewhere()
  end
end

-- ---- mail hosts ----

local function got_to_tls(see) return see ~= nil and (see.starttls_code or see.tls) and true end

-- All ways at once: a slow server is waited for once.
function Look:try(host, address)
  local function smtp(more)
    local wanted = { host = host, address = address, timeout = self.options.timeout }
    for key, value in pairs(more) do wanted[key] = value end
    return self:ask('smtp', wanted)
  end
  local try, nosni, old, inject = { address = address }, nil, nil, nil
  at_once {
    function() try.see = smtp {} end,
    function() nosni = smtp { sni = false } end,
    function() old = smtp { tls = '1.1' } end,
    function() if self.options.inject then inject = smtp { inject = true } end end,
  }
  -- A server that counts connections may have taken another one instead.
  if not got_to_tls(try.see) and (got_to_tls(nosni) or got_to_tls(old) or got_to_tls(inject)) then try.see = smtp {} end
  if got_to_tls(try.see) then try.old = old end
  if try.see.tls then try.nosni, try.inject = nosni, inject end
  return try
end

function Look:mail_host(host)
  host.addresses, host.answers, host.more = self:addresses(host.name)
  if not self.wants.smtp then return end
  host.tries = {}
  local jobs = {}
  for i, address in ipairs(host.addresses) do jobs[i] = function() host.tries[i] = self:try(host.name, address) end end
  at_once(jobs)
end

-- Whether TLSA records fit that are no digest of the kind that looks tell, the sender's own walk finds out.
function Look:dane(hosts)
  local jobs, secured = {}, false
  for _, host in ipairs(hosts) do
    if not (host.wrong or host.beyond) then
      jobs[#jobs + 1] = function()
        host.tlsa = self:dns('_25._tcp.' .. host.name, 'TLSA')
        for _, record in ipairs(host.tlsa.records) do
          secured = secured or host.tlsa.dnssec == 'secure' and record.matching ~= 1
        end
      end
    end
  end
  at_once(jobs)
  if secured and self.wants.dane then self.seen.dane = self:ask('dane', self.seen.domain) end
end

-- The hosts that mail goes to, each once, in the order of DNS.
function Look:hosts_of(mx)
  local hosts, had = {}, {}
  for _, record in ipairs(mx.records or {}) do
    local name = record.host ~= '' and record.host or record.raw or ''
    if record.host == '.' then
      self.seen.null_mx = true
    elseif not had[name] then
      had[name] = true
      hosts[#hosts + 1] = { name = name, preference = record.preference, addresses = {}, answers = {},
        wrong = not core.normalise(name) or name:find '^[%d.]+$' ~= nil or name:find(':', 1, true) ~= nil or nil }
    end
  end
  table.sort(hosts, function(a, b)
    if a.preference ~= b.preference then return a.preference < b.preference end
    return a.name < b.name
  end)
  for i = HOSTS_MOST + 1, #hosts do hosts[i].beyond = true end -- matched like all, but not looked at
  return hosts
end

function Look:mail()
  local seen = self.seen
  seen.mx = self:dns(seen.domain, 'MX')
  local hosts = self:hosts_of(seen.mx)
  if seen.mx.error and seen.mx.error.code == 'dns-nodata' then
    -- RFC 5321 5.1: without MX the domain itself is the host, if it has an address.
    local itself = { name = seen.domain, preference = 0, addresses = {}, answers = {}, implicit = true }
    at_once { function() self:mail_host(itself) end, function() self:dane { itself } end }
    if #itself.addresses > 0 then hosts = { itself } end
  else
    local jobs = { function() self:dane(hosts) end }
    for _, host in ipairs(hosts) do
      if not (host.wrong or host.beyond) then jobs[#jobs + 1] = function() self:mail_host(host) end end
    end
    at_once(jobs)
  end
  seen.hosts, seen.tlsa = hosts, true
  if self.wants.smtp then
    seen.tries, seen.looked_smtp = {}, true
    for _, host in ipairs(hosts) do table.move(host.tries or {}, 1, #(host.tries or {}), #seen.tries + 1, seen.tries) end
  end
end


-- ---- TLS reporting ----

function Look:report_place(uri)
  local to = { uri = uri }
  to.domain = uri:match '^[mM][aA][iI][lL][tT][oO]:[^?]*@([^?@]+)'
  if to.domain then
    to.kind = 'mailto'
    local mx = self:dns(to.domain, 'MX')
    to.null_mx = mx.records and mx.records[1] and mx.records[1].host == '.'
    to.error = mx.error
    if mx.error and mx.error.code == 'dns-nodata' then
      local found, answers = self:addresses(to.domain)
      to.error = #found == 0 and answers[1].error or nil
    end
  else
    to.kind = 'https'
    local authority, path = uri:match '^%a+://([^/?#]+)([^#]*)'
    local host, port = authority:match '^(.-):?(%d*)$'
    host, port = authority:match '^(%[.-%]):?(%d*)$' or host, port
    to.see = self:get(host, nil, { port = tonumber(port), path = path == '' and '/' or path, method = 'HEAD' })
  end
  return to
end

function Look:reports()
  local seen, domain = self.seen, self.seen.domain
  at_once {
    function()
      seen.tlsrpt_txt = self:dns('_smtp._tls.' .. domain, 'TXT')
      seen.tlsrpt = read.tlsrpt(texts_of(seen.tlsrpt_txt))
      if not seen.tlsrpt.value then return end
      seen.rua = {}
      local jobs = {}
      for i, uri in ipairs(seen.tlsrpt.value.usable) do
        if i <= URIS_MOST then jobs[i] = function() seen.rua[i] = self:report_place(uri) end end
      end
      at_once(jobs)
    end,
    function() seen.tlsrpt_old = self:texts { '_smtp-tlsrpt.' .. domain, '_smtp_tlsrpt.' .. domain } end,
  }
end

-- Without a record, a name or a wildcard that answers something says nothing of MTA-STS.
local function forget_policy_host(seen)
  local code = seen.txt.error and seen.txt.error.code
  if seen.record.present or seen.policy or code and code ~= 'dns-nxdomain' and code ~= 'dns-nodata' then return end
  for _, key in ipairs { 'host', 'gets', 'again', 'nosni', 'elsewhere', 'got', 'body', 'lines', 'fields', 'first', 'policy' } do
    seen[key] = nil
  end
end

-- Of a domain in A-labels, all that is to be seen. Waits. wants: https, smtp, dane, stored (each true, or not there).
-- options: timeout, family, inject, known_id, progress.
function look.at(seen, options, wants, eyes)
  local self = setmetatable({ seen = seen, options = options, wants = wants, eyes = eyes or look.eyes, begun = 0, done = 0 }, Look)
  seen.options = { known_id = options.known_id, allow_private = options.allow_private }
  seen.stored = self.eyes.stored(seen.domain)
  if wants.stored and seen.stored and seen.stored.mode then wants.https = true end -- to be compared
  at_once {
    function() self:record() end,
    function() self:places() end,
    function() self:old_places() end,
    function() self:policy_host() end,
    function() self:mail() end,
    function() self:reports() end,
  }
  seen.deaf = not self.heard
  forget_policy_host(seen)
  return seen
end

-- Words for people of what was asked, where it was not the plain name; the domain, or nil and an error.
function look.domain(asked)
  local forms, rest = {}, asked:match '^%s*(.-)%s*$'
  local url = rest:match '^%a[%w+.-]*://([^/?#]*)'
  if url then
    forms[#forms + 1] = 'a URL was given'
    rest = url
  elseif rest:find '^[mM][aA][iI][lL][tT][oO]:' then
    forms[#forms + 1] = 'a mailto: address was given'
    rest = rest:sub(8):match '^[^?]*'
  end
  if rest:find('@', 1, true) and not url then forms[#forms + 1] = 'a mail address was given: the domain is what stands behind @' end
  if rest:find '%.$' then forms[#forms + 1] = 'a dot at the end was dropped' end
  local destination, err = core.parse_destination(rest)
  if not destination then return nil, err end
  if not destination.domain then return nil, select(2, core.parse_destination '') end
  local unicode = punycode.shown(destination.domain)
  unicode = unicode and text.clean(unicode)
  if unicode and rest:find '[\x80-\xff]' then forms[#forms + 1] = ('U-labels: %s is %s in DNS'):format(unicode, destination.domain) end
  return { domain = destination.domain, forms = forms, unicode = unicode }
end

return look
