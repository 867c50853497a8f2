/* SPDX-License-Identifier: MIT */
/* Listeners: which of several gets a SYN, how many may wait, cookies when more come, and what
 * closing one leaves behind. */
#include "tap.h"
#include "world.h"

#include <string.h>

static struct world world;

static void open_world(unsigned backlog, bool cookies, bool abort_on_overflow,
                       weir_handle *listener)
{
    struct world_options options;
    world_defaults(&options);
    options.config.syncookies = cookies;
    options.config.abort_on_overflow = abort_on_overflow;
    world_open(&world, &options);
    const struct weir_addr local = world_addr(1, false, 80);
    *listener = WEIR_NO_HANDLE;
    if (weir_listen(world.side[1], &local, backlog, 0, listener) != WEIR_OK)
        CHECK(false, "a listener is made");
}

static unsigned count_state(const weir_handle *conn, unsigned count, uint8_t state)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += world_state(&world, 0, conn[i]) == state;
    return found;
}

/* As Linux counts: backlog + 1 connections may wait to be accepted (linux-socket-facts). */
static void test_backlog(void)
{
    for (unsigned backlog = 0; backlog < 4; backlog++) {
        weir_handle listener, conn[12];
        open_world(backlog, true, false, &listener);
        const struct weir_addr to = world_addr(1, false, 80);
        for (unsigned i = 0; i < 12; i++) {
            (void)!weir_connect(world.side[0], NULL, &to, &conn[i], world.now);
            world_run(&world, 50 * WEIR_MS);
        }
        CHECK(count_state(conn, 12, WEIR_ESTABLISHED) == backlog + 1,
              "backlog %u: %u connections are through, one more than that", backlog,
              count_state(conn, 12, WEIR_ESTABLISHED));
        unsigned accepted = 0;
        weir_handle child;
        while (weir_accept(world.side[1], listener, &child, world.now) == WEIR_OK)
            accepted++;
        CHECK(accepted == backlog + 1, "backlog %u: all of them are accepted", backlog);
        CHECK(weir_drop_count(world.side[1], WEIR_DROP_ACCEPT_FULL) > 0,
              "backlog %u: the other SYNs were dropped for that reason", backlog);
        world_run(&world, 10 * WEIR_SECOND);
        CHECK(count_state(conn, 12, WEIR_ESTABLISHED) == 2 * (backlog + 1),
              "backlog %u: who tries again gets the places", backlog);
        world_close(&world);
    }
}

static bool drop_acks(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    (void)w;
    /* TCP over IPv4 over Ethernet: flags are at 14 + 20 + 13. Only SYNs get through. */
    return from == 1 || len < 54 || data[12] != 8 || data[13] != 0 || data[23] != 6 ||
           (data[47] & 2) != 0;
}

static void test_cookies(bool cookies)
{
    weir_handle listener, conn[12];
    open_world(3, cookies, false, &listener);
    const struct weir_addr to = world_addr(1, false, 80);
    (void)!weir_connect(world.side[0], NULL, &to, &conn[0], world.now);
    world_run(&world, 50 * WEIR_MS); /* the neighbours know each other */
    world.filter = drop_acks;
    for (unsigned i = 1; i < 12; i++)
        (void)!weir_connect(world.side[0], NULL, &to, &conn[i], world.now);
    world_run(&world, 50 * WEIR_MS);
    struct weir_status status;
    CHECK(weir_status(world.side[1], listener, &status) == WEIR_OK && status.synq_len == 4,
          "the SYN queue holds one more than the backlog");
    struct weir_counters counters;
    weir_counters(world.side[1], &counters);
    if (!cookies) {
        CHECK(counters.cookies_sent == 0, "no cookies");
        CHECK(weir_drop_count(world.side[1], WEIR_DROP_SYNQ_FULL) == 7, "the others are dropped");
        world_close(&world);
        return;
    }
    CHECK(counters.cookies_sent == 7, "the others get cookies");
    CHECK(count_state(conn, 12, WEIR_ESTABLISHED) == 12, "the clients cannot tell");
    CHECK(world_pool_used(&world, 1, "tcb") == 1, "and cost the server nothing");
    world.filter = NULL;
    size_t done;
    (void)!weir_send(world.side[0], conn[11], "hello", 5, 0, &done, world.now);
    world_run(&world, 50 * WEIR_MS);
    weir_counters(world.side[1], &counters);
    CHECK(counters.cookies_ok == 1, "the first octets bring the cookie back");
    weir_handle child, last = WEIR_NO_HANDLE;
    while (weir_accept(world.side[1], listener, &child, world.now) == WEIR_OK)
        last = child;
    char text[8];
    CHECK(weir_recv(world.side[1], last, text, sizeof text, &done, world.now) == WEIR_OK &&
              done == 5 && memcmp(text, "hello", 5) == 0,
          "and are not lost");
    CHECK(weir_status(world.side[1], last, &status) == WEIR_OK && status.timestamps &&
              status.sack && status.snd_wscale > 0,
          "what was agreed came back in the timestamp");
    world_close(&world);
}

static uint8_t kept[1514];
static size_t kept_len;

/* Keeps the last frame with octets for port 80 that side 0 sends; SYNs alone get through to side 1
 * while there is none. */
static bool keep_data(struct world *w, unsigned from, const uint8_t *data, size_t len)
{
    if (from == 0 && len > 66 && data[12] == 8 && data[13] == 0 && data[23] == 6) {
        kept_len = len < sizeof kept ? len : sizeof kept;
        memcpy(kept, data, kept_len);
        return true;
    }
    return drop_acks(w, from, data, len);
}

/* The segment that brought a cookie back opens one connection, not another one when that is over.
 */
static void test_cookie_again(void)
{
    weir_handle listener, conn[2], child;
    open_world(0, true, false, &listener);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80);
    struct weir_counters counters;
    size_t done;
    world.filter = drop_acks;
    for (unsigned i = 0; i < 2; i++) {
        (void)!weir_connect(world.side[0], NULL, &to, &conn[i], world.now);
        world_run(&world, 50 * WEIR_MS); /* the second gets a cookie */
    }
    world.filter = keep_data;
    kept_len = 0;
    (void)!weir_send(world.side[0], conn[1], "hello, world", 12, 0, &done, world.now);
    world_run(&world, 50 * WEIR_MS);
    weir_counters(w, &counters);
    CHECK(counters.cookies_ok == 1 && kept_len > 0, "a cookie comes back with octets");
    CHECK(weir_accept(w, listener, &child, world.now) == WEIR_OK, "and makes a connection");
    (void)weir_abort(w, child, world.now);
    (void)weir_release(w, child, world.now);
    world_run(&world, 50 * WEIR_MS);
    const uint32_t tcbs = world_pool_used(&world, 1, "tcb");
    world_inject(&world, 1, kept, kept_len);
    weir_counters(w, &counters);
    CHECK(counters.cookies_ok == 1 && counters.cookies_failed == 1 &&
              world_pool_used(&world, 1, "tcb") == tcbs &&
              weir_accept(w, listener, &child, world.now) == WEIR_AGAIN,
          "once it is over, the same segment opens no other");
    world_close(&world);
}

/* RFC 6191: a SYN takes the place of a TIME-WAIT only if its ISS can be put beyond the old one's
 * octets, which a cookie's cannot. */
static void test_cookie_floor(void)
{
    weir_handle listener = WEIR_NO_HANDLE, conn, child, half;
    struct world_options options;
    world_defaults(&options);
    options.config.synq_max = 1;
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80), from = world_addr(0, false, 5000);
    (void)!weir_listen(w, &to, 5, 0, &listener);
    (void)!weir_connect(world.side[0], &from, &to, &conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_accept(w, listener, &child, world.now);
    (void)weir_release(w, child, world.now); /* closes first: its is the TIME-WAIT */
    world_run(&world, 50 * WEIR_MS);
    (void)weir_release(world.side[0], conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_pool_used(&world, 1, "tw") == 1 && world_pool_used(&world, 0, "tw") == 0,
          "TIME-WAIT at the listener's end");
    world.filter = drop_acks;
    (void)!weir_connect(world.side[0], NULL, &to, &half, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_pool_used(&world, 1, "synq") == 1, "the SYN queue is full");
    struct weir_counters counters;
    (void)!weir_connect(world.side[0], &from, &to, &conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    weir_counters(w, &counters);
    CHECK(counters.cookies_sent == 0 && world_pool_used(&world, 1, "tw") == 1,
          "no cookie for a tuple in TIME-WAIT");
    (void)weir_release(world.side[0], half, world.now);
    world.filter = NULL;
    world_run(&world, 10 * WEIR_SECOND);
    CHECK(world_state(&world, 0, conn) == WEIR_ESTABLISHED && world_pool_used(&world, 1, "tw") == 0,
          "once there is room it is given up");
    world_close(&world);
}

static void test_synq_end(void)
{
    weir_handle listener, conn;
    open_world(3, true, false, &listener);
    const struct weir_addr to = world_addr(1, false, 80);
    (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
    world.filter = drop_acks;
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_pool_used(&world, 1, "synq") == 1, "half open");
    world_run(&world, 62 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 1, "synq") == 1, "62 s later still");
    world_run(&world, 2 * WEIR_SECOND);
    CHECK(world_pool_used(&world, 1, "synq") == 0, "after 1 + 2 + 4 + 8 + 16 + 32 s no more");
    world_close(&world);

    open_world(3, true, false, &listener);
    (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
    world.filter = drop_acks;
    world_run(&world, 50 * WEIR_MS);
    const uint64_t frames = world.frames;
    CHECK(weir_release(world.side[1], listener, world.now) == WEIR_OK, "the listener closes");
    CHECK(world_pool_used(&world, 1, "synq") == 0, "its half-open entries go");
    world_run(&world, 10 * WEIR_MS);
    CHECK(world.frames == frames, "silently");
    world_close(&world);
}

static void test_close(void)
{
    weir_handle listener, conn[3];
    open_world(5, true, false, &listener);
    const struct weir_addr to = world_addr(1, false, 80);
    for (unsigned i = 0; i < 3; i++)
        (void)!weir_connect(world.side[0], NULL, &to, &conn[i], world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(count_state(conn, 3, WEIR_ESTABLISHED) == 3, "three wait to be accepted");
    CHECK(weir_release(world.side[1], listener, world.now) == WEIR_OK, "the listener closes");
    world_run(&world, 50 * WEIR_MS);
    for (unsigned i = 0; i < 3; i++)
        CHECK(weir_error_take(world.side[0], conn[i]) == WEIR_RESET, "child %u was reset", i);
    CHECK(world_pool_used(&world, 1, "tcb") == 0, "nothing is left of them");
    weir_handle none;
    CHECK(weir_accept(world.side[1], listener, &none, world.now) == WEIR_BAD_HANDLE,
          "the handle is dead");
    world_close(&world);
}

static void test_overflow_abort(void)
{
    weir_handle listener, conn[2];
    open_world(0, true, true, &listener);
    const struct weir_addr to = world_addr(1, false, 80);
    (void)!weir_connect(world.side[0], NULL, &to, &conn[0], world.now);
    (void)!weir_connect(world.side[0], NULL, &to, &conn[1], world.now);
    world_run(&world, 100 * WEIR_MS);
    CHECK(world_state(&world, 0, conn[0]) == WEIR_ESTABLISHED, "one place, one connection");
    CHECK(weir_error_take(world.side[0], conn[1]) == WEIR_RESET,
          "abort_on_overflow: the other is reset when its ACK comes");
    world_close(&world);
}

/* The best fit: its own address before the family's any, and that before the any of both. */
static void test_score(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr exact = world_addr(1, false, 80);
    const struct weir_addr any4 = { .ip = weir_ip_v4(0, 0, 0, 0), .port = 80 };
    const struct weir_addr any = { .port = 80 };
    const struct weir_addr far = { .ip = weir_ip_v4(192, 0, 2, 1), .port = 80 };
    weir_handle listener[3], again, conn, child;
    CHECK(weir_listen(w, &any, 5, 0, &listener[0]) == WEIR_OK, "any of both families");
    CHECK(weir_listen(w, &any4, 5, 0, &listener[1]) == WEIR_OK, "any of IPv4");
    CHECK(weir_listen(w, &exact, 5, 0, &listener[2]) == WEIR_OK, "one address");
    CHECK(weir_listen(w, &exact, 5, 0, &again) == WEIR_IN_USE, "the same again is taken");
    CHECK(weir_listen(w, &far, 5, 0, &again) == WEIR_NOT_LOCAL, "an address that is not ours");
    for (int best = 2; best >= 0; best--) {
        const struct weir_addr to = world_addr(1, false, 80);
        (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
        world_run(&world, 50 * WEIR_MS);
        CHECK(weir_accept(w, listener[best], &child, world.now) == WEIR_OK,
              "listener %d is the best fit", best);
        (void)!weir_release(w, listener[best], world.now);
    }
    CHECK(weir_listen(w, &any, 5, WEIR_LISTEN_V6ONLY, &listener[0]) == WEIR_OK, "IPv6 only");
    const struct weir_addr v4 = world_addr(1, false, 80), v6 = world_addr(1, true, 80);
    weir_handle a, b;
    (void)!weir_connect(world.side[0], NULL, &v4, &a, world.now);
    (void)!weir_connect(world.side[0], NULL, &v6, &b, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_error_take(world.side[0], a) == WEIR_REFUSED, "IPv4 is refused there");
    CHECK(world_state(&world, 0, b) == WEIR_ESTABLISHED, "IPv6 is not");
    const struct weir_addr port0 = { .port = 0 };
    struct weir_status status;
    CHECK(weir_listen(w, &port0, 5, 0, &again) == WEIR_OK &&
              weir_status(w, again, &status) == WEIR_OK && status.local.port >= 32768,
          "port 0 draws one");
    world_close(&world);
}

/* TCP_DEFER_ACCEPT, as measured on Linux: 3 s are two timeouts of the SYN-ACK; the second is the
 * last chance, and whatever answers that makes a connection. */
static void test_defer_accept(void)
{
    weir_handle listener, conn, child;
    open_world(5, true, false, &listener);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80);
    int64_t value = 0;
    CHECK(weir_set(w, listener, WEIR_OPT_DEFER_ACCEPT, 4 * WEIR_SECOND, world.now) == WEIR_OK &&
              weir_get(w, listener, WEIR_OPT_DEFER_ACCEPT, &value) == WEIR_OK &&
              value == 7 * WEIR_SECOND,
          "4 s become 7, which is three timeouts");
    CHECK(weir_set(w, listener, WEIR_OPT_DEFER_ACCEPT, -1, world.now) == WEIR_INVALID,
          "but not -1");
    (void)!weir_set(w, listener, WEIR_OPT_DEFER_ACCEPT, 3 * WEIR_SECOND, world.now);
    (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    const uint64_t frames = world.frames;
    CHECK(world_state(&world, 0, conn) == WEIR_ESTABLISHED, "the client cannot tell");
    CHECK(weir_accept(w, listener, &child, world.now) == WEIR_AGAIN &&
              weir_drop_count(w, WEIR_DROP_ACCEPT_DEFERRED) == 1,
          "a bare ACK makes no connection");
    world_run(&world, 2900 * WEIR_MS);
    CHECK(world.frames == frames, "and the SYN-ACK does not leave again");
    world_run(&world, 150 * WEIR_MS);
    CHECK(world.frames == frames + 2 && weir_accept(w, listener, &child, world.now) == WEIR_OK,
          "but after 3 s it does, and its ACK makes one");
    (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    size_t done;
    (void)!weir_send(world.side[0], conn, "x", 1, 0, &done, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_accept(w, listener, &child, world.now) == WEIR_OK, "data makes one at once");
    (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    (void)!weir_shutdown(world.side[0], conn, world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(weir_accept(w, listener, &child, world.now) == WEIR_OK, "so does a FIN");
    world_close(&world);
}

/* WEIR_LISTEN_DEFER: the SYN is told, and the program answers it. */
static void test_defer(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle listener, conn[5], child;
    struct weir_syn syn[5], none;
    CHECK(weir_listen(w, &to, 3, WEIR_LISTEN_DEFER, &listener) == WEIR_OK, "a listener that asks");
    for (unsigned i = 0; i < 5; i++) {
        const struct weir_addr from = world_addr(0, false, (uint16_t)(100 + i));
        (void)!weir_connect(world.side[0], &from, &to, &conn[i], world.now);
        world_run(&world, 5 * WEIR_MS);
    }
    CHECK((weir_ready_now(w, listener) & WEIR_ASKED) != 0, "SYNs wait");
    CHECK(weir_drop_count(w, WEIR_DROP_SYNQ_FULL) == 1,
          "one more than the backlog, the next is lost");
    for (unsigned i = 0; i < 4; i++)
        CHECK(weir_syn_next(w, listener, &syn[i], world.now) == WEIR_OK &&
                  syn[i].remote.port == 100 + i && syn[i].local.port == 80,
              "SYN %u is told", i);
    CHECK(weir_syn_next(w, listener, &none, world.now) == WEIR_AGAIN &&
              weir_ready_now(w, listener) == 0,
          "then no more");
    world_run(&world, 2500 * WEIR_MS);
    CHECK(world_state(&world, 0, conn[0]) == WEIR_SYN_SENT &&
              weir_drop_count(w, WEIR_DROP_SYN_DEFERRED) > 0,
          "nothing is answered, however often they ask");
    CHECK(weir_admit(w, syn[0].handle, world.now) == WEIR_OK &&
              weir_admit(w, syn[0].handle, world.now) == WEIR_BAD_HANDLE,
          "one is admitted, once");
    CHECK(weir_refuse(w, syn[1].handle, world.now) == WEIR_OK &&
              weir_refuse(w, syn[1].handle, world.now) == WEIR_BAD_HANDLE,
          "one is refused, once");
    (void)!weir_abort(world.side[0], conn[2], world.now);
    world_run(&world, 50 * WEIR_MS);
    CHECK(world_state(&world, 0, conn[0]) == WEIR_ESTABLISHED &&
              weir_accept(w, listener, &child, world.now) == WEIR_OK,
          "who was admitted is connected");
    CHECK(weir_error_take(world.side[0], conn[1]) == WEIR_REFUSED, "who was refused knows it");
    (void)!weir_release(world.side[0], conn[3], world.now);
    (void)!weir_release(world.side[0], conn[4], world.now);
    world_run(&world, 61 * WEIR_SECOND);
    CHECK(weir_admit(w, syn[3].handle, world.now) == WEIR_BAD_HANDLE &&
              world_pool_used(&world, 1, "synq") == 0,
          "after a minute they are forgotten");
    (void)!weir_connect(world.side[0], NULL, &to, &conn[0], world.now);
    world_run(&world, 5 * WEIR_MS);
    CHECK(weir_release(w, listener, world.now) == WEIR_OK &&
              world_pool_used(&world, 1, "synq") == 0,
          "with their listener they go");
    world_close(&world);
}

#define GROUP 4

/* Several on one address and port: each flow has one of them, whoever else comes or goes. */
static void test_group(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80), any = { .port = 80 };
    weir_handle listener[GROUP], none, child, conn[64];
    for (unsigned i = 0; i < GROUP; i++)
        CHECK(weir_listen(w, &to, 64, WEIR_LISTEN_REUSEPORT, &listener[i]) == WEIR_OK,
              "listener %u shares the port", i);
    CHECK(weir_listen(w, &to, 64, 0, &none) == WEIR_IN_USE, "one that does not say so may not");
    CHECK(weir_listen(w, &any, 64, 0, &none) == WEIR_OK, "on any address there is another");
    for (unsigned i = 0; i < 64; i++) {
        const struct weir_addr from = world_addr(0, false, (uint16_t)(2000 + i));
        (void)!weir_connect(world.side[0], &from, &to, &conn[i], world.now);
    }
    world_run(&world, 100 * WEIR_MS);
    unsigned all = 0, owner[64];
    for (unsigned i = 0; i < GROUP; i++) {
        unsigned here = 0;
        while (weir_accept(w, listener[i], &child, world.now) == WEIR_OK) {
            struct weir_status status;
            (void)!weir_status(w, child, &status);
            owner[status.remote.port - 2000] = i;
            (void)!weir_release(w, child, world.now);
            here++;
        }
        CHECK(here > 4, "listener %u has its share of the flows: %u", i, here);
        all += here;
    }
    CHECK(all == 64, "each flow went to one of them");
    for (unsigned i = 0; i < 64; i++)
        (void)!weir_abort(world.side[0], conn[i], world.now);
    CHECK(weir_release(w, listener[1], world.now) == WEIR_OK, "one goes");
    world_run(&world, 100 * WEIR_MS);
    for (unsigned i = 0; i < 64; i++) {
        const struct weir_addr from = world_addr(0, false, (uint16_t)(2000 + i));
        (void)!weir_release(world.side[0], conn[i], world.now);
        (void)!weir_connect(world.side[0], &from, &to, &conn[i], world.now);
    }
    world_run(&world, 100 * WEIR_MS);
    unsigned moved = 0;
    all = 0;
    for (unsigned i = 0; i < GROUP; i++) {
        while (weir_accept(w, listener[i], &child, world.now) == WEIR_OK) {
            struct weir_status status;
            (void)!weir_status(w, child, &status);
            const unsigned before = owner[status.remote.port - 2000];
            moved += before != 1 && before != i;
            all++;
        }
    }
    CHECK(all == 64 && moved == 0, "only its flows have moved");
    world_close(&world);
}

/* WEIR_LISTEN_COOKIES with WEIR_LISTEN_DEFER: those for whom there is no place get a cookie. */
static void test_defer_cookies(void)
{
    struct world_options options;
    struct weir_counters counters;
    world_defaults(&options);
    options.config.syncookies = true;
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle listener, conn[6];
    struct weir_syn syn;
    CHECK(weir_listen(w, &to, 3, WEIR_LISTEN_DEFER | WEIR_LISTEN_COOKIES, &listener) == WEIR_OK,
          "a listener that asks, and has cookies");
    for (unsigned i = 0; i < 6; i++) {
        (void)!weir_connect(world.side[0], NULL, &to, &conn[i], world.now);
        world_run(&world, 5 * WEIR_MS);
    }
    weir_counters(w, &counters);
    CHECK(counters.cookies_sent == 2 && world_state(&world, 0, conn[5]) == WEIR_ESTABLISHED,
          "two found no place and got a cookie");
    unsigned told = 0;
    while (weir_syn_next(w, listener, &syn, world.now) == WEIR_OK)
        told++;
    CHECK(told == 4 && world_state(&world, 0, conn[0]) == WEIR_SYN_SENT, "the others are told of");
    world_close(&world);
}

/* A second listen(). */
static void test_backlog_again(void)
{
    struct world_options options;
    world_defaults(&options);
    world_open(&world, &options);
    struct weir *w = world.side[1];
    const struct weir_addr to = world_addr(1, false, 80);
    weir_handle listener, conn;
    struct weir_status status;
    CHECK(weir_listen(w, &to, 1, 0, &listener) == WEIR_OK, "a listener for two");
    for (unsigned i = 0; i < 3; i++) {
        (void)!weir_connect(world.side[0], NULL, &to, &conn, world.now);
        world_run(&world, 5 * WEIR_MS);
    }
    CHECK(weir_status(w, listener, &status) == WEIR_OK && status.acceptq_len == 2, "two wait");
    CHECK(weir_listen_backlog(w, listener, 5) == WEIR_OK &&
              weir_listen_backlog(w, conn, 5) == WEIR_BAD_HANDLE,
          "now it is one for six");
    world_run(&world, 2 * WEIR_SECOND);
    CHECK(weir_status(w, listener, &status) == WEIR_OK && status.acceptq_len == 3 &&
              status.backlog == 5,
          "the third is let in");
    world_close(&world);
}

int main(void)
{
    test_backlog();
    test_cookies(true);
    test_cookies(false);
    test_cookie_again();
    test_cookie_floor();
    test_synq_end();
    test_close();
    test_overflow_abort();
    test_score();
    test_defer_accept();
    test_defer();
    test_defer_cookies();
    test_backlog_again();
    test_group();
    return tap_done();
}
