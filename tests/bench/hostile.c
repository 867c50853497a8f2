/* SPDX-License-Identifier: MIT */
#include "weir/stack.h"

#include "base/csum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an ACK costs whose sender means harm: a sender with many segments in flight is given ACKs
 * and SACK blocks that make it look at as much of its scoreboard as they can (the family of
 * CVE-2019-11478 and CVE-2019-5599).
 *
 *     bench-hostile SHAPE SEGMENTS ACKS
 *
 * prints what was in flight and how many frames the ACKs drew; callgrind counts instructions. The
 * flight grows by two segments an ACK, so that few of them left together: the worst case for a
 * scoreboard of runs. */

#define MSS     1460u
#define WINDOW  0x7fffu
#define SCALE   14
#define HEADS   40 /* IPv4 and TCP */
#define BLOCKS  4
#define SND_MAX (32u << 20)
#define STEP    WEIR_US

struct peer {
    struct weir *weir;
    unsigned iface;
    weir_handle conn;
    weir_time now;
    uint16_t port;
    uint32_t iss, una, nxt; /* of the sender under attack; nxt as seen on the wire */
    uint64_t frames;
    uint32_t random;
};

struct block {
    uint32_t left, right;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench-hostile: %s\n", what);
    exit(1);
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Takes what the sender has to say. */
static void drain(struct peer *peer)
{
    static struct weir_out out[16];
    size_t count;
    do {
        count = weir_output(peer->weir, peer->iface, out, 16, peer->now);
        for (size_t i = 0; i < count; i++) {
            const uint8_t *tcp = out[i].head + 20;
            uint32_t end = get32(tcp + 4) + (tcp[13] & 3u ? 1u : 0u);
            end += out[i].head_len - 20u - (uint32_t)(tcp[12] >> 4) * 4;
            for (unsigned k = 0; k < out[i].span_count; k++)
                end += (uint32_t)out[i].span[k].len;
            if (peer->frames++ == 0)
                peer->iss = peer->una = peer->nxt = get32(tcp + 4);
            if (peer->port == 0)
                peer->port = (uint16_t)(tcp[0] << 8 | tcp[1]);
            if ((int32_t)(end - peer->nxt) > 0)
                peer->nxt = end;
        }
    } while (count == 16);
}

static void say(struct peer *peer, uint8_t flags, const uint8_t *options, size_t options_len)
{
    uint8_t frame[100] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6 };
    const uint8_t addresses[8] = { 10, 0, 0, 2, 10, 0, 0, 1 };
    const size_t tcp_len = 20 + options_len;
    uint8_t *tcp = frame + 20;
    memcpy(frame + 12, addresses, 8);
    put16(frame + 2, (uint32_t)(20 + tcp_len));
    put16(frame + 10, csum_fold(csum_add(0, frame, 20)));
    put16(tcp, 80);
    put16(tcp + 2, peer->port);
    put32(tcp + 4, flags & 2 ? 1000 : 1001);
    put32(tcp + 8, peer->una);
    tcp[12] = (uint8_t)(tcp_len / 4 << 4);
    tcp[13] = flags;
    put16(tcp + 14, WINDOW);
    memcpy(tcp + 20, options, options_len);
    const struct weir_frame in = {
        .data = frame, .len = 20 + tcp_len, .when = peer->now, .csum_ok = true
    };
    weir_input(peer->weir, peer->iface, &in, 1, peer->now);
    if (weir_deadline(peer->weir) <= peer->now)
        weir_timeout(peer->weir, peer->now);
    drain(peer);
    peer->now += STEP;
}

static void ack(struct peer *peer, const struct block *block, unsigned count)
{
    uint8_t options[40] = { 1, 1, 5, (uint8_t)(2 + 8 * count) };
    for (unsigned i = 0; i < count; i++) {
        put32(options + 4 + 8 * i, block[i].left);
        put32(options + 8 + 8 * i, block[i].right);
    }
    say(peer, 0x10, options, count > 0 ? 4 + 8 * count : 0);
}

static void write_all(struct peer *peer)
{
    struct weir_span span[WEIR_SPANS];
    for (;;) {
        unsigned count = WEIR_SPANS;
        size_t len = 0;
        if (weir_send_room(peer->weir, peer->conn, SND_MAX, span, &count) != WEIR_OK)
            return;
        for (unsigned i = 0; i < count; i++)
            len += span[i].len;
        if (len == 0 || weir_send_put(peer->weir, peer->conn, len, 0, peer->now) != WEIR_OK)
            return;
    }
}

static void begin(struct peer *peer)
{
    struct weir_config config;
    weir_config_default(&config);
    config.tcp_max = 4;
    config.ring_chunks = 8192;
    config.snd_max = SND_MAX;
    config.sent_block_max = 8192;
    config.pacing = 0;
    const size_t size = weir_memory_size(&config);
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    must(memory != NULL && weir_init(&peer->weir, memory, size, &config, peer->now) == WEIR_OK,
         "no instance");
    const struct weir_iface_config iface = { .medium = WEIR_IP_ONLY, .mtu = 1500 };
    must(weir_iface_add(peer->weir, &iface, &peer->iface, peer->now) == WEIR_OK, "no interface");
    const struct weir_ip ip = weir_ip_v4(10, 0, 0, 1);
    must(weir_address_add(peer->weir, peer->iface, &ip, 24, peer->now) == WEIR_OK, "no address");
    drain(peer); /* what it says of itself before */
    peer->frames = 0;
    peer->port = 0;
    const struct weir_addr to = { .ip = weir_ip_v4(10, 0, 0, 2), .port = 80 };
    must(weir_connect(peer->weir, NULL, &to, &peer->conn, peer->now) == WEIR_IN_PROGRESS,
         "no connection");
    drain(peer);
    const uint8_t options[] = { 2, 4, MSS >> 8, MSS & 255, 4, 2, 3, 3, SCALE, 1, 1, 1 };
    peer->una = peer->iss + 1;
    peer->now += 10 * WEIR_MS;
    say(peer, 0x12, options, sizeof options);
}

static uint32_t flight(const struct peer *peer)
{
    return (peer->nxt - peer->una) / MSS;
}

/* An honest receiver, until so many segments are on their way. */
static void grow(struct peer *peer, uint32_t segments)
{
    for (unsigned i = 0; flight(peer) < segments; i++) {
        must(i < 1000000, "the flight does not grow");
        write_all(peer);
        drain(peer);
        if (flight(peer) >= 2 && flight(peer) < segments)
            peer->una += 2 * MSS;
        else if (flight(peer) < 2)
            peer->una = peer->nxt;
        peer->now += 50 * STEP;
        if (flight(peer) < segments)
            ack(peer, NULL, 0);
    }
}

static uint32_t random_below(struct peer *peer, uint32_t n)
{
    peer->random = peer->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)peer->random * n >> 32);
}

static struct block segments_at(const struct peer *peer, uint32_t first, uint32_t count)
{
    const uint32_t left = peer->una + first * MSS;
    return (struct block){ left, left + count * MSS };
}

/* ---- What it may be given ---- */

/* The whole flight, four times, and now and then a small block, lest anything remembered helps. */
static void whole(struct peer *peer, uint32_t i, uint32_t n)
{
    const struct block all = segments_at(peer, 1, n - 2);
    const struct block blocks[BLOCKS] = { segments_at(peer, 1 + i % 7, n - 9), all,
                                          segments_at(peer, 2 + i % 5, n - 9), all };
    if (i % 2 == 0)
        ack(peer, blocks, BLOCKS);
    else
        ack(peer, (struct block[]){ segments_at(peer, n - 3, 1) }, 1);
}

/* One hole, and all behind it arrives: what an honest receiver says. */
static void behind(struct peer *peer, uint32_t i, uint32_t n)
{
    const struct block block = segments_at(peer, 1, 1 + i % (n - 2));
    ack(peer, &block, 1);
}

/* Every other segment, in no order. */
static void comb(struct peer *peer, uint32_t i, uint32_t n)
{
    struct block blocks[BLOCKS];
    (void)i;
    for (unsigned k = 0; k < BLOCKS; k++)
        blocks[k] = segments_at(peer, 1 + 2 * random_below(peer, n / 2 - 1), 1);
    ack(peer, blocks, BLOCKS);
}

/* The last segment is there, and the rest is acknowledged octet by octet. */
static void octets(struct peer *peer, uint32_t i, uint32_t n)
{
    (void)i;
    const uint32_t top = peer->nxt - MSS;
    const struct block block = { top, top + MSS };
    (void)n;
    if ((int32_t)(top - peer->una) > 1)
        peer->una++;
    ack(peer, &block, 1);
}

/* Duplicates are reported that nobody sent. */
static void duplicates(struct peer *peer, uint32_t i, uint32_t n)
{
    const struct block blocks[2] = { segments_at(peer, 1 + i % (n - 4), 1),
                                     segments_at(peer, 1, n - 2) };
    ack(peer, blocks, 2);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*give)(struct peer *peer, uint32_t i, uint32_t segments);
    } shapes[] = { { "whole", whole },
                   { "behind", behind },
                   { "comb", comb },
                   { "octets", octets },
                   { "duplicates", duplicates } };
    unsigned shape = 0;
    while (argc == 4 && shape < 5 && strcmp(argv[1], shapes[shape].name) != 0)
        shape++;
    if (argc != 4 || shape == 5) {
        fprintf(stderr, "usage: bench-hostile SHAPE SEGMENTS ACKS\n");
        return 2;
    }
    static struct peer peer = { .now = WEIR_SECOND };
    begin(&peer);
    grow(&peer, (uint32_t)strtoul(argv[2], NULL, 10));
    const uint32_t n = flight(&peer), acks = (uint32_t)strtoul(argv[3], NULL, 10);
    const uint64_t frames = peer.frames;
    for (uint32_t i = 0; i < acks; i++)
        shapes[shape].give(&peer, i, n);
    printf("segments %u\nacks %u\nframes %llu\n", n, acks,
           (unsigned long long)(peer.frames - frames));
    return 0;
}
