# SPDX-License-Identifier: ISC
"""Postfix as it is, without MTA-STS: what stands here before ours is added."""
from case import Case


class Plain(Case):
    DOMAINS = {
        "fine.test": {"hosts": ["10 mx.fine.test"]},
        "forged.test": {"hosts": ["10 mx.forged.test"], "smtp_cert": {"mx.forged.test": "self-signed"}},
        "clear.test": {"hosts": ["10 mx.clear.test"], "smtp": {"mx.clear.test": "no-starttls"}},
        "later.test": {"hosts": ["10 mx.later.test"], "smtp": {"mx.later.test": "banner-421"}},
        "down.test": {"hosts": ["10 mx1.down.test", "20 mx2.down.test"], "smtp": {"mx1.down.test": "down"}},
    }

    def mail_goes_through_tls_to_a_host_that_offers_it(self):
        self.delivered("joe@fine.test", "mx.fine.test", "Trusted")

    def a_certificate_that_nobody_trusts_harms_no_mail(self):
        self.delivered("joe@forged.test", "mx.forged.test", "Untrusted")

    def mail_goes_in_the_clear_where_there_is_no_tls(self):
        self.delivered("joe@clear.test", "mx.clear.test")
        self.same(self.tls("mx.clear.test"), "", "TLS")

    def mail_waits_for_a_host_that_takes_none_now(self):
        self.deferred("joe@later.test", "421 mx.later.test no mail today")

    def the_second_host_gets_it_when_the_first_is_down(self):
        self.delivered("joe@down.test", "mx2.down.test")
