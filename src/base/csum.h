/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CSUM_H
#define WEIR_BASE_CSUM_H

/* The Internet checksum (RFC 1071) as a running sum: `csum_add` any runs (only the last may have
 * odd length, or pass the octets after it as `csum_add_odd`), then `csum_fold`.
 *
 * RFC 1071, 2: the one's complement sum may be taken in words of any width and in either byte
 * order, if the octets of the result are swapped back. So the running sum is one of 64-bit words as
 * this machine loads them, and only csum_fold's result is a number that all machines agree on. A
 * carry is worth one: 2^64 is 1 modulo 2^16 - 1. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One's complement sum so far, not folded. Start with 0. */
typedef uint64_t csum32;

/* a + b, the carry added at the low end. Said like this, it is an instruction for each, and no
 * compiler takes a chain of such additions for one whose order is free. */
static inline csum32 csum_plus(csum32 a, uint64_t b)
{
    uint64_t sum;
    const bool carry = __builtin_add_overflow(a, b, &sum);
    return sum + carry;
}

/* Adds `len` octets that begin at an even offset of the summed data. */
csum32 csum_add(csum32 sum, const uint8_t *data, size_t len);

/* Adds `len` octets that begin at an odd offset. */
csum32 csum_add_odd(csum32 sum, const uint8_t *data, size_t len);

/* Adds a 16-bit value in host order, as at an even offset. */
static inline csum32 csum_add16(csum32 sum, uint16_t value)
{
    const uint8_t octets[2] = { (uint8_t)(value >> 8), (uint8_t)value };
    uint16_t word;
    memcpy(&word, octets, sizeof word);
    return csum_plus(sum, word);
}

/* Folds to 16 bits and complements: the value to be stored in the checksum field, host order. Over
 * data that includes a correct checksum the result is 0. */
uint16_t csum_fold(csum32 sum);

#endif
