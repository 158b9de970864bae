-- SPDX-License-Identifier: ISC
-- mtasts-errors(7): all codes of errors, from the list in mtasts.h and the advice in mtasts.api.
local Page = require 'manual.mdoc'
local api = require 'mtasts.api'

-- [stage of an error] = section; in the order of the list.
local titles <const> = {
  mtasts = 'mtasts itself', net = 'mtasts itself', name = 'Destinations', dns = 'DNS', record = 'The TXT record',
  https = 'Fetching the policy',
  policy = 'The policy', tlsrpt = 'The TLSRPT record', report = 'TLS reports', mx = 'MX hosts',
  smtp = 'Sessions with mail hosts', tls = 'TLS of mail hosts',
  store = 'The store',
}

local function introduction(page)
  page:section 'DESCRIPTION'
  page:text [[Every error of mtasts has a code. The code is stable: it does not change while the message beside it may, so let
    programs look at the code. It stands in the field code of an error in Lua and JSON, and in the trace of a lookup; mtasts.h has it
    as MTS_ERR_HTTPS_CERT_NAME, for https-cert-name. Messages in logs and on the terminal have the text that begins each entry below.]]
  page:paragraph()
  page:text [[Each entry says what is wrong; whether it may pass by itself (temporary), so that trying again later helps; the result
    type under which TLS reporting (RFC 8460 4.3) counts it, where there is one; and what to do.]]
  page:paragraph()
  page:text [[Most errors stop no mail. A failure to learn a policy leaves the one in force that was seen before, and mail of a domain
    without one goes as ever. Mail waits where a policy in
    mode enforce is in force and no mail host fits it, and where DNS fails if the setting on_dns_failure says so.]]
  page:paragraph()
  page:text 'Three commands tell more, for every error below:'
  page:code('$ mtasts lookup --trace DOMAIN\n$ mtasts lookup --no-cache --probe DOMAIN\n$ mtasts probe HOST\n')
end

return function(core)
  local page = Page.new('mtasts-errors', 7, 'codes of the errors of mtasts, and what to do about them')
  introduction(page)
  local title
  for _, err in ipairs(core.errors()) do
    local own = assert(titles[err.stage], err.code)
    if own ~= title then
      if title then page:ends() end
      title = own
      page:part(title)
      page:list()
    end
    page:raw('.It Cm ' .. err.code)
    page:text(err.message:gsub('^%l', string.upper) .. '.')
    page:text(err.temporary and 'Temporary.' or 'Not temporary.')
    if err.result_type then page:text('Result type: ' .. err.result_type .. '.') end
    page:paragraph()
    page:text(assert(api.errors[err.code], 'lua/mtasts/api_errors.lua does not say what to do about ' .. err.code))
  end
  page:ends()
  page:section 'SEE ALSO'
  page:see('mtasts', 1, ',')
  page:see('mtasts-lua', 3, ',')
  page:see('exim-mtasts', 8, ',')
  page:see('filter-mtasts', 8, ',')
  page:see('table-mtasts', 8)
  page:section 'STANDARDS'
  page:text 'RFC 8461 (MTA-STS), RFC 8460 (TLS reporting), RFC 7672 (DANE for SMTP), RFC 7505 (null MX).'
  return page:source()
end
