/* SPDX-License-Identifier: MIT */
/* Connections that wait for memory are told when there is some, whoever gave it back. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;
static uint8_t data[65536];

static size_t fill(weir_handle conn)
{
    size_t done, total = 0;
    while (weir_send(world.side[0], conn, data, sizeof data, 0, &done, world.now) == WEIR_OK)
        total += done;
    return total;
}

static void drain(unsigned side, weir_handle conn)
{
    size_t done;
    while (weir_recv(world.side[side], conn, data, sizeof data, &done, world.now) == WEIR_OK &&
           done > 0)
        continue;
}

/* How many of side 0's connections are told that they may write. */
static unsigned told(const weir_handle *conns, unsigned count)
{
    unsigned n = 0;
    struct weir_event event;
    for (unsigned turn = 0; turn < 10; turn++) {
        while (weir_next_event(world.side[0], &event))
            for (unsigned i = 0; i < count; i++)
                n += conns[i] == event.handle && (event.ready & WEIR_WRITABLE) != 0;
        world_run(&world, WEIR_MS);
    }
    return n;
}

/* Its own octets leave, and with them the shortage: nobody else is there to wake it. */
static void test_alone(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.ring_chunks = 32;
    options.config.rcv_max = 64 << 10;
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    CHECK(world_connect(&world, false, &listener, &client, &server), "a connection is made");
    (void)told(&client, 1);
    const size_t sent = fill(client);
    CHECK(sent > 0 && sent < options.config.snd_max / 2, "memory ends before the send buffer");
    for (unsigned i = 0; i < 200; i++) {
        world_run(&world, 5 * WEIR_MS);
        drain(1, server);
    }
    struct weir_status status;
    (void)!weir_status(world.side[0], client, &status);
    CHECK(status.unacked == 0 && status.unsent == 0, "everything arrives");
    CHECK(told(&client, 1) == 1, "the program is told that it may write again");
    CHECK(fill(client) > 0, "... and it may");
    world_close(&world);
}

#define MANY 60

/* Many wait; all the memory comes back at once. */
static void test_many(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.ring_chunks = 256;
    options.config.rcv_max = options.config.rcv_min;
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, big, server, idle[MANY];
    const struct weir_addr to = world_addr(1, false, 80);
    CHECK(world_connect(&world, false, &listener, &big, &server), "a connection is made");
    for (unsigned i = 0; i < MANY; i++) {
        (void)!weir_connect(world.side[0], NULL, &to, &idle[i], world.now);
        world_run(&world, 20 * WEIR_MS);
        (void)!weir_accept(world.side[1], listener, &server, world.now);
    }
    (void)told(idle, MANY);
    weir_handle takers[MANY];
    unsigned waiting = 0;
    (void)fill(big);
    for (unsigned i = 0; i < MANY; i++)
        (void)fill(idle[i]);
    for (unsigned i = 0; i < MANY; i++) {
        size_t done;
        if (weir_send(world.side[0], idle[i], data, 1, 0, &done, world.now) == WEIR_AGAIN)
            takers[waiting++] = idle[i];
    }
    CHECK(waiting > 32, "%u connections wait", waiting);
    (void)!weir_abort(world.side[0], big, world.now);
    const unsigned n = told(takers, waiting);
    CHECK(n >= waiting, "%u of %u are told", n, waiting);
    world_close(&world);
}

int main(void)
{
    test_alone();
    test_many();
    return tap_done();
}
