/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* When short segments leave: RFC 9293, 3.7.4 and 3.9.1.2. */

static void nagle(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    write_octets(t, 10);
    write_octets(t, 10);
    quiet(t);
    is(t, status_of(t).waits_for, WEIR_WAIT_NAGLE);
    in(t, ". 1 ack 11");
    out(t, "P. 11:31 ack 1"); /* one segment of the two */
}

static void full_segments_do_not_wait(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    write_octets(t, 2500);
    out(t, ". 11:1011 ack 1");
    out(t, "P. 1011:2011 ack 1");
    quiet(t); /* the tail waits for the ACK of what is short */
    in(t, ". 1 ack 11");
    out(t, "P. 2011:2511 ack 1");
}

/* Minshall: only a short segment in flight holds back a short one. */
static void a_full_one_in_flight_holds_nobody(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    write_octets(t, 10);
    out(t, "P. 1001:1011 ack 1");
    write_octets(t, 10);
    quiet(t);
    in(t, ". 1 ack 1011");
    out(t, "P. 1011:1021 ack 1");
}

static void off(struct t *t)
{
    active(t, PLAIN);
    set(t, NODELAY, 1);
    for (unsigned i = 0; i < 5; i++) {
        write_octets(t, 10);
        out(t, "P. %u:%u ack 1", 1 + 10 * i, 11 + 10 * i);
    }
    set(t, NODELAY, 0);
    write_octets(t, 10);
    quiet(t);
    set(t, NODELAY, 1); /* lets go what waits */
    out(t, "P. 51:61 ack 1");
}

static void a_fin_does_not_wait(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    write_octets(t, 10);
    quiet(t);
    close_conn(t);
    out(t, "FP. 11:21 ack 1");
}

static void cork(struct t *t)
{
    passive(t, PLAIN);
    set(t, CORK, 1);
    write_octets(t, 400);
    quiet(t);
    is(t, status_of(t).waits_for, WEIR_WAIT_CORK);
    write_octets(t, 700);
    out(t, ". 1:1001 ack 1");
    quiet(t);
    in(t, ". 1 ack 1001");
    quiet(t);
    set(t, CORK, 0);
    out(t, "P. 1001:1101 ack 1");
}

static void cork_is_not_for_ever(struct t *t)
{
    passive(t, PLAIN);
    set(t, CORK, 1);
    write_octets(t, 400);
    quiet(t);
    out_after(t, 200 * MS, "P. 1:401 ack 1");
}

static void more_will_follow(struct t *t)
{
    passive(t, PLAIN);
    write_flags(t, 300, WEIR_MORE);
    quiet(t);
    write_octets(t, 300);
    out(t, "P. 1:601 ack 1");
    in(t, ". 1 ack 601");
    write_flags(t, 300, WEIR_MORE);
    quiet(t);
    out_after(t, 200 * MS, "P. 601:901 ack 1"); /* nothing followed */
}

static void push_on_what_empties_the_queue(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 3500);
    out(t, ". 1:1001 ack 1");
    out(t, ". 1001:2001 ack 1");
    out(t, ". 2001:3001 ack 1");
    out(t, "P. 3001:3501 ack 1");
}

static void pushes_are_joined(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    for (unsigned i = 0; i < 9; i++)
        write_octets(t, 50);
    in(t, ". 1 ack 11");
    out(t, "P. 11:461 ack 1");
    quiet(t);
}

static void nothing_is_held_for_ever(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 1); /* no PUSH parameter, and no second write */
    out(t, "P. 1:2 ack 1");
    in(t, "P. 1:2 ack 2"); /* nor does PSH matter to what is read */
    out(t, ". 2 ack 2");
    read_octets(t, 1);
    in(t, ". 2:4 ack 2");
    out(t, ". 2 ack 4");
    ready_has(t, WEIR_READABLE);
    read_octets(t, 2);
}

/* T-39: a delayed ACK at one end and Nagle at the other end a write of two parts in 40 ms, not
 * more. */
static void no_deadlock_with_delayed_acks(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    silent(t, 40 * MS);
    in(t, ". 1 ack 11");
    out(t, "P. 11:21 ack 1");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(nagle, "RFC 9293 SHLD-7: a short segment waits while one is unacknowledged"),
        CASE(full_segments_do_not_wait, "RFC 9293 SHLD-7, SHLD-28: full ones do not"),
        CASE(a_full_one_in_flight_holds_nobody, "Minshall: only short ones count"),
        CASE(off, "RFC 9293 MUST-17: off for one connection, at any time"),
        CASE(a_fin_does_not_wait, "the last segment does not wait"),
        CASE(cork, "a corked connection sends full segments only"),
        CASE(cork_is_not_for_ever, "RFC 9293 MUST-60, MAY-16: held back, but for 200 ms at most"),
        CASE(more_will_follow, "RFC 9293 MUST-60: a write that says so waits as long"),
        CASE(push_on_what_empties_the_queue,
             "RFC 9293 MUST-61: PSH on the segment that empties the queue"),
        CASE(pushes_are_joined, "RFC 9293 SHLD-27: several writes, one PSH"),
        CASE(nothing_is_held_for_ever,
             "RFC 9293 MUST-60: one octet leaves at once, and is read at once"),
        CASE(no_deadlock_with_delayed_acks, "write, write, read costs a delayed ACK at most"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
