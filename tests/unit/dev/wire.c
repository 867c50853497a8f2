/* SPDX-License-Identifier: MIT */

/* The drivers against the kernel: a host of a few hand-written frames at the far end of a TAP
 * device and of a veth pair, in a network namespace that ends with this program. No instance is
 * involved. */
#include "tap.h"

#include "namespace.h"

#include "weir/dev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BULK        40000 /* octets each way; more than the kernel's first window */
#define PORT        7777
#define PATIENCE_MS 2000

/* What the host at the far end is: 192.0.2.2 and 2001:db8::2, one TCP connection at a time, no
 * timers. */
struct host {
    struct weir_dev *dev;
    uint8_t peer_mac[6]; /* the kernel's, from its frames */
    bool v6;
    uint16_t port;
    uint32_t seq, ack;
    bool synced;
    uint8_t got[BULK];
    size_t got_len;
    unsigned echoes, datagrams, own; /* own: frames we sent ourselves */
    unsigned vouched;                /* datagrams that came with csum_ok */
    unsigned tcp_frames, merged, open_sums, bad_sums, unmarked;
    size_t longest;
    bool lands; /* frames are read to where a landing says */
    unsigned landed, whole, badly;
};

static struct host host;
static uint8_t pattern[BULK];
static char why[WEIR_LINE_MAX];

/* ---- Octets ---- */

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint32_t sum_add(uint32_t sum, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo_sum(const uint8_t *ip, bool v6, unsigned proto, size_t len)
{
    uint32_t sum = v6 ? sum_add(0, ip + 8, 32) : sum_add(0, ip + 12, 8);
    sum += proto + (uint32_t)len;
    return (sum & 0xffff) + (sum >> 16);
}

/* ---- Sending ---- */

static void start_frame(struct weir_out *out, unsigned ethertype)
{
    memset(out, 0, sizeof *out);
    memcpy(out->head, host.peer_mac, 6);
    memcpy(out->head + 6, host.dev->mac, 6);
    put16(out->head + 12, ethertype);
}

static size_t start_ip(struct weir_out *out, unsigned proto, size_t len)
{
    uint8_t *ip = out->head + 14;
    if (host.v6) {
        ip[0] = 0x60;
        put16(ip + 4, (unsigned)len);
        ip[6] = (uint8_t)proto;
        ip[7] = 64;
        inet_pton(AF_INET6, "2001:db8::2", ip + 8);
        inet_pton(AF_INET6, "2001:db8::1", ip + 24);
        return 14 + 40;
    }
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)len + 20);
    ip[8] = 64;
    ip[9] = (uint8_t)proto;
    inet_pton(AF_INET, "192.0.2.2", ip + 12);
    inet_pton(AF_INET, "192.0.2.1", ip + 16);
    put16(ip + 10, ~sum_add(0, ip, 20) & 0xffff);
    return 14 + 20;
}

enum {
    FIN = 1,
    SYN = 2,
    PSH = 8,
    ACK = 16
};

/* One segment, its text in three spans; cut by the kernel if it is longer than `gso_size`. */
static void send_tcp(unsigned flags, const uint8_t *text, size_t len, uint16_t gso_size)
{
    struct weir_out out;
    const size_t header = flags & SYN ? 24 : 20;
    start_frame(&out, host.v6 ? 0x86dd : 0x0800);
    const size_t at = start_ip(&out, 6, header + len);
    uint8_t *tcp = out.head + at;
    put16(tcp, host.port);
    put16(tcp + 2, PORT);
    put32(tcp + 4, host.seq);
    put32(tcp + 8, host.ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)flags;
    put16(tcp + 14, 65535);
    if (flags & SYN)
        put32(tcp + 20, 0x02040000u | (host.v6 ? 1440 : 1460));
    const uint32_t pseudo = pseudo_sum(out.head + 14, host.v6, 6, header + len);
    if (host.dev->csum) {
        put16(tcp + 16, pseudo);
        out.csum_start = (uint16_t)at;
        out.csum_offset = 16;
    } else {
        uint32_t sum = sum_add(pseudo, tcp, header);
        sum = sum_add(sum, text, len);
        put16(tcp + 16, ~sum & 0xffff);
    }
    out.head_len = (uint16_t)(at + header);
    out.transport_off = (uint16_t)at;
    out.gso_size = gso_size;
    union { /* spans can be written to; the driver does not */
        const uint8_t *read;
        uint8_t *base;
    } from = { .read = text };
    const size_t part = len / 3;
    for (unsigned i = 0; i < 3 && len > 0; i++)
        out.span[out.span_count++] =
            (struct weir_span){ from.base + i * part, i < 2 ? part : len - 2 * part };
    CHECK(weir_dev_output(host.dev, &out) == 0, "a segment of %zu octets is written", len);
    weir_dev_flush(host.dev);
    host.seq += (uint32_t)len + ((flags & (SYN | FIN)) != 0);
}

static void send_plain(const uint8_t *frame, size_t len)
{
    struct weir_out out;
    start_frame(&out, 0);
    memcpy(out.head + 12, frame + 12, len - 12);
    out.head_len = (uint16_t)len;
    (void)!weir_dev_output(host.dev, &out);
    weir_dev_flush(host.dev);
}

/* ---- Receiving ---- */

static void on_arp(const uint8_t *frame)
{
    uint8_t reply[42];
    const uint8_t ours[4] = { 192, 0, 2, 2 };
    if (get16(frame + 20) != 1 || memcmp(frame + 38, ours, 4) != 0)
        return;
    memcpy(reply, frame, 42);
    put16(reply + 20, 2);
    memcpy(reply + 22, host.dev->mac, 6);
    memcpy(reply + 28, ours, 4);
    memcpy(reply + 32, frame + 22, 10);
    send_plain(reply, 42);
}

static void on_echo(const uint8_t *frame, size_t len)
{
    uint8_t reply[WEIR_HEAD_MAX];
    if (len > sizeof reply || frame[34] != 8)
        return;
    memcpy(reply, frame, len);
    memcpy(reply + 26, frame + 30, 4);
    memcpy(reply + 30, frame + 26, 4);
    reply[34] = 0;
    put16(reply + 36, 0);
    put16(reply + 36, ~sum_add(0, reply + 34, len - 34) & 0xffff);
    host.echoes++;
    send_plain(reply, len);
}

static void on_tcp(const struct weir_frame *frame, size_t at, size_t end)
{
    const uint8_t *tcp = frame->data + at;
    const size_t header = (size_t)(tcp[12] >> 4) * 4, len = end - at - header;
    if (get16(tcp + 2) != host.port)
        return;
    host.tcp_frames++;
    host.merged += frame->gso_size != 0;
    host.unmarked +=
        frame->gso_size == 0 && len > 1460; /* longer than a segment, and not said to be merged */
    host.open_sums += frame->csum_ok;
    host.longest = frame->len > host.longest ? frame->len : host.longest;
    if (!frame->csum_ok &&
        sum_add(pseudo_sum(frame->data + 14, host.v6, 6, end - at), tcp, end - at) != 0xffff)
        host.bad_sums++;
    if ((tcp[13] & (SYN | ACK)) == (SYN | ACK)) {
        host.ack = get32(tcp + 4) + 1;
        host.synced = true;
        send_tcp(ACK, NULL, 0, 0);
        return;
    }
    if (len == 0 || get32(tcp + 4) != host.ack || host.got_len + len > BULK)
        return;
    memcpy(host.got + host.got_len, tcp + header, len);
    host.got_len += len;
    host.ack += (uint32_t)len;
    send_tcp(ACK, NULL, 0, 0);
}

static void on_frame(const struct weir_frame *frame)
{
    const uint8_t *octets = frame->data;
    host.own += memcmp(octets + 6, host.dev->mac, 6) == 0;
    if (frame->len < 42)
        return;
    memcpy(host.peer_mac, octets + 6, 6);
    const unsigned ethertype = get16(octets + 12);
    if (ethertype == 0x0806)
        on_arp(octets);
    if (ethertype == 0x0800 && octets[23] == IPPROTO_ICMP)
        on_echo(octets, 14 + get16(octets + 16));
    if (ethertype == 0x0800 && octets[23] == IPPROTO_UDP && get16(octets + 36) == PORT) {
        host.datagrams++;
        host.vouched += frame->csum_ok;
    }
    if (ethertype == 0x0800 && octets[23] == IPPROTO_TCP && !host.v6)
        on_tcp(frame, 34, 14 + get16(octets + 16));
    if (ethertype == 0x86dd && octets[20] == IPPROTO_TCP && host.v6)
        on_tcp(frame, 54, 54 + get16(octets + 18));
}

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Two places that are not next to each other and too small for the longest frames: what is there,
 * what is in the driver's memory before the hole and behind it, is the frame. */
static int take_landing(void)
{
    static uint8_t octets[2][4096];
    const struct weir_landing landing = { .head_len = host.v6 ? 86 : 66,
                                          .span_count = 2,
                                          .span = { { octets[0], 1000 }, { octets[1], 4096 } } };
    struct weir_frame frame;
    memset(octets, 0xdd, sizeof octets);
    const int count = weir_dev_land(host.dev, &frame, &landing, 42);
    if (count != 1)
        return count;
    const size_t behind = frame.len > landing.head_len ? frame.len - landing.head_len : 0;
    const size_t room = landing.span[0].len + landing.span[1].len;
    host.badly += frame.landed != (behind < room ? behind : room) || frame.when != 42;
    host.landed += frame.landed > 0;
    host.whole += frame.landed == 0;
    size_t done = 0;
    for (unsigned i = 0; i < 2 && done < frame.landed; i++) {
        const size_t left = frame.landed - done;
        const size_t part = landing.span[i].len < left ? landing.span[i].len : left;
        memcpy(frame.hole + done, landing.span[i].base, part);
        done += part;
    }
    on_frame(&frame);
    return 1;
}

/* Takes in what there is, for at most `ms` if there is nothing. Returns the number of frames, or
 * -errno. */
static int take(int ms)
{
    struct weir_frame frames[WEIR_DEV_INPUT_MAX];
    struct pollfd pollfd = { .fd = host.dev->fd, .events = POLLIN };
    (void)poll(&pollfd, 1, ms);
    if (host.lands)
        return take_landing();
    const int count = weir_dev_input(host.dev, frames, WEIR_DEV_INPUT_MAX, 42);
    for (int i = 0; i < count; i++)
        on_frame(&frames[i]);
    return count;
}

#define TAKE_UNTIL(condition)                                                               \
    for (const int64_t end_ = clock_ms() + PATIENCE_MS; !(condition) && clock_ms() < end_;) \
    (void)take(20)

/* ---- What is tested ---- */

static void test_ping(void)
{
    const int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    struct sockaddr_in to = { .sin_family = AF_INET };
    inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
    uint8_t request[16] = { ICMP_ECHO, 0, 0, 0, 0x12, 0x34, 0, 1, 'w', 'e', 'i', 'r' };
    put16(request + 2, ~sum_add(0, request, sizeof request) & 0xffff);
    uint8_t reply[100] = { 0 };
    bool answered = false;
    CHECK(sendto(fd, request, sizeof request, 0, (struct sockaddr *)&to, sizeof to) ==
              sizeof request,
          "the kernel asks for an echo");
    for (const int64_t end = clock_ms() + PATIENCE_MS; !answered && clock_ms() < end;) {
        (void)take(20);
        while (recv(fd, reply, sizeof reply, 0) >= 36)
            answered =
                answered || (reply[20] == ICMP_ECHOREPLY && memcmp(reply + 28, "weir", 4) == 0);
    }
    CHECK(host.echoes == 1 && answered, "the request comes in, the reply gets through");
    close(fd);
}

/* Two kernels never put so much into one frame as a driver that gathers; this one frame has 28
 * segments. */
static void test_tcp_in(int conn, bool offload)
{
    const uint16_t mss = host.v6 ? 1440 : 1460;
    size_t read_len = 0;
    static uint8_t read_octets[BULK];
    if (offload)
        send_tcp(ACK | PSH, pattern, BULK, mss);
    for (size_t at = 0; !offload && at < BULK; at += mss)
        send_tcp(ACK | PSH, pattern + at, BULK - at < mss ? BULK - at : mss, 0);
    for (const int64_t end = clock_ms() + PATIENCE_MS; read_len < BULK && clock_ms() < end;) {
        (void)take(5);
        const ssize_t got = recv(conn, read_octets + read_len, BULK - read_len, MSG_DONTWAIT);
        read_len += got > 0 ? (size_t)got : 0;
    }
    CHECK(read_len == BULK && memcmp(read_octets, pattern, BULK) == 0,
          "%d octets reach the kernel's program%s", BULK, offload ? " from one frame" : "");
}

static void test_tcp_out(int conn, bool offload)
{
    host.tcp_frames = host.merged = host.open_sums = host.bad_sums = host.unmarked = 0;
    host.longest = 0;
    CHECK(send(conn, pattern, BULK, MSG_DONTWAIT) == BULK, "the kernel's program sends as much");
    TAKE_UNTIL(host.got_len == BULK);
    CHECK(host.got_len == BULK && memcmp(host.got, pattern, BULK) == 0, "and it arrives");
    CHECK(host.bad_sums == 0, "no frame without csum_ok has a wrong sum");
    if (offload) {
        CHECK(host.merged > 0 && host.longest > 5000 && host.unmarked == 0,
              "merged into %u frames, the longest of %zu, marked so", host.tcp_frames,
              host.longest);
        CHECK(host.open_sums > 0, "with sums left open");
    } else {
        CHECK(host.merged == 0 && host.longest <= 1514 && host.tcp_frames >= BULK / 1460,
              "each in a frame of its own: %u", host.tcp_frames);
    }
}

static void test_tcp(bool v6, bool offload)
{
    const int listener =
        socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
    struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    const int on = 1;
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)(v6 && setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
    const bool bound = v6 ? bind(listener, (struct sockaddr *)&any6, sizeof any6) == 0
                          : bind(listener, (struct sockaddr *)&any4, sizeof any4) == 0;
    CHECK(bound && listen(listener, 1) == 0, "the kernel listens (%s)", v6 ? "IPv6" : "IPv4");
    host.v6 = v6;
    host.port++;
    host.seq = 0xfffffff0;
    host.ack = 0;
    host.synced = false;
    host.got_len = 0;
    int conn = -1;
    send_tcp(SYN, NULL, 0, 0);
    for (const int64_t end = clock_ms() + PATIENCE_MS; conn < 0 && clock_ms() < end;) {
        (void)take(20);
        conn = accept(listener, NULL, NULL);
    }
    CHECK(host.synced && conn >= 0, "a connection is made");
    test_tcp_in(conn, offload);
    test_tcp_out(conn, offload);
    close(conn);
    close(listener);
    host.v6 = false;
}

/* A burst, all there before we look. */
static void test_batch(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
    while (take(0) > 0)
        continue;
    for (unsigned i = 0; i < 100; i++)
        (void)sendto(fd, "datagram", 8, 0, (struct sockaddr *)&to, sizeof to);
    const uint64_t before = host.dev->counters.frames_in;
    unsigned calls = 0;
    host.datagrams = 0;
    for (const int64_t end = clock_ms() + PATIENCE_MS; host.datagrams < 100 && clock_ms() < end;)
        calls += take(20) > 0;
    CHECK(host.datagrams == 100 && host.dev->counters.frames_in - before >= 100,
          "100 datagrams are counted");
    CHECK(calls < 20, "and come in batches: %u", calls);
    (void)take(0);
    CHECK(host.dev->drained, "then there is no more");
    close(fd);
}

static void test_refused(void)
{
    static uint8_t octets[3000];
    struct weir_out out;
    struct weir_dev *again = NULL;
    start_frame(&out, 0x88b5); /* for local experiments (IEEE 802) */
    out.head_len = 14;
    out.span_count = 1;
    out.span[0] = (struct weir_span){ octets, sizeof octets };
    const uint64_t lost = host.dev->counters.lost;
    CHECK(weir_dev_output(host.dev, &out) == 0, "a frame nobody can carry");
    if (strncmp(host.dev->name, "weirb", 5) == 0)
        CHECK(host.dev->counters.lost == lost + 1 && host.dev->counters.last_error == EMSGSIZE,
              "longer than the MTU is lost, and counted");
    out.head_len = 14;
    out.span_count = 0;
    out.csum_start = 1;
    if (!host.dev->csum)
        CHECK(weir_dev_output(host.dev, &out) == 0 && host.dev->counters.last_error == EPROTO,
              "an open sum is refused by a plain device");
    if (strncmp(host.dev->name, "weirtap", 7) != 0)
        return;
    CHECK(weir_dev_open(&again, "tap:weirtap", why) == -EBUSY &&
              strstr(why, "another program") != NULL,
          "a device in use is refused: %s", why);
    CHECK(weir_dev_open(&again, "tap:lo", why) == -EINVAL && strstr(why, "no TAP device") != NULL,
          "and one that is no TAP: %s", why);
    CHECK(weir_dev_open(&again, "packet:lo", why) == -EINVAL, "nor a packet device: %s", why);
}

/* Sends a frame of 64 octets out of an interface, from another socket. */
static void send_raw(const char *name, const uint8_t frame[64])
{
    const struct sockaddr_ll to = { .sll_family = AF_PACKET,
                                    .sll_ifindex = (int)if_nametoindex(name) };
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    CHECK(sendto(fd, frame, 64, 0, (const struct sockaddr *)&to, sizeof to) == 64,
          "a frame leaves %s", name);
    close(fd);
}

/* What the kernel does not tell apart by itself: a frame of another network on the same wire, whose
 * tag it takes out before we see it, and what others send out of our interface. */
static void test_strange(void)
{
    uint8_t tagged[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0x00, 0, 5, 0x88, 0xb5 };
    uint8_t outgoing[64] = { 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x88, 0xb5 };
    const uint64_t refused = host.dev->counters.refused;
    send_raw("weira", tagged);
    TAKE_UNTIL(host.dev->counters.refused > refused);
    CHECK(host.dev->counters.refused == refused + 1, "a frame with a VLAN tag is not ours");
    memcpy(outgoing + 6, host.dev->mac, 6);
    send_raw("weirb", outgoing);
    (void)take(20);
    CHECK(host.own == 0, "and what leaves the interface does not come in");
}

static void test_down(void)
{
    CHECK(sh("ip link set weirb down"), "the interface goes down");
    TAKE_UNTIL(host.dev->counters.down > 0);
    CHECK(host.dev->counters.down == 1, "and the driver notices");
    CHECK(sh("ip link set weirb up"), "and comes up again");
    host.echoes = 0;
    test_ping();
}

/* ---- The two ways to be connected ---- */

static bool open_host(const char *spec)
{
    const uint16_t port = host.port; /* the kernel remembers the connections of the last one */
    memset(&host, 0, sizeof host);
    memset(host.peer_mac, 0xff, 6);
    host.port = port > 40000 ? port : 40000;
    const int error = weir_dev_open(&host.dev, spec, why);
    return CHECK(error == 0, "%s opens %s", spec, error == 0 ? "" : why);
}

static bool address(const char *name)
{
    const uint8_t *mac = host.dev->mac;
    return sh("ip addr add 192.0.2.1/24 dev %s && ip -6 addr add 2001:db8::1/64 dev %s nodad && "
              "ip link set %s up && ip -6 neigh replace 2001:db8::2 lladdr "
              "%02x:%02x:%02x:%02x:%02x:%02x dev %s",
              name, name, name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], name);
}

static void run_all(bool offload)
{
    CHECK(host.dev->mtu == 1500 && host.dev->csum == offload && host.dev->tso == offload,
          "MTU and offloads are known");
    CHECK((host.dev->mac[0] & 3) == 2, "a link address of our own");
    test_ping();
    test_tcp(false, offload);
    test_tcp(true, offload);
    test_batch();
    test_refused();
    CHECK(host.own == 0, "what we send does not come back");
}

static void test_tap(const char *spec, bool offload)
{
    uint8_t mac[6];
    CHECK(sh("ip tuntap add weirtap mode tap"), "a TAP device that stays");
    if (!open_host(spec))
        return;
    memcpy(mac, host.dev->mac, 6);
    weir_dev_close(host.dev);
    if (!open_host(spec))
        return;
    CHECK(memcmp(mac, host.dev->mac, 6) == 0, "opened again, it has the same link address");
    CHECK(address("weirtap"), "the kernel's end has addresses");
    run_all(offload);
    host.lands = true;
    test_tcp(false, offload);
    test_tcp(true, offload);
    CHECK(host.landed > 0 && host.whole > 0 && host.badly == 0,
          "%u frames land where they are told, %u are too short for that", host.landed, host.whole);
    host.lands = false;
    (void)sh("ip link set weirtap down");
    send_tcp(ACK, NULL, 0, 0);
    CHECK(host.dev->counters.lost > 0 && host.dev->counters.last_error == EIO,
          "down: lost, and counted");
    CHECK(sh("ip link del weirtap"), "the device is taken away");
    CHECK(take(100) == -EBADFD, "and says so");
    weir_dev_close(host.dev);
}

static void test_packet(const char *spec, bool offload)
{
    CHECK(sh("ip link add weira type veth peer name weirb"), "a veth pair");
    if (!offload)
        CHECK(sh("ethtool -K weira tx off tso off gso off gro off >/dev/null"), "without offloads");
    if (!open_host(spec))
        return;
    CHECK(sh("ip -d link show weirb | grep -q 'promiscuity 1'"), "frames to any station are heard");
    CHECK(address("weira"), "the kernel's end has addresses");
    run_all(offload);
    test_strange();
    test_down();
    CHECK(sh("ip link del weira"), "the pair is taken away");
    CHECK(take(100) == -ENODEV, "and the driver says so");
    weir_dev_close(host.dev);
}

/* Whether this process may at all: in a user namespace the kernel allows no program. */
static bool xdp_works(void)
{
    struct weir_dev *dev = NULL;
    const int error = weir_dev_open(&dev, "xdp:weirb", why);
    weir_dev_close(error == 0 ? dev : NULL);
    if (error != -EPERM && error != -ENOBUFS && error != -EAFNOSUPPORT && error != -ENOSYS)
        return true; /* any other is for the test to find */
    SKIP("%s", why);
    return false;
}

/* What the kernel, or another program, is in the way of. */
static void test_xdp_taken(void)
{
    struct weir_dev *again = NULL;
    CHECK(weir_dev_open(&again, "xdp:weirb", why) == -EBUSY && strstr(why, "queue 0") != NULL,
          "a queue in use is refused: %s", why);
    CHECK(weir_dev_open(&again, "xdp:weirb:7", why) == -EINVAL && strstr(why, "queue 7") != NULL,
          "and one that is not there: %s", why);
    CHECK(weir_dev_open(&again, "xdp:lo:0,generic", why) == -EINVAL &&
              strstr(why, "no Ethernet") != NULL,
          "and an interface without link addresses: %s", why);
    CHECK(sh("ip link add weirc mtu 3900 type veth peer name weird"), "a long MTU");
    CHECK(weir_dev_open(&again, "xdp:weirc", why) == -EMSGSIZE && strstr(why, "3900") != NULL,
          "is refused: %s", why);
    CHECK(sh("ip link del weirc"), "and put away");
}

/* The sums of these frames are for a device to complete; there is none on the way. */
static void test_open_sums(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
    CHECK(sh("ethtool -K weira tx on >/dev/null"), "the far end leaves sums open");
    host.vouched = host.datagrams = 0;
    CHECK(sendto(fd, "datagram", 8, 0, (struct sockaddr *)&to, sizeof to) == 8, "a datagram");
    TAKE_UNTIL(host.datagrams > 0);
    CHECK(host.datagrams == 1 && host.vouched == 0, "comes, and nobody vouches for its sum");
    CHECK(sh("ethtool -K weira tx off >/dev/null"), "and completes them again");
    close(fd);
}

/* All frames that may be on their way, and one: the driver says that it is full, loses none and
 * goes on. The interface is down at the far end, so that the kernel throws them away. */
static void test_xdp_many(void)
{
    struct weir_out out;
    const uint64_t before = host.dev->counters.frames_out, lost = host.dev->counters.lost;
    unsigned written = 0, full = 0;
    start_frame(&out, 0x88b5);
    out.head_len = 60;
    for (const int64_t end = clock_ms() + PATIENCE_MS; written < 5000 && clock_ms() < end;) {
        if (weir_dev_output(host.dev, &out) == 0)
            written++;
        else
            full++;
    }
    weir_dev_flush(host.dev);
    CHECK(written == 5000 && host.dev->counters.frames_out == before + 5000 &&
              host.dev->counters.lost == lost && host.dev->counters.full == full,
          "5000 frames without a flush, %u times full", full);
}

static void test_xdp_down(void)
{
    CHECK(sh("ip link set weirb down"), "the interface goes down");
    send_tcp(ACK, NULL, 0, 0);
    const uint64_t lost = host.dev->counters.lost;
    send_tcp(ACK, NULL, 0, 0);
    CHECK(host.dev->counters.down == 1, "and the driver notices");
    CHECK(host.dev->counters.lost == lost + 1 && host.dev->counters.last_error == ENETDOWN,
          "what is to be sent meanwhile is lost, and counted");
    CHECK(sh("ip link set weirb up"), "and comes up again");
    host.echoes = 0;
    test_ping();
}

/* The kernel's own stack must not see what is ours, and sees all again once we are gone. */
static void test_xdp_deaf(void)
{
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(0x88b5));
    uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
    const uint64_t before = host.dev->counters.frames_in;
    struct pollfd pollfd = { .fd = fd, .events = POLLIN };
    send_raw("weira", frame);
    TAKE_UNTIL(host.dev->counters.frames_in > before);
    CHECK(host.dev->counters.frames_in > before && recv(fd, frame, sizeof frame, 0) < 0,
          "the kernel does not hear what we hear");
    weir_dev_close(host.dev);
    CHECK(sh("! ip link show weirb | grep -q xdp"), "closed, the program is gone");
    send_raw("weira", frame);
    CHECK(poll(&pollfd, 1, PATIENCE_MS) == 1 && recv(fd, frame, sizeof frame, 0) > 0,
          "and the kernel hears again");
    close(fd);
}

static void test_xdp(const char *spec)
{
    CHECK(sh("ip link add weira type veth peer name weirb"), "a veth pair");
    CHECK(sh("ethtool -K weira tx off tso off gso off gro off >/dev/null"), "without offloads");
    if (!xdp_works() || !open_host(spec)) {
        CHECK(sh("ip link del weira"), "the pair is taken away");
        return;
    }
    CHECK(sh("ip -d link show weirb | grep -q 'promiscuity 1'"), "frames to any station are heard");
    CHECK(
        sh("ip link show weirb | grep -q '%s'", strstr(spec, "generic") ? " xdpgeneric " : " xdp "),
        "by a program of the right kind");
    CHECK(address("weira"), "the kernel's end has addresses");
    run_all(false);
    test_strange();
    test_open_sums();
    test_xdp_taken();
    test_xdp_many();
    test_xdp_down();
    test_xdp_deaf();
    if (!open_host(spec))
        return;
    CHECK(sh("ip link del weira"), "the pair is taken away");
    send_tcp(ACK, NULL, 0, 0);
    int taken = 0; /* what came before is taken first */
    for (const int64_t end = clock_ms() + PATIENCE_MS; taken >= 0 && clock_ms() < end;)
        taken = take(20);
    CHECK(taken == -ENODEV, "and the driver says so when it has something to send: %d", taken);
    weir_dev_close(host.dev);
}

int main(void)
{
    for (unsigned i = 0; i < BULK; i++)
        pattern[i] = (uint8_t)(i * 7 + i / 251);
    if (!enter_namespace() || !sh("command -v ip >/dev/null")) {
        SKIP("needs a network namespace and iproute2");
        return tap_done();
    }
    if (access("/dev/net/tun", R_OK | W_OK) == 0) {
        test_tap("tap:weirtap", true);
        test_tap("tap:weirtap,plain", false);
    } else {
        SKIP("/dev/net/tun cannot be opened");
    }
    test_packet("packet:weirb", true);
    if (sh("command -v ethtool >/dev/null")) {
        test_packet("packet:weirb,plain", false);
        test_xdp("xdp:weirb");
        test_xdp("xdp:weirb:0,generic");
    } else {
        SKIP("ethtool is not installed");
    }
    return tap_done();
}
