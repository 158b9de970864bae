-- SPDX-License-Identifier: ISC
-- Checks of how the policy is served.
local addresses = require 'mtasts.check_addresses'
local cert = require 'mtasts.check_cert'
local read = require 'mtasts.check_read'
local text = require 'mtasts.text'

local DAY <const> = 86400
local MOST <const>, MUCH <const> = 65536, 4096

local function each(seen, say, at)
  local asked = cert.together(seen.gets, seen.host.name, say, at)
  if asked == 0 then return false end
end

-- What a policy would be served as: the answer, in short.
local function looks_like_policy(see)
  return see.status == 200 and (see.body or ''):find('STSv1', 1, true) ~= nil
end

-- The marks of a filter that wants a browser.
local function filter_mark(see)
  local headers = see.headers or {}
  if headers['cf-mitigated'] then return 'cf-mitigated: ' .. read.quote(headers['cf-mitigated']) end
  local body = (see.body or ''):sub(1, 4096):lower()
  for _, mark in ipairs { 'just a moment', 'captcha', 'enable javascript', 'attention required', 'access denied' } do
    if body:find(mark, 1, true) then return 'the page says ' .. read.quote(mark) end
  end
end

local function short(see)
  if see.error and not see.status then return text.problem(see.error) end
  local type_ = see.headers and see.headers['content-type']
  return ('status %d%s'):format(see.status or 0, type_ and ', ' .. read.quote(type_) or '')
end

return {
  {
    id = 'http.status', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'the answer has status 200',
    fix = 'Serve the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt with status 200.',
    check = function(seen, say)
      return each(seen, say, function(get)
        local see = get.see
        if not see.status then
          if see.error and (see.error.code == 'https-protocol' or see.error.code == 'https-status') then return text.problem(see.error) end
          return nil
        end
        if see.status == 200 or see.status >= 300 and see.status < 400 then return false end
        return ('status %d'):format(see.status)
      end)
    end,
  },
  {
    id = 'http.redirect', severity = 'error', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'the policy is served without a redirect',
    fix = 'Serve the policy itself at that address: senders must not follow redirects.',
    check = function(seen, say)
      return each(seen, say, function(get)
        local see = get.see
        if see.error and see.error.code == 'https-redirect' and not see.status then return text.problem(see.error) end
        if not see.status then return nil end
        if see.status < 300 or see.status > 399 then return false end
        local target = see.headers and see.headers.location
        return ('status %d%s'):format(see.status, target and ', to ' .. read.quote(target) or '')
      end)
    end,
  },
  {
    id = 'http.ua', severity = 'warn', ref = 'RFC 8461 3.3', needs = 'again',
    title = 'every program gets the same answer',
    fix = 'Let the web server, its firewall and CDN answer every client at this path: mail servers are no browsers, and look like bots.',
    check = function(seen, say)
      local got, again = seen.got, seen.again
      if not got or addresses.unconnected(got) or addresses.unconnected(again) then return false end
      local mark = got.status ~= 200 and filter_mark(got)
      if looks_like_policy(got) ~= looks_like_policy(again) then
        say(('as "mtasts": %s; as another program: %s'):format(short(got), short(again)))
      elseif mark then
        say('a filter against bots answers: ' .. mark)
      end
    end,
  },
  {
    id = 'http.ctype', severity = 'warn', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'the policy is served as text/plain',
    fix = 'Serve .txt files as "Content-Type: text/plain": senders that check the type, as the RFC advises, ignore this policy.',
    check = function(seen, say)
      return each(seen, say, function(get)
        if get.see.status ~= 200 then return nil end
        local kind = get.see.headers and get.see.headers['content-type']
        if not kind then return 'no Content-Type' end
        if kind:lower():match '^%s*([^;%s]*)' ~= 'text/plain' then return 'Content-Type ' .. read.quote(kind) end
        local charset = kind:lower():match ';%s*charset%s*=%s*"?([^";%s]*)'
        if charset and charset ~= 'utf-8' and charset ~= 'us-ascii' then
          return 'charset ' .. read.quote(charset), { severity = 'info', fix = 'Write charset=utf-8, or none: a policy is UTF-8.' }
        end
        return false
      end)
    end,
  },
  {
    id = 'http.size', severity = 'error', ref = 'RFC 8461 3.3', needs = 'body',
    title = 'the policy is small',
    fix = 'Serve only the policy, which seldom has more than 1 KiB: senders stop reading at 64 KiB.',
    check = function(seen, say)
      local size = math.max(#seen.body, seen.got and seen.got.size or 0)
      if size > MOST or seen.got and seen.got.truncated then
        say(('more than 64 KiB (%d bytes were read)'):format(size))
      elseif size > MUCH then
        say(('the policy has %d bytes'):format(size), { severity = 'warn' })
      end
    end,
  },
  {
    id = 'http.cache', severity = 'warn', ref = 'RFC 8461 3.3', needs = 'gets',
    title = 'every fetch gets the same, current policy',
    fix = 'Empty the cache of the CDN or proxy, and let every server have the same file: senders shall not see an old policy.',
    check = function(seen, say)
      local all, bodies = {}, {}
      for _, get in ipairs(seen.gets) do all[#all + 1] = { address = get.address, see = get.see } end
      if seen.again and seen.gets[1] then all[#all + 1] = { address = seen.again.address or 'again', see = seen.again } end
      local first, fetched
      for _, get in ipairs(all) do
        if looks_like_policy(get.see) then
          fetched = true
          first = first or get
          if get.see.body ~= first.see.body and not bodies[get.address] then
            bodies[get.address] = true
            local etags = { first.see.headers and first.see.headers.etag, get.see.headers and get.see.headers.etag }
            say(('another policy than %s has%s'):format(first.address, etags[1] and etags[2] and etags[1] ~= etags[2]
              and (' (ETag %s, there %s)'):format(read.quote(etags[2]), read.quote(etags[1])) or ''),
              { subject = ('%s [%s]'):format(seen.host.name, get.address) })
          end
        end
      end
      if not fetched then return false end
      return each(seen, say, function(get)
        local age = tonumber(((get.see.headers or {}).age or ''):match '^%s*(%d+)%s*$')
        return age ~= nil and age > DAY and 'a cache serves a copy that is ' .. text.span(age) .. ' old (Age)'
      end)
    end,
  },
  {
    id = 'http.apexpath', severity = 'info', ref = 'RFC 8461 3.3', needs = 'elsewhere',
    title = 'the policy is not served at another place',
    fix = 'Serve the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt: no sender looks where it is now.',
    check = function(seen, say)
      if #seen.elsewhere == 0 then return false end
      for _, place in ipairs(seen.elsewhere) do
        if looks_like_policy(place.see) then say('a policy is at ' .. place.url) end
      end
    end,
  },
}
