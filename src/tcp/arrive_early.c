/* SPDX-License-Identifier: MIT */
/* Segment arrives in SYN-SENT: RFC 9293, 3.10.7.3. */
#include "tcp/fastopen.h"
#include "tcp/tcp.h"

#define SYN_AGAIN (8 * WEIR_MS) /* for a reset to arrive before it */

/* What the peer's SYN says about itself. Options that it does not offer are off for good. */
void tcp_take_options(struct tcb *tcb, const struct tcp_opts *opts)
{
    const struct weir_config *config = tcb->host->config;
    if (opts->present & TCP_OPT_MSS)
        tcb->peer_mss = opts->mss == 0 ? tcb->peer_mss : opts->mss;
    tcb->ts_ok = config->timestamps && (opts->present & TCP_OPT_TS);
    tcb->sack_ok = config->sack && (opts->present & TCP_OPT_SACK_OK);
    tcb->ws_ok = config->wscale && (opts->present & TCP_OPT_WSCALE);
    /* RFC 7323, 2.3 */
    tcb->snd_wscale = (!tcb->ws_ok ? 0u : opts->wscale > 14 ? 14u : opts->wscale) & 0xfu;
    if (!tcb->ws_ok)
        tcb->rcv_wscale = 0;
    if (tcb->ts_ok)
        tcb->ts_recent = opts->tsval;
    tcp_uto_arrives(tcb, opts);
    tcp_mss_update(tcb);
    tcb->rcv_mss = tcb->mss < TCP_MSS_DEFAULT ? tcb->mss : TCP_MSS_DEFAULT;
}

static void take_syn(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_opts *opts,
                     weir_time now)
{
    tcb->irs = seg->seq;
    tcb->rcv.nxt = tcb->rcv.read = tcb->rcv.acked = tcb->rcv.up = seg->seq + 1;
    /* The window of our SYN was a promise relative to what we did not know yet. */
    const uint32_t promised = tcb->rcv.space < UINT16_MAX ? tcb->rcv.space : UINT16_MAX;
    tcb->rcv.edge = tcb->rcv.nxt + promised;
    tcp_take_options(tcb, opts);
    tcb->ts_recent_age = tcp_age(tcb->host, now);
    tcb->rcvd_at = now;
    tcb->cc.cwnd = cc_initial_window(tcb->mss);
    if (tcb->syn_rtx && tcb->backoff > 0)
        tcb->cc.cwnd = tcb->mss; /* RFC 5681, 3.1: a SYN that was lost begins with one segment */
    /* RFC 9293, 3.10.7.3: the window of a SYN is not scaled. */
    tcb->snd.wnd = tcb->snd.wnd_max = seg->wnd;
    tcb->snd.wl1 = seg->seq;
    tcb->snd.wl2 = seg->ack;
}

/* Whether a SYN-ACK echoes a timestamp that none of our SYNs can have had: it is for another one
 * (as Linux). */
static bool echoes_another(const struct tcb *tcb, const struct tcp_opts *opts, weir_time now)
{
    if (!tcb->host->config->timestamps || !(opts->present & TCP_OPT_TS) || opts->tsecr == 0)
        return false;
    const uint32_t first = tcp_ms(tcb->host, tcb->since) + tcb->ts_offset;
    return opts->tsecr - first > tcp_ms(tcb->host, now) - tcp_ms(tcb->host, tcb->since);
}

enum weir_drop tcp_arrives_syn_sent(struct tcb *tcb, const struct tcp_seg *seg,
                                    const struct tcp_opts *opts, weir_time when, weir_time now)
{
    const bool acks = seg->flags & TCP_ACK;
    const bool acks_syn = acks && tcp_fast_acks(tcb, seg->ack);

    /* First, check the ACK bit. */
    if (acks && !acks_syn) {
        /* Half of an older connection (RFC 9293, 3.5.1), which our reset ends: then the SYN. */
        if (tcb->probes == 0 && tcp_fast_text(tcb) == 0 && tcb->rtx_at > now + SYN_AGAIN)
            tcb->rtx_at = now + SYN_AGAIN;
        return (seg->flags & TCP_RST) ? WEIR_DROP_ACK_UNACCEPTABLE : WEIR_DROP_HANDSHAKE_ACK;
    }

    /* Second, check the RST bit. */
    if (seg->flags & TCP_RST) {
        if (!acks_syn)
            return WEIR_DROP_RST_NO_ACK;
        tcp_trace(tcb)->count.attempt_fails++;
        tcp_abort(tcb, WEIR_CAUSE_RESET, WEIR_REFUSED, now);
        return WEIR_DROP_RESET;
    }

    /* Fourth, check the SYN bit; fifth, if neither SYN nor RST, drop. */
    if (!(seg->flags & TCP_SYN))
        return WEIR_DROP_SYN_SENT_SILENT;
    if (acks && echoes_another(tcb, opts, now))
        return WEIR_DROP_HANDSHAKE_ACK;
    take_syn(tcb, seg, opts, now);
    if (!acks_syn) {
        tcb->fast = tcp_fast_text(tcb) > 0; /* it may yet be acknowledged, but is not sent again */
        tcb->rcv.fin = 0;
        tcb->ecn = 0; /* two that ask at once do not agree on anything */
        tcp_event(tcb, TCP_EV_RCV_SYN, WEIR_CAUSE_RCV_SYN, now);
        tcb->due |= TCP_DUE_SYN;
        tcb->syn_rtx = true; /* which of our two SYNs is acknowledged later cannot be told */
        return WEIR_DROP_NONE;
    }
    tcp_ecn_answered(tcb, seg, opts);
    struct tcp_seg rest = *seg;
    rest.flags &= (uint16_t)~TCP_SYN;
    rest.seq++;
    const struct tcp_arrival arrival = { .opts = opts, .when = when, .now = now, .text = true };
    tcp_syn_acked_now(tcb, &rest, &arrival);
    tcp_fast_acked(tcb, seg->ack, now);
    tcp_owe_ack(tcb, WEIR_WHY_ACK);
    enum weir_drop verdict = WEIR_DROP_NONE;
    if (rest.len > 0) {
        const uint32_t room = tcb->rcv.edge - rest.seq;
        if (rest.len > room) {
            rest.len = room;
            rest.flags &= (uint16_t)~TCP_FIN;
        }
        verdict = tcp_text_arrives(tcb, &rest, now);
    }
    if (rest.flags & TCP_FIN && tcb->state != WEIR_CLOSED)
        tcp_fin_arrives(tcb, &rest, now);
    return verdict;
}
