/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_INSTANCE_H
#define WEIR_STACK_INSTANCE_H

/* The instance: everything it owns, and what the files of this folder offer each other.
 *
 * The stack owns all memory; tcp, udp and ip borrow it for a call. A change of a connection is
 * always followed by conn_settle, which brings timers, lists and readiness in line with it and
 * frees what is over: no other function has to think of that. */

#include "base/wheel.h"
#include "ip/host.h"
#include "stack/conn.h"
#include "stack/demux.h"
#include "tcp/isn.h"
#include "tcp/small.h"
#include "udp/udp.h"

#define INPUT_BATCH     64  /* frames looked at together */
#define EVENT_TURN_MAX  64  /* no more than this of a kind before the other kinds have their turn */
#define LOOP_BATCH      256 /* packets to ourselves in one call */
#define TIMEOUT_BATCH   4096 /* timers in one call; weir_deadline tells of the rest */
#define MEMORY_WAKE     16   /* connections told at once that memory is free */
#define GENERATION_MAX  0x0fffffffu
#define GSO_OCTETS_MAX  65160 /* payload of a superframe: 45 segments of 1,448 */
#define SYNQ_RETRY_MAX  15    /* SYN-ACKs sent again, at most; one FIFO a count */
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST  60999
#define PORT_BUCKETS    64

/* A way through the four ends of a flow. `peer` may be any address of the family; ports in host
 * order. */
struct flow {
    struct weir_ip local, peer;
    uint16_t lport, rport;
};

#define FLOW_TUPLE 40 /* octets that name a flow, the same on every machine */

/* References in the table of flows: a tag and an index. */
enum flow_tag {
    FLOW_CONN = 1,
    FLOW_SYNQ = 2,
    FLOW_TW = 3
};
#define FLOW_INDEX_MAX (UINT32_C(1) << 30)

/* Addresses that connections are bound to, by number, so that each of them keeps two octets. */
struct local_addr {
    struct weir_ip ip;
    uint32_t refs;
};
#define LOCAL_NONE UINT16_MAX

struct listener {
    struct weir_ip ip; /* all zero: any */
    uint16_t port;
    uint16_t scope; /* interface + 1 of a link-local address, or 0 */
    uint32_t generation;
    uint32_t flags; /* WEIR_LISTEN_* */
    uint32_t backlog;
    uint32_t synq_count;
    struct list accepts;   /* connections, through watch.node, oldest first */
    weir_time overflow_at; /* when a cookie was last sent; WEIR_NEVER: never */
    uint64_t cookie;
    struct watch watch;
    uint32_t option_set; /* a bit an option that its connections inherit */
    int64_t option[WEIR_OPT_COUNT];
};

/* A UDP or echo endpoint. */
struct endpoint {
    struct weir_addr local, peer;
    uint32_t generation;
    bool ping, connected, broadcast;
    uint8_t error; /* enum weir_error, pending */
    uint8_t ttl, tos;
    uint16_t id; /* of echo requests; also local.port */
    uint64_t cookie;
    struct watch watch;
    struct udp_queue queue;
};

/* Who on one interface has something to send. A connection is on at most one of the two. */
struct due {
    struct list control; /* SYN, RST, pure ACK, probe, retransmission: one segment a turn */
    struct list data;    /* at most output_quantum octets a turn */
    uint32_t left;       /* octets the head of `data` may still send in its turn; 0: a new turn */
};

enum handle_kind {
    HANDLE_CONN = 1,
    HANDLE_LISTENER = 2,
    HANDLE_ENDPOINT = 3,
    HANDLE_KINDS
};

enum wheel_fixed {
    WHEEL_TW,
    WHEEL_FIN,
    WHEEL_SYNQ,
    WHEEL_FIXED = WHEEL_SYNQ + SYNQ_RETRY_MAX + 1
};

/* One frame on its way in: what it says, until its turn comes. */
struct arrival {
    struct ip_packet packet;
    struct tcp_seg seg;
    struct tcp_opts opts;
    struct flow flow;
    uint32_t hash;
    uint32_t conn;       /* whose it was, for the records; UINT32_MAX: nobody's */
    enum weir_drop drop; /* found bad before it was looked up */
};

struct weir {
    struct weir_config config;
    struct trace trace;
    struct tcp_host tcp;
    struct ring_pool rings;
    struct pool conns, flights, sent_blocks, listeners, synq, tw, endpoints;
    struct siphash_key table_key;

    struct demux flows, listener_ports, endpoint_ports;
    struct local_addr *local;
    uint32_t local_max, local_used; /* numbers from local_used on were never given */

    struct wheel wheel; /* connections by index, then enum wheel_fixed */
    struct list synq_fifo[SYNQ_RETRY_MAX + 1];
    struct list tw_fifo, fin_fifo; /* both in the order of their deadlines */

    struct due *due;      /* one an interface, and one for packets to ourselves */
    uint32_t due_count;   /* of them; the last is the loop's */
    struct list memory;   /* connections that wait for it, through due_node */
    uint64_t memory_used; /* when it was last looked at */

    struct list ready[HANDLE_KINDS];
    unsigned ready_kind; /* whose turn it is */
    unsigned ready_turn; /* how many it had */
    unsigned events_told;

    uint32_t generation;
    uint32_t port_draws;
    uint32_t port_step[PORT_BUCKETS]; /* RFC 6056, 3.3.4 and 3.3.5: how far each bucket of peers has
                                         come */
    weir_time reset_at;               /* when the next reset without a connection is in its rate */
    weir_time now;                    /* of the last call that told it */

    struct tcb scratch; /* in which small forms are handled */
    struct arrival *arrival;
    struct ip_host ip;
};

/* Payload of a superframe: what the spans of a frame can show of a ring, wherever in a chunk it
 * begins. */
static inline uint32_t gso_octets_max(const struct weir *weir)
{
    const uint32_t shown = (WEIR_SPANS - 1) * weir->config.ring_chunk;
    return shown < GSO_OCTETS_MAX ? shown : GSO_OCTETS_MAX;
}

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
void flow_prefetch(const struct weir *weir, uint32_t hash);
struct flow flow_of_conn(const struct weir *weir, const struct conn *conn);
struct flow flow_of_synq(const struct weir *weir, const struct synq_entry *entry);
struct flow flow_of_tw(const struct weir *weir, const struct tw_entry *entry);

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

/* ---- events.c ---- */

void watch_init(struct watch *watch);
void watch_set(struct weir *weir, enum handle_kind kind, uint32_t index, unsigned ready);
void watch_clear(struct weir *weir, enum handle_kind kind, uint32_t index);
struct watch *watch_at(const struct weir *weir, enum handle_kind kind, uint32_t index);
struct list_nodes watch_nodes(const struct weir *weir, enum handle_kind kind);

/* ---- input.c ---- */

/* Handles one packet that has been parsed; `from_wire` frames and packets to ourselves alike. */
void input_packet(struct weir *weir, struct arrival *in, weir_time now);
void input_prepare(struct weir *weir, struct arrival *in);
void record_segment(struct weir *weir, const struct arrival *in, uint32_t conn,
                    enum weir_drop drop);

/* ---- listener.c, synq.c ---- */

/* The listener for a packet to this address and port, or POOL_NONE. */
uint32_t listener_find(const struct weir *weir, const struct weir_ip *ip, uint16_t port,
                       unsigned iface);
bool listener_has_port(const struct weir *weir, uint16_t port);
void listener_settle(struct weir *weir, uint32_t index);
void listener_close(struct weir *weir, uint32_t index, weir_time now);

/* A segment for a listener, or for nobody. `floor` NULL, or what the next ISS must lie beyond. */
enum weir_drop listener_arrives(struct weir *weir, const struct arrival *in, const seq32 *floor,
                                weir_time now);
enum weir_drop synq_arrives(struct weir *weir, uint32_t index, const struct arrival *in,
                            weir_time now);
void synq_timeout(struct weir *weir, unsigned retries, weir_time now);
void synq_drop_listener(struct weir *weir, uint32_t listener);
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
/* The interface + 1 that a link-local address needs; 0 for all others. */
uint16_t scope_of(const struct weir_ip *ip, unsigned iface);

/* ---- icmp.c, endpoint.c ---- */

enum weir_drop icmp_error_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now);
enum weir_error icmp_error_code(enum ip_icmp icmp);
enum weir_drop endpoint_error(struct weir *weir, const struct ip_packet *packet,
                              const struct flow *flow, weir_time now);
enum weir_drop ping_error(struct weir *weir, const struct ip_packet *packet, uint16_t id);
enum weir_drop udp_arrives(struct weir *weir, const struct ip_packet *packet, weir_time now);
enum weir_drop echo_arrives(struct weir *weir, const struct ip_packet *packet);
void endpoint_settle(struct weir *weir, uint32_t index);
void endpoint_close(struct weir *weir, uint32_t index);

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

#endif
