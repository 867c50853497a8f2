# SPDX-License-Identifier: MIT
"""Differences from Linux that are meant, or do no harm: each a rule as narrow as it can be said, whose
first line is the reason. A rule ends its seed: what comes behind it is not looked at.

What is so on purpose and would come too often is not drawn at all: the edge of the first window (Linux
makes it a multiple of the segment size), SO_RCVBUF and SO_SNDBUF (which count Linux's own memory),
windows that shrink with nothing new, urgent data as the program reads it."""

import re

from wire import packet
from wire.judge import MOMENT, blocks_of

BURST_APART = 6  # segments
GAP = .5  # seconds between two answers to what is not acceptable
# Seeds that differ and have no rule yet: more leaves at once after a timeout that SACK blocks undo (177,
# 892), what comes 8 ms after a reset (637), a new incarnation after a reset inside of the window (1031).
UNSETTLED = {177, 637, 892, 1031}
STAMPS = re.compile(r"val -?\d+ ecr \d+")
RULES = []


def rule(function):
    RULES.append(function)
    return function


class Seen:
    """What led to a difference."""

    def __init__(self, found, linux, weir):
        self.what, self.linux, self.weir, self.when = found.what, found.linux, found.weir, found.when
        self.all_linux, self.all_weir = linux, weir
        self.before, self.answers = found.before(linux), found.before(weir)
        linux = self.before
        self.steps = [match for match in (packet.SEGMENT.match(line.text) for line in linux
                                          if line.out is None) if match]
        self.calls = [line.text for line in linux if line.out is None and not line.text.startswith("<")]
        self.outs = [line.out for line in linux if line.out is not None]
        last = [line.text for line in linux if line.out is None][-1:]
        self.step = packet.SEGMENT.match(last[0]) if last else None

    def flags(self):
        return self.step.group(1) if self.step else ""

    def number(self, group):
        return int(self.step.group(group) or 0) if self.step else 0

    def sack(self):
        """Whether both ends have it."""
        return any("sackOK" in (match.group(7) or "") for match in self.steps if "S" in match.group(1)) and \
            any("sackOK" in out.options for out in self.outs if "S" in out.flags)

    def has_sent(self, flag):
        return any(flag in match.group(1) for match in self.steps)

    def stamps(self):
        """The values of the peer's timestamps, in order."""
        return [int(match.group(7).split("TS val ")[1].split()[0]) for match in self.steps
                if "TS val" in (match.group(7) or "")]

    def most_acked(self):
        return max((int(match.group(4)) for match in self.steps[:-1] if match.group(4)), default=0)

    def burst(self, lines):
        """How many segments with octets follow the last step, until the next."""
        steps = [line.when for line in self.all_linux if line.out is None]
        last = max((when for when in steps if when <= self.when + MOMENT), default=0)
        then = min((when for when in steps if when > last), default=self.when + 1)
        return sum(has_text(line) and last - MOMENT <= line.when < then for line in lines)

    def most_sent(self):
        """Before the segment that differs."""
        outs = [out for out in self.outs if self.linux is None or out is not self.linux.out]
        return max((out.end for out in outs), default=0)


def bare(line):
    return line is not None and line.out is not None and line.out.flags == "." and not line.out.length


def has_text(line):
    return line is not None and line.out is not None and (line.out.length > 0 or "F" in line.out.flags)


@rule
def crossing(seen):
    """To a SYN that crosses its own Linux offers what the peer did not (RFC 7323, 2.2 and 3.2)"""
    return seen.what == "options" and "S" in seen.linux.out.flags and "S" in seen.weir.out.flags and \
        seen.has_sent("S") and "." in seen.linux.out.flags and seen.linux.out.note == seen.weir.out.note


@rule
def crossed(seen):
    """Of an open that crossed the peer's Linux takes a round trip, which Karn's rule forbids (RFC 6298, 3)"""
    return seen.what in ("time", "missing", "extra") and "connect" in seen.calls and \
        any(match.group(1) in ("S", "SEW") for match in seen.steps)


@rule
def syn_text(seen):
    """Octets and a FIN in a SYN-ACK are taken here (RFC 9293, 3.10.7.3); Linux drops them"""
    return seen.what in ("ack", "extra", "missing", "late") and "connect" in seen.calls and \
        any("S" in match.group(1) and (int(match.group(3)) > 0 or "F" in match.group(1))
            for match in seen.steps)


@rule
def early_fin(seen):
    """Linux counts a FIN beyond a gap as an octet in SACK blocks (RFC 2018 speaks of data)"""
    if seen.what not in ("options", "missing") or not seen.has_sent("F") or seen.linux is None:
        return False
    ours = set(blocks_of(seen.weir.out)) if seen.weir else set()
    more = [block for block in blocks_of(seen.linux.out) if block not in ours]
    fins = {int(match.group(2)) + int(match.group(3)) + 1 for match in seen.steps if "F" in match.group(1)}
    return bool(more) and all(end in fins for _, end in more)


@rule
def echo(seen):
    """A segment of which nothing is acceptable: Linux may take its timestamp, we do not (RFC 7323, 5.3)"""
    if seen.what != "options":
        return False
    a, b = (STAMPS.sub("", ",".join(line.out.options)) for line in (seen.linux, seen.weir))
    top, acked, old = 0, 0, False
    for match in seen.steps:
        old |= int(match.group(2)) < top or int(match.group(4) or acked) < acked
        top = max(top, int(match.group(2)) + int(match.group(3)) + bool(set("SF") & set(match.group(1))))
        acked = max(acked, int(match.group(4) or 0))
    return a == b and seen.linux.out.ecr != seen.weir.out.ecr and old


@rule
def without_ack(seen):
    """A segment without ACK, SYN and RST: Linux never answers one, RFC 9293 3.10.7.4 does an old one"""
    return seen.what == "extra" and bare(seen.weir) and bool(seen.step) and \
        not set(seen.flags()) & set(".RS")


@rule
def old_stamp(seen):
    """A bare ACK with an old timestamp: Linux takes it for one that was overtaken, RFC 7323 5.3 answers"""
    stamps = seen.stamps()
    return seen.what == "extra" and bare(seen.weir) and len(stamps) > 1 and seen.number(3) == 0 and \
        any(packet.signed(stamps[-1] - stamp) < 0 for stamp in stamps[:-1])


@rule
def left_edge(seen):
    """Linux measures the left edge of its window from what it last acknowledged, RFC 9293 from RCV.NXT"""
    return seen.what == "extra" and bare(seen.weir) and bool(seen.step) and not seen.number(3) and \
        seen.number(2) < seen.weir.out.ack


@rule
def fin_beyond_cwnd(seen):
    """A FIN alone does not wait for the congestion window here; since Linux 6.12 it does there"""
    return seen.what in ("extra", "seq", "flags", "length") and seen.weir.out is not None and \
        "F" in seen.weir.out.flags and not seen.weir.out.length


@rule
def limit(seen):
    """The limit of answers to what is not acceptable goes on from SYN-RECEIVED into the connection"""
    handshake = [line.when for line in seen.answers if line.out is not None and
                 ("S" in line.out.flags or bare(line))]
    first = next((line.when for line in seen.answers if line.out is not None), 0)
    return seen.what == "missing" and (bare(seen.linux) or "S" in seen.linux.out.flags) and \
        any(first <= when and 0 < seen.linux.when - when < GAP for when in handshake)


@rule
def half_open(seen):
    """In SYN-RECEIVED Linux looks at the ACK first, and another SYN or a reset near the mark ends it; RFC 9293
    3.10.7.4 and 5961 begin with the sequence number and answer them"""
    accepted = any(line.text == "accept" and line.said == "0" for line in seen.before[:-1])
    again = sum("S" in match.group(1) for match in seen.steps) > 1
    resets = seen.linux is not None and seen.linux.out is not None and "R" in seen.linux.out.flags
    return not accepted and ((resets and (again or seen.number(4) != 1)) or
                             (len(seen.steps) > 2 and seen.what == "result" and
                              seen.linux.text == "accept" and seen.linux.said == "EAGAIN"))


@rule
def counted_in_octets(seen):
    """cwnd and what a recovery lets out are octets here and segments there, and no device is waited for"""
    return seen.what in ("extra", "time", "seq", "missing") and \
        (has_text(seen.weir) or has_text(seen.linux)) and \
        abs(seen.burst(seen.all_weir) - seen.burst(seen.all_linux)) <= BURST_APART


@rule
def other_text(seen):
    """Where copies have other octets the first that came stays; Linux may take the later"""
    return seen.what == "result" and seen.linux.text.startswith("read") and \
        any("other" in (match.group(8) or "") for match in seen.steps)


@rule
def flushed(seen):
    """What was not read goes with a reset (RFC 9293, 3.10.7.4); Linux lets it be read"""
    return seen.what == "result" and seen.linux.text.startswith("read") and seen.has_sent("R") and \
        seen.weir.said in ("ENOTCONN", "0", "ECONNRESET", "EPIPE")


@rule
def soft_error(seen):
    """SO_ERROR tells of an ICMP error that was no reason to end; here it is told of the end it led to"""
    return seen.what == "result" and seen.linux.text == "error" and seen.weir.said == "0" and \
        any("icmp" in (line.text or "") for line in seen.before)


@rule
def beyond_fin(seen):
    """A peer that goes on behind its FIN, or has sent more before: RFC 9293 believes the FIN, or what was
    there first; Linux drops octets or resets"""
    ends = [(int(match.group(2)) + int(match.group(3)), "F" in match.group(1)) for match in seen.steps
            if "R" not in match.group(1)]
    fins = [end for end, fin in ends if fin]
    return any(end > min(fins) + (not fin) for end, fin in ends) if fins else False


@rule
def old_ack(seen):
    """Octets with an ACK below all that is acceptable: RFC 5961 5.2 drops them, Linux's fast path does not"""
    acked, old = 1, False
    for match in seen.steps:
        old |= int(match.group(3)) > 0 and int(match.group(4) or acked) < acked
        acked = max(acked, int(match.group(4) or 0))
    return old and seen.what.split()[0] in ("extra", "ack", "missing", "late", "options", "info", "result")


@rule
def reset_with_stamp(seen):
    """A reset is not judged by its timestamp (RFC 7323, 5.2); by Linux it is in SYN-RECEIVED"""
    return seen.what == "extra" and "R" in seen.weir.out.flags and seen.has_sent("R")


@rule
def reduced_by_timeout(seen):
    """CWR tells of each reduction (RFC 3168, 6.1.2); on Linux not of one by a timeout"""
    return seen.what == "flags" and \
        set(seen.linux.out.flags) ^ set(seen.weir.out.flags) <= {"W", "P"}


@rule
def no_mss(seen):
    """Without the option the MSS is 536 (RFC 9293 MUST-15); Linux takes what TCP_MAXSEG says"""
    return seen.what.startswith("info snd_mss") and any(call.startswith("set maxseg") for call in seen.calls)


@rule
def told_once(seen):
    """An error that a call has told of is not pending any more; Linux shows ERR again after EPIPE"""
    return seen.what == "result" and seen.linux.text == "poll" and seen.weir.said == \
        seen.linux.said.replace("ERR,", "") and any(line.said in ("EPIPE", "EHOSTUNREACH", "ECONNRESET")
                                                    for line in seen.before if line.text)


@rule
def abort_at_the_end(seen):
    """An abort in CLOSING or LAST-ACK sends nothing (RFC 9293, 3.10.5); Linux sends a reset"""
    return seen.what == "missing" and "R" in seen.linux.out.flags and "close" in seen.calls and \
        "linger 1 0" in seen.calls


@rule
def old_clock(seen):
    """What Linux sends on an ICMP error has the timestamp of what it sent before"""
    return seen.what == "timestamp" and any("icmp" in (line.text or "") for line in seen.before)


@rule
def stamp_of_nothing(seen):
    """A TS.Recent of 0 is none for Linux (RFC 7323, 5.3 has no such exception)"""
    return seen.what == "extra" and bare(seen.weir) and seen.weir.out.ecr == 0


@rule
def answered_again(seen):
    """Linux counts also SYN-ACKs that answered another SYN among those that were lost"""
    return seen.what in ("extra", "time", "seq") and has_text(seen.weir) and \
        sum("S." in out.flags for out in seen.outs) > 2


@rule
def other_errors(seen):
    """ICMP's parameter problem is EPROTO on Linux; here it is an unreachable host"""
    return seen.what == "result" and seen.linux.said == "EPROTO"


@rule
def ack_of_nothing(seen):
    """An ACK of our SYN's own number is old here (RFC 5961, 5.2); Linux takes it for one of nothing sent"""
    return seen.what in ("missing", "ack") and bare(seen.linux) and bool(seen.step) and \
        seen.step.group(4) is not None and seen.number(4) == 0


@rule
def reset_at_fin(seen):
    """After a FIN Linux believes a reset with the FIN's number, RFC 9293 and we only one with RCV.NXT"""
    ends = {int(match.group(2)) + int(match.group(3)) for match in seen.steps if "F" in match.group(1)}
    return any("R" in match.group(1) and int(match.group(2)) in ends for match in seen.steps)


@rule
def window_tail(seen):
    """Linux fills the end of the peer's window with a short segment; RFC 9293 3.8.6.2.1 waits"""
    if seen.what not in ("missing", "flags", "length", "seq") or not has_text(seen.linux):
        return False
    scale = 0
    for match in seen.steps:
        if "S" in match.group(1) and "wscale" in (match.group(7) or ""):
            scale = min(14, int(match.group(7).split("wscale ")[1].split(",")[0]))
    if not any("wscale" in option for out in seen.outs if "S" in out.flags for option in out.options):
        scale = 0
    return any(int(match.group(4)) + (int(match.group(5)) << scale) == seen.linux.out.end
               for match in seen.steps if match.group(4) and match.group(5))


@rule
def no_sack(seen):
    """Without SACK Linux takes a duplicate ACK with a newer number for a window update, and counts none
    that a single segment in flight could not cause; RFC 5681 2 counts both"""
    return not seen.sack() and seen.what in ("extra", "missing") and bool(seen.step) and \
        (has_text(seen.weir) or has_text(seen.linux)) and not seen.number(3)


@rule
def rewritten(seen):
    """What is sent again Linux cuts where it was cut, and joins short segments; here it is cut anew"""
    return seen.what in ("length", "flags", "seq") and has_text(seen.linux) and has_text(seen.weir) and \
        seen.linux.out.seq < seen.most_sent() and abs(seen.linux.out.seq - seen.weir.out.seq) < 100


@rule
def room_for_blocks(seen):
    """Linux takes the room for SACK blocks off all segments of a burst, we off those that have some"""
    return seen.what in ("length", "missing", "seq") and has_text(seen.linux) and \
        bool(blocks_of(seen.linux.out))


@rule
def more_copies(seen):
    """We tell of all that came twice; Linux not with a bad ACK, nor of what it joins (RFC 2883, 4)"""
    return seen.what == "options" and set(blocks_of(seen.linux.out)) < set(blocks_of(seen.weir.out))


@rule
def nobody_owns(seen):
    """In FIN-WAIT-2 and TIME-WAIT without a program Linux looks at less than RFC 9293 3.10.7.4 asks for"""
    resets = seen.what == "ack" and "R" in seen.linux.out.flags and seen.has_sent("F")
    return (resets or seen.what == "extra") and bare(seen.weir) and "close" in seen.calls


@rule
def number_of_reset(seen):
    """A reset for octets that nobody will read has SND.NXT, on Linux the number that the peer expects"""
    return seen.what == "seq" and all("R" in line.out.flags for line in (seen.linux, seen.weir))


@rule
def shrunk(seen):
    """Behind a window that shrank Linux numbers its ACKs with the window's end, we with SND.NXT"""
    return seen.what == "seq" and bare(seen.linux) and bare(seen.weir) and \
        seen.linux.out.seq < seen.weir.out.seq


@rule
def reset_while_closing(seen):
    """A reset after shutdown or in CLOSING is no error here (RFC 9293, 3.10.7.4), on Linux ECONNRESET"""
    return seen.what == "result" and "ECONNRESET" in (seen.linux.said, seen.weir.said) and \
        seen.has_sent("R") and (seen.has_sent("F") or "shutdown wr" in seen.calls)


def reason(found, linux, weir):
    """Why this difference is no fault, or None."""
    seen = Seen(found, linux, weir)
    for function in RULES:
        if function(seen):
            return function.__doc__.split("\n", maxsplit=1)[0]
    return None
