# SPDX-License-Identifier: ISC
"""TLS reports (RFC 8460) of what a real smtpd's filter counted, sent by this smtpd."""
from servers import reporting
from case import Case


class Reported(reporting.Arrived, Case):
    DOMAINS = {
        "mailed.test": {"id": "1", "mx": ["mx.mailed.test"]} | reporting.reporting("mailed.test", "mailto:tlsrpt@mailed.test"),
        "posted.test": {"id": "1", "mx": ["mx.posted.test"], "smtp_cert": {"mx.posted.test": "expired"}, "https": "reports"}
        | reporting.reporting("posted.test", "https://mta-sts.posted.test/tlsrpt"),
    }

    def prepare(self):
        for to in ("joe@mailed.test", "ann@mailed.test", "joe@posted.test"):
            self.same(self.server.submit(to), 250, "RCPT")

    def sessions(self, domain):
        return sum(row["count"] for row in self.rows(domain))

    def what_was_counted_arrives_by_mail_and_by_https_and_reports_are_not_counted(self):
        for to, result in (("joe@mailed.test", "Ok"), ("ann@mailed.test", "Ok"), ("joe@posted.test", "TempFail")):
            self.same(self.server.attempt(to)[1], result, to)
        self.server.wait(lambda: self.sessions("mailed.test") and self.sessions("posted.test"), "the sessions to be counted")
        sendmail = f"{self.server.sendmail} -t -oi -f {{contact}}"
        counted = self.both_arrive(f"{self.build}/mtasts", self.server.store, sendmail)

        self.same(self.server.submit("eve@mailed.test"), 250, "RCPT")
        good = counted["mailed.test"][0]
        self.server.wait(lambda: self.sessions("mailed.test") > good, "the session to be counted")
        self.same(self.sessions("mailed.test"), good + 1, "sessions, without the report's")
        self.same(reporting.send(f"{self.build}/mtasts", self.server.store, sendmail), {"mailed.test": "sent", "posted.test": "sent"},
                  "reports, once more")
        self.same((len(self.reports_taken()), len(self.world.reports.got)), (1, 1), "reports that arrived")
