# SPDX-License-Identifier: ISC
"""An /etc, a /run, a /var/lib of our own, where a mail server finds what is compiled into it; and mtasts, installed."""
import os
import shutil
import subprocess

from . import namespace

PREFIX = "/usr/local"  # in our namespace there is nothing else in it
FOLDERS = ("/etc", "/dev", "/run", "/var/lib", "/var/log", PREFIX)


def hidden(path):
    """Why nothing below this path could be used after cover; None: it could."""
    below = [folder for folder in FOLDERS if os.path.realpath(path).startswith(os.path.realpath(folder) + "/")]
    return f"{path} lies below {below[0]}, which the tests cover" if below else None


def add(path, name, line):
    with open(path, encoding="utf-8") as source:
        known = any(known.startswith(f"{name}:") for known in source)
    if not known:
        with open(path, "a", encoding="utf-8") as out:
            out.write(line)


def cover(folder, world, users, fresh, options="options trust-ad\n"):
    """For this namespace only. users: {name: number}, with a group each, which this system may lack; fresh: folders below /etc that are
    empty; options: of resolv.conf. Our authority is the system's."""
    etc = f"{folder}/etc"
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    for name, number in users.items():
        add(f"{etc}/passwd", name, f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
        add(f"{etc}/group", name, f"{name}:x:{number}:\n")
    for name in (*fresh, "ssl/certs"):
        shutil.rmtree(f"{etc}/{name}", ignore_errors=True)
        os.makedirs(f"{etc}/{name}")
    shutil.copy(world.ca_file, f"{etc}/ssl/certs/ca-certificates.crt")
    with open(f"{etc}/hosts", "w", encoding="ascii") as out:
        out.write("127.0.0.1 localhost\n")
    resolv = f"{etc}/resolv.conf"  # often a link
    os.unlink(resolv)
    with open(resolv, "w", encoding="ascii") as out:
        out.write(f"nameserver 127.0.0.1\n{options}")
    namespace.mount(etc, "/etc", flags=namespace.MS_BIND)
    for path in ("/run", "/var/lib", "/var/log"):
        namespace.mount("tmpfs", path, "tmpfs", data="size=64m,mode=0755")


def install(folder, build):
    """mtasts, as ./build.sh install does it."""
    os.makedirs(f"{folder}/installed")
    namespace.mount("tmpfs", f"{folder}/installed", "tmpfs", data="size=256m,mode=0755")
    subprocess.run(["cmake", "--install", build, "--prefix", PREFIX], check=True, stdout=subprocess.DEVNULL, timeout=120,
                   env=os.environ | {"DESTDIR": f"{folder}/installed"})
    namespace.mount(f"{folder}/installed{PREFIX}", PREFIX, flags=namespace.MS_BIND)
