# SPDX-License-Identifier: MIT
"""The socket calls of a play: one line of text a call, on any table of the calls' functions."""

import ctypes
import errno
import os
import socket
import struct
import zlib

from wire import packet

SOL_TCP = socket.IPPROTO_TCP
NUMBER = struct.Struct("i")
# What a line `set NAME VALUE` means.
OPTIONS = {
    "nodelay": (SOL_TCP, socket.TCP_NODELAY), "cork": (SOL_TCP, socket.TCP_CORK),
    "quickack": (SOL_TCP, socket.TCP_QUICKACK), "maxseg": (SOL_TCP, socket.TCP_MAXSEG),
    "notsent": (SOL_TCP, socket.TCP_NOTSENT_LOWAT), "linger2": (SOL_TCP, socket.TCP_LINGER2),
    "user_timeout": (SOL_TCP, socket.TCP_USER_TIMEOUT), "syncnt": (SOL_TCP, socket.TCP_SYNCNT),
    "keepidle": (SOL_TCP, socket.TCP_KEEPIDLE), "keepintvl": (SOL_TCP, socket.TCP_KEEPINTVL),
    "keepcnt": (SOL_TCP, socket.TCP_KEEPCNT),
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "oobinline": (socket.SOL_SOCKET, socket.SO_OOBINLINE),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF), "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
}
FLAGS = {"oob": socket.MSG_OOB, "more": 0x8000, "peek": socket.MSG_PEEK, "dontwait": 0}
HOW = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}
SIOC = {"inq": 0x541b, "outq": 0x5411, "unsent": 0x894b, "atmark": 0x8905}
POLLED = 0x1 | 0x2 | 0x4 | 0x2000  # IN, PRI, OUT, RDHUP
POLL_NAMES = ((1, "IN"), (2, "PRI"), (4, "OUT"), (8, "ERR"), (16, "HUP"), (0x2000, "RDHUP"))
BUFFER = 1 << 18

# struct tcp_info: octets, then numbers of 32 bits, then those of 64 and of 32.
INFO_HEAD = "state ca_state retransmits probes backoff options wscale".split()
INFO_WORDS = ("rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent "
              "last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar ssthresh cwnd advmss "
              "reordering rcv_rtt rcv_space total_retrans").split()
INFO_REST = struct.Struct("<QQQQIIIIIIQQQQIIQQIIIIIIHHI")
INFO_MORE = ("pacing max_pacing bytes_acked bytes_received segs_out segs_in notsent min_rtt "
             "data_segs_in data_segs_out delivery_rate busy rwnd_limited sndbuf_limited delivered "
             "delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd "
             "rehash total_rto rto_recoveries rto_time").split()
# What is compared of them: not what is a time, an estimate, or the size of a buffer.
INFO_SHOWN = ("state options wscale snd_mss bytes_acked bytes_received "
              "snd_wnd").split()
OPTIONS_SHOWN = 0xf  # not whether a mark was ever seen
STATES = ("? ESTABLISHED SYN-SENT SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED CLOSE-WAIT "
          "LAST-ACK LISTEN CLOSING SYN-RECEIVED").split()


class PollFd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def sockaddr(v6, address, port):
    if v6:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0, address, 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), address)


class Calls:
    """`functions.NAME(...)` is the call of that name, and returns (result, errno)."""

    def __init__(self, functions, v6, local, remote):
        self.on, self.v6, self.local, self.remote = functions, v6, local, remote
        self.listener = self.fd = None
        self.written = 0
        self.room = ctypes.create_string_buffer(BUFFER)

    def said(self, done, words=None):
        result, number = done
        if result < 0:
            return errno.errorcode.get(number, str(number))
        return str(result) if words is None else words

    def make(self, text):
        """What the call on this line gives, in words."""
        word, *rest = text.split()
        call = getattr(self, "call_" + word)
        if word not in ("socket", "accept") and self.target() is None:
            return "no socket"
        return call(*rest)

    def target(self):
        return self.listener if self.fd is None else self.fd

    def nonblock(self, fd):
        self.on.fcntl(fd, 4, os.O_NONBLOCK)
        return fd

    # ---- Opening ----

    def call_socket(self, role):
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        fd, number = self.on.socket(family, socket.SOCK_STREAM, 0)
        if fd < 0:
            return self.said((fd, number))
        self.nonblock(fd)
        if role == "passive":
            self.listener = fd
            self.set_number(fd, (socket.SOL_SOCKET, socket.SO_REUSEADDR), 1)
        else:
            self.fd = fd
        return "0"

    def call_bind(self):
        address = sockaddr(self.v6, self.local, packet.PORT)
        return self.said(self.on.bind(self.target(), address, len(address)))

    def call_listen(self, backlog):
        return self.said(self.on.listen(self.target(), int(backlog)))

    def call_accept(self):
        if self.fd is not None or self.listener is None:
            return "no socket"
        fd, number = self.on.accept(self.listener, None, None)
        if fd < 0:
            return self.said((fd, number))
        self.fd = self.nonblock(fd)
        return "0"

    def call_connect(self):
        address = sockaddr(self.v6, self.remote, packet.PEER_PORT)
        return self.said(self.on.connect(self.target(), address, len(address)))

    # ---- Octets ----

    def call_write(self, length, flag="dontwait"):
        text = packet.text_at(1 + self.written, int(length), packet.THEIRS)
        done = self.on.send(self.target(), text, len(text), FLAGS[flag] | socket.MSG_NOSIGNAL)
        self.written += max(0, done[0])
        return self.said(done)

    def call_read(self, length, flag="dontwait"):
        length = min(int(length), BUFFER)
        done = self.on.recv(self.target(), self.room, length, FLAGS[flag])
        if done[0] <= 0:
            return self.said(done)
        return f"{done[0]} of {zlib.crc32(self.room.raw[:done[0]]):08x}"

    # ---- The rest ----

    def call_shutdown(self, how):
        return self.said(self.on.shutdown(self.target(), HOW[how]))

    def call_close(self):
        done = self.on.close(self.target())
        if self.fd is None:
            self.listener = None
        self.fd = None if self.fd is None else -1
        return self.said(done)

    def set_number(self, fd, option, value):
        return self.on.setsockopt(fd, *option, NUMBER.pack(value), NUMBER.size)

    def call_set(self, name, value):
        return self.said(self.set_number(self.target(), OPTIONS[name], int(value)))

    def call_linger(self, on, seconds):
        value = struct.pack("ii", int(on), int(seconds))
        return self.said(self.on.setsockopt(self.target(), socket.SOL_SOCKET, socket.SO_LINGER,
                                            value, len(value)))

    def call_error(self):
        size = ctypes.c_uint(NUMBER.size)
        done = self.on.getsockopt(self.target(), socket.SOL_SOCKET, socket.SO_ERROR, self.room,
                                  ctypes.byref(size))
        number = NUMBER.unpack(self.room.raw[:NUMBER.size])[0]
        return self.said(done, errno.errorcode.get(number, str(number)))

    def call_poll(self):
        fds = PollFd(self.target(), POLLED, 0)
        done = self.on.poll(ctypes.byref(fds), 1, 0)
        names = ",".join(name for bit, name in POLL_NAMES if fds.revents & bit)
        return self.said(done, names or "-")

    def call_ioctl(self, what):
        value = ctypes.c_int(0)
        done = self.on.ioctl(self.target(), SIOC[what], ctypes.byref(value))
        return self.said(done, str(value.value))

    def call_info(self):
        size = ctypes.c_uint(8 + 4 * len(INFO_WORDS) + INFO_REST.size)
        done = self.on.getsockopt(self.target(), SOL_TCP, socket.TCP_INFO, self.room,
                                  ctypes.byref(size))
        if done[0] < 0:
            return self.said(done)
        raw = self.room.raw[:size.value].ljust(8 + 4 * len(INFO_WORDS) + INFO_REST.size, b"\0")
        info = dict(zip(INFO_HEAD, raw[:7]))
        info |= dict(zip(INFO_WORDS, struct.unpack(f"<{len(INFO_WORDS)}I",
                                                   raw[8:8 + 4 * len(INFO_WORDS)])))
        info |= dict(zip(INFO_MORE, INFO_REST.unpack(raw[8 + 4 * len(INFO_WORDS):])))
        info["options"] &= OPTIONS_SHOWN
        info["state"] = STATES[info["state"]]
        return " ".join(f"{name}={info[name]}" for name in INFO_SHOWN)
