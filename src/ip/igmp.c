/* SPDX-License-Identifier: MIT */
#include "ip/group.h"

#include "ip/host.h"
#include "wire/ip4.h"

/* Membership over IPv4: IGMPv3, and the older versions while a querier speaks them (RFC 3376, 7).
 */

#define IGMP_TTL 1
#define IGMP_TOS 0xc0 /* internetwork control (RFC 3376, 4) */

static const uint8_t router_alert[4] = { 0x94, 4, 0, 0 };

static void send(struct ip_host *ip, unsigned iface, const struct weir_ip *dst, const uint8_t *data,
                 size_t len, weir_time now)
{
    const struct ip_address *source = iface_source(ip, iface, dst, now);
    uint8_t mac[ETH_ADDR];
    output_group_mac(dst, mac);
    struct ip_frame frame;
    output_link_head(ip, iface, mac, ETH_IP4, &frame);
    const struct ip4_head head = {
        .src = source != NULL ? source->ip : weir_ip_v4(0, 0, 0, 0),
        .dst = *dst,
        .tos = IGMP_TOS,
        .ttl = IGMP_TTL,
        .proto = IP_PROTO_IGMP,
        .df = true,
        .options_len = sizeof router_alert,
        .options = router_alert,
        .len = (uint32_t)len,
    };
    frame.head_len += (uint32_t)wire_ip4_emit(frame.head + frame.head_len,
                                              sizeof frame.head - frame.head_len, &head);
    frame.part[0] = data;
    frame.part_len[0] = (uint32_t)len;
    frame.why = WEIR_WHY_MEMBERSHIP;
    (void)output_frame(ip, iface, &frame, now); /* what is lost is said again, or asked for */
}

/* RFC 2236, 3; of version 1 there is no leaving. */
static void say_old(struct ip_host *ip, unsigned iface, const struct group_record *record,
                    bool version1, weir_time now)
{
    const struct weir_ip all_routers = weir_ip_v4(224, 0, 0, 2);
    const bool leave = record->kind == GROUP_TO_INCLUDE;
    if (leave && version1)
        return;
    uint8_t type = version1 ? IGMP_REPORT1 : IGMP_REPORT2;
    if (leave)
        type = IGMP_LEAVE;
    uint8_t message[IGMP_LEN];
    const size_t len = wire_igmp_emit(message, sizeof message, type, &record->group);
    send(ip, iface, leave ? &all_routers : &record->group, message, len, now);
}

void igmp_say(struct ip_host *ip, unsigned iface, const struct group_record *record, unsigned count,
              weir_time now)
{
    WEIR_ASSERT(count <= GROUP_RECORDS_MAX);
    const bool version1 = ip->iface[iface].igmp1_until > now;
    if (version1 || ip->iface[iface].igmp2_until > now) {
        for (unsigned i = 0; i < count; i++)
            say_old(ip, iface, &record[i], version1, now);
        return;
    }
    const struct weir_ip all_reports = weir_ip_v4(224, 0, 0, 22);
    uint8_t message[IGMP_LEN + GROUP_RECORDS_MAX * (4 + IGMP_ADDRESS)];
    const size_t len = wire_igmp_report_emit(message, sizeof message, record, count);
    send(ip, iface, &all_reports, message, len, now);
}

enum weir_drop igmp_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now)
{
    const struct weir_ip all_hosts = weir_ip_v4(224, 0, 0, 1);
    struct group_message message;
    const enum wire_error error = wire_igmp_parse(packet->payload, packet->len, &message);
    /* From this link alone: routers do not pass it on. */
    if (error != WIRE_OK || packet->ttl != IGMP_TTL || packet->loopback)
        return WEIR_DROP_IGMP_BAD;
    switch (message.type) {
    case IGMP_QUERY: /* RFC 3376, 9.1: a general one to somebody else is a forgery */
        if (ip_is_any(&message.group) && !weir_ip_equal(&packet->dst, &all_hosts))
            return WEIR_DROP_IGMP_BAD;
        group_asked(ip, packet, &message, now);
        return WEIR_DROP_NONE;
    case IGMP_REPORT1:
    case IGMP_REPORT2:
        group_reported(ip, packet->iface, &message.group);
        return WEIR_DROP_NONE;
    default:
        return WEIR_DROP_IGMP_TYPE;
    }
}
