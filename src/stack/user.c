/* SPDX-License-Identifier: MIT */
#include "stack/auth.h"

#include <string.h>

/* The user calls of RFC 9293, 3.9.1 that open and end things: active OPEN, CLOSE, ABORT, and the
 * release of a handle. */

/* ---- active OPEN ---- */

static bool may_be_connected(const struct weir *weir, const struct weir_addr *remote)
{
    return remote->port != 0 && !ip_is_any(&remote->ip) && !ip_is_group(&weir->ip, &remote->ip);
}

/* A way for a connection, and who has the four ends now: nobody, or a TIME-WAIT in our way. */
struct way {
    struct flow flow;
    struct ip_path path;
    uint32_t hash;
    uint32_t old; /* what has its place, or DEMUX_NONE */
};

static void look_up(const struct weir *weir, struct way *way)
{
    way->hash = flow_hash(weir, &way->flow);
    way->old = flow_find(weir, &way->flow, way->hash);
}

/* Nothing has the four ends, or a TIME-WAIT whose place may be taken. */
static bool is_free(const struct weir *weir, const struct way *way)
{
    seq32 floor;
    return way->old == DEMUX_NONE || (flow_ref_tag(way->old) == FLOW_TW &&
                                      tw_may_reuse(weir, flow_ref_index(way->old), false, &floor));
}

/* The four ends and the way: everything that can go wrong before anything is taken. */
static enum weir_error find_way(struct weir *weir, const struct weir_addr *local,
                                const struct weir_addr *remote, struct way *way)
{
    struct flow *flow = &way->flow;
    struct ip_path *path = &way->path;
    *flow = (struct flow){ .peer = remote->ip, .rport = remote->port };
    if (local != NULL) {
        const bool other_family = weir_ip_is_v4(&local->ip) != weir_ip_is_v4(&remote->ip);
        if (!ip_is_any(&local->ip) && other_family)
            return WEIR_INVALID;
        if (!ip_is_any(&local->ip) && !ip_is_local(&weir->ip, &local->ip))
            return WEIR_NOT_LOCAL;
        if (!ip_is_any(&local->ip))
            flow->local = local->ip;
        flow->lport = local->port;
    }
    unsigned scope = remote->iface;
    if (scope == 0 && local != NULL)
        scope = local->iface;
    const enum weir_error error =
        ip_path_find(&weir->ip, &flow->local, &flow->peer, scope, path, weir->now);
    if (error != WEIR_OK)
        return error;
    flow->scope = scope_of(&flow->peer, path->iface);
    const bool drawn = flow->lport == 0;
    if (drawn)
        flow->lport = port_draw_flow(weir, flow);
    look_up(weir, way);
    if (!drawn && !is_free(weir, way))
        return WEIR_IN_USE;
    const bool itself = flow->lport == flow->rport && weir_ip_equal(&flow->local, &flow->peer);
    if (itself && listener_has_port(weir, flow->lport))
        return WEIR_IN_USE;
    return flow->lport != 0 ? WEIR_OK : WEIR_NOT_LOCAL;
}

/* A connection in SYN-SENT with the SYN due, or POOL_NONE. */
static uint32_t make_conn(struct weir *weir, const struct flow *flow, const struct ip_path *path,
                          uint16_t local, const seq32 *floor)
{
    const uint32_t index = pool_take(&weir->conns);
    if (index == POOL_NONE)
        return POOL_NONE;
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(flow, tuple);
    struct conn *conn = conn_at(weir, index);
    memset(conn, 0, offsetof(struct conn, tcb)); /* tcp does the rest */
    const struct tcp_birth birth = {
        .host = &weir->tcp,
        .index = index,
        .iss = tcp_iss_beyond(tcp_isn(&weir->tcp, tuple, weir->now), floor),
        .ts_offset = tcp_ts_offset(&weir->tcp, tuple),
        .path_mss = path_mss_of(&flow->peer, path->mtu),
        .v6 = !weir_ip_is_v4(&flow->peer),
        .owned = true,
    };
    if (tcp_open(&conn->tcb, &birth, weir->now) != WEIR_OK) {
        pool_give(&weir->conns, index);
        return POOL_NONE;
    }
    if (!auth_begin(weir, flow, &conn->tcb, NULL)) {
        tcp_free(&conn->tcb);
        pool_give(&weir->conns, index);
        return POOL_NONE;
    }
    flow_record(weir, index, flow, weir->now);
    conn->peer = flow->peer;
    conn->lport = flow->lport;
    conn->rport = flow->rport;
    conn->local = local;
    conn->listener = CONN_NO_LISTENER;
    conn->generation = generation_next(weir);
    weir->conn_cookie[index] = 0;
    conn->path = *path;
    conn->due_node = (struct list_node){ LIST_NONE, LIST_NONE };
    watch_init(&conn->watch);
    return index;
}

enum weir_error weir_connect(struct weir *weir, const struct weir_addr *local,
                             const struct weir_addr *remote, weir_handle *handle, weir_time now)
{
    *handle = WEIR_NO_HANDLE;
    weir->now = now;
    if (!may_be_connected(weir, remote))
        return WEIR_INVALID;
    struct way way;
    const enum weir_error error = find_way(weir, local, remote, &way);
    if (error != WEIR_OK)
        return error;

    const uint16_t number = local_take(weir, &way.flow.local);
    if (number == LOCAL_NONE)
        return WEIR_NO_MEMORY;
    const uint32_t old = way.old;
    seq32 floor = 0;
    if (old != DEMUX_NONE)
        (void)!tw_may_reuse(weir, flow_ref_index(old), false, &floor);
    const uint32_t index =
        make_conn(weir, &way.flow, &way.path, number, old != DEMUX_NONE ? &floor : NULL);
    if (index == POOL_NONE) {
        local_give(weir, number);
        return WEIR_NO_MEMORY;
    }
    if (old != DEMUX_NONE)
        tw_replace(weir, flow_ref_index(old));
    demux_add(&weir->flows, way.hash, flow_ref(FLOW_CONN, index));
    conn_at(weir, index)->hashed = true;
    conn_settle(weir, index, now);
    *handle = conn_handle(weir, index);
    return WEIR_IN_PROGRESS;
}

/* ---- CLOSE, ABORT, release ---- */

enum weir_error weir_shutdown(struct weir *weir, weir_handle handle, weir_time now)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    if (conn->tcb.state == WEIR_CLOSED)
        return WEIR_NOT_CONN;
    tcp_close(&conn->tcb, now);
    conn_settle(weir, index, now);
    return WEIR_OK;
}

enum weir_error weir_abort(struct weir *weir, weir_handle handle, weir_time now)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    if (conn->tcb.state == WEIR_CLOSED)
        return WEIR_NOT_CONN;
    tcp_abort(&conn->tcb, WEIR_CAUSE_USER, WEIR_ABORTED, now);
    conn_settle(weir, index, now);
    return WEIR_OK;
}

enum weir_error weir_release(struct weir *weir, weir_handle handle, weir_time now)
{
    uint32_t index;
    weir->now = now;
    room_forget(weir);
    landing_forget(weir);
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn != NULL) {
        conn->wants_memory = false;
        tcp_orphan(&conn->tcb, now);
        conn_settle(weir, index, now);
    } else if (listener_of(weir, handle, &index) != NULL) {
        listener_close(weir, index, now);
    } else if (endpoint_of(weir, handle, &index) != NULL) {
        endpoint_close(weir, index);
    } else {
        return WEIR_BAD_HANDLE;
    }
    return WEIR_OK;
}

enum weir_error weir_error_take(struct weir *weir, weir_handle handle)
{
    uint32_t index;
    struct conn *conn = conn_of(weir, handle, &index);
    if (conn != NULL) {
        const enum weir_error error = (enum weir_error)conn->tcb.error;
        conn->tcb.error = WEIR_OK;
        watch_set(weir, HANDLE_CONN, index, tcp_ready(&conn->tcb));
        return error;
    }
    struct endpoint *endpoint = endpoint_of(weir, handle, &index);
    if (endpoint != NULL) {
        const enum weir_error error = (enum weir_error)endpoint->error;
        endpoint->error = WEIR_OK;
        endpoint_settle(weir, index);
        return error;
    }
    return listener_of(weir, handle, NULL) != NULL ? WEIR_OK : WEIR_BAD_HANDLE;
}
