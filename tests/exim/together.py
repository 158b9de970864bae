# SPDX-License-Identifier: ISC
"""Domains, messages, users and processes that meet, with a real Exim."""
import os
import pwd
import re
import threading
import time

import exim as real
from case import Case
from enforced import NO_MX
from servers.domains import MEETING, host

CROWD = 50


class Together(Case):
    DOMAINS = MEETING | {
        "half.test": {"id": "1", "mx": ["mx.half.test"], "smtp_address": {"mx.half.test": ["198.51.100.200", "2001:db8::25"]}},
        "turned.test": {"hosts": ["10 mx.busy.test"], "smtp": {"mx.busy.test": "banner-421"}},
        "stays.test": {"hosts": ["10 mx.busy.test"]},
    }

    def that_a_host_failed_for_one_domain_is_no_reason_to_make_another_wait(self):
        self.deferred("joe@strict.test")
        self.delivered("joe@lax.test", "mx.both.test")
        self.delivered("joe@free.test", "mx.both.test")
        self.deferred("joe@maynot.test", NO_MX.format("maynot.test"))
        self.delivered("joe@may.test", "mx.provider.test", "CV=yes")

    def nor_do_failures_of_one_domain_hold_another_after_the_queue_was_run(self):
        self.server.run("-qff")
        self.delivered("ann@lax.test", "mx.both.test")
        self.same(self.taken("strict.test"), [], "hosts that took mail for the domain that enforces")

    def that_one_address_of_a_host_is_down_does_not_hold_mail_for_the_other(self):
        for number in range(6):
            self.delivered(f"joe{number}@half.test", "mx.half.test", "CV=yes")

    def domains_on_one_host_share_no_connection_where_only_one_may_use_it(self):
        self.world.mail.seen()
        results = self.sent("one@may.test", "one@maynot.test", "one@maytoo.test")
        self.same([kind for kind, _ in results], ["=>", "==", "=>"], f"results: {results}")
        sessions = [" ".join(seen["lines"]) for seen in self.world.mail.seen_list if seen["host"] == "mx.provider.test"]
        domains = [set(re.findall(r"(?i)RCPT TO:<\w+@(\w+)\.test>", session)) for session in sessions]
        self.same(sorted(domains, key=str), [{"may"}, {"maytoo"}], "domains, session by session")

    def a_message_that_waits_for_a_host_does_not_follow_another_where_it_may_not_go_any_more(self):
        """Both waited for the host without a policy; then one domain enforces, and another host."""
        self.settings.fresh()
        self.deferred("joe@turned.test")
        self.deferred("joe@stays.test")
        self.settings.fresh()
        self.world.tell(self.DOMAINS | {
            "turned.test": {"id": "1", "mx": ["mx.turned.test"], "hosts": ["10 mx.busy.test"]}})
        self.server.forget("retry")
        self.server.run("-qf")
        self.same([kind for kind, _ in self.server.results("joe@stays.test")][-1], "=>", "the other message")
        self.same(self.taken("turned.test"), [], "hosts that took it")
        self.says(str(self.server.results("joe@turned.test")), NO_MX.format("turned.test"))
        self.world.tell(self.DOMAINS)


class Crowd(Case):
    DOMAINS = {"crowd.test": host("crowd.test"), "mixed.test": host("mixed.test"), "asked.test": host("asked.test")} | {
        f"a{n}.verified.test": host(f"a{n}.verified.test") for n in range(3)}

    def fifty_deliveries_at_once_fetch_the_policy_of_a_cold_domain_once(self):
        self.world.settle()
        self.world.seen()
        names = [f"joe{n}" for n in range(CROWD)]
        threads = [threading.Thread(target=self.server.send_alone, args=(n, f"{name}@crowd.test")) for n, name in enumerate(names)]
        took = self.seconds(lambda: ([thread.start() for thread in threads], [thread.join() for thread in threads]))
        self.world.settle()
        self.same([kind for name in names for kind, _ in self.server.results(f"{name}@crowd.test")], ["=>"] * CROWD, "results")
        seen = self.world.seen()
        self.same(seen.get("get mta-sts.crowd.test"), 1, "fetches")
        self.notes.append(f"{CROWD} in {took:.1f} s")

    # ---- users ----

    def _all_belong_to_exims_user(self):
        user = pwd.getpwnam(real.USER).pw_uid
        names = os.listdir(self.settings.place)
        self.same("mtasts.db" in names, True, f"the store among {names}")
        for name in names:
            status = os.stat(f"{self.settings.place}/{name}")
            self.same((status.st_uid, status.st_mode & 0o7), (user, 0), f"owner of {name}, and what others may do with it")

    def asked(self, domain, user):
        self.same(self.expanded("policy", domain, user=user),
                  rf"mode=enforce id=1 ignore=!^(?i)mx\.{domain.replace('.', chr(92) + '.')}$:*", f"the policy, for {user or 'root'}")

    def root_and_exims_user_write_one_store_whoever_began_it(self):
        for first, second, ruled in ((None, real.USER, False), (real.USER, None, False), (None, real.USER, True), (real.USER, None, True)):
            self.settings.fresh(ruled)
            self.asked("asked.test", first)
            self._all_belong_to_exims_user()
            self.asked("mixed.test", second)
            self._all_belong_to_exims_user()
            self.delivered(f"{first or 'root'}{int(ruled)}@mixed.test".lower(), "mx.mixed.test", "CV=yes")
            self.counted("mixed.test")
            self._all_belong_to_exims_user()
            listed = self.command("store", "list")
            self.says(listed, "asked.test: enforce", "mixed.test: enforce")

    def what_is_cached_is_asked_of_nobody(self):
        self.delivered("first@crowd.test", "mx.crowd.test")
        self.world.settle()
        self.world.seen()
        self.delivered("second@crowd.test", "mx.crowd.test")
        self.world.settle()
        seen = self.world.seen()
        self.same((seen.get("txt", 0), seen.get("requests", 0)), (0, 0), "questions for records, and fetches")

    def no_process_of_exim_is_left_over(self):
        end = time.monotonic() + 20
        while left := self.server.running():
            if time.monotonic() > end:
                raise AssertionError(f"still run: {left}")
            time.sleep(0.05)

    def exim_tells_root_the_policy_and_the_way(self):
        self.asked("asked.test", None)
        code, out, errors = self.server.run("-bt", "joe@asked.test")
        self.same(code, 0, f"exit code of exim -bt: {errors}")
        self.says(out, "router = mtasts_enforce, transport = remote_smtp_mtasts", "host mx.asked.test")


class Verified(Case):
    """Routers that RCPT asks: in a process that has left being root, and ignores the end of its children."""
    DOMAINS = Crowd.DOMAINS | {"out.verified.test": {"id": "1", "mx": ["mx.verified.test"], "hosts": ["10 mx.attacker.test"]}}

    def rcpt_that_verifies_the_recipient_asks_the_policy_and_mail_is_delivered(self):
        self.server.start()
        try:
            for n in range(3):
                to = f"joe@a{n}.verified.test"
                self.same([code for code, _ in self.server.submit(to)], [250], "RCPT")
                self.same(self.server.attempt(to)[0], "=>", "result")
            self.same(self.server.submit("joe@out.verified.test")[0][0] // 100, 4, "RCPT where no host is permitted")
        finally:
            self.server.stop()
        self.says(self.command("store", "list"), "a0.verified.test: enforce", "out.verified.test: enforce")
