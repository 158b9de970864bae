# SPDX-License-Identifier: ISC
"""Releases of OpenSMTPD, unpacked."""
from servers import packages
from servers.packages import Missing  # noqa: F401

SUITES = {"6.8": "bookworm", "7.4": "bookworm-backports", "7.6": "trixie"}
PROGRAMS = ("usr/sbin/smtpd", "usr/sbin/smtpctl")


def unpacked(version, folder):
    """Where the release lies: PATH/usr/sbin/smtpd."""
    return packages.unpacked(packages.Release(version, SUITES[version], "opensmtpd", PROGRAMS), f"{folder}/{version}")
