# SPDX-License-Identifier: MIT
"""A program with a connection in each state and two UDP sockets, against sight_peer.py: says "ready", and holds them
until its input ends.

    sight_subject.py PEER-ADDRESS
"""

import socket
import sys
import time

SYN_SENT, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT = range(1, 9)
LISTEN_PORT = 7000
DATAGRAM_PORT = 7001
GRACE = 0.3


def main():
    peer = sys.argv[1]
    held = []
    listener = socket.create_server(("0.0.0.0", LISTEN_PORT), backlog=5)
    for port in range(1, 9):
        one = socket.socket()
        if port == SYN_SENT:
            one.setblocking(False)
            one.connect_ex((peer, port))
        else:
            one.settimeout(5)
            one.connect((peer, port))
        held.append(one)
    bound, connected = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    bound.bind(("0.0.0.0", DATAGRAM_PORT))
    connected.connect((peer, DATAGRAM_PORT))
    held += [bound, connected]
    fresh = socket.socket()  # CLOSED: nobody lists it
    held[ESTABLISHED - 1].sendall(b"x" * 100)
    held[ESTABLISHED - 1].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    time.sleep(GRACE)
    for port in (FIN_WAIT_1, FIN_WAIT_2, CLOSING):
        held[port - 1].shutdown(socket.SHUT_WR)
    for port in (LAST_ACK, TIME_WAIT):
        held[port - 1].close()
    time.sleep(GRACE)
    print("ready", listener.fileno(), fresh.fileno(), flush=True)
    sys.stdin.read()


main()
