-- SPDX-License-Identifier: ISC
-- mtasts report send
local core = require 'mtasts.core'
local dates = require 'mtasts.dates'
local mail = require 'mtasts.report_message'
local terms = require 'mtasts.report_terms'
local text = require 'mtasts.text'
local uri = require 'mtasts.report_uri'

local send = { uses = 'settings' }

local DAYS <const> = 2 -- yesterday's, and what is still tried of the day before
local LOOK_S <const> = 300 -- a claim until the report is written; who died holds it up no longer
local MAIL_S <const> = 120
local POST_S <const> = 60
local AT_ONCE <const> = 16 -- reports
local NOTE_S <const> = 60 -- beside what a hand-over may take, until its end is noted
local POST_ANSWER_MOST <const> = 4096
local PLACES_MOST <const> = 5 -- of one record: each may hang until its deadline
local MAIL_MOST <const> = 10 << 20 -- RFC 8460 5.2

function send.options(command)
  terms.options(command)
  command:flag('--now', 'Without the random delay.')
  command:flag('--dry-run', 'Say what would be sent where; send and note nothing.')
end

-- ---- one destination ----

local function by_mail(report, domain, address, words)
  local message = mail.message(report, domain, address, core.now())
  if #message > MAIL_MOST then return nil, 'the mail would be larger than 10 megabytes' end
  return core.report_sendmail(words, message, MAIL_S)
end

local post_problems <const> = {
  ['https-forbidden'] = 'it has only private or loopback addresses (setting allow_private)',
  ['https-address'] = 'it has no address',
  ['https-deadline'] = 'it did not answer in time',
  ['https-connect'] = 'it cannot be reached',
  ['https-tls'] = 'no TLS 1.2 or newer',
}

-- RFC 8460 5.4: 2xx is success, whatever comes behind it; section 3: certificate problems may be ignored.
local function by_post(report, to)
  local seen = core.see_https { host = to.host, port = to.port, path = to.path, post = report.gzip,
    media_type = 'application/tlsrpt+gzip', max_bytes = POST_ANSWER_MOST, timeout = POST_S }
  local status, err = seen.status, seen.error
  if status and status // 100 == 2 and seen.posted then return true end
  if status and status // 100 == 3 then return nil, ('status %d, and nothing is followed'):format(status) end
  if status and status // 100 ~= 2 then return nil, ('status %d'):format(status) end
  if status then return nil, ('status %d before all was sent'):format(status) end
  local words = err and (post_problems[err.code] or err.message) or 'no answer'
  return nil, err and err.detail and err.detail ~= '' and words .. ': ' .. err.detail or words
end

-- ---- one report ----

local Report = {}
Report.__index = Report

function Report:log(level, format, ...)
  core.log(level, self.domain, ('report of %s: %s'):format(dates.write(self.day), format:format(...)))
end

function Report:note(state, where, detail)
  local delivery, err = core.report_note { day = self.day, domain = self.domain, owner = self.owner, state = state,
    uri = where or '', detail = detail or '' }
  if not delivery and err.code == 'store-none' then return core.report_delivery(self.day, self.domain) end -- we were too slow
  -- With a store that is full now what was handed over stays marked as such, and is not sent again.
  if not delivery then return nil, err end
  if delivery.state == 'given-up' then
    self:log('warning', 'given up after %d tries: %s', delivery.tries, delivery.detail)
  elseif delivery.state == 'waiting' then
    self:log('info', 'failed for now: %s', delivery.detail)
  end
  return delivery
end

-- The places in the order in which the domain names them; nil, a state and why: there are none, or it is not known.
function Report:places()
  local look = core.see_dns('_smtp._tls.' .. self.domain, 'TXT')
  local err = look.error
  if err and (err.code == 'dns-nxdomain' or err.code == 'dns-nodata' or err.stage == 'name') then
    return nil, 'unwanted', 'no TLSRPT record'
  end
  if err then return nil, 'waiting', 'the TLSRPT record: ' .. text.problem(err) end
  local texts = {}
  for i, record in ipairs(look.records) do texts[i] = record.text end
  local record, problem = core.parse_tlsrpt(texts)
  if not record then return nil, 'unwanted', text.problem(problem) end
  local list, refused = {}, {}
  for _, published in ipairs(record.rua) do
    local to, why = uri.read(published)
    if to and #list < PLACES_MOST then
      to.uri = published
      list[#list + 1] = to
    else
      why = why or 'too many stand before it'
      refused[#refused + 1] = published .. ': ' .. why
      self:log('info', '%s is not used: %s', published, why)
    end
  end
  if #list == 0 then return nil, 'unwanted', 'no usable URI: ' .. table.concat(refused, '; ') end
  return list
end

-- Hands the report to the place at self.at. true: it is taken; false: it is not, and self.problems says why; nil: it is another's by
-- now, or the store is in trouble, which is then the second result.
function Report:hand()
  local to = self.list[self.at]
  local seconds = (to.kind == 'mail' and MAIL_S or POST_S) + NOTE_S
  local ours, err = core.report_hand { day = self.day, domain = self.domain, owner = self.owner, uri = to.uri, seconds = seconds }
  if not ours then return nil, err end
  local ok, why
  if to.kind == 'mail' then
    ok, why = by_mail(self.report, self.domain, to.address, self.words)
  else
    ok, why = by_post(self.report, to)
  end
  if ok then return true end
  self.problems[#self.problems + 1] = to.uri .. ': ' .. why
  self:log('info', '%s: %s', to.uri, why)
  return false
end

-- Place after place. The program for mail lets nothing else go on while it runs, so what goes on beside others stops before it.
-- Returns how the report fares, or nil where it is left there; nil and an error when the store is in trouble.
function Report:deliver(beside_others)
  while self.at <= #self.list do
    local to = self.list[self.at]
    if beside_others and to.kind == 'mail' then return nil end
    local sent, err = self:hand()
    if sent then return self:note('sent', to.uri) end
    if sent == nil then
      if err then return nil, err end
      return core.report_delivery(self.day, self.domain)
    end
    self.at = self.at + 1
  end
  return self:note('waiting', self.list[#self.list].uri, table.concat(self.problems, '; '))
end

-- The first part, beside those of other reports. Results as those of deliver.
function Report:begin(args)
  local claim, unsure = core.report_claim { day = self.day, domain = self.domain, id = self.id, owner = self.owner, seconds = LOOK_S,
    delay = self.delay, at_once = args.now }
  if not claim then return nil, unsure end
  if unsure then
    self:log('warning', 'who handed it to %s died meanwhile: it may have arrived, and is not sent again', claim.uri or 'somebody')
  end
  if claim.state ~= 'claimed' or claim.owner ~= self.owner then return claim end
  local list, state, why = self:places()
  if not list then return self:note(state, '', why) end
  local report, err = core.report_write(terms.of(self.who, self.domain, self.day))
  if not report then return self:note('waiting', '', text.problem(err)) end
  self.list, self.report, self.at, self.problems = list, report, 1, {}
  return self:deliver(true)
end

-- What would be done now, without a trace of it.
function Report:plan(args)
  local delivery, err = core.report_delivery(self.day, self.domain)
  if delivery == nil then return nil, err end
  local plan = delivery or { day = self.day, domain = self.domain, id = self.id, state = 'waiting', tries = 0 }
  local waits = plan.state == 'waiting' and plan.next_at and plan.next_at > core.now() and not (args.now and not plan.first_at)
  if plan.state ~= 'waiting' or waits then return plan end
  local list, state, why = self:places()
  plan.would = {}
  for i, to in ipairs(list or {}) do plan.would[i] = to.uri end
  if not list then plan.detail, plan.state = why, state end
  return plan
end

-- ---- what is shown ----

local words <const> = { sent = 'sent', unwanted = 'not wanted', unsure = 'may have been sent', ['given-up'] = 'given up',
  claimed = 'being sent by another process', handing = 'being sent by another process', waiting = 'waits' }

local function in_words(delivery)
  if delivery.would and #delivery.would > 0 then return 'would be sent to ' .. table.concat(delivery.would, ', else ') end
  local state, detail = words[delivery.state], delivery.detail
  if delivery.state == 'sent' then return 'sent to ' .. (delivery.uri or '?') end
  if delivery.state == 'waiting' and delivery.next_at then
    state = ('waits until %s UTC'):format(os.date('!%Y-%m-%d %H:%M', delivery.next_at))
  end
  return detail and state .. ': ' .. detail or state
end

local function show(delivery, args)
  delivery.owner = nil
  delivery.day = dates.write(delivery.day)
  if args.json then
    if delivery.would then delivery.would = core.json_array(delivery.would) end
    print(core.json_encode(delivery))
  else
    print(text.wrap(('%s %s: %s'):format(delivery.day, text.clean(delivery.domain), text.clean(in_words(delivery))), '  ', 80))
  end
end

local function exit_code(delivery, cli)
  local trouble = delivery.state == 'unsure' or delivery.state == 'given-up' or (delivery.state == 'waiting' and delivery.tries > 0)
  return trouble and cli.exit.warnings or cli.exit.good
end

-- ---- all of them ----

local function days(args, cli)
  local day, today = terms.day(args, cli), terms.today()
  if day and day >= today then cli.refuse('--day %s: that day has not ended yet', args.day) end
  return day or today - DAYS, day or today - 1
end

local function mail_words(who, cli)
  local list = {}
  for word in core.settings().report_sendmail.value:gmatch '%S+' do list[#list + 1] = word == '{contact}' and who.contact or word end
  if not list[1] or list[1]:sub(1, 1) ~= '/' or #list > 32 then
    cli.refuse 'the setting report_sendmail wants the path of a program, and at most 31 arguments'
  end
  return list
end

-- Several at once, so that a host that hangs holds up few. Each gets .delivery, or .problem.
local function run(reports, args)
  local tasks = {}
  for i, report in ipairs(reports) do tasks[i] = core.spawn(report[args.dry_run and 'plan' or 'begin'], report, args) end
  for i, report in ipairs(reports) do
    local ok, delivery, problem = core.await(tasks[i])
    if not ok then error(delivery, 0) end
    report.delivery, report.problem = delivery, problem
  end
  for _, report in ipairs(reports) do
    if not report.delivery and not report.problem then report.delivery, report.problem = report:deliver(false) end
  end
end

function send.main(args, cli)
  local who, named = terms.who(args, cli), terms.named(args, cli)
  local program = mail_words(who, cli)
  local first, last = days(args, cli)
  local owner, delay = core.report_owner(), math.tointeger(tonumber(core.settings().report_delay_s.value))
  local worst = cli.exit.good
  local moved, why = core.report_move()
  if not moved then return terms.failed('send', why, cli) end
  for day = first, last do
    local domains, err = terms.domains(day, named)
    if not domains then return terms.failed('send', err, cli) end
    for i = 1, #domains, AT_ONCE do
      local reports = {}
      for _, domain in ipairs(table.move(domains, i, math.min(i + AT_ONCE - 1, #domains), 1, {})) do
        local name = core.report_name(terms.of(who, domain, day))
        reports[#reports + 1] = setmetatable({ day = day, domain = domain, id = name.id, who = who, owner = owner, words = program,
          delay = delay }, Report)
      end
      run(reports, args)
      for _, report in ipairs(reports) do
        -- Without the store nobody would know what has been sent.
        if not report.delivery then return terms.failed('send', report.problem, cli) end
        show(report.delivery, args)
        worst = cli.worse(worst, exit_code(report.delivery, cli))
      end
    end
  end
  return worst
end

return send
