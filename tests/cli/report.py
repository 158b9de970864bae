#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts report show, validate and merge, and mtasts parse report: from files, folders, mails and standard input."""
import json
import os
import shutil
import subprocess
import sys
import unittest
import zlib

sys.dont_write_bytecode = True
import tools  # noqa: E402
from reports import FIELDS, REPORT, Reports, TEXT, as_gzip, as_json, mail, multipart, of_day, part, report  # noqa: E402


class Show(Reports):
    def test_one_report_says_who_where_what_how_many_and_how_to_mend_it(self):
        result = self.report(1, "show", self.write("a.json", as_json(REPORT)))
        self.says(result, "1 report from Company-X, 2026-01-02",
                  "b.test, MTA-STS (enforce): 90 sessions went well, 10 failed (10.0%)",
                  "✗ 7 the certificate has expired at mx1.b.test [192.0.2.9] (certificate-expired), 2026-01-02, from Company-X [192.0.2.1]: "
                  "expired on Monday",
                  "Renew the certificate of mx1.b.test",
                  "✗ 3 no STARTTLS offered at mx2.b.test", "Let mx2.b.test offer STARTTLS")

    def test_a_report_without_failures_is_good(self):
        good = report()
        good["policies"][0].update({"failure-details": [], "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}})
        self.says(self.report(0, "show", self.write("a.json", as_json(good))), "1 session went well, none failed")

    def test_failures_that_nobody_explains(self):
        bad = report()
        del bad["policies"][0]["failure-details"]
        self.says(self.report(1, "show", self.write("a.json", as_json(bad))), "the reports do not say why sessions failed")

    def test_several_reports_are_summed_and_one_that_came_twice_counts_once(self):
        os.mkdir(os.path.join(self.folder, "d"))
        for name, content in (("1.json", as_json(REPORT)), ("2.json.gz", as_gzip(REPORT)), ("3.eml", mail()),
                              ("4.json", as_json(of_day("2026-01-04", report_id="r2"))),
                              ("5.json", as_json(of_day("2026-01-03", report_id="r3", organization_name="Y", contact_info="a@y.test")))):
            self.write("d/" + name, content)
        (value,) = self.report(1, "show", "--json", "d").json
        self.assertEqual((value["reports"], value["twice"]), (3, 2))
        self.assertEqual([one["organization"] for one in value["reporters"]], ["Company-X", "Y"])
        (policy,) = value["policies"]
        self.assertEqual((policy["successful"], policy["failed"], policy["reports"]), (270, 30, 3))
        self.assertEqual([day["day"] for day in policy["days"]], ["2026-01-02", "2026-01-03", "2026-01-04"])
        first = policy["failures"][0]
        self.assertEqual((first["result"], first["mx"], first["count"], first["reporters"]), ("certificate-expired", "mx1.b.test", 21,
                                                                                              ["Company-X", "Y"]))
        self.says(self.report(1, "show", "d"), "3 reports from Company-X, Y, 2026-01-02 to 2026-01-04; 2 more came twice and do not count")

    def test_a_maildir_and_standard_input(self):
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.folder, "m", name))
        self.write("m/cur/1:2,S", mail())
        self.write("m/new/2", mail(multipart(TEXT, part(as_gzip(of_day("2026-01-03", report_id="2"))))))
        self.write("m/tmp/3", b"half")
        self.write("m/.hidden", b"x")
        (value,) = self.report(1, "show", "--json", "m/").json
        self.assertEqual((value["reports"], value["unread"]), (2, []))
        (value,) = self.report(1, "show", "--json", "-", stdin=as_gzip(REPORT)).json
        self.assertEqual(value["reports"], 1)

    def test_what_is_no_report_is_named_and_the_rest_is_shown(self):
        bad, good = self.write("bad.json", b"{"), self.write("good.json", as_json(REPORT))
        result = self.report(2, "show", bad, good)
        self.says(result, "1 report from Company-X")
        self.assertIn("bad.json: the report is no JSON", result.error)
        (value,) = self.report(2, "show", "--json", bad, good).json
        self.assertEqual([(one["file"], one["error"]["code"]) for one in value["unread"]], [(bad, "report-syntax")])
        os.mkdir(os.path.join(self.folder, "empty"))
        for words, says in ((["missing.json"], "No such file"), (["empty"], "no file"), (["-", "-"], "once"), ([], "argument")):
            self.assertIn(says, " ".join(self.ends(64, "report", "show", *words).error.split()))
        self.assertIn("Did you mean 'show'", self.ends(64, "report", "shw").error)

    def test_huge_counts_stop_at_a_sum_that_every_program_reads(self):
        most = 2 ** 53 - 1
        huge = report()
        huge["policies"][0]["summary"] = {"total-successful-session-count": most, "total-failure-session-count": most}
        huge["policies"] = huge["policies"] * 3
        self.assertEqual(self.shown(as_json(huge))["policies"][0]["successful"], most)


    def test_very_many_kinds_of_failures_do_not_flood_a_person(self):
        many = report()
        first = many["policies"][0]["failure-details"][0]
        many["policies"][0]["failure-details"] = [dict(first, **{"receiving-mx-hostname": f"mx{i}.b.test"}) for i in range(1000)]
        path = self.write("a", as_json(many))
        result = self.report(1, "show", path)
        self.assertLess(len(result.lines), 400)
        self.says(result, "and 950 more kinds of failures: --json shows all")
        self.assertEqual(len(self.report(1, "show", "--json", path).json[0]["policies"][0]["failures"]), 1000)


class Mails(Reports):
    def found(self, content, code=1):
        value = self.shown(mail(content) if not content.startswith(b"From") else content, code)
        return value["reports"] if code != 2 else [one["error"]["code"] for one in value["unread"]]

    def test_a_mail_to_the_letter_fits(self):
        self.assertEqual(self.codes(mail(), 0), [])
        self.assertEqual(self.codes(mail(multipart(TEXT, part(as_json(REPORT), "application/tlsrpt+json",
                                                              "x.test!b.test!1767312000!1767398399.json", "8bit"))), 0), [])

    def test_reports_are_found_however_they_are_labelled(self):
        packed, plain = as_gzip(REPORT), as_json(REPORT)
        for label, one in (
                ("gzip", part(packed, "application/gzip")), ("x-gzip", part(packed, "application/x-gzip", None)),
                ("octet-stream", part(packed, "application/octet-stream", None)), ("json", part(plain, "application/json", None)),
                ("text", part(plain, "text/plain", None, "8bit")), ("by name", part(plain, "application/x-other", "report.JSON")),
                ("quoted-printable", part(plain, "application/tlsrpt+json", None, "quoted-printable")),
                ("wrong label", part(packed, "application/tlsrpt+json")), ("upper case", part(packed, "APPLICATION/TLSRPT+GZIP", None)),
                ("base64 of gzip as text", part(packed, "text/plain", None))):
            self.assertEqual(self.found(multipart(TEXT, one)), 1, label)
        self.assertEqual(self.found(part(packed)), 1, "no multipart at all")

    def test_reports_are_found_in_nested_parts_and_forwarded_mails(self):
        inner = b"Content-Type: message/rfc822\r\n\r\n" + mail()
        mixed = multipart(TEXT, multipart(TEXT, part(as_gzip(REPORT)), boundary="=c"), inner, kind="multipart/mixed", boundary="=d")
        value = self.shown(mail(mixed))
        self.assertEqual((value["reports"], value["twice"]), (1, 1))
        box = b"".join(b"From a@x.test Fri Jan  2 00:00:00 2026\n" + mail().replace(b"r1@", b"r%d@" % i).replace(b"\r\n", b"\n") + b"\n"
                       for i in range(3))
        (value,) = self.report(1, "show", "--json", self.write("mbox", box)).json
        self.assertEqual(value["reports"] + value["twice"], 3)

    def test_a_mail_without_a_report(self):
        self.assertEqual(self.found(TEXT, 2), ["report-none"])
        self.assertEqual(self.found(multipart(TEXT, part(as_gzip(b"no report"), "application/octet-stream", None)), 2), ["report-none"])
        self.assertEqual(self.found(multipart(TEXT, part(b"broken")), 2), ["report-syntax"])
        self.assertEqual(self.found(b"From: a@x.test\r\n", 2), ["report-none"])

    def test_what_disagrees_with_the_report_is_named_and_the_report_counts(self):
        def of(fields=FIELDS, content=None):
            return self.codes(mail(content, fields), 1)
        self.assertEqual(of(FIELDS.replace("TLS-Report-Domain: b.test", "TLS-Report-Domain: c.test")), [("mail-domain", "TLS-Report-Domain")])
        self.assertEqual(of(FIELDS.replace("TLS-Report-Submitter: x.test\r\n", "")), [("mail-submitter", "TLS-Report-Submitter")])
        self.assertEqual(of(FIELDS.replace("Submitter: x.test\r\nDKIM", "Submitter: y.test\r\nDKIM")),
                         [("mail-submitter", "TLS-Report-Submitter")])
        self.assertEqual(of(FIELDS.replace("DKIM-Signature", "X-Other")), [("mail-unsigned", "DKIM-Signature")])
        self.assertEqual(of(content=multipart(TEXT, part(as_gzip(REPORT)), kind="multipart/mixed")), [("mail-report-type", "Content-Type")])
        self.assertEqual(of(content=multipart(TEXT, part(as_gzip(REPORT), "application/gzip"))), [("mail-type", "Content-Type")])

    def test_names_that_disagree_are_notes(self):
        def of(name, fields=FIELDS):
            return [code for code, _ in self.codes(mail(multipart(TEXT, part(as_gzip(REPORT), name=name)), fields), 0)]
        right = "x.test!b.test!1767312000!1767398399!1.json.gz"
        self.assertEqual(of(None), ["mail-filename"])
        self.assertEqual(of("report.json.gz"), ["mail-filename"])
        self.assertEqual(of(right.replace("x.test", "y.test")), ["mail-filename-differs"])
        self.assertEqual(of(right.replace("1767312000", "1767312001")), ["mail-filename-differs"])
        self.assertEqual(of(right.replace("b.test", "c.test")), ["mail-filename-differs"])
        self.assertEqual(of(right[:-3]), ["mail-filename"])
        self.assertEqual(of(right, FIELDS.replace("Subject: Report Domain: b.test", "Subject: Hello")), ["mail-subject"])
        self.assertEqual(of(right, FIELDS.replace("<r1@x.test>", "<r2@x.test>")), ["mail-subject-differs"])

    def test_a_mail_of_many_or_deep_parts_is_refused_in_little_time(self):
        many = multipart(*[b"\r\nx"] * 2000, kind="multipart/mixed")
        self.assertEqual(self.found(many, 2), ["report-size"])
        deep = part(as_gzip(REPORT))
        for i in range(200):
            deep = multipart(deep, kind="multipart/mixed", boundary=f"b{i}")
        self.assertEqual(self.found(deep, 2), ["report-size"])
        forwarded = mail()
        for _ in range(100):
            forwarded = b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + forwarded
        self.assertEqual(self.shown(forwarded, 2)["unread"][0]["error"]["code"], "report-size")
        self.assertEqual(self.found(multipart(*[b""] * 200000), 2), ["report-size"])
        self.assertEqual(self.found(b"X: y\r\n" * 600000, 2), ["report-size"])
        for field in (b"To: " + b"a@b.test," * 10000, b"Content-Type: text/plain" + b";\r\n a=b" * 20000):
            self.assertEqual(self.found(field + b"\r\n\r\nx", 2), ["report-size"])
        self.assertEqual(self.shown(b"From a\n\n" * 200000, 2)["unread"][0]["error"]["code"], "report-size")
        thousand = multipart(*([TEXT] * 900 + [part(as_gzip(REPORT))]))
        self.assertEqual(self.found(thousand), 1)


class Validate(Reports):
    def test_each_departure_has_code_path_place_and_clause(self):
        self.assertEqual(self.report(0, "validate", self.write("a.json", as_json(REPORT))).lines,
                         [os.path.join(self.folder, "a.json") + ": ✓ fits RFC 8460 to the letter"])
        sloppy = self.write("b.json", b'{"organization-name": "A",\n "contact-info": null, "policies": []}')
        result = self.report(1, "validate", sloppy)
        self.says(result, "is read, but breaks rules of RFC 8460",
                  "contact-info (line 2, column 18): contact-info is null: write a value, or leave it out [report-null, RFC 8460 4.4]",
                  "date-range (line 1, column 1): date-range is missing [report-missing, RFC 8460 4.4]",
                  "note: policies (line 2, column 36): policies is empty: the report says nothing [report-empty, RFC 8460 4.4]")
        result = self.report(2, "validate", self.write("c.json", b'{\n "a" 1}'))
        self.says(result, "✗ refused: the report is no JSON", "line 2, column ", "[report-syntax, RFC 7493 2]")
        (value,) = self.report(1, "validate", "--json", sloppy).json
        self.assertEqual((value["default"], value["strict"], value["file"]), ("accept", "reject", sloppy))
        null = [one for one in value["deviations"] if one["code"] == "report-null"]
        self.assertEqual([(one["line"], one["column"], one["clause"], one["strict_refuses"]) for one in null], [(2, 18, "RFC 8460 4.4", True)])

    def test_the_worst_file_decides_the_exit_code(self):
        good, sloppy, bad = (self.write(name, content) for name, content in
                             (("good", as_json(REPORT)), ("sloppy", b'{"policies":[]}'), ("bad", b"x")))
        self.report(1, "validate", good, sloppy, good)
        self.report(2, "validate", bad, good, sloppy)

    def test_parse_report_judges_like_the_other_kinds(self):
        path = self.write("a", as_gzip(REPORT))
        self.says(self.ends(0, "parse", "report", path), "report: ✓ fits the RFC to the letter")
        (value,) = self.ends(1, "parse", "report", "--json", "-", stdin=b'{"policies":[{"policy":{"mx-host":"a.test"}}]}').json
        self.assertEqual((value["default"], value["strict"], value["report"]["policies"][0]["patterns"]), ("accept", "reject", ["a.test"]))
        self.assertEqual(value["report"]["policies"][0]["failures"], [])
        self.says(self.ends(2, "parse", "report", "-", stdin=b'{"policies":[{"summary":{"total-failure-session-count":-1}}]}'),
                  "✗ refused", "[report-count]")


class Merge(Reports):
    def merged(self, code, *reports, words=(), **more):
        files = [self.write(f"{i}.json", as_json(one)) for i, one in enumerate(reports)]
        return self.report(code, "merge", *words, *files, **more)

    def test_machines_and_days_become_one_report_to_the_letter(self):
        second = of_day("2026-01-03", report_id="r2")
        second["policies"][0]["failure-details"].append(dict(second["policies"][0]["failure-details"][0], **{"sending-mta-ip": "192.0.2.2"}))
        other = report(report_id="r3")
        other["policies"][0]["policy"]["policy-domain"] = "c.test"
        result = self.merged(0, REPORT, second, other)
        (value,) = result.json
        self.assertEqual(value["date-range"], {"start-datetime": "2026-01-02T00:00:00Z", "end-datetime": "2026-01-03T23:59:59Z"})
        self.assertEqual((value["organization-name"], value["contact-info"]), ("Company-X", "tls@x.test"))
        first, last = value["policies"]
        self.assertEqual(first["summary"], {"total-successful-session-count": 180, "total-failure-session-count": 20})
        self.assertEqual([one["failed-session-count"] for one in first["failure-details"]], [14, 6, 7])
        self.assertEqual(last["policy"]["policy-domain"], "c.test")
        self.assertEqual(self.codes(result.out, 0), [("report-range-day", "date-range"), ("report-sum", "policies[0].failure-details")])

    def test_a_merged_report_has_every_field_of_the_schema_and_no_other(self):
        (value,) = self.merged(0, REPORT).json
        for name in ("organization-name", "date-range", "contact-info", "policies"):
            self.assertEqual(value[name], REPORT[name])
        self.assertEqual(sorted(value), sorted(REPORT))
        self.assertTrue(value["report-id"].endswith("@x.test"))

    def test_the_same_reports_make_the_same_id_and_twice_counts_once(self):
        other = of_day("2026-01-03", report_id="r2")
        one, two = self.merged(0, REPORT, other).json[0], self.merged(0, other, REPORT, other).json[0]
        self.assertEqual(one["report-id"], two["report-id"])
        self.assertEqual(two["policies"][0]["summary"]["total-successful-session-count"], 180)
        self.assertNotEqual(one["report-id"], self.merged(0, REPORT).json[0]["report-id"])
        self.assertEqual(self.merged(0, REPORT, words=("--id", "mine")).json[0]["report-id"], "mine")

    def test_who_reports_must_be_known(self):
        other = of_day("2026-01-03", organization_name="Y")
        self.assertIn("--organization", self.merged(64, REPORT, other).error)
        self.assertEqual(self.merged(0, REPORT, other, words=("--organization", "Both")).json[0]["organization-name"], "Both")
        self.assertIn("--contact", self.merged(64, report(contact_info=None)).error)

    def test_sloppy_reports_become_right_where_nothing_is_missing(self):
        sloppy = report()
        entry = sloppy["policies"][0]
        entry["policy"]["mx-host"] = "*.b.test"
        entry["summary"] = {"total-successful-session-count": "90"}
        sloppy["date-range"] = {"start-datetime": "2026-01-02T00:00:00", "end-datetime": "2026-01-03T00:00:00"}
        sloppy["policies"] = entry
        (value,) = self.merged(0, sloppy, REPORT).json
        self.assertEqual(len(value["policies"]), 1)
        self.assertEqual(value["date-range"], REPORT["date-range"])
        self.assertEqual(value["policies"][0]["policy"]["mx-host"], ["*.b.test"])
        self.assertEqual(value["policies"][0]["summary"], {"total-successful-session-count": 180, "total-failure-session-count": 20})
        del entry["policy"]["mx-host"]
        self.assertEqual(self.merged(0, sloppy).json[0]["policies"][0]["policy"]["mx-host"], ["*.b.test"])

    def test_what_no_report_tells_is_named_not_made_up(self):
        lacking = report()
        del lacking["policies"][0]["failure-details"][0]["sending-mta-ip"]
        result = self.merged(1, lacking)
        self.assertIn("sending-mta-ip is missing", " ".join(result.error.split()))
        self.assertNotIn("sending-mta-ip", result.json[0]["policies"][0]["failure-details"][0])
        self.assertIn("which time", self.merged(64, report(date_range=None)).error)
        self.assertIn("no JSON", self.report(2, "merge", self.write("bad", b"{")).error)


class Hostile(Reports):
    EVIL = "\u001b[31m\u009b2J\u202e<script>alert(1)</script>\"'&\u0000?[31m"

    def evil(self):
        one = report(organization_name=self.EVIL, contact_info=self.EVIL, report_id=self.EVIL)
        entry = one["policies"][0]
        entry["policy"].update({"policy-domain": self.EVIL, "policy-string": [self.EVIL, "mode: " + self.EVIL], "mx-host": [self.EVIL]})
        for failure in entry["failure-details"]:
            failure.update({name: self.EVIL for name in ("result-type", "sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo",
                                                         "receiving-ip", "additional-information", "failure-reason-code")})
        return one

    def test_control_characters_never_reach_the_terminal(self):
        path = self.write("evil\u001b[31m.json", as_json(self.evil()))
        for words in (("show",), ("show", "--json"), ("show", "--html"), ("validate",), ("validate", "--json"), ("merge",)):
            result = self.fit(self.run_program("report", *words, path))
            self.assertNotIn("internal error", result.error)
            for text in (result.out, result.error):
                for sign in ("\u009b", "\u202e", "\u001b"):
                    self.assertNotIn(sign, text, words)
        result = self.fit(self.run_program("parse", "report", path))
        self.assertNotIn("\u202e", result.out)
        text = self.run_program("report", "show", "--html", path).out
        self.assertNotIn("<script", text)
        self.assertIn("&lt;script&gt;", text)

    def test_bytes_that_are_no_text(self):
        for content in (as_json(REPORT).replace(b"Company-X", b"\xff\xfe\xc0\x80"), b"\x00" * 1000, b"\x1f\x8b", b"\x1f\x8b" + b"\xff" * 1000,
                        as_gzip(REPORT)[:-9], as_gzip(b"\x00\xff" * 1000), b"", b"\xef\xbb\xbf", bytes(range(256))):
            path = self.write("in", content)
            for action in ("show", "validate", "merge"):
                self.fit(self.run_program("report", action, path))
        self.assertEqual(self.shown(as_gzip(REPORT)[:-9], 2)["unread"][0]["error"]["code"], "report-gzip")

    def test_a_gzip_bomb_takes_little_memory_and_time(self):
        bomb = self.write("bomb.gz", as_gzip(b" " * (1 << 28)))
        script = ("import resource,subprocess,sys\n"
                  "code=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL,timeout=30).returncode\n"
                  "print(code,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        out = subprocess.run([sys.executable, "-c", script, *self.command("report", "show", bomb)], capture_output=True, text=True,
                             env=self.environment, cwd=self.folder, timeout=60).stdout
        code, kilobytes = map(int, out.split())
        self.assertEqual(code, 2)
        if not any(name.endswith("SAN_OPTIONS") for name in self.environment):  # these need memory of their own
            self.assertLess(kilobytes, 300 << 10)

    def test_deep_and_wide_json(self):
        self.assertEqual(self.shown(b"[" * 100000, 2)["unread"][0]["error"]["code"], "report-size")
        self.assertEqual(self.shown(b'{"policies":[' + b"{}," * 20000 + b"{}]}", 2)["unread"][0]["error"]["code"], "report-size")


class Page(Reports):
    def test_is_well_formed_and_asks_for_nothing_from_elsewhere(self):
        import xml.dom.minidom
        days = [self.write(f"{i}.json", as_json(of_day(f"2026-01-{i + 1:02}", report_id=str(i)))) for i in range(5)]
        text = self.report(1, "show", "--html", *days).out
        page = xml.dom.minidom.parseString(text)
        self.assertEqual(page.getElementsByTagName("script").length, 0)
        charts = page.getElementsByTagName("svg")
        self.assertEqual([one.getAttribute("aria-label") for one in charts],
                         ["Sessions over time", "Failures by type", "Failures by mail host"])
        self.assertEqual(len([one for one in charts[0].getElementsByTagName("rect")]), 10)
        self.assertEqual(charts[0].getElementsByTagName("title")[0].firstChild.data, "2026-01-01: 90 went well, 10 failed")
        for element in page.getElementsByTagName("*"):
            for name in element.attributes.keys():
                self.assertNotIn(name, ("src", "href", "onload", "onclick"))
        self.assertNotIn("url(", text)
        self.assertNotIn("@import", text)
        for word in ("width=device-width", "prefers-color-scheme: dark", "max-width", "Content-Security-Policy"):
            self.assertIn(word, text)

    def test_many_days_and_hosts_stay_readable(self):
        import datetime
        import xml.dom.minidom
        reports = []
        for i in range(400):
            day = (datetime.date(2025, 1, 1) + datetime.timedelta(i)).isoformat()
            one = of_day(day, report_id=str(i))
            one["policies"][0]["failure-details"][0]["receiving-mx-hostname"] = f"mx{i}.b.test"
            reports.append(one)
        os.mkdir(os.path.join(self.folder, "d"))
        for i, one in enumerate(reports):
            self.write(f"d/{i:03}.json", as_json(one))
        page = xml.dom.minidom.parseString(self.report(1, "show", "--html", "d").out)
        charts = page.getElementsByTagName("svg")
        self.assertLessEqual(charts[0].getElementsByTagName("rect").length, 120)
        self.assertLessEqual(charts[2].getElementsByTagName("rect").length, 12)
        self.assertIn("and 388 more", charts[2].toxml())

    def test_no_report_at_all_is_a_page_too(self):
        import xml.dom.minidom
        xml.dom.minidom.parseString(self.report(2, "show", "--html", self.write("x", b"{")).out)
        xml.dom.minidom.parseString(self.report(0, "show", "--html", self.write("y", json.dumps({"policies": []}).encode())).out)


CORPUS = os.environ.get("MTASTS_CORPUS")


@unittest.skipUnless(CORPUS, "MTASTS_CORPUS names no folder with real reports")
class Corpus(Reports):
    def test_real_reports_together_and_each_alone(self):
        import xml.dom.minidom
        folder = os.path.join(CORPUS, "reports")
        (value,) = self.ends(2, "report", "show", "--json", folder).json
        self.assertGreater(value["reports"], 20)
        self.assertEqual({one["error"]["code"] for one in value["unread"]}, {"report-syntax"})
        xml.dom.minidom.parseString(self.fit(self.ends(2, "report", "show", "--html", folder)).out)
        refused = {one["file"] for one in value["unread"]}
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            code = self.fit(self.run_program("report", "validate", path)).code
            self.assertEqual(code == 2, path in refused, name)
            merged = self.fit(self.run_program("report", "merge", path, "--contact", "a@a.test", "--organization", "A"))
            self.assertNotIn("internal error", merged.error)
            # A report to the letter stays one.
            if code == 0:
                self.assertEqual(merged.code, 0, name)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


def pixels(path):
    """(width, rows) of a PNG with 8 bits a colour."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed, width, depth = 8, b"", 0, 0
    while at < len(data):
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, depth = int.from_bytes(body[:4], "big"), {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    raw, line = zlib.decompress(packed), width * depth
    rows, above = [], bytearray(line)
    for start in range(0, len(raw), line + 1):
        form, row = raw[start], bytearray(raw[start + 1:start + 1 + line])
        for i in range(line if form else 0):
            left, up, corner = row[i - depth] if i >= depth else 0, above[i], above[i - depth] if i >= depth else 0
            if form == 1:
                add = left
            elif form == 2:
                add = up
            elif form == 3:
                add = (left + up) // 2
            else:
                guess = left + up - corner
                add = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            row[i] = (row[i] + add) & 255
        rows.append([bytes(row[i:i + 3]) for i in range(0, line, depth)])
        above = row
    return width, rows


@unittest.skipUnless(BROWSER, "there is no chromium")
class Browser(Reports):
    LIGHT, DARK, GOOD, BAD = b"\xff\xff\xff", b"\x16\x18\x1a", b"\x2f\x7d\x4f", b"\xb3\x26\x1e"

    def picture(self, *options):
        long = of_day("2026-01-03", report_id="2", organization_name="a_name_without_any_blank_" * 8)
        long["policies"][0]["failure-details"][0]["receiving-mx-hostname"] = "averylonglabel." * 12 + "b.test"
        files = [self.write("1.json", as_json(REPORT)), self.write("2.json", as_json(long))]
        page = self.write("page.html", self.report(1, "show", "--html", *files).raw)
        subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                        f"--user-data-dir={self.folder}/browser", "--screenshot=page.png", *options, f"file://{page}"], cwd=self.folder,
                       capture_output=True, timeout=90, check=True, env=self.environment)
        return pixels(os.path.join(self.folder, "page.png"))

    def test_on_a_phone_nothing_stands_beyond_the_edge_and_the_bars_are_there(self):
        width, rows = self.picture("--window-size=500,1600")
        self.assertEqual({pixel for row in rows for pixel in row[width - 10:]}, {self.LIGHT})
        for colour in (self.GOOD, self.BAD):
            self.assertGreater(sum(row.count(colour) for row in rows), 500)

    def test_dark_where_a_person_wants_it_dark(self):
        _, rows = self.picture("--window-size=500,300", "--blink-settings=preferredColorScheme=0")
        self.assertEqual(rows[2][2], self.DARK)


if __name__ == "__main__":
    tools.main()
