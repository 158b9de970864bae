---@meta mtasts.exim
-- SPDX-License-Identifier: ISC
-- Definitions for editors (LuaCATS), written by lua/manual/write.lua of lua/mtasts/api*.lua. No program loads this file.
-- luacheck: ignore 212 241

---Functions for Exim's expansions, see mtasts-lua(3).
---@class mtasts.exim
local exim = {}

---Makes a function known to Exim's expansions: ${dlfunc{FILE}{mtasts_call}{NAME}{ARGUMENT}...} calls fn(argument, ...) with at most six
---strings. They come from mail and may hold anything. Each call has a process and a Lua state of its own, in which the rules are loaded
---anew: nothing is kept from one call to the next. It may wait for lookups and probes, mail_deadline_ms in all. What it returns is the
---expansion: a string of at most 65536 bytes; a number or boolean as a text; nil is the empty text; nil and an error, or what exim.defer
---returns, make the expansion fail. So does a function that raises an error, runs more than 50 million instructions, takes more than 64 MB
---of memory or kills its process; the log then says why. A text that repeats an argument which is no plain domain name is tainted, as the
---argument is.
---
---It never waits. Errors: raises: another name, no function, a name that is provided already. Context: in rules; in programs other than
---Exim the functions are never called. Since 0.1.0. Source: Exim's manual, string expansions, dlfunc.
---@param name string # letters, digits, _ . and -, beginning with a letter or _
---@param fn fun(...: string): string|number|boolean|mtasts.deferral|nil, mtasts.error|string|nil # fn(argument, ...) -> result
function exim.provide(name, fn) end

---What a provided function returns to make the expansion fail: in address_data, the data of a router or an ACL mail is then deferred, with
---this text in the log. Other options of Exim do not defer when their expansion fails; a router with such a condition is skipped. See
---exim-mtasts(8).
---
---It never waits. Errors: raises: no text. Context: in rules; in programs other than Exim the functions are never called. Since 0.1.0.
---@param text string # why; what is not printable ASCII is written as \xNN
---@return mtasts.deferral deferral
function exim.defer(text) end

return exim
