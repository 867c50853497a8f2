/* SPDX-License-Identifier: MIT */
/* What is lost, told by time (RFC 8985, 6): a segment is, when one that left later was delivered
 * and the time is up in which reordering could explain that.
 *
 * First transmissions are in the order of the sent map, retransmissions in that of the log, so that
 * two pointers, lost_edge and the log's oldest entry, are all that an ACK has to look at. */
#include "tcp/runs.h"
#include "tcp/tcp.h"

#define REO_PERSIST 16 /* recoveries without a DSACK until the reordering window is small again */

bool rack_on(const struct tcb *tcb)
{
    return tcb->sack_ok && (tcb->host->config->rack & WEIR_RACK_ON);
}

/* RFC 8985, 6.2, step 4: RACK_update_reo_wnd, what it returns. While no reordering was ever seen,
 * three segments above a hole are proof enough, as they have always been. */
weir_time rack_reo_wnd(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (!tcb->reo_seen) {
        if (tcb->recovery != TCP_OPEN)
            return 0;
        if (flight != NULL && flight->sacked_segs >= TCP_DUPTHRESH &&
            !(tcb->host->config->rack & WEIR_RACK_NO_DUPTHRESH))
            return 0;
    }
    const weir_time wnd = tcp_rtt_min(tcb) / 4 * (tcb->reo_mult > 0 ? tcb->reo_mult : 1);
    return wnd < tcb->srtt ? wnd : tcb->srtt;
}

static void widen(struct tcb *tcb, struct tcb_flight *flight)
{
    if ((tcb->host->config->rack & WEIR_RACK_STATIC) ||
        seq_lt(tcb->snd.una, flight->rack.dsack_round))
        return;
    flight->rack.dsack_round = tcb->snd.nxt;
    if (tcb->reo_mult == 0)
        tcb->reo_mult = 1;
    if (tcb->reo_mult < UINT8_MAX)
        tcb->reo_mult++;
    tcb->reo_persist = REO_PERSIST;
}

/* What was taken for lost and sent again was late. That is reordering, which step 3 cannot see
 * since it does not look at what was sent again; and if some was allowed for, it was not enough. */
void rack_was_wrong(struct tcb *tcb, struct tcb_flight *flight)
{
    if (tcb->reo_seen)
        widen(tcb, flight);
    tcb->reo_seen = true;
}

/* RFC 8985, 6.2, step 4: a DSACK widens the window: what we sent again had not been lost. A probe's
 * DSACK says nothing of the kind, nor one that is more than all we ever sent again, nor one before
 * reordering was seen at all. */
static bool dsack_counts(const struct tcb *tcb, const struct tcb_flight *flight,
                         const struct sb_acked *acked)
{
    return acked->dsack && tcb->reo_seen && tcb->dsack_count <= tcb->segs_rtx &&
           !tlp_explains(flight, acked);
}

void rack_recovered(struct tcb *tcb)
{
    if (tcb->reo_persist > 0 && --tcb->reo_persist == 0)
        tcb->reo_mult = 0;
}

void rack_ack(struct tcb *tcb, struct tcb_flight *flight, const struct sb_acked *acked)
{
    if (acked->reordered)
        tcb->reo_seen = true;
    if (dsack_counts(tcb, flight, acked))
        widen(tcb, flight);
    if (acked->rack_at == WEIR_NEVER)
        return;
    struct rack *rack = &flight->rack;
    const weir_time rtt = acked->when - acked->rack_at;
    const bool newer = rack->rtt < 0 || tcp_sent_after(acked->rack_at, acked->rack_end,
                                                       rack->xmit_ts, rack->end_seq);
    rack->rtt = rtt > 0 ? rtt : 0;
    if (!newer)
        return;
    rack->xmit_ts = acked->rack_at;
    rack->end_seq = acked->rack_end;
}

/* Segments of a record that were sent once only, and before the one that was delivered. */
static uint64_t suspects(const struct tcb_flight *flight, const struct sent *r)
{
    uint64_t mask = run_all(r);
    if (r->at == flight->rack.xmit_ts)
        mask = run_bits(0, run_below(r, flight->rack.end_seq));
    return mask & ~r->sacked & ~r->lost & ~r->ever & ~run_bits(0, run_below(r, flight->lost_edge));
}

/* First transmissions, from the left. */
static uint32_t find_first(struct tcb *tcb, struct tcb_flight *flight, weir_time wait,
                           weir_time now)
{
    const struct rack *rack = &flight->rack;
    const struct sent_memory *memory = &tcb->host->sent;
    const uint32_t count = sent_count(&flight->map);
    uint32_t octets = 0;
    if (seq_geq(flight->lost_edge, tcb->snd.nxt))
        return 0;
    for (uint32_t i = sent_find(&flight->map, memory, flight->lost_edge); i < count; i++) {
        struct sent *r = sent_at(&flight->map, memory, i);
        if (r->at > rack->xmit_ts || (r->at == rack->xmit_ts && seq_geq(r->seq, rack->end_seq)))
            break;
        const uint64_t mask = suspects(flight, r);
        if (mask != 0 && r->at + wait > now) {
            flight->lost_edge = seq_max(flight->lost_edge, r->seq + run_lowest(mask) * r->mss);
            flight->rack.due_at = r->at + wait;
            break;
        }
        octets += sb_mark_lost(tcb, flight, r, mask);
        seq32 edge = r->seq + r->len;
        if (r->at == rack->xmit_ts)
            edge = seq_min(edge, r->seq + run_below(r, rack->end_seq) * r->mss);
        flight->lost_edge = seq_max(flight->lost_edge, edge);
    }
    return octets;
}

/* What of an entry is still on its way. */
static uint64_t on_its_way(const struct sent *r, const struct rtx_entry *e)
{
    const uint32_t from = (e->seq - r->seq) / r->mss;
    return r->rtx & run_bits(from, run_below(r, e->seq + e->len));
}

/* A clock too coarse to see a round trip cannot tell which of two left first, either: then only a
 * later tick counts. */
static bool left_before(const struct tcb_flight *flight, const struct rtx_entry *e, weir_time wait)
{
    const struct rack *rack = &flight->rack;
    if (wait == 0)
        return rack->xmit_ts > e->at;
    return tcp_sent_after(rack->xmit_ts, rack->end_seq, e->at, e->seq + e->len);
}

/* Retransmissions, from the oldest: what was sent again and lost again needs no timeout. */
static uint32_t find_again(struct tcb *tcb, struct tcb_flight *flight, weir_time wait,
                           weir_time now)
{
    const struct sent_memory *memory = &tcb->host->sent;
    uint32_t octets = 0;
    while (flight->log.count > 0) {
        const struct rtx_entry *e = rtx_log_at(&flight->log, memory, 0);
        struct sent *r = NULL;
        uint64_t mask = 0;
        if (seq_gt(e->seq + e->len, tcb->snd.una)) {
            r = sb_record(tcb, flight, seq_max(e->seq, tcb->snd.una));
            mask = on_its_way(r, e) & ~run_bits(0, run_below(r, tcb->snd.una));
        }
        if (mask != 0) {
            if (!left_before(flight, e, wait))
                break;
            if (e->at + wait > now) {
                if (e->at + wait < flight->rack.due_at)
                    flight->rack.due_at = e->at + wait;
                break;
            }
            octets += sb_lost_again(tcb, flight, r, mask);
        }
        rtx_log_pop(&flight->log, memory);
    }
    return octets;
}

uint32_t rack_find_lost(struct tcb *tcb, struct tcb_flight *flight, weir_time now)
{
    flight->rack.due_at = WEIR_NEVER;
    if (flight->rack.rtt < 0 || sent_count(&flight->map) == 0)
        return 0;
    const weir_time wait = flight->rack.rtt + rack_reo_wnd(tcb);
    /* ... nor say that time has passed: then there must be three above the hole. */
    if (wait == 0 && tcb->recovery == TCP_OPEN && flight->sacked_segs < TCP_DUPTHRESH)
        return 0;
    const uint32_t first = find_first(tcb, flight, wait, now);
    return first + find_again(tcb, flight, wait, now);
}

/* What of a record contradicts lost_edge and rtx_next. */
static void check_record(const struct tcb *tcb, const struct tcb_flight *flight,
                         const struct sent *r)
{
    const uint64_t above = ~run_bits(0, run_below(r, tcb->snd.una));
    const uint64_t all = run_all(r) & above;
    const uint64_t unjudged = all & ~r->sacked & ~r->lost & ~r->ever;
    WEIR_ASSERT((unjudged & run_bits(0, run_below(r, flight->lost_edge))) == 0);
    const uint64_t waits = all & r->lost & ~r->rtx;
    WEIR_ASSERT((waits & run_bits(0, run_below(r, flight->rtx_next))) == 0);
}

/* Entries are in the order of time, each within a record and, if something of it is on its way,
 * within what is in flight. */
static void check_log(const struct tcb *tcb, const struct tcb_flight *flight)
{
    weir_time before = 0;
    for (uint32_t i = 0; i < flight->log.count; i++) {
        const struct rtx_entry *e = rtx_log_at(&flight->log, &tcb->host->sent, i);
        WEIR_ASSERT(e->at >= before && e->len > 0);
        before = e->at;
        if (seq_leq(e->seq + e->len, tcb->snd.una))
            continue;
        const struct sent *r = sb_record(tcb, flight, seq_max(e->seq, tcb->snd.una));
        WEIR_ASSERT(seq_leq(r->seq, e->seq) && seq_leq(e->seq + e->len, r->seq + r->len));
    }
}

void rack_check(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || tcb->state == WEIR_CLOSED)
        return;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = 0; i < count; i++)
        check_record(tcb, flight, sent_at(&flight->map, &tcb->host->sent, i));
    if (count > 0)
        check_log(tcb, flight);
    WEIR_ASSERT(flight->frto == FRTO_OFF || tcb->recovery == TCP_LOSS);
    if (tcb->rtx_kind == TCP_RTX_TLP)
        WEIR_ASSERT(tcb->recovery == TCP_OPEN && flight->sacked == 0 && !flight->tlp.active);
    if (tcb->rtx_kind == TCP_RTX_REORDER)
        WEIR_ASSERT(rack_on(tcb) && flight->rack.rtt >= 0);
}
