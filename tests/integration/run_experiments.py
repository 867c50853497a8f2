#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What everybody tries first with two sockets, each told by both ends' states, the wire and errno.

    run_experiments.py [--build DIR] [--only NAME]

Bound but not listening, listening but not accepting, a whole exchange, a close by one end and by
both, a server that is killed, the three ways to shut down. Each is played between the kernel and
weir, either as the server, and between two kernels: what a line expects is thereby what Linux does.
Needs root and /dev/net/tun.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import run_tcp  # noqa: E402
from run_tcp import KERNEL, LIMIT, NAMESPACE, WEIR, ip, until  # noqa: E402

BESIDE = f"{NAMESPACE}k"  # the namespace of the second kernel
PAIR = "198.51.100.1", "198.51.100.2"  # its wire
FIN_TIMEOUT = 2  # seconds; tcp_fin_timeout
SETTING = f"net.ipv4.tcp_fin_timeout={FIN_TIMEOUT}"
ETH_P_ALL, SO_ATTACH_FILTER, SO_DETACH_FILTER = 3, 26, 27
FLAGS = ((2, "S"), (1, "F"), (4, "R"))

# One end: evaluates a line, and prints what it gives, or the name of its errno.
ACTOR = """
import ctypes, errno, socket, struct, sys
LINGER = struct.pack('ii', 1, 0)
DEAF = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
FILTER = struct.pack('HxxxxxxQ', 1, ctypes.addressof(DEAF))
def new():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s
def errno_of(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
held = {}
print('ready', flush=True)
for line in sys.stdin:
    name, call, *args = eval(line)
    if call == 'new':
        held[name] = new()
        result = None
    elif call == 'accept':
        held[args[0]], _ = held[name].accept()
        result = None
    elif args and args[-1] == 'FILTER':
        result = held[name].setsockopt(*args[:-1], FILTER)
    else:
        result = errno_of(getattr(held[name], call), *args)
    print(repr(result), flush=True)
"""


class Actor:
    def __init__(self, prefix, address, states):
        self.prefix, self.address, self.states_of = prefix, address, states
        self.process = None
        self.begin()

    def begin(self):
        self.process = subprocess.Popen([*self.prefix, sys.executable, "-c", ACTOR], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def do(self, name, call, *args):
        self.process.stdin.write(repr((name, call, *args)) + "\n")
        self.process.stdin.flush()
        return eval(self.process.stdout.readline() or "'it ended'")  # our own repr

    def states(self, port):
        """Those of the connections of that port, whoever holds them."""
        rows = [line.split()[:5] for line in self.states_of().splitlines()]
        return [row[0] for row in rows
                if row[0] != "LISTEN" and str(port) in (end.rsplit(":", 1)[1] for end in row[3:])]

    def kill(self):
        self.end()
        self.begin()

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Wire(threading.Thread):
    """The segments of each port that mean something: SYN, FIN, RST and how many octets."""

    def __init__(self, device):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.sock.bind((device, ETH_P_ALL))
        self.seen = []
        self.start()

    def run(self):
        while True:
            packet = self.sock.recv(65536)
            if packet[:1] == b"\x45" and packet[9] == 6:
                length, = struct.unpack("!H", packet[2:4])
                sport, dport, seq = struct.unpack("!HHI", packet[20:28])
                octets = length - 20 - (packet[32] >> 4) * 4
                self.seen.append((sport, dport, seq, packet[33], octets))

    def of(self, port):
        """As 'c:S s:S c:5 c:F'; what is sent again is told once."""
        said, known = [], set()
        for sport, dport, seq, flags, octets in list(self.seen):
            if port not in (sport, dport):
                continue
            side = "s" if sport == port else "c"
            words = [letter for bit, letter in FLAGS if flags & bit]
            if octets > 0:
                words.insert(0, str(octets))
            for word in words:
                what = (side, word, seq if word not in "RF" else word)
                if what not in known:
                    known.add(what)
                    said.append(f"{side}:{word}")
        return " ".join(said)


class Play:
    """One experiment, with who is the server and who the client."""

    def __init__(self, tap, text, server, client, wire, port):
        self.tap, self.text, self.wire, self.port = tap, text, wire, port
        self.server, self.client = server, client

    def gives(self, actor, wanted, name, call, *args):
        got = actor.do(name, call, *args)
        side = "server" if actor is self.server else "client"
        self.tap.check(got == wanted, f"{self.text}: {side} {call} gives {wanted}", got)

    def states(self, client, server, text):
        """A state, or '' for no connection at all."""
        want, saw = ([client] if client else [], [server] if server else []), []

        def there():
            saw[:] = [(self.client.states(self.port), self.server.states(self.port))]
            return saw[0] == want
        self.tap.check(until(there, LIMIT), f"{self.text}: {text}: client {client or 'none'}, "
                       f"server {server or 'none'}", *saw)

    def passed(self, wanted):
        self.tap.check(until(lambda: self.wire.of(self.port) == wanted), f"{self.text}: the wire",
                       f"wanted {wanted}", f"saw    {self.wire.of(self.port)}")

    def bind(self):
        self.server.do("l", "new")
        self.gives(self.server, None, "l", "bind", (self.server.address, self.port))

    def connect(self, wanted=None):
        self.client.do("c", "new")
        self.gives(self.client, wanted, "c", "connect", (self.server.address, self.port))

    def establish(self):
        self.bind()
        self.server.do("l", "listen", 8)
        self.connect()
        self.server.do("l", "accept", "a")
        self.server.do("l", "close")


# ---- The experiments ----

def not_listening(play):
    """A socket that is bound only is nobody."""
    play.bind()
    play.connect("ECONNREFUSED")
    play.states("", "", "nothing comes of it")
    play.passed("c:S s:R")
    play.server.do("l", "listen", 8)
    play.gives(play.client, None, "c", "connect", (play.server.address, play.port))
    play.states("ESTAB", "ESTAB", "the same socket once it listens")
    play.passed("c:S s:R c:S s:S")


def not_accepted(play):
    """The handshake needs no accept."""
    play.bind()
    play.server.do("l", "listen", 8)
    play.connect()
    play.states("ESTAB", "ESTAB", "before accept")
    play.passed("c:S s:S")
    play.gives(play.client, 5, "c", "send", b"early")
    play.server.do("l", "accept", "a")
    play.gives(play.server, b"early", "a", "recv", 9)
    play.passed("c:S s:S c:5")


def exchange(play):
    play.establish()
    play.gives(play.client, 7, "c", "send", b"request")
    play.gives(play.server, b"request", "a", "recv", 99)
    play.gives(play.server, 8, "a", "send", b"response")
    play.gives(play.client, b"response", "c", "recv", 99)
    play.states("ESTAB", "ESTAB", "in between")
    play.passed("c:S s:S c:7 s:8")


def one_closes(play):
    """... and the other does not: one end forgets in time, the other never."""
    play.establish()
    play.client.do("c", "close")
    play.states("FIN-WAIT-2", "CLOSE-WAIT", "after the client's close")
    play.gives(play.server, b"", "a", "recv", 9)
    play.passed("c:S s:S c:F")
    play.states("", "CLOSE-WAIT", "after tcp_fin_timeout")
    play.gives(play.server, 4, "a", "send", b"late")
    play.states("", "", "what the server still sends is answered by a reset")
    play.passed("c:S s:S c:F s:4 c:R")


def both_close(play):
    play.establish()
    play.client.do("c", "close")
    play.gives(play.server, b"", "a", "recv", 9)
    play.server.do("a", "close")
    play.states("TIME-WAIT", "", "after both closes")
    play.passed("c:S s:S c:F s:F")


def killed(play):
    """The end of a process is a close: the same segments, in the other direction."""
    play.establish()
    play.server.kill()
    play.states("CLOSE-WAIT", "FIN-WAIT-2", "after the server's death")
    play.gives(play.client, b"", "c", "recv", 9)
    play.client.do("c", "close")
    play.states("", "TIME-WAIT", "after the client's close")
    play.passed("c:S s:S s:F c:F")


def killed_unread(play):
    """... unless it had something left to read."""
    play.establish()
    play.gives(play.client, 6, "c", "send", b"unread")
    play.passed("c:S s:S c:6")
    play.server.kill()
    play.states("", "", "after the server's death")
    play.gives(play.client, "ECONNRESET", "c", "recv", 9)
    play.passed("c:S s:S c:6 s:R")


def shutdown_write(play):
    play.establish()
    play.gives(play.client, None, "c", "shutdown", socket.SHUT_WR)
    play.states("FIN-WAIT-2", "CLOSE-WAIT", "half closed")
    play.gives(play.client, "EPIPE", "c", "send", b"x")
    play.gives(play.server, b"", "a", "recv", 9)
    play.gives(play.server, 6, "a", "send", b"answer")
    play.gives(play.client, b"answer", "c", "recv", 9)
    play.server.do("a", "close")
    play.client.do("c", "close")
    play.states("TIME-WAIT", "", "after both closes")
    play.passed("c:S s:S c:F s:6 s:F")


def shutdown_read(play):
    """Nothing of it is on the wire."""
    play.establish()
    play.gives(play.client, None, "c", "shutdown", socket.SHUT_RD)
    play.gives(play.client, b"", "c", "recv", 9)
    play.gives(play.client, 4, "c", "send", b"more")
    play.gives(play.server, b"more", "a", "recv", 9)
    play.states("ESTAB", "ESTAB", "as before")
    play.passed("c:S s:S c:4")


def shutdown_both(play):
    play.establish()
    play.gives(play.client, None, "c", "shutdown", socket.SHUT_RDWR)
    play.gives(play.client, b"", "c", "recv", 9)
    play.states("FIN-WAIT-2", "CLOSE-WAIT", "the other end has not closed")
    play.gives(play.server, b"", "a", "recv", 9)
    play.server.do("a", "close")
    play.states("TIME-WAIT", "", "after the server's close")
    play.passed("c:S s:S c:F s:F")


def dropped(play):
    """Only what drops segments leaves a client in SYN-SENT: no error of the API does."""
    play.bind()
    play.server.do("l", "listen", 8)
    play.server.do("l", "setsockopt", socket.SOL_SOCKET, SO_ATTACH_FILTER, "FILTER")
    play.client.do("c", "new")
    play.client.do("c", "setblocking", False)
    play.gives(play.client, "EINPROGRESS", "c", "connect", (play.server.address, play.port))
    play.states("SYN-SENT", "", "the server does not hear it")
    play.passed("c:S")
    play.server.do("l", "setsockopt", socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    play.states("ESTAB", "ESTAB", "the SYN that is sent again is heard")
    play.passed("c:S s:S")


EXPERIMENTS = [not_listening, not_accepted, exchange, one_closes, both_close, killed, killed_unread,
               shutdown_write, shutdown_read, shutdown_both, dropped]
KERNEL_SERVES = [dropped]  # the filter is the kernel's


class Lab(run_tcp.Lab):
    def start(self):
        ready, told = os.pipe()
        self.weird = subprocess.Popen(
            [self.weird_program, "--dev", "tap:wr0", "--addr", WEIR[4] + "/24", "--socket",
             self.socket, "--sysctl", SETTING, "--ready-fd", str(told)], pass_fds=[told])
        os.close(told)
        line = os.read(ready, 100)
        os.close(ready)
        if not line:
            raise SystemExit("Bail out! weird does not start")
        ip("netns", "add", BESIDE)
        ip("link", "add", "wk0", "type", "veth", "peer", "name", "wk1", "netns", BESIDE)
        for where, device, address in (([], "wk0", PAIR[0]), (["-n", BESIDE], "wk1", PAIR[1])):
            ip(*where, "addr", "add", address + "/24", "dev", device)
            ip(*where, "link", "set", device, "up")
        for prefix in ([], ["ip", "netns", "exec", BESIDE]):
            subprocess.run([*prefix, "sysctl", "-qw", SETTING], check=True)

    def worlds(self):
        """(name, the kernel's end, the other end, the wire between them)"""
        weir = self.program("weir")
        look = [weir, "ss", "--kernel", "-Htan"]
        there = ["ip", "netns", "exec", BESIDE]
        yield ("kernel", Actor([], PAIR[0], lambda: self.said(*look)),
               Actor(there, PAIR[1], lambda: self.said(*there, *look)), Wire("wk0"))
        yield ("weir", Actor([], KERNEL[4], lambda: self.said(*look)),
               Actor(self.under(), WEIR[4],
                     lambda: self.said(weir, "ss", "--socket", self.socket, "-Htan")), Wire("wr0"))

    def said(self, *command):
        return self.run(*command)[1].decode()

    def close(self):
        super().close()
        subprocess.run(["ip", "netns", "del", BESIDE], check=False)


def play_all(lab, tap, only):
    port = 9000
    for name, near, far, wire in lab.worlds():
        try:
            for experiment in EXPERIMENTS:
                for server, client, words in ((far, near, f"{name} serves"),
                                              (near, far, f"{name} asks")):
                    port += 1
                    if only not in (None, experiment.__name__) or \
                            (experiment in KERNEL_SERVES and words == "weir serves"):
                        continue
                    experiment(Play(tap, f"{experiment.__name__}, {words}", server, client, wire,
                                    port))
        finally:
            near.end()
            far.end()


def main():
    return run_tcp.run_lab(__doc__, Lab, play_all)


if __name__ == "__main__":
    sys.exit(main())
