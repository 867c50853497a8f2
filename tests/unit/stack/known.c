/* SPDX-License-Identifier: MIT */
/* What one connection leaves for the next: ports in TIME-WAIT (tcp_tw_reuse), and what is known of
 * a destination. */
#include "stack/known.h"

#include "tap.h"
#include "world.h"

#define SHARDS 7000 /* so few ports are ours that they can all be used */

static struct world world;
static weir_handle listener;

static void open_world(const struct world_options *options)
{
    world_open(&world, options);
    listener = WEIR_NO_HANDLE;
}

/* Connects, and ends it in order, the client first; the client's port, or 0. */
static uint16_t once(void)
{
    weir_handle client, server;
    struct weir_status status;
    if (!world_connect(&world, false, &listener, &client, &server))
        return 0;
    (void)!weir_status(world.side[0], client, &status);
    (void)weir_release(world.side[0], client, world.now);
    world_run(&world, 10 * WEIR_MS + 2 * world.delay);
    (void)weir_release(world.side[1], server, world.now);
    world_run(&world, 10 * WEIR_MS + 2 * world.delay);
    return status.local.port;
}

static unsigned connections(unsigned most)
{
    unsigned n = 0;
    while (n < most && once() != 0)
        n++;
    return n;
}

static uint64_t reused(void)
{
    struct weir_counters count;
    weir_counters(world.side[0], &count);
    return count.tw_reused;
}

static void test_reuse(uint8_t mode, bool timestamps, bool expected)
{
    struct world_options options;
    world_defaults(&options);
    options.config.shard_count = SHARDS;
    options.config.tw_reuse = mode;
    options.config.timestamps = timestamps;
    options.config.time_wait = 60 * WEIR_SECOND;
    open_world(&options);
    const weir_time begin = world.now;
    const unsigned ports = connections(30);
    CHECK(ports > 0 && ports < 30, "%u ports, then none is left", ports);
    CHECK(world.now - begin < WEIR_SECOND && reused() == 0, "no TIME-WAIT is a second old");
    world_run(&world, WEIR_SECOND + 10 * WEIR_MS);
    const uint16_t port = once();
    CHECK((port != 0) == expected, "mode %u, timestamps %d: a port of a TIME-WAIT is%s drawn", mode,
          timestamps, expected ? "" : " not");
    CHECK(reused() == (expected ? 1 : 0), "and that is counted: %llu",
          (unsigned long long)reused());
    world_close(&world);
}

/* Who names the port gets it, if there are timestamps; and the numbers go on. */
static void test_named(bool timestamps)
{
    struct world_options options;
    world_defaults(&options);
    options.config.tw_reuse = 0;
    options.config.timestamps = timestamps;
    open_world(&options);
    const uint16_t port = once();
    const struct weir_addr local = world_addr(0, false, port), remote = world_addr(1, false, 80);
    struct weir_status before = { 0 }, after;
    uint64_t cursor = 0;
    weir_handle handle;
    while (weir_list(world.side[0], &cursor, &before, &handle) && before.state != WEIR_TIME_WAIT)
        ;
    CHECK(before.state == WEIR_TIME_WAIT, "a TIME-WAIT is listed");
    const enum weir_error error = weir_connect(world.side[0], &local, &remote, &handle, world.now);
    CHECK(error == (timestamps ? WEIR_IN_PROGRESS : WEIR_IN_USE), "timestamps %d: %d", timestamps,
          (int)error);
    if (timestamps) {
        (void)!weir_status(world.side[0], handle, &after);
        CHECK(after.iss - before.snd_nxt > 65535 && after.iss - before.snd_nxt < 1u << 31,
              "the new ISS lies beyond all that was sent");
        CHECK(world_pool_used(&world, 0, "tw") == 0, "the old one is gone");
    }
    world_close(&world);
}

static struct weir_status second(weir_time first_delay, weir_time second_delay)
{
    weir_handle client, server;
    struct weir_status status = { 0 };
    world.delay = first_delay;
    (void)once();
    world.delay = second_delay;
    if (world_connect(&world, false, &listener, &client, &server))
        (void)!weir_status(world.side[0], client, &status);
    return status;
}

static void test_rtt(void)
{
    struct world_options options;
    world_defaults(&options);
    options.ip_only = true;
    open_world(&options);
    struct weir_status status = second(30 * WEIR_MS, 10 * WEIR_MS);
    CHECK(status.rto == 260 * WEIR_MS, "a farther past: the timeout is %lld ms",
          (long long)(status.rto / WEIR_MS));
    world_close(&world);

    open_world(&options);
    status = second(10 * WEIR_MS, 30 * WEIR_MS);
    CHECK(status.rto == 260 * WEIR_MS, "a nearer past says nothing");
    world_close(&world);

    options.config.no_metrics_save = true;
    open_world(&options);
    status = second(30 * WEIR_MS, 10 * WEIR_MS);
    CHECK(status.rto <= 220 * WEIR_MS, "nothing is kept if so configured");
    world_close(&world);
}

static void test_threshold(bool used)
{
    struct world_options options;
    world_defaults(&options);
    options.config.no_ssthresh_metrics_save = !used;
    open_world(&options);
    const struct weir_ip peer = world_addr(1, false, 0).ip;
    struct tcp_known *known = known_place(world.side[0], &peer, world.now);
    known->measured = true;
    known->ssthresh = 20000;
    known->srtt_us = 1;
    weir_handle client, server;
    struct weir_status status = { 0 };
    if (world_connect(&world, false, &listener, &client, &server))
        (void)!weir_status(world.side[0], client, &status);
    CHECK(status.ssthresh == (used ? 20000 : UINT32_MAX), "slow start ends at %u", status.ssthresh);
    world_close(&world);
}

static void test_table(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.known_max = 4;
    open_world(&options);
    struct weir *w = world.side[0];
    struct weir_ip ip = world_addr(1, false, 0).ip;
    uint32_t number;
    for (unsigned i = 1; i <= 5; i++) {
        ip.octet[15] = (uint8_t)i;
        known_place(w, &ip, world.now + i)->cwnd = i;
        ip.octet[15] = 2; /* the second stays young */
        if (i >= 2)
            (void)known_place(w, &ip, world.now + 10 + i);
    }
    const bool there[] = { false, false, true, true, true, true };
    for (unsigned i = 1; i <= 5; i++) {
        ip.octet[15] = (uint8_t)i;
        const struct tcp_known *known = known_find(w, &ip, &number);
        CHECK((known != NULL) == there[i] && (known == NULL || known->cwnd == i),
              "four places: %u is %s", i, there[i] ? "there" : "the oldest, and gone");
    }
    world_close(&world);
}

/* Hundreds of destinations for eight places: what lies behind the table is not touched. */
static void test_many(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.known_max = 8;
    open_world(&options);
    struct weir *w = world.side[0];
    struct weir_ip ip = world_addr(1, false, 0).ip;
    uint32_t number;
    unsigned there = 0;
    for (unsigned i = 0; i < 256; i++) {
        ip.octet[15] = (uint8_t)i;
        const struct tcp_known *known = known_place(w, &ip, world.now + (i * 37) % 101);
        there += known >= w->known && known < w->known + 8 &&
                 known_find(w, &ip, &number) == known && number < 8;
    }
    CHECK(there == 256, "each has a place in the table when it is new: %u", there);
    weir_check(w);
    world_close(&world);
}

static void test_expiry(void)
{
    struct world_options options;
    world_defaults(&options);
    options.ip_only = true;
    open_world(&options);
    world.delay = 30 * WEIR_MS;
    (void)once();
    world_run(&world, 3600 * WEIR_SECOND);
    weir_handle client, server;
    struct weir_status status = { 0 };
    world.delay = 10 * WEIR_MS;
    if (world_connect(&world, false, &listener, &client, &server))
        (void)!weir_status(world.side[0], client, &status);
    CHECK(status.rto > 0 && status.rto <= 220 * WEIR_MS, "after an hour nothing is believed");
    world_close(&world);
}

int main(void)
{
    test_reuse(1, true, true);
    test_reuse(1, false, false);
    test_reuse(0, true, false);
    test_reuse(2, true, false);
    test_named(true);
    test_named(false);
    test_rtt();
    test_threshold(true);
    test_threshold(false);
    test_table();
    test_many();
    test_expiry();
    return tap_done();
}
