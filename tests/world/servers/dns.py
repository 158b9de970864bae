# SPDX-License-Identifier: ISC
"""DNS: an unbound with the zones test. (unsigned) and signed.test. (DNSSEC), and a proxy before it that misbehaves when told.

127.0.0.1   unbound
127.0.0.53  the proxy: per name and type a fault, else unbound's answer
"""
import os
import re
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "DS": 43, "DNSKEY": 48, "TLSA": 52}
NAMES = {number: name for name, number in TYPES.items()}
PROXY_ADDRESS = "127.0.0.53"
FAULTS = """silent servfail refused formerr garbage short wrong-id wrong-question truncated tc-hang no-answers not-a-response flood
cname-servfail delay""".split()

CONFIG = """
server:
  interface: 127.0.0.1
  port: 53
  username: ""
  chroot: ""
  directory: "{d}"
  pidfile: "{d}/unbound.pid"
  use-syslog: no
  logfile: "{d}/unbound.log"
  log-queries: yes
  log-time-ascii: no
  verbosity: 0
  num-threads: 1
  do-daemonize: no
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{d}/anchor"
  local-zone: "test." nodefault
  hide-identity: yes
  val-bogus-ttl: 0
  msg-cache-size: 1m
  rrset-cache-size: 1m
  # what unbound answers from its own cache costs the program a question all the same: the log has it
remote-control:
  control-enable: yes
  control-interface: "{d}/unbound.control"
  control-use-cert: no
auth-zone:
  name: "."
  zonefile: "{d}/root.zone.signed"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
auth-zone:
  name: "test."
  zonefile: "{d}/test.zone"
  for-downstream: yes
  for-upstream: yes
  fallback-enabled: no
auth-zone:
  name: "signed.test."
  zonefile: "{d}/signed.test.zone.signed"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
"""

HEAD = """$ORIGIN {zone}
{zone} {negative} IN SOA ns.{zone} hostmaster.{zone} {serial} 3600 600 86400 {negative}
{zone} 3600 IN NS ns.{zone}
ns.{zone} 3600 IN A 127.0.0.1
"""

# Signed, and test. is delegated without a DS: that it is unsigned can be proven.
ROOT = """$ORIGIN .
. 3600 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 30
. 3600 IN NS ns.test.
test. 3600 IN NS ns.test.
ns.test. 3600 IN A 127.0.0.1
"""


def quote(text):
    """A TXT record's text in a zone file: strings of at most 255 bytes."""
    data = text.encode("utf-8")
    parts = [data[i:i + 255] for i in range(0, len(data), 255)] or [b""]
    return " ".join('"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}" for b in part) + '"' for part in parts)


def wait_for(test, what, seconds=10):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise RuntimeError("waited in vain for " + what)
        time.sleep(0.01)


class Unbound:
    def __init__(self, folder):
        self.folder = folder
        self.serial = 0
        self.signed_text = None
        with open(f"{folder}/root.zone", "w", encoding="ascii") as out:
            out.write(ROOT)
        open(f"{folder}/anchor", "w").close()
        self.root_key, self.key = self.new_key("."), self.new_key("signed.test.")
        self.sign_zone("root.zone", "root.zone.signed", self.root_key)
        self.write([], 30, set())
        with open(f"{folder}/unbound.conf", "w", encoding="ascii") as out:
            out.write(CONFIG.format(d=folder))
        self.process = subprocess.Popen(["/usr/sbin/unbound", "-d", "-p", "-c", f"{folder}/unbound.conf"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(f"{folder}/unbound.stderr", "w", encoding="utf-8"))
        wait_for(self.ready, f"unbound: see {folder}/unbound.stderr and unbound.log")
        self.log = open(f"{folder}/unbound.log", encoding="utf-8")

    def ready(self):
        if self.process.poll() is not None:
            with open(f"{self.folder}/unbound.stderr", encoding="utf-8") as err:
                raise RuntimeError("unbound did not start: " + err.read())
        try:
            return "is running" in self.control("status")
        except OSError:
            return False

    def control(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(f"{self.folder}/unbound.control")
            s.sendall(f"UBCT1 {command}\n".encode())
            answer = b""
            while chunk := s.recv(4096):
                answer += chunk
        return answer.decode()

    def write(self, records, negative_ttl, bogus):
        """records: (name, ttl, type, data), names absolute without the last dot. bogus: (name, type) whose signatures are spoilt.
        Returns the zones that changed."""
        self.serial += 1
        changed = []
        for zone in ("test.", "signed.test."):
            mine = [r for r in records if (r[0] + ".").endswith(".signed.test.") == (zone == "signed.test.")]
            lines = [f"{name}. {ttl} IN {kind} {data}\n" for name, ttl, kind, data in mine]
            text = HEAD.format(zone=zone, serial=0 if zone == "signed.test." else self.serial, negative=negative_ttl) + "".join(lines)
            if zone == "signed.test.":
                if (text, bogus) == self.signed_text:
                    continue
                self.signed_text = (text, bogus)
            with open(f"{self.folder}/{zone}zone", "w", encoding="ascii") as out:
                out.write(text)
            if zone == "signed.test.":
                self.sign(bogus)
            changed.append(zone)
        return changed

    def new_key(self, zone):
        key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone], cwd=self.folder, check=True, capture_output=True,
                             text=True).stdout.strip()
        with open(f"{self.folder}/{key}.key", encoding="ascii") as source, open(f"{self.folder}/anchor", "a", encoding="ascii") as anchor:
            owner, _, kind, data = source.read().split(";")[0].split(None, 3)
            anchor.write(f"{owner} 3600 IN {kind} {data.strip()}\n")
        return key

    def sign_zone(self, source, target, key):
        stamp = [time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + days * 86400)) for days in (-2, 400)]
        subprocess.run(["ldns-signzone", "-i", stamp[0], "-e", stamp[1], "-f", target, source, key], cwd=self.folder, check=True,
                       capture_output=True)

    def sign(self, bogus):
        self.sign_zone("signed.test.zone", "signed.test.zone.unspoilt", self.key)
        with open(f"{self.folder}/signed.test.zone.unspoilt", encoding="ascii") as source:
            lines = source.readlines()
        for name, kind in bogus:
            spoilt = 0
            for i, line in enumerate(lines):
                words = line.split()
                if len(words) > 5 and words[0] == name + "." and words[3:5] == ["RRSIG", kind]:
                    # The last base64 group before the padding, mirrored: still a signature in form, never the right one.
                    lines[i] = re.sub(r"([A-Za-z0-9+/]{20})(==?)?$", lambda m: m[1][::-1] + (m[2] or ""), line.rstrip("\n")) + "\n"
                    spoilt += lines[i] != line
            if not spoilt:
                raise ValueError(f"no signature over {name} {kind} to spoil")
        with open(f"{self.folder}/signed.test.zone.signed", "w", encoding="ascii") as out:
            out.writelines(lines)

    def load(self, records, negative_ttl=30, bogus=frozenset()):
        for zone in self.write(records, negative_ttl, bogus):
            for command in (f"auth_zone_reload {zone}", f"flush_zone {zone}"):
                answer = self.control(command)
                if not answer.startswith("ok"):
                    raise RuntimeError(f"unbound: {command}: {answer}")

    def asked(self):
        """(name, type) asked since the last call, oldest first; the proxy's own questions are not counted."""
        found = []
        for line in self.log.readlines():
            m = re.search(r"info: (\S+) (\S+)\. (\S+) IN$", line.rstrip())
            if m and m[1] != PROXY_ADDRESS:
                found.append((m[2].lower(), m[3]))
        return found

    def pause(self):
        """Questions get no answer until go_on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def read_question(data):
    """(name, type, end of the question)"""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    kind, _ = struct.unpack("!HH", data[at + 1:at + 5])
    return ".".join(labels).lower(), NAMES.get(kind, str(kind)), at + 5


def resolve(name, server="127.0.0.1"):
    """The IPv4 address of a name; for the servers' own use (the one asked is not counted: it comes from 127.0.0.53)."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack("!HH", TYPES["A"], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.bind((PROXY_ADDRESS, 0))
        s.connect((server, 53))
        s.send(struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + question)
        answer = s.recv(4096)
    at = answer.find(struct.pack("!HH", 1, 1), 12 + len(question))
    if at < 0:
        raise OSError(f"no address for {name}")
    return ".".join(str(byte) for byte in answer[at + 10:at + 14])


class Proxy:
    """Faults are told per (name, type); "*" stands for any name."""

    def __init__(self, address=PROXY_ADDRESS, upstream="127.0.0.1"):
        self.address, self.upstream = address, upstream
        self.faults, self.seen = {}, []
        proxy = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                for answer in proxy.answers(data, tcp=False):
                    sock.sendto(answer, self.client_address)

        class Stream(socketserver.BaseRequestHandler):
            def handle(self):
                size = self.request.recv(2, socket.MSG_WAITALL)
                if len(size) == 2:
                    data = self.request.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL)
                    for answer in proxy.answers(data, tcp=True):
                        self.request.sendall(struct.pack("!H", len(answer)) + answer)

        class UDP(socketserver.ThreadingUDPServer):
            daemon_threads, max_packet_size = True, 65535

        class TCP(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address = True, True

        for server in (UDP((address, 53), Datagram), TCP((address, 53), Stream)):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def ask(self, data, tcp):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.bind((self.address, 0))
            s.connect((self.upstream, 53))
            if not tcp:
                s.send(data)
                return s.recv(65535)
            s.sendall(struct.pack("!H", len(data)) + data)
            return s.recv(struct.unpack("!H", s.recv(2, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)

    def answers(self, data, tcp):
        name, kind, end = read_question(data)
        self.seen.append((name, kind, "tcp" if tcp else "udp"))
        fault = self.faults.get((name, kind)) or self.faults.get(("*", kind)) or self.faults.get(("*", "*"))
        head = data[:2] + bytes([0x80 | (data[2] & 0x79), 0x80])  # QR, RA
        question = data[12:end]
        one = struct.pack("!HHHH", 1, 0, 0, 0)
        if fault is None:
            return [self.ask(data, tcp)]
        if fault == "silent":
            return []
        if fault in ("servfail", "refused", "formerr"):
            code = {"servfail": 2, "refused": 5, "formerr": 1}[fault]
            return [head[:3] + bytes([0x80 | code]) + one + question]
        if fault == "cname-servfail":  # a chain whose end cannot be reached
            target = b"\4gone\4test\0"
            return [head[:3] + b"\x82" + struct.pack("!HHHH", 1, 1, 0, 0) + question + b"\xc0\x0c"
                    + struct.pack("!HHIH", TYPES["CNAME"], 1, 300, len(target)) + target]
        if fault == "garbage":
            return [data[:2] + b"\x81\x80" + b"\xff" * 40]
        if fault == "short":
            return [data[:2] + b"\x81"]
        if fault == "truncated":  # the whole answer comes over TCP
            return [self.ask(data, True)] if tcp else [head[:2] + bytes([head[2] | 2, head[3]]) + one + question]
        if fault == "tc-hang":  # … and here it never does
            if tcp:
                time.sleep(30)
                return []
            return [head[:2] + bytes([head[2] | 2, head[3]]) + one + question]
        answer = self.ask(data, tcp)
        if fault == "wrong-id":
            return [bytes([answer[0] ^ 0x5A]) + answer[1:]]
        if fault == "wrong-question":
            return [answer[:13] + bytes([answer[13] ^ 1]) + answer[14:]]
        if fault == "no-answers":  # counts say there are answers, and none follow
            return [answer[:end]]
        if fault == "not-a-response":
            return [answer[:2] + bytes([answer[2] & 0x7F]) + answer[3:]]
        if fault == "flood":  # wrong ids first, as one who guesses would send, then the true one
            return [struct.pack("!H", (i * 257) & 0xFFFF) + answer[2:] for i in range(50)
                    if struct.pack("!H", (i * 257) & 0xFFFF) != answer[:2]] + [answer]
        if fault.startswith("delay "):
            time.sleep(float(fault.split()[1]))
            return [answer]
        raise ValueError(f"no DNS fault is called {fault!r}; there are {', '.join(FAULTS)} SECONDS")

    def asked(self):
        seen, self.seen = self.seen, []
        return seen
