#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the kept corpora of the wire_* fuzz targets: whole packets that each reach another branch.

Run from anywhere; rewrites tests/fuzz/corpus/wire_*. Checksums are 0 where the target puts them right.
"""

import os
import sys

MAC = "020000000001 020000000002 "
A4, B4 = "c0000201 ", "c0000202 "
A6, B6 = "20010db8000000000000000000000001 ", "20010db8000000000000000000000002 "
TCP = "1234 0050 89abcdef 01234567 5010 ffff 0000 0000 "
UDP = "1234 0035 000c 0000 01020304 "
PAD = "0104 00000000 "
LLA = "020000000001 "
PREFIX = "0304 40 c0 00278d00 00093a80 00000000 20010db8000000000000000000000000 "
RDNSS = "1903 0000 00000e10 20010db8000000000000000000000035 "


def tcp(options=""):
    octets = bytes.fromhex(options)
    octets += bytes(-len(octets) % 4)
    head = bytearray.fromhex(TCP)
    head[12] = (20 + len(octets)) // 4 << 4
    return (bytes(head) + octets + b"text").hex()


def ip4(payload, options="", fragment="4000", proto=6):
    words = 5 + len(bytes.fromhex(options)) // 4
    total = words * 4 + len(bytes.fromhex(payload))
    return f"{0x40 | words:02x}00 {total:04x} 1234 {fragment} 40 {proto:02x} 0000" + A4 + B4 + \
        options + payload


def ip6(next_header, payload):
    return f"60000000 {len(bytes.fromhex(payload)):04x} {next_header:02x} 40" + A6 + B6 + payload


def icmp(kind, rest, body, code=0):
    return f"{kind:02x} {code:02x} 0000 {rest}" + body


def packets():
    """For each target a dictionary of name to hexadecimal text."""
    return {
        "eth": {
            "ip4": MAC + "0800" + ip4(TCP),
            "ip6": MAC + "86dd" + ip6(6, TCP),
            "arp": MAC + "0806 0001",
            "vlan": MAC + "8100 0001 0800",
            "broadcast": "ffffffffffff 020000000002 0800",
            "short": "ffffffffffff 020000",
        },
        "arp": {
            "request": "0001 0800 06 04 0001" + LLA + A4 + "000000000000" + B4,
            "reply": "0001 0800 06 04 0002" + LLA + A4 + LLA + B4,
            "gratuitous": "0001 0800 06 04 0001" + LLA + A4 + "ffffffffffff" + A4 + "00" * 18,
            "reverse": "0001 8035 06 04 0003" + LLA + A4 + LLA + B4,
            "lengths": "0001 0800 04 06 0001" + LLA + A4 + LLA + B4,
        },
        "ip4": {
            "tcp": ip4(TCP),
            "udp": ip4(UDP, proto=17),
            "fragment": ip4(UDP, fragment="2010", proto=17),
            "last": ip4(UDP, fragment="1fff", proto=17),
            "trailer": ip4(TCP) + "00" * 6,
            "nops": ip4(TCP, "01010101"),
            "router-alert": ip4(TCP, "94040000"),
            "loose-route": ip4(TCP, "830704 c0000203 01"),
            "strict-route": ip4(TCP, "890708 c0000203 00"),
            "record-route": ip4(TCP, "070f04" + "00" * 12 + "00"),
            "timestamp": ip4(TCP, "440c0501" + "00" * 8),
            "bad-option": ip4(TCP, "01019401"),
        },
        "ip6": {
            "tcp": ip6(6, TCP),
            "udp": ip6(17, UDP),
            "hop-by-hop": ip6(0, "0600 0502 0000 0100" + TCP),
            "destination": ip6(60, "3c00" + PAD + "0600 3e04 00000000" + TCP),
            "report": ip6(60, "0600 be04 00000000" + TCP),
            "drop": ip6(60, "0600 7e04 00000000" + TCP),
            "jumbo": ip6(0, "0600 c204 00010000" + TCP),
            "routing": ip6(43, "0602 0000 00000000" + A6 + TCP),
            "routing-left": ip6(43, "0602 0001 00000000" + A6 + TCP),
            "segments": ip6(43, "0600 0402 00000000" + TCP),
            "atomic": ip6(44, "0600 0000 12345678" + TCP),
            "first": ip6(44, "3c00 0001 12345678 1100" + PAD + UDP + "00000000"),
            "later": ip6(60, "2c00" + PAD + "1100 0550 12345678" + UDP),
            "too-far": ip6(44, "1100 fff8 12345678" + UDP),
            "late-hop-by-hop": ip6(60, "0000" + PAD + "0600" + PAD),
            "none": ip6(59, ""),
            "unknown": ip6(200, UDP),
        },
        "icmp4": {
            "echo": icmp(8, "12340001", "68656c6c6f"),
            "echo-reply": icmp(0, "12340001", "68656c6c6f"),
            "port-unreachable": icmp(3, "00000000", ip4(UDP, proto=17), 3),
            "too-big": icmp(3, "00000578", ip4(TCP), 4),
            "quoted-options": icmp(11, "00000000", ip4(TCP, "94040000")),
            "quoted-fragment": icmp(11, "00000000", ip4(UDP, fragment="2010", proto=17), 1),
            "parameter": icmp(12, "14000000", ip4(TCP, "01019401")),
            "timestamp": icmp(13, "12340001", "00000001 00000002 00000003"),
            "short-quote": icmp(3, "00000000", "45000028 12344000 40060000", 3),
        },
        "icmp6": {
            "echo": icmp(128, "12340001", "68656c6c6f"),
            "port-unreachable": icmp(1, "00000000", ip6(17, UDP), 4),
            "too-big": icmp(2, "00000500", ip6(6, TCP)),
            "quoted-chain": icmp(4, "0000002a", ip6(60, "2c00" + PAD + "0600 0001 00000001" + TCP)),
            "quoted-fragment": icmp(3, "00000000", ip6(44, "0600 0550 00000001" + TCP), 1),
            "solicit": icmp(135, "00000000", A6 + "0101" + LLA),
            "advertise": icmp(136, "e0000000", A6 + "0201" + LLA),
            "router-solicit": icmp(133, "00000000", "0101" + LLA),
            "router": icmp(134, "40c00708", "00007530 000003e8 0101" + LLA + "0501 0000 000005dc"
                           + PREFIX + PREFIX + RDNSS),
            "servers": icmp(134, "40000000", "00000000 00000000 190d 0000 00000e10" + A6 * 6),
            "unknown-option": icmp(135, "00000000", A6 + "0e01 010203040506"),
            "empty-option": icmp(135, "00000000", A6 + "0100 010203040506"),
        },
        "igmp": {
            "query1": "1100 0000 00000000",
            "query2": "1164 0000 ef010203",
            "query3": "1164 0000 00000000 027d 0000",
            "query3-sources": "11ff 0000 ef010203 0a80 0002" + A4 + B4,
            "query3-short": "1164 0000 ef010203 027d 0009" + A4,
            "query-length": "1164 0000 00000000 027d",
            "report1": "1200 0000 ef010203",
            "report2": "1600 0000 ef010203",
            "leave": "1700 0000 ef010203",
            "report3": "2200 0000 0000 0001 0400 0000 ef010203",
            "no-group": "1600 0000 c0000201",
        },
        "mld": {
            "query1": icmp(130, "27100000", "00" * 16),
            "query2": icmp(130, "ffff0000", "ff02" + "00" * 13 + "05 027d 0000"),
            "query2-sources": icmp(130, "80000000", "ff02" + "00" * 13 + "05 0a80 0002" + A6 + B6),
            "query2-short": icmp(130, "80000000", "ff02" + "00" * 13 + "05 0a80 0009" + A6),
            "query-length": icmp(130, "80000000", "ff02" + "00" * 13 + "05 0a"),
            "report1": icmp(131, "00000000", "ff02" + "00" * 13 + "05"),
            "done": icmp(132, "00000000", "ff02" + "00" * 13 + "05"),
            "report2": icmp(143, "00000001", "04000000 ff02" + "00" * 13 + "05"),
            "no-group": icmp(131, "00000000", A6),
        },
        "udp": {
            "data": UDP,
            "empty": "1234 0035 0008 beef",
            "padded": "1234 0035 0009 0000 0102030405",
            "too-long": "1234 0035 00c8 0000 01020304",
            "too-short": "1234 0035 0007 0000 01020304",
        },
        "tcp": {
            "plain": tcp(),
            "syn": tcp("020405b4 0402 080a 00000007 00000000 01 030307"),
            "mss": tcp("020405b4"),
            "times": tcp("0101080a 00000007 00000009"),
            "times-unaligned": tcp("080a 00000007 00000009 0101"),
            "one-block": tcp("0101080a 00000007 00000009 0101050a 00000001 00000002"),
            "four-blocks": tcp("01010522" + "00000001 00000002" * 4),
            "tight": tcp("030307 080a 00000007 00000009 051a" + "00000001 00000002" * 3),
            "end": tcp("0402 00 020405b4"),
            "no-length": tcp("010101 02"),
            "too-long": tcp("0522 00000001 00000002 0101"),
            "unknown": tcp("fd04 aaaa 1d03 00 0402"),
        },
    }


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
    for target, named in packets().items():
        folder = os.path.join(root, "wire_" + target)
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            os.remove(os.path.join(folder, old))
        for name, text in named.items():
            with open(os.path.join(folder, name), "wb") as out:
                out.write(bytes.fromhex(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
