#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Policies, back-off and leases that machines share through a real Redis."""
import os
import re
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import peers  # noqa: E402

tools = peers.tools

MANY = """local mtasts = require 'mtasts'
local calls = {}
for i = 1, 100 do calls[i] = function() return mtasts.lookup('a.test', { depth = 'policy' }) end end
for _, result in ipairs(mtasts.all(calls)) do assert(result[1].mode == 'enforce' and result[1].id == '1') end
"""


class Policies(peers.Case):
    def hold(self):
        """The policy host answers when the event is set."""
        ready, plain = threading.Event(), self.web.show

        def show(handler):
            ready.wait(30)
            plain(handler)

        self.web.show = show
        self.addCleanup(ready.set)
        return ready

    def test_what_one_machine_has_learned_another_does_not_fetch(self):
        first = self.lookup("one").json[0]
        self.assertEqual((first["mode"], first["from"]), ("enforce", "network"))
        second = self.lookup("two").json[0]
        self.assertEqual((second["mode"], second["id"], second["from"]), ("enforce", "1", "store"))
        same = ("patterns", "max_age", "fetched_at", "expires_at")
        self.assertEqual([first[key] for key in same], [second[key] for key in same])
        self.assertEqual((self.gets(), self.dns.asked.count("_mta-sts.a.test")), (1, 1))
        # From now on it is in the machine's own store: without Redis, too.
        self.redis.stop()
        self.assertEqual(self.lookup("two").json[0]["from"], "store")

    def test_a_url_as_store_is_the_shared_one_beside_a_file_in_the_default_place(self):
        if os.access("/var/lib/mtasts", os.W_OK):
            self.skipTest("/var/lib/mtasts is the default place here")
        for machine in ("one", "two"):
            home = os.path.join(self.folder, machine)
            os.mkdir(home)
            self.environment.update(HOME=home, XDG_STATE_HOME=home)
            found = self.ends(0, "lookup", "--json", "--policy-only", *self.settings(machine, store=self.redis.url, shared_store=None), "a.test").json[0]
            self.assertEqual((found["mode"], found["from"]), ("enforce", "network" if machine == "one" else "store"))
            self.assertTrue(os.path.exists(f"{home}/mtasts/mtasts.db"))
        self.assertEqual(self.gets(), 1)

    def test_an_answer_from_the_machines_own_store_comes_nowhere_near_redis(self):
        script = self.write("loaded.lua", """local answer = require 'mtasts'.lookup('a.test', { depth = 'policy' })
            local maps = io.open '/proc/self/maps':read 'a'
            print(answer.from, maps:find 'hiredis' ~= nil)
        """)
        told = []
        for _ in range(2):
            connections = self.redis.ask("INFO", "stats").split("total_connections_received:")[1].split()[0]
            out, error = self.start("one", "run", script).communicate(timeout=60)
            after = self.redis.ask("INFO", "stats").split("total_connections_received:")[1].split()[0]
            told.append((out.decode().split(), error, int(after) - int(connections)))
        # The second INFO is a connection of its own.
        self.assertEqual((told[0][0], told[1][0], told[1][1:]), (["network", "true"], ["store", "false"], (b"", 1)))

    def test_a_hundred_equal_cold_lookups_on_each_of_two_machines_make_one_get(self):
        script, ready = self.write("many.lua", MANY), self.hold()
        started = [self.start(machine, "run", "--rules", "none", script) for machine in ("one", "two")]
        self.waits(self.gets)
        self.waits(lambda: self.redis.ask("EXISTS", "mtasts:1:lease:a.test"))
        ready.set()
        for process in started:
            self.assertEqual((process.communicate(timeout=60), process.returncode), ((b"", b""), 0))
        self.assertEqual((self.gets(), self.dns.asked.count("_mta-sts.a.test")), (1, 1))
        self.assertEqual(self.redis.ask("KEYS", "mtasts:1:lease:*"), [])

    def test_a_machine_that_dies_while_it_asks_holds_up_the_others_for_some_seconds_at_most(self):
        ready = self.hold()
        dying = self.start("one", "lookup", "--policy-only", "a.test")
        self.waits(self.gets)
        dying.kill()
        dying.communicate()
        ready.set()
        began = time.monotonic()
        self.assertEqual(self.lookup("two", mail_deadline_ms=60000).json[0]["from"], "network")
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(self.gets(), 2)

    def test_a_fetch_that_failed_is_not_tried_again_by_another_machine_before_its_time(self):
        self.web.show = lambda handler: handler.reply(503)
        self.assertEqual(self.lookup("one", code=2).json[0]["refresh_error"]["code"], "https-status")
        second = self.lookup("two", code=2).json[0]
        self.assertEqual((second["refresh_error"]["code"], self.gets()), ("https-status", 1))
        # A new id is tried at once, once its record is read again.
        self.dns.txt["_mta-sts.a.test"] = ["v=STSv1; id=2;"]
        third = self.lookup("two", code=2, words=("--no-cache",)).json[0]
        self.assertEqual((third["refresh_error"]["code"], self.gets()), ("https-status", 2))

    def test_trouble_with_one_machines_name_servers_is_no_news_for_others(self):
        self.dns.failing.add("_mta-sts.a.test")
        self.assertEqual(self.lookup("one", code=4).json[0]["refresh_error"]["code"], "dns-servfail")
        self.dns.failing.clear()
        self.assertEqual(self.lookup("two").json[0]["mode"], "enforce")

    def test_that_there_is_no_record_is_shared(self):
        del self.dns.txt["_mta-sts.b.test"]
        for machine in ("one", "two"):
            self.assertEqual(self.lookup(machine, "b.test", code=3).json[0]["from"], "nothing")
        self.assertEqual(self.dns.asked.count("_mta-sts.b.test"), 1)

    def test_an_older_policy_never_replaces_a_newer_one(self):
        self.lookup("one")
        key = "mtasts:1:domain:a.test"
        fetched = int(self.redis.ask("HGET", key, "fetched"))
        self.redis.ask("HSET", key, "fetched", fetched + 50, "latest", fetched + 50, "id", "later")
        self.assertEqual(self.lookup("one", words=("--no-cache",)).json[0]["from"], "network")
        self.assertEqual(self.redis.ask("HGET", key, "id"), "later")
        # What a clock that is wrong has dated far ahead does not stay for ever.
        self.redis.ask("HSET", key, "fetched", fetched + 5000, "latest", fetched + 5000, "id", "wrong")
        self.lookup("one", words=("--no-cache",))
        self.assertEqual(self.redis.ask("HGET", key, "id"), "1")

    def test_a_domain_that_is_flushed_is_forgotten_in_redis_too(self):
        self.lookup("one")
        self.lookup("one", "b.test")
        flushed = self.ends(0, "store", *self.settings("one"), "flush", "a.test")
        self.assertEqual((flushed.out, flushed.error), ("1 domain forgotten\n", ""))
        self.assertEqual(self.redis.ask("KEYS", "*"), ["mtasts:1:domain:b.test"])
        self.assertEqual(self.lookup("one").json[0]["from"], "network")

    def test_all_domains_that_are_flushed_are_forgotten_in_redis_and_nothing_else(self):
        self.lookup("one")
        others = {"other", "xmtasts:1:domain:a.test", "mtasts:1:domain", "mtasts:1:generation", "mtasts:1:report:1:a.test", "mtasts:1:sessions:g:1",
                  "mtasts:1:lease:b.test", "mtasts:10:domain:a.test"}
        for key in others:
            self.redis.ask("SET", key, "x")
        self.redis.ask("EVAL", "for i = 1, 5000 do redis.call('HSET', 'mtasts:1:domain:' .. i .. '.test', 'id', 'x') end "
                       "for i = 1, 3000 do redis.call('SET', 'of others:' .. i, 'x') end", 0)
        flushed = self.ends(0, "store", *self.settings("one"), "flush", "--all")
        self.assertEqual((flushed.out, flushed.error), ("1 domain forgotten\n", ""))
        self.assertEqual({key for key in self.redis.ask("KEYS", "*") if not key.startswith("of others:")}, others)
        self.assertEqual(self.redis.ask("DBSIZE"), 3000 + len(others))
        # Many short steps; the commands of scripts are counted as well.
        calls = dict(re.findall(r"cmdstat_(\w+):calls=(\d+)", self.redis.ask("INFO", "commandstats")))
        self.assertGreaterEqual(int(calls["scan"]), 8)
        self.assertEqual(calls["keys"], "1")
        self.assertEqual(self.lookup("one").json[0]["from"], "network")

    def test_while_redis_does_not_answer_a_flush_is_of_this_machine_alone_and_says_so(self):
        self.lookup("one")
        self.lookup("one", "b.test")
        for how, words in ((signal.SIGSTOP, ["a.test"]), (signal.SIGKILL, ["--all"])):
            self.redis.process.send_signal(how)
            flushed = self.ends(2, "store", *self.settings("one", shared_timeout_ms=300), "flush", *words)
            self.assertEqual(flushed.out, "1 domain forgotten\n")
            self.assertIn("mtasts: store: forgotten on this machine alone", flushed.error)
            self.assertIn("[store-shared]", flushed.error)
        self.assertEqual(self.ends(0, "store", *self.settings("one"), "list").out, "")

    def test_nothing_stays_in_redis_for_ever(self):
        del self.dns.txt["_mta-sts.b.test"]
        self.lookup("one")
        self.lookup("one", "b.test", code=3)
        week, hour = 604800, 3600
        self.assertTrue(week < self.redis.ask("TTL", "mtasts:1:domain:a.test") <= week + hour)
        self.assertTrue(0 < self.redis.ask("TTL", "mtasts:1:domain:b.test") <= 3 * hour)
        self.assertEqual(sorted(self.redis.ask("KEYS", "*")), ["mtasts:1:domain:a.test", "mtasts:1:domain:b.test"])

    def test_what_stands_in_redis_is_believed_only_as_far_as_it_makes_sense(self):
        now, policy = int(time.time()), "version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800"
        good = {"policy": policy, "id": "9", "fetched": now, "refresh": now + 80000,
                "attempt": f"{now} {now + 600} 0 0 0 0 0 ok -\n"}
        bad = [("policy", "mode: enforce"), ("policy", policy + "\n" * 70000), ("policy", "\0" + policy), ("fetched", now + 5000), ("fetched", -1),
               ("fetched", "9" * 40), ("fetched", now - 604801), ("id", "a b"), ("id", "x" * 33), ("attempt", "x"), ("attempt", ""), ("attempt", " " * 9 + "\n"),
               ("attempt", f"{now} {now + 10 ** 9} 0 0 0 0 0 ok -\n"), ("attempt", f"{now} {now + 600} 0 0 0 0 0 store-io -\n"),
               ("attempt", f"{now} {now + 600} 0 0 0 0 0 ok {'y' * 40}\n"), ("attempt", f"{now + 900} {now + 950} 0 0 0 0 0 ok -\n")]
        for number, (field, value) in enumerate([("id", "9"), *bad]):
            with self.subTest(field=field, value=str(value)[:60]):
                self.redis.ask("DEL", "mtasts:1:domain:a.test")
                self.redis.ask("HSET", "mtasts:1:domain:a.test", *(word for pair in {**good, field: value}.items() for word in pair))
                got = self.lookup(f"m{number}").json[0]
                self.assertEqual((got["id"], got["from"]), ("9", "store") if number == 0 else ("1", "network") if field != "attempt" else (got["id"], "network"))

    def test_a_policy_learned_from_others_lasts_as_long_as_it_says_itself(self):
        now = int(time.time())
        self.redis.ask("HSET", "mtasts:1:domain:a.test", "policy", peers.POLICY.format("a.test"), "id", "1", "fetched", now - 1000, "refresh", now + 9000,
                       "attempt", f"{now} {now + 600} 0 0 0 0 0 ok -\n")
        self.assertEqual(self.lookup("one").json[0]["expires_at"], now - 1000 + 604800)
        self.assertEqual(self.gets(), 0)

    def test_the_daily_fetch_of_one_machine_serves_all(self):
        now = int(time.time())
        due = now + 10
        self.redis.ask("HSET", "mtasts:1:domain:a.test", "policy", peers.POLICY.format("a.test"), "id", "1", "fetched", now - 90000, "refresh", due,
                       "attempt", f"{now - 9} {due} 0 0 0 0 0 ok -\n", "latest", now - 9)
        for machine in ("one", "two"):
            self.assertEqual(self.lookup(machine).json[0]["fetched_at"], now - 90000)
        self.assertEqual(self.gets(), 0)
        self.waits(lambda: time.time() > due)
        for machine in ("one", "two"):
            self.assertEqual(self.ends(0, "store", *self.settings(machine), "refresh", "--json").json[0], {"refreshed": 1, "failing": []})
        fetched = [self.ends(0, "store", *self.settings(machine), "show", "--json", "a.test").json[0]["fetched_at"] for machine in ("one", "two")]
        self.assertTrue(fetched[0] == fetched[1] > now - 90000, fetched)
        self.assertEqual(self.gets(), 1)


if __name__ == "__main__":
    tools.main()
