/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_TCB_H
#define WEIR_TCP_TCB_H

/* One TCP connection: its control block and all that can happen to it (RFC 9293, 3.3.1 and 3.10).
 *
 * Segments, user calls and timers only change the TCB and note what is due; tcp_output_plan looks
 * at it and says what the next segment is, and why. A TCB knows no addresses and is on no list: its
 * owner (stack/conn.h) finds it, keeps its timers and frees it.
 *
 *      SND.UNA            SND.NXT          snd.end            una + SND.WND
 *   ------|------------------|----------------|-------------------|----
 *  acked  |   in flight      |  queued        |  not written yet  |  not allowed
 *
 *      rcv.read           RCV.NXT            ranges          rcv.edge
 *   ------|------------------|------------====------====--------|----
 *   read  |   readable       |   the window: gaps and islands   |  not allowed
 */

#include "base/arena.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/siphash.h"
#include "tcp/cc.h"
#include "tcp/fsm.h"
#include "tcp/plan.h"
#include "tcp/sent.h"
#include "trace/trace.h"
#include "weir/stack.h"
#include "wire/tcp.h"

/* What all connections of an instance share. The stack owns it. */
struct tcp_host {
    const struct weir_config *config;
    struct ring_pool *rings;
    struct pool *flights, *bbrs, *extras; /* struct tcb_flight, cc_bbr, tcb_extra */
    struct tcp_tally *tallies; /* one a connection, by its index, of the first tally_count */
    uint32_t tally_count;
    struct sent_memory sent;
    struct trace *trace;
    struct siphash_key isn_key, cookie_key, ts_key, port_key;
    const struct tcp_known *known; /* what is remembered of destinations (known.h) */
    weir_time epoch;               /* `now` at init: ISN and timestamp clocks count from it */
};

enum tcp_due {
    TCP_DUE_DATA = 1 << 0, /* new octets or a FIN may be sendable */
    TCP_DUE_ACK = 1 << 1,  /* an acknowledgement is owed now */
    TCP_DUE_RTX = 1 << 2,  /* a segment taken for lost may be sendable */
    TCP_DUE_SYN = 1 << 3,  /* SYN or SYN-ACK */
    TCP_DUE_RST = 1 << 4,
    TCP_DUE_PROBE = 1 << 5, /* window probe */
    TCP_DUE_KEEPALIVE = 1 << 6,
    TCP_DUE_CHALLENGE = 1 << 7, /* challenge ACK (RFC 5961) */
};
#define TCP_DUE_CONTROL                                                                          \
    (TCP_DUE_ACK | TCP_DUE_RTX | TCP_DUE_SYN | TCP_DUE_RST | TCP_DUE_PROBE | TCP_DUE_KEEPALIVE | \
     TCP_DUE_CHALLENGE)

#define TCB_HOT (4 * ARENA_ALIGN) /* octets that a segment with text touches: see struct tcb */

/* In the order in which they are used: a segment with text that comes in order, its reading and its
 * acknowledgement touch the first four lines of the cache only. With a million connections each
 * line is waited for (stack/flow.c asks for them ahead of time). */
struct tcb {
    /* Dispatch. */
    struct tcp_host *host;
    uint32_t index;     /* the owner's number, for records */
    uint8_t state;      /* enum weir_state */
    uint8_t due;        /* enum tcp_due */
    uint8_t error;      /* enum weir_error, pending */
    uint8_t soft_error; /* the last soft ICMP error: told if the connection times out */
    uint8_t cause;      /* enum weir_cause, of the last change of state */
    uint8_t ecn;        /* enum tcp_ecn */
    uint8_t ace;        /* RFC 9768's counters; see ecn.h */
    uint8_t frame;      /* segments since the superframe began that leaves now; stops at 255 */
    uint32_t flight;    /* pool index, or POOL_NONE */

    bool passive : 1;    /* opened by a listener */
    bool owned : 1;      /* a handle exists; false: orphan */
    bool fin_queued : 1; /* CLOSE was called: a FIN follows snd.end */
    bool fin_known : 1;  /* the peer's FIN has been seen, perhaps beyond a hole */
    bool fin_rcvd : 1;   /* RCV.NXT stands behind the peer's FIN */
    bool rtx_force : 1;  /* the first retransmission of an episode ignores cwnd (RFC 6675, 5) */
    bool rst_owed : 1;   /* CLOSED, and the peer is to be told */
    bool ts_ok : 1, sack_ok : 1, ws_ok : 1;
    bool nodelay : 1, cork : 1, quickack : 1, keepalive : 1;
    bool more : 1;       /* the last write said more follows: its end carries no PSH */
    bool defer_over : 1; /* patience for a longer superframe is at an end */
    bool snd_urg : 1;    /* SND.UP means something */
    bool rcv_urg : 1;    /* RCV.UP means something */
    bool syn_rtx : 1;    /* our SYN was retransmitted: its RTT is not measured without timestamps */
    bool cwnd_limited : 1;  /* output stopped because of cwnd since the last ACK */
    bool read_closed : 1;   /* nobody reads any more: data is answered by a reset */
    bool peer_zero : 1;     /* the peer's window was last seen closed */
    bool reopen : 1;        /* TIME-WAIT: a listener would take a SYN (the owner says so) */
    bool una_far : 1;       /* SND.UNA has been 2^31 or more beyond the ISS */
    bool fast : 1;          /* SYN-SENT, SYN-RECEIVED: text goes with a SYN (fastopen.h) */
    bool is_signed : 1;     /* its segments have a signature (the owner's affair) */
    bool paced_hold : 1;    /* pace_at is when the next octets may leave */
    uint8_t known : 2;      /* enum tcp_known_use */
    bool has_ao : 1;        /* of is_signed: by TCP-AO, and not MD5 */
    bool held : 1, eor : 1; /* by `more` a short segment waits; the last write ends a record */
    uint8_t waits_for : 4;  /* enum weir_wait, as of the last plan */
    uint8_t recovery : 2;   /* enum tcp_recovery */
    uint8_t cc_which : 2;   /* enum weir_congestion */
    uint8_t snd_wscale : 4, rcv_wscale : 4;
    uint16_t extra; /* extra.h: the block's number + 1, or 0 */

    /* Send. */
    struct {
        seq32 una, nxt, wl1, wl2;
        seq32 end;    /* one past the last octet queued */
        seq32 sml;    /* end of the last short segment sent (Minshall) */
        uint32_t wnd; /* octets, scaled, from una */
        uint32_t wnd_max;
        seq32 up;
        uint32_t buf; /* octets a program may queue, if it has said so; 0: see tcp_send_buf */
    } snd;
    seq32 iss;
    uint16_t mss;     /* payload of a full segment: peer's MSS and path, less our options */
    uint16_t rcv_mss; /* the peer's full-sized segments, as seen */
    struct cc cc;

    /* Receive. */
    struct {
        seq32 nxt, up;
        seq32 edge;     /* the furthest right edge ever advertised */
        seq32 read;     /* the program's next octet */
        seq32 acked;    /* Last.ACK.sent */
        uint32_t space; /* window we mean to offer when nothing is unread; backed by credit */
        uint32_t max;   /* upper bound of space */
        seq32 fin;      /* where the peer's FIN lies, if fin_known */
    } rcv;
    uint32_t ts_recent;
    uint32_t ts_offset;     /* of our TSval, per connection */
    uint16_t ts_recent_age; /* when it was taken (tcp_age) */
    uint16_t rcv_len;       /* the last segment that was shorter than rcv_mss and may be full */
    uint32_t tune_octets;   /* read since tune_us: the window grows with it */
    uint32_t tune_us;       /* microseconds since the epoch, modulo 2^32 */
    struct ring rcv_ring;
    uint8_t owed_dup; /* duplicate ACKs owed to a peer without SACK */
    uint8_t quick;    /* segments still acknowledged at once */
    uint8_t owed_why; /* enum weir_why of the ACK that is owed */

    /* Time. */
    uint8_t rtx_kind;                   /* enum tcp_rtx_kind (flight.h) */
    uint8_t backoff;                    /* doublings of the RTO since its last sample (Karn) */
    uint8_t probes;                     /* keepalive probes unanswered */
    uint8_t reo_mult;                   /* RACK.reo_wnd_mult; 0 is 1 */
    bool reo_seen : 1, thin_linear : 1; /* RACK.reordering_seen; WEIR_OPT_THIN_LINEAR */
    bool tallied : 1, push_now : 1;     /* tally.h; Nagle and cork hold nothing */
    bool syn_text : 1, text_again : 1;  /* all of a SYN's was taken; ours was not, and goes again */
    uint8_t keep_kind : 2;              /* enum tcp_keep_kind */
    uint32_t rcv_lowat;                 /* WEIR_OPT_RCV_LOWAT; 0: not set */
    weir_time rtx_at, pace_at, delack_at, keep_at, user_at;
    weir_time rcvd_at;      /* last acceptable segment */
    uint32_t notsent_lowat; /* WEIR_OPT_NOTSENT_LOWAT; 0: not set */
    uint32_t segs_in, segs_out;
    seq32 irs;
    uint64_t octets_in;
    weir_time srtt; /* ns; 0: no sample yet */

    /* What only those need who send; and cold. */
    struct ring snd_ring;
    uint16_t peer_mss;       /* as announced, or the default */
    uint16_t path_mss;       /* path MTU less IP and TCP header */
    weir_time sent_at;       /* last segment with octets, SYN or FIN */
    weir_time rttvar, rto;   /* ns */
    uint32_t rtt_min_us;     /* smallest sample since rtt_min_ms; UINT32_MAX: none */
    uint32_t rtt_min_old_us; /* ... of the same time before */
    uint32_t rtt_min_ms;     /* when rtt_min_us was begun */
    uint32_t challenge_ms;   /* last challenge ACK */
    uint64_t octets_out, octets_rtx;
    weir_time since; /* of the last change of state */
    uint32_t segs_rtx;
    uint32_t pacing_max;                         /* WEIR_OPT_MAX_PACING_RATE, or 0 */
    uint32_t user_timeout_ms;                    /* 0: the configuration's */
    uint16_t keep_idle_s, keep_intvl_s;          /* 0: the configuration's */
    uint16_t maxseg;                             /* WEIR_OPT_MAXSEG, or 0 */
    uint16_t undo_count, tlp_count, dsack_count; /* reductions undone, probes sent, DSACKs heard */
    uint16_t ce_in;                              /* packets that came marked CE; stops at 65,535 */
    uint16_t ece_in;                    /* segments that told of marks on ours; stops at 65,535 */
    uint16_t rto_count, recovery_count; /* they stop at 65,535 */
    uint16_t dupacks_in;                /* and so does this */
    uint8_t keep_cnt, syn_retries;      /* 0: the configuration's */
    uint8_t retries;                    /* timeouts since progress: what R2 counts */
    uint8_t reo_persist;                /* RACK.reo_wnd_persist */
    int8_t linger2;                     /* WEIR_OPT_LINGER2 in seconds, or -1; 0: none set */
};

/* ---- Birth and death ---- */

/* The values a TCB is born with; everything else is zero. CLOSED before any event: births are not
 * edges. */
struct tcp_birth {
    struct tcp_host *host;
    uint32_t index;
    seq32 iss;
    uint32_t ts_offset;
    uint16_t path_mss; /* path MTU less IP and TCP header, without options */
    bool v6; /* a peer that announces no MSS takes 1,220 instead of 536 (RFC 9293, 3.7.1) */
    bool owned;
};

/* Active OPEN: to SYN-SENT, the SYN is due. WEIR_NO_MEMORY if rcv_min cannot be credited. */
enum weir_error tcp_open(struct tcb *tcb, const struct tcp_birth *birth, weir_time now)
    __attribute__((warn_unused_result));

/* Right after birth: segments have room for a signature. False: TCP-AO, and no block is free for
 * what the owner keeps of it (extra.h). */
bool tcp_signed(struct tcb *tcb, bool ao) __attribute__((warn_unused_result));

/* Gives back everything the TCB holds (rings, credit, flight). */
void tcp_free(struct tcb *tcb);

/* ---- The three kinds of input. After each the owner asks: due, tcp_deadline, tcp_ready,
 * tcp_is_over. ---- */

/* Segment arrives, in any state but LISTEN and CLOSED. WEIR_DROP_NONE, or why it (or the rest of
 * it) was not used. `when` is the frame's arrival, for round trips. WEIR_DROP_HANDSHAKE_ACK: the
 * owner answers with tcp_reset_reply (RFC 9293, 3.10.7.3 first, 3.10.7.4 fifth). WEIR_DROP_REOPEN:
 * the SYN may reuse the tuple: the TCB is now CLOSED, tcp_reopen_floor says from where the next ISS
 * must be; the owner frees it and gives the SYN to the listener. */
enum weir_drop tcp_segment_arrives(struct tcb *tcb, const struct tcp_seg *seg,
                                   const struct tcp_opts *opts, weir_time when, weir_time now)
    __attribute__((warn_unused_result));

void tcp_timeout(struct tcb *tcb, weir_time now);

/* An error from ICMP: it ends an opening connection, and is soft for all others (RFC 5461, 5927).
 * `quoted`: the sequence number that it quotes. WEIR_DROP_NONE or why it was not believed. */
enum weir_drop tcp_icmp_error(struct tcb *tcb, enum weir_error error, seq32 quoted, weir_time now);

/* Whether `quoted` is in flight: to be asked before a path MTU is believed. */
bool tcp_icmp_plausible(const struct tcb *tcb, seq32 quoted);

/* User calls. */
void tcp_close(struct tcb *tcb, weir_time now); /* CLOSE */
/* ABORT; owes a reset where the RFC wants one. */
void tcp_abort(struct tcb *tcb, enum weir_cause cause, enum weir_error error, weir_time now);
/* The handle is released: close, or reset if octets are unread. */
void tcp_orphan(struct tcb *tcb, weir_time now);
uint32_t tcp_send_buf(const struct tcb *tcb);          /* octets a program may queue in all */
uint32_t tcp_send_room(const struct tcb *tcb);         /* octets that may be queued now */
enum weir_error tcp_send_error(const struct tcb *tcb); /* WEIR_OK: SEND makes sense now */
bool tcp_send_possible(const struct tcb *tcb);         /* whether tcp_send_view would find memory */
/* Attaches memory; octets shown. */
uint32_t tcp_send_view(struct tcb *tcb, uint32_t want, struct weir_span *span, unsigned *count);
void tcp_send_unview(struct tcb *tcb); /* gives back what was shown and not put */
void tcp_send_put(struct tcb *tcb, uint32_t len, unsigned flags, weir_time now);
uint32_t tcp_readable(const struct tcb *tcb);
enum weir_error tcp_recv_view(const struct tcb *tcb, struct weir_span *span, unsigned *count);
void tcp_recv_took(struct tcb *tcb, uint32_t len, weir_time now);
enum weir_error tcp_set(struct tcb *tcb, enum weir_option option, int64_t value, weir_time now);
enum weir_error tcp_get(const struct tcb *tcb, enum weir_option option, int64_t *value);
void tcp_status(const struct tcb *tcb, struct weir_status *status); /* all but addresses, cookie */

/* ---- What follows ---- */

/* What to send next, and why; false if nothing. Changes nothing. */
bool tcp_output_plan(const struct tcb *tcb, const struct tcp_env *env, weir_time now,
                     struct tcp_plan *plan) __attribute__((warn_unused_result));

/* The plan was handed to a driver. If plainly the last for now, `due` is 0; else ask again. */
void tcp_output_commit(struct tcb *tcb, const struct tcp_plan *plan, weir_time now);

/* There was no plan: clears `due`, notes what is waited for, and sets the timer for that. */
void tcp_output_idle(struct tcb *tcb, const struct tcp_env *env, weir_time now);

/* The payload of a plan in the send ring; the number of spans. */
unsigned tcp_plan_spans(const struct tcb *tcb, const struct tcp_plan *plan, struct weir_span *span,
                        unsigned max);

/* The earliest of the five deadlines. */
weir_time tcp_deadline(const struct tcb *tcb);

/* enum weir_ready: a pure function of the connection. */
unsigned tcp_ready(const struct tcb *tcb);

/* CLOSED, nothing due, no owner: it may be freed. (With an owner it keeps its unread octets, its
 * error and its EOF.) */
bool tcp_is_over(const struct tcb *tcb);

/* TIME-WAIT, or FIN-WAIT-2 without owner, and all is quiet: it may become a tw_entry. */
bool tcp_may_shrink(const struct tcb *tcb);
/* After WEIR_DROP_REOPEN: the new ISS must lie beyond this. */
seq32 tcp_reopen_floor(const struct tcb *tcb);

void tcb_check(const struct tcb *tcb); /* all invariants; panics if one is broken */

WEIR_STATIC_ASSERT(sizeof(struct tcb) <= 6 * ARENA_ALIGN, "the control block's budget");
WEIR_STATIC_ASSERT(offsetof(struct tcb, snd_ring) == TCB_HOT, "what text touches is together");
WEIR_STATIC_ASSERT(WEIR_WAIT_COUNT <= 16 && WEIR_CC_COUNT <= 4, "they fit their bits");

#endif
