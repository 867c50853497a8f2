/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Resets: RFC 9293, 3.5.2 and 3.5.3, RFC 5961, 3 and 4, RFC 1337. */

static void exact(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1:11 ack 1");
    out(t, ". 1 ack 11");
    in(t, "R 11");
    drop(t, RESET);
    state(t, CLOSED);
    ready_has(t, WEIR_READABLE | WEIR_ERROR | WEIR_HANGUP | WEIR_EOF);
    read_octets(t, 10); /* what came before is still there */
    recv_says(t, WEIR_RESET);
    recv_says(t, WEIR_OK);
    send_says(t, WEIR_PIPE);
    is(t, status_of(t).cause, WEIR_CAUSE_RESET);
}

static void orderly_end_is_told_apart(struct t *t)
{
    passive(t, PLAIN);
    in(t, "F. 1 ack 1");
    out(t, ". 1 ack 2");
    ready_has(t, WEIR_READABLE | WEIR_EOF);
    ready_lacks(t, WEIR_ERROR | WEIR_HANGUP);
    end_of_stream(t);
    error_is(t, WEIR_OK);
}

static void in_the_window(struct t *t)
{
    active(t, PLAIN);
    in(t, "R 2");
    drop(t, RST_INEXACT);
    out(t, ". 1 ack 1");
    why(t, ACK_CHALLENGE);
    in(t, "R 1000"); /* RFC 5961, 10: no more than one in half a second */
    drop(t, RST_INEXACT);
    quiet(t);
    silent(t, 549 * MS);
    in(t, "R 15360");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
    in(t, "R 1"); /* the answer of a peer that has really lost the connection */
    state(t, CLOSED);
}

static void outside_the_window(struct t *t)
{
    passive(t, PLAIN);
    in(t, "R 0");
    drop(t, RST_WINDOW);
    in(t, "R %u", 1 + status_of(t).rcv_wnd);
    drop(t, RST_WINDOW);
    in(t, "R. -100000 ack 1");
    drop(t, RST_WINDOW);
    state(t, ESTABLISHED);
}

static void with_whatever_else(struct t *t)
{
    passive(t, PLAIN);
    in(t, "RPU. 1:21 ack 123456 urg 3");
    drop(t, RESET);
    state(t, CLOSED);
    error_is(t, WEIR_RESET);
    end_of_stream(t);
}

static void with_an_old_timestamp(struct t *t)
{
    passive(t, MODERN);
    in(t, "R 1 <ts 0-100000 =>");
    drop(t, RESET);
    state(t, CLOSED);
}

static void at_a_closed_window(struct t *t)
{
    t->config.rcv_max = t->config.rcv_min = 4000;
    t->config.wscale = false;
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        in(t, "P. %u:%u ack 1", 1 + i * 1000, 1001 + i * 1000);
        ignore(t);
    }
    is(t, status_of(t).rcv_wnd, 0);
    in(t, ". 4001 ack 1 urg 0");
    in(t, "U. 4001 ack 1 urg 5");
    ready_has(t, WEIR_URGENT);
    ignore(t);
    in(t, "R 4002");
    drop(t, RST_WINDOW);
    in(t, "R 4001");
    drop(t, RESET);
    state(t, CLOSED);
}

static void syn_on_a_connection(struct t *t)
{
    passive(t, PLAIN);
    in(t, "S 1000");
    drop(t, SYN_SYNCHRONISED);
    out(t, ". 1 ack 1");
    why(t, ACK_CHALLENGE);
    silent(t, 600 * MS);
    in(t, "S 1000000");
    out(t, ". 1 ack 1");
    silent(t, 600 * MS);
    in(t, "S. 0 ack 1"); /* of the handshake, once more */
    out(t, ". 1 ack 1");
    silent(t, 600 * MS);
    in(t, "S 1");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
}

static void half_open(struct t *t)
{
    active(t, PLAIN);
    in(t, "S 500000"); /* the peer has rebooted and knows nothing of us */
    out(t, ". 1 ack 1");
    in(t, "R 1"); /* RFC 9293, 3.5.1: its answer to our ACK */
    state(t, CLOSED);
    error_is(t, WEIR_RESET);
}

static void half_open_found_by_sending(struct t *t)
{
    active(t, PLAIN);
    write_octets(t, 20);
    out(t, "P. 1:21 ack 1");
    in(t, "R 1");
    state(t, CLOSED);
    error_is(t, WEIR_RESET);
}

static void nobody_there(struct t *t)
{
    begin(t);
    in(t, "S 0");
    drop(t, TCP_NO_CONN);
    out(t, "R. 0 ack 1 win 0 <>");
    why(t, RST_REPLY);
    in(t, "S 0:50");
    out(t, "R. 0 ack 51");
    in(t, "SF 7");
    out(t, "R. 0 ack 9");
    in(t, "- 7:10");
    out(t, "R. 0 ack 10");
    in(t, "F 7");
    out(t, "R. 0 ack 8");
    in(t, "FPU 7");
    out(t, "R. 0 ack 8");
    in(t, ". 7 ack 777");
    out(t, "R 777 win 0 <>");
    in(t, "S. 7 ack 777");
    out(t, "R 777");
    in(t, "FP. 7:17 ack 777");
    out(t, "R 777");
    in(t, "R 7");
    drop(t, TCP_NO_CONN);
    in(t, "R. 7 ack 3");
    in(t, "SFRPU. 7 ack 3");
    quiet(t);
}

static void abort_tells(struct t *t, enum weir_state from, unsigned seq, unsigned ack)
{
    reach(t, from);
    abort_conn(t);
    out(t, "R. %u ack %u", seq, ack);
    why(t, RST);
    state(t, CLOSED);
    is(t, status_of(t).cause, WEIR_CAUSE_USER);
    silent(t, 200 * SECONDS);
}

static void abort_in_syn_received(struct t *t)
{
    abort_tells(t, WEIR_SYN_RECEIVED, 1, 1);
}

static void abort_in_established(struct t *t)
{
    abort_tells(t, WEIR_ESTABLISHED, 1, 1);
}

static void abort_in_fin_wait_1(struct t *t)
{
    abort_tells(t, WEIR_FIN_WAIT_1, 2, 1);
}

static void abort_in_fin_wait_2(struct t *t)
{
    abort_tells(t, WEIR_FIN_WAIT_2, 2, 1);
}

static void abort_in_close_wait(struct t *t)
{
    abort_tells(t, WEIR_CLOSE_WAIT, 1, 2);
}

static void abort_in(struct t *t, enum weir_state from)
{
    reach(t, from);
    abort_conn(t);
    silent(t, 200 * SECONDS);
    state(t, CLOSED);
}

static void abort_in_syn_sent(struct t *t)
{
    abort_in(t, WEIR_SYN_SENT);
}

static void abort_in_closing(struct t *t)
{
    abort_in(t, WEIR_CLOSING);
}

static void abort_in_last_ack(struct t *t)
{
    abort_in(t, WEIR_LAST_ACK);
}

static void abort_in_time_wait(struct t *t)
{
    abort_in(t, WEIR_TIME_WAIT);
}

static void abort_forgets_what_is_queued(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 20000);
    is(t, ignore(t), 10);
    abort_conn(t);
    out(t, "R. 10001 ack 1");
    silent(t, 200 * SECONDS);
    send_says(t, WEIR_ABORTED);
    send_says(t, WEIR_PIPE);
}

static void closing_with_unread_text(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1:3 ack 1");
    out(t, ". 1 ack 3");
    release(t);
    out(t, "R. 1 ack 3");
    state(t, CLOSED);
    silent(t, 200 * SECONDS);
}

static void text_after_closing(struct t *t)
{
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    in(t, ". 1 ack 2");
    state(t, FIN_WAIT_2);
    in(t, "P. 1:11 ack 2");
    drop(t, DATA_AFTER_CLOSE);
    out(t, "R 2");
    state(t, CLOSED);
}

static void text_after_closing_before_our_fin_is_acknowledged(struct t *t)
{
    passive(t, PLAIN);
    release(t);
    out(t, "F. 1 ack 1");
    in(t, "P. 1:11 ack 1");
    drop(t, DATA_AFTER_CLOSE);
    out(t, "R 1"); /* what the peer expects: our FIN may be lost */
    state(t, CLOSED);
}

static void what_a_reset_says_in(struct t *t, enum weir_state from, const char *reset,
                                 enum weir_error error)
{
    reach(t, from);
    in(t, "%s", reset);
    state(t, CLOSED);
    error_is(t, error);
    silent(t, 200 * SECONDS);
}

static void in_fin_wait_1(struct t *t)
{
    what_a_reset_says_in(t, WEIR_FIN_WAIT_1, "R 1", WEIR_RESET);
}

static void in_fin_wait_2(struct t *t)
{
    what_a_reset_says_in(t, WEIR_FIN_WAIT_2, "R 1", WEIR_RESET);
}

static void in_close_wait(struct t *t)
{
    what_a_reset_says_in(t, WEIR_CLOSE_WAIT, "R 2", WEIR_PIPE);
}

static void in_closing(struct t *t)
{
    what_a_reset_says_in(t, WEIR_CLOSING, "R 2", WEIR_OK);
}

static void in_last_ack(struct t *t)
{
    what_a_reset_says_in(t, WEIR_LAST_ACK, "R 2", WEIR_OK);
}

static void in_time_wait(struct t *t)
{
    reach(t, WEIR_TIME_WAIT);
    in(t, "R 2");
    drop(t, RST_TIME_WAIT);
    state(t, TIME_WAIT);
    in(t, "F. 1 ack 2"); /* still alive: it answers */
    out(t, ". 2 ack 2");
}

/* RFC 5961, 5: an ACK of what was never sent, and one from long ago. */
static void blind_injection(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1:11 ack 2");
    drop(t, ACK_UNACCEPTABLE);
    out(t, ". 1 ack 1");
    why(t, ACK_CHALLENGE);
    silent(t, 600 * MS);
    in(t, "P. 1:11 ack -1"); /* below our SYN: a ghost ACK */
    drop(t, ACK_UNACCEPTABLE);
    out(t, ". 1 ack 1");
    silent(t, 600 * MS);
    in(t, "P. 1:11 ack -1000000");
    drop(t, ACK_UNACCEPTABLE);
    out(t, ". 1 ack 1");
    nothing_to_read(t);
    state(t, ESTABLISHED);
}

static void old_ack_within_the_window_counts(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    in(t, ". 1 ack 1001");
    in(t, "P. 1:11 ack 500");
    drop(t, NONE);
    ignore(t);
    read_octets(t, 10);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(exact, "RFC 9293 MUST-12: a reset at RCV.NXT ends the connection and is told once"),
        CASE(orderly_end_is_told_apart, "RFC 9293 MUST-12: a FIN is an end, no error"),
        CASE(in_the_window, "RFC 5961 3.2: one elsewhere in the window earns a challenge ACK, "
                            "twice a second at most"),
        CASE(outside_the_window, "RFC 9293 3.10.7.4 first: one outside is dropped without a word"),
        CASE(with_whatever_else,
             "RFC 9293 SHLD-2: text, other flags and an absurd ACK do not matter"),
        CASE(with_an_old_timestamp, "RFC 7323 5.2: PAWS does not look at resets"),
        CASE(at_a_closed_window, "RFC 9293 MUST-66: RST and URG count while our window is closed"),
        CASE(syn_on_a_connection, "RFC 5961 4.2: any SYN earns a challenge ACK"),
        CASE(half_open, "RFC 9293 3.5.1: a peer that has rebooted is found out by its SYN"),
        CASE(half_open_found_by_sending, "RFC 9293 3.5.1: ... or by what we send"),
        CASE(nobody_there, "RFC 9293 3.10.7.1: what a closed port answers"),
        CASE(abort_in_syn_received, "RFC 9293 3.10.5: ABORT sends a reset in SYN-RECEIVED"),
        CASE(abort_in_established, "RFC 9293 3.10.5: in ESTABLISHED"),
        CASE(abort_in_fin_wait_1, "RFC 9293 3.10.5: in FIN-WAIT-1"),
        CASE(abort_in_fin_wait_2, "RFC 9293 3.10.5: in FIN-WAIT-2"),
        CASE(abort_in_close_wait, "RFC 9293 3.10.5: and in CLOSE-WAIT"),
        CASE(abort_in_syn_sent, "RFC 9293 3.10.5: nothing is sent in SYN-SENT"),
        CASE(abort_in_closing, "RFC 9293 3.10.5: nor in CLOSING"),
        CASE(abort_in_last_ack, "RFC 9293 3.10.5: nor in LAST-ACK"),
        CASE(abort_in_time_wait, "RFC 9293 3.10.5: nor in TIME-WAIT"),
        CASE(abort_forgets_what_is_queued, "RFC 9293 3.10.5: what is queued is forgotten"),
        CASE(closing_with_unread_text,
             "RFC 9293 SHLD-3: a FIN would claim that everything was read"),
        CASE(text_after_closing,
             "RFC 9293 SHLD-3: text that nobody will read is answered with a reset"),
        CASE(text_after_closing_before_our_fin_is_acknowledged,
             "RFC 9293 SHLD-3: in FIN-WAIT-1 as well"),
        CASE(in_fin_wait_1, "RFC 9293 3.10.7.4 second: a reset in FIN-WAIT-1 is an error"),
        CASE(in_fin_wait_2, "RFC 9293 3.10.7.4 second: in FIN-WAIT-2 too"),
        CASE(in_close_wait, "RFC 9293 3.10.7.4 second: in CLOSE-WAIT it is EPIPE, as on Linux"),
        CASE(in_closing, "RFC 9293 3.10.7.4 second: in CLOSING nobody is told"),
        CASE(in_last_ack, "RFC 9293 3.10.7.4 second: nor in LAST-ACK"),
        CASE(in_time_wait, "RFC 1337: a reset does not end TIME-WAIT"),
        CASE(blind_injection, "RFC 9293 MAY-12: text with an ACK that cannot be is not taken"),
        CASE(old_ack_within_the_window_counts, "RFC 5961 5.2: an ACK a little old does no harm"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
