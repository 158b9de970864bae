#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What Exim's ${readsocket} is told: the answers of its module, one to a connection, or many."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, main  # noqa: E402

POLICIES = {"good.test": "enforce mx.good.test *.mail.test", "trial.test": "testing mx.trial.test"}
GOOD = r"mode=enforce id=1 ignore=!^(?i)mx\.good\.test$:!^(?i)[^.]+\.mail\.test$:*"
RULES = """
local mtasts, exim = require 'mtasts', require 'mtasts.exim'
exim.provide('greet', function(a, b) return ('hello %s|%s'):format(a, b) end)
exim.provide('lines', function() return 'one\\ntwo\\\\' end)
exim.provide('wait', function() return exim.defer 'not now' end)
exim.provide('wrong', function() error 'broken' end)
exim.provide('looks', function(domain) return mtasts.lookup(domain).mode end)
"""


class Lines(Case):
    def begin(self, *more, rules=None):
        self.start(*more, policies=POLICIES, sockets=("lines",), rules=self.write("rules.lua", rules) if rules else "none")

    def one(self, text, shut=False):
        client = self.connect("lines")
        client.send(text.encode())
        if shut:
            client.socket.shutdown(socket.SHUT_WR)
        return client.rest().decode()

    def test_one_request_is_answered_by_a_text_alone_and_the_connection_closes(self):
        self.begin()
        self.assertEqual(self.one("policy good.test\n"), GOOD)
        self.assertEqual(self.one("policy trial.test\r\n"), "mode=testing id=1")
        self.assertEqual(self.one("policy nothing.test\n"), "mode=none")

    def test_the_answer_is_that_of_the_module_for_Exim(self):
        self.begin()
        conf = self.write("exim.conf", f"store = {self.path('store.db')}\nrules = none\nlog = none\n"
                          f"nameservers = {self.dns.address}\n")
        for domain in ("good.test", "trial.test", "nothing.test", "[192.0.2.1]", "a..b", "GOOD.test."):
            answer = self.ends(0, "exim", "--settings", conf, "--", "policy", domain)
            self.assertEqual(self.one(f"policy {domain}\n"), answer.out, domain)

    def test_the_end_of_the_stream_ends_a_line(self):
        self.begin()
        self.assertEqual(self.one("policy good.test", shut=True), GOOD)
        self.assertEqual(self.one("policy", shut=True), "mode=none")

    def test_mail_waits_where_the_policy_is_not_known_and_the_setting_wants_it(self):
        self.dns.failing.add("_mta-sts.broken.test")
        self.begin("--set", "on_dns_failure=defer")
        self.assertEqual(self.one("policy broken.test\n"), "mode=defer")
        client = self.connect("lines")
        client.send(b"keep\npolicy broken.test\n")
        self.assertEqual(client.line(), "OK ")
        self.assertEqual(client.line(), "FAIL MTA-STS: whether broken.test has a policy is not known: the name server answered SERVFAIL: "
                         f"{self.dns.address}: SERVFAIL")

    def test_after_keep_each_answer_is_a_line_in_order(self):
        self.begin()
        client = self.connect("lines")
        client.send(b"keep\n" + b"policy good.test\npolicy cold.test\npolicy trial.test\n" * 30)
        self.assertEqual(client.line(), "OK ")
        for _ in range(30):
            self.assertEqual([client.line() for _ in range(3)], [f"OK {GOOD}".replace("\\", "\\\\"), "OK mode=none",
                                                                 "OK mode=testing id=1"])

    def test_a_function_of_the_rules_gets_words_as_quote_writes_them(self):
        self.begin(rules=RULES)
        self.assertEqual(self.one("call greet a b\n"), "hello a|b")
        self.assertEqual(self.one('call greet "a b" "\\"c\\\\\\n"\n'), 'hello a b|"c\\\n')
        self.assertEqual(self.one('call greet "" x\n'), "hello |x")
        self.assertEqual(self.one("call lines\n"), "one\ntwo\\")
        self.assertEqual(self.one("call looks good.test\n"), "enforce")

    def test_a_function_that_fails_says_nothing_and_after_keep_why(self):
        self.begin(rules=RULES)
        for call in ("wait", "wrong", "nobody"):
            self.assertEqual(self.one(f"call {call}\n"), "")
        client = self.connect("lines")
        client.send(b"keep\ncall wait\ncall wrong\ncall gret a\ncall lines\n")
        self.assertEqual([client.line() for _ in range(5)], ["OK ", "FAIL not now", "FAIL the rules failed",
                                                             "FAIL the rules provide no 'gret'; did you mean 'greet'?", "OK one\\ntwo\\\\"])

    def test_without_rules_no_function_can_be_called(self):
        self.begin()
        client = self.connect("lines")
        client.send(b"keep\ncall greet\n")
        self.assertEqual([client.line(), client.line()], ["OK ", "FAIL call: there are no rules"])

    def session(self, *events, domain="good.test", info="mode=enforce"):
        for name, data, more in events:
            words = " ".join('"%s"' % word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
                             for word in (name, data, "0", domain, "mx." + domain, "192.0.2.1", f"{info} {more}"))
            self.assertEqual(self.one(f"event {words}\n"), "", "anything else would change the delivery")

    def sessions(self):
        return self.run_program("store", "sessions", "--settings", "none", "--store", self.path("store.db"), "--json").json

    def test_sessions_are_counted_by_the_events_of_one_process(self):
        self.begin()
        ehlo = "250-mx.good.test\n250 STARTTLS"
        self.session(("tcp:connect", "25", ""), ("smtp:ehlo", ehlo, ""), ("smtp:ehlo", ehlo, "cipher=TLS1.3 cv=1"), ("tcp:close", "", ""))
        self.session(("tcp:connect", "25", ""), ("smtp:ehlo", "250 mx.good.test", ""), ("tcp:close", "", ""))
        self.session(("sts:no-mx", "", ""))
        counted = {(row.get("result") or "", row["domain"]): row["count"] for row in self.sessions()}
        self.assertEqual(counted, {("", "good.test"): 1, ("starttls-not-supported", "good.test"): 1, ("validation-failure", "good.test"): 1})

    def test_sessions_are_not_counted_where_the_setting_says_so(self):
        self.begin("--set", "count_sessions=no")
        self.session(("tcp:connect", "25", ""), ("smtp:ehlo", "250 mx.good.test", ""), ("tcp:close", "", ""))
        self.assertEqual(self.sessions(), [])

    def test_sessions_of_our_own_reports_are_not_counted(self):
        self.begin("--set", "report_contact=Reports@client.test")
        for sender in ("reports@client.test", "ann@client.test"):
            self.session(("tcp:connect", "25", ""), ("smtp:ehlo", "250 mx.good.test", ""), ("tcp:close", "", ""), ("sts:no-mx", "", ""),
                         info=f"sender={sender} mode=enforce")
        self.assertEqual([row["count"] for row in self.sessions()], [1, 1])

    def test_a_certificate_is_judged_when_its_host_has_shown_it(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.path("key"), "-out", self.path("cert"), "-subj", "/CN=x", "-addext", "subjectAltName=DNS:mx.good.test"],
                       check=True, capture_output=True)
        with open(self.path("cert"), encoding="ascii") as file:
            der = "".join(file.read().split("-----")[2].split())
        self.begin("--ca-file", self.path("cert"))
        self.assertEqual(self.one(f"cert 1 {der} mx.good.test\n"), "")
        self.assertEqual(self.one(f"cert 0 {der} mx.good.test\n"), "ok")
        self.assertEqual(self.one(f"cert 0 {der} mx.other.test\n"), "certificate-host-mismatch")
        self.assertEqual(self.one("cert 0 nonsense mx.good.test\n"), "unknown")
        self.assertEqual(self.one(f"cert deep {der} mx.good.test\n"), "")

    def test_a_rule_judges_each_lookup(self):
        self.begin(rules="local mtasts = require 'mtasts'\n"
                   "mtasts.on('policy', function(answer) if answer.domain == 'nothing.test' then return mtasts.treat_as('enforce', 'ours') "
                   "end end)\n")
        self.assertEqual(self.one("policy nothing.test\n"), "mode=enforce ignore=")
        self.assertEqual(self.one("policy trial.test\n"), "mode=testing id=1")

    def test_what_is_no_request_makes_mail_wait(self):
        self.begin()
        for text in ('policy "good.test\n', "policy a b\n", "\n", 'policy "a"b\n', 'policy "\\x"\n', "policy \0\n"):
            self.assertEqual(self.one(text), "mode=defer", text)
        for text in ("GET / HTTP/1.0\r\n\r\n", "call\n", "polici good.test\n"):
            self.assertEqual(self.one(text), "", text)


if __name__ == "__main__":
    main()
