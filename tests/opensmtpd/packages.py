# SPDX-License-Identifier: ISC
"""Two releases of OpenSMTPD from Debian, unpacked and not installed: bookworm's and that of its backports. Kept in the build folder."""
import glob
import os
import subprocess

PACKAGE = "opensmtpd"
SUITES = {"6.8": "bookworm", "7.4": "bookworm-backports"}


class Missing(Exception):
    pass


def run(words, cwd=None):
    """What it printed. Missing when it fails."""
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=240)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        raise Missing(f"{' '.join(words[:1] + words[-2:])}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]}")
    return done.stdout


def mirror():
    """The system's own, whatever it is: the first that has a Debian suite of this release."""
    for line in run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(SIGNED_BY)", "Created-By: Packages"]).splitlines():
        words = line.split()
        if len(words) > 1 and words[1].startswith("bookworm") and "security" not in words[0]:
            return words[0], words[2] if len(words) > 2 else ""
    raise Missing("apt knows no mirror of Debian bookworm, which these releases of OpenSMTPD come from")


def fetch(version, folder):
    """Downloads with a state of apt's own, so that the system's sources stay as they are."""
    state = f"{folder}/apt-{version}"
    for part in ("lists/partial", "cache/archives/partial"):
        os.makedirs(f"{state}/{part}", exist_ok=True)
    site, key = mirror()
    with open(f"{state}/sources.list", "w", encoding="ascii") as out:
        out.write(f"deb {f'[signed-by={key}] ' if key.startswith('/') else ''}{site} {SUITES[version]} main\n")
    apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={state}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
           "-o", f"Dir::State::Lists={state}/lists", "-o", f"Dir::Cache={state}/cache", "-o", "Acquire::Languages=none"]
    run(apt + ["update"])
    run(apt + ["download", PACKAGE], cwd=state)
    found = glob.glob(f"{state}/{PACKAGE}_{version}*.deb")
    if not found:
        raise Missing(f"{SUITES[version]} has {PACKAGE} no more in version {version}")
    return found[0]


def unpacked(version, folder):
    """Where the release lies: PATH/usr/sbin/smtpd."""
    path = f"{folder}/{version}"
    if not os.path.exists(f"{path}/usr/sbin/smtpd"):
        os.makedirs(folder, exist_ok=True)
        half = f"{path}.new"
        run(["dpkg", "-x", fetch(version, folder), half])
        os.rename(half, path)
    missing = [line.split()[0] for line in run(["ldd", f"{path}/usr/sbin/smtpd"]).splitlines() if "not found" in line]
    if missing:
        raise Missing(f"smtpd {version} needs {', '.join(missing)} (packages libevent-2.1-7, libdb5.3)")
    return path
