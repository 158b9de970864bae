# SPDX-License-Identifier: ISC
"""What is counted of sessions with mail hosts, for reports to their domains (RFC 8460), with a real Exim."""
from case import Case
from servers.domains import host


def trying(domain, **more):
    return host(domain, **more) | {"mode": "testing"}


class Trying(Case):
    """Domains in mode testing: what would have failed is delivered, and counted."""
    DOMAINS = {
        "fine.test": trying("fine.test"),
        "name.test": trying("name.test", smtp_cert="wrong-name"),
        "date.test": trying("date.test", smtp_cert="expired"),
        "trust.test": trying("trust.test", smtp_cert="untrusted"),
        "own.test": trying("own.test", smtp_cert="self-signed"),
        "clear.test": trying("clear.test", smtp="no-starttls"),
        "refusing.test": trying("refusing.test", smtp="refuse-starttls"),
        "moved.test": {"id": "1", "mode": "testing", "mx": ["mx.moved.test"], "hosts": ["10 mx.newhome.test"]},
    }

    def tried(self, domain, result, name=None):
        self.delivered(f"joe@{domain}", name or f"mx.{domain}")
        self.same(self.counted(domain), [("sts", result, name or f"mx.{domain}")], "sessions")

    def testing_with_a_certificate_for_another_name_is_delivered_and_counted_as_that(self):
        self.tried("name.test", "certificate-host-mismatch")

    def testing_with_an_expired_certificate_is_delivered_and_counted_as_that(self):
        self.tried("date.test", "certificate-expired")

    def testing_with_a_certificate_that_nobody_trusts_is_delivered_and_counted_as_that(self):
        self.tried("trust.test", "certificate-not-trusted")
        self.tried("own.test", "certificate-not-trusted")

    def testing_without_starttls_is_delivered_and_counted_as_that(self):
        self.tried("clear.test", "starttls-not-supported")
        self.tried("refusing.test", "starttls-not-supported")

    def testing_with_a_host_outside_the_policy_is_delivered_and_counted_as_failed(self):
        self.tried("moved.test", "validation-failure", "mx.newhome.test")

    def testing_with_all_well_is_counted_as_success(self):
        self.tried("fine.test", None)


class Counted(Case):
    """Of domains that enforce, and of others."""
    DOMAINS = {
        "good.test": host("good.test"),
        "wrong.test": host("wrong.test", smtp_cert="wrong-name"),
        "old.test": host("old.test", smtp_cert="expired"),
        "self.test": host("self.test", smtp_cert="self-signed"),
        "plain.test": host("plain.test", smtp="no-starttls"),
        "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
        "nothing.test": {"hosts": ["10 mx.nothing.test"]},
        "dane.signed.test": {"hosts": ["10 mx.dane.signed.test"], "tlsa": {"mx.dane.signed.test": ["3 1 1 SPKI"]}},
        "refused.signed.test": {"id": "1", "mx": ["mx.refused.signed.test"], "tlsa": {"mx.refused.signed.test": [f"3 1 1 {'ab' * 32}"]}},
        "clear.signed.test": {"hosts": ["10 mx.clear.signed.test"], "smtp": {"mx.clear.signed.test": "no-starttls"},
                              "tlsa": {"mx.clear.signed.test": ["3 1 1 SPKI"]}},
        "next.test": {"id": "1", "mx": ["mx1.next.test", "mx2.next.test"], "smtp_cert": {"mx1.next.test": "expired"}},
    }

    def a_session_that_succeeds_is_counted_once_whatever_the_policy(self):
        self.delivered("joe@good.test", "mx.good.test")
        self.same(self.counted("good.test"), [("sts", None, "mx.good.test")], "sessions")
        self.delivered("joe@nothing.test", "mx.nothing.test")
        self.same([(kind, result) for kind, result, _ in self.counted("nothing.test")], [("no-policy-found", None)], "sessions")
        self.delivered("joe@dane.signed.test", "mx.dane.signed.test", "CV=dane")
        self.same([(kind, result) for kind, result, _ in self.counted("dane.signed.test")], [("tlsa", None)], "sessions")

    def one_that_fails_is_counted_with_why(self):
        for domain, result in (("wrong.test", "certificate-host-mismatch"), ("old.test", "certificate-expired"),
                               ("self.test", "certificate-not-trusted"), ("plain.test", "starttls-not-supported")):
            self.deferred(f"joe@{domain}")
            self.same(self.counted(domain), [("sts", result, f"mx.{domain}")], "sessions")

    def with_addresses_and_the_hosts_greeting(self):
        self.deferred("joe@wrong.test")
        self.counted("wrong.test")
        (row,) = self.rows("wrong.test")
        self.same((row["address"].startswith("198.51.100."), row["source"].startswith("198.51.100."), row["helo"], row["count"]),
                  (True, True, "mx.wrong.test", 1), f"address, source, greeting and number of {row}")
        self.same("version: STSv1" in row["policy"], True, "its policy")

    def the_log_tells_of_mail_that_waits_because_of_tls(self):
        self.deferred("joe@old.test")
        self.counted("old.test")
        self.says(self.syslog.text(), "old.test: session with mx.old.test [198.51.100.", "expired")

    def one_that_dane_refuses_is_counted_as_failed_dane(self):
        self.deferred("joe@refused.signed.test")
        (kind, result, _), = self.counted("refused.signed.test")
        self.same((kind, result in ("tlsa-invalid", "validation-failure")), ("tlsa", True), f"sessions: {kind} {result}")
        self.deferred("joe@clear.signed.test")
        self.same(self.counted("clear.signed.test"), [("tlsa", "starttls-not-supported", "mx.clear.signed.test")], "sessions")

    def a_report_of_ours_is_not_counted(self):
        self.settings.set(report_organization="Client", report_contact="Reports@client.test")
        for sender in ("reports@client.test", "from@client.test"):
            (kind, line), = self.server.send("joe@good.test", sender=sender)[0][-1:]
            self.same(kind, "=>", line)
            (kind, line), = self.server.send("joe@outside.test", sender=sender)[0][-1:]
            self.same(kind, "==", line)
        for domain, row in (("good.test", ("sts", None, "mx.good.test")), ("outside.test", ("sts", "validation-failure", None))):
            self.same([found[:2] for found in self.counted(domain)], [row[:2]], f"sessions of {domain}")
            self.same(sum(found["count"] for found in self.rows(domain)), 1, f"those of {domain} that count")

    def mail_that_no_host_may_have_is_counted_as_failed(self):
        self.deferred("joe@outside.test")
        self.same([(kind, result) for kind, result, _ in self.counted("outside.test")], [("sts", "validation-failure")], "sessions")

    def each_host_that_was_tried_counts(self):
        self.delivered("joe@next.test", "mx2.next.test")
        self.server.wait(lambda: len(self.counted("next.test")) == 2, "both sessions")
        self.same(self.counted("next.test"), sorted([("sts", "certificate-expired", "mx1.next.test"), ("sts", None, "mx2.next.test")],
                                                   key=str), "sessions")
