# SPDX-License-Identifier: ISC
"""The programs the world is made of, by the Debian packages they come in."""
import os

from .scenario import faketime_library

NEEDED = {"/usr/sbin/unbound": "unbound", "/usr/sbin/nginx": "nginx-light", "/usr/bin/ldns-signzone": "ldnsutils",
          "/usr/bin/openssl": "openssl", "/usr/sbin/ip": "iproute2", "/usr/bin/setpriv": "util-linux"}


def missing():
    """The packages that are not installed."""
    found = [package for path, package in NEEDED.items() if not os.path.exists(path) and not os.path.exists(path.replace("/usr", "", 1))]
    return found + ([] if faketime_library() else ["faketime"])
