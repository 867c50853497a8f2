/* SPDX-License-Identifier: MIT */
#ifndef WEIR_UDP_UDP_H
#define WEIR_UDP_UDP_H

/* What one datagram endpoint keeps: the datagrams that wait for the program, whole and in order of
 * arrival, in a ring of chunks without credit. It knows nothing of ports, addresses or who may
 * send; echo replies wait in the same way. */

#include "base/ring.h"
#include "weir/stack.h"

struct udp_queue {
    struct ring ring;
    uint32_t head;  /* offset of the oldest record in the ring */
    uint32_t tail;  /* one past the newest */
    uint32_t count; /* datagrams */
    uint32_t max;   /* octets in the ring, records' heads included */
};

/* What a datagram costs beside its data. */
#define UDP_RECORD sizeof(struct weir_datagram)

/* The largest payload of a datagram (RFC 768; RFC 8200 without jumbograms). */
#define UDP_DATA_MAX_V4 65507
#define UDP_DATA_MAX_V6 65527

void udp_queue_init(struct udp_queue *queue, const struct ring_pool *rings, uint32_t max);

/* Limits the octets that may wait; what waits already stays. */
void udp_queue_limit(struct udp_queue *queue, const struct ring_pool *rings, uint32_t max);

/* Keeps a datagram of info->len octets by copy. False, with nothing changed, if that would be over
 * the limit or no chunk is free; one that finds the queue empty is limited by memory only. */
bool udp_queue_put(struct udp_queue *queue, struct ring_pool *rings,
                   const struct weir_datagram *info, const uint8_t *data)
    __attribute__((warn_unused_result));

/* Takes the oldest: at most `room` octets go to `data`, the rest of it is forgotten; info->len says
 * how long it was. False if none waits. */
bool udp_queue_take(struct udp_queue *queue, struct ring_pool *rings, uint8_t *data, size_t room,
                    struct weir_datagram *info) __attribute__((warn_unused_result));

/* Forgets all and gives the memory back. */
void udp_queue_clear(struct udp_queue *queue, struct ring_pool *rings);

void udp_queue_check(const struct udp_queue *queue, const struct ring_pool *rings);

#endif
