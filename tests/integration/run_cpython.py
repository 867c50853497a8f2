#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own tests of its socket modules, as Debian ships them, under `weir run`.

    tests/integration/run_cpython.py [--build DIR] [--only MODULE]

Every test that passes without weir must pass under it, but for those in SKIPS, each with its reason.
Prints TAP, a line for each module. Takes a few minutes: a soak stage.
"""

import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from tap import Tap  # noqa: E402

PYTHON = "/usr/bin/python3.11"
LIBRARY = "/usr/lib/python3.11/test"
MODULES = ("test_selectors", "test_socket", "test_asyncio")
SECONDS = 600
TEST_SECONDS = "60"
FAILED = re.compile(r"^(?:FAIL|ERROR): \S+ \((\S+?)\)", re.MULTILINE)
RAN = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)

# What is not run, and why. The first hang or fail on this kernel without weir, too.
SKIPS = {
    "*VSOCK*": "the kernel's vsock, which weir has nothing to do with",
    "*test_sock_client_connect_racing": "a connect after one that failed takes a new AF_UNIX socket, "
                                        "and a registration with epoll is gone with the old one",
    "*UDPLITE*": "UDP-Lite is the kernel's, in a namespace without addresses",
}


def play(prefix, module):
    """How many tests ran to their end, which of them failed, and what was printed."""
    ignore = [word for pattern in SKIPS for word in ("--ignore", pattern)]
    command = [*prefix, PYTHON, "-m", "test", "-v", "--timeout", TEST_SECONDS, *ignore, module]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=SECONDS, check=False).stdout
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode(errors="replace")
    return sum(map(int, RAN.findall(said))), set(FAILED.findall(said)), said


def compare(tap, build, module):
    count, broken, said = play([], module)
    if count == 0:
        tap.skip(f"{module}: does not run here: {said.strip()[-120:]}")
        return
    ran, failed, said = play([os.path.join(build, "weir"), "run", "--"], module)
    wrong = sorted(failed - broken)
    if ran != count:
        wrong += [f"{ran} tests ran, and {count} without weir", *said.splitlines()[-30:]]
    tap.check(not wrong, f"{module}: {ran - len(failed)} tests pass under weir run", *wrong)


def main():
    parser = argparse.ArgumentParser(description="CPython's tests under weir run")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory")
    parser.add_argument("--only", metavar="MODULE", help="one of " + ", ".join(MODULES))
    args = parser.parse_args()
    if not os.path.exists(LIBRARY):
        print("1..0 # SKIP libpython3.11-testsuite is not installed")
        return 0
    tap = Tap()
    for module in MODULES:
        if args.only in (None, module):
            compare(tap, os.path.abspath(args.build), module)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
