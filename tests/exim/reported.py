# SPDX-License-Identifier: ISC
"""TLS reports (RFC 8460) of what a real Exim counted, sent by this Exim."""
from servers import reporting
from case import Case
from config import PREFIX
from servers.domains import host


class Reported(reporting.Arrived, Case):
    DOMAINS = {
        "mailed.test": host("mailed.test") | reporting.reporting("mailed.test", "mailto:tlsrpt@mailed.test"),
        "posted.test": host("posted.test", smtp_cert="expired") | {"https": "reports"}
        | reporting.reporting("posted.test", "https://mta-sts.posted.test/tlsrpt"),
    }

    def sessions(self, domain):
        return sum(row["count"] for row in self.rows(domain))

    def what_was_counted_arrives_by_mail_and_by_https_and_reports_are_not_counted(self):
        self.settings.set(report_organization="Client", report_contact=reporting.CONTACT)
        for number in (1, 2):
            self.delivered("joe@mailed.test", "mx.mailed.test")
            self.server.wait(lambda: self.sessions("mailed.test") == number, "the session to be counted")
        self.deferred("joe@posted.test")
        self.server.wait(lambda: self.sessions("posted.test") == 1, "the session to be counted")
        sendmail = f"{self.server.program} -C {self.server.config} -odf -t -oi -f {{contact}}"
        counted = self.both_arrive(f"{PREFIX}/bin/mtasts", self.settings.store, sendmail)
        self.same(counted, {"mailed.test": (2, 0), "posted.test": (0, 1)}, "what was counted")

        self.delivered("joe@mailed.test", "mx.mailed.test")
        self.server.wait(lambda: self.sessions("mailed.test") == 3, "the session to be counted")
        self.same(reporting.send(f"{PREFIX}/bin/mtasts", self.settings.store, sendmail), {"mailed.test": "sent", "posted.test": "sent"},
                  "reports, once more")
        self.same((len(self.reports_taken()), len(self.world.reports.got)), (1, 1), "reports that arrived")
