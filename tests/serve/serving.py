# SPDX-License-Identifier: ISC
"""mtasts serve as its clients see it, with a store that was filled before and a name server of ours; what its tests have in common."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../cli")
from tools import PROGRAM, Case as Folder, main  # noqa: E402, F401

PATIENCE_S = 120  # for what comes at once on a machine that is not slow


# The function "never" waits for longer than any test.
NEVER = """local mtasts, exim = require 'mtasts', require 'mtasts.exim'
exim.provide('never', function() return mtasts.lookup('never.test', { timeout = 600 }).mode end)
"""
WAITS = ("--set", "dns_deadline_ms=60000")


def wait_for(what, test):
    end = time.monotonic() + PATIENCE_S
    while not test():
        if time.monotonic() > end:
            raise AssertionError(f"{what} does not come")
        time.sleep(0.02)


class Dns:
    """Answers from records, (name, type) -> [rdata as text]; what is not there is NXDOMAIN. secure: names whose answers have the AD bit."""
    TYPES = {"A": 1, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}

    def __init__(self, records=None, secure=(), ttl=300):
        self.records, self.secure, self.ttl = records or {}, set(secure), ttl
        self.failing, self.silent, self.asked = set(), {"_mta-sts.never.test"}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
                answer = self.answer(question)
                if answer:
                    self.socket.sendto(answer, client)
            except OSError:
                return

    @staticmethod
    def name(text):
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"

    def rdata(self, kind, text):
        words = text.split()
        if kind == "A":
            return socket.inet_aton(text)
        if kind == "AAAA":
            return socket.inet_pton(socket.AF_INET6, text)
        if kind == "MX":
            return struct.pack("!H", int(words[0])) + self.name(words[1])
        if kind == "TLSA":
            return bytes(int(word) for word in words[:3]) + bytes.fromhex(words[3])
        return bytes([len(text)]) + text.encode()

    def answer(self, question):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        number = struct.unpack("!H", question[at + 1:at + 3])[0]
        name, asked = ".".join(labels), question[12:at + 5]
        kind = next((kind for kind, its in self.TYPES.items() if its == number), "?")
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answers = b""
        found = self.records.get((name, kind), [])
        for text in found:
            data = self.rdata(kind, text)
            answers += b"\xc0\x0c" + struct.pack("!HHIH", number, 1, self.ttl, len(data)) + data
        there = any(key[0] == name for key in self.records)
        code = 2 if name in self.failing else 0 if there else 3
        flags = 0x8180 | code | (0x20 if name in self.secure and not code & 2 else 0)
        if code == 2:
            found, answers = [], b""
        return question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + asked + answers

    def close(self):
        self.socket.close()


def netstring(text):
    return b"%d:%s," % (len(text), text)


class Client:
    """A connection to one of the server's sockets."""

    def __init__(self, path, family=socket.AF_UNIX):
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        """False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def rest(self):
        """All that comes until the server closes."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def reply(self):
        """The next netstring; None at the end."""
        while True:
            match = re.match(rb"(\d+):", self.buffer)
            if match:
                begin, size = match.end(), int(match.group(1))
                if len(self.buffer) > begin + size:
                    assert self.buffer[begin + size:begin + size + 1] == b",", self.buffer
                    data, self.buffer = self.buffer[begin:begin + size], self.buffer[begin + size + 1:]
                    return data.decode()
            if not self.more():
                assert self.buffer == b"", self.buffer
                return None

    def line(self):
        """The next line without its end; None at the end."""
        while b"\n" not in self.buffer:
            if not self.more():
                assert self.buffer == b"", self.buffer
                return None
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def ask(self, text):
        self.send(netstring(text.encode()))
        return self.reply()

    def close(self):
        self.socket.close()


class Case(Folder):
    """Each test has a server of its own; see start."""
    policies = {}  # domain -> "MODE MX..."

    def setUp(self):
        super().setUp()
        self.server = None
        self.dns = Dns()
        self.addCleanup(self.dns.close)
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])

    def path(self, name):
        return os.path.join(self.folder, name)

    def fill(self, policies):
        lines = "".join(f"{domain} {policy}\n" for domain, policy in policies.items())
        result = self.run_program("run", "--settings", "none", "--rules", "none", f"{HERE}/fill.lua", stdin=lines.encode(),
                                  STORE=self.path("store.db"))
        self.assertEqual(result.code, 0, result.error)

    def words(self, *more, rules="none"):
        return [PROGRAM, "serve", "--settings", "none", "--rules", rules, "--store", self.path("store.db"), "--nameserver",
                self.dns.address, "--set", "dns_deadline_ms=3000", *more]

    def start(self, *more, policies=None, rules="none", sockets=("socketmap",), environment=None, ready=True, **options):
        """Starts it, and waits until it listens."""
        if policies:
            self.fill(policies)
        for name in sockets:
            more += (f"--{name}", f"unix:{self.path(name)}")
        self.errors = open(self.path("stderr"), "w+", encoding="utf-8")
        self.addCleanup(self.errors.close)
        self.server = subprocess.Popen(self.words(*more, rules=rules), cwd=self.folder, stderr=self.errors,
                                       env={**self.environment, **(environment or {})}, **options)
        self.addCleanup(self.kill)
        if ready:
            for name in sockets:
                wait_for(f"socket {name}", lambda name=name: self.reachable(name) or self.server.poll() is not None)
            self.assertIsNone(self.server.poll(), self.said())

    def reachable(self, name):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path(name)) == 0

    def kill(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.wait()

    def said(self):
        with open(self.path("stderr"), encoding="utf-8") as file:
            return file.read()

    def stop(self):
        """Its exit code."""
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(timeout=PATIENCE_S)

    def connect(self, name="socketmap"):
        client = Client(self.path(name))
        self.clients.append(client)
        return client
