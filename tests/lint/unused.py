#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Each function of the tests in Python is named somewhere else, too: a test that is in no list passes for ever."""
import os
import re
import sys

BEGINS = re.compile(r"^#!.*\bpython3?$")
FUNCTION = re.compile(r"^(?:async )?def (\w+)\(", re.MULTILINE)


def sources():
    for folder, _, names in os.walk("tests"):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as source:
                text = source.read()
            if name.endswith(".py") or BEGINS.match(text.split("\n", 1)[0]):
                yield os.path.join(folder, name), text


def main():
    texts = dict(sources())
    words = {}
    for text in texts.values():
        for word in re.findall(r"\w+", text):
            words[word] = words.get(word, 0) + 1
    found = [f"{path}: {name} is called by nobody" for path, text in sorted(texts.items()) for name in FUNCTION.findall(text)
             if words[name] == 1]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found or not words else 0


sys.exit(main())
