/* SPDX-License-Identifier: MIT */
#include "tcp/rtx_log.h"

#define PLACES (RTX_LOG_BLOCK * RTX_LOG_BLOCKS)

WEIR_STATIC_ASSERT(RTX_LOG_BLOCK * sizeof(struct rtx_entry) <= SENT_BLOCK * sizeof(struct sent),
                   "it borrows blocks of the sent map");

void rtx_log_init(struct rtx_log *log)
{
    for (unsigned i = 0; i < RTX_LOG_BLOCKS; i++)
        log->block[i] = POOL_NONE;
    log->first = log->count = 0;
}

static struct rtx_entry *entry_at(const struct rtx_log *log, const struct sent_memory *memory,
                                  uint32_t place)
{
    struct rtx_entry *block = pool_at(memory->blocks, log->block[place / RTX_LOG_BLOCK]);
    return &block[place % RTX_LOG_BLOCK];
}

struct rtx_entry *rtx_log_at(const struct rtx_log *log, const struct sent_memory *memory,
                             uint32_t i)
{
    WEIR_ASSERT(i < log->count);
    return entry_at(log, memory, (log->first + i) % PLACES);
}

bool rtx_log_push(struct rtx_log *log, const struct sent_memory *memory, struct rtx_entry entry)
{
    if (log->count == RTX_LOG_MAX)
        return false;
    const uint32_t place = ((uint32_t)log->first + log->count) % PLACES;
    uint32_t *block = &log->block[place / RTX_LOG_BLOCK];
    if (*block == POOL_NONE)
        *block = pool_take(memory->blocks);
    if (*block == POOL_NONE)
        return false;
    log->count++;
    *entry_at(log, memory, place) = entry;
    return true;
}

void rtx_log_pop(struct rtx_log *log, const struct sent_memory *memory)
{
    WEIR_ASSERT(log->count > 0);
    const uint32_t place = log->first;
    log->first = (uint16_t)((place + 1) % PLACES);
    log->count--;
    if (log->count > 0 && place % RTX_LOG_BLOCK != RTX_LOG_BLOCK - 1)
        return;
    pool_give(memory->blocks, log->block[place / RTX_LOG_BLOCK]);
    log->block[place / RTX_LOG_BLOCK] = POOL_NONE;
}

void rtx_log_clear(struct rtx_log *log, const struct sent_memory *memory)
{
    while (log->count > 0)
        rtx_log_pop(log, memory);
}
