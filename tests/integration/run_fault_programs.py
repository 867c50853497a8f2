# SPDX-License-Identifier: MIT
"""What run_faults.py runs under `weir run`: one function a program, by its name.

    run_fault_programs.py NAME [ARGUMENT...]

Each says "ready" when the fault may come, and then what it saw, a line each.
"""

import array
import ctypes
import errno
import hashlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LOOP = "127.0.0.1"


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one piece, whoever else speaks


def pair():
    """Both ends of a connection over weir's loopback."""
    listener = socket.create_server((LOOP, 0))
    one = socket.create_connection(listener.getsockname())
    other = listener.accept()[0]
    listener.close()
    return one, other


def native_accept(listener):
    """An accept that does not ask for the address, which only the kernel sees."""
    fd = LIBC.accept(listener.fileno(), None, None)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "accept")
    return socket.socket(fileno=fd)


# ---- For the death of weird ----

def watch(name, call):
    """Says when a call came back, and with what."""
    def run():
        try:
            result = call()
        except OSError as error:
            result = errno.errorcode[error.errno]
        say("end", time.monotonic(), name, result)
    threading.Thread(target=run, daemon=True).start()


def flood(sock):
    while True:
        sock.sendall(b"x" * 65536)


def polled(sock):
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLRDHUP)
    return poll.poll()[0][1] & (select.POLLHUP | select.POLLERR)


def epolled(sock):
    with select.epoll() as epoll:
        epoll.register(sock, select.EPOLLIN | select.EPOLLET)
        return epoll.poll()[0][1] & (select.EPOLLHUP | select.EPOLLERR)


WAYS = 10  # in which blocked() waits for weird


def hold_by_another(count):
    """A process that holds the other ends of so many streams, each with one who waits for them."""
    streams = [socket.socketpair() for _ in range(count)]
    holder = os.fork()
    if holder == 0:
        for ours, _ in streams:
            ours.close()
        signal.pause()
    for i, (ours, theirs) in enumerate(streams):
        theirs.close()
        watch(f"holder-{i}", lambda ours=ours: ours.recv(1))
    return holder


def blocked(address, port, *_):
    """Waits in every way there is, and as often for a process that is none of weir's."""
    holder = hold_by_another(WAYS)
    pairs = [pair() for _ in range(4)]
    listeners = [socket.create_server((LOOP, 0)) for _ in range(3)]
    connecting = [socket.socket() for _ in range(2)]
    connecting[1].setblocking(False)
    connecting[1].connect_ex((address, int(port)))
    watch("recv", lambda: pairs[0][0].recv(1))
    watch("send", lambda: flood(pairs[1][0]))
    watch("poll", lambda: polled(pairs[2][0]))
    watch("epoll", lambda: epolled(pairs[3][0]))
    watch("accept", listeners[0].accept)
    watch("native-accept", lambda: native_accept(listeners[1]))
    watch("poll-listener", lambda: polled(listeners[2]))
    watch("connect", lambda: connecting[0].connect((address, int(port))))
    watch("poll-connecting", lambda: polled(connecting[1]))
    children = pair()
    if os.fork() == 0:  # makes no call that is caught: only its parent is known
        watch("child-recv", lambda: children[0].recv(1))
        time.sleep(30)
    children[0].close()
    held = [pair() for _ in range(200)]
    time.sleep(0.3)
    say("ready")
    say("holder", holder)
    sys.stdin.readline()
    errors = {ended(one) for one, _ in held}
    say("all", *errors)
    say("so-error", errno.errorcode.get(pairs[2][0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
    try:
        socket.socket()
    except OSError as error:
        say("socket", errno.errorcode[error.errno])
    local, remote = socket.socketpair()  # not weir's: works as ever
    local.sendmsg([b"unix"])
    say("unix", remote.recv(9).decode())
    sys.stdin.readline()
    one, other = pair()
    one.sendall(b"new")
    say("again", other.recv(9).decode())
    os.kill(0, signal.SIGKILL)


def last_words(address, port, *_):
    """Octets on their way when weird is told to end, and a stream whose peer says nothing."""
    sock, quiet = (socket.create_connection((address, int(port))) for _ in range(2))
    quiet.sendall(b"hold\n")
    sock.sendall(b"count_late\n" + b"z" * (1 << 20))
    say("ready")
    try:
        say("quiet", quiet.recv(1))
    except OSError as error:
        say("quiet", errno.errorcode[error.errno])
    sys.stdin.readline()
    one, other = pair()
    one.sendall(b"new")
    say("again", other.recv(9).decode())


def stopped(*_):
    """Says what an accept saw of a stop."""
    listener = socket.create_server(("0.0.0.0", 9501))
    watch("accept", lambda: listener.accept()[0].recv(9))
    say("ready")
    time.sleep(20)


def idle(*_):
    """A connection on which nothing happens; what can be read of it in the end."""
    one, other = pair()
    say("ready")
    sys.stdin.readline()
    say(ended(one), ended(other))


def sockets(*_):
    """One socket after the other, until it is told to end."""
    say("ready")
    while not select.select([sys.stdin], [], [], 0)[0]:
        socket.socket().close()


def ended(sock):
    sock.setblocking(False)
    try:
        return "octets" if sock.recv(9) else "EOF"
    except OSError as error:
        return errno.errorcode[error.errno]


# ---- For the death and sleep of the program ----

def churn(address, port, *_):
    """Connections that come and go in threads, until it is killed."""
    def loop():
        while True:
            one, other = pair()
            one.sendall(os.urandom(20000))
            with socket.create_connection((address, int(port))) as sock:
                sock.sendall(b"echo\n" + b"y" * 30000)
                sock.recv(7000)
            other.recv(10)
            one.close()
            other.close()
    def wait():
        listener = socket.create_server((LOOP, 0))
        listener.accept()
    for target in (loop, loop, wait):
        threading.Thread(target=target, daemon=True).start()
    say("ready")
    time.sleep(30)


def echo_sum(address, port, count, *_):
    """Sends octets there and back, and says if they are the same."""
    sock = socket.create_connection((address, int(port)))
    sock.sendall(b"echo\n")
    data, got, began = os.urandom(int(count)), hashlib.sha256(), time.monotonic()
    def send():
        for at in range(0, len(data), 65536):
            sock.sendall(data[at:at + 65536])
            time.sleep(0.001)
        sock.shutdown(socket.SHUT_WR)
    threading.Thread(target=send, daemon=True).start()
    say("ready")
    total = 0
    while octets := sock.recv(65536):
        got.update(octets)
        total += len(octets)
    say("same" if got.digest() == hashlib.sha256(data).digest() else "differs", total,
        f"{time.monotonic() - began:.1f}")


def slow_reader(address, port, count, *_):
    """Takes what comes in small bites."""
    sock = socket.create_connection((address, int(port)))
    sock.sendall(b"pour %d\n" % int(count))
    say("ready")
    digest, total = hashlib.sha256(), 0
    while octets := sock.recv(40000):
        digest.update(octets)
        total += len(octets)
        time.sleep(0.002)
    say(total, digest.hexdigest())


# ---- Limits ----

def few_descriptors(*_):
    """EMFILE at socket and at accept, and what is left of them."""
    listener = socket.create_server((LOOP, 0), backlog=50)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(8)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    made = []
    try:
        while True:
            made.append(socket.socket())
    except OSError as error:
        say("socket", errno.errorcode[error.errno])
    for accept in (listener.accept, lambda: native_accept(listener)):
        try:
            accept()
        except OSError as error:
            say("accept", errno.errorcode[error.errno])
    made.clear()
    for client in clients:
        listener.accept()[0].sendall(b"served")
        say(client.recv(9).decode())


def many_sockets(count, *_):
    """The errno that ends a loop of socket(), and that all is well after a close."""
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    made = []
    try:
        for _ in range(int(count)):
            made.append(socket.socket())
        say("no limit")
    except OSError as error:
        say(errno.errorcode[error.errno], len(made))
    made.clear()
    one, other = pair()
    one.sendall(b"well")
    say(other.recv(9).decode())


# ---- Several at one socket ----

def prefork(port, count, how, *_):
    """Four processes accept `count` connections; each is answered once."""
    count = int(count)
    listener = socket.create_server(("0.0.0.0", int(port)), backlog=count)
    left, right = socket.socketpair()
    for _ in range(4):
        if os.fork() == 0:
            serve_shared(listener, left, how)
    say("ready")
    for _ in range(count):
        right.recv(1)
    say("served", count)
    os.kill(0, signal.SIGKILL)


def serve_shared(listener, left, how):
    epoll = select.epoll()
    if how != "block":
        listener.setblocking(False)
        epoll.register(listener, select.EPOLLIN | (select.EPOLLEXCLUSIVE if how == "one" else 0))
    while True:
        if how != "block":
            epoll.poll()
        try:
            sock = native_accept(listener) if os.getpid() % 2 else listener.accept()[0]
        except BlockingIOError:
            continue
        sock.setblocking(True)
        sock.sendall(sock.recv(9))
        sock.close()
        left.send(b"1")


def forked(*_):
    """A connection that parent and child share; its end is the last one's."""
    one, other = pair()
    if os.fork() == 0:
        one.sendall(b"child ")
        time.sleep(0.2)
        one.sendall(b"later")
        os._exit(0)
    one.close()
    got = b""
    while octets := other.recv(99):
        got += octets
    say(got.decode())
    os.wait()


def passed(*_):
    """A connected socket goes to another process, while it holds unread octets, and lives on."""
    one, other = pair()
    left, right = socket.socketpair()
    if os.fork() == 0:
        one.close()
        other.close()
        _, rights, _, _ = right.recvmsg(1, 64)
        got = array.array("i")
        got.frombytes(rights[0][2])
        sock = socket.socket(fileno=got[0])
        sock.sendall(sock.recv(99, socket.MSG_WAITALL)[:0] + b"from the child, to "
                     + str(sock.getpeername()[0]).encode())
        os._exit(0)
    other.sendall(b"unread" * 16 + b"...")
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [one.fileno()]))])
    one.close()
    say(other.recv(99).decode(), other.recv(9))
    os.wait()


def wait_until_it_sleeps(thread):
    """... in a system call other than Python's own waiting for its lock."""
    for _ in range(1000):
        try:
            with open(f"/proc/self/task/{thread.native_id}/syscall", encoding="ascii") as file:
                if file.read().split()[0] not in ("running", "98", "202"):  # futex
                    return
        except OSError:
            pass
        time.sleep(0.01)


def close_under_reader(*_):
    """Another thread closes what one reads: it is not woken, and reads what comes."""
    one, other = pair()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(LIBC.recv(one.fileno(), buffer, 9, 0)))
    buffer = ctypes.create_string_buffer(9)
    thread.start()
    wait_until_it_sleeps(thread)
    os.close(one.detach())
    time.sleep(0.2)
    say("woken" if seen else "waits")
    other.sendall(b"four")
    thread.join(20)
    say(*seen)


# ---- Many ----

def ping_pong(address, port, count, how, *_):
    """One octet there and back, `count` times, over eight connections."""
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    socks = [socket.create_connection((address, int(port))) for _ in range(8)]
    epoll = select.epoll()
    for sock in socks:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"echo\n")
        sock.setblocking(False)
        epoll.register(sock, select.EPOLLIN | (select.EPOLLET if how == "edge" else 0))
    by_fd = {sock.fileno(): sock for sock in socks}
    say("ready")
    done, count = 0, int(count)
    for sock in socks:
        sock.send(b"p")
    while done < count:
        events = epoll.poll(10)
        if not events:
            say("lost a wake-up after", done)
            return
        for fd, _ in events:
            by_fd[fd].recv(9)
            by_fd[fd].send(b"p")
            done += 1
    say("done")


def connect_all(address, port, count, *_):
    """That many connects, as many of them in progress at once as there can be; how many come through,
    and how many still wait when nothing has happened for long."""
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    epoll, socks, good, left = select.epoll(), {}, 0, int(count)
    while left > 0 or socks:
        sock = new_socket() if left > 0 else None
        if sock is not None:
            sock.setblocking(False)
            sock.connect_ex((address, int(port)))
            socks[sock.fileno()] = sock
            epoll.register(sock, select.EPOLLOUT)
            left -= 1
            continue
        events = epoll.poll(60)
        if not events:
            break
        for fd, _ in events:
            epoll.unregister(fd)
            sock = socks.pop(fd)
            good += sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            sock.close()
    say("connected", good, "waiting", len(socks) + left)


def new_socket():
    """None: the program has, or weird has, no descriptor left for one."""
    try:
        return socket.socket()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        return None


def accept_all(port, count, *_):
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    listener = socket.create_server(("0.0.0.0", int(port)), backlog=4096)
    say("ready")
    held = [native_accept(listener) for _ in range(int(count))]
    say("accepted", len(held))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
