#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs under `weir run` against the kernel, over a TAP in a network namespace.

    run_tcp.py [--build DIR] [--only NAME]

Each case of run_cases.py runs twice against the same peer: on the kernel, and under weir. What it
prints must be the same; what is known to differ is left to tests/differential.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from tap import Tap  # noqa: E402

KERNEL, WEIR = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}
LIMIT = 120  # seconds; for what hangs, on a machine that may be very busy
NOBODY = 65534
NAMESPACE = f"wr{os.getpid()}"
HERE = os.path.dirname(os.path.abspath(__file__))

# ---- The peer: a thread of this process, on the kernel's side ----

class Peer:
    """Obeys the first line of each connection."""

    def __init__(self, family):
        self.listener = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((KERNEL[family], 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.saw = "nothing"
        self.from_weir = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, address = self.listener.accept()
            self.from_weir = address[0] in WEIR.values()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        line = b""
        try:
            while not line.endswith(b"\n"):
                octet = sock.recv(1)
                if not octet:
                    return
                line += octet
            getattr(self, line.decode().strip().replace("-", "_"))(sock)
        except OSError:
            pass
        finally:
            sock.close()

    def echo(self, sock):
        while True:
            data = sock.recv(65536)
            if not data:
                return
            sock.sendall(data)

    def reset(self, sock):
        sock.sendall(b"hello")
        time.sleep(0.2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def wait_reset(self, sock):
        time.sleep(0.3)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def count(self, sock):
        total = 0
        while True:
            data = sock.recv(65536)
            if not data:
                sock.sendall(str(total).encode())
                return
            total += len(data)

    def shut(self, sock):
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    def watch(self, sock):
        try:
            self.saw = repr(sock.recv(10))
        except OSError as error:
            self.saw = os.strerror(error.errno)

    def fill_and_tell(self, sock):
        self.saw = "nothing"
        sock.sendall(b"some octets")
        self.watch(sock)

    def wait_and_tell(self, sock):
        self.saw = "nothing"
        sock.sendall(b"ok")
        self.watch(sock)

    def last_words(self, sock):
        self.saw, total = "nothing", 0
        sock.sendall(b"unread")
        try:
            while data := sock.recv(65536):
                total += len(data)
            self.saw = f"{total} and the end"
        except OSError as error:
            self.saw = f"{total} {os.strerror(error.errno)}"

    def told(self, sock):
        sock.sendall(self.saw.encode())

    def flood_and_reset(self, sock):
        """Resets with as much on the way as the other side takes, and tells how much that is."""
        sock.setblocking(False)
        sent, taken, moved = 0, -1, time.monotonic()
        while time.monotonic() - moved < 0.7:
            try:
                sent += sock.send(bytes(10000))
            except BlockingIOError:
                time.sleep(0.02)
            waiting = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
            if sent - waiting != taken:
                taken, moved = sent - waiting, time.monotonic()
        self.saw = str(taken)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def silent(self, sock):
        sock.recv(1)


# ---- The namespace ----

def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Lab:
    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="weir-run-")
        self.socket = os.path.join(self.folder, "net", "socket")
        self.weird = None
        self.children = []
        self.weird_program = self.program("weird")  # before anything is made that must be undone
        ip("netns", "add", NAMESPACE)
        try:
            self.build_net()
            self.start()
        except BaseException:
            self.close()
            raise

    def build_net(self):
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        ip("-n", NAMESPACE, "tuntap", "add", "dev", "wr0", "mode", "tap")
        ip("-n", NAMESPACE, "addr", "add", KERNEL[4] + "/24", "dev", "wr0")
        ip("-n", NAMESPACE, "addr", "add", KERNEL[6] + "/64", "dev", "wr0", "nodad")
        ip("-n", NAMESPACE, "link", "set", "wr0", "up")
        fd = os.open(f"/run/netns/{NAMESPACE}", os.O_RDONLY)
        libc_setns(fd)
        os.close(fd)

    def program(self, name):
        for path in (os.path.join(self.build, name),
                     os.path.join(self.build, "tests", "integration", name)):
            if os.path.exists(path):
                return path
        raise SystemExit(f"Bail out! {name} is not in {self.build}")

    def start(self):
        ready, told = os.pipe()
        self.weird = subprocess.Popen(
            [self.weird_program, "--dev", "tap:wr0", "--addr", WEIR[4] + "/24",
             "--addr", WEIR[6] + "/64", "--socket", self.socket, "--ready-fd", str(told)],
            pass_fds=[told])
        os.close(told)
        line = os.read(ready, 100)
        os.close(ready)
        if not line:
            raise SystemExit("Bail out! weird does not start")

    def under(self, *command):
        return [self.program("weir"), "run", "--socket", self.socket, "--", *command]

    def run(self, *command, timeout=LIMIT):
        """(exit status, what it said); a program that hangs is killed."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            return "timeout", said
        return process.returncode, said

    def spawn(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        self.children.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()

    def open_files(self):
        return len(os.listdir(f"/proc/{self.weird.pid}/fd"))

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if self.weird is not None and self.weird.poll() is None:
            self.weird.kill()
            self.weird.wait()
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def libc_setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) != 0:
        raise SystemExit("Bail out! setns: " + os.strerror(ctypes.get_errno()))


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def reachable(address, port):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


# ---- Tests ----

def test_cases(lab, tap):
    sys.path.insert(0, HERE)
    from run_cases import CASES
    script = os.path.join(HERE, "run_cases.py")
    for family in (4, 6):
        peer = Peer(family)
        for case in CASES:
            command = [sys.executable, script, case, KERNEL[family], str(peer.port)]
            on_linux = lab.run(*command)
            peer.from_weir = None
            on_weir = lab.run(*lab.under(*command))
            on_its_way = peer.from_weir is not False  # None: it did not ask the peer
            want = on_linux[1].decode().splitlines()
            have = on_weir[1].decode().splitlines()
            tap.check(on_linux[0] == 0 == on_weir[0] and want == have and on_its_way,
                      f"IPv{family}: {case} is as on Linux",
                      f"exit status {on_linux[0]}, {on_weir[0]}",
                      *(f"Linux: {w!r}   weir: {h!r}" for w, h in
                        zip(want + [None] * 20, have + [None] * 20) if w != h))


def test_curl(lab, tap):
    if shutil.which("curl") is None:
        tap.skip("curl is not installed")
        return
    big = os.path.join(lab.folder, "big")
    with open(big, "wb") as file:
        file.write(os.urandom(8 << 20))
    with open(big, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    serve = [sys.executable, "-m", "http.server", "-d", lab.folder, "-b", "::"]
    kernel = lab.spawn(*serve, "8000")
    weir = lab.spawn(*lab.under(*serve, "8001"))
    until(lambda: reachable(KERNEL[4], 8000) and reachable(WEIR[4], 8001))
    for family in (4, 6):
        for text, port, host, command in (
                ("curl on weir fetches from the kernel", 8000, KERNEL, lab.under),
                ("the kernel's curl fetches from http.server on weir", 8001, WEIR,
                 lambda *words: list(words)),
                ("curl on weir fetches from http.server on weir", 8001, WEIR, lab.under)):
            name = f"[{host[family]}]" if family == 6 else host[family]
            out = os.path.join(lab.folder, "got")
            status, said = lab.run(*command("curl", "-sS", "--max-time", str(LIMIT), "-o", out,
                                            f"http://{name}:{port}/big"))
            with open(out, "rb") as file:
                same = hashlib.sha256(file.read()).hexdigest() == digest
            os.unlink(out)
            tap.check(status == 0 and same, f"IPv{family}: {text}, every octet", status, said)
    lab.stop(kernel)
    lab.stop(weir)


def test_static(lab, tap):
    subject = lab.program("weir-run-subject")
    port = 9000
    for how in ("thread", "fork", "epoll"):
        for family in (4, 6):
            port += 1
            server = lab.spawn(*lab.under(subject, "serve", how, WEIR[family], str(port), "20"))
            server.stdout.readline()
            status, said = lab.run(subject, "talk", WEIR[family], str(port), "20", "300000")
            tap.check(status == 0, f"IPv{family}: a static server ({how}) serves the kernel", said)
            tap.check(until(lambda: server.poll() == 0), "and ends by itself", server.poll())
            lab.stop(server)
    port += 1
    server = lab.spawn(subject, "serve", "thread", "::", str(port), "20")
    server.stdout.readline()
    status, said = lab.run(*lab.under(subject, "talk", KERNEL[4], str(port), "20", "300000"))
    tap.check(status == 0, "a static client talks to the kernel", said)
    lab.stop(server)


def test_many(lab, tap):
    subject = lab.program("weir-run-subject")
    before = lab.open_files()
    server = lab.spawn(*lab.under(subject, "serve", "epoll", "0.0.0.0", "9100", "1000"))
    server.stdout.readline()
    status, said = lab.run(subject, "talk", WEIR[4], "9100", "1000", "100")
    tap.check(status == 0, "1,000 connections from the kernel, one after the other", said)
    tap.check(until(lambda: server.poll() == 0), "the server has seen all of them end")
    lab.stop(server)
    server = lab.spawn(subject, "serve", "epoll", "0.0.0.0", "9101", "1000")
    server.stdout.readline()
    status, said = lab.run(*lab.under(subject, "talk", KERNEL[4], "9101", "1000", "100"))
    tap.check(status == 0, "1,000 connections to the kernel, one after the other", said)
    lab.stop(server)
    tap.check(until(lambda: lab.open_files() <= before),
              "weird has no more descriptors open than before", before, lab.open_files())
    script = ("import socket\n"
              "for i in range(20000): socket.socket().close()\n"
              "print('made')")
    status, said = lab.run(*lab.under(sys.executable, "-c", script))
    tap.check(status == 0 and said == b"made\n", "20,000 sockets made and closed", status, said)
    tap.check(until(lambda: lab.open_files() <= before), "and none of them is left",
              before, lab.open_files())


def test_process(lab, tap):
    status, _ = lab.run(*lab.under("sh", "-c", "exit 7"))
    tap.check(status == 7, "the exit status is the program's", status)
    status, _ = lab.run(*lab.under("sh", "-c", "kill -TERM $$"))
    tap.check(status == -signal.SIGTERM, "and so is the signal that ends it", status)
    status, said = lab.run(*lab.under("/nonexistent/program"))
    tap.check(status == 127, "a program that is not there is 127", status, said)
    status, said = lab.run(*lab.under(*lab.under("true")))
    tap.check(status == 125 and b"inside a" in said, "a run in a run is refused in words",
              status, said)
    script = ("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
              "for number in (425, 426, 427): print(libc.syscall(number, 1, 0), ctypes.get_errno())\n")
    status, said = lab.run(*lab.under(sys.executable, "-c", script))
    tap.check(said == b"-1 38\n" * 3, "io_uring, which nobody could catch, is not there", status, said)
    status, said = lab.run(lab.program("weir"), "run", "--socket", lab.socket + "x", "true")
    tap.check(status == 125 and b"No such file" in said, "so is a daemon that is not there",
              status, said)
    script = ("import socket, os\n"
              "s = socket.create_connection(('%s', %d))\n"
              "s.sendall(b'echo\\n')\n"
              "if os.fork() == 0:\n"
              "    s.sendall(b'child'); os._exit(0)\n"
              "os.wait()\n"
              "d = s.dup(); s.close()\n"
              "print(d.recv(5, socket.MSG_WAITALL), d.getpeername()[0])\n")
    peer = Peer(4)
    status, said = lab.run(*lab.under(sys.executable, "-c", script % (KERNEL[4], peer.port)))
    tap.check(said.strip() == f"b'child' {KERNEL[4]}".encode(), "fork and dup share the socket",
              status, said)


CLOSER = """
import socket, sys
for line in sys.stdin:
    listener = socket.socket()
    listener.bind(("0.0.0.0", 9300))
    listener.listen(2)
    print("listens", flush=True)
    sys.stdin.readline()
    listener.close()
    print("closed", flush=True)
"""


def test_closed_listener(lab, tap):
    """Whoever connects from outside right after a listener was closed."""
    program = subprocess.Popen(lab.under(sys.executable, "-c", CLOSER), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    lab.children.append(program)

    def step():
        program.stdin.write("\n")
        program.stdin.flush()
        return program.stdout.readline()

    def outcome():
        try:
            with socket.create_connection((WEIR[4], 9300), timeout=LIMIT) as sock:
                sock.recv(1)
            return "served"
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
    ends = []
    for _ in range(20):
        step()
        with socket.create_connection((WEIR[4], 9300), timeout=LIMIT):
            pass
        time.sleep(0.005)
        step()
        ends.append(outcome())
    tap.check(ends == ["Connection refused"] * 20, "who connects after the close is refused", *ends)
    program.stdin.close()
    lab.stop(program)


LOW_PORTS = """
import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for port in (700, 1024):
        s = socket.socket(socket.AF_INET, kind)
        try:
            s.bind(("0.0.0.0", port))
            print(port, "bound")
        except OSError as error:
            print(port, error.strerror)
"""


def test_low_ports(lab, tap):
    """Ports below 1024 are for those with CAP_NET_BIND_SERVICE, whoever has begun the run."""
    low, free = "700 Permission denied\n1024 bound\n" * 2, "700 bound\n1024 bound\n" * 2
    script = os.path.join(lab.folder, "low_ports.py")
    with open(script, "w", encoding="ascii") as file:
        file.write(LOW_PORTS)
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    drop = ["setpriv", "--reuid", str(NOBODY), "--clear-groups"]
    for text, command, want in (
            ("root", lab.under(python, script), free),
            ("root's program that has become nobody", lab.under(*drop, python, script), low),
            ("nobody, on Linux", [*drop, python, script], low)):
        os.chmod(lab.folder, 0o755)
        status, said = lab.run(*command)
        tap.check(status == 0 and said.decode() == want, f"low ports: {text}", said)


def test_signals(lab, tap):
    script = ("import socket, signal, time\n"
              "signal.signal(signal.SIGALRM, lambda *a: (_ for _ in ()).throw(KeyError))\n"
              "l = socket.socket(); l.bind(('0.0.0.0', 0)); l.listen()\n"
              "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
              "begun = time.monotonic()\n"
              "try: l.accept()\n"
              "except KeyError: print('interrupted', time.monotonic() - begun < 20)\n")
    status, said = lab.run(*lab.under(sys.executable, "-c", script))
    tap.check(said == b"interrupted True\n", "a signal interrupts accept", status, said)


def test_private(lab, tap):
    subject = os.path.join(lab.folder, "subject")
    for name in ("weir", "weird"):
        shutil.copy(lab.program(name), lab.folder)
    shutil.copy(lab.program("weir-run-subject"), subject)
    os.chmod(lab.folder, 0o755)
    weir = os.path.join(lab.folder, "weir")
    for text, user in (("root", 0), ("nobody", NOBODY)):
        server = subprocess.Popen(
            [weir, "run", "--", subject, "serve", "thread", "0.0.0.0", "9200", "3"],
            user=user, group=user, extra_groups=[], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd="/")
        lab.children.append(server)
        line = server.stdout.readline()
        inside = ["nsenter", "-t", str(server.pid), "-n"]
        status, said = lab.run(*inside, subject, "talk", WEIR[4], "9200", "3", "100000")
        tap.check(line == b"ready\n" and status == 0,
                  f"a private weird of {text} serves the kernel's end of its wire", line, said)
        tap.check(until(lambda: server.poll() == 0), "and the program ends", server.poll())
        lab.stop(server)


def blocked_calls(lab, peer):
    """Programs that wait in every way there is."""
    scripts = {
        "accept with an address": "l.accept()",
        "recv": "c.recv(1)",
        "connect": "socket.create_connection(('192.0.2.77', 9))",
        "poll": "p = select.poll(); p.register(c, select.POLLIN); p.poll()",
    }
    head = ("import socket, select, sys\n"
            "l = socket.socket(); l.bind(('0.0.0.0', 0)); l.listen()\n"
            f"c = socket.create_connection(('{KERNEL[4]}', {peer.port}))\n"
            "c.sendall(b'silent\\n')\n"
            "print('ready', flush=True)\n")
    found = {}
    for text, script in scripts.items():
        found[text] = lab.spawn(*lab.under(sys.executable, "-c", head + script))
    for process in found.values():
        process.stdout.readline()
    time.sleep(0.3)
    return found


def test_end(lab, tap):
    peer = Peer(4)
    waiting = blocked_calls(lab, peer)
    lab.weird.kill()
    lab.weird.wait()
    begun = time.monotonic()
    for text, process in waiting.items():
        ended = until(lambda: process.poll() is not None)
        tap.check(ended, f"weird killed: {text} returns", time.monotonic() - begun)
        lab.stop(process)
    lab.start()
    tap.check(lab.run(*lab.under("true"))[0] == 0, "a new weird serves")
    script = ("import socket, time\n"
              f"c = socket.create_connection(('{KERNEL[4]}', {peer.port}))\n"
              "c.sendall(b'wait-and-tell\\n'); c.recv(2); print('ready', flush=True)\n"
              "time.sleep(20)\n")
    process = lab.spawn(*lab.under(sys.executable, "-c", script))
    process.stdout.readline()
    lab.weird.terminate()
    status = lab.weird.wait(10)
    tap.check(status == 0, "SIGTERM ends weird", status)
    tap.check(until(lambda: peer.saw == "b''"), "and its connections in order", peer.saw)
    lab.stop(process)


SETTINGS = """
import socket
s = socket.socket()
print(s.getsockopt(6, socket.TCP_KEEPIDLE), s.getsockopt(6, socket.TCP_SYNCNT),
      s.getsockopt(6, socket.TCP_LINGER2), s.getsockopt(6, socket.TCP_CONGESTION, 16).strip(b"\\0"))
"""


def test_sysctl(lab, tap):
    """Settings of a weird that runs: read by all who may join, changed by root."""
    def sysctl(*words, before=()):
        status, said = lab.run(*before, lab.program("weir"), "sysctl", "--socket", lab.socket, *words)
        return status, said.decode()

    def seen():
        return lab.run(*lab.under(sys.executable, "-c", SETTINGS))[1].decode().strip()

    names = {"net.ipv4.tcp_keepalive_time": "1234", "net.ipv4.tcp_syn_retries": "3",
             "net.ipv4.tcp_fin_timeout": "17", "net.ipv4.tcp_congestion_control": "reno"}
    usual = dict(line.split(" = ") for line in sysctl("-a")[1].splitlines())
    tap.check(usual["net.ipv4.tcp_keepalive_time"] == "7200", "settings of a weird are read", usual)
    before = seen()
    status, said = sysctl(*(f"{name}={value}" for name, value in names.items()))
    shown = "".join(f"{name} = {value}\n" for name, value in names.items())
    tap.check((status, said) == (0, shown), "and changed", said)
    tap.check(sysctl(*names) == (0, shown), "and stay so")
    for name, value in names.items():
        with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
            file.write(value)
    kernel = lab.run(sys.executable, "-c", SETTINGS)[1].decode().strip()
    tap.check(seen() == kernel != before, "a program sees what it sees on Linux", seen(), kernel)
    group = ["setpriv", "--reuid", str(NOBODY), "--regid", "0", "--clear-groups"]
    os.chmod(lab.folder, 0o755)
    status, said = sysctl("-n", "net.ipv4.tcp_fin_timeout", before=group)
    tap.check((status, said) == (0, "17\n"), "who is of weird's group may read", said)
    status, said = sysctl("net.ipv4.tcp_fin_timeout=18", before=group)
    tap.check(status == 1 and "permission denied" in said, "but not write", said)
    for word, why in (("net.ipv4.tcp_syn_retries=128", "out of range"),
                      ("net.ipv4.tcp_syn_retrie=3", "did you mean net.ipv4.tcp_syn_retries"),
                      ("net.ipv4.tcp_tw_recycle=1", "no longer a setting"),
                      ("net.ipv4.tcp_rmem=4096 131072 6291456", "when it starts"),
                      ("net.ipv4.tcp_rfc1337=0", "always 1")):
        status, said = sysctl(word)
        tap.check(status == 1 and why in said, f"{word} is refused", said)
    tap.check(sysctl("net.ipv4.tcp_fin_timeout") == (0, "net.ipv4.tcp_fin_timeout = 17\n"),
              "what was refused has changed nothing")
    status, said = lab.run(lab.program("weir"), "sysctl", "--net", "nobody-here", "-a")
    tap.check(status == 1 and b"nobody-here" in said, "a weird that is not there is named", said)
    status, said = lab.run(lab.program("weir"), "run", "--sysctl", "net.ipv4.tcp_syn_retries=2",
                           "--sysctl", "net.ipv4.tcp_congestion_control=bbr", "--",
                           sys.executable, "-c", SETTINGS)
    tap.check(said == b"7200 2 60 b'bbr'\n", "a private weird begins with what it is told", said)
    status, said = lab.run(lab.program("weir"), "run", "--sysctl", "net.ipv4.tcp_fack=1", "true")
    tap.check(status == 2 and b"no longer" in said, "or says what is wrong with that", said)
    path = os.path.join(lab.folder, "usual.conf")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{name} = {usual[name]}\n" for name in names)
    status, said = sysctl("-p", path)
    tap.check(status == 0 and seen() == before, "a file of settings takes them back", said, seen())


FASTOPEN = """
import errno, select, socket, sys
MSG_FASTOPEN, FASTOPEN_CONNECT, FASTOPEN_NO_COOKIE = 0x20000000, 30, 34
to = (sys.argv[1], int(sys.argv[2]))

def answer(s):
    p = select.poll()
    p.register(s, select.POLLIN)
    p.poll(10000)
    said = s.recv(100)
    s.close()
    return said

for job in sys.argv[3:]:
    s = socket.socket()
    if job == "send":
        print(job, s.sendto(b"hello", MSG_FASTOPEN, to), answer(s))
    if job == "again":
        s.sendto(b"hello", MSG_FASTOPEN, to)
        try:
            print(job, s.sendto(b"hello", MSG_FASTOPEN, to))
        except OSError as error:
            print(job, errno.errorcode[error.errno], answer(s))
    if job == "nameless":
        try:
            print(job, s.send(b"hello", MSG_FASTOPEN))
        except OSError as error:
            print(job, errno.errorcode[error.errno])
    if job == "nonblocking":
        s.setblocking(False)
        try:
            print(job, s.sendto(b"hello", MSG_FASTOPEN, to), end=" ")
        except OSError as error:
            print(job, errno.errorcode[error.errno], end=" ")
            p = select.poll()
            p.register(s, select.POLLOUT)
            p.poll(10000)
            s.send(b"hello")
        print(answer(s))
    if job == "connect":
        s.setsockopt(6, FASTOPEN_CONNECT, 1)
        print(job, s.connect_ex(to), s.getsockopt(6, FASTOPEN_CONNECT), s.send(b"hello"), answer(s))
    if job == "unread":
        s.setsockopt(6, FASTOPEN_CONNECT, 1)
        print(job, s.connect_ex(to))
        s.close()
    if job == "refused":
        for call in (lambda: s.sendto(b"hello", MSG_FASTOPEN, (to[0], 9)), lambda: s.recv(1)):
            try:
                print(job, call(), end=" ")
            except OSError as error:
                print(job, errno.errorcode[error.errno])
                break
    if job == "plain":
        s.setsockopt(6, FASTOPEN_NO_COOKIE, 1)
        print(job, s.getsockopt(6, FASTOPEN_NO_COOKIE), s.sendto(b"hello", MSG_FASTOPEN, to), answer(s))
    if job == "large":
        s.setblocking(False)
        print(job, s.sendto(bytes(5000), MSG_FASTOPEN, to))
    if job == "options":
        for value in (-1, 0, 7):
            try:
                print(value, s.setsockopt(6, socket.TCP_FASTOPEN, value),
                      s.getsockopt(6, socket.TCP_FASTOPEN))
            except OSError as error:
                print(value, errno.errorcode[error.errno])
        for value in (-1, 0, 1, 2):
            try:
                print(value, s.setsockopt(6, FASTOPEN_CONNECT, value))
            except OSError as error:
                print(value, errno.errorcode[error.errno])
        c = socket.create_connection(to)
        for option in (socket.TCP_FASTOPEN, FASTOPEN_CONNECT):
            try:
                c.setsockopt(6, option, 1)
            except OSError as error:
                print("connected", errno.errorcode[error.errno])
"""

FASTOPEN_SERVER = """
import socket
l = socket.socket()
l.setsockopt(6, socket.TCP_FASTOPEN, 5)
l.setsockopt(6, socket.TCP_DEFER_ACCEPT, 5)
l.bind(("0.0.0.0", 0))
l.listen()
print(l.getsockname()[1], flush=True)
while True:
    c, _ = l.accept()
    c.sendall(c.recv(100))
    c.close()
"""
SYN_DATA = 32  # tcpi_options


class FastServer(threading.Thread):
    """Echoes once, and notes whether the SYN had octets that were taken."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        self.listener.bind((address, 0))
        self.listener.listen()
        self.port, self.fast = self.listener.getsockname()[1], []
        self.start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
            self.fast.append((info[5] & SYN_DATA) != 0)
            try:
                sock.sendall(sock.recv(100))
            except ConnectionError:  # of the job that does not listen
                pass
            sock.close()


def test_fastopen(lab, tap):
    """Octets in the SYN, as client and as server, against the kernel."""
    with open("/proc/sys/net/ipv4/tcp_fastopen", "w", encoding="ascii") as file:
        file.write("3")
    said = lab.run(lab.program("weir"), "sysctl", "--socket", lab.socket, "net.ipv4.tcp_fastopen=3")
    tap.check(said[0] == 0, "servers may, too", said)
    # Without a cookie first, then with one.
    jobs = ["send", "send", "nonblocking", "connect", "again", "nameless", "unread", "plain", "refused", "options"]
    spoken, seen = [], []
    for under in (False, True):
        server = FastServer(KERNEL[4])
        command = [sys.executable, "-c", FASTOPEN, KERNEL[4], str(server.port), *jobs]
        spoken.append(lab.run(*(lab.under(*command) if under else command))[1].decode())
        until(lambda: len(server.fast) >= 6)
        seen.append(server.fast[:5])
    tap.check(spoken[0] == spoken[1], "what calls return is as on Linux", "Linux:",
              *spoken[0].splitlines(), "weir:", *spoken[1].splitlines())
    tap.check(seen[0][1:] == seen[1][1:] == [True] * 4 and not seen[1][0],
              "the first asks for a cookie, then octets go with the SYN", *seen)
    server = FastServer(KERNEL[4])
    said = lab.run(*lab.under(sys.executable, "-c", FASTOPEN, KERNEL[4], str(server.port), "large"))[1]
    tap.check(said == b"large 1420\n", "what does not wait takes what the SYN has room for", said)
    server = lab.spawn(*lab.under(sys.executable, "-c", FASTOPEN_SERVER))
    port = int(server.stdout.readline())
    fast = []
    for _ in range(3):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10, 0))
            sock.sendto(b"hello", 0x20000000, (WEIR[4], port))
            tap.check(sock.recv(5) == b"hello", "a server with TCP_DEFER_ACCEPT answers")
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
            fast.append((info[5] & SYN_DATA) != 0)
    tap.check(fast == [False, True, True], "and takes the octets of a SYN with its cookie", fast)
    lab.stop(server)


SIGNED_CLIENT = """
import socket, sys
from run_cases import TCP_MD5SIG, new, signature
peer, port, key = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
sock = new(peer)
sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(peer, key))
sock.connect((peer, port))
sock.sendall(bytes(100000))
sock.shutdown(socket.SHUT_WR)
print(sock.recv(100).decode())
"""
SIGNED_SERVER = """
import socket, sys
from run_cases import TCP_MD5SIG, new, signature
own, port, peer, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].encode()
server = new(own)
server.bind((own, port))
server.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(peer, key))
server.listen(1)
print("listens", flush=True)
sock = server.accept()[0]
server.close()
total = 0
while part := sock.recv(65536):
    total += len(part)
sock.sendall(str(total).encode())
"""


def test_signed(lab, tap):
    """TCP_MD5SIG on the wire: the kernel believes a program under weir, and the other way round."""
    from run_cases import TCP_MD5SIG, new, signature
    environment = {**os.environ, "PYTHONPATH": HERE}

    def program(script, *words):
        return subprocess.Popen(lab.under(sys.executable, "-c", script, *map(str, words)),
                                env=environment, stdout=subprocess.PIPE)

    for family in (4, 6):
        listener = new(KERNEL[family])
        listener.bind((KERNEL[family], 0))
        listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(WEIR[family], b"a key"))
        listener.listen(1)
        listener.settimeout(LIMIT)
        client = program(SIGNED_CLIENT, KERNEL[family], listener.getsockname()[1], "a key")
        lab.children.append(client)
        sock, total = listener.accept()[0], 0
        while part := sock.recv(65536):
            total += len(part)
        sock.sendall(b"all of it" if total == 100000 else b"less")
        sock.close()
        said = client.communicate(timeout=LIMIT)[0]
        tap.check(said == b"all of it\n" and client.returncode == 0,
                  f"IPv{family}: a program signs what the kernel believes", said)
        server = program(SIGNED_SERVER, WEIR[family], 4711, KERNEL[family], "a key")
        lab.children.append(server)
        server.stdout.readline()
        stranger = new(KERNEL[family])
        stranger.settimeout(0.3)
        try:
            stranger.connect((WEIR[family], 4711))
            answer = "connected"
        except OSError as error:
            answer = str(error)
        stranger.close()
        tap.check(answer == "timed out", f"IPv{family}: who does not sign is not answered", answer)
        sock = new(KERNEL[family])
        sock.settimeout(LIMIT)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(WEIR[family], b"a key"))
        sock.connect((WEIR[family], 4711))
        sock.sendall(bytes(100000))
        sock.shutdown(socket.SHUT_WR)
        said = sock.recv(100)
        tap.check(said == b"100000" and server.wait(LIMIT) == 0,
                  f"IPv{family}: a program believes what the kernel signs, its listener closed", said)
        sock.close()
        listener.close()


LINGERING = """
import os, select, socket, struct, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind(("127.0.0.1", 0))
listener.listen(8)

def pair(seconds, full):
    one, idle = socket.socket(), 0
    one.connect(listener.getsockname())
    other = listener.accept()[0]
    one.setblocking(False)
    while full and idle < 10:
        try:
            one.send(bytes(20000))
            idle = 0
        except BlockingIOError:
            time.sleep(.02)
            idle += 1
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return one, other

def closing(one):
    began = time.monotonic()
    one.close()
    return time.monotonic() - began

one, other = pair(1, True)
print("its time is over", .9 < closing(one))
one, other = pair(60, True)
(closes, begins), (reads, told) = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    one.close()
    os.write(told, b"closed")
    os.read(closes, 1)
    time.sleep(.3)
    os.write(told, b"reads")
    while other.recv(65536):
        pass
    os._exit(0)
other.close()
os.read(reads, 6)
os.write(begins, b"x")
closing(one)
print("until it is read", select.select([reads], [], [], 0)[0] != [], os.waitpid(child, 0)[1])
one, other = pair(60, True)
copy = one.dup()
print("held by another", closing(one) < 50)
one, other = pair(60, False)
print("nothing to send", closing(one) < 50)
one, other = pair(60, True)
other.send(b"unread")
select.select([one], [], [], 10)
print("a reset", closing(one) < 50)
for end in os.pipe():
    os.close(end)
"""


def test_linger(lab, tap):
    """close with SO_LINGER: `weir run --linger` waits as the kernel does."""
    command = [sys.executable, "-c", LINGERING]
    wanted = lab.run(*command)
    command = [lab.program("weir"), "run", "--linger", "--socket", lab.socket, "--", *command]
    found = lab.run(*command)
    tap.check(wanted[0] == 0 and wanted == found and b"False" not in found[1],
              "close lingers as on Linux", wanted, found)


TESTS = [test_cases, test_curl, test_static, test_many, test_process, test_closed_listener,
         test_low_ports, test_signals, test_sysctl, test_fastopen, test_signed, test_linger,
         test_private, test_end]


def play_all(tests):
    """What run_lab plays where there is a list of tests: all, or the one of --only."""
    def play(lab, tap, only):
        for test in tests:
            if only in (None, test.__name__[5:]):
                test(lab, tap)
    return play


def run_lab(text, make, play, programs=()):
    """The main of a file of tests: options, what the machine must have, and a lab that is closed
    whatever happens. `make` gets the build's folder, `play` the lab, the tap and --only."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only")
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or not all(map(shutil.which, programs)):
        tap.skip(" and ".join(["needs root, /dev/net/tun", *programs]))
        return tap.done()
    lab = make(os.path.abspath(options.build))
    try:
        play(lab, tap, options.only)
    finally:
        lab.close()
    return tap.done()


def main():
    return run_lab(__doc__, Lab, play_all(TESTS))


if __name__ == "__main__":
    sys.exit(main())
