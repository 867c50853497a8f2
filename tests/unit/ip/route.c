/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* Routes, the choice of a source, path MTU, redirects. */

static void put(struct net *net, const char *prefix, unsigned len, const char *gateway,
                unsigned iface, unsigned metric)
{
    const struct weir_ip to = net_ip(prefix);
    struct weir_ip via = { 0 };
    if (gateway != NULL)
        via = net_ip(gateway);
    if (ip_route_add(net->ip, &to, len, gateway != NULL ? &via : NULL, iface, metric) != WEIR_OK)
        abort();
}

static const char *via(struct net *net, const char *dst)
{
    static char text[WEIR_IP_TEXT_MAX];
    const struct weir_ip to = net_ip(dst);
    const struct ip_route *route = route_find(net->ip, &to, 0);
    if (route == NULL)
        return "nowhere";
    return route->has_gateway ? weir_ip_text(&route->gateway, text) : "the link";
}

static void longest_prefix(void)
{
    struct net *net = net_start();
    unsigned second;
    struct weir_iface_config config = { .medium = WEIR_IP_ONLY, .mtu = 9000 };
    CHECK(ip_iface_add(net->ip, &config, &second, net->now) == WEIR_OK, "a second interface");
    put(net, "0.0.0.0", 0, "192.0.2.254", 0, 10);
    put(net, "10.0.0.0", 8, "192.0.2.10", 0, 10);
    put(net, "10.1.0.0", 16, "192.0.2.11", 0, 20);
    put(net, "10.1.0.0", 16, "192.0.2.12", 0, 10);
    put(net, "10.1.0.0", 16, "192.0.2.13", 0, 10);
    put(net, "::", 0, "2001:db8::fe", 0, 0);
    put(net, "2001:db8:1::", 48, NULL, second, 0);
    static const struct {
        const char *dst, *via;
    } rows[] = {
        { "8.8.8.8", "192.0.2.254" },        { "10.2.3.4", "192.0.2.10" },
        { "10.1.3.4", "192.0.2.12" },        { "192.0.2.77", "the link" },
        { "2001:db8::77", "the link" },      { "2001:db8:1::1", "the link" },
        { "2001:db8:2::1", "2001:db8::fe" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(strcmp(via(net, rows[i].dst), rows[i].via) == 0, "%s through %s", rows[i].dst,
              rows[i].via);
    struct weir_ip src = { 0 };
    const struct weir_ip far = net_ip("2001:db8:1::1");
    struct ip_path path;
    CHECK(ip_path_find(net->ip, &src, &far, 0, &path, net->now) == WEIR_OK &&
              path.iface == second && path.mtu == 9000 &&
              ip_path_ready(net->ip, &path, &far, POOL_NONE, net->now) == IP_READY,
          "without neighbours a path is ready at once");
    uint8_t head[WEIR_HEAD_MAX];
    CHECK(net_head(net, &path, &src, &far, 100, head) == 40 && head[0] == 0x60,
          "and its packets have no link header");
    const struct weir_ip prefix = net_ip("10.0.0.0");
    CHECK(ip_route_add(net->ip, &prefix, 33, NULL, 0, 0) == WEIR_INVALID &&
              ip_route_add(net->ip, &prefix, 8, NULL, 7, 0) == WEIR_INVALID &&
              ip_route_add(net->ip, &prefix, 8, &far, 0, 0) == WEIR_INVALID,
          "what makes no sense is refused");
    unsigned added = 0;
    while (added < 100) {
        const struct weir_ip to = weir_ip_v4(11, (uint8_t)added, 0, 0);
        if (ip_route_add(net->ip, &to, 16, NULL, 0, 0) != WEIR_OK)
            break;
        added++;
    }
    CHECK(net->ip->route_count == net->config.route_max && added < 100, "a full table says so");
    net_end(net);
}

static void refused_sources(struct net *net)
{
    struct weir_ip src = net_ip("192.0.2.77");
    const struct weir_ip peer = PEER, any = { 0 };
    struct ip_path path;
    CHECK(ip_path_find(net->ip, &src, &peer, 0, &path, net->now) == WEIR_NET_UNREACH,
          "a source that is not ours");
    src = net_ip("2001:db8::77");
    const struct weir_ip peer6 = net_ip("2001:db8::2");
    CHECK(ip_path_find(net->ip, &src, &peer6, 0, &path, net->now) == WEIR_OK,
          "which of IPv6 may have been once");
    src = net_ip("127.0.0.1");
    CHECK(ip_path_find(net->ip, &src, &peer, 0, &path, net->now) == WEIR_NOT_LOCAL,
          "loopback as a source for the wire");
    src = US6;
    CHECK(ip_path_find(net->ip, &src, &peer, 0, &path, net->now) == WEIR_NOT_LOCAL,
          "a source of the other family");
    src = any;
    CHECK(ip_path_find(net->ip, &src, &any, 0, &path, net->now) == WEIR_NET_UNREACH, "to nowhere");
    CHECK(ip_path_find(net->ip, &src, &peer, 5, &path, net->now) == WEIR_NET_UNREACH,
          "over an interface that is not there");
}

static void sources(void)
{
    struct net *net = net_start();
    net_address(net, "10.0.0.1", 8);
    net_address(net, "192.0.2.3", 24);
    net_address(net, "2001:db8::3", 64);
    net_address(net, "2001:db8:7::1", 64);
    net_address(net, "fe80::1", 64);
    put(net, "::", 0, "fe80::fe", 0, 0);
    put(net, "0.0.0.0", 0, "192.0.2.254", 0, 0);
    static const struct {
        const char *dst, *src;
    } rows[] = {
        { "192.0.2.9", "192.0.2.1" },
        { "10.9.9.9", "10.0.0.1" },
        { "2001:db8::9", "2001:db8::1" },
        { "2001:db8:7::9", "2001:db8:7::1" },
        { "fe80::9", "fe80::1" },
        { "ff02::fb", "fe80::1" },
        { "127.0.0.9", "127.0.0.1" },
        { "::1", "::1" },
        { "2001:db8:7::1", "2001:db8:7::1" },
        { "192.0.2.1", "192.0.2.1" },
        { "255.255.255.255", "192.0.2.1" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_ip src = { 0 };
        const struct weir_ip dst = net_ip(rows[i].dst), want = net_ip(rows[i].src);
        struct ip_path path;
        CHECK(ip_path_find(net->ip, &src, &dst, 0, &path, net->now) == WEIR_OK &&
                  weir_ip_equal(&src, &want),
              "to %s from %s", rows[i].dst, rows[i].src);
    }
    refused_sources(net);
    struct weir_ip src = { 0 };
    const struct weir_ip peer = PEER;
    struct ip_path path;
    (void)ip_path_find(net->ip, &src, &peer, 0, &path, net->now);
    CHECK(ip_path_valid(net->ip, &path), "a path is valid");
    const struct weir_ip ten = net_ip("10.0.0.1");
    CHECK(ip_address_remove(net->ip, 0, &ten, net->now) == WEIR_OK &&
              !ip_path_valid(net->ip, &path),
          "until an address goes");
    CHECK(strcmp(via(net, "10.9.9.9"), "192.0.2.254") == 0, "its route goes with it");
    CHECK(ip_address_remove(net->ip, 0, &ten, net->now) == WEIR_NOT_LOCAL, "it cannot go twice");
    const struct weir_ip us = US;
    CHECK(ip_address_add(net->ip, 0, &us, 24, net->now) == WEIR_IN_USE, "nor be ours twice");
    static const char *const wrong[] = { "127.0.0.1", "224.0.0.1", "255.255.255.255",
                                         "0.0.0.0",   "::1",       "ff02::1",
                                         "::" };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct weir_ip ip = net_ip(wrong[i]);
        CHECK(ip_address_add(net->ip, 0, &ip, 24, net->now) == WEIR_INVALID, "%s cannot be ours",
              wrong[i]);
    }
    net_end(net);
}

static void path_mtu(void)
{
    struct net *net = net_start();
    const struct weir_ip peer = PEER, peer6 = PEER6;
    struct weir_ip src = { 0 };
    struct ip_path path;
    (void)ip_path_find(net->ip, &src, &peer, 0, &path, net->now);
    (void)ip_pmtu_lower(net->ip, &peer, 1450, net->now);
    CHECK(!ip_path_valid(net->ip, &path), "a path that became narrower is found again");
    /* C-3 and C-4: what Linux does. */
    static const struct {
        const char *dst;
        uint32_t mtu;
        uint16_t in_force;
    } rows[] = {
        { "192.0.2.10", 0, 552 },       { "192.0.2.11", 68, 552 },
        { "192.0.2.12", 551, 552 },     { "192.0.2.13", 552, 552 },
        { "192.0.2.14", 1000, 1000 },   { "192.0.2.15", 1500, 1500 },
        { "192.0.2.16", 65535, 1500 },  { "2001:db8::10", 1279, 1500 },
        { "2001:db8::11", 1400, 1400 }, { "2001:db8::12", 1280, 1280 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct weir_ip dst = net_ip(rows[i].dst);
        CHECK(ip_pmtu_lower(net->ip, &dst, rows[i].mtu, net->now) == rows[i].in_force &&
                  ip_pmtu(net->ip, &dst, 0) == rows[i].in_force,
              "C-3: told %u, used %u", rows[i].mtu, rows[i].in_force);
    }
    CHECK(net->ip->pmtu.pool.used == net->config.pmtu_max, "the table is full, the oldest went");

    (void)ip_pmtu_lower(net->ip, &peer, 1400, net->now);
    (void)ip_path_find(net->ip, &src, &peer, 0, &path, net->now);
    CHECK(path.mtu == 1400, "with its MTU");
    CHECK(ip_pmtu_lower(net->ip, &peer, 1450, net->now) == 1400, "a wider one is not believed");
    net_pass(net, 599 * WEIR_SECOND);
    CHECK(ip_pmtu(net->ip, &peer, 0) == 1400, "for ten minutes");
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(ip_pmtu(net->ip, &peer, 0) == 1500 && !ip_path_valid(net->ip, &path),
          "then it is forgotten");
    CHECK(net->ip->pmtu.pool.used == 0, "with all the others");

    net_know_peer(net);
    (void)ip_pmtu_lower(net->ip, &peer, 600, net->now);
    (void)ip_pmtu_lower(net->ip, &peer6, 1300, net->now);
    CHECK(net_send(net, "192.0.2.2", 1000) == WEIR_OK && net_drain(net) == 2,
          "datagrams are cut to it");
    CHECK(net_send(net, "2001:db8::2", 1300) == WEIR_OK && net_drain(net) == 2, "in IPv6 too");
    net->ip->pmtu.pool.fail_at = 1;
    const struct weir_ip other = net_ip("192.0.2.3");
    CHECK(ip_pmtu_lower(net->ip, &other, 1000, net->now) == 1500,
          "without memory all stays as it is");
    net_end(net);
}

static enum weir_drop redirect(struct net *net, const char *from, const char *gateway,
                               const char *dst)
{
    uint8_t p[8 + 28] = { 5, 1 };
    const struct weir_ip via_ip = net_ip(gateway);
    memcpy(p + 4, via_ip.octet + 12, 4);
    const struct ip4_head inner = {
        .src = US, .dst = net_ip(dst), .ttl = 60, .proto = 6, .len = 8
    };
    (void)wire_ip4_emit(p + 8, 20, &inner);
    return net_icmp4(net, from, "192.0.2.1", p, sizeof p);
}

/* N-5 */
static void redirects(void)
{
    struct net *net = net_start();
    put(net, "0.0.0.0", 0, "192.0.2.254", 0, 0);
    CHECK(redirect(net, "192.0.2.254", "192.0.2.253", "8.8.8.8") == WEIR_DROP_REDIRECT_IGNORED,
          "N-5: ignored by default, even from the gateway");
    CHECK(strcmp(via(net, "8.8.8.8"), "192.0.2.254") == 0, "N-5: the route stays");
    uint8_t p6[40] = { 137 };
    const struct weir_ip dst = net_ip("2001:db8:9::1"), target = net_ip("fe80::fd");
    memcpy(p6 + 8, target.octet, 16);
    memcpy(p6 + 24, dst.octet, 16);
    CHECK(net_icmp6(net, "fe80::fe", "2001:db8::1", 255, p6, 40) == WEIR_DROP_REDIRECT_IGNORED,
          "N-5: the same in IPv6");
    CHECK(net_icmp6(net, "fe80::fe", "2001:db8::1", 64, p6, 40) == WEIR_DROP_ND_BAD,
          "N-3: and one from far away is not even read");
    net_end(net);

    struct weir_config config;
    net_config(&config);
    config.accept_redirects = true;
    net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    net_address(net, "2001:db8::1", 64);
    net_address(net, "fe80::1", 64);
    put(net, "0.0.0.0", 0, "192.0.2.254", 0, 0);
    put(net, "::", 0, "fe80::fe", 0, 0);
    CHECK(redirect(net, "192.0.2.66", "192.0.2.253", "8.8.8.8") == WEIR_DROP_REDIRECT_IGNORED,
          "N-5: not from who is no gateway");
    CHECK(redirect(net, "192.0.2.254", "10.0.0.1", "8.8.8.8") == WEIR_DROP_REDIRECT_IGNORED,
          "N-5: not to who is not on the link");
    CHECK(redirect(net, "192.0.2.254", "192.0.2.1", "8.8.8.8") == WEIR_DROP_REDIRECT_IGNORED,
          "N-5: not to ourselves");
    CHECK(redirect(net, "192.0.2.254", "192.0.2.253", "8.8.8.8") == WEIR_DROP_NONE &&
              strcmp(via(net, "8.8.8.8"), "192.0.2.253") == 0 &&
              strcmp(via(net, "8.8.8.9"), "192.0.2.254") == 0,
          "if wanted, a redirect moves one destination");
    CHECK(net_icmp6(net, "fe80::fe", "2001:db8::1", 255, p6, 40) == WEIR_DROP_NONE &&
              strcmp(via(net, "2001:db8:9::1"), "fe80::fd") == 0,
          "in IPv6 too");
    net_pass(net, 600 * WEIR_SECOND);
    CHECK(strcmp(via(net, "8.8.8.8"), "192.0.2.254") == 0, "for ten minutes");
    net_end(net);
}

static void broadcasts(void)
{
    struct net *net = net_start();
    const uint8_t head[8] = { 0 };
    struct ip_send send = {
        .dst = net_ip("192.0.2.255"), .proto = 17, .head = head, .head_len = 8, .csum_offset = 6
    };
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_ACCESS, "broadcast needs leave");
    send.broadcast_ok = true;
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK && net_take(net) &&
              memcmp(net->out, net_broadcast, ETH_ADDR) == 0,
          "and goes to all stations, unasked");
    send.dst = net_ip("255.255.255.255");
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK && net_take(net) &&
              memcmp(net->out, net_broadcast, ETH_ADDR) == 0,
          "so does that of all networks");
    send.dst = net_ip("224.0.0.251");
    static const uint8_t mdns[ETH_ADDR] = { 1, 0, 0x5e, 0, 0, 0xfb };
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK && net_take(net) &&
              memcmp(net->out, mdns, ETH_ADDR) == 0,
          "a group has a station address of its own");
    const struct weir_ip yes = net_ip("192.0.2.255"), no = net_ip("192.0.2.254"),
                         six = net_ip("ff05::2");
    CHECK(ip_is_group(net->ip, &yes) && !ip_is_group(net->ip, &no) && ip_is_group(net->ip, &six),
          "groups are told apart");
    send.dst = PEER;
    send.dont_fragment = true;
    send.data = head;
    static const uint8_t large[2000];
    send.data = large;
    send.len = sizeof large;
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_TOO_LONG,
          "what must not be cut is refused if it does not fit");
    net_end(net);
}

/* RFC 768: a sum that comes out as 0 is sent as all ones. */
static void zero_sum(void)
{
    struct net *net = net_start();
    net_know_peer(net);
    const uint8_t head[8] = { 0, 1, 0, 2, 0, 10 };
    uint8_t data[2] = { 0, 0 };
    const struct weir_ip us = US, peer = PEER;
    csum32 sum = ip_pseudo_sum(&us, &peer, 17, 10);
    const uint16_t rest = csum_fold(csum_add(sum, head, sizeof head));
    data[0] = (uint8_t)(rest >> 8);
    data[1] = (uint8_t)rest;
    struct ip_send send = { .dst = peer,
                            .proto = 17,
                            .head = head,
                            .head_len = 8,
                            .data = data,
                            .len = 2,
                            .csum_offset = 6,
                            .udp_zero_rule = true };
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK && net_take(net) &&
              net->out[14 + 26] == 0xff && net->out[14 + 27] == 0xff,
          "D-2: for UDP");
    send.udp_zero_rule = false;
    CHECK(ip_packet_send(net->ip, &send, net->now) == WEIR_OK && net_take(net) &&
              net->out[14 + 26] == 0 && net->out[14 + 27] == 0,
          "D-2: for others it stays 0");
    net_end(net);
}

static void ring_turns(void)
{
    struct weir_config config;
    net_config(&config);
    config.reply_octets = 8192;
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    (void)net_arp(net, ARP_REQUEST, net_peer_mac, "192.0.2.2", "192.0.2.1");
    net_drain(net);
    unsigned sent = 0;
    struct weir_out out;
    for (unsigned i = 0; i < 1000; i++) {
        ip_call_begins(net->ip);
        sent += net_send(net, "192.0.2.2", 1000) == WEIR_OK &&
                net_send(net, "192.0.2.2", 900) == WEIR_OK;
        while (ip_reply_next(net->ip, 0, &out))
            ;
    }
    CHECK(sent == 1000, "what the driver took makes room at the next call (%u)", sent);
    unsigned kept = 0;
    while (net_send(net, "192.0.2.2", 1000) == WEIR_OK && kept < 100) {
        kept++;
        while (ip_reply_next(net->ip, 0, &out))
            ;
    }
    CHECK(kept < 10, "but not before it (%u)", kept);
    net_end(net);
}

static void loop(void)
{
    struct net *net = net_start();
    struct ip_packet packet;
    struct weir_out out = { 0 };
    struct weir_ip src = { 0 };
    const struct weir_ip us = US;
    struct ip_path path;
    (void)ip_path_find(net->ip, &src, &us, 0, &path, net->now);
    CHECK(path.loopback && ip_path_ready(net->ip, &path, &us, 0, net->now) == IP_READY &&
              ip_path_csum_offload(net->ip, &path) && !ip_path_tso(net->ip, &path),
          "the path to ourselves is ready, and sums nothing");
    uint8_t segment[500] = { 1, 2, 3 };
    out.head_len = (uint16_t)net_head(net, &path, &src, &us, 520, out.head);
    memset(out.head + out.head_len, 7, 20);
    out.head_len = (uint16_t)(out.head_len + 20);
    out.span_count = 1;
    out.span[0] = (struct weir_span){ segment, sizeof segment };
    unsigned puts = 0;
    while (ip_loop_put(net->ip, &out, net->now))
        puts++;
    CHECK(puts > 500, "segments to ourselves wait in a ring with an end (%u)", puts);
    unsigned gets = 0;
    bool good = true;
    while (ip_loop_next(net->ip, &packet, net->now)) {
        good &= packet.kind == IP_TCP && packet.csum_ok && packet.len == 520 && packet.loopback &&
                memcmp(packet.payload + 20, segment, sizeof segment) == 0;
        gets++;
    }
    CHECK(good && gets == puts, "and come back as they were");
    good = true;
    for (unsigned i = 0; i < 2000; i++)
        good &= ip_loop_put(net->ip, &out, net->now) && ip_loop_put(net->ip, &out, net->now) &&
                ip_loop_next(net->ip, &packet, net->now) &&
                ip_loop_next(net->ip, &packet, net->now);
    CHECK(good, "for ever, one after the other");
    net_end(net);
}

int main(void)
{
    longest_prefix();
    sources();
    path_mtu();
    redirects();
    broadcasts();
    zero_sum();
    ring_turns();
    loop();
    return tap_done();
}
