/* SPDX-License-Identifier: MIT */
#include "base/csum.h"
#include "stack/ao.h"
#include "stack/auth.h"
#include "stack/fastopen.h"

/* Frames in, in three stages over up to INPUT_BATCH of them: parse and hash all; handle one after
 * the other, in their order; and a few ahead of that, look where the connection of each should be
 * and have the machine fetch it. One frame at a time, a million connections would cost several
 * misses a segment.
 *
 * The second stage is a hint only: the third looks up again, so a frame that changes the table is
 * seen by those after it. */

void record_segment(struct weir *weir, const struct arrival *in, uint32_t conn, enum weir_drop drop)
{
    const struct tcp_seg *seg = &in->seg;
    struct weir_record *record = trace_slot(&weir->trace, WEIR_TRACE_FLOW);
    *record = (struct weir_record){
        .when = in->packet.when,
        .conn = conn,
        .type = WEIR_REC_SEG_IN,
        .flags = (uint8_t)seg->flags,
        .code = (uint16_t)drop,
        .seq = seg->seq,
        .ack = seg->ack,
        .value = seg->len,
        .window = seg->wnd,
    };
    trace_publish(&weir->trace, WEIR_TRACE_FLOW);
}

/* ---- stage 1 ---- */

static enum weir_drop tcp_prepare(struct weir *weir, struct arrival *in)
{
    const struct ip_packet *packet = &in->packet;
    if (wire_tcp_parse(packet->payload, packet->len, &in->seg, &in->opts) != WIRE_OK)
        return WEIR_DROP_TCP_BAD;
    if (!packet->csum_ok) {
        const csum32 pseudo = ip_pseudo_sum(&packet->src, &packet->dst, IP_PROTO_TCP, packet->len);
        if (csum_fold(csum_add(pseudo, packet->payload, packet->len)) != 0)
            return WEIR_DROP_TCP_CSUM;
    }
    struct tcp_seg *seg = &in->seg;
    /* RFC 9293 MUST-57, MUST-63. What came from a wire has no group for its source: ip has seen to
     * that. */
    if (packet->group || (packet->loopback && ip_is_group(&weir->ip, &packet->src)))
        return WEIR_DROP_TCP_GROUP;
    if (seg->sport == 0 || seg->dport == 0)
        return WEIR_DROP_TCP_PORT_ZERO;
    /* From a wire this cannot be; a connection with itself never leaves us. */
    if (!packet->loopback && seg->sport == seg->dport && weir_ip_equal(&packet->src, &packet->dst))
        return WEIR_DROP_TCP_LAND;

    seg->ecn = packet->tos & ECN_CE;
    seg->gso_size = packet->gso_size != 0 && seg->len > packet->gso_size ? packet->gso_size : 0;
    in->flow = (struct flow){ packet->dst, packet->src, seg->dport, seg->sport,
                              scope_of(&packet->src, packet->iface) };
    if (weir->key_count > 0 || (in->opts.present & TCP_OPT_AUTH)) {
        const enum weir_drop bad = auth_check(weir, in, packet->payload);
        if (bad != WEIR_DROP_NONE)
            return bad;
    }
    in->hash = flow_hash(weir, &in->flow);
    demux_prefetch(&weir->flows, in->hash);
    return WEIR_DROP_NONE;
}

void input_prepare(struct weir *weir, struct arrival *in)
{
    in->conn = UINT32_MAX;
    if (in->drop != WEIR_DROP_NONE || in->packet.kind != IP_TCP)
        return;
    in->drop = tcp_prepare(weir, in);
    /* Nothing of a segment that failed here is recorded as if it were one. */
    if (in->drop != WEIR_DROP_NONE)
        in->packet.kind = IP_CONSUMED;
}

/* ---- stage 3 ---- */

/* A longer segment than the path was thought to take has arrived: that is true for all who go
 * there. */
static void path_found(struct weir *weir, struct conn *conn, weir_time now)
{
    const uint16_t path_mss = tcp_path_found(&conn->tcb);
    if (path_mss == 0)
        return;
    conn->path.mtu = path_mtu_of(&conn->peer, path_mss);
    ip_pmtu_raise(&weir->ip, &conn->peer, conn->path.mtu, now);
}

static enum weir_drop conn_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                                   weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    if (in->packet.ttl < conn->watch.min_ttl)
        return WEIR_DROP_TCP_MIN_TTL;
    struct tcb *tcb = &conn->tcb;
    const seq32 una = tcb->snd.una, up = tcb->rcv.up;
    const bool fast = tcb->fast && tcb->state == WEIR_SYN_SENT;
    const struct fast_syn syn = fast ? fast_sent(tcb) : (struct fast_syn){ 0 };
    tcb->reopen = tcb->state == WEIR_TIME_WAIT && listener_takes(weir, in);
    const enum weir_drop drop = tcp_segment_arrives(tcb, &in->seg, &in->opts, in->packet.when, now);
    if (tcb->rcv_urg && tcb->rcv.up != up) /* RFC 9293 MUST-32: told again when it advances */
        conn->watch.reported &= (uint8_t)~WEIR_URGENT;
    if (drop == WEIR_DROP_REOPEN) {
        const seq32 floor = tcp_reopen_floor(tcb);
        conn_settle(weir, index, now);
        return listener_arrives(weir, in, &floor, now);
    }
    if (fast && !tcb->fast && tcb->state >= WEIR_ESTABLISHED && tcb->state != WEIR_CLOSED)
        fast_learn(weir, conn, &syn, &in->opts, now);
    if (tcb->extra != 0)
        path_found(weir, conn, now);
    if (tcb->snd.una != una)
        ip_path_confirm(&weir->ip, &conn->path, now);
    conn_settle(weir, index, now);
    if (drop == WEIR_DROP_HANDSHAKE_ACK) /* RFC 9293, 3.10.7.3 first, 3.10.7.4 fifth */
        return reply_reset(weir, in, drop, now);
    return drop;
}

static uint32_t pieces(const struct tcp_seg *seg)
{
    return seg->gso_size == 0 ? 1 : (seg->len + seg->gso_size - 1) / seg->gso_size;
}

static enum weir_drop tcp_arrives(struct weir *weir, struct arrival *in, weir_time now)
{
    struct weir_counters *count = &weir->trace.count;
    count->segs_in += pieces(&in->seg);
    if (in->seg.flags & TCP_RST)
        count->rsts_in++;

    const uint32_t ref = flow_find(weir, &in->flow, in->hash);
    const uint32_t index = flow_ref_index(ref);
    if (weir->ao_count > 0 || (in->opts.present & TCP_OPT_AO)) {
        const enum weir_drop bad = ao_check(weir, in, ref);
        if (bad != WEIR_DROP_NONE)
            return bad;
    }
    enum weir_drop drop;
    switch (ref == DEMUX_NONE ? 0 : flow_ref_tag(ref)) {
    case FLOW_CONN:
        in->conn = index;
        drop = conn_arrives(weir, index, in, now);
        break;
    case FLOW_SYNQ:
        drop = synq_arrives(weir, index, in, now);
        break;
    case FLOW_TW:
        drop = tw_arrives(weir, index, in, now);
        break;
    default:
        drop = listener_arrives(weir, in, NULL, now);
    }
    record_segment(weir, in, in->conn, drop);
    return drop;
}

static enum weir_drop dispatch(struct weir *weir, struct arrival *in, weir_time now)
{
    switch (in->packet.kind) {
    case IP_TCP:
        return tcp_arrives(weir, in, now);
    case IP_UDP:
        return udp_arrives(weir, &in->packet, now);
    case IP_ICMP_ERROR:
        return icmp_error_arrives(weir, &in->packet, now);
    case IP_ECHO_REPLY:
        return echo_arrives(weir, &in->packet);
    case IP_CONSUMED:
        break;
    }
    return WEIR_DROP_NONE;
}

void input_packet(struct weir *weir, struct arrival *in, weir_time now)
{
    if (in->drop == WEIR_DROP_NONE)
        in->drop = dispatch(weir, in, now);
    if (in->drop == WEIR_DROP_NONE) {
        weir->trace.count.used_in++;
        return;
    }
    const bool segment = in->packet.kind == IP_TCP;
    const struct tcp_seg *seg = &in->seg;
    trace_drop(&weir->trace, now, in->drop,
               &(struct weir_record){ .conn = in->conn,
                                      .flags = segment ? (uint8_t)seg->flags : 0,
                                      .seq = segment ? seg->seq : 0,
                                      .ack = segment ? seg->ack : 0,
                                      .value = segment ? seg->len : 0 });
}

/* How many of `count` frames were taken in: at most INPUT_BATCH, and none after one that was put
 * together from fragments, for its octets are gone with the next frame. */
static size_t take_batch(struct weir *weir, unsigned iface, const struct weir_frame *frames,
                         size_t count, weir_time now)
{
    size_t taken = 0;
    bool last = false;
    while (taken < count && taken < INPUT_BATCH && !last) {
        const struct weir_frame *frame = &frames[taken];
        struct arrival *in = &weir->arrival[taken++];
        weir->trace.count.frames_in++;
        weir->trace.count.octets_in += frame->len;
        in->packet.kind = IP_CONSUMED;
        const bool landed = frame->landed > 0 && landing_take(weir, iface, frame);
        in->drop = ip_frame_arrives(&weir->ip, iface, frame, now, &in->packet);
        if (in->drop != WEIR_DROP_NONE)
            in->packet.kind = IP_CONSUMED;
        last = in->drop == WEIR_DROP_NONE && in->packet.reassembled;
        input_prepare(weir, in);
        in->seg.landed = landed;
    }
    return taken;
}

/* A few segments ahead: what the memory needs for their connections passes while others are worked
 * on. All of a batch at once would have the processor wait for the memory, and the cache lose the
 * last ones. */
#define PREFETCH_AHEAD 4

static void prefetch(const struct weir *weir, const struct arrival *in)
{
    if (in->packet.kind == IP_TCP)
        flow_prefetch(weir, in->hash, in->seg.len > 0);
}

void weir_input(struct weir *weir, unsigned iface, const struct weir_frame *frames, size_t count,
                weir_time now)
{
    weir->now = now;
    ip_call_begins(&weir->ip);
    room_forget(weir);
    while (count > 0) {
        const size_t taken = take_batch(weir, iface, frames, count, now);
        if (taken > 1)
            for (size_t i = 0; i < PREFETCH_AHEAD && i < taken; i++)
                prefetch(weir, &weir->arrival[i]);
        for (size_t i = 0; i < taken; i++) {
            if (i + PREFETCH_AHEAD < taken)
                prefetch(weir, &weir->arrival[i + PREFETCH_AHEAD]);
            struct arrival *in = &weir->arrival[i];
            input_packet(weir, in, now);
            if (in->packet.kind == IP_TCP && in->seg.len >= weir->config.landing_min)
                landing_learn(weir, iface, &frames[i], in);
        }
        frames += taken;
        count -= taken;
    }
    output_wake_told(weir, now);
    if (weir->config.verify)
        weir_check(weir);
}
