#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Reports over several machines: each session counts once, and one machine sends, whatever dies or is lost in between."""
import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import peers  # noqa: E402

tools, report_peers = peers.tools, peers.report_peers
DAY = 86400
WHO = ("--organization", "Example Org", "--contact", "reports@sender.example")

# Counts as if it were some days ago; prints after each session, so that who kills it knows how many there were.
COUNT = """local mtasts = require 'mtasts'
local count, domain, store, now = tonumber(arg[1]), arg[2], arg[3], tonumber(arg[4])
local world = mtasts.fake { now = now }
mtasts.configure { store = store, log = 'none' }
for i = 1, count do
  assert(mtasts.record_session { domain = domain, type = 'sts', mx = 'mx1.' .. domain })
  io.stdout:write(i, '\\n'):flush()
end
"""


class Reports(peers.Case):
    def setUp(self):
        super().setUp()
        if time.time() % DAY > DAY - 120:
            time.sleep(121)  # not across midnight
        self.now = int(time.time())
        self.sendmail = report_peers.Sendmail(self.folder)
        self.script = self.write("count.lua", COUNT)
        self.addCleanup(self.look_for_wrong_reports)

    def look_for_wrong_reports(self):
        for raw in self.sent():
            report_peers.check_report(raw)

    def day(self, ago):
        return time.strftime("%Y-%m-%d", time.gmtime(self.now - ago * DAY))

    def number(self, ago):
        return self.now // DAY - ago

    def count(self, machine, count, domain="a.test", ago=1):
        self.ends(0, "run", self.script, str(count), domain, self.store(machine), str(self.now - ago * DAY))

    def report(self, machine, action, *words, code=0, **more):
        more = {"report_sendmail": self.sendmail.path, "nameservers": self.dns.address, **more}
        return self.ends(code, "report", *self.settings(machine, **more), action, *WHO, *words)

    def written(self, machine, *words, code=0, ago=1, **more):
        """Sessions by domain, as a report has them."""
        out = self.report(machine, "write", "--day", self.day(ago), "--json", *words, code=code, **more)
        return {report["policies"][0]["policy"]["policy-domain"]: self.successful(report) for report in out.json}

    def successful(self, report):
        return sum(policy["summary"]["total-successful-session-count"] for policy in report["policies"])

    def sent(self):
        found = []
        for message in self.sendmail.messages:
            for part in message.walk():
                if part.get_content_type() == "application/tlsrpt+gzip":
                    found.append(gzip.decompress(part.get_content()))
        return found

    def total_sent(self):
        return [self.successful(json.loads(raw)) for raw in self.sent()]

    def wants_reports(self, *domains):
        for domain in domains:
            self.dns.txt["_smtp._tls." + domain] = [f"v=TLSRPTv1; rua=mailto:tls@{domain}"]

    def batches(self, machine):
        with sqlite3.connect(self.store(machine)) as db:
            return db.execute("SELECT count(DISTINCT id), coalesce(sum(count), 0) FROM batch").fetchone()

    def test_a_report_has_what_all_machines_have_counted(self):
        self.count("one", 3)
        self.count("two", 4)
        self.count("two", 5, "b.test")
        self.report("two", "write", "--day", self.day(1), "--json")
        self.assertEqual(self.written("one"), {"a.test": 7, "b.test": 5})
        self.assertEqual(self.written("three"), {"a.test": 7, "b.test": 5})
        self.count("two", 1)
        self.written("two")
        self.assertEqual(self.written("one", "--domain", "a.test"), {"a.test": 8})
        # The same from each of them, to the byte.
        self.assertEqual(self.report("one", "write", "--day", self.day(1)).raw, self.report("three", "write", "--day", self.day(1)).raw)

    def test_one_machine_sends_it(self):
        self.wants_reports("a.test", "b.test")
        for machine in ("one", "two", "three"):
            self.count(machine, 10)
            self.count(machine, 1, "b.test")
            self.written(machine)
        started = [self.start(machine, "report", "send", *WHO, "--now", report_sendmail=self.sendmail.path) for machine in ("one", "two", "three")]
        for process in started:
            out, error = process.communicate(timeout=100)
            self.assertEqual((process.returncode, error), (0, b""), out)
        self.assertEqual(sorted(self.total_sent()), [3, 30])
        ids = {json.loads(raw)["report-id"] for raw in self.sent()}
        self.assertEqual(len(ids), 2)
        self.assertIn("sent to", self.report("four", "send", "--now").out)
        self.assertEqual(len(self.sent()), 2)

    def test_a_report_waits_until_other_machines_may_have_told_what_they_counted(self):
        self.wants_reports("a.test")
        self.count("one", 1)
        out = self.report("one", "send", "--json", report_delay_s=0).json[0]
        after_midnight = self.now % DAY
        self.assertEqual(out["state"], "waiting" if after_midnight < 1800 else "sent")

    def test_without_redis_nothing_is_sent_and_nothing_is_lost(self):
        self.wants_reports("a.test")
        self.count("one", 5)
        self.redis.stop()
        self.assertIn("the shared store does not answer", self.report("one", "send", "--now", code=2, shared_timeout_ms=50).error)
        self.assertEqual(self.sent(), [])
        self.redis.start()
        self.report("one", "send", "--now")
        self.assertEqual(self.total_sent(), [5])

    def test_sessions_that_come_after_the_report_are_named_in_the_log_and_in_no_report(self):
        self.wants_reports("a.test")
        self.count("one", 5)
        self.report("one", "send", "--now")
        self.count("two", 2)
        self.assertIn("after the report", self.report("two", "send", "--now").error)
        self.assertEqual((self.total_sent(), self.batches("two")), ([5], (0, 0)))
        self.assertEqual(self.report("two", "send", "--now").error, "")

    def test_while_a_report_is_made_what_comes_waits(self):
        self.count("one", 5)
        self.written("one")
        key = f"mtasts:1:report:{self.number(1)}:a.test"
        soon = (self.now + 300) * 1000
        self.redis.ask("SET", key, f"claimed\nx.1\nid\n\n\n{soon}\n0\n0\n{self.now}\n{self.now}")
        self.count("two", 2)
        self.count("two", 3, "b.test")
        self.assertEqual(self.written("two"), {"a.test": 5, "b.test": 3})
        self.redis.ask("DEL", key)
        self.assertEqual(self.written("two"), {"a.test": 7, "b.test": 3})
        self.assertEqual(self.batches("two"), (0, 0))

    def test_who_is_killed_while_it_counts_or_sends_counts_each_session_once(self):
        counted = 0
        rng = random.Random(7)
        for turn in range(12):
            counting = subprocess.Popen(self.command("run", self.script, "1000000", "a.test", self.store("one"), str(self.now - DAY)),
                                        env=self.environment, cwd=self.folder, stdout=subprocess.PIPE)
            for _ in range(20):
                counted = counted + 1 if counting.stdout.readline() else counted
            moving = self.start("one", "report", "write", *WHO, "--day", self.day(1))
            time.sleep(rng.uniform(0, 0.08))  # no wait for anything: it is killed somewhere
            moving.kill()
            moving.communicate()
            counting.kill()
            counted += len(counting.communicate()[0].splitlines())
        # What is written down before it is said may be one more for each kill.
        with sqlite3.connect(self.store("one")) as db:
            stored = db.execute("SELECT sum(count) FROM session").fetchone()[0]
        self.assertTrue(counted <= stored <= counted + 12, (counted, stored))
        self.assertEqual(self.written("one"), {"a.test": stored})
        self.assertEqual(self.written("two"), {"a.test": stored})
        self.assertEqual(self.batches("one"), (0, 0))

    def through(self, lose):
        """A port that forwards to Redis; lose(sent so far to the server) -> True: the connection ends before the answer is told."""
        def act(connection):
            with peers.socket.create_connection(("127.0.0.1", self.redis.port)) as server:
                while data := connection.recv(1 << 16):
                    server.sendall(data)
                    answer = server.recv(1 << 16)
                    if lose(data):
                        return
                    connection.sendall(answer)
        fake = peers.Fake(act)
        self.addCleanup(fake.stop)
        return fake.url

    def test_a_program_that_goes_on_sends_what_it_has_counted(self):
        script = self.write("goes-on.lua", """local mtasts = require 'mtasts'
            local ends = os.time() + 60
            for i = 1, 3 do assert(mtasts.record_session { domain = 'a.test', type = 'sts' }) end
            repeat mtasts.lookup('b.test', { depth = 'policy', freshness = 'always' }) until io.open(arg[1]) or os.time() > ends
        """)
        mark = os.path.join(self.folder, "mark")
        process = self.start("one", "run", script, mark, background="yes")
        self.waits(lambda: self.batches_known())
        open(mark, "w", encoding="ascii").close()
        self.assertEqual((process.communicate(timeout=60), process.returncode), ((b"", b""), 0))
        # Together: no command for each.
        self.assertEqual((self.batches_known(), self.written("two", ago=0)), (1, {"a.test": 3}))

    def test_the_timer_that_refreshes_sends_what_was_counted(self):
        self.count("one", 2)
        self.ends(0, "store", *self.settings("one"), "refresh")
        self.assertEqual(self.batches_known(), 1)
        self.assertEqual(self.written("two"), {"a.test": 2})

    def batches_known(self):
        return len([key for key in self.redis.ask("KEYS", "mtasts:1:sessions:*") if ":batch:" in key])

    def test_a_batch_whose_answer_was_lost_counts_once(self):
        self.count("one", 9)
        lost = []

        def lose(data):
            if b"HLEN" in data and len(lost) < 2 and b"a.test" in data:
                lost.append(data)
                return True
            return False

        self.assertEqual(self.written("one", url=self.through(lose)), {"a.test": 9})
        self.assertEqual(len(lost), 2)
        self.assertEqual(self.batches("one"), (0, 0))

    def test_a_claim_whose_answer_was_lost_is_still_ours(self):
        self.wants_reports("a.test")
        self.count("one", 9)
        lost = []

        def lose(data):
            if b"'EX', ARGV[3]" in data and len(lost) < 3:
                lost.append(data)
                return len(lost) in (1, 3)
            return False

        self.report("one", "send", "--now", url=self.through(lose))
        self.assertEqual((self.total_sent(), len(lost)), ([9], 3))

    def test_many_counters_go_in_several_batches(self):
        with sqlite3.connect(self.store("one")) if os.path.exists(self.store("one")) else self.made("one") as db:
            for i in range(950):
                db.execute("INSERT INTO session VALUES(?, 'a.test', 'sts', '', 'validation-failure', 'mx1.a.test', ?, '', '', '', 2, ?, ?, 0)",
                           (self.number(1), f"192.0.2.{i % 256}" if i < 256 else f"198.51.{i // 256}.{i % 256}", self.now - DAY, self.now - DAY))
        self.assertEqual(self.written("one"), {"a.test": 0})
        report = self.report("two", "write", "--day", self.day(1), "--json").json[0]
        self.assertEqual(report["policies"][0]["summary"]["total-failure-session-count"], 1900)

    def made(self, machine):
        self.count(machine, 1, "z.test", ago=20)
        return sqlite3.connect(self.store(machine))

    def test_remote_servers_do_not_fill_redis(self):
        with self.made("one") as db:
            for i in range(2500):
                db.execute("INSERT INTO session VALUES(?, 'a.test', 'sts', '', 'validation-failure', ?, '192.0.2.1', '', '', ?, 1, ?, ?, 0)",
                           (self.number(1), f"mx{i}.a.test", f"reason {i}", self.now - DAY, self.now - DAY))
        self.written("one")
        key = [key for key in self.redis.ask("KEYS", "*") if key.endswith(":a.test")]
        self.assertLessEqual(self.redis.ask("HLEN", key[0]), 2010)
        report = self.report("two", "write", "--day", self.day(1), "--json").json[0]
        self.assertEqual(sum(policy["summary"]["total-failure-session-count"] for policy in report["policies"]), 2500)

    def test_a_full_redis_takes_nothing_and_loses_nothing(self):
        self.count("one", 6)
        self.redis.ask("CONFIG", "SET", "maxmemory", "1")
        self.report("one", "write", "--day", self.day(1), code=2)
        self.redis.ask("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(self.written("one"), {"a.test": 6})

    def test_redis_started_anew_with_its_file_has_all(self):
        self.redis.stop()
        self.redis.start("--appendonly", "yes", "--appendfsync", "always")
        self.count("one", 6)
        self.written("one")
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.redis.stop(how)
            self.redis.start("--appendonly", "yes", "--appendfsync", "always")
            self.assertEqual(self.written("two"), {"a.test": 6})
        self.count("one", 1)
        self.assertEqual(self.written("one"), {"a.test": 7})

    def test_redis_started_anew_without_a_file_gets_todays_counters_again(self):
        self.count("one", 6, ago=0)
        self.count("one", 2, ago=1)
        self.assertEqual(self.written("one", ago=0), {"a.test": 6})
        self.redis.stop()
        self.redis.start()
        self.count("one", 1, ago=0)
        out = self.report("one", "write", "--day", self.day(0), "--json")
        self.assertIn("has lost the counters", out.error)
        self.assertEqual(self.written("two", ago=0), {"a.test": 7})
        # Of yesterday a report may be out.
        self.assertEqual(self.written("one", code=3, ago=1), {})
        self.assertEqual(self.report("one", "write", "--day", self.day(0), "--json").error, "")

    def test_what_a_machine_has_reported_itself_stays_its_own(self):
        self.wants_reports("a.test", "b.test")
        self.count("one", 6)
        alone = {"shared_store": ""}
        self.report("one", "send", "--now", url="", **alone)
        self.assertEqual(self.total_sent(), [6])
        self.count("one", 2, "b.test")
        self.assertEqual(self.written("one"), {"b.test": 2})

    def test_what_stands_in_redis_is_believed_only_as_far_as_it_makes_sense(self):
        self.wants_reports("a.test")
        self.count("one", 6)
        self.written("one")
        base = "mtasts:1:sessions:" + self.redis.ask("GET", "mtasts:1:generation") + f":{self.number(1)}"
        good = "sts\t\t\tmx9.a.test\t\t\t\t"
        for field, value in ((good, "x"), (good + "2", "1 2"), ("sts\t", "1 2 3"), ("what" + good, "1 2 3"), (good + "\x1b[31m", "1 2 3"), ("\t" * 9, "1 2 3"),
                             (good + "3", "-1 2 3"), (good + "4", "99999999999999999999 2 3"), (good + "5", "1 9 3"), ("", "1 2 3"),
                             ("sts\t\t\t" + "y" * 500 + "\t\t\t\t", "1 2 3")):
            self.redis.ask("HSET", f"{base}:a.test", field, value)
        self.redis.ask("SADD", base, "bad name", "", "UPPER.test", "x" * 300, "\x1b[31m")
        self.assertEqual(self.written("two"), {"a.test": 6})
        # A report that may have been sent is not sent again.
        self.redis.ask("SET", f"mtasts:1:report:{self.number(1)}:a.test", "waiting\nx")
        self.assertEqual(self.report("two", "send", "--now", "--json", code=1).json[0]["state"], "unsure")
        self.assertEqual(self.sent(), [])
        self.redis.ask("SET", "mtasts:1:generation", "\x1b[31m")
        self.count("one", 1)
        self.assertNotIn("\x1b", self.report("one", "write", "--day", self.day(1), code=2).error)

    def test_nothing_stays_in_redis_for_ever(self):
        self.wants_reports("a.test")
        self.count("one", 6)
        self.report("one", "send", "--now")
        for key in self.redis.ask("KEYS", "*"):
            if key != "mtasts:1:generation":
                self.assertTrue(0 < self.redis.ask("TTL", key) <= 35 * DAY, key)


if __name__ == "__main__":
    tools.main()
