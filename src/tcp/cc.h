/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_CC_H
#define WEIR_TCP_CC_H

/* Congestion control (RFC 9293 MUST-19, MAY-18): values in, cwnd, ssthresh and pacing rate out. An
 * algorithm never sees a TCB, so it can be run against a recorded trace on its own. It says how
 * many octets may be in flight; which ones is the scoreboard's word.
 *
 * `struct cc` lives in the TCB and survives idle times. What an algorithm keeps beside it lies in
 * the flight block and does not (RFC 5681, 4.1 makes it stale anyway), but for one that cannot do
 * without: its memory comes from a pool of its own and stays with the connection (CC_KEEPS).
 *
 * Windows are octets, times nanoseconds, rates octets a second. */

#include "weir/base.h"
#include "weir/stack.h"

#define CC_WINDOW_MAX (UINT32_C(1) << 30) /* octets; no window is larger than TCP can say */

struct cc {
    uint32_t cwnd;     /* octets */
    uint32_t ssthresh; /* octets; UINT32_MAX until the first loss */
    uint32_t kept;     /* the algorithm's one word that outlives a flight: CUBIC's W_max in octets,
                          DCTCP's alpha, where a CC_KEEPS algorithm's memory lies */
};

struct cc_path {
    uint32_t mss;      /* octets of payload in a full-sized segment */
    uint32_t cwnd_max; /* octets; windows beyond the send buffer mean nothing */
    bool paced;        /* frames leave at the pacing rate: no ACK lets a burst go */
    bool abe;          /* RFC 8511: a mark weighs less than a loss */
    uint64_t seed;     /* for an algorithm that draws lots; read by `init` only */
};

/* What the acknowledgements of one segment say of the way's rate (rate.h). */
struct cc_rate {
    uint64_t delivered;       /* octets the peer has, cumulative, after this ACK */
    uint64_t prior_delivered; /* the same when the newest octet acknowledged left */
    uint64_t rate;            /* octets a second; 0: no sample */
    uint32_t in_flight;       /* octets in flight when that octet left, itself counted */
    uint32_t lost;            /* octets taken for lost since it left */
    bool app_limited;         /* the sender had too little to send: the rate is a lower bound */
    bool valid;               /* something was newly acknowledged */
};

struct cc_ack {
    uint32_t acked;     /* octets newly acknowledged or selectively acknowledged */
    uint32_t in_flight; /* octets before this ACK */
    uint32_t pipe;      /* octets in flight after it, what is lost aside */
    uint32_t lost;      /* octets newly taken for lost */
    uint32_t marked;    /* of `acked`, octets that the peer says came marked CE */
    weir_time rtt;      /* sample, or -1 */
    weir_time srtt;
    bool cwnd_limited; /* the sender used all of cwnd since the last ACK (RFC 7661): else no growth
                        */
    bool in_loss;      /* slow start after a timeout: growth by at most one segment an ACK (RFC
                          3465, 2.3) */
    bool in_recovery;  /* an episode is under way: only a CC_OWN algorithm is asked */
    weir_time now;
    struct cc_rate rate;
};

struct cc_loss {
    uint32_t in_flight; /* FlightSize: octets sent and not cumulatively acknowledged */
    weir_time now;
    uint64_t delivered; /* as in struct cc_rate */
};

/* ---- What algorithms keep in the flight block ---- */

/* RFC 9406. */
struct cc_hystart {
    uint64_t round_end; /* delivered octets at which the round is over */
    weir_time last_min, round_min;
    weir_time train_from, train_at; /* the first and the last of ACKs without a pause between */
    weir_time base_min; /* what the round trip was when conservative slow start began; 0: it is not
                           on */
    uint8_t samples;    /* in this round; stops at N_RTT_SAMPLE */
    uint8_t css_rounds;
    uint8_t above; /* samples in a row that show a queue */
    bool by_train; /* conservative slow start began with a train, not with a delay */
    bool begun, done;
};

struct cc_cubic_undo {
    uint32_t cwnd, ssthresh, w_max, origin, k_ms, cwnd_prior;
    weir_time epoch;
    uint64_t w_est;
    bool hystart_done, set;
};

struct cc_cubic {
    weir_time epoch;     /* when congestion avoidance began, less time not counted; 0: it has not */
    weir_time quiet;     /* since when cwnd is not used; 0: it is */
    uint64_t w_est;      /* the Reno-friendly window, 1/256 octets */
    uint32_t origin;     /* W_max of this epoch */
    uint32_t k_ms;       /* K */
    uint32_t cwnd_prior; /* before the last reduction */
    uint32_t fraction;   /* of cwnd, 1/256 octets */
    struct cc_hystart hystart;
    struct cc_cubic_undo undo;
};

struct cc_newreno_undo {
    uint32_t cwnd, ssthresh;
    bool set;
};

struct cc_dctcp {
    uint64_t round_end;     /* delivered octets at which the observation window is over */
    uint64_t acked, marked; /* in it */
    bool begun;
    struct cc_newreno_undo undo;
};

struct cc_memory { /* zeroed when the flight block is taken */
    union {
        struct cc_newreno_undo newreno;
        struct cc_cubic cubic;
        struct cc_dctcp dctcp;
    } of;
};

/* ---- An algorithm ---- */

enum cc_trait {
    CC_OWN = 1 << 0,   /* sets cwnd by itself on every ACK, also in recovery and for losses */
    CC_KEEPS = 1 << 1, /* its memory is a `struct cc_bbr`, and stays with the connection */
    CC_PACED = 1 << 2, /* asks for pacing */
    CC_MARKS = 1 << 3, /* wants ECT on its packets and exact echoes (RFC 8257) */
};

/* `memory` is what the traits say: a struct cc_memory, or the algorithm's own. */
struct cc_ops {
    const char *name; /* as Linux calls it */
    unsigned traits;  /* enum cc_trait */
    void (*init)(struct cc *, void *memory, const struct cc_path *);
    void (*acked)(struct cc *, void *memory, const struct cc_path *, const struct cc_ack *);
    void (*lost)(struct cc *, void *memory, const struct cc_path *,
                 const struct cc_loss *); /* once per episode */
    void (*marked)(struct cc *, void *memory, const struct cc_path *,
                   const struct cc_loss *); /* RFC 3168, 6.1.2: once a round trip */
    void (*timeout)(struct cc *, void *memory, const struct cc_path *, const struct cc_loss *,
                    bool first);
    void (*undo)(struct cc *, void *memory, const struct cc_path *); /* the last episode was none */
    void (*idle)(struct cc *, void *memory, const struct cc_path *, weir_time idle, weir_time rto);
    /* Octets are about to leave and none are in flight; NULL if that is nothing to it. */
    void (*restart)(struct cc *, void *memory, const struct cc_path *, bool app_limited,
                    weir_time now);
    uint64_t (*pacing)(const struct cc *, const void *memory); /* NULL: by cwnd and round trip */
};

/* RFC 5681 with appropriate byte counting (RFC 3465), IW10 (RFC 6928). */
extern const struct cc_ops cc_newreno;
/* RFC 9438 with HyStart++ (RFC 9406): the default. */
extern const struct cc_ops cc_cubic;
/* RFC 8257. */
extern const struct cc_ops cc_dctcp;
/* BBR version 3 (draft-ietf-ccwg-bbr). */
extern const struct cc_ops cc_bbr;

/* By enum weir_congestion; `which` must be below WEIR_CC_COUNT. */
const struct cc_ops *cc_ops_of(unsigned which);

/* min(10 x MSS, max(2 x MSS, 14600)): RFC 6928. */
uint32_t cc_initial_window(uint32_t mss);

/* ---- Parts that algorithms share ---- */

static inline uint32_t cc_at_least(uint32_t value, uint32_t floor)
{
    return value < floor ? floor : value;
}

/* RFC 5681, 3.1 and 4.1: a window that was not used for `idle` is halved for each RTO of it, down
 * to the initial window, and ssthresh remembers three quarters of it (as Linux). */
void cc_idle_restart(struct cc *cc, const struct cc_path *path, weir_time idle, weir_time rto);

/* How many octets an ACK may add to cwnd in slow start. */
uint32_t cc_slow_start_limit(const struct cc_path *path, const struct cc_ack *ack);

/* RFC 9406. cc_hystart_grow: by how much the ACK lets cwnd grow below ssthresh; ends slow start by
 * setting ssthresh. cc_hystart_stop: a loss or a mark has ended it. */
uint32_t cc_hystart_grow(struct cc *cc, struct cc_hystart *hystart, const struct cc_path *path,
                         const struct cc_ack *ack);
void cc_hystart_stop(struct cc_hystart *hystart);

/* floor(cube root of x). */
uint32_t cc_cube_root(uint64_t x);

/* W_cubic(t) of RFC 9438, equation 1, in octets: `t` and `k` in milliseconds. Stops at
 * CC_WINDOW_MAX. */
uint32_t cc_cubic_window(uint32_t mss, uint32_t w_max, uint64_t t_ms, uint64_t k_ms);

#endif
