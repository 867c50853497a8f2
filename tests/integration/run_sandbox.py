#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weird as it runs: what it has given up, who may join it, and that it serves all the same.

    tests/integration/run_sandbox.py [BUILD]

Needs root, for a user to change to and a network namespace; says so and skips otherwise.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from tap import Tap  # noqa: E402

NOBODY = 65534
STRANGER = 65533
CAP_SYS_PTRACE = 1 << 19
LIMIT = 20  # seconds for any step

ECHO = """
import socket, threading
s = socket.create_server(("127.0.0.1", 0))
def serve():
    c = s.accept()[0]
    while d := c.recv(65536): c.sendall(d)
    c.close()
threading.Thread(target=serve, daemon=True).start()
c = socket.create_connection(s.getsockname())
c.sendall(b"x" * 100000); c.shutdown(socket.SHUT_WR)
n = 0
while d := c.recv(65536): n += len(d)
assert n == 100000, n
"""


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


class Daemon:
    """One weird in this namespace, until `end`."""

    def __init__(self, build, folder, *options):
        self.socket = os.path.join(folder, "net", "socket")
        self.conf = os.path.join(folder, "weird.conf")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("# for a test\ndev tap:sandbox0\naddr 192.0.2.2/24\ngateway 192.0.2.1\n"
                       "sysctl net.ipv4.tcp_fin_timeout = 5\nlimit tcp_max 512\n"
                       f"socket {self.socket}\n")
        ready, told = os.pipe()
        self.child = subprocess.Popen(
            [f"{build}/weird", "--conf", self.conf, "--ready-fd", str(told), *options],
            pass_fds=[told], stderr=subprocess.PIPE)
        os.close(told)
        with os.fdopen(ready) as pipe:
            self.ready = pipe.read()

        self.folder = os.path.dirname(self.socket)

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(LIMIT)


def join(build, daemon, *program, uid=0):
    """Runs a program under `weir run`; its exit status."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
    done = subprocess.run([*become, f"{build}/weir", "run", "--socket", daemon.socket, "--", *program],
                          stderr=subprocess.DEVNULL, timeout=LIMIT, check=False)
    return done.returncode


def check_given_up(tap, daemon):
    told, pid = status(daemon.child.pid), daemon.child.pid
    tap.check(int(told["CapEff"], 16) == CAP_SYS_PTRACE, "one capability is left", told["CapEff"])
    tap.check(int(told["CapPrm"], 16) | int(told["CapBnd"], 16) == CAP_SYS_PTRACE,
              "and no other can be had")
    tap.check(told["Seccomp"] == "2" and told["NoNewPrivs"] == "1", "a filter is on")
    tap.check(os.listdir(f"/proc/{pid}/root") == ["proc"], "its file system is empty")
    tap.check(os.readlink(f"/proc/{pid}/cwd") == "/", "and it stands nowhere else")


SEND = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(50):
    s.sendto(b"x" * 1000, ("192.0.2.1", 9)); time.sleep(0.01)
"""


def check_full_disk(tap, build, folder):
    daemon = Daemon(build, folder, "--pcap", "/dev/full")
    tap.check(join(build, daemon, sys.executable, "-c", SEND) == 0, "a capture has no room")
    tap.check(join(build, daemon, sys.executable, "-c", ECHO) == 0, "programs are served on")
    tap.check(daemon.end() == 0, "and weird ends in order")
    said = daemon.child.stderr.read().decode()
    tap.check(said.count("capture /dev/full") == 1, "it said so once", said)
    shutil.rmtree(daemon.folder)


def check_all(tap, build, folder):
    check_full_disk(tap, build, folder)
    for options, uid in (((), 0), (("--user", "nobody"), NOBODY)):
        daemon = Daemon(build, folder, *options)
        if not tap.check(daemon.ready == "READY=1\n", f"weird starts as user {uid}"):
            continue
        check_given_up(tap, daemon)
        tap.check(status(daemon.child.pid)["Uid"].split() == [str(uid)] * 4, f"it is user {uid}")
        tap.check(join(build, daemon, sys.executable, "-c", ECHO) == 0, "a program is served")
        held = [os.stat(path) for path in (daemon.socket, os.path.dirname(daemon.socket))]
        tap.check([(s.st_uid, s.st_mode & 0o777) for s in held] == [(uid, 0o660), (uid, 0o750)],
                  "the socket and its directory are its own, and its group's", held)
        tap.check(uid == 0 or join(build, daemon, "true", uid=uid) == 0, "its own user may join")
        tap.check(join(build, daemon, "true", uid=STRANGER) == 125, "a stranger may not join")
        os.chmod(os.path.dirname(daemon.socket), 0o755)
        os.chmod(daemon.socket, 0o666)
        tap.check(join(build, daemon, "true", uid=STRANGER) == 125, "even if the modes let him in")
        os.chmod(os.path.dirname(daemon.socket), 0o750)
        tap.check(daemon.end() == 0, "it ends in order")
        shutil.rmtree(daemon.folder)  # the next one makes it anew


def check_refused(tap, build, folder):
    path = os.path.join(folder, "bad.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("dev tap:x\n\naddr 192.0.2.2\n")
    done = subprocess.run([f"{build}/weird", "--conf", path], capture_output=True, text=True,
                          timeout=LIMIT, check=False)
    tap.check(done.returncode == 2 and f"{path}:3: addr:" in done.stderr,
              "a mistake in the file is named by its line", done.stderr)
    done = subprocess.run([f"{build}/weird", "--conf", path, "--user", "no-such-user"],
                          capture_output=True, text=True, timeout=LIMIT, check=False)
    tap.check(done.returncode != 0, "and so is one before a flag")


def main():
    tap = Tap()
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build"))
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or not shutil.which("unshare"):
        tap.skip("needs root, /dev/net/tun and unshare")
        return tap.done()
    if "--inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "--net", sys.executable, __file__, build, "--inside"])
    with tempfile.TemporaryDirectory(prefix="weir-sandbox-") as folder:
        os.chmod(folder, 0o755)
        check_refused(tap, build, folder)
        check_all(tap, build, folder)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
