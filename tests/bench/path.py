#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`weir bench path`: weir and the kernel over a bad path, the same impairing relay between all.

Each cell is run with Linux at both ends, weir sending to Linux, Linux sending to weir, and weir at
both ends, at the same time on paths of their own and with the same seed.
"""

import argparse
import itertools
import json
import pathlib
import queue
import statistics
import sys
import threading
import time

import lab
import path_lab
from path_lab import KERNEL, SENDS, TAKES, WEIR
from run import write

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = 66  # Ethernet, IPv4, TCP with timestamps
PAYLOAD = 1448
BUFFER_MIN = 15000  # ten frames
END_SECONDS = 30    # beyond the measured time, until a run is given up
AIM = 0.95

PAIRS = {"Linux-Linux": (KERNEL, KERNEL), "weir-Linux": (WEIR, KERNEL),
         "Linux-weir": (KERNEL, WEIR), "weir-weir": (WEIR, WEIR)}
BASE = "Linux-Linux"
# Name: frames lost per million, and how many at a time.
LOSSES = {"0": (0, 1), "0.1%": (1000, 1), "1%": (10000, 1), "5%": (50000, 1),
          "bursts": (1000, 8)}
RTTS = (1, 20, 100, 300)      # ms
BUFFERS = (0.1, 1, 4)         # BDP
REORDERS = {0: 0, 50: 20000}  # ms late: frames per million
ALGORITHMS = ("cubic", "bbr")
FAIR_FLOWS = (2, 10, 50)
FAIR_RTTS = (20, 100)  # ms
FAIR_SENDERS = {"mixed": (WEIR, KERNEL), "Linux alone": (KERNEL,), "weir alone": (WEIR,)}
FAIR_WARM_UP, FAIR_SECONDS = 20, 60


def all_cells(algorithms):
    return list(itertools.product(algorithms, LOSSES, RTTS, BUFFERS, REORDERS))


def some_cells(algorithms):
    """What is run by default: every loss and round trip at one BDP in order, and the rest of the
    buffers and the reordering at 20 and 100 ms."""
    chosen = []
    for cell in all_cells(algorithms):
        _, loss, rtt, buffer, reorder = cell
        if (buffer == 1 and reorder == 0) or (rtt in (20, 100) and (
                (reorder == 0 and loss == "0") or (buffer == 1 and loss in ("0", "1%")))):
            chosen.append(cell)
    return chosen


def quick_cells(algorithms):
    return [(a, loss, 20, 1, 0) for a in algorithms for loss in ("0", "1%")]


def cell_name(cell):
    algorithm, loss, rtt, buffer, reorder = cell
    return f"{algorithm}, loss {loss}, {rtt} ms, {buffer} BDP, {reorder} ms late"


# ---- One run ----

class Race:
    def __init__(self, options):
        self.options = options
        self.paths = queue.Queue()
        self.all_paths = [path_lab.Path(options.build, i) for i in range(options.at_once)]
        for path in self.all_paths:
            self.paths.put(path)

    def close(self):
        for path in self.all_paths:
            path.close()

    def run(self, cell, ends, what, seed, flows=1, warm_up=0, seconds=0):
        """The figures of one run; `ends` are the kinds of (senders, the one who takes)."""
        path = self.paths.get()
        try:
            return self._run(path, cell, ends, what, seed, flows, warm_up,
                             seconds or self.options.seconds)
        finally:
            self.paths.put(path)

    def _run(self, path, cell, ends, what, seed, flows, warm_up, seconds):
        algorithm, loss, rtt, buffer, reorder = cell
        senders, taker = ends
        plan = {"seconds": seconds, "warm_up": warm_up, "congestion": algorithm, "what": what}
        children = []
        path.begin(seed, self._capture(cell, ends, what, seed))
        try:
            self._impair(path, rtt, buffer)
            children = [path.end(taker, TAKES, {**plan, "peer": senders[0],
                                                "flows": flows * len(senders)})]
            path_lab.await_line(children[0], "ready")
            children += [path.end(kind, SENDS, {**plan, "peer": taker, "flows": flows})
                         for kind in senders]
            for child in children[1:]:
                path_lab.await_line(child, "connected")
            per_million, burst = LOSSES[loss]
            path.tell("set", "ab", "burst", burst)
            path.tell("set", "ab", "loss", per_million)
            path.tell("set", "ab", "late", reorder * 1000)
            path.tell("set", "ab", "reorder", REORDERS[reorder])
            said = [child.communicate(timeout=seconds + END_SECONDS) for child in children]
            for child, (_, err) in zip(children, said):
                if child.returncode != 0:
                    raise lab.Failure(err.strip())
            return figures([out for out, _ in said])
        finally:
            for child in children:
                lab.end(child)
            path.finish()

    def _capture(self, cell, ends, what, seed):
        if not self.options.capture:
            return None
        name = "-".join([*map(str, cell), *ends[0], ends[1], what, str(seed)])
        return pathlib.Path(self.options.capture) / f"{name}.pcap"

    def _impair(self, path, rtt, buffer):
        rate = self.options.mbit * 1000
        bdp = rate * rtt // 8
        path.tell("set", "both", "delay", rtt * 500)
        path.tell("set", "ab", "buffer", max(int(bdp * buffer), BUFFER_MIN))
        path.tell("set", "ab", "rate", rate)


def figures(said):
    """What the programs printed, as a dictionary; the first is the one who takes."""
    row = {"flows": [], "sent": 0, "again": 0}
    for line in "".join(said).splitlines():
        words = line.split()
        if words[0] == "flow":
            row["flows"].append(int(words[5]))
        elif words[0] == "sent":
            row["sent"] += int(words[1])
            row["again"] += int(words[3])
        elif words[0] == "messages":
            row["p99_ms"] = int(words[5]) / 1000
            row["messages"] = int(words[1])
    row["kbit"] = sum(row["flows"])
    row["share"] = row["again"] / max(row["sent"], 1)
    return row


def jain(values):
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values) or 1)


# ---- All runs ----

def in_turn(at_once, run, jobs):
    """All the jobs, some at a time; a job that fails says so, and the others go on."""
    waiting = queue.Queue()
    for job in jobs:
        waiting.put(job)

    def work():
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                print(f"{job}: {run(*job)}", flush=True)
            except (lab.Failure, OSError, ValueError) as failure:
                print(f"{job}: FAILED: {failure}", flush=True)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def race_all(race, cells, options):
    """{(cell, pair): {"bulk": rows, "messages": rows}}"""
    results = {(cell, pair): {"bulk": [], "messages": []} for cell in cells for pair in PAIRS}

    def run(number, cell, what, pair):
        sender, taker = PAIRS[pair]
        row = race.run(cell, ((sender,), taker), what, number,
                       flows=8 if what == "messages" else 1)
        results[cell, pair][what].append(row)
        return row
    in_turn(options.at_once, run, itertools.product(
        range(1, options.rounds + 1), cells,
        ("bulk", "messages") if options.messages else ("bulk",), options.pairs))
    return results


def fairness(race, options):
    """{(algorithm, flows, rtt, senders): [(Jain's index, kbit/s), ...]}"""
    rows = {}

    def run(algorithm, count, rtt, name, number):
        senders = FAIR_SENDERS[name]
        row = race.run((algorithm, "0", rtt, 1, 0), (senders, KERNEL), "bulk", number,
                       flows=count // len(senders), warm_up=FAIR_WARM_UP,
                       seconds=FAIR_WARM_UP + FAIR_SECONDS)
        index = jain(row["flows"])
        rows.setdefault((algorithm, count, rtt, name), []).append((index, row["kbit"]))
        return f"Jain {index:.3f}"
    in_turn(options.at_once, run, itertools.product(
        options.algorithms, FAIR_FLOWS, FAIR_RTTS, FAIR_SENDERS, range(1, options.rounds + 1)))
    return rows


# ---- Tables ----

def middle(rows, figure):
    values = [row[figure] for row in rows if figure in row]
    return statistics.median(values) if values else None


def shown(value, digits):
    return "" if value is None else f"{value:.{digits}f}"


def ratio(results, cell, pair):
    """Of the median goodputs."""
    own = middle(results[cell, pair]["bulk"], "kbit")
    base = middle(results[cell, BASE]["bulk"], "kbit")
    return own / base if own is not None and base else None


def table(results, cells, options):
    pairs = [pair for pair in PAIRS if pair in options.pairs]
    others = [pair for pair in pairs if pair != BASE]
    heads = ["algorithm", "loss", "RTT ms", "buffer BDP", "late ms", "Mbit/s", *others,
             "sent again, %", "p99 of messages, ms"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for cell in cells:
        base = middle(results[cell, BASE]["bulk"], "kbit")
        row = [*map(str, cell), shown(base / 1000 if base else None, 2)]
        for pair in others:
            value = ratio(results, cell, pair)
            mark = "**" if value is not None and value < AIM else ""
            row.append(f"{mark}{shown(value, 2)}{mark}")
        row.append(" / ".join(shown(100 * (middle(results[cell, pair]["bulk"], "share") or 0), 1)
                              for pair in pairs))
        row.append(" / ".join(shown(middle(results[cell, pair]["messages"], "p99_ms"), 0)
                              for pair in pairs))
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def summary(results, cells, options):
    lines = []
    for pair in options.pairs:
        values = [v for v in (ratio(results, cell, pair) for cell in cells) if v is not None]
        if pair == BASE or not values:
            continue
        worst = min((v, cell_name(c)) for c in cells
                    if (v := ratio(results, c, pair)) is not None)
        below = sum(v < AIM for v in values)
        lines.append(f"{pair}: median {statistics.median(values):.2f}, {below} of {len(values)} "
                     f"cells below {AIM}, worst {worst[0]:.2f} ({worst[1]})")
    return "\n".join(f"- {line}" for line in lines)


def fair_table(rows, options):
    heads = ["algorithm", "flows", "RTT ms", *FAIR_SENDERS, "Mbit/s together"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for algorithm, count, rtt in itertools.product(options.algorithms, FAIR_FLOWS, FAIR_RTTS):
        runs = [rows.get((algorithm, count, rtt, name), []) for name in FAIR_SENDERS]
        index = [spread([j for j, _ in run]) for run in runs]
        sums = [shown(statistics.median(k for _, k in run) / 1000, 1) if run else "" for run in runs]
        lines.append("| " + " | ".join([algorithm, str(count), str(rtt), *index,
                                        " / ".join(sums)]) + " |")
    return "\n".join(lines)


def spread(values):
    """The median, and from where to where."""
    if not values:
        return ""
    middle_one = f"{statistics.median(values):.2f}"
    return middle_one if len(values) < 2 else \
        f"{middle_one} ({min(values):.2f} to {max(values):.2f})"


# ---- The command ----

def arguments():
    parser = argparse.ArgumentParser(prog="weir bench path",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=str(ROOT / "build"), help="where the programs are built")
    parser.add_argument("--quick", action="store_true", help="two cells, short: does it work?")
    parser.add_argument("--full", action="store_true", help="all 240 cells, not a part of them")
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="only cells whose name contains WORD; may repeat, then all of them")
    parser.add_argument("--pairs", default=",".join(PAIRS), help=f"some of {', '.join(PAIRS)}")
    parser.add_argument("--rounds", type=int, default=1, help="how often all is repeated (1)")
    parser.add_argument("--seconds", type=int, default=12, help="of each run (12)")
    parser.add_argument("--mbit", type=int, default=20, help="of the bottleneck (20)")
    parser.add_argument("--at-once", type=int, default=8, help="paths used at a time (8)")
    parser.add_argument("--no-messages", dest="messages", action="store_false",
                        help="goodput only")
    parser.add_argument("--no-fairness", dest="fairness", action="store_false",
                        help="without flows that share")
    parser.add_argument("--no-race", dest="race", action="store_false",
                        help="the flows that share only")
    parser.add_argument("--json", metavar="FILE", help="all figures of all runs")
    parser.add_argument("--capture", metavar="DIRECTORY", help="a pcap of each run (tcpdump)")
    parser.add_argument("--write", action="store_true", help="update docs/performance.md")
    options = parser.parse_args()
    options.pairs = options.pairs.split(",")
    for pair in options.pairs:
        if pair not in PAIRS:
            parser.error(f"--pairs: {pair} is none of {', '.join(PAIRS)}")
    for name, least, most in (("rounds", 1, 1000), ("seconds", 3, 3600), ("mbit", 1, 1000),
                              ("at_once", 1, 64)):
        if not least <= getattr(options, name) <= most:
            parser.error(f"--{name.replace('_', '-')} must be {least} to {most}")
    if options.quick:
        options.rounds, options.seconds, options.fairness = 1, 4, False
    return options


def known_algorithms():
    """Those of ALGORITHMS that this kernel has."""
    file = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
    known = file.read_text(encoding="ascii").split()
    for missing in (name for name in ALGORITHMS if name not in known):
        print(f"this kernel has no {missing}: its cells are left out", flush=True)
    return [name for name in ALGORITHMS if name in known]


def main():
    options = arguments()
    lab.enter()
    options.algorithms = known_algorithms()
    choose = quick_cells if options.quick else all_cells if options.full else some_cells
    cells = [cell for cell in choose(options.algorithms)
             if all(word in cell_name(cell) for word in options.only)]
    if not cells:
        sys.exit("path.py: --only leaves no cell")
    begun = time.monotonic()
    race = Race(options)
    try:
        results = race_all(race, cells, options) if options.race else {}
        fair = fairness(race, options) if options.fairness else []
    finally:
        race.close()
    if options.json:
        rows = [{"cell": cell, "pair": pair, **results[cell, pair]} for cell, pair in results]
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    words = [f"{name} {getattr(options, name[2:].replace('-', '_'))}"
             for name in ("--rounds", "--seconds", "--mbit")]
    sections = {}
    if results:
        sections = {"path": table(results, cells, options),
                    "path summary": summary(results, cells, options),
                    "path machine": f"{lab.kernel_name()}; `weir bench path "
                                    f"{'--full ' if options.full else ''}{' '.join(words)}`"}
    if fair:
        sections["path fairness"] = fair_table(fair, options)
    for body in sections.values():
        print(f"\n{body}")
    print(f"\n{time.monotonic() - begun:.0f} s")
    if options.write:
        write(sections)


if __name__ == "__main__":
    try:
        main()
    except lab.Failure as why:
        sys.exit(f"path.py: {why}")
