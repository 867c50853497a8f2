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

/* ---- RFC 5482: the option ---- */

#define MINUTES (60 * SECONDS)

/* How long data that has just left is waited for. */
static weir_time limit(struct t *t)
{
    write_octets(t, 100);
    ignore(t);
    const weir_time at = status_of(t).user_at;
    return at == WEIR_NEVER ? 0 : at - t->now;
}

static void is_told(struct t *t)
{
    begin(t);
    const struct weir_addr to = peer_addr(t), from = { .ip = our_ip(t), .port = OUR_PORT };
    is(t, weir_connect(t->weir, &from, &to, &t->conn, t->now), WEIR_IN_PROGRESS);
    set(t, USER_TIMEOUT_OPTION, 180 * SECONDS);
    out(t, "S 0");
    holds(t, t->last.has_uto);
    is(t, t->last.uto, 180);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    is(t, t->last.uto, 180);
    out_after(t, status_of(t).rto, "P. 1:101 ack 1");
    is(t, t->last.uto, 180); /* until an ACK says that it has arrived */
    in(t, ". 1 ack 101");
    write_octets(t, 100);
    out(t, "P. 101:201 ack 1");
    holds(t, !t->last.has_uto);
    in(t, ". 1 ack 201");
    set(t, USER_TIMEOUT_OPTION, 700 * MINUTES + 1); /* news, and more seconds than 15 bits hold */
    write_octets(t, 100);
    out(t, "P. 201:301 ack 1");
    is(t, t->last.uto, 0x8000 | 701);
    int64_t value;
    is(t, weir_get(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT_OPTION, &value), WEIR_OK);
    is(t, value, 701 * MINUTES);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT_OPTION, 32768 * MINUTES, t->now),
       WEIR_INVALID);
}

static void is_not_told_unasked(struct t *t)
{
    t->config.user_timeout_option = true;
    open_active(t);
    out(t, "S 0");
    holds(t, !t->last.has_uto);
}

static void is_not_heard_unasked(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 <x1c0400b4>");
    is(t, limit(t), 0);
}

static void is_heard_if_configured(struct t *t)
{
    t->config.user_timeout_option = true;
    passive(t, PLAIN);
    is(t, limit(t), 0);
    in(t, ". 1 ack 101");
    in(t, ". 1 ack 101 <x1c040000>"); /* zero says nothing */
    is(t, limit(t), 0);
    in(t, ". 1 ack 201 <x1c0400b4>");
    is(t, limit(t), 180 * SECONDS);
    after(t, 180 * SECONDS - MS);
    ignore(t);
    state(t, ESTABLISHED);
    after(t, 2 * MS);
    ignore(t);
    state(t, CLOSED);
    is(t, status_of(t).cause, WEIR_CAUSE_USER_TIMEOUT);
}

static void is_bounded(struct t *t)
{
    passive(t, PLAIN);
    set(t, USER_TIMEOUT_OPTION, 120 * SECONDS);
    is(t, limit(t), 120 * SECONDS);
    in(t, ". 1 ack 101 <x1c04003c>"); /* 60 s are less than our own */
    is(t, limit(t), 120 * SECONDS);
    set(t, USER_TIMEOUT_OPTION, 30 * SECONDS);
    in(t, ". 1 ack 201");
    is(t, limit(t), 100 * SECONDS); /* L_LIMIT */
    in(t, ". 1 ack 301 <x1c048078>");
    is(t, limit(t), 60 * MINUTES); /* U_LIMIT, of two hours */
}

static void gives_way_to_the_program(struct t *t)
{
    t->config.user_timeout_option = true;
    passive(t, PLAIN);
    set(t, USER_TIMEOUT, 5 * SECONDS);
    in(t, ". 1 ack 1 <x1c0400b4>");
    is(t, limit(t), 5 * SECONDS);
}

static void does_without_memory(struct t *t)
{
    t->config.extra_max = 0;
    t->config.user_timeout_option = true;
    passive(t, PLAIN);
    is(t, weir_set(t->weir, t->conn, WEIR_OPT_USER_TIMEOUT_OPTION, SECONDS, t->now),
       WEIR_NO_MEMORY);
    in(t, ". 1 ack 1 <x1c0400b4>");
    is(t, limit(t), 0);
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
        CASE(is_told, "RFC 5482 3: the option leaves until it has arrived, and when it changes"),
        CASE(is_not_told_unasked, "RFC 5482 3.1: a program asks for it"),
        CASE(is_not_heard_unasked, "RFC 5482 3.1: ENABLED is false by default"),
        CASE(is_heard_if_configured, "RFC 5482 3.1: REMOTE_UTO moves the timeout; 0 is ignored"),
        CASE(is_bounded, "RFC 5482 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT))"),
        CASE(gives_way_to_the_program, "RFC 5482 3.1: CHANGEABLE is false once a program has said"),
        CASE(does_without_memory, "without a block the option is not used"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
