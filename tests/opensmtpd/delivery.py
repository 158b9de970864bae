# SPDX-License-Identifier: ISC
"""Who gets the mail, with a real smtpd."""
import os
import time

from case import Case

MANUALS = f"{os.path.dirname(os.path.realpath(__file__))}/../../filters/opensmtpd"


class Delivery(Case):
    DOMAINS = {
        "good.test": {"id": "1", "mx": ["mx1.good.test"]},
        "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
        "second.test": {"id": "1", "mx": ["mx2.second.test"], "hosts": ["10 mx1.second.test", "20 mx2.second.test"]},
        "trying.test": {"id": "1", "mode": "testing", "mx": ["mx.trying.test"], "smtp_cert": {"mx.trying.test": "wrong-name"}},
        "nothing.test": {"hosts": ["10 mx.nothing.test"], "smtp_cert": {"mx.nothing.test": "self-signed"}},
    }

    def a_permitted_host_with_a_good_certificate_gets_the_mail(self):
        self.delivered("good.test", "mx1.good.test")

    def a_host_outside_the_policy_is_not_even_connected_to(self):
        self.kept_back("joe@outside.test")
        self.same(self.taken("outside.test"), [], "hosts that took it")
        self.same(self.connected("mx.attacker.test"), 0, "connections")

    def the_second_host_is_used_when_only_it_is_permitted(self):
        self.delivered("second.test", "mx2.second.test")
        self.same(self.connected("mx1.second.test"), 0, "connections to the first")

    def testing_is_delivered_whatever_the_certificate(self):
        self.delivered("trying.test", "mx.trying.test")

    def a_domain_without_policy_is_delivered_as_before(self):
        self.delivered("nothing.test", "mx.nothing.test")

    def the_examples_of_the_manual_are_what_smtpd_takes(self):
        for page in ("table-mtasts.8", "filter-mtasts.8"):
            with open(f"{MANUALS}/{page}", encoding="utf-8") as manual:
                example = manual.read().split(".Sh EXAMPLES")[1].split(".Bd ")[1].split("\n", 1)[1].split(".Ed")[0]
            self.server.accepts(example)


class Failure(Case):
    """Mail is submitted before all else, because smtpd takes seconds to give a route up."""
    DOMAINS = {
        "wrong.test": {"id": "1", "mx": ["mx.wrong.test"], "smtp_cert": {"mx.wrong.test": "wrong-name"}},
        "self.test": {"id": "1", "mx": ["mx.self.test"], "smtp_cert": {"mx.self.test": "self-signed"}},
        "old.test": {"id": "1", "mx": ["mx.old.test"], "smtp_cert": {"mx.old.test": "expired"}},
        "plain.test": {"id": "1", "mx": ["mx.plain.test"], "smtp": {"mx.plain.test": "no-starttls"}},
        "down.test": {"id": "1", "mx": ["mx1.down.test", "mx2.down.test"], "smtp": {"mx1.down.test": "down"}},
    }

    def prepare(self):
        self.submitted = {domain: self.server.submit(f"joe@{domain}") for domain in self.DOMAINS}
        self.began = time.monotonic()

    def deferred(self, domain):
        self.same(self.submitted[domain], 250, "RCPT")
        self.same(self.server.attempt(f"joe@{domain}")[1], "TempFail", "result")
        self.same(self.taken(domain), [], "hosts that took it")

    def a_certificate_for_another_name_defers(self):
        self.deferred("wrong.test")

    def a_self_signed_certificate_defers(self):
        self.deferred("self.test")

    def an_expired_certificate_defers(self):
        self.deferred("old.test")

    def no_starttls_defers(self):
        self.deferred("plain.test")

    def the_next_permitted_host_is_used_after_the_first_failed(self):
        to = "joe@down.test"
        self.deferred("down.test")
        # Sooner than 10 s after the first question it would be another recipient, not a new attempt.
        time.sleep(max(0, self.began + 11 - time.monotonic()))
        self.server.schedule()
        self.same(self.server.attempt(to, 2)[1], "Ok", "result of the second attempt")
        self.same(self.taken("down.test"), ["mx2.down.test"], "hosts that took it")
