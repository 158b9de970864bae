#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts repl from pipes: what scripts rely on. Its terminal is in repl_terminal.py."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import tools  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
WORLD = os.path.join(HERE, "world.lua")
EXAMPLE = os.path.realpath(f"{HERE}/../../examples/world.lua")


class Repl(tools.Case):
    def piped(self, code, text, *words, **more):
        """What it prints for these lines."""
        result = self.ends(code, "repl", "--store", "none", *words, stdin=text.encode(), allow_traceback=True, **more)
        for raw in (result.raw, result.raw_error):
            self.assertNotIn(b"\x1b", raw)
            self.assertNotIn(b"mtasts>", raw)
        return result

    def told(self, code, text, *words, **more):
        return self.piped(code, text, "--rules", WORLD, *words, NOW="1767225600", **more)


class Lines(Repl):
    def test_expressions_are_shown_and_statements_are_not(self):
        self.assertEqual(self.piped(0, "1 + 1\nx = 5\nx\n= x + 1\nreturn x\n'a', nil, 2.5\n-- nothing\n\nlocal y = 1\n").out,
                         '2\n5\n6\n5\n"a"\nnil\n2.5\n')

    def test_there_is_no_banner_no_prompt_and_no_history(self):
        result = self.piped(0, "1\n")
        self.assertEqual((result.out, result.error), ("1\n", ""))
        self.assertEqual(self.piped(0, "").out, "")
        self.assertFalse(os.path.exists(os.path.join(self.folder, ".local")))

    def test_a_chunk_goes_on_until_it_is_whole(self):
        text = "function f(n)\n\n  if n > 0 then\n    return n * 2\n  end\nend\nf(\n21\n)\n1 +\n2\nt = {\n1,\n}\n#t\n[[a\nb]]\n"
        self.assertEqual(self.piped(0, text).out, '42\n3\n1\n"a\\nb"\n')

    def test_what_fails_is_named_with_its_line_and_the_rest_goes_on(self):
        result = self.piped(1, "1\nerror 'no good'\nfoo bar\n'open\n2\nfunction f() return nil + 1 end\n\n(\nf()\n)\n3\n")
        self.assertEqual(result.out, "1\n2\n3\n")
        self.assertEqual(result.error.splitlines()[0], "mtasts: stdin:2: no good")
        self.assertIn("mtasts: stdin:3: syntax error near 'bar'\n", result.error)
        self.assertIn("mtasts: stdin:4: unfinished string near ''open'\n", result.error)
        self.assertIn("mtasts: stdin:6: attempt to perform arithmetic on a nil value", result.error)
        self.assertNotIn("repl", result.error)

    def test_an_end_in_the_middle_of_a_chunk_is_a_failure(self):
        self.assertIn("mtasts: stdin:3: 'end' expected (to close 'for' at line 2) near <eof>", self.piped(1, "1\nfor i = 1, 2 do\nx = 1").error)

    def test_errors_that_are_no_text(self):
        result = self.piped(1, "error { a = 1 }\nerror(setmetatable({}, { __tostring = function() return '\\27[1mx' end }))\nerror()\n"
                               "assert(mtasts.lookup 'a..b')\n")
        self.assertIn("an error that is no text: { a = 1 }", result.error)
        self.assertIn("?[1mx", result.error)
        self.assertIn("mtasts: a..b: not a domain name [name-syntax]\n", result.error)

    def test_frames_between_the_error_and_the_line_are_told(self):
        error = self.piped(1, "function g(x)\n  local y = x.z.w\n  return y\nend\nfunction f(x)\n  local y = g(x)\n  return y\nend\n"
                              "x = f {}\n").error
        self.assertRegex(error, r"^mtasts: stdin:2: [^\n]*\n  in [^\n]*'g' \(stdin:2\)\n  in [^\n]*'f' \(stdin:6\)\n$")

    def test_the_last_result(self):
        self.assertEqual(self.piped(0, "21\n_ * 2\n_ + 1\nmtasts.lookup 'a..b'\n_.code\n").out.splitlines()[-1], '"name-syntax"')

    def test_expressions_of_the_command_line(self):
        self.assertEqual(self.ends(0, "repl", "--store", "none", "-e", "1 + 1").out, "2\n")
        self.assertEqual(self.ends(0, "repl", "--store", "none", "-e", "x = 3", "--eval", "x").out, "3\n")
        result = self.ends(1, "repl", "--store", "none", "-e", "error 'x'", "-e", "2", "-e", "f(")
        self.assertEqual(result.out, "2\n")
        self.assertEqual(result.error, "mtasts: -e:1: x\nmtasts: -e:1: unexpected symbol near <eof>\n")

    def test_json(self):
        lines = self.told(0, "=json mtasts.lookup 'enforce.test'\n=json 1\n=json nil\n=json 'a'\n=json mtasts.lookup 'a..b'\n=json 1, 2\n"
                             "=json { a = false }\n").json
        self.assertEqual((lines[0]["action"], lines[0]["hosts"][0]["name"]), ("require", "mx1.enforce.test"))
        self.assertEqual(lines[1:4], [1, None, "a"])
        self.assertEqual((lines[4]["error"]["code"], lines[4]["error"]["temporary"]), ("name-syntax", False))
        self.assertEqual(lines[5:], [[1, 2], {"a": False}])
        self.assertEqual(self.ends(0, "repl", "--store", "none", "--json", "-e", "{1}").json, [[1]])
        self.assertIn("cycle", self.piped(1, "x = {}\nx.x = x\n=json x\n").error)

    def test_quit_ends_it(self):
        self.assertEqual(self.piped(0, "1\n:quit\n2\n").out, "1\n")

    def test_no_other_command_loads_libedit(self):
        self.assertNotIn("libedit", subprocess.run(["ldd", tools.PROGRAM], capture_output=True, text=True, check=True).stdout)
        self.assertEqual(self.ends(0, "repl", "--store", "none", "-e", "(io.open '/proc/self/maps':read 'a'):find 'libedit'").out, "nil\n")


class Results(Repl):
    def test_an_answer_is_shown_as_by_lookup(self):
        expected = self.ends(0, "lookup", "--rules", WORLD, "enforce.test", NOW="1767225600").out
        self.assertEqual(self.told(0, "mtasts.lookup 'enforce.test'\n").out, expected)

    def test_an_error_is_one_line_with_its_code(self):
        self.assertEqual(self.told(0, "mtasts.lookup 'a..b'\n").out, "error: a..b: not a domain name [name-syntax]\n")

    def test_several_answers(self):
        out = self.told(0, "mtasts.all { 'enforce.test', 'a..b', 'none.test' }\n").out
        for words in ("enforce.test: enforce", "error: a..b:", "none.test: none"):
            self.assertEqual(out.count(words), 1, out)

    def test_all_fields(self):
        out = self.told(0, "=fields mtasts.lookup 'enforce.test'\n").out
        self.assertIn('  action = "require",\n', out)
        self.assertIn("  expires_at = 1767830400,  -- 2026-01-08 00:00:00 UTC, in 7 d\n", out)

    def test_what_others_wrote_never_reaches_the_terminal(self):
        text = "".join(f"mtasts.lookup '{name}.test'\n=fields _\n=json _\n" for name in ("evil", "evil2", "evil3", "ruled"))
        result = self.told(0, ":trace on\n" + text + "'\\27[31m\\155\\7', '\\u{202e}\\u{9b}', { ['\\27]0;x\\7'] = '\\127' }\n")
        for byte in result.raw:
            self.assertTrue(byte >= 32 and byte != 127 or byte == 10, byte)
        self.assertIn('"\\x1b[31m\\x9b\\x07"\n"\\u{202E}\\u{9B}"\n{ ["\\x1b]0;x\\x07"] = "\\x7f" }\n', result.out)
        error = self.piped(1, "error '\\27[31mx'\nx = y\\27[31m\nerror { '\\27[31m' }\n:\x1b[31m\n:world \x1b[31m\n:set \x1b[3=1\n").error
        self.assertNotIn("\x1b", error)

    def test_steps_are_shown_once(self):
        out = self.told(0, ":trace on\nmtasts.lookup 'enforce.test'\nfor _, d in ipairs { 'none.test' } do mtasts.lookup(d) end\n_\n"
                           "mtasts.all { 'plain.test', 'moved.test' }\n:trace off\nmtasts.lookup 'testing.test'\n").out
        for name in ("enforce", "none", "plain", "moved"):
            self.assertEqual(out.count(f"steps of {name}.test:"), 1, out)
        self.assertEqual(out.count("  policy "), 3, out)
        self.assertNotIn("steps of testing.test", out)
        self.assertEqual(out.count("enforce.test: enforce"), 2)  # once more as _

    def test_time_on_request(self):
        self.assertEqual(self.piped(0, "1\n").out, "1\n")
        self.assertRegex(self.piped(0, ":time on\n1\n:time off\n2\n").out, r"^1\n\(\d+ ms\)\n2\n$")


class Help(Repl):
    def test_help_on_everything_that_is_listed(self):
        names = self.piped(0, "local h = require 'mtasts.repl_help' for _, n in ipairs(h.names()) do io.write(n, '\\n') end\n").lines
        self.assertGreater(len(names), 90)
        out = self.piped(0, "".join(f'help "{name}"\n' for name in names)).out
        self.assertIn("mtasts.lookup(domain[, opts])", out)
        for line in out.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_what_it_tells(self):
        words = " ".join(self.piped(0, "help 'lookup'\nhelp(mtasts.probe)\nhelp 'mtasts.osmtpd'\nhelp 'exim.provide'\nhelp 'policy'\n"
                                       "help 'answer.mode'\nhelp 'smtp_port'\nhelp 'world:advance'\n:help trace\nhelp()\n:help\n").out.split())
        for part in ("opts.depth string", "results answer, or nil and an error", "errors returns name-empty", "source RFC 8461 3, 4, 5",
                     "since 0.1.0", "where anywhere but in a finalizer", "mtasts.probe(host[, opts])", "local osmtpd = require 'mtasts.osmtpd'",
                     "exim.provide(name, fn)", "Asked when it is known which policy applies", 'answer.mode: string "none", "testing" or',
                     "setting smtp_port: number", "Lets time pass", ":trace on|off Show the steps", ":world [FILE]"):
            self.assertIn(part, words)

    def test_the_nearest_name_for_a_wrong_one(self):
        self.assertIn("there is no help on 'lokup' (did you mean 'lookup'?)", self.piped(0, "help 'lokup'\n").error)
        result = self.piped(1, ":relaod\n:settings smtp_prt\n:set smtp_prt=1\n:trace maybe\n:set x\n:xyzzyx\n")
        for words in ("did you mean ':reload'?", "did you mean 'smtp_port'?", 'did you mean "smtp_port"?', ":trace wants on or off",
                      "wants NAME=VALUE", "there is no command ':xyzzyx';"):
            self.assertIn(words, result.error)

    def test_settings(self):
        out = self.piped(0, ":set smtp_port = 2525\n:settings\n:settings smtp_port\n").out
        self.assertIn("* smtp_port          2525\n", out)
        self.assertIn("  now      2525\n  default  25\n", out)


class Worlds(Repl):
    def test_there_and_back(self):
        out = self.piped(0, f":world {EXAMPLE}\nmtasts.now()\ncollectgarbage()\nmtasts.lookup 'strict.example'\n:world\n:world\n"
                            "mtasts.now() > 1767225600\n").out
        self.assertIn("1767225600\n", out)
        self.assertIn("it knows of broken.example, moved.example, plain.example, strict.example\n", out)
        self.assertIn("strict.example: enforce — deliver only to the 2 permitted MX hosts", out)
        self.assertIn("back in the real world\nthis is the real world; :world FILE goes to a told one\ntrue\n", out)

    def test_a_file_may_open_its_world_itself(self):
        out = self.piped(0, f":world {WORLD}\nmtasts.lookup 'none.test'\n:world {EXAMPLE}\nmtasts.now()\n", NOW="1767225600").out
        self.assertIn("none.test: none", out)

    def test_files_that_tell_no_world(self):
        self.write("empty.lua", "")
        self.write("wrong.lua", "return { htps = {} }")
        self.write("broken.lua", "return {")
        self.write("half.lua", "local w = require 'mtasts'.fake {} error 'half'")
        result = self.piped(1, ":world empty.lua\n:world wrong.lua\n:world broken.lua\n:world missing.lua\n:world half.lua\n"
                               f":world {EXAMPLE}\n:world broken.lua\nmtasts.now() > 1767225600\n")
        for words in ("empty.lua: it tells no world", "unknown part 'htps'; did you mean 'https'?", "broken.lua:1:", "missing.lua", "half.lua:1: half\n",
                      "the world before it is closed, too"):
            self.assertIn(words, result.error)
        self.assertTrue(result.out.endswith("true\n"))
        self.assertNotIn("repl", result.error)


class Rules(Repl):
    RULE = "local m = require 'mtasts'\nm.on('verdict', function(a) return m.treat_as('testing', '%s') end)\n"

    def session(self, *steps, code=0):
        """Steps are lines, or functions that change files between them."""
        process = subprocess.Popen(self.command("repl", "--store", "none", "--rules", "rules.lua"), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, env=self.environment, text=True)
        out = ""
        for step in (f":world {EXAMPLE}", *steps):
            if callable(step):
                step()
                continue
            process.stdin.write(step + "\nprint '--done--' io.stdout:flush()\n")
            process.stdin.flush()
            for line in process.stdout:
                if line == "--done--\n":
                    break
                out += line
        out += process.communicate(timeout=20)[0]
        self.assertEqual(process.returncode, code, out)
        return out

    REASON = "mtasts.lookup('plain.example').reason"

    def test_reload(self):
        self.write("rules.lua", self.RULE % "first")
        out = self.session(self.REASON, lambda: self.write("rules.lua", self.RULE % "second"), ":reload", self.REASON)
        self.assertIn('"first"\nrules loaded: rules.lua (1 verdict)\n"second"\n', out)

    def test_rules_that_do_not_load_change_nothing(self):
        self.write("rules.lua", self.RULE % "first")
        for broken in ("x = = 1", self.RULE % "half" + "error 'late'", "require 'nowhere'"):
            out = self.session(self.REASON, lambda text=broken: self.write("rules.lua", text), ":reload", self.REASON, code=1)
            self.assertIn("mtasts: the rules do not load, the old ones stay: ", out)
            self.assertEqual(out.count('"first"\n'), 2, out)
            self.write("rules.lua", self.RULE % "first")

    def test_what_rules_require_is_loaded_anew(self):
        self.write("rules.lua", self.RULE.replace("'%s'", "(require('reason'))") + "require('mtasts.exim').provide('f', print)\n")
        self.write("reason.lua", "return 'first'")
        out = self.session(self.REASON, lambda: self.write("reason.lua", "return 'second'"), ":reload", self.REASON)
        self.assertIn('"first"\n', out)
        self.assertIn('"second"\n', out)

    def test_rules_of_another_file(self):
        self.write("rules.lua", self.RULE % "first")
        self.write("other.lua", self.RULE % "other")
        self.write("broken.lua", "error 'no'")
        out = self.session(":set rules=other.lua", self.REASON, ":set rules=broken.lua", self.REASON, ":settings rules", ":set rules=", self.REASON,
                           code=1)
        self.assertEqual(out.count('"other"\n'), 2, out)
        self.assertIn("  now      other.lua\n", out)
        self.assertTrue(out.endswith("rules loaded: none\nnil\n"), out)

    def test_a_rule_that_crashes_or_loops_ends_nothing(self):
        self.write("rules.lua", "local m = require 'mtasts'\nm.on('verdict', function(a) local x = nil + 1 end)\n")
        out = self.session(self.REASON, "mtasts.lookup('strict.example').action")
        self.assertIn("rule 'verdict' number 1 failed and counts as no opinion", out)
        self.assertTrue(out.endswith('"require"\n'), out)
        self.write("rules.lua", "require('mtasts').on('policy', function(a) while true do end end)\n")
        out = self.session("mtasts.lookup('strict.example').action")
        self.assertIn("50 million instructions", out)
        self.assertTrue(out.endswith('"require"\n'), out)

    def test_rules_that_do_not_load_at_the_start_are_a_wrong_use(self):
        self.write("rules.lua", "x = = 1")
        self.assertIn("rules.lua:1:", self.ends(64, "repl", "--rules", "rules.lua", "-e", "1").error)

    def test_reload_without_rules(self):
        self.assertIn("there are no rules to load", self.piped(1, ":reload\n").error)


if __name__ == "__main__":
    tools.main()
