/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_CONN_H
#define WEIR_STACK_CONN_H

/* What the instance keeps of a connection beside its TCB: who the two ends are, the way to the
 * peer, the lists it is on, and what the program has been told of it.
 *
 * A connection is named by its place in the pool. The first octets of a free place belong to the
 * pool; a free place has generation 0 (or poison, which is no generation either). */

#include "base/list.h"
#include "ip/ip.h"
#include "tcp/tcb.h"

/* Readiness, and what was told of it: `listed` if and only if `ready & ~reported` is not 0 and
 * there is somebody to be told. */
struct watch {
    struct list_node node; /* of the ready list; a child's place in the accept queue until then */
    uint8_t ready;         /* enum weir_ready */
    uint8_t reported;      /* the part of it that the program was told and that is still true */
    bool listed;
    uint8_t spare;
};

/* Which list `due_node` is on. */
enum conn_on {
    CONN_ON_NOTHING,
    CONN_ON_CONTROL,   /* something small is due: see struct due */
    CONN_ON_DATA,      /* octets are due */
    CONN_ON_MEMORY,    /* waits until a record, a flight block or a chunk is free */
    CONN_ON_NEIGHBOUR, /* waits until the way is known: no list of ours, ip tells */
};

#define CONN_NO_LISTENER UINT16_MAX

struct conn {
    struct weir_ip peer;
    uint16_t lport, rport;
    uint16_t local;      /* number of the local address (locals.c) */
    uint16_t listener;   /* in whose accept queue it waits, or CONN_NO_LISTENER */
    uint32_t generation; /* of the handle; 1..GENERATION_MAX while in use */
    struct ip_path path;
    struct list_node due_node;
    uint64_t cookie; /* the program's */
    struct watch watch;
    uint8_t on;            /* enum conn_on */
    uint8_t due_list;      /* the number of the struct due it is on, if on CONTROL or DATA */
    uint8_t ttl, tos;      /* of its packets */
    bool hashed : 1;       /* in the table of flows; not once it is CLOSED */
    bool wants_memory : 1; /* the program was refused room for want of chunks */
    struct tcb tcb;
};

/* Octets an idle connection costs: itself, its slots in the table of flows at a load of one half,
 * its wheel node with a place in the heap, its node for the neighbour's list. */
#define CONN_COST                                                             \
    (sizeof(struct conn) + 2 * 8 + sizeof(weir_time) + 3 * sizeof(uint32_t) + \
     sizeof(struct list_node))
WEIR_STATIC_ASSERT(CONN_COST <= 512, "an idle connection costs at most 512 octets, all told");

#endif
