# SPDX-License-Identifier: ISC
"""What the scenarios with a real Exim have in common."""
import json
import subprocess
import time

from config import PREFIX
from servers import case


class Case(case.Case):
    """FAULTS, if any, meet who asks 127.0.0.53."""
    FAULTS = {}
    RULED = False  # with ruled.lua
    settings = syslog = printed = None  # of ours; none where Exim is as it is

    def sent(self, *to):
        """The last result of each recipient."""
        self.world.settle()
        return [results[-1] if results else ("", "") for results in self.server.send(*to)]

    def delivered(self, to, host, text=""):
        """This host took it, and the log says so."""
        (kind, line), = self.sent(to)
        self.same(kind, "=>", f"{to}: {line}")
        self.says(line.lower(), f" h={host} ")
        self.says(line, text)
        self.same(self.taken(to.split("@")[1])[-1:], [host], "the host that took it")
        return line

    def deferred(self, to, text=""):
        """Nobody took it, it is in the queue, and the log says why."""
        (kind, line), = self.sent(to)
        self.same(kind, "==", f"{to}: {line}")
        self.says(line, text)
        self.same(self.taken(to.split("@")[1]), [], "hosts that took it")
        return line

    def expanded(self, function, *arguments, user=None):
        return self.server.expand(self.printed.call(function, *arguments), user)

    # ---- what ours says ----

    def command(self, *words):
        done = subprocess.run([f"{PREFIX}/bin/mtasts", "--store", self.settings.store, *words], capture_output=True, text=True, timeout=20)
        self.same(done.returncode in (0, 3), True, f"exit code {done.returncode} of mtasts {' '.join(words)}: {done.stderr}")
        return done.stdout

    def rows(self, domain):
        """What is counted of its sessions."""
        return [json.loads(line) for line in self.command("--json", "store", "sessions", domain).splitlines()]

    def counted(self, domain):
        """The sessions with its hosts: [(type of policy, result, MX host)], once there are some: Exim does not wait for the counting."""
        end = time.monotonic() + 10
        while not (rows := self.rows(domain)):
            if time.monotonic() > end:
                raise AssertionError(f"no session with hosts of {domain} is counted; the log of ours:\n{self.syslog.text()}")
            time.sleep(0.05)
        return sorted([(row["policy_type"], row.get("result"), row.get("mx")) for row in rows], key=str)
