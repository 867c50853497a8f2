/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_FASTOPEN_H
#define WEIR_STACK_FASTOPEN_H

/* TCP Fast Open (RFC 7413): cookies, and what is remembered of servers. What a connection does with
 * them is in tcp/fastopen.h. */

#include "stack/parts.h"
#include "tcp/fastopen.h"

#define FAST_COOKIE 8 /* octets of our cookies, as Linux's */

enum fast_verdict {
    FAST_NO,    /* an ordinary SYN: its text is not taken */
    FAST_OFFER, /* ... but the SYN-ACK gives a cookie */
    FAST_TAKE,  /* a connection at once, with the text */
};
enum fast_verdict fast_judge(struct weir *weir, const struct listener *listener,
                             const struct arrival *in);

/* The cookie of the peer of a flow, into the options of a SYN-ACK. */
void fast_offer(const struct weir *weir, const struct listener *listener, const struct flow *flow,
                struct tcp_opts *opts);

/* A connection that was made by FAST_TAKE is pending until it leaves SYN-RECEIVED. */
void fast_settle(struct weir *weir, struct tcb *tcb);

/* WEIR_OPT_FASTOPEN, or WEIR_OPT_FASTOPEN_NO_COOKIE, before the SYN has left. */
enum weir_error fast_connect(struct weir *weir, struct conn *conn, bool no_cookie, weir_time now);

/* What of Fast Open our SYN had: to be asked before its SYN-ACK is taken. */
struct fast_syn {
    uint32_t which; /* as tcp_fast_begin was told */
    uint32_t text;  /* octets of it */
};
struct fast_syn fast_sent(const struct tcb *tcb);

/* The SYN-ACK came. */
void fast_learn(struct weir *weir, const struct conn *conn, const struct fast_syn *syn,
                const struct tcp_opts *opts, weir_time now);

#endif
