#!/usr/bin/env python3
"""Runs the tests of a build folder with ctest and says what came of them, in one form for people and for CI.

Usage: run_tests.py BUILD_DIR [ctest options]. Prints the output of every failed test, the reason of every skipped one, and as the
last line `N passed, M failed` (with `, K skipped` when there are any). Exit 0 when nothing failed and something passed.
"""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

OUTPUT_LINES = 60  # of a failed test


def reason_of(case):
    """Why a test was skipped: what GTEST_SKIP() << or a script's `skipped: ` line said."""
    lines = (case.findtext("system-out") or "").splitlines()
    for i, line in enumerate(lines):
        if line.startswith("skipped: "):
            return line.removeprefix("skipped: ")
        if re.search(r":\d+: Skipped$", line) and i + 1 < len(lines):
            return lines[i + 1].strip() or "no reason given"
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else None) or "no reason given"


def summary(report, ctest_failed):
    """The lines to print and whether all is well. Counts come from the report, doubts from ctest's exit code."""
    passed, failed, skipped, lines = 0, 0, 0, []
    for case in report.iter("testcase"):
        name, status = case.get("name").split("  # GetParam")[0], case.get("status")
        if status == "run":
            passed += 1
        elif status in ("notrun", "disabled") and case.find("failure") is None:
            skipped += 1
            lines.append(f"skipped: {name}: {reason_of(case)}")
        else:
            failed += 1
            output = (case.findtext("system-out") or "").splitlines()[-OUTPUT_LINES:]
            lines += [f"failed: {name}", *("  " + line for line in output)]
    if passed + failed + skipped == 0:
        failed += 1
        lines.append("failed: no test was found")
    elif ctest_failed and failed == 0:
        failed += 1
        lines.append("failed: ctest itself (its output is above)")
    lines.append(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return lines, failed == 0 and passed > 0


def main(build, *options):
    report = Path(build).resolve() / "junit.xml"
    report.unlink(missing_ok=True)
    jobs = str(os.cpu_count() or 1)
    done = subprocess.run(["ctest", "--test-dir", build, "-j", jobs, "--output-junit", str(report), *options], stdout=sys.stderr)
    if not report.exists():
        print("failed: ctest wrote no report\n0 passed, 1 failed")
        return 1
    lines, good = summary(xml.parse(report).getroot(), done.returncode != 0)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
