/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

/* Readiness is a pure function of an object; `reported` is the part of it that the program has been
 * told and that still holds. An object is on the ready list of its kind if and only if the first
 * has a bit that the second has not: so nothing is told twice for nothing, and nothing is lost. */

void watch_init(struct watch *watch)
{
    *watch = (struct watch){ .node = { LIST_NONE, LIST_NONE } };
}

static const struct pool *pool_of(const struct weir *weir, enum handle_kind kind)
{
    if (kind == HANDLE_CONN)
        return &weir->conns;
    return kind == HANDLE_LISTENER ? &weir->listeners : &weir->endpoints;
}

struct list_nodes watch_nodes(const struct weir *weir, enum handle_kind kind)
{
    static const size_t offset[HANDLE_KINDS] = {
        [HANDLE_CONN] = offsetof(struct conn, watch.node),
        [HANDLE_LISTENER] = offsetof(struct listener, watch.node),
        [HANDLE_ENDPOINT] = offsetof(struct endpoint, watch.node),
    };
    const struct pool *pool = pool_of(weir, kind);
    return (struct list_nodes){ pool->memory + offset[kind], pool->item_size };
}

struct watch *watch_at(const struct weir *weir, enum handle_kind kind, uint32_t index)
{
    uint8_t *item = pool_at(pool_of(weir, kind), index);
    if (kind == HANDLE_CONN)
        return &((struct conn *)(void *)item)->watch;
    if (kind == HANDLE_LISTENER)
        return &((struct listener *)(void *)item)->watch;
    return &((struct endpoint *)(void *)item)->watch;
}

void watch_set(struct weir *weir, enum handle_kind kind, uint32_t index, unsigned ready)
{
    struct watch *watch = watch_at(weir, kind, index);
    watch->ready = (uint8_t)ready;
    watch->reported &= watch->ready;
    const bool wanted = (watch->ready & ~watch->reported) != 0;
    if (wanted == watch->listed)
        return;
    watch->listed = wanted;
    if (wanted)
        list_push_tail(&weir->ready[kind], watch_nodes(weir, kind), index);
    else
        list_remove(&weir->ready[kind], watch_nodes(weir, kind), index);
}

void watch_clear(struct weir *weir, enum handle_kind kind, uint32_t index)
{
    watch_set(weir, kind, index, 0);
}

static struct watch *watch_of(const struct weir *weir, weir_handle handle, uint32_t *index)
{
    const bool known = conn_of(weir, handle, index) != NULL ||
                       listener_of(weir, handle, index) != NULL ||
                       endpoint_of(weir, handle, index) != NULL;
    return known ? watch_at(weir, handle_kind(handle), *index) : NULL;
}

/* The kind whose turn it is, or 0 if nobody has anything to tell. */
static enum handle_kind next_kind(struct weir *weir)
{
    for (unsigned i = 0; i < HANDLE_KINDS; i++) {
        if (weir->ready[weir->ready_kind].count > 0 && weir->ready_turn < EVENT_TURN_MAX) {
            weir->ready_turn++;
            return (enum handle_kind)weir->ready_kind;
        }
        weir->ready_kind = weir->ready_kind == HANDLE_KINDS - 1 ? 1 : weir->ready_kind + 1;
        weir->ready_turn = 0;
    }
    return 0;
}

bool weir_next_event(struct weir *weir, struct weir_event *event)
{
    const enum handle_kind kind =
        weir->events_told < weir->config.event_batch ? next_kind(weir) : 0;
    if (kind == 0) {
        weir->events_told = 0;
        return false;
    }
    weir->events_told++;

    const uint32_t index = weir->ready[kind].head;
    struct watch *watch = watch_at(weir, kind, index);
    uint32_t generation;
    if (kind == HANDLE_CONN) {
        const struct conn *conn = conn_at(weir, index);
        generation = conn->generation, event->cookie = weir->conn_cookie[index];
    } else if (kind == HANDLE_LISTENER) {
        const struct listener *listener = pool_at(&weir->listeners, index);
        generation = listener->generation, event->cookie = listener->cookie;
    } else {
        const struct endpoint *endpoint = pool_at(&weir->endpoints, index);
        generation = endpoint->generation, event->cookie = endpoint->cookie;
    }
    event->handle = handle_make(kind, generation, index);
    event->ready = watch->ready;
    watch->reported = watch->ready;
    watch_set(weir, kind, index, watch->ready);
    return true;
}

void weir_rearm(struct weir *weir, weir_handle handle)
{
    uint32_t index;
    struct watch *watch = watch_of(weir, handle, &index);
    if (watch == NULL)
        return;
    watch->reported = 0;
    watch_set(weir, handle_kind(handle), index, watch->ready);
}

unsigned weir_ready_now(const struct weir *weir, weir_handle handle)
{
    uint32_t index;
    const struct watch *watch = watch_of(weir, handle, &index);
    return watch != NULL ? watch->ready : 0;
}

enum weir_error weir_set_cookie(struct weir *weir, weir_handle handle, uint64_t cookie)
{
    uint32_t index;
    const struct conn *conn = conn_of(weir, handle, &index);
    struct listener *listener = listener_of(weir, handle, NULL);
    struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    if (conn != NULL)
        weir->conn_cookie[index] = cookie;
    else if (listener != NULL)
        listener->cookie = cookie;
    else if (endpoint != NULL)
        endpoint->cookie = cookie;
    else
        return WEIR_BAD_HANDLE;
    return WEIR_OK;
}
