/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* Frames and headers that arrive: each is used, or dropped for exactly the reason it should be. */

static const uint8_t segment[40];

static enum weir_drop frame(struct net *net, const uint8_t *src, const uint8_t *dst, uint16_t type)
{
    uint8_t p[ETH_HEAD + 60] = { 0 };
    (void)net_eth(p, src, dst, type);
    const struct ip4_head head = { .src = PEER, .dst = US, .ttl = 64, .proto = 6, .len = 40 };
    (void)wire_ip4_emit(p + ETH_HEAD, 60, &head);
    return net_arrives(net, p, sizeof p);
}

/* N-7 */
static void frames(void)
{
    struct net *net = net_start();
    static const uint8_t group[ETH_ADDR] = { 1, 0, 0x5e, 0, 0, 5 };
    CHECK(frame(net, net_peer_mac, net_mac, ETH_IP4) == WEIR_DROP_NONE &&
              net->packet.kind == IP_TCP,
          "N-7: a frame for us");
    CHECK(frame(net, net_peer_mac, net_other_mac, ETH_IP4) == WEIR_DROP_FRAME_OTHER_MAC,
          "N-7: for another station");
    CHECK(frame(net, net_peer_mac, group, ETH_IP4) == WEIR_DROP_FRAME_OTHER_MAC,
          "N-7: for a group that is not ours");
    CHECK(frame(net, net_mac, net_mac, ETH_IP4) == WEIR_DROP_FRAME_OWN_MAC, "N-7: from ourselves");
    CHECK(frame(net, net_broadcast, net_mac, ETH_IP4) == WEIR_DROP_FRAME_BAD_SOURCE,
          "N-7: from a group");
    CHECK(frame(net, net_peer_mac, net_mac, 0x8100) == WEIR_DROP_FRAME_TYPE, "N-7: VLAN");
    CHECK(frame(net, net_peer_mac, net_mac, 60) == WEIR_DROP_FRAME_TYPE, "N-7: LLC");
    CHECK(frame(net, net_peer_mac, net_mac, 0x8035) == WEIR_DROP_FRAME_TYPE, "U11-8: RARP");
    CHECK(frame(net, net_peer_mac, net_broadcast, ETH_IP4) == WEIR_DROP_IP_NOT_OURS,
          "sent to all stations, but for one host");
    static uint8_t zeros[70000];
    for (size_t len = 0; len < ETH_HEAD; len++)
        CHECK(net_arrives(net, zeros, len) == WEIR_DROP_FRAME_SHORT, "a frame of %zu octets", len);
    CHECK(net_arrives(net, zeros, 65554) == WEIR_DROP_FRAME_LONG, "a frame of 65,554 octets");
    CHECK(net_arrives_on(net, 1, zeros, 60) == WEIR_DROP_IFACE_UNKNOWN,
          "an interface that is not there");
    net_end(net);
}

/* Every length of valid packets, and of nothing: a named drop, and no read past the end. */
static void truncated(void)
{
    struct net *net = net_start();
    uint8_t p[200] = { 0 };
    bool refused = true;
    static const uint16_t types[] = { ETH_IP4, ETH_IP6, ETH_ARP };
    for (unsigned t = 0; t < 3; t++) {
        size_t whole = net_eth(p, net_peer_mac, net_mac, types[t]);
        if (types[t] == ETH_IP4) {
            const struct ip4_head head = {
                .src = PEER, .dst = US, .ttl = 1, .proto = 6, .len = 40
            };
            whole += wire_ip4_emit(p + whole, 60, &head) + 40;
        } else if (types[t] == ETH_IP6) {
            const struct ip6_head head = { .src = PEER6, .dst = US6, .next = 6, .len = 40 };
            whole += wire_ip6_emit(p + whole, 60, &head) + 40;
        } else {
            const struct arp_head arp = { .op = 1, .sha = { 2 }, .spa = PEER, .tpa = US };
            whole += wire_arp_emit(p + whole, 60, &arp);
        }
        for (size_t len = 0; len < whole; len++)
            refused &= net_arrives(net, p, len) != WEIR_DROP_NONE;
        CHECK(net_arrives(net, p, whole) == WEIR_DROP_NONE, "type %04x: whole, it is taken",
              types[t]);
    }
    CHECK(refused, "cut anywhere, it is not");
    for (unsigned fill = 0; fill < 256; fill += 255) {
        memset(p + ETH_HEAD, (int)fill, sizeof p - ETH_HEAD);
        for (unsigned t = 0; t < 3; t++) {
            (void)net_eth(p, net_peer_mac, net_mac, types[t]);
            for (size_t len = 0; len < sizeof p; len++)
                refused &= net_arrives(net, p, len) != WEIR_DROP_NONE;
        }
    }
    CHECK(refused, "zeros and ones are refused at every length");
    net_end(net);
}

static enum weir_drop from_to(struct net *net, const char *src, const char *dst)
{
    return net_ip4(net, &(struct ip4_head){ .src = net_ip(src),
                                            .dst = net_ip(dst),
                                            .ttl = 64,
                                            .proto = 6,
                                            .payload = segment,
                                            .len = 40 });
}

static enum weir_drop from_to6(struct net *net, const char *src, const char *dst)
{
    return net_ip6(net, &(struct ip6_head){ .src = net_ip(src),
                                            .dst = net_ip(dst),
                                            .hop_limit = 64,
                                            .next = 6,
                                            .payload = segment,
                                            .len = 40 });
}

/* P-3 to P-5 */
static void martians(void)
{
    struct net *net = net_start();
    static const char *const wrong[] = { "127.0.0.1", "0.0.0.0",   "0.1.2.3",   "255.255.255.255",
                                         "224.0.0.5", "240.0.0.1", "192.0.2.1", "192.0.2.255" };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(from_to(net, wrong[i], "192.0.2.1") == WEIR_DROP_IP_MARTIAN, "P-3: from %s",
              wrong[i]);
    CHECK(from_to(net, "192.0.2.2", "127.0.0.1") == WEIR_DROP_IP_MARTIAN, "P-3: to loopback");
    CHECK(from_to(net, "192.0.2.2", "192.0.2.7") == WEIR_DROP_IP_NOT_OURS, "to another host");
    CHECK(from_to(net, "192.0.2.2", "192.0.2.255") == WEIR_DROP_NONE && net->packet.group,
          "P-5: to the broadcast address: told as a group's");
    CHECK(from_to(net, "192.0.2.2", "224.0.0.1") == WEIR_DROP_NONE && net->packet.group,
          "to all hosts");
    static const char *const wrong6[] = { "::1", "ff02::1", "2001:db8::1" };
    for (unsigned i = 0; i < sizeof wrong6 / sizeof wrong6[0]; i++)
        CHECK(from_to6(net, wrong6[i], "2001:db8::1") == WEIR_DROP_IP_MARTIAN, "P-3: from %s",
              wrong6[i]);
    CHECK(from_to6(net, "::", "2001:db8::1") == WEIR_DROP_IP_MARTIAN, "P-3: from nobody");
    CHECK(from_to6(net, "::", "ff02::1") == WEIR_DROP_IP_MARTIAN, "P-3: from nobody to all");
    CHECK(from_to6(net, "2001:db8::2", "::1") == WEIR_DROP_IP_MARTIAN, "P-3: to ::1");
    CHECK(from_to6(net, "::ffff:192.0.2.2", "2001:db8::1") == WEIR_DROP_IP_MARTIAN,
          "P-3: from a mapped address");
    CHECK(from_to6(net, "2001:db8::2", "::ffff:192.0.2.1") == WEIR_DROP_IP_MARTIAN,
          "P-3: to a mapped address");
    CHECK(from_to6(net, "2001:db8::2", "ff02::1") == WEIR_DROP_NONE && net->packet.group,
          "P-5: to all nodes: told as a group's");
    CHECK(net_drain(net) == 0, "nobody is answered");
    CHECK(net->ip->neigh.pool.used == 0, "P-3: nor asked for");
    net_end(net);
}

static enum weir_drop with_options(struct net *net, const uint8_t *options, uint8_t len,
                                   const char *dst)
{
    return net_ip4(net, &(struct ip4_head){ .src = PEER,
                                            .dst = net_ip(dst),
                                            .ttl = 64,
                                            .proto = 6,
                                            .options = options,
                                            .options_len = len,
                                            .payload = segment,
                                            .len = 40 });
}

/* P-7, U11-1, R20-10 */
static void options(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    static const uint8_t nops[4] = { 1, 1, 1, 1 }, lsrr[8] = { 131, 7, 4, 1, 2, 3, 4, 0 },
                         ssrr[8] = { 137, 7, 4, 1, 2, 3, 4, 0 }, zero[4] = { 7, 0, 0, 0 },
                         past[4] = { 68, 255, 0, 0 };
    struct ip4_head head;
    struct icmp4_head icmp;
    CHECK(with_options(net, nops, 4, "192.0.2.1") == WEIR_DROP_NONE && net->packet.kind == IP_TCP &&
              net->packet.len == 40,
          "P-7: NOPs are walked over");
    CHECK(with_options(net, lsrr, 8, "192.0.2.1") == WEIR_DROP_IP_SOURCE_ROUTE, "P-7: LSRR");
    CHECK(with_options(net, ssrr, 8, "192.0.2.1") == WEIR_DROP_IP_SOURCE_ROUTE, "P-7: SSRR");
    CHECK(net_drain(net) == 0, "P-7: source routes are refused in silence");
    CHECK(with_options(net, zero, 4, "192.0.2.1") == WEIR_DROP_IP_BAD_OPTION && net_take(net) &&
              net_out_icmp4(net, &head, &icmp) && icmp.type == 12 && icmp.code == 0 &&
              icmp.rest >> 24 >= 20 && icmp.rest >> 24 < 24,
          "U11-1: an option of length 0: 12/0 with its place");
    CHECK(head.options_len == 0, "U11-1: our error has no options");
    CHECK(with_options(net, past, 4, "192.0.2.255") == WEIR_DROP_IP_BAD_OPTION &&
              net_drain(net) == 0,
          "U11-1: none about a broadcast");
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned len = 0; len < 41; len++) {
            uint8_t option[40] = { (uint8_t)kind, (uint8_t)len };
            (void)with_options(net, option, 40, "192.0.2.1");
        }
    CHECK(true, "P-7: all kinds and lengths are survived");
    net_end(net);
}

/* P-1, P-2, P-8, P-9 */
static void headers(void)
{
    struct net *net = net_start();
    static const struct {
        const char *name;
        unsigned at;
        uint8_t value;
        enum weir_drop drop;
        bool sum; /* made right again */
    } rows[] = {
        { "P-1: version 5", 0, 0x55, WEIR_DROP_IP_BAD_HEADER, true },
        { "P-1: header length 0", 0, 0x40, WEIR_DROP_IP_BAD_HEADER, true },
        { "P-1: header length 4", 0, 0x44, WEIR_DROP_IP_BAD_HEADER, true },
        { "P-1: header length beyond the packet", 0, 0x4f, WEIR_DROP_IP_BAD_CSUM, false },
        { "P-1: total length beyond the frame", 3, 61, WEIR_DROP_IP_BAD_HEADER, true },
        { "P-1: total length below the header", 3, 19, WEIR_DROP_IP_BAD_HEADER, true },
        { "P-1: wrong sum", 10, 0x55, WEIR_DROP_IP_BAD_CSUM, false },
        { "P-2: a trailer is cut off", 3, 50, WEIR_DROP_NONE, true },
        { "P-8: TTL 0 is taken, as Linux does", 8, 0, WEIR_DROP_NONE, true },
        { "P-8: the reserved bit is ignored", 6, 0x80, WEIR_DROP_NONE, true },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t p[ETH_HEAD + 60] = { 0 };
        (void)net_eth(p, net_peer_mac, net_mac, ETH_IP4);
        const struct ip4_head head = { .src = PEER, .dst = US, .ttl = 64, .proto = 6, .len = 40 };
        (void)wire_ip4_emit(p + ETH_HEAD, 60, &head);
        p[ETH_HEAD + rows[i].at] = rows[i].value;
        if (rows[i].sum) {
            p[ETH_HEAD + 10] = p[ETH_HEAD + 11] = 0;
            const uint16_t csum = csum_fold(csum_add(0, p + ETH_HEAD, 20));
            p[ETH_HEAD + 10] = (uint8_t)(csum >> 8);
            p[ETH_HEAD + 11] = (uint8_t)csum;
        }
        const enum weir_drop drop = net_arrives(net, p, sizeof p);
        CHECK(drop == rows[i].drop, "%s (%u)", rows[i].name, drop);
        CHECK(drop != WEIR_DROP_NONE || rows[i].at != 3 || net->packet.len == 30, "%s: length",
              rows[i].name);
    }
    CHECK(net_drain(net) == 0, "P-1: all in silence");
    net_end(net);
}

struct chain {
    const char *name;
    uint8_t first;
    uint8_t octets[32];
    uint32_t len;
    enum weir_drop drop;
    int code; /* of the parameter problem; -1: silence */
    uint32_t pointer;
};

/* The first column of linux-wire-facts that has to do with extension headers. */
static void extension_headers(void)
{
    static const struct chain rows[] = {
        { "HBH PadN", 0, { 6, 0, 1, 4 }, 8, WEIR_DROP_NONE, -1, 0 },
        { "HBH six Pad1", 0, { 6, 0 }, 8, WEIR_DROP_NONE, -1, 0 },
        { "HBH PadN not zero", 0, { 6, 0, 1, 4, 1 }, 8, WEIR_DROP_IP_EXT_BAD, -1, 0 },
        { "HBH past the end", 0, { 6, 9, 1, 4 }, 8, WEIR_DROP_IP_EXT_BAD, -1, 0 },
        { "HBH option past the header", 0, { 6, 0, 1, 9 }, 8, WEIR_DROP_IP_EXT_BAD, -1, 0 },
        { "DestOpt unknown 00", 60, { 6, 0, 0x3e, 4 }, 8, WEIR_DROP_NONE, -1, 0 },
        { "DestOpt unknown 01", 60, { 6, 0, 0x7e, 4 }, 8, WEIR_DROP_IP_EXT_UNKNOWN, -1, 0 },
        { "DestOpt unknown 10", 60, { 6, 0, 0xbe, 4 }, 8, WEIR_DROP_IP_EXT_UNKNOWN, 2, 42 },
        { "DestOpt unknown 11", 60, { 6, 0, 0xfe, 4 }, 8, WEIR_DROP_IP_EXT_UNKNOWN, 2, 42 },
        { "HBH after DestOpt",
          60,
          { 0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4 },
          16,
          WEIR_DROP_IP_EXT_BAD,
          1,
          40 },
        { "RH0, one left", 43, { 6, 0, 0, 1 }, 8, WEIR_DROP_IP_EXT_UNKNOWN, 0, 42 },
        { "RH0, none left", 43, { 6, 0, 0, 0 }, 8, WEIR_DROP_NONE, -1, 0 },
        { "RH4, five left", 43, { 6, 0, 4, 5 }, 8, WEIR_DROP_IP_EXT_UNKNOWN, -1, 0 },
        { "no next header", 59, { 0 }, 0, WEIR_DROP_IP_NO_NEXT, -1, 0 },
        { "next header 200", 200, { 0 }, 0, WEIR_DROP_IP_PROTO, 1, 6 },
        { "jumbo", 0, { 6, 0, 0xc2, 4, 0, 1, 0, 0 }, 8, WEIR_DROP_IP_EXT_BAD, -1, 0 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net *net = net_start();
        net_know_peer(net);
        uint8_t p[32 + 40] = { 0 };
        memcpy(p, rows[i].octets, rows[i].len);
        p[rows[i].len + 12] = 0x50;
        const enum weir_drop drop = net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                                                     .dst = US6,
                                                                     .next = rows[i].first,
                                                                     .hop_limit = 64,
                                                                     .payload = p,
                                                                     .len = rows[i].len + 40 });
        CHECK(drop == rows[i].drop, "%s (%u)", rows[i].name, drop);
        CHECK(drop != WEIR_DROP_NONE || (net->packet.kind == IP_TCP && net->packet.len == 40),
              "%s: what follows is found", rows[i].name);
        struct ip6_head head;
        struct icmp6_head icmp;
        const bool told = net_take(net);
        CHECK(told == (rows[i].code >= 0), "%s: %s", rows[i].name, told ? "told" : "silence");
        if (told)
            CHECK(net_out_icmp6(net, &head, &icmp) && icmp.type == 4 && icmp.code == rows[i].code &&
                      icmp.rest == rows[i].pointer,
                  "%s: 4/%u at %u", rows[i].name, icmp.code, icmp.rest);
        net_end(net);
    }
}

static void to_groups(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    uint8_t p[48] = { 6, 0, 0xfe, 4 };
    (void)net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                           .dst = net_ip("ff02::1"),
                                           .next = 60,
                                           .hop_limit = 64,
                                           .payload = p,
                                           .len = 48 });
    CHECK(net_drain(net) == 0, "X-3: action 11 to a group: silence");
    p[2] = 0xbe;
    (void)net_ip6(net, &(struct ip6_head){ .src = PEER6,
                                           .dst = net_ip("ff02::1"),
                                           .next = 60,
                                           .hop_limit = 64,
                                           .payload = p,
                                           .len = 48 });
    struct ip6_head head;
    struct icmp6_head icmp;
    const struct weir_ip us = US6;
    CHECK(net_take(net) && net_out_icmp6(net, &head, &icmp) && icmp.code == 2 &&
              weir_ip_equal(&head.src, &us),
          "X-3: action 10 to a group is told, from our own address");
    net_end(net);
}

static void bare(void)
{
    struct weir_config config;
    net_config(&config);
    struct net *net = net_begin(&config);
    struct weir_iface_config medium = { .medium = WEIR_IP_ONLY, .mtu = 1400 };
    unsigned iface;
    CHECK(ip_iface_add(net->ip, &medium, &iface, net->now) == WEIR_OK,
          "an interface without stations");
    net_address(net, "192.0.2.1", 24);
    net_address(net, "2001:db8::1", 64);
    const struct weir_ip us6 = US6;
    CHECK(ip_is_local(net->ip, &us6), "its addresses are ours at once");
    uint8_t p[80] = { 0 };
    const struct ip4_head head = { .src = PEER, .dst = US, .ttl = 64, .proto = 6, .len = 40 };
    (void)wire_ip4_emit(p, 60, &head);
    CHECK(net_arrives(net, p, 60) == WEIR_DROP_NONE && net->packet.kind == IP_TCP,
          "a bare IPv4 packet");
    const struct ip6_head head6 = { .src = PEER6, .dst = US6, .next = 17, .len = 40 };
    (void)wire_ip6_emit(p, 80, &head6);
    CHECK(net_arrives(net, p, 80) == WEIR_DROP_NONE && net->packet.kind == IP_UDP,
          "a bare IPv6 packet");
    p[0] = 0x50;
    CHECK(net_arrives(net, p, 80) == WEIR_DROP_IP_BAD_HEADER, "neither");
    CHECK(net_arrives(net, p, 0) == WEIR_DROP_FRAME_SHORT, "nothing");
    CHECK(net_send(net, "192.0.2.2", 100) == WEIR_OK && net_take(net) && net->out[0] == 0x45,
          "a packet leaves at once, without a link header");
    net_end(net);

    net = net_begin(&config);
    struct weir_iface_config wrong = { .medium = WEIR_ETHERNET, .mtu = 1500 };
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_INVALID, "no station address");
    wrong.mac[0] = 1;
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_INVALID, "a group's");
    wrong.mac[0] = 2;
    wrong.mtu = 575;
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_INVALID, "an MTU of 575");
    wrong.mtu = 1279;
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_OK, "an MTU of 1,279");
    CHECK(ip_address_add(net->ip, iface, &us6, 64, net->now) == WEIR_INVALID, "has no IPv6");
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_OK, "a second one");
    CHECK(ip_iface_add(net->ip, &wrong, &iface, net->now) == WEIR_NO_MEMORY, "and no third");
    net_end(net);
}

/* Whatever arrives, every frame has one outcome and nothing breaks: valid frames with octets
 * changed. */
static void mutations(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    uint32_t x = 12345;
    unsigned used = 0;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t p[ETH_HEAD + 120] = { 0 };
        const bool v4 = round % 2 != 0;
        (void)net_eth(p, net_peer_mac, net_mac, v4 ? ETH_IP4 : ETH_IP6);
        static const uint8_t protos4[] = { 1, 6, 17, 200 }, protos6[] = { 58, 0, 44, 60, 43, 6 };
        if (v4) {
            const struct ip4_head head = {
                .src = PEER, .dst = US, .ttl = 64, .len = 80, .proto = protos4[round / 2 % 4]
            };
            (void)wire_ip4_emit(p + ETH_HEAD, 120, &head);
        } else {
            const struct ip6_head head = { .src = PEER6,
                                           .dst = US6,
                                           .hop_limit = 255,
                                           .len = 80,
                                           .next = protos6[round / 2 % 6] };
            (void)wire_ip6_emit(p + ETH_HEAD, 120, &head);
        }
        for (unsigned k = 0; k < 12; k++) {
            x = x * 1664525u + 1013904223u;
            p[ETH_HEAD + (v4 ? 20u : 40u) + (x >> 8) % 60] = (uint8_t)(x >> 24);
        }
        const size_t len = ETH_HEAD + (v4 ? 100 : 120);
        used += net_arrives(net, p, len) == WEIR_DROP_NONE;
        net->now += WEIR_SECOND / 100;
        ip_timeout(net->ip, net->now);
        net_drain(net);
    }
    CHECK(used > 0, "20,000 changed packets are survived (%u of use)", used);
    net_pass(net, 2000 * WEIR_SECOND);
    CHECK(net->ip->neigh.pool.used == 0 && net->ip->frag.pool.used == 0 &&
              net->rings.free_count == net->rings.chunk_count,
          "and in the end nothing is held for them");
    net_end(net);
}

int main(void)
{
    frames();
    truncated();
    martians();
    options();
    headers();
    extension_headers();
    to_groups();
    bare();
    mutations();
    return tap_done();
}
