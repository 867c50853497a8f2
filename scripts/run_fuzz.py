#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every fuzz target over its kept corpus, its regressions, and then a few seconds more.

    scripts/run_fuzz.py --build build-fuzz --seconds 3

Targets are the executables in BUILD/tests/fuzz; the corpus of NAME is tests/fuzz/corpus/NAME. What
is found beyond it stays in the build directory, as does an input that crashes.
"""

import argparse
import os
import re
import subprocess
import sys

import ctext
from tap import Tap

REPLAY_TIMEOUT = 120


def targets(build):
    folder = os.path.join(build, "tests", "fuzz")
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield name, path


def kept(name):
    """Folders of inputs that are kept for this target."""
    short = re.sub(r"^fuzz[-_]", "", name)
    places = (os.path.join("tests", "fuzz", kind, each)
              for kind in ("corpus", "regressions") for each in dict.fromkeys((name, short)))
    return [place for place in places if os.path.isdir(place) and os.listdir(place)]


def fuzz(tap, text, command, timeout):
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=timeout, check=False)
        lines = done.stderr.splitlines()
        good = done.returncode == 0
    except subprocess.TimeoutExpired:
        good, lines = False, [f"still running after {timeout} s"]
    tap.check(good, text, *lines[-20:], "again: " + " ".join(command))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build-fuzz")
    parser.add_argument("--seconds", type=int, default=3)
    args = parser.parse_args()
    os.chdir(ctext.ROOT)
    tap = Tap()
    found = list(targets(args.build))
    tap.check(bool(found), f"{args.build}/tests/fuzz has targets")
    for name, path in found:
        corpus = kept(name)
        tap.check(bool(corpus), f"{name} has a corpus", f"tests/fuzz/corpus/{name}")
        scratch = os.path.join(args.build, "found", name)
        os.makedirs(scratch, exist_ok=True)
        artifacts = f"-artifact_prefix={os.path.join(args.build, 'crash-' + name)}-"
        fuzz(tap, f"{name}: the kept corpus", [path, artifacts, "-runs=0", *corpus],
             REPLAY_TIMEOUT)
        fuzz(tap, f"{name}: {args.seconds} s more",
             [path, artifacts, f"-max_total_time={args.seconds}", "-timeout=10",
              "-rss_limit_mb=2048", scratch, *corpus],
             REPLAY_TIMEOUT + 2 * args.seconds)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
