# SPDX-License-Identifier: MIT
"""Who is played to: the kernel of this machine in a namespace, and weir in virtual time.

Both have the same few verbs: `advance(when)` lets time pass until then (seconds from the beginning),
`inject(frame)`, `take()` gives what left, as (when, frame, size of the pieces), and `calls` makes
calls. The kernel's times are those of its own taps, so that nothing of what this program takes is in
them."""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
TUNSETIFF, TUNSETOFFLOAD = 0x400454ca, 0x400454d0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x1000, 0x4000
TUN_OFFLOADS = 0x1 | 0x2 | 0x4  # sums, and segmentation of both families
VNET_HEADER = struct.Struct("<BBHHHH")
SOL_PACKET, PACKET_VNET_HDR = 263, 15
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
ETH_P_ALL, PACKET_OUTGOING = 3, 4
FRAME_MOST = 1 << 17
TUN = "tun0"
MTU = 1500
LOCAL = ("192.168.0.1", "fd3d:a0b:17d6::1")
READY_SECONDS = 10
WEIR_START = 1000.0  # the adapter's clock when it begins

SETTINGS = {
    "tcp_timestamps": "1", "tcp_sack": "1", "tcp_window_scaling": "1", "tcp_ecn": "2",
    "tcp_congestion_control": "cubic", "tcp_syn_retries": "6", "tcp_synack_retries": "5",
    "tcp_fin_timeout": "60", "tcp_keepalive_time": "7200", "tcp_keepalive_intvl": "75",
    "tcp_keepalive_probes": "9", "tcp_retries2": "15", "tcp_slow_start_after_idle": "1",
    "tcp_mtu_probing": "0", "tcp_wmem": "4096 1048576 4194304", "tcp_rmem": "4096 131072 6291456",
}


# Of the kernel alone: that it answers each segment beyond a gap, and not many with one.
KERNEL_SETTINGS = {"tcp_comp_sack_nr": "0"}


def local_of(v6):
    return socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, LOCAL[v6])


def remote_of(v6, number):
    """Each play has a peer of its own, so that nothing is remembered of it."""
    if v6:
        return socket.inet_pton(socket.AF_INET6, f"fd00:aa::{number % 65000 + 1:x}")
    return struct.pack(">I", 0x0a000000 + number % 60000 * 256 + 1)


NUMBER, POINTER, SIZE = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t
LENGTH = ctypes.c_uint
ARGUMENTS = {
    "socket": (NUMBER,) * 3, "bind": (NUMBER, POINTER, LENGTH), "listen": (NUMBER,) * 2,
    "accept": (NUMBER, POINTER, POINTER), "connect": (NUMBER, POINTER, LENGTH),
    "send": (NUMBER, POINTER, SIZE, NUMBER), "recv": (NUMBER, POINTER, SIZE, NUMBER),
    "fcntl": (NUMBER,) * 3, "ioctl": (NUMBER, ctypes.c_ulong, POINTER), "close": (NUMBER,),
    "shutdown": (NUMBER,) * 2, "getsockopt": (NUMBER, NUMBER, NUMBER, POINTER, POINTER),
    "setsockopt": (NUMBER, NUMBER, NUMBER, POINTER, LENGTH),
    "poll": (POINTER, ctypes.c_ulong, NUMBER),
    # of weir's table alone
    "netdev_send": (POINTER, SIZE), "netdev_receive": (POINTER, POINTER, POINTER),
    "usleep": (LENGTH,), "free": (),
}


def returned(name):
    return ctypes.c_ssize_t if name in ("send", "recv") else ctypes.c_int


class Functions:
    """Calls by their names; each returns (result, errno)."""

    def __init__(self, find):
        self.find = find

    def __getattr__(self, name):
        function = self.find(name)

        def call(*args):
            ctypes.set_errno(0)
            return function(*args), ctypes.get_errno()
        setattr(self, name, call)
        return call


# ---- The kernel ----

def libc_function(name):
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype, function.argtypes = returned(name), ARGUMENTS[name]
    return function


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Kernel:
    """One namespace and one device for as many plays as are wanted, one after the other."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        uid, gid = os.geteuid(), os.getegid()
        if libc.unshare(CLONE_NEWNET) != 0:
            if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "no network namespace")
            write_file("/proc/self/setgroups", "deny")
            write_file("/proc/self/uid_map", f"0 {uid} 1")
            write_file("/proc/self/gid_map", f"0 {gid} 1")
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", TUN.encode(),
                                                     IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
        fcntl.ioctl(self.tun, TUNSETOFFLOAD, TUN_OFFLOADS)
        for name, value in (("accept_dad", "0"), ("router_solicitations", "0"), ("addr_gen_mode", "1")):
            write_file(f"/proc/sys/net/ipv6/conf/{TUN}/{name}", value)
        subprocess.run(["ip", "-batch", "-"], check=True, text=True, input=f"""
            link set dev {TUN} mtu {MTU} txqueuelen 2000 up
            link set dev lo up
            addr add {LOCAL[0]}/16 dev {TUN}
            addr add {LOCAL[1]}/64 dev {TUN} nodad
            route add 0.0.0.0/0 dev {TUN}
            route add ::/0 dev {TUN}
            """)
        self.await_address()
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.tap.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.tap.bind((TUN, ETH_P_ALL))
        self.tap.setblocking(False)
        self.functions = Functions(libc_function)
        self.began = time.clock_gettime(time.CLOCK_REALTIME)
        self.arrived = None

    @staticmethod
    def await_address():
        local = socket.inet_pton(socket.AF_INET6, LOCAL[1]).hex()
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            with open("/proc/net/ipv6_route", encoding="utf-8") as file:
                if any(line.startswith(f"{local} 80 ") for line in file):
                    return
            time.sleep(.001)
        raise OSError("the IPv6 address has no route")

    def begin(self, settings):
        for name, value in (SETTINGS | KERNEL_SETTINGS | settings).items():
            write_file(f"/proc/sys/net/ipv4/{name}", value)
        self.take()
        self.began = time.clock_gettime(time.CLOCK_REALTIME)

    def now(self):
        return time.clock_gettime(time.CLOCK_REALTIME) - self.began

    def drain(self):
        try:
            while os.read(self.tun, FRAME_MOST):
                pass
        except BlockingIOError:
            pass

    def take(self):
        found = []
        self.drain()
        while True:
            try:
                data, control, _, address = self.tap.recvmsg(FRAME_MOST, 64)
            except BlockingIOError:
                return found
            when = self.now()
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, ns = struct.unpack("qq", value[:16])
                    when = seconds - self.began + ns / 1e9
            _, gso, _, size, _, _ = VNET_HEADER.unpack(data[:VNET_HEADER.size])
            if address[2] == PACKET_OUTGOING:
                found.append((when, data[VNET_HEADER.size:], size if gso else 0))
            elif self.arrived is None:
                self.arrived = when

    def advance(self, until):
        """Returns what left meanwhile."""
        found = self.take()
        while (left := until - self.now()) > 0:
            select.select([self.tap], [], [], left)
            found += self.take()
        return found

    def inject(self, frame):
        """Returns when it arrived, and what left since."""
        self.arrived = None
        os.write(self.tun, bytes(VNET_HEADER.size) + frame)
        found = self.take()
        return self.arrived, found

    def end(self):
        self.take()


# ---- weir ----

# struct packetdrill_interface of drill/adapter.h.
TABLE = ("userdata free socket bind listen accept connect read readv recv recvfrom recvmsg write writev "
         "send sendto sendmsg fcntl ioctl close shutdown getsockopt setsockopt poll netdev_send "
         "netdev_receive usleep gettimeofday epoll_create epoll_ctl epoll_wait pipe splice").split()


class Weir:
    def __init__(self, path):
        # It would start this program anew to be before the C library, which is of no use here.
        os.environ["LD_PRELOAD"] = path
        self.library = ctypes.CDLL(path)
        os.environ.pop("LD_PRELOAD", None)
        self.library.packetdrill_interface_waiting.restype = ctypes.c_uint
        self.table = (ctypes.c_void_p * len(TABLE))()
        self.functions = Functions(self.function)
        self.passed = 0.0

    def function(self, name):
        kind = ctypes.CFUNCTYPE(returned(name), POINTER, *ARGUMENTS[name], use_errno=True)
        found = kind(self.table[TABLE.index(name)])
        return lambda *args: found(self.table[0], *args)

    def begin(self, settings):
        flags = ["proc=none", f"mtu={MTU}", f"local={LOCAL[0]}/16", f"local={LOCAL[1]}/64"]
        flags += [f"net.ipv4.{name}={value}" for name, value in (SETTINGS | settings).items()]
        self.library.packetdrill_interface_init(",".join(flags).encode(), self.table)
        self.functions = Functions(self.function)
        self.passed = 0.0

    def now(self):
        return self.passed

    def take(self):
        found, room = [], ctypes.create_string_buffer(FRAME_MOST)
        while self.library.packetdrill_interface_waiting():
            size, when = ctypes.c_size_t(FRAME_MOST), ctypes.c_longlong(0)
            self.functions.netdev_receive(room, ctypes.byref(size), ctypes.byref(when))
            found.append((round(when.value / 1e6 - WEIR_START, 6), room.raw[:size.value], 0))
        return found

    def advance(self, until):
        micros = round((until - self.passed) * 1e6)
        if micros > 0:
            self.functions.usleep(micros)
            self.passed = round(self.passed + micros / 1e6, 6)
        return self.take()

    def inject(self, frame):
        self.functions.netdev_send(frame, len(frame))
        return self.passed, self.take()

    def end(self):
        self.functions.free()
