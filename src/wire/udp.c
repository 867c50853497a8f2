/* SPDX-License-Identifier: MIT */
#include "wire/udp.h"

#include "wire/cursor.h"

enum wire_error wire_udp_parse(const uint8_t *p, size_t len, struct udp_head *out)
{
    struct rd r = rd_begin(p, len);
    out->sport = rd_u16(&r);
    out->dport = rd_u16(&r);
    const uint16_t total = rd_u16(&r);
    out->csum = rd_u16(&r);
    if (r.ran_out || total > len)
        return WIRE_SHORT;
    if (total < UDP_HEAD)
        return WIRE_BAD;
    out->data = r.at;
    out->len = total - UDP_HEAD;
    return WIRE_OK;
}

size_t wire_udp_emit(uint8_t *p, size_t room, const struct udp_head *head)
{
    if (head->len > UINT16_MAX - UDP_HEAD)
        return 0;
    struct wr w = wr_begin(p, room);
    wr_u16(&w, head->sport);
    wr_u16(&w, head->dport);
    wr_u16(&w, (uint16_t)(UDP_HEAD + head->len));
    wr_u16(&w, head->csum);
    return w.ran_out ? 0 : UDP_HEAD;
}
