# SPDX-License-Identifier: ISC
"""A real Exim in a mount namespace of ours."""
import grp
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import time

from servers import covered

USER, NUMBER = "Debian-exim", 7003  # compiled in; the number is for systems that have no such user
# Mail hosts of the world are addresses of this machine: Exim shall know but one as its own, or it took them for itself.
CONFIG = """exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
primary_hostname = relay.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
log_selector = +received_recipients +tls_certificate_verified +tls_sni +incoming_port
keep_environment = ASAN_OPTIONS : UBSAN_OPTIONS
tls_advertise_hosts =
rfc1413_query_timeout = 0s
queue_run_max = 0
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
deliver_queue_load_max = 1000
domainlist local_domains = @
acl_smtp_rcpt = check_rcpt
{main}
begin acl
check_rcpt:
{acl}
  accept hosts = : 127.0.0.1
  deny
{acls}
begin routers
{routers}
begin transports
{transports}
begin retry
* * F,2h,15m
"""
PLAIN = {
    "routers": """
remote:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  no_more
""",
    "transports": """
remote_smtp:
  driver = smtp
"""}


def cover(folder, world):
    """With the user that Exim has compiled in. trust-ad, or the C library hides that DNSSEC secures an answer."""
    covered.cover(folder, world, {USER: NUMBER}, ("exim4", "mtasts"))


class Exim:
    """config: what stands in CONFIG, by its places (main, acl, acls, routers, transports)."""

    def __init__(self, folder, name, release, config, port=25):
        self.folder, self.port, self.process = f"{folder}/{name}", port, None
        user, group = pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid
        os.makedirs(self.folder)
        for part in ("spool", "log"):
            os.makedirs(f"{self.folder}/{part}")
            os.chown(f"{self.folder}/{part}", user, group)
        self.program = f"{self.folder}/exim4"  # here it may be run by each user, and change to root
        shutil.copy(f"{release}/usr/sbin/exim4", self.program)
        os.chmod(self.program, 0o4755)
        self.config = f"/etc/exim4/{name}.conf"
        with open("/etc/exim4/trusted_configs", "a", encoding="ascii") as out:
            out.write(f"{self.config}\n")
        self.configure(config)

    def load_first(self, library):
        """A sanitizer's library, which a module that is built with it needs. Leaks are Exim's business."""
        subprocess.run(["patchelf", "--add-needed", library, self.program], check=True)
        os.chmod(self.program, 0o4755)
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"

    def configure(self, config):
        parts = {"main": "", "acl": "", "acls": "", "routers": "", "transports": ""} | config
        with open(self.config, "w", encoding="ascii") as out:
            out.write(CONFIG.format(exim=self.program, folder=self.folder, port=self.port, **parts))

    # ---- what it is told ----

    def run(self, *words, text="", user=None, timeout=120):
        """(exit code, what it printed, errors). To files: what it starts may outlive it, and would hold a pipe."""
        paths = [f"{self.folder}/{kind}" for kind in ("stdin", "stdout", "stderr")]
        with open(paths[0], "w", encoding="utf-8") as out:
            out.write(text)
        with open(paths[0], "rb") as stdin, open(paths[1], "wb") as stdout, open(paths[2], "wb") as stderr:
            done = subprocess.run([self.program, "-C", self.config, *words], stdin=stdin, stdout=stdout, stderr=stderr, timeout=timeout,
                                  cwd="/", user=user, group=user, extra_groups=[] if user else None)
        printed = []
        for path in paths[1:]:
            with open(path, encoding="utf-8", errors="replace") as source:
                printed.append(source.read())
        return done.returncode, *printed

    def send(self, *to, sender="from@client.test"):
        """Delivered, or put back, when this returns: what the log says of each recipient (see results)."""
        code, _, errors = self.run("-odf", "-oi", "-f", sender, *to, text="Subject: hello\n\nhello\n")
        if code != 0:
            raise AssertionError(f"exim -odf {to}: exit code {code}: {errors}")
        return [self.results(address) for address in to]

    def send_alone(self, number, to):
        """The same beside others, each with files of its own."""
        with open(f"{self.folder}/stdin{number}", "w+", encoding="utf-8") as stdin, open(f"{self.folder}/stdout{number}", "wb") as out:
            stdin.write("Subject: hello\n\nhello\n")
            stdin.seek(0)
            subprocess.run([self.program, "-C", self.config, "-odf", "-oi", "-f", "from@client.test", to], stdin=stdin, stdout=out,
                           stderr=out, timeout=120, cwd="/", check=True)

    def submit(self, *to, sender="from@client.test"):
        """Through the daemon. The reply to each RCPT."""
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=60) as client:
            client.ehlo()
            client.mail(sender)
            replies = [client.rcpt(address) for address in to]
            if any(code == 250 for code, _ in replies):
                client.data("Subject: hello\r\n\r\nhello\r\n")
        return replies

    def expand(self, text, user=None, timeout=120):
        code, out, errors = self.run("-be", text, user=user, timeout=timeout)
        if code != 0:
            raise AssertionError(f"exim -be: exit code {code}: {errors}")
        return out.rstrip("\n")

    def expand_for(self, message, text):
        """With a message in a file; of an expansion that fails, why."""
        _, out, errors = self.run("-bem", message, text)
        return (out + errors).rstrip("\n")

    def forget(self, kind=""):
        """That hosts and domains failed: Exim would not try them again for a while. And, without kind = "retry", which messages wait for
        which host."""
        for name in os.listdir(f"{self.folder}/spool/db") if os.path.isdir(f"{self.folder}/spool/db") else []:
            if name.startswith(kind):
                os.unlink(f"{self.folder}/spool/db/{name}")

    def empty_queue(self):
        for part in ("input", "msglog"):
            shutil.rmtree(f"{self.folder}/spool/{part}", ignore_errors=True)

    # ---- what it says ----

    def read(self, name):
        try:
            with open(f"{self.folder}/log/{name}log", encoding="utf-8", errors="replace") as source:
                return source.read()
        except FileNotFoundError:
            return ""

    def log(self):
        return self.read("main")

    def panic(self):
        return self.read("panic")

    def clear_panic(self):
        if os.path.exists(f"{self.folder}/log/paniclog"):
            os.truncate(f"{self.folder}/log/paniclog", 0)

    def results(self, to):
        """What the log says of this recipient, attempt by attempt: ("=>" delivered, "==" put back, "**" given up; the rest of the line)."""
        return re.findall(rf"^\S+ \S+ \S+ (=>|->|==|\*\*) {re.escape(to)} (.*)$", self.log(), re.M)

    def attempt(self, to, number=1):
        """Of one sent through the daemon."""
        self.wait(lambda: len(self.results(to)) >= number, f"attempt {number} to deliver to {to}")
        return self.results(to)[number - 1]

    def wait(self, test, what, seconds=30):
        end = time.monotonic() + seconds
        while not test():
            if self.process and self.process.poll() is not None:
                raise RuntimeError(f"exim ended while the test waited for {what}:\n{self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {what}:\n{self.log()}")
            time.sleep(0.02)

    def running(self):
        """Processes of this program, by number: {number: command line}."""
        found = {}
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{number}/cmdline", "rb") as source:
                    words = source.read().split(b"\0")
                if os.readlink(f"/proc/{number}/exe") == self.program:
                    found[int(number)] = b" ".join(words).decode("utf-8", "replace")
            except OSError:
                continue
        return found

    # ---- the daemon ----

    def start(self):
        with open(f"{self.folder}/daemon", "ab") as out:
            self.process = subprocess.Popen([self.program, "-C", self.config, "-bdf", "-odi"], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, cwd="/")
        self.wait(self.greets, "exim's greeting")

    def greets(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
