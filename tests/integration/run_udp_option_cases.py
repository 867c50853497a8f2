#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What options of UDP sockets do; run_udp.py runs each case on the kernel and under weir.

    run_udp_option_cases.py CASE|all PEER PORT

As run_udp_cases.py, which has what these are made of. Datagrams go over the loopback, so that it is
known what comes.
"""

import select
import socket
import struct
import sys
import time

from run_udp_cases import FAMILY, LOOP, SIX, attempt, say, sock

CASES = []
UDP, UDP_CORK, UDP_SEGMENT, UDP_GRO = socket.IPPROTO_UDP, 1, 103, 104
LEVEL = socket.IPPROTO_IPV6 if SIX else socket.IPPROTO_IP


def case(function):
    CASES.append(function.__name__)
    return function


def pair(connected):
    """One that sends, and one that receives."""
    there, here = sock(10), sock(10)
    there.bind((LOOP[FAMILY], 0))
    here.bind((LOOP[FAMILY], 0))
    if connected:
        here.connect(there.getsockname())
        return there, here, here.send
    return there, here, lambda data, flags=0: here.sendto(data, flags, there.getsockname())


def lengths(s, count):
    return [len(s.recv(70000)) for _ in range(count)]


def beside(s, size=100, flags=0):
    data, told, flags, _ = s.recvmsg(size, 500, flags)
    return data, [(level, kind, value) for level, kind, value in told], flags


def waiting(s):
    return bool(select.select([s], [], [], 0.1)[0])


def joined(s, size):
    """So many octets, which Linux has in one piece; of how long datagrams, and the flags."""
    data, kinds, flags = b"", set(), 0
    while len(data) < size:
        part, told_beside, flags = beside(s, 70000)
        data += part
        kinds |= {(level, kind, len(value), value[:2]) for level, kind, value in told_beside}
    return data, sorted(kinds), flags


# ---- UDP_SEGMENT ----

@case
def segment():
    """What is sent is cut into datagrams, by the option or beside one message."""
    for connected in (False, True):
        there, here, send = pair(connected)
        here.setsockopt(UDP, UDP_SEGMENT, 100)
        attempt("sent", send, bytes(250))
        say(lengths(there, 3))
        attempt("shorter than a piece", send, bytes(99))
        attempt("exactly two", send, bytes(200))
        say(lengths(there, 3))
        attempt("nothing", send, b"")
        say(lengths(there, 1))
        here.setsockopt(UDP, UDP_SEGMENT, 0)
        attempt("whole", send, bytes(250))
        say(lengths(there, 1), waiting(there))


@case
def segment_beside():
    for connected in (False, True):
        there, here, _ = pair(connected)
        name = () if connected else (there.getsockname(),)

        def send(size, piece, form="=H"):
            return here.sendmsg([bytes(size)], [(UDP, UDP_SEGMENT, struct.pack(form, piece))], 0,
                                *name)
        attempt("sent", send, 250, 100)
        say(lengths(there, 3))
        attempt("of the most pieces", send, 128 * 10, 10)
        say(set(lengths(there, 128)))
        attempt("too many pieces", send, 129 * 10, 10)
        attempt("less than a piece", send, 65000, 65530)
        say(lengths(there, 1))
        attempt("as an int", send, 250, 100, "=i")
        attempt("none", send, 250, 0)
        say(lengths(there, 1), waiting(there))
    here.setsockopt(UDP, UDP_SEGMENT, 1000)
    attempt("less than the option", here.sendmsg, [bytes(250)],
            [(UDP, UDP_SEGMENT, struct.pack("=H", 100))])
    say(lengths(there, 3))


@case
def segment_groups():
    """The same to several, in one call of sendmsg each; received by one that takes them joined."""
    there, here, send = pair(False)
    attempt("take joined", there.setsockopt, UDP, UDP_GRO, 1)
    say(there.getsockopt(UDP, UDP_GRO))
    attempt("one", send, b"x")
    say(lengths(there, 1))
    here.setsockopt(UDP, UDP_SEGMENT, 100)
    for size in (250, 300, 100, 99, 6400):
        send(bytes(range(250)) * (size // 250) + bytes(size % 250))
        data, kinds, flags = joined(there, size)
        say(size, data == bytes(range(250)) * (size // 250) + bytes(size % 250), kinds, flags)
    send(bytes(250))
    data, kinds, flags = beside(there, 120)
    say("cut", len(data), kinds, flags)
    there.setsockopt(UDP, UDP_GRO, 0)
    send(bytes(250))
    say(lengths(there, 3), waiting(there))


# ---- UDP_CORK ----

@case
def cork():
    for connected in (False, True):
        there, here, send = pair(connected)
        here.setsockopt(UDP, UDP_CORK, 1)
        attempt("begun", send, b"one ")
        attempt("more", send, b"two")
        say("held back", not waiting(there))
        attempt("take out", here.setsockopt, UDP, UDP_CORK, 0)
        say(there.recv(100), here.getsockopt(UDP, UDP_CORK))
        attempt("plain", send, b"three")
        say(there.recv(100))
        attempt("nothing to take out", here.setsockopt, UDP, UDP_CORK, 0)
        say("nothing more", not waiting(there))


@case
def probe():
    """MSG_PROBE: what would be sent is judged, and not sent."""
    for connected in (False, True):
        there, here, send = pair(connected)
        name = () if connected else (there.getsockname(),)
        attempt("probed", send, b"one", 0x10)
        attempt("beside", here.sendmsg, [b"two"], [], 0x10, *name)
        attempt("sent", send, b"three")
        say(there.recv(100), waiting(there))


# ---- What recvmsg tells ----

@case
def destination():
    """IP_RECVORIGDSTADDR: where a datagram was sent."""
    option = 74 if SIX else 20
    there, _, send = pair(False)
    there.setsockopt(LEVEL, option, 1)
    send(b"x")
    data, told, flags = beside(there)
    port = struct.pack("!H", there.getsockname()[1])
    say(data, [(level, kind, len(value), value.replace(port, b"PP")) for level, kind, value in told],
        flags)


@case
def stamping():
    """SO_TIMESTAMPING: when a datagram came."""
    there, _, send = pair(False)
    there.setsockopt(socket.SOL_SOCKET, 37, 1 << 3 | 1 << 4)
    say(there.getsockopt(socket.SOL_SOCKET, 37, 8))
    for _ in range(500):  # the kernel begins to note times a moment after it was asked to
        send(b"x")
        data, told, _ = beside(there)
        if told:
            break
        time.sleep(.02)
    seconds = [struct.unpack("6q", value)[0] for _, _, value in told]
    say(data, [(kind, len(value)) for _, kind, value in told],
        [abs(second - time.time()) < 20 for second in seconds])


def told(s, count, size=200):
    """`count` of the error queue, if they come: octets, what the kernel says of them, and which
    times there are."""
    found, limit, end = [], s.gettimeout(), time.monotonic() + 10
    s.settimeout(0)
    while len(found) < count and time.monotonic() < end:
        try:
            data, beside_it, flags, _ = s.recvmsg(size, 500, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            time.sleep(.01)
            continue
        errors = [struct.unpack("IBBBBII", value[:16]) for level, _, value in beside_it
                  if level == LEVEL]
        times = [[i for i, part in enumerate(struct.unpack("6q", value)) if part][:1]
                 for level, kind, value in beside_it if (level, kind) == (1, 37)]
        found.append((data, errors, times, flags))
    s.settimeout(limit)
    return found


def polled(s):
    """What poll says that nobody asked it for; within 10 s."""
    poll = select.poll()
    poll.register(s, 0)
    return [kind for _, kind in poll.poll(10000)]


def shown(frame):
    """Without what is drawn by lot: the number and the sums, or the flow label."""
    if SIX:
        return frame[:15] + frame[18:60] + frame[62:]
    return frame[:18] + frame[20:24] + frame[26:40] + frame[42:]


@case
def stamping_sent():
    """SO_TIMESTAMPING: when a datagram left, by the option or beside one message."""
    sent, software, count, alone, queued = 1 << 1, 1 << 4, 1 << 7, 1 << 11, 1 << 8
    for connected in (False, True):
        there, here, send = pair(connected)
        ports = [struct.pack("!H", s.getsockname()[1]) for s in (here, there)]
        name = () if connected else (there.getsockname(),)
        for flags, each in ((software, 0), (sent | software, 1),
                            (sent | software | count | alone, 1),
                            (sent | queued | software | count | alone, 2)):
            here.setsockopt(socket.SOL_SOCKET, 37, 0)
            here.setsockopt(socket.SOL_SOCKET, 37, flags)
            say(flags, here.getsockopt(socket.SOL_SOCKET, 37))
            send(b"one")
            send(b"two")
            say(polled(here) if each else [])
            for size, messages in ((200, 2 * each), (20, 1)):
                for data, *rest in told(here, messages, size):
                    data = data.replace(ports[0], b"AA", 1).replace(ports[1], b"BB", 1)
                    say(len(data), shown(data), *rest)
                here.sendmsg([b"beside"], [(socket.SOL_SOCKET, 37, struct.pack("I", sent))], 0,
                             *name)
            say(len(told(here, 1)))
        attempt("no such time", here.sendmsg, [b"x"],
                [(socket.SOL_SOCKET, 37, struct.pack("I", software))], 0, *name)
        say(lengths(there, 16), waiting(there))


def completed(s, last):
    """The numbers of the sends whose octets are no longer needed, and why, up to this one."""
    numbers, kinds = [], set()
    while last not in numbers:
        found = told(s, 1)
        if not found:
            break
        for data, errors, times, flags in found:
            for error in errors:
                numbers += range(error[5], error[6] + 1)
                kinds.add((data, *error[:5], len(times), flags))
    return sorted(numbers), sorted(kinds)


@case
def zero_copy():
    """MSG_ZEROCOPY: which sends no longer need their octets, and that these were copied."""
    flag = 0x4000000
    for connected in (False, True):
        there, here, send = pair(connected)
        send(b"before", flag)
        attempt("taken", here.setsockopt, socket.SOL_SOCKET, 60, 1)
        attempt("of no such value", here.setsockopt, socket.SOL_SOCKET, 60, 2)
        say(here.getsockopt(socket.SOL_SOCKET, 60))
        for size in (3, 0, 3000):
            send(bytes(size), flag)
        send(b"without")
        say(polled(here), completed(here, 2))
        here.sendmsg([b"with a header"], [], flag, *(() if connected else (there.getsockname(),)))
        say(completed(here, 3), lengths(there, 6), waiting(there))


@case
def old_options():
    """RFC 2292's names of IPV6_RECVPKTINFO and IPV6_RECVHOPLIMIT."""
    if not SIX:
        return
    there, _, send = pair(False)
    for option in (2, 8):
        there.setsockopt(LEVEL, option, 1)
    send(b"x")
    data, told, _ = beside(there)
    say(data, sorted((kind, value[:16]) for _, kind, value in told))


@case
def time_to_live():
    """IP_MINTTL: what has come too far is not for us."""
    if SIX:
        return
    there, here, send = pair(False)
    there.setsockopt(LEVEL, 21, 64)
    here.setsockopt(LEVEL, socket.IP_TTL, 63)
    send(b"from far")
    here.setsockopt(LEVEL, socket.IP_TTL, 64)
    send(b"from near")
    say(there.recv(100), waiting(there))


@case
def ports():
    """The port of a socket as its protocol, and one that may be anywhere."""
    s = sock()
    say(s.getsockopt(0, 52))
    s.bind(("", 0))
    say(s.getsockopt(0, 52) == s.getsockname()[1])
    s = sock()
    s.setsockopt(0, 51, struct.pack("=I", 40000 | 40001 << 16))
    s.bind(("", 0))
    say(s.getsockname()[1] in (40000, 40001), s.getsockopt(0, 51, 4))
    attempt("the wrong way", s.setsockopt, 0, 51, 2 | 1 << 16)
    s = sock()
    s.setsockopt(LEVEL, 78 if SIX else 15, 1)
    attempt("not ours", s.bind, ("2001:db8:9::9" if SIX else "198.51.100.9", 0))


def main():
    for name in CASES if sys.argv[1] == "all" else [sys.argv[1]]:
        say("case", name)
        try:
            globals()[name]()
        except OSError as error:
            say("failed", error)
        say("done")


if __name__ == "__main__":
    main()
