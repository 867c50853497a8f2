/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

/* All invariants of an instance: the list is the description of its data structures. Costs time in
 * proportion to what it holds. */

/* Nodes reached from the head, which must be as many as the list says, linked both ways. */
static void check_list(const struct list *list, struct list_nodes nodes)
{
    uint32_t before = LIST_NONE, seen = 0;
    for (uint32_t i = list->head; i != LIST_NONE; i = list_node_at(nodes, i)->next) {
        WEIR_ASSERT(list_node_at(nodes, i)->prev == before);
        WEIR_ASSERT(seen++ < list->count);
        before = i;
    }
    WEIR_ASSERT(seen == list->count);
    WEIR_ASSERT(list->tail == before);
}

static void check_watch(const struct watch *watch, unsigned ready, bool may_tell)
{
    if (!may_tell) {
        WEIR_ASSERT(!watch->listed);
        return;
    }
    WEIR_ASSERT(watch->ready == ready); /* readiness is derived from state (INV 40) */
    WEIR_ASSERT((watch->reported & ~watch->ready) == 0);
    WEIR_ASSERT(watch->listed == ((watch->ready & ~watch->reported) != 0));
}

/* A TCB that is on no list has no plan, so nothing that could be sent is forgotten. */
static void check_due(const struct weir *weir, const struct conn *conn)
{
    const struct tcb *tcb = &conn->tcb;
    const bool listed = conn->on == CONN_ON_CONTROL || conn->on == CONN_ON_DATA;
    if (listed) {
        WEIR_ASSERT(tcb->due != 0);
        WEIR_ASSERT(conn->due_list == conn_due_list(weir, conn));
        WEIR_ASSERT((conn->on == CONN_ON_CONTROL) == ((tcb->due & TCP_DUE_CONTROL) != 0));
        return;
    }
    if (conn->on == CONN_ON_NEIGHBOUR)
        return;
    WEIR_ASSERT(tcb->due == 0);
    const bool tso = !conn->path.loopback && ip_path_tso(&weir->ip, &conn->path);
    const struct tcp_env env = { .gso_max = tso ? gso_octets_max(weir) : 0, .path_ready = true };
    struct tcp_plan plan;
    /* A connection that waits for memory may find some that was freed a moment ago: it is woken
     * with the others, a few at a time. */
    WEIR_ASSERT(conn->on == CONN_ON_MEMORY || !tcp_output_plan(tcb, &env, weir->now, &plan));
}

static void check_conn(const struct weir *weir, uint32_t index)
{
    const struct conn *conn = conn_at(weir, index);
    const struct flow flow = flow_of_conn(weir, conn);
    const uint32_t hash = flow_hash(weir, &flow);
    WEIR_ASSERT(conn->tcb.index == index && conn->tcb.host == &weir->tcp);
    WEIR_ASSERT(conn->hashed == (conn->tcb.state != WEIR_CLOSED));
    WEIR_ASSERT(conn->hashed == demux_has(&weir->flows, hash, flow_ref(FLOW_CONN, index)));
    WEIR_ASSERT(weir->local[conn->local].refs > 0);
    WEIR_ASSERT(wheel_when(&weir->wheel, index) == tcp_deadline(&conn->tcb));
    WEIR_ASSERT(conn->timed == (tcp_deadline(&conn->tcb) != WEIR_NEVER));
    WEIR_ASSERT(conn->tcb.owned || !tcp_is_over(&conn->tcb));
    const bool queued = conn->listener != CONN_NO_LISTENER;
    WEIR_ASSERT(!queued || (conn->tcb.owned && listener_used(weir, conn->listener)));
    check_watch(&conn->watch, tcp_ready(&conn->tcb), conn->tcb.owned && !queued);
    check_due(weir, conn);
    tcb_check(&conn->tcb);
}

/* Returns how many connections there are, and adds up what lists must hold. */
static void check_conns(const struct weir *weir)
{
    uint32_t used = 0, on[CONN_ON_NEIGHBOUR + 1] = { 0 }, listed = 0, flights = 0, queued = 0;
    uint64_t credit = 0, established = 0;
    for (uint32_t i = 0; i < weir->conns.fresh; i++) {
        if (!conn_used(weir, i))
            continue;
        const struct conn *conn = conn_at(weir, i);
        check_conn(weir, i);
        used++;
        established += tcp_is_established(conn->tcb.state);
        on[conn->on]++;
        listed += conn->watch.listed;
        flights += conn->tcb.flight != POOL_NONE;
        queued += conn->listener != CONN_NO_LISTENER;
        credit += (uint64_t)conn->tcb.rcv_ring.credit + conn->tcb.snd_ring.credit;
    }
    WEIR_ASSERT(used == weir->conns.used);
    WEIR_ASSERT(established == weir->trace.count.established);
    WEIR_ASSERT(flights == weir->flights.used);
    WEIR_ASSERT(credit == weir->rings.chunk_count - weir->rings.credit_free);
    WEIR_ASSERT(listed == weir->ready[HANDLE_CONN].count);
    WEIR_ASSERT(on[CONN_ON_MEMORY] == weir->memory.count);
    uint32_t control = 0, data = 0, waiting = 0;
    for (uint32_t i = 0; i < weir->due_count; i++) {
        control += weir->due[i].control.count;
        data += weir->due[i].data.count;
        check_list(&weir->due[i].control, conn_due_nodes(weir));
        check_list(&weir->due[i].data, conn_due_nodes(weir));
    }
    for (uint32_t i = 0; i < weir->listeners.fresh; i++)
        if (listener_used(weir, i))
            waiting += ((const struct listener *)pool_at(&weir->listeners, i))->accepts.count;
    WEIR_ASSERT(on[CONN_ON_CONTROL] == control && on[CONN_ON_DATA] == data);
    WEIR_ASSERT(queued == waiting);
    check_list(&weir->memory, conn_due_nodes(weir));
    check_list(&weir->ready[HANDLE_CONN], watch_nodes(weir, HANDLE_CONN));
}

static void check_listeners(const struct weir *weir)
{
    uint32_t used = 0, synq = 0, asked = 0;
    for (uint32_t i = 0; i < weir->listeners.fresh; i++) {
        if (!listener_used(weir, i))
            continue;
        const struct listener *listener = pool_at(&weir->listeners, i);
        used++;
        synq += listener->synq_count;
        WEIR_ASSERT(demux_has(&weir->listener_ports, port_hash(weir, listener->port), i + 1));
        WEIR_ASSERT(listener->accepts.count <= listener->backlog + 1);
        check_list(&listener->accepts, watch_nodes(weir, HANDLE_CONN));
        check_watch(&listener->watch, listener_ready(listener), true);
        asked += listener->asked;
    }
    WEIR_ASSERT(used == weir->listeners.used);
    WEIR_ASSERT(used == weir->listener_ports.count);
    WEIR_ASSERT(synq == weir->synq.used);
    WEIR_ASSERT(asked == weir->synq_fifo[SYNQ_ASKED].count);
    check_list(&weir->ready[HANDLE_LISTENER], watch_nodes(weir, HANDLE_LISTENER));
}

/* Each FIFO of small forms is in the order of deadlines, its timer is the first of them, and each
 * entry is in the table. */
static void check_synq(const struct weir *weir)
{
    uint32_t held = 0;
    for (unsigned r = 0; r < SYNQ_FIFOS; r++) {
        const struct list *fifo = &weir->synq_fifo[r];
        check_list(fifo, synq_nodes(weir));
        held += fifo->count;
        weir_time before = wheel_when(&weir->wheel, weir->config.tcp_max + WHEEL_SYNQ + r);
        WEIR_ASSERT((fifo->count == 0) == (before == WEIR_NEVER));
        for (uint32_t i = fifo->head; i != LIST_NONE; i = list_node_at(synq_nodes(weir), i)->next) {
            const struct synq_entry *entry = pool_at(&weir->synq, i);
            const struct flow flow = flow_of_synq(weir, entry);
            const weir_time due = ms_to_time(weir, entry->due_ms, weir->now);
            WEIR_ASSERT(entry->retries == r);
            WEIR_ASSERT(due >= before);
            WEIR_ASSERT(i != fifo->head || due == before);
            WEIR_ASSERT(demux_has(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_SYNQ, i)));
            before = due;
        }
    }
    WEIR_ASSERT(held == weir->synq.used);
}

static void check_tw_fifo(const struct weir *weir, const struct list *fifo, enum wheel_fixed timer)
{
    check_list(fifo, tw_nodes(weir));
    weir_time before = wheel_when(&weir->wheel, weir->config.tcp_max + timer);
    WEIR_ASSERT((fifo->count == 0) == (before == WEIR_NEVER));
    for (uint32_t i = fifo->head; i != LIST_NONE; i = list_node_at(tw_nodes(weir), i)->next) {
        const struct tw_entry *entry = pool_at(&weir->tw, i);
        const struct flow flow = flow_of_tw(weir, entry);
        const weir_time due = ms_to_time(weir, entry->due_ms, weir->now);
        WEIR_ASSERT(due >= before);
        WEIR_ASSERT(i != fifo->head || due == before);
        WEIR_ASSERT(demux_has(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_TW, i)));
        before = due;
    }
}

static void check_endpoints(const struct weir *weir)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < weir->endpoints.fresh; i++) {
        if (!endpoint_used(weir, i))
            continue;
        const struct endpoint *endpoint = pool_at(&weir->endpoints, i);
        used++;
        WEIR_ASSERT(demux_has(&weir->endpoint_ports, port_hash(weir, endpoint->local.port), i + 1));
        check_watch(&endpoint->watch, endpoint->watch.ready, true);
        WEIR_ASSERT((endpoint->watch.ready & WEIR_READABLE) != 0 ||
                    (endpoint->queue.count == 0 && endpoint->error == WEIR_OK));
        udp_queue_check(&endpoint->queue, &weir->rings);
    }
    WEIR_ASSERT(used == weir->endpoints.used);
    WEIR_ASSERT(used == weir->endpoint_ports.count);
    check_list(&weir->ready[HANDLE_ENDPOINT], watch_nodes(weir, HANDLE_ENDPOINT));
}

static void check_tables(const struct weir *weir)
{
    uint32_t hashed = 0, refs = 0;
    for (uint32_t i = 0; i < weir->conns.fresh; i++)
        hashed += conn_used(weir, i) && conn_at(weir, i)->hashed;
    WEIR_ASSERT(weir->flows.count == hashed + weir->synq.used + weir->tw.used);
    uint32_t locals = 0;
    for (uint32_t i = 0; i < weir->local_used; i++) {
        refs += weir->local[i].refs;
        locals += weir->local[i].refs > 0;
    }
    WEIR_ASSERT(locals == weir->locals.count);
    WEIR_ASSERT(refs == weir->conns.used + weir->synq.used + weir->tw.used);
}

void weir_check(const struct weir *weir)
{
    check_conns(weir);
    check_listeners(weir);
    check_synq(weir);
    check_tw_fifo(weir, &weir->tw_fifo, WHEEL_TW);
    check_tw_fifo(weir, &weir->fin_fifo, WHEEL_FIN);
    WEIR_ASSERT(weir->tw_fifo.count + weir->fin_fifo.count == weir->tw.used);
    check_endpoints(weir);
    check_tables(weir);
    ring_pool_check(&weir->rings);
    ip_check(&weir->ip);
}
