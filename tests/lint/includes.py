#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Who may include what: filters -> lua -> core, never back; within core, rooms in one direction; each library in its own files."""
import fnmatch
import os
import re
import sys

# room -> rooms it may see. "net.h" and "mtasts.h" are the seams in core/ itself.
ROOMS = {
    "core": {"core/base"},
    "core/base": set(),
    "core/sts": {"core/base"},
    "core/tlsrpt": {"core/base"},
    "core/store": {"core/base", "core/sts"},
    "core/net": {"core/base", "core/sts", "core/net.h"},
    "core/fake": {"core/base", "core/net.h"},
    "core/resolve": {"core/base", "core/sts", "core/tlsrpt", "core/store", "core/fake", "core/net.h"},
    "lua": {"core/*"},
    "filters": {"lua", "core/*"},
}
# header -> files that may include it
LIBRARIES = {
    "getdns/*": ["core/net/dns*", "core/net/getdns_loop.*"],
    "curl/*": ["core/net/https*", "core/net/multi*"],
    "openssl/*": ["core/net/starttls*", "core/net/trust*", "core/net/https*", "core/net/cert*"],
    "event2/*": ["core/net/*", "filters/*"],
    "sqlite3.h": ["core/store/*"],
    "idn2.h": ["core/base/*"],
    "jansson.h": ["core/tlsrpt/report*", "lua/bind_json.c", "filters/serve/json*"],
    "zlib.h": ["core/tlsrpt/*"],
    "gmime/*": ["lua/bind_mail.c"],
    "histedit.h": ["lua/bind_edit.c"],
    "lua.h": ["lua/*", "filters/*"],
    "lauxlib.h": ["lua/*", "filters/*"],
    "lualib.h": ["lua/*", "filters/*"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def room_of(path):
    parts = path.split("/")
    if parts[0] == "core" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def target_of(path, header):
    """The file of ours that a header means, or None."""
    for folder in (os.path.dirname(path), "core", "lua", "filters", "filters/opensmtpd", "filters/exim", "filters/serve"):
        candidate = os.path.normpath(os.path.join(folder, header))
        if os.path.exists(candidate):
            return candidate
    return None


def allowed(path, target):
    room, other = room_of(path), room_of(target)
    if room == other or target == "core/mtasts.h":
        return True
    seen = ROOMS.get(room, set())
    return any(fnmatch.fnmatch(other, pattern) or fnmatch.fnmatch(target, pattern) for pattern in seen)


def check(path):
    found = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            header = match.group(2)
            for library, places in LIBRARIES.items():
                if fnmatch.fnmatch(header, library) and not any(fnmatch.fnmatch(path, place) for place in places):
                    found.append(f"{path}:{number}: {header} belongs to {', '.join(places)} only")
            if match.group(1) == '"':
                target = target_of(path, header)
                if target is None:
                    found.append(f"{path}:{number}: {header}: no such file of ours; a library's header stands in <>")
                elif not allowed(path, target):
                    found.append(f"{path}:{number}: {room_of(path)} must not see {target}")
    return found


def main():
    found = []
    for top in ("core", "lua", "filters"):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    found += check(os.path.join(folder, name))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
