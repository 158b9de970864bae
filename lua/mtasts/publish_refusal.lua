-- SPDX-License-Identifier: ISC
-- What mtasts publish does not do: why, and what to do instead.

local refusal = { __name = 'mtasts.publish.refusal' }

-- Ends the command with this exit code.
function refusal.stop(code, why, todo) error(setmetatable({ code = code, why = why, todo = todo }, refusal), 0) end
function refusal.unsafe(why, todo) refusal.stop(2, why, todo) end
function refusal.unknown(why, todo) refusal.stop(4, why, todo) end
function refusal.is_one(value) return getmetatable(value) == refusal end

return refusal
