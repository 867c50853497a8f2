/* SPDX-License-Identifier: MIT */
/* Who reaches whom: a connection with itself, listeners on every address and port, and peers that
 * have the same link-local address on different links. */
#include "tap.h"
#include "weir/dev.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

static struct world world;

static void open_world(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
}

/* RFC 9293, 3.5: simultaneous open, both ends being one. */
static void test_self(const struct weir_ip *ip, const char *name)
{
    open_world();
    struct weir *w = world.side[0];
    const struct weir_addr self = { .ip = *ip, .port = 4321 };
    weir_handle conn, again;
    size_t done;
    char text[8] = "";
    CHECK(weir_connect(w, &self, &self, &conn, world.now) == WEIR_IN_PROGRESS,
          "%s: a connection with itself", name);
    CHECK(weir_connect(w, &self, &self, &again, world.now) == WEIR_IN_USE, "%s: only one", name);
    const uint64_t frames = world.frames;
    world_run(&world, 100 * WEIR_MS);
    CHECK(world_state(&world, 0, conn) == WEIR_ESTABLISHED, "%s: is established", name);
    CHECK(weir_send(w, conn, "echo", 4, 0, &done, world.now) == WEIR_OK, "%s: sent", name);
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_recv(w, conn, text, sizeof text, &done, world.now) == WEIR_OK && done == 4 &&
              memcmp(text, "echo", 4) == 0,
          "%s: and received", name);
    CHECK(weir_shutdown(w, conn, world.now) == WEIR_OK, "%s: closed", name);
    world_run(&world, 100 * WEIR_MS);
    CHECK(weir_recv(w, conn, text, sizeof text, &done, world.now) == WEIR_OK && done == 0,
          "%s: its own end is the peer's", name);
    CHECK(world_state(&world, 0, conn) == WEIR_TIME_WAIT, "%s: simultaneous close", name);
    CHECK(weir_release(w, conn, world.now) == WEIR_OK, "%s: released", name);
    world_run(&world, 61 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 0, "tw") == 0 && world_pool_used(&world, 0, "tcb") == 0,
          "%s: nothing is left", name);
    CHECK(world.frames == frames, "%s: nothing of it was on the wire", name);
    world_close(&world);
}

/* From a wire, the same segment is an attack (RFC 9293, 3.10.7.2, LAND). */
static void test_land(void)
{
    open_world();
    const struct weir_addr us = world_addr(1, false, 80);
    weir_handle listener;
    (void)!weir_listen(world.side[1], &us, 4, 0, &listener);
    uint8_t frame[1514];
    const struct tcp_seg syn = { .sport = 80, .dport = 80, .seq = 1, .flags = TCP_SYN };
    const struct tcp_opts none = { 0 };
    const size_t len = world_segment(&us.ip, &us.ip, &syn, &none, frame);
    frame[11] = 9; /* of a station that is not ours */
    world_inject(&world, 1, frame, len);
    CHECK(world_pool_used(&world, 1, "synq") == 0, "from a wire it is dropped");
    world_close(&world);
}

static void route_all(unsigned side)
{
    const struct weir_ip all = weir_ip_v4(0, 0, 0, 0), other = world_addr(1 - side, false, 0).ip;
    const struct weir_ip all6 = { { 0 } }, other6 = world_addr(1 - side, true, 0).ip;
    CHECK(weir_route_add(world.side[side], &all, 0, &other, 0, 0) == WEIR_OK &&
              weir_route_add(world.side[side], &all6, 0, &other6, 0, 0) == WEIR_OK,
          "side %u sends everything to the other", side);
}

/* Connects side 0 to an address that is nobody's; whether it is established. */
static bool reaches(const struct weir_addr *to, weir_handle listener, struct weir_status *status)
{
    weir_handle conn, child;
    size_t done;
    char text[4];
    if (weir_connect(world.side[0], NULL, to, &conn, world.now) != WEIR_IN_PROGRESS)
        return false;
    world_run(&world, 100 * WEIR_MS);
    bool well = weir_accept(world.side[1], listener, &child, world.now) == WEIR_OK &&
                weir_status(world.side[1], child, status) == WEIR_OK &&
                weir_send(world.side[1], child, "hi", 2, 0, &done, world.now) == WEIR_OK;
    world_run(&world, 100 * WEIR_MS);
    well = well && weir_recv(world.side[0], conn, text, sizeof text, &done, world.now) == WEIR_OK &&
           done == 2;
    (void)weir_release(world.side[0], conn, world.now);
    if (well)
        (void)weir_release(world.side[1], child, world.now);
    world_run(&world, 100 * WEIR_MS);
    return well;
}

static void test_any(void)
{
    open_world();
    route_all(0);
    struct weir *w = world.side[1];
    const struct weir_addr any = { .port = 0 }, any80 = { .port = 80 };
    struct weir_addr far = { .ip = weir_ip_v4(198, 51, 100, 7), .port = 80 },
                     far6 = { .port = 443 };
    const struct weir_addr own = world_addr(1, false, 80);
    (void)weir_ip_parse("2001:db8::7", &far6.ip);
    weir_handle plain, addresses, all, none, conn;
    struct weir_status status;
    CHECK(weir_listen(w, &any80, 8, 0, &plain) == WEIR_OK, "a listener on any of our addresses");
    CHECK(!reaches(&far, plain, &status), "is not one on those of others");
    CHECK(weir_drop_count(w, WEIR_DROP_IP_NOT_OURS) > 0, "their packets are not ours");
    CHECK(weir_listen(w, &own, 8, WEIR_LISTEN_ANY_ADDRESS, &none) == WEIR_INVALID,
          "every address, but only this one?");
    CHECK(weir_listen(w, &any80, 8, WEIR_LISTEN_ANY_PORT, &none) == WEIR_INVALID,
          "every port, but only this one?");
    (void)weir_release(w, plain, world.now);
    CHECK(weir_listen(w, &any80, 8, WEIR_LISTEN_ANY_ADDRESS, &addresses) == WEIR_OK,
          "a listener on every address");
    CHECK(reaches(&far, addresses, &status) && weir_ip_equal(&status.local.ip, &far.ip) &&
              status.local.port == 80,
          "takes those of others, as what they are");
    CHECK(reaches(&own, addresses, &status), "and ours");
    CHECK(weir_listen(w, &any, 8, WEIR_LISTEN_ANY_ADDRESS | WEIR_LISTEN_ANY_PORT, &all) == WEIR_OK,
          "a listener on every address and port");
    CHECK(reaches(&far6, all, &status) && weir_ip_equal(&status.local.ip, &far6.ip) &&
              status.local.port == 443,
          "takes the other ports");
    CHECK(reaches(&far, addresses, &status), "one on the port itself goes before it");
    for (uint8_t i = 0; i < 200; i++) {
        const struct weir_addr to = { .ip = weir_ip_v4(203, 0, 113, i), .port = 7 };
        CHECK(i == 0 || i == 255 || reaches(&to, all, &status), "address %u", i);
    }
    (void)weir_release(w, all, world.now);
    (void)weir_release(w, addresses, world.now);
    const uint64_t frames = world.frames;
    (void)!weir_connect(world.side[0], NULL, &far, &conn, world.now);
    world_run(&world, 100 * WEIR_MS);
    CHECK(world.frames == frames + 1, "without a listener, others' addresses are silent again");
    const struct weir_addr nobody = { .ip = weir_ip_v4(198, 51, 100, 9), .port = 1 };
    CHECK(weir_connect(w, &nobody, &own, &conn, world.now) == WEIR_NOT_LOCAL,
          "nobody connects from them");
    world_close(&world);
}

/* ---- one server on two links ---- */

#define NODES 3 /* two clients, then the server, which has an interface to each */

static struct weir *node[NODES];
static weir_time now;

static void node_open(unsigned n, unsigned ifaces)
{
    struct world_options options;
    world_defaults(&options);
    options.config.seed = n + 1;
    const size_t size = weir_memory_size(&options.config);
    void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);
    const struct weir_iface_config link = { .medium = WEIR_IP_ONLY, .mtu = 1500 };
    struct weir_ip ip = { { 0xfe, 0x80, [15] = (uint8_t)(ifaces == 2 ? 1 : 2) } };
    if (weir_init(&node[n], memory, size, &options.config, now) != WEIR_OK)
        abort();
    for (unsigned i = 0; i < ifaces; i++) {
        unsigned number;
        CHECK(weir_iface_add(node[n], &link, &number, now) == WEIR_OK &&
                  weir_address_add(node[n], number, &ip, 64, now) == WEIR_OK,
              "node %u, interface %u", n, i);
    }
}

static bool carry(unsigned from, unsigned from_iface, unsigned to, unsigned to_iface)
{
    struct weir_out out;
    uint8_t octets[2048];
    if (weir_output(node[from], from_iface, &out, 1, now) == 0)
        return false;
    const struct weir_frame frame = { .data = octets,
                                      .len = weir_out_copy(&out, octets, sizeof octets),
                                      .when = now };
    weir_input(node[to], to_iface, &frame, 1, now);
    return true;
}

static void nodes_run(void)
{
    for (bool busy = true; busy;) {
        now += WEIR_US;
        busy = carry(0, 0, 2, 0);
        busy = carry(1, 0, 2, 1) || busy;
        busy = carry(2, 0, 0, 0) || busy;
        busy = carry(2, 1, 1, 0) || busy;
    }
}

static void test_links(void)
{
    node_open(0, 1);
    node_open(1, 1);
    node_open(2, 2);
    const struct weir_addr any = { .port = 80 };
    const struct weir_addr from = { .port = 1000 };
    struct weir_addr to = { .ip = { { 0xfe, 0x80, [15] = 1 } }, .port = 80, .iface = 1 };
    weir_handle listener, conn[2], child[2] = { WEIR_NO_HANDLE, WEIR_NO_HANDLE };
    CHECK(weir_listen(node[2], &any, 8, 0, &listener) == WEIR_OK, "a server on two links");
    for (unsigned i = 0; i < 2; i++)
        CHECK(weir_connect(node[i], &from, &to, &conn[i], now) == WEIR_IN_PROGRESS,
              "client %u, of the same address and port as the other", i);
    nodes_run();
    struct weir_status status[2];
    for (unsigned i = 0; i < 2; i++)
        CHECK(weir_accept(node[2], listener, &child[i], now) == WEIR_OK &&
                  weir_status(node[2], child[i], &status[i]) == WEIR_OK,
              "connection %u", i);
    CHECK(status[0].remote.iface + status[1].remote.iface == 3, "one on each link");
    for (unsigned i = 0; i < 2; i++) {
        size_t done;
        char text = (char)('a' + i), got = 0;
        (void)!weir_send(node[i], conn[i], &text, 1, 0, &done, now);
        nodes_run();
        const weir_handle its = status[0].remote.iface == i + 1 ? child[0] : child[1];
        CHECK(weir_recv(node[2], its, &got, 1, &done, now) == WEIR_OK && done == 1 && got == text,
              "what client %u sends arrives on its own", i);
    }
    for (unsigned i = 0; i < NODES; i++)
        free(node[i]);
}

/* The flags of a segment, or -1. */
static int tcp_flags(const uint8_t *data, size_t len)
{
    if (len >= 54 && data[12] == 8 && data[13] == 0 && data[23] == 6)
        return data[47];
    return len >= 74 && data[12] == 0x86 && data[13] == 0xdd && data[20] == 6 ? data[67] : -1;
}

/* Handshakes stop after the SYN-ACK, those of side 1 before they begin. */
static bool no_acks(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    const int flags = tcp_flags(data, len);
    return from == 0 ? flags == -1 || (flags & 2) != 0 : flags != 2;
}

struct gone {
    weir_handle listener, conn[2], child[2], half, opening, endpoint, far;
};

/* Something of each kind at the address of side 1. */
static void bind_all(struct gone *g, bool v6)
{
    struct weir *w = world.side[1];
    struct weir_addr other = world_addr(1, v6, 0);
    other.ip.octet[15] += 100; /* keeps the route to the prefix */
    (void)!weir_address_add(w, 0, &other.ip, v6 ? 64 : 24, world.now);
    const struct weir_addr local = world_addr(1, v6, 80), any = world_addr(1, v6, 53);
    const struct weir_addr there = world_addr(0, v6, 53), server = world_addr(0, v6, 81);
    g->listener = WEIR_NO_HANDLE;
    for (unsigned i = 0; i < 2; i++)
        CHECK(world_connect(&world, v6, &g->listener, &g->conn[i], &g->child[i]), "connection %u",
              i);
    (void)weir_release(w, g->child[0], world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)weir_release(world.side[0], g->conn[0], world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_open(w, &any, &g->endpoint) == WEIR_OK &&
              weir_udp_open(world.side[0], &there, &g->far) == WEIR_OK,
          "two endpoints");
    world.filter = no_acks;
    weir_handle listener;
    (void)!weir_listen(world.side[0], &server, 4, 0, &listener);
    (void)!weir_connect(world.side[0], NULL, &local, &g->half, world.now);
    const struct weir_addr mine = world_addr(1, v6, 0);
    (void)!weir_connect(w, &mine, &server, &g->opening, world.now);
    world_run(&world, 50 * WEIR_MS);
}

static void all_there(const struct gone *g, const char *when)
{
    struct weir_status status = { 0 };
    CHECK(world_pool_used(&world, 1, "tw") == 1, "%s: TIME-WAIT stays", when);
    CHECK(world_pool_used(&world, 1, "synq") == 1, "%s: what is half open stays", when);
    CHECK(world_state(&world, 1, g->child[1]) == WEIR_ESTABLISHED &&
              weir_error_take(world.side[1], g->child[1]) == WEIR_OK,
          "%s: a connection stays", when);
    CHECK(world_state(&world, 1, g->opening) == WEIR_SYN_SENT &&
              weir_error_take(world.side[1], g->opening) == WEIR_OK,
          "%s: one that opens goes on trying", when);
    CHECK(weir_status(world.side[1], g->listener, &status) == WEIR_OK, "%s: the listener stays",
          when);
}

static uint64_t ours_sent;

static bool counts_ours(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    ours_sent += from == 1 && tcp_flags(data, len) >= 0;
    return true;
}

/* An address goes and comes back, as on Linux: nothing that is bound to it ends; IPv4 falls silent,
 * IPv6 goes on sending, but hears nothing. */
static void test_address_gone(bool v6)
{
    open_world();
    struct gone g;
    struct weir *w = world.side[1];
    bind_all(&g, v6);
    const struct weir_addr to = world_addr(1, v6, 0), there = world_addr(0, v6, 53);
    const char *name = v6 ? "IPv6" : "IPv4";
    weir_handle another;
    struct weir_datagram info;
    char text[8] = "";
    size_t done;
    all_there(&g, "before");
    CHECK(weir_address_remove(w, 0, &to.ip, world.now) == WEIR_OK, "%s: the address goes", name);
    CHECK(weir_listen(w, &to, 4, 0, &another) == WEIR_NOT_LOCAL, "%s: nobody new gets it", name);
    world.filter = counts_ours;
    ours_sent = 0;
    CHECK(weir_send(w, g.child[1], "late", 4, 0, &done, world.now) == WEIR_OK, "%s: sent", name);
    world_run(&world, 800 * WEIR_MS);
    all_there(&g, name);
    CHECK(v6 ? ours_sent > 1 : ours_sent == 0, "%s: on the wire: %llu", name,
          (unsigned long long)ours_sent);
    CHECK(weir_drop_count(w, WEIR_DROP_IP_NOT_OURS) > 0 || !v6, "%s: answers are not ours", name);
    CHECK(weir_udp_send(w, g.endpoint, &there, "x", 1, world.now) ==
              (v6 ? WEIR_OK : WEIR_NET_UNREACH),
          "%s: datagrams", name);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_udp_recv(world.side[0], g.far, text, 1, &info) == (v6 ? WEIR_OK : WEIR_AGAIN),
          "%s: arrive or not", name);

    CHECK(weir_address_add(w, 0, &to.ip, v6 ? 64 : 24, world.now) == WEIR_OK, "%s: back", name);
    world_run(&world, 5 * WEIR_SECOND);
    done = 0;
    (void)!weir_recv(world.side[0], g.conn[1], text, sizeof text, &done, world.now);
    CHECK(done == 4 && memcmp(text, "late", 4) == 0, "%s: what waited arrives", name);
    CHECK(world_state(&world, 1, g.opening) == WEIR_ESTABLISHED, "%s: an open ends well", name);
    CHECK(weir_accept(w, g.listener, &another, world.now) == WEIR_OK, "%s: the other, too", name);
    world_close(&world);
}

/* One that has nowhere to send to is told so when its time is over. */
static void test_address_gone_for_good(void)
{
    struct world_options options;
    world_defaults(&options);
    options.config.retries_max = 3;
    world_open(&world, &options);
    weir_handle listener = WEIR_NO_HANDLE, conn, child;
    CHECK(world_connect(&world, false, &listener, &conn, &child), "connection");
    const struct weir_addr to = world_addr(1, false, 0);
    size_t done;
    CHECK(weir_send(world.side[1], child, "late", 4, 0, &done, world.now) == WEIR_OK &&
              weir_address_remove(world.side[1], 0, &to.ip, world.now) == WEIR_OK,
          "its address goes");
    world_run(&world, 60 * WEIR_SECOND);
    CHECK(weir_error_take(world.side[1], child) == WEIR_NET_UNREACH, "ENETUNREACH in the end");
    world_close(&world);
}

int main(void)
{
    const struct weir_ip v4 = world_addr(0, false, 0).ip, v6 = world_addr(0, true, 0).ip;
    const struct weir_ip loop4 = weir_ip_v4(127, 0, 0, 1), loop6 = { { [15] = 1 } };
    test_self(&v4, "our IPv4 address");
    test_self(&v6, "our IPv6 address");
    test_self(&loop4, "127.0.0.1");
    test_self(&loop6, "::1");
    test_land();
    test_any();
    test_links();
    test_address_gone(false);
    test_address_gone(true);
    test_address_gone_for_good();
    return tap_done();
}
