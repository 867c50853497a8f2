# SPDX-License-Identifier: MIT
"""The cases: what two ends do to each other, and what each must have seen.

A case is run for each family and for each role of weir (active: it opens the connection), every
time on a link of its own. What the kernel's calls returned, what ss shows and what its counters
say is asserted; what weir says of itself comes second, and not at all in a control run, where both
ends are kernels. Connections are called `c` at both ends.
"""

import hashlib
import os
import time

from lab import Trouble, until

MEGA = 1 << 20
LISTEN, CONNECT = 5000, 6000  # the ports of the passive and of the active end
CLOSED = 4999
BOTH_ROLES = ("active", "passive")
ETHERNET, JUMBO = 1500, 9000  # MTUs
HEADERS = {4: 52, 6: 72}  # of a segment, timestamps included
CASES = []


def case(kind, roles=BOTH_ROLES, seconds=5, verify=True, mtu=ETHERNET):
    """`seconds` is about how long it takes: the longest begin first. `verify` has weir check all
    its invariants after every call."""
    def add(function):
        CASES.append({"function": function, "kind": kind, "roles": roles, "seconds": seconds,
                      "verify": verify, "mtu": mtu})
        return function
    return add


class Run:
    """One run of a case: its link, its variant, and what it found."""

    def __init__(self, name, link, family, role):
        self.name, self.link, self.family, self.role = name, link, family, role
        self.weir, self.kernel = link.weir, link.kernel
        self.results, self.skipped = [], []
        self.mss = link.mtu - HEADERS[family]
        active = role == "active"
        self.opener, self.listener = \
            (self.weir, self.kernel) if active else (self.kernel, self.weir)
        self.weir_port, self.kernel_port = (CONNECT, LISTEN) if active else (LISTEN, CONNECT)

    def skip(self, why):
        self.skipped.append(f"{self.name}: {why}")

    def check(self, holds, text, detail=""):
        self.results.append((bool(holds), f"{self.name}: {text}", str(detail)))
        return holds

    def equal(self, seen, wanted, text):
        return self.check(seen == wanted, text, f"wanted {wanted}, saw {seen}")

    def listen(self, end=None, port=LISTEN):
        end = end or self.listener
        end.do("listen", "l", end.ip[self.family], port, 8)

    def establish(self):
        self.listen()
        accepted = self.listener.start("accept", "c", "l")
        self.equal(self.opener.ask("connect", "c", self.listener.ip[self.family], LISTEN,
                                   CONNECT)[0], "ok", "connects")
        if accepted.get()[0] != "ok":
            raise Trouble("accept failed")

    def ss(self):
        return self.kernel.ss(self.kernel_port, self.weir_port)

    def states(self):
        return (self.weir.state(self.weir_port, self.kernel_port),
                self.kernel.state(self.kernel_port, self.weir_port))

    def reach(self, weir, kernel, text, seconds=15):
        """Waits for a pair of states, each of which may be a tuple of those allowed."""
        def fits(seen, allowed):
            return seen in (allowed if isinstance(allowed, tuple) else (allowed,))

        def there():
            seen.append(self.states())
            return fits(seen[-1][0], weir) and fits(seen[-1][1], kernel)
        seen = []
        return self.check(until(there, seconds), text,
                          f"wanted weir {weir}, kernel {kernel}; saw {seen[-1]}")

    def status(self):
        """What weir says of its connection; None in a control run."""
        return self.weir.fields("status", "c") if self.weir.is_weir else None

    def last_words(self):
        """What both ends say of the connection when a case does not go through."""
        words = []
        for say in (self.status, self.ss, self.kernel.changes):
            try:
                words.append(str(say()))
            except Trouble as trouble:
                words.append(str(trouble))
        return "\n".join(words)

    def same(self, path, offset, length, text):
        """Whether a received file is that part of the data, by SHA-256."""
        with open(self.link.lab.data, "rb") as file:
            file.seek(offset)
            wanted = hashlib.sha256(file.read(length)).hexdigest()
        with open(path, "rb") as file:
            seen = hashlib.sha256(file.read()).hexdigest()
        os.unlink(path)
        self.check(seen == wanted, text, f"sha256 {seen}, not {wanted}")

    def move(self, sender, receiver, length, offset=0):
        """Starts a transfer; the function returned waits for it and compares."""
        path = self.link.received()
        heard, said = receiver.start("recv", "c", path, length), sender.start("send", "c", offset,
                                                                             length)
        names = "weir to kernel" if sender is self.weir else "kernel to weir"

        def finish(seconds=20):
            self.equal(said.get(seconds), ["ok", str(length)], f"{names}: all is sent")
            self.equal(heard.get(seconds), ["ok", str(length)], f"{names}: all is received")
            self.same(path, offset, length, f"{names}: the same octets")
        return finish

    def both_ways(self, length):
        for finish in (self.move(self.weir, self.kernel, length),
                       self.move(self.kernel, self.weir, length, MEGA)):
            finish()

    def options(self):
        """What ss shows of the handshake, and that weir means the same."""
        ss, status = self.ss(), self.status()
        self.check({"ts", "sack"} <= ss.get("flags", set()), "ss: timestamps and SACK", ss)
        self.equal(int(ss.get("advmss", 0)), self.mss, "ss: the MSS it offers")
        if self.link.mtu == ETHERNET:  # or else half of the peer's first window
            self.equal(int(ss.get("mss", 0)), self.mss, "ss: the MSS it uses")
        if status is None:
            return ss
        self.equal(ss.get("wscale"), f"{status['rcv_wscale']},{status['snd_wscale']}",
                   "ss: both window scales are weir's")
        self.check(int(status["rcv_wscale"]) > 0, "weir offers a scaled window", status)
        self.equal(int(status["mss"]), self.mss, "weir: mss")
        self.equal((status["timestamps"], status["sack"]), ("1", "1"),
                   "weir: timestamps and SACK")
        return ss

    def close_in_order(self):
        """The opener closes first and keeps TIME-WAIT; the other end is gone."""
        self.opener.do("shutdown", "c")
        self.equal(self.listener.ask("recv", "c", "-", 0), ["eof", "0"], "the passive end sees EOF")
        self.reach(*self.paired("FIN-WAIT-2", "CLOSE-WAIT"), "FIN-WAIT-2 and CLOSE-WAIT")
        self.listener.do("close", "c")
        self.equal(self.opener.ask("recv", "c", "-", 0), ["eof", "0"], "the active end sees EOF")
        self.opener.do("close", "c")
        self.reach(*self.paired("TIME-WAIT", "CLOSED"), "TIME-WAIT at the first to close, alone")

    def paired(self, opener, listener):
        """States of opener and listener, as weir's and the kernel's."""
        return (opener, listener) if self.role == "active" else (listener, opener)


# ---- Ordinary life ----

def plain(t):
    """10 MB both ways at once, then an orderly close."""
    t.establish()
    ss = t.options()
    t.equal(ss.get("state"), "ESTABLISHED", "ss: ESTABLISHED")
    t.both_ways(10 * MEGA)
    if t.weir.is_weir and not t.link.plain:
        few = 10 * MEGA // t.mss // 2
        frames = t.weir.fields("counters")
        t.check(int(frames["frames_out"]) < few, "weir sends superframes", frames)
        t.check(int(frames["frames_in"]) < few, "and takes superframes", frames)
    t.close_in_order()


@case("tap", seconds=8, verify=False)
def plain_tap(t):
    plain(t)


@case("tap,plain", seconds=8, verify=False)
def plain_tap_frames(t):
    plain(t)


@case("veth", seconds=8, verify=False)
def plain_packet(t):
    plain(t)


@case("xdp", seconds=8, verify=False)
def plain_xdp(t):
    plain(t)


@case("xdp,generic", seconds=8, verify=False)
def plain_xdp_generic(t):
    plain(t)


@case("tap", seconds=3)
def md5(t):
    """RFC 2385 and TCP_MD5SIG: each segment signed, both ways; a stranger is not answered."""
    said = t.kernel.ask("md5", t.weir.ip[t.family], "a-key-for-two")
    if said[:2] == ["error", "ENOPROTOOPT"]:
        t.skip("this kernel has no TCP_MD5SIG")
        return
    t.equal(said[0], "ok", "the kernel takes a key")
    t.equal(t.weir.ask("md5", t.kernel.ip[t.family], "a-key-for-two")[0], "ok", "and so does weir")
    t.establish()
    t.both_ways(MEGA)
    # Not close_in_order: ss prints keys into the line of the next socket.
    t.opener.do("shutdown", "c")
    t.equal(t.listener.ask("recv", "c", "-", 0), ["eof", "0"], "the passive end sees EOF")
    t.listener.do("close", "c")
    t.equal(t.opener.ask("recv", "c", "-", 0), ["eof", "0"], "the active end sees EOF")
    t.opener.do("close", "c")


def lossy(t, length):
    """Over 1 % loss and 20 ms there and back; the active end sends."""
    t.link.relay.do("set", "both", "loss", 10000)
    t.link.relay.do("set", "both", "delay", 10000)
    t.establish()
    t.options()
    t.move(t.opener, t.listener, length)(75)
    lost = length // t.mss // 100
    status = t.status()
    # The last segments are acknowledged a little after the other program has read them.
    for _ in range(20):
        ss = t.ss()
        if "unacked" not in ss:
            break
        time.sleep(0.1)
    if t.opener is t.kernel:
        t.check(int(ss.get("retrans", "0/0").split("/")[1]) > lost // 2, "ss: retransmissions", ss)
        t.check(int(ss.get("delivered", 0)) > length // t.mss, "ss: delivered", ss)
        t.equal(int(ss.get("mss", 0)), t.mss, "ss: full-sized segments were sent")
    else:
        t.check(int(ss.get("rcv_ooopack", 0)) > lost // 2, "ss: segments out of order", ss)
        t.check(int(ss.get("bytes_received", 0)) >= length, "ss: bytes received", ss)
        t.equal(int(ss.get("rcvmss", 0)), t.mss, "ss: full-sized segments came")
        if status:
            t.check(int(status["recovery_count"]) > lost // 3, "weir: SACK recovery", status)
            t.check(int(status["rto_count"]) < lost // 3 + 5,
                    "weir: most losses are repaired without a timeout", status)
    rtt = float(ss.get("rtt", "0/0").split("/")[0])
    t.check(rtt >= 19, "ss: the round trip is the relay's 20 ms, or more", ss)
    stats = t.link.relay.fields("stats")
    t.check(int(stats["ab_lost"]) + int(stats["ba_lost"]) > lost, "the relay lost frames", stats)
    t.check(stats["ab_too_long"] == stats["ba_too_long"] == "0", "no superframe met the relay",
            stats)


@case("relay", seconds=40, verify=False, mtu=JUMBO)
def lossy_50(t):
    """50 MB, in segments large enough that the window must be scaled and the case ends today."""
    lossy(t, 50 * MEGA)


@case("relay", seconds=30, verify=False)
def lossy_10(t):
    """10 MB in segments of Ethernet's size."""
    lossy(t, 10 * MEGA)


@case("relay", seconds=25, verify=False)
def window(t):
    """20 MB over 20 ms without loss: more than 64 KiB must be under way."""
    t.link.relay.do("set", "both", "delay", 10000)
    t.establish()
    t.options()
    finish = t.move(t.opener, t.listener, 20 * MEGA)
    flight = []

    def filled():
        if t.opener is t.weir and t.weir.is_weir:
            flight.append(int(t.status()["unacked"]))
        else:
            ss = t.opener.ss(CONNECT, LISTEN)
            flight.append(int(ss.get("unacked", 0)) * int(ss.get("mss", 0)))
        return flight[-1] > 65535
    t.check(until(filled, 15), "more is in flight than an unscaled window allows", max(flight))
    finish(40)
    field = "rcv_space" if t.listener is t.kernel else "snd_wnd"
    t.check(int(t.ss().get(field, 0)) > 65535, f"ss: {field} is beyond 64 KiB", t.ss())


@case("relay", seconds=10, verify=False)
def reordered(t):
    """5 MB both ways over a wire that reorders and duplicates."""
    for what, per_million in (("reorder", 20000), ("duplicate", 20000)):
        t.link.relay.do("set", "both", what, per_million)
    t.link.relay.do("set", "both", "delay", 2000)
    t.establish()
    t.both_ways(5 * MEGA)
    t.check(t.kernel.counted("TcpExtTCPDSACKOldSent", "TcpExtTCPDSACKOfoSent") > 0,
            "the kernel saw duplicates and said so by DSACK")
    t.check(t.kernel.counted("TcpExtTCPDSACKRecv", "TcpExtTCPDSACKOfoRecv") > 0,
            "the other end reports its duplicates by DSACK, and the kernel takes them")
    t.close_in_order()


# ---- The corners of the state diagram ----

@case("relay", roles=("both",))
def simultaneous_open(t):
    """RFC 9293, figure 7: both connect while the wire holds their SYNs back."""
    t.link.meet(t.family)
    t.link.relay.do("hold", "both")
    ways = {}
    for end, other, own_port, port in ((t.weir, t.kernel, LISTEN, CONNECT),
                                       (t.kernel, t.weir, CONNECT, LISTEN)):
        ways[end] = end.start("connect", "c", other.ip[t.family], port, own_port)
    t.reach("SYN-SENT", "SYN-SENT", "both ends are in SYN-SENT")
    t.link.relay.do("release", "ab")
    t.reach("SYN-SENT", "SYN-RECEIVED", "the kernel has met a SYN in SYN-SENT")
    t.link.relay.do("release", "ba")
    t.equal(ways[t.weir].get(), ["ok", "0"], "weir: connect succeeds")
    t.equal(ways[t.kernel].get(), ["ok", "0"], "kernel: connect succeeds")
    t.reach("ESTABLISHED", "ESTABLISHED", "both ends are ESTABLISHED")
    t.equal(t.kernel.counted("TcpPassiveOpens"), 0, "kernel: no passive open")
    t.equal(t.kernel.counted("TcpActiveOpens"), 1, "kernel: one active open")
    t.options()
    t.both_ways(MEGA)
    t.weir.do("close", "c")
    t.equal(t.kernel.ask("recv", "c", "-", 0), ["eof", "0"], "kernel: EOF after weir's close")
    t.kernel.do("close", "c")
    t.reach("TIME-WAIT", "CLOSED", "closed in order")


@case("relay")
def simultaneous_close(t):
    """RFC 9293, figure 13: the FINs cross."""
    t.establish()
    t.both_ways(1000)
    t.link.relay.do("hold", "both")
    t.weir.do("shutdown", "c")
    t.kernel.do("shutdown", "c")
    t.reach("FIN-WAIT-1", "FIN-WAIT-1", "both ends are in FIN-WAIT-1")
    t.link.relay.do("release", "ab")
    t.reach("FIN-WAIT-1", "CLOSING", "the kernel has met weir's FIN: CLOSING")
    t.link.relay.do("release", "ba")
    for end, name in ((t.weir, "weir"), (t.kernel, "kernel")):
        t.equal(end.ask("recv", "c", "-", 0), ["eof", "0"], f"{name}: EOF")
        end.do("close", "c")
    t.reach("TIME-WAIT", "TIME-WAIT", "both ends are in TIME-WAIT")
    t.equal(t.kernel.counted("TcpEstabResets"), 0, "kernel: nothing was reset")


@case("relay")
def simultaneous_close_weir_closing(t):
    """The same, but it is weir that is seen in CLOSING."""
    t.establish()
    t.link.relay.do("hold", "both")
    t.weir.do("shutdown", "c")
    t.kernel.do("shutdown", "c")
    t.reach("FIN-WAIT-1", "FIN-WAIT-1", "both ends are in FIN-WAIT-1")
    t.link.relay.do("release", "ba")
    t.reach("CLOSING", "FIN-WAIT-1", "weir has met the kernel's FIN: CLOSING")
    t.link.relay.do("release", "ab")
    t.reach("TIME-WAIT", "TIME-WAIT", "both ends are in TIME-WAIT")


def half_close(t, first, second):
    t.establish()
    path = t.link.received()
    first.do("send", "c", 0, 1000)
    first.do("shutdown", "c")
    first_name = "weir" if first is t.weir else "kernel"
    t.equal(second.ask("recv", "c", path, 0), ["eof", "1000"], "octets, then EOF")
    t.same(path, 0, 1000, "the octets before the FIN")
    expected = ("FIN-WAIT-2", "CLOSE-WAIT") if first is t.weir else ("CLOSE-WAIT", "FIN-WAIT-2")
    t.reach(*expected, f"{first_name} has closed its half")
    t.equal(first.ask("send", "c", 0, 1), ["error", "EPIPE", "0"],
            f"{first_name}: no sending after shutdown")
    t.move(second, first, MEGA, MEGA)()
    t.reach(*expected, "still half closed after 1 MB the other way")
    second.do("close", "c")
    t.equal(first.ask("recv", "c", "-", 0), ["eof", "0"], f"{first_name}: EOF")
    first.do("close", "c")
    t.reach(*(("TIME-WAIT", "CLOSED") if first is t.weir else ("CLOSED", "TIME-WAIT")),
            f"TIME-WAIT at {first_name} alone")


@case("veth,plain")
def half_close_weir_first(t):
    half_close(t, t.weir, t.kernel)


@case("veth,plain")
def half_close_kernel_first(t):
    half_close(t, t.kernel, t.weir)


# ---- Resets ----

@case("veth,plain")
def unread_kernel(t):
    """RFC 2525, 2.17: the kernel closes with octets unread, weir hears of it."""
    t.establish()
    t.weir.do("send", "c", 0, 1000)
    t.check(until(lambda: t.ss().get("recvq") == 1000), "the octets wait at the kernel", t.ss())
    t.kernel.do("close", "c")
    t.equal(t.weir.ask("recv", "c", "-", 0), ["error", "ECONNRESET", "0"], "weir: ECONNRESET")
    t.equal(t.weir.ask("send", "c", 0, 1), ["error", "EPIPE", "0"], "weir: then EPIPE")
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("veth,plain")
def unread_weir(t):
    """The same the other way: the kernel's calls must see a reset."""
    t.establish()
    t.kernel.do("send", "c", 0, 1000)
    if t.weir.is_weir:
        t.check(until(lambda: t.status()["unread"] == "1000"), "the octets wait at weir")
    else:
        time.sleep(0.2)
    t.weir.do("close", "c")
    t.equal(t.kernel.ask("recv", "c", "-", 0), ["error", "ECONNRESET", "0"],
            "kernel: recv says ECONNRESET")
    t.equal(t.kernel.ask("send", "c", 0, 1), ["error", "EPIPE", "0"], "kernel: then EPIPE")
    t.equal(t.kernel.counted("TcpEstabResets"), 1, "kernel: one connection was reset")
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("veth,plain")
def aborted_by_weir(t):
    t.establish()
    t.weir.do("abort", "c")
    t.equal(t.kernel.ask("recv", "c", "-", 0), ["error", "ECONNRESET", "0"], "kernel: ECONNRESET")
    t.equal(t.kernel.counted("TcpEstabResets"), 1, "kernel: one connection was reset")
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("veth,plain")
def aborted_by_kernel(t):
    t.establish()
    heard = t.weir.start("recv", "c", "-", 0)
    time.sleep(0.1)
    t.kernel.do("abort", "c")
    t.equal(heard.get(), ["error", "ECONNRESET", "0"], "weir: ECONNRESET")
    t.equal(t.kernel.counted("TcpOutRsts"), 1, "kernel: one reset was sent")
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("veth,plain")
def data_after_close(t):
    """The end that closed entirely answers octets with a reset."""
    t.establish()
    t.weir.do("close", "c")
    t.equal(t.kernel.ask("recv", "c", "-", 0), ["eof", "0"], "kernel: EOF")
    t.reach("FIN-WAIT-2", "CLOSE-WAIT", "the kernel is in CLOSE-WAIT")
    t.kernel.do("send", "c", 0, 100)
    t.check(until(lambda: t.kernel.counted("TcpEstabResets") == 1),
            "kernel: its octets were answered with a reset")
    t.equal(t.kernel.ask("send", "c", 0, 1), ["error", "EPIPE", "0"], "kernel: EPIPE")
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("veth,plain", roles=("both",))
def refused(t):
    """Nobody listens: TCP by a reset, UDP by an ICMP error, in both directions."""
    t.equal(t.kernel.ask("connect", "x", t.weir.ip[t.family], CLOSED),
            ["error", "ECONNREFUSED", "0"], "kernel: connect to a closed port of weir")
    t.equal(t.kernel.counted("TcpAttemptFails"), 1, "kernel: one attempt failed")
    t.equal(t.weir.ask("connect", "x", t.kernel.ip[t.family], CLOSED),
            ["error", "ECONNREFUSED", "0"], "weir: connect to a closed port of the kernel")
    t.equal(t.kernel.counted("TcpOutRsts"), 1, "kernel: one reset was sent")
    for end, other, name in ((t.kernel, t.weir, "kernel"), (t.weir, t.kernel, "weir")):
        end.do("udp", "u", end.ip[t.family], CONNECT)
        end.do("udpconnect", "u", other.ip[t.family], CLOSED)
        heard = end.start("udprecv", "u", "-")
        end.do("udpsend", "u", 0, 100)
        t.equal(heard.get(), ["error", "ECONNREFUSED", "0"],
                f"{name}: a datagram to a closed port")
    if t.family == 4:
        received, sent, ports = ("IcmpInDestUnreachs",), ("IcmpOutDestUnreachs",), ("UdpNoPorts",)
    else:
        received, sent, ports = (("Icmp6InDestUnreachs",), ("Icmp6OutDestUnreachs",),
                                 ("Udp6NoPorts",))
    t.equal(t.kernel.counted(*received), 1, "kernel: one port unreachable came")
    t.equal(t.kernel.counted(*sent), 1, "kernel: one port unreachable was sent")
    t.equal(t.kernel.counted(*ports), 1, "kernel: one datagram met no port")


# ---- What waits ----

ZERO_SECONDS = 5
ZERO_OCTETS = 8 * MEGA  # more than the receiver buffers
ZERO_PATIENCE = 120
ZERO_PROBES = 20  # of the hundred windows and more that are opened then


def zero_window(t, sender, receiver):
    t.establish()
    if receiver is t.weir and t.weir.is_weir:
        t.weir.do("set", "c", "rcvbuf", 65536)
    said = sender.start("send", "c", 0, ZERO_OCTETS)

    def closed():
        if sender is t.weir and t.weir.is_weir:
            return t.status()["timer"] == "persist"
        port = t.kernel_port if sender is t.kernel else t.weir_port
        far = t.weir_port if sender is t.kernel else t.kernel_port
        return "timer:(persist" in sender.ss(port, far).get("text", "")
    t.check(until(closed), "the sender's persist timer runs", t.ss())
    if sender is t.weir:
        status = t.status()
        if status:
            t.check(int(status["snd_wnd"]) < t.mss, "weir: the window is closed", status)
    else:
        t.check(t.ss().get("sendq", 0) > 0, "ss: octets wait at the kernel", t.ss())
    before = t.kernel.counters()
    time.sleep(ZERO_SECONDS)
    after = t.kernel.counters()

    def rose(name):
        return after.get(name, 0) - before.get(name, 0)
    if sender is t.kernel:
        t.check(1 <= rose("TcpExtTCPWinProbe") <= 12, "kernel: it probed the window",
                rose("TcpExtTCPWinProbe"))
        t.check(rose("TcpInSegs") >= rose("TcpExtTCPWinProbe") - 1, "the probes were answered",
                rose("TcpInSegs"))
    else:
        t.check(t.kernel.counted("TcpExtTCPToZeroWindowAdv") >= 1,
                "kernel: it advertised a window of 0")
        t.check(1 <= rose("TcpInSegs") <= 14, "weir's probes came, backed off", rose("TcpInSegs"))
    t.check(not said.done(), "the sender still waits")
    t.reach("ESTABLISHED", "ESTABLISHED", "both ends are still ESTABLISHED")
    path, before = t.link.received(), t.kernel.counters()
    heard = receiver.start("recv", "c", path, ZERO_OCTETS).get(ZERO_PATIENCE)
    t.equal(heard, ["ok", str(ZERO_OCTETS)], "everything comes once it is read")
    if sender is t.kernel:
        after = t.kernel.counters()
        t.check(rose("TcpExtTCPWinProbe") <= ZERO_PROBES, "since it was told so, not since it asked",
                rose("TcpExtTCPWinProbe"))
    t.equal(said.get(), ["ok", str(ZERO_OCTETS)], "the sender is done")
    t.same(path, 0, ZERO_OCTETS, "the same octets")


@case("veth,plain", seconds=12, verify=False)
def zero_window_at_kernel(t):
    zero_window(t, t.weir, t.kernel)


@case("veth,plain", seconds=12, verify=False)
def zero_window_at_weir(t):
    zero_window(t, t.kernel, t.weir)


@case("relay", seconds=12)
def keepalive(t):
    """The peer answers probes until it vanishes; then both ends give up after three."""
    t.establish()
    for end in (t.weir, t.kernel):
        for option, value in (("keepidle", 1000), ("keepintvl", 1000), ("keepcnt", 3),
                              ("keepalive", 1)):
            end.do("set", "c", option, value)
    heard = {end: end.start("recv", "c", "-", 0) for end in (t.weir, t.kernel)}
    t.check(until(lambda: "timer:(keepalive" in t.ss().get("text", "")),
            "ss: the kernel's keepalive timer runs", t.ss())
    time.sleep(2.5)
    t.reach("ESTABLISHED", "ESTABLISHED", "answered probes keep it ESTABLISHED")
    t.check(t.kernel.counted("TcpExtTCPKeepAlive") >= 1 or t.kernel.counted("TcpInSegs") >= 5,
            "probes were sent")
    t.link.relay.do("cut", "both")
    began = time.monotonic()
    for end, name in ((t.weir, "weir"), (t.kernel, "kernel")):
        t.equal(heard[end].get(), ["error", "ETIMEDOUT", "0"], f"{name}: ETIMEDOUT")
        took = time.monotonic() - began
        t.check(2 <= took <= 60, f"{name}: after three probes", took)
    t.check(t.kernel.counted("TcpExtTCPAbortOnTimeout") + t.kernel.counted(
        "TcpExtTCPTimeouts") >= 0 and t.kernel.counted("TcpExtTCPKeepAlive") >= 3,
        "kernel: it sent three probes and more", t.kernel.counted("TcpExtTCPKeepAlive"))
    t.reach("CLOSED", "CLOSED", "nothing is left")


@case("relay", seconds=11)
def vanished_retransmit(t):
    """Octets under way to a peer that is gone: both user timeouts end it."""
    t.establish()
    for end in (t.weir, t.kernel):
        end.do("set", "c", "user_timeout", 6000)
    t.link.relay.do("cut", "both")
    began = time.monotonic()
    heard = {}
    for end in (t.weir, t.kernel):
        end.do("send", "c", 0, 1000)
        heard[end] = end.start("recv", "c", "-", 0)
    t.check(until(lambda: "timer:(on" in t.ss().get("text", "") and
                  int(t.ss().get("backoff", 0)) >= 1, 5), "ss: the kernel backs off", t.ss())
    if t.weir.is_weir:
        t.check(until(lambda: int(t.status()["rto_count"]) >= 2, 5), "weir: it backs off",
                t.status())
    for end, name in ((t.weir, "weir"), (t.kernel, "kernel")):
        t.equal(heard[end].get(), ["error", "ETIMEDOUT", "0"], f"{name}: ETIMEDOUT")
        took = time.monotonic() - began
        t.check(5 <= took <= 60, f"{name}: at its user timeout", took)
    t.reach("CLOSED", "CLOSED", "nothing is left")


# ---- Datagrams ----

BIG = 60000


def datagrams(t):
    """60,000 octets in one datagram, and in one echo, both ways: fragments."""
    for end in (t.weir, t.kernel):
        end.do("udp", "u", end.ip[t.family], LISTEN)
    for end, other, name in ((t.weir, t.kernel, "weir to kernel"),
                             (t.kernel, t.weir, "kernel to weir")):
        path = t.link.received()
        heard = other.start("udprecv", "u", path)
        end.do("udpsend", "u", MEGA, BIG, other.ip[t.family], LISTEN)
        t.equal(heard.get(), ["ok", str(BIG)], f"{name}: the datagram is whole")
        t.same(path, MEGA, BIG, f"{name}: the same octets")
    t.equal(t.kernel.ask("ping", "p", t.weir.ip[t.family], BIG, 3), ["ok", "3"],
            "ping -s 60000 from the kernel")
    t.equal(t.weir.ask("ping", "p", t.kernel.ip[t.family], BIG, 3), ["ok", "3"],
            "the same from weir")
    prefix = "Ip" if t.family == 4 else "Ip6"
    # Those of the kernel: one datagram each way, three requests and three replies each way.
    t.equal(t.kernel.counted(prefix + "ReasmOKs"), 7, "kernel: seven reassembled")
    t.equal(t.kernel.counted(prefix + "ReasmFails"), 0, "kernel: none failed")
    t.equal(t.kernel.counted(prefix + "FragOKs"), 7, "kernel: seven fragmented")


@case("veth,plain", roles=("both",))
def fragments(t):
    datagrams(t)


@case("xdp", roles=("both",))
def fragments_xdp(t):
    datagrams(t)


@case("tap", roles=("both",))
def fragments_tap(t):
    datagrams(t)


@case("relay", roles=("both",))
def fragments_reordered(t):
    """The same over a wire that reorders."""
    t.link.relay.do("set", "both", "delay", 1000)
    t.link.relay.do("set", "both", "reorder", 200000)
    datagrams(t)
