/* SPDX-License-Identifier: MIT */
#include "base/seq.h"

#include "panic.h"
#include "tap.h"

/* a, b, and how far b lies after a. */
static const struct {
    seq32 a, b;
    int32_t diff;
} pairs[] = {
    { 0, 0, 0 },
    { 0, 1, 1 },
    { 1, 0, -1 },
    { UINT32_MAX, 0, 1 }, /* over the wrap */
    { 0, UINT32_MAX, -1 },
    { 0x7fffffff, 0x80000000, 1 }, /* over the change of sign */
    { 0x80000000, 0x7fffffff, -1 },
    { 0, 0x7fffffff, INT32_MAX }, /* the farthest that has an order */
    { 0x7fffffff, 0, -INT32_MAX },
    { 0xfffffff0, 0x10, 0x20 },
};

static void comparisons(void)
{
    for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const seq32 a = pairs[i].a;
        const seq32 b = pairs[i].b;
        const int32_t diff = pairs[i].diff;
        CHECK(seq_diff(b, a) == diff, "%u is %d after %u", b, diff, a);
        CHECK(seq_lt(a, b) == (diff > 0) && seq_leq(a, b) == (diff >= 0), "%u before %u", a, b);
        CHECK(seq_gt(a, b) == (diff < 0) && seq_geq(a, b) == (diff <= 0), "%u after %u", a, b);
        CHECK(seq_max(a, b) == (diff > 0 ? b : a), "the later of %u and %u", a, b);
        CHECK(seq_min(a, b) == (diff > 0 ? a : b), "the earlier of %u and %u", a, b);
    }
}

static void windows(void)
{
    static const struct {
        const char *what;
        seq32 s, start;
        uint32_t len;
        bool in;
    } cases[] = {
        { "the first", 100, 100, 10, true },
        { "the last", 109, 100, 10, true },
        { "one past the last", 110, 100, 10, false },
        { "one before the first", 99, 100, 10, false },
        { "nothing is in an empty window", 100, 100, 0, false },
        { "over the wrap, before it", UINT32_MAX, UINT32_MAX - 4, 10, true },
        { "over the wrap, after it", 4, UINT32_MAX - 4, 10, true },
        { "over the wrap, one past", 5, UINT32_MAX - 4, 10, false },
        { "all but one number: the last of them", 98, 100, UINT32_MAX, true },
        { "all but one number: that one", 99, 100, UINT32_MAX, false },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(seq_in(cases[i].s, cases[i].start, cases[i].len) == cases[i].in, "%s", cases[i].what);
}

int main(void)
{
    comparisons();
    windows();
    return tap_done();
}
