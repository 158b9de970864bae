-- SPDX-License-Identifier: ISC
-- Checks of the policy's text: is it text, and has it the form of a policy. What the parser notes is given the id of its check here.
local core = require 'mtasts.core'
local notes = require 'mtasts.check_notes'
local read = require 'mtasts.check_read'

local KNOWN <const> = { 'version', 'mode', 'max_age', 'mx' }

local function line_of(seen, note) return seen.lines and seen.lines[note.line] or '' end

local function has_comment(line) return line:find '^%s*#' or line:find '^%s*//' or line:find '%s#' or line:find '%s//' end

local function near_name(name)
  return core.nearest((name:lower():gsub('[^%w]+', '_')), KNOWN)
end

-- Which check a line that is no field belongs to.
local function kind_of_line(seen, note)
  local line = line_of(seen, note)
  if note.code == 'policy-comment' or line:find '^%s*//' then return 'comment' end
  if note.code == 'policy-no-colon' then return 'line' end
  local name = line:match '^%s*([^:]-)%s*:' or ''
  if note.code == 'policy-field-name' then
    return near_name(name) and 'keycase' or name:find '^[%w][%w_.-]*$' and 'ext' or 'line'
  end
  return 'line'
end

return {
  {
    id = 'pol.empty', severity = 'error', ref = 'RFC 8461 3.2', needs = 'body',
    title = 'the policy is not empty',
    fix = 'Write the policy into the file that is served: version, mode, mx and max_age, a line each.',
    check = function(seen, say)
      if seen.empty then say(#seen.body == 0 and 'nothing is served' or ('%d bytes, all of them white space'):format(#seen.body)) end
    end,
  },
  {
    id = 'pol.html', severity = 'error', ref = 'RFC 8461 3.2', needs = 'body',
    title = 'what is served is a policy, not a document',
    fix = 'Save the policy as plain text, and let the web server send this file, not a page.',
    check = function(seen, say)
      if seen.foreign then say(('it is %s: %s'):format(seen.foreign, read.quote(seen.body:match '^%s*([^\r\n]*)'))) end
    end,
  },
  {
    id = 'pol.encoding', severity = 'error', ref = 'RFC 8461 3.2', needs = 'body',
    title = 'it is ASCII or UTF-8, without marks and control characters',
    fix = 'Save the file as "UTF-8 without BOM" (or ASCII), with line ends LF or CRLF.',
    check = function(seen, say)
      if seen.empty or seen.foreign then return false end
      if seen.wide then
        say 'the text is UTF-16 or UTF-32'
        return
      end
      notes.say(seen, say, function(note)
        return note.code == 'policy-bom' or note.code == 'policy-utf16'
          or note.code == 'policy-value-byte' and not note.message:find('a tab', 1, true)
      end)
      local zero = seen.body:find('\0', 1, true)
      if zero and #notes.of(seen, 'policy-value-byte') == 0 then say(('byte %d is zero'):format(zero)) end
    end,
  },
  {
    id = 'pol.eol', severity = 'info', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'all lines end alike',
    fix = 'Let all lines end in LF, or all in CRLF; both are right.',
    check = function(seen, say)
      local _, all = seen.body:gsub('\n', '')
      local _, crlf = seen.body:gsub('\r\n', '')
      if crlf > 0 and crlf < all then say(('lines that end in CRLF: %d, LF alone: %d'):format(crlf, all - crlf)) end
    end,
  },
  {
    id = 'pol.blank', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'there is no blank line',
    fix = 'Remove the blank line; at the end of the file there is just one line end.',
    check = function(seen, say)
      local blank = notes.of(seen, 'policy-blank-line')
      if #blank == 0 then return end
      local at = {}
      for i, note in ipairs(blank) do at[i] = tostring(note.line) end
      local last = blank[#blank].line >= #seen.lines
      say(('%s %s blank%s: strict senders refuse the policy (as postfix-tlspol and mox do), others take it (as mtasts and '
        .. 'postfix-mta-sts-resolver do)'):format(#at == 1 and 'line' or 'lines', read.names(at, 8) .. (#at == 1 and ' is' or ' are'),
        last and #at == 1 and ', at the end of the file' or ''), { line = blank[1].line, column = 1 })
    end,
  },
  {
    id = 'pol.leadws', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'no blank stands before a field or its colon',
    fix = 'Begin each line with the field itself, and put the colon right behind its name.',
    check = function(seen, say)
      notes.say(seen, say, function(note)
        return note.code == 'policy-leading-blank' or note.code == 'policy-blank-before-colon' and not has_comment(line_of(seen, note))
      end)
    end,
  },
  {
    id = 'pol.trailws', severity = 'info', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'no blank stands at the end of a line',
    fix = 'Nothing must be mended; without blanks at line ends no careless reader can stumble.',
    check = function(seen, say)
      local at = {}
      for i, line in ipairs(seen.lines) do
        if line:find '%S[ \t]+$' then at[#at + 1] = tostring(i) end
      end
      if #at > 0 then say((#at == 1 and 'line ' or 'lines ') .. read.names(at, 8)) end
    end,
  },
  {
    id = 'pol.comment', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'there are no comments',
    fix = 'Remove the comment: a policy has none, and senders take it for a part of the value or refuse the policy.',
    check = function(seen, say)
      notes.say(seen, say, function(note) return kind_of_line(seen, note) == 'comment' end)
      local told = {}
      for _, note in ipairs(seen.policy_notes) do
        local value = line_of(seen, note):match ':[ \t]*(.*)$'
        if value and kind_of_line(seen, note) ~= 'comment' and has_comment(value) and not told[note.line] then
          told[note.line] = true
          say(('line %d: a comment behind the value: %s'):format(note.line, read.quote(value)), { line = note.line, column = note.column })
        end
      end
    end,
  },
  {
    id = 'pol.line', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'every line is a field, a colon and a value',
    fix = 'Write each line as "field: value", or remove it: one wrong line makes senders refuse the policy.',
    check = function(seen, say)
      local lineless = { ['policy-no-colon'] = true, ['policy-field-name'] = true }
      notes.say(seen, say, function(note)
        if note.code == 'policy-value-empty' then
          return seen.first[(line_of(seen, note):match '^%s*([%w_.-]+)') or ''] ~= nil and notes.known(line_of(seen, note))
        end
        if note.code == 'policy-value-byte' then return note.message:find('a tab', 1, true) ~= nil end
        return lineless[note.code] and kind_of_line(seen, note) == 'line'
      end, function(note)
        local line = line_of(seen, note)
        if note.code ~= 'policy-no-colon' then return end
        if line:find '^%s*[%a_-]+%s*=' then return 'Write ":" in place of "=".' end
        if line:find '^%-%-%-' then return 'Serve the file as the site generator makes it, without its front matter ("---").' end
      end)
    end,
  },
  {
    id = 'pol.keycase', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'field names are spelled right',
    fix = 'Write version, mode, mx and max_age, in lower case: senders do not look at a field of another name.',
    check = function(seen, say)
      -- What is missing is then an error; else it may be a field of somebody's own.
      local severity = seen.policy and 'warn' or nil
      notes.say(seen, say, function(note)
        return note.code == 'policy-field-unknown' or note.code == 'policy-field-name' and kind_of_line(seen, note) == 'keycase'
      end, function(note)
        local near = near_name(line_of(seen, note):match '^%s*([^:]-)%s*:' or '')
        return near and ('Write "%s", exactly so, if that is what was meant.'):format(near)
      end, severity)
    end,
  },
  {
    id = 'pol.ext', severity = 'error', ref = 'RFC 8461 3.2', needs = 'lines',
    title = 'other fields are well formed',
    fix = 'Remove the field: one that is malformed makes senders refuse the policy.',
    check = function(seen, say)
      notes.say(seen, say, function(note)
        if note.code == 'policy-value-empty' then return not notes.known(line_of(seen, note)) end
        return note.code == 'policy-field-name' and kind_of_line(seen, note) == 'ext'
      end)
      local unknown, told = {}, {}
      for _, field in ipairs(seen.fields) do
        local name = field.name
        if not notes.known(name .. ':') and not near_name(name) and name:find '^[%w][%w_.-]*$' and not told[name] then
          told[name] = true
          unknown[#unknown + 1] = name
        end
      end
      if #unknown > 0 then
        say('fields that senders ignore: ' .. read.names(unknown),
          { severity = 'info', fix = 'Remove them unless you know who reads them.' })
      end
    end,
  },
}
