/* SPDX-License-Identifier: MIT */
/* DCTCP (RFC 8257): the window shrinks by how much of it was marked, not by whether any of it was.
 * Growth, loss and idleness are NewReno's. `kept` is alpha, in 1/2^20. */
#include "base/muldiv.h"
#include "tcp/cc.h"

#define ALPHA_ONE  (UINT32_C(1) << 20)
#define GAIN_SHIFT 4 /* g = 1/16 */

static struct cc_dctcp *own(void *memory)
{
    return &((struct cc_memory *)memory)->of.dctcp;
}

/* RFC 8257, 3.3: alpha begins with 1, so that the first mark is answered as by Reno. */
static void dctcp_init(struct cc *cc, void *memory, const struct cc_path *path)
{
    cc_newreno.init(cc, memory, path);
    cc->kept = ALPHA_ONE;
}

static void end_window(struct cc *cc, struct cc_dctcp *d, const struct cc_ack *ack)
{
    if (d->begun && d->acked > 0) {
        const uint32_t part = (uint32_t)muldiv64(d->marked, ALPHA_ONE, d->acked);
        cc->kept -= cc->kept >> GAIN_SHIFT;
        cc->kept += part >> GAIN_SHIFT;
        /* What the shift leaves over never dies out by itself. */
        if (part == 0 && cc->kept < 1u << GAIN_SHIFT)
            cc->kept = 0;
        if (cc->kept > ALPHA_ONE)
            cc->kept = ALPHA_ONE;
    }
    d->begun = true;
    d->acked = d->marked = 0;
    d->round_end = ack->rate.delivered + ack->pipe;
}

static void dctcp_acked(struct cc *cc, void *memory, const struct cc_path *path,
                        const struct cc_ack *ack)
{
    struct cc_dctcp *d = own(memory);
    d->acked += ack->acked;
    d->marked += ack->marked;
    if (!d->begun || ack->rate.delivered >= d->round_end)
        end_window(cc, d, ack);
    cc_newreno.acked(cc, memory, path, ack);
}

static void remember(const struct cc *cc, void *memory)
{
    own(memory)->undo =
        (struct cc_newreno_undo){ .cwnd = cc->cwnd, .ssthresh = cc->ssthresh, .set = true };
}

/* RFC 8257, 3.3, equation: cwnd = cwnd x (1 - alpha / 2). */
static void dctcp_marked(struct cc *cc, void *memory, const struct cc_path *path,
                         const struct cc_loss *loss)
{
    (void)loss;
    own(memory)->undo.set = false; /* a mark is no error */
    const uint32_t less = (uint32_t)((uint64_t)cc->cwnd * cc->kept / (2 * ALPHA_ONE));
    cc->cwnd = cc->ssthresh = cc_at_least(cc->cwnd - less, 2 * path->mss);
}

/* RFC 8257, 3.5: a loss is a loss. */
static void dctcp_lost(struct cc *cc, void *memory, const struct cc_path *path,
                       const struct cc_loss *loss)
{
    remember(cc, memory);
    cc->cwnd = cc->ssthresh = cc_at_least(loss->in_flight / 2, 2 * path->mss);
}

static void dctcp_timeout(struct cc *cc, void *memory, const struct cc_path *path,
                          const struct cc_loss *loss, bool first)
{
    if (first) {
        remember(cc, memory);
        cc->ssthresh = cc_at_least(loss->in_flight / 2, 2 * path->mss);
    }
    cc->cwnd = path->mss;
}

static void dctcp_undo(struct cc *cc, void *memory, const struct cc_path *path)
{
    (void)path;
    struct cc_newreno_undo *undo = &own(memory)->undo;
    if (!undo->set)
        return;
    undo->set = false;
    cc->cwnd = cc_at_least(cc->cwnd, undo->cwnd);
    cc->ssthresh = cc_at_least(cc->ssthresh, undo->ssthresh);
}

static void dctcp_idle(struct cc *cc, void *memory, const struct cc_path *path, weir_time idle,
                       weir_time rto)
{
    (void)memory;
    cc_idle_restart(cc, path, idle, rto);
}

const struct cc_ops cc_dctcp = {
    .name = "dctcp",
    .traits = CC_MARKS,
    .init = dctcp_init,
    .acked = dctcp_acked,
    .lost = dctcp_lost,
    .marked = dctcp_marked,
    .timeout = dctcp_timeout,
    .undo = dctcp_undo,
    .idle = dctcp_idle,
};
