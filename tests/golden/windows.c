/* SPDX-License-Identifier: MIT */
#include "golden/path.h"

#include "tap.h"

/* Windows grow by themselves: what a path carries is the path's doing, not that of a setting. */

#define GBIT UINT64_C(125000000)

static struct path_result result;

int main(void)
{
    struct path_plan plan = { .rate = GBIT,
                              .rtt = 200 * WEIR_MS,
                              .flows = 1,
                              .own_windows = true,
                              .warm_up = 8 * WEIR_SECOND,
                              .duration = 12 * WEIR_SECOND,
                              .congestion = { WEIR_CC_CUBIC },
                              .seed = 5 };
    plan.buffer = path_bdp(&plan);
    path_run(&plan, &result);
    CHECK(path_use(&plan, &result) > 0.95,
          "1 Gbit/s over 200 ms is filled with default windows: use %.3f",
          path_use(&plan, &result));
    CHECK(result.drops == 0, "and nothing is dropped: %llu", (unsigned long long)result.drops);

    plan.rate = GBIT / 1000;
    plan.rtt = 20 * WEIR_MS;
    plan.buffer = 4 * path_bdp(&plan);
    path_run(&plan, &result);
    CHECK(result.flow[0].status.unsent < 512 << 10,
          "what waits on a slow path is little: %u octets", result.flow[0].status.unsent);
    return tap_done();
}
