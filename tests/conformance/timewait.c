/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* TIME-WAIT: RFC 9293, 3.6.1, RFC 1337, RFC 6191. Every case runs with the handle kept (a TCB) and
 * released (64 octets). */

static void to_time_wait(struct t *t, bool small, const char *options)
{
    passive(t, options);
    if (small)
        release(t);
    else
        close_conn(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
}

static void lasts(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    silent(t, 60 * SECONDS - 2 * MS);
    state(t, TIME_WAIT);
    silent(t, 4 * MS);
    state(t, CLOSED);
}

static void answers(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    in(t, "P. -9:1 ack 2"); /* old text */
    drop(t, SEQ_OLD);
    out(t, ". 2 ack 2");
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    silent(t, SECONDS);
    in(t, "R 2");
    drop(t, RST_TIME_WAIT);
    in(t, "R 1");
    drop(t, RST_WINDOW);
    silent(t, SECONDS);
    in(t, "R 5"); /* in the window */
    drop(t, RST_INEXACT);
    out(t, ". 2 ack 2");
    silent(t, SECONDS);
    in(t, "S 1"); /* an old SYN */
    out(t, ". 2 ack 2");
    silent(t, SECONDS);
    in(t, ". 2 ack 7"); /* of what was never sent */
    out(t, ". 2 ack 2");
    in(t, ". 2 ack 2");
    state(t, TIME_WAIT);
}

static void text_is_not_taken(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    in(t, "P. 2:12 ack 2");
    holds(t, t->dropped == WEIR_DROP_DATA_AFTER_FIN);
    ignore(t);
    state(t, TIME_WAIT);
}

static void reopened(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    const uint32_t old = t->peers[0].base + 2;
    in(t, "S 100000 <mss 1000>");
    const uint32_t iss = t->queue[t->head].seq;
    holds(t, (int32_t)(iss - old) > 0); /* beyond all that was sent before */
    t->peers[0].isn += 100000;
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    t->conn = WEIR_NO_HANDLE;
    accept_conn(t);
    t->wrote = t->read = 0;
    state(t, ESTABLISHED);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    read_octets(t, 10);
}

static void reopened_by_time(struct t *t, bool small)
{
    to_time_wait(t, small, MODERN);
    in(t, "S -5000 <mss 1000,sackok,ts 100000 -,ws 7>"); /* a lower number, but a newer timestamp */
    t->peers[0].isn -= 5000;
    out(t, "S. 0 ack 1");
}

static void not_reopened_by_an_old_one(struct t *t, bool small)
{
    to_time_wait(t, small, MODERN);
    silent(t, SECONDS);
    in(t, "S -5000 <mss 1000,sackok,ts 1 -,ws 7>");
    out(t, ". 2 ack 2");
    silent(t, SECONDS);
    in(t, "S. 100000 ack 2 <mss 1000,ts 100000 ->"); /* a SYN-ACK opens nothing */
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
}

static void syn_and_fin_open_nothing(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    in(t, "SF 100000");
    ignore(t);
    state(t, TIME_WAIT); /* a listener would not take it, so nothing may end for it */
}

static void without_a_listener(struct t *t, bool small)
{
    to_time_wait(t, small, PLAIN);
    weir_release(t->weir, t->listener, t->now);
    collect(t);
    in(t, "S 100000");
    out(t, ". 2 ack 2"); /* as Linux: nobody would take the new connection */
    state(t, TIME_WAIT);
}

#define BOTH(name)                           \
    static void name##_as_tcb(struct t *t)   \
    {                                        \
        name(t, false);                      \
    }                                        \
    static void name##_as_entry(struct t *t) \
    {                                        \
        name(t, true);                       \
    }
BOTH(lasts)
BOTH(answers)
BOTH(text_is_not_taken)
BOTH(reopened)
BOTH(reopened_by_time)
BOTH(not_reopened_by_an_old_one)
BOTH(syn_and_fin_open_nothing)
BOTH(without_a_listener)

static void fin_wait_2_in_64_octets(struct t *t)
{
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
    in(t, "R 5");
    drop(t, RST_INEXACT);
    out(t, ". 2 ack 1");
    silent(t, SECONDS);
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
    silent(t, 59 * SECONDS);
    state(t, TIME_WAIT);
    silent(t, 2 * SECONDS);
    state(t, CLOSED);
}

static void fin_wait_2_reset(struct t *t)
{
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    in(t, "R 1");
    drop(t, RESET);
    state(t, CLOSED);
    in(t, "F. 1 ack 2");
    out(t, "R 2");
}

static void the_oldest_goes(struct t *t)
{
    t->config.tw_max = 4;
    open_listener(t, 16);
    for (t->peer = 0; t->peer < 6; t->peer++) {
        passive(t, PLAIN);
        release(t);
        out(t, "F. 1 ack 1");
        in(t, "F. 1 ack 2");
        out(t, ". 2 ack 2");
    }
    for (t->peer = 0; t->peer < 6; t->peer++)
        is(t, state_of(t), t->peer < 2 ? WEIR_CLOSED : WEIR_TIME_WAIT);
    struct weir_counters count;
    weir_counters(t->weir, &count);
    is(t, count.tw_overflow, 2);
}

static void kept_handle_is_released_later(struct t *t)
{
    to_time_wait(t, false, PLAIN);
    silent(t, 30 * SECONDS);
    release(t);
    state(t, TIME_WAIT);
    silent(t, 29 * SECONDS);
    state(t, TIME_WAIT);
    silent(t, 2 * SECONDS);
    state(t, CLOSED);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(lasts_as_tcb, "RFC 9293 MUST-13: 60 s, handle kept"),
        CASE(lasts_as_entry, "RFC 9293 MUST-13: 60 s, handle released"),
        CASE(answers_as_tcb, "RFC 9293 3.10.7.4: what TIME-WAIT answers"),
        CASE(answers_as_entry, "... and its small form"),
        CASE(text_is_not_taken_as_tcb, "RFC 9293 3.10.7.4 seventh: text in TIME-WAIT is ignored"),
        CASE(text_is_not_taken_as_entry, "... and its small form"),
        CASE(reopened_as_tcb, "RFC 9293 MAY-2: a SYN beyond everything opens the tuple again"),
        CASE(reopened_as_entry, "... and its small form"),
        CASE(reopened_by_time_as_tcb,
             "RFC 9293 SHLD-4: a newer timestamp allows it as well (RFC 6191)"),
        CASE(reopened_by_time_as_entry, "... and its small form"),
        CASE(not_reopened_by_an_old_one_as_tcb, "RFC 6191: an old SYN opens nothing"),
        CASE(not_reopened_by_an_old_one_as_entry, "... and its small form"),
        CASE(syn_and_fin_open_nothing_as_tcb,
             "a SYN that no listener takes does not end TIME-WAIT"),
        CASE(syn_and_fin_open_nothing_as_entry, "... and its small form"),
        CASE(without_a_listener_as_tcb, "nor does one for which there is no listener"),
        CASE(without_a_listener_as_entry, "... and its small form"),
        CASE(fin_wait_2_in_64_octets, "FIN-WAIT-2 without owner takes a FIN in its small form"),
        CASE(fin_wait_2_reset, "... and believes a reset"),
        CASE(the_oldest_goes, "beyond tw_max the oldest goes, counted"),
        CASE(kept_handle_is_released_later, "the 60 s do not begin anew when the handle goes"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
