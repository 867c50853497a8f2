/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include <string.h>

/* The wire oracle: what one host may put on the wire of one connection, given what it has put there
 * before and what has reached it. It knows the RFCs and the frames, and nothing of the core. */

#define CHALLENGE_GAP (499 * WEIR_MS) /* 500, on a clock of milliseconds */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) > 0;
}

static bool same_tuple(const struct sim_flow *flow, const struct weir_ip *src,
                       const struct weir_ip *dst, uint16_t sport, uint16_t dport)
{
    return flow->used && flow->sport == sport && flow->dport == dport &&
           weir_ip_equal(&flow->src, src) && weir_ip_equal(&flow->dst, dst);
}

/* The flow of a packet, made if it is new; NULL if the table is full (then nothing is judged). With
 * `reverse`, that of the answers. */
struct sim_flow *sim_flow_find(struct sim *sim, const struct sim_packet *packet, bool reverse)
{
    const struct weir_ip *src = reverse ? &packet->dst : &packet->src;
    const struct weir_ip *dst = reverse ? &packet->src : &packet->dst;
    const uint16_t sport = reverse ? packet->dport : packet->sport;
    const uint16_t dport = reverse ? packet->sport : packet->dport;
    unsigned at = (sport * 31u + dport * 7u + src->octet[15] * 3u + src->octet[0]) % SIM_FLOWS;
    for (unsigned i = 0; i < SIM_FLOWS; i++, at = (at + 1) % SIM_FLOWS) {
        struct sim_flow *flow = &sim->flow[at];
        if (same_tuple(flow, src, dst, sport, dport))
            return flow;
        if (flow->used)
            continue;
        *flow = (struct sim_flow){
            .used = true, .src = *src, .dst = *dst, .sport = sport, .dport = dport, .challenged = -1
        };
        return flow;
    }
    return NULL;
}

/* ---- What arrives ---- */

/* A packet that may be answered with a reset or an ICMP error. */
static bool asks(const struct sim_packet *packet)
{
    if (packet->arp)
        return false;
    if (packet->proto == SIM_TCP && packet->frag_off == 0)
        return !(packet->flags & SIM_RST);
    return packet->fragment || packet->proto == SIM_UDP;
}

void sim_flow_heard(struct sim *sim, unsigned h, const struct sim_frame *frame)
{
    struct sim_packet packet;
    if (frame->corrupt) {
        sim->host[h].answerable++; /* a flipped bit may make it anything */
        return;
    }
    if (sim_packet_parse(&packet, frame->data, frame->len, !sim->plan.ip_only) != NULL)
        return;
    if (asks(&packet))
        sim->host[h].answerable++;
    if (packet.arp || packet.proto != SIM_TCP || packet.frag_off != 0 || frame->incarnation == 0)
        return;
    struct sim_flow *flow = sim_flow_find(sim, &packet, true);
    if (flow != NULL)
        sim_heard_segment(flow, &packet, frame->incarnation);
}

/* ---- What leaves ---- */

/* A connection's first word. A SYN with another ISS begins another connection on the same tuple. */
static void emit_syn(struct sim_flow *flow, const struct sim_packet *packet, bool cookie)
{
    if (!flow->syn || flow->iss != packet->seq) {
        if (!(cookie && flow->cookie))
            flow->incarnation++;
        flow->fin = flow->acked = flow->ts_sent = false;
        flow->iss = packet->seq;
        flow->max = packet->seq + 1;
        flow->challenged = -1;
        flow->end = NULL;
    }
    flow->syn = true;
    flow->cookie = cookie;
    flow->wscale_offered = packet->has_wscale;
    flow->wscale = packet->wscale;
    flow->ts = packet->has_ts;
    flow->sack = packet->sack_ok;
    struct sim_heard *heard = &flow->heard[0];
    if (heard->has_irs && !heard->edge_known) {
        heard->edge = packet->seq + 1 + heard->syn_window;
        heard->edge_known = true;
    }
}

/* The incarnation of the peer that a segment with this ACK speaks to; NULL if it acknowledges what
 * never arrived. */
static struct sim_heard *spoken_to(struct sim_flow *flow, uint32_t ack)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sim_heard *heard = &flow->heard[i];
        if (heard->incarnation == 0)
            continue;
        if (heard->overflow)
            return heard;
        if (heard->has_irs && before(heard->irs, ack) && sim_heard_all(heard, ack))
            return heard;
    }
    return NULL;
}

static bool is_scaled(const struct sim_flow *flow, const struct sim_heard *heard)
{
    return flow->wscale_offered && heard->wscale_offered;
}

struct emission {
    struct sim *sim;
    unsigned h;
    struct sim_flow *flow;
    struct sim_heard *heard;
    const struct sim_packet *packet;
    const uint8_t *data;
    const struct weir_out *out;
};

static void broken(const struct emission *e, const char *what, uint32_t seen, uint32_t bound)
{
    sim_fail(e->sim, "%s: %u, bound %u (host %u, ports %u>%u, seq %u, len %u, ack %u, %s)", what,
             seen, bound, e->h, e->packet->sport, e->packet->dport, e->packet->seq,
             e->packet->data_len, e->packet->ack, weir_why_text(e->out->why));
}

/* INV 16, 17, 18, 21: ACK numbers cover only what arrived and never go back; nor does the right
 * edge. */
static void check_ack(struct emission *e)
{
    struct sim_flow *flow = e->flow;
    const struct sim_packet *packet = e->packet;
    if (!(packet->flags & SIM_ACK))
        return;
    e->heard = spoken_to(flow, packet->ack);
    if (e->heard == NULL) {
        broken(e, "INV 21: acknowledges what never arrived", packet->ack, flow->heard[0].next);
        return;
    }
    if (flow->acked && before(packet->ack, flow->ack))
        broken(e, "INV 16: the ack number goes back", packet->ack, flow->ack);
    uint32_t window = packet->window;
    uint32_t unit = 1;
    if (!(packet->flags & SIM_SYN) && is_scaled(flow, e->heard)) {
        window <<= flow->wscale;
        unit <<= flow->wscale;
    }
    const uint32_t edge = packet->ack + window;
    /* Where a window cannot be said exactly in units of its scale, the edge may stand up to a unit
     * further left than it did (RFC 7323, 2.4; src/tcp/window.c says when). */
    if (flow->acked && before(edge + unit - 1, flow->edge))
        broken(e, "INV 17: the right edge goes back", edge, flow->edge);
    const uint32_t most = e->sim->plan.host[e->h].config.rcv_max;
    if (window > (most > 262144 ? most : 262144) + unit)
        broken(e, "INV 18: the window is larger than the buffer", window, most + unit);
    if (!flow->acked || before(flow->edge, edge))
        flow->edge = edge;
    flow->acked = true;
    flow->ack = packet->ack;
}

/* INV 4, 15: what is sent at a sequence number is what the program wrote there; nothing lies above
 * the FIN. */
static void check_content(struct emission *e)
{
    struct sim_flow *flow = e->flow;
    const struct sim_packet *packet = e->packet;
    const uint32_t end = packet->seq + packet->data_len;
    if (flow->fin && packet->data_len > 0 && before(flow->fin_seq, end))
        broken(e, "INV 15: octets beyond the fin", end, flow->fin_seq);
    if (packet->flags & SIM_FIN) {
        if (flow->fin && flow->fin_seq != end)
            broken(e, "INV 15: the fin moves", end, flow->fin_seq);
        if (before(end, flow->max) && !flow->fin)
            broken(e, "INV 15: a fin below what was sent", end, flow->max);
        flow->fin = true;
        flow->fin_seq = end;
    }
    if (packet->data_len == 0 || flow->end == NULL || e->out->why == WEIR_WHY_KEEPALIVE)
        return;
    const uint32_t offset = packet->seq - flow->iss - 1;
    if (offset + packet->data_len > flow->end->sent)
        broken(e, "INV 4: octets that the program did not write", offset + packet->data_len,
               flow->end->sent);
    const size_t wrong = sim_content_differs(e->sim, flow->end, offset, e->data + packet->data_off,
                                             packet->data_len);
    if (wrong < packet->data_len)
        broken(e, "INV 4: not what the program wrote, octet", offset + (uint32_t)wrong, offset);
}

/* INV 6: never beyond the furthest right edge the peer has offered, but for a probe of one octet.
 */
static void check_edge(const struct emission *e)
{
    const struct sim_packet *packet = e->packet;
    const uint32_t end = packet->seq + packet->data_len;
    if (packet->data_len == 0 || e->heard == NULL || !e->heard->edge_known)
        return;
    if (packet->data_len == 1 &&
        (e->out->why == WEIR_WHY_PROBE || e->out->why == WEIR_WHY_KEEPALIVE))
        return;
    const uint32_t edge = e->heard->edge;
    /* A probe taken for lost, or not cut off at the edge, is a retransmission of what the probe
     * sent. */
    if (before(edge, end) && before(e->flow->max, end))
        broken(e, "INV 6: beyond the peer's window", end, edge);
    else if (before(edge + 1, end))
        broken(e, "INV 6: beyond the peer's window", end, edge);
}

/* INV 12: no segment is larger than the peer said it may be, its options counted. */
static void check_size(const struct emission *e)
{
    const struct sim_packet *packet = e->packet;
    if (e->heard == NULL || packet->data_len == 0 || !e->heard->has_irs)
        return;
    const unsigned options = packet->data_off - packet->l4_off - 20;
    const unsigned size = e->out->gso_size != 0 ? e->out->gso_size : packet->data_len;
    if (size + options > e->heard->mss)
        broken(e, "INV 12: larger than the peer's mss", size + options, e->heard->mss);
}

/* INV 28, 29: options that were agreed are there, those that were not are not, and timestamps do
 * not go back. */
static void check_options(const struct emission *e)
{
    struct sim_flow *flow = e->flow;
    const struct sim_packet *packet = e->packet;
    if (packet->has_ts) {
        if (flow->ts_sent && before(packet->tsval, flow->tsval))
            broken(e, "INV 28: the timestamp goes back", packet->tsval, flow->tsval);
        flow->ts_sent = true;
        flow->tsval = packet->tsval;
    }
    if ((packet->flags & SIM_SYN) || e->heard == NULL || !e->heard->has_irs)
        return;
    const bool agreed = flow->ts && e->heard->ts;
    if (packet->has_ts != agreed && !(packet->flags & SIM_RST))
        broken(e, "INV 29: timestamps, present and agreed", packet->has_ts, agreed);
    if (packet->sack_count > 0 && !e->heard->sack)
        broken(e, "INV 29: sack blocks nobody permitted", packet->sack_count, 0);
    for (unsigned i = 0; i < packet->sack_count; i++) {
        const uint32_t start = packet->sack[i][0], end = packet->sack[i][1];
        if (!before(start, end) || !sim_heard_range(e->heard, start, end))
            broken(e, "INV 21: a sack block of what never arrived", start, end);
        if (i > 0 && !before(packet->ack, start))
            broken(e, "INV 21: a later sack block at or below the ack", start, packet->ack);
    }
}

/* INV 27. */
static void check_challenge(const struct emission *e)
{
    struct sim_flow *flow = e->flow;
    if (e->out->why != WEIR_WHY_ACK_CHALLENGE)
        return;
    if (flow->challenged >= 0 && e->sim->now - flow->challenged < CHALLENGE_GAP)
        broken(e, "INV 27: challenge acks too close, ms",
               (uint32_t)((e->sim->now - flow->challenged) / WEIR_MS), 500);
    flow->challenged = e->sim->now;
}

/* RFC 3168, 6.1: only new octets may be marked instead of dropped. */
static void check_marks(const struct emission *e)
{
    const uint16_t why = e->out->why;
    const bool fresh =
        why == WEIR_WHY_NEW_DATA || why == WEIR_WHY_NEW_PROBE || why == WEIR_WHY_NEW_TLP;
    if (e->packet->ecn != 0 && (!fresh || e->packet->data_len == 0))
        broken(e, "RFC 3168, 6.1: ECT on what is not new octets", e->packet->ecn, 0);
    if (e->packet->ecn == 1 || e->packet->ecn == 3)
        broken(e, "RFC 3168, 5: a host sends ECT(0)", e->packet->ecn, 2);
}

static void note_sent(struct sim_flow *flow, const struct sim_packet *packet)
{
    const uint32_t end = packet->seq + packet->data_len + (packet->flags & SIM_SYN ? 1u : 0) +
                         (packet->flags & SIM_FIN ? 1u : 0);
    /* What only stands at SND.NXT says nothing: a segment before it may have died waiting for a
     * neighbour. */
    if (end != packet->seq && before(flow->max, end))
        flow->max = end;
}

void sim_flow_emitted(struct sim *sim, unsigned h, const struct sim_packet *packet,
                      const uint8_t *data, const struct weir_out *out)
{
    struct sim_flow *flow = sim_flow_find(sim, packet, false);
    if (flow == NULL || out->why == WEIR_WHY_RST_REPLY)
        return;
    struct emission e = {
        .sim = sim, .h = h, .flow = flow, .packet = packet, .data = data, .out = out
    };
    if (packet->flags & SIM_RST)
        return; /* a connection's last word: its numbers may be those of the other side */
    if (packet->flags & SIM_SYN) {
        emit_syn(flow, packet, out->why == WEIR_WHY_SYN_COOKIE);
    } else if (flow->cookie) {
        /* Which of its cookies came back is seen from the first segment after it. */
        const bool behind = out->why == WEIR_WHY_KEEPALIVE || out->why == WEIR_WHY_PROBE;
        flow->iss = packet->seq - (behind ? 0 : 1);
        flow->max = flow->iss + 1;
        flow->cookie = false;
    }
    if (!flow->syn)
        return;
    check_ack(&e);
    check_content(&e);
    check_edge(&e);
    check_size(&e);
    check_options(&e);
    check_challenge(&e);
    check_marks(&e);
    note_sent(flow, packet);
}
