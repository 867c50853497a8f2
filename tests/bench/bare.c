/* SPDX-License-Identifier: MIT */

/* What the path over TAP allows: one end that sends or takes superframes and does nothing else.
 *
 *   bench-bare sink|source DEVICE ADDRESS PORT
 *   bench-bare relay-sink|relay-source DEVICE ADDRESS PORT
 *
 * It answers ARP and one handshake at a time, knows nothing of losses, timers, options or a
 * program, looks at no octet of the data and sends the same 64 KiB again and again, which stay in
 * the cache. No stack does with less, so its figures are the most that one could reach here. It is
 * never asleep.
 *
 * As a relay it has a program: another process, at the other end of an AF_UNIX stream, that writes
 * or reads and does nothing else. What it writes goes out as frames, what comes in frames goes to
 * it. That is the most that any stack could reach which gives programs such descriptors. Here it
 * sleeps when there is nothing to do, since the program needs the CPU. */
#include "clock.h"

#include "base/csum.h"
#include "wire/cursor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HDR        sizeof(struct virtio_net_hdr)
#define IP_AT      14
#define TCP_AT     34
#define MSS        1460
#define FRAME_TEXT (44 * MSS)
#define SLOT       65600
#define SCALE      10
#define WINDOW     (2u << 20) /* offered, and at most in flight: what the caches hold */
#define ACK_EVERY  4          /* superframes */
#define PROGRAM    131072     /* octets of one call of the program, as iperf3's */
#define PAIR_ROOM  212992     /* of SO_SNDBUF, either way: net.core.wmem_max */
#define TURN       8          /* frames from the program before the device is looked at */
#define ACK        0x10
#define PSH        0x08
#define RST        0x04
#define SYN        0x02
#define FIN        0x01

static struct bare {
    int fd;
    bool source, open;
    int program; /* our end of the stream; -1: no relay */
    uint8_t ip[4], mac[6];
    uint16_t port;
    uint8_t peer_ip[4], peer_mac[6];
    uint16_t peer_port;
    uint32_t snd_nxt, snd_una, rcv_nxt, wnd;
    unsigned peer_scale, unacked;
    struct bulk_meter meter;
} bare = { .program = -1, .mac = { 2, 0, 0, 0, 0, 9 } };

static uint8_t in[HDR + SLOT], text[FRAME_TEXT];

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void device_open(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    bare.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int hdr_len = (int)HDR;
    if (bare.fd < 0 || ioctl(bare.fd, TUNSETIFF, &request) < 0 ||
        ioctl(bare.fd, TUNSETVNETHDRSZ, &hdr_len) < 0 ||
        ioctl(bare.fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) < 0)
        die(name);
}

static void write_all(const struct iovec *iov, int count)
{
    while (writev(bare.fd, iov, count) < 0)
        if (errno != EAGAIN && errno != EINTR)
            die("write");
}

/* A segment with `len` octets of text; sums and cutting are the device's. */
static void send_segment(unsigned flags, size_t len)
{
    static const uint8_t syn_options[8] = { 2, 4, MSS >> 8, MSS & 0xff, 1, 3, 3, SCALE };
    const size_t tcp_len = flags & SYN ? 28 : 20;
    uint8_t head[HDR + 64] = { 0 };
    struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                  .csum_start = TCP_AT,
                                  .csum_offset = 16 };
    if (len > MSS) {
        hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        hdr.gso_size = MSS;
        hdr.hdr_len = (uint16_t)(TCP_AT + tcp_len);
    }
    memcpy(head, &hdr, HDR);
    uint8_t *frame = head + HDR, *ip = frame + IP_AT, *tcp = frame + TCP_AT;
    memcpy(frame, bare.peer_mac, 6);
    memcpy(frame + 6, bare.mac, 6);
    put_u16(frame + 12, 0x0800);
    ip[0] = 0x45;
    put_u16(ip + 2, (uint16_t)(20 + tcp_len + len));
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, bare.ip, 4);
    memcpy(ip + 16, bare.peer_ip, 4);
    put_u16(ip + 10, csum_fold(csum_add(0, ip, 20)));
    put_u16(tcp, bare.port);
    put_u16(tcp + 2, bare.peer_port);
    put_u32(tcp + 4, bare.snd_nxt);
    put_u32(tcp + 8, bare.rcv_nxt);
    tcp[12] = (uint8_t)(tcp_len / 4 << 4);
    tcp[13] = (uint8_t)flags;
    put_u16(tcp + 14, (uint16_t)(flags & SYN ? UINT16_MAX : WINDOW >> SCALE));
    /* The pseudo header, not complemented: the device goes on from there. */
    const csum32 ends = csum_add16(csum_add(0, ip + 12, 8), 6);
    put_u16(tcp + 16, (uint16_t)~csum_fold(csum_add16(ends, (uint16_t)(tcp_len + len))));
    if (flags & SYN)
        memcpy(tcp + 20, syn_options, sizeof syn_options);
    const struct iovec iov[2] = { { head, HDR + TCP_AT + tcp_len }, { text, len } };
    write_all(iov, len > 0 ? 2 : 1);
    bare.snd_nxt += (uint32_t)len + (flags & (SYN | FIN) ? 1 : 0);
    bare.unacked = 0;
}

static void answer_arp(const uint8_t *frame)
{
    uint8_t out[HDR + 42] = { 0 };
    uint8_t *arp = out + HDR;
    if (get_u16(frame + 20) != 1 || memcmp(frame + 38, bare.ip, 4) != 0)
        return;
    memcpy(arp, frame, 42);
    memcpy(arp, frame + 6, 6);
    memcpy(arp + 6, bare.mac, 6);
    arp[21] = 2;
    memcpy(arp + 22, bare.mac, 6);
    memcpy(arp + 28, bare.ip, 4);
    memcpy(arp + 32, frame + 22, 10);
    const struct iovec iov = { out, sizeof out };
    write_all(&iov, 1);
}

/* The window scale in the options of a SYN. */
static unsigned scale_of(const uint8_t *at, const uint8_t *end)
{
    while (at + 2 < end && *at != 0 && *at != 3)
        at += *at == 1 || at[1] == 0 ? 1 : at[1];
    return at + 2 < end && *at == 3 ? at[2] : 0;
}

static void on_syn(const uint8_t *frame, size_t tcp_len)
{
    const uint8_t *tcp = frame + TCP_AT;
    memcpy(bare.peer_mac, frame + 6, 6);
    memcpy(bare.peer_ip, frame + IP_AT + 12, 4);
    bare.peer_port = get_u16(tcp);
    bare.peer_scale = scale_of(tcp + 20, tcp + tcp_len);
    bare.rcv_nxt = get_u32(tcp + 4) + 1;
    bare.snd_una = bare.snd_nxt;
    send_segment(SYN | ACK, 0);
    bare.open = true;
    bare.wnd = 0;
    bulk_begin(&bare.meter);
}

static void to_program(const uint8_t *octets, size_t len)
{
    while (bare.program >= 0 && len > 0) {
        const ssize_t put = write(bare.program, octets, len);
        if (put < 0)
            die("program");
        octets += put;
        len -= (size_t)put;
    }
}

static void on_segment(const uint8_t *frame)
{
    const uint8_t *tcp = frame + TCP_AT;
    const size_t tcp_len = (tcp[12] >> 4) * 4u;
    const uint32_t len = get_u16(frame + IP_AT + 2) - 20u - (uint32_t)tcp_len;
    if (tcp[13] & SYN) {
        on_syn(frame, tcp_len);
        return;
    }
    if (!bare.open || get_u16(tcp) != bare.peer_port)
        return;
    const uint32_t acked = get_u32(tcp + 8) - bare.snd_una;
    if (acked <= bare.snd_nxt - bare.snd_una)
        bare.snd_una += acked;
    bare.wnd = (uint32_t)get_u16(tcp + 14) << bare.peer_scale;
    if (get_u32(tcp + 4) == bare.rcv_nxt && len > 0) {
        to_program(tcp + tcp_len, len);
        bare.rcv_nxt += len;
        bare.meter.octets += len;
        if (++bare.unacked == ACK_EVERY)
            send_segment(ACK, 0);
    }
    if ((tcp[13] & (FIN | RST)) == 0)
        return;
    bare.rcv_nxt++;
    if (tcp[13] & FIN)
        send_segment(ACK | FIN, 0);
    bare.open = false;
    bulk_end(&bare.meter);
}

/* Octets that the window has room for, of a frame or of a short segment. */
static size_t window_room(void)
{
    const uint32_t flight = bare.snd_nxt - bare.snd_una;
    const uint32_t most = bare.wnd < WINDOW ? bare.wnd : WINDOW;
    return flight + FRAME_TEXT <= most ? FRAME_TEXT : flight + MSS <= most ? MSS : 0;
}

static bool send_more(void)
{
    size_t len = window_room();
    if (len > 0 && bare.program >= 0) {
        const ssize_t got = recv(bare.program, text, len, MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN)
            die("program");
        len = got > 0 ? (size_t)got : 0;
    }
    if (len == 0)
        return false;
    send_segment(ACK | PSH, len);
    bare.meter.octets += len;
    return true;
}

/* The next frame, if there is one. */
static bool take_frame(void)
{
    const struct iovec iov = { in, sizeof in };
    const ssize_t got = readv(bare.fd, &iov, 1);
    const uint8_t *frame = in + HDR;
    if (got < 0 && bare.open && bare.unacked > 0)
        send_segment(ACK, 0);
    else if (got >= (ssize_t)HDR + 42 && get_u16(frame + 12) == 0x0806)
        answer_arp(frame);
    else if (got >= (ssize_t)HDR + TCP_AT + 20 && get_u16(frame + 12) == 0x0800 &&
             frame[IP_AT + 9] == 6 && get_u16(frame + TCP_AT + 2) == bare.port)
        on_segment(frame);
    return got >= 0;
}

/* ---- As a relay ---- */

_Noreturn static void be_program(int fd)
{
    static uint8_t octets[PROGRAM];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((bare.source ? write(fd, octets, sizeof octets) : read(fd, octets, sizeof octets)) > 0)
        continue;
    _exit(0);
}

static void begin_program(void)
{
    const int room = PAIR_ROOM;
    int end[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, end) < 0)
        die("socketpair");
    for (unsigned i = 0; i < 2; i++)
        (void)setsockopt(end[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        close(end[0]);
        be_program(end[1]);
    }
    close(end[1]);
    bare.program = end[0];
}

_Noreturn static void relay(void)
{
    for (;;) {
        bool moved = false;
        while (take_frame())
            moved = true;
        for (unsigned i = 0; i < TURN && bare.source && bare.open && send_more(); i++)
            moved = true;
        if (moved)
            continue;
        const bool wants = bare.source && bare.open && window_room() > 0;
        struct pollfd ask[2] = { { .fd = bare.fd, .events = POLLIN },
                                 { .fd = wants ? bare.program : -1, .events = POLLIN } };
        (void)poll(ask, 2, -1);
    }
}

int main(int argc, char **argv)
{
    const char *role = argc == 5 ? argv[1] : "";
    const bool relays = strncmp(role, "relay-", 6) == 0;
    role += relays ? 6 : 0;
    bare.source = strcmp(role, "source") == 0;
    if ((!bare.source && strcmp(role, "sink") != 0) || inet_pton(AF_INET, argv[3], bare.ip) != 1 ||
        atoi(argv[4]) <= 0) {
        fputs("usage: bench-bare [relay-]sink|[relay-]source DEVICE ADDRESS PORT\n", stderr);
        return 2;
    }
    bare.port = (uint16_t)atoi(argv[4]);
    device_open(argv[2]);
    if (relays)
        begin_program();
    puts("ready");
    fflush(stdout);
    if (relays)
        relay();
    for (;;) {
        (void)take_frame();
        if (bare.source && bare.open)
            (void)send_more();
    }
}
