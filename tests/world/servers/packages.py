# SPDX-License-Identifier: ISC
"""Releases of mail servers from Debian, unpacked and not installed, whatever release of Debian this system is. Kept in the build folder.

A release that is newer than the system brings its own C library and loader, and all else it is linked with. One that only misses libraries
brings these. They lie beside it, and only its programs use them: what these start runs with the system's own.
"""
import dataclasses
import glob
import os
import re
import shutil
import subprocess
import tempfile

KEYS = ("/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg")


class Missing(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Release:
    version: str  # what the package's version begins with
    suite: str
    package: str
    programs: tuple  # of the package, the first is the server; the others may be patterns of names
    libraries: str = ""  # the folder of libraries that only its programs use


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
        # A suite of backports is no whole one: what its packages are linked with is in the suite below.
        suites = [suite] + ([suite.removesuffix("-backports")] if suite.endswith("-backports") else [])
        # What this system has installed may be newer, from a source that is none of these, and would be what apt wants to download.
        with open(f"{folder}/status", "w", encoding="ascii"):
            pass
        with open(f"{folder}/sources.list", "w", encoding="ascii") as out:
            out.write("".join(f"deb {signed}{mirror()} {name} main\n" for name in suites))
        self.options = ["-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null",
                        "-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::State::status={folder}/status",
                        "-o", f"Dir::Cache={folder}/cache", "-o", "Acquire::Languages=none",
                        "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root",
                        "-o", f"APT::Default-Release={suite}"]
        run(["apt-get", "-q"] + self.options + ["--error-on=any", "update"])

    def unpack(self, packages, folder):
        run(["apt-get", "-q"] + self.options + ["download"] + packages, cwd=self.folder)
        for name in packages:
            found = glob.glob(f"{self.folder}/{name}_*.deb")
            run(["dpkg", "-x", found[0], folder])

    def version(self, package):
        return re.findall(rf"{package}_([^_]*)_", " ".join(os.listdir(self.folder)))[0]

    def libraries_of(self, *packages):
        """The packages of libraries they depend on, under the names they have in this suite."""
        return sorted(set(re.findall(r"^ *Depends: (lib\S+)$", run(["apt-cache"] + self.options + ["depends", *packages]), re.M)))


def lacks(program):
    """Libraries that the system does not have, and versions of symbols that it does not have in its."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return (sorted(set(re.findall(r"(\S+) => not found", done.stdout))),
            sorted(set(re.findall(r"version `(\S+)' not found", done.stdout + done.stderr))))


def patch(program, words):
    """patchelf writes the file anew, and drops the bits for another user."""
    mode = os.stat(program).st_mode
    run(["patchelf", "--force-rpath"] + words + [program])
    os.chmod(program, mode & 0o7777)


def programs_of(path, release):
    """Those that are compiled, and its own libraries, which find others in the same way."""
    patterns = release.programs + ((f"{release.libraries}/*.so",) if release.libraries else ())
    for name in sorted(name for pattern in patterns for name in glob.glob(f"{path}/{pattern}") if os.path.isfile(name)):
        with open(name, "rb") as source:
            if source.read(4) == b"\x7fELF":
                yield name


def use_own_libraries(path, release):
    """Written into the programs: a variable of the environment would reach what they start. Each time, as the folder may have moved."""
    found = glob.glob(f"{path}/own/**/libc.so.6", recursive=True)
    place = os.path.dirname(found[0]) if found else f"{path}/own"
    loader = (glob.glob(f"{place}/ld-linux*.so.*") + glob.glob(f"{path}/own/**/ld-linux*.so.*", recursive=True) + [""])[0]
    if found and not loader:
        raise Missing("its C library is not where it was expected")
    places = ":".join(([f"{path}/{release.libraries}"] if release.libraries else []) + ([place] if os.path.isdir(place) else []))
    for program in programs_of(path, release):
        if run(["patchelf", "--print-rpath", program]).strip() != places:
            patch(program, ["--set-rpath", places] + (["--set-interpreter", loader] if loader and not program.endswith(".so") else []))


def fetch_libraries(apt, release, path):
    """Those that are missing, and what these miss in turn."""
    wanted, seen = apt.libraries_of(release.package), set()
    os.makedirs(f"{path}/own")
    use_own_libraries(path, release)
    while names := lacks(f"{path}/{release.programs[0]}")[0]:
        seen.update(wanted)
        apt.unpack(wanted, f"{path}/apt/own")
        there = {name: glob.glob(f"{path}/apt/own/**/{name}", recursive=True) for name in names}
        for name, found in there.items():
            if found:
                shutil.copy(found[0], f"{path}/own/{name}")
        if not any(there.values()):
            wanted = sorted(set(apt.libraries_of(*wanted)) - seen)
            if not wanted:
                raise Missing(f"there is no package with {', '.join(names)}")


def fetch(release, path):
    apt = Apt(release.suite, f"{path}/apt")
    apt.unpack([release.package], path)
    if not apt.version(release.package).startswith(release.version):
        raise Missing(f"{release.suite} has {release.package} {apt.version(release.package)} now")
    if release.libraries:
        use_own_libraries(path, release)
    names, versions = lacks(f"{path}/{release.programs[0]}")
    if versions:
        apt.unpack(apt.libraries_of(release.package), f"{path}/own")
    elif names:
        fetch_libraries(apt, release, path)
    shutil.rmtree(f"{path}/apt")


def unpacked(release, path):
    """Where the release lies, with its programs in their places below: this path."""
    if not os.path.exists(path):
        folder, name = os.path.split(path)
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as half:
            fetch(release, f"{half}/{name}")
            os.rename(f"{half}/{name}", path)
    if release.libraries or os.path.exists(f"{path}/own"):
        use_own_libraries(path, release)
    if not os.path.exists(f"{path}/own") and (missing := [name for part in lacks(f"{path}/{release.programs[0]}") for name in part]):
        raise Missing(f"{os.path.basename(release.programs[0])} {release.version} needs {', '.join(missing)}, "
                      f"which were here when it was unpacked: remove {path}")
    return path
