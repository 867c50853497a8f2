/* SPDX-License-Identifier: MIT */
#include "wire.h"

/* Options: RFC 9293, 3.1, 3.2 and 3.7.1, RFC 7323. */

static void syn_with_options(struct t *t, const char *options, unsigned mss)
{
    if (t->listener == WEIR_NO_HANDLE)
        open_listener(t, 100);
    t->peer++;
    in(t, "S 0 <%s>", options);
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1 <>");
    accept_conn(t);
    is(t, status_of(t).mss, mss);
    write_octets(t, 3000);
    out(t, ". 1:%u ack 1", 1 + mss);
    ignore(t);
    t->wrote = 0;
    release(t);
    t_ignore(t);
}

static void mss_in_any_order(struct t *t)
{
    const unsigned none = t->v6 ? 1220 : 536;
    syn_with_options(t, "mss 700", 700);
    syn_with_options(t, "nop,nop,mss 701", 701);
    syn_with_options(t, "nop,mss 702,nop,nop,nop", 702);
    syn_with_options(t, "mss 703,eol", 703);
    syn_with_options(t, "nop,mss 704,eol,x020402bd", 704); /* after the end nothing counts */
    syn_with_options(t, "x030307,mss 705", 705);
    syn_with_options(t, "mss 100,mss 706", 706);
    syn_with_options(t, "sackok,nop,mss 707,ws 3", 707);
    syn_with_options(t,
                     "nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,"
                     "nop,nop,nop,nop,"
                     "nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,mss 708",
                     708);
    syn_with_options(t, "eol", none);
}

static void no_mss(struct t *t)
{
    syn_with_options(t, "", t->v6 ? 1220 : 536);
    syn_with_options(t, "sackok", t->v6 ? 1220 : 536);
    syn_with_options(t, "mss 0", t->v6 ? 1220 : 536);
}

static void no_mss_in_the_answer(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    in(t, "S. 0 ack 1 <>");
    out(t, ". 1 ack 1");
    is(t, status_of(t).mss, t->v6 ? 1220 : 536);
}

static void unknown_options(struct t *t)
{
    syn_with_options(t, "xc8041234,mss 710", 710);
    syn_with_options(t, "x1d02,mss 711", 711);
    syn_with_options(t, "xfe10000102030405060708090a0b0c0d,mss 712", 712);
    syn_with_options(t, "mss 713,xfd02", 713);
}

static void impossible_lengths(struct t *t)
{
    const unsigned none = t->v6 ? 1220 : 536;
    syn_with_options(t, "x0200", none);
    syn_with_options(t, "x0201", none);
    syn_with_options(t, "x020305", none);
    syn_with_options(t, "x02ff05b4", none);
    syn_with_options(t, "xc800", none);
    syn_with_options(t, "xc801", none);
    syn_with_options(t, "nop,nop,nop,x02", none);
    syn_with_options(t, "mss 720,xc8ff", 720);
    syn_with_options(t, "mss 721,x080900000001000000", 721);
    syn_with_options(t, "mss 722,x050a0000000100000002", 722);
    syn_with_options(t, "mss 723,x040300", 723);
    syn_with_options(t, "mss 724,x0302", 724);
}

static void every_kind_and_length(struct t *t)
{
    open_listener(t, 100);
    for (unsigned kind = 0; kind < 256; kind++) {
        for (unsigned len = 0; len <= 40; len++) {
            in(t, "S 0 <x%02x%02x,nop,nop>", kind, len);
            out(t, "S. 0 ack 1");
            in(t, "R 1");
            quiet(t);
        }
    }
}

static void in_any_segment(struct t *t)
{
    active(t, PLAIN);
    in(t, "P. 1:11 ack 1 <nop,nop,nop>");
    out(t, ". 1 ack 11");
    in(t, "P. 11:21 ack 1 <xc8041234>");
    out(t, ". 1 ack 21");
    in(t, "P. 21:31 ack 1 <mss 200>"); /* an MSS outside a SYN means nothing */
    out(t, ". 1 ack 31");
    is(t, status_of(t).mss, 1000);
    in(t, "P. 31:41 ack 1 <x0200>");
    out(t, ". 1 ack 41");
    in(t, "P. 41:51 ack 1 <nop,x020405>");
    out(t, ". 1 ack 51");
    write_octets(t, 10);
    out(t, "P. 1:11 ack 51");
    in(t, ". 51 ack 11 <nop,xfd040102>");
    is(t, status_of(t).unacked, 0);
    in(t, "F. 51 ack 11 <nop,nop,xc8041234,eol>");
    out(t, ". 11 ack 52");
    state(t, CLOSE_WAIT);
    in(t, "R 52 <nop,xc80301>");
    state(t, CLOSED);
    read_octets(t, 50);
}

static void unaligned(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0 <nop,ts 1 -,nop,mss 900,sackok,ws 5>"); /* no option at a multiple of four */
    out(t, "S. 0 ack 1 <mss %u,sackok,ts * 1,ws 7>", path_mss(t));
    in(t, "P. 1:11 ack 1 <nop,nop,nop,ts 5 =>");
    out(t, ". 1 ack 11 <ts * 5>");
    accept_conn(t);
    const struct weir_status status = status_of(t);
    is(t, status.snd_wscale, 5);
    is(t, status.mss, 900 - 12);
    holds(t, status.sack && status.timestamps);
    read_octets(t, 10);
}

static void mss_less_options(struct t *t)
{
    passive(t, MODERN);
    write_octets(t, 3000);
    out(t, ". 1:989 ack 1 <ts * 1>"); /* 12 octets for timestamps */
    ignore(t);
}

static void mss_beyond_the_path(struct t *t)
{
    passive(t, "mss 9000");
    write_octets(t, 3000);
    out(t, ". 1:%u ack 1", 1 + path_mss(t));
    ignore(t);
}

static void mss_of_another_mtu(struct t *t)
{
    t->mtu = 9000;
    open_active(t);
    out(t, "S 0 <mss %u,sackok,ts * -,ws 7>", t->v6 ? 8940 : 8960);
}

static void tiny_mss(struct t *t)
{
    passive(t, "mss 1"); /* nobody gets a stack to send a header for each octet */
    write_octets(t, 3000);
    out(t, ". 1:89 ack 1");
    ignore(t);
}

static void mss_set_by_the_program(struct t *t)
{
    open_listener(t, 4);
    set(t, MAXSEG, 600);
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1 <mss 600>");
    in(t, ". 1 ack 1");
    accept_conn(t);
    write_octets(t, 2000);
    out(t, ". 1:601 ack 1");
    ignore(t);
}

/* The harness refuses an MSS outside a SYN and octets after an end; here every kind of segment is
 * sent. */
static void what_we_send(struct t *t)
{
    passive(t, MODERN);
    write_octets(t, 10000);
    ignore(t);
    in(t, ". 2001:2500 ack 1");
    ignore(t);
    in(t, ". 1:1001 ack 1");
    ignore(t);
    after(t, 300 * MS);
    ignore(t);
    in(t, "R 5000");
    ignore(t);
    abort_conn(t);
    ignore(t);
    in(t, "S. 0 ack 55");
    ignore(t);
}

/* ---- timestamps ---- */

static void timestamps_in_everything(struct t *t)
{
    passive(t, MODERN);
    in(t, "P. 1:11 ack 1 <ts 7 =>");
    out(t, ". 1 ack 11 <ts * 7>");
    write_octets(t, 5);
    out(t, "P. 1:6 ack 11 <ts * 7>");
    const uint32_t first = t->last.tsval;
    after(t, 25 * MS);
    in(t, ". 11 ack 6 <ts 40 =>");
    write_octets(t, 5);
    out(t, "P. 6:11 ack 11 <ts * 40>");
    is(t, t->last.tsval - first, 25); /* milliseconds */
    abort_conn(t);
    out(t, "R. 11 ack 11 <ts * 40>");
}

static void no_timestamps_unless_both(struct t *t)
{
    active(t, "mss 1000");
    write_octets(t, 5);
    out(t, "P. 1:6 ack 1 <>");
    in(t, "P. 1:6 ack 6 <ts 5 ->");
    out(t, ". 6 ack 6 <>");
}

static void paws(struct t *t)
{
    passive(t, MODERN);
    in(t, "P. 1:11 ack 1 <ts 1000 =>");
    out(t, ". 1 ack 11 <ts * 1000>");
    in(t, "P. 11:21 ack 1 <ts 999 =>");
    drop(t, PAWS);
    out(t, ". 1 ack 11 <ts * 1000>");
    in(t, "P. 11:21 ack 1 <ts 1000 =>");
    drop(t, NONE);
    out(t, ". 1 ack 21 <ts * 1000>");
    in(t, "P. 21:31 ack 1 <ts 2147484600 =>"); /* as far ahead as may be */
    out(t, ". 1 ack 31");
    state(t, ESTABLISHED);
    read_octets(t, 30);
}

/* The copy was faster than what it is a copy of: the peer learns that nothing had been lost. */
static void paws_tells_of_a_copy(struct t *t)
{
    passive(t, MODERN);
    in(t, "P. 1:11 ack 1 <ts 1000 =>");
    out(t, ". 1 ack 11 <ts * 1000>");
    in(t, "P. 1:11 ack 1 <ts 990 =>");
    drop(t, PAWS);
    out(t, ". 1 ack 11 <ts * 1000,sack 1:11>");
    in(t, "P. 6:16 ack 1 <ts 990 =>"); /* only of what we have */
    drop(t, PAWS);
    out(t, ". 1 ack 11 <ts * 1000,sack 6:11>");
    in(t, "P. 11:21 ack 1 <ts 990 =>");
    drop(t, PAWS);
    out(t, ". 1 ack 11 <ts * 1000>");
    read_octets(t, 10);
}

static void paws_after_24_days(struct t *t)
{
    passive(t, MODERN);
    in(t, "P. 1:11 ack 1 <ts 1000 =>");
    out(t, ". 1 ack 11");
    silent(t, (weir_time)25 * 86400 * SECONDS);
    in(t, "P. 11:21 ack 1 <ts 500 =>"); /* the peer's clock has gone round: RFC 7323, 5.5 */
    drop(t, NONE);
    out(t, ". 1 ack 21 <ts * 500>");
}

static void missing_timestamp(struct t *t)
{
    passive(t, MODERN);
    in(t, "P. 1:11 ack 1 <>");
    drop(t, NONE); /* as Linux: used all the same */
    out(t, ". 1 ack 11");
    read_octets(t, 10);
}

static void ts_recent_of_the_left_edge(struct t *t)
{
    passive(t, MODERN);
    in(t, ". 11:21 ack 1 <ts 500 =>"); /* beyond a hole: not echoed (RFC 7323, 4.3) */
    out(t, ". 1 ack 1 <ts * 1,sack 11:21>");
    in(t, ". 1:11 ack 1 <ts 400 =>");
    out(t, ". 1 ack 21 <ts * 400>");
}

static void ts_of_a_delayed_ack(struct t *t)
{
    passive(t, MODERN);
    for (unsigned i = 0; i < 16; i++) {
        in(t, ". %u:%u ack 1 <ts %u =>", 1 + 10 * i, 11 + 10 * i, 10 + i);
        ignore(t);
    }
    in(t, ". 161:171 ack 1 <ts 100 =>");
    after(t, 10 * MS);
    in(t, ". 171:181 ack 1 <ts 110 =>");
    out_after(t, 30 * MS,
              ". 1 ack 181 <ts * 100>"); /* the earlier one: the delay is part of the round trip */
}

static void ecn_is_left_alone(struct t *t)
{
    t->config.ecn = 0;
    open_listener(t, 4);
    in(t, "SEW 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    in(t, ".E 1 ack 1");
    accept_conn(t);
    in(t, "PEW. 1:11 ack 1");
    out(t, ". 1 ack 11");
    is(t, t->last.tos & 3, 0);
    read_octets(t, 10);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(mss_in_any_order, "RFC 9293 MUST-4, MUST-14: EOL, NOP and MSS, in any order"),
        CASE(no_mss, "RFC 9293 MUST-15: 536 over IPv4, 1220 over IPv6"),
        CASE(no_mss_in_the_answer, "RFC 9293 MUST-15: in a SYN-ACK as well"),
        CASE(unknown_options, "RFC 9293 MUST-6: skipped by their length"),
        CASE(impossible_lengths, "RFC 9293 MUST-7: what was read before them counts"),
        CASE(every_kind_and_length, "RFC 9293 MUST-7: all kinds, all lengths"),
        CASE(in_any_segment, "RFC 9293 MUST-5: options in text, FIN, RST and bare ACK"),
        CASE(unaligned, "RFC 9293 MUST-64: at any alignment"),
        CASE(mss_less_options, "RFC 9293 MUST-16: less what options take"),
        CASE(mss_beyond_the_path, "RFC 9293 MUST-16: no more than the path takes"),
        CASE(mss_of_another_mtu, "RFC 9293 MUST-67: what is announced follows from the interface"),
        CASE(tiny_mss, "an MSS of 1 is not obeyed"),
        CASE(mss_set_by_the_program, "a program may announce and send less"),
        CASE(what_we_send, "RFC 9293 MUST-65, MUST-68, MUST-69: MSS in SYNs only, lengths right, "
                           "zeros after the end"),
        CASE(timestamps_in_everything, "RFC 7323 3.2: in every segment, in milliseconds"),
        CASE(no_timestamps_unless_both, "RFC 7323 3.2: unless one side has not offered them"),
        CASE(paws, "RFC 7323 5: an old timestamp is an old segment"),
        CASE(paws_tells_of_a_copy, "RFC 2883: an old timestamp on octets that came twice"),
        CASE(paws_after_24_days, "RFC 7323 5.5: but not after 24 days of silence"),
        CASE(missing_timestamp, "a segment without one is used, as on Linux"),
        CASE(ts_recent_of_the_left_edge, "RFC 7323 4.3: which timestamp is echoed"),
        CASE(ts_of_a_delayed_ack, "RFC 7323 4.2: for a delayed ACK the earliest"),
        CASE(ecn_is_left_alone, "without ECN its bits do no harm and are not answered"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
