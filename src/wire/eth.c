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
    if (room < ETH_HEAD)
        return 0;
    memcpy(p, head->dst, ETH_ADDR);
    memcpy(p + ETH_ADDR, head->src, ETH_ADDR);
    put_u16(p + 2 * ETH_ADDR, head->type);
    return ETH_HEAD;
}
