# SPDX-License-Identifier: MIT
"""Where the wire is measured: two network namespaces, the devices between them, and the processes.

The near namespace is this program's own; the far one belongs to a child that ends when its standard
input does. Both vanish with the program, whatever ends it. Every process has a time limit and is
ended by its number.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

INSIDE = "WEIR_BENCH_INSIDE"  # set once this program runs in its own namespace
READY_SECONDS = 10
END_SECONDS = 5
CLIENT_ADDRESSES = 8  # of the near end: each has 64,000 ports, and TIME-WAIT lasts a minute
FIRST_CLIENT = 101


class Failure(Exception):
    """A measurement that did not come about; its text is one line."""


def enter():
    """Runs this program again in a network namespace of its own; returns when it is in there."""
    if os.environ.get(INSIDE):
        return
    as_root = os.geteuid() == 0
    how = [] if as_root else ["--user", "--map-root-user"]
    print("network namespaces:", "as root" if as_root else "unprivileged, in a user namespace",
          flush=True)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", *how, "--net", sys.executable, *sys.argv])


def cpus():
    return sorted(os.sched_getaffinity(0))


class Lab:
    """The devices, and the processes at both ends of them."""

    def __init__(self, pin):
        self.cpu = {"server": None, "client": None}
        if pin and len(cpus()) > 1:
            self.cpu = {"server": cpus()[0], "client": cpus()[1]}
        self.far = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; read never"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.far.stdout.readline()
        self.tap_missing = self._tap_missing()
        for far in (False, True):
            self._setup(far)
        self._veth("10.61.0", "fast", offloads=True)
        self._veth("10.62.0", "bare", offloads=False)
        if not self.tap_missing:
            for net, name in (("10.63.0", "weir0"), ("10.64.0", "plain0"), ("10.65.0", "lwip0"),
                              ("10.66.0", "most0")):
                self.sh("ip", "tuntap", "add", "dev", name, "mode", "tap")
                self._up(name, net)

    @staticmethod
    def _tap_missing():
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
            return ""
        except OSError as error:
            return f"/dev/net/tun: {error.strerror}"

    def in_far(self):
        return ["nsenter", f"--net=/proc/{self.far.pid}/ns/net"]

    def sh(self, *command, far=False):
        done = subprocess.run([*(self.in_far() if far else []), *command], text=True, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stdout.strip()}")

    def _setup(self, far):
        """A port in TIME-WAIT may be used again after a second, and there are many."""
        self.sh("ip", "link", "set", "lo", "up", far=far)
        for name, value in (("tcp_tw_reuse", "1"), ("tcp_max_tw_buckets", "1000000"),
                            ("ip_local_port_range", "1024 65000"), ("tcp_syncookies", "1"),
                            ("tcp_max_syn_backlog", "8192")):
            self.sh("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}", far=far)
        self.sh("sh", "-c", "echo 8192 > /proc/sys/net/core/somaxconn || true", far=far)

    def _up(self, name, net):
        self.sh("ip", "addr", "add", f"{net}.1/24", "dev", name)
        for i in range(CLIENT_ADDRESSES):
            self.sh("ip", "addr", "add", f"{net}.{FIRST_CLIENT + i}/24", "dev", name)
        self.sh("ip", "link", "set", name, "up")

    def _veth(self, net, name, offloads):
        near, far = name + "0", name + "1"
        self.sh("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        self.sh("ip", "link", "set", far, "netns", str(self.far.pid))
        self._up(near, net)
        self.sh("ip", "addr", "add", f"{net}.2/24", "dev", far, far=True)
        self.sh("ip", "link", "set", far, "up", far=True)
        if not offloads:
            off = ["tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"]
            self.sh("ethtool", "-K", near, *off)
            self.sh("ethtool", "-K", far, *off, far=True)

    def _start(self, command, role, one_cpu, pin):
        cpu = self.cpu["server" if one_cpu else role] if pin else None

        def begin():
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=begin)

    @contextmanager
    def server(self, command, far, one_cpu=False, pin=True):
        """A server that has said "ready". Yields a function that gives its next line."""
        child = self._start([*(self.in_far() if far else []), *command], "server", one_cpu, pin)

        def next_line(seconds=READY_SECONDS):
            if not select.select([child.stdout], [], [], seconds)[0]:
                raise Failure("the server says nothing")
            line = child.stdout.readline().strip()
            if not line:
                raise Failure(f"the server ended: {child.stderr.read().strip()}")
            return line

        try:
            if next_line() != "ready":
                raise Failure("the server is not ready")
            yield next_line
        finally:
            end(child)

    def client(self, command, seconds, one_cpu=False, pin=True):
        """Runs a client to its end and returns what it printed."""
        child = self._start(command, "client", one_cpu, pin)
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {seconds} s") from None
        finally:
            end(child)
        if child.returncode != 0:
            raise Failure(err.strip() or f"exit code {child.returncode}")
        return out.strip()

    def close(self):
        self.far.stdin.close()
        end(self.far)


def end(child):
    """SIGTERM, some patience, SIGKILL: to this process and no other."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe and not pipe.closed:
            pipe.close()


def other_work():
    """The share of this machine's CPU time that others took during one second, 0 to 1."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            return list(map(int, file.readline().split()[1:9]))

    before = ticks()
    time.sleep(1)
    spent = [b - a for a, b in zip(before, ticks())]
    idle = spent[3] + spent[4]
    return 1 - idle / max(1, sum(spent))


def pairs(line):
    """A line of `name value` pairs as a dictionary of numbers."""
    words = line.split()
    return dict(zip(words[::2], map(float, words[1::2])))


def kernel_name():
    return f"Linux {os.uname().release}, {len(cpus())} CPUs, {time.strftime('%Y-%m-%d')}"
