#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The vocabulary of weir-peer over the kernel's sockets (peer.c says what the words mean).

    kernel_peer.py DATA

Every command runs in a thread of its own, so that what blocks holds up nothing else. Beyond the
vocabulary: `sysctl KEY VALUE`, and `counters` that come from /proc/net.
"""

import errno
import os
import socket
import struct
import sys
import threading

PIECE = 65536
TCP_MD5SIG = 14
PING_SECONDS = 5
CONGESTION = b"cubic"
ECHO = {False: 8, True: 128}  # the type of a request in ICMP and ICMPv6
OPTIONS = {
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "keepidle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1000),
    "keepintvl": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1000),
    "keepcnt": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1),
    "user_timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF, 1),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF, 1),
}


class Moved(Exception):
    """An error of a call that had moved some octets before."""

    def __init__(self, error, done):
        super().__init__(error)
        self.error, self.done = error, done


class Peer:
    def __init__(self, path):
        self.data = open(path, "rb")
        self.sockets = {}
        self.md5 = None  # what TCP_MD5SIG gets for the sockets to come
        self.speaking = threading.Lock()

    def reply(self, tag, text):
        with self.speaking:
            print(tag, text, flush=True)

    def obey(self, tag, verb, words):
        try:
            text = getattr(self, "do_" + verb)(*words)
        except Moved as moved:
            text = f"error {errno.errorcode[moved.error.errno]} {moved.done}"
        except OSError as error:
            text = f"error {errno.errorcode.get(error.errno, 'EUNKNOWN')} 0"
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            print(f"kernel_peer: {verb} {words}: {error!r}", file=sys.stderr, flush=True)
            text = "error EINVAL 0"
        self.reply(tag, text or "ok 0")

    def make(self, ip, kind):
        made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_STREAM:  # whatever this machine's default is
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
            if self.md5:
                made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, self.md5)
        return made

    def read_data(self, offset, length):
        return os.pread(self.data.fileno(), length, offset)

    # ---- TCP ----

    def do_md5(self, ip, key):
        """struct tcp_md5sig: the address, flags, prefix length, length, interface, key."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        address = socket.inet_pton(family, ip)
        where = struct.pack("=HH", family, 0) + (bytes(4) if ":" in ip else b"") + address
        self.md5 = struct.pack("=128sBBHi80s", where, 0, 0, len(key), 0, key.encode())
        with socket.socket(family, socket.SOCK_STREAM) as probe:  # is it there at all?
            probe.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, self.md5)

    def do_listen(self, name, ip, port, backlog="8"):
        self.sockets[name] = made = self.make(ip, socket.SOCK_STREAM)
        made.bind((ip, int(port)))
        made.listen(int(backlog))

    def do_accept(self, name, listener):
        self.sockets[name], _ = self.sockets[listener].accept()

    def do_connect(self, name, ip, port, lport=None):
        made = self.make(ip, socket.SOCK_STREAM)
        if lport is not None:
            made.bind(("::" if ":" in ip else "0.0.0.0", int(lport)))
        self.sockets[name] = made
        made.connect((ip, int(port)))

    def do_send(self, name, offset, length):
        done, end = 0, int(length)
        while done < end:
            piece = self.read_data(int(offset) + done, min(PIECE, end - done))
            try:
                done += self.sockets[name].send(piece)
            except OSError as error:
                raise Moved(error, done) from error
        return f"ok {done}"

    def do_recv(self, name, path, length):
        done, end = 0, int(length) or sys.maxsize
        with open("/dev/null" if path == "-" else path, "wb") as out:
            while done < end:
                try:
                    piece = self.sockets[name].recv(min(PIECE, end - done))
                except OSError as error:
                    raise Moved(error, done) from error
                if not piece:
                    return f"eof {done}"
                out.write(piece)
                done += len(piece)
        return f"ok {done}"

    def do_shutdown(self, name):
        self.sockets[name].shutdown(socket.SHUT_WR)

    def do_close(self, name):
        self.sockets.pop(name).close()

    def do_abort(self, name):
        self.sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.do_close(name)

    def do_set(self, name, option, value):
        level, number, unit = OPTIONS[option]
        self.sockets[name].setsockopt(level, number, max(1, int(value) // unit))

    # ---- Datagrams ----

    def do_udp(self, name, ip, port):
        self.sockets[name] = made = self.make(ip, socket.SOCK_DGRAM)
        made.bind((ip, int(port)))

    def do_udpconnect(self, name, ip, port):
        self.sockets[name].connect((ip, int(port)))

    def do_udpsend(self, name, offset, length, ip=None, port=None):
        octets = self.read_data(int(offset), int(length))
        if ip is None:
            self.sockets[name].send(octets)
        else:
            self.sockets[name].sendto(octets, (ip, int(port)))

    def do_udprecv(self, name, path):
        octets = self.sockets[name].recv(PIECE)
        with open("/dev/null" if path == "-" else path, "wb") as out:
            out.write(octets)
        return f"ok {len(octets)}"

    def do_ping(self, _name, ip, length, count):
        """As ping(8), over the kernel's ping sockets."""
        six, octets = ":" in ip, self.read_data(0, int(length))
        made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM,
                             socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        made.settimeout(PING_SECONDS)
        made.connect((ip, 0))
        for sequence in range(1, int(count) + 1):
            made.send(struct.pack("!BBHHH", ECHO[six], 0, 0, 0, sequence) + octets)
            try:
                said = made.recv(PIECE)
            except TimeoutError:
                return f"error ETIMEDOUT {sequence - 1}"
            if said[6:8] != sequence.to_bytes(2, "big") or said[8:] != octets:
                return f"error EBADMSG {sequence - 1}"
        return f"ok {count}"

    # ---- The namespace ----

    def do_sysctl(self, key, *values):
        with open("/proc/sys/" + key, "w", encoding="ascii") as file:
            file.write(" ".join(values))

    def do_counters(self):
        words = []
        for path in ("snmp", "netstat"):
            with open("/proc/net/" + path, encoding="ascii") as file:
                lines = file.read().splitlines()
            for names, values in zip(lines[::2], lines[1::2]):
                prefix, names = names.split(":")
                words += [f"{prefix}{name}={value}" for name, value
                          in zip(names.split(), values.split(":")[1].split())]
        with open("/proc/net/snmp6", encoding="ascii") as file:
            words += ["=".join(line.split()) for line in file]
        return "ok " + " ".join(words)


def main():
    peer = Peer(sys.argv[1])
    peer.reply("0", "ready")
    for line in sys.stdin:
        tag, verb, *words = line.split()
        threading.Thread(target=peer.obey, args=(tag, verb, words), daemon=True).start()
    sys.stdout.flush()
    os._exit(0)  # threads may still be waiting in a call


if __name__ == "__main__":
    main()
