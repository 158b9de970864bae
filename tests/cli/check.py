#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts check: what it prints, for people, programs and monitoring, its options and exit codes, in a told world (check_world.lua)."""
import os
import re
import sys
import unicodedata

sys.dont_write_bytecode = True
import terminal  # noqa: E402
import tools  # noqa: E402

WORLD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "check_world.lua")
GROUPS = ("input", "txt", "https", "policy", "mx", "smtp", "dane", "tlsrpt", "summary")


class Told(tools.Case):
    def told(self, code, *words, **more):
        """In the told world; nothing that comes out does more to a terminal than to be read."""
        result = self.ends(code, "check", "--rules", WORLD, *words, **more)
        for text in (result.raw, result.raw_error):
            self.assertEqual([byte for byte in text if byte < 32 and byte != 10 or byte == 127], [], "control characters")
            for char in text.decode("utf-8"):
                self.assertFalse(char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs"), repr(char))
        return result

    def fits(self, result):
        for line in result.lines:
            self.assertLessEqual(len(line), 80, line)
            self.assertEqual(line, line.rstrip())
        return " ".join(result.out.split())


class ForPeople(Told):
    def test_a_good_domain(self):
        words = self.fits(self.told(0, "good.test"))
        for fragment in ("good.test: all is well, 3 notes, mode enforce", "record v=STSv1; id=1; (TTL 5 min)", "https://mta-sts.good.test/.well-known/mta-sts.txt (192.0.2.80",
                         "mode: enforce mx: mx1.good.test", "✓ good", "✓ deliver 10 mx1.good.test TLSv1.3, certificate valid for 60 d",
                         "A sender without a cached policy fetches the policy, then delivers over verified TLS to mx1.good.test, mx2.good.test.",
                         "A sender that has cached a policy delivers"):
            self.assertIn(fragment, words)
        self.assertNotIn("✗", words)

    def test_findings_have_sign_and_word_the_worst_first(self):
        result = self.told(2, "broken.test")
        words = self.fits(result)
        self.assertIn("✗ error pol.blank line 7 is blank", words)
        self.assertIn("✗ error smtp.chain mx2.broken.test: the certificate expired 3 d ago Mend: Install a current certificate", words)
        self.assertIn("! warning pol.dup line 6", words)
        self.assertIn("✗ refuse 20 mx2.broken.test", words)
        signs = [line[2] for line in result.lines if re.match("  [✗?!i✓] (error|unknown|warning|note|good)", line)]
        self.assertEqual(signs, sorted(signs, key="✗?!i✓".index))
        for sign, word in (("✗", "error"), ("!", "warning"), ("i", "note"), ("✓", "good")):
            self.assertIn(f"  {sign} {word}", result.out)

    def test_exit_codes(self):
        self.assertIn("warning", self.fits(self.told(1, "testing.test")))
        self.assertIn("no MTA-STS", self.fits(self.told(3, "plain.test")))
        self.assertIn("? unknown smtp.connect", self.fits(self.told(4, "blocked.test")))
        self.assertIn("[dns-servfail]", self.fits(self.told(2, "lost.test")))

    def test_the_worst_of_several_counts_and_bad_names_are_told(self):
        result = self.told(2, "good.test", "broken.test", "plain.test")
        self.fits(result)
        self.assertLess(result.out.index("good.test:"), result.out.index("broken.test:"))
        result = self.told(64, "a..b", "good.test")
        self.assertIn("good.test:", result.out)
        self.assertIn("mtasts: a..b: not a domain name [name-syntax]", result.error)

    def test_forms_of_a_domain(self):
        self.assertIn("xn--bcher-kva.test (bücher.test): ", self.fits(self.told(0, "Bücher.test.")))
        self.assertIn("xn--bcher-kva.test (bücher.test): all is well, 3 notes", self.fits(self.told(0, "xn--bcher-kva.test")))
        self.assertIn("i note in.domain a mail address was given", self.fits(self.told(0, "me@good.test")))
        self.told(0, "https://good.test/")

    def test_bytes_of_others_do_nothing(self):
        for words in ([], ["--json"], ["--nagios"], ["--prometheus"], ["-v"]):
            result = self.run_program("check", "--rules", WORLD, *words, "evil.test", "a\x1b[31mb\x9b.test")
            for text in (result.raw, result.raw_error):
                self.assertEqual([byte for byte in text if byte < 32 and byte != 10 or byte == 127], [], words)
                self.assertNotIn("\u202e", text.decode("utf-8"))
                self.assertNotIn("\u009b", text.decode("utf-8"))
        self.fits(self.told(2, "-v", "evil.test"))

    def test_long_words_are_folded(self):
        self.fits(self.told(2, "-v", "long.test"))

    def test_verbose_names_what_was_fine(self):
        self.assertNotIn("txt.count", self.told(0, "good.test").out)
        words = self.fits(self.told(0, "-v", "good.test"))
        for fragment in ("txt.count", "https 192.0.2.80: status 200, connected after 0 ms", "certificate of CN=Told CA for mta-sts.good.test until 2026-03-02",
                         'smtp mx1.good.test [192.0.2.1]: connected after 0 ms, all 0 ms; "220 mx1.good.test ESMTP"'):
            self.assertIn(fragment, words)


class OnATerminal(Told):
    def screen(self, *words, **more):
        screen = terminal.Terminal(self.command("check", "--rules", WORLD, *words), env={**self.environment, **more}, cwd=self.folder)
        while screen.read(20):
            pass
        screen.process.wait(20)
        return screen.raw

    def test_colour_and_progress(self):
        raw = self.screen("broken.test")
        self.assertIn(b"\x1b[31m", raw)
        self.assertRegex(raw, rb"\r\x1b\[K\d+ of \d+ answers")
        self.assertGreater(raw.index(b"broken.test"), raw.rindex(b"answers"))

    def test_no_colour_when_it_is_not_wanted(self):
        for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn(b"\x1b[31m", self.screen("broken.test", **more))
        self.assertNotIn(b"\x1b[31m", self.screen("--json", "broken.test"))

    def test_neither_where_it_is_none(self):
        result = self.told(2, "broken.test")
        self.assertEqual(result.error, "")
        self.assertNotIn("\x1b", result.out)


class Options(Told):
    def ids(self, *words, code=None):
        result = self.run_program("check", "--rules", WORLD, "--json", *words)
        if code is not None:
            self.assertEqual(result.code, code, result.error)
        (checked,) = result.json
        return checked, {finding["id"] for finding in checked["findings"]} | set(checked["passed"])

    def test_only_and_skip(self):
        _, made = self.ids("--only", "txt.count,pol.mode", "good.test", code=0)
        self.assertEqual(made, {"txt.count", "pol.mode"})
        _, made = self.ids("--only", "pol", "--only=mx", "--skip", "pol.mx", "good.test", code=0)
        self.assertIn("pol.mode", made)
        self.assertIn("mx.match", made)
        self.assertNotIn("pol.mx.syntax", made)
        self.assertNotIn("txt.count", made)
        self.ids("--skip", "policy,smtp,summary", "broken.test", code=0)

    def test_wrong_ids_name_the_nearest(self):
        for option in ("--only", "--skip"):
            result = self.told(64, option, "txt.cuont", "good.test")
            self.assertEqual(result.error, f"mtasts: {option}: there is no check 'txt.cuont', did you mean 'txt.count'?\n")
        self.assertIn("did you mean 'policy'", self.told(64, "--only", "polcy", "good.test").error)

    def test_wrong_options(self):
        self.assertIn("which domain", self.told(64).error)
        self.assertIn("did you mean 'warn'", self.told(64, "--fail-on", "wran", "good.test").error)
        self.assertIn("3600", self.told(64, "--timeout", "0", "good.test").error)
        self.assertIn("soon", self.told(64, "--timeout", "soon", "good.test").error)
        for words in (["-4", "-6"], ["--nagios", "--prometheus"], ["--json", "--nagios"]):
            self.told(64, *words, "good.test")
        self.assertIn("Did you mean '--nagios'", self.told(64, "--nagos", "good.test").error)
        self.assertIn("No such file", self.told(64, "-f", "missing").error)

    def test_families_and_no_smtp(self):
        checked, _ = self.ids("-4", "good.test")
        self.assertEqual(checked["hosts"][0]["addresses"], ["192.0.2.1"])
        checked, _ = self.ids("-6", "good.test")
        self.assertEqual(checked["hosts"][0]["addresses"], [])
        checked, made = self.ids("--no-smtp", "good.test", code=0)
        self.assertNotIn("smtp.chain", made)
        self.assertEqual(checked["hosts"][0]["would"], "unknown")

    def test_known_id_and_inject(self):
        checked, _ = self.ids("--known-id", "1", "good.test", code=1)
        self.assertEqual(checked["findings"][0]["id"], "txt.idfresh")
        self.ids("--known-id", "0", "good.test", code=0)
        _, made = self.ids("--inject", "good.test", code=0)
        self.assertIn("smtp.inject", made)

    def test_fail_on(self):
        for level, domain, code in (("error", "testing.test", 0), ("warn", "testing.test", 1), ("info", "good.test", 1), ("never", "broken.test", 0),
                                    ("error", "broken.test", 2), ("error", "blocked.test", 0), ("unknown", "blocked.test", 4),
                                    ("error", "plain.test", 3), ("never", "plain.test", 0)):
            self.told(code, "--fail-on", level, domain)

    def test_batches(self):
        domains = self.write("domains", "# mine\ngood.test\r\n\n testing.test # theirs\n")
        names = [line["domain"] for line in self.told(1, "--json", "-f", domains, "plain.test").json]
        self.assertEqual(names, ["plain.test", "good.test", "testing.test"])
        many = "".join("good.test\n" for _ in range(50)).encode()
        result = self.told(0, "--json", "-f", "-", stdin=many)
        self.assertEqual([line["domain"] for line in result.json], ["good.test"] * 50)
        self.assertIn("which domain", self.told(64, "-f", "-", stdin=b"# nothing\n").error)

    def test_list(self):
        rows = self.told(0, "--list", "--json").json
        self.assertEqual(len(rows), 89)
        self.assertEqual(len({row["id"] for row in rows}), 89)
        self.assertEqual(list(dict.fromkeys(row["group"] for row in rows)), list(GROUPS))
        for row in rows:
            self.assertEqual(set(row), {"id", "group", "severity", "ref", "title", "fix"})
            self.assertNotIn("{", row["title"] + row["fix"])
        result = self.told(0, "--list")
        self.fits(result)
        for row in rows:
            self.assertRegex(result.out, rf"(?m)^  {re.escape(row['id'])} +{row['severity']} ")


class ForPrograms(Told):
    def test_json(self):
        lines = self.told(64, "--json", "broken.test", "a..b", "good.test").json
        self.assertEqual(lines[1], {"domain": "a..b", "error": {"code": "name-syntax", "message": "not a domain name", "temporary": False}})
        broken = lines[0]
        self.assertEqual((broken["domain"], broken["asked"], broken["mode"], broken["max_age"]), ("broken.test", "broken.test", "enforce", 2592000))
        self.assertEqual(broken["counts"]["error"], sum(finding["severity"] == "error" for finding in broken["findings"]))
        self.assertEqual(broken["days_left"], {"policy_host": 60, "mx1.broken.test": 60, "mx2.broken.test": -3})
        finding = next(finding for finding in broken["findings"] if finding["id"] == "smtp.chain")
        self.assertEqual((finding["group"], finding["severity"], finding["subject"], finding["ref"]), ("smtp", "error", "mx2.broken.test", "RFC 8461 4.2"))
        self.assertTrue(finding["fix"].endswith("."))
        self.assertEqual([host["would"] for host in broken["hosts"]], ["deliver", "refuse"])
        self.assertEqual(set(broken["senders"]), {"with_cache", "without_cache"})
        for key in ("findings", "passed", "skipped", "mx", "hosts"):
            self.assertIsInstance(lines[2][key], list)
        (plain,) = self.told(3, "--json", "plain.test").json
        self.assertEqual((plain["mx"], plain["present"]), ([], False))
        self.assertNotIn("policy", plain)

    def test_every_check_is_found_passed_or_skipped(self):
        for line in self.run_program("check", "--rules", WORLD, "--json", "good.test", "broken.test", "plain.test", "evil.test").json:
            ids = {finding["id"] for finding in line["findings"]} | set(line["passed"]) | set(line["skipped"])
            self.assertEqual(len(ids), 89)

    def test_nagios(self):
        for domain, code, word in (("good.test", 0, "OK"), ("testing.test", 1, "WARNING"), ("broken.test", 2, "CRITICAL"),
                                   ("plain.test", 2, "CRITICAL"), ("blocked.test", 3, "UNKNOWN"), ("a..b", 3, "UNKNOWN")):
            result = self.told(code, "--nagios", domain)
            self.assertEqual(result.out.count("\n"), 1)
            self.assertRegex(result.out, rf"^MTASTS {word} - {re.escape(domain)}: [^|]+ \| [^|]+\n$")
            for item in result.out.split("| ")[1].split():
                self.assertRegex(item, r"^('[^'=]+'|[^'= ]+)=-?\d+(;[\d:~@]*){0,4}$")
        self.assertIn("'days_mta-sts.good.test'=60;14:;0:", self.told(0, "--nagios", "good.test").out)
        self.assertEqual(self.told(2, "--nagios", "good.test", "broken.test").out.count("\n"), 1)
        self.told(0, "--nagios", "--fail-on", "error", "testing.test")

    SAMPLE = re.compile(r'^([a-z_][a-z0-9_]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?\d+)?)$')

    def metrics(self, result):
        """Each family stands in one piece, with its HELP and TYPE before it; no series comes twice."""
        samples, families, current = {}, [], None
        self.assertTrue(result.out.endswith("\n"))
        for line in result.lines:
            if line.startswith("# HELP "):
                current = line.split()[2]
                self.assertNotIn(current, families)
                families.append(current)
            elif line.startswith("# TYPE "):
                self.assertEqual(line, f"# TYPE {current} gauge")
            else:
                match = self.SAMPLE.match(line)
                self.assertTrue(match, line)
                self.assertEqual(match[1], current)
                self.assertNotIn((match[1], match[2]), samples)
                samples[match[1], match[2]] = float(match[3])
        return samples

    def test_prometheus(self):
        samples = self.metrics(self.told(64, "--prometheus", "good.test", "broken.test", "plain.test", 'a"\\b..', "good.test"))
        self.assertEqual(samples["mtasts_check_up", 'domain="good.test"'], 1)
        self.assertEqual(samples["mtasts_check_up", 'domain="a\\"\\\\b.."'], 0)
        self.assertEqual(samples["mtasts_check_present", 'domain="plain.test"'], 0)
        self.assertGreater(samples["mtasts_check_findings", 'domain="broken.test",severity="error"'], 1)
        self.assertEqual(samples["mtasts_check_certificate_days_left", 'domain="broken.test",host="mx2.broken.test",role="mx"'], -3)
        self.assertEqual(samples["mtasts_check_certificate_days_left", 'domain="good.test",host="mta-sts.good.test",role="policy"'], 60)
        self.assertEqual(samples["mtasts_check_policy_max_age_seconds", 'domain="good.test"'], 2592000)
        self.assertEqual(samples["mtasts_check_policy_mode", 'domain="good.test",mode="enforce"'], 1)


class Parse(tools.Case):
    POLICY = b"version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 2592000\n"

    def findings(self, code, kind, text, *words):
        (result,) = self.ends(code, "parse", kind, "--json", *words, stdin=text).json
        for line in self.ends(code, "parse", kind, *words, stdin=text).lines:
            self.assertLessEqual(len(line), 80, line)
        return [finding["id"] for finding in result["findings"]]

    def test_a_policy_gets_findings(self):
        self.assertEqual(self.findings(0, "policy", self.POLICY), [])
        self.assertEqual(self.findings(2, "policy", self.POLICY + b"\n"), ["pol.blank"])
        self.assertEqual(self.findings(2, "policy", self.POLICY.replace(b"enforce", b"live")), ["pol.mode"])
        self.assertEqual(self.findings(2, "policy", b"<html>"), ["pol.html"])
        self.assertEqual(self.findings(2, "policy", self.POLICY.replace(b"mx.a.test", b"mx.example.com")), ["pol.mx.placeholder"])

    def test_records_get_findings(self):
        self.assertEqual(self.findings(0, "record", b"v=STSv1; id=1;\n"), [])
        self.assertEqual(self.findings(2, "record", b"v=STSv1; id=a-b;"), ["txt.id"])
        self.assertEqual(self.findings(2, "record", b'[["v=STSv1; id=1;"], ["v=STSv1; id=2;"]]', "--set"), ["txt.count"])
        self.assertEqual(self.findings(2, "tlsrpt", b"v=TLSRPTv1; rua=a@b.test"), ["rpt.uri"])

    def test_fail_on_lets_findings_decide(self):
        testing = self.POLICY.replace(b"enforce", b"testing")
        self.assertEqual(self.findings(0, "policy", testing), ["pol.mode.testing"])
        self.findings(1, "policy", testing, "--fail-on", "warn")
        self.findings(0, "policy", testing, "--fail-on", "error")
        self.findings(2, "policy", self.POLICY + b"\n", "--fail-on", "error")
        self.findings(0, "policy", self.POLICY + b"\n", "--fail-on", "never")
        self.assertIn("did you mean 'warn'", self.ends(64, "parse", "policy", "--fail-on", "wan", stdin=b"").error)


if __name__ == "__main__":
    tools.main()
