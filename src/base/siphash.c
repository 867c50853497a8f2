/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), whose names these are. */

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static inline struct state start(const struct siphash_key *key)
{
    return (struct state){
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
}

static inline void compress(struct state *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    for (unsigned i = 0; i < rounds; i++)
        sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t finish(struct state *s, unsigned rounds)
{
    s->v2 ^= 0xff;
    for (unsigned i = 0; i < rounds; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static inline uint64_t hash(const struct siphash_key *key, const uint8_t *data, size_t len,
                            unsigned word_rounds, unsigned final_rounds)
{
    struct state s = start(key);
    const uint8_t *whole_end = data + (len & ~(size_t)7);
    for (; data != whole_end; data += 8)
        compress(&s, load_le64(data), word_rounds);

    /* The last word is what is left, and the length modulo 256 in its highest octet. */
    uint64_t last = (uint64_t)(len & 0xff) << 56;
    for (unsigned i = 0; i < (len & 7); i++)
        last |= (uint64_t)data[i] << (8 * i);
    compress(&s, last, word_rounds);
    return finish(&s, final_rounds);
}

uint64_t siphash13(const struct siphash_key *key, const void *data, size_t len)
{
    return hash(key, data, len, 1, 3);
}

uint64_t siphash24(const struct siphash_key *key, const void *data, size_t len)
{
    return hash(key, data, len, 2, 4);
}

static inline uint64_t hash_words(const struct siphash_key *key, const uint64_t *word,
                                  unsigned count)
{
    struct state s = start(key);
    for (unsigned i = 0; i < count; i++)
        compress(&s, word[i], 1);
    compress(&s, (uint64_t)count * 8 << 56, 1);
    return finish(&s, 3);
}

uint64_t siphash13_words2(const struct siphash_key *key, const uint64_t word[2])
{
    return hash_words(key, word, 2);
}

uint64_t siphash13_words5(const struct siphash_key *key, const uint64_t word[5])
{
    return hash_words(key, word, 5);
}
