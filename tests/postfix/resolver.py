# SPDX-License-Identifier: ISC
"""mtasts serve, as a user of its own, for a Postfix."""
import os
import signal
import socket
import subprocess
import time

from servers.covered import PREFIX

USER = "mtasts"
SETTINGS = "/etc/mtasts/mtasts.conf"
FOLDER = "/run/mtasts"


class Resolver:
    def __init__(self, folder):
        self.folder, self.number, self.process = folder, 0, None
        self.socket = f"{FOLDER}/socketmap"
        self.log_file = f"{folder}/resolver.log"
        os.makedirs(FOLDER, exist_ok=True)
        subprocess.run(["chown", f"{USER}:{USER}", FOLDER], check=True)
        self.fresh()

    def fresh(self, **changes):
        """A store where nothing is known."""
        self.number += 1
        place = f"{self.folder}/store{self.number}"
        os.makedirs(place)
        os.chmod(place, 0o2770)
        subprocess.run(["chown", f"{USER}:{USER}", place], check=True)
        self.store = f"{place}/mtasts.db"
        settings = {"store": self.store, "nameservers": "127.0.0.1", "log_level": "info"} | changes
        with open(f"{SETTINGS}.new", "w", encoding="utf-8") as out:
            out.write("".join(f"{name} = {value}\n" for name, value in settings.items()))
        os.replace(f"{SETTINGS}.new", SETTINGS)

    def start(self):
        with open(self.log_file, "ab") as out:
            self.process = subprocess.Popen([f"{PREFIX}/bin/mtasts", "serve", "--socketmap", f"unix:{self.socket}"], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, cwd="/", user=USER, group=USER, extra_groups=[])
        end = time.monotonic() + 30
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"mtasts serve does not listen (exit code {self.process.poll()}):\n{self.log()}")
            time.sleep(0.02)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.socket)
                return True
            except OSError:
                return False

    def stop(self, number=signal.SIGTERM):
        """Its exit code."""
        if not self.process:
            return None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"mtasts serve does not end:\n{self.log()}") from None

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as source:
            return source.read()
