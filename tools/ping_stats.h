/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TOOLS_PING_STATS_H
#define WEIR_TOOLS_PING_STATS_H

/* What a row of echoes says: times, their spread, jitter, loss, and the TTL. Exact integers, in
 * nanoseconds; prints nothing by itself but what ping_stats_print is asked for. */

#include "weir/base.h"

#include <stdio.h>

struct ping_stats {
    uint64_t sent, received, repeated, damaged, errors;
    weir_time least, most, sum, last;
    uint64_t square_sum; /* of microseconds */
    weir_time jitter; /* RFC 3550, 6.4.1: smoothed difference of successive times, in sixteenths */
    unsigned ttl_least, ttl_most; /* of the replies; 0: not seen */
};

void ping_stats_add(struct ping_stats *stats, weir_time took, unsigned ttl);

weir_time ping_stats_mean(const struct ping_stats *stats);
weir_time ping_stats_deviation(const struct ping_stats *stats); /* as iputils: mdev */
weir_time ping_stats_jitter(const struct ping_stats *stats);

/* Thousandths of the requests that got no answer. */
unsigned ping_stats_loss(const struct ping_stats *stats);

/* The hops that a TTL suggests, counted from the next of the usual beginnings (32, 64, 128, 255).
 * `began` may be NULL. */
unsigned ping_stats_hops(unsigned ttl, unsigned *began);

/* The closing lines: in the form of ping(8), then jitter and what the TTL suggests. */
void ping_stats_print(const struct ping_stats *stats, const char *target, weir_time took,
                      FILE *file);

#endif
