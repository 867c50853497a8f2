#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every option number of every level, on the kernel and under `weir run`.

    tests/differential/options.py [--build DIR]

A walk over 0..104 of each level, by streams and datagram sockets of both families that are fresh,
bound, listening and connected: what getsockopt says, with room and without; what setsockopt says to
5, 1, 0 and to too short a value, and what getsockopt says then. Each line of the one transcript is
that of the other, or options_known.txt has the reason; a reason that nothing needs is a failure,
too. Prints TAP; runs as root.
"""

import argparse
import ctypes
import errno
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from run import explained, rules_of  # noqa: E402
from tap import Tap  # noqa: E402

KNOWN = os.path.join(HERE, "options_known.txt")
PLAY_SECONDS = 240
NUMBERS = range(0, 105)
LEVELS = {"socket": socket.SOL_SOCKET, "tcp": socket.IPPROTO_TCP, "ip": socket.IPPROTO_IP,
          "ipv6": socket.IPPROTO_IPV6, "udp": socket.IPPROTO_UDP}
LOOP = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
KINDS = {"tcp4": (socket.AF_INET, socket.SOCK_STREAM), "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
         "udp4": (socket.AF_INET, socket.SOCK_DGRAM), "udp6": (socket.AF_INET6, socket.SOCK_DGRAM)}
KERNEL = ["6", "18"]  # whose options they are
ROOM = 512
SHOWN = 16  # octets; of what is longer, the length
SAID_MAX = 12  # of an option that differs everywhere

libc = ctypes.CDLL(None, use_errno=True)


# ---- The walk ----

def word(error):
    return errno.errorcode.get(error, str(error))


def shown(octets):
    if len(octets) == 4:
        return str(int.from_bytes(octets, sys.byteorder, signed=True))
    return f"x{octets.hex()}" if len(octets) <= SHOWN else f"{len(octets)} octets"


def get(fd, level, name, room=ROOM):
    value, length = ctypes.create_string_buffer(ROOM), ctypes.c_uint(room)
    if libc.getsockopt(fd, level, name, value, ctypes.byref(length)) < 0:
        return word(ctypes.get_errno())
    return shown(value.raw[:length.value])


def put(fd, level, name, value, length=4):
    octets = ctypes.create_string_buffer(int(value).to_bytes(4, sys.byteorder), 8)
    return word(ctypes.get_errno()) if libc.setsockopt(fd, level, name, octets, length) < 0 else "ok"


def words(fd, level, name):
    yield "get", get(fd, level, name)
    for room in (3, 1, 0):
        yield f"get{room}", get(fd, level, name, room)
    for value in (5, 1, 0):
        yield f"set={value}", put(fd, level, name, value)
        yield "get", get(fd, level, name)
    for length in (3, 1, 0):
        yield f"set{length}", put(fd, level, name, 1, length)
    yield "get", get(fd, level, name)


def opened(kind, state):
    """The socket, and what is to be closed behind it."""
    family, form = KINDS[kind]
    one = socket.socket(family, form)
    if state == "fresh":
        return one, []
    if state in ("bound", "listening"):
        one.bind((LOOP[family], 0))
        if state == "listening":
            one.listen(1)
        return one, []
    other = socket.socket(family, form)
    other.bind((LOOP[family], 0))
    if form == socket.SOCK_STREAM:
        other.listen(1)
    one.connect(other.getsockname())
    if state == "connected":
        return one, [other]
    return other.accept()[0], [one, other]


STATES = {"tcp": ("fresh", "bound", "listening", "connected", "accepted"),
          "udp": ("fresh", "bound", "connected")}
LINES = len(LEVELS) * len(NUMBERS) * sum(len(STATES[kind[:3]]) for kind in KINDS)


def play():
    libc.setsockopt.argtypes = libc.getsockopt.argtypes = None
    for kind in KINDS:
        for state in STATES[kind[:3]]:
            for level, number in LEVELS.items():
                for name in NUMBERS:
                    one, others = opened(kind, state)
                    said = " ".join(f"{call}:{what}" for call, what in words(one.fileno(), number,
                                                                            name))
                    print(f"{kind} {state} {level} {name}: {said}", flush=True)
                    for each in (one, *others):
                        each.close()


# ---- Both sides ----

def transcript(command):
    """{(kind, state, level, name): [(call, what)]}; the first call of a name counts as another than
    those behind a set."""
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PLAY_SECONDS,
                          check=False).stdout
    found = {}
    for line in said.splitlines():
        key, _, rest = line.partition(": ")
        found[key] = re.findall(r"([gs]et=?\d*):(.*?)(?= [gs]et|$)", rest)
    return found


def judge(tap, linux, weir, entries):
    """A check for each option whose answers differ; what nothing explains fails it."""
    said, equal = {}, 0
    for key, words_there in linux.items():
        words_here = weir.get(key, [])
        if words_there == words_here:
            equal += 1
            continue
        for (call, there), (_, here) in itertools.zip_longest(words_there, words_here,
                                                              fillvalue=("", "nothing")):
            if there == here or explained(entries, (key,), f"{call} {there}", f"{call} {here}"):
                continue
            said.setdefault(" ".join(key.split()[2:]), []).append(
                f"{key}: {call}: Linux: {there}, weir: {here}")
    tap.check(len(linux) == LINES, f"{len(linux)} of {LINES} lines are told on the kernel")
    for option, lines in said.items():
        tap.check(False, f"option {option}", *lines[:SAID_MAX])
    tap.check(not said, f"{equal} of {len(linux)} lines are equal, the rest is known")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        play()
        return 0
    tap = Tap()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        tap.skip("needs root and unshare, to have a network namespace")
        return tap.done()
    if os.uname().release.split(".")[:2] != KERNEL:
        tap.skip("another Linux than " + ".".join(KERNEL) + " has other options")
        return tap.done()
    command = [sys.executable, os.path.abspath(__file__), "--play"]
    linux = transcript(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                        *command])
    weir = transcript([os.path.join(options.build, "weir"), "run", "--", *command])
    entries = rules_of(KNOWN)
    judge(tap, linux, weir, entries)
    for entry in entries:
        idle = [f"rule {rule.case} | {rule.expected} | {rule.found}"
                for rule in entry.rules if rule.always and not rule.used]
        tap.check(not idle, f"the difference {entry.name} still happens", *idle)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
