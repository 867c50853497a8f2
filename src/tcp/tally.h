/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_TALLY_H
#define WEIR_TCP_TALLY_H

/* What is only counted: numbers that no decision is made by, for those who look (TCP_INFO).
 *
 * A connection has its tally at its own place in the instance's array, if that has so many
 * (config.tally_max), and begins it with the first octets either way, the first timeout or when it
 * leaves ESTABLISHED: one that is established and silent has touched no memory here. Without a
 * tally everything is as with one; what it would have counted is then what is true of a connection
 * on which nothing has happened.
 *
 * The meaning of each field is that of Linux's tcp_get_info, unless weir/stack.h says otherwise. */

#include "tcp/tcb.h"

struct sb_acked;
struct tcp_arrival;

#define TALLY_REORDERING     3   /* segments: what is taken for granted (RFC 5681's DupThresh) */
#define TALLY_REORDERING_MAX 300 /* as Linux: net.ipv4.tcp_max_reordering */

struct tcp_tally {
    struct weir_tally told;
    uint32_t window_us;   /* when the window began that is being waited for, since the epoch */
    seq32 window_end;     /* where it ends */
    uint32_t window_echo; /* the last TSecr that a round trip was taken from */
};

static inline struct tcp_tally *tcp_tally(const struct tcb *tcb)
{
    return tcb->tallied ? &tcb->host->tallies[tcb->index] : NULL;
}

/* A segment came, of so many on the wire; in the order of arrival, whatever becomes of it. */
void tally_came(struct tcb *tcb, const struct tcp_seg *seg, uint32_t segments);

/* Its octets are acceptable, and are taken next. */
void tally_text(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_arrival *arrival);

/* ... and lie beyond a gap. */
void tally_beyond(struct tcb *tcb, const struct tcp_seg *seg);

/* A plan with octets has left, as so many segments. */
void tally_left(struct tcb *tcb, uint32_t segments, weir_time now);

/* An ACK was taken. */
void tally_acked(struct tcb *tcb, const struct sb_acked *acked);

/* Octets that the program read in a round trip. */
void tally_read(struct tcb *tcb, uint32_t octets);

/* Nothing more can leave for now: what keeps the connection busy. */
void tally_limit(struct tcb *tcb, weir_time now);

/* A retransmission timeout, the first of its episode or not; the episode is over. */
void tally_timeout(struct tcb *tcb, bool first, weir_time now);
void tally_recovered(struct tcb *tcb, weir_time now);
/* The same for a SYN-ACK that went again so many times, the first having left `since`. */
void tally_half_open(struct tcb *tcb, uint32_t timeouts, weir_time since, weir_time now);

/* The state is about to change. */
void tally_event(struct tcb *tcb, uint8_t next, weir_time now);

void tally_status(const struct tcb *tcb, struct weir_status *status);

WEIR_STATIC_ASSERT(sizeof(struct tcp_tally) <= 128, "the tally's budget: two lines of the cache");

#endif
