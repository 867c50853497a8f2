/* SPDX-License-Identifier: MIT */
#include "base/muldiv.h"

#include "base/assert.h"

struct wide {
    uint64_t high, low;
};

static struct wide multiply(uint64_t a, uint64_t b)
{
    const uint64_t a_low = (uint32_t)a, a_high = a >> 32;
    const uint64_t b_low = (uint32_t)b, b_high = b >> 32;
    const uint64_t low = a_low * b_low;
    /* (2^32 - 1)^2 and twice 2^32 - 1 just fit. */
    const uint64_t cross = a_high * b_low + (low >> 32);
    const uint64_t middle = a_low * b_high + (uint32_t)cross;
    return (struct wide){
        .high = a_high * b_high + (cross >> 32) + (middle >> 32),
        .low = middle << 32 | (uint32_t)low,
    };
}

/* One digit, base 2^32, of a long division: (rest * 2^32 + next) / c, for rest < c and c's highest
 * bit set. The estimate from c's upper half is at most two too large (Knuth, 4.3.1, theorem B),
 * hence at most 2^32 + 1, and its product with c's lower half just fits. */
static uint64_t divide_digit(uint64_t *rest, uint32_t next, uint64_t c)
{
    const uint64_t c_high = c >> 32, c_low = (uint32_t)c;
    uint64_t digit = *rest / c_high;
    uint64_t left = *rest - digit * c_high;
    while (digit * c_low > (left << 32 | next)) {
        digit--;
        left += c_high;
        if (left > UINT32_MAX)
            break;
    }
    /* Modulo 2^64; the true value lies in [0, c). */
    *rest = (*rest << 32 | next) - digit * c;
    return digit;
}

uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    WEIR_ASSERT(c != 0);
    struct wide product = multiply(a, b);
    if (product.high == 0)
        return product.low / c;
    if (product.high >= c)
        return UINT64_MAX;

    /* c > product.high >= 1, so the shift is at most 62 and pushes nothing out at the top. */
    const unsigned shift = (unsigned)__builtin_clzll(c);
    if (shift > 0) {
        c <<= shift;
        product.high = product.high << shift | product.low >> (64 - shift);
        product.low <<= shift;
    }
    uint64_t rest = product.high;
    const uint64_t upper = divide_digit(&rest, (uint32_t)(product.low >> 32), c);
    const uint64_t lower = divide_digit(&rest, (uint32_t)product.low, c);
    return upper << 32 | lower;
}
