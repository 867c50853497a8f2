/* SPDX-License-Identifier: MIT */
/* Slow start and congestion avoidance of RFC 5681, counting octets (RFC 3465) rather than ACKs: an
 * ACK for a superframe is 44 segments. */
#include "tcp/cc.h"

#define SLOW_START_LIMIT \
    8 /* segments an ACK may grow cwnd by (RFC 9406's L for senders without pacing) */

uint32_t cc_initial_window(uint32_t mss)
{
    const uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;
    return 10 * mss < floor ? 10 * mss : floor;
}

static uint32_t at_least(uint32_t value, uint32_t floor)
{
    return value < floor ? floor : value;
}

static void newreno_init(struct cc *cc, struct cc_memory *memory, const struct cc_path *path)
{
    (void)memory;
    cc->cwnd = cc_initial_window(path->mss);
    cc->ssthresh = UINT32_MAX;
}

static void newreno_acked(struct cc *cc, struct cc_memory *memory, const struct cc_path *path,
                          const struct cc_ack *ack)
{
    (void)memory;
    if (!ack->cwnd_limited)
        return; /* RFC 7661: what was not used proves nothing */
    uint32_t acked = ack->acked;
    if (cc->cwnd < cc->ssthresh) {
        const uint32_t limit = (ack->in_loss ? 1u : SLOW_START_LIMIT) * path->mss;
        uint32_t grow = acked < limit ? acked : limit;
        if (grow > cc->ssthresh - cc->cwnd)
            grow = cc->ssthresh - cc->cwnd;
        cc->cwnd += grow;
        acked -= grow;
    }
    /* RFC 5681, equation 3, by octets: a window of them adds one segment. The fractions go into
     * cwnd at once, for a count of octets in `memory` would not outlive a flight, and a window of
     * which every ACK arrives in one batch would never be complete. */
    if (cc->cwnd >= cc->ssthresh && acked > 0) {
        const uint32_t part = (uint32_t)((uint64_t)path->mss * acked / cc->cwnd);
        cc->cwnd += part > path->mss ? path->mss : at_least(part, 1);
    }
    if (cc->cwnd > path->cwnd_max)
        cc->cwnd = at_least(path->cwnd_max, 2 * path->mss);
}

static void newreno_lost(struct cc *cc, struct cc_memory *memory, const struct cc_path *path,
                         const struct cc_loss *loss)
{
    (void)memory;
    cc->ssthresh = at_least(loss->in_flight / 2, 2 * path->mss); /* RFC 5681, equation 4 */
    cc->cwnd = cc->ssthresh;
}

static void newreno_timeout(struct cc *cc, struct cc_memory *memory, const struct cc_path *path,
                            const struct cc_loss *loss, bool first)
{
    (void)memory;
    /* Only the first timeout of a segment lowers ssthresh: RFC 5681, 3.1. */
    if (first)
        cc->ssthresh = at_least(loss->in_flight / 2, 2 * path->mss);
    cc->cwnd = path->mss;
}

static void newreno_idle(struct cc *cc, struct cc_memory *memory, const struct cc_path *path,
                         weir_time idle, weir_time rto)
{
    (void)memory;
    const uint32_t restart =
        cc_initial_window(path->mss); /* RFC 5681, 4.1; halved an RTO as in RFC 2861 */
    while (idle > rto && cc->cwnd > restart) {
        cc->cwnd = at_least(cc->cwnd / 2, restart);
        idle -= rto;
    }
}

const struct cc_ops cc_newreno = {
    .name = "newreno",
    .init = newreno_init,
    .acked = newreno_acked,
    .lost = newreno_lost,
    .timeout = newreno_timeout,
    .idle = newreno_idle,
};
