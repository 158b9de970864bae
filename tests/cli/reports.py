# SPDX-License-Identifier: ISC
"""Reports and mails with reports, for the tests of mtasts report."""
import base64
import copy
import gzip
import json
import quopri

import tools

REPORT = {
    "organization-name": "Company-X",
    "date-range": {"start-datetime": "2026-01-02T00:00:00Z", "end-datetime": "2026-01-02T23:59:59Z"},
    "contact-info": "tls@x.test", "report-id": "r1@x.test",
    "policies": [{
        "policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mode: enforce", "mx: *.b.test", "max_age: 86400"],
                   "policy-domain": "b.test", "mx-host": ["*.b.test"]},
        "summary": {"total-successful-session-count": 90, "total-failure-session-count": 10},
        "failure-details": [
            {"result-type": "certificate-expired", "sending-mta-ip": "192.0.2.1", "receiving-mx-hostname": "mx1.b.test",
             "receiving-ip": "192.0.2.9", "failed-session-count": 7, "failure-reason-code": "expired on Monday"},
            {"result-type": "starttls-not-supported", "sending-mta-ip": "192.0.2.1", "receiving-mx-hostname": "mx2.b.test",
             "receiving-ip": "192.0.2.10", "failed-session-count": 3}]}]}


def report(**changes):
    """A report to the letter, with other fields at the top; names with _ for -."""
    result = copy.deepcopy(REPORT)
    result.update({name.replace("_", "-"): value for name, value in changes.items()})
    return result


def of_day(day, **changes):
    return report(date_range={"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"}, **changes)


def as_json(value):
    return json.dumps(value).encode()


def as_gzip(value):
    return gzip.compress(value if isinstance(value, bytes) else as_json(value), mtime=0)


NAME = "x.test!b.test!1767312000!1767398399!1.json.gz"
FIELDS = ("From: tls@x.test\r\nSubject: Report Domain: b.test\r\n Submitter: x.test\r\n Report-ID: <r1@x.test>\r\n"
          "TLS-Report-Domain: b.test\r\nTLS-Report-Submitter: x.test\r\nDKIM-Signature: v=1; d=x.test\r\nMIME-Version: 1.0\r\n")


def part(content, kind="application/tlsrpt+gzip", name=NAME, encoding="base64"):
    """One part with its header."""
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring, "8bit": bytes}[encoding](content)
    label = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{label}\r\n".encode() + body


def multipart(*parts, kind='multipart/report; report-type="tlsrpt"', boundary="=b"):
    lines = b"".join(b"--" + boundary.encode() + b"\r\n" + one + b"\r\n" for one in parts)
    return f'Content-Type: {kind}; boundary="{boundary}"\r\n\r\n'.encode() + lines + f"--{boundary}--\r\n".encode()


TEXT = b"Content-Type: text/plain\r\n\r\nA TLS report.\r\n"


def mail(content=None, fields=FIELDS):
    return fields.encode() + (multipart(TEXT, part(as_gzip(REPORT))) if content is None else content)


class Reports(tools.Case):
    def fit(self, result):
        """What is printed is fit for a terminal."""
        for raw in (result.raw, result.raw_error):
            self.assertEqual([byte for byte in raw if byte < 32 and byte != 10 or byte == 127], [], "control characters")
            raw.decode("utf-8")
        return result

    def report(self, code, action, *words, **more):
        result = self.fit(self.ends(code, "report", action, *words, **more))
        if not result.out.startswith(("{", "<")):
            for line in result.lines:
                self.assertLessEqual(len(line), 80, line)
        return result

    def says(self, result, *fragments):
        words = " ".join(result.out.split())
        for fragment in fragments:
            self.assertIn(fragment, words)

    def shown(self, content, code=1):
        """The one object of --json for one file."""
        (value,) = self.report(code, "show", "--json", self.write("in", content)).json
        return value

    def codes(self, content, code):
        """[(code, path), ...] of what validate says of one file."""
        (value,) = self.report(code, "validate", "--json", self.write("in", content)).json
        return [(one["code"], one.get("path")) for one in value["deviations"]]
