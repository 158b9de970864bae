-- SPDX-License-Identifier: ISC
-- What mtasts publish writes: each file whole or not at all, and none over what it did not write. It keeps a file beside them, of what it
-- wrote and when; with that it knows its own files again, and which policies senders may still have.
local core = require 'mtasts.core'
local refusal = require 'mtasts.publish_refusal'

local files = {}

local OWN <const> = '.mtasts-publish.json'
local HISTORY_MOST <const> = 200

-- The C module lies beside our Lua files, wherever those are.
local loaded
function files.c()
  if loaded then return loaded end
  local own = package.searchpath('mtasts.publish_files', package.path)
  local path = own:gsub('share/lua/5%.4/mtasts/publish_files%.lua$', 'lib/lua/5.4/mtasts/files.so')
  local open, why = package.loadlib(path, 'luaopen_mtasts_files')
  if not open then error('the module for files cannot be loaded: ' .. why, 0) end
  loaded = open()
  return loaded
end

local Output = {}
Output.__index = Output

local function is_text_table(value)
  if type(value) ~= 'table' then return false end
  for key, element in pairs(value) do
    if type(key) ~= 'string' or type(element) ~= 'string' then return false end
  end
  return true
end

local function good_history(list)
  if type(list) ~= 'table' then return nil end
  for _, entry in ipairs(list) do
    if type(entry) ~= 'table' or type(entry.id) ~= 'string' or type(entry.mode) ~= 'string' or math.type(entry.max_age) ~= 'integer'
      or math.type(entry.at) ~= 'integer' then return nil end
  end
  return list
end

-- What we know of the folder; one that is damaged says nothing.
local function own_of(folder)
  local content, why, kind = folder:read(OWN)
  local own = content and core.json_decode(content)
  if type(own) == 'table' and is_text_table(own.files) and is_text_table(own.pending) and good_history(own.history) then return own end
  if content then why = OWN .. ': damaged, or not of mtasts' end
  return { files = {}, pending = {}, history = {} }, kind ~= 'missing' and why or nil
end

-- The folder, made if it is not there. force: what others wrote may be replaced.
function files.open(path, domain, force)
  local folder, why = files.c().folder(path)
  if not folder then
    refusal.unsafe(('--output %s'):format(why), 'name a folder that can be written, or whose parent is there and can be')
  end
  local own, damaged = own_of(folder)
  if damaged and not force then refusal.unsafe('--output ' .. damaged, 'remove it, or say --force') end
  if own.domain and own.domain ~= domain and not force then
    refusal.unsafe(('--output %s: it has the policy of %s'):format(path, own.domain), 'choose a folder for each domain, or say --force')
  end
  if own.domain ~= domain then own = { files = own.files, pending = own.pending, history = {} } end
  own.domain = domain
  return setmetatable({ folder = folder, own = own, path = path, force = force }, Output)
end

function Output.close(output) output.folder:close() end

-- The ids that were published from here.
function Output.ids(output)
  local ids = {}
  for _, entry in ipairs(output.own.history) do ids[entry.id] = true end
  return ids
end

function Output.history(output) return output.own.history end

-- What is there, if it is ours; nil: nothing is there, or it may be replaced.
local function ours(output, name)
  local there, why, kind = output.folder:read(name)
  if kind == 'missing' or there and (there == output.own.files[name] or there == output.own.pending[name]) then return there end
  if output.force and (there or kind == 'other') then return nil end
  refusal.unsafe(('--output %s/%s'):format(output.path, there and name .. ': it is there, and mtasts did not write it' or why),
    'move it away, or say --force')
end

local function keep(output, written, pending, todo)
  local own = output.own
  own.files, own.pending = written, pending
  local ok, why = output.folder:write(OWN, core.json_encode { domain = own.domain, files = own.files, pending = own.pending,
    history = core.json_array(own.history) } .. '\n')
  if not ok then refusal.unsafe(('--output %s/%s'):format(output.path, why), todo) end
end

-- list: {name =, content =} in order; the last one counts as the moment of publishing. made: what the history shall have.
function Output.write(output, list, made)
  local written, pending = {}, {}
  for name, content in pairs(output.own.files) do written[name] = content end
  for _, file in ipairs(list) do written[file.name], pending[file.name] = ours(output, file.name), file.content end
  -- First what is going to be written: who is killed on the way knows it as its own the next time.
  keep(output, written, pending, 'mend it and say the same again; nothing was changed')
  for _, file in ipairs(list) do
    local ok, why = output.folder:write(file.name, file.content)
    if not ok then
      refusal.unsafe(('--output %s/%s'):format(output.path, why), 'this file is as it was before; mend it and say the same again')
    end
    written[file.name] = file.content
  end
  local history = output.own.history
  history[#history + 1] = { id = made.id, mode = made.mode, max_age = made.max_age, at = core.now() }
  if #history > HISTORY_MOST then table.remove(history, 1) end
  keep(output, written, {}, 'mend it and say the same again; all else is written')
end

return files
