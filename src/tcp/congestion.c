/* SPDX-License-Identifier: MIT */
#include "tcp/congestion.h"

#include "base/muldiv.h"
#include "tcp/cc_bbr.h"
#include "tcp/tcp.h"

#include <string.h>

#define PACING_SS_PERCENT  200 /* of cwnd a round trip, below half of ssthresh: as Linux */
#define PACING_CA_PERCENT  120 /* and above */
#define PACING_LATE_MAX    (2 * WEIR_MS)   /* so late a timer may be and the schedule still hold */
#define PACING_QUANTUM_DIV 1000            /* a frame is a millisecond of the rate */
#define PACING_RATE_MIN    (UINT64_C(100)) /* octets a second: a wait always has an end */

/* ---- Which algorithm, and its memory ---- */

static void *memory_of(const struct tcb *tcb, struct tcb_flight *flight)
{
    if (tcp_cc(tcb)->traits & CC_KEEPS)
        return pool_at(tcb->host->bbrs, tcb->cc.kept);
    return &flight->cc_memory;
}

struct cc_path tcp_cc_path(const struct tcb *tcb)
{
    return (struct cc_path){
        .mss = tcb->mss,
        .cwnd_max = CC_WINDOW_MAX,
        .paced = tcp_paced(tcb),
        .abe = tcb->host->config->ecn_abe,
        .seed = tcb->host->config->seed ^ (uint64_t)tcb->iss << 32 ^ tcb->index,
    };
}

enum weir_error tcp_cc_choose(struct tcb *tcb, int64_t which)
{
    if (which < 0 || which >= WEIR_CC_COUNT)
        return WEIR_INVALID;
    const struct cc_ops *ops = cc_ops_of((unsigned)which);
    const struct cc was = tcb->cc;
    uint32_t item = 0;
    if (tcp_cc(tcb) == ops && !(ops->traits & CC_KEEPS && was.kept == POOL_NONE))
        return WEIR_OK;
    if (ops->traits & CC_KEEPS) {
        item = pool_take(tcb->host->bbrs);
        if (item == POOL_NONE)
            return WEIR_NO_MEMORY;
    }
    tcp_cc_free(tcb);
    tcb->cc_which = (unsigned)which & 0x3u;
    tcb->cc.kept = item;
    struct cc_memory none;
    struct tcb_flight *flight = tcb_flight(tcb);
    struct cc_memory *memory = flight != NULL ? &flight->cc_memory : &none;
    memset(memory, 0, sizeof *memory);
    const struct cc_path path = tcp_cc_path(tcb);
    ops->init(&tcb->cc, ops->traits & CC_KEEPS ? memory_of(tcb, flight) : memory, &path);
    if (tcb->state != WEIR_CLOSED) {
        tcb->cc.cwnd = was.cwnd;
        tcb->cc.ssthresh = was.ssthresh;
    }
    return WEIR_OK;
}

void tcp_cc_start(struct tcb *tcb)
{
    const uint8_t wanted = tcb->host->config->congestion;
    tcb->cc.kept = POOL_NONE;
    if (tcp_cc_choose(tcb, wanted) != WEIR_OK || tcb->cc_which != wanted)
        tcb->cc_which = WEIR_CC_CUBIC;
    if (!(tcp_cc(tcb)->traits & (CC_KEEPS | CC_MARKS)))
        tcb->cc.kept = 0;
}

void tcp_cc_free(struct tcb *tcb)
{
    if (!(tcp_cc(tcb)->traits & CC_KEEPS))
        return;
    if (tcb->cc.kept != POOL_NONE)
        pool_give(tcb->host->bbrs, tcb->cc.kept);
    tcb->cc.kept = 0;
    tcb->cc_which = WEIR_CC_CUBIC; /* the only one that needs nothing */
}

/* ---- What it is told ---- */

static struct cc_ack ack_of(const struct tcb *tcb, struct tcb_flight *flight, uint32_t acked,
                            weir_time rtt, weir_time now)
{
    const struct cc_ack ack = {
        .acked = acked,
        .in_flight = tcp_outstanding(tcb) + acked,
        .pipe = sb_pipe(tcb),
        .lost = flight->lost_ever - flight->lost_told,
        .marked = flight->marked,
        .rtt = rtt,
        .srtt = tcb->srtt,
        /* RFC 3168, 6.1.2: no growth in the round trip of a mark. */
        .cwnd_limited = tcb->cwnd_limited && !flight->cwr,
        .in_loss = tcb->recovery == TCP_LOSS,
        .in_recovery = tcb->recovery == TCP_RECOVERY,
        .now = now,
        .rate = flight->rate,
    };
    flight->lost_told = flight->lost_ever;
    return ack;
}

void tcp_cc_acked(struct tcb *tcb, struct tcb_flight *flight, uint32_t acked, weir_time rtt,
                  weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_ack ack = ack_of(tcb, flight, acked, rtt, now);
    tcp_cc(tcb)->acked(&tcb->cc, memory_of(tcb, flight), &path, &ack);
}

/* What the path has carried is what an algorithm takes its part of. That is FlightSize, but the
 * tail of a message may be all that is left of it: then it is cwnd, which only grows as it is used
 * (RFC 7661, 4.3, and Linux).
 *
 * DEVIATION: RFC 5681, equation 4, has FlightSize alone; a lost tail would leave two segments. */
static struct cc_loss loss_of(const struct tcb *tcb, const struct tcb_flight *flight, weir_time now)
{
    const uint32_t out = tcp_outstanding(tcb);
    return (struct cc_loss){ .in_flight = out > tcb->cc.cwnd ? out : tcb->cc.cwnd,
                             .now = now,
                             .delivered = flight->delivered };
}

void tcp_cc_lost(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_loss loss = loss_of(tcb, flight, now);
    /* A mark and a loss of one round trip are one sign of congestion. */
    if (flight->cwr && seq_lt(tcb->snd.una, flight->cwr_point) && !tcp_cc_own(tcb))
        return;
    tcp_ecn_reduced(tcb);
    tcp_cc(tcb)->lost(&tcb->cc, memory_of(tcb, flight), &path, &loss);
}

void tcp_cc_marked(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_loss loss = loss_of(tcb, flight, now);
    /* That a loss before it was none does not take back what the mark says, as on Linux. */
    flight->undo.armed = false;
    tcp_cc(tcb)->marked(&tcb->cc, memory_of(tcb, flight), &path, &loss);
}

void tcp_cc_timeout(struct tcb *tcb, struct tcb_flight *flight, bool first, weir_time now)
{
    const struct cc_path path = tcp_cc_path(tcb);
    const struct cc_loss loss = loss_of(tcb, flight, now);
    tcp_ecn_reduced(tcb);
    tcp_cc(tcb)->timeout(&tcb->cc, memory_of(tcb, flight), &path, &loss, first);
}

void tcp_cc_undo(struct tcb *tcb, struct tcb_flight *flight)
{
    const struct cc_path path = tcp_cc_path(tcb);
    tcp_cc(tcb)->undo(&tcb->cc, memory_of(tcb, flight), &path);
}

void tcp_cc_idle(struct tcb *tcb, weir_time idle)
{
    struct cc_memory none = { { { 0 } } };
    struct tcb_flight *flight = tcb_flight(tcb);
    void *memory = &none;
    if (flight != NULL || tcp_cc(tcb)->traits & CC_KEEPS)
        memory = memory_of(tcb, flight);
    const struct cc_path path = tcp_cc_path(tcb);
    if (tcb->host->config->slow_start_after_idle)
        tcp_cc(tcb)->idle(&tcb->cc, memory, &path, idle, tcb->rto);
    if (tcp_cc(tcb)->restart != NULL)
        tcp_cc(tcb)->restart(&tcb->cc, memory, &path, true, tcb->sent_at + idle);
}

void tcp_cc_validate(struct tcb *tcb, bool full, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    if (full || flight->cwnd_full_at == WEIR_NEVER) { /* full, or the flight has just begun */
        flight->cwnd_full_at = now;
        flight->cwnd_used = 0;
        return;
    }
    const uint32_t pipe = sb_pipe_of(tcb, flight);
    flight->cwnd_used = cc_at_least(flight->cwnd_used, pipe);
    if (now - flight->cwnd_full_at < tcb->rto || tcb->recovery != TCP_OPEN || tcp_cc_own(tcb) ||
        !tcb->host->config->slow_start_after_idle)
        return;
    const uint32_t used = cc_at_least(flight->cwnd_used, cc_initial_window(tcb->mss));
    if (used < tcb->cc.cwnd) {
        if (tcb->cc.ssthresh != UINT32_MAX)
            tcb->cc.ssthresh = cc_at_least(tcb->cc.ssthresh, tcb->cc.cwnd - tcb->cc.cwnd / 4);
        tcb->cc.cwnd -= (tcb->cc.cwnd - used) / 2;
    }
    flight->cwnd_full_at = now;
    flight->cwnd_used = 0;
}

/* ---- Pacing ---- */

bool tcp_paced(const struct tcb *tcb)
{
    return (tcp_cc(tcb)->traits & CC_PACED) || tcb->host->config->pacing || tcb->pacing_max != 0;
}

static uint64_t rate_of(const struct tcb *tcb)
{
    const struct cc_ops *ops = tcp_cc(tcb);
    if (ops->pacing != NULL)
        return ops->pacing(&tcb->cc, memory_of(tcb, NULL));
    const uint64_t percent =
        tcb->cc.cwnd < tcb->cc.ssthresh / 2 ? PACING_SS_PERCENT : PACING_CA_PERCENT;
    const uint64_t rtt = tcb->srtt > 0 ? (uint64_t)tcb->srtt : (uint64_t)WEIR_MS;
    return muldiv64(tcb->cc.cwnd * percent / 100, (uint64_t)WEIR_SECOND, rtt);
}

uint64_t tcp_pacing_rate(const struct tcb *tcb)
{
    uint64_t rate = rate_of(tcb);
    if (tcb->pacing_max != 0 && rate > tcb->pacing_max)
        rate = tcb->pacing_max;
    return rate < PACING_RATE_MIN ? PACING_RATE_MIN : rate;
}

uint32_t tcp_pacing_quantum(const struct tcb *tcb)
{
    const uint64_t octets = tcp_pacing_rate(tcb) / PACING_QUANTUM_DIV;
    const uint64_t whole = octets / tcb->mss * tcb->mss;
    if (whole < 2u * tcb->mss)
        return 2u * tcb->mss;
    return whole < CC_WINDOW_MAX ? (uint32_t)whole : CC_WINDOW_MAX;
}

void tcp_pacing_left(struct tcb *tcb, uint32_t octets, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (octets == 0 || flight == NULL || !tcp_paced(tcb))
        return;
    const uint64_t rate = tcp_pacing_rate(tcb);
    /* The schedule holds although a timer comes a little late: else the rate would be too low by
     * as much. After a pause there is nothing to make up for. */
    const bool on_time = flight->pace_next != WEIR_NEVER && now >= flight->pace_next &&
                         now - flight->pace_next <= PACING_LATE_MAX;
    const weir_time from = on_time ? flight->pace_next : now;
    flight->pace_next = from + (weir_time)muldiv64(octets, (uint64_t)WEIR_SECOND, rate);
    tcb->pace_at = flight->pace_next;
    tcb->paced_hold = tcb->pace_at > now;
    if (!tcb->paced_hold)
        tcb->pace_at = WEIR_NEVER;
}
