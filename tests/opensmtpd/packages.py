# SPDX-License-Identifier: ISC
"""Releases of OpenSMTPD from Debian, unpacked and not installed, whatever release of Debian this system is. Kept in the build folder.

A release that is newer than the system brings its own C library and loader, and all else it is linked with: they lie beside it, and only
smtpd and smtpctl use them. What smtpd starts runs with the system's own.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

PACKAGE = "opensmtpd"
SUITES = {"6.8": "bookworm", "7.4": "bookworm-backports", "7.6": "trixie"}
PROGRAMS = ("usr/sbin/smtpd", "usr/sbin/smtpctl")
KEYS = ("/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg")


class Missing(Exception):
    pass


def run(words, cwd=None):
    """What it printed. Missing when it fails."""
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=240)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = [line for line in said if line.startswith("E:")] or said[-1:] or [f"exit code {done.returncode}"]
        raise Missing(f"{words[0]} {words[-1]}: {why[0]}")
    return done.stdout


def mirror():
    """The system's own, whatever it is; it has the suites of other releases, too, unless somebody made it smaller."""
    for line in run(["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(CODENAME)", "Created-By: Packages"]).splitlines():
        words = line.split()
        if words[1:2] == ["Debian"] and "security" not in line:
            return words[0]
    raise Missing("apt knows no mirror of Debian")


class Apt:
    """With a state of its own, so that the system's sources stay as they are."""

    def __init__(self, suite, folder):
        self.folder = folder
        for part in ("lists/partial", "cache/archives/partial"):
            os.makedirs(f"{folder}/{part}", exist_ok=True)
        signed = next((f"[signed-by={key}] " for key in KEYS if os.path.exists(key)), "")
        with open(f"{folder}/sources.list", "w", encoding="ascii") as out:
            out.write(f"deb {signed}{mirror()} {suite} main\n")
        self.options = ["-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
                        "-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache", "-o", "Acquire::Languages=none",
                        "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root"]
        run(["apt-get", "-q"] + self.options + ["--error-on=any", "update"])

    def unpack(self, packages, folder):
        run(["apt-get", "-q"] + self.options + ["download"] + packages, cwd=self.folder)
        for name in packages:
            found = glob.glob(f"{self.folder}/{name}_*.deb")
            run(["dpkg", "-x", found[0], folder])

    def version(self, package):
        return re.findall(rf"{package}_([^_]*)_", " ".join(os.listdir(self.folder)))[0]

    def libraries_of(self, package):
        """The packages of libraries it depends on, under the names they have in this suite."""
        return re.findall(r"^ *Depends: (lib\S+)$", run(["apt-cache"] + self.options + ["depends", package]), re.M)


def lacks(program):
    """Libraries that the system does not have, or has in an older version."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return sorted(set(re.findall(r"(\S+) => not found", done.stdout) + re.findall(r"version `(\S+)' not found", done.stdout + done.stderr)))


def use_own_libraries(path):
    """Written into the programs: a variable of the environment would reach what smtpd starts. Each time, as the folder may have moved."""
    found = glob.glob(f"{path}/own/**/libc.so.6", recursive=True)
    place = os.path.dirname(found[0]) if found else ""
    loader = (glob.glob(f"{place}/ld-linux*.so.*") + glob.glob(f"{path}/own/**/ld-linux*.so.*", recursive=True) + [""])[0]
    if not found or not loader:
        raise Missing("its C library is not where it was expected")
    for program in PROGRAMS:
        if run(["patchelf", "--print-interpreter", f"{path}/{program}"]).strip() != loader:
            run(["patchelf", "--force-rpath", "--set-rpath", place, "--set-interpreter", loader, f"{path}/{program}"])


def fetch(version, path):
    apt = Apt(SUITES[version], f"{path}/apt")
    apt.unpack([PACKAGE], path)
    if not apt.version(PACKAGE).startswith(version):
        raise Missing(f"{SUITES[version]} has {PACKAGE} {apt.version(PACKAGE)} now")
    if lacks(f"{path}/{PROGRAMS[0]}"):
        apt.unpack(apt.libraries_of(PACKAGE), f"{path}/own")
    shutil.rmtree(f"{path}/apt")


def unpacked(version, folder):
    """Where the release lies: PATH/usr/sbin/smtpd."""
    path = f"{folder}/{version}"
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as half:
            fetch(version, f"{half}/{version}")
            os.rename(f"{half}/{version}", path)
    if os.path.exists(f"{path}/own"):
        use_own_libraries(path)
    elif missing := lacks(f"{path}/{PROGRAMS[0]}"):
        raise Missing(f"smtpd {version} needs {', '.join(missing)}, which were here when it was unpacked: remove {path}")
    return path
