# SPDX-License-Identifier: ISC
"""Exim as it is, without MTA-STS: what stands here before ours is added."""
from case import Case


class Plain(Case):
    DOMAINS = {
        "fine.test": {"hosts": ["10 mx.fine.test"]},
        "forged.test": {"hosts": ["10 mx.forged.test"], "smtp_cert": {"mx.forged.test": "self-signed"}},
        "clear.test": {"hosts": ["10 mx.clear.test"], "smtp": {"mx.clear.test": "no-starttls"}},
        "later.test": {"hosts": ["10 mx.later.test"], "smtp": {"mx.later.test": "banner-421"}},
        "down.test": {"hosts": ["10 mx1.down.test", "20 mx2.down.test"], "smtp": {"mx1.down.test": "down"}},
        "quick.test": {"hosts": ["10 mx.quick.test"]},
    }

    def mail_goes_through_tls_to_a_host_that_offers_it(self):
        self.delivered("joe@fine.test", "mx.fine.test", "X=TLS")

    def a_certificate_that_nobody_trusts_harms_no_mail(self):
        self.delivered("joe@forged.test", "mx.forged.test", "CV=no")

    def mail_goes_in_the_clear_where_there_is_no_tls(self):
        line = self.delivered("joe@clear.test", "mx.clear.test")
        self.same("X=TLS" in line, False, "TLS")

    def mail_waits_for_a_host_that_takes_none_now(self):
        self.deferred("joe@later.test", "421 mx.later.test no mail today")

    def the_second_host_gets_it_when_the_first_is_down(self):
        self.delivered("joe@down.test", "mx2.down.test")

    def only_the_heavy_package_loads_what_is_not_compiled_in(self):
        _, out, _ = self.server.run("-bV")
        self.same("Expand_dlfunc" in out, self.server.kind != "light", "dlfunc in exim -bV")

    def the_daemon_takes_mail_and_delivers_it(self):
        self.server.start()
        try:
            self.same([code for code, _ in self.server.submit("joe@quick.test")], [250], "RCPT")
            self.same(self.server.attempt("joe@quick.test")[0], "=>", "result")
        finally:
            self.server.stop()
