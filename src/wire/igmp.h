/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_IGMP_H
#define WEIR_WIRE_IGMP_H

/* What hosts and routers say of group membership over IPv4: IGMP of all three versions (RFC 1112,
 * RFC 2236, RFC 3376). MLD (wire/mld.h) says the same over IPv6 and shares these values.
 *
 * A host needs little of it: queries, the reports of others in the old versions, and reports
 * without lists of sources, for weir takes a group from everybody or not at all. */

#include "weir/base.h"
#include "wire/error.h"

#define IGMP_LEN     8 /* of everything but a report of version 3 */
#define IGMP_ADDRESS 4

enum igmp_type {
    IGMP_QUERY = 0x11,
    IGMP_REPORT1 = 0x12,
    IGMP_REPORT2 = 0x16,
    IGMP_LEAVE = 0x17,
    IGMP_REPORT3 = 0x22,
};

/* Kinds of record in a report of IGMPv3 and MLDv2 (RFC 3376, 4.2.12). */
enum group_record_kind {
    GROUP_IS_EXCLUDE = 2, /* we are a member, from any source: said when asked */
    GROUP_TO_INCLUDE = 3, /* ...no more */
    GROUP_TO_EXCLUDE = 4, /* ...since now */
};

struct group_record {
    enum group_record_kind kind;
    struct weir_ip group;
};

/* A query, or somebody's report or leave. */
struct group_message {
    uint8_t type;
    uint8_t version;      /* of a query: 1..3 of IGMP, 1..2 of MLD */
    uint32_t max_resp_ms; /* of a query: an answer is to come within; 0 in version 1 of IGMP */
    struct weir_ip group; /* an any in a general query and in reports of the last version */
};

/* Checks the sum. WIRE_SHORT; WIRE_CSUM; WIRE_BAD: a group that is none, or a query of a length
 * that no version has. Types are not judged. */
enum wire_error wire_igmp_parse(const uint8_t *p, size_t len, struct group_message *out)
    __attribute__((warn_unused_result));

/* Writes a message of 8 octets, sum included. Returns 8, or 0 if there is no room. */
size_t wire_igmp_emit(uint8_t *p, size_t room, uint8_t type, const struct weir_ip *group);

/* Writes a report of version 3, sum included. Returns its octets, or 0 if there is no room. */
size_t wire_igmp_report_emit(uint8_t *p, size_t room, const struct group_record *record,
                             unsigned count);

/* The value of a code of `bits` bits: plain below 2^(bits - 1), else a mantissa and three bits of
 * exponent (RFC 3376, 4.1.1; RFC 3810, 5.1.3). */
uint32_t wire_group_code(uint32_t code, unsigned bits);

#endif
