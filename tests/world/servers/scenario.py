# SPDX-License-Identifier: ISC
"""One scenario: reads its file, plays its steps against the program and says what differs from what was expected. See README.md."""
import copy
import glob
import hashlib
import json
import os
import re
import shlex
import subprocess
import time
import tomllib

from . import namespace
from .world import PROXY

ROOT = os.path.realpath(f"{os.path.dirname(__file__)}/../../..")
STEP_KEYS = """about at domain drop faults run processes set rules script expect expects trace trace_not exit count stdout stderr stderr_not
store store_same faster slower within nameserver environment""".split()
FILE_KEYS = ["title", "source", "cases", "domain", "faults", "set", "rules", "rules_file", "step"]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}


class Malformed(Exception):
    """The scenario itself is wrong."""


def seconds(text):
    m = re.fullmatch(r"([+-]?)((?:\d+[smhdwy])+)", text)
    if not m:
        raise Malformed(f"no time: {text!r}; write +3d, +1h30m")
    total = sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)([smhdwy])", m[2]))
    return -total if m[1] == "-" else total


def fill_in(value, case):
    """"$word" stands for the case's value, of whatever type; within a longer text for its text."""
    if isinstance(value, dict):
        return {fill_in(key, case): fill_in(inside, case) for key, inside in value.items()}
    if isinstance(value, list):
        return [fill_in(inside, case) for inside in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$(\w+)", value)
    if whole and whole[1] in case:
        return case[whole[1]]
    return re.sub(r"\$(\w+)", lambda m: str(case.get(m[1], m[0])), value)


def read(path):
    """The scenarios of a file: one, or one per case."""
    with open(path, "rb") as source:
        data = tomllib.load(source)
    scenarios = []
    for case in data.pop("cases", [{}]):
        for word in case:
            if f"${word}" not in str(data):
                raise Malformed(f"nothing uses ${word} of the cases")
        scenarios.append(checked(fill_in(data, case)))
        if case and re.search(r"'\$\w+'", str(scenarios[-1])):
            raise Malformed(f"a $word is in no case: {scenarios[-1]['title']}")
    return scenarios


def checked(data):
    for key in set(data) - set(FILE_KEYS):
        raise Malformed(f"unknown key {key!r}; known are {', '.join(FILE_KEYS)}")
    for key in ("title", "source", "step"):
        if key not in data:
            raise Malformed(f"no {key}")
    for step in data["step"]:
        for key in set(step) - set(STEP_KEYS):
            raise Malformed(f"unknown key {key!r} in a step; known are {', '.join(STEP_KEYS)}")
    return data


def faketime_library():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def compare(expected, got, now, where="", differences=None):
    """Partial: a table's further keys do not matter, a list's further elements do."""
    differences = [] if differences is None else differences
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            differences.append(f"{where or 'answer'}: expected a table, got {json.dumps(got)}")
            return differences
        for key, value in expected.items():
            path = f"{where}.{key}" if where else key
            if value == "absent":
                if got.get(key) is not None:
                    differences.append(f"{path}: expected none, got {json.dumps(got[key])}")
            elif key not in got:
                differences.append(f"{path}: expected {json.dumps(value)}, got nothing")
            else:
                compare(value, got[key], now, path, differences)
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            differences.append(f"{where}: expected {len(expected)} elements, got {json.dumps(got)}")
        else:
            for i, (e, g) in enumerate(zip(expected, got)):
                compare(e, g, now, f"{where}[{i + 1}]", differences)
    elif not equal(expected, got, now):
        differences.append(f"{where}: expected {json.dumps(expected)}, got {json.dumps(got)}")
    return differences


def equal(expected, got, now):
    if isinstance(expected, str):
        m = re.fullmatch(r"now([+-]\S+)?", expected)
        if m:
            return isinstance(got, (int, float)) and abs(got - (now + (seconds(m[1]) if m[1] else 0))) <= 20
        m = re.fullmatch(r"(>=|<=)\s*(\d+)", expected)
        if m:
            return isinstance(got, (int, float)) and (got >= int(m[2]) if m[1] == ">=" else got <= int(m[2]))
        if expected.startswith("~"):
            return isinstance(got, str) and re.search(expected[1:], got) is not None
        if "|" in expected:
            return got in expected.split("|")
    return type(expected) is type(got) and expected == got


def trace_words(answer):
    return [(step["what"], step.get("code", "ok")) for step in answer.get("trace") or []]


def compare_trace(wanted, unwanted, answer):
    """wanted: in this order, others may stand between them."""
    words, differences, at = trace_words(answer), [], 0
    text = lambda w: w[0] if w[1] == "ok" else f"{w[0]} {w[1]}"
    fits = lambda word, entry: word in (entry[0], f"{entry[0]} {entry[1]}")
    for word in wanted:
        while at < len(words) and not fits(word, words[at]):
            at += 1
        if at == len(words):
            differences.append(f"trace: expected {wanted}, got {[text(w) for w in words]}")
            break
        at += 1
    for word in unwanted:
        if any(fits(word, entry) for entry in words):
            differences.append(f"trace: {word!r} should not be there, got {[text(w) for w in words]}")
    return differences


class Store:
    """The store's folder is a file system of its own, so that it can be full or read-only."""

    def __init__(self, folder):
        self.folder, self.mounted = folder, False
        self.path = f"{folder}/mtasts.db"
        self.capped = False

    def fresh(self, size="64m"):
        self.clear()
        os.makedirs(self.folder, exist_ok=True)
        namespace.mount("tmpfs", self.folder, "tmpfs", data=f"size={size},mode=0755")
        self.mounted = True

    def clear(self):
        if self.mounted:
            namespace.unmount(self.folder)
        self.mounted, self.capped, self.path = False, False, f"{self.folder}/mtasts.db"

    def act(self, what):
        if what == "none":
            self.path = "none"
        elif what == "damage-head":
            self.overwrite(0, 4096)
        elif what == "damage-pages":
            self.overwrite(4096, os.path.getsize(self.path) - 4096)
        elif what == "empty":
            open(self.path, "wb").close()
        elif what == "cut":
            os.truncate(self.path, os.path.getsize(self.path) // 2)
        elif what == "text":
            with open(self.path, "w", encoding="ascii") as out:
                out.write("this is no database, but somebody's notes\n" * 100)
        elif what == "forbidden":  # the program runs without root's right to pass by
            self.capped = True
            os.chmod(self.path, 0)
        elif what == "read-only":
            namespace.mount("tmpfs", self.folder, "tmpfs", namespace.MS_REMOUNT | namespace.MS_RDONLY)
        elif what == "full":
            namespace.mount("tmpfs", self.folder, "tmpfs", namespace.MS_REMOUNT, "size=256k")
            try:
                with open(f"{self.folder}/filler", "wb", buffering=0) as out:
                    while True:
                        out.write(b"x" * 4096)
            except OSError:
                pass
        elif what == "room":
            os.unlink(f"{self.folder}/filler")
        elif what == "directory":
            os.makedirs(self.path)
        elif what == "no-folder":
            self.path = f"{self.folder}/not/there/mtasts.db"
        else:
            raise Malformed(f"no way to treat a store is called {what!r}")

    def overwrite(self, begin, size):
        with open(self.path, "r+b") as out:
            out.seek(begin)
            out.write(os.urandom(size))

    def digest(self):
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if os.path.isfile(f"{self.folder}/{name}") and not name.endswith("-shm"):
                with open(f"{self.folder}/{name}", "rb") as source:
                    found[name] = hashlib.sha256(source.read()).hexdigest()
        return found


class Runner:
    def __init__(self, world, program, verbose=False):
        self.world, self.program, self.verbose = world, program, verbose
        self.store = Store(f"{world.folder}/store")
        self.faketime = faketime_library()
        linked = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        self.sanitizer = [m[1] for m in [re.search(r"=> (\S*lib(?:clang_rt\.)?asan\S*)", linked)] if m]
        self.clock_works = not self.sanitizer or self.starts_with_other_clock()

    def starts_with_other_clock(self):
        """Under the address sanitizer the libfaketime of Debian 13 waits for itself for ever, before main."""
        environment = os.environ | {"LD_PRELOAD": ":".join(self.sanitizer + [self.faketime]), "FAKETIME": "+1s"}
        try:
            subprocess.run([self.program, "--version"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=20)
        except subprocess.TimeoutExpired:
            return False
        return True

    def impossible(self, data):
        """Why this scenario cannot be played here; None: it can."""
        if not self.clock_works and any("at" in step and seconds(step["at"]) for step in data["step"]):
            return "libfaketime hangs with this address sanitizer"
        return None

    def command(self, step, data, offset):
        """The words of the command, its environment."""
        words = [self.program, "--store", self.store.path, "--ca-file", self.world.ca_file]
        faults = self.faults
        nameserver = step.get("nameserver", PROXY if faults else None)
        if nameserver:
            words += ["--nameserver", nameserver]
        for setting in data.get("set", []) + step.get("set", []):
            words += ["--set", setting.replace("ANCHORS", f"{self.world.folder}/dns/anchor")]
        for key, name in (("rules", "rules.lua"), ("script", "script.lua")):
            text = step.get(key, data.get(key))
            if key == "rules" and "rules_file" in data:
                with open(f"{ROOT}/{data['rules_file']}", encoding="utf-8") as source:
                    text = source.read()
            if text:
                with open(f"{self.world.folder}/{name}", "w", encoding="utf-8") as out:
                    out.write(text)
                if key == "rules":
                    words += ["--rules", f"{self.world.folder}/{name}"]
        run = shlex.split(step.get("run", "lookup example.test").replace("SCRIPT", f"{self.world.folder}/script.lua"))
        if run[0] == "lookup":
            run += [option for option in ("--json", "--trace") if option not in run]
        environment = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD",)}
        environment |= step.get("environment", {})
        environment |= {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "HOME": self.world.folder, "XDG_STATE_HOME": self.world.folder + "/state"}
        if offset:
            environment |= {"LD_PRELOAD": ":".join(self.sanitizer + [self.faketime]), "FAKETIME": f"{offset:+d}s",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", "DONT_FAKE_MONOTONIC": "1"}
        if self.store.capped:
            words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] + words
        return words + run, environment

    def play(self, data):
        """Returns (differences, story of the failing step)."""
        self.store.fresh()
        self.domains, self.faults = copy.deepcopy(data.get("domain", {})), dict(data.get("faults", {}))
        told = None
        for number, step in enumerate(data["step"], 1):
            for name, table in step.get("domain", {}).items():
                self.domains.setdefault(name, {}).update(table)
                for key in [k for k, v in table.items() if v == "unset"]:
                    del self.domains[name][key]
            for name in step.get("drop", []):
                del self.domains[name]
            if "faults" in step:
                self.faults = step["faults"]
            if (self.domains, self.faults) != told:
                self.world.tell(self.domains, self.faults)
                told = (copy.deepcopy(self.domains), dict(self.faults))
            for what in [step["store"]] if isinstance(step.get("store"), str) else step.get("store", []):
                self.store.act(what)
            differences, story = self.step(step, data)
            if differences:
                return [f"step {number}{' (' + step['about'] + ')' if 'about' in step else ''}: {d}" for d in differences], story
            if self.verbose:
                print(story)
        return [], ""

    def step(self, step, data):
        offset = seconds(step["at"]) if "at" in step else 0
        words, environment = self.command(step, data, offset)
        before = self.store.digest() if "store_same" in step else None
        self.world.settle()
        self.world.seen()
        began = time.monotonic()
        now = time.time() + offset
        limit = step.get("within", 30)
        runs = [subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 cwd=self.world.folder) for _ in range(step.get("processes", 1))]
        results, differences = [], []
        for run in runs:
            try:
                out, err = run.communicate(timeout=max(0.1, limit - (time.monotonic() - began)))
            except subprocess.TimeoutExpired:
                run.kill()
                out, err = run.communicate()
                differences.append(f"still running after {limit} s")
            results.append((run.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")))
        took = time.monotonic() - began
        self.world.settle()
        counts = self.world.seen()
        for code, out, err in results:
            differences += self.judge(step, code, out, err, now)
            if differences:
                break
        if "faster" in step and took > step["faster"]:
            differences.append(f"took {took:.2f} s, expected at most {step['faster']} s")
        if "slower" in step and took < step["slower"]:
            differences.append(f"took {took:.2f} s, expected at least {step['slower']} s")
        for key, wanted in step.get("count", {}).items():
            if not equal(wanted, counts.get(key, 0), now):
                differences.append(f"count of {key}: expected {wanted}, got {counts.get(key, 0)}; all: {counts}")
        if before is not None and step["store_same"] != (before == self.store.digest()):
            differences.append(f"the store's files changed: {'expected not' if step['store_same'] else 'expected, but they did not'}")
        story = f"$ {' '.join(shlex.quote(w) for w in words)}\n" + (f"  (clock {step['at']})\n" if offset else "")
        story += f"{out}{err}exit code {code}, {took:.2f} s, servers saw {counts}"
        return differences, story

    def judge(self, step, code, out, err, now):
        differences = []
        if code < 0:
            differences.append(f"ended by signal {-code}")
        elif "exit" in step and code != step["exit"]:
            differences.append(f"exit code: expected {step['exit']}, got {code}")
        for key, text, wanted in (("stdout", out, True), ("stderr", err, True), ("stderr_not", err, False)):
            for pattern in [step[key]] if isinstance(step.get(key), str) else step.get(key, []):
                if (re.search(pattern, text, re.MULTILINE) is not None) != wanted:
                    differences.append(f"{key.split('_')[0]}: expected {'' if wanted else 'nothing like '}{pattern!r}, got {text!r}")
        if {"expect", "expects", "trace", "trace_not"} & set(step):
            try:
                answers = [json.loads(line) for line in out.splitlines() if line.strip()]
            except ValueError as error:
                return differences + [f"no JSON on stdout: {error}"]
            wanted = step.get("expects", [step.get("expect", {})])
            if len(answers) != len(wanted):
                return differences + [f"expected {len(wanted)} answers, got {len(answers)}"]
            for one, answer in zip(wanted, answers):
                compare(one, answer, now, differences=differences)
            if not differences:
                differences += compare_trace(step.get("trace", []), step.get("trace_not", []), answers[0])
        return differences
