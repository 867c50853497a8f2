# SPDX-License-Identifier: MIT
"""What is measured on the wire: the sides, and for each measure how one figure of one side is had.

The client is the kernel's TCP always. The server is the kernel's in the other namespace, weir on a
TAP device, or lwIP on one. The first side of a measure is the one that the others are compared to.
"""

from lab import CLIENT_ADDRESSES, FIRST_CLIENT, Failure, pairs

PORT = "7777"
SPIN_BRIEFLY_US = "100"  # weir in bulk and in storms: looks this long for more before it sleeps
SPIN_ALWAYS_US = "1000000"
AT_ONCE = "32"

KERNEL, KERNEL_BARE = "kernel", "kernel, no offloads"
WEIR, WEIR_PLAIN, LWIP = "weir", "weir, plain frames", "lwIP"
BARE = "no stack, bare TAP"  # what this path allows
NETS = {KERNEL: "10.61.0", KERNEL_BARE: "10.62.0", WEIR: "10.63.0", WEIR_PLAIN: "10.64.0",
        LWIP: "10.65.0", BARE: "10.66.0"}


def seconds_of(quick, full):
    return str(1 if quick else full)


class Wire:
    def __init__(self, lab, build, quick, window=0):
        self.lab, self.build, self.quick, self.window = lab, build, quick, window

    def missing(self, side):
        """Why a side cannot be measured here; empty if it can."""
        if side in (KERNEL, KERNEL_BARE):
            return ""
        if side == LWIP and not (self.build / "bench-lwip").exists():
            return "lwip: not installed"
        return self.lab.tap_missing

    def server(self, side, role, spin, one_cpu=False):
        """`spin`: "no", "brief" or "always". The kernel and lwIP know only no and always."""
        net, tool = NETS[side], self.build
        if side in (KERNEL, KERNEL_BARE):
            command = [tool / "bench-kernel", "serve", role, f"{net}.2", PORT]
            command += ["--spin"] if spin == "always" else []
        elif side == LWIP:
            command = [tool / "bench-lwip", role, "lwip0", f"{net}.2", PORT]
            command += ["--spin"] if spin != "no" else []
        elif side == BARE:
            command = [tool / "bench-bare", role, "most0", f"{net}.2", PORT]
        else:
            device = "tap:weir0" if side == WEIR else "tap:plain0,plain"
            command = [tool / "bench-weir", role, device, f"{net}.2/24", PORT]
            if self.window:
                command += ["--window", str(self.window)]
            if spin != "no":
                command += ["--spin", SPIN_BRIEFLY_US if spin == "brief" else SPIN_ALWAYS_US]
        return self.lab.server(command, side in (KERNEL, KERNEL_BARE), one_cpu)

    def client(self, side, verb, *arguments, seconds=20, one_cpu=False):
        command = [self.build / "bench-kernel", verb, f"{NETS[side]}.2", PORT, *arguments]
        return pairs(self.lab.client(command, seconds, one_cpu))

    # Each of these returns one row: a dictionary of figures.

    def bulk(self, side, role):
        with self.server(side, role, "brief") as next_line:
            verb = "source" if role == "sink" else "sink"
            got = self.client(side, verb, seconds_of(self.quick, 3))
            here = pairs(next_line())
        return {"gbit": got["octets"] * 8 / got["ns"],
                "cpu_s_per_gb": here["cpu_ns"] / here["octets"]}

    def ping(self, side, spin, one_cpu=False):
        count = "2000" if self.quick else "20000" if spin == "always" else "10000"
        flags = ["--spin"] if spin == "always" else []
        with self.server(side, "pong", spin, one_cpu):
            got = self.client(side, "ping", count, *flags, one_cpu=one_cpu)
        return {"median_us": got["median"] / 1e3, "p99_us": got["p99"] / 1e3}

    def connect(self, side):
        first = f"{NETS[side]}.{FIRST_CLIENT}"
        with self.server(side, "accept", "brief"):
            got = self.client(side, "connect", seconds_of(self.quick, 2), AT_ONCE, first,
                              str(CLIENT_ADDRESSES))
        if got["connections"] == 0:
            raise Failure("no connection was made")
        return {"per_s": got["connections"] * 1e9 / got["ns"]}


BULK_SIDES = [KERNEL, WEIR, BARE, KERNEL_BARE, WEIR_PLAIN, LWIP]
SIDES = [KERNEL, WEIR, WEIR_PLAIN, LWIP]

# name, what it is, the figure that is compared, its unit and digits, the sides, how to get a row
MEASURES = [
    ("bulk-rx", "Bulk: the kernel sends, the side receives; one connection", "gbit", "Gbit/s", 1,
     BULK_SIDES, lambda wire, side: wire.bulk(side, "sink")),
    ("bulk-tx", "Bulk: the side sends, the kernel receives; one connection", "gbit", "Gbit/s", 1,
     BULK_SIDES, lambda wire, side: wire.bulk(side, "source")),
    ("ping-spin", "Ping-pong of one octet, both ends spinning on a core each", "median_us", "us", 2,
     SIDES, lambda wire, side: wire.ping(side, "always")),
    ("ping-sleep", "Ping-pong of one octet, both ends sleeping, a core each", "median_us", "us", 2,
     SIDES, lambda wire, side: wire.ping(side, "no")),
    ("ping-one-core", "Ping-pong of one octet, both ends sleeping on the same core", "median_us",
     "us", 2, SIDES, lambda wire, side: wire.ping(side, "no", one_cpu=True)),
    ("connect", "Connections per second: connect, 64 octets each way, close; 32 at once", "per_s",
     "1/s", 0, SIDES, lambda wire, side: wire.connect(side)),
]
EXTRA = {"cpu_s_per_gb": ("CPU s/GB", 3), "p99_us": ("p99 us", 1)}
