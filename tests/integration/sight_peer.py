# SPDX-License-Identifier: MIT
"""A host that speaks TCP as badly as it is told: it holds its peer in a state.

What it does depends on the port that is connected to (PORTS). It answers ARP for its own address
and nothing else; frames go in and out of an interface by a packet socket.
"""

import socket
import struct
import threading

SYN_SENT, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT = range(1, 9)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MAC = bytes.fromhex("020000000050")
ISN = 1000
WINDOW = 8192
MSS = b"\x02\x04\x05\xb4"


def add_up(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Peer:
    """One at `address`, reached through `interface`."""

    def __init__(self, interface, address):
        self.address = socket.inet_aton(address)
        self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.link.bind((interface, 0))
        self.link.settimeout(0.1)
        self.seq, self.peer_mac, self.ended = {}, None, False
        self.seen = set()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.ended = True
        self.thread.join()
        self.link.close()

    def run(self):
        while not self.ended:
            try:
                frame, address = self.link.recvfrom(65536)
            except (TimeoutError, OSError):
                continue
            if address[2] != socket.PACKET_OUTGOING:
                self.take(frame)

    def take(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == self.address:
            self.peer_mac = frame[6:12]
            self.link.send(self.peer_mac + MAC + b"\x08\x06" + frame[14:20] + b"\0\2" + MAC +
                           self.address + frame[22:32])
        elif kind == b"\x08\x00" and frame[30:34] == self.address and frame[23] == 6:
            self.peer_mac = frame[6:12]
            head = 14 + (frame[14] & 15) * 4
            total = 14 + struct.unpack("!H", frame[16:18])[0]
            sport, dport, seq, ack, offset, flags = struct.unpack("!HHIIBB", frame[head:head + 14])
            length = total - head - (offset >> 4) * 4
            self.segment(frame[26:30], sport, dport, (seq, ack, flags, length))

    def send(self, to, ports, flags, seq, ack, options=b""):
        sport, dport = ports
        tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff,
                          (5 + len(options) // 4) << 4, flags, WINDOW, 0, 0) + options
        pseudo = self.address + to + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", add_up(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + self.address + to
        ip = ip[:10] + struct.pack("!H", add_up(ip)) + ip[12:]
        self.link.send(self.peer_mac + MAC + b"\x08\x00" + ip + tcp)

    def open(self, to, dport, sport=4000):
        """A SYN to a listener, whose SYN-ACK nobody will acknowledge."""
        self.send(socket.inet_aton(to), (sport, dport), SYN, ISN, 0, MSS)

    def segment(self, source, theirs, ours, segment):
        seq, ack, flags, length = segment
        ports, key = (ours, theirs), (source, theirs, ours)
        after = seq + length + bool(flags & FIN) + bool(flags & SYN)
        if flags & SYN and not flags & ACK:
            if ours != SYN_SENT:
                self.send(source, ports, SYN | ACK, ISN, after, MSS)
                self.seq[key] = ISN + 1
            return
        mine = self.seq.get(key)
        if mine is None or flags & RST:
            return
        if not flags & FIN:
            if ours in (CLOSE_WAIT, LAST_ACK) and key not in self.seen:
                self.seen.add(key)
                self.send(source, ports, FIN | ACK, mine, after)
                self.seq[key] = mine + 1
            elif length:
                self.send(source, ports, ACK, mine, after)
            return
        if ours == FIN_WAIT_2:
            self.send(source, ports, ACK, mine, after)
        elif ours == TIME_WAIT and key not in self.seen:
            self.send(source, ports, FIN | ACK, mine, after)
        elif ours == CLOSING and key not in self.seen:
            self.send(source, ports, FIN | ACK, mine, after - 1)
        self.seen.add(key)
