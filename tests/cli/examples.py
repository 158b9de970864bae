# SPDX-License-Identifier: ISC
"""The examples: rules as programs load them, and units as systemd reads them. What rules say is tested in tests/lua/examples_spec.lua."""
import configparser
import json
import os
import re
import shlex
import shutil
import socketserver
import subprocess
import threading
import unittest

import tools

HERE = os.path.dirname(os.path.realpath(__file__))
EXAMPLES = os.path.realpath(f"{HERE}/../../examples")
UNITS = f"{EXAMPLES}/systemd"
BUSTED, LUA = shutil.which("busted"), shutil.which("lua5.4")


def unit(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(os.path.join(UNITS, name))
    return parser


class Systemd(tools.Case):
    def test_the_service_runs_a_command_that_works(self):
        service = unit("mtasts-refresh.service")["Service"]
        program, *words = shlex.split(service["ExecStart"])
        self.assertEqual(os.path.basename(program), "mtasts")
        allowed = {0} | {int(code) for code in service["SuccessExitStatus"].split()}
        result = self.run_program(*words)
        self.assertIn(result.code, allowed, result.error)
        self.assertRegex(result.out, "^0 domains looked at anew, 0 failed")

    def test_the_store_is_for_its_owner_and_group_alone(self):
        service = unit("mtasts-refresh.service")["Service"]
        self.assertEqual((service["StateDirectory"], service["StateDirectoryMode"], service["UMask"]), ("mtasts", "2770", "0007"))
        self.assertNotEqual(service["User"], "root")

    def test_the_timer_belongs_to_the_service(self):
        timer = unit("mtasts-refresh.timer")
        self.assertTrue(os.path.exists(os.path.join(UNITS, "mtasts-refresh.service")))
        self.assertEqual(timer["Install"]["WantedBy"], "timers.target")
        if shutil.which("systemd-analyze"):
            done = subprocess.run(["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


class SystemdServer(tools.Case):
    def test_the_server_is_what_the_unit_starts_and_its_words_are_good(self):
        service = unit("mtasts.service")["Service"]
        program, *words = shlex.split(service["ExecStart"])
        self.assertEqual((os.path.basename(program), words), ("mtasts", ["serve"]))
        self.assertIn("the settings are good", self.ends(0, *words, "--check").out)
        self.assertEqual((service["Type"], service["User"]), ("notify", "mtasts"))

    def test_the_socket_belongs_to_the_service_and_has_a_name_that_it_knows(self):
        socket = unit("mtasts.socket")["Socket"]
        self.assertEqual((socket["Service"], socket["FileDescriptorName"]), ("mtasts.service", "socketmap"))

    def test_systemd_takes_the_units_and_finds_little_to_harden(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        for name in ("mtasts.service", "mtasts.socket"):  # with a program that is there
            with open(os.path.join(UNITS, name), encoding="utf-8") as file:
                self.write(name, file.read().replace("/usr/local/bin/mtasts", tools.PROGRAM))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(self.folder, name) for name in ("mtasts.service",
                              "mtasts.socket"))], capture_output=True, text=True, check=False)
        ours = [line for line in done.stderr.splitlines() if "mtasts" in line]
        self.assertEqual(ours, [], done.stderr)
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", os.path.join(self.folder, "mtasts.service")],
                              capture_output=True, text=True, check=False)
        exposure = re.search(r"exposure level for mtasts.service: ([0-9.]+)", done.stdout)
        if exposure:  # not every release can do it without a running systemd
            self.assertLess(float(exposure.group(1)), 2.0, done.stdout)


class Sink(socketserver.StreamRequestHandler):
    """A mail server that takes everything, and keeps it; refuse: one that does not."""

    def reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.reply("220 sink.test")
        for line in self.rfile:
            line = line.decode("ascii").rstrip("\r\n")
            self.server.lines.append(line)
            if line == "DATA":
                self.reply("354 go on")
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    self.server.text += line.decode("ascii")
            self.reply("550 no" if self.server.refuse and line.startswith("RCPT") else "250 fine")


class Rules(tools.Case):
    def example(self, name, **changes):
        """A copy with other values of its constants."""
        with open(f"{EXAMPLES}/{name}.lua", encoding="ascii") as file:
            text = file.read()
        for constant, (old, new) in changes.items():
            self.assertEqual(text.count(f"{constant} <const> = {old}") + text.count(f"{constant} <const> = '127.0.0.1', {old}"), 1, constant)
            text = text.replace(old, new)
        return self.write(f"{name}.lua", text)

    def test_several_in_one_file_each_with_its_say(self):
        log = f"{self.folder}/decisions.jsonl"
        self.example("decisions", PATH=("'/var/log/mtasts/decisions.jsonl'", f"'{log}'"))
        for name in ("exception", "partners", "trial"):
            self.example(name)
        rules = self.write("rules.lua", f"dofile '{HERE}/world.lua'\n"
                           "for _, name in ipairs { 'decisions', 'exception', 'partners', 'trial' } do require(name) end\n")
        found = self.run_program("lookup", "--json", "--rules", rules, "enforce.test", "plain.test", "evil2.test", "bank.example",
                                 NOW="1767225600").json
        self.assertEqual([(each["action"], each.get("mode"), each.get("reason")) for each in found],
                         [("record", "testing", "trial until 2030-01-31"), ("deliver", None, None), ("deliver", None, None),
                          ("require", "enforce", "contract of 2029, section 7")])
        with open(log, "rb") as file:
            written = file.read()
        self.assertRegex(written, rb"^[ -~\n]*$")
        logged = {each["domain"]: each for each in map(json.loads, written.splitlines())}
        self.assertEqual(sorted(logged), ["evil2.test", "plain.test"])  # the others were decided by rules "policy"
        self.assertEqual(logged["evil2.test"]["refresh_error"]["code"], "https-type")

    def test_any_byte_becomes_json(self):
        script = self.write("quoted.lua", f"local text = io.open('{EXAMPLES}/decisions.lua'):read 'a'\n"
                            "local quoted = load(text:match 'local function quoted.-\\nend' .. ' return quoted')()\n"
                            "for i = 0, 255 do print(quoted(string.char(i))) end\n")
        self.assertEqual("".join(map(json.loads, self.ends(0, "run", script).lines)), "".join(map(chr, range(256))))

    def refreshed(self, server):
        """Two days of failures, then what the last of them said."""
        port = server.server_address[1] if server else 1
        self.example("alarm_mail", PORT=("25", str(port)))
        rules = self.write("rules.lua", f"dofile '{HERE}/world.lua'\nrequire 'alarm_mail'\n")
        words, store = ("--rules", rules), {"STORE": f"{self.folder}/store.db", "NOW": "1767225600"}
        self.ends(0, "lookup", *words, "enforce.test", **store)
        for day in (1, 2):
            result = self.run_program("store", *words, "refresh", DOWN="1", LATER=str(day * 90000), **store)
        self.assertIn(result.code, (0, 1), result.error)
        return result

    def test_a_mail_tells_of_a_policy_that_cannot_be_fetched(self):
        if self.run_program("run", "-", stdin=b"require 'socket.smtp'").code:
            self.skipTest("lua-socket is not installed")
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink) as server:
            server.daemon_threads, server.lines, server.text, server.refuse = True, [], "", False
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.assertNotIn("no mail", self.refreshed(server).error)
            self.assertEqual([line for line in server.lines if " " in line and line[:4] in ("MAIL", "RCPT")],
                             ["MAIL FROM:<mtasts@relay.example>", "RCPT TO:<postmaster@relay.example>"])
            head, _, body = server.text.partition("\r\n\r\n")
            self.assertRegex(head.lower(), "(?m)^subject: mta-sts: enforce.test\r?$")
            self.assertRegex(head.lower(), "(?m)^auto-submitted: auto-generated\r?$")
            self.assertRegex(body, r"^The policy of enforce\.test cannot be fetched since 2026-01-0\d:\r\nenforce\.test: the policy host cannot be "
                             r"reached .*\r\n\r\nIt ends in 4 days, ")
            self.assertEqual(server.text.replace("\r\n", "").count("\n"), 0)
            server.refuse = True
            os.remove(f"{self.folder}/store.db")
            self.assertRegex(self.refreshed(server).error, "no mail about enforce.test: 550 no")
            server.shutdown()
        os.remove(f"{self.folder}/store.db")
        self.assertRegex(self.refreshed(None).error, "no mail about enforce.test: connection refused")

    def spec(self, *command):
        """The test of rules, copied beside the rules it tests."""
        for name in ("partners", "exception", "rules_spec"):
            self.example(name)
        build = os.path.dirname(tools.PROGRAM)
        more = {"LUA_PATH": f"{build}/share/lua/5.4/?.lua;;", "LUA_CPATH": f"{build}/lib/lua/5.4/?.so;;"}
        done = subprocess.run([*command, "rules_spec.lua"], cwd=self.folder, env=self.environment | more, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "6 successes / 0 failures / 0 errors")

    @unittest.skipUnless(BUSTED, "busted is not installed")
    def test_the_test_of_rules_runs_in_our_own_host(self):
        self.spec(tools.PROGRAM, "run", BUSTED)

    @unittest.skipUnless(BUSTED and LUA, "busted or lua5.4 is not installed")
    @unittest.skipIf(any(name.endswith("SAN_OPTIONS") for name in os.environ), "lua5.4 has no sanitizer")
    def test_the_test_of_rules_runs_in_a_stock_lua(self):
        self.spec(BUSTED, f"--lua={LUA}")


if __name__ == "__main__":
    tools.main()
