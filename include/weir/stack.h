/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_H
#define WEIR_STACK_H

/* One TCP/IP instance: a function of (state, input, now).
 *
 * An instance lives in one block of memory that the caller hands over; it never allocates, never
 * reads a clock, never does I/O and never calls back. Frames go in with weir_input, come out with
 * weir_output, and time passes with weir_timeout. The order of a loop matters: input, timeouts,
 * events, output (docs/architecture.md).
 *
 * One call at a time on one instance; instances share nothing. Every pointer passed in is borrowed
 * for the call only, and what comes out says how long it is valid. Calls never block: "not now" is
 * WEIR_AGAIN. */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir;

/* ---- Configuration: every limit, timer default and secret. weir_config_default fills all but the
 * secrets. ---- */

/* How loss is found where the peer has SACK; the bits are those of Linux's tcp_recovery. */
enum weir_rack {
    WEIR_RACK_ON = 1 << 0,           /* RFC 8985 */
    WEIR_RACK_STATIC = 1 << 1,       /* the reordering window does not grow with DSACKs */
    WEIR_RACK_NO_DUPTHRESH = 1 << 2, /* three segments above a hole are no proof */
};
#define WEIR_EARLY_RETRANS_TLP 3

/* Who uses TCP Fast Open (RFC 7413); the bits are those of Linux's tcp_fastopen. */
enum weir_fastopen {
    WEIR_FASTOPEN_CLIENT = 1 << 0,           /* those who set WEIR_OPT_FASTOPEN */
    WEIR_FASTOPEN_SERVER = 1 << 1,           /* listeners that set it */
    WEIR_FASTOPEN_CLIENT_NO_COOKIE = 1 << 2, /* text in the first SYN, without a cookie */
    WEIR_FASTOPEN_SERVER_NO_COOKIE = 1 << 9, /* takes text of anybody: for closed networks */
    WEIR_FASTOPEN_SERVER_ALL = 1 << 10,      /* all listeners, up to their backlog */
};

/* What an instance has of cryptography: the caller's, or weir_crypto (loop.h). */
#define WEIR_MD5_LEN 16
#define WEIR_MAC_MAX 20
enum weir_mac {
    WEIR_MAC_HMAC_SHA1,   /* RFC 2104; 20 octets */
    WEIR_MAC_AES128_CMAC, /* RFC 4493; 16 octets; its key has 16 */
    WEIR_MAC_COUNT
};
struct weir_crypto {
    /* The digest of all parts, one after the other. */
    void (*md5)(const struct weir_span *part, unsigned count, uint8_t digest[WEIR_MD5_LEN]);
    /* The same with a key; NULL: no TCP-AO. */
    void (*mac)(enum weir_mac which, const struct weir_span *key, const struct weir_span *part,
                unsigned count, uint8_t mac[WEIR_MAC_MAX]);
};

struct weir_config {
    /* Limits (docs/limits.md says what happens at each). */
    uint32_t tcp_max;      /* connections with a TCB, 1..2^22; default 4,096 */
    uint32_t listener_max; /* default 64 */
    uint32_t synq_max; /* half-open connections over all listeners, 64 octets each; default 4,096 */
    uint32_t tw_max;   /* TIME-WAIT and ownerless FIN-WAIT-2, 64 octets each; default 16,384; beyond
                          it the oldest goes */
    uint32_t flight_max; /* connections with octets in flight or out of order; default tcp_max */
    uint32_t bbr_max;    /* connections under BBR, about 300 octets each; default 1,024;
                            beyond it a connection begins with CUBIC */
    uint32_t extra_max; /* connections with something that few have (TCP-AO, the options of RFC 9768
                           and RFC 5482, probes of the path), about 130 octets each, at most
                           65,534; default 1,024; beyond it they do without */
    uint32_t tally_max; /* connections, by their place in the pool, that count what only TCP_INFO
                           tells of (struct weir_tally), 128 octets each once octets have gone
                           either way; default 4,096 */
    uint32_t sent_block_max;  /* blocks of 14 sent records (1 KiB each); default 4,096 */
    uint32_t udp_max;         /* UDP and ping endpoints; default 256 */
    uint32_t neigh_max;       /* ARP and ND entries; default 1,024 */
    uint32_t route_max;       /* default 64 */
    uint32_t address_max;     /* over all interfaces; default 32 */
    uint32_t iface_max;       /* default 4 */
    uint32_t frag_max;        /* datagrams being reassembled; default 64 */
    uint32_t frag_octets_max; /* octets held for reassembly; default 4 MiB */
    uint32_t group_max;       /* groups joined, over all interfaces; IPv6 addresses take one each;
                                 default 64 */
    uint32_t pmtu_max;        /* destinations with a path MTU of their own; default 256 */
    uint32_t known_max;  /* destinations of which something is remembered, 80 octets each; default
                            1,024, rounded up to a power of two */
    uint32_t ring_chunk; /* octets of a ring chunk, a power of two, 4,096..65,536; default 16,384 */
    uint32_t ring_chunks;  /* chunks in the pool; default 16,384 (256 MiB of address space) */
    uint32_t reply_octets; /* ring of replies and datagrams waiting for output, a power of two;
                              default 512 KiB */
    uint32_t trace_flow;   /* records of 32 octets, a power of two; default 16,384 */
    uint32_t trace_story;  /* records of 32 octets, a power of two; default 16,384 */
    uint32_t event_batch; /* most connections weir_next_event reports before it says "no more" once;
                             default 64 */

    /* TCP defaults, each changeable for a connection where an option exists. */
    uint32_t rcv_min;       /* window every connection is sure of; default 15 KiB */
    uint32_t rcv_max;       /* default 32 MiB: 1 Gbit/s over 200 ms; chooses the window scale */
    uint32_t snd_min;       /* octets a program may queue at first; default 256 KiB. The queue grows
                               with cwnd, to twice of it */
    uint32_t snd_max;       /* ... but not beyond; default 48 MiB */
    uint32_t notsent_lowat; /* WEIR_OPT_NOTSENT_LOWAT of all; default UINT32_MAX: none */
    uint32_t udp_rcv_max; /* octets of datagrams waiting for the program, per endpoint; default 208
                             KiB */
    uint32_t ranges_max;  /* gaps remembered in a receive window; default 1,024 */
    uint32_t output_quantum; /* octets a connection may send before others have their turn; default
                                65,536 */
    uint32_t landing_min;    /* octets of the segments that make weir_landing worth while; default
                                8,192 */
    uint32_t somaxconn;      /* upper bound of every backlog; default 4,096 */
    uint8_t syn_retries;     /* default 6 */
    uint8_t syn_linear;     /* the first n SYN timeouts do not double (RFC 6298 departs; Linux 6.5);
                               default 4 */
    uint8_t synack_retries; /* default 5 */
    uint8_t retries_max;    /* R2 in doublings of the RTO; default 15 (about 924 s) */
    uint8_t orphan_retries; /* the same for a connection without owner; default 8 */
    uint8_t keepalive_probes; /* default 9 */
    bool syncookies;          /* answer with cookies when the SYN queue is full; default true */
    bool abort_on_overflow; /* reset instead of silence when the accept queue is full; default false
                             */
    bool timestamps, sack, wscale; /* offered in our SYN, accepted in theirs; default true */
    uint8_t rack;                  /* enum weir_rack; default WEIR_RACK_ON. 0: RFC 6675 */
    uint8_t early_retrans; /* tail loss probes (RFC 8985, 7) at WEIR_EARLY_RETRANS_TLP and above, as
                              Linux counts; default that */
    uint8_t frto;          /* RFC 5682, if not 0; default 2, as Linux counts */
    bool thin_linear;      /* WEIR_OPT_THIN_LINEAR for all; default false */
    bool nagle;            /* default true; WEIR_OPT_NODELAY turns it off */
    uint8_t congestion; /* enum weir_congestion; default CUBIC; WEIR_OPT_CONGESTION chooses another
                         */
    uint8_t ecn; /* as Linux's tcp_ecn. 0: never; 1: ask and take (RFC 3168); 2: take; 3: ask for
                    and take RFC 9768; 4: take that, ask for RFC 3168; 5: take that; default 2 */
    uint8_t ecn_option; /* as Linux's tcp_ecn_option, where RFC 9768 is agreed. 0: its option is not
                           sent; 1: when it says something new; 2: in all segments; default 1 */
    uint8_t mtu_probing; /* as Linux's tcp_mtu_probing: not 0: segments of a connection get smaller
                            when timeouts for 3 s suspect a path that swallows long ones (RFC 4821,
                            7.7), and longer again by probes (RFC 8899); 2: all connections begin
                            with mtu_base_mss and probe; default 1 */
    uint8_t frame_min;   /* segments that a frame may have in any case, by which PSH is set,
                            too: as Linux's tcp_min_tso_segs; default 2 */
    uint32_t mtu_base_mss;    /* default 1,024 */
    uint32_t mtu_floor_mss;   /* what is suspected never makes them smaller; default 48 */
    bool user_timeout_option; /* RFC 5482: the peer's wish moves the user timeout of a connection
                                 that has not set its own; default false */
    uint8_t tw_reuse; /* as Linux's tcp_tw_reuse: whether weir_connect may draw a port in TIME-WAIT,
                         if timestamps tell old from new. 0: never; 1: yes; 2: if the peer is an
                         address of this instance; default 2 */
    bool no_metrics_save; /* connections that end leave nothing for the next one to the same
                        destination (tcp_no_metrics_save); default false */
    bool no_ssthresh_metrics_save;    /* what they leave does not say where slow start ends; default
                                         true */
    uint32_t fastopen;                /* enum weir_fastopen; default WEIR_FASTOPEN_CLIENT */
    const struct weir_crypto *crypto; /* NULL, the default: no signatures */
    uint64_t fastopen_key[2];         /* of the cookies we give; zeros: made from `secret` */
    weir_time fastopen_blackhole;     /* how long a destination has ordinary SYNs after two in a row
                                         with text were lost; 0: it has not; default 1 h */
    bool ecn_abe;               /* a mark shrinks cwnd less than a loss (RFC 8511); default false */
    bool slow_start_after_idle; /* RFC 5681, 4.1; default true */
    bool pacing; /* frames leave at a rate whatever the algorithm, as under Linux's fq; default
                    false. BBR is always paced */
    bool accept_redirects; /* ICMP redirects; default false */
    bool verify; /* check all invariants after every call, poison freed items; default false */
    weir_time rto_min;            /* default 200 ms */
    weir_time rto_max;            /* default 120 s */
    weir_time rto_initial;        /* default 1 s */
    weir_time delack;             /* default 40 ms */
    weir_time keepalive_idle;     /* default 7,200 s */
    weir_time keepalive_interval; /* default 75 s */
    weir_time fin_timeout;        /* FIN-WAIT-2 without owner; default 60 s */
    weir_time time_wait;          /* default 60 s */
    weir_time tw_reuse_delay;     /* how old a TIME-WAIT must be for tw_reuse; default 1 s */
    weir_time mtu_probe_interval; /* how long what was found out of a path is believed; default
                                     600 s */
    weir_time user_timeout_min;   /* what RFC 5482 may make of it: L_LIMIT, default 100 s, */
    weir_time user_timeout_max;   /* U_LIMIT, default 3,600 s */
    weir_time user_timeout;       /* 0 = by retries_max; default 0 */

    /* Determinism and secrets. The caller fills `seed` and `secret` from a real random source,
     * unless it wants to replay. */
    uint64_t seed;        /* for jitter and the like */
    uint64_t secret[8];   /* keys of tables, ISNs, ports, cookies, timestamps */
    uint16_t shard_index; /* this instance is shard i of n: which ports it may draw */
    uint16_t shard_count; /* default 1 */
};

void weir_config_default(struct weir_config *config);

enum weir_medium {
    WEIR_ETHERNET, /* frames with a link header, neighbours to be resolved */
    WEIR_IP_ONLY,  /* bare IP packets (VPNs, point to point) */
};

struct weir_iface_config {
    enum weir_medium medium;
    uint8_t mac[6];
    uint16_t mtu;      /* of IP packets, 576..65,535 (below 1,280: no IPv6) */
    bool csum_offload; /* the driver completes TCP and UDP sums (weir_out.csum_start) */
    bool tso;        /* the driver or device cuts frames longer than the MTU (weir_out.gso_size) */
    bool no_dad;     /* addresses are used at once (RFC 4862, 5.4 duplicate detection off) */
    bool slaac;      /* take addresses and routes from router advertisements (RFC 4862) */
    bool link_local; /* give the interface an fe80:: address from its MAC by itself; default off */
};

/* Octets an instance of this configuration needs, or 0 if the configuration makes no sense. */
size_t weir_memory_size(const struct weir_config *config);

/* Builds an instance in `memory` (aligned to 64, `size` octets, the caller's, zeroed or not) and
 * stores it in `*weir`. The memory must stay until the instance is no longer used; there is nothing
 * to destroy. WEIR_INVALID, WEIR_NO_MEMORY. */
enum weir_error weir_init(struct weir **weir, void *memory, size_t size,
                          const struct weir_config *config, weir_time now)
    __attribute__((warn_unused_result));

/* The configuration as it is now, without seed, secrets and keys. */
void weir_config_now(const struct weir *weir, struct weir_config *config);

/* Takes from `config` what may change while it runs (src/stack/settings.c has the list; for what
 * concerns an opening, or is an option of a connection, only later ones) and looks at nothing else
 * in it. WEIR_INVALID, and nothing is changed: that makes no sense together. */
enum weir_error weir_config_change(struct weir *weir, const struct weir_config *config)
    __attribute__((warn_unused_result));

/* ---- Interfaces, addresses, routes ---- */

enum weir_error weir_iface_add(struct weir *weir, const struct weir_iface_config *config,
                               unsigned *iface, weir_time now) __attribute__((warn_unused_result));

/* An address of ours; also adds the route to its prefix. IPv6 addresses are tentative until DAD is
 * through (one second; RFC 4862), unless the interface has no_dad. IPv4 addresses are announced and
 * defended (RFC 5227). */
enum weir_error weir_address_add(struct weir *weir, unsigned iface, const struct weir_ip *ip,
                                 unsigned prefix_len, weir_time now)
    __attribute__((warn_unused_result));
/* What is bound to it stays, and connections too, as on Linux: nothing that comes for it is ours
 * any more, and nothing leaves from it if it is IPv4; IPv6 goes on sending. If it is added again
 * before they time out, they go on. */
enum weir_error weir_address_remove(struct weir *weir, unsigned iface, const struct weir_ip *ip,
                                    weir_time now);

/* `prefix_len` counts bits of the family's own address (0..32 or 0..128). `gateway` NULL: on link.
 * The longest prefix wins, then the lowest metric, then the first added. */
enum weir_error weir_route_add(struct weir *weir, const struct weir_ip *prefix, unsigned prefix_len,
                               const struct weir_ip *gateway, unsigned iface, unsigned metric)
    __attribute__((warn_unused_result));

/* Takes the route away that was added with the same words; nothing happens if there is none. */
void weir_route_remove(struct weir *weir, const struct weir_ip *prefix, unsigned prefix_len,
                       const struct weir_ip *gateway, unsigned iface);

/* The i-th address in use, for listings; false beyond the last. */
struct weir_address_info {
    struct weir_ip ip;
    unsigned iface, prefix_len;
    bool tentative, duplicate, from_router;
};
bool weir_address_info(const struct weir *weir, unsigned i, struct weir_address_info *info);

/* ---- The four functions that make it run ---- */

struct weir_frame {
    const uint8_t *data;
    size_t len;     /* at most 65,535 + 18; longer is dropped */
    weir_time when; /* when the driver saw it: round trips are measured with this */
    bool csum_ok; /* transport sum already checked, or still to be computed by a device (NEEDS_CSUM)
                   */
    uint16_t gso_size; /* segments of this size were merged into the frame; 0: it is one segment */
    uint8_t *hole;     /* where in `data` the octets would be that have landed elsewhere, */
    size_t landed;     /* and how many they are (weir_landing); 0: all are in `data` */
};

/* Takes in `count` frames that arrived on `iface`. Keeps nothing of them. */
void weir_input(struct weir *weir, unsigned iface, const struct weir_frame *frames, size_t count,
                weir_time now);

#define WEIR_HEAD_MAX 128
#define WEIR_SPANS    6

/* Where the next frame could be put so that its octets need not be copied: the first `head_len`
 * where frames always go, those after them into the spans, and what these do not hold behind the
 * hole that was so left. False: nowhere else; read it as ever.
 *
 * It is a guess, right in bulk, and costs a copy where it is wrong; the result is the same. Valid
 * until the next call on the instance. If that is weir_input, its first frame may have landed so:
 * `hole` is where its octets head_len and on would be (writable), `landed` how many lie in the
 * spans. */
struct weir_landing {
    size_t head_len;
    unsigned span_count;
    struct weir_span span[WEIR_SPANS];
};
bool weir_landing(struct weir *weir, unsigned iface, struct weir_landing *landing);

/* A frame to send: `head`, then the octets of the spans. Spans are valid until the next call on the
 * instance.
 *
 * If csum_start is not 0, the 16-bit sum over everything from there to the end of the frame, plus
 * what the field at csum_start + csum_offset already holds (the pseudo header), is to be put there
 * by the driver. If gso_size is not 0 the payload after the transport header is to be cut into
 * pieces of that size. Both only if the interface said so. */
struct weir_out {
    uint8_t head[WEIR_HEAD_MAX];
    uint16_t head_len, gso_size, csum_start, csum_offset;
    uint16_t transport_off; /* where the TCP or UDP header starts in the frame; 0 if there is none
                               in `head` */
    uint16_t why;           /* enum weir_why (trace.h) */
    weir_handle handle;     /* the connection, or WEIR_NO_HANDLE */
    unsigned span_count;
    struct weir_span span[WEIR_SPANS];
};

/* Fills up to `count` frames for `iface` and returns how many; fewer than `count` means nothing
 * more is due. They count as sent: one that the driver then cannot write is a lost packet. */
size_t weir_output(struct weir *weir, unsigned iface, struct weir_out *out, size_t count,
                   weir_time now);

/* When weir_timeout must be called next if nothing else happens; WEIR_NEVER if there is nothing to
 * wait for. Calling earlier is harmless. */
weir_time weir_deadline(const struct weir *weir);
void weir_timeout(struct weir *weir, weir_time now);

/* ---- Events ---- */

enum weir_ready {
    WEIR_READABLE = 1 << 0, /* octets, a datagram, or a connection to accept */
    WEIR_WRITABLE =
        1 << 1, /* at least a third of the send buffer is free, or sending would fail at once */
    WEIR_EOF =
        1
        << 2, /* the peer has closed its direction and everything before that is readable or read */
    WEIR_ERROR = 1 << 3,     /* weir_error_take has something to say */
    WEIR_HANGUP = 1 << 4,    /* both directions are over */
    WEIR_URGENT = 1 << 5,    /* urgent data is ahead in the stream (RFC 6093) */
    WEIR_CONNECTED = 1 << 6, /* the handshake is complete */
    WEIR_ASKED = 1 << 7,     /* weir_syn_next has a SYN to tell of */
};

struct weir_event {
    weir_handle handle;
    uint64_t cookie; /* as set by weir_set_cookie */
    unsigned ready;  /* the whole of enum weir_ready that is true now */
};

/* Takes the next connection whose readiness has a bit that was not yet reported; false if there is
 * none, or after event_batch of them (then a call after weir_output goes on). A bit is reported
 * once while it stays true: a program that does not drain calls weir_rearm. */
bool weir_next_event(struct weir *weir, struct weir_event *event);
void weir_rearm(struct weir *weir, weir_handle handle);
unsigned weir_ready_now(const struct weir *weir, weir_handle handle); /* 0 for a stale handle */
enum weir_error weir_set_cookie(struct weir *weir, weir_handle handle, uint64_t cookie);

/* ---- TCP (RFC 9293, 3.9.1) ---- */

/* Passive OPEN. `local->ip` may be any; port 0 draws one. Queue limits are min(backlog, somaxconn),
 * as Linux counts. A dual-stack listener is one on all-zero any; on ::ffff:0.0.0.0 it is IPv4 only;
 * WEIR_LISTEN_V6ONLY makes :: IPv6 only. */
#define WEIR_LISTEN_V6ONLY 1u

/* SO_REUSEPORT: several listeners, or UDP endpoints, have one address and port, if all of them say
 * so. Each flow belongs to one of them by a keyed hash, and stays with it while others come and go.
 * A listener that goes resets those of its queues; they do not move to another. */
#define WEIR_LISTEN_REUSEPORT 2u

/* A SYN is not answered but told to the program (WEIR_ASKED, weir_syn_next), which answers it; but
 * for one whose text is taken by Fast Open, if the listener itself has WEIR_OPT_FASTOPEN. */
#define WEIR_LISTEN_DEFER 4u

/* With it: when the queue is full, SYNs are answered by cookies all the same, and not told. */
#define WEIR_LISTEN_COOKIES 32u

/* What a gateway needs: also every address that is not ours but is sent here (`local->ip` must be
 * an any), and every port (`local->port` must be 0) for which there is no other listener. Such
 * flows are found by weir_status as they are; from the first such listener on, the instance takes
 * TCP segments for any address. */
#define WEIR_LISTEN_ANY_ADDRESS 8u
#define WEIR_LISTEN_ANY_PORT    16u
enum weir_error weir_listen(struct weir *weir, const struct weir_addr *local, unsigned backlog,
                            unsigned flags, weir_handle *listener)
    __attribute__((warn_unused_result));
enum weir_error weir_accept(struct weir *weir, weir_handle listener, weir_handle *conn,
                            weir_time now) __attribute__((warn_unused_result));

/* A second listen(): the new limit counts from now on; who waits already stays. */
enum weir_error weir_listen_backlog(struct weir *weir, weir_handle listener, unsigned backlog);

/* For a program that takes connections out of the accept queue only to queue them again: how many
 * it holds. They count as if they were still here. */
enum weir_error weir_listen_held(struct weir *weir, weir_handle listener, uint32_t held);

/* A SYN at a listener with WEIR_LISTEN_DEFER, oldest first; WEIR_AGAIN if there is none. The
 * program then calls weir_admit (SYN-ACK, and on to weir_accept) or weir_refuse (reset) with its
 * handle. One that is not answered within a minute is forgotten without a word, as if it had been
 * lost; when its peer resets it, or the listener is released, it is gone at once: then the calls
 * say WEIR_BAD_HANDLE. Without WEIR_LISTEN_COOKIES a full queue drops. */
struct weir_syn {
    weir_handle handle;
    struct weir_addr local, remote;
    unsigned iface;
};
enum weir_error weir_syn_next(struct weir *weir, weir_handle listener, struct weir_syn *syn,
                              weir_time now) __attribute__((warn_unused_result));
enum weir_error weir_admit(struct weir *weir, weir_handle syn, weir_time now);
enum weir_error weir_refuse(struct weir *weir, weir_handle syn, weir_time now);

/* Active OPEN: WEIR_IN_PROGRESS and a handle, which becomes WRITABLE or ERROR. `local` may be NULL,
 * or give an address, a port or both. WEIR_NET_UNREACH, WEIR_NOT_LOCAL, WEIR_IN_USE (the tuple),
 * WEIR_NO_MEMORY, WEIR_INVALID (broadcast, multicast, port 0). */
enum weir_error weir_connect(struct weir *weir, const struct weir_addr *local,
                             const struct weir_addr *remote, weir_handle *conn, weir_time now)
    __attribute__((warn_unused_result));

#define WEIR_MORE 1u /* more will follow: do not send a short segment yet (MSG_MORE) */
#define WEIR_FIN  2u /* CLOSE in the same call */
#define WEIR_URG  4u /* the last octet is urgent (RFC 6093 advises against) */
#define WEIR_EOR  8u /* a record ends: what follows joins no segment of it (MSG_EOR) */

/* SEND and RECEIVE, by copy. `*done` is how many octets were taken or given; WEIR_OK with fewer
 * than asked is ordinary. WEIR_AGAIN: none now. Receiving: WEIR_OK with *done 0 is the peer's
 * orderly end; a reset gives its error once, after the octets before it were read... */
enum weir_error weir_send(struct weir *weir, weir_handle conn, const void *data, size_t len,
                          unsigned flags, size_t *done, weir_time now)
    __attribute__((warn_unused_result));
enum weir_error weir_recv(struct weir *weir, weir_handle conn, void *data, size_t room,
                          size_t *done, weir_time now) __attribute__((warn_unused_result));

/* The same in place. weir_send_room shows where up to `want` octets may be written (valid until the
 * next call on the instance), weir_send_put says how many were: WEIR_INVALID if that is more than
 * is being shown. weir_recv_view shows what can be
 * read, weir_recv_took says how many were. `*count` goes in as the number of spans there is room
 * for, and comes out as the number filled. */
enum weir_error weir_send_room(struct weir *weir, weir_handle conn, size_t want,
                               struct weir_span *span, unsigned *count)
    __attribute__((warn_unused_result));
enum weir_error weir_send_put(struct weir *weir, weir_handle conn, size_t len, unsigned flags,
                              weir_time now) __attribute__((warn_unused_result));
enum weir_error weir_recv_view(struct weir *weir, weir_handle conn, struct weir_span *span,
                               unsigned *count) __attribute__((warn_unused_result));
enum weir_error weir_recv_took(struct weir *weir, weir_handle conn, size_t len, weir_time now)
    __attribute__((warn_unused_result));

/* CLOSE: what is queued is sent, then a FIN; receiving goes on. */
enum weir_error weir_shutdown(struct weir *weir, weir_handle conn, weir_time now);

/* ABORT: a reset leaves, everything queued is forgotten; the handle stays until released. */
enum weir_error weir_abort(struct weir *weir, weir_handle conn, weir_time now);

/* close(2): the handle is dead. A connection ends in order (FIN after what is queued), or with a
 * reset if octets are unread (RFC 2525, 2.17); a listener resets what was not accepted; an endpoint
 * is gone. */
enum weir_error weir_release(struct weir *weir, weir_handle handle, weir_time now);

/* SO_ERROR: the pending error, which is then forgotten; WEIR_OK if none. */
enum weir_error weir_error_take(struct weir *weir, weir_handle handle);

enum weir_option {
    WEIR_OPT_NODELAY,      /* 0/1 */
    WEIR_OPT_CORK,         /* 0/1 */
    WEIR_OPT_QUICKACK,     /* 0/1: no delayed acknowledgements */
    WEIR_OPT_KEEPALIVE,    /* 0/1 */
    WEIR_OPT_KEEPIDLE,     /* ns */
    WEIR_OPT_KEEPINTVL,    /* ns */
    WEIR_OPT_KEEPCNT,      /* probes */
    WEIR_OPT_USER_TIMEOUT, /* ns; 0 = by retries */
    WEIR_OPT_SYNCNT,       /* SYN retries */
    WEIR_OPT_SNDBUF,       /* octets */
    WEIR_OPT_RCVBUF,       /* octets: upper bound of the window */
    WEIR_OPT_MAXSEG,       /* octets, before the handshake */
    WEIR_OPT_TTL,          /* 1..255 */
    WEIR_OPT_TOS,          /* DS field and ECN bits */
    WEIR_OPT_OOBINLINE,    /* 0/1: urgent octets stay in the stream; default 1, the only sane choice
                              (RFC 6093) */
    WEIR_OPT_BROADCAST,    /* 0/1, UDP */
    WEIR_OPT_THIN_LINEAR,  /* 0/1: timeouts of a thin stream do not double at first */
    WEIR_OPT_DEFER_ACCEPT, /* ns, listeners: a bare ACK makes no connection for so long, only data
                              does (TCP_DEFER_ACCEPT); rounded up to whole timeouts of a SYN-ACK */
    WEIR_OPT_LINGER2,    /* ns, at most 120 s: fin_timeout of this one; 0: the configuration's; -1:
                            no FIN-WAIT-2 without an owner, the peer is reset (TCP_LINGER2) */
    WEIR_OPT_CONGESTION, /* enum weir_congestion */
    WEIR_OPT_MAX_PACING_RATE, /* octets a second, at most 2^32 - 1; 0: no bound. Turns pacing on */
    WEIR_OPT_GROUP_TTL,  /* 0..255, UDP: of what is sent to a group; default 1; 0: it does not leave
                            this host (IP_MULTICAST_TTL) */
    WEIR_OPT_GROUP_LOOP, /* 0/1, UDP: members on this host get it too; default 1
                            (IP_MULTICAST_LOOP) */
    WEIR_OPT_GROUP_IFACE, /* interface + 1, UDP: where it goes; default 0: by its address
                             (IP_MULTICAST_IF) */
    WEIR_OPT_GROUP_ALL,   /* 0/1, UDP: hears groups that others here have joined; default 1
                             (IP_MULTICAST_ALL) */
    WEIR_OPT_OUTQ,        /* read only: octets not acknowledged, sent or not, a FIN being one
                             (SIOCOUTQ) */
    WEIR_OPT_OUTQ_UNSENT, /* read only: those of them that were never sent (SIOCOUTQNSD) */
    WEIR_OPT_AT_MARK,  /* read only: the next octet to read is the last urgent one (SIOCATMARK) */
    WEIR_OPT_RCVLOWAT, /* octets that must wait before a connection is readable; default 1. A
                          window that is full, or the end, is enough (SO_RCVLOWAT) */
    WEIR_OPT_NOTSENT_LOWAT, /* octets: no more are taken while so many were never sent; 0: the
                               configuration's (TCP_NOTSENT_LOWAT) */
    WEIR_OPT_FASTOPEN,      /* listeners: SYNs whose text may be taken before their last ACK, all
                               together; 0: none (TCP_FASTOPEN). Connections: 1, right after
                               weir_connect: the SYN takes along what is sent until weir_output, or
                               asks for a cookie (TCP_FASTOPEN_CONNECT); to get says how many
                               octets it has room for, 0 if it asks */
    WEIR_OPT_USER_TIMEOUT_OPTION, /* ns, whole seconds up to 32,767 and minutes beyond: the peer is
                               told that data will be waited for so long (RFC 5482), and told
                               again when it changes; what it tells counts; 0, the default: no */
    WEIR_OPT_FASTOPEN_NO_COOKIE,  /* listeners: 1: text is taken of anybody. Connections: 1, instead
                                of WEIR_OPT_FASTOPEN: text goes without a cookie
                                (TCP_FASTOPEN_NO_COOKIE) */
    WEIR_OPT_MIN_TTL,   /* 0..255, streams over IPv4: what comes with less is dropped (RFC 5082) */
    WEIR_OPT_MIN_HOPS,  /* the same over IPv6; either is none of the other's affair */
    WEIR_OPT_NO_CHECK6, /* 0/1, UDP: takes datagrams without a sum over IPv6, too (RFC 6935) */
    WEIR_OPT_COUNT
};
enum weir_error weir_set(struct weir *weir, weir_handle handle, enum weir_option option,
                         int64_t value, weir_time now);
enum weir_error weir_get(const struct weir *weir, weir_handle handle, enum weir_option option,
                         int64_t *value);

/* Congestion control. The first is the default. */
enum weir_congestion {
    WEIR_CC_CUBIC, /* RFC 9438, with HyStart++ (RFC 9406) */
    WEIR_CC_RENO,  /* RFC 5681 */
    WEIR_CC_BBR,   /* version 3 */
    WEIR_CC_DCTCP, /* RFC 8257: for networks that mark, and only there */
    WEIR_CC_COUNT
};
/* "cubic", "reno", "bbr", "dctcp": as Linux names them. NULL for what is no algorithm. */
const char *weir_congestion_name(unsigned which);
/* False, `which` untouched, for a name that is none of them. */
bool weir_congestion_find(const char *name, enum weir_congestion *which);

/* TCP MD5 signatures (RFC 2385), as TCP_MD5SIG_EXT: what comes from these peers must be signed with
 * the key, and what goes to them is, from the next connection on. The longest prefix counts. An
 * empty key takes away the one that was set for the same peers and ports. WEIR_INVALID without
 * crypto in the configuration; WEIR_NO_MEMORY beyond 64 keys. */
#define WEIR_KEY_MAX 80
struct weir_key {
    struct weir_ip peer;
    unsigned prefix_len;              /* of the family's own address */
    uint16_t local_port, remote_port; /* 0: all */
    uint8_t key_len;
    uint8_t key[WEIR_KEY_MAX];
};
enum weir_error weir_key_set(struct weir *weir, const struct weir_key *key);

/* TCP-AO (RFC 5925, 5926), as Linux's TCP_AO_ADD_KEY: a master key tuple for connections with these
 * peers. Several may be for the same, with other identifiers: the first that fits is the current
 * key of a new connection, and the peer's wish, or weir_ao_use, moves it to another. All segments
 * of such a connection are signed, and none that is not is believed. WEIR_INVALID without crypto,
 * or if an MD5 key is for the same peers, or for identifiers that are taken; WEIR_NO_MEMORY
 * beyond 64. */
struct weir_ao_key {
    struct weir_ip peer;
    unsigned prefix_len;              /* of the family's own address */
    uint16_t local_port, remote_port; /* 0: all */
    uint8_t send_id, recv_id;         /* SendID, RecvID */
    uint8_t mac;       /* enum weir_mac: of the KDF and of the MAC, which has 96 bits */
    bool skip_options; /* the MAC does not cover other TCP options */
    uint8_t key_len;
    uint8_t key[WEIR_KEY_MAX];
};
enum weir_error weir_ao_add(struct weir *weir, const struct weir_ao_key *key);
/* The tuple of the same peers and identifiers. Connections that use it go on with another of
 * theirs, or end with their timeouts. */
enum weir_error weir_ao_remove(struct weir *weir, const struct weir_ao_key *key);
/* Which tuples a connection uses: the SendID of the current key, and the RecvID of the one the peer
 * shall use next; negative: as it is. WEIR_INVALID: no such tuple, or no TCP-AO. */
enum weir_error weir_ao_use(struct weir *weir, weir_handle conn, int send_id, int recv_id,
                            weir_time now);
/* What they are; false without TCP-AO. */
bool weir_ao_used(const struct weir *weir, weir_handle conn, uint8_t *send_id, uint8_t *recv_id);

/* A new key for the cookies of Fast Open; those of the one before are good until the next. */
void weir_fastopen_key(struct weir *weir, const uint64_t key[2]);

/* The same for one listener, which has its own from then on: `count` keys, 1 or 2, the newest
 * first (TCP_FASTOPEN_KEY). And what a listener's, or with WEIR_NO_HANDLE the instance's, are;
 * how many there are. */
enum weir_error weir_fastopen_keys_set(struct weir *weir, weir_handle listener,
                                       const uint64_t key[][2], unsigned count);
unsigned weir_fastopen_keys(const struct weir *weir, weir_handle listener, uint64_t key[2][2]);

/* Whether the SYN of a connection to `peer` may take text along: a cookie of his is known, or none
 * is needed. */
bool weir_fastopen_known(const struct weir *weir, const struct weir_ip *peer, weir_time now);

/* Forgets what was learnt of all destinations, cookies among it (`ip tcp_metrics flush all`). */
void weir_known_flush(struct weir *weir);

/* Urgent data (RFC 9293, 3.8.5): WEIR_OK and how many octets lie before the urgent pointer;
 * WEIR_AGAIN if there is none. */
enum weir_error weir_urgent(const struct weir *weir, weir_handle conn, uint32_t *ahead);

enum weir_limit {      /* why the program's octets are not all with the peer */
    WEIR_LIMIT_IDLE,   /* they are */
    WEIR_LIMIT_BUSY,   /* the way, and what is made of it */
    WEIR_LIMIT_WINDOW, /* the peer's window */
    WEIR_LIMIT_BUFFER, /* the send buffer is full and all of it has left */
    WEIR_LIMIT_COUNT
};

/* What is only counted, and only of connections that config.tally_max has room for: no more than
 * that something is so is known of others. The fields are those of Linux's TCP_INFO. */
struct weir_tally {
    uint32_t data_in, data_out;         /* segments with octets, those sent again among them */
    uint32_t delivered, delivered_ce;   /* segments that the peer says have arrived; ... marked */
    uint32_t beyond;                    /* segments that came beyond a gap */
    uint32_t dsack_dups, reorder_count; /* segments reported as duplicates; times that one of ours
                                           came behind a later one */
    uint32_t rcv_rtt_us;                /* round trip as the receiver sees it; 0: not known */
    uint32_t rcv_space;                 /* most octets the program has read in a round trip */
    uint32_t rto_ms; /* milliseconds from timeouts to the end of their episodes */
    uint16_t rto_count, rto_recoveries; /* timeouts, those of SYNs too; episodes */
    uint16_t reordering;                /* how many segments late one has been; 3 at least */
    uint8_t limit;                      /* enum weir_limit: now */
    bool app_limited;                   /* of delivery_rate: the program sent too little for more */
    weir_time limited[WEIR_LIMIT_COUNT - 1]; /* how long each but IDLE has lasted so far */
    weir_time limit_at;                      /* since when it is `limit` */
    weir_time data_in_at, data_out_at;       /* the last octets; or since when there could be */
    weir_time rto_at;                        /* the episode that is not over; 0: none */
    uint64_t delivery_rate;                  /* octets a second; 0: none */
};

enum weir_ca { /* numbered as Linux's TCP_CA_* */
    WEIR_CA_OPEN,
    WEIR_CA_DISORDER,
    WEIR_CA_CWR,
    WEIR_CA_RECOVERY,
    WEIR_CA_LOSS
};

/* STATUS: everything about a connection, for a person. Times ns, sizes octets. */
struct weir_status {
    struct weir_addr local, remote;
    uint8_t protocol;      /* 6 TCP, 17 UDP, 1 echo */
    uint8_t state;         /* enum weir_state (trace.h) */
    bool passive;          /* opened by a listener */
    uint8_t waits_for;     /* enum weir_wait (trace.h): why unsent octets do not leave */
    uint8_t timer;         /* enum weir_timer (trace.h): what the retransmission clock runs for */
    uint8_t cause;         /* enum weir_cause: of the last change of state */
    enum weir_error error; /* pending */
    enum weir_error soft_error; /* the last soft ICMP error (RFC 1122, 4.2.3.9) */
    weir_time since;            /* of the last change of state */
    uint32_t iss, irs, snd_una, snd_nxt, snd_max, snd_wnd, rcv_nxt, rcv_wnd, snd_wl1, snd_wl2;
    uint32_t cwnd, ssthresh, in_flight, sacked, lost;
    uint8_t congestion;     /* enum weir_congestion */
    uint8_t ecn;            /* 0: not agreed; 1: RFC 3168; 2: RFC 9768 */
    bool app_limited;       /* the program has too little to send */
    uint16_t ce_in, ece_in; /* packets that came marked; segments that told of marks on ours */
    bool paced;             /* what leaves is spread over time */
    uint64_t pacing_rate;   /* octets a second, if it is or were; 0: not known yet */
    uint64_t pacing_max;    /* WEIR_OPT_MAX_PACING_RATE; 0: none */
    uint64_t delivery_rate; /* octets a second, of the last sample; 0: none */
    uint32_t unsent, unacked, unread, out_of_order;
    uint16_t mss, rcv_mss, peer_mss;
    uint8_t snd_wscale, rcv_wscale;
    bool timestamps, sack;
    bool syn_text; /* all text of the SYN was taken: ours by the peer, or the peer's by us */
    weir_time srtt, rttvar, rto, rtt_min;
    weir_time rtx_at, delack_at, keepalive_at, user_at; /* WEIR_NEVER if not running */
    weir_time sent_at, rcvd_at; /* the last segment with octets, SYN or FIN; the last that was
                                   acceptable */
    uint8_t backoff, keepalive_probes;
    uint64_t octets_out, octets_in, octets_rtx, octets_acked;
    uint32_t segs_out, segs_in, segs_rtx, dupacks, rto_count, recovery_count;
    weir_time reo_wnd;                           /* RFC 8985: how late a segment may be */
    bool reordering;                             /* reordering was seen */
    uint32_t undo_count, tlp_count, dsack_count; /* reductions undone, probes sent, DSACKs heard;
                                                    each stops at 65,535 */
    uint8_t ca_state;                            /* enum weir_ca */
    uint8_t retries;                             /* timeouts since progress */
    uint16_t path_mss;                           /* path MTU less IP and TCP headers */
    uint32_t unacked_segs, sacked_segs, lost_segs, rtx_segs; /* in flight, as sent */
    uint32_t rcv_space; /* the window meant to be offered while nothing is unread */
    uint32_t offered;   /* the window as it was said last */
    struct weir_tally tally;
    uint64_t cookie;
    uint32_t synq_len, acceptq_len, backlog; /* listeners */
    uint32_t overflows; /* of them: SYNs and last ACKs dropped since the accept queue was full */
};
enum weir_error weir_status(const struct weir *weir, weir_handle handle,
                            struct weir_status *status);

/* Lists all connections, listeners, half-open and TIME-WAIT entries: start with *cursor 0; false at
 * the end. Entries without a handle (small forms) have only addresses, state and sequence numbers.
 */
bool weir_list(const struct weir *weir, uint64_t *cursor, struct weir_status *status,
               weir_handle *handle);

/* The same, and UDP and echo endpoints after them, for who must not hold the instance up: looks at
 * no more than *budget places, which counts down. False with *budget 0 is not the end: go on later
 * with the same cursor. */
bool weir_list_some(const struct weir *weir, uint64_t *cursor, uint32_t *budget,
                    struct weir_status *status, weir_handle *handle);

/* ---- UDP and echo ---- */

/* `local` may be any address and port 0 (drawn). WEIR_IN_USE. */
enum weir_error weir_udp_open(struct weir *weir, const struct weir_addr *local,
                              weir_handle *endpoint) __attribute__((warn_unused_result));

/* The same, with more to say. REUSEADDR: several have one address and port, if all of them say so;
 * the last opened gets what is for one, all get what is for a group. REUSEPORT: the same, but what
 * is for one goes to one of them by flow. V6ONLY: all-zero any is IPv6 only. REPORTS: ICMP errors
 * are kept for weir_udp_report, also those that concern no fixed peer, and no call returns them.
 * ANYWHERE: the address need not be ours. */
#define WEIR_UDP_V6ONLY    1u
#define WEIR_UDP_REUSEPORT 2u
#define WEIR_UDP_REUSEADDR 4u
#define WEIR_UDP_REPORTS   8u
#define WEIR_UDP_ANYWHERE  16u
enum weir_error weir_udp_open_with(struct weir *weir, const struct weir_addr *local, unsigned flags,
                                   weir_handle *endpoint) __attribute__((warn_unused_result));

/* Fixes the peer: only its datagrams are received, ICMP errors are reported (weir_error_take), and
 * an endpoint at any address is at the one it sends from. NULL unfixes. */
enum weir_error weir_udp_connect(struct weir *weir, weir_handle endpoint,
                                 const struct weir_addr *remote);

/* One datagram, whole or not at all; `to` NULL for the connected peer. Fragments if it must (up to
 * 65,507 or 65,527 octets). WEIR_AGAIN: the reply ring is full; WEIR_TOO_LONG, WEIR_NET_UNREACH,
 * WEIR_ACCESS (broadcast), or a pending error. */
enum weir_error weir_udp_send(struct weir *weir, weir_handle endpoint, const struct weir_addr *to,
                              const void *data, size_t len, weir_time now)
    __attribute__((warn_unused_result));

/* The same, with what may differ from one datagram to the next. */
struct weir_udp_how {
    const struct weir_addr *to; /* NULL: the connected peer */
    struct weir_ip from;        /* an address of ours; any: as the endpoint is bound */
    uint8_t ttl;                /* 0: the endpoint's */
    uint8_t tos;                /* if tos_given */
    bool tos_given;
    bool whole;  /* WEIR_TOO_LONG rather than fragments */
    bool no_sum; /* a sum of zero: whoever takes it does not check (RFC 768; RFC 6935) */
};
enum weir_error weir_udp_send_as(struct weir *weir, weir_handle endpoint,
                                 const struct weir_udp_how *how, const void *data, size_t len,
                                 weir_time now) __attribute__((warn_unused_result));

/* Membership of a multicast group, from any source, on an interface (number + 1; 0: the one of
 * WEIR_OPT_GROUP_IFACE, or where a packet to the group would go). It is told to routers and
 * switches by IGMPv3 and MLDv2, or the older version that a router there speaks; weir_release
 * leaves all. WEIR_INVALID: not a group; WEIR_NET_UNREACH: no such interface; WEIR_IN_USE: has
 * joined already; WEIR_NO_MEMORY: over 20 groups, or group_max; leaving: WEIR_NOT_LOCAL, never
 * joined. */
enum weir_error weir_udp_join(struct weir *weir, weir_handle endpoint, const struct weir_ip *group,
                              unsigned iface, weir_time now) __attribute__((warn_unused_result));
enum weir_error weir_udp_leave(struct weir *weir, weir_handle endpoint, const struct weir_ip *group,
                               unsigned iface, weir_time now);

/* The oldest ICMP error that was not asked for yet, of an endpoint with WEIR_UDP_REPORTS (one is
 * kept; WEIR_ERROR tells that it is there). False: none. */
#define WEIR_QUOTE_MAX 1184 /* of 1,280 octets, the longest ICMPv6 error; ICMP's are shorter */
struct weir_udp_report {
    enum weir_error error;
    uint8_t type, code;      /* as the quoted datagram's family has them */
    struct weir_ip reporter; /* who says so */
    struct weir_addr to;     /* where the datagram was sent */
    uint32_t mtu;            /* WEIR_TOO_LONG */
    uint16_t len;            /* of what is quoted of its data */
    uint8_t data[WEIR_QUOTE_MAX];
};
bool weir_udp_report(struct weir *weir, weir_handle endpoint, struct weir_udp_report *report);

struct weir_datagram {
    struct weir_addr from, to;
    size_t len; /* of the whole datagram; more than `room` means it was cut */
    weir_time when;
    uint8_t ttl, tos;
    uint16_t seq; /* echo replies: sequence number */
};
enum weir_error weir_udp_recv(struct weir *weir, weir_handle endpoint, void *data, size_t room,
                              struct weir_datagram *info) __attribute__((warn_unused_result));

/* An endpoint for echo requests (like Linux's ping sockets): weir_udp_recv gives the replies to its
 * own requests, weir_error_take the ICMP errors, weir_release ends it. */
enum weir_error weir_ping_open(struct weir *weir, weir_handle *endpoint)
    __attribute__((warn_unused_result));
enum weir_error weir_ping_send(struct weir *weir, weir_handle endpoint, const struct weir_ip *to,
                               uint16_t seq, const void *data, size_t len, weir_time now)
    __attribute__((warn_unused_result));

/* ---- Looking inside ---- */

/* All invariants; panics if one is broken. Costs time in proportion to what the instance holds. */
void weir_check(const struct weir *weir);

/* How full the pools are. */
struct weir_pool_use {
    const char *name;
    uint32_t used, max, total, refused;
};
unsigned weir_pools(const struct weir *weir, struct weir_pool_use *use, unsigned count);

/* Fault injection: the n-th request from now to the pool of this name fails (0: none).
 * WEIR_INVALID: no such pool. */
enum weir_error weir_pool_fail(struct weir *weir, const char *name, uint32_t nth);

#ifdef __cplusplus
}
#endif

#endif
