/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

/* ICMP errors that we send: about what (RFC 1122, 3.2.2; RFC 4443, 2.4), how much of it is quoted,
 * and how often.
 *
 * Two limits. To one destination a burst of six, then about one a second: what Linux does. Over all
 * a thousand a second, in bursts whose size is drawn anew each time: who counts our answers to find
 * out what others made us send (attack KP-10) counts noise. The destination's limit comes first, so
 * that one host alone cannot use up what is for all. What we tell ourselves is not limited, as on
 * Linux: a program that asks a port of its own machine counts on the answer. */

#define QUOTE_MAX_V4 (576 - IP4_HEAD_MIN - ICMP_HEAD) /* RFC 1812, 4.3.2.3 */
#define QUOTE_MAX_V6 (1280 - IP6_HEAD - ICMP_HEAD)    /* RFC 4443, 2.4 c */

#define TO_BURST      6
#define TO_INTERVAL   (1 * WEIR_SECOND)
#define TO_JITTER     (WEIR_SECOND / 4)
#define ALL_INTERVAL  (1 * WEIR_MS)
#define ALL_BURST     50
#define ALL_BURST_VAR 18 /* the burst is ALL_BURST less up to this */
#define LIMIT_SALT    UINT32_C(0x69636d70)

void icmp_limit_init(struct ip_host *ip, weir_time now)
{
    for (unsigned i = 0; i < ICMP_LIMIT_BUCKETS; i++)
        ip->limit.to[i] = (struct icmp_bucket){ .next = now, .tokens = TO_BURST };
    ip->limit.at = now;
    ip->limit.tokens = ALL_BURST;
}

static bool may_send_to(struct ip_host *ip, const struct weir_ip *dst, weir_time now)
{
    struct icmp_bucket *bucket = &ip->limit.to[ip_hash(ip, dst, LIMIT_SALT) % ICMP_LIMIT_BUCKETS];
    for (unsigned i = 0; i < TO_BURST && bucket->tokens < TO_BURST && bucket->next <= now; i++) {
        bucket->tokens++;
        bucket->next += TO_INTERVAL + (weir_time)prng_below(&ip->limit.random, (uint32_t)TO_JITTER);
    }
    if (bucket->tokens ==
        TO_BURST) /* full: the next token is due an interval after the first is spent */
        bucket->next = now + TO_INTERVAL;
    if (bucket->tokens == 0)
        return false;
    bucket->tokens--;
    return true;
}

static bool may_send_at_all(struct ip_host *ip, weir_time now)
{
    struct icmp_limit *limit = &ip->limit;
    const weir_time gained = (now - limit->at) / ALL_INTERVAL;
    if (gained > 0) {
        const uint32_t burst = ALL_BURST - prng_below(&limit->random, ALL_BURST_VAR);
        const weir_time tokens = (weir_time)limit->tokens + gained;
        limit->tokens = tokens < burst ? (uint32_t)tokens : burst;
        limit->at += gained * ALL_INTERVAL;
    }
    if (limit->tokens == 0)
        return false;
    limit->tokens--;
    return true;
}

/* Whether the packet is itself an ICMP error, or what we must treat as one. */
static bool is_error4(const struct ip_packet *packet)
{
    struct icmp_quote quote;
    switch (wire_icmp4_quote(packet->packet, packet->packet_len, &quote)) {
    case WIRE_OK:
        break;
    case WIRE_UNKNOWN:
        return true; /* not a first fragment: RFC 1122, 3.2.2 */
    default:
        return packet->proto == IP_PROTO_ICMP; /* too short to tell */
    }
    if (quote.proto != IP_PROTO_ICMP)
        return false;
    const uint8_t type = quote.transport[0];
    return type != ICMP4_ECHO && type != ICMP4_ECHO_REPLY && type != ICMP4_TIMESTAMP &&
           type != ICMP4_TIMESTAMP_REPLY;
}

static bool is_error6(const struct ip_packet *packet)
{
    struct icmp_quote quote;
    if (wire_icmp6_quote(packet->packet, packet->packet_len, &quote) != WIRE_OK)
        return packet->proto == IP_PROTO_ICMP6;
    return quote.proto == IP_PROTO_ICMP6 &&
           (quote.transport[0] < ICMP6_ECHO || quote.transport[0] == ICMP6_REDIRECT);
}

void icmp_error(struct ip_host *ip, const struct ip_packet *packet, const struct icmp_about *about,
                weir_time now)
{
    if (packet->group && !about->group_too)
        return;
    if (ip_is_any(&packet->src) || ip_is_group(ip, &packet->src))
        return;
    if (packet->v4 ? is_error4(packet) : is_error6(packet))
        return;
    if (!packet->loopback && (!may_send_to(ip, &packet->src, now) || !may_send_at_all(ip, now)))
        return;

    uint8_t head[ICMP_HEAD];
    const struct icmp6_head message = {
        .type = about->type,
        .code = about->code,
        .rest = about->rest,
    };
    (void)wire_icmp6_emit(head, sizeof head,
                          &message); /* the first 8 octets are the same in both */
    const uint32_t quote_max = packet->v4 ? QUOTE_MAX_V4 : QUOTE_MAX_V6;
    struct ip_send send = {
        .dst = packet->src,
        .scope_iface = ip_is_link_local(&packet->src) && !packet->loopback ? packet->iface + 1 : 0,
        .proto = packet->v4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
        .why = WEIR_WHY_ICMP_ERROR,
        .head = head,
        .head_len = sizeof head,
        .data = packet->packet,
        .len = packet->packet_len < quote_max ? packet->packet_len : quote_max,
        .csum_offset = ICMP_CSUM_OFF,
    };
    if (!packet->group)
        send.src = packet->dst;
    if (ip_packet_send(ip, &send, now) == WEIR_OK)
        ip->trace->count.icmp_out++;
}

void ip_error_port_unreachable(struct ip_host *ip, const struct ip_packet *about, weir_time now)
{
    const struct icmp_about port = {
        .type = about->v4 ? (uint8_t)ICMP4_UNREACH : (uint8_t)ICMP6_UNREACH,
        .code = about->v4 ? 3 : 4,
    };
    icmp_error(ip, about, &port, now);
}
