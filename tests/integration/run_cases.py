# SPDX-License-Identifier: MIT
"""What a program sees of its sockets: each case prints lines, the same on Linux and under weir run.

    run_cases.py CASE ADDRESS PORT

The program is the client of a peer on the kernel that obeys the first line it gets (run_tcp.py), or
the server of a client there.
"""

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

MASK = [("IN", select.POLLIN), ("OUT", select.POLLOUT), ("ERR", select.POLLERR),
        ("HUP", select.POLLHUP), ("RDHUP", select.POLLRDHUP), ("PRI", select.POLLPRI)]
CLOSED_PORT = 1


def mask(sock, timeout=0):
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT | select.POLLRDHUP | select.POLLPRI)
    ready = poll.poll(timeout)
    bits = ready[0][1] if ready else 0
    return "|".join(name for name, bit in MASK if bits & bit) or "0"


def wait_for(sock, bit, seconds=20):
    poll = select.poll()
    poll.register(sock, bit)
    return bool(poll.poll(seconds * 1000))


def say(text, call, *args):
    try:
        result = call(*args)
    except OSError as error:
        result = errno.errorcode.get(error.errno, error.errno)
    print(f"{text}: {result}")
    return result


def so_error(sock):
    return errno.errorcode.get(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new(address):
    return socket.socket(family(address), socket.SOCK_STREAM)


def opened(address, port, job):
    sock = new(address)
    sock.connect((address, port))
    sock.sendall(job + b"\n")
    return sock


def case_refused(address, port):
    sock = new(address)
    say("connect", sock.connect, (address, CLOSED_PORT))
    print("SO_ERROR", so_error(sock), mask(sock))
    say("connect again", sock.connect, (address, port))
    sock.sendall(b"echo\nhello")
    say("recv", sock.recv, 100)


def case_nonblocking(address, port):
    sock = new(address)
    sock.setblocking(False)
    say("connect", sock.connect, (address, port))
    print("writable", wait_for(sock, select.POLLOUT), mask(sock), so_error(sock))
    say("second", sock.connect, (address, port))
    say("third", sock.connect, (address, port))
    say("recv of nothing", sock.recv, 1)
    sock.send(b"echo\nhello")
    print("readable", wait_for(sock, select.POLLIN), mask(sock))
    say("recv", sock.recv, 100)
    big = bytes(1000)
    total = 0
    while total < 100000:
        try:
            total += sock.send(big)
        except BlockingIOError:
            wait_for(sock, select.POLLOUT)
            wait_for(sock, select.POLLIN)
        try:
            sock.recv(65536)
        except BlockingIOError:
            pass
    print("sent", total)


def case_nonblocking_refused(address, port):
    sock = new(address)
    sock.setblocking(False)
    say("connect", sock.connect, (address, CLOSED_PORT))
    print("ready", wait_for(sock, select.POLLOUT), mask(sock))
    print("SO_ERROR", so_error(sock), so_error(sock))


def case_connecting(address, port):
    """The SYN is dropped, for one waits to be accepted: no room may make the socket writable."""
    loop = "::1" if ":" in address else "127.0.0.1"
    server, first, sock = new(loop), new(loop), new(loop)
    server.bind((loop, 0))
    server.listen(0)
    first.connect(server.getsockname())
    print("full", wait_for(server, select.POLLIN))
    sock.setblocking(False)
    say("connect", sock.connect, server.getsockname())
    print("ready", mask(sock))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200000)
    print("with room", mask(sock), sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
    sock.setsockopt(socket.IPPROTO_TCP, 25, 100000)  # TCP_NOTSENT_LOWAT
    print("with more", mask(sock))
    server.accept()[0].close()


def case_connecting_many(address, port):
    """Connects of many threads, of which several wait for their answer at the same time."""
    told = []

    def connect(to):
        sock = new(address)
        sock.setblocking(False)
        begun = errno.errorcode.get(sock.connect_ex((address, to)), 0)
        ready, error = wait_for(sock, select.POLLOUT), so_error(sock)
        if error == 0:
            error = sock.connect_ex((address, to)), sock.send(b"echo\nhello")
            wait_for(sock, select.POLLIN)
            error = *error, sock.recv(5)
        told.append(f"{begun} {ready} {error}")
        sock.close()

    def run(number):
        for turn in range(4):
            connect(port if (number + turn) % 2 else CLOSED_PORT)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for what in sorted(set(told)):
        print(what, told.count(what))


def case_reset(address, port):
    sock = opened(address, port, b"reset")
    print("data", sock.recv(5, socket.MSG_WAITALL))
    print("end", wait_for(sock, select.POLLHUP), mask(sock))
    say("recv", sock.recv, 100)
    say("recv again", sock.recv, 100)
    say("send", sock.send, b"x")


def case_reset_idle(address, port):
    """Nothing is unread on either side, and a thread is blocked in recv."""
    sock = opened(address, port, b"wait-reset")
    say("recv", sock.recv, 100)
    say("recv again", sock.recv, 100)


def case_reset_behind(address, port):
    """What was acknowledged can be read although a reset has come behind it; sending is over."""
    sock = opened(address, port, b"flood-and-reset")
    sock.settimeout(20)
    try:
        while True:  # the peer takes nothing: it waits until the reset
            sock.send(bytes(10000))
    except OSError as error:
        print("send ends", error.errno in (errno.EPIPE, errno.ECONNRESET))
    count, end = 0, "end of file"
    try:
        while part := sock.recv(10000):
            count += len(part)
    except OSError as error:
        end = errno.errorcode[error.errno]
    told = opened(address, port, b"told").recv(100)
    print("read all that was acknowledged", count == int(told), count > 30000)


def case_half_close_ours(address, port):
    sock = opened(address, port, b"count")
    sock.sendall(bytes(100000))
    sock.shutdown(socket.SHUT_WR)
    print("mask", mask(sock) in ("OUT", "IN|OUT|HUP|RDHUP", "IN|OUT", "IN|OUT|RDHUP"))
    total = b""
    while True:
        part = sock.recv(100)
        if not part:
            break
        total += part
    print("counted", total)
    say("send", sock.send, b"x")
    say("shutdown", sock.shutdown, socket.SHUT_WR)


def case_half_close_theirs(address, port):
    sock = opened(address, port, b"shut")
    print("data", sock.recv(5, socket.MSG_WAITALL))
    print("end", wait_for(sock, select.POLLRDHUP), mask(sock), sock.recv(10))
    sock.sendall(bytes(70000))
    sock.close()


def case_unread(address, port):
    """Closing with octets unread is a reset at the peer, which reports it in its next answer."""
    sock = opened(address, port, b"fill-and-tell")
    wait_for(sock, select.POLLIN)
    sock.close()
    print("peer saw", what_peer_saw(address, port))


def case_linger(address, port):
    sock = opened(address, port, b"wait-and-tell")
    print("ready", sock.recv(2))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    print("peer saw", what_peer_saw(address, port))


def case_last_words(address, port):
    """What was written before a close that resets goes out first."""
    for linger in (0, 1) * 10:
        sock = opened(address, port, b"last-words")
        wait_for(sock, select.POLLIN)
        if linger:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.recv(9)
        sock.sendall(bytes(1000))
        sock.close()
        print("peer saw", what_peer_saw(address, port))


def what_peer_saw(address, port):
    end = time.monotonic() + 20
    while (told := opened(address, port, b"told").recv(100)) == b"nothing" and time.monotonic() < end:
        time.sleep(0.02)
    return told


def case_send_to(address, port):
    """A connected stream ignores an address, and a send that may wait sends all of it."""
    loop = "::1" if ":" in address else "127.0.0.1"
    server = socket.create_server((loop, 0), family=family(loop))
    sock, other = socket.create_connection(server.getsockname()[:2]), server.accept()[0]
    sent, got = bytes(range(256)) * (3 << 12), []
    thread = threading.Thread(target=lambda: got.append(other.recv(len(sent), socket.MSG_WAITALL)))
    thread.start()
    print("all of it", sock.sendto(sent, server.getsockname()) == len(sent))
    print("in pieces", sock.sendmsg([b"a", bytes(70000), b"b"], [], 0, server.getsockname()))
    thread.join()
    print("the same", got[0] == sent, other.recv(1), other.recv(70001, socket.MSG_WAITALL)[-1:])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300000))
    print("in time", 0 < sock.sendto(bytes(64 << 20), (loop, 9)) < 64 << 20)
    print("full", "OUT" in mask(sock))


def case_signals(address, port):
    """A signal may take a thread out of any call; octets are neither lost nor doubled by that.
    Where weird receives for the program, which only a name makes necessary, the kernel itself loses
    an answer now and then (docs/differences.md): some turn must go well."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    sent = struct.pack("2000I", *range(2000)) * 5

    def soon(i):  # one signal a call at most, at another moment of it each time
        signal.setitimer(signal.ITIMER_REAL, (10 + i * 7 % 120) / 1e6)

    def echoed(receive):
        sock, got = opened(address, port, b"echo"), b""
        for i in range(500):
            soon(i)
            sock.send(sent[20 * i:20 * i + 20], socket.MSG_MORE)
        sock.sendall(sent[10000:])
        while len(got) < len(sent) and wait_for(sock, select.POLLIN, 5):
            soon(len(got))
            got += receive(sock)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return got == sent

    print("the same octets", echoed(lambda sock: sock.recv(20)))
    print("with a name", any(echoed(lambda sock: sock.recvfrom(20)[0]) for _ in range(4)))


def case_signals_accept(address, port):
    """Neither does a signal lose a connection, or leave a descriptor behind."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    loop = "::1" if ":" in address else "127.0.0.1"
    server = new(loop)
    server.bind((loop, 0))
    server.listen(8)
    lost = []

    def connect(count):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        while count > 0:
            sock = new(loop)
            sock.connect(server.getsockname())
            told = sock.recv(1)
            lost.append(told != b"x")
            count -= told == b"x"

    thread = threading.Thread(target=connect, args=(150,))
    before = len(os.listdir("/proc/self/fd"))
    thread.start()
    for i in range(150):
        signal.setitimer(signal.ITIMER_REAL, (100 + i * 7 % 300) / 1e6)
        sock = server.accept()[0]
        sock.sendall(b"x")
        sock.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
    thread.join()
    print("lost", sum(lost), "left behind", len(os.listdir("/proc/self/fd")) - before)


def case_names(address, port):
    sock = new(address)
    print("fresh", sock.getsockname(), mask(sock))
    say("peer", sock.getpeername)
    sock.bind((address_any(address), 0))
    print("bound", sock.getsockname()[0], sock.getsockname()[1] > 0)
    say("bind again", sock.bind, (address_any(address), 0))
    sock.connect((address, port))
    print("peer", sock.getpeername()[:2] == (address, port), sock.getsockname()[1] > 0)
    say("connect", sock.connect, (address, port))
    say("listen", sock.listen, 1)
    other = new(address)
    say("foreign", other.bind, ("2001:db8::99" if ":" in address else "192.0.2.99", 0))
    say("accept", other.accept)
    say("shutdown", other.shutdown, socket.SHUT_WR)


def address_any(address):
    return "::" if ":" in address else "0.0.0.0"


def case_options(address, port):
    sock = new(address)
    level = socket.SOL_SOCKET
    for name in ("SO_TYPE", "SO_PROTOCOL", "SO_DOMAIN", "SO_ACCEPTCONN", "SO_ERROR", "SO_KEEPALIVE",
                 "SO_REUSEADDR", "SO_REUSEPORT", "SO_BROADCAST"):
        say(name, sock.getsockopt, level, getattr(socket, name))
    for level, name, value in (
            (socket.SOL_SOCKET, "SO_REUSEADDR", 1), (socket.SOL_SOCKET, "SO_KEEPALIVE", 5),
            (socket.IPPROTO_TCP, "TCP_NODELAY", 1), (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
            (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5), (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
            (socket.IPPROTO_TCP, "TCP_SYNCNT", 2), (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 1500),
            (socket.IPPROTO_TCP, "TCP_CORK", 1), (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 0),
            (socket.IPPROTO_IP, "IP_TTL", 9), (socket.IPPROTO_IP, "IP_TTL", 256),
            (socket.SOL_SOCKET, "SO_SNDBUF", 50000), (socket.SOL_SOCKET, "SO_RCVBUF", 60000)):
        option = getattr(socket, name)
        say(f"{name} {value}", sock.setsockopt, level, option, value)
        say("  then", sock.getsockopt, level, option)
    say("unknown", sock.setsockopt, socket.IPPROTO_TCP, 999, 1)
    say("unknown", sock.getsockopt, socket.SOL_SOCKET, 999)
    say("short", sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, b"\1")
    say("linger", sock.getsockopt, socket.SOL_SOCKET, socket.SO_LINGER, 8)
    sock.connect((address, port))
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    print("TCP_INFO", len(info), info[0])
    say("after", sock.getsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY)


def case_bind(address, port):
    one, two = new(address), new(address)
    one.bind((address_any(address), 0))
    number = one.getsockname()[1]
    say("in use", two.bind, (address_any(address), number))
    one.listen(1)
    two.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    say("beside a listener", two.bind, (address_any(address), number))
    one.close()
    say("after its close", two.bind, (address_any(address), number))
    two.listen(1)
    print("mask", mask(two))
    say("shutdown", two.shutdown, socket.SHUT_RD)
    say("accept", two.accept)


def case_dual(address, port):
    """A dual-stack listener is reached over both loopbacks, a v6-only one over one."""
    for only in (0, 1):
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind(("::", 0))
        sock.listen(4)
        number = sock.getsockname()[1]
        for loop in ("127.0.0.1", "::1"):
            client = new(loop)
            if say(f"{only} {loop}", client.connect, (loop, number)) is None:
                accepted, peer = sock.accept()
                print(peer[0], accepted.getsockname()[0], peer[1] == client.getsockname()[1])
                accepted.close()
            client.close()
        sock.close()


def case_timeouts(address, port):
    sock = opened(address, port, b"silent")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    say("recv", sock.recv, 1)
    server = new(address)
    server.bind((address_any(address), 0))
    server.listen(1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    say("accept", server.accept)


def case_threads(address, port):
    """A thread blocked in accept, and one in connect, delay nobody."""
    server = new(address)
    server.bind((address_any(address), 0))
    server.listen(1)
    got = []
    thread = threading.Thread(target=lambda: got.append(server.accept()), daemon=True)
    thread.start()
    for _ in range(3):
        sock = opened(address, port, b"echo")
        sock.sendall(b"abc")
        print(sock.recv(3, socket.MSG_WAITALL))
        sock.close()
    loop = "::1" if ":" in address else "127.0.0.1"
    client = new(loop)
    client.connect((loop, server.getsockname()[1]))
    thread.join(20)
    print("accepted", got[0][1] == client.getsockname())


def case_other_families(address, port):
    pair = socket.socketpair()
    pair[0].sendall(b"x")
    print(pair[1].recv(1), pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0weir-run-cases")
    print(unix.getsockname())
    unix.listen(1)
    print(socket.socket(socket.AF_UNIX).connect("\0weir-run-cases"))
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    print(udp.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))


INFO = ("rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent "
        "last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss "
        "reordering rcv_rtt rcv_space total_retrans").split()


def case_info(address, port):
    """What TCP_INFO says of the same exchange; what a path decides is only looked at."""
    for _ in range(5):  # on a busy machine something may be sent again in vain
        sock = opened(address, port, b"echo")
        for _ in range(10):
            sock.sendall(bytes(3000))
            sock.recv(3000, socket.MSG_WAITALL)
        time.sleep(0.3)
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)
        info = dict(zip(INFO, struct.unpack("24I", told[8:104])))
        if info["rto"] < 400000 and info["total_retrans"] == 0:
            break
    print("state, congestion, retransmissions, probes, backoff, options", *told[:6])
    for name in ("unacked sacked lost retrans fackets snd_ssthresh reordering "
                 "total_retrans").split():
        print(name, info[name])
    print("times", 200000 <= info["rto"] < 400000, 0 < info["rtt"] < 200000,
          info["last_data_sent"] >= 290, info["last_ack_recv"] >= 290)
    print("sizes", info["pmtu"] >= 1280, info["snd_mss"] > 1000, info["snd_cwnd"] >= 10)
    print("advmss", info["pmtu"] - info["advmss"], "ato", info["ato"],
          "last data", info["last_data_recv"] >= 290)
    print("acked", *struct.unpack("Q", told[120:128]))
    print("received, retransmitted", *struct.unpack("Q", told[128:136]),
          *struct.unpack("Q", told[208:216]), "sent", *struct.unpack("Q", told[200:208]))
    wide, counted = struct.unpack("4Q", told[160:192]), struct.unpack("4I", told[216:232])
    data_in, data_out = struct.unpack("2I", told[152:160])
    delivered, marked = struct.unpack("2I", told[192:200])
    print("segments with octets", data_in >= 10, data_out >= 10, "delivered", delivered == data_out + 1, marked)
    print("duplicates, reordered, beyond a gap", *counted[:3], "windows", counted[3] > 3000)
    print("rate", wide[0] > 0, "busy", wide[1] < 30e6, "limited", *wide[2:])
    sock.shutdown(socket.SHUT_WR)
    sock.recv(1)
    wait_for(sock, select.POLLHUP)
    print("with both ends, acked, received",
          *struct.unpack("2Q", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)[120:136]))


def case_inherit(address, port):
    server = new(address)
    server.bind((address_any(address), 0))
    server.listen(1)
    server.setblocking(False)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 1, 500000))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 7, 0))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    loop = "::1" if ":" in address else "127.0.0.1"
    say("empty", server.accept)
    client = new(loop)
    client.connect((loop, server.getsockname()[1]))
    print("acceptable", wait_for(server, select.POLLIN), mask(server))
    fd, _ = server._accept()
    print("nonblocking", fcntl.fcntl(fd, fcntl.F_GETFL) & 0o4000,
          "cloexec", fcntl.fcntl(fd, fcntl.F_GETFD))
    sock = socket.socket(fileno=fd)
    print("timeouts", *(struct.unpack("ll", sock.getsockopt(socket.SOL_SOCKET, name, 16))
                        for name in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)),
          "in line", sock.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE))


TCP_INQ, SO_PEEK_OFF = 36, 42


def told_beside(sock, size, flags=0):
    """What recvmsg gives: octets, and control messages, a number as it is and a time as "now"."""
    data, told, flags, name = sock.recvmsg(size, 500, flags)
    words = []
    for level, kind, value in told:
        numbers = struct.unpack("i" if len(value) == 4 else f"{len(value) // 8}q", value)
        if level == socket.SOL_SOCKET:
            numbers = ["now" if abs(numbers[0] - time.time()) < 20 else numbers[0],
                       *numbers[2:]]
        words.append((level, kind, len(value), *numbers))
    return data, *words, flags, name


def case_inq(address, port):
    """TCP_INQ: recvmsg tells how much is left, and 1 where only the end is."""
    sock = opened(address, port, b"echo")
    say("off", sock.getsockopt, socket.IPPROTO_TCP, TCP_INQ)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 1)
    sock.sendall(b"0123456789")
    print("all there", wait_until(lambda: unread(sock) == 10))
    say("peek", told_beside, sock, 3, socket.MSG_PEEK)
    say("some", told_beside, sock, 4)
    say("no room for it", sock.recvmsg, 1, 8)
    say("the rest", told_beside, sock, 100)
    say("nothing", told_beside, sock, 100, socket.MSG_DONTWAIT)
    threading.Timer(.1, sock.sendall, (b"late",)).start()
    say("waits", told_beside, sock, 2)
    sock.shutdown(socket.SHUT_WR)
    print("end", wait_for(sock, select.POLLRDHUP))
    say("at last", told_beside, sock, 100)
    say("end", told_beside, sock, 100)
    say("plain", sock.recv, 1)


def told_in_time(sock, something):
    """The kernel begins to note times a moment after it was asked to."""
    for _ in range(500):
        sock.sendall(b"x")
        told = told_beside(sock, 10)
        if len(told) > 3 or not something:
            break
        time.sleep(.02)
    return told


def case_stamps(address, port):
    """When octets came: SO_TIMESTAMP and the like, of which the last that was set is told."""
    sock = opened(address, port, b"echo")
    stamping = struct.pack("I", 1 << 3 | 1 << 4)  # RX_SOFTWARE, SOFTWARE
    for name, value in ((29, 1), (35, 1), (63, 1), (64, 1), (29, 0), (37, stamping), (35, 1)):
        say(f"set {name}", sock.setsockopt, socket.SOL_SOCKET, name, value)
        say("told", told_in_time, sock, value != 0)
        print([sock.getsockopt(socket.SOL_SOCKET, other) for other in (29, 35, 63, 64)])
    say("stamping", sock.getsockopt, socket.SOL_SOCKET, 37, 8)
    say("unknown", sock.setsockopt, socket.SOL_SOCKET, 37, -1)
    say("without a stream", new(address).setsockopt, socket.SOL_SOCKET, 37, 1 << 7)
    sock.shutdown(socket.SHUT_WR)
    say("end", told_beside, sock, 10)


def case_peek_off(address, port):
    sock = opened(address, port, b"echo")
    sock.sendall(b"0123456789")
    print("all there", wait_until(lambda: unread(sock) == 10))
    say("set", sock.setsockopt, socket.SOL_SOCKET, SO_PEEK_OFF, 2)
    for size in (3, 2):
        say("peek", sock.recv, size, socket.MSG_PEEK)
        say("at", sock.getsockopt, socket.SOL_SOCKET, SO_PEEK_OFF)
    say("read", sock.recv, 4)
    say("at", sock.getsockopt, socket.SOL_SOCKET, SO_PEEK_OFF)
    say("peek with a name", sock.recvfrom, 2, socket.MSG_PEEK)
    say("peek", sock.recv, 100, socket.MSG_PEEK)


def case_maxseg(address, port):
    """TCP_MAXSEG before a connection bounds what the peer is told and what is sent; then it is late."""
    for before, after in ((600, 0), (600, 1000), (1200, 700)):
        sock = new(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, before)
        sock.connect((address, port))
        sock.sendall(b"echo\nx")
        sock.recv(1)
        say("after", sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_MAXSEG, after)
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        mss = struct.unpack("I", info[16:20])[0], struct.unpack("I", info[84:88])[0]
        print("snd_mss, advmss", *mss, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))


def case_waitall_name(address, port):
    """MSG_WAITALL with a place for a name: all of it, and no name."""
    sock = opened(address, port, b"echo")
    sock.sendall(b"01234")
    threading.Timer(.1, sock.sendall, (b"56789",)).start()
    say("all", sock.recvfrom, 10, socket.MSG_WAITALL)
    sock.sendall(b"01234")
    sock.shutdown(socket.SHUT_WR)
    say("what there is", sock.recvfrom, 10, socket.MSG_WAITALL)
    sock = opened(address, port, b"echo")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    sock.sendall(b"01234")
    print("all there", wait_until(lambda: unread(sock) == 5))
    say("in time", sock.recvfrom, 10, socket.MSG_WAITALL)
    say("nothing in time", sock.recvfrom, 10, socket.MSG_WAITALL)



def case_fast_keys(address, port):
    """TCP_FASTOPEN_KEY: one key or two, of each listener, and of no other length."""
    TCP_FASTOPEN_KEY = 33
    one, two = bytes(range(16)), bytes(range(100, 132))
    sock, other = new(address), new(address)
    for what, key in (("none", b""), ("short", one[:15]), ("odd", two[:24]), ("long", two + b"x"),
                      ("one", one), ("two", two), ("one again", one)):
        say(what, sock.setsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, key)
        if len(key) in (16, 32):
            say("then", sock.getsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, 64)
    say("room for a part", sock.getsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, 5)
    sock.bind((address_any(address), 0))
    sock.listen(1)
    say("listening", sock.getsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, 64)
    say("two", sock.setsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, two)
    say("then", sock.getsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, 64)
    print("not the other's", other.getsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, 64) not in (one, two))


TCP_MD5SIG, TCP_MD5SIG_EXT = 14, 32


def signature(peer, key, flags=0, prefix_len=0):
    """struct tcp_md5sig: an address, flags, prefix length, length, interface, key."""
    if family(peer) == socket.AF_INET6:
        where = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0,
                            socket.inet_pton(socket.AF_INET6, peer), 0)
    else:
        where = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer))
    return struct.pack("=128sBBHi80s", where, flags, prefix_len, len(key), 0, key)


def case_signed(address, port):
    """TCP_MD5SIG: those who share a key talk, who has none or another is not answered."""
    loop = "::1" if ":" in address else "127.0.0.1"
    other = "127.0.0.1" if ":" in address else "::1"
    sock = new(address)
    for what, value in (("short", bytes(100)), ("other family", signature(other, b"k")),
                        ("none to take away", signature(loop, b"")),
                        ("too long", signature(loop, b"k")[:130] + struct.pack("=H", 81) +
                         signature(loop, b"k")[132:]), ("good", signature(loop, b"k")),
                        ("again", signature(loop, b"key")), ("away", signature(loop, b"")),
                        ("away again", signature(loop, b""))):
        say(what, sock.setsockopt, socket.IPPROTO_TCP, TCP_MD5SIG, value)
    for bits in (0, 24, 32, 33, 129):
        say(f"prefix {bits}", sock.setsockopt, socket.IPPROTO_TCP, TCP_MD5SIG_EXT,
            signature(loop, b"k", 1, bits))
    say("interface", sock.setsockopt, socket.IPPROTO_TCP, TCP_MD5SIG_EXT, signature(loop, b"k", 2))
    say("get", sock.getsockopt, socket.IPPROTO_TCP, TCP_MD5SIG, 300)
    server, plain = new(address), new(address)
    server.bind((loop, 0))
    server.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(loop, b"key"))
    server.listen(5)
    plain.bind((loop, 0))
    plain.listen(5)
    for key, to in ((b"key", server), (b"yek", server), (None, server), (None, plain), (b"key", plain)):
        client = new(address)
        if key:
            client.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, signature(loop, key))
        client.setblocking(False)
        say("connect", client.connect, to.getsockname())
        talks = key == (b"key" if to is server else None)
        print(key, "to", "plain" if to is plain else "signed",
              wait_for(client, select.POLLOUT, 10 if talks else .2))
        if mask(client) == "OUT" and wait_for(to, select.POLLIN, 10):
            there = to.accept()[0]
            there.sendall(b"hello")
            print("hears", wait_for(client, select.POLLIN), client.recv(10))
            there.close()
            print("and the end", wait_for(client, select.POLLRDHUP), client.recv(10))
        client.close()


def unread(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


def wait_until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(.005)
    return holds()


CASES = {name[5:]: case for name, case in list(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    CASES[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
