/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_EXTRA_H
#define WEIR_TCP_EXTRA_H

/* What few connections have: a pooled block (config.extra_max) that comes with the first extension
 * that needs one and stays with the connection. Without a block the extension is not used; nothing
 * else depends on it. All zero is a block in which nothing is going on. */

#include "base/seq.h"
#include "weir/base.h"
#include "wire/tcp.h"

struct tcb;

/* The byte counters of RFC 9768, 3.2.3, modulo 2^32 (2^24 on the wire): octets that came with
 * ECT(0), CE and ECT(1). */
struct tcp_marks {
    bool on;    /* the option may be used */
    bool heard; /* the peer sends it: so do we, and its numbers count, not those of the ACE field */
    uint8_t due; /* a bit a counter that has moved since it was said last */
    uint32_t in[TCP_ACC_COUNT];
    uint32_t told[TCP_ACC_COUNT]; /* what the peer last said came of ours */
};

/* TCP-AO (RFC 5925, 3.2 and 6.2): the owner's. */
struct tcp_ao {
    uint8_t current;           /* SendID of the current key */
    uint8_t next;              /* RecvID of the key the peer shall use next */
    bool irs_known;            /* rcv_at and rcv_sne mean something */
    seq32 snd_at, rcv_at;      /* where in the space each direction was last, */
    uint32_t snd_sne, rcv_sne; /* and the extension of those numbers */
};

/* RFC 5482. */
struct tcp_uto {
    uint16_t advised; /* ADV_UTO, as on the wire; 0: the option is not used */
    uint16_t remote;  /* REMOTE_UTO, as on the wire; 0: nothing came */
    bool due;         /* it leaves with the next segment ... */
    bool sent;        /* ... and with all until `until` is acknowledged */
    seq32 until;
};

/* RFC 8899, after 4821: how long a segment the path takes. Sizes as path_mss. */
struct tcp_search {
    uint16_t low, high; /* what is known to pass, and where it ends; high 0: there is no search */
    uint16_t top;       /* where it ended at first */
    uint16_t size;      /* of the probe that is out; 0: none is */
    uint8_t failures;   /* of this length, in a row */
    bool news;          /* the path takes more than its owner knows */
    seq32 seq;          /* where the probe begins */
    weir_time next_at;  /* no probe before */
};

struct tcb_extra {
    struct tcp_ao ao;
    struct tcp_marks marks;
    struct tcp_uto uto;
    struct tcp_search search;
};

struct tcp_ao *tcp_ao(const struct tcb *tcb);       /* has_ao */
struct tcb_extra *tcb_extra(const struct tcb *tcb); /* NULL if there is none */
struct tcb_extra *tcb_extra_need(struct tcb *tcb);  /* takes one; NULL if the pool is empty */
void tcb_extra_drop(struct tcb *tcb);

/* What the block has to say in a segment with an ACK: the options that take of `room`; what is left
 * of it. The segment has left; SND.UNA has moved. */
struct tcp_plan;
unsigned tcp_extra_fill(const struct tcb *tcb, struct tcp_opts *opts, unsigned room);
void tcp_extra_left(struct tcb *tcb, const struct tcp_plan *plan);
void tcp_extra_acked(struct tcb *tcb, weir_time now);

/* ---- marks.c: the option of accurate ECN (RFC 9768) ---- */

void tcp_marks_initial(struct tcp_opts *opts); /* of a SYN-ACK */
void tcp_marks_begin(struct tcb *tcb);         /* accurate ECN was agreed */
void tcp_marks_arrive(struct tcb *tcb, const struct tcp_seg *seg);
/* Octets that the peer says newly came marked CE; -1: it says nothing. */
int64_t tcp_marks_told(struct tcb *tcb, const struct tcp_opts *opts);
void tcp_marks_assume(struct tcb *tcb, uint32_t octets); /* the ACE field said so, alone */
unsigned tcp_marks_len(const struct tcb *tcb);           /* what it takes of each segment */
unsigned tcp_marks_fill(const struct tcb *tcb, struct tcp_opts *opts, unsigned room);
void tcp_marks_left(struct tcb *tcb, const struct tcp_plan *plan);

/* ---- uto.c: the user timeout option (RFC 5482) ---- */

enum weir_error tcp_uto_set(struct tcb *tcb, int64_t time); /* WEIR_OPT_USER_TIMEOUT_OPTION */
int64_t tcp_uto_get(const struct tcb *tcb);
void tcp_uto_arrives(struct tcb *tcb, const struct tcp_opts *opts);
void tcp_uto_fill(const struct tcb *tcb, struct tcp_opts *opts);
void tcp_uto_left(struct tcb *tcb, const struct tcp_plan *plan);
void tcp_uto_acked(struct tcb *tcb);            /* SND.UNA has moved */
weir_time tcp_uto_limit(const struct tcb *tcb); /* of RFC 5482, 3.1; 0: not in use */

/* ---- search.c: packetization layer path MTU discovery (RFC 8899) ---- */

/* Between what passes and what does not. Nothing if there is nothing to search, or no block. */
void tcp_search_begin(struct tcb *tcb, uint16_t low, uint16_t high, weir_time now);
void tcp_search_start(struct tcb *tcb, weir_time now); /* a new connection: from mtu_base_mss */
uint16_t tcp_search_bound(const struct tcb *tcb, uint16_t path_mss); /* what may be sent of it */

/* Octets of a probe that may leave as the next segment, of `burst` that may leave at all; 0: none.
 */
uint32_t tcp_search_probe(const struct tcb *tcb, uint32_t burst, weir_time now);
void tcp_search_sent(struct tcb *tcb, seq32 seq, uint32_t len);
void tcp_search_ack(struct tcb *tcb, weir_time now); /* after an ACK was taken */
/* After something was found lost: it is the probe alone, which is no congestion. */
bool tcp_search_explains(struct tcb *tcb, weir_time now);
/* A timeout has fired and was counted. If nothing has been heard for long although ICMP is silent,
 * and what waits is long, shorter segments are tried from now on (RFC 4821, 7.7), by this
 * connection alone: the next one may take another way. */
void tcp_black_hole(struct tcb *tcb, weir_time now);
void tcp_search_narrow(struct tcb *tcb, uint16_t path_mss); /* the path was found to take less */

#endif
