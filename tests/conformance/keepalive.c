/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Keep-alives: RFC 9293, 3.8.4. */

static void off_unless_asked_for(struct t *t)
{
    passive(t, PLAIN);
    silent(t, 100000 * SECONDS);
    state(t, ESTABLISHED);
}

static void default_interval(struct t *t)
{
    passive(t, PLAIN);
    int64_t value;
    is(t, weir_get(t->weir, t->conn, WEIR_OPT_KEEPIDLE, &value), WEIR_OK);
    is(t, value, 7200 * SECONDS);
    set(t, KEEPALIVE, 1);
    out_after(t, 7200 * SECONDS, ". 0 ack 1"); /* SEG.SEQ = SND.NXT - 1, no text */
    why(t, KEEPALIVE);
    in(t, ". 1 ack 1");
    out_after(t, 7200 * SECONDS, ". 0 ack 1");
    in(t, ". 1 ack 1");
    set(t, KEEPALIVE, 0);
    silent(t, 20000 * SECONDS);
}

static void dead_peer(struct t *t)
{
    active(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 100 * SECONDS);
    set(t, KEEPINTVL, 10 * SECONDS);
    set(t, KEEPCNT, 3);
    out_after(t, 100 * SECONDS, ". 0 ack 1");
    state(t, ESTABLISHED); /* one unanswered probe is not death */
    out_after(t, 10 * SECONDS, ". 0 ack 1");
    out_after(t, 10 * SECONDS, ". 0 ack 1");
    state(t, ESTABLISHED);
    out_after(t, 10 * SECONDS,
              "R. 1 ack 1"); /* as Linux: the peer is told, should it still be there */
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
    is(t, status_of(t).cause, WEIR_CAUSE_KEEPALIVE);
}

static void late_answer(struct t *t)
{
    passive(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 100 * SECONDS);
    set(t, KEEPINTVL, 10 * SECONDS);
    set(t, KEEPCNT, 3);
    out_after(t, 100 * SECONDS, ". 0 ack 1");
    out_after(t, 10 * SECONDS, ". 0 ack 1");
    in(t, ". 1 ack 1");
    out_after(t, 100 * SECONDS, ". 0 ack 1");
    state(t, ESTABLISHED);
}

static void rebooted_peer(struct t *t)
{
    passive(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 100 * SECONDS);
    out_after(t, 100 * SECONDS, ". 0 ack 1");
    in(t, "R 1");
    state(t, CLOSED);
    error_is(t, WEIR_RESET);
}

static void only_when_idle(struct t *t)
{
    passive(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 2 * SECONDS);
    silent(t, 1900 * MS);
    in(t, "P. 1:2 ack 1"); /* not idle any more */
    ignore(t);
    silent(t, 1900 * MS);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 2");
    after(t, 20 * SECONDS); /* something is outstanding: retransmissions, no keep-alive */
    for (; t->head < t->tail; t->head++)
        is(t, t->queue[t->head].why, WEIR_WHY_RTX_RTO);
    in(t, ". 2 ack 11");
    out_after(t, 2 * SECONDS, ". 10 ack 2");
    why(t, KEEPALIVE);
}

static void not_at_a_closed_window(struct t *t)
{
    passive(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 10 * SECONDS);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 10);
    for (unsigned i = 0; i < 60; i++) { /* window probes do that work */
        after(t, SECONDS);
        for (; t->head < t->tail; t->head++)
            is(t, t->queue[t->head].why, WEIR_WHY_PROBE);
        in(t, ". 1 ack 1 win 0");
    }
}

static void answered(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 0 ack 1"); /* without text */
    out(t, ". 1 ack 1");
    silent(t, 10 * SECONDS);
    in(t, ". 0:1 ack 1"); /* with an octet of rubbish, as some old ones */
    out(t, ". 1 ack 1");
    nothing_to_read(t);
}

static void inherited(struct t *t)
{
    open_listener(t, 4);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 50 * SECONDS);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    out_after(t, 50 * SECONDS, ". 0 ack 1");
}

static void in_close_wait(struct t *t)
{
    reach(t, WEIR_CLOSE_WAIT);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 50 * SECONDS);
    out_after(t, 50 * SECONDS, ". 0 ack 2");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(off_unless_asked_for, "RFC 9293 MUST-25: off unless asked for"),
        CASE(default_interval,
             "RFC 9293 MAY-5, MUST-24, MUST-28, SHLD-12: on and off, two hours, no text"),
        CASE(dead_peer,
             "RFC 9293 MUST-27, MUST-29: intervals can be set; one unanswered probe is not death"),
        CASE(late_answer, "RFC 9293 MUST-29: any answer begins anew"),
        CASE(rebooted_peer, "a peer that has rebooted answers with a reset"),
        CASE(only_when_idle, "RFC 9293 MUST-26: only when idle, with nothing outstanding"),
        CASE(not_at_a_closed_window, "RFC 9293 MUST-26: window probes are enough"),
        CASE(answered, "RFC 9293 3.8.4: the peer's keep-alives are answered"),
        CASE(inherited, "RFC 9293 MUST-24: set on a listener, had by its connections"),
        CASE(in_close_wait, "a half-closed connection can be kept alive"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
