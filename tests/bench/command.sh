#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What one "mtasts lookup" costs that the store can answer, against /bin/true: 41 pairs, one after the other, the median. Goal: 5 ms more.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export STORE=$folder/store.db
program=${MTASTS_BUILD:-$here/../../build}/mtasts
NOW=$(date +%s) "$program" lookup --rules "$here/../cli/world.lua" enforce.test >"$folder/told"
python3 - "$program" "$STORE" <<'PYTHON'
import statistics
import subprocess
import sys
import time

program, store = sys.argv[1:]
lookup = [program, "lookup", "--store", store, "--policy-only", "--cached", "enforce.test"]


def milliseconds(command):
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


milliseconds(lookup)
pairs = [(milliseconds(["/bin/true"]), milliseconds(lookup)) for _ in range(41)]
for name, values in (("/bin/true", [a for a, _ in pairs]), ("mtasts lookup --policy-only --cached", [b for _, b in pairs]),
                     ("difference", [b - a for a, b in pairs])):
    print(f"{name:40} {statistics.median(values):7.2f} ms")
PYTHON
