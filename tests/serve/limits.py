#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Garbage on every socket, and clients that ask for too much: an error where the protocol has one, then the end; the others go on."""
import os
import random
import resource
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import NEVER, WAITS, Case, main, netstring, wait_for  # noqa: E402

POLICIES = {"good.test": "enforce mx.good.test"}
GOOD = "OK secure match=mx.good.test servername=hostname"
SOCKETS = ("socketmap", "lines", "json", "metrics")
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(189))
SOME = os.environ.get("ASAN_OPTIONS") or os.environ.get("MTASTS_VALGRIND")  # a program that is slow gets less to do


class Limits(Case):
    def begin(self, *more, **options):
        self.start("--set", "dnssec=off", *more, policies=POLICIES, sockets=SOCKETS, **options)

    def good(self):
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        self.assertIsNone(self.server.poll())

    def test_garbage_ends_its_connection_alone(self):
        self.begin()
        bystander = self.connect()
        dice = random.Random(8461)
        garbage = [b"GET / HTTP/1.0\r\n\r\n", HELLO, b"99999999999999999999:x,", b"-5:hello,", b"5:hello;", b"\0" * 5000, b"\xff" * 70000,
                   b"EHLO mx\r\n", b":,", b"12:policy good.", b"{" * 9000 + b"\n", b"x" * 100000]
        garbage += [dice.randbytes(dice.randrange(1, 3000)) for _ in range(40)]
        for name in SOCKETS:
            for bytes_ in garbage:
                client = self.connect(name)
                try:
                    client.send(bytes_)
                    client.socket.shutdown(socket.SHUT_WR)
                except (BrokenPipeError, OSError):
                    pass
                client.rest()  # it comes to an end
                client.close()
        self.assertEqual(bystander.ask("policy good.test"), GOOD)
        self.good()

    def test_what_is_no_netstring_is_told_so_and_ends(self):
        self.begin()
        for bytes_ in (b"GET / HTTP/1.0\r\n\r\n", HELLO, b"5000:", b"-1:a,", b"01:a,", b"3:abcd,"):
            client = self.connect()
            client.send(bytes_)
            self.assertEqual(client.rest(), b"23:PERM this is no request,", bytes_)

    def test_requests_before_the_garbage_are_answered_first(self):
        self.begin()
        client = self.connect()
        client.send(netstring(b"policy cold.test") + netstring(b"policy good.test") + b"garbage")
        self.assertEqual([client.reply() for _ in range(4)], ["NOTFOUND ", GOOD, "PERM this is no request", None])

    def test_requests_may_come_byte_by_byte(self):
        self.begin()
        client = self.connect()
        for byte in netstring(b"policy good.test") * 3:
            client.send(bytes([byte]))
        self.assertEqual([client.reply() for _ in range(3)], [GOOD] * 3)
        client = self.connect("lines")
        for byte in b"policy good.test\n":
            client.send(bytes([byte]))
        self.assertIn(b"mode=enforce", client.rest())

    def test_a_client_that_closes_its_side_gets_its_answers(self):
        self.begin()
        client = self.connect()
        client.send(netstring(b"policy good.test") * 500)
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual([client.reply() for _ in range(501)], [GOOD] * 500 + [None])

    def test_a_client_that_goes_away_while_it_waits_is_forgotten(self):
        self.dns.silent.add("_mta-sts.slow.test")
        self.begin()
        for _ in range(20):
            client = self.connect()
            client.send(netstring(b"policy slow.test") * 10)
            client.close()
        self.good()

    def test_more_requests_than_may_be_under_way_on_a_connection_wait(self):
        self.begin("--set", "serve_pipeline=2")
        client = self.connect()
        client.send(b"".join(netstring(b"policy cold%d.test" % n) for n in range(40)) + netstring(b"policy good.test"))
        self.assertEqual([client.reply() for _ in range(41)], ["NOTFOUND "] * 40 + [GOOD])

    def test_more_requests_than_may_be_under_way_in_all_are_told_to_come_again(self):
        self.dns.silent.add("_mta-sts.slow.test")
        self.begin("--set", "serve_requests=1", "--set", "dns_deadline_ms=1500")
        client, other = self.connect(), self.connect()
        client.send(netstring(b"policy slow.test"))
        wait_for("the question", lambda: ("_mta-sts.slow.test", "TXT") in self.dns.asked)
        self.assertEqual(other.ask("policy good.test"), "TEMP too many requests are under way")
        self.assertEqual(client.reply(), "NOTFOUND ")
        self.assertEqual(other.ask("policy good.test"), GOOD)

    def test_a_client_that_does_not_read_is_not_read_either(self):
        self.begin()
        client = self.connect()
        client.socket.settimeout(3 if not SOME else 20)
        request = netstring(b"policy good.test") * 1000
        with self.assertRaises(socket.timeout):  # bounded: the kernel's buffers, and what waits in the server
            for _ in range(3000):
                client.send(request)
        self.good()

    def test_further_connections_wait_until_one_closes(self):
        self.begin("--set", "serve_connections=3")
        held = [self.connect() for _ in range(3)]
        for client in held:
            self.assertEqual(client.ask("policy good.test"), GOOD)
        late = self.connect()
        late.send(netstring(b"policy good.test"))
        late.socket.settimeout(0.5)
        with self.assertRaises(socket.timeout):
            late.socket.recv(1)
        held[0].close()
        late.socket.settimeout(60)
        self.assertEqual(late.reply(), GOOD)

    def test_connections_never_take_the_files_that_the_store_and_DNS_need(self):
        self.begin(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)))
        held = [self.connect() for _ in range(100)]
        self.assertEqual(held[0].ask("policy good.test"), GOOD)
        self.assertEqual(held[0].ask("policy cold.test"), "NOTFOUND ")
        self.assertIn(("_mta-sts.cold.test", "TXT"), self.dns.asked)
        self.assertIn("so only 30 connections are let in at once", self.said())

    def test_when_the_system_has_no_file_left_connections_wait(self):
        self.begin()
        self.good()
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (30, 30))
        held = [self.connect() for _ in range(60)]
        self.assertEqual(held[0].ask("policy good.test"), GOOD)
        wait_for("the word about it", lambda: "no connection can be accepted" in self.said())
        for client in held[:-1]:
            client.close()
        self.assertEqual(held[-1].ask("policy good.test"), GOOD)

    def test_1000_idle_connections_do_not_matter(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2500:
            self.skipTest(f"the limit of open files is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2500), hard))
        self.begin()
        self.good()
        before = self.resident_kib()
        for _ in range(1000):
            self.connect()
        self.good()
        if not SOME:
            self.assertLess(self.resident_kib() - before, 1024)

    def resident_kib(self):
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def test_an_idle_connection_is_closed(self):
        self.begin("--set", "serve_idle_s=1")
        client, half = self.connect(), self.connect()
        self.assertEqual(client.ask("policy good.test"), GOOD)
        half.send(b"16:policy go")
        self.assertEqual(client.rest(), b"")
        self.assertEqual(half.rest(), b"")
        self.good()

    def test_a_rule_that_waits_for_ever_is_answered_for(self):
        self.start("--set", "mail_deadline_ms=300", *WAITS, sockets=("lines",), rules=self.write("rules.lua", NEVER))
        client = self.connect("lines")
        client.send(b"keep\ncall never\ncall never\n")
        self.assertEqual([client.line() for _ in range(3)], ["OK ", "FAIL the deadline passed", "FAIL the deadline passed"])
        self.assertIn(("_mta-sts.never.test", "TXT"), self.dns.asked)


if __name__ == "__main__":
    main()
