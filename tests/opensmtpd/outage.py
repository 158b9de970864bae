# SPDX-License-Identifier: ISC
"""What stays when something else goes, with a real smtpd: the record, the policy host, name servers, smtpd, our own programs."""
import contextlib
import os
import random
import signal
import smtplib
import sqlite3
import subprocess
import threading
import time

from case import Case

AT_ONCE = 2.0  # seconds; DNS is given up after 3
ROUNDS, LOOKUPS = 2, 5  # for each program that is killed; while it looks that many new domains up


class Outage(Case):
    DOMAINS = {
        "cached.test": {"id": "1", "mx": ["mx.cached.test"]},
        "dark.test": {"id": "1", "mx": ["mx.dark.test"]},
        "again.test": {"id": "1", "mx": ["mx.again.test"]},
    } | {f"kill{n}.test": {"id": "1", "mx": ["mx.kill.test"]} for n in range(2 * ROUNDS * (LOOKUPS + 1))}

    def gone(self, domain):
        """Record and policy host are gone, and DNS names an attacker's host."""
        left = dict(self.domains[domain], https="down", hosts=["10 mx.attacker.test"])
        del left["id"]
        return left

    def a_cached_policy_is_enforced_when_record_and_policy_host_are_gone(self):
        self.same(self.server.submit("joe@cached.test", only_ask=True), 250, "RCPT while all is well")
        gone = self.gone("cached.test")
        self.world.tell(self.domains | {"cached.test": gone})
        self.kept_back("ann@cached.test")
        self.same(self.taken("cached.test"), [], "hosts that took it")
        del gone["hosts"]
        self.world.tell(self.domains | {"cached.test": gone})
        self.delivered("cached.test", "mx.cached.test")
        self.world.tell(self.domains)

    def a_cached_policy_is_enforced_when_the_name_servers_are_gone_too(self):
        """… and the mail is delivered when they are back."""
        attackers = self.connected("mx.attacker.test")
        self.same(self.server.submit("joe@dark.test", only_ask=True), 250, "RCPT while all is well")
        self.world.tell(self.domains | {"dark.test": self.gone("dark.test")})
        clients = {"ann": ("without", self.server.client(2525)), "bob": ("with", self.server.client(2526))}
        self.world.unbound.pause()
        try:
            for name, (with_or_without, client) in clients.items():
                self.kept_back(f"{name}@dark.test", client)
                self.notes.append(f"RCPT {with_or_without} the filter: {self.server.rcpt_s * 1000:.0f} ms")
                self.same(self.server.rcpt_s < AT_ONCE, True, f"the policy is cached, so {self.notes[-1]} must not wait for DNS")
        finally:
            self.world.unbound.go_on()
        self.same(self.taken("dark.test"), [], "hosts that took it")
        self.same(self.connected("mx.attacker.test"), attackers, "connections to the attacker's host")
        self.world.tell(self.domains)
        time.sleep(10.5)  # so long the table does not wait for DNS again
        self.server.schedule()
        for name in clients:
            self.same(self.server.attempt(f"{name}@dark.test")[1], "Ok", "result after DNS is back")
        self.same(set(self.taken("dark.test")), {"mx.dark.test"}, "hosts that took it")

    def smtpd_lives_and_asked_no_answer_twice(self):
        self.same(self.server.alive(), True, "smtpd runs")
        for bad in ("fatal", "table-mtasts: exiting", "not understood"):
            self.same(bad in self.server.log(), False, f"{bad!r} in smtpd's log")

    def smtpd_started_again_fetches_nothing_that_is_cached(self):
        self.delivered("again.test", "mx.again.test")
        self.world.settle()
        self.world.seen()
        self.server.stop()
        self.server.wait_for_end()
        self.server.start()
        self.delivered("again.test", "mx.again.test", "ann")
        self.same(self.server.submit("bob@again.test", only_ask=True, port=2526), 250, "RCPT through the filter")
        self.world.settle()
        seen = self.world.seen()
        self.same((seen.get("requests", 0), seen.get("smtp mx.again.test")), (0, 1), "requests to policy hosts, and deliveries")

    # ---- kill -9, while policies are looked up and stored ----

    def ask(self, domain):
        try:
            self.server.submit(f"joe@{domain}", only_ask=True, port=2526)
        except (OSError, smtplib.SMTPException):
            pass  # smtpd went with it

    def whole(self, domain):
        """The store: SQLite finds no fault, our command reads it, and this domain is in it."""
        with sqlite3.connect(self.server.store) as store:
            self.same(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "the store's integrity")
        listed = subprocess.run([f"{self.build}/mtasts", "store", "--store", self.server.store, "list"], capture_output=True, text=True)
        self.same((listed.returncode, f"{domain}: enforce" in listed.stdout), (0, True), f"exit code, {domain} listed; {listed.stderr}")

    def killed(self, program, number):
        """In the middle of its work. The last domain is for afterwards."""
        *domains, later = [f"kill{number * (LOOKUPS + 1) + i}.test" for i in range(LOOKUPS + 1)]
        clients = [threading.Thread(target=self.ask, args=(domain,)) for domain in domains]
        for client in clients:
            client.start()
        time.sleep(random.uniform(0, 0.06))
        victims = self.server.running([program])
        self.same(victims != [], True, f"{program} runs")
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):  # smtpd ends the others when it misses one
                os.kill(victim, signal.SIGKILL)
        for client in clients:
            client.join(30)
        self.ask("again.test")  # at the latest now smtpd sees it
        try:
            self.server.process.wait(2)
            self.notes.append("smtpd ended")
        except subprocess.TimeoutExpired:
            self.notes.append("smtpd went on")
            self.server.stop()
        self.server.wait_for_end()
        self.whole("again.test")
        said = len(self.server.log())
        self.server.start()
        self.delivered("again.test", "mx.again.test", f"{program}{number}")
        self.same(self.server.submit(f"joe@{later}", only_ask=True, port=2526), 250, "RCPT for a new domain afterwards")
        self.whole(later)
        self.same("mtasts: error" in self.server.log()[said:], False, "errors of ours in the log since then")

    def a_table_that_was_killed_leaves_a_store_that_works(self):
        for number in range(ROUNDS):
            self.killed("table-mtasts", number)

    def a_filter_that_was_killed_leaves_a_store_that_works(self):
        for number in range(ROUNDS, 2 * ROUNDS):
            self.killed("filter-mtasts", number)
