#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Policy hosts and mail hosts that behave and misbehave. Usage: servers.py FOLDER, with FOLDER/NAME.pem (key and chain).

Prints "NAME PORT" for each server and "ready" at last; ends when its standard input does, which is also when the test was killed,
and then removes FOLDER."""
import hashlib
import os
import shutil
import socket
import ssl
import struct
import sys
import threading
import time

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n"
folder = sys.argv[1]


def context(name):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(folder, name + ".pem"))
    return tls


contexts = {f[:-4]: context(f[:-4]) for f in os.listdir(folder) if f.endswith(".pem") and f != "ca.pem"}


def by_name(sock, name, _):
    """The first label of the name asked by SNI chooses the certificate."""
    sock.context = contexts.get((name or "").split(".")[0], contexts["good"])


def serving():
    tls = context("good")
    tls.sni_callback = by_name
    return tls


def answer(status, body=POLICY, headers=(), kind="text/plain"):
    lines = ["HTTP/1.1 %s x" % status, "Content-Length: %d" % len(body)]
    lines += ["Content-Type: " + kind] if kind else []
    return ("\r\n".join(lines + list(headers)) + "\r\n\r\n").encode() + body


def chunks(body, size=4096):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    cut = [body[i:i + size] for i in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in cut) + b"0\r\n\r\n"


def trickle(send):
    send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 60\r\n\r\n")
    for _ in range(60):
        send(b"x")
        time.sleep(0.1)


def announce(send):
    """Says that much will come, and sends nothing: a client that waits for it hangs."""
    send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 131193\r\n\r\n")
    time.sleep(20)


def flood(send):
    while True:
        send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)


def http(request, send, close):
    head = request.split(b"\r\n\r\n")[0].decode("latin-1")
    path = head.split(" ")[1].strip("/")
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    if path.isdigit():
        send(answer(path, b"" if path in ("204", "304") else POLICY, ["Location: https://other.example.net/\x1b[2J"]))
    elif path == "echo":
        send(answer(200, head.encode()))
    elif path == "no-store":
        send(answer(200, headers=["Cache-Control: no-store, max-age=0", "ETag: \"x\""]))
    elif path == "announced":
        announce(send)
    elif path == "announced-404":
        send(b"HTTP/1.1 404 x\r\nContent-Length: 131193\r\n\r\n")
    elif path == "chunked":
        send(chunks(POLICY, 7))
    elif path == "chunked-big":
        send(chunks(b"y" * 131072))
    elif path == "valid-then-more":
        send(plain + b"\r\n" + POLICY + b"x" * 65536)
    elif path == "full":
        send(answer(200, b"x" * 65536))
    elif path == "full-and-one":
        send(answer(200, b"x" * 65537))
    elif path == "html":
        send(answer(200, kind="text/html"))
    elif path == "no-type":
        send(answer(200, kind=None))
    elif path == "trickle":
        trickle(send)
    elif path == "half-headers":
        send(plain)
        time.sleep(20)
    elif path == "silent":
        time.sleep(20)
    elif path == "short":
        send(plain + b"Content-Length: 999\r\n\r\n" + POLICY)
    elif path == "bad-chunk":
        send(plain + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + POLICY)
    elif path == "cut":
        send(plain + b"\r\n" + POLICY)
        close()
    elif path == "close-notify":
        send(plain + b"\r\n" + POLICY)
    elif path == "http09":
        send(POLICY)
    elif path == "long-header":
        send(plain + b"X: " + b"y" * 90000 + b"\r\n\r\n")
    elif path == "many-headers":
        send(plain + b"X: y\r\n" * 400 + b"\r\n")
    elif path == "flood":
        flood(send)
    elif path == "header-flood":
        send(b"HTTP/1.1 200 OK\r\n")
        while True:
            send(b"X: y\r\n" * 100)
    elif path == "headers":
        send(b"HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\nHTTP/1.1 404 No\r\nETag: \"a\"\r\netag: \"b\"\r\nAge:   7 \r\nBad name: x\r\n"
             b"X-Long: " + b"y" * 3000 + b"\r\n" + b"".join(b"X-%d: v\r\n" % i for i in range(100)) + b"Content-Length: 4\r\n\r\nbody")
    elif path == "gzip":
        send(answer(200, headers=["Content-Encoding: gzip"]))
    else:
        send(answer(200))


def https(sock, tls):
    conn = tls.wrap_socket(sock, server_side=True)
    request = b""
    while b"\r\n\r\n" not in request:
        more = conn.recv(4096)
        if not more:
            return
        request += more
    cut = []
    if request.startswith(b"POST "):
        posted(conn, request)
    else:
        http(request, conn.sendall, lambda: cut.append(True))
    if not cut:
        conn.unwrap()


def posted(conn, request):
    """Answers with the head of the request and a digest of its body, whose bytes are all read first; /early does not wait for them."""
    head, _, body = request.partition(b"\r\n\r\n")
    path = head.split(b" ")[1].decode().strip("/")
    length = int([line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")][0].split(b":")[1])
    if path == "early":
        conn.sendall(answer(200, b""))
        return
    while len(body) < length:
        body += conn.recv(65536)
    shown = head + b"\r\n" + hashlib.sha256(body).hexdigest().encode()
    if path == "huge":
        conn.sendall(b"HTTP/1.1 201 Created\r\n\r\n")
        while True:
            conn.sendall(b"x" * 65536)
    conn.sendall(answer(path if path.isdigit() else 200, shown, ["Location: https://other.example.net/"]))


def line(sock):
    text = b""
    while not text.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            raise OSError("closed")
        text += byte
    return text


def smtp(sock, tls=None, banner=b"220 mx.example.com ESMTP\r\n", ehlo=b"250-mx hello\r\n250-SIZE 1\r\n250 starttls\r\n",
         go=b"220 go ahead\r\n", after=None, silent=False):
    sock.sendall(banner)
    if not ehlo:
        return
    line(sock)
    sock.sendall(ehlo)
    if silent:
        time.sleep(20)
    if not go:
        return
    line(sock)
    sock.sendall(go)
    if after:
        after(sock)
        return
    conn = (tls or mail).wrap_socket(sock, server_side=True)
    if conn.recv(100) == b"QUIT\r\n":
        quits.append(1)
        conn.sendall(b"221 bye\r\n")
    conn.recv(100)


def whole(sock, tls=None, keeps=None, inside=b"250-mx inside\r\n250 8BITMIME\r\n", late=0, quiet=False):
    """A dialogue to its end. keeps: whether it obeys, inside TLS, what it read behind STARTTLS; None: it reads no further than that."""
    sock.sendall(b"220 mx.example.com ESMTP\r\n")
    line(sock)
    sock.sendall(b"250-mx.example.com hello\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
    behind = b""
    if keeps is None:
        line(sock)
    else:
        behind = sock.recv(4096).partition(b"\r\n")[2]
    sock.sendall(b"220 go ahead\r\n")
    conn = (tls or mail).wrap_socket(sock, server_side=True)
    if quiet:
        conn.recv(100)
        time.sleep(20)
    if keeps and behind:
        time.sleep(late)
        conn.sendall(b"250 2.0.0 Ok\r\n" * behind.count(b"\r\n"))
    if not line(conn).startswith(b"EHLO "):
        return
    conn.sendall(inside)
    if line(conn) == b"QUIT\r\n":
        conn.sendall(b"221 bye\r\n")
    conn.recv(100)


def both_tls():
    tls = context("good")
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    return tls


def pieces(sock):
    for byte in b"220-mx\r\n220 two lines\r\n":
        sock.sendall(bytes([byte]))
        time.sleep(0.002)
    smtp(sock, banner=b"")


def drip(sock):
    sock.sendall(b"220-")
    while True:
        sock.sendall(b"x")
        time.sleep(0.1)


def endless(sock, text):
    while True:
        sock.sendall(text)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def finish_and_reset(sock):
    """A whole handshake, then FIN and RST."""
    conn = mail.wrap_socket(sock, server_side=True)
    conn.shutdown(socket.SHUT_WR)
    reset(conn)
    conn.close()


def old_tls():
    tls = context("good")
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    return tls


def proxy(sock):
    """CONNECT to whatever is asked, always to the server named https."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += sock.recv(1)
    if b"refused" in request:
        sock.sendall(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n")
        return
    there = socket.create_connection(("127.0.0.1", ports["https"]))
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    def pump(a, b):
        try:
            while (data := a.recv(4096)):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    threading.Thread(target=pump, args=(sock, there), daemon=True).start()
    pump(there, sock)


good, mail, old, both = serving(), serving(), old_tls(), both_tls()
quits = []
ports = {}
servers = {
    "https": lambda s: https(s, good),
    "https-old": lambda s: https(s, old),
    "close": lambda s: None,
    "reset": reset,
    "reset-late": lambda s: finish_and_reset(s),
    "garbage": lambda s: s.sendall(b"\0\1\2 not TLS at all\r\n" * 10),
    "mute": lambda s: time.sleep(20),
    "proxy": proxy,
    "smtp": smtp,
    "smtp-quits": lambda s: s.sendall(b"220 %d\r\n" % len(quits)),
    "smtp-old": lambda s: smtp(s, old),
    "smtp-554": lambda s: smtp(s, banner=b"554 no\r\n", ehlo=None),
    "smtp-no-starttls": lambda s: smtp(s, ehlo=b"250-STARTTLS.example.com\r\n250 XXXXXXXA\r\n", go=None),
    "smtp-ehlo-502": lambda s: smtp(s, ehlo=b"502 what?\r\n", go=None),
    "smtp-ehlo-421": lambda s: smtp(s, ehlo=b"421 busy\r\n", go=None),
    "smtp-454": lambda s: smtp(s, go=b"454 TLS not available\r\n", after=lambda c: None),
    "smtp-inject": lambda s: smtp(s, go=b"220 go\r\n250 injected\r\n", after=lambda c: time.sleep(1)),
    # What we read at once ends with the reply.
    "smtp-inject-behind": lambda s: smtp(s, go=b"220-%b\r\n" % (b"x" * 1018) * 3 + b"220 %b\r\n" % (b"x" * 1018) + b"250 injected\r\n",
                                         after=lambda c: time.sleep(1)),
    "smtp-inject-next": lambda s: smtp(s, after=lambda c: (c.sendall(b"250 injected\r\n"), mail.wrap_socket(c, server_side=True))),
    "smtp-inject-late": lambda s: smtp(
        s, after=lambda c: (time.sleep(0.1), c.sendall(b"250 injected\r\n"), mail.wrap_socket(c, server_side=True))),
    "smtp-twice": lambda s: smtp(s, banner=b"220 a\r\n250 b\r\n"),
    "smtp-close-ehlo": lambda s: smtp(s, go=None, ehlo=b"250-mx\r\n"),
    "smtp-close-tls": lambda s: smtp(s, after=lambda c: c.recv(1)),
    "smtp-reset-tls": lambda s: smtp(s, after=lambda c: (c.recv(1), reset(c))),
    "smtp-garbage-tls": lambda s: smtp(s, after=lambda c: (c.recv(1), c.sendall(b"nonsense " * 50))),
    "smtp-reset-go": lambda s: smtp(s, after=reset),
    "smtp-reset-quit": lambda s: smtp(s, after=lambda c: finish_and_reset(c)),
    "smtp-mute-ehlo": lambda s: smtp(s, ehlo=b"250-mx\r\n", go=b"", silent=True),
    "smtp-mute-go": lambda s: smtp(s, go=b"220-wait\r\n", after=lambda c: time.sleep(20)),
    "smtp-mute-quit": lambda s: smtp(s, after=lambda c: (mail.wrap_socket(c, server_side=True), time.sleep(20))),
    "smtp-mute-tls": lambda s: smtp(s, after=lambda c: time.sleep(20)),
    "smtp-alert": lambda s: smtp(s, after=lambda c: (c.recv(4096), c.sendall(b"\x15\3\3\0\2\2\x28"))),
    "smtp-nul": lambda s: smtp(s, banner=b"220 a\0b\r\n"),
    "smtp-http": lambda s: smtp(s, banner=b"HTTP/1.1 400 Bad Request\r\n"),
    "smtp-codes": lambda s: smtp(s, banner=b"220-a\r\n221 b\r\n"),
    "smtp-long": lambda s: smtp(s, banner=b"220 " + b"x" * 1000000 + b"\r\n"),
    "smtp-flood": lambda s: endless(s, b"220-more\r\n"),
    "smtp-drip": drip,
    "smtp-pieces": pieces,
    "smtp-whole": whole,
    "smtp-forgets": lambda s: whole(s, keeps=False),
    "smtp-obeys": lambda s: whole(s, keeps=True),
    "smtp-obeys-late": lambda s: whole(s, keeps=True, late=2),
    "smtp-both-tls": lambda s: whole(s, both),
    "smtp-quiet-inside": lambda s: whole(s, quiet=True),
    "smtp-many-lines": lambda s: smtp(s, ehlo=b"250-mx\r\n" + b"".join(b"250-X%d %s\r\n" % (i, b"y" * 1500) for i in range(80))
                                      + b"250 END\r\n", go=None),
    "smtp-421": lambda s: smtp(s, banner=b"421-busy \xff\r\n421 later\r\n", ehlo=None),
}


def serve(listener, behave):
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def one(conn):
            try:
                behave(conn)
            except (OSError, ValueError):
                pass
            finally:
                conn.close()
        threading.Thread(target=one, args=(sock,), daemon=True).start()


for name, behave in servers.items():
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    ports[name] = listening.getsockname()[1]
    threading.Thread(target=serve, args=(listening, behave), daemon=True).start()
    try:
        six = socket.create_server(("::1", ports[name]), family=socket.AF_INET6)
        threading.Thread(target=serve, args=(six, behave), daemon=True).start()
    except OSError:
        pass  # no IPv6 here
    print(name, ports[name], flush=True)
print("ready", flush=True)
sys.stdin.read()
shutil.rmtree(folder)
