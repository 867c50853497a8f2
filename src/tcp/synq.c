/* SPDX-License-Identifier: MIT */
/* A passive open before the peer has proved that it hears us: SYN-RECEIVED in 64 octets
 * (architecture, 4). */
#include "tcp/small.h"
#include "tcp/tally.h"
#include "tcp/tcp.h"

#define SYNQ_GAP_MS 500 /* repeated answers and challenges to one peer */

static uint32_t promised(const struct tcp_host *host)
{
    return host->config->rcv_min < UINT16_MAX ? host->config->rcv_min : UINT16_MAX;
}

static uint32_t micros(const struct tcp_host *host, weir_time now)
{
    return (uint32_t)((now - host->epoch) / WEIR_US);
}

void tcp_synq_open(struct synq_entry *entry, const struct tcp_birth *birth,
                   const struct tcp_seg *syn, const struct tcp_opts *opts, weir_time now)
{
    const struct tcp_host *host = birth->host;
    const struct weir_config *config = host->config;
    entry->iss = birth->iss;
    entry->irs = syn->seq;
    entry->ts_recent = opts->tsval;
    entry->sent_us = micros(host, now);
    entry->peer_mss = (opts->present & TCP_OPT_MSS) && opts->mss != 0 ? opts->mss
                      : birth->v6                                     ? 1220
                                                                      : TCP_MSS_DEFAULT;
    entry->path_mss = birth->path_mss;
    entry->flags = 0;
    if (config->timestamps && (opts->present & TCP_OPT_TS))
        entry->flags |= SYNQ_TS;
    if (config->sack && (opts->present & TCP_OPT_SACK_OK))
        entry->flags |= SYNQ_SACK;
    if (config->wscale && (opts->present & TCP_OPT_WSCALE))
        entry->flags |= SYNQ_WS;
    entry->flags |= tcp_ecn_take_syn(host, syn);
    entry->snd_wscale = (opts->wscale > 14 ? 14u : opts->wscale) & 0xfu;
    entry->retries = 0;
    entry->challenge_ms = tcp_ms(host, now) - SYNQ_GAP_MS;
}

void tcp_synq_admit(struct synq_entry *entry, const struct tcp_host *host, weir_time now)
{
    entry->sent_us = micros(host, now);
}

static void answer_head(const struct synq_entry *entry, const struct tcp_host *host,
                        uint32_t ts_offset, weir_time now, struct tcp_reply *reply)
{
    struct tcp_seg *seg = &reply->seg;
    struct tcp_opts *opts = &reply->opts;
    *seg = (struct tcp_seg){
        .sport = entry->lport, .dport = entry->rport, .ack = entry->irs + 1, .flags = TCP_ACK
    };
    *opts = (struct tcp_opts){ 0 };
    seg->wnd = (uint16_t)promised(host);
    if (entry->flags & SYNQ_TS) {
        opts->present |= TCP_OPT_TS;
        opts->tsval = tcp_ms(host, now) + ts_offset;
        opts->tsecr = entry->ts_recent;
    }
}

void tcp_synq_answer(const struct synq_entry *entry, const struct tcp_host *host,
                     uint32_t ts_offset, uint16_t maxseg, weir_time now, struct tcp_reply *reply)
{
    struct tcp_seg *seg = &reply->seg;
    struct tcp_opts *opts = &reply->opts;
    answer_head(entry, host, ts_offset, now, reply);
    seg->seq = entry->iss;
    seg->flags |= TCP_SYN | tcp_ecn_syn_ack(entry->flags);
    opts->present |= TCP_OPT_MSS;
    opts->mss = maxseg != 0 && maxseg < entry->path_mss ? maxseg : entry->path_mss;
    if (entry->flags & SYNQ_WS) {
        opts->present |= TCP_OPT_WSCALE;
        opts->wscale = tcp_our_scale(host);
    }
    if (entry->flags & SYNQ_SACK)
        opts->present |= TCP_OPT_SACK_OK;
    /* Not again: a way that drops what it does not know shall let the second one through (RFC
     * 9768, 3.2.3.2.2). */
    if ((entry->flags & (SYNQ_ACCECN | SYNQ_RTX | SYNQ_FAST)) == SYNQ_ACCECN &&
        host->config->ecn_option != 0)
        tcp_marks_initial(opts);
}

void tcp_synq_challenge(const struct synq_entry *entry, const struct tcp_host *host,
                        uint32_t ts_offset, weir_time now, struct tcp_reply *reply)
{
    answer_head(entry, host, ts_offset, now, reply);
    reply->seg.seq = entry->iss + 1;
    if (entry->flags & SYNQ_WS)
        reply->seg.wnd = (uint16_t)(promised(host) >> tcp_our_scale(host));
}

/* Whether a repeated answer may go now; the time is noted. */
static bool may_repeat(struct synq_entry *entry, const struct tcp_host *host, weir_time now)
{
    const uint32_t ms = tcp_ms(host, now);
    if (ms - entry->challenge_ms < SYNQ_GAP_MS)
        return false;
    entry->challenge_ms = ms;
    return true;
}

static enum synq_verdict challenge(struct synq_entry *entry, const struct tcp_host *host,
                                   weir_time now)
{
    return may_repeat(entry, host, now) ? SYNQ_CHALLENGE : SYNQ_DROP;
}

static bool in_window(const struct synq_entry *entry, const struct tcp_host *host,
                      const struct tcp_seg *seg)
{
    const seq32 nxt = entry->irs + 1;
    const uint32_t len = tcp_seg_len(seg);
    if (len == 0) /* at the edge, too: arrive.c says why */
        return seq_in(seg->seq, nxt, promised(host)) ||
               (seg->seq == nxt + promised(host) && !(seg->flags & TCP_RST));
    return seq_in(seg->seq, nxt, promised(host)) ||
           seq_in(seg->seq + len - 1, nxt, promised(host)) || seq_in(nxt, seg->seq, len);
}

enum synq_verdict tcp_synq_arrives(struct synq_entry *entry, const struct tcp_host *host,
                                   const struct tcp_seg *seg, const struct tcp_opts *opts,
                                   weir_time now, enum weir_drop *why)
{
    const bool rst = seg->flags & TCP_RST;
    if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && seg->seq == entry->irs) {
        *why = WEIR_DROP_SYN_DUPLICATE;
        return may_repeat(entry, host, now) ? SYNQ_ANSWER : SYNQ_DROP;
    }
    if ((entry->flags & SYNQ_TS) && (opts->present & TCP_OPT_TS) && !rst &&
        seq_gt(entry->ts_recent, opts->tsval)) {
        *why = WEIR_DROP_PAWS;
        return challenge(entry, host, now);
    }
    if (!in_window(entry, host, seg)) {
        *why = rst ? WEIR_DROP_RST_WINDOW : WEIR_DROP_SEQ_WINDOW;
        return rst ? SYNQ_DROP : challenge(entry, host, now);
    }
    if (rst) {
        *why = seg->seq == entry->irs + 1 ? WEIR_DROP_RESET : WEIR_DROP_RST_INEXACT;
        return seg->seq == entry->irs + 1 ? SYNQ_DELETE : challenge(entry, host, now);
    }
    if (seg->flags & TCP_SYN) {
        *why = WEIR_DROP_SYN_OTHER;
        return challenge(entry, host, now);
    }
    if (!(seg->flags & TCP_ACK)) {
        *why = WEIR_DROP_NO_ACK;
        return SYNQ_DROP;
    }
    if (seg->ack != entry->iss + 1) {
        *why = WEIR_DROP_HANDSHAKE_ACK;
        return SYNQ_RESET;
    }
    *why = WEIR_DROP_NONE;
    return SYNQ_PROMOTE;
}

/* When the SYN-ACK was made, from its microseconds modulo 2^32. */
static weir_time made_at(const struct synq_entry *entry, const struct tcp_host *host, weir_time now)
{
    const uint32_t age = micros(host, now) - entry->sent_us;
    return now - age * WEIR_US;
}

enum weir_error tcp_synq_promote(const struct synq_entry *entry, struct tcb *tcb,
                                 const struct tcp_birth *birth, weir_time now)
{
    tcb_init(tcb, birth);
    if (!tcb_credit(tcb, tcb->rcv.space))
        return WEIR_NO_MEMORY;
    tcb->passive = true;
    tcb->irs = entry->irs;
    tcb->segs_in = 1; /* its SYN */
    tcb->snd.nxt = entry->iss + 1;
    tcb->rcv.nxt = tcb->rcv.read = tcb->rcv.acked = tcb->rcv.up = entry->irs + 1;
    tcb->rcv.edge = tcb->rcv.nxt + promised(birth->host);
    struct tcp_opts opts = { .present = TCP_OPT_MSS,
                             .mss = entry->peer_mss,
                             .wscale = entry->snd_wscale,
                             .tsval = entry->ts_recent };
    opts.present |= (entry->flags & SYNQ_TS) ? TCP_OPT_TS : 0;
    opts.present |= (entry->flags & SYNQ_SACK) ? TCP_OPT_SACK_OK : 0;
    opts.present |= (entry->flags & SYNQ_WS) ? TCP_OPT_WSCALE : 0;
    tcp_take_options(tcb, &opts);
    tcb->cc.cwnd = cc_initial_window(tcb->mss);
    if (entry->retries > 1 && entry->retries <= birth->host->config->synack_retries)
        tcb->cc.cwnd = tcb->mss; /* RFC 5681, 3.1: a SYN-ACK was lost; one may have been late */
    tcp_cc_start(tcb);
    tcp_ecn_promote(tcb, entry->flags);
    tcb->syn_rtx = entry->flags & SYNQ_RTX;
    tcb->ts_recent_age = tcp_age(birth->host, now);
    tcb_born(tcb, WEIR_SYN_RECEIVED, WEIR_CAUSE_PASSIVE, now);
    if (!(entry->flags & SYNQ_COOKIE)) /* the gap between challenge ACKs holds across promotion */
        tcb->challenge_ms = entry->challenge_ms;
    tcb->sent_at = made_at(entry, birth->host, now);
    if (entry->retries <= birth->host->config->synack_retries) {
        tcb->segs_rtx = entry->retries;
        tally_half_open(tcb, entry->retries, tcb->sent_at, now);
    }
    tcp_trace(tcb)->count.passive_opens++;
    tcp_settle(tcb, now);
    return WEIR_OK;
}
