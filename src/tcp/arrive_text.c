/* SPDX-License-Identifier: MIT */
/* Steps 7 and 8 of RFC 9293, 3.10.7.4: octets go to their place in the receive ring; what lies
 * beyond a gap is noted in the ranges. */
#include "tcp/tally.h"
#include "tcp/tcp.h"

/* RFC 9293 SHLD-18 counts full-sized segments, and how large those are the peer and its path
 * decide. Two in a row that are smaller, alike, and not the end of something that was written, are
 * full; of at least the default size they may be the end of something (as Linux). */
static void learn_rcv_mss(struct tcb *tcb, const struct tcp_seg *seg)
{
    const uint32_t len = seg->gso_size != 0 ? seg->gso_size : seg->len;
    const bool ends = seg->flags & (TCP_PSH | TCP_URG | TCP_FIN | TCP_SYN);
    if (len >= tcb->rcv_mss) {
        tcb->rcv_mss = (uint16_t)len;
    } else if (len >= TCP_MSS_DEFAULT || (len >= TCP_MSS_FLOOR && !ends)) {
        if (len == tcb->rcv_len)
            tcb->rcv_mss = (uint16_t)len;
        tcb->rcv_len = (uint16_t)len;
    }
}

/* `text` NULL: it is there already. */
static bool put(struct tcb *tcb, seq32 s, const uint8_t *text, uint32_t len)
{
    struct ring_pool *rings = tcb->host->rings;
    if (ring_attach(rings, &tcb->rcv_ring, s, len) < len)
        return false;
    if (text != NULL)
        ring_put(rings, &tcb->rcv_ring, s, text, len);
    return true;
}

/* Stores what of the segment lies in the gaps between ranges: an octet once stored never changes,
 * whatever later segments claim (INV 5). */
static bool put_in_gaps(struct tcb *tcb, const struct tcp_seg *seg)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || flight->ranges.count == 0)
        return put(tcb, seg->seq, seg->landed ? NULL : seg->text, seg->len);
    WEIR_ASSERT(!seg->landed); /* beyond a gap nothing is offered */
    const struct ring_pool *rings = tcb->host->rings;
    seq32 s = seg->seq;
    const seq32 end = seg->seq + seg->len;
    for (unsigned i = ranges_after(&flight->ranges, rings, s); seq_lt(s, end); i++) {
        const bool last = i >= flight->ranges.count;
        const struct range r =
            last ? (struct range){ end, end } : ranges_at(&flight->ranges, rings, i);
        const seq32 gap_end = seq_min(seq_max(r.start, s), end);
        if (seq_lt(s, gap_end) && !put(tcb, s, seg->text + (s - seg->seq), gap_end - s))
            return false;
        s = seq_max(s, last ? end : r.end);
    }
    return true;
}

/* RCV.NXT moves over the segment and over the ranges it joins. Returns whether a gap was closed. */
static bool move_over(struct tcb *tcb, seq32 end)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    tcb->rcv.nxt = end;
    if (flight == NULL || flight->ranges.count == 0)
        return false;
    struct ring_pool *rings = tcb->host->rings;
    ranges_drop_before(&flight->ranges, rings, end);
    if (flight->ranges.count > 0) {
        const struct range first = ranges_at(&flight->ranges, rings, 0);
        if (first.start == end) {
            tcb->rcv.nxt = first.end;
            ranges_drop_before(&flight->ranges, rings, first.end);
        }
    }
    tcp_forget_ranges(tcb);
    return true;
}

/* RFC 2883, 4: what of the segment lies in a range has come twice. */
static void tell_of_overlap(struct tcb *tcb, const struct tcp_seg *seg)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    const unsigned count = flight != NULL ? flight->ranges.count : 0;
    const unsigned i = count > 0 ? ranges_after(&flight->ranges, tcb->host->rings, seg->seq) : 0;
    if (i == count)
        return;
    const struct range r = ranges_at(&flight->ranges, tcb->host->rings, i);
    tcp_owe_dsack(tcb, seq_max(r.start, seg->seq), seq_min(r.end, seg->seq + seg->len));
}

static void in_order(struct tcb *tcb, const struct tcp_seg *seg, weir_time now)
{
    const seq32 before = tcb->rcv.nxt;
    const bool gap = move_over(tcb, seg->seq + seg->len);
    tcb->octets_in += tcb->rcv.nxt - before;
    if (gap)
        tcp_owe_ack(tcb, WEIR_WHY_ACK); /* RFC 5681, 4.2: a hole was filled, wholly or in part */
    else
        tcp_owe_ack_in_order(tcb, now);
}

static void owe_duplicate(struct tcb *tcb)
{
    tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
    if (!tcb->sack_ok && tcb->owed_dup < TCP_OWED_DUP_MAX)
        tcb->owed_dup++;
}

/* Beyond a gap: RFC 9293 SHLD-31. */
static enum weir_drop out_of_order(struct tcb *tcb, const struct tcp_seg *seg)
{
    owe_duplicate(tcb);
    tally_beyond(tcb, seg);
    struct tcb_flight *flight = tcb_flight_need(tcb);
    if (flight == NULL)
        return WEIR_DROP_NO_FLIGHT;
    tell_of_overlap(tcb, seg);
    struct ring_pool *rings = tcb->host->rings;
    const unsigned known = ranges_find(&flight->ranges, rings, seg->seq);
    if (known < flight->ranges.count) {
        const struct range r = ranges_at(&flight->ranges, rings, known);
        if (seq_geq(r.end, seg->seq + seg->len)) {
            tcp_note_range(tcb, r.start, r.end);
            return WEIR_DROP_SEQ_OLD;
        }
    }
    if (!put_in_gaps(tcb, seg))
        return WEIR_DROP_NO_CHUNK;
    const bool first = flight->ranges.count == 0;
    if (!ranges_add(&flight->ranges, rings, seg->seq, seg->len))
        return WEIR_DROP_RANGES_FULL;
    tcp_window_beyond(tcb, flight, seg->len, first);
    const struct range r =
        ranges_at(&flight->ranges, rings, ranges_find(&flight->ranges, rings, seg->seq));
    tcp_note_range(tcb, r.start, r.end);
    return WEIR_DROP_NONE;
}

/* Nobody will ever read it (RFC 1122, 4.2.2.13; RFC 9293 SHLD-3): the peer learns that its octets
 * are lost. */
static enum weir_drop nobody_reads(struct tcb *tcb, weir_time now)
{
    tcp_abort(tcb, WEIR_CAUSE_DATA_AFTER_CLOSE, WEIR_OK, now);
    return WEIR_DROP_DATA_AFTER_CLOSE;
}

enum weir_drop tcp_text_arrives(struct tcb *tcb, const struct tcp_seg *seg, weir_time now)
{
    if (tcb->fin_rcvd || (tcb->fin_known && seq_geq(seg->seq, tcb->rcv.fin)))
        return WEIR_DROP_DATA_AFTER_FIN;
    if (tcb->read_closed)
        return nobody_reads(tcb, now);
    learn_rcv_mss(tcb, seg);
    struct tcp_seg text = *seg;
    if (tcb->fin_known && seq_gt(seg->seq + seg->len, tcb->rcv.fin))
        text.len = tcb->rcv.fin - seg->seq;
    if (text.seq != tcb->rcv.nxt)
        return out_of_order(tcb, &text);
    if (!put_in_gaps(tcb, &text)) {
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
        return WEIR_DROP_NO_CHUNK;
    }
    tell_of_overlap(tcb, &text);
    in_order(tcb, &text, now);
    return WEIR_DROP_NONE;
}

/* A FIN beyond a gap is remembered and counts when the gap is filled. */
void tcp_fin_arrives(struct tcb *tcb, const struct tcp_seg *seg, weir_time now)
{
    if ((seg->flags & TCP_FIN) && !tcb->fin_known) {
        const struct tcb_flight *flight = tcb_flight(tcb);
        const seq32 fin = seg->seq + seg->len;
        /* A FIN below octets that have already arrived contradicts them: the octets stay. */
        if (flight != NULL && flight->ranges.count > 0 &&
            seq_lt(fin,
                   ranges_at(&flight->ranges, tcb->host->rings, flight->ranges.count - 1u).end))
            return;
        tcb->fin_known = true;
        tcb->rcv.fin = fin;
    }
    if ((seg->flags & TCP_FIN) && seg->seq + seg->len != tcb->rcv.nxt && !tcb->fin_rcvd)
        tcp_owe_ack(tcb, WEIR_WHY_ACK_DUP);
    if (!tcb->fin_known || tcb->fin_rcvd || tcb->rcv.nxt != tcb->rcv.fin)
        return;
    tcb->fin_rcvd = true;
    tcb->rcv.nxt++;
    tcp_owe_ack(tcb, WEIR_WHY_ACK);
    tcp_event(tcb, TCP_EV_RCV_FIN, WEIR_CAUSE_RCV_FIN, now);
}

/* ---- Where the next text will belong ---- */

/* Not all of a frame's octets can be text: so the driver's own room is enough for the rest. */
#define LANDING_MAX (UINT16_MAX - 40)

static bool has_ranges(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    return flight != NULL && flight->ranges.count > 0;
}

uint32_t tcp_landing(struct tcb *tcb, uint32_t least, struct weir_span *span, unsigned *count)
{
    const uint32_t window = tcb->rcv.edge - tcb->rcv.nxt;
    uint32_t len = window < LANDING_MAX ? window : LANDING_MAX;
    if (tcb->state != WEIR_ESTABLISHED || tcb->fin_known || tcb->read_closed || len < least ||
        has_ranges(tcb))
        return 0;
    struct ring_pool *rings = tcb->host->rings;
    len = ring_attach(rings, &tcb->rcv_ring, tcb->rcv.nxt, len);
    uint32_t covered = 0;
    *count =
        len == 0 ? 0 : ring_spans(rings, &tcb->rcv_ring, tcb->rcv.nxt, len, span, *count, &covered);
    return covered;
}

void tcp_landing_end(struct tcb *tcb)
{
    if (has_ranges(tcb))
        return; /* they lie in what was attached */
    if (tcp_readable(tcb) == 0)
        ring_clear(tcb->host->rings, &tcb->rcv_ring);
    else
        ring_drop_after(tcb->host->rings, &tcb->rcv_ring, tcb->rcv.nxt);
}
