-- SPDX-License-Identifier: ISC
-- mtasts-lua(3): the Lua API, of mtasts.api and of the examples.
local entries = require 'manual.entries'
local Page = require 'manual.mdoc'
local api = require 'mtasts.api'

local MODULES <const> = { { 'osmtpd', "The module 'mtasts.osmtpd'" }, { 'exim', "The module 'mtasts.exim'" } }

local function arguments(page, entry)
  if #entry.args == 0 then return end
  page:list()
  for _, arg in ipairs(entry.args) do
    page:raw(('.It Va %s Pq %s%s'):format(arg[1], arg[2], arg.optional and ', optional' or ''))
    page:text(arg[3])
  end
  page:ends()
end

-- What a label says, in one line or some.
local function labelled(page, label, words)
  if not words then return end
  page:raw('.It ' .. label)
  page:text(words)
end

local function notes(page, entry)
  page:compact_list 'Context:'
  labelled(page, 'Result:', entry.results)
  labelled(page, 'Errors:', entry.errors)
  labelled(page, 'Waits:', entry.yields and 'it may' or 'never')
  labelled(page, 'Context:', entry.context)
  labelled(page, 'Since:', entry.since)
  labelled(page, 'Source:', entry.source)
  page:ends()
end

local function describe(page, prefix, entry)
  page:raw('.It Ic ' .. Page.argument(prefix .. entry.signature))
  page:text(entry.text)
  arguments(page, entry)
  notes(page, entry)
end

local function describe_all(page, prefix, list)
  page:list()
  for _, entry in ipairs(list) do describe(page, prefix, entry) end
  page:ends()
end

local function prefix_of(entry) return entry.signature:find '^world:' and '' or 'mtasts.' end

local function synopsis(page)
  page:section 'SYNOPSIS'
  page:raw '.Bd -literal -compact'
  for _, list in ipairs { { 'functions', 'mtasts' }, { 'osmtpd', 'osmtpd' }, { 'exim', 'exim' } } do
    local module = list[2] == 'mtasts' and 'mtasts' or 'mtasts.' .. list[2]
    page:raw(("local %s = require \\(aq%s\\(aq"):format(list[2], module))
    for _, entry in ipairs(entries.sorted(api[list[1]])) do page:raw((list[2] .. '.' .. entry.signature):gsub("'", '\\(aq')) end
    if list[2] == 'mtasts' then
      for _, name in ipairs(entries.names(api.constants)) do page:raw('mtasts.' .. name) end
      for _, entry in ipairs(entries.sorted(api.world)) do page:raw(entry.signature) end
    end
    page:raw ''
  end
  page[#page] = '.Ed'
end

local function functions(page)
  local group
  local all = entries.sorted(api.functions)
  for _, method in ipairs(entries.sorted(api.world)) do all[#all + 1] = method end
  for _, entry in ipairs(all) do
    if entry.group ~= group then
      if group then page:ends() end
      group = entry.group
      page:part(group)
      page:list()
    end
    describe(page, prefix_of(entry), entry)
  end
  page:ends()
  page:part 'Constants'
  page:list()
  for _, name in ipairs(entries.names(api.constants)) do
    local constant = api.constants[name]
    page:raw(('.It Va mtasts.%s Pq %s'):format(name, constant.type))
    page:text(constant.text)
  end
  page:ends()
end

local function hooks(page)
  page:section 'HOOKS'
  page:text [[Rules for lookups are added with mtasts.on, in a file that the setting rules names for all programs, or --rules for one
    command of mtasts.]]
  page:list()
  for _, entry in ipairs(entries.sorted(api.hooks)) do
    page:raw('.It Ic ' .. Page.argument(("mtasts.on('%s', %s)"):format(entry.name, entry.signature)))
    page:text(entry.text)
    arguments(page, entry)
    notes(page, entry)
  end
  page:ends()
  for _, module in ipairs(MODULES) do
    page:part(module[2])
    describe_all(page, module[1] .. '.', entries.sorted(api[module[1]]))
  end
end

local function fields(page)
  page:section 'WHAT IS RETURNED'
  page:text 'Of a field that may be absent the value is then nil. A list may be empty.'
  for _, kind in ipairs(entries.sorted(api.kinds)) do
    page:part(kind.name)
    page:text(kind.text)
    page:compact_list 'Ds'
    for _, name in ipairs(entries.names(api.fields[kind.name])) do
      local field = api.fields[kind.name][name]
      page:raw(('.It Va %s Pq %s%s'):format(name, field[1], field.optional and ', may be absent' or ''))
      page:text(field[2])
    end
    page:ends()
  end
  page:part 'Values that are only passed on'
  page:list()
  for _, name in ipairs(entries.names(api.opaque)) do
    page:raw('.It Va ' .. name)
    page:text(api.opaque[name])
  end
  page:raw '.It Va world'
  page:text 'What mtasts.fake returns. It has the methods above, and the field'
  page:raw '.Va now .'
  page:ends()
end

local function errors(page, core)
  page:section 'ERRORS'
  page:text 'These are all codes; what each means, and what to do about it, is told in'
  page:see('mtasts-errors', 7, '.')
  page:compact_list 'starttls-injection'
  for _, err in ipairs(core.errors()) do
    page:raw('.It Cm ' .. err.code)
    page:text(err.message)
  end
  page:ends()
end

local function examples(page, example)
  page:section 'EXAMPLES'
  page:text 'The source has each of these as a file in'
  page:raw '.Pa examples/ ,'
  page:text 'and others beside them, which write decisions to a file or send mail.'
  for _, one in ipairs {
    { 'survey.lua', 'Several domains, looked up at the same time:' },
    { 'exception.lua', 'A rule that makes an exception:' },
    { 'partners.lua', 'One that requires TLS where no policy does:' },
    { 'told.lua', 'A test of the exception, in a world that is told:' },
    { 'alarm.lua', 'Tell somebody before a policy runs out:' },
    { 'opensmtpd.lua', "Rules for the sessions of OpenSMTPD's clients:" },
    { 'exim.lua', "A function for Exim's expansions:" },
  } do
    page:paragraph()
    page:text(one[2])
    page:code((example(one[1]):gsub('^[^\n]*SPDX[^\n]*\n', '')))
  end
end

-- example(name): the text of an example
return function(core, example)
  local prose = require 'manual.lua_prose'
  local page = Page.new('mtasts-lua', 3, 'Lua modules to see and script what MTA-STS asks of mail that is sent')
  synopsis(page)
  page:section 'DESCRIPTION'
  prose.description(page)
  functions(page)
  hooks(page)
  prose.budgets(page)
  fields(page)
  prose.files(page)
  examples(page, example)
  errors(page, core)
  prose.ending(page)
  return page:source()
end
