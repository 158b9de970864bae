#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What every file of the repository keeps to: a licence line, no tabs, no trailing blanks, a last newline, UTF-8, length of C files."""
import os
import re
import sys

SOURCE = (".c", ".h", ".lua", ".sh", ".py")
TEXT = SOURCE + (".md", ".txt", ".cmake", ".yml", ".yaml", ".1", ".3", ".5", ".7", ".8", ".conf", ".in", ".supp", ".tsv")
DATA = ("tests/fuzz/corpus/", "tests/conformance/", "tests/data/", "tests/fixtures/")  # bytes as they must be
TABS = (".tsv",)  # tabs are their format
LINES_MAX = 600  # a file has one subject; about 500 is the aim


def files():
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(f for f in folders if f not in (".git", "__pycache__") and not (folder == "." and re.match(r"build(-|$)", f)))
        yield from (os.path.normpath(os.path.join(folder, name)) for name in sorted(names))


def check(path):
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except (FileNotFoundError, IsADirectoryError):
        return []
    script = raw.startswith(b"#!")
    if path.startswith(DATA) or not (path.endswith(TEXT) or script):
        return []
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"{path}: not UTF-8 at byte {error.start}"]
    found = []
    if not text:
        return []
    lines = text.split("\n")
    if (path.endswith(SOURCE) or script) and not any("SPDX-License-Identifier: ISC" in line for line in lines[:3]):
        found.append(f"{path}:1: no SPDX-License-Identifier: ISC in the first lines")
    if text and not text.endswith("\n"):
        found.append(f"{path}:{len(lines)}: the last line does not end")
    for number, line in enumerate(lines, 1):
        if "\t" in line and not path.endswith(TABS):
            found.append(f"{path}:{number}: tab")
        if re.search(r"[ \t\r]$", line) and not path.endswith(TABS):
            found.append(f"{path}:{number}: blank at the end of the line")
        if ".." + "/shared" in line and path != ".ci/run":
            found.append(f"{path}:{number}: names a folder outside of the repository")
    if path.endswith((".c", ".h")) and path.startswith(("core/", "lua/", "filters/")) and len(lines) > LINES_MAX and path != "core/mtasts.h":
        found.append(f"{path}: {len(lines)} lines, more than {LINES_MAX}: it has more than one subject")
    return found


def main():
    found = [line for path in files() for line in check(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
