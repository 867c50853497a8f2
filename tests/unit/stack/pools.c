/* SPDX-License-Identifier: MIT */
/* Every pool made to fail its n-th request: nothing may crash, hang or leak, the program is told or
 * the peer tries again, and a connection that was refused nothing for good goes through in the end.
 */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;

/* One connection with an exchange each way, and its end. True if every octet arrived. */
static bool exchange(weir_handle *listener)
{
    static uint8_t block[200000], got[200000];
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle conn[2] = { WEIR_NO_HANDLE, WEIR_NO_HANDLE };
    if (*listener == WEIR_NO_HANDLE && weir_listen(world.side[1], &to, 4, 0, listener) != WEIR_OK)
        return false;
    if (weir_connect(world.side[0], NULL, &to, &conn[0], world.now) != WEIR_IN_PROGRESS)
        return false;
    for (unsigned i = 0; i < 100 && conn[1] == WEIR_NO_HANDLE; i++) {
        world_run(&world, 100 * WEIR_MS);
        (void)!weir_accept(world.side[1], *listener, &conn[1], world.now);
    }
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 13 + (i >> 9));
    bool whole = conn[1] != WEIR_NO_HANDLE;
    for (unsigned from = 0; from < 2 && whole; from++) {
        size_t sent = 0, received = 0, done;
        memset(got, 0, sizeof got);
        for (unsigned i = 0; i < 400 && received < sizeof block; i++) {
            if (sent < sizeof block &&
                weir_send(world.side[from], conn[from], block + sent, sizeof block - sent, 0, &done,
                          world.now) == WEIR_OK)
                sent += done;
            world_run(&world, 50 * WEIR_MS);
            while (received < sizeof got &&
                   weir_recv(world.side[1 - from], conn[1 - from], got + received,
                             sizeof got - received, &done, world.now) == WEIR_OK &&
                   done > 0)
                received += done;
        }
        whole = received == sizeof block && memcmp(got, block, sizeof block) == 0;
    }
    for (unsigned side = 0; side < 2; side++)
        if (conn[side] != WEIR_NO_HANDLE)
            (void)!weir_release(world.side[side], conn[side], world.now);
    world_run(&world, 200 * WEIR_SECOND);
    return whole;
}

static bool is_empty(void)
{
    static const char *const pools[] = { "tcb", "flight", "sent", "synq", "tw", "chunk", "credit" };
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++)
            if (world_pool_used(&world, side, pools[i]) != 0)
                return false;
    return true;
}

static void test_pool(const char *name, bool must_work)
{
    unsigned whole = 0, leaks = 0;
    for (uint32_t n = 1; n <= 20; n++)
        for (unsigned side = 0; side < 2; side++) {
            struct world_options options;
            world_defaults(&options);
            world_open(&world, &options);
            weir_handle listener = WEIR_NO_HANDLE;
            if (weir_pool_fail(world.side[side], name, n) != WEIR_OK)
                CHECK(false, "there is a pool %s", name);
            whole += exchange(&listener);
            leaks += !is_empty();
            if (listener != WEIR_NO_HANDLE)
                (void)!weir_release(world.side[1], listener, world.now);
            world_close(&world);
        }
    CHECK(leaks == 0, "%s: nothing is left behind, whichever request fails", name);
    if (must_work)
        CHECK(whole == 40, "%s: one request that fails costs time, not octets: %u of 40", name,
              whole);
}

static void test_limits(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.tcp_max = 4;
    options.config.tw_max = 2;
    world_open(&world, &options);
    weir_handle conn[6];
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle listener;
    CHECK(weir_listen(world.side[1], &to, 8, 0, &listener) == WEIR_OK, "listening");
    for (unsigned i = 0; i < 4; i++)
        CHECK(weir_connect(world.side[0], NULL, &to, &conn[i], world.now) == WEIR_IN_PROGRESS,
              "connection %u", i);
    CHECK(weir_connect(world.side[0], NULL, &to, &conn[4], world.now) == WEIR_NO_MEMORY,
          "one too many");
    world_run(&world, 100 * WEIR_MS);
    for (unsigned i = 0; i < 4; i++)
        (void)!weir_release(world.side[0], conn[i], world.now);
    weir_handle child;
    while (weir_accept(world.side[1], listener, &child, world.now) == WEIR_OK)
        (void)!weir_release(world.side[1], child, world.now);
    world_run(&world, 100 * WEIR_MS);
    struct weir_counters counters;
    weir_counters(world.side[0], &counters);
    weir_counters(world.side[1], &counters);
    const unsigned left = world_pool_used(&world, 0, "tw") + world_pool_used(&world, 1, "tw");
    CHECK(left >= 2 && left <= 4, "two places for TIME-WAIT a side: %u", left);
    CHECK(weir_pool_fail(world.side[0], "no such pool", 1) == WEIR_INVALID, "no such pool");
    world_close(&world);

    struct weir_config config;
    weir_config_default(&config);
    CHECK(weir_memory_size(&config) > 0, "the default configuration makes sense");
    config.ring_chunk = 5000;
    CHECK(weir_memory_size(&config) == 0, "a chunk that is no power of two does not");
}

/* A send that finds no chunk is "not now"; the program is told again when there is one, and octets
 * that waited for a record leave without anybody's help. */
/* Room that was shown and not used is memory that nobody has. */
static void test_room_unused(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    CHECK(world_connect(&world, false, &listener, &client, &server), "connected");
    const unsigned before = world_pool_used(&world, 0, "chunk");
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    CHECK(weir_send_room(world.side[0], client, 60000, span, &count) == WEIR_OK && count > 3,
          "room is shown");
    CHECK(world_pool_used(&world, 0, "chunk") > before, "for as long as the program may use it");
    world_run(&world, WEIR_MS);
    CHECK(world_pool_used(&world, 0, "chunk") == before, "and then it is given back");
    size_t done;
    (void)!weir_send(world.side[0], client, "x", 1, 0, &done, world.now);
    const unsigned queued = world_pool_used(&world, 0, "chunk");
    count = WEIR_SPANS;
    (void)!weir_send_room(world.side[0], client, 60000, span, &count);
    (void)weir_release(world.side[0], client, world.now);
    CHECK(world_pool_used(&world, 0, "chunk") == queued, "a release keeps what is queued alone");
    world_run(&world, WEIR_SECOND);
    world_close(&world);
}

static void test_memory_wait(void)
{
    static uint8_t block[200000];
    struct world_options options;
    world_defaults(&options);
    options.config.ring_chunks = 12; /* 4 of credit for two connections, 8 to send from */
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client[2], server[2];
    for (unsigned i = 0; i < 2; i++)
        if (!world_connect(&world, false, &listener, &client[i], &server[i]))
            CHECK(false, "connection %u", i);
    size_t done, first = 0, second = 0;
    struct weir_event event;
    while (weir_next_event(world.side[0], &event))
        continue;
    while (weir_send(world.side[0], client[0], block, sizeof block, 0, &done, world.now) == WEIR_OK)
        first += done;
    while (weir_send(world.side[0], client[1], block, sizeof block, 0, &done, world.now) == WEIR_OK)
        second += done;
    CHECK(first > second && first + second < 8 << 14, "they share eight chunks: %zu and %zu octets",
          first, second);
    CHECK(weir_ready_now(world.side[0], client[1]) & WEIR_WRITABLE,
          "though its buffer has room, the other is told to wait");
    bool told = false;
    for (unsigned i = 0; i < 100; i++) {
        world_run(&world, 10 * WEIR_MS);
        while (weir_recv(world.side[1], server[0], block, sizeof block, &done, world.now) ==
               WEIR_OK)
            continue;
        while (weir_next_event(world.side[0], &event))
            told |= event.handle == client[1] && (event.ready & WEIR_WRITABLE) != 0;
    }
    CHECK(told, "it is told that it may try again");
    CHECK(weir_send(world.side[0], client[1], block, 1, 0, &done, world.now) == WEIR_OK,
          "and then there is");
    world_close(&world);
}

int main(void)
{
    test_pool("tcb", false);
    test_pool("synq", true);
    test_pool("tw", true);
    test_pool("flight", true);
    test_pool("sent", true);
    test_pool("chunk", true);
    test_pool("neigh", false);
    test_limits();
    test_room_unused();
    test_memory_wait();
    return tap_done();
}
