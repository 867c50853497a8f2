/* SPDX-License-Identifier: MIT */
#include "base/csum.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>

#define LEN_MAX   300
#define ALIGN_MAX 16

/* The definition, RFC 1071: 16-bit words in network order, an odd last octet padded with zero. */
static uint16_t naive(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

enum fill {
    RANDOM,
    ONES,
    ZEROS,
    FILL_COUNT
};
static const char *const fill_name[] = { "random octets", "all 0xff", "all zero" };

static void fill(uint8_t *data, size_t len, enum fill how, struct prng *prng)
{
    for (size_t i = 0; i < len; i++)
        data[i] = how == ONES ? 0xff : how == ZEROS ? 0 : (uint8_t)prng_next(prng);
}

static void known_sums(void)
{
    /* RFC 1071, 3: the sum of these is ddf2. */
    static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    CHECK(csum_fold(csum_add(0, example, sizeof example)) == 0x220d, "the example of RFC 1071");

    /* An IPv4 header with its checksum, b861, in place. */
    static const uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                      0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };
    CHECK(csum_fold(csum_add(0, header, sizeof header)) == 0, "a correct header sums to 0");

    CHECK(csum_fold(0) == 0xffff, "of nothing: all ones");
    CHECK(csum_fold(csum_add(0, example, 0)) == 0xffff, "of no octets: all ones");
    CHECK(csum_fold(csum_add16(csum_add16(0, 0xffff), 1)) == 0xfffe, "the carry comes back in");
    CHECK(csum_fold(UINT64_MAX) == 0, "the largest sum folds to all ones");
    static const uint8_t twice[] = { 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x01 };
    CHECK(csum_fold(csum_add(0, twice, sizeof twice)) == 0xfffe, "a fold that carries");
    CHECK(csum_fold(csum_add(UINT64_MAX, twice, sizeof twice)) == 0xfffe, "a sum that carries");
}

static void every_alignment_and_length(void)
{
    static uint8_t buffer[ALIGN_MAX + LEN_MAX];
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    for (enum fill how = RANDOM; how < FILL_COUNT; how++) {
        fill(buffer, sizeof buffer, how, &prng);
        unsigned wrong = 0;
        for (size_t align = 0; align < ALIGN_MAX; align++)
            for (size_t len = 0; len <= LEN_MAX; len++)
                wrong += csum_fold(csum_add(0, buffer + align, len)) != naive(buffer + align, len);
        CHECK(wrong == 0, "%s: every alignment and length sums as the definition does",
              fill_name[how]);
    }
}

/* Cut anywhere, also at odd places, the parts give the sum of the whole. */
static void cut_into_parts(void)
{
    static uint8_t buffer[LEN_MAX];
    unsigned wrong = 0;
    for (unsigned serial = 0; serial < 20000; serial++) {
        struct prng prng;
        prng_init(&prng, 2, 0, serial);
        const size_t len = prng_below(&prng, LEN_MAX + 1);
        fill(buffer, len, serial % 4 == 0 ? ONES : RANDOM, &prng);
        csum32 sum = 0;
        for (size_t done = 0; done < len;) {
            const size_t part = 1 + prng_below(&prng, (uint32_t)(len - done));
            sum = done % 2 == 0 ? csum_add(sum, buffer + done, part)
                                : csum_add_odd(sum, buffer + done, part);
            done += part;
        }
        wrong += csum_fold(sum) != naive(buffer, len);
    }
    CHECK(wrong == 0, "cut into parts at odd and even places, the sum is that of the whole");
}

/* The accumulators must count every carry: this many words of ones make one each. */
static void long_runs(void)
{
    static uint8_t buffer[1 << 20];
    struct prng prng;
    prng_init(&prng, 3, 0, 0);
    for (enum fill how = RANDOM; how < FILL_COUNT; how++) {
        fill(buffer, sizeof buffer, how, &prng);
        CHECK(csum_fold(csum_add(0, buffer, sizeof buffer)) == naive(buffer, sizeof buffer),
              "%s: a mebioctet", fill_name[how]);
        CHECK(csum_fold(csum_add(0, buffer, sizeof buffer - 1)) == naive(buffer, sizeof buffer - 1),
              "%s: a mebioctet less one", fill_name[how]);
    }
}

static void words_in_host_order(void)
{
    unsigned wrong = 0;
    for (uint32_t value = 0; value <= 0xffff; value++) {
        const uint8_t octets[] = { (uint8_t)(value >> 8), (uint8_t)value };
        wrong += csum_fold(csum_add16(0, (uint16_t)value)) != csum_fold(csum_add(0, octets, 2));
    }
    CHECK(wrong == 0, "a word in host order sums as its octets in network order");
}

int main(void)
{
    known_sums();
    every_alignment_and_length();
    cut_into_parts();
    long_runs();
    words_in_host_order();
    return tap_done();
}
