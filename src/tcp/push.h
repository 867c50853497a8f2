/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_PUSH_H
#define WEIR_TCP_PUSH_H

/* Where what a program wrote ends: what carries PSH, what no segment may join (WEIR_EOR), and how
 * much a write takes at a time (WEIR_OPT_NOTSENT_LOWAT).
 *
 * Linux queues octets in buffers, and each of the three follows from where those begin and end. A
 * TCB has a ring instead and only imagines them: a piece is as long as a device takes at once, and
 * not longer than half of the largest window. A write fills the last piece before it begins a new
 * one; what leaves makes room in the first.
 *
 * The end of the last write needs no memory (tcb->more, tcb->eor). Ends that lie before others
 * which wait, too, are marks: two in the flight block, more in one block that is borrowed from the
 * pool of the sent map. Where none is to be had, an end of a write is not remembered, which costs a
 * PSH; an end of a record is not accepted. */

#include "base/seq.h"
#include "tcp/sent.h"

#define PUSH_INLINE 2
#define PUSH_MARKS  126 /* in a borrowed block */

struct push_mark {
    seq32 at; /* one past the last octet */
    bool record;
};

struct push {
    seq32 tail;      /* where the last piece of the queue begins, if `known` */
    seq32 pushed;    /* the last end of a write, or what stands for one */
    uint32_t block;  /* POOL_NONE: the marks are in at[] */
    uint8_t first;   /* place of the first mark */
    uint8_t count;   /* of marks */
    uint8_t records; /* of them, those that end one */
    bool known;
    struct push_mark at[PUSH_INLINE];
};

struct tcb;
struct tcb_flight;
struct tcp_plan;

void push_init(struct push *push);
void push_clear(struct push *push, const struct sent_memory *memory);

/* SEND: `len` octets are about to be queued, the last ones of a call unless there is WEIR_MORE. */
void push_put(struct tcb *tcb, uint32_t len, unsigned flags);
bool push_possible(const struct tcb *tcb); /* whether something may be queued behind a record */

/* Octets that a write takes at a time, if `lowat` octets may wait unsent. */
uint32_t push_room(const struct tcb *tcb, uint32_t lowat);

/* Of the octets never sent, those of the first record: all, if no end of one is among them. */
uint32_t push_record(const struct tcb *tcb, uint32_t unsent);

/* Whether a write ends within the `len` octets from SND.NXT, and whether a record ends there. */
bool push_ends(const struct tcb *tcb, uint32_t len);
bool push_ends_record(const struct tcb *tcb, seq32 end);

void push_left(struct tcb_flight *flight, seq32 nxt, const struct sent_memory *memory);

#endif
