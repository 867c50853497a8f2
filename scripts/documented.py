#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a user can set or type is written down: limits in docs/limits.md, commands in their pages."""

import os
import re
import sys

import ctext
from tap import Tap

LIMITS = "docs/limits.md"
CONFIG = re.compile(r"^struct weir_config \{\n(.*?)^\};", re.M | re.S)
FIELD = re.compile(r"^\s*(uint8_t|uint32_t|weir_time) (\w+);", re.M)
OPTION = re.compile(r'\{ "([a-z][a-z0-9-]*)", (?:no|required|optional)_argument')
SHELLS = ("completions/weir.bash", "completions/_weir")
COMMANDS = ("get", "serve", "echo", "ping", "demo", "sim", "bench",
            "run", "sysctl", "drill", "errno", "ss", "netstat", "lsof", "nstat", "sar", "top",
            "dump", "trace",
            "traceroute", "mtr", "pathping", "dig", "nslookup", "explain")


def limits():
    """The fields of struct weir_config that are limits or times; flags, seeds and keys are not."""
    body = CONFIG.search(ctext.read("include/weir/stack.h"))
    code = ctext.without_comments(body.group(1)) if body else ""
    return [name for _, name in FIELD.findall(code)]


def main():
    tap = Tap()
    found = limits()
    tap.check(len(found) > 10, "struct weir_config is found in include/weir/stack.h")
    text = ctext.read(LIMITS)
    missing = [name for name in found if not re.search(rf"`[^`]*\b{name}\b[^`]*`", text)]
    tap.check(not missing, f"{LIMITS} names every limit of struct weir_config", *missing)
    words = set(re.findall(r"`(\w+_\w+)`", text))
    header = ctext.read("include/weir/stack.h") + ctext.read("include/weir/base.h")
    stale = sorted(word for word in words if word not in header)
    tap.check(not stale, f"{LIMITS} names nothing that is gone", *stale)
    for command in COMMANDS:
        page = f"man/weir-{command}.1.scd"
        tap.check(os.path.isfile(os.path.join(ctext.ROOT, page)), f"{page} is there")
    sources = "".join(map(ctext.read, ctext.files(".c", ".h", under=["tools", "tests/sim"])))
    typed = [f"--{name}" for name in sorted(set(OPTION.findall(sources)))]
    for shell in SHELLS:
        completion = ctext.read(shell)
        lacking = [word for word in [*COMMANDS, *typed]
                   if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", completion)]
        tap.check(not lacking, f"{shell} knows every command and option", *lacking)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
