/* SPDX-License-Identifier: MIT */
#include "stack/auth.h"
#include "stack/fastopen.h"

#include <string.h>

/* Half-open connections in 64 octets each. All entries that were sent the same number of SYN-ACKs
 * wait equally long for the next, so each such FIFO is sorted by itself and has one timer. */

struct list_nodes synq_nodes(const struct weir *weir)
{
    return (struct list_nodes){ weir->synq.memory + offsetof(struct synq_entry, next),
                                weir->synq.item_size };
}

static struct synq_entry *at(const struct weir *weir, uint32_t index)
{
    return pool_at(&weir->synq, index);
}

/* ---- time ---- */

weir_time ms_to_time(const struct weir *weir, uint32_t ms, weir_time now)
{
    const weir_time now_ms = (now - weir->tcp.epoch) / WEIR_MS;
    const int32_t ahead = (int32_t)(ms - (uint32_t)now_ms);
    return weir->tcp.epoch + (now_ms + ahead) * WEIR_MS;
}

uint32_t ms_round_up(const struct weir *weir, weir_time when)
{
    return (uint32_t)((when - weir->tcp.epoch + WEIR_MS - 1) / WEIR_MS);
}

static void set_timer(struct weir *weir, unsigned retries, weir_time now)
{
    const struct list *fifo = &weir->synq_fifo[retries];
    const weir_time when =
        fifo->count > 0 ? ms_to_time(weir, at(weir, fifo->head)->due_ms, now) : WEIR_NEVER;
    wheel_set(&weir->wheel, weir->config.tcp_max + WHEEL_SYNQ + retries, when);
}

/* To the end of the FIFO of its retry count: 1, 2, 4, 8.. times the first timeout; or of those that
 * wait for the program. */
static void enqueue(struct weir *weir, uint32_t index, weir_time now)
{
    struct synq_entry *entry = at(weir, index);
    struct list *fifo = &weir->synq_fifo[entry->retries];
    weir_time delay = weir->config.rto_max;
    if (entry->retries > SYNQ_RETRY_MAX)
        delay = SYNQ_DEFER_TIME;
    else if (weir->config.rto_initial <= delay >> entry->retries)
        delay = weir->config.rto_initial << entry->retries;
    entry->due_ms = ms_round_up(weir, now + delay);
    list_push_tail(fifo, synq_nodes(weir), index);
    if (fifo->count == 1)
        set_timer(weir, entry->retries, now);
}

static void dequeue(struct weir *weir, uint32_t index, weir_time now)
{
    const unsigned retries = at(weir, index)->retries;
    struct list *fifo = &weir->synq_fifo[retries];
    const bool first = fifo->head == index;
    list_remove(fifo, synq_nodes(weir), index);
    if (first)
        set_timer(weir, retries, now);
}

/* ---- answers ---- */

static const struct listener *listener_at(const struct weir *weir, const struct synq_entry *entry)
{
    return pool_at(&weir->listeners, entry->listener);
}

static void answer(struct weir *weir, const struct synq_entry *entry, enum weir_why why,
                   weir_time now)
{
    const struct flow flow = flow_of_synq(weir, entry);
    const struct listener *listener = listener_at(weir, entry);
    const bool limited = (listener->option_set >> WEIR_OPT_MAXSEG & 1) != 0;
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(&flow, tuple);
    struct tcp_reply reply;
    tcp_synq_answer(entry, &weir->tcp, tcp_ts_offset(&weir->tcp, tuple),
                    limited ? (uint16_t)listener->option[WEIR_OPT_MAXSEG] : 0, now, &reply);
    if (entry->flags & SYNQ_FAST) {
        fast_offer(weir, listener, &flow, &reply.opts);
        reply.opts.cookie_exp = entry->fast_exp;
    }
    reply_segment(weir, &flow, entry->iface, &reply.seg, &reply.opts, why);
}

static void challenge(struct weir *weir, const struct synq_entry *entry, weir_time now)
{
    const struct flow flow = flow_of_synq(weir, entry);
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(&flow, tuple);
    struct tcp_reply reply;
    tcp_synq_challenge(entry, &weir->tcp, tcp_ts_offset(&weir->tcp, tuple), now, &reply);
    reply.seg.sport = flow.lport;
    reply.seg.dport = flow.rport;
    reply_segment(weir, &flow, entry->iface, &reply.seg, &reply.opts, WEIR_WHY_ACK_CHALLENGE);
    weir->trace.count.challenge_acks++;
}

void synq_start(struct weir *weir, uint32_t index, weir_time now)
{
    struct synq_entry *entry = at(weir, index);
    struct listener *listener = pool_at(&weir->listeners, entry->listener);
    if ((listener->flags & WEIR_LISTEN_DEFER) != 0) {
        entry->retries = SYNQ_ASKED;
        enqueue(weir, index, now);
        listener->asked++;
        listener_settle(weir, entry->listener);
        return;
    }
    enqueue(weir, index, now);
    answer(weir, entry, WEIR_WHY_SYN_ACK, now);
}

/* ---- the end of an entry ---- */

/* Gives the entry back. Its place in the table of flows is the caller's: promotion takes it over.
 */
static void give(struct weir *weir, uint32_t index, weir_time now)
{
    struct synq_entry *entry = at(weir, index);
    struct listener *listener = pool_at(&weir->listeners, entry->listener);
    WEIR_ASSERT(listener->synq_count > 0);
    listener->synq_count--;
    dequeue(weir, index, now);
    if (entry->retries == SYNQ_ASKED) {
        listener->asked--;
        listener_settle(weir, entry->listener);
    }
    entry->retries = 0; /* what looks like SYNQ_TOLD has a handle */
    local_give(weir, entry->local);
    pool_give(&weir->synq, index);
}

static void forget(struct weir *weir, uint32_t index, weir_time now)
{
    const struct flow flow = flow_of_synq(weir, at(weir, index));
    demux_remove(&weir->flows, flow_hash(weir, &flow), flow_ref(FLOW_SYNQ, index));
    give(weir, index, now);
}

void synq_drop_listener(struct weir *weir, uint32_t listener)
{
    for (unsigned r = 0; r < SYNQ_FIFOS; r++) {
        uint32_t index = weir->synq_fifo[r].head;
        while (index != LIST_NONE) {
            const uint32_t next = list_node_at(synq_nodes(weir), index)->next;
            if (at(weir, index)->listener == listener)
                forget(weir, index, weir->now);
            index = next;
        }
    }
}

/* Timeouts of a SYN-ACK for which a bare ACK is not enough (WEIR_OPT_DEFER_ACCEPT). */
static unsigned defer_count(const struct weir *weir, const struct synq_entry *entry)
{
    const struct listener *listener = listener_at(weir, entry);
    const bool set = (listener->option_set >> WEIR_OPT_DEFER_ACCEPT & 1) != 0;
    return set ? synq_defer_retries(weir, listener->option[WEIR_OPT_DEFER_ACCEPT]) : 0;
}

unsigned synq_defer_retries(const struct weir *weir, weir_time time)
{
    unsigned retries = 0;
    weir_time timeout = weir->config.rto_initial;
    for (weir_time covered = 0; covered < time && retries < SYNQ_RETRY_MAX; retries++) {
        covered += timeout;
        timeout = 2 * timeout < weir->config.rto_max ? 2 * timeout : weir->config.rto_max;
    }
    return retries;
}

weir_time synq_defer_time(const struct weir *weir, unsigned retries)
{
    weir_time covered = 0, timeout = weir->config.rto_initial;
    for (; retries > 0; retries--) {
        covered += timeout;
        timeout = 2 * timeout < weir->config.rto_max ? 2 * timeout : weir->config.rto_max;
    }
    return covered;
}

/* Whether the entry has waited long enough. One whose peer hears us waits for data as long as its
 * listener wants, and is not sent the SYN-ACK again until the last of that time: then the peer's
 * answer to it, data or not, makes it a connection (tcp(7), TCP_DEFER_ACCEPT; measured). */
static bool is_given_up(const struct weir *weir, const struct synq_entry *entry)
{
    if (entry->retries >= SYNQ_RETRY_MAX)
        return true;
    const bool waits = (entry->flags & SYNQ_ACKED) && entry->retries < defer_count(weir, entry);
    return entry->retries >= weir->config.synack_retries && !waits;
}

void synq_timeout(struct weir *weir, unsigned retries, weir_time now)
{
    struct list *fifo = &weir->synq_fifo[retries];
    for (unsigned i = 0; i < TIMEOUT_BATCH && fifo->count > 0; i++) {
        const uint32_t index = fifo->head;
        struct synq_entry *entry = at(weir, index);
        if (ms_to_time(weir, entry->due_ms, now) > now)
            break;
        if (is_given_up(weir, entry)) {
            weir->trace.count.attempt_fails++;
            forget(weir, index, now);
            continue;
        }
        list_remove(fifo, synq_nodes(weir), index);
        const bool again = !(entry->flags & SYNQ_ACKED) || retries + 1 >= defer_count(weir, entry);
        entry->retries++;
        enqueue(weir, index, now);
        if (!again)
            continue;
        entry->flags |= SYNQ_RTX;
        answer(weir, entry, WEIR_WHY_RTX_SYN_ACK, now);
    }
    set_timer(weir, retries, now);
}

/* ---- segments ---- */

static void inherit(struct conn *conn, const struct listener *listener, weir_time now)
{
    for (uint64_t left = listener->option_set; left != 0; left &= left - 1) {
        const enum weir_option option = (enum weir_option)__builtin_ctzll(left);
        const int64_t value = listener->option[option]; /* was checked when it was set */
        if (option != WEIR_OPT_DEFER_ACCEPT && option != WEIR_OPT_FASTOPEN &&
            option != WEIR_OPT_FASTOPEN_NO_COOKIE && !conn_set_ip(conn, option, value))
            (void)!tcp_set(&conn->tcb, option, value, now);
    }
}

/* A connection in the accept queue, or POOL_NONE: no TCB, no credit, no way back. */
static uint32_t make_conn(struct weir *weir, const struct synq_entry *entry,
                          const struct arrival *in, const struct ip_path *path, weir_time now)
{
    const uint32_t index = pool_take(&weir->conns);
    if (index == POOL_NONE)
        return POOL_NONE;
    const uint16_t local = local_take(weir, &in->flow.local);
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(&in->flow, tuple);
    struct conn *conn = conn_at(weir, index);
    memset(conn, 0, offsetof(struct conn, tcb)); /* tcp does the rest */
    const struct tcp_birth birth = {
        .host = &weir->tcp,
        .index = index,
        .iss = entry->iss,
        .ts_offset = tcp_ts_offset(&weir->tcp, tuple),
        .path_mss = path_mss_of(&in->flow.peer, path->mtu),
        .owned = true,
    };
    const bool made =
        local != LOCAL_NONE && tcp_synq_promote(entry, &conn->tcb, &birth, now) == WEIR_OK;
    if (!made || !auth_begin(weir, &in->flow, &conn->tcb, &in->opts)) {
        if (made)
            tcp_free(&conn->tcb);
        if (local != LOCAL_NONE)
            local_give(weir, local);
        pool_give(&weir->conns, index);
        return POOL_NONE;
    }
    flow_record(weir, index, &in->flow, now);
    conn->peer = in->flow.peer;
    conn->lport = in->flow.lport;
    conn->rport = in->flow.rport;
    conn->local = local;
    conn->listener = entry->listener;
    conn->generation = generation_next(weir);
    weir->conn_cookie[index] = 0;
    conn->path = *path;
    conn->due_node = (struct list_node){ LIST_NONE, LIST_NONE };
    watch_init(&conn->watch);
    return index;
}

enum weir_drop synq_promote(struct weir *weir, const struct synq_entry *entry, uint32_t number,
                            const struct arrival *in, weir_time now)
{
    struct listener *listener = pool_at(&weir->listeners, entry->listener);
    const uint32_t listener_index = entry->listener;
    if (listener_is_full(listener)) {
        listener->overflows++;
        weir->trace.count.listen_overflows++;
        if (!weir->config.abort_on_overflow)
            return WEIR_DROP_ACCEPT_FULL; /* the entry and its timer stay */
        if (number != POOL_NONE)
            forget(weir, number, now);
        return reply_reset(weir, in, WEIR_DROP_ACCEPT_FULL, now);
    }
    struct ip_path path;
    struct weir_ip src = in->flow.local;
    if (ip_path_find(&weir->ip, &src, &in->flow.peer, scope_of(&in->flow.peer, in->packet.iface),
                     &path, now) != WEIR_OK)
        return WEIR_DROP_NO_ROUTE;
    const uint32_t index = make_conn(weir, entry, in, &path, now);
    if (index == POOL_NONE)
        return WEIR_DROP_NO_CREDIT;

    struct conn *conn = conn_at(weir, index);
    inherit(conn, listener, now);
    if (number != POOL_NONE) {
        demux_replace(&weir->flows, in->hash, flow_ref(FLOW_SYNQ, number),
                      flow_ref(FLOW_CONN, index));
        give(weir, number, now);
    } else {
        demux_add(&weir->flows, in->hash, flow_ref(FLOW_CONN, index));
    }
    conn->hashed = true;
    enum weir_drop drop;
    if (in->seg.flags & TCP_SYN) {
        weir->fast_pending++;
        weir->trace.count.fast_passive++;
        drop = tcp_fast_syn(&conn->tcb, &in->seg, now);
    } else {
        drop = tcp_segment_arrives(&conn->tcb, &in->seg, &in->opts, in->packet.when, now);
    }
    list_push_tail(&listener->accepts, watch_nodes(weir, HANDLE_CONN), index);
    conn_settle(weir, index, now);
    listener_settle(weir, listener_index);
    return drop;
}

/* The peer has proved that it hears us. */
static enum weir_drop hears_us(struct weir *weir, uint32_t index, const struct arrival *in,
                               weir_time now)
{
    struct synq_entry *entry = at(weir, index);
    const bool bare = tcp_seg_len(&in->seg) == 0;
    if (bare && entry->retries < defer_count(weir, entry)) {
        entry->flags |= SYNQ_ACKED;
        return WEIR_DROP_ACCEPT_DEFERRED;
    }
    return synq_promote(weir, entry, index, in, now);
}

/* A segment for a SYN that the program has not answered: the peer knows nothing of us yet, so it
 * can only repeat itself or give up. */
static enum weir_drop deferred_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                                       weir_time now)
{
    if (!(in->seg.flags & TCP_RST))
        return WEIR_DROP_SYN_DEFERRED;
    if (in->seg.seq != at(weir, index)->irs + 1)
        return WEIR_DROP_RST_INEXACT;
    weir->trace.count.attempt_fails++;
    forget(weir, index, now);
    return WEIR_DROP_RESET;
}

enum weir_drop synq_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                            weir_time now)
{
    struct synq_entry *entry = at(weir, index);
    if (entry->retries > SYNQ_RETRY_MAX)
        return deferred_arrives(weir, index, in, now);
    enum weir_drop why = WEIR_DROP_NONE;
    switch (tcp_synq_arrives(entry, &weir->tcp, &in->seg, &in->opts, now, &why)) {
    case SYNQ_DROP:
        break;
    case SYNQ_ANSWER:
        entry->flags |= SYNQ_RTX; /* which of the two will be acknowledged cannot be told (Karn) */
        answer(weir, entry, WEIR_WHY_RTX_SYN_ACK, now);
        break;
    case SYNQ_CHALLENGE:
        challenge(weir, entry, now);
        break;
    case SYNQ_RESET:
        return reply_reset(weir, in, why, now);
    case SYNQ_DELETE:
        weir->trace.count.attempt_fails++;
        forget(weir, index, now);
        break;
    case SYNQ_PROMOTE:
        return hears_us(weir, index, in, now);
    }
    return why;
}

enum weir_drop synq_error(struct weir *weir, uint32_t index, bool fatal, seq32 quoted,
                          weir_time now)
{
    const struct synq_entry *entry = at(weir, index);
    if (entry->retries > SYNQ_RETRY_MAX || quoted != entry->iss)
        return WEIR_DROP_ICMP_OUT_OF_WINDOW;
    if (fatal) {
        weir->trace.count.attempt_fails++;
        forget(weir, index, now);
    }
    return WEIR_DROP_NONE;
}

/* ---- SYNs that the program answers ---- */

static weir_handle syn_handle(const struct synq_entry *entry, uint32_t index)
{
    return handle_make(HANDLE_SYN, entry->iss & GENERATION_MAX, index);
}

enum weir_error weir_syn_next(struct weir *weir, weir_handle handle, struct weir_syn *syn,
                              weir_time now)
{
    uint32_t number;
    struct listener *listener = listener_of(weir, handle, &number);
    if (listener == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    if (listener->asked == 0)
        return WEIR_AGAIN;
    uint32_t index = weir->synq_fifo[SYNQ_ASKED].head;
    while (at(weir, index)->listener != number)
        index = list_node_at(synq_nodes(weir), index)->next;
    struct synq_entry *entry = at(weir, index);
    dequeue(weir, index, now);
    entry->retries = SYNQ_TOLD; /* its time begins anew */
    enqueue(weir, index, now);
    listener->asked--;
    listener_settle(weir, number);
    const struct flow flow = flow_of_synq(weir, entry);
    *syn = (struct weir_syn){
        .handle = syn_handle(entry, index),
        .local = { flow.local, flow.lport, scope_of(&flow.local, entry->iface) },
        .remote = { flow.peer, flow.rport, scope_of(&flow.peer, entry->iface) },
        .iface = entry->iface,
    };
    return WEIR_OK;
}

/* The entry that waits under this handle, or NULL. */
static struct synq_entry *told_of(const struct weir *weir, weir_handle handle, uint32_t *index)
{
    *index = (uint32_t)handle;
    if (handle_kind(handle) != HANDLE_SYN || *index >= weir->synq.fresh)
        return NULL;
    struct synq_entry *entry = at(weir, *index);
    return entry->retries == SYNQ_TOLD && syn_handle(entry, *index) == handle ? entry : NULL;
}

enum weir_error weir_admit(struct weir *weir, weir_handle handle, weir_time now)
{
    uint32_t index;
    struct synq_entry *entry = told_of(weir, handle, &index);
    if (entry == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    ip_call_begins(&weir->ip);
    dequeue(weir, index, now);
    entry->retries = 0;
    tcp_synq_admit(entry, &weir->tcp, now);
    enqueue(weir, index, now);
    answer(weir, entry, WEIR_WHY_SYN_ACK, now);
    return WEIR_OK;
}

enum weir_error weir_refuse(struct weir *weir, weir_handle handle, weir_time now)
{
    uint32_t index;
    const struct synq_entry *entry = told_of(weir, handle, &index);
    if (entry == NULL)
        return WEIR_BAD_HANDLE;
    weir->now = now;
    ip_call_begins(&weir->ip);
    const struct flow flow = flow_of_synq(weir, entry);
    const struct tcp_seg reset = {
        .sport = flow.lport, .dport = flow.rport, .ack = entry->irs + 1, .flags = TCP_RST | TCP_ACK
    };
    const struct tcp_opts none = { 0 };
    reply_segment(weir, &flow, entry->iface, &reset, &none, WEIR_WHY_RST_REPLY);
    weir->trace.count.rsts_out++;
    weir->trace.count.attempt_fails++;
    forget(weir, index, now);
    return WEIR_OK;
}
