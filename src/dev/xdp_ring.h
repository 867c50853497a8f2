/* SPDX-License-Identifier: MIT */
#ifndef WEIR_DEV_XDP_RING_H
#define WEIR_DEV_XDP_RING_H

/* The rings that an AF_XDP socket shares with the kernel: one side produces entries, the other
 * consumes them, and each side owns one index. The indices run on through 2^32; an entry's place is
 * the index cut to the ring's size, a power of two.
 *
 * Of the rings `fill` and `tx` we are the producer, of `rx` and `completion` the consumer. What is
 * written to an entry is seen by the other side after the give, what is read from one is not
 * overwritten before the take. */

#include <stdbool.h>
#include <stdint.h>

struct xdp_ring {
    uint32_t *producer, *consumer; /* shared; one of them is ours to write */
    uint32_t *flags;               /* shared: XDP_RING_NEED_WAKEUP */
    void *entries;                 /* struct xdp_desc of rx and tx, uint64_t of the others */
    uint32_t size;
};

/* Entries that are there for us as the consumer. */
static inline uint32_t xdp_ring_ready(const struct xdp_ring *ring)
{
    return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer;
}

/* Entries that we as the producer may still write. */
static inline uint32_t xdp_ring_room(const struct xdp_ring *ring)
{
    return ring->size - (*ring->producer - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE));
}

/* Entries that we have given and the kernel has not yet taken. */
static inline uint32_t xdp_ring_waiting(const struct xdp_ring *ring)
{
    return *ring->producer - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
}

/* Where the `n`th of the entries is that we may read. */
static inline uint32_t xdp_ring_read_at(const struct xdp_ring *ring, uint32_t n)
{
    return (*ring->consumer + n) & (ring->size - 1);
}

/* Where the `n`th of the entries is that we may write. */
static inline uint32_t xdp_ring_write_at(const struct xdp_ring *ring, uint32_t n)
{
    return (*ring->producer + n) & (ring->size - 1);
}

/* The kernel may overwrite the first `count` that were ready. */
static inline void xdp_ring_take(struct xdp_ring *ring, uint32_t count)
{
    __atomic_store_n(ring->consumer, *ring->consumer + count, __ATOMIC_RELEASE);
}

/* The kernel may read the next `count`, which are written. */
static inline void xdp_ring_give(struct xdp_ring *ring, uint32_t count)
{
    __atomic_store_n(ring->producer, *ring->producer + count, __ATOMIC_RELEASE);
}

#endif
