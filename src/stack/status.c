/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

#include <string.h>

/* STATUS (RFC 9293, 3.9.1.6) and lists, for persons and tools. */

static void set_ends(struct weir_status *status, const struct flow *flow, unsigned iface)
{
    status->local = (struct weir_addr){ flow->local, flow->lport, scope_of(&flow->local, iface) };
    status->remote = (struct weir_addr){ flow->peer, flow->rport, scope_of(&flow->peer, iface) };
}

static void start(struct weir_status *status)
{
    memset(status, 0, sizeof *status);
    status->rtx_at = status->delack_at = status->keepalive_at = status->user_at = WEIR_NEVER;
    status->protocol = IP_PROTO_TCP;
}

static void of_conn(const struct weir *weir, const struct conn *conn, struct weir_status *status)
{
    start(status);
    tcp_status(&conn->tcb, status);
    const struct flow flow = flow_of_conn(weir, conn);
    set_ends(status, &flow, conn->path.iface);
    status->cookie = weir->conn_cookie[conn->tcb.index];
}

static void of_listener(const struct listener *listener, struct weir_status *status)
{
    start(status);
    status->state = WEIR_LISTEN;
    status->local = (struct weir_addr){ listener->ip, listener->port, listener->scope };
    status->cookie = listener->cookie;
    status->synq_len = listener->synq_count;
    status->acceptq_len = listener->accepts.count + listener->held;
    status->overflows = listener->overflows;
    status->backlog = listener->backlog;
}

static void of_synq(const struct weir *weir, const struct synq_entry *entry,
                    struct weir_status *status)
{
    start(status);
    const struct flow flow = flow_of_synq(weir, entry);
    set_ends(status, &flow, entry->iface);
    status->state = WEIR_SYN_RECEIVED;
    status->passive = true;
    status->cause = WEIR_CAUSE_PASSIVE;
    status->timer = WEIR_TIMER_SYN_ACK;
    status->iss = status->snd_una = entry->iss;
    status->snd_nxt = status->snd_max = entry->iss + 1;
    status->irs = entry->irs;
    status->rcv_nxt = entry->irs + 1;
    status->peer_mss = entry->peer_mss;
    status->rtx_at = ms_to_time(weir, entry->due_ms, weir->now);
    status->backoff = entry->retries <= SYNQ_RETRY_MAX ? entry->retries : 0;
}

static void of_tw(const struct weir *weir, uint32_t index, struct weir_status *status)
{
    start(status);
    const struct tw_entry *entry = pool_at(&weir->tw, index);
    const struct flow flow = flow_of_tw(weir, entry);
    set_ends(status, &flow, entry->iface);
    struct tcb scratch; /* to read the entry's own fields by the rules of their owner */
    struct tcp_host host = weir->tcp;
    const struct tcp_birth birth = { .host = &host, .index = UINT32_MAX, .path_mss = 536 };
    tcp_unshrink(entry, &scratch, &birth, weir->now);
    status->state = scratch.state;
    status->snd_una = status->snd_nxt = status->snd_max = entry->snd_nxt;
    status->rcv_nxt = entry->rcv_nxt;
    const bool time_wait = scratch.state == WEIR_TIME_WAIT;
    status->timer = time_wait ? WEIR_TIMER_TIME_WAIT : WEIR_TIMER_ORPHAN;
    status->keepalive_at = ms_to_time(weir, entry->due_ms, weir->now);
}

static void of_endpoint(const struct endpoint *endpoint, struct weir_status *status)
{
    start(status);
    status->protocol = endpoint->ping ? IP_PROTO_ICMP : IP_PROTO_UDP;
    status->state = endpoint->connected ? WEIR_ESTABLISHED : WEIR_CLOSED;
    status->local = endpoint->local;
    if (endpoint->connected)
        status->remote = endpoint->peer;
    status->error = (enum weir_error)endpoint->error;
    status->unread = endpoint->queue.tail - endpoint->queue.head;
    status->cookie = endpoint->cookie;
}

enum weir_error weir_status(const struct weir *weir, weir_handle handle, struct weir_status *status)
{
    const struct conn *conn = conn_of(weir, handle, NULL);
    if (conn != NULL) {
        of_conn(weir, conn, status);
        return WEIR_OK;
    }
    const struct listener *listener = listener_of(weir, handle, NULL);
    if (listener != NULL) {
        of_listener(listener, status);
        return WEIR_OK;
    }
    const struct endpoint *endpoint = endpoint_of(weir, handle, NULL);
    if (endpoint == NULL)
        return WEIR_BAD_HANDLE;
    of_endpoint(endpoint, status);
    return WEIR_OK;
}

/* ---- lists ---- */

enum list_part {
    LIST_LISTENERS,
    LIST_CONNS,
    LIST_SYNQ,
    LIST_TW,
    LIST_ENDPOINTS,
    LIST_PARTS
};

/* Small forms do not say of themselves whether they are in use: but those that are not are on no
 * FIFO, and their links cannot be believed. */
static bool is_linked(struct list_nodes nodes, uint32_t fresh, const struct list *fifo,
                      unsigned fifos, uint32_t index)
{
    const uint32_t before = list_node_at(nodes, index)->prev;
    if (before != LIST_NONE)
        return before < fresh && list_node_at(nodes, before)->next == index;
    for (unsigned i = 0; i < fifos; i++)
        if (fifo[i].head == index)
            return true;
    return false;
}

static bool is_used(const struct weir *weir, enum list_part part, uint32_t index)
{
    const struct list both[2] = { weir->tw_fifo, weir->fin_fifo };
    switch (part) {
    case LIST_LISTENERS:
        return listener_used(weir, index);
    case LIST_CONNS:
        return conn_used(weir, index);
    case LIST_SYNQ:
        return is_linked(synq_nodes(weir), weir->synq.fresh, weir->synq_fifo, SYNQ_FIFOS, index);
    case LIST_ENDPOINTS:
        return endpoint_used(weir, index);
    default:
        return is_linked(tw_nodes(weir), weir->tw.fresh, both, 2, index);
    }
}

static void describe(const struct weir *weir, enum list_part part, uint32_t index,
                     struct weir_status *status, weir_handle *handle)
{
    *handle = WEIR_NO_HANDLE;
    if (part == LIST_LISTENERS) {
        const struct listener *listener = pool_at(&weir->listeners, index);
        of_listener(listener, status);
        *handle = handle_make(HANDLE_LISTENER, listener->generation, index);
    } else if (part == LIST_CONNS) {
        of_conn(weir, conn_at(weir, index), status);
        if (conn_of(weir, conn_handle(weir, index), NULL) != NULL)
            *handle = conn_handle(weir, index);
    } else if (part == LIST_SYNQ) {
        of_synq(weir, pool_at(&weir->synq, index), status);
    } else if (part == LIST_ENDPOINTS) {
        const struct endpoint *endpoint = pool_at(&weir->endpoints, index);
        of_endpoint(endpoint, status);
        *handle = handle_make(HANDLE_ENDPOINT, endpoint->generation, index);
    } else {
        of_tw(weir, index, status);
    }
}

/* Up to `parts`; `*budget` is how many places may be looked at. */
static bool list_next(const struct weir *weir, uint64_t *cursor, uint64_t parts, uint32_t *budget,
                      struct weir_status *status, weir_handle *handle)
{
    const uint32_t fresh[LIST_PARTS] = { weir->listeners.fresh, weir->conns.fresh, weir->synq.fresh,
                                         weir->tw.fresh, weir->endpoints.fresh };
    uint64_t part = *cursor >> 32;
    uint32_t index = (uint32_t)*cursor;
    for (; part < parts; part++, index = 0) {
        for (; index < fresh[part] && *budget > 0; index++) {
            (*budget)--;
            if (!is_used(weir, (enum list_part)part, index))
                continue;
            describe(weir, (enum list_part)part, index, status, handle);
            *cursor = part << 32 | (index + 1);
            return true;
        }
        if (index < fresh[part]) {
            *cursor = part << 32 | index;
            return false;
        }
    }
    *cursor = parts << 32;
    return false;
}

bool weir_list(const struct weir *weir, uint64_t *cursor, struct weir_status *status,
               weir_handle *handle)
{
    bool found;
    uint32_t budget;
    do {
        budget = UINT32_MAX;
        found = list_next(weir, cursor, LIST_ENDPOINTS, &budget, status, handle);
    } while (!found && budget == 0);
    return found;
}

bool weir_list_some(const struct weir *weir, uint64_t *cursor, uint32_t *budget,
                    struct weir_status *status, weir_handle *handle)
{
    return list_next(weir, cursor, LIST_PARTS, budget, status, handle);
}
