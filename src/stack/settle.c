/* SPDX-License-Identifier: MIT */
#include "base/cold.h"
#include "stack/fastopen.h"
#include "stack/known.h"

/* What follows from a change of a connection: the table of flows, its timer, the lists of those who
 * have something to send, what the program is told, and in the end its small form or its end. One
 * function does it all, after every call into tcp, so that nothing can be forgotten. */

static uint64_t memory_in_use(const struct weir *weir)
{
    const struct ring_pool *rings = &weir->rings;
    return (uint64_t)weir->flights.used + weir->sent_blocks.used + rings->chunk_count -
           ring_pool_available(rings);
}

/* ---- due lists ---- */

struct list_nodes conn_due_nodes(const struct weir *weir)
{
    return (struct list_nodes){ weir->conns.memory + offsetof(struct conn, due_node),
                                weir->conns.item_size };
}

uint32_t conn_due_list(const struct weir *weir, const struct conn *conn)
{
    return conn->path.loopback ? weir->due_count - 1 : conn->path.iface;
}

static struct list *list_of(struct weir *weir, const struct conn *conn)
{
    if (conn->on == CONN_ON_MEMORY)
        return &weir->memory;
    struct due *due = &weir->due[conn->due_list];
    return conn->on == CONN_ON_CONTROL ? &due->control : &due->data;
}

static void leave(struct weir *weir, uint32_t index, struct conn *conn)
{
    if (conn->on == CONN_ON_NEIGHBOUR) {
        ip_waiter_forget(&weir->ip, index);
    } else if (conn->on != CONN_ON_NOTHING) {
        struct list *list = list_of(weir, conn);
        if (conn->on == CONN_ON_DATA && list->head == index)
            weir->due[conn->due_list].left = 0; /* its turn is over */
        list_remove(list, conn_due_nodes(weir), index);
    }
    conn->on = CONN_ON_NOTHING;
}

void due_leave(struct weir *weir, uint32_t index)
{
    leave(weir, index, conn_at(weir, index));
}

static void move(struct weir *weir, uint32_t index, struct conn *conn, enum conn_on on)
{
    if (conn->on != CONN_ON_NOTHING)
        leave(weir, index, conn);
    conn->on = on & CONN_ON_MASK;
    conn->due_list = conn_due_list(weir, conn) & CONN_LIST_MASK;
    if (on == CONN_ON_MEMORY && weir->memory.count == 0)
        weir->memory_used = memory_in_use(weir); /* nobody has looked for a while */
    if (on != CONN_ON_NOTHING && on != CONN_ON_NEIGHBOUR)
        list_push_tail(list_of(weir, conn), conn_due_nodes(weir), index);
}

void due_wait(struct weir *weir, uint32_t index, enum conn_on on)
{
    struct conn *conn = conn_at(weir, index);
    if (conn->on != on || conn->due_list != conn_due_list(weir, conn))
        move(weir, index, conn, on);
}

/* ---- waiting for memory ---- */

/* Whether what a connection waits for is to be had. */
WEIR_COLD static bool memory_is_there(const struct weir *weir, const struct conn *conn)
{
    const struct tcb *tcb = &conn->tcb;
    if (conn->wants_memory && tcp_send_possible(tcb))
        return true;
    const struct tcp_env env = output_env(weir, conn, true);
    struct tcp_plan plan;
    return tcb->waits_for == WEIR_WAIT_MEMORY && tcp_output_plan(tcb, &env, weir->now, &plan);
}

WEIR_COLD static void memory_wake(struct weir *weir, uint32_t index)
{
    struct conn *conn = conn_at(weir, index);
    conn->tcb.due |= TCP_DUE_DATA;
    due_wait(weir, index, CONN_ON_DATA);
    if (!conn->wants_memory)
        return;
    /* The program was told "not now" although it had been told WRITABLE: tell it again. */
    conn->wants_memory = false;
    conn->watch.reported &= (uint8_t)~WEIR_WRITABLE;
    if (conn->listener == CONN_NO_LISTENER && conn->tcb.owned)
        watch_set(weir, HANDLE_CONN, index, conn->watch.ready);
}

/* A few of those who wait are looked at when memory was given back; and the next few the next time,
 * as long as there was some for one of them: those who were told need not take it. */
void memory_look(struct weir *weir)
{
    if (weir->memory.count == 0) {
        weir->memory_more = false;
        return;
    }
    const uint64_t before = weir->memory_used;
    weir->memory_used = memory_in_use(weir);
    if (weir->memory_used >= before && !weir->memory_more)
        return;
    weir->memory_more = false;
    for (unsigned i = 0; i < MEMORY_WAKE && weir->memory.count > 0; i++) {
        const uint32_t index = weir->memory.head;
        if (memory_is_there(weir, conn_at(weir, index))) {
            weir->memory_more = true;
            memory_wake(weir, index);
        } else {
            list_remove(&weir->memory, conn_due_nodes(weir), index);
            list_push_tail(&weir->memory, conn_due_nodes(weir), index);
        }
    }
}

/* Where what is due, or what it waits for, has its place. */
static enum conn_on place_of(struct weir *weir, uint32_t index, const struct conn *conn)
{
    const struct tcb *tcb = &conn->tcb;
    if (tcb->due & TCP_DUE_CONTROL)
        return CONN_ON_CONTROL;
    if (tcb->due != 0)
        return CONN_ON_DATA;
    if (tcb->waits_for != WEIR_WAIT_MEMORY && !conn->wants_memory)
        return CONN_ON_NOTHING;
    if (conn->on == CONN_ON_MEMORY || !memory_is_there(weir, conn))
        return CONN_ON_MEMORY;
    memory_wake(weir, index); /* it was given back while this one was on another list */
    return CONN_ON_DATA;
}

static void due_place(struct weir *weir, uint32_t index, struct conn *conn)
{
    if (conn->on == CONN_ON_NEIGHBOUR)
        return; /* ip tells when that is over */
    const enum conn_on on = place_of(weir, index, conn);
    if (conn->on != on || (on != CONN_ON_NOTHING && conn->due_list != conn_due_list(weir, conn)))
        move(weir, index, conn, on);
}

/* The program hears of what is new; mostly nothing is. */
static void ready_place(struct weir *weir, uint32_t index, const struct conn *conn)
{
    const unsigned ready = tcp_ready(&conn->tcb);
    const struct watch *watch = &conn->watch;
    if (ready != watch->ready || watch->listed != ((ready & ~watch->reported) != 0))
        watch_set(weir, HANDLE_CONN, index, ready);
}

/* ---- the end ---- */

void conn_unhash(struct weir *weir, uint32_t index)
{
    struct conn *conn = conn_at(weir, index);
    if (!conn->hashed)
        return;
    const struct flow flow = flow_of_conn(weir, conn);
    demux_remove(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_CONN, index));
    conn->hashed = false;
}

void conn_free(struct weir *weir, uint32_t index)
{
    struct conn *conn = conn_at(weir, index);
    WEIR_ASSERT(conn->listener == CONN_NO_LISTENER);
    conn_unhash(weir, index);
    due_leave(weir, index);
    watch_clear(weir, HANDLE_CONN, index);
    if (conn->timed)
        wheel_set(&weir->wheel, index, WEIR_NEVER);
    tcp_free(&conn->tcb);
    local_give(weir, conn->local);
    conn->generation = 0;
    pool_give(&weir->conns, index);
    memory_look(weir);
}

void conn_settle(struct weir *weir, uint32_t index, weir_time now)
{
    struct conn *conn = conn_at(weir, index);
    struct tcb *tcb = &conn->tcb;

    fast_settle(weir, tcb);
    known_settle(weir, conn, now);

    /* A connection that is over has no claim to its four ends any more; what comes for it is
     * answered as for nobody. */
    if (tcb->state == WEIR_CLOSED)
        conn_unhash(weir, index);
    if (!tcb->owned) {
        watch_clear(weir, HANDLE_CONN, index);
        if (tcp_may_shrink(tcb)) {
            tw_put(weir, conn, index, now);
            conn_free(weir, index);
            return;
        }
        if (tcp_is_over(tcb)) {
            conn_free(weir, index);
            return;
        }
    }
    const weir_time deadline = tcp_deadline(tcb);
    if ((conn->timed || deadline != WEIR_NEVER) && wheel_when(&weir->wheel, index) != deadline)
        wheel_set(&weir->wheel, index, deadline);
    conn->timed = deadline != WEIR_NEVER;
    due_place(weir, index, conn);
    if (tcb->owned && conn->listener == CONN_NO_LISTENER)
        ready_place(weir, index, conn);
    memory_look(weir);
}
