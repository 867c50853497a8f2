/* SPDX-License-Identifier: MIT */
#include "wire/eth.h"

#include "wire/cursor.h"

enum wire_error wire_eth_parse(const uint8_t *p, size_t len, struct eth_head *out)
{
    struct rd r = rd_begin(p, len);
    rd_bytes(&r, out->dst, ETH_ADDR);
    rd_bytes(&r, out->src, ETH_ADDR);
    out->type = rd_u16(&r);
    return r.ran_out ? WIRE_SHORT : WIRE_OK;
}

size_t wire_eth_emit(uint8_t *p, size_t room, const struct eth_head *head)
{
    struct wr w = wr_begin(p, room);
    wr_bytes(&w, head->dst, ETH_ADDR);
    wr_bytes(&w, head->src, ETH_ADDR);
    wr_u16(&w, head->type);
    return w.ran_out ? 0 : ETH_HEAD;
}
