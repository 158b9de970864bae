#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts report send: to whom, in which form, once; what fails is tried again, and who publishes nonsense gets nothing."""
import gzip
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import report_peers  # noqa: E402
import tools  # noqa: E402
from report_write import COUNTED, Case  # noqa: E402

WHO = ("--set", "report_organization=Example Org", "--set", "report_contact=reports@sender.example")


class Sending(Case):
    def setUp(self):
        super().setUp()
        self.dns = report_peers.Dns()
        self.addCleanup(self.dns.stop)
        self.sendmail = report_peers.Sendmail(self.folder)
        self.webs = []

    def web(self, name="r.test"):
        web = report_peers.Web(self.folder, name)
        self.addCleanup(web.stop)
        self.dns.a[name] = ["127.0.0.1"]
        return web

    def tell(self, domain, *rua):
        self.dns.txt["_smtp._tls." + domain] = ["v=TLSRPTv1; rua=" + ",".join(rua)]

    def count(self, *domains):
        self.record("".join(f"times(5, {{ domain = '{domain}' }})\n" for domain in domains or ("a.test",)))

    def words(self, *words, private=True):
        return ("report", "send", "--store", self.store, "--nameserver", self.dns.address, "--set", "report_sendmail=" + self.sendmail.path,
                "--set", "allow_private=" + ("yes" if private else "no"), *WHO, *words)

    def send(self, code=0, *words, now=True, private=True, **more):
        return self.ends(code, *self.words(*(("--now",) if now else ()), *words, private=private), **more)

    def sql(self, text):
        with sqlite3.connect(self.store) as db:
            rows = db.execute(text).fetchall()
        db.close()
        return rows

    def state(self, domain="a.test"):
        return self.sql(f"SELECT state, tries, uri, detail FROM delivery WHERE domain = '{domain}'")[0]

    def later(self, seconds=None):
        """Time passes: a claim ends, the next try is due."""
        self.sql("UPDATE delivery SET until_ms = 1, next_at = 1")
        if seconds:
            self.sql(f"UPDATE delivery SET first_at = first_at - {seconds} WHERE first_at > 0")


class Mail(Sending):
    def test_a_mail_is_as_the_rfc_wants_it(self):
        self.record(COUNTED)
        self.tell("a.test", "mailto:tlsrpt@a.test")
        result = self.send()
        self.assertIn("a.test: sent to mailto:tlsrpt@a.test", result.out)
        self.assertIn("b.test: not wanted: no TLSRPT record", result.out)
        (message,) = self.sendmail.messages
        document = report_peers.check_message(message, "a.test", "sender.example")
        self.assertEqual(len(document["policies"]), 2)
        self.assertEqual((message["To"], message["From"]), ("tlsrpt@a.test", "reports@sender.example"))
        self.assertEqual(message["Message-ID"], f"<{document['report-id']}@sender.example>")
        self.assertEqual(self.sendmail.arguments, [[]])
        self.assertNotIn(b"\r", self.sendmail.raw[0])
        self.assertLess(max(map(len, self.sendmail.raw[0].split(b"\n"))), 998)

    def test_our_own_reader_takes_the_mail_once_it_is_signed(self):
        self.count()
        self.tell("a.test", "mailto:tlsrpt@a.test")
        self.send()
        signed = self.write("signed.eml", b"DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=s; h=from; bh=; b=\n" + self.sendmail.raw[0])
        out = " ".join(self.ends(0, "report", "validate", signed).out.split())
        self.assertNotIn("breaks rules", out)
        self.ends(1, "report", "validate", self.write("unsigned.eml", self.sendmail.raw[0]))

    def test_the_program_gets_its_own_arguments_and_never_an_address(self):
        self.count()
        self.tell("a.test", "mailto:tlsrpt@a.test")
        self.ends(0, *self.words("--now", "--set", f"report_sendmail={self.sendmail.path} -t  -oi ;$(x)"))
        self.assertEqual(self.sendmail.arguments, [["-t", "-oi", ";$(x)"]])

    def test_the_program_is_told_the_sender_of_the_envelope_where_it_is_wanted(self):
        self.count()
        self.tell("a.test", "mailto:tlsrpt@a.test")
        self.ends(0, *self.words("--now", "--set", f"report_sendmail={self.sendmail.path} -f {{contact}} x{{contact}}"))
        self.assertEqual(self.sendmail.arguments, [["-f", "reports@sender.example", "x{contact}"]])

    def test_parameters_of_the_address_are_ignored_and_percent_signs_read(self):
        self.count()
        self.tell("a.test", "MAILTO:tls%2Brpt@A.test?subject=Evil&bcc=victim@b.test&body=x")
        self.send()
        (message,) = self.sendmail.messages
        self.assertEqual(message["To"], "tls+rpt@a.test")
        report_peers.check_message(message, "a.test", "sender.example")
        self.assertNotIn(b"victim", self.sendmail.raw[0])

    def test_addresses_that_some_mail_server_misreads_are_not_written_to(self):
        hostile = ["mailto:x%0d%0aBcc:%20v@a.test", "mailto:x%0aBcc:v@a.test", "mailto:%7Csh@a.test", "mailto:/etc/passwd@a.test",
                   "mailto:-oQ/tmp@a.test", "mailto:a%40b@a.test", "mailto:a%25b@a.test", "mailto:a%21b@a.test", "mailto:%22a%20b%22@a.test",
                   "mailto:a%2cb@a.test", "mailto:a%3eb@a.test", "mailto:a%00b@a.test", "mailto:a..b@a.test", "mailto:a.@a.test",
                   "mailto:root@localhost", "mailto:x@[127.0.0.1]", "mailto:x@127.0.0.1", "mailto:x@a.test:25", "mailto:@a.test",
                   "mailto:x@", "mailto:" + "x" * 65 + "@a.test", "mailto:x%ffy@a.test", "ftp://a.test/", "javascript:x@a.test"]
        self.count(*(f"d{i}.test" for i in range(len(hostile))))
        for i, rua in enumerate(hostile):
            self.tell(f"d{i}.test", rua)
        result = self.send()
        self.assertEqual([line for line in result.lines if ": sent" in line], [])
        self.assertEqual(self.sendmail.raw, [])
        self.assertEqual({state for (state,) in self.sql("SELECT state FROM delivery")}, {"unwanted"})

    def test_a_program_that_fails_is_tried_again_with_the_same_ids(self):
        self.count()
        self.tell("a.test", "mailto:tlsrpt@a.test")
        self.sendmail.then("sys.exit(75)")
        self.assertIn("ended with exit code 75", self.send(1).out.replace("\n  ", " "))
        self.assertEqual(self.state()[:2], ("waiting", 1))
        self.send(1)  # not yet
        self.assertEqual(len(self.sendmail.raw), 1)
        self.later()
        self.sendmail.then("os.kill(os.getpid(), signal.SIGSEGV)")
        self.assertIn("signal 11", self.send(1).out.replace("\n  ", " "))
        self.later()
        self.sendmail.then("")
        self.send()
        self.assertEqual(self.state()[0], "sent")
        self.later()
        self.send()
        first, second, third = self.sendmail.messages
        self.assertEqual({message["Message-ID"] for message in (first, second, third)}, {first["Message-ID"]})
        self.assertEqual({str(message["Subject"]) for message in (first, second, third)}, {str(first["Subject"])})

    def test_a_program_that_is_not_there_is_a_failure(self):
        self.count()
        self.tell("a.test", "mailto:tlsrpt@a.test")
        os.remove(self.sendmail.path)
        self.assertIn("cannot be started: No such file", self.send(1).out.replace("\n  ", " "))
        for wrong in ("sendmail -t", ""):
            self.assertIn("report_sendmail", self.ends(64, *self.words("--now", "--set", "report_sendmail=" + wrong)).error)

    def test_a_program_that_hangs_is_killed_with_all_it_started(self):
        script = self.write("hang.lua", """
        local core = require 'mtasts.core'
        local began = os.time()
        print(core.report_sendmail({ arg[1] }, 'x', 1))
        print(os.time() - began < 10)
        """)
        self.sendmail.then("import subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                           "subprocess.Popen(['sleep', '987'])\ntime.sleep(987)")
        out = self.ends(0, "run", script, self.sendmail.path).out
        self.assertIn("did not end within 1 s and was killed", out)
        self.assertIn("true", out)
        self.assertEqual(subprocess.run(["pgrep", "-f", "^sleep 987$"], capture_output=True).stdout, b"")

    def test_all_of_a_large_message_arrives_however_slowly_it_is_read(self):
        script = self.write("large.lua", "print(require('mtasts.core').report_sendmail({ arg[1] }, ('x'):rep(3000000), 30))")
        self.sendmail.then("")
        self.assertEqual(self.ends(0, "run", script, self.sendmail.path).out.strip(), "true")
        self.assertEqual(len(self.sendmail.raw[0]), 3000000)


class Post(Sending):
    def test_a_report_is_posted_compressed(self):
        self.record(COUNTED)
        web = self.web()
        self.tell("a.test", f"https://r.test:{web.port}/v1/tlsrpt?key=1#fragment")
        self.assertIn("a.test: sent to https://r.test:", self.send().out)
        ((path, headers, body),) = web.got
        self.assertEqual(path, "/v1/tlsrpt?key=1")
        self.assertEqual(headers["Content-Type"], "application/tlsrpt+gzip")
        document = report_peers.check_report(gzip.decompress(body))
        self.assertEqual(document["policies"][1]["summary"]["total-successful-session-count"], 40)
        self.assertEqual(self.sendmail.raw, [])

    def test_a_wrong_certificate_stops_nothing_but_other_statuses_than_2xx_do(self):
        web = self.web("other.test")
        self.dns.a["r.test"] = ["127.0.0.1"]
        statuses = [200, 201, 202, 204, 301, 302, 307, 400, 403, 404, 413, 500, 503]
        domains = [f"d{status}.test" for status in statuses]
        self.count(*domains)
        for status in statuses:
            self.tell(f"d{status}.test", f"https://r.test:{web.port}/{status}")
        web.answer = lambda handler, body: handler.reply(int(handler.path[1:]), [("Location", f"https://r.test:{web.port}/200")])
        self.send(1)
        for status in statuses:
            state, tries, _, detail = self.state(f"d{status}.test")
            self.assertEqual(state, "sent" if status < 300 else "waiting", status)
            if status >= 300:
                self.assertIn(f"status {status}", detail)
        self.assertEqual(sorted(path for path, _, _ in web.got), sorted(f"/{status}" for status in statuses))

    def test_of_a_huge_answer_only_the_beginning_is_read_and_the_status_counts(self):
        self.count()
        web = self.web()
        self.tell("a.test", f"https://r.test:{web.port}/")
        sent = []

        def flood(handler, _):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 65536)
                sent.append(65536)
        web.answer = flood
        begin = time.monotonic()
        self.assertIn("sent to", self.send().out)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertLess(sum(sent), 64 << 20)

    def test_a_host_that_closes_is_a_failure_and_the_next_place_is_tried(self):
        self.count()
        web = self.web()
        web.answer = lambda handler, _: handler.connection.shutdown(socket.SHUT_RDWR)
        self.tell("a.test", f"https://r.test:{web.port}/", "https://gone.test/", f"https://r.test:{web.port}/2", "mailto:tlsrpt@a.test",
                  "mailto:second@a.test")
        self.assertIn("sent to mailto:tlsrpt@a.test", self.send().out)
        self.assertEqual(len(web.got), 2)
        self.assertEqual([message["To"] for message in self.sendmail.messages], ["tlsrpt@a.test"])

    def test_of_very_many_places_few_are_tried(self):
        self.count()
        web = self.web()
        web.answer = lambda handler, _: handler.reply(500)
        self.tell("a.test", *(f"https://r.test:{web.port}/{i}" for i in range(40)), "mailto:x@a.test")
        self.send(1)
        self.assertEqual(([path for path, _, _ in web.got], self.sendmail.raw), (["/0", "/1", "/2", "/3", "/4"], []))

    def test_one_success_is_enough(self):
        self.count()
        web = self.web()
        self.tell("a.test", f"https://r.test:{web.port}/", "mailto:tlsrpt@a.test")
        self.send()
        self.assertEqual((len(web.got), self.sendmail.raw), (1, []))

    def test_private_addresses_and_other_services_are_not_spoken_to(self):
        web = self.web()
        self.dns.a["mixed.test"] = ["10.1.2.3", "127.0.0.1", "169.254.169.254"]
        hostile = [f"https://r.test:{web.port}/", f"https://mixed.test:{web.port}/", f"https://127.0.0.1:{web.port}/", f"https://[::1]:{web.port}/",
                   f"https://localhost:{web.port}/", "https://r.test:25/", "https://r.test:22/", f"https://2130706433:{web.port}/",
                   f"https://x@r.test:{web.port}/", f"http://r.test:{web.port}/"]
        self.count(*(f"d{i}.test" for i in range(len(hostile))))
        for i, rua in enumerate(hostile):
            self.tell(f"d{i}.test", rua)
        result = self.send(1, private=False)
        self.assertNotIn(": sent", result.out)
        self.assertEqual(web.got, [])
        self.assertIn("private", self.state("d0.test")[3])

    def test_a_hanging_host_is_left_at_the_deadline(self):
        script = self.write("hang.lua", """
        local core = require 'mtasts.core'
        require('mtasts').configure { nameservers = arg[1], allow_private = true }
        local look = core.see_https { host = 'r.test', port = math.tointeger(tonumber(arg[2])), path = '/', post = 'x', media_type = 'a/b', timeout = 1 }
        print(look.error.code, look.posted, look.status)
        """)
        web = self.web()
        web.answer = lambda handler, _: time.sleep(20)
        self.assertEqual(self.ends(0, "run", script, self.dns.address, str(web.port)).out.split(), ["https-deadline", "true", "nil"])


    def test_hosts_that_hang_hold_up_no_others(self):
        web = self.web()
        web.answer = lambda handler, _: (time.sleep(4), handler.reply(200))
        domains = [f"d{i}.test" for i in range(20)]
        self.count(*domains)
        for i, domain in enumerate(domains):
            self.tell(domain, f"mailto:x@{domain}" if i % 2 else f"https://r.test:{web.port}/{i}")
        begin = time.monotonic()
        result = self.send()
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual([line.split()[1] for line in result.lines], [domain + ":" for domain in sorted(domains)])
        self.assertEqual((len(web.got), len(self.sendmail.raw)), (10, 10))


class Record(Sending):
    def test_records_that_ask_for_nothing_and_dns_that_fails(self):
        cases = {"none.test": None, "two.test": ["v=TLSRPTv1; rua=mailto:a@a.test", "v=TLSRPTv1; rua=mailto:b@a.test"],
                 "bad.test": ["v=TLSRPTv1; x=y"], "other.test": ["v=spf1 -all"], "fails.test": None}
        self.count(*cases)
        for domain, texts in cases.items():
            if texts:
                self.dns.txt["_smtp._tls." + domain] = texts
        self.dns.failing.add("_smtp._tls.fails.test")
        self.send(1)
        self.assertEqual({domain: self.state(domain)[0] for domain in cases},
                         {"none.test": "unwanted", "two.test": "unwanted", "bad.test": "unwanted", "other.test": "unwanted",
                          "fails.test": "waiting"})
        self.assertEqual(self.sendmail.raw, [])
        self.dns.failing.clear()
        self.tell("fails.test", "mailto:x@a.test")
        self.later()
        self.send()
        self.assertEqual(len(self.sendmail.raw), 1)

    def test_other_records_beside_it_and_a_record_in_pieces(self):
        self.count()
        self.dns.txt["_smtp._tls.a.test"] = ["v=spf1 -all", "v=TLSRPTv1; x=" + "y" * 300 + "; rua=mailto:long@a.test"]
        self.send()
        self.assertEqual(self.sendmail.messages[0]["To"], "long@a.test")

    def test_a_domain_whose_record_would_have_too_long_a_name_wants_nothing(self):
        domain = ".".join(["d" * 60] * 4)[:247]
        self.count(domain)
        self.assertIn("not wanted", self.send().out)

    def test_a_long_domain_makes_a_mail_with_short_enough_lines(self):
        domain = ".".join(["d" * 57] * 4)
        self.count(domain)
        self.tell(domain, "mailto:x@a.test")
        self.send()
        report_peers.check_message(self.sendmail.messages[0], domain, "sender.example")
        self.assertLess(max(map(len, self.sendmail.raw[0].split(b"\n"))), 998)


class Once(Sending):
    def test_a_report_goes_out_once_however_often_it_is_sent(self):
        self.count("a.test", "b.test")
        self.tell("a.test", "mailto:x@a.test")
        self.tell("b.test", "mailto:x@b.test")
        for _ in range(3):
            self.send()
        self.assertEqual(sorted(message["TLS-Report-Domain"] for message in self.sendmail.messages), ["a.test", "b.test"])

    def test_of_several_that_send_at_once_one_sends_each(self):
        domains = [f"d{i}.test" for i in range(8)]
        self.count(*domains)
        for domain in domains:
            self.tell(domain, f"mailto:x@{domain}")
        self.sendmail.then("time.sleep(0.1)")
        running = [subprocess.Popen(self.command(*self.words("--now")), env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE) for _ in range(4)]
        for process in running:
            error = process.communicate(timeout=60)[1]
            self.assertEqual((process.returncode, error), (0, b""))
        self.assertEqual(sorted(message["TLS-Report-Domain"] for message in self.sendmail.messages), sorted(domains))
        self.assertEqual({state for (state,) in self.sql("SELECT state FROM delivery")}, {"sent"})

    def test_killed_between_hand_over_and_note_it_is_not_sent_again(self):
        self.count()
        self.tell("a.test", "mailto:x@a.test")
        self.sendmail.then("os.kill(os.getppid(), signal.SIGKILL)")
        self.assertEqual(self.run_program(*self.words("--now")).code, -signal.SIGKILL)
        self.assertEqual((len(self.sendmail.raw), self.state()[0]), (1, "handing"))
        self.sendmail.then("")
        self.assertIn("being sent by another process", self.send().out)
        self.later()
        result = self.send(1)
        self.assertIn("may have been sent", result.out)
        self.assertIn("it may have arrived, and is not sent again", result.error)
        result = self.send(1)
        self.assertEqual((len(self.sendmail.raw), result.error), (1, ""))  # said once

    def test_the_same_with_a_post(self):
        self.count()
        web = self.web()
        self.tell("a.test", f"https://r.test:{web.port}/", "mailto:x@a.test")
        process = subprocess.Popen(self.command(*self.words("--now")), env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL)
        web.answer = lambda handler, _: (process.kill(), process.wait(), handler.reply(200))
        self.assertEqual(process.wait(timeout=60), -signal.SIGKILL)
        report_peers.wait_for(lambda: web.got)
        self.later()
        web.answer = lambda handler, _: handler.reply(200)
        self.send(1)
        self.assertEqual((len(web.got), self.sendmail.raw, self.state()[0]), (1, [], "unsure"))

    def test_killed_before_the_hand_over_another_sends_it(self):
        self.count()
        self.tell("a.test", "mailto:x@a.test")
        process = subprocess.Popen(self.command(*self.words("--now")), env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL)
        self.dns.on_question = lambda name: process.kill()
        self.assertEqual(process.wait(timeout=60), -signal.SIGKILL)
        self.dns.on_question = None
        self.assertIn("being sent by another process", self.send().out)
        self.later()
        self.send()
        self.assertEqual((len(self.sendmail.raw), self.state()[0]), (1, "sent"))

    def test_a_store_that_takes_nothing_sends_nothing(self):
        self.count()
        self.tell("a.test", "mailto:x@a.test")
        self.assertIn("store", self.ends(3, *self.words("--now", "--store", "none")).error)
        if os.geteuid() != 0 or not shutil.which("unshare"):
            self.skipTest("a full disk needs root and unshare")
        script = self.write("full.sh", f"""set -e
mkdir disk; mount -t tmpfs -o size=2m,mode=700 none disk; cp s.db disk/
echo BEGIN; dd if=/dev/zero of=disk/rest bs=1k count=3000 2>/dev/null || true
set +e; "$@"; echo "ended $?"; rm disk/rest; "$@"; echo "ended $?"
""")
        words = [self.words("--now")[0:2], ["--store", "disk/s.db"], self.words("--now")[4:]]
        done = subprocess.run(["unshare", "-m", "sh", script, tools.PROGRAM, *(word for part in words for word in part)], cwd=self.folder,
                              env=self.environment, capture_output=True, timeout=60, check=False)
        out = done.stdout.decode()
        if "BEGIN" not in out:
            self.skipTest("no tmpfs can be mounted here")
        self.assertIn("ended 2", out, done.stderr)
        self.assertIn("store-full", done.stderr.decode())
        self.assertIn("sent to mailto:x@a.test", out.split("ended 2")[1], done.stderr)
        self.assertEqual(len(self.sendmail.raw), 1)


class When(Sending):
    def test_a_random_delay_comes_first_unless_now(self):
        domains = [f"d{i}.test" for i in range(12)]
        self.count(*domains)
        for domain in domains:
            self.tell(domain, f"mailto:x@{domain}")
        self.ends(0, *self.words("--set", "report_delay_s=7200"))
        waits = [at - int(time.time()) for (at,) in self.sql("SELECT next_at FROM delivery WHERE state = 'waiting'")]
        self.assertGreater(len(waits), 8)
        self.assertTrue(all(-60 <= wait <= 7200 for wait in waits) and max(waits) - min(waits) > 600, waits)
        before = len(self.sendmail.raw)
        self.assertLessEqual(before, 12 - len(waits))
        self.sql("UPDATE delivery SET next_at = 1 WHERE domain = 'd3.test'")
        self.send(0, now=False)
        self.assertIn("d3.test", [message["TLS-Report-Domain"] for message in self.sendmail.messages])
        self.send()
        self.assertEqual(len(self.sendmail.raw), 12)

    def test_tries_for_a_day_and_then_no_more(self):
        self.count()
        self.tell("a.test", "mailto:x@a.test")
        self.sendmail.then("sys.exit(1)")
        waits = []
        for hours in (0, 1, 2, 4, 8, 8):
            self.later(3600 * hours)
            self.send(1)
            waits += [at - int(time.time()) for (at,) in self.sql("SELECT next_at FROM delivery")]
        self.assertEqual(self.state()[:2], ("waiting", 6))
        self.assertTrue(850 < waits[0] < 1200 and waits[0] * 3 < waits[2] and max(waits) <= 18001, waits)
        self.later(3600)
        result = self.send(1)
        self.assertIn("given up after 7 tries", result.error)
        self.assertIn("given up", result.out)
        self.later()
        self.send(1)
        self.assertEqual(len(self.sendmail.raw), 7)

    def test_yesterday_and_what_is_left_of_the_day_before(self):
        for ago in (0, 1, 2, 3):
            self.record("times(1, { domain = 'a.test' })", ago)
        self.tell("a.test", "mailto:x@a.test")
        self.send()
        days = sorted(day for (day,) in self.sql("SELECT day FROM delivery"))
        self.assertEqual(days, [self.now // 86400 - 2, self.now // 86400 - 1])
        self.assertEqual(len({message["Message-ID"] for message in self.sendmail.messages}), 2)
        third = time.strftime("%Y-%m-%d", time.gmtime(self.now - 3 * 86400))
        self.send(0, "--day", third)
        self.assertEqual(len(self.sendmail.raw), 3)
        self.assertIn("not ended", self.send(64, "--day", time.strftime("%Y-%m-%d", time.gmtime(self.now))).error)

    def test_very_many_domains_need_few_open_files(self):
        self.count(*(f"d{i}.test" for i in range(300)))
        self.tell("d299.test", "mailto:x@d299.test")
        limited = self.write("limited", f"#!/bin/sh\nulimit -n 64\nexec {tools.PROGRAM} \"$@\"\n")
        os.chmod(limited, 0o755)
        self.command = lambda *given: [limited, *given]
        self.assertEqual(len(self.send().lines), 300)
        self.assertEqual(len(self.sendmail.raw), 1)

    def test_a_dry_run_sends_and_notes_nothing(self):
        self.count("a.test", "b.test")
        web = self.web()
        self.tell("a.test", f"https://r.test:{web.port}/", "mailto:x@a.test")
        result = self.send(0, "--dry-run")
        self.assertIn(f"a.test: would be sent to https://r.test:{web.port}/, else mailto:x@a.test", result.out.replace("\n  ", " "))
        self.assertIn("b.test: not wanted", result.out)
        self.assertEqual((web.got, self.sendmail.raw, self.sql("SELECT * FROM delivery")), ([], [], []))
        (a, b) = self.send(0, "--dry-run", "--json").json
        self.assertEqual((a["would"], b["state"]), ([f"https://r.test:{web.port}/", "mailto:x@a.test"], "unwanted"))
        self.send()
        self.assertIn("sent to", self.send(0, "--dry-run").out)

    def test_domain_chooses_and_json_tells_all(self):
        self.count("a.test", "b.test")
        self.tell("a.test", "mailto:x@a.test")
        self.tell("b.test", "mailto:x@b.test")
        (told,) = self.send(0, "--domain", "B.test", "--json").json
        self.assertEqual({key: told[key] for key in ("day", "domain", "state", "uri", "tries")},
                         {"day": self.yesterday, "domain": "b.test", "state": "sent", "uri": "mailto:x@b.test", "tries": 0})
        self.assertEqual(f"<{told['id']}@sender.example>", self.sendmail.messages[0]["Message-ID"])
        self.assertEqual(len(self.sendmail.raw), 1)


if __name__ == "__main__":
    tools.main()
