# SPDX-License-Identifier: ISC
"""Mail hosts that take mail, through TLS or in the clear."""
import contextlib
import ssl

from .mailhosts import MailHosts


class Receiver(MailHosts):
    """Without a server name it shows the certificate of the host it is: mail servers send none, unless they are told to."""
    takes_mail = True

    def secure(self, connection, behaviour, dialogue):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{self.shown}/{dialogue['host']}.pem")

        def note(_stream, name, _context):
            dialogue["sni"] = name

        context.sni_callback = note
        stream = context.wrap_socket(connection, server_side=True)
        dialogue["tls"] = stream.version()
        self.take(stream, self.lines(stream), dialogue)
        with contextlib.suppress(OSError):  # ssl.SSLError is one
            stream.unwrap()  # that it ends well is said in TLS, too

    def take(self, stream, lines, dialogue):
        in_data = False
        for line in lines:
            verb = line.upper().split(" ")[0]
            if in_data:
                if line != ".":
                    dialogue.setdefault("data", []).append(line)
                    continue
                in_data, reply = False, "250 2.0.0 taken"
                dialogue["taken"] = True
            elif verb == "DATA":
                in_data, reply = True, "354 go on"
            elif verb == "QUIT":
                reply = "221 2.0.0 bye"
            else:
                dialogue["lines"].append(line)
                reply = "250 2.0.0 fine"
            stream.sendall(reply.encode() + b"\r\n")  # after QUIT the client hangs up
