-- SPDX-License-Identifier: ISC
-- Published policies with known faults, in the folder that MTASTS_CORPUS names: policies.tsv (file, valid_strict, mode, mx, max_age,
-- why_invalid, notes) and policies/. Each fault is named by the check that is for it.
local run = require 'mtasts.check_run'

local CORPUS <const> = os.getenv 'MTASTS_CORPUS'

-- What the index calls a fault, and the checks that may name it.
local faults <const> = {
  { '^leading white space', 'pol.leadws' }, { '^blank line', 'pol.blank' }, { '^inline comment', 'pol.comment' },
  { '^comment line', 'pol.comment' }, { '^unknown mode', 'pol.mode' }, { '^missing mode', 'pol.mode' },
  { '^version is not', 'pol.version' },
  { '^missing version', 'pol.version' }, { '^max_age not', 'pol.maxage' }, { '^missing max_age', 'pol.maxage' },
  { '^no mx', 'pol.mx.present' }, { '^backslash', 'pol.mode', 'pol.mx.syntax' }, { '^UTF', 'pol.encoding' }, { '^RTF', 'pol.html' },
  { '^only white space', 'pol.empty' }, { '^white space inside mx', 'pol.mx.syntax', 'pol.comment' }, { '^bad mx', 'pol.mx.syntax' },
  { '^wildcard not', 'pol.mx.syntax' }, { '^mx with trailing dot', 'pol.mx.syntax' }, { '^mx is', 'pol.mx.syntax' },
  { '^line without colon', 'pol.line' }, { '^bad field name', 'pol.line', 'pol.ext' },
}
local remarks <const> = {
  { '^duplicate mx', 'pol.mx.dup' }, { '^version is not the first', 'pol.order' }, { '^unknown field', 'pol.ext', 'pol.keycase' },
  { '^trailing white space', 'pol.trailws' }, { '^max_age under', 'pol.maxage.short' }, { '^very wide', 'pol.mx.wide' },
}

local function columns(line)
  local list = {}
  for column in (line .. '\t'):gmatch '([^\t]*)\t' do list[#list + 1] = column end
  return list
end

local function content(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read 'a'
  file:close()
  return text
end

local function named(list, fault)
  for _, entry in ipairs(list) do
    if fault:find(entry[1]) then return { table.unpack(entry, 2) } end
  end
end

describe('a published policy', function()
  if not CORPUS then
    pending 'MTASTS_CORPUS names no folder'
    return
  end
  local first = true
  for line in io.lines(CORPUS .. '/policies.tsv') do
    local file, valid, mode, _, _, why, notes = table.unpack(columns(line))
    if not first then
      it(file, function()
        local result = run.text('policy', content(CORPUS .. '/policies/' .. file))
        local found, all = {}, {}
        for _, finding in ipairs(result.findings) do
          found[finding.id] = finding.severity
          all[#all + 1] = finding.id .. ': ' .. finding.seen
        end
        local shown = file .. '\n' .. table.concat(all, '\n')
        local function wants(ids, fault)
          if not ids then return end
          for _, id in ipairs(ids) do
            if found[id] then return end
          end
          error(('"%s" is not named: %s'):format(fault, shown))
        end
        -- The "---" of a site generator is a line without colon, whatever the index calls it.
        local front_matter = notes:find('front matter', 1, true)
        for fault in (why .. '; '):gmatch '(.-); ' do
          if fault ~= '' then
            local ids = named(faults, fault)
            assert(ids or valid == 'yes', 'which check is for "' .. fault .. '"?')
            if front_matter and ids then ids[#ids + 1] = 'pol.line' end
            wants(ids, fault)
          end
        end
        for remark in (notes .. '; '):gmatch '(.-); ' do
          if mode == 'enforce' or not remark:find '^max_age' then wants(named(remarks, remark), remark) end
        end
        if valid == 'yes' then
          for id, severity in pairs(found) do
            assert(severity ~= 'error' or id == 'pol.mx.placeholder' or id == 'pol.maxage.short' or id == 'pol.maxage.big', shown)
          end
        else
          assert.is_true(result.counts.error > 0, shown)
        end
      end)
    end
    first = false
  end
end)
