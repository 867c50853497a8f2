/* SPDX-License-Identifier: MIT */
#include "wire.h"

/* The user calls beyond opening, sending and closing: STATUS, events, handles, octets in place, and
 * what happens when memory runs out. */

static void status_says(struct t *t)
{
    active(t, MODERN);
    write_octets(t, 2000);
    ignore(t);
    in(t, "P. 1:101 ack 989");
    ignore(t);
    const struct weir_status status = status_of(t);
    is(t, status.state, WEIR_ESTABLISHED);
    is(t, status.local.port, OUR_PORT);
    is(t, status.remote.port, PEER_PORT);
    is(t, status.snd_una - status.iss, 989);
    is(t, status.snd_nxt - status.iss, 2001);
    is(t, status.rcv_nxt - status.irs, 101);
    is(t, status.irs, t->peers[0].isn);
    is(t, status.unacked, 2001 - 989);
    is(t, status.unread, 100);
    is(t, status.octets_in, 100);
    is(t, status.octets_out, 2000);
    is(t, status.octets_acked, 988);
    is(t, status.mss, 988);
    is(t, status.snd_wscale, 7);
}

static void events_tell_once(struct t *t)
{
    struct weir_event event;
    passive(t, PLAIN);
    is(t, weir_set_cookie(t->weir, t->conn, 42), WEIR_OK);
    while (weir_next_event(t->weir, &event))
        continue;
    in(t, "P. 1:11 ack 1");
    ignore(t);
    holds(t, weir_next_event(t->weir, &event));
    holds(t, event.handle == t->conn && event.cookie == 42 && (event.ready & WEIR_READABLE));
    in(t, "P. 11:21 ack 1"); /* still readable: nothing new */
    ignore(t);
    holds(t, !weir_next_event(t->weir, &event));
    read_octets(t, 20);
    in(t, "P. 21:31 ack 1");
    ignore(t);
    holds(t, weir_next_event(t->weir, &event));
    read_octets(t, 5);
    holds(t, !weir_next_event(t->weir, &event));
    weir_rearm(t->weir, t->conn); /* not drained */
    holds(t, weir_next_event(t->weir, &event));
}

static void stale_handles(struct t *t)
{
    passive(t, PLAIN);
    const weir_handle old = t->conn;
    uint8_t octet;
    size_t done;
    release(t);
    ignore(t);
    is(t, weir_recv(t->weir, old, &octet, 1, &done, t->now), WEIR_BAD_HANDLE);
    is(t, weir_send(t->weir, old, &octet, 1, 0, &done, t->now), WEIR_BAD_HANDLE);
    is(t, weir_shutdown(t->weir, old, t->now), WEIR_BAD_HANDLE);
    is(t, weir_abort(t->weir, old, t->now), WEIR_BAD_HANDLE);
    is(t, weir_release(t->weir, old, t->now), WEIR_BAD_HANDLE);
    is(t, weir_ready_now(t->weir, old), 0);
    is(t, weir_recv(t->weir, 0, &octet, 1, &done, t->now), WEIR_BAD_HANDLE);
    is(t, weir_recv(t->weir, t->listener, &octet, 1, &done, t->now), WEIR_BAD_HANDLE);
}

static void low_water_of_reading(struct t *t)
{
    passive(t, PLAIN);
    set(t, RCVLOWAT, 30000); /* more than the window: it grows for it */
    collect(t);
    ignore(t);
    for (unsigned i = 0; i < 29; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
        ready_lacks(t, WEIR_READABLE);
    }
    in(t, ". 29001:30001 ack 1");
    ignore(t);
    ready_has(t, WEIR_READABLE);
    read_octets(t, 30000);
    ignore(t);
    in(t, "F. 30001 ack 1"); /* the end is always worth telling */
    ignore(t);
    ready_has(t, WEIR_READABLE);
}

static void low_water_of_writing(struct t *t)
{
    t->win = 4000;
    passive(t, PLAIN);
    set(t, NOTSENT_LOWAT, 3000);
    write_octets(t, 8000); /* a write that has begun is taken whole */
    ready_lacks(t, WEIR_WRITABLE);
    send_says(t, WEIR_AGAIN);
    out(t, ". 1:1001 ack 1");
    ignore(t);
    in(t, ". 1 ack 4001"); /* none left unsent */
    ignore(t);
    ready_has(t, WEIR_WRITABLE);
}

/* Room is valid until the next call on the instance: its memory may be another's by then. */
static void room_of_yesterday(struct t *t)
{
    passive(t, PLAIN);
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    is(t, weir_send_put(t->weir, t->conn, 10, 0, t->now), WEIR_INVALID); /* never shown */
    is(t, weir_send_room(t->weir, t->conn, 100, span, &count), WEIR_OK);
    is(t, weir_send_put(t->weir, t->conn, 101, 0, t->now), WEIR_INVALID); /* not shown */
    in(t, ". 1 ack 1");
    is(t, weir_send_put(t->weir, t->conn, 100, 0, t->now), WEIR_INVALID);
    count = WEIR_SPANS;
    is(t, weir_send_room(t->weir, t->conn, 100, span, &count), WEIR_OK);
    write_octets(t, 10);
    is(t, weir_send_put(t->weir, t->conn, 90, 0, t->now), WEIR_INVALID);
    out(t, "P. 1:11 ack 1");
    in(t, ". 1 ack 11");
    quiet(t);
    is(t, weir_send_put(t->weir, t->conn, 0, 0, t->now), WEIR_OK);
}

static void in_place(struct t *t)
{
    passive(t, PLAIN);
    struct weir_span span[WEIR_SPANS];
    unsigned count = WEIR_SPANS;
    is(t, weir_send_room(t->weir, t->conn, 100, span, &count), WEIR_OK);
    size_t room = 0;
    uint32_t place = 1;
    for (unsigned i = 0; i < count; i++) {
        room += span[i].len;
        for (size_t j = 0; j < span[i].len; j++)
            span[i].base[j] = pattern(place++, false);
    }
    is(t, room, 100);
    is(t, weir_send_put(t->weir, t->conn, 60, 0, t->now), WEIR_OK); /* fewer than shown */
    collect(t);
    out(t, "P. 1:61 ack 1");
    is(t, weir_send_put(t->weir, t->conn, (size_t)1 << 30, 0, t->now), WEIR_INVALID);
    in(t, "P. 1:51 ack 61");
    ignore(t);
    count = WEIR_SPANS;
    is(t, weir_recv_view(t->weir, t->conn, span, &count), WEIR_OK);
    is(t, count, 1);
    is(t, span[0].len, 50);
    is(t, span[0].base[7], pattern(8, false));
    is(t, weir_recv_took(t->weir, t->conn, 51, t->now), WEIR_INVALID);
    is(t, weir_recv_took(t->weir, t->conn, 50, t->now), WEIR_OK);
    collect(t);
    nothing_to_read(t);
}

static void send_buffer_is_bounded(struct t *t)
{
    t->config.snd_max = 20000;
    passive(t, PLAIN);
    static uint8_t text[40000];
    size_t done;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = pattern(1 + (uint32_t)i, false);
    is(t, weir_send(t->weir, t->conn, text, sizeof text, 0, &done, t->now), WEIR_OK);
    is(t, done, 20000);
    collect(t);
    ignore(t);
    ready_lacks(t, WEIR_WRITABLE);
    is(t, weir_send(t->weir, t->conn, text, 1, 0, &done, t->now), WEIR_AGAIN);
    in(t, ". 1 ack 10001");
    ignore(t);
    ready_has(t, WEIR_WRITABLE);
}

/* Every pool is as full as before when all is over. */
static void nothing_is_left_behind(struct t *t)
{
    struct weir_pool_use before[32], then[32];
    passive(t, SACK);
    release(t);
    ignore(t);
    in(t, "R 1");
    const unsigned count = weir_pools(t->weir, before, 32);
    for (unsigned round = 0; round < 5; round++) {
        t->peer = (int)round + 1;
        t->wrote = t->read = 0;
        passive(t, SACK);
        write_octets(t, 30000);
        ignore(t);
        in(t, ". 2001:3001 ack 1 <sack 2001:3001>");
        ignore(t);
        in(t, ". 1:1001 ack 1001");
        ignore(t);
        if (round % 2 == 0)
            abort_conn(t);
        release(t);
        ignore(t);
        in(t, "R 1001");
        after(t, 200 * SECONDS);
        t_ignore(t);
        state(t, CLOSED);
    }
    is(t, weir_pools(t->weir, then, 32), count);
    for (unsigned i = 0; i < count; i++) {
        t_note(t, "pool %s\n", then[i].name);
        is(t, then[i].used, before[i].used);
    }
}

/* The n-th request to each pool fails: the connection suffers, nothing else does. */
static void pools_that_fail(struct t *t)
{
    struct weir_pool_use use[32];
    open_listener(t, 16);
    const unsigned count = weir_pools(t->weir, use, 32);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned n = 1; n < 6; n++) {
            t->peer = (int)(i * 5 + n) % PEERS_MAX;
            t_note(t, "-- pool %s, request %u\n", use[i].name, n);
            if (weir_pool_fail(t->weir, use[i].name, n) != WEIR_OK)
                continue; /* not a pool that is asked for items */
            in(t, "S 0 <mss 1000,sackok>");
            t_ignore(t);
            in(t, ". 1 ack 1");
            t_ignore(t);
            weir_handle conn;
            if (weir_accept(t->weir, t->listener, &conn, t->now) == WEIR_OK) {
                uint8_t text[5000] = { 0 };
                size_t done;
                for (uint32_t k = 0; k < sizeof text; k++)
                    text[k] = pattern(1 + k, false);
                (void)!weir_send(t->weir, conn, text, sizeof text, 0, &done, t->now);
                collect(t);
                t_ignore(t);
                in(t, ". 1001:1401 ack 1 <sack 1001:2001>");
                t_ignore(t);
                in(t, "P. 1:1001 ack 2001");
                t_ignore(t);
                after(t, SECONDS);
                t_ignore(t);
                (void)!weir_abort(t->weir, conn, t->now);
                (void)!weir_release(t->weir, conn, t->now);
                collect(t);
                t_ignore(t);
            }
            is(t, weir_pool_fail(t->weir, use[i].name, 0), WEIR_OK);
            after(t, 100 * SECONDS);
            t_ignore(t);
        }
    }
    t->peer = 0;
    in(t, "S 0");
    out(t, "S. 0 ack 1");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(status_says, "RFC 9293 3.10.6: STATUS"),
        CASE(events_tell_once, "readiness is told once while it lasts"),
        CASE(stale_handles, "a handle that is over is refused by every call"),
        CASE(low_water_of_reading, "SO_RCVLOWAT: readable from so many octets on"),
        CASE(low_water_of_writing, "TCP_NOTSENT_LOWAT: nothing is taken while much was never sent"),
        CASE(room_of_yesterday, "room that was shown before another call cannot be put"),
        CASE(in_place, "octets written and read in place"),
        CASE(send_buffer_is_bounded, "SEND takes what fits, and says when more does"),
        CASE(nothing_is_left_behind, "all pools are as full as before"),
        CASE(pools_that_fail, "the n-th request to each pool fails, and nothing breaks"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
