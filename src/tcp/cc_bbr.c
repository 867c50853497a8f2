/* SPDX-License-Identifier: MIT */
/* BBR version 3 (draft-ietf-ccwg-bbr): cwnd and pacing rate from a model of the way, which is the
 * largest rate at which octets arrived and the smallest round trip. Functions and constants are the
 * draft's by name. What differs: a loss is judged by the newest octet that the ACK acknowledged and
 * not by the lost one, for the sent map keeps no record of a single segment.
 *
 *      STARTUP --> DRAIN --> PROBE_BW: DOWN --> CRUISE --> REFILL --> UP --+
 *                              ^------------------------------------------+
 *      any --- min_rtt not seen for five seconds ---> PROBE_RTT ---> PROBE_BW or STARTUP */
#include "tcp/cc_bbr.h"

#include "base/assert.h"
#include "base/muldiv.h"

#define PERCENT               100
#define STARTUP_PACING_GAIN   277 /* 4 ln 2; gains are per cent */
#define DRAIN_PACING_GAIN     50
#define DOWN_PACING_GAIN      90
#define UP_PACING_GAIN        125
#define CWND_GAIN             200
#define UP_CWND_GAIN          225
#define PROBE_RTT_CWND_GAIN   50
#define PACING_MARGIN         1
#define LOSS_THRESH           2
#define LOSS_SEGMENTS         2   /* so many may be lost whatever share of a small flight that is */
#define NOISE_MAX             8   /* per cent that a way may lose by itself, queue or no queue */
#define QUIET_LOSS_THRESH     20  /* per cent: of a queue too short to be seen, or a policer */
#define QUEUE_RTT_SHIFT       4   /* a queue stands if the round trip is a sixteenth longer */
#define NOISE_SEGMENTS        512 /* the memory of it: older ones weigh half as much, and so on */
#define MIN_RTT_SHIFT         6   /* a round trip that little over the least has no queue in it */
#define BETA                  70
#define HEADROOM              15
#define FULL_BW_GROWTH        125
#define FULL_BW_ROUNDS        3
#define STARTUP_FULL_LOSS_CNT 6
#define MIN_PIPE_SEGMENTS     4
#define EXTRA_ACKED_ROUNDS    5 /* of one of the two buckets */
#define RENO_ROUNDS_MAX       63
#define UP_ROUNDS_MAX         30
#define PROBE_RTT_INTERVAL    (5 * WEIR_SECOND)
#define MIN_RTT_FILTER_LEN    (10 * WEIR_SECOND)
#define PROBE_RTT_DURATION    (200 * WEIR_MS)
#define PROBE_WAIT_MIN        (2 * WEIR_SECOND)

static struct cc_bbr *own(void *memory)
{
    return memory;
}

static uint32_t window(uint64_t octets)
{
    return octets < CC_WINDOW_MAX ? (uint32_t)octets : CC_WINDOW_MAX;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t share(uint32_t octets, uint32_t percent)
{
    return (uint32_t)((uint64_t)octets * percent / PERCENT);
}

static uint64_t max_bw(const struct cc_bbr *b)
{
    return b->bw_filter[0] > b->bw_filter[1] ? b->bw_filter[0] : b->bw_filter[1];
}

static uint64_t model_bw(const struct cc_bbr *b)
{
    const uint64_t most = max_bw(b);
    return most < b->bw_lo ? most : b->bw_lo;
}

static uint32_t min_pipe(const struct cc_path *path)
{
    return MIN_PIPE_SEGMENTS * path->mss;
}

static bool in_probe_bw(const struct cc_bbr *b)
{
    return b->state >= BBR_PROBE_BW_DOWN && b->state <= BBR_PROBE_BW_UP;
}

static bool is_probing_bw(const struct cc_bbr *b)
{
    return b->state == BBR_STARTUP || b->state == BBR_PROBE_BW_REFILL ||
           b->state == BBR_PROBE_BW_UP;
}

static uint32_t pacing_gain(const struct cc_bbr *b)
{
    static const uint16_t gain[] = { STARTUP_PACING_GAIN,
                                     DRAIN_PACING_GAIN,
                                     DOWN_PACING_GAIN,
                                     PERCENT,
                                     PERCENT,
                                     UP_PACING_GAIN,
                                     PERCENT };
    return gain[b->state];
}

static uint32_t cwnd_gain(const struct cc_bbr *b)
{
    if (b->state == BBR_PROBE_RTT)
        return PROBE_RTT_CWND_GAIN;
    return b->state == BBR_PROBE_BW_UP ? UP_CWND_GAIN : CWND_GAIN;
}

/* xorshift: which connection probes when must not be the same for all. */
static uint32_t draw(struct cc_bbr *b, uint32_t below)
{
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 7;
    b->rng ^= b->rng << 17;
    return (uint32_t)(b->rng >> 33) % below;
}

/* ---- Volumes ---- */

static uint32_t bdp(const struct cc *cc, const struct cc_bbr *b, uint64_t bw, uint32_t gain)
{
    if (b->min_rtt == 0)
        return cc->cwnd;
    const uint64_t octets = muldiv64(bw, (uint64_t)b->min_rtt, (uint64_t)WEIR_SECOND);
    return window(muldiv64(octets, gain, PERCENT));
}

/* Room for what the sender holds back to make a superframe of, and for delayed ACKs. */
static uint32_t quantized(const struct cc_bbr *b, const struct cc_path *path, uint32_t inflight)
{
    uint64_t quantum = b->pacing_rate / 1000;
    const uint64_t superframe = 65536;
    quantum = quantum > superframe ? superframe : quantum;
    if (quantum < 2 * path->mss)
        quantum = 2 * path->mss;
    inflight = cc_at_least(inflight, (uint32_t)(3 * quantum));
    inflight = cc_at_least(inflight, min_pipe(path));
    return b->state == BBR_PROBE_BW_UP ? inflight + 2 * path->mss : inflight;
}

static uint32_t inflight_for(const struct cc *cc, const struct cc_bbr *b,
                             const struct cc_path *path, uint32_t gain)
{
    return quantized(b, path, bdp(cc, b, max_bw(b), gain));
}

static uint32_t with_headroom(const struct cc_bbr *b, const struct cc_path *path)
{
    if (b->inflight_hi == BBR_NO_LIMIT)
        return BBR_NO_LIMIT;
    const uint32_t headroom = cc_at_least(share(b->inflight_hi, HEADROOM), path->mss);
    return cc_at_least(b->inflight_hi > headroom ? b->inflight_hi - headroom : 0, min_pipe(path));
}

static uint32_t probe_rtt_cwnd(const struct cc *cc, const struct cc_bbr *b,
                               const struct cc_path *path)
{
    return cc_at_least(bdp(cc, b, model_bw(b), PROBE_RTT_CWND_GAIN), min_pipe(path));
}

/* ---- Changes of state ---- */

static void start_round(struct cc_bbr *b, const struct cc_ack *ack)
{
    b->next_round_delivered = ack->rate.delivered;
}

static void reset_full_bw(struct cc_bbr *b, uint64_t rate)
{
    b->full_bw = rate;
    b->full_bw_count = 0;
    b->full_bw_now = false;
}

static void reset_lower_bounds(struct cc_bbr *b)
{
    b->bw_lo = UINT64_MAX;
    b->inflight_lo = BBR_NO_LIMIT;
}

/* Of losses, which are judged by their share of a whole cruise or of a whole probe. */
static void start_account(struct cc_bbr *b, const struct cc_ack *ack)
{
    b->account_lost = 0;
    b->account_from = ack->rate.delivered;
}

static void start_down(struct cc_bbr *b, const struct cc_ack *ack)
{
    start_account(b, ack);
    b->loss_in_round = false;
    b->bw_latest = 0;
    b->inflight_latest = 0;
    b->rounds_since_bw_probe = draw(b, 2);
    b->bw_probe_wait = PROBE_WAIT_MIN + (weir_time)draw(b, 1000) * WEIR_MS;
    b->cycle_stamp = ack->now;
    b->ack_phase = BBR_ACKS_PROBE_STOPPING;
    b->state = BBR_PROBE_BW_DOWN;
    start_round(b, ack);
}

static void start_refill(struct cc_bbr *b, const struct cc_ack *ack)
{
    start_account(b, ack);
    reset_lower_bounds(b);
    b->bw_probe_up_rounds = 0;
    b->ack_phase = BBR_ACKS_REFILLING;
    b->state = BBR_PROBE_BW_REFILL;
    start_round(b, ack);
}

static void start_up(struct cc_bbr *b, const struct cc_ack *ack)
{
    b->ack_phase = BBR_ACKS_PROBE_STARTING;
    b->state = BBR_PROBE_BW_UP;
    b->cycle_stamp = ack->now;
    reset_full_bw(b, ack->rate.rate);
    start_round(b, ack);
}

/* ---- The model ---- */

static bool is_app_limited(const struct cc_bbr *b, const struct cc_ack *ack)
{
    return ack->rate.app_limited || ack->rate.prior_delivered < b->limited_until;
}

static void update_round(struct cc_bbr *b, const struct cc_ack *ack)
{
    /* What was delivered may be less than was said: a peer may take a SACK back (RFC 2018, 8). */
    if (b->next_round_delivered > ack->rate.delivered)
        b->next_round_delivered = ack->rate.delivered;
    if (b->loss_round_delivered > ack->rate.delivered)
        b->loss_round_delivered = ack->rate.delivered;
    if (b->account_from > ack->rate.delivered)
        b->account_from = ack->rate.delivered;
    b->round_start = ack->rate.valid && ack->rate.prior_delivered >= b->next_round_delivered;
    b->loss_round_start = ack->rate.valid && ack->rate.prior_delivered >= b->loss_round_delivered;
    if (b->loss_round_start)
        b->loss_round_delivered = ack->rate.delivered;
    if (!b->round_start)
        return;
    b->next_round_delivered = ack->rate.delivered;
    b->round_count++;
    b->rounds_since_bw_probe++;
}

static uint32_t sample_delivered(const struct cc_ack *ack)
{
    return window(ack->rate.delivered - ack->rate.prior_delivered);
}

/* Losses that come whether or not a queue stands are the way's own, and no sign of congestion.
 *
 * DEVIATION: the draft knows no such thing. A way that loses one in twenty took nine tenths of the
 * rate, for each probe ended as soon as it had begun. What is lost while the round trip shows no
 * queue is counted apart, and expected from then on; and as long as it shows none, only
 * QUIET_LOSS_THRESH is too much. Not while we probe, for then the losses may be of our making. */
static void learn_noise(struct cc_bbr *b, const struct cc_path *path, const struct cc_ack *ack)
{
    if (ack->rtt > 0)
        b->queue = ack->rtt > b->min_rtt + (b->min_rtt >> QUEUE_RTT_SHIFT);
    if (b->queue || b->state == BBR_PROBE_BW_DOWN || b->state == BBR_PROBE_BW_UP)
        return;
    b->quiet_lost += ack->lost;
    b->quiet_octets += (uint64_t)ack->acked + ack->lost;
    if (b->quiet_octets > NOISE_SEGMENTS * (uint64_t)path->mss) {
        b->quiet_lost /= 2;
        b->quiet_octets /= 2;
    }
}

/* Of so many octets, those that the way loses by itself; half as many again, for chance. */
static uint64_t noise(const struct cc_bbr *b, uint64_t octets)
{
    const uint64_t most = muldiv64(octets, NOISE_MAX, PERCENT);
    const uint64_t mean = b->quiet_lost == 0 ? 0 : muldiv64(octets, b->quiet_lost, b->quiet_octets);
    return mean + mean / 2 < most ? mean + mean / 2 : most;
}

static bool is_share(const struct cc_bbr *b, const struct cc_path *path, uint64_t lost,
                     uint64_t octets)
{
    if (!b->queue)
        return lost > muldiv64(octets, QUIET_LOSS_THRESH, PERCENT) &&
               lost > LOSS_SEGMENTS * path->mss;
    const uint64_t own = noise(b, octets);
    const uint64_t beyond = lost > own ? lost - own : 0;
    return beyond > muldiv64(octets, LOSS_THRESH, PERCENT) && beyond > LOSS_SEGMENTS * path->mss;
}

/* More was lost in this cruise or probe than the model allows for.
 *
 * DEVIATION: for the draft every round with a loss lowers the lower bounds, and two per cent of one
 * flight end a probe. The bounds then sink by what pacing stays below them, and two per cent of 30
 * segments are less than one: one lost in a hundred took a third of the rate. Here it is two per
 * cent of all that was delivered since, and never for LOSS_SEGMENTS. */
static bool is_lossy(const struct cc_bbr *b, const struct cc_path *path, const struct cc_ack *ack)
{
    return is_share(b, path, b->account_lost, ack->rate.delivered - b->account_from);
}

static void adapt_lower_bounds(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                               const struct cc_ack *ack)
{
    if (is_probing_bw(b) || !b->loss_in_round || !is_lossy(b, path, ack))
        return;
    if (b->bw_lo == UINT64_MAX)
        b->bw_lo = max_bw(b);
    if (b->inflight_lo == BBR_NO_LIMIT)
        b->inflight_lo = cc->cwnd;
    const uint64_t bw = muldiv64(b->bw_lo, BETA, PERCENT);
    b->bw_lo = b->bw_latest > bw ? b->bw_latest : bw;
    b->inflight_lo = cc_at_least(share(b->inflight_lo, BETA), b->inflight_latest);
}

static void update_congestion_signals(const struct cc *cc, struct cc_bbr *b,
                                      const struct cc_path *path, const struct cc_ack *ack)
{
    if (ack->rate.rate > b->bw_latest)
        b->bw_latest = ack->rate.rate;
    if (ack->rate.valid)
        b->inflight_latest = cc_at_least(b->inflight_latest, sample_delivered(ack));
    if (ack->rate.rate >= max_bw(b) || !is_app_limited(b, ack))
        if (ack->rate.rate > b->bw_filter[0])
            b->bw_filter[0] = ack->rate.rate;
    if (ack->lost > 0) {
        b->loss_in_round = true;
        b->account_lost += ack->lost;
        if (b->loss_events < UINT8_MAX)
            b->loss_events++;
    }
    learn_noise(b, path, ack);
    if (b->loss_round_start)
        adapt_lower_bounds(cc, b, path, ack);
}

static void end_loss_round(struct cc_bbr *b, const struct cc_ack *ack)
{
    if (!b->loss_round_start)
        return;
    b->loss_in_round = false;
    b->loss_events = 0;
    if (b->state == BBR_STARTUP)
        start_account(b, ack); /* here a round by itself is judged */
    b->bw_latest = ack->rate.rate;
    b->inflight_latest = sample_delivered(ack);
}

static void update_ack_aggregation(const struct cc *cc, struct cc_bbr *b, const struct cc_ack *ack)
{
    uint64_t expected =
        muldiv64(model_bw(b), (uint64_t)(ack->now - b->extra_acked_start), (uint64_t)WEIR_SECOND);
    if (b->extra_acked_delivered <= expected) {
        b->extra_acked_delivered = expected = 0;
        b->extra_acked_start = ack->now;
    }
    b->extra_acked_delivered += ack->acked;
    if (b->round_start && ++b->extra_acked_rounds >= EXTRA_ACKED_ROUNDS) {
        b->extra_acked_rounds = 0;
        b->extra_acked[1] = b->extra_acked[0];
        b->extra_acked[0] = 0;
    }
    const uint32_t extra = least(window(b->extra_acked_delivered - expected), cc->cwnd);
    b->extra_acked[0] = cc_at_least(b->extra_acked[0], extra);
}

static bool inflight_too_high(const struct cc_bbr *b, const struct cc_path *path,
                              const struct cc_ack *ack)
{
    return ack->rate.valid && is_share(b, path, ack->rate.lost, ack->rate.in_flight) &&
           is_lossy(b, path, ack);
}

static void check_full_bw(struct cc_bbr *b, const struct cc_ack *ack)
{
    if (b->full_bw_now || !b->round_start || is_app_limited(b, ack))
        return;
    if (ack->rate.rate >= muldiv64(b->full_bw, FULL_BW_GROWTH, PERCENT)) {
        reset_full_bw(b, ack->rate.rate);
        return;
    }
    b->full_bw_now = ++b->full_bw_count >= FULL_BW_ROUNDS;
    if (b->full_bw_now)
        b->full_bw_reached = true;
}

static void check_startup(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                          const struct cc_ack *ack)
{
    if (b->state != BBR_STARTUP)
        return;
    if (!b->full_bw_reached && b->loss_round_start && b->loss_events >= STARTUP_FULL_LOSS_CNT &&
        inflight_too_high(b, path, ack)) {
        b->full_bw_reached = true;
        b->inflight_hi = cc_at_least(bdp(cc, b, max_bw(b), PERCENT), b->inflight_latest);
    }
    if (b->full_bw_reached)
        b->state = BBR_DRAIN;
}

static void check_drain(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                        const struct cc_ack *ack)
{
    if (b->state == BBR_DRAIN && ack->pipe <= inflight_for(cc, b, path, PERCENT))
        start_down(b, ack);
}

/* ---- Probing for bandwidth ---- */

static void handle_too_high(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                            const struct cc_ack *ack)
{
    b->bw_probe_samples = false;
    if (!is_app_limited(b, ack)) {
        const uint32_t target = least(inflight_for(cc, b, path, PERCENT), cc->cwnd);
        b->inflight_hi = cc_at_least(ack->rate.in_flight, share(target, BETA));
    }
    if (b->state == BBR_PROBE_BW_UP)
        start_down(b, ack);
}

/* The bound is raised by one segment in the first round of a probe, two in the second, four.. */
static void probe_inflight_hi_upward(const struct cc *cc, struct cc_bbr *b,
                                     const struct cc_path *path, const struct cc_ack *ack)
{
    if (!ack->cwnd_limited || cc->cwnd < b->inflight_hi)
        return;
    const uint64_t growth = (uint64_t)path->mss << b->bw_probe_up_rounds;
    b->inflight_hi = window(b->inflight_hi + muldiv64(ack->acked, growth, cc->cwnd));
    if (b->round_start && b->bw_probe_up_rounds < UP_ROUNDS_MAX)
        b->bw_probe_up_rounds++;
}

static void adapt_upper_bounds(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                               const struct cc_ack *ack)
{
    if (b->ack_phase == BBR_ACKS_PROBE_STARTING && b->round_start)
        b->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
    if (b->ack_phase == BBR_ACKS_PROBE_STOPPING && b->round_start) {
        b->bw_probe_samples = false;
        b->ack_phase = BBR_ACKS_INIT;
        if (in_probe_bw(b) && !is_app_limited(b, ack)) {
            b->bw_filter[1] = b->bw_filter[0];
            b->bw_filter[0] = 0;
        }
    }
    if (inflight_too_high(b, path, ack)) {
        if (b->bw_probe_samples)
            handle_too_high(cc, b, path, ack);
        return;
    }
    if (b->inflight_hi == BBR_NO_LIMIT)
        return;
    b->inflight_hi = cc_at_least(b->inflight_hi, ack->rate.in_flight);
    if (b->state == BBR_PROBE_BW_UP)
        probe_inflight_hi_upward(cc, b, path, ack);
}

static bool is_time_to_probe(const struct cc *cc, const struct cc_bbr *b,
                             const struct cc_path *path, const struct cc_ack *ack)
{
    if (ack->now - b->cycle_stamp > b->bw_probe_wait)
        return true;
    const uint32_t reno = least(inflight_for(cc, b, path, PERCENT), cc->cwnd) / path->mss;
    return b->rounds_since_bw_probe >= least(reno, RENO_ROUNDS_MAX);
}

static bool is_time_to_go_down(const struct cc *cc, struct cc_bbr *b, const struct cc_ack *ack)
{
    if (ack->cwnd_limited && cc->cwnd >= b->inflight_hi) {
        reset_full_bw(b, ack->rate.rate);
        return false;
    }
    return b->full_bw_now;
}

static void update_cycle(const struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                         const struct cc_ack *ack)
{
    if (!b->full_bw_reached)
        return;
    adapt_upper_bounds(cc, b, path, ack);
    switch (b->state) {
    case BBR_PROBE_BW_DOWN:
        if (is_time_to_probe(cc, b, path, ack))
            start_refill(b, ack);
        else if (ack->pipe <= with_headroom(b, path) &&
                 ack->pipe <= inflight_for(cc, b, path, PERCENT))
            b->state = BBR_PROBE_BW_CRUISE;
        break;
    case BBR_PROBE_BW_CRUISE:
        if (is_time_to_probe(cc, b, path, ack))
            start_refill(b, ack);
        break;
    case BBR_PROBE_BW_REFILL:
        if (b->round_start) {
            b->bw_probe_samples = true;
            start_up(b, ack);
        }
        break;
    case BBR_PROBE_BW_UP:
        if (is_time_to_go_down(cc, b, ack))
            start_down(b, ack);
        break;
    default:
        break;
    }
}

/* ---- Probing for the round trip ---- */

/* DEVIATION: a round trip that is as good as the least also shows that no queue stands, and puts
 * off the time to empty it; for the draft only a shorter one does. */
static void update_min_rtt(struct cc_bbr *b, const struct cc_ack *ack)
{
    if (ack->rtt > 0 &&
        ack->rtt <= b->probe_rtt_min_delay + (b->probe_rtt_min_delay >> MIN_RTT_SHIFT))
        b->probe_rtt_min_stamp = ack->now;
    b->probe_rtt_expired =
        b->min_rtt != 0 && ack->now > b->probe_rtt_min_stamp + PROBE_RTT_INTERVAL;
    if (ack->rtt > 0 &&
        (b->min_rtt == 0 || ack->rtt < b->probe_rtt_min_delay || b->probe_rtt_expired)) {
        b->probe_rtt_min_delay = ack->rtt;
        b->probe_rtt_min_stamp = ack->now;
    }
    const bool old = ack->now > b->min_rtt_stamp + MIN_RTT_FILTER_LEN;
    if (b->probe_rtt_min_delay > 0 &&
        (b->min_rtt == 0 || b->probe_rtt_min_delay < b->min_rtt || old)) {
        b->min_rtt = b->probe_rtt_min_delay;
        b->min_rtt_stamp = b->probe_rtt_min_stamp;
    }
}

static void save_cwnd(const struct cc *cc, struct cc_bbr *b)
{
    if (!b->in_recovery && b->state != BBR_PROBE_RTT)
        b->prior_cwnd = cc->cwnd;
    else
        b->prior_cwnd = cc_at_least(b->prior_cwnd, cc->cwnd);
}

static void probe_rtt_done(struct cc *cc, struct cc_bbr *b, const struct cc_ack *ack)
{
    if (b->probe_rtt_done_stamp == 0 || ack->now <= b->probe_rtt_done_stamp)
        return;
    b->probe_rtt_min_stamp = ack->now;
    cc->cwnd = cc_at_least(cc->cwnd, b->prior_cwnd);
    reset_lower_bounds(b);
    if (b->full_bw_reached) {
        start_down(b, ack);
        b->state = BBR_PROBE_BW_CRUISE;
    } else {
        b->state = BBR_STARTUP;
    }
}

static void check_probe_rtt(struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                            const struct cc_ack *ack)
{
    if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
        save_cwnd(cc, b);
        b->state = BBR_PROBE_RTT;
        b->probe_rtt_done_stamp = 0;
        b->ack_phase = BBR_ACKS_PROBE_STOPPING;
        start_round(b, ack);
    }
    if (b->state == BBR_PROBE_RTT) {
        b->limited_until = ack->rate.delivered + ack->pipe; /* we send less than we could */
        if (b->probe_rtt_done_stamp == 0 && ack->pipe <= probe_rtt_cwnd(cc, b, path)) {
            b->probe_rtt_done_stamp = ack->now + PROBE_RTT_DURATION;
            b->probe_rtt_round_done = false;
            start_round(b, ack);
        } else if (b->probe_rtt_done_stamp != 0) {
            b->probe_rtt_round_done |= b->round_start;
            if (b->probe_rtt_round_done)
                probe_rtt_done(cc, b, ack);
        }
    }
    if (ack->acked > 0)
        b->idle_restart = false;
}

/* ---- Control ---- */

static void set_pacing_rate(struct cc_bbr *b, uint32_t gain)
{
    const uint64_t rate =
        muldiv64(muldiv64(model_bw(b), gain, PERCENT), PERCENT - PACING_MARGIN, PERCENT);
    if (rate > 0 && (b->full_bw_reached || rate > b->pacing_rate))
        b->pacing_rate = rate;
}

/* Packets are conserved in the first round of an episode, and what was lost is taken off. */
static void modulate_for_recovery(struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                                  const struct cc_ack *ack)
{
    if (b->in_recovery && !ack->in_recovery && !ack->in_loss) {
        b->in_recovery = b->conserves = false;
        cc->cwnd = cc_at_least(cc->cwnd, b->prior_cwnd);
    }
    if (b->conserves && ack->rate.valid && ack->rate.prior_delivered >= b->recovery_round)
        b->conserves = false;
    if (ack->lost > 0)
        cc->cwnd = cc_at_least(cc->cwnd > ack->lost ? cc->cwnd - ack->lost : 0, path->mss);
    if (b->conserves)
        cc->cwnd = cc_at_least(cc->cwnd, window((uint64_t)ack->pipe + ack->acked));
}

static uint32_t bound_for_model(const struct cc_bbr *b, const struct cc_path *path, uint32_t cwnd)
{
    uint32_t cap = BBR_NO_LIMIT;
    if (in_probe_bw(b) && b->state != BBR_PROBE_BW_CRUISE)
        cap = b->inflight_hi;
    else if (b->state == BBR_PROBE_RTT || b->state == BBR_PROBE_BW_CRUISE)
        cap = with_headroom(b, path);
    cap = cc_at_least(least(cap, b->inflight_lo), min_pipe(path));
    return least(cwnd, cap);
}

/* What cwnd may grow to.
 *
 * DEVIATION: no less than an initial window, which any way must bear (RFC 6928); for the draft six
 * segments are enough on a short one. Where eight frames are lost in a row that is all there is,
 * with the probe, and nothing is left to tell before the timeout. */
static uint32_t cwnd_target(const struct cc *cc, const struct cc_bbr *b, const struct cc_path *path)
{
    const uint32_t extra = cc_at_least(b->extra_acked[0], b->extra_acked[1]);
    const uint64_t cap = (uint64_t)bdp(cc, b, model_bw(b), cwnd_gain(b)) + extra;
    return cc_at_least(quantized(b, path, window(cap)), cc_initial_window(path->mss));
}

static void set_cwnd(struct cc *cc, struct cc_bbr *b, const struct cc_path *path,
                     const struct cc_ack *ack)
{
    const uint32_t most = cwnd_target(cc, b, path);
    modulate_for_recovery(cc, b, path, ack);
    if (!b->conserves) {
        const uint32_t grown = window((uint64_t)cc->cwnd + ack->acked);
        if (b->full_bw_reached)
            cc->cwnd = least(grown, most);
        else if (cc->cwnd < most || ack->rate.delivered < cc_initial_window(path->mss))
            cc->cwnd = grown;
        cc->cwnd = cc_at_least(cc->cwnd, min_pipe(path));
    }
    if (b->state == BBR_PROBE_RTT)
        cc->cwnd = least(cc->cwnd, probe_rtt_cwnd(cc, b, path));
    cc->cwnd = bound_for_model(b, path, cc->cwnd);
    cc->cwnd = cc_at_least(least(cc->cwnd, path->cwnd_max), path->mss);
}

/* ---- The interface ---- */

static void bbr_init(struct cc *cc, void *memory, const struct cc_path *path)
{
    struct cc_bbr *b = own(memory);
    cc->cwnd = cc_initial_window(path->mss);
    cc->ssthresh = UINT32_MAX;
    *b = (struct cc_bbr){ .state = BBR_STARTUP, .rng = path->seed | 1 };
    reset_lower_bounds(b);
    b->inflight_hi = BBR_NO_LIMIT;
    /* Until there is a sample: the first window in a millisecond (draft, 5.6.2). */
    b->pacing_rate = (uint64_t)cc->cwnd * (STARTUP_PACING_GAIN * 1000 / PERCENT);
}

static void bbr_acked(struct cc *cc, void *memory, const struct cc_path *path,
                      const struct cc_ack *ack)
{
    struct cc_bbr *b = own(memory);
    if (b->min_rtt == 0 && ack->srtt > 0) /* the handshake's round trip: a rate of our own */
        b->pacing_rate = muldiv64((uint64_t)cc->cwnd * STARTUP_PACING_GAIN / PERCENT,
                                  (uint64_t)WEIR_SECOND, (uint64_t)ack->srtt);
    update_round(b, ack);
    update_congestion_signals(cc, b, path, ack);
    update_ack_aggregation(cc, b, ack);
    check_full_bw(b, ack);
    check_startup(cc, b, path, ack);
    check_drain(cc, b, path, ack);
    update_cycle(cc, b, path, ack);
    update_min_rtt(b, ack);
    check_probe_rtt(cc, b, path, ack);
    end_loss_round(b, ack);
    set_pacing_rate(b, pacing_gain(b));
    set_cwnd(cc, b, path, ack);
}

static void bbr_lost(struct cc *cc, void *memory, const struct cc_path *path,
                     const struct cc_loss *loss)
{
    (void)path;
    struct cc_bbr *b = own(memory);
    save_cwnd(cc, b);
    b->in_recovery = b->conserves = true;
    b->loss_in_round = true;
    b->recovery_round = loss->delivered;
}

/* The draft leaves marks to later; a round with one is a round with a loss, and nothing is sent
 * again for it. */
static void bbr_marked(struct cc *cc, void *memory, const struct cc_path *path,
                       const struct cc_loss *loss)
{
    (void)loss;
    struct cc_bbr *b = own(memory);
    b->loss_in_round = true;
    if (b->state == BBR_STARTUP && max_bw(b) > 0)
        b->full_bw_reached = true;
    if (b->bw_probe_samples)
        b->inflight_hi = cc_at_least(share(cc->cwnd, BETA), min_pipe(path));
}

static void bbr_timeout(struct cc *cc, void *memory, const struct cc_path *path,
                        const struct cc_loss *loss, bool first)
{
    (void)loss;
    (void)first;
    struct cc_bbr *b = own(memory);
    save_cwnd(cc, b);
    b->in_recovery = true;
    b->conserves = false;
    cc->cwnd = path->mss;
}

static void bbr_undo(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)path;
    struct cc_bbr *b = own(memory);
    b->loss_in_round = b->conserves = b->in_recovery = false;
    reset_full_bw(b, 0);
    reset_lower_bounds(b);
    cc->cwnd = cc_at_least(cc->cwnd, b->prior_cwnd);
}

/* Idle time costs BBR nothing: what it sends then is paced. */
static void bbr_idle(struct cc *cc, void *memory, const struct cc_path *path, weir_time idle,
                     weir_time rto)
{
    (void)cc;
    (void)memory;
    (void)path;
    (void)idle;
    (void)rto;
}

static void bbr_restart(struct cc *cc, void *memory, const struct cc_path *path, bool app_limited,
                        weir_time now)
{
    (void)cc;
    (void)path;
    struct cc_bbr *b = own(memory);
    if (!app_limited)
        return;
    b->idle_restart = true;
    b->extra_acked_start = now;
    b->extra_acked_delivered = 0;
    if (in_probe_bw(b))
        set_pacing_rate(b, PERCENT);
}

static uint64_t bbr_pacing(const struct cc *cc, const void *memory)
{
    (void)cc;
    return ((const struct cc_bbr *)memory)->pacing_rate;
}

const struct cc_ops cc_bbr = {
    .name = "bbr",
    .traits = CC_OWN | CC_KEEPS | CC_PACED,
    .init = bbr_init,
    .acked = bbr_acked,
    .lost = bbr_lost,
    .marked = bbr_marked,
    .timeout = bbr_timeout,
    .undo = bbr_undo,
    .idle = bbr_idle,
    .restart = bbr_restart,
    .pacing = bbr_pacing,
};
