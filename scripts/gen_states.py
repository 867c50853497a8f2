#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws src/tcp/fsm.def into docs/tcp.md: the grid of states and events, and the diagram.

Only what lies between the two marker lines is written; --check compares instead.
"""

import os
import re
import sys

import ctext
from tap import Tap

SOURCE = "src/tcp/fsm.def"
PAGE = "docs/tcp.md"
BEGIN = "<!-- generated from src/tcp/fsm.def by scripts/gen_states.py: begin -->"
END = "<!-- generated: end -->"

STATES = ["SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
          "CLOSING", "LAST_ACK", "TIME_WAIT", "CLOSED"]

# Births are not edges: the table holds what happens to a connection that exists.
BIRTHS = [("SYN_SENT", "OPEN"), ("SYN_RECEIVED", "PASSIVE")]

EDGE = re.compile(
    r'^\s*EDGE\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\w+)\s*,\s*"([^"]*)"\s*,\s*"([^"]*)"\s*\)', re.M)
STAY = re.compile(r'^\s*STAY\(\s*(\w+)\s*,\s*(\w+)\s*,\s*"([^"]*)"\s*\)', re.M)
LINE = re.compile(r"^\s*(EDGE|STAY)\(", re.M)


def parse(text):
    """(events in order of appearance, {(event, from): (to, clause, note)})."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group(0).count("\n"), text, flags=re.S)
    rows = [(m.start(), *m.groups()) for m in EDGE.finditer(text)]
    rows += [(m.start(), m[1], m[2], m[2], m[3], "") for m in STAY.finditer(text)]
    if len(rows) != len(LINE.findall(text)):
        raise ValueError(f"{SOURCE}: a line that is neither EDGE(5 arguments) nor STAY(3)")
    events, grid = [], {}
    for _, event, origin, target, clause, note in sorted(rows):
        for state in (origin, target):
            if state not in STATES:
                raise ValueError(f"{SOURCE}: {state} is not a state")
        if (event, origin) in grid:
            raise ValueError(f"{SOURCE}: {event} in {origin} stands twice")
        if event not in events:
            events.append(event)
        grid[event, origin] = (target, clause, note)
    return events, grid


def spoken(state):
    return state.replace("_", "-")


def page(events, grid):
    lines = ["### The diagram", "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state}: {event}" for state, event in BIRTHS]
    aborts = [origin for (event, origin), _ in grid.items() if event == "ABORT"]
    labels = {}
    for (event, origin), (target, _, _) in grid.items():
        if origin != target and event != "ABORT":
            labels.setdefault((origin, target), []).append(event)
    lines += [f"    {a} --> {b}: {', '.join(found)}" for (a, b), found in labels.items()]
    lines += ["    CLOSED --> [*]", "```", ""]
    if aborts:
        lines += [f"Not drawn: ABORT, which leads from {len(aborts)} states to CLOSED.", ""]
    lines += ["### The grid", "", "An empty cell cannot happen, and `tcp_event` asserts so.", ""]
    lines += ["| event in | " + " | ".join(spoken(state) for state in STATES[:-1]) + " |"]
    lines += ["|---" * len(STATES) + "|"]
    for event in events:
        cells = []
        for state in STATES[:-1]:
            target = grid.get((event, state), ("", "", ""))[0]
            cells.append("stays" if target == state else spoken(target))
        lines.append(f"| `{event}` | " + " | ".join(cells) + " |")
    lines += ["", "### The edges and their clauses", ""]
    lines += ["| event | from | to | RFC 9293 | what it says |", "|---|---|---|---|---|"]
    for (event, origin), (target, clause, note) in grid.items():
        where = "stays" if origin == target else spoken(target)
        lines.append(f"| `{event}` | {spoken(origin)} | {where} | {clause} | {note} |")
    return "\n".join(lines) + "\n"


def spliced(old, section):
    """The page with everything between the markers replaced."""
    if BEGIN not in old or END not in old:
        raise ValueError(f"{PAGE}: the marker lines are missing")
    head, rest = old.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    return f"{head}{BEGIN}\n\n{section}\n{END}{tail}"


def main():
    try:
        old = ctext.read(PAGE)
        new = spliced(old, page(*parse(ctext.read(SOURCE))))
    except (OSError, ValueError) as error:
        old, new = "", str(error)
        if "--check" not in sys.argv[1:]:
            print(error, file=sys.stderr)
            return 1
    if "--check" in sys.argv[1:]:
        tap = Tap()
        tap.check(old == new, f"{PAGE} shows {SOURCE}", "run scripts/gen_states.py",
                  *([new] if not old else []))
        return tap.done()
    with open(os.path.join(ctext.ROOT, PAGE), "w", encoding="utf-8") as file:
        file.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
