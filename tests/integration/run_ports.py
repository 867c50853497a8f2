#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ports of the host that lead to programs on weir, and weir's loopback that leads to the host's.

    run_ports.py [--build DIR]

The host is a network namespace. Needs root and /dev/net/tun; says so and skips otherwise.
"""

import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import run_tcp  # noqa: E402
from run_tcp import NOBODY, WEIR, ip, libc_setns, until  # noqa: E402

NAMESPACE = f"wp{os.getpid()}"
LIMIT = 30
PAYLOAD = hashlib.sha256(b"ports").digest() * 200000  # 6.4 MB

# What a program on weir does; its arguments are an address and a port.
CLIENT = """
import socket, struct, sys, threading
to, job = (sys.argv[1], int(sys.argv[2])), sys.argv[3]
if job == "udp-echo":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(to)
    print("ready", flush=True)
    while True:
        octets, peer = s.recvfrom(70000)
        print("from", peer[0], flush=True)
        s.sendto(octets, peer)
if job in ("serve", "serve-reset"):
    s = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET)
    s.bind(to)
    s.listen()
    print("ready", flush=True)
    while True:
        c, peer = s.accept()
        print("from", peer[0], flush=True)
        def echo(c=c):
            while octets := c.recv(65536):
                if job == "serve-reset":
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                c.sendall(octets)
            c.close()
        threading.Thread(target=echo, daemon=True).start()
if job == "listen":
    s = socket.socket()
    try:
        s.bind(to)
        s.listen()
        print("listens")
    except OSError as error:
        print(type(error).__name__, error.errno)
    sys.exit()
if job == "nonblocking":
    import select
    s = socket.socket()
    s.setblocking(False)
    print(s.connect_ex(to), end=" ")
    p = select.poll()
    p.register(s, select.POLLOUT)
    p.poll(10000)
    print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    sys.exit()
try:
    s = socket.create_connection(to, 10)
    if job == "bulk":
        size = int(sys.argv[4])
        threading.Thread(target=lambda: (s.sendall(bytes(range(256)) * (size // 256)),
                                         s.shutdown(socket.SHUT_WR))).start()
        got = b"".join(iter(lambda: s.recv(65536), b""))
        print(got == bytes(range(256)) * (size // 256))
    elif job == "reset-it":
        s.sendall(b"hello")
        s.recv(5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        print("done")
    else:
        s.sendall(b"hello")
        print(s.recv(5).decode(), s.recv(5))
except OSError as error:
    print(type(error).__name__)
"""


class Server:
    """On the host: echoes, or resets what it is sent, and tells how each connection ended."""

    def __init__(self, address, resets=False):
        self.resets, self.ends = resets, []
        self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.bind((address, 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            while octets := sock.recv(65536):
                if self.resets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sock.sendall(octets)
            self.ends.append("end")
        except OSError as error:
            self.ends.append(type(error).__name__)
        sock.close()


class Lab:
    def __init__(self, build):
        self.folder = tempfile.mkdtemp(prefix="weir-ports-")
        self.children = []
        for name in ("weir", "weird"):
            shutil.copy(os.path.join(build, name), self.folder)
        os.chmod(self.folder, 0o755)
        self.weir = os.path.join(self.folder, "weir")
        ip("netns", "add", NAMESPACE)
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        ip("-n", NAMESPACE, "addr", "add", "198.51.100.1/32", "dev", "lo")
        fd = os.open(f"/run/netns/{NAMESPACE}", os.O_RDONLY)
        libc_setns(fd)
        os.close(fd)

    def words(self, options, *arguments):
        return [self.weir, "run", *options, "--", "/usr/bin/python3", "-c", CLIENT,
                *map(str, arguments)]

    def run(self, options, *arguments, user=0):
        done = subprocess.run(self.words(options, *arguments), stdout=subprocess.PIPE, user=user,
                              group=user, extra_groups=[], cwd="/", stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=LIMIT, check=False)
        return done.stdout.decode().strip()

    def start(self, options, *arguments, user=0):
        process = subprocess.Popen(self.words(options, *arguments), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, user=user,
                                   group=user, extra_groups=[], cwd="/")
        self.children.append(process)
        process.said = process.stdout.readline().decode().strip()
        return process

    def stop(self, process):
        process.kill()
        process.wait()
        process.stdout.close()
        self.children.remove(process)

    def close(self):
        for process in list(self.children):
            self.stop(process)
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def named(name):
    """Processes called that in the host's network."""
    ours, found = os.readlink("/proc/thread-self/ns/net"), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
                comm = file.read().strip()
            if comm == name and os.readlink(f"/proc/{pid}/ns/net") == ours:
                found.append(int(pid))
        except OSError:
            pass
    return found


def check_loopback(lab, tap, user):
    who = "root" if user == 0 else "nobody"
    v4, v6, resets = Server("127.0.0.1"), Server("::1"), Server("127.0.0.1", resets=True)
    closed, other = free_port(), Server("127.0.0.1")
    options = ["--host-loopback", f"{v4.port},{v6.port},{closed}", "--host-loopback", resets.port]
    options = [str(word) for word in options]
    run = lambda *arguments: lab.run(options, *arguments, user=user)  # noqa: E731
    tap.check(run("127.0.0.1", v4.port, "bulk", 8 << 20) == "True",
              f"{who}: 8 MiB to the host's 127.0.0.1 and back")
    tap.check(run("::1", v6.port, "bulk", 1 << 20) == "True", f"{who}: and to its ::1")
    said = run("127.0.0.1", closed, "hello")
    tap.check(said == "ConnectionRefusedError", f"{who}: refused there, refused here", said)
    said = run("::1", v4.port, "hello")
    tap.check(said == "ConnectionRefusedError", f"{who}: the families are kept apart", said)
    said = run("127.0.0.1", closed, "nonblocking")
    tap.check(said in ("115 111", "111 0"), f"{who}: the same without waiting", said)
    said = run("127.0.0.1", other.port, "hello")
    tap.check(said == "ConnectionRefusedError" and other.ends == [],
              f"{who}: a port that was not chosen is not reached", said)
    said = run("127.0.0.1", resets.port, "hello")
    tap.check(said == "ConnectionResetError", f"{who}: a reset there is one here", said)
    v4.ends.clear()
    said = run("127.0.0.1", v4.port, "reset-it")
    tap.check(until(lambda: v4.ends == ["ConnectionResetError"]), f"{who}: and the other way",
              said, v4.ends)
    said = run("127.0.0.1", v4.port, "listen")
    tap.check(said == "OSError 98", f"{who}: a program cannot listen there", said)


def send_all(sock, octets):
    try:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # who reads hears of it


def talk(address, port, octets=b"hello"):
    """What an echo on a published port answers, or the error's name."""
    try:
        with socket.create_connection((address, port), 10) as sock:
            sender = threading.Thread(target=send_all, args=(sock, octets))
            sender.start()
            got = b"".join(iter(lambda: sock.recv(65536), b""))
            sender.join(10)
            return got
    except OSError as error:
        return type(error).__name__


def reset_by(address, port):
    """Whether who is spoken to resets the connection; the error comes with one call or the next."""
    try:
        with socket.create_connection((address, port), 10) as sock:
            sock.sendall(b"hello")
            return sock.recv(5)
    except OSError as error:
        return type(error).__name__


def check_publish(lab, tap, user):
    who = "root" if user == 0 else "nobody"
    port, wide, closed = free_port(), free_port(), free_port()
    options = ["--publish", f"{port}:8000", "--publish", f"198.51.100.1:{wide}:8000",
               "--publish", f"{closed}:8001"]
    server = lab.start(options, "0.0.0.0", 8000, "serve", user=user)
    tap.check(server.said == "ready", f"{who}: a program whose port is published", server.said)
    tap.check(talk("127.0.0.1", port, PAYLOAD) == PAYLOAD, f"{who}: 6 MB through 127.0.0.1 and back")
    said = server.stdout.readline().decode().strip()
    tap.check(said == f"from {WEIR[4]}", f"{who}: its peer is no loopback's", said)
    tap.check(talk("::1", port) == b"hello", f"{who}: through ::1 as well")
    tap.check(talk("198.51.100.1", wide) == b"hello", f"{who}: through an address that was given")
    tap.check(talk("198.51.100.1", port) == "ConnectionRefusedError",
              f"{who}: without one only through the loopbacks")
    tap.check(reset_by("127.0.0.1", closed) == "ConnectionResetError",
              f"{who}: a reset where no program listens")
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"hello")
        tap.check(sock.recv(5) == b"hello", f"{who}: one more connection is there")
        lab.stop(server)
        try:
            said = sock.recv(5)
        except OSError as error:
            said = type(error).__name__
        tap.check(said == b"", f"{who}: the program's end is the connection's", said)
    tap.check(until(lambda: not named("weird-porter")), f"{who}: and the porter's",
              named("weird-porter"))


def check_six(lab, tap):
    port = free_port()
    server = lab.start(["--publish", f"{port}:8000"], WEIR[6], 8000, "serve")
    tap.check(talk("127.0.0.1", port) == b"hello", "a program that has only IPv6 is reached")
    lab.stop(server)
    server = lab.start(["--publish", f"{port}:8000"], "0.0.0.0", 8000, "serve-reset")
    said = reset_by("127.0.0.1", port)
    tap.check(said == "ConnectionResetError", "a program's reset is one on the host", said)
    lab.stop(server)


def check_datagrams(lab, tap):
    port = free_port()
    server = lab.start(["--publish", f"{port}:5300/udp"], "0.0.0.0", 5300, "udp-echo")
    peers = [socket.socket(family, socket.SOCK_DGRAM) for family in
             (socket.AF_INET, socket.AF_INET, socket.AF_INET6)]
    for number, peer in enumerate(peers):
        peer.settimeout(1)
        peer.connect(("::1" if peer.family == socket.AF_INET6 else "127.0.0.1", port))

    def echoed(peer, octets):
        peer.send(octets)
        try:
            return peer.recv(70000) == octets
        except OSError:  # datagrams may be lost: again
            return False

    for text, octets in (("short", b"x"), ("empty", b""), ("long", PAYLOAD[:60000])):
        for number, peer in enumerate(peers):
            tap.check(until(lambda: echoed(peer, octets)), f"a {text} datagram of peer {number}")
        for peer in peers:
            peer.setblocking(False)
            while True:
                try:
                    peer.recv(70000)
                except OSError:
                    break
            peer.settimeout(1)
    lab.stop(server)


def check_refused(lab, tap):
    server = Server("127.0.0.1")
    said = lab.run(["--publish", f"{server.port}:80"], "0.0.0.0", 80, "hello")
    tap.check("Address already in use" in said and str(server.port) in said,
              "a port of the host that is taken is named", said)
    said = lab.run(["--publish", "81:80"], "0.0.0.0", 80, "hello", user=NOBODY)
    tap.check("Permission denied" in said, "and one that only root may have", said)
    for word in ("--publish", "--host-loopback"):
        done = subprocess.run([lab.weir, "run", word, "no", "--", "true"], check=False,
                              stderr=subprocess.PIPE)
        tap.check(done.returncode == 2 and b"no" in done.stderr, f"{word} no", done.stderr)
        done = subprocess.run([lab.weir, "run", "--net", "x", word, "1", "--", "true"],
                              check=False, stderr=subprocess.PIPE)
        tap.check(done.returncode == 2, f"{word} of a weird that runs", done.stderr)


def field(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))


def check_daemon(lab, tap):
    """A weird for many programs, which makes its porter itself; then it is killed."""
    port, host = free_port(), Server("127.0.0.1")
    path = os.path.join(lab.folder, "net", "socket")
    ready, told = os.pipe()
    weird = subprocess.Popen(
        [os.path.join(lab.folder, "weird"), "--dev", "tap:wp0", "--addr", WEIR[4] + "/24",
         "--socket", path, "--ready-fd", str(told), "--publish", f"{port}:8000",
         "--host-loopback", str(host.port)], pass_fds=[told], stderr=subprocess.DEVNULL)
    lab.children.append(weird)
    weird.stdout = open(os.devnull, "rb")
    os.close(told)
    with os.fdopen(ready) as pipe:
        tap.check(pipe.read() == "READY=1\n", "weird begins with ports of the host")
    porters = named("weird-porter")
    tap.check(len(porters) == 1 and field(porters[0], "CapEff") == "0" * 16 and
              field(porters[0], "CapBnd") == "0" * 16 and field(porters[0], "Seccomp") == "2" and
              os.listdir(f"/proc/{porters[0]}/root") == ["proc"],
              "the porter has no capability, no file system, and a filter", porters)
    server = lab.start(["--socket", path], "0.0.0.0", 8000, "serve")
    said = lab.run(["--socket", path], "127.0.0.1", host.port, "bulk", 1 << 20)
    tap.check(said == "True", "its programs reach the host", said)
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.sendall(b"hello")
    tap.check(sock.recv(5) == b"hello", "and are reached")
    weird.kill()
    weird.wait()
    try:
        said = sock.recv(5)
    except OSError as error:
        said = type(error).__name__
    tap.check(said == "ConnectionResetError", "weird killed: its peers on the host are reset", said)
    tap.check(until(lambda: not named("weird-porter")), "and the porter ends")
    sock.close()
    lab.stop(server)


def play(lab, tap, _):
    for user in (0, NOBODY):
        check_loopback(lab, tap, user)
        check_publish(lab, tap, user)
    check_six(lab, tap)
    check_datagrams(lab, tap)
    check_refused(lab, tap)
    check_daemon(lab, tap)


def main():
    return run_tcp.run_lab(__doc__, Lab, play)


if __name__ == "__main__":
    sys.exit(main())
