/* SPDX-License-Identifier: MIT */
#include "wire/ip6.h"

#include "wire/cursor.h"

#define VERSION         6
#define NEXT_OFF        6 /* of the next header field in the IPv6 header */
#define PAYLOAD_LEN_OFF 4
#define FLOW_MASK       0xfffff
#define PAYLOAD_MAX     UINT16_MAX

enum {
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_ICMP6 = 58
};

/* Parameter problem codes (RFC 4443, 3.4). */
enum {
    CODE_FIELD = 0,
    CODE_NEXT = 1,
    CODE_OPTION = 2
};

enum wire_error wire_ip6_parse(const uint8_t *p, size_t len, struct ip6_head *out)
{
    struct rd r = rd_begin(p, len);
    const uint32_t first = rd_u32(&r);
    const uint16_t payload_len = rd_u16(&r);
    out->next = rd_u8(&r);
    out->hop_limit = rd_u8(&r);
    out->src = rd_ip6(&r);
    out->dst = rd_ip6(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    if (first >> 28 != VERSION)
        return WIRE_BAD;
    if (payload_len > r.left)
        return WIRE_SHORT;
    if (weir_ip_is_v4(&out->src) || weir_ip_is_v4(&out->dst))
        return WIRE_UNKNOWN;
    out->tclass = (uint8_t)(first >> 20);
    out->flow = first & FLOW_MASK;
    out->payload = r.at;
    out->len = payload_len;
    return WIRE_OK;
}

size_t wire_ip6_emit(uint8_t *p, size_t room, const struct ip6_head *head)
{
    if (head->len > PAYLOAD_MAX)
        return 0;
    struct wr w = wr_begin(p, room);
    wr_u32(&w, (uint32_t)VERSION << 28 | (uint32_t)head->tclass << 20 | (head->flow & FLOW_MASK));
    wr_u16(&w, (uint16_t)head->len);
    wr_u8(&w, head->next);
    wr_u8(&w, head->hop_limit);
    wr_ip6(&w, &head->src);
    wr_ip6(&w, &head->dst);
    return w.ran_out ? 0 : IP6_HEAD;
}

size_t wire_ip6_frag_emit(uint8_t *p, size_t room, uint8_t next, uint16_t off, bool more,
                          uint32_t id)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, next);
    wr_u8(&w, 0);
    wr_u16(&w, (uint16_t)((off & ~7u) | (more ? 1u : 0u)));
    wr_u32(&w, id);
    return w.ran_out ? 0 : IP6_FRAG_HEAD;
}

/* ---- The walk ---- */

struct chain {
    const uint8_t *p;
    size_t len;
    size_t at;        /* the header that comes next lies here */
    size_t next_at;   /* and this is where its number stood */
    uint8_t next;     /* its number */
    bool no_fragment; /* a fragment header has been seen, or the packet is put together */
    unsigned options; /* so far */
    struct ip6_walk *out;
};

static enum ip6_walk_end report(struct ip6_walk *out, enum ip6_walk_end end, uint8_t code,
                                size_t pointer)
{
    out->report = true;
    out->code = code;
    out->pointer = (uint32_t)pointer;
    return end;
}

static bool is_extension(uint8_t next)
{
    return next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_FRAGMENT ||
           next == IP6_DEST_OPTIONS;
}

/* Octets of the extension header at `at` (not a fragment header), or 0 if they are not all there.
 */
static size_t extension_len(const uint8_t *p, size_t len, size_t at)
{
    if (len - at < 8)
        return 0;
    const size_t extension = ((size_t)p[at + 1] + 1) * 8;
    return extension <= len - at ? extension : 0;
}

static void chain_advance(struct chain *chain, size_t extension)
{
    chain->next = chain->p[chain->at];
    chain->next_at = chain->at;
    chain->at += extension;
}

/* RFC 8200, 4.2: the two highest bits say what becomes of a packet with an option we do not know.
 * We know none but padding: router alert, the one common option, asks to be skipped. */
static enum ip6_walk_end option_unknown(struct chain *chain, size_t at)
{
    enum {
        JUMBO = 0xc2,
        SKIP = 0,
        DISCARD = 1,
        REPORT = 2
    };
    const uint8_t type = chain->p[at];
    if (++chain->options > IP6_OPTIONS_MAX)
        return IP6_WALK_MANY;
    if (type == JUMBO)
        return IP6_WALK_BAD;
    if (type >> 6 == SKIP)
        return IP6_WALK_OK;
    if (type >> 6 == DISCARD)
        return IP6_WALK_UNKNOWN;
    chain->out->report_group = type >> 6 == REPORT;
    return report(chain->out, IP6_WALK_UNKNOWN, CODE_OPTION, at);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Hop-by-hop and destination options. */
static enum ip6_walk_end walk_options(struct chain *chain)
{
    enum {
        PAD1 = 0,
        PADN = 1
    };
    const uint8_t *p = chain->p;
    const size_t extension = extension_len(p, chain->len, chain->at);
    if (extension == 0)
        return IP6_WALK_BAD;

    const size_t end = chain->at + extension;
    size_t padding = 0; /* in a row */
    for (size_t at = chain->at + 2; at < end;) {
        size_t option = 1;
        if (p[at] != PAD1) {
            if (end - at < 2 || p[at + 1] > end - at - 2)
                return IP6_WALK_BAD;
            option = 2 + (size_t)p[at + 1];
        }
        if (p[at] == PADN && !all_zero(p + at + 2, option - 2))
            return IP6_WALK_BAD;
        padding = p[at] <= PADN ? padding + option : 0;
        if (padding > IP6_PAD_MAX)
            return IP6_WALK_MANY;
        if (p[at] > PADN) {
            const enum ip6_walk_end unknown = option_unknown(chain, at);
            if (unknown != IP6_WALK_OK)
                return unknown;
        }
        at += option;
    }
    chain_advance(chain, extension);
    return IP6_WALK_OK;
}

/* RFC 8200, 4.4: nothing is routed through us. With no segments left any routing header is skipped;
 * else it is reported, but for RPL and segment routing, which Linux drops silently where they are
 * not configured. */
static enum ip6_walk_end walk_routing(struct chain *chain)
{
    enum {
        RPL = 3,
        SEGMENT_ROUTING = 4
    };
    const size_t extension = extension_len(chain->p, chain->len, chain->at);
    if (extension == 0)
        return IP6_WALK_BAD;
    const uint8_t type = chain->p[chain->at + 2];
    const uint8_t segments_left = chain->p[chain->at + 3];
    if (segments_left > 0) {
        if (type == RPL || type == SEGMENT_ROUTING)
            return IP6_WALK_UNKNOWN;
        return report(chain->out, IP6_WALK_UNKNOWN, CODE_FIELD, chain->at + 2);
    }
    chain_advance(chain, extension);
    return IP6_WALK_OK;
}

/* RFC 7112: a first fragment holds the whole header chain, the upper layer's header included, so
 * that no filter can be deceived by what comes later. Looks at nothing but lengths: the options are
 * judged when the packet has been put together. */
static bool chain_is_whole(const struct chain *chain, uint8_t next, size_t at)
{
    for (unsigned i = 0; i < IP6_EXT_MAX && is_extension(next) && next != IP6_FRAGMENT; i++) {
        const size_t extension = extension_len(chain->p, chain->len, at);
        if (extension == 0)
            return false;
        next = chain->p[at];
        at += extension;
    }
    const size_t head = next == PROTO_TCP ? 20 : next == PROTO_UDP || next == PROTO_ICMP6 ? 8 : 0;
    return !is_extension(next) && chain->len - at >= head;
}

/* RFC 8200, 4.5. */
static enum ip6_walk_end walk_fragment(struct chain *chain)
{
    const size_t at = chain->at;
    if (chain->len - at < IP6_FRAG_HEAD || chain->no_fragment)
        return IP6_WALK_FRAG_BAD;
    const uint16_t field = get_u16(chain->p + at + 2);
    const size_t off = field & 0xfff8u;
    const size_t len = chain->len - at - IP6_FRAG_HEAD;
    const bool more = (field & 1) != 0;

    chain->no_fragment = true;
    if (off == 0 && !more) { /* RFC 6946: whole by itself, whatever else has its identification */
        chain_advance(chain, IP6_FRAG_HEAD);
        return IP6_WALK_OK;
    }
    if (more && len % 8 != 0)
        return report(chain->out, IP6_WALK_FRAG_BAD, CODE_FIELD, PAYLOAD_LEN_OFF);
    if (at - IP6_HEAD + off + len > PAYLOAD_MAX)
        return report(chain->out, IP6_WALK_FRAG_BAD, CODE_FIELD, at + 2);
    if (len == 0)
        return IP6_WALK_FRAG_BAD;
    if (off == 0 && !chain_is_whole(chain, chain->p[at], at + IP6_FRAG_HEAD))
        return IP6_WALK_FRAG_TINY;

    chain->out->fragment = true;
    chain->out->frag_more = more;
    chain->out->frag_off = (uint32_t)off;
    chain->out->frag_id = get_u32(chain->p + at + 4);
    chain->out->frag_head = (uint32_t)at;
    chain->out->frag_next = (uint32_t)chain->next_at;
    chain_advance(chain, IP6_FRAG_HEAD);
    return IP6_WALK_OK;
}

/* One extension header. */
static enum ip6_walk_end walk_one(struct chain *chain)
{
    switch (chain->next) {
    case IP6_HOP_BY_HOP: /* only at once behind the IPv6 header */
        if (chain->at != IP6_HEAD)
            return report(chain->out, IP6_WALK_BAD, CODE_NEXT, chain->next_at);
        return walk_options(chain);
    case IP6_ROUTING:
        return walk_routing(chain);
    case IP6_FRAGMENT:
        return walk_fragment(chain);
    default:
        return walk_options(chain);
    }
}

enum ip6_walk_end wire_ip6_walk(const uint8_t *packet, size_t len, bool reassembled,
                                struct ip6_walk *out)
{
    *out = (struct ip6_walk){ 0 };
    if (len < IP6_HEAD)
        return IP6_WALK_BAD;
    struct chain chain = {
        .p = packet,
        .len = len,
        .at = IP6_HEAD,
        .next_at = NEXT_OFF,
        .next = packet[NEXT_OFF],
        .no_fragment = reassembled,
        .out = out,
    };
    for (unsigned heads = 0; is_extension(chain.next) && !out->fragment; heads++) {
        if (heads == IP6_EXT_MAX)
            return IP6_WALK_MANY;
        const enum ip6_walk_end end = walk_one(&chain);
        if (end != IP6_WALK_OK)
            return end;
    }
    out->proto = chain.next;
    out->off = (uint32_t)chain.at;
    out->len = (uint32_t)(len - chain.at);
    if (out->fragment || chain.next == PROTO_TCP || chain.next == PROTO_UDP ||
        chain.next == PROTO_ICMP6)
        return IP6_WALK_OK;
    if (chain.next == IP6_NO_NEXT)
        return IP6_WALK_NO_NEXT;
    return report(out, IP6_WALK_PROTO, CODE_NEXT, chain.next_at);
}
