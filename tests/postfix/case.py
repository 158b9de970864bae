# SPDX-License-Identifier: ISC
"""What the scenarios with a real Postfix have in common."""
from servers import case

UNVERIFIED = "Server certificate not verified"
NO_ANSWER = "client TLS configuration problem"  # the table gives no answer: what it says is in the log


class Case(case.Case):
    """FAULTS, if any, meet who asks 127.0.0.53."""
    FAULTS = {}
    SETTINGS = {}  # of ours
    resolver = lines = None  # ours, and the lines of main.cf that are printed for it

    def sent(self, to):
        """The result of a new message."""
        number = len(self.server.results(to)) + 1
        self.server.submit(to)
        result = self.server.attempt(to, number)
        self.world.settle()
        return result

    def delivered(self, to, host, text=""):
        """This host took it, and the log says so."""
        kind, line = self.sent(to)
        self.same(kind, "sent", f"{to}: {line}")
        self.says(line.lower(), f" relay={host.lower()}[")
        self.same(self.taken(to.split("@")[1])[-1:], [host], "the host that took it")
        if text:
            self.says(self.tls(host), text)
        return line

    def deferred(self, to, text=""):
        """Nobody took it, it is in the queue, and the log says why."""
        before = len(self.taken(to.split("@")[1]))
        kind, line = self.sent(to)
        self.same(kind, "deferred", f"{to}: {line}")
        self.says(line, text)
        self.same(self.taken(to.split("@")[1])[before:], [], "hosts that took it")
        return line

    def tls(self, host):
        """What the log says of the last TLS session with the host."""
        found = [line for line in self.server.log().splitlines() if f" TLS connection established to {host}[" in line]
        return found[-1] if found else ""

    def sni(self, host):
        return [seen["sni"] for seen in self.world.mail.seen_list if seen["host"] == host]

    def asked(self, key, name="policy"):
        """What postmap gets: (exit code, value, errors)."""
        code, out, errors = self.server.run("postmap", "-q", key, f"socketmap:unix:{self.resolver.socket}:{name}")
        return code, out.rstrip("\n"), errors
