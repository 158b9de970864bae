# SPDX-License-Identifier: ISC
"""An Exim that asks mtasts serve with ${readsocket, without a module and without a program for each recipient."""
import os
import re

import config
import exim as real
from case import Case
from enforced import NO_MX, NOT_TRUSTED
from servers.domains import host
from servers import resolver

MANUAL = f"{os.path.dirname(os.path.realpath(__file__))}/../../filters/exim/exim-mtasts.8"


def manual():
    """The line that stands there for the router."""
    with open(MANUAL, encoding="utf-8") as source:
        line, = re.findall(r"^  address_data = (\$\{readsocket.*?)\n\.Ed", source.read(), re.M | re.S)
    return line.replace("\\e", "\\")


def telling(text):
    """Events, too, go to the socket instead of to a program."""
    def ask(found):
        words = re.sub(r"'([^']*)'", r"${quote:\1}", found[1])
        return f"${{readsocket{{/run/mtasts/lines}}{{event {words}\\n}}{{20s}}{{}}{{}}}}"
    return re.sub(r"\$\{run\{\S+ exim event -- (.*?)\}\{\}\{\}\}", ask, text, flags=re.S)


def reading(printed):
    """The parts of a configuration, where nothing is run any more."""
    routers, count = re.subn(r"(?<=  address_data = ).*?(?=\n  data =\n)", lambda _: manual(), printed.parts["routers"], flags=re.S)
    main, routers = telling(printed.parts["main"]), telling(routers)
    if count != 1 or "${run" in main + routers:
        raise RuntimeError(f"the parts are not as expected:\n{main}\n{routers}")
    return printed.enforcing() | {"main": main, "routers": routers + config.REMOTE, "acl": ""}


class Served(Case):
    DOMAINS = {
        "good.test": host("good.test"),
        "wrong.test": host("wrong.test", smtp_cert="wrong-name"),
        "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
        "wild.test": {"id": "1", "mx": ["*.wild.test"], "hosts": ["10 a.b.wild.test", "20 c.wild.test"]},
        "trial.test": {"id": "1", "mode": "testing", "mx": ["mx.trial.test"], "hosts": ["10 mx.elsewhere.test"]},
        "nothing.test": {"hosts": ["10 mx.nothing.test"], "smtp_cert": {"mx.nothing.test": "self-signed"}},
        "queued.test": host("queued.test"),
        "free.test": {"hosts": ["10 mx.free.test"]},
    }
    ours = None

    def answered(self, scenario):
        """While mtasts serve runs."""
        self.ours = self.ours or resolver.Resolver(self.server.folder, real.USER, "lines")
        self.ours.start()
        try:
            scenario()
        finally:
            self.same(self.ours.stop(), 0, f"exit code of mtasts serve; it said:\n{self.ours.log()}")

    def a_policy_that_is_read_from_a_socket_is_enforced(self):
        def scenario():
            self.delivered("joe@good.test", "mx.good.test", "CV=yes")
            self.delivered("joe@wild.test", "c.wild.test", "CV=yes")
            self.deferred("joe@wrong.test", NOT_TRUSTED)
            self.deferred("joe@outside.test", NO_MX.format("outside.test"))
            self.same(self.connected("mx.attacker.test"), 0, "connections")
        self.answered(scenario)

    def sessions_with_mail_hosts_are_counted(self):
        def scenario():
            self.delivered("ann@good.test", "mx.good.test", "CV=yes")
            self.same(self.counted("good.test"), [("sts", None, "mx.good.test")], "of a good one")
            self.deferred("ann@wrong.test", NOT_TRUSTED)
            self.same(self.counted("wrong.test"), [("sts", "certificate-host-mismatch", "mx.wrong.test")], "of one with a foreign name")
            self.deferred("ann@outside.test")
            self.same(self.counted("outside.test"), [("sts", "validation-failure", None)], "where no host is permitted")
        self.answered(scenario)

    def other_mail_goes_as_before(self):
        def scenario():
            self.delivered("joe@trial.test", "mx.elsewhere.test")
            self.delivered("joe@nothing.test", "mx.nothing.test", "CV=no")
        self.answered(scenario)

    def mail_waits_while_nobody_answers_and_goes_when_somebody_does(self):
        self.deferred("joe@queued.test", "MTA-STS: the policy of queued.test cannot be told now")
        self.deferred("ann@free.test", "cannot be told now")

        def scenario():
            self.server.run("-qff")
            self.same([kind for kind, _ in self.server.results("joe@queued.test")], ["==", "=>"], "results")
            self.same(self.taken("queued.test"), ["mx.queued.test"], "the host that took it")
        self.answered(scenario)
