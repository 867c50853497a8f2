/* SPDX-License-Identifier: MIT */
/* When a reduction turns out to have been for nothing, because the segments were late and not lost,
 * what it took is put back (RFC 4015, 3.2, step 5). There are three ways to find out:
 *
 *   - an ACK echoes a timestamp older than the first retransmission: it is for the original (Eifel,
 *     RFC 3522, 3.2);
 *   - DSACKs report each octet that was sent again as a duplicate (RFC 2883, 4; RFC 3708);
 *   - after a timeout, segments that were never sent again are acknowledged (F-RTO with SACK, RFC
 *     5682, 3.1). */
#include "tcp/tcp.h"

void undo_begin(const struct tcb *tcb, struct tcb_flight *flight)
{
    flight->undo = (struct undo){
        .cwnd = tcb->cc.cwnd,
        .ssthresh = tcb->cc.ssthresh,
        .marker = tcb->snd.una,
        .octets = flight->rtx, /* a probe that is still on its way may be reported, too */
        .armed = true,
    };
}

/* A retransmission on its way when everything was acknowledged is a round trip from being told of,
 * and what a probe was good for the next ACK shows. Who will not send any more does not care. */
bool undo_waits(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return false;
    const bool undo = flight->undo.armed && flight->undo.any && flight->undo.octets > 0;
    return (undo || (flight->tlp.active && flight->tlp.rtx)) && tcb->sack_ok &&
           tcb->recovery == TCP_OPEN && tcp_outstanding(tcb) == 0 &&
           (tcb->state == WEIR_ESTABLISHED || tcb->state == WEIR_CLOSE_WAIT) &&
           !tcp_needs_persist(tcb);
}

void undo_retransmitted(const struct tcb *tcb, const struct tcp_plan *plan)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || !flight->undo.armed)
        return;
    struct undo *undo = &flight->undo;
    if (!undo->any)
        undo->stamp = plan->opts.tsval;
    undo->any = true;
    undo->octets += plan->len > 0 ? plan->len : 1;
}

/* A DSACK is about what was sent again if it lies between where that began and what had been
 * acknowledged; one segment a block is the rule, but a receiver may join them. */
static void count_dsack(struct undo *undo, const struct sb_acked *acked)
{
    if (!acked->dsack || !undo->armed || undo->octets == 0)
        return;
    const struct tcp_sack_block *block = &acked->dsack_block;
    if (seq_gt(block->right, acked->una) || seq_leq(block->right, undo->marker))
        return;
    const uint32_t octets = block->right - seq_max(block->left, undo->marker);
    undo->octets -= octets < undo->octets ? octets : undo->octets;
}

/* RFC 3522, 3.2: the first thing that was acknowledged since was not what was sent again. */
static bool delayed(const struct tcb *tcb, const struct undo *undo, const struct sb_acked *acked)
{
    if (!undo->armed || acked->octets == 0)
        return false;
    if (!undo->any)
        return tcb->sack_ok && undo->octets == 0;
    return acked->echo && seq_lt(acked->tsecr, undo->stamp);
}

static void put_back(struct tcb *tcb, struct tcb_flight *flight, bool unmark)
{
    struct undo *undo = &flight->undo;
    if (unmark)
        sb_none_lost(tcb);
    if (tcb->cc.cwnd < undo->cwnd)
        tcb->cc.cwnd = undo->cwnd;
    if (tcb->cc.ssthresh < undo->ssthresh)
        tcb->cc.ssthresh = undo->ssthresh;
    tcp_cc_undo(tcb, flight);
    undo->armed = false;
    tcb->due |= TCP_DUE_DATA | TCP_DUE_RTX;
    if (tcb->undo_count < UINT16_MAX)
        tcb->undo_count++;
    tcp_trace(tcb)->count.undos++;
}

static enum undo_verdict after_timeout(struct tcb *tcb, struct tcb_flight *flight,
                                       const struct sb_acked *acked, bool dup)
{
    const bool all_known = flight->undo.any && flight->undo.octets == 0;
    const bool original = flight->frto != FRTO_OFF && acked->original;
    if (flight->undo.armed && (original || all_known || delayed(tcb, &flight->undo, acked))) {
        flight->frto = FRTO_OFF;
        put_back(tcb, flight, true);
        return UNDO_OVER;
    }
    if (flight->frto == FRTO_OFF)
        return UNDO_NONE;
    const bool progress = acked->octets > 0 && seq_lt(tcb->snd.una, flight->recovery_point);
    if (seq_gt(tcb->snd.nxt, flight->recovery_point)) {
        if (acked->sacked > 0 || dup)
            flight->frto = FRTO_OFF; /* RFC 5682, 3.1, step 3a: the loss was real */
    } else if (progress) {
        /* Step 2b: what is new goes first, and what comes back for it decides. */
        flight->recovery_point = tcb->snd.nxt;
        flight->frto = FRTO_NEW;
    }
    return UNDO_NONE;
}

enum undo_verdict undo_ack(struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked,
                           bool dup)
{
    struct undo *undo = &flight->undo;
    count_dsack(undo, acked);
    if (!undo->armed)
        return UNDO_NONE;
    if (tcb->recovery == TCP_LOSS)
        return after_timeout(tcb, flight, acked, dup);
    const bool open = tcb->recovery == TCP_OPEN; /* DSACKs may come after the episode */
    if (undo->any && undo->octets == 0) {
        put_back(tcb, flight, !open);
        rack_was_wrong(tcb, flight);
        return open ? UNDO_NONE : UNDO_OVER;
    }
    if (open || !delayed(tcb, undo, acked))
        return UNDO_NONE;
    /* While retransmissions are on their way, more DSACKs or losses may be told of. */
    const bool over = seq_geq(tcb->snd.una, flight->recovery_point);
    if (flight->rtx > 0 && !over)
        return UNDO_NONE;
    put_back(tcb, flight, true);
    rack_was_wrong(tcb, flight);
    return UNDO_OVER;
}
