/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_ARP_H
#define WEIR_WIRE_ARP_H

/* ARP for IPv4 over Ethernet (RFC 826): 28 octets. Of no other pair of spaces. Whether the
 * addresses make sense is the caller's to judge. */

#include "wire/eth.h"

#define ARP_HEAD 28

enum arp_op {
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
};

struct arp_head {
    uint16_t op; /* enum arp_op */
    uint8_t sha[ETH_ADDR], tha[ETH_ADDR];
    struct weir_ip spa, tpa; /* mapped */
};

/* Octets behind the 28 are padding. WIRE_SHORT; WIRE_BAD: not Ethernet and IPv4, or lengths that do
 * not fit them; WIRE_UNKNOWN: neither request nor reply. */
enum wire_error wire_arp_parse(const uint8_t *p, size_t len, struct arp_head *out)
    __attribute__((warn_unused_result));

/* Returns ARP_HEAD, or 0 if there is no room. */
size_t wire_arp_emit(uint8_t *p, size_t room, const struct arp_head *head);

#endif
