#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sets up a world with cold domains for the program serve, and says what it measured."""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../world")
sys.dont_write_bytecode = True
import cold_rounds  # noqa: E402
from servers import namespace, tools  # noqa: E402

AIM_MS = 1.2


def main():
    program, bare = (os.path.realpath(path) for path in sys.argv[1:3])
    missing = tools.missing()
    if missing:
        print(f"SKIPPED: cold domains need the packages {', '.join(missing)}")
        return 0
    folder = namespace.enter([program, HERE])
    from servers.world import World
    world = World(folder)
    count = cold_rounds.DOMAINS
    world.tell({f"d{i}.bench.test": {"id": "b1", "mx": ["mx.bench.test"], "mode": "testing", "https": "ok"} for i in range(count)})
    cold_rounds.beside_bare(world, bare, [program, world.ca_file, str(count), str(cold_rounds.CONCURRENCY)], AIM_MS)
    world.stop()
    sys.stdout.flush()
    os._exit(0)  # threads of the world would go on; whatever fails before has ended this process with its own code


sys.exit(main())
