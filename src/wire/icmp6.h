/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_ICMP6_H
#define WEIR_WIRE_ICMP6_H

/* ICMPv6 messages (RFC 4443) and neighbour discovery (RFC 4861; RFC 8106, 5.1). What needs the IP
 * header (hop limit 255, link-local source) is the caller's to check. */

#include "base/csum.h"
#include "wire/eth.h"
#include "wire/icmp4.h"

enum icmp6_type {
    ICMP6_UNREACH = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAM = 4,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_RS = 133,
    ICMP6_RA = 134,
    ICMP6_NS = 135,
    ICMP6_NA = 136,
    ICMP6_REDIRECT = 137,
};

struct icmp6_head {
    uint8_t type, code;
    uint32_t rest;       /* octets 4..7: icmp_id and icmp_seq of an echo, MTU of too big, pointer */
    const uint8_t *body; /* points into the packet */
    uint32_t len;
};

/* Reads and sums a whole message; `pseudo` is the sum of the pseudo header (RFC 8200, 8.1).
 * WIRE_SHORT: under 8 octets; WIRE_CSUM. Types are not judged. */
enum wire_error wire_icmp6_parse(const uint8_t *p, size_t len, csum32 pseudo,
                                 struct icmp6_head *out) __attribute__((warn_unused_result));

/* Writes the 8 octets with a zero checksum, which the caller fills in. Returns 8, or 0 if there is
 * no room. */
size_t wire_icmp6_emit(uint8_t *p, size_t room, const struct icmp6_head *head);

/* As wire_icmp4_quote. Up to IP6_EXT_MAX extension headers are walked over by their lengths;
 * WIRE_MANY beyond that. A quote that names mapped addresses is WIRE_BAD. */
enum wire_error wire_icmp6_quote(const uint8_t *body, size_t len, struct icmp_quote *out)
    __attribute__((warn_unused_result));

/* ---- Neighbour discovery ---- */

#define ND_OPTIONS_MAX 64 /* options in one message; a frame of 1,500 octets holds 46 prefixes */
#define ND_PREFIX_MAX  16 /* prefixes kept; those beyond are counted only */
#define ND_RDNSS_MAX   4  /* name servers kept */

enum nd_has {
    ND_HAS_SLLA = 1 << 0, /* source link-layer address */
    ND_HAS_TLLA = 1 << 1, /* target link-layer address */
    ND_HAS_MTU = 1 << 2,
    ND_HAS_RDNSS = 1 << 3,
};

struct nd_prefix {
    struct weir_ip prefix;
    uint8_t len; /* bits, at most 128 */
    bool on_link, autonomous;
    uint32_t valid_s, preferred_s; /* seconds; UINT32_MAX: for ever. Their order is not checked */
};

/* One NS, NA, RS or RA. Fields that the type does not have are 0. */
struct nd_message {
    uint8_t type;                      /* enum icmp6_type */
    bool router, solicited, override;  /* NA */
    struct weir_ip target;             /* NS, NA; never a group, never mapped */
    uint8_t hop_limit;                 /* RA; 0: not said */
    bool managed, other;               /* RA: addresses, or other things, from DHCPv6 */
    uint16_t lifetime_s;               /* RA: of the router; 0: not a default router */
    uint32_t reachable_ms, retrans_ms; /* RA; 0: not said */
    uint8_t has;                       /* enum nd_has; of an option given twice the last counts */
    uint8_t slla[ETH_ADDR], tlla[ETH_ADDR];
    uint32_t mtu;          /* not checked */
    uint16_t prefix_count; /* as received, also beyond ND_PREFIX_MAX: a loop needs both bounds */
    struct nd_prefix prefix[ND_PREFIX_MAX];
    uint8_t rdnss_count; /* kept, at most ND_RDNSS_MAX */
    uint32_t rdnss_lifetime_s;
    struct weir_ip rdnss[ND_RDNSS_MAX];
};

/* Reads what follows from a message that wire_icmp6_parse has accepted. WIRE_UNKNOWN: of another
 * type; WIRE_SHORT: less than its type needs; WIRE_BAD: code not 0, or a target that is a group,
 * any or mapped; WIRE_OPTION: an option of length 0, past the end, or of a length its kind does not
 * have, or a prefix of over 128 bits (the whole message is then void); WIRE_MANY: over
 * ND_OPTIONS_MAX. */
enum wire_error wire_nd_parse(const struct icmp6_head *icmp, struct nd_message *out)
    __attribute__((warn_unused_result));

/* Writes the whole message with a zero checksum; options in the order SLLA, TLLA, MTU, prefixes,
 * RDNSS. Returns its octets, or 0 if there is no room. */
size_t wire_nd_emit(uint8_t *p, size_t room, const struct nd_message *message);

#endif
