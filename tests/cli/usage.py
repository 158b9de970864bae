#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Options, settings, files and output channels: what is the same for every command."""
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
import tools  # noqa: E402

BUILD = os.path.dirname(tools.PROGRAM)
COMMANDS = ["lookup", "check", "probe", "match", "parse", "publish", "report", "store", "setup", "run", "repl"]


class Words(tools.Case):
    def refused(self, *words, says, **more):
        result = self.ends(64, *words, **more)
        self.assertEqual(result.out, "")
        self.assertTrue(result.error.startswith("mtasts: "), result.error)
        self.assertEqual(result.error.count("\n"), 1, result.error)
        self.assertIn(says, result.error)

    def test_unknown_command_names_the_nearest(self):
        self.refused("lokup", "a.test", says="did you mean 'lookup'")
        self.refused("xyzzyxyzzy", says="there is no command 'xyzzyxyzzy'; try: mtasts --help")

    def test_no_command(self):
        self.refused(says="command")
        self.refused("--json", says="command")

    def test_unknown_option_names_the_nearest(self):
        self.refused("lookup", "--trac", "a.test", says="--trace")
        self.refused("lookup", "--jsn", "a.test", says="--json")
        self.refused("--stor", "x", "lookup", "a.test", says="")
        self.refused("store", "list", "--al", says="--all")
        self.refused("run", "--stor", "x", "y.lua", says="did you mean '--store'")

    def test_unknown_setting_names_the_nearest(self):
        self.refused("lookup", "--set", "nameserver=127.0.0.1", "a.test", says='did you mean "nameservers"')
        self.refused("lookup", "--set", "nameservers", "a.test", says="NAME=VALUE")
        self.refused("run", "--set", "stor=x", "y.lua", says='did you mean "store"')

    def test_value_of_a_setting_that_does_not_fit(self):
        self.refused("lookup", "--set", "https_port=0", "a.test", says="from 1 to 65535")
        self.refused("lookup", "--set", "dnssec=maybe", "a.test", says="dnssec")
        self.refused("lookup", "--nameserver", "resolver", "a.test", says="nameservers")

    def test_values_of_options_that_do_not_fit(self):
        for value in ("0", "-1", "3601", "soon", "nan", ""):
            self.refused("lookup", "--timeout=" + value, "a.test", says="timeout" if value[-1:].isdigit() else value)
            self.refused("probe", "--timeout=" + value, "a.test", says="")

    def test_options_that_exclude_each_other(self):
        self.refused("lookup", "--cached", "--no-cache", "a.test", says="--no-cache")
        self.refused("lookup", "--policy-only", "--probe", "a.test", says="--probe")
        self.refused("store", "flush", says="--all")
        self.refused("store", "flush", "--all", "a.test", says="--all")

    def test_what_is_missing(self):
        self.refused("lookup", says="argument")
        self.refused("match", "a.test", says="argument")
        self.refused("parse", says="argument")
        self.refused("store", says="argument")
        self.refused("store", "show", says="which domain")
        self.refused("run", says="which script")
        self.refused("lookup", "a.test", "--store", says="--store")
        self.refused("run", "--store", says="--store wants a value")

    def test_files_that_cannot_be_read(self):
        self.refused("lookup", "--ca-file", "missing.pem", "a.test", says="missing.pem: No such file")
        self.refused("lookup", "--rules", "missing.lua", "a.test", says="missing.lua")
        self.refused("parse", "policy", "missing.txt", says="missing.txt: No such file")
        self.refused("parse", "policy", ".", says="Is a directory")

    def test_rules_that_fail_say_where(self):
        rules = self.write("rules.lua", "local a = 1\nerror('no \\27[31m good')\n")
        result = self.run_program("lookup", "--store", "none", "--rules", rules, "a.test")
        self.assertEqual(result.code, 64)
        self.assertIn("rules.lua:2: no ?[31m good", result.error)
        rules = self.write("rules.lua", "local a = = 1\n")
        self.refused("lookup", "--rules", rules, "a.test", says="rules.lua:1:")

    def test_names_that_are_none(self):
        for name in ("a..b", "", " ", "a b", "x" * 300, "a_b.test/x"):
            result = self.ends(64, "lookup", "--store", "none", name)
            self.assertEqual(result.out, "")
            self.assertIn("name", result.error)
        self.ends(64, "probe", "--store", "none", "a..b")
        self.ends(64, "probe", "--store", "none", "a.test:0")
        self.ends(64, "probe", "--store", "none", "a.test:65536")
        self.ends(64, "match", "*.a.test", "a..b")
        self.ends(64, "match", "a.*.test", "b.test")
        self.ends(64, "store", "--store", "none", "show", "[192.0.2.1]")

    def test_options_stand_before_or_behind_the_command(self):
        expected = self.ends(0, "match", "--json", "*.a.test", "x.a.test").out
        self.assertEqual(expected, self.ends(0, "--json", "match", "*.a.test", "x.a.test").out)
        self.assertEqual(expected, self.ends(0, "match", "*.a.test", "x.a.test", "--json").out)
        store = os.path.join(self.folder, "s.db")
        for words in (["--store", store, "store", "stats"], ["store", "--store", store, "stats"], ["store", "stats", "--store", store],
                      ["--store=" + store, "store", "stats"], ["--set", "store=" + store, "store", "stats"]):
            self.assertIn(store, self.ends(0, *words).out)
        script = self.write("s.lua", "print(...)")
        for words in (["--store", store, "run", script, "--store"], ["run", "--store=" + store, "-vv", script, "--store"]):
            self.assertEqual(self.ends(0, *words).out, "--store\n")

    def test_help_and_version(self):
        self.assertRegex(self.ends(0, "--version").out, r"^mtasts \d+\.\d+\.\d+\n$")
        for words in [[]] + [[name] for name in COMMANDS]:
            for option in ("-h", "--help"):
                result = self.ends(0, *words, option)
                self.assertIn("Usage: mtasts", result.out)
                self.assertEqual(result.error, "")
                for line in result.lines:
                    self.assertLessEqual(len(line), 80, line)
        for name in COMMANDS:
            self.assertIn("\n   " + name, self.ends(0, "--help").out)


class Channels(tools.Case):
    def test_a_reader_that_goes_away_ends_it_quietly(self):
        script = self.write("s.lua", "for i = 1, 1000000 do print(i) end")
        process = subprocess.Popen(self.command("run", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        self.assertEqual(process.stdout.readline(), b"1\n")
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(20), -signal.SIGPIPE)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.command("match", "a.test", "a.test"), stdout=full, stderr=subprocess.PIPE, env=self.environment)
        self.assertEqual(done.returncode, 70)
        self.assertEqual(done.stderr, b"mtasts: the output cannot be written\n")

    def test_closed_standard_files_are_no_place_for_the_store(self):
        store = os.path.join(self.folder, "s.db")
        self.ends(0, "store", "--store", store, "stats")
        shell = '"$0" store --store "$1" list <&- >&- 2>&-'
        done = subprocess.run(["sh", "-c", shell, tools.PROGRAM, store], env=self.environment, timeout=20)
        self.assertEqual(done.returncode, 0)
        shell = '"$0" store --store "$1" stats <&- >&- 2>&-'
        done = subprocess.run(["sh", "-c", shell, tools.PROGRAM, store], env=self.environment, timeout=20)
        self.assertEqual(done.returncode, 70)
        self.assertIn("domains    0", self.ends(0, "store", "--store", store, "stats").out)

    def hanging(self, *words):
        """A lookup whose name server never answers."""
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(20)
        address = "127.0.0.1:%d" % silent.getsockname()[1]
        process = subprocess.Popen(self.command("lookup", "--store", "none", "--nameserver", address, *words, "a.test"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
        silent.recv(1000)  # it asks now
        return process

    def test_ctrl_c_ends_a_hanging_lookup_at_once_with_130(self):
        for words in ([], ["--json"]):
            process = self.hanging(*words)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=10)
            self.assertLess(time.monotonic() - began, 1.5)
            self.assertIn(process.returncode, (-signal.SIGINT, 130))  # a shell shows both as 130
            self.assertEqual(out, b"")
            self.assertNotIn(b"traceback", error)

    def test_a_name_server_that_never_answers_is_could_not_tell(self):
        process = self.hanging("--timeout", "0.3", "--json", "--policy-only")
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 4)
        self.assertIn(b'"action":"deliver"', out)

    def coloured(self, **more):
        """What the program writes on a terminal."""
        master, slave = pty.openpty()
        environment = {**self.environment, "TERM": "xterm", **more}
        process = subprocess.Popen(self.command("parse", "record"), stdin=subprocess.PIPE, stdout=slave, env=environment)
        process.communicate(b"v=STSv1; id=1;", timeout=20)
        os.close(slave)
        out = os.read(master, 10000)
        os.close(master)
        return b"\x1b[" in out

    def test_colour_only_on_a_terminal_that_wants_it(self):
        self.assertTrue(self.coloured())
        self.assertTrue(self.coloured(NO_COLOR=""))
        self.assertFalse(self.coloured(NO_COLOR="1"))
        self.assertFalse(self.coloured(TERM="dumb"))
        self.assertNotIn(b"\x1b", self.ends(0, "parse", "record", stdin=b"v=STSv1; id=1;", TERM="xterm").raw)

    def test_environment_of_lua_plays_no_part(self):
        result = self.ends(0, "match", "a.test", "a.test", LUA_INIT="error 'no'", LUA_PATH="/nowhere/?.lua", LUA_CPATH="/nowhere/?.so")
        self.assertEqual(result.error, "")


WHERE = "print(debug.getinfo(require 'mtasts.text'.clean).source)"


@unittest.skipUnless(os.path.isdir(f"{BUILD}/lib/mtasts/compiled"), "the Lua files were not compiled: there is no luac")
class Compiled(tools.Case):
    """The program beside copies of its Lua files."""

    def setUp(self):
        super().setUp()
        self.program = shutil.copy(tools.PROGRAM, self.folder)
        for part in ("share", "lib/mtasts/compiled"):
            shutil.copytree(f"{BUILD}/{part}", f"{self.folder}/{part}")
        self.source, self.compiled = f"{self.folder}/share/lua/5.4/mtasts/text.lua", f"{self.folder}/lib/mtasts/compiled/mtasts.text.luac"
        self.script = self.write("where.lua", WHERE)

    def command(self, *words):
        return [self.program, *words]

    def comes_from(self, source):
        self.assertEqual(self.ends(0, "run", "--store", "none", self.script).out, source + "\n")

    def test_lua_files_and_argparse_are_taken_in_compiled_form(self):
        self.comes_from("@mtasts/text.lua")
        self.assertIn("argparse.luac", os.listdir(os.path.dirname(self.compiled)))

    def test_a_lua_file_that_was_changed_counts_as_it_stands(self):
        with open(self.source, "a", encoding="utf-8") as file:
            file.write("\n")
        self.comes_from("@" + os.path.realpath(self.source))
        with open(self.source, "r+", encoding="utf-8") as file:
            file.truncate(os.path.getsize(self.source) - 2)
        self.comes_from("@" + os.path.realpath(self.source))

    def test_what_is_missing_cut_off_or_of_another_release_is_compiled_anew(self):
        with open(self.compiled, "rb") as file:
            whole = file.read()
        begin = os.path.getsize(self.source)
        for bad in (whole[:begin], whole[:begin + 3], whole[:-1], b"", whole[:begin + 4] + b"\x53" + whole[begin + 5:]):
            with open(self.compiled, "wb") as file:
                file.write(bad)
            self.comes_from("@" + os.path.realpath(self.source))
        os.remove(self.compiled)
        self.comes_from("@" + os.path.realpath(self.source))
        self.assertEqual(self.ends(0, "match", "a.test", "a.test").error, "")


if __name__ == "__main__":
    tools.main()
