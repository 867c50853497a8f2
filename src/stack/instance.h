/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_INSTANCE_H
#define WEIR_STACK_INSTANCE_H

/* The instance: everything it owns, and the limits that are nobody's configuration.
 *
 * The stack owns all memory; tcp, udp and ip borrow it for a call. */

#include "base/wheel.h"
#include "ip/host.h"
#include "stack/conn.h"
#include "stack/demux.h"
#include "tcp/extra.h"
#include "tcp/isn.h"
#include "tcp/known.h"
#include "tcp/path.h"
#include "tcp/small.h"
#include "udp/udp.h"
#include "wire/follow.h"

#define INPUT_BATCH     64  /* frames looked at together */
#define EVENT_TURN_MAX  64  /* no more than this of a kind before the other kinds have their turn */
#define LOOP_BATCH      256 /* packets to ourselves in one call */
#define TIMEOUT_BATCH   4096 /* timers in one call; weir_deadline tells of the rest */
#define MEMORY_WAKE     16   /* connections told at once that memory is free */
#define GENERATION_MAX  0x0fffffffu
#define GSO_OCTETS_MAX  65160                /* payload of a superframe: 45 segments of 1,448 */
#define MEMBERSHIPS_MAX 20                   /* groups of an endpoint, as on Linux */
#define SYNQ_RETRY_MAX  15                   /* SYN-ACKs sent again, at most; one FIFO a count */
#define SYNQ_ASKED      (SYNQ_RETRY_MAX + 1) /* waits until the program takes notice of it */
#define SYNQ_TOLD       (SYNQ_RETRY_MAX + 2) /* waits for weir_admit or weir_refuse */
#define SYNQ_FIFOS      (SYNQ_RETRY_MAX + 3)
#define SYNQ_DEFER_TIME (60 * WEIR_SECOND) /* how long a SYN waits for each of the two */
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST  60999
#define PORT_BUCKETS    64

/* A way through the four ends of a flow. `peer` may be any address of the family; ports in host
 * order. */
struct flow {
    struct weir_ip local, peer;
    uint16_t lport, rport;
    uint16_t
        scope; /* interface + 1 of a link-local peer, which is another one on each link; or 0 */
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
    uint32_t refs; /* 0: free */
    uint32_t next; /* of a free one: the next, or POOL_NONE */
};
#define LOCAL_NONE UINT16_MAX

#define KEYS_MAX 64 /* keys of peers */

struct listener {
    struct weir_ip ip; /* all zero: any */
    uint16_t port;
    uint16_t scope; /* interface + 1 of a link-local address, or 0 */
    uint32_t generation;
    uint32_t flags; /* WEIR_LISTEN_* */
    uint32_t backlog;
    uint32_t synq_count;
    uint32_t asked;        /* of them, SYNs that the program has not taken notice of */
    uint32_t held;         /* more of them wait with the program (weir_listen_held) */
    uint32_t overflows;    /* SYNs and last ACKs that found no place */
    struct list accepts;   /* connections, through watch.node, oldest first */
    weir_time overflow_at; /* when a cookie was last sent; WEIR_NEVER: never */
    uint64_t cookie;
    struct watch watch;
    struct siphash_key fast_key[2]; /* of its Fast Open cookies, if it has keys of its own */
    unsigned fast_keys;             /* ...of which it has so many */
    uint64_t option_set;            /* a bit an option that its connections inherit */
    int64_t option[WEIR_OPT_COUNT];
};

/* A group that an endpoint has joined. */
struct membership {
    struct weir_ip group;
    uint16_t iface;
    bool used;
};

/* A UDP or echo endpoint. */
struct endpoint {
    struct weir_addr local, peer;
    uint32_t generation;
    bool ping, connected, broadcast, no_check6;
    bool placed;   /* at any address, until the peer was fixed */
    bool was_both; /* ...of both families */
    uint8_t flags; /* WEIR_UDP_* */
    uint8_t error; /* enum weir_error, pending */
    uint8_t ttl, tos;
    bool group_here;      /* what it sends to a group also goes to members on this host */
    bool group_own;       /* hears only groups that it has joined itself */
    uint8_t group_ttl;    /* of what it sends to a group; 0: does not leave this host */
    uint16_t group_iface; /* interface + 1 for groups, or 0 */
    struct membership member[MEMBERSHIPS_MAX];
    uint16_t id; /* of echo requests; also local.port */
    uint64_t cookie;
    struct watch watch;
    struct udp_queue queue;
    struct weir_udp_report report; /* pending if its error is not WEIR_OK */
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
    HANDLE_KINDS,
    HANDLE_SYN = HANDLE_KINDS /* a SYN that waits for the program; its events are its listener's */
};

enum wheel_fixed {
    WHEEL_TW,
    WHEEL_FIN,
    WHEEL_SYNQ,
    WHEEL_FIXED = WHEEL_SYNQ + SYNQ_FIFOS
};

/* Where the next frame's text may be put, before anybody knows whose it is (landing.c). */
struct landing {
    struct wire_follow last; /* the headers of the last long segment that came in order */
    weir_handle conn;        /* whose it was; or WEIR_NO_HANDLE */
    unsigned iface;
    unsigned run; /* how many there were in a row */
    seq32 seq;    /* what is offered: octets of the receive ring from here on, */
    uint32_t len; /* so many; 0: nothing */
    bool held;    /* memory was attached for an offer */
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
    struct pool conns, flights, bbrs, extras, sent_blocks, listeners, synq, tw, endpoints;
    struct siphash_key table_key;
    uint64_t *conn_cookie; /* the programs', by index: cold, and a TCB's lines are full */

    struct demux flows, listener_ports, endpoint_ports;
    struct local_addr *local;
    struct demux locals;            /* numbers + 1 of those in use, by address */
    uint32_t local_free;            /* the first free number, or POOL_NONE */
    uint32_t local_max, local_used; /* numbers from local_used on were never given */
    uint32_t local_last;            /* the number taken last, perhaps given back since */

    struct wheel wheel; /* connections by index, then enum wheel_fixed */
    struct list synq_fifo[SYNQ_FIFOS];
    struct list tw_fifo, fin_fifo; /* both in the order of their deadlines */

    struct due *due;      /* one an interface, and one for packets to ourselves */
    uint32_t due_count;   /* of them; the last is the loop's */
    struct list memory;   /* connections that wait for it, through due_node */
    uint64_t memory_used; /* when it was last looked at */
    bool memory_more;     /* ...and there was enough for all who were asked: ask others */

    struct list ready[HANDLE_KINDS];
    unsigned ready_kind; /* whose turn it is */
    unsigned ready_turn; /* how many it had */
    unsigned events_told;

    uint32_t *cookie_used; /* what names a SYN cookie that has become a connection, by its hash: the
                              same ACK again shall not open another one. The last of each place */
    uint32_t cookie_mask;  /* places less one */
    weir_handle shown;     /* the connection whose room weir_send_room is showing */
    uint32_t shown_len;    /* octets of it */
    struct siphash_key fast_key[2]; /* of Fast Open cookies: the newest, and the one before */
    struct tcp_known *known;        /* what is remembered of destinations (known.h) */
    uint32_t known_count;           /* of them; a power of two */
    struct weir_key key[KEYS_MAX];  /* who signs what they send (auth.h) */
    unsigned key_count;
    struct weir_ao_key ao_key[KEYS_MAX]; /* the same by TCP-AO (ao.h) */
    unsigned ao_count;
    uint32_t fast_pending; /* connections whose SYN's text was taken, in SYN-RECEIVED */

    uint32_t generation;
    uint32_t port_draws;
    uint32_t port_step[PORT_BUCKETS]; /* RFC 6056, 3.3.4 and 3.3.5: how far each bucket of peers has
                                         come */
    weir_time reset_at;               /* when the next reset without a connection is in its rate */
    weir_time now;                    /* of the last call that told it */

    struct tcb scratch; /* in which small forms are handled */
    struct arrival *arrival;
    struct landing landing;
    struct ip_host ip;
};

/* Payload of a superframe: what the spans of a frame can show of a ring, wherever in a chunk it
 * begins. */
static inline uint32_t gso_octets_max(const struct weir *weir)
{
    const uint32_t shown = (WEIR_SPANS - 1) * weir->config.ring_chunk;
    return shown < GSO_OCTETS_MAX ? shown : GSO_OCTETS_MAX;
}

#endif
