# SPDX-License-Identifier: MIT
"""A bad path to race over: two network namespaces, and the impairing relay between them.

The relay's ends are in this program's own namespace. The kernel's TCP has an address on each far
device; weir has that device as a driver and an address of its own. Both send frames of at most the
MTU, so that the relay sees what a wire would.
"""

import pathlib
import subprocess

import lab

RELAY_SECONDS = 5
KERNEL, WEIR = "kernel", "weir"
SENDS, TAKES = 0, 1  # the two far namespaces
ADDRESS = {(KERNEL, SENDS): "10.66.0.1", (KERNEL, TAKES): "10.66.0.2",
           (WEIR, SENDS): "10.66.0.11", (WEIR, TAKES): "10.66.0.12"}
PORT = 5001
SYSCTL = (("tcp_no_metrics_save", "1"),)  # what one cell taught the kernel is no use in the next


class Path:
    """One relay with its namespaces. Any number of them may be used at the same time."""

    def __init__(self, build, number):
        self.build = pathlib.Path(build)
        self.far = [subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; read never"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                    for _ in (SENDS, TAKES)]
        self.near = [f"path{number}a", f"path{number}b"]
        for side in (SENDS, TAKES):
            self.far[side].stdout.readline()
            self._veth(side)
        self.relay = self.capture = None

    def close(self):
        for child in self.far:
            child.stdin.close()
            lab.end(child)

    def _run(self, *command, side=None):
        done = subprocess.run([*(self._inside(side) if side is not None else []), *command],
                              text=True, timeout=20, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise lab.Failure(f"{' '.join(command)}: {done.stdout.strip()}")

    def _inside(self, side):
        return ["nsenter", f"--net=/proc/{self.far[side].pid}/ns/net"]

    def _veth(self, side):
        off = ["tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"]
        self._run("ip", "link", "add", self.near[side], "type", "veth", "peer", "name", "end",
                  "netns", str(self.far[side].pid))
        self._run("ethtool", "-K", self.near[side], *off)
        self._run("ip", "link", "set", self.near[side], "up")
        self._run("ethtool", "-K", "end", *off, side=side)
        self._run("ip", "addr", "add", f"{ADDRESS[KERNEL, side]}/24", "dev", "end", side=side)
        self._run("ip", "link", "set", "lo", "up", side=side)
        self._run("ip", "link", "set", "end", "up", side=side)
        for name, value in SYSCTL:
            self._run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}", side=side)

    # ---- The relay ----

    def begin(self, seed, capture=None):
        """`capture`: a file for the heads of all frames at the sender, by tcpdump."""
        if capture:
            self.capture = subprocess.Popen(
                ["tcpdump", "--immediate-mode", "-n", "-s", "120", "-B", "8192", "-U", "-Z", "root",
                 "-i", self.near[SENDS], "-w", capture], stderr=subprocess.PIPE, text=True)
            self.capture.stderr.readline()  # it listens
        self.relay = subprocess.Popen(
            [self.build / "tests" / "integration" / "weir-relay", *self.near, str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.relay.stdout.readline()

    def tell(self, *words):
        self.relay.stdin.write(" ".join(["1", *map(str, words)]) + "\n")
        answer = self.relay.stdout.readline().split()
        if answer[1:2] != ["ok"]:
            raise lab.Failure(f"relay: {' '.join(map(str, words))}: {' '.join(answer)}")
        return dict(word.split("=") for word in answer[2:])

    def finish(self):
        """What the relay counted."""
        stats = self.tell("stats")
        self.relay.stdin.close()
        self.relay.wait(RELAY_SECONDS)
        self.relay.stdout.close()
        if self.capture:
            lab.end(self.capture)
            self.capture = None
        return stats

    # ---- The ends ----

    def end(self, kind, side, plan):
        """Starts an end: plan is seconds, warm-up, flows, congestion control, what."""
        there = ADDRESS[plan["peer"], 1 - side]
        device = "packet:end,plain" if kind == WEIR else "end"
        words = [self.build / "tests" / "bench" / f"bench-path-{kind}", device,
                 "source" if side == SENDS else "sink", ADDRESS[kind, side], there,
                 plan.get("port", PORT), plan["seconds"], plan["warm_up"], plan["flows"],
                 plan["congestion"], plan["what"]]
        return subprocess.Popen([*self._inside(side), *map(str, words)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def await_line(child, line):
    said = child.stdout.readline().strip()
    if said != line:
        raise lab.Failure(f"{line} was expected, not {said!r}: {child.stderr.read().strip()}")
