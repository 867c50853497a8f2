#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands and weird on AF_XDP, against the kernel at the other end of a veth pair.

    run_xdp.py [--build DIR]

Needs root, and a kernel that allows it; says so and skips otherwise. Everything lives in a network
namespace of this run. What the wire itself does is in run.py (plain_xdp, fragments_xdp).
"""

import argparse
import filecmp
import functools
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from tap import Tap  # noqa: E402

KERNEL, WEIR = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}
HOST = ["--addr", WEIR[4] + "/24", "--addr", WEIR[6] + "/64", "--no-dad"]
LIMIT = 60  # seconds; for what hangs, on a machine that may be very busy
OCTETS = 2 << 20  # fewer frames than the ring holds, so that none is ever missed
TOOLS = ("ip", "ethtool", "unshare", "setpriv")
NOBODY = "65534"


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def sh(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def url(address, port, path=""):
    return f"http://{f'[{address}]' if ':' in address else address}:{port}/{path}"


def said(command):
    """Runs it to its end; (status, standard output, standard error)."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=LIMIT, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Lab:
    def __init__(self, build, folder, tap):
        self.folder, self.tap = folder, tap
        self.weir, self.weird = (os.path.join(build, name) for name in ("weir", "weird"))
        self.data = os.path.join(folder, "data")
        with open(self.data, "wb") as file:
            file.write(os.urandom(OCTETS))
        for words in (("link", "set", "lo", "up"),
                      ("link", "add", "xk", "type", "veth", "peer", "name", "xw"),
                      ("address", "add", KERNEL[4] + "/24", "dev", "xk"),
                      ("address", "add", KERNEL[6] + "/64", "dev", "xk", "nodad"),
                      ("link", "set", "xk", "up")):
            sh("ip", *words)
        sh("ethtool", "-K", "xk", "tx", "off")
        handler = functools.partial(Quiet, directory=folder)
        self.server = Server(("::", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *command):
        """A program that goes on; it has begun when it has said something."""
        with open(self.path(name), "wb") as out, open(self.path(name + ".err"), "wb") as err:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        return child

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, child, number=signal.SIGTERM):
        child.send_signal(number)
        return child.wait(LIMIT)

    def same(self, name, what):
        path = self.path(name)
        good = os.path.exists(path) and filecmp.cmp(path, self.data, shallow=False)
        self.tap.check(good, what)


def missing(lab):
    """Why the kernel allows no AF_XDP here, or None."""
    status, _, why = said([lab.weir, "ping", "--dev", "xdp:xw", *HOST, "-c", "1", KERNEL[4]])
    words = ("needs CAP_", "has no AF_XDP")
    return why if status != 0 and any(word in why for word in words) else None


def fetches(lab):
    for family in (4, 6):
        status, out, why = said([lab.weir, "ping", "--dev", "xdp:xw", *HOST, "-c", "2", "-i", "0.2",
                                 KERNEL[family]])
        lab.tap.check(status == 0 and b" 0% packet loss" in out, f"ping, IPv{family}", why, out.decode())
        got = f"got{family}"
        status, _, why = said([lab.weir, "get", "--dev", "xdp:xw:0", *HOST, "--stats", "--output",
                               lab.path(got), url(KERNEL[family], lab.port, "data")])
        lab.tap.check(status == 0 and " 0 lost, 0 refused, 0 missed" in why,
                      f"get, IPv{family}: no frame is lost", why)
        lab.same(got, f"get, IPv{family}: the same octets")


def curl(lab, address, port, path):
    return said(["curl", "-sS", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "-m",
                 str(LIMIT - 10), "-o", lab.path(path), url(address, port, "data")])


def serves(lab):
    child = lab.start("serve", lab.weir, "serve", lab.folder, "--dev", "xdp:xw,generic", *HOST)
    lab.tap.check(until(lambda: "serving" in lab.text("serve")), "serve begins", lab.text("serve.err"))
    for family in (4, 6):
        status, _, why = curl(lab, WEIR[family], 80, f"curl{family}")
        lab.tap.check(status == 0, f"curl, IPv{family}", why)
        lab.same(f"curl{family}", f"curl, IPv{family}: the same octets")
    lab.stop(child)


def weird(lab, socket_path, name):
    child = lab.start(name, lab.weird, "--dev", "xdp:xw", *HOST[:4], "--socket", socket_path)
    began = until(lambda: child.poll() is not None or os.path.exists(socket_path))
    lab.tap.check(began and child.poll() is None, f"{name} begins", lab.text(name + ".err"))
    return child


def programs(lab):
    socket_path = lab.path("socket")
    child = weird(lab, socket_path, "weird")
    for family in (4, 6):
        got = f"run{family}"
        status, _, why = said([lab.weir, "run", "--socket", socket_path, "curl", "-sS", "-m",
                               str(LIMIT - 10), "-o", lab.path(got),
                               url(KERNEL[family], lab.port, "data")])
        lab.tap.check(status == 0, f"weir run curl, IPv{family}", why, lab.text("weird.err"))
        lab.same(got, f"weir run curl, IPv{family}: the same octets")
    lab.stop(child, signal.SIGKILL)
    until(lambda: not os.path.exists(socket_path) or os.unlink(socket_path))
    child = weird(lab, socket_path, "again")
    status, _, why = said([lab.weir, "run", "--socket", socket_path, "curl", "-sS", "-m",
                           str(LIMIT - 10), "-o", lab.path("run"), url(KERNEL[4], lab.port, "data")])
    lab.tap.check(status == 0, "after a weird that was killed", why, lab.text("again.err"))
    lab.tap.check(lab.stop(child) == 0, "it ends well", lab.text("again.err"))


def refusals(lab):
    ping = [lab.weir, "ping", *HOST, "-c", "1", KERNEL[4], "--dev"]
    status, _, why = said(ping + ["xdp:nosuchif0"])
    lab.tap.check(status == 1 and "nosuchif0" in why and "No such device" in why,
                  "no such interface", f"{status}: {why}")
    status, _, why = said(ping + ["xdp:xw,plain"])
    lab.tap.check(status == 2 and "xdp:xw,plain" in why, "no such option", f"{status}: {why}")
    status, _, why = said(["setpriv", "--reuid", NOBODY, "--clear-groups", *ping, "xdp:xw"])
    lab.tap.check(status == 1 and "needs CAP_NET_RAW" in why, "no right to it", f"{status}: {why}")
    status, _, why = said(["setpriv", "--bounding-set", "-bpf,-sys_admin", *ping, "xdp:xw"])
    lab.tap.check(status == 1 and "needs CAP_NET_ADMIN and CAP_BPF" in why,
                  "no right to a program", f"{status}: {why}")
    child = lab.start("first", lab.weir, "serve", lab.folder, "--dev", "xdp:xw", *HOST)
    until(lambda: "serving" in lab.text("first"))
    status, _, why = said(ping + ["xdp:xw"])
    lab.tap.check(status == 1 and "another program has queue 0" in why, "a queue that is taken",
                  f"{status}: {why}")
    lab.stop(child)


def open_sums(lab):
    """A peer that leaves checksums to its device is told of, and not believed."""
    sh("ethtool", "-K", "xk", "tx", "on")
    child = lab.start("open", lab.weir, "serve", lab.folder, "--dev", "xdp:xw", "--stats", *HOST)
    until(lambda: "serving" in lab.text("open"))
    with socket.socket() as client:
        client.settimeout(3)
        try:
            client.connect((WEIR[4], 80))
            connected = True
        except OSError:
            connected = False
    lab.tap.check(until(lambda: "ethtool -K IF tx off" in lab.text("open.err")),
                  "open checksums: a line says what to do", lab.text("open.err"))
    lab.stop(child)
    lab.tap.check(not connected and "dropped: tcp: checksum" in lab.text("open.err"),
                  "and what comes is dropped", lab.text("open.err"))
    sh("ethtool", "-K", "xk", "tx", "off")


def inside(build):
    tap = Tap()
    folder = tempfile.mkdtemp(prefix="weir-xdp-")
    try:
        lab = Lab(build, folder, tap)
        why = missing(lab)
        if why is not None:
            print(f"1..0 # SKIP {why}")
            return 0
        for part in (fetches, serves, programs, refusals, open_sums):
            part(lab)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


def main():
    parser = argparse.ArgumentParser(description="weir on AF_XDP")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        return inside(os.path.abspath(args.build))
    lacking = [tool for tool in TOOLS + ("curl",) if shutil.which(tool) is None]
    if os.geteuid() != 0 or lacking:
        print(f"1..0 # SKIP needs root, and the programs {' '.join(TOOLS)} and curl")
        return 0
    # Whatever runs in these dies with unshare, which dies with us.
    return subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork",
         "--kill-child", "--mount-proc", sys.executable, os.path.abspath(__file__), "--inside",
         "--build", args.build], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
