# SPDX-License-Identifier: ISC
"""What "mtasts setup exim" prints, with a real Exim: its commands, its configuration, its warnings."""
import os
import pwd
import subprocess

import config
import exim as real
from case import Case
from enforced import NO_MX
from servers.domains import host

STORE = "/var/lib/mtasts"


class Commands(Case):
    """Nothing but what is printed: no settings of the tests' own."""
    DOMAINS = {
        "good.test": host("good.test"),
        "outside.test": {"id": "1", "mx": ["mx.outside.test"], "hosts": ["10 mx.attacker.test"]},
    }

    def the_commands_make_all_that_is_needed_and_may_be_run_again(self):
        os.unlink(config.SETTINGS)
        commands = config.Printed(self.server.program).all["commands"]
        for _ in range(2):
            done = subprocess.run(["sh", "-eu"], input="\n".join(commands), capture_output=True, text=True, timeout=20)
            self.same((done.returncode, done.stderr), (0, ""), "the commands as root")
        status = os.stat(STORE)
        self.same((status.st_uid, status.st_mode & 0o7777), (pwd.getpwnam(real.USER).pw_uid, 0o750), f"owner and mode of {STORE}")

        # What root looks up in between belongs to Exim's user, too.
        subprocess.run([f"{config.PREFIX}/bin/mtasts", "store", "list"], check=True, capture_output=True, timeout=20)
        self.delivered("joe@good.test", "mx.good.test", "CV=yes")
        self.deferred("joe@outside.test", NO_MX.format("outside.test"))
        done = subprocess.run([f"{config.PREFIX}/bin/mtasts", "store", "list"], capture_output=True, text=True, timeout=20)
        self.says(done.stdout, "good.test: enforce", "outside.test: enforce")
        for name in os.listdir(STORE):
            self.same(os.stat(f"{STORE}/{name}").st_uid, status.st_uid, f"owner of {name}")

    def nothing_is_wrong_with_a_configuration_that_has_the_printed_lines(self):
        words = ["--light"] if self.server.kind == "light" else []  # or it names the package that is better
        self.same(config.Printed(self.server.program, self.server.config, words).all["warnings"], [], "warnings")
