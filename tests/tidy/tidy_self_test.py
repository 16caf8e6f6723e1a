#!/usr/bin/env python3
"""Tests the checks of tests/tidy on small trees with one thing wrong, and the counting of tools/run_tests.py."""
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "tidy"), str(ROOT / "tools")]
import run_tests  # noqa: E402
import tidy  # noqa: E402

GOOD = {
    "core/error.hpp": "// Errors.\n#pragma once\n",
    "policy/residency.cpp": '// Decides.\n#include "core/error.hpp"\n',
    "policy/CMakeLists.txt": "fastptm_library(policy\n  SOURCES\n    residency.cpp)\n",
    "tests/policy/residency_test.cpp": "// Residency.\n",
    "tests/policy/CMakeLists.txt": "fastptm_tests(policy_tests SOURCES residency_test.cpp)\n",
}


class Tidy(unittest.TestCase):
    def findings(self, rule, **changed):
        """What a rule says about the good tree with some files replaced; __ in a keyword stands for /, _dot_ for a dot."""
        files = {**GOOD, **{k.replace("__", "/").replace("_dot_", "."): v for k, v in changed.items()}}
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                (Path(root) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(root) / path).write_text(text)
            return [f"{path}:{number}: {what}" for path, number, what in tidy.RULES[rule](tidy.Tree(root))]

    def test_nothing_is_found_in_a_good_tree(self):
        for rule in tidy.RULES:
            self.assertEqual(self.findings(rule), [], rule)

    def test_a_missing_first_comment_is_found(self):
        self.assertEqual(len(self.findings("first_lines", core__error_dot_hpp="#pragma once\n")), 1)
        self.assertEqual(len(self.findings("first_lines", core__error_dot_hpp="// Errors.\n")), 1)
        self.assertEqual(len(self.findings("first_lines", tools__x="#!/bin/sh\nexit\n")), 1)

    def test_a_first_line_that_is_no_whole_sentence_is_found(self):
        for first in ("// Errors as values and whoever\n// makes them.", "// Errors: " + "long " * 30 + "line."):
            self.assertIn("sentence", self.findings("first_lines", core__error_dot_hpp=first + "\n#pragma once\n")[0])

    def comment_findings(self, *comment):
        return self.findings("comments", core__error_dot_hpp="\n".join(["// Errors.", "#pragma once", *comment, "int a;"]))

    def test_a_broken_ruler_is_found(self):
        good = "// -- making " + "-" * 107
        self.assertEqual(self.comment_findings(good), [])
        for bad in (good + "-", "// -- making", "// ---- making ----", "// --- making " + "-" * 106, "// " + "-" * 117):
            self.assertEqual(len(self.comment_findings(bad)), 1, bad)
        self.assertEqual(len(self.comment_findings("  // -- making", "  // " + "-" * 110)), 2)

    def test_an_orphan_is_found(self):
        full = "// " + "many words " * 10
        self.assertEqual(len(self.comment_findings(full, "// orphan.")), 1)
        self.assertEqual(self.comment_findings(full, "// no orphan."), [])
        self.assertEqual(self.comment_findings("// A list:", "// one", "", full, "// word", "// and more."), [])

    def test_a_table_of_layers_that_says_something_else_is_found(self):
        rows = "".join(f"| `{f}/` | x | {'everything' if uses is None else ' '.join(uses) or '-'} |\n"
                       for f, uses in tidy.FOLDERS.items())
        self.assertEqual(self.findings("layer_table", ARCHITECTURE_dot_md=rows), [])
        for wrong in (rows.replace("| `core/` | x | - |", "| `core/` | x | policy |"),
                      rows.replace("| `policy/` | x | core |\n", ""),
                      rows.replace("| `node/` | x | everything |", "| `node/` | x | core |")):
            self.assertNotEqual(wrong, rows)
            self.assertEqual(len(self.findings("layer_table", ARCHITECTURE_dot_md=wrong)), 1)

    def test_a_version_that_another_file_does_not_say_is_found(self):
        row = "| actors' messages | {} | `protocol/cluster.hpp` | install one build |\n"
        source = "// Joining.\nconstexpr uint32_t protocol_version = 7;\n"
        for told, count in ((7, 0), (6, 1), (77, 1)):
            found = self.findings("version_table", CHANGELOG_dot_md=row.format(told), protocol__cluster_dot_hpp=source)
            self.assertEqual(len(found), count, told)

    def test_a_sleep_without_a_reason_is_found(self):
        self.assertEqual(len(self.findings("waits", tests__a_test_dot_cpp="// A.\n  usleep(5);\n")), 1)
        self.assertEqual(self.findings("waits", tests__a_test_dot_cpp="// A.\n  usleep(5); // its process tells nobody\n"), [])
        self.assertEqual(self.findings("waits", core__a_dot_cpp="// A.\n  usleep(5);\n"), [])

    def test_an_include_against_the_direction_is_found(self):
        bad = '// Errors.\n#pragma once\n#include "policy/a.hpp"\n'
        self.assertIn("core must not include policy/a.hpp", self.findings("include_directions", core__error_dot_hpp=bad)[0])

    def test_an_include_that_is_not_from_the_root_is_found(self):
        bad = '// Decides.\n#include "error.hpp"\n'
        self.assertIn("not a path from the root", self.findings("include_directions", policy__residency_dot_cpp=bad)[0])

    def test_a_folder_without_a_rule_is_found(self):
        self.assertIn("not in", self.findings("include_directions", extra__a_dot_cpp="// A.\n")[0])

    def test_a_library_in_the_wrong_folder_is_found(self):
        bad = "// Decides.\n#include <caf/all.hpp>\n"
        self.assertIn("<caf/all.hpp> belongs to", self.findings("libraries", policy__residency_dot_cpp=bad)[0])

    def test_a_forgotten_source_is_found(self):
        self.assertEqual(len(self.findings("forgotten_files", policy__other_dot_cpp="// Other.\n")), 1)
        self.assertEqual(len(self.findings("forgotten_files", policy__idency_dot_cpp="// Part of another's name.\n")), 1)

    def test_a_long_file_is_found(self):
        self.assertEqual(len(self.findings("file_sizes", core__error_dot_hpp="// Errors.\n" * 601)), 1)

    def test_banned_text_is_found(self):
        for line in ("// TO" + "DO later", "int dst;", "\tint a;", "std::this_thread::sleep_for(1s);"):
            self.assertEqual(len(self.findings("banned_text", core__error_dot_hpp="// Errors.\n" + line + "\n")), 1, line)
        self.assertEqual(len(self.findings("banned_text", policy__CMakeLists_dot_txt="-march=" + "native")), 1)


    def test_a_source_without_a_test_or_a_reason_is_found(self):
        self.assertEqual(len(self.findings("mirror_tests", attic__ghost_dot_cpp="// A ghost.\n")), 1)
        self.assertEqual(len(self.findings("mirror_tests", attic__ghost_dot_cpp="// A ghost.\n",
                                           tests__attic__ghost_test_dot_cpp="// Its test.\n")), 0)

    def test_an_error_that_does_not_say_what_to_do_is_found(self):
        bare = '// Rpc.\nreturn core::fail(core::errc::invalid, "the text is empty");\n'
        helpful = '// Rpc.\nreturn core::fail(core::errc::invalid, "the text is empty: give at least one character");\n'
        self.assertEqual(len(self.findings("error_texts", rpc__texts_dot_cpp=bare)), 1)
        self.assertEqual(len(self.findings("error_texts", rpc__texts_dot_cpp=helpful)), 0)


class RunTests(unittest.TestCase):
    def summary(self, cases, ctest_failed=False, steady_alone=frozenset()):
        return run_tests.summary(xml.fromstring(f"<testsuite>{cases}</testsuite>"), ctest_failed, steady_alone)

    def test_the_last_line_counts(self):
        lines, good = self.summary('<testcase name="a" status="run"/><testcase name="b" status="run"/>')
        self.assertEqual((lines[-1], good), ("2 passed, 0 failed", True))

    def test_a_failure_shows_its_output(self):
        lines, good = self.summary('<testcase name="a" status="run"/><testcase name="b" status="fail"><failure/>'
                                   "<system-out>why</system-out></testcase>", True)
        self.assertEqual((lines, good), (["failed: b", "  why", "1 passed, 1 failed"], False))

    def test_what_passes_alone_is_named_and_counts_as_passed(self):
        lines, good = self.summary('<testcase name="a" status="fail"><failure/><system-out>why</system-out></testcase>', True, {"a"})
        self.assertEqual((lines, good), (["unsteady: a (failed as below, passed alone: a fault to find)", "  why",
                                          "1 passed, 0 failed"], True))

    def test_only_real_processes_are_asked_twice(self):
        for label, asked in (("integration", True), ("unit", False)):
            case = xml.fromstring('<testcase name="a" status="fail"><properties><property name="cmake_labels" '
                                  f'value="{label}"/></properties></testcase>')
            self.assertEqual(run_tests.lives_in_real_time(case), asked)
        self.assertTrue(run_tests.lives_in_real_time(xml.fromstring('<testcase name="EveryBackend/Fetcher.Ends/ucx_tcp" status="fail"/>')))

    def test_a_skip_gives_its_reason(self):
        lines, good = self.summary('<testcase name="a" status="run"/><testcase name="b" status="notrun"><skipped message="x"/>'
                                   "<system-out>f.cpp:12: Skipped\nno GPU here\n</system-out></testcase>")
        self.assertEqual((lines, good), (["skipped: b: no GPU here", "1 passed, 0 failed, 1 skipped"], True))

    def test_no_tests_at_all_is_a_failure(self):
        self.assertFalse(self.summary("")[1])

    def test_a_failure_of_ctest_itself_is_a_failure(self):
        lines, good = self.summary('<testcase name="a" status="run"/>', True)
        self.assertEqual((lines[-1], good), ("1 passed, 1 failed", False))


if __name__ == "__main__":
    unittest.main()
