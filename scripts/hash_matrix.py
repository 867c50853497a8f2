#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same seed gives the same trace hash, whatever compiled the simulator.

    scripts/hash_matrix.py --seeds 1..50 build-gcc-O0/weir-sim build-gcc-O3/weir-sim ...

Reads the lines "# hash SEED HASH" of `weir sim --seeds A..B --hash`.
"""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tap import Tap

HASH = re.compile(r"^# hash (\d+) ([0-9a-f]+)$", re.M)
TIMEOUT = 1800


def hashes(command, seeds):
    done = subprocess.run([command, "sim", "--seeds", seeds, "--hash"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    return dict(HASH.findall(done.stdout)), done.returncode


def main():
    if len(sys.argv) < 5 or sys.argv[1] != "--seeds":
        print("usage: hash_matrix.py --seeds A..B WEIR WEIR...", file=sys.stderr)
        return 2
    seeds, commands = sys.argv[2], sys.argv[3:]
    first, last = map(int, seeds.split(".."))
    wanted = [str(seed) for seed in range(first, last + 1)]
    tap = Tap()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda command: hashes(command, seeds), commands))
    for command, (known, code) in zip(commands, found):
        missing = [seed for seed in wanted if seed not in known]
        tap.check(code == 0 and not missing, f"{command} gives a hash for each seed of {seeds}",
                  f"exit code {code}", f"no hash for {' '.join(missing[:10])}")
    for seed in wanted:
        said = {known.get(seed) for known, _ in found}
        tap.check(len(said) == 1 and None not in said, f"seed {seed}: one hash from all builds",
                  *[f"{command} sim --seed {seed} --hash: {known.get(seed)}"
                    for command, (known, _) in zip(commands, found)])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
