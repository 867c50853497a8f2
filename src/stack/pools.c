/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

/* The pools by name: how full they are, and fault injection. */

#define OWN_POOLS 9

static struct pool *own_pool(struct weir *weir, unsigned i, const char **name)
{
    static const char *const names[OWN_POOLS] = { "tcb", "flight",   "sent", "listener", "synq",
                                                  "tw",  "endpoint", "bbr",  "extra" };
    struct pool *const pools[OWN_POOLS] = {
        &weir->conns, &weir->flights,   &weir->sent_blocks, &weir->listeners, &weir->synq,
        &weir->tw,    &weir->endpoints, &weir->bbrs,        &weir->extras,
    };
    if (i < OWN_POOLS) {
        *name = names[i];
        return pools[i];
    }
    return ip_pool(&weir->ip, i - OWN_POOLS, name);
}

static bool is_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

unsigned weir_pools(const struct weir *weir, struct weir_pool_use *use, unsigned count)
{
    /* Names and numbers are only read; the functions that find a pool serve the other caller too.
     */
    struct weir *w = (struct weir *)(uintptr_t)weir;
    unsigned n = 0;
    const char *name;
    for (const struct pool *pool; (pool = own_pool(w, n, &name)) != NULL; n++)
        if (n < count)
            use[n] = (struct weir_pool_use){ name, pool->used, pool->used_max, pool->item_count,
                                             pool->refused };
    const struct ring_pool *rings = &weir->rings;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no pool of an instance is NULL. */
    const uint32_t free = rings->free_count;
    if (n < count)
        use[n] =
            (struct weir_pool_use){ "chunk", rings->chunk_count - free, 0, rings->chunk_count, 0 };
    n++;
    if (n < count)
        use[n] = (struct weir_pool_use){ "credit", rings->chunk_count - rings->credit_free, 0,
                                         rings->chunk_count, 0 };
    return n + 1;
}

enum weir_error weir_pool_fail(struct weir *weir, const char *name, uint32_t nth)
{
    const char *known;
    struct pool *pool;
    for (unsigned i = 0; (pool = own_pool(weir, i, &known)) != NULL; i++) {
        if (is_equal(name, known)) {
            pool->fail_at = nth;
            return WEIR_OK;
        }
    }
    if (!is_equal(name, "chunk"))
        return WEIR_INVALID;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): nor here. */
    weir->rings.fail_at = nth;
    return WEIR_OK;
}
