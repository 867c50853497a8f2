/* SPDX-License-Identifier: MIT */
#include "ping_stats.h"

#include <inttypes.h>

void ping_stats_add(struct ping_stats *stats, weir_time took, unsigned ttl)
{
    const uint64_t us = took > 0 ? (uint64_t)(took / WEIR_US) : 0;
    if (stats->received > 0) {
        const weir_time apart = took > stats->last ? took - stats->last : stats->last - took;
        stats->jitter += apart - stats->jitter / 16;
    }
    stats->last = took;
    if (stats->received == 0 || took < stats->least)
        stats->least = took;
    if (took > stats->most)
        stats->most = took;
    stats->sum += took;
    stats->square_sum += us * us;
    stats->received++;
    if (ttl == 0)
        return;
    if (stats->ttl_least == 0 || ttl < stats->ttl_least)
        stats->ttl_least = ttl;
    if (ttl > stats->ttl_most)
        stats->ttl_most = ttl;
}

weir_time ping_stats_mean(const struct ping_stats *stats)
{
    return stats->received > 0 ? stats->sum / (weir_time)stats->received : 0;
}

static uint64_t root(uint64_t square)
{
    uint64_t low = 0, high = UINT32_MAX;
    while (low < high) {
        const uint64_t middle = low + (high - low + 1) / 2;
        if (middle * middle <= square)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

weir_time ping_stats_deviation(const struct ping_stats *stats)
{
    if (stats->received == 0)
        return 0;
    const uint64_t mean = (uint64_t)(ping_stats_mean(stats) / WEIR_US);
    const uint64_t squares = stats->square_sum / stats->received;
    return (weir_time)root(squares > mean * mean ? squares - mean * mean : 0) * WEIR_US;
}

weir_time ping_stats_jitter(const struct ping_stats *stats)
{
    return stats->jitter / 16;
}

unsigned ping_stats_loss(const struct ping_stats *stats)
{
    if (stats->sent == 0 || stats->received >= stats->sent)
        return 0;
    return (unsigned)(1000 * (stats->sent - stats->received) / stats->sent);
}

unsigned ping_stats_hops(unsigned ttl, unsigned *began)
{
    const unsigned from = ttl <= 32 ? 32 : ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255;
    if (began != NULL)
        *began = from;
    return from - ttl;
}

static void print_ms(FILE *file, weir_time time, const char *after)
{
    fprintf(file, "%" PRId64 ".%03" PRId64 "%s", time / WEIR_MS, time / WEIR_US % 1000, after);
}

static void print_ttl(const struct ping_stats *stats, FILE *file)
{
    unsigned began;
    if (stats->ttl_most == 0)
        return;
    const unsigned hops = ping_stats_hops(stats->ttl_most, &began);
    if (stats->ttl_least != stats->ttl_most)
        fprintf(file, "ttl %u to %u: the way back changed; ", stats->ttl_least, stats->ttl_most);
    else
        fprintf(file, "ttl %u: ", stats->ttl_most);
    fprintf(file,
            "%u hop%s back if the host began with %u, as many do\n"
            "(a guess: hosts begin with 64, 128 or 255, and the way there may be another)\n",
            hops, hops == 1 ? "" : "s", began);
}

void ping_stats_print(const struct ping_stats *stats, const char *target, weir_time took,
                      FILE *file)
{
    const unsigned loss = ping_stats_loss(stats);
    fprintf(file, "\n--- %s ping statistics ---\n", target);
    fprintf(file, "%" PRIu64 " packets transmitted, %" PRIu64 " received", stats->sent,
            stats->received);
    if (stats->repeated > 0)
        fprintf(file, ", +%" PRIu64 " duplicates", stats->repeated);
    if (stats->damaged > 0)
        fprintf(file, ", +%" PRIu64 " corrupted", stats->damaged);
    if (stats->errors > 0)
        fprintf(file, ", +%" PRIu64 " errors", stats->errors);
    if (loss % 10 == 0)
        fprintf(file, ", %u%% packet loss", loss / 10);
    else
        fprintf(file, ", %u.%u%% packet loss", loss / 10, loss % 10);
    fprintf(file, ", time %" PRId64 "ms\n", took / WEIR_MS);
    if (stats->received == 0)
        return;
    fprintf(file, "rtt min/avg/max/mdev = ");
    print_ms(file, stats->least, "/");
    print_ms(file, ping_stats_mean(stats), "/");
    print_ms(file, stats->most, "/");
    print_ms(file, ping_stats_deviation(stats), " ms, jitter ");
    print_ms(file, ping_stats_jitter(stats), " ms\n");
    print_ttl(stats, file);
}
