/* SPDX-License-Identifier: MIT */
/* HyStart++ (RFC 9406): slow start ends when the round trip grows, before the queue overflows. A
 * round trip that grew for another reason is found out in conservative slow start, which goes back
 * if it shrinks again.
 *
 * DEVIATION: RFC 9406 looks at the round trip alone. What the first ACKs of a round tell is how the
 * queue stood a round trip ago, when half as much was in flight: from a window just short of the
 * way's, slow start would come to four of them before it hears. So an unbroken train of ACKs that
 * is longer than half the round trip also begins conservative slow start: the way is half full by
 * then, and the window will be all of it when the round is over. Linux's HyStart leaves slow start
 * altogether there. */
#include "tcp/cc.h"

#define MIN_RTT_THRESH     (4 * WEIR_MS)
#define MAX_RTT_THRESH     (16 * WEIR_MS)
#define MIN_RTT_DIVISOR    8
#define N_RTT_SAMPLE       8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS         5
#define TRAIN_GAP_MAX      (2 * WEIR_MS) /* between two ACKs of a train (as Linux) */
#define TRAIN_WINDOW_MIN   16            /* segments; a smaller window makes no train (as Linux) */

static void begin_round(struct cc_hystart *hystart, const struct cc_ack *ack)
{
    hystart->last_min = hystart->begun ? hystart->round_min : WEIR_NEVER;
    hystart->round_min = WEIR_NEVER;
    hystart->samples = 0;
    hystart->round_end = ack->rate.delivered + ack->pipe;
    hystart->begun = true;
}

static weir_time least_rtt(const struct cc_hystart *hystart)
{
    return hystart->round_min < hystart->last_min ? hystart->round_min : hystart->last_min;
}

/* ACKs come without a pause for longer than half the round trip. On a short way two of them are no
 * train because they happen to come close. */
static bool train_is_long(const struct cc *cc, struct cc_hystart *hystart,
                          const struct cc_path *path, weir_time now)
{
    const weir_time rtt = least_rtt(hystart);
    const weir_time gap = rtt / 8 < TRAIN_GAP_MAX ? rtt / 8 : TRAIN_GAP_MAX;
    if (now - hystart->train_at > gap)
        hystart->train_from = now;
    hystart->train_at = now;
    if (cc->cwnd < TRAIN_WINDOW_MIN * path->mss || rtt == WEIR_NEVER)
        return false;
    /* A paced flight is spread over half a round trip to begin with. */
    return now - hystart->train_from > (path->paced ? rtt : rtt / 2);
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

/* RFC 9406, 4.2: from which round trip on there is a queue. */
static weir_time too_long(weir_time before)
{
    weir_time thresh = before / MIN_RTT_DIVISOR;
    if (thresh < MIN_RTT_THRESH)
        thresh = MIN_RTT_THRESH;
    if (thresh > MAX_RTT_THRESH)
        thresh = MAX_RTT_THRESH;
    return before + thresh;
}

static void begin_css(struct cc_hystart *hystart, weir_time base)
{
    hystart->base_min = base;
    hystart->css_rounds = hystart->above = 0;
}

static void look_for_queue(const struct cc *cc, struct cc_hystart *hystart,
                           const struct cc_path *path, weir_time now)
{
    const bool known = hystart->samples >= N_RTT_SAMPLE && hystart->last_min != WEIR_NEVER;
    if (train_is_long(cc, hystart, path, now)) {
        begin_css(hystart, least_rtt(hystart));
        hystart->by_train = true;
    } else if (known && hystart->round_min >= too_long(hystart->last_min)) {
        begin_css(hystart, hystart->round_min);
        hystart->by_train = false;
    }
}

/* Returns whether slow start is over.
 *
 * DEVIATION: RFC 9406, 4.2, stays in conservative slow start for five rounds, in which the window
 * becomes three times as large. A round trip that goes on growing in it is no jitter: the queue is
 * there, and five rounds would fill two bandwidth-delay products of it. As many samples in a row as
 * make a round's are proof, if they are its last: windows grow too slowly now for the queue to be
 * that of a burst. */
static bool look_in_css(struct cc_hystart *hystart, weir_time rtt, bool round_over)
{
    if (!hystart->by_train && hystart->samples >= N_RTT_SAMPLE &&
        hystart->round_min < hystart->base_min) {
        hystart->base_min = 0; /* it was jitter: back to slow start */
        return false;
    }
    if (rtt >= 0 && rtt < too_long(hystart->base_min))
        hystart->above = 0;
    else if (rtt >= 0 && hystart->above < N_RTT_SAMPLE)
        hystart->above++;
    if (!round_over)
        return false;
    return hystart->above >= N_RTT_SAMPLE || ++hystart->css_rounds >= CSS_ROUNDS;
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
    if (hystart->base_min == 0 && hystart->begun)
        look_for_queue(cc, hystart, path, ack->now);
    else if (hystart->base_min != 0 && look_in_css(hystart, ack->rtt, over)) {
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
