/* SPDX-License-Identifier: MIT */
#include "wire/icmp6.h"

#include "wire/cursor.h"
#include "wire/ip6.h"

enum wire_error wire_icmp6_parse(const uint8_t *p, size_t len, csum32 pseudo,
                                 struct icmp6_head *out)
{
    struct rd r = rd_begin(p, len);
    out->type = rd_u8(&r);
    out->code = rd_u8(&r);
    rd_skip(&r, 2); /* the checksum is part of the sum below */
    out->rest = rd_u32(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    out->body = r.at;
    out->len = (uint32_t)r.left;
    return csum_fold(csum_add(pseudo, p, len)) == 0 ? WIRE_OK : WIRE_CSUM;
}

size_t wire_icmp6_emit(uint8_t *p, size_t room, const struct icmp6_head *head)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, head->type);
    wr_u8(&w, head->code);
    wr_u16(&w, 0);
    wr_u32(&w, head->rest);
    return w.ran_out ? 0 : ICMP_HEAD;
}

/* Steps over the extension headers in front of a quoted upper layer, and leaves its number in
 * *next. */
static enum wire_error skip_extensions(struct rd *r, uint8_t *next)
{
    for (unsigned heads = 0;; heads++) {
        const bool fragment = *next == IP6_FRAGMENT;
        if (!fragment && *next != IP6_HOP_BY_HOP && *next != IP6_ROUTING &&
            *next != IP6_DEST_OPTIONS)
            return WIRE_OK;
        if (heads == IP6_EXT_MAX)
            return WIRE_MANY;
        *next = rd_u8(r);
        const uint8_t units = rd_u8(r);
        const uint16_t field = rd_u16(r); /* of a fragment header: offset and flags */
        rd_skip(r, fragment ? 4 : 4 + (size_t)units * 8);
        if (r->ran_out)
            return WIRE_SHORT;
        if (fragment && (field & 0xfff8) != 0)
            return WIRE_UNKNOWN;
    }
}

enum wire_error wire_icmp6_quote(const uint8_t *body, size_t len, struct icmp_quote *out)
{
    enum {
        QUOTE_MIN = 8
    }; /* octets of the quoted upper layer that we need */
    struct rd r = rd_begin(body, len);
    const uint32_t first = rd_u32(&r);
    const uint16_t payload_len = rd_u16(&r);
    out->proto = rd_u8(&r);
    out->ttl = rd_u8(&r);
    out->src = rd_ip6(&r);
    out->dst = rd_ip6(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    if (first >> 28 != 6 || payload_len > UINT16_MAX - IP6_HEAD || weir_ip_is_v4(&out->src) ||
        weir_ip_is_v4(&out->dst))
        return WIRE_BAD;
    out->total = (uint16_t)(IP6_HEAD + payload_len);
    out->id = 0;

    const uint8_t *start = r.at;
    const enum wire_error error = skip_extensions(&r, &out->proto);
    if (error != WIRE_OK)
        return error;
    if ((size_t)(r.at - start) + QUOTE_MIN > payload_len)
        return WIRE_BAD;
    out->transport = r.at;
    out->len = (uint32_t)r.left;
    out->sport = rd_u16(&r);
    out->dport = rd_u16(&r);
    out->word = rd_u32(&r);
    return r.ran_out ? WIRE_SHORT : WIRE_OK;
}
