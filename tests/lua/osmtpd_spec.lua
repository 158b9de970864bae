-- SPDX-License-Identifier: ISC
-- mtasts.osmtpd: what can be set and returned. What becomes of it is tested through filter-mtasts.
local osmtpd = require 'mtasts.osmtpd'

local function fails(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(pattern, 1, true), tostring(message))
end

describe('mtasts.osmtpd', function()
  it('names the nearest phase of one that does not exist', function()
    fails("did you mean 'rcpt-to'?", osmtpd.on, 'rcpt-tp', print)
    fails('a phase expected: connect, helo, ehlo, mail-from, rcpt-to, data, commit, quit', osmtpd.on, nil, print)
    fails('a phase expected', osmtpd.on, 'auth', print) -- it would bring credentials
  end)

  it('wants functions', function()
    fails('function expected, got nil', osmtpd.on, 'connect')
    fails('function expected, got string', osmtpd.on, 'connect', 'print')
  end)

  it('makes refusals that SMTP takes, and no others', function()
    assert.has_no_error(function()
      osmtpd.reject(550, '5.7.1', 'no')
      osmtpd.reject(451.0, '4.7.1', 'later')
      osmtpd.disconnect(421, '4.3.0', 'bye')
      osmtpd.proceed()
      osmtpd.junk()
    end)
    for _, word in ipairs { 'reject', 'disconnect' } do
      fails("#1 to '" .. word .. "' (a reply code from 400 to 599 expected)", osmtpd[word], 250, '2.0.0', 'fine')
      fails('a reply code', osmtpd[word], '55x', '5.7.1', 'no')
      fails('a reply code', osmtpd[word], 550.5, '5.7.1', 'no')
      fails("a status such as '5.7.1' expected", osmtpd[word], 550, '4.7.1', 'no')
      fails("a status such as '4.7.1' expected", osmtpd[word], 450, 'no')
      fails("a status such as '4.7.1' expected", osmtpd[word], 450, '4.7.1.1', 'no')
      fails('the sender will read it', osmtpd[word], 550, '5.7.1')
      fails('the sender will read it', osmtpd[word], 550, '5.7.1', ' ')
    end
  end)

  it('hands out decisions that nobody can look into or make up', function()
    local decision = osmtpd.reject(550, '5.7.1', 'no')
    assert.is_nil(next(decision))
    assert.is_false(getmetatable(decision))
  end)
end)
