#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The settings file and the rules of this machine: the command line shows what its mail server does."""
import os
import sys

sys.dont_write_bytecode = True
import tools  # noqa: E402

RULES = """
local mtasts = require 'mtasts'
local reason = require 'beside'
mtasts.on('policy', function() return mtasts.treat_as('testing', reason) end)
"""


class System(tools.Case):
    def setUp(self):
        super().setUp()
        self.etc = os.path.join(self.folder, "etc")
        os.mkdir(self.etc)

    def system_rules(self, text=RULES):
        self.write("etc/beside.lua", "return 'as the system has it'")
        return self.write("etc/rules.lua", text)

    def setting(self, name, *words):
        script = self.write("setting.lua", "print(require('mtasts.core').settings()[...].value)")
        return self.ends(0, "run", *words, script, name).out.strip()

    def reason(self, *words):
        result = self.run_program("lookup", "--cached", "--store", "none", "--json", *words, "a.test")
        self.assertIn(result.code, (0, 4))  # a rule's mode is an answer; nothing known yet is none
        return result.json[0].get("reason")

    def test_the_systems_settings_come_before_options(self):
        self.write("etc/mtasts.conf", "# ours\n\n  https_port = 4430 \nhelo=mail.a.test\n")
        self.assertEqual((self.setting("https_port"), self.setting("helo")), ("4430", "mail.a.test"))
        self.assertEqual(self.setting("https_port", "--set", "https_port=4431"), "4431")
        self.assertEqual(self.setting("https_port", "--settings", "none"), "443")
        other = self.write("other.conf", "https_port = 4432")
        self.assertEqual(self.setting("https_port", "--settings", other), "4432")
        self.assertEqual(self.setting("helo", "--settings=" + other), "")

    def test_what_is_for_programs_that_stay_does_not_count(self):
        self.write("etc/mtasts.conf", "log = none\nlog_level = debug\nbackground = yes\nrecord = /tmp/x\n")
        self.assertEqual([self.setting(name) for name in ("log", "log_level", "background", "record")], ["stderr", "warning", "no", ""])

    def test_a_wrong_line_is_named(self):
        for text, line, says in (("strict = yes\nstor = none\n", 2, 'did you mean "store"'), ("\nnonsense\n", 2, "a line is NAME = VALUE"),
                                 ("https_port = 0\n", 1, "from 1 to 65535"), ("log = somewhere\n", 1, "log"),
                                 ("helo = " + "x" * 5000, 1, "too long")):
            path = self.write("etc/mtasts.conf", text)
            result = self.ends(64, "store", "list")
            self.assertIn(f"mtasts: {path}:{line}: ", result.error)
            self.assertIn(says, result.error)
            self.ends(3, "store", "--store", "none", "list", "--settings", "none")
            self.ends(0, "match", "*.a.test", "x.a.test")
        result = self.ends(64, "store", "list", "--settings", "missing.conf")
        self.assertIn("missing.conf: No such file", result.error)

    def test_the_systems_rules_count_unless_others_are_named(self):
        path = self.system_rules()
        self.assertEqual(self.reason(), "as the system has it")
        self.assertEqual(self.reason("--rules", "none"), None)
        other = self.write("other.lua", "local mtasts = require 'mtasts'\n"
                           "mtasts.on('policy', function() return mtasts.treat_as('testing', 'another') end)")
        self.assertEqual(self.reason("--rules", other), "another")
        self.write("etc/mtasts.conf", f"rules = {other}\n")
        self.assertEqual(self.reason(), "another")
        self.assertEqual(self.reason("--settings", "none"), "as the system has it")
        self.write("etc/mtasts.conf", "rules = none\n")
        self.assertEqual(self.reason(), None)
        result = self.ends(0, "lookup", "--cached", "--store", "none", "--settings", "none", "--trace", "a.test")
        self.assertIn(f"the rules in {path} count", result.error)

    def test_the_prompt_and_scripts_go_by_them_too(self):
        self.system_rules()
        expression = "mtasts.lookup('a.test', { freshness = 'cached' }).reason"
        self.assertIn("as the system has it", self.ends(0, "repl", "--store", "none", "-e", expression).out)
        self.assertNotIn("as the system has it", self.ends(0, "repl", "--store", "none", "--rules", "none", "-e", expression).out)
        script = self.write("s.lua", "print(require('mtasts').lookup('a.test', { freshness = 'cached' }).reason)")
        self.assertEqual(self.ends(0, "run", "--store", "none", script).out, "as the system has it\n")
        self.assertEqual(self.ends(0, "run", "--store", "none", "--rules", "none", script).out, "nil\n")

    def test_rules_that_do_not_load_stop_what_would_ask_them(self):
        path = self.system_rules("x = = 1")
        self.assertIn(f"rules {path}:1:", self.ends(64, "lookup", "--store", "none", "a.test").error)
        self.assertIn(f"rules {path}:1:", self.ends(64, "repl", "--store", "none", "-e", "1").error)
        self.ends(3, "store", "list", "--store", "none")

    def test_a_file_that_this_user_must_not_read_is_told_once(self):
        if os.geteuid() == 0:  # who reads everything
            os.chmod(self.folder, 0o755)
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            self.command = lambda *words: [*nobody, tools.PROGRAM, *words]
        for name, option in (("mtasts.conf", "--settings"), ("rules.lua", "--rules")):
            os.chmod(self.write(f"etc/{name}", "x"), 0)
            result = self.ends(4, "lookup", "--cached", "--store", "none", "a.test")
            self.assertEqual(result.error.count("cannot be read by this user"), 1)
            self.ends(4, "lookup", "--cached", "--store", "none", option, "none", "a.test")
            os.remove(os.path.join(self.etc, name))


if __name__ == "__main__":
    tools.main()
