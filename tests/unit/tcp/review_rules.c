/* SPDX-License-Identifier: MIT */
/* What a close reading of tcp and stack found: one case a finding, in the harness of
 * tests/conformance. Some look into the TCB, to be 2^32 octets further on without sending them. */
#include "conformance/harness.h"
#include "stack/parts.h"
#include "tcp/flight.h"
#include "tcp/tcp.h"

#include <string.h>

static struct tcb *tcb_of(struct t *t)
{
    return &conn_of(t->weir, t->conn, NULL)->tcb;
}

static unsigned used(struct t *t, const char *name)
{
    struct weir_pool_use use[32];
    const unsigned n = weir_pools(t->weir, use, 32);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(use[i].name, name) == 0)
            return use[i].used;
    return UINT32_MAX;
}

/* 2^32 octets later an ACK lands on the ISS. */
static void una_at_iss(struct t *t)
{
    passive(t, PLAIN);
    tcb_of(t)->iss -= UINT32_C(1) << 31;
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    in(t, ". 1 ack 101");
    tcb_of(t)->iss = tcb_of(t)->snd.una + 100; /* and 2^31 - 200 more */
    write_octets(t, 100);
    out(t, "P. 101:201 ack 1");
    in(t, ". 1 ack 201");
    quiet(t);
    state(t, ESTABLISHED);
    write_octets(t, 100);
    out(t, "P. 201:301 ack 1");
}

static void old_ack_after_wrap(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        write_octets(t, 1000);
        out(t, "P. %u:%u ack 1", 1 + 1000 * i, 1001 + 1000 * i);
        in(t, ". 1 ack %u", 1001 + 1000 * i);
    }
    tcb_of(t)->iss = tcb_of(t)->snd.una - 10; /* sent 2^32 + 10 octets */
    tcb_of(t)->una_far = true;
    in(t, ". 1:11 ack 1001");
    out(t, ". 4001 ack 11");
    read_octets(t, 10);
}

static void small_form_lasts(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10);
    out(t, "P. 1:11 ack 1");
    in(t, "P. 1:11 ack 11");
    out(t, ". 11 ack 11");
    read_octets(t, 10);
    in(t, "P. 11:21 ack 11");
    ignore(t);
    read_octets(t, 10);
    write_octets(t, 10);
    ignore(t);
    in(t, ". 21 ack 21");
    in(t, "P. 21:31 ack 21");
    ignore(t);
    read_octets(t, 10);
    write_octets(t, 10);
    ignore(t);
    in(t, ". 31 ack 31");
    close_conn(t);
    out(t, "F. 31 ack 31");
    in(t, ". 31 ack 32");
    state(t, FIN_WAIT_2);
    for (unsigned i = 0; i < 20; i++) {
        in(t, "P. %u:%u ack 32", 31 + 10 * i, 41 + 10 * i);
        ignore(t);
        read_octets(t, 10);
    }
    release(t);
    after(t, 1 * SECONDS);
    ignore(t);
    in(t, "F. 231 ack 32");
    out(t, ". 32 ack 232");
}

/* RFC 6675, 4, NextSeg (4): HighRxt MUST NOT be updated. */
static void rescue_does_not_hide_losses(struct t *t)
{
    t->config.rack = 0; /* RACK needs no rescue: what is sent again tells of the tail */
    passive(t, SACK);
    write_octets(t, 10000);
    is(t, ignore(t), 10);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    in(t, ". 1 ack 1 <sack 1001:5001>");
    out(t, "P. 9001:10001 ack 1"); /* the rescue */
    in(t, ". 1 ack 1 <sack 6001:8001 1001:5001>");
    ignore(t);
    in(t, ". 1 ack 1 <sack 6001:9001 1001:5001>");
    out(t, ". 5001:6001 ack 1");
}

static void karn_keeps_the_backoff(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    const weir_time rto = status_of(t).rto;
    out_after(t, rto, "P. 1:101 ack 1");
    out_after(t, 2 * rto, "P. 1:101 ack 1");
    in(t, ". 1 ack 101");
    write_octets(t, 100);
    out(t, "P. 101:201 ack 1");
    silent(t, 4 * rto - MS);
    in(t, ". 1 ack 201");
    is(t, status_of(t).backoff, 0);
}

static void v6_default_mss(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    in(t, "S. 0 ack 1 <>");
    out(t, ". 1 ack 1");
    write_octets(t, 3000);
    const unsigned mss = t->v6 ? 1220 : 536;
    out(t, ". 1:%u", 1 + mss);
    ignore(t);
}

static void time_wait_without_listener(struct t *t)
{
    reach(t, WEIR_TIME_WAIT);
    ignore(t);
    struct weir_status s = status_of(t);
    uint32_t next = s.rcv_nxt - s.irs;
    if (t->listener != WEIR_NO_HANDLE)
        (void)!weir_release(t->weir, t->listener, t->now);
    in(t, "S %u <>", next + 1000);
    out(t, ". 2 ack 2");
    state(t, TIME_WAIT);
}

static void stale_sack_blocks(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 100); /* stays in flight, and with it the flight block */
    out(t, "P. 1:101 ack 1");
    in(t, ". 101:201 ack 1");
    out(t, ". 101 ack 1 <sack 101:201>");
    in(t, ". 1:101 ack 1");
    out(t, ". 101 ack 201 <>");
    read_octets(t, 200);
    struct tcb *tcb = tcb_of(t);
    /* 2^32 - 150 octets later */
    const uint32_t by = -(uint32_t)150;
    tcb->rcv.nxt += by, tcb->rcv.read += by, tcb->rcv.acked += by, tcb->rcv.edge += by,
        tcb->snd.wl1 += by;
    t->peers[0].isn += by;
    in(t, ". 501:601 ack 1");
    out(t, ". 101 ack 201 <sack 501:601>");
    const struct tcb_flight *flight = pool_at(tcb->host->flights, tcb->flight);
    is(t, flight->recent_count, 1);
}

static void dupack_inflation(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 60000);
    is(t, ignore(t), 10);
    unsigned sent = 0;
    for (unsigned i = 0; i < 100; i++) {
        in(t, ". 1 ack 1");
        sent += ignore(t);
    }
    holds(t, sent <= 11);
}

static void credit_of_the_closed(struct t *t)
{
    const unsigned before = (begin(t), used(t, "credit"));
    passive(t, PLAIN);
    in(t, "F. 1 ack 1");
    ignore(t);
    close_conn(t);
    ignore(t);
    in(t, ". 2 ack 2");
    state(t, CLOSED);
    is(t, used(t, "credit"), before);
}

static void unread_in_closing(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1:11 ack 1");
    ignore(t);
    close_conn(t);
    out(t, "F. 1 ack 11");
    in(t, "F. 11 ack 1");
    out(t, ". 2 ack 12");
    state(t, CLOSING);
    release(t);
    out(t, "R. 2");
}

static void unread_in_time_wait(struct t *t)
{
    passive(t, PLAIN);
    in(t, ". 1:11 ack 1");
    ignore(t);
    close_conn(t);
    out(t, "F. 1 ack 11");
    in(t, "F. 11 ack 2");
    out(t, ". 2 ack 12");
    state(t, TIME_WAIT);
    release(t);
    quiet(t);
    in(t, "F. 11 ack 2");
    out(t, ". 2 ack 12");
}

/* The peer has filled the window, its first segment is lost: its ACKs stand at the right edge. */
static void ack_at_the_edge(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    const uint32_t edge = 1 + status_of(t).rcv_wnd;
    in(t, ". %u:%u ack 1", edge - 100, edge);
    ignore(t);
    in(t, ". %u ack 101", edge);
    is(t, status_of(t).unacked, 0);
}

static void soft_error_is_forgotten(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    icmp(t, t->v6 ? 1 : 3, t->v6 ? 0 : 1, 0, 0);
    holds(t, status_of(t).soft_error != WEIR_OK);
    in(t, ". 1 ack 101");
    write_octets(t, 100);
    out(t, "P. 101:201 ack 1");
    after(t, 1000 * SECONDS);
    ignore(t);
    error_is(t, WEIR_TIMED_OUT);
}

static void half_closed_simultaneous_open(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    in(t, "S 0 <mss 1000>");
    out(t, "S. 0 ack 1");
    close_conn(t);
    ignore(t);
    state(t, FIN_WAIT_1);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, "F. 1 ack 1");
}

/* Octet by octet, each acknowledged, rounding carries the edge on by the whole slack. */
static void largest_window(struct t *t)
{
    t->config.ring_chunk = 4096;
    t->config.ring_chunks = 16384;
    t->config.snd_max = 1 << 20;
    t->config.rcv_max = t->config.rcv_min = 3 << 20;
    passive(t, "mss 1000,sackok,ws 7");
    set(t, RCVBUF, 1 << 30);
    set(t, QUICKACK, 1);
    struct tcb *tcb = tcb_of(t);
    tcb->tune_octets = UINT32_C(1) << 30; /* the program reads fast, and then no more */
    in(t, ". 1:1001 ack 1");
    ignore(t);
    read_octets(t, 1000);
    ignore(t);
    uint32_t at = 1001;
    for (unsigned i = 0; i < 6000; i++, at++) {
        in(t, ". %u:%u ack 1", at, at + 1);
        ignore(t);
    }
    const uint32_t edge = tcb->rcv.edge - tcb->irs;
    in(t, ". %u:%u ack 1", edge - 1, edge);
    out(t, ". 1 ack %u <sack %u:%u>", at, edge - 1, edge);
}

/* A probe of the tail is due when the path turns out to be narrower: all is too long, and goes
 * again from the left. The probe alone would hide what waits before it until the timeout. */
static void no_probe_before_what_is_too_long(struct t *t)
{
    passive(t, "mss 1400,sackok");
    write_octets(t, 2800);
    out(t, ". 1:1401 ack 1");
    out(t, "P. 1401:2801 ack 1");
    tcb_flight(tcb_of(t))->tlp.due = true;
    icmp(t, t->v6 ? 2 : 3, t->v6 ? 0 : 4, 1300, 0);
    const unsigned mss = t->v6 ? 1240 : 1260;
    out(t, ". 1:%u ack 1", 1 + mss);
    why(t, RTX_PMTU);
    ignore(t);
    is(t, tcb_flight(tcb_of(t))->tlp.active, false);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(una_at_iss,
             "RFC 9293 3.4: an ACK on the ISS, 2^32 octets later, is not the beginning again"),
        CASE(old_ack_after_wrap, "RFC 5961 5.2: 2^32 octets later an old ACK is still one of ours"),
        CASE(small_form_lasts, "FIN-WAIT-2 becomes small only with its ACKs sent, and then lasts"),
        CASE(rescue_does_not_hide_losses, "RFC 6675 4: a rescue does not move HighRxt"),
        CASE(karn_keeps_the_backoff,
             "RFC 6298 5: the RTO stays backed off until something new is measured"),
        CASE(v6_default_mss, "RFC 9293 MUST-15: without an MSS option 536 or, over IPv6, 1220"),
        CASE(time_wait_without_listener,
             "RFC 6191: without a listener a SYN does not end TIME-WAIT"),
        CASE(stale_sack_blocks,
             "RFC 2018 4: SACK blocks that were filled are not said again 2^32 octets later"),
        CASE(dupack_inflation, "RFC 5681 3.2: duplicate ACKs buy no more than was outstanding"),
        CASE(credit_of_the_closed, "what is closed in order holds no credit"),
        CASE(unread_in_closing, "RFC 2525 2.17: unread octets in CLOSING: reset"),
        CASE(unread_in_time_wait, "unread octets in TIME-WAIT: it lasts all the same"),
        CASE(ack_at_the_edge, "an ACK at the right edge is believed"),
        CASE(soft_error_is_forgotten, "RFC 1122 4.2.3.9: a soft error is forgotten with progress"),
        CASE(half_closed_simultaneous_open, "RFC 9293 3.5: a crossed SYN-ACK also after CLOSE"),
        CASE(no_probe_before_what_is_too_long,
             "RFC 8985 7.3: no probe while something known to be missing waits"),
        CASE(largest_window, "every octet up to the furthest edge has its place in the ring"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
