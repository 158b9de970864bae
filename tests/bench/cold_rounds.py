# SPDX-License-Identifier: ISC
"""Rounds of cold domains for a program of ours, and in turn with them for a bare client, which only fetches: the least that is possible here."""
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, f"{HERE}/../world")
sys.dont_write_bytecode = True
from servers import policyhosts  # noqa: E402

DOMAINS, CONCURRENCY, ROUNDS = 1000, 64, 5
ADDRESS = policyhosts.NGINX["ok"][0]
HANGING = "hang.test"  # its policy is fetched beside others; this GET is not counted


def run(world, command, gets):
    """What the program measured, and what the world saw. Ends the bench, and says why, if it fails or does not make just so many GETs."""
    world.seen()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    seen, made, end = {}, 0, time.monotonic() + 20
    while made < gets and time.monotonic() < end:  # servers write their logs after they answered
        world.settle()
        for key, count in world.seen().items():
            seen[key] = seen.get(key, 0) + count
        made = seen.get("get", 0) - seen.get(f"get mta-sts.{HANGING}", 0)
    if made != gets:
        sys.exit(f"bench: {' '.join(command)}: {made} GETs instead of {gets}")
    return json.loads(done.stdout), seen


def median(rounds, key):
    return statistics.median(key(result) for result, _ in rounds)


def each_cpu(result):
    return result["cpu_ms"] / result["lookups"]


def beside_bare(world, bare, command, aim_ms):
    """Measures command and the bare client in turn, and prints one line about both."""
    ours, least = [], []
    for _ in range(ROUNDS):
        least.append(run(world, [bare, world.ca_file, ADDRESS, str(DOMAINS), str(CONCURRENCY)], DOMAINS))
        ours.append(run(world, command, DOMAINS))
    each, each_bare = median(ours, each_cpu), median(least, each_cpu)
    times = statistics.median(each_cpu(a[0]) / each_cpu(b[0]) for a, b in zip(ours, least))
    rate = median(ours, lambda r: r["lookups"] / r["wall_ms"] * 1e3)
    questions = statistics.median(seen["dns"] / DOMAINS for _, seen in ours)
    print(f"{DOMAINS} cold domains, {CONCURRENCY} at once: {rate:.0f}/s with servers on the same machine; {each:.2f} ms of CPU each   "
          f"(aim: {aim_ms} ms){'' if each <= aim_ms else '   MISSED'}\n"
          f"  {times:.2f} times a bare client's {each_bare:.2f} ms, which has no DNS; each domain {questions:.2f} questions, 1 GET", flush=True)
