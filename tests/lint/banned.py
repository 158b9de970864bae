#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Functions that are not used here, each with the reason. Comments and strings do not count."""
import os
import re
import sys

BANNED = {
    "strcpy strcat stpcpy sprintf vsprintf gets": "writes without a limit: memcpy with a known length, or base/buf.h",
    "strncpy strncat": "may leave text without its end or cut it silently: memcpy, or base/buf.h",
    "strtok": "has hidden state: walk the span",
    "atoi atol atoll atof": "cannot tell an error: mts_number_parse",
    "scanf sscanf fscanf vsscanf": "forgives too much: read it by hand",
    "alloca": "the stack has no limit with a name: malloc or an array",
    "assert": "ends the mail server's process: return an error",
    "system popen": "a shell stands between: posix_spawn or nothing",
    "getenv secure_getenv": "settings are settings: only where the environment is the subject",
    "exit abort _exit quick_exit": "a library does not end its host",
    "localtime gmtime ctime asctime rand srand signal": "not safe with threads, or predictable: the _r form, getrandom, sigaction",
    "mktemp tmpnam tempnam": "another may take the name first: mkstemp",
}
# function -> places where it is right
ALLOWED = {
    "getenv": ("core/store/", "lua/mtasts.c", "lua/main.c", "lua/terminal.c", "filters/"),
    "secure_getenv": ("core/store/", "core/resolve/module.c", "lua/", "filters/"),
    "exit": ("lua/mtasts.c", "lua/main.c", "filters/opensmtpd/"),
    "_exit": ("lua/mtasts.c", "lua/main.c", "filters/opensmtpd/", "filters/exim/worker.c"),
}
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
WORDS = {name: why for names, why in BANNED.items() for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(WORDS) + r")\s*\(")


def blanked(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def main():
    bad = 0
    for top in ("core", "lua", "filters"):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.endswith((".c", ".h")):
                    continue
                with open(path, encoding="utf-8") as file:
                    text = NOISE.sub(blanked, file.read())
                for match in CALL.finditer(text):
                    word = match.group(1)
                    if path.startswith(ALLOWED.get(word, ())) and word in ALLOWED:
                        continue
                    line = text.count("\n", 0, match.start()) + 1
                    print(f"{path}:{line}: {word}: {WORDS[word]}")
                    bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
