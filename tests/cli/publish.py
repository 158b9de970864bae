#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts publish: policy, records, web servers; what it refuses, and why."""
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
import publishing  # noqa: E402
import tools  # noqa: E402
from publishing import policy  # noqa: E402


class Plain(publishing.Case):
    def test_the_mx_hosts_of_dns_stand_in_a_policy_in_mode_testing(self):
        self.domain()
        made = self.made(0, "a.test")
        self.assertEqual(made["policy"], "version: STSv1\r\nmode: testing\r\nmx: mx1.a.test\r\nmx: mx2.a.test\r\nmax_age: 86400\r\n")
        self.assertEqual([record["name"] for record in made["records"]], ["_mta-sts.a.test"])
        self.all_strict(made)

    def test_what_is_printed_is_fit_to_be_pasted(self):
        self.domain()
        result = self.publish(0, "a.test", "--tlsrpt", "mailto:tls@a.test")
        self.assertEqual(result.error, "")
        parts = dict(re.findall(r"^# \d\. ([^\n]+)\n(.*?)(?=\n# \d\. |\Z)", result.out, re.S | re.M))
        self.assertEqual(len(parts), 5, parts.keys())
        self.strict("policy", parts["The policy, https://mta-sts.a.test/.well-known/mta-sts.txt"])
        lines = [line for line in parts["The zone"].splitlines() if not line.startswith(";")]
        self.assertRegex(lines[0], r'^_mta-sts\.a\.test\. 3600 IN TXT "v=STSv1; id=\w{22};"$')
        self.assertEqual(lines[1], '_smtp._tls.a.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:tls@a.test"')
        for line in result.lines:
            self.assertLessEqual(len(line), 80, line)

    def test_modes_have_their_max_age(self):
        self.domain()
        for mode, age in (("testing", 86400), ("enforce", 604800), ("none", 86400)):
            made = self.made(0, "a.test", "--mode", mode)
            self.assertEqual((made["mode"], made["max_age"]), (mode, age))
            self.all_strict(made)
        self.assertEqual(self.made(0, "a.test", "--mode", "none")["mx"], [])
        self.assertIn("--mode", self.publish(64, "a.test", "--mdoe", "none").error)
        self.publish(64, "a.test", "--mode", "Enforce")

    def test_max_age_has_units_and_bounds(self):
        self.domain()
        for words, age in (("86400", 86400), ("12h", 43200), ("1d", 86400), ("2w", 1209600), ("90s", 90), ("0", 0), ("31557600", 31557600)):
            self.assertEqual(self.made(0, "a.test", "--max-age", words)["max_age"], age)
        for words in ("", "x", "-1", "1.5", "1m", "31557601", "366d", "53w", "99999999999", "1 d", "0x10", "1e3", "٣"):
            self.assertIn("--max-age", self.publish(64, "a.test", f"--max-age={words}").error)

    def test_odd_ages_are_remarked(self):
        self.domain()
        self.assertIn("is short", self.publish(1, "a.test", "--mode", "enforce", "--max-age", "3600").error)
        self.assertIn("is long", self.publish(1, "a.test", "--mode", "none", "--max-age", "4w").error)

    def test_servers_are_chosen(self):
        self.domain()
        self.assertEqual(set(self.made(0, "a.test")["servers"]), {"nginx", "caddy", "apache"})
        for name in ("nginx", "caddy", "apache"):
            self.assertEqual(set(self.made(0, "a.test", "--server", name)["servers"]), {name})
        self.assertEqual(self.made(0, "a.test", "--server", "none")["servers"], {})
        self.publish(64, "a.test", "--server", "iis")

    def test_names_become_a_labels(self):
        self.domain("xn--bcher-kva.test", mx=("mx.xn--bcher-kva.test",))
        made = self.made(0, "BÜCHER.test.", "--mx", "*.Bücher.test.", "--mx", "MX.bücher.test")
        self.assertEqual((made["domain"], made["mx"]), ("xn--bcher-kva.test", ["*.xn--bcher-kva.test", "mx.xn--bcher-kva.test"]))
        self.all_strict(made)
        self.assertEqual(made["records"][0]["name"], "_mta-sts.xn--bcher-kva.test")

    def test_wrong_domains(self):
        for name in ("", "a..test", "a b.test", "[192.0.2.1]", "192.0.2.1", "u@a.test", "-", "*.a.test", "\x1b[31m.test", "a" * 64 + ".test"):
            self.assertEqual(self.publish(64, "--", name).out, "")
        self.assertIn("too long", self.refused(2, ".".join(["a" * 61] * 4)))


class Patterns(publishing.Case):
    def test_given_ones_win(self):
        self.domain()
        made = self.made(0, "a.test", "--mx", "*.a.test", "--mx", "mx1.a.test,mx9.b.test", "--mx", "*.A.test")
        self.assertEqual(made["mx"], ["*.a.test", "mx1.a.test", "mx9.b.test"])
        self.all_strict(made)

    def test_invalid_ones_are_refused_with_the_reason(self):
        self.domain()
        for words, why in (("192.0.2.1", "an address"), ("[192.0.2.1]", "an address"), ("2001:db8::1", "an address"), ("a*.test", "whole label"),
                           ("*", "whole label"), ("*.*.a.test", "whole label"), ("mx_1.a.test", "no _"), ("", "no host name"),
                           ("mx1.a.test,", "no host name"), (".a.test", "no host name"), ("-a.test", "no host name"), ("*.", "whole label"),
                           ("a\nmx: b", "no host name"), ("x" * 64 + ".test", "no host name")):
            self.assertIn(why, self.refused(2, "a.test", f"--mx={words}"), words)

    def test_mx_hosts_outside_of_them(self):
        self.domain()
        self.assertIn("mx2.a.test", self.publish(1, "a.test", "--mx", "mx1.a.test").error)
        self.assertIn("mx2.a.test", self.refused(2, "a.test", "--mx", "mx1.a.test", "--mode", "enforce"))
        self.made(0, "a.test", "--mx", "*.a.test", "--mode", "enforce")
        self.made(0, "a.test", "--mx", "mx1.a.test", "--mode", "none")

    def test_no_mx(self):
        self.assertIn("no MX record", self.refused(2, "a.test"))
        self.world["dns"]["a.test A"] = ["192.0.2.1"]
        self.assertIn("or name the hosts with --mx", self.refused(2, "a.test"))
        self.assertIn("no MX record", self.publish(1, "a.test", "--mx", "a.test").error)
        self.assertIn("no MX record", self.refused(2, "a.test", "--mx", "a.test", "--mode", "enforce"))
        self.assertEqual(self.made(0, "a.test", "--mode", "none")["mx"], [])

    def test_null_mx(self):
        self.world["dns"]["a.test MX"] = ["0 ."]
        for words in ((), ("--mx", "mx1.a.test"), ("--mode", "enforce")):
            self.assertIn("null MX", self.refused(2, "a.test", *words))

    def test_an_mx_that_is_an_address_or_no_host_name(self):
        for mx in ("192.0.2.1", "[192.0.2.1]", "under_score.a.test"):
            self.world["dns"]["a.test MX"] = [f"10 {mx}", "20 mx2.a.test"]
            self.assertIn("cannot stand in a policy", self.refused(2, "a.test"))
            self.assertIn("no pattern permits", self.refused(2, "a.test", "--mx", "mx2.a.test", "--mode", "enforce"))

    def test_dns_that_fails_for_now(self):
        self.world["dns"]["a.test MX"] = "servfail"
        self.refused(4, "a.test")
        self.refused(4, "a.test", "--mx", "mx1.a.test", "--mode", "enforce")
        self.assertIn("cannot say now", self.publish(1, "a.test", "--mx", "mx1.a.test").error)

    def test_they_stand_by_preference(self):
        self.domain(mx=("b.a.test", "a.a.test", "c.a.test"))
        self.world["dns"]["a.test MX"] = ["20 b.a.test", "10 c.a.test", "20 a.a.test", "10 C.A.test."]
        self.assertEqual(self.made(0, "a.test")["mx"], ["c.a.test", "a.a.test", "b.a.test"])

    def test_many_hosts(self):
        hosts = [f"mx{i}.a.test" for i in range(50)]
        self.domain(mx=hosts)
        made = self.made(0, "a.test")
        self.assertEqual(sorted(made["mx"]), sorted(hosts))
        self.all_strict(made)


class Ids(publishing.Case):
    def test_a_fresh_one_fits_and_sorts(self):
        self.domain()
        first = self.made(0, "a.test")["id"]
        self.assertRegex(first, r"^20260601T000000[0-9]{6}Z$")
        self.world["now"] = "2026-06-01T00:00:01Z"
        self.assertGreater(self.made(0, "a.test")["id"], first)

    def test_those_of_the_same_second_differ(self):
        self.domain()
        self.made(0, "a.test")  # writes what is told
        with ThreadPoolExecutor(4) as pool:
            ids = [made["id"] for made in pool.map(lambda _: self.run_program("publish", "--json", "--rules", publishing.WORLD, "a.test",
                                                                              TOLD="told.json").json[0], range(24))]
        self.assertEqual(len(set(ids)), 24)

    def test_dns_that_cannot_say_which_is_live(self):
        self.domain()
        self.world["dns"]["_mta-sts.a.test TXT"] = "servfail"
        self.made(0, "a.test")
        self.assertIn("cannot say now which id is live", self.publish(1, "a.test", "--id", "a1").error)

    def test_an_alias_is_of_somebody_else(self):
        self.domain()
        self.world["dns"]["_mta-sts.a.test CNAME"] = "_mta-sts.provider.test"
        self.world["dns"]["_mta-sts.provider.test TXT"] = ["v=STSv1; id=p1;"]
        self.assertIn("is an alias of _mta-sts.provider.test", self.publish(1, "a.test").error)
        self.assertIn("in use", self.publish(2, "a.test", "--id", "p1").error)

    def test_a_given_one_is_checked(self):
        self.domain(live=policy("testing", "*.a.test"), id="live1")
        self.assertEqual(self.made(0, "a.test", "--id", "A" * 32)["id"], "A" * 32)
        for words in ("", "a-b", "a b", "A" * 33, "ä", "a;", "a\n"):
            self.assertIn("--id", self.publish(64, "a.test", f"--id={words}").error)
        self.assertIn("in use", self.refused(2, "a.test", "--id", "live1"))

    def test_the_live_one_is_known_even_if_its_policy_is_broken(self):
        self.domain(live="https-cert-expired", id="live1")
        self.assertIn("in use", self.refused(2, "a.test", "--id", "live1"))
        self.made(0, "a.test", "--id", "live2")


class Reporting(publishing.Case):
    def test_uris_stand_in_the_record(self):
        self.domain()
        made = self.made(0, "a.test", "--tlsrpt", "mailto:tls@a.test,https://r.test/v1", "--tlsrpt", "mailto:b@a.test")
        self.assertEqual(made["records"][1]["text"], "v=TLSRPTv1; rua=mailto:tls@a.test,https://r.test/v1,mailto:b@a.test")
        self.all_strict(made)

    def test_a_long_record_has_strings_of_255_bytes(self):
        self.domain()
        uris = ",".join(f"mailto:somebody-{i}@reports.a.test" for i in range(20))
        made = self.made(0, "a.test", "--tlsrpt", uris)
        strings = re.findall(r'"([^"]*)"', made["records"][1]["line"])
        self.assertEqual([len(string) for string in strings[:-1]], [255] * (len(strings) - 1))
        self.assertGreater(len(strings), 2)
        self.all_strict(made)

    def test_wrong_uris(self):
        self.domain()
        for words, why in (("tls@a.test", "begin it with mailto:"), ("http://r.test/", "neither"), ("mailto:", "neither"), ("", ""),
                           ("mailto:a!b@a.test", "%XX"), ("https://r.test/a;b", ""), ("mailto:a b@a.test", "%XX"), ("mailto:a@a.test,", ""),
                           ('mailto:"a"@a.test', ""), ("mailto:a\\b@a.test", "")):
            result = self.publish(64, "a.test", f"--tlsrpt={words}")
            self.assertIn("--tlsrpt", result.error)
            self.assertIn(why, result.error)
            self.assertNotIn("nil", result.error)


class Checked(publishing.Case):
    def test_mtasts_check_finds_nothing_wrong_with_what_is_published(self):
        self.domain("r.test", mx=("mx1.r.test",))
        # That is what it says of mode testing.
        testing = {"pol.mode.testing"}
        for mode, words, known in (("testing", (), testing), ("enforce", (), set()), ("testing", ("--mx", "*.a.test"), testing),
                                   ("enforce", ("--max-age", "4w"), set())):
            self.domain()
            made = self.made(0, "a.test", "--mode", mode, "--tlsrpt", "mailto:tls@a.test,mailto:tls@r.test", *words)
            for record in made["records"]:
                self.world["dns"][record["name"] + " TXT"] = [record["text"]]
            self.world["https"]["mta-sts.a.test"] = {"body": made["policy"], "type": "text/plain"}
            found = self.check()
            self.assertEqual((found["id"], found["mode"], found["policy"]), (made["id"], mode, made["policy"]))
            wrong = [finding["id"] for finding in found["findings"] if finding["severity"] != "info"
                     and finding["group"] in ("txt", "policy", "mx", "tlsrpt", "summary")]
            self.assertEqual(set(wrong) - known, set())
            self.assertGreater(len(found["passed"]), 40)
        self.world["https"]["mta-sts.a.test"]["body"] = "version: STSv1\n"
        self.assertGreater(self.check()["counts"]["error"], 0)

    def check(self):
        told = self.write("told.json", json.dumps(self.world))
        return self.run_program("check", "--json", "--rules", publishing.WORLD, "a.test", TOLD=told).json[0]


if __name__ == "__main__":
    tools.main()
