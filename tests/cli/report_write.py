#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts report write: documents that a strict reader of RFC 8460 takes, of what was counted; files, names, refusals."""
import base64
import gzip
import json
import os
import sqlite3
import sys
import time

sys.dont_write_bytecode = True
import report_peers  # noqa: E402
import tools  # noqa: E402

DAY = 86400
RECORD = """local mtasts = require 'mtasts'
local world = mtasts.fake { now = tonumber(arg[1]) }
mtasts.configure { store = arg[2], log = 'none' }
local function times(count, session) for _ = 1, count do assert(mtasts.record_session(session)) end end
"""
POLICY = r"version: STSv1\nmode: testing\nmx: mx1.a.test\nmx: *.b.test\nmax_age: 86400\n"
COUNTED = f"""world:dns('_mta-sts.a.test TXT', {{ 'v=STSv1; id=1;' }})
world:https('mta-sts.a.test', '{POLICY}')
assert(mtasts.lookup 'a.test')
times(40, {{ domain = 'a.test', type = 'sts', mx = 'mx1.a.test' }})
times(3, {{ domain = 'a.test', type = 'sts', mx = 'mx1.a.test', address = '192.0.2.1', source = '2001:DB8:0::99', helo = 'mx1',
  result = 'cert-expired', reason = 'since yesterday' }})
times(2, {{ domain = 'a.test', mx = 'mx2.a.test', result = 'starttls-missing' }})
world:https('mta-sts.a.test', {{ status = 500 }})
world:dns('_mta-sts.a.test TXT', {{ 'v=STSv1; id=2;' }})
world:advance(400)
mtasts.lookup('a.test', {{ freshness = 'always' }})
times(1, {{ domain = 'b.test', type = 'tlsa', result = 'tlsa-invalid', mx = 'mx.b.test' }})
"""
WHO = ("--organization", "Example Org", "--contact", "tls-reports@Sender.Example")


class Case(tools.Case):
    def setUp(self):
        super().setUp()
        self.store = os.path.join(self.folder, "s.db")
        if time.time() % DAY > DAY - 90:  # not across midnight
            time.sleep(91)
        self.now = int(time.time())
        self.yesterday = time.strftime("%Y-%m-%d", time.gmtime(self.now - DAY))

    def record(self, lua, ago=1):
        begin = (self.now // DAY - ago) * DAY + 3600
        self.ends(0, "run", self.write("record.lua", RECORD + lua), str(begin), self.store)


class Write(Case):
    def of(self, code, *words, **more):
        return self.ends(code, "report", "write", "--store", self.store, *words, **more)

    def documents(self, *words):
        decoder, out, found = json.JSONDecoder(), self.of(0, *WHO, *words).out, []
        while out.strip():
            _, end = decoder.raw_decode(out.lstrip())
            out = out.lstrip()
            found.append(report_peers.check_report(out[:end].encode()))
            out = out[end:]
        return found

    def test_what_was_counted_is_what_the_report_says(self):
        self.record(COUNTED)
        a, b = self.documents()
        self.assertEqual(a["organization-name"], "Example Org")
        self.assertEqual(a["contact-info"], "tls-reports@sender.example")
        self.assertEqual(a["date-range"], {"start-datetime": self.yesterday + "T00:00:00Z", "end-datetime": self.yesterday + "T23:59:59Z"})
        none, sts = a["policies"]
        self.assertEqual(none["policy"], {"policy-type": "no-policy-found", "policy-domain": "a.test"})
        self.assertEqual(none["summary"], {"total-successful-session-count": 0, "total-failure-session-count": 2})
        self.assertEqual(none["failure-details"], [{"result-type": "starttls-not-supported", "receiving-mx-hostname": "mx2.a.test",
                                                    "failed-session-count": 2}])
        self.assertEqual(sts["policy"], {"policy-type": "sts", "policy-domain": "a.test", "mx-host": ["mx1.a.test", "*.b.test"],
                                         "policy-string": ["version: STSv1", "mode: testing", "mx: mx1.a.test", "mx: *.b.test",
                                                           "max_age: 86400"]})
        self.assertEqual(sts["summary"], {"total-successful-session-count": 40, "total-failure-session-count": 4})
        expired, fetch = sts["failure-details"]
        self.assertEqual(expired, {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8::99", "receiving-ip": "192.0.2.1",
                                   "receiving-mx-hostname": "mx1.a.test", "receiving-mx-helo": "mx1", "failed-session-count": 3,
                                   "failure-reason-code": "since yesterday"})
        self.assertEqual((fetch["result-type"], fetch["failed-session-count"]), ("sts-policy-fetch-error", 1))
        self.assertTrue(fetch["failure-reason-code"].startswith("https-status: "))
        self.assertEqual(b["policies"][0]["policy"]["policy-domain"], "mx.b.test")

    def test_where_all_is_known_our_own_reader_finds_no_departure_from_the_rfc(self):
        known = "type = 'sts', mx = 'mx1.a.test', address = '192.0.2.1', source = '2001:db8::99', helo = 'mx1'"
        self.record(COUNTED.split("times(40")[0] + f"""times(7, {{ domain = 'a.test', type = 'sts', mx = 'mx1.a.test' }})
        times(3, {{ domain = 'a.test', {known}, result = 'cert-expired', reason = 'since yesterday' }})
        times(1, {{ domain = 'a.test', {known}, result = 'tls-handshake', reason = 'no cipher' }})""")
        for more in ((), ("--plain",)):
            (path,) = self.of(0, *WHO, "--output", self.folder, *more).lines
            self.assertIn("fits RFC 8460 to the letter", " ".join(self.ends(0, "report", "validate", path).out.split()))

    def test_ids_are_the_same_each_time_and_differ_by_day_domain_and_organization(self):
        self.record(COUNTED)
        self.record("times(1, { domain = 'a.test' })", ago=2)
        before = time.strftime("%Y-%m-%d", time.gmtime(self.now - 2 * DAY))

        def ids(*words):
            return [document["report-id"] for document in self.documents(*words)]
        first = ids()
        self.assertEqual(first, ids())
        other = ids("--organization", "Another")
        self.assertEqual(len({*first, *other, *ids("--day", before)}), 5)

    def test_domain_and_day_choose(self):
        self.record(COUNTED)
        self.record("times(7, { domain = 'a.test' })", ago=0)
        (document,) = self.documents("--domain", "B.Test.", "--domain", "b.test", "--domain", "none.test")
        self.assertEqual(document["policies"][0]["policy"]["policy-type"], "tlsa")
        today = time.strftime("%Y-%m-%d", time.gmtime(self.now))
        (document,) = self.documents("--day", today)
        self.assertEqual(document["policies"][0]["summary"]["total-successful-session-count"], 7)

    def test_files_have_the_name_of_the_rfc_and_the_same_bytes_each_time(self):
        self.record(COUNTED)
        folder = os.path.join(self.folder, "out")
        os.mkdir(folder)
        lines = self.of(0, *WHO, "--output", folder).lines
        self.assertEqual(sorted(os.path.basename(line) for line in lines), sorted(os.listdir(folder)))
        begin = (self.now // DAY - 1) * DAY
        contents = {}
        for line, domain in zip(lines, ("a.test", "b.test")):
            self.assertRegex(os.path.basename(line), rf"^sender\.example!{domain}!{begin}!{begin + DAY - 1}![0-9a-f]+\.json\.gz$")
            with open(line, "rb") as file:
                contents[line] = file.read()
            report_peers.check_report(gzip.decompress(contents[line]))
        time.sleep(1.1)
        self.of(0, *WHO, "--output", folder)
        for line in lines:
            with open(line, "rb") as file:
                self.assertEqual(file.read(), contents[line])
        (told, _) = self.of(0, *WHO, "--output", folder, "--plain", "--json").json
        with open(told["file"], "rb") as file:
            document = report_peers.check_report(file.read())
        self.assertEqual((told["id"], told["successful"], told["failed"], told["policies"], told["details"], told["folded"]),
                         (document["report-id"], 40, 6, 2, 3, 0))

    def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing_half(self):
        self.record(COUNTED)
        self.assertIn("No such file", self.of(2, *WHO, "--output", os.path.join(self.folder, "no/such")).error)
        self.assertEqual(self.ends(70, *self.full(*WHO)).out, "")

    def full(self, *words):
        """Standard output on a full disk."""
        shell = os.path.join(self.folder, "full")
        self.write("full", f"#!/bin/sh\nexec {tools.PROGRAM} \"$@\" >/dev/full\n")
        os.chmod(shell, 0o755)
        self.command = lambda *given: [shell, *given]
        return ("report", "write", "--store", self.store, *words)

    def test_settings_are_the_defaults(self):
        self.record(COUNTED)
        settings = self.write("mtasts.conf", f"store = {self.store}\nreport_organization = Ours GmbH\nreport_contact = x@ours.example\n")
        (document,) = self.ends(0, "report", "--settings", settings, "write", "--domain", "a.test", "--json").json
        self.assertEqual((document["organization-name"], document["contact-info"]), ("Ours GmbH", "x@ours.example"))

    def test_who_does_not_say_who_it_is_or_says_nonsense_is_refused(self):
        self.record(COUNTED)
        self.assertIn("report_organization", self.of(64, "--contact", "a@b.example").error)
        self.assertIn("report_contact", self.of(64, "--organization", "O").error)
        for contact in ("a", "a@", "a\nBcc: x@b.example", "a b@c.example", "<a@b.example>", "a@[192.0.2.1]"):
            self.assertIn("LOCAL@DOMAIN", self.of(64, "--organization", "O", "--contact", contact).error)
        self.of(64, *WHO, "--domain", "a..test")
        self.of(64, *WHO, "--day", "2026-02-30")
        self.of(64, *WHO, "--dya", "x")
        self.ends(64, "report")
        self.ends(64, "report", "wriet")

    def test_nothing_counted_is_exit_code_3(self):
        self.assertIn("nothing was counted", self.of(3, *WHO).error)
        self.ends(3, "report", "write", "--store", "none", *WHO)
        self.ends(2, "report", "write", "--store", os.path.join(self.folder, "no/such/s.db"), *WHO)

    def test_a_store_that_was_edited_gives_no_document_that_is_none(self):
        self.record(COUNTED)
        for column, value in (("helo", 'x"},{"y'), ("reason", "\x1b[2J"), ("policy", "\n\nmx: \n"), ("count", -4), ("address", "::ffff:1.2.3.4")):
            with sqlite3.connect(self.store) as db:
                db.execute(f"UPDATE session SET {column} = ? WHERE result = 'certificate-expired'", (value,))
            db.close()
            for document in self.documents():
                self.assertNotIn("\x1b", json.dumps(document))

    def test_base64_of_every_length_is_right(self):
        script = self.write("b.lua", """
        local mail = require 'mtasts.report_message'
        for n = 0, 130 do
          local bytes = {}
          for i = 1, n do bytes[i] = string.char((i * 37 + n) % 256) end
          local report = { id = '2026-01-01.0123456789abcdef.a.test', submitter = 's.test', contact = 'a@s.test', file = 'f.json', successful = 1,
            failed = 0, gzip = table.concat(bytes) }
          print((mail.message(report, 'a.test', 'x@a.test', 0):match 'gz"\\n\\n(.*)\\n%-%-=_report.-%-%-\\n$':gsub('\\n', '')))
        end
        """)
        for n, line in enumerate(self.ends(0, "run", script).lines):
            self.assertEqual(base64.b64decode(line, validate=True), bytes((i * 37 + n) % 256 for i in range(1, n + 1)))


if __name__ == "__main__":
    tools.main()
