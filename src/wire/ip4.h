/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_IP4_H
#define WEIR_WIRE_IP4_H

/* IPv4 headers and their options (RFC 791; RFC 1122, 3.2.1). Fragments are read but not judged:
 * offsets and lengths that cannot be are the reassembly's to refuse. */

#include "weir/base.h"
#include "wire/error.h"

#define IP4_HEAD_MIN    20
#define IP4_HEAD_MAX    60
#define IP4_OPTIONS_MAX 40

struct ip4_head {
    struct weir_ip src, dst; /* mapped */
    uint8_t tos, ttl, proto;
    bool df, mf; /* don't fragment; more fragments. The reserved bit is not kept */
    uint16_t id;
    uint16_t frag_off;      /* octets, a multiple of 8, at most 65,528 */
    uint8_t options_len;    /* 0..40, a multiple of 4 */
    const uint8_t *options; /* points into the packet; not looked into (wire_ip4_options) */
    const uint8_t *payload; /* points into the packet */
    uint32_t len;           /* octets of payload by the total length field: a trailer is cut off */
};

/* WIRE_SHORT: shorter than the header or the total length; WIRE_BAD: version, header length or
 * total length cannot be; WIRE_CSUM. TTL 0 and the reserved bit are let through, as Linux does. */
enum wire_error wire_ip4_parse(const uint8_t *p, size_t len, struct ip4_head *out)
    __attribute__((warn_unused_result));

/* Writes header, options and checksum, not the payload, whose `len` goes into the total length.
 * Returns the octets written; 0 if there is no room, if the total would be over 65,535, or if the
 * options are over 40 octets or not a multiple of 4. */
size_t wire_ip4_emit(uint8_t *p, size_t room, const struct ip4_head *head);

enum ip4_options {
    IP4_OPTIONS_OK,
    IP4_OPTIONS_SOURCE_ROUTE, /* loose or strict, well-formed: we refuse them all, silently */
    IP4_OPTIONS_BAD,          /* to be reported as ICMP 12/0 with *pointer */
};

/* Walks the options of a header. `*pointer` is set with IP4_OPTIONS_BAD: the offending octet,
 * counted from the start of the IP header. Options we do not know are skipped by their length. */
enum ip4_options wire_ip4_options(const uint8_t *options, size_t len, uint8_t *pointer)
    __attribute__((warn_unused_result));

#endif
