/* SPDX-License-Identifier: MIT */
/* Endpoints and multicast groups: who gets what, on the wire and on the same host. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;
static uint8_t got[64];

static void open_world(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
}

static weir_handle open_at(unsigned side, uint16_t port, unsigned flags)
{
    const struct weir_addr local = { .port = port };
    weir_handle handle = WEIR_NO_HANDLE;
    if (weir_udp_open_with(world.side[side], &local, flags, &handle) != WEIR_OK)
        CHECK(false, "an endpoint is made");
    return handle;
}

static bool gets(unsigned side, weir_handle handle, char what)
{
    struct weir_datagram info;
    return weir_udp_recv(world.side[side], handle, got, sizeof got, &info) == WEIR_OK &&
           got[0] == (uint8_t)what;
}

static void sends(unsigned side, weir_handle handle, const struct weir_addr *to, char what)
{
    CHECK(weir_udp_send(world.side[side], handle, to, &what, 1, world.now) == WEIR_OK, "'%c' sent",
          what);
    world_run(&world, 10 * WEIR_MS);
}

static uint8_t last_ttl;

static bool note_ttl(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    if (from == 0 && len > 34 && data[12] == 8 && data[23] == 17)
        last_ttl = data[22];
    if (from == 0 && len > 54 && data[12] == 0x86 && data[13] == 0xdd && data[20] == 17)
        last_ttl = data[21];
    return true;
}

static void test_groups(const char *name, const char *ip)
{
    open_world();
    struct weir_addr to = { .port = 5353 }, none = { .port = 5353 };
    (void)weir_ip_parse(ip, &to.ip);
    none.ip = to.ip;
    none.ip.octet[15] ^= 1;
    const weir_handle from = open_at(0, 1000, 0);
    const weir_handle a = open_at(1, 5353, WEIR_UDP_REUSEADDR),
                      b = open_at(1, 5353, WEIR_UDP_REUSEADDR);
    sends(0, from, &to, '1');
    CHECK(!gets(1, a, '1'), "%s: before anybody has joined, nobody gets it", name);
    CHECK(weir_udp_join(world.side[1], a, &to.ip, 0, world.now) == WEIR_OK, "%s: joined", name);
    CHECK(weir_udp_join(world.side[1], a, &to.ip, 1, world.now) == WEIR_IN_USE, "%s: once", name);
    sends(0, from, &to, '2');
    CHECK(gets(1, a, '2') && gets(1, b, '2'), "%s: all who are at the port get it", name);
    CHECK(weir_set(world.side[1], b, WEIR_OPT_GROUP_ALL, 0, world.now) == WEIR_OK,
          "%s: one of them wants only its own", name);
    sends(0, from, &to, '3');
    CHECK(gets(1, a, '3') && !gets(1, b, '3'), "%s: and gets only those", name);
    sends(0, from, &none, '4');
    CHECK(!gets(1, a, '4'), "%s: another group is not for us", name);
    CHECK(weir_udp_leave(world.side[1], a, &none.ip, 0, world.now) == WEIR_NOT_LOCAL,
          "%s: only what was joined is left", name);
    CHECK(weir_udp_leave(world.side[1], a, &to.ip, 0, world.now) == WEIR_OK, "%s: left", name);
    sends(0, from, &to, '5');
    CHECK(!gets(1, a, '5'), "%s: and no more of it", name);
    CHECK(weir_udp_join(world.side[1], a, &to.ip, 0, world.now) == WEIR_OK &&
              weir_release(world.side[1], a, world.now) == WEIR_OK,
          "%s: joined and released", name);
    (void)weir_set(world.side[1], b, WEIR_OPT_GROUP_ALL, 1, world.now);
    sends(0, from, &to, '6');
    CHECK(!gets(1, b, '6'), "%s: a release leaves", name);
    world_close(&world);
}

static void test_here(const char *ip)
{
    open_world();
    struct weir *w = world.side[0];
    struct weir_addr to = { .port = 5353 };
    (void)weir_ip_parse(ip, &to.ip);
    const weir_handle a = open_at(0, 5353, 0), b = open_at(1, 5353, 0);
    CHECK(weir_udp_join(w, a, &to.ip, 1, world.now) == WEIR_OK &&
              weir_udp_join(world.side[1], b, &to.ip, 1, world.now) == WEIR_OK,
          "both sides are members");
    world_run(&world, 5 * WEIR_SECOND);
    world.filter = note_ttl;
    sends(0, a, &to, '1');
    CHECK(gets(0, a, '1') && gets(1, b, '1') && last_ttl == 1, "to both, with a TTL of 1");
    CHECK(weir_set(w, a, WEIR_OPT_GROUP_LOOP, 0, world.now) == WEIR_OK, "not to ourselves");
    CHECK(weir_set(w, a, WEIR_OPT_GROUP_TTL, 7, world.now) == WEIR_OK, "further away");
    sends(0, a, &to, '2');
    CHECK(!gets(0, a, '2') && gets(1, b, '2') && last_ttl == 7, "to the other alone");
    (void)weir_set(w, a, WEIR_OPT_GROUP_LOOP, 1, world.now);
    (void)weir_set(w, a, WEIR_OPT_GROUP_TTL, 0, world.now);
    sends(0, a, &to, '3');
    CHECK(gets(0, a, '3') && !gets(1, b, '3'), "a TTL of 0 does not leave this host");
    int64_t value = 99;
    CHECK(weir_get(w, a, WEIR_OPT_GROUP_TTL, &value) == WEIR_OK && value == 0, "as it was set");
    CHECK(weir_set(w, a, WEIR_OPT_GROUP_TTL, 256, world.now) == WEIR_INVALID &&
              weir_set(w, a, WEIR_OPT_GROUP_LOOP, 2, world.now) == WEIR_INVALID &&
              weir_set(w, a, WEIR_OPT_GROUP_IFACE, 2, world.now) == WEIR_INVALID,
          "values that cannot be");
    CHECK(weir_set(w, a, WEIR_OPT_GROUP_IFACE, 1, world.now) == WEIR_OK, "one that can");
    const struct weir_ip one = weir_ip_v4(10, 0, 0, 9);
    CHECK(weir_udp_join(w, a, &one, 0, world.now) == WEIR_INVALID, "that is no group");
    CHECK(weir_udp_join(w, a, &to.ip, 9, world.now) == WEIR_NET_UNREACH, "nor that an interface");
    unsigned joined = 1;
    for (uint8_t i = 0; i < 30; i++) {
        const struct weir_ip group = weir_ip_v4(239, 9, 9, i);
        joined += weir_udp_join(w, a, &group, 1, world.now) == WEIR_OK;
    }
    CHECK(joined == 20, "an endpoint joins 20 groups, as on Linux: %u", joined);
    world_close(&world);
}

int main(void)
{
    test_groups("IPv4", "239.1.2.3");
    test_groups("IPv6", "ff15::1234");
    test_here("239.1.2.3");
    test_here("ff15::1234");
    return tap_done();
}
