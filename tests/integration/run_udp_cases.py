#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What programs do with UDP sockets; run_udp.py runs each on the kernel and under weir.

    run_udp_cases.py CASE|all PEER PORT

Each prints what it sees, without port numbers that are drawn. The peer answers the datagrams it
gets (run_udp.py, Peer).
"""

import errno
import os
import select
import socket
import struct
import sys
import threading
import time

IP_RECVERR, IPV6_RECVERR = 11, 25
IP_RECVTTL, IP_RECVTOS = 12, 13
SO_TIMESTAMP, SO_TIMESTAMPNS, SO_RXQ_OVFL, SO_PEEK_OFF = 29, 35, 40, 42
MSG_ERRQUEUE = 0x2000
EVENTS = {1: "IN", 2: "PRI", 4: "OUT", 8: "ERR", 16: "HUP", 0x2000: "RDHUP"}
LOOP = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
WAIT = 2
SETTLE = 0.05  # an effect passes through the daemon and back

HOST, PORT = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) == 4 else ("", 0)
SIX = ":" in HOST
FAMILY = socket.AF_INET6 if SIX else socket.AF_INET
CASES = []


def case(function):
    CASES.append(function.__name__)
    return function


def sock(timeout=WAIT, family=None):
    s = socket.socket(family or FAMILY, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    return s


def say(*words):
    print(*words, flush=True)


def attempt(text, call, *args):
    """Prints what a call gives, or its errno."""
    try:
        say(text, call(*args))
    except socket.timeout:
        say(text, "timeout")
    except OSError as error:
        say(text, errno.errorcode.get(error.errno, error.errno))


def poll(s, wait=0):
    p = select.poll()
    p.register(s, 0x1f | 0x2000)
    found = p.poll(wait)
    mask = found[0][1] if found else 0
    return ",".join(name for bit, name in EVENTS.items() if mask & bit) or "0"


def arrives(s):
    """Whether something comes within a tenth of a second."""
    return bool(select.select([s], [], [], 0.1)[0])


def wait_error(s):
    """The mask once there is an error; poll alone may be told of OUT first."""
    p = select.poll()
    p.register(s, 0)
    p.poll(WAIT * 1000)
    return poll(s)


def peer():
    return (HOST, PORT)


def closed_port():
    """A port of the peer that nobody has."""
    return (HOST, 1)


def connected():
    s = sock()
    s.connect(peer())
    return s


# ---- Life and names ----

@case
def fresh():
    s = sock()
    say(poll(s), s.getsockname()[:2], s.type, s.proto, s.family)
    attempt("peername", s.getpeername)
    attempt("recv", sock(0.1).recv, 10)
    attempt("sendto port 0", s.sendto, b"x", (HOST, 0))
    attempt("send", s.send, b"x")
    attempt("listen", s.listen, 1)
    attempt("shutdown", s.shutdown, socket.SHUT_RDWR)


@case
def bind():
    s, t = sock(), sock()
    s.bind(("", 0))
    name = s.getsockname()
    say(name[0], name[1] > 1023, poll(s))
    attempt("twice", s.bind, ("", 0))
    attempt("taken", t.bind, ("", name[1]))
    attempt("not ours", t.bind, ("2001:db8:9::9" if SIX else "198.51.100.9", 0))
    attempt("any", t.bind, (LOOP[FAMILY], 0))
    s.close()
    u = sock()
    attempt("free again", u.bind, ("", name[1]))


@case
def bind_shared():
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        s, t, u = sock(), sock(), sock()
        for one in (s, t):
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        s.bind(("", 0))
        attempt("shared", t.bind, ("", s.getsockname()[1]))
        attempt("not asked", u.bind, ("", s.getsockname()[1]))


@case
def bind_newest():
    """Of two that share a port, the one that was bound last gets it."""
    s, t = sock(), sock()
    for one in (s, t):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 0))
    t.bind(("", s.getsockname()[1]))
    sock().sendto(b"who", (LOOP[FAMILY], s.getsockname()[1]))
    say(arrives(s), arrives(t))


@case
def bind_spread():
    s, t = sock(), sock()
    for one in (s, t):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("", 0))
    t.bind(("", s.getsockname()[1]))
    for _ in range(100):
        sock().sendto(b"x", (LOOP[FAMILY], s.getsockname()[1]))
    time.sleep(SETTLE)
    counts = []
    for one in (s, t):
        one.setblocking(False)
        count = 0
        while True:
            try:
                one.recv(10)
            except BlockingIOError:
                break
            count += 1
        counts.append(count)
    say(sum(counts), min(counts) > 10)


@case
def bind_exact():
    """A socket at the very address wins over one at any."""
    s, t = sock(), sock()
    for one in (s, t):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((LOOP[FAMILY], 0))
    t.bind(("", s.getsockname()[1]))
    sock().sendto(b"who", (LOOP[FAMILY], s.getsockname()[1]))
    say(arrives(s), arrives(t))


@case
def connect():
    s = sock()
    s.connect(peer())
    mine = s.getsockname()
    say(s.getpeername()[:2] == peer(), mine[1] > 1023, poll(s))
    attempt("bind", s.bind, ("", 0))
    attempt("send", s.send, b"echo one")
    attempt("recv", s.recv, 100)
    s.connect((LOOP[FAMILY], 9))
    say(s.getpeername()[:2], s.getsockname() == mine)
    attempt("no way", s.connect, ("2001:db8:9::9" if SIX else "198.51.100.9", 9))
    say(s.getpeername()[:2])


@case
def unspec():
    import ctypes
    s = connected()
    nobody = struct.pack("H26x", 0)
    libc = ctypes.CDLL(None, use_errno=True)
    say(libc.connect(s.fileno(), nobody, 28))
    attempt("peername", s.getpeername)
    say(s.getsockname()[:2])
    attempt("send", s.send, b"x")
    attempt("sendto", s.sendto, b"echo y", peer())
    attempt("recv", s.recv, 10)


@case
def connected_only():
    """A connected socket takes nothing from others."""
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.bind((LOOP[FAMILY], 0))
    s.connect((LOOP[FAMILY], 9))
    t.sendto(b"no", s.getsockname())
    say(arrives(s))
    s.connect(t.getsockname())
    t.sendto(b"yes", s.getsockname())
    attempt("recv", s.recv, 10)


@case
def any_is_loopback():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.connect(("", s.getsockname()[1]))
    say(t.getpeername()[0], t.getsockname()[0])
    t.send(b"x")
    attempt("recv", s.recv, 10)
    t = sock()
    attempt("sendto", t.sendto, b"y", ("", s.getsockname()[1]))
    attempt("recv", s.recv, 10)


@case
def shutdown():
    s = connected()
    attempt("wr", s.shutdown, socket.SHUT_WR)
    say(poll(s))
    attempt("send", s.send, b"echo x")
    attempt("sendmsg", s.sendmsg, [b"echo x"])
    attempt("rd", s.shutdown, socket.SHUT_RD)
    say(poll(s))
    s.setblocking(True)
    attempt("recv", s.recv, 10)
    attempt("wrong", s.shutdown, 7)


@case
def closes():
    """What was sent before close is sent."""
    t = sock()
    t.bind((LOOP[FAMILY], 0))
    for i in range(50):
        s = sock()
        s.connect(t.getsockname())
        s.send(b"%d" % i)
        s.close()
    # In any order: a busy kernel's loopback keeps none between sockets that are on two processors.
    say(sorted(t.recv(10) for _ in range(50)) == sorted(b"%d" % i for i in range(50)))


# ---- Data ----

@case
def echo():
    s = sock()
    for size in (0, 1, 1000, 1465, 2000, 9000, 60000):
        data = b"echo " + bytes(i % 251 for i in range(size))
        s.sendto(data, peer())
        got, sender = s.recvfrom(65535)
        say(size, got == data[5:], sender[:2] == peer())


@case
def echo_native():
    s = connected()
    s.setblocking(True)
    for size in (0, 1, 1000, 1465, 9000, 60000):
        data = b"echo " + bytes(i % 251 for i in range(size))
        os.write(s.fileno(), data)
        say(size, os.read(s.fileno(), 65535) == data[5:])


@case
def empty():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.connect(s.getsockname())
    say(t.send(b""), t.sendto(b"", s.getsockname()))
    say(arrives(s), s.recv(10), s.recvfrom(10)[0], poll(s))


@case
def truncation():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    for _ in range(4):
        t.sendto(b"0123456789", s.getsockname())
    got = s.recvmsg(4)
    say(got[0], got[2])
    say(s.recv(4))
    say(s.recv_into(bytearray(4), 4, socket.MSG_TRUNC), s.recvfrom(4, socket.MSG_TRUNC)[0])
    say(poll(s))


@case
def peek():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.sendto(b"first", s.getsockname())
    t.sendto(b"second", s.getsockname())
    say(s.recv(3, socket.MSG_PEEK), s.recvfrom(9, socket.MSG_PEEK)[0],
        s.recvmsg(9, 0, socket.MSG_PEEK)[0], s.recv(9), s.recv(9))
    s.setblocking(False)
    attempt("empty", s.recv, 9, socket.MSG_DONTWAIT)
    attempt("empty with name", s.recvfrom, 9, socket.MSG_DONTWAIT)


@case
def sizes():
    import fcntl
    import termios
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))

    def unread():
        return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0" * 4))[0]
    say(unread())
    t.sendto(b"12345", s.getsockname())
    t.sendto(b"123", s.getsockname())
    time.sleep(SETTLE)
    say(unread())
    s.recv(10)
    say(unread(), struct.unpack("i", fcntl.ioctl(t, termios.TIOCOUTQ, b"\0" * 4))[0])


@case
def refused_often():
    """What this machine tells itself is not limited."""
    s = sock()
    s.connect((LOOP[FAMILY], 1))
    for _ in range(20):
        attempt("send", s.send, b"x")
        attempt("recv", s.recv, 9)


@case
def shut_unconnected():
    s, t = sock(), sock()
    t.bind((LOOP[FAMILY], 0))
    attempt("shutdown", s.shutdown, socket.SHUT_WR)
    attempt("sendto", s.sendto, b"x", t.getsockname())
    attempt("shutdown", t.shutdown, socket.SHUT_RD)
    attempt("sendto", t.sendto, b"x", t.getsockname())
    attempt("recv", t.recv, 9)


@case
def too_long():
    s = connected()
    attempt("sendto", s.sendto, bytes(65528), peer())
    attempt("send", s.send, bytes(65528))
    if not SIX:
        attempt("sendto", s.sendto, bytes(65508), peer())
        attempt("send", s.send, bytes(65508))
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    attempt("largest", t.sendto, bytes(65507), s.getsockname())
    say(len(s.recv(65535)))


SIOCGIF = {"NAME": 0x8910, "FLAGS": 0x8913, "ADDR": 0x8915, "DSTADDR": 0x8917, "BRDADDR": 0x8919,
           "NETMASK": 0x891b, "METRIC": 0x891d, "MTU": 0x8921, "HWADDR": 0x8927, "INDEX": 0x8933,
           "TXQLEN": 0x8942}
SIOCGIFCONF = 0x8912
IFREQ = 40


def interfaces_of(s, room):
    """What SIOCGIFCONF lists: names and addresses, and how long it says that is."""
    import array
    import fcntl
    entries = array.array("B", bytes(IFREQ * 8))
    asked = struct.pack("iL", room, entries.buffer_info()[0] if room else 0)
    length = struct.unpack("iL", fcntl.ioctl(s, SIOCGIFCONF, asked))[0]
    octets = bytes(entries)[:length]
    return length, {octets[i:i + 16].rstrip(b"\0"): octets[i + 20:i + 24]
                    for i in range(0, len(octets) if room else 0, IFREQ)}


@case
def interfaces():
    """By ioctl, as programs have asked since long before netlink."""
    import fcntl
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        s = socket.socket(FAMILY, kind)
        length, found = interfaces_of(s, 8 * IFREQ)
        say(length, interfaces_of(s, 0)[0], [interfaces_of(s, n)[0] for n in (1, 40, 79)])
        ours = connected().getsockname()[0]
        for name, address in sorted(found.items(), key=lambda item: item[0] != b"lo"):
            kept = struct.pack("16si20x", b"", socket.if_nametoindex(name.decode()))
            say("lo" if name == b"lo" else "device", SIX or name == b"lo" or
                socket.inet_ntoa(address) == ours,
                fcntl.ioctl(s, SIOCGIF["NAME"], kept)[:16].rstrip(b"\0") == name)
            for what, number in SIOCGIF.items():
                if what == "NAME":
                    continue
                try:
                    got = fcntl.ioctl(s, number, struct.pack("16s24x", name))
                except OSError as error:
                    say(what, errno.errorcode[error.errno])
                    continue
                own = {"ADDR": got[20:24] == address, "DSTADDR": got[20:24] == address,
                       "INDEX": got[16:20] == kept[16:20], "BRDADDR": got[20:24] > address or
                       got[20:24] == bytes(4), "HWADDR": got[16:18].hex()}
                say(what, got[:16].rstrip(b"\0") == name, own.get(what, got[16:32].hex()))
        for what, number in SIOCGIF.items():
            attempt(what, fcntl.ioctl, s, number, struct.pack("16si20x", b"nobody", 99))


@case
def vectors():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.sendmsg([b"ab", b"", b"cde"], [], 0, s.getsockname())
    parts = [bytearray(1), bytearray(3), bytearray(9)]
    got = s.recvmsg_into(parts)
    say(got[0], [bytes(part) for part in parts], got[2], got[3][1] == t.getsockname()[1])


class Many:
    """sendmmsg and recvmmsg."""

    def __init__(self, count, room):
        import ctypes
        self.c = ctypes

        class Iov(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

        class Msg(ctypes.Structure):
            _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint),
                        ("iov", ctypes.c_void_p), ("iovlen", ctypes.c_size_t),
                        ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                        ("flags", ctypes.c_int), ("", ctypes.c_int), ("len", ctypes.c_uint),
                        ("", ctypes.c_uint)]
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.data = [ctypes.create_string_buffer(room) for _ in range(count)]
        self.names = [ctypes.create_string_buffer(28) for _ in range(count)]
        self.iov = [Iov(ctypes.addressof(d), room) for d in self.data]
        self.vector = (Msg * count)()
        for i, message in enumerate(self.vector):
            message.iov, message.iovlen = ctypes.addressof(self.iov[i]), 1

    def named(self):
        for i, message in enumerate(self.vector):
            message.name, message.namelen = self.c.addressof(self.names[i]), 28
        return self

    def call(self, name, s, flags, *more):
        result = getattr(self.libc, name)(s.fileno(), self.vector, len(self.vector), flags, *more)
        return result if result >= 0 else errno.errorcode[self.c.get_errno()]


@case
def many():
    s, t = sock(None), connected()
    s.bind((LOOP[FAMILY], 0))
    t.connect(s.getsockname())
    out = Many(3, 4)
    for i, data in enumerate(out.data):
        data.raw = b"msg%d" % i
    say(out.call("sendmmsg", t, 0), [m.len for m in out.vector])
    into = Many(5, 10).named()
    say(into.call("recvmmsg", s, 0x10000, None), [m.len for m in into.vector],
        [d.raw[:4] for d in into.data[:3]], [m.namelen for m in into.vector])
    say(into.call("recvmmsg", s, socket.MSG_DONTWAIT, None))
    t.close()
    say(Many(2, 4).call("sendmmsg", sock(), 0), Many(0, 1).call("sendmmsg", sock(), 0))


@case
def order():
    """By itself, with a name, in a message: it arrives as it was sent."""
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    t.connect(s.getsockname())
    for i in range(20):
        t.send(b"a%d" % i)
        t.sendto(b"b%d" % i, s.getsockname())
        t.sendmsg([b"c%d" % i])
    want = [b"%c%d" % (kind, i) for i in range(20) for kind in b"abc"]
    say([s.recv(10) for _ in want] == want)


# ---- Waiting ----

@case
def waits():
    s = sock()
    s.bind((LOOP[FAMILY], 0))
    for text, call in (("recv", lambda: s.recv(10)), ("recvfrom", lambda: s.recvfrom(10)[0]),
                       ("recvmsg", lambda: s.recvmsg(10)[0])):
        s.setblocking(True)
        timer = threading.Timer(0.15, lambda: sock().sendto(b"late", s.getsockname()))
        timer.start()
        begun = time.monotonic()
        say(text, call(), time.monotonic() - begun > 0.1)
        timer.join()


@case
def timeouts():
    s = socket.socket(FAMILY, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 150000))
    for text, call in (("recv", s.recv), ("recvfrom", s.recvfrom), ("recvmsg", s.recvmsg)):
        begun = time.monotonic()
        attempt(text, call, 10)
        say(0.1 < time.monotonic() - begun < 20)


@case
def signals():
    import signal
    s = socket.socket(FAMILY, socket.SOCK_DGRAM)

    def ring(*_):
        raise KeyError
    signal.signal(signal.SIGALRM, ring)
    for call in (s.recv, s.recvfrom, s.recvmsg):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            call(10)
        except KeyError:
            say("interrupted")


@case
def epoll():
    s, t = sock(), sock()
    s.bind((LOOP[FAMILY], 0))
    e = select.epoll()
    e.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    say([mask for _, mask in e.poll(0)], e.poll(0))
    for _ in range(2):
        t.sendto(b"x", s.getsockname())
        say([mask for _, mask in e.poll(1)])
        s.recv(10)
    say([mask for _, mask in e.poll(0)])


@case
def two_readers():
    s = socket.socket(FAMILY, socket.SOCK_DGRAM)
    s.bind((LOOP[FAMILY], 0))
    got = []
    threads = [threading.Thread(target=lambda: got.append(s.recvfrom(10)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    for i in range(4):
        sock().sendto(b"%d" % i, s.getsockname())
    for thread in threads:
        thread.join(5)
    say(sorted(got))


# ---- Errors ----

@case
def refused():
    s = sock()
    s.connect(closed_port())
    attempt("send", s.send, b"x")
    say(wait_error(s))
    attempt("recv", s.recv, 10)
    say(poll(s))
    for text, call in (("send", lambda: s.send(b"x")), ("sendto", lambda: s.sendto(b"x", peer())),
                       ("sendmsg", lambda: s.sendmsg([b"x"])),
                       ("recvfrom", lambda: s.recvfrom(10)), ("recvmsg", lambda: s.recvmsg(10))):
        s.send(b"x")
        wait_error(s)
        attempt(text, call)
    s.send(b"x")
    wait_error(s)
    say(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)],
        s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


@case
def refused_blocked():
    """An error wakes who waits."""
    for call in ("recv", "recvfrom", "recvmsg"):
        s = socket.socket(FAMILY, socket.SOCK_DGRAM)
        s.connect(closed_port())
        timer = threading.Timer(0.1, s.send, (b"x",))
        timer.start()
        attempt(call, getattr(s, call), 10)
        timer.join()


@case
def not_refused():
    """Not connected: nobody is told."""
    s = sock(0.2)
    s.sendto(b"x", closed_port())
    time.sleep(SETTLE)
    say(poll(s), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    attempt("recv", s.recv, 10)


@case
def error_queue():
    level, option = (socket.IPPROTO_IPV6, IPV6_RECVERR) if SIX else (socket.IPPROTO_IP, IP_RECVERR)
    s = sock()
    s.setblocking(False)
    s.setsockopt(level, option, 1)
    say(s.getsockopt(level, option))
    attempt("none", s.recvmsg, 100, 512, MSG_ERRQUEUE)
    s.sendto(b"quoted", closed_port())
    say(wait_error(s))
    attempt("sendto", s.sendto, b"other", peer())
    data, beside, flags, name = s.recvmsg(100, 512, MSG_ERRQUEUE)
    say(data, flags & ~0x40000000, name[:2] == closed_port())
    for at, kind, value in beside:
        number, origin, icmp, code, _, info, _ = struct.unpack("IBBBBII", value[:16])
        offender = value[16:]
        where = socket.inet_ntop(FAMILY, offender[8:24] if SIX else offender[4:8])
        say(at, kind, errno.errorcode[number], origin, icmp, code, info, where == HOST, len(value))
    attempt("once", s.recvmsg, 100, 512, MSG_ERRQUEUE)
    s.setsockopt(level, option, 0)


@case
def unreachable():
    s = sock()
    far = ("2001:db8:9::9" if SIX else "198.51.100.9", 9)
    attempt("sendto", s.sendto, b"x", far)
    attempt("connect", s.connect, far)
    attempt("sendmsg", s.sendmsg, [b"x"], [], 0, far)


@case
def families():
    four, six = sock(family=socket.AF_INET), sock(family=socket.AF_INET6)
    raw = struct.pack("=HH12x", socket.AF_UNIX, 1)
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    for text, s in (("v4", four), ("v6", six)):
        for call in ("bind", "connect"):
            result = getattr(libc, call)(s.fileno(), raw, 16)
            say(text, call, result, errno.errorcode.get(ctypes.get_errno()))
            result = getattr(libc, call)(s.fileno(), raw, 3)
            say(text, call, "short", result, errno.errorcode.get(ctypes.get_errno()))


@case
def sockets():
    for family, kind, proto in ((FAMILY, socket.SOCK_DGRAM, socket.IPPROTO_TCP),
                                (FAMILY, socket.SOCK_DGRAM, socket.IPPROTO_UDP),
                                (FAMILY, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)):
        try:
            s = socket.socket(family, kind, proto)
            say(s.getsockopt(1, socket.SO_TYPE), s.getsockopt(1, socket.SO_PROTOCOL),
                s.getsockopt(1, socket.SO_DOMAIN), s.getsockopt(1, socket.SO_ACCEPTCONN),
                os.get_blocking(s.fileno()), os.get_inheritable(s.fileno()))
        except OSError as error:
            say(errno.errorcode[error.errno])


# ---- Options ----

@case
def options():
    s = sock()
    listed = [("SO_REUSEADDR", 1, 2), ("SO_BROADCAST", 1, 6), ("SO_RCVBUF", 1, 8),
              ("SO_SNDBUF", 1, 7), ("SO_PRIORITY", 1, 12), ("SO_TIMESTAMP", 1, 29),
              ("SO_RCVLOWAT", 1, 18), ("SO_KEEPALIVE", 1, 9), ("SO_777", 1, 777),
              ("TCP_NODELAY", 6, 1), ("IP_TTL", 0, 2), ("IP_TOS", 0, 1), ("IP_PKTINFO", 0, 8),
              ("IP_RECVTTL", 0, 12), ("IP_RECVTOS", 0, 13), ("IP_RECVERR", 0, 11),
              ("IP_MTU_DISCOVER", 0, 10), ("IP_777", 0, 777), ("LEVEL_777", 777, 1)]
    if SIX:
        listed += [("V6ONLY", 41, 26), ("UNICAST_HOPS", 41, 16), ("TCLASS", 41, 67),
                   ("RECVPKTINFO", 41, 49), ("RECVHOPLIMIT", 41, 51), ("RECVTCLASS", 41, 66),
                   ("RECVERR", 41, 25), ("MTU_DISCOVER", 41, 23)]
    for text, level, name in listed:
        attempt(text, s.getsockopt, level, name)
        for value in (1, 0, 2, -1, 300, 70000):
            attempt(f"{text} {value}", s.setsockopt, level, name, value)
            attempt(text, s.getsockopt, level, name)
        attempt(f"{text} one octet", s.setsockopt, level, name, b"\1")
        attempt(f"{text} short", s.getsockopt, level, name, 1)
        attempt(f"{text} nothing", s.setsockopt, level, name, b"")


@case
def ttl_tos_out():
    """What the peer sees of what we set."""
    s = sock()
    if SIX:
        s.setsockopt(41, 16, 17)
        s.setsockopt(41, 67, 0x28)
    else:
        s.setsockopt(0, 2, 17)
        s.setsockopt(0, 1, 0x28)
    s.sendto(b"seen", peer())
    say(s.recv(100))
    s.connect(peer())
    s.send(b"seen")
    say(s.recv(100))
    beside = [(41, 52, struct.pack("i", 33)), (41, 67, struct.pack("i", 0x48))] if SIX else \
        [(0, 2, struct.pack("i", 33)), (0, 1, struct.pack("i", 0x48))]
    s.sendmsg([b"seen"], beside)
    say(s.recv(100))
    attempt("wrong", s.sendmsg, [b"seen"], [(41, 52, struct.pack("i", 999)) if SIX
                                            else (0, 2, struct.pack("i", 999))])
    attempt("unknown", s.sendmsg, [b"seen"], [(41 if SIX else 0, 99, struct.pack("i", 1))])


@case
def told():
    """What is told beside a datagram."""
    s = sock()
    if SIX:
        for name in (49, 51, 66):
            s.setsockopt(41, name, 1)
    else:
        for name in (8, IP_RECVTTL, IP_RECVTOS):
            s.setsockopt(0, name, 1)
    for connect_too in (False, True):
        if connect_too:
            s.connect(peer())
        s.sendto(b"marked x", peer())
        data, beside, flags, _ = s.recvmsg(100, 512)
        say(data, flags)
        for level, kind, value in beside:
            if (level, kind) == (0, 8):
                _, spec, dst = struct.unpack("I4s4s", value)
                say("pktinfo", spec == dst, socket.inet_ntoa(dst) != "0.0.0.0")
            elif (level, kind) == (41, 50):
                say("pktinfo6", value[:16] != bytes(16))
            else:
                say(level, kind, value)
    s.sendto(b"marked x", peer())
    _, beside, flags, _ = s.recvmsg(100, 16)
    say(len(beside), flags)


@case
def stamps():
    s = sock()
    for option in (SO_TIMESTAMP, SO_TIMESTAMPNS):
        s.setsockopt(1, option, 1)
        s.sendto(b"echo x", peer())
        _, beside, _, _ = s.recvmsg(100, 512)
        for level, kind, value in beside:
            seconds = struct.unpack("q", value[:8])[0]
            say(level, kind, len(value), abs(seconds - time.time()) < 10)
        s.setsockopt(1, option, 0)


@case
def source():
    """A source address for one datagram."""
    s, t = sock(), sock()
    t.bind(("", 0))
    mine = connected().getsockname()[0]
    to = (LOOP[FAMILY], t.getsockname()[1])
    if SIX:
        info = [(41, 50, socket.inet_pton(FAMILY, mine) + struct.pack("I", 0))]
    else:
        info = [(0, 8, struct.pack("I", 0) + socket.inet_aton(mine) + bytes(4))]
    s.sendmsg([b"x"], info, 0, to)
    say(t.recvfrom(10)[1][0] == mine)
    s.sendto(b"x", to)
    say(t.recvfrom(10)[1][0] == LOOP[FAMILY])


@case
def broadcast():
    s = sock()
    to = ("192.0.2.255", PORT)
    attempt("sendto", s.sendto, b"x", to)
    attempt("connect", s.connect, to)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    attempt("sendto", s.sendto, b"x", to)
    attempt("connect", s.connect, to)


@case
def dual_stack():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(WAIT)
    s.bind(("::", 0))
    port = s.getsockname()[1]
    for loop, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        t = sock(family=family)
        t.sendto(b"hello", (loop, port))
        data, name = s.recvfrom(10)
        say(data, name[0])
        s.sendto(b"back", name)
        say(t.recvfrom(10)[0], t.getsockname()[0])
    four = sock(family=socket.AF_INET)
    attempt("taken", four.bind, ("", port))
    s.connect(("::ffff:127.0.0.1", 9))
    say(s.getsockname()[0], s.getpeername()[0])


@case
def v6only():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(41, 26, 1)
    s.bind(("::", 0))
    attempt("again", s.setsockopt, 41, 26, 0)
    four = sock(family=socket.AF_INET)
    attempt("v4 beside it", four.bind, ("", s.getsockname()[1]))
    sock(family=socket.AF_INET).sendto(b"x", ("127.0.0.1", s.getsockname()[1]))
    say(arrives(s), arrives(four))
    attempt("sendto", s.sendto, b"x", ("::ffff:127.0.0.1", 9))
    attempt("connect", s.connect, ("::ffff:127.0.0.1", 9))
    attempt("bind", socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).bind, ("::ffff:127.0.0.1", 0))


# ---- Processes ----

@case
def forks():
    s = sock()
    s.bind((LOOP[FAMILY], 0))
    if os.fork() == 0:
        sock().sendto(b"from " + s.recvfrom(10)[0], s.getsockname())
        os._exit(0)
    sock().sendto(b"one", s.getsockname())
    os.wait()
    say(s.recv(20))
    t = s.dup()
    s.close()
    sock().sendto(b"two", t.getsockname())
    say(t.recvfrom(20)[0])


@case
def passed_on():
    s = sock()
    s.bind((LOOP[FAMILY], 0))
    name = s.getsockname()
    a, b = socket.socketpair()
    socket.send_fds(a, [b"x"], [s.fileno()])
    s.close()
    sock().sendto(b"while it flew", name)
    _, fds, _, _ = socket.recv_fds(b, 10, 1)
    t = socket.socket(fileno=fds[0])
    say(t.recvfrom(20)[0], t.getsockname() == name)


@case
def full():
    """What finds the receive buffer full is dropped."""
    s, t = sock(), sock()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind((LOOP[FAMILY], 0))
    for i in range(100):
        t.sendto(b"%02d" % i + bytes(998), s.getsockname())
    time.sleep(SETTLE)
    s.setblocking(False)
    got = []
    while True:
        try:
            got.append(int(s.recv(1000)[:2]))
        except BlockingIOError:
            break
    say(0 < len(got) < 20, got == list(range(len(got))))


@case
def ping_sockets():
    if os.path.exists("/proc/sys/net/ipv4/ping_group_range"):
        proto = socket.IPPROTO_ICMPV6 if SIX else socket.IPPROTO_ICMP
        attempt("ping", lambda: socket.socket(FAMILY, socket.SOCK_DGRAM, proto).fileno() > 0)


# ---- Groups ----

GROUP = "ff15::7:1" if SIX else "239.7.0.1"


def own():
    """The interface to the peer: its address, and its index."""
    index = [number for number, name in socket.if_nameindex() if name != "lo"][0]
    return connected().getsockname()[0], index


def membership(group, iface):
    packed = socket.inet_pton(FAMILY, group)
    if SIX:
        return packed + struct.pack("i", iface[1])
    return packed + socket.inet_pton(FAMILY, iface[0])


JOIN, LEAVE, LEVEL = (20, 21, 41) if SIX else (35, 36, 0)


def sends_by(s, iface):
    if SIX:
        s.setsockopt(41, 17, iface[1])
    else:
        s.setsockopt(0, 32, socket.inet_aton(iface[0]))


@case
def group_options():
    s = sock()
    listed = [("TTL", 0, 33), ("LOOP", 0, 34), ("ALL", 0, 49)]
    if SIX:
        listed += [("HOPS", 41, 18), ("LOOP6", 41, 19), ("ALL6", 41, 29)]
    for text, level, name in listed:
        attempt(text, s.getsockopt, level, name)
        for value in (1, 0, 2, -1, -2, 255, 256):
            attempt(f"{text} {value}", s.setsockopt, level, name, value)
            attempt(text, s.getsockopt, level, name)
        attempt(f"{text} one octet", s.setsockopt, level, name, b"\1")
        attempt(f"{text} nothing", s.setsockopt, level, name, b"")
    iface = own()
    if SIX:
        for value in (iface[1], 0, -1, 99999):
            attempt("IF", s.setsockopt, 41, 17, value)
            say(s.getsockopt(41, 17) == iface[1])
    else:
        for value in (socket.inet_aton(iface[0]), b"\0\0\0\0", b"\1\2\3\4", b"\1\2",
                      b"\0" * 8 + struct.pack("i", iface[1]), b"\0" * 8 + struct.pack("i", 9999)):
            attempt("IF", s.setsockopt, 0, 32, value)
            say(s.getsockopt(0, 32, 4) == socket.inet_aton(iface[0]))


@case
def group_join():
    iface = own()
    for bound in (False, True):
        s = sock()
        if bound:
            s.bind(("", 0))
        good = membership(GROUP, iface)
        attempt("leave first", s.setsockopt, LEVEL, LEAVE, good)
        attempt("join", s.setsockopt, LEVEL, JOIN, good)
        attempt("again", s.setsockopt, LEVEL, JOIN, good)
        attempt("leave", s.setsockopt, LEVEL, LEAVE, good)
        attempt("leave again", s.setsockopt, LEVEL, LEAVE, good)
        attempt("no group", s.setsockopt, LEVEL, JOIN, membership(HOST, iface))
        attempt("no interface", s.setsockopt, LEVEL, JOIN, membership(GROUP, ("192.0.9.9", 99999)))
        attempt("short", s.setsockopt, LEVEL, JOIN, good[:7])
        attempt("nothing", s.setsockopt, LEVEL, JOIN, b"")
        attempt("asked", s.getsockopt, LEVEL, JOIN)
        name = struct.pack("=HHI16sI", FAMILY, 0, 0, socket.inet_pton(FAMILY, GROUP), 0) if SIX \
            else struct.pack("=HH4s", FAMILY, 0, socket.inet_aton(GROUP))
        request = struct.pack("i4x", iface[1]) + name.ljust(128, b"\0")
        attempt("MCAST_JOIN_GROUP", s.setsockopt, LEVEL, 42, request)
        attempt("again", s.setsockopt, LEVEL, 42, request)
        attempt("short", s.setsockopt, LEVEL, 42, request[:100])
        attempt("other family", s.setsockopt, LEVEL, 42, request[:8] + b"\x07" + request[9:])
        attempt("MCAST_LEAVE_GROUP", s.setsockopt, LEVEL, 45, request)


@case
def group_hears():
    """The peer sends to the group while we are in it, and afterwards."""
    iface = own()
    s = sock()
    good = membership(GROUP, iface)
    s.setsockopt(LEVEL, JOIN, good)
    s.bind(("", 0))
    time.sleep(SETTLE)
    ask = b"group %s %d " % (GROUP.encode(), s.getsockname()[1])
    s.sendto(ask + b"inside", (HOST, PORT))
    data, sender = s.recvfrom(100)
    say(data, sender[0] == HOST)
    s.setsockopt(LEVEL, LEAVE, good)
    time.sleep(SETTLE)
    s.settimeout(0.3)
    s.sendto(ask + b"outside", (HOST, PORT))
    attempt("outside", s.recvfrom, 100)


@case
def group_sends():
    iface = own()
    listener, s = sock(0.5), sock()
    listener.bind(("", 0))
    listener.setsockopt(LEVEL, JOIN, membership(GROUP, iface))
    sends_by(s, iface)
    where = (GROUP, listener.getsockname()[1])
    attempt("sent", s.sendto, b"one", where)
    attempt("heard", listener.recv, 10)
    s.setsockopt(LEVEL, 18 if SIX else 33, 0)
    attempt("sent, not to leave the host", s.sendto, b"two", where)
    attempt("heard", listener.recv, 10)
    s.setsockopt(LEVEL, 19 if SIX else 34, 0)
    attempt("sent, not to be heard here", s.sendto, b"three", where)
    attempt("heard", listener.recv, 10)


ONLY = {"broadcast": 4, "dual_stack": 6, "v6only": 6}

def main():
    for name in CASES if sys.argv[1] == "all" else [sys.argv[1]]:
        if ONLY.get(name, 4) != (6 if SIX else 4) and name in ONLY:
            continue
        say("case", name)
        try:
            globals()[name]()
        except OSError as error:
            say("failed", error)


if __name__ == "__main__":
    main()
