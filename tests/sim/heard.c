/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include <string.h>

/* What has reached a host of one incarnation of its peer: which octets, which options, how far it
 * may send. An oracle's plain bookkeeping, apart from the core's. */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) > 0;
}

bool sim_heard_all(const struct sim_heard *heard, uint32_t seq)
{
    return heard->has_irs && !before(heard->next, seq);
}

bool sim_heard_range(const struct sim_heard *heard, uint32_t start, uint32_t end)
{
    if (heard->overflow || sim_heard_all(heard, end))
        return true;
    if (before(start, heard->next))
        start = heard->next;
    for (unsigned i = 0; i < heard->range_count; i++)
        if (!before(start, heard->range[i][0]) && !before(heard->range[i][1], end))
            return true;
    return false;
}

/* Adds [start, end) to the ranges, joining what it touches. */
static void add_range(struct sim_heard *heard, uint32_t start, uint32_t end)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < heard->range_count; i++) {
        const uint32_t a = heard->range[i][0], b = heard->range[i][1];
        if (before(end, a) || before(b, start)) {
            heard->range[kept][0] = a;
            heard->range[kept++][1] = b;
            continue;
        }
        start = before(a, start) ? a : start;
        end = before(end, b) ? b : end;
    }
    heard->range_count = kept;
    if (kept == SIM_RANGES) {
        heard->overflow = true;
        return;
    }
    heard->range[heard->range_count][0] = start;
    heard->range[heard->range_count++][1] = end;
}

/* Moves `next` over what now follows it. */
static void advance(struct sim_heard *heard)
{
    for (unsigned i = 0; i < heard->range_count; i++) {
        if (before(heard->next, heard->range[i][0]))
            continue;
        if (before(heard->next, heard->range[i][1]))
            heard->next = heard->range[i][1];
        heard->range_count--;
        heard->range[i][0] = heard->range[heard->range_count][0];
        heard->range[i][1] = heard->range[heard->range_count][1];
        i = UINT32_MAX; /* from the first again */
    }
}

static void hear_syn(struct sim_heard *heard, const struct sim_packet *packet)
{
    if (!heard->has_irs) {
        heard->irs = packet->seq;
        heard->next = packet->seq + 1;
        heard->has_irs = true;
    }
    heard->wscale_offered = packet->has_wscale;
    heard->wscale = packet->wscale;
    heard->ts = packet->has_ts;
    heard->sack = packet->sack_ok;
    /* A SYN that is sent again may announce less, for the path has changed; which one the other
     * took is its affair. */
    const uint16_t mss = packet->has_mss ? packet->mss : packet->v4 ? 536 : 1220;
    heard->mss = mss > heard->mss ? mss : heard->mss;
    if (!(packet->flags & SIM_ACK))
        heard->syn_window = packet->window;
}

static void hear_window(struct sim_flow *flow, struct sim_heard *heard,
                        const struct sim_packet *packet)
{
    uint32_t window = packet->window;
    uint32_t from = packet->ack;
    if (!(packet->flags & SIM_SYN) && flow->wscale_offered && heard->wscale_offered)
        window <<= heard->wscale;
    if (!(packet->flags & SIM_ACK)) {
        if (!flow->syn)
            return; /* counts when we have an ISS */
        from = flow->iss + 1;
    }
    if (heard->edge_known && !before(heard->edge, from + window))
        return;
    heard->edge = from + window;
    heard->edge_known = true;
}

void sim_heard_segment(struct sim_flow *flow, const struct sim_packet *packet, unsigned incarnation)
{
    struct sim_heard *heard = &flow->heard[0];
    if (incarnation < heard->incarnation) {
        heard = &flow->heard[1];
        if (incarnation != heard->incarnation)
            return;
    } else if (incarnation > heard->incarnation) {
        flow->heard[1] = flow->heard[0];
        memset(heard, 0, sizeof *heard);
        heard->incarnation = incarnation;
    }
    if (packet->flags & SIM_RST)
        return;
    if (packet->flags & SIM_SYN)
        hear_syn(heard, packet);
    hear_window(flow, heard, packet);
    const uint32_t start = packet->seq + (packet->flags & SIM_SYN ? 1 : 0);
    const uint32_t end = start + packet->data_len + (packet->flags & SIM_FIN ? 1 : 0);
    if (!heard->has_irs) {
        heard->overflow =
            true; /* the SYN went to an earlier self: nothing can be said of what is missing */
        return;
    }
    if (start == end)
        return;
    if (packet->flags & SIM_FIN) {
        heard->fin = true;
        heard->fin_seq = end;
    }
    if (!heard->overflow)
        add_range(heard, start, end);
    else if (before(heard->next, end))
        heard->next = end;
    advance(heard);
}
