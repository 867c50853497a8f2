#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The socket API, call by call: the kernel against a record of it, and `weir run` against both.

    tests/differential/run.py [--build DIR] [--only PATTERN] [--keep DIR] [--recorded]
    tests/differential/run.py --record       write linux.txt anew
    tests/differential/run.py --document     write docs/differences.md anew

The transcript program plays its cases on the kernel twice (they must agree, or a case depends on
chance), and the result is compared with linux.txt; kernels may differ where tolerance.txt says.
Then it plays them under `weir run`, and every line must be the kernel's or stand in known.txt; what
stands there and no longer happens is a failure, too. The subject and its peer are in two network
namespaces, joined by a veth pair or by weird's TAP. Prints TAP; runs as root, or in a user namespace.
"""

import argparse
import faulthandler
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from tap import Tap  # noqa: E402

RECORD = os.path.join(HERE, "linux.txt")
KNOWN = os.path.join(HERE, "known.txt")
OPTIONS_KNOWN = os.path.join(HERE, "options_known.txt")
TOLERANCE = os.path.join(HERE, "tolerance.txt")
DOCUMENT = os.path.join(ROOT, "docs", "differences.md")
CASES = [os.path.join(HERE, "cases", f"{name}.txt")
         for name in ("close", "open", "process", "data", "options", "udp")]
KNOWN_MAX = 20
STEP_SECONDS, PLAY_SECONDS, ALL_SECONDS = 60, 600, 2400  # for what hangs
WEIR_SETTLE_MS = 40  # an effect passes through the daemon and back
WEIR_JOBS = {"plain": 32, "exact": 24}  # at the same time; more would need a longer settling
AGAIN_MAX = 100  # cases that are played once more, slowly: a busy machine needs longer than that
AGAIN_OPTIONS = ("--settle", "400", "--jobs", "8")
TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "sysctl")
SUBJECT = ("10.77.0.1", "fd77::1")
PEER = ("10.77.0.2", "fd77::2")
HEAD = re.compile(r"^\[(\S+?):? ([^\]]+)\] ?(.*)$")


# ---- Transcripts ----

class Block:
    def __init__(self, title, lines):
        self.title, self.lines = title, lines


def parse(text):
    """{(case, variant): Block}, in order; a head may name several variants."""
    blocks, lines = {}, []
    for line in text.splitlines():
        head = HEAD.match(line)
        if head:
            lines = []
            for variant in head.group(2).split():
                blocks[head.group(1), variant] = Block(head.group(3), lines)
        elif line and not line.startswith("#"):
            lines.append(line)
    return blocks


def fold(blocks):
    """The text of blocks, where variants of one case that say the same are said once."""
    groups = {}
    for (case, variant), block in blocks.items():
        groups.setdefault((case, block.title, tuple(block.lines)), []).append(variant)
    return "\n".join(f"[{case}: {' '.join(variants)}] {title}".rstrip() + "\n" +
                     "".join(f"{line}\n" for line in lines)
                     for (case, title, lines), variants in groups.items())


# ---- Rules: known differences and tolerances ----

class Rule:
    def __init__(self, text, always=True, mode=""):
        self.always = always  # or it depends on who is faster, and need not happen
        self.mode = mode  # "": with --exact and without
        fields = [field.strip() for field in text.split("|")]
        if len(fields) != 3:
            raise ValueError(f"a rule has three fields: {text}")
        self.case, self.expected, self.found = fields
        self.used = 0

    def explains(self, key, expected, found):
        """A '*' stands for anything; "-" for a line that is not there."""
        matches = fnmatch.fnmatchcase
        return (matches(" ".join(key), self.case) and matches(expected, self.expected) and
                matches(found, self.found))


class Difference:
    def __init__(self, name):
        self.name, self.title, self.reason, self.rules = name, "", "", []


def rules_of(path):
    """The entries of a file of differences. Text after `reason` goes on in indented lines."""
    entries = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            word, _, rest = line.strip().partition(" ")
            if not word or word.startswith("#"):
                continue
            if word == "difference":
                entries.append(Difference(rest))
            elif not entries:
                raise ValueError(f"{path}:{number}: no entry has begun")
            elif word == "title":
                entries[-1].title = rest
            elif word == "reason":
                entries[-1].reason = rest
            elif word.partition(".")[0] in ("rule", "sometimes"):
                always, _, mode = word.partition(".")
                if mode not in ("", "plain", "exact"):
                    raise ValueError(f"{path}:{number}: {word}?")
                entries[-1].rules.append(Rule(rest, always == "rule", mode))
            elif line.startswith(" "):
                entries[-1].reason += " " + line.strip()
            else:
                raise ValueError(f"{path}:{number}: {word}?")
    return entries


def explained(entries, key, expected, found):
    """Whether some rule explains this pair of lines; all that do count as used."""
    hits = [rule for entry in entries for rule in entry.rules
            if rule.explains(key, expected, found)]
    for rule in hits:
        rule.used += 1
    return bool(hits)


def pairs(expected, found):
    """The lines that differ. The script is the same, so line n answers line n."""
    for i in range(max(len(expected), len(found))):
        pair = tuple(lines[i] if i < len(lines) else "-" for lines in (expected, found))
        if pair[0] != pair[1]:
            yield pair


def unexplained(key, expected, found, entries):
    """What to print about a block, or nothing."""
    if expected is None or found is None:
        missing = "recorded" if expected is None else "played"
        return [f"[{' '.join(key)}] was not {missing}"]
    said = []
    for left, right in pairs(expected.lines, found.lines):
        if not explained(entries, key, left, right):
            said += [f"[{' '.join(key)}] {expected.title}", f"  expected: {left}",
                     f"  found:    {right}"]
    return said


def unlisted(expected, found, entries):
    """The pairs of lines that no rule explains, each once, with the cases: where to begin."""
    cases = {}
    for key in (key for key in expected if key in found):
        for pair in pairs(expected[key].lines, found[key].lines):
            if not explained(entries, key, *pair):
                cases.setdefault(pair, []).append(" ".join(key))
    return "".join(f"{len(keys)}: {', '.join(keys[:6])}\n  Linux: {pair[0]}\n  weir:  {pair[1]}\n\n"
                   for pair, keys in cases.items())


def group_of(case):
    """Written cases one by one; of the sequences, those with the same first event together."""
    first = re.fullmatch(r"([a-z]+)\.[a-z]+\.[a-z]+", case)
    return f"sequences from {first.group(1)}" if first else case


def compare(tap, what, expected, found, entries):
    groups = {}
    for key in list(expected) + [key for key in found if key not in expected]:
        groups.setdefault(group_of(key[0]), []).append(key)
    for group, keys in groups.items():
        said = [line for key in keys
                for line in unexplained(key, expected.get(key), found.get(key), entries)]
        tap.check(not said, f"{what}: {group} ({len(keys)})", *said)


# ---- The document ----

def document(entries):
    text = ["# Differences from Linux", "",
            "Generated by `tests/differential/run.py --document` from `tests/differential/known.txt`, and",
            "`options_known.txt` beside it. Do not edit; the test compares.", "",
            "The test plays the same socket calls on the Linux kernel and under `weir run`, and compares",
            "what every call returned, `errno`, poll masks, `SO_ERROR`, what can be read, and TCP states at",
            "both ends. What is not listed here is the same in every case that is played; a difference",
            "that is not listed, and a listed one that no longer happens, fail the test. `options.py` does",
            "the same with every option number of every level.", ""]
    if not entries:
        text += ["No difference is recorded yet: the comparison with `weir run` has not been made."]
    text += ["What stands here holds for `weir run` as it is, and for `weir run --exact`, which catches reading and",
             "writing, too, where the last column says so. What remains under that:", ""]
    text += [f"- {entry.title.strip()}" for entry in entries if any(rule.mode != "plain" for rule in entry.rules)]
    text.append("")
    for entry in entries:
        moded = any(rule.mode for rule in entry.rules)
        text += [f"## {entry.title}", "", entry.reason, "",
                 "| case | Linux | weir |" + (" under `--exact` |" if moded else ""),
                 "|---|---|---|" + ("---|" if moded else "")]
        for rule in entry.rules:
            last = {"": "the same", "plain": "as Linux", "exact": "only there"}[rule.mode]
            text.append("| " + " | ".join(f"`{field}`" for field in
                                          (rule.case, rule.expected, rule.found)) +
                        (f" | {last} |" if moded else " |"))
        text.append("")
    return "\n".join(text).rstrip() + "\n"


def all_rules():
    return rules_of(KNOWN) + rules_of(OPTIONS_KNOWN)


def known(mode):
    """The differences of one mode; an entry without any is left out."""
    entries = rules_of(KNOWN)
    for entry in entries:
        entry.rules = [rule for rule in entry.rules if rule.mode in ("", mode)]
    return [entry for entry in entries if entry.rules]


def modes(args):
    if args.exact:
        return ("exact",)
    return ("plain",) if args.recorded else ("plain", "exact")


def check_document(tap):
    fresh = os.path.exists(DOCUMENT)
    if fresh:
        with open(DOCUMENT, encoding="utf-8") as file:
            fresh = file.read() == document(all_rules())
    tap.check(fresh, "docs/differences.md is what known.txt says",
              "write it anew: tests/differential/run.py --document")


# ---- Namespaces ----

def missing(args):
    """Why there can be no run here, or None."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"the program {tool} is missing"
    if not os.path.exists(transcript(args)):
        return f"{transcript(args)} is not built"
    said = subprocess.run(unshare() + ["true"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return "no namespaces for this user: " + " ".join(said.stdout.split()) if said.returncode else None


def unshare():
    """Whatever runs in these dies with unshare, which dies with us."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork",
               "--kill-child", "--mount-proc"]
    return command + ([] if os.geteuid() == 0 else ["--map-root-user"])


def transcript(args):
    return os.path.join(args.build, "tests", "differential", "transcript")


class Trouble(Exception):
    pass


def run(*command):
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, timeout=STEP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{' '.join(command)}: not done within {STEP_SECONDS} s") from None
    if said.returncode != 0:
        raise Trouble(f"{' '.join(command)}: {said.stdout.strip()}")
    return said.stdout


def until(holds, seconds, what):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Ground:
    """Two namespaces: ours, and the peer's, where the peer program waits."""

    def __init__(self, args, folder):
        self.args, self.folder, self.children = args, folder, []
        self.holder = self.start("unshare", "--net", "sleep", "infinity")
        self.pid = self.holder.pid
        until(lambda: self.namespace(self.pid) != self.namespace("self"), 20, "a second namespace")
        run("ip", "link", "set", "lo", "up")
        self.far("ip", "link", "set", "lo", "up")
        self.far("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                 "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        self.control = os.path.join(folder, "control")
        for name in ("control", "weird"):  # of an earlier run with the same --keep
            if os.path.exists(os.path.join(folder, name)):
                os.unlink(os.path.join(folder, name))

    @staticmethod
    def namespace(pid):
        return os.readlink(f"/proc/{pid}/ns/net")

    def start(self, *command, **more):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
        self.children.append(child)
        return child

    def inside(self, *command):
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", *command)

    def far(self, *command):
        return run(*self.inside(*command))

    def behind_the_peer(self):
        """Places beyond a router, which the peer is: one that it does not find within 50 ms, one
        that it prohibits, one that it has no route to."""
        self.far("ip", "link", "add", "beyond0", "type", "veth", "peer", "name", "beyond1")
        self.far("sysctl", "-qw", *[f"net.{ip}.neigh.beyond0.{setting}" for ip in ("ipv4", "ipv6")
                                    for setting in ("mcast_solicit=1", "retrans_time_ms=50")])
        self.far("ip", "address", "add", "198.51.100.254/24", "dev", "beyond0")
        self.far("ip", "address", "add", "2001:db8:be::fe/64", "dev", "beyond0", "nodad")
        for device in ("beyond0", "beyond1"):
            self.far("ip", "link", "set", device, "up")
        for kind, last in (("prohibit", 2), ("throw", 3)):
            self.far("ip", "route", "add", kind, f"198.51.100.{last}")
            self.far("ip", "-6", "route", "add", kind, f"2001:db8:be::{last}")

    def peer(self):
        self.start(*self.inside(transcript(self.args), "--serve", self.control,
                                *addresses(PEER, SUBJECT)))
        until(lambda: os.path.exists(self.control), 20, "the peer")

    def veth(self):
        run("ip", "link", "add", "weir0", "type", "veth", "peer", "name", "weir1", "netns",
            str(self.pid))
        for prefix, device, (four, six) in (((), "weir0", SUBJECT), (self.inside(), "weir1", PEER)):
            run(*prefix, "ip", "address", "add", f"{four}/24", "dev", device)
            run(*prefix, "ip", "address", "add", f"{six}/64", "dev", device, "nodad")
            run(*prefix, "ip", "link", "set", device, "up")
        run("ip", "route", "add", "198.51.100.0/24", "via", PEER[0])
        run("ip", "route", "add", "2001:db8:be::/64", "via", PEER[1])
        self.behind_the_peer()
        until(lambda: "tentative" not in run("ip", "-6", "address") + self.far("ip", "-6", "address"),
              20, "addresses")

    def play(self, *prefix, options=(), only=None):
        command = [*prefix, transcript(self.args), "--control", self.control,
                   *addresses(SUBJECT, PEER), "--sequences", *options, *CASES]
        if only or self.args.only:
            command += ["--only", only or f"@({self.args.only})"]
        with tempfile.TemporaryFile("w+", errors="replace") as out:
            child = self.start(*command, stdout=out)
            try:
                status = child.wait(timeout=PLAY_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                raise Trouble(f"not done within {PLAY_SECONDS} s") from None
            if status != 0:
                raise Trouble(f"{' '.join(command[:4])} ... exited with {status}")
            out.seek(0)
            return parse(out.read())

    def close(self):
        # The other namespace would go some time after its last process, and the device with it.
        try:
            run("ip", "link", "delete", "weir0")
        except Trouble:  # under weir run there is none
            pass
        for child in reversed(self.children):
            if child.poll() is None:
                child.kill()
            child.wait(timeout=STEP_SECONDS)


def addresses(own, peer):
    return [word for option, pair in (("--own", own), ("--peer", peer))
            for address in pair for word in (option, address)]


# ---- The runs ----

def kernel_run(args, folder, name, **how):
    """Plays once, in fresh namespaces."""
    began = time.monotonic()
    place = os.path.join(folder, name)
    os.makedirs(place, exist_ok=True)
    ground = Ground(args, place)
    try:
        ground.veth()
        ground.peer()
        blocks = ground.play(**how)
    finally:
        ground.close()
    with open(os.path.join(place, "transcript"), "w", encoding="utf-8") as file:
        file.write(fold(blocks))
    print(f"# {name}: {len(blocks)} blocks, {time.monotonic() - began:.1f} s", flush=True)
    return blocks


def kernel_runs(args, tap, folder):
    """Plays twice, and slowly what differs then; returns the first transcript."""
    first, second = (kernel_run(args, folder, f"kernel{i}") for i in (1, 2))
    again = [" ".join(key) for key in first if unexplained(key, first[key], second.get(key), [])]
    if 0 < len(again) <= AGAIN_MAX:
        print(f"# once more, slowly: {', '.join(again)}", flush=True)
        for i, blocks in enumerate((first, second), 1):
            blocks.update(kernel_run(args, folder, f"kernel{i}.again", options=AGAIN_OPTIONS,
                                     only=f"@({'|'.join(again)})"))
    said = [line for key in first for line in unexplained(key, first[key], second.get(key), [])]
    tap.check(first and not said, f"the kernel says the same twice ({len(first)} blocks)", *said)
    hung = [f"[{' '.join(key)}]" for key, block in first.items()
            if any(re.search(r"HANGS|BROKEN|ENDED BY|= no answer", line) for line in block.lines)
            and key[0] not in MAY_DIE]
    tap.check(not hung, "no case hangs or breaks on the kernel", *hung)
    return first


# Cases in which a process is meant to die, and then does not answer.
MAY_DIE = ("A6.write", "C5", "C5.fresh", "H5.closed")


def record(blocks):
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write(f"# Linux {os.uname().release.split('-')[0]}, written by run.py --record.\n\n")
        file.write(fold(blocks))


def recorded(args):
    with open(RECORD, encoding="utf-8") as file:
        blocks = parse(file.read())
    return {key: block for key, block in blocks.items()
            if not args.only or any(fnmatch.fnmatchcase(" ".join(key), pattern)
                                    for pattern in args.only.split("|"))}


def no_weir(args):
    """Why nothing can be played under `weir run`, or None."""
    for name in ("weir", "weird"):
        if not os.path.exists(os.path.join(args.build, name)):
            return f"{name} is not built"
    said = subprocess.run([os.path.join(args.build, "weir"), "run", "--help"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if said.returncode != 0:
        return "this weir has no command `run`"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun cannot be opened"
    return None


def weir_run(args, folder, kernel, mode):
    """Plays under `weir run`; weird's TAP ends in the peer's namespace."""
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o750)
    ground = Ground(args, folder)
    path = os.path.join(folder, "weird")
    try:
        with open(os.path.join(folder, "weird.log"), "wb") as log:
            ground.start(*ground.inside(
                os.path.join(args.build, "weird"), "--dev", "tap:weir1",
                "--addr", f"{SUBJECT[0]}/24", "--addr", f"{SUBJECT[1]}/64",
                "--route", f"198.51.100.0/24 via {PEER[0]}",
                "--route", f"2001:db8:be::/64 via {PEER[1]}", "--socket", path),
                stdout=log, stderr=log)
        until(lambda: os.path.exists(path), 20, "weird")
        for address, more in ((f"{PEER[0]}/24", ()), (f"{PEER[1]}/64", ("nodad",))):
            ground.far("ip", "address", "add", address, "dev", "weir1", *more)
        ground.far("ip", "link", "set", "weir1", "up")
        ground.behind_the_peer()
        ground.peer()
        options = ["--settle", str(WEIR_SETTLE_MS), "--jobs", str(WEIR_JOBS[mode])]
        prefix = (os.path.join(args.build, "weir"), "run", *(["--exact"] if mode == "exact" else []),
                  "--socket", path, "--")
        found, entries = ground.play(*prefix, options=options), known(mode)
        again = [" ".join(key) for key in found
                 if key in kernel and unexplained(key, kernel[key], found[key], entries)]
        if 0 < len(again) <= AGAIN_MAX:
            print(f"# once more, slowly: {', '.join(again)}", flush=True)
            found.update(ground.play(*prefix, options=AGAIN_OPTIONS, only=f"@({'|'.join(again)})"))
        return found
    finally:
        ground.close()


def compare_weir(args, tap, folder, kernel, mode):
    name = "weir run --exact" if mode == "exact" else "weir run"
    folder = os.path.join(folder, "exact" if mode == "exact" else "weir")
    reason = no_weir(args)
    if reason is not None:
        tap.skip(f"under {name}: {reason}")
        return
    began = time.monotonic()
    try:
        found = weir_run(args, folder, kernel, mode)
    except Trouble as error:
        tap.check(False, f"the cases are played under {name}", str(error))
        return
    print(f"# {name}: {len(found)} blocks, {time.monotonic() - began:.1f} s", flush=True)
    with open(os.path.join(folder, "transcript"), "w", encoding="utf-8") as file:
        file.write(fold(found))
    with open(os.path.join(folder, "unlisted"), "w", encoding="utf-8") as file:
        file.write(unlisted(kernel, found, known(mode)))
    entries = known(mode)
    compare(tap, name, kernel, found, entries)
    if args.only:
        return
    for entry in entries:
        idle = [f"rule {rule.case} | {rule.expected} | {rule.found}"
                for rule in entry.rules if rule.always and not rule.used]
        tap.check(not idle, f"{name}: the difference {entry.name} still happens", *idle)


def inside(args):
    faulthandler.dump_traceback_later(ALL_SECONDS, exit=True)  # and with us goes all that we started
    tap, folder = Tap(), args.inside
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    try:
        kernel = recorded(args) if args.recorded else kernel_runs(args, tap, folder)
        if args.record:
            record(kernel)
        if not args.recorded:
            compare(tap, "kernel", recorded(args), kernel, rules_of(TOLERANCE))
        for mode in modes(args):
            compare_weir(args, tap, folder, kernel, mode)
    except Trouble as error:
        tap.check(False, "the runs go through", str(error))
    tap.check(len(rules_of(KNOWN)) <= KNOWN_MAX, f"at most {KNOWN_MAX} differences are known")
    check_document(tap)
    return tap.done()


def outside(args):
    why = missing(args)
    if why is not None:
        print(f"1..0 # SKIP {why}")
        return 0
    folder = os.path.abspath(args.keep) if args.keep else tempfile.mkdtemp(prefix="weir-diff-")
    os.makedirs(folder, exist_ok=True)
    child = subprocess.Popen(unshare() + [sys.executable, os.path.abspath(__file__), *sys.argv[1:],
                                          "--inside", folder])

    def give_up(number, _):
        child.kill()
        child.wait()
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + number)
    signal.signal(signal.SIGTERM, give_up)
    signal.signal(signal.SIGINT, give_up)
    try:
        status = child.wait(timeout=ALL_SECONDS + STEP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"Bail out! not done within {ALL_SECONDS} s", flush=True)
        give_up(signal.SIGALRM, None)
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return status if status >= 0 else 1


def arguments():
    parser = argparse.ArgumentParser(description="the socket API, call by call")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory")
    parser.add_argument("--only", metavar="PATTERN", help="cases such as 'A1 *', '*.rd.* active4|H1 v6'")
    parser.add_argument("--recorded", action="store_true",
                        help="compare weir run with linux.txt only: a third of the time")
    parser.add_argument("--exact", action="store_true", help="play under weir run --exact only")
    parser.add_argument("--keep", metavar="DIR",
                        help="keep the transcripts there, and unlisted: what differs, in short")
    parser.add_argument("--record", action="store_true", help="write linux.txt anew")
    parser.add_argument("--document", action="store_true", help="write docs/differences.md anew")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    if args.record and (args.only or args.recorded):
        parser.error("--record is of all cases, on the kernel")
    return args


def main():
    args = arguments()
    if args.document:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(document(all_rules()))
        return 0
    return inside(args) if args.inside else outside(args)


if __name__ == "__main__":
    sys.exit(main())
