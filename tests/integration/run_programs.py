#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real programs as they are installed, under `weir run`, over a TAP in a network namespace.

    run_programs.py [--build DIR] [--only NAME] [--exact]

Each pair of a server and a client runs three ways: the server on weir, the client on weir, and both.
What arrives is checked by a checksum or by what the protocol promises. A program that is not
installed is skipped by name. UDP's programs are in run_udp.py.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "scripts"), HERE]
import programs_data  # noqa: E402
import programs_plain  # noqa: E402
import programs_web  # noqa: E402
from programs_lab import ProgramLab  # noqa: E402
from tap import Tap  # noqa: E402

TESTS = [programs_web.test_nginx, programs_web.test_reload, programs_web.test_python,
         programs_web.test_node, programs_plain.test_iperf, programs_plain.test_socat,
         programs_plain.test_nc, programs_plain.test_rust, programs_data.test_redis,
         programs_data.test_ssh, programs_data.test_postgres]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", help="one of: " + ", ".join(t.__name__[5:] for t in TESTS))
    parser.add_argument("--exact", action="store_true", help="under weir run --exact")
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        tap.skip("needs root and /dev/net/tun, to make a network namespace with a TAP")
        return tap.done()
    lab = ProgramLab(os.path.abspath(options.build), ["--exact"] if options.exact else [])
    try:
        for test in TESTS:
            if options.only in (None, test.__name__[5:]):
                test(lab, tap)
                tap.check(lab.weird.poll() is None, f"weird lives after {test.__name__[5:]}",
                          lab.weird.poll())
    finally:
        lab.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
