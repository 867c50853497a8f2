#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Calls drawn at random, on the kernel and under `weir run`: what they return is the same.

    tests/differential/chance.py [--build DIR] [--seeds A..B]

Each seed draws a short program over a TCP connection, or over three datagram sockets, on the
loopback. The transcripts of both sides are compared up to the first difference; one that
docs/differences.md gives the reason for (KNOWN) ends its seed, any other is played once more, slowly,
for who was late on a busy machine, and fails if one is there again. Under --exact none of the reasons
is allowed that reading and writing have otherwise. Not drawn is what differs so often that nothing behind it would be seen: urgent data, shutdown for reading alone, and on a datagram
socket a shutdown, what is too much for one, and a send without a name from no port.
Prints TAP; runs as root.
"""

import argparse
import errno
import fcntl
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from tap import Tap  # noqa: E402

SETTLE = 0.012  # an effect passes through the daemon and back
SETTLE_SLOW = 0.2
SLOW_MAX = 20   # seeds: if more differ, it is not for being late
PLAY_SECONDS = 900, 3  # a limit, and for each seed on top
CALLS = 30      # of a seed, at most
LOOP = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
WATCHED = select.POLLIN | select.POLLOUT | select.POLLPRI | select.POLLRDHUP
SHUT = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}
NO_LINGER = struct.pack("ii", 1, 0)

# Of a connection that failed, read and write do not name the reason: words that may stand for each
# other there.
FAILED = {"ECONNRESET", "EPIPE", "b''", "0", "None"}
HOLDING = {"peek", "recv", "waitall"}
BROKEN = {"send EPIPE", "send ECONNRESET"}
FAILING = {"send", "recv", "peek", "waitall", "trunc", "error", "end"}
# connect() began anew after a reset; then recv on what is not connected.
KNOWN = {("recv", "ENOTCONN", "EINVAL"), ("peek", "ENOTCONN", "EINVAL"),
         ("waitall", "ENOTCONN", "EINVAL"), ("trunc", "ENOTCONN", "EINVAL")}


def attempt(call, *args):
    """What a call gives, or its errno, as a word."""
    try:
        return str(call(*args))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def polled(s):
    poll = select.poll()
    poll.register(s, WATCHED)
    found = poll.poll(0)
    return str(found[0][1]) if found else "0"


def pending(s):
    return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "None")


def unread(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]


def common(draw, s, operation):
    """Operations that streams and datagram sockets have."""
    if operation in SHUT:
        return attempt(s.shutdown, SHUT[operation])
    if operation == "recv":
        return attempt(s.recv, draw.choice((0, 1, 3, 100)))
    if operation == "peek":
        return attempt(s.recv, draw.choice((1, 100)), socket.MSG_PEEK)
    if operation == "trunc":
        return attempt(lambda: len(s.recv(draw.choice((1, 100)), socket.MSG_TRUNC)))
    if operation == "listen":
        return attempt(s.listen, 1)
    if operation == "accept":
        return attempt(s.accept)
    return {"poll": polled, "error": pending}.get(operation, lambda s: attempt(unread, s))(s)


# ---- A connection ----

STREAM = ("send send send recv recv recv peek waitall trunc wr rdwr close poll error unread name "
          "peer connect listen accept reset nodelay cork uncork").split()


def stream_operation(draw, s, operation, to):
    if operation == "send":
        return attempt(s.send, b"abcdefghij"[:draw.randint(0, 10)])
    if operation == "waitall":
        return attempt(s.recv, draw.choice((1, 100)), socket.MSG_WAITALL | socket.MSG_DONTWAIT)
    if operation == "close":
        return attempt(s.close)
    if operation in ("name", "peer"):
        return attempt(lambda: (s.getsockname if operation == "name" else s.getpeername)()[0])
    if operation == "connect":
        return errno.errorcode.get(s.connect_ex(to), "None")
    if operation == "reset":
        return attempt(s.setsockopt, socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    if operation in ("nodelay", "cork", "uncork"):
        option = socket.TCP_NODELAY if operation == "nodelay" else socket.TCP_CORK
        return attempt(s.setsockopt, socket.IPPROTO_TCP, option, int(operation != "uncork"))
    return common(draw, s, operation)


def play_stream(draw, said, settle):
    family = draw.choice(tuple(LOOP))
    listener, opener = socket.socket(family), socket.socket(family)
    listener.bind((LOOP[family], 0))
    listener.listen(draw.choice((0, 1, 5)))
    to = listener.getsockname()
    opener.setblocking(False)
    said("connect", errno.errorcode.get(opener.connect_ex(to), "None"))
    time.sleep(settle)
    ends = [opener]
    for _ in range(draw.randint(4, 12)):
        if len(ends) == 1 and draw.random() < .5:
            ends.append(listener.accept()[0])
            ends[1].setblocking(False)
            said("accepted", "")
            time.sleep(2 * settle)  # a reset from before is told a little later
        s, operation = draw.choice(ends), draw.choice(STREAM)
        if s.fileno() >= 0:
            said(operation, stream_operation(draw, s, operation, to))
            time.sleep(settle)
    for s in (s for s in ends if s.fileno() >= 0):
        said("end", f"{polled(s)} {pending(s)} {attempt(s.recv, 100)}")
    for s in (*ends, listener):
        s.close()


# ---- Datagrams ----

DATAGRAM = ("bind connect connect sendto sendto sendto closed send recv recv peek trunc name peer "
            "poll error unread close listen accept").split()


def datagram_operation(draw, s, operation, other, family):
    bound = s.getsockname()[1] != 0
    port = other.getsockname()[1] if other.fileno() >= 0 else 0
    to = (LOOP[family], port or 1)
    if operation == "bind":
        return attempt(s.bind, (LOOP[family], 0))
    if operation == "connect":
        return attempt(s.connect, to)
    if operation == "send":
        return attempt(s.send, b"to the peer") if bound else "not drawn"
    if operation in ("sendto", "closed"):
        return attempt(s.sendto, b"abc", (LOOP[family], 2) if operation == "closed" else to)
    if operation == "name":
        return f"{s.getsockname()[0]} {s.getsockname()[1] != 0}"
    if operation == "peer":
        return attempt(lambda: s.getpeername()[0])
    return attempt(s.close) if operation == "close" else common(draw, s, operation)


def play_datagrams(draw, said, settle):
    family = draw.choice(tuple(LOOP))
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
    for s in sockets:
        s.setblocking(False)
        if draw.random() < .3:  # IP_RECVERR, IPV6_RECVERR
            s.setsockopt(*((0, 11, 1) if family == socket.AF_INET else (41, 25, 1)))
    for _ in range(draw.randint(5, 14)):
        s, other, operation = draw.choice(sockets), draw.choice(sockets), draw.choice(DATAGRAM)
        if s.fileno() >= 0:
            said(operation, datagram_operation(draw, s, operation, other, family))
            time.sleep(settle)
    for s in (s for s in sockets if s.fileno() >= 0):
        said("end", f"{polled(s)} {attempt(s.recv, 100)} {attempt(s.recv, 100)}")
    for s in sockets:
        s.close()


# ---- Both sides ----

def play(seeds, settle):
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for seed in seeds:
        draw = random.Random(seed)
        print(f"seed {seed}", flush=True)
        (play_stream if seed % 2 else play_datagrams)(
            draw, lambda operation, words: print(operation, words, flush=True), settle)


def transcript(command, seconds):
    """{seed: lines}"""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    found, lines = {}, []
    for line in done.stdout.splitlines():
        if line.startswith("seed "):
            lines = found[int(line[5:])] = []
        else:
            lines.append(line)
    return found


def failed_again(before, theirs, ours):
    """Behind a write that failed the mask has POLLERR still; on Linux who was told took it away."""
    return not BROKEN.isdisjoint(before) and int(ours) == int(theirs) | select.POLLERR


def is_known(before, linux, weir, exact):
    """`before`: the lines so far, of both."""
    operation, _, theirs = linux.partition(" ")
    ours = weir.partition(" ")[2]
    if operation == "poll":
        return not exact and failed_again(before, theirs, ours)
    # Linux delays an acknowledgement, and by Nagle's rule the last octets wait for it.
    if operation in HOLDING and theirs != "b''" and ours.startswith(theirs.removesuffix("'")):
        return theirs.startswith("b'")
    if exact and operation in FAILING:
        return False
    last, ours_last = theirs.split(" ")[-1], ours.split(" ")[-1]
    if operation in FAILING and last in FAILED and ours_last in FAILED:
        return True
    if operation == "end" and last == ours_last:  # SO_ERROR beside octets that are still there
        return {theirs.split(" ")[1], ours.split(" ")[1]} <= FAILED
    # An accepted connection that is over is forgotten with its address.
    return (operation, theirs, ours) in KNOWN or (operation == "name" and ours in ("::", "0.0.0.0"))


def both(weir_run, seeds, settle):
    """{seed: (Linux's lines, weir's)}"""
    seconds = PLAY_SECONDS[0] + PLAY_SECONDS[1] * len(seeds) + CALLS * len(seeds) * settle
    command = [sys.executable, os.path.abspath(__file__), "--play", str(settle), "--seeds",
               ",".join(map(str, seeds))]
    linux = transcript(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                        *command], seconds)
    weir = transcript([*weir_run, "--", *command], seconds)
    return {seed: (linux.get(seed, ["nothing"]), weir.get(seed, ["nothing at all"])) for seed in seeds}


def difference(linux, weir, exact):
    """The first call that differs, or None; whether it is a known one."""
    for n, (theirs, ours) in enumerate(zip(linux + [None], weir + [None])):
        if theirs != ours:
            return n, None not in (theirs, ours) and is_known(linux[:n], theirs, ours, exact)
    return None, True


def judge(tap, seed, linux, weir, exact):
    n, known = difference(linux, weir, exact)
    if not known:
        theirs, ours = ((lines + [None])[n] for lines in (linux, weir))
        tap.check(False, f"seed {seed}: call {n + 1}", *linux[:n], f"Linux: {theirs}", f"weir: {ours}")
    return n is None


def seeds_of(word):
    """A..B, or some that are named."""
    first, dots, last = word.partition("..")
    return list(range(int(first), int(last) + 1)) if dots else [int(seed) for seed in word.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--seeds", default="1..200")
    parser.add_argument("--exact", action="store_true", help="under weir run --exact")
    parser.add_argument("--play", type=float, metavar="SETTLE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    seeds = seeds_of(options.seeds)
    if options.play is not None:
        play(seeds, options.play)
        return 0
    tap = Tap()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        tap.skip("needs root and unshare, to have a network namespace")
        return tap.done()
    weir_run = [os.path.join(options.build, "weir"), "run", *(["--exact"] if options.exact else [])]
    found = both(weir_run, seeds, SETTLE)
    late = [seed for seed in seeds if not difference(*found[seed], options.exact)[1]]
    if 0 < len(late) <= SLOW_MAX:
        print(f"# once more, slowly: {', '.join(map(str, late))}", flush=True)
        found.update(both(weir_run, late, SETTLE_SLOW))
    equal = sum(judge(tap, seed, *found[seed], options.exact) for seed in seeds)
    tap.check(equal >= len(seeds) * 3 // 4, f"{equal} of {len(seeds)} are equal to the end")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
