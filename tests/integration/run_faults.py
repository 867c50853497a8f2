#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Death, sleep and exhaustion of programs under `weir run`, and of weird itself.

    run_faults.py [--build DIR] [--only NAME] [--soak [SCALE]]

After each test weird has what it had before: no run, no socket, no call that waits, no connection,
no memory of one, and as many descriptors as at first. Needs root and /dev/net/tun.
"""

import argparse
import collections
import ctypes
import errno
import hashlib
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import run_tcp  # noqa: E402
from run_tcp import KERNEL, LIMIT, ROOT, WEIR, Peer, Tap, until  # noqa: E402

PROGRAMS = os.path.join(HERE, "run_fault_programs.py")
CONTROL = struct.Struct("=III")  # magic, version, kind: src/ipc/control.h
MAGIC, VERSION, STATUS = 0x77656972, 3, 2
TOLD = 0.1  # seconds from weird's death to the program's knowledge
HANG = 10.0  # and what a busy machine may make of it
WAYS = 10  # in which that program waits
DEATHS = 3, 12  # at least, and until one of them was told in time
SEEDS = 20
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable  # for any user
AT_ONCE = 10000
SO_ATTACH_FILTER = 26


class Faulty(Peer):
    """A peer that can also pour octets."""

    def __init__(self, family):
        self.may_read = threading.Event()
        super().__init__(family)

    def serve(self, sock):
        line = b""
        try:
            while not line.endswith(b"\n"):
                octet = sock.recv(1)
                if not octet:
                    return
                line += octet
            command, *words = line.decode().split()
            if command == "pour":
                sock.sendall(poured(int(words[0])))
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1)  # of what nobody holds any more the kernel may reset some
            else:
                getattr(self, command)(sock)
        except OSError:
            pass
        finally:
            sock.close()


    def count_late(self, sock):
        """Reads the last quarter of a megabyte when it is told to."""
        self.total = 0
        while octets := sock.recv(65536):
            self.total += len(octets)
            if self.total >= 3 << 18:
                self.may_read.wait(LIMIT)
        self.ended = True


    def hold(self, sock):
        threading.Event().wait()


def poured(count):
    return random.Random(count).randbytes(count)


class Lab(run_tcp.Lab):
    limits = ("tcp_max 16384", "flight_max 16384", "ring_chunks 65536")

    def start(self, *more, files=None):
        """`files`: how many descriptors it may have."""
        ready, told = os.pipe()
        options = [*more] + [word for limit in self.limits for word in ("--limit", limit)]
        self.weird = subprocess.Popen(
            [self.weird_program, "--dev", "tap:wr0", "--addr", WEIR[4] + "/24",
             "--addr", WEIR[6] + "/64", "--socket", self.socket, "--ready-fd", str(told), *options],
            pass_fds=[told], stderr=subprocess.PIPE, preexec_fn=files and (
                lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))))
        os.close(told)
        line = os.read(ready, 100)
        os.close(ready)
        if not line:
            said = self.weird.communicate()[1].decode()
            raise SystemExit(f"Bail out! weird does not start: {said}")

    def status(self):
        """What weird has: (runs, sockets, parked calls, connections, chunks, descriptors)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(self.socket)
            sock.send(CONTROL.pack(MAGIC, VERSION, STATUS))
            counts = struct.unpack("=7I", sock.recv(28))[2:]
        return *counts, self.open_files()

    def faulty(self, *words):
        """Starts one of the programs and waits until it is ready."""
        process = subprocess.Popen(self.under(sys.executable, PROGRAMS, *map(str, words)),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   process_group=0)
        self.children.append(process)
        return process

    def ready(self, *words):
        process = self.faulty(*words)
        line = process.stdout.readline()
        if line != "ready\n":
            raise SystemExit(f"Bail out! {words}: {line!r}")
        return process

    def lines(self, *words, seconds=90):
        """What a program says that runs to its end."""
        process = self.faulty(*words)
        return self.rest(process, seconds)

    def rest(self, process, seconds=90):
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            said += "it hangs\n"
        return said.splitlines()


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    process.stdout.close()
    process.stdin.close()


def check_baseline(lab, tap, before, text):
    after = []

    def same():
        after[:] = [lab.status()]
        return all(a <= b for a, b in zip(after[0], before))
    tap.check(until(same, 30), f"{text}: weird has what it had before", before, *after)


# ---- Death ----

def test_program_killed(lab, tap):
    peer, before, draw = Faulty(4), lab.status(), random.Random(1)
    for seed in range(SEEDS):
        process = lab.ready("churn", KERNEL[4], peer.port)
        time.sleep(draw.random() * 0.15)
        kill_group(process)
    check_baseline(lab, tap, before, f"a busy program killed at {SEEDS} moments")


def deaf():
    """A listener that no SYN reaches: who connects to it waits."""
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    sock = socket.create_server((KERNEL[4], 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HxxxxxxQ", 1, ctypes.addressof(nothing)))
    return sock


def one_death(lab, tap):
    """weird is killed under a program that waits in every way; the time it took to hear of it, and
    the time it took on this machine to hear of another's death, with that in which the keeper stood
    in line for a processor."""
    nobody = deaf()
    process = lab.ready("blocked", *nobody.getsockname())
    holder = int(process.stdout.readline().split()[1])
    until(lambda: lab.status()[2] == 2)  # the accept and the connect that wait for weird
    keeper = keeper_of(lab.weird.pid)
    queued, killed = waited(keeper), time.monotonic()
    lab.weird.kill()
    os.kill(holder, signal.SIGKILL)
    seen = {}
    timer = threading.Timer(HANG * 4, kill_group, [process])
    timer.start()
    while len(seen) < 2 * WAYS and (line := process.stdout.readline()):
        _, when, name, result = line.split()
        seen[name] = (float(when) - killed, result)
    queued = waited(keeper) - queued
    lab.weird.wait()
    want = {"recv": "ECONNRESET", "send": "ECONNRESET EPIPE", "poll": "24", "epoll": "24",
            "child-recv": "ECONNRESET",
            "accept": "ECONNABORTED", "native-accept": "EINVAL", "poll-listener": "16 24",
            "connect": "ECONNABORTED", "poll-connecting": "24"}
    for name, results in want.items():
        tap.check(seen.get(name, (9, "hangs"))[1] in results.split(),
                  f"weird killed: {name} returns {results}", seen.get(name))
    process.stdin.write("\n")
    process.stdin.flush()
    said = [process.stdout.readline().split() for _ in range(4)]
    tap.check(said[0] == ["all", "ECONNRESET"], "200 streams are reset, none ends in order", said)
    tap.check(said[1] == ["so-error", "ECONNRESET"], "SO_ERROR knows it, too", said)
    tap.check(said[2] == ["socket", "ENETDOWN"], "a new socket is refused", said)
    tap.check(said[3] == ["unix", "unix"], "what is not weir's works on", said)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as slow:
        slow.settimeout(HANG)
        slow.connect(lab.socket)
        status, _ = lab.run(*lab.under("true"))
        tap.check(status == 125, "a program cannot join the keeper", status)
        tap.check(refusal(slow) == (MAGIC, errno.ENETDOWN), "who is slow to ask is heard, too")
    lab.weird.stderr.close()
    lab.start()
    process.stdin.write("\n")
    process.stdin.flush()
    said = process.stdout.readline().split()
    tap.check(said == ["again", "new"], "the next weird serves the same program", said)
    timer.cancel()
    kill_group(process)
    holders = [when for name, (when, _) in seen.items() if name.startswith("holder-")]
    return (max(when for name, (when, _) in seen.items() if not name.startswith("holder-")),
            max(holders, default=0) + queued)


def keeper_of(weird):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii") as file:
                comm, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if comm == "weird-keeper" and int(rest.split()[1]) == weird:
            return int(name)
    raise SystemExit("Bail out! weird has no keeper")


def waited(pid):
    """Seconds in which a process was ready to run and no processor was free."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0


def refusal(sock):
    """What the keeper says to one who does not want its programs."""
    try:
        sock.send(CONTROL.pack(MAGIC, VERSION, STATUS))
        return struct.unpack("=II", sock.recv(8))
    except (OSError, struct.error) as error:
        return error


def in_time(times):
    return any(ours - kernels < TOLD for ours, kernels in times)


def test_weird_killed(lab, tap):
    times = []
    while len(times) < DEATHS[0] or (not in_time(times) and len(times) < DEATHS[1]):
        times.append(one_death(lab, tap))
    tap.check(in_time(times) and all(ours < HANG for ours, _ in times),
              f"all is told, within {TOLD} s of what the kernel tells", *times)
    empty = until(lambda: lab.status()[:5] == (0,) * 5, 30)
    tap.check(empty, "and nothing is left of it", *lab.status())


def test_nothing_left(lab, tap):
    """A private weird, and one without anybody."""
    lab.weird.kill()
    lab.weird.wait()
    said = lab.weird.stderr.read().decode()
    tap.check("was killed" in said, "weird's own end is said where it says things", said)
    tap.check(until(lambda: "NO-CARRIER" in device()), "its device is let go", device())
    lab.weird.stderr.close()
    lab.start()
    folders = {name for name in os.listdir("/tmp") if name.startswith("weird-")}
    idle = lab.ready("idle")
    for user in (0, run_tcp.NOBODY):
        check_private(lab, tap, user)
    said = idle.communicate("\n", LIMIT)[0]
    tap.check(said == "EAGAIN EAGAIN\n", "another weird's programs notice nothing", said)
    left = {name for name in os.listdir("/tmp") if name.startswith("weird-")} - folders
    tap.check(not left, "no directory is left in /tmp", *left)


def device():
    said = subprocess.run(["ip", "-o", "link", "show", "dev", "wr0"], check=False,
                          capture_output=True, text=True)
    return said.stdout


def check_private(lab, tap, user):
    script = ("import socket, time\nl = socket.create_server(('127.0.0.1', 0))\n"
              "c = socket.create_connection(l.getsockname()); print('ready', flush=True)\n"
              "try: c.recv(1)\nexcept OSError as e: print(e.strerror)\n")
    os.chmod(lab.folder, 0o755)
    for name in ("weir", "weird"):
        target = os.path.join(lab.folder, name)
        if not os.path.exists(target):
            subprocess.run(["cp", lab.program(name), target], check=True)
    process = subprocess.Popen(
        [os.path.join(lab.folder, "weir"), "run", "--", PYTHON, "-c", script], user=user, group=user,
        extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd="/")
    if process.stdout.readline() != "ready\n":
        tap.check(False, f"a private weird of user {user} serves", process.communicate()[1])
        return
    for pid in weirds_in(process.pid):
        os.kill(pid, signal.SIGKILL)
    said, told = process.communicate(timeout=LIMIT)
    tap.check(said == "Connection reset by peer\n" and process.returncode == 0,
              f"the private weird of user {user} killed: its program hears of it", said)
    tap.check("weird: it was killed" in told, "and so does who looks at the terminal", told)
    tap.check(until(lambda: not weirds_in(process.pid, of=netns)), "and no process is left")


netns = None


def weirds_in(pid, of=None):
    """The weirds that share a network namespace with a process."""
    global netns
    if of is None:
        netns = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm", encoding="ascii") as file:
                comm = file.read().strip()
            if comm == "weird" and os.readlink(f"/proc/{name}/ns/net") == netns or \
                    (of and comm in ("weird-keeper", "weird-companion") and os.readlink(f"/proc/{name}/ns/net") == of):
                found.append(int(name))
        except OSError:
            pass
    return found


# ---- Sleep ----

def test_stopped(lab, tap, seconds):
    peer, before = Faulty(4), lab.status()
    sums = lab.ready("echo_sum", KERNEL[4], peer.port, 20 << 20)
    slow = lab.ready("slow_reader", KERNEL[4], peer.port, 8 << 20)
    time.sleep(0.2)
    lab.weird.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    lab.weird.send_signal(signal.SIGCONT)
    said = lab.rest(sums, 90 + 2 * seconds)
    tap.check(said and said[0].startswith(f"same {20 << 20}"),
              f"weird stopped for {seconds} s: nothing is lost", *said)
    want = f"{8 << 20} {hashlib.sha256(poured(8 << 20)).hexdigest()}"
    said = lab.rest(slow, 90 + 2 * seconds)
    tap.check(said == [want], "nor from a slow reader", said, *resets(lab))
    sums = lab.ready("echo_sum", KERNEL[4], peer.port, 20 << 20)
    time.sleep(0.1)
    os.killpg(sums.pid, signal.SIGSTOP)
    time.sleep(1.5)
    chunks = lab.status()[4]
    tap.check(chunks * 16384 < 16 << 20, "a stopped program holds a window's memory, not more", chunks)
    os.killpg(sums.pid, signal.SIGCONT)
    said = lab.rest(sums)
    tap.check(said and said[0].startswith("same"), "a program stopped: nothing is lost", *said)
    check_baseline(lab, tap, before, "sleep")


# ---- The wire ----

def test_wire(lab, tap):
    """The device's other end is down for a second, and then goes up and down."""
    peer, before = Faulty(4), lab.status()
    sums = lab.ready("echo_sum", KERNEL[4], peer.port, 10 << 20)
    for pause in (1, *[0.1] * 10):
        for way in ("down", "up"):
            subprocess.run(["ip", "link", "set", "wr0", way], check=True)
            time.sleep(pause if way == "down" else 0.1)
    said = lab.rest(sums)
    tap.check(said and said[0].startswith(f"same {10 << 20}"),
              "a wire that is cut and flaps: nothing is lost and nothing reset", *said)
    subprocess.run(["ip", "addr", "replace", KERNEL[6] + "/64", "dev", "wr0", "nodad"], check=True)
    check_baseline(lab, tap, before, "the wire")


def resets(lab):
    """What either end counts of connections that it gave up, and of what it dropped."""
    _, said = lab.run(lab.program("weir"), "nstat", "-as", "--stack", "--socket", lab.socket)
    with open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        names, values = (file.readline().split() for _ in range(2))
    return [*said.decode().splitlines(),
            *(f"kernel: {name} {value}" for name, value in zip(names, values)
              if name.startswith("TCPAbort") and value != "0")]


# ---- Limits ----

DATAGRAMS = """
import errno, socket, threading
def fill():
    held = []
    try:
        while len(held) < 1000:
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    except OSError as error:
        return len(held), errno.errorcode[error.errno]
    return len(held), "no end"
print(*fill())
print(*fill(), flush=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5999))
print("bound", s.fileno(), flush=True)
said = []
def receive():
    try:
        s.recvfrom(10)
    except OSError as error:
        said.append(errno.errorcode[error.errno])
threads = [threading.Thread(target=receive, daemon=True) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(1)
print(*said, flush=True)
input()
"""


def check_datagram_quota(lab, tap):
    restart(lab, "--quota", "udp 50", "--quota", "calls 4")
    process = subprocess.Popen(lab.under(sys.executable, "-c", DATAGRAMS), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    said = [process.stdout.readline().strip() for _ in range(3)]
    tap.check(said[:2] == ["50 ENFILE"] * 2, "datagram sockets have a quota, and come back", said)
    shown = subprocess.run([lab.program("weir"), "ss", "-uanp", "--socket", lab.socket],
                           capture_output=True, text=True, check=False).stdout
    want = f"pid={process.pid},fd={said[2].split()[-1]}"
    tap.check(any("5999" in line and want in line for line in shown.splitlines()),
              "whose they are is shown", want, shown)
    said = process.stdout.readline().strip()
    tap.check(said == "ENOBUFS ENOBUFS", "and so do calls on them that wait", said)
    process.communicate("\n")


def test_limits(lab, tap):
    before = lab.status()
    said = lab.lines("few_descriptors")
    tap.check(said == ["socket EMFILE", "accept EMFILE", "accept EMFILE"] + ["served"] * 8,
              "EMFILE is the program's own, and no connection is lost by it", said)
    check_baseline(lab, tap, before, "EMFILE")
    for text, options, files, most in (("its run's quota", ("--quota", "sockets 100"), None, 100),
                                       ("weird's descriptors", (), 400, 336)):
        restart(lab, *options, files=files)
        before = lab.status()
        said = lab.lines("many_sockets", 1000)
        end = said[0].split() if said else ["nothing"]
        tap.check(end[0] == "ENFILE" and int(end[1]) <= most and said[1:] == ["well"],
                  f"ENFILE at {text}, and then all is well", said)
        check_baseline(lab, tap, before, text)
    check_datagram_quota(lab, tap)
    restart(lab)


def test_no_room(lab, tap):
    """As many connections as there may be have all of the memory; they end all the same."""
    usual, lab.limits = lab.limits, ("tcp_max 256", "flight_max 256", "ring_chunks 1024")
    restart(lab)
    before = lab.status()
    with socket.create_server((KERNEL[4], 9404), backlog=256) as listener:
        listener.settimeout(LIMIT)
        said = lab.lines("connect_all", KERNEL[4], 9404, 256)
        tap.check(said == ["connected 256 waiting 0"], "256 connections take all memory", said)
        for _ in range(256):
            listener.accept()[0].close()
        check_baseline(lab, tap, before, "no room")
    lab.limits = usual
    restart(lab)


def restart(lab, *options, files=None):
    lab.weird.terminate()
    lab.weird.wait(LIMIT)
    lab.weird.stderr.close()
    lab.start(*options, files=files)


def test_told_to_end(lab, tap):
    peer = Faulty(4)
    process = lab.ready("last_words", KERNEL[4], peer.port)
    lab.weird.terminate()
    peer.may_read.set()
    status = lab.weird.wait(LIMIT)
    tap.check(status == 0, "SIGTERM: weird ends by itself", status, lab.weird.stderr.read())
    tap.check(until(lambda: getattr(peer, "ended", False)) and peer.total == 1 << 20,
              "what was written is sent first, and then the end", vars(peer))
    said = process.stdout.readline()
    tap.check(said == "quiet ECONNRESET\n", "a stream that its peer did not end is reset", said)
    lab.weird.stderr.close()
    lab.start()
    said = process.communicate("\n", LIMIT)[0]
    tap.check(said == "again new\n", "the next weird has the program", said)


# ---- The companion ----

def companion_of(lab):
    with open(f"/proc/{lab.weird.pid}/task/{lab.weird.pid}/children", encoding="ascii") as file:
        for pid in map(int, file.read().split()):
            with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                if comm.read() == "weird-companion\n":
                    return pid
    return 0


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def rests(pid):
    before = cpu_ns(pid)
    time.sleep(0.2)
    return cpu_ns(pid) == before


def test_companion(lab, tap):
    """It is awake while sockets are made, and only then; and it dies with weird."""
    two = len(os.sched_getaffinity(0)) == 2
    tap.check(until(lambda: companion_of(lab)) if two else not companion_of(lab),
              "there is a companion on two CPUs, and else none")
    pid = companion_of(lab)
    if pid == 0:
        tap.skip("what a companion does: it takes two CPUs")
        return
    tap.check(os.getpriority(os.PRIO_PROCESS, pid) == 19, "it gives way to everybody")
    tap.check(until(lambda: rests(pid)), "it sleeps while nobody asks for sockets")
    before = cpu_ns(pid)
    maker = lab.ready("sockets")
    tap.check(until(lambda: cpu_ns(pid) > before), "sockets wake it", cpu_ns(pid))
    maker.communicate("\n", LIMIT)
    tap.check(until(lambda: rests(pid)), "and then it sleeps again")
    lab.weird.kill()
    lab.weird.wait()
    tap.check(until(lambda: not os.path.exists(f"/proc/{pid}/schedstat")), "it dies with weird")
    lab.weird.stderr.close()
    lab.start()


# ---- What a shell sees ----

def test_shell(lab, tap):
    process = lab.ready("stopped")
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGTSTP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    tap.check(os.WIFSTOPPED(status), "Ctrl-Z stops the program, and its parent sees it", status)
    sock = socket.create_connection((WEIR[4], 9501), LIMIT)
    sock.sendall(b"after")
    os.kill(process.pid, signal.SIGCONT)
    said = process.stdout.readline().split()
    tap.check(said[2:] == ["accept", "b'after'"], "and its accept goes on when it does", said)
    kill_group(process)
    setuid = os.path.join(lab.folder, "setuid")
    subprocess.run(["cp", "/bin/true", setuid], check=True)
    os.chown(setuid, run_tcp.NOBODY, run_tcp.NOBODY)
    for mode, word in ((0o4755, "setuid"), (0o2755, "setgid")):
        os.chmod(setuid, mode)
        status, said = lab.run(*lab.under(setuid))
        tap.check(status == 126 and b"is " + word.encode() in said, f"a {word} program is refused",
                  status, said)
    os.chmod(setuid, 0o755)
    status, said = lab.run(*lab.under(setuid))
    tap.check(status == 0, "and is not when it is none", status, said)


# ---- Several at one socket ----

def talk_shared(lab, tap, port, how, count):
    process = lab.ready("prefork", port, count, how)
    good = 0
    for _ in range(count):
        with socket.create_connection((WEIR[4], port), LIMIT) as sock:
            sock.sendall(b"hello")
            good += sock.recv(9) == b"hello"
    said = process.stdout.readline()
    tap.check(good == count and said == f"served {count}\n",
              f"4 processes ({how}) serve {count} connections, each once", good, said)
    kill_group(process)


def test_shared(lab, tap):
    before = lab.status()
    for port, how in ((9301, "block"), (9302, "epoll"), (9303, "one")):
        talk_shared(lab, tap, port, how, 200)
    for name in ("forked", "passed", "close_under_reader"):
        on_linux = lab.run(sys.executable, PROGRAMS, name)[1].decode()
        on_weir = "\n".join(lab.lines(name)) + "\n"
        tap.check(on_linux == on_weir and on_linux.count("\n") > 0, f"{name} is as on Linux",
                  on_linux, on_weir)
    check_baseline(lab, tap, before, "shared sockets")


# ---- Many ----

def test_ping_pong(lab, tap, count):
    peer, before = Faulty(4), lab.status()
    for how in ("level", "edge"):
        process = lab.ready("ping_pong", KERNEL[4], peer.port, count // 2, how)
        said = lab.rest(process, 60 + count // 1000)
        tap.check(said == ["done"], f"{count // 2:,} round trips ({how}), no wake-up lost", said)
    check_baseline(lab, tap, before, "ping-pong")


def room(count):
    """Connections that descriptors are left for: two each, where the limit cannot be raised."""
    return min(count, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // 2)


def test_many(lab, tap, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = lab.status()
    listener = socket.create_server((KERNEL[4], 9401), backlog=4096)
    threading.Thread(target=take_all, args=(listener, count), daemon=True).start()
    said = lab.lines("connect_all", KERNEL[4], 9401, count, seconds=120 + count // 500)
    tap.check(said == [f"connected {count} waiting 0"],
              f"{count:,} connects, {room(count):,} of them at once", said)
    listener.close()
    count = room(count)
    process = lab.ready("accept_all", 9402, count)
    socks = [socket.create_connection((WEIR[4], 9402), 30) for _ in range(count)]
    said = lab.rest(process, 60)
    tap.check(said == [f"accepted {count}"], f"{count:,} connections accepted and held", said)
    for sock in socks:
        sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    check_baseline(lab, tap, before, "many connections")


def take_all(listener, count):
    held = collections.deque(maxlen=room(count))  # whoever leaves it is closed
    for _ in range(count):
        held.append(listener.accept()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only")
    parser.add_argument("--soak", type=float, nargs="?", const=1.0, default=0.0, metavar="SCALE",
                        help="more and longer: ten times as much, or SCALE of that")
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        tap.skip("needs root and /dev/net/tun, to make a network namespace with a TAP")
        return tap.done()
    more = max(1, 10 * options.soak)
    tests = [test_program_killed, test_weird_killed, test_nothing_left,
             lambda lab, tap: test_stopped(lab, tap, max(5, 120 * options.soak)), test_wire, test_limits, test_no_room,
             test_told_to_end, test_companion, test_shell, test_shared, lambda lab, tap: test_ping_pong(lab, tap, round(more * 100000)),
             lambda lab, tap: test_many(lab, tap, round(more * AT_ONCE))]
    names = ["program_killed", "weird_killed", "nothing_left", "stopped", "wire", "limits", "no_room", "told_to_end", "companion", "shell", "shared",
             "ping_pong", "many"]
    lab = Lab(os.path.abspath(options.build))
    try:
        for name, test in zip(names, tests):
            if options.only in (None, name):
                test(lab, tap)
    finally:
        lab.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
