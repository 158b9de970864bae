# SPDX-License-Identifier: ISC
"""mtasts serve, installed, as a user of its own; its settings are those of the system."""
import os
import shutil
import signal
import socket
import subprocess
import time

from .covered import PREFIX

FOLDER = "/run/mtasts"


class Resolver:
    def __init__(self, folder, user, kind):
        """kind: of its socket, "socketmap" or another."""
        self.user, self.kind, self.process = user, kind, None
        self.socket = f"{FOLDER}/{kind}"
        self.log_file = f"{folder}/resolver.log"
        os.makedirs(FOLDER, exist_ok=True)
        shutil.chown(FOLDER, user, user)

    def start(self, held=None):
        """held: a listening socket, as systemd hands one over."""
        words, more = [f"{PREFIX}/bin/mtasts", "serve"], {}
        if held:
            script = f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={self.kind} exec "$@" 3<&{held.fileno()}'
            words, more = ["bash", "-c", script, "bash", *words], {"pass_fds": (held.fileno(),)}
        else:
            words += [f"--{self.kind}", f"unix:{self.socket}"]
        with open(self.log_file, "ab") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", user=self.user, group=self.user,
                                            extra_groups=[], **more)
        end = time.monotonic() + 30
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"mtasts serve does not listen (exit code {self.process.poll()}):\n{self.log()}")
            time.sleep(0.02)

    def hold(self):
        """A socket in its place that outlives it."""
        held = socket.socket(socket.AF_UNIX)
        held.bind(self.socket)
        shutil.chown(self.socket, self.user, self.user)
        os.chmod(self.socket, 0o660)
        held.listen(64)
        return held

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
