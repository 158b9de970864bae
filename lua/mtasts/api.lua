-- SPDX-License-Identifier: ISC
-- The public Lua API as one table: what help, the manual mtasts-lua(3) and the definitions for editors are made of. Tests compare it with
-- what the modules really have.
--
-- Each function: name, signature, text, args, results (in words), returns (the same as types), fails (may it return nil and an error
-- instead), errors (which codes it returns, what it raises), since, yields (may it wait: in a coroutine of mtasts it yields, elsewhere it
-- drives the loop itself; the shape is the same), context (where it may be called), source (clause of an RFC, where there is one), group
-- and place (in which order a manual tells them).
--
-- An arg is {name, type, meaning}, and optional, choices (the strings it may be) or editor (its type as an editor knows it, where the words
-- of type do not say). One with a dot in its name is a field of the table before the dot. In returns the meaning is left out.
-- A type is words: "string or integer, Unix seconds" is two types and a unit; "list of host" holds what fields.host describes.
local api = {
  version = '0.1.0',
  functions = {}, -- of the module 'mtasts'
  constants = {},
  world = {}, -- methods of what mtasts.fake returns
  world_fields = {},
  hooks = {}, -- for mtasts.on
  osmtpd = {}, -- functions of the module 'mtasts.osmtpd'
  exim = {}, -- and of 'mtasts.exim'
  fields = {}, -- [kind][field] = {type, meaning}, of what functions return and rules get
  kinds = {}, -- [kind] = what that is
  opaque = {}, -- [kind] = what it is: values that are only passed on
  errors = {}, -- [code] = what to do about it
}

local place = 0

local function complete(entry)
  place = place + 1
  entry.place = place
  entry.since = entry.since or '0.1.0'
  entry.yields = entry.yields or false
  entry.fails = entry.fails or false
  entry.context = entry.context or 'anywhere'
  entry.args = entry.args or {}
  entry.returns = entry.returns or {}
  for _, arg in ipairs(entry.args) do
    if arg.optional == nil then arg.optional = arg[1]:find('.', 1, true) ~= nil end
  end
  return entry
end

for to, list in pairs(require 'mtasts.api_functions') do
  for _, entry in ipairs(list) do api[to][entry.name] = complete(entry) end
end
for to, list in pairs(require 'mtasts.api_rules') do
  for _, entry in ipairs(list) do api[to][entry.name] = complete(entry) end
end

local values = require 'mtasts.api_fields'
api.fields, api.kinds, api.opaque, api.world_fields = values.fields, values.kinds, values.opaque, values.world
for name, kind in pairs(api.kinds) do kind.name = name end
for _, list in pairs(api.fields) do
  for _, field in pairs(list) do field.optional = field.optional or false end
end

api.constants.version = { type = 'string', text = 'The version of mtasts, "0.1.0".', since = '0.1.0' }
api.constants.api = { type = 'integer', text = 'Grows by one with each change of this API.', since = '0.1.0' }
api.errors = require 'mtasts.api_errors'

return api
