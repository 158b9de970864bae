# SPDX-License-Identifier: ISC
"""An own network, mounts and process table, without privileges (or, for servers that change between users, with root's).

enter() returns in a child that is process 1 of its own namespace: when it ends, however it ends, the kernel ends all servers it
started, and its files vanish with the tmpfs they live on. The parent waits, hands signals on and exits with the child's code.
"""
import ctypes
import os
import signal
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x04000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SKIP = 77  # SKIP_RETURN_CODE of ctest

libc = ctypes.CDLL(None, use_errno=True)


class NotPermitted(Exception):
    pass


def check(result, what):
    if result != 0:
        raise NotPermitted(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    text = [part.encode() if part is not None else None for part in (source, target, kind)]
    check(libc.mount(text[0], text[1], text[2], ctypes.c_ulong(flags), data.encode() if data else None), f"mount on {target}")


def unmount(target):
    check(libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def unshare(all_users):
    if all_users:
        check(libc.unshare(CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID), "unshare (network, mount, pid and host name namespace)")
        return
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID), "unshare (user, network, mount and pid namespace)")
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as out:
                out.write(text)
    except OSError as error:
        raise NotPermitted(str(error)) from error


def folder_to_cover(protected):
    """A folder every system has and we may hide: the world's files live on a tmpfs there and can never be left behind."""
    for folder in ("/mnt", "/media", "/srv", "/opt"):
        if os.path.isdir(folder) and not any(os.path.realpath(path).startswith(folder + "/") for path in protected):
            return folder
    raise NotPermitted("no folder to mount the world's files on (/mnt, /media, /srv, /opt)")


def inside(protected):
    """In process 1 of the namespace: files, addresses, resolver. Returns the world's folder."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    folder = folder_to_cover(protected)
    mount("tmpfs", folder, "tmpfs", data="size=128m,mode=0755")
    try:
        mount("proc", "/proc", "proc")  # of this process table: the leak checker of a sanitized program looks there
    except NotPermitted:
        pass  # in some containers; only a sanitized program would miss it
    resolv = os.path.join(folder, "resolv.conf")
    with open(resolv, "w", encoding="ascii") as out:
        out.write("nameserver 127.0.0.1\n")
    if os.path.exists("/etc/resolv.conf"):
        mount(resolv, os.path.realpath("/etc/resolv.conf"), flags=MS_BIND)
    commands = ["link set lo up"]
    # A whole subnet on lo: each of its addresses answers. Documentation addresses count as public.
    commands += [f"address add {address} dev lo" for address in
                 ("192.0.2.1/24", "198.51.100.1/24", "203.0.113.1/24", "10.1.2.3/32", "169.254.1.1/32", "100.64.0.1/32",
                  "2001:db8::10/128", "2001:db8::25/128", "fd00::10/128", "fe80::10/64")]
    batch = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, capture_output=True)
    if batch.returncode != 0:
        raise NotPermitted("ip: " + batch.stderr.strip())
    return folder


def permitted(all_users=False):
    """Whether enter would get as far as its own namespaces."""
    child = os.fork()
    if child == 0:
        try:
            unshare(all_users)
            os._exit(0)
        except NotPermitted:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter(protected, all_users=False):
    """Returns the world's folder, in a child. Exits with SKIP, and says so, when namespaces are not permitted.
    all_users: all users of the system exist within, and a host name of its own; this needs root. Otherwise there is only oneself."""
    parent = os.getpid()
    try:
        unshare(all_users)
    except NotPermitted as error:
        print(f"SKIPPED: the test world needs namespaces, which are not permitted here ({error})", flush=True)
        sys.exit(SKIP)
    child = os.fork()
    if child:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
        while True:
            try:
                _, status = os.waitpid(child, 0)
                break
            except InterruptedError:
                continue
        sys.stdout.flush()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() not in (0, parent):
        os._exit(1)

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hands it on as SIGTERM, once
    try:
        return inside(protected)
    except NotPermitted as error:
        print(f"SKIPPED: the test world cannot be set up here ({error})", flush=True)
        os._exit(SKIP)
