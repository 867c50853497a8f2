/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include "base/prng.h"
#include "panic.h"
#include "tap.h"

#include <string.h>

#define COUNT     100
#define ITEM_SIZE 13
#define ITEM_ROOM 16

static uint8_t *memory;

static void new_pool(struct pool *pool, bool verify)
{
    memset(memory, 0xEE, pool_size(COUNT, ITEM_SIZE));
    pool_init(pool, memory, COUNT, ITEM_SIZE, verify);
}

static void sizes(void)
{
    CHECK(pool_size(COUNT, ITEM_SIZE) == COUNT * ITEM_ROOM, "items are rounded up to eight octets");
    CHECK(pool_size(COUNT, 8) == COUNT * 8, "what is a multiple of eight stays");
    CHECK(pool_size(COUNT, 1) == COUNT * 8, "the smallest item has room for its link");
    CHECK(pool_size(1000000, 5000) == (size_t)1000000 * 5000, "sizes beyond 32 bits");
}

static void until_empty(void)
{
    struct pool pool;
    new_pool(&pool, true);
    unsigned wrong = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        wrong += pool_take(&pool) != i;
    CHECK(wrong == 0, "a new pool is taken in order");
    CHECK(pool_free_count(&pool) == 0, "nothing is left");
    CHECK(pool_take(&pool) == POOL_NONE && pool.refused == 1, "then it refuses, and counts it");
    pool_give(&pool, 42);
    pool_give(&pool, 7);
    CHECK(pool_free_count(&pool) == 2, "two are free again");
    CHECK(pool_take(&pool) == 7, "last in, first out");
    CHECK(pool_take(&pool) == 42, "then the one before");
    CHECK(pool_take(&pool) == POOL_NONE && pool.refused == 2, "then none");
    CHECK(pool.used == COUNT && pool.used_max == COUNT, "all are used");
}

static void untouched(void)
{
    struct pool pool;
    new_pool(&pool, true);
    pool_give(&pool, pool_take(&pool));
    (void)pool_take(&pool);
    unsigned touched = 0;
    for (size_t i = ITEM_ROOM; i < pool_size(COUNT, ITEM_SIZE); i++)
        touched += memory[i] != 0xEE;
    CHECK(touched == 0, "items that were never taken are never touched");
}

static void fail_at(void)
{
    unsigned wrong = 0;
    for (uint32_t n = 1; n <= 10; n++) {
        struct pool pool;
        new_pool(&pool, true);
        pool.fail_at = n;
        for (uint32_t i = 1; i <= 12; i++)
            wrong += (pool_take(&pool) == POOL_NONE) != (i == n);
        wrong += pool.used != 11 || pool.refused != 1 || pool.fail_at != 0;
    }
    CHECK(wrong == 0, "the n-th take fails, that one only, for n from 1 to 10");
}

static void take(void *context)
{
    (void)pool_take(context);
}

static void give_0(void *context)
{
    pool_give(context, 0);
}

static void give_5(void *context)
{
    pool_give(context, 5);
}

static void misuse_is_noticed(void)
{
    for (size_t off = sizeof(uint32_t); off < ITEM_ROOM; off++) {
        struct pool pool;
        new_pool(&pool, true);
        const uint32_t index = pool_take(&pool);
        uint8_t *item = pool_at(&pool, index);
        pool_give(&pool, index);
        item[off] ^= 1;
        CHECK(panics(take, &pool), "a write to octet %zu of a free item is noticed", off);
    }

    struct pool pool;
    new_pool(&pool, true);
    CHECK(panics(give_0, &pool), "giving what was never taken is noticed");
    (void)pool_take(&pool);
    (void)pool_take(&pool);
    pool_give(&pool, 0);
    CHECK(panics(give_0, &pool), "giving twice is noticed");
    CHECK(panics(give_5, &pool), "giving an index beyond is noticed");
    memset(pool_at(&pool, 1), POOL_POISON, ITEM_ROOM);
    pool_give(&pool, 1);
    CHECK(pool.used == 0, "an item that only looks free may be given");
}

static void without_verify(void)
{
    struct pool pool;
    new_pool(&pool, false);
    const uint32_t index = pool_take(&pool);
    uint8_t *item = pool_at(&pool, index);
    memset(item, 0x11, ITEM_ROOM);
    pool_give(&pool, index);
    CHECK(item[ITEM_ROOM - 1] == 0x11, "without verify nothing is filled");
    CHECK(!panics(take, &pool), "nor checked");
}

/* Random takes and gives against one bool an item. */
static void against_model(void)
{
    struct pool pool;
    struct prng prng;
    bool taken[COUNT] = { false };
    unsigned used = 0;
    unsigned wrong = 0;
    new_pool(&pool, true);
    prng_init(&prng, 1, 0, 0);
    for (unsigned step = 0; step < 100000; step++) {
        const uint32_t i = prng_below(&prng, COUNT);
        if (prng_below(&prng, 2) == 0 && taken[i]) {
            pool_give(&pool, i);
            taken[i] = false;
            used--;
        } else {
            const uint32_t got = pool_take(&pool);
            wrong += (got == POOL_NONE) != (used == COUNT);
            if (got == POOL_NONE)
                continue;
            wrong += taken[got];
            taken[got] = true;
            used++;
            memset(pool_at(&pool, got), (int)(step & 0xff), ITEM_SIZE);
        }
        wrong += pool.used != used;
    }
    CHECK(wrong == 0, "no item is ever taken twice, none is lost");
}

int main(void)
{
    memory = malloc(pool_size(COUNT, ITEM_SIZE));
    if (memory == NULL)
        return 1;
    sizes();
    until_empty();
    untouched();
    fail_at();
    misuse_is_noticed();
    without_verify();
    against_model();
    free(memory);
    return tap_done();
}
