/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

/* SipHash: 1-3 for tables, 2-4 for what an attacker must not predict (ISN, ports, cookies). */

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash13(const struct siphash_key *key, const void *data, size_t len);
uint64_t siphash24(const struct siphash_key *key, const void *data, size_t len);

/* SipHash-1-3 over exactly so many 64-bit words (a flow's key), without a loop over octets. */
uint64_t siphash13_words2(const struct siphash_key *key, const uint64_t word[2]);
uint64_t siphash13_words5(const struct siphash_key *key, const uint64_t word[5]);

#endif
