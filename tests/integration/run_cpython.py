#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own tests of its socket modules, as Debian ships them, under `weir run`.

    tests/integration/run_cpython.py [--build DIR] [--only MODULE] [--every N] [--exact]

Every test that passes without weir must pass under it, but for those in SKIPS, each with its reason.
What fails is played alone before it counts: of the tests in RACES each must pass then, three times.
Prints TAP, a line for each module. Takes some minutes: a soak stage.
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
MODULES = ("test_selectors", "test_socket", "test_asyncio", "test_httplib", "test_httpservers",
           "test_ftplib", "test_socketserver", "test_ssl", "test_epoll", "test_poll", "test_select",
           "test_asyncore", "test_asynchat", "test_smtplib", "test_poplib", "test_imaplib",
           "test_nntplib", "test_telnetlib", "test_urllib2_localnet", "test_xmlrpc")
SECONDS = 900
MODULE_SECONDS = "600"  # regrtest's limit is for a whole module, of which the longest is test_asyncio
FAILED = re.compile(r"^(?:FAIL|ERROR): \S+ \((\S+?)\)", re.MULTILINE)
RAN = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)

# What is not run, and why. The first hang or fail on this kernel without weir, too.
SKIPS = {
    "*VSOCK*": "the kernel's vsock, which weir has nothing to do with",
    "*UDPLITE*": "UDP-Lite is the kernel's, in a namespace without addresses",
}

# regrtest's word for this one's servers on loopback.
RESOURCES = {"test_socketserver": ("-u", "network")}

# What depends on which of two threads is faster.
RACES = {
    "test.test_socket.NetworkConnectionAttributesTest.testSourceAddress":
        "one thread closes the socket while the other asks for its name",
}


def play(prefix, module, *only):
    """How many tests ran to their end, which of them failed, and what was printed."""
    match = [word for name in only for word in ("-m", name)]
    ignore = [word for pattern in SKIPS for word in ("--ignore", pattern)]
    command = [*prefix, PYTHON, "-m", "test", "-v", "--timeout", MODULE_SECONDS, *ignore, *match,
               *RESOURCES.get(module, ()), module]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=SECONDS, check=False).stdout
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode(errors="replace")
    return sum(map(int, RAN.findall(said))), set(FAILED.findall(said)), said


def compare(tap, weir, module):
    count, broken, said = play([], module)
    if count == 0:
        tap.skip(f"{module}: does not run here: {' '.join(said[-120:].split())}")
        return
    prefix = [*weir, "--"]
    ran, failed, said = play(prefix, module)
    for race in failed & set(RACES):
        if all(play(prefix, module, race)[:2] == (1, set()) for _ in range(3)):
            failed.remove(race)
            print(f"# {race}: {RACES[race]}", flush=True)
    wrong = sorted(failed - broken)
    if ran != count:
        wrong += [f"{ran} tests ran, and {count} without weir", *said.splitlines()[-30:]]
    tap.check(not wrong, f"{module}: {ran - len(failed)} tests pass under weir run", *wrong)


def main():
    parser = argparse.ArgumentParser(description="CPython's tests under weir run")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory")
    parser.add_argument("--only", metavar="MODULE", help="one of " + ", ".join(MODULES))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th module only")
    parser.add_argument("--exact", action="store_true", help="under weir run --exact")
    args = parser.parse_args()
    weir = [os.path.join(os.path.abspath(args.build), "weir"), "run", *(["--exact"] if args.exact else [])]
    if not os.path.exists(LIBRARY):
        print("1..0 # SKIP libpython3.11-testsuite is not installed")
        return 0
    tap = Tap()
    for module in MODULES[::args.every]:
        if args.only in (None, module):
            compare(tap, weir, module)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
