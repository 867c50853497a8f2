/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"
#include "wire/cursor.h"

/* ICMP errors that quote a segment or datagram of ours, to whom they concern. What they quote is
 * all that shows they are genuine, so TCP believes none whose sequence number is not in flight
 * (RFC 5927). */

enum weir_error icmp_error_code(const struct ip_packet *packet)
{
    static const uint8_t code[] = {
        [IP_ICMP_NET_UNREACH] = WEIR_NET_UNREACH,    [IP_ICMP_HOST_UNREACH] = WEIR_HOST_UNREACH,
        [IP_ICMP_PROTO_UNREACH] = WEIR_NO_PROTO,     [IP_ICMP_PORT_UNREACH] = WEIR_REFUSED,
        [IP_ICMP_TOO_BIG] = WEIR_TOO_LONG,           [IP_ICMP_PROHIBITED] = WEIR_HOST_UNREACH,
        [IP_ICMP_TIME_EXCEEDED] = WEIR_HOST_UNREACH, [IP_ICMP_PARAM] = WEIR_PROTOCOL,
    };
    WEIR_ASSERT((unsigned)packet->icmp < sizeof code);
    const bool v6 = !weir_ip_is_v4(&packet->src); /* Linux has other words for some */
    if (v6 && packet->icmp == IP_ICMP_PROHIBITED)
        return WEIR_ACCESS;
    if (v6 && packet->icmp == IP_ICMP_PROTO_UNREACH)
        return WEIR_PROTOCOL;
    return (enum weir_error)code[packet->icmp];
}

static bool path_lower(struct weir *weir, struct conn *conn, uint32_t mtu, weir_time now)
{
    const uint16_t least = ip_pmtu_lower(&weir->ip, &conn->peer, mtu, now);
    if (least >= conn->path.mtu)
        return false;
    conn->path.mtu = least;
    tcp_path_changed(&conn->tcb, path_mss_of(&conn->peer, least), now);
    return true;
}

static enum weir_drop too_big(struct weir *weir, uint32_t index, const struct ip_packet *packet,
                              seq32 quoted, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    if (!tcp_icmp_plausible(&conn->tcb, quoted))
        return WEIR_DROP_ICMP_OUT_OF_WINDOW;
    if (packet->mtu >= conn->path.mtu) {
        if (packet->mtu > UINT16_MAX ||
            !tcp_search_told(&conn->tcb, quoted, path_mss_of(&conn->peer, (uint16_t)packet->mtu),
                             now))
            return WEIR_DROP_ICMP_MTU;
    } else if (!path_lower(weir, conn, packet->mtu, now)) {
        return WEIR_DROP_ICMP_MTU;
    }
    conn_settle(weir, index, now);
    return WEIR_DROP_NONE;
}

/* As Linux has it for each family: IPv4's are those that say nobody is there, IPv6's those that say
 * he does not want to. */
static bool ends_half_open(const struct ip_packet *packet)
{
    const bool v4 = weir_ip_is_v4(&packet->src);
    switch (packet->icmp) {
    case IP_ICMP_NET_UNREACH:
    case IP_ICMP_HOST_UNREACH:
    case IP_ICMP_TIME_EXCEEDED:
        return v4;
    case IP_ICMP_PARAM:
        return true;
    case IP_ICMP_PROHIBITED:
    case IP_ICMP_PORT_UNREACH:
    case IP_ICMP_PROTO_UNREACH:
        return !v4;
    default:
        return false;
    }
}

static enum weir_drop tcp_error(struct weir *weir, const struct ip_packet *packet,
                                const struct flow *flow, seq32 quoted, weir_time now)
{
    const uint32_t ref = flow_find(weir, flow, flow_hash(weir, flow));
    if (ref != DEMUX_NONE && flow_ref_tag(ref) == FLOW_SYNQ)
        return synq_error(weir, flow_ref_index(ref), ends_half_open(packet), quoted, now);
    /* TIME-WAIT has nothing to gain from an error: it ends by itself. */
    if (ref == DEMUX_NONE || flow_ref_tag(ref) != FLOW_CONN)
        return WEIR_DROP_ICMP_QUOTE;
    const uint32_t index = flow_ref_index(ref);
    if (packet->icmp == IP_ICMP_TOO_BIG)
        return too_big(weir, index, packet, quoted, now);

    const enum weir_drop drop =
        tcp_icmp_error(&conn_at(weir, index)->tcb, icmp_error_code(packet), quoted, now);
    conn_settle(weir, index, now);
    return drop;
}

enum weir_drop icmp_error_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now)
{
    struct rd r = rd_begin(packet->payload, packet->len);
    struct flow flow = { .local = packet->src, .peer = packet->dst };
    flow.scope = scope_of(&flow.peer, packet->iface);
    flow.lport = rd_u16(&r);
    flow.rport = rd_u16(&r);
    const uint32_t word = rd_u32(&r);
    if (r.ran_out)
        return WEIR_DROP_ICMP_QUOTE;
    switch (packet->proto) {
    case IP_PROTO_TCP:
        return tcp_error(weir, packet, &flow, word, now);
    case IP_PROTO_UDP:
        return endpoint_error(weir, packet, &flow, now);
    case IP_PROTO_ICMP:
    case IP_PROTO_ICMP6:
        return ping_error(weir, packet, (uint16_t)(word >> 16));
    default:
        return WEIR_DROP_ICMP_QUOTE;
    }
}
