/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_ISN_H
#define WEIR_TCP_ISN_H

/* Numbers that nobody outside may guess, the clock that timestamps show, and the reset that answers
 * a segment without a connection. A tuple is 40 octets that name a connection, as the owner lays
 * them out. */

#include "tcp/tcb.h"

/* RFC 6528: 4 us clock plus keyed hash of the tuple (40 octets). */
seq32 tcp_isn(const struct tcp_host *host, const void *tuple, weir_time now);
uint32_t tcp_ts_offset(const struct tcp_host *host, const void *tuple);

/* A reset that answers a segment without a connection (RFC 9293, 3.5.2, group 1). False if none is
 * owed (it was a reset itself). */
bool tcp_reset_reply(const struct tcp_seg *to, struct tcp_seg *reset)
    __attribute__((warn_unused_result));

/* TCP's clock for timestamps: milliseconds. */
uint32_t tcp_ms(const struct tcp_host *host, weir_time now);
/* In units of 2^16 ms: enough for what counts in days. */
static inline uint16_t tcp_age(const struct tcp_host *host, weir_time now)
{
    return (uint16_t)(tcp_ms(host, now) >> 16);
}
/* The same as tcp_ms in microseconds. */
uint32_t tcp_us(const struct tcp_host *host, weir_time now);

/* What an ISS must lie beyond if the connection before with the same ends stood at `snd_nxt`, and
 * what becomes of one that does not (`floor` NULL: nothing). */
seq32 tcp_iss_floor(seq32 snd_nxt);
seq32 tcp_iss_beyond(seq32 iss, const seq32 *floor);

#endif
