/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_FLIGHT_H
#define WEIR_TCP_FLIGHT_H

/* The part of a connection that an idle one does not pay for: a pooled block, taken with the first
 * octet sent or misplaced, given back when all is quiet (docs/adr/0003-flight-release.md). */

#include "base/ranges.h"
#include "tcp/cc.h"
#include "tcp/push.h"
#include "tcp/rtx_log.h"
#include "tcp/sent.h"
#include "wire/tcp.h"

/* What small fields of the TCB mean that only this module reads. */
enum tcp_rtx_kind {
    TCP_RTX_NONE,
    TCP_RTX_RTX,
    TCP_RTX_PERSIST,
    TCP_RTX_TLP,     /* the probe of RFC 8985, 7 */
    TCP_RTX_REORDER, /* what is judged next may be lost (RFC 8985, 6.2, step 5) */
    TCP_RTX_UNDO,    /* all is acknowledged; that a loss was none may still be told (undo.c) */
};
enum tcp_keep_kind {
    TCP_KEEP_NONE,
    TCP_KEEP_ALIVE,
    TCP_KEEP_ORPHAN,
    TCP_KEEP_TIME_WAIT
};
enum tcp_recovery {
    TCP_OPEN,
    TCP_RECOVERY,
    TCP_LOSS
};

#define TCP_RECENT_MAX 8 /* ranges remembered for SACK options: two or three ACKs tell of them */

/* RFC 8985, 5: which of the segments delivered so far left last, and its round trip. */
struct rack {
    weir_time xmit_ts, rtt; /* rtt < 0: nothing was delivered yet */
    weir_time due_at;       /* when what is judged next may be lost; WEIR_NEVER */
    seq32 end_seq;
    seq32 dsack_round; /* RACK.dsack_round: SND.NXT when reo_wnd was widened last */
};

/* RFC 9937, 6; octets. */
struct prr {
    uint32_t delivered, out, start; /* start: RecoverFS */
};

/* What is put back if a reduction turns out to have been for nothing (undo.c). */
struct undo {
    uint32_t cwnd, ssthresh; /* before the reduction */
    seq32 marker;            /* SND.UNA then: a DSACK below it is about something older */
    uint32_t octets;         /* sent again and not reported as duplicate */
    uint32_t stamp;          /* TSval of the first retransmission */
    bool armed;              /* there is something to put back */
    bool any;                /* something was sent again */
};

enum frto {
    FRTO_OFF,
    FRTO_FIRST, /* RFC 5682, 3.1 step 2: waits for the first ACK after the timeout */
    FRTO_NEW,   /* step 3: new octets were let go, retransmissions wait */
};

/* RFC 8985, 7.1. */
struct tlp {
    seq32 end;        /* TLP.end_seq, if active */
    bool active, rtx; /* a probe is out; it was a retransmission (TLP.is_retrans) */
    bool due;         /* the PTO has fired, the probe has not left */
};

/* What only matters while something is in flight or out of order. Taken with the first octet sent
 * or misplaced, given back when all is quiet. */
struct tcb_flight {
    struct ranges ranges; /* octets beyond RCV.NXT that have arrived */
    struct tcp_sack_block
        recent[TCP_RECENT_MAX]; /* what our next SACK option says, most recent first */
    uint32_t hole_space;        /* the window when the first octets came beyond a hole */
    uint32_t hole_octets;       /* what has come beyond it since; stops at hole_space */
    uint8_t recent_count;
    uint8_t unsaid;      /* so many of them, the first ones, no ACK has told of yet */
    uint8_t dsack_count; /* duplicates to be reported (RFC 2883) */
    uint8_t dupacks;     /* in a row, for peers without SACK; stops at 255 */
    uint8_t rescue_done; /* RFC 6675's rescue retransmission was spent in this episode */
    uint8_t frto;        /* enum frto */
    bool cwr;            /* cwr_point means something */
    bool used_full;      /* cwnd was full in the round trip that ends at used_until */
    struct tcp_sack_block dsack[2];
    struct sent_map map;
    struct rtx_log log;
    struct rack rack;
    struct prr prr;
    struct undo undo;
    struct tlp tlp;
    struct push push;
    weir_time rto_at;     /* when the retransmission timeout is due, whatever the timer runs for */
    weir_time pto_at;     /* when the tail loss probe is due; WEIR_NEVER */
    uint32_t sacked_segs; /* segments with the bit, whole or in part above SND.UNA */
    uint32_t sacked, lost,
        rtx; /* octets with these bits, above SND.UNA: kept, and re-counted in verify builds */
    uint32_t reno_sacked; /* octets that duplicate ACKs say have left, for peers without SACK */
    seq32 high_sacked;    /* one past the highest sacked octet; SND.UNA if none */
    seq32 lost_edge; /* what was sent below it once only is sacked or has been taken for lost */
    seq32 rtx_next;  /* no lost segment below it waits for its retransmission */
    seq32 recovery_point; /* RFC 6675: SND.NXT when the episode began */
    uint64_t delivered;   /* octets, cumulative */
    struct cc_memory cc_memory;
    struct cc_rate rate;     /* what the last ACK told */
    uint64_t app_limited;    /* delivered octets up to which the program had too little; 0: none */
    weir_time delivered_at;  /* when the last octets were acknowledged */
    weir_time first_sent_at; /* when the run that was last acknowledged had left */
    weir_time pace_next;     /* by schedule; WEIR_NEVER: there is none yet */
    uint32_t lost_ever;      /* octets ever taken for lost, modulo 2^32 */
    uint32_t lost_told;      /* the same when congestion control last heard of it */
    uint32_t marked;         /* octets that the last ACK said came marked */
    uint32_t cwnd_used;      /* the most that was in flight since cwnd was last full (RFC 7661) */
    weir_time cwnd_full_at;  /* when that was */
    seq32 cwr_point;         /* until here no further mark counts */
    seq32 used_until;        /* where a round trip ends (used_full) */
    uint32_t used_most;      /* the most that was in flight in it, if cwnd was not full */
    uint32_t silent_ms;      /* when what times out was first sent again (tcp_ms) */
};

WEIR_STATIC_ASSERT(sizeof(struct tcb_flight) <= 800, "the flight block's budget");

#endif
