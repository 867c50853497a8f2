/* SPDX-License-Identifier: MIT */
#include "base/prng.h"

#include "base/assert.h"

/* xoshiro256** of Blackman and Vigna, its state filled by splitmix64, as they advise. */

#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += GOLDEN_GAMMA;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

void prng_init(struct prng *prng, uint64_t seed, uint32_t purpose, uint32_t serial)
{
    /* Mixed before the key is added, or seed 1 with serial 0 would be seed 0 with serial 1.
     * Splitmix never gives the same value twice in a row, so the state is never all zero. */
    uint64_t x = splitmix(&seed) ^ ((uint64_t)purpose << 32 | serial);
    for (unsigned i = 0; i < 4; i++)
        prng->state[i] = splitmix(&x);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t prng_below(struct prng *prng, uint32_t bound)
{
    WEIR_ASSERT(bound > 0);

    /* The upper half of draw * bound. 2^32 draws fall on `bound` values; the 2^32 % bound draws
     * that would make some values likelier than others are drawn again (Lemire). */
    const uint32_t surplus = (uint32_t)-bound % bound;
    uint64_t product;
    do {
        product = (prng_next(prng) >> 32) * bound;
    } while ((uint32_t)product < surplus);
    return (uint32_t)(product >> 32);
}
