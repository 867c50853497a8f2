/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_UDP_H
#define WEIR_WIRE_UDP_H

/* UDP datagrams (RFC 768). The checksum needs the pseudo header and is the caller's, as is the rule
 * that 0 means "none" in IPv4 and is an error in IPv6 (RFC 8200, 8.1). */

#include "weir/base.h"
#include "wire/error.h"

#define UDP_HEAD     8
#define UDP_CSUM_OFF 6 /* where the checksum lies in the header */

struct udp_head {
    uint16_t sport, dport;
    uint16_t csum;       /* as received; 0: the sender computed none */
    const uint8_t *data; /* points into the packet */
    uint32_t len;        /* octets of data by the length field; UDP_HEAD + len are summed */
};

/* Reads a datagram from the `len` octets that IP carried. WIRE_SHORT: fewer than 8, or than the
 * length field says; WIRE_BAD: a length field under 8. Octets beyond the length field are cut off.
 */
enum wire_error wire_udp_parse(const uint8_t *p, size_t len, struct udp_head *out)
    __attribute__((warn_unused_result));

/* Writes the 8 octets; `csum` as given (0, to be filled in). Returns 8; 0 if there is no room or
 * the datagram would be over 65,535. */
size_t wire_udp_emit(uint8_t *p, size_t room, const struct udp_head *head);

#endif
