/* SPDX-License-Identifier: MIT */
#include "base/csum.h"

#define BLOCK_LEN 64

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t load32(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* The sum of whole blocks: four side by side keep the adder busy. */
static uint64_t sum_blocks(const uint8_t *data, const uint8_t *end)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; data != end; data += BLOCK_LEN) {
        a = csum_plus(a, load64(data));
        b = csum_plus(b, load64(data + 8));
        c = csum_plus(c, load64(data + 16));
        d = csum_plus(d, load64(data + 24));
        a = csum_plus(a, load64(data + 32));
        b = csum_plus(b, load64(data + 40));
        c = csum_plus(c, load64(data + 48));
        d = csum_plus(d, load64(data + 56));
    }
    return csum_plus(csum_plus(a, b), csum_plus(c, d));
}

csum32 csum_add(csum32 sum, const uint8_t *data, size_t len)
{
    if (len >= BLOCK_LEN) {
        const uint8_t *end = data + len / BLOCK_LEN * BLOCK_LEN;
        sum = csum_plus(sum, sum_blocks(data, end));
        data = end;
        len %= BLOCK_LEN;
    }
    for (; len >= 8; data += 8, len -= 8)
        sum = csum_plus(sum, load64(data));
    if (len & 4) {
        sum = csum_plus(sum, load32(data));
        data += 4;
    }
    if (len & 3) {
        const uint8_t last[4] = { data[0], (len & 2) ? data[1] : 0, (len & 3) == 3 ? data[2] : 0 };
        sum = csum_plus(sum, load32(last));
    }
    return sum;
}

/* To 16 bits; 0 only for 0. Of two halves, the upper one of their sum with themselves the other way
 * round is what they are together, the carry included. */
static uint16_t fold16(csum32 sum)
{
    uint32_t both = (uint32_t)(sum >> 32);
    const bool carry = __builtin_add_overflow(both, (uint32_t)sum, &both);
    both += carry;
    return (uint16_t)((both + (both << 16 | both >> 16)) >> 16);
}

csum32 csum_add_odd(csum32 sum, const uint8_t *data, size_t len)
{
    const uint16_t even = fold16(csum_add(0, data, len));
    return csum_plus(sum, (uint16_t)(even << 8 | even >> 8));
}

uint16_t csum_fold(csum32 sum)
{
    const uint16_t word = (uint16_t)~fold16(sum);
    uint8_t octets[2];
    memcpy(octets, &word, sizeof octets);
    return (uint16_t)(octets[0] << 8 | octets[1]);
}
