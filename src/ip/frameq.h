/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_FRAMEQ_H
#define WEIR_IP_FRAMEQ_H

/* Frames that wait for a driver, first in first out, each in one piece, in one block of octets.
 *
 * A frame that does not fit before the end of the block starts over at its beginning. Frames taken
 * out stay readable until frameq_release: an output frame is lent to the driver until the next call
 * on the instance. Bounded by its octets; nothing is ever moved. */

#include "base/arena.h"
#include "base/assert.h"

struct frameq {
    uint8_t *memory;
    uint32_t size;  /* octets, a power of two */
    uint32_t freed; /* running offsets: freed <= head <= tail <= freed + size */
    uint32_t head;  /* the next frame to take */
    uint32_t tail;  /* where the next record goes */
};

/* What is kept with a frame. */
struct frameq_info {
    uint32_t len;
    uint16_t why;      /* enum weir_why */
    uint16_t gso_size; /* loopback only: the payload counts as segments of this size */
    uint8_t csum_ok;   /* loopback only: the transport sum need not be checked */
};

/* `size` is a power of two. With an arena that only counts, it only counts. */
void frameq_init(struct frameq *q, struct arena *arena, uint32_t size);

/* Whether `count` frames of at most `len` octets each surely fit now. */
bool frameq_fits(const struct frameq *q, uint32_t count, uint32_t len);

/* Room for a frame of up to `len` octets, or NULL if there is none. frameq_commit makes it a frame;
 * without that it never was. */
uint8_t *frameq_reserve(struct frameq *q, uint32_t len);
void frameq_commit(struct frameq *q, const struct frameq_info *info);

/* The next frame, or NULL. Its octets stay as they are until frameq_release. */
uint8_t *frameq_take(struct frameq *q, struct frameq_info *info);

/* Frames taken so far are not needed any more. */
void frameq_release(struct frameq *q);

static inline bool frameq_is_empty(const struct frameq *q)
{
    return q->head == q->tail;
}

#endif
