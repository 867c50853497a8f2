/* SPDX-License-Identifier: MIT */
/* What new octets may leave, and why not more: the peer's window, congestion window, Nagle, cork,
 * and the sender's half of silly window avoidance (RFC 9293, 3.8.6.2.1). */
#include "tcp/tcp.h"

/* SND.UNA + SND.WND - SND.NXT, or 0 if the window has shrunk below what is in flight. */
static uint32_t usable_window(const struct tcb *tcb)
{
    const seq32 una = tcb->snd.una + (tcp_syn_acked(tcb) ? 0u : 1u); /* a SYN is in no window */
    const seq32 edge = una + tcb->snd.wnd;
    return seq_gt(edge, tcb->snd.nxt) ? edge - tcb->snd.nxt : 0;
}

static uint32_t usable_cwnd(const struct tcb *tcb)
{
    const uint32_t pipe = sb_pipe(tcb);
    return tcb->cc.cwnd > pipe ? tcb->cc.cwnd - pipe : 0;
}

/* Nothing holds the end of the data, a program's wish to go on, or, as on Linux, what is urgent. */
static bool is_pressing(const struct tcb *tcb)
{
    return tcb->fin_queued || tcb->push_now || (tcb->snd_urg && seq_gt(tcb->snd.up, tcb->snd.una));
}

/* RFC 896 as Minshall has it: a short segment waits only while another short one is unacknowledged.
 */
static bool nagle_holds(const struct tcb *tcb)
{
    if (tcb->nodelay || is_pressing(tcb))
        return false;
    return tcp_outstanding(tcb) > 0 && seq_gt(tcb->snd.sml, tcb->snd.una);
}

static bool cork_holds(const struct tcb *tcb)
{
    return (tcb->cork || tcb->held) && !is_pressing(tcb);
}

/* `len` is less than a full segment. Whether it may go all the same, if the `unsent` are all there
 * is. */
static enum weir_wait short_may_go(const struct tcb *tcb, uint32_t len, uint32_t unsent, bool last)
{
    if (len < unsent) /* the peer's window cuts it: worth sending only if it is half of the largest
                         ever seen */
        return len >= tcb->snd.wnd_max / 2 && len > 0 ? WEIR_WAIT_NOTHING : WEIR_WAIT_PEER_WINDOW;
    if (!last) /* a record, and more behind it: nothing will join it */
        return WEIR_WAIT_NOTHING;
    if (cork_holds(tcb))
        return WEIR_WAIT_CORK;
    return nagle_holds(tcb) ? WEIR_WAIT_NAGLE : WEIR_WAIT_NOTHING;
}

/* A superframe costs a device hardly more than a segment. If cwnd cuts one to less than half, and
 * ACKs are on their way that will open it, it is worth a moment's patience (timer.c says how long).
 */
static bool waits_for_more(const struct tcb *tcb, uint32_t len, uint32_t full, enum weir_wait wait)
{
    if (tcp_paced(tcb)) /* its frames are as long as their time */
        return false;
    return wait == WEIR_WAIT_CWND && full > tcb->mss && len < full / 2 &&
           tcp_outstanding(tcb) > 0 && !tcb->defer_over;
}

/* Octets that one plan may carry. */
static uint32_t plan_max(const struct tcb *tcb, uint32_t gso_max)
{
    uint32_t segments = gso_max > tcb->mss ? gso_max / tcb->mss : 1;
    if (segments > TCP_PLAN_SEGMENTS)
        segments = TCP_PLAN_SEGMENTS;
    const uint32_t max = segments * tcb->mss;
    return tcp_paced(tcb) && max > tcp_pacing_quantum(tcb) ? tcp_pacing_quantum(tcb) : max;
}

void tcp_send_chance(const struct tcb *tcb, uint32_t gso_max, struct tcp_chance *chance)
{
    *chance = (struct tcp_chance){ .wait = WEIR_WAIT_NOTHING };
    if (!tcp_may_send(tcb)) {
        chance->wait = tcb->snd.end != tcb->iss + 1 ? WEIR_WAIT_HANDSHAKE : WEIR_WAIT_NOTHING;
        return;
    }
    const uint32_t all = tcp_unsent(tcb);
    const bool fin_waits = tcb->fin_queued && !tcp_fin_sent(tcb) && tcp_syn_acked(tcb);
    if (all == 0 && !fin_waits)
        return;
    const uint32_t window = usable_window(tcb);
    const uint32_t cwnd = usable_cwnd(tcb);
    const uint32_t mss = tcb->mss;
    if (all == 0) { /* a FIN alone takes one octet of the window, and waits for no cwnd */
        chance->fin = window > 0;
        chance->wait = chance->fin ? WEIR_WAIT_OUTPUT : WEIR_WAIT_PEER_WINDOW;
        return;
    }
    const uint32_t unsent = push_record(tcb, all);
    const bool last = unsent == all;
    uint32_t len = unsent;
    chance->wait = WEIR_WAIT_OUTPUT;
    if (len > window) {
        len = window;
        chance->wait = WEIR_WAIT_PEER_WINDOW;
    }
    if (len > cwnd) {
        /* Whole segments only: the last bit of cwnd is not worth a short one. */
        len = cwnd / mss * mss;
        chance->wait = WEIR_WAIT_CWND;
        if (len == 0)
            return;
    }
    const bool holds = last && !tcb->fin_queued && (cork_holds(tcb) || nagle_holds(tcb));
    const bool tail_waits = len < unsent || holds;
    chance->burst = tail_waits && !tcb->fin_queued ? len / mss * mss : len;
    const uint32_t max = unsent <= mss ? mss : plan_max(tcb, gso_max); /* which is more */
    if (len > max)
        len = max;
    if (waits_for_more(tcb, len, unsent < max ? unsent : max, chance->wait)) {
        chance->wait = WEIR_WAIT_TSO_DEFER;
        return;
    }
    if (len > mss && len < unsent)
        len = len / mss * mss;
    if (len < mss) {
        const enum weir_wait wait = short_may_go(tcb, len, unsent, last);
        if (wait != WEIR_WAIT_NOTHING) {
            chance->wait = wait;
            return;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): TCP_MSS_FLOOR at least. */
    } else if (len % mss != 0 && holds) {
        len = len / mss * mss; /* the short tail waits */
    }
    chance->len = len;
    chance->fin = fin_waits && len == all && window > len;
}

bool tcp_needs_persist(const struct tcb *tcb)
{
    if (tcp_outstanding(tcb) > 0 || !tcp_new_waits(tcb))
        return false;
    if (usable_window(tcb) > tcp_unsent(tcb) && !tcb->cork && !tcb->held)
        return false; /* the window takes all, and a FIN: something else holds them back */
    struct tcp_chance chance;
    tcp_send_chance(tcb, tcb->mss, &chance);
    return chance.len == 0 && !chance.fin &&
           (chance.wait == WEIR_WAIT_PEER_WINDOW || chance.wait == WEIR_WAIT_CORK);
}
