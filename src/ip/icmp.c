/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/mld.h"

/* ICMP messages that arrive (RFC 792, RFC 4443): questions are answered, errors are read and handed
 * to the transport. What we say of our own accord is in icmp_error.c. */

/* What becomes of a question whose answer could not be sent. */
static enum weir_drop unsent(enum weir_error error)
{
    switch (error) {
    case WEIR_OK:
        return WEIR_DROP_NONE;
    case WEIR_AGAIN:
        return WEIR_DROP_REPLY_FULL;
    case WEIR_NO_MEMORY:
        return WEIR_DROP_NEIGH_FULL;
    case WEIR_HOST_UNREACH:
        return WEIR_DROP_NEIGH_FAILED;
    default:
        return WEIR_DROP_NO_ROUTE;
    }
}

/* Sends `head` and `data` back to where the packet came from. */
static enum weir_drop reply(struct ip_host *ip, const struct ip_packet *packet,
                            const uint8_t head[ICMP_HEAD], const uint8_t *data, uint32_t len,
                            weir_time now)
{
    const struct ip_send send = {
        .src = packet->dst,
        .dst = packet->src,
        .scope_iface = ip_is_link_local(&packet->src) && !packet->loopback ? packet->iface + 1 : 0,
        .proto = packet->v4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
        .tos = packet->tos,
        .why = WEIR_WHY_ICMP_ECHO,
        .head = head,
        .head_len = ICMP_HEAD,
        .data = data,
        .len = len,
        .csum_offset = ICMP_CSUM_OFF,
    };
    const enum weir_error error = ip_packet_send(ip, &send, now);
    if (error == WEIR_OK)
        ip->trace->count.icmp_out++;
    return unsent(error);
}

/* RFC 1122, 3.2.2.8. We do not know the time of day, which the highest bit says. */
static enum weir_drop timestamp(struct ip_host *ip, const struct ip_packet *packet,
                                const struct icmp4_head *icmp, weir_time now)
{
    enum {
        DAY_MS = 86400000
    };
    struct icmp4_times times;
    if (wire_icmp4_times_parse(icmp->body, icmp->len, &times) != WIRE_OK)
        return WEIR_DROP_ICMP_BAD;
    times.receive = (uint32_t)((uint64_t)now / (uint64_t)WEIR_MS % DAY_MS) | 0x80000000u;
    times.transmit = times.receive;
    uint8_t head[ICMP_HEAD];
    uint8_t body[ICMP4_TIMES];
    const struct icmp4_head answer = { .type = ICMP4_TIMESTAMP_REPLY, .rest = icmp->rest };
    (void)wire_icmp4_emit(head, sizeof head, &answer);
    (void)wire_icmp4_times_emit(body, sizeof body, &times);
    return reply(ip, packet, head, body, sizeof body, now);
}

static enum weir_drop echo_reply_arrives(struct ip_packet *packet, uint32_t rest,
                                         const uint8_t *body, uint32_t len)
{
    packet->kind = IP_ECHO_REPLY;
    packet->echo_id = icmp_id(rest);
    packet->echo_seq = icmp_seq(rest);
    packet->payload = body;
    packet->len = len;
    return WEIR_DROP_NONE;
}

/* ---- errors ---- */

/* Whether only we can have sent what is quoted. An error that comes to an address that is somebody
 * else's is about a connection that we have there. */
static bool quotes_us(const struct ip_host *ip, const struct ip_packet *packet,
                      const struct icmp_quote *quote)
{
    if (packet->foreign)
        return quote->proto == IP_PROTO_TCP && weir_ip_equal(&quote->src, &packet->dst);
    return ip_is_local(ip, &quote->src);
}

/* An error goes to the transport if it quotes what only we can have sent. That it is in flight, the
 * transport checks. */
static enum weir_drop error_arrives(struct ip_host *ip, struct ip_packet *packet, enum ip_icmp icmp,
                                    uint32_t mtu, const struct icmp_quote *quote)
{
    const uint8_t echo_proto = packet->v4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6;
    const uint8_t echo_type = packet->v4 ? (uint8_t)ICMP4_ECHO : (uint8_t)ICMP6_ECHO;
    if (!quotes_us(ip, packet, quote) || ip_is_any(&quote->dst))
        return WEIR_DROP_ICMP_QUOTE;
    if (quote->proto == echo_proto) {
        if (quote->transport[0] != echo_type)
            return WEIR_DROP_ICMP_QUOTE;
        packet->echo_id = icmp_id(quote->word);
        packet->echo_seq = icmp_seq(quote->word);
    } else if (quote->proto != IP_PROTO_TCP && quote->proto != IP_PROTO_UDP) {
        return WEIR_DROP_ICMP_QUOTE;
    }

    packet->kind = IP_ICMP_ERROR;
    packet->icmp = icmp;
    packet->mtu = mtu;
    packet->reporter = packet->src;
    packet->src = quote->src;
    packet->dst = quote->dst;
    packet->proto = quote->proto;
    packet->payload = quote->transport;
    packet->len = quote->len;
    return WEIR_DROP_NONE;
}

static enum weir_drop error4(struct ip_host *ip, struct ip_packet *packet,
                             const struct icmp4_head *head)
{
    static const uint8_t unreach[] = {
        [0] = IP_ICMP_NET_UNREACH,   [1] = IP_ICMP_HOST_UNREACH, [2] = IP_ICMP_PROTO_UNREACH,
        [3] = IP_ICMP_PORT_UNREACH,  [4] = IP_ICMP_TOO_BIG,      [5] = IP_ICMP_HOST_UNREACH,
        [6] = IP_ICMP_NET_UNREACH,   [7] = IP_ICMP_HOST_UNREACH, [8] = IP_ICMP_HOST_UNREACH,
        [9] = IP_ICMP_PROHIBITED,    [10] = IP_ICMP_PROHIBITED,  [11] = IP_ICMP_NET_UNREACH,
        [12] = IP_ICMP_HOST_UNREACH, [13] = IP_ICMP_PROHIBITED,  [14] = IP_ICMP_PROHIBITED,
        [15] = IP_ICMP_PROHIBITED,
    };
    enum ip_icmp icmp = IP_ICMP_PARAM;
    uint32_t mtu = 0;
    if (head->type == ICMP4_UNREACH) {
        if (head->code >= sizeof unreach)
            return WEIR_DROP_ICMP_TYPE;
        icmp = (enum ip_icmp)unreach[head->code];
        if (icmp == IP_ICMP_TOO_BIG)
            mtu = icmp4_mtu(head->rest);
    } else if (head->type == ICMP4_TIME_EXCEEDED) {
        icmp = IP_ICMP_TIME_EXCEEDED;
    }
    struct icmp_quote quote;
    if (wire_icmp4_quote(head->body, head->len, &quote) != WIRE_OK)
        return WEIR_DROP_ICMP_QUOTE;
    return error_arrives(ip, packet, icmp, mtu, &quote);
}

static enum weir_drop error6(struct ip_host *ip, struct ip_packet *packet,
                             const struct icmp6_head *head)
{
    static const uint8_t unreach[] = {
        IP_ICMP_NET_UNREACH,  IP_ICMP_PROHIBITED, IP_ICMP_HOST_UNREACH, IP_ICMP_HOST_UNREACH,
        IP_ICMP_PORT_UNREACH, IP_ICMP_PROHIBITED, IP_ICMP_PROHIBITED,
    };
    enum ip_icmp icmp = IP_ICMP_PARAM;
    uint32_t mtu = 0;
    if (head->type == ICMP6_UNREACH) {
        if (head->code >= sizeof unreach)
            return WEIR_DROP_ICMP_TYPE;
        icmp = (enum ip_icmp)unreach[head->code];
    } else if (head->type == ICMP6_TOO_BIG) {
        icmp = IP_ICMP_TOO_BIG;
        mtu = head->rest;
    } else if (head->type == ICMP6_TIME_EXCEEDED) {
        icmp = IP_ICMP_TIME_EXCEEDED;
    } else if (head->code == 1) {
        icmp = IP_ICMP_PROTO_UNREACH;
    }
    struct icmp_quote quote;
    if (wire_icmp6_quote(head->body, head->len, &quote) != WIRE_OK)
        return WEIR_DROP_ICMP_QUOTE;
    return error_arrives(ip, packet, icmp, mtu, &quote);
}

static enum weir_drop redirect4(struct ip_host *ip, const struct ip_packet *packet,
                                const struct icmp4_head *head, weir_time now)
{
    struct icmp_quote quote;
    if (wire_icmp4_quote(head->body, head->len, &quote) != WIRE_OK || !ip_is_local(ip, &quote.src))
        return WEIR_DROP_ICMP_QUOTE;
    const uint32_t rest = head->rest;
    const struct weir_ip gateway = weir_ip_v4((uint8_t)(rest >> 24), (uint8_t)(rest >> 16),
                                              (uint8_t)(rest >> 8), (uint8_t)rest);
    return route_redirect(ip, packet, &quote.dst, &gateway, now) ? WEIR_DROP_NONE
                                                                 : WEIR_DROP_REDIRECT_IGNORED;
}

/* ---- both families ---- */

enum weir_drop icmp4_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now)
{
    struct icmp4_head icmp;
    const enum wire_error error = wire_icmp4_parse(packet->payload, packet->len, &icmp);
    if (error != WIRE_OK)
        return error == WIRE_CSUM ? WEIR_DROP_ICMP_CSUM : WEIR_DROP_ICMP_BAD;
    ip->trace->count.icmp_in++;
    if (packet->group)
        return WEIR_DROP_ICMP_BROADCAST;
    if (packet->foreign && icmp.type != ICMP4_UNREACH && icmp.type != ICMP4_TIME_EXCEEDED &&
        icmp.type != ICMP4_PARAM)
        return WEIR_DROP_IP_NOT_OURS;

    switch (icmp.type) {
    case ICMP4_ECHO: {
        uint8_t head[ICMP_HEAD];
        const struct icmp4_head answer = { .type = ICMP4_ECHO_REPLY, .rest = icmp.rest };
        (void)wire_icmp4_emit(head, sizeof head, &answer);
        return reply(ip, packet, head, icmp.body, icmp.len, now);
    }
    case ICMP4_ECHO_REPLY:
        return echo_reply_arrives(packet, icmp.rest, icmp.body, icmp.len);
    case ICMP4_TIMESTAMP:
        return timestamp(ip, packet, &icmp, now);
    case ICMP4_UNREACH:
    case ICMP4_TIME_EXCEEDED:
    case ICMP4_PARAM:
        return error4(ip, packet, &icmp);
    case ICMP4_REDIRECT:
        return redirect4(ip, packet, &icmp, now);
    case ICMP4_QUENCH:
        return WEIR_DROP_ICMP_QUENCH; /* RFC 6633 */
    default:
        return WEIR_DROP_ICMP_TYPE;
    }
}

enum weir_drop icmp6_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now)
{
    const csum32 pseudo = ip_pseudo_sum(&packet->src, &packet->dst, IP_PROTO_ICMP6, packet->len);
    struct icmp6_head icmp;
    const enum wire_error error = wire_icmp6_parse(packet->payload, packet->len, pseudo, &icmp);
    if (error != WIRE_OK)
        return error == WIRE_CSUM ? WEIR_DROP_ICMP_CSUM : WEIR_DROP_ICMP_BAD;
    ip->trace->count.icmp_in++;
    if (packet->foreign && icmp.type > ICMP6_PARAM)
        return WEIR_DROP_IP_NOT_OURS;
    if (icmp.type >= ICMP6_RS && icmp.type <= ICMP6_REDIRECT) {
        if (ip_is_any(&packet->src) && icmp.type != ICMP6_NS)
            return WEIR_DROP_ND_BAD;
        return nd_arrives(ip, packet, &icmp, now);
    }
    if (ip_is_any(&packet->src))
        return WEIR_DROP_IP_MARTIAN;

    switch (icmp.type) {
    case ICMP6_ECHO:
    case ICMP6_ECHO_REPLY:
        if (packet->group)
            return WEIR_DROP_ICMP_BROADCAST;
        if (icmp.type == ICMP6_ECHO_REPLY)
            return echo_reply_arrives(packet, icmp.rest, icmp.body, icmp.len);
        uint8_t head[ICMP_HEAD];
        const struct icmp6_head answer = { .type = ICMP6_ECHO_REPLY, .rest = icmp.rest };
        (void)wire_icmp6_emit(head, sizeof head, &answer);
        return reply(ip, packet, head, icmp.body, icmp.len, now);
    case MLD_QUERY:
    case MLD_REPORT1:
    case MLD_DONE:
    case MLD_REPORT2:
        return mld_arrives(ip, packet, &icmp, now);
    case ICMP6_UNREACH:
    case ICMP6_TOO_BIG:
    case ICMP6_TIME_EXCEEDED:
    case ICMP6_PARAM:
        return error6(ip, packet, &icmp);
    default:
        return WEIR_DROP_ICMP_TYPE;
    }
}
