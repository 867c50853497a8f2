#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts on the Linux kernel of this machine, several at a time; prints TAP.

    tests/conformance/run_kernel.py WEIR [--lanes N] [--part K/N] [--differing] [FILE...]

Most of a script's time in the kernel is waiting, so that many can wait at once. Scripts that say
`weir-only` or `linux-differs` are left out by `weir drill`; with --differing only those are played,
without that line, and each must fail: a reason that no longer holds is a stale one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "scripts"))
from tap import Tap  # noqa: E402

LANES = 24
BATCH = 8  # scripts that one process plays, one after the other
TIMEOUT = 240
DIFFERS = re.compile(r"^//: linux-differs .*\n", re.M)


def scripts(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for base, _, names in os.walk(path):
            yield from (os.path.join(base, name) for name in names if name.endswith(".pkt"))


def play(weir, paths):
    """[(passed, skipped, name, details)] of a batch."""
    command = [weir, "drill", "--tap", "--kernel", "--ip", "ipv4", "--ip", "ipv6", *paths]
    try:
        said = subprocess.run(command, text=True, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return [(False, False, " ".join(paths), ["it did not end"])]
    results = []
    for line in said.stdout.split("\n"):
        match = re.match(r"(not ok|ok) \d+ - (.*)", line)
        if match:
            results.append((match[1] == "ok", "# SKIP" in match[2], match[2], []))
        elif line.startswith("# ") and results:
            results[-1][3].append(line[2:])
    return results or [(False, False, " ".join(paths), [f"it said nothing, and exited with {said.returncode}",
                                                        said.stderr])]


def batches(paths, size):
    return [paths[at:at + size] for at in range(0, len(paths), size)]


def agree(options, paths):
    """Scripts that say nothing against it pass."""
    tap = Tap()
    with ThreadPoolExecutor(options.lanes) as pool:
        played = list(pool.map(lambda batch: play(options.weir, batch), batches(paths, BATCH)))
    # A busy machine is late; who fails once more, alone, has failed.
    for passed, skipped, name, details in (result for batch in played for result in batch):
        path = name.split(" (")[0]
        if not passed and os.path.isfile(path):
            for again in play(options.weir, [path]):
                if again[2] == name:
                    passed, skipped, name, details = again
        if skipped:
            tap.skip(name)
        else:
            tap.check(passed, name, *details)
    return tap.done()


def differ(options, paths):
    """A script without its `linux-differs` fails, over one family at least."""
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.lanes) as pool:
        bare = {}
        for path in paths:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if not DIFFERS.search(text):
                continue
            copy = os.path.join(folder, f"{len(bare)}.pkt")
            with open(copy, "w", encoding="utf-8") as file:
                file.write(DIFFERS.sub("//\n", text))
            bare[copy] = path
        for copy, results in zip(bare, pool.map(lambda copy: play(options.weir, [copy]), bare)):
            differs = any(not passed for passed, *_ in results)
            tap.check(differs, f"{bare[copy]} differs", "it passes: the reason no longer holds")
    return tap.done()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("files", nargs="*", default=[HERE])
    parser.add_argument("--lanes", type=int, default=LANES)
    parser.add_argument("--differing", action="store_true")
    parser.add_argument("--part", default="1/1")
    options = parser.parse_args()
    part, parts = (int(word) for word in options.part.split("/"))
    paths = sorted(set(os.path.relpath(path) for path in scripts(options.files)))[part - 1::parts]
    return differ(options, paths) if options.differing else agree(options, paths)


if __name__ == "__main__":
    sys.exit(main())
