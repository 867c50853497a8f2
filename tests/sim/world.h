/* SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/* One run: the hosts, the links, the programs, and what the oracles remember. The parts include
 * this and nothing of each other but their functions. Memory is calloc'ed once a run; frames are
 * malloc'ed, and owned by whoever holds the pointer. */

#include "base/prng.h"
#include "sim/packet.h"
#include "sim/plan.h"
#include "sim/queue.h"
#include "sim/sim.h"
#include "weir/stack.h"
#include "weir/trace.h"

#include <stdio.h>

#define SIM_FRAME_MAX   65600
#define SIM_EVENTS_MAX  400000 /* more in one run is a livelock */
#define SIM_INSTANT_MAX 20000  /* more at one nanosecond, too */
#define SIM_RX_MAX      1024   /* frames that wait for a host that stands still */
#define SIM_RANGES      64
#define SIM_FLOWS       256
#define SIM_TWINS       2 /* listeners that share a port */
#define SIM_LISTENERS   (2 * SIM_TWINS)

struct sim_frame {
    uint32_t len;
    uint16_t gso_size;
    bool corrupt;
    bool partial;         /* the transport sum is not finished */
    unsigned from;        /* host */
    unsigned incarnation; /* of the sender's flow, for the oracle; 0: no flow */
    weir_time arrived;
    struct sim_frame *next;
    uint8_t data[];
};

struct sim_link {
    struct prng loss, burst, reorder, duplicate, corrupt, jitter, forge, mark;
    bool bad;             /* Gilbert-Elliott state */
    weir_time busy_until; /* of the bottleneck */
    weir_time last;       /* arrival of the last frame that kept its order */
    uint16_t mtu;
    uint64_t lost, corrupted, dropped, sent;
};

/* What one incarnation of the peer has brought to a host. */
struct sim_heard {
    unsigned incarnation; /* 0: nothing yet */
    bool has_irs, fin, edge_known, overflow;
    bool wscale_offered, ts, sack;
    uint8_t wscale;
    uint16_t mss;
    uint32_t irs, next; /* next: everything before has arrived */
    uint32_t fin_seq;
    uint32_t syn_window; /* of a SYN without ACK: counts from our ISS + 1 */
    uint32_t edge;       /* the greatest right edge offered to us */
    unsigned range_count;
    uint32_t range[SIM_RANGES][2];
};

/* One direction of a connection as its sender's host puts it on the wire. */
struct sim_flow {
    bool used;
    struct weir_ip src, dst;
    uint16_t sport, dport;
    unsigned incarnation; /* counts SYNs with a new ISS */
    bool syn, cookie, fin, acked, ts_sent;
    bool wscale_offered, ts, sack;
    uint8_t wscale;
    uint32_t iss, max; /* max: behind the last octet sent */
    uint32_t fin_seq, ack, edge, tsval;
    weir_time challenged;      /* when a challenge ACK left last; -1: never */
    struct sim_heard heard[2]; /* the present incarnation of the peer, and the one before */
    struct sim_end *end;
};

struct sim_end {
    unsigned conn, side, host;
    weir_handle handle;
    bool opened, connected, fin_queued, eof, error_seen, done, registered;
    bool never;   /* this end never came to be: nothing to wait for */
    bool stalled; /* has had its nap */
    bool calmed;  /* knows that the liveness phase has begun */
    enum weir_error error;
    uint32_t iss;
    uint32_t sent, received;
    weir_time opened_at, ended_at; /* its first call; the end of the peer's stream */
    weir_time write_at, read_at;
    unsigned told; /* readiness that events have reported and that is still true */
    struct prng rng;
};

struct sim_conn {
    struct sim_end end[2];
};

struct sim_dgram {
    bool opened;
    weir_handle from, to;
    unsigned sent, received;
    uint32_t length[64];
    unsigned told[2];
    struct prng rng;
};

struct sim_host {
    struct weir *weir;
    void *memory;
    unsigned index;
    struct weir_ip ip4, ip6;
    bool paused, polling;
    bool talks_alone;    /* to itself, too */
    uint64_t generation; /* of the wake-up that counts */
    weir_time wake_at;
    struct sim_frame *rx_first, **rx_end;
    unsigned rx_count;
    weir_handle listener[SIM_LISTENERS];
    bool accept_waits;
    uint64_t story;               /* cursor of the story ring */
    uint64_t answerable, answers; /* packets that may earn a reset or ICMP error; those sent */
    uint64_t frames_in;
    struct prng early, landing;
};

struct sim {
    struct sim_plan plan;
    uint64_t seed, hash;
    bool verbose, no_early, no_landing, failed;
    char failure[400];
    weir_time now, last_time;
    unsigned instant;
    uint64_t events, frames, octets;
    bool calm, closing; /* liveness phase; then the end of it all */
    struct sim_queue queue;
    struct sim_host host[SIM_HOSTS];
    struct sim_link link[SIM_HOSTS];
    struct sim_conn conn[SIM_CONNS];
    struct sim_dgram dgram[SIM_DGRAMS];
    struct sim_flow flow[SIM_FLOWS];
    FILE *pcap;
    uint8_t scratch[SIM_FRAME_MAX];
};

/* Notes that something is broken; the first counts, and ends the run. */
__attribute__((format(printf, 2, 3))) void sim_fail(struct sim *sim, const char *format, ...);

/* Why an open may fail where not all is well: a pool was told to, or duplicate detection is late
 * because the host stood still, so that its address is not its own yet (from IPv4, there is then no
 * way either). */
static inline bool sim_excuses_open(enum weir_error error)
{
    return error == WEIR_NO_MEMORY || error == WEIR_NOT_LOCAL || error == WEIR_NET_UNREACH;
}

/* --- link.c: from one host to the others --- */
void sim_link_init(struct sim *sim, unsigned h);
void sim_link_carry(struct sim *sim, unsigned h, struct sim_frame *frame, const char *why);
struct sim_frame *sim_frame_new(const uint8_t *data, size_t len);

/* --- host.c: an instance and the loop around it --- */
void sim_host_init(struct sim *sim, unsigned h);
void sim_host_free(struct sim_host *host);
void sim_host_arrive(struct sim *sim, unsigned h, struct sim_frame *frame);
void sim_host_run(struct sim *sim, unsigned h);
const struct weir_ip *sim_host_ip(const struct sim_host *host, bool v6);

/* --- stream.c: programs at the ends of TCP connections --- */
void sim_conn_init(struct sim *sim, unsigned i);
void sim_conn_open(struct sim *sim, unsigned i);
void sim_accept(struct sim *sim, unsigned h);
void sim_end_run(struct sim *sim, struct sim_end *end);
void sim_end_event(struct sim *sim, unsigned h, const struct weir_event *event);
bool sim_conn_done(const struct sim *sim, unsigned i);
uint64_t sim_content(uint64_t seed, unsigned conn, unsigned side, uint32_t block);
/* Index of the first octet of `data` that is not what `end` sends at `offset`, or `len`. */
size_t sim_content_differs(const struct sim *sim, const struct sim_end *end, uint32_t offset,
                           const uint8_t *data, size_t len);

/* --- datagram.c --- */
void sim_dgram_send(struct sim *sim, unsigned i);
void sim_dgram_event(struct sim *sim, unsigned h, const struct weir_event *event);
void sim_dgram_close(struct sim *sim);

/* --- flow.c, heard.c: what is seen on the wire --- */
struct sim_flow *sim_flow_find(struct sim *sim, const struct sim_packet *packet, bool reverse);
void sim_flow_emitted(struct sim *sim, unsigned h, const struct sim_packet *packet,
                      const uint8_t *data, const struct weir_out *out);
void sim_flow_heard(struct sim *sim, unsigned h, const struct sim_frame *frame);
void sim_heard_segment(struct sim_flow *flow, const struct sim_packet *packet,
                       unsigned incarnation);
/* Whether everything up to `seq` has arrived; whether all of [start, end) has. */
bool sim_heard_all(const struct sim_heard *heard, uint32_t seq);
bool sim_heard_range(const struct sim_heard *heard, uint32_t start, uint32_t end);

/* --- watch.c: what an instance says of itself --- */
void sim_watch_host(struct sim *sim, unsigned h);
void sim_watch_quiet(struct sim *sim);
void sim_watch_speed(struct sim *sim);

/* --- emit.c: the frames of an instance, one by one --- */
void sim_emit(struct sim *sim, unsigned h, const struct weir_out *out);

/* --- capture.c: pcapng --- */
bool sim_capture_open(struct sim *sim, const char *path);
void sim_capture_frame(struct sim *sim, unsigned h, const struct sim_frame *frame,
                       const char *comment);

/* Cookies that weir_set_cookie gives to handles: ends 1.., then listeners, then endpoints. */
#define SIM_COOKIE_LISTENER 1000
#define SIM_COOKIE_DGRAM    2000

#endif
