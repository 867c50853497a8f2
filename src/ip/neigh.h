/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_NEIGH_H
#define WEIR_IP_NEIGH_H

/* Neighbours: which station has an address on an interface, and whether it still answers (RFC
 * 4861, 7.3, for both families; RFC 826 and RFC 1122, 2.3.2 for what ARP adds).
 *
 * An address is asked for once a second, three times; then it has failed. Nobody can make us change
 * a station that answers: an entry takes another link address only as the answer to a question of
 * ours. Entries in use are never thrown out for new ones (attack N-2). */

#include "base/list.h"
#include "base/pool.h"
#include "base/ring.h"
#include "ip/ip.h"
#include "wire/eth.h"

#define NEIGH_PROBE_MAX      3 /* questions before a neighbour has failed */
#define NEIGH_RETRANS        (1 * WEIR_SECOND)
#define NEIGH_REACHABLE_TIME (30 * WEIR_SECOND)
#define NEIGH_DELAY_TIME     (5 * WEIR_SECOND) /* time for upper layers to confirm before we ask */
#define NEIGH_FAILED_HOLD    (1 * WEIR_SECOND) /* how long a failure is told before we ask again */
#define NEIGH_GARBAGE        (600 * WEIR_SECOND) /* an entry nobody used for so long goes */
#define NEIGH_IDLE           (10 * WEIR_SECOND)  /* unused for so long, an entry may make room */
#define NEIGH_EVICT_LOOK     8                   /* entries looked at to find one that may go */
#define NEIGH_QUEUE_PACKETS  3
#define NEIGH_QUEUE_OCTETS   (72 * 1024) /* a datagram of 64 KiB in fragments, with their headers */
#define NEIGH_TOUCH_INTERVAL (1 * WEIR_SECOND) /* how exact the order of last use is */

enum neigh_state {
    NEIGH_INCOMPLETE, /* asked, no link address yet */
    NEIGH_REACHABLE,  /* answered not long ago */
    NEIGH_STALE,      /* has a link address that may be old */
    NEIGH_DELAY,      /* used while stale: is asked soon unless somebody confirms it */
    NEIGH_PROBE,      /* being asked at the address it had */
    NEIGH_FAILED,     /* did not answer */
};

struct neigh {
    struct weir_ip ip;
    uint8_t mac[ETH_ADDR];
    uint8_t iface;
    uint8_t state; /* enum neigh_state */
    uint8_t probes;
    bool in_path;        /* a path names it: when it goes, paths are found again */
    bool tell_failed;    /* what waiters are told */
    uint32_t tell_count; /* how many of them, from the first; 0: not on the list `telling` */
    uint32_t hash_next;
    struct list_node order; /* by last use */
    struct list_node tell;
    struct list waiters;
    struct ring queue; /* frames that wait, each with a record in front of it */
    uint32_t queue_start, queue_end;
    uint8_t queue_packets;
    uint8_t packet_number; /* of the last one put into the queue */
    weir_time until;       /* reachable or failed until then */
    weir_time used_at;
};

struct neigh_table {
    struct pool pool;
    uint32_t *bucket;
    uint32_t bucket_mask;
    struct list order; /* the longest unused first */
    struct list telling;
    struct list_node *waiter; /* waiter_max of them; those from waiter_fresh on were never used */
    uint32_t *waiter_of;      /* the neighbour a waiter waits for, or POOL_NONE */
    uint32_t waiter_max, waiter_fresh;
};

/* A frame to be sent, in pieces: head, then parts of what the caller holds. */
struct ip_frame {
    uint8_t head[WEIR_HEAD_MAX];
    uint32_t head_len;
    const uint8_t *part[2];
    uint32_t part_len[2];
    uint16_t why; /* enum weir_why */
};

uint32_t ip_frame_len(const struct ip_frame *frame);
void ip_frame_copy(const struct ip_frame *frame, uint8_t *to);

void neigh_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config);

/* The entry of an address, or POOL_NONE. */
uint32_t neigh_find(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr);

/* The entry of an address, made and asked for if there is none; POOL_NONE if the table is full. */
uint32_t neigh_want(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now);

/* Notes that a packet is about to go there, and says whether it can. */
enum ip_ready neigh_use(struct ip_host *ip, uint32_t index, weir_time now);

/* A path keeps its index from now on. */
void neigh_named(struct ip_host *ip, uint32_t index);

/* Its link address; it must have one. */
void neigh_mac(const struct ip_host *ip, uint32_t index, uint8_t mac[ETH_ADDR]);

/* `waiter` is told when it is resolved or has failed. */
void neigh_wait(struct ip_host *ip, uint32_t index, uint32_t waiter);

/* Puts a frame with no link address yet into the queue. `first`: a packet begins with it. */
void neigh_park(struct ip_host *ip, uint32_t index, const struct ip_frame *frame, bool first,
                weir_time now);

/* The neighbour itself said where it is, without being asked: an ARP request, a solicitation. */
void neigh_claimed(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                   const uint8_t mac[ETH_ADDR], weir_time now);

enum neigh_answer {
    NEIGH_ANSWER_ARP,         /* an ARP reply to our address */
    NEIGH_ANSWER_SOLICITED,   /* an advertisement with the solicited flag */
    NEIGH_ANSWER_UNSOLICITED, /* one without it */
};

/* An answer came. False if it was not asked for, and changed nothing but our trust. */
bool neigh_answered(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                    const uint8_t mac[ETH_ADDR], enum neigh_answer kind, weir_time now);

void neigh_timeout(struct ip_host *ip, uint32_t index, weir_time now);
void neigh_confirm(struct ip_host *ip, uint32_t index, weir_time now);

/* ---- arp.c, nd.c ---- */

enum weir_drop arp_arrives(struct ip_host *ip, unsigned iface, const uint8_t *p, size_t len,
                           weir_time now);

/* Asks who has `target`: `to` NULL asks everybody. */
void arp_ask(struct ip_host *ip, unsigned iface, const struct weir_ip *target, const uint8_t *to,
             weir_time now);
void arp_announce(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now);

struct icmp6_head;
enum weir_drop nd_arrives(struct ip_host *ip, const struct ip_packet *packet,
                          const struct icmp6_head *icmp, weir_time now);
void nd_ask(struct ip_host *ip, unsigned iface, const struct weir_ip *target, const uint8_t *to,
            weir_time now);

/* Duplicate address detection: asks for our own tentative address from "any". */
void nd_probe(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now);
void nd_router_ask(struct ip_host *ip, unsigned iface, weir_time now);

#endif
