# SPDX-License-Identifier: MIT
"""What each command that looks prints of the scene of run_sight.py, on weir and on the kernel, as
tests/golden/sight holds it: without what differs from run to run."""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(ROOT, "tests", "golden", "sight")

COUNTED = ["TcpActiveOpens", "TcpCurrEstab", "TcpInCsumErrors"]

# Name of the file, words, and whether all numbers are left out (counters and times move).
COMMANDS = (
    ("ss", ["ss", "-tanop"], False),
    ("ss-listen", ["ss", "-tlnp"], False),
    ("ss-udp", ["ss", "-uanp"], False),
    ("ss-state", ["ss", "-Htn", "state", "close-wait", "dport", "=", ":5"], False),
    ("ss-extended", ["ss", "-Htane"], True),
    ("ss-memory", ["ss", "-Htanm"], True),
    ("ss-summary", ["ss", "-s"], False),
    ("netstat", ["netstat", "-natpo"], False),
    ("netstat-udp", ["netstat", "-naup"], False),
    ("netstat-listen", ["netstat", "-ntl"], False),
    ("lsof", ["lsof", "-nP", "-i"], False),
    ("lsof-port", ["lsof", "-nP", "-i", ":7000"], False),
    ("lsof-udp", ["lsof", "-nP", "-i", "UDP"], False),
    ("lsof-state", ["lsof", "-nP", "-i", "TCP", "-s", "TCP:CLOSE_WAIT"], False),
    ("nstat", ["nstat", "-asz", *COUNTED], False),
    ("sar", ["sar", "-n", "SOCK,TCP,ETCP", "1", "1"], True),
    ("top", ["top", "-b", "-d", "0.1"], True),
)
ONLY_WEIR = (
    ("trace", ["trace"], True),
    ("trace-flow", ["trace", "--flow", "2"], True),
)
# What of it is there differs from one kernel to the next.
NOT_KERNEL = {"ss-extended", "ss-summary"}


def masked(text):
    """Ephemeral ports, process ids, inodes and times as letters."""
    text = re.sub(r"(192\.0\.[23]\.\d+:)(\d{5})\b", r"\1PORT", text)
    text = re.sub(r"pid=\d+", "pid=PID", text)
    text = re.sub(r"\b\d+/(python3\S*)", r"PID/\1", text)
    text = re.sub(r"(?m)^(python3 +)\d+", r"\1PID", text)
    text = re.sub(r"(IPv4 +)\d+( +0t0)", r"\1INODE\2", text)
    text = re.sub(r"timer:\((\w+),[^,]*,\d+", r"timer:(\1,TIME,COUNT", text)
    return re.sub(r"(on|timewait|keepalive|probe) \(\d+\.\d+/\d+", r"\1 (TIME/COUNT", text)


def without_numbers(text):
    """What is left is which words stand where."""
    text = re.sub(r"\b\d\d:\d\d:\d\d( [AP]M)?", "TIME", text)
    text = re.sub(r"\d+(\.\d+)?( ?(us|ms|s|sec|min|Mbps|Kbps|Gbps|bps|k)\b|%|\b)", "N", text)
    text = re.sub(r"(?m)^Linux .*$|^ +held up by: .*$", "", text)  # whose machine it is, and how busy
    text = re.sub(r" (\.\.|==|hh|\.=|=\.|h\.|\.h) ", " LIMITS ", text)
    return re.sub(r"\b(ino|sk|cgroup|uid):\S+", r"\1:N", text)


def shape(text, all_numbers, folder):
    text = masked(text).replace(folder, "FOLDER")
    if all_numbers:
        text = without_numbers(text)
    lines = (" ".join(line.split()) for line in text.splitlines() if line.strip())
    return "\n".join(sorted(lines)) + "\n"


def compare(tap, name, text, wanted_of, write):
    path = os.path.join(GOLDEN, name + ".txt")
    if write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    golden = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            golden = file.read()
    ours, kept = text.splitlines(), golden.splitlines()
    tap.check(text == golden and text.strip(), f"{wanted_of} is as in tests/golden/sight/{name}.txt",
              *(f"now: {line}" for line in ours if line not in kept),
              *(f"kept: {line}" for line in kept if line not in ours))


def check(tap, scene, write):
    for name, words, numbers in COMMANDS + ONLY_WEIR:
        compare(tap, name, shape(scene.stack(*words), numbers, scene.folder), f"weir {' '.join(words)}", write)
    for name, words, numbers in COMMANDS:
        if name in NOT_KERNEL:
            continue
        text = shape(scene.tool(words[0], "--kernel", *words[1:]), numbers, scene.folder)
        compare(tap, "kernel-" + name, text, f"kernel: weir {' '.join(words)}", write)
