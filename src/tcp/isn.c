/* SPDX-License-Identifier: MIT */
/* Numbers that nobody outside may guess: initial sequence numbers (RFC 6528) and timestamp offsets
 * (RFC 7323, 7.1); and the clock that timestamps show. */
#include "tcp/isn.h"

#include "tcp/tcp.h"

uint32_t tcp_ms(const struct tcp_host *host, weir_time now)
{
    return (uint32_t)((now - host->epoch) / WEIR_MS);
}

/* RFC 9293 MUST-8, MUST-9, SHLD-1: a clock of 4 us plus a keyed hash of the tuple. */
seq32 tcp_isn(const struct tcp_host *host, const void *tuple, weir_time now)
{
    const uint32_t clock = (uint32_t)(now / (4 * WEIR_US));
    return clock + (uint32_t)siphash24(&host->isn_key, tuple, TCP_TUPLE_LEN);
}

uint32_t tcp_ts_offset(const struct tcp_host *host, const void *tuple)
{
    return (uint32_t)siphash24(&host->ts_key, tuple, TCP_TUPLE_LEN);
}

bool tcp_reset_reply(const struct tcp_seg *to, struct tcp_seg *reset)
{
    if (to->flags & TCP_RST)
        return false;
    *reset = (struct tcp_seg){ .sport = to->dport, .dport = to->sport };
    if (to->flags & TCP_ACK) {
        reset->flags = TCP_RST;
        reset->seq = to->ack;
    } else {
        reset->flags = TCP_RST | TCP_ACK;
        reset->ack = to->seq + tcp_seg_len(to);
    }
    return true;
}

uint32_t tcp_us(const struct tcp_host *host, weir_time now)
{
    return (uint32_t)((now - host->epoch) / WEIR_US);
}

seq32 tcp_iss_floor(seq32 snd_nxt)
{
    /* RFC 6528, 3 and Linux: well beyond anything the old incarnation sent. */
    return snd_nxt + 65535 + 2;
}

seq32 tcp_iss_beyond(seq32 iss, const seq32 *floor)
{
    /* RFC 6191: nothing of the connection before may be taken for part of the new one. */
    return floor != NULL && seq_leq(iss, *floor) ? *floor + 1 + (iss & 0xffff) : iss;
}
