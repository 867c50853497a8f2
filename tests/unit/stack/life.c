/* SPDX-License-Identifier: MIT */
/* The life of a connection between two instances: opened, used both ways, closed in every order,
 * refused, aborted; and what is left of it afterwards. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;

static uint8_t octet_at(unsigned stream, uint32_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 17 + stream);
}

/* Moves `total` octets from one handle to the other; returns how many arrived as they were sent. */
static uint32_t transfer(unsigned from, weir_handle out, weir_handle in, uint32_t total)
{
    static uint8_t buffer[1 << 16];
    uint32_t sent = 0, received = 0;
    for (unsigned turn = 0; turn < 100000 && received < total; turn++) {
        uint32_t part = total - sent < sizeof buffer ? total - sent : (uint32_t)sizeof buffer;
        for (uint32_t i = 0; i < part; i++)
            buffer[i] = octet_at(from, sent + i);
        size_t done = 0;
        if (part > 0 &&
            weir_send(world.side[from], out, buffer, part, 0, &done, world.now) == WEIR_OK)
            sent += (uint32_t)done;
        world_run(&world, WEIR_MS);
        while (weir_recv(world.side[1 - from], in, buffer, sizeof buffer, &done, world.now) ==
                   WEIR_OK &&
               done > 0) {
            for (size_t i = 0; i < done; i++)
                if (buffer[i] != octet_at(from, received + (uint32_t)i))
                    return received;
            received += (uint32_t)done;
        }
    }
    return received;
}

static void check_empty(const char *when)
{
    static const char *const pools[] = { "tcb", "flight", "sent", "synq", "tw", "chunk", "credit" };
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++) {
            const unsigned used = world_pool_used(&world, side, pools[i]);
            if (used != 0)
                CHECK(false, "%s: side %u has %u of %s left", when, side, used, pools[i]);
        }
    CHECK(true, "%s: what was left has been looked at", when);
}

static void test_life(bool v6, bool ip_only, bool offload)
{
    struct world_options options;
    world_defaults(&options);
    options.ip_only = ip_only;
    options.offload = offload;
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    const char *name = v6 ? "IPv6" : "IPv4";
    CHECK(world_connect(&world, v6, &listener, &client, &server), "%s, %s, %s: connected", name,
          ip_only ? "no link header" : "Ethernet", offload ? "offload" : "software sums");
    CHECK(world_state(&world, 0, client) == WEIR_ESTABLISHED, "the client is established");
    CHECK(world_state(&world, 1, server) == WEIR_ESTABLISHED, "the server is established");

    const uint32_t total = 3000001;
    CHECK(transfer(0, client, server, total) == total, "octets from client to server are intact");
    CHECK(transfer(1, server, client, total) == total, "octets from server to client are intact");

    CHECK(weir_shutdown(world.side[0], client, world.now) == WEIR_OK, "the client closes");
    world_run(&world, 100 * WEIR_MS);
    CHECK(world_state(&world, 0, client) == WEIR_FIN_WAIT_2, "FIN-WAIT-2");
    CHECK(world_state(&world, 1, server) == WEIR_CLOSE_WAIT, "CLOSE-WAIT");
    uint8_t octet;
    size_t done = 1;
    CHECK(weir_recv(world.side[1], server, &octet, 1, &done, world.now) == WEIR_OK && done == 0,
          "the server reads the end");
    CHECK(transfer(1, server, client, 100000) == 100000, "the other direction goes on");
    CHECK(weir_release(world.side[1], server, world.now) == WEIR_OK, "the server lets go");
    world_run(&world, 100 * WEIR_MS);
    CHECK(world_state(&world, 0, client) == WEIR_TIME_WAIT, "TIME-WAIT with an owner is a TCB");
    CHECK(world_pool_used(&world, 1, "tcb") == 0, "LAST-ACK is over at once");
    CHECK(weir_release(world.side[0], client, world.now) == WEIR_OK, "the client lets go");
    CHECK(world_pool_used(&world, 0, "tcb") == 0 && world_pool_used(&world, 0, "tw") == 1,
          "TIME-WAIT without an owner is small");
    CHECK(weir_release(world.side[0], client, world.now) == WEIR_BAD_HANDLE, "the handle is dead");
    world_run(&world, 59 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tw") == 1, "TIME-WAIT lasts 59 s");
    world_run(&world, 1 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tw") == 0, "TIME-WAIT is over after 60 s");
    check_empty("after 2 MSL");
    world_close(&world);
}

/* WEIR_OPT_LINGER2: how long FIN-WAIT-2 lasts that nobody owns. */
static void test_linger2(int64_t value, unsigned seconds)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    int64_t got = 0;
    CHECK(world_connect(&world, false, &listener, &client, &server), "connected");
    const enum weir_error set = weir_set(world.side[0], client, WEIR_OPT_LINGER2, value, world.now);
    const enum weir_error get = weir_get(world.side[0], client, WEIR_OPT_LINGER2, &got);
    CHECK(set == WEIR_OK && get == WEIR_OK && got == value, "%u s are set", seconds);
    CHECK(weir_set(world.side[0], client, WEIR_OPT_LINGER2, -2, world.now) == WEIR_INVALID &&
              weir_set(world.side[0], client, WEIR_OPT_LINGER2, 121 * WEIR_SECOND, world.now) ==
                  WEIR_INVALID,
          "what is out of bounds is refused");
    CHECK(weir_release(world.side[0], client, world.now) == WEIR_OK, "the client lets go");
    world_run(&world, 100 * WEIR_MS);
    if (seconds > 0) {
        CHECK(world_pool_used(&world, 0, "tw") == 1, "FIN-WAIT-2 is small");
        world_run(&world, (seconds - 1) * WEIR_SECOND);
        CHECK(world_pool_used(&world, 0, "tw") == 1, "it lasts");
        world_run(&world, 2 * WEIR_SECOND);
        CHECK(world_state(&world, 1, server) == WEIR_CLOSE_WAIT, "the peer is not told");
    } else {
        CHECK(weir_error_take(world.side[1], server) == WEIR_PIPE, "the peer is reset");
    }
    CHECK(world_pool_used(&world, 0, "tw") == 0 && world_pool_used(&world, 0, "tcb") == 0,
          "then nothing is left");
    world_close(&world);
}

static void test_refused(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    const struct weir_addr nobody = world_addr(1, false, 81);
    weir_handle conn;
    CHECK(weir_connect(world.side[0], NULL, &nobody, &conn, world.now) == WEIR_IN_PROGRESS,
          "a connection is begun");
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_ready_now(world.side[0], conn) & WEIR_ERROR, "there is an error to be told");
    struct weir_status status;
    CHECK(weir_status(world.side[0], conn, &status) == WEIR_OK && status.error == WEIR_REFUSED,
          "the status shows it");
    CHECK(weir_error_take(world.side[0], conn) == WEIR_REFUSED, "connection refused");
    CHECK(weir_error_take(world.side[0], conn) == WEIR_OK, "told once");
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_TCP_NO_CONN) == 1, "the SYN was for nobody");
    CHECK(weir_release(world.side[0], conn, world.now) == WEIR_OK, "released");
    check_empty("after a refusal");

    const struct weir_addr port0 = world_addr(1, false, 0);
    CHECK(weir_connect(world.side[0], NULL, &port0, &conn, world.now) == WEIR_INVALID, "port 0");
    const struct weir_addr far = { .ip = weir_ip_v4(192, 0, 2, 1), .port = 80 };
    CHECK(weir_connect(world.side[0], NULL, &far, &conn, world.now) == WEIR_NET_UNREACH,
          "no route");
    const struct weir_addr other = world_addr(1, false, 80);
    CHECK(weir_connect(world.side[0], &other, &other, &conn, world.now) == WEIR_NOT_LOCAL,
          "somebody else's address");
    const struct weir_addr absent = { .ip = weir_ip_v4(10, 0, 0, 77), .port = 80 };
    CHECK(weir_connect(world.side[0], NULL, &absent, &conn, world.now) == WEIR_IN_PROGRESS,
          "a station that is not there");
    world_run(&world, 10 * WEIR_SECOND);
    CHECK(weir_error_take(world.side[0], conn) == WEIR_HOST_UNREACH, "host unreachable");
    CHECK(weir_release(world.side[0], conn, world.now) == WEIR_OK, "released");
    check_empty("after a neighbour that never answered");
    world_close(&world);
}

static void test_abort(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    CHECK(world_connect(&world, false, &listener, &client, &server), "connected");
    CHECK(weir_abort(world.side[0], client, world.now) == WEIR_OK, "the client aborts");
    CHECK(weir_abort(world.side[0], client, world.now) == WEIR_NOT_CONN, "only once");
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_ready_now(world.side[1], server) & WEIR_ERROR, "the server is told");
    uint8_t octet;
    size_t done;
    CHECK(weir_recv(world.side[1], server, &octet, 1, &done, world.now) == WEIR_RESET,
          "connection reset");
    CHECK(weir_recv(world.side[1], server, &octet, 1, &done, world.now) == WEIR_OK && done == 0,
          "and then the end");
    CHECK(weir_send(world.side[1], server, &octet, 1, 0, &done, world.now) == WEIR_PIPE,
          "no more sending");
    (void)!weir_release(world.side[0], client, world.now);
    (void)!weir_release(world.side[1], server, world.now);
    world_run(&world, 100 * WEIR_MS);
    check_empty("after a reset");

    CHECK(world_connect(&world, false, &listener, &client, &server), "connected again");
    CHECK(weir_send(world.side[0], client, "unread", 6, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_release(world.side[1], server, world.now) == WEIR_OK, "closed with octets unread");
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_error_take(world.side[0], client) == WEIR_RESET, "is a reset (RFC 2525, 2.17)");
    (void)!weir_release(world.side[0], client, world.now);
    world_run(&world, 100 * WEIR_MS);
    check_empty("after unread octets");
    world_close(&world);
}

static void test_simultaneous(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    const struct weir_addr a = world_addr(0, false, 1000), b = world_addr(1, false, 2000);
    weir_handle x, y;
    /* Neighbours first: otherwise one SYN waits for the other's question. */
    weir_handle udp;
    const struct weir_addr any = { .port = 9 };
    CHECK(weir_udp_open(world.side[0], &any, &udp) == WEIR_OK, "an endpoint");
    (void)!weir_udp_send(world.side[0], udp, &b, "x", 1, world.now);
    world_run(&world, WEIR_SECOND);
    CHECK(weir_connect(world.side[0], &a, &b, &x, world.now) == WEIR_IN_PROGRESS, "one opens");
    CHECK(weir_connect(world.side[1], &b, &a, &y, world.now) == WEIR_IN_PROGRESS,
          "so does the other");
    CHECK(weir_connect(world.side[1], &b, &a, &udp, world.now) == WEIR_IN_USE,
          "the tuple is taken");
    world_run(&world, 200 * WEIR_MS);
    CHECK(world_state(&world, 0, x) == WEIR_ESTABLISHED, "simultaneous open, one end");
    CHECK(world_state(&world, 1, y) == WEIR_ESTABLISHED, "simultaneous open, the other end");
    CHECK(transfer(0, x, y, 50000) == 50000, "octets pass");
    (void)!weir_release(world.side[0], x, world.now);
    (void)!weir_release(world.side[1], y, world.now);
    world_run(&world, 200 * WEIR_MS);
    CHECK(world_pool_used(&world, 0, "tw") == 1 && world_pool_used(&world, 1, "tw") == 1,
          "simultaneous close: both ends wait");
    world_run(&world, 61 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tcb") == 0 && world_pool_used(&world, 1, "tcb") == 0 &&
              world_pool_used(&world, 0, "tw") == 0 && world_pool_used(&world, 1, "tw") == 0,
          "and are gone");
    world_close(&world);
}

static void test_same_run(void)
{
    uint64_t hash[2];
    for (unsigned i = 0; i < 2; i++) {
        struct world_options options;
        world_defaults(&options);
        world_open(&world, &options);
        weir_handle listener = WEIR_NO_HANDLE, client, server;
        (void)world_connect(&world, i == 2, &listener, &client, &server);
        (void)transfer(0, client, server, 500000);
        (void)!weir_release(world.side[0], client, world.now);
        world_run(&world, 70 * WEIR_SECOND);
        hash[i] = world.hash;
        world_close(&world);
    }
    CHECK(hash[0] == hash[1], "two runs send the same octets at the same times");
}

int main(void)
{
    test_life(false, false, false);
    test_life(true, false, false);
    test_life(false, true, true);
    test_life(true, false, true);
    test_linger2(-1, 0);
    test_linger2(2 * WEIR_SECOND, 2);
    test_linger2(120 * WEIR_SECOND, 120);
    test_refused();
    test_abort();
    test_simultaneous();
    test_same_run();
    return tap_done();
}
