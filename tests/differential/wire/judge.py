# SPDX-License-Identifier: MIT
"""Whether two transcripts say the same, and if not, where they part."""

import re

LATE = 0.006      # seconds that a timer may be off, and this part of how long it ran: the kernel
LATE_PART = 0.14  # counts in jiffies, and long timers in more at a time
LATER = 0.016     # Linux's may be so late: RACK's and a probe's round up, and have two jiffies more
STAMP = re.compile(r"TS val -?\d+")
ECHO = re.compile(r"TS val -?\d+ ecr \d+")
MOMENT = 2e-6
ACK_MOMENT = .003  # two that were sent at once
DELAY_MOST = 0.25  # seconds until what came in order is acknowledged


class Difference:
    """`what` is one word; the two lines are None where there is none."""

    def __init__(self, what, linux, weir):
        self.what, self.linux, self.weir = what, linux, weir
        self.when = max((line.when for line in (linux, weir) if line is not None), default=1e9)

    def before(self, lines):
        """What was said up to then."""
        return [line for line in lines if line.when <= self.when + MOMENT]

    def show(self):
        return [f"{self.what}", f"Linux: {self.linux.show() if self.linux else '(nothing)'}",
                f"weir:  {self.weir.show() if self.weir else '(nothing)'}"]

    def kind(self):
        """Two plays of one case that differ in the same way have the same."""
        return (self.what, self.linux.text or self.linux.out.flags if self.linux else None,
                self.weir.text or self.weir.out.flags if self.weir else None)


def blocks_of(out):
    """The blocks of its SACK option."""
    return [tuple(map(int, block.split(":"))) for option in out.options if option.startswith("sack ")
            for block in option.split()[1:]]


def windows_agree(linux, weir, scale):
    """The space behind a window is accounted for in other units: about the same must do."""
    a, b = (line.out.win << (0 if "S" in line.out.flags else scale) for line in (linux, weir))
    return (a == 0) == (b == 0) and abs(a - b) <= max(a, b) // 2


def slack(when, since, linux_first):
    """How far apart the two may be when a timer that ran since then goes off."""
    return (LATE if linux_first else LATER) + LATE_PART * max(0.0, when - since)


def times_agree(linux, weir, last):
    first, then = sorted((linux.when, weir.when))
    return then - first <= slack(then, last, linux.when < weir.when)


def may_wait(linux, weir):
    """Whether these are an acknowledgement that one of them has delayed."""
    return not linux.out.length and abs(linux.when - weir.when) <= DELAY_MOST


def options_of(out, loose):
    """What is compared of them."""
    if not loose:
        return [STAMP.sub("TS", option) for option in out.options]
    blocks = [block for block in blocks_of(out) if block[1] > out.ack]
    return [ECHO.sub("TS", option) for option in out.options
            if option != "nop" and not option.startswith("sack ")] + blocks


def outs_differ(linux, weir, scale, last, loose):
    """The name of what is not the same in two segments, or None. After acknowledgements at other
    moments (`loose`) an echo may be of another timestamp, and a reset's window and blocks say nothing."""
    a, b = linux.out, weir.out
    for name in ("seq", "length", "ack", "urg", "tos", "note"):
        if getattr(a, name) != getattr(b, name):
            return name
    if a.flags.replace("P", "") != b.flags.replace("P", ""):
        return "flags"
    if "R" in a.flags:
        return None
    if options_of(a, loose) != options_of(b, loose):
        return "options"
    if not times_agree(linux, weir, last) and not (a.flags == ".E" and may_wait(linux, weir)):
        return "time"
    if a.val is not None and abs((a.val - b.val) - (a.when - b.when) * 1000) > 1000 * LATE:
        return "timestamp"
    return None if windows_agree(linux, weir, scale) else "window"


def info_differs(linux, weir):
    """The fields of TCP_INFO that are not the same."""
    a, b = (dict(word.split("=", 1) for word in said.split() if "=" in word)
            for said in (linux, weir))
    return [f"{name}={a[name]}/{b[name]}" for name in a if name in b and a[name] != b[name]]


def calls_differ(linux, weir, urgent):
    """`urgent`: there is an octet that the program reads otherwise, or not at all."""
    if linux.text != weir.text:
        return "step"
    if linux.said == weir.said or (urgent and not linux.text.startswith(("write", "close"))):
        return None
    if linux.text == "info":
        if linux.said.startswith("state=CLOSED ") and weir.said.startswith("state=CLOSED "):
            return None  # nobody asks for more of what is over
        found = info_differs(linux.said, weir.said)
        return "info " + " ".join(found) if found else None
    return "result"


def scale_of(lines):
    """The subject's: how its windows are to be read."""
    for line in lines:
        if line.out is not None and "S" in line.out.flags:
            for option in line.out.options:
                if option.startswith("wscale"):
                    return int(option.split()[1])
    return 0


class Told:
    """A transcript, and in it the acknowledgements that a stack may send at a moment of its own choice:
    that octets came in order, or came twice, and that a program's reading has made room."""

    def __init__(self, lines):
        self.lines, self.acks = lines, []
        self.copies = set()  # what it says has come twice
        self.may = set()     # indices of such acknowledgements
        acked = window = None
        reading = False
        for n, line in enumerate(lines):
            out = line.out
            if out is None:
                reading = line.text.startswith("read")
                continue
            blocks = blocks_of(out)
            copies = {block for block in blocks if block[1] <= out.ack}
            plain = out.flags == "." and not out.length and not out.tos and acked is not None
            if plain and (out.ack > acked or (len(copies) == len(blocks) and
                                              (copies or (reading and window > 0)))):
                self.may.add(n)
                self.acks.append(line)
            self.copies |= copies
            if "." in out.flags:
                acked, window = out.ack, out.win

    def next(self, n):
        """The first line from there on that must be the same, or the end."""
        while n in self.may:
            n += 1
        return n

    def at(self, n):
        return self.lines[n] if n < len(self.lines) else None

    def told(self, first, end):
        """What was acknowledged in these lines as it pleased."""
        return {self.lines[n].out.ack for n in range(first, end) if n in self.may}

    def by(self, end):
        return [self.lines[n] for n in range(end) if n in self.may]


def late_acks(linux, weir):
    """The first acknowledgement of Linux's that weir makes much later, or not at all."""
    end = weir.lines[-1].when if weir.lines else 0
    said = [(line.when, line.out.ack) for line in weir.lines
            if line.out is not None and "." in line.out.flags]
    for line in linux.acks:
        until = line.when + DELAY_MOST
        if until < end and not any(ack >= line.out.ack and when < until for when, ack in said):
            return line
    return None


def is_bare(line):
    return line is not None and line.out is not None and line.out.flags == "." and not line.out.length


def unlike(a, b):
    """Where one has a step and the other a segment: who is to be asked for more."""
    a, b = (line if line is not None and line.out is not None else None for line in (a, b))
    return Difference("missing" if b is None else "extra", a, b)


def same_acks(linux, weir):
    return len(linux) == len(weir) and all(a.out.ack == b.out.ack and abs(a.when - b.when) < ACK_MOMENT
                                           for a, b in zip(linux, weir))


def is_over(lines):
    """Whether one of the ends has closed."""
    return any(set("RF") & set(line.out.flags if line.out else line.text.split()[1]) for line in lines
               if line.out is not None or line.text.startswith("<"))


class Walk:
    """Through both transcripts at the same time."""

    def __init__(self, linux, weir):
        self.all = Told(linux), Told(weir)
        self.scale, self.last, self.urgent = scale_of(linux), 0.0, False
        self.sent = {}  # when a number was sent last: a timer ran since then

    def excused(self, side, n, others):
        """A bare ACK that the other has told of as it pleased since the step before, or tells of
        next."""
        line = self.all[side].at(n)
        return is_bare(line) and line.out.ack in others and not line.out.tos

    def lines(self, a, b, loose):
        since = min(self.last, self.sent.get(a.out.seq, self.last)) if a.out is not None else 0
        what = outs_differ(a, b, self.scale, since, loose) if a.out is not None else \
            calls_differ(a, b, self.urgent)
        if what is not None:
            return Difference(what, a, b)
        if a.out is not None:
            self.last = a.when
            self.sent[a.out.seq] = a.when
        else:
            self.urgent |= a.text.startswith("<") and "U" in a.text.split()[1]
        return None

    def run(self):
        linux, weir = self.all
        i = j = step_i = step_j = 0
        while True:
            i, j = linux.next(i), weir.next(j)
            a, b = linux.at(i), weir.at(j)
            if a is None and b is None:
                return None
            if a is None or b is None or (a.out is None) != (b.out is None):
                if a is not None and self.excused(0, i, weir.told(step_j, j)):
                    i += 1
                elif b is not None and self.excused(1, j, linux.told(step_i, i)):
                    j += 1
                else:
                    return unlike(a, b)
                continue
            if is_bare(a) and not is_bare(b) and self.excused(0, i, weir.told(step_j, j)):
                i += 1
                continue
            if is_bare(b) and not is_bare(a) and self.excused(1, j, linux.told(step_i, i)):
                j += 1
                continue
            found = self.lines(a, b, not same_acks(linux.by(i), weir.by(j)))
            if found is not None:
                return found
            i, j = i + 1, j + 1
            if a.out is None:
                step_i, step_j = i, j


def compare(linux, weir):
    """The first difference, or None."""
    walk = Walk(linux, weir)
    found = walk.run()
    if found is not None:
        return found
    a, b = walk.all
    if not a.copies <= b.copies and not is_over(linux) and not is_over(weir):
        return Difference(f"copies {sorted(a.copies)} {sorted(b.copies)}", linux[-1], weir[-1])
    late = late_acks(a, b)
    return None if late is None else Difference("late", late, None)
