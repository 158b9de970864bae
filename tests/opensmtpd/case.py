# SPDX-License-Identifier: ISC
"""What the scenarios with a real smtpd have in common."""
import time


class Case:
    """A subject: its methods whose names hold a "_" are its scenarios, in their order, and their names are the rules."""
    DOMAINS = {}

    def __init__(self, world, server, domains, build):
        self.world, self.server, self.domains, self.build = world, server, domains, build
        self.notes = []  # figures, to be printed beside the scenario
        self.prepare()

    def prepare(self):
        """Before all scenarios of all subjects."""

    def scenarios(self):
        return [name for name in vars(type(self)) if "_" in name and not name.startswith("_")]

    def same(self, got, expected, what):
        if got != expected:
            raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")

    def taken(self, domain):
        """The hosts that took mail for the domain."""
        return [seen["host"] for seen in self.world.mail.seen_list
                if seen.get("taken") and any(f"@{domain}>" in line for line in seen["lines"])]

    def connected(self, host):
        return len([seen for seen in self.world.mail.seen_list if seen["host"] == host])

    def delivered(self, domain, host, name="joe"):
        to = f"{name}@{domain}"
        self.same(self.server.submit(to), 250, "RCPT")
        self.same(self.server.attempt(to)[1], "Ok", "result")
        self.same(set(self.taken(domain)), {host}, "hosts that took it")

    def kept_back(self, to, client=None):
        """It is accepted, and goes into the queue because the table names no host."""
        text = "Failed to retrieve smarthost"
        before = self.server.log().count(text)
        self.same(self.server.submit(to, client=client), 250, "RCPT")
        self.server.wait(lambda: self.server.log().count(text) > before, "smtpd to put the mail back into its queue")

    def seconds(self, function):
        began = time.monotonic()
        function()
        return time.monotonic() - began
