# SPDX-License-Identifier: ISC
"""A syslog of our own: a /dev for this namespace, with a socket for whoever logs."""
import os
import socket
import threading

from servers import namespace

NODES = ("null", "zero", "full", "random", "urandom", "tty")


class DevLog:
    def __init__(self, folder):
        place = f"{folder}/dev"
        os.makedirs(f"{place}/shm")
        for name in NODES:
            if os.path.exists(f"/dev/{name}"):
                open(f"{place}/{name}", "wb").close()
                namespace.mount(f"/dev/{name}", f"{place}/{name}", flags=namespace.MS_BIND)
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            os.symlink(target, f"{place}/{name}")
        os.chmod(f"{place}/shm", 0o1777)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{place}/log")
        os.chmod(f"{place}/log", 0o666)
        namespace.mount(place, "/dev", flags=namespace.MS_BIND | namespace.MS_REC)
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.lines.append(self.socket.recv(65536).decode("utf-8", "replace").rstrip("\n\0"))

    def forget(self):
        self.lines.clear()

    def text(self):
        return "".join(f"{line}\n" for line in list(self.lines))
