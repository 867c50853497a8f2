/* SPDX-License-Identifier: MIT */
#include "tcp/sent.h"

#include "base/prng.h"
#include "host.h"
#include "tap.h"

#include <string.h>

/* The sent map against the plainest queue that could be right: an array. */

#define MODEL_MAX 4096

struct model {
    struct {
        seq32 seq;
        uint32_t len;
        weir_time at;
    } item[MODEL_MAX];
    uint32_t first, next;
};

static bool same(const struct model *model, const struct sent_map *map,
                 const struct sent_memory *memory)
{
    if (sent_count(map) != model->next - model->first)
        return false;
    for (uint32_t i = 0; i < sent_count(map); i++) {
        const struct sent *r = sent_at(map, memory, i);
        if (r->seq != model->item[model->first + i].seq ||
            r->len != model->item[model->first + i].len ||
            r->at != model->item[model->first + i].at)
            return false;
    }
    return true;
}

static bool finds(const struct model *model, const struct sent_map *map,
                  const struct sent_memory *memory, struct prng *prng)
{
    if (sent_count(map) == 0)
        return true;
    const uint32_t i = prng_below(prng, sent_count(map));
    const uint32_t off = prng_below(prng, model->item[model->first + i].len);
    return sent_find(map, memory, model->item[model->first + i].seq + off) == i;
}

static bool agrees(uint64_t seed)
{
    struct host host;
    struct prng prng;
    static struct model model;
    struct sent_map map;
    host_init(&host, 40);
    prng_init(&prng, seed, 0, 0);
    model.first = model.next = 0;
    sent_init(&map);
    const struct sent_memory *memory = &host.tcp.sent;
    seq32 seq = UINT32_MAX - prng_below(&prng, 100000);
    const uint32_t bias = 30 + prng_below(&prng, 60);
    bool good = true;
    for (unsigned step = 0; step < 2000 && good && model.next < MODEL_MAX; step++) {
        if (prng_below(&prng, 100) < bias) {
            const bool can = sent_can_push(&map, memory);
            struct sent *r = sent_push(&map, memory);
            good = can == (r != NULL);
            if (r != NULL) {
                r->seq = seq;
                r->len = 1 + prng_below(&prng, 5000);
                r->mss = 1000;
                r->at = (weir_time)prng_next(&prng) & INT64_MAX;
                good = good && r->sacked == 0 && r->lost == 0 && r->rtx == 0 && r->ever == 0 &&
                       r->flags == 0;
                model.item[model.next].seq = seq;
                model.item[model.next].len = r->len;
                model.item[model.next++].at = r->at;
                seq += r->len;
            }
        } else if (sent_count(&map) > 0) {
            sent_pop(&map, memory);
            model.first++;
        }
        good = good && finds(&model, &map, memory, &prng);
        if (step % 50 == 0)
            good = good && same(&model, &map, memory);
    }
    good = good && same(&model, &map, memory);
    sent_clear(&map, memory);
    good = good && sent_count(&map) == 0 && host.blocks.used == 0 &&
           host.rings.free_count == host.rings.chunk_count;
    host_free(&host);
    return good;
}

/* A pool that is empty refuses, and what is there stays. */
static void empty_pool(void)
{
    struct host host;
    struct sent_map map;
    host_init(&host, 1);
    sent_init(&map);
    seq32 seq = 0;
    uint32_t count = 0;
    while (sent_can_push(&map, &host.tcp.sent) && count < 1000) {
        struct sent *r = sent_push(&map, &host.tcp.sent);
        if (r == NULL)
            break;
        r->seq = seq;
        r->len = 1;
        r->mss = 1;
        seq++;
        count++;
    }
    CHECK(count >= SENT_INLINE && count <= SENT_BLOCK + SENT_INLINE, "one block: %u records",
          count);
    CHECK(sent_push(&map, &host.tcp.sent) == NULL, "then no more");
    CHECK(sent_count(&map) == count && sent_at(&map, &host.tcp.sent, count - 1)->seq == count - 1,
          "and all are there");
    sent_clear(&map, &host.tcp.sent);
    CHECK(host.blocks.used == 0, "and given back");
    host_free(&host);
}

int main(void)
{
    unsigned good = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        if (agrees(seed))
            good++;
        else
            CHECK(false, "seed %llu agrees with the model", (unsigned long long)seed);
    }
    CHECK(good == 200, "200 random histories agree with an array");
    empty_pool();
    return tap_done();
}
