#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What scripts are told: one JSON object per line, as they become ready."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, Dns, main  # noqa: E402

POLICIES = {"good.test": "enforce *.good.test", "trial.test": "testing mx.trial.test"}
RECORDS = {("good.test", "MX"): ["10 mx.good.test", "20 evil.test"], ("mx.good.test", "A"): ["192.0.2.1"], ("evil.test", "A"): ["192.0.2.2"],
           ("trial.test", "MX"): ["10 mx.trial.test"], ("mx.trial.test", "A"): ["192.0.2.3"],
           ("_25._tcp.mx.trial.test", "TLSA"): ["3 1 1 " + "ab" * 32]}


class Json(Case):
    def setUp(self):
        super().setUp()
        self.dns.close()
        self.dns = Dns(RECORDS, ["trial.test", "mx.trial.test", "_25._tcp.mx.trial.test"])
        self.addCleanup(self.dns.close)

    def begin(self, *more):
        self.start(*more, policies=POLICIES, sockets=("json",))
        return self.connect("json")

    def ask(self, client, **request):
        client.send(json.dumps(request).encode() + b"\n")
        return json.loads(client.line())

    def test_the_answer_is_that_of_mtasts_lookup(self):
        client = self.begin()
        for domain in ("good.test", "trial.test", "nothing.test", "[good.test]", "joe@GOOD.test"):
            for depth, option in (("hosts", ()), ("policy", ("--policy-only",))):
                reply = self.ask(client, id=[1, {"a": None}], domain=domain, depth=depth)
                self.assertEqual(reply["id"], [1, {"a": None}])
                told = self.run_program("lookup", "--settings", "none", "--rules", "none", "--json", "--store", self.path("store.db"),
                                        "--nameserver", self.dns.address, *option, domain).json[0]
                for answer in (reply["answer"], told):  # memory or store; the time of a check that came between them
                    for key in ("from", "checked_at"):
                        answer.pop(key, None)
                    answer.get("refresh_error", {}).pop("at", None)
                self.assertEqual(reply["answer"], told, domain)

    def test_a_trace_comes_if_it_is_wanted(self):
        client = self.begin()
        self.assertNotIn("trace", self.ask(client, domain="good.test")["answer"])
        steps = self.ask(client, domain="good.test", trace=True)["answer"]["trace"]
        self.assertIn("mx", [step["what"] for step in steps])

    def test_answers_come_as_they_are_ready(self):
        self.dns.silent.add("_mta-sts.slow.test")
        client = self.begin("--set", "dns_deadline_ms=1500")
        client.send(b'{"id":"slow","domain":"slow.test"}\n{"id":"quick","domain":"trial.test","depth":"policy"}\n')
        self.assertEqual([json.loads(client.line())["id"] for _ in range(2)], ["quick", "slow"])

    def test_errors_are_objects_with_the_id(self):
        client = self.begin()
        reply = self.ask(client, id=7, domain="a..b")
        self.assertEqual((reply["id"], reply["error"]["code"], reply["error"]["domain"]), (7, "name-syntax", "a..b"))
        self.assertEqual(self.ask(client, id=8, domain="[192.0.2.1]")["error"]["code"], "name-literal")
        for request, why in (({"id": 1}, 'there is no "domain"'), ({"id": 1, "domain": 5}, '"domain" is no text'),
                             ({"id": 1, "domain": "a.test", "port": 1}, "there is a member that is none of: id, domain, depth, probe, trace"),
                             ({"id": 1, "domain": "a.test", "probe": 1}, '"probe" is neither true nor false'),
                             ({"id": 1, "domain": "a.test", "depth": "deep"}, '"depth" is neither "policy" nor "hosts"'),
                             ({"id": 1, "domain": "a\0.test"}, '"domain" is no domain')):
            reply = self.ask(client, **request)
            self.assertEqual((reply["id"], reply["error"]["code"], reply["error"]["detail"]), (1, "argument", why), request)

    def test_what_is_no_JSON_is_an_error_and_the_next_line_counts(self):
        client = self.begin()
        for line in (b"", b"{", b"[]", b'"a"', b"\xff", b'{"domain":"a.test","domain":"b.test"}', b"[" * 5000, b'{"a":' * 100, b"GET / HTTP/1.0"):
            client.send(line + b"\n")
            reply = json.loads(client.line())
            self.assertEqual((reply["id"], reply["error"]["code"]), (None, "argument"), line)
        self.assertEqual(self.ask(client, id="x", domain="good.test", depth="policy")["answer"]["mode"], "enforce")

    def test_text_that_a_terminal_could_obey_is_escaped(self):
        client = self.begin()
        client.send('{"id":"\\u001b[31m\u007f\u00e9","domain":"good.test","depth":"policy"}\n'.encode())
        line = client.line()
        self.assertTrue(line.isascii() and line.isprintable(), line)
        self.assertEqual(json.loads(line)["id"], "\x1b[31m\x7fé")


if __name__ == "__main__":
    main()
