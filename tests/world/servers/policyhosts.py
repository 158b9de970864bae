# SPDX-License-Identifier: ISC
"""Policy hosts: an nginx with an address per behaviour, and a server for what no decent web server does.

A policy host of a scenario gets its behaviour by its address; every address serves any host, by the server name of TLS: the certificate
from shown/NAME.pem and the policy from www/NAME/.well-known/mta-sts.txt.
"""
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from . import reporthost, tls
from .dns import wait_for

STATUSES = (201, 202, 203, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 410, 429, 500, 502, 503)
TYPES = ("text/html", "application/octet-stream", "text/plain; charset=utf-8", "TEXT/PLAIN", "text/plainer", "none")

CONFIG = """
user root; # of the namespace
daemon off;
master_process off;
pid {d}/nginx.pid;
error_log {d}/nginx-error.log warn;
events {{ worker_connections 512; }}
http {{
  log_format world '$msec $ssl_server_name $request_method $uri $status [$http_if_none_match$http_if_modified_since] $server_addr';
  access_log {d}/nginx-access.log world;
  client_body_temp_path {d}/nginx-tmp; proxy_temp_path {d}/nginx-tmp; fastcgi_temp_path {d}/nginx-tmp;
  uwsgi_temp_path {d}/nginx-tmp; scgi_temp_path {d}/nginx-tmp;
  types {{ }}
  default_type text/plain;
  ssl_certificate {d}/ca/shown/$ssl_server_name.pem;
  ssl_certificate_key {d}/ca/shown/$ssl_server_name.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_tickets off;
  root {d}/www/$ssl_server_name;
{servers}
}}
"""


def blocks():
    """behaviour -> (address, server block's inside)"""
    found = {"ok": ("192.0.2.10", "")}

    def add(name, inside):
        found[name] = (f"192.0.2.{20 + len(found)}", inside)

    for status in STATUSES:
        place = "" if status < 300 or status == 304 or status >= 400 else (
            "add_header Location https://$ssl_server_name/moved.txt always;")
        # The body is a valid policy whatever the status: only the status can make a client refuse it.
        add(f"status {status}", f"location = /.well-known/mta-sts.txt {{ error_page 418 ={status} @body; return 418; }} "
            f"location @body {{ {place} try_files /.well-known/mta-sts.txt =404; }}")
    add("redirect", "location = /.well-known/mta-sts.txt { return 302 https://$ssl_server_name/moved.txt; }")
    add("redirect elsewhere", "location = /.well-known/mta-sts.txt { return 301 https://mta-sts.elsewhere.test/.well-known/mta-sts.txt; }")
    add("redirect http", "location = /.well-known/mta-sts.txt { return 301 http://$ssl_server_name/.well-known/mta-sts.txt; }")
    for kind in TYPES:
        add(f"type {kind}", f"default_type '{'' if kind == 'none' else kind}';")
    add("no-store", "add_header Cache-Control 'no-store, max-age=0'; add_header Expires 'Thu, 01 Jan 1970 00:00:00 GMT'; add_header Age 99;")
    add("tls11", "ssl_protocols TLSv1.1; ssl_ciphers 'ALL:@SECLEVEL=0';")
    add("tls12", "ssl_protocols TLSv1.2;")
    add("tls13", "ssl_protocols TLSv1.3;")
    add("reports", f"location = /tlsrpt {{ proxy_pass http://127.0.0.1:{reporthost.PORT}; }}")
    return found


NGINX = blocks()
# Policy hosts at addresses a client must refuse (RFC 8461 does not say so; whoever publishes DNS would choose what we connect to).
PRIVATE = ("127.0.0.1", "10.1.2.3", "169.254.1.1", "100.64.0.1", "[::1]", "[2001:db8::10]", "[fd00::10]")
BEHAVIOURS = """silent-tcp silent-tls silent-http trickle reset close close-tls plain garbage not-http http09 oversize-chunked oversize-endless
endless-header short-body client-cert chunked gzip early-hints no-headers oversize-length slow""".split()
ADDRESSES = 24


class Nginx:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(f"{folder}/www", exist_ok=True)
        os.makedirs(f"{folder}/nginx-tmp", exist_ok=True)
        servers = []
        for address, inside in NGINX.values():
            also = "".join(f" listen {a}:443 ssl;" for a in PRIVATE) if address == "192.0.2.10" else ""
            servers.append(f"  server {{ listen {address}:443 ssl;{also} server_name _; {inside} }}")
        with open(f"{folder}/nginx.conf", "w", encoding="ascii") as out:
            out.write(CONFIG.format(d=folder, servers="\n".join(servers)))
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-e", f"{folder}/nginx-error.log", "-p", folder, "-c", f"{folder}/nginx.conf"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(f"{folder}/nginx.stderr", "w", encoding="utf-8"))
        wait_for(self.ready, "nginx")
        self.log = open(f"{folder}/nginx-access.log", encoding="utf-8")

    def ready(self):
        if self.process.poll() is not None:
            with open(f"{self.folder}/nginx.stderr", encoding="utf-8") as err:
                raise RuntimeError("nginx did not start: " + err.read())
        with socket.socket() as s:
            return s.connect_ex(("192.0.2.10", 443)) == 0

    def seen(self):
        """(host, method, uri, status, conditional) since the last call"""
        return [(w[1], w[2], w[3], int(w[4]), w[5] != "[--]") for w in (line.split() for line in self.log.readlines())]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Misbehaver:
    """One thread per connection. behaviours: address -> name. Requests seen are (host, line of the request)."""

    def __init__(self, folder):
        self.folder, self.shown = folder, f"{folder}/ca/shown"
        self.behaviours, self.seen_list, self.connected = {}, [], []
        self.stopping = threading.Event()
        self.full = full_listener("203.0.113.250", 443)
        for i in range(1, ADDRESSES + 1):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((f"203.0.113.{i}", 443))
            listener.listen(64)
            threading.Thread(target=self.accept, args=(listener, f"203.0.113.{i}"), daemon=True).start()

    def accept(self, listener, address):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, address), daemon=True).start()

    def serve(self, connection, address):
        behaviour = self.behaviours.get(address, "close")
        self.connected.append(address)
        try:
            connection.settimeout(60)
            self.act(connection, behaviour)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def wait_for_end(self, connection):
        """Says nothing more until the client goes."""
        try:
            while connection.recv(4096):
                pass
        except OSError:
            pass

    def act(self, connection, behaviour):
        if behaviour == "close":
            return
        if behaviour == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if behaviour == "silent-tls":
            return self.wait_for_end(connection)
        if behaviour in ("plain", "garbage"):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n" if behaviour == "plain"
                               else os.urandom(64))
            return
        more = {"client_cert": True, "maximum_version": ssl.TLSVersion.TLSv1_2} if behaviour == "client-cert" else {}
        secure = tls.context(self.shown, **more).wrap_socket(connection, server_side=True)
        try:
            self.http(secure, behaviour)
        finally:
            try:
                secure.unwrap()
            except (OSError, ssl.SSLError):
                pass
            secure.close()

    def http(self, secure, behaviour):
        if behaviour == "close-tls":
            return
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = secure.recv(4096)
            if not chunk:
                return
            request += chunk
        host = secure.world_name
        self.seen_list.append((host, request.split(b"\r\n")[0].decode("latin-1"), request.decode("latin-1")))
        with open(f"{self.folder}/www/{host}/.well-known/mta-sts.txt", "rb") as source:
            body = source.read()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        if behaviour == "silent-http":
            self.wait_for_end(secure)
        elif behaviour == "not-http":
            secure.sendall(b"220 mail.test ESMTP\r\n")
        elif behaviour == "http09":
            secure.sendall(body)
        elif behaviour == "no-headers":
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        elif behaviour == "trickle":
            for byte in head + length + body:
                secure.sendall(bytes([byte]))
                time.sleep(1)
        elif behaviour == "slow":  # slow, but whole within a moment
            time.sleep(1.5)
            secure.sendall(head + length + body)
        elif behaviour == "oversize-length":
            secure.sendall(head + b"Content-Length: 131193\r\n\r\n" + body.ljust(131193, b"\n"))
        elif behaviour in ("oversize-chunked", "chunked"):
            # The first 64 KiB are a whole, valid policy: one that is cut there would pass.
            parts = [body] if behaviour == "chunked" else [body.ljust(65536, b"\n"), b"version: STSv1\n" * 64]
            secure.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n"
                           + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")
        elif behaviour == "oversize-endless":
            secure.sendall(head + b"\r\n" + body)
            while True:
                secure.sendall(b"x: y\n" * 1000)
        elif behaviour == "endless-header":
            secure.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                secure.sendall(b"X-More: and more and more and more\r\n" * 100)
        elif behaviour == "short-body":
            secure.sendall(head + b"Content-Length: %d\r\n\r\n" % (len(body) + 100) + body)
        elif behaviour == "gzip":
            import gzip
            packed = gzip.compress(body)
            secure.sendall(head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
        elif behaviour == "early-hints":
            secure.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + head + length + body)
        else:
            raise ValueError(behaviour)

    def seen(self):
        seen, self.seen_list = self.seen_list, []
        return seen


class Tunnel:
    """An HTTP proxy that only knows CONNECT."""

    def __init__(self, address="192.0.2.3", port=3128):
        self.seen_list = []
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096) or b"\r\n\r\n"
            verb, target, _ = request.split(b"\r\n")[0].decode("latin-1").split()
            self.seen_list.append((verb, target))
            host, port = target.rsplit(":", 1)
            from .dns import resolve
            with socket.create_connection((resolve(host), int(port)), timeout=5) as beyond:
                connection.sendall(b"HTTP/1.1 200 go\r\n\r\n")
                back = threading.Thread(target=self.pump, args=(beyond, connection), daemon=True)
                back.start()
                self.pump(connection, beyond)
                back.join(5)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def pump(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def seen(self):
        seen, self.seen_list = self.seen_list, []
        return seen


def full_listener(address, port):
    """A listener whose queue is full: to a client the address is silent, as behind a firewall that drops."""
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(0)
    waiting = []
    for _ in range(2):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((address, port))
        waiting.append(s)
    return listener, waiting
