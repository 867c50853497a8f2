/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_RTX_LOG_H
#define WEIR_TCP_RTX_LOG_H

/* When what was sent again: a bounded FIFO in the order of time (RFC 8985, 5.2, Segment.xmit_ts of
 * retransmissions; first transmissions have theirs in the sent map).
 *
 * It borrows up to four blocks from the pool of the sent map and gives them back as it empties.
 * When it is full, or no block is to be had, a retransmission simply is not logged: then only the
 * retransmission timer watches over it. An entry lies within one record of the sent map. */

#include "tcp/sent.h"

#define RTX_LOG_BLOCKS 4
#define RTX_LOG_BLOCK  63 /* entries in a block of the sent map's pool */
#define RTX_LOG_MAX    (RTX_LOG_BLOCK * (RTX_LOG_BLOCKS - 1)) /* head and tail never share one */

struct rtx_entry {
    seq32 seq;
    uint32_t len; /* octets, FIN included */
    weir_time at;
};

struct rtx_log {
    uint32_t block[RTX_LOG_BLOCKS]; /* POOL_NONE where nothing lies */
    uint16_t first;                 /* place of the oldest, modulo all places */
    uint16_t count;
};

void rtx_log_init(struct rtx_log *log);

/* The i-th from the oldest; i < count. */
struct rtx_entry *rtx_log_at(const struct rtx_log *log, const struct sent_memory *memory,
                             uint32_t i);

/* false: not logged. */
bool rtx_log_push(struct rtx_log *log, const struct sent_memory *memory, struct rtx_entry entry);

/* Drops the oldest. */
void rtx_log_pop(struct rtx_log *log, const struct sent_memory *memory);

void rtx_log_clear(struct rtx_log *log, const struct sent_memory *memory);

#endif
