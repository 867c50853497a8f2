/* SPDX-License-Identifier: MIT */
#include "base/csum.h"

#include <stdbool.h>
#include <string.h>

/* RFC 1071, 2: the one's complement sum may be taken in words of any width and in either byte
 * order, if the octets of the result are swapped back. So the data is summed in 64-bit words as the
 * machine loads them, and the result is swapped once on a little-endian machine. Four sums side by
 * side keep the adder busy; a carry is worth one (2^64 is 1 modulo 2^16 - 1). */

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

/* a + b, the carry added at the low end. Said like this, it is an instruction for each, and no
 * compiler takes the chain of additions for one whose order is free. */
static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
    uint64_t sum;
    const bool carry = __builtin_add_overflow(a, b, &sum);
    return sum + carry;
}

/* To 16 bits; 0 only for 0. */
static inline uint16_t fold16(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff); /* at most 0x2fffd */
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

static inline uint16_t swap16(uint16_t value)
{
    return (uint16_t)(value << 8 | value >> 8);
}

/* A 16-bit word as loaded by this machine, as the number it is in network order. */
static inline uint16_t from_network(uint16_t loaded)
{
    const uint8_t octets[2] = { 0, 1 };
    uint16_t one;
    memcpy(&one, octets, sizeof one);
    return one == 1 ? loaded : swap16(loaded);
}

/* The sum of whole blocks. */
static uint64_t sum_blocks(const uint8_t *data, const uint8_t *end)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; data != end; data += BLOCK_LEN) {
        a = add_carry(a, load64(data));
        b = add_carry(b, load64(data + 8));
        c = add_carry(c, load64(data + 16));
        d = add_carry(d, load64(data + 24));
        a = add_carry(a, load64(data + 32));
        b = add_carry(b, load64(data + 40));
        c = add_carry(c, load64(data + 48));
        d = add_carry(d, load64(data + 56));
    }
    return add_carry(add_carry(a, b), add_carry(c, d));
}

/* The folded sum of `data`, in network order. */
static inline uint16_t sum_of(const uint8_t *data, size_t len)
{
    uint64_t sum = 0;
    if (len >= BLOCK_LEN) {
        const uint8_t *end = data + len / BLOCK_LEN * BLOCK_LEN;
        sum = sum_blocks(data, end);
        data = end;
        len %= BLOCK_LEN;
    }
    for (; len >= 8; data += 8, len -= 8)
        sum = add_carry(sum, load64(data));
    if (len & 4) {
        sum = add_carry(sum, load32(data));
        data += 4;
    }
    if (len & 3) {
        const uint8_t last[4] = { data[0], (len & 2) ? data[1] : 0, (len & 3) == 3 ? data[2] : 0 };
        sum = add_carry(sum, load32(last));
    }
    return from_network(fold16(sum));
}

csum32 csum_add(csum32 sum, const uint8_t *data, size_t len)
{
    return sum + sum_of(data, len);
}

csum32 csum_add_odd(csum32 sum, const uint8_t *data, size_t len)
{
    return sum + swap16(sum_of(data, len));
}

uint16_t csum_fold(csum32 sum)
{
    return (uint16_t)~fold16(sum);
}
