# SPDX-License-Identifier: ISC
"""Mail hosts on port 25, an address and a behaviour each."""
import os
import socket
import ssl
import struct
import threading
import time

from . import tls
from .policyhosts import full_listener

BEHAVIOURS = """ok no-starttls refuse-starttls inject banner-554 banner-421 silent close reset garbage multiline ehlo-502 tls11 silent-tls
close-tls slow long-line""".split()
ADDRESSES = 48
DOWN = "198.51.100.200"  # nobody listens
UNREACHABLE = "198.51.100.250"  # nobody answers


class MailHosts:
    """They know nothing of mail, only how one comes to TLS."""
    takes_mail = False

    def __init__(self, folder):
        self.shown = f"{folder}/ca/shown"
        self.behaviours, self.seen_list = {}, []  # address -> (host, behaviour)
        self.full = full_listener(UNREACHABLE, 25)
        for i in range(1, ADDRESSES + 1):
            self.listen(socket.AF_INET, f"198.51.100.{i}")
        self.listen(socket.AF_INET6, "2001:db8::25")

    def listen(self, family, address):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 25))
        listener.listen(64)
        threading.Thread(target=self.accept, args=(listener, address), daemon=True).start()

    def accept(self, listener, address):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, address), daemon=True).start()

    def serve(self, connection, address):
        host, behaviour = self.behaviours.get(address, ("?", "close"))
        dialogue = {"host": host, "lines": [], "sni": None, "tls": None}
        self.seen_list.append(dialogue)
        try:
            connection.settimeout(60)
            self.talk(connection, host, behaviour, dialogue)
        except (OSError, ssl.SSLError) as error:
            dialogue["error"] = str(error)
        finally:
            connection.close()

    def talk(self, connection, host, behaviour, dialogue):
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        if behaviour == "close":
            return
        if behaviour == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if behaviour == "silent":
            while connection.recv(4096):
                pass
            return
        if behaviour == "slow":
            time.sleep(1.5)
        if behaviour.startswith("banner-"):
            say(f"{behaviour[7:]} {host} no mail today")
        elif behaviour == "garbage":
            connection.sendall(os.urandom(64) + b"\r\n")
        elif behaviour == "long-line":
            connection.sendall(b"220 " + b"x" * 200000 + b"\r\n")
        elif behaviour == "multiline":
            connection.sendall(f"220-{host} ESMTP\r\n220-".encode())
            time.sleep(0.1)
            say("please be patient\r\n220 ready")
        else:
            say(f"220 {host} ESMTP")
        ehlo = False
        lines = self.lines(connection)
        for line in lines:
            dialogue["lines"].append(line)
            verb = line.upper().split(" ")[0]
            if verb == "EHLO" and behaviour == "ehlo-502":
                say("502 5.5.1 not here")
            elif verb in ("EHLO", "HELO"):
                ehlo = verb == "EHLO"
                words = ["PIPELINING", "SIZE 10000000"] + ([] if behaviour == "no-starttls" else ["STARTTLS"]) + ["8BITMIME"]
                say(f"250-{host}\r\n" + "\r\n".join(f"250-{w}" for w in words) + "\r\n250 HELP" if ehlo else f"250 {host}")
            elif verb == "STARTTLS" and behaviour == "refuse-starttls":
                say("454 4.7.0 TLS not available")
            elif verb == "STARTTLS" and behaviour != "no-starttls":
                if behaviour == "inject":  # a second reply in the clear, which a careless client reads as if it came through TLS
                    connection.sendall(b"220 2.0.0 go\r\n250 2.0.0 injected\r\n")
                else:
                    say("220 2.0.0 go")
                return self.secure(connection, behaviour, dialogue)
            elif verb == "QUIT":
                return say("221 2.0.0 bye")
            elif verb == "MAIL" and self.takes_mail:
                say("250 2.0.0 fine")
                return self.take(connection, lines, dialogue)
            else:
                say("500 5.5.1 what?")

    def lines(self, connection):
        data = b""
        while True:
            while b"\r\n" in data:
                line, data = data.split(b"\r\n", 1)
                yield line.decode("latin-1")
            chunk = connection.recv(4096)
            if not chunk:
                return
            data += chunk

    def secure(self, connection, behaviour, dialogue):
        if behaviour == "close-tls":
            return
        if behaviour == "silent-tls":
            while connection.recv(4096):
                pass
            return
        more = {"maximum_version": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"} if behaviour == "tls11" else {}
        stream = tls.context(self.shown, **more).wrap_socket(connection, server_side=True)
        dialogue["sni"], dialogue["tls"] = stream.world_name, stream.version()
        for line in self.lines(stream):
            dialogue["lines"].append(line)
            verb = line.upper().split(" ")[0]
            stream.sendall(b"221 2.0.0 bye\r\n" if verb == "QUIT" else b"250 HELP\r\n")
            if verb == "QUIT":
                return

    def seen(self):
        seen, self.seen_list = self.seen_list, []
        return seen
