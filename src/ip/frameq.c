/* SPDX-License-Identifier: MIT */
#include "ip/frameq.h"

#include <string.h>

/* A record is this much of what is known about the frame, then the frame, filled up to
 * RECORD_ALIGN. A record with SKIP as its length says that the rest of the block is not used and
 * the next one starts over. */
#define RECORD_ALIGN 16
#define RECORD_HEAD  16
#define SKIP         UINT32_MAX

WEIR_STATIC_ASSERT(sizeof(struct frameq_info) <= RECORD_HEAD, "it stands before every frame");

static uint32_t record_len(uint32_t len)
{
    return RECORD_HEAD + ((len + RECORD_ALIGN - 1) & ~(uint32_t)(RECORD_ALIGN - 1));
}

static uint8_t *place(const struct frameq *q, uint32_t offset)
{
    return q->memory + (offset & (q->size - 1));
}

static uint32_t to_end(const struct frameq *q, uint32_t offset)
{
    return q->size - (offset & (q->size - 1));
}

void frameq_init(struct frameq *q, struct arena *arena, uint32_t size)
{
    uint8_t *memory = arena_take(arena, size);
    if (memory == NULL)
        return;
    WEIR_ASSERT(size >= RECORD_ALIGN);
    WEIR_ASSERT((size & (size - 1)) == 0);
    *q = (struct frameq){ .memory = memory, .size = size };
}

bool frameq_fits(const struct frameq *q, uint32_t count, uint32_t len)
{
    /* At the end of the block less than one record is lost; an empty queue starts at its beginning.
     */
    const uint64_t lost = q->freed == q->tail ? 0 : record_len(len);
    return (uint64_t)count * record_len(len) + lost <= q->size - (q->tail - q->freed);
}

uint8_t *frameq_reserve(struct frameq *q, uint32_t len)
{
    const uint32_t need = record_len(len);
    if (q->freed == q->tail)
        q->freed = q->head = q->tail = 0;

    const uint32_t room = q->size - (q->tail - q->freed);
    const uint32_t end = to_end(q, q->tail);
    if (need <= end)
        return need <= room ? place(q, q->tail) + RECORD_HEAD : NULL;
    if (end > room || need > room - end)
        return NULL;

    const struct frameq_info skip = { .len = SKIP };
    memcpy(place(q, q->tail), &skip, sizeof skip);
    q->tail += end;
    return place(q, q->tail) + RECORD_HEAD;
}

void frameq_commit(struct frameq *q, const struct frameq_info *info)
{
    WEIR_ASSERT(record_len(info->len) <= to_end(q, q->tail));
    WEIR_ASSERT(record_len(info->len) <= q->size - (q->tail - q->freed));
    memcpy(place(q, q->tail), info, sizeof *info);
    q->tail += record_len(info->len);
}

uint8_t *frameq_take(struct frameq *q, struct frameq_info *info)
{
    /* At most one skip: what follows it is at the start of the block. */
    for (unsigned i = 0; i < 2 && !frameq_is_empty(q); i++) {
        uint8_t *record = place(q, q->head);
        memcpy(info, record, sizeof *info);
        if (info->len != SKIP) {
            q->head += record_len(info->len);
            return record + RECORD_HEAD;
        }
        q->head += to_end(q, q->head);
    }
    return NULL;
}

void frameq_release(struct frameq *q)
{
    q->freed = q->head;
}
