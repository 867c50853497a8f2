/* SPDX-License-Identifier: MIT */
/* A hundred thousand connections: what they cost, that all of them are found again, and that
 * finding work does not take longer for it. */
#include "tap.h"
#include "world.h"

#include <stdlib.h>
#include <time.h>

#define MANY  100000
#define BATCH 1000 /* opened together */
#define PORTS 8    /* to listen on: ephemeral ports alone would not do */

static struct world world;
static weir_handle client[MANY], server[MANY + 1]; /* one more, for the last "not now" */

static void options_for(struct world_options *options, uint32_t count)
{
    world_defaults(options);
    struct weir_config *c = &options->config;
    c->tcp_max = count;
    c->flight_max = 4096;
    c->sent_block_max = 16;
    c->synq_max = 4096;
    c->tw_max = 4096;
    c->ring_chunk = 4096;
    c->ring_chunks = 2 * count + 4096;
    c->rcv_min = 2048; /* two chunks of credit each */
    c->rcv_max = 1 << 18;
    c->snd_max = 1 << 18;
    c->verify = false;
}

/* What one connection more costs, when everything but the connections stays. */
static void test_cost(void)
{
    struct world_options few, many;
    options_for(&few, 1 << 18);
    options_for(&many, 1 << 19);
    few.config.ring_chunks = many.config.ring_chunks = 1024;
    few.config.tw_max = few.config.synq_max = 1; /* the table is a power of two: just below it */
    many.config.tw_max = many.config.synq_max = 1;
    few.config.tcp_max -= 2;
    many.config.tcp_max -= 2;
    const size_t a = weir_memory_size(&few.config), b = weir_memory_size(&many.config);
    const double each = (double)(b - a) / (double)(1 << 18);
    CHECK(each <= 512.0, "an idle connection costs %.1f octets, all told", each);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned open_all(void)
{
    weir_handle listener[PORTS];
    for (unsigned p = 0; p < PORTS; p++) {
        const struct weir_addr local = world_addr(1, false, (uint16_t)(80 + p));
        if (weir_listen(world.side[1], &local, BATCH, 0, &listener[p]) != WEIR_OK)
            return 0;
    }
    unsigned accepted = 0;
    for (unsigned i = 0; i < MANY; i += BATCH) {
        const struct weir_addr to = world_addr(1, false, (uint16_t)(80 + i / BATCH % PORTS));
        for (unsigned k = 0; k < BATCH; k++)
            if (weir_connect(world.side[0], NULL, &to, &client[i + k], world.now) !=
                WEIR_IN_PROGRESS)
                return accepted;
        world_run(&world, 10 * WEIR_MS);
        while (weir_accept(world.side[1], listener[i / BATCH % PORTS], &server[accepted],
                           world.now) == WEIR_OK)
            accepted++;
    }
    return accepted;
}

static unsigned use_all(void)
{
    unsigned heard = 0;
    for (unsigned i = 0; i < MANY; i += BATCH) {
        size_t done;
        for (unsigned k = 0; k < BATCH; k++)
            (void)!weir_send(world.side[0], client[i + k], "octet", 1, 0, &done, world.now);
        world_run(&world, 50 * WEIR_MS);
        struct weir_event event;
        for (unsigned k = 0; k < 3 * BATCH; k++) {
            if (!weir_next_event(world.side[1], &event))
                continue;
            char octet;
            if ((event.ready & WEIR_READABLE) &&
                weir_recv(world.side[1], event.handle, &octet, 1, &done, world.now) == WEIR_OK)
                heard += done == 1;
        }
    }
    return heard;
}

static void drain_events(unsigned side)
{
    struct weir_event event;
    for (unsigned i = 0; i < 4 * MANY; i++)
        (void)weir_next_event(world.side[side], &event);
}

int main(void)
{
    test_cost();
    struct world_options options;
    options_for(&options, MANY);
    world_open(&world, &options);
    const double start = seconds();
    CHECK(open_all() == MANY, "%u connections are open", MANY);
    const double opened = seconds();
    drain_events(1);
    CHECK(world_pool_used(&world, 1, "tcb") == MANY, "each has its TCB");
    CHECK(world_pool_used(&world, 1, "chunk") == 0, "none has memory for octets");
    CHECK(world_pool_used(&world, 1, "flight") == 0, "none has a flight block");
    const double used = seconds();
    const unsigned heard = use_all();
    CHECK(heard == MANY, "each brings its octet to its peer: %u", heard);
    const double end = seconds();
    weir_check(world.side[0]);
    weir_check(world.side[1]);
    CHECK(true, "all invariants hold");
    printf("# opened in %.2f s, used in %.2f s\n", opened - start, end - used);
    for (unsigned i = 0; i < MANY; i++)
        (void)!weir_abort(world.side[0], client[i], world.now);
    world_run(&world, 100 * WEIR_MS);
    for (unsigned i = 0; i < MANY; i++) {
        (void)!weir_release(world.side[0], client[i], world.now);
        (void)!weir_release(world.side[1], server[i], world.now);
    }
    /* The wire lost most of the resets, and answers to those who ask again are rate-limited: the
     * last of them give up by themselves. */
    world_run(&world, 400 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tcb") == 0, "none is left on this side");
    CHECK(world_pool_used(&world, 1, "tcb") == 0, "nor on the other");
    world_close(&world);
    return tap_done();
}
