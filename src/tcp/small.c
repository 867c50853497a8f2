/* SPDX-License-Identifier: MIT */
/* TIME-WAIT, and FIN-WAIT-2 without owner, in 64 octets. The entry is only storage: a segment for
 * it is handled by a scratch TCB, by the same rules as any other. */
#include "tcp/small.h"

#include "tcp/tcp.h"

enum small_flag {
    SMALL_TIME_WAIT = 1 << 0, /* else FIN-WAIT-2 */
    SMALL_TS = 1 << 1,
    SMALL_WS = 1 << 2,
    SMALL_SACK = 1 << 3,
};

#define SMALL_ACKED \
    UINT32_C(65535) /* how far below SND.UNA an ACK may lie: what it was is forgotten */

void tcp_shrink(const struct tcb *tcb, struct tw_entry *entry)
{
    const struct tcp_host *host = tcb->host;
    WEIR_ASSERT(tcb->state == WEIR_TIME_WAIT || tcb->state == WEIR_FIN_WAIT_2);
    seq32 edge;
    entry->flags = tcb->state == WEIR_TIME_WAIT ? SMALL_TIME_WAIT : 0;
    entry->flags |= tcb->ts_ok ? SMALL_TS : 0;
    entry->flags |= tcb->ws_ok ? SMALL_WS : 0;
    entry->flags |= tcb->sack_ok ? SMALL_SACK : 0;
    entry->rcv_nxt = tcb->rcv.nxt;
    entry->snd_nxt = tcb->snd.nxt;
    entry->ts_recent = tcb->ts_recent;
    entry->ts_recent_age = tcb->ts_recent_age;
    entry->challenge_ms = tcb->challenge_ms;
    entry->wnd = tcp_window(tcb, false, &edge);
    entry->scale = tcb->rcv_wscale;
    entry->due_ms = tcp_ms(host, tcb->keep_at);
    memset(entry->spare, 0, sizeof entry->spare);
    entry->ts_offset = tcb->ts_offset;
}

/* `ms` as a time, `now` being less than 2^31 ms away from it. */
static weir_time time_of(const struct tcp_host *host, uint32_t ms, weir_time now)
{
    return now + (int32_t)(ms - tcp_ms(host, now)) * WEIR_MS;
}

bool tcp_may_replace(const struct tw_entry *entry, const struct tcp_host *host, weir_time age,
                     weir_time now, seq32 *floor)
{
    const uint8_t wanted = SMALL_TIME_WAIT | SMALL_TS;
    const weir_time since = time_of(host, entry->due_ms, now) - host->config->time_wait;
    *floor = tcp_iss_floor(entry->snd_nxt);
    return (entry->flags & wanted) == wanted && now - since > age;
}

void tcp_unshrink(const struct tw_entry *entry, struct tcb *scratch, const struct tcp_birth *birth,
                  weir_time now)
{
    const struct tcp_host *host = birth->host;
    const bool time_wait = entry->flags & SMALL_TIME_WAIT;
    tcb_init(scratch, birth);
    scratch->state = time_wait ? WEIR_TIME_WAIT : WEIR_FIN_WAIT_2;
    scratch->owned = false;
    scratch->read_closed = true;
    scratch->fin_queued = true;
    scratch->fin_known = scratch->fin_rcvd = time_wait;
    scratch->ts_ok = entry->flags & SMALL_TS;
    scratch->ws_ok = entry->flags & SMALL_WS;
    scratch->sack_ok = entry->flags & SMALL_SACK;
    scratch->iss = entry->snd_nxt - SMALL_ACKED;
    scratch->snd.una = scratch->snd.nxt = scratch->snd.sml = scratch->snd.up = entry->snd_nxt;
    scratch->snd.end = entry->snd_nxt - 1;
    scratch->snd.wnd = scratch->snd.wnd_max = SMALL_ACKED;
    scratch->rcv.nxt = scratch->rcv.acked = scratch->rcv.up = entry->rcv_nxt;
    scratch->rcv.fin = scratch->rcv.read = entry->rcv_nxt - (time_wait ? 1u : 0u);
    scratch->rcv_wscale = entry->scale & 0xfu;
    scratch->rcv.space = (uint32_t)entry->wnd << (scratch->ws_ok ? entry->scale : 0);
    scratch->rcv.edge = scratch->rcv.nxt + scratch->rcv.space;
    scratch->ts_recent = entry->ts_recent;
    scratch->ts_recent_age = entry->ts_recent_age;
    scratch->challenge_ms = entry->challenge_ms;
    scratch->keep_kind = time_wait ? TCP_KEEP_TIME_WAIT : TCP_KEEP_ORPHAN;
    scratch->keep_at = time_of(host, entry->due_ms, now);
}
