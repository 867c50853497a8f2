/* SPDX-License-Identifier: MIT */
#include "base/csum.h"

#include <string.h>

/* RFC 1071, 2: the one's complement sum may be taken in words of any width and in either byte
 * order, if the octets of the result are swapped back. So the data is summed in 64-bit words as the
 * machine loads them, and the result is swapped once on a little-endian machine. Four sums side by
 * side keep the adder busy; their carries, each worth one (2^64 is 1 modulo 2^16 - 1), are counted
 * apart. */

#define BLOCK_LEN 32

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* a + b, the carry added at the low end. */
static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
    const uint64_t sum = a + b;
    return sum + (sum < b);
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

/* Fewer than BLOCK_LEN octets. */
static uint64_t sum_tail(uint64_t sum, const uint8_t *data, size_t len)
{
    for (; len >= 8; data += 8, len -= 8)
        sum = add_carry(sum, load64(data));
    if (len >= 4) {
        uint32_t word;
        memcpy(&word, data, sizeof word);
        sum = add_carry(sum, word);
        data += 4;
        len -= 4;
    }
    if (len >= 2) {
        uint16_t word;
        memcpy(&word, data, sizeof word);
        sum = add_carry(sum, word);
        data += 2;
        len -= 2;
    }
    if (len > 0) {
        const uint8_t last[2] = { data[0], 0 };
        uint16_t word;
        memcpy(&word, last, sizeof word);
        sum = add_carry(sum, word);
    }
    return sum;
}

/* The folded sum of `data`, in network order. */
static uint16_t sum_of(const uint8_t *data, size_t len)
{
    uint64_t sum[4] = { 0 };
    uint64_t carries = 0;
    for (; len >= BLOCK_LEN; data += BLOCK_LEN, len -= BLOCK_LEN) {
        const uint64_t w0 = load64(data);
        const uint64_t w1 = load64(data + 8);
        const uint64_t w2 = load64(data + 16);
        const uint64_t w3 = load64(data + 24);
        sum[0] += w0;
        carries += sum[0] < w0;
        sum[1] += w1;
        carries += sum[1] < w1;
        sum[2] += w2;
        carries += sum[2] < w2;
        sum[3] += w3;
        carries += sum[3] < w3;
    }
    uint64_t total = add_carry(add_carry(sum[0], sum[1]), add_carry(sum[2], sum[3]));
    total = add_carry(total, carries);
    return from_network(fold16(sum_tail(total, data, len)));
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
