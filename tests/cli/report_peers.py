# SPDX-License-Identifier: ISC
"""Whom reports are sent through: a name server, a program that takes mail, HTTPS servers that behave and misbehave; and a strict reader of
what RFC 8460 lets stand in a report."""
import email
import email.policy
import glob
import gzip
import http.server
import ipaddress
import json
import os
import re
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time


class Dns:
    """Answers TXT and A from a table; what is not in it does not exist. failing: names that get SERVFAIL."""

    def __init__(self):
        self.txt, self.a, self.failing, self.asked, self.on_question = {}, {}, set(), [], None
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                reply = outer.answer(data)
                if reply:
                    sock.sendto(reply, self.client_address)

        self.server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, data):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        question = data[12:at + 5]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", data[at + 1:at + 3])[0]
        self.asked.append(name)
        if self.on_question:
            self.on_question(name)
        if name in self.failing:
            return data[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) + question
        records = []
        if kind == 16:
            for text in self.txt.get(name, []):
                raw = text.encode("latin-1")
                records.append(b"".join(bytes([len(raw[i:i + 255])]) + raw[i:i + 255] for i in range(0, len(raw), 255)))
        elif kind == 1:
            records = [socket.inet_aton(address) for address in self.a.get(name, [])]
        known = name in self.txt or name in self.a
        code = 0 if known else 3
        head = data[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        return head + question + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(raw)) + raw for raw in records)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


SENDMAIL = """#!/usr/bin/env python3
import os, signal, sys, time
folder = {folder!r}
message = sys.stdin.buffer.read()
name = os.path.join(folder, "%d.%d" % (time.monotonic_ns(), os.getpid()))
with open(name + ".partial", "wb") as file:
    file.write(message)
os.rename(name + ".partial", name + ".eml")
with open(os.path.join(folder, "arguments"), "a") as file:
    file.write(repr(sys.argv[1:]) + "\\n")
{act}
"""


class Sendmail:
    """A program that keeps what it is given and then acts as told."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "mail")
        os.mkdir(self.folder)
        self.path = os.path.join(folder, "sendmail")
        self.then("")

    def then(self, act):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(SENDMAIL.format(folder=self.folder, act=act))
        os.chmod(self.path, 0o755)

    @property
    def raw(self):
        found = []
        for path in sorted(glob.glob(self.folder + "/*.eml")):
            with open(path, "rb") as file:
                found.append(file.read())
        return found

    @property
    def messages(self):
        return [email.message_from_bytes(raw, policy=email.policy.SMTP) for raw in self.raw]

    @property
    def arguments(self):
        with open(os.path.join(self.folder, "arguments"), encoding="utf-8") as file:
            return [eval(line) for line in file]  # ours: a list of texts


class Web:
    """An HTTPS server on loopback, with a certificate for these names. answer(handler, body), show(handler) -> nothing; by default 200."""

    def __init__(self, folder, name="r.test", *more):
        self.got, self.answer, self.show = [], lambda handler, body: handler.reply(200), lambda handler: handler.reply(200)
        certificate = os.path.join(folder, name + ".pem")
        self.ca_file = certificate + ".crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=" + name, "-addext", "subjectAltName=" + ",".join("DNS:" + each for each in (name, *more)),
                        "-keyout", certificate, "-out", self.ca_file],
                       check=True, capture_output=True)
        with open(certificate, "a", encoding="ascii") as file, open(self.ca_file, encoding="ascii") as more:
            file.write(more.read())
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, headers=(), body=b""):
                self.send_response(status)
                for key, value in headers:
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                try:
                    outer.answer(self, body)
                except OSError:
                    self.close_connection = True

            def do_GET(self):
                outer.got.append((self.path, dict(self.headers), None))
                outer.show(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def wait_for(test, seconds=10):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if test():
            return True
        time.sleep(0.02)
    return False


# ---- what RFC 8460 4.4 and RFC 7493 allow ----

RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
           "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
MOST = 2 ** 53 - 1


def need(true, what):
    if not true:
        raise AssertionError(what)


def unique(pairs):
    need(len(dict(pairs)) == len(pairs), "a member stands twice (RFC 7493 2.3): %r" % (pairs,))
    return dict(pairs)


def members(value, required, optional, where):
    need(isinstance(value, dict), where + " is no object")
    need(set(required) <= set(value) <= set(required) | set(optional), "%s has %r" % (where, sorted(value)))


def texts(value, where):
    need(isinstance(value, list) and value and all(isinstance(each, str) and each for each in value), where + " is no array of strings")


def count(value, where):
    need(type(value) is int and 0 <= value <= MOST, where + " is no count")


def address(value, where):
    need(str(ipaddress.ip_address(value)) == value, where + " is not canonical (RFC 5952)")


def check_detail(detail, where):
    members(detail, ["result-type", "failed-session-count"], ["sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip",
                                                             "additional-information", "failure-reason-code"], where)
    need(detail["result-type"] in RESULTS, where + ": result-type")
    count(detail["failed-session-count"], where)
    need(detail["failed-session-count"] > 0, where + ": none failed")
    for key in ("sending-mta-ip", "receiving-ip"):
        if key in detail:
            address(detail[key], where + "." + key)
    for key, value in detail.items():
        need(key == "failed-session-count" or isinstance(value, str) and value, where + "." + key)


def check_entry(entry, where):
    members(entry, ["policy", "summary"], ["failure-details"], where)
    policy = entry["policy"]
    members(policy, ["policy-type", "policy-domain"], ["policy-string", "mx-host"], where + ".policy")
    need(policy["policy-type"] in ("sts", "tlsa", "no-policy-found"), where + ": policy-type")
    need(NAME.match(policy["policy-domain"]), where + ": policy-domain")
    for key in ("policy-string", "mx-host"):
        if key in policy:
            texts(policy[key], where + "." + key)
    if policy["policy-type"] == "sts" and "policy-string" in policy:
        need([line[4:] for line in policy["policy-string"] if line.startswith("mx: ")] == policy.get("mx-host", []), where + ": mx-host")
    summary = entry["summary"]
    members(summary, ["total-successful-session-count", "total-failure-session-count"], [], where + ".summary")
    for key, value in summary.items():
        count(value, where + "." + key)
    details = entry.get("failure-details", [])
    need(isinstance(details, list) and ("failure-details" not in entry or details), where + ": failure-details")
    for i, detail in enumerate(details):
        check_detail(detail, "%s.failure-details[%d]" % (where, i))
    need(sum(detail["failed-session-count"] for detail in details) == summary["total-failure-session-count"], where + ": does not add up")


def check_report(raw):
    """The document, or AssertionError."""
    document = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=lambda what: need(False, what))
    members(document, ["organization-name", "date-range", "contact-info", "report-id", "policies"], [], "report")
    for key in ("organization-name", "contact-info", "report-id"):
        need(isinstance(document[key], str) and document[key], key)
    need(re.match(r"[\w.+-]+@([a-z0-9-]+\.)+[a-z0-9-]+$", document["contact-info"]), "contact-info")
    members(document["date-range"], ["start-datetime", "end-datetime"], [], "date-range")
    start, end = document["date-range"]["start-datetime"], document["date-range"]["end-datetime"]
    need(TIME.match(start) and TIME.match(end), "date-range")
    need(start.endswith("T00:00:00Z") and end.endswith("T23:59:59Z") and start[:10] == end[:10], "date-range is no day")
    need(isinstance(document["policies"], list) and document["policies"], "policies")
    for i, entry in enumerate(document["policies"]):
        check_entry(entry, "policies[%d]" % i)
    seen = [(entry["policy"]["policy-type"], entry["policy"]["policy-domain"], str(entry["policy"].get("policy-string")))
            for entry in document["policies"]]
    need(len(set(seen)) == len(seen), "a policy stands twice")
    return document


def check_message(message, domain, submitter):
    """RFC 8460 5.3; the report in it."""
    need(message.get_content_type() == "multipart/report" and message.get_param("report-type") == "tlsrpt", "Content-Type")
    for name in ("From", "To", "Date", "Message-ID", "Subject", "TLS-Report-Domain", "TLS-Report-Submitter", "TLS-Required", "MIME-Version",
                 "Auto-Submitted"):
        need(len(message.get_all(name, [])) == 1, name + " stands not once")
    need(message["TLS-Report-Domain"] == domain and message["TLS-Report-Submitter"] == submitter, "TLS-Report-*")
    need(message["TLS-Required"] == "No", "TLS-Required")
    need(message["Auto-Submitted"] == "auto-generated", "Auto-Submitted")
    match = re.match(r"Report Domain: (\S+) Submitter: (\S+) Report-ID: <(\S+)@(\S+)>$", str(message["Subject"]))
    need(match and match.group(1) == domain and match.group(2) == submitter, "Subject: " + str(message["Subject"]))
    need(re.match(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+$", match.group(3)), "id-left")
    parts = list(message.iter_parts())
    need([part.get_content_type() for part in parts] == ["text/plain", "application/tlsrpt+gzip"], "parts")
    name = parts[1].get_filename()
    need(re.match(re.escape(submitter) + "!" + re.escape(domain) + r"!\d+!\d+![0-9a-zA-Z]+\.json\.gz$", name), "filename " + name)
    document = check_report(gzip.decompress(parts[1].get_payload(decode=True)))
    need(document["report-id"] == match.group(3), "report-id")
    need(document["contact-info"].split("@")[1] == submitter, "the submitter is not the contact's domain")
    return document
