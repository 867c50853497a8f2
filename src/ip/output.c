/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "base/csum.h"
#include "wire/cursor.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#include <string.h>

/* Headers for connections, and whole packets: summed, cut into fragments if they must be, and
 * queued for the driver or with a neighbour that is still being asked for. */

#define IP_LEN_MAX 65535

uint64_t ip_pseudo_sum(const struct weir_ip *src, const struct weir_ip *dst, uint8_t proto,
                       uint32_t len)
{
    csum32 sum = csum_add16(0, proto);
    sum = csum_add16(sum, (uint16_t)(len >> 16));
    sum = csum_add16(sum, (uint16_t)len);
    /* What makes an IPv4 address one of the mapped form is 0xffff, and that adds nothing. */
    sum = csum_add(sum, src->octet, sizeof src->octet);
    return csum_add(sum, dst->octet, sizeof dst->octet);
}

/* ---- frames ---- */

uint32_t ip_frame_len(const struct ip_frame *frame)
{
    return frame->head_len + frame->part_len[0] + frame->part_len[1];
}

void ip_frame_copy(const struct ip_frame *frame, uint8_t *to)
{
    memcpy(to, frame->head, frame->head_len);
    to += frame->head_len;
    for (unsigned i = 0; i < 2; i++) {
        if (frame->part_len[i] > 0)
            memcpy(to, frame->part[i], frame->part_len[i]);
        to += frame->part_len[i];
    }
}

bool output_frame(struct ip_host *ip, unsigned iface, const struct ip_frame *frame, weir_time now)
{
    struct frameq *out = &ip->iface[iface].out;
    const uint32_t len = ip_frame_len(frame);
    uint8_t *to = frameq_reserve(out, len);
    if (to == NULL) {
        trace_drop(ip->trace, now, WEIR_DROP_REPLY_FULL,
                   &(struct weir_record){ .conn = UINT32_MAX, .value = len });
        return false;
    }
    ip_frame_copy(frame, to);
    frameq_commit(out, &(struct frameq_info){ .len = len, .why = frame->why });
    return true;
}

bool ip_reply_waits(const struct ip_host *ip, unsigned iface)
{
    return !frameq_is_empty(&ip->iface[iface].out);
}

bool ip_reply_next(struct ip_host *ip, unsigned iface, struct weir_out *out)
{
    WEIR_ASSERT(iface < ip->iface_count);
    struct frameq *queue = &ip->iface[iface].out;
    if (frameq_is_empty(queue))
        return false;
    struct frameq_info info;
    uint8_t *frame = frameq_take(queue, &info);
    ip->lent |= UINT64_C(1) << iface;
    if (frame == NULL)
        return false;
    out->head_len = out->gso_size = out->csum_start = out->csum_offset = 0;
    out->transport_off = 0;
    out->why = info.why;
    out->handle = WEIR_NO_HANDLE;
    out->span_count = 1;
    out->span[0] = (struct weir_span){ frame, info.len };
    return true;
}

void output_link_head(const struct ip_host *ip, unsigned iface, const uint8_t *mac, uint16_t type,
                      struct ip_frame *frame)
{
    frame->head_len = 0;
    frame->part[0] = frame->part[1] = NULL;
    frame->part_len[0] = frame->part_len[1] = 0;
    frame->why = WEIR_WHY_NONE;
    if (ip->iface[iface].medium != WEIR_ETHERNET)
        return;
    struct eth_head head = { .type = type };
    if (mac != NULL)
        memcpy(head.dst, mac, ETH_ADDR);
    memcpy(head.src, ip->iface[iface].mac, ETH_ADDR);
    frame->head_len = (uint32_t)wire_eth_emit(frame->head, sizeof frame->head, &head);
}

void output_group_mac(const struct weir_ip *group, uint8_t mac[ETH_ADDR])
{
    const uint8_t *octet = group->octet + 12;
    if (!weir_ip_is_v4(group)) { /* RFC 2464, 7 */
        const uint8_t six[ETH_ADDR] = { 0x33, 0x33, octet[0], octet[1], octet[2], octet[3] };
        memcpy(mac, six, ETH_ADDR);
    } else if (ip_is_multicast(group)) { /* RFC 1112, 6.4 */
        const uint8_t four[ETH_ADDR] = { 0x01, 0x00, 0x5e, octet[1] & 0x7f, octet[2], octet[3] };
        memcpy(mac, four, ETH_ADDR);
    } else {
        memset(mac, 0xff, ETH_ADDR);
    }
}

/* ---- the header in front of a connection's segment ---- */

static size_t link_head(const struct ip_host *ip, const struct ip_path *path,
                        const struct weir_ip *dst, uint8_t head[WEIR_HEAD_MAX])
{
    const struct ip_iface *iface = &ip->iface[path->iface];
    if (path->loopback || iface->medium != WEIR_ETHERNET)
        return 0;
    struct eth_head eth = { .type = weir_ip_is_v4(dst) ? ETH_IP4 : ETH_IP6 };
    memcpy(eth.src, iface->mac, ETH_ADDR);
    if (path->neigh == POOL_NONE) {
        output_group_mac(dst, eth.dst);
    } else {
        const struct neigh *neigh = pool_at(&ip->neigh.pool, path->neigh);
        memcpy(eth.dst, neigh->mac, ETH_ADDR);
    }
    return wire_eth_emit(head, WEIR_HEAD_MAX, &eth);
}

static uint8_t hop_limit(const struct ip_host *ip, const struct ip_path *path, bool v4, uint8_t ttl)
{
    if (ttl != 0)
        return ttl;
    return v4 || path->loopback ? IP_TTL : ip->iface[path->iface].hop_limit;
}

size_t ip_head_build(const struct ip_host *ip, const struct ip_path *path,
                     const struct ip_head *what, uint8_t head[WEIR_HEAD_MAX])
{
    const size_t link = link_head(ip, path, what->dst, head);
    const bool v4 = weir_ip_is_v4(what->dst);
    const uint8_t ttl = hop_limit(ip, path, v4, what->ttl);
    size_t len;
    if (v4) {
        const struct ip4_head ip4 = {
            .src = *what->src,
            .dst = *what->dst,
            .tos = what->tos,
            .ttl = ttl,
            .proto = what->proto,
            .df = true,
            .len = what->payload_len,
        };
        len = wire_ip4_emit(head + link, WEIR_HEAD_MAX - link, &ip4);
    } else {
        const struct ip6_head ip6 = {
            .src = *what->src,
            .dst = *what->dst,
            .tclass = what->tos,
            .next = what->proto,
            .hop_limit = ttl,
            .len = what->payload_len,
        };
        len = wire_ip6_emit(head + link, WEIR_HEAD_MAX - link, &ip6);
    }
    WEIR_ASSERT(len > 0);
    return link + len;
}

/* ---- whole packets ---- */

/* A packet on its way out. */
struct sending {
    const struct ip_send *send;
    struct weir_ip src;
    struct ip_path path;
    uint8_t head[IP_SEND_HEAD_MAX]; /* the transport header, its sum filled in */
    uint32_t len;                   /* transport header and payload */
    uint32_t ip_head_len;
    uint32_t piece_max; /* octets of payload in a fragment but the last */
    uint32_t pieces;
    uint32_t id;
    bool v4;
};

static void fill_sum(struct sending *s)
{
    const struct ip_send *send = s->send;
    memcpy(s->head, send->head, send->head_len);
    if (send->csum_offset == UINT16_MAX)
        return;
    WEIR_ASSERT(send->csum_offset + 2u <= send->head_len);
    WEIR_ASSERT(send->head_len % 2 == 0);
    /* ICMP for IPv4 has no pseudo header. */
    csum32 sum =
        send->proto == IP_PROTO_ICMP ? 0 : ip_pseudo_sum(&s->src, &send->dst, send->proto, s->len);
    struct wr w = wr_begin(s->head + send->csum_offset, 2);
    wr_u16(&w, 0);
    sum = csum_add(sum, s->head, send->head_len);
    if (send->len > 0)
        sum = csum_add(sum, send->data, send->len);
    uint16_t csum = csum_fold(sum);
    if (csum == 0 && send->udp_zero_rule)
        csum = 0xffff;
    w = wr_begin(s->head + send->csum_offset, 2);
    wr_u16(&w, csum);
}

/* Identifications count up for each pair of addresses and protocol from a start nobody can guess
 * (attack KP-11). */
static uint32_t next_id(struct ip_host *ip, const struct sending *s)
{
    uint8_t text[2 * sizeof s->src.octet + 1];
    memcpy(text, s->src.octet, sizeof s->src.octet);
    memcpy(text + sizeof s->src.octet, s->send->dst.octet, sizeof s->src.octet);
    text[2 * sizeof s->src.octet] = s->send->proto;
    const uint64_t hash = siphash24(&ip->id_key, text, sizeof text);
    return (uint32_t)hash + ip->id_counter[hash >> 32 & (IP_ID_COUNTERS - 1)]++;
}

/* How many fragments, if any, and how large. */
static enum weir_error plan_pieces(struct ip_host *ip, struct sending *s)
{
    s->ip_head_len = s->v4 ? IP4_HEAD_MIN : IP6_HEAD;
    if (s->len > IP_LEN_MAX - (s->v4 ? IP4_HEAD_MIN : 0u))
        return WEIR_TOO_LONG;
    s->pieces = 1;
    s->piece_max = s->len;
    if (s->ip_head_len + s->len <= s->path.mtu)
        return WEIR_OK;
    if (s->send->dont_fragment)
        return WEIR_TOO_LONG;
    if (!s->v4)
        s->ip_head_len += IP6_FRAG_HEAD;
    s->piece_max = (s->path.mtu - s->ip_head_len) & ~(uint32_t)(FRAG_UNIT - 1);
    s->pieces = (s->len + s->piece_max - 1) / s->piece_max;
    s->id = next_id(ip, s);
    return WEIR_OK;
}

/* Appends the IP header of the piece at `off` to the frame's head. */
static void piece_head(const struct ip_host *ip, const struct sending *s, uint32_t off,
                       uint32_t len, struct ip_frame *frame)
{
    const struct ip_send *send = s->send;
    uint8_t *at = frame->head + frame->head_len;
    const size_t room = sizeof frame->head - frame->head_len;
    const bool more = off + len < s->len;
    const uint8_t ttl = hop_limit(ip, &s->path, s->v4, send->ttl);
    if (s->v4) {
        const struct ip4_head head = {
            .src = s->src,
            .dst = send->dst,
            .tos = send->tos,
            .ttl = ttl,
            .proto = send->proto,
            .df = s->pieces == 1,
            .mf = more,
            .id = s->pieces == 1 ? 0 : (uint16_t)s->id,
            .frag_off = (uint16_t)off,
            .len = len,
        };
        frame->head_len += (uint32_t)wire_ip4_emit(at, room, &head);
        return;
    }
    const uint32_t ext = s->pieces == 1 ? 0 : IP6_FRAG_HEAD;
    const struct ip6_head head = {
        .src = s->src,
        .dst = send->dst,
        .tclass = send->tos,
        .next = s->pieces == 1 ? send->proto : IP6_FRAGMENT,
        .hop_limit = ttl,
        .len = len + ext,
    };
    frame->head_len += (uint32_t)wire_ip6_emit(at, room, &head);
    if (ext > 0)
        frame->head_len += (uint32_t)wire_ip6_frag_emit(at + IP6_HEAD, room - IP6_HEAD, send->proto,
                                                        (uint16_t)off, more, s->id);
}

/* The octets [off, off + len) of transport header and payload. */
static void piece_parts(const struct sending *s, uint32_t off, uint32_t len, struct ip_frame *frame)
{
    const struct ip_send *send = s->send;
    uint32_t from_head = 0;
    if (off < send->head_len) {
        from_head = send->head_len - off < len ? send->head_len - off : len;
        frame->part[0] = s->head + off;
        frame->part_len[0] = from_head;
    }
    if (len > from_head) {
        frame->part[1] = send->data + (off + from_head - send->head_len);
        frame->part_len[1] = len - from_head;
    }
}

static enum weir_error send_to_ourselves(struct ip_host *ip, const struct sending *s)
{
    if (!frameq_fits(&ip->loop, s->pieces, s->ip_head_len + s->piece_max))
        return WEIR_AGAIN;
    for (uint32_t off = 0, i = 0; i < s->pieces; i++, off += s->piece_max) {
        const uint32_t len = s->len - off < s->piece_max ? s->len - off : s->piece_max;
        struct ip_frame frame = { .why = (uint16_t)s->send->why };
        piece_head(ip, s, off, len, &frame);
        piece_parts(s, off, len, &frame);
        ip_frame_copy(&frame, frameq_reserve(&ip->loop, ip_frame_len(&frame)));
        frameq_commit(&ip->loop, &(struct frameq_info){
                                     .len = ip_frame_len(&frame), .why = frame.why, .csum_ok = 1 });
    }
    return WEIR_OK;
}

static enum weir_error send_on_link(struct ip_host *ip, struct sending *s, weir_time now)
{
    const enum ip_ready ready = ip_path_ready(ip, &s->path, &s->send->dst, POOL_NONE, now);
    if (ready == IP_UNREACHABLE)
        return s->path.neigh == POOL_NONE ? WEIR_NO_MEMORY : WEIR_HOST_UNREACH;
    const uint32_t frame_max = ETH_HEAD + s->ip_head_len + s->piece_max;
    if (ready == IP_READY && !frameq_fits(&ip->iface[s->path.iface].out, s->pieces, frame_max))
        return WEIR_AGAIN;

    uint8_t mac[ETH_ADDR] = { 0 };
    if (s->path.neigh == POOL_NONE)
        output_group_mac(&s->send->dst, mac);
    else if (ready == IP_READY)
        neigh_mac(ip, s->path.neigh, mac);
    for (uint32_t off = 0, i = 0; i < s->pieces; i++, off += s->piece_max) {
        const uint32_t len = s->len - off < s->piece_max ? s->len - off : s->piece_max;
        struct ip_frame frame;
        output_link_head(ip, s->path.iface, mac, s->v4 ? ETH_IP4 : ETH_IP6, &frame);
        frame.why = (uint16_t)s->send->why;
        piece_head(ip, s, off, len, &frame);
        piece_parts(s, off, len, &frame);
        if (ready == IP_READY)
            (void)output_frame(ip, s->path.iface, &frame, now);
        else
            neigh_park(ip, s->path.neigh, &frame, i == 0, now);
    }
    return WEIR_OK;
}

enum weir_error ip_packet_send(struct ip_host *ip, const struct ip_send *send, weir_time now)
{
    WEIR_ASSERT(send->head_len <= IP_SEND_HEAD_MAX);
    struct sending s = {
        .send = send,
        .src = send->src,
        .len = send->head_len + send->len,
        .v4 = weir_ip_is_v4(&send->dst),
    };
    if (s.len < send->len)
        return WEIR_TOO_LONG;
    enum weir_error error = ip_path_find(ip, &s.src, &send->dst, send->scope_iface, &s.path, now);
    if (error != WEIR_OK)
        return error;
    if (!send->broadcast_ok && ip_is_broadcast(ip, &send->dst))
        return WEIR_ACCESS;
    error = plan_pieces(ip, &s);
    if (error != WEIR_OK)
        return error;
    fill_sum(&s);
    error = s.path.loopback ? send_to_ourselves(ip, &s) : send_on_link(ip, &s, now);
    if (error == WEIR_OK && s.pieces > 1)
        ip->trace->count.fragmented++;
    return error;
}

/* ---- to ourselves ---- */

bool ip_loop_put(struct ip_host *ip, const struct weir_out *out, weir_time now)
{
    uint32_t len = out->head_len;
    for (unsigned i = 0; i < out->span_count; i++)
        len += (uint32_t)out->span[i].len;
    uint8_t *to = frameq_reserve(&ip->loop, len);
    if (to == NULL) {
        trace_drop(ip->trace, now, WEIR_DROP_REPLY_FULL,
                   &(struct weir_record){ .conn = UINT32_MAX, .value = len });
        return false;
    }
    memcpy(to, out->head, out->head_len);
    to += out->head_len;
    for (unsigned i = 0; i < out->span_count; i++) {
        memcpy(to, out->span[i].base, out->span[i].len);
        to += out->span[i].len;
    }
    frameq_commit(&ip->loop,
                  &(struct frameq_info){
                      .len = len, .why = out->why, .gso_size = out->gso_size, .csum_ok = 1 });
    return true;
}
