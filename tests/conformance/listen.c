/* SPDX-License-Identifier: MIT */
#include "wire.h"

/* Listeners: RFC 9293, 3.10.7.2, the two queues, RFC 4987's cookies. */

static void what_a_listener_answers(struct t *t)
{
    open_listener(t, 4);
    in(t, "- 5");
    drop(t, LISTEN_FLAGS);
    in(t, "F 5");
    drop(t, LISTEN_FLAGS);
    in(t, "FPU 5");
    drop(t, LISTEN_FLAGS);
    in(t, "SF 5");
    drop(t, LISTEN_FLAGS);
    in(t, "P 5:9");
    drop(t, LISTEN_FLAGS);
    in(t, "R 5");
    drop(t, LISTEN_RST);
    in(t, "SR 5");
    drop(t, LISTEN_RST);
    in(t, "SFRPU. 5 ack 3");
    drop(t, LISTEN_RST);
    quiet(t);
    in(t, ". 5 ack 77");
    drop(t, LISTEN_ACK);
    out(t, "R 77 win 0 <>");
    in(t, "S. 5 ack 77");
    out(t, "R 77");
    state(t, CLOSED);
}

/* backlog + 1 connections wait, as Linux counts; then SYNs are dropped, and their peers try again.
 */
static void accept_queue_full(struct t *t)
{
    open_listener(t, 2);
    for (t->peer = 0; t->peer < 3; t->peer++) {
        in(t, "S 0");
        out(t, "S. 0 ack 1");
        in(t, ". 1 ack 1");
    }
    t->peer = 3;
    in(t, "S 0");
    drop(t, ACCEPT_FULL);
    quiet(t);
    struct weir_status status;
    is(t, weir_status(t->weir, t->listener, &status), WEIR_OK);
    is(t, status.acceptq_len, 3);
    is(t, status.backlog, 2);
    accept_conn(t);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    for (unsigned i = 0; i < 3; i++)
        accept_conn(t);
    weir_handle none;
    is(t, weir_accept(t->weir, t->listener, &none, t->now), WEIR_AGAIN);
}

/* The last ACK comes when there is no place: it is ignored, with its text, and the SYN-ACK is sent
 * again. */
static void no_place_for_the_last_ack(struct t *t)
{
    open_listener(t, 1);
    for (t->peer = 0; t->peer < 2; t->peer++) {
        in(t, "S 0");
        out(t, "S. 0 ack 1");
    }
    t->peer = 0;
    in(t, ". 1 ack 1");
    t->peer = 2;
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    t->peer = 1;
    in(t, ". 1 ack 1");
    t->peer = 2;
    in(t, "P. 1:11 ack 1");
    drop(t, ACCEPT_FULL);
    state(t, SYN_RECEIVED);
    quiet(t);
    out_after(t, SECONDS, "S. 0 ack 1");
    accept_conn(t);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    accept_conn(t);
    accept_conn(t);
    read_octets(t, 10);
}

static void reset_on_overflow(struct t *t)
{
    t->config.abort_on_overflow = true;
    open_listener(t, 0);
    for (t->peer = 0; t->peer < 1; t->peer++) {
        in(t, "S 0");
        out(t, "S. 0 ack 1");
    }
    t->peer = 1;
    t->config.syncookies = true;
    in(t, "S 0");
    const bool answered = t->head != t->tail;
    t_ignore(t);
    t->peer = 0;
    in(t, ". 1 ack 1");
    t->peer = 1;
    if (!answered)
        return;
    in(t, ". 1 ack 1");
    out(t, "R 1");
    state(t, CLOSED);
}

static void accepted_in_order(struct t *t)
{
    open_listener(t, 8);
    for (t->peer = 0; t->peer < 4; t->peer++) {
        in(t, "S 0");
        out(t, "S. 0 ack 1");
    }
    for (t->peer = 3; t->peer >= 0; t->peer--)
        in(t, ". 1 ack 1");
    for (int i = 3; i >= 0; i--) { /* as they were completed */
        accept_conn(t);
        is(t, status_of(t).remote.port, PEER_PORT + i);
    }
}

static void event_of_a_listener(struct t *t)
{
    struct weir_event event;
    open_listener(t, 8);
    holds(t, !weir_next_event(t->weir, &event));
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    holds(t, !weir_next_event(t->weir, &event)); /* half open is nothing to accept */
    in(t, ". 1 ack 1");
    holds(t, weir_next_event(t->weir, &event));
    holds(t, event.handle == t->listener && event.ready == WEIR_READABLE);
    holds(t, !weir_next_event(t->weir, &event)); /* told once */
    accept_conn(t);
    is(t, weir_ready_now(t->weir, t->listener), 0);
}

static void reset_before_accept(struct t *t)
{
    open_listener(t, 8);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, "P. 1:6 ack 1");
    ignore(t);
    in(t, "R 6");
    drop(t, RESET);
    accept_conn(t); /* as Linux: accepted all the same */
    state(t, CLOSED);
    read_octets(t, 5);
    recv_says(t, WEIR_RESET);
}

static void closing_a_listener(struct t *t)
{
    open_listener(t, 8);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    t->peer = 1;
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    is(t, weir_release(t->weir, t->listener, t->now), WEIR_OK);
    collect(t);
    t->peer = 0;
    out(t, "R. 1 ack 1"); /* what waited to be accepted is reset */
    state(t, CLOSED);
    t->peer = 1;
    silent(t, 100 * SECONDS); /* what was half open is forgotten */
    in(t, ". 1 ack 1");
    out(t, "R 1");
    t->peer = 2;
    in(t, "S 0");
    out(t, "R. 0 ack 1");
}

static void addresses(struct t *t)
{
    begin(t);
    struct weir_addr local = { .port = OUR_PORT };
    weir_handle any, own;
    is(t, weir_listen(t->weir, &local, 4, 0, &any), WEIR_OK);
    is(t, weir_listen(t->weir, &local, 4, 0, &own), WEIR_IN_USE);
    local.ip = our_ip(t);
    is(t, weir_listen(t->weir, &local, 4, 0, &own), WEIR_OK);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    weir_handle conn;
    is(t, weir_accept(t->weir, any, &conn, t->now), WEIR_AGAIN);
    is(t, weir_accept(t->weir, own, &conn, t->now), WEIR_OK); /* its own address before any */
    is(t, weir_release(t->weir, own, t->now), WEIR_OK);
    collect(t);
    t->peer = 1;
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    is(t, weir_accept(t->weir, any, &conn, t->now), WEIR_OK);
}

/* ---- cookies ---- */

/* Fills the SYN queue of a listener with backlog 0. */
static void flood(struct t *t)
{
    open_listener(t, 0);
    for (t->peer = 10; t->peer < 12; t->peer++) {
        in(t, "S 0");
        t_ignore(t);
    }
    t->peer = 0;
}

static void cookie(struct t *t)
{
    flood(t);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1 <mss %u>", path_mss(t));
    why(t, SYN_COOKIE);
    state(t, CLOSED); /* nothing is kept of it */
    silent(t, 900 * MS);
    in(t, ". 1 ack 1");
    drop(t, NONE);
    accept_conn(t);
    state(t, ESTABLISHED);
    is(t, status_of(t).mss, 536); /* the largest of the table that is not above it */
    in(t, "P. 1:11 ack 1");
    ignore(t);
    read_octets(t, 10);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 11");
}

static void cookie_remembers_the_mss(struct t *t)
{
    static const unsigned mss[][2] = {
        { 536, 536 }, { 1219, 536 }, { 1220, 1220 }, { 1439, 1220 }, { 1440, 1440 }
    };
    t->config.somaxconn = 64;
    for (unsigned i = 0; i < 5; i++) {
        if (i == 0)
            flood(t);
        t->peer = (int)i;
        in(t, "S 0 <mss %u>", mss[i][0]);
        out(t, "S. 0 ack 1");
        why(t, SYN_COOKIE);
        in(t, ". 1 ack 1");
        accept_conn(t);
        is(t, status_of(t).mss, mss[i][1]);
    }
}

static void cookie_with_timestamps(struct t *t)
{
    flood(t);
    in(t, "S 0 <%s>", MODERN);
    out(t, "S. 0 ack 1 <mss %u,sackok,ts * 1,ws 7>", path_mss(t));
    in(t, ". 1 ack 1 <ts 5 =>");
    accept_conn(t);
    const struct weir_status status = status_of(t);
    holds(t, status.sack && status.timestamps);
    is(t, status.snd_wscale, 7);
    is(t, status.mss, 524);
}

static void cookie_without_timestamps_remembers_no_more(struct t *t)
{
    flood(t);
    in(t, "S 0 <mss 1000,sackok,ws 7>");
    out(t, "S. 0 ack 1 <mss %u>", path_mss(t));
}

static void cookie_completed_by_text(struct t *t)
{
    flood(t);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, "P. 1:51 ack 1"); /* the ACK itself was lost */
    ignore(t);
    accept_conn(t);
    read_octets(t, 50);
}

static void forged_cookies(struct t *t)
{
    flood(t);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    for (int i = -20; i < 200; i++) {
        if (i == 0 || i == 1 || i == 2)
            continue;
        in(t, ". 1 ack %d", 305419896 + i * 77777);
        drop(t, COOKIE_BAD);
        out(t, "R %d", 305419896 + i * 77777);
    }
    in(t, ". 5 ack 1"); /* of another SYN */
    drop(t, COOKIE_BAD);
    ignore(t);
    t->peer = 1; /* of another peer */
    t->peers[1].base = t->peers[0].base;
    t->peers[1].isn = t->peers[0].isn;
    in(t, ". 1 ack 1");
    drop(t, COOKIE_BAD);
    ignore(t);
}

static void cookies_grow_old(struct t *t)
{
    flood(t);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    after(t, 200 * SECONDS);
    t_ignore(t);
    in(t, ". 1 ack 1");
    holds(t, t->dropped == WEIR_DROP_COOKIE_BAD || t->dropped == WEIR_DROP_LISTEN_ACK);
    out(t, "R 1");
}

static void cookies_only_after_a_flood(struct t *t)
{
    open_listener(t, 4);
    in(t, ". 1 ack 12345");
    drop(t, LISTEN_ACK); /* not even looked at */
    out(t, "R 12345");
}

static void without_cookies(struct t *t)
{
    t->config.syncookies = false;
    flood(t);
    in(t, "S 0");
    drop(t, SYNQ_FULL);
    quiet(t);
}

/* A million pairs of SYN and forged ACK leave no connection; here some thousands. */
static void spoofed_pairs(struct t *t)
{
    open_listener(t, 64);
    uint32_t guess = 12345;
    for (unsigned i = 0; i < 3000; i++) {
        t->peer = (int)(i % PEERS_MAX);
        in(t, "S 0");
        t_ignore(t);
        guess = guess * 1664525 + 1013904223;
        in(t, "P. 1:11 ack %d", (int32_t)(guess | 4));
        t_ignore(t);
        if (i % PEERS_MAX == PEERS_MAX - 1)
            in(t, "R 1");
    }
    struct weir_counters count;
    weir_counters(t->weir, &count);
    is(t, count.passive_opens, 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(what_a_listener_answers, "RFC 9293 3.10.7.2: RST, ACK, SYN, and what is none of them"),
        CASE(accept_queue_full,
             "backlog + 1 wait to be accepted; a SYN beyond is dropped without a word"),
        CASE(no_place_for_the_last_ack,
             "... an ACK beyond is ignored, and the SYN-ACK is sent again"),
        CASE(reset_on_overflow, "... or reset, if the host says so"),
        CASE(accepted_in_order, "accepted in the order of their completion"),
        CASE(event_of_a_listener, "a listener is readable while a connection waits"),
        CASE(reset_before_accept,
             "RFC 9293 MUST-12: a connection reset before accept says so to its reader"),
        CASE(closing_a_listener,
             "closing a listener resets what waits and forgets what is half open"),
        CASE(addresses, "RFC 9293 MUST-43: a listener of an address goes before one of any"),
        CASE(cookie, "a full SYN queue answers with a cookie and keeps nothing"),
        CASE(cookie_remembers_the_mss, "a cookie remembers one of four MSS"),
        CASE(cookie_with_timestamps, "with timestamps also scale and SACK"),
        CASE(cookie_without_timestamps_remembers_no_more, "without them nothing else is offered"),
        CASE(cookie_completed_by_text, "text completes it as well as an ACK"),
        CASE(forged_cookies, "a forged one gets a reset"),
        CASE(cookies_grow_old, "an old one too"),
        CASE(cookies_only_after_a_flood, "none is believed that cannot have been sent"),
        CASE(without_cookies, "without cookies a SYN beyond the queue is dropped"),
        CASE(spoofed_pairs, "a blind sender's SYN and ACK never make a connection"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
