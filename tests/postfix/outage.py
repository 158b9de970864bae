# SPDX-License-Identifier: ISC
"""mtasts serve ends, is killed and comes back while mail flows, with a real Postfix: nothing is lost, nothing goes unprotected."""
import os
import re
import signal
import threading

from case import NO_ANSWER, Case
from servers.domains import host

MESSAGES, RESTARTS = 60, 4


class Outage(Case):
    DOMAINS = {"good.test": host("good.test"), "free.test": {"hosts": ["10 mx.free.test"]}, "calm.test": host("calm.test")} | {
        f"a{n}.flow.test": host(f"a{n}.flow.test") for n in range(4)} | {
        f"b{n}.flow.test": host(f"b{n}.flow.test", smtp_cert="wrong-name") for n in range(2)} | {
        f"c{n}.flow.test": {"id": "1", "mx": [f"mx.c{n}.flow.test"], "hosts": [f"10 mx.c{n}.attacker.test"]} for n in range(2)}

    def goes(self, *everybody):
        """What waits is tried again, also if it was not quite put back the first time."""
        self.server.wait(lambda: self.server.flush() or all(len(self.server.results(to)) > 1 for to in everybody), "a second attempt", step=0.5)
        self.same([self.server.attempt(to, 2)[0] for to in everybody], ["sent"] * len(everybody), "results")

    def mail_waits_while_it_is_down_and_goes_when_it_is_back(self):
        self.same(self.resolver.stop(), 0, "exit code")
        self.deferred("joe@good.test", NO_ANSWER)
        self.deferred("joe@free.test", NO_ANSWER)
        self.same(self.world.mail.seen(), [], "sessions with mail hosts")
        self.resolver.start()
        self.goes("joe@good.test", "joe@free.test")
        self.says(self.tls("mx.good.test"), "Verified")

    def a_restart_between_two_messages_is_not_noticed(self):
        self.delivered("joe@calm.test", "mx.calm.test")
        self.same(self.resolver.stop(), 0, "exit code")
        self.resolver.start()
        self.delivered("ann@calm.test", "mx.calm.test", "Verified")

    def nor_is_it_when_it_was_killed(self):
        self.resolver.stop(signal.SIGKILL)
        self.resolver.start()
        self.delivered("eve@calm.test", "mx.calm.test", "Verified")

    def mail_does_not_even_wait_for_a_next_attempt_where_somebody_else_holds_the_socket(self):
        self.resolver.stop()
        with self.resolver.hold() as held:
            for name in ("held", "again"):
                self.server.submit(f"{name}@calm.test")
                self.resolver.start(held)
                self.same(self.server.attempt(f"{name}@calm.test")[0], "sent", "the first attempt")
                self.same(self.resolver.stop(), 0, "exit code")
        if os.path.exists(self.resolver.socket):
            os.unlink(self.resolver.socket)
        self.resolver.start()

    def nothing_is_lost_and_nothing_goes_unprotected_while_it_comes_and_goes(self):
        self.world.settle()
        self.world.mail.seen()
        domains = [name for name in self.DOMAINS if name.endswith(".flow.test")]
        everybody = [f"u{n}@{domains[n % len(domains)]}" for n in range(MESSAGES)]

        def send():
            for to in everybody:
                self.server.submit(to)

        sender = threading.Thread(target=send)
        sender.start()
        for n in range(RESTARTS):
            self.resolver.stop(signal.SIGKILL if n % 2 else signal.SIGTERM)
            before = self.server.log().count("status=deferred (client TLS")
            self.server.wait(lambda: not sender.is_alive() or self.server.log().count("status=deferred (client TLS") > before, "mail that waits")
            self.resolver.start()
            self.server.flush()
        sender.join()
        fine = {to for to in everybody if "@a" in to}
        self.server.wait(lambda: self.server.flush() or not fine & self.server.waiting(), "all that may go to be gone", step=0.5)
        self.same(self.server.waiting(), set(everybody) - fine, "recipients of what waits")
        self.world.settle()
        seen = [seen for seen in self.world.mail.seen_list if seen.get("taken")]
        got = [to for one in seen for line in one["lines"] for to in re.findall(r"(?i)RCPT TO:<([^>]+)>", line)]
        self.same(sorted(got), sorted(fine), "recipients that hosts took mail for, each once")
        self.same([one["host"] for one in seen if not one["tls"]], [], "hosts that took it in the clear")
        self.notes.append(f"{len(fine)} of {MESSAGES} went, {self.server.log().count(NO_ANSWER)} attempts found no answer")
