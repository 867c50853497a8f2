/* SPDX-License-Identifier: MIT */
#include "md5.h"

#include <string.h>

#define BLOCK      64 /* octets */
#define LENGTH_LEN 8  /* the message's length, in bits, at the end of the last block */

struct md5 {
    uint32_t word[4];
    uint64_t len;
    uint8_t block[BLOCK]; /* what has come of the next one */
};

/* RFC 1321, 3.4: 2^32 times abs(sin(i + 1)), and how far each step rotates. */
static const uint32_t sine[BLOCK] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t turn[4][4] = {
    { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 }
};

static uint32_t word_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Which word of the block a step takes, and the function of its round. */
static uint32_t mix(unsigned i, uint32_t b, uint32_t c, uint32_t d, unsigned *word)
{
    switch (i / 16) {
    case 0:
        *word = i;
        return (b & c) | (~b & d);
    case 1:
        *word = (5 * i + 1) % 16;
        return (b & d) | (c & ~d);
    case 2:
        *word = (3 * i + 5) % 16;
        return b ^ c ^ d;
    default:
        *word = 7 * i % 16;
        return c ^ (b | ~d);
    }
}

static void add_block(struct md5 *md5)
{
    uint32_t a = md5->word[0], b = md5->word[1], c = md5->word[2], d = md5->word[3];
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned word;
        const uint32_t mixed = mix(i, b, c, d, &word);
        const uint32_t sum = a + mixed + word_at(md5->block + 4 * word) + sine[i];
        const unsigned bits = turn[i / 16][i % 4];
        a = d;
        d = c;
        c = b;
        b += sum << bits | sum >> (32 - bits);
    }
    md5->word[0] += a;
    md5->word[1] += b;
    md5->word[2] += c;
    md5->word[3] += d;
}

static void add(struct md5 *md5, const uint8_t *data, size_t len)
{
    while (len > 0) {
        const size_t used = md5->len % BLOCK;
        const size_t part = len < BLOCK - used ? len : BLOCK - used;
        memcpy(md5->block + used, data, part);
        md5->len += part;
        data += part;
        len -= part;
        if (md5->len % BLOCK == 0)
            add_block(md5);
    }
}

static void digest_of(const struct weir_span *part, unsigned count, uint8_t digest[WEIR_MD5_LEN])
{
    static const uint8_t pad[BLOCK] = { 0x80 };
    struct md5 md5 = { .word = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } };
    uint8_t bits[LENGTH_LEN];
    for (unsigned i = 0; i < count; i++)
        add(&md5, part[i].base, part[i].len);
    for (unsigned i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t)(md5.len * 8 >> 8 * i);
    const size_t used = md5.len % BLOCK, end = BLOCK - LENGTH_LEN;
    add(&md5, pad, used < end ? end - used : BLOCK + end - used);
    add(&md5, bits, sizeof bits);
    for (unsigned i = 0; i < WEIR_MD5_LEN; i++)
        digest[i] = (uint8_t)(md5.word[i / 4] >> 8 * (i % 4));
}

const struct weir_crypto md5_crypto = { .md5 = digest_of };
