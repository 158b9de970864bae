# SPDX-License-Identifier: ISC
"""What rules may not do, and what they may cost, in the program mtasts: functions that are off, patterns that would run for hours."""
import time

import tools

HEAD = """
local mtasts = require 'mtasts'
world = mtasts.fake {
  dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' } },
  https = { ['mta-sts.a.test'] = 'version: STSv1\\nmode: enforce\\nmx: mx1.a.test\\nmax_age: 604800\\n' },
}
"""
DOORS = (
    ("os.execute 'true'", "os.execute", "execute"),
    ("io.popen 'true'", "io.popen", "popen"),
    ("package.loadlib('x', 'y')", "package.loadlib", "loadlib"),
    ("debug.getinfo(1)", "debug.getinfo", "debug"),
    ("debug.getregistry()", "debug.getregistry", "debug"),
    ("debug.sethook()", "debug.sethook", "debug"),
    ("_G.os.execute()", "os.execute", "execute"),
    ("_ENV.os.execute()", "os.execute", "execute"),
    ("_G._G._G.io.popen 'true'", "io.popen", "popen"),
    ("require 'os'.execute()", "os.execute", "execute"),
    ("require('_G').os.execute()", "os.execute", "execute"),
    ("require 'package'.loaded.io.popen 'true'", "io.popen", "popen"),
    ("package.loaded.os.execute()", "os.execute", "execute"),
    ("package.loaded._G.os.execute()", "os.execute", "execute"),
    ("local o = package.loaded.os package.loaded.os = nil local ok, why = pcall(require, 'os') package.loaded.os = o error(why)", "module 'os' not found", None),
    ("load 'os.execute()' ()", "os.execute", "execute"),
    ("load('os.execute()', 'x', 't')()", "os.execute", "execute"),
    ("load('return _G')().os.execute()", "os.execute", "execute"),
    ("local said; load(function() if not said then said = true return 'os.execute()' end end)()", "os.execute", "execute"),
    ("assert(load(string.dump(function() end)))", "a binary chunk", "debug"),
    ("assert(loadfile 'evil.lua')()", "os.execute", "execute"),
    ("dofile 'evil.lua'", "os.execute", "execute"),
    ("require 'evil'", "os.execute", "execute"),
    ("coroutine.wrap(os.execute)()", "os.execute", "execute"),
    ("assert(coroutine.resume(coroutine.create(function() os.execute() end)))", "os.execute", "execute"),
    ("getmetatable('').__index.execute()", "attempt to call a nil value", None),
    ("getmetatable(io.stdout).__index.popen()", "attempt to call a nil value", None),
    ("('x'):rep(1, os.execute())", "os.execute", "execute"),
    ("mtasts.all { function() os.execute() end }", "os.execute", "execute"),
    ("require 'mtasts.exim_look'.asked 'true'", "", None),
)


class Rules(tools.Case):
    def setUp(self):
        super().setUp()
        self.write("evil.lua", "os.execute 'touch ran'\n")

    def lookup(self, code, text, *words, **more):
        return self.ends(code, "lookup", "a.test", "--json", "--rules", self.write("rules.lua", HEAD + text), *words, allow_traceback=True,
                         **more)


class Off(Rules):
    def test_what_is_off_is_off_through_every_door(self):
        """While the file is loaded, and when a rule is asked."""
        attempts = ", ".join(f"function() {text} end" for text, _, _ in DOORS)
        out = self.lookup(2, f"""
        local function try(where) for i, fn in ipairs {{ {attempts} }} do print(where, i, pcall(fn)) end end
        try 'file'
        mtasts.on('policy', function() try 'rule' end)
        """).out
        for number, (text, name, word) in enumerate(DOORS, 1):
            for where in ("file", "rule"):
                said = [line for line in out.splitlines() if line.startswith(f"{where}\t{number}\tfalse")]
                self.assertEqual(len(said), 1, f"{where}: {text}\n{out}")
                self.assertIn(name, said[0], text)
                if word:
                    self.assertIn(f" off in rules; the setting rules_allow = {word} allows it", said[0], text)

    def test_each_word_allows_its_functions_and_all_allows_all(self):
        text = """
        local function ok(fn, ...) print((pcall(fn, ...))) end
        ok(os.execute) ok(io.popen, 'true') ok(package.loadlib, '/nowhere', '*') ok(debug.getinfo, 1)
        print(load(string.dump(function() end)) ~= nil)
        """
        for words, expected in (("", "00000"), ("execute", "10000"), ("popen", "01000"), ("loadlib", "00100"), ("debug", "00011"),
                                ("execute, popen", "11000"), ("execute debug", "10011"), ("all", "11111")):
            out = self.lookup(2, text, "--set", f"rules_allow={words}").lines
            self.assertEqual("".join("1" if line == "true" else "0" for line in out[:5]), expected, words)

    def test_a_misspelt_word_allows_nothing_and_is_told(self):
        self.assertIn('rules_allow: "exceute" is none of: execute, popen, loadlib, debug, all',
                      self.lookup(64, "", "--set", "rules_allow=popen,exceute").error)

    def test_traceback_is_always_there(self):
        self.assertIn("stack traceback:", self.lookup(2, "print(debug.traceback 'here')").out)

    def test_a_module_that_is_not_there_is_told_with_the_places_where_it_was_looked_for(self):
        error = self.lookup(64, "require 'nowhere.atall'").error
        for words in ("rules.lua:7: module 'nowhere.atall' not found:", "no field package.preload['nowhere.atall']", "/nowhere/atall.lua'",
                      "/nowhere/atall.so'", "/nowhere.so'"):
            self.assertIn(words, error)
        self.write("broken.lua", "x = = 1")
        self.assertIn("error loading module 'broken' from file", self.lookup(64, "require 'broken'").error)

    def test_modules_see_what_the_rules_see_and_are_loaded_once(self):
        self.write("partners.lua", "count = (count or 0) + 1 return { name = ..., count = count, own = os.execute }")
        out = self.lookup(2, """
        local a, where = require 'partners'
        print(a == require 'partners', a.name, count, where, a.own == os.execute)
        package.preload.made = function(name) return name .. '!' end
        print(require 'made')
        package.loaded.partners = nil
        print(require 'partners'.count)
        print(require 'mtasts' == mtasts, package.loaded.mtasts == mtasts)
        """).lines
        self.assertEqual(out[0].split("\t")[:3], ["true", "partners", "1"])
        self.assertTrue(out[0].endswith("partners.lua\ttrue"), out[0])
        self.assertEqual(out[1:4], ["made!\t:preload:", "2", "true\ttrue"])

    def test_a_script_keeps_everything_beside_rules(self):
        script = self.write("script.lua", "print((os.execute 'exit 3'), io.popen('echo hi'):read 'a', debug.getinfo(1).short_src, strange)\n")
        rules = self.write("rules.lua", "strange = 1 string.trim = function() end")
        self.assertEqual(self.ends(0, "run", "--rules", rules, script).out, "nil\thi\n\tscript.lua\tnil\n".replace("script.lua", script))

    def test_a_person_at_the_prompt_keeps_everything_and_rules_do_not_even_anew(self):
        rules = self.write("rules.lua", "kept = 5 function try() return pcall(os.execute) end print(try())")
        result = self.ends(0, "repl", "--rules", rules, stdin=b"=fields kept\nos.execute()\n:reload\ntry()\ndebug.getinfo(1).what\n")
        self.assertEqual(result.out.count("os.execute is off in rules"), 3, result.out)
        for words in ("5\n", "true\n", '"main"'):
            self.assertIn(words, result.out)
        result = self.ends(0, "repl", "--rules", rules, "-e", "try()", "-e", "io.popen('echo hi'):read()")
        self.assertEqual(result.out.count("os.execute is off in rules"), 2, result.out)
        self.assertIn('"hi"', result.out)

    def test_what_the_prompt_allows_counts_when_rules_are_loaded_anew(self):
        rules = self.write("rules.lua", "print((pcall(os.execute)))")
        self.assertEqual(self.ends(0, "repl", "--rules", rules, stdin=b":set rules_allow=execute\n:reload\n").lines[:2], ["false", "true"])


BOMBS = (
    "('a'):rep(30000):find '.-.-.-.-.-b'",
    "('a'):rep(30000):match '.*.*.*.*b'",
    "('a'):rep(300000):gsub('.-b', '')",
    "for x in ('a'):rep(300000):gmatch '.-b' do end",
    "string.find(('('):rep(300000), '%b()')",
    "('a'):rep(3000):find('(.*)(.*)%1%2b')",
    "('a'):rep(60000):find('[' .. ('b'):rep(60000) .. ']')",
    "('a'):rep(4000000):find(('a'):rep(2000000) .. 'b', 1, true)",
    "('a'):rep(4000000):find(('a'):rep(2000000) .. 'b')",
    "while true do local _ = ('a'):rep(3000):find '.-b' end",
    "while true do local _ = ('a'):rep(1000000):upper() end",
    "return #(''):rep(1 << 62) == 0 and #(''):rep(1 << 62, '') == 0 or nil, 'quick'",
    "table.move({}, 1, 1 << 60, 2)",
    "table.concat(setmetatable({}, { __index = rawlen }), '', 1, 1 << 60)",
    "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 'x')",
    "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
    "local t = {} for i = 1, 2000000 do t[i] = i end while true do table.sort(t) end",
    "local t = {} for i = 1, 2000000 do t[i] = i end while true do table.insert(t, 1, 1) end",
    "load(('x=1 '):rep(4000000))",
    "while true do collectgarbage() end",
)
HONEST = (
    "('x'):rep(60000):find '^x+$'", "('x y '):rep(10000):gsub('%s+', ' ')", "(' '):rep(500) .. 'x'",
    "('ann@client.test'):match '^[%w.+-]+@[%w-]+%.[%w.-]+$'", "('https://a.test/path?x=1'):match '^(%a[%w+.-]*)://([^/:]+):?(%d*)(/?.*)$'",
    "((' '):rep(300) .. ('word '):rep(60)):match '^%s*(.-)%s*$'", "('a=1;b=2;'):rep(2000):gsub('(%w+)=(%w+);', '%2=%1;')",
    "('x'):rep(1000000):find('needle', 1, true)", "table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ',')",
)


class Costs(Rules):
    def test_a_rule_that_would_run_for_hours_in_c_is_stopped(self):
        for bomb in BOMBS:
            began = time.monotonic()
            begin = "" if bomb.split()[0] in ("for", "while", "return", "local") else "local _ = "
            result = self.lookup(2, f"mtasts.on('policy', function() {begin}{bomb} end)")
            self.assertLess(time.monotonic() - began, 45, bomb)
            self.assertEqual(result.json[0]["from"], "network", bomb)
            if "quick" in bomb:
                self.assertIn("returned a boolean", result.error)
            else:
                self.assertRegex(result.error, "a rule was stopped: it (took more than 50 million steps|took too long|ran more than 50 million"
                                 "|took more than 64 MB)", bomb)

    def test_honest_patterns_are_not_hurt(self):
        calls = " ".join(f"for i = 1, 10 do local _ = {text} end" for text in HONEST)
        result = self.lookup(3, f"mtasts.on('policy', function() {calls} return mtasts.treat_as('none', 'all is well') end)")
        self.assertEqual(result.json[0].get("reason"), "all is well", result.error)

    def test_arguments_that_are_wrong_are_told_as_ever(self):
        for text, words in (("('x'):find()", "bad argument #1 to 'find'"), ("('x'):gsub('x')", "bad argument #2 to 'gsub'"),
                            ("('x'):find '['", "malformed pattern"), ("('x'):find '%'", "malformed pattern"),
                            ("('x'):match '(x'", "unfinished capture"), ("table.concat(nil)", "bad argument #1 to 'concat'"),
                            ("table.concat({}, '', 'x')", "bad argument #3 to 'concat'"), ("table.insert({})", "wrong number of arguments"),
                            ("string.rep()", "bad argument #1 to 'rep'"), ("('x'):rep(1 << 40)", "resulting string too large")):
            self.assertIn(words, self.lookup(2, f"mtasts.on('policy', function() local _ = {text} end)").error, text)

    def test_what_a_rule_uses_up_is_its_own(self):
        result = self.lookup(3, """
        mtasts.on('verdict', function() return mtasts.treat_as('none', 'heard') end)
        mtasts.on('policy', function() local _ = ('a'):rep(30000):find '.-.-.-b' end)
        """)
        self.assertEqual(result.json[0].get("reason"), "heard", result.error)


class Log(Rules):
    def test_a_rule_that_keeps_failing_is_logged_once_a_minute_for_each_place(self):
        rules = self.write("rules.lua", HEAD + """
        mtasts.on('policy', function(answer) if answer.domain:find 'b' then error 'of b' end
          error 'of others' end)
        """)
        script = self.write("script.lua", """
        local mtasts = require 'mtasts'
        local function ask(...) for _, name in ipairs { ... } do mtasts.lookup(name) end end
        ask('a.test', 'c.test', 'd.test', 'b.test', 'b2.test')
        """)
        result = self.ends(0, "run", "--rules", rules, script, allow_traceback=True)
        errors = [line for line in result.error.splitlines() if line.startswith("mtasts: error")]
        self.assertEqual(len(errors), 2, result.error)
        for line, words in zip(errors, ("a.test: rule 'policy' number 1 failed and counts as no opinion: rules.lua:9: of others | stack traceback:",
                                        "b.test: rule 'policy' number 1 failed and counts as no opinion: rules.lua:8: of b | stack traceback:")):
            self.assertIn(words.replace("rules.lua", rules), line)


if __name__ == "__main__":
    tools.main()
