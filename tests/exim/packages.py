# SPDX-License-Identifier: ISC
"""Releases of Exim, unpacked: "heavy" has ${dlfunc}, "light" has not."""
from servers import packages
from servers.packages import Missing  # noqa: F401

SUITES = {"4.96": ("bookworm", "heavy"), "4.98": ("bookworm-backports", "heavy"), "light": ("bookworm", "light")}
PROGRAM = "usr/sbin/exim4"


def unpacked(name, folder):
    """Where the release lies: PATH/usr/sbin/exim4."""
    suite, kind = SUITES[name]
    release = packages.Release("4." if kind == "light" else name, suite, f"exim4-daemon-{kind}", (PROGRAM,))
    return packages.unpacked(release, f"{folder}/{name}")
