#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sets up a world for the program cold and says what it measured."""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../world")
sys.dont_write_bytecode = True
import cold_rounds  # noqa: E402
from cold_rounds import CONCURRENCY, DOMAINS, HANGING, ROUNDS, each_cpu, median  # noqa: E402
from servers import namespace, tools  # noqa: E402

AIM_MS = 5


def cold(program, world, name, number, concurrency):
    return cold_rounds.run(world, [program, world.ca_file, name, str(number), str(concurrency)], 1 if name == "equal" else number)


def policy(domain):
    return {"id": "b1", "mx": ["*.bench.test"], "https": domain}


def main():
    program, bare = (os.path.realpath(path) for path in sys.argv[1:3])
    missing = tools.missing()
    if missing:
        print(f"SKIPPED: needs the packages {', '.join(missing)}")
        return 0
    folder = namespace.enter([program, HERE])
    from servers.world import World
    world = World(folder)
    print(f"setting up {DOMAINS} domains ...", flush=True)
    world.tell({f"d{i}.bench.test": policy("ok") for i in range(DOMAINS)} | {HANGING: policy("silent-http")})

    cold_rounds.beside_bare(world, bare, [program, world.ca_file, "distinct", str(DOMAINS), str(CONCURRENCY)], AIM_MS)

    rounds = [cold(program, world, "distinct", 100, 1) for _ in range(ROUNDS)]
    print(f"one cold domain after the other: {median(rounds, lambda r: r['wall_ms'] / r['lookups']):.2f} ms each, "
          f"{median(rounds, each_cpu):.2f} ms of CPU", flush=True)

    result, seen = cold(program, world, "equal", 100, 100)
    print(f"100 equal cold lookups: {seen.get('TXT _mta-sts.d0.bench.test', 0)} TXT question, {seen.get('get', 0)} GET, "
          f"{result['wall_ms']:.1f} ms", flush=True)

    pairs = [(cold(program, world, "distinct", 100, 16)[0], cold(program, world, "hanging", 100, 16)[0]) for _ in range(ROUNDS)]
    alone, beside = (statistics.median(pair[i]["slowest_ms"] for pair in pairs) for i in (0, 1))
    print(f"slowest of 100 lookups: {alone:.1f} ms, beside a policy host that hangs {beside:.1f} ms ({beside / alone:.2f} times)", flush=True)

    world.stop()
    sys.stdout.flush()
    os._exit(0)  # threads of the world would go on; whatever fails before has ended this process with its own code


sys.exit(main())
