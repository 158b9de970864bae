# SPDX-License-Identifier: ISC
"""TLS reports (RFC 8460) out of a real mail server's sessions: they are written and sent by its own sendmail, and to an nginx."""
import email
import email.policy
import gzip
import json
import sqlite3
import subprocess

CONTACT = "reports@client.test"


def reporting(domain, uri):
    """Of a domain of the world."""
    return {"records": [f'_smtp._tls.{domain} 300 TXT "v=TLSRPTv1; rua={uri}"']}


def a_day_later(store):
    """What was counted today was counted yesterday: {domain: (succeeded, failed)}"""
    found = {}
    with sqlite3.connect(store) as db:
        db.execute("UPDATE session SET day = day - 1")
        for domain, failed, number in db.execute("SELECT domain, result <> '', sum(count) FROM session GROUP BY 1, 2"):
            good, bad = found.get(domain, (0, 0))
            found[domain] = (good, bad + number) if failed else (good + number, bad)
    return found


def send(mtasts, store, sendmail):
    """What became of the reports to mailed.test and posted.test."""
    words = ["--store", store, "--nameserver", "127.0.0.1", "--set", f"report_sendmail={sendmail}", "--json", "report", "send", "--now",
             "--organization", "Client", "--contact", CONTACT, "--domain", "mailed.test", "--domain", "posted.test"]
    done = subprocess.run([mtasts, *words], capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, 3) or done.stderr:
        raise AssertionError(f"mtasts report send: exit code {done.returncode}: {done.stderr}{done.stdout}")
    return {row["domain"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}


def mailed(lines):
    """(the mail, the report in it), of the lines that a host took."""
    lines = [line[1:] if line.startswith("..") else line for line in lines]
    mail = email.message_from_string("\r\n".join(lines), policy=email.policy.SMTP)
    (part,) = [part for part in mail.walk() if part.get_content_type() == "application/tlsrpt+gzip"]
    return mail, json.loads(gzip.decompress(part.get_payload(decode=True)))


def sums(report):
    """{domain: (type, succeeded, failed, {result: number})}"""
    found = {}
    for policy in report["policies"]:
        summary = policy["summary"]
        details = {}
        for detail in policy.get("failure-details", []):
            details[detail["result-type"]] = details.get(detail["result-type"], 0) + detail["failed-session-count"]
        found[policy["policy"]["policy-domain"]] = (policy["policy"]["policy-type"], summary["total-successful-session-count"],
                                                    summary["total-failure-session-count"], details)
    return found


class Arrived:
    """For a Case with mailed.test, where mail was delivered, and posted.test, whose certificate has expired, where none was."""

    def both_arrive(self, mtasts, store, sendmail):
        counted = a_day_later(store)
        self.same((counted["mailed.test"][1], counted["posted.test"][0]), (0, 0), "failures of the one, successes of the other")
        self.world.reports.got.clear()
        self.same(send(mtasts, store, sendmail), {"mailed.test": "sent", "posted.test": "sent"}, "what was sent")
        self.server.wait(self.reports_taken, "the report to come by mail")
        (dialogue,) = self.reports_taken()
        mail, report = mailed(dialogue["data"])
        self.same((mail.get_content_type(), mail.get_param("report-type"), mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"],
                   mail["TLS-Required"], [line for line in dialogue["lines"] if line.upper().startswith("MAIL")][0].split(">")[0].lower()),
                  ("multipart/report", "tlsrpt", "mailed.test", "client.test", "No", f"mail from:<{CONTACT}"), "the mail")
        self.same(sums(report), {"mailed.test": ("sts", *counted["mailed.test"], {})}, "what the mail reports")
        ((headers, body),) = self.world.reports.got
        self.same(headers["Content-Type"], "application/tlsrpt+gzip", "the type of what was posted")
        expected = ("sts", *counted["posted.test"], {"certificate-expired": counted["posted.test"][1]})
        self.same(sums(json.loads(gzip.decompress(body))), {"posted.test": expected}, "what was posted")
        return counted

    def reports_taken(self):
        return [seen for seen in self.world.mail.seen_list if seen.get("taken") and any("<tlsrpt@" in line for line in seen["lines"])]
