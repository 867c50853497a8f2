/* SPDX-License-Identifier: MIT */
/* CUBIC (RFC 9438) in integers: windows in octets, time in milliseconds, fractions of a window in
 * 1/256 octets.
 *
 *      W_cubic(t) = C (t - K)^3 + W_max,  K = cbrt((W_max - cwnd_epoch) / C),  C = 0.4 segments/s^3
 *
 * Of the state only W_max outlives a flight: when everything was acknowledged and octets leave
 * again, K is computed from W_max and the cwnd of then, which is the same curve from the point
 * where it was left. That is also how time in which the program sent too little is not counted. */
#include "base/assert.h"
#include "base/muldiv.h"
#include "tcp/cc.h"

#define C_UP           2 /* C = 2/5 */
#define C_DOWN         5
#define MS3            UINT64_C(1000000000) /* cubic milliseconds in a cubic second */
#define BETA_UP        7                    /* beta_cubic = 0.7 */
#define BETA_DOWN      10
#define BETA_ECN_UP    85 /* RFC 8511: 0.85 */
#define BETA_ECN_DOWN  100
#define ALPHA_UP       9 /* alpha_cubic = 3 (1 - beta) / (1 + beta) = 9/17 */
#define ALPHA_DOWN     17
#define CURVE_MS_MAX   (UINT64_C(1) << 20) /* further from K every window is too large */
#define FRACTION_SHIFT 8
#define CUBE_ROOT_MAX  2642245 /* whose cube still fits 64 bits */

uint32_t cc_cube_root(uint64_t x)
{
    uint64_t root = 0;
    for (unsigned bit = 22; bit-- > 0;) {
        const uint64_t next = root | UINT64_C(1) << bit;
        if (next <= CUBE_ROOT_MAX && next * next * next <= x)
            root = next;
    }
    return (uint32_t)root;
}

uint32_t cc_cubic_window(uint32_t mss, uint32_t w_max, uint64_t t_ms, uint64_t k_ms)
{
    const bool after = t_ms >= k_ms;
    uint64_t far = after ? t_ms - k_ms : k_ms - t_ms;
    if (far > CURVE_MS_MAX)
        far = CURVE_MS_MAX;
    const uint64_t delta = muldiv64(far * far * far, (uint64_t)C_UP * mss, C_DOWN * MS3);
    if (!after)
        return delta < w_max ? w_max - (uint32_t)delta : 0;
    return delta < CC_WINDOW_MAX - (w_max < CC_WINDOW_MAX ? w_max : CC_WINDOW_MAX)
               ? w_max + (uint32_t)delta
               : CC_WINDOW_MAX;
}

static struct cc_cubic *own(void *memory)
{
    return &((struct cc_memory *)memory)->of.cubic;
}

static void cubic_init(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)memory;
    cc->cwnd = cc_initial_window(path->mss);
    cc->ssthresh = UINT32_MAX;
    cc->kept = 0;
}

/* RFC 9438, 4.2: congestion avoidance begins. */
static void begin_epoch(struct cc *cc, struct cc_cubic *c, const struct cc_path *path,
                        weir_time now)
{
    c->epoch = now > 0 ? now : 1;
    c->quiet = 0;
    c->fraction = 0;
    c->w_est = (uint64_t)cc->cwnd << FRACTION_SHIFT;
    if (c->cwnd_prior == 0)
        c->cwnd_prior = cc->kept;
    c->k_ms = 0;
    c->origin = cc->cwnd;
    if (cc->kept > cc->cwnd) {
        c->origin = cc->kept;
        c->k_ms = cc_cube_root((uint64_t)(cc->kept - cc->cwnd) * (MS3 * C_DOWN / C_UP) / path->mss);
    }
}

/* RFC 9438, 4.3: what Reno would have, with the same mean but CUBIC's decrease. */
static void grow_friendly(const struct cc *cc, struct cc_cubic *c, const struct cc_path *path,
                          uint32_t acked)
{
    const bool as_reno = c->w_est >> FRACTION_SHIFT >= c->cwnd_prior;
    uint64_t part = ((uint64_t)path->mss << FRACTION_SHIFT) * acked / cc->cwnd;
    if (!as_reno)
        part = part * ALPHA_UP / ALPHA_DOWN;
    c->w_est += part;
    const uint64_t most = (uint64_t)CC_WINDOW_MAX << FRACTION_SHIFT;
    if (c->w_est > most)
        c->w_est = most;
}

/* RFC 9438, 4.2 to 4.5. */
static void avoid(struct cc *cc, struct cc_cubic *c, const struct cc_path *path,
                  const struct cc_ack *ack, uint32_t acked)
{
    if (c->epoch == 0 || ack->now < c->epoch)
        begin_epoch(cc, c, path, ack->now);
    if (c->quiet != 0) {
        c->epoch += ack->now - c->quiet;
        c->quiet = 0;
    }
    grow_friendly(cc, c, path, acked);
    const uint64_t t = (uint64_t)((ack->now - c->epoch) / WEIR_MS);
    const uint64_t rtt = ack->srtt > 0 ? (uint64_t)(ack->srtt / WEIR_MS) : 0;
    const uint32_t friendly = (uint32_t)(c->w_est >> FRACTION_SHIFT);
    if (cc_cubic_window(path->mss, c->origin, t, c->k_ms) < friendly) {
        cc->cwnd = cc_at_least(cc->cwnd, friendly);
        return;
    }
    uint32_t target = cc_cubic_window(path->mss, c->origin, t + rtt, c->k_ms);
    target = cc_at_least(target, cc->cwnd);
    if (target > cc->cwnd + cc->cwnd / 2)
        target = cc->cwnd + cc->cwnd / 2;
    const uint64_t part =
        muldiv64((uint64_t)(target - cc->cwnd) << FRACTION_SHIFT, acked, cc->cwnd) + c->fraction;
    cc->cwnd += (uint32_t)(part >> FRACTION_SHIFT);
    c->fraction = (uint32_t)part & ((1u << FRACTION_SHIFT) - 1);
}

static void cubic_acked(struct cc *cc, void *memory, const struct cc_path *path,
                        const struct cc_ack *ack)
{
    struct cc_cubic *c = own(memory);
    if (!ack->cwnd_limited) { /* RFC 7661; RFC 9438, 5.8: such time does not count */
        if (c->quiet == 0)
            c->quiet = ack->now > 0 ? ack->now : 1;
        return;
    }
    uint32_t acked = ack->acked;
    if (cc->cwnd < cc->ssthresh) {
        uint32_t grow = cc_hystart_grow(cc, &c->hystart, path, ack);
        if (cc->cwnd < cc->ssthresh && grow > cc->ssthresh - cc->cwnd)
            grow = cc->ssthresh - cc->cwnd;
        cc->cwnd += grow;
        acked -= grow;
    }
    if (cc->cwnd >= cc->ssthresh && acked > 0)
        avoid(cc, c, path, ack, acked < cc->cwnd ? acked : cc->cwnd);
    if (cc->cwnd > path->cwnd_max)
        cc->cwnd = cc_at_least(path->cwnd_max, 2 * path->mss);
}

static void remember(const struct cc *cc, struct cc_cubic *c)
{
    c->undo = (struct cc_cubic_undo){
        .cwnd = cc->cwnd,
        .ssthresh = cc->ssthresh,
        .w_max = cc->kept,
        .origin = c->origin,
        .k_ms = c->k_ms,
        .cwnd_prior = c->cwnd_prior,
        .epoch = c->epoch,
        .w_est = c->w_est,
        .hystart_done = c->hystart.done,
        .set = true,
    };
}

/* RFC 9438, 4.6 and 4.7: a smaller window than at the last loss says that others want room: leave
 * it to them sooner. */
static void reduce(struct cc *cc, struct cc_cubic *c, const struct cc_path *path,
                   uint32_t in_flight, uint32_t up, uint32_t down)
{
    remember(cc, c);
    const uint64_t used = in_flight < cc->cwnd ? in_flight : cc->cwnd;
    c->cwnd_prior = cc->cwnd;
    cc->kept = cc->cwnd < cc->kept
                   ? (uint32_t)((uint64_t)cc->cwnd * (BETA_DOWN + BETA_UP) / (2 * BETA_DOWN))
                   : cc->cwnd;
    cc->ssthresh = cc_at_least((uint32_t)(used * up / down), 2 * path->mss);
    c->epoch = 0;
    cc_hystart_stop(&c->hystart);
}

static void cubic_lost(struct cc *cc, void *memory, const struct cc_path *path,
                       const struct cc_loss *loss)
{
    reduce(cc, own(memory), path, loss->in_flight, BETA_UP, BETA_DOWN);
    cc->cwnd = cc->ssthresh;
}

static void cubic_marked(struct cc *cc, void *memory, const struct cc_path *path,
                         const struct cc_loss *loss)
{
    if (path->abe)
        reduce(cc, own(memory), path, loss->in_flight, BETA_ECN_UP, BETA_ECN_DOWN);
    else
        reduce(cc, own(memory), path, loss->in_flight, BETA_UP, BETA_DOWN);
    own(memory)->undo.set = false; /* a mark is no error */
    cc->cwnd = cc->ssthresh;
}

static void cubic_timeout(struct cc *cc, void *memory, const struct cc_path *path,
                          const struct cc_loss *loss, bool first)
{
    struct cc_cubic *c = own(memory);
    if (first)
        reduce(cc, c, path, loss->in_flight, BETA_UP, BETA_DOWN);
    c->epoch = 0;
    cc->cwnd = path->mss;
}

/* RFC 9438, 4.9: as if it had not been. */
static void cubic_undo(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)path;
    struct cc_cubic *c = own(memory);
    const struct cc_cubic_undo was = c->undo;
    if (!was.set)
        return;
    c->undo.set = false;
    cc->cwnd = cc_at_least(cc->cwnd, was.cwnd);
    cc->ssthresh = was.ssthresh;
    cc->kept = was.w_max;
    c->origin = was.origin;
    c->k_ms = was.k_ms;
    c->cwnd_prior = was.cwnd_prior;
    c->epoch = was.epoch;
    c->w_est = was.w_est;
    c->hystart.done = was.hystart_done; /* slow start goes on, and must still find its end */
}

static void cubic_idle(struct cc *cc, void *memory, const struct cc_path *path, weir_time idle,
                       weir_time rto)
{
    (void)memory;
    cc_idle_restart(cc, path, idle, rto);
}

const struct cc_ops cc_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .acked = cubic_acked,
    .lost = cubic_lost,
    .marked = cubic_marked,
    .timeout = cubic_timeout,
    .undo = cubic_undo,
    .idle = cubic_idle,
};
