# SPDX-License-Identifier: MIT
"""A small name server for run_path.py: fixed answers, over UDP and TCP, and a few misdeeds.

    path_dns.py ADDRESS PORT
"""

import selectors
import socket
import struct
import sys

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV = 1, 2, 5, 6, 12, 15, 16, 28, 33
ROUTERS = {"2.1.9.10": "r1", "2.2.9.10": "r2", "2.3.9.10": "r3", "2.4.9.10": "far"}


def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".") if part) + b"\0"


def text(*parts):
    return b"".join(bytes([len(part)]) + part for part in parts)


RECORDS = {
    ("a.test", A): [socket.inet_aton("192.0.2.7")],
    ("a.test", AAAA): [socket.inet_pton(socket.AF_INET6, "2001:db8::7")],
    ("alias.test", CNAME): [name("a.test")],
    ("a.test", MX): [struct.pack("!H", 10) + name("mail.a.test"), struct.pack("!H", 20) + name("b.test")],
    ("a.test", TXT): [text(b"v=spf1 -all", b"two"), text(b'quote " and \x1b[31mred')],
    ("a.test", SOA): [name("ns.a.test") + name("root.a.test") + struct.pack("!5I", 1, 2, 3, 4, 5)],
    ("_sip.a.test", SRV): [struct.pack("!3H", 1, 2, 5060) + name("a.test")],
    ("7.2.0.192.in-addr.arpa", PTR): [name("a.test")],
    ("long.test", TXT): [text(bytes([97 + i]) * 200) for i in range(10)],
    ("damaged.test", A): [b"\x01"],
}
RECORDS.update({(f"{key}.in-addr.arpa", PTR): [name(f"{value}.lab.test")]
                for key, value in ROUTERS.items()})


def question(message):
    parts, at = [], 12
    while message[at]:
        parts.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    return ".".join(parts).lower(), struct.unpack_from("!H", message, at + 1)[0], at + 5


def answer(message, over_tcp):
    """The reply's octets; None: silence."""
    asked, kind, end = question(message)
    if asked.startswith("silent."):
        return None
    found = RECORDS.get((asked, kind), [])
    types = [kind] * len(found)
    if asked == "alias.test" and kind in (A, AAAA):
        found, types = RECORDS["alias.test", CNAME] + RECORDS["a.test", kind], [CNAME, kind]
    known = any(asked == key for key, _ in RECORDS)
    rcode = 2 if asked.startswith("servfail.") else 0 if known else 3
    body = b""
    for octets, each in zip(found, types):
        owner = name("a.test") if asked == "alias.test" and each != CNAME else b"\xc0\x0c"
        body += owner + struct.pack("!HHIH", each, 1, 300, len(octets)) + octets
    flags = 0x8580 | rcode
    if not over_tcp and len(body) > 400:
        flags, body, found = flags | 0x0200, b"", []
    return message[:2] + struct.pack("!5H", flags, 1, len(found), 0, 0) + message[12:end] + body


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp = socket.create_server((address, port))
    chooser = selectors.DefaultSelector()
    chooser.register(udp, selectors.EVENT_READ)
    chooser.register(tcp, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in chooser.select():
            if key.fileobj is udp:
                message, peer = udp.recvfrom(4096)
                reply = answer(message, False)
                if reply is not None:
                    udp.sendto(reply, peer)
                continue
            client, _ = tcp.accept()
            with client:
                client.settimeout(2)
                size = struct.unpack("!H", client.recv(2, socket.MSG_WAITALL))[0]
                reply = answer(client.recv(size, socket.MSG_WAITALL), True)
                if reply is not None:
                    client.sendall(struct.pack("!H", len(reply)) + reply)


if __name__ == "__main__":
    main()
