#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""UDP under `weir run` against the kernel, over a TAP in a network namespace.

    run_udp.py [--build DIR] [--only NAME]

Each case of run_udp_cases.py runs twice against the same peer: on the kernel, and under weir. What
it prints must be the same, but for what KNOWN names. Then come programs as they are installed, many
round trips, and the ends of a program and of weird.
"""

import argparse
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "scripts"), HERE]
from run_tcp import KERNEL, WEIR, Lab, until  # noqa: E402
from run_udp_cases import CASES, ONLY  # noqa: E402
from tap import Tap  # noqa: E402

PINGPONGS = 100000
IP_RECVTTL, IP_RECVTOS = 12, 13

# Lines that differ, and why (docs/differences.md, "UDP").
KNOWN = {}


# ---- The peer, on the kernel's side ----

class Peer:
    def __init__(self, family, port=0):
        six = family == 6
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((KERNEL[family], port))
        self.port = self.sock.getsockname()[1]
        if six:
            self.sock.setsockopt(41, 51, 1)
            self.sock.setsockopt(41, 66, 1)
        else:
            self.sock.setsockopt(0, IP_RECVTTL, 1)
            self.sock.setsockopt(0, IP_RECVTOS, 1)
        self.six = six
        self.seen_weir = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, beside, _, sender = self.sock.recvmsg(65535, 512)
            self.seen_weir |= sender[0] in WEIR.values()
            verb, _, rest = data.partition(b" ")
            if verb == b"echo":
                self.sock.sendto(rest, sender)
            elif verb == b"seen":
                self.sock.sendto(repr([value[0] for _, _, value in beside]).encode(), sender)
            elif verb == b"marked":
                mark = [(41, 52, struct.pack("i", 33)), (41, 67, struct.pack("i", 0x48))] \
                    if self.six else [(0, 2, struct.pack("i", 33)), (0, 1, struct.pack("i", 0x48))]
                self.sock.sendmsg([rest], mark, 0, sender)


# ---- Tests ----

def no_limits():
    """The peer's kernel is to answer every datagram with an error, not one a second."""
    for name in ("net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000",
                 "net.ipv6.icmp.ratelimit=0"):
        subprocess.run(["sysctl", "-qw", name], check=False, stderr=subprocess.DEVNULL)


def play(lab, command, tap, text):
    """{case: lines}, of all that were played."""
    status, said = lab.run(*command, timeout=90)
    tap.check(status == 0, f"{text}: played to the end", status, said[-500:])
    found, lines = {}, []
    for line in said.decode().splitlines():
        if line.startswith("case "):
            lines = found[line[5:]] = []
        else:
            lines.append(line)
    return found


def test_cases(lab, tap):
    script = os.path.join(HERE, "run_udp_cases.py")
    for family in (4, 6):
        peer = Peer(family)
        command = [sys.executable, script, "all", KERNEL[family], str(peer.port)]
        on_linux = play(lab, command, tap, f"IPv{family}, Linux")
        on_weir = play(lab, lab.under(*command), tap, f"IPv{family}, weir")
        for case in CASES:
            if ONLY.get(case, family) != family:
                continue
            want, have = on_linux.get(case, []), on_weir.get(case, [])
            different = [(w, h) for w, h in zip(want + [None] * 50, have + [None] * 50)
                         if w != h and (case, w, h) not in KNOWN]
            tap.check(want and not different, f"IPv{family}: {case} is as on Linux",
                      *(f"Linux: {w!r}   weir: {h!r}" for w, h in different))
        tap.check(peer.seen_weir, f"IPv{family}: the peer has seen weir's address")


TESTS = [test_cases]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only")
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        tap.skip("needs root and /dev/net/tun, to make a network namespace with a TAP")
        return tap.done()
    lab = Lab(os.path.abspath(options.build))
    no_limits()
    try:
        for test in TESTS:
            if options.only in (None, test.__name__[5:]):
                test(lab, tap)
    finally:
        lab.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
