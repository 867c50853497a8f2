#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs test programs, two at a time, and adds up what they say in TAP.

    scripts/run_tests.py --meson build --suite unit 'tests/integration/run.py' 'build/weir sim ...'

A program that is killed, times out, prints no plan or fewer results than planned, or exits
non-zero without a failed check, counts as one failure: silence is not success. What failed is
printed with the command that runs it again.
"""

import argparse
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULT = re.compile(r"^(not ok|ok)\b(?:\s+\d+)?(?:\s+-)?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*SKIP.*)?$", re.I)
SKIP = re.compile(r"#\s*SKIP\b", re.I)
PATIENCE = 4  # times meson's limit, which is there for hangs, on a machine that may be busy
SHOWN_MAX = 40  # lines of one program's failures

running = set()  # children; an interrupt must not leave them behind


class Program:
    def __init__(self, name, command, env=None, cwd=ROOT, timeout=60, tap=True, log=None):
        self.name, self.command, self.env = name, command, env or {}
        self.cwd, self.timeout, self.tap = cwd, timeout, tap
        self.log = log  # a path: what is printed stays in LOG.log, and of the errors in LOG.err

    def replay(self):
        words = [f"{key}={shlex.quote(value)}" for key, value in self.env.items()]
        words += [shlex.quote(os.path.relpath(word, ROOT) if word.startswith(ROOT + os.sep) else word)
                  for word in self.command]
        return " ".join(words)


class Outcome:
    """What one program said, and what that comes to."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.shown = []
        self.seconds = self.computed = 0.0

    def fault(self, text):
        self.failed += 1
        self.shown.append(text)


def from_meson(build, suites):
    """The tests that a build directory knows, of the given suites (none given: all)."""
    said = subprocess.run(["meson", "introspect", "--tests", build], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, check=True)
    for test in json.loads(said.stdout):
        names = {suite.split(":")[-1] for suite in test["suite"]}
        if not suites or names & set(suites):
            yield Program(f"{os.path.basename(build)}: {test['name']}", test["cmd"], test["env"],
                          test["workdir"] or os.path.abspath(build), PATIENCE * test["timeout"],
                          test["protocol"] == "tap")


def judge_tap(lines, outcome):
    plan = None
    for i, line in enumerate(lines):
        match = RESULT.match(line)
        if match and match[1] == "not ok":
            outcome.failed += 1
            outcome.shown.append(line)
            for detail in lines[i + 1:]:
                if not detail.startswith("#"):
                    break
                outcome.shown.append(detail)
        elif match and SKIP.search(match[2]):
            outcome.skipped += 1
        elif match:
            outcome.passed += 1
        elif line.startswith("Bail out!"):
            outcome.fault(line)
            return
        else:
            plan = PLAN.match(line) or plan
    results = outcome.passed + outcome.failed + outcome.skipped
    if plan is None:
        outcome.fault("printed no plan (1..N)")
    elif plan[2] and int(plan[1]) == 0:
        outcome.skipped += 1
    elif int(plan[1]) != results or results == 0:
        outcome.fault(f"planned {plan[1]} results, printed {results}")


def wait(child, timeout, outcome):
    """The exit code; None, and a fault, of one that had to be ended."""
    watch = select.poll()
    ended = os.pidfd_open(child.pid)
    watch.register(ended, select.POLLIN)
    late = not watch.poll(1000 * timeout)
    os.close(ended)
    if late:
        os.killpg(child.pid, signal.SIGKILL)
        outcome.fault(f"still running after {timeout} s")
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    outcome.computed = used.ru_utime + used.ru_stime
    return None if late else child.returncode


def said(program, suffix):
    """The file that takes what a program prints."""
    if program.log is None:
        return tempfile.TemporaryFile("w+", errors="replace")
    return open(program.log + suffix, "w+", encoding="utf-8", errors="replace")


def run(program):
    outcome = Outcome()
    began = time.monotonic()
    code = child = None
    with said(program, ".log") as out, said(program, ".err") as err:
        try:
            # A session of its own, so that a program that hangs is ended with its children.
            child = subprocess.Popen(program.command, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=err, cwd=program.cwd, start_new_session=True,
                                     env={**os.environ, **program.env})
            running.add(child)
            code = wait(child, program.timeout, outcome)
        except OSError as error:
            outcome.fault(str(error))
        if child in running:
            running.remove(child)
        out.seek(0)
        lines = out.read().splitlines()
        err.seek(0)
        errors = err.read().splitlines()
    if code is not None:
        judge(program, code, lines, outcome)
    if outcome.failed:
        outcome.shown = outcome.shown[:SHOWN_MAX] + [f"stderr: {line}" for line in errors[-20:]]
    outcome.seconds = time.monotonic() - began
    return outcome


def judge(program, code, lines, outcome):
    if program.tap:
        judge_tap(lines, outcome)
    elif code == 0:
        outcome.passed += 1
    if code < 0:
        outcome.fault(f"ended by {signal.Signals(-code).name}")
    elif code > 0 and outcome.failed == 0:
        outcome.fault(f"exit code {code} without a failed check")


def report(program, outcome):
    word = "FAILED" if outcome.failed else "ok"
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    print(f"{word:6} {program.name}: {outcome.passed} passed, {outcome.failed} failed{skipped} "
          f"({outcome.seconds:.1f} s, {outcome.computed:.1f} s of computing)")
    if outcome.failed:
        for line in outcome.shown:
            print(f"       {line}")
        print(f"       again: {program.replay()}")
    sys.stdout.flush()


def arguments():
    parser = argparse.ArgumentParser(description="run TAP programs and add up their results")
    parser.add_argument("--meson", action="append", default=[], metavar="BUILD",
                        help="run the tests of this build directory")
    parser.add_argument("--suite", action="append", default=[], help="... of these suites only")
    parser.add_argument("--counts", metavar="FILE", help="write 'passed failed skipped' here")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a given command")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("command", nargs="*", help="a command as one word, as the shell reads it")
    return parser.parse_args()


def interrupted(number, _):
    for child in list(running):
        os.killpg(child.pid, signal.SIGKILL)
    os._exit(128 + number)  # the threads that wait for them have nothing more to say


def main():
    args = arguments()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    env = dict(pair.split("=", 1) for pair in args.env)
    programs = [program for build in args.meson for program in from_meson(build, args.suite)]
    for command in args.command:
        programs.append(Program(command, shlex.split(command), timeout=args.timeout))
    for program in programs:
        program.env = {**env, **program.env}
    total = Outcome()
    with ThreadPoolExecutor(args.jobs) as pool:
        for program, outcome in zip(programs, pool.map(run, programs)):
            report(program, outcome)
            total.passed += outcome.passed
            total.failed += outcome.failed
            total.skipped += outcome.skipped
    if not programs:
        print("FAILED no test to run was found")
        total.failed += 1
    if args.counts:
        with open(args.counts, "w", encoding="utf-8") as file:
            file.write(f"{total.passed} {total.failed} {total.skipped}\n")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
