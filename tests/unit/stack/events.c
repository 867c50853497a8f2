/* SPDX-License-Identifier: MIT */
/* Readiness: told once while it is true, told again after it was not, never lost; and handles that
 * have died. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;

/* What the next event of this handle says; 0 if there is none. Others are skipped. */
static unsigned told(unsigned side, weir_handle handle)
{
    struct weir_event event;
    unsigned ready = 0;
    for (unsigned i = 0; i < 1000 && weir_next_event(world.side[side], &event); i++)
        if (event.handle == handle)
            ready = event.ready;
    return ready;
}

static void test_law(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, client, server;
    const struct weir_addr local = world_addr(1, false, 80);
    CHECK(weir_listen(world.side[1], &local, 4, 0, &listener) == WEIR_OK, "listening");
    CHECK(told(1, listener) == 0, "a listener has nothing to tell at first");
    CHECK(weir_connect(world.side[0], NULL, &local, &client, world.now) == WEIR_IN_PROGRESS,
          "open");
    CHECK(weir_set_cookie(world.side[0], client, 4711) == WEIR_OK, "a cookie");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(1, listener) == WEIR_READABLE, "a connection to accept");
    CHECK(told(1, listener) == 0, "told once");
    CHECK(weir_accept(world.side[1], listener, &server, world.now) == WEIR_OK, "accepted");
    CHECK(weir_ready_now(world.side[1], listener) == 0, "no more to accept");

    struct weir_event event;
    CHECK(weir_next_event(world.side[0], &event) && event.handle == client &&
              event.cookie == 4711 && event.ready == (WEIR_WRITABLE | WEIR_CONNECTED),
          "the client is connected and writable, and its cookie comes back");
    CHECK(!weir_next_event(world.side[0], &event), "told once");
    weir_rearm(world.side[0], client);
    CHECK(told(0, client) == (WEIR_WRITABLE | WEIR_CONNECTED), "rearmed: told again");
    (void)told(1, server);

    size_t done;
    char text[8];
    CHECK(weir_send(world.side[0], client, "one", 3, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(1, server) & WEIR_READABLE, "readable");
    CHECK(weir_send(world.side[0], client, "two", 3, 0, &done, world.now) == WEIR_OK, "sent more");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(1, server) == 0, "more octets are not told again while the first are unread");
    CHECK(weir_recv(world.side[1], server, text, 8, &done, world.now) == WEIR_OK && done == 6,
          "all read");
    CHECK(weir_recv(world.side[1], server, text, 8, &done, world.now) == WEIR_AGAIN, "not now");
    CHECK(weir_send(world.side[0], client, "three", 5, 0, &done, world.now) == WEIR_OK, "again");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(1, server) & WEIR_READABLE, "readable is told again after it was not");

    static uint8_t block[1 << 16];
    while (weir_send(world.side[0], client, block, sizeof block, 0, &done, world.now) == WEIR_OK)
        continue;
    CHECK(!(weir_ready_now(world.side[0], client) & WEIR_WRITABLE), "a full buffer");
    world_run(&world, 50 * WEIR_MS);
    (void)told(0, client);
    for (unsigned i = 0; i < 1000; i++) {
        while (weir_recv(world.side[1], server, block, sizeof block, &done, world.now) == WEIR_OK)
            continue;
        world_run(&world, 5 * WEIR_MS);
    }
    CHECK(told(0, client) & WEIR_WRITABLE, "writable again");
    CHECK(weir_shutdown(world.side[0], client, world.now) == WEIR_OK, "the end");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(1, server) & WEIR_EOF, "the peer is told the end");
    CHECK(weir_release(world.side[1], server, world.now) == WEIR_OK, "released");
    world_run(&world, 50 * WEIR_MS);
    CHECK(told(0, client) & WEIR_HANGUP, "both directions are over");
    world_close(&world);
}

static void test_stale(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[0];
    weir_handle old, next;
    const struct weir_addr to = world_addr(1, false, 80);
    (void)!weir_connect(w, NULL, &to, &old, world.now);
    (void)!weir_release(w, old, world.now);
    (void)!weir_connect(w, NULL, &to, &next, world.now);
    CHECK((uint32_t)old == (uint32_t)next && old != next, "the same place, another handle");
    size_t done;
    char text[4];
    struct weir_span span[WEIR_SPANS];
    struct weir_status status;
    unsigned count = WEIR_SPANS;
    uint32_t ahead;
    int64_t value;
    const weir_handle bad[] = { old, 0, UINT64_MAX, next ^ (UINT64_C(1) << 60), next + 1 };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const weir_handle h = bad[i];
        CHECK(weir_send(w, h, "x", 1, 0, &done, world.now) == WEIR_BAD_HANDLE, "%u: send", i);
        CHECK(weir_recv(w, h, text, 4, &done, world.now) == WEIR_BAD_HANDLE, "%u: recv", i);
        CHECK(weir_send_room(w, h, 1, span, &count) == WEIR_BAD_HANDLE, "%u: send_room", i);
        CHECK(weir_send_put(w, h, 0, 0, world.now) == WEIR_BAD_HANDLE, "%u: send_put", i);
        CHECK(weir_recv_view(w, h, span, &count) == WEIR_BAD_HANDLE, "%u: recv_view", i);
        CHECK(weir_recv_took(w, h, 0, world.now) == WEIR_BAD_HANDLE, "%u: recv_took", i);
        CHECK(weir_shutdown(w, h, world.now) == WEIR_BAD_HANDLE, "%u: shutdown", i);
        CHECK(weir_abort(w, h, world.now) == WEIR_BAD_HANDLE, "%u: abort", i);
        CHECK(weir_release(w, h, world.now) == WEIR_BAD_HANDLE, "%u: release", i);
        CHECK(weir_error_take(w, h) == WEIR_BAD_HANDLE, "%u: error_take", i);
        CHECK(weir_set(w, h, WEIR_OPT_TTL, 1, world.now) == WEIR_BAD_HANDLE, "%u: set", i);
        CHECK(weir_get(w, h, WEIR_OPT_TTL, &value) == WEIR_BAD_HANDLE, "%u: get", i);
        CHECK(weir_urgent(w, h, &ahead) == WEIR_BAD_HANDLE, "%u: urgent", i);
        CHECK(weir_status(w, h, &status) == WEIR_BAD_HANDLE, "%u: status", i);
        CHECK(weir_set_cookie(w, h, 1) == WEIR_BAD_HANDLE, "%u: set_cookie", i);
        CHECK(weir_ready_now(w, h) == 0, "%u: ready_now", i);
        weir_rearm(w, h);
    }
    world_close(&world);
}

/* No more than event_batch in a row, then "no more" once. */
static void test_batch(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.event_batch = 3;
    world_open(&world, &options);
    const struct weir_addr any = { .port = 0 };
    weir_handle endpoint;
    for (unsigned i = 0; i < 5; i++)
        if (weir_udp_open(world.side[0], &any, &endpoint) != WEIR_OK)
            CHECK(false, "an endpoint");
    struct weir_event event;
    unsigned first = 0, second = 0;
    while (weir_next_event(world.side[0], &event))
        first++;
    while (weir_next_event(world.side[0], &event))
        second++;
    CHECK(first == 3 && second == 2, "five events in batches of three: %u and %u", first, second);
    world_close(&world);
}

int main(void)
{
    test_law();
    test_stale();
    test_batch();
    return tap_done();
}
