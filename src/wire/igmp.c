/* SPDX-License-Identifier: MIT */
#include "wire/igmp.h"

#include "base/csum.h"
#include "wire/cursor.h"

#define CSUM_OFF      2
#define QUERY3_MIN    12  /* a query of version 3, without sources */
#define TENTH_MS      100 /* IGMP counts response times in tenths of a second */
#define EXPONENT_BITS 3

uint32_t wire_group_code(uint32_t code, unsigned bits)
{
    const uint32_t top = UINT32_C(1) << (bits - 1);
    if (code < top)
        return code;
    const unsigned mantissa_bits = bits - 1 - EXPONENT_BITS;
    const uint32_t mantissa = code & ((UINT32_C(1) << mantissa_bits) - 1);
    const uint32_t exponent = code >> mantissa_bits & ((1u << EXPONENT_BITS) - 1);
    return (mantissa | UINT32_C(1) << mantissa_bits) << (exponent + EXPONENT_BITS);
}

static bool is_group(const struct weir_ip *ip)
{
    return (ip->octet[12] & 0xf0) == 0xe0;
}

static bool is_zero(const struct weir_ip *ip)
{
    return (ip->octet[12] | ip->octet[13] | ip->octet[14] | ip->octet[15]) == 0;
}

/* RFC 3376, 7.1: the version of a query is told by its length, and by whether it has a response
 * time. */
static enum wire_error read_query(struct rd *r, size_t len, uint8_t code, struct group_message *out)
{
    out->version = code == 0 ? 1 : 2;
    out->max_resp_ms = code * TENTH_MS;
    if (len == IGMP_LEN)
        return WIRE_OK;
    if (len < QUERY3_MIN)
        return WIRE_BAD;
    out->version = 3;
    out->max_resp_ms = wire_group_code(code, 8) * TENTH_MS;
    rd_skip(r, 2); /* robustness and interval of the querier */
    const uint16_t sources = rd_u16(r);
    rd_skip(r, (size_t)sources * IGMP_ADDRESS); /* our answer covers them all */
    return r->ran_out ? WIRE_SHORT : WIRE_OK;
}

enum wire_error wire_igmp_parse(const uint8_t *p, size_t len, struct group_message *out)
{
    struct rd r = rd_begin(p, len);
    *out = (struct group_message){ .type = rd_u8(&r) };
    const uint8_t code = rd_u8(&r);
    rd_skip(&r, 2); /* the checksum is part of the sum below */
    out->group = rd_ip4(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    if (csum_fold(csum_add(0, p, len)) != 0)
        return WIRE_CSUM;
    if (out->type == IGMP_REPORT3) {
        out->group = weir_ip_v4(0, 0, 0, 0); /* what stands there are numbers */
        return WIRE_OK;
    }
    const bool general = out->type == IGMP_QUERY && is_zero(&out->group);
    if (!general && !is_group(&out->group))
        return WIRE_BAD;
    return out->type == IGMP_QUERY ? read_query(&r, len, code, out) : WIRE_OK;
}

static size_t finish(uint8_t *p, const struct wr *w, size_t len)
{
    if (w->ran_out)
        return 0;
    struct wr sum = wr_begin(p + CSUM_OFF, 2);
    wr_u16(&sum, csum_fold(csum_add(0, p, len)));
    return len;
}

size_t wire_igmp_emit(uint8_t *p, size_t room, uint8_t type, const struct weir_ip *group)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, type);
    wr_u8(&w, 0);
    wr_u16(&w, 0);
    wr_ip4(&w, group);
    return finish(p, &w, IGMP_LEN);
}

size_t wire_igmp_report_emit(uint8_t *p, size_t room, const struct group_record *record,
                             unsigned count)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, IGMP_REPORT3);
    wr_u8(&w, 0);
    wr_u32(&w, 0); /* the checksum, and reserved */
    wr_u16(&w, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        wr_u8(&w, (uint8_t)record[i].kind);
        wr_u8(&w, 0);  /* no auxiliary data */
        wr_u16(&w, 0); /* no sources */
        wr_ip4(&w, &record[i].group);
    }
    return finish(p, &w, IGMP_LEN + (size_t)count * (4 + IGMP_ADDRESS));
}
