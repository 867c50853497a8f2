/* SPDX-License-Identifier: MIT */
/* How a connection reacts to loss: RFC 6675 with SACK, RFC 6582 (NewReno) without, RFC 5681 after a
 * timeout.
 *
 *      OPEN --- loss found ---> RECOVERY --- recovery point acknowledged ---> OPEN
 *      any --- timeout ---> LOSS --- recovery point acknowledged ---> OPEN
 *
 * Without SACK each duplicate ACK says that one segment has left (reno_sacked), so that one rule,
 * pipe < cwnd, governs both. */
#include "tcp/tcp.h"

struct cc_path tcp_cc_path(const struct tcb *tcb)
{
    return (struct cc_path){ .mss = tcb->mss, .cwnd_max = UINT32_C(1) << 30 };
}

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

static void enter_recovery(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_loss loss = { .in_flight = tcp_outstanding(tcb), .now = now };
    tcb->recovery = TCP_RECOVERY;
    tcb->recovery_count++;
    tcp_trace(tcb)->count.recoveries++;
    flight->recovery_point = tcb->snd.nxt;
    flight->rtx_next = tcb->snd.una;
    flight->rescue_done = 0;
    tcb->rtx_force = true;
    cc_newreno.lost(&tcb->cc, &flight->cc_memory, &path, &loss);
    story(tcb, true, flight, now);
}

static void leave(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    /* RFC 6582, 3.2 (1): no burst when the window opens at once. */
    if (tcb->recovery == TCP_RECOVERY) {
        const uint32_t pipe = sb_pipe(tcb);
        const uint32_t quiet = pipe + tcb->mss;
        tcb->cc.cwnd = quiet < tcb->cc.ssthresh && quiet > tcb->mss ? quiet : tcb->cc.ssthresh;
        if (tcb->cc.cwnd < 2u * tcb->mss)
            tcb->cc.cwnd = 2u * tcb->mss;
    }
    tcb->recovery = TCP_OPEN;
    tcb->rtx_force = false;
    flight->dupacks = 0;
    flight->reno_sacked = 0;
    story(tcb, false, flight, now);
}

/* Peers without SACK: what a duplicate or a partial ACK says (RFC 6582). */
static void reno_ack(struct tcb *tcb, struct tcb_flight *flight, uint32_t acked, bool dup)
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

static void grow(struct tcb *tcb, struct tcb_flight *flight, uint32_t acked, weir_time rtt,
                 weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_ack ack = {
        .acked = acked,
        .in_flight = tcp_outstanding(tcb) + acked,
        .rtt = rtt,
        .srtt = tcb->srtt,
        .cwnd_limited = tcb->cwnd_limited,
        .in_loss = tcb->recovery == TCP_LOSS,
        .now = now,
    };
    cc_newreno.acked(&tcb->cc, &flight->cc_memory, &path, &ack);
}

void tcp_recovery_ack(struct tcb *tcb, uint32_t acked, uint32_t sacked, bool dup, weir_time rtt,
                      weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    if (tcb->recovery != TCP_OPEN && seq_geq(tcb->snd.una, flight->recovery_point))
        leave(tcb, flight, now);
    if (!tcb->sack_ok)
        reno_ack(tcb, flight, acked, dup);
    else if (sacked > 0 || (acked > 0 && flight->sacked > 0))
        sb_find_lost(tcb);

    if (tcb->recovery == TCP_OPEN && flight->lost > flight->rtx &&
        seq_lt(tcb->snd.una, flight->lost_edge))
        enter_recovery(tcb, flight, now);
    else if (tcb->recovery == TCP_OPEN && !tcb->sack_ok && flight->dupacks == TCP_DUPTHRESH && dup)
        enter_recovery(tcb, flight, now);
    else if (tcb->recovery != TCP_RECOVERY && acked > 0)
        grow(tcb, flight, acked, rtt, now);
}

void tcp_recovery_timeout(struct tcb *tcb, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_loss loss = { .in_flight = tcp_outstanding(tcb), .now = now };
    cc_newreno.timeout(&tcb->cc, &flight->cc_memory, &path, &loss,
                       tcb->retries <= 1 && tcb->recovery != TCP_LOSS);
    sb_all_lost(tcb);
    tcb->recovery = TCP_LOSS;
    tcb->rtx_force = false;
    flight->recovery_point = tcb->snd.nxt;
    flight->dupacks = 0;
    flight->rescue_done = 1;
    story(tcb, true, flight, now);
}
