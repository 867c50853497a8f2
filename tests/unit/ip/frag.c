/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* Putting fragments together: the rows F-1 to F-10 of the attack catalogue, for both families. */

#define DATA_MAX 65535

static uint8_t data[DATA_MAX];

/* The octets [off, off + len) of the datagram, as IPv4 fragment `id`. */
static enum weir_drop piece4(struct net *net, uint16_t id, uint32_t off, uint32_t len, bool more)
{
    return net_ip4(net, &(struct ip4_head){ .src = PEER,
                                            .dst = US,
                                            .ttl = 64,
                                            .proto = IP_PROTO_UDP,
                                            .mf = more,
                                            .id = id,
                                            .frag_off = (uint16_t)off,
                                            .payload = data + off,
                                            .len = len });
}

static enum weir_drop piece6(struct net *net, uint32_t id, uint32_t off, uint32_t len, bool more)
{
    static uint8_t p[DATA_MAX];
    (void)wire_ip6_frag_emit(p, sizeof p, IP_PROTO_UDP, (uint16_t)off, more, id);
    for (uint32_t i = 0; i < len; i++)
        p[IP6_FRAG_HEAD + i] = data[(off + i) % DATA_MAX];
    return net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                            .dst = US6,
                                            .next = IP6_FRAGMENT,
                                            .hop_limit = 64,
                                            .payload = p,
                                            .len = IP6_FRAG_HEAD + len });
}

static bool whole(const struct net *net, uint32_t len)
{
    return net->packet.kind == IP_UDP && net->packet.reassembled && net->packet.len == len &&
           memcmp(net->packet.payload, data, len) == 0;
}

struct step {
    uint32_t off, len;
    bool more;
    enum weir_drop drop;
    bool whole; /* the datagram is delivered now */
};

#define STEPS 5
static const struct {
    const char *name;
    uint32_t total;
    struct step step[STEPS];
} cases[] = {
    { "F: two in order", 40, { { 0, 24, true, 0, false }, { 24, 16, false, 0, true } } },
    { "F: two reversed", 40, { { 24, 16, false, 0, false }, { 0, 24, true, 0, true } } },
    { "F: the middle last",
      48,
      { { 0, 16, true, 0, false }, { 32, 16, false, 0, false }, { 16, 16, true, 0, true } } },
    { "F-2: overlap, identical octets",
      40,
      { { 0, 24, true, 0, false },
        { 16, 24, false, WEIR_DROP_FRAG_OVERLAP, false },
        { 24, 16, false, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-2: the new one begins before the old",
      40,
      { { 16, 24, false, 0, false },
        { 0, 24, true, WEIR_DROP_FRAG_OVERLAP, false },
        { 0, 16, true, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-2: teardrop: inside the first",
      40,
      { { 0, 24, true, 0, false },
        { 8, 8, true, WEIR_DROP_FRAG_OVERLAP, false },
        { 24, 16, false, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-2: covers two",
      40,
      { { 0, 8, true, 0, false },
        { 8, 8, true, 0, false },
        { 0, 16, true, WEIR_DROP_FRAG_OVERLAP, false },
        { 16, 24, false, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-2: the same start, shorter",
      40,
      { { 0, 24, true, 0, false }, { 0, 16, true, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-4: exact duplicates",
      40,
      { { 0, 24, true, 0, false },
        { 0, 24, true, WEIR_DROP_FRAG_DUPLICATE, false },
        { 24, 16, false, 0, true } } },
    { "F-4: a duplicate in the middle of a run",
      40,
      { { 0, 8, true, 0, false },
        { 8, 8, true, 0, false },
        { 16, 8, true, 0, false },
        { 8, 8, true, WEIR_DROP_FRAG_DUPLICATE, false },
        { 24, 16, false, 0, true } } },
    { "F-4: the last one twice",
      40,
      { { 24, 16, false, 0, false },
        { 24, 16, false, WEIR_DROP_FRAG_DUPLICATE, false },
        { 0, 24, true, 0, true } } },
    { "a duplicate that says it is the last",
      40,
      { { 24, 8, true, 0, false }, { 24, 8, false, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "F-6: nothing in it, more to come", 40, { { 0, 0, true, WEIR_DROP_FRAG_BAD, false } } },
    { "F-6: not a multiple of 8, more to come",
      40,
      { { 0, 20, true, WEIR_DROP_FRAG_BAD, false } } },
    { "beyond the end",
      40,
      { { 24, 16, false, 0, false },
        { 40, 8, true, WEIR_DROP_FRAG_BAD, false },
        { 0, 24, true, WEIR_DROP_FRAG_OVERLAP, false } } },
    { "an end before what is there",
      48,
      { { 32, 16, true, 0, false }, { 8, 8, false, WEIR_DROP_FRAG_BAD, false } } },
    { "F-5: past 65,535", 40, { { 65528, 7, false, WEIR_DROP_FRAG_BAD, false } } },
};

static void table(bool v4)
{
    for (unsigned c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct net *net = net_start();
        if (!v4)
            net_know_peer(net);
        for (unsigned s = 0; s < STEPS; s++) {
            const struct step *step = &cases[c].step[s];
            if (step->len == 0 && step->drop == 0)
                break;
            /* In IPv6 the extension headers count too: 65,528 + 7 fits, + 8 does not. */
            const uint32_t len = step->len == 7 && !v4 ? 8 : step->len;
            const enum weir_drop drop = v4 ? piece4(net, 7, step->off, len, step->more)
                                           : piece6(net, 7, step->off, len, step->more);
            CHECK(drop == step->drop, "v%d %s: step %u: %u as it should be %u", v4 ? 4 : 6,
                  cases[c].name, s, drop, step->drop);
            CHECK(step->whole == whole(net, cases[c].total), "v%d %s: step %u: %s", v4 ? 4 : 6,
                  cases[c].name, s, step->whole ? "whole" : "not whole");
        }
        net_pass(net, 61 * WEIR_SECOND);
        CHECK(net->ip->frag.pool.used == 0 && net->rings.free_count == net->rings.chunk_count,
              "v%d %s: nothing is left", v4 ? 4 : 6, cases[c].name);
        net_end(net);
    }
}

/* F-3: what comes after an overlap is refused until the time is over, and only till then. */
static void overlap_is_for_good(void)
{
    struct net *net = net_start();
    (void)piece6(net, 1, 0, 24, true);
    (void)piece6(net, 1, 16, 24, false);
    CHECK(piece6(net, 1, 0, 24, true) == WEIR_DROP_FRAG_OVERLAP, "F-3: the first again is refused");
    CHECK(net->ip->frag.octets == 0, "F-3: no octets are kept for it");
    net_pass(net, 60 * WEIR_SECOND);
    CHECK(net_drain(net) == 0, "F-3: nobody is told that its time is over");
    (void)piece6(net, 1, 0, 24, true);
    CHECK(piece6(net, 1, 24, 16, false) == WEIR_DROP_NONE && whole(net, 40),
          "F-3: a minute later the number is free again");
    net_end(net);
}

static void large(bool v4)
{
    struct net *net = net_start();
    net_know_peer(net);
    const uint32_t total = v4 ? 65515 : 65535;
    const uint32_t step = 1480;
    const uint32_t count = (total + step - 1) / step;
    bool early = false;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t k = (i * 17 + 5) % count; /* 45 pieces: every order that skips is one */
        const uint32_t len = total - k * step < step ? total - k * step : step;
        const enum weir_drop drop = v4 ? piece4(net, 9, k * step, len, k + 1 < count)
                                       : piece6(net, 9, k * step, len, k + 1 < count);
        early |= drop != WEIR_DROP_NONE || (i + 1 < count && net->packet.kind != IP_CONSUMED);
    }
    CHECK(!early && whole(net, total), "v%d: %u octets in %u pieces, out of order", v4 ? 4 : 6,
          total, count);
    CHECK(net->packet.packet_len == total + (v4 ? 20u : 40u), "with the header of a whole packet");
    CHECK(net->rings.free_count == net->rings.chunk_count, "nothing is kept of it");
    net_end(net);
}

/* KP-5: a flood of pieces that never become whole stays within its limits. */
static void flood(void)
{
    struct weir_config config;
    net_config(&config);
    config.frag_octets_max = 200000;
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    uint32_t x = 1;
    for (unsigned i = 0; i < 20000; i++) {
        x = x * 1664525u + 1013904223u;
        const uint32_t off = x >> 8 & 0xfff8;
        (void)piece4(net, (uint16_t)(x >> 24), off < 65500 ? off : 0, 8, true);
    }
    CHECK(net->ip->frag.pool.used <= net->config.frag_max, "KP-5: at most frag_max datagrams");
    CHECK(net->ip->frag.octets <= net->config.frag_octets_max,
          "KP-5: at most frag_octets_max octets");
    CHECK(net->trace.drops[WEIR_DROP_FRAG_EVICTED] > 0, "KP-5: the oldest went, counted");
    CHECK(piece4(net, 77, 0, 24, true) == 0 && piece4(net, 77, 24, 16, false) == 0 &&
              whole(net, 40),
          "KP-5: a good one still gets through");
    net_pass(net, 30 * WEIR_SECOND);
    CHECK(net->ip->frag.pool.used == 0 && net->rings.free_count == net->rings.chunk_count,
          "KP-5: after 30 s nothing is left");
    net_end(net);

    net = net_start();
    uint32_t kept = 0;
    while (kept < 65500 / 16 && piece4(net, 1, 16 * kept, 8, true) == WEIR_DROP_NONE)
        kept++;
    CHECK(kept == RANGES_MAX && net->ip->frag.pool.used == 0,
          "a datagram of more gaps than can be noted is given up (after %u)", kept);
    net_end(net);
}

/* What makes room when memory is short: the oldest datagram, not the one that just came. */
static void oldest_goes(void)
{
    struct weir_config config;
    net_config(&config);
    config.frag_octets_max = 8 << NET_CHUNK_SH;
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    for (uint16_t id = 1; id <= 5; id++) { /* two chunks each */
        CHECK(piece4(net, id, 0, 16384, true) == 0 && piece4(net, id, 16384, 8, true) == 0,
              "two pieces of datagram %u are kept", id);
        net->now += WEIR_MS;
    }
    CHECK(net->trace.drops[WEIR_DROP_FRAG_EVICTED] == 1 && net->ip->frag.pool.used == 4,
          "five datagrams where four have room: one went, counted once");
    CHECK(piece4(net, 5, 16392, 8, false) == 0 && whole(net, 16400), "the newest becomes whole");
    CHECK(piece4(net, 1, 16392, 8, false) == 0 && net->packet.kind == IP_CONSUMED,
          "the oldest is the one that does not");
    net_end(net);

    config.frag_octets_max = 1 << NET_CHUNK_SH;
    net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    CHECK(piece4(net, 1, 0, 16384, true) == 0 &&
              piece4(net, 1, 16384, 8, true) == WEIR_DROP_FRAG_LIMIT && net->ip->frag.octets == 0,
          "one that is too large by itself is given up");
    net_end(net);
}

/* F-7: the sender is told only if the first fragment came. */
static void timeouts(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    struct ip4_head head;
    struct icmp4_head icmp;
    (void)piece4(net, 1, 24, 16, false);
    (void)piece4(net, 2, 0, 24, true);
    net_pass(net, 29 * WEIR_SECOND);
    CHECK(net_drain(net) == 0 && net->ip->frag.pool.used == 2, "29 s: both are still waited for");
    (void)piece4(net, 2, 40, 8, false);
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(net->trace.drops[WEIR_DROP_FRAG_TIMEOUT] == 2,
          "30 s after the first piece both are dropped");
    CHECK(net_take(net) && net_out_icmp4(net, &head, &icmp) && icmp.type == 11 && icmp.code == 1,
          "F-7: time exceeded, code 1");
    struct icmp_quote quote;
    CHECK(wire_icmp4_quote(icmp.body, icmp.len, &quote) == WIRE_OK && quote.id == 2 &&
              memcmp(quote.transport, data, 8) == 0,
          "F-7: about the one whose first fragment came, which is quoted");
    CHECK(!net_take(net), "F-7: not about the other");

    struct ip6_head head6;
    struct icmp6_head icmp6;
    (void)piece6(net, 1, 24, 16, false);
    (void)piece6(net, 2, 0, 24, true);
    net_pass(net, 59 * WEIR_SECOND);
    CHECK(net->ip->frag.pool.used == 2, "v6: 59 s: both are still waited for");
    net_drain(net);
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(net_take(net) && net_out_icmp6(net, &head6, &icmp6) && icmp6.type == 3 && icmp6.code == 1,
          "F-7: v6: time exceeded, code 1");
    CHECK(icmp6.len == 40 + 8 + 24, "F-7: v6: with the first fragment");
    CHECK(!net_take(net), "F-7: v6: once");
    net_end(net);
}

/* F-1, F-5, F-6, F-9, F-10 where IPv6 has rules of its own. */
static void only_in_v6(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    struct ip6_head head;
    struct icmp6_head icmp;
    CHECK(piece6(net, 1, 0, 20, true) == WEIR_DROP_FRAG_BAD && net_take(net) &&
              net_out_icmp6(net, &head, &icmp) && icmp.type == 4 && icmp.code == 0 &&
              icmp.rest == 4,
          "F-6: a length that is not a multiple of 8: parameter problem at 4");
    CHECK(piece6(net, 1, 65528, 100, false) == WEIR_DROP_FRAG_BAD && net_take(net) &&
              net_out_icmp6(net, &head, &icmp) && icmp.type == 4 && icmp.rest == 42,
          "F-5: past the end: parameter problem at 42");
    CHECK(piece6(net, 3, 0, 40, false) == WEIR_DROP_NONE && net->packet.kind == IP_UDP &&
              !net->packet.reassembled && net->ip->frag.pool.used == 0,
          "F-9: an atomic fragment is a whole packet");

    uint8_t tiny[16 + 8];
    (void)wire_ip6_frag_emit(tiny, 8, IP_PROTO_TCP, 0, true, 5);
    memset(tiny + 8, 0, 16);
    CHECK(net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                           .dst = US6,
                                           .next = IP6_FRAGMENT,
                                           .hop_limit = 64,
                                           .payload = tiny,
                                           .len = 16 }) == WEIR_DROP_FRAG_TINY &&
              net_drain(net) == 0,
          "F-1: a first fragment without the whole TCP header is dropped in silence (RFC 7112)");

    uint8_t nested[8 + 8 + 40];
    (void)wire_ip6_frag_emit(nested, 8, IP6_FRAGMENT, 0, false, 6);
    (void)wire_ip6_frag_emit(nested + 8, 8, IP_PROTO_UDP, 0, false, 6);
    memset(nested + 16, 0, 40);
    CHECK(net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                           .dst = US6,
                                           .next = IP6_FRAGMENT,
                                           .hop_limit = 64,
                                           .payload = nested,
                                           .len = sizeof nested }) == WEIR_DROP_FRAG_BAD,
          "F-10: a fragment header twice");
    net_end(net);

    net = net_start();
    CHECK(net_ip4(net, &(struct ip4_head){ .src = PEER,
                                           .dst = US,
                                           .ttl = 64,
                                           .mf = true,
                                           .id = 1,
                                           .proto = IP_PROTO_TCP,
                                           .payload = data,
                                           .len = 8 }) == 0 &&
              net_ip4(net, &(struct ip4_head){ .src = PEER,
                                               .dst = US,
                                               .ttl = 64,
                                               .frag_off = 8,
                                               .id = 1,
                                               .proto = IP_PROTO_TCP,
                                               .payload = data + 8,
                                               .len = 16 }) == 0 &&
              net->packet.kind == IP_TCP && net->packet.len == 24,
          "F-1: in IPv4 a tiny first fragment is put together");
    net_end(net);
}

static void kept_apart(void)
{
    struct net *net = net_start();
    (void)piece4(net, 1, 0, 24, true);
    (void)piece4(net, 2, 0, 24, true);
    CHECK(net_ip4(net, &(struct ip4_head){ .src = net_ip("192.0.2.3"),
                                           .dst = US,
                                           .ttl = 64,
                                           .proto = IP_PROTO_UDP,
                                           .id = 1,
                                           .frag_off = 24,
                                           .payload = data + 24,
                                           .len = 16 }) == 0 &&
              net->packet.kind == IP_CONSUMED,
          "another sender's piece does not complete it");
    CHECK(piece4(net, 2, 24, 16, false) == 0 && whole(net, 40), "its own does");
    CHECK(net->ip->frag.pool.used == 2, "the other two wait on");
    net_end(net);
}

/* Options and extension headers of the first fragment come through. */
static void headers_kept(void)
{
    struct net *net = net_start();
    static const uint8_t nops[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    CHECK(net_ip4(net, &(struct ip4_head){ .src = PEER,
                                           .dst = US,
                                           .ttl = 64,
                                           .tos = 0x10,
                                           .proto = IP_PROTO_UDP,
                                           .id = 1,
                                           .mf = true,
                                           .options = nops,
                                           .options_len = 8,
                                           .payload = data,
                                           .len = 24 }) == 0 &&
              piece4(net, 1, 24, 16, false) == 0 && whole(net, 40) && net->packet.packet_len == 68,
          "v4 options of the first fragment stay in front of the whole");
    uint8_t p[8 + 8 + 32] = { IP6_FRAGMENT, 0, 1, 4 };
    (void)wire_ip6_frag_emit(p + 8, 8, IP_PROTO_UDP, 0, true, 3);
    memcpy(p + 16, data, 24);
    CHECK(net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                           .dst = US6,
                                           .next = IP6_HOP_BY_HOP,
                                           .hop_limit = 64,
                                           .payload = p,
                                           .len = 40 }) == 0 &&
              piece6(net, 3, 24, 16, false) == 0 && whole(net, 40) &&
              net->packet.packet_len == 40 + 8 + 40,
          "v6 extension headers of the first fragment stay in front of the whole");
    net_end(net);
}

static void failures(void)
{
    for (uint32_t n = 1; n < 10; n++) {
        struct net *net = net_start();
        net->rings.fail_at = n;
        net->ip->frag.pool.fail_at = n;
        unsigned refused = 0;
        for (uint32_t i = 0; i < 5; i++)
            refused += piece4(net, 1, i * 12000, 12000, i < 4) == WEIR_DROP_FRAG_LIMIT;
        for (uint16_t i = 0; i < 9; i++)
            refused += piece4(net, (uint16_t)(100 + i), 0, 24, true) == WEIR_DROP_FRAG_LIMIT;
        CHECK(refused >= 1, "fail at %u: refused, with its reason", n);
        net_pass(net, 40 * WEIR_SECOND); /* an error about one waits for its neighbour at first */
        CHECK(net->ip->frag.pool.used == 0 && net->rings.free_count == net->rings.chunk_count,
              "fail at %u: nothing is left", n);
        net_end(net);
    }
}

/* What we cut, we can put together: through the wire of another host with the same addresses
 * swapped would be the same; here through ourselves. */
static void our_own(void)
{
    struct net *net = net_start();
    struct ip_packet packet;
    CHECK(net_send(net, "127.0.0.1", 60000) == WEIR_OK &&
              ip_loop_next(net->ip, &packet, net->now) && packet.len == 60008 && packet.loopback,
          "60,000 octets to ourselves");
    CHECK(net_send(net, "::1", 65527) == WEIR_OK && ip_loop_next(net->ip, &packet, net->now) &&
              packet.len == 65535,
          "the largest IPv6 datagram to ourselves");
    CHECK(net_send(net, "::1", 65528) == WEIR_TOO_LONG, "and not one octet more");

    net_know_peer(net);
    CHECK(net_send(net, "192.0.2.2", 65507) == WEIR_OK, "the largest IPv4 datagram");
    struct ip4_head head;
    uint32_t at = 0;
    uint16_t id = 0;
    bool good = true;
    while (net_take(net)) {
        good &= net_out_ip4(net, &head) && head.frag_off == at && !head.df && net->out_len <= 1514;
        good &= at == 0 || head.id == id;
        id = head.id;
        at += head.len;
        good &= head.mf == (at < 65515);
    }
    CHECK(good && at == 65515, "leaves in fragments that join");
    CHECK(net_send(net, "192.0.2.2", 2000) == WEIR_OK && net_take(net) && net_out_ip4(net, &head) &&
              head.id == (uint16_t)(id + 1),
          "KP-11: identifications of one pair count up");
    net_drain(net);
    CHECK(net_send(net, "192.0.2.2", 65508) == WEIR_TOO_LONG, "an octet more is too long");
    net_end(net);
}

int main(void)
{
    for (unsigned i = 0; i < DATA_MAX; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    table(true);
    table(false);
    overlap_is_for_good();
    large(true);
    large(false);
    flood();
    oldest_goes();
    timeouts();
    only_in_v6();
    kept_apart();
    headers_kept();
    failures();
    our_own();
    return tap_done();
}
