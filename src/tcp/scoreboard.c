/* SPDX-License-Identifier: MIT */
/* Which octets are in flight, sacked, lost or retransmitted (RFC 6675), over the sent map. It never
 * says how many may be sent: that is congestion control's word. What is lost is found here by
 * counting (RFC 6675), for hosts that want no RACK, and in rack.c by time.
 *
 * `sacked`, `lost` and `rtx` of the flight block are the octets above SND.UNA whose segments have
 * the bit; a verify build counts them again. */
#include "tcp/runs.h"
#include "tcp/tcp.h"

void sb_init(struct tcb_flight *flight, const struct tcb *tcb)
{
    flight->sacked = flight->lost = flight->rtx = flight->reno_sacked = 0;
    flight->sacked_segs = 0;
    flight->rack = (struct rack){ .rtt = -1, .due_at = WEIR_NEVER, .dsack_round = tcb->snd.una };
    flight->prr = (struct prr){ 0 };
    flight->undo = (struct undo){ 0 };
    flight->tlp = (struct tlp){ 0 };
    flight->frto = FRTO_OFF;
    flight->rto_at = flight->pto_at = WEIR_NEVER;
    rtx_log_init(&flight->log);
    flight->high_sacked = flight->lost_edge = flight->rtx_next = flight->recovery_point =
        tcb->snd.una;
    flight->dupacks = 0;
    flight->rescue_done = 0;
    flight->used_full = false;
    flight->used_until = tcb->snd.una;
    flight->used_most = 0;
}

static struct sent *at(const struct tcb *tcb, const struct tcb_flight *flight, uint32_t i)
{
    return sent_at(&flight->map, &tcb->host->sent, i);
}

struct sent *sb_record(const struct tcb *tcb, const struct tcb_flight *flight, seq32 s)
{
    return at(tcb, flight, sent_find(&flight->map, &tcb->host->sent, s));
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
    /* A probe of the path is one segment, longer than others. */
    const uint32_t one = plan->len > tcb->mss ? plan->len : tcb->mss;
    const uint16_t mss = plan->gso_size != 0 ? plan->gso_size : (uint16_t)one;
    const uint32_t count = sent_count(&flight->map);
    struct sent *r = count > 0 ? at(tcb, flight, count - 1) : NULL;
    if (r != NULL && extends(r, plan, len, mss, now)) {
        r->len += len;
    } else {
        r = sent_push(&flight->map, &tcb->host->sent);
        if (r == NULL)
            return false;
        const uint32_t frame = tcp_frame_max(tcb);
        r->seq = plan->seq;
        r->len = len;
        r->at = now;
        r->mss = mss;
        r->flags = (uint16_t)(SENT_FRAME * (frame < UINT8_MAX ? frame : UINT8_MAX));
        rate_sent(flight, r, now);
    }
    if (tcp_is_short(r->len, mss) || push_ends_record(tcb, plan->seq + plan->len))
        r->flags |= SENT_CLOSED;
    r->flags = (uint16_t)((r->flags & ~SENT_PUSH) | (plan->pushed ? SENT_PUSH : 0));
    if (count == 0)
        flight->high_sacked = flight->lost_edge = flight->rtx_next = plan->seq;
    return true;
}

/* What left at one time and lies side by side is one entry. */
static void log_retransmission(const struct tcb *tcb, struct tcb_flight *flight,
                               const struct sent *r, uint64_t fresh, weir_time now)
{
    if (fresh == 0 || !tcb->sack_ok)
        return;
    const seq32 start = r->seq + run_lowest(fresh) * r->mss;
    const seq32 end = run_end(r, run_highest(fresh));
    const struct sent_memory *memory = &tcb->host->sent;
    if (flight->log.count > 0) {
        struct rtx_entry *last = rtx_log_at(&flight->log, memory, flight->log.count - 1u);
        if (last->at == now && last->seq + last->len == start && seq_geq(last->seq, r->seq)) {
            last->len += end - start;
            return;
        }
    }
    if (!rtx_log_push(&flight->log, memory, (struct rtx_entry){ start, end - start, now }))
        tcp_trace(tcb)->count.rtx_unlogged++;
}

void sb_retransmitted(struct tcb *tcb, seq32 seq, uint32_t len, weir_time now)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL);
    struct sent *r = at(tcb, flight, sent_find(&flight->map, &tcb->host->sent, seq));
    const uint32_t from = (seq - r->seq) / r->mss;
    /* A segment longer than today's MSS goes out in pieces: only the last of them completes it. */
    const uint32_t to = run_below(r, seq + len);
    const uint64_t fresh = run_bits(from, to) & ~r->rtx & ~r->sacked;
    const bool rescue = !(r->lost >> from & 1);
    flight->rtx += run_octets(r, fresh, tcb->snd.una);
    r->rtx |= fresh;
    r->ever |= run_bits(from, to > from ? to : from + 1);
    log_retransmission(tcb, flight, r, fresh, now);
    /* RFC 6675, 4, NextSeg (4): a rescue does not move HighRxt, or what is found lost below it
     * would wait for the timer. */
    if (rescue)
        flight->rescue_done = 1;
    else if (seq_lt(flight->rtx_next, seq + len))
        flight->rtx_next = seq + len;
}

/* ---- Acknowledgement ---- */

/* RFC 8985, 6.2, step 2: a segment that left last at `xmit_ts` was delivered. */
static void newest(struct sb_acked *acked, weir_time xmit_ts, seq32 end)
{
    if (acked->rack_at != WEIR_NEVER &&
        !tcp_sent_after(xmit_ts, end, acked->rack_at, acked->rack_end))
        return;
    acked->rack_at = xmit_ts;
    acked->rack_end = end;
}

/* The newest retransmission of any segment of `again` was delivered, unless the ACK cannot be for
 * it: its timestamp echo is older, or the round trip would be shorter than any (RFC 8985, 6.2).
 *
 * DEVIATION: the echo is not asked of what is sacked only. A receiver echoes the segment that last
 * moved its left edge (RFC 7323, 4.3), so beyond a hole the echo is older than anything. */
WEIR_COLD static void newest_again(const struct tcb *tcb, const struct tcb_flight *flight,
                                   const struct sent *r, uint64_t again, struct sb_acked *acked)
{
    const seq32 start = r->seq + run_lowest(again) * r->mss;
    const seq32 end = run_end(r, run_highest(again));
    for (uint32_t i = flight->log.count; i > 0; i--) {
        const struct rtx_entry *e = rtx_log_at(&flight->log, &tcb->host->sent, i - 1);
        if (seq_leq(end, e->seq) || seq_leq(e->seq + e->len, start))
            continue;
        const uint32_t sent_ts = tcp_ms(tcb->host, e->at) + tcb->ts_offset;
        if (acked->echo && acked->at_edge && seq_lt(acked->tsecr, sent_ts))
            return;
        if (acked->when - e->at < tcp_rtt_min(tcb))
            return;
        newest(acked, e->at, seq_min(end, e->seq + e->len));
        return;
    }
}

/* The segments `fresh` of a record were delivered. */
static void delivered(const struct tcb *tcb, const struct tcb_flight *flight, const struct sent *r,
                      uint64_t fresh, struct sb_acked *acked)
{
    rate_seen(&acked->newest, r);
    acked->segments += run_count(fresh);
    const uint64_t once = fresh & ~r->ever;
    if (once != 0) {
        const uint32_t first = run_lowest(once);
        const seq32 start = r->seq + first * r->mss, lowest = run_end(r, first);
        newest(acked, r->at, run_end(r, run_highest(once)));
        /* RFC 8985, 6.2, step 3: something that left later came before it. */
        acked->reordered |= seq_lt(lowest, acked->fack);
        if (seq_lt(start, acked->fack) && (!acked->late || seq_lt(start, acked->late_low)))
            acked->late_low = start;
        acked->late |= seq_lt(start, acked->fack);
        acked->original |= seq_leq(lowest, flight->recovery_point);
    }
    if (fresh & r->rtx)
        newest_again(tcb, flight, r, fresh & r->rtx, acked);
}

/* Takes what of the record lies in [una, ack) out of the sums, and notes what it says of the way.
 */
static void take(const struct tcb *tcb, struct tcb_flight *flight, const struct sent *r, seq32 ack,
                 struct sb_acked *acked)
{
    const seq32 una = tcb->snd.una;
    const uint64_t gone = run_bits(run_below(r, una), run_below(r, ack));
    const uint64_t fresh = gone & ~r->sacked;
    if (fresh != 0)
        delivered(tcb, flight, r, fresh, acked);
    if ((r->sacked | r->lost | r->rtx) == 0)
        return;
    flight->sacked_segs -= run_count(gone & r->sacked);
    flight->sacked -= run_octets(r, r->sacked, una) - run_octets(r, r->sacked, ack);
    flight->lost -= run_octets(r, r->lost, una) - run_octets(r, r->lost, ack);
    flight->rtx -= run_octets(r, r->rtx, una) - run_octets(r, r->rtx, ack);
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
    acked->at_edge = true;
    while (sent_count(&flight->map) > 0) {
        const struct sent *r = at(tcb, flight, 0);
        if (seq_leq(ack, r->seq))
            break;
        take(tcb, flight, r, ack, acked);
        /* Karn: what was ever sent again says nothing about the round trip. */
        if (r->ever == 0)
            acked->rtt_at = r->at;
        else
            acked->rtt_at = WEIR_NEVER;
        if (seq_lt(ack, r->seq + r->len))
            break;
        sent_pop(&flight->map, &tcb->host->sent);
    }
    acked->at_edge = false;
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
    const seq32 una = tcb->snd.una;
    const bool whole = seq_leq(left, una) || seq_leq(left, r->seq);
    const uint32_t from = whole ? run_below(r, una) : (left - r->seq + r->mss - 1) / r->mss;
    const uint64_t fresh = run_bits(from, run_below(r, right)) & ~r->sacked;
    if (fresh == 0)
        return 0;
    const uint32_t octets = run_octets(r, fresh, una);
    delivered(tcb, flight, r, fresh, acked);
    flight->lost -= run_octets(r, fresh & r->lost, una);
    flight->rtx -= run_octets(r, fresh & r->rtx, una);
    flight->sacked += octets;
    flight->sacked_segs += run_count(fresh);
    if (r->ever == 0)
        acked->rtt_at = r->at;
    r->sacked |= fresh;
    r->lost &= ~fresh;
    r->rtx &= ~fresh;
    return octets;
}

/* The first record from the i-th on in which something may be left to sack.
 *
 * A peer may report the same octets again with every ACK, and an honest one does. What is sacked
 * whole stays so until a timeout, so such a record knows how far the next one lies that is not; and
 * since each step halves the way for the next walk, as in union-find, no choice of blocks makes
 * many steps of many ACKs (CVE-2019-11478 and its family). */
static uint32_t skip_sacked(const struct tcb *tcb, const struct tcb_flight *flight, uint32_t i)
{
    const uint32_t count = sent_count(&flight->map);
    while (i < count) {
        struct sent *r = at(tcb, flight, i);
        if (r->skip == 0)
            break;
        r->skip += at(tcb, flight, i + r->skip)->skip;
        i += r->skip;
    }
    return i;
}

static uint32_t sack_block(struct tcb *tcb, struct tcb_flight *flight, seq32 left, seq32 right,
                           struct sb_acked *acked)
{
    uint32_t octets = 0;
    const uint32_t count = sent_count(&flight->map);
    uint32_t i = skip_sacked(tcb, flight, sent_find(&flight->map, &tcb->host->sent, left));
    while (i < count) {
        struct sent *r = at(tcb, flight, i);
        if (seq_leq(right, r->seq))
            break;
        octets += sack_record(tcb, flight, r, left, right, acked);
        /* The last one may still grow. */
        if (r->sacked == run_all(r) && i + 1 < count)
            r->skip = 1;
        i = skip_sacked(tcb, flight, i + 1);
    }
    return octets;
}

/* RFC 2883, 4: the first block reports a duplicate if it lies below the ACK, or within the second.
 */
static bool is_dsack(const struct tcp_opts *opts, seq32 ack)
{
    const struct tcp_sack_block *first = &opts->sack[0], *second = &opts->sack[1];
    if (!seq_lt(first->left, first->right))
        return false;
    if (seq_leq(first->right, ack))
        return true;
    return opts->sack_count > 1 && seq_leq(second->left, first->left) &&
           seq_leq(first->right, second->right);
}

/* RFC 2018, and what attacks.md T-43 lists: a block that is empty, turned round, at or below
 * SND.UNA or beyond SND.NXT is not looked at. */
void sb_sack(struct tcb *tcb, const struct tcp_opts *opts, seq32 ack, struct sb_acked *acked)
{
    if (!(opts->present & TCP_OPT_SACK) || opts->sack_count == 0 || !tcb->sack_ok)
        return;
    if (is_dsack(opts, ack)) {
        acked->dsack = true;
        acked->dsack_block = opts->sack[0];
        tcp_trace(tcb)->count.dsack_in++;
    }
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || sent_count(&flight->map) == 0)
        return;
    for (unsigned i = 0; i < opts->sack_count; i++) {
        const seq32 left = opts->sack[i].left;
        const seq32 right = opts->sack[i].right;
        if (!seq_lt(left, right) || seq_lt(left, tcb->snd.una) || seq_gt(right, tcb->snd.nxt) ||
            seq_leq(left, ack))
            continue;
        const uint32_t octets = sack_block(tcb, flight, left, right, acked);
        if (octets > 0)
            flight->high_sacked = seq_max(flight->high_sacked, right);
        acked->sacked += octets;
    }
    flight->delivered += acked->sacked;
}

/* ---- Loss ---- */

uint32_t sb_mark_lost(const struct tcb *tcb, struct tcb_flight *flight, struct sent *r,
                      uint64_t mask)
{
    mask &= run_all(r) & ~r->sacked & ~r->lost & ~run_bits(0, run_below(r, tcb->snd.una));
    if (mask == 0)
        return 0;
    const uint32_t octets = run_octets(r, mask, tcb->snd.una);
    flight->lost += octets;
    flight->lost_ever += octets;
    r->lost |= mask;
    const seq32 start = r->seq + run_lowest(mask) * r->mss;
    if (seq_lt(start, flight->rtx_next))
        flight->rtx_next = seq_max(start, tcb->snd.una);
    return octets;
}

uint32_t sb_lost_again(const struct tcb *tcb, struct tcb_flight *flight, struct sent *r,
                       uint64_t mask)
{
    mask &= r->rtx;
    if (mask == 0)
        return 0;
    const uint32_t octets = run_octets(r, mask, tcb->snd.una);
    flight->rtx -= octets;
    r->rtx &= ~mask;
    sb_mark_lost(tcb, flight, r, mask); /* a probe was not lost before */
    const seq32 start = r->seq + run_lowest(mask) * r->mss;
    if (seq_lt(start, flight->rtx_next))
        flight->rtx_next = seq_max(start, tcb->snd.una);
    return octets;
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
            octets += run_octets(r, UINT64_C(1) << (k - 1), tcb->snd.una);
            if (octets > (TCP_DUPTHRESH - 1) * (uint32_t)tcb->mss || runs >= TCP_DUPTHRESH)
                return r->seq + (k - 1) * r->mss;
        }
    }
    return flight->lost_edge;
}

uint32_t sb_find_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->sacked == 0 || sent_count(&flight->map) == 0)
        return 0;
    const seq32 edge = find_lost_edge(tcb, flight);
    if (seq_leq(edge, flight->lost_edge))
        return 0;
    uint32_t octets = 0;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, flight->lost_edge); i < count;
         i++) {
        struct sent *r = at(tcb, flight, i);
        if (seq_leq(edge, r->seq))
            break;
        octets += sb_mark_lost(tcb, flight, r, run_bits(0, run_below(r, edge)));
    }
    flight->lost_edge = edge;
    return octets;
}

void sb_first_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || sent_count(&flight->map) == 0)
        return;
    struct sent *r = at(tcb, flight, 0);
    const uint32_t k = run_below(r, tcb->snd.una);
    sb_mark_lost(tcb, flight, r, run_bits(k, k + 1));
    flight->rtx_next = tcb->snd.una;
}

bool sb_reneged(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->sacked == 0 || sent_count(&flight->map) == 0)
        return false;
    const struct sent *r = at(tcb, flight, 0);
    return r->sacked >> run_below(r, tcb->snd.una) & 1;
}

/* Segments of a record that left so lately that their ACK may still come (RFC 8985, 6.3). */
static uint64_t young(const struct tcb *tcb, const struct sent *r, bool first, weir_time left_by)
{
    if (r->at <= left_by)
        return 0;
    const uint32_t k = first ? run_below(r, tcb->snd.una) + 1 : 0;
    return run_all(r) & ~r->ever & ~r->lost & ~run_bits(0, k);
}

void sb_all_lost(struct tcb *tcb, weir_time left_by)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    const bool reneged = sb_reneged(tcb);
    flight->lost = flight->rtx = flight->sacked = flight->sacked_segs = 0;
    flight->lost_edge = tcb->snd.nxt;
    for (uint32_t i = 0; i < count; i++) {
        struct sent *r = at(tcb, flight, i);
        if (reneged)
            r->sacked = r->skip = 0;
        const uint64_t stay = young(tcb, r, i == 0, left_by) & ~r->sacked;
        if (stay != 0)
            flight->lost_edge = seq_min(flight->lost_edge,
                                        seq_max(r->seq + run_lowest(stay) * r->mss, tcb->snd.una));
        const uint32_t below = run_below(r, tcb->snd.una);
        r->rtx = 0;
        r->lost = run_all(r) & ~r->sacked & ~stay;
        flight->lost += run_octets(r, r->lost, tcb->snd.una);
        flight->sacked += run_octets(r, r->sacked, tcb->snd.una);
        flight->sacked_segs += run_count(r->sacked & ~run_bits(0, below));
    }
    flight->lost_ever += flight->lost;
    if (reneged)
        flight->high_sacked = tcb->snd.una;
    flight->reno_sacked = 0;
    flight->rtx_next = tcb->snd.una;
    rtx_log_clear(&flight->log, &tcb->host->sent);
}

void sb_none_lost(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = 0; i < count; i++)
        at(tcb, flight, i)->lost = 0;
    flight->lost = 0;
    flight->lost_edge = tcb->snd.una;
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
        flight->rtx -= run_octets(r, r->rtx, tcb->snd.una);
        r->rtx = 0;
        sb_mark_lost(tcb, flight, r, UINT64_MAX);
        r->ever = UINT64_MAX; /* its round trip says nothing any more */
    }
    flight->rtx_next = tcb->snd.una;
    /* A probe of the tail that was due would go before what waits ahead of it, and hide it. */
    if (flight->lost > 0)
        flight->tlp.due = false;
    rtx_log_clear(&flight->log, &tcb->host->sent); /* it may name what waits to be sent again */
}

/* ---- What may be sent again ---- */

uint32_t sb_pipe(const struct tcb *tcb)
{
    return sb_pipe_of(tcb, tcb_flight(tcb));
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

/* What the search has passed it does not pass again: rtx_next moves with it. A peer could otherwise
 * have the whole map searched with every ACK, as long as something lost is on its way again. */
bool sb_next_rtx(const struct tcb *tcb, seq32 *seq, uint32_t *len)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->lost == 0 || sent_count(&flight->map) == 0 ||
        seq_geq(flight->rtx_next, tcb->snd.nxt))
        return false;
    const seq32 from = seq_max(flight->rtx_next, tcb->snd.una);
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = sent_find(&flight->map, &tcb->host->sent, from); i < count; i++) {
        const struct sent *r = at(tcb, flight, i);
        const uint64_t waits = r->lost & ~r->rtx & ~run_bits(0, run_below(r, from));
        if (waits == 0)
            continue;
        run_from(r, run_lowest(waits), waits, from, seq, len);
        flight->rtx_next = *seq;
        return true;
    }
    flight->rtx_next = tcb->snd.nxt;
    return false;
}

uint32_t sb_begun(const struct tcb *tcb, seq32 seq)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    const struct sent *r = at(tcb, flight, sent_find(&flight->map, &tcb->host->sent, seq));
    const seq32 start = r->seq + (seq - r->seq) / r->mss * r->mss;
    return seq - seq_max(start, tcb->snd.una);
}

bool sb_last(const struct tcb *tcb, seq32 *seq, uint32_t *len)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || sent_count(&flight->map) == 0)
        return false;
    const struct sent *r = at(tcb, flight, sent_count(&flight->map) - 1);
    const uint32_t k = sent_segments(r) - 1;
    if (r->sacked >> k & 1)
        return false;
    run_from(r, k, UINT64_C(1) << k, tcb->snd.una, seq, len);
    return true;
}

/* RFC 6675, 4, NextSeg (4): once an episode, the highest segment not sacked, so that a lost tail
 * brings an ACK. */
bool sb_rescue(const struct tcb *tcb, seq32 *seq, uint32_t *len)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->rescue_done || sent_count(&flight->map) == 0)
        return false;
    const struct sent *r = at(tcb, flight, sent_count(&flight->map) - 1);
    if ((r->rtx >> (sent_segments(r) - 1)) & 1)
        return false;
    return sb_last(tcb, seq, len);
}

/* Linux keeps what it gave to a device at once, and sends that again as far as it is lost. */
bool sb_push(const struct tcb *tcb, seq32 seq, uint32_t len, weir_time now)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    WEIR_ASSERT(flight != NULL && len <= tcp_outstanding(tcb));
    if (len == 0)
        return false;
    const struct sent *r = sb_record(tcb, flight, seq);
    const seq32 end = seq + len;
    if (end == seq_min(r->seq + r->len, tcb->snd.end) && (r->flags & SENT_PUSH))
        return true;
    const uint32_t k = (end - 1 - r->seq) / r->mss, frame = r->flags / SENT_FRAME;
    if (frame < 2 || k % frame == 0 || run_below(r, tcb->snd.una) >= k)
        return false;
    (void)now;
    const bool joined = len > r->mss; /* one by one each is a frame of its own */
    const bool last = (k + 1) % frame == 0 || !((r->lost & ~r->rtx) >> k >> 1 & 1);
    return joined && last;
}

void sb_check(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    uint32_t sacked = 0, lost = 0, rtx = 0, segs = 0, skipped = 0;
    const seq32 una = tcb->snd.una + (tcp_syn_acked(tcb) ? 0u : 1u); /* the SYN has no record */
    for (uint32_t i = 0; i < count; i++) {
        const struct sent *r = at(tcb, flight, i);
        if (r->skip > 0 && i + r->skip > skipped)
            skipped = i + r->skip;
        WEIR_ASSERT(i >= skipped || (r->sacked == run_all(r) && i + 1 < count));
        WEIR_ASSERT(r->len > 0 && sent_segments(r) <= SENT_RUN);
        WEIR_ASSERT((r->sacked & (r->lost | r->rtx)) == 0);
        WEIR_ASSERT((r->rtx & ~r->ever) == 0);
        segs += run_count(r->sacked & ~run_bits(0, run_below(r, una)));
        if (i == 0)
            WEIR_ASSERT(seq_leq(r->seq, una) && seq_lt(una, r->seq + r->len));
        else
            WEIR_ASSERT(r->seq == at(tcb, flight, i - 1)->seq + at(tcb, flight, i - 1)->len);
        if (i == count - 1)
            WEIR_ASSERT(r->seq + r->len == tcb->snd.nxt);
        sacked += run_octets(r, r->sacked, una);
        lost += run_octets(r, r->lost, una);
        rtx += run_octets(r, r->rtx, una);
    }
    WEIR_ASSERT(sacked == flight->sacked && lost == flight->lost && rtx == flight->rtx);
    WEIR_ASSERT(segs == flight->sacked_segs);
    if (tcp_syn_acked(tcb) && tcb->state != WEIR_CLOSED)
        WEIR_ASSERT((count > 0) == (tcp_outstanding(tcb) > 0));
}
