-- SPDX-License-Identifier: ISC
-- Who wrote for a level of the Lua API can go on with every later one.
local api = require 'mtasts.api'
local core = require 'mtasts.core'

local ROOT = debug.getinfo(1, 'S').source:match '^@(.*)/tests/lua/' or '.'
package.path = package.path .. ';' .. ROOT .. '/tests/lua/?.lua'
local level = require 'api_level'

local ADVICE <const> = [[

If it must be: raise MTS_API in core/mtasts.h, run ./build.sh api, which writes tests/lua/api_levels/%d.lua, name there under
given_up what was given up, and why, and say so in CHANGELOG.md. A level that was never released may be written anew: remove its
file first.]]

local function now() return level.of(api, core.errors(), core.settings()) end

describe('the level of the API', function()
  local levels = level.stored(ROOT)

  it('has a stored table, as each one before', function()
    assert.equal(core.api, #levels, 'levels stored in tests/lua/api_levels: run ./build.sh api')
  end)

  it('breaks nothing that an earlier one or its own promises', function()
    local is = now()
    local lines, given_up = {}, {}
    for number = #levels, 1, -1 do
      for _, found in ipairs(level.broken(levels[number].api, is)) do
        if not given_up[found[1]] then lines[#lines + 1] = ('level %d: %s %s'):format(number, found[1], found[2]) end
      end
      for what in pairs(levels[number].given_up) do given_up[what] = true end -- it counts for those before
    end
    assert(#lines == 0, '\n' .. table.concat(lines, '\n') .. ADVICE:format(core.api + 1))
  end)

  it('knows all that there is', function()
    local new = {}
    for what in pairs(now()) do
      if not levels[core.api].api[what] then new[#new + 1] = what end
    end
    table.sort(new)
    assert(#new == 0, ('new, and promised by no level yet: %s. Was level %d released? Then raise MTS_API in core/mtasts.h. In either case '
      .. 'run ./build.sh api'):format(table.concat(new, ', '), core.api))
  end)
end)

describe('api_level', function()
  local function changed(change)
    local old, new = now(), now()
    change(new)
    local found = {}
    for i, one in ipairs(level.broken(old, new)) do found[i] = one[1] .. ' ' .. one[2] end
    return table.concat(found, '; ')
  end

  it('sees what is gone', function()
    assert.equal('answer.mode is gone', changed(function(is) is['answer.mode'] = nil end))
    assert.equal('error dns-bogus is gone', changed(function(is) is['error dns-bogus'] = nil end))
    assert.equal('hook alarm is gone; hook alarm domain is gone; hook alarm info is gone', changed(function(is)
      is['hook alarm'], is['hook alarm domain'], is['hook alarm info'] = nil, nil, nil
    end))
  end)

  it('sees another type, another unit, another place', function()
    assert.equal("answer.id is 'integer', and was 'string'", changed(function(is) is['answer.id'].type = 'integer' end))
    assert.equal("tls.ms is 'integer, seconds', and was 'integer, milliseconds'", changed(function(is)
      is['tls.ms'].type = 'integer, seconds'
    end))
    assert.equal('mtasts.treat_as until takes no string any more', changed(function(is)
      is['mtasts.treat_as until'].type = 'integer, Unix seconds'
    end))
    assert.equal('mtasts.mx_matches host has another place', changed(function(is) is['mtasts.mx_matches host'].place = 1 end))
    assert.equal('setting log_level is \'number\', and was \'choice\'', changed(function(is) is['setting log_level'].type = 'number' end))
  end)

  it('sees what must be given, may be absent, may wait or fail', function()
    assert.equal('mtasts.lookup opts.depth must be given now', changed(function(is) is['mtasts.lookup opts.depth'].optional = false end))
    assert.equal('mtasts.now zone must be given now', changed(function(is)
      is['mtasts.now zone'] = { kind = 'argument', of = 'mtasts.now', place = 1, type = 'string', optional = false }
    end))
    assert.equal('answer.action may be absent now', changed(function(is) is['answer.action'].optional = true end))
    assert.equal('mtasts.now may wait now', changed(function(is) is['mtasts.now'].waits = true end))
    assert.equal('mtasts.now may return nil and an error now', changed(function(is) is['mtasts.now'].fails = true end))
  end)

  it('sees what rules are given and may return', function()
    assert.equal("hook policy answer is 'error', and was 'answer'", changed(function(is) is['hook policy answer'].type = 'error' end))
    assert.equal('hook alarm info has another place', changed(function(is) is['hook alarm info'].place = 1 end))
    assert.equal('hook policy result 1 takes no opinion any more', changed(function(is) is['hook policy result 1'].type = 'string' end))
    assert.equal('hook policy result 1 must be given now', changed(function(is) is['hook policy result 1'].optional = false end))
  end)

  it('sees strings that are not taken or given any more', function()
    assert.equal("mtasts.lookup opts.depth takes no 'tls' any more", changed(function(is)
      is['mtasts.lookup opts.depth'].choices = { 'policy', 'hosts' }
    end))
    assert.equal("answer.action is never 'defer' any more", changed(function(is)
      is['answer.action'].choices = { 'deliver', 'record', 'require' }
    end))
    assert.equal('error cert-name is not temporary now', changed(function(is) is['error cert-name'].temporary = false end))
    assert.equal('error cert-name has another result type', changed(function(is) is['error cert-name'].result_type = nil end))
  end)

  it('takes no offence at what is added', function()
    assert.equal('', changed(function(is)
      is['mtasts.now zone'] = { kind = 'argument', of = 'mtasts.now', place = 1, type = 'string', optional = true }
      is['mtasts.new'] = { kind = 'function', waits = true, fails = true }
      is['mtasts.new what'] = { kind = 'argument', of = 'mtasts.new', place = 1, type = 'string', optional = false }
      is['hook alarm more'] = { kind = 'passed', place = 3, type = 'string', optional = false }
      is['answer.new'] = { kind = 'field', type = 'string', optional = true }
      is['error new'] = { kind = 'error', temporary = true }
      is['mtasts.lookup opts.depth'].choices = { 'policy', 'hosts', 'tls', 'all' }
      is['mtasts.now result 1'].optional = false
      is['answer.mode'].optional = false
      is['mtasts.treat_as reason'].type = 'string or table'
    end))
  end)

  it('reads what it writes', function()
    local is = now()
    local back = assert(load(level.text(7, { ['mtasts.old'] = 'nobody used it' }, is), 'level', 't', {}))()
    assert.same({ given_up = { ['mtasts.old'] = 'nobody used it' }, api = is }, back)
  end)
end)
