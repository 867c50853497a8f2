/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_FLIGHT_H
#define WEIR_TCP_FLIGHT_H

/* The part of a connection that an idle one does not pay for: a pooled block, taken with the first
 * octet sent or misplaced, given back when all is quiet (docs/adr/0003-flight-release.md). */

#include "base/ranges.h"
#include "tcp/cc.h"
#include "tcp/sent.h"
#include "wire/tcp.h"

/* What only matters while something is in flight or out of order. Taken with the first octet sent
 * or misplaced, given back when all is quiet. */
struct tcb_flight {
    struct ranges ranges; /* octets beyond RCV.NXT that have arrived */
    struct tcp_sack_block
        recent[TCP_SACK_MAX]; /* what our next SACK option says, most recent first */
    uint8_t recent_count;
    uint8_t dsack_count; /* duplicates to be reported (RFC 2883) */
    uint8_t dupacks;     /* in a row, for peers without SACK; stops at 255 */
    uint8_t rescue_done; /* RFC 6675's rescue retransmission was spent in this episode */
    struct tcp_sack_block dsack[2];
    struct sent_map map;
    uint32_t sacked, lost,
        rtx; /* octets with these bits, above SND.UNA: kept, and re-counted in verify builds */
    uint32_t reno_sacked; /* octets that duplicate ACKs say have left, for peers without SACK */
    seq32 high_sacked;    /* one past the highest sacked octet; SND.UNA if none */
    seq32 lost_edge;      /* everything below it that is not sacked has been taken for lost */
    seq32 rtx_next;       /* no lost segment below it waits for its retransmission */
    seq32 recovery_point; /* RFC 6675: SND.NXT when the episode began */
    uint64_t delivered;   /* octets, cumulative */
    struct cc_memory cc_memory;
};

WEIR_STATIC_ASSERT(sizeof(struct tcb_flight) <= 640, "the flight block's budget");

#endif
