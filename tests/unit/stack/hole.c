/* SPDX-License-Identifier: MIT */
/* A path that swallows long segments and says nothing: what one connection makes of it is its own
 * affair (RFC 4821, 7.7, as Linux has it). */
#include "tap.h"
#include "world.h"

static struct world world;

#define SWALLOWED 1100 /* octets of a frame that do not arrive */
#define OCTETS    8000

static uint16_t hole_port; /* of the peer whose frames vanish, 0: of all */

static bool swallows(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    const unsigned dport_at = 14u + (data[12] == 8 ? 20 : 40) + 2;
    const bool its = hole_port == 0 || (data[dport_at] << 8 | data[dport_at + 1]) == hole_port;
    return from == 0 || !its || len <= SWALLOWED;
}

static unsigned mss_of(weir_handle conn)
{
    struct weir_status status = { 0 };
    (void)weir_status(world.side[1], conn, &status);
    return status.mss;
}

static size_t received(weir_handle conn)
{
    static char text[OCTETS];
    size_t sum = 0, done = 0;
    while (weir_recv(world.side[0], conn, text, sizeof text, &done, world.now) == WEIR_OK &&
           done > 0)
        sum += done;
    return sum;
}

static void send_all(weir_handle conn)
{
    static const char text[OCTETS];
    size_t done = 0;
    CHECK(weir_send(world.side[1], conn, text, sizeof text, 0, &done, world.now) == WEIR_OK &&
              done == sizeof text,
          "sent");
}

static uint16_t port_of(weir_handle conn)
{
    struct weir_status status = { 0 };
    (void)weir_status(world.side[0], conn, &status);
    return status.local.port;
}

static void test_alone(bool v6)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, conn[3], child[3];
    for (unsigned i = 0; i < 2; i++)
        CHECK(world_connect(&world, v6, &listener, &conn[i], &child[i]), "connection %u", i);
    const unsigned full = mss_of(child[0]);
    hole_port = port_of(conn[0]);
    world.filter = swallows;
    send_all(child[0]);
    send_all(child[1]);
    world_run(&world, WEIR_SECOND);
    CHECK(received(conn[1]) == OCTETS && received(conn[0]) == 0, "one way swallows what is long");
    world_run(&world, 20 * WEIR_SECOND);
    CHECK(received(conn[0]) == OCTETS, "in the end it arrives");
    CHECK(mss_of(child[0]) <= 1024 && mss_of(child[0]) >= 512, "in short segments: %u",
          mss_of(child[0]));
    CHECK(mss_of(child[1]) == full, "the other connection's stay long");
    CHECK(world_connect(&world, v6, &listener, &conn[2], &child[2]), "a new one to the same peer");
    CHECK(mss_of(child[2]) == full, "has long ones, too");
    send_all(child[1]);
    send_all(child[2]);
    world_run(&world, WEIR_SECOND);
    CHECK(received(conn[1]) == OCTETS && received(conn[2]) == OCTETS, "that arrive");
    world_close(&world);
}

int main(void)
{
    test_alone(false);
    test_alone(true);
    return tap_done();
}
