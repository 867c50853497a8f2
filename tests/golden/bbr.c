/* SPDX-License-Identifier: MIT */
#include "golden/path.h"

#include "tap.h"

/* BBR finds the bottleneck's rate and the round trip without a queue, keeps the queue short, and
 * shares with its like. Pacing is as exact as the clock. */

#define MBIT UINT64_C(125000)

static struct path_plan plan_of(enum weir_congestion congestion, uint64_t rate, weir_time rtt,
                                unsigned flows)
{
    struct path_plan plan = { .rate = rate,
                              .rtt = rtt,
                              .flows = flows,
                              .warm_up = 4 * WEIR_SECOND,
                              .duration = 20 * WEIR_SECOND,
                              .seed = 1 };
    for (unsigned i = 0; i < flows; i++)
        plan.congestion[i] = (uint8_t)congestion;
    plan.buffer = 4 * path_bdp(&plan);
    return plan;
}

static double mean_queue(const struct path_result *result)
{
    return result->queue_count == 0 ? 0 : (double)result->queue_sum / (double)result->queue_count;
}

static void converges(void)
{
    static const struct {
        unsigned mbit, ms;
    } rows[] = { { 1, 20 }, { 10, 40 }, { 50, 10 }, { 20, 200 } };
    static struct path_result result;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct path_plan plan =
            plan_of(WEIR_CC_BBR, rows[i].mbit * MBIT, rows[i].ms * WEIR_MS, 1);
        path_run(&plan, &result);
        const struct weir_status *status = &result.flow[0].status;
        const double rate = (double)plan.rate * 1448 / 1500;
        const double pace = (double)status->pacing_rate;
        CHECK(pace > 0.85 * rate && pace < 1.3 * rate, "%u Mbit/s, %u ms: the rate is found: %.2f",
              rows[i].mbit, rows[i].ms, pace / rate);
        CHECK(status->rtt_min >= plan.rtt && status->rtt_min < plan.rtt + 13 * WEIR_MS,
              "and the round trip: %.1f ms", (double)status->rtt_min / 1e6);
        CHECK(path_use(&plan, &result) > 0.9, "the way is used: %.3f", path_use(&plan, &result));
        CHECK(mean_queue(&result) < 0.75 * path_bdp(&plan) + 8 * 1500,
              "without standing in the queue: %.2f BDP", mean_queue(&result) / path_bdp(&plan));
    }
}

/* What STARTUP put into the queue is gone a second after it began. */
static void drains(void)
{
    static struct path_result result;
    struct path_plan plan = plan_of(WEIR_CC_BBR, 10 * MBIT, 40 * WEIR_MS, 1);
    plan.warm_up = WEIR_SECOND;
    plan.duration = 4 * WEIR_SECOND;
    path_run(&plan, &result);
    CHECK(result.queue_max > path_bdp(&plan) / 2 && mean_queue(&result) < 0.4 * path_bdp(&plan),
          "what slow start queued is drained: %.2f BDP at most, %.2f in the mean later",
          (double)result.queue_max / path_bdp(&plan), mean_queue(&result) / path_bdp(&plan));
}

static void stands_loss(void)
{
    static struct path_result bbr, cubic;
    struct path_plan plan = plan_of(WEIR_CC_BBR, 20 * MBIT, 100 * WEIR_MS, 1);
    plan.loss = UINT32_MAX / 100;
    path_run(&plan, &bbr);
    struct path_plan other = plan_of(WEIR_CC_CUBIC, 20 * MBIT, 100 * WEIR_MS, 1);
    other.loss = plan.loss;
    path_run(&other, &cubic);
    CHECK(path_use(&plan, &bbr) > 0.8 && path_use(&plan, &bbr) > 4 * path_use(&other, &cubic),
          "one frame in a hundred lost: %.2f of the way, where CUBIC has %.2f",
          path_use(&plan, &bbr), path_use(&other, &cubic));
}

static void shares(void)
{
    static struct path_result result;
    struct path_plan plan = plan_of(WEIR_CC_BBR, 20 * MBIT, 40 * WEIR_MS, 4);
    plan.duration = 40 * WEIR_SECOND;
    path_run(&plan, &result);
    CHECK(path_fairness(&plan, &result) > 0.9 && path_use(&plan, &result) > 0.9,
          "four flows share: Jain %.3f, use %.3f", path_fairness(&plan, &result),
          path_use(&plan, &result));
}

/* SO_MAX_PACING_RATE on a way that is ten times as fast. */
static void paced(void)
{
    static struct path_result result;
    struct path_plan plan = plan_of(WEIR_CC_CUBIC, 100 * MBIT, 20 * WEIR_MS, 1);
    plan.pacing_max = 10 * MBIT;
    path_run(&plan, &result);
    const double seconds = (double)(plan.duration - plan.warm_up) / 1e9;
    const double rate = (double)result.flow[0].octets / seconds;
    CHECK(rate > 0.995 * (double)plan.pacing_max && rate < 1.005 * (double)plan.pacing_max,
          "a bound of the pacing rate holds within 0.5 %%: %.4f", rate / (double)plan.pacing_max);
    CHECK(result.queue_max <= 3 * 1500, "frames leave one by one: %u octets wait at most",
          result.queue_max);
    plan.coarse = WEIR_MS;
    path_run(&plan, &result);
    const double late = (double)result.flow[0].octets / seconds;
    CHECK(late > 0.98 * (double)plan.pacing_max && late < 1.005 * (double)plan.pacing_max,
          "timers that come up to a millisecond late cost next to nothing: %.4f",
          late / (double)plan.pacing_max);
    plan = plan_of(WEIR_CC_CUBIC, 100 * MBIT, WEIR_MS / 10, 1);
    plan.buffer = 100000;
    plan.pacing_max = MBIT / 2;
    path_run(&plan, &result);
    const double slow = (double)result.flow[0].octets / seconds;
    CHECK(slow > 0.99 * (double)plan.pacing_max && slow < 1.01 * (double)plan.pacing_max,
          "also where every segment is acknowledged before the next: %.4f",
          slow / (double)plan.pacing_max);
}

int main(void)
{
    converges();
    drains();
    stands_loss();
    shares();
    paced();
    return tap_done();
}
