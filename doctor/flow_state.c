/* SPDX-License-Identifier: MIT */
#include "flow_state.h"

#include "base/seq.h"
#include "flow.h"

#include <stdlib.h>

static const struct flow_edge edges[] = {
    { FLOW_EV_OPEN, WEIR_CLOSED, WEIR_SYN_SENT, "3.10.1", "active OPEN: send SYN" },
    { FLOW_EV_PASSIVE, WEIR_LISTEN, WEIR_SYN_RECEIVED, "3.10.7.2 third", "answer SYN-ACK" },
#define EDGE(event, from, to, clause, what) \
    { FLOW_EV_##event, WEIR_##from, WEIR_##to, clause, what },
#define STAY(event, state, clause)
#include "tcp/fsm.def"
#undef STAY
#undef EDGE
};
#define EDGE_COUNT (sizeof edges / sizeof edges[0])
_Static_assert(EDGE_COUNT <= FLOW_EDGES_MAX, "a flow counts every edge");

#define CHANGES_MAX 64 /* of one flow; a connection has no more than a dozen */

const char *flow_event_text(unsigned event)
{
    static const char *const text[FLOW_EV_COUNT] = {
        [FLOW_EV_RCV_SYN] = "SYN received",
        [FLOW_EV_SYN_ACKED] = "SYN acknowledged",
        [FLOW_EV_CLOSE] = "close",
        [FLOW_EV_CLOSE_QUEUED] = "close queued",
        [FLOW_EV_FIN_ACKED] = "FIN acknowledged",
        [FLOW_EV_RCV_FIN] = "FIN received",
        [FLOW_EV_TIMEOUT_2MSL] = "2 MSL over",
        [FLOW_EV_TIMEOUT_ORPHAN] = "orphan's timeout",
        [FLOW_EV_REOPEN] = "opened again",
        [FLOW_EV_ABORT] = "reset or abort",
        [FLOW_EV_OPEN] = "active open",
        [FLOW_EV_PASSIVE] = "passive open",
        [FLOW_EV_CORRECTED] = "the ACK did not arrive",
    };
    return event < FLOW_EV_COUNT ? text[event] : "?";
}

unsigned flow_edge_count(void)
{
    return EDGE_COUNT;
}

const struct flow_edge *flow_edge(unsigned index)
{
    return index < EDGE_COUNT ? &edges[index] : NULL;
}

static void change(struct flow *flow, unsigned end, uint8_t to, unsigned event, int64_t when)
{
    struct flow_end *at = &flow->end[end];
    const uint8_t from = at->state;
    at->state = to;
    at->since = when;
    if (flow->change_count == flow->change_room) {
        const uint32_t room = flow->change_room != 0 ? 2 * flow->change_room : 4;
        if (room > CHANGES_MAX)
            return;
        struct flow_change *changes = realloc(flow->changes, room * sizeof *changes);
        if (changes == NULL)
            return;
        flow->changes = changes;
        flow->change_room = room;
    }
    flow->changes[flow->change_count++] =
        (struct flow_change){ when, (uint8_t)end, from, to, (uint8_t)event };
}

/* Takes the edge that is listed for the event; without one nothing happens. */
static bool take(struct flow *flow, unsigned end, enum flow_event event, int64_t when)
{
    for (unsigned i = 0; i < EDGE_COUNT; i++) {
        if (edges[i].event != event || edges[i].from != flow->end[end].state)
            continue;
        if (flow->edges[end][i] < UINT16_MAX)
            flow->edges[end][i]++;
        change(flow, end, edges[i].to, event, when);
        return true;
    }
    return false;
}

/* An end that never sent anything else than its SYN-ACK was taken for ESTABLISHED. */
static void take_back_established(struct flow *flow, unsigned end, int64_t when)
{
    for (unsigned i = 0; i < EDGE_COUNT; i++)
        if (edges[i].event == FLOW_EV_SYN_ACKED && edges[i].from == WEIR_SYN_RECEIVED &&
            flow->edges[end][i] > 0)
            flow->edges[end][i]--;
    change(flow, end, WEIR_SYN_RECEIVED, FLOW_EV_CORRECTED, when);
}

static void sends_syn(struct flow *flow, const struct flow_segment *segment)
{
    struct flow_end *end = &flow->end[segment->from];
    const bool first = end->state == WEIR_CLOSED || end->state == WEIR_LISTEN;
    if ((segment->flags & PACKET_ACK) == 0) {
        if (first) {
            end->state = WEIR_CLOSED; /* who sends a SYN does not listen, or no longer */
            (void)take(flow, segment->from, FLOW_EV_OPEN, segment->when);
        }
        return;
    }
    if (first && end->syn && segment->class == FLOW_NEW) {
        end->state = WEIR_LISTEN;
        (void)take(flow, segment->from, FLOW_EV_PASSIVE, segment->when);
    } else if (end->state == WEIR_SYN_SENT) {
        flow->simultaneous = true;
        (void)take(flow, segment->from, FLOW_EV_RCV_SYN, segment->when);
    } else if (end->state == WEIR_ESTABLISHED && segment->class == FLOW_RTX_SYN &&
               end->nxt == end->iss + 1) {
        take_back_established(flow, segment->from, segment->when);
    }
}

/* What an end's own ACK says of what it has received. */
static void has_received(struct flow *flow, const struct flow_segment *segment)
{
    const unsigned from = segment->from;
    struct flow_end *end = &flow->end[from];
    const struct flow_end *peer = &flow->end[!from];
    if (end->state == WEIR_SYN_SENT && (segment->flags & PACKET_SYN) == 0 && peer->syn &&
        seq_gt(segment->ack, peer->iss))
        (void)take(flow, from, FLOW_EV_SYN_ACKED, segment->when);
    if (!peer->fin || end->fin_received || seq_lt(segment->ack, peer->fin_end))
        return;
    end->fin_received = true;
    (void)take(flow, from, FLOW_EV_RCV_FIN, segment->when);
    if (end->fin_ack_waits && take(flow, from, FLOW_EV_FIN_ACKED, segment->when))
        end->fin_acked = true;
}

/* What the other end makes of an ACK, which is believed to arrive. A FIN that went before it comes
 * before it there, too: as long as nothing says that it came, this waits behind it. */
static void acknowledges(struct flow *flow, const struct flow_segment *segment)
{
    const unsigned to = !segment->from;
    struct flow_end *end = &flow->end[to];
    const struct flow_end *sender = &flow->end[segment->from];
    if (end->state == WEIR_SYN_RECEIVED && end->syn && seq_gt(segment->ack, end->iss))
        (void)take(flow, to, FLOW_EV_SYN_ACKED, segment->when);
    if (!end->fin || end->fin_acked || seq_lt(segment->ack, end->fin_end))
        return;
    if (sender->fin && !end->fin_received && (segment->flags & PACKET_FIN) == 0 &&
        seq_geq(segment->seq, sender->fin_end)) {
        end->fin_ack_waits = true;
        return;
    }
    end->fin_acked = true;
    (void)take(flow, to, FLOW_EV_FIN_ACKED, segment->when);
}

void flow_state_segment(struct flow *flow, const struct flow_segment *segment, bool arrives)
{
    if ((segment->flags & PACKET_SYN) != 0 && segment->class != FLOW_CHALLENGED)
        sends_syn(flow, segment);
    if ((segment->flags & PACKET_ACK) != 0) {
        has_received(flow, segment);
        if (arrives)
            acknowledges(flow, segment);
    }
    if ((segment->flags & PACKET_FIN) != 0)
        (void)take(flow, segment->from, FLOW_EV_CLOSE, segment->when);
}

void flow_state_reset(struct flow *flow, unsigned from, int64_t when, bool arrives)
{
    if (!take(flow, from, FLOW_EV_ABORT, when) && flow->end[from].state != WEIR_CLOSED)
        change(flow, from, WEIR_CLOSED, FLOW_EV_ABORT, when);
    if (arrives)
        (void)take(flow, !from, FLOW_EV_ABORT, when);
}

void flow_state_midstream(struct flow *flow, int64_t when)
{
    for (unsigned end = 0; end < 2; end++) {
        flow->end[end].state = WEIR_ESTABLISHED;
        flow->end[end].since = when;
    }
}
