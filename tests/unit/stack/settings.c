/* SPDX-License-Identifier: MIT */

/* src/stack/settings.c: what changes while an instance runs, what does not, and what is refused. */

#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;
static weir_handle listener, client, server;

static bool begin(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    return world_connect(&world, false, &listener, &client, &server);
}

static void check_seen(void)
{
    struct weir_config config, again;
    int64_t idle = 0;
    CHECK(begin(), "a connection");
    weir_config_now(world.side[0], &config);
    const uint64_t none[8] = { 0 };
    CHECK(config.seed == 0 && memcmp(config.secret, none, sizeof none) == 0 &&
              config.fastopen_key[0] == 0 && config.fastopen_key[1] == 0,
          "no secret is told");
    config.keepalive_idle = 77 * WEIR_SECOND;
    config.tcp_max++;
    config.rcv_max *= 2;
    config.seed = 5;
    CHECK(weir_config_change(world.side[0], &config) == WEIR_OK, "a change is taken");
    CHECK(weir_get(world.side[0], client, WEIR_OPT_KEEPIDLE, &idle) == WEIR_OK &&
              idle == 77 * WEIR_SECOND,
          "a connection that has not chosen goes by it");
    weir_config_now(world.side[0], &again);
    CHECK(again.tcp_max == config.tcp_max - 1 && again.rcv_max == config.rcv_max / 2,
          "pools and windows stay as they were built");
    config.keepalive_idle = WEIR_SECOND;
    config.somaxconn = 0;
    CHECK(weir_config_change(world.side[0], &config) == WEIR_INVALID, "nonsense is refused");
    weir_config_now(world.side[0], &again);
    CHECK(again.keepalive_idle == 77 * WEIR_SECOND && again.somaxconn != 0, "and nothing changed");
}

/* A peer that is gone is noticed by the retries that are allowed by then. */
static bool drop_all(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    (void)from;
    (void)data;
    (void)len;
    return false;
}

static void check_retries(void)
{
    struct weir_config config;
    size_t done;
    weir_config_now(world.side[0], &config);
    config.retries_max = 2;
    CHECK(weir_config_change(world.side[0], &config) == WEIR_OK, "fewer retries");
    world.filter = drop_all;
    (void)!weir_send(world.side[0], client, "x", 1, 0, &done, world.now);
    world_run(&world, 20 * WEIR_SECOND);
    CHECK(weir_error_take(world.side[0], client) == WEIR_TIMED_OUT,
          "a connection that was there before is given up by them");
}

int main(void)
{
    check_seen();
    check_retries();
    world_close(&world);
    return tap_done();
}
