# SPDX-License-Identifier: ISC
"""Releases of Postfix, unpacked. That of Debian 13 matches MX hosts with a policy itself, and was built with TLSRPT."""
from servers import packages
from servers.packages import Missing  # noqa: F401

SUITES = {"3.7": ("bookworm", "3.7."), "3.10": ("bookworm-backports", "3.10."), "trixie": ("trixie", "3.10.")}


def unpacked(name, folder):
    """Where the release lies: PATH/usr/sbin/postfix."""
    suite, version = SUITES[name]
    release = packages.Release(version, suite, "postfix", ("usr/lib/postfix/sbin/smtp", "usr/lib/postfix/sbin/*", "usr/sbin/*"),
                               "usr/lib/postfix")
    return packages.unpacked(release, f"{folder}/{name}")
