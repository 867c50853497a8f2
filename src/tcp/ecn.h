/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_ECN_H
#define WEIR_TCP_ECN_H

/* Explicit congestion notification of one connection: what is agreed in the handshake (RFC 3168,
 * RFC 9768), which marks are told to the peer, and what the peer tells of ours. What cwnd does
 * about that is congestion control's. */

#include "tcp/tcb.h"

/* `ecn` of a TCB. */
enum tcp_ecn {
    TCP_ECN_CLASSIC = 1 << 0, /* agreed: RFC 3168 */
    TCP_ECN_ACC = 1 << 1,     /* agreed: RFC 9768 */
    TCP_ECN_ECHO = 1 << 2,    /* our segments carry ECE */
    TCP_ECN_CWR = 1 << 3,     /* the next new octets carry CWR */
    TCP_ECN_CE_LAST = 1 << 4, /* the last octets came marked (RFC 8257's CE state) */
    TCP_ECN_FIRST = 1 << 5,   /* the ACK of the SYN-ACK is still to be sent, or to come (RFC 9768);
                                 with ASKED: asked for RFC 9768 */
    TCP_ECN_MUTE = 1 << 6,    /* something on the way clears the bits: ours are not marked ECT */
    TCP_ECN_ASKED = 1 << 7,   /* our SYN asked */
};
#define TCP_ECN_ASKED_ACC  TCP_ECN_FIRST
#define TCP_ACE_SEEN_SHIFT 3 /* in `ace`: bits 0..2 what we tell, 3..5 what we were told */
#define TCP_ACE_SYN_SHIFT  6

/* The handshake. Of a listener: what it agrees to, as flags of the half-open entry; those of its
 * SYN-ACK; and what becomes of them in the TCB. */
uint16_t tcp_ecn_syn(const struct tcb *tcb); /* flags of our SYN */
uint8_t tcp_ecn_take_syn(const struct tcp_host *host, const struct tcp_seg *syn);
uint16_t tcp_ecn_syn_ack(uint8_t synq_flags);
void tcp_ecn_promote(struct tcb *tcb, uint8_t synq_flags);
void tcp_ecn_asked(struct tcb *tcb, uint16_t flags); /* our SYN has left */
void tcp_ecn_answered(struct tcb *tcb, const struct tcp_seg *seg,
                      const struct tcp_opts *opts); /* the SYN-ACK to it */

/* How an acceptable segment came, and what its ACK says of our marks (`acked`: octets newly
 * acknowledged or sacked). */
void tcp_ecn_arrives(struct tcb *tcb, const struct tcp_seg *seg);
void tcp_ecn_told(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_opts *opts,
                  uint32_t acked, weir_time now);

/* cwnd became smaller: the peer of a classic connection is told (RFC 3168, 6.1.2). */
void tcp_ecn_reduced(struct tcb *tcb);

/* Flags of every segment but a SYN; codepoint and flags of one with new octets; it has left. */
void tcp_ecn_fill(const struct tcb *tcb, struct tcp_plan *plan);
void tcp_ecn_fill_new(const struct tcb *tcb, struct tcp_plan *plan);
void tcp_ecn_left(struct tcb *tcb, const struct tcp_plan *plan);

#endif
