---@meta mtasts.osmtpd
-- SPDX-License-Identifier: ISC
-- Definitions for editors (LuaCATS), written by lua/manual/write.lua of lua/mtasts/api*.lua. No program loads this file.
-- luacheck: ignore 212 241

---Rules for the sessions of OpenSMTPD's clients, see mtasts-lua(3).
---@class mtasts.osmtpd
local osmtpd = {}

---Adds a hook to a phase of the sessions of smtpd's clients. It is called as fn(session, value) and returns a decision, or nil: no opinion.
---Hooks are asked in the order they were added and the first decision wins; without one smtpd proceeds. A hook may wait for lookups and
---probes: its session waits with it, others go on, and after mail_deadline_ms it is ended and smtpd proceeds. One that fails, runs more
---than 50 million instructions or takes more than 64 MB of memory is logged with a traceback and counts as no opinion.
---
---It never waits. Errors: raises: an unknown phase (the nearest known one is named), no function, rules that are loaded already. Context:
---in rules; in programs other than filter-mtasts the hooks are never asked; only while the rules are loaded. Since 0.1.0. Source:
---smtpd-filters(7).
---@param phase "connect"|"helo"|"ehlo"|"mail-from"|"rcpt-to"|"data"|"commit"|"quit" # "connect" (value: the client's address), "helo",
---"ehlo" (the name it gives), "mail-from" (the sender, "" is the empty one), "rcpt-to" (the recipient), "data", "commit", "quit" (nil)
---@param fn fun(session: mtasts.session, value: string?): mtasts.decision? # the hook
function osmtpd.on(phase, fn) end

---A decision: go on, and ask no further hook.
---
---It never waits. Context: in rules; in programs other than filter-mtasts the hooks are never asked. Since 0.1.0.
---@return mtasts.decision decision
function osmtpd.proceed() end

---A decision: go on, and mark the message as junk (smtpd adds "X-Spam: yes").
---
---It never waits. Context: in rules; in programs other than filter-mtasts the hooks are never asked. Since 0.1.0.
---@return mtasts.decision decision
function osmtpd.junk() end

---A decision: refuse this command.
---
---It never waits. Errors: raises: a code that refuses nothing, a status of another class, no text. Context: in rules; in programs other
---than filter-mtasts the hooks are never asked. Since 0.1.0.
---@param code integer # reply code, 400 to 599 (RFC 5321 4.2)
---@param status string # enhanced status of the same class, "5.7.1" (RFC 3463)
---@param text string # for the sender; what is not printable ASCII is written as \xNN, and at most 490 bytes are sent
---@return mtasts.decision decision
function osmtpd.reject(code, status, text) end

---A decision: refuse this command and close the session.
---
---It never waits. Errors: raises: a code that refuses nothing, a status of another class, no text. Context: in rules; in programs other
---than filter-mtasts the hooks are never asked. Since 0.1.0.
---@param code integer # reply code, 400 to 599 (RFC 5321 4.2)
---@param status string # enhanced status of the same class, "5.7.1" (RFC 3463)
---@param text string # for the sender; what is not printable ASCII is written as \xNN, and at most 490 bytes are sent
---@return mtasts.decision decision
function osmtpd.disconnect(code, status, text) end

return osmtpd
