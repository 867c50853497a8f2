/* SPDX-License-Identifier: MIT */
#include "base/ranges.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>

#define CHUNK_SHIFT 8 /* 32 ranges a chunk */
#define CHUNKS      2

static struct ring_pool pool;
static void *memory;

static void new_pool(uint8_t chunk_shift)
{
    memset(memory, 0xEE, ring_pool_size(CHUNKS, chunk_shift));
    ring_pool_init(&pool, memory, CHUNKS, chunk_shift);
}

static bool is(const struct ranges *set, const char *expected)
{
    char text[256] = "";
    size_t len = 0;
    for (unsigned i = 0; i < set->count; i++) {
        const struct range range = ranges_at(set, &pool, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u-%u", i > 0 ? " " : "",
                                range.start, range.end);
    }
    ranges_check(set, &pool);
    if (strcmp(text, expected) == 0)
        return true;
    printf("# is %s, not %s\n", text, expected);
    return false;
}

/* One range added to 100-110 120-130 140-150. */
static void add_edges(void)
{
    static const struct {
        const char *what;
        seq32 start;
        uint32_t len;
        const char *expected;
    } cases[] = {
        { "before all", 80, 10, "80-90 100-110 120-130 140-150" },
        { "after all", 160, 10, "100-110 120-130 140-150 160-170" },
        { "in a gap", 112, 6, "100-110 112-118 120-130 140-150" },
        { "touches the next", 112, 8, "100-110 112-130 140-150" },
        { "touches the one before", 110, 8, "100-118 120-130 140-150" },
        { "fills a gap", 110, 10, "100-130 140-150" },
        { "one octet short of filling it", 110, 9, "100-119 120-130 140-150" },
        { "already there", 120, 10, "100-110 120-130 140-150" },
        { "inside", 123, 1, "100-110 120-130 140-150" },
        { "overlaps to the left", 115, 10, "100-110 115-130 140-150" },
        { "overlaps to the right", 125, 10, "100-110 120-135 140-150" },
        { "overlaps two", 105, 20, "100-130 140-150" },
        { "covers one and more", 115, 20, "100-110 115-135 140-150" },
        { "covers all", 90, 70, "90-160" },
        { "touches all", 110, 30, "100-150" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ranges set;
        new_pool(CHUNK_SHIFT);
        ranges_init(&set, &pool, 8);
        bool added = true;
        for (seq32 start = 100; start < 150; start += 20)
            added = ranges_add(&set, &pool, start, 10) && added;
        added = ranges_add(&set, &pool, cases[i].start, cases[i].len) && added;
        CHECK(added && is(&set, cases[i].expected), "%s", cases[i].what);
    }
}

/* 100-110 120-130 140-150, dropped before a number. */
static void drop_edges(void)
{
    static const struct {
        seq32 before;
        const char *expected;
    } cases[] = {
        { 50, "100-110 120-130 140-150" },
        { 100, "100-110 120-130 140-150" },
        { 101, "101-110 120-130 140-150" },
        { 109, "109-110 120-130 140-150" },
        { 110, "120-130 140-150" },
        { 115, "120-130 140-150" },
        { 125, "125-130 140-150" },
        { 149, "149-150" },
        { 150, "" },
        { 5000, "" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ranges set;
        new_pool(CHUNK_SHIFT);
        ranges_init(&set, &pool, 8);
        bool added = true;
        for (seq32 start = 100; start < 150; start += 20)
            added = ranges_add(&set, &pool, start, 10) && added;
        ranges_drop_before(&set, &pool, cases[i].before);
        CHECK(added && is(&set, cases[i].expected), "dropped before %u", cases[i].before);
    }
}

/* `count` ranges of one octet with one missing between; the number added. */
static unsigned add_many(struct ranges *set, seq32 start, unsigned count)
{
    unsigned added = 0;
    for (unsigned i = 0; i < count; i++)
        added += ranges_add(set, &pool, start + 2 * i, 1);
    return added;
}

static void bounds(void)
{
    struct ranges set;
    new_pool(CHUNK_SHIFT);
    ranges_init(&set, &pool, 20);
    CHECK(add_many(&set, 100, 8) == 8 && set.chunk == RING_NONE, "eight are inline");
    CHECK(add_many(&set, 116, 1) == 1 && set.chunk != RING_NONE, "the ninth takes a chunk");
    CHECK(ring_pool_available(&pool) == CHUNKS - 1, "one chunk");
    CHECK(add_many(&set, 118, 20) == 11 && set.count == 20, "no more than the bound");
    CHECK(ranges_total(&set, &pool) == 20, "which holds what was added");
    CHECK(ranges_add(&set, &pool, 101, 1) && set.count == 19, "full, it still takes what merges");
    ranges_drop_before(&set, &pool, 138 - 2 * 8 + 1);
    CHECK(set.count == 8 && set.chunk == RING_NONE, "eight suffice: the chunk goes back");
    CHECK(ring_pool_available(&pool) == CHUNKS, "to the pool");
    CHECK(is(&set, "124-125 126-127 128-129 130-131 132-133 134-135 136-137 138-139"),
          "and nothing is lost");
    CHECK(add_many(&set, 200, 5) == 5 && set.chunk != RING_NONE, "over eight again");
    CHECK(ranges_add(&set, &pool, 124, 20) && set.count == 6 && set.chunk == RING_NONE,
          "merged to fewer, the chunk goes back too");
    CHECK(add_many(&set, 300, 5) == 5 && set.chunk != RING_NONE, "over eight a third time");
    ranges_clear(&set, &pool);
    CHECK(set.count == 0 && ring_pool_available(&pool) == CHUNKS, "cleared, all goes back");
}

static void no_chunk(void)
{
    struct ranges set;
    new_pool(CHUNK_SHIFT);
    ranges_init(&set, &pool, 20);
    const unsigned added = add_many(&set, 0, 8);
    pool.fail_at = 1;
    CHECK(added == 8 && !ranges_add(&set, &pool, 100, 1), "no chunk to be had: refused");
    CHECK(is(&set, "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15"), "and unchanged");
    CHECK(ranges_add(&set, &pool, 100, 1), "the next time there is one");
    ranges_clear(&set, &pool);
}

static void small_chunks(void)
{
    struct ranges set;
    new_pool(7); /* 16 ranges */
    ranges_init(&set, &pool, RANGES_MAX);
    CHECK(set.max == 16, "the bound is lowered to what a chunk holds");
    CHECK(add_many(&set, 0, 20) == 16, "and kept");
    ranges_clear(&set, &pool);
    new_pool(6); /* 8 ranges: no more than are inline */
    ranges_init(&set, &pool, RANGES_MAX);
    CHECK(set.max == RANGES_INLINE, "a chunk that holds no more than eight is never taken");
    CHECK(add_many(&set, 0, 20) == 8 && set.chunk == RING_NONE, "then it stays inline");
}

/* ---- against the plainest thing that could be right: one bool per sequence number ---- */

#define NUMBERS 400

struct model {
    bool has[NUMBERS + 1]; /* one more, always false, ends the last run */
};

static unsigned model_count(const struct model *model)
{
    unsigned count = 0;
    for (unsigned i = 0; i < NUMBERS; i++)
        count += model->has[i] && !model->has[i + 1];
    return count;
}

/* The set, seen through each of its questions, is the model. `origin` is number 0. */
static bool same(const struct ranges *set, const struct model *model, seq32 origin)
{
    ranges_check(set, &pool);
    unsigned before = 0; /* ranges that end at or before number i */
    uint32_t total = 0;
    for (unsigned i = 0; i < NUMBERS; i++) {
        const unsigned found = ranges_find(set, &pool, origin + i);
        if (model->has[i] != (found < set->count) || (model->has[i] && found != before) ||
            ranges_after(set, &pool, origin + i) != before)
            return false;
        if (model->has[i] && (i == 0 || !model->has[i - 1]) &&
            ranges_at(set, &pool, before).start != origin + i)
            return false;
        if (model->has[i] && !model->has[i + 1] &&
            ranges_at(set, &pool, before++).end != origin + i + 1)
            return false;
        total += model->has[i];
    }
    return set->count == before && ranges_total(set, &pool) == total;
}

static bool add_agrees(struct ranges *set, struct model *model, seq32 origin, struct prng *prng)
{
    const uint32_t start = prng_below(prng, NUMBERS);
    const uint32_t longest = NUMBERS - start < 12 ? NUMBERS - start : 12;
    const uint32_t len = 1 + prng_below(prng, longest);
    pool.fail_at = prng_below(prng, 20) == 0;

    struct model after = *model;
    memset(&after.has[start], true, len);
    const unsigned count = model_count(&after);
    const bool has_chunk = set->chunk != RING_NONE;
    const bool expected =
        count <= set->max && (count <= RANGES_INLINE || has_chunk || pool.fail_at == 0);
    if (ranges_add(set, &pool, origin + start, len) != expected)
        return false;
    if (expected)
        *model = after;
    pool.fail_at = 0;
    return true;
}

static bool agrees(uint32_t seed)
{
    struct prng prng;
    struct ranges set;
    struct model model = { { false } };
    prng_init(&prng, 1, 0, seed);
    new_pool(CHUNK_SHIFT);
    ranges_init(&set, &pool, 1 + prng_below(&prng, 40));
    /* Around the wrap, around the change of sign, or anywhere. */
    const uint32_t where = prng_below(&prng, 3);
    const seq32 near = (where == 0 ? 0 : UINT32_C(1) << 31) - prng_below(&prng, NUMBERS);
    const seq32 origin = where == 2 ? (seq32)prng_next(&prng) : near;

    for (unsigned step = 0; step < 150; step++) {
        const uint32_t what = prng_below(&prng, 30);
        if (what == 0) {
            const uint32_t before = prng_below(&prng, NUMBERS + 1);
            ranges_drop_before(&set, &pool, origin + before);
            memset(model.has, false, before);
        } else if (what == 1 && prng_below(&prng, 10) == 0) {
            ranges_clear(&set, &pool);
            memset(model.has, false, sizeof model.has);
        } else if (!add_agrees(&set, &model, origin, &prng)) {
            return false;
        }
        if (!same(&set, &model, origin))
            return false;
    }
    ranges_clear(&set, &pool);
    ring_pool_check(&pool);
    return ring_pool_available(&pool) == CHUNKS;
}

static void against_model(void)
{
    unsigned wrong = 0;
    for (uint32_t seed = 0; seed < 1000; seed++)
        if (!agrees(seed) && wrong++ < 5)
            printf("# seed %u disagrees\n", seed);
    CHECK(wrong == 0, "a thousand seeds agree with one bool per number");
}

int main(void)
{
    memory = aligned_alloc(64, 1024); /* more than any of the pools here */
    if (memory == NULL)
        return 1;
    add_edges();
    drop_edges();
    bounds();
    no_chunk();
    small_chunks();
    against_model();
    free(memory);
    return tap_done();
}
