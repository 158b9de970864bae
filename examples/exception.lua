-- SPDX-License-Identifier: ISC
-- An exception for one domain: its mail moved to hosts that its policy does not
-- name yet. With a reason, and an end, after which it no longer counts. Listed by
-- mtasts store list --exceptions
local mtasts = require 'mtasts'

mtasts.exception {
  domain = 'moved.test',
  mode = 'testing',
  reason = 'their MX moved, their postmaster knows',
  until_ = '2030-01-31',
}
