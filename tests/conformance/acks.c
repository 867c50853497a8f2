/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Acknowledgements: RFC 9293, 3.8.6.3, RFC 5681, 4.2, RFC 2018 and RFC 2883. */

/* Past the segments that a new connection acknowledges at once. Returns the peer's next number. */
static unsigned past_quick(struct t *t)
{
    unsigned at = 1;
    for (unsigned i = 0; i < 16; i++, at += 1000) {
        in(t, ". %u:%u ack 1", at, at + 1000);
        ignore(t);
        read_octets(t, 1000);
        ignore(t);
    }
    return at;
}

static void quick_at_first(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 16; i++) {
        in(t, "P. %u:%u ack 1", 1 + 10 * i, 11 + 10 * i);
        out(t, ". 1 ack %u", 11 + 10 * i);
    }
    in(t, "P. 161:171 ack 1");
    quiet(t);
}

static void delayed(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    in(t, "P. %u:%u ack 1", at, at + 100);
    quiet(t);
    out_after(t, 40 * MS, ". 1 ack %u", at + 100);
    why(t, ACK_DELAYED);
    silent(t, 10 * SECONDS);
}

static void every_second_segment(struct t *t)
{
    active(t, PLAIN);
    unsigned at = past_quick(t);
    for (unsigned i = 0; i < 5; i++, at += 2000) {
        in(t, ". %u:%u ack 1", at, at + 1000);
        quiet(t);
        in(t, ". %u:%u ack 1", at + 1000, at + 2000);
        out(t, ". 1 ack %u", at + 2000);
        read_octets(t, 2000);
        ignore(t);
    }
}

/* Full-sized is what the path carries, not what it once carried, nor the default. */
static void every_second_on_a_narrow_path(struct t *t)
{
    active(t, PLAIN);
    unsigned at = past_quick(t);
    for (unsigned i = 0; i < 3; i++, at += 310) {
        in(t, ". %u:%u ack 1", at, at + 300);
        quiet(t);
        in(t, "P. %u:%u ack 1", at + 300, at + 310);
        if (i > 0)
            out(t, ". 1 ack %u", at + 310);
        else /* one of 1,000 might be half there */
            out_after(t, 40 * MS, ". 1 ack %u", at + 310);
    }
    for (unsigned i = 0; i < 2; i++, at += 10) { /* the ends of what is written are no measure */
        in(t, "P. %u:%u ack 1", at, at + 10);
        out_after(t, 40 * MS, ". 1 ack %u", at + 10);
    }
}

static void carried_by_text(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    in(t, "P. %u:%u ack 1", at, at + 100);
    write_octets(t, 50);
    out(t, "P. 1:51 ack %u", at + 100);
    silent(t, 100 * MS); /* none is owed any more */
}

static void quickack_on_request(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    set(t, QUICKACK, 1);
    in(t, "P. %u:%u ack 1", at, at + 1);
    out(t, ". 1 ack %u", at + 1);
    set(t, QUICKACK, 0);
    in(t, "P. %u:%u ack 1", at + 1, at + 2);
    quiet(t);
    set(t, QUICKACK, 1); /* pays what is owed */
    out(t, ". 1 ack %u", at + 2);
}

static void old_text_at_once(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    in(t, ". %u:%u ack 1", at - 1000, at);
    drop(t, SEQ_OLD);
    out(t, ". 1 ack %u", at);
}

static void hole_filled_at_once(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    in(t, ". %u:%u ack 1", at + 100, at + 200);
    out(t, ". 1 ack %u", at);
    in(t, ". %u:%u ack 1", at + 300, at + 400);
    out(t, ". 1 ack %u", at);
    in(t, ". %u:%u ack 1", at, at + 100); /* one of two holes */
    out(t, ". 1 ack %u", at + 200);
    in(t, ". %u:%u ack 1", at + 200, at + 300);
    out(t, ". 1 ack %u", at + 400);
}

static void fin_at_once(struct t *t)
{
    passive(t, PLAIN);
    const unsigned at = past_quick(t);
    in(t, "FP. %u:%u ack 1", at, at + 10);
    out(t, ". 1 ack %u", at + 11);
}

/* Without SACK every misplaced segment needs a duplicate of its own, also in one batch. */
static void duplicates_without_sack(struct t *t)
{
    passive(t, PLAIN);
    also(t, ". 1001:2001 ack 1");
    also(t, ". 2001:3001 ack 1");
    in(t, ". 3001:4001 ack 1");
    for (unsigned i = 0; i < 3; i++)
        out(t, ". 1 ack 1 <>");
}

static void sack_most_recent_first(struct t *t)
{
    passive(t, SACK);
    in(t, ". 1001:2001 ack 1");
    out(t, ". 1 ack 1 <sack 1001:2001>");
    in(t, ". 3001:4001 ack 1");
    out(t, ". 1 ack 1 <sack 3001:4001 1001:2001>");
    in(t, ". 5001:6001 ack 1");
    out(t, ". 1 ack 1 <sack 5001:6001 3001:4001 1001:2001>");
    in(t, ". 4001:5001 ack 1"); /* joins two */
    out(t, ". 1 ack 1 <sack 3001:6001 1001:2001>");
    in(t, ". 2001:3001 ack 1");
    out(t, ". 1 ack 1 <sack 1001:6001>");
    in(t, ". 1:1001 ack 1");
    out(t, ". 1 ack 6001 <>");
}

static void sack_four_blocks(struct t *t)
{
    passive(t, SACK);
    for (unsigned i = 0; i < 6; i++) {
        in(t, ". %u:%u ack 1", 1001 + 2000 * i, 1101 + 2000 * i);
        ignore(t);
    }
    in(t, ". 13001:13101 ack 1");
    out(t, ". 1 ack 1 <sack 13001:13101 11001:11101 9001:9101 7001:7101>");
}

static void sack_three_beside_timestamps(struct t *t)
{
    passive(t, MODERN);
    for (unsigned i = 0; i < 4; i++) {
        in(t, ". %u:%u ack 1", 1001 + 2000 * i, 1101 + 2000 * i);
        ignore(t);
    }
    in(t, ". 9001:9101 ack 1");
    out(t, ". 1 ack 1 <ts * *,sack 9001:9101 7001:7101 5001:5101>");
}

/* A batch with more holes than an option has room for: what is not reported the sender would take
 * for lost (RFC 8985). */
static void sack_of_a_batch(struct t *t)
{
    passive(t, MODERN);
    for (unsigned i = 0; i < 6; i++)
        also(t, ". %u:%u ack 1", 501 + 500 * i, 601 + 500 * i);
    in(t, ". 3501:3601 ack 1");
    out(t, ". 1 ack 1 <ts * *,sack 3501:3601 3001:3101 2501:2601>");
    out(t, ". 1 ack 1 <ts * *,sack 2001:2101 1501:1601 1001:1101>");
    out(t, ". 1 ack 1 <ts * *,sack 501:601 3501:3601 3001:3101>");
    quiet(t);
    in(t, ". 4001:4101 ack 1"); /* and afterwards one is enough again, the newest first */
    out(t, ". 1 ack 1 <ts * *,sack 4001:4101 501:601 3501:3601>");
    quiet(t);
    for (unsigned i = 0; i < 4; i++)
        also(t, ". %u:%u ack 1", 4501 + 500 * i, 4601 + 500 * i);
    in(t, ". 1:501 ack 1");
    out(t, ". 1 ack 601 <ts * *,sack 6001:6101 5501:5601 5001:5101>");
    out(t, ". 1 ack 601 <ts * *,sack 4501:4601 4001:4101 3501:3601>");
    quiet(t);
}

static void sack_in_a_segment_with_text(struct t *t)
{
    passive(t, SACK);
    in(t, ". 1001:2001 ack 1");
    out(t, ". 1 ack 1 <sack 1001:2001>");
    write_octets(t, 5000);
    out(t, ". 1:989 ack 1 <sack 1001:2001>"); /* 12 octets of options less */
    ignore(t);
}

static void dsack_of_a_whole_segment(struct t *t)
{
    passive(t, SACK);
    in(t, ". 1:1001 ack 1");
    out(t, ". 1 ack 1001");
    in(t, ". 1:1001 ack 1");
    out(t, ". 1 ack 1001 <sack 1:1001>");
    in(t, ". 1001:2001 ack 1");
    out(t, ". 1 ack 2001 <>");
}

static void dsack_beyond_a_hole(struct t *t)
{
    passive(t, SACK);
    in(t, ". 1001:2401 ack 1");
    out(t, ". 1 ack 1 <sack 1001:2401>");
    in(t, ". 1801:2401 ack 1"); /* RFC 2883, 4.1.2: the duplicate, then the block that holds it */
    out(t, ". 1 ack 1 <sack 1801:2401 1001:2401>");
}

static void two_dsacks_in_a_batch(struct t *t)
{
    passive(t, SACK);
    in(t, ". 1:1001 ack 1");
    out(t, ". 1 ack 1001");
    also(t, ". 1:501 ack 1");
    in(t, ". 501:1001 ack 1");
    out(t, ". 1 ack 1001 <sack 1:501>");
    out(t, ". 1 ack 1001 <sack 501:1001>");
}

static void no_sack_unless_agreed(struct t *t)
{
    active(t, PLAIN);
    in(t, ". 1001:2001 ack 1");
    out(t, ". 1 ack 1 <>");
}

static void stale_ack_war(struct t *t)
{
    passive(t, PLAIN);
    unsigned sent = 0;
    for (unsigned i = 0; i < 40; i++) { /* two ends that disagree: four seconds, ten a second */
        in(t, ". 100000 ack 1");
        sent += ignore(t);
        silent(t, 100 * MS);
    }
    holds(t, sent >= 1 && sent <= 9);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(quick_at_first,
             "the first 16 segments are acknowledged at once: the peer is in slow start"),
        CASE(delayed, "RFC 9293 MUST-40, SHLD-18: otherwise 40 ms later"),
        CASE(every_second_segment, "RFC 9293 SHLD-19: every second full-sized segment at once"),
        CASE(every_second_on_a_narrow_path,
             "RFC 9293 SHLD-19: full-sized is what the path carries now"),
        CASE(carried_by_text, "RFC 9293 3.8.6.3: text carries the acknowledgement"),
        CASE(quickack_on_request, "a program may ask for acknowledgements at once"),
        CASE(old_text_at_once, "RFC 9293 3.10.7.4: what is old is acknowledged at once"),
        CASE(hole_filled_at_once,
             "RFC 5681 4.2: a segment that fills a hole, wholly or in part, at once"),
        CASE(fin_at_once, "RFC 9293 3.10.7.4 eighth: a FIN at once"),
        CASE(duplicates_without_sack, "RFC 5681 4.2: without SACK a duplicate for each"),
        CASE(sack_most_recent_first,
             "RFC 2018 4: the block of the segment that has just come is the first"),
        CASE(sack_four_blocks, "RFC 2018 3: at most four blocks"),
        CASE(sack_three_beside_timestamps, "RFC 2018 3: three beside timestamps"),
        CASE(sack_of_a_batch, "RFC 2018 4: what an option has no room for has an ACK of its own"),
        CASE(sack_in_a_segment_with_text, "RFC 9293 MUST-16: options leave less room for text"),
        CASE(dsack_of_a_whole_segment, "RFC 2883 4.1.1: what came twice is reported once"),
        CASE(dsack_beyond_a_hole, "RFC 2883 4.1.2: ... and the block it lies in after it"),
        CASE(two_dsacks_in_a_batch, "RFC 2883 4: two of them owe two acknowledgements"),
        CASE(no_sack_unless_agreed, "RFC 2018 2: no SACK to a peer that did not offer it"),
        CASE(stale_ack_war, "two ends that disagree do not bounce ACKs for ever"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
