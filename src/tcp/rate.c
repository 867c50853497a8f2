/* SPDX-License-Identifier: MIT */
/* Delivery rate samples (draft-ietf-ccwg-bbr, 4.1): how fast octets arrived between the sending of
 * one and its acknowledgement. A record of the sent map holds the counts and times of then, modulo
 * 2^32 or as distances: whatever is in flight is younger than that.
 *
 * A record that was retransmitted in part keeps the values of its first transmission. Its sample is
 * then taken over a longer time, which makes the rate too low and never too high. */
#include "base/muldiv.h"
#include "tcp/congestion.h"
#include "tcp/tcp.h"

void rate_begin(struct tcb_flight *flight, const struct tcb *tcb)
{
    flight->delivered = tcb->octets_out;
    flight->app_limited = flight->delivered + 1; /* what came before was a pause */
    flight->delivered_at = flight->first_sent_at = 0;
    flight->lost_ever = flight->lost_told = 0;
    flight->marked = 0;
    flight->cwr = false;
    flight->pace_next = WEIR_NEVER;
    flight->cwnd_used = 0;
    flight->cwnd_full_at = WEIR_NEVER;
    flight->rate = (struct cc_rate){ .delivered = flight->delivered };
}

/* Rounded up: a distance that is too short would make a rate too high. */
static uint32_t micros_before(weir_time now, weir_time then)
{
    const weir_time us = (now - then + WEIR_US - 1) / WEIR_US;
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void rate_sent(struct tcb_flight *flight, struct sent *r, weir_time now)
{
    if (sent_count(&flight->map) == 1)
        flight->first_sent_at = flight->delivered_at = now;
    r->delivered = (uint32_t)flight->delivered;
    r->lost_before = flight->lost_ever;
    r->sent_before_us = micros_before(now, flight->first_sent_at);
    r->told_before_us = micros_before(now, flight->delivered_at);
    if (flight->app_limited != 0)
        r->flags |= SENT_APP_LIMITED;
}

void rate_seen(struct rate_newest *newest, const struct sent *r)
{
    if (newest->valid && r->at < newest->at)
        return;
    *newest = (struct rate_newest){
        .at = r->at,
        .end = r->seq + r->len,
        .delivered = r->delivered,
        .lost = r->lost_before,
        .sent_before_us = r->sent_before_us,
        .told_before_us = r->told_before_us,
        .app_limited = (r->flags & SENT_APP_LIMITED) != 0,
        .valid = true,
    };
}

/* Octets in flight when the newest run left, itself counted: what was sent up to its end, less what
 * was delivered then. */
static uint32_t in_flight_then(const struct tcb *tcb, const struct tcb_flight *flight,
                               const struct rate_newest *newest, uint64_t prior)
{
    const int32_t beyond = (int32_t)(newest->end - tcb->snd.una);
    const uint64_t sent = flight->delivered - flight->sacked + (uint64_t)(int64_t)beyond;
    const uint64_t octets = sent - prior;
    return octets <= CC_WINDOW_MAX ? (uint32_t)octets : CC_WINDOW_MAX;
}

void rate_sample(const struct tcb *tcb, struct tcb_flight *flight, const struct rate_newest *newest,
                 weir_time now)
{
    struct cc_rate *rate = &flight->rate;
    *rate = (struct cc_rate){ .delivered = flight->delivered };
    if (flight->app_limited != 0 && flight->delivered > flight->app_limited)
        flight->app_limited = 0;
    if (!newest->valid) {
        rate->prior_delivered = flight->delivered;
        return;
    }
    const uint32_t octets = (uint32_t)flight->delivered - newest->delivered;
    const weir_time told = newest->at - newest->told_before_us * WEIR_US;
    const weir_time sending = newest->sent_before_us * WEIR_US;
    const weir_time acking = now - told;
    const weir_time interval = sending > acking ? sending : acking;
    rate->valid = true;
    rate->prior_delivered = flight->delivered - octets;
    rate->app_limited = newest->app_limited;
    rate->lost = flight->lost_ever - newest->lost;
    rate->in_flight = in_flight_then(tcb, flight, newest, rate->prior_delivered);
    flight->delivered_at = now;
    flight->first_sent_at = newest->at;
    /* Nothing arrives faster than light: such a sample is a peer's that acknowledges in batches. */
    const bool known = tcb->rtt_min_us != UINT32_MAX;
    if (interval <= 0 || (known && interval < tcb->rtt_min_us * WEIR_US))
        return;
    rate->rate = muldiv64(octets, (uint64_t)WEIR_SECOND, (uint64_t)interval);
}

void rate_check_app_limited(struct tcb *tcb)
{
    struct tcb_flight *flight = tcb_flight(tcb);
    if (flight == NULL || tcp_unsent(tcb) >= tcb->mss || flight->lost > flight->rtx)
        return;
    const uint32_t pipe = sb_pipe_of(tcb, flight);
    if (pipe < tcb->cc.cwnd)
        flight->app_limited = flight->delivered + pipe + (flight->delivered + pipe == 0);
}
