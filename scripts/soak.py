#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What takes long: many seeds, long fuzzing, everything on the kernel. `make soak` begins it.

    scripts/soak.py [--scale X] [--first N] [--list] [STAGE...]

Says first which stages there are and how long each takes, goes on after one that fails, says of
each how it ended, and ends with "N passed, N failed, N skipped". What each printed lies in
build-soak/STAGE.log while it runs and afterwards. An interrupt ends it with the sum so far, where
what has not been run counts as failed.

The scale is of seeds, seconds and repetitions; what is not drawn is thinned out, as `every` says.
--first is the first seed: another evening need not look where this one did.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import threading
import time

import ctext
import run_tests

FOLDER = "build-soak"
VARIANTS = ("release", "asan", "fuzz", "gcc-O3", "gcc-O0", "clang-O3", "clang-O0")
MATRIX = ("gcc-O0", "gcc-O3", "clang-O0", "clang-O3")
FUZZ_TARGETS = 18
SCALE_MAX = 100
FIRST_MAX = 1 << 62
PATIENCE = 6  # times what a stage takes on a machine that has nothing else to do,
GRACE = 900  # and seconds on top, after which it hangs
END_SECONDS = 20  # that an interrupted stage has for taking its namespaces down


class Stage:
    """A command, and the seconds that it takes beside one other on a machine of two CPUs."""

    def __init__(self, name, seconds, command):
        self.name, self.seconds = name, seconds
        self.program = run_tests.Program(name, shlex.split(command), log=os.path.join(FOLDER, name),
                                         timeout=GRACE + PATIENCE * seconds)
        self.program.what = command
        self.outcome = None


def builds():
    yield from (Stage(f"build-{name}", 60, f"scripts/variant.sh {name}") for name in VARIANTS)


def computing(scale, first):
    """What needs a CPU and no network."""
    def of(count, least=1):
        return max(least, round(count * scale))

    def seeds(start, count):
        return f"--seeds {start}..{start + count - 1}"

    matrix = " ".join(f"build-{name}/weir-sim" for name in MATRIX)
    every = max(1, round(1 / scale))
    yield Stage("sim", of(900), f"build-gcc-O3/weir-sim sim {seeds(first, of(20000))}")
    yield Stage("sim-asan", of(120), f"build-asan/weir sim {seeds(first + of(20000), of(1000))}")
    yield Stage("matrix", of(320), f"scripts/hash_matrix.py {seeds(first, of(2000))} {matrix}")
    yield Stage("fuzz", 40 + FUZZ_TARGETS * of(120), f"scripts/run_fuzz.py --seconds {of(120)}")
    yield Stage("clang-tidy", 900 / every, f"scripts/clang_tidy.sh --every {every}")
    yield Stage("purity", 15, "scripts/purity.sh build/src/libweir-core.a")


def waiting(scale, first):
    """What talks to the kernel, and mostly waits for it."""
    def seeds(count):
        return f"--seeds {first}..{first + max(1, round(count * scale)) - 1}"

    every = max(1, round(1 / scale))
    kernel = f"tests/conformance/run_kernel.py build/weir --every {every}"
    yield Stage("kernel", 40 + 35 / every, kernel)
    yield Stage("kernel-differing", 12 / every, f"{kernel} --differing")
    yield Stage("differential", 110, "tests/differential/run.py")
    yield Stage("chance", 300 * scale, f"tests/differential/chance.py {seeds(1000)}")
    yield Stage("chance-exact", 300 * scale, f"tests/differential/chance.py --exact {seeds(1000)}")
    yield Stage("segments", 220 * scale, f"tests/differential/segments.py {seeds(2000)}")
    yield Stage("faults", 40 + 400 * scale,
                f"tests/integration/run_faults.py --build build --soak {scale:g}")
    yield Stage("cpython", 400 / every, f"tests/integration/run_cpython.py --build build --every {every}")
    yield Stage("cpython-exact", 40, "tests/integration/run_cpython.py --build build --exact --only test_socket")
    yield Stage("programs-exact", 90, "tests/integration/run_programs.py --build build --exact")


class Soak:
    """Two lanes of stages side by side, and whether somebody has had enough."""

    def __init__(self):
        self.stopped = threading.Event()
        self.speaking = threading.Lock()

    def play(self, stages):
        for stage in stages:
            if self.stopped.is_set():
                return
            stage.outcome = run_tests.run(stage.program)
            if self.stopped.is_set() and not stage.outcome.failed:
                stage.outcome.fault("interrupted")
            with self.speaking:
                run_tests.report(stage.program, stage.outcome)

    def interrupted(self, _number, _frame):
        if self.stopped.is_set():
            return
        self.stopped.set()
        threading.Thread(target=self.end_all, daemon=True).start()

    def end_all(self):
        for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 0)):
            until = time.monotonic() + seconds
            for child in list(run_tests.running):
                try:
                    os.killpg(child.pid, number)
                except ProcessLookupError:
                    pass  # it has just ended by itself
            while run_tests.running and time.monotonic() < until:
                time.sleep(0.1)


def minutes(seconds):
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def announce(scale, built, lanes):
    total = sum(stage.seconds for stage in built)
    total += max((sum(stage.seconds for stage in lane) for lane in lanes), default=0)
    print(f"soak at scale {scale:g}: about {minutes(total)} on two CPUs, what is built already aside; "
          f"logs in {FOLDER}")
    for title, stages in (("first, one after the other", built), ("then", lanes[0]),
                          ("and beside it" if len(lanes) > 1 else "", sum(lanes[1:], []))):
        if stages:
            print(f"{title}:")
        for stage in stages:
            print(f"  {stage.name:<16} {minutes(stage.seconds):>7}  {stage.program.what}")
    sys.stdout.flush()


def sum_up(stages):
    """The last line, over all stages; the exit code."""
    passed = failed = skipped = 0
    for stage in stages:
        if stage.outcome is None:
            print(f"FAILED {stage.name}: not run")
            failed += 1
            continue
        passed += stage.outcome.passed
        failed += stage.outcome.failed
        skipped += stage.outcome.skipped
    line = f"{passed} passed, {failed} failed, {skipped} skipped"
    print(line, flush=True)
    with open(os.path.join(FOLDER, "total"), "w", encoding="utf-8") as file:
        file.write(line + "\n")
    return 1 if failed or not passed else 0


def scale_of(word):
    value = float(word) if re.fullmatch(r"[0-9]*\.?[0-9]+", word) else 0
    if not 0 < value <= SCALE_MAX:
        raise argparse.ArgumentTypeError(f"{word} is no number above 0 and up to {SCALE_MAX}")
    return value


def first_of(word):
    value = int(word) if word.isdecimal() else 0
    if not 0 < value < FIRST_MAX:
        raise argparse.ArgumentTypeError(f"{word} is no seed: a number from 1")
    return value


def arguments():
    parser = argparse.ArgumentParser(description="what takes long")
    parser.add_argument("--scale", type=scale_of, default=1.0, help="times what an evening is for")
    parser.add_argument("--first", type=first_of, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--list", action="store_true", help="say what would be run, and run nothing")
    parser.add_argument("stage", nargs="*", help="these only; they build nothing unless named")
    return parser.parse_args()


def chosen(args):
    """The builds, and the lanes, of what is asked for."""
    groups = [list(builds()), list(computing(args.scale, args.first)), list(waiting(args.scale, args.first))]
    unknown = set(args.stage) - {stage.name for group in groups for stage in group}
    if unknown:
        print(f"soak.py: no stage called {' '.join(sorted(unknown))}", file=sys.stderr)
        sys.exit(2)
    if args.stage:
        groups = [[stage for stage in group if stage.name in args.stage] for group in groups]
    lanes = groups[1:] if args.jobs == 2 else [groups[1] + groups[2]]
    return groups[0], [lane for lane in lanes if lane] or [[]]


def main():
    args = arguments()
    os.chdir(ctext.ROOT)
    built, lanes = chosen(args)
    announce(args.scale, built, lanes)
    if args.list:
        return 0
    os.makedirs(FOLDER, exist_ok=True)
    soak = Soak()
    signal.signal(signal.SIGINT, soak.interrupted)
    signal.signal(signal.SIGTERM, soak.interrupted)
    soak.play(built)
    threads = [threading.Thread(target=soak.play, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum_up(built + sum(lanes, []))


if __name__ == "__main__":
    sys.exit(main())
