/* SPDX-License-Identifier: MIT */
/* Round trips and the retransmission timeout: RFC 6298, with the bounds of INV 13.
 *
 * DEVIATION: RFC 6298 2.4 wants a minimum RTO of one second; we use config.rto_min (200 ms, as
 * Linux does) as the smallest variance term, so that a path of steady round trips still has room
 * for a delayed acknowledgement. */
#include "tcp/tcp.h"

#define RTT_MIN_HALF_MS 150000 /* two of these are what rtt_min remembers (Linux: 300 s) */

/* The smallest round trip of the last minutes: of this half of the window and of the one before. */
static void note_min(struct tcb *tcb, weir_time rtt, weir_time now)
{
    const uint32_t us = (uint32_t)(rtt / WEIR_US);
    const uint32_t ms = tcp_ms(tcb->host, now);
    const uint32_t age = ms - tcb->rtt_min_ms;
    if (tcb->rtt_min_us != UINT32_MAX && age < RTT_MIN_HALF_MS) {
        if (us < tcb->rtt_min_us)
            tcb->rtt_min_us = us;
        return;
    }
    tcb->rtt_min_old_us = age < 2 * RTT_MIN_HALF_MS ? tcb->rtt_min_us : UINT32_MAX;
    tcb->rtt_min_us = us;
    tcb->rtt_min_ms = ms;
}

weir_time tcp_rtt_min(const struct tcb *tcb)
{
    if (tcb->rtt_min_us == UINT32_MAX)
        return 0;
    const bool old = tcb->rtt_min_old_us < tcb->rtt_min_us;
    return (old ? tcb->rtt_min_old_us : tcb->rtt_min_us) * WEIR_US;
}

void tcp_rtt_sample(struct tcb *tcb, weir_time rtt, weir_time now)
{
    const struct weir_config *config = tcb->host->config;
    if (rtt < 1)
        rtt = 1;
    if (rtt > config->rto_max)
        rtt = config->rto_max;
    note_min(tcb, rtt, now);
    if (tcb->srtt == 0) {
        tcb->srtt = rtt;
        tcb->rttvar = rtt / 2;
    } else {
        const weir_time delta = tcb->srtt > rtt ? tcb->srtt - rtt : rtt - tcb->srtt;
        tcb->rttvar += (delta - tcb->rttvar) / 4;
        tcb->srtt += (rtt - tcb->srtt) / 8;
        if (tcb->srtt < 1)
            tcb->srtt = 1;
    }
    weir_time spread = 4 * tcb->rttvar;
    if (spread < config->rto_min)
        spread = config->rto_min;
    tcb->rto = tcb->srtt + spread;
    if (tcb->rto > config->rto_max)
        tcb->rto = config->rto_max;
    tcb->backoff = 0;
}

weir_time tcp_rto_backed_off(const struct tcb *tcb)
{
    const weir_time max = tcb->host->config->rto_max;
    weir_time rto = tcb->rto;
    for (unsigned i = 0; i < tcb->backoff && rto < max; i++)
        rto *= 2;
    return rto < max ? rto : max;
}
