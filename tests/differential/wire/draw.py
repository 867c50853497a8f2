# SPDX-License-Identifier: MIT
"""Draws a case: the life of one end, and what a peer sends it that may be in order, or anything else.

What is drawn next depends on what the subject has sent, as a peer's segments do: so it is drawn while
the kernel is played to, and weir is given the same lines."""

import random

from wire.play import Case, Play

RTTS = (.002, .01, .03, .1)
MSS_USUAL = 1460
WINDOW_MOST = 65535
SETTINGS = (("tcp_timestamps", "0", .25), ("tcp_sack", "0", .12), ("tcp_window_scaling", "0", .1),
            ("tcp_ecn", "1", .2), ("tcp_ecn", "0", .1), ("tcp_congestion_control", "reno", .35))
BEFORE = (("set nodelay 1", .15), ("set maxseg 536", .06), ("set maxseg 1000", .04),
          ("set keepalive 1", .04), ("set oobinline 1", .05))
# What a seed does most, and what it does beside that.
MOODS = ("receive", "send", "loss", "close", "window", "hostile", "odd", "urgent", "icmp", "stamps")


def case_of(seed):
    draw = random.Random(f"case {seed}")
    settings = {}
    for name, value, chance in SETTINGS:
        if draw.random() < chance:
            settings[name] = value
    isn = draw.choice((1000, 0xffffff00, 0x7fffff00, draw.getrandbits(32)))
    return Case(seed, draw.choice(("passive", "passive", "active")), draw.random() < .4, isn, settings)


def kinds(options):
    """The names in a list of options."""
    return tuple(option.split()[0] for option in (options or "").split(",") if option)


class View:
    """What the peer knows of the connection, from what it has seen and sent."""

    def __init__(self):
        self.next = 1      # the peer's next new octet
        self.top = 1       # behind all it has sent, holes and all
        self.fin = None    # its FIN's number
        self.acked = 0     # what it has acknowledged
        self.got = 0       # what it has of the subject without a hole
        self.most = 0      # the end of what it has seen
        self.pieces = []   # (first, end) of the subject's segments
        self.ack = 0       # the subject's latest acknowledgement
        self.edge = 0      # and the end of its window
        self.scale = 0     # of the subject's windows
        self.stamps = 0    # how many of its segments had one
        self.over = False  # a reset was seen
        self.opened = False
        self.seen = 0      # lines that have been looked at
        self.options = ""  # of the subject's SYN

    def look(self, lines):
        for line in lines[self.seen:]:
            if line.out is not None:
                self.take(line.out)
        self.seen = len(lines)

    def take(self, out):
        self.stamps += out.val is not None
        if "R" in out.flags:
            self.over = True
            return
        if "S" in out.flags:
            self.options = ",".join(out.options)
            self.scale = 0
            for option in out.options:
                if option.startswith("wscale"):
                    self.scale = int(option.split()[1])
        if out.end > out.seq:
            self.pieces.append((out.seq, out.end))
        self.most = max(self.most, out.end)
        for first, end in sorted(self.pieces):
            if first <= self.got < end:
                self.got = end
        if "." in out.flags:
            self.ack = max(self.ack, out.ack)
            scale = 0 if "S" in out.flags else self.scale
            self.edge = max(self.edge, out.ack + (out.win << scale))


class Draw:
    """One play, line by line."""

    def __init__(self, play, seed):
        self.play, self.draw, self.view = play, random.Random(f"lines {seed}"), View()
        self.last = 0.0
        self.rtt = self.draw.choice(RTTS)
        self.mood = self.draw.choice(MOODS)
        self.window = self.draw.choice((WINDOW_MOST, WINDOW_MOST, 20000, 6000))
        self.stamp = self.draw.choice((100, 100, 0xfffffff0))
        self.stamps = self.sack = False
        self.deaf = False  # the program has no connection to make calls on
        self.mss = MSS_USUAL

    # ---- The wire ----

    def chance(self, part):
        return self.draw.random() < part

    def pick(self, *choices):
        return self.draw.choice(choices)

    def do(self, text, gap=None):
        if self.deaf and not text.startswith("<"):
            text = "accept"
        gap = self.gap() if gap is None else gap
        self.play.advance(self.last + gap)
        self.view.look(self.play.lines)
        self.last = self.play.step(text)
        if text == "accept":
            self.deaf = self.play.calls.fd is None
        self.view.look(self.play.lines)

    def gap(self):
        """Most follow at once or after a round trip; few wait for a timer."""
        r = self.draw.random()
        if r < .45:
            return 0
        if r < .85:
            return self.rtt
        if r < .95:
            return .07
        return self.pick(.3, .3, .7, 1.5)

    def options(self, more=(), stamp=None):
        """The list between < and >, with a timestamp where there are some."""
        words = list(more)
        if self.stamps:
            self.stamp = (self.stamp + self.pick(0, 1, 5, 10)) & 0xffffffff
            last = max(0, self.view.stamps - 1)
            words = ["nop", "nop", stamp or f"TS val {self.stamp} ecr #{last}"] + words
        return f" <{','.join(words)}>" if words else ""

    def segment(self, flags, seq, length=0, ack=None, **odd):
        """Sends one. `odd`: win, urg, options, stamp, tweaks."""
        ack = self.view.acked if ack is None else ack
        text = f"< {flags} {seq}({length})" + (f" ack {ack}" if "." in flags else "")
        text += f" win {odd.get('win', self.window)}" + (f" urg {odd['urg']}" if "urg" in odd else "")
        text += self.options(odd.get("options", ()), odd.get("stamp"))
        if odd.get("tweaks"):
            text += f" {{{odd['tweaks']}}}"
        if "." in flags:
            self.view.acked = max(self.view.acked, min(ack, self.view.most))
        if seq + length < max(self.view.edge, 60000) - 3000:
            self.view.top = max(self.view.top, seq + length + ("F" in flags))
        self.do(text, odd.get("gap"))

    def length(self):
        return self.pick(1, 1, 10, 100, 536, 1000, self.mss - 12 * self.stamps)

    def payload_flag(self):
        return self.pick("P.", "P.", ".")

    # ---- What a peer does in order ----

    def text(self):
        length = self.length()
        if self.view.fin is None:
            first, self.view.next = self.view.next, self.view.next + length
            self.segment(self.payload_flag(), first, length)

    def hole(self):
        """Leaves one, and sends what is behind it."""
        gap, length = self.pick(1, 100, 1000, self.mss), self.length()
        self.segment(self.payload_flag(), self.view.top + gap, length)

    def fill(self):
        """What was left out, or less, or more than that."""
        first = max(self.view.ack, 1)
        length = self.pick(1, 100, max(1, self.view.top - first), self.length())
        self.segment(self.payload_flag(), first, min(length, 3000))
        self.view.next = max(self.view.next, min(first + length, self.view.top))

    def fin(self):
        length = self.pick(0, 0, 0, 10)
        self.view.next = max(self.view.next, self.view.top)
        if self.view.fin is None:
            self.view.fin = self.view.next + length
            self.segment("F.", self.view.next, length)
            self.view.next = self.view.fin + 1
        else:
            self.segment("F.", self.view.fin)

    def acknowledge(self):
        """All, or up to the end of one of its segments."""
        ends = [end for _, end in self.view.pieces if end > self.view.acked] or [self.view.got]
        self.segment(".", self.view.next, 0, self.pick(self.view.got, self.view.got, self.draw.choice(ends)))

    def again(self):
        self.segment(".", self.view.next, 0, self.view.acked)

    def blocks(self, false=False):
        """A SACK option over some of what is in flight."""
        pieces = sorted(set(piece for piece in self.view.pieces if piece[0] > self.view.acked))
        found = []
        for _ in range(self.pick(1, 1, 2, 3)):
            if pieces:
                first = self.draw.randrange(len(pieces))
                last = min(len(pieces) - 1, first + self.pick(0, 0, 1, 2))
                found.append((pieces[first][0], pieces[last][1]))
        if false:
            most, acked = self.view.most, self.view.acked
            found = [self.draw.choice(((most, most + 100), (acked - 200, acked - 100), (acked, acked),
                                       (most, acked), (acked + 1, acked + 5), (1, most),
                                       (acked - 1000, most + 1000)))] + found[:2]
        return ["nop", "nop", "sack" + "".join(f" {a}:{b}" for a, b in found[:3])] if found else []

    def selective(self):
        self.segment(".", self.view.next, 0, self.view.acked, options=self.blocks())

    def repeated(self):
        """DSACK: something arrived twice."""
        pieces = [piece for piece in self.view.pieces if piece[0] >= 1] or [(1, 2)]
        first, end = self.draw.choice(pieces)
        got = self.view.got if self.chance(.6) else self.view.acked
        self.segment(".", self.view.next, 0, got, options=["nop", "nop", f"sack {first}:{end}"])

    def resize(self):
        window = self.pick(0, 0, 1, 100, 500, 1000, 3000, 20000, WINDOW_MOST)
        if 0 < window < self.window:  # the kernel believes that only with something new
            self.text()
        self.window = window
        self.segment(".", self.view.next, 0, self.pick(self.view.acked, self.view.got))

    # ---- What a peer should not do ----

    def place(self):
        """A sequence number near something that matters."""
        view = self.view
        base = self.pick(view.ack, view.ack, view.next, view.edge, view.top, 0, 1)
        if base == view.edge:  # which is not exactly there for both
            return base + self.pick(-4000, 20000, 200000)
        return base + self.pick(-1000, -2, -1, 0, 0, 0, 1, 2, 500)

    def ack_place(self):
        view = self.view
        return self.pick(view.acked, view.got, view.most, 0, 1) + self.pick(-1, 0, 0, 0, 1, 100, -70000,
                                                                              100000)

    def wild_text(self):
        self.segment(self.payload_flag(), self.place(), self.length(), tweaks=self.pick("", "", "", "other"))

    def wild_ack(self):
        length = self.pick(0, 0, 1, 100)
        self.segment(".", self.pick(self.view.next, self.place()), length, self.ack_place())

    def wild_fin(self):
        self.segment(self.pick("F.", "F.", "FP.", "F"), self.place(), self.pick(0, 0, 1, 100))

    def wild_sack(self):
        self.segment(".", self.view.next, 0, self.pick(self.view.acked, self.view.got),
                     options=self.blocks(True))

    def reset(self):
        seq = self.pick(self.view.ack, self.place(), self.place())
        self.segment(self.pick("R", "R.", "R."), seq, self.pick(0, 0, 0, 10), self.pick(None, self.ack_place()))

    def syn(self):
        seq = self.pick(0, 0, self.place(), self.view.edge + 100000)
        options = self.pick((), (f"mss {self.mss}",))
        self.segment(self.pick("S", "S", "S.", "SF", "SP."), seq, self.pick(0, 0, 0, 10),
                     self.pick(None, self.ack_place()), options=options)

    def flags(self):
        self.segment(self.pick("-", "P", "F", "U.", "FPU", "SR", "SRF.", "SF.", "P"), self.place(),
                     self.pick(0, 0, 10), urg=self.pick(0, 1, 10))

    def probe(self):
        """Keep-alives of both kinds, and probes of a window."""
        self.segment(".", self.view.next - 1, self.pick(0, 0, 1))

    def broken(self):
        tweaks = self.pick("badsum", "badsum", "offset 4", "offset 0", "shorter 1", "padding 7",
                           "ttl 1", "longer 4", "badip" if not self.play.case.v6 else "badsum")
        self.segment("P.", self.view.next, self.pick(10, 100), tweaks=tweaks)

    def pieces(self):
        length = self.pick(100, 1000)
        if self.view.fin is None:
            first, self.view.next = self.view.next, self.view.next + length
            self.segment("P.", first, length, tweaks=self.pick("fragments 1", "fragments 2"))

    def strange_options(self):
        """Known ones where they do not belong, unknown ones, and such as do not end."""
        words = self.pick(["raw fd04aabb"], ["raw 0800"], ["raw 0801"], ["raw 05"], ["raw 050a00"],
                          ["mss 100"], ["wscale 3"], ["sackOK"],
                          ["eol", "raw ffffff"], ["raw 1e03ff"], ["raw 22020000"], ["raw 0303"],
                          ["raw 130200"], ["nop"] * 8, ["raw 0002"])
        self.segment("P.", self.view.next, self.pick(1, 10), options=words[:12 if not self.stamps else 8])
        self.view.next = self.view.top

    def old_stamp(self):
        if not self.stamps:
            self.text()
            return
        last = max(0, self.view.stamps - 1)
        val = (self.stamp + self.pick(-2, -100, -70000, 1000, 0x7fffffff, 0x80000010, 0)) & 0xffffffff
        stamp = f"TS val {val} ecr {self.pick(f'#{last}', f'#{last}', '#0', f'#{last}+5000', '0')}"
        length, first = self.pick(0, 10, 100), self.view.next
        self.segment(self.pick("P.", "P.", "F.", "R.", "."), self.pick(first, first, self.place()), length,
                     stamp=stamp)
        self.view.next = self.pick(first, first + length)

    def no_stamp(self):
        was, self.stamps = self.stamps, False
        (self.text if self.chance(.7) else self.acknowledge)()
        self.stamps = was

    def urgent(self):
        length = self.pick(1, 10, 100)
        self.segment(self.pick("PU.", "PU.", "U."), self.view.next, length,
                     urg=self.pick(1, length, length, length + 1, length + 100, 0, 65535))
        self.view.next = self.view.top

    def icmp(self):
        kind, code = self.pick((3, 0), (3, 1), (3, 1), (3, 2), (3, 3), (3, 3), (3, 4), (3, 4), (3, 9),
                               (3, 10), (3, 13), (11, 0), (12, 0))
        seq = self.pick(self.view.acked, self.view.acked, self.view.most + 1, self.view.most - 1,
                        self.view.acked - 1, self.view.most + 1000, self.view.got)
        seq += seq == self.view.most  # SND.NXT, which Linux takes for sent
        mtu = f" mtu {self.pick(1400, 1280, 1280, 576, 296, 68, 0, 1500, 9000)}" if code == 4 else ""
        odd = self.pick("", "", "", "", " {port 1}", " {short}")
        self.do(f"< icmp {kind} {code}{mtu} seq {seq}{odd}")

    def marked(self):
        self.segment(self.pick("P.", "PW.", "PE.", "PEW."), self.view.next, 100,
                     tweaks=self.pick("tos 3", "tos 2", "tos 1", ""))
        self.view.next = self.view.top

    # ---- The program ----

    def write(self):
        self.do(f"write {self.pick(1, 10, 100, 1000, 1460, 3000, 5000)}")

    def write_much(self):
        self.do(f"write {self.pick(5000, 14480, 20000)}")

    def read(self):
        self.do(f"read {self.pick(1, 10, 100, 1000, 100000, 100000, 100000)}"
                f"{self.pick('', '', '', '', '', ' peek')}")

    def shutdown(self):
        self.do("shutdown wr")

    def close(self):
        if self.chance(.2):
            self.do("linger 1 0")
        self.do("close")

    def set(self):
        self.do(self.pick("set nodelay 1", "set cork 1", "set cork 0", "set quickack 0", "set quickack 1",
                          "set oobinline 1", "set keepalive 1", "set keepidle 1",
                          "set notsent 1000", "set nodelay 0",
                          "set cork 0"))

    def ask(self):
        self.do(self.pick("poll", "poll", "error", "ioctl inq", "ioctl outq", "ioctl unsent",
                          "ioctl atmark", "info"))

    def wait(self):
        self.do("poll", self.pick(.05, .25, .25, .6, 1.2))

    def round(self):
        """An exchange as it should be."""
        self.write()
        self.segment(".", self.view.next, 0, self.view.got, gap=self.rtt)

    MENU = {
        "receive": (text, text, text, hole, hole, fill, fill, read, wild_text, wild_text, probe, round),
        "send": (write, write, write_much, acknowledge, acknowledge, acknowledge, wild_ack, round, text),
        "loss": (write_much, write, selective, selective, selective, again, again, acknowledge, repeated,
                 wild_sack, wait),
        "close": (shutdown, shutdown, close, fin, fin, wild_fin, wild_fin, text, acknowledge, read, write,
                  wild_ack, reset),
        "window": (resize, resize, resize, write_much, write, acknowledge, wait, wild_ack, text, read),
        "hostile": (reset, syn, flags, wild_ack, wild_text, wild_fin, reset, syn, text, write),
        "odd": (broken, broken, pieces, strange_options, strange_options, text, marked, marked, write,
                acknowledge),
        "urgent": (urgent, urgent, urgent, text, read, read, ask, write, hole, fill),
        "icmp": (icmp, icmp, icmp, write, write_much, acknowledge, wait, text),
        "stamps": (old_stamp, old_stamp, no_stamp, text, hole, fill, write, acknowledge),
    }
    BESIDE = (text, write, acknowledge, read, ask, ask, set, hole, fill, round, probe, resize, wild_text,
              wild_ack, selective, close, shutdown, fin, wait)

    # ---- How it begins ----

    def syn_options(self):
        self.mss = self.pick(MSS_USUAL, MSS_USUAL, 1000, 536, 536)
        words = [f"mss {self.mss}"] if self.chance(.95) else []
        if not words:
            self.mss = 536
        if self.chance(.7):
            words.append("sackOK")
            self.sack = True
        if self.chance(.6):
            words.append(f"TS val {self.stamp} ecr #0")
            self.stamps = True
        if self.chance(.75):
            words += ["nop", f"wscale {self.pick(0, 0, 2, 7, 14, 15)}"]
        if self.chance(.05):
            words.append(self.pick("raw fd04aabb", "eol", "raw 2202", "raw 1e0c0001aabbccdd00112233"))
        return words

    def settled(self):
        """What both have agreed upon, after the subject's SYN."""
        self.stamps = self.stamps and "TS" in self.view.options
        self.sack = self.sack and "sackOK" in self.view.options
        self.view.acked = max(self.view.acked, 1)

    def begin(self):
        self.do(f"socket {self.play.case.role}", 0)
        for text, part in BEFORE:
            if self.chance(part):
                self.do(text, 0)
        if self.play.case.role == "passive":
            self.passive()
        else:
            self.active()

    def passive(self):
        self.do("bind", 0)
        self.do(f"listen {self.pick(0, 1, 5)}", 0)
        words, stamps = self.syn_options(), self.stamps
        self.stamps = False
        flags = self.pick("S", "S", "S", "SEW")
        if self.chance(.05):
            self.segment(self.pick("R", ".", "P.", "F", "SF", "-"), 0, 0, 5)
        win = self.pick(WINDOW_MOST, 29200, 20000)
        self.segment(flags, 0, 0, options=words, win=win, gap=.01)
        if self.chance(.1):
            self.segment(flags, 0, 0, options=words, win=win)
        self.stamps = stamps
        self.settled()
        if self.chance(.15):
            for _ in range(self.pick(1, 1, 2, 3)):
                self.draw.choice((Draw.wild_ack, Draw.reset, Draw.syn, Draw.wild_text, Draw.text,
                                  Draw.flags, Draw.wait, Draw.old_stamp, Draw.icmp))(self)
        if self.chance(.97):
            self.segment(".", self.view.next if self.chance(.9) else 1, self.pick(0, 0, 0, 0, 10), 1,
                         gap=self.rtt)
        self.view.next = max(self.view.next, self.view.top)
        self.do("accept", 0)

    def active(self):
        self.do("connect", 0)
        self.view.acked = 1
        if self.chance(.2):
            for _ in range(self.pick(1, 1, 2)):
                self.draw.choice((Draw.wild_ack, Draw.reset, Draw.syn, Draw.wild_text, Draw.flags,
                                  Draw.icmp, Draw.icmp, Draw.wait))(self)
        words, stamps = self.syn_options(), self.stamps
        self.stamps = False
        flags = self.pick("S.", "S.", "S.", "S.", "S.", "SE.", "S")
        self.segment(flags, 0, 0, self.view.most, options=words, gap=self.rtt)
        self.view.next = max(1, self.view.top)
        self.stamps = stamps
        self.settled()
        if flags == "S":
            self.segment(".", self.view.next, 0, 1)

    def run(self):
        self.begin()
        for _ in range(self.draw.randint(4, 14)):
            menu = self.MENU[self.mood] if self.chance(.7) else self.BESIDE
            self.draw.choice(menu)(self)
        for text, gap in (("info", .1), ("poll", 0), ("error", 0), ("read 200000", 0), ("read 1", .02)):
            self.do(text, gap)


def play_drawn(subject, seed):
    """(case, lines) of one seed."""
    case = case_of(seed)
    play = Play(subject, case)
    Draw(play, seed).run()
    return case, play.end()
