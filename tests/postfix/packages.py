# SPDX-License-Identifier: ISC
"""Releases of Postfix, unpacked."""
from servers import packages
from servers.packages import Missing  # noqa: F401

SUITES = {"3.7": "bookworm", "3.10": "bookworm-backports"}


def unpacked(name, folder):
    """Where the release lies: PATH/usr/sbin/postfix."""
    release = packages.Release(f"{name}.", SUITES[name], "postfix", ("usr/lib/postfix/sbin/smtp", "usr/lib/postfix/sbin/*", "usr/sbin/*"),
                               "usr/lib/postfix")
    return packages.unpacked(release, f"{folder}/{name}")
