/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_PRNG_H
#define WEIR_BASE_PRNG_H

/* Seeded random streams, one a purpose, so that a new draw somewhere moves nothing elsewhere.
 * Deterministic on every machine. Predictable to who knows the seed: what an attacker must not
 * guess comes from SipHash over secrets. */

#include <stdint.h>

struct prng {
    uint64_t state[4]; /* xoshiro256** */
};

/* Keyed by (seed, purpose, serial). */
void prng_init(struct prng *prng, uint64_t seed, uint32_t purpose, uint32_t serial);
uint64_t prng_next(struct prng *prng);

/* Uniform in [0, bound), without bias; bound > 0. */
uint32_t prng_below(struct prng *prng, uint32_t bound);

/* True with probability p / 2^32. */
static inline int prng_chance(struct prng *prng, uint32_t p)
{
    return (uint32_t)(prng_next(prng) >> 32) < p;
}

#endif
