#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`weir run --exact`: what reads and writes say, on the kernel and under it, and what it must not cost:
a file read, an octet lost, a thread left behind.

    run_exact.py [--build DIR] [--only NAME]
    run_exact.py --subject                     the program; it prints what it saw

The cases of tests/differential are played under --exact by its run.py. Here is what needs threads,
signals at the wrong moment, a death, or real programs: tests of run_tcp.py and run_faults.py among them.
Needs root and /dev/net/tun.
"""

import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

LIBC = ctypes.CDLL(None, use_errno=True)
ROUNDS = 300
OCTETS = 1 << 20
HANG = 20  # nothing here takes so long


# ---- The program ----

def pair(family=socket.AF_INET):
    listener = socket.socket(family)
    listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    listener.listen(1)
    one = socket.create_connection(listener.getsockname()[:2])
    other = listener.accept()[0]
    listener.close()
    return one, other


def result(call, *words):
    try:
        return call(*words)
    except OSError as error:
        return errno.errorcode[error.errno]


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def beside(call):
    """Begins a call in a thread; gives what joins it, and then its result."""
    said = []
    thread = threading.Thread(target=lambda: said.append(result(call)), daemon=True)
    thread.start()
    time.sleep(.15)  # until it waits; if it does not yet, it says the same

    def join():
        thread.join(HANG)
        return said[0] if said else "hangs"
    return join


def fill(sock):
    sock.setblocking(False)
    idle = 0
    while idle < 5:
        try:
            sock.send(bytes(65536))
            idle = 0
        except BlockingIOError:
            time.sleep(.02)
            idle += 1
    sock.setblocking(True)


def every_call():
    """Each of them, first to meet a reset, in a wait and without one."""
    buffers = [bytearray(4), bytearray(4)]
    reads = {"read": lambda fd: os.read(fd, 4), "readv": lambda fd: os.readv(fd, buffers),
             "recv": lambda fd: socket.socket(fileno=os.dup(fd)).recv(4),
             "recvmsg": lambda fd: socket.socket(fileno=os.dup(fd)).recvmsg(4)[0]}
    writes = {"write": lambda fd: os.write(fd, b"x" * 100000),
              "writev": lambda fd: os.writev(fd, [b"x" * 50000] * 2),
              "sendfile": lambda fd: os.sendfile(fd, zero.fileno(), 0, 100000),
              "send": lambda fd: socket.socket(fileno=os.dup(fd)).send(b"x" * 100000),
              "sendmsg": lambda fd: socket.socket(fileno=os.dup(fd)).sendmsg([b"x" * 100000])}
    with tempfile.TemporaryFile() as zero:
        zero.truncate(1 << 20)
        for name, call in (*reads.items(), *writes.items()):
            for waits in (False, True):
                one, other = pair()
                if name in writes:
                    fill(one)
                join = beside(lambda: call(one.fileno())) if waits else None
                reset(other)
                select.select([one], [], [], HANG)
                first = join() if waits else result(call, one.fileno())
                print(name, waits, first, [result(one.recv, 4) for _ in range(2)], result(one.send, b"x"))
                one.close()


def wait_ends():
    """What else ends a read that waits."""
    one, other = pair(socket.AF_INET6)
    join = beside(lambda: one.recv(9))
    other.send(b"octets")
    print("octets", join())
    join = beside(lambda: one.recv(9))
    other.shutdown(socket.SHUT_WR)
    print("the end", join(), result(one.recv, 9))
    one, other = pair()
    join = beside(lambda: one.recv(9))
    one.shutdown(socket.SHUT_RD)
    print("shutdown", join())
    one, other = pair()
    fill(one)
    join = beside(lambda: one.send(b"x"))
    while other.recv(1 << 20, socket.MSG_DONTWAIT) and select.select([other], [], [], .3)[0]:
        pass
    print("room", join())
    one, other = pair()
    fd = one.fileno()
    join = beside(lambda: os.read(fd, 9))
    one.close()
    other.send(b"late")
    print("closed meanwhile", join(), result(os.read, fd, 1), other.recv(1))
    one, other = pair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    began = time.monotonic()
    print("SO_RCVTIMEO", result(one.recv, 9), .15 < time.monotonic() - began < HANG)
    other.send(b"in time")
    print(one.recv(9))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1)
    fresh = socket.socket()
    print("fresh", result(fresh.recv, 1), result(fresh.send, b"x"))


def signals():
    """A read of a socket, in the middle of a storm of signals, loses nothing; and EINTR is seen."""
    class Rung(Exception):
        pass

    def ring(*_):
        raise Rung
    one, other = pair()
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, .1)
    try:
        one.recv(1)
    except Rung:
        print("EINTR")
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, .001, .001)
    data = os.urandom(OCTETS)

    def send():
        for at in range(0, OCTETS, OCTETS // ROUNDS):
            other.sendall(data[at:at + OCTETS // ROUNDS])
        other.shutdown(socket.SHUT_WR)
    threading.Thread(target=send, daemon=True).start()
    got = b""
    while part := os.read(one.fileno(), 4000):
        got += part
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("nothing is lost", got == data)


def many():
    """Threads and a child that share sockets, files and pipes beside them."""
    (inner, outer), (reads, writes) = pair(), os.pipe()
    pairs = [pair() for _ in range(8)]

    def echo(sock):
        while data := sock.recv(100):
            sock.sendall(data)
    for _, other in pairs:
        threading.Thread(target=echo, args=(other,), daemon=True).start()
    wrong = 0

    def ask(sock, number):
        nonlocal wrong
        for i in range(ROUNDS):
            word = b"%d of %d" % (i, number)
            sock.sendall(word)
            wrong += sock.recv(100) != word
    askers = [threading.Thread(target=ask, args=(one, i)) for i, (one, _) in enumerate(pairs)]
    for asker in askers:
        asker.start()
    child = os.fork()
    if child == 0:
        inner.send(b"of a child")
        os.write(writes, outer.recv(4))
        os._exit(0)
    print(os.read(reads, 4), outer.recv(99), os.waitpid(child, 0)[1])
    for asker in askers:
        asker.join(HANG * 2)
    print("answers that are wrong:", wrong)
    child = os.fork()
    if child == 0:
        outer.close()
        inner.recv(1)
        os._exit(0)
    inner.close()
    time.sleep(.2)
    os.kill(child, signal.SIGKILL)
    print("a reader killed", select.select([outer], [], [], HANG)[0] == [outer], outer.recv(1))
    os.waitpid(child, 0)


def datagrams():
    one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    other.bind(("127.0.0.1", 0))
    print(result(one.send, b"x"), one.getsockname()[1] != 0)
    one.connect(other.getsockname())
    for call in (lambda: os.write(one.fileno(), b"by write"), lambda: one.send(b"by send"),
                 lambda: os.writev(one.fileno(), [b"by ", b"writev"])):
        print(call(), os.read(other.fileno(), 99))
    port = other.getsockname()
    other.close()
    one.send(b"x")
    select.select([one], [], [], HANG)
    print(result(os.write, one.fileno(), b"x"), result(os.write, one.fileno(), b"x"), port[1] != 0)


def subject():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for part in (every_call, wait_ends, signals, many, datagrams):
        print(f"-- {part.__name__}", flush=True)
        part()


# ---- The tests ----

def main():
    import run_faults
    import run_tcp

    class Lab(run_faults.Lab):
        def under(self, *command):
            return [self.program("weir"), "run", "--exact", "--socket", self.socket, "--", *command]

    def test_subject(lab, tap):
        command = [sys.executable, os.path.abspath(__file__), "--subject"]
        lab.run(*lab.under(sys.executable, "-c", "import socket; socket.socket(type=socket.SOCK_DGRAM)"))
        before = lab.status()  # weird has a stock of them from now on
        on_linux, found = (lab.run(*way(*command), timeout=90)
                           for way in (lambda *words: words, lab.under))
        want, have = (said[1].decode().splitlines() for said in (on_linux, found))
        tap.check(on_linux[0] == 0 == found[0] and want == have,
                  "reads and writes say what they say on Linux", on_linux[0], found[0],
                  *(f"Linux: {w!r}   weir: {h!r}" for w, h in
                    zip(want + [None] * 50, have + [None] * 50) if w != h))
        run_faults.check_baseline(lab, tap, before, "after that")

    def test_death(lab, tap):
        run_faults.one_death(lab, tap)

    tests = [test_subject, run_tcp.test_curl, run_tcp.test_static, run_tcp.test_process,
             run_tcp.test_closed_listener, run_tcp.test_signals, test_death]
    return run_tcp.run_lab(__doc__, Lab, run_tcp.play_all(tests))


if __name__ == "__main__":
    sys.exit(subject() if sys.argv[1:] == ["--subject"] else main())
