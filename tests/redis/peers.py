# SPDX-License-Identifier: ISC
"""What the tests of the shared store start: a real Redis, a policy host that counts, and machines, each with a store of its own."""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [f"{HERE}/../cli", f"{HERE}/../world"]
import report_peers  # noqa: E402
import tools  # noqa: E402
from servers import packages  # noqa: E402

# The program is in the package of the tools, and knows by its name what it is to do.
RELEASES = {"redis": packages.Release("5%3a7.0", "bookworm", "redis-tools", ("usr/bin/redis-check-rdb",)),
            "valkey": packages.Release("8.", "trixie", "valkey-tools", ("usr/bin/valkey-check-rdb",))}
KIND = os.environ.get("MTASTS_SHARED_SERVER", "redis")
wait_for = report_peers.wait_for


def program():
    """Where the server is: unpacked once below the build folder, for all tests."""
    build = os.path.dirname(os.path.realpath(tools.PROGRAM))
    os.makedirs(f"{build}/shared", exist_ok=True)
    with open(f"{build}/shared/{KIND}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = RELEASES[KIND]
        path = packages.unpacked(release, f"{build}/shared/{KIND}")
        real = os.path.basename(release.programs[0])
        name = f"{path}/usr/bin/{real.replace('check-rdb', 'server')}"
        if not os.path.lexists(name):
            os.symlink(real, name)
        return name


class Redis:
    """Its data in a folder of its own; a port of 127.0.0.1 and a Unix socket."""

    def __init__(self, folder, *options, port=0, **more):
        self.folder, self.options, self.environment = folder, list(options), more
        os.makedirs(folder, exist_ok=True)
        self.port = port or free_port()
        self.path = f"{folder}/s"
        self.process = None

    def start(self, *options):
        words = [program(), "--bind", "127.0.0.1", "--unixsocket", self.path, "--dir", self.folder, "--daemonize", "no", "--save", "",
                 "--logfile", f"{self.folder}/log"]
        if "--port" not in self.options:
            words += ["--port", str(self.port)]
        self.process = subprocess.Popen(words + self.options + list(options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        if not wait_for(lambda: self.process.poll() is not None or self.listens(), 60) or self.process.poll() is not None:
            raise AssertionError("Redis does not start: " + self.log())
        return self

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(self.path) == 0

    def log(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(60)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def ask(self, *words, auth=None):
        """The answer as redis-cli would show it: texts, numbers, lists."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.path)
            stream = s.makefile("rb")
            for command in ([["AUTH", *auth]] if auth else []) + [words]:
                raw = [str(word).encode() if not isinstance(word, bytes) else word for word in command]
                s.sendall(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw))
                got = read_answer(stream)
            return got

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


def read_answer(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:].decode("latin-1")
    if kind == b"-":
        raise AssertionError("Redis: " + rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else (stream.read(int(rest)), stream.read(2))[0].decode("latin-1")
    if kind == b"*":
        return [read_answer(stream) for _ in range(int(rest))]
    return rest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Fake:
    """A server that is none: answers each connection with act(connection)."""

    def __init__(self, act):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.met = 0

        def serve(connection):
            try:
                with connection:
                    act(connection)
            except OSError:
                pass

        def accept():
            while True:
                try:
                    connection, _ = self.listener.accept()
                except OSError:
                    return
                self.met += 1
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


POLICY = "version: STSv1\nmode: enforce\nmx: mx1.{0}\nmax_age: 604800\n"


def policy_host(folder, domains):
    """Its got has one entry for each GET."""
    web = report_peers.Web(folder, *("mta-sts." + domain for domain in domains))

    def show(handler):
        domain = handler.headers["Host"].split(":")[0].removeprefix("mta-sts.")
        handler.reply(200, [("Content-Type", "text/plain")], POLICY.format(domain).encode())

    web.show = show
    return web


class Case(tools.Case):
    """DNS, a policy host for some domains, and Redis."""

    DOMAINS = ("a.test", "b.test", "c.test")
    options = ()

    @classmethod
    def setUpClass(cls):
        try:
            program()
        except packages.Missing as why:
            raise unittest.SkipTest(f"{KIND}: {why}") from why

    def setUp(self):
        super().setUp()
        self.folder_of_server = tempfile.mkdtemp(prefix="mtasts-r-")  # a path that fits a socket's address
        self.addCleanup(shutil.rmtree, self.folder_of_server)
        self.dns = report_peers.Dns()
        self.addCleanup(self.dns.stop)
        self.web = policy_host(self.folder, self.DOMAINS)
        self.addCleanup(self.web.stop)
        for domain in self.DOMAINS:
            self.dns.txt["_mta-sts." + domain] = ["v=STSv1; id=1;"]
            self.dns.a["mta-sts." + domain] = ["127.0.0.1"]
        self.redis = Redis(self.folder_of_server, *self.options).start()
        self.addCleanup(lambda: self.redis.stop(signal.SIGKILL))

    def store(self, machine):
        return os.path.join(self.folder, machine + ".db")

    def settings(self, machine, url=None, **more):
        """Words for a program on this machine."""
        named = {"store": self.store(machine), "shared_store": url or self.redis.url, "nameservers": self.dns.address,
                 "https_port": self.web.port, "ca_file": self.web.ca_file, "allow_private": "yes", "shared_timeout_ms": 2000, **more}
        return [word for name, value in named.items() if value is not None for word in ("--set", f"{name}={value}")]

    def lookup(self, machine, domain="a.test", code=0, url=None, words=(), **more):
        return self.ends(code, "lookup", "--json", "--policy-only", *words, *self.settings(machine, url, **more), domain)

    def start(self, machine, *words, **more):
        return subprocess.Popen(self.command(words[0], *self.settings(machine, **more), *words[1:]), env=self.environment, cwd=self.folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def waits(self, test):
        self.assertTrue(wait_for(test, 30))

    def gets(self):
        return len(self.web.got)
