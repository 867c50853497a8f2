/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Retransmission and congestion: RFC 9293, 3.8.1 to 3.8.3, RFC 6298, 5681, 6582, 6675, 6928. */

static unsigned sent_up_to(const struct t *t)
{
    return t->peers[t->peer].nxt - t->peers[t->peer].base;
}

/* A passive open whose handshake took `rtt`. */
static void open_with_rtt(struct t *t, const char *options, weir_time rtt)
{
    open_listener(t, 4);
    in(t, "S 0 <%s>", options);
    out(t, "S. 0 ack 1");
    after(t, rtt);
    in(t, ". 1 ack 1");
    accept_conn(t);
}

/* ---- time-outs ---- */

static void backs_off(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    weir_time rto = status_of(t).rto;
    for (unsigned i = 0; i < 9; i++, rto *= 2) {
        out_after(t, rto, "P. 1:101 ack 1");
        why(t, RTX_RTO);
        is(t, status_of(t).backoff, i + 1);
    }
    after(t, rto);
    ignore(t);
    holds(t, status_of(t).rto <= 120 * SECONDS);
}

static void rto_from_the_first_sample(struct t *t)
{
    open_with_rtt(t, PLAIN, 300 * MS);
    const struct weir_status status = status_of(t);
    is(t, status.srtt, 300 * MS); /* RFC 6298, 2.2 */
    is(t, status.rttvar, 150 * MS);
    is(t, status.rto, 900 * MS);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    after(t, 500 * MS);
    in(t, ". 1 ack 101");
    is(t, status_of(t).rttvar, (3 * 150 + 200) * MS / 4); /* RFC 6298, 2.3 */
    is(t, status_of(t).srtt, (7 * 300 + 500) * MS / 8);
}

static void karn(struct t *t)
{
    open_with_rtt(t, PLAIN, 100 * MS);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    out_after(t, 300 * MS, "P. 1:101 ack 1");
    const weir_time srtt = status_of(t).srtt;
    in(t, ". 1 ack 101"); /* which of the two does it answer? */
    is(t, status_of(t).srtt, srtt);
    is(t, status_of(t).rto, 600 * MS); /* RFC 6298, 5: backed off until there is a new sample */
    write_octets(t, 100);
    out(t, "P. 101:201 ack 1");
    after(t, 150 * MS);
    in(t, ". 1 ack 201");
    holds(t, status_of(t).srtt > srtt);
    holds(t, status_of(t).rto < 400 * MS);
}

static void timestamps_tell_karn(struct t *t)
{
    open_with_rtt(t, MODERN, 100 * MS);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    out_after(t, status_of(t).rto, "P. 1:101 ack 1");
    const weir_time srtt = status_of(t).srtt;
    after(t, 20 * MS);
    in(t, ". 1 ack 101"); /* echoes the time of the second */
    holds(t, status_of(t).srtt < srtt);
}

static void timer_restarts_with_progress(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 3000);
    is(t, ignore(t), 3);
    silent(t, 150 * MS);
    in(t, ". 1 ack 1001"); /* RFC 6298, 5.3 */
    const weir_time rto = status_of(t).rto;
    silent(t, rto - MS);
    out_after(t, MS, ". 1001:2001 ack 1");
    ignore(t);
}

static void timer_stops(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    in(t, ". 1 ack 1001");
    silent(t, 10000 * SECONDS); /* RFC 6298, 5.2 */
    state(t, ESTABLISHED);
}

static void gives_up(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    const weir_time from = t->now;
    unsigned sent = 0;
    while (state_of(t) != WEIR_CLOSED && t->now - from < 3600 * SECONDS) {
        after(t, SECONDS);
        sent += ignore(t);
    }
    is(t, sent, 15);
    holds(t, t->now - from >= 100 * SECONDS); /* RFC 9293 SHLD-11 */
    holds(t, t->now - from >= 900 * SECONDS &&
                 t->now - from <= 930 * SECONDS); /* 924.6 s, as on Linux */
    ready_has(t, WEIR_ERROR);
    error_is(t, WEIR_TIMED_OUT);
    is(t, status_of(t).cause, WEIR_CAUSE_TIMEOUT);
    silent(t, 1000 * SECONDS);
}

/* Between R1 and R2 the program can see what is going on. */
static void the_program_can_know_before(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100);
    out(t, "P. 1:101 ack 1");
    for (unsigned i = 1; i <= 3; i++) {
        out_after(t, status_of(t).rto, "P. 1:101 ack 1");
        is(t, status_of(t).backoff, i);
        is(t, status_of(t).rto_count, i);
    }
    is(t, status_of(t).timer, WEIR_TIMER_RTX);
    state(t, ESTABLISHED);
}

static void syn_schedule(struct t *t)
{
    static const unsigned seconds[] = { 1, 1, 1, 1, 1, 2, 4, 8, 16, 32 };
    open_active(t);
    out(t, "S 0");
    const weir_time from = t->now;
    for (unsigned i = 0; i < 10; i++) {
        out_after(t, seconds[i] * SECONDS, "S 0 <mss %u,sackok,ts * -,ws 7>", path_mss(t));
        why(t, RTX_SYN);
    }
    silent(t, 64 * SECONDS + SECONDS);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
    holds(t, t->now - from <= 135 * SECONDS);
}

static void syn_retries_of_ones_own(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    set(t, SYNCNT, 2);
    after(t, 60 * SECONDS);
    is(t, ignore(t), 2);
    state(t, CLOSED);
}

static void syn_retries_for_three_minutes(struct t *t)
{
    t->config.syn_retries = 8; /* a host may be told to be as patient as the RFC */
    t->config.syn_linear = 0;
    open_active(t);
    out(t, "S 0");
    after(t, 190 * SECONDS);
    ignore(t);
    state(t, SYN_SENT);
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    state(t, ESTABLISHED);
}

static void syn_ack_schedule(struct t *t)
{
    open_listener(t, 4);
    in(t, "S 0");
    out(t, "S. 0 ack 1");
    for (unsigned i = 0; i < 5; i++) {
        out_after(t, (SECONDS << i), "S. 0 ack 1");
        why(t, RTX_SYN_ACK);
    }
    silent(t, 31 * SECONDS);
    state(t, SYN_RECEIVED);
    silent(t, 2 * SECONDS); /* 63 s */
    state(t, CLOSED);
    in(t, ". 1 ack 1");
    out(t, "R 1");
}

static void crossed_syn_is_retransmitted(struct t *t)
{
    reach(t, WEIR_SYN_RECEIVED);
    out_after(t, SECONDS, "S. 0 ack 1");
    after(t, 200 * SECONDS);
    ignore(t);
    state(t, CLOSED);
    error_is(t, WEIR_TIMED_OUT);
}

static void slow_first_round_trip(struct t *t)
{
    open_active(t);
    out(t, "S 0");
    out_after(t, SECONDS, "S 0");
    in(t, "S. 0 ack 1 <mss 1000>");
    out(t, ". 1 ack 1");
    write_octets(t, 5000);
    ignore(t);
    silent(t, 2 * SECONDS); /* RFC 6298, 5.7: three seconds, for one may have been too few */
    out_after(t, SECONDS, ". 1:1001 ack 1");
    ignore(t);
}

/* ---- congestion ---- */

static void initial_window(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 50000);
    is(t, ignore(t), 10);
    is(t, status_of(t).waits_for, WEIR_WAIT_CWND);
}

static void initial_window_of_large_segments(struct t *t)
{
    passive(t, "mss 1440");
    is(t, status_of(t).cwnd, 14400); /* min(10 MSS, max(2 MSS, 14600)) */
}

static void slow_start(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 200000);
    is(t, ignore(t), 10);
    for (unsigned i = 1; i <= 10; i++) { /* each ACK of a segment: one for it, one more */
        in(t, ". 1 ack %u", 1 + 1000 * i);
        is(t, ignore(t), 2);
    }
    is(t, status_of(t).cwnd, 20000);
}

static void ack_division(struct t *t)
{
    passive(t, "mss 1440");
    write_octets(t, 200000);
    is(t, ignore(t), 10);
    const unsigned before = status_of(t).cwnd;
    for (unsigned i = 1; i <= 10; i++) {
        in(t, ". 1 ack %u", 1 + 144 * i);
        ignore(t);
    }
    is(t, status_of(t).cwnd - before, 1440); /* octets, not ACKs */
}

/* RFC 4821, 7.7: what is long is swallowed, and no ICMP error comes. As Linux counts: three seconds
 * after the first retransmission, and each time after that, for either family. */
static void black_hole(struct t *t)
{
    passive(t, "mss 1460");
    write_octets(t, 1300);
    out(t, "P. 1:1301 ack 1");
    weir_time rto = status_of(t).rto;
    for (unsigned i = 0; i < 4; i++, rto *= 2)
        out_after(t, rto, "P. 1:1301 ack 1");
    for (unsigned mss = 1024; mss >= 128; mss /= 2, rto *= 2) {
        out_after(t, rto, ". 1:%u ack 1", 1 + mss);
        quiet(t);
    }
    out_after(t, rto, ". 1:89 ack 1"); /* nobody makes us send smaller ones */
    out_after(t, 2 * rto > 120 * SECONDS ? 120 * SECONDS : 2 * rto, ". 1:89 ack 1");
    in(t, ". 1 ack 1301");
    write_octets(t, 100); /* and so it stays */
    out(t, ". 1301:1389 ack 1");
    ignore(t);
}

static void black_hole_floor(struct t *t)
{
    t->config.mtu_floor_mss = 600;
    passive(t, "mss 1460");
    write_octets(t, 1300);
    ignore(t);
    for (unsigned i = 0; i < 8; i++) {
        after(t, status_of(t).rtx_at - t->now);
        ignore(t);
    }
    is(t, status_of(t).mss, 600);
    in(t, ". 1 ack 1301");
}

/* After a loss that duplicates told of the silence began with its retransmission. */
static void black_hole_after_recovery(struct t *t)
{
    const unsigned mss = t->v6 ? 1440 : 1460;
    passive(t, "mss 1460,sackok");
    write_octets(t, 6000);
    ignore(t);
    in(t, ". 1 ack 1 <sack %u:6001>", 1 + mss);
    out(t, ". 1:%u ack 1", 1 + mss);
    for (unsigned i = 0; i < 3; i++) {
        after(t, status_of(t).rtx_at - t->now);
        out(t, ". 1:%u ack 1", 1 + mss);
    }
    after(t, status_of(t).rtx_at - t->now);
    out(t, ". 1:1025 ack 1");
    in(t, ". 1 ack 6001");
}

/* What is short is not lost for its length, however long the peer is silent. */
static void black_hole_of_short(struct t *t)
{
    passive(t, "mss 1460");
    write_octets(t, 80);
    ignore(t);
    for (unsigned i = 0; i < 10; i++) {
        after(t, status_of(t).rtx_at - t->now);
        out(t, "P. 1:81 ack 1");
    }
    is(t, status_of(t).mss, t->v6 ? 1440 : 1460);
    in(t, ". 1 ack 81");
}

/* The search needs memory; without it the connection escapes all the same. */
static void black_hole_without_block(struct t *t)
{
    t->config.extra_max = 0;
    passive(t, "mss 1460");
    write_octets(t, 1300);
    ignore(t);
    for (unsigned i = 0; i < 6; i++) {
        after(t, status_of(t).rtx_at - t->now);
        ignore(t);
    }
    is(t, status_of(t).mss, 512);
    in(t, ". 1 ack 1301");
}

/* RFC 8899, 4.5: once it takes long ones again, probes find it out. */
static void black_hole_left(struct t *t)
{
    passive(t, "mss 1460,sackok");
    write_octets(t, 1300);
    ignore(t);
    for (unsigned i = 0; i < 6; i++) {
        after(t, status_of(t).rtx_at - t->now);
        ignore(t);
    }
    is(t, status_of(t).mss, 1024);
    for (unsigned i = 0; i < 30; i++) {
        in(t, ". 1 ack %u", sent_up_to(t));
        ignore(t);
        write_octets(t, 20000);
        ignore(t);
        after(t, MS);
        ignore(t);
    }
    holds(t, status_of(t).mss + 8u > path_mss(t));
    is(t, status_of(t).recovery_count, 0);
}

static void no_black_hole(struct t *t)
{
    t->config.mtu_probing = 0;
    passive(t, "mss 1460");
    write_octets(t, 1300);
    out(t, "P. 1:1301 ack 1");
    weir_time rto = status_of(t).rto;
    for (unsigned i = 0; i < 6; i++, rto *= 2)
        out_after(t, rto, "P. 1:1301 ack 1");
}

static void congestion_avoidance(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 400000);
    ignore(t);
    after(t, 201 * MS); /* a time-out sets ssthresh to half of what is in flight */
    ignore(t);
    is(t, status_of(t).cwnd, 1000);
    is(t, status_of(t).ssthresh, 5000);
    unsigned acked = 1;
    for (unsigned i = 0; i < 200 && status_of(t).cwnd < 5000; i++) {
        acked += 1000;
        in(t, ". 1 ack %u", acked);
        ignore(t);
    }
    holds(t, status_of(t).cwnd < 7000);
    /* Beyond it: about one segment a round trip. */
    in(t, ". 1 ack %u", sent_up_to(t));
    ignore(t);
    acked = sent_up_to(t);
    const unsigned from = status_of(t).cwnd;
    unsigned round_end = sent_up_to(t), rounds = 0;
    unsigned una = round_end - status_of(t).unacked;
    while (rounds < 4) {
        una += 1000;
        in(t, ". 1 ack %u", una);
        ignore(t);
        if (una >= round_end) {
            round_end = sent_up_to(t);
            rounds++;
        }
    }
    const unsigned grown = status_of(t).cwnd - from;
    holds(t, grown >= 2000 && grown <= 5000);
}

static void timeout_begins_anew(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 20000);
    is(t, ignore(t), 10);
    out_after(t, 200 * MS, ". 1:1001 ack 1");
    quiet(t);
    is(t, status_of(t).cwnd, 1000);
    in(t, ". 1 ack 1001"); /* slow start over what was lost */
    out(t, ". 1001:2001 ack 1");
    out(t, ". 2001:3001 ack 1");
    quiet(t);
    out_after(t, status_of(t).rto, ". 1001:2001 ack 1");
    ignore(t);
    is(t, status_of(t).ssthresh,
       5000); /* RFC 5681, 3.1: the second time-out of a loss does not halve again */
}

static void only_three_duplicates(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 10000);
    is(t, ignore(t), 10);
    in(t, ". 1 ack 1");
    in(t, ". 1 ack 1");
    for (unsigned i = t->tail; t->head < i; t->head++)
        holds(t, t->queue[t->head].seq - t->peers[0].base > 10000 - 1000 + 1000);
    quiet(t);
    in(t, ". 1 ack 1");
    out(t, ". 1:1001 ack 1");
    why(t, RTX_FAST);
    ignore(t);
    is(t, status_of(t).ssthresh, 5000);
    is(t, status_of(t).recovery_count, 1);
}

/* RFC 5681, 2: not a duplicate: other window, text, or nothing outstanding. */
static void what_is_no_duplicate(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 5000);
    is(t, ignore(t), 5);
    for (unsigned i = 0; i < 6; i++) {
        in(t, ". %u ack 1 win %u", 1 + i, 60000 - i);
        in(t, ". %u:%u ack 1 win %u", 1 + i, 2 + i, 60000 - i);
        ignore(t);
    }
    is(t, status_of(t).recovery_count, 0);
    is(t, status_of(t).segs_rtx, 0);
    is(t, status_of(t).dupacks, 0);
}

static void newreno(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 40000);
    is(t, ignore(t), 10); /* 1 and 4001 are lost */
    in(t, ". 1 ack 1");
    out(t, ". 10001:11001 ack 1"); /* RFC 3042: limited transmit */
    in(t, ". 1 ack 1");
    out(t, ". 11001:12001 ack 1");
    in(t, ". 1 ack 1");
    out(t, ". 1:1001 ack 1");
    ignore(t);
    for (unsigned i = 0; i < 5; i++) {
        in(t, ". 1 ack 1");
        ignore(t);
    }
    in(t, ". 1 ack 4001"); /* a partial ACK: the next one was lost too */
    out(t, ". 4001:5001 ack 1");
    ignore(t);
    is(t, status_of(t).recovery_count, 1);
    in(t, ". 1 ack %u", sent_up_to(t));
    ignore(t);
    holds(t, status_of(t).cwnd <= 7000);
}

static void sack_recovery(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 40000);
    is(t, ignore(t), 10); /* 1, 3001 and 5001 are lost */
    in(t, ". 1 ack 1 <sack 1001:2001>");
    out(t, ". 10001:11001 ack 1"); /* what has left makes room for something new */
    in(t, ". 1 ack 1 <sack 1001:3001>");
    out(t, ". 11001:12001 ack 1");
    in(t, ". 1 ack 1 <sack 4001:5001 1001:3001>");
    out(t, ". 1:1001 ack 1"); /* more than two segments above it are sacked */
    why(t, RTX_RACK);
    ignore(t);
    in(t, ". 1 ack 1 <sack 6001:7001 4001:5001 1001:3001>");
    ignore(t);
    in(t, ". 1 ack 1 <sack 6001:8001 4001:5001 1001:3001>");
    bool again_3001 = false;
    for (; t->head < t->tail; t->head++)
        again_3001 |= t->queue[t->head].seq - t->peers[0].base == 3001;
    in(t, ". 1 ack 1 <sack 6001:9001 4001:5001 1001:3001>");
    for (; t->head < t->tail; t->head++)
        again_3001 |= t->queue[t->head].seq - t->peers[0].base == 3001;
    in(t, ". 1 ack 1 <sack 6001:10001 4001:5001 1001:3001>");
    for (; t->head < t->tail; t->head++)
        again_3001 |= t->queue[t->head].seq - t->peers[0].base == 3001;
    holds(t, again_3001);
    is(t, status_of(t).recovery_count, 1);
    is(t, status_of(t).ssthresh, 6000);
    in(t, ". 1 ack %u", sent_up_to(t));
    ignore(t);
    is(t, status_of(t).sacked, 0);
}

static void sacked_is_not_sent_again(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 5000);
    is(t, ignore(t), 5);
    in(t, ". 1 ack 1 <sack 1001:5001>");
    out(t, ". 1:1001 ack 1");
    quiet(t);
    out_after(t, status_of(t).rto, ". 1:1001 ack 1");
    in(t, ". 1 ack 1001 <sack 1001:5001>");
    quiet(t);
}

static void reneging(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 5000);
    is(t, ignore(t), 5);
    in(t, ". 1 ack 1 <sack 1001:5001>");
    out(t, ". 1:1001 ack 1");
    in(t, ". 1 ack 1001"); /* it has thrown away what it had sacked */
    quiet(t);
    out_after(t, 10 * MS, ". 1001:2001 ack 1"); /* half a round trip, at least 10 ms: as Linux */
    why(t, RTX_RTO);
    in(t, ". 1 ack 2001");
    out(t, ". 2001:3001 ack 1");
    out(t, ". 3001:4001 ack 1");
}

static void sack_lies(struct t *t)
{
    passive(t, SACK);
    write_octets(t, 5000);
    is(t, ignore(t), 5);
    in(t, ". 1 ack 1 <sack 3001:2001>");
    in(t, ". 1 ack 1 <sack 4001:9001>");
    in(t, ". 1 ack 1 <sack -5:-1>");
    in(t, ". 1 ack 1 <sack 2001:2001>");
    in(t, ". 1 ack 1 <sack 100000:200000>");
    in(t, ". 1 ack 1 <x0509010203040506>");
    in(t, ". 1 ack 1 <x05120102030405060708>");
    is(t, status_of(t).sacked, 0);
    in(t, ". 1 ack 1 <sack 1001:1002 2500:2600>"); /* no whole segment */
    is(t, status_of(t).sacked, 0);
    quiet(t);
    state(t, ESTABLISHED);
}

static void duplicates_of_a_liar(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100000);
    is(t, ignore(t), 10);
    unsigned sent = 0;
    for (unsigned i = 0; i < 300; i++) { /* T-41: inflation is bounded by what was outstanding */
        in(t, ". 1 ack 1");
        sent += ignore(t);
    }
    is(t, status_of(t).recovery_count, 1);
    holds(t, sent <= 12);
    holds(t, status_of(t).cwnd <= 10000);
}

static void limited_by_the_program(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 200; i++) { /* RFC 7661: what is not used does not grow */
        write_octets(t, 100);
        ignore(t);
        in(t, ". 1 ack %u", 101 + 100 * i);
    }
    is(t, status_of(t).cwnd, 10000);
}

static void ack_of_what_was_never_sent(struct t *t)
{
    passive(t, PLAIN);
    write_octets(t, 100000);
    is(t, ignore(t), 10);
    in(t, ". 1 ack 11001"); /* T-42 */
    drop(t, ACK_UNACCEPTABLE);
    out(t, ". 10001 ack 1");
    is(t, status_of(t).cwnd, 10000);
    is(t, status_of(t).unacked, 10000);
}

static void idle_restart(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 5; i++) {
        write_octets(t, 40000);
        ignore(t);
        for (unsigned j = 0; j < 8; j++) {
            in(t, ". 1 ack %u", sent_up_to(t));
            ignore(t);
        }
    }
    holds(t, status_of(t).cwnd > 20000);
    silent(t, 100 * SECONDS);
    write_octets(t, 40000); /* RFC 5681, 4.1 */
    is(t, ignore(t), 10);
}

static void full_sized_segments(struct t *t)
{
    passive(t, PLAIN);
    for (unsigned i = 0; i < 10; i++)
        write_flags(t, 250, i < 9 ? WEIR_MORE : 0);
    out(t, ". 1:1001 ack 1"); /* more follows: no PSH */
    out(t, ". 1001:2001 ack 1");
    out(t, "P. 2001:2501 ack 1");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(backs_off, "RFC 9293 MUST-19: the time-out doubles, up to its limit"),
        CASE(rto_from_the_first_sample,
             "RFC 9293 MUST-18: SRTT and RTTVAR of RFC 6298, 2.2 and 2.3"),
        CASE(karn, "RFC 9293 MUST-18: what was sent twice is not measured"),
        CASE(timestamps_tell_karn, "RFC 7323 4.3: ... but timestamps can tell"),
        CASE(timer_restarts_with_progress,
             "RFC 6298 5.3: an ACK of something new starts the timer again"),
        CASE(timer_stops, "RFC 6298 5.2: with everything acknowledged there is no timer"),
        CASE(gives_up, "RFC 9293 MUST-20, SHLD-11: R2 ends it, after more than 100 s"),
        CASE(the_program_can_know_before,
             "RFC 9293 SHLD-9, SHLD-10: three retransmissions and more can be seen"),
        CASE(syn_schedule,
             "RFC 9293 MUST-22: 1 1 1 1 1 2 4 8 16 32 s, and failure after 133 s, as on Linux"),
        CASE(syn_retries_of_ones_own, "a program may say how often"),
        CASE(syn_retries_for_three_minutes,
             "RFC 9293 MUST-23: a host can be made to try for three minutes"),
        CASE(syn_ack_schedule, "RFC 9293 MUST-22: a SYN-ACK 1 2 4 8 16 s, forgotten after 63 s"),
        CASE(crossed_syn_is_retransmitted,
             "RFC 9293 MUST-22: the SYN-ACK of a simultaneous open too"),
        CASE(slow_first_round_trip, "RFC 6298 5.7: after a lost SYN the time-out is three seconds"),
        CASE(initial_window, "RFC 6928: ten segments"),
        CASE(initial_window_of_large_segments, "RFC 6928: ... or less"),
        CASE(slow_start, "RFC 9293 MUST-19: slow start"),
        CASE(ack_division, "RFC 3465: octets are counted, not ACKs"),
        CASE(black_hole, "RFC 4821 7.7: three seconds of timeouts: shorter segments are tried"),
        CASE(black_hole_floor, "... down to what is configured"),
        CASE(black_hole_after_recovery, "... counted from the first retransmission"),
        CASE(black_hole_of_short, "... if there are any"),
        CASE(black_hole_without_block, "... also without the search's memory"),
        CASE(black_hole_left, "RFC 8899 4.5: and longer again, by probes"),
        CASE(no_black_hole, "... unless told not to"),
        CASE(congestion_avoidance, "RFC 9293 MUST-19: congestion avoidance"),
        CASE(timeout_begins_anew,
             "RFC 5681 3.1: after a time-out, one segment; only the first one halves"),
        CASE(only_three_duplicates, "RFC 5681 3.2: the third duplicate"),
        CASE(what_is_no_duplicate, "RFC 5681 2: what does not count as one"),
        CASE(newreno, "RFC 6582: a partial ACK"),
        CASE(sack_recovery, "RFC 6675: holes are filled, one reduction an episode"),
        CASE(sacked_is_not_sent_again,
             "RFC 6675: what was sacked is not sent again, not even after a time-out"),
        CASE(reneging, "RFC 2018 8: ... unless the peer has thrown it away"),
        CASE(sack_lies, "blocks that cannot be are ignored, and no segment is sacked by parts"),
        CASE(duplicates_of_a_liar, "duplicates buy no more than what is outstanding"),
        CASE(limited_by_the_program, "RFC 7661: cwnd grows only while it limits"),
        CASE(ack_of_what_was_never_sent, "an ACK of what was never sent earns nothing"),
        CASE(idle_restart, "RFC 5681 4.1: after a silence no more than the initial window"),
        CASE(full_sized_segments, "RFC 9293 SHLD-28: full-sized segments, whatever the writes"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
