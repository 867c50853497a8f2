#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`weir dump` and `weir trace` over kept captures whose causes are known.

    captures.py WEIR tests/golden/captures

The captures were made of Linux's connections over a scripted wire. tcpdump, tcptrace, capinfos and
Chromium are asked where they are installed; what is not there is skipped, with a word.
"""

import gzip
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from tap import Tap  # noqa: E402

WEIR, FOLDER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TIMEOUT = 120
PICTURES = ("ladder", "tsg", "rtt", "flight", "timeline", "diagram")


def run(*args, **more):
    return subprocess.run(args, capture_output=True, timeout=TIMEOUT, check=False, **more)


def kept(name):
    path = os.path.join(FOLDER, name + ".pcap")
    return path if os.path.exists(path) else path + ".gz"


def names():
    return sorted(name.split(".pcap")[0] for name in os.listdir(FOLDER) if ".pcap" in name)


def facts(*paths):
    return json.loads(run(WEIR, "trace", "--json", *paths).stdout)


def plain(scratch, name):
    """The file without compression, for tools that know none."""
    path = os.path.join(scratch, name + ".pcap")
    if not os.path.exists(path):
        source = kept(name)
        opened = gzip.open(source) if source.endswith(".gz") else open(source, "rb")
        with opened as octets, open(path, "wb") as out:
            out.write(octets.read())
    return path


def of(flow, end, kind):
    return flow["ends"][end]["classes"].get(kind, 0)


def states(flow, end):
    return [change["to"] for change in flow["changes"] if change["end"] == end]


# ---- What is known of each ----

def check_facts(tap):
    flow = facts(kept("simultaneous-open-close.client"))["flows"][0]
    whole = ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "CLOSING", "TIME-WAIT"]
    for end in range(2):
        tap.check(states(flow, end) == whole, f"simultaneous open and close, end {end}: both cross",
                  states(flow, end))
    flow = facts(kept("random-loss-3pct.client"))["flows"][0]
    tap.check(flow["captured"] == "near the opener", "the client's capture is near the opener")
    tap.check(flow["ends"][0]["retransmitted_segments"] == 20, "20 segments are sent again",
              flow["ends"][0]["classes"])
    tap.check(of(flow, 0, "out of order") == 0, "at the sender nothing is out of order")
    flow = facts(kept("random-loss-3pct.server"))["flows"][0]
    tap.check(flow["captured"] == "near the other end", "the server's is near the other end")
    flow = facts(kept("network-duplicates.server"))["flows"][0]
    tap.check(of(flow, 0, "duplicate made by the network") == 23 and
              flow["ends"][0]["retransmitted_segments"] == 0,
              "23 copies made by the network are no retransmissions", flow["ends"][0]["classes"])
    flow = facts(kept("syn-lost-once.client"))["flows"][0]
    tap.check(of(flow, 0, "retransmission: SYN") == 1, "a SYN lost once")
    flow = facts(kept("blind-rst-challenge-ack.server"))["flows"][0]
    doubtful = of(flow, 0, "reset that does not fit: not believed") + \
        of(flow, 1, "reset that does not fit: not believed")
    tap.check(doubtful > 0 and "reset" not in flow["ending"], "a blind reset ends nothing",
              flow["ending"])
    flow = facts(kept("firewall-reject-rst.client"))["flows"][0]
    tap.check(flow["ending"] == "refused", "a SYN that is refused")
    flow = facts(kept("close-with-unread-data-rst.client"))["flows"][0]
    tap.check("reset by the other end" in flow["ending"], "a close with unread data resets")
    flow = facts(kept("icmp-host-unreach-established.client"))["flows"][0]
    tap.check(flow["ends"][0]["icmp_errors"] == 3, "three ICMP errors belong to the flow")
    flow = facts(kept("keepalive-dead-peer.client"))["flows"][0]
    tap.check(of(flow, 0, "keepalive") > 0 and of(flow, 0, "window probe") == 0,
              "keepalives are no window probes", flow["ends"][0]["classes"])


def check_both_ends(tap):
    for first, second in (("client", "server"), ("server", "client")):
        known = facts(kept(f"random-loss-3pct.{first}"), kept(f"random-loss-3pct.{second}"))
        end = known["flows"][0]["ends"][0]
        tap.check(end["never_arrived"] == 20 and known["flows"][0]["ends"][1]["never_arrived"] == 0,
                  f"{first} and {second} together: 20 segments are lost, no ACK", end)
    text = run(WEIR, "trace", "--ladder", "--ascii",
               kept("final-ack-lost-server-speaks-first.client"),
               kept("final-ack-lost-server-speaks-first.server")).stdout.decode()
    lost = [line for line in text.splitlines() if "lost" in line]
    tap.check(len(lost) == 1 and "ACK seq 1 ack 1" in lost[0] and "X   |" in lost[0],
              "the ACK that was lost breaks off", *lost)


# ---- Other programs ----

def check_tcpdump(tap, scratch):
    if not shutil.which("tcpdump"):
        tap.skip("tcpdump is not installed")
        return
    options = ("-n", "-nS", "-nq", "-nt", "-ntt", "-nttt", "-ntttt", "-ne", "-nx", "-nX", "-nA",
               "-nv")
    for name in names():
        path = plain(scratch, name)
        for option in options:
            if name == "mix" and option == "-nv":
                continue  # tcpdump takes ICMPv6 apart there
            theirs = run("tcpdump", option, "-r", path).stdout
            ours = run(WEIR, "dump", option, "-r", path).stdout
            if theirs != ours:
                pairs = zip(theirs.splitlines(), ours.splitlines())
                different = next(([a, b] for a, b in pairs if a != b), ["one is longer"])
                tap.check(False, f"dump {option} of {name} is tcpdump's", *different)
                break
        else:
            tap.check(True, f"dump of {name} is tcpdump's, {len(options)} ways")
    path = plain(scratch, "mix")
    for expression in ("tcp port 7000", "icmp or icmp6", "not tcp", "src host 10.77.0.1 and udp"):
        theirs = run("tcpdump", "-n", "-r", path, expression).stdout
        ours = run(WEIR, "dump", "-n", "-r", path, expression).stdout
        tap.check(theirs == ours and ours, f'filter "{expression}"')


# As tcptrace counts, and the same as we do.
TCPTRACE = (("total packets", "segments"), ("actual data pkts", "data_segments"),
            ("actual data bytes", "octets"), ("pure acks sent", "pure_acks"))
# What tcptrace takes for retransmissions and we do not, or the other way round; of each end.
OTHERWISE = {
    # Next to the receiver the originals are missing: tcptrace calls what fills the gap out of order.
    "random-loss-3pct.server": (-16, 0),
    # A SYN-ACK that answers a SYN which crossed is no retransmission of ours.
    "simultaneous-open-close.client": (1, 1),
}


def made_captures(scratch):
    """Files that weir itself writes: of a simulation, and what -w makes of two of the kept ones."""
    run(WEIR, "sim", "--seed", "7", "--pcap", os.path.join(scratch, "sim.pcapng"))
    run(WEIR, "dump", "-r", kept("random-loss-3pct.client"), "-c", "300", "-w",
        os.path.join(scratch, "first-300.pcapng"))
    run(WEIR, "dump", "-r", kept("mix"), "-w", os.path.join(scratch, "only-tcp.pcapng"), "tcp")
    run(WEIR, "dump", "-r", kept("pmtud-icmp-ok.client"), "-s", "96", "-w",
        os.path.join(scratch, "snap-96.pcapng"))
    return [os.path.join(scratch, name + ".pcapng")
            for name in ("sim", "first-300", "only-tcp", "snap-96")]


def tcptrace_rows(text, what):
    """What tcptrace counts, of both ends of each connection."""
    return [[int(each) for each in pair] for pair in
            re.findall(rf"{what}:\s+(\d+)(?:\s+times)?\s+{what}:\s+(\d+)", text)]


def compare_tcptrace(tap, name, path):
    text = run("tcptrace", "-nl", path).stdout.decode(errors="replace")
    ends = [flow["ends"] for flow in facts(path)["flows"]]
    wrong = []
    for theirs, ours in TCPTRACE:
        have = [[end[ours] for end in pair] for pair in ends]
        if have != tcptrace_rows(text, theirs):
            wrong.append(f"{theirs}: {tcptrace_rows(text, theirs)}, ours {have}")
    # A copy that the network made is sent again, to tcptrace; a window is closed once, to us.
    again = [[end["retransmitted_segments"] + of({"ends": pair}, i, "duplicate made by the network") +
              OTHERWISE.get(name, (0, 0))[i] for i, end in enumerate(pair)] for pair in ends]
    if again != tcptrace_rows(text, "rexmt data pkts"):
        wrong.append(f"rexmt: {tcptrace_rows(text, 'rexmt data pkts')}, ours {again}")
    zero = [[end["zero_windows"] > 0 for end in pair] for pair in ends]
    if zero != [[count > 0 for count in pair] for pair in tcptrace_rows(text, "zero win adv")]:
        wrong.append("zero windows")
    tap.check(not wrong and ends, f"{name}: {len(ends)} connections as tcptrace counts", *wrong)


def check_tcptrace(tap, scratch):
    if not shutil.which("tcptrace"):
        tap.skip("tcptrace is not installed")
        return
    paths = {name: plain(scratch, name) for name in names()}
    paths.update((os.path.basename(path), path) for path in made_captures(scratch))
    tap.check(len(paths) >= 20, "20 captures for tcptrace", str(len(paths)))
    for name, path in paths.items():
        compare_tcptrace(tap, name, path)


def packets_of(path):
    """How many packets others find in a file."""
    found = {}
    if shutil.which("capinfos"):
        text = run("capinfos", "-c", "-M", path).stdout.decode()
        found["capinfos"] = int((re.search(r"packets:\s+(\d+)\b", text) or [0, "-1"])[1])
    if shutil.which("tcpdump"):
        found["tcpdump"] = len(run("tcpdump", "-n", "-t", "-q", "-r", path).stdout.splitlines())
    if shutil.which("tshark"):
        found["tshark"] = len(run("tshark", "-n", "-r", path, "-T", "fields", "-e",
                                  "frame.number").stdout.splitlines())
    return found


def check_written(tap, scratch):
    """What -w and weir itself write is read by others, and by us, with the same packets."""
    path, again = kept("random-loss-3pct.client"), os.path.join(scratch, "written.pcapng")
    run(WEIR, "dump", "-r", path, "-w", again)
    tap.check(run(WEIR, "dump", "-n", "-r", again).stdout ==
              run(WEIR, "dump", "-n", "-r", path).stdout, "what -w writes reads the same")
    for path in (again, *made_captures(scratch)):
        known = json.loads(run(WEIR, "trace", "--json", path).stdout)["packets"]
        found = packets_of(path)
        if found:
            tap.check(set(found.values()) == {known}, f"{os.path.basename(path)}: {known} packets, to "
                      + ", ".join(found), str(found))
        else:
            tap.skip("capinfos, tcpdump and tshark are not installed")


def check_json(tap):
    """An object a packet, which together say what `weir trace` says."""
    wrong = []
    for name in names():
        known = facts(kept(name))
        packets = [json.loads(line) for line in
                   run(WEIR, "dump", "--json", "-r", kept(name)).stdout.decode().splitlines()]
        octets = sum(packet.get("length", 0) for packet in packets)
        syns = sum("S" in packet.get("flags", "") for packet in packets)
        want = sum(end["octets"] for flow in known["flows"] for end in flow["ends"])
        if len(packets) != known["packets"] or octets != want or not syns:
            wrong.append(f"{name}: {len(packets)} packets, {octets} octets, {syns} SYNs, not {want}")
    tap.check(not wrong, "dump --json: an object a packet, with the same octets", *wrong)


# ---- Damage and escaping ----

def check_damage(tap, scratch):
    with open(plain(scratch, "mix"), "rb") as file:
        good = file.read()
    cases = (("empty", b"", "the file is empty"), ("no capture", b"hello, world\n" * 9, "neither"),
             ("cut", good[:-7], "ends within a packet"),
             ("huge", good[:32] + b"\xff\xff\xff\x7f" + good[36:], "cannot be that long"),
             ("gzip cut", gzip.compress(good)[:-30], "damaged"),
             ("link", good[:20] + b"\x93\0\0\0" + good[24:], "not understood"))
    for what, octets, line in cases:
        path = os.path.join(scratch, "damaged")
        with open(path, "wb") as file:
            file.write(octets)
        done = run(WEIR, "trace", path)
        lines = done.stderr.decode().splitlines()
        tap.check(line in "".join(lines) and len(lines) == 1 and done.returncode in (0, 1),
                  f"{what}: one line, exit code {done.returncode}", *lines)


def check_escaping(tap, scratch):
    """A comment is text of somebody else."""
    comment = b"\x1b]0;title\x07<script>alert(1)</script>"
    path = os.path.join(scratch, "comment.pcapng")
    syn = bytes.fromhex("450000280001000040060000c0000201c000020203e80050000000010000000050020400"
                        "00000000")

    def block(kind, body):
        size = 12 + len(body)
        return kind.to_bytes(4, "little") + size.to_bytes(4, "little") + body + \
            size.to_bytes(4, "little")

    padded = comment + b"\0" * (-len(comment) % 4)
    option = b"\1\0" + len(comment).to_bytes(2, "little") + padded + b"\0\0\0\0"
    with open(path, "wb") as file:
        file.write(block(0x0a0d0d0a, b"\x4d\x3c\x2b\x1a\1\0\0\0" + b"\xff" * 8))
        file.write(block(1, b"\x65\0\0\0\0\0\0\0"))
        file.write(block(6, b"\0" * 12 + b"\x28\0\0\0\x28\0\0\0" + syn + option))
    for command in (("dump", "-r", path), ("trace", "--ladder", path),
                    ("trace", "--html", "-", path)):
        out = run(WEIR, *command).stdout
        mark = b"&lt;script" if "--html" in command else b"\\x1b]0;title\\x07"
        tap.check(b"\x1b" not in out and mark in out and
                  ("--html" not in command or b"<script>alert" not in out),
                  f"{' '.join(command[:2])} escapes what a file says")


# ---- Pictures ----

def check_pictures(tap):
    for name in ("random-loss-3pct.client", "simultaneous-open-close.client", "mix"):
        bad = []
        for picture in PICTURES:
            done = run(WEIR, "trace", f"--{picture}", "--svg", "-", kept(name))
            try:
                document = xml.dom.minidom.parseString(done.stdout)
                marks = sum(len(document.getElementsByTagName(tag))
                            for tag in ("path", "rect", "circle"))
                if marks < 4 or "nan" in done.stdout.decode():
                    bad.append(f"{picture}: {marks} marks")
            except xml.parsers.expat.ExpatError as error:
                bad.append(f"{picture}: {error}")
        tap.check(not bad, f"{name}: {len(PICTURES)} pictures, all of them XML", *bad)
    text = run(WEIR, "trace", "--tsg", "--xpl", "-", kept("random-loss-3pct.client")).stdout
    lines = text.decode().splitlines()
    tap.check(lines[0] == "timeval unsigned" and lines[-1] == "go" and lines.count("R") == 20,
              "xplot's file marks 20 retransmissions")
    for name in ("simultaneous-open-close.client", "syn-lost-once.client",
                 "final-ack-lost-server-speaks-first.server"):
        done = run(WEIR, "trace", "--ladder", "--ascii", kept(name)).stdout.decode()
        with open(os.path.join(FOLDER, name + ".ladder"), encoding="utf-8") as file:
            want = file.read()
        tap.check(done == want, f"the ladder of {name} is the kept one", *done.splitlines())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.classes, self.outside, self.data, self.within = [], [], "", False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "svg":
            self.classes.append(attrs["class"].split()[1])
        self.outside += [value for key, value in attrs.items() if key in ("src", "href") and
                         not value.startswith(("#", "data:"))]
        self.within = attrs.get("id") == "data"

    def handle_data(self, data):
        if self.within:
            self.data += data


def check_report(tap, scratch):
    path = os.path.join(scratch, "report.html")
    run(WEIR, "trace", "--html", path, kept("mix"))
    page = Page()
    with open(path, encoding="utf-8") as file:
        page.feed(file.read())
    tap.check(set(page.classes) == set(PICTURES), "the report has every picture", *page.classes)
    tap.check(not page.outside, "and needs nothing from elsewhere", *page.outside)
    tap.check(len(json.loads(page.data)["flows"]) == 3, "and the facts")
    chromium = shutil.which("chromium")
    if not chromium:
        tap.skip("chromium is not installed")
        return
    probe = ("<script>addEventListener('error',e=>document.title='error '+e.message);</script>"
             "</head>")
    find = ("<script>find.value='7000';find.dispatchEvent(new Event('input'));"
            "const rows=[...document.querySelectorAll('tr[data-flow]')].filter(r=>!r.hidden);"
            "rows[0].click();document.title=[document.title,rows.length,"
            "document.getElementById('flow-'+rows[0].dataset.flow).open,"
            "document.documentElement.scrollWidth<=innerWidth].join(' ');</script></body>")
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("</head>", probe, 1).replace("</body>", find, 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    done = run(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900",
               f"--user-data-dir={scratch}/chromium", "--dump-dom", "file://" + path)
    title = re.search(r"<title>([^<]*)</title>", done.stdout.decode())
    tap.check(title and title.group(1) == "weir trace 1 true true",
              "Chromium, as wide as a telephone: no error, a flow is found and opens, nothing sticks"
              " out", title and title.group(1))


LIVE = """
ip link set lo up && exec python3 - "$1" <<'END'
import socket, subprocess, sys
dump = subprocess.Popen([sys.argv[1], "dump", "-n", "-i", "lo", "tcp", "port", "9000"],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
dump.stderr.readline()  # it listens
server = socket.create_server(("127.0.0.1", 9000))
client = socket.create_connection(("127.0.0.1", 9000))
lines = [dump.stdout.readline().decode() for _ in range(3)]
dump.send_signal(2)  # nothing passes now
print(dump.wait(timeout=10), *[line.split("Flags ")[1].split(",")[0] for line in lines])
END
"""


def check_live(tap):
    """In a network namespace of its own, where that may be made."""
    if run("unshare", "-n", "true").returncode != 0:
        tap.skip("no right to make a network namespace")
        return
    done = run("unshare", "-n", "bash", "-c", LIVE, "bash", WEIR)
    tap.check(done.stdout == b"0 [S] [S.] [.]\n",
              "live: a handshake as it passes; a signal ends it", done.stdout, done.stderr)


def main():
    tap = Tap()
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        check_facts(tap)
        check_both_ends(tap)
        check_tcpdump(tap, scratch)
        check_tcptrace(tap, scratch)
        check_written(tap, scratch)
        check_json(tap)
        check_damage(tap, scratch)
        check_escaping(tap, scratch)
        check_pictures(tap)
        check_report(tap, scratch)
    check_live(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
