/* SPDX-License-Identifier: MIT */
/* demux.c against the plainest thing that could be right: a list of pairs. Few different hashes and
 * a small table make every kind of collision, and lines that run around the end. */
#include "tap.h"

#include "base/prng.h"
#include "stack/demux.h"

#include <stdlib.h>

#define MOST 40

struct pair {
    uint32_t hash, ref;
};

static bool same(const struct demux *demux, const struct pair *pairs, unsigned count)
{
    if (demux->count != count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned expected = 0, found = 0;
        for (unsigned k = 0; k < count; k++)
            expected += pairs[k].hash == pairs[i].hash;
        uint32_t at;
        bool seen = false;
        for (uint32_t ref = demux_first(demux, pairs[i].hash, &at); ref != DEMUX_NONE;
             ref = demux_next(demux, pairs[i].hash, &at)) {
            found++;
            seen |= ref == pairs[i].ref;
        }
        if (!seen || found != expected || !demux_has(demux, pairs[i].hash, pairs[i].ref))
            return false;
    }
    return true;
}

static bool agrees(uint64_t seed)
{
    struct prng random;
    prng_init(&random, seed, 1, 0);
    struct arena arena = { aligned_alloc(64, 8192), 0, 8192 };
    struct demux demux;
    demux_init(&demux, &arena, MOST);
    struct pair pairs[MOST];
    unsigned count = 0;
    uint32_t next_ref = 1;
    bool right = true;
    const uint32_t hashes = 2 + prng_below(&random, 60), base = prng_below(&random, 128);
    for (unsigned step = 0; step < 300 && right; step++) {
        const uint32_t what = prng_below(&random, 5);
        if (what < 2 && count < MOST) {
            pairs[count].hash =
                base + prng_below(&random, hashes) * (1 + prng_below(&random, 2) * 127);
            pairs[count].ref = next_ref++;
            demux_add(&demux, pairs[count].hash, pairs[count].ref);
            count++;
        } else if (what < 4 && count > 0) {
            const unsigned i = prng_below(&random, count);
            demux_remove(&demux, pairs[i].hash, pairs[i].ref);
            pairs[i] = pairs[--count];
        } else if (count > 0) {
            const unsigned i = prng_below(&random, count);
            demux_replace(&demux, pairs[i].hash, pairs[i].ref, next_ref);
            pairs[i].ref = next_ref++;
        }
        right = same(&demux, pairs, count);
    }
    free(arena.base);
    return right;
}

int main(void)
{
    unsigned right = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        if (agrees(seed))
            right++;
        else
            CHECK(false, "seed %llu agrees with the model", (unsigned long long)seed);
    }
    CHECK(right == 1000, "1,000 seeds agree with the model");
    struct arena count_only = { NULL, 0, 0 };
    struct demux demux;
    demux_init(&demux, &count_only, 1364);
    CHECK(count_only.used == 2048 * sizeof(struct demux_slot), "never more than two thirds full");
    count_only.used = 0;
    demux_init(&demux, &count_only, 1365);
    CHECK(count_only.used == 4096 * sizeof(struct demux_slot), "nor by one more");
    return tap_done();
}
