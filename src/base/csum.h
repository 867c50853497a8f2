/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_CSUM_H
#define WEIR_BASE_CSUM_H

/* The Internet checksum (RFC 1071) as a running sum: `csum_add` any runs (only the last may have
 * odd length, or pass the octets before it as `csum_add_odd`), then `csum_fold`. The sum is over
 * octets in network order and does not depend on the machine. */

#include <stddef.h>
#include <stdint.h>

/* One's complement sum so far, not folded. Start with 0. */
typedef uint64_t csum32;

/* Adds `len` octets that begin at an even offset of the summed data. */
csum32 csum_add(csum32 sum, const uint8_t *data, size_t len);

/* Adds `len` octets that begin at an odd offset. */
csum32 csum_add_odd(csum32 sum, const uint8_t *data, size_t len);

/* Adds a 16-bit value in host order, as at an even offset. */
static inline csum32 csum_add16(csum32 sum, uint16_t value)
{
    return sum + value;
}

/* Folds to 16 bits and complements: the value to be stored in the checksum field, host order. Over
 * data that includes a correct checksum the result is 0. */
uint16_t csum_fold(csum32 sum);

#endif
