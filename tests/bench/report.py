#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""TLS reporting through the command line: sessions are counted, a day of 10^6 of them over 10^4 domains is written, 10^4 reports are read."""
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = f"{sys.argv[1]}/mtasts"
DOMAINS, ROWS, EACH = 10000, 10, 10  # rows of a domain, sessions of a row
COUNTED = 20000
ROUNDS = 3
SCRIPT = """local mtasts = require 'mtasts'
local domains, rounds = tonumber(arg[2]), tonumber(arg[3])
local world = mtasts.fake()
mtasts.configure { store = arg[1], log = 'none' }
for i = 1, domains do
  local name = 'customer-' .. i .. '.example'
  world:dns('_mta-sts.' .. name .. ' TXT', { 'v=STSv1; id=20260101;' })
  world:dns('mta-sts.' .. name .. ' A', { '192.0.2.1' })
  world:https('mta-sts.' .. name, { body = 'version: STSv1\\nmode: enforce\\nmx: *.' .. name .. '\\nmax_age: 604800\\n' })
  assert(mtasts.lookup(name, { depth = 'policy' }))
end
local results = { false, false, false, 'cert-expired', 'cert-name' }
for round = 1, rounds do
  for i = 1, domains do
    local name, host = 'customer-' .. i .. '.example', 'mx' .. (round % 2 + 1)
    assert(mtasts.record_session { domain = name, type = 'sts', mx = host .. '.' .. name, address = '192.0.2.' .. (round // 2 % 200 + 1),
      source = '198.51.100.1', helo = host, result = results[round % 5 + 1] or nil })
  end
end
"""


def run(*words, good=0):
    """(seconds, MB at most) of one process that ends with this exit code."""
    began = time.perf_counter()
    child = subprocess.Popen([PROGRAM, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != good:
        sys.exit(f"bench: mtasts {' '.join(words)}: exit code {child.returncode}")
    return time.perf_counter() - began, used.ru_maxrss / 1024


def main():
    with tempfile.TemporaryDirectory() as folder:
        script, store, out = f"{folder}/count.lua", f"{folder}/s.db", f"{folder}/out"
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT)

        def count(domains, rounds, into=store):
            return run("run", script, into, str(domains), str(rounds))[0]

        each = []
        for number in range(ROUNDS):
            none, some = (count(100, rounds, f"{folder}/{number}-{rounds}.db") for rounds in (0, COUNTED // 100))
            each.append((some - none) / COUNTED * 1e6)
        print(f"a session is counted                      {statistics.median(each):7.1f} us   (aim: 100)", flush=True)

        count(DOMAINS, ROWS)
        with sqlite3.connect(store) as db:
            db.execute("UPDATE session SET day = day - 1, count = count * ?", (EACH,))
            rows, sessions = db.execute("SELECT count(*), sum(count) FROM session").fetchone()
        print(f"a day of {sessions} sessions in {rows} rows over {DOMAINS} domains")
        who = ("--organization", "Example Ltd", "--contact", "tls@example.net")
        for number in range(ROUNDS):
            os.mkdir(f"{out}{number}")
        found = [run("--store", store, "report", "write", "--output", f"{out}{number}", *who) for number in range(ROUNDS)]
        print(f"  is written                              {statistics.median(s for s, _ in found):7.2f} s    (aim: 5)")
        print(f"  in at most                              {statistics.median(mb for _, mb in found):7.1f} MB   (aim: 64)", flush=True)
        reports = len(os.listdir(f"{out}0"))
        os.sync()  # what was written shall not be on its way to the disk while others are read
        found = [run("--json", "report", "show", f"{out}0", good=1) for _ in range(ROUNDS)]
        print(f"{reports} reports are read                   {statistics.median(s for s, _ in found):7.2f} s    (aim: 5)")
        print(f"  in at most                              {statistics.median(mb for _, mb in found):7.1f} MB")


main()
