#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""UDP under `weir run` against the kernel, over a TAP in a network namespace.

    run_udp.py [--build DIR] [--only NAME]

Each case of run_udp_cases.py runs twice against the same peer: on the kernel, and under weir. What
it prints must be the same, but for what KNOWN names. Then come programs as they are installed, many
round trips, and the ends of a program and of weird.
"""

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "scripts"), HERE]
from run_tcp import KERNEL, WEIR, Lab, play_all, run_lab, until  # noqa: E402
from run_udp_cases import CASES, ONLY  # noqa: E402
from run_udp_option_cases import CASES as OPTION_CASES  # noqa: E402

TRIES = 5  # of what loses datagrams where the machine is slow, and never does otherwise
PINGPONGS = 100000
IP_RECVTTL, IP_RECVTOS = 12, 13

# Lines that differ, and why (docs/differences.md, "UDP").
KNOWN = {}


# ---- The peer, on the kernel's side ----

class Peer:
    def __init__(self, family, port=0):
        six = family == 6
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((KERNEL[family], port))
        self.port = self.sock.getsockname()[1]
        if six:
            self.sock.setsockopt(41, 51, 1)
            self.sock.setsockopt(41, 66, 1)
        else:
            self.sock.setsockopt(0, IP_RECVTTL, 1)
            self.sock.setsockopt(0, IP_RECVTOS, 1)
        self.six = six
        self.seen_weir = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, beside, _, sender = self.sock.recvmsg(65535, 512)
            self.seen_weir |= sender[0] in WEIR.values()
            verb, _, rest = data.partition(b" ")
            if verb == b"echo":
                self.sock.sendto(rest, sender)
            elif verb == b"seen":
                self.sock.sendto(repr([value[0] for _, _, value in beside]).encode(), sender)
            elif verb == b"marked":
                mark = [(41, 52, struct.pack("i", 33)), (41, 67, struct.pack("i", 0x48))] \
                    if self.six else [(0, 2, struct.pack("i", 33)), (0, 1, struct.pack("i", 0x48))]
                self.sock.sendmsg([rest], mark, 0, sender)
            elif verb == b"group":
                group, port, text = rest.split(b" ")
                self.send_group(group.decode(), int(port), text)

    def send_group(self, group, port, text):
        if self.six:
            self.sock.setsockopt(41, 17, socket.if_nametoindex("wr0"))
        else:
            self.sock.setsockopt(0, 32, socket.inet_aton(KERNEL[4]))
        self.sock.sendto(text, (group, port))


# ---- Tests ----

def no_limits():
    """The peer's kernel is to answer every datagram with an error, not one a second."""
    for name in ("net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000",
                 "net.ipv6.icmp.ratelimit=0"):
        subprocess.run(["sysctl", "-qw", name], check=False, stderr=subprocess.DEVNULL)


def play(lab, command, tap, text):
    """{case: lines}, of all that were played."""
    status, said = lab.run(*command, timeout=90)
    tap.check(status == 0, f"{text}: played to the end", status, said[-500:])
    found, lines = {}, []
    for line in said.decode().splitlines():
        if line.startswith("case "):
            lines = found[line[5:]] = []
        else:
            lines.append(line)
    return found


def test_options(lab, tap):
    compare_cases(lab, tap, "run_udp_option_cases.py", OPTION_CASES)


def test_cases(lab, tap):
    compare_cases(lab, tap, "run_udp_cases.py", CASES)


def compare_cases(lab, tap, name, cases):
    script = os.path.join(HERE, name)
    for family in (4, 6):
        peer = Peer(family)
        command = [sys.executable, script, "all", KERNEL[family], str(peer.port)]
        on_linux = play(lab, command, tap, f"IPv{family}, Linux")
        on_weir = play(lab, lab.under(*command), tap, f"IPv{family}, weir")
        for case in cases:
            if ONLY.get(case, family) != family:
                continue
            want, have = on_linux.get(case, []), on_weir.get(case, [])
            different = [(w, h) for w, h in zip(want + [None] * 50, have + [None] * 50)
                         if w != h and (case, w, h) not in KNOWN]
            tap.check(want and not different, f"IPv{family}: {case} is as on Linux",
                      *(f"Linux: {w!r}   weir: {h!r}" for w, h in different))
        tap.check(peer.seen_weir or cases is not CASES, f"IPv{family}: the peer has seen weir's address")


# ---- Programs as they are installed ----

def answer(question):
    """A DNS answer: A 198.51.100.7, AAAA 2001:db8::7, for every name; 20 TXT for "many."."""
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack("!H", question[end - 4:end - 2])[0]
    record = {1: socket.inet_aton("198.51.100.7"),
              28: socket.inet_pton(socket.AF_INET6, "2001:db8::7")}.get(kind)
    texts = [b"\x3f" + b"%063d" % i for i in range(20)] if kind == 16 else []
    records = [record] if record else texts
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(r)) + r for r in records)
    return (question[:2] + b"\x85\x80" + struct.pack("!HHHH", 1, len(records), 0, 0) +
            question[12:end] + body)


def serve_dns(family):
    s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((KERNEL[family], 53))

    def run():
        while True:
            data, sender = s.recvfrom(4096)
            s.sendto(answer(data), sender)
    threading.Thread(target=run, daemon=True).start()


def test_dns(lab, tap):
    resolv = os.path.join(lab.folder, "resolv.conf")
    for family in (4, 6):
        serve_dns(family)
        with open(resolv, "w", encoding="ascii") as file:
            file.write(f"nameserver {KERNEL[family]}\noptions timeout:2 attempts:1\n")
        there = ["unshare", "-m", "sh", "-c",
                 f"mount --bind {resolv} /etc/resolv.conf && exec \"$@\"", "sh"]
        for what, want in (("hosts", b"2001:db8::7"), ("ahostsv4", b"198.51.100.7")):
            status, said = lab.run(*there, *lab.under("getent", what, "name.test"))
            tap.check(status == 0 and want in said, f"IPv{family}: getent {what} finds a name",
                      status, said)
        script = ("import socket\n"
                  "print(socket.getaddrinfo('name.test', 80, type=socket.SOCK_STREAM)[0][4][0])")
        status, said = lab.run(*there, *lab.under(sys.executable, "-c", script))
        tap.check(status == 0 and said.strip() in (b"2001:db8::7", b"198.51.100.7"),
                  f"IPv{family}: so does getaddrinfo", status, said)
        if shutil.which("dig") is None:
            tap.skip("dig is not installed")
            continue
        dig = ["dig", "+tries=1", "+time=10", f"@{KERNEL[family]}"]
        status, said = lab.run(*lab.under(*dig, "+short", "name.test", "A"))
        tap.check(status == 0 and said == b"198.51.100.7\n", f"IPv{family}: dig gets an answer",
                  status, said)
        status, said = lab.run(*lab.under(*dig, "many.test", "TXT"))
        tap.check(status == 0 and said.count(b"TXT") >= 20,
                  f"IPv{family}: and one of more than a kilobyte", status, said[-300:])
        status, said = lab.run(*lab.under(*dig, "-p", "1", "name.test"))
        tap.check(status != 0 and b"refused" in said,
                  f"IPv{family}: a server that is not there is found out", status, said)


def hardly_a_loss(lab, serving, command):
    # It says so each time; between two tests it does not listen.
    while b"listening" not in serving.stdout.readline():
        if serving.poll() is not None:
            break
    status, said = lab.run(*command)
    lost = re.search(rb"(\d+)/(\d+) \([0-9.e+-]+%\)  receiver", said)
    few = status == 0 and lost is not None and int(lost.group(2)) > 800 and \
        int(lost.group(1)) * 20 < int(lost.group(2))
    return few, status, said


def test_iperf(lab, tap):
    if shutil.which("iperf3") is None:
        tap.skip("iperf3 is not installed")
        return
    for family in (4, 6):
        for text, server, client, host in (
                ("to the kernel", list, lab.under, KERNEL), ("from the kernel", lab.under, list,
                                                             WEIR)):
            make = (lambda how, words: how(*words) if how is not list else list(words))
            port = str(5200 + family + (10 if host is WEIR else 0))
            serving = lab.spawn(*make(server, ["iperf3", "-s", "-p", port, "-B", host[family],
                                               "--forceflush"]))
            for way in ([], ["-R"]):
                command = make(client, ["iperf3", "-u", "-c", host[family], "-p", port, "-b", "4M",
                                        "-l", "500", "-t", "1", "-i", "0", *way])
                for _ in range(TRIES):
                    few, status, said = hardly_a_loss(lab, serving, command)
                    if few:
                        break
                tap.check(few, f"IPv{family}: iperf3 -u {' '.join(way)} {text}, hardly a loss", status,
                          said[-900:])
            lab.stop(serving)


def test_pipes(lab, tap):
    """socat and nc, in both roles."""
    if shutil.which("socat") is None or shutil.which("nc") is None:
        tap.skip("socat or nc is not installed")
        return
    for family in (4, 6):
        for port, (text, server, client, host) in enumerate((
                ("weir serves the kernel", lab.under, lambda *w: list(w), WEIR),
                ("the kernel serves weir", lambda *w: list(w), lab.under, KERNEL),
                ("weir serves weir", lab.under, lab.under, WEIR)), 7000 + 10 * family):
            name = f"[{host[family]}]" if family == 6 else host[family]
            serving = lab.spawn(*server("socat", "-T", "20", f"UDP{family}-LISTEN:{port},bind={name},fork",
                                        "EXEC:cat"))
            for word, program, command in (
                    ("hello", "socat", f"{' '.join(client('socat'))} -t1 - UDP{family}:{name}:{port}"),
                    ("again", "nc", f"{' '.join(client('nc'))} -u -w1 {host[family]} {port}")):
                for _ in range(TRIES):  # the server may not be there yet
                    status, said = lab.run("sh", "-c", f"sleep 0.3; echo {word} | {command}")
                    if said == f"{word}\n".encode():
                        break
                tap.check(said == f"{word}\n".encode(), f"IPv{family}: {program}, {text}", status, said)
            lab.stop(serving)


# ---- Many, and the ends ----

PINGPONG = """
import os, socket, sys
family, count = (socket.AF_INET6, "::1") if sys.argv[1] == "6" else (socket.AF_INET, "127.0.0.1")
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind((count, 0))
if os.fork() == 0:
    t = socket.socket(family, socket.SOCK_DGRAM)
    t.connect(s.getsockname())
    for i in range(int(sys.argv[2])):
        t.send(b"%d" % i)
        if t.recv(20) != b"%d" % i:
            os._exit(1)
    os._exit(0)
if sys.argv[3] == "named":
    for i in range(int(sys.argv[2])):
        data, name = s.recvfrom(20)
        s.sendto(data, name)
else:
    data, name = s.recvfrom(20)
    s.connect(name)
    s.send(data)
    for i in range(1, int(sys.argv[2])):
        s.send(s.recv(20))
print(os.wait()[1])
"""


def test_pingpong(lab, tap):
    for family, count, how in ((4, PINGPONGS // 2, "named"), (6, PINGPONGS // 2, "native")):
        status, said = lab.run(*lab.under(sys.executable, "-c", PINGPONG, str(family), str(count),
                                          how), timeout=100)
        tap.check(status == 0 and said == b"0\n",
                  f"IPv{family}: {count} round trips over the loopback ({how}), none lost",
                  status, said)


LATE = """
import ctypes, socket
COUNT = 100
libc = ctypes.CDLL(None)
def sock():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    return s
def taken(s, count):
    found = []
    try:
        while len(found) < count: found.append(s.recv(20))
    except OSError: pass
    return found
a, b, s = sock(), sock(), sock()
a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0))
for i in range(COUNT):
    s.connect(a.getsockname()); s.send(b"a%d" % i)
    s.connect(b.getsockname()); s.send(b"b%d" % i)
    libc.connect(s.fileno(), bytes(16), 16)
print(sorted(taken(a, COUNT)) == sorted(b"a%d" % i for i in range(COUNT)))
print(sorted(taken(b, COUNT)) == sorted(b"b%d" % i for i in range(COUNT)))
count = 0
for _ in range(40):
    for i in range(50):
        s = sock(); s.connect(a.getsockname()); s.send(b"x"); s.close()
    count += len(taken(a, 50))
print(count)
"""


def namespace_of_sockets(lab):
    """A process in the network namespace of programs' UDP sockets."""
    home, found = os.readlink(f"/proc/{lab.weird.pid}/ns/net"), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                name, _, words = file.read().partition(") ")
            if int(pid) > lab.weird.pid and name.endswith("(weird") and words.split()[1] == "1" and \
                    os.readlink(f"/proc/{pid}/ns/net") != home:
                found.append(int(pid))
        except OSError:
            pass
    return min(found, default=None)


def test_late(lab, tap):
    """What a socket has sent arrives at weird after it was connected elsewhere, or closed: where
    other processors carry the loopback, as a busy machine may have it, too."""
    pid = namespace_of_sockets(lab)
    queue = "/sys/class/net/lo/queues/rx-0/rps_cpus"
    steer = f"mount -t sysfs none /sys && echo 3 > {queue}"
    if pid is None or os.cpu_count() < 2 or subprocess.run(
            ["nsenter", "-t", str(pid), "-n", "unshare", "-m", "sh", "-c", steer], check=False,
            stderr=subprocess.DEVNULL).returncode != 0:
        tap.skip("a loopback cannot be carried by another processor here")
        return
    said = lab.run(*lab.under(sys.executable, "-c", LATE), timeout=60)[1].decode().split()
    tap.check(said[:2] == ["True", "True"], "late datagrams go where they were sent", said)
    tap.check(said[2:] == ["2000"], "also those of sockets that are closed", said)


def endpoints(lab):
    """How many are left: asked of a program, since a port that is held cannot be bound."""
    script = ("import socket\nn = 0\n"
              "for port in range(20000, 20064):\n"
              "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "    try: s.bind(('', port))\n"
              "    except OSError: n += 1\n"
              "print(n)")
    return int(lab.run(*lab.under(sys.executable, "-c", script))[1])


def test_cleanup(lab, tap):
    hold = ("import socket, time\n"
            "held = []\n"
            "for port in range(20000, 20064):\n"
            "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "    s.bind(('', port)); held.append(s)\n"
            "print('ready', flush=True)\n"
            "held[0].recvfrom(10)\n")
    before = lab.open_files()
    process = lab.spawn(*lab.under(sys.executable, "-c", hold))
    process.stdout.readline()
    tap.check(endpoints(lab) == 64, "ports are held", endpoints(lab))
    lab.stop(process)
    tap.check(until(lambda: endpoints(lab) == 0), "and free again after kill -9",
              endpoints(lab))
    script = ("import socket\n"
              "for i in range(20000): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()\n"
              "for i in range(2000):\n"
              "    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
              "    s.bind(('', 0)); s.sendto(b'x', ('::1', 9)); s.close()\n"
              "print('made')")
    status, said = lab.run(*lab.under(sys.executable, "-c", script), timeout=60)
    tap.check(status == 0 and said == b"made\n", "22,000 sockets made and closed", status, said)
    tap.check(until(lambda: lab.open_files() <= before + 2 * 16), "no descriptors are left",
              before, lab.open_files())


def test_private(lab, tap):
    script = ("import socket\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "s.bind(('127.0.0.1', 0)); s.sendto(b'me', s.getsockname())\n"
              "print(s.recvfrom(9)[0].decode())\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "s.connect(('192.0.2.1', 9)); s.send(b'x')\n"
              "s.settimeout(2)\n"
              "try: s.recv(1)\n"
              "except OSError as error: print(error.strerror)\n")
    for name in ("weir", "weird"):
        shutil.copy(lab.program(name), lab.folder)
    os.chmod(lab.folder, 0o755)
    python = os.path.realpath(shutil.which("python3", path="/usr/bin:/bin") or sys.executable)
    for text, user in (("root", 0), ("nobody", 65534)):
        said = subprocess.run([os.path.join(lab.folder, "weir"), "run", "--", python, "-c", script],
                              user=user, group=user, extra_groups=[], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd="/", timeout=30, check=False).stdout
        tap.check(said == b"me\nConnection refused\n", f"a private weird of {text}", said)


def test_end(lab, tap):
    peer = Peer(4)
    scripts = {"recv": "c.recv(1)", "recvfrom": "c.recvfrom(1)", "recvmsg": "c.recvmsg(1)",
               "recv, not connected": "s.recv(1)",
               "poll": "p = select.poll(); p.register(c, select.POLLIN); print(p.poll())"}
    head = ("import socket, select\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 0))\n"
            "c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"c.connect(('{KERNEL[4]}', {peer.port}))\n"
            "print('ready', flush=True)\n")
    waiting = {text: lab.spawn(*lab.under(sys.executable, "-c", head + script))
               for text, script in scripts.items()}
    for process in waiting.values():
        process.stdout.readline()
    time.sleep(0.3)
    lab.weird.kill()
    lab.weird.wait()
    begun = time.monotonic()
    for text, process in waiting.items():
        ended = until(lambda: process.poll() is not None)
        tap.check(ended, f"weird killed: {text} returns", time.monotonic() - begun)
        lab.stop(process)
    lab.start()
    status, said = lab.run(*lab.under(sys.executable, "-c", head))
    tap.check(status == 0, "a new weird serves", status, said)


TESTS = [test_cases, test_options, test_dns, test_iperf, test_pipes, test_pingpong, test_cleanup,
         test_late, test_private, test_end]


def play_unlimited(lab, tap, only):
    no_limits()
    play_all(TESTS)(lab, tap, only)


def main():
    return run_lab(__doc__, Lab, play_unlimited)


if __name__ == "__main__":
    sys.exit(main())
