/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Which algorithm a connection has, and what the connection itself does about its window: silence,
 * windows that are not used, pacing, DCTCP's echo. */

static void choice(struct t *t)
{
    passive(t, PLAIN);
    is(t, status_of(t).congestion, WEIR_CC_RENO);
    const unsigned cwnd = status_of(t).cwnd;
    for (unsigned which = 0; which < WEIR_CC_COUNT; which++) {
        set(t, CONGESTION, which);
        is(t, status_of(t).congestion, which);
        is(t, status_of(t).cwnd, cwnd);
    }
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_CONGESTION, WEIR_CC_COUNT, t->now), WEIR_INVALID);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_CONGESTION, -1, t->now), WEIR_INVALID);
    is(t, status_of(t).congestion, WEIR_CC_COUNT - 1);
}

static void listener_chooses(struct t *t)
{
    open_listener(t, 4);
    is(t, weir_set(t->weir, t->listener, WEIR_OPT_CONGESTION, WEIR_CC_BBR, t->now), WEIR_OK);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    is(t, status_of(t).congestion, WEIR_CC_BBR);
    holds(t, status_of(t).pacing_rate > 0);
}

/* docs/limits.md: bbr_max. */
static void pool_is_empty(struct t *t)
{
    t->config.congestion = WEIR_CC_BBR;
    t->config.bbr_max = 1;
    passive(t, PLAIN);
    is(t, status_of(t).congestion, WEIR_CC_BBR);
    t->peer = 1;
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    const weir_handle first = t->conn;
    accept_conn(t);
    is(t, status_of(t).congestion, WEIR_CC_CUBIC);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_CONGESTION, WEIR_CC_BBR, t->now), WEIR_NO_MEMORY);
    is(t, status_of(t).congestion, WEIR_CC_CUBIC);
    is(t, weir_set(t->weir, first, WEIR_OPT_CONGESTION, WEIR_CC_RENO, t->now), WEIR_OK);
    set(t, CONGESTION, WEIR_CC_BBR);
    is(t, status_of(t).congestion, WEIR_CC_BBR);
}

/* Up to a window of 40 segments. */
static void grow(struct t *t)
{
    passive(t, MODERN);
    unsigned acked = 1;
    while (status_of(t).cwnd < 40000) {
        write_octets(t, 20 * 988);
        const unsigned sent = status_of(t).snd_nxt - status_of(t).iss;
        ignore(t);
        for (; acked + 988 <= sent; acked += 988) {
            in(t, ". 1 ack %u win 65535", acked + 988);
            ignore(t);
        }
    }
    in(t, ". 1 ack %u", (unsigned)(status_of(t).snd_nxt - status_of(t).iss));
    ignore(t);
    while (status_of(t).unacked > 0) {
        in(t, ". 1 ack %u", (unsigned)(status_of(t).snd_nxt - status_of(t).iss));
        ignore(t);
    }
}

/* RFC 5681, 4.1. */
static void silence(struct t *t)
{
    grow(t);
    const unsigned before = status_of(t).cwnd;
    after(t, 300 * MS);
    write_octets(t, 10);
    ignore(t);
    is(t, status_of(t).cwnd, before / 2);
}

static void silence_is_nothing(struct t *t)
{
    t->config.slow_start_after_idle = false;
    grow(t);
    const unsigned before = status_of(t).cwnd;
    after(t, 300 * SECONDS);
    write_octets(t, 10);
    ignore(t);
    is(t, status_of(t).cwnd, before);
}

/* RFC 7661: little by little, without ever a silence, and always something in flight. */
static void not_used(struct t *t)
{
    grow(t);
    const unsigned before = status_of(t).cwnd;
    unsigned acked = (unsigned)(status_of(t).snd_nxt - status_of(t).iss);
    write_octets(t, 988);
    ignore(t);
    for (unsigned i = 0; i < 12; i++) {
        after(t, 50 * MS);
        write_octets(t, 988);
        ignore(t);
        acked += 988;
        in(t, ". 1 ack %u", acked);
    }
    ignore(t);
    holds(t, status_of(t).cwnd < before * 3 / 4);
    holds(t, status_of(t).cwnd >= 9880);
}

/* A hundred thousand octets a second: a segment of a thousand each ten milliseconds. */
static void paced(struct t *t)
{
    passive(t, PLAIN);
    set(t, MAX_PACING_RATE, 100000);
    is(t, status_of(t).pacing_rate, 100000);
    write_octets(t, 5000);
    out(t, ". 1:1001 ack 1");
    quiet(t);
    is(t, status_of(t).waits_for, WEIR_WAIT_PACING);
    out_after(t, 10 * MS, ". 1001:2001 ack 1");
    in(t, ". 1 ack 2001"); /* an ACK does not let the next one go */
    quiet(t);
    out_after(t, 10 * MS, ". 2001:3001 ack 1");
    out_after(t, 10 * MS, ". 3001:4001 ack 1");
    in(t, ". 1 ack 4001");
    out_after(t, 10 * MS, "P. 4001:5001 ack 1");
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_MAX_PACING_RATE, INT64_C(1) << 32, t->now),
       WEIR_INVALID);
}

/* RFC 8257, 3.2: the echo says of each segment how it came. */
static void dctcp_echo(struct t *t)
{
    t->config.congestion = WEIR_CC_DCTCP;
    open_listener(t, 4);
    in(t, "SEW 0 <mss 1000>");
    out(t, "S.E 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    set(t, QUICKACK, 1);
    t->ecn = 2;
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    t->ecn = 3;
    in(t, "P. 11:21 ack 1");
    out(t, ".E 1 ack 21");
    t->ecn = 2;
    in(t, "P. 21:31 ack 1"); /* no CWR is waited for */
    out(t, ". 1 ack 31");
    in(t, "P. 31:41 ack 1");
    out(t, ". 1 ack 41");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(choice, "an algorithm is chosen by number, and the window stays"),
        CASE(listener_chooses, "a listener's connections inherit its choice"),
        CASE(pool_is_empty, "no memory for BBR: CUBIC, and a clear no"),
        CASE(silence, "RFC 5681 4.1: a silence of more than a timeout halves cwnd"),
        CASE(silence_is_nothing, "RFC 5681 4.1: unless it is told not to"),
        CASE(not_used, "RFC 7661: a window that is not used shrinks"),
        CASE(paced, "pacing is exact, and ACKs do not hasten it"),
        CASE(dctcp_echo, "RFC 8257 3.2: the echo follows the marks"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
