#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts repl on a terminal: line editing, completion, history, Ctrl-C, widths, and terminals that can less."""
import os
import re
import shutil
import signal
import socket
import stat
import sys
import time

sys.dont_write_bytecode = True
import terminal  # noqa: E402
import tools  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
WORLD = os.path.join(HERE, "world.lua")
EXAMPLE = os.path.realpath(f"{HERE}/../../examples/world.lua")
REAL, TOLD = "mtasts> ", "world> "
UP, TAB, CTRL_C, CTRL_D = "\x1b[A", "\t", "\x03", "\x04"


class Case(tools.Case):
    def start(self, *words, program=None, columns=80, prompt=REAL, **more):
        """On its own terminal; returns when it is ready."""
        command = [program or tools.PROGRAM, "repl", "--store", "none", *words]
        screen = terminal.Terminal(command, columns=columns, cwd=self.folder, env={**self.environment, **more})
        self.addCleanup(screen.close)
        screen.wait_for(prompt)
        self.screen, self.prompt = screen, prompt
        return screen.text

    def said(self, line, prompt=None):
        """What is written between a line and the next prompt."""
        self.screen.type(line + "\n")
        text = self.screen.wait_for("\n" + (prompt or self.prompt))
        return text[text.index("\n") + 1 : text.rindex("\n") + 1]

    def completed(self, keys, expected):
        """The line after these keys; it is then left."""
        self.screen.type(keys)
        text = self.screen.wait_for(expected)
        self.screen.type(CTRL_C)
        self.screen.wait_for("^C\n" + self.prompt)
        return text

    def leave(self, code=0):
        self.screen.type(CTRL_D)
        self.assertEqual(self.screen.ends(), code)

    def history(self, state=".local/state"):
        return os.path.join(self.folder, state, "mtasts/history")


class Talk(Case):
    def test_who_comes_first_gets_on(self):
        banner = self.start()
        for words in ("mtasts 0.", "store  none", "rules  none", "mtasts.lookup 'gmail.com'", "help 'lookup'", ":help", "TAB", "Ctrl-D"):
            self.assertEqual(banner.count(words), 1, banner)
        self.assertIn("opts.depth", self.said("help 'lookup'"))
        self.assertIn(":trace on|off", self.said(":help"))
        self.leave()

    def test_what_beginners_type_is_answered_with_what_they_mean(self):
        self.start()
        for line, expected in (("lookup gmail.com", "(try: mtasts.lookup 'gmail.com')"), ("lookup 'a'", "(did you mean mtasts.lookup?)"),
                               ("mtasts.lookup a.test", "(try: mtasts.lookup 'a.test')"), ("mtasts.lokup 'a'", "(did you mean mtasts.lookup?)"),
                               ("exit", "(:quit leaves; so does Ctrl-D)"), ("quit()", "(:quit leaves"), ("help lookup", "opts.depth"),
                               (":help trace", ":trace on|off"), (":lookup", "there is no command ':lookup'"), ("mtasts lookup x", "error: ")):
            self.assertIn(expected, self.said(line), line)
        self.assertNotIn("(", self.said("x = nil"))

    def test_nothing_is_printed_twice(self):
        self.start()
        self.assertEqual(self.said("1 + 1"), "2\n")
        self.assertEqual(self.said("'twice'"), '"twice"\n')
        self.assertEqual(self.said("print 'once'"), "once\n")
        self.assertEqual(self.said("error 'once'"), "error: stdin:4: once\n")
        self.assertEqual(self.said("mtasts.lookup 'a..b'"), "error: a..b: not a domain name [name-syntax]\n")
        self.assertEqual(self.said(""), "")
        self.leave()

    def test_lines_that_go_on(self):
        self.start()
        self.screen.type("function twice(n)\n")
        self.screen.wait_for("\n     >> ")
        self.screen.type("return n * 2\n")
        self.screen.wait_for("\n     >> ")
        self.assertEqual(self.said("end"), "")
        self.assertEqual(self.said("twice(21)"), "42\n")
        self.screen.type("for\n")
        self.screen.wait_for(">> ")
        self.screen.type(CTRL_C)
        self.screen.wait_for(REAL)
        self.assertEqual(self.said("1"), "1\n")

    def test_letters_of_other_languages(self):
        self.start()
        self.assertEqual(self.said("'bücher.example'"), '"bücher.example"\n')
        self.screen.type("'ü€x'\x7f\x7f\x7f'\n")
        self.screen.wait_for('"ü"\n' + REAL)
        self.leave()

    def test_a_local_that_ends_with_its_line_is_explained_once(self):
        self.start()
        self.assertIn("a local ends with its line", self.said("local x = 1"))
        self.assertEqual(self.said("local y = 1"), "")

    def test_ctrl_d_and_quit_leave(self):
        self.start()
        self.leave()
        self.start()
        self.screen.type(":quit\n")
        self.assertEqual(self.screen.ends(), 0)

    def test_a_crash_of_a_rule_does_not_leave(self):
        self.write("rules.lua", "local m = require 'mtasts'\nm.on('verdict', function(a) error('\\27[31mcrash') end)\n")
        self.start("--rules", "rules.lua")
        self.said(f":world {EXAMPLE}", TOLD)
        text = self.said("mtasts.lookup('plain.example').action", TOLD)
        self.assertIn("failed and counts as no opinion", text)
        self.assertIn('"deliver"\n', text)
        self.write("rules.lua", "x = = 1")
        self.assertIn("the old ones stay: rules.lua:1:", self.said(":reload", TOLD))
        self.assertIn("back in the real world", self.said(":world"))
        self.leave()

    def test_time_is_told_when_it_took_long(self):
        self.start()
        self.assertRegex(self.said("for i = 1, 3e7 do end"), r"^\(\d+ ms\)\n$")
        self.said(":time on")
        self.assertRegex(self.said("1"), r"^1\n\(\d+ ms\)\n$")

    def test_escapes_of_others_do_not_reach_the_terminal(self):
        self.start("--rules", WORLD, prompt=TOLD, NOW="1767225600", TERM="vt100", NO_COLOR="1")
        for line in ("mtasts.lookup 'evil.test'", "=fields mtasts.lookup 'evil3.test'", "mtasts.lookup 'ruled.test'",
                     "print(('%c[31m%c]0;x%c'):format(27, 27, 7))", "error('%c[31m' .. string.char(27, 7, 155))",
                     "{ [string.char(27)] = string.char(27, 7) }"):
            self.screen.type(line + "\n")
            self.screen.wait_for("\n" + TOLD)
            self.assertNotIn(b"\x1b[31m", self.screen.raw)
            self.assertNotIn(b"\x1b]", self.screen.raw)
            self.assertNotIn(b"\x07", self.screen.raw)


class Completion(Case):
    def test_names_fields_and_commands(self):
        self.start()
        self.completed("mtasts.lo\t", "mtasts.lookup")
        self.completed("mtas\t", "mtasts")
        self.completed("x = string.for\t", "string.format")
        self.completed(":rel\t", ":reload ")
        self.completed(":set smtp_po\t", ":set smtp_port=")
        self.completed("help 'answer.mo\t", "help 'answer.mode'")
        self.completed("mtasts.lookup('a', { dep\t", "depth = ")
        self.completed("mtasts.lookup('a', { depth = 'ho\t", "depth = 'hosts'")
        self.completed("mtasts.lookup('a').refresh_\t", "refresh_error")
        self.screen.type("mtasts.parse_\t")
        for name in ("parse_destination", "parse_policy", "parse_record", "parse_report", "parse_tlsrpt"):
            self.screen.wait_for(name)  # in whatever order they come
        self.screen.type(CTRL_C)
        self.screen.wait_for("^C\n" + REAL)

    def test_fields_of_answers_and_domains_of_the_world(self):
        self.start("--rules", WORLD, prompt=TOLD, NOW="1767225600")
        self.completed("mtasts.lookup 'enf\t", "mtasts.lookup 'enforce.test'")
        self.said("a = mtasts.lookup 'enforce.test'")
        self.completed("a.exp\t", "a.expires_at")
        self.completed("a.hosts[1].pref\t", "a.hosts[1].preference")
        self.completed("world:adv\t", "world:advance")

    def test_domains_of_the_store(self):
        store = os.path.join(self.folder, "s.db")
        self.run_program("lookup", "--rules", WORLD, "enforce.test", STORE=store, NOW=str(int(time.time())))
        self.start("--store", store)
        self.completed("mtasts.lookup('en\t", "mtasts.lookup('enforce.test'")

    def test_completion_runs_no_code_and_survives_what_is_odd(self):
        self.start()
        self.said("t = setmetatable({ abcdef = 1 }, { __index = function() print 'RAN' end, __pairs = function() error 'RAN' end })")
        self.assertNotIn("RAN", self.completed("t.abc\t", "t.abcdef"))
        for odd in ("t.x.y.z\t", "nil.\t", "('\t", ":nothing x\t", "mtasts.lookup('x', {{{\t", "\t\t", "--x\t", "a..b.\t", "[[x\t", "é.\t"):
            self.screen.type(odd)
            time.sleep(0.05)
            self.screen.type(CTRL_C)
            self.screen.wait_for("^C\n" + REAL)
        self.assertEqual(self.said("2"), "2\n")


class History(Case):
    def test_it_is_the_users_alone_and_comes_back(self):
        self.start()
        self.said("'first'")
        self.said(" 'with a blank in front: not kept'")
        self.screen.type("x = {\n")
        self.screen.wait_for(">> ")
        self.said("1 }")
        self.screen.type("x = {" + CTRL_C)
        self.screen.wait_for("^C\n" + REAL)
        self.said("x = 2")
        self.leave()
        with open(self.history(), encoding="utf-8") as file:
            self.assertEqual(file.read(), "'first'\nx = {\n\t1 }\nx = 2\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.history()).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.history())).st_mode), 0o700)
        self.start()
        self.screen.type(UP + UP + UP)
        self.screen.wait_for("'first'")
        self.screen.type("\n")
        self.screen.wait_for('"first"\n' + REAL)
        self.leave()

    def test_it_lies_where_the_environment_says_and_gets_its_mode_back(self):
        os.makedirs(os.path.join(self.folder, "state/mtasts"))
        with open(self.history("state"), "w", encoding="utf-8") as file:
            file.write("'old'\n")
        os.chmod(self.history("state"), 0o644)
        self.start(XDG_STATE_HOME=os.path.join(self.folder, "state"))
        self.said("1")
        self.leave()
        with open(self.history("state"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "'old'\n1\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.history("state")).st_mode), 0o600)
        self.assertFalse(os.path.exists(self.history()))

    def test_it_is_bounded(self):
        os.makedirs(os.path.dirname(self.history()))
        with open(self.history(), "w", encoding="utf-8") as file:
            file.writelines(f"'entry {i}'\n" for i in range(3000))
        self.start()
        self.said("1")
        self.leave()
        with open(self.history(), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual((len(lines), lines[-2:]), (501, ["'entry 2999'", "1"]))

    def test_no_place_for_it_is_no_trouble(self):
        os.makedirs(os.path.join(self.folder, ".local/state/mtasts/history"))
        self.start()
        self.assertEqual(self.said("1"), "1\n")
        self.leave()
        self.start(HOME="/dev/null/x")
        self.assertEqual(self.said("1"), "1\n")

    def test_a_link_is_not_followed(self):
        os.makedirs(os.path.dirname(self.history()))
        target = self.write("target", "keep\n")
        os.symlink(target, self.history())
        self.start()
        self.said("1")
        self.leave()
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "keep\n")


class CtrlC(Case):
    def silent_server(self):
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(20)
        return silent, "127.0.0.1:%d" % silent.getsockname()[1]

    def asked_for(self, silent, name):
        """A function that waits until the program asks DNS for this name."""
        def wait():
            while name.encode() not in silent.recv(1000):
                pass
        return wait

    def stopped(self, line, expected="stopped", after=None):
        self.screen.type(line + "\n")
        self.screen.wait_for("\n")
        if after:
            after()
        else:
            time.sleep(0.2)
        began = time.monotonic()
        self.screen.type(CTRL_C)
        text = self.screen.wait_for("\n" + self.prompt)
        self.assertLess(time.monotonic() - began, 5)
        self.assertIn(expected, text)
        self.assertNotIn("traceback", text.split("^C")[-1])  # the line itself may still be echoed before
        self.assertEqual(self.said("1 + 1"), "2\n")
        return text

    def test_it_stops_loops(self):
        self.start()
        for line in ("while true do end", "while true do pcall(function() while true do end end) end",
                     "coroutine.wrap(function() while true do end end)()", "while true do pcall(error, 'x') end",
                     "mtasts.all { function() while true do end end }", "setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }).x",
                     "repeat local ok = xpcall(function() while true do end end, debug.traceback) until false"):
            if "__index" in line:
                self.screen.type(line + "\n")
                self.screen.wait_for("\n" + REAL)  # Lua itself ends this one
            else:
                self.stopped(line)
        self.leave()

    def test_it_stops_a_loop_in_what_is_loaded(self):
        self.write("loop.lua", "while true do end")
        self.write("rules.lua", "")
        self.start("--rules", "rules.lua")
        self.stopped(":world loop.lua")
        self.write("rules.lua", "while true do end")
        self.stopped(":reload")
        self.leave()

    def test_it_cancels_a_lookup(self):
        silent, address = self.silent_server()
        self.start("--nameserver", address)
        self.stopped("mtasts.lookup 'name-a.test'", "error: name-a.test: ", self.asked_for(silent, "name-a"))
        self.stopped("mtasts.lookup 'name-b.test'", "[cancelled]", self.asked_for(silent, "name-b"))
        self.stopped("a, err = mtasts.lookup 'name-c.test'", "", self.asked_for(silent, "name-c"))
        self.assertEqual(self.said("err.code"), '"cancelled"\n')
        self.stopped("mtasts.all { 'name-d.test', 'name-e.test' }", "[cancelled]", self.asked_for(silent, "name-e"))
        self.stopped("(function() local a, err = mtasts.lookup 'name-h.test' for i = 1, 3000 do end return err.code end)()", '"cancelled"',
                     self.asked_for(silent, "name-h"))
        self.stopped("for i = 1, 1000 do mtasts.lookup('name-f' .. i .. '.test') end", after=self.asked_for(silent, "name-f1"))
        self.stopped("while true do pcall(mtasts.lookup, 'name-g.test') end", after=self.asked_for(silent, "name-g"))
        self.leave()

    def test_at_the_prompt_it_leaves_the_line(self):
        self.start()
        self.screen.type("half a line" + CTRL_C)
        self.screen.wait_for("^C\n" + REAL)
        os.killpg(self.screen.process.pid, signal.SIGINT)
        self.assertEqual(self.said("3"), "3\n")
        self.leave()

    def test_it_works_without_line_editing(self):
        self.start(TERM="dumb")
        time.sleep(0.3)  # until it really reads
        self.screen.type("half" + CTRL_C)
        self.screen.wait_for("\n" + REAL)
        self.stopped("while true do end")
        self.leave()

    def test_three_times_ends_what_does_not_heed_it(self):
        self.start()
        self.screen.type("('a'):rep(40000):find(('a-'):rep(40) .. 'b')\n")
        self.screen.wait_for("\n")
        time.sleep(0.3)
        for _ in range(3):
            self.screen.type(CTRL_C, clear=False)
            time.sleep(0.2)
        self.assertEqual(self.screen.ends(), -signal.SIGINT)
        self.assertIn("Ctrl-C once more ends mtasts", self.screen.text)


class Screens(Case):
    def test_help_fits_the_terminal(self):
        for columns in (30, 40, 60, 120):
            banner = self.start(columns=columns)
            for line in (banner + "\n" + self.said("help 'lookup'") + self.said(":help") + self.said("help()")).splitlines():
                if not re.search(r"\S{24}|:set NAME", line):  # words that are longer stay whole
                    self.assertLessEqual(len(line), columns, line)
            self.leave()

    def test_a_terminal_that_changes_its_size(self):
        self.start(columns=100)
        self.assertGreater(max(map(len, self.said("help 'lookup'").splitlines())), 80)
        self.screen.type("1 + ")
        self.screen.wait_for("1 + ")
        self.screen.resize(50)
        time.sleep(0.2)
        self.assertEqual(self.said("2"), "3\n")
        self.assertLessEqual(max(map(len, self.said("help 'lookup'").splitlines())), 50)
        self.leave()

    def test_colour_only_where_it_is_wanted(self):
        colour = re.compile(rb"\x1b\[\d+m")
        for more, wanted in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
            self.start(**more)
            self.said("mtasts.lookup 'a..b'")
            self.assertEqual(bool(colour.search(self.screen.raw)), wanted, more)
            self.assertIn("error: ", self.screen.text)  # words beside colours
            self.leave()

    def test_terminals_that_can_nothing_get_plain_lines(self):
        for kind in ("dumb", ""):
            text = self.start(TERM=kind)
            self.assertNotIn("no line editing", text)
            self.assertEqual(self.said("1"), "1\n")
            self.assertNotIn(b"\x1b", self.screen.raw)
            self.leave()
        self.assertFalse(os.path.exists(self.history()))

    def test_without_libedit_it_says_so_once_and_goes_on(self):
        build = os.path.dirname(os.path.realpath(tools.PROGRAM))
        program = shutil.copy(tools.PROGRAM, os.path.join(self.folder, "mtasts"))
        os.symlink(os.path.join(build, "share"), os.path.join(self.folder, "share"))
        text = self.start(program=program)
        self.assertEqual(text.count("mtasts: no line editing, completion or history: "), 1, text)
        self.assertIn("edit.so", text)
        self.assertEqual(self.said("1"), "1\n")
        self.leave()

    def test_output_that_is_no_terminal_makes_it_a_script(self):
        self.assertEqual(self.ends(0, "repl", "--store", "none", stdin=b"1\n").out, "1\n")


if __name__ == "__main__":
    tools.main()
