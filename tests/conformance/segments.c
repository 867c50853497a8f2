/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

/* Which octets are taken: RFC 9293, 3.4 and 3.10.7.4, first, seventh and eighth. */

/* The four rows of table 6, each with its edges. `answer` is whether an ACK comes at once. */
static void acceptability(struct t *t)
{
    static const struct {
        const char *what, *in;
        bool taken;
    } rows[] = {
        { "empty: first in the window", ". 1 ack 1", true },
        { "empty: last in the window", ". 15360 ack 1", true },
        { "empty: at the right edge (a declared departure)", ". 15361 ack 1", true },
        { "empty: beyond the right edge", ". 15362 ack 1", false },
        { "empty: just before the window", ". 0 ack 1", false },
        { "text: only the last octet inside", "P. -8:2 ack 1", true },
        { "text: ends just before the window", "P. -9:1 ack 1", false },
        { "text: only the first octet inside", "P. 15360:15370 ack 1", true },
        { "text: begins at the right edge", "P. 15361:15371 ack 1", false },
        { "text: far left", "P. -100000:-99990 ack 1", false },
        { "text: far right", "P. 1000000:1000010 ack 1", false },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i == 0)
            passive(t, PLAIN);
        else
            after(t, 600 * MS);
        ignore(t);
        t_note(t, "-- %s\n", rows[i].what);
        const unsigned before = status_of(t).rcv_nxt + status_of(t).out_of_order;
        in(t, "%s", rows[i].in);
        const bool dropped = t->dropped == WEIR_DROP_SEQ_OLD || t->dropped == WEIR_DROP_SEQ_WINDOW;
        holds(t, dropped == !rows[i].taken);
        if (!rows[i].taken) {
            is(t, status_of(t).rcv_nxt + status_of(t).out_of_order, before);
            holds(t, t->head != t->tail); /* "send an acknowledgment" */
        }
        ignore(t);
    }
}

static void covers_the_window_and_more(struct t *t)
{
    t->config.rcv_min = t->config.rcv_max = 1000;
    t->config.wscale = false;
    passive(t, PLAIN);
    in(t, "P. -99:1301 ack 1");
    drop(t, NONE);
    out(t, ". 1 ack 1001 win 0");
    read_octets(t, 1000);
    ignore(t);
}

static void trimmed_left(struct t *t)
{
    passive(t, SACK);
    in(t, "P. 1:101 ack 1");
    out(t, ". 1 ack 101");
    in(t, "P. 51:151 ack 1");
    out(t, ". 1 ack 151 <sack 51:101>"); /* RFC 2883: what came twice */
    read_octets(t, 150);
    in(t, "P. 1:151 ack 1");
    drop(t, SEQ_OLD);
    out(t, ". 1 ack 151 <sack 1:151>");
    nothing_to_read(t);
}

static void trimmed_right(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 15; i++) {
        in(t, ". %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        ignore(t);
    }
    const unsigned room = status_of(t).rcv_wnd;
    holds(t, room < 1000);
    in(t, "FP. 15001:16001 ack 1");
    out(t, ". 1 ack %u win 0", 15001 + room);
    state(t, ESTABLISHED); /* the FIN lay beyond */
    read_octets(t, 15000 + room);
    ignore(t);
}

static void out_of_order(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1001:2001 ack 1");
    out(t, ". 1 ack 1"); /* RFC 9293 MAY-13 */
    why(t, ACK_DUP);
    in(t, "P. 3001:4001 ack 1");
    out(t, ". 1 ack 1");
    nothing_to_read(t);
    is(t, status_of(t).out_of_order, 2000);
    in(t, "P. 1:1001 ack 1");
    out(t, ". 1 ack 2001");
    in(t, "P. 2001:3001 ack 1");
    out(t, ". 1 ack 4001");
    read_octets(t, 4000);
}

static void whole_batch_before_one_ack(struct t *t)
{
    passive(t, PLAIN);
    also(t, "P. 1001:2001 ack 1");
    also(t, "P. 1:1001 ack 1");
    also(t, "P. 2001:3001 ack 1");
    in(t, "P. 3001:4001 ack 1");
    while (t->head != t->tail) /* a peer without SACK may get a duplicate for the misplaced one */
        out(t, ". 1 ack 4001");
    read_octets(t, 4000);
}

static void acks_are_joined(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 7; i++)
        also(t, "P. %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
    in(t, "P. 7001:8001 ack 1");
    out(t, ". 1 ack 8001");
    quiet(t);
    write_octets(t, 10);
    ignore(t);
    in(t, "P. 8001:9001 ack 11");
    ignore(t);
    also(t, "P. 9001:10001 ack 11");
    in(t, "P. 10001:11001 ack 11");
    ignore(t);
    read_octets(t, 11000);
    ignore(t);
}

/* What has been delivered, or could have been, is not looked at again. */
static void old_octets_are_not_rewritten(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 1:9 ack 1");
    out(t, ". 1 ack 9");
    t->other = true;
    in(t, "P. 1:9 ack 1");
    ignore(t);
    in(t, "P. 5:9 ack 1");
    ignore(t);
    t->other = false;
    read_octets(t, 8);
}

static void stored_octets_stay(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 3:7 ack 1");
    ignore(t);
    t->other = true;
    in(t, "P. 2:8 ack 1");
    ignore(t);
    in(t, "P. 1:8 ack 1");
    ignore(t);
    uint8_t text[16];
    size_t done;
    is(t, weir_recv(t->weir, t->conn, text, sizeof text, &done, t->now), WEIR_OK);
    is(t, done, 7);
    collect(t);
    /* First come stays: 3..6 were of the plain pattern, the others of the other. */
    const uint8_t *p = text;
    uint8_t plain[7], other[7];
    for (uint32_t i = 0; i < 7; i++) {
        plain[i] = (uint8_t)(((i + 1) * UINT32_C(2654435761)) >> 24);
        other[i] = (uint8_t)(plain[i] ^ 0xff);
    }
    holds(t, memcmp(p + 2, plain + 2, 4) == 0);
    holds(t, memcmp(p, other, 2) == 0 && p[6] == other[6]);
}

static void fin_beyond_a_hole(struct t *t)
{
    passive(t, PLAIN);
    in(t, "FP. 4:5 ack 1");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
    in(t, "P. 1:4 ack 1");
    out(t, ". 1 ack 6");
    state(t, CLOSE_WAIT);
    read_octets(t, 4);
    end_of_stream(t);
}

static void text_after_the_fin(struct t *t)
{
    reach(t, WEIR_CLOSE_WAIT);
    in(t, "P. 2:12 ack 1");
    holds(t, t->dropped == WEIR_DROP_DATA_AFTER_FIN || t->dropped == WEIR_DROP_SEQ_WINDOW);
    ignore(t);
    end_of_stream(t);
    state(t, CLOSE_WAIT);
}

static void text_beyond_a_known_fin(struct t *t)
{
    passive(t, PLAIN);
    in(t, "F. 11 ack 1");
    ignore(t);
    in(t, "P. 6:21 ack 1");
    ignore(t);
    in(t, "P. 1:6 ack 1");
    out(t, ". 1 ack 12");
    read_octets(t, 10);
    end_of_stream(t);
    state(t, CLOSE_WAIT);
}

static void fin_below_what_has_come(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P. 11:21 ack 1");
    ignore(t);
    in(t, "F. 6 ack 1"); /* a liar: octets beyond it have come */
    ignore(t);
    in(t, "P. 1:11 ack 1");
    ignore(t);
    read_octets(t, 20);
    state(t, ESTABLISHED);
}

static void fin_outside_the_window(struct t *t)
{
    passive(t, PLAIN);
    in(t, "F. 20000 ack 1");
    drop(t, SEQ_WINDOW);
    out(t, ". 1 ack 1");
    silent(t, 600 * MS);
    in(t, "F. -5 ack 1");
    drop(t, SEQ_OLD);
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
}

static void no_ack_flag(struct t *t)
{
    passive(t, PLAIN);
    in(t, "P 1:11");
    drop(t, NO_ACK);
    in(t, "- 1:11");
    drop(t, NO_ACK);
    in(t, "F 1");
    drop(t, NO_ACK);
    quiet(t);
    nothing_to_read(t);
    state(t, ESTABLISHED);
}

static void no_ack_flag_and_half_old(struct t *t)
{
    passive(t, SACK);
    in(t, "P. 1:6 ack 1");
    out(t, ". 1 ack 6");
    in(t, "P 1:11");
    drop(t, NO_ACK);
    quiet(t); /* nor is it reported as having come twice */
}

static void wrong_sums(struct t *t)
{
    passive(t, PLAIN);
    t->bad_sum = true;
    in(t, "P. 1:11 ack 1");
    drop(t, TCP_CSUM);
    in(t, "P. 1:12 ack 1"); /* of odd length */
    drop(t, TCP_CSUM);
    in(t, "R 1");
    drop(t, TCP_CSUM);
    in(t, "S 1");
    quiet(t);
    t->bad_sum = false;
    uint8_t packet[200];
    size_t len = packet_of(t, "P. 1:12 ack 1", packet);
    for (size_t i = 0; i < len;
         i++) { /* every single bit that is flipped is seen, the IP header's too */
        packet[i] ^= (uint8_t)(1u << (i % 8));
        raw(t, packet, len);
        packet[i] ^= (uint8_t)(1u << (i % 8));
        /* IPv6 has no header sum: class, label and hop limit are nobody's business. */
        const bool free_field = t->v6 && (i < 4 || i == 7);
        if (!free_field)
            holds(t, t->dropped != WEIR_DROP_NONE);
        ignore(t);
        if (free_field)
            continue;
        state(t, ESTABLISHED);
    }
    if (!t->v6)
        nothing_to_read(t);
    ignore(t);
}

static void own_sums(struct t *t)
{
    passive(t, PLAIN);
    set(t, NODELAY, 1);
    t->win = 65535;
    unsigned at = 1;
    for (unsigned len = 1; len < 40; len++) { /* the harness sums up everything that is sent */
        write_octets(t, len);
        out(t, "P. %u:%u ack 1", at, at + len);
        at += len;
        in(t, ". 1 ack %u", at);
    }
    write_octets(t, 10001);
    is(t, ignore(t), 10);
}

static void headers_that_do_not_fit(struct t *t)
{
    uint8_t packet[200];
    passive(t, PLAIN);
    const size_t head = t->v6 ? 40 : 20;
    for (unsigned off = 0; off < 16; off++) {
        const size_t len = packet_of(t, "P. 1:3 ack 1", packet);
        packet[head + 12] = (uint8_t)(off << 4);
        fix_sums(packet, len);
        raw(t, packet, len);
        if (off == 5) {
            out(t, ". 1 ack 3");
            continue;
        }
        drop(t, TCP_BAD);
        quiet(t);
    }
    for (size_t cut = 0; cut < 20; cut++) {
        size_t len = packet_of(t, ". 3 ack 1", packet);
        len = head + cut;
        if (t->v6)
            packet[5] = (uint8_t)cut;
        else
            packet[3] = (uint8_t)len;
        fix_sums(packet, len < head + 18 ? head + 18 : len);
        raw(t, packet, len);
        holds(t, t->dropped != WEIR_DROP_NONE);
        quiet(t);
    }
    state(t, ESTABLISHED);
    read_octets(t, 2);
}

static void many_small_pieces(struct t *t)
{
    passive(t, SACK);
    for (unsigned i = 0; i < 600; i++) { /* every second octet */
        in(t, ". %u:%u ack 1", 3 + 2 * i, 4 + 2 * i);
        ignore(t);
    }
    for (unsigned i = 0; i < 600; i++) {
        in(t, ". %u:%u ack 1", 2 + 2 * i, 3 + 2 * i);
        ignore(t);
    }
    in(t, ". 1:2 ack 1");
    ignore(t);
    read_octets(t, 1202 - 1);
    ignore(t);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(acceptability,
             "RFC 9293 3.4, table 6: what is acceptable; the rest is answered with an ACK"),
        CASE(covers_the_window_and_more,
             "a segment that begins before the window and ends after it is used"),
        CASE(trimmed_left,
             "RFC 9293 3.10.7.4: what was received before is cut off (and RFC 2883 reports it)"),
        CASE(trimmed_right,
             "RFC 9293 3.10.7.4: what lies beyond the window is cut off, the FIN first"),
        CASE(out_of_order, "RFC 9293 SHLD-31, MAY-13: kept, and acknowledged at once"),
        CASE(whole_batch_before_one_ack,
             "RFC 9293 MUST-59: everything that waits is processed before the ACK"),
        CASE(acks_are_joined, "RFC 9293 MUST-58: one ACK for all of it"),
        CASE(old_octets_are_not_rewritten, "octets that came first stay, whatever comes later"),
        CASE(stored_octets_stay, "octets stored beyond a gap never change"),
        CASE(fin_beyond_a_hole, "a FIN beyond a hole counts when the hole is filled"),
        CASE(text_after_the_fin, "RFC 9293 3.10.7.4 seventh: text after the FIN is ignored"),
        CASE(text_beyond_a_known_fin, "... also when the FIN lies beyond a hole"),
        CASE(fin_below_what_has_come, "a FIN that contradicts octets already here is not believed"),
        CASE(fin_outside_the_window,
             "RFC 9293 3.10.7.4 first: a blind FIN is answered with an ACK"),
        CASE(no_ack_flag, "RFC 9293 3.10.7.4 fifth: without the ACK bit it is dropped"),
        CASE(no_ack_flag_and_half_old, "... and owes nothing, though it is old in part"),
        CASE(wrong_sums, "RFC 9293 MUST-3: a wrong checksum is dropped without a word"),
        CASE(own_sums, "RFC 9293 MUST-2: checksums of everything sent, of every length"),
        CASE(headers_that_do_not_fit, "every data offset, every cut: dropped without a word"),
        CASE(many_small_pieces, "six hundred gaps are kept and filled"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
