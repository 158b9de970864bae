# SPDX-License-Identifier: ISC
"""Who waits for whom, with a real smtpd and the filter."""
import threading
import time

from case import Case

FILTER = 2526  # the port whose listener has it
FILTER_DEADLINE = 4.0
CROWD, CROWD_DOMAINS = 200, 20
CROWD_LIMIT = FILTER_DEADLINE / 2  # far from what the one that hangs takes


class Waiting(Case):
    DOMAINS = {
        "slow.test": {"id": "1", "mx": ["mx.slow.test"], "https": "unreachable"},
        "quick.test": {"id": "1", "mx": ["mx.quick.test"]},
        "filtered.test": {"id": "1", "mx": ["mx.filtered.test"]},
        "hang.test": {"id": "1", "mx": ["mx.hang.test"], "https": "unreachable"},
        "stuck.test": {"id": "1", "mx": ["mx.crowd.test"], "https": "unreachable"},
    } | {f"crowd{n}.test": {"id": "1", "mx": ["mx.crowd.test"]} for n in range(CROWD_DOMAINS)}

    def a_policy_that_cannot_be_told_yet_is_an_error_and_never_not_found(self):
        codes = []
        took = self.seconds(lambda: codes.append(self.server.submit("joe@hang.test")))
        self.same(codes, [451], "RCPT while the policy host hangs")
        if not 1 < took < 8:
            raise AssertionError(f"the answer took {took:.1f} s, the deadline is 3 s")
        self.same(self.server.submit("joe@quick.test", only_ask=True), 250, "RCPT of another domain afterwards")

    def the_filter_holds_one_session_while_others_go_on(self):
        """… nor does smtpd's lookup process wait: what the filter found lies in the store when the table is asked."""
        held, took = {}, {}

        def send(domain):
            began = time.monotonic()
            held[domain] = self.server.submit(f"joe@{domain}", only_ask=True, port=FILTER)
            took[domain] = time.monotonic() - began

        slow = threading.Thread(target=send, args=("slow.test",))
        slow.start()
        time.sleep(0.3)
        send("quick.test")
        self.same(held, {"quick.test": 250}, "the reply of the other session, while the first waits")
        slow.join()
        self.same(held["slow.test"], 250, "the reply after the filter's deadline")
        if not (took["quick.test"] < 2 and FILTER_DEADLINE - 0.5 < took["slow.test"] < FILTER_DEADLINE + 2):
            raise AssertionError(f"seconds: {took}; the filter's deadline is {FILTER_DEADLINE}")

    def what_the_filter_found_the_table_answers(self):
        to = "ann@filtered.test"
        self.same(self.server.submit(to, port=FILTER), 250, "RCPT")
        _, result, _ = self.server.attempt(to)
        self.same((result, self.taken("filtered.test")), ("Ok", ["mx.filtered.test"]), "delivered")
        self.same(self.server.log().count("filtered.test: policy 1 fetched"), 1, "fetches")

    def crowd(self, number):
        return f"crowd{number % CROWD_DOMAINS}.test" if number else "stuck.test"

    def two_hundred_sessions_at_once_do_not_wait_for_the_one_whose_policy_host_hangs(self):
        """Nothing is known of their domains before."""
        start, took, codes = threading.Barrier(CROWD), {}, {}

        def ask(number, client, domain):
            start.wait(60)
            began = time.monotonic()
            codes[number], _ = client.rcpt(f"joe@{domain}")
            took[number] = time.monotonic() - began

        self.world.seen()
        clients = []
        for number in range(CROWD):  # one after the other: few wait for accept at a time, or the kernel makes them come again
            client = self.server.client(FILTER)
            client.ehlo()
            client.mail("from@client.test")
            clients.append((client, threading.Thread(target=ask, args=(number, client, self.crowd(number)))))
        for _, thread in clients:
            thread.start()
        for client, thread in clients:
            thread.join()
            client.close()
        self.same((len(codes), set(codes.values())), (CROWD, {250}), "replies")
        stuck, others = took.pop(0), sorted(took.values())
        self.notes.append(f"RCPT of the {len(others)} others: slowest {others[-1] * 1000:.0f} ms, median {others[len(others) // 2] * 1000:.0f} ms; "
                          f"of the one: {stuck:.1f} s")
        if not FILTER_DEADLINE - 0.5 < stuck < FILTER_DEADLINE + 2 or others[-1] > CROWD_LIMIT:
            raise AssertionError(self.notes[-1])
        self.world.settle()
        self.same(self.world.seen().get("get", 0), CROWD_DOMAINS, "fetches: one for each domain")
