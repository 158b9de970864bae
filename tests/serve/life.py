#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How the server begins and ends: sockets of its own and of systemd, SIGHUP, SIGTERM, what it tells systemd, wrong settings."""
import os
import signal
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import NEVER, PATIENCE_S, WAITS, Case, Client, main, netstring, wait_for  # noqa: E402

POLICIES = {"good.test": "enforce mx.good.test"}
GOOD = "OK secure match=mx.good.test servername=hostname"
ACTIVATE = """import os, subprocess, sys
names, words = sys.argv[1], sys.argv[2:]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names.split(':'))), LISTEN_FDNAMES=names)
os.execv(words[0], words)
"""


class Life(Case):
    def begin(self, *more, **options):
        self.start("--set", "dnssec=off", *more, policies=POLICIES, **options)

    def test_the_command_becomes_the_server_so_that_systemd_sees_one_process(self):
        self.begin()
        self.assertEqual(os.path.basename(os.readlink(f"/proc/{self.server.pid}/exe")), "mtasts-serve")

    def test_SIGTERM_ends_it_well_and_removes_its_sockets(self):
        self.begin(sockets=("socketmap", "lines", "json", "metrics"))
        client = self.connect()
        self.assertEqual(client.ask("policy good.test"), GOOD)
        self.assertEqual(self.stop(), 0)
        self.assertIsNone(client.reply())
        self.assertEqual([name for name in ("socketmap", "lines", "json", "metrics") if os.path.exists(self.path(name))], [])

    def test_SIGTERM_answers_what_is_under_way_and_lets_nobody_in(self):
        self.dns.silent.add("_mta-sts.slow.test")
        self.begin("--set", "dns_deadline_ms=2000")
        client = self.connect()
        client.send(netstring(b"policy slow.test") + netstring(b"policy good.test"))
        wait_for("the question", lambda: ("_mta-sts.slow.test", "TXT") in self.dns.asked)
        self.server.send_signal(signal.SIGTERM)
        wait_for("the end of the socket", lambda: not os.path.exists(self.path("socketmap")))
        self.assertEqual([client.reply() for _ in range(3)], ["NOTFOUND ", GOOD, None])
        self.assertEqual(self.server.wait(timeout=PATIENCE_S), 0)

    def test_SIGTERM_waits_for_no_client_that_does_not_go(self):
        self.start("--set", "mail_deadline_ms=60000", *WAITS, sockets=("lines",), rules=self.write("rules.lua", NEVER))
        client = self.connect("lines")
        client.send(b"keep\ncall never\n")
        self.assertEqual(client.line(), "OK ")
        wait_for("the question", lambda: ("_mta-sts.never.test", "TXT") in self.dns.asked)
        self.server.send_signal(signal.SIGTERM)
        wait_for("the end of the socket", lambda: not os.path.exists(self.path("lines")))
        self.server.send_signal(signal.SIGTERM)  # asked twice, it goes at once
        self.assertEqual(self.server.wait(timeout=PATIENCE_S), 0)

    def test_a_socket_that_was_left_behind_is_replaced(self):
        self.begin()
        self.server.kill()
        self.server.wait()
        self.assertTrue(os.path.exists(self.path("socketmap")))
        self.start("--set", "dnssec=off")
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)

    def fails(self, *more, says, **options):
        self.start(*more, ready=False, **options)
        self.assertEqual(self.server.wait(timeout=PATIENCE_S), 1)
        self.assertIn(says, self.said())

    def test_a_socket_on_which_another_listens_stays(self):
        self.begin()
        first = self.server
        self.fails(says="Address already in use")
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        first.kill()
        first.wait()

    def test_a_file_that_is_no_socket_and_a_link_stay(self):
        kept = self.write("socketmap", "keep me")
        self.fails(says="Address already in use")
        with open(kept, encoding="ascii") as file:
            self.assertEqual(file.read(), "keep me")
        os.rename(kept, self.path("elsewhere"))
        os.symlink(self.path("elsewhere"), kept)
        self.fails(says="Address already in use")
        self.assertTrue(os.path.islink(kept))

    def test_the_mode_of_sockets_is_that_of_the_setting(self):
        self.begin()
        self.assertEqual(stat.S_IMODE(os.stat(self.path("socketmap")).st_mode), 0o660)
        self.assertEqual(self.stop(), 0)
        self.start("--set", "serve_mode=0600")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("socketmap")).st_mode), 0o600)

    def test_sockets_of_TCP_and_several_of_a_kind(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.begin("--socketmap", f"inet:127.0.0.1:{port}", "--socketmap", f"unix:{self.path('second')}")
        for client in (Client(("127.0.0.1", port), socket.AF_INET), Client(self.path("second")), self.connect()):
            self.clients.append(client)
            self.assertEqual(client.ask("policy good.test"), GOOD)

    def test_a_wrong_address_or_setting_is_named(self):
        for words, says in ((("--socketmap", "tcp:1"), "socketmap: tcp:1: is none of unix:/PATH"),
                            (("--json", "unix:relative"), "json: unix:relative: is none of"),
                            (("--metrics", "inet:127.0.0.1:99999"), "metrics: inet:127.0.0.1:99999: is none of"),
                            (("--lines", "unix:/nowhere/at/all"), "lines: unix:/nowhere/at/all: No such file or directory"),
                            (("--set", "serve_mode=rw"), "serve_mode"), (("--set", "serve_idle_s=0"), "serve_idle_s")):
            self.fails(*words, says=says, sockets=()) if words[0] != "--set" else self.assertIn(
                says, self.run_program(*self.words(*words)[1:]).error)

    def test_check_says_whether_settings_and_rules_are_good(self):
        self.assertIn("the settings are good", self.ends(0, *self.words("--check")[1:]).out)
        rules = self.write("rules.lua", "nonsense(")
        self.assertIn("rules.lua:1", self.ends(1, *self.words("--check", rules=rules)[1:]).error)
        conf = self.write("good.conf", "rules = none\nlog_level = info\n")
        self.ends(0, "serve", "--check", "--settings", conf)
        os.mkdir(self.path("etc"))
        self.write("etc/mtasts.conf", "nonsense\n")
        self.assertIn("etc/mtasts.conf:1", self.ends(64, "serve", "--check").error)

    def test_rules_that_change_are_loaded_anew_and_at_once_with_SIGHUP(self):
        text = "require('mtasts').on('policy', function() return require('mtasts').treat_as('%s', 'ours') end)\n"
        rules = self.write("rules.lua", text % "none")
        self.begin(rules=rules)
        client = self.connect()
        self.assertEqual(client.ask("policy good.test"), "NOTFOUND ")
        self.write("rules.lua", text % "enforce")
        self.server.send_signal(signal.SIGHUP)
        wait_for("the new rules", lambda: client.ask("policy good.test") == GOOD)
        self.write("rules.lua", "nonsense(")
        self.server.send_signal(signal.SIGHUP)
        wait_for("the word about it", lambda: "the old ones stay" in self.said())
        self.assertEqual(client.ask("policy good.test"), GOOD)

    def activate(self, names, *more):
        listeners = []
        for name in names.split(":"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path(name))
            listener.listen(5)
            listeners.append(listener)

        def hand_over():
            copies = [os.dup(listener.fileno()) for listener in listeners]
            copies = [os.dup2(copy, 40 + i) for i, copy in enumerate(copies)]
            for i, copy in enumerate(copies):
                os.dup2(copy, 3 + i)

        self.errors = open(self.path("stderr"), "w+", encoding="utf-8")
        self.addCleanup(self.errors.close)
        self.server = subprocess.Popen([sys.executable, "-c", ACTIVATE, names, *self.words("--set", "dnssec=off", *more)], cwd=self.folder,
                                       stderr=self.errors, env=self.environment, preexec_fn=hand_over, close_fds=False)
        self.addCleanup(self.kill)
        for listener in listeners:
            listener.close()

    def test_sockets_that_systemd_hands_over_are_used_by_their_names(self):
        self.fill(POLICIES)
        self.activate("lines:socketmap")
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        client = self.connect("lines")
        client.send(b"policy good.test\n")
        self.assertIn(b"mode=enforce", client.rest())
        self.assertEqual(self.stop(), 0)
        self.assertTrue(os.path.exists(self.path("socketmap")), "it is systemd's")

    def test_a_socket_of_a_name_that_is_not_known_is_an_error(self):
        self.activate("socketmap:other")
        self.assertEqual(self.server.wait(timeout=PATIENCE_S), 1)
        self.assertIn('named "other"', self.said())

    def test_systemd_is_told_when_it_is_ready_reloads_lives_and_stops(self):
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(inbox.close)
        inbox.bind(self.path("notify"))
        inbox.settimeout(PATIENCE_S)
        self.begin(environment={"NOTIFY_SOCKET": self.path("notify"), "WATCHDOG_USEC": "1500000"})
        self.assertEqual(inbox.recv(999), b"READY=1")
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        self.assertEqual([inbox.recv(999) for _ in range(2)], [b"WATCHDOG=1"] * 2)
        self.server.send_signal(signal.SIGHUP)
        told = [inbox.recv(999)]
        while told[-1] != b"READY=1":
            told.append(inbox.recv(999))
        self.assertTrue(any(state.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for state in told), told)
        self.server.send_signal(signal.SIGTERM)
        while told[-1] != b"STOPPING=1":
            told.append(inbox.recv(999))
        self.assertEqual(self.server.wait(timeout=PATIENCE_S), 0)

    def test_what_is_learned_outlives_the_server(self):
        self.begin()
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        self.assertEqual(self.stop(), 0)
        self.start("--set", "dnssec=off")
        self.assertEqual(self.connect().ask("policy good.test"), GOOD)
        self.assertEqual([name for name, _ in self.dns.asked if "good" in name], [])


if __name__ == "__main__":
    main()
