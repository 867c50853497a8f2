#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""weird's address from dnsmasq: asked for, renewed, given back; and one from router advertisements.

    run_dhcp.py [--build DIR]

Needs root, /dev/net/tun and dnsmasq; says so and skips otherwise.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import run_tcp  # noqa: E402
from run_tcp import KERNEL, LIMIT, Peer, ip, until  # noqa: E402


IP_PKTINFO = 8
OURS = "192.0.2.78"  # what the server of short times gives


class Lab(run_tcp.Lab):
    """A server with one address to give, and a weird that has none."""

    def start(self):
        self.log = os.path.join(self.folder, "dnsmasq.log")
        self.serve("192.0.2.77,192.0.2.77,255.255.255.0,120")

    def serve(self, span):
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen(
                ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--interface=wr0",
                 "--address=/www.lab.example/192.0.2.99",
                 "--bind-dynamic", "--user=root", "--no-ping", "--log-dhcp",
                 f"--dhcp-leasefile={self.folder}/leases", f"--dhcp-range={span}",
                 "--dhcp-option=option:router,192.0.2.1",
                 "--dhcp-option=option:dns-server,192.0.2.1",
                 "--dhcp-option=option:domain-name,lab.example",
                 "--dhcp-option=option:domain-search,lab.example,more.example",
                 "--dhcp-range=2001:db8::,ra-only", "--enable-ra", "--dhcp-authoritative"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append(self.server)

    def logged(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return sum(text in line for line in file)

    def weird_with(self, *addresses):
        ready, told = os.pipe()
        words = [word for address in addresses for word in ("--addr", address)]
        self.weird = subprocess.Popen(
            [self.weird_program, "--dev", "tap:wr0", *words, "--socket", self.socket,
             "--ready-fd", str(told)], pass_fds=[told], stderr=subprocess.PIPE)
        os.close(told)
        with os.fdopen(ready) as pipe:
            return pipe.read() == "READY=1\n"


def check_dhcp(lab, tap):
    tap.check(lab.weird_with("dhcp"), "weird starts with an address from the network")
    peer = Peer(4)
    script = ("import socket\n"
              f"s = socket.create_connection(('{KERNEL[4]}', {peer.port}))\n"
              "s.sendall(b'echo\\nhello'); print(s.getsockname()[0], s.recv(5).decode())\n")
    status, said = lab.run(*lab.under(sys.executable, "-c", script))
    tap.check(said == b"192.0.2.77 hello\n", "a program uses it", status, said)
    tap.check(lab.logged("DHCPDISCOVER") == 1 and lab.logged("DHCPREQUEST") == 1,
              "it was asked for once")
    script = "import socket; print(socket.getaddrinfo('www', 1, socket.AF_INET)[0][4][0])"
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        before = file.read()
    for who, become in (("root", []), ("nobody of its group", [
            "setpriv", "--reuid", str(run_tcp.NOBODY), "--regid", "0", "--clear-groups"])):
        os.chmod(lab.folder, 0o755)
        status, said = lab.run(*become, *lab.under("/usr/bin/python3", "-c", script))
        tap.check(said == b"192.0.2.99\n", f"a name is found by the servers of DHCP, by {who}",
                  status, said)
        status, said = lab.run(*become, *lab.under("cat", "/etc/resolv.conf"))
        tap.check(b"nameserver 192.0.2.1\n" in said and
                  b"search lab.example more.example\n" in said, f"which {who} sees", said)
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        tap.check(file.read() == before, "and nobody else")
    lab.weird.send_signal(signal.SIGTERM)
    tap.check(lab.weird.wait(10) == 0, "weird ends", lab.weird.stderr.read())
    tap.check(until(lambda: lab.logged("DHCPRELEASE") == 1), "and gives it back")


def check_slaac(lab, tap):
    tap.check(lab.weird_with("slaac"), "weird starts with what routers advertise")
    script = ("import socket, time\n"
              "for _ in range(60):\n"
              "    try:\n"
              "        s = socket.create_connection(('2001:db8::1', %d), 2); break\n"
              "    except OSError: time.sleep(0.1)\n"
              "print(s.getsockname()[0].startswith('2001:db8::'))\n")
    status, said = lab.run(*lab.under(sys.executable, "-c", script % Peer(6).port))
    tap.check(said == b"True\n", "a program uses that", status, said)
    lab.weird.send_signal(signal.SIGTERM)
    lab.weird.wait(10)


# The address of a connection goes, another one comes, and in the end it comes back.
HOLDER = """
import errno, socket, sys
peer = ('%s', %d)
s = socket.create_connection(peer)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind((s.getsockname()[0], 0))
s.sendall(b'echo\\nhello')
s.settimeout(60)
print(s.recv(5).decode(), flush=True)
sys.stdin.readline()
try:
    u.sendto(b'x', peer)
except OSError as error:
    print(errno.errorcode[error.errno], end=' ')
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
      s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0], flush=True)
sys.stdin.readline()
s.sendall(b'again')
print(s.recv(5).decode(), u.sendto(b'x', peer), flush=True)
"""

NO_ADDRESS = """
import errno, socket
s = socket.socket()
print(errno.errorcode[s.connect_ex(('%s', %d))], end=' ')
s = socket.socket()
try:
    s.bind(('192.0.2.78', 0))
except OSError as error:
    print(errno.errorcode[error.errno])
"""


class Server(threading.Thread):
    """One whose times are shorter than dnsmasq's may be: T1 after 1 s, T2 after 4. It does not answer
    the fourth request that is meant for it alone."""

    UNANSWERED = 4

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wr0")
        self.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.sock.bind(("", 67))
        self.heard, self.silent, self.refuses = [], False, False
        self.ours, self.lease = OURS, 40

    def run(self):
        while True:
            octets, beside, _, source = self.sock.recvmsg(2048, 64)
            kind, client = octets[242], octets[12:16]
            self.heard.append((kind, source[0], socket.inet_ntoa(beside[0][2][8:12])))
            skips = self.heard[-1][1] == OURS and self.renewals() == self.UNANSWERED and \
                self.everybody() == 0
            if not self.silent and not skips and kind in (1, 3):
                self.answer(octets, 2 if kind == 1 else 6 if self.refuses else 5, client)

    def answer(self, asked, kind, client):
        told = socket.inet_aton(self.ours) if kind != 6 else bytes(4)
        times = b"".join(bytes([option, 4]) + struct.pack(">I", seconds)
                         for option, seconds in ((51, self.lease), (58, 1), (59, 4)))
        octets = b"\x02\x01\x06\0" + asked[4:8] + bytes(4) + client + told + bytes(8) \
            + asked[28:236] + b"\x63\x82\x53\x63" + bytes([53, 1, kind, 54, 4]) \
            + socket.inet_aton(KERNEL[4]) + times + bytes([1, 4, 255, 255, 255, 0, 255])
        self.sock.sendto(octets, ("255.255.255.255" if client == bytes(4) else
                                  socket.inet_ntoa(client), 68))

    def counted(self, *what):
        """(message type, from, to)"""
        return self.heard.count(what)

    def renewals(self):
        return self.counted(3, OURS, KERNEL[4])

    def everybody(self):
        return self.counted(3, OURS, "255.255.255.255")


def check_times(lab, tap):
    server = Server()
    server.start()
    tap.check(lab.weird_with("dhcp"), "a lease with a T1 of a second")
    tap.check(until(lambda: server.renewals() >= server.UNANSWERED, LIMIT),
              "is renewed after each second", server.heard)
    tap.check(until(lambda: server.everybody() == 1, LIMIT),
              "if the server says nothing, everybody is asked when T2 is over", server.heard)
    before = server.renewals()
    tap.check(until(lambda: server.renewals() > before, LIMIT),
              "and when one answers the address is kept", server.heard)
    peer = Peer(4)
    holder = subprocess.Popen(lab.under(sys.executable, "-c", HOLDER % (KERNEL[4], peer.port)),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lab.children.append(holder)
    tap.check(holder.stdout.readline() == b"hello\n", "a connection of the address")
    server.refuses = True
    told = lab.weird.stderr.readline()
    tap.check(b"the address is lost" in told, "until it is refused", told)
    status, said = lab.run(*lab.under(sys.executable, "-c", NO_ADDRESS % (KERNEL[4], peer.port)))
    tap.check(said == b"ENETUNREACH EADDRNOTAVAIL\n", "without one errors are Linux's", said)
    tap.check(until(lambda: server.counted(1, "0.0.0.0", "255.255.255.255") >= 2),
              "another one is asked for, and again", server.heard)
    server.ours, server.lease, server.refuses = "192.0.2.79", 10, False
    told = lab.weird.stderr.readline()
    tap.check(b"address 192.0.2.79" in told, "and taken", told)
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    said = holder.stdout.readline()
    tap.check(said == b"ENETUNREACH 0 1\n", "the connection of the old one stays, but nothing leaves",
              said)
    script = ("import socket\n"
              f"s = socket.create_connection(('{KERNEL[4]}', {peer.port}))\n"
              "print(s.getsockname()[0])\n")
    status, said = lab.run(*lab.under(sys.executable, "-c", script))
    tap.check(said == b"192.0.2.79\n", "new ones have the new one", said)
    before = server.counted(3, "192.0.2.79", KERNEL[4])
    tap.check(until(lambda: server.counted(3, "192.0.2.79", KERNEL[4]) > before),
              "which is renewed", server.heard)
    server.silent = True
    told = lab.weird.stderr.readline()
    tap.check(b"the address is lost" in told, "until its time is over", told)
    server.ours, server.silent = OURS, False
    told = lab.weird.stderr.readline()
    tap.check(OURS.encode() in told, "the first one comes back", told)
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    said = holder.stdout.readline()
    tap.check(said == b"again 1\n", "and its connection goes on", said)
    holder.stdin.close()
    lab.stop(holder)
    before = server.counted(7, OURS, KERNEL[4])
    server.refuses = True
    told = lab.weird.stderr.readline()
    tap.check(b"the address is lost" in told, "it is refused again", told)
    server.silent = True
    lab.weird.send_signal(signal.SIGTERM)
    tap.check(lab.weird.wait(10) == 0 and server.counted(7, OURS, KERNEL[4]) == before,
              "what is lost is not given back", server.heard)


def check_nobody(lab, tap):
    tap.check(not lab.weird_with("dhcp") and lab.weird.wait(20) == 1 and
              b"no server offers" in lab.weird.stderr.read(), "without a server it does not start")


def play(lab, tap, _):
    ip("-n", run_tcp.NAMESPACE, "link", "show", "wr0")
    check_dhcp(lab, tap)
    check_slaac(lab, tap)
    lab.server.terminate()
    lab.server.wait()
    check_times(lab, tap)
    check_nobody(lab, tap)
    if tap.failed:
        with open(lab.log, encoding="utf-8", errors="replace") as file:
            sys.stderr.write(file.read())


def main():
    return run_tcp.run_lab(__doc__, Lab, play, ["dnsmasq"])


if __name__ == "__main__":
    sys.exit(main())
