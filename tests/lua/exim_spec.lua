-- SPDX-License-Identifier: ISC
-- mtasts.exim: what can be provided and returned. What Exim is told is tested through mtasts exim and a real Exim.
local exim = require 'mtasts.exim'

local function fails(text, fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  assert.truthy(tostring(why):find(text, 1, true), tostring(why))
end

describe('mtasts.exim', function()
  it('takes a function under a name that an expansion can hold, once', function()
    exim.provide('spec.name-1', print)
    fails('is provided already', exim.provide, 'spec.name-1', print)
    for _, name in ipairs { '', ' ', '1a', 'a b', 'a}', 'a$b', '-a' } do fails("#1 to 'provide' (a name", exim.provide, name, print) end
    fails('a name of letters', exim.provide, nil, print)
    fails('function expected, got string', exim.provide, 'spec.other', 'print')
  end)

  it('a deferral has a text', function()
    assert.is_truthy(exim.defer 'later')
    fails("#1 to 'defer' (a text expected", exim.defer)
    fails('a text expected', exim.defer, ' ')
  end)

  it('what a function returns becomes a text', function()
    exim.provide('spec.echo', function(...) return ... end)
    exim.provide('spec.returns', function(kind)
      if kind == 'number' then return 7 end
      if kind == 'yes' then return true end
      if kind == 'no' then return false end
      if kind == 'error' then return nil, 'bad weather' end
      if kind == 'deferral' then return exim.defer 'not now' end
    end)
    local function call(...) return { exim._call(...) } end
    assert.same({ true, 'a' }, call('spec.echo', 'a'))
    assert.same({ true, '' }, call 'spec.echo')
    assert.same({ true, '7' }, call('spec.returns', 'number'))
    assert.same({ true, 'true' }, call('spec.returns', 'yes'))
    assert.same({ true, 'false' }, call('spec.returns', 'no'))
    assert.same({ true, '' }, call('spec.returns', 'nothing'))
    assert.same({ false, 'bad weather' }, call('spec.returns', 'error'))
    assert.same({ false, 'not now' }, call('spec.returns', 'deferral'))
  end)

  it('what cannot be a text is an error that names the function', function()
    exim.provide('spec.table', function() return {} end)
    exim.provide('spec.nul', function() return 'a\0b' end)
    exim.provide('spec.long', function() return ('x'):rep(65537) end)
    fails("'spec.table' returned a table", exim._call, 'spec.table')
    fails("'spec.nul' returned a text with a NUL", exim._call, 'spec.nul')
    fails("'spec.long' returned 65537 bytes", exim._call, 'spec.long')
  end)

  it('a name that is not provided fails and names the nearest', function()
    exim.provide('spec.known', print)
    local ok, why = exim._call 'spec.knwon'
    assert.is_false(ok)
    assert.equal("the rules provide no 'spec.knwon'; did you mean 'spec.known'?", why)
  end)
end)
