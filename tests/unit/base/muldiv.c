/* SPDX-License-Identifier: MIT */
#include "base/muldiv.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t model(uint64_t a, uint64_t b, uint64_t c)
{
    const wide quotient = (wide)a * b / c;
    return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient;
}

static void edges(void)
{
    static const struct {
        const char *what;
        uint64_t a, b, c, expected;
    } cases[] = {
        { "zero", 0, UINT64_MAX, 1, 0 },
        { "rounds down", 7, 1, 2, 3 },
        { "9 GB/s for 3 s", UINT64_C(9000000000), UINT64_C(3000000000), UINT64_C(1000000000),
          UINT64_C(27000000000) },
        { "the largest product, back again", UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
        { "just fits", UINT64_MAX, 3, 3, UINT64_MAX },
        { "just does not fit", UINT64_C(1) << 63, 2, 1, UINT64_MAX },
        { "far too large", UINT64_MAX, UINT64_MAX, 1, UINT64_MAX },
        { "one below the largest divisor", UINT64_MAX - 1, UINT64_MAX, UINT64_MAX, UINT64_MAX - 1 },
        { "upper half of the divisor is one", UINT64_MAX, UINT64_C(0x1ffffffff),
          UINT64_C(0x1ffffffff), UINT64_MAX },
        { "divisor of one word", UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 31,
          UINT64_C(1) << 49 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(muldiv64(cases[i].a, cases[i].b, cases[i].c) == cases[i].expected, "%s",
              cases[i].what);
}

/* A number with its bits in few runs: what makes estimates of a digit wrong. */
static uint64_t awkward(struct prng *prng)
{
    const uint64_t r = prng_next(prng);
    const unsigned shift = (unsigned)(r & 63);
    const uint64_t bits = prng_next(prng) >> shift;
    switch (r >> 6 & 3) {
    case 0:
        return bits;
    case 1:
        return UINT64_MAX >> shift;
    case 2:
        return (UINT64_C(1) << shift) + (r >> 8 & 3) - 1;
    default:
        return UINT64_MAX << shift | (r >> 8 & 0xff);
    }
}

static void against_128_bits(void)
{
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 2000000; i++) {
        const uint64_t a = awkward(&prng);
        const uint64_t b = awkward(&prng);
        const uint64_t c = awkward(&prng);
        if (c == 0 || muldiv64(a, b, c) == model(a, b, c))
            continue;
        if (wrong++ == 0)
            printf("# %llu * %llu / %llu\n", (unsigned long long)a, (unsigned long long)b,
                   (unsigned long long)c);
    }
    CHECK(wrong == 0, "two million awkward cases agree with 128-bit arithmetic");
}

static void divide_by_zero(void *context)
{
    *(uint64_t *)context = muldiv64(1, 1, 0);
}

int main(void)
{
    edges();
    against_128_bits();
    uint64_t result;
    CHECK(panics(divide_by_zero, &result), "division by zero is our bug");
    return tap_done();
}
