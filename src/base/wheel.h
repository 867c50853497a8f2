/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_WHEEL_H
#define WEIR_BASE_WHEEL_H

/* Deadlines of `count` things, each named by its index; one deadline a thing.
 *
 * A wheel of 4 levels x 256 slots with a tick of 2^20 ns and a bitmap a level, linked by index in a
 * dense array (neighbours in a slot are strangers: their own memory would be a cache miss each).
 * The slots of the current tick are moved into a small heap ordered by (deadline, index), so things
 * come due in that order and at their exact nanosecond, whatever the history of the wheel.
 *
 * A deadline that moves to a later time, or is cleared, leaves its thing where it is linked: the
 * slot comes up early, the thing is put where it belongs then, and nobody hears of it. So a timer
 * that is set and cleared with every segment costs its own node and no neighbour's. Only one that
 * moves to an earlier time is unlinked and linked anew. */

#include "weir/base.h"

#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_SHIFT 20
#define WHEEL_LEVELS     4
#define WHEEL_SLOTS      256
#define WHEEL_NONE       UINT32_MAX

struct wheel_node {
    weir_time when; /* not before the slot it is linked in; see wheel.c */
    uint32_t next;
    uint32_t prev; /* or the slot / heap position; see wheel.c */
};

struct wheel {
    struct wheel_node *node;
    uint32_t *heap; /* things due in the current tick or before, by (when, index) */
    uint32_t count;
    uint32_t heap_count;
    uint32_t set_count; /* things with a deadline */
    uint64_t tick;      /* the current tick: slots below it are in the heap */
    uint32_t slot[WHEEL_LEVELS][WHEEL_SLOTS];
    uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
};

size_t wheel_size(uint32_t count); /* octets for nodes and heap */
void wheel_init(struct wheel *wheel, void *memory, uint32_t count, weir_time now);

/* Assigns the deadline of `index`; WEIR_NEVER clears it. A time in the past is due at once. */
void wheel_set(struct wheel *wheel, uint32_t index, weir_time when);
weir_time wheel_when(const struct wheel *wheel, uint32_t index);

/* When to wake: the earliest deadline if it is in the heap, else the start of the first slot that
 * is not empty (waking early, even for nothing, is allowed and changes nothing); WEIR_NEVER if
 * nothing is set. */
weir_time wheel_next(const struct wheel *wheel);

/* Takes out the earliest thing whose deadline is <= now, in the order (deadline, index); WHEEL_NONE
 * if none. Its deadline is then not set. */
uint32_t wheel_pop(struct wheel *wheel, weir_time now);

#endif
