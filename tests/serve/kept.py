#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Answers that are kept as they leave: asked for again and again, they are still what they should be."""
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, main, netstring, wait_for  # noqa: E402

POLICIES = {"good.test": "enforce mx.good.test", "wild.test": "enforce *.wild.test", "trial.test": "testing mx.trial.test"}
RECORDS = {("wild.test", "MX"): ["10 a.wild.test"], ("a.wild.test", "A"): ["192.0.2.3"], ("good.test", "MX"): ["10 mx.good.test"],
           ("mx.good.test", "A"): ["192.0.2.1"], ("good.test", "A"): ["192.0.2.2"]}
GOOD = "OK secure match=mx.good.test servername=hostname"
WILD = "OK secure match=a.wild.test servername=hostname"


class Kept(Case):
    def begin(self, *more, **options):
        self.dns.records, self.dns.secure = dict(RECORDS), {name for name, _ in RECORDS}
        self.start(*more, policies=POLICIES, **options)
        return self.connect()

    def same(self, client, key, answer, name="policy"):
        """Surely one that is kept: the third at the latest."""
        for _ in range(4):
            self.assertEqual(client.ask(f"{name} {key}"), answer, key)

    def becomes(self, client, key, answer):
        wait_for(answer, lambda: client.ask(f"policy {key}") == answer)

    def test_each_key_keeps_its_own_answer(self):
        self.dns.records[("_587._tcp.good.test", "TLSA")] = ["3 1 1 " + "ab" * 32]
        client = self.begin()
        self.dns.records[("_587._tcp.good.test", "TLSA")] = ["3 1 1 " + "ab" * 32]
        self.dns.secure.add("_587._tcp.good.test")
        outside = "TEMP MTA-STS: good.test: the MX is not in the policy (RFC 8461 4.1)"
        for _ in range(4):
            for key, answer in (("good.test", GOOD), ("GOOD.test", GOOD), ("good.test:25", GOOD), ("x@good.test.", GOOD),
                                ("[good.test]", outside), ("[good.test]:25", outside), ("[good.test]:587", "OK dane-only"),
                                (".good.test", "NOTFOUND "), ("good.test\0", "NOTFOUND "), ("trial.test", "NOTFOUND ")):
                self.assertEqual(client.ask(f"policy {key}"), answer, key)

    def test_what_another_process_makes_of_the_store_counts_when_memory_is_old(self):
        client = self.begin("--set", "dnssec=off", "--set", "memory_s=1")
        self.same(client, "good.test", GOOD)
        self.same(client, "trial.test", "NOTFOUND ")
        for domain in ("good.test", "trial.test"):
            result = self.run_program("store", "flush", "--settings", "none", "--store", self.path("store.db"), domain)
            self.assertEqual(result.code, 0, result.error)
        self.becomes(client, "good.test", "NOTFOUND ")
        self.fill({"other.test": "enforce mx.other.test", "fresh.test": "none"})
        self.same(client, "other.test", "OK secure match=mx.other.test servername=hostname")
        self.same(client, "fresh.test", "NOTFOUND ")
        for domain in ("other.test", "fresh.test"):
            self.run_program("store", "flush", "--settings", "none", "--store", self.path("store.db"), domain)
        self.fill({"other.test": "enforce mx2.other.test", "fresh.test": "enforce mx.fresh.test"})
        self.becomes(client, "other.test", "OK secure match=mx2.other.test servername=hostname")
        self.becomes(client, "fresh.test", "OK secure match=mx.fresh.test servername=hostname")

    def test_what_DNS_says_of_the_hosts_counts_for_its_TTL(self):
        self.dns.ttl = 1
        client = self.begin("--set", "memory_s=3600")
        self.assertEqual(client.ask("policy wild.test"), WILD)
        self.dns.secure.add("_25._tcp.a.wild.test")
        self.dns.records[("_25._tcp.a.wild.test", "TLSA")] = ["3 1 1 " + "ab" * 32]
        self.becomes(client, "wild.test", "OK dane-only")
        del self.dns.records[("_25._tcp.a.wild.test", "TLSA")]
        self.dns.records[("wild.test", "MX")] = ["10 b.wild.test"]
        self.dns.records[("b.wild.test", "A")] = ["192.0.2.4"]
        self.becomes(client, "wild.test", WILD.replace("a.wild", "b.wild"))

    def test_within_the_TTL_hosts_are_asked_for_once_whatever_comes_of_memory(self):
        client = self.begin("--set", "memory_s=0")
        self.same(client, "wild.test", WILD)
        self.assertEqual(self.dns.asked.count(("wild.test", "MX")), 1)

    def test_rules_count_from_when_they_are_loaded(self):
        rules = self.write("rules.lua", "-- none yet\n")
        client = self.begin("--set", "dnssec=off", "--set", "memory_s=3600", rules=rules)
        self.same(client, "good.test", GOOD)
        self.same(client, "trial.test", "NOTFOUND ")
        rule = "local mtasts = require 'mtasts'\nmtasts.on('%s', function() return mtasts.treat_as('%s', 'ours') end)\n"
        for text, good, trial in ((rule % ("policy", "none"), "NOTFOUND ", "NOTFOUND "),
                                  (rule % ("verdict", "enforce"), GOOD, "OK secure match=mx.trial.test servername=hostname"),
                                  ("-- none any more\n", GOOD, "NOTFOUND ")):
            self.write("rules.lua", text)
            self.server.send_signal(signal.SIGHUP)
            self.becomes(client, "good.test", good)
            self.becomes(client, "trial.test", trial)
            self.same(client, "good.test", good)
            self.same(client, "trial.test", trial)

    def test_a_rule_that_judges_hosts_is_asked_however_long_they_are_known(self):
        rules = self.write("rules.lua", "-- none yet\n")
        client = self.begin("--set", "memory_s=3600", rules=rules)
        self.same(client, "wild.test", WILD)
        self.write("rules.lua", "local mtasts = require 'mtasts'\nmtasts.on('verdict', function(answer)\n"
                   "  if answer.hosts[1] then return mtasts.treat_as('none', 'ours') end\nend)\n")
        self.server.send_signal(signal.SIGHUP)
        self.becomes(client, "wild.test", "NOTFOUND ")
        self.same(client, "wild.test", "NOTFOUND ")

    def test_a_rule_without_an_opinion_costs_no_questions_about_hosts(self):
        rules = self.write("rules.lua", "require('mtasts').on('policy', function() end)\n")
        client = self.begin(rules=rules)
        self.same(client, "wild.test", WILD)
        self.assertEqual(self.dns.asked.count(("wild.test", "MX")), 1)

    def test_reports_are_told_how_long_the_policy_still_holds(self):
        client = self.begin("--set", "dnssec=off")
        self.same(client, "good.test", GOOD)
        self.same(client, "trial.test", "NOTFOUND ", "policy-tlsrpt")

        def left():
            return int(re.search(r" policy_ttl=(\d+) ", client.ask("policy-tlsrpt good.test")).group(1))
        first = left()
        wait_for("the next second", lambda: left() < first)
        self.same(client, "good.test", GOOD)

    def test_a_reason_to_wait_is_logged_and_soon_looked_at_again(self):
        self.dns.failing.add("wild.test")
        client = self.begin("--set", "log_level=warning")
        self.assertRegex(client.ask("policy wild.test"), "^TEMP MTA-STS: wild.test: ")
        self.assertRegex(client.ask("policy wild.test"), "^TEMP MTA-STS: wild.test: ")
        self.assertIn("Postfix is told to try again later", self.said())
        self.dns.failing.clear()
        self.becomes(client, "wild.test", WILD)

    def test_what_waits_does_not_change_the_order_of_answers_that_are_kept(self):
        client = self.begin("--set", "dns_deadline_ms=500")
        self.same(client, "good.test", GOOD)
        self.dns.silent.add("_mta-sts.slow.test")
        keys = ["good.test", "slow.test", "good.test", "trial.test", "good.test"] * 10
        client.send(b"".join(netstring(f"policy {key}".encode()) for key in keys))
        expected = [GOOD if key == "good.test" else "NOTFOUND " for key in keys]
        self.assertEqual([client.reply() for _ in keys], expected)

    def test_a_client_that_goes_while_its_requests_wait_harms_no_other(self):
        client = self.begin(*["--set", "dns_deadline_ms=60000"])
        self.same(client, "good.test", GOOD)
        for _ in range(5):
            other = self.connect()
            other.send(b"".join(netstring(f"policy {key}".encode()) for key in ("never.test", "good.test", "never.test")))
            other.close()
        self.same(client, "good.test", GOOD)


if __name__ == "__main__":
    main()
