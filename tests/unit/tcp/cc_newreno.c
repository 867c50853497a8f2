/* SPDX-License-Identifier: MIT */
#include "tcp/cc.h"

#include "tap.h"

/* RFC 5681, 6928, 3465 and 7661 as arithmetic: values in, cwnd and ssthresh out. */

#define MSS 1000u

static struct cc cc;
static struct cc_memory memory;
static const struct cc_path path = { .mss = MSS, .cwnd_max = UINT32_C(1) << 30 };

static void fresh(void)
{
    memory = (struct cc_memory){ { { 0 } } };
    cc_newreno.init(&cc, &memory, &path);
}

static void acked(uint32_t octets, bool limited, bool in_loss)
{
    const struct cc_ack ack = {
        .acked = octets, .rtt = -1, .cwnd_limited = limited, .in_loss = in_loss
    };
    cc_newreno.acked(&cc, &memory, &path, &ack);
}

static void initial_window(void)
{
    static const uint32_t rows[][2] = { { 88, 880 },      { 536, 5360 },   { 1000, 10000 },
                                        { 1448, 14480 },  { 1460, 14600 }, { 2190, 14600 },
                                        { 7300, 14600 },  { 7301, 14602 }, { 8948, 17896 },
                                        { 65495, 130990 } };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(cc_initial_window(rows[i][0]) == rows[i][1], "RFC 6928: %u octets for an MSS of %u",
              rows[i][1], rows[i][0]);
}

static void slow_start(void)
{
    fresh();
    CHECK(cc.cwnd == 10 * MSS && cc.ssthresh == UINT32_MAX,
          "begins with ten segments and no threshold");
    acked(MSS, true, false);
    CHECK(cc.cwnd == 11 * MSS, "slow start grows by what is acknowledged");
    acked(300, true, false);
    CHECK(cc.cwnd == 11300, "RFC 3465: by octets, not by ACKs");
    acked(44 * MSS, true, false);
    CHECK(cc.cwnd == 11300 + 44 * MSS, "an ACK of a superframe counts whole");
    const uint32_t before = cc.cwnd;
    acked(MSS, false, false);
    CHECK(cc.cwnd == before, "RFC 7661: what was not used does not grow");
    fresh();
    cc.cwnd = MSS;
    acked(5 * MSS, true, true);
    CHECK(cc.cwnd == 2 * MSS, "after a timeout: one segment an ACK");
}

static void threshold(void)
{
    fresh();
    cc.ssthresh = 10500;
    acked(500, true, false);
    CHECK(cc.cwnd == 10500, "slow start stops at the threshold");
    for (unsigned i = 0; i < 21; i++)
        acked(500, true, false);
    CHECK(cc.cwnd > 10500 + 900 && cc.cwnd <= 10500 + MSS,
          "congestion avoidance: a segment for a window of octets");
    fresh();
    cc.ssthresh = 10500;
    acked(8 * MSS, true, false);
    CHECK(cc.cwnd > 10500 && cc.cwnd <= 11500, "what is left over counts for congestion avoidance");
    const uint32_t from = cc.cwnd;
    for (unsigned i = 0; i < 120; i++)
        acked(MSS, true, false);
    CHECK(cc.cwnd > from + 6 * MSS && cc.cwnd < from + 11 * MSS, "about one segment a round trip");
}

static void loss(void)
{
    fresh();
    cc.cwnd = 40 * MSS;
    const struct cc_loss much = { .in_flight = 30 * MSS }, little = { .in_flight = MSS };
    cc_newreno.lost(&cc, &memory, &path, &much);
    CHECK(cc.ssthresh == 15 * MSS && cc.cwnd == 15 * MSS,
          "equation 4: half of what is in flight, not of cwnd");
    cc_newreno.lost(&cc, &memory, &path, &little);
    CHECK(cc.ssthresh == 2 * MSS && cc.cwnd == 2 * MSS, "never less than two segments");
}

static void timeout(void)
{
    fresh();
    const struct cc_loss much = { .in_flight = 30 * MSS };
    cc_newreno.timeout(&cc, &memory, &path, &much, true);
    CHECK(cc.ssthresh == 15 * MSS && cc.cwnd == MSS, "one segment, and half of what was in flight");
    const struct cc_loss again = { .in_flight = 4 * MSS };
    cc_newreno.timeout(&cc, &memory, &path, &again, false);
    CHECK(cc.ssthresh == 15 * MSS && cc.cwnd == MSS, "the same segment again: ssthresh stays");
}

static void idle(void)
{
    fresh();
    cc.cwnd = 100 * MSS;
    cc_newreno.idle(&cc, &memory, &path, WEIR_SECOND, WEIR_SECOND);
    CHECK(cc.cwnd == 100 * MSS, "one RTO is no silence");
    cc_newreno.idle(&cc, &memory, &path, 2 * WEIR_SECOND, WEIR_SECOND);
    CHECK(cc.cwnd == 50 * MSS, "halved for an RTO");
    cc_newreno.idle(&cc, &memory, &path, 86400 * WEIR_SECOND, WEIR_MS);
    CHECK(cc.cwnd == 10 * MSS, "down to the initial window, and the loop ends");
    cc.cwnd = MSS;
    cc_newreno.idle(&cc, &memory, &path, 86400 * WEIR_SECOND, WEIR_MS);
    CHECK(cc.cwnd == MSS, "never up");
}

static void bounds(void)
{
    fresh();
    const struct cc_path small = { .mss = MSS, .cwnd_max = 20 * MSS };
    for (unsigned i = 0; i < 100; i++) {
        const struct cc_ack ack = { .acked = 8 * MSS, .rtt = -1, .cwnd_limited = true };
        cc_newreno.acked(&cc, &memory, &small, &ack);
    }
    CHECK(cc.cwnd == 20 * MSS, "no more than cwnd_max");
    fresh();
    cc.cwnd = UINT32_C(1) << 30;
    for (unsigned i = 0; i < 1000; i++)
        acked(UINT32_C(1) << 30, true, false);
    CHECK(cc.cwnd <= UINT32_C(1) << 30, "a gigabyte does not overflow");
}

int main(void)
{
    initial_window();
    slow_start();
    threshold();
    loss();
    timeout();
    idle();
    bounds();
    return tap_done();
}
