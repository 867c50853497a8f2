/* SPDX-License-Identifier: MIT */
#include "ip/group.h"

#include "ip/host.h"
#include "wire/cursor.h"
#include "wire/ip6.h"
#include "wire/mld.h"

/* Membership over IPv6: MLDv2, and version 1 while a querier speaks it (RFC 3810, 8). */

#define MLD_HOP_LIMIT 1

static const struct weir_ip all_reports = { { 0xff, 0x02, [15] = 22 } };

/* RFC 3810, 5.2.13: from a link-local address, or from none while there is none. */
static struct weir_ip source_of(const struct ip_host *ip, unsigned iface, weir_time now)
{
    static const struct weir_ip none;
    const struct ip_address *source = iface_source(ip, iface, &all_reports, now);
    return source != NULL && ip_is_link_local(&source->ip) ? source->ip : none;
}

static void send(struct ip_host *ip, unsigned iface, const struct weir_ip *dst, uint8_t *data,
                 size_t len, weir_time now)
{
    uint8_t mac[ETH_ADDR];
    output_group_mac(dst, mac);
    struct ip_frame frame;
    output_link_head(ip, iface, mac, ETH_IP6, &frame);
    const struct ip6_head head = {
        .src = source_of(ip, iface, now),
        .dst = *dst,
        .next = IP6_HOP_BY_HOP,
        .hop_limit = MLD_HOP_LIMIT,
        .len = (uint32_t)(MLD_ALERT_LEN + len),
    };
    uint8_t *at = frame.head + frame.head_len;
    const size_t room = sizeof frame.head - frame.head_len;
    frame.head_len += (uint32_t)wire_ip6_emit(at, room, &head);
    frame.head_len += (uint32_t)wire_mld_alert_emit(at + IP6_HEAD, room - IP6_HEAD);
    const csum32 sum = ip_pseudo_sum(&head.src, dst, IP_PROTO_ICMP6, (uint32_t)len);
    struct wr w = wr_begin(data + ICMP_CSUM_OFF, 2);
    wr_u16(&w, csum_fold(csum_add(sum, data, len)));
    frame.part[0] = data;
    frame.part_len[0] = (uint32_t)len;
    frame.why = WEIR_WHY_MEMBERSHIP;
    if (output_frame(ip, iface, &frame, now)) /* what is lost is said again, or asked for */
        ip->trace->count.icmp_out++;
}

static void say_old(struct ip_host *ip, unsigned iface, const struct group_record *record,
                    weir_time now)
{
    static const struct weir_ip all_routers = { { 0xff, 0x02, [15] = 2 } };
    const bool done = record->kind == GROUP_TO_INCLUDE;
    uint8_t message[MLD_LEN];
    const size_t len =
        wire_mld_emit(message, sizeof message, done ? MLD_DONE : MLD_REPORT1, &record->group);
    send(ip, iface, done ? &all_routers : &record->group, message, len, now);
}

void mld_say(struct ip_host *ip, unsigned iface, const struct group_record *record, unsigned count,
             weir_time now)
{
    WEIR_ASSERT(count <= GROUP_RECORDS_MAX);
    if (ip->iface[iface].mld1_until > now) {
        for (unsigned i = 0; i < count; i++)
            say_old(ip, iface, &record[i], now);
        return;
    }
    uint8_t message[ICMP_HEAD + GROUP_RECORDS_MAX * (4 + MLD_ADDRESS)];
    const size_t len = wire_mld_report_emit(message, sizeof message, record, count);
    send(ip, iface, &all_reports, message, len, now);
}

enum weir_drop mld_arrives(struct ip_host *ip, struct ip_packet *packet,
                           const struct icmp6_head *icmp, weir_time now)
{
    struct group_message message;
    if (wire_mld_parse(icmp, &message) != WIRE_OK || packet->ttl != MLD_HOP_LIMIT ||
        packet->loopback || !ip_is_link_local(&packet->src))
        return WEIR_DROP_MLD_BAD;
    switch (message.type) {
    case MLD_QUERY:
        group_asked(ip, packet, &message, now);
        return WEIR_DROP_NONE;
    case MLD_REPORT1:
        group_reported(ip, packet->iface, &message.group);
        return WEIR_DROP_NONE;
    default:
        return WEIR_DROP_ICMP_TYPE;
    }
}
