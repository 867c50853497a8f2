/* SPDX-License-Identifier: MIT */
#include "tcp/cc.h"

#include "tap.h"

#include <math.h>

/* RFC 9293 MAY-18: RFC 9438 and RFC 9406 as arithmetic: values in, cwnd and ssthresh out. What is
 * expected is reckoned here once more, in doubles and in the RFC's own units. */

#define MSS    1448u
#define C      0.4
#define MONTHS 4

static struct cc cc;
static struct cc_memory memory;
static const struct cc_path path = { .mss = MSS, .cwnd_max = CC_WINDOW_MAX };

static void fresh(uint32_t segments)
{
    memory = (struct cc_memory){ { { 0 } } };
    cc_cubic.init(&cc, &memory, &path);
    cc.cwnd = segments * MSS;
}

static void lose(weir_time now)
{
    const struct cc_loss loss = { .in_flight = cc.cwnd, .now = now };
    cc_cubic.lost(&cc, &memory, &path, &loss);
}

static void acked(uint32_t octets, weir_time rtt, weir_time now, bool limited)
{
    const struct cc_ack ack = {
        .acked = octets, .rtt = rtt, .srtt = rtt, .cwnd_limited = limited, .now = now
    };
    cc_cubic.acked(&cc, &memory, &path, &ack);
}

/* A round trip of ACKs for two segments each. */
static weir_time round_trip(weir_time rtt, weir_time now)
{
    const uint32_t acks = cc.cwnd / (2 * MSS) + 1;
    for (uint32_t i = 0; i < acks; i++)
        acked(2 * MSS, rtt, now + rtt * i / acks, true);
    return now + rtt;
}

static bool near(double seen, double expected, double percent)
{
    return fabs(seen - expected) <= expected * percent / 100;
}

static void cube_roots(void)
{
    bool good = true;
    for (uint64_t root = 1; root < 2642245; root = root * 5 / 4 + 1) {
        const uint64_t cube = root * root * root;
        good = good && cc_cube_root(cube) == root && cc_cube_root(cube - 1) == root - 1 &&
               cc_cube_root(cube + 1) == root;
    }
    CHECK(good, "cube roots are exact, rounded down");
    CHECK(cc_cube_root(UINT64_MAX) == 2642245 && cc_cube_root(0) == 0, "at both ends as well");
}

/* Equation 1 and 2 against doubles, for large windows where Reno has no say. */
static void curve(void)
{
    const weir_time rtt = 100 * WEIR_MS;
    fresh(10000);
    weir_time now = WEIR_SECOND;
    lose(now);
    CHECK(near(cc.cwnd, 7000.0 * MSS, 0.1), "a loss leaves seven tenths");
    const double w_max = 10000, k = cbrt(w_max * 0.3 / C);
    double worst = 0;
    const weir_time epoch = now;
    /* cwnd follows the target within a round trip: it is compared with the curve there. */
    while (now < epoch + (weir_time)(2.0 * k * 1e9)) {
        now = round_trip(rtt, now);
        const double t = (double)(now - epoch) / 1e9;
        const double expected = C * pow(t - k, 3) + w_max;
        const double error = fabs(cc.cwnd / (double)MSS - expected) / expected;
        worst = error > worst ? error : worst;
    }
    CHECK(worst < 0.01, "the curve is followed within 1 %% on both sides of K: %.3f %%",
          worst * 100);
}

/* RFC 9438, 4.3: on a short way CUBIC is Reno with another decrease: 9/17 of a segment a round trip
 * until it stands where it stood, a whole one from there on. */
static void friendly(void)
{
    const weir_time rtt = 5 * WEIR_MS;
    fresh(100);
    weir_time now = WEIR_SECOND;
    lose(now);
    const double before = cc.cwnd / (double)MSS;
    for (unsigned i = 0; i < 20; i++)
        now = round_trip(rtt, now);
    const double grown = cc.cwnd / (double)MSS - before;
    CHECK(near(grown, 20 * 9.0 / 17, 8), "nine seventeenths of a segment a round trip: %.2f",
          grown);
    while (cc.cwnd < 101 * MSS)
        now = round_trip(rtt, now);
    const double from = cc.cwnd / (double)MSS;
    for (unsigned i = 0; i < 20; i++)
        now = round_trip(rtt, now);
    const double later = cc.cwnd / (double)MSS - from;
    CHECK(later > 18.5 && later < 24, "a whole segment once it is past the old window: %.2f",
          later);
}

static void fast_convergence(void)
{
    fresh(1000);
    lose(WEIR_SECOND);
    CHECK(cc.kept == 1000 * MSS, "W_max is the window at the loss");
    lose(2 * WEIR_SECOND);
    CHECK(near(cc.kept, 700.0 * 0.85 * MSS, 0.1), "a smaller one the next time: it is lowered");
    CHECK(near(cc.ssthresh, 490.0 * MSS, 0.1) && cc.cwnd == cc.ssthresh, "and cwnd as ever");
    for (unsigned i = 0; i < 30; i++)
        lose(3 * WEIR_SECOND);
    CHECK(cc.ssthresh == 2 * MSS, "never less than two segments");
}

/* RFC 9438, 4.9. */
static void undo(void)
{
    fresh(1000);
    lose(WEIR_SECOND);
    weir_time now = WEIR_SECOND;
    for (unsigned i = 0; i < 10; i++)
        now = round_trip(100 * WEIR_MS, now);
    const struct cc was = cc;
    const struct cc_cubic then = memory.of.cubic;
    lose(now);
    CHECK(cc.cwnd < was.cwnd, "a loss that was none");
    cc_cubic.undo(&cc, &memory, &path);
    const struct cc_cubic *c = &memory.of.cubic;
    CHECK(cc.cwnd == was.cwnd && cc.ssthresh == was.ssthresh && cc.kept == was.kept,
          "cwnd, ssthresh and W_max are back");
    CHECK(c->epoch == then.epoch && c->k_ms == then.k_ms && c->origin == then.origin &&
              c->w_est == then.w_est && c->cwnd_prior == then.cwnd_prior,
          "and so is the epoch");
    const struct cc again = cc;
    cc_cubic.undo(&cc, &memory, &path);
    CHECK(cc.cwnd == again.cwnd && cc.ssthresh == again.ssthresh, "once");

    const struct cc_loss marks = { .in_flight = cc.cwnd, .now = now };
    lose(now);
    cc_cubic.marked(&cc, &memory, &path, &marks);
    const struct cc less = cc;
    cc_cubic.undo(&cc, &memory, &path);
    CHECK(cc.cwnd == less.cwnd && cc.ssthresh == less.ssthresh, "what a mark took stays taken");

    fresh(20);
    lose(now);
    CHECK(memory.of.cubic.hystart.done, "a loss ends the first slow start");
    cc_cubic.undo(&cc, &memory, &path);
    CHECK(cc.ssthresh == UINT32_MAX && !memory.of.cubic.hystart.done,
          "one that was none does not, nor the search for its end");
}

/* RFC 9438, 4.2 and 5.8: time without enough to send does not count. */
static void pauses(void)
{
    const weir_time rtt = 100 * WEIR_MS, pause = 600 * WEIR_SECOND;
    struct cc with, without;
    for (unsigned both = 0; both < 2; both++) {
        fresh(1000);
        weir_time now = WEIR_SECOND;
        lose(now);
        for (unsigned i = 0; i < 20; i++)
            now = round_trip(rtt, now);
        if (both == 1) {
            acked(MSS, rtt, now, false);
            now += pause;
        }
        for (unsigned i = 0; i < 20; i++)
            now = round_trip(rtt, now);
        *(both == 0 ? &without : &with) = cc;
    }
    CHECK(near(with.cwnd, without.cwnd, 0.5),
          "ten minutes without work leave the curve where it was");
    const uint32_t kept = cc.kept;
    memory = (struct cc_memory){ { { 0 } } };
    const uint32_t before = cc.cwnd;
    acked(MSS, rtt, WEIR_SECOND, true);
    CHECK(memory.of.cubic.origin == (kept > before ? kept : before),
          "after an idle time the curve goes on from W_max, which alone was kept");
}

/* Months without a loss: nothing overflows, nothing shrinks. */
static void months(void)
{
    static const uint32_t sizes[] = { 88, 1448, 8948, 65160 };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct cc_path way = { .mss = sizes[i], .cwnd_max = CC_WINDOW_MAX };
        memory = (struct cc_memory){ { { 0 } } };
        cc_cubic.init(&cc, &memory, &way);
        cc.ssthresh = cc.cwnd;
        weir_time now = INT64_C(1) << 55;
        const weir_time end = now + MONTHS * 30 * 86400 * WEIR_SECOND;
        bool good = true;
        for (weir_time gap = WEIR_MS; now < end; gap = gap * 9 / 8) {
            const uint32_t before = cc.cwnd;
            const struct cc_ack ack = { .acked = before,
                                        .rtt = WEIR_MS,
                                        .srtt = 120 * WEIR_SECOND,
                                        .cwnd_limited = true,
                                        .now = now };
            cc_cubic.acked(&cc, &memory, &way, &ack);
            good = good && cc.cwnd >= before && cc.cwnd <= CC_WINDOW_MAX;
            now += gap;
        }
        CHECK(good && cc.cwnd == CC_WINDOW_MAX,
              "%u months without a loss, segments of %u: at the bound", (unsigned)MONTHS, sizes[i]);
    }
    bool good = true;
    for (uint64_t t = 0; t < UINT64_MAX / 4; t = t * 3 / 2 + 1) {
        const uint32_t w = cc_cubic_window(65160, CC_WINDOW_MAX - 1, t, 5000);
        good = good && w <= CC_WINDOW_MAX && (t <= 5000 || w >= CC_WINDOW_MAX - 1);
    }
    CHECK(good, "the curve has an end for every time that can be said");
}

/* ---- HyStart++ ---- */

struct slow_start {
    uint64_t delivered;
    uint32_t peak;
    weir_time now;
};

/* A round in slow start: every segment acknowledged with `rtt`. */
static void slow_round(struct slow_start *s, weir_time rtt, bool per_segment)
{
    const uint32_t window = cc.cwnd;
    const uint32_t step = per_segment ? MSS : 2 * MSS;
    for (uint32_t sent = 0; sent < window && cc.ssthresh == UINT32_MAX; sent += step) {
        s->delivered += step;
        const struct cc_ack ack = { .acked = step,
                                    .pipe = window - step,
                                    .rtt = rtt,
                                    .srtt = rtt,
                                    .cwnd_limited = true,
                                    .now = s->now,
                                    .rate = { .delivered = s->delivered } };
        cc_cubic.acked(&cc, &memory, &path, &ack);
    }
    s->now += rtt;
}

static void hystart(void)
{
    struct slow_start s = { .now = WEIR_SECOND };
    fresh(20);
    for (unsigned i = 0; i < 4; i++)
        slow_round(&s, 100 * WEIR_MS, true);
    CHECK(near(cc.cwnd, 320.0 * MSS, 10), "slow start doubles while the round trip stands");
    slow_round(&s, 113 * WEIR_MS, true);
    CHECK(memory.of.cubic.hystart.base_min != 0, "an eighth more: conservative slow start");
    const uint32_t from = cc.cwnd;
    slow_round(&s, 113 * WEIR_MS, true);
    CHECK(near(cc.cwnd, from * 1.25, 4), "which grows by a quarter of that");
    for (unsigned i = 0; i < 5 && cc.ssthresh == UINT32_MAX; i++)
        slow_round(&s, 114 * WEIR_MS, true);
    CHECK(cc.ssthresh != UINT32_MAX && cc.cwnd - cc.ssthresh <= MSS,
          "and after five rounds slow start is over, without a loss");

    s = (struct slow_start){ .now = WEIR_SECOND };
    fresh(20);
    for (unsigned i = 0; i < 3; i++)
        slow_round(&s, 100 * WEIR_MS, true);
    slow_round(&s, 113 * WEIR_MS, true);
    slow_round(&s, 130 * WEIR_MS, true);
    CHECK(cc.ssthresh != UINT32_MAX, "a round trip that goes on growing is over at once");

    s = (struct slow_start){ .now = WEIR_SECOND };
    fresh(20);
    for (unsigned i = 0; i < 3; i++)
        slow_round(&s, 100 * WEIR_MS, true);
    slow_round(&s, 120 * WEIR_MS, true);
    CHECK(memory.of.cubic.hystart.base_min != 0, "a round trip that jumps");
    slow_round(&s, 100 * WEIR_MS, true);
    CHECK(memory.of.cubic.hystart.base_min == 0 && cc.ssthresh == UINT32_MAX,
          "and falls back was jitter: slow start goes on");

    s = (struct slow_start){ .now = WEIR_SECOND };
    fresh(20);
    for (unsigned i = 0; i < 3; i++)
        slow_round(&s, 100 * WEIR_MS, true);
    slow_round(&s, 103 * WEIR_MS, true);
    slow_round(&s, 105 * WEIR_MS, true);
    CHECK(memory.of.cubic.hystart.base_min == 0, "less than four milliseconds are nothing");
}

int main(void)
{
    cube_roots();
    curve();
    friendly();
    fast_convergence();
    undo();
    pauses();
    months();
    hystart();
    return tap_done();
}
