# SPDX-License-Identifier: ISC
"""What scenarios with a real mail server have in common."""
import time


class Case:
    """A subject: its methods whose names hold a "_" are its scenarios, in their order, and their names are the rules."""
    DOMAINS = {}

    def __init__(self, world, server, domains, build):
        """server: the real mail server; domains: what the world was told."""
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

    def says(self, line, *texts):
        for text in texts:
            if text not in line:
                raise AssertionError(f"{text!r} is not in {line!r}")

    def taken(self, domain):
        """The hosts that took mail for the domain."""
        return [seen["host"] for seen in self.world.mail.seen_list
                if seen.get("taken") and any(f"@{domain}>" in line for line in seen["lines"])]

    def connected(self, host):
        return len([seen for seen in self.world.mail.seen_list if seen["host"] == host])

    def seconds(self, function):
        began = time.monotonic()
        function()
        return time.monotonic() - began
