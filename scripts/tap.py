# SPDX-License-Identifier: MIT
"""Test results of the Python checks, in the same protocol as tests/lib/tap.h."""

import sys

DETAILS_MAX = 25


class Tap:
    def __init__(self):
        self.run = 0
        self.failed = 0

    def check(self, holds, text, *details):
        """One result line; `details` are printed when it does not hold."""
        self.run += 1
        print(f"{'ok' if holds else 'not ok'} {self.run} - {text}")
        if not holds:
            self.failed += 1
            for detail in details[:DETAILS_MAX]:
                print(f"# {detail}")
            if len(details) > DETAILS_MAX:
                print(f"# ... and {len(details) - DETAILS_MAX} more")
        sys.stdout.flush()
        return holds

    def skip(self, reason):
        self.run += 1
        print(f"ok {self.run} # SKIP {reason}", flush=True)

    def done(self):
        print(f"1..{self.run}", flush=True)
        return 1 if self.failed or not self.run else 0
