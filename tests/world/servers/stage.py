# SPDX-License-Identifier: ISC
"""What the demo's parts have in common: how they speak, and what they expect."""
import os
import subprocess
import sys

from . import namespace

STRICT = {"id": "20261101", "mode": "enforce", "mx": ["mx1.strict.test", "mx2.strict.test"], "max_age": 604800}
MOVED = {"id": "7", "mode": "enforce", "mx": ["mx.moved.test"], "hosts": ["10 mx.newhome.test"]}
FORGED = {"id": "3", "mode": "enforce", "mx": ["mx.forged.test"], "smtp_cert": {"mx.forged.test": "wrong-name"}}


class Stage:
    def __init__(self, folder, world, program):
        self.folder, self.world, self.program = folder, world, program
        self.bold, self.plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
        self.failed = []

    def heading(self, text):
        print(f"\n{self.bold}── {text} {'─' * max(0, 74 - len(text))}{self.plain}", flush=True)

    def say(self, text):
        print(text, flush=True)

    def show_command(self, words):
        print(f"{self.bold}$ {words}{self.plain}", flush=True)

    def run(self, words, codes, hidden="", environment=None):
        """hidden: options that would not be needed on a machine that mtasts is installed on."""
        shown = "build/mtasts " + words
        self.show_command(shown)
        code = subprocess.run([self.program] + (hidden + words).split(), env=environment, stdin=subprocess.DEVNULL).returncode
        if code not in codes:
            self.failed.append(f"{shown}: exit code {code}, expected {' or '.join(map(str, codes))}")

    def expect(self, true, what):
        if not true:
            self.failed.append(f"it was expected that {what}")

    def result(self):
        for line in self.failed:
            print(f"demo: {line}", file=sys.stderr)
        return 1 if self.failed else 0


def trust(folder, world):
    """The world's authority is the system's, in here: the commands need no option that one would not type elsewhere."""
    certs = f"{folder}/certs"
    os.makedirs(certs)
    digest = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", world.ca_file], capture_output=True, text=True).stdout.strip()
    for name in (f"{digest}.0", "ca-certificates.crt"):
        with open(world.ca_file, "rb") as source, open(f"{certs}/{name}", "wb") as out:
            out.write(source.read())
    if os.path.isdir("/etc/ssl/certs"):
        namespace.mount(certs, "/etc/ssl/certs", flags=namespace.MS_BIND)
    if os.path.isdir("/var/lib/mtasts"):
        namespace.mount("tmpfs", "/var/lib/mtasts", "tmpfs", data="size=16m")
