#!/usr/bin/env python3
"""Checks of the tree that no compiler makes. Usage: tidy.py ROOT RULE; prints `file:line: what`, exit 1 on any finding."""
import re
import subprocess
import sys
from pathlib import Path

from mirrors import MIRRORS
from rules import (BANNED, BANNED_CPP, ERROR_TEXT_EXCEPTIONS, ERROR_TEXT_FOLDERS, EXCEPTIONS, FOLDERS, LIBRARIES, MOST_LINES,
                   SAYS_WHAT_TO_DO)

CPP = (".hpp", ".cpp", ".cu", ".cuh")
COMMENTED = (*CPP, ".capnp", ".cmake")
COLUMNS = 120  # as in .clang-format
WRAPPED = 100  # a comment line this long was broken because it was full
CHECKED_TEXT = (*COMMENTED, ".py", ".txt", ".sh", "")  # "": the scripts of tools/


class Tree:
    """The files of a checkout that are its own: path relative to the root -> lines."""

    def __init__(self, root):
        self.root = Path(root)
        self.files = {}
        for path in sorted(self.names()):
            full = self.root / path
            if full.is_file() and full.suffix in CHECKED_TEXT and full.name != "LICENSE" and "corpus" not in full.parts:
                try:
                    self.files[path] = full.read_text("utf-8").splitlines()
                except UnicodeDecodeError:
                    self.files[path] = ["not UTF-8"]

    def names(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "--cached", "--others", "--exclude-standard"],
                                capture_output=True, text=True)
        if listed.returncode == 0:
            return listed.stdout.splitlines()
        skip = {".git", "build", "__pycache__"}  # no git: an unpacked archive
        relative = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return [str(p) for p in relative if not skip & set(p.parts)]

    def of(self, *endings):
        return ((path, lines) for path, lines in self.files.items() if Path(path).suffix in endings)


def folder_of(path):
    """The longest folder of the table that holds the file, or None."""
    return max((f for f in FOLDERS if path.startswith(f + "/")), key=len, default=None)


def includes(lines):
    """(line number, '<' or '"', header) of every include."""
    for number, line in enumerate(lines, 1):
        if found := re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line):
            yield number, *found.groups()


# -- the rules: each yields (path, line number, what) ------------------------------------------------------------------


def first_lines(tree):
    """Every source says in its first line, in one sentence, what it is for; a script in its second, after the interpreter."""
    for path, lines in tree.of(*COMMENTED):
        if not lines or not re.match(r"(//|#) \S", lines[0]):
            yield path, 1, "the first line must be a comment with the file's responsibility"
        elif not lines[0].endswith(".") or len(lines[0]) > COLUMNS:
            yield path, 1, f"the first line must be a whole sentence within {COLUMNS} columns: details go below it"
    for path, lines in tree.files.items():
        if lines and lines[0].startswith("#!"):
            if len(lines) < 2 or not re.match(r'(# |""")\S', lines[1]):
                yield path, 2, "the second line must say what the script does"
    for path, lines in tree.of(".hpp"):
        if not any(line.strip() == "#pragma once" for line in lines):
            yield path, 1, "no #pragma once"


def comments(tree):
    """A section's ruler is one line of one form, and no comment ends in a line of one word."""
    for path, lines in tree.of(*COMMENTED, ".py"):
        mark = "//" if path.endswith(CPP) else "#"
        whole = [re.match(rf"( *){mark} ?(.*)$", line) for line in lines]
        for number, (line, here) in enumerate(zip(lines, whole), 1):
            if not here:
                continue
            if re.search(r"[-=~*_]{4,}$", here[2]) or re.match(r"-{2,4} (?!-)\S", here[2]):
                if not re.match(r"-- \S(.*\S)? -+$", here[2]) or len(line) != COLUMNS:
                    yield path, number, f"a ruler is one line: {mark} -- what comes ---- up to column {COLUMNS}"
                continue
            above = whole[number - 2] if number > 1 else None
            below = whole[number] if number < len(lines) else None
            goes_on = above and above[1] == here[1] and len(above[0]) > WRAPPED
            if goes_on and " " not in here[2].strip() and here[2].strip() and not (below and below[2]):
                yield path, number, f"a line for one word, {here[2]!r}: break the comment elsewhere"


def include_directions(tree):
    """A folder includes only folders that its line of the table names."""
    for path, lines in tree.of(*CPP):
        home = folder_of(path)
        if home is None:
            yield path, 1, "this folder is not in tests/tidy/rules.py"
            continue
        allowed = FOLDERS[home]
        for number, bracket, header in includes(lines):
            if bracket != '"':
                continue
            target = folder_of(header)
            if target is None:
                yield path, number, f'"{header}" is not a path from the root'
            elif allowed is not None and not header.startswith(tuple(f + end for f in [home, *allowed] for end in "/.")):
                yield path, number, f"{home} must not include {header}"
            elif not header.endswith(".capnp.h") and header not in tree.files:
                yield path, number, f'"{header}" does not exist'
            elif header.endswith(".capnp.h") and header.removesuffix(".h") not in tree.files:
                yield path, number, f"no schema for {header}"


def libraries(tree):
    """A library is used only where the table allows it."""
    for path, lines in tree.of(*CPP):
        for number, bracket, header in includes(lines):
            for prefix, homes in LIBRARIES.items():
                if bracket == "<" and header.startswith(prefix):
                    if not any(path.startswith((home + "/", home + ".", home + "_")) for home in homes):
                        yield path, number, f"<{header}> belongs to {', '.join(homes)}"


FUZZ_DRIVER = "tests/fuzz/replay.cpp"  # cmake/fastptm_fuzz.cmake adds it to every target


def forgotten_files(tree):
    """Every source is in the CMakeLists.txt of its folder or of one above it."""
    listed = {}
    for path, lines in tree.files.items():
        if Path(path).name == "CMakeLists.txt" or path.endswith(".cmake"):
            text = "\n".join(line.split("#")[0] for line in lines)
            listed[str(Path(path).parent)] = listed.get(str(Path(path).parent), "") + "\n" + text
    for path, _ in tree.of(".cpp", ".cu"):
        for above in Path(path).parents:
            name = re.escape(str(Path(path).relative_to(above)))
            in_list = listed.get(str(above), "")
            if re.search(rf"(^|[\s/(]){name}($|[\s)])", in_list, re.M):
                break
            if re.search(rf"^fastptm_fuzz\({Path(path).stem} ", in_list, re.M) or path == FUZZ_DRIVER:
                break
        else:
            yield path, 1, "no CMakeLists.txt names this file"


def file_sizes(tree):
    """One noun per file."""
    for path, lines in tree.of(*CPP, ".py", ".capnp"):
        if len(lines) > MOST_LINES:
            yield path, MOST_LINES + 1, f"{len(lines)} lines, more than {MOST_LINES}: split it"


def banned_text(tree):
    """Words and habits that the tables forbid. The tables' own folder is exempt."""
    for path, lines in tree.files.items():
        if path.startswith("tests/tidy/"):
            continue
        patterns = {**BANNED, **(BANNED_CPP if path.endswith(CPP) else {})}
        for pattern, reason in patterns.items():
            for number, line in enumerate(lines, 1):
                found = re.search(pattern, line)
                if found and not any(path.startswith(at) and found.group().startswith(what) for at, what in EXCEPTIONS):
                    yield path, number, f"{found.group()!r}: {reason}"


def mirror_tests(tree):
    """Every source has a test of its name, or a row of mirrors.py that says where it is tested and why there."""
    used = set()
    for path, _ in tree.of(".cpp"):
        if path.startswith(("tests/", "tools/", "cmake/")) or f"tests/{path[:-4]}_test.cpp" in tree.files:
            continue
        row = max((row for row in MIRRORS if path.startswith(row)), key=len, default=None)
        if row is None:
            yield path, 1, f"no tests/{path[:-4]}_test.cpp, and no row of tests/tidy/mirrors.py"
            continue
        used.add(row)
        if MIRRORS[row][0] not in tree.files:
            yield path, 1, f"mirrors.py names {MIRRORS[row][0]}, which does not exist"
    if "tests/tidy/mirrors.py" in tree.files:
        for row in MIRRORS.keys() - used:
            yield "tests/tidy/mirrors.py", 1, f"the row {row} is for no source: remove it"


def literals_of(text, start):
    """The string literals of the call whose bracket opens at `start`, joined."""
    depth, at, found = 0, start, []
    while at < len(text):
        if text[at] == '"':
            end = re.compile(r'(?:[^"\\\\]|\\\\.)*"').match(text, at + 1)
            if end is None:
                break
            found.append(end.group()[:-1])
            at = end.end()
            continue
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(text[at], 0)
        if depth == 0:
            break
        at += 1
    return " ".join(found)


def error_texts(tree):
    """A text that users meet says what to do or what is expected, not only what is wrong."""
    for path, lines in tree.of(".cpp", ".hpp"):
        if not path.startswith(ERROR_TEXT_FOLDERS):
            continue
        text = "\n".join(line.split("//")[0] if '"' not in line else line for line in lines)
        for call in re.finditer(r"\b(fail|failed|refuse|refused|refuse_usage)\s*\([^;]*?(errc|status)::\w+|\brefuse\s*\(", text):
            said = literals_of(text, text.index("(", call.start()))
            if len(said) > 12 and not re.search(SAYS_WHAT_TO_DO, said) and not any(each in said for each in ERROR_TEXT_EXCEPTIONS):
                yield path, text[: call.start()].count("\n") + 1, f"'{said[:80]}' does not say what to do"


def layer_table(tree):
    """ARCHITECTURE.md's table of layers says what FOLDERS says; a room may stand in the row of its folder."""
    page, rows = tree.root / "ARCHITECTURE.md", {}
    if not page.is_file():
        return
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if found := re.match(r"\| `([\w/]+)/` \|.*\| ([^|]+) \|$", line):
            rows[found[1]] = number, found[2]
    for folder, (number, uses) in rows.items():
        allowed = FOLDERS.get(folder, [])
        told = set(uses.split()) - {"-"}
        if not uses.startswith("everything") if allowed is None else told != set(allowed):
            yield "ARCHITECTURE.md", number, f"{folder}/ uses {' '.join(allowed or ['everything'])} by tests/tidy/rules.py"
    for folder in set(FOLDERS) - {"tools", "tests", "cmake"}:  # these have no layer
        if folder not in rows and folder.split("/")[0] not in rows:
            yield "ARCHITECTURE.md", 1, f"the table of layers lacks {folder}/"


def waits(tree):
    """A test that sleeps or spins says why on that line: events, virtual time or tests::until come first."""
    for path, lines in tree.of(".cpp", ".hpp"):
        if not path.startswith("tests/"):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(u?sleep|nanosleep|sleep_for|sleep_until|yield)\(", line.split("//")[0]) and "//" not in line:
                yield path, number, "waits for time to pass: use an event, tests::until, or say why not"


def version_table(tree):
    """The numbers in CHANGELOG.md's table of formats and protocols are those of the files that it names."""
    page = tree.root / "CHANGELOG.md"
    if not page.is_file():
        return
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        row = re.match(r"\| [^|]+ \| (\d+)[^|]* \| `([\w/.]+)` \|", line)
        if not row:
            continue
        text = (tree.root / row[2]).read_text("utf-8") if (tree.root / row[2]).is_file() else ""
        if not re.search(r"\b(\w*version\w*|\w+_format) = (\"[a-z-]+ )?" + row[1] + r"\b", text):
            yield "CHANGELOG.md", number, f"{row[2]} does not say that its version is {row[1]}"


RULES = {rule.__name__: rule for rule in (first_lines, comments, include_directions, layer_table, libraries, forgotten_files,
                                      file_sizes, banned_text, error_texts, mirror_tests, version_table, waits)}


def main(root, rule):
    tree = Tree(root)
    findings = list(RULES[rule](tree))
    for path, number, what in findings:
        print(f"{path}:{number}: {what}")
    if not tree.files:
        print(f"{root}: no files found")
    return 1 if findings or not tree.files else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in RULES:
        sys.exit(f"{__doc__}\nRules: {' '.join(RULES)}")
    sys.exit(main(*sys.argv[1:]))
