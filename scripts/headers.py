#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone; the public ones with nothing but include/ in reach."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import ctext
from tap import Tap

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes",
         "-Wundef", "-Werror", "-fsyntax-only", "-x", "c", "-Iinclude"]


def compile_alone(path):
    flags = list(FLAGS)
    if not path.startswith("include/"):
        flags += ["-Isrc", "-Itests", "-Itests/lib", "-Itools", "-DWEIR_VERIFY=0"]
    if not ctext.is_pure(path) and not path.startswith("include/"):
        flags += ["-D_GNU_SOURCE"]
    # Included twice: that the guard guards is part of the contract. As a source of its own, since
    # a compiler given a header warns of things that are right in headers.
    source = f'#include "{path}"\n#include "{path}"\nextern int header_alone;\n'
    command = [os.environ.get("CC", "gcc"), *flags, "-iquote", ".", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, cwd=ctext.ROOT,
                          check=False)
    return path, done.returncode == 0, done.stderr.strip().split("\n")


def main():
    tap = Tap()
    with ThreadPoolExecutor(2) as pool:
        for path, good, said in pool.map(compile_alone, ctext.files(".h")):
            tap.check(good, f"{path} compiles alone", *said)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
