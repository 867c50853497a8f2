/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Windows: RFC 9293, 3.8.6, and RFC 7323, 2. */

/* RFC 9293 MUST-1: 0x8000 and above are large windows, not negative ones. */
static void window_is_unsigned(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) { /* slow start, until cwnd is beyond the window */
        write_octets(t, 70000);
        ignore(t);
        for (unsigned j = 0; j < 8; j++) {
            in(t, ". 1 ack %u", t->peers[0].nxt - t->peers[0].base);
            ignore(t);
        }
    }
    write_octets(t, 70000);
    ignore(t);
    const struct weir_status status = status_of(t);
    is(t, status.snd_wnd, 65535);
    holds(t, status.unacked > 32768);
    holds(t, status.unacked <= 65535);
}

static void scaled_both_ways(struct t *t)
{
    passive(t, "mss 1000,ws 7");
    is(t, status_of(t).snd_wscale, 7);
    in(t, ". 1 ack 1 win 100");
    is(t, status_of(t).snd_wnd, 12800);
    in(t, "P. 1:1001 ack 1");
    out(t, ". 1 ack 1001 win %u",
        (15360 - 1000 + 127) / 128); /* rounded up: the edge does not move left */
    in(t, ". 1001 ack 1 win 65535");
    is(t, status_of(t).snd_wnd, 65535u << 7);
}

static void syn_windows_are_not_scaled(struct t *t)
{
    open_active(t);
    out(t, "S 0 win 15360");
    in(t, "S. 0 ack 1 win 500 <mss 1000,ws 14>");
    out(t, ". 1 ack 1 win 120");
    is(t, status_of(t).snd_wnd, 500);
    in(t, ". 1 ack 1 win 1");
    is(t, status_of(t).snd_wnd, 16384);
}

static void scale_beyond_14(struct t *t)
{
    passive(t, "mss 1000,ws 200");
    is(t, status_of(t).snd_wscale, 14);
}

static void scale_beyond_14_answered(struct t *t)
{
    active(t, "mss 1000,ws 15");
    is(t, status_of(t).snd_wscale, 14);
}

static void no_scale_unless_both(struct t *t)
{
    active(t, PLAIN);
    is(t, status_of(t).snd_wscale, 0);
    is(t, status_of(t).rcv_wscale, 0);
    in(t, "P. 1:101 ack 1");
    out(t, ". 1 ack 101 win 15260");
}

/* RFC 9293 REC-1: a window of a gigabyte is reckoned right. */
static void largest_window(struct t *t)
{
    passive(t, "mss 1000,ws 14");
    in(t, ". 1 ack 1 win 65535");
    is(t, status_of(t).snd_wnd, 65535u << 14);
    write_octets(t, 5000);
    is(t, ignore(t), 5);
}

static void zero_window_probed(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 5000);
    quiet(t);
    is(t, status_of(t).waits_for, WEIR_WAIT_PEER_WINDOW);
    is(t, status_of(t).timer, WEIR_TIMER_PERSIST);
    weir_time delay = 200 * MS; /* RFC 9293 SHLD-29: one RTO; then twice that each time (SHLD-30) */
    for (unsigned i = 0; i < 6; i++, delay *= 2) {
        out_after(t, delay, ". 0 ack 1");
        why(t, PROBE);
        in(t, ". 1 ack 1 win 0");
    }
    in(t, ". 1 ack 1 win 3000");
    out(t, ". 1:1001 ack 1");
    out(t, ". 1001:2001 ack 1");
    out(t, "P. 2001:3001 ack 1");
}

static void zero_window_for_ever(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 5000);
    unsigned probes = 0;
    for (unsigned i = 0; i < 30 * 60; i++) { /* half an hour of answered probes */
        after(t, SECONDS);
        if (ignore(t) > 0) {
            probes++;
            in(t, ". 1 ack 1 win 0");
        }
    }
    holds(t, probes >= 20);
    state(t, ESTABLISHED);
    in(t, ". 1 ack 1 win 65535");
    is(t, ignore(t), 5);
}

static void probes_unanswered(struct t *t)
{
    t->config.retries_max = 6;
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 5000);
    after(t, 600 * SECONDS);
    holds(t, ignore(t) >= 5);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
}

static void window_update_lost(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 0");
    write_octets(t, 500);
    out_after(t, 200 * MS,
              ". 0 ack 1"); /* the update was lost; the probe's answer brings it again */
    in(t, ". 1 ack 1 win 65535");
    out(t, "P. 1:501 ack 1");
}

static void window_shrinks_below_what_is_in_flight(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 8000);
    is(t, ignore(t), 8);
    in(t, ". 1 ack 1001 win 3000"); /* the edge moves from 65536 to 4001 */
    state(t, ESTABLISHED);
    write_octets(t, 4000);
    quiet(t); /* RFC 9293 SHLD-15: nothing new */
    in(t, ". 1 ack 4001 win 3000");
    in(t, ". 1 ack 8001 win 3000"); /* what lay beyond has been taken after all */
    out(t, ". 8001:9001 ack 1");
    out(t, ". 9001:10001 ack 1");
    out(t, "P. 10001:11001 ack 1");
}

static void shrunk_window_and_retransmission(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 8000);
    is(t, ignore(t), 8);
    in(t, ". 1 ack 1001 win 3000");
    out_after(t, 200 * MS, ". 1001:2001 ack 1"); /* what fits is sent again */
    in(t, ". 1 ack 2001 win 1500");
    out(t, ". 2001:3001 ack 1");
    silent(t, 199 * MS); /* the next would end beyond the edge */
    state(t, ESTABLISHED);
    ignore(t);
    in(t, ". 1 ack 3001 win 65535");
    out(t, ". 3001:4001 ack 1");
    ignore(t);
}

static void shrunk_to_nothing_is_probed(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 4000);
    is(t, ignore(t), 4);
    in(t, ". 1 ack 1001 win 0");
    unsigned sent = 0;
    for (unsigned i = 0; i < 1500;
         i++) { /* RFC 9293 SHLD-17: 25 minutes, the peer answers: no time-out */
        after(t, SECONDS);
        if (ignore(t) > 0) {
            sent++;
            in(t, ". 1 ack 1001 win 0");
        }
    }
    state(t, ESTABLISHED);
    holds(t, sent >= 10);
    in(t, ". 1 ack 1001 win 65535");
    after(t, 130 * SECONDS);
    holds(t, t->head != t->tail);
    ignore(t);
    in(t, ". 1 ack 4001");
    ignore(t);
    is(t, status_of(t).unacked, 0);
}

static void sender_avoids_silly_windows(struct t *t)
{
    passive(t, PLAIN);
    t->win = 4000;
    in(t, ". 1 ack 1");
    write_octets(t, 20000);
    is(t, ignore(t), 4);
    unsigned at = 4001;
    in(t, ". 1 ack %u win 100", at); /* opens by a little: no small segment */
    quiet(t);
    in(t, ". 1 ack %u win 999", at);
    quiet(t);
    in(t, ". 1 ack %u win 1000", at);
    out(t, ". 4001:5001 ack 1");
}

static void sender_takes_half_the_largest_window(struct t *t)
{
    t->win = 600; /* never more than that: segments of 600 are as full as they get */
    passive(t, PLAIN);
    write_octets(t, 5000);
    out(t, ". 1:601 ack 1");
    in(t, ". 1 ack 601 win 299");
    quiet(t);
    in(t, ". 1 ack 601 win 300");
    out(t, ". 601:901 ack 1");
}

static void silly_window_overridden(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1 ack 1 win 100");
    write_octets(t, 5000);
    quiet(t);
    out_after(t, 200 * MS, "P. 1:101 ack 1"); /* 3.8.6.2.1 (4): the override time-out */
}

static void receiver_avoids_silly_windows(struct t *t)
{
    t->config.wscale = false;
    t->config.rcv_max = t->config.rcv_min;
    passive(t, PLAIN);
    for (unsigned i = 0; i < 15; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
    }
    in(t, ". 15001:15361 ack 1");
    out(t, ". 1 ack 15361 win 0");
    read_octets(t, 400); /* less than a segment: not even a probe is told of it */
    in(t, ". 15360 ack 1");
    out(t, ". 1 ack 15361 win 0");
    unsigned updates = 0, octets = 400;
    while (octets < 5000) { /* read octet by octet */
        read_octets(t, 1);
        octets++;
        while (t->head != t->tail) {
            out(t, ". 1 ack 15361");
            why(t, WINDOW_UPDATE);
            holds(t, t->last.wnd >= 1000);
            updates++;
        }
    }
    holds(t, updates >= 1 && updates <= 5);
    /* A window is not said to be open by less than a segment, not even when asked. */
    in(t, ". 15361:15362 ack 1");
    ignore(t);
}

static void right_edge_stays(struct t *t)
{
    t->config.rcv_max = t->config.rcv_min;
    passive(t, MODERN);
    uint32_t edge = 0;
    unsigned at = 1;
    for (unsigned i = 0; i < 300; i++) {
        const unsigned len = 1 + i * 37 % 50;
        in(t, ". %u:%u ack 1", at, at + len);
        at += len;
        if (i % 7 == 6)
            read_octets(t, status_of(t).unread);
        while (t->head != t->tail) {
            const struct seg *seg = &t->queue[t->head++];
            const uint32_t now = seg->ack + (seg->wnd << status_of(t).rcv_wscale);
            holds(t, edge == 0 || (int32_t)(now - edge) >= 0);
            edge = now;
        }
    }
}

static void closed_for_ever(struct t *t)
{
    t->config.wscale = false;
    t->config.rcv_max = t->config.rcv_min = 4000;
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
    }
    for (unsigned i = 0; i < 100; i++) { /* probes of both kinds are answered, for a day */
        silent(t, 864 * SECONDS);
        in(t, ". %u ack 1", i & 1 ? 4000 : 4001);
        ignore(t);
        in(t, ". 4001:4002 ack 1");
        holds(t, t->head != t->tail);
        holds(t, t->queue[t->head].wnd == 0);
        ignore(t);
    }
    state(t, ESTABLISHED);
    read_octets(t, 4000);
    out(t, ". 1 ack 4001 win 4000");
    why(t, WINDOW_UPDATE);
}

static void ack_at_a_closed_window_counts(struct t *t)
{
    t->config.wscale = false;
    t->config.rcv_max = t->config.rcv_min = 4000;
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
    }
    write_octets(t, 10);
    out(t, "P. 1:11 ack 4001 win 0");
    in(t, ". 4001:4002 ack 11"); /* 3.10.7.4: "special allowance should be made to accept valid
                                    ACKs" */
    out(t, ". 11 ack 4001 win 0");
    is(t, status_of(t).unacked, 0);
}

static void only_newer_segments_change_the_window(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 21:31 ack 1 win 5000"); /* beyond a hole, and yet the newest */
    ignore(t);
    is(t, status_of(t).snd_wnd, 5000);
    in(t, "P. 1:11 ack 1 win 9000"); /* sent before it: SND.WL1 */
    ignore(t);
    is(t, status_of(t).snd_wnd, 5000);
    in(t, "P. 11:31 ack 1 win 5000");
    ignore(t);
    write_octets(t, 1000);
    ignore(t);
    in(t, ". 31 ack 1001 win 4000");
    is(t, status_of(t).snd_wnd, 4000);
    in(t, ". 31 ack 501 win 8000"); /* an older ACK */
    ignore(t);
    is(t, status_of(t).snd_wnd, 4000);
}

static void window_grows_with_reading(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0 <%s>", MODERN);
    out(t, "S. 0 ack 1");
    after(t, 20 * MS); /* a round trip of 20 ms */
    in(t, ". 1 ack 1");
    accept_conn(t);
    unsigned at = 1;
    const unsigned before = status_of(t).rcv_wnd;
    for (unsigned i = 0; i < 400; i++) {
        in(t, ". %u:%u ack 1", at, at + 988);
        at += 988;
        ignore(t);
        read_octets(t, 988);
        ignore(t);
        after(t, MS);
        ignore(t);
    }
    holds(t, status_of(t).rcv_wnd > 2 * before);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(window_is_unsigned, "RFC 9293 MUST-1: all of 65535 octets are used"),
        CASE(scaled_both_ways, "RFC 7323 2.3: windows count in units of the scale"),
        CASE(syn_windows_are_not_scaled, "RFC 7323 2.2: but not in a SYN"),
        CASE(scale_beyond_14, "RFC 7323 2.3: a scale beyond 14 is taken for 14"),
        CASE(scale_beyond_14_answered, "RFC 7323 2.3: ... in a SYN-ACK as well"),
        CASE(no_scale_unless_both, "RFC 7323 2.2: scales count if both have sent one"),
        CASE(largest_window, "RFC 9293 REC-1: windows are reckoned in 32 bits"),
        CASE(zero_window_probed,
             "RFC 9293 MUST-36, SHLD-29, SHLD-30: after one RTO, then ever slower"),
        CASE(zero_window_for_ever, "RFC 9293 MUST-37: as long as probes are answered"),
        CASE(probes_unanswered,
             "RFC 9293 3.8.6.1: unanswered probes end it as unanswered text does"),
        CASE(window_update_lost, "RFC 9293 3.8.6.1: a lost window update is found out"),
        CASE(window_shrinks_below_what_is_in_flight,
             "RFC 9293 MUST-34, SHLD-15: a usable window below zero"),
        CASE(shrunk_window_and_retransmission, "RFC 9293 SHLD-16: what still fits is sent again"),
        CASE(
            shrunk_to_nothing_is_probed,
            "RFC 9293 MUST-35, SHLD-17: a window shrunk to nothing is probed, and never times out"),
        CASE(sender_avoids_silly_windows,
             "RFC 9293 MUST-38: nothing short for a window opened a little"),
        CASE(sender_takes_half_the_largest_window,
             "RFC 9293 3.8.6.2.1 (3): half of the largest window ever is enough"),
        CASE(silly_window_overridden, "RFC 9293 3.8.6.2.1 (4): but not for ever"),
        CASE(receiver_avoids_silly_windows,
             "RFC 9293 MUST-39: updates of a segment or half the buffer"),
        CASE(right_edge_stays, "RFC 9293 SHLD-14: the right edge never moves left"),
        CASE(closed_for_ever, "RFC 9293 MAY-8: our own window may stay closed"),
        CASE(ack_at_a_closed_window_counts,
             "RFC 9293 3.10.7.4 first: ACKs are believed at a closed window"),
        CASE(only_newer_segments_change_the_window, "RFC 9293 3.10.7.4 fifth: SND.WL1, SND.WL2"),
        CASE(window_grows_with_reading, "the window grows with what the program reads"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
