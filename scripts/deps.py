#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who includes whom: fails on an #include that the layers do not allow (docs/architecture.md)."""

import os
import re
import sys

import ctext
from tap import Tap

# Each module and what it may include beside itself. Siblings are not in each other's lists.
CORE = {
    "base": set(),
    "wire": {"base"},
    "trace": {"base"},
    "tcp": {"base", "wire", "trace"},
    "udp": {"base", "wire", "trace"},
    "ip": {"base", "wire", "trace"},
    "stack": {"base", "wire", "trace", "tcp", "udp", "ip"},
    "sock": {"base", "wire", "trace", "tcp", "udp", "ip", "stack"},
}
OUTSIDE = {
    "dev": {"base", "public"},
    "ipc": {"base", "public"},
    "loop": {"base", "public"},
}
for program in ("daemon", "run", "tools", "drill", "doctor", "examples"):
    OUTSIDE[program] = {"base", "public", "dev", "ipc", "loop"}
OUTSIDE["tools"].add("doctor")
ALLOWED = {**CORE, **OUTSIDE, "public": {"public"}}

# The lowest layers that know a public header, by its subject; those above know it too. stack.h
# declares the limits and addresses that the transports and the network layer are written in.
PUBLIC_LAYERS = {
    "base.h": {"base"},
    "trace.h": {"trace"},
    "stack.h": {"tcp", "udp", "ip"},
    "sock.h": {"sock"},
}

# `weir sim` and `weir bench` are the command's door to what lives with the tests, `weir drill` to a
# folder of its own; weird and scripts take their settings from the table that `weir sysctl` shows,
# and weird its ports as `weir run` reads them.
# The states of a captured connection follow the stack's own relation, fsm.def.
EXCEPTIONS = {("tools/sim.c", "tests/sim"), ("tools/bench.c", "tests/bench"),
              ("daemon/conf.c", "tools"), ("daemon/conf.h", "tools"), ("daemon/settings.c", "tools"), ("tools/drill.c", "drill"),
              ("drill/instance.h", "tools"),
              ("doctor/flow_state.c", "src/tcp")}

PURE_LIBC = {"string.h", "stdint.h", "stddef.h", "stdbool.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def module_of(path):
    parts = path.split("/")
    if parts[0] == "include":
        return "public"
    return parts[1] if parts[0] == "src" else parts[0]


def resolve(path, name, quoted):
    """The file of ours that an include names, or None for one of the system's."""
    places = [os.path.dirname(path)] if quoted else []
    for place in places + ["src", "include", "tests/lib", "tests", ""]:
        candidate = os.path.normpath(os.path.join(place, name))
        if os.path.isfile(os.path.join(ctext.ROOT, candidate)):
            return candidate
    return None


def may_include(path, target):
    module, other = module_of(path), module_of(target)
    if module in (other, "tests"):
        return True
    if (path, os.path.dirname(target)) in EXCEPTIONS:
        return True
    if module in CORE and other == "public":
        layers = PUBLIC_LAYERS.get(os.path.basename(target), set())
        return bool(layers & (CORE[module] | {module}))
    return other in ALLOWED.get(module, set())


def complaints(path):
    text = ctext.read(path)
    for match in INCLUDE.finditer(re.sub(r"/\*.*?\*/", "", text, flags=re.S)):
        quoted, name = match.group(1) == '"', match.group(2)
        target = resolve(path, name, quoted)
        if target is None and quoted and not path.startswith("tests/"):
            yield f'{path}: "{name}" is not a file of ours; system headers stand in <>'
        elif target is None and (ctext.is_pure(path) or path.startswith("include/")):
            if name not in PURE_LIBC:
                yield f"{path}: <{name}> is not one of {' '.join(sorted(PURE_LIBC))}"
        elif target is not None and not may_include(path, target):
            yield f"{path} ({module_of(path)}) may not include {target} ({module_of(target)})"


def own_header_first(path):
    header = path[:-2] + ".h"
    if not path.startswith("src/") or not os.path.isfile(os.path.join(ctext.ROOT, header)):
        return True
    first = INCLUDE.search(ctext.read(path))
    return first is not None and resolve(path, first.group(2), True) == header


def cycle(graph):
    """A path of includes that comes back to where it began, or None."""
    done, trail = set(), []

    def walk(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for other in graph.get(node, ()):
            found = walk(other)
            if found:
                return found
        trail.pop()
        done.add(node)
        return None

    for node in sorted(graph):
        found = walk(node)
        if found:
            return found
    return None


def main():
    tap = Tap()
    sources = ctext.files(".c", ".h", ".def")
    modules = sorted({module_of(path) for path in sources})
    for module in modules:
        bad = [line for path in sources if module_of(path) == module for line in complaints(path)]
        tap.check(not bad, f"{module} includes only what its layer may", *bad)
    graph = {}
    for path in sources:
        found = INCLUDE.findall(ctext.read(path))
        targets = (resolve(path, name, quote == '"') for quote, name in found)
        graph[path] = [target for target in targets if target and target != path]
    loop = cycle(graph)
    tap.check(loop is None, "no header includes itself by way of others", " -> ".join(loop or []))
    late = [path for path in sources if path.endswith(".c") and not own_header_first(path)]
    tap.check(not late, "a .c file includes its own header first", *late)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
