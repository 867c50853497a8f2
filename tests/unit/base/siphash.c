/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

/* Key 00 01 .. 0f, data 00 01 .. len-1. The 2-4 column is the reference implementation's (length 15
 * is the example in the paper's appendix A); the 1-3 column comes from an independent one. */
static const struct {
    size_t len;
    uint64_t hash24, hash13;
} vectors[] = {
    { 0, UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0xabac0158050fc4dc) },
    { 1, UINT64_C(0x74f839c593dc67fd), UINT64_C(0xc9f49bf37d57ca93) },
    { 7, UINT64_C(0xab0200f58b01d137), UINT64_C(0xd3927d989bb11140) },
    { 8, UINT64_C(0x93f5f5799a932462), UINT64_C(0x369095118d299a8e) },
    { 9, UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x25a48eb36c063de4) },
    { 15, UINT64_C(0xa129ca6149be45e5), UINT64_C(0xd320d86d2a519956) },
    { 16, UINT64_C(0x3f2acc7f57c29bdb), UINT64_C(0xcc4fdd1a7d908b66) },
    { 40, UINT64_C(0x0e3ea96b5304a7d0), UINT64_C(0xc1d2363299e41531) },
    { 63, UINT64_C(0x958a324ceb064572), UINT64_C(0x9d199062b7bbb3a8) },
};

static const struct siphash_key counting_key = { UINT64_C(0x0706050403020100),
                                                 UINT64_C(0x0f0e0d0c0b0a0908) };

static void reference_vectors(void)
{
    uint8_t data[64];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        CHECK(siphash24(&counting_key, data, vectors[i].len) == vectors[i].hash24,
              "2-4 of %zu octets", vectors[i].len);
        CHECK(siphash13(&counting_key, data, vectors[i].len) == vectors[i].hash13,
              "1-3 of %zu octets", vectors[i].len);
    }
}

static void words(void)
{
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    unsigned wrong = 0, wrong2 = 0;
    for (unsigned i = 0; i < 10000; i++) {
        struct siphash_key key;
        key.k0 = prng_next(&prng);
        key.k1 = prng_next(&prng);
        uint64_t word[5];
        uint8_t octets[40];
        for (unsigned j = 0; j < 5; j++) {
            word[j] = prng_next(&prng);
            for (unsigned k = 0; k < 8; k++)
                octets[8 * j + k] = (uint8_t)(word[j] >> (8 * k));
        }
        wrong += siphash13_words5(&key, word) != siphash13(&key, octets, sizeof octets);
        wrong2 += siphash13_words2(&key, word) != siphash13(&key, octets, 16);
    }
    CHECK(wrong2 == 0, "two words hash as their sixteen octets, lowest first");
    CHECK(wrong == 0, "five words hash as their forty octets, lowest first");
}

static void alignment(void)
{
    uint8_t data[8 + 63];
    unsigned wrong = 0;
    for (unsigned align = 0; align < 8; align++) {
        for (unsigned i = 0; i < 63; i++)
            data[align + i] = (uint8_t)i;
        wrong += siphash24(&counting_key, data + align, 63) != UINT64_C(0x958a324ceb064572);
    }
    CHECK(wrong == 0, "the hash does not depend on where the octets lie");
}

int main(void)
{
    reference_vectors();
    words();
    alignment();
    return tap_done();
}
