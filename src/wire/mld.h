/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_MLD_H
#define WEIR_WIRE_MLD_H

/* Multicast listener discovery, IGMP's like for IPv6: messages of ICMPv6 (RFC 2710, RFC 3810). What
 * needs the IP header (hop limit 1, link-local source) is the caller's to check. */

#include "wire/icmp6.h"
#include "wire/igmp.h"

#define MLD_LEN     24 /* of everything but a report of version 2 */
#define MLD_ADDRESS 16

enum mld_type {
    MLD_QUERY = 130,
    MLD_REPORT1 = 131,
    MLD_DONE = 132,
    MLD_REPORT2 = 143,
};

/* Reads what follows from a message that wire_icmp6_parse has accepted. WIRE_SHORT; WIRE_BAD: as
 * wire_igmp_parse. */
enum wire_error wire_mld_parse(const struct icmp6_head *icmp, struct group_message *out)
    __attribute__((warn_unused_result));

/* Write whole messages with a zero checksum, which the caller fills in. Return the octets, or 0 if
 * there is no room. */
size_t wire_mld_emit(uint8_t *p, size_t room, uint8_t type, const struct weir_ip *group);
size_t wire_mld_report_emit(uint8_t *p, size_t room, const struct group_record *record,
                            unsigned count);

/* The hop-by-hop header that every message of ours needs: a router alert (RFC 2711). */
#define MLD_ALERT_LEN 8
size_t wire_mld_alert_emit(uint8_t *p, size_t room);

#endif
