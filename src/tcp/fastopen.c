/* SPDX-License-Identifier: MIT */
#include "tcp/fastopen.h"

#include "tcp/known.h"
#include "tcp/tcp.h"

#include <string.h>

#define SYN_OPTIONS_MAX 40 /* the text of a SYN leaves room for all options there can be */

void tcp_fast_begin(struct tcb *tcb, uint32_t which)
{
    WEIR_ASSERT(tcb->state == WEIR_SYN_SENT && tcb->snd.nxt == tcb->iss);
    tcb->fast = true;
    tcb->rcv.fin = which;
}

static uint32_t text_max(const struct tcb *tcb, const struct tcp_known *known)
{
    uint32_t mss = tcb->path_mss;
    if (known != NULL && known->mss != 0 && known->mss < mss)
        mss = known->mss;
    if (tcb->maxseg != 0 && tcb->maxseg < mss)
        mss = tcb->maxseg;
    return mss > SYN_OPTIONS_MAX ? mss - SYN_OPTIONS_MAX : 0;
}

uint32_t tcp_fast_fill(const struct tcb *tcb, struct tcp_opts *opts)
{
    if (!tcb->fast || tcb->probes > 0 ||
        tcb->syn_rtx) /* again: without, something may not like it */
        return 0;
    const struct tcp_known *known =
        tcb->rcv.fin < TCP_FAST_PLAIN ? &tcb->host->known[tcb->rcv.fin] : NULL;
    if (tcb->rcv.fin == TCP_FAST_ASK) {
        opts->present |= TCP_OPT_FASTOPEN;
        return 0;
    }
    if (known != NULL) {
        opts->present |= TCP_OPT_FASTOPEN;
        opts->cookie_len = known->cookie_len;
        memcpy(opts->cookie, known->cookie, known->cookie_len);
    }
    const uint32_t queued = tcb->snd.end - (tcb->iss + 1);
    const uint32_t most = text_max(tcb, known);
    return queued < most ? queued : most;
}

bool tcp_fast_acks(const struct tcb *tcb, seq32 ack)
{
    const uint32_t text = tcb->fast ? tcb->snd.sml - (tcb->iss + 1) : 0;
    return tcb->snd.nxt != tcb->iss && ack - (tcb->iss + 1) <= (text <= UINT16_MAX ? text : 0);
}

void tcp_fast_acked(struct tcb *tcb, seq32 ack)
{
    const uint32_t taken = ack - tcb->snd.una;
    tcb->fast = false;
    tcb->rcv.fin = 0;
    if (taken == 0)
        return;
    WEIR_ASSERT(tcb->snd.una == tcb->iss + 1 && seq_leq(ack, tcb->snd.end));
    tcb->snd.una = tcb->snd.nxt = tcb->snd.sml = tcb->snd.up = ack;
    tcb->octets_out += taken;
    ring_drop_before(tcb->host->rings, &tcb->snd_ring, ack);
    if (ack == tcb->snd.end)
        ring_clear(tcb->host->rings, &tcb->snd_ring);
}

enum weir_drop tcp_fast_syn(struct tcb *tcb, const struct tcp_seg *syn, weir_time now)
{
    WEIR_ASSERT(tcb->state == WEIR_SYN_RECEIVED && tcb->passive);
    struct tcp_seg text = *syn;
    text.flags &= (uint16_t)~TCP_SYN;
    text.seq++;
    tcb->fast = true;
    const uint32_t room = tcb->rcv.edge - text.seq;
    if (text.len > room)
        text.len = room;
    enum weir_drop verdict = WEIR_DROP_NONE;
    if (text.len > 0)
        verdict = tcp_text_arrives(tcb, &text, now);
    tcb->due |= TCP_DUE_SYN;
    tcp_settle(tcb, now);
    return verdict;
}
