/* SPDX-License-Identifier: MIT */

/* csum.c as a machine of the other byte order would run it. It meets memory through memcpy into
 * integers alone, so a memcpy that turns the octets round is all that such a machine is to it. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static void copy_turned(void *to, const void *from, size_t len)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    for (size_t i = 0; i < len; i++)
        out[i] = in[len - 1 - i];
}

#define memcpy copy_turned
#include "base/csum.c"
#undef memcpy

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#define LEN_MAX 300

/* The definition, as in csum.c beside this file. */
static uint16_t naive(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

int main(void)
{
    uint8_t data[LEN_MAX];
    struct prng prng;
    prng_init(&prng, 1, 0, 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)prng_next(&prng);

    uint16_t straight;
    memcpy(&straight, data, sizeof straight);
    uint16_t turned;
    copy_turned(&turned, data, sizeof turned);
    CHECK(straight != turned, "the two octets that tell are not the same");
    const uint16_t number = (uint16_t)(data[0] << 8 | data[1]);
    const uint16_t complement = (uint16_t)~number;
    CHECK(csum_add16(0, number) == turned, "a number is added as this machine would load it");
    CHECK(csum_fold(csum_add16(0, number)) == complement, "and comes back as it was");
    unsigned wrong = 0;
    unsigned wrong_parts = 0;
    for (size_t len = 0; len <= LEN_MAX; len++) {
        wrong += csum_fold(csum_add(0, data, len)) != naive(data, len);
        for (size_t cut = 0; cut <= len; cut++) {
            const csum32 sum = csum_add(0, data, cut);
            wrong_parts += csum_fold(cut % 2 == 0 ? csum_add(sum, data + cut, len - cut)
                                                  : csum_add_odd(sum, data + cut, len - cut)) !=
                           naive(data, len);
        }
    }
    CHECK(wrong == 0, "every length sums as the definition does");
    CHECK(wrong_parts == 0, "cut in two anywhere, too");
    return tap_done();
}
