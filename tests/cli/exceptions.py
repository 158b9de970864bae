#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Exceptions that a file of rules declares: what they do, and how they are listed."""
import sys

sys.dont_write_bytecode = True
import tools  # noqa: E402

RULES = """
local mtasts = require 'mtasts'
mtasts.exception { domain = { 'Moved.Test.', '*.moved.test' }, mode = 'testing', reason = 'they move', until_ = '2100-01-31' }
mtasts.exception { domain = 'old.test', mode = 'none', reason = 'long ago', until_ = '2020-01-31' }
mtasts.exception { domain = 'moved.test', mode = 'none', reason = 'comes too late' }
"""
OVER = "the exception 'long ago' (treat as none) for old.test ended on 2020-01-31 and no longer counts"


class Exceptions(tools.Case):
    def setUp(self):
        super().setUp()
        self.rules = self.write("rules.lua", RULES)

    def reason(self, domain):
        result = self.run_program("lookup", "--cached", "--store", "none", "--json", "--rules", self.rules, domain)
        self.assertEqual(result.error.count(OVER), 1, result.error)
        return result.json[0].get("reason")

    def test_each_domain_is_treated_as_the_first_that_fits_says(self):
        for domain, reason in (("moved.test", "they move"), ("a.moved.test", "they move"), ("a.b.moved.test", None), ("test", None),
                               ("old.test", None)):
            self.assertEqual(self.reason(domain), reason, domain)

    def test_they_are_listed_for_people(self):
        result = self.ends(0, "store", "list", "--exceptions", "--rules", self.rules)
        self.assertEqual(result.lines, ["moved.test    testing  until 2100-01-31: they move", "*.moved.test  testing  until 2100-01-31: they move",
                                        "old.test      none     over since 2020-01-31: long ago", "moved.test    none     no end: comes too late"])
        self.assertEqual(result.error, "")
        result = self.ends(0, "store", "list", "--exceptions", "--rules", "none")
        self.assertEqual((result.out, result.error), ("", "mtasts: the rules declare no exceptions\n"))

    def test_they_are_listed_for_programs(self):
        found = self.ends(0, "store", "list", "--exceptions", "--json", "--rules", self.rules).json
        self.assertEqual(found[0], {"domain": "moved.test", "mode": "testing", "reason": "they move", "until": 4105123200, "over": False})
        self.assertEqual([(each["over"], each.get("until")) for each in found[2:]], [(True, 1580515200), (False, None)])

    def test_what_is_wrong_is_named_with_its_line(self):
        for told, says in (("", "table expected"), ("{ mode = 'none', reason = 'x' }", "'domain'"), ("{ domain = {}, mode = 'none' }", "'domain' is missing"),
                           ("{ domain = 'a..b', mode = 'none', reason = 'x' }", "'a..b' is no domain"),
                           ("{ domain = '[192.0.2.1]', mode = 'none', reason = 'x' }", "is no domain"),
                           ("{ domain = 'a.test', mode = 'nome', reason = 'x' }", "did you mean 'none'"),
                           ("{ domain = 'a.test', mode = 'none' }", "a reason expected"), ("{ domain = 'a.test', mode = 'none', reason = ' ' }", "a reason"),
                           ("{ domain = 'a.test', mode = 'none', reason = 'x', until_ = '2030-02-30' }", "YYYY-MM-DD"),
                           ("{ domain = 'a.test', mode = 'none', reason = 'x', ends = 1 }", "unknown field 'ends'"),
                           ("{ domain = 'a.test', mode = 'none', reason = 'x', untl_ = 1 }", "did you mean 'until_'")):
            rules = self.write("wrong.lua", f"\nrequire('mtasts').exception({told})\n")
            result = self.ends(64, "store", "list", "--exceptions", "--rules", rules, allow_traceback=True)
            self.assertRegex(result.error.splitlines()[0], r"wrong\.lua:2: bad argument #1 to 'exception' \(")
            self.assertIn(says, result.error)


if __name__ == "__main__":
    tools.main()
