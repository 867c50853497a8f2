/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_CC_H
#define WEIR_TCP_CC_H

/* Congestion control: values in, cwnd, ssthresh and pacing rate out. An algorithm never sees a TCB,
 * so it can be run against a recorded trace on its own. It says how many octets may be in flight;
 * which ones is the scoreboard's word.
 *
 * `struct cc` lives in the TCB and survives idle times; `struct cc_memory` lives in the flight
 * block and does not (RFC 5681, 4.1 makes it stale anyway). */

#include "weir/base.h"

struct cc {
    uint32_t cwnd;     /* octets */
    uint32_t ssthresh; /* octets; UINT32_MAX until the first loss */
};

struct cc_memory {
    uint64_t word[12]; /* the algorithm's own; zeroed when the flight block is taken */
};

struct cc_path {
    uint32_t mss;      /* octets of payload in a full-sized segment */
    uint32_t cwnd_max; /* octets; windows beyond the send buffer mean nothing */
};

struct cc_ack {
    uint32_t acked;     /* octets newly acknowledged or selectively acknowledged */
    uint32_t in_flight; /* octets before this ACK */
    weir_time rtt;      /* sample, or -1 */
    weir_time srtt;
    bool cwnd_limited; /* the sender used all of cwnd since the last ACK (RFC 7661): else no growth
                        */
    bool in_loss;      /* slow start after a timeout: growth by at most one segment an ACK (RFC
                          3465, 2.3) */
    weir_time now;
};

struct cc_loss {
    uint32_t in_flight; /* FlightSize: octets sent and not cumulatively acknowledged */
    weir_time now;
};

struct cc_ops {
    const char *name;
    void (*init)(struct cc *, struct cc_memory *, const struct cc_path *);
    void (*acked)(struct cc *, struct cc_memory *, const struct cc_path *, const struct cc_ack *);
    void (*lost)(struct cc *, struct cc_memory *, const struct cc_path *,
                 const struct cc_loss *); /* once per episode */
    void (*timeout)(struct cc *, struct cc_memory *, const struct cc_path *, const struct cc_loss *,
                    bool first);
    void (*idle)(struct cc *, struct cc_memory *, const struct cc_path *, weir_time idle,
                 weir_time rto);
};

/* RFC 5681 with appropriate byte counting (RFC 3465), IW10 (RFC 6928). */
extern const struct cc_ops cc_newreno;

/* min(10 x MSS, max(2 x MSS, 14600)): RFC 6928. */
uint32_t cc_initial_window(uint32_t mss);

#endif
