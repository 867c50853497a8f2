# SPDX-License-Identifier: MIT
"""One play: steps given to a subject, and all it does written down."""

from wire import packet, subjects
from wire.calls import Calls


class Case:
    """What holds from the beginning of a play to its end."""

    def __init__(self, seed, role, v6, peer_isn, settings):
        self.seed, self.role, self.v6 = seed, role, v6
        self.peer_isn, self.settings = peer_isn, settings

    def text(self):
        family = "v6" if self.v6 else "v4"
        more = "".join(f" {name}={value}" for name, value in sorted(self.settings.items()))
        return f"case {self.seed} {self.role} {family} isn={self.peer_isn}{more}"

    @staticmethod
    def read(text):
        _, seed, role, family, *more = text.split()
        settings = dict(word.split("=", 1) for word in more)
        isn = int(settings.pop("isn"))
        return Case(int(seed), role, family == "v6", isn, settings)


class Line:
    """One thing that happened: a step ("<" or a call) with what it gave, or a segment out."""

    def __init__(self, when, text, said=None, out=None):
        self.when, self.text, self.said, self.out = when, text, said, out

    def show(self):
        if self.out is not None:
            return f"{self.when:10.6f} {self.out.text()}"
        return f"{self.when:10.6f} {self.text}" + ("" if self.said is None else f" = {self.said}")


def line_of(text):
    """The Line that show() wrote."""
    when, text = text.split(maxsplit=1)
    if text.startswith(">"):
        return Line(float(when), None, None, packet.out_of(float(when), text))
    if text.startswith("<"):
        return Line(float(when), text)
    text, _, said = text.partition(" = ")
    return Line(float(when), text, said)


class Play:
    def __init__(self, subject, case, number=None):
        self.subject, self.case, self.lines = subject, case, []
        for salt in packet.SALTS:  # takes some time, of which there is none later
            packet.octets(salt)
        remote = subjects.remote_of(case.v6, case.seed if number is None else number)
        local = subjects.local_of(case.v6)
        self.names = packet.Names(case.v6, local, remote, case.peer_isn)
        subject.begin(case.settings)
        self.calls = Calls(subject.functions, case.v6, local, remote)

    def note(self, frames):
        for when, frame, gso in frames:
            for out in packet.read(when, frame, self.names, gso):
                self.lines.append(Line(when, None, None, out))

    def advance(self, until):
        self.note(self.subject.advance(until))

    def step(self, text):
        """Makes one step now; returns when that was."""
        now = self.subject.now()
        if text.startswith("<"):
            line = Line(now, text)
            self.lines.append(line)
            for frame in packet.build(text, self.names):
                when, left = self.subject.inject(frame)
                line.when = when if line.when == now and when else line.when
                self.note(left)
        else:
            line = Line(now, text, self.calls.make(text))
            self.lines.append(line)
            self.note(self.subject.take())
        return line.when

    def end(self):
        """Ends it in silence: nothing of it shall be heard in the next."""
        lines = sorted(self.lines, key=lambda line: line.when)
        for _ in range(2):
            if self.calls.target() not in (None, -1):
                self.calls.make("linger 1 0")
                self.calls.make("close")
            self.calls.fd = None
        self.subject.end()
        return lines


def play_steps(subject, case, steps, number=None):
    """Steps are (gap, text): so long after the step before."""
    play, last = Play(subject, case, number), 0.0
    for gap, text in steps:
        play.advance(last + gap)
        last = play.step(text)
    return play.end()


def play_at(subject, case, lines):
    """The steps of a transcript, each at its time."""
    play = Play(subject, case)
    for line in lines:
        if line.out is None:
            play.advance(line.when)
            play.step(line.text)
    return play.end()


def steps_of(lines):
    """[(gap, text)] of a transcript."""
    steps, last = [], 0.0
    for line in lines:
        if line.out is None:
            steps.append((max(0.0, line.when - last), line.text))
            last = line.when
    return steps
