/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_SMALL_H
#define WEIR_TCP_SMALL_H

/* Connections in 64 octets: SYN-RECEIVED before the peer has proved that it hears us, and TIME-WAIT
 * (or FIN-WAIT-2 without owner) after everything is said. The entries are only storage: the rules
 * stay in this module, and are those of every connection. The owner keeps, finds and times the
 * entries. */

#include "tcp/tcb.h"

/* A connection in SYN-RECEIVED of a passive open that has not proved that it hears us. */
struct synq_entry {
    uint8_t peer[16];      /* owner's: remote address */
    uint16_t lport, rport; /* owner's, host order */
    uint16_t local;        /* owner's: number of the local address */
    uint16_t listener;     /* owner's */
    uint32_t next, prev;   /* owner's: links of the FIFO of its retry count */
    seq32 iss, irs;
    uint32_t ts_recent;
    uint32_t
        due_ms; /* owner's: when the SYN-ACK is sent again, in ms since the epoch, modulo 2^32 */
    uint32_t sent_us; /* when the SYN-ACK was made, for the first RTT; microseconds, modulo 2^32 */
    uint16_t peer_mss;
    uint16_t path_mss;
    uint8_t flags; /* enum synq_flag */
    uint8_t snd_wscale : 4;
    bool fast_exp : 1; /* owner's: of SYNQ_FAST, in the experimental option */
    uint8_t retries;
    uint8_t iface;         /* owner's */
    uint32_t challenge_ms; /* last challenge ACK or repeated SYN-ACK */
};

enum synq_flag {
    SYNQ_TS = 1 << 0,
    SYNQ_SACK = 1 << 1,
    SYNQ_WS = 1 << 2,
    SYNQ_RTX = 1 << 3,    /* SYN-ACK was sent more than once */
    SYNQ_COOKIE = 1 << 4, /* rebuilt from a cookie: lives on the stack only... */
    SYNQ_FAST = 1 << 4,   /* ... and in the queue: the SYN-ACK gives a Fast Open cookie */
    SYNQ_ECN = 1 << 5,    /* RFC 3168 is agreed */
    SYNQ_ACCECN = 1 << 6, /* RFC 9768 is agreed */
    SYNQ_ACKED = 1 << 7,  /* the peer hears us, but has no data yet (WEIR_OPT_DEFER_ACCEPT) */
};

/* TIME-WAIT, or FIN-WAIT-2 without owner. */
struct tw_entry {
    uint8_t peer[16];      /* owner's */
    uint16_t lport, rport; /* owner's */
    uint16_t local;        /* owner's */
    uint8_t iface;         /* owner's */
    uint8_t flags;         /* state, ts_ok, wscales... private to small.c */
    uint32_t next, prev;   /* owner's */
    uint32_t due_ms; /* when it ends; ms since the epoch, modulo 2^32. tcp_shrink writes it: a FIN
                        that came again begins the time anew */
    seq32 rcv_nxt, snd_nxt;
    uint32_t ts_recent;
    uint32_t challenge_ms;
    uint16_t ts_recent_age;
    uint16_t wnd; /* as it would stand in the header */
    uint8_t scale;
    uint8_t spare[3];
    uint32_t ts_offset; /* a hash, which is not taken again */
};

/* A clean SYN at a listener: fills all of the entry that is not the owner's. */
void tcp_synq_open(struct synq_entry *entry, const struct tcp_birth *birth,
                   const struct tcp_seg *syn, const struct tcp_opts *opts, weir_time now);

/* The SYN-ACK leaves only now: the first round trip is measured from here. */
void tcp_synq_admit(struct synq_entry *entry, const struct tcp_host *host, weir_time now);

/* A segment that is sent for an entry. */
struct tcp_reply {
    struct tcp_seg seg;
    struct tcp_opts opts;
};

/* The SYN-ACK of an entry (`why`: SYN_ACK, RTX_SYN_ACK or SYN_COOKIE); ports are filled in too. */
void tcp_synq_answer(const struct synq_entry *entry, const struct tcp_host *host,
                     uint32_t ts_offset, uint16_t maxseg, weir_time now, struct tcp_reply *reply);

enum synq_verdict {
    SYNQ_DROP,      /* silently, for `*why` */
    SYNQ_ANSWER,    /* SYN-ACK again (already rate-limited) */
    SYNQ_CHALLENGE, /* challenge ACK (already rate-limited) */
    SYNQ_RESET,     /* reset to the segment; the entry stays */
    SYNQ_DELETE,    /* the peer reset it: forget it, say nothing */
    SYNQ_PROMOTE,   /* it has proved that it hears us */
};

/* A segment for an entry, in the order architecture 4 fixes. */
enum synq_verdict tcp_synq_arrives(struct synq_entry *entry, const struct tcp_host *host,
                                   const struct tcp_seg *seg, const struct tcp_opts *opts,
                                   weir_time now, enum weir_drop *why);

/* A challenge ACK of an entry. */
void tcp_synq_challenge(const struct synq_entry *entry, const struct tcp_host *host,
                        uint32_t ts_offset, weir_time now, struct tcp_reply *reply);

/* To a TCB in SYN-RECEIVED; the owner then gives it the segment. WEIR_NO_MEMORY if rcv_min cannot
 * be credited. */
enum weir_error tcp_synq_promote(const struct synq_entry *entry, struct tcb *tcb,
                                 const struct tcp_birth *birth, weir_time now)
    __attribute__((warn_unused_result));

/* SYN cookies (RFC 4987, 3.6). `tuple` is 40 octets that name the connection. */
seq32 tcp_cookie_make(const struct tcp_host *host, const void *tuple, const struct tcp_seg *syn,
                      const struct tcp_opts *opts, bool v6, weir_time now);

/* Rebuilds the entry from the ACK of a cookie; false if it is not one of ours or older than two
 * minutes. Of `birth` the ISS is not read. */
bool tcp_cookie_check(const struct tcp_birth *birth, const void *tuple, const struct tcp_seg *ack,
                      const struct tcp_opts *opts, weir_time now, struct synq_entry *entry);

/* The SYN-ACK that carries a cookie, which is `birth->iss`. With timestamps the low bits of TSval
 * remember window scale and SACK; without them the peer gets an MSS alone, as from Linux. */
void tcp_cookie_answer(const struct tcp_birth *birth, const struct tcp_seg *syn,
                       const struct tcp_opts *opts, weir_time now, struct tcp_reply *reply);

void tcp_shrink(const struct tcb *tcb, struct tw_entry *entry);
/* Whether a connection of ours may take the place of an entry: it is TIME-WAIT, for longer than
 * `age`, and both sides have timestamps, so that the peer tells what is old by them (RFC 7323, 5;
 * Linux's tcp_tw_reuse). `floor` is what its ISS must lie beyond. */
bool tcp_may_replace(const struct tw_entry *entry, const struct tcp_host *host, weir_time age,
                     weir_time now, seq32 *floor);
/* To a scratch TCB (no rings, no flight, no owner); then tcp_segment_arrives, plan and commit, and
 * tcp_shrink again if it is not CLOSED. */
void tcp_unshrink(const struct tw_entry *entry, struct tcb *scratch, const struct tcp_birth *birth,
                  weir_time now);

WEIR_STATIC_ASSERT(sizeof(struct synq_entry) == 64, "a half-open connection costs 64 octets");
WEIR_STATIC_ASSERT(sizeof(struct tw_entry) == 64, "TIME-WAIT costs 64 octets");

#endif
