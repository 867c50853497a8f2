/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_CC_BBR_H
#define WEIR_TCP_CC_BBR_H

/* What BBR keeps of a connection: its model of the way. It is large and must not be forgotten when
 * everything is acknowledged, so it lies in a pool of its own (config.bbr_max), and a connection
 * under another algorithm pays nothing for it. */

#include "tcp/cc.h"

enum bbr_state {
    BBR_STARTUP,
    BBR_DRAIN,
    BBR_PROBE_BW_DOWN,
    BBR_PROBE_BW_CRUISE,
    BBR_PROBE_BW_REFILL,
    BBR_PROBE_BW_UP,
    BBR_PROBE_RTT,
};

/* Which of our probes the ACKs that come now tell about. */
enum bbr_ack_phase {
    BBR_ACKS_INIT,
    BBR_ACKS_REFILLING,
    BBR_ACKS_PROBE_STARTING,
    BBR_ACKS_PROBE_FEEDBACK,
    BBR_ACKS_PROBE_STOPPING,
};

#define BBR_NO_LIMIT UINT32_MAX /* inflight_lo, inflight_hi */

/* Names are the draft's. */
struct cc_bbr {
    /* The rate model. */
    uint64_t bw_filter[2]; /* the largest rate of this probing cycle and of the last */
    uint64_t bw_lo;        /* UINT64_MAX: none */
    uint64_t bw_latest;
    uint64_t full_bw;
    uint64_t pacing_rate;
    /* The volume model. */
    uint32_t inflight_lo, inflight_hi, inflight_latest;
    uint32_t extra_acked[2]; /* of five rounds each */
    uint32_t prior_cwnd;
    weir_time min_rtt, min_rtt_stamp; /* 0: none yet */
    weir_time probe_rtt_min_delay, probe_rtt_min_stamp;
    weir_time probe_rtt_done_stamp; /* 0: the flight is not small enough yet */
    weir_time cycle_stamp, bw_probe_wait;
    uint64_t account_from,
        account_lost;                  /* delivered octets when DOWN or REFILL began; lost since */
    uint64_t quiet_octets, quiet_lost; /* acknowledged or lost while no queue stood; lost then */
    weir_time extra_acked_start;
    uint64_t extra_acked_delivered;
    /* Rounds. */
    uint64_t next_round_delivered, loss_round_delivered;
    uint64_t recovery_round; /* delivered octets until which packets are conserved */
    uint64_t limited_until;  /* delivered octets below which a sample is ours to blame */
    uint64_t rng;
    uint32_t round_count, rounds_since_bw_probe, extra_acked_rounds;
    uint8_t state, ack_phase; /* enum bbr_state, enum bbr_ack_phase */
    uint8_t full_bw_count, loss_events, bw_probe_up_rounds;
    bool full_bw_reached, full_bw_now;
    bool round_start, loss_round_start, loss_in_round;
    bool bw_probe_samples, idle_restart, probe_rtt_round_done;
    bool in_recovery, conserves, probe_rtt_expired;
    bool queue; /* the last round trip shows one */
};

#endif
