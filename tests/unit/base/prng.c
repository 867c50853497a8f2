/* SPDX-License-Identifier: MIT */
#include "base/prng.h"

#include "panic.h"
#include "tap.h"

static void golden_stream(void)
{
    /* xoshiro256** from state 1, 2, 3, 4, as its authors' program prints it. */
    static const uint64_t expected[] = {
        UINT64_C(11520),
        UINT64_C(0),
        UINT64_C(1509978240),
        UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360),
        UINT64_C(607988272756665600),
        UINT64_C(16172922978634559625),
        UINT64_C(8476171486693032832),
        UINT64_C(10595114339597558777),
        UINT64_C(2904607092377533576),
    };
    struct prng prng = { { 1, 2, 3, 4 } };
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++)
        CHECK(prng_next(&prng) == expected[i], "draw %u of the reference stream", i);
}

/* What is recorded under a seed today must come out again in ten years. */
static void golden_seeds(void)
{
    static const struct {
        uint64_t seed;
        uint32_t purpose, serial;
        uint64_t draw[3];
    } cases[] = {
        { 0,
          0,
          0,
          { UINT64_C(0xfb5405f7bd79c540), UINT64_C(0x780c98e26cea5883),
            UINT64_C(0x2a146e0980febc66) } },
        { 1,
          0,
          0,
          { UINT64_C(0xee127fe613436e33), UINT64_C(0xd6dad8d34a1874ea),
            UINT64_C(0x2a52c16cec1116a9) } },
        { 0,
          1,
          0,
          { UINT64_C(0x60127b9f1ccf09e0), UINT64_C(0xc7abeacbca246269),
            UINT64_C(0x4506638834399b0c) } },
        { 0,
          0,
          1,
          { UINT64_C(0xef75d62a19ba94ed), UINT64_C(0x8e9490536375f270),
            UINT64_C(0xc05630b1c614195d) } },
        { UINT64_C(0x123456789abcdef0),
          7,
          42,
          { UINT64_C(0x334ec5ec205b6853), UINT64_C(0xff49f702846636f3),
            UINT64_C(0x71d86b3d129c842f) } },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct prng prng;
        prng_init(&prng, cases[i].seed, cases[i].purpose, cases[i].serial);
        unsigned wrong = 0;
        for (unsigned j = 0; j < 3; j++)
            wrong += prng_next(&prng) != cases[i].draw[j];
        CHECK(wrong == 0, "seed %llx, purpose %u, serial %u: the golden draws",
              (unsigned long long)cases[i].seed, cases[i].purpose, cases[i].serial);
    }
}

static void below_is_uniform(void)
{
    enum {
        BOUND = 10,
        DRAWS = 1000000,
        MEAN = DRAWS / BOUND
    };
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    uint32_t seen[BOUND] = { 0 };
    for (unsigned i = 0; i < DRAWS; i++)
        seen[prng_below(&prng, BOUND)]++;
    for (unsigned i = 0; i < BOUND; i++)
        /* Five standard deviations of the binomial, 5 x 300. */
        CHECK(seen[i] > MEAN - 1500 && seen[i] < MEAN + 1500, "%u comes up %u times of %d", i,
              seen[i], DRAWS);
}

/* Of 2^32 draws, 3 x 2^30 values: without rejection every third value would come twice. */
static void below_is_unbiased(void)
{
    enum {
        DRAWS = 300000
    };
    struct prng prng;
    prng_init(&prng, 2, 0, 0);
    uint32_t seen[3] = { 0 };
    for (unsigned i = 0; i < DRAWS; i++)
        seen[prng_below(&prng, UINT32_C(3) << 30) % 3]++;
    for (unsigned i = 0; i < 3; i++)
        CHECK(seen[i] > 98500 && seen[i] < 101500, "residue %u comes up %u times of %d", i, seen[i],
              DRAWS);
}

static void below_keeps_its_bound(void)
{
    static const uint32_t bounds[] = { 1, 2, 3, 255, 256, 65537, UINT32_C(1) << 31, UINT32_MAX };
    struct prng prng;
    prng_init(&prng, 3, 0, 0);
    for (unsigned i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        unsigned outside = 0;
        for (unsigned j = 0; j < 10000; j++)
            outside += prng_below(&prng, bounds[i]) >= bounds[i];
        CHECK(outside == 0, "every draw is below %u", bounds[i]);
    }
}

static void chance(void)
{
    struct prng prng;
    prng_init(&prng, 4, 0, 0);
    unsigned never = 0;
    unsigned quarter = 0;
    for (unsigned i = 0; i < 100000; i++) {
        never += prng_chance(&prng, 0) != 0;
        quarter += prng_chance(&prng, UINT32_C(1) << 30) != 0;
    }
    CHECK(never == 0, "a chance of 0 never comes");
    CHECK(quarter > 24300 && quarter < 25700, "a chance of one in four comes %u times of 100000",
          quarter);
}

static void draw_below_zero(void *context)
{
    (void)prng_below(context, 0);
}

int main(void)
{
    golden_stream();
    golden_seeds();
    below_is_uniform();
    below_is_unbiased();
    below_keeps_its_bound();
    chance();
    struct prng prng;
    prng_init(&prng, 5, 0, 0);
    CHECK(panics(draw_below_zero, &prng), "a bound of 0 is our bug");
    return tap_done();
}
