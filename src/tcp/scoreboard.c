/* SPDX-License-Identifier: MIT */
/* Which octets are in flight, sacked, lost or retransmitted (RFC 6675), over the sent map. It never
 * says how many may be sent: that is congestion control's word.
 *
 * `sacked`, `lost` and `rtx` of the flight block are the octets above SND.UNA whose segments have
 * the bit; a verify build counts them again. */
#include "tcp/tcp.h"

void sb_init(struct tcb_flight *flight, const struct tcb *tcb)
{
    flight->sacked = flight->lost = flight->rtx = flight->reno_sacked = 0;
    flight->high_sacked = flight->lost_edge = flight->rtx_next = flight->recovery_point =
        tcb->snd.una;
    flight->delivered = 0;
    flight->dupacks = 0;
    flight->rescue_done = 0;
}

static struct sent *at(const struct tcb *tcb, const struct tcb_flight *flight, uint32_t i)
{
    return sent_at(&flight->map, &tcb->host->sent, i);
}

/* The octets of segment k of a record, less what lies below SND.UNA. */
static uint32_t segment_octets(const struct sent *r, uint32_t k, seq32 una)
{
    seq32 start = r->seq + k * r->mss;
    seq32 end = start + r->mss;
    if (seq_gt(end, r->seq + r->len))
        end = r->seq + r->len;
    if (seq_lt(start, una))
        start = una;
    return seq_lt(start, end) ? end - start : 0;
}

/* Octets above `una` of the segments whose bits are in `mask`. */
static uint32_t mask_octets(const struct sent *r, uint64_t mask, seq32 una)
{
    uint32_t octets = 0;
    for (uint32_t k = 0; mask != 0; k++, mask >>= 1)
        if (mask & 1)
            octets += segment_octets(r, k, una);
    return octets;
}

/* Bits of the segments [from, to). */
static uint64_t bits(uint32_t from, uint32_t to)
{
    if (from >= to)
        return 0;
    const uint64_t below_to = to >= 64 ? UINT64_MAX : (UINT64_C(1) << to) - 1;
    return below_to & ~((UINT64_C(1) << from) - 1);
}

static uint64_t all_bits(const struct sent *r)
{
    return bits(0, sent_segments(r));
}

/* Segments of `r` that lie wholly below `s`. */
static uint32_t segments_below(const struct sent *r, seq32 s)
{
    if (seq_leq(s, r->seq))
        return 0;
    if (seq_geq(s, r->seq + r->len))
        return sent_segments(r);
    return (s - r->seq) / r->mss;
}

/* ---- Sending ---- */

static bool extends(const struct sent *r, const struct tcp_plan *plan, uint32_t len, uint16_t mss,
                    weir_time now)
{
    if (r->mss != mss || r->at != now || (r->flags & SENT_CLOSED) || r->seq + r->len != plan->seq)
        return false;
    return sent_segments(r) + (len + mss - 1) / mss <= SENT_RUN;
}

bool sb_sent(struct tcb *tcb, const struct tcp_plan *plan, weir_time now)
{
    struct tcb_flight *flight = tcb_flight_need(tcb);
    if (flight == NULL)
        return false;
    const uint32_t len = plan->len + ((plan->flags & TCP_FIN) ? 1u : 0u);
    const uint16_t mss = plan->gso_size != 0 ? plan->gso_size : tcb->mss;
    const uint32_t count = sent_count(&flight->map);
    struct sent *r = count > 0 ? at(tcb, flight, count - 1) : NULL;
    if (r != NULL && extends(r, plan, len, mss, now)) {
        r->len += len;
    } else {
        r = sent_push(&flight->map, &tcb->host->sent);
        if (r == NULL)
            return false;
        r->seq = plan->seq;
        r->len = len;
        r->at = now;
        r->mss = mss;
        r->delivered = flight->delivered;
        r->delivered_at = now;
    }
    if (r->len % mss != 0)
        r->flags |= SENT_CLOSED;
    if (count == 0)
        flight->high_sacked = flight->lost_edge = flight->rtx_next = plan->seq;
    return true;
}

void sb_retransmitted(struct tcb *tcb, seq32 seq, uint32_t len, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    struct sent *r = at(tcb, flight, sent_find(&flight->map, &tcb->host->sent, seq));
    const uint32_t from = (seq - r->seq) / r->mss;
    /* A segment longer than today's MSS goes out in pieces: only the last of them completes it. */
    const uint32_t to = segments_below(r, seq + len);
    const uint64_t fresh = bits(from, to) & ~r->rtx & ~r->sacked;
    const bool rescue = !(r->lost >> from & 1);
    flight->rtx += mask_octets(r, fresh, tcb->snd.una);
    r->rtx |= fresh;
    r->ever++;
    r->rtx_at = now;
    /* RFC 6675, 4, NextSeg (4): a rescue does not move HighRxt, or what is found lost below it
     * would wait for the timer. */
    if (rescue)
        flight->rescue_done = 1;
    else if (seq_lt(flight->rtx_next, seq + len))
        flight->rtx_next = seq + len;
}

/* ---- Acknowledgement ---- */

/* Takes what of the record lies in [una, ack) out of the sums. */
static void forget(struct tcb_flight *flight, const struct sent *r, seq32 una, seq32 ack)
{
    if ((r->sacked | r->lost | r->rtx) == 0)
        return;
    flight->sacked -= mask_octets(r, r->sacked, una) - mask_octets(r, r->sacked, ack);
    flight->lost -= mask_octets(r, r->lost, una) - mask_octets(r, r->lost, ack);
    flight->rtx -= mask_octets(r, r->rtx, una) - mask_octets(r, r->rtx, ack);
}

void sb_ack(struct tcb *tcb, seq32 ack, struct sb_acked *acked)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    const seq32 una = tcb->snd.una;
    acked->octets = ack - una;
    acked->rtt_at = WEIR_NEVER;
    if (flight == NULL)
        return;
    const uint32_t sacked_before = flight->sacked;
    while (sent_count(&flight->map) > 0) {
        const struct sent *r = at(tcb, flight, 0);
        if (seq_leq(ack, r->seq))
            break;
        forget(flight, r, una, ack);
        /* Karn: what was ever sent again says nothing about the round trip. */
        if (r->ever == 0)
            acked->rtt_at = r->at;
        else
            acked->rtt_at = WEIR_NEVER;
        if (seq_lt(ack, r->seq + r->len))
            break;
        sent_pop(&flight->map, &tcb->host->sent);
    }
    acked->octets -= sacked_before - flight->sacked;
    flight->delivered += acked->octets;
    flight->high_sacked = seq_max(flight->high_sacked, ack);
    flight->lost_edge = seq_max(flight->lost_edge, ack);
    flight->rtx_next = seq_max(flight->rtx_next, ack);
}

/* Marks the segments of one record that [left, right) covers wholly, what lies below SND.UNA aside.
 * Returns the octets that are new. */
static uint32_t sack_record(struct tcb *tcb, struct tcb_flight *flight, struct sent *r, seq32 left,
                            seq32 right, struct sb_acked *acked)
{
    const bool whole = seq_leq(left, tcb->snd.una) || seq_leq(left, r->seq);
    const uint32_t from = whole ? 0 : (left - r->seq + r->mss - 1) / r->mss;
    const uint32_t to = segments_below(r, right);
    const uint64_t fresh = bits(from, to) & ~r->sacked;
    if (fresh == 0)
        return 0;
    const uint32_t octets = mask_octets(r, fresh, tcb->snd.una);
    flight->lost -= mask_octets(r, fresh & r->lost, tcb->snd.una);
    flight->rtx -= mask_octets(r, fresh & r->rtx, tcb->snd.una);
    flight->sacked += octets;
    if (r->ever == 0)
        acked->rtt_at = r->at;
    r->sacked |= fresh;
    r->lost &= ~fresh;
    r->rtx &= ~fresh;
    return octets;
}

static uint32_t sack_block(struct tcb *tcb, struct tcb_flight *flight, seq32 left, seq32 right,
                           struct sb_acked *acked)
{
    uint32_t octets = 0;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, left); i < count; i++) {
        struct sent *r = at(tcb, flight, i);
        if (seq_leq(right, r->seq))
            break;
        octets += sack_record(tcb, flight, r, left, right, acked);
    }
    return octets;
}

/* RFC 2018, and what attacks.md T-43 lists: a block that is empty, turned round, below SND.UNA or
 * beyond SND.NXT is not looked at. */
uint32_t sb_sack(struct tcb *tcb, const struct tcp_opts *opts, seq32 ack, struct sb_acked *acked)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || sent_count(&flight->map) == 0 || !(opts->present & TCP_OPT_SACK))
        return 0;
    uint32_t octets = 0;
    for (unsigned i = 0; i < opts->sack_count; i++) {
        const seq32 left = opts->sack[i].left;
        const seq32 right = opts->sack[i].right;
        if (!seq_lt(left, right) || seq_lt(left, tcb->snd.una) || seq_gt(right, tcb->snd.nxt) ||
            seq_lt(left, ack)) {
            if (i == 0 && seq_leq(right, ack))
                tcp_trace(tcb)->count.dsack_in++; /* RFC 2883 */
            continue;
        }
        octets += sack_block(tcb, flight, left, right, acked);
        if (octets > 0)
            flight->high_sacked = seq_max(flight->high_sacked, right);
    }
    flight->delivered += octets;
    return octets;
}

/* ---- Loss ---- */

static void mark_lost(const struct tcb *tcb, struct tcb_flight *flight, struct sent *r,
                      uint64_t mask)
{
    mask &= all_bits(r) & ~r->sacked & ~r->lost;
    flight->lost += mask_octets(r, mask, tcb->snd.una);
    r->lost |= mask;
}

/* The sequence number below which everything not sacked is lost: more than (DupThresh - 1) x SMSS
 * octets above it are sacked, or DupThresh separate runs (RFC 6675, 4, IsLost). Walks down from the
 * highest sacked octet and stops as soon as it knows. */
static seq32 find_lost_edge(const struct tcb *tcb, const struct tcb_flight *flight)
{
    uint32_t octets = 0;
    unsigned runs = 0;
    bool in_run = false;
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, flight->high_sacked - 1) + 1; i > 0;
         i--) {
        const struct sent *r = at(tcb, flight, i - 1);
        if (seq_leq(r->seq + r->len, flight->lost_edge))
            break;
        if (r->sacked == 0) {
            in_run = false;
            continue;
        }
        for (uint32_t k = sent_segments(r); k > 0; k--) {
            const bool sacked = (r->sacked >> (k - 1)) & 1;
            if (sacked && !in_run)
                runs++;
            in_run = sacked;
            if (!sacked)
                continue;
            octets += segment_octets(r, k - 1, tcb->snd.una);
            if (octets > (TCP_DUPTHRESH - 1) * (uint32_t)tcb->mss || runs >= TCP_DUPTHRESH)
                return r->seq + (k - 1) * r->mss;
        }
    }
    return flight->lost_edge;
}

void sb_find_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->sacked == 0 || sent_count(&flight->map) == 0)
        return;
    const seq32 edge = find_lost_edge(tcb, flight);
    if (seq_leq(edge, flight->lost_edge))
        return;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, flight->lost_edge); i < count;
         i++) {
        struct sent *r = at(tcb, flight, i);
        if (seq_leq(edge, r->seq))
            break;
        mark_lost(tcb, flight, r, bits(0, segments_below(r, edge)));
    }
    flight->lost_edge = edge;
}

void sb_first_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || sent_count(&flight->map) == 0)
        return;
    struct sent *r = at(tcb, flight, 0);
    const uint32_t k = segments_below(r, tcb->snd.una);
    mark_lost(tcb, flight, r, bits(k, k + 1));
    flight->rtx_next = tcb->snd.una;
}

void sb_all_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    /* A peer that sacked the very first octet and still does not acknowledge it has thrown it away
     * (RFC 2018, 8). */
    const bool reneged =
        count > 0 &&
        (at(tcb, flight, 0)->sacked >> segments_below(at(tcb, flight, 0), tcb->snd.una)) & 1;
    flight->lost = flight->rtx = flight->sacked = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sent *r = at(tcb, flight, i);
        if (reneged)
            r->sacked = 0;
        r->rtx = 0;
        r->lost = all_bits(r) & ~r->sacked;
        flight->lost += mask_octets(r, r->lost, tcb->snd.una);
        flight->sacked += mask_octets(r, r->sacked, tcb->snd.una);
    }
    if (reneged)
        flight->high_sacked = tcb->snd.una;
    flight->reno_sacked = 0;
    flight->rtx_next = tcb->snd.una;
    flight->lost_edge = tcb->snd.nxt;
}

void sb_too_long_lost(struct tcb *tcb, uint32_t mss)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = 0; i < count; i++) {
        struct sent *r = at(tcb, flight, i);
        if (r->mss <= mss || r->len <= mss)
            continue;
        flight->rtx -= mask_octets(r, r->rtx, tcb->snd.una);
        r->rtx = 0;
        mark_lost(tcb, flight, r, UINT64_MAX);
        r->ever++; /* its round trip says nothing any more */
    }
    flight->rtx_next = tcb->snd.una;
}

/* ---- What may be sent again ---- */

uint32_t sb_pipe(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    const uint32_t outstanding = tcp_outstanding(tcb);
    if (flight == NULL || !tcp_syn_acked(tcb))
        return outstanding;
    const uint32_t gone = flight->sacked + flight->lost + flight->reno_sacked;
    const uint32_t left = outstanding > gone ? outstanding - gone : 0;
    return left + flight->rtx;
}

/* The run of segments from `k` on whose bits are in `mask`, in octets from `from` up. */
static void run_from(const struct sent *r, uint32_t k, uint64_t mask, seq32 from, seq32 *seq,
                     uint32_t *len)
{
    uint32_t to = k;
    while (to < 64 && ((mask >> to) & 1))
        to++;
    seq32 start = r->seq + k * r->mss;
    seq32 end = r->seq + to * r->mss;
    if (seq_gt(end, r->seq + r->len))
        end = r->seq + r->len;
    *seq = start = seq_max(start, from);
    *len = end - start;
}

bool sb_next_rtx(const struct tcb *tcb, seq32 *seq, uint32_t *len)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->lost == 0 || sent_count(&flight->map) == 0 ||
        seq_geq(flight->rtx_next, tcb->snd.nxt))
        return false;
    const seq32 from = seq_max(flight->rtx_next, tcb->snd.una);
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, from); i < count; i++) {
        const struct sent *r = at(tcb, flight, i);
        const uint64_t waits = r->lost & ~r->rtx & ~bits(0, segments_below(r, from));
        if (waits == 0)
            continue;
        uint32_t k = 0;
        while (!((waits >> k) & 1))
            k++;
        run_from(r, k, waits, from, seq, len);
        return true;
    }
    return false;
}

/* RFC 6675, 4, NextSeg (4): once an episode, the highest segment not sacked, so that a lost tail
 * brings an ACK. */
bool sb_rescue(const struct tcb *tcb, seq32 *seq, uint32_t *len)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->rescue_done || sent_count(&flight->map) == 0)
        return false;
    const struct sent *r = at(tcb, flight, sent_count(&flight->map) - 1);
    const uint32_t k = sent_segments(r) - 1;
    if ((r->sacked >> k) & 1 || (r->rtx >> k) & 1)
        return false;
    run_from(r, k, UINT64_C(1) << k, tcb->snd.una, seq, len);
    return true;
}

void sb_check(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    uint32_t sacked = 0, lost = 0, rtx = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct sent *r = at(tcb, flight, i);
        WEIR_ASSERT(r->len > 0 && sent_segments(r) <= SENT_RUN);
        WEIR_ASSERT((r->sacked & r->lost) == 0);
        if (i == 0)
            WEIR_ASSERT(seq_leq(r->seq, tcb->snd.una) && seq_lt(tcb->snd.una, r->seq + r->len));
        else
            WEIR_ASSERT(r->seq == at(tcb, flight, i - 1)->seq + at(tcb, flight, i - 1)->len);
        if (i == count - 1)
            WEIR_ASSERT(r->seq + r->len == tcb->snd.nxt);
        sacked += mask_octets(r, r->sacked, tcb->snd.una);
        lost += mask_octets(r, r->lost, tcb->snd.una);
        rtx += mask_octets(r, r->rtx, tcb->snd.una);
    }
    WEIR_ASSERT(sacked == flight->sacked && lost == flight->lost && rtx == flight->rtx);
    if (tcp_syn_acked(tcb) && tcb->state != WEIR_CLOSED)
        WEIR_ASSERT((count > 0) == (tcp_outstanding(tcb) > 0));
}
