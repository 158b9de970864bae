#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""mtasts query asks a running server, and prints what mtasts lookup prints."""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, main  # noqa: E402

POLICIES = {"good.test": "enforce *.good.test", "trial.test": "testing mx.trial.test"}
RECORDS = {("good.test", "MX"): ["10 mx.good.test"], ("mx.good.test", "A"): ["192.0.2.1"]}


class Query(Case):
    def setUp(self):
        super().setUp()
        self.dns.records = RECORDS

    def query(self, code, *words):
        return self.ends(code, "query", "--settings", "none", "--socket", f"unix:{self.path('json')}", *words)

    def test_it_prints_what_lookup_prints(self):
        self.start(policies=POLICIES, sockets=("json",))
        for words in (("good.test",), ("--json", "good.test", "trial.test"), ("--policy-only", "trial.test", "nothing.test")):
            told = self.run_program("lookup", "--settings", "none", "--rules", "none", "--store", self.path("store.db"), "--cached",
                                    *words) if "--policy-only" in words else None
            answer = self.query({"good.test": 0, "--json": 4, "--policy-only": 3}[words[0]], *words)
            if told:
                self.assertEqual(answer.out.splitlines()[0], told.out.splitlines()[0])
        self.assertIn("deliver only to the 1 permitted MX host over verified TLS", self.query(0, "good.test").out)
        self.assertIn("steps:", self.query(0, "--trace", "good.test").out)

    def test_several_domains_are_printed_in_their_order(self):
        self.dns.silent.add("_mta-sts.slow.test")
        self.start("--set", "dns_deadline_ms=500", policies=POLICIES, sockets=("json",))
        answers = self.query(4, "--json", "--policy-only", "slow.test", "good.test").json
        self.assertEqual([answer["domain"] for answer in answers], ["slow.test", "good.test"])

    def test_a_wrong_domain_is_told_as_lookup_tells_it(self):
        self.start(sockets=("json",))
        self.assertIn("a..b: not a domain name [name-syntax]", self.query(64, "a..b").error)

    def test_the_socket_may_be_of_the_settings_file(self):
        self.start(policies=POLICIES, sockets=("json",))
        conf = self.write("mtasts.conf", f"serve_json = unix:{self.path('json')}\n")
        self.assertIn("enforce", self.ends(0, "query", "--settings", conf, "--policy-only", "good.test").out)

    def test_no_server_is_told_clearly(self):
        self.assertIn("does mtasts serve run", self.query(4, "good.test").error)
        self.assertIn("is none of unix:/PATH", self.ends(64, "query", "--socket", "here", "good.test").error)

    def test_what_is_no_server_of_ours_is_told_so(self):
        for reply, says in ((b"HTTP/1.1 400 no\r\n\r\n", "what answers there is no mtasts serve"), (b"", "the server closed the connection")):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path("json"))
            listener.listen(1)

            def serve(listener=listener, reply=reply):
                with listener.accept()[0] as client:
                    client.recv(999)
                    client.sendall(reply)
            thread = threading.Thread(target=serve)
            thread.start()
            self.assertIn(says, self.query(4, "good.test").error)
            thread.join()
            listener.close()
            os.unlink(self.path("json"))


if __name__ == "__main__":
    main()
