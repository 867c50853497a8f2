/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DOCTOR_CAPTURE_PACKET_H
#define WEIR_DOCTOR_CAPTURE_PACKET_H

/* What a captured frame is, as far as TCP: the link header taken off (with VLAN tags), then IP,
 * then the transport header.
 *
 * A capture often holds only the first octets of a packet. So lengths come from the IP header,
 * never from what was kept, and `have` says how much of it is there to look at. Of a packet that a
 * card is still to cut up (total length 0 in IPv4, none in IPv6's) the frame's length is taken.
 * Malformed is what contradicts itself; it is never believed further than it agrees. */

#include "capture_file.h"
#include "weir/base.h"

#define PACKET_SACKS 4

enum packet_kind {
    PACKET_OTHER, /* no IP, or a link type nobody here understands */
    PACKET_ARP,
    PACKET_IP, /* with `protocol`, but malformed, cut off, or a fragment that is not the first */
    PACKET_TCP,
    PACKET_UDP,
    PACKET_ICMP, /* v4 or v6 */
};

#define PACKET_FIN 0x01u
#define PACKET_SYN 0x02u
#define PACKET_RST 0x04u
#define PACKET_PSH 0x08u
#define PACKET_ACK 0x10u
#define PACKET_URG 0x20u
#define PACKET_ECE 0x40u
#define PACKET_CWR 0x80u
#define PACKET_AE  0x100u /* of RFC 7560's successors: AccECN */

enum packet_options {
    PACKET_HAS_MSS = 1,
    PACKET_HAS_WSCALE = 2,
    PACKET_HAS_SACK_OK = 4,
    PACKET_HAS_TS = 8,
};

struct packet_sack {
    uint32_t start, end;
};

struct packet_tcp {
    uint32_t seq, ack;
    uint32_t len; /* payload, by the IP header */
    uint16_t flags, window, mss, urgent;
    uint8_t wscale, options, sack_count; /* options: enum packet_options */
    uint32_t tsval, tsecr;
    struct packet_sack sack[PACKET_SACKS];
};

struct packet {
    enum packet_kind kind;
    bool v6, malformed, fragment;
    uint16_t vlan; /* the outermost; 0: none */
    uint16_t ethertype;
    uint8_t protocol, ttl, tos;
    uint16_t ip_id;
    uint32_t ip_len;           /* the whole packet, by its own header */
    const uint8_t *ip;         /* NULL: none */
    const uint8_t *l4;         /* the transport header */
    uint32_t have;             /* octets kept from l4 on */
    uint32_t l4_len;           /* octets there were from l4 on */
    struct weir_addr from, to; /* with ports, of TCP and UDP */
    struct packet_tcp tcp;
};

/* Takes a frame apart. `packet` points into the frame's octets. */
void packet_dissect(const struct capture_frame *frame, struct packet *packet);

/* The same of an IP packet that an ICMP error quotes; false if it is no TCP whose ports and
 * sequence number are there. */
bool packet_dissect_quoted(const struct packet *icmp, struct packet *quoted);

/* "[S.]" as tcpdump writes them: "S." into `text`. */
#define PACKET_FLAGS_MAX 12
char *packet_flags_text(uint16_t flags, char text[PACKET_FLAGS_MAX]);

static inline uint16_t packet_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t packet_u32(const uint8_t *at)
{
    return (uint32_t)packet_u16(at) << 16 | packet_u16(at + 2);
}

#endif
