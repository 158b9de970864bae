# SPDX-License-Identifier: ISC
"""One real smtpd in a mount namespace of ours."""
import os
import re
import shutil
import smtplib
import subprocess
import time

from servers import namespace, reporting

USERS = {"opensmtpd": 7001, "opensmtpq": 7002}
PROGRAMS = ("table-mtasts", "filter-mtasts")
LIBEXEC = "/usr/libexec/opensmtpd"
RULES = f"{os.path.dirname(os.path.realpath(__file__))}/ruled.lua"
COVERED = ("/var/spool", "/var/lib", "/usr/libexec", "/run")  # smtpd has places in them compiled in
CONFIG = """table stsdom "mtasts:{settings}"
table stsmx "mtasts:{settings}"
filter "sts" proc-exec "{libexec}/filter-mtasts {held}"
filter "ruled" proc-exec "{libexec}/filter-mtasts {ruled}"
listen on 127.0.0.1 port 2525 hostname relay.test
listen on 127.0.0.1 port 2526 hostname relay.test filter "sts"
listen on 127.0.0.1 port 2527 hostname relay.test filter "ruled"
action "sts_enforce" relay helo relay.test tls domain <stsmx> filter "sts"
action "default" relay helo relay.test filter "sts"
match from any for domain <stsdom> action "sts_enforce"
match from any for any action "default"
"""


def hidden(path):
    """Why nothing below this path could be used after cover; None: it could."""
    below = [folder for folder in COVERED if os.path.realpath(path).startswith(os.path.realpath(folder) + "/")]
    return f"{path} lies below {below[0]}, where smtpd has its own places" if below else None


def cover(folder, world):
    """The users, folders and certificates that smtpd has compiled in, for this namespace only."""
    for name, text in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
        with open(f"/etc/{name}", encoding="utf-8") as source:
            lines = [line for line in source if line.split(":")[0] not in USERS]
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:
            out.write("".join(lines) + "".join(text.format(user, number) for user, number in USERS.items()))
        namespace.mount(f"{folder}/{name}", f"/etc/{name}", flags=namespace.MS_BIND)
    for path in COVERED:
        namespace.mount("tmpfs", path, "tmpfs", data="size=64m,mode=0755")
    os.makedirs("/var/lib/opensmtpd/empty")
    certs = f"{folder}/certs"
    os.makedirs(certs, exist_ok=True)
    shutil.copy(world.ca_file, f"{certs}/ca-certificates.crt")
    namespace.mount(certs, "/etc/ssl/certs", flags=namespace.MS_BIND)


class Smtpd:
    """config: text of its smtpd.conf, where {settings}, {held} and {ruled} are files of settings: for the table, for the filter (with a longer
    deadline), and for a filter with rules. The table has the same rules. port: one that it listens on. rules: their file."""

    def __init__(self, folder, release, build, ca_file, config=CONFIG, port=2525, rules=None):
        self.folder, self.release, self.port = folder, release, port
        shutil.copytree(f"{release}{LIBEXEC}", LIBEXEC, dirs_exist_ok=True)
        for program in PROGRAMS:
            shutil.copy(f"{build}/{program}", LIBEXEC)
        os.makedirs(f"{LIBEXEC}/lib", exist_ok=True)
        shutil.copy(f"{build}/lib/mtasts-net.so", f"{LIBEXEC}/lib")
        shutil.copytree(f"{build}/share", f"{LIBEXEC}/share")
        self.smtpctl = f"{folder}/smtpctl"  # must be setgid
        shutil.copy(f"{release}/usr/sbin/smtpctl", self.smtpctl)
        os.chown(self.smtpctl, 0, USERS["opensmtpq"])
        os.chmod(self.smtpctl, 0o2755)
        self.sendmail = f"{folder}/sendmail"
        os.symlink("smtpctl", self.sendmail)
        self.store, self.log_path = f"{folder}/store/mtasts.db", f"{folder}/smtpd.log"
        self.settings, self.held, self.ruled = (f"{folder}/{name}.conf" for name in ("table", "filter", "ruled"))
        if rules:  # smtpd's user may not see the folder that it comes from
            rules = f"rules = {shutil.copy(rules, folder)}\n"
        for path, deadline_ms, more in ((self.settings, 3000, rules), (self.held, 4000, None), (self.ruled, 4000, rules)):
            with open(path, "w", encoding="ascii") as out:
                out.write(f"store = {self.store}\nnameservers = 127.0.0.1\nca_file = {ca_file}\nlog = stderr\nlog_level = info\n"
                          f"mail_deadline_ms = {deadline_ms}\nreport_contact = {reporting.CONTACT}\n{more or ''}")
        self.config = f"{folder}/smtpd.conf"
        with open(self.config, "w", encoding="ascii") as out:
            out.write(config.format(settings=self.settings, held=self.held, ruled=self.ruled, libexec=LIBEXEC))
        for path in ("/var/spool/smtpd", os.path.dirname(self.store)):
            os.makedirs(path)
        os.chmod("/var/spool/smtpd", 0o711)
        os.chown(os.path.dirname(self.store), USERS["opensmtpd"], USERS["opensmtpd"])

    def start(self):
        """Queue and store are as they were left."""
        self.process = subprocess.Popen([f"{self.release}/usr/sbin/smtpd", "-d", "-f", self.config],
                                        stdin=subprocess.DEVNULL, stdout=open(self.log_path, "ab"), stderr=subprocess.STDOUT)
        self.wait(self.banner, "smtpd's greeting")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as source:
            return source.read()

    def client(self, port=None, timeout=60):
        """A connection that was greeted: smtpd asks DNS for the client's name before. Without ours Python would ask DNS for it."""
        return smtplib.SMTP("127.0.0.1", port or self.port, local_hostname="client.test", timeout=timeout)

    def banner(self):
        try:
            with self.client(timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def wait(self, test, what, seconds=30):
        end = time.monotonic() + seconds
        while not test():
            if self.process.poll() is not None:
                raise RuntimeError(f"smtpd ended while the test waited for {what}:\n{self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {what}:\n{self.log()}")
            time.sleep(0.05)

    def submit(self, to, only_ask=False, port=None, client=None, sender="from@client.test"):
        """The reply to RCPT: its code; rcpt_s: the seconds it took. only_ask: no mail follows. Of the tests' own smtpd.conf port 2526 has the
        filter. client: a connection that is there already; it is closed."""
        with client or self.client(port) as client:
            client.ehlo()
            client.mail(sender)
            began = time.monotonic()
            code, _ = client.rcpt(to)
            self.rcpt_s = time.monotonic() - began
            if code == 250 and not only_ask:
                client.data("Subject: hello\r\n\r\nhello\r\n")
            return code

    def results(self, to):
        """What smtpd's log says of this recipient, attempt by attempt: (result, relay, text)."""
        return [m.groups() for m in re.finditer(
            rf'mta delivery .*to=<{re.escape(to)}> .*relay="([^"]*)".*result="([^"]*)" stat="([^"]*)"', self.log())]

    def attempt(self, to, number=1):
        """(relay, result, text) of the attempt with this number."""
        self.wait(lambda: len(self.results(to)) >= number, f"attempt {number} to deliver to {to}", 60)
        return self.results(to)[number - 1]

    def control(self, *words):
        done = subprocess.run([self.smtpctl, *words], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise RuntimeError(f"smtpctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def schedule(self):
        """Each mail in the queue is tried now."""
        self.control("schedule", "all")

    def accepts(self, text):
        path = f"{self.folder}/example.conf"
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        done = subprocess.run([f"{self.release}/usr/sbin/smtpd", "-n", "-f", path], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise AssertionError(f"smtpd -n: {done.stdout}{done.stderr}")

    def running(self, names=PROGRAMS):
        """The process numbers of the programs with these names, here in our namespace."""
        found = []
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as source:
                    name, rest = re.match(r"\d+ \((.*)\) (.)", source.read()).groups()
            except OSError:
                continue
            if name in names and rest != "Z":
                found.append(int(number))
        return found

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait_for_end(self):
        """Of all its processes, and of ours: they end when their input does."""
        end = time.monotonic() + 20
        while left := self.running(("smtpd",) + PROGRAMS):
            if time.monotonic() > end:
                raise RuntimeError(f"processes {left} still run after smtpd ended:\n{self.log()}")
            time.sleep(0.05)
