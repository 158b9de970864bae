-- SPDX-License-Identifier: ISC
-- A mail for each policy that cannot be fetched anew for long, through the mail
-- server of this machine. Debian's package lua-socket has the library.
-- Let mtasts store refresh ask it, every hour (examples/systemd), where nobody
-- waits: mtasts store refresh --rules alarm_mail.lua
-- In what a mail server loads all else would stand still meanwhile. And a program
-- such as sendmail would be no way there: rules may start none (io.popen,
-- os.execute) unless the setting rules_allow names that.
local mtasts = require 'mtasts'
local smtp = require 'socket.smtp'

local SERVER <const>, PORT <const> = '127.0.0.1', 25
local FROM <const>, TO <const> = 'mtasts@relay.example', 'postmaster@relay.example'

smtp.TIMEOUT = 5 -- seconds, for each step

local TEXT <const> = 'The policy of %s cannot be fetched since %s:\r\n%s\r\n\r\n'
  .. 'It ends in %d days, and then nothing protects mail to them any more.\r\n'
  .. 'mtasts lookup --trace %s shows more.\r\n'

mtasts.on('alarm', function(domain, info)
  local days = (info.expires_at - mtasts.now()) // 86400
  local sent, why = smtp.send {
    server = SERVER, port = PORT, from = '<' .. FROM .. '>', rcpt = '<' .. TO .. '>',
    source = smtp.message {
      headers = {
        from = FROM, to = TO, subject = 'MTA-STS: ' .. domain, ['auto-submitted'] = 'auto-generated',
        ['content-type'] = 'text/plain; charset=us-ascii',
      },
      body = TEXT:format(domain, os.date('!%Y-%m-%d', info.failing_since), info.error, days, domain),
    },
  }
  if not sent then io.stderr:write(('no mail about %s: %s (%s)\n'):format(domain, why, info.error)) end
end)
