# SPDX-License-Identifier: ISC
"""What is counted of sessions with mail hosts, with a real smtpd: after mail went to the domains of Delivery and Failure."""
import time

from case import Case

# domain -> (type of policy, result, MX host, its address is told)
EXPECTED = {
    "good.test": ("sts", None, "mx1.good.test"),
    "second.test": ("sts", None, "mx2.second.test"),
    "down.test": ("sts", None, "mx2.down.test"),  # that nobody listened on the first is no matter of TLS
    "nothing.test": ("no-policy-found", None, None),
    "trying.test": ("sts", "certificate-host-mismatch", "mx.trying.test"),  # delivered, and nobody else would have told
    "wrong.test": ("sts", "certificate-host-mismatch", "mx.wrong.test"),
    "self.test": ("sts", "certificate-not-trusted", "mx.self.test"),
    "old.test": ("sts", "certificate-expired", "mx.old.test"),
    "plain.test": ("sts", "starttls-not-supported", "mx.plain.test"),
    "outside.test": ("sts", "validation-failure", "mx.attacker.test"),
}


class Counted(Case):
    def sessions(self):
        found = {}
        for row in self.rows(*EXPECTED):
            found.setdefault(row["domain"], []).append(row)
        return found

    def each_session_counts_with_its_result_though_smtpd_does_not_say_why_tls_failed(self):
        end = time.monotonic() + 20
        while set(found := self.sessions()) != set(EXPECTED):
            if time.monotonic() > end:
                raise AssertionError(f"not counted: {sorted(set(EXPECTED) - set(found))}")
            time.sleep(0.2)
        for domain, expected in EXPECTED.items():
            kinds = {(row["policy_type"], row.get("result"), row.get("mx")) for row in found[domain]}
            self.same(kinds, {expected}, domain)
            policy = found[domain][0].get("policy") or []
            self.same("version: STSv1" in policy, expected[0] == "sts", f"the policy of {domain}: {policy}")
        for domain in ("wrong.test", "self.test", "old.test", "plain.test", "trying.test"):
            row = found[domain][0]
            self.same((row["address"].startswith("198.51.100."), row["source"].startswith("198.51.100."), row["helo"]),
                      (True, True, row["mx"]), f"address, source and greeting of {domain}")

    def the_log_tells_of_mail_that_waits_because_of_tls(self):
        for text in ("warning: wrong.test: session with mx.wrong.test [198.51.100.", "the certificate is not for the mail host",
                     "warning: old.test: session with mx.old.test [", "warning: plain.test: session with mx.plain.test ["):
            self.same(text in self.server.log(), True, f"{text!r} in the log")
        self.same("warning: trying.test" in self.server.log(), False, "a warning of a domain that is only trying")
