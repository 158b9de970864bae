#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sets up a world with cold domains for the program serve, and says what it measured."""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../world")
sys.dont_write_bytecode = True
from servers import namespace, tools  # noqa: E402

DOMAINS, CONCURRENCY, ROUNDS, AIM_MS = 1000, 64, 5, 1.2


def main():
    program = os.path.realpath(sys.argv[1])
    missing = tools.missing()
    if missing:
        print(f"SKIPPED: cold domains need the packages {', '.join(missing)}")
        return 0
    folder = namespace.enter([program, HERE])
    from servers.world import World
    world = World(folder)
    world.tell({f"d{i}.bench.test": {"id": "b1", "mx": ["mx.bench.test"], "mode": "testing", "https": "ok"} for i in range(DOMAINS)})
    rounds = []
    for _ in range(ROUNDS):
        done = subprocess.run([program, world.ca_file, str(DOMAINS), str(CONCURRENCY)], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"bench: cold domains failed: {done.stdout}{done.stderr}")
        rounds.append(json.loads(done.stdout))
        world.settle()
    each = statistics.median(result["cpu_ms"] / result["lookups"] for result in rounds)
    rate = statistics.median(result["lookups"] / result["wall_ms"] * 1e3 for result in rounds)
    print(f"{DOMAINS} cold domains, {CONCURRENCY} at once: {rate:.0f}/s with servers on the same machine; {each:.2f} ms of CPU each   "
          f"(aim: {AIM_MS} ms){'' if each <= AIM_MS else '   MISSED'}", flush=True)
    world.stop()
    sys.stdout.flush()
    os._exit(0)


sys.exit(main())
