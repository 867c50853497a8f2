/* SPDX-License-Identifier: MIT */
#include "golden/path.h"

#include "tap.h"

/* What the race against Linux over a bad path (tests/bench/path.py) was once lost by, each in
 * virtual time: a change that brings one of them back fails here. */

#define MBIT UINT64_C(125000)

static struct path_result result;

static struct path_plan plan_of(enum weir_congestion congestion, unsigned mbit, unsigned ms)
{
    struct path_plan plan = { .rate = mbit * MBIT,
                              .rtt = ms * WEIR_MS,
                              .flows = 1,
                              .duration = 10 * WEIR_SECOND,
                              .congestion = { (uint8_t)congestion },
                              .seed = 7 };
    plan.buffer = path_bdp(&plan);
    return plan;
}

/* The receiver's window is ahead of the sender's slow start, whatever it began with. */
static void window_grows(void)
{
    const struct path_plan plan = plan_of(WEIR_CC_CUBIC, 20, 300);
    path_run(&plan, &result);
    CHECK(path_use(&plan, &result) > 0.76, "20 Mbit/s, 300 ms: used from the beginning: %.3f",
          path_use(&plan, &result));
}

/* One in a hundred lost is no sign of congestion to BBR, also where that is less than one segment
 * of those in flight. */
static void bbr_stands_loss(void)
{
    static const unsigned ms[] = { 20, 100 };
    for (unsigned i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        struct path_plan plan = plan_of(WEIR_CC_BBR, 20, ms[i]);
        plan.loss = UINT32_MAX / 100;
        plan.warm_up = 2 * WEIR_SECOND;
        path_run(&plan, &result);
        CHECK(path_use(&plan, &result) > 0.9, "BBR, 20 Mbit/s, %u ms, one in a hundred lost: %.3f",
              ms[i], path_use(&plan, &result));
    }
}

/* Nor is one in twenty, from the beginning of the flow on; but a queue that overflows is. */
static void bbr_stands_noise(void)
{
    static const struct {
        unsigned ms;
        double use;
    } rows[] = { { 20, 0.85 }, { 100, 0.75 }, { 300, 0.4 } };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double least = 1;
        for (uint64_t seed = 5; seed <= 8; seed++) {
            struct path_plan plan = plan_of(WEIR_CC_BBR, 20, rows[i].ms);
            plan.loss = UINT32_MAX / 20;
            plan.loss_from = plan.rtt;
            plan.own_windows = true;
            plan.seed = seed;
            path_run(&plan, &result);
            const double use = path_use(&plan, &result);
            least = use < least ? use : least;
        }
        CHECK(least > rows[i].use, "BBR, 20 Mbit/s, %u ms, one in twenty lost: %.3f", rows[i].ms,
              least);
    }
    struct path_plan plan = plan_of(WEIR_CC_BBR, 20, 40);
    plan.flows = 4;
    for (unsigned i = 0; i < plan.flows; i++)
        plan.congestion[i] = WEIR_CC_BBR;
    plan.duration = 20 * WEIR_SECOND;
    plan.buffer /= 4;
    plan.loss = UINT32_MAX / 20;
    path_run(&plan, &result);
    CHECK(
        result.drops * 20 < result.frames,
        "four flows with such losses and a small buffer overflow it with less than one in twenty: "
        "%llu of %llu",
        (unsigned long long)result.drops, (unsigned long long)result.frames);
}

/* Eight lost in a row are not all that is in flight, also on a short way. */
static void bbr_stands_bursts(void)
{
    struct path_plan plan = plan_of(WEIR_CC_BBR, 20, 1);
    plan.buffer = 15000;
    plan.loss = UINT32_MAX / 1000;
    plan.loss_run = 8;
    plan.loss_from = WEIR_SECOND;
    path_run(&plan, &result);
    CHECK(path_use(&plan, &result) > 0.9, "BBR, 20 Mbit/s, 1 ms, eight at a time lost: %.3f",
          path_use(&plan, &result));
}

/* What comes late is sent again, and its DSACK undoes the reduction: also when its timestamp is old
 * by then. */
static void late_is_not_lost(void)
{
    struct path_plan plan = plan_of(WEIR_CC_CUBIC, 20, 20);
    plan.late = UINT32_MAX / 50;
    plan.late_by = 50 * WEIR_MS;
    path_run(&plan, &result);
    const struct weir_status *status = &result.flow[0].status;
    CHECK(status->undo_count > 10 && path_use(&plan, &result) > 0.5,
          "20 ms, some 50 ms late: %u reductions undone, use %.3f", status->undo_count,
          path_use(&plan, &result));
}

int main(void)
{
    window_grows();
    bbr_stands_loss();
    bbr_stands_noise();
    bbr_stands_bursts();
    late_is_not_lost();
    return tap_done();
}
