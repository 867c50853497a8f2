/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_FASTOPEN_H
#define WEIR_TCP_FASTOPEN_H

/* TCP Fast Open (RFC 7413): text in a SYN. What a connection does of it; who may (cookies, their
 * cache, bounds) is the owner's affair (stack/fastopen.c).
 *
 * Client. Text in our SYN is not in flight: SND.NXT stays behind the SYN. What the SYN-ACK does not
 * acknowledge is sent again at once; that says nothing of the path, so cwnd stays as it is (RFC
 * 7413, 4.1.3.1). Until then snd.sml is where that text ends, rcv.fin the number of the cookie, and
 * snd.wl2 the MSS that bounds it.
 * It is never sent in a SYN again. If the peer's SYN crosses ours, it may still acknowledge it.
 *
 * Server. A SYN with a good cookie makes a connection in SYN-RECEIVED that has its text already,
 * and may answer before the last ACK of the handshake. Until that comes only the SYN-ACK is sent
 * again. */

#include "tcp/tcb.h"

#define TCP_FAST_ASK     UINT32_C(0xffffffff) /* no cookie is known: ask for one */
#define TCP_FAST_ASK_EXP UINT32_C(0xfffffffe) /* ... by the experimental option */
#define TCP_FAST_PLAIN   UINT32_C(0xfffffffd) /* text without cookie, by configuration */
#define TCP_FAST_KNOWN   UINT32_C(0xfffffffd) /* below it: a number of host->known */

/* SYN-SENT, before the SYN has left: what it carries. `which` is a number of host->known, or one of
 * the above; `mss` is what the server last said it takes, or 0. */
void tcp_fast_begin(struct tcb *tcb, uint32_t which, uint16_t mss);

/* How many octets of text our SYN has room for; 0 if it takes none. */
uint32_t tcp_fast_room(const struct tcb *tcb);

/* Our SYN: the cookie or the question for one, and how many octets of text go with it. */
uint32_t tcp_fast_fill(const struct tcb *tcb, struct tcp_opts *opts);

/* How many octets have left with, or (a server) right behind, a SYN that is not acknowledged. */
uint32_t tcp_fast_text(const struct tcb *tcb);

/* Whether `ack` is of our SYN, with or without such text. */
bool tcp_fast_acks(const struct tcb *tcb, seq32 ack);

/* The SYN-ACK was taken, and acknowledges up to `ack`. */
void tcp_fast_acked(struct tcb *tcb, seq32 ack, weir_time now);

/* A SYN with a good cookie, on a TCB that is fresh from tcp_synq_promote: its text is taken, and
 * the SYN-ACK is due. */
enum weir_drop tcp_fast_syn(struct tcb *tcb, const struct tcp_seg *syn, weir_time now);

#endif
