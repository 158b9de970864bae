-- SPDX-License-Identifier: ISC
-- Reports out of files, folders, mails and standard input.
local core = require 'mtasts.core'

local input = {}

local BYTES_MAX <const> = 64 << 20

function input.arguments(command)
  command:argument('files', 'Reports, mails with reports, folders of these, or - for standard input.'):argname 'FILE':args '+'
end

-- The whole of an open file, or nil and why.
function input.content(file)
  local bytes, why = file:read(BYTES_MAX + 1)
  if not bytes and why then return nil, why end
  bytes = bytes or ''
  if #bytes > BYTES_MAX then return nil, ('longer than %d MiB, which is the limit here'):format(BYTES_MAX >> 20) end
  return bytes
end

local function is_mail(bytes)
  return bytes:find '^From ' ~= nil or bytes:find '^%a[%w_-]*[ \t]*:' ~= nil
end

local function add(sources, name, bytes)
  local source = { name = name }
  source.report, source.err, source.findings = core.parse_report(bytes)
  sources[#sources + 1] = source
  return source
end

-- An error like those of the core: those of reports are in its list.
local function error_of(code, detail)
  for _, err in ipairs(core.errors()) do
    if err.code == code then
      err.detail = detail
      return err
    end
  end
end

local function refused(sources, name, code, detail)
  sources[#sources + 1] = { name = name, err = error_of(code, detail), findings = { strict = false, dropped = 0 } }
end

-- A part that only looks like a report, and is none, tells nothing.
local function add_mail(sources, name, bytes, cli)
  local mail = require 'mtasts.report_mail'
  local parts, why, missing = mail.parts(bytes)
  if not parts and why == 'module' then cli.refuse('%s is a mail, and no mail can be read here: %s', name, missing) end
  if not parts and why == 'limit' then return refused(sources, name, 'report-size', 'a mail with too many parts, fields or bytes') end
  local found = false
  for _, part in ipairs(parts or {}) do
    local called = part.filename and ('%s: %s'):format(name, part.filename) or name
    local source = add(sources, called, part.bytes)
    if source.report or part.found ~= 'content' then
      found = true
      mail.judge(part, source)
    else
      sources[#sources] = nil
    end
  end
  if not found then refused(sources, name, 'report-none', 'no part of the mail is a report') end
end

local function add_bytes(sources, name, bytes, cli)
  if is_mail(bytes) then return add_mail(sources, name, bytes, cli) end
  add(sources, name, bytes)
end

local function add_file(sources, path, cli)
  local file, why = io.open(path, 'rb')
  if not file then cli.refuse('%s', why) end
  local bytes, problem = input.content(file)
  file:close()
  if not bytes then cli.refuse('%s: %s', path, problem) end
  add_bytes(sources, path, bytes, cli)
end

-- The files of a folder, and those of a Maildir; hidden ones are not meant.
local function files_of(path, cli)
  local list = {}
  for _, below in ipairs { '', 'cur/', 'new/' } do
    local names, why = core.folder_files(path .. '/' .. below)
    if why and below == '' then cli.refuse('%s', why) end
    for _, name in ipairs(names or {}) do
      if name:sub(1, 1) ~= '.' then list[#list + 1] = path .. '/' .. below .. name end
    end
  end
  table.sort(list)
  return list
end

-- {{name, report or err, findings}, ...}; a file that cannot be read ends the command.
function input.read(names, cli)
  local sources, seen_stdin = {}, false
  for _, name in ipairs(names) do
    if name == '-' then
      if seen_stdin then cli.refuse 'standard input (-) can be read once' end
      seen_stdin = true
      local bytes, why = input.content(io.stdin)
      if not bytes then cli.refuse('standard input: %s', why) end
      add_bytes(sources, '-', bytes, cli)
    else
      local entries, why = core.folder_files(name)
      if why and not why:find 'No such file' then cli.refuse('%s', why) end
      if entries then
        for _, path in ipairs(files_of((name:gsub('(.)/+$', '%1')), cli)) do add_file(sources, path, cli) end
      else
        add_file(sources, name, cli)
      end
    end
  end
  if #sources == 0 then cli.refuse 'there is no file in these folders' end
  return sources
end

return input
