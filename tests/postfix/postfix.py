# SPDX-License-Identifier: ISC
"""A real Postfix in a mount namespace of ours: unpacked, with its own master, and Debian's master.cf."""
import glob
import grp
import json
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import time

from servers import namespace

OWNER, DROP = "postfix", "postdrop"
USERS = {OWNER: 7004, DROP: 7005}
ETC = "/etc/postfix"
CHROOT_FILES = ("resolv.conf", "hosts", "services", "nsswitch.conf")
# Mail hosts of the world are addresses of this machine: Postfix shall know but one as its own, or it took them for itself.
CONFIG = """compatibility_level = 3.6
command_directory = {release}/usr/sbin
daemon_directory = {release}/usr/lib/postfix/sbin
shlib_directory = {release}/usr/lib/postfix
meta_directory = {etc}
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
sendmail_path = {release}/usr/sbin/sendmail
mailq_path = {release}/usr/sbin/postqueue
newaliases_path = {release}/usr/sbin/postalias
manpage_directory = /usr/share/man
html_directory = no
readme_directory = no
sample_directory = {etc}
maillog_file = /var/log/postfix.log
myhostname = relay.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = all
alias_maps =
alias_database =
smtp_tcp_port = 25
smtp_tls_loglevel = 1
smtp_address_preference = ipv4
minimal_backoff_time = 3600s
maximal_backoff_time = 7200s
queue_run_delay = 3600s
smtp_connection_cache_on_demand = no
transport_maps = inline:{{ {transports} }}
"""
# Smart hosts of the scenarios.
TRANSPORTS = {"relayed.test": "[smart.test]", "ported.test": "[smart.test]:25", "strayed.test": "[STRAY.test]", "direct.test": "[198.51.100.1]",
              "outport.test": "outport.test:25"}
TLS = """smtp_tls_security_level = may
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
"""


class Postfix:
    """One a namespace: its configuration is at the place that is compiled in."""

    def __init__(self, folder, release, version):
        self.version = version
        self.folder, self.release, self.port = f"{folder}/postfix", release, 2525
        self.running = False
        _, known, _ = self.run("postconf", "-d", "smtp_tls_enforce_sts_mx_patterns")
        self.matches_hosts = known.endswith("= yes\n")  # with the patterns of a policy, by itself
        os.makedirs(f"{self.folder}/spool")
        os.makedirs(f"{self.folder}/data")
        os.makedirs(ETC, exist_ok=True)
        self.log_file = "/var/log/postfix.log"
        os.chown(f"{self.folder}/data", pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(OWNER).gr_gid)
        for place in (f"{release}/etc/postfix", f"{release}/usr/share/postfix"):
            for name in glob.glob(f"{place}/*"):
                if os.path.isfile(name):
                    shutil.copy(name, ETC)
        self.relocate()
        with open(f"{release}/usr/lib/postfix/sbin/smtp", "rb") as smtp, open(f"{release}/usr/lib/postfix/libpostfix-tls.so", "rb") as tls:
            self.makes_reports = b"libtlsrpt.so" in smtp.read() + tls.read()
        self.fill_chroot()
        self.configure()

    def relocate(self):
        """Debian's scripts name each other where an installed Postfix has them."""
        for script in glob.glob(f"{self.release}/usr/lib/postfix/**", recursive=True):
            if not os.path.isfile(script):
                continue
            with open(script, "rb") as source:
                text = source.read()
            if text[:2] != b"#!" or b"/usr/lib/postfix/" not in text:
                continue
            copy = f"{self.folder}/{os.path.basename(script)}"
            with open(copy, "wb") as out:
                out.write(text.replace(b" /usr/lib/postfix/", f" {self.release}/usr/lib/postfix/".encode()))
            os.chmod(copy, 0o755)
            namespace.mount(copy, script, flags=namespace.MS_BIND)

    def fill_chroot(self):
        """As Debian's unit does before the start."""
        os.makedirs(f"{self.folder}/spool/etc")
        for name in CHROOT_FILES:
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", f"{self.folder}/spool/etc")

    def configure(self, more=TLS, chroot=False, service=""):
        """more: what main.cf has besides CONFIG. chroot: as Debian has it, else no service is. service: a further line of master.cf."""
        self.more = more
        transports = ", ".join(f"{domain}=smtp:{hop}" for domain, hop in TRANSPORTS.items())
        self.write("main.cf", CONFIG.format(release=self.release, etc=ETC, folder=self.folder, transports=transports) + more)
        text = ""
        with open((glob.glob(f"{ETC}/master.cf.proto") + [f"{ETC}/master.cf.dist"])[0], encoding="ascii") as source:
            for line in source:
                words = line.split()
                if line[:1] in "#\n" or words[-1] == "pipe" or "argv=" in line:
                    continue
                if words[0] == "smtp" and words[1] == "inet":
                    words[0] = str(self.port)
                if not line[0].isspace() and words[4] == "y" and not chroot:
                    words[4] = "n"
                text += ("  " if line[0].isspace() else "") + " ".join(words) + "\n"
        self.write("master.cf", text + service)

    def write(self, name, text):
        """Not just now: Postfix waits for a file that may still change."""
        with open(f"{ETC}/{name}", "w", encoding="ascii") as out:
            out.write(text)
        os.utime(f"{ETC}/{name}", (time.time() - 60,) * 2)

    def change(self, *arguments, **more):
        """Of one that runs: processes that go on with what they know would be asked first."""
        self.stop()
        self.configure(*arguments, **more)
        self.start()

    # ---- what it is told ----

    def run(self, program, *words, text="", user=None, timeout=120):
        """(exit code, what it printed, errors)"""
        done = subprocess.run([f"{self.release}/usr/sbin/{program}", *words], input=text, capture_output=True, text=True, timeout=timeout,
                              cwd="/", user=user, group=user, extra_groups=[] if user else None)
        return done.returncode, done.stdout, done.stderr

    def command(self, program, *words, text=""):
        code, out, errors = self.run(program, *words, text=text)
        if code != 0:
            raise RuntimeError(f"{program} {' '.join(words)}: exit code {code}: {out}{errors}")
        return out

    def start(self):
        self.command("postfix", "start")
        self.running = True
        self.wait(self.greets, "Postfix's greeting")

    def stop(self):
        if self.running:
            self.running = False
            self.command("postfix", "stop")

    def greets(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def submit(self, *to, sender="from@client.test"):
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=60) as client:
            client.sendmail(sender, to, "Subject: hello\r\n\r\nhello\r\n")

    def flush(self):
        self.command("postqueue", "-f")

    def empty_queue(self):
        self.command("postsuper", "-d", "ALL")

    def listed(self):
        """What is in the queue: [(the part of the queue, the recipients)], in the order of their identifiers."""
        found = sorted((json.loads(line) for line in self.command("postqueue", "-j").splitlines()), key=lambda message: message["queue_id"])
        return [(message["queue_name"], [recipient["address"] for recipient in message["recipients"]]) for message in found]

    def waiting(self):
        """Recipients of what is put back. A message that moves while the queue is listed may be missed: so it is listed until it is still."""
        before, now = None, self.listed()
        end = time.monotonic() + 60
        while now != before or any(part != "deferred" for part, _ in now):
            if time.monotonic() > end:
                raise RuntimeError(f"the queue does not come to rest: {now}")
            time.sleep(0.05)
            before, now = now, self.listed()
        return {to for _, recipients in now for to in recipients}

    # ---- what it says ----

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as source:
                return source.read()
        except FileNotFoundError:
            return ""

    def results(self, to):
        """What the log says of this recipient, attempt by attempt: ("sent", "deferred", "bounced"; the whole line)."""
        return [(found[2], found[1]) for found in re.finditer(rf"^(.* to=<{re.escape(to)}>,.* status=(\w+) .*)$", self.log(), re.M)]

    def attempt(self, to, number=1):
        self.wait(lambda: len(self.results(to)) >= number, f"attempt {number} to deliver to {to}")
        return self.results(to)[number - 1]

    def wait(self, test, what, seconds=60, step=0.02):
        end = time.monotonic() + seconds
        while not test():
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {what}")
            time.sleep(step)
