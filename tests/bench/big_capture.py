#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a capture of 1 GB: 1,000,000 packets of 10,000 connections, for what reads captures.

    big_capture.py FILE
"""

import struct
import sys

PACKETS, FLOWS = 1000000, 10000
EACH = PACKETS // FLOWS
TEXT = b"x" * 1510
CLIENT = bytes((10, 0, 0, 1))
ETHERNET = bytes.fromhex("020000000001 020000000002 0800")
SYN_OPTIONS = bytes.fromhex("020405b4 01030307")
FIN, SYN, PSH, ACK = 1, 2, 8, 16


def packet(number, ends, seq, ack, flags, options=b"", text=b""):
    """One at its time, 50 microseconds after the one before; checksums are 0."""
    (source, sport), (destination, dport) = ends
    length = 40 + len(options) + len(text)
    frame = ETHERNET + struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, number & 0xffff, 0x4000, 64, 6, 0,
                                   source, destination)
    frame += struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff,
                         (20 + len(options)) // 4 << 4, flags, 65535, 0, 0) + options + text
    time = 1700000000 * 1000000 + number * 50
    return struct.pack("<IIII", time // 1000000, time % 1000000, len(frame), len(frame)) + frame


def step(turn, flow, number, seq):
    """What connection `flow` does in its turn: opens, sends and is acknowledged, closes."""
    here = (CLIENT, 10000 + flow % 50000)
    there = (bytes((10, 1, flow >> 8, flow & 255)), 80)
    ours, theirs = seq[flow]
    if turn in (1, EACH - 2) or (2 < turn < EACH - 3 and turn % 3 == 0):
        flags = {1: SYN | ACK, EACH - 2: FIN | ACK}.get(turn, ACK)
        seq[flow][1] += flags != ACK
        return packet(number, (there, here), theirs, ours, flags, SYN_OPTIONS if turn == 1 else b"")
    flags = {0: SYN, 2: ACK, EACH - 3: FIN | ACK, EACH - 1: ACK}.get(turn, PSH | ACK)
    text = TEXT if flags == PSH | ACK else b""
    seq[flow][0] += len(text) + bool(flags & (SYN | FIN))
    return packet(number, (here, there), ours, theirs if turn else 0, flags,
                  b"" if turn else SYN_OPTIONS, text)


def main():
    seq = [[flow * 7919, flow * 104729] for flow in range(FLOWS)]
    with open(sys.argv[1], "wb", buffering=1 << 22) as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number in range(PACKETS):
            out.write(step(number // FLOWS, number % FLOWS, number, seq))


if __name__ == "__main__":
    main()
