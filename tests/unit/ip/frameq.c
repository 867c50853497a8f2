/* SPDX-License-Identifier: MIT */
#include "ip/frameq.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* The queue of frames against the plainest model: a list of lengths and fill octets. */

#define SIZE 4096
#define HELD 512

static uint8_t *memory;

static struct frameq fresh(void)
{
    struct frameq q;
    struct arena arena = { .base = memory, .size = SIZE };
    frameq_init(&q, &arena, SIZE);
    return q;
}

static bool put(struct frameq *q, uint32_t len, uint8_t fill)
{
    uint8_t *to = frameq_reserve(q, len);
    if (to == NULL)
        return false;
    memset(to, fill, len);
    frameq_commit(q, &(struct frameq_info){ .len = len, .why = fill });
    return true;
}

static bool is_filled(const uint8_t *p, uint32_t len, uint8_t fill)
{
    for (uint32_t i = 0; i < len; i++)
        if (p[i] != fill)
            return false;
    return true;
}

static bool agrees(uint32_t seed)
{
    struct frameq q = fresh();
    struct {
        uint32_t len;
        uint8_t fill;
        const uint8_t *at;
    } held[HELD];
    unsigned first = 0, taken = 0, last = 0; /* [first, taken) are lent, [taken, last) wait */
    uint32_t x = seed;
    for (unsigned i = 0; i < 2000 && last < HELD; i++) {
        x = x * 1664525u + 1013904223u;
        const uint32_t len = (x >> 8) % 1200;
        switch (x >> 30) {
        case 0:
        case 1: {
            const bool fits = frameq_fits(&q, 1, len);
            const bool done = put(&q, len, (uint8_t)last);
            if (fits && !done)
                return false;
            if (done) {
                held[last].len = len;
                held[last].fill = (uint8_t)last;
                last++;
            }
            break;
        }
        case 2: {
            struct frameq_info info;
            const uint8_t *p = frameq_take(&q, &info);
            if ((p != NULL) != (taken < last))
                return false;
            if (p == NULL)
                break;
            if (info.len != held[taken].len || info.why != held[taken].fill)
                return false;
            held[taken++].at = p;
            break;
        }
        case 3:
            /* What was lent is as it was, whatever was put in since. */
            for (; first < taken; first++)
                if (!is_filled(held[first].at, held[first].len, held[first].fill))
                    return false;
            frameq_release(&q);
            break;
        }
    }
    return true;
}

int main(void)
{
    memory = aligned_alloc(64, SIZE);
    bool good = true;
    for (uint32_t seed = 1; seed <= 1000; seed++)
        if (!agrees(seed)) {
            CHECK(false, "seed %u agrees with the model", seed);
            good = false;
        }
    CHECK(good, "1,000 seeds agree with the model");

    struct frameq q = fresh();
    CHECK(put(&q, SIZE - 16, 1), "the largest frame fits an empty queue");
    CHECK(!put(&q, 0, 2), "and then nothing more");
    struct frameq_info info;
    CHECK(frameq_take(&q, &info) != NULL && !put(&q, 0, 2), "not even when it is lent");
    frameq_release(&q);
    CHECK(put(&q, 0, 2) && frameq_take(&q, &info) != NULL && info.len == 0, "only when it is back");
    frameq_release(&q);
    CHECK(put(&q, SIZE - 16, 1), "then again the largest, wherever the last one ended");
    CHECK(frameq_take(&q, &info) != NULL, "it comes out");
    frameq_release(&q);
    CHECK(!put(&q, SIZE - 15, 1), "a larger one never fits");
    CHECK(frameq_fits(&q, 4, SIZE / 4 - 16) && !frameq_fits(&q, 5, SIZE / 4 - 16),
          "fits counts records");
    struct arena counting = { 0 };
    frameq_init(&q, &counting, SIZE);
    CHECK(counting.used == SIZE, "counting counts");
    free(memory);
    return tap_done();
}
