# SPDX-License-Identifier: ISC
"""What "mtasts setup postfix" prints, with a real Postfix: its lines, its commands, its warnings."""
import json
import os
import pwd
import subprocess

import postfix as real
from case import NO_ANSWER, Case
from servers.domains import host
from servers.covered import PREFIX

STORE = "/var/lib/mtasts"
README = f"{os.path.dirname(os.path.realpath(__file__))}/../../README.md"


class Printed:
    def __init__(self, release, *words):
        done = subprocess.run([f"{PREFIX}/bin/mtasts", "setup", "postfix", "--json", "--postconf", f"{release}/usr/sbin/postconf", *words],
                              capture_output=True, text=True, timeout=20)
        if not done.stdout:
            raise RuntimeError(f"mtasts setup postfix: {done.stderr}")
        self.all = json.loads(done.stdout)
        self.lines, self.warnings = self.all["parts"]["main"], self.all["warnings"]

    def prepare(self):
        """As root."""
        done = subprocess.run(["sh", "-eu"], input="\n".join(self.all["commands"]), capture_output=True, text=True, timeout=20)
        if done.returncode != 0 or done.stderr:
            raise RuntimeError(f"the commands for root: exit code {done.returncode}: {done.stderr}")


class Commands(Case):
    DOMAINS = {"good.test": host("good.test"), "open.test": host("open.test")}
    SETTINGS = {"store": f"{STORE}/mtasts.db"}

    def printed(self, *words):
        return Printed(self.server.release, *words)

    def the_commands_may_be_run_again_and_make_all_that_is_needed(self):
        self.printed().prepare()
        owner = pwd.getpwnam("mtasts").pw_uid
        self.same((os.stat(STORE).st_uid, os.stat(STORE).st_mode & 0o7777), (owner, 0o2770), f"owner and mode of {STORE}")
        self.same(real.OWNER in subprocess.run(["getent", "group", "mtasts"], capture_output=True, text=True).stdout, True, "the group's member")

    def postfix_reads_the_lines_as_they_are_meant(self):
        out = self.server.command("postconf", "-n")
        for line in self.printed().lines.splitlines():
            self.says(out, f"{line}\n")

    def policies_are_kept_where_they_say(self):
        self.delivered("eve@good.test", "mx.good.test", "Verified")
        self.same("mtasts.db" in os.listdir(STORE), True, "the store")
        for name in os.listdir(STORE):
            status = os.stat(f"{STORE}/{name}")
            self.same((status.st_uid, status.st_mode & 0o7), (pwd.getpwnam("mtasts").pw_uid, 0), f"owner of {name}, and what others may do")

    def they_may_be_set_as_the_readme_does_it(self):
        with open(README, encoding="utf-8") as source:
            command, = [line for line in source if line.startswith("mtasts setup postfix 2>/dev/null |")]
        self.server.configure("", chroot=True)
        path = f"{PREFIX}/bin:{self.server.release}/usr/sbin:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-eu"], input=command.replace("sudo ", ""), capture_output=True, text=True, timeout=60, env={"PATH": path})
        self.same(done.returncode, 0, f"exit code; {done.stderr}")
        self.same(self.printed().lines, self.lines, "lines afterwards")
        self.server.configure(self.lines, chroot=True)

    def nothing_is_wrong_with_a_configuration_that_has_them(self):
        self.same(self.printed().warnings, [], "warnings")
        self.same(self.printed("--config", real.ETC).lines, self.printed().lines, "lines for a folder that is named")

    def printed_again_they_are_the_same(self):
        lines = self.printed().lines
        self.same(lines, self.server.more, "lines when they are there already")

    def the_table_is_asked_through_proxymap_only_where_smtp_is_in_a_chroot(self):
        self.says(self.printed().lines, "smtp_tls_policy_maps = proxy:socketmap:unix:")
        self.delivered("joe@good.test", "mx.good.test", "Verified")
        self.server.configure(self.server.more, chroot=False)
        try:
            lines = self.printed().lines
            self.says(lines, "smtp_tls_policy_maps = socketmap:unix:")
            self.server.change(lines, chroot=False)
            self.delivered("ann@good.test", "mx.good.test", "Verified")
            self.server.change(lines, chroot=True)
            self.deferred("joe@open.test", NO_ANSWER)
        finally:
            self.server.change(self.lines, chroot=True)

    def traps_in_a_configuration_are_named(self):
        for more, text in (("relayhost = [smart.test]\n", "relayhost = [smart.test] takes all mail"),
                           ("smtp_fallback_relay = [smart.test]\n", "smtp_fallback_relay = [smart.test] gets mail"),
                           ("smtp_host_lookup = native\n", "smtp_host_lookup = native: without dns there is no DANE"),
                           ("smtp_tls_CAfile = /nowhere/ca.crt\n", "/nowhere/ca.crt is missing"),
                           ("proxy_read_maps = $alias_maps\n", "proxy_read_maps is without $smtp_tls_policy_maps"),
                           ("smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix\n",
                            "socketmap:inet:127.0.0.1:8461:postfix answers, too")):
            self.server.configure(self.lines + more, chroot=True)
            warnings = self.printed().warnings
            self.same([text in warning for warning in warnings], [True], f"whether {text!r} is in {warnings}")
        self.server.configure(self.lines, chroot=True, service="bulk unix - - n - - smtp -o smtp_tls_policy_maps=\n")
        self.says(" ".join(self.printed().warnings), "service bulk has -o smtp_tls_policy_maps=")
        self.server.configure(self.lines, chroot=True)

    def so_is_a_server_that_does_not_answer(self):
        self.resolver.stop()
        self.says(" ".join(self.printed().warnings), f"ALL mail waits now, for mtasts serve does not answer at unix:{self.resolver.socket}")
        self.resolver.start()
        self.same(self.printed().warnings, [], "warnings when it does")

    def an_own_table_stays_in_front_and_a_stricter_level_stays(self):
        self.server.configure("smtp_tls_policy_maps = inline:{partner.test=encrypt}\nsmtp_tls_security_level = encrypt\n", chroot=True)
        lines = self.printed().lines
        self.says(lines, "smtp_tls_policy_maps = inline:{partner.test=encrypt}, proxy:socketmap:", "smtp_tls_security_level = encrypt\n")
        self.server.configure(self.lines, chroot=True)
