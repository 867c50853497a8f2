# SPDX-License-Identifier: MIT
"""A line of text and the packets it stands for, both ways.

    < P. 1(100) ack 1 win 512 <nop,nop,TS val 5 ecr #2> {tos 3}      arrives at the subject
    < icmp 3 4 mtu 1200 seq 1
    > . 1(0) ack 101 win 501 <nop,nop,TS val 40 ecr 5>               left it

Numbers count from the SYN of their side, as in docs/drill.md. `ecr #2` is the timestamp of the third
segment of the subject's that had one, whatever its value was; `ecr #2+9` that and 9 more. Between
braces stands what is wrong or odd about a packet.
"""

import functools
import re
import struct

LETTERS = "FSRP.UEW"  # from the lowest bit up
OPTION_KINDS = {"eol": 0, "nop": 1, "mss": 2, "wscale": 3, "sackOK": 4, "sack": 5, "TS": 8}
PORT = 8080  # the subject's when it listens
PEER_PORT = 40000
TEXT_BEFORE, TEXT_MOST = 1 << 14, 1 << 19
OURS, OTHER, THEIRS = SALTS = 0, 0x5a, 0xa5  # the peer's octets, others in their place, the subject's
SEGMENT = re.compile(r"< (\S+) (-?\d+)\((\d+)\)(?: ack (-?\d+))?(?: win (\d+))?(?: urg (\d+))?"
                     r"(?: <(.*?)>)?(?: \{(.*)\})?$")
ICMP = re.compile(r"< icmp (\d+) (\d+)(?: mtu (\d+))?(?: seq (-?\d+))?(?: \{(.*)\})?$")
# What stands for IPv4's types and codes over IPv6.
ICMP6 = {(3, 0): (1, 0), (3, 1): (1, 3), (3, 2): (4, 1), (3, 3): (1, 4), (3, 4): (2, 0),
         (3, 9): (1, 1), (3, 10): (1, 1), (3, 13): (1, 1), (11, 0): (3, 0), (12, 0): (4, 0)}


def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


@functools.cache
def octets(salt):
    """A long stretch of a stream, and what comes before its first octet."""
    return bytes(((n * 31 + (n >> 8) * 17) ^ salt) & 0xff for n in range(-TEXT_BEFORE, TEXT_MOST))


def text_at(first, length, salt=0):
    """The octets of a stream from a number on: each place has its own."""
    first = max(-TEXT_BEFORE, min(first, TEXT_MOST - length))
    return octets(salt)[first + TEXT_BEFORE:first + TEXT_BEFORE + length]


def signed(number):
    number &= 0xffffffff
    return number - (1 << 32) if number >= 1 << 31 else number


class Names:
    """What the numbers of one play count from."""

    def __init__(self, v6, local, remote, peer_isn):
        self.v6, self.local, self.remote, self.peer_isn = v6, local, remote, peer_isn
        self.port = PORT  # the subject's
        self.isn = None   # the subject's: known with its first SYN
        self.stamps = []  # its timestamps, one a segment that had one
        self.ident = 0

    def pseudo(self, length, protocol, out):
        ends = self.remote + self.local if out else self.local + self.remote
        return ends + (struct.pack(">II", length, protocol) if self.v6 else
                       struct.pack(">HH", protocol, length))


# ---- From text ----

def words_of(tweaks):
    """{word: number} of what stands in braces."""
    found = {}
    for tweak in filter(None, (tweaks or "").split(",")):
        word, _, value = tweak.strip().partition(" ")
        found[word] = int(value or 1)
    return found


def stamp(word, names):
    if not word.startswith("#"):
        return int(word) & 0xffffffff
    index, _, more = word[1:].partition("+")
    if not names.stamps:
        return int(more or 0)
    return names.stamps[min(int(index), len(names.stamps) - 1)] + int(more or 0) & 0xffffffff


def one_option(text, names):
    words = text.split()
    kind = OPTION_KINDS.get(words[0])
    if words[0] == "raw":
        return bytes.fromhex(words[1])
    if kind < 2:
        return bytes([kind])
    if words[0] == "mss":
        body = struct.pack(">H", int(words[1]))
    elif words[0] == "wscale":
        body = bytes([int(words[1])])
    elif words[0] == "TS":
        body = struct.pack(">II", stamp(words[2], names), stamp(words[4], names))
    else:
        edges = [int(edge) for block in words[1:] for edge in block.split(":")]
        body = b"".join(struct.pack(">I", (edge + (names.isn or 0)) & 0xffffffff) for edge in edges)
    return bytes([kind, len(body) + 2]) + body


def tcp_of(match, names):
    """The segment's octets, the sum in place."""
    flags, seq, length, ack, win, urg, options, tweaks = match.groups()
    tweak = words_of(tweaks)
    bits = sum(1 << LETTERS.index(letter) for letter in flags if letter in LETTERS)
    more = b"".join(one_option(option, names) for option in filter(None, (options or "").split(",")))
    more += bytes(-len(more) % 4)
    offset = tweak.get("offset", 5 + len(more) // 4)
    number = (names.isn or 0) + int(ack) if ack is not None else 0
    head = struct.pack(">HHIIBBHHH", PEER_PORT, names.port, (names.peer_isn + int(seq)) & 0xffffffff,
                       number & 0xffffffff, offset << 4, bits, int(win or 0), 0, int(urg or 0))
    text = text_at(int(seq), int(length), OTHER if "other" in tweak else OURS)
    segment = head + more + text
    total = ones_sum(names.pseudo(len(segment), 6, False) + segment) ^ 0xffff
    if "badsum" in tweak:
        total ^= 0x0101
    return segment[:16] + struct.pack(">H", total) + segment[18:], tweak


def ip4(names, payload, protocol, tweak, place=(0, False)):
    offset, more = place
    length = 20 + len(payload) + tweak.get("longer", 0) - tweak.get("shorter", 0)
    fragment = offset // 8 | (0x2000 if more else 0) if offset or more else 0x4000
    head = struct.pack(">BBHHHBBH", 0x45, tweak.get("tos", 0), length, names.ident & 0xffff, fragment,
                       tweak.get("ttl", 64), protocol, 0) + names.remote + names.local
    total = ones_sum(head) ^ 0xffff ^ (0x0101 if "badip" in tweak else 0)
    return head[:10] + struct.pack(">H", total) + head[12:] + payload


def ip6(names, payload, protocol, tweak, place=None):
    if place is not None:
        offset, more = place
        payload = struct.pack(">BBHI", protocol, 0, offset | more, names.ident) + payload
        protocol = 44
    length = len(payload) + tweak.get("longer", 0) - tweak.get("shorter", 0)
    return struct.pack(">IHBB", 6 << 28 | tweak.get("tos", 0) << 20, length, protocol,
                       tweak.get("ttl", 64)) + names.remote + names.local + payload


def frames_of(names, payload, protocol, tweak):
    make = ip6 if names.v6 else ip4
    names.ident += 1
    if "fragments" not in tweak:
        padding = bytes(tweak.get("padding", 0))
        return [make(names, payload, protocol, tweak) + padding]
    cut = max(8, len(payload) // 2 // 8 * 8)
    pieces = [make(names, payload[:cut], protocol, tweak, (0, True)),
              make(names, payload[cut:], protocol, tweak, (cut, False))]
    return pieces if tweak["fragments"] == 1 else pieces[::-1]


def icmp_of(match, names):
    kind, code, mtu, seq, tweaks = match.groups()
    tweak = words_of(tweaks)
    number = ((names.isn or 0) + int(seq or 0)) & 0xffffffff
    quoted = struct.pack(">HHI", names.port + tweak.get("port", 0), PEER_PORT, number)
    quoted += struct.pack(">IBBHHH", 0, 0x50, 0x10, 0, 0, 0) if "short" not in tweak else b""
    back = Names(names.v6, names.remote, names.local, 0)
    back.ident = names.ident
    inner = (ip6 if names.v6 else ip4)(back, quoted, 6, {"longer": 40})
    if names.v6:
        kind, code = ICMP6[int(kind), int(code)]
        body = struct.pack(">BBHI", kind, code, 0, int(mtu or 0)) + inner
        total = ones_sum(names.pseudo(len(body), 58, False) + body)
        protocol = 58
    else:
        body = struct.pack(">BBHI", int(kind), int(code), 0, int(mtu or 0)) + inner
        total = ones_sum(body)
        protocol = 1
    return body[:2] + struct.pack(">H", total ^ 0xffff) + body[4:], protocol, tweak


def build(text, names):
    """The frames of one line."""
    match = SEGMENT.match(text)
    if match:
        segment, tweak = tcp_of(match, names)
        return frames_of(names, segment, 6, tweak)
    match = ICMP.match(text)
    if not match:
        raise ValueError(f"not understood: {text}")
    message, protocol, tweak = icmp_of(match, names)
    return frames_of(names, message, protocol, tweak)


# ---- To text ----

class Out:
    """A segment of the subject's."""

    def __init__(self, when, flags, seq, length):
        self.when, self.flags, self.seq, self.length = when, flags, seq, length
        self.ack = self.win = self.urg = self.tos = 0
        self.options, self.val, self.ecr, self.note = [], None, None, ""

    @property
    def end(self):
        return self.seq + self.length + ("S" in self.flags) + ("F" in self.flags)

    def text(self):
        words = f"> {self.flags} {self.seq}({self.length})"
        if "." in self.flags:
            words += f" ack {self.ack}"
        words += f" win {self.win}" + (f" urg {self.urg}" if "U" in self.flags else "")
        if self.options:
            words += f" <{','.join(self.options)}>"
        tweaks = ([f"tos {self.tos}"] if self.tos else []) + ([self.note] if self.note else [])
        return words + (f" {{{', '.join(tweaks)}}}" if tweaks else "")


OUT = re.compile(r"> (\S+) (-?\d+)\((\d+)\)(?: ack (-?\d+))? win (\d+)(?: urg (\d+))?(?: <(.*?)>)?"
                 r"(?: \{(.*)\})?$")
STAMP_IN = re.compile(r"TS val (\d+)")
STAMP = re.compile(r"TS val (-?\d+) ecr (\d+)")


def out_of(when, text):
    """The Out that a line of text says, as Out.text() wrote it."""
    flags, seq, length, ack, win, urg, options, tweaks = OUT.match(text).groups()
    out = Out(when, flags, int(seq), int(length))
    out.ack, out.win, out.urg = int(ack or 0), int(win), int(urg or 0)
    out.options = options.split(",") if options else []
    stamp = STAMP.search(options or "")
    if stamp:
        out.val, out.ecr = int(stamp.group(1)), int(stamp.group(2))
    for word in filter(None, (tweaks or "").split(", ")):
        if word.startswith("tos "):
            out.tos = int(word[4:])
        else:
            out.note = word
    return out


def read_options(data, names, out):
    while data:
        kind = data[0]
        if kind < 2:
            out.options.append("nop" if kind else "eol")
            data = data[1:] if kind else b""
            continue
        size = data[1] if len(data) > 1 else 0
        if size < 2 or size > len(data):
            out.options.append("broken")
            return
        body, data = data[2:size], data[size:]
        if kind == 2:
            out.options.append(f"mss {struct.unpack('>H', body)[0]}")
        elif kind == 3:
            out.options.append(f"wscale {body[0]}")
        elif kind == 4:
            out.options.append("sackOK")
        elif kind == 5:
            edges = [signed(n - names.peer_isn) for n in struct.unpack(f">{len(body) // 4}I", body)]
            out.options.append("sack" + "".join(f" {a}:{b}" for a, b in zip(edges[::2], edges[1::2])))
        elif kind == 8:
            val, out.ecr = struct.unpack(">II", body)
            names.stamps.append(val)
            out.val = signed(val - names.stamps[0])
            out.options.append(f"TS val {out.val} ecr {out.ecr}")
        else:
            out.options.append(f"raw {kind:02x}{size:02x}{body.hex()}")


def read_tcp(when, data, names):
    port, _, seq, ack, offset, bits, win, _, urg = struct.unpack(">HHIIBBHHH", data[:20])
    names.port = port
    flags = "".join(LETTERS[i] for i in range(8) if bits >> i & 1) or "-"
    note = ""
    if "S" in flags and names.isn != seq:
        note = "" if names.isn is None else "new"
        names.isn = seq
    text = data[(offset >> 4) * 4:]
    # A reset for what has no ACK has the number 0, whatever ours are.
    number = 0 if "R" in flags and seq == 0 else signed(seq - (names.isn or 0))
    out = Out(when, flags, number, len(text))
    out.win, out.urg = win, urg
    out.ack = signed(ack - names.peer_isn) if "." in flags else 0
    out.note = note
    first = out.seq + ("S" in flags)
    if text and text != text_at(first, len(text), THEIRS):
        out.note = "other text"
    read_options(data[20:(offset >> 4) * 4], names, out)
    return out


def cut(data, head, gso):
    """The segments that a device would make of one large one."""
    offset = head + (data[head + 12] >> 4) * 4
    text, bits = data[offset:], data[head + 13]
    pieces = [text[i:i + gso] for i in range(0, len(text), gso)] if gso else [text]
    for i, piece in enumerate(pieces or [text]):
        mine = bits & ~(0x09 if i < len(pieces) - 1 else 0) & ~(0x80 if i else 0)
        seq = struct.unpack(">I", data[head + 4:head + 8])[0] + i * gso
        yield (data[head:head + 4] + struct.pack(">I", seq & 0xffffffff) + data[head + 8:head + 13] +
               bytes([mine]) + data[head + 14:offset] + piece)


def read(when, data, names, gso=0):
    """What a frame of the subject's says to the peer: a list of Out, empty for other traffic."""
    if names.v6:
        if data[0] >> 4 != 6 or data[24:40] != names.remote:
            return []
        protocol, head, tos = data[6], 40, (data[0] << 4 | data[1] >> 4) & 0xff
        data = data[:40 + struct.unpack(">H", data[4:6])[0]]
    else:
        if data[0] >> 4 != 4 or data[16:20] != names.remote:
            return []
        protocol, head, tos = data[9], (data[0] & 15) * 4, data[1]
        data = data[:struct.unpack(">H", data[2:4])[0]]
    if protocol != 6:
        return []
    found = [read_tcp(when, piece, names) for piece in cut(data, head, gso)]
    for out in found:
        out.tos = tos
    return found
