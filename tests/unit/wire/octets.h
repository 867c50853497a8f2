/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_WIRE_OCTETS_H
#define WEIR_TESTS_UNIT_WIRE_OCTETS_H

/* Octets for the tests of src/wire: from hexadecimal text, at random, and laid so that a read past
 * their end is a crash in every build. */

#include "base/prng.h"
#include "tap.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX ((size_t)1 << 17)
#define RANDOM_RUNS 10000

/* Copies `len` octets to where the next octet cannot be read. Valid until the next call. */
static inline uint8_t *guarded(const uint8_t *p, size_t len)
{
    static uint8_t *end;
    if (end == NULL) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *base = mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED || mprotect(base + GUARDED_MAX, page, PROT_NONE) != 0)
            abort();
        end = base + GUARDED_MAX;
    }
    if (len > 0)
        memcpy(end - len, p, len);
    return end - len;
}

/* Reads "45 00 0028 ..." and returns how many octets it was; blanks mean nothing. */
static inline size_t unhex(const char *text, uint8_t *out)
{
    size_t count = 0;
    unsigned digits = 0, value = 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        const char digit[2] = { *text, '\0' };
        value = value << 4 | (unsigned)strtoul(digit, NULL, 16);
        if (++digits % 2 == 0)
            out[count++] = (uint8_t)value;
    }
    return count;
}

static inline void random_octets(struct prng *prng, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)prng_next(prng);
}

static inline uint16_t random16(struct prng *prng)
{
    return (uint16_t)prng_next(prng);
}

static inline uint32_t random32(struct prng *prng)
{
    return (uint32_t)prng_next(prng);
}

static inline bool random_bool(struct prng *prng)
{
    return (prng_next(prng) & 1) != 0;
}

#endif
