#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the scripts beside this file, each of which says in its first line what comes of it:

    // passes
    // fails: WORDS         the complaint has these words
    // skips: WORDS

Arguments: the command weir, the folder.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from tap import Tap

FIRST = re.compile(r"// (passes|fails: (?P<fails>.*)|skips: (?P<skips>.*))$")


def main():
    weir, folder = sys.argv[1:3]
    tap = Tap()
    names = sorted(name for name in os.listdir(folder) if name.endswith(".pkt"))
    for name in names:
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            first = file.readline().rstrip("\n")
        wanted = FIRST.match(first)
        if wanted is None:
            tap.check(False, f"{name} says in its first line what comes of it", first)
            continue
        done = subprocess.run([weir, "drill", path], capture_output=True, text=True, timeout=20,
                              check=False)
        words = wanted["fails"] or wanted["skips"] or ""
        status = 1 if wanted["fails"] else 0
        good = done.returncode == status and words in done.stdout
        if wanted["skips"]:
            good = good and "1 skipped" in done.stdout
        tap.check(good, f"{name} {first[3:]}", *done.stdout.split("\n"), done.stderr)
    tap.check(len(names) > 20, "the scripts are there")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
