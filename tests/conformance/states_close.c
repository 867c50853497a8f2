/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Closing: RFC 9293, 3.6, 3.10.4 and the FIN parts of 3.10.7.4. */

static void active_close(struct t *t)
{
    passive(t, PLAIN);
    close_conn(t);
    out(t, "F. 1 ack 1");
    why(t, FIN);
    state(t, FIN_WAIT_1);
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
    end_of_stream(t);
    ready_has(t, WEIR_HANGUP | WEIR_EOF);
    silent(t, 60 * SECONDS - 2 * MS);
    state(t, TIME_WAIT);
    silent(t, 3 * MS);
    state(t, CLOSED);
}

static void passive_close(struct t *t)
{
    active(t, PLAIN);
    in(t, "F. 1 ack 1");
    out(t, ". 1 ack 2");
    state(t, CLOSE_WAIT);
    write_octets(t, 10); /* half closed: our direction is open */
    out(t, "P. 1:11 ack 2");
    in(t, ". 2 ack 11");
    close_conn(t);
    out(t, "F. 11 ack 2");
    state(t, LAST_ACK);
    in(t, ". 2 ack 12");
    state(t, CLOSED);
    error_is(t, WEIR_OK);
    in(t, ". 2 ack 12"); /* nothing is left of it */
    out(t, "R 12");
}

static void simultaneous_close(struct t *t)
{
    passive(t, PLAIN);
    close_conn(t);
    out(t, "F. 1 ack 1");
    in(t, "F. 1 ack 1");
    out(t, ". 2 ack 2");
    state(t, CLOSING);
    in(t, ". 2 ack 2");
    state(t, TIME_WAIT);
    silent(t, 61 * SECONDS);
    state(t, CLOSED);
}

static void fin_and_ack_in_one(struct t *t)
{
    passive(t, PLAIN);
    close_conn(t);
    out(t, "F. 1 ack 1");
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
}

static void half_close(struct t *t)
{
    passive(t, PLAIN);
    close_conn(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    send_says(t, WEIR_PIPE);
    in(t, "P. 1:501 ack 2"); /* what comes is still taken, as long as the handle is kept */
    out(t, ". 2 ack 501");
    silent(t, 600 * SECONDS);
    in(t, "P. 501:601 ack 2");
    out(t, ". 2 ack 601");
    read_octets(t, 600);
    state(t, FIN_WAIT_2);
    in(t, "FP. 601:611 ack 2");
    out(t, ". 2 ack 612");
    state(t, TIME_WAIT);
    read_octets(t, 10);
    end_of_stream(t);
}

static void text_in_fin_wait_1(struct t *t)
{
    reach(t, WEIR_FIN_WAIT_1);
    in(t, "P. 1:11 ack 1");
    out(t, ". 2 ack 11");
    read_octets(t, 10);
    state(t, FIN_WAIT_1);
}

static void fin_after_what_is_queued(struct t *t)
{
    passive(t, PLAIN);
    t->win = 2000;
    in(t, ". 1 ack 1"); /* a window of two segments */
    write_octets(t, 2500);
    close_conn(t);
    state(t, FIN_WAIT_1);
    out(t, ". 1:1001 ack 1");
    out(t, "P. 1001:2001 ack 1");
    in(t, ". 1 ack 2001");
    out(t, "FP. 2001:2501 ack 1");
    in(t, ". 1 ack 2501"); /* all but the FIN */
    state(t, FIN_WAIT_1);
    in(t, ". 1 ack 2502");
    state(t, FIN_WAIT_2);
}

static void fin_is_retransmitted(struct t *t)
{
    passive(t, PLAIN);
    close_conn(t);
    out(t, "F. 1 ack 1");
    out_after(t, 200 * MS, "F. 1 ack 1");
    why(t, RTX_RTO);
    out_after(t, 400 * MS, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
    silent(t, 100 * SECONDS);
}

static void peers_fin_again(struct t *t)
{
    reach(t, WEIR_CLOSE_WAIT);
    in(t, "F. 1 ack 1");
    out(t, ". 1 ack 2");
    state(t, CLOSE_WAIT);
    close_conn(t);
    out(t, "F. 1 ack 2");
    in(t, "F. 1 ack 1");
    out(t, ". 2 ack 2");
    state(t, LAST_ACK);
}

static void peers_fin_again_in_time_wait(struct t *t)
{
    reach(t, WEIR_TIME_WAIT);
    silent(t, 40 * SECONDS);
    in(t, "F. 1 ack 2");
    out(t, ". 2 ack 2");
    silent(t, 59 * SECONDS); /* "restart the 2 MSL time-out" */
    state(t, TIME_WAIT);
    silent(t, 2 * SECONDS);
    state(t, CLOSED);
}

static void close_twice(struct t *t)
{
    reach(t, WEIR_FIN_WAIT_1);
    (void)!weir_shutdown(t->weir, t->conn, t->now);
    collect(t);
    state(t, FIN_WAIT_1);
    quiet(t);
    in(t, ". 1 ack 2");
    (void)!weir_shutdown(t->weir, t->conn, t->now);
    collect(t);
    state(t, FIN_WAIT_2);
}

static void nobody_waits_in_fin_wait_2(struct t *t)
{
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    silent(t, 100 * MS);
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
    silent(t, 59 * SECONDS);
    state(t, FIN_WAIT_2);
    silent(t, 2 * SECONDS);
    state(t, CLOSED);
}

static void released_and_closed_in_order(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    release(t);
    out(t, "F. 11 ack 1");
    in(t, ". 1 ack 12");
    in(t, "F. 1 ack 12");
    out(t, ". 12 ack 2");
    state(t, TIME_WAIT);
    silent(t, 59 * SECONDS);
    state(t, TIME_WAIT);
    silent(t, 2 * SECONDS);
    state(t, CLOSED);
}

static void released_in_last_ack(struct t *t)
{
    reach(t, WEIR_CLOSE_WAIT);
    release(t);
    out(t, "F. 1 ack 2");
    state(t, LAST_ACK);
    in(t, ". 2 ack 2");
    state(t, CLOSED);
}

static void last_ack_lost(struct t *t)
{
    reach(t, WEIR_LAST_ACK);
    t->conn = WEIR_NO_HANDLE;
    out_after(t, 200 * MS, "F. 1 ack 2");
    in(t, ". 2 ack 2");
    state(t, CLOSED);
}

static void write_and_close_in_one_call(struct t *t)
{
    passive(t, PLAIN);
    write_flags(t, 100, WEIR_FIN);
    out(t, "FP. 1:101 ack 1");
    state(t, FIN_WAIT_1);
}

/* An end of both directions at once: close(2) with everything read. What comes later is told so
 * (MAY-1). */
static void both_directions_at_once(struct t *t)
{
    active(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    in(t, "P. 1:2 ack 2");
    out(t, "R 2");
}

static void orphan_that_is_not_heard(struct t *t)
{
    t->config.orphan_retries = 3;
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    after(t, 60 * SECONDS);
    is(t, ignore(t), 3);
    state(t, CLOSED);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(active_close,
             "RFC 9293 MUST-13: who closes first stays in TIME-WAIT, 60 s as on Linux"),
        CASE(passive_close, "RFC 9293 3.6 case 2: CLOSE-WAIT, LAST-ACK, CLOSED"),
        CASE(simultaneous_close, "RFC 9293 3.6 case 3: CLOSING, TIME-WAIT"),
        CASE(fin_and_ack_in_one,
             "RFC 9293 3.10.7.4 eighth: from FIN-WAIT-1 to TIME-WAIT by one segment"),
        CASE(half_close, "RFC 9293 3.6: our direction is over, the peer's is not, for ever"),
        CASE(text_in_fin_wait_1, "RFC 9293 3.10.7.4 seventh: text counts in FIN-WAIT-1"),
        CASE(fin_after_what_is_queued, "RFC 9293 3.10.4: the FIN follows the last octet"),
        CASE(fin_is_retransmitted, "RFC 9293 3.8.1: a FIN is sent again"),
        CASE(peers_fin_again,
             "RFC 9293 3.10.7.4 eighth: a FIN that comes again is acknowledged again"),
        CASE(peers_fin_again_in_time_wait,
             "RFC 9293 3.10.7.4 eighth: ... and TIME-WAIT begins anew"),
        CASE(close_twice, "RFC 9293 3.10.4: CLOSE again changes nothing"),
        CASE(nobody_waits_in_fin_wait_2, "FIN-WAIT-2 without an owner ends after fin_timeout"),
        CASE(released_and_closed_in_order,
             "RFC 9293 MUST-13: the small form keeps TIME-WAIT for 60 s too"),
        CASE(released_in_last_ack, "RFC 9293 3.10.4: close in CLOSE-WAIT"),
        CASE(last_ack_lost, "RFC 9293 3.8.1: a FIN in LAST-ACK is sent again"),
        CASE(write_and_close_in_one_call, "SEND and CLOSE in one call make one segment"),
        CASE(both_directions_at_once, "RFC 9293 MAY-1: closing may end both directions"),
        CASE(orphan_that_is_not_heard,
             "a FIN that nobody answers and nobody waits for is given up"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
