# SPDX-License-Identifier: ISC
"""misbehaver.py ADDRESS PORT: a name server that answers as the first label of the question says. Prints its port, ends with its input."""
import os, select, socket, struct, sys, threading, time

A, SOA, CNAME, MX, TXT, AAAA, TLSA = 1, 6, 5, 15, 16, 28, 52
seen = {}


def name(text):
    out = b""
    for label in text.split(".") if text else []:
        out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def rr(owner, kind, ttl, data):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def txt(*strings):
    return b"".join(bytes([len(s)]) + s for s in strings)


def soa(ttl, minimum):
    return rr(name("test"), SOA, ttl, name("ns.test") + name("hm.test") + struct.pack(">IIIII", 1, 2, 3, 4, minimum))


def reply(query, tcp):
    """The replies to send, or None to hang."""
    end = 12
    labels = []
    while query[end]:
        labels.append(query[end + 1 : end + 1 + query[end]].decode())
        end += query[end] + 1
    end += 5
    question, ident, q = query[12:end], query[:2], query[12 : end - 4]
    what = labels[0]
    seen[what] = count = seen.get(what, 0) + 1

    def message(answers=(), authority=(), rcode=0, flags=0x8180, ask=question, qd=1, an=None, i=ident):
        head = i + struct.pack(">HHHHH", flags | rcode, qd, len(answers) if an is None else an, len(authority), 0)
        return head + ask + b"".join(answers) + b"".join(authority)

    one = [rr(b"\xc0\x0c", TXT, 300, txt(b"v=STSv1; id=1;"))]
    if what == "txt":
        return message([rr(b"\xc0\x0c", TXT, 300, txt(b"v=STSv1; ", b"id=1;")), rr(b"\xc0\x0c", TXT, 100, txt(b"other"))])
    if what == "mx":
        odd = b"\x03a.b\x03c\0d\0"
        return message([rr(q, MX, 60, struct.pack(">H", p) + h)
                        for p, h in ((10, name("MX.Example.Test")), (0, b"\0"), (5, odd))])
    if what == "both":
        kind = struct.unpack(">H", question[-4:-2])[0]
        return message([rr(q, kind, 60, bytes([192, 0, 2, 7]) if kind == A else bytes(15) + b"\1")])
    if what == "a":
        return message([rr(q, A, 60, bytes([192, 0, 2, 7]))])
    if what == "aaaa":
        return message([rr(q, AAAA, 60, bytes([0x20, 1, 0xd, 0xb8]) + bytes(11) + b"\1")])
    if what in ("tlsa", "_25"):
        return message([rr(q, TLSA, 60, b"\3\1\1" + b"\xab" * 32)])
    if what == "chain":
        return message([rr(name("b.test"), CNAME, 7, name("C.test")), rr(name("c.test"), TXT, 50, txt(b"end")),
                        rr(q, CNAME, 90, name("b.test"))])
    if what == "loop":
        return message([rr(q, CNAME, 9, name("b.test")), rr(name("b.test"), CNAME, 9, q)])
    if what == "dangling":
        return message([rr(q, CNAME, 9, name("gone.test"))], [soa(900, 77)], 3)
    if what == "odd":
        return message([rr(q, CNAME, 9, b"\x03a.b\x01\xff\0"), rr(b"\x03a.b\x01\xff\0", TXT, 9, txt(b"x"))])
    if what in ("round", "about", "again"):  # a loop as resolvers see it: SERVFAIL, but each hop can be had
        to = {"round": "about.test", "about": "again.test", "again": "round.test"}[what]
        return message([rr(q, CNAME, 9, name(to))]) if question[-4:-2] == b"\0\5" else message(rcode=2)
    if what == "stuck":
        return None if question[-4:-2] == b"\0\5" else message(rcode=2)
    if what == "bogus":  # unless checking is disabled, as validating resolvers do
        return message(one) if query[3] & 0x10 else message(rcode=2)
    if what == "passing":  # SERVFAIL for a moment, validation or not
        return message(one) if count > 1 else message(rcode=2)
    if what == "nxdomain":
        return message([], [soa(900, 77)], 3)
    if what == "nodata":
        return message([], [soa(33, 900)])
    if what == "nosoa":
        return message()
    if what == "servfail":
        return message(rcode=2)
    if what == "refused":
        return message(rcode=5)
    if what == "silent":
        return None
    if what == "lost":
        return message(one) if count > 1 else None
    if what == "slow":
        time.sleep(0.3)
        return message(one)
    if what in ("slow-counted", "slow-lost"):  # how often it was asked
        time.sleep(0.3)
        return message([rr(b"\xc0\x0c", TXT, 300, txt(b"%d" % count))]) if what == "slow-counted" or count > 1 else None
    if what == "tcslow":
        if tcp:
            time.sleep(0.3)
        return message(one) if tcp else message(flags=0x8380)
    if what == "tc":
        return message(one) if tcp else message(flags=0x8380)
    if what == "tchang":
        return None if tcp else message(flags=0x8380)
    if what == "wrongid":
        return message(one, i=bytes([ident[0] ^ 255, ident[1]]))
    if what == "wrongquestion":
        return message([rr(name("evil.test"), TXT, 5, txt(b"evil"))], ask=name("evil.test") + question[-4:])
    if what == "forged":  # over UDP only
        return message(one) if tcp else message(one, ask=name("evil.test") + question[-4:])
    if what == "twoquestions":
        return message(one, ask=question * 2, qd=2)
    if what == "qr0":
        return message(one, flags=0x0100)
    if what == "garbage":
        return ident + b"\xff" * 40
    if what == "lies":
        return message(one, an=9)
    if what == "emptylies":
        return message(an=3)
    if what == "records":
        return message([rr(b"\xc0\x0c", TXT, 5, txt(b"%d" % i)) for i in range(300)]) if tcp else message(flags=0x8380)
    if what == "huge":
        return message([rr(b"\xc0\x0c", TXT, 5, txt(*[b"x" * 255] * 235))]) if tcp else message(flags=0x8380)
    if what == "ad":
        return message(one, flags=0x81A0 if query[3] & 0x20 else 0x8180)
    return message(one)


def serve_tcp(listener):
    def one(c):
        try:
            while True:
                head = c.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                r = reply(c.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL), True)
                if r is None:
                    c.recv(1)
                    return
                c.sendall(struct.pack(">H", len(r)) + r)
        except OSError:  # the other side left
            pass

    while True:
        c, _ = listener.accept()
        threading.Thread(target=one, args=(c,), daemon=True).start()


def serve_udp(u):
    def one(query, peer):
        r = reply(query, False)
        try:
            if r is not None:
                u.sendto(r, peer)
        except OSError:
            pass

    while True:
        query, peer = u.recvfrom(4096)
        if b"slow" in query:
            threading.Thread(target=one, args=(query, peer), daemon=True).start()
        else:
            one(query, peer)


address = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
t = socket.create_server(address, family=family, backlog=64)
u = socket.socket(family, socket.SOCK_DGRAM)
u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
u.bind(t.getsockname())
threading.Thread(target=serve_tcp, args=(t,), daemon=True).start()
threading.Thread(target=serve_udp, args=(u,), daemon=True).start()
print(t.getsockname()[1], flush=True)
sys.stdin.read()
os._exit(0)
