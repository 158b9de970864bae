#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""exim -be with an expansion that the store can answer, and without it: pairs that take turns, the median of each. Goal: 5 ms more."""
import os
import statistics
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [f"{HERE}/../exim", f"{HERE}/../world"]
sys.dont_write_bytecode = True
import config  # noqa: E402
import exim as real  # noqa: E402
import packages  # noqa: E402
from servers import covered, namespace, receiver, tools  # noqa: E402

PAIRS = 101
BARE = "${if eq{enforce.test}{}{}{mode=none}}"


def milliseconds(server, text):
    began = time.perf_counter()
    said = server.expand(text, timeout=None)  # with one Python looks at growing intervals whether the process has ended
    return (time.perf_counter() - began) * 1000, said


def compare(server, name, text, expected):
    with_it, without = [], []
    milliseconds(server, text)
    for turn in range(PAIRS):
        for ours in ((True, False) if turn % 2 else (False, True)):
            ms, said = milliseconds(server, text if ours else BARE)
            if ours and not said.startswith(expected):
                sys.exit(f"bench: {name}: {said!r}")
            (with_it if ours else without).append(ms)
    more = statistics.median(a - b for a, b in zip(with_it, without))
    print(f"  {name:44} {statistics.median(with_it):6.2f} ms, without {statistics.median(without):6.2f} ms: {more:.2f} ms more", flush=True)


def measure(folder, version, release, build):
    from servers.world import World
    world = World(folder, receiver.Receiver)
    real.cover(folder, world)
    server = real.Exim(folder, "exim", release, real.PLAIN)
    covered.install(folder, build)
    settings, printed = config.Settings(folder, f"{HERE}/../exim/ruled.lua"), config.Printed(server.program)
    server.configure(printed.enforcing())
    world.tell({"enforce.test": {"id": "b1", "mx": ["mx.enforce.test"], "https": "ok"}})
    policy = printed.call("policy", "enforce.test")
    print(f"Exim {version}, exim -be, {PAIRS} pairs, medians; aim for what the store has: 5 ms more")
    print(f"  a miss, with servers on the same machine: {milliseconds(server, policy)[0]:.1f} ms")
    compare(server, "mtasts_policy, the store has it", policy, "mode=enforce")
    compare(server, "mtasts_event, one that is not known", printed.call("event", "x"), "")
    settings.set(rules=settings.rules)
    compare(server, "mtasts_policy, the same with rules", policy, "mode=enforce")
    compare(server, "mtasts_call", printed.call("call", "held", "held", "ruled.test"), "")
    world.stop()


def main():
    build = os.path.realpath(sys.argv[1])
    if os.getuid() != 0:
        print("SKIPPED: a real Exim changes between users, so this needs root")
        return 0
    if missing := tools.missing():
        print(f"SKIPPED: needs the packages {', '.join(missing)}")
        return 0
    failed = False
    for version in ("4.96", "4.98"):
        try:
            release = packages.unpacked(version, f"{build}/exim")
        except packages.Missing as error:
            print(f"SKIPPED: Exim {version} cannot be had: {error}", flush=True)
            continue
        if child := os.fork():
            failed |= os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
            continue
        folder = namespace.enter([build, HERE, release, f"{HERE}/../exim"], all_users=True)
        code = 1
        try:
            measure(folder, version, release, build)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return failed


sys.exit(main())
