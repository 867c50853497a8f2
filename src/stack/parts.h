/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_PARTS_H
#define WEIR_STACK_PARTS_H

/* What the files of this folder offer each other, and nobody else sees.
 *
 * A change of a connection is always followed by conn_settle, which brings timers, lists and
 * readiness in line with it and frees what is over: no other function has to think of that. */

#include "stack/instance.h"

/* ---- flow.c: who is who ---- */

void flow_tuple(const struct flow *flow, uint8_t tuple[FLOW_TUPLE]);
uint32_t flow_hash(const struct weir *weir, const struct flow *flow);
static inline uint32_t flow_ref(enum flow_tag tag, uint32_t index)
{
    return (uint32_t)tag << 30 | index;
}
static inline enum flow_tag flow_ref_tag(uint32_t ref)
{
    return (enum flow_tag)(ref >> 30);
}
static inline uint32_t flow_ref_index(uint32_t ref)
{
    return ref & (FLOW_INDEX_MAX - 1);
}

/* The reference of a flow, or DEMUX_NONE. */
uint32_t flow_find(const struct weir *weir, const struct flow *flow, uint32_t hash);
/* Asks for the memory that a segment will need; `text`: it carries some. */
void flow_prefetch(const struct weir *weir, uint32_t hash, bool text);
/* Notes in the story whose a new connection is. */
void flow_record(struct weir *weir, uint32_t conn, const struct flow *flow, weir_time now);
struct flow flow_of_conn(const struct weir *weir, const struct conn *conn);
struct flow flow_of_synq(const struct weir *weir, const struct synq_entry *entry);
struct flow flow_of_tw(const struct weir *weir, const struct tw_entry *entry);

/* Who of a group that shares an address and port gets a flow: whose share of it is the greatest. So
 * a flow stays where it is when others come, and when one goes only its own flows move. `member`
 * is the generation of its handle. */
uint64_t flow_share(const struct weir *weir, uint32_t hash, uint32_t member);

/* Whether this instance is the one for a flow, among the shards. */
bool flow_is_ours(const struct weir *weir, const struct flow *flow);

/* The number of a local address, with one more reference; LOCAL_NONE if the table is full. */
uint16_t local_take(struct weir *weir, const struct weir_ip *ip);
uint16_t local_again(struct weir *weir, uint16_t number);
void local_give(struct weir *weir, uint16_t number);
uint32_t port_hash(const struct weir *weir, uint16_t port);

/* ---- handle.c: objects by name ---- */

static inline weir_handle handle_make(enum handle_kind kind, uint32_t generation, uint32_t index)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a handle has 64 bits. */
    return (weir_handle)kind << 60 | (weir_handle)generation << 32 | index;
}
static inline enum handle_kind handle_kind(weir_handle handle)
{
    return (enum handle_kind)(handle >> 60);
}
uint32_t generation_next(struct weir *weir);
weir_handle conn_handle(const struct weir *weir, uint32_t index);
struct conn *conn_at(const struct weir *weir, uint32_t index);
bool conn_used(const struct weir *weir, uint32_t index);
bool listener_used(const struct weir *weir, uint32_t index);
bool endpoint_used(const struct weir *weir, uint32_t index);

/* NULL for a handle that is stale or of another kind. `index` may be NULL. */
struct conn *conn_of(const struct weir *weir, weir_handle handle, uint32_t *index);
struct listener *listener_of(const struct weir *weir, weir_handle handle, uint32_t *index);
struct endpoint *endpoint_of(const struct weir *weir, weir_handle handle, uint32_t *index);

/* ---- settle.c: what follows from a change ---- */

/* After every change of a connection. It may be freed, or kept in its small form. */
void conn_settle(struct weir *weir, uint32_t index, weir_time now);
void conn_free(struct weir *weir, uint32_t index);
void conn_unhash(struct weir *weir, uint32_t index);
uint32_t conn_due_list(const struct weir *weir, const struct conn *conn);
struct list_nodes conn_due_nodes(const struct weir *weir);

/* Takes it off whatever list `due_node` is on. */
void due_leave(struct weir *weir, uint32_t index);
void due_wait(struct weir *weir, uint32_t index, enum conn_on on);

/* It may have memory to take now: wakes a few of those who wait. */
void memory_look(struct weir *weir);

/* ---- transfer.c ---- */

/* The room that weir_send_room has shown is valid no more. To be called first in every call that
 * makes the instance run. */
void room_unshow(struct weir *weir);
static inline void room_forget(struct weir *weir)
{
    if (weir->shown != WEIR_NO_HANDLE)
        room_unshow(weir);
}

/* ---- landing.c ---- */

/* Whether a landed frame is the one that was expected, so that its text needs no copying. If not,
 * it has been put together and is as any other. */
bool landing_take(struct weir *weir, unsigned iface, const struct weir_frame *frame);
/* Notes what has become of a long segment. */
void landing_learn(struct weir *weir, unsigned iface, const struct weir_frame *frame,
                   const struct arrival *in);
/* An offer that was made is valid no more. To be called first in every call that makes the instance
 * run, but weir_input. */
void landing_forget(struct weir *weir);

/* ---- events.c ---- */

void watch_init(struct watch *watch);
void watch_set(struct weir *weir, enum handle_kind kind, uint32_t index, unsigned ready);
void watch_clear(struct weir *weir, enum handle_kind kind, uint32_t index);
struct watch *watch_at(const struct weir *weir, enum handle_kind kind, uint32_t index);
struct list_nodes watch_nodes(const struct weir *weir, enum handle_kind kind);

/* options.c: of the IP header; false, nothing done: it is not. The value was checked. */
bool conn_set_ip(struct conn *conn, enum weir_option option, int64_t value);

/* ---- input.c ---- */

/* Handles one packet that has been parsed; `from_wire` frames and packets to ourselves alike. */
void input_packet(struct weir *weir, struct arrival *in, weir_time now);
void input_prepare(struct weir *weir, struct arrival *in);
void record_segment(struct weir *weir, const struct arrival *in, uint32_t conn,
                    enum weir_drop drop);

/* ---- listener.c, synq.c ---- */

/* The listener for what has arrived, or POOL_NONE. */
uint32_t listener_find(const struct weir *weir, const struct arrival *in);
bool listener_is_full(const struct listener *listener);
bool listener_has_port(const struct weir *weir, uint16_t port);
/* Whether a listener would take this SYN: only then is a TIME-WAIT given up for it. */
bool listener_takes(const struct weir *weir, const struct arrival *in);
unsigned listener_ready(const struct listener *listener);
void listener_settle(struct weir *weir, uint32_t index);
void listener_close(struct weir *weir, uint32_t index, weir_time now);

/* A segment for a listener, or for nobody. `floor` NULL, or what the next ISS must lie beyond. */
enum weir_drop listener_arrives(struct weir *weir, const struct arrival *in, const seq32 *floor,
                                weir_time now);
enum weir_drop synq_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                            weir_time now);
/* An ICMP error that quotes a SYN-ACK, and ends the entry if it is `fatal`. */
enum weir_drop synq_error(struct weir *weir, uint32_t index, bool fatal, seq32 quoted,
                          weir_time now);
/* Of WEIR_OPT_DEFER_ACCEPT: how many timeouts of a SYN-ACK cover a time, and how long they take. */
unsigned synq_defer_retries(const struct weir *weir, weir_time time);
weir_time synq_defer_time(const struct weir *weir, unsigned retries);
void synq_timeout(struct weir *weir, unsigned retries, weir_time now);
void synq_drop_listener(struct weir *weir, uint32_t listener);
/* A new entry: is answered, or waits for the program to say so. */
void synq_start(struct weir *weir, uint32_t index, weir_time now);
struct list_nodes synq_nodes(const struct weir *weir);

/* From a half-open entry to a connection that waits to be accepted. `index` is the entry's place,
 * or POOL_NONE for one that was rebuilt from a cookie. */
enum weir_drop synq_promote(struct weir *weir, const struct synq_entry *entry, uint32_t index,
                            const struct arrival *in, weir_time now);

/* ---- tw.c ---- */

/* Keeps a connection in its small form, in the same place of the table. */
void tw_put(struct weir *weir, struct conn *conn, uint32_t index, weir_time now);
enum weir_drop tw_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                          weir_time now);
/* Whether a connection that we open may take the place of an entry (tcp_tw_reuse): `drawn` if it
 * has not asked for this very port. `floor` as in tcp_may_replace. */
bool tw_may_reuse(const struct weir *weir, uint32_t index, bool drawn, seq32 *floor);
void tw_replace(struct weir *weir, uint32_t index); /* and it does */
void tw_timeout(struct weir *weir, weir_time now);
struct list_nodes tw_nodes(const struct weir *weir);

/* Milliseconds of the small forms to nanoseconds; the deadline lies within 24 days of `now`. */
weir_time ms_to_time(const struct weir *weir, uint32_t ms, weir_time now);
uint32_t ms_round_up(const struct weir *weir, weir_time when);

/* ---- reply.c: segments without a connection ---- */

void reply_segment(struct weir *weir, const struct flow *flow, unsigned iface,
                   const struct tcp_seg *seg, const struct tcp_opts *opts, enum weir_why why);

/* Resets a segment, if one is owed and the rate allows; returns `why`, or REPLY_RATE. */
enum weir_drop reply_reset(struct weir *weir, const struct arrival *in, enum weir_drop why,
                           weir_time now);
uint16_t path_mss_of(const struct weir_ip *peer, uint16_t mtu);
uint16_t path_mtu_of(const struct weir_ip *peer, uint16_t path_mss); /* the other way round */
/* The interface + 1 that a link-local address needs; 0 for all others. */
uint16_t scope_of(const struct weir_ip *ip, unsigned iface);

/* ---- icmp.c, endpoint.c ---- */

enum weir_drop icmp_error_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now);
enum weir_error icmp_error_code(const struct ip_packet *packet);
/* The path to the peer takes `mtu` octets at most; false: that is no news. The other connections to
 * this destination find their paths out of date, and look again. */
enum weir_drop endpoint_error(struct weir *weir, const struct ip_packet *packet,
                              const struct flow *flow, weir_time now);
enum weir_drop ping_error(struct weir *weir, const struct ip_packet *packet, uint16_t id);
enum weir_drop udp_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now);
enum weir_drop echo_arrives(struct weir *weir, const struct ip_packet *packet);
/* Gives a datagram to all who fit; how many there are, and in `*given` how many took it. */
struct weir_datagram;
struct udp_head;
unsigned endpoint_give_all(struct weir *weir, const struct ip_packet *packet,
                           const struct udp_head *udp, unsigned *given);
void endpoint_settle(struct weir *weir, uint32_t index);
void endpoint_close(struct weir *weir, uint32_t index);

/* ---- group.c ---- */

bool endpoint_hears(const struct endpoint *endpoint, const struct ip_packet *packet);
void endpoint_leave_all(struct weir *weir, struct endpoint *endpoint, weir_time now);
enum weir_error endpoint_set_group(const struct weir *weir, struct endpoint *endpoint,
                                   enum weir_option option, int64_t value);
enum weir_error endpoint_get_group(const struct endpoint *endpoint, enum weir_option option,
                                   int64_t *value);
/* Sends to a group: on the wire, and to those of its members that are here. `ttl` 0: the
 * endpoint's for groups. */
enum weir_error endpoint_send_group(struct weir *weir, const struct endpoint *endpoint,
                                    const struct ip_send *send, const struct udp_head *udp,
                                    uint8_t ttl, weir_time now);

/* ---- ports.c ---- */

/* An unused local port for a connection to flow->peer; 0 if there is none. */
uint16_t port_draw_flow(struct weir *weir, const struct flow *flow);
/* An unused port for a listener, or for a UDP endpoint. */
uint16_t port_draw(struct weir *weir, bool (*taken)(const struct weir *, uint16_t));
bool endpoint_has_port(const struct weir *weir, uint16_t port);

/* ---- output.c ---- */

/* What a plan may count on. */
struct tcp_env output_env(const struct weir *weir, const struct conn *conn, bool path_ready);

/* Packets to ourselves: what is due and what has arrived, as far as one call may. */
void loop_turn(struct weir *weir, weir_time now);
bool loop_is_due(const struct weir *weir);
void output_wake(struct weir *weir, weir_time now);
static inline void output_wake_told(struct weir *weir, weir_time now)
{
    if (ip_waiter_told(&weir->ip))
        output_wake(weir, now);
}

#endif
