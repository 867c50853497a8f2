/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "tap.h"

#include <string.h>

/* Fast Open between two instances: the first connection brings a cookie home, the others have their
 * text at the server half a round trip after they begin; and what makes a cookie bad. */

static struct world world;
static weir_handle listener;

/* Connects and sends at once. What the server can read half a round trip and a little later, or
 * -1 without a connection; then all is let go. */
static int early(bool v6)
{
    const struct weir_addr to = world_addr(1, v6, 80);
    weir_handle client, server = WEIR_NO_HANDLE;
    size_t done = 0;
    char text[100];
    if (weir_connect(world.side[0], NULL, &to, &client, world.now) != WEIR_IN_PROGRESS ||
        weir_set(world.side[0], client, WEIR_OPT_FASTOPEN, 1, world.now) != WEIR_OK ||
        weir_send(world.side[0], client, "good morning", 12, 0, &done, world.now) != WEIR_OK)
        return -2;
    world_run(&world, world.delay + world.delay / 2);
    int got = -1;
    if (weir_accept(world.side[1], listener, &server, world.now) == WEIR_OK)
        got = weir_recv(world.side[1], server, text, sizeof text, &done, world.now) == WEIR_OK
                  ? (int)done
                  : 0;
    world_run(&world, 20 * world.delay);
    if (server == WEIR_NO_HANDLE &&
        weir_accept(world.side[1], listener, &server, world.now) == WEIR_OK) {
        (void)!weir_recv(world.side[1], server, text, sizeof text, &done, world.now);
        CHECK(done == 12, "what was not early comes all the same");
    }
    CHECK(world_state(&world, 0, client) == WEIR_ESTABLISHED, "the handshake is completed");
    (void)weir_release(world.side[0], client, world.now);
    (void)weir_release(world.side[1], server, world.now);
    world_run(&world, 20 * world.delay);
    return got;
}

static void family(bool v6)
{
    const char *name = v6 ? "IPv6" : "IPv4";
    const uint64_t first[2] = { 1, v6 }, second[2] = { 2, v6 };
    CHECK(early(v6) == -1, "%s: the first connection only asks", name);
    CHECK(early(v6) == 12, "%s: the second has its text there with the SYN", name);
    weir_fastopen_key(world.side[1], first);
    CHECK(early(v6) == 12, "%s: the key before is still good", name);
    weir_fastopen_key(world.side[1], second);
    CHECK(early(v6) == -1, "%s: the one before that is not: a new cookie comes", name);
    CHECK(early(v6) == 12, "%s: which is good", name);
    weir_known_flush(world.side[0]);
    CHECK(early(v6) == -1, "%s: what is forgotten is asked for again", name);
}

/* TCP_FASTOPEN_KEY: a listener may have keys of its own, and the instance's are not good there. */
static void own_keys(void)
{
    const uint64_t keys[2][2] = { { 5, 6 }, { 7, 8 } };
    uint64_t seen[2][2];
    CHECK(weir_fastopen_keys_set(world.side[1], listener, keys, 3) == WEIR_INVALID, "two at most");
    CHECK(weir_fastopen_keys_set(world.side[1], WEIR_NO_HANDLE, keys, 1) == WEIR_BAD_HANDLE,
          "of a listener");
    CHECK(early(false) == -1 && early(false) == 12, "a cookie by the instance's key");
    CHECK(weir_fastopen_keys_set(world.side[1], listener, keys, 1) == WEIR_OK, "own key");
    CHECK(early(false) == -1 && early(false) == 12, "which gives a cookie that is good");
    const uint64_t next[2][2] = { { 1, 1 }, { 5, 6 } };
    CHECK(weir_fastopen_keys_set(world.side[1], listener, next, 2) == WEIR_OK, "the next key");
    CHECK(early(false) == 12, "the one before it is good");
    CHECK(weir_fastopen_keys(world.side[1], listener, seen) == 2 && seen[1][1] == 6, "and told");
}

int main(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.fastopen = WEIR_FASTOPEN_CLIENT | WEIR_FASTOPEN_SERVER;
    world_open(&world, &options);
    world.delay = 20 * WEIR_MS;
    const struct weir_addr any = { .port = 80 };
    CHECK(weir_listen(world.side[1], &any, 16, 0, &listener) == WEIR_OK, "listens");
    CHECK(early(false) == -1 && early(false) == -1, "nothing is early without TCP_FASTOPEN");
    CHECK(weir_set(world.side[1], listener, WEIR_OPT_FASTOPEN, 8, world.now) == WEIR_OK, "set");
    family(false);
    family(true);
    own_keys();
    CHECK(weir_set(world.side[1], listener, WEIR_OPT_FASTOPEN, -1, world.now) == WEIR_INVALID,
          "a queue of -1 makes no sense");
    world_close(&world);

    world_defaults(&options);
    options.config.fastopen = 0;
    world_open(&world, &options);
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle client;
    (void)!weir_connect(world.side[0], NULL, &to, &client, world.now);
    CHECK(weir_set(world.side[0], client, WEIR_OPT_FASTOPEN, 1, world.now) == WEIR_INVALID,
          "switched off it is refused");
    world_close(&world);
    return tap_done();
}
