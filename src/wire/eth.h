/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_ETH_H
#define WEIR_WIRE_ETH_H

/* Ethernet II frames: 14 octets of header. VLAN tags and LLC are not spoken: `type` then has a
 * value that is none of enum eth_type, and the caller drops the frame. */

#include "weir/base.h"
#include "wire/error.h"

#define ETH_ADDR 6  /* octets of a station address */
#define ETH_HEAD 14 /* octets of the header */

enum eth_type {
    ETH_IP4 = 0x0800,
    ETH_ARP = 0x0806,
    ETH_IP6 = 0x86dd,
};

struct eth_head {
    uint8_t dst[ETH_ADDR], src[ETH_ADDR];
    uint16_t type; /* enum eth_type, or anything else */
};

/* Multicast or broadcast. */
static inline bool eth_is_group(const uint8_t addr[ETH_ADDR])
{
    return (addr[0] & 1) != 0;
}

/* Reads the header at the start of a frame; what it carries begins ETH_HEAD octets in. WIRE_SHORT:
 * no whole header. */
enum wire_error wire_eth_parse(const uint8_t *p, size_t len, struct eth_head *out)
    __attribute__((warn_unused_result));

/* Returns ETH_HEAD, or 0 if there is no room. */
size_t wire_eth_emit(uint8_t *p, size_t room, const struct eth_head *head);

#endif
