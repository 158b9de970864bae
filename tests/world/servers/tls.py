# SPDX-License-Identifier: ISC
"""TLS for the servers written here: the certificate is chosen by the server name the client sends; without one there is no TLS."""
import os
import ssl


def context(shown, **more):
    """more: maximum_version, ciphers, client_cert=True"""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.minimum_version = ssl.TLSVersion.TLSv1
    if "ciphers" in more:
        ctx.set_ciphers(more["ciphers"])
    if "maximum_version" in more:
        ctx.maximum_version = more["maximum_version"]
    if more.get("client_cert"):
        ctx.verify_mode = ssl.CERT_REQUIRED

    def choose(connection, name, _):
        path = os.path.join(shown, f"{name}.pem")
        if name is None or not os.path.exists(path):
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if "ciphers" in more:
            chosen.set_ciphers(more["ciphers"])  # the level of security goes with the certificate
        chosen.load_cert_chain(path)
        if more.get("client_cert"):
            chosen.verify_mode = ssl.CERT_REQUIRED
        connection.context = chosen
        connection.world_name = name
        return None

    ctx.sni_callback = choose
    return ctx
