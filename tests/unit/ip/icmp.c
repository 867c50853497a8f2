/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* Echo and timestamp; errors that we send, about what and how often; errors that arrive. */

static uint8_t p[NET_FRAME];

static void fill(uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(i * 13 + 1);
}

static void echo(bool v4, uint32_t len)
{
    struct net *net = net_start();
    net_know_peer(net);
    fill(p, 8 + len);
    p[0] = v4 ? 8 : 128;
    p[1] = 0;
    const enum weir_drop drop = v4 ? net_icmp4(net, "192.0.2.2", "192.0.2.1", p, 8 + len)
                                   : net_icmp6(net, "2001:db8::2", "2001:db8::1", 64, p, 8 + len);
    CHECK(drop == WEIR_DROP_NONE && net->packet.kind == IP_CONSUMED, "v%d echo of %u is answered",
          v4 ? 4 : 6, len);
    struct ip4_head head4;
    struct icmp4_head icmp4;
    struct ip6_head head6;
    struct icmp6_head icmp6;
    if (v4)
        CHECK(net_take(net) && net_out_icmp4(net, &head4, &icmp4) && icmp4.type == 0 &&
                  icmp4.len == len && memcmp(icmp4.body, p + 8, len) == 0 &&
                  icmp4.rest ==
                      ((uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7]),
              "v4 echo of %u: the same octets come back", len);
    else
        CHECK(net_take(net) && net_out_icmp6(net, &head6, &icmp6) && icmp6.type == 129 &&
                  icmp6.len == len && memcmp(icmp6.body, p + 8, len) == 0,
              "v6 echo of %u: the same octets come back", len);
    CHECK(!net_take(net), "once");
    net_end(net);
}

static void large_echo(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    fill(p, 60008);
    p[0] = 8;
    p[1] = 0;
    net_put_sum(p, 60008, 0);
    enum weir_drop drop = WEIR_DROP_NONE;
    for (uint32_t off = 0; off < 60008; off += 1480) {
        const uint32_t len = 60008 - off < 1480 ? 60008 - off : 1480;
        drop |= net_ip4(net, &(struct ip4_head){ .src = PEER,
                                                 .dst = US,
                                                 .ttl = 64,
                                                 .proto = 1,
                                                 .id = 1,
                                                 .mf = off + len < 60008,
                                                 .frag_off = (uint16_t)off,
                                                 .payload = p + off,
                                                 .len = len });
    }
    struct ip4_head head;
    uint32_t total = 0;
    bool same = true;
    while (net_take(net) && net_out_ip4(net, &head)) {
        if (head.frag_off > 0)
            same &= memcmp(head.payload, p + head.frag_off, head.len) == 0;
        total += head.len;
    }
    CHECK(drop == WEIR_DROP_NONE && total == 60008 && same,
          "a ping of 60,000 octets in fragments is answered in fragments");
    net_end(net);
}

static void refused(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    memset(p, 0, 64);
    p[0] = 8;
    CHECK(net_icmp4(net, "192.0.2.2", "192.0.2.255", p, 16) == WEIR_DROP_ICMP_BROADCAST,
          "P-6: echo to the subnet's broadcast");
    CHECK(net_icmp4(net, "192.0.2.2", "255.255.255.255", p, 16) == WEIR_DROP_ICMP_BROADCAST,
          "P-6: echo to all");
    CHECK(net_icmp4(net, "192.0.2.2", "224.0.0.1", p, 16) == WEIR_DROP_ICMP_BROADCAST,
          "P-6: echo to all hosts");
    CHECK(net_icmp4(net, "192.0.2.255", "192.0.2.1", p, 16) == WEIR_DROP_IP_MARTIAN,
          "P-3: echo from the subnet's broadcast");
    for (uint32_t len = 0; len < 8; len++)
        CHECK(net_icmp4(net, "192.0.2.2", "192.0.2.1", p, len) == WEIR_DROP_ICMP_BAD,
              "AM-12: %u octets of ICMP", len);
    p[0] = 128;
    CHECK(net_icmp6(net, "2001:db8::2", "ff02::1", 64, p, 16) == WEIR_DROP_ICMP_BROADCAST,
          "P-6: v6 echo to all nodes");
    for (uint32_t len = 4; len < 8; len++) /* shorter, the sum would be written past the message */
        CHECK(net_icmp6(net, "2001:db8::2", "2001:db8::1", 64, p, len) == WEIR_DROP_ICMP_BAD,
              "AM-12: %u octets of ICMPv6", len);
    static const struct {
        uint8_t type, code;
        enum weir_drop drop;
    } odd[] = { { 4, 0, WEIR_DROP_ICMP_QUENCH },  { 5, 0, WEIR_DROP_ICMP_QUOTE },
                { 17, 0, WEIR_DROP_ICMP_TYPE },   { 18, 0, WEIR_DROP_ICMP_TYPE },
                { 10, 0, WEIR_DROP_ICMP_TYPE },   { 3, 16, WEIR_DROP_ICMP_TYPE },
                { 3, 0, WEIR_DROP_ICMP_QUOTE },   { 13, 0, WEIR_DROP_ICMP_BAD },
                { 255, 255, WEIR_DROP_ICMP_TYPE } };
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        memset(p, 0, 16);
        p[0] = odd[i].type;
        p[1] = odd[i].code;
        CHECK(net_icmp4(net, "192.0.2.2", "192.0.2.1", p, 16) == odd[i].drop, "type %u code %u",
              odd[i].type, odd[i].code);
    }
    p[0] = 8;
    net_put_sum(p, 16, 0);
    p[9] ^= 1;
    CHECK(net_ip4(net,
                  &(struct ip4_head){
                      .src = PEER, .dst = US, .ttl = 64, .proto = 1, .payload = p, .len = 16 }) ==
              WEIR_DROP_ICMP_CSUM,
          "a wrong sum");
    CHECK(net_drain(net) == 0, "nothing of it is answered");
    net_end(net);
}

static void timestamp(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    memset(p, 0, 20);
    p[0] = 13;
    p[4] = 7;
    p[11] = 99;
    net->now = 86400 * WEIR_SECOND + 1234 * WEIR_MS;
    CHECK(net_icmp4(net, "192.0.2.2", "192.0.2.1", p, 20) == WEIR_DROP_NONE, "the time is told");
    struct ip4_head head;
    struct icmp4_head icmp;
    struct icmp4_times times = { 0 };
    CHECK(net_take(net) && net_out_icmp4(net, &head, &icmp) && icmp.type == 14 &&
              wire_icmp4_times_parse(icmp.body, icmp.len, &times) == WIRE_OK,
          "in a timestamp reply");
    CHECK(times.originate == 99 && times.receive == (1234u | 0x80000000u) &&
              times.transmit == times.receive && icmp_id(icmp.rest) == 0x0700,
          "modulo a day, marked as not the time of day");
    net_end(net);
}

/* ---- errors out ---- */

static const uint8_t payload[600];

static enum weir_drop unknown_proto(struct net *net, const char *src, const char *dst, uint16_t off,
                                    bool more)
{
    return net_ip4(net, &(struct ip4_head){ .src = net_ip(src),
                                            .dst = net_ip(dst),
                                            .ttl = 64,
                                            .proto = 200,
                                            .mf = more,
                                            .frag_off = off,
                                            .payload = payload,
                                            .len = sizeof payload });
}

static void about_what(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    struct ip4_head head;
    struct icmp4_head icmp;
    CHECK(unknown_proto(net, "192.0.2.2", "192.0.2.1", 0, false) == WEIR_DROP_IP_PROTO &&
              net_take(net) && net_out_icmp4(net, &head, &icmp) && icmp.type == 3 && icmp.code == 2,
          "P-9: an unknown protocol: 3/2");
    CHECK(net->out_len == 14 + 576 && icmp.len == 548, "quoted up to 576 octets in all");
    CHECK(memcmp(icmp.body, net->arrived + 14, 548) == 0, "as it came");
    CHECK(unknown_proto(net, "192.0.2.2", "192.0.2.255", 0, false) == WEIR_DROP_IP_PROTO &&
              net_drain(net) == 0,
          "never about a packet to a broadcast address");

    struct ip_packet about = net->packet;
    about.group = false;
    about.dst = US;
    ip_error_port_unreachable(net->ip, &about, net->now);
    CHECK(net_take(net) && net_out_icmp4(net, &head, &icmp) && icmp.code == 3,
          "3/3 when asked for");

    net_end(net);
}

/* About ICMP itself: only about questions. */
static void about_icmp(void)
{
    struct net *net = net_start();
    for (unsigned type = 0; type < 20; type++) {
        uint8_t packet[28];
        const struct ip4_head of = { .src = PEER, .dst = US, .ttl = 64, .proto = 1, .len = 8 };
        (void)wire_ip4_emit(packet, sizeof packet, &of);
        memset(packet + 20, 0, 8);
        packet[20] = (uint8_t)type;
        net->now += 10 * WEIR_SECOND;
        const struct ip_packet icmp_packet = { .src = PEER,
                                               .dst = US,
                                               .v4 = true,
                                               .proto = 1,
                                               .packet = packet,
                                               .packet_len = sizeof packet };
        net_know_peer(net);
        net_drain(net);
        ip_error_port_unreachable(net->ip, &icmp_packet, net->now);
        const bool question = type == 0 || type == 8 || type == 13 || type == 14;
        CHECK(net_drain(net) == question, "an error about ICMP type %u: %s", type,
              question ? "may be" : "never");
    }
    net_end(net);
}

static void about_what_v6(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    uint8_t six[40 + 8];
    const struct ip6_head of = { .src = PEER6, .dst = US6, .next = 58, .len = 8 };
    (void)wire_ip6_emit(six, sizeof six, &of);
    memset(six + 40, 0, 8);
    six[40] = 1;
    const struct ip_packet error6 = {
        .src = PEER6, .dst = US6, .proto = 58, .packet = six, .packet_len = sizeof six
    };
    ip_error_port_unreachable(net->ip, &error6, net->now);
    CHECK(net_drain(net) == 0, "v6: never about an error");
    static uint8_t big[40 + 1400];
    const struct ip6_head udp = { .src = PEER6, .dst = US6, .next = 17, .len = 1400 };
    (void)wire_ip6_emit(big, sizeof big, &udp);
    const struct ip_packet packet6 = {
        .src = PEER6, .dst = US6, .proto = 17, .packet = big, .packet_len = sizeof big
    };
    ip_error_port_unreachable(net->ip, &packet6, net->now);
    struct ip6_head head6;
    struct icmp6_head icmp6;
    CHECK(net_take(net) && net_out_icmp6(net, &head6, &icmp6) && icmp6.type == 1 &&
              icmp6.code == 4 && net->out_len == 14 + 1280,
          "v6: 1/4, quoted up to 1,280 octets in all");
    net_end(net);
}

static void limits(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    unsigned sent = 0;
    for (unsigned i = 0; i < 30; i++) {
        (void)unknown_proto(net, "192.0.2.2", "192.0.2.1", 0, false);
        sent += net_drain(net);
    }
    CHECK(sent == 6, "30 at once from one: 6 errors, as Linux (%u)", sent);
    sent = 0;
    for (unsigned i = 0; i < 200; i++) {
        net->now += WEIR_SECOND / 10;
        (void)unknown_proto(net, "192.0.2.2", "192.0.2.1", 0, false);
        while (net_take(net))
            sent += net->why == WEIR_WHY_ICMP_ERROR;
    }
    CHECK(sent >= 15 && sent <= 20, "then about one a second (%u in 20 s)", sent);
    net_end(net);

    /* All together: 1,000 a second. The errors wait for their neighbours, of whom there is room for
     * all. */
    struct weir_config config;
    net_config(&config);
    config.neigh_max = 4096;
    net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    unsigned bursts[8];
    for (unsigned b = 0; b < 8; b++) {
        net->now += 2 * WEIR_SECOND;
        sent = 0;
        for (unsigned i = 0; i < 250; i++) {
            const uint8_t packet[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17 };
            const struct ip_packet about = { .src = weir_ip_v4(192, 0, 2, (uint8_t)(2 + i)),
                                             .dst = US,
                                             .v4 = true,
                                             .proto = 17,
                                             .packet = packet,
                                             .packet_len = sizeof packet };
            const uint64_t before = net->trace.count.icmp_out;
            ip_error_port_unreachable(net->ip, &about, net->now);
            sent += net->trace.count.icmp_out != before;
        }
        net_drain(net);
        bursts[b] = sent;
    }
    bool varies = false;
    for (unsigned b = 1; b < 8; b++)
        varies |= bursts[b] != bursts[0];
    CHECK(bursts[0] >= 30 && bursts[0] <= 50, "250 strangers at once: at most 50 (%u)", bursts[0]);
    CHECK(varies, "KP-10: how many is not to be foretold");
    net_end(net);
}

/* ---- errors in ---- */

/* An ICMP error of ours-to-peer quoted with `proto`; `len` octets of quote are there. */
static uint32_t error_about(uint8_t type, uint8_t code, uint32_t rest, const char *src,
                            uint8_t proto, uint32_t len)
{
    memset(p, 0, 128);
    p[0] = type;
    p[1] = code;
    p[4] = (uint8_t)(rest >> 24);
    p[5] = (uint8_t)(rest >> 16);
    p[6] = (uint8_t)(rest >> 8);
    p[7] = (uint8_t)rest;
    const struct ip4_head inner = {
        .src = net_ip(src), .dst = PEER, .ttl = 60, .proto = proto, .df = true, .len = 40
    };
    (void)wire_ip4_emit(p + 8, 20, &inner);
    p[28] = proto == 1 ? 8 : 0x12;
    p[29] = proto == 1 ? 0 : 0x34;
    p[32] = 0xab;
    p[35] = 5;
    return 8 + len;
}

static void errors_in(void)
{
    struct net *net = net_start();
    static const struct {
        uint8_t type, code;
        enum ip_icmp icmp;
    } map[] = {
        { 3, 0, IP_ICMP_NET_UNREACH },    { 3, 1, IP_ICMP_HOST_UNREACH },
        { 3, 2, IP_ICMP_PROTO_UNREACH },  { 3, 3, IP_ICMP_PORT_UNREACH },
        { 3, 4, IP_ICMP_TOO_BIG },        { 3, 5, IP_ICMP_HOST_UNREACH },
        { 3, 6, IP_ICMP_NET_UNREACH },    { 3, 7, IP_ICMP_HOST_UNREACH },
        { 3, 8, IP_ICMP_HOST_UNREACH },   { 3, 9, IP_ICMP_PROHIBITED },
        { 3, 10, IP_ICMP_PROHIBITED },    { 3, 11, IP_ICMP_NET_UNREACH },
        { 3, 12, IP_ICMP_HOST_UNREACH },  { 3, 13, IP_ICMP_PROHIBITED },
        { 3, 15, IP_ICMP_PROHIBITED },    { 11, 0, IP_ICMP_TIME_EXCEEDED },
        { 11, 1, IP_ICMP_TIME_EXCEEDED }, { 12, 0, IP_ICMP_PARAM },
    };
    const struct weir_ip us = US, peer = PEER;
    for (unsigned i = 0; i < sizeof map / sizeof map[0]; i++) {
        const uint32_t len = error_about(map[i].type, map[i].code, 1000, "192.0.2.1", 6, 28);
        CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len) == WEIR_DROP_NONE &&
                  net->packet.kind == IP_ICMP_ERROR && net->packet.icmp == map[i].icmp,
              "%u/%u is told apart", map[i].type, map[i].code);
    }
    uint32_t len = error_about(3, 4, 1000, "192.0.2.1", 6, 28);
    (void)net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len);
    CHECK(net->packet.mtu == 1000 && weir_ip_equal(&net->packet.src, &us) &&
              weir_ip_equal(&net->packet.dst, &peer) && net->packet.proto == 6 &&
              net->packet.reporter.octet[15] == 254 && net->packet.len == 8 &&
              net->packet.payload[0] == 0x12,
          "with MTU, addresses and the first octets of the quoted packet");
    len = error_about(3, 1, 0, "192.0.2.1", 1, 28);
    CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len) == WEIR_DROP_NONE &&
              net->packet.echo_id == 0xab00 && net->packet.echo_seq == 5,
          "an error about our echo request has its numbers");

    /* C-6 */
    for (uint32_t cut = 0; cut < 28; cut++) {
        len = error_about(3, 1, 0, "192.0.2.1", 6, cut);
        CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len) == WEIR_DROP_ICMP_QUOTE,
              "C-6: a quote of %u octets", cut);
    }
    len = error_about(3, 1, 0, "192.0.2.7", 6, 28);
    CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len) == WEIR_DROP_ICMP_QUOTE,
          "C-6: about a packet that we did not send");
    len = error_about(3, 1, 0, "192.0.2.1", 47, 28);
    CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.1", p, len) == WEIR_DROP_ICMP_QUOTE,
          "C-6: about a protocol we do not speak");
    len = error_about(3, 1, 0, "192.0.2.1", 6, 28);
    CHECK(net_icmp4(net, "192.0.2.254", "192.0.2.255", p, len) == WEIR_DROP_ICMP_BROADCAST,
          "C-6: sent to everybody");
    CHECK(net_drain(net) == 0, "an error is never answered");
    net_end(net);
}

static void errors_in_v6(void)
{
    struct net *net = net_start();
    static const struct {
        uint8_t type, code;
        enum ip_icmp icmp;
    } map[] = {
        { 1, 0, IP_ICMP_NET_UNREACH },   { 1, 1, IP_ICMP_PROHIBITED },
        { 1, 2, IP_ICMP_HOST_UNREACH },  { 1, 3, IP_ICMP_HOST_UNREACH },
        { 1, 4, IP_ICMP_PORT_UNREACH },  { 1, 5, IP_ICMP_PROHIBITED },
        { 1, 6, IP_ICMP_PROHIBITED },    { 2, 0, IP_ICMP_TOO_BIG },
        { 3, 0, IP_ICMP_TIME_EXCEEDED }, { 4, 0, IP_ICMP_PARAM },
        { 4, 1, IP_ICMP_PROTO_UNREACH }, { 4, 2, IP_ICMP_PARAM },
    };
    for (unsigned i = 0; i < sizeof map / sizeof map[0]; i++) {
        memset(p, 0, 128);
        p[0] = map[i].type;
        p[1] = map[i].code;
        p[6] = 5; /* 1,280 */
        const struct ip6_head inner = { .src = US6, .dst = PEER6, .next = 17, .len = 20 };
        (void)wire_ip6_emit(p + 8, 40, &inner);
        CHECK(net_icmp6(net, "2001:db8::fe", "2001:db8::1", 64, p, 8 + 40 + 8) == WEIR_DROP_NONE &&
                  net->packet.kind == IP_ICMP_ERROR && net->packet.icmp == map[i].icmp &&
                  net->packet.mtu == (map[i].type == 2 ? 1280u : 0u),
              "v6 %u/%u is told apart", map[i].type, map[i].code);
    }
    net_end(net);
}

static void echo_replies(void)
{
    struct net *net = net_start();
    struct ip_packet packet;
    memset(p, 0, 16);
    p[5] = 9;
    p[7] = 4;
    CHECK(net_icmp4(net, "192.0.2.2", "192.0.2.1", p, 16) == WEIR_DROP_NONE &&
              net->packet.kind == IP_ECHO_REPLY && net->packet.echo_id == 9 &&
              net->packet.echo_seq == 4 && net->packet.len == 8,
          "an echo reply is handed up");

    /* A ping to ourselves: question and answer go through the loop. */
    uint8_t head[8] = { 8, 0, 0, 0, 0, 3, 0, 1 };
    const struct ip_send send = { .dst = US,
                                  .proto = IP_PROTO_ICMP,
                                  .head = head,
                                  .head_len = 8,
                                  .data = payload,
                                  .len = 100,
                                  .csum_offset = 2 };
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK, "a ping to ourselves");
    CHECK(ip_loop_next(net->ip, &packet, net->now) && packet.kind == IP_ECHO_REPLY &&
              packet.echo_id == 3 && packet.len == 100,
          "is answered by ourselves");
    CHECK(!ip_loop_next(net->ip, &packet, net->now) && net_drain(net) == 0, "and never on a wire");
    net_end(net);
}

static void ring_full(void)
{
    struct weir_config config;
    net_config(&config);
    config.reply_octets = 8192;
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    (void)net_arp(net, ARP_REQUEST, net_peer_mac, "192.0.2.2", "192.0.2.1");
    net_drain(net);
    unsigned answered = 0, full = 0;
    for (unsigned i = 0; i < 20; i++) {
        memset(p, 0, 1008);
        p[0] = 8;
        const enum weir_drop drop = net_icmp4(net, "192.0.2.2", "192.0.2.1", p, 1008);
        answered += drop == WEIR_DROP_NONE;
        full += drop == WEIR_DROP_REPLY_FULL;
    }
    CHECK(answered + full == 20 && answered >= 5 && full > 0, "%u answered, then the ring is full",
          answered);
    CHECK(net_drain(net) == answered, "what was answered leaves");
    net_end(net);
}

int main(void)
{
    static const uint32_t sizes[] = { 0, 1, 7, 56, 1400 };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        echo(true, sizes[i]);
        echo(false, sizes[i]);
    }
    large_echo();
    refused();
    timestamp();
    about_what();
    about_icmp();
    about_what_v6();
    limits();
    errors_in();
    errors_in_v6();
    echo_replies();
    ring_full();
    return tap_done();
}
