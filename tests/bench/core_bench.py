# SPDX-License-Identifier: MIT
"""What the core alone costs: runs bench-core, and callgrind over it for exact counts."""

import os
import re
import shutil
import subprocess
import tempfile

from lab import Failure

GIB = 1 << 30
MANY_MEMORY = 4 * GIB  # what a million connections at both ends may take, with room to spare

# name, arguments, arguments when quick, what to show of its line: (name there, text, digits)
RUNS = [
    ("one connection, segments of 1460", ["bulk", "1460", "2000000000"],
     ["bulk", "1460", "200000000"],
     [("ns_per_frame", "ns a frame, both ends", 0), ("gbit", "Gbit/s", 1)]),
    ("one connection, segments of 65,160", ["bulk", "65160", "20000000000"],
     ["bulk", "65160", "2000000000"],
     [("ns_per_frame", "ns a frame, both ends", 0), ("gbit", "Gbit/s", 1)]),
    ("new connections, one octet each way", ["connections", "200000"], ["connections", "20000"],
     [("ns_per_connection", "ns, both ends", 0)]),
    ("requests over 1,000 connections", ["many", "1000", "5000"], ["many", "1000", "500"],
     [("ns_per_segment", "ns a segment, receiver", 0)]),
    ("requests over 1,000,000 connections", ["many", "1000000", "5000"], None,
     [("ns_per_segment", "ns a segment, receiver", 0)]),
    ("idle connections, 1,000,000", ["idle", "1000000"], None,
     [("rss_per_connection_end", "octets an end, resident", 1)]),
    ("trace record", ["trace", "50000000"], ["trace", "5000000"],
     [("ns_per_record", "ns", 2)]),
]
# name, two sizes of a run whose difference leaves out what setting up costs, what is counted
COUNTED = [
    ("segments of 1460", ["bulk", "1460", "{}"], (4 << 20, 12 << 20), "frames_out", "a frame"),
    ("segments of 65,160", ["bulk", "65160", "{}"], (64 << 20, 192 << 20), "frames_out",
     "a frame"),
    ("new connection", ["connections", "{}"], (500, 1500), "connections", "each"),
    ("round trip of one octet", ["pong", "{}"], (1000, 3000), "pings", "each"),
]


def triples(line):
    words = line.split()
    return dict(zip(words[::3], map(float, words[1::3])))


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable:\s+(\d+)", file.read()).group(1)) * 1024


def run(command, seconds=120, env=None):
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=seconds, env=env,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"no end after {seconds} s") from None
    if done.returncode != 0:
        raise Failure(done.stderr.strip().split("\n")[-1])
    return triples(done.stdout), done.stderr


def timed(build, quick, repeat):
    """Rows of (what, figure, unit), the least of several runs: noise only adds."""
    rows = []
    for name, full, short, shown in RUNS:
        arguments = short if quick else full
        if arguments is None:
            continue
        if "1000000" in arguments and memory_available() < MANY_MEMORY:
            rows.append((name, "not enough memory", ""))
            continue
        try:
            results = [run([build / "bench-core", *arguments])[0] for _ in range(repeat)]
        except Failure as failure:
            rows.append((name, f"failed: {failure}", ""))
            continue
        for key, unit, digits in shown:
            best = (max if unit == "Gbit/s" else min)(result[key] for result in results)
            rows.append((name, f"{best:.{digits}f}", unit))
    return rows


def instructions(build, arguments):
    # callgrind counts each octet of a `rep movsb` as an instruction, so memcpy is kept from it.
    env = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.x86_rep_movsb_threshold=1073741824")
    with tempfile.NamedTemporaryFile() as out:
        figures, log = run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                            build / "bench-core", *arguments], env=env)
    return figures, int(re.search(r"Collected : (\d+)", log).group(1))


def counted(build):
    """The same from callgrind: instructions, the same in every run."""
    if not shutil.which("valgrind"):
        return [("instructions", "valgrind: not installed", "")]
    rows = []
    for name, pattern, sizes, per, unit in COUNTED:
        try:
            small, large = (instructions(build, [word.format(size) for word in pattern])
                            for size in sizes)
        except Failure as failure:
            rows.append((name, f"failed: {failure}", ""))
            continue
        each = (large[1] - small[1]) / (large[0][per] - small[0][per])
        rows.append((name, f"{each:,.0f}", f"instructions {unit}, both ends"))
    return rows
