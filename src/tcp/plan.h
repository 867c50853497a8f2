/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_PLAN_H
#define WEIR_TCP_PLAN_H

/* What the next segment is, and why: the answer of tcp_output_plan (tcb.h), and what it is asked
 * with. A plan is a value: it holds sequence numbers and options, and no pointer to anything. */

#include "base/seq.h"
#include "wire/tcp.h"

struct tcp_env {
    uint32_t gso_max; /* payload octets a frame may carry: one MSS (0) without segmentation offload,
                         else 65,160 */
    bool path_ready;  /* the neighbour is known */
};

struct tcp_plan {
    uint16_t why; /* enum weir_why */
    uint16_t flags;
    seq32 seq, ack;
    uint32_t len;      /* payload octets, from the send ring */
    uint16_t gso_size; /* 0: one segment */
    uint16_t wnd, urg;
    uint8_t head_len; /* TCP header with options */
    bool fresh;       /* new octets (or FIN, SYN), not a retransmission */
    bool pushed;      /* ... and a write ends with them */
    seq32 edge;       /* right edge it advertises */
    uint8_t dsacks;   /* DSACK blocks it carries */
    uint8_t ecn;      /* for the IP header: ECN_NOT_ECT or ECN_ECT0 */
    struct tcp_opts opts;
};

#endif
