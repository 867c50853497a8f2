/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Explicit congestion notification: RFC 3168 in both roles, and the handshake and counter of RFC
 * 9768. The codepoint of what left is t->last.tos, that of what comes is t->ecn. */

enum {
    NOT_ECT,
    ECT1,
    ECT0,
    CE
};

static void with_ecn(struct t *t)
{
    open_listener(t, 4);
    in(t, "SEW 0 <mss 1000>");
    out(t, "S.E 0 ack 1");
    is(t, t->last.tos & 3, NOT_ECT);
    in(t, ". 1 ack 1");
    accept_conn(t);
    is(t, status_of(t).ecn, 1);
}

static void listener_agrees(struct t *t)
{
    with_ecn(t);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    is(t, t->last.tos & 3, ECT0);
    in(t, "P. 1:11 ack 1001");
    out(t, ". 1001 ack 11");
    is(t, t->last.tos & 3, NOT_ECT);
}

static void listener_declines(struct t *t)
{
    open_listener(t, 4);
    in(t, "SE 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    is(t, status_of(t).ecn, 0);
    t->peer = 1;
    t->ecn = ECT0; /* a SYN that is marked itself is not RFC 3168's */
    in(t, "SEW 0 <mss 1000>");
    out(t, "S. 0 ack 1");
}

static void opener_asks(struct t *t)
{
    t->config.ecn = 1;
    open_active(t);
    out(t, "SEW 0");
    is(t, t->last.tos & 3, NOT_ECT);
    in(t, "S.E 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    is(t, status_of(t).ecn, 1);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    is(t, t->last.tos & 3, ECT0);
}

/* RFC 3168, 6.1.1: a SYN-ACK with both flags is a reflection, one without is a no. */
static void opener_is_refused(struct t *t)
{
    t->config.ecn = 1;
    open_active(t);
    out(t, "SEW 0");
    in(t, "S.EW 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    is(t, status_of(t).ecn, 0);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    is(t, t->last.tos & 3, NOT_ECT);
}

/* RFC 3168, 6.1.1.1: somebody on the way may drop such SYNs. */
static void asks_once(struct t *t)
{
    t->config.ecn = 1;
    open_active(t);
    out(t, "SEW 0");
    out_after(t, 1 * SECONDS, "S 0");
    in(t, "S.E 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    is(t, status_of(t).ecn, 0);
}

/* RFC 3168, 6.1.3: the echo goes on until the sender says that it has heard. */
static void echo(struct t *t)
{
    with_ecn(t);
    t->ecn = CE;
    in(t, "P. 1:11 ack 1");
    out(t, ".E 1 ack 11");
    t->ecn = ECT0;
    in(t, "P. 11:21 ack 1");
    out(t, ".E 1 ack 21");
    in(t, "PW. 21:31 ack 1");
    out(t, ". 1 ack 31");
    t->ecn = CE;
    in(t, "PW. 31:41 ack 1"); /* heard, and marked again */
    out(t, ".E 1 ack 41");
    is(t, status_of(t).ce_in, 2);
    t->ecn = NOT_ECT;
    write_octets(t, 10); /* octets carry the echo as well */
    out(t, "P.E 1:11 ack 41");
    is(t, t->last.tos & 3, ECT0);
}

/* RFC 3168, 6.1.2: cwnd is halved once a round trip; the next new octets say so. */
static void reaction(struct t *t)
{
    with_ecn(t);
    write_octets(t, 20000);
    is(t, ignore(t), 10);
    in(t, ".E 1 ack 1001");
    is(t, status_of(t).ssthresh, 5000);
    is(t, status_of(t).cwnd, 5000);
    for (unsigned i = 2; i < 6; i++)
        in(t, ".E 1 ack %u", i * 1000 + 1);
    is(t, status_of(t).cwnd, 5000);
    holds(t, status_of(t).ece_in == 5);
    in(t, ".E 1 ack 6001");
    out(t, "W. 10001:11001 ack 1");
    in(t, ".E 1 ack 8001"); /* the peer cannot have seen it yet */
    out(t, ". 11001:12001 ack 1");
    out(t, "P. 12001:13001 ack 1");
    in(t, ". 1 ack 10001");
    ignore(t);
    is(t, status_of(t).segs_rtx, 0);
}

/* RFC 3168, 6.1.5. */
static void not_again(struct t *t)
{
    with_ecn(t);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    is(t, t->last.tos & 3, ECT0);
    out_after(t, 200 * MS, "P. 1:1001 ack 1");
    is(t, t->last.tos & 3, NOT_ECT);
    holds(t, status_of(t).segs_rtx >= 1);
}

/* ---- RFC 9768 ---- */

static void with_accurate(struct t *t)
{
    t->config.ecn = 3;
    open_listener(t, 4);
    in(t, "SEWA 0 <mss 1000>");
    out(t, "S.W 0 ack 1"); /* table 2: the SYN came as Not-ECT */
    in(t, ".W 1 ack 1");   /* table 3: and so did the SYN-ACK */
    accept_conn(t);
    is(t, status_of(t).ecn, 2);
}

static void accurate_counter(struct t *t)
{
    with_accurate(t);
    t->ecn = ECT0;
    in(t, "PEA. 1:11 ack 1");
    out(t, ".EA 1 ack 11"); /* five, which is none */
    t->ecn = CE;
    in(t, "PEA. 11:21 ack 1");
    out(t, ".WA 1 ack 21"); /* six */
    in(t, "PEA. 21:31 ack 1");
    out(t, ".EWA 1 ack 31");
    in(t, "PEA. 31:41 ack 1");
    out(t, ". 1 ack 41"); /* eight is zero */
    is(t, status_of(t).ce_in, 3);
}

static void accurate_reaction(struct t *t)
{
    with_accurate(t);
    write_octets(t, 20000);
    is(t, ignore(t), 10);
    is(t, t->queue[0].tos & 3, ECT0);
    in(t, ".EA 1 ack 1001");
    ignore(t);
    const unsigned before = status_of(t).cwnd;
    in(t, ".WA 1 ack 2001"); /* one was marked */
    holds(t, status_of(t).cwnd < before && status_of(t).ssthresh < 6000);
    ignore(t);
    const unsigned now = status_of(t).cwnd;
    in(t, ".EWA 1 ack 3001"); /* another, of the same round trip */
    is(t, status_of(t).cwnd, now);
    ignore(t);
}

static void accurate_opener(struct t *t)
{
    t->config.ecn = 3;
    open_active(t);
    out(t, "SEWA 0");
    t->ecn = NOT_ECT;
    in(t, "S.W 0 ack 1 <mss 1000>");
    out(t, ".W 1 ack 1");
    is(t, status_of(t).ecn, 2);
    write_octets(t, 10);
    out(t, "PEA. 1:11 ack 1");
    is(t, t->last.tos & 3, ECT0);
}

/* RFC 9768, 3.1.5: a server that knows only RFC 3168 answers as to its own. */
static void falls_back(struct t *t)
{
    t->config.ecn = 3;
    open_active(t);
    out(t, "SEWA 0");
    in(t, "S.E 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    is(t, status_of(t).ecn, 1);
}

static void old_listener(struct t *t)
{
    open_listener(t, 4);
    in(t, "SEWA 0 <mss 1000>");
    out(t, "S.E 0 ack 1");
}

/* RFC 9768, 3.2.2.4: an ACK of the handshake that says nothing at all. */
static void bleached(struct t *t)
{
    t->config.ecn = 3;
    open_listener(t, 4);
    in(t, "SEWA 0 <mss 1000>");
    out(t, "S.W 0 ack 1");
    in(t, ". 1 ack 1");
    accept_conn(t);
    write_octets(t, 10);
    out(t, "PEA. 1:11 ack 1");
    is(t, t->last.tos & 3, NOT_ECT);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(listener_agrees, "RFC 9293 SHLD-8: a listener takes marks; only new octets are ECT"),
        CASE(listener_declines, "RFC 3168 6.1.1: one flag is no question, nor is a marked SYN"),
        CASE(opener_asks, "RFC 3168 6.1.1: an opener asks"),
        CASE(opener_is_refused, "RFC 3168 6.1.1: flags that are thrown back agree to nothing"),
        CASE(asks_once, "RFC 3168 6.1.1.1: the second SYN does not ask"),
        CASE(echo, "RFC 3168 6.1.3: ECE until CWR"),
        CASE(reaction, "RFC 3168 6.1.2: once a round trip, and CWR once"),
        CASE(not_again, "RFC 3168 6.1.5: no ECT on what is sent again"),
        CASE(accurate_counter, "RFC 9768 3.2.2: three bits count marked packets"),
        CASE(accurate_reaction, "RFC 9768 3.3: and the sender reacts to them as to an echo"),
        CASE(accurate_opener, "RFC 9768 3.1: an opener asks, and says how the SYN-ACK came"),
        CASE(falls_back, "RFC 9768 3.1.5: a server of RFC 3168"),
        CASE(old_listener, "RFC 9768 3.1.5: and as such a server"),
        CASE(bleached, "RFC 9768 3.2.2.4: bits that are cleared on the way"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
