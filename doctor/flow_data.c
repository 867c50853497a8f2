/* SPDX-License-Identifier: MIT */

/* What a segment is among those before it: new, sent again and why, out of order, a duplicate. */

#include "base/seq.h"
#include "flow_parts.h"

#include <stdlib.h>
#include <string.h>

#define DUP_ACKS_FAST 3             /* RFC 5681, 3.2 */
#define REORDER_TIME  (3 * WEIR_MS) /* with nothing else to tell a late original by */
#define RTT_WEIGHT    8             /* RFC 6298, 2.3 */
#define FULL_SEGMENT  1460          /* when no size was announced */

/* ---- What it is ---- */

static const struct flow_sent *find_sent(const struct flow_end *end, uint32_t seq)
{
    uint32_t low = 0, high = end->sent_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (seq_leq(end->sent[end->sent_first + middle].end, seq))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == end->sent_count)
        return NULL;
    const struct flow_sent *sent = &end->sent[end->sent_first + low];
    return seq_leq(sent->start, seq) ? sent : NULL;
}

static const struct flow_hole *find_hole(const struct flow_end *end, uint32_t seq)
{
    for (unsigned i = 0; i < end->hole_count; i++)
        if (seq_leq(end->hole[i].start, seq) && seq_lt(seq, end->hole[i].end))
            return &end->hole[i];
    return NULL;
}

/* The network copies a packet with its IP identification; a sender gives each its own. */
static bool is_copy(const struct flow_end *end, const struct flow_segment *segment, uint16_t ip_id)
{
    if (ip_id == 0)
        return false;
    const unsigned count = end->recent_count < FLOW_RECENT ? end->recent_count : FLOW_RECENT;
    for (unsigned i = 0; i < count; i++) {
        const struct flow_recent *recent = &end->recent[i];
        if (recent->ip_id == ip_id && recent->seq == segment->seq && recent->ack == segment->ack &&
            recent->len == segment->len && recent->flags == segment->flags)
            return true;
    }
    return false;
}

/* Octets that were missing: the original, late, or a copy of one that was lost before it came by?
 * A late original has an older timestamp or identification than what came before it. */
static bool is_late(const struct flow_end *end, const struct flow_segment *segment, uint16_t ip_id,
                    const struct flow_hole *hole)
{
    if ((segment->options & PACKET_HAS_TS) != 0 && segment->tsval != end->tsval)
        return seq_lt(segment->tsval, end->tsval);
    if (ip_id != 0 && end->ip_id != 0)
        return (int16_t)(uint16_t)(end->ip_id - ip_id) > 0;
    return segment->when - hole->since < REORDER_TIME;
}

/* The same of a copy so late that the original is forgotten: with an identification from before, of
 * a sender that counts them up. */
static bool is_late_copy(const struct flow_end *end, const struct flow_segment *segment,
                         uint16_t ip_id)
{
    if (ip_id == 0 || end->ids_fell || (int16_t)(uint16_t)(end->ip_id - ip_id) <= 0)
        return false;
    return seq_leq(segment->tsval, end->tsval);
}

static enum flow_class classify_again(const struct flow *flow, const struct flow_segment *segment,
                                      uint16_t ip_id)
{
    const struct flow_end *end = &flow->end[segment->from];
    const uint32_t after = segment->seq + flow_space(segment);
    const struct flow_sent *sent = find_sent(end, segment->seq);
    if ((segment->flags & PACKET_SYN) != 0)
        return FLOW_RTX_SYN;
    if (is_late_copy(end, segment, ip_id))
        return FLOW_DUPLICATE;
    if (segment->len == 0)
        return FLOW_RTX_FIN;
    if (seq_leq(after, end->una))
        return FLOW_RTX_NEEDLESS;
    if (end->recovery == FLOW_RTX_RTO || end->recovery == FLOW_RTX_FAST)
        return (enum flow_class)end->recovery;
    if (end->dup_acks >= DUP_ACKS_FAST || (end->sacked != 0 && seq_gt(end->sacked, after)))
        return FLOW_RTX_FAST;
    const bool tail = seq_geq(after, end->fin ? end->nxt - 1 : end->nxt);
    if (tail && (end->options & PACKET_HAS_SACK_OK) != 0 && (sent == NULL || sent->times == 0))
        return FLOW_RTX_TLP;
    return FLOW_RTX_RTO;
}

/* Without anything new: an ACK, a probe, a keepalive. */
static enum flow_class classify_empty(const struct flow *flow, const struct flow_segment *segment)
{
    const struct flow_end *end = &flow->end[segment->from], *peer = &flow->end[!segment->from];
    if ((segment->flags & PACKET_RST) != 0 || !end->seen)
        return FLOW_NEW;
    if (segment->seq == end->nxt - 1 && end->state != WEIR_TIME_WAIT && !end->fin)
        return peer->window == 0 && peer->window_known ? FLOW_PROBE : FLOW_KEEPALIVE;
    if (segment->ack != end->ack || (segment->flags & PACKET_ACK) == 0)
        return FLOW_NEW;
    if (segment->window != end->window && segment->sack_count == 0)
        return FLOW_WINDOW_UPDATE;
    return flow_flight(peer) > 0 && segment->ack == peer->una ? FLOW_DUPLICATE_ACK : FLOW_NEW;
}

static bool is_doubtful_reset(const struct flow *flow, const struct flow_segment *segment)
{
    const struct flow_end *end = &flow->end[segment->from], *peer = &flow->end[!segment->from];
    if ((segment->flags & PACKET_RST) == 0 || !peer->seen)
        return false;
    if (peer->state == WEIR_SYN_SENT && (segment->flags & PACKET_ACK) != 0)
        return segment->ack != peer->nxt;
    return segment->seq != peer->ack && (!end->seen || segment->seq != end->nxt);
}

enum flow_class flow_classify(const struct flow *flow, const struct flow_segment *segment,
                              uint16_t ip_id)
{
    const struct flow_end *end = &flow->end[segment->from], *peer = &flow->end[!segment->from];
    if (is_doubtful_reset(flow, segment))
        return FLOW_RST_DOUBTFUL;
    if (is_copy(end, segment, ip_id))
        return FLOW_DUPLICATE;
    if ((segment->flags & PACKET_RST) != 0 || !end->seen)
        return FLOW_NEW;
    if ((segment->flags & PACKET_SYN) != 0 && end->syn && segment->seq != end->iss)
        return FLOW_CHALLENGED;
    if (flow_space(segment) == 0)
        return classify_empty(flow, segment);
    if ((segment->flags & (PACKET_SYN | PACKET_ACK)) == (PACKET_SYN | PACKET_ACK) &&
        end->state == WEIR_SYN_SENT)
        return FLOW_NEW; /* the answer to a SYN that crossed ours */
    if (segment->len == 1 && segment->seq == end->nxt - 1 && end->una == end->nxt &&
        (segment->flags & (PACKET_SYN | PACKET_FIN)) == 0)
        return FLOW_KEEPALIVE;
    if (seq_geq(segment->seq, end->nxt)) {
        const bool probe = peer->window_known && peer->window == 0 && segment->len == 1;
        return probe ? FLOW_PROBE : FLOW_NEW;
    }
    const struct flow_hole *hole = find_hole(end, segment->seq);
    if (hole != NULL && is_late(end, segment, ip_id, hole))
        return FLOW_REORDERED;
    return seq_gt(segment->seq + flow_space(segment), end->nxt) &&
                   find_sent(end, segment->seq) == NULL
               ? FLOW_NEW
               : classify_again(flow, segment, ip_id);
}

/* ---- What it changes at its sender ---- */

static void hole_add(struct flow_end *end, uint32_t start, uint32_t after, int64_t when)
{
    if (end->hole_count == FLOW_HOLES) /* the oldest is forgotten */
        memmove(end->hole, end->hole + 1, --end->hole_count * sizeof end->hole[0]);
    end->hole[end->hole_count++] = (struct flow_hole){ start, after, when };
}

static void hole_fill(struct flow_end *end, uint32_t start, uint32_t after)
{
    for (unsigned i = 0; i < end->hole_count; i++) {
        struct flow_hole *hole = &end->hole[i];
        if (seq_leq(after, hole->start) || seq_geq(start, hole->end))
            continue;
        if (seq_leq(start, hole->start))
            hole->start = seq_min(after, hole->end);
        else
            hole->end = start; /* what lies behind it is taken for filled */
        if (hole->start == hole->end) {
            memmove(hole, hole + 1, (--end->hole_count - i) * sizeof *hole);
            i--;
        }
    }
}

static bool sent_room(struct flow_table *table, struct flow_end *end)
{
    if (end->sent_first > 0 && end->sent_first + end->sent_count == end->sent_room) {
        memmove(end->sent, end->sent + end->sent_first, end->sent_count * sizeof end->sent[0]);
        end->sent_first = 0;
    }
    if (end->sent_first + end->sent_count < end->sent_room)
        return true;
    const uint32_t room = end->sent_room != 0 ? 2 * end->sent_room : 8;
    if (room > FLOW_SENT_MAX || table->sent + room - end->sent_room > FLOW_SENT_TOTAL)
        return false;
    struct flow_sent *sent = realloc(end->sent, room * sizeof *sent);
    if (sent == NULL)
        return false;
    table->sent += room - end->sent_room;
    end->sent = sent;
    end->sent_room = room;
    return true;
}

static void sent_add(struct flow_table *table, struct flow_end *end, uint32_t start, uint32_t after,
                     int64_t when)
{
    if (!sent_room(table, end)) {
        if (end->sent_count == 0)
            return;
        end->sent_first++; /* nobody acknowledges here: the oldest goes */
        end->sent_count--;
        if (!sent_room(table, end))
            return;
    }
    end->sent[end->sent_first + end->sent_count++] = (struct flow_sent){ start, after, 0, when };
}

static void sent_again(struct flow_end *end, uint32_t start, uint32_t after, int64_t when)
{
    for (uint32_t i = 0; i < end->sent_count; i++) {
        struct flow_sent *sent = &end->sent[end->sent_first + i];
        if (seq_geq(sent->start, after))
            break;
        if (seq_leq(sent->end, start))
            continue;
        sent->times++;
        sent->when = when;
    }
}

static void recover(struct flow_end *end, unsigned class)
{
    const bool loss = class == FLOW_RTX_FAST || class == FLOW_RTX_RTO;
    if (!loss || end->recovery == class)
        return;
    end->recovery = (uint8_t) class;
    end->recover = end->nxt;
}

static void note_recent(struct flow_end *end, const struct flow_segment *segment, uint16_t ip_id)
{
    end->recent[end->recent_count++ % FLOW_RECENT] =
        (struct flow_recent){ segment->seq, segment->ack, segment->len, segment->flags, ip_id };
}

void flow_sends(struct flow_table *table, struct flow *flow, const struct flow_segment *segment,
                uint16_t ip_id)
{
    struct flow_end *end = &flow->end[segment->from];
    const uint32_t start = segment->seq, after = start + flow_space(segment);
    note_recent(end, segment, ip_id);
    if ((segment->flags & PACKET_RST) != 0 || segment->class == FLOW_CHALLENGED)
        return;
    if (!end->seen) {
        end->seen = true;
        end->nxt = end->una = start;
        end->iss = (segment->flags & PACKET_SYN) != 0 ? start : start - 1;
    }
    if (segment->class != FLOW_REORDERED && segment->class != FLOW_DUPLICATE) {
        end->tsval = segment->tsval;
        if (segment->class == FLOW_NEW && end->ip_id != 0 && (segment->flags & PACKET_SYN) == 0)
            end->ids_fell |= (int16_t)(uint16_t)(ip_id - end->ip_id) < 0;
        end->ip_id = ip_id;
    }
    if (start == after)
        return;
    recover(end, segment->class);
    hole_fill(end, start, after);
    if (seq_leq(after, end->nxt)) {
        if (segment->class != FLOW_DUPLICATE)
            sent_again(end, start, after, segment->when);
        return;
    }
    if (seq_gt(start, end->nxt))
        hole_add(end, end->nxt, start, segment->when);
    sent_add(table, end, seq_max(start, end->nxt), after, segment->when);
    end->nxt = after;
    if (flow_flight(end) > end->flight_max)
        end->flight_max = flow_flight(end);
}

/* ---- What it acknowledges ---- */

static void measure(struct flow_end *end, int64_t rtt)
{
    struct flow_rtt *to = &end->rtt;
    if (to->count == 0 || rtt < to->min)
        to->min = rtt;
    if (rtt > to->max)
        to->max = rtt;
    to->smooth += to->count == 0 ? rtt : (rtt - to->smooth) / RTT_WEIGHT;
    if (to->sum < CAPTURE_WHEN_MAX) /* only times that go back and forth come there */
        to->sum += rtt;
    to->count++;
}

static void sacks(struct flow_end *end, const struct flow_segment *segment)
{
    for (unsigned i = 0; i < segment->sack_count; i++) {
        const struct packet_sack *sack = &segment->sack[i];
        if (i == 0 && seq_leq(sack->end, segment->ack)) { /* RFC 2883: it came twice */
            end->dsacks++;
            continue;
        }
        if (seq_gt(sack->end, end->nxt))
            continue;
        if (end->sacked == 0 || seq_gt(sack->end, end->sacked))
            end->sacked = sack->end;
    }
}

void flow_acknowledges(struct flow_table *table, struct flow *flow, struct flow_segment *segment)
{
    struct flow_end *end = &flow->end[!segment->from]; /* whose data it acknowledges */
    const uint32_t ack = segment->ack;
    (void)table;
    end->dup_acks = segment->class == FLOW_DUPLICATE_ACK ? end->dup_acks + 1
                    : seq_gt(ack, end->una)              ? 0
                                                         : end->dup_acks;
    if (!end->seen)
        return;
    sacks(end, segment);
    if (seq_leq(ack, end->una) || seq_gt(ack, end->nxt))
        return;
    const struct flow_sent *newest = NULL;
    bool again = false;
    while (end->sent_count > 0 && seq_leq(end->sent[end->sent_first].end, ack)) {
        newest = &end->sent[end->sent_first];
        again |= newest->times > 0;
        end->sent_first++;
        end->sent_count--;
    }
    /* Karn: what was sent twice measures nothing; and what waited behind it measures the repair. */
    if (newest != NULL && !again && end->recovery == FLOW_NEW && segment->when >= newest->when) {
        segment->rtt = flow_apart(newest->when, segment->when);
        if (segment->rtt <= 0)
            segment->rtt = 1;
        measure(end, segment->rtt);
    }
    if (end->sent_count == 0)
        end->sent_first = 0;
    end->una = ack;
    if (end->recovery != FLOW_NEW && seq_geq(ack, end->recover))
        end->recovery = FLOW_NEW;
    if (end->sacked != 0 && seq_leq(end->sacked, ack))
        end->sacked = 0;
}

/* ---- What holds an end up ---- */

static bool is_open(const struct flow_end *end)
{
    return end->state == WEIR_ESTABLISHED || end->state == WEIR_CLOSE_WAIT ||
           end->state == WEIR_FIN_WAIT_1 || end->state == WEIR_LAST_ACK ||
           end->state == WEIR_CLOSING;
}

static enum flow_limit limit_of(const struct flow_end *end, const struct flow_end *peer)
{
    const uint32_t flight = flow_flight(end);
    const uint32_t full = peer->mss != 0 ? peer->mss : FULL_SEGMENT;
    if (end->state == WEIR_CLOSED || end->state == WEIR_FIN_WAIT_2 ||
        end->state == WEIR_TIME_WAIT || (end->fin && end->fin_acked))
        return FLOW_LIMIT_NOTHING;
    if (!is_open(end) || end->state == WEIR_LISTEN)
        return FLOW_LIMIT_HANDSHAKE;
    if (peer->window_known && peer->window == 0)
        return FLOW_LIMIT_ZERO_WINDOW;
    if (end->recovery != FLOW_NEW)
        return FLOW_LIMIT_RECOVERY;
    if (flight == 0)
        return FLOW_LIMIT_APP;
    if (peer->window_known && flight + full > peer->window)
        return FLOW_LIMIT_RWND;
    return end->last_push && end->last_len < end->largest ? FLOW_LIMIT_APP : FLOW_LIMIT_CWND;
}

void flow_spend(struct flow *flow, int64_t now, uint8_t limit[2])
{
    const int64_t spent = now > flow->last ? now - flow->last : 0;
    for (unsigned i = 0; i < 2; i++) {
        limit[i] = (uint8_t)limit_of(&flow->end[i], &flow->end[!i]);
        flow->end[i].limit_time[limit[i]] += spent;
    }
}
