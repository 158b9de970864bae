#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Counts what ctest ran, case by case: programs of cmocka and busted say how many there were, as do those whose last line is
"N passed, N failed"; any other program is one case. What they say of a case that failed or was skipped goes with its name.

usage: summary.py tests.xml. Names what failed and what was skipped, and closes with "N passed, N failed[, N skipped]".
"""
import re
import sys
import xml.etree.ElementTree

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+)$", re.M)
BUSTED = re.compile(r"^(\d+) success(?:es)? / (\d+) failures? / (\d+) errors? / (\d+) pending", re.M)
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
TAP = re.compile(r"^(ok|not ok) \d+(?: - )?(.*)$", re.M)
WHY = r"(?:\n     [^|\n].*){,6}"  # what a program says below the name of a case; a log has a bar
NAMES = {  # of what failed, and of what was skipped
    TOTALS: (rf"^FAIL +(.*{WHY})$", rf"^SKIP +(.*{WHY})$"),
    BUSTED: (r"^(?:Failure|Error) \S+ \S+ @ \d+\n(.*(?:\n.+){,6})$", r"^Pending \S+ \S+ @ \d+\n(.*(?:\n.+){,1})$"),
}
REASON = re.compile(r"^skip\w*:? *(.*)$", re.M | re.I)


def of_cmocka(text):
    verdicts = {case: verdict for verdict, case in CMOCKA.findall(text) if not case.isdigit()}  # "[ OK ] 2 test(s)" is no case
    if not verdicts:
        return None
    return tuple([case for case, verdict in verdicts.items() if verdict == wanted] for wanted in ("OK", "FAILED", "SKIPPED"))


def of_totals(pattern, text):
    found = pattern.findall(text)
    if not found:
        return None
    numbers = [int(n or 0) for n in found[-1]]
    good, bad, left = numbers if len(numbers) == 3 else (numbers[0], numbers[1] + numbers[2], numbers[3])
    failed, skipped = (re.findall(name, text, re.M) for name in NAMES[pattern])
    return [""] * good, (failed + ["see above"] * bad)[:bad], (skipped + ["see above"] * left)[:left]


def of_tap(text):
    found = TAP.findall(text)
    if not found:
        return None
    left = [case for verdict, case in found if "# skip" in case.lower()]
    return [case for verdict, case in found if verdict == "ok" and case not in left], \
           [case for verdict, case in found if verdict != "ok" and case not in left], left


def cases(name, status, why, text):
    """Names: (passed, failed, skipped)."""
    if status == "notrun" and not why.startswith("SKIP_"):
        return [], [f"{name}: {why or 'not run'}"], []  # its program is missing
    if status in ("notrun", "disabled"):
        reason = REASON.search(text)
        return [], [], [name + (": " + reason.group(1) if reason else "")]
    counted = of_cmocka(text) or of_totals(BUSTED, text) or of_totals(TOTALS, text) or of_tap(text) or ([], [], [])
    passed, failed, skipped = ([f"{name}: {case}" if case else name for case in part] for part in counted)
    if status == "fail" and not failed:
        failed.append(name)  # a crash, a timeout, a leak
    if status == "run" and not (passed or failed or skipped):
        passed.append(name)
    return passed, failed, skipped


def main():
    passed, failed, skipped = [], [], []
    for case in xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
        out = case.find("system-out")
        skip = case.find("skipped")
        why = skip.get("message", "") if skip is not None else ""
        parts = cases(case.get("name"), case.get("status"), why, out.text or "" if out is not None else "")
        for total, part in zip((passed, failed, skipped), parts):
            total += part
    for name in failed:
        print("failed:  " + name)
    for name in skipped:
        print("skipped: " + name)
    print(f"{len(passed)} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
