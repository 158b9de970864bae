# SPDX-License-Identifier: ISC
"""A program on a pseudo-terminal: what is typed, and what is then on the screen."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b[()][A-Z0-9]|\r|\x07|.\x08|\x08|\x0f")


class Terminal:
    """TERM=vt100, unless the environment says otherwise."""

    def __init__(self, words, columns=80, rows=24, **more):
        self.master, slave = pty.openpty()
        self.resize(columns, rows, signalled=False)
        more["env"] = {"TERM": "vt100", **more["env"]}

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal, **more)
        os.close(slave)
        self.raw = b""

    def resize(self, columns, rows=24, signalled=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if signalled:
            os.killpg(self.process.pid, signal.SIGWINCH)

    def read(self, seconds):
        """False: there is nothing any more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        return data != b""

    @property
    def text(self):
        return ESCAPE.sub(b"", self.raw).decode("utf-8", "replace")

    def wait_for(self, words, seconds=20):
        """Until these words were written since the last type()."""
        ends = time.monotonic() + seconds
        while words not in self.text:
            if time.monotonic() > ends or not self.read(0.2):
                raise AssertionError(f"{words!r} never came; there is:\n{self.text}\n{self.raw!r}")
        return self.text

    def type(self, keys, clear=True):
        if clear:
            self.raw = b""
        os.write(self.master, keys.encode())

    def ends(self, seconds=20):
        """The exit code."""
        ends = time.monotonic() + seconds
        while self.read(0.1) and time.monotonic() < ends:
            if self.process.poll() is not None:
                break
        try:
            return self.process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired as still:
            raise AssertionError(f"it does not end; there is:\n{self.text}\n{self.raw!r}") from still

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
