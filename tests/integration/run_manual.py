#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs what the pages of docs/manual show: each command of their console blocks, in a network
namespace and a shell of its own for each page. What it prints must be what the page says, but for
numbers.

    run_manual.py [--build DIR] [--write]

--write puts the output into the pages. Needs root; says so and skips otherwise.
"""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from tap import Tap  # noqa: E402

BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.S)
PROGRAMS = ("nc", "telnet", "tcpdump", "netstat", "lsof")
PATIENCE = 10  # seconds for what a page shows to become true
AGAIN = ("weir", "tcpdump", "cat", "netstat", "lsof")  # commands that only look: asked again until then
MARK = "== done"


class Shell:
    """A bash that is given a line at a time."""

    def __init__(self, folder, weir):
        path = os.path.join(folder, "bin")
        os.mkdir(path)
        os.symlink(weir, os.path.join(path, "weir"))
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.bash = subprocess.Popen(["unshare", "--net", "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                     stderr=subprocess.STDOUT, cwd=folder, env=environment,
                                     start_new_session=True)
        self.run("ip link set lo up")

    def run(self, command):
        self.bash.stdin.write(f"{command}\necho '{MARK}'\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line == MARK + "\n":
                return "".join(lines)
            lines.append(line)
        return "".join(lines) + "the shell has ended\n"

    def wait_for(self, test):
        """Something in the background is ready."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.run(f"{test} && echo yes") != "yes\n":
            time.sleep(0.05)

    def close(self):
        os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.wait()


def plain(text):
    """Without what differs from one run to the next: numbers and the width of columns."""
    text = re.sub(r"(win|length|\d+:)(\d+)", r"\1N", text)
    return [" ".join(re.sub(r"\d+", "N", line).split()) for line in text.splitlines()]


def background(shell, command):
    """The program's words do not mix with the page's."""
    shell.run(command[:-1] + (" 2>/dev/null &" if "2>" not in command else "&"))
    if "-w " in command:
        shell.wait_for(f"test -s {command.split('-w ')[1].split()[0]}")
    elif "9502" in command and ("-l" in command.split() or "create_server" in command):
        shell.wait_for("(ss -Htln; weir ss --net run-$! -Htln 2>/dev/null) | grep -q 9502")


def steps(block):
    """Pairs of command and output."""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:].rstrip("\n"), ""])
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0] += "\n" + line[2:].rstrip("\n")
        elif found:
            found[-1][1] += line
    return found


def perform(shell, command, wanted):
    if command.endswith("&"):
        background(shell, command)
        return ""
    end = time.monotonic() + PATIENCE
    got = shell.run(command)
    while plain(got) != plain(wanted) and command.split()[0] in AGAIN and time.monotonic() < end:
        time.sleep(0.1)
        got = shell.run(command)
    return got


def check_page(tap, page, weir, write):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    name = os.path.relpath(page, ROOT)
    with tempfile.TemporaryDirectory(prefix="weir-manual-") as folder:
        shell = Shell(folder, weir)

        def replay(match):
            made = ""
            for command, wanted in steps(match[0]):
                got = perform(shell, command, wanted)
                if not write:
                    tap.check(plain(got) == plain(wanted), f"{name}: {command.splitlines()[0]}",
                              *wanted.splitlines(), "now:", *got.splitlines())
                made += "$ " + command.replace("\n", "\n> ") + "\n" + got
            return made

        try:
            text = BLOCK.sub(replay, text)
        finally:
            shell.close()
    if write:
        with open(page, "w", encoding="utf-8") as file:
            file.write(text)
        tap.check(True, f"{name} is written anew")


def every_page(build, write):
    tap = Tap()
    for page in sorted(glob.glob(os.path.join(ROOT, "docs", "manual", "*.md"))):
        with open(page, encoding="utf-8") as file:
            if "```console" in file.read():
                check_page(tap, page, os.path.join(build, "weir"), write)
    return tap.done()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    if os.geteuid() != 0 or lacking:
        tap = Tap()
        tap.skip("needs root" if not lacking else f"{', '.join(lacking)} not installed")
        return tap.done()
    return every_page(build, options.write)


if __name__ == "__main__":
    sys.exit(main())
