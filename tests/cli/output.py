#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What each command prints, for people and as JSON, and its exit code, in a told world (world.lua)."""
import os
import sys
import time

sys.dont_write_bytecode = True
import tools  # noqa: E402

WORLD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "world.lua")
NOW = "1767225600"


class Told(tools.Case):
    def told(self, code, *words, **more):
        """In the told world; what it prints is fit for a terminal of 80 columns."""
        result = self.ends(code, words[0], "--rules", WORLD, *words[1:], **{"NOW": NOW, **more})
        self.fit(result)
        return result

    def fit(self, result):
        for text in (result.raw, result.raw_error):
            bad = [byte for byte in text if byte < 32 and byte != 10 or byte == 127]
            self.assertEqual(bad, [], "control characters")
            text.decode("utf-8")
        if not result.out.startswith("{"):
            for line in result.lines:
                self.assertLessEqual(len(line), 80, line)

    def says(self, result, *fragments):
        words = " ".join(result.out.split())
        for fragment in fragments:
            self.assertIn(fragment, words)


class Lookup(Told):
    def test_enforce(self):
        self.says(self.told(0, "lookup", "enforce.test"), "enforce.test: enforce — deliver only to the 2 permitted MX hosts over verified TLS",
                  "id e1, fetched 0 s ago, expires in 7 d", "✓ 10 mx1.enforce.test permitted", "✓ 20 mx2.enforce.test permitted")
        self.says(self.told(1, "lookup", "--probe", "enforce.test"), "the 1 permitted MX host over verified TLS",
                  "✓ 10 mx1.enforce.test permitted, TLS verified", "✗ 20 mx2.enforce.test the mail host's certificate has expired",
                  "[cert-expired]")

    def test_testing(self):
        self.says(self.told(0, "lookup", "testing.test"), "testing.test: testing — deliver as without MTA-STS and report failures")
        self.says(self.told(1, "lookup", "--probe", "testing.test"), "✗ 10 mx1.testing.test", "[starttls-missing]")

    def test_none(self):
        self.says(self.told(3, "lookup", "none.test"), "none.test: none — the domain asks for no MTA-STS; deliver as usual")
        self.says(self.told(3, "lookup", "plain.test"), "plain.test: no MTA-STS; deliver as usual", "[record-none]")

    def test_defer(self):
        self.says(self.told(2, "lookup", "moved.test"), "moved.test: enforce — hold the mail: no MX host may be used now",
                  "✗ 10 mx.elsewhere.test the MX is not in the policy")

    def test_rule(self):
        result = self.told(1, "lookup", "ruled.test")
        self.says(result, "ruled.test: testing", "a rule decided: their MX moved, their postmaster knows;", "expires in 32 d")
        self.assertNotIn("\x1b", result.out)

    def test_failures(self):
        self.says(self.told(2, "lookup", "broken.test"), "no policy could be learned; deliver as without MTA-STS", "[https-cert-expired]")
        self.says(self.told(4, "lookup", "lost.test"), "[dns-servfail]")

    def test_hostile_bytes_of_others_are_shown_as_text(self):
        self.says(self.told(2, "lookup", "--trace", "evil.test"), r"\x1b]0;owned\x07", "[record-syntax]")
        self.told(2, "lookup", "--trace", "evil2.test")
        self.told(2, "lookup", "--trace", "evil3.test")
        for domain in ("evil.test", "evil2.test", "evil3.test", "ruled.test"):
            for word in ("--json", "--trace"):
                result = self.run_program("lookup", "--rules", WORLD, word, "--trace", domain, NOW=NOW)
                self.fit(result)

    def test_hostile_bytes_of_an_argument_are_not_echoed(self):
        hostile = "a\x1b[31m\u009b\u202e.t\x7fest"
        result = self.told(64, "lookup", hostile)
        self.assertNotIn("\u009b", result.error)
        self.assertNotIn("\u202e", result.error)
        self.assertEqual(self.told(64, "lookup", "--json", hostile).raw.count(b"\xc2"), 0)
        for words in (["probe", hostile], ["match", hostile, "a.test"], ["store", "show", hostile], [hostile], ["lookup", "--set", hostile]):
            result = self.ends(64, *words)
            self.fit(result)
            self.assertNotIn("\u009b", result.error + result.out)

    def test_several_domains_keep_their_order_and_the_worst_code_counts(self):
        result = self.told(2, "lookup", "--json", "none.test", "moved.test", "enforce.test")
        self.assertEqual([line["domain"] for line in result.json], ["none.test", "moved.test", "enforce.test"])
        self.assertEqual([line["action"] for line in result.json], ["deliver", "defer", "require"])
        self.assertEqual([line["domain"] for line in self.told(64, "lookup", "--json", "a..b", "enforce.test").json], ["a..b", "enforce.test"])

    def test_json_is_one_object_with_its_fields(self):
        (answer,) = self.told(1, "lookup", "--json", "--trace", "--probe", "enforce.test").json
        self.assertEqual((answer["action"], answer["mode"], answer["id"], answer["from"]), ("require", "enforce", "e1", "network"))
        self.assertEqual((answer["patterns"], answer["max_age"]), (["*.enforce.test"], 604800))
        self.assertEqual((answer["fetched_at"], answer["expires_at"]), (int(NOW), int(NOW) + 604800))
        self.assertEqual([host["name"] for host in answer["hosts"]], ["mx1.enforce.test", "mx2.enforce.test"])
        self.assertTrue(answer["hosts"][0]["tls"]["ok"])
        self.assertEqual(answer["hosts"][1]["error"]["code"], "cert-expired")
        self.assertIn("policy", [step["what"] for step in answer["trace"]])
        (answer,) = self.told(3, "lookup", "--json", "plain.test").json
        self.assertEqual((answer["patterns"], answer["action"], answer["refresh_error"]["code"]), ([], "deliver", "record-none"))
        self.assertNotIn("mode", answer)
        self.assertNotIn("trace", answer)

    def test_cached_asks_nobody(self):
        self.told(4, "lookup", "--cached", "enforce.test")
        store = os.path.join(self.folder, "s.db")
        self.told(0, "lookup", "enforce.test", STORE=store)
        self.assertEqual(self.told(0, "lookup", "--cached", "--json", "enforce.test", STORE=store).json[0]["from"], "store")


class Probe(Told):
    def test_good(self):
        result = self.told(0, "probe", "mx1.enforce.test")
        self.says(result, "mx1.enforce.test: ✓ STARTTLS, certificate verified", "protocol TLSv1.3", "names mx1.enforce.test")
        columns = {line.index(line.split()[1]) for line in result.lines[1:]}
        self.assertEqual(len(columns), 1, "the values stand below each other")

    def test_bad(self):
        self.says(self.told(2, "probe", "mx2.enforce.test"), "✗ the mail host's certificate has expired", "[cert-expired]")
        (tls,) = self.told(2, "probe", "--json", "mx2.enforce.test:2525").json
        self.assertEqual((tls["ok"], tls["host"], tls["error"]["code"]), (False, "mx2.enforce.test", "cert-expired"))

    def test_could_not_tell(self):
        self.says(self.told(4, "probe", "nowhere.test"), "✗")
        (tls,) = self.told(4, "probe", "--json", "nowhere.test").json
        self.assertIn("error", tls)


class Match(Told):
    def test_match(self):
        self.assertEqual(self.ends(0, "match", "*.a.test", "X.A.test.").out, "x.a.test matches *.a.test\n")
        self.assertIn("*.xn--bcher-kva.test", self.ends(0, "match", "b.test,*.bücher.test", "mx.BÜCHER.test").out)
        self.assertEqual(self.ends(1, "match", "*.a.test", "y.x.a.test").out, "y.x.a.test matches none of the patterns\n")
        self.assertEqual(self.ends(0, "match", "--json", "*.a.test", "x.a.test").json, [{"host": "x.a.test", "matches": True, "pattern": "*.a.test"}])
        self.assertEqual(self.ends(1, "match", "--json", "a.test", "x.a.test").json, [{"host": "x.a.test", "matches": False}])


class Parse(Told):
    POLICY = b"version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 604800\n"

    def judged(self, code, kind, text, strict, default):
        result = self.ends(code, "parse", kind, "--json", stdin=text)
        (verdict,) = result.json
        self.assertEqual((verdict["strict"], verdict["default"]), (strict, default))
        self.assertIsInstance(verdict["deviations"], list)
        self.fit(result)
        self.fit(self.ends(code, "parse", kind, stdin=text))
        return verdict

    def test_verdicts(self):
        self.assertEqual(self.judged(0, "policy", self.POLICY, "accept", "accept")["mx"], ["mx.a.test"])
        verdict = self.judged(2, "policy", self.POLICY.replace(b"\nmx", b"\n\nmx"), "reject", "accept")
        self.assertEqual([(d["code"], d["line"], d["column"]) for d in verdict["deviations"]], [("policy-blank-line", 3, 1)])
        self.assertEqual(self.judged(2, "policy", b"", "reject", "reject")["error"]["code"][:7], "policy-")
        self.assertEqual(self.judged(0, "record", b"v=STSv1; id=1;\r\n", "accept", "accept")["id"], "1")
        self.judged(2, "record", b"v=STSv1; id=\x1b[31m\x9b;", "reject", "reject")
        self.assertEqual(self.judged(0, "tlsrpt", b"v=TLSRPTv1; rua=mailto:a@b.test", "accept", "accept")["rua"], ["mailto:a@b.test"])
        self.judged(2, "tlsrpt", b"v=TLSRPTv1; rua=\x1b[31m", "reject", "reject")

    def test_destination_is_judged_like_the_others(self):
        self.assertEqual(self.judged(0, "destination", b"User@A.test\n", "accept", "accept"),
                         {"strict": "accept", "default": "accept", "deviations": [], "kind": "domain", "domain": "a.test"})
        self.assertEqual(self.judged(0, "destination", b"[a.test]:587", "accept", "accept")["port"], 587)
        self.assertEqual(self.judged(0, "destination", b"[192.0.2.1]", "accept", "accept")["kind"], "literal")
        verdict = self.judged(2, "destination", b"a..\x1b[31mb", "reject", "reject")
        self.assertEqual((verdict["kind"], verdict["error"]["code"]), ("invalid", "name-syntax"))

    def test_set_of_records(self):
        self.assertEqual(self.ends(0, "parse", "record", "--set", "--json", stdin=b'[["v=STSv1; ", "id=7;"], ["v=spf1 -all"]]').json[0]["id"], "7")
        self.assertEqual(self.ends(2, "parse", "record", "--set", "--json", stdin=b"[]").json[0]["error"]["code"], "record-none")
        for text in (b"", b"[", b"{}x", b"3", b'["a"]', b"[[1]]", b"[[\"a\"], 7]", b"[" * 100000):
            self.ends(64, "parse", "record", "--set", stdin=text)
        self.ends(64, "parse", "policy", "--set", stdin=b"[]")

    def test_from_a_file_and_from_standard_input(self):
        self.write("policy.txt", self.POLICY)
        from_file = self.ends(0, "parse", "policy", "policy.txt").out
        self.assertIn("fits the RFC to the letter", from_file)
        self.assertEqual(from_file, self.ends(0, "parse", "policy", "-", stdin=self.POLICY).out)
        self.assertEqual(from_file, self.ends(0, "parse", "policy", stdin=self.POLICY).out)

    def test_an_input_over_the_limit_is_not_cut_silently(self):
        limit = 1 << 20
        for where in ("file", "-"):
            for kind in ("policy", "record", "tlsrpt", "destination"):
                name = self.write("big.txt", self.POLICY + b"x" * limit) if where == "file" else "-"
                result = self.ends(64, "parse", kind, name, stdin=self.POLICY + b"x" * limit)
                self.assertIn("longer than 1048576 bytes", result.error)
        # Beyond what a policy may be, the verdict says that.
        verdict = self.judged(2, "policy", self.POLICY + b"x: " + b"y" * 65536 + b"\n", "reject", "reject")
        self.assertEqual(verdict["error"]["code"], "policy-size")
        self.judged(2, "policy", self.POLICY + b"z" * (limit - len(self.POLICY)), "reject", "reject")


class Store(Told):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder, "s.db")
        self.now = str(int(time.time()))
        self.told(2, "lookup", "enforce.test", "testing.test", "none.test", "plain.test", "broken.test", "lost.test", STORE=self.store,
                  NOW=self.now)

    def of(self, code, *words):
        result = self.ends(code, "store", "--store", self.store, *words)
        self.fit(result)
        return result

    def test_list(self):
        result = self.of(0, "list")
        self.says(result, "enforce.test: enforce, id e1, expires in ", "testing.test: testing, id t1", "none.test: none, id n1",
                  "plain.test: no policy", "broken.test: no policy", "[https-cert-expired]")
        entries = {entry["domain"]: entry for entry in self.of(0, "list", "--json").json}
        self.assertEqual(entries["enforce.test"]["patterns"], ["*.enforce.test"])
        self.assertEqual(entries["enforce.test"]["expires_at"], int(self.now) + 604800)
        self.assertEqual(entries["plain.test"]["patterns"], [])
        self.assertEqual(entries["broken.test"]["refresh_error"]["code"], "https-cert-expired")

    def test_show(self):
        self.says(self.of(0, "show", "User@Enforce.test"), "enforce.test: enforce, id e1", "fetched", "ago", "mx *.enforce.test")
        result = self.of(3, "show", "none.test", "nix.test")
        self.says(result, "none.test: none")
        self.assertEqual(result.error, "mtasts: nix.test: not in the store [store-none]\n")
        self.assertEqual(self.of(0, "show", "--json", "enforce.test").json[0]["mode"], "enforce")

    def test_stats(self):
        (stats,) = self.of(0, "stats", "--json").json
        self.assertEqual((stats["policies"], stats["enforce"], stats["testing"], stats["none"]), (3, 1, 1, 1))
        self.assertEqual(stats["file"], self.store)
        self.says(self.of(0, "stats"), "policies 3", "enforce 1", "file " + self.store)

    def test_flush(self):
        self.assertEqual(self.of(0, "flush", "enforce.test").out, "1 domain forgotten\n")
        self.of(3, "show", "enforce.test")
        self.of(0, "show", "testing.test")
        self.assertEqual(self.of(0, "flush", "--json", "testing.test", "none.test", "nix.test").json, [{"removed": 2}])
        self.of(0, "flush", "--all")
        self.assertEqual(self.of(0, "list").out, "")

    def test_a_script_may_do_without_a_trace(self):
        self.write("script.lua", """
            local mtasts = require 'mtasts'
            local world <close> = mtasts.fake {
              dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' } },
              https = { ['mta-sts.a.test'] = 'version: STSv1\\nmode: enforce\\nmx: mx1.a.test\\nmax_age: 604800\\n' },
            }
            local without, with = mtasts.lookup('a.test', { trace = false }), mtasts.lookup 'a.test'
            print(#without.trace, #with.trace > 0, without.mode == with.mode, pcall(function() without.trace[1] = 'x' end))
        """)
        self.assertTrue(self.ends(0, "run", "script.lua").out.startswith("0\ttrue\ttrue\tfalse\t"))

    def test_a_named_domain_that_cannot_be_asked_for_is_a_failure(self):
        result = self.ends(1, "store", "refresh", "nobody.test", "--nameserver", "[127.0.0.1]:1", "--set", "dns_deadline_ms=300", "--store", "s.db")
        self.assertEqual(result.lines[0], "1 domain looked at anew, 1 failed")
        self.assertIn("[dns-timeout]", result.out)

    def test_refresh(self):
        self.assertEqual(self.of(0, "refresh").out, "0 domains looked at anew, 0 failed\n")
        later = {"STORE": self.store, "NOW": self.now, "LATER": str(2 * 86400)}
        result = self.told(0, "store", "--json", "refresh", **later)
        self.assertGreaterEqual(result.json[0]["refreshed"], 2)
        self.assertEqual(self.of(0, "show", "--json", "enforce.test").json[0]["fetched_at"], int(self.now) + 2 * 86400)

    def test_refresh_that_fails_is_seen_in_the_list(self):
        later = {"STORE": self.store, "NOW": self.now, "LATER": str(2 * 86400), "DOWN": "1"}
        self.says(self.told(1, "store", "refresh", **later), "enforce.test: the policy host cannot be reached", "its policy expires in")
        entry = self.of(0, "show", "--json", "enforce.test").json[0]
        self.assertEqual((entry["mode"], entry["refresh_error"]["code"]), ("enforce", "https-connect"))
        self.assertEqual(entry["fetched_at"], int(self.now))
        self.says(self.of(0, "list"), "enforce.test: enforce", "[https-connect]")

    def test_an_answer_of_the_store_loads_no_network(self):
        script = self.write("s.lua", "print(require 'mtasts'.lookup('enforce.test', { depth = 'policy', freshness = ... }).from)\n"
                            "for line in io.lines '/proc/self/maps' do print(line) end")
        settings = ["--store", self.store, "--set", "log=none", "--set", "mail_deadline_ms=300",
                    "--nameserver", "127.0.0.1:1"]
        for freshness, loaded in (("cache-only", False), ("always", True)):
            out = self.ends(0, "run", *settings, script, freshness).out
            self.assertTrue(out.startswith("store\n"), out[:100])
            for library in ("mtasts-net.so", "libgetdns", "libcurl", "libssl"):
                self.assertEqual(library in out, loaded, library)

    def test_alarm_of_a_refresh_that_keeps_failing(self):
        rules = self.write("alarm.lua", "dofile '%s'\nrequire 'mtasts'.on('alarm', function(domain, info)\n"
                           "print('ALARM', domain, info.error.code) end)" % WORLD)
        for day in (1, 2, 3):
            result = self.run_program("store", "--rules", rules, "refresh", STORE=self.store, NOW=self.now, DOWN="1",
                                      LATER=str(day * 90000))
            self.assertIn(result.code, (0, 1), result.error)
            self.assertEqual("ALARM\tenforce.test\thttps-connect" in result.out, day > 1, result.out)

    def test_no_store(self):
        result = self.ends(3, "--store", "none", "store", "list")
        self.assertIn("[store-none]", result.error)
        self.ends(2, "--store", os.path.join(self.folder, "no/such/folder/s.db"), "store", "list")
        self.write("text.db", "this is no database" * 1000)
        self.ends(2, "--store", os.path.join(self.folder, "text.db"), "store", "list")


class Run(Told):
    def test_arguments_and_module(self):
        script = self.write("s.lua", "local a, b = ...\nprint(a, b, #arg, arg[0] ~= nil, require 'mtasts'.version)")
        self.assertRegex(self.ends(0, "run", script, "x", "--json").out, r"^x\t--json\t2\ttrue\t\d")
        self.assertEqual(self.ends(0, "run", "-", stdin=b"print(7)").out, "7\n")

    def test_a_script_that_fails_shows_where(self):
        script = self.write("s.lua", "\nerror 'broken'")
        result = self.run_program("run", script)
        self.assertEqual(result.code, 1)
        self.assertIn("s.lua:2: broken", result.error)
        self.assertIn("stack traceback", result.error)
        self.assertEqual(self.run_program("run", "missing.lua").code, 1)

    def test_results_of_a_script(self):
        script = self.write("s.lua", "os.exit(7)")
        self.assertEqual(self.run_program("run", script).code, 7)


if __name__ == "__main__":
    tools.main()
