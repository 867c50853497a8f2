/* SPDX-License-Identifier: MIT */
/* Step 5 of RFC 9293, 3.10.7.4, once the ACK is acceptable: what it acknowledges, what it says of
 * the window, what SACK blocks say. */
#include "tcp/fastopen.h"
#include "tcp/tally.h"
#include "tcp/tcp.h"

#define RENEGE_WAIT (10 * WEIR_MS)

/* ---- Our SYN ---- */

void tcp_syn_acked_now(struct tcb *tcb, const struct tcp_seg *seg,
                       const struct tcp_arrival *arrival)
{
    WEIR_ASSERT(!tcp_syn_acked(tcb));
    /* A server that has answered by Fast Open has sent something since its SYN-ACK. */
    const uint32_t text = tcp_fast_text(tcb);
    const bool ahead = tcb->passive && text > 0;
    tcb->snd.una = tcb->iss + 1;
    if (text == 0)
        tcb->snd.sml = tcb->snd.up = tcb->snd.una;
    if (!tcb->syn_rtx) {
        tcp_rtt_sample(tcb, arrival->when - (ahead ? tcb->since : tcb->sent_at), arrival->now);
    } else if (tcb->ts_ok && (arrival->opts->present & TCP_OPT_TS)) {
        const uint32_t ms =
            tcp_ms(tcb->host, arrival->when) + tcb->ts_offset - arrival->opts->tsecr;
        if (ms < 120000)
            tcp_rtt_sample(tcb, ms * WEIR_MS, arrival->now);
    } else {
        tcb->rto = tcb->host->config->rto_initial * 3; /* RFC 6298, 5.7 */
    }
    if (tcb->host->config->mtu_probing >= TCP_PROBING_ALWAYS && tcb->sack_ok)
        tcp_search_start(tcb, arrival->now);
    tcb->backoff = tcb->retries = 0;
    tcb->probes = 0;
    tcb->user_at = WEIR_NEVER;
    tcb->due |= TCP_DUE_DATA;
    if (ahead) /* until now the timeout was about the SYN-ACK */
        tcp_rtx_restart(tcb, arrival->now);
    /* In a SYN-ACK the window was taken already and is not scaled; in an ACK (SYN-RECEIVED) this is
     * the first scaled one. */
    if (tcb->state == WEIR_SYN_RECEIVED || tcb->state == WEIR_FIN_WAIT_1) {
        tcb->snd.wnd = (uint32_t)seg->wnd << tcb->snd_wscale;
        if (tcb->snd.wnd > tcb->snd.wnd_max)
            tcb->snd.wnd_max = tcb->snd.wnd;
        tcb->snd.wl1 = seg->seq;
        tcb->snd.wl2 = seg->ack;
    }
    if (tcb->state <= WEIR_SYN_RECEIVED) {
        tcp_event(tcb, TCP_EV_SYN_ACKED, WEIR_CAUSE_SYN_ACKED, arrival->now);
        if (tcb->fin_queued) /* CLOSE came before the handshake was through: CLOSE_QUEUED */
            tcp_event(tcb, TCP_EV_CLOSE, WEIR_CAUSE_CLOSE, arrival->now);
    }
}

/* ---- Octets ---- */

/* RFC 7323, 4.3: the echo of our timestamp, where the records cannot say (Karn). It is in
 * milliseconds, so it is the second choice. */
static weir_time rtt_of(const struct tcb *tcb, const struct sb_acked *acked,
                        const struct tcp_arrival *arrival)
{
    if (acked->rtt_at != WEIR_NEVER)
        return arrival->when - acked->rtt_at;
    if (acked->octets == 0 || !tcb->ts_ok || !(arrival->opts->present & TCP_OPT_TS) ||
        arrival->opts->tsecr == 0)
        return -1;
    const uint32_t ms = tcp_ms(tcb->host, arrival->when) + tcb->ts_offset - arrival->opts->tsecr;
    return ms < 120000 ? ms * WEIR_MS : -1;
}

/* SND.UNA moves to `ack`: what lies below leaves the map and the ring. */
static void advance(struct tcb *tcb, seq32 ack, struct sb_acked *acked)
{
    sb_ack(tcb, ack, acked);
    tcb->snd.una = ack;
    if (seq_lt(ack, tcb->iss))
        tcb->una_far = true;
    const seq32 text_end = seq_min(ack, tcb->snd.end);
    ring_drop_before(tcb->host->rings, &tcb->snd_ring, text_end);
    if (seq_geq(ack, tcb->snd.end))
        ring_clear(tcb->host->rings, &tcb->snd_ring);
    if (tcb->snd_urg && seq_geq(ack, tcb->snd.up))
        tcb->snd_urg = false;
    if (seq_lt(tcb->snd.sml, ack))
        tcb->snd.sml = ack;
    tcb->retries = 0; /* `backoff` stays until there is a sample: RFC 6298, 5, as Karn has it */
    tcb->soft_error = WEIR_OK; /* something got through: what was said of the way is old */
    tcb->user_at = WEIR_NEVER;
}

/* The window is taken from a segment that is newer than the last one it was taken from (RFC
 * 9293, 3.10.7.4: SND.WL1, SND.WL2).
 *
 * DEVIATION: also from one that acknowledges something new. A retransmission may do so with an old
 * sequence number; the RFC would then keep the old window and count it from the new SND.UNA, beyond
 * the peer's right edge. Nothing older than a new ACK can be in it. */
static bool update_window(struct tcb *tcb, const struct tcp_seg *seg, bool forward, weir_time now)
{
    const bool newer = forward || seq_lt(tcb->snd.wl1, seg->seq) ||
                       (tcb->snd.wl1 == seg->seq && seq_leq(tcb->snd.wl2, seg->ack));
    if (!newer)
        return false;
    const uint32_t wnd = (uint32_t)seg->wnd << tcb->snd_wscale;
    const bool changed = wnd != tcb->snd.wnd;
    tcb->snd.wl1 = seg->seq;
    tcb->snd.wl2 = seg->ack;
    if (!changed)
        return false;
    if ((wnd == 0) != tcb->peer_zero) {
        tcb->peer_zero = wnd == 0;
        trace_story(tcp_trace(tcb), &(struct weir_record){ .when = now,
                                                           .type = WEIR_REC_WINDOW,
                                                           .conn = tcb->index,
                                                           .flags = tcb->peer_zero,
                                                           .code = tcb->state,
                                                           .seq = seg->seq,
                                                           .ack = seg->ack,
                                                           .value = wnd });
    }
    if (wnd > tcb->snd.wnd) {
        tcb->due |= TCP_DUE_DATA;
        if (tcp_unsent(tcb) > 0) /* a closed window is a silence, too */
            tcp_restart_after_idle(tcb, now);
    }
    /* While the window was closed each retransmission was a probe: it begins to count now. */
    if (tcb->snd.wnd == 0 && tcb->rtx_kind == TCP_RTX_RTX) {
        tcb->backoff = tcb->retries = 0;
        tcp_rtx_restart(tcb, now);
    }
    tcb->snd.wnd = wnd;
    if (wnd > tcb->snd.wnd_max)
        tcb->snd.wnd_max = wnd;
    return true;
}

/* The FIN counts as acknowledged only once it was sent. */
static void check_fin_acked(struct tcb *tcb, weir_time now)
{
    if (!tcp_fin_sent(tcb) || tcb->snd.una != tcb->snd.nxt)
        return;
    if (tcb->state == WEIR_FIN_WAIT_1 || tcb->state == WEIR_CLOSING || tcb->state == WEIR_LAST_ACK)
        tcp_event(tcb, TCP_EV_FIN_ACKED, WEIR_CAUSE_FIN_ACKED, now);
}

static void acked_init(const struct tcb *tcb, const struct tcp_arrival *arrival,
                       struct sb_acked *acked)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    const struct tcp_opts *opts = arrival->opts;
    *acked = (struct sb_acked){
        .when = arrival->when,
        .tsecr = opts->tsecr,
        .echo = tcb->ts_ok && (opts->present & TCP_OPT_TS) && opts->tsecr != 0,
        .una = tcb->snd.una,
        .fack = flight != NULL ? flight->high_sacked : tcb->snd.una,
        .rtt_at = WEIR_NEVER,
        .rack_at = WEIR_NEVER,
    };
}

/* RFC 6298, 5.3: what is new restarts the timeout (tcp_settle stops it if nothing is left), and RFC
 * 8985, 7.2: the probe. A peer that has thrown away what it had sacked (RFC 2018, 8) is given half
 * a round trip to say otherwise, as Linux does, and then all goes again. */
static void set_timers(struct tcb *tcb, bool forward, weir_time now)
{
    if (forward)
        tcp_rtx_restart(tcb, now);
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL)
        return;
    tlp_schedule(tcb, flight, now);
    if (!sb_reneged(tcb))
        return;
    const weir_time half = tcb->srtt / 2 > RENEGE_WAIT ? tcb->srtt / 2 : RENEGE_WAIT;
    if (now + half < flight->rto_at)
        flight->rto_at = now + half;
}

/* As Linux: what said that more follows holds until something is heard. */
static void let_go_held(struct tcb *tcb)
{
    if (!tcb->held)
        return;
    tcb->held = false;
    tcb->due |= TCP_DUE_DATA;
}

/* While the window is closed, what is heard answers the probe and delays the next, as on Linux. */
static void probe_answered(struct tcb *tcb, weir_time now)
{
    if (tcb->rtx_kind == TCP_RTX_PERSIST && tcb->snd.wnd == 0)
        tcb->due &= (uint8_t)~TCP_DUE_PROBE;
    if (tcb->rtx_kind == TCP_RTX_PERSIST && !(tcb->due & TCP_DUE_PROBE))
        tcb->rtx_at = now + tcp_rto_backed_off(tcb);
}

/* Nothing is in flight, and no ranges are kept or told of: all that the ACK of such a segment can
 * say is what the window is, and how many marks there were. Who only receives hears nothing else.
 */
static bool says_nothing(const struct tcb *tcb, const struct tcp_seg *seg,
                         const struct tcp_arrival *arrival)
{
    return tcb->flight == POOL_NONE && seg->ack == tcb->snd.una && seg->ack == tcb->snd.nxt &&
           !(arrival->opts->present & TCP_OPT_SACK);
}

void tcp_ack_arrives(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_arrival *arrival)
{
    if (says_nothing(tcb, seg, arrival)) {
        (void)!update_window(tcb, seg, false, arrival->now);
        let_go_held(tcb);
        tcp_ecn_told(tcb, seg, arrival->opts, 0, arrival->now);
        probe_answered(tcb, arrival->now);
        return;
    }
    const seq32 una = tcb->snd.una;
    const seq32 ack = seg->ack;
    struct sb_acked acked;
    acked_init(tcb, arrival, &acked);
    const bool forward = seq_gt(ack, una);
    if (forward)
        advance(tcb, ack, &acked);
    sb_sack(tcb, arrival->opts, seq_max(ack, una), &acked);
    if (acked.dsack && tcb->dsack_count < UINT16_MAX)
        tcb->dsack_count++;
    const bool window = !seq_lt(ack, una) && update_window(tcb, seg, forward, arrival->now);
    let_go_held(tcb);

    /* RFC 5681, 2, and RFC 6675: a duplicate carries nothing, changes nothing, and something is
     * outstanding. */
    const bool dup =
        !forward && ack == una && !arrival->text && !window && tcp_outstanding(tcb) > 0;
    if (dup && tcb->dupacks_in < UINT16_MAX)
        tcb->dupacks_in++;
    const weir_time rtt = rtt_of(tcb, &acked, arrival);
    if (rtt >= 0)
        tcp_rtt_sample(tcb, rtt, arrival->now);
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight != NULL)
        rate_sample(tcb, flight, &acked.newest, arrival->now);
    tcp_ecn_told(tcb, seg, arrival->opts, acked.octets + acked.sacked, arrival->now);
    tally_acked(tcb, &acked);
    tcp_recovery_ack(tcb, &acked, dup, rtt, arrival->now);
    if (flight != NULL && tcp_cc_own(tcb) && (forward || acked.sacked > 0 || dup))
        tcp_cc_acked(tcb, flight, acked.octets + acked.sacked, rtt, arrival->now);
    if (forward || acked.sacked > 0 || dup)
        tcb->due |= TCP_DUE_DATA | TCP_DUE_RTX;
    if (forward || acked.sacked > 0)
        set_timers(tcb, forward, arrival->now);
    if (forward && tcb->extra != 0)
        tcp_extra_acked(tcb, arrival->now);
    if (forward)
        check_fin_acked(tcb, arrival->now);
    probe_answered(tcb, arrival->now);
}
