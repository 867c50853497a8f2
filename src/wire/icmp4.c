/* SPDX-License-Identifier: MIT */
#include "wire/icmp4.h"

#include "base/csum.h"
#include "wire/cursor.h"
#include "wire/ip4.h"

#define QUOTE_MIN 8 /* octets of the quoted transport header (RFC 792) */

enum wire_error wire_icmp4_parse(const uint8_t *p, size_t len, struct icmp4_head *out)
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
    return csum_fold(csum_add(0, p, len)) == 0 ? WIRE_OK : WIRE_CSUM;
}

size_t wire_icmp4_emit(uint8_t *p, size_t room, const struct icmp4_head *head)
{
    struct wr w = wr_begin(p, room);
    wr_u8(&w, head->type);
    wr_u8(&w, head->code);
    wr_u16(&w, 0);
    wr_u32(&w, head->rest);
    return w.ran_out ? 0 : ICMP_HEAD;
}

enum wire_error wire_icmp4_times_parse(const uint8_t *body, size_t len, struct icmp4_times *out)
{
    struct rd r = rd_begin(body, len);
    out->originate = rd_u32(&r);
    out->receive = rd_u32(&r);
    out->transmit = rd_u32(&r);
    return r.ran_out ? WIRE_SHORT : WIRE_OK;
}

size_t wire_icmp4_times_emit(uint8_t *body, size_t room, const struct icmp4_times *times)
{
    struct wr w = wr_begin(body, room);
    wr_u32(&w, times->originate);
    wr_u32(&w, times->receive);
    wr_u32(&w, times->transmit);
    return w.ran_out ? 0 : ICMP4_TIMES;
}

enum wire_error wire_icmp4_quote(const uint8_t *body, size_t len, struct icmp_quote *out)
{
    struct rd r = rd_begin(body, len);
    const uint8_t version_ihl = rd_u8(&r);
    rd_skip(&r, 1); /* type of service */
    out->total = rd_u16(&r);
    out->id = rd_u16(&r);
    const uint16_t fragment = rd_u16(&r);
    out->ttl = rd_u8(&r);
    out->proto = rd_u8(&r);
    rd_skip(&r, 2); /* checksum */
    out->src = rd_ip4(&r);
    out->dst = rd_ip4(&r);

    const size_t head_len = (size_t)(version_ihl & 0xf) * 4;
    if (!r.ran_out &&
        (version_ihl >> 4 != 4 || head_len < IP4_HEAD_MIN || out->total < head_len + QUOTE_MIN))
        return WIRE_BAD;
    if (r.ran_out || rd_skip(&r, head_len - IP4_HEAD_MIN) == NULL)
        return WIRE_SHORT;
    out->transport = r.at;
    out->len = (uint32_t)r.left;
    out->sport = rd_u16(&r);
    out->dport = rd_u16(&r);
    out->word = rd_u32(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    return (fragment & 0x1fff) == 0 ? WIRE_OK : WIRE_UNKNOWN;
}
