/* SPDX-License-Identifier: MIT */
/* What is owed to the peer in acknowledgements: a ledger, not a flag. Input enters debts; one
 * segment, sent after the whole batch, usually pays them all (RFC 9293 MUST-58, MUST-59). */
#include "tcp/tcp.h"

void tcp_owe_ack(struct tcb *tcb, enum weir_why why)
{
    /* The most telling reason stays: a duplicate says more than a window update. */
    if (tcb->owed_why == WEIR_WHY_NONE || why == WEIR_WHY_ACK_DUP)
        tcb->owed_why = (uint8_t)why;
    tcb->due |= TCP_DUE_ACK;
}

/* Octets came in order: RFC 9293 SHLD-18, SHLD-19; RFC 5681, 4.2. The second segment is
 * acknowledged even if it is a short one, as Linux does: it may be the end of what a program wrote,
 * and the sender's tail loss probe allows for no delay once two are in flight (RFC 8985, 7.2). */
void tcp_owe_ack_in_order(struct tcb *tcb, weir_time now)
{
    const uint32_t unacked = tcb->rcv.nxt - tcb->rcv.acked;
    if (unacked > tcb->rcv_mss || tcb->quick > 0 || tcb->quickack) {
        if (tcb->quick > 0)
            tcb->quick--;
        tcp_owe_ack(tcb, WEIR_WHY_ACK);
    } else if (tcb->delack_at == WEIR_NEVER) {
        tcb->delack_at = now + tcb->host->config->delack;
    }
}

/* RFC 5961: at most one in half a second, counted for this connection alone, so that nobody else
 * can count them (KP-8). */
void tcp_owe_challenge(struct tcb *tcb, weir_time now)
{
    const uint32_t ms = tcp_ms(tcb->host, now);
    if (ms - tcb->challenge_ms < TCP_CHALLENGE_GAP_MS)
        return;
    tcb->challenge_ms = ms;
    tcb->due |= TCP_DUE_CHALLENGE;
}

/* RFC 2883: the peer learns which octets came twice. Two are kept; the second owes an ACK of its
 * own. */
void tcp_owe_dsack(struct tcb *tcb, seq32 left, seq32 right)
{
    if (!tcb->sack_ok || tcb->read_closed || !seq_lt(left, right))
        return;
    struct tcb_flight *flight = tcb_flight_need(tcb);
    if (flight == NULL || flight->dsack_count == 2)
        return;
    flight->dsack[flight->dsack_count++] = (struct tcp_sack_block){ left, right };
    tcb->due |= TCP_DUE_ACK;
}

/* [left, right) is now a range: it goes to the front of what SACK options report (RFC 2018, 4). */
void tcp_note_range(struct tcb *tcb, seq32 left, seq32 right)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    struct tcp_sack_block kept[TCP_RECENT_MAX] = { { left, right } };
    unsigned count = 1, unsaid = 1;
    for (unsigned i = 0; i < flight->recent_count && count < TCP_RECENT_MAX; i++) {
        if (!seq_gt(flight->recent[i].left, right) && !seq_lt(flight->recent[i].right, left))
            continue;
        kept[count++] = flight->recent[i];
        if (i < flight->unsaid)
            unsaid = count;
    }
    for (unsigned i = 0; i < count; i++)
        flight->recent[i] = kept[i];
    flight->recent_count = (uint8_t)count;
    flight->unsaid = (uint8_t)unsaid;
}

/* RCV.NXT has moved over some of them. What stayed would lie ahead again 2^32 octets later. */
void tcp_forget_ranges(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    unsigned kept = 0, unsaid = 0;
    for (unsigned i = 0; i < flight->recent_count; i++) {
        if (!seq_gt(flight->recent[i].left, tcb->rcv.nxt))
            continue;
        flight->recent[kept++] = flight->recent[i];
        if (i < flight->unsaid)
            unsaid = kept;
    }
    flight->recent_count = (uint8_t)kept;
    flight->unsaid = (uint8_t)unsaid;
}

/* A SACK option has told of the first `said` ranges. One segment often answers for a whole batch,
 * and of a batch with many holes its option cannot tell all: what it kept to itself the sender
 * would take for lost. So the others come to the front, and have an ACK of their own. */
static void ranges_said(struct tcb_flight *flight, unsigned said)
{
    struct tcp_sack_block told[TCP_SACK_MAX];
    WEIR_ASSERT(said <= TCP_SACK_MAX && said <= flight->recent_count);
    if (said == 0 || said >= flight->unsaid) {
        flight->unsaid = 0; /* all; or there is no room for any (RFC 2018, 3: then none is owed) */
        return;
    }
    for (unsigned i = 0; i < said; i++)
        told[i] = flight->recent[i];
    for (unsigned i = said; i < flight->recent_count; i++)
        flight->recent[i - said] = flight->recent[i];
    for (unsigned i = 0; i < said; i++)
        flight->recent[flight->recent_count - said + i] = told[i];
    flight->unsaid = (uint8_t)(flight->unsaid - said);
}

/* `room` octets of options are free. DSACK first, then the ranges, most recent first. */
void tcp_sack_option(const struct tcb *tcb, struct tcp_opts *opts, unsigned room)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (!tcb->sack_ok || flight == NULL || room < 12)
        return;
    const unsigned max = (room - 4) / 8 < TCP_SACK_MAX ? (room - 4) / 8 : TCP_SACK_MAX;
    unsigned count = 0;
    if (flight->dsack_count > 0)
        opts->sack[count++] = flight->dsack[0];
    for (unsigned i = 0; i < flight->recent_count && count < max; i++)
        if (seq_gt(flight->recent[i].left, tcb->rcv.nxt))
            opts->sack[count++] = flight->recent[i];
    if (count == 0)
        return;
    opts->present |= TCP_OPT_SACK;
    opts->sack_count = (uint8_t)count;
}

/* A segment that acknowledges RCV.NXT has left: what it paid is off the ledger. */
void tcp_ack_left(struct tcb *tcb, const struct tcp_plan *plan)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    /* The program answers within the delay: from now on its answers carry the ACKs. So it does if
     * what did not fit into its SYN leaves with the ACK of the handshake (as Linux). */
    const bool answers = tcb->rcv.acked != tcb->rcv.nxt ||
                         (tcb->syn_text && plan->fresh && tcb->owed_why != WEIR_WHY_NONE &&
                          tcb->rcv.nxt == tcb->irs + 1);
    if (plan->len > 0 && answers)
        tcb->quick = 0;
    if (flight != NULL && plan->dsacks > 0) {
        flight->dsack[0] = flight->dsack[1];
        flight->dsack_count--;
    }
    if (flight != NULL) {
        const bool any = plan->opts.present & TCP_OPT_SACK;
        ranges_said(flight, any ? (unsigned)plan->opts.sack_count - plan->dsacks : 0);
    }
    tcb->rcv.acked = tcb->rcv.nxt;
    tcb->rcv.edge = plan->edge;
    tcb->delack_at = WEIR_NEVER;
    if (tcb->owed_dup > 0)
        tcb->owed_dup--;
    const bool more =
        tcb->owed_dup > 0 || (flight != NULL && (flight->dsack_count > 0 || flight->unsaid > 0));
    if (!more) {
        tcb->owed_why = WEIR_WHY_NONE;
        tcb->due &= (uint8_t)~TCP_DUE_ACK;
    }
}
