#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The limits of size and the words that may not stand in the pure core.

A limit that hurts is a sign to find the right cut. What clang-format decides is not checked here.
"""

import os
import re
import sys

import ctext
from tap import Tap

FUNCTION_MAX = 70  # lines, signature and braces included
SOURCE_MAX = 1000
HEADER_MAX = 300
PUBLIC_TOTAL_MAX = 1800  # docs/adr/0005-sizes.md
TCP_TOTAL_MAX = 11100  # the same
CORE_TOTAL_MAX = 28700  # the same
NESTING_MAX = 4
PARAMETERS_MAX = 7  # docs/adr/0005-sizes.md
COLUMNS_MAX = 100

SPDX = "/* SPDX-License-Identifier: MIT */"
VAGUE = re.compile(r"(^|_|-)(utils?|common|misc|helpers?)(_|-|\.|$)")
TODO = re.compile(r"\b(FIXME|XXX)\b|\bTODO\b(?!\(#\d+\))")

# What would break "the same bytes everywhere", or the promise that the core does nothing but think.
BANNED = [
    ("floating point", re.compile(r"\b(float|double)\b")),
    ("128-bit integers", re.compile(r"\b(__int128|__int128_t|__uint128_t|_BitInt)\b")),
    ("builtins that become calls", re.compile(r"__builtin_(popcount|parity|cpu_)\w*")),
    ("qsort and bsearch", re.compile(r"\b(qsort|bsearch)\b")),
    ("allocation", re.compile(r"\b(malloc|calloc|realloc|free|alloca)\s*\(")),
    ("printing", re.compile(r"\bv?(f|d|s|sn|as)?printf\s*\(|\b(puts|putchar|fputs|perror)\s*\(")),
    ("errno", re.compile(r"\berrno\b")),
    ("the clock", re.compile(r"\b(time|clock|clock_gettime|gettimeofday|nanosleep|usleep)\s*\(\s*"
                             r"(NULL|0|CLOCK_\w+|&|\))")),
    ("the system's randomness", re.compile(r"\b(rand|random|srand|getrandom|arc4random)\s*\(")),
    ("threads and volatile", re.compile(r"\b(_Thread_local|volatile|pthread_\w+)\b")),
    ("packed structs", re.compile(r"__attribute__\s*\(\(.*\bpacked\b|__packed\b")),
    ("#pragma", re.compile(r"^\s*#\s*pragma\b")),
    ("setjmp", re.compile(r"\b(setjmp|longjmp)\b")),
]
ATOMICS = re.compile(r"\b(__atomic_\w+|__sync_\w+|_Atomic|atomic_\w+)\b")
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else)\b")


def banned(path):
    """Complaints about one file of the pure core."""
    code = ctext.without_comments(ctext.read(path))
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        for what, pattern in BANNED:
            if pattern.search(line):
                yield f"{path}:{number}: {what}: {line.strip()}"
        if ATOMICS.search(line) and not path.startswith("src/trace/"):
            yield f"{path}:{number}: atomics only in src/trace: {line.strip()}"
        if CONDITIONAL.match(line) and not is_guard(path, lines, number - 1):
            yield f"{path}:{number}: no conditional compilation: {line.strip()}"


def is_guard(path, lines, i):
    """An include guard: the first directive of a header, its #define on the next line."""
    if not path.endswith(".h") or any(line.lstrip().startswith("#") for line in lines[:i]):
        return False
    name = re.match(r"\s*#\s*ifndef\s+(\w+)\s*$", lines[i])
    return bool(name) and re.match(rf"\s*#\s*define\s+{name.group(1)}\s*$", lines[i + 1])


def function_complaints(path):
    text = ctext.read(path)
    for function in ctext.functions(text):
        where = f"{path}:{function.first}: {function.name}"
        if function.lines > FUNCTION_MAX:
            yield f"{where} has {function.lines} lines, more than {FUNCTION_MAX}"
        if function.nesting > NESTING_MAX:
            yield f"{where} nests {function.nesting} deep, more than {NESTING_MAX}"
        if function.parameters > PARAMETERS_MAX:
            yield f"{where} has {function.parameters} parameters, more than {PARAMETERS_MAX}"
    if path.endswith(".h"):
        for name, line, count in ctext.prototypes(text):
            if count > PARAMETERS_MAX:
                yield f"{path}:{line}: {name} has {count} parameters, more than {PARAMETERS_MAX}"


def text_complaints(path):
    for number, line in enumerate(ctext.read(path).split("\n"), 1):
        if len(line) > COLUMNS_MAX:
            yield f"{path}:{number}: {len(line)} columns, more than {COLUMNS_MAX}"
        if TODO.search(line):
            yield f"{path}:{number}: a TODO has an issue number, a FIXME does not merge"
        if line != line.rstrip() or "\t" in line:
            yield f"{path}:{number}: a tab, or space at the end of the line"


def too_long(paths, limit):
    sizes = ((path, lines_of(path)) for path in paths)
    return [f"{path} has {size} lines, more than {limit}" for path, size in sizes if size > limit]


def lines_of(path):
    return ctext.read(path).count("\n")


def total(tap, what, paths, limit):
    size = sum(map(lines_of, paths))
    tap.check(size <= limit, f"{what}: at most {limit} lines", f"{size} lines")


def main():
    tap = Tap()
    sources = ctext.files(".c", ".h")
    public = [path for path in sources if path.startswith("include/")]
    internal = [path for path in sources if path.endswith(".h") and path not in public]
    pure = [path for path in sources if ctext.is_pure(path)]

    def none(text, found):
        tap.check(not found, text, *found)

    none("no .c file is over its limit",
         too_long([path for path in sources if path.endswith(".c")], SOURCE_MAX))
    none("no internal header is over its limit", too_long(internal, HEADER_MAX))
    total(tap, "public headers together", public, PUBLIC_TOTAL_MAX)
    total(tap, "src/tcp", [path for path in pure if path.startswith("src/tcp/")], TCP_TOTAL_MAX)
    total(tap, "the pure core", pure, CORE_TOTAL_MAX)
    none("no function is over its limits", [c for p in sources for c in function_complaints(p)])
    none("lines, tabs, TODO", [c for p in sources for c in text_complaints(p)])
    none("every source begins with its licence",
         [path for path in sources if not ctext.read(path).startswith(SPDX)])
    none("no file has a vague name",
         [path for path in sources if VAGUE.search(os.path.basename(path))])
    none("the pure core keeps to what is the same everywhere", [c for p in pure for c in banned(p)])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
