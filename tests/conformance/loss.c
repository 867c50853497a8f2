/* SPDX-License-Identifier: MIT */
#include "harness.h"

/* Loss recovery with SACK: RFC 8985 (RACK-TLP), 9937 (PRR), 5682 (F-RTO), 3522 and 4015 (Eifel),
 * 2883 (DSACK). What RFC 5681, 6298, 6582 and 6675 ask is in rtx.c.
 *
 * Every round trip is 100 ms: then the timeout is 300 ms, the probe's 202 ms, and what is out of
 * order has 25 ms. */

#define RTT 100 * MS
#define PTO 202 * MS
#define REO 25 * MS
#define RTO 300 * MS

/* Ten segments of 1000 octets leave at once, and a round trip is over. */
static void ten_in_flight(struct t *t, const char *options, unsigned octets)
{
    open_listener(t, 4);
    in(t, "S 0 <%s>", options);
    out(t, "S. 0 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 1");
    accept_conn(t);
    write_octets(t, octets);
    is(t, ignore(t), octets < 10000 ? octets / 1000 : 10);
}

/* ---- RACK: RFC 8985, 6 ---- */

static void three_above(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:2001>");
    quiet(t);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    quiet(t);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    why(t, RTX_RACK);
    quiet(t);
    is(t, status_of(t).recovery_count, 1);
}

static void one_above_and_time(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:2001>");
    is(t, status_of(t).timer, WEIR_TIMER_REORDER);
    is(t, status_of(t).reo_wnd, REO);
    out_after(t, REO, ". 1:1001 ack 1");
    why(t, RTX_RACK);
    quiet(t);
    is(t, status_of(t).rto_count, 0);
}

static void late_but_in_time(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    silent(t, REO - 1);
    in(t, ". 1 ack 3001");
    silent(t, REO);
    is(t, status_of(t).segs_rtx, 0);
    is(t, status_of(t).reordering, 1);
    is(t, status_of(t).recovery_count, 0);
}

/* Once reordering was seen, three above prove nothing any more. */
static void three_above_after_reordering(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    in(t, ". 1 ack 3001");
    in(t, ". 1 ack 3001 <sack 4001:10001>");
    quiet(t);
    out_after(t, REO, ". 3001:4001 ack 1");
}

static void no_shortcut_if_so_configured(struct t *t)
{
    t->config.rack = WEIR_RACK_ON | WEIR_RACK_NO_DUPTHRESH;
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:10001>");
    quiet(t);
    out_after(t, REO, ". 1:1001 ack 1");
}

static void by_counting_if_so_configured(struct t *t)
{
    t->config.rack = 0;
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:2001>");
    silent(t, REO + MS);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    why(t, RTX_FAST);
}

/* In recovery a hole below what left later and has arrived is lost at once. */
static void holes_found_during_recovery(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    in(t, ". 1 ack 1 <sack 5001:8001 1001:4001>");
    out(t, ". 4001:5001 ack 1");
    why(t, RTX_RACK);
    is(t, status_of(t).recovery_count, 1);
}

/* What left after the retransmission has arrived: so that was lost, too. No timeout, and not
 * another reduction. */
static void lost_again(struct t *t)
{
    ten_in_flight(t, SACK, 40000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    for (unsigned i = 5; i <= 10; i++)
        in(t, ". 1 ack 1 <sack 1001:%u>", i * 1000 + 1), ignore(t);
    const unsigned ssthresh = status_of(t).ssthresh;
    after(t, RTT);
    is(t, ignore(t), 0);
    in(t, ". 1 ack 1 <sack 1001:11001>");
    out(t, ". 1:1001 ack 1");
    why(t, RTX_RACK);
    ignore(t);
    is(t, status_of(t).rto_count, 0);
    is(t, status_of(t).recovery_count, 1);
    is(t, status_of(t).ssthresh, ssthresh);
}

/* The ACK comes sooner after the retransmission than any round trip: it is the original's. */
static void sooner_than_any_round_trip(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 2001:5001>");
    out(t, ". 1:1001 ack 1");
    after(t, RTT / 2);
    ignore(t);
    in(t, ". 1 ack 2001 <sack 2001:5001>"); /* which means that it says nothing of what followed */
    ignore(t);
    is(t, status_of(t).lost, 0);
}

/* RFC 8985, 6.3: what has just left is not lost because the first segment is. */
static void timeout_spares_the_young(struct t *t)
{
    t->config.early_retrans = 0;
    ten_in_flight(t, SACK, 3000);
    after(t, RTT);
    in(t, ". 1 ack 1001"); /* restarts the timeout */
    silent(t, 250 * MS);
    write_octets(t, 1000);
    out(t, "P. 3001:4001 ack 1");
    out_after(t, 50 * MS, ". 1001:2001 ack 1");
    is(t, status_of(t).rto_count, 1);
    is(t, status_of(t).lost, 2000);
}

static void dsack_widens(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    in(t, ". 1 ack 3001"); /* reordering is known */
    in(t, ". 1 ack 3001 <sack 4001:7001>");
    out_after(t, REO, ". 3001:4001 ack 1");
    after(t, 10 * MS);
    in(t, ". 1 ack 7001");                  /* the original, or so it seems */
    in(t, ". 1 ack 7001 <sack 3001:4001>"); /* ... and now the copy */
    is(t, status_of(t).dsack_count, 1);
    is(t, status_of(t).reo_wnd, 2 * REO);
    is(t, status_of(t).undo_count, 1);
}

static void static_window(struct t *t)
{
    t->config.rack |= WEIR_RACK_STATIC;
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    in(t, ". 1 ack 3001");
    in(t, ". 1 ack 3001 <sack 4001:7001>");
    out_after(t, REO, ". 3001:4001 ack 1");
    in(t, ". 1 ack 7001");
    in(t, ". 1 ack 7001 <sack 3001:4001>");
    is(t, status_of(t).reo_wnd, REO);
}

static void shortest_round_trip_of_late(struct t *t)
{
    ten_in_flight(t, SACK, 1000);
    after(t, RTT / 2);
    in(t, ". 1 ack 1001");
    is(t, status_of(t).rtt_min, RTT / 2);
    for (unsigned i = 1; i <= 4; i++) { /* the way has become longer */
        silent(t, 100 * SECONDS);
        write_octets(t, 1000);
        is(t, ignore(t), 1);
        after(t, 2 * RTT);
        in(t, ". 1 ack %u", 1001 + 1000 * i);
    }
    is(t, status_of(t).rtt_min, 2 * RTT);
}

/* ---- Probes: RFC 8985, 7 ---- */

static void probe_shows_the_tail(struct t *t)
{
    ten_in_flight(t, SACK, 3000);
    is(t, status_of(t).timer, WEIR_TIMER_TLP);
    out_after(t, PTO, "P. 2001:3001 ack 1");
    why(t, RTX_TLP);
    is(t, status_of(t).tlp_count, 1);
    is(t, status_of(t).cwnd, 10000); /* nothing is known to be lost yet */
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 2001:3001>");
    out(t, ". 1:1001 ack 1");
    why(t, RTX_RACK);
    after(t, RTT);
    in(t, ". 1 ack 1001 <sack 2001:3001>");
    out(t, ". 1001:2001 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 3001");
    is(t, status_of(t).rto_count, 0);
    is(t, status_of(t).recovery_count, 1);
}

static void probe_with_something_new(struct t *t)
{
    ten_in_flight(t, SACK, 15000);
    out_after(t, PTO, ". 10001:11001 ack 1"); /* beyond cwnd */
    why(t, NEW_TLP);
    quiet(t);
}

static void no_room_for_something_new(struct t *t)
{
    t->win = 3000;
    ten_in_flight(t, SACK, 3000);
    write_octets(t, 3000);
    quiet(t);
    out_after(t, PTO, "P. 2001:3001 ack 1"); /* a write ended with it */
    why(t, RTX_TLP);
}

static void one_probe_a_tail(struct t *t)
{
    ten_in_flight(t, SACK, 3000);
    out_after(t, PTO, "P. 2001:3001 ack 1");
    is(t, status_of(t).timer, WEIR_TIMER_RTX);
    out_after(t, RTO, ". 1:1001 ack 1"); /* counted from the probe */
    why(t, RTX_RTO);
    is(t, status_of(t).tlp_count, 1);
}

/* A single segment may be waiting for a delayed acknowledgement: 2 SRTT + 200 ms, but not beyond
 * the timeout. */
static void probe_for_one_segment(struct t *t)
{
    ten_in_flight(t, SACK, 1000);
    out_after(t, RTO, "P. 1:1001 ack 1");
    why(t, RTX_TLP);
    is(t, status_of(t).rto_count, 0);
    out_after(t, RTO, "P. 1:1001 ack 1"); /* the timeout is counted from here */
    why(t, RTX_RTO);
}

static void probe_carries_the_fin(struct t *t)
{
    ten_in_flight(t, SACK, 2000);
    close_conn(t);
    out(t, "F. 2001 ack 1");
    out_after(t, PTO, "F. 2001 ack 1");
    why(t, RTX_TLP);
}

static void no_probe_without_sack(struct t *t)
{
    ten_in_flight(t, PLAIN, 3000);
    out_after(t, RTO, ". 1:1001 ack 1");
    why(t, RTX_RTO);
}

static void no_probe_if_so_configured(struct t *t)
{
    t->config.early_retrans = 2;
    ten_in_flight(t, SACK, 3000);
    out_after(t, RTO, ". 1:1001 ack 1");
    why(t, RTX_RTO);
}

static void probe_that_was_needed(struct t *t)
{
    ten_in_flight(t, SACK, 3000);
    after(t, RTT);
    in(t, ". 1 ack 2001");
    out_after(t, RTO, "P. 2001:3001 ack 1");
    why(t, RTX_TLP);
    write_octets(t, 1000);
    out(t, "P. 3001:4001 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 4001"); /* no duplicate was reported: there was one copy only */
    is(t, status_of(t).recovery_count, 1);
    holds(t, status_of(t).cwnd < 10000);
}

static void probe_that_was_not(struct t *t)
{
    ten_in_flight(t, SACK, 3000);
    after(t, RTT);
    in(t, ". 1 ack 2001");
    out_after(t, RTO, "P. 2001:3001 ack 1");
    write_octets(t, 1000);
    out(t, "P. 3001:4001 ack 1");
    in(t, ". 1 ack 3001 <sack 2001:3001>");
    in(t, ". 1 ack 4001");
    is(t, status_of(t).recovery_count, 0);
    holds(t, status_of(t).cwnd >= 10000);
}

/* Ours: the echo tells at once, though nothing more is ever sent. */
/* ---- PRR: RFC 9937 ---- */

/* ssthresh is half of RecoverFS: for two that arrive one leaves, from the first ACK on. */
static void one_for_two(struct t *t)
{
    ten_in_flight(t, SACK, 60000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    is(t, ignore(t), 2); /* limited transmit: RecoverFS is twelve less two */
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    quiet(t);
    is(t, status_of(t).ssthresh, 6000);
    unsigned left = 1;
    for (unsigned i = 5; i <= 12; i++) {
        in(t, ". 1 ack 1 <sack 1001:%u>", i * 1000 + 1);
        const unsigned now = ignore(t);
        holds(t, now <= 1);
        left += now;
    }
    is(t, left, 6); /* of nine: then the pipe holds ssthresh */
    in(t, ". 1 ack 12001");
    ignore(t);
    holds(t, status_of(t).cwnd >= 6000 && status_of(t).cwnd < 6200);
}

/* Most of the flight is lost: what leaves is what arrives, until all goes well; then one more. */
static void conservation_then_one_more(struct t *t)
{
    ten_in_flight(t, SACK, 60000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 7001:10001>");
    is(t, ignore(t), 3);
    is(t, status_of(t).lost, 7000);
    after(t, RTT);
    is(t, ignore(t), 0);
    in(t, ". 1 ack 1001 <sack 7001:10001>");
    is(t, ignore(t), 2);
    in(t, ". 1 ack 2001 <sack 7001:10001>");
    is(t, ignore(t), 2);
}

/* ---- What was not lost ---- */

static void timeout_undone_by_new_acks(struct t *t)
{
    t->config.early_retrans = 0;
    ten_in_flight(t, SACK, 40000);
    out_after(t, RTO, ". 1:1001 ack 1");
    is(t, status_of(t).cwnd, 1000);
    in(t, ". 1 ack 1001"); /* RFC 5682, 3.1, step 2b: something new, and not what seems lost */
    out(t, ". 10001:11001 ack 1");
    out(t, ". 11001:12001 ack 1");
    quiet(t);
    in(t, ". 1 ack 2001"); /* step 3b: it was never sent again */
    holds(t, status_of(t).cwnd >= 10000);
    holds(t, status_of(t).ssthresh > 1000000);
    is(t, status_of(t).undo_count, 1);
    is(t, status_of(t).lost, 0);
    ignore(t);
    is(t, status_of(t).segs_rtx, 1);
}

static void timeout_that_was_right(struct t *t)
{
    t->config.early_retrans = 0;
    ten_in_flight(t, SACK, 40000);
    out_after(t, RTO, ". 1:1001 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 1001");
    out(t, ". 10001:11001 ack 1");
    out(t, ". 11001:12001 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 1001 <sack 10001:11001>"); /* step 3a */
    out(t, ". 1001:2001 ack 1");
    ignore(t);
    is(t, status_of(t).undo_count, 0);
}

static void no_frto_if_so_configured(struct t *t)
{
    t->config.early_retrans = 0;
    t->config.frto = 0;
    ten_in_flight(t, SACK, 40000);
    out_after(t, RTO, ". 1:1001 ack 1");
    in(t, ". 1 ack 1001");
    out(t, ". 1001:2001 ack 1");
    out(t, ". 2001:3001 ack 1");
}

static void frto_with_nothing_new(struct t *t)
{
    t->config.early_retrans = 0;
    ten_in_flight(t, SACK, 10000);
    out_after(t, RTO, ". 1:1001 ack 1");
    in(t, ". 1 ack 1001");
    out(t, ". 1001:2001 ack 1"); /* RFC 5682, 3.1, step 2: then as ever */
    out(t, ". 2001:3001 ack 1");
}

static void timeout_undone_by_the_echo(struct t *t)
{
    t->config.early_retrans = 0;
    ten_in_flight(t, "mss 1012,sackok,ts 1 -", 10000);
    const uint32_t first = t->peers[0].ts_seen;
    out_after(t, RTO, ". 1:1001 ack 1");
    after(t, 50 * MS);
    t->peers[0].ts_seen = first;
    in(t, ". 1 ack 1001"); /* RFC 3522, 3.2: older than what was sent again */
    quiet(t);
    is(t, status_of(t).undo_count, 1);
    holds(t, status_of(t).cwnd >= 10000);
    holds(t, status_of(t).rto > RTO); /* and the round trip was long: RFC 4015, 3.2, step 6 */
}

static void recovery_undone_by_the_echo(struct t *t)
{
    ten_in_flight(t, "mss 1012,sackok,ts 1 -", 10000);
    const uint32_t first = t->peers[0].ts_seen;
    after(t, RTT);
    in(t, ". 1 ack 1 <nop,nop,ts 201 =,sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    is(t, status_of(t).ssthresh, 5000);
    after(t, 10 * MS);
    t->peers[0].ts_seen = first;
    in(t, ". 1 ack 4001");
    is(t, status_of(t).undo_count, 1);
    holds(t, status_of(t).cwnd >= 10000);
    holds(t, status_of(t).ssthresh > 1000000);
    is(t, status_of(t).reordering, 1);
}

static void recovery_not_undone(struct t *t)
{
    ten_in_flight(t, "mss 1012,sackok,ts 1 -", 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <nop,nop,ts 201 =,sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    after(t, RTT);
    in(t, ". 1 ack 4001"); /* echoes the retransmission */
    ignore(t);
    is(t, status_of(t).undo_count, 0);
    is(t, status_of(t).ssthresh, 5000);
}

/* The first was late, but the second may have been lost: while what was sent again for it is on its
 * way nothing is put back. */
static void not_yet_undone(struct t *t)
{
    ten_in_flight(t, "mss 1012,sackok,ts 1 -", 10000);
    const uint32_t first = t->peers[0].ts_seen;
    after(t, RTT);
    in(t, ". 1 ack 1 <nop,nop,ts 201 =,sack 2001:5001>");
    out(t, ". 1:1001 ack 1");
    ignore(t);
    in(t, ". 1 ack 1 <nop,nop,ts 201 =,sack 2001:7001>");
    ignore(t);
    is(t, status_of(t).segs_rtx, 2);
    const uint32_t again = t->peers[0].ts_seen;
    t->peers[0].ts_seen = first;
    in(t, ". 1 ack 1001 <nop,nop,ts 201 =,sack 2001:7001>");
    is(t, status_of(t).undo_count, 0);
    after(t, RTT);
    ignore(t);
    t->peers[0].ts_seen = again;
    in(t, ". 1 ack 10001");
    is(t, status_of(t).undo_count, 0);
    is(t, status_of(t).ssthresh, 5000);
}

static void recovery_undone_by_dsack(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:4001>");
    out(t, ". 1:1001 ack 1");
    in(t, ". 1 ack 4001");
    is(t, status_of(t).undo_count, 0);
    in(t, ". 1 ack 4001 <sack 1:1001>");
    is(t, status_of(t).undo_count, 1);
    holds(t, status_of(t).cwnd >= 10000);
    holds(t, status_of(t).ssthresh > 1000000);
}

/* Two were sent again, one of them for nothing: the other was lost. */
static void one_dsack_for_two(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 2001:5001>");
    out(t, ". 1:1001 ack 1");
    ignore(t);
    in(t, ". 1 ack 1 <sack 2001:7001>");
    ignore(t);
    is(t, status_of(t).segs_rtx, 2);
    in(t, ". 1 ack 7001");
    in(t, ". 1 ack 7001 <sack 1:1001>");
    is(t, status_of(t).undo_count, 0);
    is(t, status_of(t).ssthresh, 5000);
}

/* DSACKs of what was never sent again change nothing, however many. */
static void dsack_lies(struct t *t)
{
    ten_in_flight(t, SACK, 10000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    in(t, ". 1 ack 5001"); /* there is reordering, so DSACKs count */
    is(t, status_of(t).reordering, 1);
    for (unsigned i = 0; i < 20; i++)
        in(t, ". 1 ack 5001 <sack %u:%u>", 1 + i * 100, 1001 + i * 100);
    is(t, status_of(t).undo_count, 0);
    is(t, status_of(t).reo_wnd, REO);
    is(t, status_of(t).cwnd, 13000);
}

/* What is sacked has arrived, too, and cwnd grows with it once reordering is known: else a path
 * that reorders would never let it grow. */
static void growth_with_reordering(struct t *t)
{
    ten_in_flight(t, SACK, 60000);
    after(t, RTT);
    in(t, ". 1 ack 1 <sack 1001:3001>");
    ignore(t);
    in(t, ". 1 ack 3001");
    ignore(t);
    const unsigned before = status_of(t).cwnd;
    in(t, ". 1 ack 3001 <sack 4001:6001>");
    ignore(t);
    is(t, status_of(t).cwnd, before + 2000);
    in(t, ". 1 ack 6001");
    ignore(t);
    is(t, status_of(t).cwnd, before + 3000);
}

/* ---- Settings ---- */

static void shorter_timeout(struct t *t)
{
    t->config.rto_min = 20 * MS;
    passive(t, PLAIN);
    write_octets(t, 1000);
    out(t, "P. 1:1001 ack 1");
    out_after(t, 20 * MS, "P. 1:1001 ack 1");
}

static void thin_stream(struct t *t)
{
    ten_in_flight(t, PLAIN, 1000);
    set(t, THIN_LINEAR, 1);
    for (unsigned i = 0; i < 6; i++)
        out_after(t, RTO, "P. 1:1001 ack 1");
    out_after(t, RTO, "P. 1:1001 ack 1");
    out_after(t, 2 * RTO, "P. 1:1001 ack 1"); /* six are enough */
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(three_above, "RFC 8985 6.2 step 4: three above a hole, while nothing is out of order"),
        CASE(one_above_and_time,
             "RFC 8985 6.2 step 5: one above it, and a quarter of a round trip"),
        CASE(late_but_in_time, "RFC 8985 6.2 step 3: what comes in that time was not lost"),
        CASE(three_above_after_reordering,
             "RFC 8985 6.2 step 4: ... and from then on time alone decides"),
        CASE(no_shortcut_if_so_configured, "tcp_recovery 4: time alone from the beginning"),
        CASE(by_counting_if_so_configured, "tcp_recovery 0: RFC 6675"),
        CASE(holes_found_during_recovery, "RFC 8985 6.2 step 4: no waiting during recovery"),
        CASE(lost_again, "RFC 8985 6.2: a retransmission that was lost needs no timeout"),
        CASE(sooner_than_any_round_trip,
             "RFC 8985 6.2 step 2: an ACK that came too soon is not a retransmission's"),
        CASE(timeout_spares_the_young, "RFC 8985 6.3: a timeout is not about what has just left"),
        CASE(dsack_widens, "RFC 8985 6.2 step 4: a DSACK widens the window"),
        CASE(static_window, "tcp_recovery 2: ... or does not"),
        CASE(shortest_round_trip_of_late, "RFC 8985 6.2 step 1: min_RTT forgets after minutes"),
        CASE(probe_shows_the_tail, "RFC 8985 7.2: a lost tail is found by a probe"),
        CASE(probe_with_something_new, "RFC 8985 7.3: something new is the better probe"),
        CASE(no_room_for_something_new, "RFC 8985 7.3: ... if the peer's window has room"),
        CASE(one_probe_a_tail, "RFC 8985 7.3: one probe, then the timeout"),
        CASE(probe_for_one_segment, "RFC 8985 7.2: a single segment may wait for a delayed ACK"),
        CASE(probe_carries_the_fin, "RFC 8985 7.3: the last segment may be a FIN"),
        CASE(no_probe_without_sack, "RFC 8985 7.2: no probe without SACK"),
        CASE(no_probe_if_so_configured, "tcp_early_retrans below 3: no probe"),
        CASE(probe_that_was_needed, "RFC 8985 7.4.2: what a probe repaired was a loss"),
        CASE(probe_that_was_not, "RFC 8985 7.4.2: a DSACK says that it repaired nothing"),
        CASE(one_for_two, "RFC 9937 6: what leaves is in proportion to what arrives"),
        CASE(conservation_then_one_more, "RFC 9937 6: below ssthresh CRB, and SSRB if all is well"),
        CASE(timeout_undone_by_new_acks, "RFC 5682 3.1: a spurious timeout is found and undone"),
        CASE(timeout_that_was_right, "RFC 5682 3.1: ... a real one is not"),
        CASE(no_frto_if_so_configured, "tcp_frto 0: no such thing"),
        CASE(frto_with_nothing_new, "RFC 5682 3.1: without anything new to send, as ever"),
        CASE(timeout_undone_by_the_echo, "RFC 3522, 4015: a spurious timeout, told by the echo"),
        CASE(recovery_undone_by_the_echo, "RFC 3522, 4015: a spurious fast retransmit"),
        CASE(recovery_not_undone, "RFC 3522: the echo of what was sent again undoes nothing"),
        CASE(not_yet_undone, "RFC 4015 3.2: ... nor while it is not known of all"),
        CASE(recovery_undone_by_dsack, "RFC 2883, 4015: all that was sent again came twice"),
        CASE(one_dsack_for_two, "RFC 2883: ... only some of it did"),
        CASE(dsack_lies, "RFC 2883: DSACKs of what was sent once are not believed"),
        CASE(growth_with_reordering,
             "RFC 3465: what is sacked has arrived, if it is no sign of loss"),
        CASE(shorter_timeout, "RFC 6298 2.4: the least timeout is a setting"),
        CASE(thin_stream, "thin streams: six timeouts do not double"),
    };
    return run_cases(cases, sizeof cases / sizeof cases[0], argc, argv);
}
