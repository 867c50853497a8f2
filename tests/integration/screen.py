# SPDX-License-Identifier: MIT
"""A program on a terminal of its own, its screen, and who sits before it."""

import os
import pty
import select
import signal
import time


def start(command, lines, columns, hang_up=signal.SIG_DFL):
    """The process and its terminal; `hang_up` is what it does when that goes away."""
    pid, screen = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, hang_up)
        os.environ.update(TERM="xterm", LC_ALL="C.UTF-8", LINES=str(lines), COLUMNS=str(columns))
        os.execvp(command[0], command)
    return pid, screen


def play(pid, screen, steps, limit):
    """Types the second of each step once the first of it was shown. All that was shown, whether
    that was all of the steps, and the exit status; a program that does not end is killed."""
    seen, read, steps, end = b"", 0, list(steps), time.monotonic() + limit
    while time.monotonic() < end:
        if select.select([screen], [], [], 0.2)[0]:
            try:
                seen += os.read(screen, 65536)
            except OSError:  # it has ended
                break
        if steps and steps[0][0] in seen[read:]:
            read = len(seen)
            os.write(screen, steps.pop(0)[1])
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(screen)
    return seen, not steps, status
