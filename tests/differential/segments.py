#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Segments drawn at random, to the kernel and to weir: what each sends and says is the same.

    tests/differential/segments.py [--build DIR] --seeds A..B     on the kernel of this machine, and weir
    tests/differential/segments.py [--build DIR]                  weir against the record, no privilege
    tests/differential/segments.py --record                       write segments.txt anew

A seed draws the life of one end (how it opens, options, calls) and what a peer sends it: in order, out
of order, overlapping, beyond the window, resets, false acknowledgements, broken packets, ICMP. The
kernel is played to in real time; weir gets the same lines at the same moments of its own virtual time.
Both transcripts are compared line by line up to the first difference. One that known.py of `wire` has
a reason for ends its seed; any other is played again, with other gaps, and fails if it stays. Then
lines are left out for as long as it does. Prints TAP.
"""

import argparse
import json
import os
import random
import selectors
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "scripts")]

from tap import Tap  # noqa: E402
from wire import draw, judge, known, packet, play, subjects  # noqa: E402

RECORD = os.path.join(HERE, "segments.txt")
RECORD_FROM = "1..1000"
DOCUMENT = os.path.join(ROOT, "docs", "wire-differences.md")
RECORD_LINES = 60    # more is for who plays to the kernel
RECORD_SEEDS = 48
RECORD_MORE = 16
LANES = 12
AGAIN = 2          # plays of what differs, with other gaps
STRETCH = (.9, 1.12)
MORE = 30          # lines of each that are kept behind a difference
QUIET_SECONDS = 120  # for a lane that hangs


def adapter(build):
    return os.path.join(os.path.abspath(build), "drill", "libweir-packetdrill.so")


# ---- One lane: a process with a kernel's namespace and a weir ----

class Lane:
    def __init__(self, build):
        self.kernel, self.weir = subjects.Kernel(), subjects.Weir(adapter(build))
        self.number = os.getpid() % 1000 * 60

    def against(self, case, lines):
        """(difference, weir's lines) where the kernel has said `lines`."""
        answer = play.play_at(self.weir, case, lines)
        return judge.compare(lines, answer), answer

    def again(self, case, steps, stretch):
        self.number += 1
        return play.play_steps(self.kernel, case, [(gap * stretch, text) for gap, text in steps],
                               self.number)

    def stays(self, case, steps, kind):
        """The lines of the kernel, if the same difference is there once more."""
        for n in range(AGAIN):
            lines = self.again(case, steps, STRETCH[n % 2])
            found, _ = self.against(case, lines)
            if found is None or found.kind() != kind:
                return None
        return lines

    def reduce(self, case, lines, kind):
        """Leaves out steps for as long as the difference stays."""
        steps = play.steps_of(lines)
        at = len(steps) - 1
        while at >= 0:
            fewer = steps[:at] + steps[at + 1:]
            if fewer and at + 1 < len(steps):
                fewer[at] = (fewer[at][0] + steps[at][0], fewer[at][1])
            found = self.stays(case, fewer, kind)
            if found is not None:
                steps, lines = fewer, found
            at -= 1
        return lines

    def steady(self, case, lines):
        """A play of the kernel's to write down: the second that weir agrees with, or None."""
        lines = self.again(case, play.steps_of(lines), 1)
        return None if self.against(case, lines)[0] else [line.show() for line in lines]

    @staticmethod
    def shown(case, lines, answer, found):
        """Up to the difference, and what weir says behind the last step of that."""
        before = found.before(lines)
        last = max((line.when for line in before if line.out is None), default=0)
        return {"what": found.what, "case": case.text(), "lines": [line.show() for line in before],
                "found": found.show(),
                "more": [f"Linux: {line.show()}" for line in lines if line not in before][:MORE] +
                [f"weir:  {line.show()}" for line in answer if line.when >= last][:MORE]}

    def judge(self, seed, reduced, recorded):
        case, lines = draw.play_drawn(self.kernel, seed)
        found, answer = self.against(case, lines)
        if found is None:
            shown = self.steady(case, lines) if recorded else None
            return {"verdict": "equal", "case": case.text(), "lines": shown}
        reason = known.reason(found, lines, answer)
        if reason is not None:
            return {"verdict": "known", "reason": reason} | self.shown(case, lines, answer, found)
        if self.stays(case, play.steps_of(lines), found.kind()) is None:
            return {"verdict": "unsteady", "what": found.what}
        if reduced:
            what, lines = found.what, self.reduce(case, found.before(lines), found.kind())
            found, answer = self.against(case, lines)
            if found is None:
                return {"verdict": "unsteady", "what": what}
        return {"verdict": "differs"} | self.shown(case, lines, answer, found)


def lane(options):
    mine = Lane(options.build)
    for line in sys.stdin:
        seed = int(line)
        print(json.dumps({"seed": seed} | mine.judge(seed, options.reduce, options.record)), flush=True)


# ---- All lanes ----

class Lanes:
    def __init__(self, options, seeds):
        self.options, self.seeds = options, iter(seeds)
        self.selector = selectors.DefaultSelector()
        self.busy = {}

    def start(self):
        command = [sys.executable, os.path.abspath(__file__), "--lane", "--build", self.options.build]
        command += ["--reduce"] if self.options.reduce else []
        command += ["--record"] if self.options.record else []
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 bufsize=1)
        self.selector.register(child.stdout, selectors.EVENT_READ, child)
        self.give(child)

    def give(self, child):
        seed = next(self.seeds, None)
        self.busy[child] = seed
        if seed is None:
            child.stdin.close()
        else:
            child.stdin.write(f"{seed}\n")

    def results(self):
        for _ in range(self.options.lanes):
            self.start()
        while self.selector.get_map():
            ready = self.selector.select(QUIET_SECONDS)
            for key, _ in ready:
                child, line = key.data, key.fileobj.readline()
                if line:
                    yield json.loads(line)
                    self.give(child)
                    continue
                self.selector.unregister(key.fileobj)
                child.wait()
                if self.busy[child] is not None:
                    yield {"seed": self.busy[child], "verdict": "died", "what": str(child.returncode)}
                    self.start()
            if not ready:
                for child in list(self.busy):
                    child.kill()


def seeds_of(text):
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def keep(folder, result):
    with open(os.path.join(folder, f"{result['seed']}.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join([result["verdict"], result.get("reason", ""), result["case"],
                              *result["lines"], *result["found"], *result["more"], ""]))


def hunt(options, tap):
    tally = {}
    for result in Lanes(options, seeds_of(options.seeds)).results():
        verdict = result["verdict"]
        tally[verdict] = tally.get(verdict, 0) + 1
        if verdict in ("differs", "died"):
            tap.check(False, f"seed {result['seed']}: {result['what']}", result.get("case", ""),
                      *result.get("lines", ()), *result.get("found", ()))
        if options.keep and "found" in result:
            keep(options.keep, result)
        if options.verbose and verdict != "equal":
            print(f"# seed {result['seed']}: {verdict} {result.get('reason', result.get('what'))}")
    tap.check(tally.get("equal", 0) > 0, "seeds are equal to the end", str(tally))
    print("# " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(tally.items())))


# ---- The record ----

def features(lines):
    """What a transcript has: kinds of segments at kinds of places, and of answers."""
    found, acked, sent, stamp = set(), 1, 0, None
    for line in map(play.line_of, lines):
        if line.out is not None:
            acked = line.out.ack if "." in line.out.flags else acked
            sent = max(sent, line.out.end)
            found.add(("out", line.out.flags, line.out.length > 0, len(judge.blocks_of(line.out))))
            continue
        match = packet.SEGMENT.match(line.text)
        if not match:
            found.add(tuple(word for word in line.text.split() if not word.isdigit())[:3])
            continue
        place = (int(match.group(2)) > acked) - (int(match.group(2)) < acked)
        found.add(("in", match.group(1), place, int(match.group(3)) > 0))
        found.add(("odd", match.group(8)))
        found.add(("ack", int(match.group(4) or 0) > sent, int(match.group(4) or 0) < 1, match.group(1)))
        value = packet.STAMP_IN.search(match.group(7) or "")
        if value:
            old = stamp is not None and packet.signed(int(value.group(1)) - stamp) < 0
            found.add(("stamp", old, match.group(1), place))
            stamp = stamp if old else int(value.group(1))
        found.add(("options", draw.kinds(match.group(7))))
    return found


def record(options):
    """Seeds that both judges and both plays agree on: each time the one that shows most that is new. With
    --seeds some of those beside what is recorded already."""
    left = [result for result in Lanes(options, seeds_of(options.seeds or RECORD_FROM)).results()
            if result["verdict"] == "equal" and result["lines"] and
            len(result["lines"]) <= RECORD_LINES]
    shows = {result["seed"]: features(result["lines"]) for result in left}
    before = recorded() if options.seeds else []
    taken = [{"seed": case.seed, "case": case.text(), "lines": [line.show() for line in lines]}
             for case, lines in before]
    seen = set().union(*(features(result["lines"]) for result in taken))
    most = len(taken) + RECORD_MORE if taken else RECORD_SEEDS
    while left and len(taken) < most:
        best = max(left, key=lambda result: (len(shows[result["seed"]] - seen), -result["seed"]))
        left.remove(best)
        seen |= shows[best["seed"]]
        taken.append(best)
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write("# Linux's answers to segments drawn at random: segments.py --record writes this.\n\n")
        for result in sorted(taken, key=lambda result: result["seed"]):
            file.write("\n".join([result["case"], *result["lines"], "", ""]))


def recorded():
    """[(case, lines)] of the record."""
    cases = []
    with open(RECORD, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("case "):
                cases.append((play.Case.read(line), []))
            elif line and not line.startswith("#"):
                cases[-1][1].append(play.line_of(line))
    return cases


def compare(options, tap):
    """weir against the record: exact, since the times are its own."""
    weir = subjects.Weir(adapter(options.build))
    for case, lines in recorded():
        found = judge.compare(lines, play.play_at(weir, case, lines))
        shown = [] if found is None else [line.show() for line in found.before(lines)] + found.show()
        tap.check(found is None, f"seed {case.seed} is answered as by Linux", case.text(), *shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--seeds")
    parser.add_argument("--lanes", type=int, default=LANES)
    parser.add_argument("--reduce", action="store_true", help="leave out what is not needed")
    parser.add_argument("--keep", metavar="DIR", help="write what differs there, a file a seed, meant or not")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--record", action="store_true", help="write segments.txt anew")
    parser.add_argument("--document", action="store_true", help="write docs/wire-differences.md anew")
    parser.add_argument("--lane", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lane:
        lane(options)
        return 0
    if options.document:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(known.document())
        return 0
    tap = Tap()
    if options.record:
        record(options)
        return 0
    if options.seeds:
        hunt(options, tap)
        return tap.done()
    with open(DOCUMENT, encoding="utf-8") as file:
        tap.check(file.read() == known.document(), "docs/wire-differences.md is what known.py says")
    if os.path.exists(adapter(options.build)):
        compare(options, tap)
    else:
        tap.skip("libweir-packetdrill.so is not built")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
