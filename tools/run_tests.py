#!/usr/bin/env python3
"""Runs the tests of a build folder with ctest and says what came of them, in one form for people and for CI.

Usage: run_tests.py BUILD_DIR [ctest options]. Prints the reason of every skipped test, the output of every failed one, and as
the last line `N passed, M failed` (with `, K skipped` when there are any). Exit 0 when nothing failed and something passed.

Machines are shared. When at most three tests failed, all of them with real processes and real time or with UCX's listener, they
run once more, alone; one that passes then counts as passed and is printed as `unsteady:` with what it said.
"""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

OUTPUT_LINES = 60  # of a failed test
MOST_ASKED_TWICE = 3  # more is no disturbance by a neighbour


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


def failed_of(report):
    """The test cases that neither passed nor were skipped."""
    return [case for case in report.iter("testcase")
            if case.get("status") != "run" and not (case.get("status") in ("notrun", "disabled") and case.find("failure") is None)]


def name_of(case):
    return case.get("name").split("  # GetParam")[0]


def output_of(case):
    return ["  " + line for line in (case.findtext("system-out") or "").splitlines()[-OUTPUT_LINES:]]


def lives_in_real_time(case):
    """Clusters of real processes on a shared machine, and UCX's own threads: only those may be asked twice."""
    if "/ucx_" in name_of(case):
        return True  # its connection manager dies now and then while a listener goes (1.13, ucp_cm_server_conn_request_cb)
    return any(p.get("name") == "cmake_labels" and "integration" in re.split("[;+]", p.get("value", "")) for p in case.iter("property"))


def summary(report, ctest_failed, steady_alone=frozenset()):
    """The lines to print and whether all is well. Counts come from the report, doubts from ctest's exit code. The tests of
    `steady_alone` failed beside others and passed alone: they count as passed, and are named."""
    passed, skipped, lines, unsteady, failed = 0, 0, [], [], []
    failures = failed_of(report)
    for case in report.iter("testcase"):
        if case.get("status") == "run":
            passed += 1
        elif case not in failures:
            skipped += 1
            lines.append(f"skipped: {name_of(case)}: {reason_of(case)}")
        elif name_of(case) in steady_alone:
            passed += 1
            unsteady += [f"unsteady: {name_of(case)} (failed as below, passed alone: a fault to find)", *output_of(case)]
        else:
            failed += [f"failed: {name_of(case)}", *output_of(case)]
    count = len(failures) - len(steady_alone)
    if passed + count + skipped == 0:
        count, failed = 1, ["failed: no test was found"]
    elif ctest_failed and not failures:
        count, failed = 1, ["failed: ctest itself (its output is above)"]
    lines += unsteady + failed
    lines.append(f"{passed} passed, {count} failed" + (f", {skipped} skipped" if skipped else ""))
    return lines, count == 0 and passed > 0


def run_ctest(build, report, jobs, *options):
    """Whether ctest was content, and its report; None when it wrote none."""
    report.unlink(missing_ok=True)
    done = subprocess.run(["ctest", "--test-dir", build, "-j", str(jobs), "--output-junit", str(report), *options], stdout=sys.stderr)
    return done.returncode == 0, xml.parse(report).getroot() if report.exists() else None


def main(build, *options):
    folder = Path(build).resolve()
    content, report = run_ctest(build, folder / "junit.xml", os.cpu_count() or 1, *options)
    if report is None:
        print("failed: ctest wrote no report\n0 passed, 1 failed")
        return 1
    steady_alone = set()
    failures = failed_of(report)
    if failures and len(failures) <= MOST_ASKED_TWICE and all(map(lives_in_real_time, failures)):
        _, again = run_ctest(build, folder / "junit-again.xml", 1, "--rerun-failed")
        steady_alone = {name_of(case) for case in failures} - {name_of(case) for case in failed_of(again)} if again is not None else set()
    lines, good = summary(report, not content, steady_alone)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
