#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make bench`: weir beside the kernel's own TCP and lwIP, on one machine, in one run.

The sides of a measure take turns, so that what slows the machine slows them all; ratios are taken
within a round. With --write the tables in docs/performance.md are replaced by this run's.
"""

import argparse
import pathlib
import statistics
import sys
import time

import attach_bench
import core_bench
import lab
import wire_bench

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
MEASURES = wire_bench.MEASURES + attach_bench.MEASURES
EXTRA = dict(wire_bench.EXTRA, relay_s_per_gb=("relay's CPU s/GB", 3))
BUSY = 0.10  # of the CPU time taken by others: figures are not worth writing down
RUN_SECONDS_MAX = 900  # a round is not begun when it would go on beyond this


def arguments():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=str(ROOT / "build"), help="where the programs are built")
    parser.add_argument("--rounds", type=int, default=5, help="how often all is repeated (5)")
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="only measures whose name contains WORD; \"core\" is one; may repeat")
    parser.add_argument("--quick", action="store_true", help="one short round: does it all work?")
    parser.add_argument("--window", type=int, default=0, metavar="OCTETS",
                        help="weir's windows and send buffers; default: the library's")
    parser.add_argument("--no-pin", action="store_true", help="let the scheduler choose the CPUs")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    names = ["core", *(measure[0] for measure in MEASURES)]
    for word in options.only:
        if not any(word in name for name in names):
            parser.error(f"--only {word}: the measures are {', '.join(names)}")
    if options.quick:
        options.rounds = 1
    return options


def wanted(options, name):
    return not options.only or any(word in name for word in options.only)


# ---- Measuring ----

def measure_wire(options, build, begun):
    """{(measure, side): rows}; a row is a dictionary of figures, or a text: what failed."""
    measures = [m for m in MEASURES if wanted(options, m[0])]
    rows = {(m[0], side): [] for m in measures for side in m[5]}
    if not measures:
        return measures, rows
    field = lab.Lab(pin=not options.no_pin)
    wire = wire_bench.Wire(field, build, options.quick, options.window)
    attach = attach_bench.Attach(field, build, options.quick)
    longest = 0
    try:
        for number in range(options.rounds):
            start = time.monotonic()
            if start - begun + longest > RUN_SECONDS_MAX:
                print(f"stopped after {number} rounds: the time is up")
                break
            for name, _, _, _, _, sides, take in measures:
                bench = attach if name.startswith("attach") else wire
                for side in sides:
                    rows[name, side].append(one(bench, side, take))
                    print(f"round {number + 1}: {name}, {side}: {shown(rows[name, side][-1])}",
                          flush=True)
            longest = max(longest, time.monotonic() - start)
    finally:
        field.close()
    return measures, rows


def one(bench, side, take):
    missing = bench.missing(side)
    if missing:
        return missing
    try:
        return take(bench, side)
    except lab.Failure as failure:
        return f"failed: {failure}"


def shown(row):
    return row if isinstance(row, str) else ", ".join(f"{k} {v:.4g}" for k, v in row.items())


# ---- Tables ----

def spread(values, digits):
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def wire_table(measure, rows):
    """One measure as a table: medians, and ratios to the first side within each round."""
    name, title, figure, unit, digits, sides, _ = measure
    good = {side: [row for row in rows[name, side] if isinstance(row, dict)] for side in sides}
    extra = sorted({key for side in sides for row in good[side] for key in row} - {figure})
    heads = ["", unit, "spread", f"to the {sides[0]}", "spread", f"to the {sides[0]}'s best"]
    heads += [EXTRA[key][0] for key in extra]
    lines = [f"**{title}**", "", "| " + " | ".join(heads) + " |",
             "|" + "---|" * len(heads)]
    base = [row[figure] for row in good[sides[0]]]
    for side in sides:
        values = [row[figure] for row in good[side]]
        if not values:
            text = rows[name, side][-1] if rows[name, side] else "not measured"
            lines.append(f"| {side} | {text} |" + " |" * (len(heads) - 2))
            continue
        cells = [side, f"{statistics.median(values):.{digits}f}", spread(values, digits)]
        cells += ratios(side, sides, rows, name, figure, base)
        for key in extra:
            middle = statistics.median(row[key] for row in good[side])
            cells.append(f"{middle:.{EXTRA[key][1]}f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratios(side, sides, rows, name, figure, base):
    if side == sides[0] or not base:
        return ["", "", ""]
    turns = zip(rows[name, side], rows[name, sides[0]])
    each = [row[figure] / first[figure] for row, first in turns
            if isinstance(row, dict) and isinstance(first, dict)]
    if not each:
        return ["", "", ""]
    best = min(base) if figure.endswith(("_us", "percent")) else max(base)
    values = [row[figure] for row in rows[name, side] if isinstance(row, dict)]
    return [f"**{statistics.median(each):.2f}**", spread(each, 2),
            f"{statistics.median(values) / best:.2f}"]


def core_table(title, rows):
    lines = [f"**{title}**", "", "| | | |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {figure} | {unit} |" for name, figure, unit in rows])


def write(sections):
    """Replaces what stands between <!-- NAME --> and <!-- end NAME --> in the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, body in sections.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->\n"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            sys.exit(f"{PAGE}: no place for {name}")
        text = f"{before}{begin}\n{body}\n\n{end}{after}"
    PAGE.write_text(text, encoding="utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}")


def main():
    options = arguments()
    build = pathlib.Path(options.build).resolve() / "tests" / "bench"
    if not (build / "bench-weir").exists():
        sys.exit(f"run.py: {build} has no bench-weir; run make first")
    lab.enter()
    busy = lab.other_work()
    if busy > BUSY:
        print(f"others use {busy:.0%} of this machine: these figures say little", flush=True)
        if options.write:
            sys.exit("run.py: --write wants a quiet machine")
    begun = time.monotonic()
    sections = {}
    if wanted(options, "core"):
        core = core_bench.timed(build, options.quick, 1 if options.quick else 3)
        sections["core"] = core_table("Both ends in one process, least of three runs", core)
        sections["instructions"] = core_table("Instructions", core_bench.counted(build))
    measures, rows = measure_wire(options, build, begun)
    for measure in measures:
        sections[measure[0]] = wire_table(measure, rows)
    command = " ".join(["tests/bench/run.py", *(f"--only {word}" for word in options.only)])
    command += f" --window {options.window}" if options.window else ""
    sections["machine"] = f"{lab.kernel_name()}, {options.rounds} rounds; `{command}`"
    sections["machine"] += f"; others used {busy:.0%} of the CPUs when it began"
    for body in sections.values():
        print(f"\n{body}")
    print(f"\n{time.monotonic() - begun:.0f} s")
    if options.write:
        write(sections)


if __name__ == "__main__":
    try:
        main()
    except lab.Failure as why:
        sys.exit(f"run.py: {why}")
