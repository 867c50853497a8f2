/* SPDX-License-Identifier: MIT */
#include "tcp/rtx_log.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

/* The log of retransmissions against an array that never forgets. */

static bool agrees(uint64_t seed, uint32_t blocks)
{
    static struct rtx_entry model[4096];
    struct host host;
    struct prng prng;
    struct rtx_log log;
    host_init(&host, blocks);
    prng_init(&prng, seed, 0, 0);
    rtx_log_init(&log);
    uint32_t first = 0, next = 0;
    bool good = true;
    const uint32_t greed = 30 + prng_below(&prng, 60); /* of a hundred steps, those that push */
    for (uint32_t step = 0; step < 4000 && good; step++) {
        if (prng_below(&prng, 100) < greed) {
            const struct rtx_entry entry = { step, 1 + step, (weir_time)step };
            if (rtx_log_push(&log, &host.tcp.sent, entry))
                model[next++] = entry;
            else
                good = next - first == RTX_LOG_MAX || pool_free_count(&host.blocks) == 0;
        } else if (next > first) {
            rtx_log_pop(&log, &host.tcp.sent);
            first++;
        }
        good = good && log.count == next - first && (log.count > 0 || host.blocks.used == 0) &&
               host.blocks.used <= RTX_LOG_BLOCKS;
        for (uint32_t i = 0; i < log.count && good; i++)
            good = rtx_log_at(&log, &host.tcp.sent, i)->seq == model[first + i].seq;
    }
    rtx_log_clear(&log, &host.tcp.sent);
    good = good && host.blocks.used == 0;
    host_free(&host);
    return good;
}

int main(void)
{
    unsigned good = 0;
    for (uint64_t seed = 0; seed < 60; seed++)
        good += agrees(seed, 1 + (uint32_t)(seed % 5));
    CHECK(good == 60, "60 histories: first in, first out, and every block is given back");
    return tap_done();
}
