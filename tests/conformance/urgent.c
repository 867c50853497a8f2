/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Urgent data: RFC 9293, 3.8.5, RFC 6093. The octets stay in the stream. */

static void is_ahead(struct t *t, unsigned octets)
{
    uint32_t ahead = 0;
    is(t, weir_urgent(t->weir, t->conn, &ahead), WEIR_OK);
    is(t, ahead, octets);
}

static void is_over(struct t *t)
{
    uint32_t ahead = 0;
    is(t, weir_urgent(t->weir, t->conn, &ahead), WEIR_AGAIN);
    ready_lacks(t, WEIR_URGENT);
}

static void received(struct t *t)
{
    passive(t, PLAIN);
    is_over(t);
    in(t, "PU. 1:11 ack 1 urg 5");
    ignore(t);
    ready_has(t, WEIR_URGENT);
    is_ahead(t, 5); /* the pointer names the octet after the urgent ones */
    read_octets(t, 10);
    is_over(t);
}

static bool is_told(struct t *t)
{
    struct weir_event event;
    bool told = false;
    while (weir_next_event(t->weir, &event))
        told |= event.handle == t->conn && (event.ready & WEIR_URGENT);
    return told;
}

static void told_when_it_advances(struct t *t)
{
    passive(t, PLAIN);
    in(t, "U. 1:11 ack 1 urg 20"); /* ahead of what has come */
    ignore(t);
    holds(t, is_told(t));
    is_ahead(t, 20);
    in(t, "U. 11:21 ack 1 urg 500");
    ignore(t);
    holds(t, is_told(t));
    is_ahead(t, 510);
    in(t, "U. 21:31 ack 1 urg 1"); /* it never moves back */
    ignore(t);
    holds(t, !is_told(t));
    is_ahead(t, 510);
    read_octets(t, 30);
    is_ahead(t, 480);
}

static void of_any_length(struct t *t)
{
    passive(t, PLAIN);
    in(t, "U. 1:1001 ack 1 urg 65535");
    ignore(t);
    is_ahead(t, 65535);
    in(t, "U. 1001:2001 ack 1 urg 65535");
    ignore(t);
    is_ahead(t, 66535);
    read_octets(t, 2000);
    is_ahead(t, 64535);
}

static void without_text(struct t *t)
{
    active(t, PLAIN);
    in(t, "U. 1 ack 1 urg 7");
    is_ahead(t, 7);
    in(t, ". 1:8 ack 1");
    ignore(t);
    read_octets(t, 7);
    is_over(t);
}

static void pointer_without_the_flag(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1:11 ack 1 urg 5");
    ignore(t);
    is_over(t);
}

static void every_pointer_is_harmless(struct t *t)
{
    passive(t, PLAIN);
    unsigned at = 1;
    for (unsigned up = 0; up < 70; up++) {
        in(t, "PU. %u:%u ack 1 urg %u", at, at + 4, up);
        ignore(t);
        at += 4;
        read_octets(t, 4); /* never more, never fewer octets than were sent */
        ignore(t);
    }
}

static void beyond_the_end(struct t *t)
{
    passive(t, PLAIN);
    in(t, "FU. 1:5 ack 1 urg 100");
    ignore(t);
    read_octets(t, 4);
    end_of_stream(t);
    state(t, CLOSE_WAIT);
}

static void sent(struct t *t)
{
    passive(t, PLAIN);
    write_flags(t, 10, WEIR_URG);
    out(t, "PU. 1:11 ack 1 urg 10"); /* the octet after the last urgent one */
    in(t, ". 1 ack 11");
    write_octets(t, 10);
    out(t, "P. 11:21 ack 1");
    holds(t, t->last.urg == 0);
}

static void sent_ahead_of_the_window(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 2000");
    write_flags(t, 5000, WEIR_URG);
    out(t, "U. 1:1001 ack 1 urg 5000");
    out(t, "PU. 1001:2001 ack 1 urg 4000");
    in(t, ". 1 ack 2001 win 0");
    out_after(t, 200 * MS,
              "U. 2000 ack 1 urg 3001"); /* RFC 9293, 3.8.6.1: also at a closed window */
}

static void long_and_sent(struct t *t)
{
    passive(t, PLAIN);
    write_flags(t, 40000, WEIR_URG);
    out(t, "U. 1:1001 ack 1 urg 40000");
    ignore(t);
    write_flags(t, 100000, WEIR_URG);
    in(t, ". 1 ack 1001");
    out(t, "U. 10001:11001 ack 1 urg 65535"); /* as far as 16 bits point */
    ignore(t);
}

static void at_a_closed_window(struct t *t)
{
    t->config.wscale = false;
    t->config.rcv_max = t->config.rcv_min = 4000;
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
    }
    in(t, "U. 4001 ack 1 urg 30");
    ignore(t);
    is_ahead(t, 4030);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(received, "RFC 9293 MUST-30, MUST-33, MUST-62: how much is left, and that it is over"),
        CASE(told_when_it_advances,
             "RFC 9293 MUST-32: an event, and a pointer that only moves forward"),
        CASE(of_any_length, "RFC 9293 MUST-31: longer than one pointer reaches"),
        CASE(without_text, "RFC 9293 3.10.7.4 sixth: before the octets themselves"),
        CASE(pointer_without_the_flag, "RFC 9293 3.1: the field means nothing without the flag"),
        CASE(every_pointer_is_harmless, "every pointer: what is read is what was sent"),
        CASE(beyond_the_end, "a pointer beyond the FIN waits for nothing"),
        CASE(sent, "RFC 9293 MUST-30, MUST-62: the pointer names the octet after the urgent ones"),
        CASE(sent_ahead_of_the_window,
             "RFC 9293 3.8.6.1: the pointer is sent although the octets may not be"),
        CASE(long_and_sent, "RFC 9293 MUST-31: more than one pointer reaches"),
        CASE(at_a_closed_window, "RFC 9293 MUST-66: URG is heeded at a closed window"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
