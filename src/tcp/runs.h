/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_RUNS_H
#define WEIR_TCP_RUNS_H

/* Arithmetic over one record of the sent map: which bits of its maps stand for which octets.
 *
 * A record is a run of up to 64 segments of r->mss octets, of which the last may be short; bit k
 * stands for segment k. Nothing here changes a record, and all of it is O(1) or O(log 64). `una` is
 * SND.UNA: octets below it are not counted. */

#include "base/seq.h"
#include "tcp/sent.h"

/* Bits of the segments [from, to). */
static inline uint64_t run_bits(uint32_t from, uint32_t to)
{
    if (from >= to)
        return 0;
    const uint64_t below_to = to >= 64 ? UINT64_MAX : (UINT64_C(1) << to) - 1;
    return below_to & ~((UINT64_C(1) << from) - 1);
}

static inline uint64_t run_all(const struct sent *r)
{
    return run_bits(0, sent_segments(r));
}

/* Segments of `r` that lie wholly below `s`. */
static inline uint32_t run_below(const struct sent *r, seq32 s)
{
    if (seq_leq(s, r->seq))
        return 0;
    if (seq_geq(s, r->seq + r->len))
        return sent_segments(r);
    return (s - r->seq) / r->mss;
}

/* How many bits are set: halves are added side by side, since a builtin may become a call. */
static inline uint32_t run_count(uint64_t mask)
{
    if ((mask & (mask - 1)) == 0) /* none, or the one of a request */
        return mask != 0;
    mask -= mask >> 1 & UINT64_C(0x5555555555555555);
    mask = (mask & UINT64_C(0x3333333333333333)) + (mask >> 2 & UINT64_C(0x3333333333333333));
    mask = (mask + (mask >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(mask * UINT64_C(0x0101010101010101) >> 56);
}

/* The lowest and the highest bit of a mask that is not 0. */
static inline uint32_t run_lowest(uint64_t mask)
{
    return (uint32_t)__builtin_ctzll(mask);
}

static inline uint32_t run_highest(uint64_t mask)
{
    return 63 - (uint32_t)__builtin_clzll(mask);
}

/* One past the last octet of segment k. */
static inline seq32 run_end(const struct sent *r, uint32_t k)
{
    const uint32_t end = (k + 1) * r->mss;
    return r->seq + (end < r->len ? end : r->len);
}

/* Octets above `una` of the segments whose bits are in `mask`, all of which must exist. */
static inline uint32_t run_octets(const struct sent *r, uint64_t mask, seq32 una)
{
    const uint32_t gone = seq_lt(r->seq, una) ? una - r->seq : 0;
    if (gone >= r->len)
        return 0;
    const uint32_t first = gone / r->mss;
    const uint32_t last = sent_segments(r) - 1;
    mask &= ~run_bits(0, first);
    uint32_t octets = run_count(mask) * r->mss;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): no run is empty. */
    if (mask >> last & 1)
        octets -= (last + 1) * r->mss - r->len;
    if (mask >> first & 1)
        octets -= gone - first * r->mss;
    return octets;
}

#endif
