/* SPDX-License-Identifier: MIT */
#ifndef WEIR_LOOP_PARTS_H
#define WEIR_LOOP_PARTS_H

/* What a loop consists of: ports (an interface of an instance and its driver), watches (descriptors
 * of the program) and timers. Each is one file; loop.c puts them in order and sleeps. */

#include "weir/loop.h"

#include <sys/epoll.h>

/* Frames taken from an instance at a time. All of them lie in its memory until they are written,
 * and the acknowledgements that arrive meanwhile wait, so it is not many. */
#define OUT_BATCH 16

/* Frames that land between two looks at what is due. */
#define LANDED_MAX 8

/* Room for one held frame: it may be the longest. */
#define HELD_SLOT (WEIR_HEAD_MAX + WEIR_FRAME_MAX)

struct port {
    struct weir *weir;
    unsigned iface;
    struct weir_dev *dev;
    struct weir_capture *capture;
    unsigned capture_port;
    bool readable;    /* to be read in this round */
    uint32_t wanted;  /* what epoll is asked to say of it; 0: it is not in the set */
    unsigned held_at; /* held[held_at, held_count) wait for the driver */
    unsigned held_count;
    struct weir_out
        *held;       /* OUT_BATCH of them, made when first needed; each has one span, in octets */
    uint8_t *octets; /* OUT_BATCH * HELD_SLOT */
};

static inline bool port_holds(const struct port *port)
{
    return port->held_at < port->held_count;
}

/* Reads a batch and gives it to the instance. Returns the number of frames, or -errno. */
int port_input(struct port *port, weir_time now);

/* What port_output did. */
struct port_sent {
    unsigned frames;
    unsigned held; /* frames newly kept */
    bool more;     /* a full batch: there may be more */
};

/* Writes a batch from the instance; nothing while frames are held. */
struct port_sent port_output(struct port *port, weir_time now);

/* Writes what is held, now that the driver says it is writable. */
void port_resume(struct port *port);

void port_end(struct port *port);

struct watch {
    weir_loop_fd_fn *on_ready; /* NULL: the slot is free */
    void *user;
    uint32_t serial; /* tells a descriptor from an earlier one of the same number */
};

struct instance {
    struct weir *weir;
    weir_loop_event_fn *on_event;
    void *user;
};

#define READY_MAX 64 /* descriptors that one wake-up reports */

struct weir_loop {
    struct weir_loop_config config;
    int epoll_fd;
    int stop_fd; /* an eventfd, so that stopping also ends a sleep */
    bool stopping;
    struct instance instance[WEIR_LOOP_INSTANCES_MAX];
    unsigned instance_count;
    struct port port[WEIR_LOOP_DEVS_MAX];
    unsigned port_count;
    struct weir_pair *pair[WEIR_LOOP_PAIRS_MAX];
    unsigned pair_count;
    struct watch *watch; /* by descriptor */
    unsigned watch_max;
    unsigned watch_count;
    uint32_t watch_serial;
    struct weir_loop_timer *timers; /* the earliest first */
    struct epoll_event ready[READY_MAX];
    unsigned ready_count;
    bool hot;              /* there may be more to do at once */
    bool undone;           /* events or frames out are left over from the last round */
    weir_time deadline;    /* the first of the instances', as of the last round with work */
    weir_time spin_end;    /* until when not to sleep */
    unsigned worth;        /* of late waits were short, in steps (loop.c, waiting awake) */
    bool yield;            /* the next wait is not to be spent awake */
    weir_time yield_until; /* nor is one that begins before that */
    struct weir_loop_counters counters;
};

/* What epoll hands back: the kind in the top byte, and below it a port's number or a descriptor
 * with its serial. */
enum tag {
    TAG_STOP,
    TAG_PORT,
    TAG_WATCH,
};

static inline uint64_t tag_make(enum tag tag, uint32_t serial, uint32_t number)
{
    return (uint64_t)tag << 56 | (uint64_t)(serial & 0xffffff) << 32 | number;
}

static inline enum tag tag_kind(uint64_t data)
{
    return (enum tag)(data >> 56);
}

/* Calls the program for its descriptors among `ready`. */
void watch_run(struct weir_loop *loop, weir_time now);

/* When the first timer fires, and all that are due. */
weir_time timer_deadline(const struct weir_loop *loop);
void timer_run(struct weir_loop *loop, weir_time now);

#endif
