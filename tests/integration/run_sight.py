#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weir ss, netstat, lsof, nstat, sar and top: a connection in each state, on weir and on the
kernel, and what the tools say of them.

    run_sight.py [--build DIR] [--write]

Of the kernel they must say what ss, netstat, lsof and nstat say at the same moment: the same
sockets, states and queues. Of weir, what tests/golden/sight holds (--write makes it anew). Needs
root, for network namespaces; says so and skips otherwise.
"""

import argparse
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(ROOT, "scripts"), HERE]
from tap import Tap  # noqa: E402
import screen  # noqa: E402
import sight_golden  # noqa: E402
import sight_peer  # noqa: E402

STRANGER = 65533
LIMIT = 20
KERNEL, WEIR = "192.0.3.1", "192.0.2.2"
KERNEL_PEER, WEIR_PEER = "192.0.3.50", "192.0.2.50"
STATES = {1: "SYN-SENT", 2: "ESTAB", 3: "FIN-WAIT-1", 4: "FIN-WAIT-2", 5: "CLOSE-WAIT",
          6: "LAST-ACK", 7: "CLOSING", 8: "TIME-WAIT"}


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False, **more)
    return done.stdout


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Scene:
    """The two subjects, their peers, and weird."""

    def __init__(self, build, folder):
        self.weir, self.folder = f"{build}/weir", folder
        self.socket = os.path.join(folder, "net", "socket")
        self.children, self.peers = [], []
        ip("link", "set", "lo", "up")
        ip("link", "add", "k0", "type", "veth", "peer", "name", "k1")
        ip("addr", "add", KERNEL + "/24", "dev", "k0")
        for name in ("k0", "k1"):
            run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            ip("link", "set", name, "up")
        ip("tuntap", "add", "dev", "st0", "mode", "tap")
        run("sysctl", "-qw", "net.ipv6.conf.st0.disable_ipv6=1")
        ip("link", "set", "st0", "up")
        ready, told = os.pipe()
        self.start([f"{build}/weird", "--dev", "tap:st0", "--addr", WEIR + "/24", "--socket",
                    self.socket, "--ready-fd", str(told)], pass_fds=[told])
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        self.peers = [sight_peer.Peer("k1", KERNEL_PEER), sight_peer.Peer("st0", WEIR_PEER)]
        subject = [sys.executable, os.path.join(HERE, "sight_subject.py")]
        subjects = [self.start([*subject, KERNEL_PEER]),
                    self.start([self.weir, "run", "--socket", self.socket, "--", *subject,
                                WEIR_PEER])]
        self.ready = all(select.select([one.stdout], [], [], LIMIT)[0] and
                         one.stdout.readline().startswith("ready") for one in subjects)
        if self.ready:
            self.peers[0].open(KERNEL, 7000)
            self.peers[1].open(WEIR, 7000)
            time.sleep(0.2)

    def start(self, words, **more):
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 **more)
        self.children.append(child)
        return child

    def tool(self, *words):
        return run(self.weir, *words, env={**os.environ, "WEIR_NSTAT_HISTORY":
                                           os.path.join(self.folder, "history")})

    def stack(self, tool, *words):
        return self.tool(tool, "--socket", self.socket, *words)

    def close(self):
        for peer in self.peers:
            peer.close()
        for child in reversed(self.children):
            child.stdin.close()
            child.terminate()
            try:
                child.wait(LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


# ---- What the tools print, without what changes from run to run ----

def rows(text, columns):
    return sorted(" ".join(line.split()[:columns]) for line in text.splitlines() if line.strip())


def by_state(text):
    """{peer's port: (state, Recv-Q, Send-Q)} of `ss -tan`."""
    found = {}
    for line in text.splitlines():
        state, rcvq, sndq, local, peer = line.split()[:5]
        key = local.rsplit(":", 1)[1] if state in ("LISTEN", "SYN-RECV") else ""
        found[key + peer.rsplit(":", 1)[1]] = (state, int(rcvq), int(sndq))
    return found


# ---- The kernel, beside the originals ----

FILTERS = (["state", "close-wait"], ["dport", "=", ":4"], ["not", "dport", "=", ":4"],
           ["sport", "=", ":7000", "or", "dport", "=", ":8"], ["exclude", "time-wait"],
           ["dst", "192.0.3.0/24", "and", "(", "dport", "gt", ":3", "or", "dport", "=", ":1", ")"],
           ["state", "established", "state", "closing"], ["src", "192.0.3.1:7000"],
           ["dst", "192.0.3.50:6"], ["!", "(", "dst", "192.0.3.50", ")"])
STEADY = re.compile(r"^(users:|ino:|uid:|sk:|v6only:|skmem:|wscale:|mss:|pmtu:|rcvmss:|advmss:|cwnd:|"
                    r"bytes_|ssthresh:|segs_in:|data_segs_in:|rcv_ssthresh:|minrtt:|snd_wnd:|ts$|sack$|"
                    r"cubic$|reno$|bbr$|rtt:|unacked:|notsent:)")


def details(text):
    """{socket: its tokens that stay as they are}, of one line each."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        found[" ".join(words[:5])] = sorted(filter(STEADY.match, words[5:]))
    return found


def check_ss(tap, scene):
    for options in (["-tan"], ["-tuan"], ["-tln"], ["-tn"], ["-uan"], ["-ta"], ["-4tan"], ["-6tan"]):
        theirs, ours = run("ss", "-H", *options), scene.tool("ss", "--kernel", "-H", *options)
        count = 6 if "tu" in options[0] else 5
        tap.check(rows(theirs, count) == rows(ours, count), f"ss {options[0]} and ours agree",
                  *theirs.splitlines(), "ours:", *ours.splitlines())
    for words in FILTERS:
        theirs = run("ss", "-Htan", *words)
        ours = scene.tool("ss", "--kernel", "-Htan", *words)
        same = rows(theirs, 5) == rows(ours, 5)
        tap.check(same and theirs, f"ss {' '.join(words)}", *theirs.splitlines(), "ours:",
                  *ours.splitlines())
    for _ in range(3):  # a retransmission may come between the two
        theirs, ours = run("ss", "-HOtanpeim"), scene.tool("ss", "--kernel", "-HOtanpeim")
        wrong = [f"{key}: {set(words) ^ set(details(ours).get(key, []))}"
                 for key, words in details(theirs).items() if details(ours).get(key) != words]
        if not wrong:
            break
    tap.check(not wrong and len(details(theirs)) == len(details(ours)) >= 10,
              "ss -peim and ours agree, socket by socket", *wrong)
    timers = [sorted(re.findall(r"timer:\((\w+)", run(*words))) for words in
              (["ss", "-Htano"], [scene.weir, "ss", "--kernel", "-Htano"])]
    tap.check(timers[0] == timers[1] and timers[0], "and the timers", *map(str, timers))
    # How many are closed and orphaned Linux counts over all namespaces.
    summaries = [re.findall(r"estab \d+|timewait \d+|(?:TCP|UDP|INET)\s+\d+\s+\d+\s+\d+", run(*words))
                 for words in (["ss", "-s"], [scene.weir, "ss", "--kernel", "-s"])]
    summaries = [[" ".join(part.split()) for part in summary] for summary in summaries]
    tap.check(summaries[0] == summaries[1] and len(summaries[0]) == 5, "and the summary",
              *map(str, summaries))


def check_destroyed(tap, scene):
    watcher = scene.start([scene.weir, "ss", "-E", "-n", "sport", "=", ":7077"])
    end, line = time.monotonic() + LIMIT, ""
    while not line and time.monotonic() < end:  # until it listens
        with socket.create_server(("127.0.0.1", 7077)):
            pass
        if select.select([watcher.stdout], [], [], 0.1)[0]:
            line = watcher.stdout.readline()
    tap.check(line.startswith("UNCONN") and "127.0.0.1:7077" in line, "ss -E says who has died", line)
    watcher.terminate()


def check_netstat(tap, scene):
    for options in ("-nat", "-natu", "-ntl", "-nt", "-natpe"):
        theirs = [row for row in rows(run("netstat", options), 99) if row.startswith(("tcp", "udp"))]
        ours = [row for row in rows(scene.tool("netstat", "--kernel", options), 99)
                if row.startswith(("tcp", "udp"))]
        tap.check(theirs == ours and theirs, f"netstat {options} and ours agree", *theirs, "ours:", *ours)
    counts = {}
    for line in scene.tool("netstat", "--kernel", "-s").splitlines():
        match = re.match(r"    (\d+) (.*)", line)
        if match:
            counts[match[2]] = match[1]
    theirs = run("netstat", "-s")
    wrong = [text for text in ("active connection openings", "segments received", "resets sent",
                               "connections established", "total packets received")
             if f"    {counts.get(text)} {text}" not in theirs.splitlines()]
    tap.check(not wrong, "netstat -s and ours agree", *wrong)


def check_lsof(tap, scene):
    for words in (["-i"], ["-i", ":7000"], ["-i", "TCP@192.0.3.50:2"], ["-i4"], ["-i", "udp"],
                  ["-i", "tcp:1-3"]):
        theirs = sorted(tuple(line.split()[:2] + line.split()[3:6] + line.split()[7:])
                        for line in run("lsof", "-nP", *words).splitlines()[1:])
        ours = sorted(tuple(line.split()[:2] + line.split()[3:6] + line.split()[7:])
                      for line in scene.tool("lsof", "--kernel", "-nP", *words).splitlines()[1:])
        tap.check(theirs == ours, f"lsof {' '.join(words)} and ours agree", *map(str, theirs),
                  "ours:", *map(str, ours))
    theirs, ours = run("lsof", "-t", "-i", ":7000"), scene.tool("lsof", "--kernel", "-t", "-i", ":7000")
    tap.check(theirs == ours and ours, "lsof -t and ours agree", theirs, ours)


def counters(text):
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines()
            if line and not line.startswith("#")}


def check_nstat(tap, scene):
    theirs = counters(run("nstat", "-asz"))
    ours = counters(scene.tool("nstat", "--kernel", "-asz"))
    moved = [name for name in theirs if abs(theirs[name] - ours.get(name, -10**9)) >
             max(5, theirs[name] // 20) and not name.startswith("MPTcp")]
    tap.check(not moved and len(theirs) > 200, "nstat and ours agree", *moved)
    scene.tool("nstat", "--kernel")
    for _ in range(3):
        socket.socket().connect_ex(("127.0.0.1", 9))
    grown = counters(scene.tool("nstat", "--kernel", "-s", "TcpAttemptFails", "TcpActiveOpens"))
    tap.check(grown == {"TcpAttemptFails": 3, "TcpActiveOpens": 3},
              "nstat counts from the last look", str(grown))
    if shutil.which("sar"):
        theirs = run("sar", "-n", "SOCK,TCP", "1", "1").splitlines()
        ours = scene.tool("sar", "--kernel", "-n", "SOCK,TCP", "1", "1").splitlines()
        same = [[line.split() for line in lines if line.startswith("Average:")] for lines in
                (theirs, ours)]
        tap.check([row[2:] for row in same[0]][:2] == [row[2:] for row in same[1]][:2] and
                  same[0][2][:5] == same[1][2][:5], "sar and ours agree", *theirs, *ours)
    else:
        tap.skip("sar is not installed")


def check_devices(tap, scene):
    """Both ends of weird's TAP count the same frames, and the columns are sar's."""
    if shutil.which("sar"):
        heads = [[line.split()[1:] for line in run(*words, "-n", "DEV,EDEV", "1", "1").splitlines()
                  if line.startswith("Average:")] for words in (["sar"], [scene.weir, "sar", "--kernel"])]
        shown = [[row[:1] if row[0] != "IFACE" else row for row in rows] for rows in heads]
        tap.check(shown[0] == shown[1] and len(shown[0]) >= 8, "sar -n DEV,EDEV: the tables are sar's",
                  str(shown))
    else:
        tap.skip("sar is not installed")
    looking = scene.start([scene.weir, "sar", "--socket", scene.socket, "--kernel", "--json", "-n", "DEV", "1", "1"])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        while looking.poll() is None:
            for device in ("st0", "k0"):
                one.sendto(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(1386), (device, 0x88b5))
            time.sleep(0.0005)
    said = {(row["stack"].split(":")[0], row["iface"]): row["DEV"] for row in json.loads(looking.stdout.read())}
    weir, kernel, veth = (said.get(key, {}) for key in (("weir", "st0"), ("kernel", "st0"), ("kernel", "k0")))
    tap.check(weir and kernel and weir["rxpck/s"] > 0 and kernel["txpck/s"] > 0,
              "sar -n DEV: weird's interface, and the kernel's end of it", str(said))
    tap.check(weir and abs(weir["rxkB/s"] - weir["rxpck/s"] * 1400 / 1024) <= weir["rxkB/s"] / 20,
              "in kB of 1024 octets", str(weir))
    tap.check(veth and abs(veth["%ifutil"] - veth["txkB/s"] * 1024 * 8 * 100 / 1e10) < 0.02,
              "%ifutil is of the 10 Gbit/s that a veth says it has", str(veth))


# ---- weir ----

def check_stack(tap, scene):
    found = by_state(scene.stack("ss", "-Htan"))
    kernel = by_state(scene.tool("ss", "--kernel", "-Htan"))
    for port, state in STATES.items():
        key = str(port)
        tap.check(found.get(key, ("",))[0] == state, f"weir: {state} is shown", str(found))
        tap.check(kernel.get(key, ("",))[0] == state, f"kernel: {state} is shown", str(kernel))
    for key, state in (("7000*", "LISTEN"), ("70004000", "SYN-RECV")):
        tap.check(found.get(key, ("",))[0] == state == kernel.get(key, ("",))[0],
                  f"both: {state} is shown", str(found), str(kernel))
    tap.check(len(found) == 10, "and CLOSED, which nobody lists, is not", str(found))
    other = [f"{key}: weir {found[key]}, kernel {kernel.get(key)}" for key in found
             if found[key] != kernel.get(key)]
    # Linux counts the peer's FIN as unread; weir does not.
    other = [line for line in other if not line.startswith(("5:", "6:", "7:"))]
    other += [key for key in "567" if found[key][1:] != (0, kernel[key][2]) or kernel[key][1] != 1]
    tap.check(not other, "queues are the same on both", *other)


def check_json(tap, scene):
    flows = json.loads(scene.stack("ss", "--json", "-tan"))
    closing = [flow for flow in flows if flow["state"] == "CLOSE-WAIT"]
    tap.check(len(flows) == 10 and len(closing) == 1, "weir ss --json lists them")
    one = closing[0] if closing else {}
    tap.check(one.get("cause") == "fin received" and one.get("owner", {}).get("pid") and
              one.get("quality", {}).get("owner") == "sampled" and "sequence" in one,
              "with the cause, the owner and how well that is known", str(one))
    for words in (["netstat", "-nat"], ["lsof", "-i"], ["nstat", "-as"], ["sar", "-n", "TCP", "1", "1"],
                  ["top"]):
        text = scene.stack(words[0], "--json", *words[1:])
        try:
            tap.check(len(json.loads(text)) > 0, f"weir {words[0]} --json is JSON")
        except ValueError as error:
            tap.check(False, f"weir {words[0]} --json is JSON", str(error), text[:300])
    info = scene.stack("ss", "-tanieH", "dport = :2")
    tap.check("bytes_acked:101" in info and 'weir:(for:' in info and "cause:" in info,
              "weir ss -i says what TCP knows", info)
    both = scene.tool("ss", "-tan", "--socket", scene.socket, "--kernel")
    tap.check("Stack" in both.splitlines()[0] and "kernel" in both and "weir:" in both,
              "both at once, and which is which", both)


def local_states(flows, address):
    """{peer's port: the state that `weir trace` gives the end at `address`}."""
    found = {}
    for flow in flows:
        ends = [end["address"].rsplit(":", 1) for end in flow["ends"]]
        here = [end[0] for end in ends].index(address)
        found[ends[1 - here][1]] = flow["ends"][here]["state"]
    return found


def check_trace(tap, scene):
    """The flight recorder of weir, drawn: what it infers is what the instance says of itself."""
    known = json.loads(scene.stack("trace", "--json"))
    states = local_states(known["flows"], WEIR)
    shown = {str(port): state.replace("ESTAB", "ESTABLISHED") for port, state in STATES.items()}
    wrong = [f"{port}: {states.get(port)}, not {state}" for port, state in shown.items()
             if states.get(port) != state]
    tap.check(not wrong, "weir trace of a running weir: a connection in each state", *wrong)
    two = [flow for flow in known["flows"] if flow["ends"][1]["address"].endswith(":2")][0]
    tap.check(two["captured"] == "at the opener" and two["whole"] and
              two["ends"][0]["octets"] == 100 and two["ends"][0]["cwnd_quality"] == "exact",
              "with what it sent and its congestion window", str(two))
    ladder = scene.stack("trace", "--ladder", "--ascii")
    tap.check("retransmit: syn" in ladder and "retransmit: timeout" in ladder,
              "and why each segment left", ladder)
    page = scene.stack("trace", "--html", "-")
    kinds = set(re.findall(r'class="wp (\w+)"', page))
    tap.check({"ladder", "tsg", "rtt", "flight", "cwnd", "timeline", "diagram"} <= kinds,
              "its report has every picture", *kinds)
    tap.check('class="cwnd" d="M' in scene.stack("trace", "--cwnd", "--svg", "-", "--flow",
                                                  str(two["flow"])), "the congestion window is drawn")
    done = subprocess.run([scene.weir, "trace", "--socket", scene.socket, "--seconds", "0.1",
                           "--json"], capture_output=True, text=True, timeout=LIMIT, check=False)
    later = local_states(json.loads(done.stdout)["flows"], WEIR)
    tap.check(done.returncode == 0 and later == states, "and looks on for a while", done.stderr,
              str(later))


def check_trace_kernel(tap, scene):
    """An interface's packets, with the congestion window of the kernel's sockets."""
    watcher = scene.start([scene.weir, "trace", "-i", "lo", "--json", "tcp", "port", "7078"],
                          stderr=subprocess.PIPE)
    watcher.stderr.readline()  # it listens
    with socket.create_server(("127.0.0.1", 7078)) as server, \
            socket.create_connection(("127.0.0.1", 7078)) as client:
        held = server.accept()[0]
        for _ in range(20):
            client.sendall(b"x" * 1000)
            held.recv(1000, socket.MSG_WAITALL)
            time.sleep(0.02)
        held.close()
    watcher.send_signal(2)
    out, errors = watcher.communicate(timeout=LIMIT)
    flows = json.loads(out)["flows"] if out else []
    end = flows[0]["ends"][0] if flows else {}
    tap.check(len(flows) == 1 and end.get("octets") == 20000 and
              end.get("cwnd_quality") == "sampled" and end["cwnd_max"] >= 10 * 1000,
              "weir trace -i: packets and the kernel's congestion window", out, errors)


def check_top(tap, scene):
    lines = scene.stack("top", "-b", "-d", "0.1").splitlines()
    tap.check(len(lines) == 10 and lines[0].startswith("STATE"), "weir top -b prints them", *lines)
    shown = screen.start([scene.weir, "top", "--socket", scene.socket, "-d", "0.2"], 30, 160)
    seen, _, status = screen.play(*shown, [(b"CLOSE-WAIT", b"f dport = :2\r\r"),
                                           (b"waits for", b"qq")], LIMIT)
    tap.check(b"waits for" in seen and "\u25c0".encode() in seen, "weir top shows one, and its ladder",
              repr(seen[-300:]))
    tap.check(status == 0, "and ends when it is asked to")
    shown = screen.start([scene.weir, "top", "--socket", scene.socket], 24, 80)
    seen, asked, _ = screen.play(*shown, [(b"SENDQ LIMITS", b"q")], LIMIT)
    tap.check(asked, "at 80 columns it still shows what holds a connection up", repr(seen[-300:]))
    shown = screen.start(["env", "TERM=dumb", scene.weir, "top", "--socket", scene.socket], 24, 80)
    seen, _, status = screen.play(*shown, [], LIMIT)
    tap.check(os.waitstatus_to_exitcode(status) == 2 and b"no screen" in seen,
              "a terminal without a screen is said", repr(seen))


def check_narrow(tap, scene):
    """On a narrow terminal no line of the table of flows is broken."""
    shown = screen.start([scene.weir, "trace", "--socket", scene.socket], 24, 80)
    seen, _, status = screen.play(*shown, [], LIMIT)
    lines = seen.decode().partition("flow opener")[2].splitlines()
    tap.check(status == 0 and any(line.startswith("     0.") for line in lines) and
              all(len(line) <= 80 for line in lines), "weir trace fits 80 columns", *lines)


def check_private(tap, scene):
    """A private instance is found by the name of its program, and forgotten when it is gone."""
    if not os.access("/run", os.W_OK):
        tap.skip("/run is not writable")
        return
    child = scene.start([scene.weir, "run", "--", sys.executable, "-c",
                         "import socket, sys\ns = socket.create_server(('0.0.0.0', 6060))\n"
                         "print('ready', flush=True)\nsys.stdin.read()"])
    child.stdout.readline()
    name = f"run-{child.pid}"
    shown = scene.tool("ss", "-tlnp", "--net", name)
    tap.check(":6060" in shown and f"pid={child.pid}" in shown, "a private weird is found", shown)
    child.stdin.close()
    child.wait(LIMIT)
    end = time.monotonic() + LIMIT
    while os.path.exists(f"/run/weir/{name}.socket") and time.monotonic() < end:
        scene.tool("ss", "--stack")
        time.sleep(0.1)
    tap.check(not os.path.exists(f"/run/weir/{name}.socket"), "and nothing is left of it")


def knock(path, message=b"", times=1):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(path)
    client.settimeout(1)
    try:
        for _ in range(times):
            client.send(message)
    except OSError:
        pass
    return client


def check_hostile(tap, scene):
    snapshot = struct.pack("=IIIIIIQ", 0x6b6f6f6c, 1, 1, 3, 0x7ff, 0, 0)
    hostile = [knock(scene.socket, message, times) for message, times in
               [(b"", 0)] * 4 + [(os.urandom(64), 1)] * 8 + [(snapshot, 500)] * 20 +
               [(snapshot[:20], 1)] * 4 + [(snapshot + b"x" * 4000, 1)] * 4 +
               [(struct.pack("=IIIIIIQ", 0x6b6f6f6c, 9, 1, 3, 1, 0, 0), 1)] * 4 +
               [(struct.pack("=IIIIIIQ", 0x6b6f6f6c, 1, 2, 77, 1, 0, 2**64 - 1), 1)] * 4 +
               [(struct.pack("=IIIIIIQ", 0x6b6f6f6c, 1, 1, 3, 1, 0, 2**64 - 1), 1)] * 4]
    began = time.monotonic()
    shown = by_state(scene.stack("ss", "-Htan"))
    tap.check(len(shown) == 10 and time.monotonic() - began < LIMIT,
              "those who knock without sense hold nobody up", str(shown))
    for client in hostile:
        client.close()
    held = len(os.listdir(f"/proc/{scene.children[0].pid}/fd"))
    clients = [knock(scene.socket, snapshot) for _ in range(200)]
    time.sleep(0.2)
    after = len(os.listdir(f"/proc/{scene.children[0].pid}/fd"))
    tap.check(after - held <= 20, "weird keeps few connections of lookers", f"{held}, then {after}")
    for client in clients:
        client.close()
    os.chmod(scene.folder, 0o755)
    os.chmod(os.path.dirname(scene.socket), 0o755)
    os.chmod(scene.socket, 0o666)
    done = as_stranger(scene, scene.socket, STRANGER)
    tap.check(done.returncode == 1 and "7000" not in done.stdout, "a stranger sees nothing",
              done.stdout, done.stderr)
    done = as_stranger(scene, scene.socket, os.getegid())
    tap.check(done.returncode == 0 and "cause:" in done.stdout and "una:" not in done.stdout,
              "weird's group sees all but sequence numbers", done.stdout, done.stderr)


def as_stranger(scene, path, group):
    return subprocess.run(["setpriv", f"--reuid={STRANGER}", f"--regid={group}", "--clear-groups",
                           scene.weir, "ss", "--socket", path, "-tani"], timeout=LIMIT,
                          capture_output=True, text=True, check=False)



MANY = 1000000
MANY_SECONDS = 2  # of processor time: the wall clock is the machine's other users'


def check_many(tap, scene, build):
    path = os.path.join(scene.folder, "many")
    child = scene.start([f"{build}/tests/integration/weir-sight-many", path, str(MANY)])
    if not tap.check(child.stdout.readline() == "ready\n", f"an instance with {MANY} sockets"):
        return
    before, began = os.times(), time.monotonic()
    with subprocess.Popen([scene.weir, "ss", "-Htan", "--socket", path],
                          stdout=subprocess.PIPE) as lister:
        lines = sum(block.count(b"\n") for block in iter(lambda: lister.stdout.read(1 << 20), b""))
    after, took = os.times(), time.monotonic() - began
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    tap.check(lines == MANY + 1 and lister.returncode == 0, "is listed, with its listener", str(lines))
    print(f"# {spent:.2f} s of processor time, {took:.2f} s in all")
    tap.check(spent < MANY_SECONDS, f"in {MANY_SECONDS} s", f"{spent:.2f} s")
    os.chmod(path, 0o666)
    done = as_stranger(scene, path, STRANGER)
    tap.check(done.returncode == 1 and "SYN" not in done.stdout, "which no stranger gets",
              done.stdout[:200], done.stderr)
    child.stdin.close()
    child.wait(LIMIT)


def inside(build, write):
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="weir-sight-") as folder:
        scene = Scene(build, folder)
        try:
            if not tap.check(scene.ready, "a connection in each state, on weir and on the kernel"):
                return tap.done()
            check_stack(tap, scene)
            sight_golden.check(tap, scene, write)
            if all(map(shutil.which, ("ss", "netstat", "lsof", "nstat"))):
                check_ss(tap, scene)
                check_netstat(tap, scene)
                check_destroyed(tap, scene)
                check_lsof(tap, scene)
                check_nstat(tap, scene)
            else:
                tap.skip("ss, netstat, lsof or nstat is not installed")
            check_json(tap, scene)
            check_trace(tap, scene)
            check_trace_kernel(tap, scene)
            check_top(tap, scene)
            check_narrow(tap, scene)
            check_private(tap, scene)
            check_hostile(tap, scene)
            check_devices(tap, scene)
            check_many(tap, scene, build)
        finally:
            scene.close()
    return tap.done()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    if options.inside:
        return inside(build, options.write)
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        tap = Tap()
        tap.skip("needs root and /dev/net/tun")
        return tap.done()
    again = [sys.executable, os.path.abspath(__file__), "--build", build, "--inside"]
    return subprocess.run(["unshare", "--net", *again, *(["--write"] if options.write else [])],
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
