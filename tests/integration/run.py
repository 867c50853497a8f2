#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weir against the Linux kernel, in network namespaces of its own; prints TAP.

    tests/integration/run.py [--build DIR] [--only REGEX] [--control] [--keep DIR]

--control puts a second kernel where weir would be: what fails there too is the test's fault.
--keep leaves captures and messages in DIR. Runs as root, or in a user namespace of its own.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import cases
from lab import ROOT, Lab, Link, Trouble, run, until

DATA_OCTETS = 52 << 20
TOOLS = ("ip", "ss", "ethtool", "nsenter", "unshare", "mount")
# A sum of 0xFFFF for 0 is right, and what the kernel writes when it completes one.
BAD_PACKETS = (
    '_ws.malformed || (_ws.expert.severity == "Error" && !(tcp.checksum == 0xffff)) || '
    'ip.checksum.status == "Bad" || '
    '(tcp.checksum.status == "Bad" && !(tcp.checksum == 0xffff)) || '
    'udp.checksum.status == "Bad" || icmp.checksum.status == "Bad" || '
    'icmpv6.checksum.status == "Bad"')
# Whoever else claims a port would read the octets of a test as its own.
PROTOCOLS = ("eth", "arp", "ip", "ipv6", "ipv6.fraghdr", "icmp", "icmpv6", "udp", "tcp")
CHECKSUMS = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")
SHOWN_MAX = 10
NO_XDP = "needs CAP_NET_ADMIN and CAP_BPF"
FOLDER = "weir-netns-"  # and the process, in the folder for temporary files
PCAP_HEADER = 24  # octets of a capture without packets


class Tap:
    def __init__(self):
        self.run = self.failed = 0
        self.lock = threading.Lock()

    def check(self, holds, text, *details):
        with self.lock:
            self.run += 1
            self.failed += not holds
            print(f"{'ok' if holds else 'not ok'} {self.run} - {text}")
            for line in () if holds else details:
                print(f"# {line}")
            sys.stdout.flush()

    def skip(self, text):
        with self.lock:
            self.run += 1
            print(f"ok {self.run} # SKIP {text}", flush=True)

    def done(self):
        print(f"1..{self.run}", flush=True)
        return 1 if self.failed or not self.run else 0


class Variant:
    """A case with its family and role."""

    def __init__(self, entry, family, role):
        self.case, self.family, self.role = entry, family, role
        self.name = f"{entry['function'].__name__}/{role}/v{family}"


def variants(only):
    every = [Variant(entry, family, role) for entry in cases.CASES
             for role in entry["roles"] for family in (4, 6)]
    return [v for v in every if only is None or re.search(only, v.name)]


def arguments():
    parser = argparse.ArgumentParser(description="weir against the Linux kernel")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory")
    parser.add_argument("--only", metavar="REGEX", help="the cases whose name matches")
    parser.add_argument("--control", action="store_true", help="kernel against kernel")
    parser.add_argument("--keep", metavar="DIR", help="keep captures and messages there")
    parser.add_argument("--weir-pcap", action="store_true", help="with --keep: weir's own captures")
    parser.add_argument("--jobs", type=int, default=24, help="cases at once")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- Outside: into namespaces ----

def missing():
    """Why there can be no run here, or None."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"the program {tool} is missing"
    said = subprocess.run(unshare() + ["true"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if said.returncode != 0:
        return "no namespaces for this user: " + " ".join(said.stdout.split())
    return None


def unshare():
    """Whatever runs in these dies with unshare, which dies with us."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork",
               "--kill-child", "--mount-proc"]
    return command + ([] if os.geteuid() == 0 else ["--map-root-user"])


class Stopped(Exception):
    """A signal says that it is enough."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


def stop(number, _):
    raise Stopped(number)


def sweep():
    """Removes the folders of runs that were killed."""
    for name in os.listdir(tempfile.gettempdir()):
        match = re.fullmatch(re.escape(FOLDER) + r"(\d+)-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def outside(args):
    why = missing()
    if why is not None:
        print(f"1..0 # SKIP {why}")
        return 0
    for name in ("weir-relay",) if args.control else ("weir-relay", "weir-peer"):
        if not os.path.exists(os.path.join(args.build, "tests/integration", name)):
            print(f"Bail out! {name} is not built in {args.build}")
            return 1
    sweep()
    folder = args.keep or tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    child = subprocess.Popen(unshare() + [sys.executable, os.path.abspath(__file__), "--inside",
                                          os.path.abspath(folder), *sys.argv[1:]])
    try:
        status = child.wait()
    except Stopped as stopped:
        child.kill()
        child.wait()
        status = stopped.status
    if not args.keep:
        # Those who wrote to it may yet be ending.
        until(lambda: shutil.rmtree(folder, ignore_errors=True) or not os.path.exists(folder))
    return status if status >= 0 else 1


# ---- Inside ----

def skip_reason(variant, lab):
    if lab.control:
        return None
    if variant.case["kind"].startswith("tap") and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun cannot be opened"
    return None


def after(run_of, lab):
    """What must hold on every link, whatever happened on it."""
    changes = run_of.kernel.changes()
    bad = {name: n for name, n in changes.items()
           if re.search(r"InCsumErrors|IpInHdrErrors|Ip6InHdrErrors", name)}
    # A SYN-ACK that comes again, since the ACK was lost, counts as an error, too.
    if changes.get("TcpInErrs", 0) > changes.get("TcpExtTCPSYNChallenge", 0):
        bad["TcpInErrs"] = changes["TcpInErrs"]
    run_of.check(not bad, "kernel: no segment was malformed or had a bad sum", bad)
    if lab.control:
        return
    drops = run_of.weir.fields("counters")
    wrong = {name: n for name, n in drops.items()
             if re.search(r"csum|_bad$|malformed|^eth_short|driver", name)}
    run_of.check(not wrong, "weir: no frame was malformed or had a bad sum", wrong)


def run_variant(variant, lab, tap):
    reason = skip_reason(variant, lab)
    if reason is not None:
        tap.skip(f"{variant.name}: {reason}")
        return
    link, began, this = None, time.monotonic(), None
    try:
        link = Link(lab, variant.case["kind"], variant.case["mtu"], variant.case["verify"])
        this = cases.Run(variant.name, link, variant.family, variant.role)
        variant.case["function"](this)
        after(this, lab)
        trouble = None
    except Trouble as error:
        if NO_XDP in str(error):  # root in a user namespace has no right to it
            tap.skip(f"{variant.name}: {NO_XDP}")
            return
        trouble = str(error)
    except Exception:  # the others go on
        trouble = traceback.format_exc()
    results = list(this.results) if this is not None else []
    if trouble is not None:
        words = "\n" + this.last_words() if this is not None else ""
        results.append((False, f"{variant.name}: goes through", trouble + words))
    for complaint in link.close() if link is not None else []:
        results.append((False, f"{variant.name}: ends well", complaint))
    for text in this.skipped if this is not None else []:
        tap.skip(text)
    hint = f"again: tests/integration/run.py --only '^{variant.name}' --keep /tmp/weir-netns"
    for holds, text, detail in results:
        tap.check(holds, text, *detail.splitlines()[:SHOWN_MAX], hint)
    print(f"# {variant.name}: {time.monotonic() - began:.1f} s, link "
          f"{link.number if link is not None else '?'}", flush=True)


def quiet_profile(folder):
    """Settings for tshark that leave it the protocols of PROTOCOLS alone."""
    said = subprocess.run(["tshark", "-G", "protocols"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    names = [line.split("\t")[2] for line in said.stdout.splitlines() if line.count("\t") >= 2]
    profile = os.path.join(folder, "tshark")
    os.makedirs(profile, exist_ok=True)
    with open(os.path.join(profile, "disabled_protos"), "w", encoding="ascii") as file:
        file.writelines(f"{name}\n" for name in names if name not in PROTOCOLS)
    return {**os.environ, "WIRESHARK_CONFIG_DIR": profile}


def tshark(env, merged, shown, *more):
    options = [word for name in CHECKSUMS for word in ("-o", f"{name}:TRUE")]
    return subprocess.run(["tshark", "-n", "-r", merged, *options, "-Y", shown, *more], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def check_captures(lab, tap):
    """One tshark over everything that was recorded."""
    if not all(map(shutil.which, ("dumpcap", "mergecap", "tshark"))):
        tap.skip("captures: tshark is missing, or not for this user")
        return
    if not lab.captures:
        return
    empty = [path for path in lab.captures if os.path.getsize(path) <= PCAP_HEADER]
    tap.check(not empty, f"all {len(lab.captures)} captures have packets", *empty)
    merged = os.path.join(lab.folder, "all.pcapng")
    run("mergecap", "-w", merged, *lab.captures)
    said = tshark(quiet_profile(lab.folder), merged, BAD_PACKETS)
    lines = said.stdout.splitlines()
    complaints = [line for line in said.stderr.splitlines() if "Running as user" not in line]
    tap.check(said.returncode == 0 and not lines,
              "tshark finds no malformed packet and no bad sum",
              *lines[:SHOWN_MAX], f"{len(lines)} packets", *complaints[:SHOWN_MAX])
    os.unlink(merged)


def inside(args):
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    os.makedirs("/run/netns")
    run("ip", "link", "set", "lo", "up")
    lab = Lab(os.path.abspath(args.build), args.inside, args.control, args.weir_pcap)
    tap = Tap()
    with open(lab.data, "wb") as file:
        for _ in range(DATA_OCTETS >> 20):
            file.write(os.urandom(1 << 20))
    wanted = sorted(variants(args.only), key=lambda v: -v.case["seconds"])
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda v: run_variant(v, lab, tap), wanted))
    check_captures(lab, tap)
    os.unlink(lab.data)
    return tap.done()


def main():
    args = arguments()
    if args.list:
        print("\n".join(v.name for v in variants(args.only)))
        return 0
    return inside(args) if args.inside else outside(args)


if __name__ == "__main__":
    sys.exit(main())
