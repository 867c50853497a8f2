/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_FRAG_H
#define WEIR_IP_FRAG_H

/* Putting fragments together (RFC 791, RFC 815, RFC 8200 4.5), with limits.
 *
 * A datagram is given up for good if two of its pieces overlap (RFC 5722, for both families), and
 * what comes of it later is refused until its time is over; only an exact duplicate is ignored. The
 * time runs from the first piece that came and is not extended. Memory is counted in ring chunks,
 * as they are what is really held: beyond the limit the oldest datagram goes. */

#include "base/list.h"
#include "base/pool.h"
#include "base/ranges.h"
#include "ip/ip.h"

#define FRAG_TIME_V4  (30 * WEIR_SECOND)
#define FRAG_TIME_V6  (60 * WEIR_SECOND)
#define FRAG_HEAD_MAX 128 /* octets of header kept of a first fragment */
#define FRAG_LEN_MAX  65535
#define FRAG_UNIT     8
#define FRAG_MARKS    ((FRAG_LEN_MAX + 1) / FRAG_UNIT / 64)
#define FRAG_ASSEMBLY (FRAG_LEN_MAX + 1 + FRAG_HEAD_MAX) /* octets of the buffer */

struct frag_key {
    struct weir_ip src, dst;
    uint32_t id;
    uint32_t proto; /* IPv6 does not compare it (RFC 8200): 0 */
};

struct frag {
    struct frag_key key;
    uint32_t hash_next;
    struct list_node order;
    struct ring data;
    struct ranges have;
    uint64_t mark[FRAG_MARKS]; /* bit n: a piece begins at octet 8 n */
    weir_time when;            /* the first piece came */
    uint32_t total;            /* octets of the whole payload; 0 until the last piece came */
    uint8_t head[FRAG_HEAD_MAX];
    uint16_t head_len;   /* of the first fragment: its header; 0 until it came */
    uint16_t next_off;   /* IPv6: where in the head the next header field lies that is to be set */
    uint32_t first_len;  /* octets of payload in the first fragment */
    uint16_t next_proto; /* of the first fragment */
    uint8_t iface;
    bool dead; /* overlapped: holds nothing, refuses everything */
};

struct frag_table {
    struct pool pool;
    uint32_t *bucket;
    uint32_t bucket_mask;
    struct list order[2]; /* IPv4, IPv6; oldest first, so the head's time is over first */
    uint64_t octets;      /* in chunks held */
    uint64_t octets_max;
    uint8_t *assembly; /* one whole packet, valid until the next is put together */
};

/* One fragment, read out of its packet. */
struct frag_piece {
    struct frag_key key;
    bool v4, more;
    uint32_t off;
    const uint8_t *data;
    uint32_t len;
    const uint8_t *head; /* all headers before the data, the fragment header included */
    uint32_t head_len;
    uint32_t next_off;
    uint8_t next_proto;
    unsigned iface;
};

void frag_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config);

/* Takes one piece. WEIR_DROP_NONE: it was kept, or it completed the datagram: then *whole is its
 * length in the assembly buffer, as a packet without fragmentation; else 0. */
enum weir_drop frag_arrives(struct ip_host *ip, const struct frag_piece *piece, uint32_t *whole,
                            weir_time now);

/* Octets of the ring chunks that a datagram holds. */
uint32_t frag_held(const struct ip_host *ip, const struct frag *frag);

/* The time of the oldest datagram of a family may be over. */
void frag_timeout(struct ip_host *ip, bool v4, weir_time now);

#endif
