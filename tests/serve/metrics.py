#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What Prometheus is told."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, main, netstring, wait_for  # noqa: E402

POLICIES = {"good.test": "enforce mx.good.test", "trial.test": "testing mx.trial.test", "off.test": "none"}


class Metrics(Case):
    def begin(self, *more):
        self.start("--set", "dnssec=off", *more, policies=POLICIES, sockets=("socketmap", "lines", "json", "metrics"))

    def http(self, request):
        client = self.connect("metrics")
        client.send(request.encode("latin-1"))
        head, _, body = client.rest().decode().partition("\r\n\r\n")
        return head.split("\r\n")[0], head, body

    def scrape(self):
        """name{labels} -> number"""
        status, head, body = self.http("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(status, "HTTP/1.1 200 OK")
        self.assertIn("Content-Type: text/plain; version=0.0.4", head)
        self.assertIn(f"Content-Length: {len(body)}", head)
        return body, {name: float(number) for name, number in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", body, re.M)}

    def test_requests_are_counted_by_protocol_and_result(self):
        self.begin()
        client = self.connect()
        for key in ("good.test", "good.test", "trial.test", "nothing.test", "x.y.nothing.test"):
            client.ask(f"policy {key}")
        client.ask("other x")
        line = self.connect("lines")
        line.send(b"policy good.test\n")
        line.rest()
        _, seen = self.scrape()
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="found"}'], 2)
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="not_found"}'], 3)
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="error"}'], 1)
        self.assertEqual(seen['mtasts_requests_total{protocol="lines",result="found"}'], 1)
        self.assertEqual(seen['mtasts_request_duration_seconds_count{protocol="socketmap"}'], 6)
        self.assertEqual(seen['mtasts_request_duration_seconds_bucket{protocol="socketmap",le="+Inf"}'], 6)
        self.assertEqual(seen['mtasts_lookups_total{cache="hit"}'], 4)
        self.assertEqual(seen['mtasts_lookups_total{cache="miss"}'], 2)
        self.assertGreaterEqual(seen["mtasts_connections"], 2)

    def test_each_of_many_that_come_and_leave_together_is_counted(self):
        self.begin()
        client = self.connect()
        keys = ["good.test", "trial.test", "nothing.test", "good.test"] * 10
        for _ in range(3):
            client.send(b"".join(netstring(f"policy {key}".encode()) for key in keys) + netstring(b"other x"))
            for _ in range(len(keys) + 1):
                client.reply()
        _, seen = self.scrape()
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="found"}'], 60)
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="not_found"}'], 60)
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="error"}'], 3)
        self.assertEqual(seen['mtasts_request_duration_seconds_count{protocol="socketmap"}'], 123)
        self.assertGreater(seen['mtasts_request_duration_seconds_sum{protocol="socketmap"}'], 0)
        lookups = seen['mtasts_lookups_total{cache="hit"}'] + seen['mtasts_lookups_total{cache="miss"}']
        self.assertEqual(lookups, 120)
        self.assertEqual(sum(number for name, number in seen.items() if name.startswith("mtasts_policy_answers_total")), 120)
        self.assertGreaterEqual(seen['mtasts_policy_answers_total{from="memory"}'], 80)

    def test_what_is_answered_behind_one_that_waits_is_bounded(self):
        self.begin("--set", "serve_pipeline=4", "--set", "dns_deadline_ms=60000", "--set", "mail_deadline_ms=60000")
        client = self.connect()
        client.send(netstring(b"policy never.test") + netstring(b"policy good.test") * 100)
        wait_for("the question", lambda: ("_mta-sts.never.test", "TXT") in self.dns.asked)
        _, seen = self.scrape()
        self.assertEqual(seen['mtasts_requests_total{protocol="socketmap",result="found"}'], 3)

    def test_policies_of_the_store_are_told_by_mode(self):
        self.begin()
        _, seen = self.scrape()
        self.assertEqual([seen[f'mtasts_policies{{mode="{mode}"}}'] for mode in ("enforce", "testing", "none")], [1, 1, 1])

    def test_the_text_is_well_formed(self):
        self.begin()
        self.connect().ask("policy good.test")
        body, _ = self.scrape()
        told = {}
        for line in body.splitlines():
            match = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
            if match:
                told.setdefault(match.group(2), []).append(match.group(1))
                if match.group(1) == "TYPE":
                    self.assertIn(match.group(3), ("counter", "gauge", "histogram"))
                continue
            match = re.fullmatch(r'([a-z_]+?)(_bucket|_sum|_count)?(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+', line)
            self.assertTrue(match, line)
            name = match.group(1) if match.group(1) in told else match.group(1) + (match.group(2) or "")
            self.assertEqual(told.get(name), ["HELP", "TYPE"], line)
            if name.endswith("_total"):
                self.assertIn(f"# TYPE {name} counter", body)

    def test_a_histogram_grows_from_bound_to_bound(self):
        self.begin()
        client = self.connect()
        for _ in range(50):
            client.ask("policy good.test")
        body, _ = self.scrape()
        counts = [int(n) for n in re.findall(r'_bucket\{protocol="socketmap",le="[^"]+"\} (\d+)', body)]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], 50)

    def test_another_path_method_or_protocol_is_an_error(self):
        self.begin()
        self.assertEqual(self.http("GET / HTTP/1.1\r\n\r\n")[0], "HTTP/1.1 404 Not Found")
        self.assertEqual(self.http("POST /metrics HTTP/1.1\r\n\r\n")[0], "HTTP/1.1 405 Method Not Allowed")
        self.assertEqual(self.http("GET /metrics\r\n\r\n")[0], "HTTP/1.1 400 Bad Request")
        self.assertEqual(self.http("\x16\x03\x01\x02\x00\x01")[0], "HTTP/1.1 400 Bad Request")
        self.assertEqual(self.http("GET /metrics HTTP/1.1\r\nX: " + "y" * 20000)[0], "HTTP/1.1 400 Bad Request")
        status, _, body = self.http("HEAD /metrics?x=1 HTTP/1.0\n\n")
        self.assertEqual((status, body), ("HTTP/1.1 200 OK", ""))


if __name__ == "__main__":
    main()
