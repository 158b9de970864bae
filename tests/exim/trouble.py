# SPDX-License-Identifier: ISC
"""What stays when something else goes, with a real Exim: DNS, the store, the settings."""
import os

from case import Case
from enforced import NO_MX
from servers.domains import host


class Trouble(Case):
    DOMAINS = {
        "dark.test": host("dark.test"),
        "murky.test": host("murky.test"),
        "late.test": host("late.test") | {"https": "unreachable"},
        "asked.test": host("asked.test"),
        "good.test": host("good.test"),
        "named.test": host("named.test", smtp_cert="wrong-name"),
        "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
    }
    FAULTS = {"TXT _mta-sts.dark.test": "servfail", "TXT _mta-sts.murky.test": "silent"}

    def when_dns_fails_for_now_and_the_settings_say_defer_mail_waits(self):
        self.settings.set(nameservers="127.0.0.53", on_dns_failure="defer", dns_deadline_ms=1000)
        for domain in ("dark.test", "murky.test"):
            line = self.deferred(f"joe@{domain}")
            self.says(line, domain)
            self.same(self.connected(f"mx.{domain}"), 0, "connections")

    def when_they_say_deliver_it_is_delivered(self):
        self.settings.set(nameservers="127.0.0.53", on_dns_failure="deliver", dns_deadline_ms=1000)
        self.server.forget()
        for domain in ("dark.test", "murky.test"):
            self.delivered(f"ann@{domain}", f"mx.{domain}")

    def a_policy_host_that_hangs_holds_mail_no_longer_than_the_deadline(self):
        self.settings.set(mail_deadline_ms=1500)
        took = self.seconds(lambda: self.delivered("joe@late.test", "mx.late.test"))
        self.same(took < 6, True, f"the deadline is 1.5 s, it took {took:.1f} s")

    def stores(self):
        """(what, path): which cannot be used."""
        text = f"{self.settings.place}/text.db"
        with open(text, "w", encoding="ascii") as out:
            out.write("this is no database\n" * 500)
        os.chmod(text, 0o666)
        os.makedirs(f"{self.settings.place}/folder.db")
        return [("a text", text), ("a folder", f"{self.settings.place}/folder.db"), ("below a device", "/dev/null/mtasts.db")]

    def a_store_that_cannot_be_used_stops_no_mail_and_weakens_no_policy(self):
        for number, (what, path) in enumerate(self.stores()):
            self.settings.set(store=path)
            self.delivered(f"joe{number}@good.test", "mx.good.test", "CV=yes")
            self.deferred(f"joe{number}@outside.test", NO_MX.format("outside.test"))
            self.same(path in self.syslog.text(), True, f"the log names the store that is {what}")
            self.deferred(f"joe{number}@named.test")
            sessions = [line for line in self.syslog.text().splitlines() if "named.test: session" in line]
            self.same([line for line in sessions if "the certificate is not for the mail host" not in line], [], "sessions told as others")
            self.same(len(sessions) > 0, True, "they are told")

    def settings_with_an_error_defer_and_the_log_names_it(self):
        self.settings.set(on_dns_failure="perhaps")
        self.says(self.deferred("joe@asked.test") + self.syslog.text(), "on_dns_failure", "perhaps")
        self.settings.write("on_dns_failure = deliver\nnamservers = 127.0.0.1\n")
        self.server.forget()
        self.says(self.deferred("ann@asked.test") + self.syslog.text(), "namservers", "nameservers")
        self.settings.fresh()
        self.server.forget()
        self.delivered("bob@asked.test", "mx.asked.test", "CV=yes")

    def what_is_no_domain_has_no_policy_and_is_never_part_of_an_answer(self):
        for text in ("x mode=enforce", "[198.51.100.1]", "*", "", "a..b", "-", "x" * 70, "good.test\\nmode=enforce", "${run{/bin/true}}"):
            text = text.replace("$", "\\$").replace("{", "\\{").replace("}", "\\}")
            self.same(self.expanded("policy", text), "mode=none", f"the policy of {text!r}")
