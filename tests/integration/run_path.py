#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weir ping, traceroute, mtr, pathping, dig and nslookup: along a chain of namespaces, and against
a name server of the test's own.

    run_path.py [--build DIR] [--write]

    near -- r1 -- r2 (limits its ICMP) -- r3 (never says a word of its own) -- far

What ping, traceroute and mtr of the system say must be what ours say, where they are installed;
tests/golden/sight holds what ours say in all, times aside (--write makes it anew).
Needs root, for network namespaces; says so and skips otherwise.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.path.insert(0, HERE)
from tap import Tap  # noqa: E402
import screen  # noqa: E402
import sight_golden  # noqa: E402

LIMIT = 30
FAR = {4: "10.9.4.2", 6: "fd09:4::2"}
HOPS = {4: ["10.9.1.2", "10.9.2.2", "10.9.3.2", "10.9.4.2"],
        6: ["fd09:1::2", "fd09:2::2", "fd09:3::2", "fd09:4::2"]}
ELSEWHERE = {4: "10.9.5.1", 6: "fd09:5::1"}  # of the near end; only r1 knows the way back
NOWHERE = {4: "10.9.4.99", 6: "fd09:4::99"}
DNS = ("10.9.4.2", "5353")
TRIES = 5  # a busy machine's hops answer late now and then, which mtr says
GRACE = "1"  # seconds that mtr waits for the last answers, here where all are near
FOREVER = 600000  # ms between ICMP errors of the router that limits them


class Lab:
    """The chain, its names unique to this process."""

    def __init__(self, build):
        self.weir = os.path.join(build, "weir")
        self.spaces = [f"path{os.getpid()}{name}" for name in ("near", "r1", "r2", "r3", "far")]
        self.children = []
        for space in self.spaces:
            self.ip("netns", "add", space)
            self.ip("-n", space, "link", "set", "lo", "up")
            self.sysctl(space, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                        "net.ipv6.conf.default.accept_dad=0", "net.ipv4.icmp_ratelimit=0",
                        "net.ipv6.icmp.ratelimit=0", "net.ipv4.ping_group_range=1 0")
        for i in range(4):
            self.link(i)
        for family, address in ELSEWHERE.items():
            self.ip("-n", self.spaces[0], "addr", "add", address, "dev", "lo")
            self.ip("-n", self.spaces[1], "route", "add", address, "via",
                    HOPS[family][0].removesuffix("2") + "1")

    def link(self, i):
        left, right = self.spaces[i], self.spaces[i + 1]
        self.ip("-n", left, "link", "add", "right", "type", "veth", "peer", "name", "left", "netns", right)
        for space, device, last in ((left, "right", 1), (right, "left", 2)):
            self.ip("-n", space, "addr", "add", f"10.9.{i + 1}.{last}/24", "dev", device)
            self.ip("-n", space, "addr", "add", f"fd09:{i + 1}::{last}/64", "dev", device, "nodad")
            self.ip("-n", space, "link", "set", device, "up")
        self.ip("-n", left, "route", "add", "default", "via", f"10.9.{i + 1}.2")
        self.ip("-n", left, "-6", "route", "add", "default", "via", f"fd09:{i + 1}::2")
        for j in range(i):
            self.ip("-n", right, "route", "add", f"10.9.{j + 1}.0/24", "via", f"10.9.{i + 1}.1")
            self.ip("-n", right, "-6", "route", "add", f"fd09:{j + 1}::/64", "via", f"fd09:{i + 1}::1")

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)

    @staticmethod
    def sysctl(space, *settings):
        subprocess.run(["ip", "netns", "exec", space, "sysctl", "-qw", *settings], check=True)

    def run(self, *words, **more):
        return subprocess.run(["ip", "netns", "exec", self.spaces[0], *words], capture_output=True,
                              text=True, timeout=LIMIT, check=False, **more)

    def tool(self, *words):
        return self.run(self.weir, *words)

    def limit_r2(self, on):
        """As good as for ever, once the first few are spent; the limit counts for each receiver."""
        self.sysctl(self.spaces[2], f"net.ipv4.icmp_ratelimit={FOREVER if on else 0}",
                    f"net.ipv6.icmp.ratelimit={FOREVER if on else 0}")

    def silence_r3(self, on):
        """What r3 itself would say to the near end is forbidden; what it forwards is not."""
        for family, net in (("-4", "10.9.1.0/24"), ("-6", "fd09:1::/64")):
            self.ip(family, "-n", self.spaces[3], "rule", "add" if on else "del", "iif", "lo", "to",
                    net, "prohibit")

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)


# ---- ping ----

def check_ping(tap, lab, family):
    far = FAR[family]
    done = lab.tool("ping", "-n", "-c", "3", "-i", "0.05", far)
    lines = [line for line in done.stdout.splitlines() if "bytes from" in line]
    tap.check(done.returncode == 0 and len(lines) == 3 and "3 received, 0% packet loss" in done.stdout,
              f"ping {far}: three answers", done.stdout, done.stderr)
    tap.check("jitter" in done.stdout and "ttl 61: 3 hops back" in done.stdout and
              "a guess" in done.stdout, "with jitter, the hops it suggests, and the caveat", done.stdout)
    if shutil.which("ping"):
        shape = re.compile(r"time=[\d.]+")
        theirs = lab.run("ping", "-n", "-c", "3", "-i", "0.05", far).stdout
        theirs = [shape.sub("time=", line) for line in theirs.splitlines() if "bytes from" in line]
        tap.check([shape.sub("time=", line) for line in lines] == theirs,
                  f"in the words of ping, IPv{family}", *lines, "theirs:", *theirs)
    else:
        tap.skip("ping is not installed")
    done = lab.tool("ping", "-c", "1", "-t", "2", "-W", "1", far)
    tap.check(done.returncode == 1 and f"From {HOPS[family][1]} icmp_seq=1 Time" in done.stdout and
              "100% packet loss" in done.stdout, "ping -t 2: who let it run out", done.stdout)
    done = lab.tool("ping", "-c", "1", "-M", "do", "-s", "3000", "-W", "1", far)
    tap.check(done.returncode == 1 and "mtu" in done.stdout, "ping -M do: too long", done.stdout)
    done = lab.tool("ping", "-c", "2", "-i", "0.05", "-s", "3000", "-q", far)
    tap.check(done.returncode == 0 and "bytes from" not in done.stdout and "2 received" in done.stdout,
              "ping -q: in fragments, only the summary", done.stdout)
    began = time.monotonic()
    done = lab.tool("ping", "-w", "0.5", "-D", "-i", "0.1", far)
    tap.check(time.monotonic() - began < LIMIT and re.search(r"^\[\d+\.\d{6}\] ", done.stdout, re.M),
              "ping -w ends by itself, -D has the time", done.stdout)
    facts = json.loads(lab.tool("ping", "-j", "-c", "2", "-i", "0.05", far).stdout)
    tap.check(facts["received"] == 2 and facts["ttl"] == 61 and facts["hops_back_guessed"] == 3 and
              len(facts["replies"]) == 2, "ping -j is JSON", str(facts))


# ---- traceroute ----


def addresses(facts):
    return [sorted({probe["address"] for probe in hop["probes"] if "address" in probe})
            for hop in facts["hops"]]


def check_traceroute(tap, lab, family):
    far, hops = FAR[family], HOPS[family]
    for how in ("-U", "-I", "-T"):
        facts = json.loads(lab.tool("traceroute", "-n", "-j", how, far).stdout)
        tap.check(addresses(facts) == [[hop] for hop in hops] and facts["reached"],
                  f"traceroute {how} {far}: the hops", str(facts))
        if not shutil.which("traceroute"):
            tap.skip("traceroute is not installed")
            continue
        shape = re.compile(r"\d+\.\d+ ms")
        theirs = lab.run("traceroute", "-n", "-q", "1", "-w", "1", how, far).stdout
        ours = lab.tool("traceroute", "-n", "-q", "1", how, far).stdout
        words = [[shape.sub("ms", line).split() for line in text.splitlines()[1:]]
                 for text in (theirs, ours)]
        tap.check(words[0] == words[1] and words[0], f"as traceroute {how} has it", theirs, ours)
    facts = json.loads(lab.tool("traceroute", "-n", "-j", "-q", "1", "-f", "2", "-m", "3", far).stdout)
    tap.check(addresses(facts) == [[hops[1]], [hops[2]]] and not facts["reached"],
              "traceroute -f 2 -m 3 -q 1: two hops", str(facts))
    facts = json.loads(lab.tool("traceroute", "-n", "-j", "-q", "1", "-w", "5", NOWHERE[family]).stdout)
    last = facts["hops"][-1]["probes"][0]
    tap.check(last.get("mark") == "!H" and last["address"] == hops[2] and not facts["reached"],
              "a host that is not there: !H, and who says it", str(facts))


def check_source(tap, lab, family):
    """Answers to an address that only r1 can answer show that the probes came from there."""
    far, hops, there = FAR[family], HOPS[family], ELSEWHERE[family]
    for how in ("-U", "-I", "-T"):
        facts = json.loads(lab.tool("traceroute", "-n", "-j", "-q", "1", "-w", "0.5", "-m", "2", how, "-s",
                                    there, "-i", "right", far).stdout)
        tap.check(addresses(facts) == [[hops[0]], []], f"traceroute {how} -s {there}", str(facts))
    facts = json.loads(lab.tool("mtr", "-n", "-j", "-c", "1", "-m", "2", "-G", "0.5", "-a", there, "-I", "right",
                                far).stdout)
    tap.check([hop["addresses"] for hop in facts["hops"]] == [[hops[0]], []], f"mtr -a {there}", str(facts))
    done = lab.tool("traceroute", "-n", "-w", "0.3", "-m", "1", "-i", "lo", far)
    tap.check(hops[0] not in done.stdout, "traceroute -i lo: nobody there hears it", done.stdout)
    for words, said in ((["-i", "none"], "none: No such device"),
                        (["-s", far], f"{far}: Cannot assign"), (["-s", FAR[10 - family]], "family")):
        done = lab.tool("traceroute", "-n", *words, far)
        tap.check(done.returncode != 0 and said in done.stderr and done.stderr.count("\n") == 1,
                  f"traceroute {' '.join(words)} {far}: a line that says why", done.stdout, done.stderr)


# ---- mtr ----

def findings(facts):
    return [(one["finding"], one.get("ttl")) for one in facts["findings"]]


def mtr(lab, far, *words):
    done = lab.tool("mtr", "-n", "-j", *words, far)
    return json.loads(done.stdout)


def check_mtr(tap, lab, family):
    far, hops = FAR[family], HOPS[family]
    for _ in range(TRIES):
        facts = mtr(lab, far, "-c", "4", "-i", "0.1", "-G", GRACE)
        if findings(facts) == [("clean", 4)]:
            break
    tap.check([hop["addresses"] for hop in facts["hops"]] == [[hop] for hop in hops] and
              all(hop["sent"] == hop["received"] == 4 for hop in facts["hops"]) and
              findings(facts) == [("clean", 4)], f"mtr {far}: four hops, no loss", str(facts))
    for how in ("-u", "-T"):
        facts = mtr(lab, far, how, "-c", "2", "-i", "0.1", "-G", GRACE)
        tap.check([hop["addresses"] for hop in facts["hops"]] == [[hop] for hop in hops],
                  f"mtr {how}: the same", str(facts))
    if shutil.which("mtr"):
        shape = re.compile(r"^ +(\d+)\.\|-- (\S+) +([\d.]+)% +(\d+)", re.M)
        theirs = shape.findall(lab.run("mtr", "-n", "-r", "-c", "2", "-i", "0.2", far).stdout)
        ours = shape.findall(lab.tool("mtr", "-n", "-r", "-c", "2", "-i", "0.2", far).stdout)
        tap.check(theirs == ours and len(ours) == 4, "as mtr has it", str(theirs), str(ours))
    else:
        tap.skip("mtr is not installed")


def check_limits(tap, lab, family):
    """r2 answers a few probes and then no more; r3 none. Both forward all."""
    facts = mtr(lab, FAR[family], "-c", "20", "-i", "0.1", "-G", GRACE)
    # On a busy machine r1 may answer late now and then, which is told, too.
    found = [one for one in findings(facts) if one != ("slow-answer", 1)]
    limited = [finding for finding, ttl in found if ttl == 2]
    tap.check(limited in (["rate-limited"], ["hidden"]) and ("hidden", 3) in found and len(found) == 2,
              f"IPv{family}: a hop that limits its answers and one that is silent are no faults",
              str(found), str(facts["hops"]))
    tap.check(facts["hops"][3]["received"] == 20, "since all probes reach the host", str(facts["hops"]))


def check_words(tap, lab):
    done = lab.tool("mtr", "-n", "-r", "-c", "8", "-i", "0.1", "-G", GRACE, FAR[4])
    tap.check("No fault." in done.stdout and "Hop 3 never answers" in done.stdout,
              "mtr -r says so in words", done.stdout)
    done = lab.tool("pathping", "-n", "-q", "2", "-p", "100", "-w", "1000", FAR[4])
    tap.check(done.returncode == 0 and "Windows" in done.stdout.splitlines()[0] and
              "Hop 3 never answers" in done.stdout, "pathping explains itself, and does it", done.stdout)


def check_loss(tap, lab, family):
    """In r2 about half of all packets vanish: loss that goes on to the end."""
    kind = ["-6"] if family == 6 else []
    net = f"{FAR[family]}/{128 if family == 6 else 32}"
    done = threading.Event()

    def toggle():
        for i in range(1000):
            if done.wait(0.13 if i % 2 else 0.17):
                break
            lab.ip(*kind, "-n", lab.spaces[2], "route", "del" if i % 2 else "add",
                   *(["blackhole"] if not i % 2 else []), net)

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        facts = mtr(lab, FAR[family], "-c", "40", "-i", "0.1", "-G", GRACE)
    finally:
        done.set()
        thread.join()
        subprocess.run(["ip", *kind, "-n", lab.spaces[2], "route", "del", "blackhole", net],
                       stderr=subprocess.DEVNULL, check=False)
    found = findings(facts)
    losses = [hop["loss"] for hop in facts["hops"]]
    tap.check(losses[0] == 0 and 0.2 < losses[-1] < 0.8 and ("path-loss", 2) in found,
              f"IPv{family}: loss that begins at r2 and stays is loss of the path", str(found),
              str(losses))
    text = [one["text"] for one in facts["findings"] if one["finding"] == "path-loss"]
    tap.check(text and "begins at hop 2" in text[0], "and the words say where", *text)


def live_mtr(lab, hang_up=signal.SIG_DFL):
    return screen.start(["ip", "netns", "exec", lab.spaces[0], lab.weir, "mtr", "-n", "-i", "0.2",
                         "-G", GRACE, FAR[4]], 24, 80, hang_up)


def check_screen(tap, lab):
    seen, asked, status = screen.play(*live_mtr(lab), [(b"No loss", b"q")], LIMIT)
    tap.check(asked and status == 0 and FAR[4].encode() in seen and b"HOST:" in seen,
              "mtr live: the screen fills, q ends it, and the table stays", repr(seen[-300:]))


def check_gone(tap, lab):
    """The terminal goes away, and nobody hears the hang-up."""
    pid, terminal = live_mtr(lab, hang_up=signal.SIG_IGN)
    os.read(terminal, 1)
    os.close(terminal)
    end, ended = time.monotonic() + LIMIT, 0
    while not ended and time.monotonic() < end:
        ended, _ = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    if not tap.check(ended, "mtr live ends with its terminal"):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# ---- Names ----

def check_dns(tap, lab):
    server = subprocess.Popen(["ip", "netns", "exec", lab.spaces[4], sys.executable,
                               os.path.join(HERE, "path_dns.py"), *DNS], stdout=subprocess.PIPE, text=True)
    lab.children.append(server)
    if not tap.check(server.stdout.readline() == "ready\n", "a name server"):
        return
    ask = ["dig", "@" + DNS[0], "-p", DNS[1]]
    short = {("a.test",): "192.0.2.7\n", ("a.test", "AAAA"): "2001:db8::7\n",
             ("a.test", "MX"): "10 mail.a.test.\n20 b.test.\n",
             ("alias.test",): "a.test.\n192.0.2.7\n",
             ("_sip.a.test", "SRV"): "1 2 5060 a.test.\n",
             ("a.test", "SOA"): "ns.a.test. root.a.test. 1 2 3 4 5\n",
             ("a.test", "TXT"): '"v=spf1 -all" "two"\n"quote \\" and \\027[31mred"\n',
             ("-x", "192.0.2.7"): "a.test.\n"}
    for words, wanted in short.items():
        ours = lab.tool(*ask, *words, "+short")
        tap.check(ours.stdout == wanted and ours.returncode == 0, f"dig {' '.join(words)} +short",
                  ours.stdout, ours.stderr)
        if shutil.which("dig"):
            theirs = lab.run(*ask, *words, "+short", "+noedns", "+nocookie").stdout
            tap.check(theirs == wanted, "as dig has it", theirs)
    full = lab.tool(*ask, "a.test").stdout
    tap.check("status: NOERROR" in full and "a.test.\t\t\t300\tIN\tA\t192.0.2.7" in full and
              "flags: qr aa rd ra" in full, "dig in full", full)
    for words in (["+noall", "+answer"], ["+nocomments", "+nostats", "+nocmd"]):
        ours, quiet = lab.tool(*ask, "a.test", *words).stdout, ["+noedns", "+nocookie"]
        wanted = lab.run(*ask, "a.test", *words, *quiet).stdout if shutil.which("dig") else ours
        tap.check("a.test.\t\t\t300" in ours and ours.strip() == wanted.strip(),
                  f"dig {' '.join(words)}", ours, wanted)
    for asked, status in (("no.test", "NXDOMAIN"), ("servfail.test", "SERVFAIL")):
        done = lab.tool(*ask, asked)
        tap.check(done.returncode == 0 and f"status: {status}" in done.stdout, f"dig: {status}",
                  done.stdout, done.stderr)
    facts = json.loads(lab.tool(*ask, "-j", "long.test", "TXT").stdout)
    tap.check(facts["over"] == "TCP" and not facts["truncated"] and len(facts["records"]) == 10,
              "a truncated answer is asked for again over TCP", str(facts))
    facts = json.loads(lab.tool(*ask, "-j", "a.test", "+tcp").stdout)
    tap.check(facts["over"] == "TCP" and facts["status"] == "NOERROR", "dig +tcp", str(facts))
    done = lab.tool(*ask, "silent.test", "+time=1", "+tries=1")
    tap.check(done.returncode == 1 and "no answer in time" in done.stderr and not done.stdout,
              "dig: silence", done.stderr)
    done = lab.tool(*ask, "damaged.test")
    tap.check(done.returncode == 1 and "damaged" in done.stderr, "dig: a damaged answer", done.stderr)
    check_nslookup(tap, lab)


def check_nslookup(tap, lab):
    ask = ["nslookup", "-port=" + DNS[1]]
    for words in (["a.test"], ["alias.test"], ["192.0.2.7"], ["-type=mx", "a.test"], ["no.test"],
                  ["-type=txt", "no.test"]):
        ours = lab.tool(*ask, *words, DNS[0])
        tap.check(words[0][0].isdigit() or
                  ours.stdout.startswith(f"Server:\t\t{DNS[0]}\nAddress:\t{DNS[0]}#{DNS[1]}\n"),
                  f"nslookup {' '.join(words)}", ours.stdout, ours.stderr)
        if shutil.which("nslookup"):
            theirs = lab.run(*ask, *words, DNS[0])
            tap.check(theirs.stdout.split() == ours.stdout.split() and
                      bool(theirs.returncode) == bool(ours.returncode), "as nslookup has it",
                      theirs.stdout, "ours:", ours.stdout)
    facts = json.loads(lab.tool(*ask, "-json", "a.test", DNS[0]).stdout)
    tap.check(sorted(one["data"] for one in facts["records"]) == ["192.0.2.7", "2001:db8::7"] and
              facts["status"] == "NOERROR", "nslookup -json", str(facts))


GOLDEN = (
    ("ping", ["ping", "-n", "-c", "3", "-i", "0.05", FAR[4]]),
    ("ping6", ["ping", "-n", "-c", "3", "-i", "0.05", FAR[6]]),
    ("ping-ttl", ["ping", "-n", "-c", "1", "-t", "2", "-W", "0.3", FAR[4]]),
    ("traceroute", ["traceroute", "-n", "-q", "1", FAR[4]]),
    ("traceroute-icmp", ["traceroute", "-n", "-q", "1", "-I", FAR[6]]),
    ("traceroute-tcp", ["traceroute", "-n", "-q", "1", "-T", FAR[4]]),
    ("mtr", ["mtr", "-n", "-r", "-c", "2", "-i", "0.2", FAR[4]]),
    ("pathping", ["pathping", "-n", "-q", "2", "-p", "100", FAR[4]]),
    ("dig", ["dig", "@" + DNS[0], "-p", DNS[1], "a.test", "MX"]),
    ("dig-nxdomain", ["dig", "@" + DNS[0], "-p", DNS[1], "no.test"]),
    ("nslookup", ["nslookup", "-port=" + DNS[1], "a.test", DNS[0]]),
)


def check_golden(tap, lab, write):
    """All that they print, but for times, sizes that hang on them, and a query's number."""
    for name, words in GOLDEN:
        text = lab.tool(*words).stdout
        text = re.sub(r"(?m)\d+(\.\d+)? ?(us|ms|s|msec)\b|(?<= )\d+\.\d+(?= |$)", "TIME", text)
        text = re.sub(r"\d+\.\d+/\S+", "TIMES", text)
        text = re.sub(r"(id: |WHEN: |^Start: |^HOST: ).*", r"\1...", text, flags=re.M)
        if "|--" in text:  # the verdict hangs on how busy the machine is
            text = re.sub(r"(?s)(.*\|--[^\n]*\n).*", r"\1", text)
        lines = (" ".join(line.split()) for line in text.splitlines() if line.strip())
        sight_golden.compare(tap, "path-" + name, "\n".join(lines) + "\n",
                             f"weir {' '.join(words)}", write)


def check_bad(tap, lab):
    for words in (["ping"], ["ping", "-c", "0", "x"], ["traceroute", "-q", "0", "x"], ["mtr", "--nonsense"],
                  ["pathping", "-h", "0", "x"], ["dig", "+nonsense", "x"], ["nslookup", "-nonsense", "x"]):
        done = lab.tool(*words)
        tap.check(done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout,
                  f"weir {' '.join(words)}: exit status 2", done.stderr)


def check_all(tap, lab, write):
    for family in (4, 6):
        check_ping(tap, lab, family)
        check_traceroute(tap, lab, family)
        check_source(tap, lab, family)
        check_mtr(tap, lab, family)
        check_loss(tap, lab, family)
    check_screen(tap, lab)
    check_gone(tap, lab)
    check_dns(tap, lab)
    check_golden(tap, lab, write)
    check_bad(tap, lab)
    lab.limit_r2(True)
    lab.silence_r3(True)
    for family in (4, 6):
        check_limits(tap, lab, family)
    check_words(tap, lab)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        tap.skip("needs root and network namespaces")
        return tap.done()
    lab = Lab(os.path.abspath(options.build))
    try:
        check_all(tap, lab, options.write)
    finally:
        lab.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
