/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_FASTOPEN_H
#define WEIR_TCP_FASTOPEN_H

/* TCP Fast Open (RFC 7413): text in a SYN. What a connection does of it; who may (cookies, their
 * cache, bounds) is the owner's affair (stack/fastopen.c).
 *
 * Client. Text in our SYN is not in flight: SND.NXT stays behind the SYN, and what the SYN-ACK does
 * not acknowledge leaves as new octets, at once and without any loss accounting (RFC
 * 7413, 4.1.3.1). Until then snd.sml is where that text ends, and rcv.fin the number of the cookie.
 *
 * Server. A SYN with a good cookie makes a connection in SYN-RECEIVED that has its text already. */

#include "tcp/tcb.h"

#define TCP_FAST_ASK   UINT32_C(0xffffffff) /* no cookie is known: ask for one */
#define TCP_FAST_PLAIN UINT32_C(0xfffffffe) /* text without cookie, by configuration */

/* SYN-SENT, before the SYN has left: what it carries. `which` is a number of host->known, or one of
 * the above. */
void tcp_fast_begin(struct tcb *tcb, uint32_t which);

/* Our SYN: the cookie or the question for one, and how many octets of text go with it. */
uint32_t tcp_fast_fill(const struct tcb *tcb, struct tcp_opts *opts);

/* Whether `ack` is of our SYN, with or without the text it carried. */
bool tcp_fast_acks(const struct tcb *tcb, seq32 ack);

/* The SYN-ACK was taken, and acknowledges up to `ack`. */
void tcp_fast_acked(struct tcb *tcb, seq32 ack);

/* A SYN with a good cookie, on a TCB that is fresh from tcp_synq_promote: its text is taken, and
 * the SYN-ACK is due. */
enum weir_drop tcp_fast_syn(struct tcb *tcb, const struct tcp_seg *syn, weir_time now);

#endif
