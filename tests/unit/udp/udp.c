/* SPDX-License-Identifier: MIT */
/* udp.c against the plainest thing that could be right: an array of datagrams. */
#include "tap.h"

#include "base/prng.h"
#include "udp/udp.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS 64
#define SHIFT  12
#define MODEL  256

static struct ring_pool rings;
static void *memory;

static void open_pool(void)
{
    memory = aligned_alloc(64, (ring_pool_size(CHUNKS, SHIFT) + 63) & ~(size_t)63);
    ring_pool_init(&rings, memory, CHUNKS, SHIFT);
}

static uint8_t data_at(uint32_t serial, size_t i)
{
    return (uint8_t)(serial * 31 + i * 7 + (i >> 8));
}

static bool agrees(uint64_t seed)
{
    static uint8_t data[UDP_DATA_MAX_V6], got[UDP_DATA_MAX_V6];
    struct prng random;
    prng_init(&random, seed, 1, 0);
    const uint32_t max = 2000 + prng_below(&random, 60000);
    struct udp_queue queue;
    udp_queue_init(&queue, &rings, max);
    queue.head = queue.tail = (uint32_t)prng_next(&random) | 0xffff0000u; /* soon around the end */
    uint32_t lens[MODEL], first = 0, next = 0, held = 0;
    for (unsigned step = 0; step < 400; step++) {
        if (prng_below(&random, 2) == 0 && next - first < MODEL) {
            const uint32_t len = prng_below(&random, prng_below(&random, 4) == 0 ? 9000 : 600);
            for (uint32_t i = 0; i < len; i++)
                data[i] = data_at(next, i);
            const struct weir_datagram info = { .len = len, .seq = (uint16_t)next };
            const uint32_t cost = (uint32_t)UDP_RECORD + len;
            const bool fits = next == first || held + cost <= max;
            if (udp_queue_put(&queue, &rings, &info, data) != fits)
                return false;
            if (fits) {
                lens[next++ % MODEL] = len;
                held += cost;
            }
        } else {
            struct weir_datagram info;
            const size_t room = prng_below(&random, 700);
            const bool some = udp_queue_take(&queue, &rings, got, room, &info);
            if (some != (first != next))
                return false;
            if (some && (info.len != lens[first % MODEL] || info.seq != (uint16_t)first))
                return false;
            for (size_t i = 0; some && i < room && i < info.len; i++)
                if (got[i] != data_at(first, i))
                    return false;
            if (some)
                held -= (uint32_t)UDP_RECORD + lens[first++ % MODEL];
        }
        udp_queue_check(&queue, &rings);
        ring_pool_check(&rings);
        if (queue.count != next - first || queue.tail - queue.head != held)
            return false;
    }
    udp_queue_clear(&queue, &rings);
    return rings.free_count == CHUNKS;
}

static void test_edges(void)
{
    static uint8_t data[UDP_DATA_MAX_V6];
    struct udp_queue queue;
    struct weir_datagram info = { .len = 0 };
    udp_queue_init(&queue, &rings, 1);
    CHECK(!udp_queue_take(&queue, &rings, data, 1, &info), "nothing waits at first");
    CHECK(udp_queue_put(&queue, &rings, &info, NULL), "an empty datagram is one");
    CHECK(!udp_queue_put(&queue, &rings, &info, NULL), "above the limit there is no second");
    CHECK(udp_queue_take(&queue, &rings, data, 0, &info) && info.len == 0, "it comes out");
    info.len = sizeof data;
    CHECK(udp_queue_put(&queue, &rings, &info, data), "an empty queue takes any datagram");
    CHECK(udp_queue_take(&queue, &rings, data, sizeof data, &info) && info.len == sizeof data,
          "the largest");
    udp_queue_limit(&queue, &rings, 1 << 20);
    unsigned kept = 0;
    while (udp_queue_put(&queue, &rings, &info, data))
        kept++;
    CHECK(kept == 3, "256 KiB of chunks hold three of the largest: %u", kept);
    CHECK(rings.free_count == CHUNKS - (queue.tail - queue.head + 4095) / 4096 - 1,
          "the one that failed left no chunk behind, beside the table");
    udp_queue_clear(&queue, &rings);
    CHECK(rings.free_count == CHUNKS, "cleared: all memory is back");
}

int main(void)
{
    open_pool();
    test_edges();
    unsigned right = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        if (agrees(seed))
            right++;
        else
            CHECK(false, "seed %llu agrees with the model", (unsigned long long)seed);
    }
    CHECK(right == 300, "300 seeds agree with the model");
    free(memory);
    return tap_done();
}
