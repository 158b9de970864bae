# SPDX-License-Identifier: ISC
"""What takes TLS reports (RFC 8460 5.4) behind the nginx of the policy hosts."""
import http.server
import threading

PORT = 8025


class ReportHost:
    """Of each report: the header fields and the body."""

    def __init__(self):
        self.got = got = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                got.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
