/* SPDX-License-Identifier: MIT */
#include "stack/fastopen.h"

#include <string.h>

/* Passive OPEN: who listens where, and what a segment without a connection does there (RFC 9293,
 * 3.10.7.1 and 3.10.7.2). A SYN makes an entry in the SYN queue, or a cookie when that is full. */

/* RFC 4987, 3.6: a cookie is believed while one of ours may still be under way. */
#define COOKIE_LIFE (120 * WEIR_SECOND)

#define ANY_PORT 0 /* where listeners with WEIR_LISTEN_ANY_PORT are found */

#define LISTEN_FLAGS                                                                            \
    (WEIR_LISTEN_V6ONLY | WEIR_LISTEN_REUSEPORT | WEIR_LISTEN_DEFER | WEIR_LISTEN_ANY_ADDRESS | \
     WEIR_LISTEN_ANY_PORT | WEIR_LISTEN_COOKIES)

/* ---- finding one ---- */

static const struct listener *at(const struct weir *weir, uint32_t index)
{
    return pool_at(&weir->listeners, index);
}

/* How well a listener fits an address: 0, not at all; its own address before the family's any,
 * that before the any of both, and what is not ours only if it takes every address. */
static unsigned score(const struct listener *listener, const struct ip_packet *packet)
{
    const struct weir_ip *ip = &packet->dst;
    if (listener->scope != 0 && listener->scope != packet->iface + 1)
        return 0;
    if (packet->foreign && (listener->flags & WEIR_LISTEN_ANY_ADDRESS) == 0)
        return 0;
    if (!ip_is_any(&listener->ip))
        return weir_ip_equal(&listener->ip, ip) ? 3 : 0;
    const bool v4 = weir_ip_is_v4(ip);
    if (weir_ip_is_v4(&listener->ip))
        return v4 ? 2 : 0;
    if (listener->flags & WEIR_LISTEN_V6ONLY)
        return v4 ? 0 : 2;
    return 1;
}

/* What is there so far in the search for a listener. */
struct choice {
    uint32_t index;
    unsigned fits;
    uint64_t share; /* of the flow, for members of a group that fit equally well */
};

static void consider(const struct weir *weir, uint32_t index, unsigned fits, uint32_t hash,
                     struct choice *best)
{
    if (fits == 0 || fits < best->fits)
        return;
    const struct listener *listener = at(weir, index);
    const bool shared = (listener->flags & WEIR_LISTEN_REUSEPORT) != 0;
    const uint64_t share = shared ? flow_share(weir, hash, listener->generation) : 0;
    if (fits > best->fits || share > best->share)
        *best = (struct choice){ index, fits, share };
}

static void consider_port(const struct weir *weir, const struct arrival *in, uint16_t port,
                          struct choice *best)
{
    const uint32_t hash = port_hash(weir, port);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->listener_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->listener_ports, hash, &slot)) {
        const struct listener *listener = at(weir, ref - 1);
        if (listener->port == port)
            consider(weir, ref - 1, score(listener, &in->packet), in->hash, best);
    }
}

/* Those on its port before those on any. */
uint32_t listener_find(const struct weir *weir, const struct arrival *in)
{
    struct choice best = { .index = POOL_NONE };
    consider_port(weir, in, in->flow.lport, &best);
    if (best.index == POOL_NONE)
        consider_port(weir, in, ANY_PORT, &best);
    return best.index;
}

static bool synq_is_full(const struct weir *weir, const struct listener *listener)
{
    return listener->synq_count > listener->backlog || pool_free_count(&weir->synq) == 0;
}

/* As Linux counts: one more than the backlog. */
bool listener_is_full(const struct listener *listener)
{
    return (uint64_t)listener->accepts.count + listener->held > listener->backlog;
}

/* Not with a cookie: nothing would keep its number beyond those of the connection before (RFC
 * 6191). */
bool listener_takes(const struct weir *weir, const struct arrival *in)
{
    if (!(in->seg.flags & TCP_SYN))
        return false;
    const uint32_t index = listener_find(weir, in);
    return index != POOL_NONE && !synq_is_full(weir, at(weir, index)) &&
           !listener_is_full(at(weir, index));
}

bool listener_has_port(const struct weir *weir, uint16_t port)
{
    const uint32_t hash = port_hash(weir, port);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->listener_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->listener_ports, hash, &slot))
        if (at(weir, ref - 1)->port == port)
            return true;
    return false;
}

/* Whether another listener has the very same address and port, and not both said that they share
 * it. */
static bool is_taken(const struct weir *weir, const struct listener *wanted)
{
    const uint32_t hash = port_hash(weir, wanted->port);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->listener_ports, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->listener_ports, hash, &slot)) {
        const struct listener *other = at(weir, ref - 1);
        const bool shared = (other->flags & wanted->flags & WEIR_LISTEN_REUSEPORT) != 0;
        if (other->port == wanted->port && !shared && weir_ip_equal(&other->ip, &wanted->ip) &&
            (other->scope == wanted->scope || other->scope == 0 || wanted->scope == 0))
            return true;
    }
    return false;
}

/* ---- birth and death ---- */

enum weir_error weir_listen(struct weir *weir, const struct weir_addr *local, unsigned backlog,
                            unsigned flags, weir_handle *handle)
{
    *handle = WEIR_NO_HANDLE;
    const bool any_port = (flags & WEIR_LISTEN_ANY_PORT) != 0;
    if ((flags & ~LISTEN_FLAGS) != 0 || (any_port && local->port != 0) ||
        ((flags & WEIR_LISTEN_ANY_ADDRESS) != 0 && !ip_is_any(&local->ip)))
        return WEIR_INVALID;
    if (!ip_is_any(&local->ip) && !ip_is_local(&weir->ip, &local->ip))
        return WEIR_NOT_LOCAL;
    struct listener wanted = {
        .ip = local->ip,
        .port = local->port,
        .scope = ip_is_link_local(&local->ip) ? local->iface : 0,
        .flags = flags,
        .backlog = backlog < weir->config.somaxconn ? backlog : weir->config.somaxconn,
        .overflow_at = WEIR_NEVER,
    };
    if (wanted.port == 0 && !any_port)
        wanted.port = port_draw(weir, listener_has_port);
    if (wanted.port == 0 && !any_port)
        return WEIR_NOT_LOCAL;
    if (is_taken(weir, &wanted))
        return WEIR_IN_USE;
    const uint32_t index = pool_take(&weir->listeners);
    if (index == POOL_NONE)
        return WEIR_NO_MEMORY;

    if ((flags & WEIR_LISTEN_ANY_ADDRESS) != 0)
        ip_take_foreign(&weir->ip);
    wanted.generation = generation_next(weir);
    list_init(&wanted.accepts);
    watch_init(&wanted.watch);
    struct listener *listener = pool_at(&weir->listeners, index);
    *listener = wanted;
    demux_add(&weir->listener_ports, port_hash(weir, wanted.port), index + 1);
    *handle = handle_make(HANDLE_LISTENER, listener->generation, index);
    return WEIR_OK;
}

unsigned listener_ready(const struct listener *listener)
{
    const unsigned readable = listener->accepts.count > 0 ? WEIR_READABLE : 0;
    return readable | (listener->asked > 0 ? WEIR_ASKED : 0);
}

void listener_settle(struct weir *weir, uint32_t index)
{
    watch_set(weir, HANDLE_LISTENER, index, listener_ready(at(weir, index)));
}

/* Takes the oldest out of the accept queue. */
static uint32_t take_child(struct weir *weir, struct listener *listener)
{
    const uint32_t index = listener->accepts.head;
    list_remove(&listener->accepts, watch_nodes(weir, HANDLE_CONN), index);
    conn_at(weir, index)->listener = CONN_NO_LISTENER;
    return index;
}

void listener_close(struct weir *weir, uint32_t index, weir_time now)
{
    struct listener *listener = pool_at(&weir->listeners, index);
    synq_drop_listener(weir, index);
    while (listener->accepts.count > 0) {
        const uint32_t child = take_child(weir, listener);
        struct tcb *tcb = &conn_at(weir, child)->tcb;
        if (tcb->state != WEIR_CLOSED)
            tcp_abort(tcb, WEIR_CAUSE_LISTENER_CLOSED, WEIR_ABORTED, now);
        tcp_orphan(tcb, now);
        conn_settle(weir, child, now);
    }
    WEIR_ASSERT(listener->synq_count == 0);
    watch_clear(weir, HANDLE_LISTENER, index);
    demux_remove(&weir->listener_ports, port_hash(weir, listener->port), index + 1);
    listener->generation = 0;
    pool_give(&weir->listeners, index);
}

enum weir_error weir_listen_backlog(struct weir *weir, weir_handle handle, unsigned backlog)
{
    struct listener *listener = listener_of(weir, handle, NULL);
    if (listener == NULL)
        return WEIR_BAD_HANDLE;
    listener->backlog = backlog < weir->config.somaxconn ? backlog : weir->config.somaxconn;
    return WEIR_OK;
}

enum weir_error weir_listen_held(struct weir *weir, weir_handle handle, uint32_t held)
{
    struct listener *listener = listener_of(weir, handle, NULL);
    if (listener == NULL)
        return WEIR_BAD_HANDLE;
    listener->held = held;
    return WEIR_OK;
}

enum weir_error weir_accept(struct weir *weir, weir_handle handle, weir_handle *conn, weir_time now)
{
    *conn = WEIR_NO_HANDLE;
    uint32_t index;
    struct listener *listener = listener_of(weir, handle, &index);
    if (listener == NULL)
        return WEIR_BAD_HANDLE;
    if (listener->accepts.count == 0)
        return WEIR_AGAIN;
    const uint32_t child = take_child(weir, listener);
    *conn = conn_handle(weir, child);
    listener_settle(weir, index);
    conn_settle(weir, child, now);
    return WEIR_OK;
}

/* ---- a segment for a listener, or for nobody ---- */

/* All that a place in the queue begins with but its ISS. Nobody keeps the timestamps' offset there:
 * who needs it asks for it. */
static struct tcp_birth birth_of(struct weir *weir, const struct arrival *in, uint16_t path_mss)
{
    return (struct tcp_birth){
        .host = &weir->tcp,
        .index = UINT32_MAX,
        .path_mss = path_mss,
        .v6 = !weir_ip_is_v4(&in->flow.peer),
    };
}

/* The same for a cookie, in which the offset is; the tuple is left in `tuple`. */
static struct tcp_birth cookie_birth(struct weir *weir, const struct arrival *in, uint16_t path_mss,
                                     uint8_t tuple[FLOW_TUPLE])
{
    struct tcp_birth birth = birth_of(weir, in, path_mss);
    flow_tuple(&in->flow, tuple);
    birth.ts_offset = tcp_ts_offset(&weir->tcp, tuple);
    return birth;
}

/* The queue is full: all that is needed to know the peer again goes into our sequence number. */
static void answer_cookie(struct weir *weir, struct listener *listener, const struct arrival *in,
                          uint16_t path_mss, weir_time now)
{
    uint8_t tuple[FLOW_TUPLE];
    struct tcp_birth birth = cookie_birth(weir, in, path_mss, tuple);
    birth.iss = tcp_cookie_make(&weir->tcp, tuple, &in->seg, &in->opts, birth.v6, now);
    struct tcp_reply reply;
    tcp_cookie_answer(&birth, &in->seg, &in->opts, now, &reply);
    reply_segment(weir, &in->flow, in->packet.iface, &reply.seg, &reply.opts, WEIR_WHY_SYN_COOKIE);
    listener->overflow_at = now;
    weir->trace.count.cookies_sent++;
}

static seq32 iss_of(const struct weir *weir, const struct flow *flow, const seq32 *floor,
                    weir_time now)
{
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(flow, tuple);
    return tcp_iss_beyond(tcp_isn(&weir->tcp, tuple, now), floor);
}

/* A SYN with a good Fast Open cookie: no place in the queue, a connection at once. */
static enum weir_drop fast_arrives(struct weir *weir, uint32_t number, const struct arrival *in,
                                   uint16_t path_mss, const seq32 *floor, weir_time now)
{
    struct tcp_birth birth = birth_of(weir, in, path_mss);
    birth.iss = iss_of(weir, &in->flow, floor, now);
    struct synq_entry entry = { 0 };
    tcp_synq_open(&entry, &birth, &in->seg, &in->opts, now);
    entry.lport = in->flow.lport;
    entry.rport = in->flow.rport;
    entry.listener = (uint16_t)number;
    entry.iface = (uint8_t)in->packet.iface;
    return synq_promote(weir, &entry, POOL_NONE, in, now);
}

static enum weir_drop syn_arrives(struct weir *weir, uint32_t number, const struct arrival *in,
                                  const seq32 *floor, weir_time now)
{
    struct listener *listener = pool_at(&weir->listeners, number);
    weir->trace.count.syn_in++;
    if (listener_is_full(listener)) {
        listener->overflows++;
        weir->trace.count.listen_overflows++;
        return WEIR_DROP_ACCEPT_FULL;
    }
    struct ip_path path;
    struct weir_ip src = in->flow.local;
    if (ip_path_find(&weir->ip, &src, &in->flow.peer, scope_of(&in->flow.peer, in->packet.iface),
                     &path, now) != WEIR_OK)
        return WEIR_DROP_NO_ROUTE;

    const uint16_t path_mss = path_mss_of(&in->flow.peer, path.mtu);
    const enum fast_verdict fast = fast_judge(weir, listener, in);
    if (fast == FAST_TAKE)
        return fast_arrives(weir, number, in, path_mss, floor, now);
    const uint32_t index = synq_is_full(weir, listener) ? POOL_NONE : pool_take(&weir->synq);
    const uint16_t local = index == POOL_NONE ? LOCAL_NONE : local_take(weir, &in->flow.local);
    if (local == LOCAL_NONE) {
        if (index != POOL_NONE)
            pool_give(&weir->synq, index);
        if (!weir->config.syncookies || floor != NULL ||
            (listener->flags & (WEIR_LISTEN_DEFER | WEIR_LISTEN_COOKIES)) == WEIR_LISTEN_DEFER)
            return WEIR_DROP_SYNQ_FULL;
        answer_cookie(weir, listener, in, path_mss, now);
        return WEIR_DROP_NONE;
    }
    struct synq_entry *entry = pool_at(&weir->synq, index);
    struct tcp_birth birth = birth_of(weir, in, path_mss);
    birth.iss = iss_of(weir, &in->flow, floor, now);
    tcp_synq_open(entry, &birth, &in->seg, &in->opts, now);
    memcpy(entry->peer, in->flow.peer.octet, sizeof entry->peer);
    entry->lport = in->flow.lport;
    entry->rport = in->flow.rport;
    entry->local = local;
    entry->flags |= fast == FAST_OFFER ? SYNQ_FAST : 0;
    entry->fast_exp = in->opts.cookie_exp;
    entry->listener = (uint16_t)number;
    entry->iface = (uint8_t)in->packet.iface;
    listener->synq_count++;
    demux_add(&weir->flows, in->hash, flow_ref(FLOW_SYNQ, index));
    synq_start(weir, index, now);
    return WEIR_DROP_NONE;
}

/* What names a cookie that comes back, and its place among those that were used. */
static uint32_t *cookie_place(const struct weir *weir, const struct arrival *in, uint32_t *name)
{
    const uint64_t hash = flow_share(weir, in->hash, in->seg.ack);
    *name = (uint32_t)(hash >> 32) | 1; /* never 0, which is nobody's */
    return &weir->cookie_used[(uint32_t)hash & weir->cookie_mask];
}

/* An ACK for a listener: the answer to a cookie of ours, or to nothing we know of. */
static enum weir_drop ack_arrives(struct weir *weir, uint32_t number, const struct arrival *in,
                                  weir_time now)
{
    const struct listener *listener = at(weir, number);
    const bool asked =
        listener->overflow_at != WEIR_NEVER && now - listener->overflow_at <= COOKIE_LIFE;
    if (!asked || (in->seg.flags & TCP_SYN))
        return reply_reset(weir, in, WEIR_DROP_LISTEN_ACK, now);

    struct ip_path path;
    struct weir_ip src = in->flow.local;
    if (ip_path_find(&weir->ip, &src, &in->flow.peer, scope_of(&in->flow.peer, in->packet.iface),
                     &path, now) != WEIR_OK)
        return WEIR_DROP_NO_ROUTE;
    uint8_t tuple[FLOW_TUPLE];
    const struct tcp_birth birth =
        cookie_birth(weir, in, path_mss_of(&in->flow.peer, path.mtu), tuple);
    struct synq_entry entry = { 0 };
    uint32_t name;
    uint32_t *used = cookie_place(weir, in, &name);
    if (*used == name || !tcp_cookie_check(&birth, tuple, &in->seg, &in->opts, now, &entry)) {
        weir->trace.count.cookies_failed++;
        return reply_reset(weir, in, WEIR_DROP_COOKIE_BAD, now);
    }
    entry.lport = in->flow.lport;
    entry.rport = in->flow.rport;
    entry.listener = (uint16_t)number;
    entry.iface = (uint8_t)in->packet.iface;
    entry.flags |= SYNQ_COOKIE;
    weir->trace.count.cookies_ok++;
    enum weir_drop why = WEIR_DROP_NONE;
    if (tcp_synq_arrives(&entry, &weir->tcp, &in->seg, &in->opts, now, &why) != SYNQ_PROMOTE)
        return why != WEIR_DROP_NONE ? why : WEIR_DROP_COOKIE_BAD;
    const uint64_t before = weir->trace.count.passive_opens;
    why = synq_promote(weir, &entry, POOL_NONE, in, now);
    if (weir->trace.count.passive_opens > before)
        *used = name;
    return why;
}

enum weir_drop listener_arrives(struct weir *weir, const struct arrival *in, const seq32 *floor,
                                weir_time now)
{
    const uint32_t number = listener_find(weir, in);
    if (number == POOL_NONE && in->packet.foreign)
        return WEIR_DROP_IP_NOT_OURS; /* as it would have been without those who take any */
    if (number == POOL_NONE)
        return reply_reset(weir, in, WEIR_DROP_TCP_NO_CONN, now);
    if (in->packet.ttl <
        at(weir, number)->option[in->packet.v4 ? WEIR_OPT_MIN_TTL : WEIR_OPT_MIN_HOPS])
        return WEIR_DROP_TCP_MIN_TTL; /* RFC 5082 */
    const uint16_t flags = in->seg.flags;
    if (flags & TCP_RST)
        return WEIR_DROP_LISTEN_RST;
    if (flags & TCP_ACK)
        return ack_arrives(weir, number, in, now);
    if (!(flags & TCP_SYN) || (flags & TCP_FIN))
        return WEIR_DROP_LISTEN_FLAGS;
    return syn_arrives(weir, number, in, floor, now);
}
