/* SPDX-License-Identifier: MIT */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

/* What will happen, ordered by (time, serial): a binary heap. The serial number is that of
 * insertion, so that two things at the same nanosecond happen in the order in which they were
 * decided, on every machine. */

#include "weir/base.h"

enum sim_event_kind {
    SIM_EV_FRAME, /* a frame reaches a host */
    SIM_EV_POLL,  /* a host looks at what reached it */
    SIM_EV_WAKE,  /* weir_deadline */
    SIM_EV_CONN,  /* a connection is to be opened */
    SIM_EV_END,   /* a program at one end of a connection goes on */
    SIM_EV_DGRAM, /* the next datagram */
    SIM_EV_ACCEPT,
    SIM_EV_PAUSE,
    SIM_EV_RESUME,
    SIM_EV_MTU,
    SIM_EV_FAULT, /* a pool is told to fail */
    SIM_EV_PHASE,
};

struct sim_frame;

struct sim_event {
    weir_time at;
    uint64_t serial;
    enum sim_event_kind kind;
    unsigned index;          /* of the host, connection, ... */
    uint64_t generation;     /* of the wake-up: an older one is void */
    struct sim_frame *frame; /* owned by the event */
};

struct sim_queue {
    struct sim_event *heap;
    size_t count, room;
    uint64_t serial;
};

void sim_queue_add(struct sim_queue *queue, weir_time at, enum sim_event_kind kind, unsigned index);
void sim_queue_add_frame(struct sim_queue *queue, weir_time at, unsigned host,
                         struct sim_frame *frame);
void sim_queue_add_wake(struct sim_queue *queue, weir_time at, unsigned host, uint64_t generation);

/* Takes the earliest; false if there is none. */
bool sim_queue_take(struct sim_queue *queue, struct sim_event *event);

#endif
