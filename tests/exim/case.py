# SPDX-License-Identifier: ISC
"""What the scenarios with a real Exim have in common."""
from servers import case


class Case(case.Case):
    """FAULTS, if any, meet who asks 127.0.0.53."""
    FAULTS = {}

    def sent(self, *to):
        """The last result of each recipient."""
        self.world.settle()
        return [results[-1] if results else ("", "") for results in self.server.send(*to)]

    def delivered(self, to, host, text=""):
        """This host took it, and the log says so."""
        (kind, line), = self.sent(to)
        self.same(kind, "=>", f"{to}: {line}")
        self.says(line, f"H={host} ", text)
        self.same(self.taken(to.split("@")[1])[-1:], [host], "the host that took it")
        return line

    def deferred(self, to, text=""):
        """Nobody took it, it is in the queue, and the log says why."""
        (kind, line), = self.sent(to)
        self.same(kind, "==", f"{to}: {line}")
        self.says(line, text)
        self.same(self.taken(to.split("@")[1]), [], "hosts that took it")
        return line

    def says(self, line, *texts):
        for text in texts:
            if text not in line:
                raise AssertionError(f"{text!r} is not in {line!r}")
