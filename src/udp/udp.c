/* SPDX-License-Identifier: MIT */
#include "udp/udp.h"

void udp_queue_init(struct udp_queue *queue, const struct ring_pool *rings, uint32_t max)
{
    ring_init(&queue->ring);
    queue->head = queue->tail = 0;
    queue->count = 0;
    udp_queue_limit(queue, rings, max);
}

void udp_queue_limit(struct udp_queue *queue, const struct ring_pool *rings, uint32_t max)
{
    const uint32_t reach = ring_reach(rings);
    queue->max = max < reach ? max : reach;
}

bool udp_queue_put(struct udp_queue *queue, struct ring_pool *rings,
                   const struct weir_datagram *info, const uint8_t *data)
{
    WEIR_ASSERT(info->len <= UDP_DATA_MAX_V6);
    const uint32_t len = (uint32_t)(UDP_RECORD + info->len);
    const uint32_t held = queue->tail - queue->head;
    /* A datagram above the limit must not be lost for ever: an empty queue takes any. */
    if (queue->count > 0 && (held > queue->max || len > queue->max - held))
        return false;
    if (len > ring_reach(rings))
        return false;

    if (ring_attach(rings, &queue->ring, queue->tail, len) < len) {
        ring_drop_after(rings, &queue->ring, queue->tail);
        return false;
    }
    ring_put(rings, &queue->ring, queue->tail, (const uint8_t *)info, UDP_RECORD);
    if (info->len > 0)
        ring_put(rings, &queue->ring, queue->tail + (uint32_t)UDP_RECORD, data,
                 (uint32_t)info->len);
    queue->tail += len;
    queue->count++;
    return true;
}

bool udp_queue_take(struct udp_queue *queue, struct ring_pool *rings, uint8_t *data, size_t room,
                    struct weir_datagram *info)
{
    if (queue->count == 0)
        return false;
    ring_get(rings, &queue->ring, queue->head, (uint8_t *)info, UDP_RECORD);
    const uint32_t given = (uint32_t)(room < info->len ? room : info->len);
    if (given > 0)
        ring_get(rings, &queue->ring, queue->head + (uint32_t)UDP_RECORD, data, given);
    queue->head += (uint32_t)(UDP_RECORD + info->len);
    queue->count--;
    if (queue->count == 0)
        ring_clear(rings, &queue->ring);
    else
        ring_drop_before(rings, &queue->ring, queue->head);
    return true;
}

void udp_queue_clear(struct udp_queue *queue, struct ring_pool *rings)
{
    ring_clear(rings, &queue->ring);
    queue->head = queue->tail;
    queue->count = 0;
}

void udp_queue_check(const struct udp_queue *queue, const struct ring_pool *rings)
{
    ring_check(rings, &queue->ring);
    WEIR_ASSERT((queue->count == 0) == (queue->head == queue->tail));
    WEIR_ASSERT(queue->tail - queue->head >= queue->count * UDP_RECORD);
    WEIR_ASSERT(queue->ring.credit == 0);
}
