# SPDX-License-Identifier: ISC
"""table-mtasts and filter-mtasts as smtpd starts them, without smtpd; and what their tests have in common."""
import argparse
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOKEN = "1ef1c203cc576e5d"
CACHED = 30  # domains in the store that cached.lua fills: cached0.test …, each third one in mode testing
GROWTH_KIB = 512  # resident memory may grow by this much: pages that are used for the first time. A leak of each session would be more
started = []  # programs of the test that runs
options = argparse.Namespace(build=f"{HERE}/../../build", light=False)


class Table:
    """One socket is its input and its output."""
    program = "table-mtasts"

    def __init__(self, folder, more="", path=None, cached=False):
        self.conf = path or f"{folder}/table.conf"
        store = f"{folder}/store.db" if cached else f"{folder}/none/store.db"
        if cached:
            fill(store)
        if path is None:
            with open(self.conf, "w", encoding="ascii") as out:
                # nobody listens there; and not the rules of this machine
                out.write(f"rules = none\nnameservers = [127.0.0.1]:1\nstore = {store}\nlog = stderr\ndns_deadline_ms = 500\n{more}")
        self.socket, other = socket.socketpair()
        self.socket.settimeout(20)
        self.errors = open(f"{folder}/stderr", "w+", encoding="utf-8")
        self.process = subprocess.Popen([f"{options.build}/{self.program}", self.conf], stdin=other, stdout=other, stderr=self.errors)
        started.append(self.process)
        other.close()

    def send(self, data):
        self.socket.sendall(data)

    def push(self, data, patience=1.0):
        """Sends without reading, until nothing is taken any more. The bytes that were not taken."""
        self.socket.setblocking(False)
        while data and select.select([], [self.socket], [], patience)[1]:
            data = data[self.socket.send(data[:65536]):]
        self.socket.settimeout(20)
        return data

    def flow(self, chunks, take, enough):
        """Sends and reads at the same time. take(bytes): what came; enough(): all that is to come has come."""
        waiting, chunks = b"", iter(chunks)
        self.socket.setblocking(False)
        end = time.monotonic() + 120
        while True:
            waiting = waiting or next(chunks, b"")
            if not waiting and enough():
                break
            readable, writable, _ = select.select([self.socket], [self.socket] if waiting else [], [], 1)
            if readable:
                data = self.socket.recv(1 << 18)
                if not data:
                    raise AssertionError(f"{self.program} ended")
                take(data)
            if writable:
                waiting = waiting[self.socket.send(waiting[:1 << 18]):]
            if time.monotonic() > end:
                raise AssertionError("answers are missing")
        self.socket.settimeout(20)

    def lines(self, count):
        data, seen = [], 0
        while seen < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise AssertionError(f"{self.program} ended after {b''.join(data)[-200:]!r}")
            data.append(chunk)
            seen += chunk.count(b"\n")
        return b"".join(data)

    def frame(self):
        head = self.socket.recv(16, socket.MSG_WAITALL)
        kind, length = struct.unpack("=IHHII", head)[:2]
        body = self.socket.recv(length - 16, socket.MSG_WAITALL) if length > 16 else b""
        return kind, body

    def silent(self):
        """Nothing further was said."""
        self.socket.settimeout(0.2)
        try:
            extra = self.socket.recv(4096)
        except TimeoutError:
            extra = b""
        self.socket.settimeout(20)
        return extra == b"" and self.process.poll() is None

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def end(self):
        self.socket.close()
        return self.process.wait(20)


class Filter(Table):
    """What it registers may grow: reports and phases of smtp-in, reports of smtp-out, and nothing that ends smtpd or tells a password."""
    program = "filter-mtasts"

    def __init__(self, folder, more="", cached=False):
        super().__init__(folder, more, cached=cached)
        self.send(b"config|smtpd-version|7.4.0-portable\nconfig|smtp-session-timeout|300\nconfig|subsystem|smtp-in\n"
                  b"config|subsystem|smtp-out\nconfig|admd|relay.test\nconfig|ready\n")
        registered = b""
        while not registered.endswith(b"register|ready\n"):
            registered += self.lines(1)
        self.registered = words = registered.decode("ascii").splitlines()[:-1]
        for line in words:
            if not re.fullmatch(r"register\|(report\|smtp-(in|out)|filter\|smtp-in)\|[a-z-]+", line):
                raise AssertionError(f"registration: {line!r}")
        for line in ("register|filter|smtp-in|auth", "register|filter|smtp-in|data-line", "register|report|smtp-in|protocol-client",
                     "register|report|smtp-out|protocol-client"):
            same(line in words, False, line)
        same(("register|filter|smtp-in|rcpt-to" in words, len(set(words))), (True, len(words)), "rcpt-to, and nothing twice")


def request(session, phase, value, version="0.7"):
    return f"filter|{version}|1576146008.006099|smtp-in|{phase}|{session:016x}|{TOKEN}|{value}\n".encode()


def proceed(session):
    return f"filter-result|{session:016x}|{TOKEN}|proceed\n".encode()


def fill(store):
    done = subprocess.run([f"{options.build}/mtasts", "run", f"{HERE}/cached.lua"], env=os.environ | {"STORE": store, "COUNT": str(CACHED), "MTASTS_ETC": "/nowhere"},
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"the store cannot be filled: {done.stdout}{done.stderr}")


def same(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")


def bounded(before, after, what, most=GROWTH_KIB):
    """A sanitizer keeps what was freed, so that there resident memory says nothing."""
    if not options.light and after - before > most:
        raise AssertionError(f"{what}: resident memory grew from {before} to {after} KiB, more than {most} KiB")


def scaled(count):
    return count // 20 if options.light else count


def leave_none():
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    started.clear()


def main(about, tests):
    """Each test takes a folder, and may return a figure to be printed."""
    global options
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("build", nargs="?", default=options.build, help="the folder of the programs")
    parser.add_argument("--light", action="store_true", help="a twentieth of the load, and no look at memory: for sanitizers")
    options = parser.parse_args()
    passed = failed = 0
    for test in tests:
        name, began = test.__name__.replace("_", " "), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                figure = test(folder)
                passed += 1
                print(f"ok   {name} ({time.monotonic() - began:.1f} s{'; ' + figure if figure else ''})", flush=True)
            except (AssertionError, OSError) as error:
                failed += 1
                print(f"FAIL {name}\n     {error!r}", flush=True)
                if os.path.exists(f"{folder}/stderr"):
                    with open(f"{folder}/stderr", encoding="utf-8", errors="replace") as errors:
                        print("".join(f"     | {line}" for line in errors), flush=True)
            finally:
                leave_none()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
