/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_GOLDEN_PATH_H
#define WEIR_TESTS_GOLDEN_PATH_H

/* Some flows over one bottleneck, in virtual time: two instances, a link with a rate, a queue and
 * a delay between them, and nothing of the way back but the delay. The same plan gives the same
 * numbers on every machine. */

#include "weir/stack.h"

#define PATH_FLOWS 64

struct path_plan {
    uint64_t rate;       /* of the bottleneck, octets a second */
    weir_time rtt;       /* without any queue */
    uint32_t buffer;     /* octets that may wait */
    uint32_t loss;       /* of frames to the receiver, per 2^32 */
    uint32_t loss_run;   /* so many in a row are lost each time; 0 is 1 */
    weir_time loss_from; /* they are safe before */
    uint32_t late;       /* of frames to the receiver, per 2^32: those that come `late_by` later */
    weir_time late_by;
    uint32_t mark_at;   /* octets waiting from which on packets are marked; 0: never */
    weir_time warm_up;  /* what is received before counts nothing */
    weir_time duration; /* of the whole run */
    unsigned flows;     /* they begin 10 ms apart, or `apart` */
    weir_time apart;
    uint8_t congestion[PATH_FLOWS]; /* enum weir_congestion of each */
    uint64_t pacing_max;            /* WEIR_OPT_MAX_PACING_RATE of all; 0: none */
    uint8_t ecn;                    /* config.ecn of both ends */
    weir_time pause_at, pause_for;  /* the programs write nothing then; 0: never */
    weir_time coarse; /* the sender wakes for its timers only at multiples of this; 0: exactly */
    bool own_windows; /* the windows are the configuration's defaults, not a size for the path */
    uint64_t seed;
};

struct path_flow_result {
    uint64_t octets;           /* received after the warm-up */
    struct weir_status status; /* of the sender, at the end */
};

struct path_result {
    uint64_t frames, drops, lost, marks; /* at the bottleneck; drops are for want of room */
    uint64_t first_drop_acked;           /* octets the receiver had at the first drop */
    uint32_t queue_max;
    uint64_t queue_sum; /* octets found waiting, over all frames after the warm-up */
    uint64_t queue_count;
    uint64_t gaps_short; /* frames that left less than `gap_least` after the one before */
    weir_time gap_least; /* between two frames of the sender, after the warm-up */
    struct path_flow_result flow[PATH_FLOWS];
};

/* Ends the program if an instance cannot be made. */
void path_run(const struct path_plan *plan, struct path_result *result);

/* Octets that fill the way: rate x rtt. */
uint32_t path_bdp(const struct path_plan *plan);

/* Of all flows together, over what the bottleneck could carry in the same time as payload. */
double path_use(const struct path_plan *plan, const struct path_result *result);

/* Jain's index. */
double path_fairness(const struct path_plan *plan, const struct path_result *result);

#endif
