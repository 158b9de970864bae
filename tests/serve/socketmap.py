#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What Postfix is told: the maps policy and policy-tlsrpt, with a name server of ours."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from serving import Case, Dns, main, netstring  # noqa: E402

POLICIES = {
    "named.test": "enforce mx1.named.test mx2.named.test",
    "wild.test": "enforce *.wild.test",
    "trial.test": "testing mx.trial.test",
    "off.test": "none",
    "dane.test": "enforce mx.dane.test",
    "mixed.test": "enforce *.mixed.test",
    "outside.test": "enforce mx.outside.test",
    "smart.test": "enforce smart.test",
    "xn--bcher-kva.test": "enforce mx.xn--bcher-kva.test",
}
TLSA = "3 1 1 " + "ab" * 32
RECORDS = {
    ("named.test", "MX"): ["10 mx1.named.test", "20 mx2.named.test"], ("mx1.named.test", "A"): ["192.0.2.1"],
    ("mx2.named.test", "A"): ["192.0.2.2"],
    ("wild.test", "MX"): ["10 a.wild.test", "20 b.a.wild.test", "30 evil.test"], ("a.wild.test", "A"): ["192.0.2.3"],
    ("b.a.wild.test", "A"): ["192.0.2.4"], ("evil.test", "A"): ["192.0.2.5"],
    ("dane.test", "MX"): ["10 mx.dane.test"], ("mx.dane.test", "A"): ["192.0.2.6"], ("_25._tcp.mx.dane.test", "TLSA"): [TLSA],
    ("mixed.test", "MX"): ["10 a.mixed.test", "20 b.mixed.test"], ("a.mixed.test", "A"): ["192.0.2.7"],
    ("b.mixed.test", "A"): ["192.0.2.8"], ("_25._tcp.b.mixed.test", "TLSA"): [TLSA],
    ("outside.test", "MX"): ["10 mx.evil.test"], ("mx.evil.test", "A"): ["192.0.2.9"],
    ("smart.test", "A"): ["192.0.2.10"], ("smart.test", "MX"): ["10 other.test"], ("_587._tcp.smart.test", "TLSA"): [TLSA],
    ("xn--bcher-kva.test", "MX"): ["10 mx.xn--bcher-kva.test"], ("mx.xn--bcher-kva.test", "A"): ["192.0.2.11"],
}
SIGNED = [name for name, _ in RECORDS if "dane" in name or "mixed" in name or "smart" in name]
NAMED = "OK secure match=mx1.named.test:mx2.named.test servername=hostname"


class Socketmap(Case):
    def setUp(self):
        super().setUp()
        self.dns.close()
        self.dns = Dns(RECORDS, SIGNED + ["_25._tcp.a.mixed.test", "_25._tcp.smart.test"])
        self.addCleanup(self.dns.close)

    def begin(self, *more):
        self.start(*more, policies=POLICIES)
        return self.connect()

    def test_enforce_is_an_entry_with_the_permitted_hosts_as_whole_names(self):
        client = self.begin()
        self.assertEqual(client.ask("policy named.test"), NAMED)
        self.assertEqual(client.ask("policy wild.test"), "OK secure match=a.wild.test servername=hostname")

    def test_testing_none_and_no_policy_are_no_entry(self):
        client = self.begin()
        for domain in ("trial.test", "off.test", "nothing.test"):
            self.assertEqual(client.ask(f"policy {domain}"), "NOTFOUND ", domain)

    def test_keys_are_taken_as_Postfix_writes_them(self):
        client = self.begin()
        for key in (".named.test", ".test", "[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1", "", "a..b", "-", "named.test:x", "a b",
                    "x" * 2000, "\x01", "\0", "named.test\0"):
            self.assertEqual(client.ask(f"policy {key}"), "NOTFOUND ", key)
        for key in ("NAMED.Test", "named.test.", "named.test:25", "joe@named.test"):
            self.assertEqual(client.ask(f"policy {key}"), NAMED, key)
        self.assertEqual(client.ask("policy bücher.test"), "OK secure match=mx.xn--bcher-kva.test servername=hostname")

    def test_a_smart_host_is_its_own_mail_host_with_the_port_that_is_named(self):
        client = self.begin()
        for key in ("[smart.test]", "[smart.test]:25", "[SMART.test]"):
            self.assertEqual(client.ask(f"policy {key}"), "OK secure match=smart.test servername=hostname", key)
        self.assertEqual(client.ask("policy [smart.test]:587"), "OK dane-only")

    def test_DANE_comes_first_also_where_it_guards_some_hosts_only(self):
        client = self.begin()
        self.assertEqual(client.ask("policy dane.test"), "OK dane-only")
        self.assertEqual(client.ask("policy mixed.test"), "OK dane-only")

    def test_TLSA_records_behind_an_MX_without_DNSSEC_do_not_count(self):
        self.dns.secure.discard("dane.test")
        self.assertEqual(self.begin().ask("policy dane.test"), "OK secure match=mx.dane.test servername=hostname")

    def test_mail_waits_where_a_TLSA_lookup_fails(self):
        self.dns.failing.add("_25._tcp.mx.dane.test")
        self.assertRegex(self.begin().ask("policy dane.test"), "^TEMP MTA-STS: mx.dane.test: ")

    def test_mail_waits_where_no_host_is_in_the_policy(self):
        self.assertEqual(self.begin().ask("policy outside.test"),
                         "TEMP MTA-STS: outside.test: the MX is not in the policy (RFC 8461 4.1)")

    def test_a_temporary_failure_without_a_policy_delivers_unless_the_setting_says_otherwise(self):
        self.dns.failing.add("_mta-sts.broken.test")
        self.assertEqual(self.begin().ask("policy broken.test"), "NOTFOUND ")

    def test_with_on_dns_failure_defer_mail_waits(self):
        self.dns.failing.add("_mta-sts.broken.test")
        self.assertEqual(self.begin("--set", "on_dns_failure=defer").ask("policy broken.test"),
                         "TEMP MTA-STS: broken.test: the name server answered SERVFAIL")

    def test_without_DNSSEC_a_policy_that_names_its_hosts_needs_no_DNS(self):
        client = self.begin("--set", "dnssec=off")
        self.dns.close()
        self.assertEqual(client.ask("policy named.test"), NAMED)

    def test_hosts_are_not_asked_for_again_within_the_TTL(self):
        client = self.begin()
        for _ in range(20):
            self.assertEqual(client.ask("policy wild.test"), "OK secure match=a.wild.test servername=hostname")
        self.assertEqual(self.dns.asked.count(("wild.test", "MX")), 1)

    def test_hosts_with_a_TTL_of_0_are_asked_for_each_time(self):
        self.dns.ttl = 0
        client = self.begin()
        for _ in range(3):
            client.ask("policy wild.test")
        self.assertEqual(self.dns.asked.count(("wild.test", "MX")), 3)

    def test_reports_get_the_policy_by_a_map_of_their_own(self):
        client = self.begin()
        self.assertRegex(client.ask("policy-tlsrpt named.test"),
                         r"^OK secure match=mx1.named.test:mx2.named.test servername=hostname policy_type=sts policy_domain=named.test "
                         r"policy_ttl=\d+ { policy_string = version: STSv1 } .* mx_host_pattern=mx1.named.test")
        self.assertEqual(client.ask("policy-tlsrpt dane.test"), "OK dane-only")
        self.assertEqual(client.ask("policy-tlsrpt trial.test"), "NOTFOUND ")

    def test_another_map_is_an_error_that_names_those_there_are(self):
        client = self.begin()
        for request in ("transport named.test", "policy", "", "Policy named.test"):
            self.assertEqual(client.ask(request), "PERM there is no map of this name; there are: policy, policy-tlsrpt", request)
        self.assertEqual(client.ask("policy named.test"), NAMED)

    def test_answers_come_in_order_though_some_take_longer(self):
        self.dns.silent.add("_mta-sts.slow.test")
        client = self.begin("--set", "dns_deadline_ms=500")
        domains = ["slow.test", "trial.test", "named.test", "dane.test"] * 4
        client.send(b"".join(netstring(f"policy {domain}".encode()) for domain in domains))
        expected = ["NOTFOUND ", "NOTFOUND ", NAMED, "OK dane-only"] * 4
        self.assertEqual([client.reply() for _ in domains], expected)


if __name__ == "__main__":
    main()
