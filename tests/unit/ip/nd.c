/* SPDX-License-Identifier: MIT */
#include "frames.h"

/* Neighbour discovery, duplicate address detection and stateless addresses. */

static struct net *start(bool slaac)
{
    struct weir_config config;
    net_config(&config);
    struct net *net = net_begin(&config);
    (void)net_iface(net, true, slaac);
    return net;
}

static bool info_of(struct net *net, const char *text, struct weir_address_info *info)
{
    const struct weir_ip ip = net_ip(text);
    for (unsigned i = 0; ip_address_info(net->ip, i, info); i++)
        if (weir_ip_equal(&info->ip, &ip))
            return true;
    return false;
}

static unsigned count_of(struct net *net, bool from_router)
{
    struct weir_address_info info;
    unsigned count = 0;
    for (unsigned i = 0; ip_address_info(net->ip, i, &info); i++)
        count += info.from_router == from_router;
    return count;
}

static void solicit_and_flush(void)
{
    struct net *net = net_start();
    struct ip6_head head;
    struct nd_message ns;
    CHECK(net_send(net, "2001:db8::2", 100) == WEIR_OK,
          "a packet to an unknown neighbour is taken");
    CHECK(net_take(net) && net_out_nd(net, &head, &ns) && ns.type == ICMP6_NS,
          "a solicitation leaves");
    const struct weir_ip group = net_ip("ff02::1:ff00:2"), peer = PEER6, us = US6;
    CHECK(weir_ip_equal(&head.dst, &group) && weir_ip_equal(&ns.target, &peer) &&
              weir_ip_equal(&head.src, &us) && head.hop_limit == 255,
          "to the solicited-node group, hop limit 255");
    CHECK((ns.has & ND_HAS_SLLA) && memcmp(ns.slla, net_mac, ETH_ADDR) == 0,
          "it names our station");
    CHECK(net->out[0] == 0x33 && net->out[5] == 2, "in a frame to that group");

    struct nd_message na = {
        .type = ICMP6_NA, .solicited = true, .override = true, .target = peer, .has = ND_HAS_TLLA
    };
    memcpy(na.tlla, net_peer_mac, ETH_ADDR);
    CHECK(net_nd(net, "2001:db8::2", "2001:db8::1", &na) == WEIR_DROP_NONE,
          "the answer is believed");
    CHECK(net_take(net) && memcmp(net->out, net_peer_mac, ETH_ADDR) == 0, "then the packet leaves");
    memcpy(na.tlla, net_other_mac, ETH_ADDR);
    CHECK(net_nd(net, "2001:db8::2", "2001:db8::1", &na) == WEIR_DROP_ND_UNSOLICITED,
          "a second answer that names another station is not");
    na.target = net_ip("2001:db8::77");
    CHECK(net_nd(net, "2001:db8::77", "2001:db8::1", &na) == WEIR_DROP_ND_UNSOLICITED,
          "nor one about whom we never asked");
    net_end(net);
}

static void answers(void)
{
    struct net *net = net_start();
    struct ip6_head head;
    struct nd_message na;
    struct nd_message ns = { .type = ICMP6_NS, .target = US6, .has = ND_HAS_SLLA };
    memcpy(ns.slla, net_peer_mac, ETH_ADDR);
    CHECK(net_nd(net, "2001:db8::2", "ff02::1:ff00:1", &ns) == WEIR_DROP_NONE,
          "asked by the group");
    CHECK(net_take(net) && net_out_nd(net, &head, &na) && na.type == ICMP6_NA && na.solicited &&
              na.override && !na.router && (na.has & ND_HAS_TLLA),
          "we answer: solicited, override, no router, our station");
    CHECK(memcmp(net->out, net_peer_mac, ETH_ADDR) == 0, "to who asked");
    ns.has = 0;
    CHECK(net_nd(net, "::", "ff02::1:ff00:1", &ns) == WEIR_DROP_NONE && net_take(net) &&
              net_out_nd(net, &head, &na) && !na.solicited && head.dst.octet[15] == 1,
          "a probe for our address is answered to all nodes");
    CHECK(net_nd(net, "2001:db8::2", "2001:db8::1", &ns) == WEIR_DROP_NONE && net_take(net),
          "without a station named, the one we know is answered");
    ns.target = net_ip("2001:db8::5");
    CHECK(net_nd(net, "2001:db8::2", "2001:db8::1", &ns) == WEIR_DROP_ND_NOT_OURS,
          "who asks for another is not answered");
    net_end(net);
}

/* N-3 (RFC 4861, 7.1). */
static void validity(void)
{
    struct net *net = net_start();
    uint8_t p[128];
    struct nd_message ns = { .type = ICMP6_NS, .target = US6, .has = ND_HAS_SLLA };
    memcpy(ns.slla, net_peer_mac, ETH_ADDR);
    uint32_t len = (uint32_t)wire_nd_emit(p, sizeof p, &ns);
    CHECK(net_icmp6(net, "2001:db8::2", "2001:db8::1", 254, p, len) == WEIR_DROP_ND_BAD,
          "hop limit 254");
    p[1] = 1;
    CHECK(net_icmp6(net, "2001:db8::2", "2001:db8::1", 255, p, len) == WEIR_DROP_ND_BAD, "code 1");
    p[1] = 0;
    p[25] = 0;
    CHECK(net_icmp6(net, "2001:db8::2", "2001:db8::1", 255, p, len) == WEIR_DROP_ND_BAD,
          "an option of length 0");
    CHECK(net_icmp6(net, "2001:db8::2", "2001:db8::1", 255, p, 20) == WEIR_DROP_ND_BAD,
          "too short");
    CHECK(net_nd(net, "::", "ff02::1:ff00:1", &ns) == WEIR_DROP_ND_BAD,
          "a probe that names a station");
    ns.has = 0;
    CHECK(net_nd(net, "::", "2001:db8::1", &ns) == WEIR_DROP_IP_MARTIAN, "a probe to one host");
    struct nd_message ra = { .type = ICMP6_RA, .lifetime_s = 100 };
    CHECK(net_nd(net, "2001:db8::2", "ff02::1", &ra) == WEIR_DROP_ND_BAD,
          "a router that is not on the link");
    CHECK(net_nd(net, "fe80::fe", "ff02::1", &ra) == WEIR_DROP_RA_IGNORED,
          "a router where none is wanted");
    struct nd_message na = { .type = ICMP6_NA, .solicited = true, .target = PEER6 };
    CHECK(net_nd(net, "2001:db8::2", "ff02::1", &na) == WEIR_DROP_ND_BAD, "solicited, but to all");
    struct nd_message rs = { .type = ICMP6_RS };
    CHECK(net_nd(net, "fe80::2", "ff02::1", &rs) == WEIR_DROP_ND_NOT_OURS, "a router is asked for");
    CHECK(net_drain(net) == 0, "nothing of it is answered");
    net_end(net);
}

static void dad(void)
{
    struct net *net = start(false);
    struct ip6_head head;
    struct nd_message ns;
    struct weir_address_info info;
    const struct weir_ip us = US6;
    net_address(net, "2001:db8::1", 64);
    CHECK(info_of(net, "2001:db8::1", &info) && info.tentative && !ip_is_local(net->ip, &us),
          "a new address is tentative");
    CHECK(net_take(net) && net_out_nd(net, &head, &ns) && ip_is_any(&head.src) && ns.has == 0 &&
              weir_ip_equal(&ns.target, &us),
          "it is asked for from nobody");
    struct nd_message ask = { .type = ICMP6_NS, .target = us, .has = ND_HAS_SLLA };
    memcpy(ask.slla, net_peer_mac, ETH_ADDR);
    CHECK(net_nd(net, "2001:db8::2", "ff02::1:ff00:1", &ask) == WEIR_DROP_ND_NOT_OURS &&
              net_drain(net) == 0,
          "while tentative it is not answered for");
    CHECK(net_send(net, "2001:db8::2", 1) == WEIR_NET_UNREACH, "nor sent from");
    const uint32_t version = net->ip->version;
    net_pass(net, 1 * WEIR_SECOND);
    CHECK(ip_is_local(net->ip, &us) && net->ip->version != version, "after a second it is ours");

    /* N-6 */
    net_address(net, "2001:db8::3", 64);
    struct nd_message na = {
        .type = ICMP6_NA, .override = true, .target = net_ip("2001:db8::3"), .has = ND_HAS_TLLA
    };
    memcpy(na.tlla, net_other_mac, ETH_ADDR);
    CHECK(net_nd(net, "2001:db8::3", "ff02::1", &na) == WEIR_DROP_ND_DUPLICATE,
          "N-6: another station has it");
    net_pass(net, 10 * WEIR_SECOND);
    CHECK(info_of(net, "2001:db8::3", &info) && info.duplicate && !info.tentative,
          "N-6: it is a duplicate for good");
    const struct weir_ip three = net_ip("2001:db8::3");
    CHECK(!ip_is_local(net->ip, &three), "N-6: and never ours");

    net_drain(net);
    net_address(net, "2001:db8::4", 64);
    ask.has = 0;
    ask.target = net_ip("2001:db8::4");
    CHECK(net_nd(net, "::", "ff02::1:ff00:4", &ask) == WEIR_DROP_ND_DUPLICATE,
          "two that ask for the same at once both have a duplicate");
    na.target = us;
    CHECK(net_nd(net, "2001:db8::66", "ff02::1", &na) == WEIR_DROP_ND_DUPLICATE &&
              net_nd(net, "2001:db8::1", "ff02::1", &na) == WEIR_DROP_IP_MARTIAN &&
              ip_is_local(net->ip, &us),
          "an address that is through stays ours");
    net_end(net);
}

static struct nd_message advert(const char *prefix, uint32_t valid, uint32_t preferred)
{
    struct nd_message ra = { .type = ICMP6_RA, .lifetime_s = 1800, .has = ND_HAS_SLLA };
    memcpy(ra.slla, net_router_mac, ETH_ADDR);
    ra.prefix_count = 1;
    ra.prefix[0] = (struct nd_prefix){ .prefix = net_ip(prefix),
                                       .len = 64,
                                       .on_link = true,
                                       .autonomous = true,
                                       .valid_s = valid,
                                       .preferred_s = preferred };
    return ra;
}

static enum weir_drop advertise(struct net *net, const struct nd_message *ra)
{
    return net_nd(net, "fe80::fe", "ff02::1", ra);
}

static void slaac(void)
{
    struct net *net = start(true);
    struct ip6_head head;
    struct nd_message message;
    net_pass(net, 3 * WEIR_SECOND);
    unsigned asked = 0;
    while (net_take(net))
        asked += net_out_nd(net, &head, &message) && message.type == ICMP6_RS;
    CHECK(asked == 1, "a router is asked for once the link-local address is through");
    CHECK(count_of(net, false) == 1, "the link-local address is there");

    struct nd_message ra = advert("2001:db8:5::", 86400, 14400);
    ra.hop_limit = 33;
    ra.has |= ND_HAS_MTU;
    ra.mtu = 1400;
    CHECK(advertise(net, &ra) == WEIR_DROP_NONE, "a router answers");
    CHECK(count_of(net, true) == 1, "an address is formed");
    CHECK(net->ip->iface[0].hop_limit == 33 && net->ip->iface[0].mtu6 == 1400,
          "hop limit and MTU taken");
    CHECK(net->ip->iface[0].mtu == NET_MTU, "IPv4 keeps its MTU");
    net_pass(net, 1 * WEIR_SECOND);
    net_drain(net);
    net_pass(net, 100 * WEIR_SECOND);
    CHECK(net_drain(net) == 0, "no router is asked for any more");
    CHECK(net_send(net, "2001:db8:9::1", 10) == WEIR_OK && net_take(net) &&
              memcmp(net->out, net_router_mac, ETH_ADDR) == 0,
          "what is far away goes to the router");
    CHECK(net_send(net, "2001:db8:5::77", 10) == WEIR_OK && net_take(net) && net->out[0] == 0x33,
          "what is on the link is asked for");

    /* The two-hour rule. */
    ra = advert("2001:db8:5::", 10, 10);
    (void)advertise(net, &ra);
    net_pass(net, 7199 * WEIR_SECOND);
    CHECK(count_of(net, true) == 1, "one advertisement does not end an address within two hours");
    net_pass(net, 2 * WEIR_SECOND);
    CHECK(count_of(net, true) == 0, "but after them");
    CHECK(net_send(net, "2001:db8:9::1", 10) == WEIR_NET_UNREACH,
          "the router's lifetime is over too");
    net_end(net);
}

/* N-4 */
static void hostile_adverts(void)
{
    struct net *net = start(true);
    net_pass(net, 3 * WEIR_SECOND);
    for (unsigned i = 0; i < 1000; i++) {
        struct nd_message ra = advert("2001:db8::", 86400, 14400);
        ra.prefix[0].prefix.octet[6] = (uint8_t)(i >> 8);
        ra.prefix[0].prefix.octet[7] = (uint8_t)i;
        char router[WEIR_IP_TEXT_MAX];
        struct weir_ip ip = net_ip("fe80::");
        ip.octet[14] = (uint8_t)(i >> 8);
        ip.octet[15] = (uint8_t)(i + 1);
        (void)net_nd(net, weir_ip_text(&ip, router), "ff02::1", &ra);
    }
    CHECK(count_of(net, true) == IP_PREFIX_MAX, "at most 16 addresses");
    CHECK(route_count_kind(net->ip, IP_ROUTE_ROUTER) == IP_ROUTER_MAX, "at most 8 routers");
    CHECK(route_count_kind(net->ip, IP_ROUTE_PREFIX) == IP_PREFIX_MAX, "at most 16 prefixes");
    net_end(net);

    net = start(true);
    static const uint32_t mtus[] = { 0, 68, 1279, 1501, 65535 };
    for (unsigned i = 0; i < 5; i++) {
        struct nd_message ra = { .type = ICMP6_RA, .has = ND_HAS_MTU, .mtu = mtus[i] };
        CHECK(advertise(net, &ra) == WEIR_DROP_NONE && net->ip->iface[0].mtu6 == NET_MTU &&
                  net->ip->iface[0].hop_limit == IP_TTL,
              "an MTU of %u and hop limit 0 change nothing", mtus[i]);
    }
    struct nd_message ra = advert("2001:db8::", 10, 20);
    CHECK(advertise(net, &ra) == WEIR_DROP_NONE && count_of(net, true) == 0,
          "preferred for longer than valid: not taken");
    ra = advert("fe80::", 86400, 86400);
    CHECK(advertise(net, &ra) == WEIR_DROP_NONE && count_of(net, true) == 0, "a link-local prefix");
    ra = advert("2001:db8::", 86400, 86400);
    ra.prefix[0].len = 63;
    CHECK(advertise(net, &ra) == WEIR_DROP_NONE && count_of(net, true) == 0, "a prefix of 63 bits");
    net_end(net);
}

/* N-6: an address of ours is denied three times. */
static void denied(void)
{
    struct net *net = start(true);
    net_pass(net, 3 * WEIR_SECOND);
    struct nd_message ra = advert("2001:db8::", 86400, 14400);
    (void)advertise(net, &ra);
    struct weir_address_info info;
    struct weir_ip seen[4];
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; ip_address_info(net->ip, k, &info) && !info.from_router; k++)
            ;
        seen[i] = info.ip;
        CHECK(info.tentative, "try %u is tentative", i);
        CHECK(i == 0 || !weir_ip_equal(&seen[i], &seen[i - 1]), "try %u is another address", i);
        char group[WEIR_IP_TEXT_MAX];
        const struct weir_ip to = iface_solicited_node(&info.ip);
        const struct nd_message ns = { .type = ICMP6_NS, .target = info.ip };
        CHECK(net_nd(net, "::", weir_ip_text(&to, group), &ns) == WEIR_DROP_ND_DUPLICATE,
              "try %u is denied", i);
    }
    for (unsigned k = 0; ip_address_info(net->ip, k, &info) && !info.from_router; k++)
        ;
    CHECK(info.duplicate && weir_ip_equal(&info.ip, &seen[2]), "then we give up, and say so");
    net_end(net);
}

int main(void)
{
    solicit_and_flush();
    answers();
    validity();
    dad();
    slaac();
    hostile_adverts();
    denied();
    return tap_done();
}
