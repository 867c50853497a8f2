/* SPDX-License-Identifier: MIT */
#include "stack/ao.h"
#include "stack/auth.h"

/* Segments that belong to no connection: SYN-ACKs of half-open entries and of cookies, challenge
 * ACKs, what a small form has to say, and resets. They go as whole packets through ip, into the
 * ring of replies. */

/* Resets without a connection: this many a second in the long run, and a burst. A flood of stray
 * segments shall not become a flood of answers. */
#define RESET_GAP   (WEIR_SECOND / 10000)
#define RESET_BURST 1000

static uint16_t heads_of(const struct weir_ip *peer)
{
    return weir_ip_is_v4(peer) ? 40 : 60;
}

uint16_t path_mss_of(const struct weir_ip *peer, uint16_t mtu)
{
    return (uint16_t)(mtu - heads_of(peer));
}

uint16_t path_mtu_of(const struct weir_ip *peer, uint16_t path_mss)
{
    return (uint16_t)(path_mss + heads_of(peer));
}

uint16_t scope_of(const struct weir_ip *ip, unsigned iface)
{
    return ip_is_link_local(ip) ? (uint16_t)(iface + 1) : 0;
}

static void record_sent(struct weir *weir, const struct tcp_seg *seg, enum weir_why why)
{
    struct weir_record *record = trace_slot(&weir->trace, WEIR_TRACE_FLOW);
    *record = (struct weir_record){
        .when = weir->now,
        .conn = UINT32_MAX,
        .type = WEIR_REC_SEG_OUT,
        .flags = (uint8_t)seg->flags,
        .code = (uint16_t)why,
        .seq = seg->seq,
        .ack = seg->ack,
        .window = seg->wnd,
    };
    trace_publish(&weir->trace, WEIR_TRACE_FLOW);
}

void reply_segment(struct weir *weir, const struct flow *flow, unsigned iface,
                   const struct tcp_seg *seg, const struct tcp_opts *opts, enum weir_why why)
{
    WEIR_ASSERT(seg->len == 0);
    uint8_t head[TCP_HEAD_MAX];
    struct tcp_opts all = *opts;
    const bool is_signed = weir->key_count > 0 && auth_key(weir, flow) != NULL;
    const bool has_ao = ao_has(weir, flow);
    if (has_ao && (seg->flags & TCP_RST)) /* it could not be signed: of what connection? */
        return;
    if (is_signed || has_ao) {
        all.present |= has_ao ? TCP_OPT_AO : TCP_OPT_AUTH;
        all.present &= (uint16_t)~TCP_OPT_ACC; /* there is no room for both */
    }
    const struct ip_send send = {
        .src = flow->local,
        .dst = flow->peer,
        .scope_iface = scope_of(&flow->peer, iface),
        .proto = IP_PROTO_TCP,
        .dont_fragment = true,
        .why = why,
        .head = head,
        .head_len = (uint32_t)wire_tcp_emit(head, sizeof head, seg, &all),
        .csum_offset = TCP_CSUM_OFF,
    };
    WEIR_ASSERT(send.head_len > 0);
    if (has_ao)
        ao_sign_reply(weir, flow, seg, head, send.head_len);
    else if (is_signed)
        auth_sign(weir, flow, head, send.head_len, NULL, 0);
    /* What cannot be sent is a lost packet: whoever waits for it has a timer. ip has counted why.
     */
    if (ip_packet_send(&weir->ip, &send, weir->now) != WEIR_OK)
        return;
    weir->trace.count.segs_out++;
    record_sent(weir, seg, why);
}

static bool reset_allowed(struct weir *weir, weir_time now)
{
    if (weir->reset_at < now)
        weir->reset_at = now;
    if (weir->reset_at - now > RESET_BURST * RESET_GAP)
        return false;
    weir->reset_at += RESET_GAP;
    return true;
}

enum weir_drop reply_reset(struct weir *weir, const struct arrival *in, enum weir_drop why,
                           weir_time now)
{
    struct tcp_seg reset;
    if (!tcp_reset_reply(&in->seg, &reset))
        return why;
    if (!reset_allowed(weir, now))
        return WEIR_DROP_REPLY_RATE;
    const struct tcp_opts none = { 0 };
    reset.sport = in->flow.lport;
    reset.dport = in->flow.rport;
    reply_segment(weir, &in->flow, in->packet.iface, &reset, &none, WEIR_WHY_RST_REPLY);
    weir->trace.count.rsts_out++;
    return why;
}
