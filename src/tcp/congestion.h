/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_CONGESTION_H
#define WEIR_TCP_CONGESTION_H

/* Between a connection and its congestion control: which algorithm it has, where that keeps its
 * memory, what it is told, and what its pacing rate means for the next frame. */

#include "tcp/flight.h"
#include "tcp/tcb.h"

/* ---- congestion.c ---- */

static inline const struct cc_ops *tcp_cc(const struct tcb *tcb)
{
    return cc_ops_of(tcb->cc_which);
}

/* The algorithm sets cwnd by itself, also in recovery: proportional reduction and the like are not
 * asked (CC_OWN). */
static inline bool tcp_cc_own(const struct tcb *tcb)
{
    return tcp_cc(tcb)->traits & CC_OWN;
}

struct cc_path tcp_cc_path(const struct tcb *tcb);

/* Begins with the configuration's algorithm; with CUBIC if that wants memory and there is none. */
void tcp_cc_start(struct tcb *tcb);

/* Another algorithm from now on; cwnd and ssthresh stay once the connection is open. WEIR_INVALID:
 * no such one. WEIR_NO_MEMORY: its memory is used up; nothing changes. */
enum weir_error tcp_cc_choose(struct tcb *tcb, int64_t which);

/* Gives back what the algorithm has of the pool. */
void tcp_cc_free(struct tcb *tcb);

/* What the connection tells its algorithm. tcp_cc_acked is for every ACK if it is CC_OWN, and else
 * for ACKs outside recovery. tcp_cc_lost is once an episode, tcp_cc_marked once a round trip. */
void tcp_cc_acked(struct tcb *tcb, struct tcb_flight *flight, uint32_t acked, weir_time rtt,
                  weir_time now);
void tcp_cc_lost(struct tcb *tcb, struct tcb_flight *flight, weir_time now);
void tcp_cc_marked(struct tcb *tcb, struct tcb_flight *flight, weir_time now);
void tcp_cc_timeout(struct tcb *tcb, struct tcb_flight *flight, bool first, weir_time now);
void tcp_cc_undo(struct tcb *tcb, struct tcb_flight *flight);
void tcp_cc_idle(struct tcb *tcb, weir_time idle);

/* Output has come to its end, and cwnd was or was not what ended it: a window that is not used for
 * as long as a retransmission timeout goes half of the way to what is (RFC 7661, 4.4.3, by Linux's
 * rule). */
void tcp_cc_validate(struct tcb *tcb, bool full, weir_time now);

/* Whether frames leave at a rate, which, and how many octets a frame then has at most: a
 * millisecond of it, and two segments at least (as Linux). */
bool tcp_paced(const struct tcb *tcb);
uint64_t tcp_pacing_rate(const struct tcb *tcb);
uint32_t tcp_pacing_quantum(const struct tcb *tcb);

/* The next octets wait for their time: until the timer says so, not until the clock does. */
static inline bool tcp_pacing_holds(const struct tcb *tcb)
{
    return tcb->paced_hold;
}

/* `octets` have left: when the next may. */
void tcp_pacing_left(struct tcb *tcb, uint32_t octets, weir_time now);

/* ---- rate.c: delivery rate samples (draft-ietf-ccwg-bbr, 4.1) ---- */

/* What is known of the newest run that an ACK acknowledges. */
struct rate_newest {
    weir_time at;
    seq32 end;
    uint32_t delivered, lost, sent_before_us, told_before_us; /* as in struct sent */
    bool app_limited, valid;
};

/* A flight begins: nothing is outstanding, so all that was ever sent is delivered. */
void rate_begin(struct tcb_flight *flight, const struct tcb *tcb);

/* A new record at the right of the map. */
void rate_sent(struct tcb_flight *flight, struct sent *r, weir_time now);

/* Octets of `r` are newly acknowledged or sacked. */
void rate_seen(struct rate_newest *newest, const struct sent *r);

/* The ACK is digested: flight->rate says what it told. */
void rate_sample(const struct tcb *tcb, struct tcb_flight *flight, const struct rate_newest *newest,
                 weir_time now);

/* There was nothing more to send: is that the program's doing? */
void rate_check_app_limited(struct tcb *tcb);

#endif
