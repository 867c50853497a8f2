/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* The user timeout: RFC 9293, 3.8.3 and 3.9.1, RFC 5482 as a local matter. */

static void ends_what_is_not_acknowledged(struct t *t)
{
    passive(t, PLAIN);
    set(t, USER_TIMEOUT, 5 * SECONDS);
    silent(t, 100 * SECONDS); /* an idle connection is not its business */
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    after(t, 5 * SECONDS - MS);
    ignore(t);
    state(t, ESTABLISHED);
    silent(t, 2 * MS);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
    is(t, status_of(t).cause, WEIR_CAUSE_USER_TIMEOUT);
}

static void begins_anew_with_progress(struct t *t)
{
    active(t, PLAIN);
    set(t, USER_TIMEOUT, 5 * SECONDS);
    write_octets(t, 3000);
    ignore(t);
    for (unsigned i = 0; i < 3; i++) {
        after(t, 4 * SECONDS);
        ignore(t);
        state(t, ESTABLISHED);
        in(t, ". 1 ack %u", 1001 + 1000 * i);
        ignore(t);
    }
    silent(t, 100 * SECONDS);
    state(t, ESTABLISHED);
}

static void longer_than_retries(struct t *t)
{
    t->config.retries_max = 3;
    passive(t, PLAIN);
    set(t, USER_TIMEOUT, 60 * SECONDS);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    after(t, 59 * SECONDS);
    ignore(t);
    state(t, ESTABLISHED);
    after(t, 2 * SECONDS);
    ignore(t);
    state(t, CLOSED);
}

static void applies_to_a_closed_window(struct t *t)
{
    passive(t, PLAIN);
    set(t, USER_TIMEOUT, 3 * SECONDS);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 100);
    for (unsigned i = 0; i < 29; i++) { /* although its probes are answered, as on Linux */
        after(t, 100 * MS);
        if (ignore(t) > 0)
            in(t, ". 1 ack 1 win 0");
    }
    state(t, ESTABLISHED);
    after(t, 200 * MS);
    ignore(t);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
}

static void applies_to_opening(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    set(t, USER_TIMEOUT, 3 * SECONDS);
    after(t, 4 * SECONDS);
    ignore(t);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
}

static void replaces_the_count_of_keepalives(struct t *t)
{
    passive(t, PLAIN);
    set(t, KEEPALIVE, 1);
    set(t, KEEPIDLE, 10 * SECONDS);
    set(t, KEEPINTVL, 10 * SECONDS);
    set(t, KEEPCNT, 2);
    set(t, USER_TIMEOUT, 55 * SECONDS);
    after(t, 50 * SECONDS);
    is(t, ignore(t), 5);
    state(t, ESTABLISHED);
    after(t, 20 * SECONDS);
    ignore(t);
    state(t, CLOSED);
}

static void can_be_read(struct t *t)
{
    passive(t, PLAIN);
    int64_t value = 1;
    is(t, weir_get(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT, &value), WEIR_OK);
    is(t, value, 0);
    set(t, USER_TIMEOUT, 7 * SECONDS);
    is(t, weir_get(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT, &value), WEIR_OK);
    is(t, value, 7 * SECONDS);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT, -1, t->now), WEIR_INVALID);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(ends_what_is_not_acknowledged, "RFC 9293 MUST-21: a program sets R2"),
        CASE(begins_anew_with_progress, "RFC 9293 3.8.3: counted from what is oldest"),
        CASE(longer_than_retries, "RFC 9293 MUST-21: also beyond what the host does by itself"),
        CASE(applies_to_a_closed_window, "a window closed for longer than that ends it too"),
        CASE(applies_to_opening, "RFC 9293 MUST-21: an open as well"),
        CASE(replaces_the_count_of_keepalives, "with it keep-alives count by time"),
        CASE(can_be_read, "what was set can be read; nonsense is refused"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
