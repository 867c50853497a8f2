/* SPDX-License-Identifier: MIT */
#include "tcp/runs.h"

#include "base/prng.h"
#include "tap.h"

/* The arithmetic of a record against counting, octet by octet. */

static uint32_t octets_by_counting(const struct sent *r, uint64_t mask, seq32 una)
{
    uint32_t octets = 0;
    for (uint32_t i = 0; i < r->len; i++)
        octets += (mask >> (i / r->mss) & 1) && seq_geq(r->seq + i, una);
    return octets;
}

static uint32_t below_by_counting(const struct sent *r, seq32 s)
{
    uint32_t k = 0;
    while (k < sent_segments(r) && seq_leq(run_end(r, k), s))
        k++;
    return k;
}

static bool agrees(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed, 0, 0);
    struct sent r = { .mss = (uint16_t)(88 + prng_below(&prng, 200)) };
    r.seq = seed & 1 ? UINT32_MAX - prng_below(&prng, 20000) : (seq32)prng_next(&prng);
    r.len = 1 + prng_below(&prng, (uint32_t)SENT_RUN * r.mss);
    const uint64_t mask = prng_next(&prng) & run_all(&r);
    const seq32 una = r.seq - 50 + prng_below(&prng, r.len + 100);
    uint32_t count = 0;
    for (uint32_t k = 0; k < 64; k++)
        count += mask >> k & 1;
    bool good = run_count(mask) == count &&
                run_octets(&r, mask, una) == octets_by_counting(&r, mask, una) &&
                run_below(&r, una) == below_by_counting(&r, una);
    if (mask != 0) {
        const uint32_t low = run_lowest(mask), high = run_highest(mask);
        good = good && (mask >> low & 1) && (mask >> high & 1) && (mask & run_bits(0, low)) == 0 &&
               (mask & ~run_bits(0, high + 1)) == 0;
    }
    return good;
}

int main(void)
{
    unsigned good = 0;
    for (uint64_t seed = 0; seed < 20000; seed++)
        good += agrees(seed);
    CHECK(good == 20000, "20,000 records: counts, octets and places are as counting has them");
    CHECK(run_bits(0, 64) == UINT64_MAX && run_bits(3, 3) == 0 &&
              run_bits(63, 64) == UINT64_C(1) << 63,
          "the edges of a mask");
    CHECK(run_count(0) == 0 && run_count(UINT64_MAX) == 64 && run_lowest(UINT64_C(1) << 63) == 63,
          "no bit, all, the last");
    return tap_done();
}
