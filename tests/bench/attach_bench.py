# SPDX-License-Identifier: MIT
"""What is measured of unmodified programs: the same program on the kernel, under `weir run`, and
behind pasta and slirp4netns, which carry a namespace's connections out through sockets.

A bound stands beside them: the least that anybody does who gives programs AF_UNIX descriptors, with
no stack behind it (bare.c, bare_calls.c).

The program is the client, and its peer is the kernel's TCP on the other end of the wire. All
wires have MTU 1500 and segmentation offload; all kernel ends run cubic or reno. Nobody is pinned:
who has a relay between two programs has three processes for two CPUs, whoever it is.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

from lab import Failure, end, pairs

KERNEL, WEIR, WEIR_VETH = "kernel", "weir run", "weir run, veth"
PASTA, SLIRP = "pasta", "slirp4netns"
BARE_RELAY, BARE_CALLS = "no stack, bare relay", "no stack, bare calls"
SIDES = [KERNEL, WEIR, WEIR_VETH, PASTA, SLIRP]
BARE_IP = "10.66.0.2"
PEER = {KERNEL: "10.61.0.2", PASTA: "10.61.0.2", SLIRP: "10.61.0.2", WEIR: "10.63.0.1",
        WEIR_VETH: "10.66.0.1"}
OWN = {WEIR: "10.63.0.2", WEIR_VETH: "10.66.0.2"}
DEVICE = {WEIR: "tap:weir0", WEIR_VETH: "packet:attach0"}
BULK_SIDES = [KERNEL, WEIR, WEIR_VETH, BARE_RELAY, PASTA, SLIRP]
CONNECT_SIDES = [KERNEL, WEIR, WEIR_VETH, BARE_CALLS, PASTA, SLIRP]
NEEDS = {PASTA: "pasta", SLIRP: "slirp4netns"}
MTU = "1500"
START_SECONDS = 10
AT_ONCE = "32"
IDLE_CONNECTIONS = 50
IDLE_SECONDS = 3
PORT = 7800


class Attach:
    def __init__(self, lab, build, quick):
        self.lab, self.quick = lab, quick
        self.bench, self.build = build, build.parents[1]
        self.port = PORT
        self.ready = False

    def missing(self, side, *programs):
        """Why a side cannot be measured here; empty if it can."""
        for name in (*programs, *([NEEDS[side]] if side in NEEDS else [])):
            if shutil.which(name) is None:
                return f"{name}: not installed"
        if os.geteuid() != 0:
            return "needs root"
        return self.lab.tap_missing

    def prepare(self):
        """A wire of weir's own, a default route for those who look for one, cubic everywhere."""
        if self.ready:
            return
        self.ready = True
        sh = self.lab.sh
        sh("ip", "link", "add", "attach0", "type", "veth", "peer", "name", "attach1")
        sh("ip", "link", "set", "attach1", "netns", str(self.lab.far.pid))
        sh("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/attach0/disable_ipv6 || true")
        sh("ip", "link", "set", "attach0", "up")
        sh("ip", "addr", "add", f"{PEER[WEIR_VETH]}/24", "dev", "attach1", far=True)
        sh("ip", "link", "set", "attach1", "up", far=True)
        sh("ip", "route", "add", "default", "via", PEER[KERNEL])
        for far in (False, True):
            self.cubic(self.lab.in_far() if far else [])

    @staticmethod
    def cubic(inside):
        """Or reno, where a namespace may not have cubic: neither paces."""
        name = "/proc/sys/net/ipv4/tcp_congestion_control"
        subprocess.run([*inside, "sh", "-c", f"echo cubic > {name} || echo reno > {name}"],
                       stderr=subprocess.DEVNULL, check=False)

    # ---- The side that is measured ----

    @contextmanager
    def program(self, side):
        """Yields (how a program is started on that side, the process that relays or None)."""
        self.prepare()
        if side == KERNEL:
            yield [], None
        elif side in (WEIR, WEIR_VETH):
            with self.weird(side) as pair:
                yield pair
        else:
            with self.namespace(side) as pair:
                yield pair

    @contextmanager
    def weird(self, side):
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            socket = os.path.join(folder, "net", "socket")
            child = subprocess.Popen(
                [self.build / "weird", "--dev", DEVICE[side], "--addr", f"{OWN[side]}/24",
                 "--socket", socket, "--ready-fd", "1"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                if not child.stdout.readline():
                    raise Failure("weird does not start")
                yield [self.build / "weir", "run", "--socket", socket, "--"], child
            finally:
                end(child)

    @contextmanager
    def namespace(self, side):
        inner = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; read never"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        inner.stdout.readline()
        net = os.open(f"/proc/{inner.pid}/ns/net", os.O_RDONLY)
        if side == SLIRP:
            command = ["slirp4netns", "--configure", f"--mtu={MTU}", str(inner.pid), "tap0"]
        else:
            none = [word for flag in "tuTU" for word in (f"-{flag}", "none")]
            command = ["pasta", "--config-net", "-m", MTU, "-4", "-q", "-f", "--runas", "0",
                       "--no-map-gw", *none, "--netns", f"/proc/self/fd/{net}"]
        inside = ["nsenter", f"--net=/proc/{inner.pid}/ns/net"]
        relay = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, pass_fds=[net])
        try:
            self.wait_route(inside, relay, side)
            self.cubic(inside)
            yield inside, relay
        finally:
            end(relay)
            inner.stdin.close()
            end(inner)
            os.close(net)

    @staticmethod
    def wait_route(inside, relay, side):
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit and relay.poll() is None:
            routes = subprocess.run([*inside, "ip", "route"], capture_output=True, check=False)
            if b"default" in routes.stdout:
                return
            time.sleep(0.05)
        raise Failure(f"{side} does not start")

    # ---- Its peer ----

    @contextmanager
    def peer(self, side, command, word):
        """A server on the kernel at the other end, once it has said `word`. Yields its port."""
        self.prepare()
        self.port += 1
        far = [] if side == WEIR else self.lab.in_far()
        command = [str(part).format(ip=PEER[side], port=self.port) for part in command]
        child = subprocess.Popen([*far, *command], stdin=subprocess.DEVNULL, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            for line in child.stdout:
                if word in line:
                    break
            else:
                raise Failure(f"{command[0]} does not start")
            yield str(self.port)
        finally:
            end(child)

    def run(self, prefix, *command, seconds=60):
        try:
            done = subprocess.run([*prefix, *command], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {seconds} s") from None
        if done.returncode != 0:
            raise Failure((done.stderr or done.stdout).strip()[-200:] or "failed")
        return done.stdout

    # ---- Each of these returns one row: a dictionary of figures ----

    def bare_relay(self, role):
        """Its program is a process of its own; the kernel's end connects to it."""
        far = {"relay-source": "sink", "relay-sink": "source"}[role]
        server = [self.bench / "bench-bare", role, "most0", BARE_IP, str(PORT)]
        with self.lab.server(server, False, pin=False) as next_line:
            got = pairs(self.lab.client([self.bench / "bench-kernel", far, BARE_IP, str(PORT),
                                         "1" if self.quick else "3"], 20, pin=False))
            relay = pairs(next_line())
        return {"gbit": got["octets"] * 8 / got["ns"],
                "relay_s_per_gb": relay["cpu_ns"] / max(1, relay["octets"])}

    def bulk(self, side, *options):
        if side == BARE_RELAY:
            return self.bare_relay("relay-sink" if "-R" in options else "relay-source")
        if missing := self.missing(side, "iperf3"):
            raise Failure(missing)
        serve = ["iperf3", "-s", "-B", "{ip}", "-p", "{port}", "--forceflush"]
        with self.peer(side, serve, "listening") as port, self.program(side) as (prefix, relay):
            before = cpu_ns(relay)
            said = self.run(prefix, "iperf3", "-J", "-c", PEER[side], "-p", port, "-t",
                            "1" if self.quick else "3", *options)
            spent = cpu_ns(relay) - before
        got = json.loads(said)["end"]["sum_received"]
        return {"gbit": got["bits_per_second"] / 1e9,
                "relay_s_per_gb": spent / max(1, got["bytes"])}

    def redis(self, side, clients):
        if missing := self.missing(side, "redis-server", "redis-benchmark"):
            raise Failure(missing)
        serve = ["redis-server", "--bind", "{ip}", "--port", "{port}", "--save", "",
                 "--protected-mode", "no"]
        count = (500 if self.quick else 5000) * (1 if clients == 1 else 10)
        with self.peer(side, serve, "Ready to accept") as port, \
                self.program(side) as (prefix, _):
            said = self.run(prefix, "redis-benchmark", "-h", PEER[side], "-p", port, "-t", "get",
                            "-c", str(clients), "-n", str(count), "--csv")
        for line in said.splitlines():
            words = [word.strip('"') for word in line.split(",")]
            if words[0] == "GET":
                return {"per_s": float(words[1])}
        raise Failure("redis-benchmark printed no figures")

    def bare_calls(self):
        got = pairs(self.run([self.bench / "bench-bare-calls"], self.bench / "bench-kernel",
                             "connect", BARE_IP, str(PORT), "1" if self.quick else "2", AT_ONCE,
                             "0.0.0.0", "1"))
        return {"per_s": got["connections"] * 1e9 / got["ns"]}

    def connect(self, side):
        if side == BARE_CALLS:
            return self.bare_calls()
        serve = [self.bench / "bench-kernel", "serve", "accept", "{ip}", "{port}"]
        with self.peer(side, serve, "ready") as port, self.program(side) as (prefix, _):
            got = pairs(self.run(prefix, self.bench / "bench-kernel", "connect", PEER[side], port,
                                 "1" if self.quick else "2", AT_ONCE, "0.0.0.0", "1"))
        if got["connections"] == 0:
            raise Failure("no connection was made")
        return {"per_s": got["connections"] * 1e9 / got["ns"]}

    def ping(self, side):
        serve = [self.bench / "bench-kernel", "serve", "pong", "{ip}", "{port}"]
        with self.peer(side, serve, "ready") as port, self.program(side) as (prefix, _):
            got = pairs(self.run(prefix, self.bench / "bench-kernel", "ping", PEER[side], port,
                                 "1000" if self.quick else "10000"))
        return {"median_us": got["median"] / 1e3, "p99_us": got["p99"] / 1e3}

    def idle(self, side):
        """The relay's CPU time while its programs hold connections and say nothing."""
        hold = ("import socket, sys\n"
                "held = [socket.create_connection((sys.argv[1], int(sys.argv[2])))"
                f" for _ in range({IDLE_CONNECTIONS})]\n"
                "print('held', flush=True)\nsys.stdin.read()\n")
        serve = [self.bench / "bench-kernel", "serve", "accept", "{ip}", "{port}"]
        with self.peer(side, serve, "ready") as port, self.program(side) as (prefix, relay):
            child = subprocess.Popen([*prefix, "/usr/bin/python3", "-c", hold, PEER[side], port],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                if not child.stdout.readline():
                    raise Failure("connections cannot be held")
                time.sleep(0.5)
                before, begun = cpu_ns(relay), time.monotonic_ns()
                time.sleep(1 if self.quick else IDLE_SECONDS)
                spent, passed = cpu_ns(relay) - before, time.monotonic_ns() - begun
            finally:
                end(child)
        return {"percent": 100 * spent / passed}


def cpu_ns(process):
    """What a process has used of the CPU; 0 for none."""
    if process is None:
        return 0
    with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


# As wire_bench.MEASURES: name, what it is, the figure, its unit and digits, the sides, how.
MEASURES = [
    ("attach-up", "iperf3: the program sends, one connection", "gbit", "Gbit/s", 2,
     BULK_SIDES, lambda attach, side: attach.bulk(side)),
    ("attach-down", "iperf3 -R: the program receives, one connection", "gbit", "Gbit/s", 2,
     BULK_SIDES, lambda attach, side: attach.bulk(side, "-R")),
    ("attach-redis-1", "redis-benchmark, GET, one client", "per_s", "1/s", 0, SIDES,
     lambda attach, side: attach.redis(side, 1)),
    ("attach-redis-50", "redis-benchmark, GET, 50 clients", "per_s", "1/s", 0, SIDES,
     lambda attach, side: attach.redis(side, 50)),
    ("attach-connect", "Connections per second: connect, 64 octets each way, close; 32 at once",
     "per_s", "1/s", 0, CONNECT_SIDES, lambda attach, side: attach.connect(side)),
    ("attach-ping", "Ping-pong of one octet, everyone sleeping", "median_us", "us", 1, SIDES,
     lambda attach, side: attach.ping(side)),
    ("attach-idle", "CPU time of the relay with 50 connections that say nothing", "percent", "%",
     3, SIDES[1:], lambda attach, side: attach.idle(side)),
]
