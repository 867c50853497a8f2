/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

uint32_t generation_next(struct weir *weir)
{
    /* One counter for all: a stale handle is mistaken for a new one only if the same place is given
     * to the same number again, 2^28 births later. */
    weir->generation = weir->generation == GENERATION_MAX ? 1 : weir->generation + 1;
    return weir->generation;
}

/* What the pool's poison makes of a generation is none. */
static bool is_generation(uint32_t generation)
{
    return generation >= 1 && generation <= GENERATION_MAX;
}

struct conn *conn_at(const struct weir *weir, uint32_t index)
{
    return pool_at(&weir->conns, index);
}

bool conn_used(const struct weir *weir, uint32_t index)
{
    return index < weir->conns.fresh && is_generation(conn_at(weir, index)->generation);
}

bool listener_used(const struct weir *weir, uint32_t index)
{
    const struct pool *pool = &weir->listeners;
    return index < pool->fresh &&
           is_generation(((const struct listener *)pool_at(pool, index))->generation);
}

bool endpoint_used(const struct weir *weir, uint32_t index)
{
    const struct pool *pool = &weir->endpoints;
    return index < pool->fresh &&
           is_generation(((const struct endpoint *)pool_at(pool, index))->generation);
}

weir_handle conn_handle(const struct weir *weir, uint32_t index)
{
    return handle_make(HANDLE_CONN, conn_at(weir, index)->generation, index);
}

/* The index in a handle of this kind, if the pool ever gave that place out. */
static bool split(const struct pool *pool, weir_handle handle, enum handle_kind kind,
                  uint32_t *index, uint32_t *generation)
{
    if (handle_kind(handle) != kind || (uint32_t)handle >= pool->fresh)
        return false;
    *index = (uint32_t)handle;
    *generation = (uint32_t)(handle >> 32) & GENERATION_MAX;
    return *generation != 0;
}

struct conn *conn_of(const struct weir *weir, weir_handle handle, uint32_t *index)
{
    uint32_t i, generation;
    if (!split(&weir->conns, handle, HANDLE_CONN, &i, &generation))
        return NULL;
    struct conn *conn = conn_at(weir, i);
    if (conn->generation != generation || !conn->tcb.owned || conn->listener != CONN_NO_LISTENER)
        return NULL;
    if (index != NULL)
        *index = i;
    return conn;
}

struct listener *listener_of(const struct weir *weir, weir_handle handle, uint32_t *index)
{
    uint32_t i, generation;
    if (!split(&weir->listeners, handle, HANDLE_LISTENER, &i, &generation))
        return NULL;
    struct listener *listener = pool_at(&weir->listeners, i);
    if (listener->generation != generation)
        return NULL;
    if (index != NULL)
        *index = i;
    return listener;
}

struct endpoint *endpoint_of(const struct weir *weir, weir_handle handle, uint32_t *index)
{
    uint32_t i, generation;
    if (!split(&weir->endpoints, handle, HANDLE_ENDPOINT, &i, &generation))
        return NULL;
    struct endpoint *endpoint = pool_at(&weir->endpoints, i);
    if (endpoint->generation != generation)
        return NULL;
    if (index != NULL)
        *index = i;
    return endpoint;
}
