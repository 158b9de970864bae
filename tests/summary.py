#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Counts what ctest ran, case by case: cmocka and busted say how many there were, any other program is one case.

usage: summary.py tests.xml. Names what failed and what was skipped, and closes with "N passed, N failed[, N skipped]".
"""
import re
import sys
import xml.etree.ElementTree

CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+)$", re.M)
BUSTED = re.compile(r"(\d+) success(?:es)? / (\d+) failures? / (\d+) errors? / (\d+) pending")
TAP = re.compile(r"^(ok|not ok) \d+(?: - )?(.*)$", re.M)


def cases(name, status, text):
    """(passed, [failed], [skipped]) of one program."""
    if status in ("notrun", "disabled"):
        skip = re.search(r"^(?:skip|SKIP)[a-z:]* *(.*)$", text, re.M)
        return 0, [], [name + (": " + skip.group(1) if skip else "")]
    passed, failed, skipped = 0, [], []
    seen = {}
    for verdict, case in CMOCKA.findall(text):
        if not case.isdigit():  # "[  FAILED  ] 2 test(s), listed below:" is no case
            seen[case] = verdict
    for case, verdict in seen.items():
        if verdict == "OK":
            passed += 1
        elif verdict == "FAILED":
            failed.append(f"{name}: {case}")
        else:
            skipped.append(f"{name}: {case}")
    for good, bad, errors, pending in BUSTED.findall(text):
        passed += int(good)
        failed += [f"{name}: see above"] * (int(bad) + int(errors))
        skipped += [f"{name}: pending"] * int(pending)
    if not seen and not BUSTED.search(text):
        for verdict, case in TAP.findall(text):
            if "# skip" in case.lower():
                skipped.append(f"{name}: {case}")
            elif verdict == "ok":
                passed += 1
            else:
                failed.append(f"{name}: {case}")
    if status == "fail" and not failed:
        failed.append(name)  # a crash, a timeout, a leak
    if status == "run" and not (passed or failed or skipped):
        passed = 1
    return passed, failed, skipped


def main():
    passed, failed, skipped = 0, [], []
    for case in xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
        out = case.find("system-out")
        good, bad, left = cases(case.get("name"), case.get("status"), out.text or "" if out is not None else "")
        passed += good
        failed += bad
        skipped += left
    for name in failed:
        print("failed:  " + name)
    for name in skipped:
        print("skipped: " + name)
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
