/* SPDX-License-Identifier: MIT */
#include "wire/ip4.h"

#include "base/csum.h"
#include "wire/cursor.h"

#define VERSION     4
#define CSUM_OFF    10
#define FLAG_DF     0x4000
#define FLAG_MF     0x2000
#define OFFSET_MASK 0x1fff /* in units of 8 octets */

static struct weir_ip get_ip4(const uint8_t *p)
{
    return weir_ip_v4(p[0], p[1], p[2], p[3]);
}

enum wire_error wire_ip4_parse(const uint8_t *p, size_t len, struct ip4_head *out)
{
    if (len < IP4_HEAD_MIN)
        return WIRE_SHORT;
    const size_t head_len = (size_t)(p[0] & 0xf) * 4;
    const uint16_t total = get_u16(p + 2);
    if (p[0] >> 4 != VERSION || head_len < IP4_HEAD_MIN || total < head_len)
        return WIRE_BAD;
    if (total > len)
        return WIRE_SHORT;
    if (csum_fold(csum_add(0, p, head_len)) != 0)
        return WIRE_CSUM;

    out->tos = p[1];
    out->id = get_u16(p + 4);
    const uint16_t fragment = get_u16(p + 6);
    out->df = (fragment & FLAG_DF) != 0;
    out->mf = (fragment & FLAG_MF) != 0;
    out->frag_off = (uint16_t)((fragment & OFFSET_MASK) * 8);
    out->ttl = p[8];
    out->proto = p[9];
    out->src = get_ip4(p + 12);
    out->dst = get_ip4(p + 16);
    out->options = p + IP4_HEAD_MIN;
    out->options_len = (uint8_t)(head_len - IP4_HEAD_MIN);
    out->payload = p + head_len;
    out->len = (uint32_t)(total - head_len);
    return WIRE_OK;
}

size_t wire_ip4_emit(uint8_t *p, size_t room, const struct ip4_head *head)
{
    const size_t head_len = IP4_HEAD_MIN + (size_t)head->options_len;
    if (head->options_len > IP4_OPTIONS_MAX || head->options_len % 4 != 0 ||
        head->len > UINT16_MAX - head_len || head_len > room)
        return 0;
    const unsigned flags = (head->df ? FLAG_DF : 0u) | (head->mf ? FLAG_MF : 0u);

    p[0] = (uint8_t)(VERSION << 4 | head_len / 4);
    p[1] = head->tos;
    put_u16(p + 2, (uint16_t)(head_len + head->len));
    put_u16(p + 4, head->id);
    put_u16(p + 6, (uint16_t)(flags | head->frag_off / 8u));
    p[8] = head->ttl;
    p[9] = head->proto;
    put_u16(p + CSUM_OFF, 0);
    memcpy(p + 12, head->src.octet + 12, 4);
    memcpy(p + 16, head->dst.octet + 12, 4);
    if (head->options_len > 0)
        memcpy(p + IP4_HEAD_MIN, head->options, head->options_len);
    put_u16(p + CSUM_OFF, csum_fold(csum_add(0, p, head_len)));
    return head_len;
}

/* RFC 791, 3.1. */
enum {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_RECORD_ROUTE = 7,
    OPT_TIMESTAMP = 68,
    OPT_LOOSE_ROUTE = 131,
    OPT_STRICT_ROUTE = 137,
};

/* Looks at one option of `len` octets, of which there are at least two. Returns the offset of the
 * octet that is wrong, or `len`. */
static size_t option_fault(const uint8_t *option, size_t len)
{
    size_t pointer_min = 4; /* counted from 1: the first octet behind kind, length and pointer */
    switch (option[0]) {
    case OPT_TIMESTAMP: /* has an octet of overflow and flags more */
        pointer_min = 5;
        break;
    case OPT_RECORD_ROUTE:
    case OPT_LOOSE_ROUTE:
    case OPT_STRICT_ROUTE:
        break;
    default:
        return len;
    }
    if (len < pointer_min - 1)
        return 1;
    return option[2] < pointer_min ? 2 : len;
}

enum ip4_options wire_ip4_options(const uint8_t *options, size_t len, uint8_t *pointer)
{
    bool source_route = false;
    if (len > IP4_OPTIONS_MAX)
        len = IP4_OPTIONS_MAX;
    for (size_t at = 0; at < len && options[at] != OPT_END;) {
        if (options[at] == OPT_NOP) {
            at++;
            continue;
        }
        /* A kind without a length, or a length that is short or leads out of the header. */
        *pointer = (uint8_t)(IP4_HEAD_MIN + at);
        if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
            return IP4_OPTIONS_BAD;
        const size_t option_len = options[at + 1];
        const size_t fault = option_fault(options + at, option_len);
        *pointer = (uint8_t)(IP4_HEAD_MIN + at + fault);
        if (fault < option_len)
            return IP4_OPTIONS_BAD;
        if (options[at] == OPT_LOOSE_ROUTE || options[at] == OPT_STRICT_ROUTE)
            source_route = true;
        at += option_len;
    }
    return source_route ? IP4_OPTIONS_SOURCE_ROUTE : IP4_OPTIONS_OK;
}
