#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sets up a world for the program cold and says what it measured."""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../world")
sys.dont_write_bytecode = True
from servers import namespace, tools  # noqa: E402

DOMAINS = 1000
ROUNDS = 5


def cold(program, world, name, number, concurrency):
    world.seen()
    done = subprocess.run([program, world.ca_file, name, str(number), str(concurrency)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"bench: {name} failed: {done.stdout}{done.stderr}")
    world.settle()
    return json.loads(done.stdout), world.seen()


def median(rounds, key):
    return statistics.median(key(result) for result, _ in rounds)


def policy(domain):
    return {"id": "b1", "mx": ["*.bench.test"], "https": domain}


def main():
    program = os.path.realpath(sys.argv[1])
    missing = tools.missing()
    if missing:
        print(f"SKIPPED: needs the packages {', '.join(missing)}")
        return 0
    folder = namespace.enter([program, HERE])
    from servers.world import World
    world = World(folder)
    print(f"setting up {DOMAINS} domains ...", flush=True)
    world.tell({f"d{i}.bench.test": policy("ok") for i in range(DOMAINS)} | {"hang.test": policy("silent-http")})

    rounds = [cold(program, world, "distinct", DOMAINS, 64) for _ in range(ROUNDS)]
    rate = median(rounds, lambda r: r["lookups"] / r["wall_ms"] * 1e3)
    each = median(rounds, lambda r: r["cpu_ms"] / r["lookups"])
    print(f"{DOMAINS} cold domains, 64 at once: {rate:.0f}/s with servers on the same machine; {each:.2f} ms of CPU each, so "
          f"{1e3 / each:.0f}/s per core   (aim: 5 ms, 300/s)", flush=True)

    rounds = [cold(program, world, "distinct", 100, 1) for _ in range(ROUNDS)]
    print(f"one cold domain after the other: {median(rounds, lambda r: r['wall_ms'] / r['lookups']):.2f} ms each, "
          f"{median(rounds, lambda r: r['cpu_ms'] / r['lookups']):.2f} ms of CPU", flush=True)

    result, seen = cold(program, world, "equal", 100, 100)
    print(f"100 equal cold lookups: {seen.get('TXT _mta-sts.d0.bench.test', 0)} TXT question, {seen.get('get', 0)} GET, "
          f"{result['wall_ms']:.1f} ms", flush=True)

    pairs = [(cold(program, world, "distinct", 100, 16)[0], cold(program, world, "hanging", 100, 16)[0]) for _ in range(ROUNDS)]
    alone, beside = (statistics.median(pair[i]["slowest_ms"] for pair in pairs) for i in (0, 1))
    print(f"slowest of 100 lookups: {alone:.1f} ms, beside a policy host that hangs {beside:.1f} ms ({beside / alone:.2f} times)", flush=True)

    world.stop()
    sys.stdout.flush()
    os._exit(0)


sys.exit(main())
