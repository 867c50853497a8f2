/* SPDX-License-Identifier: MIT */
/* UDP and echo endpoints between two instances: datagrams of every size, who gets which, checksums,
 * errors, limits; and packets an instance sends to itself. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;
static uint8_t block[65536], got[65536];

static void open_world(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + (i >> 8));
}

static weir_handle open_udp(unsigned side, const struct weir_addr *local)
{
    weir_handle handle;
    if (weir_udp_open(world.side[side], local, &handle) != WEIR_OK)
        CHECK(false, "an endpoint is made");
    return handle;
}

static void test_sizes(bool v6)
{
    open_world();
    const struct weir_addr to = world_addr(1, v6, 53);
    const struct weir_addr any = { .port = 1053 };
    const weir_handle a = open_udp(0, &any), b = open_udp(1, &to);
    struct weir_datagram info;
    (void)!weir_udp_send(world.side[0], a, &to, "x", 1, world.now);
    world_run(&world, WEIR_SECOND);
    (void)!weir_udp_recv(world.side[1], b, got, sizeof got, &info);

    const size_t most = v6 ? 65527 : 65507;
    const size_t sizes[] = { 0, 1, 1000, 1472, 1473, 9000, 60000, most };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t len = sizes[i];
        const enum weir_error error = weir_udp_send(world.side[0], a, &to, block, len, world.now);
        world_run(&world, 20 * WEIR_MS);
        CHECK(error == WEIR_OK &&
                  weir_udp_recv(world.side[1], b, got, sizeof got, &info) == WEIR_OK &&
                  info.len == len && memcmp(got, block, len) == 0 && info.from.port == 1053 &&
                  info.to.port == 53 && info.ttl == 64,
              "IPv%d: %zu octets", v6 ? 6 : 4, len);
    }
    CHECK(weir_udp_send(world.side[0], a, &to, block, most + 1, world.now) == WEIR_TOO_LONG,
          "one more is too long");
    (void)!weir_udp_send(world.side[0], a, &to, block, 100, world.now);
    world_run(&world, 20 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[1], b, got, 10, &info) == WEIR_OK && info.len == 100 &&
              memcmp(got, block, 10) == 0,
          "a short buffer gets the beginning and is told the length");
    CHECK(weir_udp_recv(world.side[1], b, got, 10, &info) == WEIR_AGAIN, "the rest is gone");
    CHECK(weir_release(world.side[1], b, world.now) == WEIR_OK, "released");
    CHECK(world_pool_used(&world, 1, "chunk") == 0, "no memory is kept");
    world_close(&world);
}

static void test_errors(void)
{
    open_world();
    struct weir *w = world.side[0];
    const struct weir_addr any = { .port = 0 }, nobody = world_addr(1, false, 99);
    const weir_handle a = open_udp(0, &any);
    CHECK(weir_udp_send(w, a, NULL, "x", 1, world.now) == WEIR_NOT_CONN, "to whom?");
    (void)!weir_udp_send(w, a, &nobody, "x", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_error_take(w, a) == WEIR_OK, "without a fixed peer nobody is told of errors");
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_UDP_PORT) == 1, "nobody listens there");
    CHECK(weir_udp_connect(w, a, &nobody) == WEIR_OK, "a fixed peer");
    (void)!weir_udp_send(w, a, NULL, "x", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_ready_now(w, a) & WEIR_ERROR, "an error waits");
    CHECK(weir_udp_send(w, a, NULL, "x", 1, world.now) == WEIR_REFUSED, "port unreachable");
    CHECK(weir_udp_send(w, a, NULL, "x", 1, world.now) == WEIR_OK, "told once");

    const struct weir_addr broadcast = { .ip = weir_ip_v4(10, 0, 0, 255), .port = 9 };
    const weir_handle b = open_udp(0, &any);
    CHECK(weir_udp_send(w, b, &broadcast, "x", 1, world.now) == WEIR_ACCESS, "broadcast: no leave");
    CHECK(weir_set(w, b, WEIR_OPT_BROADCAST, 1, world.now) == WEIR_OK, "leave is given");
    CHECK(weir_udp_send(w, b, &broadcast, "x", 1, world.now) == WEIR_OK, "broadcast");
    const struct weir_addr far = { .ip = weir_ip_v4(192, 0, 2, 1), .port = 9 };
    CHECK(weir_udp_send(w, b, &far, "x", 1, world.now) == WEIR_NET_UNREACH, "no route");
    const struct weir_addr same = world_addr(0, false, 777);
    (void)open_udp(0, &same);
    weir_handle again;
    CHECK(weir_udp_open(w, &same, &again) == WEIR_IN_USE, "the same address and port again");
    CHECK(weir_udp_open(w, &far, &again) == WEIR_NOT_LOCAL, "an address that is not ours");
    world_close(&world);
}

/* A fixed peer counts most, then an address; groups reach everybody who fits. */
static void test_choice(void)
{
    open_world();
    const struct weir_addr any = { .port = 53 }, exact = world_addr(1, false, 53);
    const struct weir_addr any4 = { .ip = weir_ip_v4(0, 0, 0, 0), .port = 53 };
    const struct weir_addr peer = world_addr(0, false, 1000), other = world_addr(0, false, 2000);
    const weir_handle u = open_udp(1, &any), x = open_udp(1, &exact), v = open_udp(1, &any4);
    const weir_handle a = open_udp(0, &peer), b = open_udp(0, &other);
    struct weir_datagram info;
    (void)!weir_udp_send(world.side[0], a, &exact, "1", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[1], x, got, 1, &info) == WEIR_OK, "the exact address wins");
    CHECK(weir_udp_connect(world.side[1], v, &peer) == WEIR_OK, "a fixed peer");
    (void)!weir_udp_send(world.side[0], a, &exact, "2", 1, world.now);
    (void)!weir_udp_send(world.side[0], b, &exact, "3", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[1], v, got, 1, &info) == WEIR_OK && got[0] == '2',
          "its fixed peer wins over that");
    CHECK(weir_udp_recv(world.side[1], x, got, 1, &info) == WEIR_OK && got[0] == '3',
          "for its peer alone");
    (void)weir_set(world.side[0], b, WEIR_OPT_BROADCAST, 1, world.now);
    (void)weir_udp_connect(world.side[1], v, NULL);
    const struct weir_addr broadcast = { .ip = weir_ip_v4(10, 0, 0, 255), .port = 53 };
    (void)!weir_udp_send(world.side[0], b, &broadcast, "4", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[1], u, got, 1, &info) == WEIR_OK, "broadcast: any");
    CHECK(weir_udp_recv(world.side[1], v, got, 1, &info) == WEIR_OK, "broadcast: any of IPv4");
    CHECK(weir_udp_recv(world.side[1], x, got, 1, &info) == WEIR_AGAIN,
          "broadcast: not one bound to another address");
    world_close(&world);
}

#define SPREAD (WEIR_UDP_REUSEADDR | WEIR_UDP_REUSEPORT)

/* Several on one address and port. */
static void test_group(void)
{
    open_world();
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 53);
    weir_handle member[3], none;
    for (unsigned i = 0; i < 3; i++)
        CHECK(weir_udp_open_with(w, &to, SPREAD, &member[i]) == WEIR_OK,
              "endpoint %u shares the port", i);
    CHECK(weir_udp_open(w, &to, &none) == WEIR_IN_USE, "one that does not say so may not");
    for (uint16_t i = 0; i < 48; i++) {
        const struct weir_addr from = world_addr(0, false, (uint16_t)(3000 + i));
        const weir_handle a = open_udp(0, &from);
        (void)!weir_udp_send(world.side[0], a, &to, "x", 1, world.now);
        world_run(&world, 5 * WEIR_MS); /* the neighbour must be known */
        (void)!weir_udp_send(world.side[0], a, &to, "x", 1, world.now);
        world_run(&world, 5 * WEIR_MS);
        (void)!weir_release(world.side[0], a, world.now);
    }
    unsigned all = 0, torn = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct weir_datagram info;
        unsigned here = 0, from[48] = { 0 };
        for (; weir_udp_recv(w, member[i], got, 1, &info) == WEIR_OK; here++)
            from[info.from.port - 3000]++;
        for (unsigned j = 0; j < 48; j++)
            torn += from[j] == 1;
        CHECK(here > 8, "endpoint %u has its share: %u", i, here);
        all += here;
    }
    CHECK(all == 96 && torn == 0, "all of a flow go to the same one");

    const struct weir_addr other = world_addr(1, false, 54), peer = world_addr(0, false, 4000);
    for (unsigned i = 0; i < 3; i++)
        CHECK(weir_udp_open_with(w, &other, WEIR_UDP_REUSEADDR, &member[i]) == WEIR_OK,
              "shared, not spread: endpoint %u", i);
    (void)!weir_udp_send(world.side[0], open_udp(0, &peer), &other, "x", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    struct weir_datagram info;
    CHECK(weir_udp_recv(w, member[0], got, 1, &info) == WEIR_AGAIN &&
              weir_udp_recv(w, member[2], got, 1, &info) == WEIR_OK,
          "the last one opened gets what is for one");
    world_close(&world);
}

/* What a socket API needs to know of ICMP errors. */
static void test_reports(bool v6)
{
    open_world();
    struct weir *w = world.side[0];
    const struct weir_addr nobody = world_addr(1, v6, 9), there = world_addr(1, v6, 53);
    const struct weir_addr any = { .port = 1053 };
    struct weir_udp_report report;
    struct weir_datagram info;
    weir_handle a, plain;
    CHECK(weir_udp_open_with(w, &any, WEIR_UDP_REPORTS, &a) == WEIR_OK, "an endpoint");
    const weir_handle b = open_udp(1, &there);
    CHECK(!weir_udp_report(w, a, &report), "nothing to report");
    (void)!weir_udp_send(w, a, &nobody, "quoted", 6, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK((weir_ready_now(w, a) & WEIR_ERROR) != 0, "WEIR_ERROR tells of it");
    CHECK(weir_udp_send(w, a, &there, "x", 1, world.now) == WEIR_OK, "no call returns it");
    CHECK(weir_udp_report(w, a, &report) && report.error == WEIR_REFUSED &&
              report.type == (v6 ? 1 : 3) && report.code == (v6 ? 4 : 3) && report.to.port == 9 &&
              weir_ip_equal(&report.to.ip, &nobody.ip) &&
              weir_ip_equal(&report.reporter, &nobody.ip) && report.len == 6 &&
              memcmp(report.data, "quoted", 6) == 0,
          "IPv%d: who says what about which datagram", v6 ? 6 : 4);
    CHECK(!weir_udp_report(w, a, &report) && (weir_ready_now(w, a) & WEIR_ERROR) == 0, "once");
    (void)!weir_udp_send(w, a, &nobody, block, 1400, world.now);
    world_run(&world, 50 * WEIR_MS);
    /* RFC 1812, 4.3.2.3: a message of 576 octets; RFC 4443, 2.4: of 1,280. */
    const size_t quoted = v6 ? 1280 - 48 - 48 : 576 - 28 - 28;
    const bool told = weir_udp_report(w, a, &report);
    CHECK(told && report.len == quoted && memcmp(report.data, block, quoted) == 0,
          "IPv%d: of a long one as much as the message holds: %u", v6 ? 6 : 4, report.len);

    CHECK(weir_udp_connect(w, a, &there) == WEIR_OK, "a fixed peer");
    (void)!weir_udp_send(w, a, &nobody, "y", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(!weir_udp_report(w, a, &report), "then only what concerns it");
    while (weir_udp_recv(world.side[1], b, got, sizeof got, &info) == WEIR_OK)
        continue;

    const struct weir_addr other = { .port = 1054 };
    CHECK(weir_udp_open(w, &other, &plain) == WEIR_OK, "one that did not ask");
    (void)!weir_udp_send(w, plain, &nobody, "z", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(!weir_udp_report(w, plain, &report) && weir_ready_now(w, plain) == WEIR_WRITABLE,
          "gets no report");
    world_close(&world);
}

/* The sum in the one datagram that a side sends. */
static unsigned sum_seen;

static bool see_sum(struct world *seen, unsigned from, const uint8_t *data, size_t len)
{
    const size_t head = data[12] == 0x08 ? 14 + 20 : 14 + 40; /* link and IP */
    const uint8_t proto = head == 34 ? data[23] : data[20];
    (void)seen;
    if (from == 0 && len >= head + 8 && proto == 17)
        sum_seen = (unsigned)data[head + 6] << 8 | data[head + 7];
    return true;
}

static void test_no_sum(bool v6)
{
    open_world();
    const struct weir_addr to = world_addr(1, v6, 53), any = { .port = 1053 };
    const weir_handle a = open_udp(0, &any), b = open_udp(1, &to);
    struct weir_udp_how how = { .to = &to };
    struct weir_datagram info;
    world.filter = see_sum;
    for (unsigned i = 0; i < 3; i++) {
        how.no_sum = i > 0;
        sum_seen = 0x10000;
        if (i == 2)
            CHECK(weir_set(world.side[1], b, WEIR_OPT_NO_CHECK6, 1, world.now) == WEIR_OK, "said");
        (void)!weir_udp_send_as(world.side[0], a, &how, "x", 1, world.now);
        world_run(&world, WEIR_SECOND);
        const bool taken = !v6 || i != 1; /* RFC 8200, 8.1: over IPv6 by those who say so */
        CHECK(weir_udp_recv(world.side[1], b, got, 1, &info) == (taken ? WEIR_OK : WEIR_AGAIN) &&
                  sum_seen <= UINT16_MAX && (sum_seen == 0) == how.no_sum,
              "IPv%d, no_sum %u: a sum of 0x%04x", v6 ? 6 : 4, i, sum_seen);
    }
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_UDP_CSUM) == v6, "what is not taken is counted");
    world_close(&world);
}

/* What may differ from one datagram to the next. */
static void test_how(bool v6)
{
    open_world();
    struct weir *w = world.side[0];
    const struct weir_addr to = world_addr(1, v6, 53), any = { .port = 1053 };
    const struct weir_addr mine = world_addr(0, v6, 0), not_mine = world_addr(1, v6, 0);
    const weir_handle a = open_udp(0, &any), b = open_udp(1, &to);
    struct weir_datagram info;
    (void)weir_set(w, a, WEIR_OPT_TTL, 99, world.now);
    struct weir_udp_how how = {
        .to = &to, .from = mine.ip, .ttl = 7, .tos_given = true, .tos = 40
    };
    CHECK(weir_udp_send_as(w, a, &how, "x", 1, world.now) == WEIR_OK, "its own TTL and DS field");
    world_run(&world, WEIR_SECOND);
    CHECK(weir_udp_recv(world.side[1], b, got, 1, &info) == WEIR_OK && info.ttl == 7 &&
              info.tos == 40 && weir_ip_equal(&info.from.ip, &mine.ip),
          "IPv%d: arrive", v6 ? 6 : 4);
    how = (struct weir_udp_how){ .to = &to };
    (void)!weir_udp_send_as(w, a, &how, "x", 1, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[1], b, got, 1, &info) == WEIR_OK && info.ttl == 99 &&
              info.tos == 0,
          "otherwise the endpoint's");
    how = (struct weir_udp_how){ .to = &to, .whole = true };
    CHECK(weir_udp_send_as(w, a, &how, block, 9000, world.now) == WEIR_TOO_LONG, "whole or not");
    how = (struct weir_udp_how){ .to = &to, .from = not_mine.ip };
    CHECK(weir_udp_send_as(w, a, &how, "x", 1, world.now) ==
              (v6 ? WEIR_NOT_LOCAL : WEIR_NET_UNREACH),
          "a source not ours");
    world_close(&world);
}

/* Where an endpoint at any address is while its peer is fixed. */
static void test_placed(bool v6)
{
    open_world();
    struct weir *w = world.side[0];
    const struct weir_addr to = world_addr(1, v6, 53), any = { .port = 1053 };
    const struct weir_addr mine = world_addr(0, v6, 0);
    static const struct weir_ip nowhere = { { 0 } };
    const weir_handle a = open_udp(0, &any);
    struct weir_status status;
    CHECK(weir_udp_connect(w, a, &to) == WEIR_OK && weir_status(w, a, &status) == WEIR_OK &&
              weir_ip_equal(&status.local.ip, &mine.ip),
          "IPv%d: at the address it sends from", v6 ? 6 : 4);
    CHECK(weir_udp_connect(w, a, NULL) == WEIR_OK && weir_status(w, a, &status) == WEIR_OK &&
              weir_ip_equal(&status.local.ip, &nowhere),
          "and then at any again");
    weir_handle b;
    const struct weir_addr far = world_addr(1, v6, 77);
    CHECK(weir_udp_open_with(w, &far, 0, &b) == WEIR_NOT_LOCAL &&
              weir_udp_open_with(w, &far, WEIR_UDP_ANYWHERE, &b) == WEIR_OK,
          "an address that is not ours, for who asks");
    world_close(&world);
}

static void test_limit(void)
{
    open_world();
    const struct weir_addr to = world_addr(1, false, 53), any = { .port = 0 };
    const weir_handle a = open_udp(0, &any), b = open_udp(1, &to);
    CHECK(weir_set(world.side[1], b, WEIR_OPT_RCVBUF, 5000, world.now) == WEIR_OK, "5,000 octets");
    for (unsigned i = 0; i < 10; i++) {
        (void)!weir_udp_send(world.side[0], a, &to, block, 1000, world.now);
        world_run(&world, 5 * WEIR_MS);
    }
    struct weir_datagram info;
    unsigned received = 0;
    while (weir_udp_recv(world.side[1], b, got, sizeof got, &info) == WEIR_OK)
        received++;
    CHECK(received == 4, "four with their records fit: %u", received);
    CHECK(weir_drop_count(world.side[1], WEIR_DROP_UDP_FULL) == 6, "the others are counted");
    world_close(&world);
}

static void test_ping(bool v6)
{
    open_world();
    const struct weir_addr to = world_addr(1, v6, 0);
    weir_handle ping;
    CHECK(weir_ping_open(world.side[0], &ping) == WEIR_OK, "an echo endpoint");
    const size_t sizes[] = { 0, 56, 1500, 60000 };
    struct weir_datagram info;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const enum weir_error error = weir_ping_send(world.side[0], ping, &to.ip, (uint16_t)(i + 1),
                                                     block, sizes[i], world.now);
        world_run(&world, 50 * WEIR_MS);
        CHECK(error == WEIR_OK &&
                  weir_udp_recv(world.side[0], ping, got, sizeof got, &info) == WEIR_OK &&
                  info.len == sizes[i] && info.seq == i + 1 && memcmp(got, block, sizes[i]) == 0 &&
                  weir_ip_equal(&info.from.ip, &to.ip),
              "IPv%d: echo of %zu octets", v6 ? 6 : 4, sizes[i]);
    }
    CHECK(weir_release(world.side[0], ping, world.now) == WEIR_OK, "released");
    world_close(&world);
}

/* An instance without any wire talks to itself. */
static void test_loopback(void)
{
    open_world();
    struct weir *w = world.side[0];
    struct weir_addr to = { .ip = weir_ip_v4(127, 0, 0, 1), .port = 80 };
    weir_handle listener, client, server, udp, ping;
    size_t done;
    CHECK(weir_listen(w, &to, 4, 0, &listener) == WEIR_OK, "listening on 127.0.0.1");
    CHECK(weir_connect(w, &to, &to, &client, world.now) == WEIR_IN_USE,
          "not with itself where somebody listens");
    CHECK(weir_connect(w, NULL, &to, &client, world.now) == WEIR_IN_PROGRESS, "connecting to it");
    CHECK(weir_deadline(w) <= world.now, "an instance that waits for itself does not sleep");
    weir_timeout(w, world.now);
    CHECK(weir_accept(w, listener, &server, world.now) == WEIR_OK, "accepted, without any output");
    CHECK(weir_deadline(w) > world.now, "and sleeps when nothing is left");
    CHECK(weir_send(w, client, block, 60000, 0, &done, world.now) == WEIR_OK, "sent");
    world_run(&world, WEIR_MS);
    size_t received = 0;
    while (weir_recv(w, server, got + received, sizeof got - received, &done, world.now) ==
               WEIR_OK &&
           done > 0) {
        received += done;
        world_run(&world, WEIR_MS);
    }
    CHECK(received == 60000 && memcmp(got, block, 60000) == 0, "60,000 octets: %zu", received);
    const struct weir_addr own = world_addr(0, true, 53), any = { .port = 0 };
    const weir_handle b = open_udp(0, &own);
    udp = open_udp(0, &any);
    struct weir_datagram info;
    CHECK(weir_udp_send(w, udp, &own, block, 3000, world.now) == WEIR_OK,
          "a datagram to ourselves");
    world_run(&world, WEIR_MS);
    CHECK(weir_udp_recv(w, b, got, sizeof got, &info) == WEIR_OK && info.len == 3000, "received");
    CHECK(weir_ping_open(w, &ping) == WEIR_OK &&
              weir_ping_send(w, ping, &to.ip, 1, "abc", 3, world.now) == WEIR_OK,
          "an echo request to ourselves");
    world_run(&world, WEIR_MS);
    CHECK(weir_udp_recv(w, ping, got, sizeof got, &info) == WEIR_OK && info.len == 3,
          "and its reply");
    struct weir_counters counters;
    weir_counters(w, &counters);
    uint64_t drops = 0;
    for (unsigned i = 0; i < WEIR_DROP_COUNT; i++)
        drops += weir_drop_count(w, i);
    CHECK(counters.frames_in == counters.used_in + drops, "every packet is used or dropped");
    world_close(&world);
}

int main(void)
{
    test_sizes(false);
    test_sizes(true);
    test_errors();
    test_choice();
    test_group();
    for (int v6 = 0; v6 < 2; v6++) {
        test_reports(v6 != 0);
        test_how(v6 != 0);
        test_no_sum(v6 != 0);
        test_placed(v6 != 0);
    }
    test_limit();
    test_ping(false);
    test_ping(true);
    test_loopback();
    return tap_done();
}
