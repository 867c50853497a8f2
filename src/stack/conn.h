/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_CONN_H
#define WEIR_STACK_CONN_H

/* What the instance keeps of a connection beside its TCB: who the two ends are, the way to the
 * peer, the lists it is on, and what the program has been told of it.
 *
 * A connection is named by its place in the pool. The first octets of a free place belong to the
 * pool; a free place has generation 0 (or poison, which is no generation either). */

#include "base/arena.h"
#include "base/list.h"
#include "base/wheel.h"
#include "ip/ip.h"
#include "stack/demux.h"
#include "tcp/tcb.h"

/* Readiness, and what was told of it: `listed` if and only if `ready & ~reported` is not 0 and
 * there is somebody to be told. */
struct watch {
    struct list_node node; /* of the ready list; a child's place in the accept queue until then */
    uint8_t ready;         /* enum weir_ready */
    uint8_t reported;      /* the part of it that the program was told and that is still true */
    bool listed;
    uint8_t min_ttl; /* of a connection: what arrives with less is not heard */
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
#define CONN_LIST_MASK   0x3f
#define CONN_ON_MASK     0x7

/* One line of the cache, and then the TCB's six. */
struct conn {
    struct weir_ip peer;
    uint16_t lport, rport;
    uint16_t local;      /* number of the local address (flow.c) */
    uint16_t listener;   /* in whose accept queue it waits, or CONN_NO_LISTENER */
    uint32_t generation; /* of the handle; 1..GENERATION_MAX while in use */
    struct ip_path path;
    struct list_node due_node;
    struct watch watch;
    uint8_t on : 3; /* enum conn_on */
    bool timed : 1; /* the wheel may have a deadline of it: if not, its node is not looked at */
    uint8_t due_list : 6;  /* the number of the struct due it is on, if on CONTROL or DATA */
    bool hashed : 1;       /* in the table of flows; not once it is CLOSED */
    bool wants_memory : 1; /* the program was refused room for want of chunks */
    uint8_t ttl, tos;      /* of its packets */
    struct tcb tcb;
};

/* What an idle connection costs: itself, its cookie, two slots in the table of flows (which is half
 * full or more), its wheel node and its place in the wheel's heap, and what ip keeps of those who
 * wait for a neighbour. */
#define CONN_COST                                                             \
    (sizeof(struct conn) + sizeof(uint64_t) + 2 * sizeof(struct demux_slot) + \
     sizeof(struct wheel_node) + sizeof(uint32_t) + sizeof(struct list_node) + sizeof(uint32_t))
WEIR_STATIC_ASSERT(CONN_COST <= 512, "an idle connection costs at most 512 octets, all told");
WEIR_STATIC_ASSERT(offsetof(struct conn, tcb) == ARENA_ALIGN &&
                       sizeof(struct conn) % ARENA_ALIGN == 0,
                   "a TCB begins with a line of its own");
WEIR_STATIC_ASSERT(IP_IFACE_MAX + 1 <= CONN_LIST_MASK, "each interface has its list, and the loop");

#endif
