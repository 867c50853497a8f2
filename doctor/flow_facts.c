/* SPDX-License-Identifier: MIT */

/* What is concluded from a whole flow: where it was seen from, how it ended, its common facts. */

#include "flow_parts.h"

#include <netinet/in.h>
#include <stdio.h>

/* An end that answers in less than a fifth of the whole round trip is near; under this much in all
 * both are, and nothing can be told. */
#define NEAR_SHARE 5
#define TOTAL_MIN  (300 * WEIR_US)

/* How long each end took to answer, seen from here; 0: not known. */
static int64_t answer_time(const struct flow *flow, unsigned end)
{
    int64_t time = flow->end[!end].rtt.count > 0 ? flow->end[!end].rtt.min : 0;
    const int64_t asked_at = end == 1 ? flow->syn_at : flow->syn_ack_at;
    const int64_t answered_at = end == 1 ? flow->syn_ack_at : flow->open_at;
    const int64_t handshake =
        asked_at != 0 && answered_at != 0 ? flow_apart(asked_at, answered_at) : 0;
    if (handshake > 0 && (time == 0 || handshake < time))
        time = handshake;
    return time;
}

int64_t flow_rtt_min(const struct flow *flow)
{
    const int64_t left = answer_time(flow, 0), right = answer_time(flow, 1);
    return left != 0 && right != 0 ? left + right : 0;
}

/* Which end the capture is near: 0, 1, or -1. */
static int near_end(const struct flow *flow)
{
    const int64_t left = answer_time(flow, 0), right = answer_time(flow, 1);
    if (flow->here != 0)
        return flow->here - 1;
    if (left == 0 || right == 0 || left < TOTAL_MIN - right)
        return -1;
    const int64_t share = left / NEAR_SHARE + right / NEAR_SHARE;
    if (left < share)
        return 0;
    return right < share ? 1 : -1;
}

enum facts_vantage flow_vantage(const struct flow *flow)
{
    const int near = near_end(flow);
    if (near < 0)
        return FACTS_IN_BETWEEN;
    return flow->end[near].octets >= flow->end[!near].octets ? FACTS_AT_SENDER : FACTS_AT_RECEIVER;
}

const char *flow_vantage_text(const struct flow *flow)
{
    const int near = near_end(flow);
    if (near < 0)
        return "somewhere between";
    if (flow->here != 0)
        return near == 0 ? "at the opener" : "at the other end";
    return near == 0 ? "near the opener" : "near the other end";
}

/* How far back the original of a retransmission is looked for. */
#define ORIGINAL_WITHIN 4096u

void flow_mark_missed(struct flow *flow)
{
    const int near = near_end(flow);
    for (uint32_t i = 0; i < flow->segment_count; i++) {
        const struct flow_segment *again = &flow->segments[i];
        const bool repairs = flow_is_rtx(again->class) && again->class != FLOW_RTX_TLP &&
                             again->class != FLOW_RTX_NEEDLESS;
        /* What passed next to its receiver has arrived. */
        if (!repairs || again->delivery != FLOW_UNKNOWN || near == !again->from)
            continue;
        const uint32_t first = i > ORIGINAL_WITHIN ? i - ORIGINAL_WITHIN : 0;
        for (uint32_t k = i; k-- > first;) {
            struct flow_segment *before = &flow->segments[k];
            if (before->from != again->from || before->seq != again->seq || flow_space(before) == 0)
                continue;
            if (before->delivery == FLOW_UNKNOWN)
                before->delivery = FLOW_MISSED;
            break;
        }
    }
}

static int64_t in_us(int64_t ns)
{
    return ns / WEIR_US < UINT32_MAX ? ns / WEIR_US : UINT32_MAX;
}

void flow_facts(const struct flow *flow, unsigned end, int64_t now, struct facts_flow *facts)
{
    const struct flow_end *at = &flow->end[end], *peer = &flow->end[!end];
    *facts = (struct facts_flow){
        .source = FACTS_CAPTURE,
        .vantage = (enum facts_vantage)flow->vantage,
        .protocol = IPPROTO_TCP,
        .v6 = flow->v6,
        .local = at->addr,
        .remote = peer->addr,
        .state = at->state,
        .state_for = now - at->since,
        .passive = end == 1,
        .timer_in = WEIR_NEVER,
        .rtx_in = WEIR_NEVER,
        .delack_in = WEIR_NEVER,
        .keepalive_in = WEIR_NEVER,
        .user_in = WEIR_NEVER,
        .snd_wnd = peer->window,
        .rcv_wnd = at->window,
        .in_flight = flow_flight(at),
        .iss = at->iss,
        .irs = peer->iss,
        .snd_una = at->una,
        .snd_nxt = at->nxt,
        .rcv_nxt = at->ack,
        .id = flow->id,
        .fd = -1,
    };
    facts->info.tcpi_state = at->state;
    facts->info.tcpi_rtt = (uint32_t)in_us(at->rtt.smooth);
    facts->info.tcpi_min_rtt = (uint32_t)in_us(at->rtt.min);
    facts->info.tcpi_total_retrans = (uint32_t)at->rtx_segments;
    facts->info.tcpi_unacked = at->sent_count;
    facts->info.tcpi_bytes_sent = at->octets;
    facts->info.tcpi_bytes_retrans = at->rtx_octets;
    facts->info.tcpi_segs_out = (uint32_t)at->segments;
    facts->info.tcpi_segs_in = (uint32_t)peer->segments;
    facts->info_len = sizeof facts->info;
    facts_mark(facts, FACTS_ADDRESSES, FACTS_EXACT);
    facts_mark(facts, FACTS_ROLE, flow->whole ? FACTS_EXACT : FACTS_INFERRED);
    facts_mark(facts, FACTS_STATE, FACTS_INFERRED);
    facts_mark(facts, FACTS_SINCE, FACTS_INFERRED);
    facts_mark(facts, FACTS_INFO, FACTS_INFERRED);
    facts_mark(facts, FACTS_WINDOWS, FACTS_EXACT);
    facts_mark(facts, FACTS_SEQUENCE, FACTS_INFERRED);
}

char *flow_ending(const struct flow *flow, char text[FLOW_ENDING_MAX])
{
    static const char *const who[] = { "opener", "other end" };
    const struct flow_end *left = &flow->end[0], *right = &flow->end[1];
    if (flow->reset_by >= 0 && !right->syn && !left->fin)
        snprintf(text, FLOW_ENDING_MAX, "refused");
    else if (flow->reset_by >= 0 && flow->closed_by >= 0)
        snprintf(text, FLOW_ENDING_MAX, "closed by the %s, reset by the %s", who[flow->closed_by],
                 who[flow->reset_by]);
    else if (flow->reset_by >= 0)
        snprintf(text, FLOW_ENDING_MAX, "reset by the %s", who[flow->reset_by]);
    else if (left->fin && right->fin)
        snprintf(text, FLOW_ENDING_MAX, "closed by the %s%s", who[flow->closed_by],
                 left->fin_acked && right->fin_acked ? "" : ", not acknowledged");
    else if (flow->closed_by >= 0)
        snprintf(text, FLOW_ENDING_MAX, "half closed by the %s", who[flow->closed_by]);
    else if (!right->syn && flow->whole)
        snprintf(text, FLOW_ENDING_MAX, "never answered");
    else
        snprintf(text, FLOW_ENDING_MAX, "open");
    return text;
}
