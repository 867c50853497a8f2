/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_SEQ_H
#define WEIR_BASE_SEQ_H

/* Sequence numbers of RFC 9293, 3.4: modulo 2^32, compared only within a window of 2^31.
 *
 * These are the only comparisons of sequence numbers in weir; `<` on a seq32 is a bug. */

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t seq32;

/* How far `b` lies after `a`; negative if before. */
static inline int32_t seq_diff(seq32 b, seq32 a)
{
    return (int32_t)(b - a);
}

static inline bool seq_lt(seq32 a, seq32 b)
{
    return seq_diff(a, b) < 0;
}

static inline bool seq_leq(seq32 a, seq32 b)
{
    return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(seq32 a, seq32 b)
{
    return seq_diff(a, b) > 0;
}

static inline bool seq_geq(seq32 a, seq32 b)
{
    return seq_diff(a, b) >= 0;
}

/* start <= s < start + len, for any len up to 2^32 - 1. */
static inline bool seq_in(seq32 s, seq32 start, uint32_t len)
{
    return s - start < len;
}

static inline seq32 seq_max(seq32 a, seq32 b)
{
    return seq_lt(a, b) ? b : a;
}

static inline seq32 seq_min(seq32 a, seq32 b)
{
    return seq_lt(a, b) ? a : b;
}

#endif
