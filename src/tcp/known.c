/* SPDX-License-Identifier: MIT */
#include "tcp/known.h"

#include "tcp/tcp.h"

void tcp_known_recall(struct tcb *tcb, const struct tcp_known *known)
{
    const struct weir_config *config = tcb->host->config;
    if (!known->measured)
        return;
    const weir_time srtt = known->srtt_us * WEIR_US;
    /* The SYN was short and alone; segments may take longer. The next sample says better. */
    if (tcb->srtt > 0 && srtt > tcb->srtt) {
        const weir_time spread = 2 * srtt > config->rto_min ? 2 * srtt : config->rto_min;
        tcb->rto = srtt + spread < config->rto_max ? srtt + spread : config->rto_max;
    }
    if (known->reordering)
        tcb->reo_seen = true;
    if (!config->no_ssthresh_metrics_save && known->ssthresh != 0)
        tcb->cc.ssthresh =
            known->ssthresh > 2u * tcb->mss ? known->ssthresh : 2u * (uint32_t)tcb->mss;
}

static uint32_t microseconds(weir_time time)
{
    const weir_time us = time / WEIR_US;
    return us < 1 ? 1 : us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* An old value moves an eighth of the way to a smaller one, and at once to a larger: to wait too
 * long for once costs less than to send again in vain. */
static void learn_time(const struct tcb *tcb, struct tcp_known *known)
{
    const uint32_t rtt = microseconds(tcb->srtt);
    const uint32_t old = known->srtt_us;
    uint32_t deviation = old > rtt ? (old - rtt) / 8 : (rtt - old) / 8;
    known->srtt_us = old == 0 || old <= rtt ? rtt : old - (old - rtt) / 8;
    if (deviation < microseconds(tcb->rttvar))
        deviation = microseconds(tcb->rttvar);
    known->rttvar_us = deviation >= known->rttvar_us
                           ? deviation
                           : known->rttvar_us - (known->rttvar_us - deviation) / 4;
}

static uint32_t middle(uint32_t old, uint32_t new)
{
    return old == 0 ? new : old / 2 + new / 2;
}

static void learn_window(const struct tcb *tcb, struct tcp_known *known)
{
    const struct cc *cc = &tcb->cc;
    if (cc->ssthresh == UINT32_MAX) { /* the first slow start goes on: it takes at least this */
        if (known->ssthresh != 0 && known->ssthresh < cc->cwnd / 2)
            known->ssthresh = cc->cwnd / 2;
        if (known->cwnd < cc->cwnd)
            known->cwnd = cc->cwnd;
    } else if (cc->cwnd >= cc->ssthresh && tcb->recovery == TCP_OPEN) {
        known->ssthresh = cc->cwnd / 2 > cc->ssthresh ? cc->cwnd / 2 : cc->ssthresh;
        known->cwnd = middle(known->cwnd, cc->cwnd);
    } else {
        known->cwnd = middle(known->cwnd, cc->ssthresh);
        if (known->ssthresh != 0 && cc->ssthresh > known->ssthresh)
            known->ssthresh = cc->ssthresh;
    }
}

void tcp_known_learn(const struct tcb *tcb, struct tcp_known *known)
{
    known->measured = true;
    if (tcb->backoff > 0 || tcb->srtt == 0) {
        known->srtt_us = 0;
        return;
    }
    learn_time(tcb, known);
    learn_window(tcb, known);
    known->reordering |= tcb->reo_seen;
}
