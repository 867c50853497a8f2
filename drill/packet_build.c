/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include "base/csum.h"

#include <stdio.h>
#include <string.h>

#define IP4_HEAD 20u
#define IP6_HEAD 40u
#define TCP_HEAD 20u
#define UDP_HEAD 8u
#define QUOTE_MAX                                                                   \
    8u /* octets of the transport header in an ICMP error: what a router must quote \
        */
#define TTL 255

#define PROTO_NUMBER_ICMP  1
#define PROTO_NUMBER_TCP   6
#define PROTO_NUMBER_UDP   17
#define PROTO_NUMBER_ICMP6 58

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static size_t head_len(bool v6)
{
    return v6 ? IP6_HEAD : IP4_HEAD;
}

/* The IP header before `len` octets of `proto`. */
static void put_ip(uint8_t *p, const struct weir_ip *from, const struct weir_ip *to, unsigned proto,
                   size_t len)
{
    if (weir_ip_is_v4(from)) {
        memset(p, 0, IP4_HEAD);
        p[0] = 0x45;
        put16(p + 2, (uint32_t)(IP4_HEAD + len));
        put16(p + 6, 0x4000); /* do not fragment */
        p[8] = TTL;
        p[9] = (uint8_t)proto;
        memcpy(p + 12, from->octet + 12, 4);
        memcpy(p + 16, to->octet + 12, 4);
        return;
    }
    put32(p, UINT32_C(6) << 28);
    put16(p + 4, (uint32_t)len);
    p[6] = (uint8_t)proto;
    p[7] = TTL;
    memcpy(p + 8, from->octet, 16);
    memcpy(p + 24, to->octet, 16);
}

static void mark_ip(uint8_t *p, const struct packet *packet)
{
    const bool v4 = p[0] >> 4 == 4;
    if (v4) {
        p[1] = packet->tos;
        if (packet->has_ttl)
            p[8] = packet->ttl;
        put16(p + 10, 0);
        put16(p + 10, csum_fold(csum_add(0, p, IP4_HEAD)));
        return;
    }
    put32(p, UINT32_C(6) << 28 | (uint32_t)packet->tos << 20 | (packet->flow & 0xfffff));
    if (packet->has_ttl)
        p[7] = packet->ttl;
}

/* The sum over the pseudo header and `len` octets of transport at `p`. */
static uint16_t sum(const struct weir_ip *from, const struct weir_ip *to, unsigned proto,
                    const uint8_t *p, size_t len)
{
    const bool v4 = weir_ip_is_v4(from);
    const size_t skip = v4 ? 12 : 0;
    csum32 total = csum_add(0, from->octet + skip, 16 - skip);
    total = csum_add(total, to->octet + skip, 16 - skip);
    total = csum_add16(total, (uint16_t)proto);
    total = csum_add16(total, (uint16_t)(len >> 16));
    total = csum_add16(total, (uint16_t)len);
    return csum_fold(csum_add(total, p, len));
}

/* ---- TCP ---- */

/* The timestamp on the wire that this one of the script stands for. */
static uint32_t live_ecr(const struct flow *flow, const struct tcp_option *option)
{
    if (option->any_ecr)
        return flow->ts_last;
    for (unsigned i = flow->ts_count; i > 0; i--)
        if (flow->ts[i - 1].script == option->ecr)
            return flow->ts[i - 1].live;
    if (flow->ts_count == 0 || option->ecr == 0)
        return option->ecr;
    return flow->ts[0].live + (option->ecr - flow->ts[0].script);
}

static size_t put_option(uint8_t *p, const struct tcp_option *option, struct flow *flow)
{
    p[0] = option->kind;
    if (option->len == 0)
        return 1;
    p[1] = option->len;
    switch (option->form) {
    case FORM_MSS:
        put16(p + 2, option->val);
        break;
    case FORM_WSCALE:
        p[2] = (uint8_t)option->val;
        break;
    case FORM_TS:
        if (!option->any_val)
            flow->ts_in = option->val;
        put32(p + 2, flow->ts_in);
        put32(p + 6, live_ecr(flow, option));
        break;
    case FORM_SACK:
        for (unsigned i = 0; i < option->blocks * 2; i++)
            put32(p + 2 + (size_t)4 * i, option->sack[i] + flow->local_shift);
        break;
    default:
        memcpy(p + 2, option->data, option->len - 2u);
        break;
    }
    return option->len;
}

/* What the peer sends counts from its first SYN, as packetdrill has it: behind one with the number
 * 123, the octet 1 is 124. SYNs themselves are numbered as they stand. */
static uint32_t peer_shift(const struct packet *packet, struct flow *flow)
{
    if ((packet->flags & SEG_SYN) == 0)
        return flow->remote_shift;
    if (!flow->irs_known)
        flow->remote_shift += packet->seq;
    flow->irs_known = true;
    return flow->syn_shift;
}

/* The header alone; returns its length. */
static size_t put_tcp_head(uint8_t *p, const struct packet *packet, struct flow *flow)
{
    size_t len = TCP_HEAD;
    memset(p, 0, TCP_HEAD);
    put16(p, flow->remote_port);
    put16(p + 2, flow->local_port);
    put32(p + 4, packet->seq + peer_shift(packet, flow));
    put32(p + 8, packet->has_ack ? packet->ack + flow->local_shift : 0);
    for (unsigned i = 0; i < packet->option_count; i++)
        len += put_option(p + len, &packet->option[i], flow);
    while (len % 4 != 0)
        p[len++] = 0;
    put16(p + 12, (uint32_t)len << 10 | packet->flags);
    put16(p + 14, packet->win);
    put16(p + 18, packet->urg);
    return len;
}

static size_t build_tcp(const struct packet *packet, struct flow *flow, uint8_t *out)
{
    const size_t ip = head_len(!weir_ip_is_v4(&flow->local));
    const size_t head = put_tcp_head(out + ip, packet, flow);
    memset(out + ip + head, 0, packet->len);
    put_ip(out, &flow->remote, &flow->local, PROTO_NUMBER_TCP, head + packet->len);
    mark_ip(out, packet);
    put16(out + ip + 16,
          sum(&flow->remote, &flow->local, PROTO_NUMBER_TCP, out + ip, head + packet->len));
    return ip + head + packet->len;
}

/* ---- UDP ---- */

static size_t build_udp(const struct packet *packet, const struct flow *flow, uint8_t *out)
{
    const size_t ip = head_len(!weir_ip_is_v4(&flow->local)), len = UDP_HEAD + packet->len;
    memset(out + ip, 0, len);
    put16(out + ip, flow->remote_port);
    put16(out + ip + 2, flow->local_port);
    put16(out + ip + 4, (uint32_t)len);
    put_ip(out, &flow->remote, &flow->local, PROTO_NUMBER_UDP, len);
    mark_ip(out, packet);
    const uint16_t total = sum(&flow->remote, &flow->local, PROTO_NUMBER_UDP, out + ip, len);
    put16(out + ip + 6, total == 0 ? 0xffff : total);
    return ip + len;
}

/* ---- ICMP ---- */

/* What the router saw of ours: an IP header, and the first octets of the transport's. */
static size_t put_quote(uint8_t *p, const struct packet *packet, const struct flow *flow)
{
    const size_t ip = head_len(!weir_ip_is_v4(&flow->local));
    struct packet quoted = { .proto = PROTO_TCP };
    const size_t head = flow->udp ? UDP_HEAD : TCP_HEAD;
    uint8_t *transport = p + ip;
    put_ip(p, &flow->local, &flow->remote, flow->udp ? PROTO_NUMBER_UDP : PROTO_NUMBER_TCP,
           head + packet->len);
    mark_ip(p, &quoted);
    memset(transport, 0, QUOTE_MAX);
    put16(transport, flow->local_port);
    put16(transport + 2, flow->remote_port);
    if (flow->udp)
        put16(transport + 4, (uint32_t)(head + packet->len));
    else
        put32(transport + 4, packet->seq + flow->local_shift);
    return ip + QUOTE_MAX;
}

static size_t build_icmp(const struct packet *packet, const struct flow *flow, uint8_t *out,
                         char error[DRILL_ERROR_MAX])
{
    const bool v6 = !weir_ip_is_v4(&flow->local);
    const int type = v6 ? packet->icmp->type6 : packet->icmp->type4;
    const int code = v6 ? packet->icmp->code6 : packet->icmp->code4;
    const size_t ip = head_len(v6);
    uint8_t *p = out + ip;
    if (type < 0) {
        snprintf(error, DRILL_ERROR_MAX, "%s has no ICMP %s %s", v6 ? "IPv6" : "IPv4",
                 packet->icmp->type, packet->icmp->code);
        return 0;
    }
    memset(p, 0, 8);
    p[0] = (uint8_t)type;
    p[1] = (uint8_t)code;
    if (v6)
        put32(p + 4, packet->mtu);
    else
        put16(p + 6, packet->mtu);
    size_t len = 8 + put_quote(p + 8, packet, flow);
    /* A router between us and the peer would speak from its own address; it may as well be the
     * peer's, as nothing depends on it. */
    put_ip(out, &flow->remote, &flow->local, v6 ? PROTO_NUMBER_ICMP6 : PROTO_NUMBER_ICMP, len);
    mark_ip(out, packet);
    const uint16_t total = v6 ? sum(&flow->remote, &flow->local, PROTO_NUMBER_ICMP6, p, len)
                              : csum_fold(csum_add(0, p, len));
    put16(p + 2, total);
    return ip + len;
}

size_t packet_build(const struct packet *packet, struct flow *flow, uint8_t *out,
                    char error[DRILL_ERROR_MAX])
{
    switch (packet->proto) {
    case PROTO_UDP:
        return build_udp(packet, flow, out);
    case PROTO_ICMP:
        return build_icmp(packet, flow, out, error);
    default:
        return build_tcp(packet, flow, out);
    }
}
