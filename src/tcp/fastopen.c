/* SPDX-License-Identifier: MIT */
#include "tcp/fastopen.h"

#include "tcp/known.h"
#include "tcp/tcp.h"

#include <string.h>

#define SYN_OPTIONS_MAX 40 /* the text of a SYN leaves room for all options there can be */

void tcp_fast_begin(struct tcb *tcb, uint32_t which, uint16_t mss)
{
    WEIR_ASSERT(tcb->state == WEIR_SYN_SENT && tcb->snd.nxt == tcb->iss);
    tcb->fast = true;
    tcb->rcv.fin = which;
    tcb->snd.wl2 = mss;
}

static const struct tcp_known *known_of(const struct tcb *tcb)
{
    return tcb->rcv.fin < TCP_FAST_KNOWN ? &tcb->host->known[tcb->rcv.fin] : NULL;
}

/* RFC 7413, 4.2.1: no more than the server last said it takes; and as in Linux the text leaves room
 * for all options that something on the way may add. */
uint32_t tcp_fast_room(const struct tcb *tcb)
{
    if (!tcb->fast || tcb->state != WEIR_SYN_SENT || tcb->rcv.fin > TCP_FAST_PLAIN)
        return 0;
    const struct tcp_known *known = known_of(tcb);
    uint32_t mss = tcb->path_mss;
    if (tcb->snd.wl2 != 0 && tcb->snd.wl2 < mss)
        mss = tcb->snd.wl2;
    if (known != NULL && known->cookie_len == 0) /* it was forgotten since */
        return 0;
    if (tcb->maxseg != 0 && tcb->maxseg < mss)
        mss = tcb->maxseg;
    return mss > SYN_OPTIONS_MAX ? mss - SYN_OPTIONS_MAX : 0;
}

uint32_t tcp_fast_fill(const struct tcb *tcb, struct tcp_opts *opts)
{
    if (!tcb->fast || tcb->probes > 0 ||
        tcb->syn_rtx) /* again: without, something may not like it */
        return 0;
    const struct tcp_known *known = known_of(tcb);
    if (tcb->rcv.fin != TCP_FAST_PLAIN)
        opts->present |= TCP_OPT_FASTOPEN;
    opts->cookie_exp = known != NULL ? known->cookie_exp : tcb->rcv.fin == TCP_FAST_ASK_EXP;
    if (known != NULL) {
        opts->cookie_len = known->cookie_len;
        memcpy(opts->cookie, known->cookie, known->cookie_len);
    }
    const uint32_t queued = tcb->snd.end - (tcb->iss + 1);
    const uint32_t most = tcp_fast_room(tcb);
    return queued < most ? queued : most;
}

uint32_t tcp_fast_text(const struct tcb *tcb)
{
    const seq32 first = tcb->iss + 1;
    const seq32 end = tcb->passive ? tcb->snd.nxt : tcb->snd.sml;
    return tcb->fast && seq_gt(end, first) ? end - first : 0;
}

bool tcp_fast_acks(const struct tcb *tcb, seq32 ack)
{
    return tcb->snd.nxt != tcb->iss && ack - (tcb->iss + 1) <= tcp_fast_text(tcb);
}

/* What the SYN carried in vain is in flight from now on, and lost. Without memory for that, or
 * beyond what a record holds, it is as if it had never been sent. */
static void send_again(struct tcb *tcb, uint32_t len, weir_time now)
{
    struct tcp_plan plan = { .seq = tcb->snd.nxt, .len = len, .pushed = true };
    if (len > (uint32_t)TCP_PLAN_SEGMENTS * tcb->mss)
        plan.len = (uint32_t)TCP_PLAN_SEGMENTS * tcb->mss;
    if (plan.len > tcb->mss)
        plan.gso_size = tcb->mss;
    if (plan.len == 0 || !sb_sent(tcb, &plan, tcb->sent_at))
        return;
    tcb->snd.nxt += plan.len;
    tcb->octets_out += plan.len;
    sb_all_lost(tcb, now);
    tcb->text_again = true;
    tcb->due |= TCP_DUE_RTX;
    tcp_rtx_restart(tcb, now);
}

void tcp_fast_acked(struct tcb *tcb, seq32 ack, weir_time now)
{
    const uint32_t taken = ack - tcb->snd.una;
    const uint32_t text = tcp_fast_text(tcb);
    tcb->syn_text = taken > 0 && taken == text;
    tcb->fast = false;
    tcb->rcv.fin = 0;
    tcb->snd.sml = tcb->snd.up = tcb->snd.una;
    if (text == 0)
        return;
    WEIR_ASSERT(tcb->snd.una == tcb->iss + 1 && seq_leq(ack, tcb->snd.end));
    tcb->snd.una = tcb->snd.nxt = tcb->snd.sml = tcb->snd.up = ack;
    tcb->octets_out += taken;
    ring_drop_before(tcb->host->rings, &tcb->snd_ring, ack);
    if (ack == tcb->snd.end)
        ring_clear(tcb->host->rings, &tcb->snd_ring);
    send_again(tcb, text - taken, now);
}

enum weir_drop tcp_fast_syn(struct tcb *tcb, const struct tcp_seg *syn, weir_time now)
{
    WEIR_ASSERT(tcb->state == WEIR_SYN_RECEIVED && tcb->passive);
    struct tcp_seg text = *syn;
    text.flags &= (uint16_t)~TCP_SYN;
    text.seq++;
    tcb->fast = true;
    tcb->snd.wnd = tcb->snd.wnd_max = syn->wnd; /* of a SYN: not scaled */
    const uint32_t room = tcb->rcv.edge - text.seq;
    if (text.len > room)
        text.len = room;
    enum weir_drop verdict = WEIR_DROP_NONE;
    if (text.len > 0) {
        verdict = tcp_text_arrives(tcb, &text, now);
        tcb->syn_text = verdict == WEIR_DROP_NONE;
    }
    tcb->due |= TCP_DUE_SYN;
    tcp_settle(tcb, now);
    return verdict;
}
