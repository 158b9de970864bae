# SPDX-License-Identifier: ISC
"""The operator's rules, with a real smtpd: ruled.lua."""
import smtplib
import socket
import threading
import time

from case import Case

RULED = 2527  # the port whose listener has the filter with rules


class Rules(Case):
    DOMAINS = {
        "ruled.test": {"id": "1", "mx": ["mx.ruled.test"]},
        "excepted.test": {"id": "1", "mx": ["mx.excepted.test"], "hosts": ["10 mx.moved.test"]},
        "forged.test": {"id": "1", "mx": ["mx.forged.test"], "smtp_cert": {"mx.forged.test": "expired"}},
        "unasked.test": {"id": "1", "mx": ["mx.unasked.test"], "https": "unreachable"},
    }

    def asked(self, to, sender="from@client.test"):
        """The reply to RCPT, as one text."""
        with self.server.client(RULED) as client:
            client.ehlo()
            client.mail(sender)
            code, text = client.rcpt(to)
            return f"{code} {text.decode()}"

    def a_rule_refuses_in_each_phase_with_its_own_words(self):
        with socket.create_connection(("127.0.0.1", RULED), 30, ("127.0.0.66", 0)) as raw:
            self.same(raw.recv(200), b"550 5.7.1 go away\r\n", "connect")
        for name, expected in (("refused.client.test", (550, b"5.7.1 not you")), ("left.client.test", (421, b"4.7.0 bye"))):
            client = self.server.client(RULED)
            self.same(client.docmd("EHLO", name), expected, f"EHLO {name}")
            client.close()
        with self.server.client(RULED) as client:
            self.same(client.docmd("HELO", "refused.client.test"), (550, b"5.7.1 nor you"), "HELO")
            client.ehlo()
            self.same(client.mail("refused@client.test"), (550, b"5.7.1 no mail from them"), "MAIL")
            client.mail("nodata@client.test")
            client.rcpt("joe@ruled.test")
            self.same(client.docmd("DATA"), (554, b"5.7.1 no data"), "DATA")
            client.rset()
            client.mail("from@client.test")
            client.rcpt("joe@ruled.test")
            client.rcpt("ann@ruled.test")
            self.same(client.data("Subject: x\r\n\r\nx\r\n"), (554, b"5.7.1 one at a time: joe@ruled.test ann@ruled.test"), "the message")
        self.same(self.asked("refused@ruled.test"), "450 4.7.1 a | b c", "RCPT: one line, whatever stands in it")

    def a_rule_knows_what_smtpd_knows_of_the_session(self):
        self.same(self.asked("known@ruled.test"), "450 4.7.1 127.0.0.1 localhost pass client.test from@client.test 127.0.0.1:2527", "the session")

    def mail_that_a_rule_calls_junk_is_delivered_and_marked(self):
        self.same(self.server.submit("junk@ruled.test", port=RULED), 250, "RCPT")
        self.same(self.server.attempt("junk@ruled.test")[1], "Ok", "result")
        data = [seen["data"] for seen in self.world.mail.seen_list if seen.get("data") and "RCPT TO:<junk@ruled.test>" in seen["lines"]]
        self.same((len(data), "X-Spam: yes" in [line.lower().replace("x-spam: yes", "X-Spam: yes") for line in data[0]]), (1, True), f"marked: {data}")

    def a_rule_may_look_up_and_probe(self):
        self.same(self.asked("wait@ruled.test"), "450 4.7.1 looked up: require", "a lookup")
        self.same(self.asked("probe@ruled.test"), "450 4.7.1 TLS is fine", "a probe of a good host")
        self.same(self.asked("probe@forged.test"), "450 4.7.1 cert-expired", "and of one whose certificate has expired")

    def a_rule_that_waits_holds_its_own_session_only(self):
        held = {}

        def slow():
            began = time.monotonic()
            held["reply"] = self.asked("wait@unasked.test")
            held["took"] = time.monotonic() - began

        thread = threading.Thread(target=slow)
        thread.start()
        time.sleep(0.3)
        quick = self.seconds(lambda: self.same(self.asked("known@ruled.test")[:3], "450", "another session meanwhile"))
        self.same("reply" in held, False, "the first session has its answer already")
        thread.join()
        self.same(held["reply"], "450 4.7.1 looked up: deliver", "in the end")
        self.notes.append(f"the other session: {quick * 1000:.0f} ms, the one that waits: {held['took']:.1f} s")
        if quick > 1.5 or held["took"] < 1.5:
            raise AssertionError(self.notes[-1])

    def rules_that_fail_loop_hoard_or_would_end_the_program_do_not_stop_mail(self):
        for name in ("fail", "loop", "hoard", "exit"):
            took = self.seconds(lambda: self.same(self.server.submit(f"{name}@ruled.test", port=RULED), 250, f"RCPT {name}"))
            self.notes.append(f"{name} {took * 1000:.0f} ms")
        for name in ("fail", "loop", "hoard", "exit"):
            self.same(self.server.attempt(f"{name}@ruled.test")[1], "Ok", f"delivery of {name}")
        for words in ("ruled.lua:", "oh dear", "a rule was stopped: it ran more than 50 million instructions", "a rule that prints harms nobody",
                      "os.exit is off here: a rule must not end a program of the mail server"):
            self.same(words in self.server.log(), True, f"{words!r} in the log")

    def an_exception_counts_for_the_table_too(self):
        self.delivered("excepted.test", "mx.moved.test")

    def smtpd_lives(self):
        self.same(self.server.alive(), True, "smtpd runs")
        with self.server.client(RULED) as client:
            self.same(client.noop()[0], 250, "and answers")
        for bad in ("fatal", "filter-mtasts: exiting", "not understood"):
            self.same(bad in self.server.log(), False, f"{bad!r} in smtpd's log")
