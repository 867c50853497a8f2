/* SPDX-License-Identifier: MIT */
/* HyStart++ (RFC 9406): slow start ends when the round trip grows, before the queue overflows. A
 * round trip that grew for another reason is found out in conservative slow start, which goes back
 * if it shrinks again. */
#include "tcp/cc.h"

#define MIN_RTT_THRESH     (4 * WEIR_MS)
#define MAX_RTT_THRESH     (16 * WEIR_MS)
#define MIN_RTT_DIVISOR    8
#define N_RTT_SAMPLE       8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS         5

static void begin_round(struct cc_hystart *hystart, const struct cc_ack *ack)
{
    hystart->last_min = hystart->begun ? hystart->round_min : WEIR_NEVER;
    hystart->round_min = WEIR_NEVER;
    hystart->samples = 0;
    hystart->round_end = ack->rate.delivered + ack->pipe;
    hystart->begun = true;
}

static void take_sample(struct cc_hystart *hystart, weir_time rtt)
{
    if (rtt < 0)
        return;
    if (rtt < hystart->round_min)
        hystart->round_min = rtt;
    if (hystart->samples < N_RTT_SAMPLE)
        hystart->samples++;
}

/* RFC 9406, 4.2: the round trip of this round against that of the last, or of an earlier one. */
static bool delay_grew(const struct cc_hystart *hystart, weir_time before)
{
    if (hystart->samples < N_RTT_SAMPLE || before == WEIR_NEVER)
        return false;
    weir_time thresh = before / MIN_RTT_DIVISOR;
    if (thresh < MIN_RTT_THRESH)
        thresh = MIN_RTT_THRESH;
    if (thresh > MAX_RTT_THRESH)
        thresh = MAX_RTT_THRESH;
    return hystart->round_min >= before + thresh;
}

/* Returns whether slow start is over.
 *
 * DEVIATION: RFC 9406, 4.2, stays in conservative slow start for five rounds, in which the window
 * becomes three times as large. A round trip that goes on growing in it is no jitter: the queue is
 * there, and five rounds would fill two bandwidth-delay products of it. Linux leaves at the first
 * sign. */
static bool look(struct cc_hystart *hystart, bool round_over)
{
    if (hystart->base_min == 0) {
        if (delay_grew(hystart, hystart->last_min)) {
            hystart->base_min = hystart->round_min;
            hystart->css_rounds = 0;
        }
        return false;
    }
    if (hystart->samples >= N_RTT_SAMPLE && hystart->round_min < hystart->base_min) {
        hystart->base_min = 0; /* it was jitter: back to slow start */
        return false;
    }
    if (delay_grew(hystart, hystart->base_min))
        return true;
    return round_over && ++hystart->css_rounds >= CSS_ROUNDS;
}

uint32_t cc_hystart_grow(struct cc *cc, struct cc_hystart *hystart, const struct cc_path *path,
                         const struct cc_ack *ack)
{
    const uint32_t limit = cc_slow_start_limit(path, ack);
    const uint32_t grow = ack->acked < limit ? ack->acked : limit;
    /* After a loss slow start knows where to stop (RFC 9406, 4.3). */
    if (hystart->done || cc->ssthresh != UINT32_MAX)
        return grow;
    const bool over = hystart->begun && ack->rate.delivered >= hystart->round_end;
    take_sample(hystart, ack->rtt);
    const bool end = look(hystart, over);
    if (end) {
        hystart->done = true;
        cc->ssthresh = cc->cwnd;
        return 0;
    }
    if (over || !hystart->begun)
        begin_round(hystart, ack);
    return hystart->base_min != 0 ? grow / CSS_GROWTH_DIVISOR : grow;
}

void cc_hystart_stop(struct cc_hystart *hystart)
{
    hystart->done = true;
}
