#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""libmtasts exports what mtasts.h declares, no more and no less; the network module exports its one symbol.

usage: symbols.py BUILD
"""
import os
import re
import subprocess
import sys


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()[-2] in "TDBRVW"}


def declared(header):
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    return set(re.findall(r"^MTS_PUBLIC\b[^;(]*?\b(mts_\w+)\s*\(", text, re.M))


def compare(what, is_there, should):
    for name in sorted(is_there - should):
        print(f"{what}: exports {name}, which is not public")
    for name in sorted(should - is_there):
        print(f"{what}: {name} is declared but not exported")
    return is_there != should


def main():
    build = sys.argv[1]
    public = declared("core/mtasts.h")
    if len(public) < 20:
        print("core/mtasts.h: the declarations are not understood any more")
        return 1
    bad = compare("libmtasts", exported(os.path.join(build, "lib/libmtasts.so")), public)
    bad |= compare("mtasts-net", exported(os.path.join(build, "lib/mtasts-net.so")), declared("core/net.h"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
