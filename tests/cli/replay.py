# SPDX-License-Identifier: ISC
"""mtasts replay: what rules make of a recorded session of OpenSMTPD, without a mail server. The example rules, too."""
import os

import tools

EXAMPLES = os.path.realpath(f"{os.path.dirname(os.path.realpath(__file__))}/../../examples")
WORLD = """
world = require 'mtasts'.fake {
  dns = { ['_mta-sts.strict.test TXT'] = { 'v=STSv1; id=1;' }, ['strict.test MX'] = { '10 mx.strict.test' } },
  https = { ['mta-sts.strict.test'] = 'version: STSv1\\nmode: enforce\\nmx: mx.strict.test\\nmax_age: 604800\\n' },
}
"""


def line(phase, value, session=1, second=0):
    return f"filter|0.7|15761460{second:02}.006099|smtp-in|{phase}|{session:016x}|1ef1c203cc576e5d|{value}\n"


def report(event, fields, session=1, subsystem="smtp-in"):
    return f"report|0.7|1576146008.006099|{subsystem}|{event}|{session:016x}|{fields}\n"


def recorded(decision, session=1):
    return f"filter-result|{session:016x}|1ef1c203cc576e5d|{decision}\n"


SESSION = ("config|smtpd-version|7.4.0-portable\nconfig|subsystem|smtp-in\nconfig|subsystem|smtp-out\nconfig|ready\n"
           "register|filter|smtp-in|rcpt-to\nregister|ready\n"
           + report("link-connect", "client.test|pass|192.0.2.7:4711|192.0.2.1:25")
           + line("ehlo", "client.test", second=8) + recorded("proceed") + report("link-identify", "EHLO|client.test")
           + report("tx-mail", "12|ok|payroll@relay.test")
           + line("rcpt-to", "joe@strict.test", second=9) + recorded("proceed")
           + line("rcpt-to", "joe@loose.test", second=10) + recorded("proceed")
           + line("rcpt-to", "joe@[192.0.2.1]", second=11))


class Replay(tools.Case):
    def rules(self, text, world=WORLD):
        return self.write("rules.lua", world + text)

    def example(self, *words, code=0, log=SESSION):
        self.write("log", log)
        self.rules(f"dofile '{EXAMPLES}/opensmtpd.lua'")
        return self.ends(code, "replay", "log", "--rules", "rules.lua", "--store", "none", *words)

    def test_the_example_lets_confidential_mail_go_only_where_tls_is_promised(self):
        self.assertEqual([(found["phase"], found["value"], found["decision"], found.get("reply")) for found in self.example("--json").json], [
            ("ehlo", "client.test", "proceed", None),
            ("rcpt-to", "joe@strict.test", "proceed", None),
            ("rcpt-to", "joe@loose.test", "reject", "550 5.7.10 loose.test does not promise TLS, and this mail needs it"),
            ("rcpt-to", "joe@[192.0.2.1]", "reject", "451 4.7.10 cannot tell whether TLS is certain: an address literal has no MTA-STS policy "
             "(RFC 8461 3.4)")])

    def test_other_mail_is_none_of_the_examples_business(self):
        found = self.example("--json", log=SESSION.replace("payroll@", "ann@")).json
        self.assertEqual({entry["decision"] for entry in found}, {"proceed"})

    def test_a_client_that_takes_our_name_is_left_by_the_example(self):
        found = self.example("--json", log=SESSION.replace("|client.test\n", "|relay.test\n")).json
        self.assertEqual((found[0]["decision"], found[0]["reply"]), ("disconnect", "550 5.7.1 that is my name"))

    def test_each_decision_is_shown_with_what_was_recorded_if_it_is_another(self):
        result = self.example()
        self.assertEqual(result.lines[0], "session 0000000000000001")
        for expected in ("  10:20:08  ehlo       client.test                  proceed", "    recorded was: proceed", "4 decisions: 2 proceed, 2 reject; 1 other than recorded"):
            self.assertIn(expected, result.lines)
        self.assertRegex(result.out, r"\n    strict\.test: require, after \d+ ms\n")
        self.assertTrue(all(len(line) <= 80 for line in result.lines), result.out)

    def test_a_time_that_is_none_ends_nothing(self):
        for time in ("9223372036854775807", "1e999", "-1e999", "0x7fffffffffffffff", "-99999999999999999", "nan", "x", ""):
            log = line("ehlo", "client.test").replace("1576146000.006099", time)
            for words in ((), ("--json",)):
                self.assertIn("proceed", self.example(*words, log=log + line("rcpt-to", "joe@[192.0.2.1]")).out, f"{time} {words}")

    def test_what_the_filter_itself_said_in_the_recording_is_no_fault(self):
        self.assertNotIn("not understood", self.example().error)

    def test_without_dns_the_example_says_later_and_not_never(self):
        self.write("log", SESSION)
        self.rules(f"world:dns('_mta-sts.loose.test TXT', 'dns-servfail')\ndofile '{EXAMPLES}/opensmtpd.lua'")
        found = self.ends(0, "replay", "log", "--rules", "rules.lua", "--json").json
        self.assertRegex(found[2]["reply"], r"^451 4\.7\.10 cannot tell whether TLS is certain: the name server answered SERVFAIL")

    def test_hooks_that_the_log_has_no_lines_for_are_named(self):
        self.write("log", SESSION)
        self.rules("for _, phase in ipairs { 'ehlo', 'data', 'mail-from' } do require 'mtasts.osmtpd'.on(phase, function() end) end")
        result = self.ends(1, "replay", "log", "--rules", "rules.lua", "--json")
        self.assertIn("hooks for mail-from, data were not asked: the log has no such lines", " ".join(result.error.split()))

    def test_a_file_without_a_session_is_no_success(self):
        self.write("log", "root:x:0:0:root:/root:/bin/sh\n")
        self.assertIn("replay: no session of smtpd in log", self.ends(2, "replay", "log").error)

    def test_changed_shows_only_what_is_other_than_recorded(self):
        self.assertEqual([entry["value"] for entry in self.example("--json", "--changed").json], ["joe@loose.test"])

    def test_a_rule_that_fails_is_told_with_its_line_and_ends_with_1(self):
        self.write("log", SESSION)
        self.rules("local osmtpd = require 'mtasts.osmtpd'\nosmtpd.on('ehlo', function() error 'oh dear' end)")
        result = self.ends(1, "replay", "log", "--rules", "rules.lua", "--json", allow_traceback=True)
        self.assertEqual((result.json[0]["failed"], result.json[0]["decision"]), (True, "proceed"))
        self.assertRegex(result.error, r"hook 'ehlo' number 1 failed and counts as no opinion: .*rules\.lua:7: oh dear")

    def test_sessions_with_mail_hosts_are_shown_and_counted_nowhere(self):
        log = "".join(report(event, fields, 2, "smtp-out") for event, fields in (
            ("link-connect", "mx|pass|192.0.2.1:5|198.51.100.1:25"), ("protocol-server", "220 mx.loose.test hi"), ("link-greeting", "mx.loose.test"),
            ("protocol-server", "250 mx.loose.test"), ("tx-begin", "9"), ("tx-rcpt", "9|ok|joe@loose.test"), ("link-disconnect", "")))
        self.write("log", log)
        found = self.ends(0, "replay", "log", "--json", "--store", "store.db").json
        self.assertEqual(found, [{"outgoing": {"domain": "loose.test", "type": "no-policy-found", "result": "starttls-missing",
                                               "address": "198.51.100.1"}}])
        self.assertEqual(self.ends(0, "replay", "log", "--store", "store.db").lines[0],
                         "outgoing session for loose.test with ? [198.51.100.1]: starttls-missing")
        self.ends(3, "store", "sessions", "--store", "store.db")

    def test_standard_input_serves_and_no_rules_are_fine(self):
        self.assertEqual(len(self.ends(0, "replay", "-", "--json", "--store", "none", "--nameserver", "[127.0.0.1]:1",
                                       stdin=line("data", "").encode()).json), 1)

    def test_garbage_is_named_and_passed_over(self):
        self.write("log", b"hello\n\xff\0\n" + line("quit", "").encode())
        result = self.ends(0, "replay", "log", "--json", "--store", "none")
        self.assertEqual(len(result.json), 1)
        self.assertIn("not understood", result.error)

    def test_what_cannot_be_read_is_named(self):
        self.write("log", SESSION)
        self.assertIn("replay: nowhere: No such file", self.ends(64, "replay", "nowhere").error)
        self.assertIn("cannot open nowhere.lua", self.ends(2, "replay", "log", "--rules", "nowhere.lua").error)
        self.rules("x = = 1")
        self.assertIn("rules.lua:6: unexpected symbol", self.ends(2, "replay", "log", "--rules", "rules.lua").error)

    def test_names_are_words_for_no_shell(self):
        name = "a'b; touch hacked $(touch hacked) `touch hacked`"
        self.write(name, SESSION)
        self.rules("")
        self.ends(0, "replay", name, "--rules", "rules.lua", "--set", "helo=x';touch hacked'")
        self.assertFalse(os.path.exists(f"{self.folder}/hacked"))


if __name__ == "__main__":
    tools.main()
