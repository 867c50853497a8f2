/* SPDX-License-Identifier: MIT */
/* Local ports: within the range, hard to guess, each once a destination, and an end to them; and
 * the options that are not TCP's. */
#include "tap.h"
#include "world.h"

#include <string.h>

#define FIRST 32768
#define LAST  60999
#define RANGE (LAST - FIRST + 1)

static struct world world;

static uint16_t port_of(unsigned side, weir_handle handle)
{
    struct weir_status status;
    return weir_status(world.side[side], handle, &status) == WEIR_OK ? status.local.port : 0;
}

static void test_range(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.tcp_max = RANGE + 2;
    options.config.ring_chunks = 4 * RANGE;
    options.config.verify = false;
    world_open(&world, &options);
    static uint8_t seen[65536];
    const struct weir_addr to = world_addr(1, false, 80), other = world_addr(1, false, 81);
    weir_handle conn;
    unsigned outside = 0, twice = 0, close = 0;
    uint16_t before = 0;
    for (unsigned i = 0; i < RANGE; i++) {
        if (weir_connect(world.side[0], NULL, &to, &conn, world.now) != WEIR_IN_PROGRESS) {
            CHECK(false, "connection %u", i);
            break;
        }
        const uint16_t port = port_of(0, conn);
        outside += port < FIRST || port > LAST;
        twice += seen[port]++;
        close += i < 1000 && (uint16_t)(port - before) <= 1;
        before = port;
    }
    CHECK(outside == 0, "all %u ports are in the range", RANGE);
    CHECK(twice == 0, "none was drawn twice for one destination");
    CHECK(close < 100, "the next one is seldom the next number: %u of 1,000", close);
    CHECK(weir_connect(world.side[0], NULL, &to, &conn, world.now) == WEIR_NOT_LOCAL,
          "no port is left for this destination");
    CHECK(weir_connect(world.side[0], NULL, &other, &conn, world.now) == WEIR_IN_PROGRESS,
          "but there is for another");
    world_close(&world);
}

static void test_shards(void)
{
    static uint8_t owner[65536];
    memset(owner, 0xff, sizeof owner);
    unsigned twice = 0, drawn[3] = { 0 };
    for (unsigned shard = 0; shard < 3; shard++) {
        struct world_options options;
        world_defaults(&options);
        options.config.shard_count = 3;
        options.config.shard_index = (uint16_t)shard;
        world_open(&world, &options);
        const struct weir_addr to = world_addr(1, false, 80);
        weir_handle conn;
        for (unsigned i = 0; i < 200; i++) {
            (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
            const uint16_t port = port_of(0, conn);
            twice += owner[port] != 0xff && owner[port] != shard;
            owner[port] = (uint8_t)shard;
            drawn[shard] += port != 0;
        }
        world_close(&world);
    }
    CHECK(twice == 0 && drawn[0] == 200 && drawn[1] == 200 && drawn[2] == 200,
          "three shards of one secret never draw the same tuple");
}

static void test_unlike(void)
{
    uint16_t port[2];
    for (unsigned i = 0; i < 2; i++) {
        struct world_options options;
        world_defaults(&options);
        options.config.secret[6] = 4711 * i;
        world_open(&world, &options);
        const struct weir_addr to = world_addr(1, false, 80);
        weir_handle conn;
        (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
        port[i] = port_of(0, conn);
        world_close(&world);
    }
    CHECK(port[0] != port[1], "another secret draws another port");
}

static bool note_ttl(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    if (from == 1 && len > 34 && data[12] == 8 && data[13] == 0 && data[23] == 6)
        w->filter_first = (unsigned)data[22] << 8 | data[15];
    return true;
}

/* RFC 5082: a listener and its connections hear nobody who is further away than is allowed. */
static void test_least(bool v6)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1], *far = world.side[0];
    const enum weir_option least = v6 ? WEIR_OPT_MIN_HOPS : WEIR_OPT_MIN_TTL;
    const enum weir_option other = v6 ? WEIR_OPT_MIN_TTL : WEIR_OPT_MIN_HOPS;
    const struct weir_addr local = world_addr(1, v6, 80);
    weir_handle listener, client, server;
    int64_t value;
    size_t done;
    CHECK(weir_listen(w, &local, 4, 0, &listener) == WEIR_OK, "listening");
    CHECK(weir_set(w, listener, least, 256, world.now) == WEIR_INVALID, "256 is too much");
    CHECK(weir_set(w, listener, least, 64, world.now) == WEIR_OK, "64 is not");
    CHECK(weir_set(w, listener, other, 255, world.now) == WEIR_OK, "nor is the other family's");
    CHECK(world_connect(&world, v6, &listener, &client, &server), "connected with 64");
    CHECK(weir_get(w, server, least, &value) == WEIR_OK && value == 64, "inherited");
    CHECK(weir_set(far, client, WEIR_OPT_TTL, 63, world.now) == WEIR_OK, "further away");
    CHECK(weir_send(far, client, "x", 1, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, 50 * WEIR_MS);
    CHECK((weir_ready_now(w, server) & WEIR_READABLE) == 0 &&
              weir_drop_count(w, WEIR_DROP_TCP_MIN_TTL) == 1,
          "not heard, and counted");
    CHECK(weir_set(w, server, other, 0, world.now) == WEIR_OK, "the other family's");
    world_run(&world, WEIR_SECOND);
    CHECK((weir_ready_now(w, server) & WEIR_READABLE) == 0, "changes nothing");
    CHECK(weir_set(w, server, least, 63, world.now) == WEIR_OK, "taken back");
    world_run(&world, 10 * WEIR_SECOND);
    CHECK(weir_ready_now(w, server) & WEIR_READABLE, "heard");
    CHECK(weir_set(w, listener, least, 65, world.now) == WEIR_OK, "more than who connects has");
    const uint64_t before = weir_drop_count(w, WEIR_DROP_TCP_MIN_TTL);
    CHECK(weir_connect(far, NULL, &local, &client, world.now) == WEIR_IN_PROGRESS,
          "another begins");
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_drop_count(w, WEIR_DROP_TCP_MIN_TTL) == before + 1, "its SYN is dropped");
    world_close(&world);
}

static void test_options(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1];
    weir_handle listener, client, server;
    const struct weir_addr local = world_addr(1, false, 80);
    int64_t value;
    CHECK(weir_listen(w, &local, 4, 0, &listener) == WEIR_OK, "listening");
    CHECK(weir_set(w, listener, WEIR_OPT_TTL, 0, world.now) == WEIR_INVALID, "TTL 0 is none");
    CHECK(weir_set(w, listener, WEIR_OPT_TTL, 256, world.now) == WEIR_INVALID, "nor is 256");
    CHECK(weir_set(w, listener, WEIR_OPT_TTL, 17, world.now) == WEIR_OK, "17 is");
    CHECK(weir_set(w, listener, WEIR_OPT_NODELAY, 1, world.now) == WEIR_OK, "no Nagle");
    CHECK(weir_set(w, listener, WEIR_OPT_NODELAY, 2, world.now) == WEIR_INVALID, "0 or 1");
    CHECK(weir_set(w, listener, WEIR_OPT_COUNT, 0, world.now) == WEIR_INVALID, "no such option");
    CHECK(world_connect(&world, false, &listener, &client, &server), "connected");
    CHECK(weir_get(w, server, WEIR_OPT_TTL, &value) == WEIR_OK && value == 17, "inherited: TTL");
    CHECK(weir_get(w, server, WEIR_OPT_NODELAY, &value) == WEIR_OK && value == 1,
          "inherited: NODELAY");
    CHECK(weir_get(world.side[0], client, WEIR_OPT_TTL, &value) == WEIR_OK && value == 64,
          "the default is 64");
    CHECK(weir_set(w, server, WEIR_OPT_TOS, 0x28, world.now) == WEIR_OK, "a DS field");
    world.filter = note_ttl;
    size_t done;
    CHECK(weir_send(w, server, "x", 1, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, 10 * WEIR_MS);
    CHECK(world.filter_first == (17u << 8 | 0x28), "both stand in the IP header");
    uint32_t ahead;
    CHECK(weir_urgent(world.side[0], client, &ahead) == WEIR_AGAIN, "nothing urgent");
    CHECK(weir_send(w, server, "urgent", 6, WEIR_URG, &done, world.now) == WEIR_OK,
          "urgent octets");
    world_run(&world, 10 * WEIR_MS);
    CHECK(weir_urgent(world.side[0], client, &ahead) == WEIR_OK && ahead == 7,
          "seven octets lie before the pointer");
    CHECK(weir_ready_now(world.side[0], client) & WEIR_URGENT, "and it is an event");
    char text[8];
    for (unsigned i = 0; i < 7; i++) {
        CHECK(weir_get(world.side[0], client, WEIR_OPT_AT_MARK, &value) == WEIR_OK &&
                  value == (i == 6),
              "%u octets read: %s", i, i == 6 ? "the next is the mark" : "not at the mark");
        (void)!weir_recv(world.side[0], client, text, 1, &done, world.now);
    }
    CHECK(weir_get(world.side[0], client, WEIR_OPT_AT_MARK, &value) == WEIR_OK && value == 0,
          "and behind it no more");
    int64_t unsent;
    (void)!weir_send(w, server, "abc", 3, 0, &done, world.now);
    CHECK(weir_get(w, server, WEIR_OPT_OUTQ, &value) == WEIR_OK && value == 3 &&
              weir_get(w, server, WEIR_OPT_OUTQ_UNSENT, &unsent) == WEIR_OK && unsent == 3,
          "three octets queued, none sent");
    struct weir_out out;
    CHECK(weir_output(w, 0, &out, 1, world.now) == 1, "they leave, and are lost");
    (void)weir_shutdown(w, server, world.now);
    CHECK(weir_get(w, server, WEIR_OPT_OUTQ, &value) == WEIR_OK && value == 4 &&
              weir_get(w, server, WEIR_OPT_OUTQ_UNSENT, &unsent) == WEIR_OK && unsent == 1,
          "three octets and a FIN, which alone was not sent");
    world_run(&world, 2 * WEIR_SECOND);
    CHECK(weir_get(w, server, WEIR_OPT_OUTQ, &value) == WEIR_OK && value == 0,
          "nothing is left when all is acknowledged");
    CHECK(weir_set(w, server, WEIR_OPT_OUTQ, 0, world.now) == WEIR_INVALID, "nor can it be set");
    world_close(&world);
}

int main(void)
{
    test_range();
    test_shards();
    test_unlike();
    test_least(false);
    test_least(true);
    test_options();
    return tap_done();
}
