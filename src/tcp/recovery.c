/* SPDX-License-Identifier: MIT */
/* How a connection reacts to loss: with SACK as RFC 8985 (or RFC 6675) finds it and RFC 9937 paces
 * it, without as RFC 6582 (NewReno) has it, and RFC 5681 after a timeout.
 *
 *      OPEN --- loss found ---> RECOVERY --- recovery point acknowledged ---> OPEN
 *      any --- timeout ---> LOSS --- recovery point acknowledged ---> OPEN
 *      RECOVERY, LOSS --- nothing had been lost (undo.c) ---> OPEN, as before
 *
 * Without SACK each duplicate ACK says that one segment has left (reno_sacked), so that one rule,
 * pipe < cwnd, governs both. */
#include "tcp/tally.h"
#include "tcp/tcp.h"

static void story(const struct tcb *tcb, bool entered, const struct tcb_flight *flight,
                  weir_time now)
{
    trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                       .type = WEIR_REC_RECOVERY,
                                                       .conn = tcb->index,
                                                       .flags = entered,
                                                       .code = tcb->recovery,
                                                       .seq = flight->recovery_point,
                                                       .ack = tcb->snd.una,
                                                       .value = tcb->cc.cwnd });
}

WEIR_COLD static void enter_recovery(struct tcb *tcb, struct tcb_flight *flight,
                                     const struct sb_acked *acked, weir_time now)
{
    undo_begin(tcb, flight);
    prr_begin(tcb, flight, acked);
    tcb->recovery = TCP_RECOVERY;
    if (tcb->recovery_count < UINT16_MAX)
        tcb->recovery_count++;
    tcp_trace(tcb)->count.recoveries++;
    flight->recovery_point = tcb->snd.nxt;
    flight->rtx_next = tcb->snd.una;
    flight->rescue_done = 0;
    flight->tlp.active = flight->tlp.due = false;
    flight->pto_at = WEIR_NEVER;
    tcb->rtx_force = true;
    tcp_cc_lost(tcb, flight, now);
    story(tcb, true, flight, now);
}

WEIR_COLD static void reopen(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    tcb->recovery = TCP_OPEN;
    tally_recovered(tcb, now);
    tcb->rtx_force = false;
    flight->frto = FRTO_OFF;
    flight->dupacks = 0;
    flight->reno_sacked = 0;
    rack_recovered(tcb);
    story(tcb, false, flight, now);
}

WEIR_COLD static void leave(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    if (tcp_cc_own(tcb)) {
        reopen(tcb, flight, now);
        return;
    }
    if (tcb->recovery == TCP_RECOVERY && tcb->sack_ok) {
        tcb->cc.cwnd = tcb->cc.ssthresh; /* RFC 9937, 6: PRR has led there without a burst */
    } else if (tcb->recovery == TCP_RECOVERY) {
        /* RFC 6582, 3.2 (1): no burst when the window opens at once. */
        const uint32_t pipe = sb_pipe(tcb);
        const uint32_t quiet = pipe + tcb->mss;
        tcb->cc.cwnd = quiet < tcb->cc.ssthresh && quiet > tcb->mss ? quiet : tcb->cc.ssthresh;
        if (tcb->cc.cwnd < 2u * tcb->mss)
            tcb->cc.cwnd = 2u * tcb->mss;
    }
    reopen(tcb, flight, now);
}

/* Peers without SACK: what a duplicate or a partial ACK says (RFC 6582). */
WEIR_COLD static void reno_ack(struct tcb *tcb, struct tcb_flight *flight, uint32_t acked, bool dup)
{
    if (dup) {
        if (flight->dupacks < 255)
            flight->dupacks++;
        /* Bounded by what was outstanding when the episode began (RFC 5681, 3.2): a liar's
         * duplicates cannot make pipe negative, nor buy octet after octet (T-41). */
        const uint32_t most = tcb->recovery == TCP_OPEN ? tcp_outstanding(tcb)
                                                        : flight->recovery_point - tcb->snd.una;
        flight->reno_sacked += tcb->mss;
        if (flight->reno_sacked > most)
            flight->reno_sacked = most;
        if (flight->dupacks == TCP_DUPTHRESH && tcb->recovery == TCP_OPEN)
            sb_first_lost(tcb);
    } else if (acked > 0) {
        flight->dupacks = 0;
        flight->reno_sacked = acked >= flight->reno_sacked ? 0 : flight->reno_sacked - acked;
        if (tcb->recovery == TCP_RECOVERY && seq_lt(tcb->snd.una, flight->recovery_point)) {
            flight->reno_sacked = 0;
            sb_first_lost(tcb);
            tcb->rtx_force = true;
        }
    }
}

/* A probe has filled a hole that nobody had seen: one reduction, and nothing else is to be done
 * (RFC 8985, 7.4.2). */
WEIR_COLD static void tail_repaired(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    flight->undo.armed = false;
    tcp_cc_lost(tcb, flight, now);
    if (tcb->recovery_count < UINT16_MAX)
        tcb->recovery_count++;
    tcp_trace(tcb)->count.recoveries++;
}

/* Octets that this ACK shows to be lost, or lost again. */
static uint32_t find_lost(struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked,
                          weir_time now)
{
    if (rack_on(tcb))
        return rack_find_lost(tcb, flight, now);
    const bool news = acked->sacked > 0 || (acked->octets > 0 && flight->sacked > 0);
    return tcb->sack_ok && news ? sb_find_lost(tcb) : 0;
}

/* Octets of this ACK that cwnd may grow with. What is sacked has arrived as well, and is not
 * counted again when it is acknowledged; but as long as nothing was ever out of order it is the
 * first sign of a loss (as on Linux). Without SACK it is the duplicates that have said so of all
 * but the hole. */
static uint32_t grows_by(const struct tcb *tcb, const struct tcb_flight *flight,
                         const struct sb_acked *acked)
{
    if (tcb->recovery == TCP_RECOVERY)
        return 0;
    if (flight->reno_sacked > 0 && acked->octets > tcb->mss) {
        const uint32_t most = acked->octets - tcb->mss;
        return acked->octets - (flight->reno_sacked < most ? flight->reno_sacked : most);
    }
    const bool late = tcb->reo_seen && tcb->recovery == TCP_OPEN;
    return acked->octets + (late ? acked->sacked : 0);
}

void tcp_recovery_ack(struct tcb *tcb, const struct sb_acked *acked, bool dup, weir_time rtt,
                      weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    if (tcb->sack_ok)
        rack_ack(tcb, flight, acked);
    if (undo_ack(tcb, flight, acked, dup) == UNDO_OVER)
        reopen(tcb, flight, now);
    else if (tcb->recovery != TCP_OPEN && seq_geq(tcb->snd.una, flight->recovery_point))
        leave(tcb, flight, now);
    const bool repaired = tlp_ack(tcb, flight, acked, dup);
    const uint32_t lost = find_lost(tcb, flight, acked, now);
    if (lost > 0)
        tcb->due |= TCP_DUE_RTX;
    const bool probe = lost > 0 && tcp_search_explains(tcb, now);
    const uint32_t grows = grows_by(tcb, flight, acked);
    if (!tcb->sack_ok)
        reno_ack(tcb, flight, acked->octets, dup);

    if (tcb->recovery == TCP_OPEN && !probe &&
        (lost > 0 || (!tcb->sack_ok && flight->dupacks == TCP_DUPTHRESH && dup)))
        enter_recovery(tcb, flight, acked, now);
    else if (repaired && tcb->recovery == TCP_OPEN)
        tail_repaired(tcb, flight, now);
    else if (grows > 0 && !tcp_cc_own(tcb))
        tcp_cc_acked(tcb, flight, grows, rtt, now);
    if (tcb->recovery == TCP_RECOVERY && tcb->sack_ok && !tcp_cc_own(tcb))
        prr_ack(tcb, flight, acked->octets + acked->sacked, acked->octets > 0 && lost == 0);
}

void tcp_recovery_reorder(struct tcb *tcb, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    if (rack_find_lost(tcb, flight, now) == 0)
        return;
    tcb->due |= TCP_DUE_RTX | TCP_DUE_DATA;
    if (tcp_search_explains(tcb, now) || tcb->recovery != TCP_OPEN)
        return;
    const struct sb_acked nothing = { .rtt_at = WEIR_NEVER, .rack_at = WEIR_NEVER };
    enter_recovery(tcb, flight, &nothing, now);
    if (!tcp_cc_own(tcb))
        prr_ack(tcb, flight, tcb->mss, false);
}

/* RFC 8985, 6.3: a timeout is about the first segment. What left within the last round trip may
 * well be on its way. */
static weir_time lost_if_left_by(const struct tcb *tcb, const struct tcb_flight *flight,
                                 weir_time now)
{
    if (!rack_on(tcb) || flight->rack.rtt < 0)
        return now;
    return now - flight->rack.rtt - rack_reo_wnd(tcb);
}

void tcp_recovery_timeout(struct tcb *tcb, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    const bool again = tcb->retries > 1;
    if (tcb->recovery == TCP_OPEN)
        undo_begin(tcb, flight);
    tcp_cc_timeout(tcb, flight, !again && tcb->recovery != TCP_LOSS, now);
    const bool frto = tcb->host->config->frto != 0 && tcb->sack_ok;
    flight->frto = frto && (tcb->recovery == TCP_OPEN || again) ? FRTO_FIRST : FRTO_OFF;
    sb_all_lost(tcb, lost_if_left_by(tcb, flight, now));
    (void)tcp_search_explains(tcb, now);
    tcb->cc.cwnd += sb_pipe(tcb); /* what is not given up has its place beside the one segment */
    tcb->recovery = TCP_LOSS;
    tcb->rtx_force = false;
    flight->recovery_point = tcb->snd.nxt;
    flight->dupacks = 0;
    flight->rescue_done = 1;
    flight->tlp.active = flight->tlp.due = false;
    flight->pto_at = flight->rack.due_at = WEIR_NEVER;
    story(tcb, true, flight, now);
}
