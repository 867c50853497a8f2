/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_INTEGRATION_LANE_H
#define WEIR_TESTS_INTEGRATION_LANE_H

/* One direction of the relay: frames that wait until they are due, and what befalls them on the
 * way. Everything that befalls them comes from the lane's own seed and the order of its frames.
 * Times are nanoseconds of CLOCK_MONOTONIC; probabilities are per million. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_FRAMES_MAX  65536
#define LANE_LATE_FACTOR 2 /* a frame that is reordered is under way so many times as long */
#define LANE_NEVER       INT64_MAX

struct lane_frame {
    struct lane_frame *next;
    int64_t due;
    size_t len;
    uint8_t octet[];
};

struct lane_queue {
    struct lane_frame *head, *tail;
};

struct lane {
    int to; /* the socket that frames leave by */
    uint32_t loss, duplicate, reorder;
    uint32_t burst;  /* frames that one loss takes, one after the other; 0 and 1 are the same */
    uint32_t rate;   /* of the bottleneck, kbit/s; 0: there is none */
    uint32_t buffer; /* octets that may wait for it */
    int64_t delay;   /* of all frames, behind the bottleneck */
    int64_t late_by; /* of those reordered, beyond that; 0: LANE_LATE_FACTOR */
    bool held;       /* nothing leaves, nothing is lost */
    bool cut;        /* everything is lost */
    uint64_t state;  /* of the random numbers */
    unsigned count;
    uint32_t burst_left;
    int64_t busy_until; /* the bottleneck */
    /* Each is sorted by itself, as the delay of all in it is the same. */
    struct lane_queue in_time, late;
    uint64_t passed, lost, duplicated, reordered, overflowed, too_long, full;
};

/* Takes a frame that has just arrived. */
void lane_put(struct lane *lane, const uint8_t *octets, size_t len, int64_t now);

/* Sends what is due. */
void lane_move(struct lane *lane, int64_t now);

/* When lane_move has something to do; LANE_NEVER if there is nothing, or it is held. */
int64_t lane_due(const struct lane *lane);

#endif
