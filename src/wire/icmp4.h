/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WIRE_ICMP4_H
#define WEIR_WIRE_ICMP4_H

/* ICMP messages (RFC 792, RFC 1191) and the packets they quote, of both families: a quote is at
 * most what a router has seen, so nothing in it is trusted but its being there. */

#include "weir/base.h"
#include "wire/error.h"

#define ICMP_HEAD     8 /* of both families */
#define ICMP_CSUM_OFF 2 /* where the checksum lies, in both */
#define ICMP4_TIMES   12

enum icmp4_type {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACH = 3,
    ICMP4_QUENCH = 4,
    ICMP4_REDIRECT = 5,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAM = 12,
    ICMP4_TIMESTAMP = 13,
    ICMP4_TIMESTAMP_REPLY = 14,
};

struct icmp4_head {
    uint8_t type, code;
    uint32_t rest;       /* octets 4..7: see the functions below */
    const uint8_t *body; /* points into the packet: echo data, times or quote */
    uint32_t len;
};

/* Echo and timestamp: identifier and sequence number. */
static inline uint16_t icmp_id(uint32_t rest)
{
    return (uint16_t)(rest >> 16);
}

static inline uint16_t icmp_seq(uint32_t rest)
{
    return (uint16_t)rest;
}

static inline uint32_t icmp_rest(uint16_t id, uint16_t seq)
{
    return (uint32_t)id << 16 | seq;
}

/* Fragmentation needed (3/4): the next hop's MTU, 0 from a router older than RFC 1191. */
static inline uint16_t icmp4_mtu(uint32_t rest)
{
    return (uint16_t)rest;
}

/* Reads and sums a whole message. WIRE_SHORT: under 8 octets; WIRE_CSUM. Types are not judged. */
enum wire_error wire_icmp4_parse(const uint8_t *p, size_t len, struct icmp4_head *out)
    __attribute__((warn_unused_result));

/* Writes the 8 octets with a zero checksum, which the caller fills in over head and body. Returns
 * 8, or 0 if there is no room. */
size_t wire_icmp4_emit(uint8_t *p, size_t room, const struct icmp4_head *head);

/* Timestamp and its reply (RFC 792): milliseconds since midnight UT; the body of the message. */
struct icmp4_times {
    uint32_t originate, receive, transmit;
};

enum wire_error wire_icmp4_times_parse(const uint8_t *body, size_t len, struct icmp4_times *out)
    __attribute__((warn_unused_result));
size_t wire_icmp4_times_emit(uint8_t *body, size_t room, const struct icmp4_times *times);

/* The packet that an error quotes. Its source is who sent it: us, if the error is about us. */
struct icmp_quote {
    struct weir_ip src, dst;
    uint8_t proto;
    uint8_t ttl;              /* hop limit, when it was quoted */
    uint16_t total;           /* octets of the whole packet, as its own header says */
    uint16_t id;              /* IPv4 identification; 0 for IPv6 */
    const uint8_t *transport; /* the first octets of the upper layer; at least 8 */
    uint32_t len;
    uint16_t sport, dport; /* transport's octets 0..3: ports of TCP and UDP */
    uint32_t word; /* transport's octets 4..7: SEG.SEQ of TCP, identifier and number of echo */
};

/* Reads the quote in the body of an ICMPv4 error. WIRE_SHORT: not the whole IP header and 8 octets;
 * WIRE_BAD: not IPv4, or its own lengths cannot hold those 8 octets; WIRE_UNKNOWN: not a first
 * fragment, so those octets are no transport header. The quoted header's checksum is not looked at:
 * routers quote what they have changed. */
enum wire_error wire_icmp4_quote(const uint8_t *body, size_t len, struct icmp_quote *out)
    __attribute__((warn_unused_result));

#endif
