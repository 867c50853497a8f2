/* SPDX-License-Identifier: MIT */
#include "wire/arp.h"

#include "wire/cursor.h"

#define HTYPE_ETHERNET 1
#define PLEN_IP4       4

enum wire_error wire_arp_parse(const uint8_t *p, size_t len, struct arp_head *out)
{
    struct rd r = rd_begin(p, len);
    const uint16_t htype = rd_u16(&r);
    const uint16_t ptype = rd_u16(&r);
    const uint8_t hlen = rd_u8(&r);
    const uint8_t plen = rd_u8(&r);
    out->op = rd_u16(&r);
    rd_bytes(&r, out->sha, ETH_ADDR);
    out->spa = rd_ip4(&r);
    rd_bytes(&r, out->tha, ETH_ADDR);
    out->tpa = rd_ip4(&r);
    if (r.ran_out)
        return WIRE_SHORT;
    if (htype != HTYPE_ETHERNET || ptype != ETH_IP4 || hlen != ETH_ADDR || plen != PLEN_IP4)
        return WIRE_BAD;
    return out->op == ARP_REQUEST || out->op == ARP_REPLY ? WIRE_OK : WIRE_UNKNOWN;
}

size_t wire_arp_emit(uint8_t *p, size_t room, const struct arp_head *head)
{
    struct wr w = wr_begin(p, room);
    wr_u16(&w, HTYPE_ETHERNET);
    wr_u16(&w, ETH_IP4);
    wr_u8(&w, ETH_ADDR);
    wr_u8(&w, PLEN_IP4);
    wr_u16(&w, head->op);
    wr_bytes(&w, head->sha, ETH_ADDR);
    wr_ip4(&w, &head->spa);
    wr_bytes(&w, head->tha, ETH_ADDR);
    wr_ip4(&w, &head->tpa);
    return w.ran_out ? 0 : ARP_HEAD;
}
