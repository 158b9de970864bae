#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts store sessions: the counters for TLS reporting, for people and as JSON; most of their text was written by remote servers."""
import os
import sqlite3
import sys
import time

sys.dont_write_bytecode = True
import tools  # noqa: E402

DAY = 86400
RECORD = """local mtasts = require 'mtasts'
local world = mtasts.fake { now = tonumber(arg[1]) }
mtasts.configure { store = arg[2], log = 'none' }
local function times(count, session) for _ = 1, count do assert(mtasts.record_session(session)) end end
"""


class Sessions(tools.Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder, "s.db")
        # Not across midnight.
        if time.time() % DAY > DAY - 60:
            time.sleep(61)
        self.now = int(time.time())
        self.today = time.strftime("%Y-%m-%d", time.gmtime(self.now))

    def record(self, lua, ago=0):
        script = self.write("record.lua", RECORD + lua)
        self.ends(0, "run", script, str(self.now - ago * DAY), self.store)

    def of(self, code, *words):
        result = self.ends(code, "store", "--store", self.store, "sessions", *words)
        for raw in (result.raw, result.raw_error):
            self.assertEqual([byte for byte in raw if byte < 32 and byte != 10 or byte == 127], [], "control characters")
        if not result.out.startswith("{"):
            for line in result.lines:
                self.assertLessEqual(len(line), 80, line)
        return result

    FAILURE = """{ domain = 'a.test', type = 'sts', mx = 'mx1.a.test', address = '192.0.2.1', source = '192.0.2.99', helo = 'mx1',
      result = 'cert-expired', reason = 'yesterday' }"""

    def test_each_day_and_domain_shows_what_went_well_and_each_failure(self):
        self.record(f"times(3, {self.FAILURE})\n"
                    "times(40, { domain = 'a.test', type = 'sts', mx = 'mx1.a.test' })\n"
                    "times(2, { domain = 'a.test', type = 'sts', mx = 'mx2.a.test' })\n"
                    "times(1, { domain = 'a.test', mx = 'mx2.a.test' })\n"
                    "times(1, { domain = 'b.test', type = 'tlsa', result = 'tlsa-invalid', mx = 'mx.b.test' })")
        self.assertEqual(self.of(0).lines, [
            f"{self.today} a.test",
            "  ✓ 42 went well (sts)",
            "  ✓ 1 went well (no-policy-found)",
            "  ✗ 3 certificate-expired mx1.a.test [192.0.2.1] (sts): yesterday",
            f"{self.today} b.test",
            "  ✗ 1 tlsa-invalid mx.b.test (tlsa)",
        ])
        self.assertEqual(self.of(0, "B.test.").lines, self.of(0).lines[-2:])
        self.assertEqual(self.of(0, "b.test", "a.test", "c.test").lines, self.of(0).lines[-2:] + self.of(0).lines[:-2])

    def test_json_is_one_object_per_counter_with_its_fields(self):
        self.record(f"times(3, {self.FAILURE})\ntimes(1, {{ domain = 'b.test' }})")
        failure, good = self.of(0, "--json").json
        for row in (failure, good):
            self.assertTrue(abs(row.pop("first_at") - self.now) < 60 and abs(row.pop("last_at") - self.now) < 60)
        self.assertEqual(failure, {"day": self.today, "domain": "a.test", "policy_type": "sts", "result": "certificate-expired",
                                   "mx": "mx1.a.test", "address": "192.0.2.1", "source": "192.0.2.99", "helo": "mx1",
                                   "reason": "yesterday", "count": 3})
        self.assertEqual(good, {"day": self.today, "domain": "b.test", "policy_type": "no-policy-found", "count": 1})

    def test_json_has_the_policy_as_the_lines_of_a_report(self):
        self.record("world:dns('_mta-sts.a.test TXT', { 'v=STSv1; id=1;' })\n"
                    "world:https('mta-sts.a.test', 'version: STSv1\\nmode: testing\\nmx: mx1.a.test\\nmx: *.b.test\\nmax_age: 86400\\n')\n"
                    "assert(mtasts.lookup 'a.test')\ntimes(1, { domain = 'a.test', type = 'sts' })")
        self.assertEqual(self.of(0, "--json").json[0]["policy"],
                         ["version: STSv1", "mode: testing", "mx: mx1.a.test", "mx: *.b.test", "max_age: 86400"])

    def test_today_and_yesterday_unless_a_day_is_named(self):
        for ago in (0, 1, 2):
            self.record(f"times({ago + 1}, {{ domain = 'a.test' }})", ago)
        self.assertEqual([row["count"] for row in self.of(0, "--json").json], [2, 1])
        before = time.strftime("%Y-%m-%d", time.gmtime(self.now - 2 * DAY))
        self.assertEqual([(row["day"], row["count"]) for row in self.of(0, "--json", "--day", before).json], [(before, 3)])
        self.assertEqual(self.of(3, "--day", "2001-01-01").out, "")
        for wrong in ("2026-02-30", "yesterday", "2026-1-1", ""):
            self.assertIn("wants YYYY-MM-DD", self.of(64, "--day", wrong).error)

    def test_none_is_exit_code_3(self):
        self.assertIn("none were recorded", self.of(3).error)
        self.assertEqual(self.of(3, "--json").raw + self.of(3, "--json").raw_error, b"")
        self.record("times(1, { domain = 'a.test' })")
        self.of(3, "b.test")
        self.of(64, "b..test")
        self.ends(3, "store", "--store", "none", "sessions")
        self.ends(2, "store", "--store", os.path.join(self.folder, "no/such/s.db"), "sessions")

    def test_hostile_bytes_of_remote_servers_are_shown_as_text(self):
        self.record("times(1, { domain = 'a.test', result = 'tls-handshake', mx = '\\27[31m.evil', helo = '\\27]0;owned\\7',\n"
                    "reason = 'a\\nb\\r\\27[2J\\xc2\\x9b31m\\xe2\\x80\\xae' .. ('x '):rep(500) })")
        self.assertIn(r"a\x0ab\x0d\x1b[2J\xc2\x9b31m\xe2\x80\xae", "".join(self.of(0).out.split()))
        (row,) = self.of(0, "--json").json
        self.assertEqual((row["mx"], row["helo"]), (r"\x1b[31m.evil", r"\x1b]0;owned\x07"))

    def test_a_row_that_was_edited_to_hostile_text_is_not_shown(self):
        self.record(f"times(1, {self.FAILURE})\ntimes(1, {{ domain = 'b.test' }})")
        for column in ("domain", "type", "policy", "result", "mx", "address", "source", "helo", "reason", "count"):
            with sqlite3.connect(self.store) as db:
                (was,) = db.execute(f"SELECT {column} FROM session WHERE domain <> 'b.test'").fetchone()
                db.execute(f"UPDATE session SET {column} = ? WHERE domain <> 'b.test'", ("\x1b[31mevil",))
            db.close()
            for words in ((), ("--json",)):
                result = self.of(0, *words)
                self.assertNotIn("evil", result.out)
                self.assertIn("b.test", result.out)
                self.assertIn("damaged", result.error)
            with sqlite3.connect(self.store) as db:
                db.execute(f"UPDATE session SET {column} = ? WHERE domain <> 'b.test'", (was,))
            db.close()
        self.assertIn("a.test", self.of(0).out)

    def test_a_flush_keeps_what_has_happened(self):
        self.record("times(1, { domain = 'a.test' })")
        self.ends(0, "store", "--store", self.store, "flush", "--all")
        self.assertIn("1 went well", self.of(0).out)

    def test_a_hook_is_told_of_what_a_script_records_but_not_of_what_it_records_itself(self):
        rules = self.write("rules.lua", """
        local mtasts = require 'mtasts'
        mtasts.on('session', function(s)
          print(s.domain, s.policy_type, s.ok, s.result, s.mx, s.reason, math.type(s.time), pcall(function() s.mx = 'x' end))
          mtasts.record_session { domain = 'inner.test' }
        end)
        mtasts.on('session', function() error 'the second fails' end)
        """)
        script = self.write("s.lua", """
        local mtasts = require 'mtasts'
        assert(mtasts.record_session { domain = 'A.Test.', mx = 'mx.a.test', result = 'tls-handshake', reason = 'why' })
        assert(mtasts.record_session { domain = 'b.test' })
        assert(not mtasts.record_session { domain = '[192.0.2.1]' })
        """)
        result = self.ends(0, "run", "--store", self.store, "--rules", rules, script, allow_traceback=True)
        self.assertEqual([line.split("\t")[:7] for line in result.lines], [
            ["a.test", "no-policy-found", "false", "validation-failure", "mx.a.test", "why", "integer"],
            ["b.test", "no-policy-found", "true", "nil", "nil", "nil", "integer"]])
        self.assertEqual(result.out.count("read-only"), 2)
        self.assertEqual(result.error.count("hook 'session' number 2 failed: "), 1)  # once a minute for each place
        self.assertIn("inner.test", self.of(0).out)


if __name__ == "__main__":
    tools.main()
