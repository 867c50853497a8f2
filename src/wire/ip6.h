/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_IP6_H
#define WEIR_WIRE_IP6_H

/* IPv6 headers, extension headers and their options (RFC 8200; RFC 6946 atomic fragments; RFC 7112
 * whole header chain in the first fragment). Jumbograms (RFC 2675) are refused. */

#include "weir/base.h"
#include "wire/error.h"

#define IP6_HEAD        40
#define IP6_FRAG_HEAD   8
#define IP6_EXT_MAX     8 /* extension headers in one packet; more is an attack */
#define IP6_OPTIONS_MAX 8 /* options in one packet, padding not counted, as in Linux per header */
#define IP6_PAD_MAX     7 /* octets of padding in a row: more is never needed, as in Linux */

enum ip6_next {
    IP6_HOP_BY_HOP = 0,
    IP6_ROUTING = 43,
    IP6_FRAGMENT = 44,
    IP6_NO_NEXT = 59,
    IP6_DEST_OPTIONS = 60,
};

struct ip6_head {
    struct weir_ip src, dst;
    uint32_t flow; /* 20 bits */
    uint8_t tclass, next, hop_limit;
    const uint8_t *payload; /* points into the packet: extension headers and all */
    uint32_t len;           /* octets of payload by the length field: a trailer is cut off */
};

/* WIRE_SHORT: shorter than the header or than the payload length says; WIRE_BAD: not version 6;
 * WIRE_UNKNOWN: an address is of the mapped form, which to the rest of weir would be IPv4. */
enum wire_error wire_ip6_parse(const uint8_t *p, size_t len, struct ip6_head *out)
    __attribute__((warn_unused_result));

/* Writes the 40 octets; `len` goes into the payload length. Returns 40; 0 if there is no room or
 * `len` is over 65,535. */
size_t wire_ip6_emit(uint8_t *p, size_t room, const struct ip6_head *head);

/* How a walk ends. Each stands for one drop reason. */
enum ip6_walk_end {
    IP6_WALK_OK = 0,
    IP6_WALK_BAD,       /* IP_EXT_BAD: lengths, padding, hop-by-hop not first, jumbo payload */
    IP6_WALK_MANY,      /* IP_EXT_MANY: over IP6_EXT_MAX, IP6_OPTIONS_MAX or IP6_PAD_MAX */
    IP6_WALK_UNKNOWN,   /* IP_EXT_UNKNOWN: an option or routing header we may not skip */
    IP6_WALK_PROTO,     /* IP_PROTO: a next header that is neither an extension nor spoken here */
    IP6_WALK_NO_NEXT,   /* IP_NO_NEXT */
    IP6_WALK_FRAG_BAD,  /* FRAG_BAD: length or offset cannot be, or a second fragment header */
    IP6_WALK_FRAG_TINY, /* FRAG_TINY: the first fragment lacks part of the header chain */
};

/* What a walk finds. Offsets count from the start of the IPv6 header. */
struct ip6_walk {
    uint8_t proto; /* 6, 17 or 58; of a real fragment what the fragment header names */
    uint32_t off;  /* where the upper layer (of a real fragment: its data) begins */
    uint32_t len;  /* octets from there to the end of the packet */
    bool fragment; /* a real fragment. An atomic one is not: it is walked on */
    bool frag_more;
    uint32_t frag_off; /* octets, a multiple of 8 */
    uint32_t frag_id;
    uint32_t frag_head; /* where the fragment header lies: the length of the unfragmentable part */
    uint32_t frag_next; /* where the next header field lies that names the fragment header */
    /* With an end other than OK: the ICMPv6 error to be sent, if any. */
    bool report;       /* type 4, parameter problem */
    bool report_group; /* also if the packet went to a group (option action 10) */
    uint8_t code;      /* 0 field, 1 next header, 2 option */
    uint32_t pointer;
};

/* Walks the extension headers of a whole IPv6 packet that wire_ip6_parse has accepted; `len` is 40
 * plus its payload. `reassembled`: the packet was put together from fragments, so that another
 * fragment header is not accepted. */
enum ip6_walk_end wire_ip6_walk(const uint8_t *packet, size_t len, bool reassembled,
                                struct ip6_walk *out) __attribute__((warn_unused_result));

/* Writes a fragment header. `off` is in octets. Returns 8, or 0 if there is no room. */
size_t wire_ip6_frag_emit(uint8_t *p, size_t room, uint8_t next, uint16_t off, bool more,
                          uint32_t id);

#endif
