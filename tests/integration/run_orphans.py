#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing of a private weird outlives its run: whoever is killed, and when.

    tests/integration/run_orphans.py [--build BUILD]

Needs root, who can see whose processes are whose; says so and skips otherwise.
"""

import argparse
import errno
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from tap import Tap  # noqa: E402

LIMIT = 30  # seconds for any step, of which each takes a moment
MARK = f"WEIR_ORPHANS_{os.getpid()}"
KILLED = 12  # runs that are killed as they start
STEP = 0.006

# A program with sockets that says when it has them.
BUSY = """
import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))
print("there", flush=True)
time.sleep(600)
"""

# Fills what is its standard error to the last octet.
FULL = """
import os, socket, sys, time
s = socket.socket()
os.set_blocking(2, False)
for size in 65536, 1:
    try:
        while True: os.write(2, b"x" * size)
    except BlockingIOError: pass
os.set_blocking(2, True)
print("there", flush=True)
try:
    while True: socket.socket().close()
except OSError as error:
    print(error.errno, flush=True)
time.sleep(600)
"""

DAEMON = """
import os, socket, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
s = socket.create_server(("127.0.0.1", 0))
print(os.getpid(), flush=True)
os.close(1)
s.accept()
"""


def marked(tag):
    """{process id: name} of what was started with the mark; the dead who wait for their parents
    have none."""
    wanted = f"{MARK}={tag}".encode()
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        found[int(pid)] = comm.read().strip()
        except OSError:
            pass
    return found


def gone(tag):
    end = time.monotonic() + LIMIT
    while marked(tag) and time.monotonic() < end:
        time.sleep(0.02)
    return marked(tag)


class Lab:
    def __init__(self, build, tap):
        self.build, self.tap, self.tags = build, tap, []

    def spawn(self, tag, *command, **more):
        self.tags.append(tag)
        more.setdefault("stdout", subprocess.DEVNULL)
        more.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.Popen(command, env={**os.environ, MARK: tag}, stdin=subprocess.DEVNULL, **more)

    def run(self, tag, script, **more):
        return self.spawn(tag, f"{self.build}/weir", "run", "--", sys.executable, "-c", script, **more)

    def check_gone(self, tag, what):
        left = gone(tag)
        self.tap.check(not left, what, left)

    def close(self):
        for tag in self.tags:
            for pid in marked(tag):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass


def check_start(lab):
    """Killed at any moment of its start, and a little later."""
    for i in range(KILLED):
        run = lab.run(f"start{i}", BUSY)
        time.sleep(i * STEP)
        run.kill()
        run.wait(LIMIT)
    for i in range(KILLED):
        lab.check_gone(f"start{i}", f"killed {i * STEP * 1000:.0f} ms after its start")


def check_killed(lab, name, *victims):
    """Those of a run that is well under way, one after the other, and the program last."""
    run = lab.run(name, BUSY, stdout=subprocess.PIPE)
    lab.tap.check(run.stdout.readline() == b"there\n", f"{name}: the program runs")
    for victim in victims:
        for pid in [pid for pid, comm in marked(name).items() if comm == victim]:
            os.kill(pid, signal.SIGKILL)
    run.kill()
    run.wait(LIMIT)
    run.stdout.close()
    lab.check_gone(name, f"{name}: killed, and then the program: nothing is left")


def check_full(lab):
    """Where weird's death is told nobody reads: the keeper ends all the same."""
    heard, told = os.pipe()
    run = lab.run("full", FULL, stdout=subprocess.PIPE, stderr=told)
    os.close(told)
    lab.tap.check(run.stdout.readline() == b"there\n", "a program fills its standard error")
    for pid in [pid for pid, comm in marked("full").items() if comm == "weird"]:
        os.kill(pid, signal.SIGKILL)
    said = run.stdout.readline() if select.select([run.stdout], [], [], LIMIT)[0] else b""
    lab.tap.check(said == b"%d\n" % errno.ENETDOWN, "weird is killed: the program is told, whoever reads", said)
    run.kill()
    run.wait(LIMIT)
    run.stdout.close()
    lab.check_gone("full", "and then the program: nobody waits for a reader")
    os.close(heard)


def check_refused(lab):
    """A private weird whose one run is none."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ready, told = os.pipe()
    lab.spawn("refused", "unshare", "-n", f"{lab.build}/weird", "--dev", "tap:orphans0", "--addr", "192.0.2.2/24",
              "--control-fd", str(its.fileno()), "--ready-fd", str(told),
              pass_fds=[its.fileno(), told])
    its.close()
    os.close(told)
    with os.fdopen(ready) as pipe:
        lab.tap.check(pipe.read() == "READY=1\n", "a weird waits for its run")
    ours.sendall(b"what is not a request")
    lab.check_gone("refused", "what is not one ends it")
    ours.close()


def check_daemon(lab):
    """What a program leaves behind keeps its network, as long as it lives."""
    run = lab.run("daemon", DAEMON, stdout=subprocess.PIPE)
    pid = int(run.stdout.readline())
    run.stdout.close()
    lab.tap.check(run.wait(LIMIT) == 0 and "weird" in marked("daemon").values(),
                  "a daemon has its weird after the run")
    os.kill(pid, signal.SIGKILL)
    lab.check_gone("daemon", "and takes it along")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or not shutil.which("unshare"):
        tap.skip("needs root, /dev/net/tun and unshare")
        return tap.done()
    lab = Lab(os.path.abspath(options.build), tap)
    try:
        check_start(lab)
        check_killed(lab, "weird", "weird")
        check_killed(lab, "keeper", "weird-keeper")
        check_killed(lab, "both", "weird-keeper", "weird")
        check_full(lab)
        check_refused(lab)
        check_daemon(lab)
    finally:
        lab.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
