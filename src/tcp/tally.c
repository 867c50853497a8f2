/* SPDX-License-Identifier: MIT */
#include "tcp/tally.h"

#include "tcp/runs.h"
#include "tcp/tcp.h"

#include <string.h>

#define ECHO_MAX_MS 120000 /* an older echo is none of ours */
#define RTT_GAIN    8      /* as RFC 6298, 2.3 */

static struct tcp_tally *need(struct tcb *tcb)
{
    if (tcb->tallied || tcb->index >= tcb->host->tally_count)
        return tcp_tally(tcb);
    tcb->tallied = true;
    struct tcp_tally *tally = tcp_tally(tcb);
    memset(tally, 0, sizeof *tally);
    tally->told.data_in_at = tally->told.data_out_at = tcb->since;
    tally->told.reordering = TALLY_REORDERING;
    return tally;
}

/* ---- Receiving ---- */

void tally_came(struct tcb *tcb, const struct tcp_seg *seg, uint32_t segments)
{
    struct tcp_tally *tally = seg->len > 0 ? need(tcb) : NULL;
    if (tally != NULL)
        tally->told.data_in += segments;
}

/* Without timestamps: a window takes a round trip at least, since its end is told of only when its
 * beginning has come. The least of them is the nearest. */
static void round_by_window(struct tcb *tcb, struct tcp_tally *tally, weir_time now)
{
    const uint32_t us = tcp_us(tcb->host, now);
    if (tally->window_us != 0) {
        if (seq_lt(tcb->rcv.nxt, tally->window_end))
            return;
        const uint32_t took = us - tally->window_us;
        if (tally->told.rcv_rtt_us == 0 || took < tally->told.rcv_rtt_us)
            tally->told.rcv_rtt_us = took > 0 ? took : 1;
    }
    tally->window_us = us | (us == 0);
    tally->window_end = seq_max(tcb->rcv.edge, tcb->rcv.nxt + 1);
}

static void round_by_echo(const struct tcb *tcb, struct tcp_tally *tally, const struct tcp_seg *seg,
                          const struct tcp_arrival *arrival)
{
    const uint32_t echo = arrival->opts->tsecr;
    if (echo == tally->window_echo || seg->len < tcb->rcv_mss)
        return;
    tally->window_echo = echo;
    const uint32_t ms = tcp_ms(tcb->host, arrival->when) + tcb->ts_offset - echo;
    if (ms == 0 || ms > ECHO_MAX_MS)
        return;
    uint32_t *rtt = &tally->told.rcv_rtt_us;
    const int32_t sample = (int32_t)(ms * 1000);
    *rtt = *rtt == 0 ? (uint32_t)sample
                     : (uint32_t)((int32_t)*rtt + (sample - (int32_t)*rtt) / RTT_GAIN);
}

void tally_text(struct tcb *tcb, const struct tcp_seg *seg, const struct tcp_arrival *arrival)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally == NULL || seg->seq != tcb->rcv.nxt)
        return;
    tally->told.data_in_at = arrival->now;
    if (tcb->ts_ok && (arrival->opts->present & TCP_OPT_TS))
        round_by_echo(tcb, tally, seg, arrival);
    else
        round_by_window(tcb, tally, arrival->now);
}

void tally_beyond(struct tcb *tcb, const struct tcp_seg *seg)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally != NULL)
        tally->told.beyond += seg->gso_size == 0 ? 1 : (seg->len - 1) / seg->gso_size + 1;
}

void tally_read(struct tcb *tcb, uint32_t octets)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally != NULL && octets > tally->told.rcv_space)
        tally->told.rcv_space = octets;
}

/* ---- Sending ---- */

void tally_left(struct tcb *tcb, uint32_t segments, weir_time now)
{
    struct tcp_tally *tally = need(tcb);
    if (tally == NULL)
        return;
    tally->told.data_out += segments;
    tally->told.data_out_at = now;
}

/* How far back something came that was sent once only, in segments. */
WEIR_COLD static void reordered(const struct tcb *tcb, struct weir_tally *told, seq32 low)
{
    const seq32 high = tcb_flight(tcb)->high_sacked;
    if (!seq_lt(low, high))
        return;
    const uint32_t segments = (high - low + tcb->mss - 1u) / tcb->mss;
    if (segments > told->reordering)
        told->reordering =
            (uint16_t)(segments < TALLY_REORDERING_MAX ? segments : TALLY_REORDERING_MAX);
    told->reorder_count++;
}

/* The last sample that nothing but the way limited, or the highest of those that were (as Linux).
 */
static void take_rate(struct weir_tally *told, const struct cc_rate *rate)
{
    if (!rate->valid || rate->rate == 0 || (rate->app_limited && rate->rate < told->delivery_rate))
        return;
    told->delivery_rate = rate->rate;
    told->app_limited = rate->app_limited;
}

/* A duplicate that the peer reports has arrived as well, if it was ever sent twice. */
WEIR_COLD static uint32_t take_dsack(const struct tcb *tcb, struct weir_tally *told,
                                     const struct tcp_sack_block *block)
{
    const uint32_t octets = block->right - block->left;
    if (octets > tcb->snd.wnd_max && octets > tcb->mss)
        return 0;
    const uint32_t segments = (octets + tcb->mss - 1u) / tcb->mss;
    told->dsack_dups += segments;
    return told->dsack_dups <= tcb->segs_rtx ? segments : 0;
}

void tally_acked(struct tcb *tcb, const struct sb_acked *acked)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally == NULL)
        return;
    struct weir_tally *told = &tally->told;
    const struct tcb_flight *flight = tcb_flight(tcb);
    uint32_t segments = acked->segments;
    if (acked->dsack)
        segments += take_dsack(tcb, told, &acked->dsack_block);
    told->delivered += segments;
    if (flight == NULL)
        return;
    if (acked->late)
        reordered(tcb, told, acked->late_low);
    if (flight->marked > 0 && tcb->ecn != 0)
        told->delivered_ce +=
            tcb->ecn & TCP_ECN_CLASSIC ? segments : (flight->marked + tcb->mss - 1u) / tcb->mss;
    take_rate(told, &flight->rate);
}

/* ---- Being busy ---- */

static enum weir_limit limit_of(const struct tcb *tcb)
{
    const uint32_t unsent = tcp_unsent(tcb);
    if (tcb->state == WEIR_CLOSED || !tcp_syn_acked(tcb) ||
        (unsent == 0 && tcp_outstanding(tcb) == 0 && tcb->waits_for == WEIR_WAIT_NOTHING))
        return WEIR_LIMIT_IDLE;
    if (tcb->waits_for == WEIR_WAIT_PEER_WINDOW)
        return WEIR_LIMIT_WINDOW;
    const bool open = tcb->state == WEIR_ESTABLISHED || tcb->state == WEIR_CLOSE_WAIT;
    if (unsent == 0 && open && !tcb->fin_queued && !tcb->cwnd_limited && !tcp_send_ready(tcb))
        return WEIR_LIMIT_BUFFER;
    return WEIR_LIMIT_BUSY;
}

static void set_limit(struct weir_tally *told, enum weir_limit limit, weir_time now)
{
    if (told->limit == limit)
        return;
    if (told->limit != WEIR_LIMIT_IDLE)
        told->limited[told->limit - 1] += now - told->limit_at;
    told->limit = (uint8_t)limit;
    told->limit_at = now;
}

void tally_limit(struct tcb *tcb, weir_time now)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    const enum weir_limit limit = limit_of(tcb);
    if (tally == NULL && limit != WEIR_LIMIT_IDLE) /* octets that a closed window holds back */
        tally = need(tcb);
    if (tally != NULL)
        set_limit(&tally->told, limit, now);
}

/* ---- Timeouts and states ---- */

void tally_timeout(struct tcb *tcb, bool first, weir_time now)
{
    struct tcp_tally *tally = need(tcb);
    if (tally == NULL)
        return;
    struct weir_tally *told = &tally->told;
    told->rto_count++;
    if (!first)
        return;
    told->rto_recoveries++;
    if (told->rto_at == 0)
        told->rto_at = now;
}

void tally_recovered(struct tcb *tcb, weir_time now)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally == NULL || tally->told.rto_at == 0)
        return;
    tally->told.rto_ms += (uint32_t)((now - tally->told.rto_at) / WEIR_MS);
    tally->told.rto_at = 0;
}

void tally_half_open(struct tcb *tcb, uint32_t timeouts, weir_time since, weir_time now)
{
    struct tcp_tally *tally = timeouts > 0 ? need(tcb) : NULL;
    if (tally == NULL)
        return;
    tally->told.rto_count = (uint16_t)timeouts;
    tally->told.rto_recoveries = 1;
    tally->told.rto_ms = (uint32_t)((now - since) / WEIR_MS);
}

void tally_event(struct tcb *tcb, uint8_t next, weir_time now)
{
    struct tcp_tally *tally = tcp_tally(tcb);
    if (tally == NULL && tcb->state == WEIR_ESTABLISHED && next != WEIR_CLOSED)
        tally = need(tcb); /* `since` is about to be forgotten */
    if (tally == NULL)
        return;
    if (next == WEIR_ESTABLISHED) {
        tally->told.data_in_at = tally->told.data_out_at = now;
        tally_recovered(tcb, now);
    } else if (next == WEIR_CLOSED) {
        set_limit(&tally->told, WEIR_LIMIT_IDLE, now);
    }
}

/* ---- Telling ---- */

static enum weir_ca ca_state(const struct tcb *tcb)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (tcb->recovery == TCP_LOSS || (tcb->state == WEIR_SYN_SENT && tcb->probes > 0))
        return WEIR_CA_LOSS;
    if (tcb->recovery == TCP_RECOVERY)
        return WEIR_CA_RECOVERY;
    if (flight == NULL)
        return WEIR_CA_OPEN;
    if (flight->cwr && seq_lt(tcb->snd.una, flight->cwr_point))
        return WEIR_CA_CWR;
    return (flight->sacked | flight->lost | flight->reno_sacked) != 0 ? WEIR_CA_DISORDER
                                                                      : WEIR_CA_OPEN;
}

/* The scoreboard keeps octets; whoever looks wants segments. */
static void count_segments(const struct tcb *tcb, struct weir_status *status)
{
    const struct tcb_flight *flight = tcb_flight(tcb);
    if (!tcp_syn_acked(tcb))
        status->unacked_segs = tcb->snd.nxt != tcb->iss;
    if (flight == NULL)
        return;
    const uint32_t count = sent_count(&flight->map);
    for (uint32_t i = 0; i < count; i++) {
        const struct sent *r = sent_at(&flight->map, &tcb->host->sent, i);
        const uint64_t live = run_all(r) & ~run_bits(0, run_below(r, tcb->snd.una));
        status->unacked_segs += run_count(live);
        status->sacked_segs += run_count(live & r->sacked);
        status->lost_segs += run_count(live & r->lost);
        status->rtx_segs += run_count(live & r->rtx);
    }
    status->sacked_segs += flight->reno_sacked / tcb->mss;
}

void tally_status(const struct tcb *tcb, struct weir_status *status)
{
    struct weir_tally *told = &status->tally;
    const struct tcp_tally *tally = tcp_tally(tcb);
    if (tally != NULL) {
        *told = tally->told;
    } else {
        told->data_in_at = told->data_out_at = tcb->since;
        told->reordering = TALLY_REORDERING;
    }
    told->delivered += tcp_syn_acked(tcb); /* our SYN, too */
    status->ca_state = (uint8_t)ca_state(tcb);
    status->retries = tcb->retries;
    status->path_mss = tcb->path_mss;
    status->rcv_space = tcb->rcv.space;
    status->offered = tcb->rcv.edge - tcb->rcv.acked;
    count_segments(tcb, status);
}
