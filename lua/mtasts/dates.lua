-- SPDX-License-Identifier: ISC
-- Days of the calendar, in UTC.

local dates = {}

-- Days since 1970-01-01 of a day of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month - 3) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Days since 1970-01-01 of a day given in digits; nil when there is no such day.
function dates.day(year, month, day)
  year, month, day = math.tointeger(tonumber(year)), math.tointeger(tonumber(month)), math.tointeger(tonumber(day))
  if month < 1 or month > 12 or day < 1 then return nil end
  local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  if day > lengths[month] + (leap and 1 or 0) then return nil end
  return days(year, month, day)
end

-- 'YYYY-MM-DD' -> days since 1970-01-01, or nil
function dates.read(text)
  local year, month, day = text:match '^(%d%d%d%d)%-(%d%d)%-(%d%d)$'
  return year and dates.day(year, month, day)
end

-- and back
function dates.write(day)
  return os.date('!%Y-%m-%d', day * 86400)
end

return dates
