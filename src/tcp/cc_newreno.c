/* SPDX-License-Identifier: MIT */
/* Slow start and congestion avoidance of RFC 5681, counting octets (RFC 3465) rather than ACKs: an
 * ACK for a superframe is 44 segments. */
#include "tcp/cc.h"

#include "base/assert.h"

uint32_t cc_initial_window(uint32_t mss)
{
    const uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;
    return 10 * mss < floor ? 10 * mss : floor;
}

/* DEVIATION: RFC 9406, 4.2 has a sender without pacing add eight segments for an ACK at most. A
 * peer whose device joins segments sends one for 44, and cwnd would grow by a fifth of a window
 * where it is to double; Linux knows no such limit, and waits for no clock either. */
uint32_t cc_slow_start_limit(const struct cc_path *path, const struct cc_ack *ack)
{
    return ack->in_loss ? path->mss : UINT32_MAX;
}

void cc_idle_restart(struct cc *cc, const struct cc_path *path, weir_time idle, weir_time rto)
{
    const uint32_t restart = cc_initial_window(path->mss);
    if (idle <= rto || cc->cwnd <= restart)
        return;
    const uint32_t most = cc->cwnd - cc->cwnd / 4;
    if (cc->ssthresh != UINT32_MAX && cc->ssthresh < most)
        cc->ssthresh = most;
    while (idle > rto && cc->cwnd > restart) { /* RFC 2861 */
        cc->cwnd = cc_at_least(cc->cwnd / 2, restart);
        idle -= rto;
    }
}

static void newreno_init(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)memory;
    cc->cwnd = cc_initial_window(path->mss);
    cc->ssthresh = UINT32_MAX;
}

static void newreno_acked(struct cc *cc, void *memory, const struct cc_path *path,
                          const struct cc_ack *ack)
{
    (void)memory;
    if (!ack->cwnd_limited)
        return; /* RFC 7661: what was not used proves nothing */
    uint32_t acked = ack->acked;
    if (cc->cwnd < cc->ssthresh) {
        const uint32_t limit = cc_slow_start_limit(path, ack);
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
        cc->cwnd += part > path->mss ? path->mss : cc_at_least(part, 1);
    }
    if (cc->cwnd > path->cwnd_max)
        cc->cwnd = cc_at_least(path->cwnd_max, 2 * path->mss);
}

static void remember(const struct cc *cc, void *memory)
{
    struct cc_newreno_undo *undo = &((struct cc_memory *)memory)->of.newreno;
    *undo = (struct cc_newreno_undo){ .cwnd = cc->cwnd, .ssthresh = cc->ssthresh, .set = true };
}

static void newreno_lost(struct cc *cc, void *memory, const struct cc_path *path,
                         const struct cc_loss *loss)
{
    remember(cc, memory);
    cc->ssthresh = cc_at_least(loss->in_flight / 2, 2 * path->mss); /* RFC 5681, equation 4 */
    cc->cwnd = cc->ssthresh;
}

static void newreno_marked(struct cc *cc, void *memory, const struct cc_path *path,
                           const struct cc_loss *loss)
{
    newreno_lost(cc, memory, path, loss);
    ((struct cc_memory *)memory)->of.newreno.set = false; /* a mark is no error */
    if (!path->abe)
        return;
    const uint32_t eased = (uint32_t)(loss->in_flight * UINT64_C(4) / 5); /* RFC 8511, 3.2 */
    cc->cwnd = cc->ssthresh = cc_at_least(eased, 2 * path->mss);
}

static void newreno_timeout(struct cc *cc, void *memory, const struct cc_path *path,
                            const struct cc_loss *loss, bool first)
{
    /* Only the first timeout of a segment lowers ssthresh: RFC 5681, 3.1. */
    if (first) {
        remember(cc, memory);
        cc->ssthresh = cc_at_least(loss->in_flight / 2, 2 * path->mss);
    }
    cc->cwnd = path->mss;
}

static void newreno_undo(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)path;
    struct cc_newreno_undo *undo = &((struct cc_memory *)memory)->of.newreno;
    if (!undo->set)
        return;
    undo->set = false;
    cc->cwnd = cc_at_least(cc->cwnd, undo->cwnd);
    cc->ssthresh = cc_at_least(cc->ssthresh, undo->ssthresh);
}

static void newreno_idle(struct cc *cc, void *memory, const struct cc_path *path, weir_time idle,
                         weir_time rto)
{
    (void)memory;
    cc_idle_restart(cc, path, idle, rto);
}

const struct cc_ops cc_newreno = {
    .name = "reno",
    .init = newreno_init,
    .acked = newreno_acked,
    .lost = newreno_lost,
    .marked = newreno_marked,
    .timeout = newreno_timeout,
    .undo = newreno_undo,
    .idle = newreno_idle,
};

const char *weir_congestion_name(unsigned which)
{
    return which < WEIR_CC_COUNT ? cc_ops_of(which)->name : NULL;
}

static bool is_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool weir_congestion_find(const char *name, enum weir_congestion *which)
{
    for (unsigned i = 0; i < WEIR_CC_COUNT; i++) {
        if (is_equal(name, cc_ops_of(i)->name)) {
            *which = (enum weir_congestion)i;
            return true;
        }
    }
    return false;
}

const struct cc_ops *cc_ops_of(unsigned which)
{
    static const struct cc_ops *const all[] = { &cc_cubic, &cc_newreno, &cc_bbr, &cc_dctcp };
    WEIR_STATIC_ASSERT(sizeof all / sizeof all[0] == WEIR_CC_COUNT, "in the order of stack.h");
    WEIR_ASSERT(which < WEIR_CC_COUNT);
    return all[which];
}
