#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the pages of `weir explain` say of a setting's default is what this kernel has in a network
namespace that nobody has changed, and what weir has, or the page says how weir differs.

    sysctl_defaults.py WEIR
"""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))
from tap import Tap  # noqa: E402

WEIR = os.path.abspath(sys.argv[1])
TIMEOUT = 30
LEAST = 40  # settings whose page names a default

# What a new namespace takes over from whoever set the machine up, or from a module of its own.
INHERITED = {"net.ipv4.tcp_congestion_control"}
# The same thing in other words: Linux's 0 means 8.
SAME = {("net.ipv4.tcp_orphan_retries", "0"): "8"}

STATED = re.compile(r"(?:default|\u9ed8\u8ba4) ?([\d,]+(?: (?:to|\u5230) \d+)?|cubic)")
MARKED = re.compile(r"(\d+)[^\d]*(?:\(default\)|\uff08\u9ed8\u8ba4\uff09)")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False).stdout


def default_of(title):
    """What a title says: "(default 6: ...)", or "2 on loopback (default)"."""
    stated, marked = STATED.search(title), MARKED.search(title)
    if stated:
        return re.sub(r" (to|\u5230) ", " ", stated[1].replace(",", ""))
    return marked[1] if marked else None


def fresh(names):
    """Values in a new namespace; what the kernel does not have is left out."""
    show = "for f; do [ -r \"/proc/sys/$f\" ] && echo \"$f $(cat \"/proc/sys/$f\")\"; done; true"
    paths = [name.replace(".", "/") for name in names]
    how = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    lines = run(*how, "sh", "-c", show, "sh", *paths).splitlines()
    return {words[0].replace("/", "."): " ".join(words[1:]) for words in map(str.split, lines) if words}


def pages_of(names, lang):
    return {page["name"]: page for page in
            json.loads(run(WEIR, "explain", "--json", "--lang", lang, *names))}


def main():
    tap = Tap()
    known = json.loads(run(WEIR, "sysctl", "--json", "-a"))
    names = [one["name"] for one in known]
    ours = dict(line.split(" = ", 1) for line in run(WEIR, "sysctl", "-a").splitlines())
    english, chinese = pages_of(names, "en"), pages_of(names, "zh")
    defaults = {name: default_of(english[name]["title"]) for name in names}
    stated = {name: value for name, value in defaults.items() if value}
    tap.check(len(stated) >= LEAST, "pages that name a default", str(len(stated)))
    other = [f"{name}: {value}, {chinese[name]['title']}" for name, value in defaults.items()
             if default_of(chinese[name]["title"]) != value]
    tap.check(not other, "English and Chinese say the same", *other)
    kernel = fresh(stated)
    if not kernel:
        tap.skip("no right to make a network namespace")
    other = [f"{name}: {stated[name]}, the kernel {value}" for name, value in kernel.items()
             if value != stated[name] and name not in INHERITED]
    tap.check(not other, f"as the kernel has them ({len(kernel)})", *other)
    other = [f"{name}: {value}, weir {ours[name]}" for name, value in stated.items()
             if name in ours and ours[name] != SAME.get((name, value), value) and
             not re.search(rf"(always|default) {ours[name]}\b", english[name].get("weir", ""))]
    tap.check(not other, "as weir has them, or the page says what weir does", *other)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
