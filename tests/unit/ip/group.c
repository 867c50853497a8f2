/* SPDX-License-Identifier: MIT */
/* Membership: what is said of a group when it is joined, left and asked for, in the version that
 * the querier speaks (RFC 3376, RFC 3810), and which packets come through. */
#include "ip/group.h"

#include "frames.h"
#include "wire/mld.h"

static struct net *start(uint32_t groups)
{
    struct weir_config config;
    net_config(&config);
    config.group_max = groups;
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    (void)net_drain(net);
    return net;
}

/* The octets of the IGMP message that we sent last, in hexadecimal, behind where it went; or what
 * is wrong with the packet. */
static const char *said4(const struct net *net)
{
    static char text[512];
    struct ip4_head head;
    if (!net_out_ip4(net, &head) || head.proto != IP_PROTO_IGMP)
        return "no igmp";
    if (head.ttl != 1 || head.tos != 0xc0 || head.options_len != 4 || head.options[0] != 0x94)
        return "ttl, tos or router alert";
    if (csum_fold(csum_add(0, head.payload, head.len)) != 0)
        return "sum";
    char ip[WEIR_IP_TEXT_MAX];
    size_t at = (size_t)snprintf(text, sizeof text, "%s", weir_ip_text(&head.dst, ip));
    for (uint32_t i = 0; i < head.len && at < sizeof text; i++)
        if (i != 2 && i != 3) /* the sum */
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%02x", i == 0 ? " " : "",
                                   head.payload[i]);
    return text;
}

static const char *said6(const struct net *net)
{
    static char text[512];
    struct ip6_head head;
    if (wire_ip6_parse(net->out + ETH_HEAD, net->out_len - ETH_HEAD, &head) != WIRE_OK)
        return "no ipv6";
    if (head.next != IP6_HOP_BY_HOP || head.hop_limit != 1 || head.payload[2] != 5)
        return "hop limit or router alert";
    const uint8_t *mld = head.payload + MLD_ALERT_LEN;
    const uint32_t len = head.len - MLD_ALERT_LEN;
    if (csum_fold(csum_add(ip_pseudo_sum(&head.src, &head.dst, IP_PROTO_ICMP6, len), mld, len)) !=
        0)
        return "sum";
    char src[WEIR_IP_TEXT_MAX], dst[WEIR_IP_TEXT_MAX];
    snprintf(text, sizeof text, "%s %s %u %u", weir_ip_text(&head.src, src),
             weir_ip_text(&head.dst, dst), mld[0], mld[0] == MLD_REPORT2 ? mld[8] : 0);
    return text;
}

#define SAID4(net, want) \
    CHECK(net_take(net) && strcmp(said4(net), want) == 0, "%s: said '%s'", want, said4(net))
#define SAID6(net, want) \
    CHECK(net_take(net) && strcmp(said6(net), want) == 0, "%s: said '%s'", want, said6(net))

/* An IGMP message from the router, sum put right. */
static enum weir_drop hear4(struct net *net, const char *dst, uint8_t ttl, const uint8_t *data,
                            uint32_t len)
{
    uint8_t p[64];
    memcpy(p, data, len);
    net_put_sum(p, len, 0);
    return net_ip4(net, &(struct ip4_head){ .src = net_ip("192.0.2.254"),
                                            .dst = net_ip(dst),
                                            .ttl = ttl,
                                            .proto = IP_PROTO_IGMP,
                                            .payload = p,
                                            .len = len });
}

static void igmp(void)
{
    struct net *net = start(8);
    const struct weir_ip a = net_ip("239.1.2.3"), b = net_ip("224.0.0.251");
    CHECK(!iface_has_group(net->ip, 0, &a), "not a member");
    CHECK(group_join(net->ip, 0, &a, net->now) && iface_has_group(net->ip, 0, &a), "a member");
    SAID4(net, "224.0.0.22 22000000000104000000ef010203");
    CHECK(group_join(net->ip, 0, &a, net->now) && !net_take(net), "once more: nothing new");
    net_pass(net, WEIR_SECOND);
    SAID4(net, "224.0.0.22 22000000000104000000ef010203");
    net_pass(net, 60 * WEIR_SECOND);
    CHECK(!net_take(net), "said twice, no more");
    CHECK(group_join(net->ip, 0, &b, net->now), "another group");
    net_pass(net, 2 * WEIR_SECOND);
    (void)net_drain(net);

    const uint8_t general[12] = { 0x11, 100, [8] = 2, [9] = 125 };
    CHECK(hear4(net, "224.0.0.1", 1, general, 12) == WEIR_DROP_NONE && !net_take(net),
          "asked: not answered at once");
    net_pass(net, 10 * WEIR_SECOND + WEIR_MS);
    SAID4(net, "224.0.0.22 22000000000202000000ef01020302000000e00000fb");
    CHECK(!net_take(net), "one report for both");
    uint8_t specific[12] = { 0x11, 10, [4] = 239, 1, 2, 3, [8] = 2, [9] = 125 };
    CHECK(hear4(net, "239.1.2.3", 1, specific, 12) == WEIR_DROP_NONE, "asked for one");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    SAID4(net, "224.0.0.22 22000000000102000000ef010203");

    CHECK(hear4(net, "224.0.0.1", 2, general, 12) == WEIR_DROP_IGMP_BAD, "from another link");
    CHECK(hear4(net, "239.1.2.3", 1, general, 12) == WEIR_DROP_IGMP_BAD,
          "a question for all, but not to all");
    CHECK(hear4(net, "224.0.0.1", 1, general, 11) == WEIR_DROP_IGMP_BAD, "of no length");
    const uint8_t other[8] = { 0x99, 0, 0, 0, 239, 1, 2, 3 };
    CHECK(hear4(net, "224.0.0.1", 1, other, 8) == WEIR_DROP_IGMP_TYPE, "of another type");

    group_leave(net->ip, 0, &a, net->now);
    CHECK(iface_has_group(net->ip, 0, &a) && !net_take(net), "one of two leaves: still a member");
    group_leave(net->ip, 0, &a, net->now);
    CHECK(!iface_has_group(net->ip, 0, &a), "the other too: a member no more");
    SAID4(net, "224.0.0.22 22000000000103000000ef010203");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    SAID4(net, "224.0.0.22 22000000000103000000ef010203");
    CHECK(net->ip->groups.used == 1, "and forgotten");
    net_end(net);
}

/* RFC 3376, 7: as long as an old querier is there, we speak as it does. */
static void old_queriers(void)
{
    struct net *net = start(8);
    const struct weir_ip a = net_ip("239.1.2.3");
    const uint8_t query2[8] = { 0x11, 100 }, query1[8] = { 0x11, 0 };
    const uint8_t report2[8] = { 0x16, 0, 0, 0, 239, 1, 2, 3 };
    CHECK(group_join(net->ip, 0, &a, net->now), "a member");
    net_pass(net, 2 * WEIR_SECOND);
    (void)net_drain(net);
    CHECK(hear4(net, "224.0.0.1", 1, query2, 8) == WEIR_DROP_NONE, "version 2 asks");
    net_pass(net, 10 * WEIR_SECOND + WEIR_MS);
    SAID4(net, "239.1.2.3 1600ef010203");
    (void)hear4(net, "224.0.0.1", 1, query2, 8);
    CHECK(hear4(net, "239.1.2.3", 1, report2, 8) == WEIR_DROP_NONE, "another member answers");
    net_pass(net, 10 * WEIR_SECOND + WEIR_MS);
    CHECK(!net_take(net), "so we need not");
    group_leave(net->ip, 0, &a, net->now);
    SAID4(net, "224.0.0.2 1700ef010203");
    net_pass(net, 2 * WEIR_SECOND);
    (void)net_drain(net);

    CHECK(group_join(net->ip, 0, &a, net->now), "again");
    net_pass(net, 2 * WEIR_SECOND);
    (void)net_drain(net);
    (void)hear4(net, "224.0.0.1", 1, query1, 8);
    net_pass(net, 10 * WEIR_SECOND + WEIR_MS);
    SAID4(net, "239.1.2.3 1200ef010203");
    group_leave(net->ip, 0, &a, net->now);
    net_pass(net, 2 * WEIR_SECOND);
    CHECK(!net_take(net), "in version 1 nobody says that he leaves");
    net_pass(net, 300 * WEIR_SECOND);
    CHECK(group_join(net->ip, 0, &a, net->now), "when the old querier is long gone");
    SAID4(net, "224.0.0.22 22000000000104000000ef010203");
    net_end(net);
}

static enum weir_drop hear6(struct net *net, const char *src, uint8_t hops, const char *group,
                            uint16_t max_resp_ms, bool version2)
{
    uint8_t p[28] = { 0 };
    const struct weir_ip ip = net_ip(group);
    (void)wire_mld_emit(p, sizeof p, MLD_QUERY, &ip);
    p[4] = (uint8_t)(max_resp_ms >> 8);
    p[5] = (uint8_t)max_resp_ms;
    return net_icmp6(net, src, "ff02::1", hops, p, version2 ? 28 : 24);
}

static void mld(void)
{
    struct net *net = start(8);
    net_address(net, "2001:db8::1", 64);
    SAID6(net, ":: ff02::16 143 4");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    (void)net_drain(net);
    net_address(net, "fe80::1", 64);
    CHECK(!net_take(net), "the same solicited-node group, so nothing is said");
    const struct weir_ip group = net_ip("ff15::42");
    CHECK(group_join(net->ip, 0, &group, net->now), "a group");
    SAID6(net, "fe80::1 ff02::16 143 4");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    (void)net_drain(net);
    CHECK(hear6(net, "fe80::99", 1, "::", 1000, true) == WEIR_DROP_NONE, "asked");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    SAID6(net, "fe80::1 ff02::16 143 2");
    CHECK(net->out[ETH_HEAD + IP6_HEAD + MLD_ALERT_LEN + 7] == 2 && !net_take(net),
          "one report for both groups");
    CHECK(hear6(net, "fe80::99", 2, "::", 1000, true) == WEIR_DROP_MLD_BAD, "from another link");
    CHECK(hear6(net, "2001:db8::99", 1, "::", 1000, true) == WEIR_DROP_MLD_BAD,
          "from an address that is not of the link");
    CHECK(hear6(net, "fe80::99", 1, "ff15::42", 1000, false) == WEIR_DROP_NONE, "version 1 asks");
    net_pass(net, WEIR_SECOND + WEIR_MS);
    SAID6(net, "fe80::1 ff15::42 131 0");
    group_leave(net->ip, 0, &group, net->now);
    SAID6(net, "fe80::1 ff02::2 132 0");
    net_pass(net, 261 * WEIR_SECOND);
    (void)net_drain(net);
    const struct weir_ip us = net_ip("2001:db8::1"), link = net_ip("fe80::1");
    CHECK(ip_address_remove(net->ip, 0, &us, net->now) == WEIR_OK && !net_take(net),
          "one address of two goes");
    CHECK(ip_address_remove(net->ip, 0, &link, net->now) == WEIR_OK, "and the other");
    SAID6(net, "fe80::1 ff02::16 143 3");
    net_end(net);
}

static void limits(void)
{
    struct net *net = start(2);
    const struct weir_ip a = net_ip("239.0.0.1"), b = net_ip("239.0.0.2"), c = net_ip("239.0.0.3");
    const struct weir_ip all = net_ip("224.0.0.1");
    CHECK(group_join(net->ip, 0, &a, net->now) && group_join(net->ip, 0, &b, net->now) &&
              !group_join(net->ip, 0, &c, net->now),
          "no more groups than there is room for");
    group_leave(net->ip, 0, &a, net->now);
    CHECK(group_join(net->ip, 0, &c, net->now), "one that was left makes room at once");
    net_address(net, "2001:db8::1", 64);
    const struct weir_ip us = US6;
    CHECK(ip_is_local(net->ip, &us), "an address works without a place for its group");
    CHECK(ip_address_remove(net->ip, 0, &us, net->now) == WEIR_OK, "and goes");
    group_leave(net->ip, 0, &b, net->now);
    net_pass(net, 2 * WEIR_SECOND);
    (void)net_drain(net);
    CHECK(group_join(net->ip, 0, &all, net->now) && !net_take(net), "of all hosts nobody speaks");
    /* A flood of questions: one answer for each that is due, none at once. */
    const uint8_t now[8] = { 0x11, 1, 0, 0, 239, 0, 0, 3 };
    for (unsigned i = 0; i < 1000; i++)
        (void)hear4(net, "239.0.0.3", 1, now, 8);
    net_pass(net, WEIR_SECOND);
    CHECK(net_drain(net) == 1, "a thousand questions, one answer");
    net_end(net);
}

static unsigned drain(struct net *net, unsigned iface)
{
    struct weir_out out;
    unsigned count = 0;
    for (; ip_reply_next(net->ip, iface, &out); count++)
        ip_call_begins(net->ip);
    return count;
}

/* When an answer comes (RFC 3376, 5.2; RFC 2236, 4), and from where. */
static void questions(void)
{
    struct net *net = start(8);
    const struct weir_ip a = net_ip("239.1.2.3"), b = net_ip("239.1.2.4");
    const uint8_t soon[12] = { 0x11, 10, [8] = 2, [9] = 125 };
    const uint8_t some_time[12] = { 0x11, 0xff, [8] = 2, [9] = 125 }; /* 3,174 s */
    const uint8_t query1[8] = { 0x11, 0 };
    const unsigned other = net_iface(net, false, false);
    CHECK(group_join(net->ip, 0, &a, net->now) && group_join(net->ip, other, &b, net->now),
          "a member of a group here, and of one on the other interface");
    net_pass(net, 2 * WEIR_SECOND);
    CHECK(drain(net, 0) > 0 && drain(net, other) > 0, "both are told of it");
    (void)hear4(net, "224.0.0.1", 1, soon, 12);
    (void)hear4(net, "224.0.0.1", 1, some_time, 12);
    net_pass(net, WEIR_SECOND + WEIR_MS);
    SAID4(net, "224.0.0.22 22000000000102000000ef010203");
    net_pass(net, 4000 * WEIR_SECOND);
    CHECK(drain(net, 0) == 0, "the later answer was in the sooner one");
    CHECK(drain(net, other) == 0, "who was not asked is silent");
    unsigned longest = 0;
    for (unsigned i = 0; i < 20; i++) {
        unsigned halves = 0; /* of a second until it is answered */
        for (hear4(net, "224.0.0.1", 1, query1, 8); drain(net, 0) == 0 && halves < 100; halves++)
            net_pass(net, WEIR_SECOND / 2);
        longest = halves > longest ? halves : longest;
    }
    CHECK(longest > 10 && longest <= 21, "version 1 says no time, and means ten seconds");
    net_end(net);
}

int main(void)
{
    igmp();
    questions();
    old_queriers();
    mld();
    limits();
    return tap_done();
}
