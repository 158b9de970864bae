#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mtasts publish --next and --leave: which step is proposed, by what, and which one is refused."""
import gzip
import json
import os
import sys
from datetime import datetime, timedelta, timezone

sys.dont_write_bytecode = True
import publishing  # noqa: E402
import tools  # noqa: E402
from publishing import policy  # noqa: E402

TODAY = datetime(2026, 6, 1, tzinfo=timezone.utc)


def day(ago):
    return (TODAY - timedelta(days=ago)).strftime("%Y-%m-%d")


def report(ago, good=10, failures=None, domain="a.test", kind="sts", days=1, **more):
    """Of the day so many days ago."""
    failures = failures or {}
    return {"organization-name": "Sender", "report-id": f"{ago}-{good}-{failures}", "contact-info": "tls@sender.test",
            "date-range": {"start-datetime": f"{day(ago)}T00:00:00Z", "end-datetime": f"{day(ago - days)}T00:00:00Z"},
            "policies": [{"policy": {"policy-type": kind, "policy-domain": domain, "policy-string": []},
                          "summary": {"total-successful-session-count": good, "total-failure-session-count": sum(failures.values())},
                          "failure-details": [{"result-type": name, "failed-session-count": n} for name, n in failures.items()]}], **more}


class Case(publishing.Case):
    def reports(self, *list):
        os.makedirs(f"{self.folder}/reports", exist_ok=True)
        for i, content in enumerate(list):
            self.write(f"reports/sender!a.test!{i}.json", json.dumps(content))
        return ("--reports", "reports")

    def step(self, code, name, *words, mode=None, max_age=None):
        made = self.made(code, "a.test", *(words or ("--next",)))
        self.assertEqual(made["step"]["name"], name, made)
        self.assertEqual((made.get("mode"), made.get("max_age")), (mode, max_age), made)
        if mode:
            self.all_strict(made)
            self.assertNotEqual(made["id"], "live1")
        else:
            self.assertNotIn("policy", made)
        return made

    def told(self, made, *fragments):
        words = json.dumps(made["step"])
        for fragment in fragments:
            self.assertIn(fragment, words)


class Testing(Case):
    def test_nothing_is_published(self):
        self.domain()
        self.step(0, "testing", mode="testing", max_age=86400)
        self.world["smtp"]["mx2.a.test"] = "cert-expired"
        self.told(self.step(0, "testing", mode="testing", max_age=86400), "before it can enforce: mx2.a.test")

    def test_mode_none_is_published(self):
        self.domain(live=policy("none"))
        self.step(0, "testing", mode="testing", max_age=86400)

    def test_what_senders_cannot_learn_is_mended_first(self):
        for live, why in (("https-cert-name", "https-cert-name"), ("version: STSv1\n", "policy-"), ({"body": policy("testing", "*.a.test"),
                          "status": 404}, "https-status"), ({"body": policy("testing", "*.a.test"), "type": "text/html"}, "https-type")):
            self.domain(live=live)
            self.told(self.step(2, "stay"), why)
        self.domain(live=policy("testing", "*.a.test"))
        for record in (["v=STSv1; id=a;", "v=STSv1; id=b;"], ["v=STSv1; id=a-b;"]):
            self.world["dns"]["_mta-sts.a.test TXT"] = record
            self.told(self.step(2, "stay"), "record-")
        self.world["dns"]["_mta-sts.a.test TXT"] = "servfail"
        self.step(4, "stay")

    def test_a_host_that_fails(self):
        for problem in ("starttls-missing", "cert-expired", "cert-name", "cert-untrusted", "tls-handshake"):
            self.domain(live=policy("testing", "*.a.test"))
            self.world["smtp"]["mx2.a.test"] = problem
            self.told(self.step(2, "stay", "--next", "--since", day(100)), "mx2.a.test", problem)
            self.assertIn(problem, self.refused(2, "a.test", "--next", "--since", day(100), "--mode", "enforce"))

    def test_the_last_of_many_hosts_is_looked_at_too(self):
        hosts = [f"mx{i}.a.test" for i in range(60)]
        self.domain(mx=hosts, live=policy("testing", "*.a.test"))
        self.step(1, "enforce", "--next", "--since", day(100), mode="enforce", max_age=604800)
        self.world["smtp"]["mx59.a.test"] = "cert-expired"
        self.told(self.step(2, "stay", "--next", "--since", day(100)), "mx59.a.test", "cert-expired")
        del self.world["smtp"]["mx59.a.test"]
        self.told(self.step(2, "stay", "--next", "--since", day(100)), "mx59.a.test", "mx-address")

    def test_a_host_that_cannot_be_reached_from_here(self):
        self.domain(live=policy("testing", "*.a.test"))
        for problem in ("smtp-connect", "smtp-timeout"):
            self.world["smtp"]["mx2.a.test"] = problem
            self.told(self.step(4, "stay", "--next", "--since", day(100)), problem)

    def test_a_host_that_is_not_in_the_policy_is_added(self):
        self.domain(live=policy("testing", "mx1.a.test", "*.old.test", age=3600))
        made = self.step(1, "complete", "--next", "--since", day(100), mode="testing", max_age=3600)
        self.assertEqual(made["mx"], ["mx1.a.test", "*.old.test", "mx2.a.test"])
        self.assertIn("mx2.a.test", self.refused(2, "a.test", "--next", "--since", day(100), "--mode", "enforce"))

    def test_an_address_that_fails_behind_one_that_does_not(self):
        self.domain(live=policy("testing", "*.a.test"))
        self.world["dns"]["mx2.a.test A"] = ["192.31.196.10", "192.31.196.11"]
        self.world["smtp"]["mx2.a.test"] = {"by_address": {"192.31.196.11": {"error": "cert-expired"}}}
        self.told(self.step(2, "stay", "--next", "--since", day(100)), "192.31.196.11", "mtasts check finds errors")
        self.assertIn("192.31.196.11", self.refused(2, "a.test", "--next", "--since", day(100), "--mode", "enforce"))
        self.world["smtp"]["mx2.a.test"] = "ok"
        self.step(1, "enforce", "--next", "--since", day(100), mode="enforce", max_age=604800)

    def test_who_is_asked_for_reports(self):
        self.domain()
        words = "nobody is asked for reports"
        self.told(self.step(0, "testing", mode="testing", max_age=86400), words)
        self.assertNotIn(words, json.dumps(self.step(0, "testing", "--next", "--tlsrpt", "mailto:t@a.test", mode="testing", max_age=86400)["step"]))
        self.world["dns"]["_smtp._tls.a.test TXT"] = ["v=TLSRPTv1; rua=mailto:t@a.test"]
        self.assertNotIn(words, json.dumps(self.step(0, "testing", mode="testing", max_age=86400)["step"]))

    def test_a_host_that_can_be_in_no_policy(self):
        self.domain(live=policy("testing", "mx1.a.test"))
        for mx in ("192.0.2.1", "under_score.a.test"):
            self.world["dns"]["a.test MX"] = ["10 mx1.a.test", f"20 {mx}"]
            self.world["dns"]["under_score.a.test A"] = ["192.31.196.99"]
            self.world["smtp"]["under_score.a.test"] = "ok"
            self.told(self.step(2, "stay", "--next", "--since", day(100)), "cannot stand in a policy")

    def test_no_host_at_all(self):
        self.domain(live=policy("testing", "mx1.a.test"))
        for mx in (["0 ."], "nodata", "nxdomain"):
            self.world["dns"]["a.test MX"] = mx
            self.publish(2, "a.test", "--next", "--since", day(100))
        self.world["dns"]["a.test MX"] = "servfail"
        self.step(4, "stay", "--next", "--since", day(100))

    def test_hostile_bytes_of_others_are_shown_as_text(self):
        evil = "\x1b[31m\x1b]0;owned\x07\u009b\u202e"
        self.domain(live=policy("testing", "*.a.test"))
        for key, value in (("_mta-sts.a.test TXT", [f"v=STSv1; id={evil};"]), ("a.test MX", [f"10 {evil}.test", "20 mx2.a.test"]),
                           ("_smtp._tls.a.test TXT", [f"v=TLSRPTv1; rua={evil}"])):
            saved = json.dumps(self.world)
            self.world["dns"][key] = value
            for words in (("--next", "--since", day(100)), ("--leave",), ()):
                told = self.write("told.json", json.dumps(self.world))
                result = self.run_program("publish", "--rules", publishing.WORLD, "a.test", *words, TOLD=told)
                for text in (result.out, result.error):
                    self.assertEqual([c for c in text if c < " " and c != "\n" or c in "\x7f\u009b\u202e"], [], text)
                self.assertIn(result.code, (0, 1, 2, 4), result.error)
                self.assertNotIn("traceback", result.error)
            self.world = json.loads(saved)
        for live in (f"version: STSv1\nmode: {evil}\n", {"body": policy("testing", "*.a.test"), "type": f"text/{evil}"}):
            self.domain(live=live)
            result = self.publish(2, "a.test", "--next")
            self.assertNotIn("\u202e", result.out)

    def test_nothing_says_how_old_it_is(self):
        self.domain(live=policy("testing", "*.a.test"))
        self.told(self.step(1, "stay"), "--since")
        self.assertIn("nothing says since when", self.refused(2, "a.test", "--next", "--mode", "enforce"))

    def test_old_enough_by_the_day_given(self):
        self.domain(live=policy("testing", "*.a.test"))
        for ago in (0, 1, 13):
            self.told(self.step(1, "stay", "--next", "--since", day(ago)), "wait until " + day(ago - 14), "by --since")
        made = self.step(1, "enforce", "--next", "--since", day(14), mode="enforce", max_age=604800)
        self.assertIn("no report was looked at", made["warnings"][0])
        self.assertEqual(made["mx"], ["*.a.test"])
        for words in ("2026-06-02", "2026-02-30", "yesterday", "", "1"):
            self.assertIn("--since", self.publish(64, "a.test", "--next", f"--since={words}").error)

    def test_old_enough_by_what_was_written_here(self):
        self.domain()
        first = self.made(0, "a.test", "--next", "--output", "out")
        self.domain(live=first["policy"], id=first["id"])
        self.told(self.step(1, "stay", "--next", "--output", "out"), "by what was written here")
        self.world["now"] = "2026-06-15T00:00:00Z"
        made = self.step(1, "enforce", "--next", "--output", "out", mode="enforce", max_age=604800)
        with open(f"{self.folder}/out/.well-known/mta-sts.txt", newline="", encoding="ascii") as file:
            self.assertEqual(file.read(), made["policy"])
        self.domain(live=policy("enforce", "*.a.test"), id=first["id"])  # not what was written
        self.told(self.step(1, "stay", "--next", "--output", "out"), "--since")
        self.domain(live=first["policy"], id="another")
        self.told(self.step(1, "stay", "--next", "--output", "out"), "--since")


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.domain(live=policy("testing", "*.a.test"))

    def test_clean_for_two_weeks(self):
        made = self.step(0, "enforce", "--next", *self.reports(*(report(ago) for ago in range(14, 0, -1))), mode="enforce", max_age=604800)
        self.assertEqual(made["warnings"], [])
        self.assertEqual((made["step"]["reports"]["good"], made["step"]["reports"]["failed"], made["step"]["reports"]["reports"]), (140, 0, 14))
        self.told(made, "by the first report")

    def test_not_yet_two_weeks(self):
        self.told(self.step(1, "stay", "--next", *self.reports(*(report(ago) for ago in range(13, 0, -1)))), "wait until " + day(-1))

    def test_failures_start_the_time_anew(self):
        list = [report(ago) for ago in range(30, 0, -1)]
        list[20] = report(10, failures={"certificate-expired": 2, "starttls-not-supported": 1})
        made = self.step(1, "stay", "--next", *self.reports(*list))
        self.told(made, "certificate-expired 2, starttls-not-supported 1", "the last failure in a report", "wait until " + day(-5))
        self.assertEqual(made["step"]["reports"]["types"], {"certificate-expired": 2, "starttls-not-supported": 1})
        self.assertIn("not safe yet", self.refused(2, "a.test", "--next", "--reports", "reports", "--mode", "enforce"))
        list[20], list[5] = report(10), report(25, failures={"validation-failure": 7})
        self.step(0, "enforce", "--next", *self.reports(*list), mode="enforce", max_age=604800)

    def test_failures_count_without_details_too(self):
        bad = report(1, failures={"x": 3})
        bad["policies"][0]["failure-details"] = []
        made = self.step(1, "stay", "--next", "--since", day(100), *self.reports(bad))
        self.assertEqual(made["step"]["reports"]["types"], {"unspecified": 3})
        bad = report(1, failures={"x": 3})
        bad["policies"][0]["summary"] = None
        self.assertEqual(self.step(1, "stay", "--next", "--since", day(100), *self.reports(bad))["step"]["reports"]["failed"], 3)

    def test_old_reports_say_nothing_of_today(self):
        self.told(self.step(1, "stay", "--next", *self.reports(*(report(ago) for ago in range(40, 8, -1)))), "the newest report ends " + day(8))

    def test_no_good_session_is_no_success(self):
        self.step(1, "stay", "--next", "--since", day(30), *self.reports(report(1, good=0)))

    def test_only_mta_sts_of_this_domain_counts(self):
        others = [report(1, failures={"x": 1}, **{"report-id": f"{domain} {kind}"}, domain=domain, kind=kind) for domain, kind in
                  (("b.test", "sts"), ("a.test", "tlsa"), ("a.test", "no-policy-found"), ("sub.a.test", "sts"), ("a.test", "x"))]
        made = self.step(1, "enforce", "--next", "--since", day(30), *self.reports(*others), mode="enforce", max_age=604800)
        self.told(made, "the reports hold nothing on MTA-STS of this domain")
        self.step(1, "stay", "--next", "--since", day(30), *self.reports(report(1, failures={"x": 1}, domain="A.Test.")))

    def test_twice_the_same_report_counts_once(self):
        made = self.step(0, "enforce", "--next", "--since", day(30), *self.reports(report(1), report(1), report(1)), mode="enforce", max_age=604800)
        self.assertEqual(made["step"]["reports"]["good"], 10)

    def test_packed_and_single_files(self):
        self.write("one.json.gz", gzip.compress(json.dumps(report(1, failures={"x": 2})).encode()))
        self.write("two", gzip.compress(b" ") + gzip.compress(json.dumps(report(2, failures={"y": 3})).encode()))
        made = self.step(1, "stay", "--next", "--since", day(30), "--reports", "one.json.gz", "--reports", "two")
        self.assertEqual(made["step"]["reports"]["types"], {"x": 2, "y": 3})
        self.assertIn("missing", self.publish(64, "a.test", "--next", "--reports", "missing").error)

    def test_times_with_offsets(self):
        odd = report(1, failures={"x": 1})
        odd["date-range"] = {"start-datetime": f"{day(2)}T22:00:00.5-02:00", "end-datetime": f"{day(0)}t01:59:59+02:00"}
        made = self.step(1, "stay", "--next", "--since", day(30), *self.reports(odd))
        self.assertEqual(made["step"]["reports"]["first"], int((TODAY - timedelta(days=1)).timestamp()))
        self.assertEqual(made["step"]["reports"]["last"], int(TODAY.timestamp()) - 1)

    def test_what_is_no_report_is_named_and_left_out(self):
        packed = gzip.compress(json.dumps(report(1)).encode())
        bad = [b"", b"{", b"[]", b"null", b"3", b'"x"', b'{"a":' * 5000, packed[:-9], packed[:40], b"\x1f\x8b", gzip.compress(b" " * (17 << 20)),
               b'{"policies":3}', json.dumps({**report(1), "date-range": []}).encode(),
               json.dumps({**report(1), "date-range": {"start-datetime": "2026-13-01T00:00:00Z", "end-datetime": 3}}).encode(),
               json.dumps(report(-3)).encode(), json.dumps(report(1, days=-1)).encode(), b"\xff\xfe" * 100, b" " * ((16 << 20) + 1)]
        for i, content in enumerate(bad):
            os.makedirs(f"{self.folder}/reports", exist_ok=True)
            for name in os.listdir(f"{self.folder}/reports"):
                os.remove(f"{self.folder}/reports/{name}")
            self.write("reports/x\x1b[31m.json", content)
            made = self.made(1, "a.test", "--next", "--since", day(30), *self.reports(report(1)))
            self.assertEqual(len(made["warnings"]), 1, (i, made))
            self.assertEqual(made["step"]["reports"]["good"], 10)

    def test_odd_fields_do_no_harm(self):
        paths = (("policies",), ("policies", 0), ("policies", 0, "policy"), ("policies", 0, "summary"), ("policies", 0, "failure-details"),
                 ("policies", 0, "policy", "policy-domain"), ("policies", 0, "summary", "total-failure-session-count"),
                 ("policies", 0, "failure-details", 0), ("policies", 0, "failure-details", 0, "result-type"),
                 ("policies", 0, "failure-details", 0, "failed-session-count"), ("report-id",), ("organization-name",))
        for value in (None, "x", -1, 1.5, [], {}, True, 1 << 60, [1], [[]], {"policy": 1}, "\x1b[31m"):
            odd = []
            for path in paths:
                odd.append(report(1, failures={"x": 1}, **{"report-id": f"of {path}"}))
                inner = odd[-1]
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = value
            made = self.made(1, "a.test", "--next", "--since", day(30), "--server", "none", *self.reports(*odd, report(2)))
            # Those where no more than a name was odd, or the count of one of two, tell of a failure all the same.
            self.assertGreaterEqual(made["step"]["reports"]["reports"], 4, value)
            self.assertTrue(all(kind.isprintable() for kind in made["step"]["reports"]["types"]), value)


class Enforcing(Case):
    def test_max_age_is_raised_step_by_step(self):
        for before, after in ((3600, 604800), (86400, 604800), (604800, 1209600), (1209600, 2419200), (2000000, 2419200)):
            self.domain(live=policy("enforce", "*.a.test", age=before))
            self.step(0, "raise", "--next", "--since", day(7), mode="enforce", max_age=after)
            self.step(1, "stay", "--next", "--since", day(6))
            self.step(1, "stay")

    def test_weeks_are_enough(self):
        for age in (2419200, 31557600):
            self.domain(live=policy("enforce", "*.a.test", age=age))
            self.step(0, "done")

    def test_a_jump_is_refused(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        self.assertIn("too large a step", self.refused(2, "a.test", "--next", "--since", day(7), "--max-age", "31557600"))
        self.step(0, "raise", "--next", "--since", day(7), "--max-age", "4w", mode="enforce", max_age=2419200)
        self.domain(live=policy("enforce", "*.a.test", age=2419200))
        self.step(0, "raise", "--next", "--max-age", "100d", mode="enforce", max_age=8640000)
        self.assertIn("at most --max-age 9676800 now", self.refused(2, "a.test", "--next", "--max-age", "31557600"))
        self.domain(live=policy("testing", "*.a.test"))
        self.assertIn("too large a step", self.refused(2, "a.test", "--next", "--since", day(20), "--max-age", "4w"))
        self.step(1, "enforce", "--next", "--since", day(20), "--max-age", "2w", mode="enforce", max_age=1209600)

    def test_a_host_that_fails_holds_mail_now(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        self.world["smtp"]["mx1.a.test"] = "cert-expired"
        self.told(self.step(2, "stay", "--next", "--since", day(30)), "mx1.a.test", "--next --mode testing")
        self.assertIn("cert-expired", self.refused(2, "a.test", "--next", "--since", day(30), "--max-age", "2w"))
        self.step(0, "back", "--next", "--mode", "testing", mode="testing", max_age=86400)

    def test_a_host_that_is_not_in_the_policy(self):
        self.domain(live=policy("enforce", "mx1.a.test", age=604800))
        made = self.step(1, "complete", "--next", "--since", day(30), mode="enforce", max_age=604800)
        self.assertEqual(made["mx"], ["mx1.a.test", "mx2.a.test"])
        self.world["smtp"]["mx2.a.test"] = "starttls-missing"
        self.step(2, "stay", "--next", "--since", day(30))

    def test_what_was_asked_for_within_what_is_safe(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        self.assertIn("--leave", self.refused(2, "a.test", "--next", "--mode", "none"))
        self.step(0, "lower", "--next", "--since", day(30), "--max-age", "1d", mode="enforce", max_age=86400)
        self.domain(live=policy("testing", "*.a.test"))
        self.step(1, "testing", "--next", "--since", day(30), "--mode", "testing", mode="testing", max_age=86400)
        self.domain("a.test")
        del self.world["dns"]["_mta-sts.a.test TXT"]
        self.assertIn("publish mode testing first", self.refused(2, "a.test", "--next", "--mode", "enforce"))

    def test_options_that_do_not_fit(self):
        self.domain()
        for words in (("--next", "--leave"), ("--reports", "x"), ("--since", day(1)), ("--leave", "--mode", "none"), ("--leave", "--max-age", "1d"),
                      ("--previous-max-age", "1d"), ("--force",), ("--leave", "--reports", "x"), ("--leave", "--previous-max-age", "x")):
            self.assertIn("publish: --", self.publish(64, "a.test", *words).error)


class Leaving(Case):
    def dates(self, made):
        return [date["day"] for date in made["step"]["dates"]]

    def test_mode_none_first(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        made = self.step(0, "none", "--leave", mode="none", max_age=86400)
        self.assertEqual(self.dates(made), [day(-8), day(-10)])
        self.told(made, "kept for 7 d", "remove the record _mta-sts.a.test", "remove the policy, and mta-sts.a.test")

    def test_what_was_served_before_may_be_kept_for_longer(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        made = self.step(0, "none", "--leave", "--previous-max-age", "30d", mode="none", max_age=86400)
        self.assertEqual(self.dates(made), [day(-31), day(-33)])
        self.domain(live="https-cert-expired")
        self.assertEqual(self.dates(self.step(0, "none", "--leave", mode="none", max_age=86400)), ["2027-06-03", "2027-06-05"])

    def test_mode_none_stays_until_all_is_forgotten(self):
        self.domain(live=policy("none"))
        self.assertIn("--previous-max-age", self.refused(2, "a.test", "--leave"))
        self.assertIn("--previous-max-age", self.refused(2, "a.test", "--leave", "--since", day(400)))
        words = ("--leave", "--previous-max-age", "7d", "--since")
        self.assertIn("must not go before " + day(-7), self.refused(2, "a.test", *words, day(1)))
        self.assertIn("must not go before " + day(-1), self.refused(2, "a.test", *words, day(7)))
        made = self.step(0, "remove", *words, day(8))
        self.assertEqual(self.dates(made), [day(0), day(-2)])
        self.domain(live=policy("none", age=31557600))  # which holds no mail, however long it is kept
        self.step(0, "remove", *words, day(8))

    def test_the_whole_way_with_what_was_written_here(self):
        self.domain()
        for mode, age, now in (("enforce", "30d", "2026-06-01"), ("enforce", "7d", "2026-06-10"), ("testing", "1d", "2026-06-20")):
            self.world["now"] = f"{now}T00:00:00Z"
            made = self.made(0, "a.test", "--mode", mode, "--max-age", age, "--output", "out")
            self.domain(live=made["policy"], id=made["id"])
        made = self.step(0, "none", "--leave", "--output", "out", mode="none", max_age=86400)
        # That of 30 days was served until June 10.
        self.assertEqual(self.dates(made), ["2026-07-11", "2026-07-13"])
        self.domain(live=made["policy"], id=made["id"])
        self.world["now"] = "2026-07-10T23:59:59Z"
        self.assertIn("must not go before 2026-07-11", self.refused(2, "a.test", "--leave", "--output", "out"))
        self.world["now"] = "2026-07-11T00:00:00Z"
        self.step(0, "remove", "--leave", "--output", "out")
        del self.world["dns"]["_mta-sts.a.test TXT"]
        self.step(0, "done", "--leave", "--output", "out")

    def test_a_record_that_went_too_early(self):
        self.domain()
        self.made(0, "a.test", "--mode", "enforce", "--output", "out")
        self.assertIn("may keep a policy until " + day(-8), self.refused(2, "a.test", "--leave", "--output", "out"))
        self.assertIn("may keep a policy until", self.refused(2, "a.test", "--leave", "--previous-max-age", "1w"))
        self.step(0, "done", "--leave")

    def test_dns_that_fails_for_now(self):
        self.domain(live=policy("none"))
        self.world["dns"]["_mta-sts.a.test TXT"] = "servfail"
        self.refused(4, "a.test", "--leave")

    def test_it_is_printed_with_dates(self):
        self.domain(live=policy("enforce", "*.a.test", age=604800))
        result = self.publish(0, "a.test", "--leave", "--server", "none")
        self.assertIn(f"# {day(-8)}: remove the record _mta-sts.a.test\n", result.out)
        self.assertIn("mode: none\nmax_age: 86400\n", result.out)
        self.assertNotIn("mx:", result.out)


if __name__ == "__main__":
    tools.main()
