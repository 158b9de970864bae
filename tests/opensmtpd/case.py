# SPDX-License-Identifier: ISC
"""What the scenarios with a real smtpd have in common."""
import json
import subprocess

from servers import case


class Case(case.Case):
    def rows(self, *domains):
        """What is counted of sessions with their hosts."""
        done = subprocess.run([f"{self.build}/mtasts", "--store", self.server.store, "--json", "store", "sessions", *domains],
                              capture_output=True, text=True, timeout=20)
        self.same(done.returncode in (0, 3), True, f"exit code {done.returncode}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

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
