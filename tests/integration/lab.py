# SPDX-License-Identifier: MIT
"""Where the cases take place: namespaces, wires, and the programs at their ends.

A Lab is the base namespace; a Link joins one kernel (in a namespace of its own) to weir, or in a
control run to a second kernel, over a wire that is a TAP device, a veth pair, or two veth pairs
with the relay between them. Everything lives in mount, PID and network namespaces of one run, so
nothing is left behind however it ends, and two runs never meet.
"""

import os
import re
import shutil
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURE_PACKETS = 5000  # of one link; enough for everything but bulk
CAPTURE_FLUSH = 0.3  # seconds; dumpcap writes more often than that
REPLY_SECONDS = 100  # for what hangs
OFFLOADS = ("tx", "rx", "sg", "tso", "gso", "gro")

# The names of states, as weir spells them.
STATES = {"ESTAB": "ESTABLISHED", "SYN-RECV": "SYN-RECEIVED", "UNCONN": "CLOSED"}


class Trouble(Exception):
    """A case cannot go on; its text is for a person."""


class Reply:
    """What a peer will say to one command."""

    def __init__(self, command):
        self.command, self.words, self.event = command, None, threading.Event()

    def get(self, seconds=REPLY_SECONDS):
        if not self.event.wait(seconds):
            raise Trouble(f"no reply within {seconds} s to: {self.command}")
        if self.words is None:
            raise Trouble(f"the program ended before it answered: {self.command}")
        return self.words

    def done(self):
        return self.event.is_set()


class Process:
    """A program that takes a command a line and answers each by its tag."""

    def __init__(self, command, errors):
        self.name = os.path.basename(command[-1] if "kernel_peer" in command[-1] else command[0])
        self.waiting, self.lock, self.last = {}, threading.Lock(), 0
        self.errors = errors
        with open(errors, "wb") as stderr:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=stderr, text=True, bufsize=1)
        ready = Reply("start of " + " ".join(command))
        self.waiting["0"] = ready
        threading.Thread(target=self.listen, daemon=True).start()
        try:
            ready.get()
        except Trouble as trouble:
            self.stop()
            raise Trouble(f"{trouble}: {self.complaint()}") from None

    def complaint(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().splitlines()[-12:])

    def listen(self):
        for line in self.child.stdout:
            tag, *words = line.split()
            with self.lock:
                reply = self.waiting.pop(tag, None)
            if reply is not None:
                reply.words = words
                reply.event.set()
        with self.lock:
            left, self.waiting = self.waiting, None
        for reply in left.values():
            reply.event.set()

    def start(self, *words):
        """Gives a command; the reply is to be got later."""
        text = " ".join(map(str, words))
        reply = Reply(text)
        with self.lock:
            if self.waiting is None:
                raise Trouble(f"{self.name} has ended; {text}: {self.complaint()}")
            self.last += 1
            self.waiting[str(self.last)] = reply
            try:
                self.child.stdin.write(f"{self.last} {text}\n")
            except OSError:
                pass  # its end is noticed by listen()
        return reply

    def ask(self, *words):
        return self.start(*words).get()

    def do(self, *words):
        """Gives a command that must succeed."""
        said = self.ask(*words)
        if said[0] != "ok":
            raise Trouble(f"{' '.join(map(str, words))}: {' '.join(said)}")
        return said

    def fields(self, *words):
        return dict(word.split("=", 1) for word in self.do(*words)[1:] if "=" in word)

    def stop(self):
        """Returns its exit status."""
        try:
            self.child.stdin.close()
        except OSError:
            pass
        try:
            return self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def until(condition, seconds=30, every=0.02):
    """Waits for a condition; returns its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(every)


class Lab:
    def __init__(self, build, folder, control, weir_pcap):
        self.build, self.folder = build, folder
        self.control, self.weir_pcap = control, weir_pcap
        self.data = os.path.join(folder, "data")
        self.count, self.lock = 0, threading.Lock()
        self.captures = []
        # Ends of wires in here belong to weir or to the relay: the kernel stays silent on them.
        with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")

    def number(self):
        with self.lock:
            self.count += 1
            return self.count

    def program(self, name):
        return os.path.join(self.build, "tests/integration", name)


def run(*command, text=None):
    said = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if said.returncode != 0:
        raise Trouble(f"{' '.join(command)}: {said.stdout.strip()}")
    return said.stdout


def inside(namespace, *command):
    return (["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []) + list(command)


class End:
    """One end of a link: a peer process and its addresses."""

    def __init__(self, link, host, namespace):
        n = link.number
        self.link, self.namespace = link, namespace
        self.ip = {4: f"10.{n >> 8}.{n & 255}.{host}", 6: f"fd00:{n:x}::{host}"}
        self.peer = None
        self.start = self.ask = self.do = self.fields = None
        self.is_weir = False

    def attach(self, peer):
        self.peer = peer
        self.start, self.ask, self.do, self.fields = peer.start, peer.ask, peer.do, peer.fields


class KernelEnd(End):
    def __init__(self, link, host, namespace, device):
        super().__init__(link, host, namespace)
        self.device = device
        python = ("python3", "-I", "-S", os.path.join(HERE, "kernel_peer.py"), link.lab.data)
        self.attach(Process(inside(namespace, *python), link.path("kernel.err")))

    def address(self):
        """Gives the device its addresses; with plain, frames leave it as they are on a wire."""
        if self.link.plain:
            switch_off(self.namespace, self.device)
        self.do("sysctl", f"net/ipv6/conf/{self.device}/addr_gen_mode", 1)
        self.do("sysctl", "net/ipv4/tcp_no_metrics_save", 1)
        # A segment that the relay kept back meets no connection and is answered with a reset,
        # which by default ends the kernel's TIME-WAIT before it can be seen.
        self.do("sysctl", "net/ipv4/tcp_rfc1337", 1)
        self.do("sysctl", "net/ipv4/ping_group_range", 0, 0)
        run("ip", "-n", self.namespace, "-batch", "-", text=f"""link set lo up
            addr add {self.ip[4]}/24 dev {self.device}
            addr add {self.ip[6]}/64 dev {self.device} nodad
            link set {self.device} up
            """)
        self.before = self.counters()

    def counters(self):
        return {name: int(value) for name, value in self.fields("counters").items()}

    def counted(self, *names):
        """By how much the counters went up together since the beginning."""
        now = self.counters()
        return sum(now.get(name, 0) - self.before.get(name, 0) for name in names)

    def changes(self):
        """The counters that went up, and by how much."""
        now = self.counters()
        return {name: n - self.before.get(name, 0) for name, n in now.items()
                if n > self.before.get(name, 0)}

    def ss(self, lport, rport):
        """What ss says of a TCP socket: a dict, empty if there is none."""
        said = run(*inside(self.namespace, "ss", "-tinoaH"))
        for entry in re.split(r"\n(?=\S)", said):
            words = entry.split()
            if len(words) > 4 and words[3].endswith(f":{lport}") and \
                    words[4].endswith(f":{rport}"):
                found = {"state": STATES.get(words[0], words[0]), "recvq": int(words[1]),
                         "sendq": int(words[2]), "flags": set(words[5:]), "text": entry}
                found.update(word.split(":", 1) for word in words[5:] if ":" in word)
                return found
        return {}

    def state(self, lport, rport):
        return self.ss(lport, rport).get("state", "CLOSED")


class WeirEnd(End):
    def __init__(self, link, host, device):
        super().__init__(link, host, None)
        self.is_weir = True
        command = [link.lab.program("weir-peer"), "--dev", device, "--data", link.lab.data,
                   "--addr", self.ip[4] + "/24", "--addr", self.ip[6] + "/64"]
        if link.verify:
            command.append("--verify")
        if link.lab.weir_pcap:
            command += ["--pcap", link.path("weir.pcapng")]
        self.attach(Process(inside(link.kernel_namespace if device.startswith("tap:") else None,
                                   *command), link.path("weir.err")))

    def state(self, lport, rport):
        return self.do("state", lport, rport)[1]


def switch_off(namespace, device):
    words = [word for name in OFFLOADS for word in (name, "off")]
    run(*inside(namespace, "ethtool", "-K", device, *words))


class Link:
    """A wire between weir (`weir`) and a kernel (`kernel`).

    kind: "tap" (all offloads), "tap,plain", "veth", "veth,plain", "xdp" and "xdp,generic" (on a
    veth pair), "relay". In a control run the
    end called weir is a kernel, and a TAP is a veth pair.
    """

    def __init__(self, lab, kind, mtu, verify):
        self.lab, self.kind, self.mtu, self.verify = lab, kind, mtu, verify
        self.number = n = lab.number()
        self.plain = kind != "tap" and kind != "veth"
        self.relay = self.capture = self.kernel = self.weir = None
        medium = kind.split(",")[0]
        self.kernel_namespace = f"k{n}"
        self.files = 0
        try:
            run("ip", "netns", "add", self.kernel_namespace)
            if medium == "tap" and not lab.control:
                self.build_tap(n)
            else:
                self.build_veth(n, medium == "relay")
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.lab.folder, f"{self.number:03}-{name}")

    def received(self):
        """The name of a new file to receive into."""
        self.files += 1
        return self.path(f"got{self.files}")

    def build_tap(self, n):
        run("ip", "-n", self.kernel_namespace, "tuntap", "add", "dev", f"t{n}", "mode", "tap")
        self.kernel = KernelEnd(self, 1, self.kernel_namespace, f"t{n}")
        self.kernel.address()
        self.weir = WeirEnd(self, 2, f"tap:t{n}" + (",plain" if self.plain else ""))
        self.listen_in(f"t{n}")

    def build_veth(self, n, relay):
        kernel, far, a, b = f"k{n}", f"w{n}", f"ra{n}", f"rb{n}"
        pairs = [(far, a), (b, kernel)] if relay else [(far, kernel)]
        if self.lab.control:
            run("ip", "netns", "add", far)
        lines = [f"link add {x} mtu {self.mtu} type veth peer name {y} mtu {self.mtu}"
                 for x, y in pairs]
        lines += [f"link set {kernel} netns {self.kernel_namespace}"]
        lines += [f"link set {far} " + (f"netns {far}" if self.lab.control else "up")]
        lines += [f"link set {name} up" for name in (a, b)] if relay else []
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")
        for name in ((a, b) if relay else ()) + (() if self.lab.control else (far,)):
            if self.plain:
                switch_off(None, name)
        self.kernel = KernelEnd(self, 1, self.kernel_namespace, kernel)
        self.kernel.address()
        if relay:
            self.relay = Process([self.lab.program("weir-relay"), a, b, str(n)],
                                 self.path("relay.err"))
        if self.lab.control:
            self.weir = KernelEnd(self, 2, far, far)
            self.weir.address()
        else:
            self.weir = WeirEnd(self, 2, self.device(far))
        self.listen_in(kernel)

    def device(self, name):
        medium, *options = self.kind.split(",")
        if medium == "xdp":
            return ",".join([f"xdp:{name}", *options])
        return f"packet:{name}" + (",plain" if self.plain else "")

    def listen_in(self, device):
        """Records what passes, where checksums in the record are those of the wire."""
        if not self.plain or shutil.which("dumpcap") is None:
            return
        path, said = self.path("wire.pcap"), self.path("dumpcap.err")
        with open(said, "wb") as stderr:
            self.capture = subprocess.Popen(
                inside(self.kernel_namespace, "dumpcap", "-q", "-P", "-i", device, "-w", path,
                       "-B", "4", "-c", str(CAPTURE_PACKETS)),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)

        def listening():
            with open(said, encoding="utf-8") as file:
                return "File:" in file.read()
        if not until(listening, 10):
            raise Trouble("dumpcap does not start")
        self.lab.captures.append(path)

    def settle(self):
        """What has passed is in the file when it no longer grows."""
        sizes = [-1]

        def quiet():
            sizes.append(os.path.getsize(self.path("wire.pcap")))
            return sizes[-1] == sizes[-2]
        until(quiet, 3, CAPTURE_FLUSH)

    def meet(self, family):
        """Has both ends learn each other's link address, so that a held wire carries TCP only."""
        self.weir.do("udp", "meet", "::" if family == 6 else "0.0.0.0", 9)
        self.kernel.do("udp", "meet", "::" if family == 6 else "0.0.0.0", 9)
        self.exchange(self.weir, self.kernel, family)
        self.exchange(self.kernel, self.weir, family)

    def exchange(self, one, other, family):
        heard = other.start("udprecv", "meet", "-")
        one.do("udpsend", "meet", 0, 1, other.ip[family], 9)
        heard.get()

    def close(self):
        """Ends everything; returns what ended badly."""
        bad = []
        for name, end in (("weir", self.weir), ("kernel", self.kernel)):
            status = end.peer.stop() if end is not None else 0
            if status != 0:
                bad.append(f"the {name} end exited with {status}: {end.peer.complaint()}")
        if self.relay is not None and self.relay.stop() != 0:
            bad.append(f"the relay failed: {self.relay.complaint()}")
        if self.capture is not None:
            self.settle()
            self.capture.terminate()
            self.capture.wait()
        for i in range(1, self.files + 1):
            if os.path.exists(self.path(f"got{i}")):
                os.unlink(self.path(f"got{i}"))
        return bad
