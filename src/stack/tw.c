/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

#include <string.h>

/* TIME-WAIT, and FIN-WAIT-2 that nobody waits for, in 64 octets each. The rules are not written
 * twice: a segment for an entry is handled in the scratch TCB by the code for all connections, and
 * the entry is made anew from it.
 *
 * There is a FIFO for each of the two, since all in it last equally long, with one timer each. */

#define TW_LOOK_BACK   64 /* entries passed to put one into the order of deadlines */
#define TW_REUSE_ALL   1  /* config.tw_reuse, as Linux counts */
#define TW_REUSE_LOCAL 2
#define TW_PLANS       4 /* segments an entry may send in answer to one */

struct list_nodes tw_nodes(const struct weir *weir)
{
    return (struct list_nodes){ weir->tw.memory + offsetof(struct tw_entry, next),
                                weir->tw.item_size };
}

static struct tw_entry *at(const struct weir *weir, uint32_t index)
{
    return pool_at(&weir->tw, index);
}

static struct list *fifo_of(struct weir *weir, unsigned state)
{
    return state == WEIR_TIME_WAIT ? &weir->tw_fifo : &weir->fin_fifo;
}

static void set_timer(struct weir *weir, const struct list *fifo, weir_time now)
{
    const uint32_t fixed = fifo == &weir->tw_fifo ? WHEEL_TW : WHEEL_FIN;
    const weir_time when =
        fifo->count > 0 ? ms_to_time(weir, at(weir, fifo->head)->due_ms, now) : WEIR_NEVER;
    wheel_set(&weir->wheel, weir->config.tcp_max + fixed, when);
}

/* Behind `after`, or at the head if that is LIST_NONE. */
static void insert_after(struct weir *weir, struct list *fifo, uint32_t after, uint32_t index)
{
    if (after == fifo->tail) {
        list_push_tail(fifo, tw_nodes(weir), index);
    } else if (after == LIST_NONE) {
        list_push_head(fifo, tw_nodes(weir), index);
    } else {
        const uint32_t next = at(weir, after)->next;
        at(weir, index)->prev = after;
        at(weir, index)->next = next;
        at(weir, after)->next = index;
        at(weir, next)->prev = index;
        fifo->count++;
    }
}

/* Nearly always at the end. An entry that a program kept for a while is due earlier than those
 * before it: it moves forward, and where that would take too long it lasts a little longer. */
static void enqueue(struct weir *weir, struct list *fifo, uint32_t index, weir_time deadline,
                    weir_time now)
{
    struct tw_entry *entry = at(weir, index);
    entry->due_ms = ms_round_up(weir, deadline);
    uint32_t after = fifo->tail;
    for (unsigned i = 0; i < TW_LOOK_BACK && after != LIST_NONE; i++) {
        if ((int32_t)(at(weir, after)->due_ms - entry->due_ms) <= 0)
            break;
        after = at(weir, after)->prev;
    }
    if (after != LIST_NONE && (int32_t)(at(weir, after)->due_ms - entry->due_ms) > 0)
        entry->due_ms = at(weir, after)->due_ms;
    insert_after(weir, fifo, after, index);
    if (fifo->head == index)
        set_timer(weir, fifo, now);
}

static void dequeue(struct weir *weir, struct list *fifo, uint32_t index, weir_time now)
{
    const bool first = fifo->head == index;
    list_remove(fifo, tw_nodes(weir), index);
    if (first)
        set_timer(weir, fifo, now);
}

static void forget(struct weir *weir, struct list *fifo, uint32_t index, weir_time now)
{
    struct tw_entry *entry = at(weir, index);
    const struct flow flow = flow_of_tw(weir, entry);
    demux_remove(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_TW, index));
    dequeue(weir, fifo, index, now);
    local_give(weir, entry->local);
    pool_give(&weir->tw, index);
}

/* A place for one more. At the limit the oldest goes: it has been there longest. */
static uint32_t take(struct weir *weir, weir_time now)
{
    if (pool_free_count(&weir->tw) == 0) {
        struct list *fifo = weir->tw_fifo.count > 0 ? &weir->tw_fifo : &weir->fin_fifo;
        weir->trace.count.tw_overflow++;
        forget(weir, fifo, fifo->head, now);
    }
    return pool_take(&weir->tw);
}

void tw_put(struct weir *weir, struct conn *conn, uint32_t index, weir_time now)
{
    WEIR_ASSERT(conn->hashed);
    const struct flow flow = flow_of_conn(weir, conn);
    const uint32_t number = take(weir, now);
    if (number == POOL_NONE)
        return; /* a pool told to fail: the connection is forgotten, as one beyond the limit */
    struct tw_entry *entry = at(weir, number);
    memset(entry, 0, sizeof *entry);
    tcp_shrink(&conn->tcb, entry);
    memcpy(entry->peer, conn->peer.octet, sizeof entry->peer);
    entry->lport = conn->lport;
    entry->rport = conn->rport;
    entry->local = local_again(weir, conn->local);
    entry->iface = conn->path.iface;
    demux_replace(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_CONN, index),
                  flow_ref(FLOW_TW, number));
    conn->hashed = false;
    enqueue(weir, fifo_of(weir, conn->tcb.state), number, conn->tcb.keep_at, now);
}

/* ---- segments ---- */

static void send_plans(struct weir *weir, const struct flow *flow, unsigned iface, weir_time now)
{
    struct tcb *tcb = &weir->scratch;
    const struct tcp_env env = { .gso_max = 0, .path_ready = true };
    struct tcp_plan plan;
    for (unsigned i = 0; i < TW_PLANS && tcb->due != 0; i++) {
        if (!tcp_output_plan(tcb, &env, now, &plan)) {
            tcp_output_idle(tcb, &env, now);
            return;
        }
        WEIR_ASSERT(plan.len == 0);
        const struct tcp_seg seg = {
            .sport = flow->lport,
            .dport = flow->rport,
            .seq = plan.seq,
            .ack = plan.ack,
            .flags = plan.flags,
            .wnd = plan.wnd,
        };
        reply_segment(weir, flow, iface, &seg, &plan.opts, (enum weir_why)plan.why);
        tcp_output_commit(tcb, &plan, now);
    }
}

static void unshrink(struct weir *weir, const struct tw_entry *entry, const struct flow *flow,
                     weir_time now)
{
    const struct tcp_birth birth = {
        .host = &weir->tcp,
        .index = UINT32_MAX,
        .ts_offset = entry->ts_offset,
        .path_mss = path_mss_of(&flow->peer, ip_pmtu(&weir->ip, &flow->peer, entry->iface)),
        .owned = false,
    };
    tcp_unshrink(entry, &weir->scratch, &birth, now);
    weir->scratch.keep_at = ms_to_time(weir, entry->due_ms, now);
}

enum weir_drop tw_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                          weir_time now)
{
    struct tw_entry *entry = at(weir, index);
    struct tcb *tcb = &weir->scratch;
    unshrink(weir, entry, &in->flow, now);
    struct list *before = fifo_of(weir, tcb->state);
    const weir_time deadline = tcp_deadline(tcb);
    tcb->reopen = listener_takes(weir, in);

    const enum weir_drop drop = tcp_segment_arrives(tcb, &in->seg, &in->opts, in->packet.when, now);
    if (drop == WEIR_DROP_REOPEN) {
        const seq32 floor = tcp_reopen_floor(tcb);
        forget(weir, before, index, now);
        tcp_free(tcb);
        return listener_arrives(weir, in, &floor, now);
    }
    send_plans(weir, &in->flow, entry->iface, now);
    if (tcb->state == WEIR_CLOSED) {
        forget(weir, before, index, now);
    } else {
        tcp_shrink(tcb, entry);
        struct list *after = fifo_of(weir, tcb->state);
        if (after != before || tcp_deadline(tcb) != deadline) {
            dequeue(weir, before, index, now);
            enqueue(weir, after, index, tcp_deadline(tcb), now);
        }
    }
    tcp_free(tcb);
    return drop;
}

/* Linux's rules: who names the port himself gets it at once, whatever tcp_tw_reuse says, as long as
 * there are timestamps. */
bool tw_may_reuse(const struct weir *weir, uint32_t index, bool drawn, seq32 *floor)
{
    const struct weir_config *config = &weir->config;
    const struct tw_entry *entry = at(weir, index);
    const struct flow flow = flow_of_tw(weir, entry);
    if (drawn && config->tw_reuse != TW_REUSE_ALL &&
        (config->tw_reuse != TW_REUSE_LOCAL || !ip_is_local(&weir->ip, &flow.peer)))
        return false;
    return tcp_may_replace(entry, &weir->tcp, drawn ? config->tw_reuse_delay : -1, weir->now,
                           floor);
}

void tw_replace(struct weir *weir, uint32_t index)
{
    weir->trace.count.tw_reused++;
    forget(weir, &weir->tw_fifo, index, weir->now);
}

/* ---- time ---- */

static void expire(struct weir *weir, struct list *fifo, weir_time now)
{
    for (unsigned i = 0; i < TIMEOUT_BATCH && fifo->count > 0; i++) {
        const uint32_t index = fifo->head;
        if (ms_to_time(weir, at(weir, index)->due_ms, now) > now)
            break;
        const struct flow flow = flow_of_tw(weir, at(weir, index));
        unshrink(weir, at(weir, index), &flow, now);
        tcp_timeout(&weir->scratch, now); /* says why it ends, in the records */
        tcp_free(&weir->scratch);
        forget(weir, fifo, index, now);
    }
    set_timer(weir, fifo, now);
}

void tw_timeout(struct weir *weir, weir_time now)
{
    expire(weir, &weir->tw_fifo, now);
    expire(weir, &weir->fin_fifo, now);
}
